/* loop.c: loops and branches as they are made: what needs no region is none.
 *
 * A carry that never changes is its init, one that counts is arithmetic on the index, carries that start alike and go on
 * alike are one, one that is only written, row `index` per trip, is a stack; a stack of the index, of rows of an array or
 * of one value needs no loop; a side or a loop that is known at compile time is taken.  So the form does not depend on who
 * made the loop: front end, differentiation or a dump. */
#include "graph.h"

#include <string.h>

typedef enum { CARRY_KEPT, CARRY_CONSTANT, CARRY_COUNTER, CARRY_COPY, CARRY_STACK } CarryKind;

enum { COPY_ROUNDS = 8 };                                   /* of telling carries apart; after that they stay apart */

typedef struct {
    Context *ctx;
    const LoopParts *given;
    NodeSet set, *made;                                     /* made: where what is made for the body is recorded */
    bool is_while;
    int root_count;
    Node **roots;                                           /* the condition of a while, then the results */
    Node **results;                                         /* within roots */
    CarryKind *kind;                                        /* per carry */
    Node **steps;                                           /* per counter */
    int *copy_of;                                           /* per carry: the first that is the same, or itself */
    Node **writes;                                          /* per stack: what wrote its rows */
} Making;

/* ---- what carries really are ------------------------------------------------------------------------------------- */
/* next is carry + step, or carry - step, for a constant step. */
static Node *counter_step(Context *ctx, const Node *next, const Node *carry)
{
    if (next->type != type_scalar(ctx, ELEM_INT) || (next->op != OP_add && next->op != OP_sub))
        return NULL;
    if (next->operands[0] == carry && next->operands[1]->closed)
        return next->op == OP_add ? next->operands[1] : node_unary(ctx, OP_neg, next->operands[1]);
    return next->op == OP_add && next->operands[1] == carry && next->operands[0]->closed ? next->operands[0] : NULL;
}

static Node *counter_value(Context *ctx, Node *init, Node *step, Node *trips)
{
    return node_binary(ctx, OP_add, init, node_binary(ctx, OP_mul, step, trips));
}

static Node *settled_value(Making *m, int k)
{
    Context *ctx = m->ctx;
    Node *carry = m->given->carries[k], *init = m->given->inits[k];
    if (m->results[k] == carry) {
        m->kind[k] = CARRY_CONSTANT;
        return init;
    }
    m->steps[k] = counter_step(ctx, m->results[k], carry);
    if (!m->steps[k])
        return NULL;
    m->kind[k] = CARRY_COUNTER;
    return counter_value(ctx, init, m->steps[k], m->given->index);
}

/* Settling one carry may settle others. */
static void settle_carries(Making *m)
{
    for (bool again = true; again;) {
        Map *values = map_new(m->ctx->arena);
        for (int k = 0; k < m->given->carry_count; k++) {
            Node *value = m->kind[k] == CARRY_KEPT ? settled_value(m, k) : NULL;
            if (value)
                map_put(values, m->given->carries[k], value);
        }
        again = map_count(values) > 0;
        if (again)
            graph_substitute(m->ctx, m->roots, m->root_count, values, &m->set, m->made);
    }
}

/* ---- carries that are the same ----------------------------------------------------------------------------------- */
/* The first carry before k that `same` does not tell from it; k when there is none. */
static int first_like(const Making *m, int k, Node *const *next)
{
    const LoopParts *g = m->given;
    for (int i = 0; i < k; i++) {
        bool together = next ? m->copy_of[i] == m->copy_of[k] && next[i] == next[k] : g->inits[i] == g->inits[k];
        if (m->kind[i] == CARRY_KEPT && m->kind[k] == CARRY_KEPT && together)
            return i;
    }
    return k;
}

/* Carries are told apart until those that are still together go on alike if they are the same.  True: some are. */
static bool find_copies(Making *m, Node **roots)
{
    Context *ctx = m->ctx;
    int count = m->given->carry_count, *next_of = NEW_ARRAY(ctx->arena, int, count + 1);
    for (int k = 0; k < count; k++)
        m->copy_of[k] = first_like(m, k, NULL);
    for (int round = 0; round < COPY_ROUNDS; round++) {
        Map *values = map_new(ctx->arena);
        bool stable = true;
        for (int k = 0; k < count; k++)
            if (m->copy_of[k] != k)
                map_put(values, m->given->carries[k], m->given->carries[m->copy_of[k]]);
        if (map_count(values) == 0)
            return false;
        memcpy(roots, m->roots, sizeof *roots * (size_t)m->root_count);
        graph_substitute(ctx, roots, m->root_count, values, &m->set, m->made);
        for (int k = 0; k < count; k++) {
            next_of[k] = first_like(m, k, roots + m->is_while);
            stable &= next_of[k] == m->copy_of[k];
        }
        if (stable)
            return true;
        memcpy(m->copy_of, next_of, sizeof *next_of * (size_t)count);
    }
    return false;
}

static void settle_copies(Making *m)
{
    Node **roots = NEW_ARRAY(m->ctx->arena, Node *, m->root_count + 1);
    if (!find_copies(m, roots))
        return;
    memcpy(m->roots, roots, sizeof *roots * (size_t)m->root_count);
    for (int k = 0; k < m->given->carry_count; k++)
        if (m->copy_of[k] != k)
            m->kind[k] = CARRY_COPY;
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */
static int *count_uses(Making *m, const BodyWalk *w)
{
    int *uses = NEW_ARRAY(m->ctx->scratch, int, w->nodes.count + 1);
    for (int k = 0; k < w->nodes.count; k++)
        for (int i = 0; set_has(&m->set, w->nodes.at[k]) && i < w->nodes.at[k]->operand_count; i++)
            uses[walk_place(w, w->nodes.at[k]->operands[i])]++;
    for (int k = 0; k < m->root_count; k++)
        uses[walk_place(w, m->roots[k])]++;
    return uses;
}

static bool *find_varying(Making *m, const BodyWalk *w)
{
    bool *varies = NEW_ARRAY(m->ctx->scratch, bool, w->nodes.count + 1);
    for (int k = 0; k < w->nodes.count; k++) {
        Node *n = w->nodes.at[k];
        varies[k] = n == m->given->index;
        for (int i = 0; i < m->given->carry_count; i++)
            varies[k] |= n == m->given->carries[i];
        for (int i = 0; set_has(&m->set, n) && i < n->operand_count; i++)
            varies[k] |= varies[walk_place(w, n->operands[i])];
    }
    return varies;
}

static bool has_all_trips(const Making *m)
{
    const Node *trips = m->given->trips;
    return trips && trips->op == OP_constant && trips->data[0] == (double)m->given->max_trips;
}

/* What is written is row `index`, at fixed places of the axes before, and nothing is read. */
static bool writes_rows(const Making *m, int k, const BodyWalk *w, const int *uses, const bool *varies)
{
    const Node *carry = m->given->carries[k], *next = m->results[k];
    int place = walk_place(w, carry), last = next->operand_count - 1;
    if ((next->op != OP_index_set && next->op != OP_index_add) || next->operands[0] != carry
        || next->operands[last] != m->given->index || place < 0 || uses[place] != 1 || uses[walk_place(w, next)] != 1
        || type_size(carry->type, last - 2) != m->given->max_trips)
        return false;
    for (int i = 2; i < last; i++)
        if (varies[walk_place(w, next->operands[i])])
            return false;
    return has_all_trips(m) || (last == 2 && node_is_zero(m->given->inits[k]));
}

/* The array with the rows put where the carry had them one by one. */
static Node *with_rows(Making *m, int k, Node *rows)
{
    const Node *write = m->writes[k];
    Node *init = m->given->inits[k];
    int fixed = write->operand_count - 3;
    if (fixed == 0 && (write->op == OP_index_set || node_is_zero(init)))
        return rows;
    if (fixed == 0)
        return node_binary(m->ctx, OP_add, init, rows);
    return write->op == OP_index_set ? node_index_set(m->ctx, init, fixed, write->operands + 2, rows)
                                     : node_index_add(m->ctx, init, fixed, write->operands + 2, rows);
}

static void find_stacks(Making *m)
{
    ArenaMark mark = arena_mark(m->ctx->scratch);
    BodyWalk w = body_walk(m->ctx, m->roots, m->root_count, &m->set, NULL);
    const int *uses = count_uses(m, &w);
    const bool *varies = find_varying(m, &w);
    for (int k = 0; k < m->given->carry_count; k++)
        if (m->kind[k] == CARRY_KEPT && writes_rows(m, k, &w, uses, varies))
            m->kind[k] = CARRY_STACK;
    for (int k = 0; k < m->given->carry_count; k++)
        if (m->kind[k] == CARRY_STACK) {
            m->writes[k] = m->results[k];
            m->results[k] = m->results[k]->operands[1];
        }
    arena_release(m->ctx->scratch, mark);
}

static const Type *stacked_type(Making *m, const Node *row)
{
    return type_concat(m->ctx, row->type->elem, type_sized(m->ctx, row->type->elem, 1, &m->given->max_trips), row->type);
}

/* The first max_trips rows of x. */
static Node *first_rows(Making *m, Node *x)
{
    int64_t start[RANK_MAX] = { 0 }, step[RANK_MAX], count[RANK_MAX];
    for (int k = 0; k < x->type->rank; k++) {
        step[k] = 1;
        count[k] = k ? type_size(x->type, k) : m->given->max_trips;
    }
    return node_slice(m->ctx, x, start, step, count);
}

/* The stack of a row that needs no loop, or NULL. */
static Node *simple_stack(Making *m, Node *row, const BodyWalk *w, const bool *varies)
{
    const Node *index = m->given->index;
    if (!has_all_trips(m))
        return NULL;
    if (!varies[walk_place(w, row)])
        return node_expand(m->ctx, row, stacked_type(m, row));
    if (row == index)
        return node_iota(m->ctx, m->given->max_trips);
    if (row->op == OP_index && row->operand_count == 2 && row->operands[1] == index
        && !varies[walk_place(w, row->operands[0])] && type_size(row->operands[0]->type, 0) >= m->given->max_trips)
        return first_rows(m, row->operands[0]);
    return NULL;
}

/* ---- the region -------------------------------------------------------------------------------------------------- */
typedef Vec(Node *) Nodes;

static int place_in(const Nodes *list, const Node *n)
{
    int k = 0;
    while (k < list->count && list->at[k] != n)
        k++;
    return k;
}

static bool is_stack(const Making *m, int k)
{
    return k >= m->given->carry_count || m->kind[k] == CARRY_STACK;
}

/* The rows that a loop has to stack, each once; the values of the others are put into `values`. */
static void sort_stacks(Making *m, Nodes *rows, Node **values)
{
    ArenaMark mark = arena_mark(m->ctx->scratch);
    BodyWalk w = body_walk(m->ctx, m->roots, m->root_count, &m->set, NULL);
    const bool *varies = find_varying(m, &w);
    for (int k = 0; k < m->given->result_count; k++) {
        if (!is_stack(m, k))
            continue;
        values[k] = simple_stack(m, m->results[k], &w, varies);
        if (!values[k] && place_in(rows, m->results[k]) == rows->count)
            vec_push(m->ctx->arena, rows, m->results[k]);
    }
    arena_release(m->ctx->scratch, mark);
}

static Node *make_region(Making *m, const Nodes *rows, int *kept)
{
    Context *ctx = m->ctx;
    Nodes own = { 0 }, leading = { 0 }, results = { 0 };
    const LoopParts *g = m->given;
    *kept = 0;
    vec_push(ctx->arena, &own, g->index);
    vec_push(ctx->arena, m->is_while ? &results : &leading, m->is_while ? m->roots[0] : g->trips);
    for (int k = 0; k < g->carry_count; k++) {
        if (m->kind[k] != CARRY_KEPT)
            continue;
        vec_push(ctx->arena, &own, g->carries[k]);
        vec_push(ctx->arena, &leading, g->inits[k]);
        vec_push(ctx->arena, &results, m->results[k]);
        ++*kept;
    }
    for (int k = 0; k < rows->count; k++)
        vec_push(ctx->arena, &results, rows->at[k]);
    if (results.count == 0)
        return NULL;
    int64_t attr[3] = { g->max_trips, *kept, g->checkpoint };
    RegionParts p = { .op = m->is_while ? OP_while_loop : OP_loop, .own_count = own.count, .own = own.at,
                      .leading_count = leading.count, .leading = leading.at, .attr_count = 3, .attr = attr,
                      .body_count = 1, .result_count = { results.count }, .results = { results.at }, .set = &m->set };
    return region_close(ctx, &p);
}

static Node *trips_taken(Making *m, Node *region, int result_count)
{
    if (m->is_while)
        return node_result(m->ctx, region, result_count);
    return node_binary(m->ctx, OP_max, m->given->trips, node_int(m->ctx, 0));
}

static void take_values(Making *m, Node *region, int kept, const Nodes *rows, Node **values)
{
    const LoopParts *g = m->given;
    int carry = 0;
    for (int k = 0; k < g->result_count; k++) {
        if (is_stack(m, k) && !values[k])
            values[k] = node_result(m->ctx, region, kept + place_in(rows, m->results[k]));
        if (is_stack(m, k) && k < g->carry_count)
            values[k] = with_rows(m, k, values[k]);
        else if (is_stack(m, k))
            continue;
        else if (m->kind[k] == CARRY_COPY)
            values[k] = values[m->copy_of[k]];
        else if (m->kind[k] == CARRY_KEPT)
            values[k] = node_result(m->ctx, region, carry++);
        else if (m->kind[k] == CARRY_CONSTANT)
            values[k] = g->inits[k];
        else
            values[k] = counter_value(m->ctx, g->inits[k], m->steps[k], trips_taken(m, region, kept + rows->count));
    }
    if (m->is_while)
        values[g->result_count] = node_result(m->ctx, region, kept + rows->count);
}

/* ---- loops of no trip and of one --------------------------------------------------------------------------------- */
static bool has_trips(const Making *m, double count)
{
    return m->given->trips && m->given->trips->op == OP_constant && m->given->trips->data[0] <= count;
}

static void take_none(Making *m, Node **values)
{
    const LoopParts *g = m->given;
    for (int k = 0; k < g->result_count; k++)
        values[k] = k < g->carry_count ? g->inits[k] : node_fill(m->ctx, stacked_type(m, g->results[k]), 0);
}

static void take_one(Making *m, Node **values)
{
    const LoopParts *g = m->given;
    Map *first = map_new(m->ctx->arena);
    map_put(first, g->index, node_int(m->ctx, 0));
    for (int k = 0; k < g->carry_count; k++)
        map_put(first, g->carries[k], g->inits[k]);
    graph_substitute(m->ctx, m->roots, m->root_count, first, &m->set, NULL);
    for (int k = 0; k < g->result_count; k++)
        values[k] = k < g->carry_count ? m->results[k]
                                       : node_reshape(m->ctx, m->results[k], stacked_type(m, m->results[k]));
}

static void check_parts(Context *ctx, const LoopParts *g)
{
    CHECK(ctx, g->max_trips > 0 && g->max_trips <= INT32_MAX && g->result_count >= g->carry_count);
    CHECK(ctx, g->index->op == OP_param && g->index->type == type_scalar(ctx, ELEM_INT));
    CHECK(ctx, g->condition ? g->condition->type == type_scalar(ctx, ELEM_BOOL)
                            : g->trips->type == type_scalar(ctx, ELEM_INT));
    for (int k = 0; k < g->carry_count; k++) {
        CHECK(ctx, g->carries[k]->op == OP_param);
        CHECK(ctx, g->inits[k]->type == g->carries[k]->type && g->results[k]->type == g->carries[k]->type);
    }
}

void node_loop(Context *ctx, const LoopParts *given, Node **values)
{
    Making m = { .ctx = ctx, .given = given, .is_while = given->condition != NULL };
    Nodes rows = { 0 };
    int kept;
    check_parts(ctx, given);
    NodeSet around, *outer = graph_record_around(ctx, &around);
    m.set = given->body ? *given->body : (NodeSet){ .floor = given->index->id };
    m.made = given->body ? &m.set : outer ? &around : NULL;
    m.root_count = given->result_count + m.is_while;
    m.roots = NEW_ARRAY(ctx->arena, Node *, m.root_count + 1);
    m.results = m.roots + m.is_while;
    m.roots[0] = given->condition;
    memcpy(m.results, given->results, sizeof *m.results * (size_t)given->result_count);
    m.kind = NEW_ARRAY(ctx->arena, CarryKind, given->carry_count + 1);
    m.steps = NEW_ARRAY(ctx->arena, Node *, given->carry_count + 1);
    m.copy_of = NEW_ARRAY(ctx->arena, int, given->carry_count + 1);
    m.writes = NEW_ARRAY(ctx->arena, Node *, given->carry_count + 1);
    memset(values, 0, sizeof *values * (size_t)given->result_count);
    if (has_trips(&m, 0)) {
        take_none(&m, values);
    } else if (has_trips(&m, 1) && given->max_trips == 1) {
        take_one(&m, values);
    } else {
        settle_carries(&m);
        settle_copies(&m);
        find_stacks(&m);
        sort_stacks(&m, &rows, values);
        Node *region = make_region(&m, &rows, &kept);
        take_values(&m, region, kept, &rows, values);
    }
    graph_record_reached(ctx, &m.set, &around, outer, values, given->result_count + m.is_while);
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */
static int pair_place(const Nodes *yes, const Nodes *no, const Node *a, const Node *b)
{
    int k = 0;
    while (k < yes->count && (yes->at[k] != a || no->at[k] != b))
        k++;
    return k;
}

void node_branch(Context *ctx, const BranchParts *p, Node **values)
{
    Nodes yes = { 0 }, no = { 0 };
    Node *condition = p->condition, *region = NULL;
    double truth;
    NodeSet around, *outer = graph_record_around(ctx, &around);
    CHECK(ctx, condition->type == type_scalar(ctx, ELEM_BOOL));
    bool known = node_is_fill(condition, &truth), swap = condition->op == OP_not;
    for (int k = 0; k < p->count; k++) {
        Node *a = swap ? p->no[k] : p->yes[k], *b = swap ? p->yes[k] : p->no[k];
        CHECK(ctx, a->type == b->type);
        values[k] = a == b ? a : !known ? NULL : truth != 0 ? p->yes[k] : p->no[k];
        if (!values[k] && pair_place(&yes, &no, a, b) == yes.count) {
            vec_push(ctx->arena, &yes, a);
            vec_push(ctx->arena, &no, b);
        }
    }
    if (swap)
        condition = condition->operands[0];
    RegionParts parts = { .op = OP_branch, .leading_count = 1, .leading = &condition, .body_count = 2,
                          .result_count = { yes.count, no.count }, .results = { yes.at, no.at }, .set = p->inside,
                          .whole = true };
    if (yes.count)
        region = region_close(ctx, &parts);
    for (int k = 0; k < p->count; k++)
        if (!values[k])
            values[k] = node_result(ctx, region, swap ? pair_place(&yes, &no, p->no[k], p->yes[k])
                                                      : pair_place(&yes, &no, p->yes[k], p->no[k]));
    graph_record_reached(ctx, p->inside, &around, outer, values, p->count);
}
