/* reverse.c: the reverse sweep.
 *
 * Owns: every node that reaches a y and depends on a wrt is visited once, in descending id, when all its consumers
 * have been; its adjoint is the sum of their terms in that order.  A missing adjoint is NULL, never a zero.  The
 * sweep is linear in those nodes.  What comes out is ordinary graph, so it can be differentiated again. */
#include "rules.h"
#include "region.h"

typedef struct Term {
    Flow flow;
    const Node *consumer;
    int operand;
    struct Term *next;
} Term;

typedef struct {
    bool active, wanted;                                    /* depends on a wrt; is one */
    Term *first, *last;
    Node *adjoint, *mask;                                   /* once visited, if wanted */
    Node **values, *condition;                              /* of a region: its values' adjoints, their mask */
} Slot;

typedef struct {
    Context *ctx;
    int batch, first_new;
    bool sparse;                                            /* what is known to be zero does not flow */
    AdjointRecords *records;
    NodeList nodes;
    Slot *slots;
} Sweep;

bool is_region(const Node *n)
{
    return n->op == OP_loop || n->op == OP_while_loop || n->op == OP_branch;
}

bool is_built(const Node *n)
{
    return n->op == OP_product_like || n->op == OP_product_slope || n->op == OP_cumprod_slope || n->op == OP_cumprod_back;
}

/* ---- what both sweeps ask -------------------------------------------------------------------------------------- */
bool operand_carries(const Node *n, int operand)
{
    if (n->op == OP_override && operand == 0)               /* the value: its derivative is declared instead */
        return false;
    if (node_is_ruled(n))
        return is_built(n) ? operand >= RULED_X : operand == RULED_X || operand == RULED_V;
    if (n->op == OP_result)                                 /* of a region, which has a type of no meaning */
        return n->type->elem == ELEM_REAL;
    if (is_region(n))
        return n->operands[operand]->type->elem == ELEM_REAL;
    if (n->type->elem != ELEM_REAL || n->operands[operand]->type->elem != ELEM_REAL)
        return false;
    return op_info[n->op].class != CLASS_ELEMENTWISE || op_info[n->op].adjoint[operand] != NULL;
}

bool seeds_are_sparse(int count, Node *const *seeds)
{
    bool sparse = false;
    for (int k = 0; k < count; k++)
        sparse |= seeds[k] && seeds[k]->op == OP_constant && seeds[k]->type->count > 1;
    return sparse;
}

void origin_from(Context *ctx, const Node *n, Role role)
{
    graph_set_origin(ctx, (Origin){ .span = n->origin.span, .role = role, .of = n });
}

void name_after(Context *ctx, const Node *primal, const char *suffix, Node *derivative, int first_new)
{
    double value;
    if (primal->origin.name && derivative->id >= first_new && !node_is_fill(derivative, &value))
        node_set_name(derivative, str_format(ctx, "%s%s", primal->origin.name, suffix));
}

Node *no_rule(Context *ctx, const Node *n)
{
    if (op_info[n->op].class == CLASS_LEAF)
        internal_error(ctx, "%s of a value has not been expanded before its own derivative", op_info[n->op].name);
    error_at(ctx, n->origin.span, "no derivative rule for '%s'", op_info[n->op].name);
    return NULL;
}

/* For the test of the tests: the one rule that mutants.c has chosen is off by a little. */
static Node *perhaps_wrong(Context *ctx, const Node *n, int operand, Node *value)
{
    bool wrong = ctx->options.wrong_op == (int)n->op + 1 && ctx->options.wrong_operand == operand;
    return wrong && value ? node_binary(ctx, OP_mul, value, node_real(ctx, 1.001)) : value;
}

Node *row_apply(Context *ctx, Node *n, int operand, Node *g, int batch)
{
    int text = node_is_ruled(n) ? ruled_text(operand, false) : operand;
    Node *value = perhaps_wrong(ctx, n, operand, rule_apply(ctx, n->op, text, n, n->operands, n, g));
    if (!value)
        return NULL;
    return node_expand(ctx, value, batch_type(ctx, g, batch, n->operands[operand]->type));
}

/* ---- preparation ----------------------------------------------------------------------------------------------- */
static Slot *slot_of(const Sweep *s, const Node *n)
{
    int at = node_place(&s->nodes, n);
    return at < 0 ? NULL : &s->slots[at];
}

static bool depends(const Sweep *s, const Node *n)
{
    for (int k = 0; k < n->operand_count; k++)
        if (operand_carries(n, k) && slot_of(s, n->operands[k])->active)
            return true;
    return false;
}

static void prepare(Sweep *s, int y_count, Node *const *ys, int wrt_count, Node *const *wrt)
{
    Arena *scratch = s->ctx->scratch;
    nodes_reaching(s->ctx, ys, y_count, scratch, &s->nodes);
    s->slots = NEW_ARRAY(scratch, Slot, s->nodes.count);
    for (int k = 0; k < wrt_count; k++)
        if (slot_of(s, wrt[k]))
            slot_of(s, wrt[k])->wanted = true;
    for (int k = 0; k < s->nodes.count; k++)                /* operands come first */
        s->slots[k].active = s->slots[k].wanted || depends(s, s->nodes.at[k]);
}

static void add_term(Sweep *s, const Node *to, Flow flow, const Node *consumer, int operand)
{
    Slot *slot = slot_of(s, to);
    Term *t = NEW(s->ctx->scratch, Term);
    *t = (Term){ flow, consumer, operand, NULL };
    if (flow.value->type != batch_type(s->ctx, flow.value, s->batch, to->type))
        internal_error(s->ctx, "adjoint of %s has type %s instead of that of %s behind %d axes", op_info[to->op].name,
                       type_text(s->ctx, flow.value->type), type_text(s->ctx, to->type), s->batch);
    if (slot->last)
        slot->last->next = t;
    else
        slot->first = t;
    slot->last = t;
}

/* ---- the sweep ------------------------------------------------------------------------------------------------- */
/* Adjoints that are no text of the table. */
static Node *built_adjoint(Sweep *s, Node *n, int operand, Node *g)
{
    Context *ctx = s->ctx;
    if (n->op == OP_bind || n->op == OP_where)              /* where: the mask says which side */
        return g;
    if (op_info[n->op].class == CLASS_LINEAR)
        return linear_adjoint(ctx, n, operand, g, s->batch);
    if (n->op == OP_recurrence)
        return recurrence_adjoint(ctx, n, operand, g);
    if (n->op == OP_call || n->op == OP_override)
        return declared_adjoint(ctx, n, operand, g, s->batch);
    if (n->op == OP_det_cofactors)
        return cofactors_adjoint(ctx, n, operand, g);
    if (n->op == OP_product_like)
        return product_like_adjoint(ctx, n, g);
    if (n->op == OP_product_slope)
        return product_slope_adjoint(ctx, n, operand, g);
    if (n->op == OP_cumprod_slope || n->op == OP_cumprod_back)
        return cumprod_adjoint(ctx, n, operand, g);
    return n->op == OP_prod ? product_adjoint(ctx, n, g, s->batch) : no_rule(ctx, n);
}

/* recurrence and prod have a text for the reader, and are built all the same. */
static bool has_text(const Node *n)
{
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return n->op != OP_where;
    if (node_is_ruled(n))
        return !is_built(n);
    return op_info[n->op].class == CLASS_OTHER && op_info[n->op].adjoint[0] && n->op != OP_recurrence && n->op != OP_prod
        && n->op != OP_det_cofactors;
}

/* What the rule of n makes of g for one operand; NULL when nothing flows. */
static Node *adjoint_rule(Sweep *s, Node *n, int operand, Node *g)
{
    if (has_text(n))
        return row_apply(s->ctx, n, operand, g, s->batch);
    return perhaps_wrong(s->ctx, n, operand, built_adjoint(s, n, operand, g));
}

static bool is_saved(const Node *n) { return n->op == OP_param && n->taped; }

/* The mask goes on into a tape: there may be an infinite slope behind it. */
static Flow flow_to_operand(Sweep *s, const Node *n, int operand, Flow arrived, Node *value)
{
    Flow to = flow_through(s->ctx, n, operand, arrived, value, s->batch);
    if (arrived.mask && !to.mask && n->op == OP_index && s->batch == 0 && is_saved(n->operands[operand])) {
        to.mask = mask_before_index(s->ctx, n, arrived.mask);
        to.clean = true;
    }
    return to;
}

static void propagate(Sweep *s, Node *n, Flow arrived)
{
    arrived = flow_arrived(s->ctx, n, arrived);
    Node *g = flow_seed(s->ctx, n, arrived);
    for (int k = 0; k < n->operand_count; k++) {
        if (!operand_carries(n, k) || !slot_of(s, n->operands[k])->active)
            continue;
        Node *value = adjoint_rule(s, n, k, g);
        if (value && s->sparse && pattern_is_empty((Flow){ .value = value, .pattern = arrived.pattern }))
            continue;
        if (value && !arrived.mask)
            warn_singular(s->ctx, n, k);
        if (value)
            add_term(s, n->operands[k], flow_to_operand(s, n, k, arrived, value), n, k);
    }
}

/* The adjoint of one value of a region waits there for the others. */
static void arrive_at_region(Sweep *s, const Node *result, Flow f)
{
    Node *region = result->operands[0];
    Slot *slot = slot_of(s, region);
    Node *condition = mask_condition(f.mask);
    if (!slot->values) {
        slot->values = NEW_ARRAY(s->ctx->scratch, Node *, region_result_count(region));
        slot->condition = condition;
    }
    bool keeps = f.mask && f.clean && s->batch == 0 && is_tape(result);
    slot->values[result->attr[0]] = keeps ? node_where(s->ctx, f.mask, f.value, node_real(s->ctx, 0)) : flow_value(s->ctx, f);
    if (slot->condition != condition)
        slot->condition = NULL;
}

/* What arrived may be masked, and so may what leaves: an operand that the side taken does not read has a zero adjoint. */
static Flow leaving(Context *ctx, const Slot *slot, Node *adjoint, Node *condition, const Type *shape)
{
    Node *arrived = slot->condition;
    if (arrived)
        arrived = node_reshape(ctx, arrived, type_scalar(ctx, ELEM_BOOL));
    if (arrived && condition)
        condition = node_binary(ctx, OP_and, arrived, condition);
    return flow_of(adjoint, mask_of_condition(ctx, condition ? condition : arrived, shape), condition && !arrived, false);
}

static void leave_region(Sweep *s, Node *region, const Slot *slot)
{
    Context *ctx = s->ctx;
    int count = region->operand_count;
    bool *wanted = NEW_ARRAY(ctx->scratch, bool, count + 1);
    Node **adjoints = NEW_ARRAY(ctx->scratch, Node *, count + 1), **conditions = NEW_ARRAY(ctx->scratch, Node *, count + 1);
    for (int k = 0; k < count; k++)
        wanted[k] = operand_carries(region, k) && slot_of(s, region->operands[k])->active;
    origin_from(ctx, region, ROLE_ADJOINT);
    region_reverse(ctx, region, slot->values, s->batch, wanted, adjoints, conditions);
    for (int k = 0; k < count; k++)
        if (wanted[k] && adjoints[k])
            add_term(s, region->operands[k],
                     leaving(ctx, slot, adjoints[k], conditions[k], region->operands[k]->type), region, k);
}

static void keep_record(Sweep *s, const Node *primal, const Slot *slot, Node *adjoint)
{
    AdjointRecord r = { .primal = primal, .adjoint = adjoint };
    for (const Term *t = slot->first; t; t = t->next)
        if (t->consumer) {
            AdjointTerm term = { t->consumer, t->operand, t->flow.value };
            vec_push(s->ctx->arena, &r.terms, term);
        }
    vec_push(s->ctx->arena, s->records, r);
}

/* Takes the patterns off terms that are to be put together; what they have in common. */
static Flow common_pattern(Context *ctx, Flow *flows, int count)
{
    Flow common = { .pattern = flows[0].pattern };
    bool same = true;
    for (int k = 0; k < count; k++) {
        same &= flows[k].pattern == flows[0].pattern;
        common.bare |= flows[k].bare;
        common.pattern = pattern_join(ctx, common.pattern, flows[k].pattern);
    }
    common.bare &= same;
    for (int k = 0; k < count; k++) {
        flows[k] = same ? flows[k] : pattern_settle(ctx, flows[k]);
        flows[k].pattern = NULL;
        flows[k].bare = false;
    }
    return common;
}

static Flow sum_terms(Context *ctx, const Slot *slot)
{
    int count = 0;
    if (slot->first == slot->last)
        return slot->first->flow;
    for (const Term *t = slot->first; t; t = t->next)
        count++;
    ArenaMark mark = arena_mark(ctx->scratch);
    Flow *flows = NEW_ARRAY(ctx->scratch, Flow, count), sum;
    count = 0;
    for (const Term *t = slot->first; t; t = t->next)
        flows[count++] = t->flow;
    Flow common = common_pattern(ctx, flows, count);
    count = parts_join(ctx, flows, count);
    sum = flows[0];
    for (int k = 1; k < count; k++)
        sum = flow_add(ctx, sum, flows[k]);
    sum.pattern = common.pattern;
    sum.bare = common.bare;
    arena_release(ctx->scratch, mark);
    return sum;
}

static void visit(Sweep *s, Node *n, Slot *slot)
{
    Context *ctx = s->ctx;
    origin_from(ctx, n, ROLE_ADJOINT);
    Flow sum = sum_terms(ctx, slot);
    if ((!sum.near || sum.clean) && !sum.bare)
        name_after(ctx, n, "_bar", sum.value, s->first_new);
    if (slot->wanted) {
        slot->adjoint = flow_value(ctx, sum);
        slot->mask = sum.mask;
    }
    if (slot->adjoint)
        name_after(ctx, n, "_bar", slot->adjoint, s->first_new);
    if (s->records)
        keep_record(s, n, slot, flow_value(ctx, sum));
    if (n->op == OP_result)
        arrive_at_region(s, n, sum);
    else
        propagate(s, n, sum);
}

/* A seed that is selected comes with its mask. */
static Flow seed_flow(Context *ctx, Node *seed, int batch)
{
    bool is_selected = batch == 0 && seed->op == OP_where && node_is_zero(seed->operands[2]);
    return is_selected ? flow_of(seed->operands[1], seed->operands[0], false, true) : pattern_of_seed(ctx, seed, batch);
}

void diff_reverse(Context *ctx, int y_count, Node *const *ys, Node *const *seeds, int batch,
                  int wrt_count, Node *const *wrt, Node **result, AdjointRecords *records)
{
    diff_reverse_masked(ctx, y_count, ys, seeds, batch, wrt_count, wrt, result, NULL, records);
}

void diff_reverse_masked(Context *ctx, int y_count, Node *const *ys, Node *const *seeds, int batch,
                         int wrt_count, Node *const *wrt, Node **result, Node **masks, AdjointRecords *records)
{
    Sweep s = { .ctx = ctx, .batch = batch, .first_new = graph_node_count(ctx),
                .sparse = seeds_are_sparse(y_count, seeds), .records = ctx->options.keep_adjoints ? records : NULL };
    ArenaMark mark = arena_mark(ctx->scratch);
    Origin saved = graph_origin(ctx);
    prepare(&s, y_count, ys, wrt_count, wrt);
    for (int k = 0; k < y_count; k++)
        if (seeds[k] && slot_of(&s, ys[k])->active)
            add_term(&s, ys[k], seed_flow(ctx, seeds[k], batch), NULL, 0);
    for (int k = s.nodes.count - 1; k >= 0; k--) {
        if (s.slots[k].values)
            leave_region(&s, s.nodes.at[k], &s.slots[k]);
        else if (s.slots[k].active && s.slots[k].first)
            visit(&s, s.nodes.at[k], &s.slots[k]);
    }
    for (int k = 0; k < wrt_count; k++)
        result[k] = slot_of(&s, wrt[k]) ? slot_of(&s, wrt[k])->adjoint : NULL;
    for (int k = 0; masks && batch == 0 && k < wrt_count; k++)
        masks[k] = result[k] && is_saved(wrt[k]) ? slot_of(&s, wrt[k])->mask : NULL;
    graph_set_origin(ctx, saved);
    arena_release(ctx->scratch, mark);
}
