/* deriv.c: derivatives of values, and the derivative nodes of a function's body.
 *
 * After diff_expand no derivative node is left.  Every grad of the same ys and seeds comes from one reverse sweep. */
#include "rules.h"

/* ---- Jacobian and Hessian -------------------------------------------------------------------------------------- */
bool jacobian_too_large(Context *ctx, const Type *y, const Type *x)
{
    bool ranks = y->rank + x->rank > RANK_MAX, elements = y->count > ELEMENTS_MAX / x->count;
    if (ranks || elements)
        error_at(ctx, graph_origin(ctx).span, "the derivative of a %s by a %s has more than %d %s", type_text(ctx, y),
                 type_text(ctx, x), ranks ? (int)RANK_MAX : (int)ELEMENTS_MAX, ranks ? "axes" : "elements");
    return ranks || elements;
}

/* NULL when nothing flows, and after an error message. */
static Node *jacobian(Context *ctx, Node *y, Node *x)
{
    Node *d = NULL;
    if (jacobian_too_large(ctx, y->type, x->type))
        return NULL;
    if (x->type->count <= y->type->count)
        jacobian_columns(ctx, 1, &y, x, &d);
    else
        jacobian_rows(ctx, y, 1, &x, &d);
    return d;
}

static Node *or_zero(Context *ctx, Node *d, const Type *y, const Type *x)
{
    return d ? d : node_fill(ctx, type_concat(ctx, ELEM_REAL, y, x), 0);
}

Node *diff_jacobian(Context *ctx, Node *y, Node *x)
{
    return or_zero(ctx, jacobian(ctx, y, x), y->type, x->type);
}

static Node *gradient(Context *ctx, Node *y, Node *x, AdjointRecords *records)
{
    Node *seed = node_real(ctx, 1), *result;
    diff_reverse(ctx, 1, &y, &seed, 0, 1, &x, &result, records);
    return result;
}

Node *diff_hessian(Context *ctx, Node *y, Node *x)
{
    Node *g = gradient(ctx, y, x, NULL);
    return or_zero(ctx, g ? jacobian(ctx, g, x) : NULL, x->type, x->type);
}

/* ---- the derivative nodes of a body ---------------------------------------------------------------------------- */
typedef struct Group {                                      /* grads of the same ys and seeds */
    Vec(const Node *) members;
} Group;

typedef struct {
    Map *new_of;                                            /* node of the old body -> node of the new one */
    Map *groups;                                            /* first y -> GroupList */
    AdjointRecords records;
    Map *bodies;                                            /* of regions -> expanded */
} Expansion;

typedef Vec(Group *) GroupList;

static Node *lookup(const Expansion *e, const Node *old)
{
    Node *n = map_get(e->new_of, old);
    return n ? n : (Node *)(uintptr_t)old;                  /* params are not rewritten */
}

/* grad: y.., seed.., x */
static bool same_group(const Node *a, const Node *b)
{
    if (a->operand_count != b->operand_count || a->attr[0] != b->attr[0])
        return false;
    for (int k = 0; k < a->operand_count - 1; k++)
        if (a->operands[k] != b->operands[k])
            return false;
    return true;
}

static Group *group_of(Context *ctx, Expansion *e, const Node *n)
{
    GroupList *list = map_get(e->groups, n->operands[0]);
    if (!list)
        map_put(e->groups, n->operands[0], list = NEW(ctx->arena, GroupList));
    for (int k = 0; k < list->count; k++)
        if (same_group(list->at[k]->members.at[0], n))
            return list->at[k];
    Group *g = NEW(ctx->arena, Group);
    vec_push(ctx->arena, list, g);
    return g;
}

static const char *name_or(const Node *n, const char *otherwise)
{
    return n->origin.name ? n->origin.name : otherwise;
}

static Node *checked(Context *ctx, Node *d, const Node *derivative, const Node *y, const Node *x)
{
    if (d)
        return d;
    if (!ctx->error_count)
        warn_at(ctx, derivative->origin.span, "the derivative is zero: '%s' does not depend on '%s'", name_or(y, "y"),
                name_or(x, "x"));
    return node_fill(ctx, derivative->type, 0);
}

/* One sweep for all members whose x is older than this one; a younger x can not be what y was computed from. */
static void sweep_group(Context *ctx, Expansion *e, const Node *n, Node *const *operands, const Group *g)
{
    int y_count = (int)n->attr[0], count = 0;
    ArenaMark mark = arena_mark(ctx->scratch);
    const Node **members = NEW_ARRAY(ctx->scratch, const Node *, g->members.count);
    Node **xs = NEW_ARRAY(ctx->scratch, Node *, g->members.count);
    Node **results = NEW_ARRAY(ctx->scratch, Node *, g->members.count);
    for (int k = 0; k < g->members.count; k++) {
        const Node *m = g->members.at[k], *x = m->operands[m->operand_count - 1];
        if (x->id < n->id) {
            members[count] = m;
            xs[count++] = lookup(e, x);
        }
    }
    diff_reverse(ctx, y_count, operands, operands + y_count, 0, count, xs, results, &e->records);
    for (int k = 0; k < count; k++) {
        const Node *m = members[k], *x = m->operands[m->operand_count - 1];
        map_put(e->new_of, m, checked(ctx, results[k], m, m->operands[0], x));
    }
    arena_release(ctx->scratch, mark);
}

static Node *expand_grad(Context *ctx, Expansion *e, const Node *n, Node *const *operands)
{
    if (!map_get(e->new_of, n))
        sweep_group(ctx, e, n, operands, group_of(ctx, e, n));
    return map_get(e->new_of, n);
}

/* jvp: y, x.., v..  (attr: count of x) */
static Node *expand_jvp(Context *ctx, const Node *n, Node *const *operands)
{
    int count = (int)n->attr[0];
    Node *y = operands[0], *dy;
    diff_forward(ctx, count, operands + 1, operands + 1 + count, 0, 1, &y, &dy);
    return checked(ctx, dy, n, n->operands[0], n->operands[1]);
}

/* hvp: y, x.., v..  (attr: count of x, which x): the gradient's derivative in the direction v */
static Node *expand_hvp(Context *ctx, Expansion *e, const Node *n, Node *const *operands)
{
    int count = (int)n->attr[0], which = (int)n->attr[1];
    Node *g = gradient(ctx, operands[0], operands[1 + which], &e->records), *dg = NULL;
    if (!g)
        return checked(ctx, NULL, n, n->operands[0], n->operands[1 + which]);
    diff_forward(ctx, count, operands + 1, operands + 1 + count, 0, 1, &g, &dg);
    return dg ? dg : node_fill(ctx, n->type, 0);            /* linear in x: nothing to warn of */
}

static Node *expand_hessian(Context *ctx, Expansion *e, const Node *n, Node *const *operands)
{
    Node *g = gradient(ctx, operands[0], operands[1], &e->records);
    return checked(ctx, g ? diff_jacobian(ctx, g, operands[1]) : NULL, n, n->operands[0], n->operands[1]);
}

static const Fn *expand(Context *, const Fn *, Map *bodies);

static Node *expand_node(Context *ctx, Expansion *e, const Node *n, Node *const *operands)
{
    switch (n->op) {
    case OP_grad: return expand_grad(ctx, e, n, operands);
    case OP_jvp: return expand_jvp(ctx, n, operands);
    case OP_jacobian: return checked(ctx, jacobian(ctx, operands[0], operands[1]), n, n->operands[0], n->operands[1]);
    case OP_hessian: return expand_hessian(ctx, e, n, operands);
    case OP_hvp: return expand_hvp(ctx, e, n, operands);
    default: return node_replaced(ctx, n, operands);
    }
}

static Node *replace(Context *ctx, const Node *n, Node *const *operands, void *user)
{
    Expansion *e = user;
    Node *node = expand_node(ctx, e, n, operands);
    map_put(e->new_of, n, node);
    return node;
}

static bool is_derivative(const Node *n)
{
    return n->op == OP_grad || n->op == OP_jvp || n->op == OP_jacobian || n->op == OP_hessian || n->op == OP_hvp;
}

static Node *strip_bind(Context *ctx, const Node *n, Node *const *operands, void *user)
{
    (void)user;
    return n->op == OP_bind ? operands[0] : node_rebuild(ctx, n, operands);
}

/* The body without derivatives, and without the binds that they needed; itself when it has none. */
static const Fn *expand_body(Context *ctx, const Fn *body, Map *bodies)
{
    const Fn *expanded = map_get(bodies, body);
    bool binds = false;
    if (expanded)
        return expanded;
    expanded = expand(ctx, body, bodies);
    NodeList nodes = { 0 };
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, expanded, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        binds |= nodes.at[k]->op == OP_bind;
    arena_release(ctx->scratch, mark);
    if (binds)
        expanded = fn_rewrite(ctx, expanded, strip_bind, NULL);
    map_put(bodies, body, (Fn *)(uintptr_t)expanded);
    return expanded;
}

static void expand_region(Context *ctx, const Node *n, Node *const *operands, void *user, Node **values)
{
    Expansion *e = user;
    const Fn *body[2] = { NULL, NULL };
    Node *region = (Node *)(uintptr_t)n;
    bool changed = false;
    for (int k = 0; k < n->operand_count; k++)
        changed |= operands[k] != n->operands[k];
    for (int b = 0; b < 2 && n->body[b]; b++) {
        body[b] = expand_body(ctx, n->body[b], e->bodies);
        changed |= body[b] != n->body[b];
    }
    if (changed)
        region_again(ctx, n, body, operands, NULL, values);
    for (int k = 0; k < region_result_count(n); k++) {
        Node *old = node_result(ctx, region, k);
        values[k] = changed ? values[k] : old;
        map_put(e->new_of, old, values[k]);
    }
}

/* fn itself when there is nothing to do. */
static const Fn *expand(Context *ctx, const Fn *fn, Map *bodies)
{
    Expansion e = { .new_of = map_new(ctx->arena), .groups = map_new(ctx->arena), .bodies = bodies };
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList nodes = { 0 };
    bool any = false;
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        any |= is_derivative(n);
        for (int b = 0; b < 2 && n->body[b]; b++)
            any |= expand_body(ctx, n->body[b], bodies) != n->body[b];
        Group *group = n->op == OP_grad ? group_of(ctx, &e, n) : NULL;
        if (group)
            vec_push(ctx->arena, &group->members, n);
    }
    arena_release(ctx->scratch, mark);
    if (!any)
        return fn;
    Fn *expanded = fn_rewrite_regions(ctx, fn, replace, expand_region, &e);
    for (int k = 0; k < e.records.count; k++)
        vec_push(ctx->arena, &expanded->adjoints, e.records.at[k]);
    return expanded;
}

Fn *diff_expand(Context *ctx, const Fn *fn)
{
    const Fn *expanded = expand(ctx, fn, map_new(ctx->arena));
    return expanded == fn ? arena_copy(ctx->arena, fn, sizeof *fn) : (Fn *)(uintptr_t)expanded;
}
