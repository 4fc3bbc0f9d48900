/* check_modes.c: forward mode against reverse mode: <J' u, v> = <u, J v> for random u and v.
 *
 * The two sweeps are built here, straight from src/diff, by all real inputs; the exports' conventions have no part in
 * it. */
#include "check.h"

/* The base with derivatives by all its real inputs in reverse mode, or in forward mode: seeds or tangents come as
 * further inputs, and only what is not always zero as results; `of` says what each of them belongs to. */
typedef struct Mode { Fn *fn; int *of; } Mode;

static Node *extra_input(Check *check, Mode *mode, int k, const Type *type)
{
    while (check->directions.count <= k) vec_push(check->ctx->arena, &check->directions, NULL);
    if (!check->directions.at[k] || check->directions.at[k]->type != type)
        check->directions.at[k] = node_param(check->ctx, str_format(check->ctx, "direction_%d", k), type, mode->fn->span);
    Node *node = check->directions.at[k];
    Param param = {.name = node->origin.name, .node = node};
    vec_push(check->ctx->arena, &mode->fn->params, param);
    return node;
}

static Mode mode_new(Check *check, const Fn *base)
{
    Fn fn = {.name = base->name, .span = base->span};
    for (int k = 0; k < base->params.count; k++) vec_push(check->ctx->arena, &fn.params, base->params.at[k]);
    return (Mode){.fn = arena_copy(check->ctx->arena, &fn, sizeof fn)};
}

static void mode_results(Check *check, Mode *mode, Node *const *nodes, const int *of, int count)
{
    mode->of = NEW_ARRAY(check->ctx->arena, int, count + 1);
    for (int k = 0; k < count; k++) {
        if (!nodes[k]) continue;
        Result result = {.name = mode->fn->name, .node = nodes[k]};
        mode->of[mode->fn->results.count] = of[k];
        vec_push(check->ctx->arena, &mode->fn->results, result);
    }
}

/* The real inputs of a function and the real results: their nodes and places. */
typedef struct Reals { Node **nodes; int *of; int count; } Reals;

static void add_real(Reals *reals, Node *node, int k)
{
    if (!is_real(node->type)) return;
    reals->nodes[reals->count] = node;
    reals->of[reals->count++] = k;
}

static Reals real_inputs(Check *check, const Fn *fn)
{
    int count = fn->params.count + 1;
    Reals reals = {NEW_ARRAY(check->ctx->arena, Node *, count), NEW_ARRAY(check->ctx->arena, int, count), 0};
    for (int k = 0; k < fn->params.count; k++) add_real(&reals, fn->params.at[k].node, k);
    return reals;
}

static Reals real_results(Check *check, const Fn *fn)
{
    int count = fn->results.count + 1;
    Reals reals = {NEW_ARRAY(check->ctx->arena, Node *, count), NEW_ARRAY(check->ctx->arena, int, count), 0};
    for (int k = 0; k < fn->results.count; k++) add_real(&reals, fn->results.at[k].node, k);
    return reals;
}

static Mode build_mode(Check *check, const Fn *base, bool reverse)
{
    Context *ctx = check->ctx;
    Mode mode = mode_new(check, base);
    Reals inputs = real_inputs(check, base), results = real_results(check, base);
    const Reals *given = reverse ? &results : &inputs, *made = reverse ? &inputs : &results;
    Node **directions = NEW_ARRAY(ctx->arena, Node *, given->count + 1);
    Node **derivatives = NEW_ARRAY(ctx->arena, Node *, made->count + 1);
    for (int k = 0; k < given->count; k++) directions[k] = extra_input(check, &mode, k, given->nodes[k]->type);
    if (reverse)
        diff_reverse(ctx, results.count, results.nodes, directions, 0, inputs.count, inputs.nodes, derivatives, NULL);
    else diff_forward(ctx, inputs.count, inputs.nodes, directions, 0, results.count, results.nodes, derivatives);
    mode_results(check, &mode, derivatives, made->of, made->count);
    return mode;
}

/* <derivatives, weights> for the directions of the mode; both are indexed like the base's inputs or results. */
static double mode_product(Check *check, const Fn *base, const Mode *mode, const Tensor *x, const Tensor *directions,
                           const Tensor *weights)
{
    Arena *arena = arena_new();
    Tensor *inputs = NEW_ARRAY(arena, Tensor, mode->fn->params.count + 1);
    int given = base->params.count;
    for (int k = 0; k < base->params.count; k++) inputs[k] = x[k];
    for (int k = 0; given < mode->fn->params.count; k++)
        if (is_real(directions[k].type)) inputs[given++] = directions[k];
    const Tensor *results = check_evaluate(check, mode->fn, CHECK_POINTS, inputs, arena);
    double sum = 0;
    for (int k = 0; k < mode->fn->results.count; k++) sum += check_dot(&results[k], &weights[mode->of[k]]);
    arena_free(arena);
    return sum;
}

/* How far the product moves when the inputs do. */
static double tremor_of(Check *check, const Fn *base, const Mode *mode, const Tensor *x, const Tensor *directions,
                        const Tensor *weights, double value)
{
    double most = 0;
    for (int k = 0; k < CHECK_TREMORS; k++) {
        const Tensor *near = check_tremble(check, base->params.count, x);
        most = fmax(most, fabs(mode_product(check, base, mode, near, directions, weights) - value));
    }
    return most;
}

/* Where a value is not finite, one mode may have NaN where the other has the zero of what is not chosen. */
static bool values_are_finite(Check *check, const Fn *base, const Tensor *x)
{
    Arena *arena = arena_new();
    const Tensor *values = check_evaluate(check, base, CHECK_POINTS, x, arena);
    bool finite = true;
    for (int k = 0; k < base->results.count; k++)
        for (int64_t i = 0; i < values[k].type->count; i++) finite &= isfinite(values[k].data[i]);
    arena_free(arena);
    return finite;
}

/* <J' u, v> = <u, J v> */
static Finding compare_modes(Check *check, const Fn *base)
{
    Context *ctx = check->ctx;
    Finding finding = {0};
    Mode reverse = build_mode(check, base, true), forward = build_mode(check, base, false);
    for (int attempt = 0; attempt < CHECK_ATTEMPTS && finding.points < CHECK_POINTS; attempt++) {
        Tensor *x = NEW_ARRAY(ctx->arena, Tensor, base->params.count + 1);
        Tensor *v = NEW_ARRAY(ctx->arena, Tensor, base->params.count + 1);
        Tensor *u = NEW_ARRAY(ctx->arena, Tensor, base->results.count + 1);
        double low, high;
        check_domain(attempt, &low, &high);
        for (int k = 0; k < base->params.count; k++) {
            x[k] = check_random(check, base->params.at[k].node->type, low, high);
            v[k] = check_random(check, base->params.at[k].node->type, -1, 1);
        }
        for (int k = 0; k < base->results.count; k++)
            u[k] = check_random(check, base->results.at[k].node->type, -1, 1);
        double back = mode_product(check, base, &reverse, x, u, v),
               ahead = mode_product(check, base, &forward, x, v, u);
        if (!isfinite(ahead) && !isfinite(back)) continue;
        if ((!isfinite(ahead) || !isfinite(back)) && !values_are_finite(check, base, x)) continue;
        double scale = fmax(1, fabs(ahead)), error = fabs(back - ahead) / scale, tremor = 0;
        if (error > check_mode_tolerance)
            tremor = fmax(tremor_of(check, base, &reverse, x, u, v, back), tremor_of(check, base, &forward, x, v, u, ahead));
        bool says_nothing = error > check_mode_bound(INFINITY) && error <= tremor / scale;   /* noise */
        if (!says_nothing) finding_note(&finding, error, check_mode_bound(tremor / scale));
    }
    return finding;
}

/* Several exports differentiate one function. */
Finding check_modes(Check *check, const Fn *base)
{
    for (int k = 0; k < check->modes.count; k++)
        if (check_same_function(check->modes.at[k].base, base)) return check->modes.at[k].finding;
    ModesFound found = {base, compare_modes(check, base)};
    vec_push(check->ctx->arena, &check->modes, found);
    return found.finding;
}
