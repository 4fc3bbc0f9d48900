/* derivative.c: grad, jvp, jacobian, hessian and hvp of values of one body.
 *
 * They name values: y and x are names bound in the function, and x stands for its binding, not for the node that other
 * bindings may share.  So names in the `by` place are found before the body is elaborated, and bound with node_bind. */
#include "elaborate.h"

#include <string.h>

const char *const derivative_forms[5] = { "grad", "jvp", "jacobian", "hessian", "hvp" };
static const Op derivative_ops[5] = { OP_grad, OP_jvp, OP_jacobian, OP_hessian, OP_hvp };

static int find_form(Str name)
{
    for (int k = 0; k < 5; k++)
        if (strcmp(derivative_forms[k], name) == 0)
            return k;
    return -1;
}

bool is_derivative_form(Str name)
{
    return find_form(name) >= 0;
}

/* ---- which names derivatives are taken by ------------------------------------------------------------------------ */
static void add_name(Frame *frame, const Expr *e)
{
    Context *ctx = frame->env->ctx;
    if (e->kind != EXPR_NAME)
        return;
    if (!frame->differentiated)
        frame->differentiated = map_new(ctx->arena);
    map_put(frame->differentiated, e->name, frame);
}

static void visit_derivative(void *user, const Expr *e)
{
    Frame *frame = user;
    if (e->kind != EXPR_CALL || !is_derivative_form(e->call.callee.text) || e->call.args.count < 2)
        return;
    const Expr *by = e->call.args.at[1].value;
    add_name(frame, by);
    for (int k = 0; by->kind == EXPR_TUPLE && k < by->items.count; k++)
        add_name(frame, by->items.at[k]);
}

void find_differentiated(Frame *frame, const Decl *d)
{
    function_walk(d, visit_derivative, frame);
    if (!frame->differentiated)
        return;
    for (int k = d->fn.body.stmts.count - 1; k >= 0; k--) {     /* `a = x;`: to differentiate by a is to do so by x */
        const Stmt *s = d->fn.body.stmts.at[k];
        if (s->kind == STMT_BIND && s->bind.names.count == 1 && s->bind.value->kind == EXPR_NAME
            && map_get(frame->differentiated, s->bind.names.at[0].text))
            add_name(frame, s->bind.value);
    }
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */
typedef struct Named {
    int count;
    bool is_tuple;
    const Expr **exprs;
    Node **nodes;
} Named;

static const Expr *const *list_items(const Expr *const *e, int *count)
{
    bool is_tuple = (*e)->kind == EXPR_TUPLE;
    *count = is_tuple ? (*e)->items.count : 1;
    return is_tuple ? (const Expr *const *)(*e)->items.at : e;
}

static Node *named_value(Frame *frame, Str form, const Expr *e)
{
    if (e->kind != EXPR_NAME) {
        fail(frame, e->span, "'%s' needs the name of a value here; bind the expression first: 'y = ...;'", form);
        return NULL;
    }
    const Binding *b = frame_find(frame, e->name);
    if (!b && map_get(frame->env->constants, e->name))
        fail(frame, e->span, "'%s' is a constant; '%s' needs the name of a value that is bound in this function",
             e->name, form);
    else if (!b)
        fail(frame, e->span, "there is no value named '%s' in this function%s", e->name, suggest_value(frame, e->name));
    if (!b || b->value.kind == VALUE_NONE)
        return NULL;
    Node *n = value_tensor(frame, b->value);
    if (n && n->type->elem != ELEM_REAL) {
        fail(frame, e->span, "'%s' is %s; derivatives are of real values by real values", e->name,
             type_text(frame->env->ctx, n->type));
        note(frame, b->span, "'%s' is bound here", e->name);
        return NULL;
    }
    return n;
}

static bool read_named(Frame *frame, Str form, const Expr *e, Named *out)
{
    Context *ctx = frame->env->ctx;
    const Expr *const *items = list_items(&e, &out->count);
    bool good = out->count > 0;
    out->is_tuple = e->kind == EXPR_TUPLE;
    out->exprs = arena_copy(ctx->arena, items, sizeof(*items) * (size_t)out->count);
    out->nodes = NEW_ARRAY(ctx->arena, Node *, out->count + 1);
    for (int k = 0; k < out->count; k++) {
        out->nodes[k] = named_value(frame, form, items[k]);
        good &= out->nodes[k] != NULL;
    }
    if (out->count == 0)
        fail(frame, e->span, "'%s' needs at least one name here", form);
    return good;
}

static bool only_one(Frame *frame, Str form, const Expr *e, const Named *named)
{
    if (named->count == 1)
        return true;
    fail(frame, e->span, "'%s' takes one value here, not %d", form, named->count);
    return false;
}

/* The given expression, or tuple of expressions: one vector of the right type for each name. */
static bool read_vectors(Frame *frame, const Expr *e, const Named *of, const char *what, Node **out)
{
    Context *ctx = frame->env->ctx;
    int count;
    const Expr *const *items = list_items(&e, &count);
    if (count != of->count) {
        fail(frame, e->span, "%d %s are needed here, one for each value, not %d", of->count, what, count);
        return false;
    }
    bool good = true;
    for (int k = 0; k < count; k++) {
        Value v = elaborate(frame, items[k]);
        const char *text = str_format(ctx, "the vector for '%s'", of->exprs[k]->name);
        out[k] = value_as(frame, v, of->nodes[k]->type, text);
        good &= out[k] != NULL;
    }
    return good;
}

static bool check_scalar(Frame *frame, Str form, const Expr *e, const Node *y)
{
    Context *ctx = frame->env->ctx;
    if (y->type->rank == 0)
        return true;
    if (strcmp(form, "grad") == 0)
        fail(frame, e->span, "'%s' is %s; the gradient of a value that is not a scalar needs a seed of its shape: "
             "'grad(y, x, seed: v)'", e->name, type_text(ctx, y->type));
    else
        fail(frame, e->span, "'%s' is %s; '%s' needs a scalar", e->name, type_text(ctx, y->type), form);
    note(frame, frame_find(frame, e->name)->span, "'%s' is bound here", e->name);
    return false;
}

/* ---- the forms --------------------------------------------------------------------------------------------------- */
/* One node: front operands, then the last; of the type of the value it is by or of. */
static Node *derivative_node(Frame *frame, Op op, const Type *type, const Named *a, Node *const *b, int b_count,
                             Node *last, int attr_count, const int64_t *attr)
{
    Context *ctx = frame->env->ctx;
    int count = 0;
    Node **operands = NEW_ARRAY(ctx->arena, Node *, a->count + b_count + 1);
    for (int k = 0; k < a->count; k++)
        operands[count++] = a->nodes[k];
    for (int k = 0; k < b_count; k++)
        operands[count++] = b[k];
    if (last)
        operands[count++] = last;
    return node_derivative(ctx, op, type, count, operands, attr_count, attr);
}

static Value results_value(Frame *frame, const Expr *call, const Named *by, Node *const *nodes)
{
    if (by->count == 1)
        return value_of(nodes[0], call->span);
    Value v = { .kind = VALUE_RESULTS, .span = call->span, .count = by->count };
    v.items = NEW_ARRAY(frame->env->ctx->arena, Value, by->count);
    for (int k = 0; k < by->count; k++)
        v.items[k] = value_of(nodes[k], call->span);
    return v;
}

static Value form_grad(Frame *frame, const Expr *call, const Named *y, const Named *x, const Expr *seed)
{
    Context *ctx = frame->env->ctx;
    Node **seeds = NEW_ARRAY(ctx->arena, Node *, y->count), **results = NEW_ARRAY(ctx->arena, Node *, x->count);
    int64_t attr = y->count;
    bool good = !seed || read_vectors(frame, seed, y, "seeds", seeds);
    for (int k = 0; k < y->count && !seed; k++) {
        good &= check_scalar(frame, call->call.callee.text, y->exprs[k], y->nodes[k]);
        seeds[k] = node_real(ctx, 1);
    }
    if (!good)
        return value_none(call->span);
    origin_at(frame, call->span);
    for (int k = 0; k < x->count; k++)
        results[k] = derivative_node(frame, OP_grad, x->nodes[k]->type, y, seeds, y->count, x->nodes[k], 1, &attr);
    return results_value(frame, call, x, results);
}

static Value form_product(Frame *frame, const Expr *call, Op op, const Named *y, const Named *x, const Expr *direction)
{
    Context *ctx = frame->env->ctx;
    Node **operands = NEW_ARRAY(ctx->arena, Node *, 2 * x->count), **results = NEW_ARRAY(ctx->arena, Node *, x->count);
    bool is_jvp = op == OP_jvp;
    memcpy(operands, x->nodes, sizeof *operands * (size_t)x->count);
    if (!read_vectors(frame, direction, x, "vectors", operands + x->count))
        return value_none(call->span);
    origin_at(frame, call->span);
    for (int k = 0; k < (is_jvp ? 1 : x->count); k++) {
        int64_t attr[2] = { x->count, k };
        const Type *type = is_jvp ? y->nodes[0]->type : x->nodes[k]->type;
        results[k] = derivative_node(frame, op, type, y, operands, 2 * x->count, NULL, is_jvp ? 1 : 2, attr);
    }
    return is_jvp ? value_of(results[0], call->span) : results_value(frame, call, x, results);
}

static Value form_matrix(Frame *frame, const Expr *call, Op op, const Named *y, const Named *x)
{
    const Type *front = op == OP_hessian ? x->nodes[0]->type : y->nodes[0]->type, *back = x->nodes[0]->type;
    int64_t sizes[2 * RANK_MAX];
    for (int k = 0; k < front->rank; k++)
        sizes[k] = type_size(front, k);
    for (int k = 0; k < back->rank; k++)
        sizes[front->rank + k] = type_size(back, k);
    const Type *type = make_type(frame, call->span, ELEM_REAL, front->rank + back->rank, sizes);
    if (!type)
        return value_none(call->span);
    origin_at(frame, call->span);
    return value_of(derivative_node(frame, op, type, y, x->nodes, 1, NULL, 0, NULL), call->span);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */
/* Splits `seed: v` off; false after an error message. */
static bool check_arguments(Frame *frame, const Expr *call, int wanted, const Expr **seed)
{
    const ArgList *args = &call->call.args;
    Str form = call->call.callee.text;
    int given = 0;
    *seed = NULL;
    for (int k = 0; k < args->count; k++) {
        const Arg *a = &args->at[k];
        if (!a->name.text) {
            given++;
        } else if (strcmp(form, "grad") == 0 && strcmp(a->name.text, "seed") == 0 && !*seed) {
            *seed = a->value;
        } else {
            fail(frame, a->name.span, "'%s' has no option '%s'%s", form, a->name.text,
                 strcmp(form, "grad") == 0 ? "; its option is 'seed'" : "");
            return false;
        }
    }
    if (given == wanted)
        return true;
    fail(frame, call->span, "'%s' takes %s, not %d argument%s", form,
         wanted == 3 ? "(y, x, v)" : strcmp(form, "grad") == 0 ? "(y, x) or (y, x, seed: v)" : "(y, x)", given,
         given == 1 ? "" : "s");
    return false;
}

Value elaborate_derivative(Frame *frame, const Expr *call)
{
    Str form = call->call.callee.text;
    Op op = derivative_ops[find_form(form)];
    const Arg *args = call->call.args.at;
    const Expr *seed;
    Named y, x;
    bool is_product = op == OP_jvp || op == OP_hvp;
    if (!check_arguments(frame, call, is_product ? 3 : 2, &seed))
        return value_none(call->span);
    bool good = read_named(frame, form, args[0].value, &y);
    good &= read_named(frame, form, args[1].value, &x);
    if (good && op != OP_grad)
        good = only_one(frame, form, args[0].value, &y);
    if (good && (op == OP_jacobian || op == OP_hessian))
        good = only_one(frame, form, args[1].value, &x);
    if (good && (op == OP_hessian || op == OP_hvp))
        good = check_scalar(frame, form, y.exprs[0], y.nodes[0]);
    if (!good)
        return value_none(call->span);
    if (op == OP_grad)
        return form_grad(frame, call, &y, &x, seed);
    return is_product ? form_product(frame, call, op, &y, &x, args[2].value) : form_matrix(frame, call, op, &y, &x);
}
