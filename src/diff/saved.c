/* saved.c: the smallest tape: a cut between what is there and what is read.
 *
 * A value is kept or computed again from its operands, down to what is free; costly values are not computed again.  So the
 * tape is a cut of a network in which a value has the capacity of its elements: costly values are the source's, what the
 * backward part reads is the sink's.  Of all smallest cuts it is the one next to the sink: nothing is computed again that
 * could be kept for the same price.
 * The flow is found by Dinic's algorithm ("Algorithm for solution of a problem of maximum flow in networks", 1970). */
#include "saved.h"

#include <string.h>

bool value_is_costly(const Node *n)
{
    switch (n->op) {
    case OP_einsum: case OP_result: case OP_sum:
        return true;
    case OP_relu: case OP_clamp: case OP_sign: case OP_abs: case OP_min: case OP_max: case OP_override: case OP_max_first:
        return false;
    default:
        if (op_info[n->op].class == CLASS_OTHER)
            return true;
        return op_info[n->op].class == CLASS_ELEMENTWISE && strchr(op_info[n->op].kernel, '(')
            && n->type->elem == ELEM_REAL;
    }
}

/* ---- the network: vertex 2k is where value k arrives, 2k + 1 where it leaves --------------------------------------- */
static const int64_t unbounded = INT64_MAX / 4;

typedef struct { int to, next; int64_t room; } Edge;        /* edge k ^ 1 is the way back */

typedef struct {
    Arena *scratch;
    int count, source, sink;
    int *first, *level, *at;
    Vec(Edge) edges;
    Vec(int) queue, path;
} Network;

static void add_edge(Network *w, int from, int to, int64_t room)
{
    vec_push(w->scratch, &w->edges, ((Edge){ to, w->first[from], room }));
    w->first[from] = w->edges.count - 1;
    vec_push(w->scratch, &w->edges, ((Edge){ from, w->first[to], 0 }));
    w->first[to] = w->edges.count - 1;
}

/* Distances from the source; is the sink among what is reached? */
static bool find_levels(Network *w)
{
    for (int k = 0; k < w->count; k++) {
        w->level[k] = -1;
        w->at[k] = w->first[k];
    }
    w->queue.count = 0;
    w->level[w->source] = 0;
    vec_push(w->scratch, &w->queue, w->source);
    for (int k = 0; k < w->queue.count; k++)
        for (int e = w->first[w->queue.at[k]]; e >= 0; e = w->edges.at[e].next)
            if (w->edges.at[e].room && w->level[w->edges.at[e].to] < 0) {
                w->level[w->edges.at[e].to] = w->level[w->queue.at[k]] + 1;
                vec_push(w->scratch, &w->queue, w->edges.at[e].to);
            }
    return w->level[w->sink] >= 0;
}

static int64_t push_along(Network *w)
{
    int64_t room = unbounded;
    for (int k = 0; k < w->path.count; k++)
        room = w->edges.at[w->path.at[k]].room < room ? w->edges.at[w->path.at[k]].room : room;
    for (int k = 0; k < w->path.count; k++) {
        w->edges.at[w->path.at[k]].room -= room;
        w->edges.at[w->path.at[k] ^ 1].room += room;
    }
    return room;
}

/* Pushes along shortest paths until there is none of this length. */
static int64_t push_level(Network *w)
{
    int64_t flow = 0;
    int v = w->source;
    w->path.count = 0;
    for (;;) {
        int e = w->at[v];
        while (v != w->sink && e >= 0 && !(w->edges.at[e].room && w->level[w->edges.at[e].to] == w->level[v] + 1))
            e = w->at[v] = w->edges.at[e].next;
        if (v == w->sink) {
            flow += push_along(w);
            if (flow >= unbounded)
                return flow;
            w->path.count = 0;
            v = w->source;
        } else if (e >= 0) {
            vec_push(w->scratch, &w->path, e);
            v = w->edges.at[e].to;
        } else if (w->path.count) {                         /* a dead end */
            int back = w->path.at[--w->path.count];
            v = w->edges.at[back ^ 1].to;
            w->at[v] = w->edges.at[back].next;
        } else {
            return flow;
        }
    }
}

/* level: 1 where the sink can still be reached from. */
static void mark_sink_side(Network *w)
{
    memset(w->level, 0, sizeof *w->level * (size_t)w->count);
    w->queue.count = 0;
    w->level[w->sink] = 1;
    vec_push(w->scratch, &w->queue, w->sink);
    for (int k = 0; k < w->queue.count; k++)
        for (int e = w->first[w->queue.at[k]]; e >= 0; e = w->edges.at[e].next) {
            int from = w->edges.at[e].to;
            if (w->edges.at[e ^ 1].room && !w->level[from]) {
                w->level[from] = 1;
                vec_push(w->scratch, &w->queue, from);
            }
        }
}

/* What is read can only be had by computing it again: its operands are read as well, and it is no part of the network.  The
 * chains of such values are long, and would make the paths long. */
static bool passes_on(const Value *v) { return v->kind == VALUE_CHEAP && v->unsavable; }

static bool *find_read(Arena *scratch, const NodeList *nodes, const Value *values)
{
    bool *read = NEW_ARRAY(scratch, bool, nodes->count + 1);
    for (int k = nodes->count - 1; k >= 0; k--) {
        read[k] |= values[k].needed;
        for (int i = 0; read[k] && passes_on(&values[k]) && i < nodes->at[k]->operand_count; i++) {
            int operand = node_place(nodes, nodes->at[k]->operands[i]);
            if (operand >= 0)
                read[operand] = true;
        }
    }
    return read;
}

/* Computed again whatever is saved. */
static bool is_there(const Value *v, bool read) { return v->kind == VALUE_FREE || (read && passes_on(v)); }

static void add_value(Network *w, const NodeList *nodes, const Value *values, const bool *read, int k)
{
    const Node *n = nodes->at[k];
    if (is_there(&values[k], read[k]))
        return;
    add_edge(w, 2 * k, 2 * k + 1, values[k].unsavable ? unbounded : values[k].size);
    if (values[k].kind == VALUE_COSTLY)
        add_edge(w, w->source, 2 * k, unbounded);
    if (read[k])
        add_edge(w, 2 * k + 1, w->sink, unbounded);
    for (int i = 0; values[k].kind == VALUE_CHEAP && i < n->operand_count; i++) {
        int operand = node_place(nodes, n->operands[i]);
        if (operand >= 0 && !is_there(&values[operand], read[operand]))
            add_edge(w, 2 * operand + 1, 2 * k, unbounded);
    }
}

/* One that is costly, needed, and nowhere on the way can be saved. */
static const Node *unsavable_one(const NodeList *nodes, const Value *values)
{
    for (int k = nodes->count - 1; k >= 0; k--)
        if (values[k].kind == VALUE_COSTLY && values[k].unsavable)
            return nodes->at[k];
    return nodes->at[0];
}

const Node *values_choose(Context *ctx, const NodeList *nodes, Value *values)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    int count = 2 * nodes->count + 2;
    int64_t flow = 0;
    Network w = { .scratch = ctx->scratch, .count = count, .source = count - 2, .sink = count - 1,
                  .first = NEW_ARRAY(ctx->scratch, int, count), .level = NEW_ARRAY(ctx->scratch, int, count),
                  .at = NEW_ARRAY(ctx->scratch, int, count) };
    for (int k = 0; k < count; k++)
        w.first[k] = -1;
    const bool *read = find_read(ctx->scratch, nodes, values);
    for (int k = 0; k < nodes->count; k++)
        add_value(&w, nodes, values, read, k);
    while (flow < unbounded && find_levels(&w))
        flow += push_level(&w);
    mark_sink_side(&w);
    for (int k = 0; k < nodes->count; k++)
        values[k].saved = values[k].kind != VALUE_FREE && !w.level[2 * k] && w.level[2 * k + 1];
    arena_release(ctx->scratch, mark);
    return flow >= unbounded ? unsavable_one(nodes, values) : NULL;
}
