/* test.c: --test: the test statements of files, by every engine that is wanted.
 *
 * Invariant: a test counts once, as passed, if every engine that runs gives every expected value; whatever keeps a test
 * from running (an error in the file, in its function or in the compiled program) counts as failed. */
#include "driver.h"
#include "pass.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct Target {
    Str name;
    Fn *reference, *fn;                                     /* fn NULL: it could not be made */
    int index;                                              /* among the compiled ones */
} Target;

typedef struct Run {                                        /* one test */
    const TestCase *test;
    Target *target;
    Tensor *inputs;
    int *results;                                           /* of the function, one per expected value */
    NativeCall call;
    bool failed;
} Run;

typedef struct Suite {                                      /* one file */
    Context *ctx;
    Module *module;
    double within;
    unsigned engines;
    Vec(Target *) targets;
    Vec(Fn *) fns;                                          /* to be compiled */
    Run *runs; int count;
} Suite;

/* ---- binding a test to its function ------------------------------------------------------------------------------ */
static Target *target_of(Suite *suite, const TestCase *test)
{
    Context *ctx = suite->ctx;
    for (int k = 0; k < suite->targets.count; k++)
        if (suite->targets.at[k]->name == test->target) return suite->targets.at[k];
    Target *target = NEW(ctx->arena, Target);
    target->name = test->target;
    const ExportSpec *spec = target_find(ctx, suite->module, test->target);
    if (spec) target->fn = pass_run(ctx, suite->module, spec, &target->reference);
    if (target->fn && !externs_ready(ctx, target->reference)) target->fn = NULL;
    if (target->fn) {
        target->index = suite->fns.count;
        vec_push(ctx->arena, &suite->fns, target->fn);
    }
    vec_push(ctx->arena, &suite->targets, target);
    return target;
}

static bool type_fits(const Type *given, const Type *wanted)
{
    if (!type_same_shape(given, wanted)) return false;
    return given->elem == wanted->elem || (given->elem == ELEM_INT && wanted->elem == ELEM_REAL);
}

static bool check_type(Context *ctx, const TestValue *value, Str name, const Type *wanted)
{
    if (type_fits(value->type, wanted)) return true;
    error_at(ctx, value->span, "expected %s for '%s', found %s", type_text(ctx, wanted), name,
             type_text(ctx, value->type));
    return false;
}

static int param_of(const Fn *fn, const TestValue *value)
{
    if (!value->name) return value->position < fn_input_count(fn) ? value->position : -1;
    for (int k = 0; k < fn_input_count(fn); k++)
        if (fn->params.at[k].name == value->name) return k;
    return -1;
}

static bool bind_argument(Context *ctx, const Fn *fn, const TestValue *value, Tensor *inputs)
{
    int k = param_of(fn, value);
    if (k < 0 && value->name) error_at(ctx, value->span, "'%s' has no input '%s'", fn->name, value->name);
    else if (k < 0)
        error_at(ctx, value->span, "'%s' has %d inputs, this would be one more", fn->name, fn_input_count(fn));
    else if (inputs[k].data) error_at(ctx, value->span, "input '%s' is given twice", fn->params.at[k].name);
    else if (check_type(ctx, value, fn->params.at[k].name, fn->params.at[k].node->type)) {
        inputs[k] = (Tensor){fn->params.at[k].node->type, value->data};
        tensor_round(ctx, &inputs[k]);
        return true;
    }
    return false;
}

static bool bind_arguments(Context *ctx, Run *run, const Fn *fn)
{
    bool good = true;
    run->inputs = NEW_ARRAY(ctx->arena, Tensor, fn->params.count + 1);
    for (int k = 0; k < run->test->arguments.count; k++)
        if (!bind_argument(ctx, fn, &run->test->arguments.at[k], run->inputs)) good = false;
    for (int k = 0; k < fn_input_count(fn) && good; k++) {
        if (run->inputs[k].data) continue;
        error_at(ctx, run->test->span, "input '%s' of '%s' is missing", fn->params.at[k].name, fn->name);
        good = false;
    }
    return good;
}

static int result_of(Context *ctx, const Fn *fn, const TestValue *value)
{
    if (!value->name && fn_output_count(fn) != 1)
        error_at(ctx, value->span, "'%s' has %d results: say which by name", fn->name, fn_output_count(fn));
    if (!value->name) return fn_output_count(fn) == 1 ? 0 : -1;
    for (int k = 0; k < fn_output_count(fn); k++)
        if (fn->results.at[k].name == value->name) return k;
    error_at(ctx, value->span, "'%s' has no result '%s'", fn->name, value->name);
    return -1;
}

static bool bind_expected(Context *ctx, Run *run, const Fn *fn)
{
    int count = run->test->expected.count;
    run->results = NEW_ARRAY(ctx->arena, int, count + 1);
    for (int k = 0; k < count; k++) {
        const TestValue *value = &run->test->expected.at[k];
        int j = run->results[k] = result_of(ctx, fn, value);
        if (j < 0 || !check_type(ctx, value, fn->results.at[j].name, fn->results.at[j].node->type)) return false;
    }
    return true;
}

static Tensor *room_for(Context *ctx, const Fn *fn)
{
    Tensor *outputs = NEW_ARRAY(ctx->arena, Tensor, fn->results.count + 1);
    for (int k = 0; k < fn_output_count(fn); k++) {
        const Type *type = fn->results.at[k].node->type;
        outputs[k] = (Tensor){type, NEW_ARRAY(ctx->arena, double, type->count)};
    }
    return outputs;
}

static void bind(Suite *suite, Run *run)
{
    run->target = target_of(suite, run->test);
    const Fn *fn = run->target->fn;
    if (!fn || !bind_arguments(suite->ctx, run, fn) || !bind_expected(suite->ctx, run, fn)) {
        run->failed = true;
        return;
    }
    run->call = (NativeCall){run->target->index, run->inputs, room_for(suite->ctx, fn), false};
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */
static bool value_matches(double got, double want, double tolerance)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return isinf(got) && (got > 0) == (want > 0);
    return fabs(got - want) <= tolerance;
}

static double largest(const double *values, int64_t count)
{
    double most = 1;
    for (int64_t k = 0; k < count; k++)
        if (isfinite(values[k]) && fabs(values[k]) > most) most = fabs(values[k]);
    return most;
}

static void put_index(Text *text, const Type *type, int64_t k)
{
    int64_t place[RANK_MAX];
    for (int axis = type->rank - 1; axis >= 0; axis--) {
        place[axis] = k % type_size(type, axis);
        k /= type_size(type, axis);
    }
    for (int axis = 0; axis < type->rank; axis++) text_printf(text, "%s%" PRId64, axis ? ", " : "[", place[axis]);
    text_put(text, type->rank ? "]" : "");
}

static void report(Suite *suite, const Run *run, const char *engine, const Tensor *got, const TestValue *want,
                   int64_t k, double within, int64_t differing)
{
    Context *ctx = suite->ctx;
    Text text = {.arena = ctx->arena};
    Str name = want->name ? want->name : run->target->fn->results.at[0].name;
    text_printf(&text, "%s:%d: %s, %s: %s", run->test->span.source->path, span_line(run->test->span), run->test->target,
                engine, name);
    put_index(&text, got->type, k);
    text_put(&text, " is ");
    number_print(ctx, &text, got->type->elem, got->data[k], false);
    text_put(&text, ", expected ");
    number_print(ctx, &text, got->type->elem, want->data[k], false);
    text_printf(&text, " within %g", within);
    if (differing > 1) text_printf(&text, " (%" PRId64 " of %" PRId64 " elements differ)", differing, got->type->count);
    puts(text.text);
}

static bool compare_value(Suite *suite, const Run *run, const char *engine, const Tensor *got, const TestValue *want)
{
    double within = suite->within >= 0 ? suite->within : run->test->within;
    double tolerance = within * largest(want->data, want->type->count);
    int64_t first = -1, differing = 0;
    for (int64_t k = 0; k < got->type->count; k++) {
        if (value_matches(got->data[k], want->data[k], tolerance)) continue;
        if (first < 0) first = k;
        differing++;
    }
    if (differing) report(suite, run, engine, got, want, first, within, differing);
    return !differing;
}

static void compare(Suite *suite, Run *run, const char *engine, const Tensor *outputs)
{
    for (int k = 0; k < run->test->expected.count; k++)
        if (!compare_value(suite, run, engine, &outputs[run->results[k]], &run->test->expected.at[k]))
            run->failed = true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */
static void run_evaluator(Suite *suite, Run *run)
{
    if (run->failed || !(suite->engines & ENGINE_EVAL)) return;
    Arena *arena = arena_new();
    compare(suite, run, "evaluator", fn_eval(suite->ctx, run->target->reference, run->inputs, arena));
    arena_free(arena);
}

/* False when the engine is not there. */
static bool run_compiled(Suite *suite, Engine engine)
{
    Context *ctx = suite->ctx;
    NativeCall *calls = NEW_ARRAY(ctx->arena, NativeCall, suite->count + 1);
    Run **bound = NEW_ARRAY(ctx->arena, Run *, suite->count + 1);
    const char *name = engine_name(engine);
    int count = 0;
    if (!(suite->engines & engine)) return true;
    for (int k = 0; k < suite->count; k++) {
        if (!suite->runs[k].call.outputs) continue;
        bound[count] = &suite->runs[k];
        calls[count++] = suite->runs[k].call;
    }
    NativeStatus status = engine_run(ctx, engine, suite->module->source, suite->fns.at, suite->fns.count, calls, count);
    if (status == NATIVE_NO_COMPILER) return false;
    for (int k = 0; k < count; k++) {
        if (calls[k].done) compare(suite, bound[k], name, calls[k].outputs);
        else bound[k]->failed = true;
        if (!calls[k].done)
            printf("%s:%d: %s, %s: did not run\n", bound[k]->test->span.source->path,
                   span_line(bound[k]->test->span), bound[k]->test->target, name);
    }
    return true;
}

typedef struct { int passed, failed; bool unreadable, no_compiler; } Totals;

static void run_suite(Context *ctx, Module *module, const Command *command, Totals *totals)
{
    Suite suite = {.ctx = ctx, .module = module, .within = command->within, .engines = engines_of(ctx, command),
                   .count = module->tests.count};
    suite.runs = NEW_ARRAY(ctx->arena, Run, suite.count + 1);
    for (int k = 0; k < module->left_out.count; k++)
        warn_at(ctx, module->left_out.at[k].span, "this test is left out: %s", module->left_out.at[k].why);
    for (int k = 0; k < suite.count; k++) {
        suite.runs[k].test = module->tests.at[k];
        bind(&suite, &suite.runs[k]);
        run_evaluator(&suite, &suite.runs[k]);
    }
    if (!run_compiled(&suite, ENGINE_C)) totals->no_compiler = true;
    run_compiled(&suite, ENGINE_LLVM);
    run_compiled(&suite, ENGINE_JIT);
    for (int k = 0; k < suite.count; k++) *(suite.runs[k].failed ? &totals->failed : &totals->passed) += 1;
}

/* Each file has a context of its own, so that a long list needs no more memory than its largest file. */
static void run_file(const Context *parent, const char *path, const Command *command, Totals *totals)
{
    Context *ctx = context_new();
    options_copy(ctx, parent);
    Module *module = module_load(ctx, path);
    if (!module) totals->unreadable = true;
    if (module && !ctx->error_count && !externs_load(ctx)) totals->unreadable = true;
    if (module && !ctx->error_count) budget_plan(ctx, module);
    if (!module || ctx->error_count) totals->failed++;
    else run_suite(ctx, module, command, totals);
    context_free(ctx);
}

int command_test(Context *ctx, const Command *command)
{
    Totals totals = {0};
    for (int k = 0; k < command->files.count; k++) run_file(ctx, command->files.at[k], command, &totals);
    if (totals.no_compiler) puts("no C compiler was found (CC names one): only the evaluator ran");
    printf("%d passed, %d failed\n", totals.passed, totals.failed);
    return totals.unreadable ? EXIT_FILE : totals.failed ? EXIT_INPUT : EXIT_DONE;
}
