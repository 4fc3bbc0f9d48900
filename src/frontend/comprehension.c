/* comprehension.c: arrays and reductions over ranges.
 *
 * One loop per range, the last range innermost.  An array is what they stack; a sum, a product or a mean is carried through
 * them; the largest, the smallest and logsumexp are taken of what they stack, as the builtins of these names do, so that
 * ties and overflow are treated alike. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

typedef struct { Trips trips; Node *index; } Level;

typedef struct {
    Frame *frame;
    const Expr *expr;
    int count;
    Level *levels;
    Value body;
} Comprehension;

static bool is_constant(const Trips *t) { return t->count->op == OP_constant; }

/* Every row that is stacked is one that was taken. */
static bool is_full(const Trips *t) { return is_constant(t) && t->count->data[0] == (double)t->most; }

static bool enter_ranges(Comprehension *c)
{
    Frame *frame = c->frame;
    Context *ctx = frame->env->ctx;
    const RangeList *ranges = &c->expr->comprehension.ranges;
    bool good = true;
    for (int k = 0; k < c->count; k++) {
        const Range *r = &ranges->at[k];
        Level *l = &c->levels[k];
        bool known = read_trips(frame, r, &l->trips);
        l->index = node_param(ctx, r->index.text, type_scalar(ctx, ELEM_INT), r->index.span);
        if (known)
            set_range(frame->env, l->index, &l->trips);
        origin_at(frame, r->index.span);
        bind_index(frame, r->index, known ? node_binary(ctx, OP_add, l->trips.begin, l->index) : NULL);
        good &= known;
    }
    return good;
}

static Node *loop_around(Comprehension *c, int level, int carries, Node *const *inits, Node *const *params, Node *result)
{
    const Level *l = &c->levels[level];
    Node *value;
    LoopParts p = { .trips = l->trips.count, .max_trips = l->trips.most, .index = l->index, .carry_count = carries,
                    .inits = inits, .carries = params, .result_count = 1, .results = &result };
    node_loop(c->frame->env->ctx, &p, &value);
    return value;
}

/* ---- arrays -------------------------------------------------------------------------------------------------------- */
static bool check_sizes(Comprehension *c, const Node *body)
{
    int64_t sizes[2 * RANK_MAX];
    int rank = 0;
    for (int k = 0; k < c->count; k++) {
        const Range *r = &c->expr->comprehension.ranges.at[k];
        Span span = span_join(r->begin->span, r->end->span);
        if (!is_constant(&c->levels[k].trips)) {
            fail(c->frame, span, "an array has one shape, so this range must not depend on other indices");
            return false;
        }
        if (c->levels[k].trips.count->data[0] <= 0) {
            fail(c->frame, span, "this range is empty, but an axis has at least one element");
            return false;
        }
        if (rank < RANK_MAX)
            sizes[rank++] = (int64_t)c->levels[k].trips.count->data[0];
    }
    for (int k = 0; k < body->type->rank; k++)
        sizes[rank++] = type_size(body->type, k);
    return make_type(c->frame, c->expr->span, body->type->elem, rank, sizes) != NULL;
}

static Node *stack_all(Comprehension *c, Node *n)
{
    for (int k = c->count - 1; k >= 0; k--)
        n = loop_around(c, k, 0, NULL, NULL, n);
    return n;
}

/* ---- what is carried ------------------------------------------------------------------------------------------------ */
static Node *carry_all(Comprehension *c, Op op, Node *term, Node *start)
{
    Context *ctx = c->frame->env->ctx;
    Node **params = NEW_ARRAY(ctx->arena, Node *, c->count);
    for (int k = 0; k < c->count; k++)
        params[k] = node_param(ctx, str_intern(ctx, op == OP_mul ? "product" : "total"), term->type, c->expr->span);
    Node *result = node_binary(ctx, op, params[c->count - 1], term);
    for (int k = c->count - 1; k >= 0; k--) {
        Node *init = k ? params[k - 1] : start;
        result = loop_around(c, k, 1, &init, &params[k], result);
    }
    return result;
}

static Node *add_all(Comprehension *c, Node *term)
{
    return carry_all(c, OP_add, term, node_fill(c->frame->env->ctx, term->type, 0));
}

static Node *mean_of(Comprehension *c, Node *term)
{
    Context *ctx = c->frame->env->ctx;
    Node *sum = add_all(c, node_to_real(ctx, term)), *count = add_all(c, node_int(ctx, 1));
    return node_binary(ctx, OP_div, sum, node_to_real(ctx, count));
}

/* ---- what is taken of the stack -------------------------------------------------------------------------------------- */
/* Rows that were not taken become `fill`. */
static Node *mask_rows(Comprehension *c, int level, Node *stack, double fill)
{
    Context *ctx = c->frame->env->ctx;
    const Trips *t = &c->levels[level].trips;
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < stack->type->rank; k++)
        sizes[k] = k ? 1 : t->most;
    Node *taken = node_binary(ctx, OP_lt, node_iota(ctx, t->most), t->count);
    taken = node_reshape(ctx, taken, type_sized(ctx, ELEM_BOOL, stack->type->rank, sizes));
    return node_where(ctx, taken, stack, node_fill(ctx, type_scalar(ctx, stack->type->elem), fill));
}

static Node *stack_taken(Comprehension *c, Node *n, double fill)
{
    Context *ctx = c->frame->env->ctx;
    for (int k = c->count - 1; k >= 0; k--) {
        const Trips *t = &c->levels[k].trips;
        int64_t sizes[RANK_MAX] = { t->most };
        if (n->type->rank >= RANK_USER || t->most > ELEMENTS_MAX / n->type->count) {
            for (int i = 0; i < n->type->rank && i < RANK_MAX - 1; i++)
                sizes[i + 1] = type_size(n->type, i);
            make_type(c->frame, c->expr->span, n->type->elem, n->type->rank + 1, sizes);    /* words what is wrong */
            return NULL;
        }
        bool is_empty = is_constant(t) && t->count->data[0] <= 0;
        if (is_empty)
            n = node_fill(ctx, type_concat(ctx, n->type->elem, type_sized(ctx, ELEM_INT, 1, sizes), n->type), fill);
        else
            n = loop_around(c, k, 0, NULL, NULL, n);
        if (!is_empty && !is_full(t))
            n = mask_rows(c, k, n, fill);
    }
    return n;
}

static bool may_be_empty(const Comprehension *c)
{
    for (int k = 0; k < c->count; k++)
        if (int_range(c->frame->env, c->levels[k].trips.count).low < 1)
            return true;
    return false;
}

static Node *extremum(Comprehension *c, Op op, Node *term)
{
    Context *ctx = c->frame->env->ctx;
    int axes[RANK_MAX];
    bool is_int = term->type->elem == ELEM_INT;
    double worst = op == OP_max_reduce ? -INFINITY : INFINITY;
    if (is_int && may_be_empty(c)) {
        fail(c->frame, c->expr->span, "this range may be empty, and there is no %s int then; 'real(...)' makes it infinite",
             op == OP_max_reduce ? "largest" : "smallest");
        return NULL;
    }
    if (is_int)
        worst = op == OP_max_reduce ? INT32_MIN : INT32_MAX;
    Node *stack = stack_taken(c, term, worst);
    for (int k = 0; k < c->count; k++)
        axes[k] = k;
    return stack ? node_reduce(ctx, op, stack, c->count, axes, false) : NULL;
}

static Node *logsumexp_of(Comprehension *c, Node *term)
{
    Context *ctx = c->frame->env->ctx;
    Function *f = map_get(frontend_of(ctx)->env->functions, str_intern(ctx, "logsumexp"));
    Node *stack = stack_taken(c, node_to_real(ctx, term), -INFINITY);
    if (!stack)
        return NULL;
    Value args[1] = { value_of(stack, c->expr->span) }, options[2] = { { .kind = VALUE_TUPLE, .count = c->count } };
    options[0].items = NEW_ARRAY(ctx->arena, Value, c->count);
    for (int k = 0; k < c->count; k++)
        options[0].items[k] = value_of(node_int(ctx, k), c->expr->span);
    return value_tensor(c->frame, call_prelude(c->frame, f, c->expr, args, options));
}

/* ---- reductions ------------------------------------------------------------------------------------------------------- */
static const char *const reductions[] = { "sum", "prod", "max", "min", "mean", "logsumexp" };
enum { REDUCTION_COUNT = sizeof reductions / sizeof *reductions };

static int find_reduction(Frame *frame, Name name)
{
    Context *ctx = frame->env->ctx;
    Str names[REDUCTION_COUNT];
    for (int k = 0; k < REDUCTION_COUNT; k++) {
        names[k] = str_intern(ctx, reductions[k]);
        if (names[k] == name.text)
            return k;
    }
    fail(frame, name.span, "'%s' does not reduce over a range; sum, prod, max, min, mean and logsumexp do%s", name.text,
         suggestion(ctx, name.text, names, REDUCTION_COUNT));
    return -1;
}

static Node *reduce_body(Comprehension *c, int reduction)
{
    Context *ctx = c->frame->env->ctx;
    Node *term = value_number(c->frame, c->body);
    if (!term)
        return NULL;
    origin_at(c->frame, c->expr->span);
    switch (reduction) {
    case 0: return add_all(c, term);
    case 1: return carry_all(c, OP_mul, term, node_fill(ctx, term->type, 1));
    case 2: return extremum(c, OP_max_reduce, term);
    case 3: return extremum(c, OP_min_reduce, term);
    case 4: return mean_of(c, term);
    default: return logsumexp_of(c, term);
    }
}

Node *elaborate_comprehension(Frame *frame, const Expr *e)
{
    Context *ctx = frame->env->ctx;
    Comprehension c = { .frame = frame, .expr = e, .count = e->comprehension.ranges.count };
    Name name = e->comprehension.reduction;
    int reduction = name.text ? find_reduction(frame, name) : -1, scope = frame_open(frame);
    c.levels = NEW_ARRAY(ctx->arena, Level, c.count);
    bool good = enter_ranges(&c);
    frame->loops++;
    c.body = elaborate(frame, e->comprehension.body);
    frame->loops--;
    frame_close(frame, scope);
    if (!good || (name.text && reduction < 0))
        return NULL;
    if (name.text)
        return reduce_body(&c, reduction);
    Node *n = value_tensor(frame, c.body);
    if (!n || !check_sizes(&c, n))
        return NULL;
    origin_at(frame, e->span);
    return stack_all(&c, n);
}
