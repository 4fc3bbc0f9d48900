/* module.c: files, imports and declarations: from a path to checked functions, exports and tests.
 *
 * A module is one name space: an import is read once, where it is first asked for, as if its text stood there. */
#include "elaborate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const char prelude_text[];

enum { IMPORT_DEPTH_LIMIT = 200 };

typedef struct Loader {
    Env *env;
    Vec(Str) open;                                          /* the files that are being read: a chain of imports */
    Map *seen;                                              /* path -> Source */
    bool incomplete;                                        /* a file could not be read or parsed */
} Loader;

/* ---- files ------------------------------------------------------------------------------------------------------- */
enum { SOURCE_MOST = 1 << 28 };                             /* bytes */

/* The whole file, or NULL with errno set. */
static char *read_file(Context *ctx, const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    char part[1 << 14];
    Text text = { .arena = ctx->arena };
    size_t n;
    if (!in)
        return NULL;
    text_put(&text, "");
    *length = 0;
    while (*length <= SOURCE_MOST && (n = fread(part, 1, sizeof part, in)) > 0) {
        for (size_t k = 0; k < n; k++)
            text_char(&text, part[k]);
        *length += n;
    }
    int error = ferror(in) ? errno : *length > SOURCE_MOST ? EFBIG : 0;
    fclose(in);
    errno = error;
    return error ? NULL : text.text;
}

static Source *read_source(Context *ctx, const char *path)
{
    size_t length;
    char *text = read_file(ctx, path, &length);
    return text ? source_new(ctx, path, text, (int)length) : NULL;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */
/* `path` seen from the directory of `from`, without `.` and `dir/..`, so that a file has one name. */
Str path_beside(Context *ctx, Str from, Str path)
{
    const char *slash = strrchr(from, '/');
    Str joined = path[0] == '/' || !slash ? path : str_format(ctx, "%.*s/%s", (int)(slash - from), from, path);
    Vec(Str) parts = { 0 };
    for (const char *at = joined; *at; at += strspn(at, "/")) {
        int length = (int)strcspn(at, "/");
        Str part = str_intern_n(ctx, at, length);
        bool is_up = strcmp(part, "..") == 0, has_up = parts.count && strcmp(parts.at[parts.count - 1], "..") == 0;
        if (is_up && parts.count && !has_up && parts.at[parts.count - 1][0])
            parts.count--;
        else if (strcmp(part, ".") != 0)
            vec_push(ctx->arena, &parts, part);
        at += length;
    }
    Text text = { .arena = ctx->arena };
    text_put(&text, joined[0] == '/' && (!parts.count || parts.at[0][0]) ? "/" : "");
    for (int k = 0; k < parts.count; k++)
        text_printf(&text, "%s%s", k ? "/" : "", parts.at[k]);
    return str_intern(ctx, text.text);
}

/* ---- declarations ------------------------------------------------------------------------------------------------ */
static bool check_name(Env *env, Name name, const char *what, const Decl *first)
{
    if (first) {
        error_at(env->ctx, name.span, "the %s '%s' is already declared", what, name.text);
        note_at(env->ctx, first->name.span, "the first declaration");
    }
    return !first;
}

static Function *declare_function(Env *env, const Decl *d, bool is_prelude, bool is_main)
{
    Function *first = map_get(env->functions, d->name.text);
    if (!is_prelude && is_builtin(env->ctx, d->name.text)) {
        error_at(env->ctx, d->name.span, "'%s' is a builtin function, and a function may not take its name",
                 d->name.text);
        return NULL;
    }
    if (!check_name(env, d->name, "function", first ? first->decl : NULL))
        return NULL;
    Function *f = NEW(env->ctx->arena, Function);
    *f = (Function){ .name = d->name.text, .decl = d, .is_main = is_main,
                     .is_generic = d->fn.dims.count > 0 };
    map_put(env->functions, f->name, f);
    if (!is_prelude)
        function_declare(env, f);
    return f;
}

static void declare_extern_function(Env *env, const Decl *d)
{
    Function *f = declare_function(env, d, false, false);
    if (f)
        declare_extern(env, f);
}

static void declare_constant(Env *env, const Decl *d)
{
    Str name = d->name.text;
    Constant *first = map_get(env->constants, name);
    if (strcmp(name, "pi") == 0 || strcmp(name, "inf") == 0 || strcmp(name, "nan") == 0) {
        error_at(env->ctx, d->name.span, "'%s' is a builtin constant", name);
        return;
    }
    if (!check_name(env, d->name, "constant", first ? first->decl : NULL))
        return;
    Constant *c = NEW(env->ctx->arena, Constant);
    *c = (Constant){ .name = name, .decl = d };
    map_put(env->constants, name, c);
}

static void load_import(Loader *, const Decl *, Str from);

static void declare(Loader *l, const Decl *d, Str path)
{
    Env *env = l->env;
    bool is_main = l->open.count == 1;                      /* what an imported file exports and tests is its own affair */
    switch (d->kind) {
    case DECL_CONST: declare_constant(env, d); break;
    case DECL_FN: declare_function(env, d, false, is_main); break;
    case DECL_IMPORT: load_import(l, d, path); break;
    case DECL_EXPORT:
        if (is_main) vec_push(env->ctx->arena, &env->exports, d);
        break;
    case DECL_TEST:
        if (is_main) vec_push(env->ctx->arena, &env->tests, d);
        break;
    case DECL_EXTERN: declare_extern_function(env, d); break;
    case DECL_DERIVATIVE: vec_push(env->ctx->arena, &env->derivatives, d); break;
    }
}

static void load_source(Loader *l, const Source *source)
{
    int errors = l->env->ctx->error_count;
    const ParsedFile *file = parse_program(l->env->ctx, source, false);
    l->incomplete |= l->env->ctx->error_count > errors;
    vec_push(l->env->ctx->arena, &l->open, source->path);
    map_put(l->seen, source->path, (void *)(uintptr_t)source);
    for (int k = 0; file && k < file->decls.count; k++)
        declare(l, file->decls.at[k], source->path);
    l->open.count--;
}

/* The files from `path` on import each other; true when there is such a circle. */
static bool refuse_circle(Loader *l, const Decl *d, Str path)
{
    Context *ctx = l->env->ctx;
    Text chain = { .arena = ctx->arena };
    int first = l->open.count - 1;
    while (first >= 0 && l->open.at[first] != path)
        first--;
    if (first < 0)
        return false;
    for (int k = first; k < l->open.count; k++)
        text_printf(&chain, "%s imports ", l->open.at[k]);
    error_at(ctx, d->name.span, "import cycle: %s%s", chain.text, path);
    return true;
}

static void load_import(Loader *l, const Decl *d, Str from)
{
    Context *ctx = l->env->ctx;
    Str path = path_beside(ctx, from, d->name.text);
    if (refuse_circle(l, d, path) || map_get(l->seen, path))
        return;
    if (l->open.count >= IMPORT_DEPTH_LIMIT) {
        error_at(ctx, d->name.span, "imports are nested more than %d deep", IMPORT_DEPTH_LIMIT);
        return;
    }
    const Source *source = read_source(ctx, path);
    if (!source) {
        error_at(ctx, d->name.span, "cannot read '%s': %s", *path ? path : d->name.text, strerror(errno));
        l->incomplete = true;
        return;
    }
    load_source(l, source);
}

/* ---- the prelude ------------------------------------------------------------------------------------------------- */
static Env *env_new(Context *ctx)
{
    Env *env = NEW(ctx->arena, Env);
    env->ctx = ctx;
    env->functions = map_new(ctx->arena);
    env->constants = map_new(ctx->arena);
    return env;
}

Frontend *frontend_of(Context *ctx)
{
    if (ctx->frontend)
        return ctx->frontend;
    Frontend *f = ctx->frontend = NEW(ctx->arena, Frontend);
    int errors = ctx->error_count;
    f->env = env_new(ctx);
    f->prelude = source_new(ctx, "prelude.ad", prelude_text, (int)strlen(prelude_text));
    const ParsedFile *file = parse_program(ctx, f->prelude, true);
    for (int k = 0; file && k < file->decls.count; k++)
        declare_function(f->env, file->decls.at[k], true, false);
    if (ctx->error_count > errors)
        internal_error(ctx, "the prelude has errors");
    return f;
}

/* ---- modules ----------------------------------------------------------------------------------------------------- */
static void check_functions(Env *env)
{
    FunctionList order = { 0 };
    functions_order(env, &order);
    for (int k = 0; k < order.count; k++)
        if (!order.at[k]->is_generic)
            function_instance(env, order.at[k], NULL, order.at[k]->decl->name.span);
}

Module *module_from_source(Context *ctx, const Source *source)
{
    Module *m = NEW(ctx->arena, Module);
    ctx->phase = "elaborate";
    frontend_of(ctx);
    Loader l = { .env = env_new(ctx), .seen = map_new(ctx->arena) };
    m->source = (Source *)(uintptr_t)source;
    m->env = l.env;
    load_source(&l, source);
    if (l.incomplete)                                       /* what is missing would only cause more messages */
        return m;
    derivatives_resolve(l.env);
    constants_check(l.env);
    check_functions(l.env);
    derivatives_check(l.env);
    resolve_exports(l.env, m);
    resolve_tests(l.env, m);
    graph_set_origin(ctx, (Origin){ 0 });
    return m;
}

Module *module_load(Context *ctx, const char *path)
{
    const Source *source = read_source(ctx, str_intern(ctx, path));
    if (source)
        return module_from_source(ctx, source);
    error_plain(ctx, "cannot read '%s': %s", path, strerror(errno));
    return NULL;
}

bool module_has_function(Module *m, Str name)
{
    return map_get(m->env->functions, name) != NULL;
}

Fn *module_function(Context *ctx, Module *m, Str name, Span use)
{
    Function *f = map_get(m->env->functions, name);
    Frame frame = frame_new(m->env, FRAME_GLOBAL);
    if (!f) {
        error_at(ctx, use, "there is no function named '%s'%s", name, suggest_function(&frame, name));
        return NULL;
    }
    if (f->is_generic) {
        error_at(ctx, use, "'%s' is generic: its sizes are only known where it is called", name);
        note_at(ctx, f->decl->name.span, "it is declared here");
        return NULL;
    }
    const Instance *made = function_instance(m->env, f, NULL, use);
    return made ? made->fn : NULL;
}
