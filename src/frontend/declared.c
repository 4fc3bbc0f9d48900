/* declared.c: `extern fn` and `derivative`: what the user declares about functions of scalars.
 *
 * Such a function is elementwise: called with tensors it is applied to every element.  A declared derivative is
 * elaborated once, over scalars, so its names and shapes are checked where it stands; src/diff applies it. */
#include "elaborate.h"

#include <string.h>

/* ---- functions of scalars ----------------------------------------------------------------------------------------- */
static bool is_scalar(const TypeExpr *t) { return t && t->dims.count == 0; }

static Elem elem_of(const TypeExpr *t)
{
    return t->base == BASE_REAL ? ELEM_REAL : t->base == BASE_INT ? ELEM_INT : ELEM_BOOL;
}

static const Str *argument_names(Context *ctx, const Decl *d)
{
    Str *names = NEW_ARRAY(ctx->arena, Str, d->fn.params.count + 1);
    for (int k = 0; k < d->fn.params.count; k++)
        names[k] = d->fn.params.at[k].name.text;
    return names;
}

static const Elem *argument_elems(Context *ctx, const Decl *d)
{
    Elem *elems = NEW_ARRAY(ctx->arena, Elem, d->fn.params.count + 1);
    for (int k = 0; k < d->fn.params.count; k++)
        elems[k] = elem_of(d->fn.params.at[k].type);
    return elems;
}

/* Why it is none that something can be declared about, or NULL. */
static const char *not_of_scalars(Context *ctx, const Decl *d)
{
    const ParamDecl *result = &d->fn.results.at[0];
    if (d->fn.dims.count)
        return "it is generic";
    if (d->fn.params.count < 1 || d->fn.params.count > SCALAR_FN_ARGUMENTS)
        return str_format(ctx, "it has %d arguments, not 1 to %d", d->fn.params.count, SCALAR_FN_ARGUMENTS);
    for (int k = 0; k < d->fn.params.count; k++)
        if (!is_scalar(d->fn.params.at[k].type))
            return str_format(ctx, "its argument '%s' is no scalar", d->fn.params.at[k].name.text);
    if (d->fn.results.count != 1)
        return str_format(ctx, "it has %d results", d->fn.results.count);
    return is_scalar(result->type) && result->type->base == BASE_REAL ? NULL : "its result is no real scalar";
}

static void make_scalar_fn(Env *env, Function *f)
{
    const Decl *d = f->decl;
    f->scalar = scalar_fn_add(env->ctx, &(ScalarFn){ .name = f->name, .span = d->name.span, .arity = d->fn.params.count,
                                                     .is_extern = d->kind == DECL_EXTERN,
                                                     .elems = argument_elems(env->ctx, d),
                                                     .names = argument_names(env->ctx, d) });
    f->is_scalar = true;
}

void declare_extern(Env *env, Function *f)
{
    Context *ctx = env->ctx;
    const Decl *d = f->decl;
    const char *why = not_of_scalars(ctx, d);
    for (int k = 0; !why && k < d->fn.params.count; k++)
        if (elem_of(d->fn.params.at[k].type) == ELEM_BOOL)
            why = str_format(ctx, "its argument '%s' is neither real nor int", d->fn.params.at[k].name.text);
    f->failed |= why || is_reserved_in_c(f->name);
    if (why) {
        error_at(ctx, d->name.span, "an extern function takes scalars and gives one real; '%s' does not: %s", f->name, why);
    } else if (is_reserved_in_c(f->name)) {
        error_at(ctx, d->name.span, "'%s' can not be the name of an extern function: the name is reserved in C or C++",
                 f->name);
    } else if (!scalar_fn_is_callable(d->fn.params.count, argument_elems(ctx, d))) {
        error_at(ctx, d->name.span, "an extern function with int arguments has at most 3 arguments, not %d",
                 d->fn.params.count);
        f->failed = true;
    } else if (!f->failed) {
        make_scalar_fn(env, f);
    }
}

/* ---- declared derivatives ------------------------------------------------------------------------------------------ */
static Function *find_function(Env *env, const Decl *d)
{
    Frame frame = frame_new(env, FRAME_GLOBAL);
    Function *f = map_get(env->functions, d->name.text);
    if (f)
        return f;
    if (is_builtin(env->ctx, d->name.text))
        error_at(env->ctx, d->name.span, "'%s' is a builtin function; how it is differentiated is part of the language",
                 d->name.text);
    else
        error_at(env->ctx, d->name.span, "there is no function named '%s'%s", d->name.text,
                 suggest_function(&frame, d->name.text));
    return NULL;
}

static bool check_argument_names(Env *env, const Decl *d, const Function *f)
{
    Context *ctx = env->ctx;
    const NameList *args = &d->derivative.args;
    if (args->count != f->decl->fn.params.count) {
        error_at(ctx, span_join(args->at[0].span, args->at[args->count - 1].span),
                 "'%s' takes %d argument%s, but %d are named here", f->name, f->decl->fn.params.count,
                 f->decl->fn.params.count == 1 ? "" : "s", args->count);
        note_at(ctx, f->decl->name.span, "it is declared here");
        return false;
    }
    for (int k = 0; k < args->count; k++) {
        int first = 0;
        while (args->at[first].text != args->at[k].text)
            first++;
        if (first < k || strcmp(args->at[k].text, "value") == 0) {
            error_at(ctx, args->at[k].span, first < k ? "'%s' is named twice" : "'%s' is the function's value here",
                     args->at[k].text);
            return false;
        }
    }
    return true;
}

static bool check_partials(Env *env, const Decl *d, const Function *f)
{
    const ExprList *partials = &d->derivative.partials;
    const ParamList *params = &f->decl->fn.params;
    int wanted = 0;
    for (int k = 0; k < params->count; k++)
        wanted += params->at[k].type->base == BASE_REAL;
    if (partials->count == wanted && wanted > 0)
        return true;
    if (wanted == 0)
        error_at(env->ctx, d->name.span, "'%s' has no real argument that it could be differentiated by", f->name);
    else
        error_at(env->ctx, span_join(partials->at[0]->span, partials->at[partials->count - 1]->span),
                 "'%s' has %d real argument%s, but this is %d partial derivative%s", f->name, wanted,
                 wanted == 1 ? "" : "s", partials->count, partials->count == 1 ? "" : "s");
    return false;
}

static void mark_called(void *user, const Expr *e)
{
    Function *f = e->kind == EXPR_CALL ? map_get(((Env *)user)->functions, e->call.callee.text) : NULL;
    if (f)
        f->is_called = true;
}

static void resolve_derivative(Env *env, const Decl *d)
{
    Context *ctx = env->ctx;
    Function *f = find_function(env, d);
    if (!f || f->failed)
        return;
    const char *why = not_of_scalars(ctx, f->decl);
    if (f->derivative) {
        error_at(ctx, d->name.span, "the derivative of '%s' is already declared", f->name);
        note_at(ctx, f->derivative->name.span, "the first declaration");
        return;
    }
    if (why) {
        error_at(ctx, d->name.span, "derivatives are declared of functions of scalars with one real result; '%s' is none: %s",
                 f->name, why);
        note_at(ctx, f->decl->name.span, "it is declared here");
        return;
    }
    if (!check_argument_names(env, d, f) || !check_partials(env, d, f))
        return;
    f->derivative = d;
    if (!f->is_scalar)
        make_scalar_fn(env, f);
    for (int k = 0; k < d->derivative.partials.count; k++)
        expr_walk(d->derivative.partials.at[k], mark_called, env);
}

void derivatives_resolve(Env *env)
{
    for (int k = 0; k < env->derivatives.count; k++)
        resolve_derivative(env, env->derivatives.at[k]);
}

/* ---- rules --------------------------------------------------------------------------------------------------------- */
static void add_rule_param(Frame *frame, Fn *rule, Name name, Elem elem)
{
    Context *ctx = frame->env->ctx;
    Node *n = node_param(ctx, name.text, type_scalar(ctx, elem), name.span);
    vec_push(ctx->arena, &rule->params, ((Param){ .name = name.text, .node = n, .is_param = elem == ELEM_REAL }));
    frame_bind(frame, name.text, BINDING_ARGUMENT, value_of(n, name.span), name.span);
}

/* The place of the k-th real argument. */
static int real_argument(const ScalarFn *s, int k)
{
    int place = 0;
    while (s->elems[place] != ELEM_REAL || k-- > 0)
        place++;
    return place;
}

static void make_rule(Env *env, Function *f)
{
    Context *ctx = env->ctx;
    const Decl *d = f->derivative;
    ScalarFn *s = scalar_fn(ctx, f->scalar);
    Frame frame = frame_new(env, FRAME_USER);
    Fn *rule = NEW(ctx->arena, Fn);
    bool good = true;
    *rule = (Fn){ .name = f->name, .span = d->name.span, .doc = f->name };
    for (int k = 0; k < s->arity; k++)
        add_rule_param(&frame, rule, d->derivative.args.at[k], s->elems[k]);
    add_rule_param(&frame, rule, (Name){ str_intern(ctx, "value"), d->name.span }, ELEM_REAL);
    for (int k = 0; k < d->derivative.partials.count; k++) {
        Str by = d->derivative.args.at[real_argument(s, k)].text;
        const char *what = str_format(ctx, "the derivative of '%s' by '%s'", f->name, by);
        Node *n = value_as(&frame, elaborate(&frame, d->derivative.partials.at[k]), type_scalar(ctx, ELEM_REAL), what);
        vec_push(ctx->arena, &rule->results, ((Result){ .name = by, .node = n }));
        good &= n != NULL;
    }
    s->rule = good ? rule : NULL;
    f->failed |= !good;
}

void derivatives_check(Env *env)
{
    Origin saved = graph_origin(env->ctx);
    for (int k = 0; k < map_count(env->functions); k++) {
        Function *f = map_value(env->functions, k);
        if (f->derivative && !f->failed)
            make_rule(env, f);
    }
    graph_set_origin(env->ctx, saved);
}

const DeclaredDerivative *module_derivatives(Context *ctx, Module *m, int *count)
{
    Vec(DeclaredDerivative) list = { 0 };
    for (int k = 0; k < map_count(m->env->functions); k++) {
        const Function *f = map_value(m->env->functions, k);
        if (!f->derivative || f->failed)
            continue;
        DeclaredDerivative d = { f->name, f->derivative->name.span, f->instances.at[0]->fn,
                                 scalar_fn(ctx, f->scalar)->rule, &f->derivative->derivative.partials };
        vec_push(ctx->arena, &list, d);
    }
    *count = list.count;
    return list.at;
}

/* ---- bodies and calls ---------------------------------------------------------------------------------------------- */
/* What the body of a function gives, as a node that knows what is declared about it.  NULL: an extern function's. */
Node *declared_value(Context *ctx, const Function *f, const Fn *fn, Node *value)
{
    Node *operands[SCALAR_FN_ARGUMENTS + 1] = { value };
    for (int k = 0; k < fn->params.count; k++)
        operands[1 + k] = fn->params.at[k].node;
    graph_set_origin(ctx, (Origin){ 0 });                   /* that of the call, see function.c */
    return value ? node_override(ctx, f->scalar, operands) : node_call(ctx, f->scalar, operands + 1);
}

bool is_elementwise_call(const Function *f, int count, const Value *args)
{
    bool tensors = false;
    for (int k = 0; k < count; k++)
        tensors |= args[k].kind == VALUE_TENSOR && args[k].node->type->rank > 0;
    return f->is_scalar && tensors;
}

bool elementwise_arguments(Frame *frame, const Function *f, const Expr *call, const Value *args, Node **nodes)
{
    Context *ctx = frame->env->ctx;
    const ScalarFn *s = scalar_fn(ctx, f->scalar);
    for (int k = 0; k < s->arity; k++) {
        const Node *given = value_tensor(frame, args[k]);
        const char *what = str_format(ctx, "'%s' of '%s'", f->decl->fn.params.at[k].name.text, f->name);
        nodes[k] = given ? value_as(frame, args[k], type_with_elem(ctx, given->type, s->elems[k]), what) : NULL;
        if (given && !nodes[k])
            note(frame, f->decl->fn.params.at[k].span, "it is declared here");
        if (!nodes[k])
            return false;
    }
    const Type *shape = common_shape(frame, call->span, s->arity, args, nodes);
    for (int k = 0; shape && k < s->arity; k++)
        nodes[k] = node_expand(ctx, nodes[k], shape);
    return shape != NULL;
}
