/* exports.c: which C functions are asked for: `export` statements, --export options, or else the defaults.
 *
 * Here a transform is read and names of C functions are checked.  Whether wrt, of and the selection name something that
 * can be had depends on the transform below, and is checked where it is applied (diff_export). */
#include "elaborate.h"

#include <ctype.h>
#include <string.h>

/* ---- names that a C function can not have ------------------------------------------------------------------------ */
/* Keywords of C to C23 and of C++, macros and types of the headers that the generated code includes, and what its
 * functions call or every program has. */
static const char *const reserved_names[] = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "alignas",
    "alignof", "bool", "constexpr", "false", "nullptr", "static_assert", "thread_local", "true", "typeof",
    "typeof_unqual", "and", "and_eq", "asm", "bitand", "bitor", "catch", "class", "compl", "concept", "const_cast",
    "consteval", "constinit", "co_await", "co_return", "co_yield", "decltype", "delete", "dynamic_cast", "explicit",
    "export", "friend", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "operator", "or", "or_eq",
    "private", "protected", "public", "reinterpret_cast", "requires", "static_cast", "template", "this", "throw",
    "try", "typeid", "typename", "using", "virtual", "wchar_t", "char8_t", "char16_t", "char32_t", "xor", "xor_eq",
    "main", "NULL", "NAN", "INFINITY", "HUGE_VAL", "size_t", "int32_t", "int64_t", "uint32_t", "uint64_t", "isnan",
    "isinf", "isfinite", "isnormal", "signbit", "fpclassify", "memcpy", "memmove", "memset", "memcmp", "memchr",
    "strlen", "strcmp", "strncmp", "strcpy", "strncpy", "strcat", "strchr", "strstr", "strerror", "strtok", "malloc",
    "free", "calloc", "realloc", "abort", "exit", "printf", "puts",
};

/* The functions of <math.h>, which exist also with an `f` or an `l` behind. */
static const char *const math_names[] = {
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "erf",
    "erfc", "exp", "exp2", "expm1", "fabs", "fdim", "floor", "fma", "fmax", "fmin", "fmod", "frexp", "hypot", "ilogb",
    "ldexp", "lgamma", "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint", "lround", "modf", "nan",
    "nearbyint", "nextafter", "nexttoward", "pow", "remainder", "remquo", "rint", "round", "scalbln", "scalbn", "sin",
    "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "j0", "j1", "jn", "y0", "y1", "yn", "gamma", "drem",
    "significand", "abs", "labs", "div",
};

static bool is_math_name(const char *name)
{
    size_t length = strlen(name);
    for (size_t k = 0; k < sizeof math_names / sizeof *math_names; k++) {
        size_t n = strlen(math_names[k]);
        bool has_suffix = length == n + 1 && (name[n] == 'f' || name[n] == 'l');
        if (strncmp(math_names[k], name, n) == 0 && (length == n || has_suffix))
            return true;
    }
    return false;
}

bool is_reserved_in_c(const char *name)
{
    if (strncmp(name, "adc_", 4) == 0)
        return true;
    if (name[0] == '_' && (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z')))
        return true;
    for (size_t k = 0; k < sizeof reserved_names / sizeof *reserved_names; k++)
        if (strcmp(reserved_names[k], name) == 0)
            return true;
    return is_math_name(name);
}

/* ---- transforms -------------------------------------------------------------------------------------------------- */
typedef struct Resolver {
    Env *env;
    Module *module;
    Map *names;                                             /* C functions so far: name -> Name */
} Resolver;

static const struct { const char *name; TransformKind kind; } transforms[] = {
    { "grad", TRANSFORM_GRAD }, { "vjp", TRANSFORM_VJP }, { "jvp", TRANSFORM_JVP }, { "jacobian", TRANSFORM_JACOBIAN },
    { "hessian", TRANSFORM_HESSIAN }, { "hvp", TRANSFORM_HVP }, { "split", TRANSFORM_SPLIT },
};
enum { TRANSFORM_COUNT = sizeof transforms / sizeof *transforms };

/* The kind by name, or TRANSFORM_NONE after an error message. */
static TransformKind transform_kind(Env *env, Name name)
{
    Str names[TRANSFORM_COUNT];
    for (int k = 0; k < TRANSFORM_COUNT; k++) {
        names[k] = transforms[k].name;
        if (strcmp(names[k], name.text) == 0)
            return transforms[k].kind;
    }
    const char *near = suggestion(env->ctx, name.text, names, TRANSFORM_COUNT);
    error_at(env->ctx, name.span, "there is no transform named '%s'%s", name.text,
             *near ? near : "; there are grad, vjp, jvp, jacobian, hessian, hvp and split");
    return TRANSFORM_NONE;
}

/* A name or a tuple of names. */
static bool read_names(Env *env, const Arg *a, Transform *t)
{
    const Expr *e = a->value;
    bool is_tuple = e->kind == EXPR_TUPLE;
    int count = is_tuple ? e->items.count : 1;
    t->wrt_span = e->span;
    for (int k = 0; k < count; k++) {
        const Expr *item = is_tuple ? e->items.at[k] : e;
        if (item->kind != EXPR_NAME) {
            error_at(env->ctx, item->span, "'wrt' takes a name, or names: 'wrt: (x, w)'");
            return false;
        }
        vec_push(env->ctx->arena, &t->wrt, item->name);
    }
    if (count == 0)
        error_at(env->ctx, e->span, "'wrt' needs at least one name");
    return count > 0;
}

static bool read_truth(Env *env, const Arg *a, bool *out)
{
    if (a->value->kind != EXPR_BOOL)
        error_at(env->ctx, a->value->span, "'%s' is true or false", a->name.text);
    else
        *out = a->value->truth;
    return a->value->kind == EXPR_BOOL;
}

static bool read_of(Env *env, const Arg *a, Transform *t)
{
    if (a->value->kind != EXPR_NAME) {
        error_at(env->ctx, a->value->span, "'of' takes the name of one output");
        return false;
    }
    t->of = a->value->name;
    t->of_span = a->value->span;
    return true;
}

static bool read_option(Env *env, const Arg *a, Transform *t)
{
    static const Str names[] = { "wrt", "of", "accumulate", "sparse" };
    int given = 0;
    while (given < 4 && strcmp(names[given], a->name.text) != 0)
        given++;
    switch (given) {
    case 0: return read_names(env, a, t);
    case 1: return read_of(env, a, t);
    case 2: return read_truth(env, a, &t->accumulate);
    case 3: return read_truth(env, a, &t->sparse);
    default: break;
    }
    const char *near = suggestion(env->ctx, a->name.text, names, 4);
    error_at(env->ctx, a->name.span, "a transform has no option '%s'%s", a->name.text,
             *near ? near : "; its options are wrt, of, accumulate and sparse");
    return false;
}

static bool read_options(Env *env, const Expr *e, Transform *t)
{
    bool good = true;
    for (int k = 0; k < e->call.args.count; k++) {
        const Arg *a = &e->call.args.at[k];
        if (!a->name.text)
            continue;
        for (int i = 0; i < k && good; i++)
            if (e->call.args.at[i].name.text == a->name.text) {
                error_at(env->ctx, a->name.span, "the option '%s' is given twice", a->name.text);
                good = false;
            }
        good = good && read_option(env, a, t);
    }
    return good;
}

static bool read_function(Resolver *r, const Expr *e, Transform *t)
{
    Frame frame = frame_new(r->env, FRAME_GLOBAL);
    const Function *f = map_get(r->env->functions, e->name);
    t->function = e->name;
    t->function_span = e->span;
    if (!f)
        error_at(r->env->ctx, e->span, "there is no function named '%s'%s", e->name, suggest_function(&frame, e->name));
    if (!f || f->failed)
        return false;
    return module_function(r->env->ctx, r->module, e->name, e->span) != NULL;
}

/* Outer transforms first; NULL after an error message. */
static Transform *read_transform(Resolver *r, const Expr *e)
{
    Env *env = r->env;
    Transform *t = NEW(env->ctx->arena, Transform);
    t->span = e->span;
    if (e->kind == EXPR_NAME)
        return read_function(r, e, t) ? t : NULL;
    if (e->kind != EXPR_CALL) {
        error_at(env->ctx, e->span, "the name of a function is needed here, or a transform such as grad(f)");
        return NULL;
    }
    t->kind = transform_kind(env, e->call.callee);
    if (t->kind == TRANSFORM_NONE || !read_options(env, e, t))
        return NULL;
    if (e->call.args.count == 0 || e->call.args.at[0].name.text
        || (e->call.args.count > 1 && !e->call.args.at[1].name.text)) {
        error_at(env->ctx, e->span, "'%s' is applied to one function", e->call.callee.text);
        return NULL;
    }
    Transform *inner = read_transform(r, e->call.args.at[0].value);
    if (!inner)
        return NULL;
    if (inner->kind == TRANSFORM_SPLIT) {
        error_at(env->ctx, inner->span, "'split' makes two functions: no transform goes around it");
        return NULL;
    }
    if (inner->kind == TRANSFORM_NONE) {
        t->function = inner->function;
        t->function_span = inner->function_span;
    } else {
        t->inner = inner;
    }
    return t;
}

/* ---- exports ----------------------------------------------------------------------------------------------------- */
static Str work_macro(Context *ctx, Str name)
{
    char *text = arena_copy(ctx->arena, name, strlen(name) + 1);
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return str_format(ctx, "%s_WORK_SIZE", text);
}

static bool check_name(Resolver *r, Name name, bool implied)
{
    Context *ctx = r->env->ctx;
    const Name *first = map_get(r->names, name.text);
    if (first) {
        error_at(ctx, name.span, "'%s' is already exported", name.text);
        note_at(ctx, first->span, "the first export of this name");
        return false;
    }
    const Function *f = map_get(r->env->functions, name.text);
    if (f && f->decl->kind == DECL_EXTERN && !ctx->options.prefix[0] && !implied) {
        error_at(ctx, name.span, "'%s' is the name of an extern function", name.text);
        note_at(ctx, f->decl->name.span, "it is declared here");
        return false;
    }
    Str macro = work_macro(ctx, name.text);
    const Name *other = map_get(r->names, macro);
    if (other) {
        error_at(ctx, name.span, "'%s' and '%s' differ in case alone: both would define the macro %s", other->text,
                 name.text, macro);
        note_at(ctx, other->span, "the other export");
        return false;
    }
    if (is_reserved_in_c(str_format(ctx, "%s%s", ctx->options.prefix, name.text))) {
        error_at(ctx, name.span, "'%s' can not be the name of a C function: the name is reserved in C or C++",
                 name.text);
        if (implied)
            note_at(ctx, name.span, "without an 'export', every function that no other function calls is exported");
        return false;
    }
    const Name *kept = arena_copy(ctx->arena, &name, sizeof name);
    map_put(r->names, name.text, (void *)(uintptr_t)kept);
    map_put(r->names, macro, (void *)(uintptr_t)kept);
    return true;
}

/* One function for each name of the statement: a split has two. */
static bool check_name_count(Resolver *r, const Decl *d, const Transform *t)
{
    int count = d->export.names.count;
    if (t->kind == TRANSFORM_SPLIT && count < 2)
        error_at(r->env->ctx, t->span, "'split' makes two functions: 'export fwd, bwd = split(f);'");
    else if (count > (t->kind == TRANSFORM_SPLIT ? 2 : 1))
        error_at(r->env->ctx, d->export.names.at[count - 1].span,
                 t->kind == TRANSFORM_SPLIT ? "'split' makes two functions, this is one more" : "only 'split' makes two functions");
    else
        return true;
    return false;
}

static ExportSpec *new_export(Resolver *r, const Decl *d, const Transform *t, int which)
{
    Context *ctx = r->env->ctx;
    ExportSpec *e = NEW(ctx->arena, ExportSpec);
    e->transform = (Transform *)(uintptr_t)t;
    e->name = d->export.names.at[which].text;
    e->name_span = d->export.names.at[which].span;
    e->part = which;
    for (int k = 0; d->export.has_selection && k < d->export.selection.count; k++) {
        vec_push(ctx->arena, &e->select, d->export.selection.at[k].text);
        vec_push(ctx->arena, &e->select_spans, d->export.selection.at[k].span);
    }
    vec_push(ctx->arena, &r->module->exports, e);
    return e;
}

static void add_export(Resolver *r, const Decl *d)
{
    Context *ctx = r->env->ctx;
    bool good = true;
    const Transform *t = read_transform(r, d->export.transform);
    for (int k = 0; k < d->export.names.count; k++)
        good &= check_name(r, d->export.names.at[k], false);
    if (!t || !good)
        return;
    const Function *f = map_get(r->env->functions, t->function ? t->function : "");
    if (t->kind == TRANSFORM_NONE && f && f->decl->kind == DECL_EXTERN) {
        error_at(ctx, d->name.span, "'%s' is an extern function: it is supplied, not generated", f->name);
        return;
    }
    if (!check_name_count(r, d, t))
        return;
    ExportSpec *first = new_export(r, d, t, 0);
    if (t->kind != TRANSFORM_SPLIT)
        return;
    first->pair = NEW(ctx->arena, SplitPair);
    *first->pair = (SplitPair){ .spec = { first, new_export(r, d, t, 1) } };
    first->pair->spec[1]->pair = first->pair;
}

/* ---- defaults ---------------------------------------------------------------------------------------------------- */
static void add_implied(Resolver *r, Name name, TransformKind kind, Name function)
{
    Context *ctx = r->env->ctx;
    ExportSpec *e = NEW(ctx->arena, ExportSpec);
    if (!check_name(r, name, true))
        return;
    e->name = name.text;
    e->name_span = name.span;
    e->implied = true;
    e->transform = NEW(ctx->arena, Transform);
    *e->transform = (Transform){ .kind = kind, .span = function.span, .function = function.text,
                                 .function_span = function.span };
    vec_push(ctx->arena, &r->module->exports, e);
}

/* What differentiates f by default: grad if it has one real output and that is a scalar. */
static TransformKind default_transform(const Fn *fn)
{
    int inputs = 0, outputs = 0, scalars = 0;
    for (int k = 0; k < fn->params.count; k++)
        inputs += fn->params.at[k].is_param && fn->params.at[k].node->type->elem == ELEM_REAL;
    for (int k = 0; k < fn->results.count; k++) {
        const Type *type = fn->results.at[k].node->type;
        outputs += type->elem == ELEM_REAL;
        scalars += type->elem == ELEM_REAL && type->rank == 0;
    }
    if (inputs == 0 || outputs == 0)
        return TRANSFORM_NONE;
    return outputs == 1 && scalars == 1 ? TRANSFORM_GRAD : TRANSFORM_VJP;
}

static void add_default(Resolver *r, const Function *f)
{
    Context *ctx = r->env->ctx;
    const Fn *fn = f->failed || f->is_generic ? NULL : module_function(ctx, r->module, f->name, f->decl->name.span);
    if (!fn)
        return;
    add_implied(r, f->decl->name, TRANSFORM_NONE, f->decl->name);
    TransformKind kind = default_transform(fn);
    Name name = { str_format(ctx, "%s_%s", f->name, kind == TRANSFORM_GRAD ? "grad" : "vjp"), f->decl->name.span };
    if (kind != TRANSFORM_NONE && !map_get(r->env->functions, name.text))   /* unless it was written by hand */
        add_implied(r, name, kind, f->decl->name);
}

static void add_defaults(Resolver *r)
{
    bool has_main = false;
    for (int k = 0; k < map_count(r->env->functions); k++) {
        const Function *f = map_value(r->env->functions, k);
        has_main |= f->is_main && f->decl->kind != DECL_EXTERN;
    }
    for (int k = 0; k < map_count(r->env->functions); k++) {
        const Function *f = map_value(r->env->functions, k);
        if (!f->is_called && f->is_main == has_main && f->decl->kind != DECL_EXTERN)
            add_default(r, f);
    }
}

void resolve_exports(Env *env, Module *module)
{
    Context *ctx = env->ctx;
    Resolver r = { .env = env, .module = module, .names = map_new(ctx->arena) };
    for (int k = 0; k < env->exports.count; k++)
        add_export(&r, env->exports.at[k]);
    for (int k = 0; k < ctx->options.exports.count; k++) {
        Str text = ctx->options.exports.at[k];
        const Decl *d = parse_export(ctx, source_new(ctx, "--export", text, (int)strlen(text)));
        if (d)
            add_export(&r, d);
    }
    if (env->exports.count == 0 && ctx->options.exports.count == 0)
        add_defaults(&r);
}
