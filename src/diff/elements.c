/* elements.c: sparse Hessians of sums, trip by trip.
 *
 * The second derivatives of a term by the few elements of x that one trip reads are computed in the trip, those that are
 * not zero and of a symmetric pair one, and are added to their places of the packed values.  Where a place is a formula
 * of the indices it is no table. */
#include "sparsity.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIPS_MOST = 1000 * 1000, ADDED_MOST = 16 * 1000 * 1000,    /* of a term; places of all its trips */
    PLACES_MOST = 256,                                      /* of a trip: each is a value of its own */
    LOCAL_MOST = 64, OPERATIONS_MOST = 2000,                /* elements that a trip reads; operations of a term in scalars */
    ACTIVE_FEW = 16                                         /* elements of a trip whose places may be few */
};

/* What a trip adds to a sum: second derivatives (p <= q) to a block, the derivative by p to a gradient, the value to y. */
typedef struct {
    int p, q, sum;
    int32_t *at, *across;                                   /* trip -> place in the sum; across: of (q, p), or NULL */
    bool sole;                                              /* nothing else is added there, in any trip */
    Node *value;
} Place;

/* What is at these places is a sum over the indices, or row of a table; several differ by a number. */
typedef struct { const int32_t *at; Node *table; } Known;

struct Elements {
    Context *ctx;
    const Unknowns *xs;
    const Pattern *patterns;
    int **rows;                                             /* block -> where its rows begin */
    Node **values;
    Arena *arena;
    Term *term;
    int64_t trips;                                          /* of all loops together */
    NodeList reads;
    int *which, *first;                                     /* read -> which unknown, first local element */
    int width;                                              /* local elements of all reads */
    NodeList parts;                                         /* of reads, which are read beside them */
    NodeList params;                                        /* what stands for the elements of the reads */
    int64_t *from;                                          /* trip, read -> first element in the unknown */
    Map *replaced, *back;                                   /* between outer values and what stands for them */
    Fn local;                                               /* what stands for them: params */
    Node *value;                                            /* of the term, in terms of these */
    Node **gradients;
    Vec(Place) places;
    Vec(Known) known;
    bool beside;                                            /* some trip has no place for what is certainly zero there */
};
typedef struct Elements Elements;

/* ---- what a trip reads ------------------------------------------------------------------------------------------- */
static const Node *whole_of(const Node *read, bool indexed) { return indexed ? read->operands[0] : read; }
static bool is_indexed(const Elements *e, const Node *read)
{
    int64_t offset;
    return unknown_with_part(e->xs, read, &offset) < 0;
}

/* Is b a part of a: of one unknown, or at further indices? */
static bool is_within(const Elements *e, const Node *a, const Node *b)
{
    int64_t of_a, of_b;
    bool ia = is_indexed(e, a), ib = is_indexed(e, b);
    if (a == b || (ia && !ib))
        return false;
    if (!ia && !ib) {
        bool same = unknown_with_part(e->xs, a, &of_a) == unknown_with_part(e->xs, b, &of_b);
        bool larger = a->type->count > b->type->count || (a->type->count == b->type->count && a->id < b->id);
        return same && larger && of_b >= of_a && of_b + b->type->count <= of_a + a->type->count;
    }
    int count = ia ? a->operand_count : 1;
    if (whole_of(a, ia) != whole_of(b, ib) || count >= b->operand_count)
        return false;
    for (int k = 1; k < count; k++)
        if (a->operands[k] != b->operands[k])
            return false;
    return true;
}

static Node *stand_in(Elements *e, Node *n)
{
    Node *param = map_get(e->replaced, n);
    if (!param) {
        param = node_param(e->ctx, n->origin.name, n->type, n->origin.span);
        map_put(e->replaced, n, param);
        map_put(e->back, param, n);
        vec_push(e->arena, &e->local.params, ((Param){ .name = e->local.name, .node = param }));
    }
    return param;
}

static void begin_local(Elements *e)
{
    e->local = (Fn){ .name = str_intern(e->ctx, "element") };
    e->replaced = map_new(e->arena);
    e->back = map_new(e->arena);
}

static bool is_bind(const Node *n) { return n->op == OP_bind; }

/* With params for all that does not depend on x; then in scalars, if that can be. */
static Node *local_value(Elements *e, Node *value)
{
    NodeList nodes = { 0 };
    nodes_reaching(e->ctx, &value, 1, e->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        if (!unknowns_reach(e->xs, n) || map_get(e->replaced, n))
            continue;
        for (int i = 0; i < n->operand_count; i++)
            if (!n->operands[i]->closed && !unknowns_reach(e->xs, n->operands[i]))
                stand_in(e, n->operands[i]);
    }
    graph_substitute(e->ctx, &value, 1, e->replaced, NULL, NULL);
    vec_push(e->arena, &e->local.results, ((Result){ .name = e->local.name, .node = value }));
    bool scalars = !fn_has(e->ctx, &e->local, is_bind);
    const Fn *made = scalars ? fn_element_scalars(e->ctx, &e->local, OPERATIONS_MOST) : NULL;
    return made ? made->results.at[0].node : value;
}

/* A loop in the trip that reads elements of an array depends on all of it; written out it depends on these. */
static Node *written_out(Elements *e, Node *value)
{
    begin_local(e);
    for (int k = 0; k < e->xs->count; k++)
        vec_push(e->arena, &e->local.params, ((Param){ .name = e->local.name, .node = e->xs->xs[k] }));
    value = local_value(e, value);
    graph_substitute(e->ctx, &value, 1, e->back, NULL, NULL);
    return value;
}

static int64_t part_offset(const Elements *e, int k, int *which)
{
    int64_t offset;
    const Node *read = e->reads.at[k];
    *which = unknown_with_part(e->xs, whole_of(read, is_indexed(e, read)), &offset);
    return offset;
}

/* Ordered by unknown, so that of two elements the one with the lower number belongs to the earlier.  Of a read and parts
 * of it only the read is one. */
static bool find_reads(Elements *e, Node *value)
{
    NodeList all = { 0 };
    bool good = unknowns_read(e->xs, value, &all);
    e->reads.count = e->parts.count = e->width = 0;
    e->which = NEW_ARRAY(e->arena, int, all.count + 1);
    e->first = NEW_ARRAY(e->arena, int, all.count + 1);
    for (int x = 0; good && x < e->xs->count; x++)
        for (int k = 0; k < all.count; k++) {
            int64_t offset;
            Node *n = all.at[k];
            bool within = false;
            if (unknown_with_part(e->xs, whole_of(n, is_indexed(e, n)), &offset) != x)
                continue;
            for (int i = 0; i < all.count; i++)
                within |= is_within(e, all.at[i], n);
            if (within) {
                vec_push(e->arena, &e->parts, n);
                continue;
            }
            e->which[e->reads.count] = x;
            e->first[e->reads.count] = e->width;
            vec_push(e->arena, &e->reads, n);
            e->width += (int)(n->type->count < LOCAL_MOST ? n->type->count : LOCAL_MOST + 1);
        }
    return good && e->reads.count > 0;
}

static Node *element_of(Context *ctx, Node *x, int64_t at)
{
    int64_t one = 1, size = x->type->count;
    Node *flat = node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, 1, &size));
    return node_reshape(ctx, node_slice(ctx, flat, &at, &one, &one), type_scalar(ctx, ELEM_REAL));
}

/* A param for each element of the read, and the read put together of them. */
static void split_read(Elements *e, Node *n)
{
    Context *ctx = e->ctx;
    int count = (int)n->type->count;
    Node **elements = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < count; k++) {
        Node *element = element_of(ctx, n, k), *param = node_param(ctx, n->origin.name, element->type, n->origin.span);
        map_put(e->back, param, element);
        vec_push(e->arena, &e->local.params, ((Param){ .name = e->local.name, .node = param }));
        vec_push(e->arena, &e->params, elements[k] = param);
    }
    map_put(e->replaced, n, node_reshape(ctx, node_stack(ctx, count, elements), n->type));
}

/* Of what stands for the read. */
static void replace_part(Elements *e, Node *part)
{
    Context *ctx = e->ctx;
    Node *read = NULL, *made, *further[RANK_MAX];
    int64_t of_read, of_part, one = 1, size = part->type->count;
    for (int k = 0; k < e->reads.count && !read; k++)
        read = is_within(e, e->reads.at[k], part) ? e->reads.at[k] : NULL;
    for (int k = 0; k < e->parts.count && !read; k++)
        read = is_within(e, e->parts.at[k], part) ? e->parts.at[k] : NULL;
    if (!map_get(e->replaced, read))
        replace_part(e, read);
    Node *whole = map_get(e->replaced, read);
    if (!is_indexed(e, part)) {
        unknown_with_part(e->xs, read, &of_read);
        unknown_with_part(e->xs, part, &of_part);
        int64_t start = of_part - of_read, all = whole->type->count;
        made = node_slice(ctx, node_reshape(ctx, whole, type_sized(ctx, ELEM_REAL, 1, &all)), &start, &one, &size);
    } else {
        int used = is_indexed(e, read) ? read->operand_count : 1, count = part->operand_count - used;
        for (int k = 0; k < count; k++)
            further[k] = part->operands[used + k]->closed ? part->operands[used + k] : stand_in(e, part->operands[used + k]);
        made = node_index(ctx, whole, count, further);
    }
    map_put(e->replaced, part, node_reshape(ctx, made, part->type));
}

/* The term with params for what it reads and for all that does not depend on x. */
static void find_local(Elements *e, Node *value)
{
    for (int k = 0; k < e->reads.count; k++)
        split_read(e, e->reads.at[k]);
    for (int k = 0; k < e->parts.count; k++)
        if (!map_get(e->replaced, e->parts.at[k]))
            replace_part(e, e->parts.at[k]);
    e->value = local_value(e, value);
}

/* The numbers of the trips of all loops, from that of all together. */
static void indices_at(const Term *t, int64_t trip, int64_t *at)
{
    for (int k = t->depth - 1; k >= 0; k--) {
        at[k] = trip % t->trips[k];
        trip /= t->trips[k];
    }
}

/* By formula; false: it is none. */
static bool follow_affine(Elements *e, int k)
{
    const Term *t = e->term;
    const Node *read = e->reads.at[k];
    int64_t at[TERM_DEPTH + 1], sum[TERM_DEPTH + 1] = { 0 }, index[TERM_DEPTH];
    int which, count = is_indexed(e, read) ? read->operand_count : 1;
    int64_t rest = whole_of(read, count > 1)->type->count;
    sum[0] = part_offset(e, k, &which);
    for (int i = 1; i < count; i++) {
        int64_t size = type_size(read->operands[0]->type, i - 1);
        if (!term_affine(t, read->operands[i], at, size))
            return false;
        rest /= size;
        for (int l = 0; l <= t->depth; l++)
            sum[l] += rest * at[l];
    }
    for (int64_t trip = 0; trip < e->trips; trip++) {
        int64_t *from = &e->from[trip * e->reads.count + k];
        indices_at(t, trip, index);
        *from = sum[0];
        for (int l = 0; l < t->depth; l++)
            *from += sum[l + 1] * index[l];
    }
    return true;
}

/* By the evaluator; false: it is only known when it runs, or out of range. */
static bool follow_any(Elements *e, int k)
{
    const Term *t = e->term;
    const Node *read = e->reads.at[k];
    Fn fn = { .name = e->local.name };
    NodeList nodes = { 0 };
    double numbers[TERM_DEPTH];
    Tensor inputs[TERM_DEPTH];
    int64_t index[TERM_DEPTH];
    int which;
    bool good = true;
    for (int l = 0; l < t->depth; l++)
        vec_push(e->arena, &fn.params, ((Param){ .name = fn.name, .node = t->index[l] }));
    for (int i = 1; i < read->operand_count; i++)
        vec_push(e->arena, &fn.results, ((Result){ .name = fn.name, .node = read->operands[i] }));
    fn_nodes(e->ctx, &fn, e->arena, &nodes);
    for (int i = 0; i < nodes.count; i++) {
        bool own = nodes.at[i]->op != OP_param;
        for (int l = 0; l < t->depth; l++)
            own |= nodes.at[i] == t->index[l];
        good &= own && nodes.at[i]->op != OP_call;
    }
    for (int64_t trip = 0; good && trip < e->trips; trip++) {
        int64_t rest = read->operands[0]->type->count, *from = &e->from[trip * e->reads.count + k];
        ArenaMark mark = arena_mark(e->ctx->scratch);
        indices_at(t, trip, index);
        for (int l = 0; l < t->depth; l++) {
            numbers[l] = (double)index[l];
            inputs[l] = (Tensor){ t->index[l]->type, &numbers[l] };
        }
        const Tensor *at = fn_eval(e->ctx, &fn, inputs, e->ctx->scratch);
        *from = part_offset(e, k, &which);
        for (int i = 1; i < read->operand_count; i++) {
            int64_t size = type_size(read->operands[0]->type, i - 1);
            good &= at[i - 1].data[0] >= 0 && at[i - 1].data[0] < (double)size;
            rest /= size;
            *from += good ? rest * (int64_t)at[i - 1].data[0] : 0;
        }
        arena_release(e->ctx->scratch, mark);
    }
    return good;
}

static bool follow_reads(Elements *e)
{
    bool good = true;
    e->from = NEW_ARRAY(e->arena, int64_t, e->trips * e->reads.count + 1);
    for (int k = 0; good && k < e->reads.count; k++)
        good = follow_affine(e, k) || follow_any(e, k);
    return good;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */
static int read_of(const Elements *e, int element)
{
    int k = e->reads.count - 1;
    while (e->first[k] > element)
        k--;
    return k;
}

static Place *add_place(Elements *e, int p, int q)
{
    int i = e->which[read_of(e, p)], j = e->which[read_of(e, q)];
    vec_push(e->arena, &e->places, ((Place){ .p = p, .q = q, .sum = i * e->xs->count + j }));
    return &e->places.at[e->places.count - 1];
}

/* One direction for each element: what its tangents flow to are places. */
static void places_by_element(Elements *e)
{
    Context *ctx = e->ctx;
    Node *one = node_real(ctx, 1), **found = NEW_ARRAY(e->arena, Node *, e->width + 1), **made = NEW_ARRAY(e->arena, Node *, e->width + 1);
    int *of = NEW_ARRAY(e->arena, int, e->width + 1);
    for (int q = 0; q < e->width && e->places.count <= PLACES_MOST; q++) {
        int some = 0;
        for (int p = 0; p <= q; p++)
            if (e->gradients[p])
                found[some] = e->gradients[p], of[some++] = p;
        diff_forward(ctx, 1, &e->params.at[q], &one, 0, some, found, made);
        for (int k = 0; k < some; k++)
            if (made[k] && !node_is_zero(made[k]))
                add_place(e, of[k], q)->value = made[k];
    }
}

/* The derivatives and the value, which are there anyway. */
static void places_of_first_order(Elements *e)
{
    int all = e->xs->count * e->xs->count;
    for (int k = 0; k < e->width; k++)
        if (e->gradients[k])
            vec_push(e->arena, &e->places, ((Place){ .p = k, .q = -1, .sum = all + e->which[read_of(e, k)], .value = e->gradients[k] }));
    vec_push(e->arena, &e->places, ((Place){ .p = -1, .q = -1, .sum = all + e->xs->count, .value = e->value }));
}

static bool find_places(Elements *e)
{
    Node *one = node_real(e->ctx, 1);
    e->gradients = NEW_ARRAY(e->arena, Node *, e->params.count + 1);
    diff_reverse(e->ctx, 1, &e->value, &one, 0, e->params.count, e->params.at, e->gradients, NULL);
    places_by_element(e);
    return e->places.count <= PLACES_MOST && e->places.count * e->trips <= ADDED_MOST;
}

/* Few elements, or nearly all of what they make together: else colours may need fewer directions. */
static bool is_worth_it(const Elements *e)
{
    bool *active = NEW_ARRAY(e->arena, bool, e->width + 1);
    int count = 0;
    for (int k = 0; k < e->places.count; k++)
        active[e->places.at[k].p] = active[e->places.at[k].q] = true;
    for (int k = 0; k < e->width; k++)
        count += active[k];
    return count <= ACTIVE_FEW || 4 * e->places.count >= count * count;
}

/* Where (row, column) is in the packed values; behind them all: nowhere. */
static int32_t place_in(const Elements *e, int block, int64_t row, int64_t column)
{
    const Pattern *p = &e->patterns[block];
    int low = e->rows[block][row], high = e->rows[block][row + 1];
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (p->column[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->rows[block][row + 1] && p->column[low] == column ? low : p->count;
}

/* What has no place in any trip is certainly zero; in some trips there may be one. */
static void keep_or_drop(Elements *e, Place *place)
{
    int32_t nowhere = e->patterns[place->sum].count;
    int64_t missing = 0;
    for (int64_t trip = 0; trip < e->trips; trip++)
        missing += place->at[trip] == nowhere;
    e->beside |= missing > 0 && missing < e->trips;
    if (missing == e->trips)
        place->value = node_real(e->ctx, 0);
}

static void follow_places(Elements *e)
{
    places_of_first_order(e);
    for (int k = 0; k < e->places.count; k++) {
        Place *place = &e->places.at[k];
        int a = place->p < 0 ? 0 : read_of(e, place->p), b = place->q < 0 ? a : read_of(e, place->q);
        bool twice = place->p != place->q && place->q >= 0 && e->which[a] == e->which[b];
        if (place->p < 0)
            continue;
        place->at = NEW_ARRAY(e->arena, int32_t, e->trips + 1);
        place->across = twice ? NEW_ARRAY(e->arena, int32_t, e->trips + 1) : NULL;
        for (int64_t trip = 0; trip < e->trips; trip++) {
            const int64_t *from = &e->from[trip * e->reads.count];
            int64_t row = from[a] + place->p - e->first[a], column = from[b] + place->q - e->first[b];
            place->at[trip] = place->q < 0 ? (int32_t)row : place_in(e, place->sum, row, column);
            if (twice)
                place->across[trip] = place_in(e, place->sum, column, row);
        }
        if (place->q >= 0)
            keep_or_drop(e, place);
    }
}

/* How often something is added at each place of each sum: once, or twice and more. */
static void count_added(const Elements *e, char **times)
{
    for (int k = 0; k < e->places.count; k++) {
        const Place *place = &e->places.at[k];
        for (int64_t trip = 0; place->at && !node_is_zero(place->value) && trip < e->trips; trip++) {
            times[place->sum][place->at[trip]] += times[place->sum][place->at[trip]] < 2;
            if (place->across)
                times[place->sum][place->across[trip]] += times[place->sum][place->across[trip]] < 2;
        }
    }
}

static void find_sole(Elements *e, char *const *times)
{
    for (int k = 0; k < e->places.count; k++) {
        Place *place = &e->places.at[k];
        place->sole = place->at && !e->values[place->sum];
        for (int64_t trip = 0; place->sole && trip < e->trips; trip++)
            place->sole = times[place->sum][place->at[trip]] == 1
                       && (!place->across || times[place->sum][place->across[trip]] == 1);
    }
}

/* In terms of outer values. */
static void open_values(Elements *e)
{
    Node **values = NEW_ARRAY(e->arena, Node *, e->places.count + 1);
    for (int k = 0; k < e->places.count; k++)
        values[k] = e->places.at[k].value;
    graph_substitute(e->ctx, values, e->places.count, e->back, NULL, NULL);
    for (int k = 0; k < e->places.count; k++)
        e->places.at[k].value = values[k];
}

/* ---- where they go ----------------------------------------------------------------------------------------------- */
/* The places as a formula of the indices; NULL: they are none. */
static Node *formula_of(const Elements *e, const int32_t *at)
{
    Context *ctx = e->ctx;
    const Term *t = e->term;
    int64_t step[TERM_DEPTH], index[TERM_DEPTH], together = 1;
    for (int k = t->depth - 1; k >= 0; k--) {
        step[k] = t->trips[k] > 1 ? at[together] - at[0] : 0;
        together *= t->trips[k];
    }
    for (int64_t trip = 0; trip < e->trips; trip++) {
        int64_t sum = at[0];
        indices_at(t, trip, index);
        for (int k = 0; k < t->depth; k++)
            sum += step[k] * index[k];
        if (sum != at[trip])
            return NULL;
    }
    Node *sum = NULL;
    for (int k = 0; k < t->depth; k++)
        if (step[k])
            sum = node_plus(ctx, sum, node_binary(ctx, OP_mul, t->index[k], node_int(ctx, step[k])));
    return sum && at[0] ? node_binary(ctx, OP_add, sum, node_int(ctx, at[0])) : sum ? sum : node_int(ctx, at[0]);
}

static Node *trip_of_all(const Elements *e)
{
    const Term *t = e->term;
    Node *all = t->index[0];
    for (int k = 1; k < t->depth; k++)
        all = node_binary(e->ctx, OP_add, node_binary(e->ctx, OP_mul, all, node_int(e->ctx, t->trips[k])), t->index[k]);
    return all;
}

static Node *place_node(Elements *e, const int32_t *at)
{
    Context *ctx = e->ctx;
    Node *formula = formula_of(e, at), *trip = trip_of_all(e);
    if (formula)
        return formula;
    for (int k = 0; k < e->known.count; k++) {
        const Known *known = &e->known.at[k];
        int64_t i = 0, apart = at[0] - known->at[0];
        while (i < e->trips && at[i] - known->at[i] == apart)
            i++;
        if (i == e->trips)
            return node_binary(ctx, OP_add, node_index(ctx, known->table, 1, &trip), node_int(ctx, apart));
    }
    Node *table = sparse_table(ctx, (int)e->trips, at);
    vec_push(e->arena, &e->known, ((Known){ at, table }));
    return node_index(ctx, table, 1, &trip);
}

/* What belongs to the bodies: all that depends on what the loops count or carry. */
static void find_body(const Elements *e, int count, Node *const *roots, const NodeList *carried, NodeSet *set)
{
    NodeList nodes = { 0 };
    nodes_reaching(e->ctx, roots, count, e->arena, &nodes);
    bool *inside = NEW_ARRAY(e->arena, bool, nodes.count + 1);
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        for (int i = 0; i < e->term->depth; i++)
            inside[k] |= n == e->term->index[i];
        for (int i = 0; i < carried->count; i++)
            inside[k] |= n == carried->at[i];
        for (int i = 0; i < n->operand_count; i++)
            inside[k] |= inside[node_place(&nodes, n->operands[i])];
        if (inside[k])
            map_put(set->members, n, n);
    }
}

/* A sum with what a trip adds to it there. */
static Node *with_value(Elements *e, Node *sum, const Place *place)
{
    Context *ctx = e->ctx;
    Node *value = place->value;
    if (place->p < 0)
        return node_binary(ctx, OP_add, sum, value);
    Node *at = place_node(e, place->at), *across = place->across ? place_node(e, place->across) : NULL;
    sum = (place->sole ? node_index_set : node_index_add)(ctx, sum, 1, &at, value);
    return !across ? sum : (place->sole ? node_index_set : node_index_add)(ctx, sum, 1, &across, value);
}

static Str name_of_sum(const Elements *e, int sum)
{
    int all = e->xs->count * e->xs->count;
    int x = sum < all ? sum / e->xs->count : sum - all;
    return x < e->xs->count ? str_format(e->ctx, sum < all ? "%s_hessian" : "%s_bar", e->xs->xs[x]->origin.name)
                            : str_intern(e->ctx, "sum");
}

/* Some sums with what all trips add to them. */
static void run_trips(Elements *e, int count, const int *chosen, Node **sums)
{
    Context *ctx = e->ctx;
    const Term *t = e->term;
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(e->arena) };
    NodeList carried = { 0 };
    Node **carries[TERM_DEPTH], **results = NEW_ARRAY(e->arena, Node *, count + 1);
    for (int l = 0; l < t->depth; l++) {
        carries[l] = NEW_ARRAY(ctx->arena, Node *, count + 1);
        for (int k = 0; k < count; k++) {
            carries[l][k] = node_param(ctx, name_of_sum(e, chosen[k]), sums[k]->type, t->span);
            node_mark_carried(carries[l][k]);
            vec_push(e->arena, &carried, carries[l][k]);
        }
    }
    for (int k = 0; k < count; k++) {
        results[k] = carries[t->depth - 1][k];
        for (int i = 0; i < e->places.count; i++)
            if (e->places.at[i].sum == chosen[k] && !node_is_zero(e->places.at[i].value))
                results[k] = with_value(e, results[k], &e->places.at[i]);
    }
    for (int l = t->depth - 1; l >= 0; l--) {
        Node **made = NEW_ARRAY(ctx->arena, Node *, count + 1);
        find_body(e, count, results, &carried, &set);
        LoopParts p = { .trips = node_int(ctx, t->trips[l]), .max_trips = t->trips[l], .index = t->index[l], .carry_count = count,
                        .inits = l ? carries[l - 1] : sums, .carries = carries[l], .result_count = count, .results = results,
                        .body = &set };
        node_loop(ctx, &p, made);
        results = made;
    }
    memcpy(sums, results, sizeof *sums * (size_t)count);
}

/* What the sum was before: of a block with one more place, for what has none. */
static Node *begin(const Elements *e, int sum)
{
    Context *ctx = e->ctx;
    int all = e->xs->count * e->xs->count;
    bool beside = sum < all && e->beside;
    int64_t size = sum < all ? e->patterns[sum].count : sum < all + e->xs->count ? e->xs->xs[sum - all]->type->count : 1;
    int64_t low = 0, high = 1, interior = 0, padded = size + beside;
    Node *before = e->values[sum];
    if (sum == all + e->xs->count)
        return before ? before : node_real(ctx, 0);
    if (!before)
        return node_fill(ctx, type_sized(ctx, ELEM_REAL, 1, &padded), 0);
    return beside ? node_pad(ctx, before, &low, &high, &interior) : before;
}

static void add_values(Elements *e)
{
    Context *ctx = e->ctx;
    int count = 0, all = e->xs->count * e->xs->count, most = all + e->xs->count + 1, *chosen = NEW_ARRAY(e->arena, int, most + 1);
    Node **sums = NEW_ARRAY(ctx->arena, Node *, most + 1);
    for (int b = 0; b < most; b++) {
        bool any = false;
        for (int k = 0; k < e->places.count; k++)
            any |= e->places.at[k].sum == b && !node_is_zero(e->places.at[k].value);
        if (any) {
            sums[count] = begin(e, b);
            chosen[count++] = b;
        }
    }
    if (!count)
        return;
    Origin saved = graph_origin(ctx);
    graph_set_origin(ctx, (Origin){ .span = e->term->span });
    run_trips(e, count, chosen, sums);
    graph_set_origin(ctx, saved);
    for (int k = 0; k < count; k++) {
        bool beside = chosen[k] < all && e->beside;
        int64_t zero = 0, one = 1, size = beside ? e->patterns[chosen[k]].count : 0;
        e->values[chosen[k]] = beside ? node_slice(ctx, sums[k], &zero, &one, &size) : sums[k];
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */
static bool analyse(Elements *e)
{
    const Term *t = e->term;
    Node *value = t->value;
    e->trips = 1;
    for (int k = 0; k < t->depth; k++) {
        e->trips *= t->trips[k];
        if (e->trips > TRIPS_MOST)
            return false;
    }
    if (!find_reads(e, value) || e->width > ACTIVE_FEW) {
        value = written_out(e, value);
        if (!find_reads(e, value) || e->width > LOCAL_MOST)
            return false;
    }
    begin_local(e);
    if (e->reads.count * e->trips > ADDED_MOST)
        return false;
    find_local(e, value);
    return find_places(e) && is_worth_it(e) && follow_reads(e);
}

static int **rows_of(const Unknowns *xs, const Pattern *patterns, Arena *arena)
{
    int all = xs->count * xs->count, **rows = NEW_ARRAY(arena, int *, all + 1);
    for (int b = 0; b < all; b++) {
        int64_t size = xs->xs[b / xs->count]->type->count;
        rows[b] = NEW_ARRAY(arena, int, size + 2);
        for (int k = 0; b / xs->count <= b % xs->count && k < patterns[b].count; k++)
            rows[b][patterns[b].row[k] + 1]++;
        for (int64_t r = 0; r < size; r++)
            rows[b][r + 1] += rows[b][r];
    }
    return rows;
}

void sparse_analyse(Context *ctx, SparseTerms *found, const Unknowns *xs)
{
    found->elements = NEW_ARRAY(xs->arena, Elements, found->terms.count + 1);
    for (int k = 0; k < found->terms.count; k++) {
        Term *t = &found->terms.at[k];
        Elements *e = &found->elements[k];
        *e = (Elements){ .ctx = ctx, .xs = xs, .arena = xs->arena, .term = t };
        if (!found->sources.at[t->source].bad)
            found->sources.at[t->source].bad = !analyse(e);
    }
}

static Elements *good_elements(SparseTerms *found, int k)
{
    return found->sources.at[found->terms.at[k].source].bad ? NULL : &found->elements[k];
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */
typedef Vec(int64_t) Keys;                                  /* row * columns + column */

static int compare_keys(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* False: there are too many. */
static bool add_keys(const Elements *e, int block, int64_t columns, Keys *keys)
{
    for (int k = 0; k < e->places.count; k++) {
        const Place *place = &e->places.at[k];
        int a = read_of(e, place->p), b = read_of(e, place->q);
        bool twice = place->p != place->q && e->which[a] == e->which[b];
        for (int64_t trip = 0; place->sum == block && trip < e->trips; trip++) {
            const int64_t *from = &e->from[trip * e->reads.count];
            int64_t row = from[a] + place->p - e->first[a], column = from[b] + place->q - e->first[b];
            if (keys->count > ADDED_MOST)
                return false;
            vec_push(e->arena, keys, row * columns + column);
            if (twice)
                vec_push(e->arena, keys, column * columns + row);
        }
    }
    return true;
}

static bool pattern_of_keys(Context *ctx, Keys *keys, int64_t columns, Pattern *pattern)
{
    Vec(int32_t) row = { 0 }, column = { 0 };
    if (keys->count)
        qsort(keys->at, (size_t)keys->count, sizeof *keys->at, compare_keys);
    for (int k = 0; k < keys->count; k++) {
        if (k > 0 && keys->at[k] == keys->at[k - 1])
            continue;
        if (row.count == SPARSE_MOST)
            return false;
        vec_push(ctx->arena, &row, (int32_t)(keys->at[k] / columns));
        vec_push(ctx->arena, &column, (int32_t)(keys->at[k] % columns));
    }
    *pattern = (Pattern){ row.count, row.at, column.at };
    return true;
}

bool sparse_places(Context *ctx, SparseTerms *found, const Unknowns *xs, Pattern *patterns)
{
    for (int b = 0; b < xs->count * xs->count; b++) {
        int64_t columns = xs->xs[b % xs->count]->type->count;
        Keys keys = { 0 };
        for (int k = 0; k < found->terms.count; k++)
            if (good_elements(found, k) && !add_keys(good_elements(found, k), b, columns, &keys))
                return false;
        if (!pattern_of_keys(ctx, &keys, columns, &patterns[b]))
            return false;
    }
    return true;
}

static char **times_new(const Unknowns *xs, const Pattern *patterns)
{
    int all = xs->count * xs->count;
    char **times = NEW_ARRAY(xs->arena, char *, all + xs->count + 1);
    for (int b = 0; b < all + xs->count; b++) {
        bool block = b < all && b / xs->count <= b % xs->count;
        times[b] = NEW_ARRAY(xs->arena, char, b >= all ? xs->xs[b - all]->type->count : block ? patterns[b].count + 1 : 1);
    }
    return times;
}

void sparse_elements(SparseTerms *found, const Unknowns *xs, const Pattern *patterns, Node **values)
{
    int **rows = rows_of(xs, patterns, xs->arena);
    char **times = times_new(xs, patterns);
    for (int k = 0; k < found->terms.count; k++) {
        Elements *e = good_elements(found, k);
        if (!e)
            continue;
        e->patterns = patterns;
        e->rows = rows;
        e->values = values;
        follow_places(e);
        open_values(e);
        count_added(e, times);
    }
    for (int k = 0; k < found->terms.count; k++)            /* before any is added */
        if (good_elements(found, k))
            find_sole(good_elements(found, k), times);
    for (int k = 0; k < found->terms.count; k++)
        if (good_elements(found, k))
            add_values(good_elements(found, k));
}
