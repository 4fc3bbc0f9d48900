/* scatter.c: what is added to an array at a few places is added in place: x + index_add(0, i, v) becomes
 * index_add(x, i, v), and a loop or branch that adds up such scatters from zero starts from x instead.
 *
 * Adjoints of reads are scatters into zeros; in a loop a sum with them would touch whole arrays in each trip.  The terms of a
 * sum are taken in order of age: a region may start from what is older, and from younger terms that do not depend on it. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

enum { WORTH = 16, SPARSE = 4 };                            /* a padded row is scattered into more elements, and more rows */

typedef struct { Node *node; bool negative; } Term;
typedef Vec(Term) Terms;
typedef Vec(Node *) Links;

/* own: what nobody needs afterwards.  Fn -> its new Fn; Fn -> (node -> uses) */
typedef struct { Context *ctx; Arena *own; Map *bodies, *users; } Everywhere;

/* One function or body while it is rewritten. */
typedef struct {
    Everywhere *all;
    bool inside;                                            /* of a region */
    Map *users, *sums;                                      /* root of a sum -> its terms */
    Map *starts;                                            /* value of a region -> the terms that it starts from */
    Map *after;                                             /* region -> all of them, of all its values */
    bool reversed;                                          /* some are younger than their region */
    int oldest;                                             /* of these regions, by id */
    Map *now;                                               /* old node -> new node */
} Level;

/* ---- uses -------------------------------------------------------------------------------------------------------- */
static void add_use(Map *users, const Node *n) { map_put(users, n, (void *)((intptr_t)map_get(users, n) + 1)); }
static int uses(const Map *users, const Node *n) { return (int)(intptr_t)map_get(users, n); }

static Map *users_of(Everywhere *all, const Fn *fn)
{
    Map *users = map_get(all->users, fn);
    NodeList nodes = { 0 };
    if (users)
        return users;
    map_put(all->users, fn, users = map_new(all->own));
    ArenaMark mark = arena_mark(all->ctx->scratch);
    fn_nodes(all->ctx, fn, all->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        for (int i = 0; i < nodes.at[k]->operand_count; i++)
            add_use(users, nodes.at[k]->operands[i]);
    for (int k = 0; k < fn->results.count; k++)
        add_use(users, fn->results.at[k].node);
    arena_release(all->ctx->scratch, mark);
    return users;
}

/* ---- scatters ---------------------------------------------------------------------------------------------------- */
static const Node *chain_base(const Node *n)
{
    while (n->op == OP_index_add)
        n = n->operands[0];
    return n;
}

static Node *chain_onto(Context *ctx, Node *base, const Node *chain, bool negative);
static bool from_zero(Everywhere *all, const Fn *body, const Node *n);
static int additive_param(Everywhere *all, const Fn *body, int result);

/* A branch both of whose sides scatter into zeros. */
static bool branch_from_zero(Everywhere *all, const Node *n)
{
    if (n->op != OP_result || n->operands[0]->op != OP_branch)
        return false;
    for (int b = 0; b < 2; b++)
        if (!from_zero(all, n->operands[0]->body[b], n->operands[0]->body[b]->results.at[n->attr[0]].node))
            return false;
    return true;
}

/* A loop that adds up from zero or from scatters into zeros, and that nothing else in the body reads for this. */
static bool loop_from_zero(Everywhere *all, const Fn *body, const Node *n)
{
    const Node *loop = n->op == OP_result ? n->operands[0] : n;
    int first = loop->op == OP_while_loop;
    return (first || loop->op == OP_loop) && n->attr[0] < loop->attr[1] && uses(users_of(all, body), n) == 1
        && node_is_zero(chain_base(loop->operands[!first + n->attr[0]]))
        && additive_param(all, loop->body[0], first + (int)n->attr[0]) == 1 + n->attr[0];
}

static bool from_zero(Everywhere *all, const Fn *body, const Node *n)
{
    n = chain_base(n);
    return node_is_zero(n) || branch_from_zero(all, n) || loop_from_zero(all, body, n);
}

/* A single row with zeros around it, along the first axis. */
static bool is_padded_row(const Node *n)
{
    if (n->op != OP_pad || n->type->count <= WORTH || type_size(n->operands[0]->type, 0) != 1
        || n->type->count < SPARSE * n->operands[0]->type->count)
        return false;
    for (int k = 1; k < n->type->rank; k++)
        if (type_size(n->type, k) != type_size(n->operands[0]->type, k))
            return false;
    return true;
}

static Node *add_row(Context *ctx, Node *base, const Node *n)
{
    Node *index = node_int(ctx, n->attr[0]);
    int64_t sizes[RANK_MAX];
    for (int k = 1; k < n->type->rank; k++)
        sizes[k - 1] = type_size(n->type, k);
    Node *row = node_reshape(ctx, n->operands[0], type_sized(ctx, n->type->elem, n->type->rank - 1, sizes));
    return node_index_add(ctx, base, 1, &index, row);
}

/* The links of a chain of scatters, done again onto another base. */
static Node *chain_onto(Context *ctx, Node *base, const Node *chain, bool negative)
{
    Links links = { 0 };
    ArenaMark mark = arena_mark(ctx->scratch);
    for (; chain->op == OP_index_add; chain = chain->operands[0])
        vec_push(ctx->scratch, &links, (Node *)(uintptr_t)chain);
    for (int k = links.count - 1; k >= 0; k--) {
        const Node *l = links.at[k];
        Node *source = negative ? node_unary(ctx, OP_neg, l->operands[1]) : l->operands[1];
        base = node_index_add(ctx, base, l->operand_count - 2, l->operands + 2, source);
    }
    arena_release(ctx->scratch, mark);
    return base;
}

static bool is_zero_chain(const Node *n)
{
    return n->op == OP_index_add && node_is_zero(chain_base(n));
}

/* ---- loops that add up ------------------------------------------------------------------------------------------- */
static int additive_param(Everywhere *all, const Fn *body, int result);

/* What n is a sum of something with, in a body; NULL: nothing. */
static const Node *additive_base(Everywhere *all, const Node *n)
{
    if (n->op == OP_index_add || n->op == OP_add)
        return n->operands[0];
    if (n->op != OP_result)
        return NULL;
    const Node *region = n->operands[0];
    int k = (int)n->attr[0], first = region->op == OP_while_loop;
    if (region->op != OP_branch)
        return k < region->attr[1] && additive_param(all, region->body[0], first + k) == 1 + k
            ? region->operands[region_leading_count(region) - (int)region->attr[1] + k] : NULL;
    int yes = additive_param(all, region->body[0], k);
    return yes >= 0 && yes == additive_param(all, region->body[1], k) ? region->operands[1 + yes] : NULL;
}

/* The param that a result is a sum of something with and that nothing else reads, nor what is between; or -1. */
static int additive_param(Everywhere *all, const Fn *body, int result)
{
    const Map *users = users_of(all, body);
    const Node *n = body->results.at[result].node;
    while (n && n->op != OP_param)
        n = uses(users, n) == 1 ? additive_base(all, n) : NULL;
    for (int k = 0; n && k < body->params.count; k++)
        if (body->params.at[k].node == n)
            return uses(users, n) == 1 ? k : -1;
    return -1;
}

static const Fn *new_body(Everywhere *all, const Fn *body);

/* Does value k of a region that is still to be rewritten add up from zero? */
static bool adds_from_zero(Everywhere *all, const Node *value)
{
    if (value->op != OP_result)
        return false;
    const Node *region = value->operands[0];
    int k = (int)value->attr[0], first = region->op == OP_while_loop;
    if (region->op == OP_branch) {
        bool both = true;
        for (int b = 0; b < 2; b++)
            both &= from_zero(all, new_body(all, region->body[b]), new_body(all, region->body[b])->results.at[k].node);
        return both;
    }
    int init = region_leading_count(region) - (int)region->attr[1] + k;
    return k < region->attr[1] && node_is_zero(region->operands[init])
        && additive_param(all, new_body(all, region->body[0]), first + k) == 1 + k;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */
static bool is_sum(const Node *n)
{
    return (n->op == OP_add || n->op == OP_sub) && n->type->elem == ELEM_REAL && n->type->rank > 0;
}

static void find_terms(Level *l, Node *root, Terms *terms)
{
    Terms stack = { 0 };
    Arena *arena = l->all->own;
    vec_push(arena, &stack, ((Term){ root, false }));
    while (stack.count) {
        Term t = stack.at[--stack.count];
        if (t.node != root && (!is_sum(t.node) || uses(l->users, t.node) != 1)) {
            vec_push(arena, terms, t);
            continue;
        }
        vec_push(arena, &stack, ((Term){ t.node->operands[1], t.negative != (t.node->op == OP_sub) }));
        vec_push(arena, &stack, ((Term){ t.node->operands[0], t.negative }));
    }
}

static int by_age(const void *a, const void *b)
{
    const Node *x = ((const Term *)a)->node, *w = ((const Term *)b)->node;
    return (x->id > w->id) - (x->id < w->id);
}

static bool may_start(Level *l, Term t)
{
    return !t.negative && t.node->op == OP_result && uses(l->users, t.node) == 1 && adds_from_zero(l->all, t.node);
}

/* A sum of scatters into zeros, which becomes one chain. */
static bool is_sum_of_chains(const Node *n)
{
    while (n->op == OP_add && is_zero_chain(n->operands[1]))
        n = n->operands[0];
    return is_zero_chain(n);
}

/* Is it a small part of an array of zeros, moved any number of times? */
static bool is_moved(const Level *l, const Node *n)
{
    const Node *x = n;
    if (!l->inside || n->type->count <= WORTH)
        return false;
    while (x->op == OP_pad || x->op == OP_reshape || x->op == OP_permute)
        x = x->operands[0];
    return x != n && (is_sum_of_chains(x) || scatter_moved(l->all->ctx, n, true));
}

static bool is_movable(const Level *l, const Node *n) { return is_zero_chain(n) || is_moved(l, n) || is_padded_row(n); }

/* Must the region come before n?  A long search says yes. */
static bool needs_region(Level *l, const Node *n, const Node *region)
{
    enum { NODES_MOST = 1024 };
    Arena *scratch = l->all->ctx->scratch;
    ArenaMark mark = arena_mark(scratch);
    Map *seen = map_new(scratch);
    Vec(const Node *) stack = { 0 };
    int oldest = region->id < l->oldest ? region->id : l->oldest;
    bool found = false;
    vec_push(scratch, &stack, n);
    while (stack.count && !found) {
        n = stack.at[--stack.count];
        if (n->id < oldest || map_get(seen, n))
            continue;
        map_put(seen, n, seen);
        found = n == region || map_count(seen) > NODES_MOST;
        for (int k = 0; k < n->operand_count; k++)
            vec_push(scratch, &stack, n->operands[k]);
        const Terms *after = map_get(l->after, n);
        for (int k = 0; after && k < after->count; k++)
            vec_push(scratch, &stack, after->at[k].node);
    }
    arena_release(scratch, mark);
    return found;
}

static void put_after(Level *l, const Node *region, Term t)
{
    Terms *after = map_get(l->after, region);
    if (!after)
        map_put(l->after, region, after = NEW(l->all->own, Terms));
    vec_push(l->all->own, after, t);
    l->oldest = region->id < l->oldest ? region->id : l->oldest;
}

/* Takes from the list what the value of a region may start from.  Of what is younger only whole arrays: the rest is added later. */
static void take_start(Level *l, const Node *region, bool younger, Terms *from, Terms *start)
{
    int kept = 0;
    for (int k = 0; k < from->count; k++) {
        Term t = from->at[k];
        bool older = t.node->id < region->id;
        bool whole = younger && !is_movable(l, t.node) && !may_start(l, t);
        /* what is older needs the region where a younger term goes into something before it */
        if ((older && !l->reversed) || ((older || whole) && !needs_region(l, t.node, region))) {
            vec_push(l->all->own, start, t);
            put_after(l, region, t);
            l->reversed |= !older;
        } else {
            from->at[kept++] = t;
        }
    }
    from->count = kept;
}

static Terms start_values(Level *l, const Terms *terms)
{
    Terms pending = { 0 }, rest = *terms;
    Arena *arena = l->all->own;
    while (rest.count) {
        Term t = rest.at[0];
        Terms *start = NEW(arena, Terms);
        rest.at++;
        rest.count--;
        if (may_start(l, t)) {
            take_start(l, t.node->operands[0], false, &pending, start);
            take_start(l, t.node->operands[0], true, &rest, start);
            if (start->count)
                map_put(l->starts, t.node, start);
        }
        vec_push(arena, &pending, t);
    }
    return pending;
}

static bool has_movable(Level *l, const Terms *terms)
{
    for (int k = 0; k < terms->count; k++)
        if (is_movable(l, terms->at[k].node) || may_start(l, terms->at[k]))
            return true;
    return false;
}

static void find_sums(Level *l, const Fn *fn)
{
    NodeList nodes = { 0 };
    Arena *own = l->all->own;
    Map *inner = map_new(own);
    fn_nodes(l->all->ctx, fn, own, &nodes);
    for (int k = nodes.count - 1; k >= 0; k--) {
        Node *n = nodes.at[k];
        if (!is_sum(n))
            continue;
        for (int i = 0; i < 2; i++)
            if (is_sum(n->operands[i]) && uses(l->users, n->operands[i]) == 1)
                map_put(inner, n->operands[i], n);
        if (map_get(inner, n))
            continue;
        Terms *terms = NEW(own, Terms);
        find_terms(l, n, terms);
        if (!has_movable(l, terms))
            continue;
        qsort(terms->at, (size_t)terms->count, sizeof *terms->at, by_age);
        *terms = start_values(l, terms);
        map_put(l->sums, n, terms);
    }
}

/* ---- sums made again --------------------------------------------------------------------------------------------- */
static Node *now(const Level *l, Node *old)
{
    Node *n = map_get(l->now, old);
    return n ? n : old;
}

static Node *plus(Context *ctx, Node *sum, Node *x, bool negative)
{
    if (!sum)
        return negative ? node_unary(ctx, OP_neg, x) : x;
    return node_binary(ctx, negative ? OP_sub : OP_add, sum, x);
}

/* Whole arrays first, then what is scattered onto them. */
static Node *sum_of(Level *l, const Terms *terms)
{
    Context *ctx = l->all->ctx;
    Node *sum = NULL;
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < terms->count; k++) {
            Node *x = now(l, terms->at[k].node), *moved = NULL;
            if (is_moved(l, x) && !is_padded_row(x))
                moved = scatter_moved(ctx, x, true);
            x = moved ? moved : x;
            bool negative = terms->at[k].negative, chain = is_zero_chain(x), row = !negative && is_padded_row(x);
            if ((chain || row) != (pass == 1))
                continue;
            if (sum && chain)
                sum = chain_onto(ctx, sum, x, negative);
            else if (sum && row && sum->op != OP_pad)
                sum = add_row(ctx, sum, x);
            else
                sum = plus(ctx, sum, x, negative);
        }
    return sum;
}

static Node *rewrite_node(Context *ctx, const Node *old, Node *const *operands, void *user)
{
    Level *l = user;
    const Terms *terms = map_get(l->sums, old);
    Node *made = terms ? sum_of(l, terms) : node_rebuild(ctx, old, operands);
    Node *moved = l->inside && made->type->count > WORTH ? scatter_moved(ctx, made, false) : NULL;
    made = moved ? moved : made;
    if (terms && old->origin.name)
        node_set_name(made, old->origin.name);
    map_put(l->now, old, made);
    return made;
}

/* ---- regions made again ------------------------------------------------------------------------------------------ */
static Fn *started_body(Context *ctx, const Fn *body, int count, const int *which);

/* The value of a loop that adds up, begun at `start`; its other values move to the new loop. */
static Node *started_loop(Context *ctx, const Node *value, Node *start, Map *moved)
{
    Node *loop = value->operands[0];
    Node **operands = arena_copy(ctx->arena, loop->operands, sizeof *operands * (size_t)loop->operand_count);
    Node **values = NEW_ARRAY(ctx->arena, Node *, region_result_count(loop) + 1);
    Node **init = &operands[(loop->op == OP_loop) + value->attr[0]];
    *init = chain_onto(ctx, start, *init, false);
    region_again(ctx, loop, loop->body, operands, NULL, values);
    for (int k = 0; k < region_result_count(loop); k++)
        if (k != value->attr[0])
            map_put(moved, node_result(ctx, loop, k), values[k]);
    return values[value->attr[0]];
}

/* The node with `start` in the place of the zeros that it scatters into. */
static Node *started(Context *ctx, Node *n, Node *start, Map *moved)
{
    const Node *base = chain_base(n);
    if (base->op == OP_result && base->operands[0]->op != OP_branch)
        start = started_loop(ctx, base, start, moved);
    if (base->op == OP_result && base->operands[0]->op == OP_branch) {
        const Node *branch = base->operands[0];
        int which = (int)base->attr[0];
        const Fn *bodies[2];
        for (int b = 0; b < 2; b++)
            bodies[b] = started_body(ctx, branch->body[b], 1, &which);
        Node **operands = NEW_ARRAY(ctx->arena, Node *, branch->operand_count + 1);
        Node **values = NEW_ARRAY(ctx->arena, Node *, region_result_count(branch) + 1);
        memcpy(operands, branch->operands, sizeof *operands * (size_t)branch->operand_count);
        operands[branch->operand_count] = start;
        region_again(ctx, branch, bodies, operands, NULL, values);
        start = values[which];
    }
    return chain_onto(ctx, start, n, false);
}

static void move_results(Context *ctx, Fn *fn, const Map *moved)
{
    int count = map_count(moved) ? fn->results.count : 0;
    Node **roots = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < count; k++)
        roots[k] = fn->results.at[k].node;
    graph_substitute(ctx, roots, count, moved, NULL, NULL);
    for (int k = 0; k < count; k++)
        fn->results.at[k].node = roots[k];
}

/* Some results start from params, which follow the others. */
static Fn *started_body(Context *ctx, const Fn *body, int count, const int *which)
{
    Fn *fn = NEW(ctx->arena, Fn);
    *fn = *body;
    memset(&fn->params, 0, sizeof fn->params);
    memset(&fn->results, 0, sizeof fn->results);
    for (int k = 0; k < body->params.count; k++)
        vec_push(ctx->arena, &fn->params, body->params.at[k]);
    for (int k = 0; k < body->results.count; k++)
        vec_push(ctx->arena, &fn->results, body->results.at[k]);
    for (int k = 0; k < count; k++) {
        Result *r = &fn->results.at[which[k]];
        Map *moved = map_new(ctx->arena);
        Node *param = node_param(ctx, r->node->origin.name, r->node->type, r->node->origin.span);
        vec_push(ctx->arena, &fn->params, ((Param){ .name = param->origin.name, .node = param }));
        r->node = started(ctx, r->node, param, moved);
        move_results(ctx, fn, moved);
    }
    return fn;
}

static void branch_again(Level *l, const Node *old, Node *const *operands, const Fn **bodies, Node **values)
{
    Context *ctx = l->all->ctx;
    int all = region_result_count(old), count = 0;
    int *which = NEW_ARRAY(ctx->arena, int, all + 1);
    Node **more = NEW_ARRAY(ctx->arena, Node *, old->operand_count + all + 1);
    memcpy(more, operands, sizeof *more * (size_t)old->operand_count);
    for (int k = 0; k < all; k++) {
        const Terms *start = map_get(l->starts, node_result(ctx, (Node *)(uintptr_t)old, k));
        if (start) {
            more[old->operand_count + count] = sum_of(l, start);
            which[count++] = k;
        }
    }
    for (int b = 0; count && b < 2; b++)
        bodies[b] = started_body(ctx, bodies[b], count, which);
    region_again(ctx, old, bodies, more, NULL, values);
}

static void loop_again(Level *l, const Node *old, Node *const *operands, const Fn **bodies, Node **values)
{
    Context *ctx = l->all->ctx;
    int first = region_leading_count(old) - (int)old->attr[1];
    Node **inits = arena_copy(ctx->arena, operands, sizeof *inits * (size_t)old->operand_count);
    for (int k = 0; k < old->attr[1]; k++) {
        const Terms *start = map_get(l->starts, node_result(ctx, (Node *)(uintptr_t)old, k));
        if (start)
            inits[first + k] = sum_of(l, start);
    }
    region_again(ctx, old, bodies, inits, NULL, values);
}

static void rewrite_region(Context *ctx, const Node *old, Node *const *operands, void *user, Node **values)
{
    Level *l = user;
    const Fn *bodies[2] = { new_body(l->all, old->body[0]), old->body[1] ? new_body(l->all, old->body[1]) : NULL };
    (old->op == OP_branch ? branch_again : loop_again)(l, old, operands, bodies, values);
    for (int k = 0; k < region_result_count(old); k++)
        map_put(l->now, node_result(ctx, (Node *)(uintptr_t)old, k), values[k]);
}

static void before(const Node *region, void *user, NodeList *out)
{
    const Level *l = user;
    const Terms *after = map_get(l->after, region);
    for (int k = 0; after && k < after->count; k++)
        vec_push(l->all->own, out, after->at[k].node);
}

/* ---- functions --------------------------------------------------------------------------------------------------- */
static Fn *scatter_fn(Everywhere *all, const Fn *fn, bool inside)
{
    Level l = { .all = all, .inside = inside, .users = users_of(all, fn), .sums = map_new(all->own), .starts = map_new(all->own),
                .now = map_new(all->own), .after = map_new(all->own), .oldest = INT32_MAX };
    find_sums(&l, fn);
    return fn_rewrite_ordered(all->ctx, fn, rewrite_node, rewrite_region, before, &l);
}

static const Fn *new_body(Everywhere *all, const Fn *body)
{
    Fn *fn = map_get(all->bodies, body);
    if (!fn)
        map_put(all->bodies, body, fn = scatter_fn(all, body, true));
    return fn;
}

static bool may_matter(const Node *n)
{
    return n->op == OP_index_add || n->op == OP_pad || node_is_region(n);
}

Fn *fn_scatter_sums(Context *ctx, const Fn *fn)
{
    if (!fn_has(ctx, fn, may_matter))
        return (Fn *)(uintptr_t)fn;
    Arena *own = arena_new();
    Everywhere all = { .ctx = ctx, .own = own, .bodies = map_new(own), .users = map_new(own) };
    Fn *result = scatter_fn(&all, fn, false);
    arena_free(own);
    return result;
}
