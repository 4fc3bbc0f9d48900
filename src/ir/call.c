/* call.c: values about which something is declared: C functions of the user, and derivatives, his own and the prelude's.
 *
 * OP_call applies a C function to every element; it is never folded, because only the final program has the function.
 * OP_override and the ops of CLASS_RULED are their first operand, the value, as far as anyone but a derivative is
 * concerned. */
#include "eval.h"
#include "graph.h"

#include <math.h>

/* ---- the functions ------------------------------------------------------------------------------------------------- */
int scalar_fn_add(Context *ctx, const ScalarFn *draft)
{
    Graph *g = graph_of(ctx);
    vec_push(ctx->arena, &g->scalar_fns, arena_copy(ctx->arena, draft, sizeof *draft));
    return g->scalar_fns.count - 1;
}

int scalar_fn_count(Context *ctx) { return graph_of(ctx)->scalar_fns.count; }
ScalarFn *scalar_fn(Context *ctx, int which) { return graph_of(ctx)->scalar_fns.at[which]; }

const ScalarFn *scalar_fn_extern(Context *ctx, Str name)
{
    for (int k = 0; k < scalar_fn_count(ctx); k++)
        if (scalar_fn(ctx, k)->is_extern && scalar_fn(ctx, k)->name == name)
            return scalar_fn(ctx, k);
    return NULL;
}

/* ---- constructors -------------------------------------------------------------------------------------------------- */
static const Type *shape_of(Context *ctx, int count, Node *const *operands)
{
    const Type *shape = operands[0]->type;
    for (int k = 1; k < count; k++)
        if (operands[k]->type->rank > shape->rank)
            shape = operands[k]->type;
    return type_with_elem(ctx, shape, ELEM_REAL);
}

static Node *make(Context *ctx, Op op, int which, int count, Node *const *operands)
{
    Node *full[SCALAR_FN_ARGUMENTS + 1];
    const Type *type = shape_of(ctx, count, operands);
    int64_t attr = which;
    for (int k = 0; k < count; k++) {
        full[k] = operands[k]->type->rank == 0 ? node_expand(ctx, operands[k], type) : operands[k];
        CHECK(ctx, type_same_shape(full[k]->type, type));
    }
    return node_make(ctx, op, type, count, full, 1, &attr);
}

Node *node_call(Context *ctx, int which, Node *const *arguments)
{
    const ScalarFn *f = scalar_fn(ctx, which);
    for (int k = 0; k < f->arity; k++)
        CHECK(ctx, arguments[k]->type->elem == f->elems[k]);
    return make(ctx, OP_call, which, f->arity, arguments);
}

Node *node_override(Context *ctx, int which, Node *const *operands)
{
    const ScalarFn *f = scalar_fn(ctx, which);
    CHECK(ctx, operands[0]->type->elem == ELEM_REAL);
    for (int k = 0; k < f->arity; k++)
        CHECK(ctx, operands[1 + k]->type->elem == f->elems[k]);
    return make(ctx, OP_override, which, 1 + f->arity, operands);
}

Node *node_ruled(Context *ctx, Op op, int count, Node *const *operands, int axis_count, const int *axes)
{
    Node **full = NEW_ARRAY(ctx->arena, Node *, count);
    int64_t attr[RANK_MAX];
    const Type *type = operands[0]->type;
    CHECK(ctx, op_info[op].class == CLASS_RULED && (op_info[op].arity < 0 || count == op_info[op].arity));
    for (int k = 0; k < count; k++) {
        bool spread = op != OP_with_slope && op != OP_product_like && (k == RULED_X || k == RULED_V);
        full[k] = spread ? node_expand(ctx, operands[k], type) : operands[k];
    }
    for (int k = 0; k < axis_count; k++)
        attr[k] = axes[k];
    return node_make(ctx, op, type, count, full, axis_count, attr);
}

bool node_is_pointwise(const Node *n)
{
    return op_info[n->op].class == CLASS_ELEMENTWISE || n->op == OP_call || n->op == OP_override || n->op == OP_bind;
}

/* ---- calling C ----------------------------------------------------------------------------------------------------- */
/* How many arguments, and a bit for each that is an int: with more than three all are real. */
#define SHAPE(count, ints) ((count) * 8 + (ints))
#define R(k) (T)x[k]
#define I(k) (int32_t)x[k]
#define AS(...) ((T (*)(__VA_ARGS__))f)
#define CALLS \
    switch (shape) { \
    case SHAPE(1, 0): return (double)AS(T)(R(0)); \
    case SHAPE(1, 1): return (double)AS(int32_t)(I(0)); \
    case SHAPE(2, 0): return (double)AS(T, T)(R(0), R(1)); \
    case SHAPE(2, 1): return (double)AS(int32_t, T)(I(0), R(1)); \
    case SHAPE(2, 2): return (double)AS(T, int32_t)(R(0), I(1)); \
    case SHAPE(2, 3): return (double)AS(int32_t, int32_t)(I(0), I(1)); \
    case SHAPE(3, 0): return (double)AS(T, T, T)(R(0), R(1), R(2)); \
    case SHAPE(3, 1): return (double)AS(int32_t, T, T)(I(0), R(1), R(2)); \
    case SHAPE(3, 2): return (double)AS(T, int32_t, T)(R(0), I(1), R(2)); \
    case SHAPE(3, 3): return (double)AS(int32_t, int32_t, T)(I(0), I(1), R(2)); \
    case SHAPE(3, 4): return (double)AS(T, T, int32_t)(R(0), R(1), I(2)); \
    case SHAPE(3, 5): return (double)AS(int32_t, T, int32_t)(I(0), R(1), I(2)); \
    case SHAPE(3, 6): return (double)AS(T, int32_t, int32_t)(R(0), I(1), I(2)); \
    case SHAPE(3, 7): return (double)AS(int32_t, int32_t, int32_t)(I(0), I(1), I(2)); \
    case SHAPE(4, 0): return (double)AS(T, T, T, T)(R(0), R(1), R(2), R(3)); \
    case SHAPE(5, 0): return (double)AS(T, T, T, T, T)(R(0), R(1), R(2), R(3), R(4)); \
    case SHAPE(6, 0): return (double)AS(T, T, T, T, T, T)(R(0), R(1), R(2), R(3), R(4), R(5)); \
    case SHAPE(7, 0): return (double)AS(T, T, T, T, T, T, T)(R(0), R(1), R(2), R(3), R(4), R(5), R(6)); \
    case SHAPE(8, 0): return (double)AS(T, T, T, T, T, T, T, T)(R(0), R(1), R(2), R(3), R(4), R(5), R(6), R(7)); \
    default: return NAN; \
    }

#define T double
static double call_double(void (*f)(void), int shape, const double *x) { CALLS }
#undef T
#define T float
static double call_float(void (*f)(void), int shape, const double *x) { CALLS }
#undef T

static int shape_of_fn(const ScalarFn *f)
{
    int ints = 0;
    for (int k = 0; k < f->arity; k++)
        ints |= (f->elems[k] == ELEM_INT) << k;
    return f->arity <= 3 ? SHAPE(f->arity, ints) : ints ? -1 : SHAPE(f->arity, 0);
}

bool scalar_fn_is_callable(int arity, const Elem *elems)
{
    const ScalarFn f = { .arity = arity, .elems = elems };
    return arity >= 1 && arity <= SCALAR_FN_ARGUMENTS && shape_of_fn(&f) >= 0;
}

void eval_call(Context *ctx, const Node *n, const double *const *operands, double *out)
{
    ScalarFn *f = scalar_fn(ctx, (int)n->attr[0]);
    int shape = shape_of_fn(f);
    double x[SCALAR_FN_ARGUMENTS];
    if (!f->address && !f->is_reported) {
        f->is_reported = true;
        error_at(ctx, n->origin.span, "'%s' is an extern function, whose value is not known here", f->name);
        note_at(ctx, f->span, "it is declared here");
    }
    for (int64_t i = 0; i < n->type->count; i++) {
        for (int k = 0; k < f->arity; k++)
            x[k] = operands[k][i];
        out[i] = !f->address ? NAN : f->is_float ? call_float(f->address, shape, x) : call_double(f->address, shape, x);
    }
}
