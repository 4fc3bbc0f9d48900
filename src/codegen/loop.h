/* loop.h: the loop program: what is left of a graph when it has been lowered, and what C prints and LLVM builds.
 *
 * A function is a block of statements: counted loops with constant bounds, named scalars, stores into flat buffers, and regions:
 * loops and branches of the source, whose bodies are lowered like functions, with formulas of their own.  What they
 * compute are Formulas: pure scalar expressions, interned per function, so that equal expressions are the same pointer.
 * Loop counters are named by their depth: the counter of every loop with one depth and one range is the same Formula, so that
 * two nests fuse by concatenating their bodies.  A LET binds its Formula for the rest of its block: from there on the
 * name stands for it.  A back end spells statements and Formulas one by one; it decides nothing.
 *
 * Contents: values | buffers, scalars | statements | functions | lowering, by file in the order of the pipeline */
#ifndef ADC_LOOP_H
#define ADC_LOOP_H

#include "codegen.h"

enum { STACK_LIMIT_DEFAULT = 1024 };                        /* --stack-limit */

/* ---- values ---------------------------------------------------------------------------------------------------- */
typedef struct Formula Formula;
typedef struct Buffer Buffer;
typedef struct Scalar Scalar;
typedef struct Loop Loop;
typedef struct Region Region;
typedef struct Lowering Lowering;

typedef enum {
    FORMULA_NUMBER,                                         /* real: `number`; int and bool: `integer` */
    FORMULA_SCALAR,                                         /* a scalar input, or the final value of an accumulator */
    FORMULA_COUNTER,                                        /* of a loop */
    FORMULA_AFFINE,                                         /* integer + sum of factor * term; never overflows */
    FORMULA_QUOTIENT, FORMULA_REMAINDER,                    /* arg[0] >= 0 by integer > 0 */
    FORMULA_CLAMP,                                          /* arg[0] limited to 0 .. integer */
    FORMULA_TRUST,                                          /* arg[0], which is in 0 .. integer, as the caller promises or a condition says */
    FORMULA_LOAD,                                           /* buffer[arg[0]] */
    FORMULA_NEG, FORMULA_NOT,
    FORMULA_ADD, FORMULA_SUB, FORMULA_MUL, FORMULA_DIV,     /* int ones wrap around */
    FORMULA_LT, FORMULA_LE, FORMULA_GT, FORMULA_GE,
    FORMULA_EQ, FORMULA_NE,                                 /* of ints and bools only */
    FORMULA_AND, FORMULA_OR,
    FORMULA_SELECT,                                         /* arg[0] ? arg[1] : arg[2] */
    FORMULA_CALL,                                           /* callee(arg..), the name for double; integer 1: the user's own C */
    FORMULA_CONVERT,                                        /* arg[0] as `elem` */
    FORMULA_NONNEGATIVE                                     /* arg[0] >= 0, of an index: guards of pad and concat */
} FormulaKind;

typedef struct { int64_t factor; const Formula *atom; } Term;

struct Formula {                                            /* there are millions of them: the order saves space */
    uint8_t kind, elem;                                     /* a FormulaKind, an Elem */
    uint8_t arg_count, term_count;
    bool guarded : 1;                                       /* may read out of bounds where no enclosing SELECT forbids it */
    bool kept : 1;                                          /* schedule_keep has looked at it */
    bool hinted : 1;                                        /* lowering->hints has a name for its LET */
    int id;                                                 /* creation order: larger than every argument's */
    int ready;                                              /* top-level statement that must have run before; -1: none.  Of values without counters */
    uint32_t hash;
    union {                                                 /* by kind: FORMULA_LOAD, _SCALAR, _COUNTER, _CALL, _AFFINE */
        const Buffer *buffer;
        const Scalar *scalar;
        const Loop *loop;
        Str callee;
        const Term *terms;                                  /* ascending by atom (counters by depth first) */
        const void *named;                                  /* whichever it is */
    };
    int64_t integer;
    union {
        double number;                                      /* a FORMULA_NUMBER of a real */
        int64_t low;                                        /* ints: the range that is known */
    };
    int64_t high;
    uint64_t loops;                                         /* bit d: depends on the counter of depth d */
    const Node *node;                                       /* whose value it is, for a name; NULL: none */
    const Formula *arg[SCALAR_FN_ARGUMENTS];                /* of an interned formula only arg_count are there */
};

/* Interned: same depth and range, same Loop.  Runs begin, begin + step, .. below end. */
struct Loop { int depth; int64_t begin, end, step; Str name; };

typedef Vec(Loop *) LoopList;

/* ---- buffers and scalars --------------------------------------------------------------------------------------- */
typedef enum { BUFFER_INPUT, BUFFER_OUTPUT, BUFFER_TEMP, BUFFER_CONSTANT } BufferKind;
typedef enum { PLACE_NONE, PLACE_WORK, PLACE_STACK } Place; /* PLACE_NONE: not a temporary, or never stored */

enum { LOOP_DEPTH_MAX = 60, SMALL_COUNT = 16 };             /* SMALL_COUNT: elements of what may be taken apart */

/* Where something is written: statement positions from the top level down; and for buffers, at which index. */
typedef struct { int count; int *at; } Path;
typedef struct { Path path; const Formula *index; } Write;

struct Buffer {
    BufferKind kind;
    Elem elem;
    int id;
    int64_t size;                                           /* elements */
    Str name;
    const double *data;                                     /* BUFFER_CONSTANT */
    const Node *node;                                       /* whose value it holds */
    Str hint;                                               /* a better name than the node's; NULL: none */
    Place place; int64_t offset;                            /* plan.c */
    Vec(Write) writes;                                      /* fuse.c */
    uint64_t loops;                                         /* bit d: lives inside the loop of depth d */
    bool pinned;                                            /* also read outside of loops */
    bool holds_ints, holds_bools;                           /* as reals: large arrays are in the work, which is real */
    bool is_chunk;                                          /* work of a region's bodies */
    bool is_partial;                                        /* the partial sums of one sum */
    bool accumulates;                                       /* an output that the function adds to */
    bool on_tape;                                           /* a part of the tape of a split */
    bool overwritten;                                       /* something takes its place: loads are done before that */
    bool is_read;                                           /* sweep.c */
    Buffer *version_of;                                     /* the same memory, before it was changed */
    Buffer *outer;                                          /* the same memory, in the lowering around this one */
    const Formula *base;                                    /* added to every index; NULL: 0 */
};

struct Scalar {
    uint8_t elem;                                           /* an Elem */
    bool is_input : 1, is_mutable : 1, is_declared : 1;     /* is_declared: a captured value that has no LET */
    bool is_live : 1;                                       /* sweep.c: something reads it */
    int id;
    int written;                                            /* 1 + the top-level statement; 0: an input, or inside of a nest */
    Str name;
    Str hint;                                               /* a name to begin with; NULL: the node's */
    uint64_t loops;                                         /* bit d: lives inside the loop of depth d */
    const Node *node;
    const Lowering *home;                                   /* whose positions `written` tells */
    Scalar *version_of;                                     /* the same variable; coalesce.c */
    int64_t low, high;                                      /* ints: the range that is known */
    const Formula *limit;                                   /* a counter: it is less than this, affine in Scalars; NULL: only `high` */
    const Formula *stands_for;                              /* in bodies, for this value of the lowering around; NULL: for none */
};

/* ---- statements ------------------------------------------------------------------------------------------------ */
typedef struct Stmt Stmt;
typedef struct { Vec(Stmt *) list; } Block;
typedef Vec(const Node *) NodeRefs;

typedef enum {
    STMT_LOOP,                                              /* `before`, then the loop over `body` */
    STMT_LET,                                               /* const scalar = value */
    STMT_DECLARE,                                           /* mutable scalar = value */
    STMT_ARRAY,                                             /* a local array, every element = value */
    STMT_ASSIGN,                                            /* scalar combine= value */
    STMT_STORE,                                             /* buffer[index] combine= value */
    STMT_REGION,                                            /* `before`, then a loop or a branch with a lowering of its own */
    STMT_BREAK                                              /* leaves the loop around unless value */
} StmtKind;

typedef enum { COMBINE_SET, COMBINE_ADD, COMBINE_MUL, COMBINE_MAX, COMBINE_MIN } Combine;

struct Stmt {
    uint8_t kind, combine;                                  /* a StmtKind, a Combine */
    bool lanes : 1;                                         /* a loop that strip.c cuts; a store into partial sums */
    bool sealed : 1;                                        /* a blocked kernel: nothing is fused into it */
    bool demanded : 1;                                      /* a LET that must stand here or before */
    int stores;                                             /* nests that were fused into this one */
    const Loop *loop;
    const Formula *from, *to;                               /* a loop over a part of its range; NULL: from its begin, to its end */
    Block before;                                           /* what the loop's accumulators start from: reads nothing */
    Block body;
    Scalar *scalar;
    Buffer *buffer;
    const Formula *index, *value;
    Region *region;
    NodeRefs nodes;                                         /* what a loop at top level computes, for its comment */
};

/* A loop over a body, or a choice between two: each is lowered like a function.  Carried scalars are mutable Scalars that the
 * lowerings share; buffers of the body are other views of buffers around it. */
typedef struct { Scalar *scalar; const Formula *value; } Capture;

struct Region {
    const Node *node;
    Lowering *body[2];                                      /* [1]: the other side of a branch */
    Scalar *counter;                                        /* NULL: a branch */
    bool counts;                                            /* a while whose number of trips is asked for */
    int64_t most;                                           /* trips */
    const Formula *trips, *condition;                       /* of a for, of a branch; of the lowering around */
    const Formula *runs;                                    /* of a for: that there is a trip; NULL: nothing is known of it */
    const Formula *last;                                    /* trips - 1: the counter goes from there down to 0; NULL: it goes up */
    Vec(Capture) captures;
    Vec(Buffer *) reads, writes;                            /* of the lowering around */
    Vec(Scalar *) assigned;
    Buffer *chunk;                                          /* the bodies' part of the work array; NULL: none */
};

/* ---- functions ------------------------------------------------------------------------------------------------- */
typedef struct Parameter {
    Str name;
    const Type *type;
    bool is_output, is_used, accumulates, on_tape, is_tape; /* on_tape: a part of it; is_tape: the whole, in the signature */
    Buffer *buffer;                                         /* of a tensor, of any output, or of a part of the tape */
    Scalar *scalar;                                         /* of a scalar input */
} Parameter;

typedef struct Function {
    const Fn *fn;
    Str name;                                               /* with the prefix */
    Vec(Parameter) params;                                  /* inputs, then outputs, as the graph has them */
    Vec(Parameter) signature;                               /* as C has them: the tape is one */
    Block body;
    Vec(Buffer *) temps, views;                             /* views: versions, and buffers of the lowering around */
    int formula_count;
    int64_t stack_elements;                                 /* bytes of arrays and scalars live at once: an upper bound */
    Costs costs;
    Str work_name, work_macro, tape_macro;
} Function;

/* Where the values of a sparse derivative belong: two tables that the header declares. */
typedef struct PatternTables { Str macro, name[2]; const Pattern *pattern; } PatternTables;

struct Program {
    Context *ctx;
    const CodegenInput *input;
    Vec(Function *) functions;
    Vec(Buffer *) constants;                                /* tables, each content once */
    Vec(PatternTables) patterns;
    Map *constant_of;                                       /* node -> table */
    Costs *costs;
    bool uses_math, uses_int, uses_bool, uses_clamp;        /* in some function */
    Map *calls;                                             /* names of the functions that are called */
    Map *taken, *words;                                     /* identifiers of this file, and reserved ones */
};

/* ---- lowering -------------------------------------------------------------------------------------------------- */
typedef enum {
    MODE_INLINE,                                            /* computed where it is read */
    MODE_BUFFER,                                            /* stored; read back */
    MODE_ELEMENTS,                                          /* every element a Formula of its own (all scalars, small tensors) */
    MODE_REGION                                             /* statements; its values are nodes of their own */
} Mode;

typedef struct NodeInfo {
    const Node *node;
    Mode mode;
    Buffer *buffer;
    const Formula **elements;                               /* MODE_ELEMENTS */
    int evaluations;                                        /* places that compute it if it is inlined, at most 1000 */
    int cost, depth;                                        /* flops and nesting of one inlined evaluation */
    int consumers;                                          /* nodes that read it */
    bool only_elements;                                     /* every consumer reads it at constant indices */
    bool wants_buffer;                                      /* some consumer reads each element many times */
    bool irregular;                                         /* small and built of pieces: expanding exposes zeros */
    bool is_kernel;                                         /* an einsum for matmul.c */
    bool is_known;                                          /* cheap arithmetic on iotas and constants */
    bool is_window;                                         /* an index at known places, a view: window.c */
    const Node *into;                                       /* an einsum: the index_add that its terms are added by */
    const Node *instead;                                    /* the relu of it: as good for comparing with 0 */
    const int64_t *progression;                             /* an int constant that is affine in its indices */
    int result;                                             /* 1 + position of the first result that is this node */
    const Node **values;                                    /* of a region: the result nodes; NULL where not asked for */
    const Node *taken_by;                                   /* what takes over the buffer; NULL: none */
    bool owned;                                             /* a param whose buffer may be taken: carried in place */
    const Node *part_of;                                    /* stored so that this can change in place; NULL: it is not */
} NodeInfo;

/* Where a result of a lowering goes: mutable scalars, or a buffer: at its end what the result is, if in_place from the start
 * what the param is. */
typedef struct Target { Scalar **scalars; Buffer *buffer; const Node *in_place; bool accumulate; } Target;

struct Lowering {
    Context *ctx;
    Arena *arena;
    Arena *own;                                             /* what nobody looks at after the lowering; shared by all in a function */
    Arena *brief;                                           /* the same, until all nodes of the function are statements */
    Program *program;
    Function *function;
    const Fn *fn;
    int *slot;                                              /* node id -> position in infos; shared by all lowerings, one at a time */
    int *other_slots;                                       /* of the nodes and params here: those of the lowering around */
    NodeInfo *infos; int info_count;
    Table table; int formula_count;
    LoopList loops[LOOP_DEPTH_MAX];                         /* by depth, interned */
    int buffer_count, scalar_count, load_count;
    const Formula **replaced; int *replaced_in, replaced_size, item;   /* rewrite.c */
    int *mark; int mark_size, epoch;                        /* formulas seen in a walk */
    Target *targets;                                        /* per result */
    int *order; int order_count;                            /* schedule.c: infos, info_count + result to be stored, after these the break */
    int barrier;                                            /* nothing new goes before this top-level statement */
    bool swapped;                                           /* slot is that of the lowering around */
    bool overwrites;                                        /* some buffer is taken over */
    bool knows;                                             /* places of a window are read: known values are computed again */
    Lowering *outer;                                        /* the lowering around; NULL: a function */
    Region *region;
    Map *captured;                                          /* formula -> Scalar that inner lowerings know it by */
    Map *hints;                                             /* formula -> Str */
    bool *constant_used; int constant_count;                /* cost.c */
    double work;                                            /* strip.c: what a call of the body does, roughly */
    int64_t stack_used;                                     /* bytes of local arrays, of the function and all in it */
};

static inline NodeInfo *info_of(const Lowering *lower, const Node *n) { return &lower->infos[lower->slot[n->id]]; }
static inline bool formula_is_int(const Formula *v, int64_t n) {
    return v->kind == FORMULA_NUMBER && v->elem == ELEM_INT && v->integer == n;
}

/* formula.c: interned constructors; they fold constants and simplify what is exact */
const Formula *formula_real(Lowering *, double);
const Formula *formula_int(Lowering *, int64_t);
const Formula *formula_bool(Lowering *, bool);
const Formula *formula_number(Lowering *, Elem, double);
const Formula *formula_scalar(Lowering *, const Scalar *);
const Formula *formula_counter(Lowering *, const Loop *);
const Formula *formula_load(Lowering *, const Buffer *, const Formula *index);
const Formula *formula_load_at(Lowering *, const Buffer *, const Formula *index);   /* the index has the base in it */
/* What is there when the statement runs: a load that is the same as no other.  For kernels that overwrite what they read; it is
 * up to them that nothing is written between the loop that the index depends on and the use. */
const Formula *formula_load_now(Lowering *, const Buffer *, const Formula *index);
/* A condition on indices: a SELECT under it may read out of bounds in the branch that is not taken. */
bool formula_guards(const Formula *);
bool formula_exact_range(const Formula *, int64_t *low, int64_t *high);     /* of an int ADD, SUB, MUL, NEG; false: it may wrap around */
const Formula *formula_unary(Lowering *, FormulaKind, const Formula *);
const Formula *formula_binary(Lowering *, FormulaKind, const Formula *, const Formula *);
const Formula *formula_select(Lowering *, const Formula *condition, const Formula *yes, const Formula *no);
const Formula *formula_call(Lowering *, const char *callee, Elem, int count, const Formula *const *args);
const Formula *formula_extern(Lowering *, Str callee, int count, const Formula *const *args);
const Formula *formula_convert(Lowering *, const Formula *, Elem);
const Formula *formula_clamp(Lowering *, const Formula *, int64_t last);
const Formula *formula_nonnegative(Lowering *, const Formula *);
const Formula *formula_named(Lowering *, const Formula *, const Node *);    /* remembers the node for the name, if none is known */
void formula_hint(Lowering *, const Formula *, Str name);   /* a name for its LET */
const Formula *formula_intern(Lowering *, const Formula *draft);
const Formula *formula_rebuild(Lowering *, const Formula *, const Formula *const *args);   /* with other arguments, or atoms */
void formula_epoch(Lowering *);                             /* no formula is marked */
void formula_seal(Lowering *);                              /* no formula is made any more, marked or rewritten */
const Loop *loop_counted(Lowering *, int depth, int64_t begin, int64_t end, int64_t step);
static inline int64_t loop_trips(const Loop *l) { return (l->end - l->begin + l->step - 1) / l->step; }

/* condition.c: where a condition is true, or false: what another one is then (-1: unknown), and what a formula is; and what
 * the conditions of the branches around make of one: a number, or itself */
const Formula *formula_assumed(Lowering *, const Formula *condition);
int formula_known(const Formula *, const Formula *condition, bool truth);
/* Does a condition around say that the index is in 0 .. last? */
bool formula_is_within(Lowering *, const Formula *, int64_t last);
const Formula *formula_given(Lowering *, const Formula *, const Formula *condition, bool truth);

/* index.c: integer arithmetic in normal form */
const Formula *index_affine(Lowering *, int64_t constant, const Term *, int count);
int64_t index_gcd(int64_t, int64_t);                        /* never negative */
int64_t index_floor_div(int64_t, int64_t divisor);          /* which is positive */
const Formula *index_add(Lowering *, const Formula *, const Formula *);
const Formula *index_scale(Lowering *, const Formula *, int64_t factor);
const Formula *index_shift(Lowering *, const Formula *, int64_t offset);
const Formula *index_quotient(Lowering *, const Formula *, int64_t divisor);
const Formula *index_remainder(Lowering *, const Formula *, int64_t divisor);
const Formula *index_flat(Lowering *, const Type *, const Formula *const *index);
void index_unflat(Lowering *, const Type *, const Formula *flat, const Formula **index);
int index_terms(const Formula *, Term *single, const Term **terms, int64_t *constant);   /* any int value as constant + terms */
int64_t index_factor(const Formula *, const Formula *atom);

/* kernel.c: an elementwise op applied to Formulas, from the text in the op table */
const Formula *kernel_apply(Lowering *, const Node *, const Formula *const *args);
int kernel_cost(Op);                                        /* flops; a libm call counts as 10 */

/* decide.c: what is inlined, stored, or taken apart */
void decide_modes(Lowering *);
bool decide_unrolls(const NodeInfo *);                       /* written out term by term */
bool node_is_movement(const Node *);                        /* no arithmetic: expand .. slice */
bool node_is_reduction(const Node *);
int64_t einsum_contracted(const Node *);                    /* product of the sizes that are summed over */
int einsum_sizes(const Node *, int64_t *sizes);             /* size per label; returns how many labels */
int64_t einsum_stride(const Node *, int operand, int label);
const int64_t *einsum_labels(const Node *, int operand);    /* operand_count: the result's */

/* The array that a node is one piece of, in memory, behind reshapes, slices of whole rows and a row that is chosen when the
 * program runs (NULL: none), as far as these are or may be inlined.  offset: where it begins, beside that. */
typedef struct Piece { const Node *whole, *row; int64_t offset; } Piece;
Piece decide_piece(const Lowering *, const Node *);
bool decide_is_pointwise(const Node *);                     /* one element at a time, without a loop */
const Node *decide_operand(const Lowering *, const Node *, int k);      /* the node that is read for it */

/* read.c: one element of a node */
typedef const Formula *ElementOf(Lowering *, const Node *, const Formula *const *index);
const Formula *read_element(Lowering *, const Node *, const Formula *const *index);
const Formula *recurrence_step(Lowering *, const Node *, const Formula *b, const Formula *factor, const Formula *last);
const Formula *read_flat(Lowering *, const Node *, int64_t flat);
const Formula *compute_element(Lowering *, const Node *, const Formula *const *index);  /* whatever its mode is */

/* lower.c: nodes to statements */
Function *lower_function(Program *, const Fn *, int *slot);
Buffer *lower_temp(Lowering *, Elem, int64_t size, const Node *);
Scalar *lower_scalar(Lowering *, Elem, const Node *, bool is_mutable);
Stmt *lower_loop(Lowering *, const Loop *);
Stmt *lower_store(Lowering *, Buffer *, const Formula *index, Combine, const Formula *);
Stmt *lower_assign(Lowering *, Scalar *, Combine, const Formula *);
Stmt *lower_declare(Lowering *, Scalar *, const Formula *);
const Node *lower_result_root(const Node *);                /* the node whose elements a result has: not a mere reshape */
void block_push(Lowering *, Block *, Stmt *);
void lower_begin(Lowering *);                               /* infos and modes of lower->fn, whose nodes get their slots */
void lower_statements(Lowering *);                          /* all nodes and stored results */
void lower_finish(Lowering *);                              /* the passes after */
void lower_swap_slots(Lowering *);                          /* between a lowering's and those of the one around it */
void lower_zero(Lowering *, const Node *, Buffer *);
Stmt *lower_nest(Lowering *, const Node *, Buffer *);       /* the store that lower_copy would make, in no loop yet */
void lower_copy(Lowering *, const Node *, Buffer *);        /* what a node is worth into a buffer */
Buffer *lower_buffer(Lowering *, NodeInfo *);               /* where a node that is stored belongs */
void lower_materialise(Lowering *, const Node *);           /* an inlined or taken apart tensor gets a buffer after all */

/* window.c: parts of arrays at places that do not depend on the input */
bool window_is_known(const Lowering *, const Node *);
bool node_is_window(const Lowering *, const Node *);
/* For an index_add: how far apart in the array neighbours along each axis of the source go, and where the first one goes. */
bool window_places(const Node *, int64_t *stride, int64_t *base);
void view_strides(const Node *, int64_t *stride);           /* of each axis, in the array that is read through movement */

/* matmul.c: contractions as blocked loops; into: the index_add that the terms are added by, or NULL */
bool matmul_fits(const Lowering *, const Node *, const Node *into);
void matmul_lower(Lowering *, const Node *, const Node *into, Buffer *, bool keep_old);

/* schedule.c: the order of nodes, and who takes over whose buffer */
void schedule_nodes(Lowering *);
const Node *schedule_base(const Node *);                    /* what a scatter or a region's value changes in place; NULL: nothing */
int schedule_param(const Fn *, int result);                 /* the param that a result of a body is a changed version of, or -1 */
void schedule_keep(Lowering *, NodeInfo *);                   /* binds what a scalar loads, if that will be overwritten */
bool schedule_is_safe(Lowering *, const Buffer *, const Formula *at, bool injective, const Formula *value);

/* shown.c: nobody sees the rows of a stack of this loop, in this lowering, that stand for trips not taken. */
bool shown_are_rows_taken(const Lowering *, const Node *loop, const Node *stack);
/* region.c: loops and branches */
void region_lower(Lowering *, const Node *);
const Formula *region_import(Lowering *inner, const Formula *);         /* a formula of the lowering around */
Buffer *lower_view(Lowering *, Buffer *outer, const Formula *base);
Buffer *lower_version(Lowering *, Buffer *, bool overwritten);
Buffer *buffer_storage(const Buffer *);                     /* the first version */

/* factor.c: factorisations and triangular equations as loops */
bool factor_fits(const Node *);
bool factor_in_place(const Node *);                         /* it may overwrite its second operand */
void factor_lower(Lowering *, const Node *, Buffer *);

/* commit.c: the end of a body */
void commit_results(Lowering *);
void region_break(Lowering *);                              /* leaves a while */

/* fuse.c: puts a nest into the function, into an existing loop where that is legal and pays */
void fuse_place(Lowering *, Stmt *, const Node *);
void fuse_region(Lowering *, Stmt *);                       /* at the end */
void fuse_written(Lowering *, Buffer *);                    /* by the last statement */
/* No two trips of the loop touch the same element, given that the loops around it are at the same trip. */
bool fuse_aligned(const Formula *write, const Formula *read, const Formula *counter);

/* rewrite.c: formulas rebuilt bottom up, each once per item */
typedef struct Rewriter Rewriter;
/* What takes a formula's place, given its rewritten arguments. */
typedef const Formula *Finish(Rewriter *, const Formula *, const Formula *const *args);

struct Rewriter {
    Lowering *lower;
    Finish *finish;
    void *user;
    Vec(const Formula *) pending;
    int count;                                              /* newer formulas stay */
};

Rewriter rewriter_new(Lowering *, Finish *, void *user);
void rewriter_next(Rewriter *);                             /* forgets all replacements */
void rewriter_drop(Lowering *);                             /* what all rewriters of it have used */
const Formula *rewrite(Rewriter *, const Formula *);        /* NULL stays NULL */
void rewrite_put(Rewriter *, const Formula *from, const Formula *to);

/* shrink.c: temporaries that live within one iteration lose axes, or become scalars */
void shrink_temps(Lowering *);

/* reshape of loops: strip.c, ranges.c */
enum { LANES = 8, LONG = 32 };                              /* partial sums; trips of a loop that is worth it */
void strip_loops(Lowering *);
void cut_ranges(Lowering *, Stmt *loop, Block *out);        /* pushes the loop, or what takes its place */
/* A body with something else for the counter.  lane: the index of stores into partial sums; NULL: it is still to be said. */
void copy_trip(Lowering *, const Block *from, const Formula *counter, const Formula *at, const Formula *lane, Block *to);

/* bind.c: LETs where a Formula is used twice, has a name, or is loop invariant */
void bind_formulas(Lowering *);

/* walk.c: every evaluation of a formula, as the back ends spell it */
typedef struct Walk {
    Lowering *lower;
    void *user;
    void (*on_formula)(struct Walk *, const Formula *);     /* each operation that is carried out */
    void (*on_stmt)(struct Walk *, const Stmt *);           /* before the statement's formulas */
    int top;                                                /* position at top level */
    int64_t times;                                          /* trips of the loops around */
    Vec(const Stmt *) open;                                 /* the loops around */
    const Block *block; int position;
    bool *bound;                                            /* by formula id: a LET is in force */
} Walk;
void walk_program(Walk *);

/* sweep.c: variables that nothing reads are left out; once per function */
void sweep_dead(Lowering *);

/* coalesce.c: copies between variables that may be one; once per function */
void coalesce_scalars(Lowering *);
Scalar *scalar_storage(const Scalar *);                     /* the variable that it is a version of */

/* plan.c: places of temporaries */
void plan_memory(Lowering *);
void plan_settle(Lowering *, int64_t base);                 /* offsets of a body's temporaries within all the work */

/* cost.c: of a function and all bodies in it */
void count_costs(Lowering *);
bool cost_is_cheap_call(Str callee);                        /* not of libm, or a few instructions */

/* names.c */
void name_file(Program *);                                  /* before any function: what must not be used */
void name_take(Program *, Str);                             /* for something else in the file */
void name_take_macro(Program *, Str);
void name_everything(Lowering *);
Str name_parameter(const Program *, Str);                   /* the source's name, or with _ where C has taken it */
Str name_macro(Context *, const char *text);                /* upper case, only letters, digits and _ */
Str name_guard(Context *, const char *header);              /* the macro around a header */

/* source_text.c: what comments say about where something comes from */
Str source_place(Context *, Span);                          /* "net.ad:7", or NULL */
/* "h = relu(x @ w1)", "net.ad:7"; "adjoint of net.ad:7", NULL, "h_bar".  text NULL: nothing to say. */
typedef struct { Str text, place, name; } SourceComment;
SourceComment source_comment(Context *, const Node *);

/* c_formula.c, c_stmt.c, c_function.c, c_file.c: spelling */
enum { SAID_MOST = 64, COMMENTS_MOST = 8 };

typedef struct Printer {
    Context *ctx;
    const Program *program;
    const Function *function;
    Text *out;
    Str *bound;                                             /* by formula id: name of the LET in force */
    Str last_place;                                         /* the source line that was named last */
    SourceComment said[SAID_MOST]; int said_count;          /* above the nests around */
    int margin;                                             /* indentation of the top level */
} Printer;
typedef enum {
    BINDS_ALL, BINDS_OR, BINDS_AND, BINDS_EQUAL, BINDS_COMPARE,
    BINDS_OPERAND,                                          /* of something else: any infix has brackets */
    BINDS_SUM, BINDS_PRODUCT, BINDS_UNARY, BINDS_POSTFIX
} Binds;
void c_formula(Printer *, const Formula *, Binds);
void c_integer(Printer *, int64_t);
void c_element(Printer *, Elem, double number);             /* of a table */
const char *c_type(const Printer *, Elem);
void c_block(Printer *, const Block *, int indent);
void c_temps(Printer *, const Function *, int indent);      /* declares the temporaries */
void c_function(Printer *, const Function *);
void c_signature(Printer *, const Function *);
void c_documentation(Printer *, const Function *);
void c_helpers(Context *, const Program *, Text *);         /* static functions and tables that some function uses */
void c_specials(Context *, const Program *, Text *);        /* c_special.c: those of ir/special.inc */

#endif
