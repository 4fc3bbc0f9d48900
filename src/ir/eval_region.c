/* eval_region.c: loops and branches, trip by trip, through the evaluator of functions. */
#include "eval.h"

#include <string.h>

static size_t bytes_of(const Type *t) { return sizeof(double) * (size_t)t->count; }

/* Arguments of a body: own ones, to be filled in, then the captured operands. */
static const double **body_arguments(Context *ctx, const Node *n, const Fn *body, const double *const *operands)
{
    int own = region_own_count(n), leading = region_leading_count(n);
    const double **arguments = NEW_ARRAY(ctx->scratch, const double *, body->params.count + 1);
    for (int k = own; k < body->params.count; k++)
        arguments[k] = operands[leading + k - own];
    return arguments;
}

/* All next carries are there before one is overwritten: one may be the value of another.  A carry that was written in place
 * is there already. */
static void take_trip(const Run *r, const Tensor *values, double *const *next, int first, int carries, int count,
                      int64_t trip)
{
    for (int k = 0; k < count; k++) {
        const Type *t = r->plan->fn->results.at[first + k].node->type;
        const double *from = eval_result(r, first + k);
        if (k >= carries || from != values[k].data)
            memcpy(k < carries ? next[k] : values[k].data + trip * t->count, from, bytes_of(t));
    }
    for (int k = 0; k < carries; k++)
        if (eval_result(r, first + k) != values[k].data)
            memcpy(values[k].data, next[k], bytes_of(values[k].type));
}

/* The carries of a counted loop; those of a while are read once more after its condition has failed. */
static void allow_overwriting(Run *r, int carries)
{
    r->may_overwrite = NEW_ARRAY(r->machine->ctx->scratch, bool, r->plan->nodes.count + 1);
    for (int k = 1; k <= carries; k++)
        if (r->plan->param_at[k] >= 0)
            r->may_overwrite[r->plan->param_at[k]] = true;
}

static void eval_loop(Machine *m, const Node *n, const double *const *operands, Tensor *values)
{
    Context *ctx = m->ctx;
    const Fn *body = n->body[0];
    int carries = (int)n->attr[1], is_while = n->op == OP_while_loop, count = body->results.count - is_while;
    int64_t trips = is_while ? n->attr[0] : (int64_t)operands[0][0], taken = 0;
    const double **arguments = body_arguments(ctx, n, body, operands);
    Run *r = eval_run_new(m, eval_plan(m, body), true);
    double index;
    if (!is_while)
        allow_overwriting(r, carries);
    trips = trips > n->attr[0] ? n->attr[0] : trips;
    arguments[0] = &index;
    double **next = NEW_ARRAY(ctx->scratch, double *, carries + 1);
    for (int k = 0; k < carries; k++) {
        memcpy(values[k].data, operands[!is_while + k], bytes_of(values[k].type));
        next[k] = NEW_ARRAY(ctx->scratch, double, values[k].type->count);
        arguments[1 + k] = values[k].data;
    }
    for (; taken < trips; taken++) {
        ArenaMark mark = arena_mark(ctx->scratch);
        index = (double)taken;
        eval_run(r, arguments);
        bool stop = is_while && eval_result(r, 0)[0] == 0;
        if (!stop)
            take_trip(r, values, next, is_while, carries, count, taken);
        arena_release(ctx->scratch, mark);
        if (stop)
            break;
    }
    if (is_while)
        values[count].data[0] = (double)taken;
}

static void eval_branch(Machine *m, const Node *n, const double *const *operands, Tensor *values)
{
    const Fn *body = n->body[operands[0][0] == 0];
    Run *r = eval_run_new(m, eval_plan(m, body), true);
    eval_run(r, body_arguments(m->ctx, n, body, operands));
    for (int k = 0; k < body->results.count; k++)
        memcpy(values[k].data, eval_result(r, k), bytes_of(values[k].type));
}

Tensor *eval_region(Machine *m, const Node *n, const double *const *operands)
{
    int count = region_result_count(n);
    Tensor *values = NEW_ARRAY(m->ctx->scratch, Tensor, count);
    for (int k = 0; k < count; k++) {
        values[k].type = node_result_type(m->ctx, n, k);
        values[k].data = NEW_ARRAY(m->ctx->scratch, double, values[k].type->count);
    }
    ArenaMark mark = arena_mark(m->ctx->scratch);
    (n->op == OP_branch ? eval_branch : eval_loop)(m, n, operands, values);
    arena_release(m->ctx->scratch, mark);
    return values;
}
