/* engine.c: functions by the engine that was asked for: LLVM's code in this process, or the system compiler's in
 * another.
 *
 * Workspace and outputs are full of NaN bytes on entry here too, and results that are added to start at 1.  Who only
 * wants the results gives a workspace of his own. */
#include "driver.h"

#include <math.h>
#include <string.h>

/* Keeps a model's `main` or `sin` apart from what this process has. */
static const char engine_prefix[] = "run_";
static const double engine_start = 3e7;                     /* nanoseconds: to load LLVM, and to compile something small */

int engine_forward(Fn *const *all, const Fn *fn)
{
    int k = 0;
    while (all[k] && all[k]->name != fn->forward->name) k++;
    return k;
}

Fn **engine_functions(Context *ctx, Fn **fns, int count, int *total)
{
    Fn **all = NEW_ARRAY(ctx->arena, Fn *, 2 * count + 1);  /* NULL at its end */
    memcpy(all, fns, sizeof *fns * (size_t)count);
    *total = count;
    for (int k = 0; k < count; k++)
        if (fns[k]->forward && !all[engine_forward(all, fns[k])]) all[(*total)++] = (Fn *)(uintptr_t)fns[k]->forward;
    return all;
}

/* The code has doubles where we have. */
static bool is_native(const Context *ctx, const Type *type) { return type->elem == ELEM_REAL && !ctx->options.is_float; }

static void *native_input(Context *ctx, const Tensor *tensor)
{
    size_t size = element_size(ctx, tensor->type->elem);
    if (is_native(ctx, tensor->type)) return tensor->data;
    char *copy = arena_alloc(ctx->scratch, size * (size_t)tensor->type->count);
    for (int64_t k = 0; k < tensor->type->count; k++)
        element_put(ctx, copy + (size_t)k * size, tensor->type->elem, tensor->data[k]);
    return copy;
}

static void *full_of_nan(Context *ctx, size_t size)
{
    return memset(arena_alloc(ctx->scratch, size), 255, size);
}

/* `output`: where the values shall be in the end; NULL: nowhere. */
static void *native_room(Context *ctx, const Result *result, const Tensor *output)
{
    const Type *type = result->node->type;
    size_t size = element_size(ctx, type->elem);
    if (output && is_native(ctx, type) && !result->accumulate) return memset(output->data, 255, size * (size_t)type->count);
    char *room = full_of_nan(ctx, size * (size_t)type->count);
    for (int64_t k = 0; result->accumulate && k < type->count; k++)
        element_put(ctx, room + (size_t)k * size, type->elem, 1);
    return room;
}

static void take_output(Context *ctx, const Result *result, const char *from, Tensor *output)
{
    const Type *type = result->node->type;
    size_t size = element_size(ctx, type->elem);
    if (from == (char *)output->data) return;
    for (int64_t k = 0; k < type->count; k++)
        output->data[k] = element_get(ctx, from + (size_t)k * size, type->elem) - result->accumulate;
    tensor_round(ctx, output);
}

static void enter(Context *ctx, LlvmEntry *entry, const Fn *fn, const Costs *costs, void *const *inputs,
                  void *const *outputs, void *tape, void *work)
{
    int count = 0;
    void **arguments = NEW_ARRAY(ctx->scratch, void *, fn->params.count + fn->results.count + 2);
    for (int k = 0; k < fn_input_count(fn); k++) arguments[count++] = inputs[k];
    if (costs->tape_elements && fn->forward) arguments[count++] = tape;
    for (int k = 0; k < fn_output_count(fn); k++) arguments[count++] = outputs[k];
    if (costs->tape_elements && !fn->forward) arguments[count++] = tape;
    if (costs->work_elements) arguments[count++] = work;
    entry(arguments);
}

static void **native_rooms(Context *ctx, const Fn *fn, const Tensor *outputs)
{
    void **rooms = NEW_ARRAY(ctx->scratch, void *, fn->results.count + 1);
    for (int k = 0; k < fn_output_count(fn); k++) rooms[k] = native_room(ctx, &fn->results.at[k], outputs ? &outputs[k] : NULL);
    return rooms;
}

/* ---- functions in this process ----------------------------------------------------------------------------------- */
struct EngineCode {
    const LlvmBackend *backend;
    Fn **all; int count;                                    /* engine_functions */
    Program *program;
    const Costs *costs;
    LlvmCode *code;
    LlvmEntry **entries;
};

/* What a caller wants on the stack may be more than this process has. */
enum { STACK_MOST = 1 << 18 };

EngineCode *engine_lower(Context *ctx, const Source *source, Fn **fns, int count)
{
    EngineCode *code = NEW(ctx->arena, EngineCode);
    Str prefix = ctx->options.prefix;
    int64_t limit = ctx->options.stack_limit;
    ctx->options.prefix = str_intern(ctx, engine_prefix);
    if (limit > STACK_MOST) ctx->options.stack_limit = STACK_MOST;
    code->all = engine_functions(ctx, fns, count, &code->count);
    CodegenInput input = {code->all, code->count, source, NULL};
    code->program = codegen_lower(ctx, &input);
    codegen_costs(code->program, &code->costs);
    ctx->options.prefix = prefix;
    ctx->options.stack_limit = limit;
    return code;
}

static int64_t operations(const Costs *c)
{
    return c->adds + c->muls + c->divs + c->compares + 10 * c->calls;
}

/* Nanoseconds on an ordinary machine: what LLVM takes at each level to compile a piece of the program, and its code for
 * an operation. */
static const double compile_time[] = {7e3, 1e5, 2.5e5}, run_time[] = {0.5, 0.15, 0.1};

static double time_at(const EngineCode *code, int calls, int level)
{
    double time = 0;
    for (int k = 0; k < code->count; k++)
        time += compile_time[level] * (double)code->costs[k].size + run_time[level] * calls * (double)operations(&code->costs[k]);
    return time;
}

/* To optimise takes LLVM longer than most models run. */
static int level_for(const Context *ctx, const EngineCode *code, int calls)
{
    int level = 0;
    for (int k = 1; k <= ctx->options.level; k++) level = time_at(code, calls, k) < time_at(code, calls, level) ? k : level;
    return level;
}

double engine_time(const Context *ctx, const EngineCode *code, int calls)
{
    return time_at(code, calls, level_for(ctx, code, calls));
}

bool engine_load(Context *ctx, EngineCode *code, Engine engine, int calls)
{
    int level = engine == ENGINE_JIT ? level_for(ctx, code, calls) : ctx->options.level;
    code->backend = llvm_backend(ctx, false);
    code->code = code->backend ? code->backend->load(ctx, code->program, level) : NULL;
    if (!code->code) return false;
    code->entries = NEW_ARRAY(ctx->arena, LlvmEntry *, code->count + 1);
    for (int k = 0; k < code->count; k++)
        code->entries[k] = code->backend->entry(ctx, code->code, str_format(ctx, "%s%s", engine_prefix, code->all[k]->name));
    return true;
}

size_t engine_work(const EngineCode *code, int fn) { return (size_t)code->costs[fn].work_bytes; }

void engine_call(Context *ctx, const EngineCode *code, NativeCall *call, void *work)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    const Fn *fn = code->all[call->fn];
    const Costs *costs = &code->costs[call->fn];
    void **inputs = NEW_ARRAY(ctx->scratch, void *, fn->params.count + 1), **outputs = native_rooms(ctx, fn, call->outputs);
    void *tape = full_of_nan(ctx, (size_t)costs->tape_bytes + 1);
    if (!work) work = full_of_nan(ctx, engine_work(code, call->fn));
    for (int k = 0; k < fn_input_count(fn); k++) inputs[k] = native_input(ctx, &call->inputs[k]);
    if (fn->forward && costs->tape_elements) {
        int before = engine_forward(code->all, fn);
        enter(ctx, code->entries[before], code->all[before], &code->costs[before], inputs,
              native_rooms(ctx, code->all[before], NULL), tape, full_of_nan(ctx, engine_work(code, before)));
    }
    enter(ctx, code->entries[call->fn], fn, costs, inputs, outputs, tape, work);
    for (int k = 0; k < fn_output_count(fn); k++) take_output(ctx, &fn->results.at[k], outputs[k], &call->outputs[k]);
    call->done = true;
    arena_release(ctx->scratch, mark);
}

void engine_unload(EngineCode *code)
{
    if (code->code) code->backend->unload(code->code);
    code->code = NULL;
}

static NativeStatus llvm_run(Context *ctx, Engine engine, const Source *source, Fn **fns, int fn_count,
                             NativeCall *calls, int count)
{
    EngineCode *code = engine_lower(ctx, source, fns, fn_count);
    bool loaded = engine_load(ctx, code, engine, count);
    for (int k = 0; loaded && k < count; k++) engine_call(ctx, code, &calls[k], NULL);
    engine_unload(code);
    return loaded ? NATIVE_DONE : NATIVE_FAILED;
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */
unsigned engines_of(Context *ctx, const Command *command)
{
    if (command->engines) return command->engines;
    return ENGINE_EVAL | (llvm_backend(ctx, true) ? ENGINE_JIT : ENGINE_C);
}

/* LLVM takes longer to begin than most functions to be evaluated once. */
Engine engine_to_run(Context *ctx, const Command *command, const Fn *reference)
{
    if (command->engines) return (Engine)command->engines;
    return fn_eval_cost(ctx, reference, NULL) < engine_start || !llvm_backend(ctx, true) ? ENGINE_EVAL : ENGINE_JIT;
}

const char *engine_name(Engine engine)
{
    return engine == ENGINE_EVAL ? "evaluator" : engine == ENGINE_C ? "compiled" : "by LLVM";
}

NativeStatus engine_run(Context *ctx, Engine engine, const Source *source, Fn **fns, int fn_count, NativeCall *calls,
                        int call_count)
{
    if (!call_count) return NATIVE_DONE;
    return engine == ENGINE_C ? native_run(ctx, source, fns, fn_count, calls, call_count)
                              : llvm_run(ctx, engine, source, fns, fn_count, calls, call_count);
}
