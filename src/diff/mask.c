/* mask.c: masks travel with adjoints.
 *
 * A `where` sends its adjoint to both sides; on each side the elements that were not chosen must get exactly zero,
 * even where a rule further back multiplies by inf or NaN.  So the adjoint keeps the condition as a mask beside its
 * bare value, the rules work on the value, and the selection comes last: when the adjoint is asked for, or is about
 * to be summed with neighbours.  The mask then goes on in the operand's shape: an element is chosen if anything it
 * went into was.  Rules that select, as those of max and clamp do, are heard in the same way. */
#include "rules.h"

#include <math.h>

/* ---- sums of flows --------------------------------------------------------------------------------------------- */
static Node *masked(Context *ctx, Flow f)
{
    return !f.mask || f.clean ? f.value : node_where(ctx, f.mask, f.value, node_real(ctx, 0));
}

Node *flow_value(Context *ctx, Flow f)
{
    return f.value ? masked(ctx, pattern_settle(ctx, f)) : NULL;
}

/* An element is chosen if it is in either; where only one has a mask, the other may come from anywhere. */
Flow flow_add(Context *ctx, Flow a, Flow b)
{
    Flow sum = { .pattern = pattern_join(ctx, a.pattern, b.pattern) };
    if (a.pattern != b.pattern) {
        a = pattern_settle(ctx, a);
        b = pattern_settle(ctx, b);
    }
    sum.bare = a.bare || b.bare;
    if (a.mask == b.mask) {
        sum.value = node_binary(ctx, OP_add, a.value, b.value);
        sum.mask = a.mask;
        sum.clean = a.clean && b.clean;
        sum.near = a.near;
        return sum;
    }
    sum.value = node_binary(ctx, OP_add, masked(ctx, a), masked(ctx, b));
    sum.mask = a.mask && b.mask ? node_binary(ctx, OP_or, a.mask, b.mask) : NULL;
    sum.clean = true;
    sum.near = sum.mask && (a.near || b.near);
    return sum;
}

/* ---- masks through ops ----------------------------------------------------------------------------------------- */
/* Each element of the operand has its own place in the result: mask and value move alike, nothing is summed. */
static bool moves(const Node *n)
{
    switch (n->op) {
    case OP_reshape: case OP_permute: case OP_slice: case OP_pad: case OP_concat: case OP_stack: case OP_sum:
        return true;
    default:
        return false;
    }
}

static bool is_extremum(const Node *n)
{
    return n->op == OP_max_reduce || n->op == OP_max_first || n->op == OP_min_reduce;
}

static bool is_reduction(const Node *n)
{
    return n->op == OP_prod || n->op == OP_product_like || n->op == OP_with_slope || is_extremum(n);
}

Node *flow_seed(Context *ctx, const Node *n, Flow f)
{
    bool waits = node_is_pointwise(n) ? n->op != OP_where || !f.near : (moves(n) && !f.near) || is_reduction(n);
    return waits ? f.value : masked(ctx, f);
}

static Node *positive(Context *ctx, Node *x)
{
    return node_binary(ctx, OP_gt, x, node_real(ctx, 0));
}

/* Does the shape broadcast to `to`, axes of size 1 left aside? */
static bool fits(const Type *shape, const Type *to)
{
    for (int k = 1; k <= shape->rank; k++)
        if (type_size(shape, -k) != 1 && (k > to->rank || type_size(shape, -k) != type_size(to, -k)))
            return false;
    return true;
}

static Node *expand_fitting(Context *ctx, Node *x, const Type *to)
{
    int extra = x->type->rank - to->rank;
    if (extra > 0)
        x = node_reshape(ctx, x, type_make(ctx, x->type->elem, to->rank, x->type->dim + extra));
    return node_expand(ctx, x, to);
}

/* A mask that does not vary along the broadcast axes needs no "any". */
static Node *mask_before_expand(Context *ctx, const Node *n, Node *mask)
{
    Node *source = mask->op == OP_expand ? mask->operands[0] : mask;
    if (fits(source->type, n->operands[0]->type))
        return expand_fitting(ctx, source, n->operands[0]->type);
    return positive(ctx, linear_adjoint(ctx, n, 0, node_to_real(ctx, mask), 0));
}

/* Only a mask that is one condition for all elements is carried through contractions, matrices and regions. */
Node *mask_condition(Node *mask)
{
    Node *source = mask && mask->op == OP_expand ? mask->operands[0] : mask;
    return source && source->type->count == 1 ? source : NULL;
}

Node *mask_of_condition(Context *ctx, Node *condition, const Type *shape)
{
    return condition ? expand_fitting(ctx, condition, shape) : NULL;
}

/* b_k goes into y_k and everything behind it, a_k as well. */
static Node *mask_before_recurrence(Context *ctx, const Node *n, Node *mask)
{
    int axis = (int)n->attr[0];
    const Node *source = mask->op == OP_expand ? mask->operands[0] : mask;
    if (source->type->rank < -axis || type_size(source->type, axis) == 1)
        return mask;
    Node *later = axis_flip(ctx, node_to_real(ctx, mask), axis);
    Node *count = node_recurrence(ctx, node_fill(ctx, n->type, 1), later, axis, false);
    return positive(ctx, axis_flip(ctx, count, axis));
}

/* As a sum, which a loop can go on with; of a mask that is wanted for a tape. */
Node *mask_count(Context *ctx, Node *mask)
{
    if (mask->op == OP_or)
        return node_binary(ctx, OP_add, mask_count(ctx, mask->operands[0]), mask_count(ctx, mask->operands[1]));
    if (mask->op == OP_gt && mask->operands[0]->op == OP_index_add && node_is_zero(mask->operands[1]))
        return mask->operands[0];
    return node_to_real(ctx, mask);
}

Node *mask_before_index(Context *ctx, const Node *n, Node *mask)
{
    return positive(ctx, linear_adjoint(ctx, n, 0, node_to_real(ctx, mask), 0));
}

/* An element goes into all of its line. */
static Node *mask_of_line(Context *ctx, const Node *n, int operand, Node *mask)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    Node *condition = mask_condition(mask);
    if (condition)
        return mask_of_condition(ctx, condition, n->operands[operand]->type);
    for (int k = 0; k < count; k++)
        axes[k] += mask->type->rank;
    Node *chosen = positive(ctx, node_sum(ctx, node_to_real(ctx, mask), count, axes, true));
    return node_expand(ctx, chosen, n->operands[operand]->type);
}

/* What is ruled has kept the axes. */
static Node *mask_before_reduction(Context *ctx, const Node *n, int operand, Node *mask)
{
    return node_is_ruled(n) ? node_expand(ctx, mask, n->operands[operand]->type) : batch_spread(ctx, n, mask, 0);
}

/* ---- flows through ops ----------------------------------------------------------------------------------------- */
static bool is_zero(const Node *n)
{
    double value;
    return node_is_fill(n, &value) && value == 0;
}

/* What a rule selects, of elements of this shape: its condition, without batch axes, and the side that is not zero. */
static Flow selected(Context *ctx, Node *value, const Type *shape)
{
    Node *c = value->op == OP_where ? value->operands[0] : NULL;
    bool first = c && is_zero(value->operands[1]), second = c && is_zero(value->operands[2]);
    if (first == second)
        return (Flow){ .value = value };
    while (c->type->rank > shape->rank && c->op == OP_expand)
        c = c->operands[0];
    if (!fits(c->type, shape))
        return (Flow){ .value = value };
    c = expand_fitting(ctx, c, shape);
    if (first)
        c = node_unary(ctx, OP_not, c);
    if (first && c->op != OP_not)                           /* another comparison, which the value does not have */
        return (Flow){ .value = value };
    return flow_of(value->operands[first ? 2 : 1], c, false, true);
}

static Flow through_elementwise(Context *ctx, const Node *n, int operand, Flow f, Node *value)
{
    const Type *shape = n->operands[operand]->type;
    if (n->op == OP_where) {
        Node *chosen = operand == 1 ? n->operands[0] : node_unary(ctx, OP_not, n->operands[0]);
        return flow_of(value, f.mask && !f.near ? node_binary(ctx, OP_and, f.mask, chosen) : chosen, false, false);
    }
    bool keeps_zero = n->op == OP_neg || n->op == OP_add || n->op == OP_sub;
    if (f.mask && !f.near)
        return flow_of(value, f.mask, f.clean && keeps_zero, false);
    Flow own = selected(ctx, value, shape);
    if (own.mask && f.mask)
        own.mask = node_binary(ctx, OP_and, f.mask, own.mask);
    return own.mask ? own : flow_of(value, f.mask, f.clean && keeps_zero, f.near);
}

static Flow through_linear(Context *ctx, const Node *n, int operand, Flow f, Node *value)
{
    if (moves(n))
        return flow_of(value, linear_adjoint(ctx, n, operand, f.mask, 0), f.clean || f.near, f.near);
    if (f.near)                                             /* selected; to count what was chosen is not worth it */
        return (Flow){ .value = value };
    if (n->op == OP_expand)
        return flow_of(value, mask_before_expand(ctx, n, f.mask), true, false);
    if (n->op == OP_einsum)                                 /* zero times an infinite operand is not zero: not clean */
        return flow_of(value, mask_of_condition(ctx, mask_condition(f.mask), n->operands[operand]->type), false, false);
    return flow_of(value, positive(ctx, linear_adjoint(ctx, n, operand, node_to_real(ctx, f.mask), 0)), true, false);
}

static bool is_finite_fill(const Node *n)
{
    double value;
    return node_is_fill(n, &value) && isfinite(value);
}

static Flow mask_through(Context *ctx, const Node *n, int operand, Flow f, Node *value)
{
    if (is_extremum(n) && (!f.mask || f.near)) {            /* what is not chosen has a mask anyway */
        Flow own = selected(ctx, value, n->operands[0]->type);
        if (own.mask && f.mask)
            own.mask = node_binary(ctx, OP_and, mask_before_reduction(ctx, n, operand, f.mask), own.mask);
        if (own.mask)
            return own;
    }
    if (node_is_pointwise(n) && n->op != OP_bind)
        return through_elementwise(ctx, n, operand, f, value);
    if (!f.mask)
        return (Flow){ .value = value };
    if (n->op == OP_bind)
        return flow_of(value, f.mask, f.clean, f.near);
    if (op_info[n->op].class == CLASS_LINEAR)
        return through_linear(ctx, n, operand, f, value);
    if (n->op == OP_recurrence && !f.near)
        return flow_of(value, mask_before_recurrence(ctx, n, f.mask), operand == 1 && is_finite_fill(n->operands[0]), false);
    if (is_reduction(n))
        return flow_of(value, mask_before_reduction(ctx, n, operand, f.mask), false, f.near);
    if (f.near)
        return (Flow){ .value = value };
    if (node_is_ruled(n))
        return flow_of(value, mask_of_line(ctx, n, operand, f.mask), false, false);
    Node *condition = mask_condition(f.mask);
    return flow_of(value, mask_of_condition(ctx, condition, n->operands[operand]->type), false, false);
}

/* Selection by the pattern waits for rules of single elements and for moves, but not where zeros come in. */
static bool pattern_waits(const Node *n)
{
    return node_is_pointwise(n) || n->op == OP_reshape || n->op == OP_permute || n->op == OP_sum;
}

Flow flow_through(Context *ctx, const Node *n, int operand, Flow f, Node *value, int batch)
{
    Flow to = mask_through(ctx, n, operand, f, value);
    if (!f.pattern && n->op == OP_slice)
        to.pattern = pattern_of_slice(ctx, n, value);
    if (!f.pattern)
        return to;
    if (node_is_pointwise(n)) {
        Flow own = pattern_through(n, operand, f, value);
        to.pattern = own.pattern;
        to.bare = own.bare;
    } else if (moves(n)) {
        to.pattern = linear_adjoint(ctx, n, operand, f.pattern, batch);
        to.bare = f.bare;
    }
    return to;
}

Flow flow_arrived(Context *ctx, const Node *n, Flow f)
{
    return pattern_waits(n) ? f : pattern_settle(ctx, f);
}
