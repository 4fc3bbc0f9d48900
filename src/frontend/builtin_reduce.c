/* builtin_reduce.c: builtins that reduce over axes, or run along one.
 *
 * max and min are reductions of one value and elementwise with two. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

/* x without the axes, which are 1, unless they are to be kept. */
static Node *dropped(const Call *call, Node *x, int count, const int *axes, bool keepdim)
{
    int64_t sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0, next = 0; k < x->type->rank; k++) {
        if (next < count && axes[next] == k)
            next++;
        else
            sizes[rank++] = type_size(x->type, k);
    }
    return keepdim ? x : node_reshape(context_of(call), x, type_sized(context_of(call), x->type->elem, rank, sizes));
}

/* ---- reductions -------------------------------------------------------------------------------------------------- */
/* The axes, and whether they stay as 1; -1 after an error message. */
static int reduced_axes(Call *call, const Node *x, int *axes, bool *keepdim)
{
    int count = x ? call_axes(call, x->type->rank, axes) : -1;
    return count >= 0 && call_truth(call, "keepdim", false, keepdim) ? count : -1;
}

static Node *reduce(Call *call, Op op)
{
    Node *x = value_number(call->frame, call->args[0]);
    bool keepdim;
    int axes[RANK_MAX], count = reduced_axes(call, x, axes, &keepdim);
    if (count < 0)
        return NULL;
    return node_reduce(context_of(call), op, x, count, axes, keepdim);
}

static Node *build_sum(Call *call) { return reduce(call, OP_sum); }

/* Of numbers that are finite only one which overflowed and then met a zero is NaN: it is 0. */
static Node *real_product(Context *ctx, Node *x, int count, const int *axes)
{
    int from_end[RANK_MAX];
    Node *product = node_reduce(ctx, OP_prod, x, count, axes, true);
    Node *zero = node_sum(ctx, node_binary(ctx, OP_sub, x, x), count, axes, true);
    Node *value = node_where(ctx, node_unary(ctx, OP_isnan, product), zero, product);
    for (int k = 0; k < count; k++)
        from_end[k] = axes[k] - x->type->rank;
    return node_ruled(ctx, OP_product_like, 2, (Node *[]){ value, x }, count, from_end);
}

static Node *build_prod(Call *call)
{
    Node *x = value_number(call->frame, call->args[0]);
    bool keepdim;
    int axes[RANK_MAX], count = reduced_axes(call, x, axes, &keepdim);
    if (count < 0)
        return NULL;
    if (x->type->elem != ELEM_REAL || count == 0)
        return node_reduce(context_of(call), OP_prod, x, count, axes, keepdim);
    return dropped(call, real_product(context_of(call), x, count, axes), count, axes, keepdim);
}

/* What a printed graph has. */
static Node *build_plain_prod(Call *call) { return reduce(call, OP_prod); }

static bool is_int(Value v)
{
    return v.kind == VALUE_TENSOR && v.node->type->elem == ELEM_INT;
}

/* A bound that is a number as written is PyTorch's clamp, with derivative 1 at the bound; between two values a tie
 * shares its derivative. */
static Node *choose(Call *call, Op op)
{
    Context *ctx = context_of(call);
    Value a = call->args[0], b = call->args[1];
    if (a.is_literal && !b.is_literal) {
        a = call->args[1];
        b = call->args[0];
    }
    if (!b.is_literal || (is_int(a) && is_int(b)))
        return build_elementwise(call->frame, call->span, op, 2, call->args);
    Value open = value_of(node_real(ctx, op == OP_max ? INFINITY : -INFINITY), b.span);
    return build_elementwise(call->frame, call->span, OP_clamp, 3,
                             op == OP_max ? (Value[]){ a, b, open } : (Value[]){ a, open, b });
}

static Node *reduce_or_choose(Call *call, Op reduction, Op elementwise)
{
    const Value *option = call_option(call, "axis") ? call_option(call, "axis") : call_option(call, "keepdim");
    if (call->count == 1)
        return reduce(call, reduction);
    if (!option)
        return choose(call, elementwise);
    fail(call->frame, option->span, "'%s' of two values is elementwise and has no options", call->builtin->name);
    return NULL;
}

static Node *build_max(Call *call) { return reduce_or_choose(call, OP_max_reduce, OP_max); }
static Node *build_max_first(Call *call) { return reduce(call, OP_max_first); }
static Node *build_min(Call *call) { return reduce_or_choose(call, OP_min_reduce, OP_min); }

/* ---- along an axis ----------------------------------------------------------------------------------------------- */
static Node *build_recurrence(Call *call)
{
    Context *ctx = context_of(call);
    Node *a = value_real(call->frame, call->args[0]), *b = value_real(call->frame, call->args[1]);
    const Value *given = call_option(call, "axis");
    const Type *type = a && b ? type_broadcast(ctx, a->type, b->type) : NULL;
    if (a && b && !type)
        fail(call->frame, call->span, "shapes %s and %s do not fit together", shape_text(ctx, a->type),
             shape_text(ctx, b->type));
    bool forget = false;
    if (!type || !check_size(call->frame, call->span, type) || !call_truth(call, "forget", false, &forget))
        return NULL;
    int axis = type->rank - 1;
    if (type->rank == 0)
        return call_axis_of_scalar(call, given) ? b : NULL;
    if (given && !call_axis(call, given, type->rank, &axis))
        return NULL;
    return node_recurrence(ctx, node_expand(ctx, a, type), node_expand(ctx, b, type), axis, forget);
}

/* ---- for the prelude --------------------------------------------------------------------------------------------- */
/* A value, x, w and perhaps v and u; the op is named like the builtin. */
static Node *build_ruled(Call *call)
{
    Node *operands[RULED_MOST];
    int axes[RANK_MAX];
    for (int k = 0; k < call->count; k++)
        if (!(operands[k] = value_real(call->frame, call->args[k])))
            return NULL;
    int rank = operands[0]->type->rank, count = call_axes(call, rank, axes);
    for (int k = 0; k < count; k++)
        axes[k] -= rank;
    return count < 0 ? NULL
        : node_ruled(context_of(call), (Op)op_find(call->builtin->name), call->count, operands, count, axes);
}

/* How many elements a reduction over the axes takes together. */
static Node *build_extent(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]);
    int axes[RANK_MAX], count = x ? call_axes(call, x->type->rank, axes) : -1;
    int64_t extent = 1;
    for (int k = 0; k < count; k++)
        extent *= type_size(x->type, axes[k]);
    return count < 0 ? NULL : node_int(context_of(call), extent);
}

static Node *build_rank(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]);
    return x ? node_int(context_of(call), x->type->rank) : NULL;
}

/* The axes that a reduction kept as 1 vanish, unless they are to be kept. */
static Node *build_drop(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]);
    bool keepdim;
    int axes[RANK_MAX], count = reduced_axes(call, x, axes, &keepdim);
    if (count < 0)
        return NULL;
    return dropped(call, x, count, axes, keepdim);
}

/* The first element along the axes, which are kept as 1. */
static Node *build_first(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]);
    int axes[RANK_MAX], count = x ? call_axes(call, x->type->rank, axes) : -1;
    int64_t starts[RANK_MAX] = { 0 }, steps[RANK_MAX], sizes[RANK_MAX];
    for (int k = 0, next = 0; count >= 0 && k < x->type->rank; k++) {
        bool reduced = next < count && axes[next] == k;
        next += reduced;
        steps[k] = 1;
        sizes[k] = reduced ? 1 : type_size(x->type, k);
    }
    return count < 0 ? NULL : node_slice(context_of(call), x, starts, steps, sizes);
}

/* What a loss makes of its terms: their mean, their sum, or themselves. */
static Node *build_reduced(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = value_real(call->frame, call->args[0]);
    const Value *v = call_option(call, "reduction");
    int axes[RANK_MAX], count = x ? call_axes(call, x->type->rank, axes) : -1;
    if (count < 0 || strcmp(v->text, "none") == 0)
        return x;
    Node *sum = node_sum(ctx, x, count, axes, false);
    return strcmp(v->text, "sum") == 0 ? sum : node_binary(ctx, OP_div, sum, node_real(ctx, (double)x->type->count));
}

/* Whether an argument or option that may be left out is there. */
static Node *build_given(Call *call)
{
    return node_bool(context_of(call), call->args[0].kind != VALUE_WORD);
}

/* An option that steers what is built: a constant with a bound, or true or false; its name is the second argument. */
static Node *bounded(Call *call, bool may_be_zero)
{
    Str name = call->args[1].text;
    double value;
    if (!value_constant(call->frame, call->args[0], str_format(context_of(call), "'%s'", name), &value))
        return NULL;
    if (value > 0 || (may_be_zero && value == 0))
        return call->args[0].node;
    fail(call->frame, call->args[0].span, "'%s' must be %s, not %g", name,
         may_be_zero ? "at least 0" : "positive", value);
    return NULL;
}

static Node *build_positive(Call *call) { return bounded(call, false); }
static Node *build_not_negative(Call *call) { return bounded(call, true); }

/* One that may be known only when the program runs. */
static Node *build_whole(Call *call)
{
    Node *x = value_tensor(call->frame, call->args[0]);
    if (!x || (x->type->elem == ELEM_INT && x->type->rank == 0))
        return x;
    fail(call->frame, call->args[0].span, "'%s' must be an int, not %s", call->args[1].text,
         type_text(context_of(call), x->type));
    return NULL;
}

static Node *build_truth(Call *call)
{
    bool truth;
    const char *what = str_format(context_of(call), "'%s'", call->args[1].text);
    return value_truth(call->frame, call->args[0], what, &truth) ? node_bool(context_of(call), truth) : NULL;
}

static Node *build_refuse(Call *call)
{
    fail(call->frame, call->span, "%s", call->args[0].text);
    return NULL;
}

const Builtin reduce_builtins[] = {
    { "sum", build_sum, 1, 1, "axis keepdim", false },
    { "prod", build_prod, 1, 1, "axis keepdim", false },
    { "plain_prod", build_plain_prod, 1, 1, "axis keepdim", false },
    { "max", build_max, 1, 2, "axis keepdim", false },
    { "min", build_min, 1, 2, "axis keepdim", false },
    { "max_first", build_max_first, 1, 1, "axis keepdim", false },
    { "recurrence", build_recurrence, 2, 2, "axis forget", false },
    { "cumprod_slope", build_ruled, 2, 2, "axis", true },
    { "with_slope", build_ruled, 3, 3, "axis", true },
    { "centred_like", build_ruled, 2, 2, "axis", true },
    { "softmax_like", build_ruled, 3, 3, "axis", true },
    { "softmax_slope", build_ruled, 4, 4, "axis", true },
    { "softmax_centred", build_ruled, 4, 4, "axis", true },
    { "softmax_uncentred", build_ruled, 4, 4, "axis", true },
    { "direction_like", build_ruled, 3, 3, "axis", true },
    { "power_direction_like", build_ruled, 4, 4, "axis", true },
    { "norm_curvature", build_ruled, 5, 5, "axis", true },
    { "log_softmax_like", build_ruled, 3, 3, "axis", true },
    { "extent", build_extent, 1, 1, "axis", true },
    { "rank", build_rank, 1, 1, "", true },
    { "first", build_first, 1, 1, "axis", true },
    { "drop", build_drop, 1, 1, "axis keepdim", true },
    { "reduced", build_reduced, 1, 1, "reduction", true },
    { "given", build_given, 1, 1, "", true },
    { "positive", build_positive, 2, 2, "", true },
    { "not_negative", build_not_negative, 2, 2, "", true },
    { "whole", build_whole, 2, 2, "", true },
    { "truth", build_truth, 2, 2, "", true },
    { "refuse", build_refuse, 1, 1, "", true },
    { NULL, NULL, 0, 0, NULL, false },
};
