/* externs.c: the user's C functions, for the commands that compute: from the shared libraries that --extern names.
 *
 * A function is evaluated or compiled only when every C function that it calls is there. */
#define _XOPEN_SOURCE 700
#include "driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What dlsym gives is a function, whatever its type says. */
static void (*function_in(void *library, const char *name))(void)
{
    void *symbol = dlsym(library, name);
    void (*function)(void) = NULL;
    if (symbol) memcpy(&function, &symbol, sizeof function);
    return function;
}

/* A name without a slash is a file of this folder, like other file names on the command line. */
static void *open_library(Context *ctx, Str *path)
{
    char *whole = realpath(*path, NULL);
    void *library = whole ? dlopen(whole, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) error_plain(ctx, "cannot open the library '%s': %s", *path, whole ? dlerror() : strerror(errno));
    if (whole) *path = str_intern(ctx, whole);
    free(whole);
    return library;
}

bool externs_load(Context *ctx)
{
    for (int i = 0; i < ctx->options.libraries.count; i++) {
        void *library = open_library(ctx, &ctx->options.libraries.at[i]);
        if (!library) return false;
        for (int k = 0; k < scalar_fn_count(ctx); k++) {
            ScalarFn *fn = scalar_fn(ctx, k);
            if (!fn->is_extern || fn->address) continue;
            fn->address = function_in(library, fn->name);
            fn->is_float = ctx->options.is_float;
        }
    }
    return true;
}

static void report(Context *ctx, ScalarFn *fn)
{
    if (fn->is_reported) return;
    fn->is_reported = true;
    if (ctx->options.libraries.count)
        error_at(ctx, fn->span, "no library given with --extern has the function '%s'", fn->name);
    else error_at(ctx, fn->span, "'%s' is an extern function: --extern LIB says which shared library has it", fn->name);
}

/* ---- the C functions that a function calls, in bodies of regions too --------------------------------------------- */
typedef Vec(const Fn *) Bodies;
typedef Vec(ScalarFn *) Calls;

static void add_calls(Context *ctx, const Fn *fn, Bodies *bodies, Calls *calls)
{
    NodeList nodes = {0};
    fn_nodes(ctx, fn, ctx->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        for (int b = 0; b < 2 && n->body[b]; b++) vec_push(ctx->arena, bodies, n->body[b]);
        if (n->op == OP_call) vec_push(ctx->arena, calls, scalar_fn(ctx, (int)n->attr[0]));
    }
}

static Calls calls_of(Context *ctx, const Fn *fn)
{
    Bodies bodies = {0};
    Calls calls = {0};
    if (!scalar_fn_count(ctx)) return calls;
    vec_push(ctx->arena, &bodies, fn);
    for (int k = 0; k < bodies.count; k++) add_calls(ctx, bodies.at[k], &bodies, &calls);
    return calls;
}

bool externs_called(Context *ctx, const Fn *fn) { return calls_of(ctx, fn).count > 0; }

bool externs_ready(Context *ctx, const Fn *fn)
{
    Calls calls = calls_of(ctx, fn);
    bool ready = true;
    for (int k = 0; k < calls.count; k++) {
        if (calls.at[k]->address) continue;
        report(ctx, calls.at[k]);
        ready = false;
    }
    return ready;
}
