/* trips.c: the sparse Jacobian of a map, trip by trip.
 *
 * Where y stacks what each trip of a loop makes of a few slices of x, the derivatives of one trip by its slices are all
 * that there is, as in multiple shooting or a residual per sample.  They are computed within the loop, only at the
 * places that are not zero in some trip, and are the values of the sparse form in its order, or nearly.  No table says
 * which direction belongs to which element, and in straight lines nothing is computed for a zero. */
#include "region.h"
#include "sparsity.h"

enum {
    LOCAL_MOST = 1000 * 1000, TRIPS_MOST = 100 * 1000,      /* places within a trip; trips */
    SMALL = 64,                                             /* places of a read that are formulas of their own */
    DENSE = 2,                                              /* so many times the places that are wanted are computed */
    VALUES_MOST = 256                                       /* of a trip that are values of their own and not parts of arrays */
};

typedef struct {
    Context *ctx;
    Body body;
    Node *row;                                              /* what a trip leaves */
    int64_t *offset;                                        /* capture -> where it begins in x; -1: it is no part of x */
    NodeList reads, params;                                 /* slices that are read, and what stands for them */
    int64_t trips, width;                                   /* width: elements of all slices that a trip reads */
    int64_t *from;                                          /* trip, read -> first element in x */
    Arena *arena;
} Trips;

static bool depends_on(Context *ctx, Node *n, const Node *x)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList nodes = { 0 };
    bool found = false;
    nodes_reaching(ctx, &n, 1, ctx->scratch, &nodes);
    for (int k = 0; !found && k < nodes.count; k++)
        found = nodes.at[k] == x;
    arena_release(ctx->scratch, mark);
    return found;
}

/* Where n begins in x, when it is a part of x in one piece; else -1. */
int64_t sparse_offset(const Node *n, const Node *x)
{
    int64_t offset = 0;
    for (; n != x; n = n->operands[0]) {
        if (n->op != OP_bind && n->op != OP_reshape && n->op != OP_slice)
            return -1;
        const Type *whole = n->operands[0]->type;
        int64_t rest = whole->count;
        for (int k = 0; n->op == OP_slice && k < whole->rank; k++) {
            bool all = type_size(n->type, k) == type_size(whole, k), in_turn = n->attr[whole->rank + k] == 1;
            rest /= type_size(whole, k);
            offset += rest * n->attr[k];
            if (!in_turn || (k > 0 && !all))
                return -1;
        }
    }
    return offset;
}

/* False: something that is captured depends on x without being a part of it. */
static bool find_parts(Trips *t, const Node *x)
{
    bool any = false;
    t->offset = NEW_ARRAY(t->arena, int64_t, t->body.captures + 1);
    for (int k = 0; k < t->body.captures; k++) {
        Node *outer = t->body.region->operands[capture_operand(&t->body, k)];
        t->offset[k] = sparse_offset(outer, x);
        any |= t->offset[k] >= 0;
        if (t->offset[k] < 0 && depends_on(t->ctx, outer, x))
            return false;
    }
    return any;
}

static int part_of(const Trips *t, const Node *n)
{
    for (int k = 0; k < t->body.captures; k++)
        if (t->offset[k] >= 0 && t->body.capture[k] == n)
            return k;
    return -1;
}

static bool is_read(const Trips *t, const Node *n, const bool *whole)
{
    int part = n->op == OP_index ? part_of(t, n->operands[0]) : part_of(t, n);
    return part >= 0 && whole[part] == (n->op == OP_param);
}

/* By scalar leading indices; a part that is read in any other way is read as a whole. */
static bool find_reads(Trips *t)
{
    NodeList nodes = { 0 };
    bool *whole = NEW_ARRAY(t->arena, bool, t->body.captures + 1);
    nodes_reaching(t->ctx, &t->row, 1, t->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        bool by_scalars = n->op == OP_index;
        for (int i = 1; i < n->operand_count; i++)
            by_scalars &= node_is_scalar(n->operands[i]);
        for (int i = 0; i < n->operand_count; i++) {
            int part = part_of(t, n->operands[i]);
            if (part >= 0)
                whole[part] |= i > 0 || !by_scalars;
        }
    }
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        if (n == t->row && n->op == OP_param)
            return false;
        if (!is_read(t, n, whole))
            continue;
        vec_push(t->arena, &t->reads, n);
        vec_push(t->arena, &t->params, node_param(t->ctx, n->origin.name, n->type, n->origin.span));
        t->width += n->type->count;
    }
    return t->reads.count > 0;
}

/* With no more than twice the directions that colours need, or with so few places that zeros are seen one by one. */
static bool is_worth_it(const Trips *t, int colors)
{
    const int64_t rows = t->row->type->count;
    int64_t directions = 0;
    bool small = true;
    for (int k = 0; k < t->reads.count; k++) {
        int64_t size = t->reads.at[k]->type->count;
        directions += size < rows ? size : rows;
        small &= rows * size <= SMALL;
    }
    return small || directions <= 2 * (int64_t)colors;
}

/* Where each read begins in each trip; false: that is only known when it runs. */
static bool follow_reads(Trips *t)
{
    Fn fn = { .name = str_intern(t->ctx, "places") };
    NodeList nodes = { 0 };
    vec_push(t->arena, &fn.params, ((Param){ .name = fn.name, .node = t->body.index }));
    for (int k = 0; k < t->reads.count; k++)
        for (int i = 1; i < t->reads.at[k]->operand_count; i++)
            vec_push(t->arena, &fn.results, ((Result){ .name = fn.name, .node = t->reads.at[k]->operands[i] }));
    fn_nodes(t->ctx, &fn, t->arena, &nodes);
    for (int k = 0; k < nodes.count; k++)
        if (nodes.at[k]->op == OP_param && nodes.at[k] != t->body.index)
            return false;
    t->from = NEW_ARRAY(t->arena, int64_t, t->trips * t->reads.count + 1);
    for (int64_t trip = 0; trip < t->trips; trip++) {
        double number = (double)trip;
        Tensor index = { t->body.index->type, &number };
        ArenaMark mark = arena_mark(t->ctx->scratch);
        const Tensor *at = fn_eval(t->ctx, &fn, &index, t->ctx->scratch);
        int64_t *from = &t->from[trip * t->reads.count];
        bool good = true;
        for (int k = 0; k < t->reads.count; k++) {
            const Node *read = t->reads.at[k], *part = read->op == OP_index ? read->operands[0] : read;
            int64_t rest = part->type->count;
            from[k] = t->offset[part_of(t, part)];
            for (int i = 1; i < read->operand_count; i++, at++) {
                good &= at->data[0] >= 0 && at->data[0] < (double)type_size(part->type, i - 1);
                rest /= type_size(part->type, i - 1);
                from[k] += rest * (int64_t)at->data[0];
            }
        }
        arena_release(t->ctx->scratch, mark);
        if (!good)
            return false;
    }
    return true;
}

/* The read that has this element of x in this trip; -1: none, or several. */
static int read_of(const Trips *t, int64_t trip, int64_t element)
{
    int found = -1;
    for (int k = 0; k < t->reads.count; k++) {
        int64_t from = t->from[trip * t->reads.count + k];
        if (element < from || element >= from + t->reads.at[k]->type->count)
            continue;
        if (found >= 0)
            return -1;
        found = k;
    }
    return found;
}

/* Places (element of the row, read, element of that) that are not zero in some trip, as flat places behind one another
 * read by read; and which of them an entry of the pattern is.  False: some entry is none of them. */
static bool find_places(Trips *t, const Pattern *p, int *places, int *count, int *entry)
{
    const int rows = (int)t->row->type->count;
    int *known = NEW_ARRAY(t->arena, int, rows * t->width + 1), *before = NEW_ARRAY(t->arena, int, t->reads.count + 1);
    for (int k = 0; k < t->reads.count; k++)
        before[k + 1] = before[k] + rows * (int)t->reads.at[k]->type->count;
    for (int k = 0; k < p->count; k++) {
        int trip = p->row[k] / rows, row = p->row[k] % rows;
        int read = read_of(t, trip, p->column[k]);
        if (read < 0)
            return false;
        int element = p->column[k] - (int)t->from[(int64_t)trip * t->reads.count + read];
        int place = before[read] + row * (int)t->reads.at[read]->type->count + element;
        if (!known[place]) {
            places[*count] = place;
            known[place] = ++*count;
        }
        entry[k] = known[place] - 1;
    }
    return true;
}

Node *sparse_table(Context *ctx, int count, const int *values)
{
    int64_t size = count;
    double *data = NEW_ARRAY(ctx->arena, double, count + 1);
    for (int k = 0; k < count; k++)
        data[k] = values[k];
    return node_constant(ctx, type_sized(ctx, ELEM_INT, 1, &size), data);
}

/* x[places], flat; x itself where these are all of it in order. */
Node *sparse_picked(Context *ctx, Node *x, int count, const int *places)
{
    int64_t size = x->type->count;
    bool all = count == size;
    for (int k = 0; all && k < count; k++)
        all = places[k] == k;
    Node *flat = node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, 1, &size)), *list = sparse_table(ctx, count, places);
    return all ? flat : node_index(ctx, flat, 1, &list);
}

/* The derivatives of the row by each read, each flat: from the sweep with fewer directions. */
static void row_derivatives(Trips *t, Node *row, Node **parts)
{
    Context *ctx = t->ctx;
    int count = t->reads.count, wide = 0;
    Node **some = NEW_ARRAY(t->arena, Node *, count + 1);
    int *of = NEW_ARRAY(t->arena, int, count + 1);
    for (int k = 0; k < count; k++)
        if (t->params.at[k]->type->count <= row->type->count)
            jacobian_columns(ctx, 1, &row, t->params.at[k], &parts[k]);
        else
            some[wide] = t->params.at[k], of[wide++] = k;
    if (wide) {
        Node **rows = NEW_ARRAY(t->arena, Node *, wide + 1);
        jacobian_rows(ctx, row, wide, some, rows);
        for (int k = 0; k < wide; k++)
            parts[of[k]] = rows[k];
    }
    for (int k = 0; k < count; k++) {
        int64_t size = row->type->count * t->params.at[k]->type->count;
        const Type *flat = type_sized(ctx, ELEM_REAL, 1, &size);
        parts[k] = parts[k] ? node_reshape(ctx, parts[k], flat) : node_fill(ctx, flat, 0);
    }
}

/* The places of the parts, one behind the other: a few as values of their own. */
static Node *put_together(Trips *t, Node **parts, int count, const int *places)
{
    Context *ctx = t->ctx;
    Node **values = NEW_ARRAY(t->arena, Node *, count + 1);
    int64_t one = 1;
    if (count > VALUES_MOST)
        return sparse_picked(ctx, t->reads.count == 1 ? parts[0] : node_concat(ctx, t->reads.count, parts, 0), count, places);
    for (int k = 0; k < count; k++) {
        int64_t place = places[k];
        int part = 0;
        while (place >= parts[part]->type->count)
            place -= parts[part++]->type->count;
        values[k] = node_reshape(ctx, node_slice(ctx, parts[part], &place, &one, &one), type_scalar(ctx, ELEM_REAL));
    }
    return node_stack(ctx, count, values);
}

/* real[trips, count]: the derivatives at the places, of all trips. */
static Node *run_trips(Trips *t, const int *places, int count)
{
    Context *ctx = t->ctx;
    Map *replaced = map_new(t->arena), *back = map_new(t->arena);
    Node *row = t->row, *values;
    for (int k = 0; k < t->reads.count; k++)
        map_put(replaced, t->reads.at[k], t->params.at[k]);
    graph_substitute(ctx, &row, 1, replaced, NULL, NULL);
    Node **parts = NEW_ARRAY(t->arena, Node *, t->reads.count + 1);
    row_derivatives(t, row, parts);
    Node *made = put_together(t, parts, count, places);
    Node **reads = arena_copy(t->arena, t->reads.at, sizeof *reads * (size_t)t->reads.count);
    body_open(&t->body, reads, t->reads.count, NULL);
    for (int k = 0; k < t->reads.count; k++)
        map_put(back, t->params.at[k], reads[k]);
    body_open(&t->body, &made, 1, back);
    body_loop(&t->body, 0, NULL, NULL, 1, &made, NULL, &values);
    return values;
}

/* NULL: it is no such map, or has no such places. */
static Node *values_of(Trips *t, const Node *x, const Pattern *p, int colors)
{
    int count = 0;
    int *places = NEW_ARRAY(t->arena, int, p->count + 1), *entry = NEW_ARRAY(t->arena, int, p->count + 1);
    if (!find_parts(t, x) || !find_reads(t) || t->row->type->count * t->width > LOCAL_MOST || !is_worth_it(t, colors)
        || !follow_reads(t) || !find_places(t, p, places, &count, entry) || count * t->trips > DENSE * (int64_t)p->count)
        return NULL;
    Node *all = run_trips(t, places, count);
    for (int k = 0; k < p->count; k++)
        entry[k] += p->row[k] / (int)t->row->type->count * count;
    return sparse_picked(t->ctx, all, p->count, entry);
}

static Node *without_views(Node *n)
{
    while (n->op == OP_bind || n->op == OP_reshape)
        n = n->operands[0];
    return n;
}

bool sparse_is_map(Node *y)
{
    const Node *result = without_views(y), *loop = result->op == OP_result ? result->operands[0] : NULL;
    double trips;
    return loop && loop->op == OP_loop && loop->attr[1] == 0 && node_is_fill(loop->operands[0], &trips)
        && trips == (double)loop->attr[0] && loop->attr[0] <= TRIPS_MOST && y->type->elem == ELEM_REAL;
}

Node *sparse_trips(Context *ctx, Node *y, const Node *x, const Pattern *p, int colors)
{
    if (!sparse_is_map(y) || p->count == 0)
        return NULL;
    Node *result = without_views(y);
    Arena *arena = arena_new();
    Trips t = { .ctx = ctx, .body = body_of(ctx, result->operands[0], 0), .trips = result->operands[0]->attr[0], .arena = arena };
    t.row = t.body.values[0][result->attr[0]];
    Node *values = values_of(&t, x, p, colors);
    body_end(&t.body);
    arena_free(arena);
    return values;
}
