/* function.c: bodies of functions, and calls.
 *
 * A function is elaborated once for its types: to a Fn with argument nodes of its own.  A call copies that graph with
 * the arguments put in, so the work of a call is linear in the callee, errors of a body are reported once, and what a
 * function means does not depend on who calls it.  Callees come before their callers (order.c). */
#include "elaborate.h"

#include <inttypes.h>
#include <string.h>

enum {
    NODE_LIMIT = 4000000,                                   /* of the whole compilation; calls of calls multiply */
    INSTANCE_DEPTH_LIMIT = 500,                             /* functions that are elaborated within each other */
    CALL_NOTE_LIMIT = 3,                                    /* how many of the calls that led to an error are shown */
};

/* ---- declarations ------------------------------------------------------------------------------------------------ */
typedef struct { Str name; Span span; const char *what; } Declared;

static void check_declared(Env *env, Function *f, Map *seen, Name name, const char *what)
{
    Declared *first = map_get(seen, name.text);
    if (strcmp(name.text, "_") == 0) {
        error_at(env->ctx, name.span, "'_' is no name for %s", what);
        f->failed = true;
    } else if (first) {
        error_at(env->ctx, name.span, "'%s' is already %s of this function", name.text, first->what);
        note_at(env->ctx, first->span, "it is declared here");
        f->failed = true;
    } else {
        first = NEW(env->ctx->arena, Declared);
        *first = (Declared){ name.text, name.span, what };
        map_put(seen, name.text, first);
    }
}

/* A dimension variable is inferred from an argument where it stands alone as a dimension. */
static bool is_inferable(const Decl *d, Str dim)
{
    for (int k = 0; k < d->fn.params.count; k++) {
        const TypeExpr *t = d->fn.params.at[k].type;
        for (int i = 0; t && i < t->dims.count; i++)
            if (t->dims.at[i]->kind == EXPR_NAME && t->dims.at[i]->name == dim)
                return true;
    }
    return false;
}

void function_declare(Env *env, Function *f)
{
    const Decl *d = f->decl;
    Map *seen = map_new(env->ctx->arena);
    for (int k = 0; k < d->fn.dims.count; k++) {
        check_declared(env, f, seen, d->fn.dims.at[k], "a dimension variable");
        if (!is_inferable(d, d->fn.dims.at[k].text)) {
            error_at(env->ctx, d->fn.dims.at[k].span,
                     "the dimension variable '%s' is not a dimension of any argument, so it cannot be inferred",
                     d->fn.dims.at[k].text);
            f->failed = true;
        }
    }
    for (int k = 0; k < d->fn.params.count; k++) {
        const ParamDecl *p = &d->fn.params.at[k];
        check_declared(env, f, seen, p->name, "an argument");
        if (p->is_param && p->type && p->type->base != BASE_REAL) {
            error_at(env->ctx, p->span, "'param' marks what derivatives are taken by, so '%s' must be real",
                     p->name.text);
            f->failed = true;
        }
    }
    for (int k = 0; k < d->fn.results.count; k++)
        check_declared(env, f, seen, d->fn.results.at[k].name, "a result");
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */
static Frame body_frame(Env *env, const Function *f, const int64_t *dims)
{
    Frame frame = frame_new(env, FRAME_USER);
    const Decl *d = f->decl;
    frame.function = f;
    for (int k = 0; k < d->fn.dims.count; k++) {
        Name name = d->fn.dims.at[k];
        frame_bind(&frame, name.text, BINDING_DIM, value_of(node_int(env->ctx, dims[k]), name.span), name.span);
    }
    return frame;
}

/* A result of the declared type, or NULL after an error message. */
static Node *result_node(Frame *frame, const ParamDecl *result)
{
    const Binding *b = frame_find(frame, result->name.text);
    const Type *type = type_of(frame, result->type);
    if (!b || (b->kind != BINDING_LOCAL && b->kind != BINDING_MUT)) {
        if (!frame->refused_result)
            fail(frame, result->name.span, "the result '%s' is never assigned", result->name.text);
        return NULL;
    }
    Value v = b->value;
    return type ? value_as(frame, v, type, str_format(frame->env->ctx, "the result '%s'", result->name.text)) : NULL;
}

static bool body_arguments(Frame *frame, const Function *f, Instance *made, Fn *fn)
{
    Context *ctx = frame->env->ctx;
    const ParamList *params = &f->decl->fn.params;
    bool has_param = false, good = true;
    for (int k = 0; k < params->count; k++)
        has_param |= params->at[k].is_param;
    made->by_argument = NEW_ARRAY(ctx->arena, bool, params->count);
    for (int k = 0; k < params->count; k++) {
        const ParamDecl *p = &params->at[k];
        const Type *type = type_of(frame, p->type);
        Node *n = type ? node_param(ctx, p->name.text, type, p->name.span) : NULL;
        bool is_param = type && type->elem == ELEM_REAL && (p->is_param || !has_param);
        made->by_argument[k] = is_differentiated(frame, p->name.text);
        good &= n != NULL;
        vec_push(ctx->arena, &fn->params, ((Param){ .name = p->name.text, .node = n, .is_param = is_param }));
    }
    for (int k = 0; k < params->count; k++)                 /* afterwards: a type does not see the arguments */
        frame_bind(frame, params->at[k].name.text, BINDING_ARGUMENT,
                   value_of(fn->params.at[k].node, params->at[k].name.span), params->at[k].name.span);
    return good;
}

/* False when a result has no value: there was an error, here or in a callee. */
static bool body_results(Frame *frame, const Function *f, Fn *fn)
{
    bool good = true;
    const Decl *d = f->decl;
    if (d->kind == DECL_EXTERN) {
        Result r = { .name = d->fn.results.at[0].name.text, .node = declared_value(frame->env->ctx, f, fn, NULL) };
        vec_push(frame->env->ctx->arena, &fn->results, r);
        return true;
    }
    if (d->fn.value) {
        Name name = d->fn.results.at[0].name;
        frame_bind(frame, name.text, BINDING_LOCAL, elaborate(frame, d->fn.value), d->fn.value->span);
    }
    for (int k = 0; k < d->fn.body.stmts.count; k++)
        run_statement(frame, d->fn.body.stmts.at[k]);
    for (int k = 0; k < d->fn.results.count; k++) {
        Result r = { .name = d->fn.results.at[k].name.text, .node = result_node(frame, &d->fn.results.at[k]) };
        vec_push(frame->env->ctx->arena, &fn->results, r);
        good &= r.node != NULL;
    }
    if (good && f->derivative)
        fn->results.at[0].node = declared_value(frame->env->ctx, f, fn, fn->results.at[0].node);
    return good;
}

/* What copying the graph into a caller needs. */
static void index_nodes(Context *ctx, Instance *made)
{
    const Fn *fn = made->fn;
    int total = 0, next = 0;
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, fn, ctx->scratch, &made->nodes);
    made->nodes.at = arena_copy(ctx->arena, made->nodes.at, sizeof *made->nodes.at * (size_t)made->nodes.count);
    arena_release(ctx->scratch, mark);
    for (int k = 0; k < made->nodes.count; k++)
        total += made->nodes.at[k]->operand_count;
    made->operand_at = NEW_ARRAY(ctx->arena, int, total + 1);
    for (int k = 0; k < made->nodes.count; k++)
        for (int i = 0; i < made->nodes.at[k]->operand_count; i++)
            made->operand_at[next++] = node_place(&made->nodes, made->nodes.at[k]->operands[i]);
    made->result_at = NEW_ARRAY(ctx->arena, int, fn->results.count);
    for (int k = 0; k < fn->results.count; k++)
        made->result_at[k] = node_place(&made->nodes, fn->results.at[k].node);
}

static void make_body(Env *env, Function *f, Instance *made)
{
    Context *ctx = env->ctx;
    int errors = ctx->error_count;
    Frame frame = body_frame(env, f, made->dims);
    Fn *fn = NEW(ctx->arena, Fn);
    fn->name = f->name;
    fn->span = f->decl->name.span;
    fn->doc = f->name;
    find_differentiated(&frame, f->decl);
    if (body_arguments(&frame, f, made, fn) && body_results(&frame, f, fn) && ctx->error_count == errors)
        made->fn = fn;
    else
        f->failed = true;
    if (made->fn && f->is_scalar)
        scalar_fn(ctx, f->scalar)->fn = fn;
}

/* ---- instances --------------------------------------------------------------------------------------------------- */
static Instance *find_instance(const Function *f, const int64_t *dims)
{
    size_t size = sizeof *dims * (size_t)f->decl->fn.dims.count;
    for (int k = 0; k < f->instances.count; k++)
        if (size == 0 || memcmp(f->instances.at[k]->dims, dims, size) == 0)
            return f->instances.at[k];
    return NULL;
}

static const char *dims_text(const Function *f, Context *ctx, const int64_t *dims)
{
    Text text = { .arena = ctx->arena };
    for (int k = 0; k < f->decl->fn.dims.count; k++)
        text_printf(&text, "%s%s = %" PRId64, k ? ", " : "", f->decl->fn.dims.at[k].text, dims[k]);
    return text.text;
}

/* NULL after an error message, now or before. */
Instance *function_instance(Env *env, Function *f, const int64_t *dims, Span use)
{
    Context *ctx = env->ctx;
    Instance *made = f->failed ? NULL : find_instance(f, dims);
    if (f->failed || made)
        return made && made->fn ? made : NULL;
    if (env->open_instances >= INSTANCE_DEPTH_LIMIT) {
        error_at(ctx, use, "calls of generic functions are nested more than %d deep here", INSTANCE_DEPTH_LIMIT);
        f->failed = true;
        return NULL;
    }
    Origin saved = graph_origin(ctx);
    made = NEW(ctx->arena, Instance);
    env->call_notes = 0;
    env->open_instances++;
    made->dims = NEW_ARRAY(ctx->arena, int64_t, f->decl->fn.dims.count);
    for (int k = 0; k < f->decl->fn.dims.count; k++)
        made->dims[k] = dims[k];
    vec_push(ctx->arena, &f->instances, made);
    make_body(env, f, made);
    env->open_instances--;
    if (f->failed && f->is_generic && env->call_notes++ < CALL_NOTE_LIMIT)
        note_at(ctx, use, "in '%s' with %s, as called here", f->name, dims_text(f, ctx, dims));
    if (made->fn)
        index_nodes(ctx, made);
    graph_set_origin(ctx, saved);
    return made->fn ? made : NULL;
}

/* ---- generic functions: dimensions from arguments ---------------------------------------------------------------- */
typedef struct Unifier {
    Frame *frame;
    const Function *f;
    int64_t *dims;                                          /* 0: not known yet */
    Span *from;
} Unifier;

static int dim_place(const Decl *d, const Expr *e)
{
    for (int k = 0; e->kind == EXPR_NAME && k < d->fn.dims.count; k++)
        if (d->fn.dims.at[k].text == e->name)
            return k;
    return -1;
}

static bool unify_argument(Unifier *u, const ParamDecl *p, Value v)
{
    Context *ctx = u->frame->env->ctx;
    Node *n = value_tensor(u->frame, v);
    if (!n)
        return false;
    if (n->type->rank != p->type->dims.count) {
        fail(u->frame, v.span, "'%s' has %d dimension%s, but this is %s", p->name.text, p->type->dims.count,
             p->type->dims.count == 1 ? "" : "s", type_text(ctx, n->type));
        note(u->frame, p->span, "it is declared here");
        return false;
    }
    for (int k = 0; k < n->type->rank; k++) {
        int place = dim_place(u->f->decl, p->type->dims.at[k]);
        int64_t size = type_size(n->type, k);
        if (place < 0)
            continue;
        if (u->dims[place] == 0) {
            u->dims[place] = size;
            u->from[place] = v.span;
        } else if (u->dims[place] != size) {
            fail(u->frame, v.span, "'%s' cannot be both %" PRId64 " and %" PRId64 ": this is %s",
                 u->f->decl->fn.dims.at[place].text, u->dims[place], size, type_text(ctx, n->type));
            note(u->frame, u->from[place], "it is %" PRId64 " here", u->dims[place]);
            return false;
        }
    }
    return true;
}

static bool infer_dims(Frame *frame, const Function *f, const Value *args, int64_t *dims)
{
    Context *ctx = frame->env->ctx;
    Unifier u = { .frame = frame, .f = f, .dims = dims, .from = NEW_ARRAY(ctx->arena, Span, f->decl->fn.dims.count) };
    for (int k = 0; k < f->decl->fn.params.count; k++)
        if (!unify_argument(&u, &f->decl->fn.params.at[k], args[k]))
            return false;
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */
static bool is_derivative(Op op)
{
    return op == OP_grad || op == OP_jvp || op == OP_jacobian || op == OP_hessian || op == OP_hvp;
}

static Node *copy_node(Context *ctx, const Node *n, Node *const *operands)
{
    if (n->op == OP_bind)
        return node_bind(ctx, operands[0], n->origin.name);
    if (is_derivative(n->op))
        return node_derivative(ctx, n->op, n->type, n->operand_count, operands, n->attr_count, n->attr);
    return node_replaced(ctx, n, operands);
}

/* The place of an argument node in the list. */
static int param_place(const Fn *fn, const Node *n)
{
    int k = 0;
    while (fn->params.at[k].node != n)
        k++;
    return k;
}

/* What has no place of its own, a C function, is where it is used. */
static Node *copy_named(Context *ctx, const Node *n, Node *const *operands, Span use)
{
    Origin origin = n->origin;
    origin.name = NULL;
    if (!origin.span.source)
        origin.span = use;
    graph_set_origin(ctx, origin);
    Node *copy = copy_node(ctx, n, operands);
    if (n->origin.name)
        node_set_name(copy, n->origin.name);
    return copy;
}

/* A region yields values, which its result nodes take. */
static Node **copy_region(Context *ctx, const Node *n, Node *const *operands)
{
    Node **values = NEW_ARRAY(ctx->scratch, Node *, region_result_count(n));
    graph_set_origin(ctx, n->origin);
    region_again(ctx, n, n->body, operands, NULL, values);
    return values;
}

/* Copies the callee's graph with the arguments in the place of its parameters; false after an error message. */
static bool expand_call(Frame *frame, const Instance *callee, Span use, Node *const *args, Node **results)
{
    Context *ctx = frame->env->ctx;
    const Fn *fn = callee->fn;
    ArenaMark mark = arena_mark(ctx->scratch);
    Node **copies = NEW_ARRAY(ctx->scratch, Node *, callee->nodes.count), *operands[RANK_MAX + 2], **many = operands;
    Node ***values = NEW_ARRAY(ctx->scratch, Node **, callee->nodes.count);
    const int *places = callee->operand_at;
    bool good = graph_node_count(ctx) + callee->nodes.count <= NODE_LIMIT;
    for (int k = 0; k < callee->nodes.count && good; k++) {
        const Node *n = callee->nodes.at[k];
        many = n->operand_count <= RANK_MAX + 2 ? operands : NEW_ARRAY(ctx->scratch, Node *, n->operand_count);
        for (int i = 0; i < n->operand_count; i++)
            many[i] = copies[places[i]];
        if (n->op == OP_param)
            copies[k] = args[param_place(fn, n)];
        else if (n->op == OP_result)
            copies[k] = values[places[0]][n->attr[0]];
        else if (node_is_region(n))
            values[k] = copy_region(ctx, n, many);
        else
            copies[k] = copy_named(ctx, n, many, use);
        places += n->operand_count;
    }
    for (int k = 0; k < fn->results.count && good; k++)
        results[k] = copies[callee->result_at[k]];
    arena_release(ctx->scratch, mark);
    if (!good)
        fail(frame, use, "the program is too large: calls within calls expand to more than %d values", NODE_LIMIT);
    return good;
}

static Node **convert_arguments(Frame *frame, const Function *f, const Instance *callee, const Value *args)
{
    Context *ctx = frame->env->ctx;
    const Fn *fn = callee->fn;
    Node **nodes = NEW_ARRAY(ctx->arena, Node *, fn->params.count);
    for (int k = 0; k < fn->params.count; k++) {
        const char *what = str_format(ctx, "'%s' of '%s'", fn->params.at[k].name, f->name);
        nodes[k] = value_as(frame, args[k], fn->params.at[k].node->type, what);
        if (!nodes[k]) {
            note(frame, f->decl->fn.params.at[k].span, "it is declared here");
            return NULL;
        }
        if (callee->by_argument[k])
            nodes[k] = node_bind(ctx, nodes[k], fn->params.at[k].name);
    }
    return nodes;
}

static Value results_value(Context *ctx, Span span, int count, Node *const *nodes)
{
    if (count == 1)
        return value_of(nodes[0], span);
    Value v = { .kind = VALUE_RESULTS, .span = span, .count = count, .items = NEW_ARRAY(ctx->arena, Value, count) };
    for (int k = 0; k < count; k++)
        v.items[k] = value_of(nodes[k], span);
    return v;
}

/* A body that is more than elementwise operations becomes a loop over the elements. */
static Node *map_elements(Frame *frame, const Instance *callee, Span use, Node *const *args, const Type *shape)
{
    Context *ctx = frame->env->ctx;
    int count = callee->fn->params.count;
    Node *elements[SCALAR_FN_ARGUMENTS], *result, *stacked;
    for (int k = 0; k < count; k++)
        elements[k] = node_reshape(ctx, args[k], type_sized(ctx, args[k]->type->elem, 1, &shape->count));
    Node *index = node_param(ctx, str_intern(ctx, "i"), type_scalar(ctx, ELEM_INT), use);
    for (int k = 0; k < count; k++) {
        elements[k] = node_index(ctx, elements[k], 1, &index);
        if (callee->by_argument[k])
            elements[k] = node_bind(ctx, elements[k], callee->fn->params.at[k].name);
    }
    if (!expand_call(frame, callee, use, elements, &result))
        return NULL;
    LoopParts loop = { .trips = node_int(ctx, shape->count), .max_trips = shape->count, .index = index, .result_count = 1,
                       .results = &result };
    node_loop(ctx, &loop, &stacked);
    return node_reshape(ctx, stacked, shape);
}

/* A function of scalars that something is declared about, applied to every element of tensors. */
static Value call_elementwise(Frame *frame, Function *f, const Expr *call, const Value *args)
{
    Context *ctx = frame->env->ctx;
    Node *nodes[SCALAR_FN_ARGUMENTS], *result = NULL;
    Instance *callee = function_instance(frame->env, f, NULL, call->span);
    if (!callee || !elementwise_arguments(frame, f, call, args, nodes))
        return value_none(call->span);
    const Type *shape = type_with_elem(ctx, nodes[0]->type, ELEM_REAL);
    origin_at(frame, call->span);
    if (!fn_is_pointwise(ctx, callee->fn))
        result = map_elements(frame, callee, call->span, nodes, shape);
    else if (expand_call(frame, callee, call->span, nodes, &result))
        result = node_expand(ctx, result, shape);
    origin_at(frame, call->span);
    return value_of(result, call->span);
}

Value call_function(Frame *frame, Function *f, const Expr *call, int count, const Value *args)
{
    Context *ctx = frame->env->ctx;
    const Decl *d = f->decl;
    Value none = value_none(call->span);
    int64_t *dims = NEW_ARRAY(ctx->arena, int64_t, d->fn.dims.count);
    if (f->failed)
        return none;
    if (count != d->fn.params.count) {
        fail(frame, call->span, "'%s' takes %d argument%s, not %d", f->name, d->fn.params.count,
             d->fn.params.count == 1 ? "" : "s", count);
        note(frame, d->name.span, "it is declared here");
        return none;
    }
    if (is_elementwise_call(f, count, args))
        return call_elementwise(frame, f, call, args);
    if (!infer_dims(frame, f, args, dims))
        return none;
    Instance *callee = function_instance(frame->env, f, dims, call->span);
    if (!callee)
        return none;
    origin_at(frame, call->span);
    Node **nodes = convert_arguments(frame, f, callee, args);
    Node **results = NEW_ARRAY(ctx->arena, Node *, d->fn.results.count);
    if (!nodes || !expand_call(frame, callee, call->span, nodes, results))
        return none;
    origin_at(frame, call->span);
    return results_value(ctx, call->span, callee->fn->results.count, results);
}

/* ---- the prelude ------------------------------------------------------------------------------------------------- */
/* A function of the prelude is elaborated at each call: its arguments have no types, and its options are known. */
Value call_prelude(Frame *caller, Function *f, const Expr *call, const Value *args, const Value *options)
{
    Env *env = frontend_of(caller->env->ctx)->env;
    const Decl *d = f->decl;
    Frame frame = frame_new(env, FRAME_PRELUDE);
    frame.function = f;
    frame.use = frame_span(caller, call->span);
    frame.in_rule = caller->in_rule;
    frame.errors = env->ctx->error_count;
    for (int k = 0; k < d->fn.params.count; k++)
        frame_bind(&frame, d->fn.params.at[k].name.text, BINDING_ARGUMENT, args[k], d->fn.params.at[k].span);
    for (int k = 0; k < d->fn.options.count; k++) {
        const Arg *o = &d->fn.options.at[k];
        Value v = options[k].kind == VALUE_NONE ? option_value(&frame, o) : options[k];
        frame_bind(&frame, o->name.text, BINDING_ARGUMENT, v, o->span);
    }
    for (int k = 0; k < d->fn.body.stmts.count; k++)
        run_statement(&frame, d->fn.body.stmts.at[k]);
    Value v = d->fn.value ? elaborate(&frame, d->fn.value) : frame_find(&frame, d->fn.results.at[0].name.text)->value;
    v.span = call->span;
    v.is_literal = false;
    return v;
}
