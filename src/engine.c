/* engine.c: functions by the engine that was asked for: LLVM's code in this process, or the system compiler's in
 * another.
 *
 * Workspace and outputs are full of NaN bytes on entry here too, and results that are added to start at 1. */
#include "driver.h"

#include <string.h>

/* Keeps a model's `main` or `sin` apart from what this process has. */
static const char engine_prefix[] = "run_";

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

static char *native_copy(Context *ctx, const Tensor *tensor)
{
    size_t size = element_size(ctx, tensor->type->elem);
    char *copy = arena_alloc(ctx->scratch, size * (size_t)tensor->type->count);
    for (int64_t k = 0; k < tensor->type->count; k++)
        element_put(ctx, copy + (size_t)k * size, tensor->type->elem, tensor->data[k]);
    return copy;
}

static void *full_of_nan(Context *ctx, size_t size)
{
    return memset(arena_alloc(ctx->scratch, size), 255, size);
}

static char *native_room(Context *ctx, const Result *result)
{
    const Type *type = result->node->type;
    size_t size = element_size(ctx, type->elem);
    char *room = full_of_nan(ctx, size * (size_t)type->count);
    for (int64_t k = 0; result->accumulate && k < type->count; k++)
        element_put(ctx, room + (size_t)k * size, type->elem, 1);
    return room;
}

static void take_output(Context *ctx, const Result *result, const char *from, Tensor *output)
{
    const Type *type = result->node->type;
    size_t size = element_size(ctx, type->elem);
    for (int64_t k = 0; k < type->count; k++)
        output->data[k] = element_get(ctx, from + (size_t)k * size, type->elem) - result->accumulate;
    tensor_round(ctx, output);
}

static void enter(Context *ctx, LlvmEntry *entry, const Fn *fn, const Costs *costs, void *const *inputs,
                  void *const *outputs, void *tape)
{
    int count = 0;
    void **arguments = NEW_ARRAY(ctx->scratch, void *, fn->params.count + fn->results.count + 2);
    for (int k = 0; k < fn_input_count(fn); k++) arguments[count++] = inputs[k];
    if (costs->tape_elements && fn->forward) arguments[count++] = tape;
    for (int k = 0; k < fn_output_count(fn); k++) arguments[count++] = outputs[k];
    if (costs->tape_elements && !fn->forward) arguments[count++] = tape;
    if (costs->work_elements) arguments[count++] = full_of_nan(ctx, (size_t)costs->work_bytes);
    entry(arguments);
}

static void **native_rooms(Context *ctx, const Fn *fn)
{
    void **rooms = NEW_ARRAY(ctx->scratch, void *, fn->results.count + 1);
    for (int k = 0; k < fn_output_count(fn); k++) rooms[k] = native_room(ctx, &fn->results.at[k]);
    return rooms;
}

/* entries, costs: of all that is compiled. */
static void make_call(Context *ctx, LlvmEntry *const *entries, Fn *const *all, const Costs *costs, NativeCall *call)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    const Fn *fn = all[call->fn];
    void **inputs = NEW_ARRAY(ctx->scratch, void *, fn->params.count + 1), **outputs = native_rooms(ctx, fn);
    void *tape = full_of_nan(ctx, (size_t)costs[call->fn].tape_bytes + 1);
    for (int k = 0; k < fn_input_count(fn); k++) inputs[k] = native_copy(ctx, &call->inputs[k]);
    if (fn->forward && costs[call->fn].tape_elements) {
        int before = engine_forward(all, fn);
        enter(ctx, entries[before], all[before], &costs[before], inputs, native_rooms(ctx, all[before]), tape);
    }
    enter(ctx, entries[call->fn], fn, &costs[call->fn], inputs, outputs, tape);
    for (int k = 0; k < fn_output_count(fn); k++) take_output(ctx, &fn->results.at[k], outputs[k], &call->outputs[k]);
    call->done = true;
    arena_release(ctx->scratch, mark);
}

static NativeStatus llvm_run(Context *ctx, const Source *source, Fn **fns, int fn_count, NativeCall *calls, int count)
{
    const LlvmBackend *backend = llvm_backend(ctx, false);
    if (!backend) return NATIVE_FAILED;
    Str prefix = ctx->options.prefix;
    ctx->options.prefix = str_intern(ctx, engine_prefix);
    int total;
    Fn **all = engine_functions(ctx, fns, fn_count, &total);
    CodegenInput input = {all, total, source, NULL};
    Program *program = codegen_lower(ctx, &input);
    LlvmCode *code = backend->load(ctx, program);
    LlvmEntry **entries = NEW_ARRAY(ctx->arena, LlvmEntry *, total + 1);
    const Costs *costs;
    codegen_costs(program, &costs);
    for (int k = 0; code && k < total; k++)
        entries[k] = backend->entry(ctx, code, str_format(ctx, "%s%s", engine_prefix, all[k]->name));
    for (int k = 0; code && k < count; k++) make_call(ctx, entries, all, costs, &calls[k]);
    if (code) backend->unload(code);
    ctx->options.prefix = prefix;
    return code ? NATIVE_DONE : NATIVE_FAILED;
}

NativeStatus engine_run(Context *ctx, Engine engine, const Source *source, Fn **fns, int fn_count, NativeCall *calls,
                        int call_count)
{
    if (!call_count) return NATIVE_DONE;
    return (engine == ENGINE_LLVM ? llvm_run : native_run)(ctx, source, fns, fn_count, calls, call_count);
}
