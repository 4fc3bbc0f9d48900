/* check.c: --check: every exported derivative against differences, forward mode against reverse mode, and the evaluator
 * against compiled code, at random points.
 *
 * Derivatives are checked in double, whatever --real says; only the compiled code is compared in the chosen type. */
#include "check.h"
#include "pass.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

static const double float_tolerance = 1e-3;
enum { COMPILED_MOST = 20 };                                /* functions that are kept for the next exports */

void finding_note(Finding *finding, double error, double tolerance)
{
    finding->points++;
    if (!(error <= finding->worst) && !isnan(finding->worst)) finding->worst = error;
    if (!(error <= tolerance)) finding->verdict = FAILED;
    else if (finding->verdict == UNDECIDED) finding->verdict = PASSED;
}

/* ---- random values ----------------------------------------------------------------------------------------------- */
static double draw(Check *check, double low, double high)
{
    uint64_t z = check->state += 0x9E3779B97F4A7C15u;       /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return low + (high - low) * ((double)(z >> 11) * 0x1p-53);
}

Tensor check_zeros(Check *check, const Type *type)
{
    return (Tensor){type, NEW_ARRAY(check->ctx->arena, double, type->count)};
}

Tensor check_random(Check *check, const Type *type, double low, double high)
{
    Tensor tensor = check_zeros(check, type);
    for (int64_t k = 0; k < type->count; k++) {
        if (type->elem == ELEM_REAL) tensor.data[k] = draw(check, low, high);
        else tensor.data[k] = floor(draw(check, 0, type->elem == ELEM_INT ? 4 : 2));
    }
    return tensor;
}

void check_domain(int attempt, double *low, double *high)
{
    static const double ranges[][2] = {{-1, 1}, {0.5, 1.5}, {0.1, 0.9}, {1.5, 3}};
    *low = ranges[attempt % 4][0];
    *high = ranges[attempt % 4][1];
}

Tensor *check_tremble(Check *check, int count, const Tensor *x)
{
    Tensor *moved = NEW_ARRAY(check->ctx->arena, Tensor, count + 1);
    for (int k = 0; k < count; k++) {
        moved[k] = check_zeros(check, x[k].type);
        for (int64_t i = 0; i < x[k].type->count; i++)
            moved[k].data[i] = x[k].data[i] * (is_real(x[k].type) ? 1 + draw(check, -4, 4) * 0x1p-52 : 1);
    }
    return moved;
}

double check_dot(const Tensor *a, const Tensor *b)
{
    double sum = 0;
    for (int64_t k = 0; k < a->type->count; k++) sum += a->data[k] * b->data[k];
    return sum;
}

/* ---- compiled code ----------------------------------------------------------------------------------------------- */
static double distance(const Tensor *got, const Tensor *want)
{
    double worst = 0, scale = 1;
    for (int64_t k = 0; k < want->type->count; k++) {
        double a = got->data[k], b = want->data[k];
        if (isfinite(b)) scale = fmax(scale, fabs(b));
        if ((isnan(a) && isnan(b)) || (isinf(a) && isinf(b) && (a > 0) == (b > 0))) continue;
        worst = isfinite(a - b) ? fmax(worst, fabs(a - b)) : INFINITY;
        if (!isfinite(worst)) return worst;
    }
    return worst / scale;
}

static double distances(const Fn *fn, const Tensor *got, const Tensor *want)
{
    double worst = 0;
    for (int k = 0; k < fn_output_count(fn); k++) worst = fmax(worst, distance(&got[k], &want[k]));
    return worst;
}

/* What the code may be off by at this point, where it is off by `error`. */
static double engine_tolerance(Check *check, const Fn *reference, int inputs, const Tensor *x, const Tensor *want, double error)
{
    double tremor = 0;
    if (check->ctx->options.is_float) return float_tolerance;
    for (int k = 0; k < CHECK_TREMORS && error > check_double_tolerance && error <= check_tolerance(INFINITY); k++) {
        const Tensor *near = fn_eval(check->ctx, reference, check_tremble(check, inputs, x), check->ctx->arena);
        tremor = fmax(tremor, distances(reference, near, want));
    }
    return check_tolerance(tremor);
}

static Finding check_engine(Check *check, Engine engine, Fn *reference, Fn *fn, NativeStatus *status)
{
    Context *ctx = check->ctx;
    NativeCall calls[CHECK_POINTS];
    Finding finding = {0};
    for (int k = 0; k < CHECK_POINTS; k++) {
        double low, high;
        check_domain(k, &low, &high);
        Tensor *inputs = NEW_ARRAY(ctx->arena, Tensor, fn->params.count + 1);
        Tensor *outputs = NEW_ARRAY(ctx->arena, Tensor, fn->results.count + 1);
        for (int j = 0; j < fn_input_count(fn); j++) {
            inputs[j] = check_random(check, fn->params.at[j].node->type, low, high);
            tensor_round(ctx, &inputs[j]);
        }
        for (int j = 0; j < fn_output_count(fn); j++) outputs[j] = check_zeros(check, fn->results.at[j].node->type);
        calls[k] = (NativeCall){0, inputs, outputs, false};
    }
    const EngineCode *known = engine == ENGINE_JIT ? check_compiled(check, fn) : NULL;
    for (int k = 0; k < CHECK_POINTS && known; k++) engine_call(ctx, known, &calls[k], NULL);
    *status = known ? NATIVE_DONE
                    : engine_run(ctx, engine, check->module->source, &fn, 1, calls, CHECK_POINTS);
    for (int k = 0; k < CHECK_POINTS && *status == NATIVE_DONE; k++) {
        Tensor *want = fn_eval(ctx, reference, calls[k].inputs, ctx->arena);
        double error = distances(fn, calls[k].outputs, want);
        finding_note(&finding, error, engine_tolerance(check, reference, fn_input_count(fn), calls[k].inputs, want, error));
    }
    if (*status == NATIVE_FAILED) finding.verdict = FAILED;
    return finding;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */
bool check_row(const char *export, const char *what, const Finding *finding)
{
    static const char *const words[] = {"undecided", "ok", "FAILED"};
    printf("%-24s %-22s %6d  ", export, what, finding->points);
    if (finding->points) printf("%9.1e", finding->worst);
    else printf("%9s", "-");
    printf("  %s\n", words[finding->verdict]);
    return finding->verdict != FAILED;
}

static bool has_stop(Context *ctx, const Fn *fn)
{
    Arena *arena = arena_new();
    NodeList nodes = {0};
    bool found = false;
    fn_nodes(ctx, fn, arena, &nodes);
    for (int k = 0; k < nodes.count && !found; k++) {
        const Node *n = nodes.at[k];
        found = n->op == OP_stop_gradient;
        for (int side = 0; side < 2 && node_is_region(n) && n->body[side] && !found; side++)
            found = has_stop(ctx, n->body[side]);
    }
    arena_free(arena);
    return found;
}

/* With stop_gradient a derivative is not the one that differences see, and is not meant to be. */
static bool detaches(Check *check, const Transform *transform)
{
    while (transform->inner) transform = transform->inner;
    return has_stop(check->ctx, module_function(check->ctx, check->module, transform->function, transform->function_span));
}

static bool check_derivative(Check *check, const ExportSpec *spec, const Transform *transform)
{
    Finding differences = {0};
    const Fn *base = check_differences(check, spec, transform, &differences);
    if (!base) return false;
    bool good = true;
    if (check->ctx->options.is_float && externs_called(check->ctx, base))
        printf("%-24s %-22s left out: a C function of floats is too coarse\n", spec->name, "differences");
    else if (detaches(check, transform))
        printf("%-24s %-22s left out: stop_gradient hides a part\n", spec->name, "differences");
    else good = check_row(spec->name, "differences", &differences);
    Finding modes = check_modes(check, base);
    return check_row(spec->name, "forward and reverse", &modes) && good;
}

static bool differentiable(const Fn *fn)
{
    bool input = false, result = false;
    for (int k = 0; k < fn->params.count; k++)
        input |= fn->params.at[k].is_param && is_real(fn->params.at[k].node->type);
    for (int k = 0; k < fn->results.count; k++) result |= is_real(fn->results.at[k].node->type);
    return input && result;
}

static bool compare_engine(Check *check, Engine engine, const ExportSpec *spec, Fn *reference, Fn *fn)
{
    NativeStatus status;
    if (!(check->engines & engine)) return true;
    Finding finding = check_engine(check, engine, reference, fn, &status);
    if (status != NATIVE_NO_COMPILER) return check_row(spec->name, engine_name(engine), &finding);
    printf("%-24s %-22s no C compiler was found (CC names one)\n", spec->name, engine_name(engine));
    return true;
}

static bool check_export(Check *check, const ExportSpec *spec)
{
    Fn *reference = NULL, *fn = pass_run(check->ctx, check->module, spec, &reference);
    if (!fn || !externs_ready(check->ctx, reference)) return false;
    bool good = true;
    if (spec->transform->kind != TRANSFORM_NONE || differentiable(reference))
        good = check_derivative(check, spec, spec->transform);
    good = compare_engine(check, ENGINE_C, spec, reference, fn) && good;
    good = compare_engine(check, ENGINE_LLVM, spec, reference, fn) && good;
    good = compare_engine(check, ENGINE_JIT, spec, reference, fn) && good;
    if (check->compiled.count > COMPILED_MOST) check_forget(check);
    return good;
}

/* The same arrays are wanted again and again: to give them back to the system takes longer than to compute with them. */
static void keep_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 25);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
#endif
}

int command_check(Context *ctx, Module *module, const Command *command)
{
    Check check = {.ctx = ctx, .module = module, .engines = engines_of(ctx, command), .state = command->seed};
    bool good = true;
    keep_memory();
    ctx->options.quiet_warnings = true;                     /* the helper functions would repeat them */
    printf("seed %llu, up to %d points\n", (unsigned long long)command->seed, CHECK_POINTS);
    printf("%-24s %-22s %6s  %9s\n", "export", "against", "points", "worst");
    if (!check_declared(&check)) good = false;
    check_forget(&check);
    for (int k = 0; k < module->exports.count; k++)
        if (!check_export(&check, module->exports.at[k])) good = false;
    check_forget(&check);
    arena_free(check.work_arena);
    return good && !ctx->error_count ? EXIT_DONE : EXIT_INPUT;
}
