/* llvm_jit.c: functions in this process: the object that --emit=obj would write for this very processor, linked by
 * LLVM's ORC.
 *
 * Functions of libm are those that adc itself is linked with. */
#include "llvm_build.h"

#include <llvm-c/LLJIT.h>

struct LlvmCode { LLVMOrcLLJITRef jit; };

static bool failed(Context *ctx, LLVMErrorRef error)
{
    if (!error)
        return false;
    char *message = LLVMGetErrorMessage(error);
    error_plain(ctx, "LLVM cannot load the code: %s", message);
    LLVMDisposeErrorMessage(message);
    return true;
}

/* The user's C functions, from libraries that nobody else sees. */
static bool link_externs(Context *ctx, LLVMOrcLLJITRef jit)
{
    for (int k = 0; k < scalar_fn_count(ctx); k++) {
        const ScalarFn *f = scalar_fn(ctx, k);
        if (!f->is_extern || !f->address)
            continue;
        LLVMJITEvaluatedSymbol symbol = { .Address = (LLVMOrcExecutorAddress)(uintptr_t)f->address,
                                          .Flags = { .GenericFlags = LLVMJITSymbolGenericFlagsExported } };
        LLVMOrcCSymbolMapPair pair = { LLVMOrcLLJITMangleAndIntern(jit, f->name), symbol };
        if (failed(ctx, LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(jit), LLVMOrcAbsoluteSymbols(&pair, 1))))
            return false;
    }
    return true;
}

/* The object belongs to the linker from here on. */
static bool link_object(Context *ctx, LLVMOrcLLJITRef jit, LLVMMemoryBufferRef object)
{
    LLVMOrcJITDylibRef main = LLVMOrcLLJITGetMainJITDylib(jit);
    LLVMOrcDefinitionGeneratorRef process = NULL;
    LLVMErrorRef error =
        LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL);
    if (failed(ctx, error))
        return false;
    LLVMOrcJITDylibAddGenerator(main, process);
    return !failed(ctx, LLVMOrcLLJITAddObjectFile(jit, main, object));
}

LlvmCode *jit_load(Context *ctx, const Program *program, int level)
{
    LlvmTarget here = { .cpu = "native" };
    LlvmCode *code = NEW(ctx->arena, LlvmCode);
    LLVMMemoryBufferRef object = module_object(ctx, program, &here, level);
    if (!object || failed(ctx, LLVMOrcCreateLLJIT(&code->jit, NULL)))
        return NULL;
    if (link_externs(ctx, code->jit) && link_object(ctx, code->jit, object))
        return code;
    jit_unload(code);
    return NULL;
}

LlvmEntry *jit_entry(Context *ctx, LlvmCode *code, Str function)
{
    LLVMOrcExecutorAddress address = 0;
    if (failed(ctx, LLVMOrcLLJITLookup(code->jit, &address, build_entry_name(ctx, function))))
        internal_error(ctx, "the code of '%s' is not there", function);
    return (LlvmEntry *)(uintptr_t)address;
}

void jit_unload(LlvmCode *code) { LLVMConsumeError(LLVMOrcDisposeLLJIT(code->jit)); }
