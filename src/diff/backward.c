/* backward.c: the adjoint of a loop is a loop.
 *
 * It runs backwards, carries adjoints, reads what the forward loop stacked, and adds to the adjoints of captured values in
 * place: nothing of the size of a whole array is touched per trip.  Where no adjoint is really carried (a sum of
 * independent terms, a map), it runs over the same index as the loop itself and needs no tape.
 * The forward loop is made again with the stacks added; passes merge it with the original, whose index it shares. */
#include "region.h"
#include "saved.h"

#include <string.h>

typedef Vec(Node *) Nodes;

/* ---- sums that grow in place -------------------------------------------------------------------------------------- */
/* The terms of a sum, in order. */
static void sum_terms(Context *ctx, Node *x, Nodes *terms)
{
    Nodes stack = { 0 };
    vec_push(ctx->arena, &stack, x);
    while (stack.count) {
        Node *n = stack.at[--stack.count];
        if (n->op == OP_add) {
            vec_push(ctx->arena, &stack, n->operands[1]);
            vec_push(ctx->arena, &stack, n->operands[0]);
        } else {
            vec_push(ctx->arena, terms, n);
        }
    }
}

/* The nodes from `next` to the param that are only ever added to; false: something else is in between. */
static bool find_links(const Node *param, const Node *next, Map *uses)
{
    while (next != param && (next->op == OP_index_add || next->op == OP_add)) {
        map_put(uses, next, (void *)1);
        next = next->operands[0];
    }
    map_put(uses, param, (void *)1);
    return next == param;
}

static bool is_second_use(Map *uses, const Node *n)
{
    intptr_t left = (intptr_t)map_get(uses, n);
    if (left)
        map_put(uses, n, (void *)(left + 1));
    return left == 2;
}

/* Is this carry only ever added to, so that starting from x instead of 0 adds x to its last value?  Nothing but the next
 * sum may see what it is on the way: in v = v + 1; v = v + v * z the second value of v is read twice. */
static bool is_accumulator(Context *ctx, const Fn *body, const Node *param, const Node *next)
{
    NodeList nodes = { 0 };
    ArenaMark mark = arena_mark(ctx->scratch);
    Map *uses = map_new(ctx->scratch);
    bool sums = find_links(param, next, uses);
    if (sums)
        fn_nodes(ctx, body, ctx->scratch, &nodes);
    for (int k = 0; sums && k < nodes.count; k++)
        for (int i = 0; sums && i < nodes.at[k]->operand_count; i++)
            sums = !is_second_use(uses, nodes.at[k]->operands[i]);
    for (int k = 0; sums && k < body->results.count; k++)
        sums = !is_second_use(uses, body->results.at[k].node);
    arena_release(ctx->scratch, mark);
    return sums;
}

/* A value of a loop that sums up from zero: its accumulation can start elsewhere. */
static bool is_loop_sum(Context *ctx, const Node *n)
{
    if (n->op != OP_result || n->operands[0]->op != OP_loop)
        return false;
    const Node *loop = n->operands[0];
    int64_t k = n->attr[0];
    if (k >= loop->attr[1] || !node_is_zero(loop->operands[1 + k]))
        return false;
    const Fn *body = loop->body[0];
    return is_accumulator(ctx, body, body->params.at[1 + k].node, body->results.at[k].node);
}

/* base + x, with scatters into zero put into the base instead. */
static Node *add_in_place(Context *ctx, Node *base, Node *x)
{
    Nodes chain = { 0 };
    Node *n = x;
    for (; n->op == OP_index_add; n = n->operands[0])
        vec_push(ctx->arena, &chain, n);
    if (!chain.count || !node_is_zero(n))
        return node_binary(ctx, OP_add, base, x);
    for (int k = chain.count - 1; k >= 0; k--) {
        const Node *link = chain.at[k];
        base = node_index_add(ctx, base, link->operand_count - 2, link->operands + 2, link->operands[1]);
    }
    return base;
}

/* The oldest loop: it depends on none of the others. */
static Node *oldest_pending(const Nodes *pending, int count)
{
    Node *oldest = NULL;
    for (int j = 0; j < count; j++)
        for (int k = 0; k < pending[j].count; k++)
            if (!oldest || pending[j].at[k]->operands[0]->id < oldest->id)
                oldest = pending[j].at[k]->operands[0];
    return oldest;
}

/* The loop of which some accumulators start from the sums so far; `moved` says where its other values are now. */
static void start_from_sums(Context *ctx, Nodes *pending, int count, Node **sums, Map *moved)
{
    Node *loop = oldest_pending(pending, count);
    Node **operands = arena_copy(ctx->arena, loop->operands, sizeof *operands * (size_t)loop->operand_count);
    int *taken = NEW_ARRAY(ctx->arena, int, count);
    bool *rebased = NEW_ARRAY(ctx->arena, bool, region_result_count(loop));
    for (int j = 0; j < count; j++) {
        taken[j] = -1;
        for (int k = 0; k < pending[j].count && taken[j] < 0; k++) {
            int64_t value = pending[j].at[k]->attr[0];
            if (pending[j].at[k]->operands[0] != loop || rebased[value])
                continue;
            taken[j] = (int)value;
            rebased[value] = true;
            operands[1 + value] = sums[j];
            pending[j].at[k] = pending[j].at[--pending[j].count];
        }
    }
    Node *again = node_rebuild(ctx, loop, operands);
    for (int k = 0; k < region_result_count(loop); k++)
        if (!rebased[k])
            map_put(moved, node_result(ctx, loop, k), node_result(ctx, again, k));
    for (int j = 0; j < count; j++)
        if (taken[j] >= 0)
            sums[j] = node_result(ctx, again, taken[j]);
}

/* sums[j] + added[j] for all j at once.  A loop that yields terms of several sums starts all of them from their place; what may
 * depend on its other values is added after it. */
static void accumulate(Context *ctx, int count, Node **sums, Node *const *added, Map *moved)
{
    Nodes *pending = NEW_ARRAY(ctx->arena, Nodes, count + 1), *others = NEW_ARRAY(ctx->arena, Nodes, count + 1);
    int loops = 0;
    for (int j = 0; j < count; j++) {
        Nodes terms = { 0 };
        sum_terms(ctx, added[j], &terms);
        for (int k = 0; k < terms.count; k++) {
            if (is_loop_sum(ctx, terms.at[k])) {
                vec_push(ctx->arena, &pending[j], terms.at[k]);
                loops++;
            } else {
                vec_push(ctx->arena, &others[j], terms.at[k]);
            }
        }
    }
    while (loops) {
        start_from_sums(ctx, pending, count, sums, moved);
        loops = 0;
        for (int j = 0; j < count; j++)
            loops += pending[j].count;
    }
    for (int j = 0; j < count; j++)
        for (int k = 0; k < others[j].count; k++)
            sums[j] = add_in_place(ctx, sums[j], others[j].at[k]);
}

/* ---- the body ------------------------------------------------------------------------------------------------------ */
typedef struct {
    Body *body;
    const Node *seed;                                       /* some adjoint: its batch axes */
    Node *const *value_adjoints;
    Node *trips;                                            /* outer */
    Node *trip;                                             /* a param: stands for the trip that runs */
    Node **bars;                                            /* per carry: the adjoint carried in, a param; NULL: none */
    Node **carry_adjoints, **capture_adjoints;              /* out of the body; NULL: nothing flows */
    Node **capture_masks;                                   /* where that is not zero, if it is known */
    bool apart;                                             /* the loop has run when its adjoints are known */
    AdjointRecords records;                                 /* of the last sweep */
} Backward;

/* x[.., t, ..]: row t of the axis behind the batch. */
static Node *row_at(Context *ctx, Node *x, int batch, Node *t)
{
    int perm[RANK_MAX];
    perm[0] = batch;
    for (int k = 1; k < x->type->rank; k++)
        perm[k] = k <= batch ? k - 1 : k;
    return node_index(ctx, node_permute(ctx, x, perm), 1, &t);
}

/* Adjoints in a body of which the loop has run before: of their stand-ins the role tells. */
static Node *stand_in_of_adjoint(Backward *w, Node *adjoint)
{
    Node *seed = body_stand_in_seed(w->body, adjoint), *value = seed->op == OP_where ? seed->operands[1] : seed;
    if (w->apart && value->op == OP_param)
        value->origin.role = ROLE_ADJOINT;
    return seed;
}

/* The adjoint of what was stacked at this trip.  Where a slope may be infinite, what a `where` did not choose comes as such. */
static Node *seed_of_stack(Backward *w, int k)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    Node *adjoint = w->value_adjoints[k];
    if (b->batch > 0 || adjoint->closed || adjoint->op != OP_where || !node_is_zero(adjoint->operands[2])
        || !(zeros_matter(b->values[0][k]) || is_tape(b->values[0][k])))
        return row_at(ctx, stand_in_of_adjoint(w, adjoint), b->batch, w->trip);
    Node *row = row_at(ctx, stand_in_of_adjoint(w, adjoint->operands[1]), 0, w->trip);
    Node *chosen = body_stand_in(b, node_expand(ctx, adjoint->operands[0], adjoint->type));
    return node_where(ctx, row_at(ctx, chosen, 0, w->trip), row, node_real(ctx, 0));
}

/* Do the adjoints depend on what the loop yields, or on what a loop around it does?  Not in all of a long program is looked. */
static bool is_apart(Context *ctx, const Node *region, Node *const *adjoints, int count)
{
    enum { NODES_MOST = 4096 };
    bool found = false;
    ArenaMark mark = arena_mark(ctx->scratch);
    Map *seen = map_new(ctx->scratch);
    Nodes stack = { 0 };
    for (int k = 0; k < count; k++)
        if (adjoints[k])
            vec_push(ctx->scratch, &stack, adjoints[k]);
    while (stack.count && !found && map_count(seen) < NODES_MOST) {
        Node *n = stack.at[--stack.count];
        if (n->id <= region->id || map_get(seen, n))
            continue;
        map_put(seen, n, n);
        found = n->op == OP_param ? n->origin.role == ROLE_ADJOINT : n->op == OP_result && n->operands[0] == region;
        for (int k = 0; k < n->operand_count; k++)
            vec_push(ctx->scratch, &stack, n->operands[k]);
    }
    arena_release(ctx->scratch, mark);
    return found;
}

static void new_bar(Backward *w, int k)
{
    w->bars[k] = body_param_like(w->body, w->body->carry[k], w->seed, "_bar");
}

static bool grow_bars(Backward *w)
{
    bool grows = false;
    for (int k = 0; k < w->body->carries; k++)
        if (w->carry_adjoints[k] && !w->bars[k]) {
            new_bar(w, k);
            grows = true;
        }
    return grows;
}

static void sweep_once(Backward *w, Node *const *stack_seeds, const bool *wanted)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    int count = b->carries + b->stacks, inputs = b->carries + b->captures, wrt_count = 0;
    Node **seeds = NEW_ARRAY(ctx->arena, Node *, count + 1), **wrt = NEW_ARRAY(ctx->arena, Node *, inputs + 1);
    Node **found = NEW_ARRAY(ctx->arena, Node *, inputs + 1), **masks = NEW_ARRAY(ctx->arena, Node *, inputs + 1);
    int *which = NEW_ARRAY(ctx->arena, int, inputs + 1);
    for (int k = 0; k < count; k++)
        seeds[k] = k < b->carries ? w->bars[k] : stack_seeds[k];
    for (int k = 0; k < inputs; k++) {
        Node *x = k < b->carries ? b->carry[k] : b->capture[k - b->carries];
        if (x->type->elem == ELEM_REAL && (k < b->carries || wanted[capture_operand(b, k - b->carries)])) {
            wrt[wrt_count] = x;
            which[wrt_count++] = k;
        }
    }
    w->records.count = 0;
    diff_reverse_masked(ctx, count, b->values[0], seeds, b->batch, wrt_count, wrt, found, masks, &w->records);
    memset(w->carry_adjoints, 0, sizeof *w->carry_adjoints * (size_t)inputs);
    memset(w->capture_masks, 0, sizeof *w->capture_masks * (size_t)b->captures);
    for (int k = 0; k < wrt_count; k++) {
        w->carry_adjoints[which[k]] = found[k];
        if (which[k] >= b->carries)
            w->capture_masks[which[k] - b->carries] = masks[k];
    }
}

/* The carries that adjoints flow through grow to a fixed point. */
static void sweep_body(Backward *w, const bool *wanted)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    int count = b->carries + b->stacks;
    Node **stack_seeds = NEW_ARRAY(ctx->arena, Node *, count + 1);
    w->bars = NEW_ARRAY(ctx->arena, Node *, b->carries + 1);
    w->carry_adjoints = NEW_ARRAY(ctx->arena, Node *, b->carries + b->captures + 1);
    w->capture_adjoints = w->carry_adjoints + b->carries;
    w->capture_masks = NEW_ARRAY(ctx->arena, Node *, b->captures + 1);
    for (int k = 0; k < count; k++) {
        if (!w->value_adjoints[k])
            continue;
        if (k < b->carries)
            new_bar(w, k);
        else
            stack_seeds[k] = seed_of_stack(w, k);
    }
    do
        sweep_once(w, stack_seeds, wanted);
    while (grow_bars(w));
    for (int k = 0; k < w->records.count; k++)
        graph_note_adjoint(ctx, &w->records.at[k]);
}

/* ---- the tape ------------------------------------------------------------------------------------------------------- */
/* Elements of what is kept only to be faster: per trip; and of all trips of a loop that carries nothing back. */
enum { ROW_MOST = 4096, ALL_MOST = 16384 };
static const int64_t LARGEST = (int64_t)1 << 44;            /* of all trips together: sums of it do not overflow */

/* Which loops keep what is costly: those that carry adjoints back, and those whose adjoints are known later, if it is little. */
typedef struct { bool same_index, apart; } Way;

typedef struct {
    NodeList nodes;                                         /* what the results are computed from */
    bool *carried, *varying;                                /* by place: depends on a carry; on a carry or the index */
    bool *primal;                                           /* by place: depends on no adjoint */
    bool *heavy;                                            /* by place: depends on an array that a loop around carries */
    Map *body;                                              /* nodes of the forward body */
} Tape;

static bool is_carry(const Body *b, const Node *n)
{
    for (int k = 0; k < b->carries; k++)
        if (b->carry[k] == n)
            return true;
    return false;
}

static bool is_capture(const Body *b, const Node *n)
{
    for (int k = 0; k < b->captures; k++)
        if (b->capture[k] == n)
            return true;
    return false;
}

static void mark_tape(const Body *b, Tape *t)
{
    t->carried = NEW_ARRAY(b->ctx->scratch, bool, t->nodes.count + 1);
    t->varying = NEW_ARRAY(b->ctx->scratch, bool, t->nodes.count + 1);
    t->primal = NEW_ARRAY(b->ctx->scratch, bool, t->nodes.count + 1);
    t->heavy = NEW_ARRAY(b->ctx->scratch, bool, t->nodes.count + 1);
    for (int k = 0; k < t->nodes.count; k++) {
        const Node *n = t->nodes.at[k];
        t->carried[k] = n->op == OP_param && is_carry(b, n);
        t->varying[k] = t->carried[k] || n == b->index;
        t->primal[k] = n->op != OP_param || t->varying[k] || is_capture(b, n);
        t->heavy[k] = n->op == OP_param && t->primal[k] && !t->varying[k] && n->carried && n->type->count > HEAVY;
        for (int i = 0; i < n->operand_count; i++) {
            int place = node_place(&t->nodes, n->operands[i]);
            t->carried[k] |= t->carried[place];
            t->varying[k] |= t->varying[place];
            t->primal[k] &= t->primal[place];
            t->heavy[k] |= t->heavy[place];
        }
    }
}

static void mark_body(const Body *b, Tape *t)
{
    Context *ctx = b->ctx;
    NodeList nodes = { 0 };
    Nodes roots = { 0 };
    t->body = map_new(ctx->scratch);
    for (int k = 0; k < b->carries + b->stacks; k++)
        vec_push(ctx->scratch, &roots, b->values[0][k]);
    if (b->condition)
        vec_push(ctx->scratch, &roots, b->condition);
    nodes_reaching(ctx, roots.at, roots.count, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        map_put(t->body, nodes.at[k], nodes.at[k]);
}

/* A value of a region that reads a larger array, which would be saved. */
static bool is_of_larger(const Tape *t, const Node *n)
{
    const Node *region = n->op == OP_result ? n->operands[0] : NULL;
    bool larger = false;
    for (int k = 0; region && k < region->operand_count; k++)
        larger |= t->carried[node_place(&t->nodes, region->operands[k])] && region->operands[k]->type->count > n->type->count;
    return larger;
}

/* What the forward loop does not compute for itself, but nearly: the tape of an inner loop, so that this does not run again, and
 * a slope with the exponential of its function. */
static bool shares_work(const Body *b, const Tape *t, int k)
{
    const Node *n = t->nodes.at[k];
    if (!t->primal[k] || (n->type->count > ROW_MOST && !t->heavy[k] && !is_of_larger(t, n)))
        return false;
    if (n->op != OP_sigmoid_slope)
        return n->op == OP_result || n->op == OP_index;     /* a branch reads a part */
    Node *function = node_unary(b->ctx, OP_sigmoid, n->operands[0]);
    return map_get(t->body, function) != NULL;
}

/* What the results are computed from by itself is done in the backward loop alone; what does not vary is done before. */
static Value value_of(const Body *b, const Tape *t, int k, Way way)
{
    Node *n = t->nodes.at[k];
    Value v = { .size = n->type->count };
    if (n == b->index || (!t->varying[k] && !t->heavy[k]))
        return v;
    if (!t->varying[k]) {                                   /* it is captured, at the cost of one element each for all trips */
        v.kind = t->primal[k] ? VALUE_COSTLY : VALUE_CHEAP;
        v.unsavable = !t->primal[k];
        return v;
    }
    v.size = v.size * b->region->attr[0] < LARGEST ? v.size * b->region->attr[0] : LARGEST;
    if (n->op == OP_param) {
        v.kind = VALUE_COSTLY;
        return v;
    }
    bool state_only = b->region->attr[2] == 1;
    bool forward = map_get(t->body, n) || (!state_only && shares_work(b, t, k));
    v.kind = VALUE_CHEAP;
    v.unsavable = !forward || node_is_region(n);
    bool kept = t->carried[k] || !way.same_index || (way.apart && n->type->count * b->region->attr[0] <= ALL_MOST);
    if (forward && !state_only && value_is_costly(n) && kept)
        v.kind = VALUE_COSTLY;
    return v;
}

/* For --explain: what becomes of the values that have a name. */
static void note_values(const Body *b, const Tape *t, const Value *values, Node *const *results, int count)
{
    Context *ctx = b->ctx;
    bool *again = NEW_ARRAY(ctx->scratch, bool, t->nodes.count + 1);
    for (int k = 0; k < count; k++)
        again[node_place(&t->nodes, results[k])] = true;
    for (int k = t->nodes.count - 1; k >= 0; k--)
        for (int i = 0; again[k] && !values[k].saved && i < t->nodes.at[k]->operand_count; i++)
            again[node_place(&t->nodes, t->nodes.at[k]->operands[i])] = true;
    for (int k = 0; k < map_count(t->body); k++) {
        const Node *n = map_key(t->body, k);
        int place = node_place(&t->nodes, n);
        if (n->origin.name && n != b->index && !is_capture(b, n))
            graph_note_kept(ctx, n, place < 0 || !again[place] ? KEEP_DROPPED : values[place].saved ? KEEP_SAVED : KEEP_AGAIN,
                            b->region->origin.span);
    }
}

/* The forward values that the results read and that are not computed again. */
static Nodes find_saved(const Body *b, Node *const *results, int count, Way way)
{
    Context *ctx = b->ctx;
    Nodes saved = { 0 };
    ArenaMark mark = arena_mark(ctx->scratch);
    Tape t = { .body = NULL };
    nodes_reaching(ctx, results, count, ctx->scratch, &t.nodes);
    mark_tape(b, &t);
    mark_body(b, &t);
    Value *values = NEW_ARRAY(ctx->scratch, Value, t.nodes.count + 1);
    for (int k = 0; k < t.nodes.count; k++)
        values[k] = value_of(b, &t, k, way);
    for (int k = 0; k < count; k++)
        values[node_place(&t.nodes, results[k])].needed = true;
    if (values_choose(ctx, &t.nodes, values))
        internal_error(ctx, "a loop has a value that can be neither saved nor computed again");
    if (ctx->options.keep_adjoints)
        note_values(b, &t, values, results, count);
    for (int k = t.nodes.count - 1; k >= 0; k--)
        if (values[k].saved && t.varying[k])
            vec_push(ctx->arena, &saved, t.nodes.at[k]);
    arena_release(ctx->scratch, mark);
    return saved;
}

/* The trips that an inner loop took are read where the bound of a loop must be known. */
static Node *within_bound(Context *ctx, const Node *n, Node *row)
{
    const Node *region = n->op == OP_result ? n->operands[0] : NULL;
    bool trips = region && region->op == OP_while_loop && n->attr[0] == region_result_count(region) - 1;
    return trips ? node_binary(ctx, OP_min, row, node_int(ctx, region->attr[0])) : row;
}

/* Puts rows of what the forward loop stacks, at `trip`, for its own values that the results read. */
static void read_tape(Body *b, Node *const *results, int count, Node *trip, Map *replacement, Way way)
{
    Context *ctx = b->ctx;
    Nodes saved = find_saved(b, results, count, way), inits = { 0 }, values = { 0 };
    if (!saved.count)
        return;
    for (int k = 0; k < b->carries; k++)
        vec_push(ctx->arena, &inits, b->region->operands[b->leading + k]);
    for (int k = 0; k < b->carries; k++)
        vec_push(ctx->arena, &values, b->values[0][k]);
    for (int k = 0; k < saved.count; k++)
        vec_push(ctx->arena, &values, saved.at[k]);
    int result_count = values.count;
    if (b->condition)
        vec_push(ctx->arena, &values, b->condition);
    body_open(b, values.at, values.count, NULL);
    Node **made = NEW_ARRAY(ctx->arena, Node *, result_count + 1);
    body_loop(b, b->carries, inits.at, b->carry, result_count, values.at, b->condition ? values.at[result_count] : NULL,
              made);
    NodeSet *before = graph_record(ctx, &b->set);
    for (int k = 0; k < saved.count; k++)
        map_put(replacement, saved.at[k], within_bound(ctx, saved.at[k], row_at(ctx, made[b->carries + k], 0, trip)));
    graph_record(ctx, before);
}

/* ---- the loop that runs backwards ----------------------------------------------------------------------------------- */
typedef struct {
    Nodes inits, carries, results;
    Vec(int) of;                                            /* carry k >= 0, capture -1 - k */
    Vec(int) chosen;                                        /* after these: captures, of which is counted what was chosen */
} Adjoint;

/* A carry's adjoint that passes through unchanged is no carry: it is what arrived. */
static void add_bars(Backward *w, Adjoint *a, Map *replacement, Node **operand_adjoints)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    for (int k = 0; k < b->carries; k++) {
        Node *bar = w->bars[k];
        if (!bar)
            continue;
        if (w->carry_adjoints[k] == bar) {
            Node *arrived = or_zero(ctx, w->value_adjoints[k], bar->type);
            map_put(replacement, bar, arrived);
            operand_adjoints[b->leading + k] = arrived;
            continue;
        }
        vec_push(ctx->arena, &a->inits, or_zero(ctx, w->value_adjoints[k], bar->type));
        vec_push(ctx->arena, &a->carries, bar);
        vec_push(ctx->arena, &a->results, or_zero(ctx, w->carry_adjoints[k], bar->type));
        vec_push(ctx->arena, &a->of, k);
    }
}

static Node *new_sum(Backward *w, Adjoint *a, const Node *like, const char *suffix)
{
    Node *sum = body_param_like(w->body, like, w->seed, suffix);
    vec_push(w->body->ctx->arena, &a->inits, node_fill(w->body->ctx, sum->type, 0));
    vec_push(w->body->ctx->arena, &a->carries, sum);
    return sum;
}

static void add_sums(Backward *w, Adjoint *a)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    int count = 0;
    Node **sums = NEW_ARRAY(ctx->arena, Node *, 2 * b->captures + 1);
    Node **added = NEW_ARRAY(ctx->arena, Node *, 2 * b->captures + 1);
    Map *moved = map_new(ctx->arena);
    for (int k = 0; k < b->captures; k++) {
        if (!w->capture_adjoints[k])
            continue;
        vec_push(ctx->arena, &a->of, -1 - k);
        sums[count] = new_sum(w, a, b->capture[k], "_bar");
        added[count++] = w->capture_adjoints[k];
    }
    for (int k = 0; k < b->captures; k++) {
        if (!w->capture_adjoints[k] || !w->capture_masks[k])
            continue;
        vec_push(ctx->arena, &a->chosen, k);
        sums[count] = new_sum(w, a, b->capture[k], "_chosen");
        added[count++] = mask_count(ctx, w->capture_masks[k]);
    }
    accumulate(ctx, count, sums, added, moved);
    for (int k = 0; k < count; k++)
        vec_push(ctx->arena, &a->results, sums[k]);
    graph_substitute(ctx, a->results.at, a->results.count, moved, NULL, NULL);
}

static void close_backward(Backward *w, Adjoint *a, Map *replacement, bool same_index, Node **made)
{
    Body *b = w->body;
    Context *ctx = b->ctx;
    Node *one = node_int(ctx, 1), *index = b->index, *trip = index;
    if (!same_index) {
        index = node_param(ctx, str_intern(ctx, "back"), type_scalar(ctx, ELEM_INT), b->region->origin.span);
        NodeSet *before = graph_record(ctx, &b->set);
        trip = node_binary(ctx, OP_sub, node_binary(ctx, OP_sub, w->trips, one), index);
        graph_record(ctx, before);
        node_set_name(trip, b->index->origin.name);
        map_put(replacement, b->index, trip);
    }
    map_put(replacement, w->trip, trip);
    read_tape(b, a->results.at, a->results.count, trip, replacement, (Way){ same_index, w->apart });
    body_open(b, a->results.at, a->results.count, replacement);
    LoopParts p = { .trips = w->trips, .max_trips = b->region->attr[0], .checkpoint = b->region->attr[2], .index = index,
                    .carry_count = a->carries.count, .inits = a->inits.at, .carries = a->carries.at,
                    .result_count = a->results.count, .results = a->results.at, .body = &b->set };
    node_loop(ctx, &p, made);
}

/* NULL when the loop runs at least once. */
static Node *any_trip(Context *ctx, Node *trips)
{
    Node *runs = node_binary(ctx, OP_gt, trips, node_int(ctx, 0));
    return runs->op == OP_constant ? NULL : runs;
}

void loop_reverse(Context *ctx, Node *region, Node *const *value_adjoints, int batch, const bool *wanted,
                  Node **operand_adjoints, Node **conditions)
{
    Body b = body_of(ctx, region, batch);
    Map *replacement = map_new(ctx->arena);
    Adjoint a = { 0 };
    Backward w = { .body = &b, .seed = first_present(value_adjoints, b.carries + b.stacks),
                   .value_adjoints = value_adjoints };
    w.trips = b.condition ? node_result(ctx, region, b.carries + b.stacks) : region->operands[0];
    w.apart = is_apart(ctx, region, value_adjoints, b.carries + b.stacks);
    w.trip = node_param(ctx, str_intern(ctx, "trip"), type_scalar(ctx, ELEM_INT), region->origin.span);
    sweep_body(&w, wanted);
    add_bars(&w, &a, replacement, operand_adjoints);
    bool same_index = a.carries.count == 0 && !b.condition; /* nothing is carried back: any order will do */
    add_sums(&w, &a);
    Node **made = NEW_ARRAY(ctx->arena, Node *, a.results.count + 1);
    if (a.results.count)
        close_backward(&w, &a, replacement, same_index, made);
    for (int k = 0; k < a.of.count; k++) {
        int of = a.of.at[k], operand = of >= 0 ? b.leading + of : capture_operand(&b, -1 - of);
        operand_adjoints[operand] = made[k];
        if (of < 0)
            conditions[operand] = any_trip(ctx, w.trips);
    }
    for (int k = 0; k < a.chosen.count; k++)
        conditions[capture_operand(&b, a.chosen.at[k])] = node_binary(ctx, OP_gt, made[a.of.count + k], node_real(ctx, 0));
    body_end(&b);
}
