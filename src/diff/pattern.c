/* pattern.c: where a derivative in many directions is zero, whatever it is multiplied by.
 *
 * A Jacobian is a sweep over an identity: nearly all of what it starts from is zero, and what is not on the way between two
 * elements stays zero.  0 times the infinite slope of a neighbour is not.  So the pattern travels beside the values, with
 * their batch axes: a bare value has yet to be selected by it, the others are zero where it is false. */
#include "rules.h"

#include <float.h>

enum {
    TERMS_MOST = 8,                                         /* whose patterns are joined */
    DEPTH_MOST = 8, VISITS_MOST = 32                        /* in looking for ops with singular points */
};

/* n with another operand of that shape; NULL: n is no move of one operand without new elements. */
static Node *moved_again(Context *ctx, const Node *n, Node *x)
{
    int rank = n->type->rank, perm[RANK_MAX];
    int64_t count[RANK_MAX];
    switch (n->op) {
    case OP_reshape: return node_reshape(ctx, x, n->type);
    case OP_expand: return node_expand(ctx, x, n->type);
    case OP_permute:
        for (int k = 0; k < rank; k++)
            perm[k] = (int)n->attr[k] + rank;
        return node_permute(ctx, x, perm);
    case OP_slice:
        for (int k = 0; k < rank; k++)
            count[k] = type_size(n->type, k);
        return node_slice(ctx, x, n->attr, n->attr + rank, count);
    case OP_index: return node_index(ctx, x, n->operand_count - 1, n->operands + 1);
    default: return NULL;
    }
}

static bool is_move(const Node *n)
{
    return n->op == OP_reshape || n->op == OP_expand || n->op == OP_permute || n->op == OP_slice || n->op == OP_index;
}

/* The conversion goes in front of the moves, as if numbers had been moved. */
static Node *real_of(Context *ctx, Node *pattern)
{
    return is_move(pattern) ? moved_again(ctx, pattern, real_of(ctx, pattern->operands[0])) : node_to_real(ctx, pattern);
}

static Node *selected(Context *ctx, Node *pattern, Node *value)
{
    double one;
    return node_is_fill(value, &one) && one == 1 ? real_of(ctx, pattern) : node_where(ctx, pattern, value, node_real(ctx, 0));
}

Flow pattern_settle(Context *ctx, Flow f)
{
    if (f.bare)
        f.value = selected(ctx, f.pattern, f.value);
    f.bare = false;
    return f;
}

static Node *not_zero(Context *ctx, const Node *n)
{
    double *data = NEW_ARRAY(ctx->arena, double, n->type->count);
    for (int64_t k = 0; k < n->type->count; k++)
        data[k] = n->data[k] != 0;
    return node_constant(ctx, type_with_elem(ctx, n->type, ELEM_BOOL), data);
}

/* A seed is read as its form says: a constant as one direction, conditions and selections as those of a batch. */
Flow pattern_of_seed(Context *ctx, Node *seed, int batch)
{
    Flow f = { .value = seed };
    if (seed->op == OP_constant && seed->type->count > 1) {
        f.pattern = not_zero(ctx, seed);
    } else if (batch && seed->op == OP_real && seed->operands[0]->type->elem == ELEM_BOOL) {
        f.pattern = seed->operands[0];
        f.value = node_fill(ctx, seed->type, 1);
        f.bare = true;
    } else if (batch && seed->op == OP_where && node_is_zero(seed->operands[2])) {
        f.pattern = seed->operands[0];
        f.value = seed->operands[1];
        f.bare = true;
    } else if (batch && is_move(seed)) {
        f = pattern_of_seed(ctx, seed->operands[0], batch);
        f.value = moved_again(ctx, seed, f.value);
        f.pattern = f.pattern ? moved_again(ctx, seed, f.pattern) : NULL;
    }
    return f;
}

/* The same pattern, or all that is in either. */
Node *pattern_join(Context *ctx, Node *a, Node *b)
{
    int terms = 1;
    double all;
    if (!a || !b || a == b)
        return a == b ? a : NULL;
    if (node_is_fill(a, &all) || node_is_fill(b, &all))
        return all != 0 ? NULL : node_is_fill(a, &all) ? b : a;
    for (const Node *n = a; n->op == OP_or; n = n->operands[0])
        terms++;
    return terms < TERMS_MOST ? node_binary(ctx, OP_or, a, b) : NULL;
}

bool pattern_is_empty(Flow f)
{
    return node_is_zero(f.value) || (f.pattern && node_is_zero(f.pattern));
}

static bool is_finite_number(const Node *n, double least)
{
    double value;
    return node_is_fill(n, &value) && value >= least && value <= DBL_MAX;
}

/* Can the slope be infinite or NaN where the operand is finite? */
static bool is_singular(const Node *n, int operand)
{
    switch (n->op) {
    case OP_div: return !(operand == 0 && (is_finite_number(n->operands[1], DBL_MIN)));
    case OP_pow: return !(operand == 0 && is_finite_number(n->operands[1], 1));
    case OP_sqrt: case OP_rsqrt: case OP_cbrt: case OP_log: case OP_log2: case OP_log10: case OP_log1p: case OP_reciprocal:
    case OP_asin: case OP_acos: case OP_atanh: case OP_acosh: case OP_atan2: case OP_lgamma: case OP_digamma: case OP_polygamma:
        return true;
    default: return false;
    }
}

/* Is there an op with such a slope shortly before n, with nothing in between but ops of single elements and moves? */
static bool singular_before(const Node *n, int depth, int *visits)
{
    bool found = false;
    if (depth == 0 || ++*visits > VISITS_MOST || n->type->elem != ELEM_REAL)
        return false;
    if (!node_is_pointwise(n) && n->op != OP_bind && !is_move(n) && n->op != OP_stack && n->op != OP_concat)
        return false;
    for (int k = 0; k < n->operand_count && !found; k++)
        found = operand_carries(n, k) && (is_singular(n, k) || singular_before(n->operands[k], depth - 1, visits));
    return found;
}

static Node *both(Context *ctx, Node *a, Node *b)
{
    return a && b ? node_binary(ctx, OP_and, a, b) : a ? a : b;
}

bool zeros_matter(const Node *n)
{
    int visits = 0;
    return singular_before(n, DEPTH_MOST, &visits);
}

/* Which elements of an axis a slice takes, as comparisons, which need no table; NULL: all. */
static Node *taken_along(Context *ctx, Node *place, int64_t size, int64_t start, int64_t step, int64_t count)
{
    int64_t last = start + (count - 1) * step, low = step < 0 ? last : start, high = step < 0 ? start : last;
    if (count == 1)
        return size > 1 ? node_binary(ctx, OP_eq, place, node_int(ctx, start)) : NULL;
    Node *from = low > 0 ? node_binary(ctx, OP_ge, place, node_int(ctx, low)) : NULL;
    Node *to = high < size - 1 ? node_binary(ctx, OP_le, place, node_int(ctx, high)) : NULL, *steps = NULL;
    int64_t stride = step < 0 ? -step : step;
    if (stride > 1)
        steps = node_binary(ctx, OP_eq, node_binary(ctx, OP_mod, place, node_int(ctx, stride)), node_int(ctx, low % stride));
    return both(ctx, both(ctx, from, to), steps);
}

Node *pattern_of_slice(Context *ctx, const Node *n, const Node *value)
{
    const Type *whole = n->operands[0]->type;
    int rank = whole->rank;
    Node *taken = NULL;
    if (!zeros_matter(n->operands[0]))
        return NULL;
    for (int k = 0; k < rank; k++) {
        int64_t size = type_size(whole, k), sizes[RANK_MAX];
        for (int a = 0; a < rank; a++)
            sizes[a] = a == k ? size : 1;
        Node *place = node_reshape(ctx, node_iota(ctx, size), type_sized(ctx, ELEM_INT, rank, sizes));
        taken = both(ctx, taken, taken_along(ctx, place, size, n->attr[k], n->attr[rank + k], type_size(n->type, k)));
    }
    return taken ? node_expand(ctx, taken, value->type) : NULL;
}

/* What a rule made of a flow by a pointwise op: it has the pattern still. */
Flow pattern_through(const Node *n, int operand, Flow from, Node *value)
{
    return (Flow){ .value = value, .pattern = from.pattern,
                   .bare = from.pattern && (from.bare || is_singular(n, operand)) };
}

Node *pattern_any(Context *ctx, const Node *n, Node *pattern)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    Node *sum = node_sum(ctx, real_of(ctx, pattern), count, axes, false);
    return sum->op == OP_real ? sum->operands[0] : NULL;
}
