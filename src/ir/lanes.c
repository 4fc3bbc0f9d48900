/* lanes.c: a long loop whose trips are independent runs in blocks of trips: lanes.  Every value of the body gets a last axis with
 * one element per lane, so that the innermost loops of the generated code run along lanes and compilers vectorise them, however
 * small the dimensions of the model are.
 *
 * Invariant: a value of the old body is worth one of three things in the new one.  SAME: it does not depend on the trip.
 * LANES: one value per lane, along the last axis.  SUM: it is a carry plus something that does not depend on it, and its new value
 * is the carry plus what all lanes add.  Where a body does something else the loop stays as it is. */
#include "graph.h"

#include <string.h>

typedef enum { SAME, LANES, SUM } Kind;
typedef struct { Node *node; Kind kind; int of; } Value;    /* of: the carry that a SUM has in it */

typedef struct {
    Context *ctx;
    int64_t lanes;
} Blocks;

/* One function or body in terms of the new one. */
typedef struct {
    const Blocks *blocks;
    Map *values;                                            /* old node -> Value */
    Map *regions;                                           /* old region -> array of Values */
} Level;

static bool map_body(const Blocks *b, const Fn *fn, const Value *arguments, Value *results);

static const Value *value_of(const Level *l, const Node *old) { return map_get(l->values, old); }

/* ---- shapes ------------------------------------------------------------------------------------------------------ */
static const Type *with_lanes(const Blocks *b, const Type *t)
{
    return type_concat(b->ctx, t->elem, t, type_sized(b->ctx, t->elem, 1, &b->lanes));
}

static Node *move_axis(Context *ctx, Node *x, int from, int to)
{
    int perm[RANK_MAX], at = 0;
    for (int k = 0; k < x->type->rank; k++) {
        at += at == from;
        perm[k] = k == to ? from : at++;
    }
    return node_permute(ctx, x, perm);
}

/* The value with its lanes, whatever it is. */
static Node *in_lanes(const Level *l, const Value *v)
{
    const Blocks *b = l->blocks;
    if (v->kind == LANES)
        return v->node;
    int64_t one = 1;
    const Type *t = v->node->type, *unit = type_concat(b->ctx, t->elem, t, type_sized(b->ctx, t->elem, 1, &one));
    return node_expand(b->ctx, node_reshape(b->ctx, v->node, unit), with_lanes(b, t));
}

static Node *lane_numbers(const Level *l, const Type *shape)
{
    const Blocks *b = l->blocks;
    return node_expand(b->ctx, node_iota(b->ctx, b->lanes), with_lanes(b, type_with_elem(b->ctx, shape, ELEM_INT)));
}

/* ---- what all lanes add ------------------------------------------------------------------------------------------ */
static Node *einsum_in_lanes(const Level *l, const Node *n, bool total);

/* The sum over the last axis; rows that a loop stacks are summed before they are stacked, which leaves a smaller stack. */
static Node *sum_lanes(Context *ctx, Node *x)
{
    Node *region = x->op == OP_result ? x->operands[0] : NULL;
    int last = x->type->rank - 1, k = region ? (int)x->attr[0] : 0;
    if (!region || region->op != OP_loop || k < region->attr[1])
        return node_sum(ctx, x, 1, &last, false);
    Fn *body = arena_copy(ctx->arena, region->body[0], sizeof *body);
    const Fn *bodies[2] = { body, NULL };
    Node **values = NEW_ARRAY(ctx->arena, Node *, region_result_count(region) + 1);
    body->results.at = arena_copy(ctx->arena, body->results.at, sizeof *body->results.at * (size_t)body->results.count);
    body->results.at[k].node = sum_lanes(ctx, body->results.at[k].node);
    region_again(ctx, region, bodies, region->operands, NULL, values);
    return values[k];
}

/* Factors that are the same in all lanes stay outside of the sum. */
static Node *total(const Level *l, const Node *old, int depth)
{
    enum { DEPTH = 12 };
    Context *ctx = l->blocks->ctx;
    const Value *v = value_of(l, old);
    if (v->kind == SAME) {
        Node *lanes = v->node->type->elem == ELEM_INT ? node_int(ctx, l->blocks->lanes) : node_real(ctx, (double)l->blocks->lanes);
        return node_binary(ctx, OP_mul, v->node, lanes);
    }
    if (depth < DEPTH && old->type->elem == ELEM_REAL) {
        const Value *x = old->operand_count > 0 ? value_of(l, old->operands[0]) : NULL;
        const Value *w = old->operand_count > 1 ? value_of(l, old->operands[1]) : NULL;
        bool scaled = old->op == OP_mul && x->kind != w->kind, lanes_first = x && x->kind == LANES;
        if (old->op == OP_neg)
            return node_unary(ctx, OP_neg, total(l, old->operands[0], depth + 1));
        if (old->op == OP_add || old->op == OP_sub)
            return node_binary(ctx, old->op, total(l, old->operands[0], depth + 1), total(l, old->operands[1], depth + 1));
        if (scaled)
            return node_binary(ctx, OP_mul, lanes_first ? w->node : x->node,
                               total(l, old->operands[lanes_first ? 0 : 1], depth + 1));
        if (old->op == OP_div && w->kind == SAME)
            return node_binary(ctx, OP_div, total(l, old->operands[0], depth + 1), w->node);
        if (old->op == OP_einsum)
            return einsum_in_lanes(l, old, true);
    }
    return sum_lanes(ctx, v->node);
}

/* ---- ops --------------------------------------------------------------------------------------------------------- */
static Node *einsum_in_lanes(const Level *l, const Node *n, bool total)
{
    int labels[3][RANK_MAX], largest = 0;
    const int *pointers[2] = { labels[0], labels[1] };
    const int64_t *attr = n->attr;
    Node *xs[2];
    for (int k = 0; k < n->attr_count; k++)
        largest = n->attr[k] > largest ? (int)n->attr[k] : largest;
    for (int i = 0; i <= n->operand_count; i++) {
        bool result = i == n->operand_count;
        int rank = result ? n->type->rank : n->operands[i]->type->rank;
        for (int k = 0; k < rank; k++)
            labels[result ? 2 : i][k] = (int)*attr++;
        if (!result) {
            const Value *v = value_of(l, n->operands[i]);
            xs[i] = v->node;
            if (v->kind == LANES)
                labels[i][rank] = largest + 1;
        }
    }
    if (!total)
        labels[2][n->type->rank] = largest + 1;
    return node_einsum(l->blocks->ctx, n->operand_count, xs, pointers, n->type->rank + !total, labels[2]);
}

/* Of an index of x, or a scatter into x: `first` is the operand that is the first index. */
typedef struct { int count, rank; bool in_lanes; Node *at[RANK_MAX + 1]; } Places;     /* rank: of what is indexed at once */

static Places places_of(const Level *l, const Node *n, int first)
{
    Places p = { .count = n->operand_count - first, .rank = n->operands[first]->type->rank };
    for (int k = 0; k < p.count; k++)
        p.in_lanes |= value_of(l, n->operands[first + k])->kind == LANES;
    for (int k = 0; k < p.count; k++) {
        const Value *v = value_of(l, n->operands[first + k]);
        p.at[k] = p.in_lanes ? in_lanes(l, v) : v->node;
    }
    return p;
}

/* The first indices choose rows by lane, the others are the same in all lanes: rows are fetched once for all of these. */
static Node *index_rows(const Level *l, const Node *n, Node *x)
{
    Context *ctx = l->blocks->ctx;
    int rows = 0, count = n->operand_count - 1;
    Node *at[RANK_MAX];
    for (int k = 0; k < count; k++)
        at[k] = value_of(l, n->operands[1 + k])->node;
    while (rows < count && value_of(l, n->operands[1 + rows])->kind == LANES)
        rows++;
    bool apart = rows > 0 && rows < count && n->operands[1]->type->rank == 0;
    for (int k = rows; k < count; k++)
        apart &= value_of(l, n->operands[1 + k])->kind == SAME;
    if (!apart)
        return NULL;
    Node *fetched = node_index(ctx, x, rows, at);
    return node_index(ctx, move_axis(ctx, fetched, 0, fetched->type->rank - 1), count - rows, at + rows);
}

static Node *index_in_lanes(const Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    const Value *x = value_of(l, n->operands[0]);
    Places p = places_of(l, n, 1);
    Node *array = x->node;
    if (!p.in_lanes)
        return node_index(ctx, array, p.count, p.at);
    if (x->kind == SAME) {
        Node *by_rows = index_rows(l, n, array);
        if (by_rows)
            return by_rows;
    } else {
        array = move_axis(ctx, array, array->type->rank - 1, p.count);
        p.at[p.count++] = lane_numbers(l, n->operands[1]->type);
    }
    Node *y = node_index(ctx, array, p.count, p.at);
    return move_axis(ctx, y, p.rank, y->type->rank - 1);
}

static Node *scatter(Context *ctx, Op op, Node *base, const Places *p, Node *source)
{
    return (op == OP_index_add ? node_index_add : node_index_set)(ctx, base, p->count, p->at, source);
}

/* base + source or base with source, at some places; the lanes of a sum are all added. */
static Node *scatter_in_lanes(const Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    const Value *base = value_of(l, n->operands[0]), *source = value_of(l, n->operands[1]);
    Places p = places_of(l, n, 2);
    if (base->kind == SUM && !p.in_lanes)
        return scatter(ctx, n->op, base->node, &p, total(l, n->operands[1], 0));
    Node *array = base->kind == SUM ? base->node : in_lanes(l, base), *values = in_lanes(l, source);
    if (!p.in_lanes)
        return scatter(ctx, n->op, array, &p, values);
    values = move_axis(ctx, values, values->type->rank - 1, p.rank);
    if (base->kind == SUM)
        return scatter(ctx, n->op, array, &p, values);
    int count = p.count;
    array = move_axis(ctx, array, array->type->rank - 1, count);
    p.at[p.count++] = lane_numbers(l, n->operands[2]->type);
    return move_axis(ctx, scatter(ctx, n->op, array, &p, values), count, array->type->rank - 1);
}

static Node *expand_in_lanes(const Level *l, const Node *n)
{
    const Blocks *b = l->blocks;
    const Type *t = n->operands[0]->type;
    int64_t sizes[RANK_MAX];
    int ahead = n->type->rank - t->rank;
    for (int k = 0; k < n->type->rank; k++)
        sizes[k] = k < ahead ? 1 : type_size(t, k - ahead);
    Node *x = node_reshape(b->ctx, value_of(l, n->operands[0])->node,
                           with_lanes(b, type_sized(b->ctx, t->elem, n->type->rank, sizes)));
    return node_expand(b->ctx, x, with_lanes(b, n->type));
}

static Node *movement_in_lanes(const Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    Node *x = in_lanes(l, value_of(l, n->operands[0]));
    int64_t part[3][RANK_MAX];
    int axes[RANK_MAX], rank = n->operands[0]->type->rank;
    switch (n->op) {
    case OP_expand: return expand_in_lanes(l, n);
    case OP_reshape: return node_reshape(ctx, x, with_lanes(l->blocks, n->type));
    case OP_permute:
        for (int k = 0; k < rank; k++)
            axes[k] = (int)n->attr[k] + rank;
        axes[rank] = rank;
        return node_permute(ctx, x, axes);
    case OP_slice:
        for (int k = 0; k < rank; k++) {
            part[0][k] = n->attr[k];
            part[1][k] = n->attr[rank + k];
            part[2][k] = type_size(n->type, k);
        }
        part[0][rank] = 0, part[1][rank] = 1, part[2][rank] = l->blocks->lanes;
        return node_slice(ctx, x, part[0], part[1], part[2]);
    case OP_pad:
        for (int i = 0; i < 3; i++) {
            memcpy(part[i], n->attr + i * rank, sizeof **part * (size_t)rank);
            part[i][rank] = 0;
        }
        return node_pad(ctx, x, part[0], part[1], part[2]);
    default:                                                /* a reduction */
        for (int k = 0; k < n->attr_count; k++)
            axes[k] = (int)n->attr[k] + rank;
        return node_reduce(ctx, n->op, x, n->attr_count, axes, false);
    }
}

static Node *pieces_in_lanes(const Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    ArenaMark mark = arena_mark(ctx->scratch);
    Node **xs = NEW_ARRAY(ctx->scratch, Node *, n->operand_count), *made;
    for (int k = 0; k < n->operand_count; k++)
        xs[k] = in_lanes(l, value_of(l, n->operands[k]));
    if (n->op == OP_stack)
        made = node_stack(ctx, n->operand_count, xs);
    else if (n->op == OP_concat)
        made = node_concat(ctx, n->operand_count, xs, (int)n->attr[0] + n->type->rank);
    else if (n->op == OP_recurrence)
        made = node_recurrence(ctx, xs[0], xs[1], (int)n->attr[0] + n->type->rank, n->attr[1]);
    else
        made = node_rebuild(ctx, n, xs);                    /* pointwise */
    arena_release(ctx->scratch, mark);
    return made;
}

/* NULL: not in lanes. */
static Node *node_in_lanes(const Level *l, const Node *n)
{
    if (node_is_pointwise(n))
        return pieces_in_lanes(l, n);
    switch (n->op) {
    case OP_expand: case OP_reshape: case OP_permute: case OP_slice: case OP_pad: case OP_sum: case OP_prod:
    case OP_max_reduce: case OP_max_first: case OP_min_reduce:
        return movement_in_lanes(l, n);
    case OP_stack: case OP_concat: case OP_recurrence: return pieces_in_lanes(l, n);
    case OP_einsum: return einsum_in_lanes(l, n, false);
    case OP_index: return index_in_lanes(l, n);
    case OP_index_add: case OP_index_set: return scatter_in_lanes(l, n);
    default: return NULL;
    }
}

/* A sum with one carry in it. */
static Node *node_in_sum(const Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    const Value *x = value_of(l, n->operands[0]), *w = n->operand_count > 1 ? value_of(l, n->operands[1]) : NULL;
    bool first = x->kind == SUM;
    for (int k = 1; k < n->operand_count; k++)
        if (first && value_of(l, n->operands[k])->kind == SUM)
            return NULL;
    if (n->op == OP_index_add && first)
        return scatter_in_lanes(l, n);
    if (n->op == OP_add && first != (w->kind == SUM) && n->type == n->operands[!first]->type)
        return node_binary(ctx, OP_add, first ? x->node : w->node, total(l, n->operands[first], 0));
    if (n->op == OP_sub && first)
        return node_binary(ctx, OP_sub, x->node, total(l, n->operands[1], 0));
    return NULL;
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */
static Node *param_again(const Blocks *b, const Node *param, Kind kind)
{
    return node_param(b->ctx, param->origin.name, kind == LANES ? with_lanes(b, param->type) : param->type,
                      param->origin.span);
}

/* Lanes flow into carries until no more do. */
static bool grow_carries(int carries, const Value *next, Kind *kind)
{
    bool grown = false;
    for (int k = 0; k < carries; k++)
        if (kind[k] == SAME && next[k].kind == LANES) {
            kind[k] = LANES;
            grown = true;
        }
    return grown;
}

/* The loop with its carries as `kind` says; false if it can not be. */
static bool make_loop(const Level *l, const Node *n, const Value *operands, const Kind *kind, Value *next, Value *values)
{
    Context *ctx = l->blocks->ctx;
    const Fn *body = n->body[0];
    int carries = (int)n->attr[1], count = body->results.count;
    Value *arguments = NEW_ARRAY(ctx->arena, Value, body->params.count + 1);
    Node **parts[3];
    for (int k = 0; k < 3; k++)
        parts[k] = NEW_ARRAY(ctx->arena, Node *, count + 1);
    arguments[0] = (Value){ param_again(l->blocks, body->params.at[0].node, SAME), SAME, 0 };
    for (int k = 0; k < carries; k++) {
        parts[0][k] = kind[k] == LANES ? in_lanes(l, &operands[1 + k]) : operands[1 + k].node;
        parts[1][k] = param_again(l->blocks, body->params.at[1 + k].node, kind[k]);
        arguments[1 + k] = (Value){ parts[1][k], kind[k], operands[1 + k].of };
    }
    for (int k = 1 + carries; k < body->params.count; k++)
        arguments[k] = operands[k];
    if (!map_body(l->blocks, body, arguments, next))
        return false;
    bool grows = false;
    for (int k = 0; k < count; k++) {
        bool sum = k < carries && kind[k] == SUM;
        if ((next[k].kind == SUM) != sum || (sum && next[k].of != operands[1 + k].of))
            return false;
        grows |= k < carries && kind[k] == SAME && next[k].kind == LANES;
        parts[2][k] = k < carries && kind[k] == LANES ? in_lanes(l, &next[k]) : next[k].node;
        values[k] = (Value){ NULL, k < carries ? kind[k] : next[k].kind, next[k].of };
    }
    if (grows)
        return true;                                        /* once more, with more lanes */
    LoopParts p = { .trips = operands[0].node, .max_trips = n->attr[0], .checkpoint = n->attr[2], .index = arguments[0].node,
                    .carry_count = carries, .inits = parts[0], .carries = parts[1], .result_count = count,
                    .results = parts[2] };
    Node **made = NEW_ARRAY(ctx->arena, Node *, count + 1);
    node_loop(ctx, &p, made);
    for (int k = 0; k < count; k++)
        values[k].node = made[k];
    return true;
}

static bool loop_in_lanes(const Level *l, const Node *n, const Value *operands, Value *values)
{
    int carries = (int)n->attr[1];
    Kind *kind = NEW_ARRAY(l->blocks->ctx->arena, Kind, carries + 1);
    Value *next = NEW_ARRAY(l->blocks->ctx->arena, Value, n->body[0]->results.count + 1);
    if (operands[0].kind != SAME)
        return false;
    for (int k = 0; k < carries; k++)
        kind[k] = operands[1 + k].kind;
    do
        if (!make_loop(l, n, operands, kind, next, values))
            return false;
    while (grow_carries(carries, next, kind));
    return true;
}

static bool region_in_lanes(Level *l, const Node *n)
{
    Context *ctx = l->blocks->ctx;
    Value *operands = NEW_ARRAY(ctx->arena, Value, n->operand_count + 1);
    Value *values = NEW_ARRAY(ctx->arena, Value, region_result_count(n) + 1);
    bool same = true;
    for (int k = 0; k < n->operand_count; k++) {
        operands[k] = *value_of(l, n->operands[k]);
        same &= operands[k].kind == SAME;
    }
    map_put(l->regions, n, values);
    if (!same)
        return n->op == OP_loop && loop_in_lanes(l, n, operands, values);
    Node **nodes = NEW_ARRAY(ctx->arena, Node *, n->operand_count + 1);
    Node **made = NEW_ARRAY(ctx->arena, Node *, region_result_count(n) + 1);
    for (int k = 0; k < n->operand_count; k++)
        nodes[k] = operands[k].node;
    region_again(ctx, n, n->body, nodes, NULL, made);
    for (int k = 0; k < region_result_count(n); k++)
        values[k] = (Value){ made[k], SAME, 0 };
    return true;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */
static bool map_node(Level *l, Node *n, Value *v)
{
    Context *ctx = l->blocks->ctx;
    bool sum = false;
    int of = 0;
    *v = (Value){ n, SAME, 0 };
    for (int k = 0; k < n->operand_count; k++) {
        const Value *x = value_of(l, n->operands[k]);
        sum |= x->kind == SUM;
        of = x->kind == SUM ? x->of : of;
        v->kind = x->kind == LANES ? LANES : v->kind;
    }
    if (n->type->rank == RANK_MAX && (sum || v->kind == LANES))
        return false;
    if (sum) {
        *v = (Value){ node_in_sum(l, n), SUM, of };
    } else if (v->kind == LANES) {
        v->node = node_in_lanes(l, n);
    } else if (n->operand_count) {
        ArenaMark mark = arena_mark(ctx->scratch);
        Node **operands = NEW_ARRAY(ctx->scratch, Node *, n->operand_count);
        for (int k = 0; k < n->operand_count; k++)
            operands[k] = value_of(l, n->operands[k])->node;
        v->node = node_rebuild(ctx, n, operands);
        arena_release(ctx->scratch, mark);
    }
    return v->node != NULL;
}

static bool map_all(Level *l, const NodeList *nodes)
{
    Context *ctx = l->blocks->ctx;
    for (int k = 0; k < nodes->count; k++) {
        Node *n = nodes->at[k];
        Value *v = NEW(ctx->arena, Value);
        if (n->op == OP_param)
            continue;
        graph_set_origin(ctx, n->origin);
        if (node_is_region(n)) {
            if (!region_in_lanes(l, n))
                return false;
            *v = (Value){ n, SAME, 0 };                     /* only its values are read */
        } else if (n->op == OP_result) {
            *v = ((const Value *)map_get(l->regions, n->operands[0]))[n->attr[0]];
        } else if (!map_node(l, n, v)) {
            return false;
        }
        if (n->origin.name && v->node->op != OP_param)
            node_set_name(v->node, n->origin.name);
        map_put(l->values, n, v);
    }
    return true;
}

static bool map_body(const Blocks *b, const Fn *fn, const Value *arguments, Value *results)
{
    Context *ctx = b->ctx;
    NodeList nodes = { 0 };
    Arena *own = arena_new();
    Origin saved = graph_origin(ctx);
    Level l = { b, map_new(own), map_new(own) };
    for (int k = 0; k < fn->params.count; k++)
        map_put(l.values, fn->params.at[k].node, (Value *)(uintptr_t)&arguments[k]);
    fn_nodes(ctx, fn, own, &nodes);
    bool fits = map_all(&l, &nodes);
    for (int k = 0; fits && k < fn->results.count; k++)
        results[k] = *value_of(&l, fn->results.at[k].node);
    graph_set_origin(ctx, saved);
    arena_free(own);
    return fits;
}

/* ---- the loop that is cut into blocks ----------------------------------------------------------------------------- */
typedef struct {
    const Blocks *blocks;
    const Node *loop;
    Node *const *operands;
    int64_t whole;                                          /* blocks */
} Cutting;

typedef struct { int64_t lanes, least; bool large; Fn *fn; } Wanted;    /* fn: where the cut loops are noted */

/* Around 32 lanes measured best; of these a number that leaves no trips over. */
static int64_t fitting_lanes(int64_t trips)
{
    static const int64_t near[] = { 32, 40, 24, 48 };
    for (size_t k = 0; k < sizeof near / sizeof *near; k++)
        if (trips % near[k] == 0)
            return near[k];
    return near[0];
}

/* The body over the trips from `first` on, `lanes` per trip of a new loop; NULL for parts that do not fit. */
static bool run_part(const Cutting *c, int64_t trips, int64_t first, bool by_lanes, Node *const *inits, Node **values)
{
    Context *ctx = c->blocks->ctx;
    const Fn *body = c->loop->body[0];
    int carries = (int)c->loop->attr[1], count = body->results.count;
    Value *arguments = NEW_ARRAY(ctx->arena, Value, body->params.count + 1);
    Value *next = NEW_ARRAY(ctx->arena, Value, count + 1);
    Node **params = NEW_ARRAY(ctx->arena, Node *, carries + 1), **results = NEW_ARRAY(ctx->arena, Node *, count + 1);
    Node *index = param_again(c->blocks, body->params.at[0].node, SAME), *trip = index;
    Level l = { .blocks = c->blocks };
    if (by_lanes) {
        Node *start = node_binary(ctx, OP_mul, index, node_int(ctx, c->blocks->lanes));
        trip = node_binary(ctx, OP_add, node_iota(ctx, c->blocks->lanes), start);
    }
    trip = first ? node_binary(ctx, OP_add, trip, node_int(ctx, first)) : trip;
    arguments[0] = (Value){ trip, by_lanes ? LANES : SAME, 0 };
    for (int k = 0; k < carries; k++) {
        params[k] = param_again(c->blocks, body->params.at[1 + k].node, SAME);
        arguments[1 + k] = (Value){ params[k], by_lanes ? SUM : SAME, k };
    }
    for (int k = 1 + carries; k < body->params.count; k++)
        arguments[k] = (Value){ c->operands[k], SAME, 0 };
    if (!map_body(c->blocks, body, arguments, next))
        return false;
    for (int k = 0; k < count; k++) {
        if (by_lanes && (next[k].kind == SUM) != (k < carries))
            return false;
        if (by_lanes && k < carries && next[k].of != k)
            return false;
        results[k] = next[k].node;
        if (by_lanes && k >= carries) {
            results[k] = in_lanes(&l, &next[k]);
            results[k] = move_axis(ctx, results[k], results[k]->type->rank - 1, 0);
        }
    }
    LoopParts p = { .trips = node_int(ctx, trips), .max_trips = trips, .index = index, .carry_count = carries,
                    .inits = inits, .carries = params, .result_count = count, .results = results };
    node_loop(ctx, &p, values);
    return true;
}

/* A body is worth it when it has loops of its own: what is one nest is vectorised as it is. */
static bool has_inner_loop(Context *ctx, const Fn *body)
{
    NodeList nodes = { 0 };
    bool found = false;
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, body, ctx->scratch, &nodes);
    for (int k = 0; !found && k < nodes.count; k++)
        found = nodes.at[k]->op == OP_loop;
    arena_release(ctx->scratch, mark);
    return found;
}

static bool cut_loop(const Cutting *c, Node **values)
{
    Context *ctx = c->blocks->ctx;
    const Node *n = c->loop;
    if (n->op != OP_loop)
        return false;
    int64_t lanes = c->blocks->lanes, most = n->attr[0], rest = most - c->whole * lanes;
    int carries = (int)n->attr[1], count = n->body[0]->results.count;
    if (n->attr[2] || c->whole < 1 || (rest && count > carries)
        || c->operands[0]->op != OP_constant || c->operands[0]->data[0] != (double)most || !has_inner_loop(ctx, n->body[0]))
        return false;
    if (!run_part(c, c->whole, 0, true, c->operands + 1, values))
        return false;
    for (int k = carries; k < count; k++) {
        const Type *row = n->body[0]->results.at[k].node->type;
        values[k] = node_reshape(ctx, values[k], type_concat(ctx, row->elem, type_sized(ctx, row->elem, 1, &most), row));
    }
    if (!rest)
        return true;
    Node **inits = arena_copy(ctx->arena, values, sizeof *values * (size_t)(carries + 1));
    return run_part(c, rest, c->whole * lanes, false, inits, values);
}

/* Elements that are computed in a trip. */
static int64_t trip_work(Context *ctx, const Fn *body)
{
    NodeList nodes = { 0 };
    int64_t work = 0;
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, body, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        for (int b = 0; b < 2 && n->body[b]; b++)
            work += trip_work(ctx, n->body[b]) * (n->op == OP_branch ? 1 : n->attr[0]);
        if (n->op != OP_param && n->op != OP_result && !node_is_region(n))
            work += n->type->count;
    }
    arena_release(ctx->scratch, mark);
    return work;
}

/* What is read and written in a trip is moved from and to lanes: that has to be little beside the work. */
static bool is_large(Context *ctx, const Node *loop)
{
    enum { MUCH = 100 };
    return loop->body[0]->results.count == loop->attr[1] && trip_work(ctx, loop->body[0]) >= MUCH;
}

/* The outermost loops that fit; bodies of others are looked into. */
static void cut_region(Context *ctx, const Node *old, Node *const *operands, void *user, Node **values)
{
    const Wanted *w = user;
    const Fn *body[2] = { NULL, NULL };
    int64_t trips = old->op == OP_loop ? old->attr[0] : 0;
    Blocks b = { ctx, w->lanes ? w->lanes : fitting_lanes(trips) };
    bool wanted = trips >= w->least && trips && (!w->large || is_large(ctx, old));
    Cutting c = { &b, old, operands, wanted ? trips / b.lanes : 0 };
    if (cut_loop(&c, values)) {
        vec_push(ctx->arena, &w->fn->in_lanes, ((LanesNote){ old->origin.span, trips, b.lanes }));
        return;
    }
    for (int side = 0; side < 2 && old->body[side]; side++)
        body[side] = fn_rewrite_regions(ctx, old->body[side], NULL, cut_region, user);
    region_again(ctx, old, body, operands, NULL, values);
}

Fn *fn_lanes(Context *ctx, const Fn *fn, int64_t lanes, int64_t least, bool large)
{
    Fn noted = { 0 }, *made;
    Wanted w = { lanes, least, large, &noted };
    made = fn_rewrite_regions(ctx, fn, NULL, cut_region, &w);
    made->in_lanes = noted.in_lanes;
    return made;
}
