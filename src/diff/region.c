/* region.c: the derivative of a region is a region.
 *
 * Forward: a loop that carries tangents beside the values.  A branch: both sides are differentiated, forward and in
 * reverse, and the one that was taken runs again.  The loop that runs backwards: backward.c.
 * Loops are made again over the same index and carries; passes merge them with the original. */
#include "region.h"
#include "saved.h"

#include <string.h>

typedef Vec(Node *) Nodes;

/* Also of what a loop within has stacked. */
static bool stack_matters(const Node *n) { return zeros_matter(n) || (n->op == OP_result && is_tape(n)); }

/* ---- bodies ------------------------------------------------------------------------------------------------------- */
Node *body_stand_in(Body *b, Node *outer)
{
    Node *param = node_param(b->ctx, outer->origin.name, outer->type, outer->origin.span);
    map_put(b->outer, param, outer);
    param->carried = outer->carried;
    param->taped = is_tape(outer);
    return param;
}

bool is_tape(const Node *n)
{
    while (n->op == OP_index)
        n = n->operands[0];
    if (n->op == OP_param)
        return n->taped;
    if (n->op != OP_result || n->type->elem != ELEM_REAL)
        return false;
    const Node *loop = n->operands[0];
    if ((loop->op != OP_loop && loop->op != OP_while_loop) || n->attr[0] < loop->attr[1])
        return false;
    const Fn *body = loop->body[0];
    int first = loop->op == OP_while_loop;
    return first + n->attr[0] < body->results.count && stack_matters(body->results.at[first + n->attr[0]].node);
}

/* What is made of constants stays as it is, so that a sweep sees the pattern of a seed. */
Node *body_stand_in_seed(Body *b, Node *outer)
{
    if (outer->closed)
        return outer;
    if (outer->op != OP_where || !outer->operands[0]->closed || !node_is_zero(outer->operands[2]))
        return body_stand_in(b, outer);
    return node_where(b->ctx, outer->operands[0], body_stand_in_seed(b, outer->operands[1]), outer->operands[2]);
}

static void take_side(Body *b, int side, const Map *params)
{
    const Fn *fn = b->region->body[side];
    int first = b->region->op == OP_while_loop, count = fn->results.count;
    Node **roots = NEW_ARRAY(b->ctx->arena, Node *, count);
    for (int k = 0; k < count; k++)
        roots[k] = fn->results.at[k].node;
    graph_substitute(b->ctx, roots, count, params, NULL, NULL);
    b->condition = first ? roots[0] : NULL;
    b->values[side] = roots + first;
}

Body body_of(Context *ctx, Node *region, int batch)
{
    const Fn *fn = region->body[0];
    int own = region_own_count(region);
    Body b = { .ctx = ctx, .region = region, .batch = batch, .outer = map_new(ctx->arena), .own = arena_new() };
    b.set = (NodeSet){ .floor = NODE_SET_MEMBERS, .members = map_new(b.own) };
    Map *params = map_new(ctx->arena);
    b.carries = own ? own - 1 : 0;
    b.leading = region_leading_count(region) - b.carries;
    b.captures = fn->params.count - own;
    b.stacks = fn->results.count - b.carries - (region->op == OP_while_loop);
    b.index = own ? fn->params.at[0].node : NULL;
    b.carry = NEW_ARRAY(ctx->arena, Node *, b.carries + 1);
    b.capture = NEW_ARRAY(ctx->arena, Node *, b.captures + 1);
    for (int k = 0; k < b.carries; k++)
        b.carry[k] = fn->params.at[1 + k].node;
    for (int k = 0; k < b.captures; k++) {
        b.capture[k] = body_stand_in(&b, region->operands[capture_operand(&b, k)]);
        map_put(params, fn->params.at[own + k].node, b.capture[k]);
    }
    take_side(&b, 0, params);
    if (region->body[1])
        take_side(&b, 1, params);
    return b;
}

void body_end(Body *b)
{
    arena_free(b->own);
}

void body_open(Body *b, Node **roots, int count, const Map *replacement)
{
    const Map *all = b->outer;
    if (replacement) {
        Map *both = map_new(b->ctx->arena);
        for (int k = 0; k < map_count(b->outer); k++)
            map_put(both, map_key(b->outer, k), map_value(b->outer, k));
        for (int k = 0; k < map_count(replacement); k++)
            map_put(both, map_key(replacement, k), map_value(replacement, k));
        all = both;
    }
    graph_substitute(b->ctx, roots, count, all, NULL, &b->set);
}

/* The batch axes of `seed`, then the type. */
const Type *body_batched(const Body *b, const Node *seed, const Type *t)
{
    if (b->batch == 0)
        return t;
    return type_concat(b->ctx, ELEM_REAL, type_make(b->ctx, ELEM_REAL, b->batch, seed->type->dim), t);
}

Node *body_param_like(Body *b, const Node *n, const Node *seed, const char *suffix)
{
    Str name = n->origin.name ? str_format(b->ctx, "%s%s", n->origin.name, suffix) : NULL;
    Node *param = node_param(b->ctx, name, body_batched(b, seed, n->type), n->origin.span);
    node_mark_carried(param);
    return param;
}

void body_loop(const Body *b, int carry_count, Node *const *inits, Node *const *carries, int result_count,
               Node *const *results, Node *condition, Node **values)
{
    LoopParts p = { .trips = condition ? NULL : b->region->operands[0], .condition = condition,
                    .max_trips = b->region->attr[0], .checkpoint = b->region->attr[2], .index = b->index,
                    .carry_count = carry_count, .inits = inits, .carries = carries, .result_count = result_count,
                    .results = results, .body = &b->set };
    node_loop(b->ctx, &p, values);
}

Node *first_present(Node *const *nodes, int count)
{
    for (int k = 0; k < count; k++)
        if (nodes[k])
            return nodes[k];
    return NULL;
}

Node *or_zero(Context *ctx, Node *x, const Type *type)
{
    return x ? x : node_fill(ctx, type, 0);
}

/* ---- loops, forward ----------------------------------------------------------------------------------------------- */
typedef struct {
    Node **capture_dots;                                    /* stand-ins of the operands' tangents; NULL: none */
    Node **carry_dots;                                      /* params; NULL: none */
    Node **value_dots;
} Tangents;

static bool grow_carries(Body *b, Tangents *t, const Node *seed)
{
    bool grows = false;
    for (int k = 0; k < b->carries; k++)
        if (t->value_dots[k] && !t->carry_dots[k]) {
            t->carry_dots[k] = body_param_like(b, b->carry[k], seed, "_dot");
            grows = true;
        }
    return grows;
}

static bool has_regions(const Body *b)
{
    NodeList nodes = { 0 };
    bool any = false;
    ArenaMark mark = arena_mark(b->ctx->scratch);
    nodes_reaching(b->ctx, b->values[0], b->carries, b->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        any |= node_is_region(nodes.at[k]);
    arena_release(b->ctx->scratch, mark);
    return any;
}

/* Where there are loops within, no sweep is made only to find out which carries have a tangent. */
static void foresee_carries(Body *b, Tangents *t, const Node *seed)
{
    bool *carries = NEW_ARRAY(b->ctx->arena, bool, b->carries + 1), *captures = NEW_ARRAY(b->ctx->arena, bool, b->captures + 1);
    if (!b->carries || !has_regions(b))
        return;
    for (int k = 0; k < b->carries; k++)
        carries[k] = t->carry_dots[k] != NULL;
    for (int k = 0; k < b->captures; k++)
        captures[k] = t->capture_dots[k] != NULL;
    body_foresee(b, carries, captures);
    for (int k = 0; k < b->carries; k++)
        if (carries[k] && !t->carry_dots[k])
            t->carry_dots[k] = body_param_like(b, b->carry[k], seed, "_dot");
}

/* Carries to which nothing flows after all, and that do not begin with a tangent, have none. */
static bool drop_carries(Body *b, Tangents *t, Node *const *operand_tangents)
{
    bool drops = false;
    for (int k = 0; k < b->carries; k++)
        drops |= t->carry_dots[k] && !t->value_dots[k] && !operand_tangents[b->leading + k];
    for (int k = 0; drops && k < b->carries; k++)
        if (!operand_tangents[b->leading + k])
            t->carry_dots[k] = NULL;
    return drops;
}

/* A carry gets a tangent when its init has one or when one flows into it: the set grows to a fixed point. */
static Tangents body_tangents(Body *b, Node *const *operand_tangents, const Node *seed)
{
    Context *ctx = b->ctx;
    int count = b->carries + b->stacks, inputs = b->carries + b->captures;
    Tangents t = { NEW_ARRAY(ctx->arena, Node *, b->captures + 1), NEW_ARRAY(ctx->arena, Node *, b->carries + 1),
                   NEW_ARRAY(ctx->arena, Node *, count + 1) };
    Node **xs = NEW_ARRAY(ctx->arena, Node *, inputs + 1), **vs = NEW_ARRAY(ctx->arena, Node *, inputs + 1);
    for (int k = 0; k < b->captures; k++) {
        Node *dot = operand_tangents[capture_operand(b, k)];
        t.capture_dots[k] = dot ? body_stand_in_seed(b, dot) : NULL;
    }
    for (int k = 0; k < b->carries; k++)
        if (operand_tangents[b->leading + k])
            t.carry_dots[k] = body_param_like(b, b->carry[k], seed, "_dot");
    foresee_carries(b, &t, seed);
    for (bool first = true, again = true; again; first = false) {
        for (int k = 0; k < inputs; k++) {
            xs[k] = k < b->carries ? b->carry[k] : b->capture[k - b->carries];
            vs[k] = k < b->carries ? t.carry_dots[k] : t.capture_dots[k - b->carries];
        }
        diff_forward(ctx, inputs, xs, vs, b->batch, count, b->values[0], t.value_dots);
        again = (first && drop_carries(b, &t, operand_tangents)) || grow_carries(b, &t, seed);
    }
    return t;
}

/* Batch axes come first in a tangent, the stacking axis in a stack. */
static Node *batch_first(Context *ctx, Node *stacked, int batch)
{
    int perm[RANK_MAX];
    for (int a = 0; a < stacked->type->rank; a++)
        perm[a] = a < batch ? a + 1 : a == batch ? 0 : a;
    return node_permute(ctx, stacked, perm);
}

static void loop_forward(Context *ctx, Node *region, Node *const *operand_tangents, int batch, Node **value_tangents)
{
    Body b = body_of(ctx, region, batch);
    int count = b.carries + b.stacks, at = b.carries;
    const Node *seed = first_present(operand_tangents, region->operand_count);
    Nodes inits = { 0 }, carries = { 0 }, results = { 0 };
    Tangents t = body_tangents(&b, operand_tangents, seed);
    for (int k = 0; k < b.carries; k++) {
        vec_push(ctx->arena, &inits, region->operands[b.leading + k]);
        vec_push(ctx->arena, &carries, b.carry[k]);
        vec_push(ctx->arena, &results, b.values[0][k]);
    }
    for (int k = 0; k < b.carries; k++)
        if (t.carry_dots[k]) {
            const Type *type = t.carry_dots[k]->type;
            vec_push(ctx->arena, &inits, or_zero(ctx, operand_tangents[b.leading + k], type));
            vec_push(ctx->arena, &carries, t.carry_dots[k]);
            vec_push(ctx->arena, &results, or_zero(ctx, t.value_dots[k], type));
        }
    for (int k = b.carries; k < count; k++)
        if (t.value_dots[k])
            vec_push(ctx->arena, &results, t.value_dots[k]);
    int result_count = results.count;
    if (b.condition)
        vec_push(ctx->arena, &results, b.condition);
    body_open(&b, results.at, results.count, NULL);
    Node **made = NEW_ARRAY(ctx->arena, Node *, result_count + 1);
    body_loop(&b, carries.count, inits.at, carries.at, result_count, results.at,
              b.condition ? results.at[result_count] : NULL, made);
    for (int k = 0; k < b.carries; k++)
        value_tangents[k] = t.carry_dots[k] ? made[at++] : NULL;
    for (int k = b.carries; k < count; k++)
        value_tangents[k] = t.value_dots[k] ? batch_first(ctx, made[at++], batch) : NULL;
    body_end(&b);
}

/* ---- branches ------------------------------------------------------------------------------------------------------ */
static bool are_outside(const NodeList *nodes, const bool *outside, const Node *n, int first)
{
    bool all = true;
    for (int i = first; i < n->operand_count; i++)
        all &= outside[node_place(nodes, n->operands[i])];
    return all;
}

/* A small part of a large array that a side reads is read outside: then a loop around saves the part and not the array.  An
 * index that is out of range in the side that is not taken is clamped like any other. */
static Map *parts_read(Body *b, Node *const *roots, int count)
{
    enum { SMALL = 8 };
    Context *ctx = b->ctx;
    NodeList nodes = { 0 };
    Map *parts = map_new(ctx->arena);
    nodes_reaching(ctx, roots, count, ctx->arena, &nodes);
    bool *outside = NEW_ARRAY(ctx->arena, bool, nodes.count + 1);   /* by place: an int that is known before the branch */
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k], *part = n;
        if (n->type->elem == ELEM_INT)
            outside[k] = n->closed || (n->op == OP_param && map_get(b->outer, n))
                      || (op_info[n->op].class == CLASS_ELEMENTWISE && are_outside(&nodes, outside, n, 0));
        if (n->op != OP_index || !map_get(b->outer, n->operands[0]) || !are_outside(&nodes, outside, n, 1))
            continue;
        int64_t whole = n->operands[0]->type->count;
        if (whole <= SMALL || 2 * n->type->count > whole)
            continue;
        graph_substitute(ctx, &part, 1, b->outer, NULL, NULL);
        map_put(parts, n, part);
    }
    return parts;
}

/* Params that no value of the body is made of are adjoints. */
static bool is_capture(const Body *b, const Node *n)
{
    for (int k = 0; k < b->captures; k++)
        if (b->capture[k] == n)
            return true;
    return false;
}

/* By place: what can be computed before the adjoints are known, and is better kept than arrays that a loop around carries. */
static Value *values_of_sides(Body *b, const NodeList *nodes, const Map *parts)
{
    Context *ctx = b->ctx;
    Value *values = NEW_ARRAY(ctx->scratch, Value, nodes->count + 1);
    bool *primal = NEW_ARRAY(ctx->scratch, bool, nodes->count + 1);
    for (int k = 0; k < nodes->count; k++) {
        Node *n = nodes->at[k];
        Value *v = &values[k];
        v->size = n->type->count;
        primal[k] = n->op != OP_param || is_capture(b, n);
        if (n->op == OP_param && primal[k] && n->carried && n->type->count > HEAVY)
            v->kind = VALUE_COSTLY;
        for (int i = 0; i < n->operand_count; i++) {
            int place = node_place(nodes, n->operands[i]);
            primal[k] &= primal[place];
            if (values[place].kind != VALUE_FREE && !map_get(parts, n))
                v->kind = VALUE_CHEAP;
        }
        v->unsavable = !primal[k] || node_is_region(n);
    }
    return values;
}

/* Puts values of the sides that are kept instead of carried arrays: a branch computes them before. */
static void keep_less(Body *b, Node *const *roots, int count, Map *parts)
{
    Context *ctx = b->ctx;
    NodeList nodes = { 0 }, sides[2] = { { 0 }, { 0 } };
    Nodes kept = { 0 }, made[2] = { { 0 }, { 0 } };
    ArenaMark mark = arena_mark(ctx->scratch);
    nodes_reaching(ctx, roots, 2 * count, ctx->scratch, &nodes);
    for (int side = 0; side < 2; side++)
        nodes_reaching(ctx, roots + side * count, count, ctx->scratch, &sides[side]);
    Value *values = values_of_sides(b, &nodes, parts);
    for (int k = 0; k < 2 * count; k++)
        values[node_place(&nodes, roots[k])].needed = true;
    if (values_choose(ctx, &nodes, values))
        internal_error(ctx, "a branch has a value that can be neither kept nor computed again");
    for (int k = 0; k < nodes.count; k++)
        if (values[k].saved && nodes.at[k]->op != OP_param)
            vec_push(ctx->arena, &kept, nodes.at[k]);
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < kept.count; k++) {
            bool here = node_place(&sides[side], kept.at[k]) >= 0;
            vec_push(ctx->arena, &made[side], here ? kept.at[k] : or_zero(ctx, NULL, kept.at[k]->type));
        }
    arena_release(ctx->scratch, mark);
    if (!kept.count)
        return;
    for (int k = 0; k < kept.count; k++)
        vec_push(ctx->arena, &made[0], made[1].at[k]);
    body_open(b, made[0].at, 2 * kept.count, parts);
    Node **results = NEW_ARRAY(ctx->arena, Node *, kept.count);
    BranchParts p = { .condition = b->region->operands[0], .count = kept.count, .yes = made[0].at,
                      .no = made[0].at + kept.count, .inside = &b->set };
    node_branch(ctx, &p, results);
    for (int k = 0; k < kept.count; k++)
        map_put(parts, kept.at[k], results[k]);
}

/* One branch over what flows in either side; the pairs in which nothing flows stay NULL. */
static void join_sides(Body *b, int count, Node **sides[2], const Node *seed, Node *const *like, bool narrow,
                       Node **values)
{
    Context *ctx = b->ctx;
    Nodes roots[2] = { { 0 }, { 0 } };
    for (int k = 0; k < count; k++) {
        const Type *type = body_batched(b, seed, like[k]->type);
        for (int side = 0; side < 2 && (sides[0][k] || sides[1][k]); side++)
            vec_push(ctx->arena, &roots[side], or_zero(ctx, sides[side][k], type));
    }
    int kept = roots[0].count;
    for (int k = 0; k < kept; k++)
        vec_push(ctx->arena, &roots[0], roots[1].at[k]);
    if (!kept)
        return;
    Map *parts = narrow ? parts_read(b, roots[0].at, 2 * kept) : NULL;
    if (narrow)
        keep_less(b, roots[0].at, kept, parts);
    body_open(b, roots[0].at, 2 * kept, parts);
    Node **made = NEW_ARRAY(ctx->arena, Node *, kept);
    BranchParts p = { .condition = b->region->operands[0], .count = kept, .yes = roots[0].at, .no = roots[0].at + kept,
                      .inside = &b->set };
    node_branch(ctx, &p, made);
    for (int k = 0, at = 0; k < count; k++)
        if (sides[0][k] || sides[1][k])
            values[k] = made[at++];
}

static void branch_forward(Context *ctx, Node *region, Node *const *operand_tangents, int batch, Node **value_tangents)
{
    Body b = body_of(ctx, region, batch);
    const Node *seed = first_present(operand_tangents, region->operand_count);
    Node **dots = NEW_ARRAY(ctx->arena, Node *, b.captures + 1), **sides[2];
    for (int k = 0; k < b.captures; k++) {
        Node *dot = operand_tangents[capture_operand(&b, k)];
        dots[k] = dot ? body_stand_in_seed(&b, dot) : NULL;
    }
    for (int side = 0; side < 2; side++) {
        sides[side] = NEW_ARRAY(ctx->arena, Node *, b.stacks);
        diff_forward(ctx, b.captures, b.capture, dots, batch, b.stacks, b.values[side], sides[side]);
    }
    join_sides(&b, b.stacks, sides, seed, b.values[0], false, value_tangents);
    body_end(&b);
}

static void branch_reverse(Context *ctx, Node *region, Node *const *value_adjoints, int batch, const bool *wanted,
                           Node **operand_adjoints, Node **conditions)
{
    Body b = body_of(ctx, region, batch);
    const Node *seed = first_present(value_adjoints, b.stacks);
    Nodes wrt = { 0 };
    Node **bars = NEW_ARRAY(ctx->arena, Node *, b.stacks), **sides[2];
    for (int k = 0; k < b.captures; k++)
        if (wanted[capture_operand(&b, k)])
            vec_push(ctx->arena, &wrt, b.capture[k]);
    for (int k = 0; k < b.stacks; k++)
        bars[k] = value_adjoints[k] ? body_stand_in_seed(&b, value_adjoints[k]) : NULL;
    for (int side = 0; side < 2; side++) {
        sides[side] = NEW_ARRAY(ctx->arena, Node *, wrt.count + 1);
        diff_reverse(ctx, b.stacks, b.values[side], bars, batch, wrt.count, wrt.at, sides[side], NULL);
    }
    Node **made = NEW_ARRAY(ctx->arena, Node *, wrt.count + 1), *condition = region->operands[0];
    join_sides(&b, wrt.count, sides, seed, wrt.at, true, made);
    for (int k = 0, at = 0; k < b.captures; k++) {
        int operand = capture_operand(&b, k);
        if (!wanted[operand])
            continue;
        operand_adjoints[operand] = made[at];
        if (!sides[0][at] != !sides[1][at])
            conditions[operand] = sides[0][at] ? condition : node_unary(ctx, OP_not, condition);
        at++;
    }
    body_end(&b);
}

/* ---- regions -------------------------------------------------------------------------------------------------------- */
void region_reverse(Context *ctx, Node *region, Node *const *value_adjoints, int batch, const bool *wanted,
                    Node **operand_adjoints, Node **conditions)
{
    if (region->op == OP_branch)
        branch_reverse(ctx, region, value_adjoints, batch, wanted, operand_adjoints, conditions);
    else
        loop_reverse(ctx, region, value_adjoints, batch, wanted, operand_adjoints, conditions);
}

void region_forward(Context *ctx, Node *region, Node *const *operand_tangents, int batch, Node **value_tangents)
{
    if (region->op == OP_branch)
        branch_forward(ctx, region, operand_tangents, batch, value_tangents);
    else
        loop_forward(ctx, region, operand_tangents, batch, value_tangents);
}
