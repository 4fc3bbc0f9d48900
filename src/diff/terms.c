/* terms.c: a scalar as a sum of small functions, one for each trip.
 *
 * Sums of arrays, dot products and loops that add up are opened: what is summed is asked for at an index, and the question
 * goes through elementwise ops, slices and the bodies of maps until it is answered by parts of x.  What can not be opened
 * is left as it is; so the terms and the rest are the scalar, whatever is found. */
#include "sparsity.h"

enum {
    SMALL = 16,                                             /* elements of x in a term that is not opened further */
    STEPS_MOST = 20000, NESTED_MOST = 400,                  /* questions in all; within one another */
    ITEMS_MOST = 256                                        /* sums that are opened */
};

typedef struct { int count; Node *at[RANK_MAX], *answer; } Asked;
typedef Vec(Asked) AskedList;

typedef struct {                                            /* factor times the sum of all elements of node */
    Node *node, *factor;                                    /* factor NULL: 1 */
    Term place;
} Item;
typedef Vec(Item) Items;

typedef struct {
    Context *ctx;
    const Unknowns *xs;
    Map *asked;                                             /* node -> what was asked before */
    int steps;
    Items items;
    NodeList fresh;                                         /* indices of loops that there were none of */
    Vec(int64_t) fresh_trips;
    SparseTerms *found;
} Opening;

static Node *element(Opening *, const Term *, Node *n, int count, Node *const *at, int nested);

/* ---- what depends on x ------------------------------------------------------------------------------------------- */
Unknowns unknowns_of(Context *ctx, int count, Node *const *xs, Arena *arena)
{
    Unknowns u = { .ctx = ctx, .count = count, .xs = xs, .arena = arena, .known = map_new(arena) };
    return u;
}

static bool is_unknown(const Unknowns *u, const Node *n)
{
    for (int k = 0; k < u->count; k++)
        if (u->xs[k] == n)
            return true;
    return false;
}

bool unknowns_reach(const Unknowns *u, Node *root)
{
    static char yes, no;
    NodeList stack = { 0 };
    vec_push(u->arena, &stack, root);
    while (stack.count) {
        Node *n = stack.at[stack.count - 1];
        bool any = is_unknown(u, n), ready = true;
        if (map_get(u->known, n)) {
            stack.count--;
            continue;
        }
        for (int k = 0; k < n->operand_count; k++) {
            const char *of = map_get(u->known, n->operands[k]);
            any |= of == &yes;
            if (!of && !any)
                vec_push(u->arena, &stack, n->operands[k]);
            ready &= of != NULL;
        }
        if (ready || any) {
            map_put(u->known, n, any ? &yes : &no);
            while (stack.at[stack.count - 1] != n)
                stack.count--;
            stack.count--;
        }
    }
    return map_get(u->known, root) == &yes;
}

int unknown_with_part(const Unknowns *u, const Node *n, int64_t *offset)
{
    for (int k = 0; k < u->count; k++) {
        *offset = sparse_offset(n, u->xs[k]);
        if (*offset >= 0)
            return k;
    }
    return -1;
}

static bool is_part(const Unknowns *u, const Node *n)
{
    int64_t offset;
    return unknown_with_part(u, n, &offset) >= 0;
}

static bool is_read(const Unknowns *u, const Node *n)
{
    bool by_scalars = n->op == OP_index && is_part(u, n->operands[0]);
    for (int k = 1; by_scalars && k < n->operand_count; k++)
        by_scalars = node_is_scalar(n->operands[k]);
    return by_scalars || is_part(u, n);
}

bool unknowns_read(const Unknowns *u, Node *value, NodeList *reads)
{
    Map *seen = map_new(u->arena);
    NodeList stack = { 0 };
    bool good = true;
    vec_push(u->arena, &stack, value);
    while (stack.count) {
        Node *n = stack.at[--stack.count];
        if (map_get(seen, n) || !unknowns_reach(u, n))
            continue;
        map_put(seen, n, n);
        if (is_read(u, n)) {
            vec_push(u->arena, reads, n);
            continue;
        }
        good &= n->operand_count > 0;
        for (int k = n->operand_count; k-- > 0;)
            vec_push(u->arena, &stack, n->operands[k]);
    }
    return good;
}

static bool is_index_of(const Term *t, const Node *n)
{
    for (int k = 0; k < t->depth; k++)
        if (t->index[k] == n)
            return true;
    return false;
}

/* ---- indices that are known to be in range ----------------------------------------------------------------------- */
/* n as at[0] + at[1] * index 0 + ..; false: it is nothing of the kind. */
static bool affine_within(const Term *t, const Node *n, int64_t *at, int nested)
{
    static const int64_t most = (int64_t)1 << 40;
    int64_t a[TERM_DEPTH + 1] = { 0 }, b[TERM_DEPTH + 1] = { 0 };
    bool constant[2] = { true, true };
    for (int k = 0; k <= TERM_DEPTH; k++)
        at[k] = 0;
    for (int k = 0; k < t->depth; k++)
        if (t->index[k] == n) {
            at[k + 1] = 1;
            return true;
        }
    if (n->op == OP_constant && n->type->count == 1 && n->type->elem == ELEM_INT) {
        at[0] = (int64_t)n->data[0];
        return true;
    }
    if ((n->op != OP_add && n->op != OP_sub && n->op != OP_mul) || nested > 16 || !affine_within(t, n->operands[0], a, nested + 1)
        || !affine_within(t, n->operands[1], b, nested + 1))
        return false;
    for (int k = 1; k <= TERM_DEPTH; k++) {
        constant[0] &= a[k] == 0;
        constant[1] &= b[k] == 0;
    }
    if (n->op == OP_mul && !constant[0] && !constant[1])
        return false;
    for (int k = 0; k <= TERM_DEPTH; k++) {
        at[k] = n->op == OP_add ? a[k] + b[k] : n->op == OP_sub ? a[k] - b[k] : constant[0] ? a[0] * b[k] : a[k] * b[0];
        if (at[k] > most || at[k] < -most)
            return false;
    }
    return true;
}

bool term_affine(const Term *t, const Node *n, int64_t *at, int64_t size)
{
    int64_t low, high;
    if (!affine_within(t, n, at, 0))
        return false;
    low = high = at[0];
    for (int k = 0; k < t->depth; k++) {
        low += at[k + 1] < 0 ? at[k + 1] * (t->trips[k] - 1) : 0;
        high += at[k + 1] > 0 ? at[k + 1] * (t->trips[k] - 1) : 0;
    }
    return low >= 0 && high < size;
}

static bool in_range(const Term *t, const Node *index, int64_t size)
{
    int64_t at[TERM_DEPTH + 1];
    return term_affine(t, index, at, size);
}

/* ---- one element, or part, of a value ---------------------------------------------------------------------------- */
static Node *of_pointwise(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Node *operands[SCALAR_FN_ARGUMENTS + 1];
    for (int k = 0; k < n->operand_count; k++)
        if (!(operands[k] = element(o, t, n->operands[k], count, at, nested)))
            return NULL;
    return node_rebuild(o->ctx, n, operands);
}

/* The axes behind those that are indexed, as a part of their own. */
static Node *of_slice(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Context *ctx = o->ctx;
    int rank = n->type->rank;
    int64_t start[RANK_MAX], step[RANK_MAX], size[RANK_MAX];
    Node *moved[RANK_MAX];
    for (int k = 0; k < count; k++)
        moved[k] = node_binary(ctx, OP_add, node_int(ctx, n->attr[k]), node_binary(ctx, OP_mul, at[k], node_int(ctx, n->attr[rank + k])));
    Node *part = element(o, t, n->operands[0], count, moved, nested);
    for (int k = count; k < rank; k++) {
        start[k - count] = n->attr[k];
        step[k - count] = n->attr[rank + k];
        size[k - count] = type_size(n->type, k);
    }
    return part && count < rank ? node_slice(ctx, part, start, step, size) : part;
}

static Node *of_expand(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Context *ctx = o->ctx;
    Node *x = n->operands[0], *moved[RANK_MAX];
    int missing = n->type->rank - x->type->rank, own = 0;
    for (int k = missing; k < count; k++)
        moved[own++] = type_size(x->type, k - missing) == 1 ? node_int(ctx, 0) : at[k];
    Node *part = own ? element(o, t, x, own, moved, nested) : x;
    return part ? node_expand(ctx, part, type_make(ctx, n->type->elem, n->type->rank - count, n->type->dim + count)) : NULL;
}

/* Where only axes of size 1 come or go before the last axis that is indexed. */
static Node *of_reshape(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Context *ctx = o->ctx;
    const Type *own = n->type, *other = n->operands[0]->type;
    Node *moved[RANK_MAX];
    int k = 0, i = 0;
    for (; k < count; k++) {
        if (type_size(own, k) == 1)
            continue;
        while (i < other->rank && type_size(other, i) == 1)
            moved[i++] = node_int(ctx, 0);
        if (i == other->rank || type_size(other, i) != type_size(own, k))
            return NULL;
        moved[i++] = at[k];
    }
    Node *part = i ? element(o, t, n->operands[0], i, moved, nested) : n->operands[0];
    return part ? node_reshape(ctx, part, type_make(ctx, own->elem, own->rank - count, own->dim + count)) : NULL;
}

/* All axes, in another order. */
static Node *of_permute(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Node *moved[RANK_MAX];
    if (count != n->type->rank)
        return NULL;
    for (int k = 0; k < count; k++)
        moved[n->attr[k] + count] = at[k];
    return element(o, t, n->operands[0], count, moved, nested);
}

/* What is reduced lies behind the axes that are indexed. */
static Node *of_reduction(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    int axes[RANK_MAX], behind = n->operands[0]->type->rank - count;
    for (int k = 0; k < n->attr_count; k++) {
        axes[k] = (int)n->attr[k];
        if (-n->attr[k] > behind)
            return NULL;
    }
    Node *part = element(o, t, n->operands[0], count, at, nested);
    return part ? node_reduce(o->ctx, n->op, part, n->attr_count, axes, false) : NULL;
}

/* Leading labels of the result that are leading ones of an operand, in order, and nowhere else. */
static Node *of_einsum(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    int labels[2][RANK_MAX], out[RANK_MAX], before = 0, out_rank = n->type->rank;
    const int64_t *result = n->attr + n->attr_count - out_rank;
    const int *lists[2] = { labels[0], labels[1] };
    Node *parts[2];
    for (int i = 0; i < n->operand_count; i++) {
        Node *moved[RANK_MAX];
        int rank = n->operands[i]->type->rank, own = 0;
        const int64_t *of = n->attr + before;
        before += rank;
        for (int k = 0; k < count; k++)
            if (own < rank && of[own] == result[k])
                moved[own++] = at[k];
        for (int a = own; a < rank; a++) {
            labels[i][a - own] = (int)of[a];
            for (int k = 0; k < count; k++)
                if (of[a] == result[k])
                    return NULL;
        }
        parts[i] = own ? element(o, t, n->operands[i], own, moved, nested) : n->operands[i];
        if (!parts[i])
            return NULL;
    }
    for (int k = count; k < out_rank; k++) {
        out[k - count] = (int)result[k];
        for (int i = 0; i < count; i++)
            if (result[k] == result[i])
                return NULL;
    }
    return node_einsum(o->ctx, n->operand_count, parts, lists, out_rank - count, out);
}

/* x at an index of an index. */
static Node *of_index(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    Node *moved[RANK_MAX];
    int indices = n->operand_count - 1, shape = n->operands[1]->type->rank;
    if (count < shape || unknowns_reach(o->xs, n->operands[1]))
        return NULL;
    for (int k = 0; k < indices; k++)
        moved[k] = shape ? node_index(o->ctx, n->operands[1 + k], shape, at) : n->operands[1 + k];
    for (int k = shape; k < count; k++)
        moved[indices + k - shape] = at[k];
    return element(o, t, n->operands[0], indices + count - shape, moved, nested);
}

static Node *parts_of_reads(Opening *, const Term *, Node *value, int nested);

/* Value k of a trip of the loop, over outer values; NULL: it reads what the loop carries. */
static Node *value_in_trip(Opening *o, const Term *t, const Node *loop, int k, Node *index, int nested)
{
    const Fn *body = loop->body[0];
    int own = region_own_count(loop), leading = region_leading_count(loop);
    Map *open = map_new(o->ctx->arena);
    Node *value = body->results.at[k].node;
    NodeList nodes = { 0 };
    nodes_reaching(o->ctx, &value, 1, o->xs->arena, &nodes);
    for (int c = 1; c < own; c++)
        if (node_place(&nodes, body->params.at[c].node) >= 0)
            return NULL;
    if (index != body->params.at[0].node)
        map_put(open, body->params.at[0].node, index);
    for (int c = own; c < body->params.count; c++)
        map_put(open, body->params.at[c].node, loop->operands[leading + c - own]);
    graph_substitute(o->ctx, &value, 1, open, NULL, NULL);
    return parts_of_reads(o, t, value, nested);
}

static bool has_all_trips(const Node *loop)
{
    double trips;
    return loop->op == OP_loop && node_is_fill(loop->operands[0], &trips) && trips == (double)loop->attr[0];
}

static Node *of_map(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    const Node *loop = n->operands[0];
    if (!has_all_trips(loop) || n->attr[0] < loop->attr[1] || !in_range(t, at[0], loop->attr[0]))
        return NULL;
    Node *row = value_in_trip(o, t, loop, (int)n->attr[0], at[0], nested);
    return row && count > 1 ? element(o, t, row, count - 1, at + 1, nested) : row;
}

static Node *answer_of(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    bool part = is_part(o->xs, n), within = true;           /* elsewhere it would be clamped */
    for (int k = 0; k < count; k++)
        within &= in_range(t, at[k], type_size(n->type, k));
    Node *of_whole = !part || !within ? NULL : n->op == OP_slice ? of_slice(o, t, n, count, at, nested)
                   : n->op == OP_reshape ? of_reshape(o, t, n, count, at, nested) : NULL;
    if (of_whole)
        return of_whole;
    if (part || !unknowns_reach(o->xs, n))
        return node_index(o->ctx, n, count, at);
    if (!within)
        return NULL;
    if (op_info[n->op].class == CLASS_ELEMENTWISE || n->op == OP_call)
        return of_pointwise(o, t, n, count, at, nested);
    switch (n->op) {
    case OP_slice: return of_slice(o, t, n, count, at, nested);
    case OP_expand: return of_expand(o, t, n, count, at, nested);
    case OP_reshape: return of_reshape(o, t, n, count, at, nested);
    case OP_permute: return of_permute(o, t, n, count, at, nested);
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_min_reduce: return of_reduction(o, t, n, count, at, nested);
    case OP_einsum: return of_einsum(o, t, n, count, at, nested);
    case OP_index: return of_index(o, t, n, count, at, nested);
    case OP_result: return of_map(o, t, n, count, at, nested);
    default: return NULL;
    }
}

static const Asked *asked_before(const AskedList *list, int count, Node *const *at)
{
    for (int k = 0; list && k < list->count; k++) {
        bool same = list->at[k].count == count;
        for (int i = 0; same && i < count; i++)
            same = list->at[k].at[i] == at[i];
        if (same)
            return &list->at[k];
    }
    return NULL;
}

/* n[at..], its other axes as they are; NULL: that is no small question. */
static Node *element(Opening *o, const Term *t, Node *n, int count, Node *const *at, int nested)
{
    while (n->op == OP_bind)
        n = n->operands[0];
    AskedList *list = map_get(o->asked, n);
    const Asked *before = asked_before(list, count, at);
    if (before)
        return before->answer;
    if (++o->steps > STEPS_MOST || nested > NESTED_MOST)
        return NULL;
    Asked asked = { .count = count, .answer = answer_of(o, t, n, count, at, nested + 1) };
    for (int k = 0; k < count; k++)
        asked.at[k] = at[k];
    if (!list)
        map_put(o->asked, n, list = NEW(o->xs->arena, AskedList));
    vec_push(o->xs->arena, list, asked);
    return asked.answer;
}

/* A trip reads elements of what is computed from x outside: they are computed in the trip. */
static Node *parts_of_reads(Opening *o, const Term *t, Node *value, int nested)
{
    NodeList nodes = { 0 };
    Map *parts = map_new(o->ctx->arena);
    nodes_reaching(o->ctx, &value, 1, o->xs->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        bool by_scalars = n->op == OP_index && unknowns_reach(o->xs, n) && !is_part(o->xs, n->operands[0]);
        for (int i = 1; by_scalars && i < n->operand_count; i++)
            by_scalars = node_is_scalar(n->operands[i]);
        Node *part = by_scalars ? element(o, t, n->operands[0], n->operand_count - 1, n->operands + 1, nested) : NULL;
        if (part)
            map_put(parts, n, part);
    }
    if (map_count(parts))
        graph_substitute(o->ctx, &value, 1, parts, NULL, NULL);
    return value;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */
static void put_item(Opening *o, const Item *from, Node *node, Node *factor)
{
    Item item = { node, factor, from->place };
    vec_push(o->xs->arena, &o->items, item);
}

static Node *times(Context *ctx, Node *factor, Node *x)
{
    return factor ? node_binary(ctx, OP_mul, factor, x) : x;
}

static Node *negative(Context *ctx, Node *factor)
{
    return factor ? node_unary(ctx, OP_neg, factor) : node_real(ctx, -1);
}

static Node *summed(Context *ctx, Node *node, Node *factor)
{
    int axes[RANK_MAX];
    for (int k = 0; k < node->type->rank; k++)
        axes[k] = k;
    return times(ctx, factor, node->type->rank ? node_sum(ctx, node, node->type->rank, axes, false) : node);
}

static bool is_small(const Opening *o, Node *value)
{
    NodeList reads = { 0 };
    int64_t width = 0;
    bool good = unknowns_read(o->xs, value, &reads);
    for (int k = 0; k < reads.count; k++)
        width += reads.at[k]->type->count;
    return good && width <= SMALL;
}

/* Within one more loop; what is opened first is remembered, so that it can be put back. */
static bool enter(Opening *o, const Item *from, Node *whole, int64_t trips, Node *index, Item *within)
{
    if (from->place.depth == TERM_DEPTH || is_index_of(&from->place, index))
        return false;
    *within = *from;
    if (from->place.depth == 0) {
        within->place.source = o->found->sources.count;
        within->place.span = whole->origin.span;
        vec_push(o->xs->arena, &o->found->sources, ((TermSource){ summed(o->ctx, whole, from->factor), false }));
    }
    within->place.trips[within->place.depth] = trips;
    within->place.index[within->place.depth++] = index;
    return true;
}
static Node *fresh_index(Opening *o, const Item *item, int64_t trips)
{
    for (int k = 0; k < o->fresh.count; k++)
        if (o->fresh_trips.at[k] == trips && !is_index_of(&item->place, o->fresh.at[k]))
            return o->fresh.at[k];
    Node *index = node_param(o->ctx, str_intern(o->ctx, "i"), type_scalar(o->ctx, ELEM_INT), item->node->origin.span);
    vec_push(o->xs->arena, &o->fresh, index);
    vec_push(o->xs->arena, &o->fresh_trips, trips);
    return index;
}

/* The loop over this many trips that a value is made by, so that what is made of both is one loop in the end. */
static Node *index_for(Opening *o, const Item *item, int64_t trips)
{
    NodeList nodes = { 0 };
    Node *index = NULL;
    nodes_reaching(o->ctx, (Node **)(uintptr_t)&item->node, 1, o->xs->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        if (has_all_trips(n) && n->attr[0] == trips && !is_index_of(&item->place, n->body[0]->params.at[0].node)
            && unknowns_reach(o->xs, n))
            index = n->body[0]->params.at[0].node;
    }
    return index ? index : fresh_index(o, item, trips);
}

/* What an elementwise value is joined of along its first axis: it is split there. */
static const Node *joint_in(const Opening *o, Node *n, int nested)
{
    const Node *found = NULL;
    if (n->op == OP_bind)
        return joint_in(o, n->operands[0], nested);
    if (n->op == OP_concat && n->attr[0] == -n->type->rank && unknowns_reach(o->xs, n))
        return n;
    if (op_info[n->op].class != CLASS_ELEMENTWISE || nested > 16)
        return NULL;
    for (int k = 0; k < n->operand_count && !found; k++)
        found = n->operands[k]->type->rank == n->type->rank ? joint_in(o, n->operands[k], nested + 1) : NULL;
    return found;
}

static Node *rows_of(Opening *o, Node *n, int64_t from, int64_t count, int nested)
{
    int64_t start[RANK_MAX] = { from }, step[RANK_MAX], size[RANK_MAX];
    Node *operands[3];
    while (n->op == OP_bind)
        n = n->operands[0];
    for (int k = 0; k < n->type->rank; k++) {
        step[k] = 1;
        size[k] = k ? type_size(n->type, k) : count;
    }
    if (op_info[n->op].class != CLASS_ELEMENTWISE || nested > 16 || !joint_in(o, n, nested))
        return node_slice(o->ctx, n, start, step, size);
    for (int k = 0; k < n->operand_count; k++)
        operands[k] = rows_of(o, n->operands[k], from, count, nested + 1);
    return node_elementwise(o->ctx, n->op, operands);
}

/* False: what was entered has no such row after all. */
static bool put_row(Opening *o, const Item *within, Node *row)
{
    if (row)
        put_item(o, within, row, within->factor);
    else if (within->place.depth == 1)
        o->found->sources.count--;
    return row != NULL;
}

static bool enter_axes(Opening *o, const Item *item, int count, Item *within)
{
    *within = *item;
    for (int k = 0; k < count; k++) {
        Item around = *within;
        int64_t trips = type_size(item->node->type, k);
        if (!enter(o, &around, item->node, trips, index_for(o, &around, trips), within))
            return false;
    }
    return true;
}

static bool open_rows(Opening *o, const Item *item)
{
    Node *n = item->node;
    const Node *joint = joint_in(o, n, 0);
    Item within;
    int64_t from = 0;
    if (n->type->rank == 0)
        return false;
    for (int k = 0; joint && k < joint->operand_count; k++) {
        int64_t count = type_size(joint->operands[k]->type, 0);
        put_item(o, item, rows_of(o, n, from, count, 0), item->factor);
        from += count;
    }
    if (joint)
        return true;
    for (int count = 1; count <= n->type->rank; count++) {  /* by one axis, or by several at once */
        Node *row = NULL, *const *at = within.place.index + item->place.depth;
        int sources = o->found->sources.count;
        bool entered = enter_axes(o, item, count, &within);
        row = entered ? element(o, &within.place, n, count, at, 0) : NULL;
        if (row) {
            put_item(o, &within, row, item->factor);
            return true;
        }
        o->found->sources.count = sources;
    }
    return false;
}

/* A product over all labels of an einsum; all that it summed over is summed over anyway. */
static bool open_einsum(Opening *o, const Item *item)
{
    Context *ctx = o->ctx;
    const Node *n = item->node;
    int64_t sizes[RANK_MAX], name[RANK_MAX];
    int count = 0, before = 0;
    Node *product = NULL;
    for (int pass = 0; pass < 2; pass++)
        for (int i = before = 0; i < n->operand_count; before += n->operands[i++]->type->rank) {
            const Type *t = n->operands[i]->type;
            int perm[RANK_MAX], used = 0;
            int64_t shape[RANK_MAX];
            for (int k = 0; !pass && k < t->rank; k++) {
                int at = 0;
                while (at < count && name[at] != n->attr[before + k])
                    at++;
                for (int j = 0; j < k; j++)
                    if (n->attr[before + j] == n->attr[before + k])
                        return false;
                if (at == RANK_MAX)
                    return false;
                name[at] = n->attr[before + k];
                sizes[at] = type_size(t, k);
                count = at == count ? at + 1 : count;
            }
            for (int at = 0; pass && at < count; at++) {
                shape[at] = 1;
                for (int k = 0; k < t->rank; k++)
                    if (n->attr[before + k] == name[at])
                        perm[used++] = k, shape[at] = sizes[at];
            }
            if (!pass)
                continue;
            Node *own = node_reshape(ctx, node_permute(ctx, n->operands[i], perm), type_sized(ctx, ELEM_REAL, count, shape));
            own = node_expand(ctx, own, type_sized(ctx, ELEM_REAL, count, sizes));
            product = product ? node_binary(ctx, OP_mul, product, own) : own;
        }
    put_item(o, item, product, item->factor);
    return true;
}

/* ---- loops that add up ------------------------------------------------------------------------------------------- */
static bool reads_any(Opening *o, Node *n, int count, const Param *params)
{
    NodeList nodes = { 0 };
    bool any = false;
    nodes_reaching(o->ctx, &n, 1, o->xs->arena, &nodes);
    for (int k = 0; k < count; k++)
        any |= node_place(&nodes, params[k].node) >= 0;
    return any;
}

/* The operand of a sum in which the carry goes on; -1: it is no sum. */
static int carrying_operand(Opening *o, const Node *n, const Param *carry)
{
    if (n->op == OP_sub)
        return 0;
    return n->op == OP_add ? reads_any(o, n->operands[1], 1, carry) : -1;
}

/* Is value k of the loop its init, and what the trips add?  Of nothing else that is carried a trip may know. */
static bool adds_up(Opening *o, const Node *loop, int k, int depth)
{
    const Fn *body = loop->body[0];
    const Param *carries = &body->params.at[1];
    int count = (int)loop->attr[1], links = 0;
    Node *sum = body->results.at[k].node;
    if (!has_all_trips(loop) || depth >= TERM_DEPTH)
        return false;
    while (sum != carries[k].node && ++links < ITEMS_MOST) {
        const Node *inner = sum->op == OP_result ? sum->operands[0] : NULL;
        int goes_on = inner ? 1 + (int)sum->attr[0] : carrying_operand(o, sum, &carries[k]);
        const Node *from = inner ? inner : sum;
        if (goes_on < 0 || (inner && (inner->op != OP_loop || sum->attr[0] >= inner->attr[1]
                                      || !adds_up(o, inner, (int)sum->attr[0], depth + 1))))
            return false;
        for (int i = 0; i < from->operand_count; i++)
            if (i != goes_on && reads_any(o, from->operands[i], count, carries))
                return false;
        sum = from->operands[goes_on];
    }
    return sum == carries[k].node;
}

/* What the trips add. */
static bool put_terms(Opening *o, const Item *within, const Node *loop, int k)
{
    Context *ctx = o->ctx;
    const Fn *body = loop->body[0];
    const Param *carry = &body->params.at[1 + k];
    int own = region_own_count(loop), leading = region_leading_count(loop);
    Map *open = map_new(ctx->arena);
    Node *sum = body->results.at[k].node;
    for (int c = own; c < body->params.count; c++)
        map_put(open, body->params.at[c].node, loop->operands[leading + c - own]);
    graph_substitute(ctx, &sum, 1, open, NULL, NULL);
    while (sum != carry->node) {
        if (sum->op == OP_result) {
            Node *inner = sum->operands[0];
            Item deeper;
            if (!enter(o, within, sum, inner->attr[0], inner->body[0]->params.at[0].node, &deeper)
                || !put_terms(o, &deeper, inner, (int)sum->attr[0]))
                return false;
            sum = inner->operands[1 + sum->attr[0]];
            continue;
        }
        int goes_on = carrying_operand(o, sum, carry);
        Node *term = goes_on < 0 ? NULL : sum->operands[1 - goes_on];
        if (!term)
            return false;
        put_item(o, within, parts_of_reads(o, &within->place, term, 0),
                 sum->op == OP_sub ? negative(ctx, within->factor) : within->factor);
        sum = sum->operands[goes_on];
    }
    return true;
}

static bool open_sum(Opening *o, const Item *item)
{
    Node *n = item->node, *loop = n->operands[0], *init = loop->operands[1 + n->attr[0]];
    Node *whole = unknowns_reach(o->xs, init) ? node_binary(o->ctx, OP_sub, n, init) : n;
    Item within;
    int before = o->items.count;
    if (!adds_up(o, loop, (int)n->attr[0], item->place.depth)
        || !enter(o, item, whole, loop->attr[0], loop->body[0]->params.at[0].node, &within))
        return false;
    if (!put_terms(o, &within, loop, (int)n->attr[0])) {
        o->items.count = before;
        if (item->place.depth == 0)
            o->found->sources.count--;
        return false;
    }
    put_item(o, item, init, item->factor);
    return true;
}

static bool open_loop(Opening *o, const Item *item)
{
    const Node *loop = item->node->operands[0];
    int k = (int)item->node->attr[0];
    Item within;
    if (!has_all_trips(loop))
        return false;
    if (k < loop->attr[1])
        return node_is_scalar(item->node) && open_sum(o, item);
    return enter(o, item, item->node, loop->attr[0], loop->body[0]->params.at[0].node, &within)
        && put_row(o, &within, value_in_trip(o, &within.place, loop, k, within.place.index[within.place.depth - 1], 0));
}

/* ---- items ------------------------------------------------------------------------------------------------------- */
/* A number that every element has, if n is one. */
static Node *one_for_all(const Opening *o, Node *n)
{
    while (n->op == OP_expand || n->op == OP_bind)
        n = n->operands[0];
    return n->type->count == 1 && n->type->elem == ELEM_REAL && !unknowns_reach(o->xs, n)
         ? node_reshape(o->ctx, n, type_scalar(o->ctx, ELEM_REAL)) : NULL;
}

static bool open_product(Opening *o, const Item *item)
{
    Node *n = item->node;
    for (int k = n->op == OP_div; k < 2; k++) {
        Node *factor = one_for_all(o, n->operands[k]);
        if (!factor)
            continue;
        Node *whole = n->op == OP_div ? node_binary(o->ctx, OP_div, item->factor ? item->factor : node_real(o->ctx, 1), factor)
                                      : times(o->ctx, item->factor, factor);
        put_item(o, item, n->operands[1 - k], whole);
        return true;
    }
    return open_rows(o, item);
}

static bool open_parts(Opening *o, const Item *item)
{
    Node *n = item->node;
    for (int k = 0; k < n->operand_count; k++) {
        bool turned = n->op == OP_neg || (n->op == OP_sub && k == 1);
        put_item(o, item, n->operands[k], turned ? negative(o->ctx, item->factor) : item->factor);
    }
    return true;
}

static bool open_item(Opening *o, const Item *item)
{
    switch (item->node->op) {
    case OP_add: case OP_sub: return open_rows(o, item) || open_parts(o, item);
    case OP_bind: case OP_reshape: case OP_permute: case OP_sum: case OP_neg: case OP_concat: case OP_stack: case OP_pad:
        return open_parts(o, item);
    case OP_mul: case OP_div: return open_product(o, item);
    case OP_einsum: return open_einsum(o, item);
    case OP_result: return item->node->operands[0]->op == OP_loop && open_loop(o, item);
    default: return open_rows(o, item);
    }
}

static void join_sources(Opening *o, int to, int from)
{
    SparseTerms *found = o->found;
    if (to == from)
        return;
    found->sources.at[to].whole = node_plus(o->ctx, found->sources.at[to].whole, found->sources.at[from].whole);
    found->sources.at[from].whole = NULL;
    for (int k = 0; k < found->terms.count; k++)
        if (found->terms.at[k].source == from)
            found->terms.at[k].source = to;
    for (int k = 0; k < o->items.count; k++)
        if (o->items.at[k].place.depth && o->items.at[k].place.source == from)
            o->items.at[k].place.source = to;
}

/* Terms with the same trips become one while that is small; then their sources stay and go together. */
static void put_term(Opening *o, const Term *term)
{
    SparseTerms *found = o->found;
    for (int k = 0; k < found->terms.count; k++) {
        Term *t = &found->terms.at[k];
        bool same = t->depth == term->depth;
        for (int i = 0; same && i < t->depth; i++)
            same = t->index[i] == term->index[i] && t->trips[i] == term->trips[i];
        Node *both = same ? node_binary(o->ctx, OP_add, t->value, term->value) : NULL;
        if (!both || !is_small(o, both))
            continue;
        t->value = both;
        join_sources(o, t->source, term->source);
        return;
    }
    vec_push(o->xs->arena, &found->terms, *term);
}

/* A term, or more items, or what is left of it all. */
static void take_item(Opening *o, const Item *item)
{
    Context *ctx = o->ctx;
    Node *value = summed(ctx, item->node, item->factor);
    bool inside = item->place.depth > 0;
    if (!unknowns_reach(o->xs, item->node)) {
        o->found->lacks |= inside;
        o->found->apart = inside ? NULL : node_plus(ctx, o->found->apart, value);
        return;
    }
    bool enough = o->steps > STEPS_MOST || o->items.count > ITEMS_MOST;
    if (!(inside && is_small(o, value)) && !enough && open_item(o, item))
        return;
    if (!inside) {
        o->found->rest = node_plus(ctx, o->found->rest, value);
        return;
    }
    Term term = item->place;
    term.value = value;
    put_term(o, &term);
}

void sparse_terms(Context *ctx, Node *y, const Unknowns *xs, SparseTerms *found)
{
    Opening o = { .ctx = ctx, .xs = xs, .asked = map_new(xs->arena), .found = found };
    int taken = 0;
    *found = (SparseTerms){ 0 };
    put_item(&o, &(Item){ 0 }, y, NULL);
    while (o.items.count) {
        Item item = o.items.at[--o.items.count];
        if (++taken > ITEMS_MOST)
            o.steps = STEPS_MOST + 1;
        take_item(&o, &item);
    }
}

Node *sparse_rest(Context *ctx, const SparseTerms *found)
{
    Node *rest = found->rest;
    for (int k = 0; k < found->sources.count; k++)
        if (found->sources.at[k].bad)
            rest = node_plus(ctx, rest, found->sources.at[k].whole);
    return rest;
}
