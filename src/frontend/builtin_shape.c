/* builtin_shape.c: builtins that move elements, or make values from a shape.
 *
 * Shapes and axes are known at compile time; a result's size is checked before it is built. */
#include "elaborate.h"

#include <string.h>

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

/* The argument as a tensor; arguments of builtins were elaborated without error. */
static Node *argument(Call *call, int k)
{
    return value_tensor(call->frame, call->args[k]);
}

/* ---- shapes given as arguments ----------------------------------------------------------------------------------- */
static bool positive_sizes(Call *call, Span span, int rank, const int64_t *sizes)
{
    for (int k = 0; k < rank; k++)
        if (sizes[k] <= 0) {
            fail(call->frame, span, "a dimension must be positive, not %lld", (long long)sizes[k]);
            return false;
        }
    return true;
}

static const Type *shape_argument(Call *call, const Value *v, Elem elem)
{
    int64_t sizes[RANK_MAX];
    int rank = value_integers(call->frame, *v, "a dimension", sizes, RANK_MAX);
    if (rank < 0 || !positive_sizes(call, v->span, rank, sizes))
        return NULL;
    return make_type(call->frame, v->span, elem, rank, sizes);
}

/* One -1 stands for what is left over. */
static const Type *reshape_argument(Call *call, const Value *v, const Type *from)
{
    int64_t sizes[RANK_MAX], known = 1;
    int rank = value_integers(call->frame, *v, "a dimension", sizes, RANK_MAX), open = -1;
    for (int k = 0; k < rank; k++) {
        if (sizes[k] == -1 && open < 0)
            open = k;
        else if (sizes[k] > 0 && known <= from->count)
            known *= sizes[k] <= from->count ? sizes[k] : from->count + 1;
    }
    if (open >= 0)
        sizes[open] = from->count % known == 0 && known <= from->count ? from->count / known : 1;
    if (rank < 0 || !positive_sizes(call, v->span, rank, sizes))
        return NULL;
    return make_type(call->frame, v->span, from->elem, rank, sizes);
}

static Node *build_reshape(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0);
    const Type *type = x ? reshape_argument(call, &call->args[1], x->type) : NULL;
    if (type && type->count != x->type->count) {
        fail(call->frame, call->span, "%s has %lld elements and cannot become %s, which has %lld",
             type_text(ctx, x->type), (long long)x->type->count, shape_text(ctx, type), (long long)type->count);
        return NULL;
    }
    return type ? node_reshape(ctx, x, type) : NULL;
}

static Node *build_expand(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0);
    const Type *type = x ? shape_argument(call, &call->args[1], x->type->elem) : NULL;
    const Type *common = type ? type_broadcast(ctx, type, x->type) : NULL;
    if (type && common != type) {
        fail(call->frame, call->span, "%s cannot be broadcast to %s", type_text(ctx, x->type), shape_text(ctx, type));
        return NULL;
    }
    return type ? node_expand(ctx, x, type) : NULL;
}

static Node *build_zeros(Call *call)
{
    const Type *type = shape_argument(call, &call->args[0], ELEM_REAL);
    return type ? node_fill(context_of(call), type, 0) : NULL;
}

static Node *build_ones(Call *call)
{
    const Type *type = shape_argument(call, &call->args[0], ELEM_REAL);
    return type ? node_fill(context_of(call), type, 1) : NULL;
}

static bool size_argument(Call *call, int64_t *n)
{
    return value_integer(call->frame, call->args[0], "the size", n) && positive_sizes(call, call->args[0].span, 1, n)
        && make_type(call->frame, call->args[0].span, ELEM_INT, 1, n);
}

static Node *build_iota(Call *call)
{
    int64_t n;
    return size_argument(call, &n) ? node_iota(context_of(call), n) : NULL;
}

static Node *build_eye(Call *call)
{
    Context *ctx = context_of(call);
    int64_t n;
    if (!size_argument(call, &n) || !make_type(call->frame, call->span, ELEM_REAL, 2, (int64_t[]){ n, n }))
        return NULL;
    Node *column = node_reshape(ctx, node_iota(ctx, n), type_sized(ctx, ELEM_INT, 2, (int64_t[]){ n, 1 }));
    return node_to_real(ctx, node_binary(ctx, OP_eq, column, node_iota(ctx, n)));
}

static Node *build_len(Call *call)
{
    Node *x = argument(call, 0);
    if (x && x->type->rank == 0) {
        fail(call->frame, call->args[0].span, "a scalar has no dimensions");
        return NULL;
    }
    return x ? node_int(context_of(call), type_size(x->type, 0)) : NULL;
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */
static Node *build_permute(Call *call)
{
    Node *x = argument(call, 0);
    const Value *v = &call->args[1];
    int count = v->kind == VALUE_TUPLE ? v->count : 1, perm[RANK_MAX];
    bool seen[RANK_MAX] = { false };
    if (!x)
        return NULL;
    if (count != x->type->rank) {
        fail(call->frame, v->span, "%d axes are given, but this has %d", count, x->type->rank);
        note(call->frame, call->args[0].span, "this is %s", type_text(context_of(call), x->type));
        return NULL;
    }
    for (int k = 0; k < count; k++) {
        const Value *item = v->kind == VALUE_TUPLE ? &v->items[k] : v;
        if (!call_axis(call, item, x->type->rank, &perm[k]))
            return NULL;
        if (seen[perm[k]]) {
            fail(call->frame, item->span, "axis %d is given twice", perm[k]);
            return NULL;
        }
        seen[perm[k]] = true;
    }
    return node_permute(context_of(call), x, perm);
}

static Node *build_transpose(Call *call)
{
    Node *x = argument(call, 0);
    int axis0, axis1;
    if (x && x->type->rank == 0)
        return call_axis_of_scalar(call, &call->args[1]) && call_axis_of_scalar(call, &call->args[2]) ? x : NULL;
    if (!x || !call_axis(call, &call->args[1], x->type->rank, &axis0)
        || !call_axis(call, &call->args[2], x->type->rank, &axis1))
        return NULL;
    return node_transpose(context_of(call), x, axis0, axis1);
}

/* The axis an option names, or the one that stands for it when it is left out. */
static bool axis_option(Call *call, int rank, int otherwise, int *axis)
{
    const Value *v = call_option(call, "axis");
    *axis = otherwise;
    return !v || call_axis(call, v, rank, axis);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */
/* The elements of the tuple that is the first argument, of one element type. */
static Node **tuple_argument(Call *call, int *count)
{
    const Value *v = &call->args[0];
    *count = v->count;
    if (v->kind != VALUE_TUPLE || v->count == 0) {
        fail(call->frame, v->span, "a tuple of values is needed here, such as '(a, b)' or '(a,)'");
        return NULL;
    }
    Node **nodes = NEW_ARRAY(context_of(call)->arena, Node *, v->count);
    return values_agree(call->frame, call->span, "this tuple", v->count, v->items, nodes) ? nodes : NULL;
}

static bool same_but_for_axis(Call *call, int count, Node *const *nodes, int axis)
{
    const Type *first = nodes[0]->type;
    for (int i = 1; i < count; i++) {
        const Type *t = nodes[i]->type;
        bool fits = t->rank == first->rank;
        for (int k = 0; k < first->rank && fits; k++)
            fits = k == axis || type_size(t, k) == type_size(first, k);
        if (!fits) {
            fail(call->frame, call->args[0].items[i].span, "shapes %s and %s do not fit together",
                 shape_text(context_of(call), first), shape_text(context_of(call), t));
            note(call->frame, call->args[0].items[0].span, "this is %s", type_text(context_of(call), first));
            return false;
        }
    }
    return true;
}

static Node *build_concat(Call *call)
{
    int count, axis;
    Node **nodes = tuple_argument(call, &count);
    int64_t sizes[RANK_MAX];
    if (!nodes)
        return NULL;
    const Type *first = nodes[0]->type;
    if (first->rank == 0) {
        fail(call->frame, call->args[0].items[0].span, "a scalar has no axis; 'stack' or '[a, b]' joins scalars");
        return NULL;
    }
    if (!axis_option(call, first->rank, 0, &axis) || !same_but_for_axis(call, count, nodes, axis))
        return NULL;
    for (int k = 0; k < first->rank; k++)
        sizes[k] = type_size(first, k);
    for (int i = 1; i < count; i++)
        sizes[axis] += type_size(nodes[i]->type, axis);
    if (!make_type(call->frame, call->span, first->elem, first->rank, sizes))
        return NULL;
    return node_concat(context_of(call), count, nodes, axis);
}

static Node *build_stack(Call *call)
{
    Context *ctx = context_of(call);
    int count, axis, perm[RANK_MAX];
    int64_t sizes[RANK_MAX + 1];
    Node **nodes = tuple_argument(call, &count);
    if (!nodes || !same_but_for_axis(call, count, nodes, -1))
        return NULL;
    const Type *first = nodes[0]->type;
    sizes[0] = count;
    for (int k = 0; k < first->rank; k++)
        sizes[k + 1] = type_size(first, k);
    if (!axis_option(call, first->rank + 1, 0, &axis)
        || !make_type(call->frame, call->span, first->elem, first->rank + 1, sizes))
        return NULL;
    for (int k = 0; k <= first->rank; k++)
        perm[k] = k < axis ? k + 1 : k == axis ? 0 : k;
    return node_permute(ctx, node_stack(ctx, count, nodes), perm);
}

/* ---- repeating --------------------------------------------------------------------------------------------------- */
/* Repeats of each axis: [n, m] is broadcast to [r, n, s, m], which is [r * n, s * m]. */
static Node *tile_axes(Context *ctx, Node *x, const int64_t *repeats)
{
    int rank = x->type->rank;
    int64_t apart[2 * RANK_USER], wide[2 * RANK_USER], joined[RANK_USER];
    for (int k = 0; k < rank; k++) {
        int64_t size = type_size(x->type, k);
        apart[2 * k] = 1;
        wide[2 * k] = repeats[k];
        apart[2 * k + 1] = wide[2 * k + 1] = size;
        joined[k] = repeats[k] * size;
    }
    Elem elem = x->type->elem;
    Node *spread = node_expand(ctx, node_reshape(ctx, x, type_sized(ctx, elem, 2 * rank, apart)),
                               type_sized(ctx, elem, 2 * rank, wide));
    return node_reshape(ctx, spread, type_sized(ctx, elem, rank, joined));
}

/* Both the repeats and the shape get axes of 1 in front until they have the same rank, as in NumPy. */
static Node *build_tile(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0);
    const Value *v = &call->args[1];
    int64_t given[RANK_USER], repeats[RANK_USER], sizes[RANK_USER], joined[RANK_USER];
    int count = x ? value_integers(call->frame, *v, "a repeat", given, RANK_USER) : -1;
    if (count < 0 || !positive_sizes(call, v->span, count, given))
        return NULL;
    int rank = count > x->type->rank ? count : x->type->rank;
    for (int k = 0; k < rank; k++) {
        int from_repeat = k - (rank - count), from_size = k - (rank - x->type->rank);
        repeats[k] = from_repeat < 0 ? 1 : given[from_repeat];
        sizes[k] = from_size < 0 ? 1 : type_size(x->type, from_size);
        joined[k] = repeats[k] > ELEMENTS_MAX ? ELEMENTS_MAX + (int64_t)1 : repeats[k] * sizes[k];
    }
    if (!make_type(call->frame, call->span, x->type->elem, rank, joined))
        return NULL;
    return tile_axes(ctx, node_reshape(ctx, x, type_sized(ctx, x->type->elem, rank, sizes)), repeats);
}

/* ---- for the prelude and the rules ------------------------------------------------------------------------------- */
/* 0, 1, .. along one axis, of a shape that broadcasts against x. */
static Node *build_position(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0);
    int64_t sizes[RANK_MAX];
    int axis;
    if (x && x->type->rank == 0)
        return call_axis_of_scalar(call, call_option(call, "axis")) ? node_int(ctx, 0) : NULL;
    if (!x || !axis_option(call, x->type->rank, x->type->rank - 1, &axis))
        return NULL;
    for (int k = axis; k < x->type->rank; k++)
        sizes[k - axis] = k == axis ? type_size(x->type, k) : 1;
    return node_reshape(ctx, node_iota(ctx, sizes[0]), type_sized(ctx, ELEM_INT, x->type->rank - axis, sizes));
}

/* Which element of a row over the axes each one is, as a real: of a shape that broadcasts against x. */
static Node *build_ordinal(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0), *ordinal = node_int(ctx, 0);
    int axes[RANK_MAX], count = x ? call_axes(call, x->type->rank, axes) : -1;
    int64_t stride = 1;
    for (int k = count - 1; k >= 0; k--) {
        int64_t sizes[RANK_MAX];
        for (int i = 0; i < x->type->rank; i++)
            sizes[i] = i == axes[k] ? type_size(x->type, i) : 1;
        Node *line = node_reshape(ctx, node_iota(ctx, sizes[axes[k]]), type_sized(ctx, ELEM_INT, x->type->rank, sizes));
        ordinal = node_binary(ctx, OP_add, node_binary(ctx, OP_mul, line, node_int(ctx, stride)), ordinal);
        stride *= sizes[axes[k]];
    }
    return count < 0 ? NULL : node_to_real(ctx, ordinal);
}

/* The reduced axes of the op whose rule this is, put back as 1; batch axes may stand in front. */
static Node *build_keep(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = argument(call, 0);
    const Node *consumer = call->frame->consumer;
    if (!x || !consumer) {
        fail(call->frame, call->span, "'keep' belongs into the rule of a reduction");
        return NULL;
    }
    int rank = x->type->rank + consumer->attr_count, from = 0;
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < rank; k++) {
        bool reduced = false;
        for (int i = 0; i < consumer->attr_count; i++)
            reduced |= consumer->attr[i] == k - rank;
        sizes[k] = reduced ? 1 : type_size(x->type, from++);
    }
    return node_reshape(ctx, x, type_sized(ctx, x->type->elem, rank, sizes));
}

const Builtin shape_builtins[] = {
    { "reshape", build_reshape, 2, 2, "", false },
    { "expand", build_expand, 2, 2, "", false },
    { "permute", build_permute, 2, 2, "", false },
    { "transpose", build_transpose, 3, 3, "", false },
    { "concat", build_concat, 1, 1, "axis", false },
    { "stack", build_stack, 1, 1, "axis", false },
    { "tile", build_tile, 2, 2, "", false },
    { "zeros", build_zeros, 1, 1, "", false },
    { "ones", build_ones, 1, 1, "", false },
    { "eye", build_eye, 1, 1, "", false },
    { "iota", build_iota, 1, 1, "", false },
    { "len", build_len, 1, 1, "", false },
    { "position", build_position, 1, 1, "axis", true },
    { "ordinal", build_ordinal, 1, 1, "axis", true },
    { "keep", build_keep, 1, 1, "", true },
    { NULL, NULL, 0, 0, NULL, false },
};
