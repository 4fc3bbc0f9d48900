/* check_evaluate.c: functions that only --check needs, such as what differences are taken of.
 *
 * What is sooner done by LLVM's code is compiled, when that is one of the engines.  Which functions are is a matter of
 * their operations, never of the clock, so that a check repeats to the last bit. */
#include "check.h"
#include "pass.h"

#include <string.h>

/* Nanoseconds: what is not worth a closer look, and what all passes and code generation take for a node. */
static const double small = 5e6, node_time = 4e4;

/* Results may have come without names of their own. */
static const Fn *named(Context *ctx, const Fn *fn)
{
    Fn *copy = arena_copy(ctx->arena, fn, sizeof *fn);
    copy->results.at = arena_copy(ctx->arena, fn->results.at, sizeof *fn->results.at * (size_t)fn->results.count);
    for (int k = 0; k < fn->results.count; k++) copy->results.at[k].name = str_format(ctx, "result_%d", k);
    return copy;
}

bool check_same_function(const Fn *a, const Fn *b)
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
        if (check_same_function(check->compiled.at[k].fn, fn)) return check->compiled.at[k].code;
    return NULL;
}

typedef struct Helper {
    const Fn *fn;                                           /* for the evaluator: as it is, or after all passes */
    const EngineCode *code;                                 /* NULL: the evaluator is as good, or an error message was written */
} Helper;

static Helper helper_new(Check *check, const Fn *fn, int calls)
{
    Context *ctx = check->ctx;
    int64_t nodes;
    if (calls * fn_eval_cost(ctx, fn, &nodes) < small + node_time * (double)nodes) return (Helper){fn, NULL};
    Fn *final = pass_finish(ctx, fn_strip_binds(ctx, named(ctx, fn)));
    const EngineCode *known = check_compiled(check, final);
    if (known) return (Helper){final, known};
    EngineCode *code = engine_lower(ctx, check->module->source, &final, 1);
    if (engine_time(ctx, code, calls) > calls * fn_eval_cost(ctx, final, NULL) || !engine_load(ctx, code, ENGINE_JIT, calls))
        return (Helper){final, NULL};
    vec_push(ctx->arena, &check->compiled, ((Compiled){final, code}));
    return (Helper){final, code};
}

/* Once per function; halves of a split are left to the evaluator.  C functions of floats cannot be called with doubles. */
static Helper helper_of(Check *check, const Fn *fn, int calls, bool is_float)
{
    bool whole = fn->results.count && fn_input_count(fn) == fn->params.count && fn_output_count(fn) == fn->results.count;
    if (!whole || !(check->engines & (ENGINE_LLVM | ENGINE_JIT)) || (is_float && externs_called(check->ctx, fn)))
        return (Helper){fn, NULL};
    if (!check->helpers) check->helpers = map_new(check->ctx->arena);
    Helper *known = map_get(check->helpers, fn);
    if (!known) {
        known = NEW(check->ctx->arena, Helper);
        *known = helper_new(check, fn, calls);
        map_put(check->helpers, fn, known);
    }
    return *known;
}

/* One for all: large ones take longer to make than the code takes with them. */
static void *workspace(Check *check, const EngineCode *code)
{
    size_t size = engine_work(code, 0);
    if (!check->work || size > check->work_size) {
        arena_free(check->work_arena);
        check->work_arena = arena_new();
        check->work = memset(arena_alloc(check->work_arena, size + 1), 255, size);
        check->work_size = size;
    }
    return check->work;
}

static Tensor *call(Check *check, const Helper *helper, const Tensor *inputs, Arena *arena)
{
    const Fn *fn = helper->fn;
    if (!helper->code) return fn_eval(check->ctx, fn, inputs, arena);
    Tensor *results = NEW_ARRAY(arena, Tensor, fn->results.count);
    for (int k = 0; k < fn->results.count; k++) {
        const Type *type = fn->results.at[k].node->type;
        results[k] = (Tensor){type, NEW_ARRAY(arena, double, type->count)};
    }
    NativeCall made = {0, inputs, results, false};
    engine_call(check->ctx, helper->code, &made, workspace(check, helper->code));
    return results;
}

Tensor *check_evaluate(Check *check, const Fn *fn, int calls, const Tensor *inputs, Arena *arena)
{
    bool is_float = check->ctx->options.is_float;
    check->ctx->options.is_float = false;
    Helper helper = helper_of(check, fn, calls, is_float);
    Tensor *results = call(check, &helper, inputs, arena);
    check->ctx->options.is_float = is_float;
    return results;
}

void check_forget(Check *check)
{
    for (int k = 0; k < check->compiled.count; k++) engine_unload(check->compiled.at[k].code);
    check->compiled.count = 0;
    check->helpers = NULL;
}
