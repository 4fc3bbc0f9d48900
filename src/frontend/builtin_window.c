/* builtin_window.c: what the prelude's convolutions and pools are made of: checked inputs, and values seen through
 * windows that move along their last axes.
 *
 * A window is no copy.  It is an index whose places are sums of iotas, so the code generator reads the value itself,
 * and the derivative adds into its places. */
#include "elaborate.h"

#include <string.h>

enum { SPATIAL_MAX = 2 };

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */
/* One integer for every axis, or a tuple with one for each. */
static bool per_axis(Call *call, const char *option, int axes, int64_t least, int64_t otherwise, int64_t *out)
{
    Context *ctx = context_of(call);
    const Value *v = call_option(call, option);
    for (int k = 0; k < axes; k++)
        out[k] = otherwise;
    if (!v)
        return true;
    int count = value_integers(call->frame, *v, str_format(ctx, "'%s'", option), out, RANK_MAX);
    if (count < 0)
        return false;
    if (count != axes && (v->kind == VALUE_TUPLE || count != 1)) {
        fail(call->frame, v->span, "'%s' is one integer%s here, not a tuple of %d", option,
             axes == 1 ? "" : str_format(ctx, " or a tuple of %d", axes), count);
        return false;
    }
    for (int k = 0; k < axes; k++) {
        out[k] = out[count == 1 ? 0 : k];
        if (out[k] < least || out[k] > ELEMENTS_MAX) {
            fail(call->frame, v->span, "'%s' must be at least %lld%s, not %lld", option, (long long)least,
                 out[k] < least ? "" : " and not this large", (long long)out[k]);
            return false;
        }
    }
    return true;
}

typedef struct {
    int axes;
    int64_t kernel[SPATIAL_MAX], stride[SPATIAL_MAX], padding[SPATIAL_MAX], dilation[SPATIAL_MAX];
} Window;

static bool read_window(Call *call, Window *w)
{
    int64_t axes;
    if (!value_integer(call->frame, call->args[1], "the number of axes", &axes))
        return false;
    w->axes = (int)axes;
    return per_axis(call, "kernel", w->axes, 1, 1, w->kernel) && per_axis(call, "stride", w->axes, 1, 1, w->stride)
        && per_axis(call, "padding", w->axes, 0, 0, w->padding)
        && per_axis(call, "dilation", w->axes, 1, 1, w->dilation);
}

/* How many places the window has along each axis of x. */
static bool count_places(Call *call, const Window *w, const Type *t, int64_t *places)
{
    for (int k = 0; k < w->axes; k++) {
        int64_t size = type_size(t, k - w->axes) + 2 * w->padding[k], width = w->dilation[k] * (w->kernel[k] - 1) + 1;
        if (width > size) {
            fail(call->frame, call->args[0].span, "a window of %lld does not fit an axis of %lld%s", (long long)width,
                 (long long)size, w->padding[k] ? " with its padding" : "");
            return false;
        }
        places[k] = (size - width) / w->stride[k] + 1;
    }
    return true;
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */
static Node *pad_last(Context *ctx, Node *x, const Window *w)
{
    int64_t edge[RANK_MAX] = { 0 }, none[RANK_MAX] = { 0 };
    for (int k = 0; k < w->axes; k++)
        edge[x->type->rank - w->axes + k] = w->padding[k];
    return node_pad(ctx, x, edge, edge, none);
}

/* 0, step, 2 * step, .. along one of `rank` axes. */
static Node *steps(Context *ctx, int64_t count, int64_t step, int rank, int axis)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < rank; k++)
        sizes[k] = k == axis ? count : 1;
    Node *line = node_reshape(ctx, node_iota(ctx, count), type_sized(ctx, ELEM_INT, rank, sizes));
    return node_binary(ctx, OP_mul, line, node_int(ctx, step));
}

/* Places outside of the axis become the nearest one in it. */
static Node *held_within(Context *ctx, Node *place, int64_t size)
{
    Node *below = node_binary(ctx, OP_min, place, node_int(ctx, size - 1));
    return node_binary(ctx, OP_max, below, node_int(ctx, 0));
}

/* x[.., places, offsets]: what every place of the window sees of the last axes.  Of padding it sees the edge. */
static Node *see(Context *ctx, Node *x, const Window *w, const Type *seen)
{
    Node *indices[RANK_MAX];
    int rank = seen->rank, front = x->type->rank - w->axes;
    for (int k = 0; k < front; k++)
        indices[k] = steps(ctx, type_size(seen, k), 1, rank, k);
    for (int k = front; k < x->type->rank; k++) {
        int axis = k - front;
        Node *place = steps(ctx, type_size(seen, k), w->stride[axis], rank, k);
        Node *offset = steps(ctx, w->kernel[axis], w->dilation[axis], rank, k + w->axes);
        indices[k] = node_binary(ctx, OP_add, place, offset);
        if (w->padding[axis]) {
            Node *inner = node_binary(ctx, OP_sub, indices[k], node_int(ctx, w->padding[axis]));
            indices[k] = held_within(ctx, inner, type_size(x->type, k));
        }
    }
    for (int k = 0; k < x->type->rank; k++)
        indices[k] = node_expand(ctx, indices[k], seen);
    return node_index(ctx, x, x->type->rank, indices);
}

static const Type *seen_type(Call *call, const Window *w, const Type *t, const int64_t *places)
{
    int64_t sizes[RANK_MAX];
    int front = t->rank - w->axes;
    for (int k = 0; k < front; k++)
        sizes[k] = type_size(t, k);
    for (int k = 0; k < w->axes; k++) {
        sizes[front + k] = places[k];
        sizes[t->rank + k] = w->kernel[k];
    }
    return make_type(call->frame, call->span, t->elem, t->rank + w->axes, sizes);
}

static bool padding_fits(Call *call, const Window *w, const Type *t)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < t->rank; k++)
        sizes[k] = type_size(t, k) + (k < t->rank - w->axes ? 0 : 2 * w->padding[k - t->rank + w->axes]);
    return make_type(call->frame, call->span, t->elem, t->rank, sizes) != NULL;
}

static Node *windows_of(Call *call, Node *x, Window w, bool sees_zeros)
{
    Context *ctx = context_of(call);
    int64_t places[SPATIAL_MAX];
    if (!padding_fits(call, &w, x->type) || !count_places(call, &w, x->type, places))
        return NULL;
    const Type *seen = seen_type(call, &w, x->type, places);
    if (seen && sees_zeros) {
        x = pad_last(ctx, x, &w);
        w.padding[0] = w.padding[1] = 0;
    }
    return seen ? see(ctx, x, &w, seen) : NULL;
}

static Node *build_windows(Call *call)
{
    Window w;
    Node *x = value_real(call->frame, call->args[0]);
    return x && read_window(call, &w) ? windows_of(call, x, w, true) : NULL;
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */
static const char *const input_axes[] = { "[batch, channels, length]", "[batch, channels, height, width]" };
static const char *const kernel_axes[] = { "[channels out, channels / groups, length]",
                                           "[channels out, channels / groups, height, width]" };

static bool check_rank(Call *call, const Value *v, const Node *n, int axes, const char *const *wanted)
{
    if (n->type->rank != axes + 2)
        fail(call->frame, v->span, "a real%s is needed here, not %s", wanted[axes - 1],
             type_text(context_of(call), n->type));
    return n->type->rank == axes + 2;
}

static bool check_groups(Call *call, const Type *x, const Type *w, int64_t groups)
{
    int64_t channels = type_size(x, 1), out = type_size(w, 0);
    const Value *option = call_option(call, "groups");
    Span at = option ? option->span : call->span;
    if (groups < 1)
        fail(call->frame, at, "'groups' must be at least 1, not %lld", (long long)groups);
    else if (channels % groups != 0 || out % groups != 0)
        fail(call->frame, at, "%lld channels%s cannot be divided into %lld groups",
             (long long)(channels % groups ? channels : out), channels % groups ? "" : " out", (long long)groups);
    else if (channels / groups != type_size(w, 1)) {
        fail(call->frame, call->args[1].span, "this is %s: it takes %lld channel%s in each group, and not %lld",
             type_text(context_of(call), w), (long long)type_size(w, 1), type_size(w, 1) == 1 ? "" : "s",
             (long long)(channels / groups));
        note(call->frame, call->args[0].span, "this is %s%s", type_text(context_of(call), x),
             groups == 1 ? "" : str_format(context_of(call), ", in %lld groups", (long long)groups));
    } else {
        return true;
    }
    return false;
}

static bool check_bias(Call *call, const Value *v, int64_t channels)
{
    if (v->kind == VALUE_WORD)
        return true;
    Node *b = value_real(call->frame, *v);
    if (!b)
        return false;
    if (b->type->rank == 1 && type_size(b->type, 0) == channels)
        return true;
    fail(call->frame, v->span, "the bias must be real[%lld], one for each channel out, not %s", (long long)channels,
         type_text(context_of(call), b->type));
    return false;
}

/* x, w, bias, axes: x with its channels taken apart into groups, when all of them fit together. */
static Node *build_convolution_input(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = value_real(call->frame, call->args[0]), *w = value_real(call->frame, call->args[1]);
    int64_t axes, groups, sizes[SPATIAL_MAX + 3];
    if (!x || !w || !value_integer(call->frame, call->args[3], "the number of axes", &axes)
        || !check_rank(call, &call->args[0], x, (int)axes, input_axes)
        || !check_rank(call, &call->args[1], w, (int)axes, kernel_axes) || !call_integer(call, "groups", 1, &groups)
        || !check_groups(call, x->type, w->type, groups) || !check_bias(call, &call->args[2], type_size(w->type, 0)))
        return NULL;
    sizes[0] = type_size(x->type, 0);
    sizes[1] = groups;
    sizes[2] = type_size(x->type, 1) / groups;
    for (int k = 0; k < axes; k++)
        sizes[k + 3] = type_size(x->type, k + 2);
    return node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, (int)axes + 3, sizes));
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */
/* As in PyTorch a window is at most half padding, so each has some element of x. */
static bool read_pool(Call *call, const Node *x, Window *w)
{
    if (!read_window(call, w) || !check_rank(call, &call->args[0], x, w->axes, input_axes))
        return false;
    for (int k = 0; k < w->axes; k++)
        if (2 * w->padding[k] > w->kernel[k]) {
            fail(call->frame, call_option(call, "padding")->span,
                 "the padding of a pool is at most half of its kernel of %lld, not %lld", (long long)w->kernel[k],
                 (long long)w->padding[k]);
            return false;
        }
    return true;
}

static Node *build_pool_windows(Call *call)
{
    Window w;
    Node *x = value_real(call->frame, call->args[0]);
    const Value *mode = call_option(call, "mode");
    return x && read_pool(call, x, &w) ? windows_of(call, x, w, !mode || strcmp(mode->text, "replicate") != 0) : NULL;
}

/* How many elements of x itself, not of its padding, each window along an axis sees. */
static Node *covered(Context *ctx, const Window *w, int k, int64_t places, int64_t size)
{
    Node *zero = node_int(ctx, 0), *padding = node_int(ctx, w->padding[k]);
    Node *first = node_binary(ctx, OP_sub, steps(ctx, places, w->stride[k], w->axes, k), padding);
    Node *end = node_binary(ctx, OP_add, first, node_int(ctx, w->kernel[k]));
    end = node_binary(ctx, OP_min, end, node_int(ctx, size));
    return node_binary(ctx, OP_sub, end, node_binary(ctx, OP_max, first, zero));
}

static Node *build_pool_counts(Call *call)
{
    Context *ctx = context_of(call);
    Window w;
    int64_t places[SPATIAL_MAX];
    Node *x = value_real(call->frame, call->args[0]), *count = NULL;
    if (!x || !read_pool(call, x, &w) || !count_places(call, &w, x->type, places))
        return NULL;
    for (int k = 0; k < w.axes; k++) {
        Node *along = covered(ctx, &w, k, places[k], type_size(x->type, k - w.axes));
        count = count ? node_binary(ctx, OP_mul, count, along) : along;
    }
    return count;
}

const Builtin window_builtins[] = {
    { "windows", build_windows, 2, 2, "kernel stride padding dilation", true },
    { "convolution_input", build_convolution_input, 4, 4, "groups", true },
    { "pool_windows", build_pool_windows, 2, 2, "kernel stride padding mode", true },
    { "pool_counts", build_pool_counts, 2, 2, "kernel stride padding", true },
    { NULL, NULL, 0, 0, NULL, false },
};
