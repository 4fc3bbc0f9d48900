/* singular.c: warns where a derivative is infinite or undefined at a point that the program reaches by construction, such
 * as that of sqrt at a sum of squares.
 *
 * What a value is bounded by is read off the few ops above it; where that says nothing, nothing is said.  A bound counts
 * only when the value attains it.  A where() that can leave the point out has been thought of, so it silences. */
#include "rules.h"

#include <math.h>
#include <string.h>

enum { DEPTH = 12, VISITS = 100 };                          /* of the ops that are looked at */

typedef struct { double low, high; bool low_reached, high_reached; } Bounds;
static const Bounds unknown = { -INFINITY, INFINITY, false, false };

typedef struct { int visits; } Search;

static Bounds bounds(Search *, const Node *, int depth);

/* ---- bounds of results, from bounds of operands ------------------------------------------------------------------- */
static Bounds negated(Bounds x) { return (Bounds){ -x.high, -x.low, x.high_reached, x.low_reached }; }

static Bounds sum_of(Bounds x, Bounds w)
{
    return (Bounds){ x.low + w.low, x.high + w.high, x.low_reached && w.low_reached, x.high_reached && w.high_reached };
}

static Bounds scaled(Bounds x, double factor)
{
    if (!(fabs(factor) > 0) || !isfinite(factor))
        return unknown;
    Bounds y = { x.low * fabs(factor), x.high * fabs(factor), x.low_reached, x.high_reached };
    return factor < 0 ? negated(y) : y;
}

static bool has_zero(Bounds x)
{
    bool inside = x.low < 0 && x.high > 0;
    return inside || (x.low == 0 && x.low_reached) || (x.high == 0 && x.high_reached);
}

/* |x|, and x^2, which goes with it. */
static Bounds magnitude(Bounds x)
{
    if (has_zero(x))
        return (Bounds){ 0, INFINITY, true, false };
    if (x.high <= 0)
        x = negated(x);
    return (Bounds){ x.low > 0 ? x.low : 0, INFINITY, x.low >= 0 && x.low_reached, false };
}

static Bounds square_of(Bounds x)
{
    Bounds y = magnitude(x);
    double most = fmax(fabs(x.low), fabs(x.high));
    bool reached = most == fabs(x.high) ? x.high_reached : x.low_reached;
    return (Bounds){ y.low * y.low, most * most, y.low_reached, reached };
}

/* Neither is negative. */
static Bounds product_of(Bounds x, Bounds w)
{
    if (x.low < 0 || w.low < 0)
        return unknown;
    bool zero = (x.low == 0 && x.low_reached) || (w.low == 0 && w.low_reached);
    return (Bounds){ x.low * w.low, INFINITY, zero || (x.low_reached && w.low_reached), false };
}

static Bounds quotient_of(Bounds x, Bounds w)
{
    if (x.low < 0 || w.low < 0)
        return unknown;
    return (Bounds){ 0, INFINITY, x.low == 0 && x.low_reached, false };
}

/* Of two candidates: each bound, and whether the value can attain it. */
static Bounds larger_of(Bounds x, Bounds w)
{
    Bounds low = x.low > w.low ? x : w, high = x.high > w.high ? x : w;
    bool low_reached = low.low_reached && (x.low < low.low || w.low < low.low || (x.low_reached && w.low_reached));
    return (Bounds){ low.low, high.high, low_reached, high.high_reached };
}

static Bounds smaller_of(Bounds x, Bounds w) { return negated(larger_of(negated(x), negated(w))); }

static Bounds either_of(Bounds x, Bounds w)
{
    Bounds low = x.low < w.low || (x.low == w.low && x.low_reached) ? x : w;
    Bounds high = x.high > w.high || (x.high == w.high && x.high_reached) ? x : w;
    return (Bounds){ low.low, high.high, low.low_reached, high.high_reached };
}

/* An increasing function that keeps 0 and goes to infinity. */
static Bounds from_zero(Bounds x)
{
    return x.low >= 0 ? (Bounds){ 0, INFINITY, x.low == 0 && x.low_reached, false } : unknown;
}

/* ---- the ops ------------------------------------------------------------------------------------------------------- */
static Bounds of_constant(const Node *n)
{
    Bounds y = { INFINITY, -INFINITY, true, true };
    for (int64_t k = 0; k < n->type->count; k++) {
        y.low = fmin(y.low, n->data[k]);
        y.high = fmax(y.high, n->data[k]);
    }
    return y;
}

static Bounds of_product(Search *s, const Node *n, int depth)
{
    double factor;
    if (node_is_fill(n->operands[1], &factor))
        return scaled(bounds(s, n->operands[0], depth), factor);
    if (node_is_fill(n->operands[0], &factor))
        return scaled(bounds(s, n->operands[1], depth), factor);
    return product_of(bounds(s, n->operands[0], depth), bounds(s, n->operands[1], depth));
}

static Bounds of_quotient(Search *s, const Node *n, int depth)
{
    double divisor;
    Bounds x = bounds(s, n->operands[0], depth);
    return node_is_fill(n->operands[1], &divisor) ? scaled(x, 1 / divisor)
                                                      : quotient_of(x, bounds(s, n->operands[1], depth));
}

/* The product of a value with itself, each element with the same. */
static bool is_self_product(const Node *n)
{
    int rank = n->operands[0]->type->rank;
    return n->operand_count == 2 && n->operands[0] == n->operands[1]
        && memcmp(n->attr, n->attr + rank, sizeof *n->attr * (size_t)rank) == 0;
}

static Bounds of_einsum(Search *s, const Node *n, int depth)
{
    Bounds x = bounds(s, n->operands[0], depth);
    if (is_self_product(n)) {
        x = square_of(x);
        return (Bounds){ x.low, INFINITY, x.low == 0 && x.low_reached, false };
    }
    Bounds y = n->operand_count == 2 ? product_of(x, bounds(s, n->operands[1], depth)) : x;
    return y.low == 0 ? (Bounds){ 0, INFINITY, y.low_reached, false } : unknown;
}

static Bounds of_pieces(Search *s, const Node *n, int depth)
{
    Bounds y = bounds(s, n->operands[0], depth);
    for (int k = 1; k < n->operand_count; k++)
        y = either_of(y, bounds(s, n->operands[k], depth));
    return y;
}

static Bounds of_clamp(Search *s, const Node *n, int depth)
{
    Bounds x = bounds(s, n->operands[0], depth);
    x = larger_of(x, bounds(s, n->operands[1], depth));
    return smaller_of(x, bounds(s, n->operands[2], depth));
}

static Bounds of_op(Search *s, const Node *n, int depth)
{
    const Bounds zero = { 0, 0, true, true };
    Bounds x = n->operand_count && n->operands[0]->type->elem == ELEM_REAL ? bounds(s, n->operands[0], depth) : unknown;
    switch (n->op) {
    case OP_constant: return of_constant(n);
    case OP_neg: return negated(x);
    case OP_add: return sum_of(x, bounds(s, n->operands[1], depth));
    case OP_sub: return sum_of(x, negated(bounds(s, n->operands[1], depth)));
    case OP_mul: return of_product(s, n, depth);
    case OP_div: return of_quotient(s, n, depth);
    case OP_square: return square_of(x);
    case OP_abs: return magnitude(x);
    case OP_relu: return larger_of(x, zero);
    case OP_max: return larger_of(x, bounds(s, n->operands[1], depth));
    case OP_min: return smaller_of(x, bounds(s, n->operands[1], depth));
    case OP_clamp: return of_clamp(s, n, depth);
    case OP_sqrt: case OP_cbrt: case OP_pow: return from_zero(x);
    case OP_sum: return scaled(x, (double)(n->operands[0]->type->count / n->type->count));
    case OP_prod: return from_zero(x);
    case OP_product_like: return from_zero(bounds(s, n->operands[RULED_X], depth));
    case OP_exp: case OP_sigmoid: case OP_softplus: return (Bounds){ 0, INFINITY, false, false };
    case OP_tanh: case OP_erf: return (Bounds){ -1, 1, false, false };
    case OP_sin: case OP_cos: return (Bounds){ -1, 1, true, true };
    case OP_cosh: return (Bounds){ 1, INFINITY, true, false };
    case OP_einsum: return of_einsum(s, n, depth);
    case OP_stack: case OP_concat: return of_pieces(s, n, depth);
    case OP_pad: return either_of(x, zero);
    case OP_bind: case OP_stop_gradient: case OP_neutral: case OP_expand: case OP_reshape: case OP_permute: case OP_slice:
    case OP_index:
    case OP_max_reduce: case OP_max_first: case OP_min_reduce: return x;
    default: return node_is_ruled(n) ? x : unknown;
    }
}

static Bounds bounds(Search *s, const Node *n, int depth)
{
    return n->type->elem == ELEM_REAL && depth > 0 && s->visits++ < VISITS ? of_op(s, n, depth - 1) : unknown;
}

/* ---- singular points ----------------------------------------------------------------------------------------------- */
/* The operand that has them, or -1. */
static int singular_operand(const Node *n)
{
    double exponent;
    switch (n->op) {
    case OP_sqrt: case OP_rsqrt: case OP_cbrt: case OP_log: case OP_log2: case OP_log10: case OP_log1p: case OP_reciprocal:
    case OP_asin: case OP_acos: case OP_atanh: case OP_acosh:
        return 0;
    case OP_div: return 1;
    case OP_pow: return node_is_fill(n->operands[1], &exponent) && exponent < 1 ? 0 : -1;
    default: return -1;
    }
}

/* Which point of the operand is singular and attained; NULL: none that is known. */
static const char *singular_point(const Node *n, Bounds x)
{
    switch (n->op) {
    case OP_asin: case OP_acos: case OP_atanh:
        return x.high == 1 && x.high_reached ? "1" : x.low == -1 && x.low_reached ? "-1" : NULL;
    case OP_acosh: return x.low == 1 && x.low_reached ? "1" : NULL;
    case OP_log1p: return x.low == -1 && x.low_reached ? "-1" : NULL;
    default: return (x.low == 0 && x.low_reached) || (x.high == 0 && x.high_reached) ? "0" : NULL;
    }
}

static const char *cure(const Node *n)
{
    switch (n->op) {
    case OP_sqrt: case OP_pow: case OP_cbrt:
        return "norm(x), std(x) and hypot(a, b) have derivative 0 there; or leave the point out, 's > 0 ? sqrt(s) : 0', or "
               "add a small constant";
    case OP_asin: case OP_acos: case OP_atanh: case OP_acosh:
        return "leave the point out, 'abs(x) < 1 ? acos(x) : 0', or keep x off it with clamp";
    case OP_div: case OP_reciprocal: return "leave the point out, 's > 0 ? a / s : 0', or add a small constant";
    default: return "leave the point out, 's > 0 ? log(s) : 0', or add a small constant";
    }
}

static bool first_time(Context *ctx, const Node *n)
{
    Span span = n->origin.span;
    if (!ctx->warned)
        ctx->warned = map_new(ctx->arena);
    Str place = str_format(ctx, "%s:%d:%d", span.source ? span.source->path : "", span.begin, span.end);
    bool first = !map_get(ctx->warned, place);
    map_put(ctx->warned, place, ctx);
    return first;
}

void warn_singular(Context *ctx, const Node *n, int operand)
{
    Search s = { 0 };
    if (ctx->options.no_singular || n->origin.role != ROLE_PRIMAL || operand != singular_operand(n))
        return;
    const char *point = singular_point(n, bounds(&s, n->operands[operand], DEPTH));
    if (!point || !first_time(ctx, n))
        return;
    const char *name = n->op == OP_div || n->op == OP_reciprocal ? "/" : n->op == OP_pow ? "^" : op_info[n->op].name;
    warn_at(ctx, n->origin.span, "the derivative of '%s' is not finite at %s, which its operand attains", name, point);
    note_at(ctx, n->origin.span, "%s (-Wno-singular silences this)", cure(n));
}
