/* forward.c: the forward sweep.
 *
 * Owns: every node that reaches a y and depends on an x with a tangent gets its own tangent once, in ascending id.
 * Elementwise ops use the text of their adjoint with the tangent put for g, which is the same number because their
 * derivative is diagonal; `where` selects between tangents, so what was not chosen never enters.  Directions of a batch have
 * their pattern beside them. */
#include "rules.h"
#include "region.h"

typedef struct {
    Context *ctx;
    int batch, first_new;
    bool sparse;                                            /* what is known to be zero does not flow */
    NodeList nodes;
    bool *needed;                                           /* by place: its tangent goes into that of a y */
    bool *open;                                             /* by place: not all of that way is through a where() */
    Flow *tangent;                                          /* by place; no value: none flows */
    Map *values;                                            /* region -> tangents of its values */
} Sweep;

static int place_of(const Sweep *s, const Node *n) { return node_place(&s->nodes, n); }

static Node *tangent_of_where(Context *ctx, const Node *n, Node *const *tangents)
{
    Node *zero = node_real(ctx, 0);
    return node_where(ctx, n->operands[0], tangents[1] ? tangents[1] : zero, tangents[2] ? tangents[2] : zero);
}

/* One term for each operand, or of where() one value.  Where the operands' patterns differ, every term is selected by its own. */
static Flow tangent_of_elementwise(Sweep *s, Node *n, Flow *arrived)
{
    Node *chosen[3] = { NULL };
    const Flow *first = NULL;
    Flow sum = { 0 };
    bool same = true;
    for (int k = 0; k < n->operand_count; k++)
        if (arrived[k].value) {
            sum.pattern = first ? pattern_join(s->ctx, sum.pattern, arrived[k].pattern) : arrived[k].pattern;
            first = first ? first : &arrived[k];
            same &= arrived[k].pattern == first->pattern;
        }
    for (int k = 0; k < n->operand_count; k++) {
        if (!arrived[k].value)
            continue;
        Flow from = same ? arrived[k] : pattern_settle(s->ctx, arrived[k]);
        chosen[k] = from.value;
        Node *value = n->op == OP_where ? from.value : row_apply(s->ctx, n, k, from.value, s->batch);
        Flow term = pattern_through(n, k, from, value);
        term = same || !value ? term : pattern_settle(s->ctx, term);
        sum.value = node_plus(s->ctx, sum.value, term.value);
        sum.bare |= term.value && term.bare;
    }
    if (n->op == OP_where)
        sum.value = tangent_of_where(s->ctx, n, chosen);
    return sum;
}

/* The adjoint of 1 says how much each element weighs in its largest or smallest one. */
static Node *tangent_of_extremum(Sweep *s, Node *n, Node *dx)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    Node *weight = row_apply(s->ctx, n, 0, node_fill(s->ctx, n->type, 1), 0), *term;
    if (weight->op == OP_where && node_is_zero(weight->operands[2]))    /* what is not chosen is no term */
        term = node_where(s->ctx, weight->operands[0], node_binary(s->ctx, OP_mul, weight->operands[1], dx), weight->operands[2]);
    else
        term = node_binary(s->ctx, OP_mul, weight, dx);
    return node_sum(s->ctx, term, count, axes, false);
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

/* All of it has moved, and the pattern as well. */
static bool keeps_pattern(const Node *n, const Flow *arrived)
{
    bool all = (n->op >= OP_expand && n->op <= OP_sum) || n->op == OP_index;
    for (int k = 0; k < n->operand_count; k++)
        all &= !arrived[k].value || arrived[k].pattern;
    return all;
}

static Node *moved_pattern(Sweep *s, Node *n, const Flow *arrived)
{
    Node **patterns = NEW_ARRAY(s->ctx->scratch, Node *, n->operand_count);
    for (int k = 0; k < n->operand_count; k++)
        patterns[k] = arrived[k].value ? arrived[k].pattern : NULL;
    return n->op == OP_sum ? pattern_any(s->ctx, n, patterns[0]) : linear_tangent(s->ctx, n, patterns, s->batch);
}

/* Selection can wait until after a move, but not if zeros come in. */
static Flow tangent_flow(Sweep *s, Node *n, Flow *arrived)
{
    Node **tangents = NEW_ARRAY(s->ctx->scratch, Node *, n->operand_count);
    bool waits = n->op == OP_expand || n->op == OP_reshape || n->op == OP_permute || n->op == OP_slice || n->op == OP_index;
    if (n->op == OP_bind)
        return arrived[0];
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return tangent_of_elementwise(s, n, arrived);
    for (int k = 0; k < n->operand_count; k++) {
        Flow f = waits || !arrived[k].value ? arrived[k] : pattern_settle(s->ctx, arrived[k]);
        tangents[k] = f.value;
    }
    if (is_region(n)) {
        enter_region(s, n, tangents);
        return (Flow){ 0 };
    }
    Flow dy = { .value = tangent_rule(s, n, tangents) };
    if (keeps_pattern(n, arrived))
        dy.pattern = moved_pattern(s, n, arrived);
    dy.bare = waits && arrived[0].bare;
    return dy;
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
static void add_tangent(Sweep *s, const Node *n, Flow dy)
{
    Flow *at = &s->tangent[place_of(s, n)];
    if (dy.value)
        *at = at->value ? flow_add(s->ctx, *at, dy) : dy;
}

static void visit(Sweep *s, Node *n)
{
    ArenaMark mark = arena_mark(s->ctx->scratch);
    Flow *arrived = NEW_ARRAY(s->ctx->scratch, Flow, n->operand_count), dy = { 0 };
    bool any = false;
    for (int k = 0; k < n->operand_count; k++) {
        if (operand_carries(n, k))
            arrived[k] = s->tangent[place_of(s, n->operands[k])];
        if (arrived[k].value && s->sparse && pattern_is_empty(arrived[k]))
            arrived[k] = (Flow){ 0 };
        any |= arrived[k].value != NULL;
        if (arrived[k].value && s->open[place_of(s, n)])
            warn_singular(s->ctx, n, k);
    }
    if (any) {
        origin_from(s->ctx, n, ROLE_TANGENT);
        dy = tangent_flow(s, n, arrived);
    }
    if (n->op == OP_result)
        dy.value = tangent_of_result(s, n);
    if (dy.value && dy.value->type != batch_type(s->ctx, dy.value, s->batch, n->type))
        internal_error(s->ctx, "tangent of %s has type %s instead of that of %s behind %d axes", op_info[n->op].name,
                       type_text(s->ctx, dy.value->type), type_text(s->ctx, n->type), s->batch);
    if (dy.value && !dy.bare)
        name_after(s->ctx, n, "_dot", dy.value, s->first_new);
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
    s.tangent = NEW_ARRAY(ctx->scratch, Flow, s.nodes.count + 1);
    for (int k = 0; k < x_count; k++)
        if (place_of(&s, xs[k]) >= 0 && tangents[k])
            add_tangent(&s, xs[k], pattern_of_seed(ctx, tangents[k], batch));
    find_needed(&s, y_count, ys);
    for (int k = 0; k < s.nodes.count; k++)
        if (s.needed[k])
            visit(&s, s.nodes.at[k]);
    for (int k = 0; k < y_count; k++)
        result[k] = flow_value(ctx, s.tangent[place_of(&s, ys[k])]);
    graph_set_origin(ctx, saved);
    arena_release(ctx->scratch, mark);
}
