/* eval.c: the reference meaning of a function: every node of exactly the given graph, in order of ids, over doubles.
 *
 * Requires: derivative nodes are gone.  A buffer is used again after its value's last user. */
#include "eval.h"

#include <limits.h>
#include <string.h>

/* ---- one node ---------------------------------------------------------------------------------------------------- */
static void eval_leaf(Context *ctx, const Node *n, const double *const *operands, double *out)
{
    if (n->op == OP_iota)
        for (int64_t i = 0; i < n->type->count; i++)
            out[i] = (double)i;
    else if (n->op == OP_constant || n->op == OP_bind)
        memcpy(out, n->op == OP_bind ? operands[0] : n->data, sizeof *out * (size_t)n->type->count);
    else
        internal_error(ctx, "%s can not be evaluated", op_info[n->op].name);
}

void eval_node(Context *ctx, const Node *n, const double *const *operands, double *out)
{
    if (op_info[n->op].class == CLASS_LEAF)
        eval_leaf(ctx, n, operands, out);
    else if (op_info[n->op].class == CLASS_ELEMENTWISE)
        eval_elementwise(ctx, n, operands, out);
    else
        eval_tensor(ctx, n, operands, out);
    if (ctx->options.is_float && n->type->elem == ELEM_REAL)
        for (int64_t i = 0; i < n->type->count; i++)
            out[i] = (double)(float)out[i];
}

/* ---- plans: what evaluating a function again and again shares ------------------------------------------------------ */
static int place_of(const Map *places, const Node *n) { return (int)(intptr_t)map_get(places, n) - 1; }

static void plan_operands(Machine *m, Plan *p, const Map *places)
{
    int total = 0, next = 0;
    for (int k = 0; k < p->nodes.count; k++) {
        int count = p->nodes.at[k]->operand_count;
        total += count;
        p->most_operands = count > p->most_operands ? count : p->most_operands;
    }
    p->operand_at = NEW_ARRAY(m->plans, int, total + 1);
    p->last_user = NEW_ARRAY(m->plans, int, p->nodes.count + 1);
    for (int k = 0; k < p->nodes.count; k++)
        for (int i = 0; i < p->nodes.at[k]->operand_count; i++) {
            p->operand_at[next] = place_of(places, p->nodes.at[k]->operands[i]);
            p->last_user[p->operand_at[next++]] = k;
        }
}

static void plan_ends(Machine *m, Plan *p, const Map *places)
{
    const Fn *fn = p->fn;
    p->param_at = NEW_ARRAY(m->plans, int, fn->params.count + 1);
    p->result_at = NEW_ARRAY(m->plans, int, fn->results.count + 1);
    bool *given = NEW_ARRAY(m->plans, bool, p->nodes.count + 1);
    for (int k = 0; k < fn->params.count; k++) {
        p->param_at[k] = place_of(places, fn->params.at[k].node);
        if (p->param_at[k] >= 0)
            given[p->param_at[k]] = true;
    }
    for (int k = 0; k < fn->results.count; k++) {
        p->result_at[k] = place_of(places, fn->results.at[k].node);
        p->last_user[p->result_at[k]] = INT_MAX;
    }
    for (int k = 0; k < p->nodes.count; k++)
        if (p->nodes.at[k]->op == OP_param && !given[k])
            internal_error(m->ctx, "a function reads an input that it does not have: %s", p->nodes.at[k]->origin.name);
}

const Plan *eval_plan(Machine *m, const Fn *fn)
{
    Plan *p = map_get(m->plan_of, fn);
    if (p)
        return p;
    p = NEW(m->plans, Plan);
    p->fn = fn;
    Map *places = map_new(m->plans);
    Node **roots = NEW_ARRAY(m->plans, Node *, fn->results.count + 1);
    for (int k = 0; k < fn->results.count; k++)
        roots[k] = fn->results.at[k].node;
    BodyWalk w = body_walk(m->ctx, roots, fn->results.count, NULL, NULL);
    for (int k = 0; k < w.nodes.count; k++) {
        vec_push(m->plans, &p->nodes, w.nodes.at[k]);
        map_put(places, w.nodes.at[k], (void *)(intptr_t)(k + 1));
    }
    plan_operands(m, p, places);
    plan_ends(m, p, places);
    map_put(m->plan_of, fn, p);
    return p;
}

/* ---- a run --------------------------------------------------------------------------------------------------------- */
static const void *size_key(const Node *n) { return (const void *)(uintptr_t)n->type->count; }

/* Dead buffers wait in lists by element count. */
static double *buffer_take(Run *r, const Node *n)
{
    Buffer *b = map_get(r->dead, size_key(n));
    if (!b)
        return NEW_ARRAY(r->machine->ctx->scratch, double, n->type->count);
    map_put(r->dead, size_key(n), b->next);
    b->next = r->spare;
    r->spare = b;
    return b->data;
}

static void buffer_give(Run *r, const Node *n, int place)
{
    Buffer *b = r->spare ? r->spare : NEW(r->machine->ctx->scratch, Buffer);
    r->spare = r->spare ? b->next : NULL;
    b->data = (double *)(uintptr_t)r->value[place];
    b->next = map_get(r->dead, size_key(n));
    map_put(r->dead, size_key(n), b);
    r->value[place] = NULL;
}

Run *eval_run_new(Machine *m, const Plan *plan, bool repeated)
{
    Arena *scratch = m->ctx->scratch;
    int count = plan->nodes.count;
    Run *r = NEW(scratch, Run);
    *r = (Run){ .machine = m, .plan = plan, .value = NEW_ARRAY(scratch, const double *, count + 1),
                .region_values = NEW_ARRAY(scratch, Tensor *, count + 1),
                .operands = NEW_ARRAY(scratch, const double *, plan->most_operands + 1) };
    if (!repeated) {
        r->dead = map_new(scratch);
        return r;
    }
    r->own = NEW_ARRAY(scratch, double *, count + 1);
    for (int k = 0; k < count; k++) {
        const Node *n = plan->nodes.at[k];
        if (n->op != OP_param && n->op != OP_result && !node_is_region(n))
            r->own[k] = NEW_ARRAY(scratch, double, n->type->count);
    }
    return r;
}

/* A write to a part of what nobody reads afterwards needs no copy of the rest. */
static bool writes_in_place(const Run *r, int k, const int *places)
{
    const Node *n = r->plan->nodes.at[k];
    if ((n->op != OP_index_add && n->op != OP_index_set) || n->operands[1] == n->operands[0])
        return false;
    bool is_given = r->plan->nodes.at[places[0]]->op == OP_param;
    return r->plan->last_user[places[0]] == k && (!is_given || (r->may_overwrite && r->may_overwrite[places[0]]));
}

static void run_node(Run *r, int k, const int *places)
{
    const Node *n = r->plan->nodes.at[k];
    for (int i = 0; i < n->operand_count; i++)
        r->operands[i] = r->value[places[i]];
    if (n->op == OP_result) {
        r->value[k] = r->region_values[places[0]][n->attr[0]].data;
    } else if (node_is_region(n)) {
        r->region_values[k] = eval_region(r->machine, n, r->operands);
    } else {
        bool in_place = writes_in_place(r, k, places);
        double *out = in_place ? (double *)(uintptr_t)r->operands[0] : r->own ? r->own[k] : buffer_take(r, n);
        eval_node(r->machine->ctx, n, r->operands, out);
        r->value[k] = out;
        if (in_place)
            r->value[places[0]] = NULL;
    }
}

static void give_dead(Run *r, int k, const int *places)
{
    for (int i = 0; i < r->plan->nodes.at[k]->operand_count; i++) {
        const Node *x = r->plan->nodes.at[places[i]];
        if (x->op != OP_param && !node_is_region(x) && r->plan->last_user[places[i]] == k && r->value[places[i]])
            buffer_give(r, x, places[i]);
    }
}

void eval_run(Run *r, const double *const *inputs)
{
    const Plan *p = r->plan;
    const int *places = p->operand_at;
    for (int k = 0; k < p->fn->params.count; k++)
        if (p->param_at[k] >= 0)
            r->value[p->param_at[k]] = inputs[k];
    for (int k = 0; k < p->nodes.count; k++) {
        if (p->nodes.at[k]->op == OP_param)
            continue;
        run_node(r, k, places);
        if (!r->own)
            give_dead(r, k, places);
        places += p->nodes.at[k]->operand_count;
    }
}

/* ---- a function -------------------------------------------------------------------------------------------------- */
static Tensor *results_new(const Fn *fn, Arena *arena)
{
    Tensor *results = NEW_ARRAY(arena, Tensor, fn->results.count + 1);
    for (int k = 0; k < fn->results.count; k++) {
        results[k].type = fn->results.at[k].node->type;
        results[k].data = NEW_ARRAY(arena, double, results[k].type->count);
    }
    return results;
}

Tensor *fn_eval(Context *ctx, const Fn *fn, const Tensor *inputs, Arena *arena)
{
    Tensor *results = results_new(fn, arena);               /* before the mark: `arena` may be the scratch */
    ArenaMark mark = arena_mark(ctx->scratch);
    Arena *plans = arena_new();
    Machine m = { .ctx = ctx, .plans = plans, .plan_of = map_new(plans) };
    Run *r = eval_run_new(&m, eval_plan(&m, fn), false);
    const double **data = NEW_ARRAY(ctx->scratch, const double *, fn->params.count + 1);
    for (int k = 0; k < fn->params.count; k++)
        data[k] = inputs[k].data;
    eval_run(r, data);
    for (int k = 0; k < fn->results.count; k++)
        memcpy(results[k].data, eval_result(r, k), sizeof(double) * (size_t)results[k].type->count);
    arena_free(plans);
    arena_release(ctx->scratch, mark);
    return results;
}
