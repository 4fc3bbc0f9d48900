/* forward.c: the forward sweep.
 *
 * Owns: every node that reaches a y and depends on an x with a tangent gets its own tangent once, in ascending id.
 * Elementwise ops use the text of their adjoint with the tangent put for g, which is the same number because their
 * derivative is diagonal; `where` selects between tangents, so what was not chosen never enters. */
#include "rules.h"
#include "region.h"

typedef struct {
    Context *ctx;
    int batch, first_new;
    bool sparse;                                            /* what is known to be zero does not flow */
    NodeList nodes;
    bool *needed;                                           /* by place: its tangent goes into that of a y */
    bool *open;                                             /* by place: not all of that way is through a where() */
    Node **tangent;                                         /* by place; NULL: none flows */
    Map *values;                                            /* region -> tangents of its values */
} Sweep;

static int place_of(const Sweep *s, const Node *n) { return node_place(&s->nodes, n); }

static Node *tangent_of_where(Context *ctx, const Node *n, Node *const *tangents)
{
    Node *zero = node_real(ctx, 0);
    return node_where(ctx, n->operands[0], tangents[1] ? tangents[1] : zero, tangents[2] ? tangents[2] : zero);
}

static Node *tangent_of_elementwise(Sweep *s, Node *n, Node *const *tangents)
{
    Node *sum = NULL;
    for (int k = 0; k < n->operand_count; k++) {
        Node *term = tangents[k] ? row_apply(s->ctx, n, k, tangents[k], s->batch) : NULL;
        sum = node_plus(s->ctx, sum, term);
    }
    return sum;
}

/* The adjoint of 1 says how much each element weighs in its largest or smallest one. */
static Node *tangent_of_extremum(Sweep *s, Node *n, Node *dx)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    Node *weight = row_apply(s->ctx, n, 0, node_fill(s->ctx, n->type, 1), 0);
    return node_sum(s->ctx, node_binary(s->ctx, OP_mul, weight, dx), count, axes, false);
}

static Node *tangent_of_ruled(Sweep *s, Node *n, Node *const *tangents)
{
    Node *sum = NULL;
    for (int k = RULED_X; k < n->operand_count; k++) {
        if (!tangents[k])
            continue;
        Node *term = n->op == OP_product_slope ? product_slope_adjoint(s->ctx, n, k, tangents[k])
            : n->op == OP_product_like ? product_like_tangent(s->ctx, n, tangents[k])
            : is_built(n) ? cumprod_tangent(s->ctx, n, k, tangents[k])
            : rule_apply(s->ctx, n->op, ruled_text(k, true), n, n->operands, n, tangents[k]);
        if (!term)
            continue;
        term = node_expand(s->ctx, term, batch_type(s->ctx, tangents[k], s->batch, n->type));
        sum = node_plus(s->ctx, sum, term);
    }
    return sum;
}

static Node *tangent_rule(Sweep *s, Node *n, Node *const *tangents)
{
    Context *ctx = s->ctx;
    if (n->op == OP_bind)
        return tangents[0];
    if (n->op == OP_where)
        return tangent_of_where(ctx, n, tangents);
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return tangent_of_elementwise(s, n, tangents);
    if (op_info[n->op].class == CLASS_LINEAR)
        return linear_tangent(ctx, n, tangents, s->batch);
    if (node_is_ruled(n))
        return tangent_of_ruled(s, n, tangents);
    switch (n->op) {
    case OP_call: case OP_override: return declared_tangent(ctx, n, tangents, s->batch);
    case OP_recurrence: return recurrence_tangent(ctx, n, tangents);
    case OP_prod: return product_tangent(ctx, n, tangents[0]);
    case OP_max_reduce: case OP_max_first:
    case OP_min_reduce: return tangent_of_extremum(s, n, tangents[0]);
    default: return matrix_tangent(ctx, n, tangents);
    }
}

static Node *tangent_of_result(const Sweep *s, const Node *n)
{
    Node **values = map_get(s->values, n->operands[0]);
    return values ? values[n->attr[0]] : NULL;
}

static void enter_region(Sweep *s, Node *n, Node *const *tangents)
{
    Node **values = NEW_ARRAY(s->ctx->arena, Node *, region_result_count(n));
    region_forward(s->ctx, n, tangents, s->batch, values);
    map_put(s->values, n, values);
}

/* Not all that a y is computed from: behind a declared derivative, the value's own way is not taken. */
static void find_needed(Sweep *s, int y_count, Node *const *ys)
{
    s->needed = NEW_ARRAY(s->ctx->scratch, bool, s->nodes.count + 1);
    s->open = NEW_ARRAY(s->ctx->scratch, bool, s->nodes.count + 1);
    for (int k = 0; k < y_count; k++)
        s->needed[place_of(s, ys[k])] = s->open[place_of(s, ys[k])] = true;
    for (int k = s->nodes.count - 1; k >= 0; k--) {
        const Node *n = s->nodes.at[k];
        for (int i = 0; s->needed[place_of(s, n)] && i < n->operand_count; i++) {
            if (!operand_carries(n, i))
                continue;
            s->needed[place_of(s, n->operands[i])] = true;
            s->open[place_of(s, n->operands[i])] |= s->open[place_of(s, n)] && n->op != OP_where;
        }
    }
}

/* An x that depends on another x moves by both. */
static void add_tangent(Sweep *s, const Node *n, Node *dy)
{
    Node **at = &s->tangent[place_of(s, n)];
    *at = node_plus(s->ctx, *at, dy);
}

static void visit(Sweep *s, Node *n)
{
    ArenaMark mark = arena_mark(s->ctx->scratch);
    Node **tangents = NEW_ARRAY(s->ctx->scratch, Node *, n->operand_count), *dy = NULL;
    bool any = false;
    for (int k = 0; k < n->operand_count; k++) {
        tangents[k] = operand_carries(n, k) ? s->tangent[place_of(s, n->operands[k])] : NULL;
        if (tangents[k] && s->sparse && node_is_zero(tangents[k]))
            tangents[k] = NULL;
        any |= tangents[k] != NULL;
        if (tangents[k] && s->open[place_of(s, n)])
            warn_singular(s->ctx, n, k);
    }
    if (any) {
        origin_from(s->ctx, n, ROLE_TANGENT);
        if (is_region(n))
            enter_region(s, n, tangents);
        else
            dy = tangent_rule(s, n, tangents);
    }
    if (n->op == OP_result)
        dy = tangent_of_result(s, n);
    if (dy && dy->type != batch_type(s->ctx, dy, s->batch, n->type))
        internal_error(s->ctx, "tangent of %s has type %s instead of that of %s behind %d axes", op_info[n->op].name,
                       type_text(s->ctx, dy->type), type_text(s->ctx, n->type), s->batch);
    if (dy)
        name_after(s->ctx, n, "_dot", dy, s->first_new);
    add_tangent(s, n, dy);
    arena_release(s->ctx->scratch, mark);
}

void diff_forward(Context *ctx, int x_count, Node *const *xs, Node *const *tangents, int batch,
                  int y_count, Node *const *ys, Node **result)
{
    Sweep s = { .ctx = ctx, .batch = batch, .first_new = graph_node_count(ctx), .sparse = seeds_are_sparse(x_count, tangents),
                .values = map_new(ctx->arena) };
    ArenaMark mark = arena_mark(ctx->scratch);
    Origin saved = graph_origin(ctx);
    nodes_reaching(ctx, ys, y_count, ctx->scratch, &s.nodes);
    s.tangent = NEW_ARRAY(ctx->scratch, Node *, s.nodes.count + 1);
    for (int k = 0; k < x_count; k++)
        if (place_of(&s, xs[k]) >= 0)
            add_tangent(&s, xs[k], tangents[k]);
    find_needed(&s, y_count, ys);
    for (int k = 0; k < s.nodes.count; k++)
        if (s.needed[k])
            visit(&s, s.nodes.at[k]);
    for (int k = 0; k < y_count; k++)
        result[k] = s.tangent[place_of(&s, ys[k])];
    graph_set_origin(ctx, saved);
    arena_release(ctx->scratch, mark);
}
