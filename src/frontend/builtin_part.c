/* builtin_part.c: builtins that take parts along axes, put parts together again, or pad.
 *
 * All of them become slices, concatenations and pads of the graph, which are linear. */
#include "elaborate.h"

#include <string.h>

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

static Node *argument(Call *call, int k)
{
    return value_tensor(call->frame, call->args[k]);
}

/* ---- parts along axes -------------------------------------------------------------------------------------------- */
typedef struct { int64_t start[RANK_MAX], step[RANK_MAX], count[RANK_MAX]; } Part;

static Part whole(const Type *t)
{
    Part p;
    for (int k = 0; k < t->rank; k++) {
        p.start[k] = 0;
        p.step[k] = 1;
        p.count[k] = type_size(t, k);
    }
    return p;
}

static Node *take(Context *ctx, Node *x, const Part *p)
{
    return node_slice(ctx, x, p->start, p->step, p->count);
}

static Node *take_along(Context *ctx, Node *x, int axis, int64_t start, int64_t step, int64_t count)
{
    Part p = whole(x->type);
    p.start[axis] = start;
    p.step[axis] = step;
    p.count[axis] = count;
    return take(ctx, x, &p);
}

static Node *build_flip(Call *call)
{
    Node *x = argument(call, 0);
    int axes[RANK_MAX], count = x ? call_axes(call, x->type->rank, axes) : -1;
    if (count < 0)
        return NULL;
    Part p = whole(x->type);
    for (int k = 0; k < count; k++) {
        p.start[axes[k]] = p.count[axes[k]] - 1;
        p.step[axes[k]] = -1;
    }
    return take(context_of(call), x, &p);
}

static Node *roll_along(Context *ctx, Node *x, int axis, int64_t shift)
{
    int64_t size = type_size(x->type, axis), by = ((shift % size) + size) % size;
    if (by == 0)
        return x;
    Node *parts[2] = { take_along(ctx, x, axis, size - by, 1, by), take_along(ctx, x, axis, 0, 1, size - by) };
    return node_concat(ctx, 2, parts, axis);
}

static Node *build_roll(Call *call)
{
    Node *x = argument(call, 0);
    int64_t shifts[RANK_MAX];
    const Value *shift = call_option(call, "shift"), *axis = call_option(call, "axis");
    if (!x)
        return NULL;
    if (!shift || (!axis && x->type->rank != 1)) {
        fail(call->frame, call->span, "'roll' needs a shift and an axis: 'roll(x, shift: 1, axis: 0)'");
        return NULL;
    }
    int count = value_integers(call->frame, *shift, "'shift'", shifts, RANK_MAX);
    int axes = !axis || axis->kind != VALUE_TUPLE ? 1 : axis->count;
    if (count >= 0 && count != axes) {
        fail(call->frame, shift->span, "%d shifts are given for %d ax%ss", count, axes, axes == 1 ? "i" : "e");
        return NULL;
    }
    for (int k = 0, at = 0; k < count; k++) {
        if (axis && !call_axis(call, axis->kind == VALUE_TUPLE ? &axis->items[k] : axis, x->type->rank, &at))
            return NULL;
        x = roll_along(context_of(call), x, at, shifts[k]);
    }
    return count < 0 ? NULL : x;
}

/* ---- slices and padding as the graph has them -------------------------------------------------------------------- */
/* One integer per axis from an option. */
static bool per_axis(Call *call, const char *option, int rank, int64_t otherwise, int64_t *out)
{
    const Value *v = call_option(call, option);
    for (int k = 0; k < rank; k++)
        out[k] = otherwise;
    if (!v)
        return true;
    int count = value_integers(call->frame, *v, str_format(context_of(call), "'%s'", option), out, RANK_MAX);
    if (count >= 0 && count != rank)
        fail(call->frame, v->span, "'%s' has %d entries, but there are %d axes", option, count, rank);
    return count == rank;
}

static Node *build_slice(Call *call)
{
    Node *x = argument(call, 0);
    Part p;
    int rank = x ? x->type->rank : 0;
    if (!x || !per_axis(call, "start", rank, 0, p.start) || !per_axis(call, "step", rank, 1, p.step)
        || !per_axis(call, "count", rank, 1, p.count))
        return NULL;
    for (int k = 0; k < rank; k++) {
        int64_t size = type_size(x->type, k), last = 0;
        bool fits = p.count[k] > 0 && p.count[k] <= size && p.step[k] >= -size && p.step[k] <= size && p.step[k] != 0;
        if (fits)
            last = p.start[k] + (p.count[k] - 1) * p.step[k];
        if (!fits || p.start[k] < 0 || p.start[k] >= size || last < 0 || last >= size) {
            fail(call->frame, call->span, "the slice leaves axis %d, which has size %lld", k, (long long)size);
            return NULL;
        }
    }
    return take(context_of(call), x, &p);
}

static bool pad_sizes(Call *call, const Type *t, const int64_t *low, const int64_t *high, const int64_t *interior)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < t->rank; k++) {
        const int64_t limit = ELEMENTS_MAX;
        if (low[k] < 0 || high[k] < 0 || interior[k] < 0 || low[k] > limit || high[k] > limit || interior[k] > limit) {
            fail(call->frame, call->span, "the padding of axis %d must be at least 0 and not too large", k);
            return false;
        }
        sizes[k] = low[k] + high[k] + type_size(t, k) + (type_size(t, k) - 1) * interior[k];
    }
    return make_type(call->frame, call->span, t->elem, t->rank, sizes) != NULL;
}

static Node *pad_as_graph(Call *call, Node *x)
{
    int64_t low[RANK_MAX], high[RANK_MAX], interior[RANK_MAX];
    int rank = x->type->rank;
    if (!per_axis(call, "low", rank, 0, low) || !per_axis(call, "high", rank, 0, high)
        || !per_axis(call, "interior", rank, 0, interior) || !pad_sizes(call, x->type, low, high, interior))
        return NULL;
    return node_pad(context_of(call), x, low, high, interior);
}

/* ---- pad --------------------------------------------------------------------------------------------------------- */
/* ((before, after), ...), one pair per axis; a vector also takes a bare pair. */
static bool read_pads(Call *call, const Type *t, int64_t *low, int64_t *high)
{
    const Value *v = &call->args[1];
    bool bare = t->rank == 1 && v->kind == VALUE_TUPLE && v->count == 2 && v->items[0].kind != VALUE_TUPLE;
    int count = v->kind != VALUE_TUPLE ? 0 : bare ? 1 : v->count;
    for (int k = 0; k < count && count == t->rank; k++) {
        int64_t pair[2];
        const Value *item = bare ? v : &v->items[k];
        int given = value_integers(call->frame, *item, "a padding", pair, 2);
        if (given < 0)
            return false;
        if (given != 2) {
            fail(call->frame, item->span, "a pair (before, after) is needed here");
            return false;
        }
        low[k] = pair[0];
        high[k] = pair[1];
    }
    if (count != t->rank)
        fail(call->frame, v->span, "one pair (before, after) per axis is needed: this is %s",
             type_text(context_of(call), t));
    return count == t->rank;
}

static Node *filled_part(Context *ctx, const Type *t, int axis, int64_t count, Node *value)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < t->rank; k++)
        sizes[k] = k == axis ? count : type_size(t, k);
    return node_expand(ctx, value, type_sized(ctx, t->elem, t->rank, sizes));
}

typedef enum { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE } PadMode;

/* `count` elements that stand before or after the axis. */
static Node *pad_part(Context *ctx, Node *x, int axis, int64_t count, bool before, PadMode mode, Node *value)
{
    int64_t size = type_size(x->type, axis);
    switch (mode) {
    case PAD_REFLECT: return take_along(ctx, x, axis, before ? count : size - 2, -1, count);
    case PAD_REPLICATE: value = take_along(ctx, x, axis, before ? 0 : size - 1, 1, 1); break;
    case PAD_CONSTANT: break;
    }
    return filled_part(ctx, x->type, axis, count, value);
}

static Node *pad_along(Context *ctx, Node *x, int axis, int64_t low, int64_t high, PadMode mode, Node *value)
{
    Node *parts[3];
    int count = 0;
    if (low > 0)
        parts[count++] = pad_part(ctx, x, axis, low, true, mode, value);
    parts[count++] = x;
    if (high > 0)
        parts[count++] = pad_part(ctx, x, axis, high, false, mode, value);
    return node_concat(ctx, count, parts, axis);
}

static bool check_reflect(Call *call, const Type *t, const int64_t *low, const int64_t *high)
{
    for (int k = 0; k < t->rank; k++) {
        int64_t most = low[k] > high[k] ? low[k] : high[k];
        if (most >= type_size(t, k) && most > 0) {
            fail(call->frame, call->args[1].span, "axis %d of size %lld can be reflected by at most %lld, not %lld", k,
                 (long long)type_size(t, k), (long long)type_size(t, k) - 1, (long long)most);
            return false;
        }
    }
    return true;
}

static PadMode pad_mode(const Call *call)
{
    const Value *v = call_option(call, "mode");
    if (v && strcmp(v->text, "reflect") == 0)
        return PAD_REFLECT;
    return v && strcmp(v->text, "replicate") == 0 ? PAD_REPLICATE : PAD_CONSTANT;
}

/* The `value` option, of x's element type. */
static Node *pad_value(Call *call, const Type *t, PadMode mode)
{
    Context *ctx = context_of(call);
    const Value *v = call_option(call, "value");
    double constant;
    if (v && mode != PAD_CONSTANT) {
        fail(call->frame, v->span, "'value' goes with mode: constant");
        return NULL;
    }
    if (v && t->elem != ELEM_BOOL && !value_constant(call->frame, *v, "'value'", &constant))
        return NULL;
    const Type *scalar = type_scalar(ctx, t->elem);
    return v ? value_as(call->frame, *v, scalar, "the padded value") : node_fill(ctx, scalar, 0);
}

static Node *pad_by_mode(Call *call, Node *x)
{
    Context *ctx = context_of(call);
    int64_t low[RANK_MAX], high[RANK_MAX], none[RANK_MAX] = { 0 };
    PadMode mode = pad_mode(call);
    if (!read_pads(call, x->type, low, high) || !pad_sizes(call, x->type, low, high, none)
        || (mode == PAD_REFLECT && !check_reflect(call, x->type, low, high)))
        return NULL;
    Node *value = pad_value(call, x->type, mode);
    if (!value)
        return NULL;
    if (mode == PAD_CONSTANT && node_is_zero(value))
        return node_pad(ctx, x, low, high, none);
    for (int k = 0; k < x->type->rank; k++)
        x = pad_along(ctx, x, k, low[k], high[k], mode, value);
    return x;
}

static Node *build_pad(Call *call)
{
    Node *x = argument(call, 0);
    bool has_low = call->options[0].kind || call->options[1].kind || call->options[2].kind;
    if (x && call->count == 1 && !has_low) {
        fail(call->frame, call->span, "'pad' needs a pair (before, after) per axis: 'pad(x, ((1, 1), (0, 2)))'");
        return NULL;
    }
    return !x ? NULL : call->count == 1 ? pad_as_graph(call, x) : pad_by_mode(call, x);
}

/* ---- diagonals --------------------------------------------------------------------------------------------------- */
/* A matrix with the vector on its k-th diagonal. */
static Node *matrix_of_diagonal(Call *call, Node *x, int64_t k)
{
    Context *ctx = context_of(call);
    int64_t size = type_size(x->type, 0), by = k < -ELEMENTS_MAX || k > ELEMENTS_MAX ? ELEMENTS_MAX : k < 0 ? -k : k;
    static const int in[1] = { 0 }, out[2] = { 0, 0 };
    const int *labels[1] = { in };
    if (!make_type(call->frame, call->span, ELEM_REAL, 2, (int64_t[]){ size + by, size + by }))
        return NULL;
    int64_t low[2] = { k < 0 ? by : 0, k > 0 ? by : 0 }, high[2] = { low[1], low[0] }, none[2] = { 0 };
    return node_pad(ctx, node_einsum(ctx, 1, &x, labels, 2, out), low, high, none);
}

static Node *diagonal_of_matrix(Call *call, Node *x, int64_t k)
{
    Context *ctx = context_of(call);
    int64_t rows = type_size(x->type, 0), columns = type_size(x->type, 1);
    static const int in[2] = { 0, 0 }, out[1] = { 0 };
    const int *labels[1] = { in };
    if (k <= -rows || k >= columns) {
        fail(call->frame, call->span, "%s has no diagonal %lld", type_text(ctx, x->type), (long long)k);
        return NULL;
    }
    Part p = whole(x->type);
    p.start[0] = k < 0 ? -k : 0;
    p.start[1] = k > 0 ? k : 0;
    rows -= p.start[0];
    columns -= p.start[1];
    p.count[0] = p.count[1] = rows < columns ? rows : columns;
    x = take(ctx, x, &p);
    return node_einsum(ctx, 1, &x, labels, 1, out);
}

static Node *build_diag(Call *call)
{
    Node *x = value_real(call->frame, call->args[0]);
    int64_t k;
    if (!x || !call_integer(call, "k", 0, &k))
        return NULL;
    if (x->type->rank == 1)
        return matrix_of_diagonal(call, x, k);
    if (x->type->rank == 2)
        return diagonal_of_matrix(call, x, k);
    fail(call->frame, call->args[0].span, "'diag' takes a vector or a matrix, not %s",
         type_text(context_of(call), x->type));
    return NULL;
}

/* The sum of the main diagonals of the last two axes. */
static Node *build_trace(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = value_real(call->frame, call->args[0]);
    int in[RANK_MAX], rank = x ? x->type->rank : 0;
    const int *labels[1] = { in };
    if (x && rank < 2)
        fail(call->frame, call->args[0].span, "'trace' takes a matrix, not %s", type_text(ctx, x->type));
    if (rank < 2)
        return NULL;
    Part p = whole(x->type);
    int64_t *rows = &p.count[rank - 2], *columns = &p.count[rank - 1];
    *rows = *columns = *rows < *columns ? *rows : *columns;
    x = take(ctx, x, &p);
    for (int k = 0; k < rank; k++)
        in[k] = k == rank - 1 ? rank - 2 : k;
    return node_einsum(ctx, 1, &x, labels, rank - 2, in);
}

const Builtin part_builtins[] = {
    { "flip", build_flip, 1, 1, "axis", false },
    { "roll", build_roll, 1, 1, "shift axis", false },
    { "slice", build_slice, 1, 1, "start step count", false },
    { "pad", build_pad, 1, 2, "low high interior mode value", false },
    { "diag", build_diag, 1, 1, "k", false },
    { "trace", build_trace, 1, 1, "", false },
    { NULL, NULL, 0, 0, NULL, false },
};
