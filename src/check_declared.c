/* check_declared.c: every `derivative` declaration against differences of the function itself, whatever is exported.
 *
 * The function is evaluated by its body or its C code, never by the declaration. */
#include "check.h"

#include <math.h>

static const double tolerance = 1e-6;

typedef struct Declaration {
    const DeclaredDerivative *declared;
    const Fn *fn, *rule;                                    /* without derivatives of their own */
    int which, argument;                                    /* the partial derivative, and what it is by */
} Declaration;

/* A point, and the direction of the one argument. */
static Point point_new(Check *check, const Declaration *d, int attempt)
{
    Arena *arena = check->ctx->arena;
    int count = d->fn->params.count;
    Point point = {NEW_ARRAY(arena, Tensor, count + 1), NEW_ARRAY(arena, Tensor, count + 1), NEW_ARRAY(arena, Tensor, 1)};
    double low, high;
    check_domain(attempt, &low, &high);
    for (int k = 0; k < count; k++) {
        const Type *type = d->fn->params.at[k].node->type;
        point.x[k] = check_random(check, type, low, high);
        point.v[k] = k == d->argument ? check_random(check, type, 1, 1) : check_zeros(check, type);
    }
    point.u[0] = check_random(check, d->fn->results.at[0].node->type, 1, 1);
    return point;
}

static double partial_at(Check *check, const Declaration *d, const Point *point)
{
    int count = d->fn->params.count;
    Arena *arena = arena_new();
    Tensor *inputs = NEW_ARRAY(arena, Tensor, count + 1);
    for (int k = 0; k < count; k++) inputs[k] = point->x[k];
    inputs[count] = check_evaluate(check, d->fn, CHECK_POINTS, point->x, arena)[0];
    double partial = check_evaluate(check, d->rule, CHECK_POINTS, inputs, arena)[d->which].data[0];
    arena_free(arena);
    return partial;
}

static void report(Check *check, const Declaration *d, const Point *point, double got, double want)
{
    Context *ctx = check->ctx;
    Text text = {.arena = ctx->arena};
    for (int k = 0; k < d->fn->params.count; k++) {
        text_printf(&text, "%s%s = ", k ? ", " : "", d->rule->params.at[k].name);
        number_print(ctx, &text, d->fn->params.at[k].node->type->elem, point->x[k].data[0], false);
    }
    error_at(ctx, d->declared->partials->at[d->which]->span,
             "this is not the derivative of '%s' by '%s': at %s it is %.9g, but differences give %.9g", d->declared->name,
             d->rule->params.at[d->argument].name, text.text, got, want);
}

static bool check_partial(Check *check, const Declaration *d)
{
    Finding finding = {0};
    for (int attempt = 0; attempt < CHECK_ATTEMPTS; attempt++) {
        Point point = point_new(check, d, attempt);
        double moved, want = check_difference(check, d->fn, &point, &moved), got = partial_at(check, d, &point);
        double scale = fmax(1, fabs(want)), error = fabs(got - want) / scale;
        if (!isfinite(want) || moved > 0.1 * tolerance * scale) continue;
        if (!(error <= tolerance) && finding.verdict != FAILED) report(check, d, &point, got, want);
        finding_note(&finding, error, tolerance);
    }
    return check_row(str_format(check->ctx, "derivative %s", d->declared->name),
                     str_format(check->ctx, "differences by %s", d->rule->params.at[d->argument].name), &finding);
}

static bool check_declaration(Check *check, const DeclaredDerivative *declared)
{
    Declaration d = {declared, diff_expand(check->ctx, declared->fn), diff_expand(check->ctx, declared->rule), 0, 0};
    bool good = true;
    if (!d.fn || !d.rule || !externs_ready(check->ctx, d.fn) || !externs_ready(check->ctx, d.rule)) return false;
    if (check->ctx->options.is_float && (externs_called(check->ctx, d.fn) || externs_called(check->ctx, d.rule))) {
        printf("derivative %-13s left out: a C function of floats is too coarse for differences\n", declared->name);
        return true;
    }
    for (int k = 0; k < d.fn->params.count; k++) {
        if (!is_real(d.fn->params.at[k].node->type)) continue;
        d.argument = k;
        good = check_partial(check, &d) && good;
        d.which++;
    }
    return good;
}

bool check_declared(Check *check)
{
    int count;
    const DeclaredDerivative *all = module_derivatives(check->ctx, check->module, &count);
    bool good = true;
    for (int k = 0; k < count; k++) good = check_declaration(check, &all[k]) && good;
    return good;
}
