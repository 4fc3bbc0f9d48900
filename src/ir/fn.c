/* fn.c: walks over a function's graph, and rewriting it.  The recursion is over bodies of regions alone. */
#include "graph.h"

#include <stdlib.h>

/* ---- the tape ---------------------------------------------------------------------------------------------------- */
int fn_input_count(const Fn *fn)
{
    int count = fn->params.count;
    while (count && fn->params.at[count - 1].on_tape)
        count--;
    return count;
}

int fn_output_count(const Fn *fn)
{
    int count = fn->results.count;
    while (count && fn->results.at[count - 1].on_tape)
        count--;
    return count;
}

int64_t fn_tape_elements(const Fn *fn)
{
    int64_t elements = 0;
    for (int k = fn_input_count(fn); k < fn->params.count; k++)
        elements += fn->params.at[k].node->type->count;
    for (int k = fn_output_count(fn); k < fn->results.count; k++)
        elements += fn->results.at[k].node->type->count;
    return elements;
}

/* ---- notes for --explain ------------------------------------------------------------------------------------------ */
void graph_note_kept(Context *ctx, const Node *n, int how, Span loop)
{
    vec_push(ctx->arena, &graph_of(ctx)->kept, ((KeepNote){ n, (Keep)how, loop }));
}

void graph_note_adjoint(Context *ctx, const AdjointRecord *r)
{
    vec_push(ctx->arena, &graph_of(ctx)->inner, *r);
}

void graph_take_notes(Context *ctx, Fn *fn)
{
    Graph *g = graph_of(ctx);
    for (int k = 0; k < g->inner.count; k++)
        vec_push(ctx->arena, &fn->inner, g->inner.at[k]);
    for (int k = 0; k < g->kept.count; k++)
        vec_push(ctx->arena, &fn->kept, g->kept.at[k]);
    g->inner.count = g->kept.count = 0;
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */
static int by_id(const void *a, const void *b)
{
    int x = (*(Node *const *)a)->id, y = (*(Node *const *)b)->id;
    return (x > y) - (x < y);
}

/* Ids that are close together are sorted by a table of them. */
static void sort_by_id(Context *ctx, NodeList *list)
{
    enum { SPARSE = 8 };
    int low = list->at[0]->id, high = low, count = 0;
    for (int k = 0; k < list->count; k++) {
        low = list->at[k]->id < low ? list->at[k]->id : low;
        high = list->at[k]->id > high ? list->at[k]->id : high;
    }
    if ((high - low) / SPARSE > list->count) {
        qsort(list->at, (size_t)list->count, sizeof *list->at, by_id);
        return;
    }
    ArenaMark mark = arena_mark(ctx->scratch);
    Node **table = NEW_ARRAY(ctx->scratch, Node *, high - low + 1);
    for (int k = 0; k < list->count; k++)
        table[list->at[k]->id - low] = list->at[k];
    for (int k = 0; k <= high - low; k++)
        if (table[k])
            list->at[count++] = table[k];
    arena_release(ctx->scratch, mark);
}

/* Depth first; false: there are more than `most`. */
static bool walk_few(Context *ctx, Node *const *roots, int count, int most, Arena *arena, NodeList *out)
{
    int walk = ++graph_of(ctx)->walks;
    NodeList stack = { 0 };
    bool sorted = true;
    for (int k = 0; k < count; k++)
        vec_push(arena, &stack, roots[k]);
    while (stack.count && out->count <= most) {
        Node *n = stack.at[--stack.count];
        if (n->seen == walk)
            continue;
        n->seen = walk;
        sorted &= out->count == 0 || out->at[out->count - 1]->id < n->id;
        vec_push(arena, out, n);
        for (int k = 0; k < n->operand_count; k++)
            if (n->operands[k]->seen != walk)
                vec_push(arena, &stack, n->operands[k]);
    }
    arena_drop(arena, stack.at, sizeof *stack.at * (size_t)stack.capacity);
    if (!sorted && out->count <= most)
        sort_by_id(ctx, out);
    return out->count <= most;
}

/* From the newest node down, in the order in which they are in memory. */
static void walk_many(Context *ctx, Node *const *roots, int count, Arena *arena, NodeList *out)
{
    const Graph *g = graph_of(ctx);
    enum { BITS = 64 };
    int words = g->nodes.count / BITS + 1;
    uint64_t *reached = NEW_ARRAY(arena, uint64_t, words);
    *out = (NodeList){ 0 };
    for (int k = 0; k < count; k++)
        reached[roots[k]->id / BITS] |= (uint64_t)1 << roots[k]->id % BITS;
    for (int w = words - 1; w >= 0; w--)
        for (int bit = BITS - 1; bit >= 0 && reached[w] << (BITS - 1 - bit); bit--) {
            if (!(reached[w] >> bit & 1))
                continue;
            const Node *n = g->nodes.at[w * BITS + bit];
            out->capacity++;
            for (int k = 0; k < n->operand_count; k++)
                reached[n->operands[k]->id / BITS] |= (uint64_t)1 << n->operands[k]->id % BITS;
        }
    out->at = NEW_ARRAY(arena, Node *, out->capacity);
    for (int w = 0; w < words; w++)
        for (int bit = 0; bit < BITS && reached[w] >> bit; bit++)
            if (reached[w] >> bit & 1)
                out->at[out->count++] = g->nodes.at[w * BITS + bit];
    arena_drop(arena, reached, sizeof *reached * (size_t)words);
}

void nodes_reaching(Context *ctx, Node *const *roots, int count, Arena *arena, NodeList *out)
{
    enum { FEW = 1 << 12 };
    if (!walk_few(ctx, roots, count, FEW, arena, out))
        walk_many(ctx, roots, count, arena, out);
}

bool fn_has(Context *ctx, const Fn *fn, bool (*is_one)(const Node *))
{
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList nodes = { 0 };
    bool found = false;
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; !found && k < nodes.count; k++)
        found = is_one(nodes.at[k]);
    arena_release(ctx->scratch, mark);
    return found;
}

static int search_place(const NodeList *nodes, const Node *n)
{
    int low = 0, high = nodes->count - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (nodes->at[middle]->id < n->id)
            low = middle + 1;
        else
            high = middle;
    }
    return low == high && nodes->at[low] == n ? low : -1;
}

int node_place(const NodeList *nodes, const Node *n)
{
    if (n->place >= nodes->count || nodes->at[n->place] != n) {
        int place = search_place(nodes, n);
        if (place < 0)
            return -1;
        ((Node *)(uintptr_t)n)->place = place;              /* until another list is asked */
    }
    return n->place;
}

void fn_nodes(Context *ctx, const Fn *fn, Arena *arena, NodeList *out)
{
    Node **roots = NEW_ARRAY(arena, Node *, fn->results.count);
    for (int k = 0; k < fn->results.count; k++)
        roots[k] = fn->results.at[k].node;
    nodes_reaching(ctx, roots, fn->results.count, arena, out);
}

/* The adjoints that survive the rewriting, for --explain and dot. */
void fn_rewrite_records(Context *ctx, const Fn *old, Fn *fn, NodeNow now, const void *user)
{
    fn->adjoints.at = NULL;
    fn->adjoints.count = fn->adjoints.capacity = 0;
    for (int k = 0; k < old->adjoints.count; k++) {
        const AdjointRecord *r = &old->adjoints.at[k];
        AdjointRecord kept = { .primal = now(user, r->primal), .adjoint = now(user, r->adjoint) };
        if (!kept.primal || !kept.adjoint)
            continue;
        for (int i = 0; i < r->terms.count; i++) {
            AdjointTerm t = r->terms.at[i];
            t.consumer = now(user, t.consumer);
            t.term = now(user, t.term);
            if (t.consumer && t.term)
                vec_push(ctx->arena, &kept.terms, t);
        }
        vec_push(ctx->arena, &fn->adjoints, kept);
    }
}

typedef struct {
    Context *ctx;
    NodeRewrite replace;
    RegionRewrite region;
    RegionBefore before;                                    /* NULL: nodes are in order of age */
    void *user;
    NodeList nodes;
    Node **new_of;                                          /* by place; NULL for regions */
    Map *values;                                            /* region -> its values */
    const Map *open;                                        /* of a body: what its params become; NULL: a function's stay */
    NodeSet *into;                                          /* what the nodes of a body belong to */
} Rewrite;

static Node *now(const void *user, const Node *n)
{
    const Rewrite *r = user;
    int place = node_place(&r->nodes, n);
    return place < 0 ? NULL : r->new_of[place];
}

static Node *rewritten(Rewrite *r, Node *n)
{
    Node **operands = NEW_ARRAY(r->ctx->scratch, Node *, n->operand_count), **values;
    if (n->op == OP_result)
        return ((Node **)map_get(r->values, n->operands[0]))[n->attr[0]];
    for (int i = 0; i < n->operand_count; i++)
        operands[i] = now(r, n->operands[i]);
    if (!node_is_region(n))
        return r->replace ? r->replace(r->ctx, n, operands, r->user) : node_replaced(r->ctx, n, operands);
    values = NEW_ARRAY(r->ctx->arena, Node *, region_result_count(n));
    r->region(r->ctx, n, operands, r->user, values);
    map_put(r->values, n, values);
    return NULL;
}

static void rewrite_place(Rewrite *r, int k)
{
    Node *n = r->nodes.at[k], *opened = r->open ? map_get(r->open, n) : NULL;
    graph_set_origin(r->ctx, n->origin);
    r->new_of[k] = opened ? opened : n->op == OP_param ? n : rewritten(r, n);
    if (r->into && r->new_of[k] == n && n->op != OP_param)
        map_put(r->into->members, n, n);
    if (n->origin.name && r->new_of[k])
        node_set_name(r->new_of[k], n->origin.name);
}

/* What comes before a node is done first.  Not recursive. */
static void rewrite_after(Rewrite *r, int k, bool *opened, bool *done)
{
    Arena *scratch = r->ctx->scratch;
    Vec(int) stack = { 0 };
    vec_push(scratch, &stack, k);
    while (stack.count) {
        int top = stack.at[stack.count - 1];
        const Node *n = r->nodes.at[top];
        if (opened[top] || done[top]) {
            stack.count--;
            if (!done[top])
                rewrite_place(r, top);
            done[top] = true;
            continue;
        }
        opened[top] = true;
        NodeList first = { 0 };
        if (node_is_region(n))
            r->before(n, r->user, &first);
        for (int i = 0; i < n->operand_count + first.count; i++) {
            int place = node_place(&r->nodes, i < n->operand_count ? n->operands[i] : first.at[i - n->operand_count]);
            if (!done[place])
                vec_push(scratch, &stack, place);
        }
    }
}

static void rewrite_all(Rewrite *r)
{
    bool *opened = NEW_ARRAY(r->ctx->scratch, bool, r->nodes.count + 1);
    bool *done = NEW_ARRAY(r->ctx->scratch, bool, r->nodes.count + 1);
    for (int k = 0; k < r->nodes.count; k++)
        if (r->before)
            rewrite_after(r, k, opened, done);
        else
            rewrite_place(r, k);
}

static Fn *rewrite(Rewrite *r, const Fn *old)
{
    Context *ctx = r->ctx;
    Fn *fn = arena_copy(ctx->arena, old, sizeof *old);
    Origin saved = graph_origin(ctx);
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, old, ctx->scratch, &r->nodes);
    r->new_of = NEW_ARRAY(ctx->scratch, Node *, r->nodes.count + 1);
    rewrite_all(r);
    graph_set_origin(ctx, saved);
    fn->results.at = arena_copy(ctx->arena, old->results.at, sizeof *old->results.at * (size_t)old->results.count);
    fn->results.capacity = fn->results.count;
    for (int k = 0; k < fn->results.count; k++)
        fn->results.at[k].node = now(r, old->results.at[k].node);
    fn_rewrite_records(ctx, old, fn, now, r);
    arena_release(ctx->scratch, mark);
    return fn;
}

Fn *fn_rewrite_ordered(Context *ctx, const Fn *old, NodeRewrite replace, RegionRewrite region, RegionBefore before, void *user)
{
    Rewrite r = { .ctx = ctx, .replace = replace, .region = region, .before = before, .user = user,
                  .values = map_new(ctx->arena) };
    return rewrite(&r, old);
}

Fn *fn_rewrite_regions(Context *ctx, const Fn *old, NodeRewrite replace, RegionRewrite region, void *user)
{
    return fn_rewrite_ordered(ctx, old, replace, region, NULL, user);
}

/* The user's rewriting, applied to bodies as they are opened: so each is opened once, however deep it is. */
typedef struct { NodeRewrite replace; RegionEntry enter; void *user; } Everywhere;

static Node *replace_everywhere(Context *ctx, const Node *n, Node *const *operands, void *user)
{
    const Everywhere *e = user;
    return e->replace(ctx, n, operands, e->user);
}

static void rewrite_region(Context *, const Node *, Node *const *operands, void *user, Node **values);

static void rewrite_body(Context *ctx, Node **roots, int count, const Map *open, NodeSet *into, void *user)
{
    Rewrite r = { .ctx = ctx, .replace = replace_everywhere, .region = rewrite_region, .user = user,
                  .values = map_new(ctx->arena), .open = open, .into = into };
    Origin saved = graph_origin(ctx);
    NodeSet *before = graph_record(ctx, into);
    ArenaMark mark = arena_mark(ctx->scratch);
    nodes_reaching(ctx, roots, count, ctx->scratch, &r.nodes);
    r.new_of = NEW_ARRAY(ctx->scratch, Node *, r.nodes.count + 1);
    rewrite_all(&r);
    for (int k = 0; k < count; k++)
        roots[k] = now(&r, roots[k]);
    arena_release(ctx->scratch, mark);
    graph_record(ctx, before);
    graph_set_origin(ctx, saved);
}

static void rewrite_region(Context *ctx, const Node *n, Node *const *operands, void *user, Node **values)
{
    const Everywhere *e = user;
    if (e->enter)
        e->enter(ctx, n, operands, e->user);
    region_rewrite(ctx, n, operands, rewrite_body, user, values);
}

Fn *fn_rewrite_entering(Context *ctx, const Fn *old, NodeRewrite replace, RegionEntry enter, void *user)
{
    Everywhere e = { replace, enter, user };
    return fn_rewrite_regions(ctx, old, replace_everywhere, rewrite_region, &e);
}

Fn *fn_rewrite(Context *ctx, const Fn *old, NodeRewrite replace, void *user)
{
    return fn_rewrite_entering(ctx, old, replace, NULL, user);
}

/* ---- applying ---------------------------------------------------------------------------------------------------- */
bool fn_is_pointwise(Context *ctx, const Fn *fn)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList nodes = { 0 };
    bool pointwise = true;
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        bool leaf = n->op == OP_param || n->op == OP_constant;
        pointwise &= n->type->rank == 0 && (leaf || node_is_pointwise(n));
    }
    arena_release(ctx->scratch, mark);
    return pointwise;
}

typedef struct { Context *ctx; Node **new_of; Node ***values; } Application;    /* by id; values: of regions */

static Node *apply_node(Application *a, Node *n)
{
    Context *ctx = a->ctx;
    Node **operands = NEW_ARRAY(ctx->scratch, Node *, n->operand_count + 1);
    if (n->op == OP_result)
        return a->values[n->operands[0]->id][n->attr[0]];
    for (int k = 0; k < n->operand_count; k++)
        operands[k] = a->new_of[n->operands[k]->id];
    if (node_is_region(n)) {
        a->values[n->id] = NEW_ARRAY(ctx->scratch, Node *, region_result_count(n));
        region_again(ctx, n, n->body, operands, NULL, a->values[n->id]);
        return NULL;
    }
    return n->op == OP_bind ? node_bind(ctx, operands[0], n->origin.name) : node_replaced(ctx, n, operands);
}

void fn_apply(Context *ctx, const Fn *fn, Node *const *arguments, Node **results)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList nodes = { 0 };
    int count = graph_node_count(ctx);
    Application a = { ctx, NEW_ARRAY(ctx->scratch, Node *, count), NEW_ARRAY(ctx->scratch, Node **, count) };
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; k < fn->params.count; k++)
        a.new_of[fn->params.at[k].node->id] = arguments[k];
    for (int k = 0; k < nodes.count; k++)
        if (nodes.at[k]->op != OP_param)
            a.new_of[nodes.at[k]->id] = apply_node(&a, nodes.at[k]);
    for (int k = 0; k < fn->results.count; k++)
        results[k] = a.new_of[fn->results.at[k].node->id];
    arena_release(ctx->scratch, mark);
}

/* ---- stripping --------------------------------------------------------------------------------------------------- */
static Node *strip(Context *ctx, const Node *n, Node *const *operands, void *user)
{
    (void)user;
    bool vanishes = n->op == OP_bind || n->op == OP_stop_gradient || n->op == OP_neutral || n->op == OP_override
        || node_is_ruled(n);
    return vanishes ? operands[0] : node_rebuild(ctx, n, operands);
}

Fn *fn_strip_binds(Context *ctx, const Fn *fn)
{
    return fn_rewrite(ctx, fn, strip, NULL);
}
