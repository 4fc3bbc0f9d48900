/* check_evaluate.c: functions that only --check needs, such as what differences are taken of.
 *
 * What takes long is compiled by LLVM when that is one of the engines: such a function is evaluated dozens of times.
 * Which ones are is a matter of their operations, never of the clock, so that a check repeats to the last bit. */
#include "check.h"
#include "pass.h"

enum {
    WORTH_COMPILING = 300000,                               /* operations: to compile takes as long as a few of these */
    CALLS = 20                                              /* about */
};

/* Results may have come without names of their own. */
static const Fn *named(Context *ctx, const Fn *fn)
{
    Fn *copy = arena_copy(ctx->arena, fn, sizeof *fn);
    copy->results.at = arena_copy(ctx->arena, fn->results.at, sizeof *fn->results.at * (size_t)fn->results.count);
    for (int k = 0; k < fn->results.count; k++) copy->results.at[k].name = str_format(ctx, "result_%d", k);
    return copy;
}

static bool same_function(const Fn *a, const Fn *b)
{
    bool same = a->params.count == b->params.count && a->results.count == b->results.count;
    for (int k = 0; same && k < a->params.count; k++) same = a->params.at[k].node == b->params.at[k].node;
    for (int k = 0; same && k < a->results.count; k++)
        same = a->results.at[k].node == b->results.at[k].node && !a->results.at[k].accumulate && !b->results.at[k].accumulate;
    return same;
}

const EngineCode *check_compiled(const Check *check, const Fn *fn)
{
    for (int k = 0; k < check->compiled.count && !check->ctx->options.is_float; k++)
        if (same_function(check->compiled.at[k].fn, fn)) return check->compiled.at[k].code;
    return NULL;
}

/* NULL: the evaluator is as good, or an error message was written. */
static const EngineCode *code_of(Check *check, const Fn *fn)
{
    Context *ctx = check->ctx;
    Fn *final = pass_finish(ctx, fn_strip_binds(ctx, named(ctx, fn)));
    const EngineCode *known = check_compiled(check, final);
    if (known) return known;
    EngineCode *code = engine_lower(ctx, check->module->source, &final, 1);
    if (engine_cost(code, 0) < WORTH_COMPILING || !engine_load(ctx, code, ENGINE_JIT, CALLS)) return NULL;
    vec_push(ctx->arena, &check->compiled, ((Compiled){final, code}));
    return code;
}

/* Once per function; halves of a split are left to the evaluator.  C functions of floats cannot be called with doubles. */
static const EngineCode *helper_of(Check *check, const Fn *fn, bool is_float)
{
    static char none;
    bool whole = fn->results.count && fn_input_count(fn) == fn->params.count && fn_output_count(fn) == fn->results.count;
    if (!whole || !(check->engines & (ENGINE_LLVM | ENGINE_JIT)) || (is_float && externs_called(check->ctx, fn)))
        return NULL;
    if (!check->helpers) check->helpers = map_new(check->ctx->arena);
    void *known = map_get(check->helpers, fn);
    if (!known) {
        const EngineCode *code = code_of(check, fn);
        map_put(check->helpers, fn, known = code ? (void *)(uintptr_t)code : &none);
    }
    return known == &none ? NULL : known;
}

static Tensor *call(Check *check, const EngineCode *code, const Fn *fn, const Tensor *inputs, Arena *arena)
{
    Tensor *results = NEW_ARRAY(arena, Tensor, fn->results.count);
    for (int k = 0; k < fn->results.count; k++) {
        const Type *type = fn->results.at[k].node->type;
        results[k] = (Tensor){type, NEW_ARRAY(arena, double, type->count)};
    }
    NativeCall made = {0, inputs, results, false};
    engine_call(check->ctx, code, &made);
    return results;
}

Tensor *check_evaluate(Check *check, const Fn *fn, const Tensor *inputs, Arena *arena)
{
    bool is_float = check->ctx->options.is_float;
    check->ctx->options.is_float = false;
    const EngineCode *code = helper_of(check, fn, is_float);
    Tensor *results = code ? call(check, code, fn, inputs, arena) : fn_eval(check->ctx, fn, inputs, arena);
    check->ctx->options.is_float = is_float;
    return results;
}

void check_forget(Check *check)
{
    for (int k = 0; k < check->compiled.count; k++) engine_unload(check->compiled.at[k].code);
    check->compiled.count = 0;
    check->helpers = NULL;
}
