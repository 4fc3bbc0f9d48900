/* identity.c: sums over the axes of an identity, as Jacobians start from: real[n, shape] with a 1 in row k at element k of the
 * shape.  What is summed over is known; the other axes are those of a smaller identity. */
#include "graph.h"

/* iota(n) in some shape: counts elements in row-major order. */
static bool counts_elements(const Node *x, int64_t n)
{
    while (x->op == OP_reshape)
        x = x->operands[0];
    return x->op == OP_iota && x->type->count == n;
}

bool fold_is_identity(const Node *x)
{
    const Node *same = x->op == OP_real ? x->operands[0] : x;
    if (same->op != OP_eq || x->type->rank < 2 || type_size(x->type, 0) * type_size(x->type, 0) != x->type->count)
        return false;
    const Node *part[2] = { same->operands[0], same->operands[1] };
    int64_t n = type_size(x->type, 0);
    for (int k = 0; k < 2; k++)
        if (part[k]->op == OP_expand)
            part[k] = part[k]->operands[0];
    int row = part[0]->type->rank == x->type->rank && type_size(part[0]->type, 0) == n ? 0 : 1;
    const Type *t = part[row]->type, *element = part[1 - row]->type;
    bool rows = t->rank == x->type->rank && type_size(t, 0) == n;
    bool columns = element->rank < x->type->rank || type_size(element, 0) == 1;
    return n > 1 && rows && columns && counts_elements(part[0], n) && counts_elements(part[1], n);
}

/* Of [n, shape]: place k along the axis, of element k of n in row-major order. */
static Node *place_along(Context *ctx, const Type *type, int axis)
{
    int64_t size = type_size(type, axis), stride = 1;
    for (int k = axis + 1; k < type->rank; k++)
        stride *= type_size(type, k);
    Node *place = node_iota(ctx, type_size(type, 0));
    if (stride > 1)
        place = node_binary(ctx, OP_floordiv, place, node_int(ctx, stride));
    return size * stride < type_size(type, 0) ? node_binary(ctx, OP_mod, place, node_int(ctx, size)) : place;
}

/* x with all axes but `axis` as 1, in a type of that rank. */
static Node *along(Context *ctx, Node *x, int axis, int rank)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < rank; k++)
        sizes[k] = k == axis ? x->type->count : 1;
    return node_reshape(ctx, x, type_sized(ctx, x->type->elem, rank, sizes));
}

/* Of real[n, shape], the elements of the shape one after the other, if they are the same in all rows. */
static Node *common_row(Context *ctx, Node *x)
{
    double value;
    const Type *row = type_make(ctx, ELEM_REAL, x->type->rank - 1, x->type->dim + 1);
    if (node_is_fill(x, &value))
        return node_fill(ctx, type_make(ctx, ELEM_REAL, 1, x->type->dim), value);
    Node *source = x->op == OP_expand ? x->operands[0] : NULL;
    if (!source || (source->type->rank == x->type->rank && type_size(source->type, 0) != 1))
        return NULL;
    if (source->type->rank == x->type->rank)
        source = node_reshape(ctx, source, type_make(ctx, ELEM_REAL, row->rank, source->type->dim + 1));
    return node_reshape(ctx, node_expand(ctx, source, row), type_make(ctx, ELEM_REAL, 1, x->type->dim));
}

Node *fold_sum_of_identity(Context *ctx, Node *x, int axis_count, const int *axes)
{
    Node *same = x->op == OP_real || x->op == OP_where ? x->operands[0] : NULL, *at = NULL;
    bool summed[RANK_MAX] = { false };
    int rank = x->type->rank, kept = 0, left = rank - axis_count;
    if (!same || !fold_is_identity(same) || (x->op == OP_where && !node_is_zero(x->operands[2])))
        return NULL;
    for (int k = 0; k < axis_count; k++)
        summed[axes[k] + rank] = true;
    Node *row = common_row(ctx, x->op == OP_where ? x->operands[1] : node_fill(ctx, x->type, 1));
    if (summed[0] || !row)
        return NULL;
    for (int k = 1; k < rank; k++) {
        if (summed[k])
            continue;
        kept++;
        Node *place = along(ctx, place_along(ctx, x->type, k), 0, left);
        Node *here = node_binary(ctx, OP_eq, place, along(ctx, node_iota(ctx, type_size(x->type, k)), kept, left));
        at = at ? node_binary(ctx, OP_and, at, here) : here;
    }
    if (!at)
        return row;
    return x->op == OP_real ? node_to_real(ctx, at) : node_where(ctx, at, along(ctx, row, 0, left), node_real(ctx, 0));
}
