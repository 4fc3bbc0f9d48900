/* elaborate.h: inside the front end: values, frames, functions, and what the files of the elaborator share.
 *
 * An expression becomes a Value: mostly a node of the graph, sometimes a tuple, a word or a string that only a
 * builtin understands.  There is no second constant evaluator: a compile-time integer is a node that the constructors
 * folded to a constant.  A value of kind VALUE_NONE is the trace of an error that was reported; whoever meets it
 * stays silent.
 *
 * Contents: values | frames | functions | environment | the files, in pipeline order */
#ifndef ADC_ELABORATE_H
#define ADC_ELABORATE_H

#include "frontend.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */
typedef enum { VALUE_NONE, VALUE_TENSOR, VALUE_TUPLE, VALUE_RESULTS, VALUE_STRING, VALUE_WORD } ValueKind;

typedef struct Value {
    ValueKind kind;
    bool is_literal;                                        /* a number as written, perhaps with a sign: see max() */
    Span span;                                              /* where the user wrote it */
    Node *node;                                             /* VALUE_TENSOR */
    struct Value *items; int count;                         /* VALUE_TUPLE, VALUE_RESULTS (of a call with several) */
    Str text;                                               /* VALUE_STRING, VALUE_WORD */
} Value;

typedef struct Function Function;
typedef struct Env Env;

/* ---- frames: the names of one body ------------------------------------------------------------------------------- */
typedef enum { BINDING_ARGUMENT, BINDING_LOCAL, BINDING_MUT, BINDING_DIM, BINDING_INDEX } BindingKind;
/* The value of a mut is what it holds now; its type stays. */
typedef struct { Str name; BindingKind kind; Value value; Span span; } Binding;
typedef enum { FRAME_GLOBAL, FRAME_USER, FRAME_PRELUDE, FRAME_RULE } FrameKind;

typedef struct Frame {
    Env *env;
    FrameKind kind;
    bool in_rule;                                           /* FRAME_RULE, or a prelude function called from there */
    const Function *function;                               /* NULL outside of functions */
    Span use;                                               /* FRAME_PRELUDE: the user's call, where messages point */
    int errors;                                             /* FRAME_PRELUDE: the count of them when the call began */
    Vec(Binding) bindings;                                  /* in order of binding */
    int loops, guards;                                      /* that are open: loops; sides that may not run */
    bool refused_result;                                    /* a result was assigned where it can not be */
    Map *index;                                             /* name -> 1 + place there; NULL while there are few */
    Map *differentiated;                                    /* names in the `by` place of a derivative; NULL: none */
    const Node *consumer;                                   /* FRAME_RULE: whose adjoint is formed */
} Frame;

/* ---- functions --------------------------------------------------------------------------------------------------- */
/* A function for given dimension variables; a function that is not generic has one instance. */
typedef struct Instance {
    int64_t *dims;                                          /* values of decl->fn.dims */
    Fn *fn;                                                 /* NULL: there was an error, or it is being made */
    bool *by_argument;                                      /* per argument: the body takes derivatives by it */
    NodeList nodes;                                         /* for expanding calls: operands first */
    int *operand_at;                                        /* places in `nodes` of all operands, node after node */
    int *result_at;
} Instance;

typedef struct Callee { Function *function; Span span; } Callee;

struct Function {
    Str name;
    const Decl *decl;
    bool is_generic;
    bool failed;                                            /* an error was reported; calls of it stay silent */
    bool is_called;
    bool is_scalar; int scalar;                             /* something is declared about it: the number of its ScalarFn */
    const Decl *derivative;                                 /* NULL: none is declared */
    bool is_main;                                           /* declared in the main file, not in an import */
    Vec(Callee) callees;
    int order_state;                                        /* order.c */
    Vec(Instance *) instances;
};
typedef Vec(Function *) FunctionList;

/* ---- environment: the names of one module ------------------------------------------------------------------------ */
typedef enum { CONSTANT_NEW, CONSTANT_RUNNING, CONSTANT_DONE } ConstantState;
typedef struct { Str name; const Decl *decl; ConstantState state; Value value; } Constant;

struct Env {
    Context *ctx;
    Map *functions;                                         /* Str -> Function *; without the prelude's */
    Map *constants;                                         /* Str -> Constant * */
    Vec(const Decl *) exports, tests, derivatives;
    int depth;                                              /* of the recursion over expressions and instances */
    int open_instances;                                     /* functions that are being elaborated */
    int call_notes;                                         /* written about the latest error in a generic function */
    Map *ranges;                                            /* index param of a loop -> the IntRange of its values */
};

/* What all modules of a Context share. */
typedef struct Frontend {
    Env *env;                                               /* of the prelude: its functions */
    const Source *prelude;
    Vec(Str) names;                                         /* of builtins that users see, made at first use */
    Expr *rules[OP_COUNT][4];                               /* parsed adjoints */
} Frontend;

Frontend *frontend_of(Context *);                           /* parses the prelude at first use */

/* ---- frame.c: names, places, messages ---------------------------------------------------------------------------- */
Frame frame_new(Env *, FrameKind);
Binding *frame_find(const Frame *, Str name);               /* NULL: not bound here */
void frame_bind(Frame *, Str name, BindingKind, Value, Span);
Span frame_span(const Frame *, Span);                       /* in the prelude: the user's call */
void origin_at(Frame *, Span);                              /* of what is built next; rules keep the caller's */
#define fail(frame, span, ...) error_at((frame)->env->ctx, frame_span((frame), (span)), __VA_ARGS__)
#define note(frame, span, ...) note_at((frame)->env->ctx, frame_span((frame), (span)), __VA_ARGS__)
int frame_open(const Frame *);                              /* a scope; what is bound from now on is local to it */
void frame_close(Frame *, int scope);
/* "; did you mean `x`?" or an empty text. */
const char *suggestion(Context *, Str name, const Str *candidates, int count);
const char *suggest_value(const Frame *, Str name);
const char *suggest_function(const Frame *, Str name);

/* ---- value.c: what values can be used as ------------------------------------------------------------------------- */
Value value_none(Span);
Value value_of(Node *, Span);                               /* of kind VALUE_NONE when the node is NULL */
bool is_constant_integer(const Node *, int64_t *);          /* a scalar int known at compile time */
/* Each is NULL, false or negative after an error message; nothing is said about VALUE_NONE. */
Node *value_tensor(Frame *, Value);
Node *value_number(Frame *, Value);                         /* real or int */
Node *value_real(Frame *, Value);                           /* ints become real */
bool value_integer(Frame *, Value, const char *what, int64_t *);
int value_integers(Frame *, Value, const char *what, int64_t *out, int room);        /* one or a tuple; the count */
bool value_truth(Frame *, Value, const char *what, bool *);
bool value_constant(Frame *, Value, const char *what, double *);
bool check_integers(Frame *, Node *, Span);                 /* constants that are used as int are 32 bits wide */
/* The type if it is within the limits of the language. */
const Type *make_type(Frame *, Span, Elem, int rank, const int64_t *sizes);
bool check_size(Frame *, Span, const Type *);
Node *value_as(Frame *, Value, const Type *, const char *what);     /* exactly this shape; an int becomes real */
/* All of them of one element type: bool, or int, or real when one is real. */
bool values_agree(Frame *, Span, const char *what, int count, const Value *, Node **out);

/* ---- constant.c: types and named constants ----------------------------------------------------------------------- */
const Type *type_of(Frame *, const TypeExpr *);             /* NULL after an error message */
Value constant_value(Frame *, Constant *, Span use);
void constants_check(Env *);                                /* evaluates all, and the -D options */
void node_data(Context *, Node *, double *out);             /* the elements of an expression of constants */

/* ---- literal.c: numbers and lists of numbers --------------------------------------------------------------------- */
Node *number_node(Frame *, const Expr *);
bool literal_node(Frame *, const Expr *, Node **);          /* a list of plain numbers; false when it is more */
double round_real(const Context *, double);                 /* to the chosen real type */

/* ---- elementwise.c: one op on broadcast operands ----------------------------------------------------------------- */
Node *build_elementwise(Frame *, Span at, Op, int count, const Value *);
Node *build_operator(Frame *, Span at, BinaryOperator, Value, Value);
const Type *common_shape(Frame *, Span at, int count, const Value *, Node *const *);    /* NULL after an error message */

/* ---- expr.c, index.c: expressions -------------------------------------------------------------------------------- */
Value elaborate(Frame *, const Expr *);                     /* may be a tuple, several results, .. */
Node *elaborate_tensor(Frame *, const Expr *);              /* NULL after an error message */
Node *elaborate_index(Frame *, const Expr *);
Node *build_matmul(Frame *, Span at, Value, Value);

/* ---- derivative.c: grad, jvp, jacobian, hessian, hvp ------------------------------------------------------------- */
bool is_derivative_form(Str name);
extern const char *const derivative_forms[5];
Value elaborate_derivative(Frame *, const Expr *call);
void find_differentiated(Frame *, const Decl *);            /* fills frame->differentiated */

/* ---- builtin.c: calls of builtins -------------------------------------------------------------------------------- */
typedef struct Call Call;
typedef struct Builtin {
    const char *name;
    Node *(*build)(Call *);                                 /* NULL after an error message */
    int least, most;                                        /* arguments; most -1: any number */
    const char *options;                                    /* their names, with spaces between */
    bool is_internal;                                       /* for the prelude and the rules alone */
} Builtin;

enum { OPTION_LIMIT = 5 };
struct Call {
    Frame *frame;
    const Builtin *builtin;
    Span span;
    int count; Value *args;
    Value options[OPTION_LIMIT];                            /* in the order of builtin->options */
};

bool is_builtin(Context *, Str name);                       /* also transforms that only exports have */
Value elaborate_call(Frame *, const Expr *);
const Value *call_option(const Call *, const char *name);   /* NULL: not given */
bool call_integer(Call *, const char *option, int64_t otherwise, int64_t *);
bool call_truth(Call *, const char *option, bool otherwise, bool *);
bool call_axis(Call *, const Value *, int rank, int *axis); /* checked, >= 0 */
bool call_axis_of_scalar(Call *, const Value *);            /* NULL: left out */
/* The axes that `axis` means, ascending and >= 0; all of them when it is left out.  Negative after an error message. */
int call_axes(Call *, int rank, int *axes);

/* Each ends with a NULL name. */
extern const Builtin shape_builtins[], part_builtins[], reduce_builtins[], index_builtins[], product_builtins[],
    window_builtins[], grid_builtins[], matrix_builtins[], load_builtins[];
/* An option as written: for some, certain words mean themselves. */
Value option_value(Frame *, const Arg *);

/* ---- load.c: array files ------------------------------------------------------------------------------------------- */
bool is_load(const Expr *);                                 /* a call of it */
Node *load_as(Frame *, const Expr *call, const Type *);     /* exactly this type; NULL after an error message */

/* ---- index.c: places between the brackets -------------------------------------------------------------------------- */
/* The axes of x[...]. */
typedef enum { PLACE_SLICE, PLACE_CONSTANT, PLACE_RUNTIME } PlaceKind;
typedef struct {
    PlaceKind kind;
    Span span;
    int64_t start, step, count;                             /* what is kept of the axis: all of it for PLACE_RUNTIME */
    Node *index;                                            /* PLACE_RUNTIME */
} Place;
Place *index_places(Frame *, Span, const IndexList *, const Type *);    /* one per axis; NULL after an error message */
Node *index_read(Frame *, Span, Node *x, const Place *);

/* ---- range.c: what is known of integers at compile time ---------------------------------------------------------- */
typedef struct IntRange {
    int64_t low, high;
    bool is_exact;                                          /* both ends are reached */
} IntRange;
IntRange int_range(const Env *, const Node *);              /* of a scalar int; at worst that of int32 */
bool int_is_idle(const Env *, const Node *);                /* made of an index of a loop that never runs */
IntRange difference_range(const Env *, const Node *end, const Node *begin);
/* How often a loop runs, and what its index begins with. */
typedef struct Trips { Node *begin, *count; int64_t most; bool never; /* for these sizes it does not run */ } Trips;
bool read_trips(Frame *, const Range *, Trips *);           /* false after an error message */
void set_range(Env *, const Node *index, const Trips *);    /* index: counts from 0 */

/* ---- statement.c, assign.c, control.c: statements of a body ------------------------------------------------------ */
bool is_differentiated(const Frame *, Str name);            /* the name stands in the `by` place of a derivative */
void run_statement(Frame *, const Stmt *);
void run_block(Frame *, const Block *);
void mut_assign(Frame *, Name, Value);                      /* the name is that of a mut */
void mut_set(Frame *, Binding *, Node *);                   /* NULL: there was an error */
bool refuse_out_of_scope(Frame *, Str name, Span use);      /* the name is bound later, or in a block that is closed */
void bind_index(Frame *, Name, Node *);                     /* of a loop; NULL: there was an error */
void run_assign(Frame *, const Stmt *);
void run_for(Frame *, const Stmt *);
void run_while(Frame *, const Stmt *);
void run_if(Frame *, const Stmt *);
bool is_result(const Frame *, Str name);

/* ---- carried.c: derivatives within loops --------------------------------------------------------------------------- */
/* False after an error message: a derivative within the body would miss what earlier trips contribute. */
bool check_carried_derivatives(Frame *, const LoopParts *);

/* ---- comprehension.c: arrays and reductions over ranges ----------------------------------------------------------- */
Node *elaborate_comprehension(Frame *, const Expr *);

/* ---- function.c: signatures, bodies, calls ----------------------------------------------------------------------- */
Instance *function_instance(Env *, Function *, const int64_t *dims, Span use);
Value call_function(Frame *, Function *, const Expr *call, int count, const Value *args);
Value call_prelude(Frame *, Function *, const Expr *call, const Value *args, const Value *options);
void function_declare(Env *, Function *);                   /* checks of the declaration alone */

/* ---- declared.c: extern functions, declared derivatives ------------------------------------------------------------ */
void declare_extern(Env *, Function *);
void derivatives_resolve(Env *);                            /* which functions have one: before any call is elaborated */
void derivatives_check(Env *);                              /* makes the rules, when all functions are there */
Node *declared_value(Context *, const Function *, const Fn *, Node *value);
/* A call with tensors of a function of scalars: each element for itself. */
bool is_elementwise_call(const Function *, int count, const Value *args);
bool elementwise_arguments(Frame *, const Function *, const Expr *call, const Value *args, Node **nodes);

/* ---- walk.c: over the syntax ------------------------------------------------------------------------------------- */
typedef void (*ExprVisit)(void *user, const Expr *);
void expr_walk(const Expr *, ExprVisit, void *user);        /* the expression and all below it */
void function_walk(const Decl *, ExprVisit, void *user);

/* ---- module.c: files ----------------------------------------------------------------------------------------------- */
Str path_beside(Context *, Str from, Str path);             /* `path` seen from the directory of the file `from` */

/* ---- order.c: who calls whom ------------------------------------------------------------------------------------- */
void functions_order(Env *, FunctionList *out);             /* callees first; recursion is refused */

/* ---- exports.c, tests.c: what is asked for ----------------------------------------------------------------------- */
bool is_reserved_in_c(const char *name);
void resolve_exports(Env *, Module *);
void resolve_tests(Env *, Module *);

#endif
