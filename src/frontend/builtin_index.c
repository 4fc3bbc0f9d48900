/* builtin_index.c: gathers and scatters as calls: PyTorch's gather and scatter_add, and the graph's own three.
 *
 * The graph indexes leading axes by int tensors of one shape; what takes another axis gives iotas for the others. */
#include "elaborate.h"

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

static Node *int_argument(Call *call, int k)
{
    Node *n = value_tensor(call->frame, call->args[k]);
    if (n && n->type->elem != ELEM_INT) {
        fail(call->frame, call->args[k].span, "an index must be an int, not %s", type_text(context_of(call), n->type));
        return NULL;
    }
    return n;
}

/* ---- index, index_add, index_set --------------------------------------------------------------------------------- */
/* The int arguments from `first` on, broadcast together; false after an error message. */
static bool index_arguments(Call *call, int first, const Type *x, Node **indices)
{
    Context *ctx = context_of(call);
    int count = call->count - first;
    const Type *shape = type_scalar(ctx, ELEM_INT);
    if (count > x->rank) {
        fail(call->frame, call->span, "%d indices, but the value is %s", count, type_text(ctx, x));
        return false;
    }
    for (int k = 0; k < count; k++) {
        indices[k] = int_argument(call, first + k);
        const Type *wider = indices[k] ? type_broadcast(ctx, shape, indices[k]->type) : NULL;
        if (indices[k] && !wider)
            fail(call->frame, call->args[first + k].span, "the indices do not fit together: %s and %s",
                 shape_text(ctx, shape), shape_text(ctx, indices[k]->type));
        if (!wider)
            return false;
        shape = wider;
    }
    for (int k = 0; k < count; k++)
        indices[k] = node_expand(ctx, indices[k], shape);
    return true;
}

/* The type of x at the indices. */
static const Type *part_type(Call *call, const Type *x, int count, Node *const *indices)
{
    int64_t sizes[2 * RANK_MAX];
    int rank = 0;
    for (int k = 0; k < indices[0]->type->rank; k++)
        sizes[rank++] = type_size(indices[0]->type, k);
    for (int k = count; k < x->rank; k++)
        sizes[rank++] = type_size(x, k);
    return make_type(call->frame, call->span, x->elem, rank, sizes);
}

static Node *build_index(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]), *indices[RANK_MAX];
    if (!x || !index_arguments(call, 1, x->type, indices) || !part_type(call, x->type, call->count - 1, indices))
        return NULL;
    return node_index(context_of(call), x, call->count - 1, indices);
}

static Node *scatter(Call *call, bool adds)
{
    Context *ctx = context_of(call);
    Node *pair[2], *indices[RANK_MAX];
    int count = call->count - 2;
    if (!values_agree(call->frame, call->span, "base and source", 2, call->args, pair)
        || !index_arguments(call, 2, pair[0]->type, indices))
        return NULL;
    const Type *part = part_type(call, pair[0]->type, count, indices);
    if (part && part != pair[1]->type) {
        fail(call->frame, call->args[1].span, "the source must be %s, not %s", type_text(ctx, part),
             type_text(ctx, pair[1]->type));
        return NULL;
    }
    if (!part)
        return NULL;
    return adds ? node_index_add(ctx, pair[0], count, indices, pair[1])
                : node_index_set(ctx, pair[0], count, indices, pair[1]);
}

static Node *build_index_add(Call *call) { return scatter(call, true); }
static Node *build_index_set(Call *call) { return scatter(call, false); }

/* ---- gather, scatter_add ----------------------------------------------------------------------------------------- */
static bool known_index_in_range(Call *call, const Node *idx, int64_t size)
{
    double fill;
    bool is_fill = node_is_fill(idx, &fill);
    int64_t count = is_fill ? 1 : idx->op == OP_constant ? idx->type->count : 0;
    for (int64_t k = 0; k < count; k++) {
        double value = is_fill ? fill : idx->data[k];
        if (value < 0 || value >= (double)size) {
            fail(call->frame, call->args[1].span, "index %.0f is out of range for an axis of size %lld", value,
                 (long long)size);
            return false;
        }
    }
    return true;
}

/* idx along `axis`, and for each other axis the position in idx itself. */
static bool full_indices(Call *call, const Type *x, Node *idx, Node **indices)
{
    Context *ctx = context_of(call);
    const Value *given = call_option(call, "axis");
    const Type *t = idx->type;
    int axis = 0;
    if (t->rank == 0 && x->rank == 0)                       /* no index: there is one element */
        return call_axis_of_scalar(call, given) && known_index_in_range(call, idx, 1);
    if (t->rank != x->rank) {
        fail(call->frame, call->args[1].span, "the indices need as many axes as %s, not %s", type_text(ctx, x),
             type_text(ctx, t));
        return false;
    }
    if ((given && !call_axis(call, given, x->rank, &axis)) || !known_index_in_range(call, idx, type_size(x, axis)))
        return false;
    for (int k = 0; k < x->rank; k++) {
        int64_t sizes[RANK_MAX];
        if (k != axis && type_size(t, k) > type_size(x, k)) {
            fail(call->frame, call->args[1].span, "the indices %s are larger than %s in axis %d", shape_text(ctx, t),
                 shape_text(ctx, x), k);
            return false;
        }
        for (int i = 0; i < t->rank; i++)
            sizes[i] = i == k ? type_size(t, k) : 1;
        const Type *along = type_sized(ctx, ELEM_INT, t->rank, sizes);
        indices[k] = k == axis ? idx : node_expand(ctx, node_reshape(ctx, node_iota(ctx, sizes[k]), along), t);
    }
    return true;
}

/* A scalar that indices of one axis go into is a vector of one element. */
static Node *as_indexed(Context *ctx, Node *x, const Node *idx)
{
    return x->type->rank == 0 && idx->type->rank == 1 ? node_reshape(ctx, x, type_sized(ctx, x->type->elem, 1, (int64_t[]){ 1 })) : x;
}

static Node *build_gather(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]), *idx = int_argument(call, 1), *indices[RANK_MAX];
    if (x && idx)
        x = as_indexed(context_of(call), x, idx);
    if (!x || !idx || !full_indices(call, x->type, idx, indices))
        return NULL;
    return x->type->rank > 0 ? node_index(context_of(call), x, x->type->rank, indices) : x;
}

/* As in PyTorch the source may be larger than the indices; the rest of it is not used. */
static Node *source_part(Call *call, Node *source, const Type *idx)
{
    Context *ctx = context_of(call);
    int64_t start[RANK_MAX] = { 0 }, step[RANK_MAX], count[RANK_MAX];
    bool fits = source->type->rank == idx->rank;
    for (int k = 0; k < idx->rank && fits; k++) {
        step[k] = 1;
        count[k] = type_size(idx, k);
        fits = count[k] <= type_size(source->type, k);
    }
    if (fits)
        return node_slice(ctx, source, start, step, count);
    fail(call->frame, call->args[2].span, "the source %s is smaller than the indices %s", shape_text(ctx, source->type),
         shape_text(ctx, idx));
    return NULL;
}

static Node *build_scatter_add(Call *call)
{
    Node *pair[2], *idx = int_argument(call, 1), *indices[RANK_MAX];
    Value values[2] = { call->args[0], call->args[2] };
    if (!idx || !values_agree(call->frame, call->span, "base and source", 2, values, pair))
        return NULL;
    Context *ctx = context_of(call);
    Node *base = as_indexed(ctx, pair[0], idx);
    Node *source = full_indices(call, base->type, idx, indices) ? source_part(call, pair[1], idx->type) : NULL;
    if (!source)
        return NULL;
    if (base->type->rank == 0)
        return node_binary(ctx, OP_add, base, source);
    return node_reshape(ctx, node_index_add(ctx, base, base->type->rank, indices, source), pair[0]->type);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */
/* logits, labels: the labels, with the axis of the classes put in as 1. */
static Node *build_class_labels(Call *call)
{
    Context *ctx = context_of(call);
    Node *logits = value_real(call->frame, call->args[0]), *labels = value_tensor(call->frame, call->args[1]);
    int axis;
    if (!logits || !labels)
        return NULL;
    if (logits->type->rank == 0)
        fail(call->frame, call->args[0].span, "the scores of the classes need an axis; this is a scalar");
    if (logits->type->rank == 0 || !call_axis(call, call_option(call, "axis"), logits->type->rank, &axis))
        return NULL;
    int64_t sizes[RANK_MAX], kept[RANK_MAX];
    for (int k = 0; k < logits->type->rank; k++) {
        sizes[k] = k == axis ? 1 : type_size(logits->type, k);
        kept[k - (k > axis)] = sizes[k];
    }
    const Type *wanted = type_sized(ctx, ELEM_INT, logits->type->rank - 1, kept);
    if (labels->type != wanted) {
        fail(call->frame, call->args[1].span, "the labels must be %s, one for each row of scores, not %s",
             type_text(ctx, wanted), type_text(ctx, labels->type));
        note(call->frame, call->args[0].span, "this is %s", type_text(ctx, logits->type));
        return NULL;
    }
    int64_t classes = type_size(logits->type, axis);
    if (!known_index_in_range(call, labels, classes))
        return NULL;
    Node *within = node_index(ctx, node_iota(ctx, classes), 1, &labels);    /* clamped, as every index */
    return node_reshape(ctx, within, type_sized(ctx, ELEM_INT, logits->type->rank, sizes));
}

const Builtin index_builtins[] = {
    { "gather", build_gather, 2, 2, "axis", false },
    { "scatter_add", build_scatter_add, 3, 3, "axis", false },
    { "index", build_index, 2, -1, "", false },
    { "index_add", build_index_add, 3, -1, "", false },
    { "index_set", build_index_set, 3, -1, "", false },
    { "class_labels", build_class_labels, 2, 2, "axis", true },
    { NULL, NULL, 0, 0, NULL, false },
};
