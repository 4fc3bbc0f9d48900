/* axes.c: moves along one axis, and shapes under leading batch axes. */
#include "rules.h"

/* ---- batch axes ------------------------------------------------------------------------------------------------ */
const Type *batch_type(Context *ctx, const Node *like, int batch, const Type *shape)
{
    const Type *front = type_make(ctx, like->type->elem, batch, like->type->dim);
    return type_concat(ctx, like->type->elem, front, shape);
}

/* `shape` with leading ones up to `rank`. */
const Type *shape_widened(Context *ctx, const Type *shape, int rank)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < rank; k++)
        sizes[k] = k < rank - shape->rank ? 1 : type_size(shape, k - rank);
    return type_sized(ctx, shape->elem, rank, sizes);
}

/* The type of x's axes behind the batch. */
static const Type *type_behind(Context *ctx, const Node *x, int batch)
{
    return type_make(ctx, x->type->elem, x->type->rank - batch, x->type->dim + batch);
}

Node *batch_expand(Context *ctx, Node *x, int batch, const Type *shape)
{
    const Type *own = type_behind(ctx, x, batch);
    Node *wide = node_reshape(ctx, x, batch_type(ctx, x, batch, shape_widened(ctx, own, shape->rank)));
    return node_expand(ctx, wide, batch_type(ctx, x, batch, shape));
}

int reduced_axes(const Node *n, int *axes)
{
    for (int k = 0; k < n->attr_count; k++)
        axes[k] = (int)n->attr[k];
    return n->attr_count;
}

Node *batch_keep(Context *ctx, const Node *n, Node *g, int batch)
{
    const Type *x = n->operands[0]->type;
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < x->rank; k++)
        sizes[k] = type_size(x, k);
    for (int k = 0; k < n->attr_count; k++)
        sizes[n->attr[k] + x->rank] = 1;
    return node_reshape(ctx, g, batch_type(ctx, g, batch, type_sized(ctx, x->elem, x->rank, sizes)));
}

Node *batch_spread(Context *ctx, const Node *n, Node *g, int batch)
{
    return node_expand(ctx, batch_keep(ctx, n, g, batch), batch_type(ctx, g, batch, n->operands[0]->type));
}

/* ---- one axis -------------------------------------------------------------------------------------------------- */
Node *axis_slice(Context *ctx, Node *x, int axis, int64_t start, int64_t step, int64_t count)
{
    int64_t starts[RANK_MAX] = { 0 }, steps[RANK_MAX], counts[RANK_MAX];
    int at = axis < 0 ? axis + x->type->rank : axis;
    for (int k = 0; k < x->type->rank; k++) {
        steps[k] = 1;
        counts[k] = type_size(x->type, k);
    }
    starts[at] = start;
    steps[at] = step;
    counts[at] = count;
    return node_slice(ctx, x, starts, steps, counts);
}

Node *axis_flip(Context *ctx, Node *x, int axis)
{
    int64_t n = type_size(x->type, axis);
    return axis_slice(ctx, x, axis, n - 1, -1, n);
}

Node *axis_pad(Context *ctx, Node *x, int axis, int64_t low, int64_t high)
{
    int64_t lows[RANK_MAX] = { 0 }, highs[RANK_MAX] = { 0 }, none[RANK_MAX] = { 0 };
    int at = axis < 0 ? axis + x->type->rank : axis;
    lows[at] = low;
    highs[at] = high;
    return node_pad(ctx, x, lows, highs, none);
}
