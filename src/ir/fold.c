/* fold.c: what the constructors simplify, one level deep: operands are already simple.
 *
 * Only what IEEE arithmetic allows: x * 0, x - x and x / x stay, no sum or product is reassociated, but for factors that
 * are powers of two.  The one liberty is the sign of a zero (x + 0 is x, -(a - b) is b - a).  `fill` below is a scalar constant expanded to a shape. */
#include "graph.h"

#include <math.h>
#include <string.h>

enum { FOLD_LIMIT = 1 << 16, DOUBLED_DEPTH = 2 };           /* elements of a constant that folding may make; products above a factor of two */

/* ---- questions ------------------------------------------------------------------------------------------------------- */
bool node_is_fill(const Node *n, double *value)
{
    while (n->op == OP_expand || n->op == OP_reshape)
        n = n->operands[0];
    if (n->op != OP_constant || n->type->count != 1)
        return false;
    *value = n->data[0];
    return true;
}

bool node_is_zero(const Node *n)
{
    double value;
    return node_is_fill(n, &value) && value == 0;
}

static bool is_value(const Node *n, double wanted)
{
    double value;
    return node_is_fill(n, &value) && value == wanted;
}

static bool is_op(const Node *n, Op op) { return n->op == op; }

/* ---- constants ------------------------------------------------------------------------------------------------------- */
/* Every operand a fill: the op on scalars, expanded.  Every operand constant: evaluated. */
static Node *fold_constants(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count,
                            const int64_t *attr)
{
    const double *data[RANK_MAX + 2];
    double fills[3], one;
    bool elementwise = op_info[op].class == CLASS_ELEMENTWISE, all_fill = elementwise;
    if (count == 0 || (count > 3 && op != OP_stack && op != OP_concat))
        return NULL;
    for (int k = 0; all_fill && k < count; k++)
        all_fill = node_is_fill(operands[k], &fills[k]);
    if (all_fill) {
        Node *scalars[3], key = { .op = op, .type = type_scalar(ctx, type->elem), .operand_count = count, .operands = scalars };
        for (int k = 0; k < count; k++) {
            scalars[k] = node_constant(ctx, type_scalar(ctx, operands[k]->type->elem), &fills[k]);
            data[k] = &fills[k];
        }
        eval_node(ctx, &key, data, &one);
        return node_fill(ctx, type, one);
    }
    if (type->count > FOLD_LIMIT || op == OP_expand
        || (op == OP_reshape && (!is_op(operands[0], OP_constant) || type->count == 1)))   /* a fill stays one */
        return NULL;
    ArenaMark mark = arena_mark(ctx->scratch);
    const double **inputs = NEW_ARRAY(ctx->scratch, const double *, count);
    bool constant = true;
    for (int k = 0; constant && k < count; k++) {
        double value, *filled;
        if (is_op(operands[k], OP_constant)) {
            inputs[k] = operands[k]->data;
        } else if (node_is_fill(operands[k], &value) && operands[k]->type->count <= FOLD_LIMIT) {
            inputs[k] = filled = NEW_ARRAY(ctx->scratch, double, operands[k]->type->count);
            for (int64_t i = 0; i < operands[k]->type->count; i++)
                filled[i] = value;
        } else {
            constant = false;
        }
    }
    Node *result = NULL;
    if (constant) {
        Node key = { .op = op, .type = type, .operand_count = count, .operands = (Node **)(uintptr_t)operands,
                     .attr_count = attr_count, .attr = attr };
        double *out = NEW_ARRAY(ctx->scratch, double, type->count);
        eval_node(ctx, &key, inputs, out);
        result = node_constant(ctx, type, out);
    }
    arena_release(ctx->scratch, mark);
    return result;
}

/* ---- elementwise ----------------------------------------------------------------------------------------------------- */
static Node *negative(Context *ctx, Node *x) { return node_unary(ctx, OP_neg, x); }
static Node *pair(Context *ctx, Op op, Node *x, Node *w) { return node_elementwise(ctx, op, (Node *[]){ x, w }); }

static bool is_moderate(double c) { return c == 0 || (fabs(c) > 1e-30 && fabs(c) < 1e30); }

static bool is_power_of_two(double c)
{
    int exponent;
    return fabs(frexp(c, &exponent)) == 0.5 && is_moderate(c);
}

static Node *fold_neg(Context *ctx, Node *x)
{
    if (is_op(x, OP_neg))
        return x->operands[0];
    return is_op(x, OP_sub) ? pair(ctx, OP_sub, x->operands[1], x->operands[0]) : NULL;
}

/* What a factor of two that is there already makes of 2 x: no rounding is lost or won; NULL: there is none. */
static Node *doubled(Context *ctx, Node *x, int depth)
{
    double c;
    Node *a = x->operand_count ? x->operands[0] : NULL, *b = x->operand_count > 1 ? x->operands[1] : NULL;
    if (node_is_fill(x, &c))
        return is_moderate(2 * c) ? node_fill(ctx, x->type, 2 * c) : NULL;
    bool is_product = is_op(x, OP_mul) || is_op(x, OP_div);
    if (is_product ? depth == 0 : !is_op(x, OP_neg) && !is_op(x, OP_expand))
        return NULL;
    if (is_op(x, OP_div))                                   /* by twice something */
        for (int k = 0; is_op(b, OP_mul) && k < 2; k++)
            if (node_is_fill(b->operands[k], &c) && is_power_of_two(c))
                return pair(ctx, OP_div, a, pair(ctx, OP_mul, node_fill(ctx, b->type, 0.5 * c), b->operands[1 - k]));
    Node *two_a = doubled(ctx, a, depth - is_product);
    if (!is_product && two_a)
        return is_op(x, OP_neg) ? negative(ctx, two_a) : node_expand(ctx, two_a, x->type);
    if (is_product && two_a)
        return pair(ctx, x->op, two_a, b);
    if (!is_op(x, OP_mul))
        return NULL;
    Node *two_b = doubled(ctx, b, depth - 1);
    return two_b ? pair(ctx, OP_mul, a, two_b) : NULL;
}

static Node *fold_add(Context *ctx, Node *x, Node *w)
{
    if (x == w && x->type->elem == ELEM_REAL && !is_op(x, OP_constant)) {
        Node *y = doubled(ctx, x, DOUBLED_DEPTH);
        if (y)
            return y;
    }
    if (node_is_zero(w))
        return x;
    if (node_is_zero(x))
        return w;
    if (is_op(w, OP_neg))
        return pair(ctx, OP_sub, x, w->operands[0]);
    return is_op(x, OP_neg) ? pair(ctx, OP_sub, w, x->operands[0]) : NULL;
}

static Node *fold_sub(Context *ctx, Node *x, Node *w)
{
    if (node_is_zero(w))
        return x;
    if (node_is_zero(x))
        return negative(ctx, w);
    return is_op(w, OP_neg) ? pair(ctx, OP_add, x, w->operands[0]) : NULL;
}

/* Signs move outwards, where sums absorb them. */
static Node *fold_signs(Context *ctx, Op op, Node *x, Node *w)
{
    if (is_op(x, OP_neg) && is_op(w, OP_neg))
        return pair(ctx, op, x->operands[0], w->operands[0]);
    if (is_op(x, OP_neg))
        return negative(ctx, pair(ctx, op, x->operands[0], w));
    return is_op(w, OP_neg) ? negative(ctx, pair(ctx, op, x, w->operands[0])) : NULL;
}

/* Two constant factors are one, if one is a power of two; NULL: there is one only. */
static Node *fold_scaled(Context *ctx, double c, Node *x)
{
    double d;
    if (c == 2)
        return doubled(ctx, x, DOUBLED_DEPTH);
    for (int k = 0; is_op(x, OP_mul) && k < 2; k++)
        if (node_is_fill(x->operands[k], &d) && (is_power_of_two(c) || is_power_of_two(d)) && is_moderate(c * d))
            return pair(ctx, OP_mul, node_fill(ctx, x->type, c * d), x->operands[1 - k]);
    return NULL;
}

static Node *fold_mul(Context *ctx, Node *x, Node *w)
{
    double c;
    if (is_value(w, 1))
        return x;
    if (is_value(x, 1))
        return w;
    if (is_value(w, -1))
        return negative(ctx, x);
    if (is_value(x, -1))
        return negative(ctx, w);
    if (x == w && x->type->elem == ELEM_REAL)
        return node_unary(ctx, OP_square, x);
    if (x->type->elem == ELEM_REAL && (node_is_fill(x, &c) || node_is_fill(w, &c))) {
        Node *y = fold_scaled(ctx, c, node_is_fill(x, &c) ? w : x);
        if (y)
            return y;
    }
    if (node_is_fill(x, &c) && c < 0)
        return negative(ctx, pair(ctx, OP_mul, node_fill(ctx, x->type, -c), w));
    if (node_is_fill(w, &c) && c < 0)
        return negative(ctx, pair(ctx, OP_mul, x, node_fill(ctx, w->type, -c)));
    return fold_signs(ctx, OP_mul, x, w);
}

static Node *fold_div(Context *ctx, Node *x, Node *w)
{
    if (is_value(w, 1))
        return x;
    return is_value(x, 1) ? node_unary(ctx, OP_reciprocal, w) : fold_signs(ctx, OP_div, x, w);
}

/* Small constant powers become products: exact rules at 0, no call. */
static Node *fold_pow(Context *ctx, Node *x, Node *w)
{
    double p;
    if (!node_is_fill(w, &p))
        return NULL;
    if (p == 0)
        return node_fill(ctx, x->type, 1);
    if (p == 1)
        return x;
    if (p == 0.5)
        return node_unary(ctx, OP_sqrt, x);
    if (p == -0.5)
        return node_unary(ctx, OP_rsqrt, x);
    if (p < 0 && p >= -8 && p == floor(p))
        return node_unary(ctx, OP_reciprocal, pair(ctx, OP_pow, x, node_fill(ctx, w->type, -p)));
    if (p < 0 || p > 8 || p != floor(p))
        return NULL;
    Node *half = node_unary(ctx, OP_square, pair(ctx, OP_pow, x, node_fill(ctx, w->type, floor(p / 2))));
    return fmod(p, 2) == 0 ? half : pair(ctx, OP_mul, half, x);
}

static Node *fold_where(Context *ctx, Node *c, Node *a, Node *b)
{
    double value;
    if (node_is_fill(c, &value))
        return value != 0 ? a : b;
    if (a == b)
        return a;
    if (is_op(c, OP_not))
        return node_elementwise(ctx, OP_where, (Node *[]){ c->operands[0], b, a });
    if (is_op(a, OP_where) && a->operands[0] == c)
        return node_elementwise(ctx, OP_where, (Node *[]){ c, a->operands[1], b });
    if (is_op(b, OP_where) && b->operands[0] == c)
        return node_elementwise(ctx, OP_where, (Node *[]){ c, a, b->operands[2] });
    return NULL;
}

static Node *fold_logic(Context *ctx, Op op, const Type *type, Node *x, Node *w)
{
    double c, absorbing = op == OP_or;
    if (x == w)
        return x;
    if (node_is_fill(x, &c))
        return c == absorbing ? node_fill(ctx, type, absorbing) : w;
    if (node_is_fill(w, &c))
        return c == absorbing ? node_fill(ctx, type, absorbing) : x;
    return NULL;
}

/* The same broadcast on every operand happens after the op: less work, and loop-invariant in what follows. */
static Node *hoist_expand(Context *ctx, Op op, const Type *type, int count, Node *const *operands)
{
    Node *inner[3];
    const Type *small = NULL;
    double value;
    for (int k = 0; k < count; k++)
        if (!node_is_fill(operands[k], &value)) {
            if (!is_op(operands[k], OP_expand) || (small && !type_same_shape(operands[k]->operands[0]->type, small)))
                return NULL;
            small = operands[k]->operands[0]->type;
        }
    if (!small)
        return NULL;
    for (int k = 0; k < count; k++)
        inner[k] = node_is_fill(operands[k], &value)
            ? node_fill(ctx, type_with_elem(ctx, small, operands[k]->type->elem), value) : operands[k]->operands[0];
    return node_expand(ctx, node_elementwise(ctx, op, inner), type);
}

static Node *fold_elementwise(Context *ctx, Op op, const Type *type, int count, Node *const *operands)
{
    Node *x = operands[0], *w = count > 1 ? operands[1] : NULL, *y = NULL;
    switch (op) {
    case OP_neg: y = fold_neg(ctx, x); break;
    case OP_add: y = fold_add(ctx, x, w); break;
    case OP_sub: y = fold_sub(ctx, x, w); break;
    case OP_mul: y = fold_mul(ctx, x, w); break;
    case OP_div: y = fold_div(ctx, x, w); break;
    case OP_pow: y = fold_pow(ctx, x, w); break;
    case OP_where: y = fold_where(ctx, x, w, operands[2]); break;
    case OP_and: case OP_or: y = fold_logic(ctx, op, type, x, w); break;
    case OP_lt: case OP_gt: y = x == w ? node_fill(ctx, type, 0) : NULL; break;     /* of NaN, too */
    case OP_not: y = is_op(x, OP_not) ? x->operands[0] : NULL; break;
    case OP_abs: y = is_op(x, OP_neg) ? node_unary(ctx, OP_abs, x->operands[0]) : NULL; break;
    case OP_square: y = is_op(x, OP_neg) ? node_unary(ctx, OP_square, x->operands[0]) : NULL; break;
    default: break;
    }
    return y ? y : hoist_expand(ctx, op, type, count, operands);
}

/* ---- movement -------------------------------------------------------------------------------------------------------- */
static Node *fold_expand(Context *ctx, const Type *type, Node *x)
{
    if (is_op(x, OP_expand))
        return node_expand(ctx, x->operands[0], type);
    if (x->type->count == type->count)                      /* new axes of size 1 only */
        return node_reshape(ctx, x, type);
    return x->type->count == 1 && x->type->rank > 0
        ? node_expand(ctx, node_reshape(ctx, x, type_scalar(ctx, x->type->elem)), type) : NULL;
}

static Node *fold_reshape(Context *ctx, const Type *type, Node *x)
{
    double value;
    if (x->type == type)
        return x;
    if (is_op(x, OP_reshape))
        return node_reshape(ctx, x->operands[0], type);
    return is_op(x, OP_expand) && node_is_fill(x, &value) ? node_fill(ctx, type, value) : NULL;
}

static Node *fold_permute(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    int rank = type->rank, perm[RANK_MAX], last = -1;
    bool keeps_order = true;                                /* of the axes that are not of size 1 */
    double value;
    for (int k = 0; k < rank; k++) {
        perm[k] = (int)attr[k] + rank;
        if (type_size(type, k) != 1) {
            keeps_order &= perm[k] > last;
            last = perm[k];
        }
    }
    if (keeps_order)
        return node_reshape(ctx, x, type);
    if (node_is_fill(x, &value))
        return node_fill(ctx, type, value);
    if (!is_op(x, OP_permute))
        return NULL;
    for (int k = 0; k < rank; k++)
        perm[k] = (int)x->attr[perm[k]] + rank;
    return node_permute(ctx, x->operands[0], perm);
}

/* A part of a concatenation that lies within one piece. */
static Node *slice_of_concat(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    int rank = type->rank, axis = (int)x->attr[0] + rank;
    int64_t start[RANK_MAX], count[RANK_MAX], offset = 0, first, last;
    for (int k = 0; k < rank; k++) {
        start[k] = attr[k];
        count[k] = type_size(type, k);
    }
    first = start[axis];
    last = start[axis] + (count[axis] - 1) * attr[rank + axis];
    for (int i = 0; i < x->operand_count; i++) {
        int64_t size = type_size(x->operands[i]->type, axis);
        if (first >= offset && first < offset + size && last >= offset && last < offset + size) {
            start[axis] -= offset;
            return node_slice(ctx, x->operands[i], start, attr + rank, count);
        }
        offset += size;
    }
    return NULL;
}

static Node *slice_of_stack(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    int rank = type->rank;
    int64_t count[RANK_MAX];
    if (type_size(type, 0) != 1)
        return NULL;
    for (int k = 1; k < rank; k++)
        count[k - 1] = type_size(type, k);
    Node *part = x->operands[attr[0]];
    if (rank > 1)
        part = node_slice(ctx, part, attr + 1, attr + rank + 1, count);
    return node_reshape(ctx, part, type);
}

static Node *slice_of_slice(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    int rank = type->rank;
    int64_t start[RANK_MAX], step[RANK_MAX], count[RANK_MAX];
    for (int k = 0; k < rank; k++) {
        start[k] = x->attr[k] + attr[k] * x->attr[rank + k];
        step[k] = attr[rank + k] * x->attr[rank + k];
        count[k] = type_size(type, k);
    }
    return node_slice(ctx, x->operands[0], start, step, count);
}

/* A part of a padded value that lies within the core, or wholly beside it. */
static Node *slice_of_pad(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    int rank = type->rank;
    int64_t start[RANK_MAX], count[RANK_MAX];
    bool inside = true;
    for (int k = 0; k < rank; k++) {
        int64_t low = x->attr[k], size = type_size(x->operands[0]->type, k), step = attr[rank + k];
        int64_t a = attr[k], b = a + (type_size(type, k) - 1) * step, least = a < b ? a : b, most = a < b ? b : a;
        int64_t end = low + size + (size - 1) * x->attr[2 * rank + k];
        if (most < low || least >= end)
            return node_fill(ctx, type, 0);
        inside &= x->attr[2 * rank + k] == 0 && least >= low && most < end;
        start[k] = a - low;
        count[k] = type_size(type, k);
    }
    return inside ? node_slice(ctx, x->operands[0], start, attr + rank, count) : NULL;
}

/* Axes along which the operand of an expand does not vary need no slice before it. */
static Node *slice_of_expand(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    Node *inner = x->operands[0];
    int rank = type->rank, extra = rank - inner->type->rank;
    int64_t start[RANK_MAX], step[RANK_MAX], count[RANK_MAX];
    for (int k = extra; k < rank; k++) {
        bool constant = type_size(inner->type, k - extra) == 1;
        start[k - extra] = constant ? 0 : attr[k];
        step[k - extra] = constant ? 1 : attr[rank + k];
        count[k - extra] = constant ? 1 : type_size(type, k);
    }
    return node_expand(ctx, node_slice(ctx, inner, start, step, count), type);
}

static Node *fold_slice(Context *ctx, const Type *type, Node *x, const int64_t *attr)
{
    bool whole = x->type == type;
    for (int k = 0; k < type->rank; k++)
        whole &= attr[type->rank + k] > 0;
    if (whole)
        return x;
    switch (x->op) {
    case OP_slice: return slice_of_slice(ctx, type, x, attr);
    case OP_stack: return slice_of_stack(ctx, type, x, attr);
    case OP_concat: return slice_of_concat(ctx, type, x, attr);
    case OP_pad: return slice_of_pad(ctx, type, x, attr);
    case OP_expand: return slice_of_expand(ctx, type, x, attr);
    default: return NULL;
    }
}

/* stack(x[0], x[1], ..) is x. */
static Node *stack_of_slices(Context *ctx, const Type *type, int count, Node *const *xs)
{
    Node *whole = NULL;
    for (int i = 0; i < count; i++) {
        const Node *part = is_op(xs[i], OP_reshape) ? xs[i]->operands[0] : NULL;
        if (!part || !is_op(part, OP_slice) || (whole && part->operands[0] != whole))
            return NULL;
        whole = part->operands[0];
        if (whole->type != type || part->attr[0] != i || type_size(part->type, 0) != 1)
            return NULL;
        for (int k = 1; k < type->rank; k++)
            if (type_size(part->type, k) != type_size(type, k) || part->attr[type->rank + k] < 0)
                return NULL;
    }
    return count == 1 ? node_reshape(ctx, xs[0], type) : whole;
}

static Node *fold_pieces(Context *ctx, Op op, const Type *type, int count, Node *const *xs)
{
    double first, value;
    if (op == OP_concat && count == 1)
        return xs[0];
    bool fill = node_is_fill(xs[0], &first);
    for (int i = 1; fill && i < count; i++)
        fill = node_is_fill(xs[i], &value) && memcmp(&value, &first, sizeof value) == 0;
    if (fill)
        return node_fill(ctx, type, first);
    return op == OP_stack ? stack_of_slices(ctx, type, count, xs) : NULL;
}

static Node *fold_pad(Context *ctx, const Type *type, Node *x)
{
    if (x->type == type)
        return x;
    return node_is_zero(x) ? node_fill(ctx, type, 0) : NULL;
}

/* ---- reductions and contractions ------------------------------------------------------------------------------------- */
/* Axes of size 1 vanish by reshape; axes along which x is a broadcast are a factor (sum) or nothing (max, min). */
static Node *fold_reduce(Context *ctx, Op op, const Type *type, Node *x, int axis_count, const int64_t *attr)
{
    bool reduced[RANK_MAX] = { false };
    int rank = x->type->rank, kept[RANK_MAX], count = 0, dropped = 0, inner_count = 0;
    int64_t inner[RANK_MAX];
    double factor = 1;
    const Node *source = is_op(x, OP_expand) && op != OP_prod ? x->operands[0] : NULL;
    int extra = source ? rank - source->type->rank : 0;
    for (int i = 0; i < axis_count; i++)
        reduced[attr[i] + rank] = true;
    for (int k = 0; k < rank; k++) {
        bool constant = type_size(x->type, k) == 1
            || (source && (k < extra || type_size(source->type, k - extra) == 1));
        if (reduced[k] && constant) {
            dropped++;
            factor *= (double)type_size(x->type, k);
            continue;
        }
        if (reduced[k])
            kept[count++] = inner_count;
        inner[inner_count++] = type_size(x->type, k);
    }
    if (!dropped)
        return NULL;
    const Type *smaller = type_sized(ctx, x->type->elem, inner_count, inner);
    Node *y;
    if (!source) {
        y = node_reshape(ctx, x, smaller);
    } else {                                                /* the source without the dropped axes, expanded to the others */
        int64_t sizes[RANK_MAX];
        int n = 0;
        for (int k = extra; k < rank; k++)
            if (!(reduced[k] && type_size(source->type, k - extra) == 1))
                sizes[n++] = type_size(source->type, k - extra);
        y = node_expand(ctx, node_reshape(ctx, x->operands[0], type_sized(ctx, x->type->elem, n, sizes)), smaller);
    }
    y = node_reduce(ctx, op, y, count, kept, false);
    if (op == OP_sum && factor != 1)
        y = node_binary(ctx, OP_mul, y, x->type->elem == ELEM_INT ? node_int(ctx, (int64_t)factor) : node_real(ctx, factor));
    return node_reshape(ctx, y, type);
}

/* An einsum taken apart for rewriting. */
typedef struct {
    int count, rank[2], labels[2][RANK_MAX], out_rank, out[RANK_MAX];
    Node *xs[2];
} Einsum;

static Einsum einsum_open(const Type *type, int count, Node *const *xs, const int64_t *attr)
{
    Einsum e = { .count = count, .out_rank = type->rank };
    for (int i = 0; i < count; i++) {
        e.xs[i] = xs[i];
        e.rank[i] = xs[i]->type->rank;
        for (int k = 0; k < e.rank[i]; k++)
            e.labels[i][k] = (int)*attr++;
    }
    for (int k = 0; k < type->rank; k++)
        e.out[k] = (int)*attr++;
    return e;
}

static Node *einsum_close(Context *ctx, const Einsum *e)
{
    const int *labels[2] = { e->labels[0], e->labels[1] };
    return node_einsum(ctx, e->count, e->xs, labels, e->out_rank, e->out);
}

static int occurrences(const int *labels, int rank, int label)
{
    int n = 0;
    for (int k = 0; k < rank; k++)
        n += labels[k] == label;
    return n;
}

static bool einsum_has_repeats(const Einsum *e)
{
    for (int i = 0; i < e->count; i++)
        for (int k = 0; k < e->rank[i]; k++)
            if (occurrences(e->labels[i], e->rank[i], e->labels[i][k]) > 1)
                return true;
    for (int k = 0; k < e->out_rank; k++)
        if (occurrences(e->out, e->out_rank, e->out[k]) > 1)
            return true;
    return false;
}

/* The sum over an axis that one operand alone brings along is the sum of that operand first, if that is no more work even
 * where the contraction is needed as well; NULL: it is not.  The axis counts from the end. */
static Node *sum_before_einsum(Context *ctx, Node *x, int axis)
{
    Einsum e = einsum_open(x->type, x->operand_count, x->operands, x->attr);
    if (e.count != 2 || einsum_has_repeats(&e))
        return NULL;
    int at = axis + e.out_rank, label = e.out[at], place = -1;
    int owner = occurrences(e.labels[0], e.rank[0], label) ? 0 : 1;
    if (occurrences(e.labels[!owner], e.rank[!owner], label))
        return NULL;
    for (int k = 0; k < e.rank[owner]; k++)
        if (e.labels[owner][k] == label)
            place = k;
    int64_t rest = x->type->count / type_size(x->type, at);
    for (int k = 0; k < e.rank[0]; k++)
        if (!occurrences(e.out, e.out_rank, e.labels[0][k]))
            rest *= type_size(e.xs[0]->type, k);
    for (int k = 0; k < e.rank[1]; k++)
        if (!occurrences(e.out, e.out_rank, e.labels[1][k]) && !occurrences(e.labels[0], e.rank[0], e.labels[1][k]))
            rest *= type_size(e.xs[1]->type, k);
    if (e.xs[owner]->type->count + rest > 2 * x->type->count)
        return NULL;
    e.xs[owner] = node_sum(ctx, e.xs[owner], 1, &place, false);
    e.rank[owner]--;
    memmove(e.labels[owner] + place, e.labels[owner] + place + 1, sizeof(int) * (size_t)(e.rank[owner] - place));
    e.out_rank--;
    memmove(e.out + at, e.out + at + 1, sizeof(int) * (size_t)(e.out_rank - at));
    return einsum_close(ctx, &e);
}

/* Of a difference of sign, and of a contraction; NULL: neither. */
static Node *fold_sum(Context *ctx, Node *x, int axis_count, const int64_t *attr)
{
    int axes[RANK_MAX], others = 0;
    for (int i = 0; i < axis_count; i++)
        axes[i] = (int)attr[i];
    if (is_op(x, OP_neg))
        return node_unary(ctx, OP_neg, node_sum(ctx, x->operands[0], axis_count, axes, false));
    for (int i = 0; i < axis_count && is_op(x, OP_einsum); i++) {
        Node *y = sum_before_einsum(ctx, x, axes[i]);
        if (!y)
            continue;
        for (int k = 0; k < axis_count; k++)                /* axes before this one are now one nearer to the end */
            if (k != i)
                axes[others++] = axes[k] < axes[i] ? axes[k] + 1 : axes[k];
        return others ? node_sum(ctx, y, others, axes, false) : y;
    }
    return fold_sum_of_identity(ctx, x, axis_count, axes);
}

/* A result with a repeated label is summed without it, and put onto its diagonal then; NULL: that is all there is to do. */
static Node *einsum_diagonal(Context *ctx, const Einsum *e)
{
    Einsum once = *e;
    const int *labels[1] = { once.out };
    bool sums = e->count == 2;
    once.out_rank = 0;
    for (int k = 0; k < e->out_rank; k++)
        if (!occurrences(once.out, once.out_rank, e->out[k]))
            once.out[once.out_rank++] = e->out[k];
    for (int k = 0; k < e->rank[0]; k++)
        sums |= !occurrences(e->out, e->out_rank, e->labels[0][k]);
    if (once.out_rank == e->out_rank || !sums)
        return NULL;
    Node *y = einsum_close(ctx, &once);
    return node_einsum(ctx, 1, &y, labels, e->out_rank, e->out);
}

/* One operand without repeated labels: a sum and a permutation. */
static Node *einsum_single(Context *ctx, const Einsum *e)
{
    int axes[RANK_MAX], count = 0, left[RANK_MAX], n = 0, perm[RANK_MAX];
    for (int k = 0; k < e->rank[0]; k++)
        if (occurrences(e->out, e->out_rank, e->labels[0][k]))
            left[n++] = e->labels[0][k];
        else
            axes[count++] = k;
    Node *y = node_sum(ctx, e->xs[0], count, axes, false);
    for (int k = 0; k < e->out_rank; k++)
        for (int j = 0; j < n; j++)
            if (left[j] == e->out[k])
                perm[k] = j;
    return node_permute(ctx, y, perm);
}

/* The operand's axes brought into the order of the result, axes it lacks as 1: for a product without a sum. */
static Node *einsum_align(Context *ctx, const Einsum *e, int i)
{
    int perm[RANK_MAX], n = 0;
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < e->out_rank; k++) {
        sizes[k] = 1;
        for (int j = 0; j < e->rank[i]; j++)
            if (e->labels[i][j] == e->out[k]) {
                perm[n++] = j;
                sizes[k] = type_size(e->xs[i]->type, j);
            }
    }
    Node *x = node_permute(ctx, e->xs[i], perm);
    return node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, e->out_rank, sizes));
}

/* A label that only one operand has and the result has not is summed first. */
static bool einsum_sum_first(Context *ctx, Einsum *e, int i)
{
    int axes[RANK_MAX], count = 0, n = 0;
    for (int k = 0; k < e->rank[i]; k++) {
        int label = e->labels[i][k];
        if (!occurrences(e->out, e->out_rank, label) && !occurrences(e->labels[1 - i], e->rank[1 - i], label)
            && occurrences(e->labels[i], e->rank[i], label) == 1)
            axes[count++] = k;
        else
            e->labels[i][n++] = label;
    }
    e->rank[i] = n;
    e->xs[i] = node_sum(ctx, e->xs[i], count, axes, false);
    return count > 0;
}

/* Permutations and broadcasts of an operand go into the labels. */
static bool einsum_absorb(Context *ctx, Einsum *e, int i)
{
    Node *x = e->xs[i];
    int labels[RANK_MAX], n = 0;
    if (is_op(x, OP_permute)) {
        for (int k = 0; k < e->rank[i]; k++)
            labels[x->attr[k] + e->rank[i]] = e->labels[i][k];
        memcpy(e->labels[i], labels, sizeof labels);
        e->xs[i] = x->operands[0];
        return true;
    }
    if (!is_op(x, OP_expand) || e->count == 1)
        return false;
    const Type *source = x->operands[0]->type;
    int extra = x->type->rank - source->rank;
    int64_t sizes[RANK_MAX], kept_sizes[RANK_MAX];
    bool changed = false;
    for (int k = 0; k < e->rank[i]; k++) {                  /* drop broadcast axes that the other operand carries */
        bool broadcast = k < extra || (type_size(source, k - extra) == 1 && type_size(x->type, k) != 1);
        if (broadcast && occurrences(e->labels[1 - i], e->rank[1 - i], e->labels[i][k])) {
            changed = true;
            continue;
        }
        labels[n] = e->labels[i][k];
        sizes[n] = type_size(x->type, k);
        kept_sizes[n++] = k < extra ? 1 : type_size(source, k - extra);
    }
    if (!changed)
        return false;
    Node *kept = node_reshape(ctx, x->operands[0], type_sized(ctx, ELEM_REAL, n, kept_sizes));
    memcpy(e->labels[i], labels, sizeof labels);
    e->rank[i] = n;
    e->xs[i] = node_expand(ctx, kept, type_sized(ctx, ELEM_REAL, n, sizes));
    return true;
}

/* A scalar factor of an operand, negation included, comes out of the sum. */
static Node *einsum_hoist(Context *ctx, const Einsum *e, int i)
{
    Einsum inner = *e;
    Node *x = e->xs[i];
    if (is_op(x, OP_neg)) {
        inner.xs[i] = x->operands[0];
        return negative(ctx, einsum_close(ctx, &inner));
    }
    double value;
    for (int k = 0; is_op(x, OP_mul) && k < 2; k++)
        if (node_is_fill(x->operands[k], &value)) {
            inner.xs[i] = x->operands[1 - k];
            return node_binary(ctx, OP_mul, einsum_close(ctx, &inner), node_real(ctx, value));
        }
    return NULL;
}

/* Labels from..to of identity i are summed with axes of the other operand: then it only gives them the name of its other
 * label. */
static Node *einsum_rename(Context *ctx, const Einsum *e, int i, int from, int to, int name)
{
    const int *with = e->labels[1 - i], rank = e->rank[1 - i];
    int perm[RANK_MAX], n = 0;
    Einsum rest = { .count = 1, .out_rank = e->out_rank };
    if (occurrences(with, rank, name) || !occurrences(e->out, e->out_rank, name))
        return NULL;
    for (int k = from; k < to; k++) {
        int label = e->labels[i][k];
        if (occurrences(with, rank, label) != 1 || occurrences(e->out, e->out_rank, label))
            return NULL;
        for (int j = 0; j < rank; j++)
            if (with[j] == label)
                perm[n++] = j;
    }
    int64_t sizes[RANK_MAX] = { type_size(e->xs[i]->type, 0) };
    rest.labels[0][rest.rank[0]++] = name;
    for (int j = 0; j < rank; j++) {
        if (occurrences(e->labels[i] + from, to - from, with[j]))
            continue;
        perm[n++] = j;
        sizes[rest.rank[0]] = type_size(e->xs[1 - i]->type, j);
        rest.labels[0][rest.rank[0]++] = with[j];
    }
    Node *moved = node_permute(ctx, e->xs[1 - i], perm);
    rest.xs[0] = node_reshape(ctx, moved, type_sized(ctx, ELEM_REAL, rest.rank[0], sizes));
    memcpy(rest.out, e->out, sizeof rest.out);
    return einsum_close(ctx, &rest);
}

/* A sum with an identity: what is not on its diagonal is no term at all, as in every derivative. */
static Node *einsum_identity(Context *ctx, const Einsum *e, int i)
{
    if (e->count != 2 || !fold_is_identity(e->xs[i]))
        return NULL;
    int rank = e->rank[i];
    Node *y = einsum_rename(ctx, e, i, 1, rank, e->labels[i][0]);
    return y || rank > 2 ? y : einsum_rename(ctx, e, i, 0, 1, e->labels[i][1]);
}

static Node *fold_einsum(Context *ctx, const Type *type, int count, Node *const *xs, const int64_t *attr)
{
    Einsum e = einsum_open(type, count, xs, attr);
    bool repeats = einsum_has_repeats(&e), changed = false, contracts = false;
    if (count == 1 && !repeats)
        return einsum_single(ctx, &e);
    Node *diagonal = repeats ? einsum_diagonal(ctx, &e) : NULL;
    if (diagonal)
        return diagonal;
    for (int i = 0; i < count; i++) {
        changed |= einsum_absorb(ctx, &e, i);
        changed |= count == 2 && einsum_sum_first(ctx, &e, i);
    }
    if (changed)
        return einsum_close(ctx, &e);
    for (int i = 0; i < count; i++) {
        Node *y = repeats ? NULL : einsum_identity(ctx, &e, i);
        y = y ? y : einsum_hoist(ctx, &e, i);
        if (y)
            return y;
    }
    if (count == 1 || repeats)
        return NULL;
    for (int k = 0; k < e.rank[0]; k++)
        contracts |= !occurrences(e.out, e.out_rank, e.labels[0][k]);
    if (!contracts)
        return node_binary(ctx, OP_mul, einsum_align(ctx, &e, 0), einsum_align(ctx, &e, 1));
    return NULL;
}

/* ---- run-time indices -------------------------------------------------------------------------------------------------- */
/* The element that was put there last, where it is the same one for sure. */
static Node *index_of_write(const Node *x, int count, Node *const *operands)
{
    if (x->op != OP_index_set || x->operand_count != count + 1 || operands[1]->type->rank != 0)
        return NULL;
    for (int k = 1; k < count; k++)
        if (x->operands[k + 1] != operands[k])
            return NULL;
    return x->operands[1];
}

/* Places along one axis of the indices: start + step * its counter. */
typedef struct { int axis; int64_t start, step; } Line;

/* An iota that is moved, stretched, and laid along an axis. */
static bool is_line(const Node *n, Line *l)
{
    const Type *places = n->type;
    double value;
    l->axis = 0;
    if (n->op == OP_expand && n->type->rank == n->operands[0]->type->rank)
        n = n->operands[0];
    if (n->op == OP_reshape && n->operands[0]->type->rank == 1) {
        while (l->axis + 1 < n->type->rank && type_size(n->type, l->axis) == 1)
            l->axis++;
        if (type_size(n->type, l->axis) != n->type->count)
            return false;
        n = n->operands[0];
    }
    l->start = 0;
    l->step = 1;
    for (; n->op != OP_iota; n = n->operands[0]) {
        bool moved = n->op == OP_add || n->op == OP_sub;
        if ((!moved && n->op != OP_mul) || !node_is_fill(n->operands[1], &value))
            return false;
        l->start += moved ? l->step * (int64_t)(n->op == OP_add ? value : -value) : 0;
        l->step *= moved ? 1 : (int64_t)value;
        if (l->start < INT32_MIN || l->start > INT32_MAX || l->step < INT32_MIN || l->step > INT32_MAX)
            return false;
    }
    return n->type->count == type_size(places, l->axis);
}

/* Indices that are lines along the axes in turn, or one place, and within the array: a slice. */
static Node *index_of_lines(Context *ctx, const Type *type, int count, Node *const *operands)
{
    Node *x = operands[0];
    const Type *places = operands[1]->type;
    int rank = x->type->rank, at = 0;
    int64_t start[RANK_MAX], step[RANK_MAX], size[RANK_MAX];
    for (int k = 0; k < rank; k++) {
        Line l = { .step = 1 };
        double place;
        int64_t last = type_size(x->type, k) - 1;
        size[k] = k + 1 < count ? 1 : last + 1;
        if (k + 1 < count && node_is_fill(operands[k + 1], &place) && place >= 0 && place <= (double)last) {
            l.start = (int64_t)place;
        } else if (k + 1 < count) {
            if (!is_line(operands[k + 1], &l) || l.axis != at || l.step == 0)
                return NULL;
            size[k] = type_size(places, at++);
            int64_t end = l.start + l.step * (size[k] - 1);
            if (l.start < 0 || l.start > last || end < 0 || end > last)
                return NULL;
        }
        start[k] = l.start;
        step[k] = l.step;
    }
    return at == places->rank ? node_reshape(ctx, node_slice(ctx, x, start, step, size), type) : NULL;
}

/* Constant scalar indices are a slice.  Out of range clamps, as at run time. */
static Node *fold_index(Context *ctx, const Type *type, int count, Node *const *operands)
{
    Node *x = operands[0], *written = index_of_write(x, count, operands);
    if (written)
        return written;
    int rank = x->type->rank;
    int64_t start[RANK_MAX], step[RANK_MAX], size[RANK_MAX];
    if (operands[1]->type->rank != 0)
        return index_of_lines(ctx, type, count, operands);
    for (int k = 0; k < rank; k++) {
        bool indexed = k + 1 < count;
        if (indexed && !is_op(operands[k + 1], OP_constant))
            return NULL;
        double at = indexed ? operands[k + 1]->data[0] : 0, last = (double)(type_size(x->type, k) - 1);
        start[k] = (int64_t)(at < 0 ? 0 : at > last ? last : at);
        step[k] = 1;
        size[k] = indexed ? 1 : type_size(x->type, k);
    }
    return node_reshape(ctx, node_slice(ctx, x, start, step, size), type);
}

Node *fold(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count, const int64_t *attr)
{
    if (op_info[op].class == CLASS_LEAF || op == OP_call)
        return NULL;
    Node *y = fold_constants(ctx, op, type, count, operands, attr_count, attr);
    if (y)
        return y;
    if (op_info[op].class == CLASS_ELEMENTWISE)
        return fold_elementwise(ctx, op, type, count, operands);
    switch (op) {
    case OP_expand: return fold_expand(ctx, type, operands[0]);
    case OP_reshape: return fold_reshape(ctx, type, operands[0]);
    case OP_permute: return fold_permute(ctx, type, operands[0], attr);
    case OP_slice: return fold_slice(ctx, type, operands[0], attr);
    case OP_pad: return fold_pad(ctx, type, operands[0]);
    case OP_stack: case OP_concat: return fold_pieces(ctx, op, type, count, operands);
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce: {
        Node *reduced = fold_reduce(ctx, op, type, operands[0], attr_count, attr);
        return reduced || op != OP_sum ? reduced : fold_sum(ctx, operands[0], attr_count, attr);
    }
    case OP_einsum: return fold_einsum(ctx, type, count, operands, attr);
    case OP_index: return fold_index(ctx, type, count, operands);
    default: return NULL;
    }
}
