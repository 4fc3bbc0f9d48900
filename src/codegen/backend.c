/* backend.c: finds the LLVM back end: a module beside adc, or in ../lib/adc, that is loaded only when it is needed.
 *
 * LLVM is a hundred times the size of adc, and to load it takes longer than to compile most models. */
#define _POSIX_C_SOURCE 200809L
#include "llvm.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#define MODULE "adc-llvm.so"

/* The folder of this program with a slash at its end, or "" where the system does not tell. */
static Str own_folder(Context *ctx)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? str_intern_n(ctx, path, (int)(slash - path) + 1) : "";
}

static bool exists(Str path) { return access(path, R_OK) == 0; }

/* NULL: this adc was built without LLVM. */
static Str module_path(Context *ctx)
{
    Str folder = own_folder(ctx);
    Str beside = str_format(ctx, "%s" MODULE, folder), installed = str_format(ctx, "%s../lib/adc/" MODULE, folder);
    return exists(beside) ? beside : exists(installed) ? installed : NULL;
}

/* C has no conversion between the two kinds of pointer, dlsym wants one. */
static const LlvmBackend *backend_of(void *module)
{
    const LlvmBackend *const *found = dlsym(module, "adc_llvm_backend");
    return found && strcmp((*found)->adc_version, ADC_VERSION) == 0 ? *found : NULL;
}

const LlvmBackend *llvm_backend(Context *ctx, bool quiet)
{
    Str path = module_path(ctx);
    void *module = path ? dlopen(path, RTLD_LAZY | RTLD_LOCAL) : NULL;
    const LlvmBackend *found = module ? backend_of(module) : NULL;
    if (found || quiet)
        return found;
    if (!path)
        error_plain(ctx, "this adc was built without LLVM; install llvm-dev (LLVM 15 or newer) and build it again");
    else if (!module)
        error_plain(ctx, "the LLVM back end cannot be loaded: %s", dlerror());
    else
        error_plain(ctx, "'%s' belongs to another version of adc", path);
    return NULL;
}
