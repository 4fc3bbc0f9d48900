/* nest.c: checkpoints: a loop of n trips becomes a loop over blocks of k trips.
 *
 * Of the loop over blocks a backward loop keeps the state alone, once per block (attribute checkpoint = 1, see
 * backward.c); what else it needs of a block it computes again from there, in a forward loop within the backward one.  So
 * n/k + k states are kept instead of n, for one more run forward; with m levels of blocks m n^(1/m) of them, for m - 1
 * more.  The text of the loop does not grow with n, and what comes out is ordinary loops: it can be differentiated again.
 *
 * The fewest steps for a given number of states is the binomial schedule of Griewank and Walther ("Algorithm 799:
 * revolve", ACM TOMS 26, 2000), which reaches (states + runs over runs) trips.  Blocks of equal length need at most as
 * many more states as there are levels times, and no tables, counters or branches at run time. */
#include "nest.h"

#include <string.h>

typedef struct {
    Context *ctx;
    const Node *region;
    const LoopPlan *plan;
    int carries, count;                                     /* of the results the first are carries */
    Node **roots;                                           /* results over outer values, the index and the carries */
    Node *condition;                                        /* of a while, in the same terms; NULL: a for */
    Node *index, *const *carry;
    NodeSet *made;                                          /* the nodes of the body */
} Nest;

static Node *min_of(Context *ctx, Node *a, Node *b) { return node_binary(ctx, OP_min, a, b); }

/* Trips of the loop that goes over blocks, and of the block at `start`; both known numbers where that can be. */
static Node *block_count(Context *ctx, Node *trips, int64_t block)
{
    Node *over = node_binary(ctx, OP_add, trips, node_int(ctx, block - 1));
    return node_binary(ctx, OP_floordiv, over, node_int(ctx, block));
}

static Node *block_trips(Context *ctx, Node *trips, Node *start, int64_t block)
{
    bool whole = trips->op == OP_constant && (int64_t)trips->data[0] % block == 0;
    return whole ? node_int(ctx, block) : min_of(ctx, node_int(ctx, block), node_binary(ctx, OP_sub, trips, start));
}

static Node *name_like(Context *ctx, const Node *n, const Type *type)
{
    return node_param(ctx, n->origin.name, type, n->origin.span);
}

/* Whether a while goes on at `trip`, which is not beyond its limit, with these carries. */
static Node *condition_at(const Nest *n, Node *trip, Node *const *carries, NodeSet *into)
{
    Context *ctx = n->ctx;
    Map *replacement = map_new(ctx->arena);
    Node *condition = n->condition;
    map_put(replacement, n->index, trip);
    for (int k = 0; k < n->carries; k++)
        map_put(replacement, n->carry[k], carries[k]);
    graph_substitute(ctx, &condition, 1, replacement, n->made, into);
    return node_binary(ctx, OP_and, condition, node_binary(ctx, OP_lt, trip, node_int(ctx, n->region->attr[0])));
}

static void innermost_loop(const Nest *n, Node *offset, Node *trips, int64_t most, Node *const *inits, Node **values)
{
    Context *ctx = n->ctx;
    Arena *own = arena_new();
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(own) };
    Node *step = name_like(ctx, n->index, n->index->type);
    Node **roots = arena_copy(ctx->arena, n->roots, sizeof *roots * (size_t)(n->count + 1));
    Map *replacement = map_new(own);
    NodeSet *before = graph_record(ctx, &set);
    Node *trip = node_binary(ctx, OP_add, offset, step);
    map_put(replacement, n->index, trip);
    graph_substitute(ctx, roots, n->count, replacement, n->made, &set);
    Node *condition = n->condition ? condition_at(n, trip, n->carry, &set) : NULL;
    graph_record(ctx, before);
    LoopParts p = { .trips = condition ? NULL : trips, .condition = condition, .max_trips = most,
                    .checkpoint = n->plan->state_only, .index = step,
                    .carry_count = n->carries, .inits = inits, .carries = n->carry, .result_count = n->count,
                    .results = roots, .body = &set };
    node_loop(ctx, &p, values);
    arena_free(own);
}

/* [blocks, block, ...] as [most, ...] */
static Node *joined_rows(Context *ctx, Node *x, int64_t most)
{
    int64_t sizes[RANK_MAX], start[RANK_MAX] = { 0 }, step[RANK_MAX];
    for (int k = 1; k < x->type->rank; k++) {
        sizes[k - 1] = type_size(x->type, k);
        step[k - 1] = 1;
    }
    sizes[0] *= type_size(x->type, 0);
    x = node_reshape(ctx, x, type_sized(ctx, x->type->elem, x->type->rank - 1, sizes));
    sizes[0] = most;
    return node_slice(ctx, x, start, step, sizes);
}

/* The values of a while are followed by the trips taken, which a loop over blocks carries as a sum. */
static void level(const Nest *n, int depth, Node *offset, Node *trips, int64_t most, Node *const *inits, Node **values)
{
    Context *ctx = n->ctx;
    int carry_count = n->carries + (n->condition != NULL);
    if (depth == n->plan->levels) {
        innermost_loop(n, offset, trips, most, inits, values);
        return;
    }
    Arena *own = arena_new();
    int64_t block = n->plan->blocks[depth];
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(own) };
    Node *at = node_param(ctx, str_intern(ctx, "block"), n->index->type, n->index->origin.span);
    Node **carries = NEW_ARRAY(ctx->arena, Node *, carry_count + 1), **inner = NEW_ARRAY(ctx->arena, Node *, n->count + 1);
    Node **starts = NEW_ARRAY(ctx->arena, Node *, carry_count + 1), **results = NEW_ARRAY(ctx->arena, Node *, n->count + 2);
    Node **made = NEW_ARRAY(ctx->arena, Node *, n->count + 2), *condition = NULL;
    for (int k = 0; k < n->carries; k++) {
        carries[k] = name_like(ctx, n->carry[k], n->carry[k]->type);
        starts[k] = inits[k];
    }
    NodeSet *before = graph_record(ctx, &set);
    Node *start = node_binary(ctx, OP_mul, at, node_int(ctx, block));
    level(n, depth + 1, node_binary(ctx, OP_add, offset, start),
          n->condition ? NULL : block_trips(ctx, trips, start, block), block, carries, inner);
    memcpy(results, inner, sizeof *inner * (size_t)n->carries);
    memcpy(results + carry_count, inner + n->carries, sizeof *inner * (size_t)(n->count - n->carries));
    if (n->condition) {
        condition = condition_at(n, node_binary(ctx, OP_add, offset, start), carries, &set);
        carries[n->carries] = node_param(ctx, str_intern(ctx, "taken"), n->index->type, n->index->origin.span);
        starts[n->carries] = node_int(ctx, 0);
        results[n->carries] = node_binary(ctx, OP_add, carries[n->carries], inner[n->count]);
    }
    graph_record(ctx, before);
    LoopParts p = { .trips = condition ? NULL : block_count(ctx, trips, block), .condition = condition,
                    .max_trips = (most + block - 1) / block, .checkpoint = 1, .index = at, .carry_count = carry_count,
                    .inits = starts, .carries = carries, .result_count = n->count + carry_count - n->carries,
                    .results = results, .body = &set };
    node_loop(ctx, &p, made);
    memcpy(values, made, sizeof *made * (size_t)n->carries);
    for (int k = n->carries; k < n->count; k++)
        values[k] = joined_rows(ctx, made[k + carry_count - n->carries], most);
    if (condition)
        values[n->count] = made[n->carries];
    arena_free(own);
}

static void nest_loop(Context *ctx, const Node *region, const Fn *body, Node *const *operands, const LoopPlan *plan,
                      Node **values)
{
    Arena *own = arena_new();
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(own) };
    int carries = (int)region->attr[1], all = body->results.count, first = region_own_count(region);
    bool is_while = region->op == OP_while_loop;
    Node **carry = NEW_ARRAY(ctx->arena, Node *, carries + 1), **roots = NEW_ARRAY(ctx->arena, Node *, all + 1);
    Map *open = map_new(own);
    for (int k = 0; k < carries; k++)
        carry[k] = body->params.at[1 + k].node;
    for (int k = first; k < body->params.count; k++)
        map_put(open, body->params.at[k].node, operands[region_leading_count(region) + k - first]);
    for (int k = 0; k < all; k++)
        roots[k] = body->results.at[k].node;
    graph_substitute(ctx, roots, all, open, NULL, &set);
    Nest n = { .ctx = ctx, .region = region, .plan = plan, .carries = carries, .count = all - is_while,
               .roots = roots + is_while, .condition = is_while ? roots[0] : NULL, .index = body->params.at[0].node,
               .carry = carry, .made = &set };
    level(&n, 0, node_int(ctx, 0), is_while ? NULL : operands[0], region->attr[0], operands + !is_while, values);
    arena_free(own);
}

/* ---- the function ------------------------------------------------------------------------------------------------- */
static bool carries_reals(const Node *n)
{
    bool any = false, is_loop = n->op == OP_loop || n->op == OP_while_loop;
    for (int k = 0; is_loop && k < n->attr[1]; k++)
        any |= n->operands[(n->op == OP_loop) + k]->type->elem == ELEM_REAL;
    return any;
}

typedef struct { Map *seen; NodeList *out; Context *ctx; } Search;

static void find_loops(Search *s, const Fn *fn)
{
    NodeList nodes = { 0 };
    if (map_get(s->seen, fn))
        return;
    map_put(s->seen, fn, s);
    fn_nodes(s->ctx, fn, s->ctx->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        Node *n = nodes.at[k];
        if (carries_reals(n) && !map_get(s->seen, n)) {
            map_put(s->seen, n, s);
            vec_push(s->ctx->arena, s->out, n);
        }
        for (int b = 0; b < 2 && n->body[b]; b++)
            find_loops(s, n->body[b]);
    }
}

void nest_loops(Context *ctx, const Fn *fn, NodeList *out)
{
    Search s = { map_new(ctx->arena), out, ctx };
    find_loops(&s, fn);
}

typedef struct { Map *plans, *bodies; } Nesting;

static void nest_region(Context *ctx, const Node *n, Node *const *operands, void *user, Node **values)
{
    Nesting *nesting = user;
    const Fn *body[2] = { NULL, NULL };
    const LoopPlan *plan = map_get(nesting->plans, n);
    bool changed = false;
    for (int b = 0; b < 2 && n->body[b]; b++) {
        body[b] = map_get(nesting->bodies, n->body[b]);
        if (!body[b]) {
            body[b] = fn_rewrite_regions(ctx, n->body[b], NULL, nest_region, nesting);
            map_put(nesting->bodies, n->body[b], (Fn *)(uintptr_t)body[b]);
        }
        for (int k = 0; k < body[b]->results.count; k++)
            changed |= body[b]->results.at[k].node != n->body[b]->results.at[k].node;
    }
    for (int k = 0; k < n->operand_count; k++)
        changed |= operands[k] != n->operands[k];
    if (plan)
        nest_loop(ctx, n, body[0], operands, plan, values);
    else if (changed)
        region_again(ctx, n, body, operands, NULL, values);
    for (int k = 0; !plan && !changed && k < region_result_count(n); k++)
        values[k] = node_result(ctx, (Node *)(uintptr_t)n, k);
}

static const LoopPlan *plan_of(Context *ctx, const Node *loop, const LoopPlan *given)
{
    int64_t interval = loop->attr[2];
    if (interval > 1) {
        LoopPlan *plan = NEW(ctx->arena, LoopPlan);
        *plan = (LoopPlan){ .loop = loop, .levels = 1, .blocks = { interval } };
        return plan;
    }
    return interval == 0 && given && (given->levels || given->state_only) ? given : NULL;
}

const Fn *nest_fn(Context *ctx, const Fn *fn, const LoopPlan *plans)
{
    NodeList loops = { 0 };
    Nesting nesting = { map_new(ctx->arena), map_new(ctx->arena) };
    nest_loops(ctx, fn, &loops);
    for (int k = 0; k < loops.count; k++) {
        const LoopPlan *plan = plan_of(ctx, loops.at[k], plans ? &plans[k] : NULL);
        if (plan)
            map_put(nesting.plans, loops.at[k], (LoopPlan *)(uintptr_t)plan);
    }
    if (!map_count(nesting.plans))
        return fn;
    return fn_rewrite_regions(ctx, fn, NULL, nest_region, &nesting);
}
