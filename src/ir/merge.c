/* merge.c: loops over the same index become one loop, branches on the same condition one branch, and values of regions that
 * nobody reads go.  With -O0 only the last.
 *
 * Differentiation makes a loop again with more stacks or carries, over the same index param; the original, the one with
 * the tape and, where nothing is carried backwards, the adjoint loop meet here.  Loops are merged within one level, which
 * is how many regions stand one behind the other before it: so merging can make no circle. */
#include "graph.h"

#include <string.h>

typedef struct Group {                                      /* loops or branches that become one */
    Vec(Node *) members;
    bool done;
} Group;
typedef Vec(Group *) GroupList;

typedef struct {
    Context *ctx;
    BodyWalk walk;
    bool *needed;                                           /* by place */
    bool *seeded;                                           /* by place: depends on a seed of a split */
    Map *keep;                                              /* region -> bool per value */
    Map *groups;                                            /* region -> Group */
    Map *new_of, *values;                                   /* node -> node, region -> its values */
    Arena *arena;
} Tidy;

static bool is_loop(const Node *n) { return n->op == OP_loop || n->op == OP_while_loop; }

/* ---- demand ------------------------------------------------------------------------------------------------------ */
static bool *keep_of(Tidy *t, const Node *region)
{
    bool *keep = map_get(t->keep, region);
    if (!keep)
        map_put(t->keep, region, keep = NEW_ARRAY(t->ctx->arena, bool, region_result_count(region) + 1));
    return keep;
}

static void operands_read(Tidy *t, const Node *region, bool *keep, bool *reads);

/* Known for all regions of these bodies: else each level of nested ones would be walked for every level around it. */
typedef struct Reads {
    const Fn *no;
    Op op;
    int64_t carries, value;
    bool *operands;
    struct Reads *next;
} Reads;

/* What one value of a region in a body reads of its operands. */
static const bool *read_for(Tidy *t, const Node *result)
{
    enum { PRECISE = 32 };                                  /* values of a region; of larger ones all is read */
    Graph *g = graph_of(t->ctx);
    const Node *region = result->operands[0];
    int values = region_result_count(region);
    int64_t carries = region->op == OP_branch ? 0 : region->attr[1], value = values > PRECISE ? 0 : result->attr[0];
    if (!g->reads)
        g->reads = map_new(t->ctx->arena);
    Reads *known = map_get(g->reads, region->body[0]);
    for (const Reads *r = known; r; r = r->next)
        if (r->no == region->body[1] && r->op == region->op && r->carries == carries && r->value == value)
            return r->operands;
    Reads *made = NEW(t->ctx->arena, Reads);
    bool *reads = NEW_ARRAY(t->ctx->arena, bool, region->operand_count + 1), *keep = NEW_ARRAY(t->arena, bool, values + 1);
    for (int k = 0; k < values; k++)
        keep[k] = values > PRECISE || k == result->attr[0];
    operands_read(t, region, keep, reads);
    *made = (Reads){ region->body[1], region->op, carries, value, reads, map_get(g->reads, region->body[0]) };
    map_put(g->reads, region->body[0], made);
    return reads;
}

/* All that the kept values of a region are computed from, in its body. */
static Map *walk_kept(Tidy *t, const Node *region, const bool *keep)
{
    Map *seen = map_new(t->arena);
    NodeList stack = { 0 };
    int first = region->op == OP_while_loop;
    for (int b = 0; b < 2 && region->body[b]; b++)
        for (int k = 0; k < region->body[b]->results.count; k++)
            if (k < first || keep[k - first])
                vec_push(t->arena, &stack, region->body[b]->results.at[k].node);
    while (stack.count) {
        Node *n = stack.at[--stack.count];
        if (map_get(seen, n))
            continue;
        map_put(seen, n, n);
        const Node *reader = n->op == OP_result ? n->operands[0] : n;
        const bool *reads = n->op == OP_result ? read_for(t, n) : NULL;
        for (int i = 0; i < reader->operand_count; i++)
            if (!reads || reads[i])
                vec_push(t->arena, &stack, reader->operands[i]);
    }
    return seen;
}

/* Of the operands those that the kept values need; carries that these read are kept as well. */
static void operands_read(Tidy *t, const Node *region, bool *keep, bool *reads)
{
    bool grows = true;
    int own = region_own_count(region), leading = region_leading_count(region);
    Map *seen = NULL;
    while (grows) {
        grows = false;
        seen = walk_kept(t, region, keep);
        for (int k = 1; k < own; k++)
            if (!keep[k - 1] && map_get(seen, region->body[0]->params.at[k].node))
                keep[k - 1] = grows = true;
    }
    for (int k = 0; k < region->operand_count; k++) {
        int carry = k - leading + (own - 1);                /* of the init at k */
        reads[k] = own && k < leading && carry >= 0 ? keep[carry] : k < leading;
        for (int b = 0; k >= leading && b < 2 && region->body[b]; b++)
            reads[k] |= map_get(seen, region->body[b]->params.at[own + k - leading].node) != NULL;
    }
}

static void demand_operands(Tidy *t, const Node *region)
{
    bool *reads = NEW_ARRAY(t->ctx->scratch, bool, region->operand_count + 1);
    operands_read(t, region, keep_of(t, region), reads);
    for (int k = 0; k < region->operand_count; k++)
        if (reads[k])
            t->needed[walk_place(&t->walk, region->operands[k])] = true;
}

static void find_demand(Tidy *t, Node *const *roots, int count)
{
    ArenaMark mark;
    t->needed = NEW_ARRAY(t->ctx->arena, bool, t->walk.nodes.count + 1);
    for (int k = 0; k < count; k++)
        t->needed[walk_place(&t->walk, roots[k])] = true;
    for (int k = t->walk.nodes.count - 1; k >= 0; k--) {
        Node *n = t->walk.nodes.at[k];
        if (!t->needed[k])
            continue;
        if (n->op == OP_result)
            keep_of(t, n->operands[0])[n->attr[0]] = true;
        mark = arena_mark(t->ctx->scratch);
        if (node_is_region(n))
            demand_operands(t, n);
        for (int i = 0; !node_is_region(n) && i < n->operand_count; i++)
            t->needed[walk_place(&t->walk, n->operands[i])] = true;
        arena_release(t->ctx->scratch, mark);
    }
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */
static int *find_levels(Tidy *t)
{
    int *levels = NEW_ARRAY(t->ctx->scratch, int, t->walk.nodes.count + 1);
    for (int k = 0; k < t->walk.nodes.count; k++) {
        Node *n = t->walk.nodes.at[k];
        for (int i = 0; i < n->operand_count; i++) {
            int below = levels[walk_place(&t->walk, n->operands[i])];
            levels[k] = below > levels[k] ? below : levels[k];
        }
        levels[k] += n->op == OP_result;
    }
    return levels;
}

static const Node *index_of(const Node *loop) { return loop->body[0]->params.at[0].node; }

/* The same iteration, and no carry that is there already starts elsewhere. */
static bool fits(const Node *a, const Node *b)
{
    int leading = a->op == OP_loop;
    if (a->op == OP_branch || b->op == OP_branch)
        return a->op == b->op && a->operands[0] == b->operands[0];
    if (a->op != b->op || a->attr[0] != b->attr[0] || index_of(a) != index_of(b)
        || (leading && a->operands[0] != b->operands[0]))
        return false;
    for (int i = 0; i < a->attr[1]; i++)
        for (int k = 0; k < b->attr[1]; k++)
            if (a->body[0]->params.at[1 + i].node == b->body[0]->params.at[1 + k].node
                && a->operands[leading + i] != b->operands[leading + k])
                return false;
    return true;
}

static bool is_seeded(const Tidy *t, const Node *n) { return t->seeded[walk_place(&t->walk, n)]; }

static bool joins(const Tidy *t, const Group *g, const Node *loop)
{
    for (int k = 0; k < g->members.count; k++)
        if (!fits(g->members.at[k], loop) || is_seeded(t, g->members.at[k]) != is_seeded(t, loop))
            return false;
    return true;
}

/* What is in the second function of a split does not meet what is in the first. */
static void find_seeded(Tidy *t, const Fn *fn)
{
    t->seeded = NEW_ARRAY(t->ctx->scratch, bool, t->walk.nodes.count + 1);
    for (int k = 0; k < fn->params.count; k++) {
        int place = fn->params.at[k].is_seed ? walk_place(&t->walk, fn->params.at[k].node) : -1;
        if (place >= 0)
            t->seeded[place] = true;
    }
    for (int k = 0; k < t->walk.nodes.count; k++)
        for (int i = 0; i < t->walk.nodes.at[k]->operand_count; i++)
            t->seeded[k] |= is_seeded(t, t->walk.nodes.at[k]->operands[i]);
}

typedef struct { const void *index; int level; GroupList groups; } Meeting;

static void find_groups(Tidy *t)
{
    Context *ctx = t->ctx;
    const int *levels = find_levels(t);
    Map *meetings = map_new(ctx->scratch);                  /* index or condition -> the groups over it, by level */
    for (int k = 0; k < t->walk.nodes.count; k++) {
        Node *n = t->walk.nodes.at[k];
        Group *g = NULL;
        if (!node_is_region(n) || !t->needed[k])
            continue;
        const Node *over = is_loop(n) ? index_of(n) : n->operands[0];
        Meeting *m = map_get(meetings, over);
        if (!m || m->level != levels[k]) {
            m = NEW(ctx->scratch, Meeting);
            m->level = levels[k];
            map_put(meetings, over, m);
        }
        for (int i = 0; !g && i < m->groups.count && ctx->options.level > 0; i++)
            g = joins(t, m->groups.at[i], n) ? m->groups.at[i] : NULL;
        if (!g) {
            g = NEW(ctx->arena, Group);
            vec_push(ctx->scratch, &m->groups, g);
        }
        vec_push(ctx->arena, &g->members, n);
        map_put(t->groups, n, g);
    }
}

/* ---- one loop out of several ------------------------------------------------------------------------------------- */
typedef Vec(Node *) Nodes;
typedef struct { Nodes inits, carries, nexts, stacks; Node *condition; } Parts;

static int place_in(const Nodes *list, const Node *n)
{
    int k = 0;
    while (k < list->count && list->at[k] != n)
        k++;
    return k;
}

static Node **operands_now(const Tidy *t, const Node *n)
{
    Node **operands = NEW_ARRAY(t->ctx->arena, Node *, n->operand_count);
    for (int k = 0; k < n->operand_count; k++)
        operands[k] = map_get(t->new_of, n->operands[k]);
    return operands;
}

/* The carries that some member keeps. */
static Map *carried_in(Tidy *t, Group *g)
{
    Map *carried = map_new(t->ctx->arena);
    for (int m = 0; m < g->members.count; m++) {
        const Node *n = g->members.at[m];
        for (int k = 1; k < region_own_count(n); k++)
            if (keep_of(t, n)[k - 1])
                map_put(carried, n->body[0]->params.at[k].node, g);
    }
    return carried;
}

/* The member's kept values over the new operands; the others are NULL. */
static Node **open_member(Tidy *t, const Node *n, Node *const *operands, const Map *carried, NodeSet *set)
{
    Context *ctx = t->ctx;
    const Fn *body = n->body[0];
    int own = region_own_count(n), leading = region_leading_count(n), first = n->op == OP_while_loop, count = 0;
    const bool *keep = keep_of(t, n);
    Map *open = map_new(ctx->arena);
    Node **roots = NEW_ARRAY(ctx->arena, Node *, body->results.count + 1);
    int *place = NEW_ARRAY(ctx->arena, int, body->results.count + 1);
    Node **values = NEW_ARRAY(ctx->arena, Node *, body->results.count + 1);
    for (int k = 1; k < own; k++)
        if (!map_get(carried, body->params.at[k].node))
            region_leave_out(ctx, open, body->params.at[k].node);
    for (int k = own; k < body->params.count; k++)
        if (operands[leading + k - own])
            map_put(open, body->params.at[k].node, operands[leading + k - own]);
        else
            region_leave_out(ctx, open, body->params.at[k].node);
    for (int k = 0; k < body->results.count; k++)
        if (k < first || keep[k - first]) {
            place[count] = k;
            roots[count++] = body->results.at[k].node;
        }
    graph_substitute(ctx, roots, count, open, NULL, set);
    for (int k = 0; k < count; k++)
        values[place[k]] = roots[k];
    return values;
}

/* False when the member has a carry of the same name that goes on differently. */
static bool add_member(Tidy *t, Parts *p, const Node *n, Node *const *operands, Node *const *values)
{
    Context *ctx = t->ctx;
    int first = n->op == OP_while_loop, leading = n->op == OP_loop, carries = (int)n->attr[1];
    Node *const *results = values + first;
    if (first && p->condition && p->condition != values[0])
        return false;
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < carries; k++) {
            Node *carry = n->body[0]->params.at[1 + k].node;
            int at = results[k] ? place_in(&p->carries, carry) : -1;
            if (at < 0)
                continue;
            if (at < p->carries.count && (p->nexts.at[at] != results[k] || p->inits.at[at] != operands[leading + k]))
                return false;
            if (pass == 0 || at < p->carries.count)
                continue;
            vec_push(ctx->arena, &p->inits, operands[leading + k]);
            vec_push(ctx->arena, &p->carries, carry);
            vec_push(ctx->arena, &p->nexts, results[k]);
        }
    p->condition = first ? values[0] : NULL;
    for (int k = carries; k < n->body[0]->results.count - first; k++)
        if (results[k] && place_in(&p->stacks, results[k]) == p->stacks.count)
            vec_push(ctx->arena, &p->stacks, results[k]);
    return true;
}

/* The members in `taken` become one loop. */
static void build_group(Tidy *t, const Parts *p, const NodeSet *set, const Nodes *taken, Node *const *const *opened)
{
    Context *ctx = t->ctx;
    const Node *model = taken->at[0];
    Nodes results = { 0 };
    int64_t checkpoint = 0;
    for (int k = 0; k < p->nexts.count + p->stacks.count; k++)
        vec_push(ctx->arena, &results, k < p->nexts.count ? p->nexts.at[k] : p->stacks.at[k - p->nexts.count]);
    for (int k = 0; k < taken->count; k++)
        checkpoint = taken->at[k]->attr[2] > checkpoint ? taken->at[k]->attr[2] : checkpoint;
    Node **made = NEW_ARRAY(ctx->arena, Node *, results.count + 1);
    LoopParts parts = { .trips = p->condition ? NULL : map_get(t->new_of, model->operands[0]), .condition = p->condition,
                        .max_trips = model->attr[0], .checkpoint = checkpoint,
                        .index = model->body[0]->params.at[0].node, .carry_count = p->carries.count,
                        .inits = p->inits.at, .carries = p->carries.at, .result_count = results.count,
                        .results = results.at, .body = set };
    node_loop(ctx, &parts, made);
    for (int m = 0; m < taken->count; m++) {
        const Node *n = taken->at[m];
        int first = n->op == OP_while_loop, count = n->body[0]->results.count - first;
        Node **values = NEW_ARRAY(ctx->arena, Node *, count + 1);
        for (int k = 0; k < count; k++) {
            Node *value = opened[m][first + k];
            if (value)
                values[k] = k < n->attr[1] ? made[place_in(&p->carries, n->body[0]->params.at[1 + k].node)]
                                           : made[p->nexts.count + place_in(&p->stacks, value)];
        }
        if (first)
            values[count] = made[results.count];
        map_put(t->values, n, values);
    }
}

static void rebuild_alone(Tidy *t, const Node *n)
{
    Node **values = NEW_ARRAY(t->ctx->arena, Node *, region_result_count(n) + 1);
    region_again(t->ctx, n, n->body, operands_now(t, n), keep_of(t, n), values);
    map_put(t->values, n, values);
}

static void rebuild_branches(Tidy *t, const Group *g)
{
    int count = g->members.count;
    Node ***operands = NEW_ARRAY(t->ctx->arena, Node **, count), ***values = NEW_ARRAY(t->ctx->arena, Node **, count);
    const bool **keep = NEW_ARRAY(t->ctx->arena, const bool *, count);
    for (int k = 0; k < count; k++) {
        Node *n = g->members.at[k];
        operands[k] = operands_now(t, n);
        keep[k] = keep_of(t, n);
        values[k] = NEW_ARRAY(t->ctx->arena, Node *, region_result_count(n) + 1);
        map_put(t->values, n, values[k]);
    }
    graph_set_origin(t->ctx, g->members.at[0]->origin);
    region_branches_again(t->ctx, count, g->members.at, operands, keep, values);
}

static void rebuild_group(Tidy *t, Group *g)
{
    Context *ctx = t->ctx;
    if (g->members.count > 1 && g->members.at[0]->op == OP_branch) {
        rebuild_branches(t, g);
        g->done = true;
        return;
    }
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(ctx->arena) };
    Parts p = { 0 };
    Nodes taken = { 0 };
    Node ***opened = NEW_ARRAY(ctx->arena, Node **, g->members.count);
    const Map *carried = carried_in(t, g);
    graph_set_origin(ctx, g->members.at[0]->origin);
    for (int k = 0; g->members.count > 1 && k < g->members.count; k++) {
        Node *n = g->members.at[k], **operands = operands_now(t, n), **values = open_member(t, n, operands, carried, &set);
        if (!add_member(t, &p, n, operands, values)) {
            rebuild_alone(t, n);
            continue;
        }
        opened[taken.count] = values;
        vec_push(ctx->arena, &taken, n);
    }
    if (g->members.count == 1)
        rebuild_alone(t, g->members.at[0]);
    else
        build_group(t, &p, &set, &taken, (Node *const *const *)opened);
    g->done = true;
}

/* ---- the function again: what a group needs comes before it ------------------------------------------------------ */
typedef struct { Node *node; int next; } Visit;

/* The k-th node that must be there before n, or NULL behind the last. */
static Node *before(const Tidy *t, const Node *n, int k)
{
    const Group *g = map_get(t->groups, n);
    if (!g)
        return k < n->operand_count ? n->operands[k] : NULL;
    for (int m = 0; m < g->members.count; m++) {
        if (k < g->members.at[m]->operand_count)
            return g->members.at[m]->operands[k];
        k -= g->members.at[m]->operand_count;
    }
    return NULL;
}

static Node *rebuild_node(Tidy *t, Node *n)
{
    if (n->op == OP_param)
        return n;
    if (n->op == OP_result) {
        Node *const *values = map_get(t->values, n->operands[0]);
        return values[n->attr[0]];
    }
    return node_replaced(t->ctx, n, operands_now(t, n));
}

static void rebuild(Tidy *t, Node *n)
{
    if (node_is_region(n)) {
        Group *g = map_get(t->groups, n);
        if (!g->done)
            rebuild_group(t, g);
        map_put(t->new_of, n, n);                           /* only says that it is done */
        return;
    }
    graph_set_origin(t->ctx, n->origin);
    Node *made = rebuild_node(t, n);
    if (made && n->origin.name)
        node_set_name(made, n->origin.name);
    map_put(t->new_of, n, made);
}

static void rebuild_all(Tidy *t, Node *const *roots, int count)
{
    Context *ctx = t->ctx;
    Vec(Visit) stack = { 0 };
    for (int k = 0; k < count; k++) {
        vec_push(ctx->arena, &stack, ((Visit){ roots[k], 0 }));
        while (stack.count) {
            Visit *top = &stack.at[stack.count - 1];
            Node *n = top->node, *next = map_get(t->new_of, n) ? NULL : before(t, n, top->next++);
            if (next && !map_get(t->new_of, next) && t->needed[walk_place(&t->walk, next)]) {
                vec_push(ctx->arena, &stack, ((Visit){ next, 0 }));
            } else if (!next) {
                if (!map_get(t->new_of, n))
                    rebuild(t, n);
                stack.count--;
            }
        }
    }
}

static Node *now(const void *user, const Node *n)
{
    const Tidy *t = user;
    return map_get(t->new_of, n);
}

static Fn *tidy_level(Context *ctx, const Fn *fn)
{
    Fn *tidied = arena_copy(ctx->arena, fn, sizeof *fn);
    Node **roots = NEW_ARRAY(ctx->arena, Node *, fn->results.count);
    Origin saved = graph_origin(ctx);
    Arena *scratch = arena_new();
    Tidy t = { .ctx = ctx, .keep = map_new(scratch), .groups = map_new(scratch), .new_of = map_new(scratch),
               .values = map_new(scratch), .arena = scratch };
    for (int k = 0; k < fn->results.count; k++)
        roots[k] = fn->results.at[k].node;
    ArenaMark mark = arena_mark(ctx->scratch);
    t.walk = body_walk(ctx, roots, fn->results.count, NULL, NULL);
    find_demand(&t, roots, fn->results.count);
    find_seeded(&t, fn);
    find_groups(&t);
    rebuild_all(&t, roots, fn->results.count);
    arena_release(ctx->scratch, mark);
    graph_set_origin(ctx, saved);
    tidied->results.at = arena_copy(ctx->arena, fn->results.at, sizeof *fn->results.at * (size_t)fn->results.count);
    for (int k = 0; k < fn->results.count; k++)
        tidied->results.at[k].node = now(&t, roots[k]);
    fn_rewrite_records(ctx, fn, tidied, now, &t);
    arena_free(scratch);
    return tidied;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */
static void tidy_bodies(Context *ctx, const Node *old, Node *const *operands, void *user, Node **values)
{
    const Fn *body[2] = { NULL, NULL };
    (void)user;
    for (int b = 0; b < 2 && old->body[b]; b++)
        body[b] = fn_tidy_regions(ctx, old->body[b]);
    region_again(ctx, old, body, operands, NULL, values);
}

Fn *fn_tidy_regions(Context *ctx, const Fn *fn)
{
    if (!fn_has(ctx, fn, node_is_region))
        return (Fn *)(uintptr_t)fn;
    Fn *now = fn_rewrite_regions(ctx, tidy_level(ctx, fn), NULL, tidy_bodies, NULL);
    return tidy_level(ctx, now);
}
