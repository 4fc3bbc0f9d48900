/* builtin_grid.c: the grid of `interp`: checked at compile time, and made into the table that its search reads.
 *
 * The search has a fixed number of steps: it looks into a table of 2^p - 1 points, filled up with infinity. */
#include "elaborate.h"

#include <math.h>

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

static bool is_known(Context *ctx, Node *n)
{
    NodeList nodes = { 0 };
    bool known = true;
    ArenaMark mark = arena_mark(ctx->scratch);
    nodes_reaching(ctx, &n, 1, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        known &= nodes.at[k]->op != OP_param && nodes.at[k]->op != OP_bind;
    arena_release(ctx->scratch, mark);
    return known;
}

static bool check_order(Call *call, const double *points, int64_t count)
{
    for (int64_t k = 0; k < count; k++) {
        if (isfinite(points[k]) && (k == 0 || points[k] > points[k - 1]))
            continue;
        fail(call->frame, call->args[0].span, "the points of a grid must %s: point %lld is %.17g%s",
             isfinite(points[k]) ? "ascend" : "be finite", (long long)k, points[k],
             isfinite(points[k]) ? str_format(context_of(call), ", after %.17g", points[k - 1]) : "");
        return false;
    }
    return true;
}

/* xs, ys: the points as a constant. */
static Node *build_grid(Call *call)
{
    Context *ctx = context_of(call);
    Node *xs = value_real(call->frame, call->args[0]), *ys = value_real(call->frame, call->args[1]);
    if (!xs || !ys)
        return NULL;
    if (xs->type->rank != 1 || xs->type->count < 2 || xs->type != ys->type) {
        fail(call->frame, call->args[xs->type->rank == 1 && xs->type->count >= 2].span,
             "'interp' takes a grid of at least two points and as many values, not %s and %s", type_text(ctx, xs->type),
             type_text(ctx, ys->type));
        return NULL;
    }
    if (!is_known(ctx, xs)) {
        fail(call->frame, call->args[0].span, "the grid must be known at compile time");
        return NULL;
    }
    double *points = NEW_ARRAY(ctx->arena, double, xs->type->count);
    node_data(ctx, xs, points);
    return check_order(call, points, xs->type->count) ? node_constant(ctx, xs->type, points) : NULL;
}

/* Of a grid: the points between the first and the last, and infinities up to 2^p - 1 of them. */
static Node *build_search_table(Call *call)
{
    Context *ctx = context_of(call);
    const Node *grid = value_tensor(call->frame, call->args[0]);
    int64_t inner = grid->type->count - 2, size = 1;
    while (size < inner)
        size = 2 * size + 1;
    double *points = NEW_ARRAY(ctx->arena, double, size);
    for (int64_t k = 0; k < size; k++)
        points[k] = k < inner ? grid->data[k + 1] : INFINITY;
    return node_constant(ctx, type_sized(ctx, ELEM_REAL, 1, &size), points);
}

const Builtin grid_builtins[] = {
    { "grid", build_grid, 2, 2, "", true },
    { "search_table", build_search_table, 1, 1, "", true },
    { NULL, NULL, 0, 0, NULL, false },
};
