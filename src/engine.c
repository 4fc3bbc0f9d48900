/* engine.c: functions by the engine that was asked for: LLVM's code in this process, or the system compiler's in
 * another.
 *
 * Workspace and outputs are full of NaN bytes on entry here too, and results that are added to start at 1. */
#include "driver.h"

#include <string.h>

/* Keeps a model's `main` or `sin` apart from what this process has. */
static const char engine_prefix[] = "run_";

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

static void make_call(Context *ctx, LlvmEntry *entry, const Fn *fn, const Costs *costs, NativeCall *call)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    int inputs = fn->params.count, outputs = fn->results.count;
    void **arguments = NEW_ARRAY(ctx->scratch, void *, inputs + outputs + 1);
    for (int k = 0; k < inputs; k++) arguments[k] = native_copy(ctx, &call->inputs[k]);
    for (int k = 0; k < outputs; k++) arguments[inputs + k] = native_room(ctx, &fn->results.at[k]);
    if (costs->work_elements) arguments[inputs + outputs] = full_of_nan(ctx, (size_t)costs->work_bytes);
    entry(arguments);
    for (int k = 0; k < outputs; k++)
        take_output(ctx, &fn->results.at[k], arguments[inputs + k], &call->outputs[k]);
    call->done = true;
    arena_release(ctx->scratch, mark);
}

static NativeStatus llvm_run(Context *ctx, const Source *source, Fn **fns, int fn_count, NativeCall *calls, int count)
{
    const LlvmBackend *backend = llvm_backend(ctx, false);
    if (!backend) return NATIVE_FAILED;
    Str prefix = ctx->options.prefix;
    ctx->options.prefix = str_intern(ctx, engine_prefix);
    CodegenInput input = {fns, fn_count, source, NULL};
    Program *program = codegen_lower(ctx, &input);
    LlvmCode *code = backend->load(ctx, program);
    const Costs *costs;
    codegen_costs(program, &costs);
    for (int k = 0; code && k < count; k++) {
        const Fn *fn = fns[calls[k].fn];
        LlvmEntry *entry = backend->entry(ctx, code, str_format(ctx, "%s%s", engine_prefix, fn->name));
        make_call(ctx, entry, fn, &costs[calls[k].fn], &calls[k]);
    }
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
