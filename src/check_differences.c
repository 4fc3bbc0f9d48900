/* check_differences.c: a derivative T(h) as a number against differences of h.
 *
 * With random u over what is differentiated and random v over what it is differentiated by, u' J v from the export must
 * be the derivative of <u, h(x + e v)> by e.  So one rule covers gradients, products, Jacobians and Hessians of any
 * nesting.  For Hessians h is the gradient. */
#include "check.h"

#include <math.h>
#include <string.h>

enum { STEPS = 7, STEPS_LEAST = 2, CALLS = 9 };              /* CALLS: of the base, for one difference, about */
static const double tolerance = 1e-6;
static const double settled = 1e-9;                         /* no more steps */

/* One derivative function and what it differentiates. */
typedef struct Derivative {
    TransformKind kind;
    const Transform *transform;
    const Fn *inner;                                        /* its argument, whose inputs and results come first */
    const Fn *base;                                         /* what differences are taken of: inner, or its gradient */
    const Fn *fn;                                           /* the derivative */
} Derivative;

/* ---- differences -------------------------------------------------------------------------------- */
/* <u, base(x + step v)> */
static double weighted(Check *check, const Fn *base, const Point *point, double step)
{
    Arena *arena = arena_new();
    Tensor *inputs = NEW_ARRAY(arena, Tensor, base->params.count + 1);
    for (int k = 0; k < base->params.count; k++) {
        inputs[k] = point->x[k];
        if (!is_real(inputs[k].type)) continue;
        inputs[k].data = NEW_ARRAY(arena, double, inputs[k].type->count);
        for (int64_t i = 0; i < inputs[k].type->count; i++)
            inputs[k].data[i] = point->x[k].data[i] + step * point->v[k].data[i];
    }
    Tensor *results = check_evaluate(check, base, CALLS * CHECK_POINTS, inputs, arena);
    double sum = 0;
    for (int k = 0; k < base->results.count; k++)
        if (is_real(results[k].type)) sum += check_dot(&point->u[k], &results[k]);
    arena_free(arena);
    return sum;
}

/* Ridders: central differences at shrinking steps, extrapolated.  So are the means of both sides, which must lead to the
 * value at the point itself: of a function that jumps to and fro, two sides may agree that both lie elsewhere. */
double check_difference(Check *check, const Fn *base, const Point *point, double *moved)
{
    double slope[STEPS][STEPS], mean[STEPS][STEPS], best = NAN, step = 0.02, here = weighted(check, base, point, 0);
    *moved = INFINITY;
    for (int k = 0; k < STEPS && (k < STEPS_LEAST || *moved > settled * fmax(1, fabs(best))); k++, step /= 4) {
        double right = weighted(check, base, point, step), left = weighted(check, base, point, -step), factor = 16;
        slope[0][k] = (right - left) / (2 * step);
        mean[0][k] = 0.5 * right + 0.5 * left;
        for (int j = 1; j <= k; j++, factor *= 16) {
            slope[j][k] = (slope[j - 1][k] * factor - slope[j - 1][k - 1]) / (factor - 1);
            mean[j][k] = (mean[j - 1][k] * factor - mean[j - 1][k - 1]) / (factor - 1);
            double by = fmax(fabs(slope[j][k] - slope[j - 1][k]), fabs(slope[j][k] - slope[j - 1][k - 1]));
            bool leads_here = fabs(mean[j][k] - here) <= tolerance * fmax(1, fabs(here));
            if (by > *moved || isnan(by) || !leads_here) continue;
            *moved = by;
            best = slope[j][k];
        }
    }
    return best;
}

/* ---- the parts of a derivative function, by the names of the contract -------------------------------------------- */
static int new_param(const Derivative *d, Str stem, const char *suffix)
{
    size_t length = strlen(stem);
    for (int k = d->inner->params.count; k < d->fn->params.count; k++) {
        const char *name = d->fn->params.at[k].contract;
        if (strncmp(name, stem, length) == 0 && strcmp(name + length, suffix) == 0) return k;
    }
    return -1;
}

static int new_result(const Derivative *d, const char *name)
{
    for (int k = d->inner->results.count; k < d->fn->results.count; k++)
        if (strcmp(d->fn->results.at[k].contract, name) == 0) return k;
    return -1;
}

static int result_named(Check *check, const Derivative *d, Str stem, const char *suffix)
{
    return new_result(d, str_format(check->ctx, "%s%s", stem, suffix));
}

static int block(Check *check, const Derivative *d, Str first, Str second, const char *suffix)
{
    return new_result(d, first == second ? str_format(check->ctx, "%s%s", first, suffix)
                                         : str_format(check->ctx, "%s_%s%s", first, second, suffix));
}

/* Is the derivative taken by input k of the base? */
static bool is_wrt(Check *check, const Derivative *d, int k)
{
    Str name = d->inner->params.at[k].name;
    switch (d->kind) {
    case TRANSFORM_GRAD:
    case TRANSFORM_VJP: return result_named(check, d, name, "_grad") >= 0;
    case TRANSFORM_JVP:
    case TRANSFORM_HVP: return new_param(d, name, "_tangent") >= 0;
    case TRANSFORM_HESSIAN: return result_named(check, d, name, "_hessian") >= 0;
    case TRANSFORM_JACOBIAN:
        for (int j = 0; j < d->inner->results.count; j++)
            if (new_result(d, str_format(check->ctx, "%s_%s_jacobian", d->inner->results.at[j].name, name)) >= 0)
                return true;
        return false;
    default: return false;
    }
}

/* Second-order transforms weigh the gradients among the base's results; the others its real results. */
static bool is_weighted(Check *check, const Derivative *d, int k)
{
    const Result *result = &d->base->results.at[k];
    if (!is_real(result->node->type)) return false;
    switch (d->kind) {
    case TRANSFORM_GRAD:
        return result->node->type->rank == 0 && (!d->transform->of || d->transform->of == result->name);
    case TRANSFORM_VJP: return new_param(d, result->name, "_seed") >= 0;
    case TRANSFORM_JVP: return result_named(check, d, result->name, "_tangent") >= 0;
    case TRANSFORM_JACOBIAN:
        for (int j = 0; j < d->inner->params.count; j++)
            if (new_result(d, str_format(check->ctx, "%s_%s_jacobian", result->name, d->inner->params.at[j].name)) >= 0)
                return true;
        return false;
    default: return k >= d->inner->results.count;
    }
}

static Point point_new(Check *check, const Derivative *d, int attempt)
{
    Context *ctx = check->ctx;
    int inputs = d->base->params.count, results = d->base->results.count;
    Point point = {NEW_ARRAY(ctx->arena, Tensor, inputs + 1), NEW_ARRAY(ctx->arena, Tensor, inputs + 1),
                   NEW_ARRAY(ctx->arena, Tensor, results + 1)};
    double low, high;
    check_domain(attempt, &low, &high);
    for (int k = 0; k < inputs; k++) {
        const Type *type = d->base->params.at[k].node->type;
        point.x[k] = check_random(check, type, low, high);
        point.v[k] = is_real(type) && is_wrt(check, d, k) ? check_random(check, type, -1, 1) : check_zeros(check, type);
    }
    for (int k = 0; k < results; k++) {
        const Type *type = d->base->results.at[k].node->type;
        bool some = is_weighted(check, d, k);
        point.u[k] = !some                       ? check_zeros(check, type)
                     : d->kind == TRANSFORM_GRAD ? check_random(check, type, 1, 1)
                                                 : check_random(check, type, -1, 1);
    }
    return point;
}

/* The inputs of the derivative function: the base's, then its seeds or tangents. */
static Tensor *derivative_inputs(Check *check, const Derivative *d, const Point *point)
{
    Tensor *inputs = NEW_ARRAY(check->ctx->arena, Tensor, d->fn->params.count + 1);
    for (int k = 0; k < d->inner->params.count; k++) {
        inputs[k] = point->x[k];
        int tangent = new_param(d, d->inner->params.at[k].name, "_tangent");
        if (tangent >= 0) inputs[tangent] = point->v[k];
    }
    for (int k = 0; k < d->inner->results.count; k++) {
        int seed = new_param(d, d->inner->results.at[k].name, "_seed");
        if (seed >= 0) inputs[seed] = point->u[k];
    }
    for (int k = 0; k < d->fn->params.count; k++)
        if (!inputs[k].data)
            internal_error(check->ctx, "input '%s' has no place in the contract", d->fn->params.at[k].name);
    return inputs;
}

/* a' B b for a block of shape a, then b; or for the values at the places of a pattern. */
static double contract(const Tensor *a, const Tensor *matrix, const Pattern *pattern, const Tensor *b)
{
    double sum = 0;
    for (int k = 0; pattern && k < pattern->count; k++)
        sum += a->data[pattern->row[k]] * matrix->data[k] * b->data[pattern->column[k]];
    if (pattern) return sum;
    for (int64_t i = 0; i < a->type->count; i++)
        for (int64_t j = 0; j < b->type->count; j++)
            sum += a->data[i] * matrix->data[i * b->type->count + j] * b->data[j];
    return sum;
}

static double hessian_product(Check *check, const Derivative *d, const Point *point, const Tensor *results)
{
    double sum = 0;
    int first = d->inner->results.count;                    /* of the base's gradients */
    for (int p = 0; p < d->inner->params.count; p++)
        for (int q = 0; q < d->inner->params.count; q++) {
            int k = block(check, d, d->inner->params.at[p].name, d->inner->params.at[q].name, "_hessian");
            if (k < 0) continue;
            int up = -1, uq = -1;
            for (int r = first; r < d->base->results.count; r++) {
                if (d->base->results.at[r].contract == str_format(check->ctx, "%s_grad", d->inner->params.at[p].name))
                    up = r;
                if (d->base->results.at[r].contract == str_format(check->ctx, "%s_grad", d->inner->params.at[q].name))
                    uq = r;
            }
            if (up < 0 || uq < 0) internal_error(check->ctx, "a Hessian block without its gradients");
            const Pattern *pattern = d->fn->results.at[k].pattern;
            sum += contract(&point->u[up], &results[k], pattern, &point->v[q]);
            if (p != q) sum += contract(&point->v[p], &results[k], pattern, &point->u[uq]);
        }
    return sum;
}

/* u' J v out of the results of the derivative function. */
static double product(Check *check, const Derivative *d, const Point *point, const Tensor *results)
{
    const Fn *inner = d->inner;
    double sum = 0;
    int k;
    switch (d->kind) {
    case TRANSFORM_GRAD:
    case TRANSFORM_VJP:
        for (int p = 0; p < inner->params.count; p++)
            if ((k = result_named(check, d, inner->params.at[p].name, "_grad")) >= 0)
                sum += check_dot(&results[k], &point->v[p]);
        return sum;
    case TRANSFORM_JVP:
        for (int o = 0; o < inner->results.count; o++)
            if ((k = result_named(check, d, inner->results.at[o].name, "_tangent")) >= 0)
                sum += check_dot(&results[k], &point->u[o]);
        return sum;
    case TRANSFORM_JACOBIAN:
        for (int o = 0; o < inner->results.count; o++)
            for (int p = 0; p < inner->params.count; p++) {
                k = new_result(
                    d, str_format(check->ctx, "%s_%s_jacobian", inner->results.at[o].name, inner->params.at[p].name));
                if (k >= 0) sum += contract(&point->u[o], &results[k], d->fn->results.at[k].pattern, &point->v[p]);
            }
        return sum;
    case TRANSFORM_HVP:
        for (int r = inner->results.count; r < d->base->results.count; r++) {
            Str name = d->base->results.at[r].contract;
            int stem = (int)strlen(name) - (int)strlen("_grad");
            k = new_result(d, str_format(check->ctx, "%.*s_hvp", stem, name));
            if (k >= 0) sum += check_dot(&results[k], &point->u[r]);
        }
        return sum;
    default: return hessian_product(check, d, point, results);
    }
}

/* ---- making the functions ---------------------------------------------------------------------------------------- */
static Transform *compose(Check *check, TransformKind kind, const Transform *base, const Transform *like)
{
    Transform *t = NEW(check->ctx->arena, Transform);
    *t = *base;
    if (base->kind != TRANSFORM_NONE) {
        t->inner = (Transform *)base;
        t->function = NULL;
    }
    t->kind = kind;
    t->wrt = like->wrt;
    t->of = kind == TRANSFORM_GRAD ? like->of : NULL;
    t->accumulate = t->sparse = false;
    return t;
}

static Fn *build(Check *check, const ExportSpec *spec, const Transform *transform)
{
    ExportSpec full = {.name = spec->name, .name_span = spec->name_span, .transform = (Transform *)transform};
    return diff_export(check->ctx, check->module, &full);
}

static Transform *argument_of(Check *check, const Transform *t)
{
    if (t->inner) return t->inner;
    Transform *plain = NEW(check->ctx->arena, Transform);
    plain->span = t->span;
    plain->function = t->function;
    plain->function_span = t->function_span;
    return plain;
}

static Derivative derivative_of(Check *check, const ExportSpec *spec, const Transform *transform)
{
    bool is_split = transform->kind == TRANSFORM_SPLIT;     /* both functions in one, which is a vjp */
    Derivative d = {.kind = is_split ? TRANSFORM_VJP : transform->kind, .transform = transform};
    const Transform *argument = argument_of(check, transform);
    bool second = d.kind == TRANSFORM_HESSIAN || d.kind == TRANSFORM_HVP;
    d.fn = build(check, spec, transform);
    d.inner = build(check, spec, argument);
    d.base = second ? build(check, spec, compose(check, TRANSFORM_GRAD, argument, transform)) : d.inner;
    return d;
}

/* ---- the comparison -------------------------------------------------------------------------------- */
static double product_at(Check *check, const Derivative *d, const Point *point)
{
    Arena *arena = arena_new();
    double value = product(check, d, point, check_evaluate(check, d->fn, CHECK_POINTS, derivative_inputs(check, d, point), arena));
    arena_free(arena);
    return value;
}

/* Points where the differences themselves do not settle (a kink within reach, outside the domain) say nothing. */
static void compare(Check *check, const Derivative *d, Finding *finding)
{
    for (int attempt = 0; attempt < CHECK_ATTEMPTS && finding->points < CHECK_POINTS; attempt++) {
        Point point = point_new(check, d, attempt);
        double moved, want = check_difference(check, d->base, &point, &moved), got = product_at(check, d, &point);
        double scale = fmax(1, fabs(want));
        if (!isfinite(want) || moved > 0.1 * tolerance * scale) continue;
        finding_note(finding, fabs(got - want) / scale, tolerance);
    }
}

const Fn *check_differences(Check *check, const ExportSpec *spec, const Transform *transform, Finding *finding)
{
    if (transform->kind == TRANSFORM_NONE) transform = compose(check, TRANSFORM_VJP, transform, transform);
    Derivative d = derivative_of(check, spec, transform);
    if (!d.fn || !d.inner || !d.base) return NULL;
    compare(check, &d, finding);
    return d.base;
}
