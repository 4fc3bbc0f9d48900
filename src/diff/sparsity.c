/* sparsity.c: which elements of y depend on which elements of x, by the structure of the graph alone.
 *
 * Every real element carries the set of elements of x that a derivative flows from (sets.c).  Ops that move elements move
 * the sets, others unite them; a factor that is known to be 0 cuts.  Loops whose trips are known are followed trip by
 * trip, so that x[i] in a loop is one element; of other regions every value depends on all that goes in.  So a pattern
 * may have a place too many, and never one too few. */
#include "sparsity.h"

#include <string.h>

enum { WORK_MOST = 400 * 1000 * 1000 };                     /* elements looked at */

/* ids: the set of each element, NULL when all are empty.  known: the values where they do not depend on the input. */
typedef struct { double *ids; const double *known; } Facts;

typedef struct {
    Context *ctx;
    Sets *sets;
    int64_t work;
} Sparsity;

typedef struct {                                            /* one function, or a body in one trip */
    Sparsity *s;
    Arena *arena;
    NodeList nodes;
    Facts *facts;                                           /* by place */
    Facts **values;                                         /* by place, of regions */
} Scope;

static bool scope_run(Sparsity *s, Arena *arena, const Fn *fn, const Facts *params, Facts *results);

static Facts *facts_of(const Scope *c, const Node *n) { return &c->facts[node_place(&c->nodes, n)]; }
static double *ids_new(const Scope *c, const Node *n) { return NEW_ARRAY(c->arena, double, n->type->count); }
static double unite(const Scope *c, double a, double b) { return set_union(c->s->sets, (int)a, (int)b); }

/* ---- ops that unite ---------------------------------------------------------------------------------------------- */
/* A product with 0 does not depend on its other factor, whatever that is. */
static bool is_cut(const Scope *c, const Node *n, int operand, int64_t i)
{
    if (n->op == OP_where) {
        const double *known = facts_of(c, n->operands[0])->known;
        return known && (known[i] != 0) != (operand == 1);
    }
    if (n->op != OP_mul && (n->op != OP_div || operand == 0))
        return false;
    const double *known = facts_of(c, n->operands[1 - operand])->known;
    return known && known[i] == 0;
}

static double *of_pointwise(const Scope *c, const Node *n)
{
    double *ids = ids_new(c, n);
    for (int k = 0; k < n->operand_count; k++) {
        const double *from = operand_carries(n, k) ? facts_of(c, n->operands[k])->ids : NULL;
        for (int64_t i = 0; from && i < n->type->count; i++)
            if (from[i] > 0 && !is_cut(c, n, k, i))
                ids[i] = unite(c, ids[i], from[i]);
    }
    return ids;
}

static void strides_of(const Type *t, int64_t *stride)
{
    int64_t step = 1;
    for (int k = t->rank - 1; k >= 0; k--) {
        stride[k] = step;
        step *= type_size(t, k);
    }
}

/* The union of the elements that go into each element of a reduction. */
static double *of_reduction(const Scope *c, const Node *n)
{
    const Type *x = n->operands[0]->type;
    const double *from = facts_of(c, n->operands[0])->ids;
    int64_t own[RANK_MAX], to[RANK_MAX] = { 0 }, step = 1, most = x->count / n->type->count;
    strides_of(x, own);
    for (int k = x->rank - 1; k >= 0; k--) {
        bool reduced = false;
        for (int i = 0; i < n->attr_count; i++)
            reduced |= n->attr[i] + x->rank == k;
        to[k] = reduced ? 0 : step;
        step *= reduced ? 1 : type_size(x, k);
    }
    int *lists = NEW_ARRAY(c->arena, int, x->count), *count = NEW_ARRAY(c->arena, int, n->type->count);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t at = 0;
        for (int k = 0; k < x->rank; k++)
            at += i / own[k] % type_size(x, k) * to[k];
        if (from[i] > 0)
            lists[at * most + count[at]++] = (int)from[i];
    }
    double *ids = ids_new(c, n);
    for (int64_t i = 0; i < n->type->count; i++)
        ids[i] = set_union_of(c->s->sets, lists + i * most, count[i]);
    return ids;
}

typedef struct { int64_t size, stride[2]; } Label;

/* The labels of the result first, then those that are summed over. */
static int labels_of(const Node *n, Label *label, int *kept)
{
    int64_t name[3 * RANK_MAX], stride[RANK_MAX];
    const int64_t *of[3] = { n->attr, n->attr + n->operands[0]->type->rank, n->attr + n->attr_count - n->type->rank };
    int count = 0;
    for (int pass = 0; pass < 3; pass++) {
        int which = pass == 0 ? 2 : pass - 1;
        if (which == 1 && n->operand_count == 1)
            continue;
        const Type *t = which == 2 ? n->type : n->operands[which]->type;
        strides_of(t, stride);
        for (int k = 0; k < t->rank; k++) {
            int at = 0;
            while (at < count && name[at] != of[which][k])
                at++;
            if (at == count) {
                name[count] = of[which][k];
                label[count++] = (Label){ .size = type_size(t, k) };
            }
            if (which < 2)
                label[at].stride[which] += stride[k];
        }
        if (pass == 0)
            *kept = count;
    }
    return count;
}

static bool repeats(const int64_t *labels, int count)
{
    for (int k = 0; k < count; k++)
        for (int i = 0; i < k; i++)
            if (labels[i] == labels[k])
                return true;
    return false;
}

/* What flows into one element: its terms whose other factor may differ from 0. */
static int einsum_terms(const Scope *c, const Node *n, const Label *label, int kept, int count, const int64_t *first, int *list)
{
    int64_t terms = 1;
    int found = 0;
    for (int k = kept; k < count; k++)
        terms *= label[k].size;
    for (int64_t t = 0; t < terms; t++) {
        int64_t at[2] = { first[0], first[1] }, rest = t;
        for (int k = count - 1; k >= kept; k--) {
            for (int o = 0; o < 2; o++)
                at[o] += rest % label[k].size * label[k].stride[o];
            rest /= label[k].size;
        }
        for (int o = 0; o < n->operand_count; o++) {
            const Facts *f = facts_of(c, n->operands[o]), *other = facts_of(c, n->operands[n->operand_count - 1 - o]);
            bool cut = n->operand_count == 2 && other->known && other->known[at[1 - o]] == 0;
            if (f->ids && f->ids[at[o]] > 0 && !cut)
                list[found++] = (int)f->ids[at[o]];
        }
    }
    return found;
}

static double *of_einsum(Scope *c, const Node *n)
{
    Label label[3 * RANK_MAX];
    int kept = 0, count = labels_of(n, label, &kept);
    int64_t terms = 1;
    for (int k = kept; k < count; k++)
        terms *= label[k].size;
    c->s->work += n->type->count * terms;
    double *ids = ids_new(c, n);
    /* a result on a diagonal has elements that nothing flows into: all that is there for each is enough */
    if (repeats(n->attr + n->attr_count - n->type->rank, n->type->rank) || c->s->work > WORK_MOST)
        return NULL;
    int *list = NEW_ARRAY(c->arena, int, 2 * terms + 1);
    for (int64_t i = 0; i < n->type->count; i++) {
        int64_t first[2] = { 0, 0 }, rest = i;
        for (int k = kept - 1; k >= 0; k--) {
            for (int o = 0; o < 2; o++)
                first[o] += rest % label[k].size * label[k].stride[o];
            rest /= label[k].size;
        }
        ids[i] = set_union_of(c->s->sets, list, einsum_terms(c, n, label, kept, count, first, list));
    }
    return ids;
}

/* y_k = b_k + a_k y_{k-1} */
static double *of_recurrence(const Scope *c, const Node *n)
{
    const Facts *a = facts_of(c, n->operands[0]), *b = facts_of(c, n->operands[1]);
    int64_t own[RANK_MAX], axis = n->attr[0] + n->type->rank, length = type_size(n->type, (int)axis);
    double *ids = ids_new(c, n);
    strides_of(n->type, own);
    for (int64_t i = 0; i < n->type->count; i++) {
        bool first = i / own[axis] % length == 0;
        ids[i] = b->ids ? b->ids[i] : 0;
        if (!first && a->ids)
            ids[i] = unite(c, ids[i], a->ids[i]);
        if (!first && !(a->known && a->known[i] == 0))
            ids[i] = unite(c, ids[i], ids[i - own[axis]]);
    }
    return ids;
}

/* base + source at known places */
static double *of_index_add(const Scope *c, const Node *n)
{
    const Facts *base = facts_of(c, n->operands[0]), *source = facts_of(c, n->operands[1]);
    int count = n->operand_count - 2;
    double *ids = ids_new(c, n);
    int64_t part = 1;
    for (int k = count; k < n->type->rank; k++)
        part *= type_size(n->type, k);
    if (base->ids)
        memcpy(ids, base->ids, sizeof *ids * (size_t)n->type->count);
    for (int64_t i = 0; source->ids && i < n->operands[2]->type->count; i++) {
        int64_t offset = 0;
        for (int k = 0; k < count; k++) {
            int64_t at = (int64_t)facts_of(c, n->operands[2 + k])->known[i], size = type_size(n->type, k);
            offset = offset * size + (at < 0 ? 0 : at >= size ? size - 1 : at);
        }
        for (int64_t k = 0; k < part; k++)
            ids[offset * part + k] = unite(c, ids[offset * part + k], source->ids[i * part + k]);
    }
    return ids;
}

/* ---- everything from everything ---------------------------------------------------------------------------------- */
static int all_that_goes_in(const Scope *c, const Node *n)
{
    int all = 0;
    for (int k = 0; k < n->operand_count; k++) {
        const Node *x = n->operands[k];
        const double *ids = x->type->elem == ELEM_REAL && operand_carries(n, k) ? facts_of(c, x)->ids : NULL;
        for (int64_t i = 0; ids && i < x->type->count; i++)
            all = set_union(c->s->sets, all, (int)ids[i]);
    }
    return all;
}

static double *filled(const Scope *c, const Type *t, int id)
{
    double *ids = NEW_ARRAY(c->arena, double, t->count);
    for (int64_t i = 0; i < t->count; i++)
        ids[i] = id;
    return id && t->elem == ELEM_REAL ? ids : NULL;
}

/* ---- ops that move ----------------------------------------------------------------------------------------------- */
/* The evaluator moves the sets; places must be known. */
static double *of_movement(const Scope *c, const Node *n, int reals)
{
    const double **operands = NEW_ARRAY(c->arena, const double *, n->operand_count + 1);
    for (int k = 0; k < n->operand_count; k++) {
        const Facts *f = facts_of(c, n->operands[k]);
        operands[k] = k >= reals ? f->known : f->ids ? f->ids : ids_new(c, n->operands[k]);
    }
    double *ids = ids_new(c, n);
    eval_node(c->s->ctx, n, operands, ids);
    return ids;
}

static bool places_known(const Scope *c, const Node *n, int first)
{
    for (int k = first; k < n->operand_count; k++)
        if (!facts_of(c, n->operands[k])->known)
            return false;
    return true;
}

static double *ids_of(Scope *c, const Node *n)
{
    double *ids = NULL;
    switch (n->op) {
    case OP_expand: case OP_reshape: case OP_permute: case OP_slice: case OP_pad: case OP_concat: case OP_stack:
    case OP_bind: return of_movement(c, n, n->operand_count);
    case OP_index: ids = places_known(c, n, 1) ? of_movement(c, n, 1) : NULL; break;
    case OP_index_set: ids = places_known(c, n, 2) ? of_movement(c, n, 2) : NULL; break;
    case OP_index_add: ids = places_known(c, n, 2) ? of_index_add(c, n) : NULL; break;
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce: return of_reduction(c, n);
    case OP_einsum: ids = of_einsum(c, n); break;
    case OP_recurrence: return of_recurrence(c, n);
    default: ids = node_is_pointwise(n) ? of_pointwise(c, n) : NULL; break;
    }
    return ids ? ids : filled(c, n->type, all_that_goes_in(c, n));
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */
static Facts kept(Arena *arena, const Facts *f, const Type *t)
{
    size_t size = sizeof(double) * (size_t)t->count;
    return (Facts){ f->ids ? arena_copy(arena, f->ids, size) : NULL, f->known ? arena_copy(arena, f->known, size) : NULL };
}

/* The captures follow the body's own params. */
static Facts *arguments_of(const Scope *c, const Node *n)
{
    int own = region_own_count(n), leading = region_leading_count(n);
    Facts *arguments = NEW_ARRAY(c->arena, Facts, n->body[0]->params.count + n->operand_count + 1);
    for (int k = leading; k < n->operand_count; k++)
        arguments[own + k - leading] = *facts_of(c, n->operands[k]);
    return arguments;
}

/* The carries as the next trip finds them: results may lie in one another's place. */
static void take_carries(Arena *trip, const Fn *body, int carries, const Facts *results, const Facts *own, Facts *arguments)
{
    Facts *copies = NEW_ARRAY(trip, Facts, carries + 1);
    for (int k = 0; k < carries; k++)
        copies[k] = kept(trip, &results[k], body->results.at[k].node->type);
    for (int k = 0; k < carries; k++) {
        size_t size = sizeof(double) * (size_t)body->results.at[k].node->type->count;
        arguments[k] = (Facts){ copies[k].ids ? own[k].ids : NULL, copies[k].known ? own[k].known : NULL };
        if (copies[k].ids)
            memcpy(own[k].ids, copies[k].ids, size);
        if (copies[k].known)
            memcpy((double *)(uintptr_t)own[k].known, copies[k].known, size);
    }
}

/* More than may be looked at, so that this is known before it is tried. */
static bool is_too_long(Scope *c, const Fn *body, int64_t trips)
{
    NodeList nodes = { 0 };
    int64_t work = 0;
    fn_nodes(c->s->ctx, body, c->arena, &nodes);
    for (int k = 0; k < nodes.count; k++)
        work += node_is_region(nodes.at[k]) || nodes.at[k]->op == OP_result || nodes.at[k]->op == OP_param ? 0 : nodes.at[k]->type->count;
    bool too_long = work > 0 && trips > (WORK_MOST - c->s->work) / work;
    c->s->work += too_long ? WORK_MOST : 0;
    return too_long;
}

static bool follow_loop(Scope *c, const Node *n, Facts *values)
{
    const Fn *body = n->body[0];
    const double *known = facts_of(c, n->operands[0])->known;
    int carries = (int)n->attr[1], count = body->results.count;
    if (!known)
        return false;
    int64_t trips = known[0] < (double)n->attr[0] ? (int64_t)known[0] : n->attr[0];
    if (is_too_long(c, body, trips))
        return false;
    Facts *arguments = arguments_of(c, n), *own = NEW_ARRAY(c->arena, Facts, count + 1);
    for (int k = 0; k < count; k++) {
        int64_t size = node_result_type(c->s->ctx, n, k)->count;
        own[k].ids = NEW_ARRAY(c->arena, double, size);
        own[k].known = k < carries ? NEW_ARRAY(c->arena, double, size) : NULL;
        if (k < carries)
            arguments[1 + k] = *facts_of(c, n->operands[1 + k]);
    }
    bool good = true;
    for (int64_t trip = 0; good && trip < trips; trip++) {
        Arena *arena = arena_new();
        double index = (double)trip;
        Facts *results = NEW_ARRAY(arena, Facts, count + 1);
        arguments[0] = (Facts){ .known = &index };
        good = scope_run(c->s, arena, body, arguments, results);
        for (int k = carries; good && k < count; k++) {
            int64_t row = body->results.at[k].node->type->count;
            if (results[k].ids)
                memcpy(own[k].ids + trip * row, results[k].ids, sizeof(double) * (size_t)row);
        }
        if (good)
            take_carries(arena, body, carries, results, own, arguments + 1);
        arena_free(arena);
    }
    for (int k = 0; k < count; k++)
        values[k] = k < carries ? arguments[1 + k] : own[k];
    return good;
}

static bool follow_branch(Scope *c, const Node *n, Facts *values)
{
    const double *known = facts_of(c, n->operands[0])->known;
    int count = n->body[0]->results.count;
    for (int side = 0; side < 2; side++) {
        Facts *results = NEW_ARRAY(c->arena, Facts, count + 1);
        if (known && (known[0] != 0) != (side == 0))
            continue;
        if (!scope_run(c->s, c->arena, n->body[side], arguments_of(c, n), results))
            return false;
        for (int k = 0; k < count; k++) {
            const Type *t = n->body[side]->results.at[k].node->type;
            if (!values[k].ids)
                values[k].ids = NEW_ARRAY(c->arena, double, t->count);
            for (int64_t i = 0; results[k].ids && i < t->count; i++)
                values[k].ids[i] = unite(c, values[k].ids[i], results[k].ids[i]);
        }
    }
    return true;
}

static Facts *of_region(Scope *c, const Node *n)
{
    int count = region_result_count(n);
    Facts *values = NEW_ARRAY(c->arena, Facts, count + 1);
    if (n->op == OP_loop ? follow_loop(c, n, values) : n->op == OP_branch && follow_branch(c, n, values))
        return values;
    int all = all_that_goes_in(c, n);
    for (int k = 0; k < count; k++)
        values[k] = (Facts){ filled(c, node_result_type(c->s->ctx, n, k), all), NULL };
    return values;
}

/* ---- one function ------------------------------------------------------------------------------------------------ */
/* Values that follow from known ones. */
static const double *known_of(const Scope *c, const Node *n)
{
    const double **operands = NEW_ARRAY(c->arena, const double *, n->operand_count + 1);
    if (n->op == OP_constant)
        return n->data;
    if (n->op == OP_call || n->op == OP_override || n->op == OP_param)
        return NULL;
    for (int k = 0; k < n->operand_count; k++)
        if (!(operands[k] = facts_of(c, n->operands[k])->known))
            return NULL;
    double *known = ids_new(c, n);
    eval_node(c->s->ctx, n, operands, known);
    return known;
}

static bool depends(const Scope *c, const Node *n)
{
    for (int k = 0; k < n->operand_count; k++)
        if (facts_of(c, n->operands[k])->ids)
            return true;
    return false;
}

static void visit(Scope *c, int k)
{
    const Node *n = c->nodes.at[k];
    if (node_is_region(n)) {
        c->values[k] = of_region(c, n);
    } else if (n->op == OP_result) {
        c->facts[k] = c->values[node_place(&c->nodes, n->operands[0])][n->attr[0]];
    } else {
        c->s->work += n->type->count;
        c->facts[k].known = known_of(c, n);
        if (n->type->elem == ELEM_REAL && !c->facts[k].known && depends(c, n))
            c->facts[k].ids = ids_of(c, n);
    }
}

/* False: it takes too much. */
static bool scope_run(Sparsity *s, Arena *arena, const Fn *fn, const Facts *params, Facts *results)
{
    Scope c = { .s = s, .arena = arena };
    fn_nodes(s->ctx, fn, arena, &c.nodes);
    c.facts = NEW_ARRAY(arena, Facts, c.nodes.count + 1);
    c.values = NEW_ARRAY(arena, Facts *, c.nodes.count + 1);
    for (int k = 0; k < fn->params.count; k++) {
        int place = node_place(&c.nodes, fn->params.at[k].node);
        if (place >= 0)
            c.facts[place] = params[k];
    }
    for (int k = 0; k < c.nodes.count; k++) {
        if (c.nodes.at[k]->op != OP_param)
            visit(&c, k);
        if (s->work > WORK_MOST || sets_full(s->sets))
            return false;
    }
    for (int k = 0; k < fn->results.count; k++)
        results[k] = *facts_of(&c, fn->results.at[k].node);
    return true;
}

/* False: it takes too much. */
static bool pattern_of(Context *ctx, const Sets *sets, const Facts *f, const Type *t, Pattern *pattern)
{
    Vec(int32_t) row = { 0 }, column = { 0 };
    for (int64_t i = 0; f->ids && i < t->count; i++) {
        const int *members;
        int count = set_members(sets, (int)f->ids[i], &members);
        if (row.count + count > SPARSE_MOST)
            return false;
        for (int k = 0; k < count; k++) {
            vec_push(ctx->arena, &row, (int32_t)i);
            vec_push(ctx->arena, &column, (int32_t)members[k]);
        }
    }
    *pattern = (Pattern){ .count = row.count, .row = row.at, .column = column.at };
    return true;
}

bool sparsity_patterns(Context *ctx, const Fn *fn, const Node *x, int y_count, Node *const *ys, Pattern *patterns)
{
    Arena *arena = arena_new();
    Fn whole = { .name = fn->name, .span = fn->span, .params = { fn->params.at, fn->params.count, fn->params.count } };
    for (int k = 0; k < y_count; k++)
        vec_push(ctx->arena, &whole.results, ((Result){ .name = fn->name, .node = ys[k] }));
    const Fn *tidy = fn_tidy_regions(ctx, fn_strip_binds(ctx, &whole));     /* what ys do not need is not followed */
    Sparsity s = { .ctx = ctx, .sets = sets_new(arena, (int)x->type->count) };
    Facts *params = NEW_ARRAY(arena, Facts, fn->params.count + 1), *results = NEW_ARRAY(arena, Facts, y_count + 1);
    for (int k = 0; k < fn->params.count; k++)
        if (fn->params.at[k].node == x) {
            params[k].ids = NEW_ARRAY(arena, double, x->type->count);
            for (int64_t i = 0; i < x->type->count; i++)
                params[k].ids[i] = (double)(i + 1);
        }
    bool good = scope_run(&s, arena, tidy, params, results);
    for (int k = 0; good && k < y_count; k++)
        good = pattern_of(ctx, s.sets, &results[k], ys[k]->type, &patterns[k]);
    arena_free(arena);
    return good;
}
