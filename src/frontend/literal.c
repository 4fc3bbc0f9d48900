/* literal.c: numbers and lists of numbers.
 *
 * A list of plain numbers, however long, is read into one constant without a node per element; what is irregular or
 * more than a number is left to the general way, which also words the errors. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

double round_real(const Context *ctx, double value)
{
    return ctx->options.is_float ? (double)(float)value : value;
}

enum { INTEGER_LIMIT = 53 };                                /* integers of so many bits are exact in a double */

static bool is_exact_integer(const Expr *e)
{
    return e->number.is_integer && e->number.integer <= (int64_t)1 << INTEGER_LIMIT;
}

/* The parser has refused what overflows the chosen type. */
static double number_value(const Context *ctx, const Expr *e)
{
    return is_exact_integer(e) ? (double)e->number.integer : round_real(ctx, e->number.real);
}

Node *number_node(Frame *frame, const Expr *e)
{
    Context *ctx = frame->env->ctx;
    return is_exact_integer(e) ? node_int(ctx, e->number.integer) : node_real(ctx, number_value(ctx, e));
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */
typedef struct Reader {
    Frame *frame;
    Elem elem;
    bool has_numbers, has_bools;
    int rank;
    int64_t sizes[RANK_USER];
    Vec(double) data;
} Reader;

static bool word_value(const Reader *r, Str name, double *out)
{
    bool is_inf = strcmp(name, "inf") == 0, is_nan = strcmp(name, "nan") == 0;
    if ((!is_inf && !is_nan) || frame_find(r->frame, name))
        return false;
    *out = is_inf ? INFINITY : NAN;
    return true;
}

/* A number, perhaps with signs, or a truth value. */
static bool read_scalar(Reader *r, const Expr *e)
{
    double value = 0, sign = 1;
    bool is_signed = e->kind == EXPR_UNARY;
    for (; e->kind == EXPR_UNARY && e->unary.operator <= UNARY_PLUS; e = e->unary.operand)
        sign = e->unary.operator == UNARY_NEGATE ? -sign : sign;
    if (e->kind == EXPR_BOOL && !is_signed) {
        r->has_bools = true;
        value = e->truth;
    } else if (e->kind == EXPR_NUMBER) {
        value = number_value(r->frame->env->ctx, e);
        r->has_numbers = true;
        if (!is_exact_integer(e))
            r->elem = ELEM_REAL;
    } else if (e->kind == EXPR_NAME && word_value(r, e->name, &value)) {
        r->has_numbers = true;
        r->elem = ELEM_REAL;
    } else {
        return false;
    }
    vec_push(r->frame->env->ctx->arena, &r->data, copysign(1, sign) * value);
    return true;
}

/* The first list met at each depth says the size there. */
static bool read_list(Reader *r, const Expr *e, int depth)
{
    if (e->kind != EXPR_TENSOR)
        return depth == r->rank && read_scalar(r, e);
    if (depth == r->rank || r->sizes[depth] != e->items.count)
        return false;
    for (int k = 0; k < e->items.count; k++)
        if (!read_list(r, e->items.at[k], depth + 1))
            return false;
    return true;
}

static bool read_shape(Reader *r, const Expr *e)
{
    for (; e->kind == EXPR_TENSOR; e = e->items.at[0]) {
        if (r->rank == RANK_USER || e->items.count == 0)
            return false;
        r->sizes[r->rank++] = e->items.count;
    }
    return true;
}

/* Minus an integer zero is no negative zero. */
static void clear_integer_signs(Reader *r)
{
    for (int k = 0; k < r->data.count && r->elem == ELEM_INT; k++)
        r->data.at[k] += 0.0;
}

bool literal_node(Frame *frame, const Expr *e, Node **out)
{
    Context *ctx = frame->env->ctx;
    Reader r = { .frame = frame, .elem = ELEM_INT };
    if (!read_shape(&r, e) || !read_list(&r, e, 0) || (r.has_bools && r.has_numbers))
        return false;
    if (r.has_bools)
        r.elem = ELEM_BOOL;
    clear_integer_signs(&r);
    const Type *type = make_type(frame, e->span, r.elem, r.rank, r.sizes);
    *out = type ? node_constant(ctx, type, r.data.at) : NULL;
    if (*out && !check_integers(frame, *out, e->span))
        *out = NULL;
    return true;
}

/* ---- values from the command line -------------------------------------------------------------------------------- */
double *literal_values(Context *ctx, const Source *source, const Type *type)
{
    Frame frame = frame_new(frontend_of(ctx)->env, FRAME_GLOBAL);
    Expr *e = parse_expression(ctx, source);
    Node *n = e ? elaborate_tensor(&frame, e) : NULL;
    if (n)
        n = value_as(&frame, value_of(n, e->span), type, "the value");
    double *data = n ? NEW_ARRAY(ctx->arena, double, type->count) : NULL;
    if (data)
        node_data(ctx, n, data);
    return data;
}
