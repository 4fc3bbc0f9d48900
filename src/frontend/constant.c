/* constant.c: types as written, and named constants with their overrides from the command line.
 *
 * A constant is evaluated when it is first used, so the order of declarations does not matter; a circle is refused. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

/* ---- types ------------------------------------------------------------------------------------------------------- */
static bool dimension(Frame *frame, const Expr *e, int64_t *size)
{
    Value v = elaborate(frame, e);
    if (!value_integer(frame, v, "a dimension", size))
        return false;
    if (*size > 0)
        return true;
    fail(frame, e->span, "a dimension must be positive, not %lld", (long long)*size);
    return false;
}

const Type *type_of(Frame *frame, const TypeExpr *t)
{
    static const Elem elems[] = { [BASE_REAL] = ELEM_REAL, [BASE_INT] = ELEM_INT, [BASE_BOOL] = ELEM_BOOL };
    int64_t sizes[RANK_USER];
    if (t->dims.count > RANK_USER) {
        fail(frame, t->span, "a type has at most %d dimensions, not %d", RANK_USER, t->dims.count);
        return NULL;
    }
    for (int k = 0; k < t->dims.count; k++)
        if (!dimension(frame, t->dims.at[k], &sizes[k]))
            return NULL;
    return make_type(frame, t->span, elems[t->base], t->dims.count, sizes);
}

/* ---- data of an expression of constants -------------------------------------------------------------------------- */
void node_data(Context *ctx, Node *n, double *out)
{
    Fn fn = { .name = "constant" };
    vec_push(ctx->arena, &fn.results, ((Result){ .name = "value", .node = n }));
    ArenaMark mark = arena_mark(ctx->scratch);
    const Tensor *results = fn_eval(ctx, &fn, NULL, ctx->scratch);
    memcpy(out, results[0].data, sizeof *out * (size_t)n->type->count);
    arena_release(ctx->scratch, mark);
}

/* ---- overrides --------------------------------------------------------------------------------------------------- */
static const Define *find_define(const Context *ctx, Str name)
{
    for (int k = ctx->options.defines.count - 1; k >= 0; k--)           /* the last one counts */
        if (strcmp(ctx->options.defines.at[k].name, name) == 0)
            return &ctx->options.defines.at[k];
    return NULL;
}

/* The value of `-D name=text`, or of kind VALUE_NONE after an error message. */
static Value define_value(Env *env, const Define *define)
{
    Frame frame = frame_new(env, FRAME_GLOBAL);
    const char *path = str_format(env->ctx, "-D %s", define->name);
    Expr *e = parse_expression(env->ctx, source_new(env->ctx, path, define->value, (int)strlen(define->value)));
    return e ? elaborate(&frame, e) : (Value){ 0 };
}

static Value override(Env *env, const Constant *c, const Define *define, Value original)
{
    Frame frame = frame_new(env, FRAME_GLOBAL);
    if (original.kind != VALUE_TENSOR)
        return original;
    if (original.node->type->rank > 0) {
        error_plain(env->ctx, "-D %s: only a scalar constant can be overridden; this one is %s", c->name,
                    type_text(env->ctx, original.node->type));
        return value_none(original.span);
    }
    Value v = define_value(env, define);
    Node *n = value_as(&frame, v, original.node->type, str_format(env->ctx, "the constant '%s'", c->name));
    if (!n && v.kind != VALUE_NONE)
        note(&frame, c->decl->name.span, "the constant is declared here");
    if (n && n->op != OP_constant) {
        fail(&frame, v.span, "a number is needed here");
        n = NULL;
    }
    return value_of(n, original.span);
}

/* ---- evaluation -------------------------------------------------------------------------------------------------- */
typedef struct { const Env *env; bool found; } InfinityScan;

static void find_infinity(void *user, const Expr *e)
{
    InfinityScan *scan = user;
    if (e->kind != EXPR_NAME)
        return;
    const Constant *c = map_get(scan->env->constants, e->name);
    double value = 0;
    if (c && c->value.kind == VALUE_TENSOR)
        scan->found |= node_is_fill(c->value.node, &value) && !isfinite(value);
    else
        scan->found |= strcmp(e->name, "inf") == 0;
}

/* An infinity that nobody wrote is an overflow. */
static bool check_overflow(Frame *frame, const Constant *c, const Node *n)
{
    InfinityScan scan = { .env = frame->env };
    double value = 0;
    if (n->type->elem != ELEM_REAL || !node_is_fill(n, &value) || !isinf(value))
        return true;
    expr_walk(c->decl->constant.value, find_infinity, &scan);
    if (!scan.found)
        fail(frame, c->decl->constant.value->span, "the constant '%s' overflows %s", c->name,
             frame->env->ctx->options.is_float ? "float" : "double");
    return scan.found;
}

static Value evaluate(Frame *frame, const Constant *c)
{
    const Decl *d = c->decl;
    const Type *type = d->constant.type ? type_of(frame, d->constant.type) : NULL;
    bool loads = type && is_load(d->constant.value);
    Value v = loads ? value_of(load_as(frame, d->constant.value, type), d->constant.value->span)
                    : elaborate(frame, d->constant.value);
    if (d->constant.type && !type)
        return value_none(v.span);
    Node *n = type ? value_as(frame, v, type, str_format(frame->env->ctx, "the constant '%s'", c->name))
                   : value_tensor(frame, v);
    if (n && !type && n->type->rank > 0) {
        fail(frame, d->name.span, "a constant tensor needs a type: 'const %s: %s = ...;'", c->name,
             type_text(frame->env->ctx, n->type));
        n = NULL;
    }
    if (!n || !check_overflow(frame, c, n))
        return value_none(v.span);
    if (n->type->rank > 0)
        node_set_name(n, c->name);
    return value_of(n, v.span);
}

Value constant_value(Frame *user, Constant *c, Span use)
{
    Frame frame = frame_new(user->env, FRAME_GLOBAL);
    if (c->state == CONSTANT_RUNNING) {
        fail(user, use, "the constant '%s' is defined by itself", c->name);
        note(user, c->decl->name.span, "it is declared here");
        c->value = value_none(use);
        c->state = CONSTANT_DONE;
    }
    if (c->state == CONSTANT_DONE)
        return c->value;
    c->state = CONSTANT_RUNNING;
    Origin saved = graph_origin(user->env->ctx);
    Value v = evaluate(&frame, c);
    const Define *define = find_define(user->env->ctx, c->name);
    if (define && c->state == CONSTANT_RUNNING)
        v = override(user->env, c, define, v);
    graph_set_origin(user->env->ctx, saved);
    if (c->state == CONSTANT_RUNNING)
        c->value = v;
    c->state = CONSTANT_DONE;
    return c->value;
}

void constants_check(Env *env)
{
    Context *ctx = env->ctx;
    Frame frame = frame_new(env, FRAME_GLOBAL);
    Vec(Str) names = { 0 };
    for (int k = 0; k < map_count(env->constants); k++) {
        Constant *c = map_value(env->constants, k);
        constant_value(&frame, c, c->decl->span);
        vec_push(ctx->arena, &names, c->name);
    }
    for (int k = 0; k < ctx->options.defines.count; k++) {
        Str name = ctx->options.defines.at[k].name;
        if (!map_get(env->constants, str_intern(ctx, name)))
            error_plain(ctx, "-D %s: there is no constant of this name%s", name,
                        suggestion(ctx, name, names.at, names.count));
    }
}
