/* ir.h: the graph.
 *
 * A graph is pure, typed and interned: a node is (op, type, operands, attributes); equal nodes are the same pointer.
 * So common subexpressions cost nothing, and what no result reaches does not exist.  Nodes are immutable; operands are
 * always older than their users (smaller id), so descending id is an order for a reverse sweep.
 *
 * Elementwise operands have the type shape of the result: broadcasting is explicit (`expand`).
 * Axes in attributes count from the end (-1 is the last), so that every rule also works under extra leading axes:
 * batched seeds and tangents carry their batch axes in front.
 *
 * Contents: types | ops | nodes | functions | constructors | walks | evaluator | printer | verifier */
#ifndef ADC_IR_H
#define ADC_IR_H

#include "../adc.h"

/* ---- types (type.c) ----------------------------------------------------------------------------------------------- */
typedef enum { ELEM_REAL, ELEM_INT, ELEM_BOOL } Elem;

/* A dimension is a type of its own, interned; today it is a constant. */
typedef struct Dim { int64_t size; } Dim;

enum { RANK_USER = 8, RANK_MAX = 24 };                      /* the language's bound; derivatives of tensors need more */
enum { ELEMENTS_MAX = 1 << 30 };                            /* elements of one value */

/* Interned: equal types are the same pointer. */
typedef struct Type {
    Elem elem;
    int rank;
    const Dim *dim[RANK_MAX];
    int64_t count;                                          /* number of elements */
} Type;

const Dim *dim_constant(Context *, int64_t size);
static inline int64_t dim_size(const Dim *d) { return d->size; }
const Type *type_make(Context *, Elem, int rank, const Dim *const *dims);
const Type *type_sized(Context *, Elem, int rank, const int64_t *sizes);
const Type *type_scalar(Context *, Elem);
const Type *type_with_elem(Context *, const Type *, Elem);  /* same shape, other element */
const Type *type_concat(Context *, Elem, const Type *front, const Type *back);   /* shape of front, then shape of back */
bool type_same_shape(const Type *, const Type *);
static inline int64_t type_size(const Type *t, int axis) { return dim_size(t->dim[axis < 0 ? axis + t->rank : axis]); }
const char *type_text(Context *, const Type *);             /* "real[3, 4]" */
const char *shape_text(Context *, const Type *);            /* "[3, 4]", "a scalar" */
/* NumPy's broadcast of two shapes (element type of a); NULL when they do not fit. */
const Type *type_broadcast(Context *, const Type *a, const Type *b);

/* ---- ops (ops.h is the only file that knows them) ----------------------------------------------------------------- */
typedef enum {
    CLASS_LEAF,                                             /* param, constant, iota, bind */
    CLASS_ELEMENTWISE,
    CLASS_LINEAR,                                           /* linear in each real operand: tangent by itself; adjoint in diff/ */
    CLASS_OTHER,                                            /* adjoint rule as text */
    CLASS_RULED,                                            /* the first operand, for anyone but a derivative */
    CLASS_REGION
} OpClass;

typedef enum {
#define E1(name, ...) OP_##name,
#define E2(name, ...) OP_##name,
#define E3(name, ...) OP_##name,
#define LEAF(name, ...) OP_##name,
#define LINEAR(name, ...) OP_##name,
#define OTHER(name, ...) OP_##name,
#define OTHER2(name, ...) OP_##name,
#define RULED(name, ...) OP_##name,
#include "ops.h"
    OP_COUNT
} Op;

/* Which element types an elementwise op takes and gives. */
typedef enum {
    SIG_REAL,                                               /* real.. -> real */
    SIG_NUMBER,                                             /* all real -> real, all int -> int */
    SIG_COMPARE,                                            /* two numbers of one type, or two bools -> bool */
    SIG_PREDICATE,                                          /* real -> bool */
    SIG_BOOL,                                               /* bool.. -> bool */
    SIG_INT,                                                /* int.. -> int */
    SIG_SELECT,                                             /* bool, t, t -> t */
    SIG_TO_REAL,                                            /* int or bool -> real */
    SIG_NONE                                                /* not elementwise */
} Signature;

typedef struct OpInfo {
    const char *name;                                       /* the builtin's name, or the operator in `infix` */
    const char *infix;                                      /* "+", prefix "-" for neg; NULL for a call */
    OpClass class;
    int arity;                                              /* -1: any number */
    Signature signature;
    double low, high;                                       /* sample range of every real operand for the self-test */
    const char *kernel;                                     /* C expression in x, w, v over double; NULL unless elementwise */
    const char *adjoint[4];                                 /* adc text in x, w, v, y, g, per operand; NULL: no derivative flows.
                                                               [2] of an OTHER2: its tangent by x; of a RULED: see ruled_text */
    const char *doc;
    int line;                                               /* of the row in ops.h, for messages */
} OpInfo;

extern const OpInfo op_info[OP_COUNT];
int op_find(const char *name);                              /* an op by builtin name, or -1 */

/* ---- nodes (node.c) ----------------------------------------------------------------------------------------------- */
typedef struct Node Node;
struct Fn;

typedef enum { ROLE_PRIMAL, ROLE_ADJOINT, ROLE_TANGENT } Role;

/* What a value is, for names, comments, dot and --explain.  No part of a node's identity: the first creator decides. */
typedef struct Origin {
    Str name;                                               /* the source's name; `h_bar` for adjoints; NULL: none */
    Span span;                                              /* the expression that created it */
    Role role;
    const Node *of;                                         /* ROLE_ADJOINT/TANGENT: the primal node whose rule produced this */
} Origin;

struct Node {
    Op op : 16;                                             /* there are millions of nodes: the order saves space */
    bool closed : 1;                                        /* made of constants alone, by no region */
    bool carried : 1;                                       /* depends on what a loop carries (node_mark_carried) */
    bool captured : 1;                                      /* a param that stands for an outer value in bodies (region.c) */
    bool taped : 1;                                         /* a param that stands for what a loop saved (diff/region.c) */
    int id;                                                 /* creation order; larger than every operand's */
    const Type *type;
    int operand_count, attr_count;
    Node **operands;
    const int64_t *attr;                                    /* layout per op: see ops.h */
    const double *data;                                     /* OP_constant: type->count values, row-major (ints and bools too) */
    const struct Fn *body[2];                               /* regions: closed functions (region.c); else NULL */
    int seen, place;                                        /* the walk that met it last, a guess at its place: fn.c's own */
    Origin origin;
    uint64_t hash;
};

static inline bool node_is_scalar(const Node *n) { return n->type->rank == 0; }

/* Remembered while a function is differentiated; then the function's. */
struct AdjointRecord;
void graph_note_kept(Context *, const Node *, int how, Span loop);
void graph_note_adjoint(Context *, const struct AdjointRecord *);
void graph_take_notes(Context *, struct Fn *);

/* The current span, role and primal that new nodes get as their origin; set by whoever builds. */
void graph_set_origin(Context *, Origin);
Origin graph_origin(Context *);
void node_set_name(Node *, Str name);                       /* only if it has none yet */
int graph_node_count(Context *);                            /* ids are 0 .. count-1: size of side tables */

/* ---- constructors (node.c builds, fold.c simplifies) ----------------------------------------------------------------
 * Each checks its operands (a misfit is an internal error: the front end has told the user before), folds constants,
 * simplifies locally, and interns.  What is simplified: see fold.c. */
Node *node_param(Context *, Str name, const Type *, Span);  /* always a new node */
Node *node_bind(Context *, Node *x, Str name);              /* always a new node: a value derivatives are taken by */
Node *node_constant(Context *, const Type *, const double *data);
Node *node_real(Context *, double);                         /* scalar constants */
Node *node_int(Context *, int64_t);
Node *node_bool(Context *, bool);
Node *node_fill(Context *, const Type *, double value);     /* expand of a scalar constant */
Node *node_iota(Context *, int64_t n);                      /* int [n]: 0, 1, .. n-1 */
bool node_is_by(const Node *, int k);                       /* a derivative of values is taken by this operand */
/* by[k]: a derivative is taken by operand k, by this node or by one in its bodies.  Is there any? */
bool node_find_by(Context *, const Node *, bool *by);
/* A derivative of values, for src/diff to replace; operands and attributes as in ops.h. */
Node *node_derivative(Context *, Op, const Type *, int count, Node *const *operands, int attr_count, const int64_t *attr);
/* Elementwise; operands of one shape, or scalars that are expanded to it. */
Node *node_elementwise(Context *, Op, Node *const *operands);
Node *node_unary(Context *, Op, Node *x);
Node *node_binary(Context *, Op, Node *x, Node *w);         /* broadcasts NumPy's way */
Node *node_plus(Context *, Node *sum, Node *term);          /* of both either may be NULL: nothing */
Node *node_where(Context *, Node *c, Node *a, Node *b);     /* broadcasts */
Node *node_to_real(Context *, Node *);                      /* int or bool to real; real unchanged */
/* Movement and reduction.  Axes may be given either way (>= 0 or negative); they are stored from the end. */
Node *node_expand(Context *, Node *x, const Type *shape);   /* NumPy's broadcast_to */
Node *node_reshape(Context *, Node *x, const Type *shape);
Node *node_permute(Context *, Node *x, const int *perm);    /* result axis k is operand axis perm[k] */
Node *node_transpose(Context *, Node *x, int axis0, int axis1);
Node *node_slice(Context *, Node *x, const int64_t *start, const int64_t *step, const int64_t *count);  /* per axis; step may be negative */
Node *node_pad(Context *, Node *x, const int64_t *low, const int64_t *high, const int64_t *interior);   /* zeros; interior: between elements; all >= 0 */
Node *node_concat(Context *, int count, Node *const *xs, int axis);
Node *node_stack(Context *, int count, Node *const *xs);    /* a new leading axis */
Node *node_sum(Context *, Node *x, int axis_count, const int *axes, bool keepdim);
Node *node_reduce(Context *, Op, Node *x, int axis_count, const int *axes, bool keepdim);  /* OP_sum, OP_prod, OP_max_reduce, OP_max_first, OP_min_reduce */
/* Labels are small integers, one per axis: operands' axes, then the result's.  A label of the operands that is not in
 * the result is summed over.  One operand with a repeated label takes a diagonal; a repeated label of the result makes one. */
Node *node_einsum(Context *, int count, Node *const *xs, const int *const *labels, int out_rank, const int *out_labels);
Node *node_matmul(Context *, Node *a, Node *b);             /* NumPy's @ */
/* x's first `count` axes are indexed by int tensors of one shape S: result S + the other axes of x.  Out of range clamps. */
Node *node_index(Context *, Node *x, int count, Node *const *indices);
Node *node_index_add(Context *, Node *base, int count, Node *const *indices, Node *source);  /* base + source scattered; repeats add */
Node *node_index_set(Context *, Node *base, int count, Node *const *indices, Node *source);  /* the last of repeats stays */
/* y_k = b_k + a_k y_{k-1}, y_{-1} = 0 (a_0 is not read).  forget: y_k = b_k where a_k = 0, also behind what is not finite. */
Node *node_recurrence(Context *, Node *a, Node *b, int axis, bool forget);
/* Matrices (matrix.c): the last two axes; axes in front are a batch.  b may have more of them in front than a has. */
Node *node_solve(Context *, Node *a, Node *b);
Node *node_triangular_solve(Context *, Node *a, Node *b, bool lower, bool transpose, bool unit);
Node *node_matrix(Context *, Op, Node *a);                  /* OP_inverse, OP_det, OP_logdet, OP_cholesky */
Node *node_det_cofactors(Context *, Node *a, int count, Node *const *directions);
Node *node_lu_factor(Context *, Node *a, bool complete);    /* complete: the pivot is the largest of all that is left */
Node *node_lu_solve(Context *, Node *factors, Node *b, bool upper, bool transpose);
Node *node_squeeze_to(Context *, Node *x, const Type *shape); /* sums x down to `shape`: the adjoint of broadcasting */

/* Functions of scalars that the user declares something about (call.c): a C function, or how one is differentiated. */
enum { SCALAR_FN_ARGUMENTS = 8 };
typedef struct ScalarFn {
    Str name;
    Span span;                                              /* of the declared name */
    bool is_extern;
    int arity;
    const Elem *elems;                                      /* of the arguments: real or int, of an ordinary function also bool */
    const Str *names;                                       /* of the arguments */
    const struct Fn *fn;                                    /* the function itself, once it is elaborated */
    const struct Fn *rule;                                  /* arguments, then the value, to a partial derivative per real
                                                               argument; NULL: none is declared */
    bool is_expanding, is_expanded;                         /* diff/: the derivatives within the rule itself */
    void (*address)(void);                                  /* of the C function, for the evaluator; NULL: not there */
    bool is_float;                                          /* it takes and gives floats */
    bool is_reported;                                       /* that it is not there */
} ScalarFn;
int scalar_fn_add(Context *, const ScalarFn *);             /* its number */
int scalar_fn_count(Context *);
ScalarFn *scalar_fn(Context *, int which);
const ScalarFn *scalar_fn_extern(Context *, Str name);      /* NULL: no C function of that name is declared */
bool scalar_fn_is_callable(int arity, const Elem *);        /* the evaluator can call C functions of these arguments */
/* Of one shape, or scalars that are expanded to it. */
Node *node_call(Context *, int which, Node *const *arguments);
Node *node_override(Context *, int which, Node *const *value_and_arguments);
/* The value with a derivative of its own: x and v get the shape of the derivative (call.c). */
Node *node_ruled(Context *, Op, int count, Node *const *value_x_w_v_u, int axis_count, const int *axes);
enum { RULED_X = 1, RULED_V = 3, RULED_MOST = 5 };          /* operands that it has a derivative by; how many there are */
static inline bool node_is_ruled(const Node *n) { return op_info[n->op].class == CLASS_RULED; }
static inline int ruled_text(int operand, bool tangent) { return 2 * tangent + (operand == RULED_V); }
bool node_is_pointwise(const Node *);                       /* each element from the same elements of the operands */

/* Regions (region.c, loop.c).  A region yields several values, each taken by a result node.  Bodies are given in terms of
 * their own params and of outer nodes; closing makes captures of the latter, and leaves outside what reads no own param.
 * What needs no region is simplified, so values are asked for and not the region. */
typedef struct NodeSet {                                    /* the nodes that may be in a body: those from id `floor` on, and members */
    int floor;
    Map *members;                                           /* NULL: none */
} NodeSet;
enum { NODE_SET_MEMBERS = INT32_MAX };                      /* the floor of a set that has members alone */
/* Nodes made or met from now on are members of this set (NULL: of none), and no more of the one that is returned: of what is
 * made for a body, the set around gets what the region leaves outside of itself, once it is closed. */
NodeSet *graph_record(Context *, NodeSet *);

/* for index in 0..trips, at most max_trips, or while condition.  The results are the next carries, then values stacked along
 * a new leading axis of max_trips, whose rows of trips not taken are 0. */
typedef struct LoopParts {
    Node *trips, *condition;                                /* one of them; the other is NULL */
    int64_t max_trips;
    int64_t checkpoint;                                     /* when differentiated: keep the state every so many trips; 0: as planned */
    Node *index;                                            /* a param of this loop alone; a while counts as well */
    int carry_count;
    Node *const *inits, *const *carries;                    /* carries: params of this loop alone */
    int result_count;
    Node *const *results;
    const NodeSet *body;                                    /* NULL: all nodes from the index on */
} LoopParts;
void node_mark_carried(Node *param);            /* it will be a carry; before what reads it is made */
/* Values: the last carries, the stacks, and of a while the trips taken. */
void node_loop(Context *, const LoopParts *, Node **values);

/* Only the side taken is evaluated. */
typedef struct BranchParts {
    Node *condition;
    int count;
    Node *const *yes, *const *no;
    const NodeSet *inside;                                  /* what belongs to the sides; everything else is captured */
} BranchParts;
void node_branch(Context *, const BranchParts *, Node **values);

Node *node_result(Context *, Node *region, int k);
const Type *node_result_type(Context *, const Node *region, int k);
int region_result_count(const Node *);
int region_own_count(const Node *);                         /* params before the captures: index and carries; none of a branch */
int region_leading_count(const Node *);                     /* operands before the captures */
static inline bool node_is_region(const Node *n) { return n->body[0] != NULL; }
/* The region again with other operands and other bodies over the same params; its values.  keep (NULL: all) says which values
 * are asked for; the carries of a loop that these need must be kept too. */
void region_again(Context *, const Node *region, const struct Fn *const *body, Node *const *operands, const bool *keep,
                  Node **values);
/* The keys of the map are replaced by their values under the roots.  Only nodes of `from` are looked into (NULL: all); what is
 * made is recorded in `into` (NULL: nowhere), and so is what stays the same. */
void graph_substitute(Context *, Node **roots, int count, const Map *replacement, const NodeSet *from, NodeSet *into);

bool node_is_fill(const Node *, double *value);             /* every element is this one constant (looks through movement) */
bool node_is_zero(const Node *);

/* The same op with other operands: for substitution, and for linear ops under leading batch axes.  A region keeps its bodies
 * and is not simplified; region_again does. */
Node *node_rebuild(Context *, const Node *, Node *const *operands);
/* The node itself where no operand is another one; a bind is made again. */
Node *node_replaced(Context *, const Node *, Node *const *operands);

/* ---- functions (fn.c) ---------------------------------------------------------------------------------------------- */
/* is_param: `param`, or no param in the whole list and real.  is_seed, is_gradient: of a split, what its second function has.
 * on_tape: a part of the tape between the two functions of a split; these come last, in one order in both.
 * contract: the name by the contract of the transform that made it, of which `name` may have a number; NULL: not made.
 * pattern: of a sparse derivative, where its values belong; NULL: it is dense. */
typedef struct { Str name; Node *node; bool is_param, is_seed, on_tape; Str contract; } Param;
typedef struct Pattern { int count; const int32_t *row, *column; } Pattern;     /* flat places, ascending */
typedef struct {
    Str name;
    Node *node;
    bool accumulate, is_gradient, on_tape;
    Str contract;
    const Pattern *pattern;
    Node *slope_of, *slope_by;                              /* in diff/: a scalar and an input whose gradient it is; NULL: none */
} Result;

/* One adjoint of one sweep, for --explain and --emit=dot: adjoint of `primal`, and the terms it was summed from. */
typedef struct { const Node *consumer; int operand; Node *term; } AdjointTerm;
typedef struct AdjointRecord { const Node *primal; Node *adjoint; Vec(AdjointTerm) terms; } AdjointRecord;

/* What becomes of a forward value that has a name, for --explain.  loop: whose trips; none: a split. */
typedef enum { KEEP_DROPPED, KEEP_AGAIN, KEEP_SAVED } Keep;
typedef struct { const Node *node; Keep how; Span loop; } KeepNote;

/* A loop whose trips run so many at a time (lanes.c). */
typedef struct { Span loop; int64_t trips, lanes; } LanesNote;

typedef struct Fn {
    Str name;
    Span span;
    Str doc;                                                /* "net_grad: grad of net by w1, w2", for the C comment */
    Vec(Param) params;
    Vec(Result) results;
    Vec(AdjointRecord) adjoints;
    Vec(AdjointRecord) inner;                               /* of values in bodies, as they were when they were differentiated */
    Vec(KeepNote) kept;
    Vec(LanesNote) in_lanes;
    bool is_split;                                          /* of a split: both at once, or one of the two */
    const struct Fn *forward;                               /* of a second function: the one that fills its tape; for calls */
} Fn;

int fn_input_count(const Fn *);                             /* without the tape */
int fn_output_count(const Fn *);
int64_t fn_tape_elements(const Fn *);

/* Nodes that the results reach, in ascending id (operands first).  Not recursive. */
typedef Vec(Node *) NodeList;
void fn_nodes(Context *, const Fn *, Arena *, NodeList *out);
bool fn_has(Context *, const Fn *, bool (*is_one)(const Node *));    /* not in bodies */
void nodes_reaching(Context *, Node *const *roots, int count, Arena *, NodeList *out);
int node_place(const NodeList *, const Node *);             /* in a list of ascending ids; -1: not there */
/* Rebuilds the results with `replace(node)` applied bottom up; params stay; names, results' order and records follow. */
typedef Node *(*NodeRewrite)(Context *, const Node *old, Node *const *new_operands, void *user);
/* Bodies of regions are rewritten in the same way.  NULL for the rewrite: node_replaced. */
Fn *fn_rewrite(Context *, const Fn *, NodeRewrite, void *user);
/* The same; `enter` is told of each region and its new operands before its bodies are rewritten. */
typedef void (*RegionEntry)(Context *, const Node *region, Node *const *new_operands, void *user);
Fn *fn_rewrite_entering(Context *, const Fn *, NodeRewrite, RegionEntry enter, void *user);
/* Bodies are left to `region`, which yields the values of the region again over new operands. */
typedef void (*RegionRewrite)(Context *, const Node *old, Node *const *new_operands, void *user, Node **values);
Fn *fn_rewrite_regions(Context *, const Fn *, NodeRewrite, RegionRewrite, void *user);
/* The same, with regions after the nodes that `before` tells of; they are nodes of the function. */
typedef void (*RegionBefore)(const Node *region, void *user, NodeList *out);
Fn *fn_rewrite_ordered(Context *, const Fn *, NodeRewrite, RegionRewrite, RegionBefore, void *user);
/* The results with `arguments` in the place of the params; of one shape, or scalars, when every node is pointwise. */
void fn_apply(Context *, const Fn *, Node *const *arguments, Node **results);
bool fn_is_pointwise(Context *, const Fn *);
Fn *fn_strip_binds(Context *, const Fn *);                  /* after differentiation: `bind` nodes vanish, sharing is renewed */

Fn *fn_factor(Context *, const Fn *);                       /* solve, inverse, det, logdet by factors that all of one matrix share (factor.c) */
Fn *fn_gram(Context *, const Fn *);                         /* J' @ J and J' @ r of a J that nobody else reads: without J (gram.c) */
Fn *fn_scatter_sums(Context *, const Fn *);                 /* sums with scatters into zeros become scatters (scatter.c) */
/* Loops of at least `least` independent trips run `lanes` of them at once, noted in `in_lanes` (lanes.c); 0: as many as suit.
 * large: only loops that do much in a trip and leave nothing but sums. */
Fn *fn_lanes(Context *, const Fn *, int64_t lanes, int64_t least, bool large);
const Fn *fn_scalars(Context *, const Fn *, int64_t limit);  /* loops and arrays written out where that saves much (scalars.c) */
const Fn *fn_element_scalars(Context *, const Fn *, int64_t limit);  /* whatever it saves; NULL: of more operations */
Fn *fn_reread(Context *, Fn *);                             /* tapes that are in arrays which loops leave are read there (reread.c) */
Fn *fn_tidy_regions(Context *, const Fn *);                 /* loops over one index become one; unused carries and stacks go (merge.c) */

/* ---- evaluator (eval.c): the reference meaning, naive -------------------------------------------------------------- */
typedef struct { const Type *type; double *data; } Tensor;  /* ints and bools as doubles; float mode rounds every result */
/* inputs: one per param.  Returns one per result, in `arena`.  Walks exactly the given graph; nothing is optimised. */
Tensor *fn_eval(Context *, const Fn *, const Tensor *inputs, Arena *);
/* eval_cost.c: nanoseconds of fn_eval, roughly, at most; nodes: of the function and of its regions, or NULL */
double fn_eval_cost(Context *, const Fn *, int64_t *nodes);
void eval_node(Context *, const Node *, const double *const *operands, double *out);   /* one node; also the constant folder */

/* ---- printer (print.c): the graph as adc source -------------------------------------------------------------------- */
void print_declarations(Context *, Fn *const *, int count, Text *);     /* what the functions need to be declared, for print_fn */
void print_fn(Context *, const Fn *, Text *);               /* `fn name(...) -> (...) { ... }` and `export name;`; compiles back to the identical graph */

/* ---- verifier (verify.c): what must hold after any pass ------------------------------------------------------------ */
void fn_verify(Context *, const Fn *, const char *pass);    /* internal_error when it does not */

#endif
