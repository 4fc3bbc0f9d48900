/* linear.c: adjoint and tangent of the linear ops.
 *
 * The adjoint of a linear op is an op of the same table; its tangent is the op itself.  The one thing added here are
 * the batch axes in front: attributes count axes from the end, so only leading axes and declared shapes need care. */
#include "rules.h"

#include <string.h>

/* ---- movement -------------------------------------------------------------------------------------------------- */
static Node *expand_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    const Type *own = n->operands[0]->type;
    Node *sum = node_squeeze_to(ctx, g, batch_type(ctx, g, batch, shape_widened(ctx, own, n->type->rank)));
    return node_reshape(ctx, sum, batch_type(ctx, g, batch, own));
}

/* perm[k] is the operand's axis that result axis k shows, both behind `batch` axes that stay. */
static void permutation(const Node *n, int batch, bool inverse, int *perm)
{
    int rank = n->type->rank;
    for (int k = 0; k < batch; k++)
        perm[k] = k;
    for (int k = 0; k < rank; k++) {
        int axis = (int)n->attr[k] + rank;
        if (inverse)
            perm[batch + axis] = batch + k;
        else
            perm[batch + k] = batch + axis;
    }
}

static Node *permute_again(Context *ctx, const Node *n, Node *x, int batch, bool inverse)
{
    int perm[RANK_MAX];
    permutation(n, batch, inverse, perm);
    return node_permute(ctx, x, perm);
}

static Node *slice_again(Context *ctx, const Node *n, Node *x, int batch)
{
    int64_t start[RANK_MAX] = { 0 }, step[RANK_MAX], count[RANK_MAX];
    int rank = n->type->rank;
    for (int k = 0; k < batch; k++) {
        step[k] = 1;
        count[k] = type_size(x->type, k);
    }
    for (int k = 0; k < rank; k++) {
        start[batch + k] = n->attr[k];
        step[batch + k] = n->attr[rank + k];
        count[batch + k] = type_size(n->type, k);
    }
    return node_slice(ctx, x, start, step, count);
}

/* Puts the elements back to where the slice took them from; a slice that ran backwards is turned round first. */
static Node *slice_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    int64_t low[RANK_MAX] = { 0 }, high[RANK_MAX] = { 0 }, interior[RANK_MAX] = { 0 };
    int rank = n->type->rank;
    for (int k = 0; k < rank; k++) {
        int64_t first = n->attr[k], step = n->attr[rank + k], count = type_size(n->type, k);
        int64_t last = first + (count - 1) * step, size = type_size(n->operands[0]->type, k);
        if (step < 0)
            g = axis_flip(ctx, g, k - rank);
        low[batch + k] = step < 0 ? last : first;
        high[batch + k] = size - 1 - (step < 0 ? first : last);
        interior[batch + k] = (step < 0 ? -step : step) - 1;
    }
    return node_pad(ctx, g, low, high, interior);
}

static Node *pad_again(Context *ctx, const Node *n, Node *x, int batch)
{
    int64_t edge[3][RANK_MAX] = { { 0 } };
    int rank = n->type->rank;
    for (int part = 0; part < 3; part++)
        memcpy(edge[part] + batch, n->attr + part * rank, sizeof **edge * (size_t)rank);
    return node_pad(ctx, x, edge[0], edge[1], edge[2]);
}

static Node *pad_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    int64_t start[RANK_MAX] = { 0 }, step[RANK_MAX], count[RANK_MAX];
    int rank = n->type->rank;
    for (int k = 0; k < batch; k++) {
        step[k] = 1;
        count[k] = type_size(g->type, k);
    }
    for (int k = 0; k < rank; k++) {
        start[batch + k] = n->attr[k];
        step[batch + k] = n->attr[2 * rank + k] + 1;
        count[batch + k] = type_size(n->operands[0]->type, k);
    }
    return node_slice(ctx, g, start, step, count);
}

static Node *concat_adjoint(Context *ctx, const Node *n, int operand, Node *g)
{
    int axis = (int)n->attr[0];
    int64_t start = 0;
    for (int k = 0; k < operand; k++)
        start += type_size(n->operands[k]->type, axis);
    return axis_slice(ctx, g, axis, start, 1, type_size(n->operands[operand]->type, axis));
}

static Node *stack_adjoint(Context *ctx, const Node *n, int operand, Node *g, int batch)
{
    Node *part = axis_slice(ctx, g, batch, operand, 1, 1);
    return node_reshape(ctx, part, batch_type(ctx, g, batch, n->operands[operand]->type));
}

static Node *sum_again(Context *ctx, const Node *n, Node *x)
{
    int axes[RANK_MAX];
    return node_sum(ctx, x, reduced_axes(n, axes), axes, false);
}

/* ---- contraction ----------------------------------------------------------------------------------------------- */
typedef struct { int at[2 * RANK_MAX]; int count; } Labels;

enum { BATCH_LABEL = 1000 };                                /* a node's own labels are below 3 * RANK_MAX */

static Labels batch_labels(int batch)
{
    Labels all = { .count = 0 };
    for (int k = 0; k < batch; k++)
        all.at[all.count++] = BATCH_LABEL + k;
    return all;
}

/* The labels of an operand, or of the result for operand == operand_count, appended. */
static void labels_append(Labels *to, const Node *n, int operand)
{
    const int64_t *attr = n->attr;
    int rank = operand == n->operand_count ? n->type->rank : n->operands[operand]->type->rank;
    for (int k = 0; k < operand; k++)
        attr += n->operands[k]->type->rank;
    for (int k = 0; k < rank; k++)
        to->at[to->count++] = (int)attr[k];
}

static bool labels_have(const Labels *all, int label)
{
    for (int k = 0; k < all->count; k++)
        if (all->at[k] == label)
            return true;
    return false;
}

static Labels labels_of(const Node *n, int operand, int batch)
{
    Labels all = batch_labels(batch);
    labels_append(&all, n, operand);
    return all;
}

/* A contraction with x put for one operand; the other operand keeps its place in the product. */
static Node *contract(Context *ctx, const Node *n, int operand, Node *x, const Labels *of_x, int other,
                      const Labels *out)
{
    Labels of_other = { .count = 0 };
    if (other < 0)
        return node_einsum(ctx, 1, &x, (const int *const[]){ of_x->at }, out->count, out->at);
    labels_append(&of_other, n, other);
    Node *first = operand < other ? x : n->operands[other], *second = operand < other ? n->operands[other] : x;
    const int *labels[2] = { operand < other ? of_x->at : of_other.at, operand < other ? of_other.at : of_x->at };
    return node_einsum(ctx, 2, (Node *[]){ first, second }, labels, out->count, out->at);
}

/* Result and operand change places.  An axis that the operand alone has was summed over: it is spread.  A label that
 * the operand has twice stands for a diagonal: it is put back onto one. */
static Node *einsum_adjoint(Context *ctx, const Node *n, int operand, Node *g, int batch)
{
    int other = n->operand_count == 2 ? 1 - operand : -1;
    Labels of_g = labels_of(n, n->operand_count, batch), own = labels_of(n, operand, batch), given = of_g;
    Labels flowing = { .count = 0 }, distinct = { .count = 0 };
    int64_t kept[RANK_MAX], full[RANK_MAX];
    if (other >= 0)
        labels_append(&given, n, other);
    for (int k = 0; k < own.count; k++) {
        if (labels_have(&distinct, own.at[k]))
            continue;
        bool flows = labels_have(&given, own.at[k]);
        full[distinct.count] = k < batch ? type_size(g->type, k) : type_size(n->operands[operand]->type, k - batch);
        kept[distinct.count] = flows ? full[distinct.count] : 1;
        distinct.at[distinct.count++] = own.at[k];
        if (flows)
            flowing.at[flowing.count++] = own.at[k];
    }
    Node *x = contract(ctx, n, operand, g, &of_g, other, &flowing);
    x = node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, distinct.count, kept));
    x = node_expand(ctx, x, type_sized(ctx, ELEM_REAL, distinct.count, full));
    return distinct.count == own.count ? x : contract(ctx, n, operand, x, &distinct, -1, &own);
}

static Node *einsum_tangent(Context *ctx, const Node *n, Node *const *tangents, int batch)
{
    Labels out = labels_of(n, n->operand_count, batch);
    Node *sum = NULL;
    for (int k = 0; k < n->operand_count; k++) {
        if (!tangents[k])
            continue;
        Labels own = labels_of(n, k, batch);
        Node *term = contract(ctx, n, k, tangents[k], &own, n->operand_count == 2 ? 1 - k : -1, &out);
        sum = node_plus(ctx, sum, term);
    }
    return sum;
}

/* ---- run-time indices ------------------------------------------------------------------------------------------ */
/* Each batch axis is indexed as well, by its own places: so the array is not moved, and can change in place. */
static Node **batch_indices(Context *ctx, const Node *x, int count, Node *const *indices, int batch)
{
    const Type *own = indices[0]->type;
    Node **all = NEW_ARRAY(ctx->arena, Node *, batch + count + 1);
    int64_t sizes[RANK_MAX], ones[RANK_MAX];
    for (int k = 0; k < batch + own->rank; k++)
        sizes[k] = k < batch ? type_size(x->type, k) : type_size(own, k - batch);
    const Type *shape = type_sized(ctx, ELEM_INT, batch + own->rank, sizes);
    for (int k = 0; k < batch; k++) {
        for (int i = 0; i < shape->rank; i++)
            ones[i] = i == k ? sizes[k] : 1;
        all[k] = node_expand(ctx, node_reshape(ctx, node_iota(ctx, sizes[k]), type_sized(ctx, ELEM_INT, shape->rank, ones)), shape);
    }
    for (int k = 0; k < count; k++)
        all[batch + k] = node_expand(ctx, indices[k], shape);
    return all;
}

static Node *gather(Context *ctx, Node *x, int count, Node *const *indices, int batch)
{
    return batch ? node_index(ctx, x, batch + count, batch_indices(ctx, x, count, indices, batch))
                 : node_index(ctx, x, count, indices);
}

static Node *scatter(Context *ctx, Op op, Node *base, int count, Node *const *indices, Node *source, int batch)
{
    Node *const *all = batch ? batch_indices(ctx, base, count, indices, batch) : indices;
    return op == OP_index_add ? node_index_add(ctx, base, batch + count, all, source)
                              : node_index_set(ctx, base, batch + count, all, source);
}

static Node *batch_zero(Context *ctx, const Node *like, int batch, const Type *shape)
{
    return node_fill(ctx, batch_type(ctx, like, batch, shape), 0);
}

static Node *index_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    Node *zero = batch_zero(ctx, g, batch, n->operands[0]->type);
    return scatter(ctx, OP_index_add, zero, n->operand_count - 1, n->operands + 1, g, batch);
}

/* Does the index count along this axis of the writers, whatever the others are, and within the array's axis? */
static bool counts_along(const Node *index, int axis, int64_t size)
{
    int64_t writers = type_size(index->type, axis), low = 0;
    double value;
    for (;; index = index->operands[0]) {
        int own = axis - (index->op == OP_expand ? index->type->rank - index->operands[0]->type->rank : 0);
        if (index->op == OP_iota)
            return axis == 0 && index->type->count == writers && low >= 0 && low + writers <= size;
        if (index->op == OP_add && node_is_fill(index->operands[1], &value))
            low += (int64_t)value;
        else if (index->op == OP_expand && own >= 0 && type_size(index->operands[0]->type, own) == writers)
            axis = own;
        else if (index->op == OP_reshape && index->type->count == writers && index->operands[0]->type->rank == 1)
            axis = 0;
        else
            return false;
    }
}

/* No two writers write to the same place, for certain. */
static bool are_apart(const Node *n)
{
    const Type *writers = n->operands[2]->type;
    bool apart = true;
    for (int axis = 0; axis < writers->rank; axis++) {
        bool counts = type_size(writers, axis) == 1;
        for (int k = 2; k < n->operand_count; k++)
            counts |= counts_along(n->operands[k], axis, type_size(n->type, k - 2));
        apart &= counts;
    }
    return apart;
}

/* Per writer: does none after it write to the same place?  Few writers are compared with each other. */
static Node *none_after(Context *ctx, const Node *n, Node *order)
{
    int64_t column[2] = { order->type->count, 1 }, row[2] = { 1, order->type->count };
    const Type *columns = type_sized(ctx, ELEM_INT, 2, column), *rows = type_sized(ctx, ELEM_INT, 2, row);
    Node *after = node_binary(ctx, OP_gt, node_reshape(ctx, order, rows), node_reshape(ctx, order, columns));
    for (int k = 2; k < n->operand_count; k++) {
        Node *last = node_int(ctx, type_size(n->type, k - 2) - 1);
        Node *at = node_binary(ctx, OP_max, node_binary(ctx, OP_min, n->operands[k], last), node_int(ctx, 0));
        Node *same = node_binary(ctx, OP_eq, node_reshape(ctx, at, rows), node_reshape(ctx, at, columns));
        after = node_binary(ctx, OP_and, after, same);
    }
    Node *count = node_sum(ctx, node_to_real(ctx, after), 1, (const int[]){ -1 }, false);
    return node_reshape(ctx, node_binary(ctx, OP_eq, count, node_real(ctx, 0)),
                        type_with_elem(ctx, order->type, ELEM_BOOL));
}

static Node *is_last_writer(Context *ctx, const Node *n, Node *order)
{
    int count = n->operand_count - 2;
    Node *const *indices = n->operands + 2;
    Node *nobody = node_fill(ctx, type_make(ctx, ELEM_INT, count, n->operands[0]->type->dim), 0);
    if (order->type->count * order->type->count <= nobody->type->count)
        return none_after(ctx, n, order);
    Node *last = node_index(ctx, node_index_set(ctx, nobody, count, indices, order), count, indices);
    return node_binary(ctx, OP_eq, last, order);
}

/* Of several writers to one place the last one stays; only it gets the adjoint. */
static Node *keep_last_writer(Context *ctx, const Node *n, Node *g, int batch)
{
    const Type *writers = n->operands[2]->type;
    if (writers->count == 1 || are_apart(n))
        return g;
    Node *stays = is_last_writer(ctx, n, node_reshape(ctx, node_iota(ctx, writers->count), writers));
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < g->type->rank - batch; k++)
        sizes[k] = k < writers->rank ? type_size(writers, k) : 1;
    stays = node_reshape(ctx, stays, type_sized(ctx, ELEM_BOOL, g->type->rank - batch, sizes));
    return node_where(ctx, stays, g, node_real(ctx, 0));
}

static Node *index_write_adjoint(Context *ctx, const Node *n, int operand, Node *g, int batch)
{
    int count = n->operand_count - 2;
    if (operand == 0 && n->op == OP_index_add)
        return g;
    if (operand == 0) {
        Node *zero = batch_zero(ctx, g, batch, n->operands[1]->type);
        return scatter(ctx, OP_index_set, g, count, n->operands + 2, zero, batch);
    }
    Node *part = gather(ctx, g, count, n->operands + 2, batch);
    return n->op == OP_index_add ? part : keep_last_writer(ctx, n, part, batch);
}

/* ---- the two tables -------------------------------------------------------------------------------------------- */
Node *linear_adjoint(Context *ctx, const Node *n, int operand, Node *g, int batch)
{
    switch (n->op) {
    case OP_expand: return expand_adjoint(ctx, n, g, batch);
    case OP_reshape: return node_reshape(ctx, g, batch_type(ctx, g, batch, n->operands[0]->type));
    case OP_permute: return permute_again(ctx, n, g, batch, true);
    case OP_slice: return slice_adjoint(ctx, n, g, batch);
    case OP_pad: return pad_adjoint(ctx, n, g, batch);
    case OP_concat: return concat_adjoint(ctx, n, operand, g);
    case OP_stack: return stack_adjoint(ctx, n, operand, g, batch);
    case OP_sum: return batch_spread(ctx, n, g, batch);
    case OP_einsum: return einsum_adjoint(ctx, n, operand, g, batch);
    case OP_index: return index_adjoint(ctx, n, g, batch);
    case OP_index_add:
    case OP_index_set: return index_write_adjoint(ctx, n, operand, g, batch);
    default: return no_rule(ctx, n);
    }
}

static const Node *any_tangent(const Node *n, Node *const *tangents)
{
    int k = 0;
    while (k < n->operand_count - 1 && !tangents[k])
        k++;
    return tangents[k];
}

/* concat and stack need all their operands; under batch axes a new axis is made by reshape. */
static Node *join_tangents(Context *ctx, const Node *n, Node *const *tangents, int batch)
{
    Node **parts = NEW_ARRAY(ctx->scratch, Node *, n->operand_count);
    const Node *like = any_tangent(n, tangents);
    for (int k = 0; k < n->operand_count; k++) {
        parts[k] = tangents[k] ? tangents[k] : batch_zero(ctx, like, batch, n->operands[k]->type);
        if (n->op == OP_stack && batch)
            parts[k] = node_reshape(ctx, parts[k], batch_type(ctx, like, batch,
                                                              shape_widened(ctx, n->operands[k]->type, n->type->rank)));
    }
    if (n->op == OP_concat)
        return node_concat(ctx, n->operand_count, parts, (int)n->attr[0]);
    return batch ? node_concat(ctx, n->operand_count, parts, batch) : node_stack(ctx, n->operand_count, parts);
}

static Node *index_write_tangent(Context *ctx, const Node *n, Node *const *tangents, int batch)
{
    const Node *like = any_tangent(n, tangents);
    Node *base = tangents[0] ? tangents[0] : batch_zero(ctx, like, batch, n->operands[0]->type);
    Node *source = tangents[1] ? tangents[1] : batch_zero(ctx, like, batch, n->operands[1]->type);
    return scatter(ctx, n->op, base, n->operand_count - 2, n->operands + 2, source, batch);
}

Node *linear_tangent(Context *ctx, const Node *n, Node *const *tangents, int batch)
{
    switch (n->op) {
    case OP_expand: return batch_expand(ctx, tangents[0], batch, n->type);
    case OP_reshape: return node_reshape(ctx, tangents[0], batch_type(ctx, tangents[0], batch, n->type));
    case OP_permute: return permute_again(ctx, n, tangents[0], batch, false);
    case OP_slice: return slice_again(ctx, n, tangents[0], batch);
    case OP_pad: return pad_again(ctx, n, tangents[0], batch);
    case OP_concat:
    case OP_stack: return join_tangents(ctx, n, tangents, batch);
    case OP_sum: return sum_again(ctx, n, tangents[0]);
    case OP_einsum: return einsum_tangent(ctx, n, tangents, batch);
    case OP_index: return gather(ctx, tangents[0], n->operand_count - 1, n->operands + 1, batch);
    case OP_index_add:
    case OP_index_set: return index_write_tangent(ctx, n, tangents, batch);
    default: return no_rule(ctx, n);
    }
}
