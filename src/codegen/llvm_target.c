/* llvm_target.c: machines that code is made for, and LLVM's own passes on the way there.
 *
 * Nothing is allowed that changes results: no fast-math, no contraction of a product and a sum. */
#define _POSIX_C_SOURCE 200809L
#include "llvm_build.h"

#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include <string.h>
#include <unistd.h>

static bool is_native(const LlvmTarget *target) { return target->cpu && strcmp(target->cpu, "native") == 0; }

/* Copies of what LLVM allocates, so that nothing has to be given back later. */
static Str taken(Context *ctx, char *message)
{
    Str text = str_intern(ctx, message);
    LLVMDisposeMessage(message);
    return text;
}

static Str triple_of(Context *ctx, const LlvmTarget *target)
{
    return taken(ctx, target->triple ? LLVMNormalizeTargetTriple(target->triple) : LLVMGetDefaultTargetTriple());
}

static Str cpu_of(Context *ctx, const LlvmTarget *target)
{
    if (is_native(target))
        return taken(ctx, LLVMGetHostCPUName());
    return target->cpu ? target->cpu : "";
}

static Str features_of(Context *ctx, const LlvmTarget *target)
{
    Str host = is_native(target) ? taken(ctx, LLVMGetHostCPUFeatures()) : "",
        own = target->features ? target->features : "";
    return str_format(ctx, "%s%s%s", host, *host && *own ? "," : "", own);
}

/* Without an operating system code stays where the linker puts it. */
static bool is_bare(Str triple) { return strstr(triple, "-none") || strstr(triple, "-elf") || strstr(triple, "-eabi"); }

static LLVMTargetRef find_target(Context *ctx, Str triple)
{
    LLVMTargetRef found = NULL;
    char *message = NULL;
    LLVMInitializeAllTargetInfos();
    LLVMInitializeAllTargets();
    LLVMInitializeAllTargetMCs();
    LLVMInitializeAllAsmPrinters();
    if (!LLVMGetTargetFromTriple(triple, &found, &message))
        return found;
    error_plain(ctx, "--target=%s: LLVM says: %s", triple, taken(ctx, message));
    return NULL;
}

static bool host_matches(Context *ctx, const LlvmTarget *target)
{
    Str host = taken(ctx, LLVMGetDefaultTargetTriple());
    if (!is_native(target) || !target->triple || strcspn(host, "-") == strcspn(target->triple, "-"))
        return true;
    error_plain(ctx, "--cpu=native is the processor of this machine, which is not a %s", target->triple);
    return false;
}

static LLVMTargetMachineRef create(Context *ctx, LLVMTargetRef found, const LlvmTarget *target, int level)
{
    static const LLVMCodeGenOptLevel levels[] = { LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault };
    Str triple = triple_of(ctx, target);
    return LLVMCreateTargetMachine(found, triple, cpu_of(ctx, target), features_of(ctx, target), levels[level],
                                   is_bare(triple) ? LLVMRelocStatic : LLVMRelocPIC, LLVMCodeModelDefault);
}

/* LLVM only prints that it ignores a processor or a feature that it does not know, and may break down later: so what it
 * prints is caught.  False after an error message. */
static bool names_are_known(Context *ctx, LLVMTargetRef found, const LlvmTarget *target)
{
    char said[200] = "";
    FILE *file = tmpfile();
    int kept = file ? dup(STDERR_FILENO) : -1;
    if (kept < 0 || fflush(stderr) || dup2(fileno(file), STDERR_FILENO) < 0)
        return true;                                        /* not caught: LLVM's own words have to do */
    LLVMTargetMachineRef machine = create(ctx, found, target, 0);
    dup2(kept, STDERR_FILENO);
    close(kept);
    if (machine)
        LLVMDisposeTargetMachine(machine);
    rewind(file);
    bool silent = !fgets(said, sizeof said, file);
    fclose(file);
    if (!silent)
        error_plain(ctx, "LLVM says: %.*s", (int)strcspn(said, "("), said);
    return silent;
}

static bool features_are_signed(Context *ctx, const LlvmTarget *target)
{
    Str at = target->features ? target->features : "";
    at += strspn(at, ",");
    while (*at == '+' || *at == '-') {
        at += strcspn(at, ",");
        at += strspn(at, ",");
    }
    if (*at)
        error_plain(ctx, "--features: put + or - before '%.*s'", (int)strcspn(at, ","), at);
    return !*at;
}

LLVMTargetMachineRef target_machine(Context *ctx, const LlvmTarget *target, int level)
{
    Str triple = triple_of(ctx, target);
    if (!features_are_signed(ctx, target))
        return NULL;
    LLVMTargetRef found = find_target(ctx, triple);
    if (!found || !host_matches(ctx, target))
        return NULL;
    if ((target->cpu || target->features) && !is_native(target) && !names_are_known(ctx, found, target))
        return NULL;
    LLVMTargetMachineRef machine = create(ctx, found, target, level);
    if (!machine)
        error_plain(ctx, "LLVM makes no code for '%s'", triple);
    return machine;
}

bool target_exists(Context *ctx, const LlvmTarget *target)
{
    LLVMTargetMachineRef machine = target_machine(ctx, target, 0);
    if (machine)
        LLVMDisposeTargetMachine(machine);
    return machine != NULL;
}

/* ---- what the module says of its target -------------------------------------------------------------------------- */
static void add_flag(Build *b, const char *name, LLVMModuleFlagBehavior behaviour, LLVMMetadataRef value)
{
    LLVMAddModuleFlag(b->module, behaviour, name, strlen(name), value);
}

static bool has_feature(Str features, const char *name)
{
    const char *at = strstr(features, name);
    return at && (at[strlen(name)] == ',' || !at[strlen(name)]);
}

/* Which registers pass reals: on RISC-V that is not told by the triple. */
static void flag_riscv(Build *b, const LlvmTarget *target, Str triple)
{
    Str features = features_of(b->ctx, target);
    bool wide = strncmp(triple, "riscv64", 7) == 0;
    bool is_double = has_feature(features, "+d") || (wide && !target->features && !strstr(triple, "-elf")),
         is_float = has_feature(features, "+f");
    Str abi = str_format(b->ctx, "%s%s", wide ? "lp64" : "ilp32", is_double ? "d" : is_float ? "f" : "");
    add_flag(b, "target-abi", LLVMModuleFlagBehaviorError, LLVMMDStringInContext2(b->llvm, abi, strlen(abi)));
}

static void add_text_attribute(Build *b, LLVMValueRef function, const char *name, Str value)
{
    if (!*value)
        return;
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(b->llvm, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

/* Who names no processor there gets code that suits a Pentium, unless told otherwise. */
static bool is_x86(Str triple) { return strncmp(triple, "x86_64", 6) == 0 || (*triple == 'i' && strncmp(triple + 2, "86", 2) == 0); }

void target_apply(Build *b, LLVMTargetMachineRef machine, const LlvmTarget *target)
{
    Str triple = triple_of(b->ctx, target);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(b->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(b->module, triple);
    if (!is_bare(triple))
        add_flag(b, "PIC Level", LLVMModuleFlagBehaviorOverride, LLVMValueAsMetadata(build_int(b, 2)));
    if (strncmp(triple, "riscv", 5) == 0)
        flag_riscv(b, target, triple);
    for (LLVMValueRef f = LLVMGetFirstFunction(b->module); f; f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f))
            continue;
        add_text_attribute(b, f, "target-cpu", cpu_of(b->ctx, target));
        add_text_attribute(b, f, "target-features", features_of(b->ctx, target));
        if (is_x86(triple) && !target->cpu)
            add_text_attribute(b, f, "tune-cpu", "generic");
    }
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */
/* Loops with sums are vectorised, the sums added in order.  LLVM does so for some targets only unless it is told, which it
 * can be once in a process. */
static void vectorise_sums(void)
{
    static const char *const arguments[] = { "adc", "-force-ordered-reductions" };
    static bool told;
    if (!told)
        LLVMParseCommandLineOptions(2, arguments, NULL);
    told = true;
}

void target_optimise(Build *b, LLVMTargetMachineRef machine, int level)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    bool fast = level > 1;
    vectorise_sums();
    LLVMPassBuilderOptionsSetLoopVectorization(options, fast);
    LLVMPassBuilderOptionsSetSLPVectorization(options, fast);
    LLVMPassBuilderOptionsSetLoopInterleaving(options, fast);
    LLVMPassBuilderOptionsSetLoopUnrolling(options, fast);
    LLVMErrorRef error = LLVMRunPasses(b->module, str_format(b->ctx, "default<O%d>", level), machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (error)
        internal_error(b->ctx, "LLVM's passes: %s", LLVMGetErrorMessage(error));
}
