/* tests.c: `test` statements to data.
 *
 * Values are constants.  Where the name is an argument or a result of the function, its type is known here and
 * checked; names that a transform adds (w_grad, y_seed) are real, and whether they exist is known to who applies the
 * transform. */
#include "elaborate.h"

typedef struct Target {
    const Decl *decl;                                       /* of the function under the export */
    const Fn *fn;
    bool is_plain;                                          /* no transform: all names are known */
} Target;

/* ---- targets ----------------------------------------------------------------------------------------------------- */
static const ExportSpec *find_export(const Module *m, Str name)
{
    for (int k = 0; k < m->exports.count; k++)
        if (m->exports.at[k]->name == name)
            return m->exports.at[k];
    return NULL;
}

/* An export that was refused is declared all the same. */
static bool is_declared_export(const Env *env, Str name)
{
    for (int k = 0; k < env->exports.count; k++)
        for (int i = 0; i < env->exports.at[k]->export.names.count; i++)
            if (env->exports.at[k]->export.names.at[i].text == name)
                return true;
    return false;
}

static void unknown_target(const Env *env, const Module *m, Name name)
{
    Context *ctx = env->ctx;
    Vec(Str) names = { 0 };
    for (int k = 0; k < m->exports.count; k++)
        vec_push(ctx->arena, &names, m->exports.at[k]->name);
    for (int k = 0; k < map_count(env->functions); k++)
        vec_push(ctx->arena, &names, (Str)map_key(env->functions, k));
    error_at(ctx, name.span, "there is no function or export named '%s'%s", name.text,
             suggestion(ctx, name.text, names.at, names.count));
}

static bool find_target(Env *env, Module *m, Name name, Target *out)
{
    const ExportSpec *e = find_export(m, name.text);
    const Transform *t = e ? e->transform : NULL;
    while (t && t->inner)
        t = t->inner;
    Str function = t ? t->function : name.text;
    const Function *f = map_get(env->functions, function);
    if (!f && !is_declared_export(env, name.text))
        unknown_target(env, m, name);
    if (!f || f->failed || (!e && is_declared_export(env, name.text)))
        return false;
    out->fn = module_function(env->ctx, m, function, name.span);
    out->decl = f->decl;
    out->is_plain = !t || t->kind == TRANSFORM_NONE;
    return out->fn != NULL;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */
/* The type of an argument or a result of the function by this name or place; NULL: not known here. The results of a
 * transform have places of their own. */
static const Type *known_type(const Target *t, Str name, int position, bool is_argument)
{
    if (!is_argument && !name && !t->is_plain)
        return NULL;
    int count = is_argument ? t->fn->params.count : t->fn->results.count;
    for (int k = 0; k < count; k++) {
        Str known = is_argument ? t->fn->params.at[k].name : t->fn->results.at[k].name;
        if (name ? known == name : k == position)
            return is_argument ? t->fn->params.at[k].node->type : t->fn->results.at[k].node->type;
    }
    return NULL;
}

static void unknown_value(Env *env, const Target *t, const Arg *a, bool is_argument)
{
    Context *ctx = env->ctx;
    const ParamList *list = is_argument ? &t->decl->fn.params : &t->decl->fn.results;
    Vec(Str) names = { 0 };
    for (int k = 0; k < list->count; k++)
        vec_push(ctx->arena, &names, list->at[k].name.text);
    const char *what = is_argument ? "argument" : "result";
    if (a->name.text)
        error_at(ctx, a->name.span, "'%s' has no %s '%s'%s", t->fn->name, what, a->name.text,
                 suggestion(ctx, a->name.text, names.at, names.count));
    else
        error_at(ctx, a->span, "'%s' has %d %s%s, and this is one more", t->fn->name, names.count, what,
                 names.count == 1 ? "" : "s");
    note_at(ctx, t->decl->name.span, "it is declared here");
}

/* Of a test that is written for certain sizes, where a constant has another value now. */
static bool fits_sizes(Frame *frame, const Value *v, const Type *type, Str what, LeftOut *out)
{
    Context *ctx = frame->env->ctx;
    if (!ctx->options.defines.count || v->kind != VALUE_TENSOR || type_same_shape(v->node->type, type))
        return true;
    *out = (LeftOut){ v->span, str_format(ctx, "with -D %s is %s, and this is %s", what, type_text(ctx, type),
                                          type_text(ctx, v->node->type)) };
    return false;
}

static Node *typed_value(Frame *frame, const Target *t, const Arg *a, int position, bool is_argument, LeftOut *out)
{
    Context *ctx = frame->env->ctx;
    const Type *type = known_type(t, a->name.text, position, is_argument);
    Value v = elaborate(frame, a->value);
    if (!type && t->is_plain) {
        unknown_value(frame->env, t, a, is_argument);
        return NULL;
    }
    Str what = a->name.text ? str_format(ctx, "'%s'", a->name.text) : "this value";
    if (type)
        return fits_sizes(frame, &v, type, what, out) ? value_as(frame, v, type, what) : NULL;
    Node *n = value_tensor(frame, v);
    return n && n->type->elem == ELEM_INT ? node_to_real(ctx, n) : n;
}

static bool check_unique(Env *env, const ArgList *args, int k)
{
    for (int i = 0; i < k && args->at[k].name.text; i++)
        if (args->at[i].name.text == args->at[k].name.text) {
            error_at(env->ctx, args->at[k].name.span, "'%s' is given twice", args->at[k].name.text);
            return false;
        }
    return true;
}

static bool read_value(Env *env, const Target *t, const ArgList *args, int k, bool is_argument, TestValue *out,
                       LeftOut *left_out)
{
    Frame frame = frame_new(env, FRAME_GLOBAL);
    const Arg *a = &args->at[k];
    Node *n = typed_value(&frame, t, a, k, is_argument, left_out);
    if (!n || !check_unique(env, args, k))
        return false;
    *out = (TestValue){ .name = a->name.text, .span = a->span, .position = k, .type = n->type };
    out->data = NEW_ARRAY(env->ctx->arena, double, n->type->count);
    node_data(env->ctx, n, out->data);
    return true;
}

/* Arguments of a plain function must all be there; those of an export are counted when it is called. */
static bool check_complete(Env *env, const Target *t, const Decl *d)
{
    bool good = true;
    for (int k = 0; k < t->fn->params.count && t->is_plain; k++) {
        bool given = k < d->test.args.count && !d->test.args.at[k].name.text;
        for (int i = 0; i < d->test.args.count; i++)
            given |= d->test.args.at[i].name.text == t->fn->params.at[k].name;
        if (!given)
            error_at(env->ctx, d->name.span, "the argument '%s' of '%s' is missing", t->fn->params.at[k].name,
                     t->fn->name);
        good &= given;
    }
    return good;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */
static bool read_within(Env *env, const Decl *d, double *within)
{
    Frame frame = frame_new(env, FRAME_GLOBAL);
    *within = 1e-9;
    if (!d->test.within)
        return true;
    if (!value_constant(&frame, elaborate(&frame, d->test.within), "the tolerance", within))
        return false;
    if (*within >= 0)
        return true;
    error_at(env->ctx, d->test.within->span, "the tolerance must not be negative");
    return false;
}

static void add_test(Env *env, Module *m, const Decl *d)
{
    Context *ctx = env->ctx;
    TestCase *test = NEW(ctx->arena, TestCase);
    Target target;
    TestValue value;
    LeftOut left_out = { .why = NULL };
    bool good = find_target(env, m, d->name, &target) && read_within(env, d, &test->within);
    test->target = d->name.text;
    test->span = d->span;
    for (int k = 0; k < d->test.args.count && good; k++) {
        good = read_value(env, &target, &d->test.args, k, true, &value, &left_out);
        if (good)
            vec_push(ctx->arena, &test->arguments, value);
    }
    for (int k = 0; k < d->test.results.count && good; k++) {
        good = read_value(env, &target, &d->test.results, k, false, &value, &left_out);
        if (good)
            vec_push(ctx->arena, &test->expected, value);
    }
    if (left_out.why)
        vec_push(ctx->arena, &m->left_out, left_out);
    if (good && check_complete(env, &target, d))
        vec_push(ctx->arena, &m->tests, test);
}

void resolve_tests(Env *env, Module *m)
{
    for (int k = 0; k < env->tests.count; k++)
        add_test(env, m, env->tests.at[k]);
}
