/* eval_cost.c: how long the evaluator takes, by what it does and not by the clock: so that whoever asks gets the same
 * answer everywhere.
 *
 * A loop counts as often as it may run, a branch as its longer side. */
#include "eval.h"

#include <math.h>

/* Nanoseconds on an ordinary machine. */
static const double per_node = 40, per_copy = 1, per_walk = 3, per_sum = 0.5, per_call = 12;

static double einsum_cost(const Node *n)
{
    double products = 1;
    int ranks = 0;
    for (int i = 0; i < n->operand_count; i++) {
        const Type *t = n->operands[i]->type;
        for (int k = 0; k < t->rank; k++) {
            bool seen = false;
            for (int j = 0; j < ranks + k; j++)
                seen |= n->attr[j] == n->attr[ranks + k];
            products *= seen ? 1.0 : (double)type_size(t, k);
        }
        ranks += t->rank;
    }
    return per_sum * products + per_copy * (double)n->type->count;
}

/* Elimination; minors take longer, and are rare. */
static double matrix_cost(const Node *n)
{
    const Type *t = n->operands[0]->type;
    double size = t->rank > 0 ? (double)type_size(t, -1) : 1;
    return per_sum * size * (double)(t->count + n->type->count);
}

static double moved(const Node *n) { return (double)(n->operand_count ? n->operands[0]->type->count : 0) + (double)n->type->count; }

static double op_cost(const Node *n)
{
    switch (n->op) {
    case OP_einsum: return einsum_cost(n);
    case OP_constant: case OP_reshape: case OP_bind: case OP_override: return per_copy * (double)n->type->count;
    case OP_add: case OP_sub: case OP_mul: case OP_div: case OP_neg: case OP_where: return per_copy * moved(n);
    case OP_index: return per_walk * (double)n->type->count;
    case OP_index_add: case OP_index_set: return per_walk * (double)n->operands[1]->type->count;
    default: break;
    }
    if (op_info[n->op].class == CLASS_ELEMENTWISE || n->op == OP_call)
        return per_call * (double)n->type->count;
    return op_info[n->op].class == CLASS_OTHER ? matrix_cost(n) : per_walk * moved(n);
}

typedef struct Cost { double time; int64_t nodes; } Cost;

static Cost body_cost(Context *, const Fn *, Map *known);

static double region_cost(Context *ctx, const Node *n, Map *known, int64_t *nodes)
{
    Cost first = body_cost(ctx, n->body[0], known), second = { 0 };
    if (n->op == OP_branch)
        second = body_cost(ctx, n->body[1], known);
    *nodes += first.nodes + second.nodes;
    return n->op == OP_branch ? fmax(first.time, second.time) : (double)n->attr[0] * (per_node + first.time);
}

/* Bodies that are shared are walked once, and their nodes count once.  As deep as regions are nested, like the evaluator. */
static Cost body_cost(Context *ctx, const Fn *fn, Map *known)
{
    const double *before = map_get(known, fn);
    if (before)
        return (Cost){ *before, 0 };
    Node **roots = NEW_ARRAY(ctx->scratch, Node *, fn->results.count + 1);
    for (int k = 0; k < fn->results.count; k++)
        roots[k] = fn->results.at[k].node;
    BodyWalk w = body_walk(ctx, roots, fn->results.count, NULL, NULL);
    Cost cost = { 0, w.nodes.count };
    for (int k = 0; k < w.nodes.count; k++) {
        const Node *n = w.nodes.at[k];
        if (n->op == OP_param || n->op == OP_result)
            continue;
        cost.time += per_node + (node_is_region(n) ? region_cost(ctx, n, known, &cost.nodes) : op_cost(n));
    }
    map_put(known, fn, arena_copy(ctx->scratch, &cost.time, sizeof cost.time));
    return cost;
}

double fn_eval_cost(Context *ctx, const Fn *fn, int64_t *nodes)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Cost cost = body_cost(ctx, fn, map_new(ctx->scratch));
    arena_release(ctx->scratch, mark);
    if (nodes)
        *nodes = cost.nodes;
    return cost.time;
}
