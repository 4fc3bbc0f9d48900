/* llvm.c: a loop program as an LLVM module, and the module as text, bitcode, assembly or an object.
 *
 * The verifier runs on every module before LLVM's passes see it: what it refuses is a mistake of this back end. */
#include "llvm_build.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm/Config/llvm-config.h>

#include <string.h>

/* ---- the module -------------------------------------------------------------------------------------------------- */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void module_open(Build *b)
{
    const char *name = base_name(b->program->input->source->path);
    b->llvm = LLVMContextCreate();
    b->module = LLVMModuleCreateWithNameInContext(name, b->llvm);
    b->builder = LLVMCreateBuilderInContext(b->llvm);
    b->real = b->ctx->options.is_float ? LLVMFloatTypeInContext(b->llvm) : LLVMDoubleTypeInContext(b->llvm);
    b->int32 = LLVMInt32TypeInContext(b->llvm);
    b->bit = LLVMInt1TypeInContext(b->llvm);
    b->byte = LLVMInt8TypeInContext(b->llvm);
    b->pointer = LLVMPointerTypeInContext(b->llvm, 0);
    b->tables = map_new(b->ctx->arena);
    b->callees = map_new(b->ctx->arena);
}

static void module_close(Build *b)
{
    LLVMDisposeBuilder(b->builder);
    LLVMDisposeModule(b->module);
    LLVMContextDispose(b->llvm);
}

static void verify(Build *b)
{
    char *message = NULL;
    if (LLVMVerifyModule(b->module, LLVMReturnStatusAction, &message))
        internal_error(b->ctx, "LLVM refuses the module: %s", message);
    LLVMDisposeMessage(message);
}

static void build_pattern(Build *b, Str name, int count, const int32_t *at)
{
    ArenaMark mark = arena_mark(b->ctx->scratch);
    LLVMValueRef *values = NEW_ARRAY(b->ctx->scratch, LLVMValueRef, count);
    for (int k = 0; k < count; k++)
        values[k] = build_int(b, at[k]);
    LLVMValueRef global = LLVMAddGlobal(b->module, LLVMArrayType(b->int32, (unsigned)count), name);
    LLVMSetInitializer(global, LLVMConstArray(b->int32, values, (unsigned)count));
    LLVMSetGlobalConstant(global, true);
    arena_release(b->ctx->scratch, mark);
}

static void module_fill(Build *b, LLVMTargetMachineRef machine, const LlvmTarget *target, int level,
                        bool entries)
{
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    b->ctx->phase = "the LLVM back end";
    LLVMSetModuleDataLayout(b->module, layout);
    LLVMDisposeTargetData(layout);
    b->debug = target->debug ? debug_new(b) : NULL;
    for (int k = 0; k < b->program->patterns.count; k++) {
        const PatternTables *t = &b->program->patterns.at[k];
        build_pattern(b, t->name[0], t->pattern->count, t->pattern->row);
        build_pattern(b, t->name[1], t->pattern->count, t->pattern->column);
    }
    for (int k = 0; k < b->program->functions.count; k++)
        build_function(b, b->program->functions.at[k]);
    for (int k = 0; entries && k < b->program->functions.count; k++)
        build_entry(b, b->program->functions.at[k]);
    debug_finish(b);
    target_apply(b, machine, target);
    verify(b);
    target_optimise(b, machine, level);
}

/* ---- what is written --------------------------------------------------------------------------------------------- */
static void put_bytes(Text *out, const char *bytes, size_t size)
{
    for (size_t k = 0; k < size; k++)
        text_char(out, bytes[k]);
}

static void put_buffer(Text *out, LLVMMemoryBufferRef buffer)
{
    put_bytes(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
}

static void put_text(Text *out, LLVMModuleRef module)
{
    char *text = LLVMPrintModuleToString(module);
    text_put(out, text);
    LLVMDisposeMessage(text);
}

/* NULL after an error message. */
static LLVMMemoryBufferRef compiled(Build *b, LLVMTargetMachineRef machine, LLVMCodeGenFileType type)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (!LLVMTargetMachineEmitToMemoryBuffer(machine, b->module, type, &message, &buffer))
        return buffer;
    error_plain(b->ctx, "LLVM makes no object: %s", message);
    return NULL;
}

typedef struct { Context *ctx; const Program *program; const LlvmTarget *target; LlvmForm form; } Emission;

static bool put_module(void *user, Text *out)
{
    const Emission *e = user;
    Build b = { .ctx = e->ctx, .program = e->program };
    LLVMTargetMachineRef machine = target_machine(e->ctx, e->target, e->ctx->options.level);
    LLVMMemoryBufferRef buffer = NULL;
    if (!machine)
        return false;
    module_open(&b);
    module_fill(&b, machine, e->target, e->ctx->options.level, false);
    switch (e->form) {
    case LLVM_TEXT: put_text(out, b.module); break;
    case LLVM_BITCODE: buffer = LLVMWriteBitcodeToMemoryBuffer(b.module); break;
    case LLVM_ASSEMBLY: buffer = compiled(&b, machine, LLVMAssemblyFile); break;
    case LLVM_OBJECT: buffer = compiled(&b, machine, LLVMObjectFile); break;
    }
    if (buffer)
        put_buffer(out, buffer);
    module_close(&b);
    LLVMDisposeTargetMachine(machine);
    return buffer || e->form == LLVM_TEXT;
}

static bool has_target(void *user, Text *out)
{
    const Emission *e = user;
    (void)out;
    return target_exists(e->ctx, e->target);
}

/* What was not chosen is this machine's own, which LLVM does well. */
static bool at_work(Emission e, Work *work, Text *out)
{
    bool chosen = e.target->triple || e.target->cpu || e.target->features;
    return chosen ? guarded(e.ctx, work, &e, out) : work(&e, out);
}

static bool module_emit(Context *ctx, const Program *program, const LlvmTarget *target, LlvmForm form, Text *out)
{
    return at_work((Emission){ ctx, program, target, form }, put_module, out);
}

static bool module_check(Context *ctx, const LlvmTarget *target)
{
    Text none = { .arena = ctx->scratch };
    return at_work((Emission){ .ctx = ctx, .target = target }, has_target, &none);
}

LLVMMemoryBufferRef module_object(Context *ctx, const Program *program, const LlvmTarget *target, int level)
{
    Build b = { .ctx = ctx, .program = program };
    LLVMTargetMachineRef machine = target_machine(ctx, target, level);
    if (!machine)
        return NULL;
    module_open(&b);
    module_fill(&b, machine, target, level, true);
    LLVMMemoryBufferRef object = compiled(&b, machine, LLVMObjectFile);
    module_close(&b);
    LLVMDisposeTargetMachine(machine);
    return object;
}

/* ---- what adc finds when it loads this module -------------------------------------------------------------------- */
static const LlvmBackend backend = {
    .adc_version = ADC_VERSION, .version = LLVM_VERSION_STRING, .check = module_check, .emit = module_emit,
    .load = jit_load, .entry = jit_entry, .unload = jit_unload,
};
extern const LlvmBackend *const adc_llvm_backend;
const LlvmBackend *const adc_llvm_backend = &backend;
