/* range.c: what is known of integers at compile time: the values that an int expression of loop indices can take.
 *
 * A loop has a bound that the compiler knows.  Where its limits depend on outer indices, the bound is the largest value
 * over the ranges of these.  Integers wrap at 32 bits; a range that could is no range. */
#include "elaborate.h"

enum { DEPTH = 12, TERMS = 8 };                             /* of an expression that is looked into; of a sum */

typedef struct { IntRange range; bool never; } Known;       /* of an index; never: its loop does not run for these sizes */

static const IntRange anything = { INT32_MIN, INT32_MAX, false };

static bool fits(int64_t value) { return value >= INT32_MIN && value <= INT32_MAX; }

static IntRange fitting(int64_t low, int64_t high, bool is_exact)
{
    return fits(low) && fits(high) ? (IntRange){ low, high, is_exact } : anything;
}

/* ---- sums: constant plus multiples of terms that are no sums ------------------------------------------------------ */
typedef struct {
    int64_t constant;
    int count;
    const Node *term[TERMS];
    int64_t factor[TERMS];
    bool known;                                             /* false: too long or too large to follow */
} Sum;

static void sum_put(Sum *s, const Node *term, int64_t factor)
{
    int k = 0;
    while (k < s->count && s->term[k] != term)
        k++;
    if (k == TERMS) {
        s->known = false;
        return;
    }
    if (k == s->count) {
        s->term[s->count] = term;
        s->factor[s->count++] = 0;
    }
    s->factor[k] += factor;
    s->known &= fits(s->factor[k]);
}

static void sum_add(Sum *s, const Node *n, int64_t factor, int depth)
{
    int64_t value, left, right;
    if (is_constant_integer(n, &value)) {
        s->constant += factor * value;
        s->known &= fits(s->constant);
        return;
    }
    bool by_left = n->op == OP_mul && is_constant_integer(n->operands[0], &left) && fits(factor * left);
    bool by_right = n->op == OP_mul && is_constant_integer(n->operands[1], &right) && fits(factor * right);
    if (depth == 0 || (n->op != OP_add && n->op != OP_sub && n->op != OP_neg && !by_left && !by_right)) {
        sum_put(s, n, factor);
    } else if (by_left || by_right) {
        sum_add(s, n->operands[by_left], factor * (by_left ? left : right), depth - 1);
    } else {
        sum_add(s, n->operands[0], n->op == OP_neg ? -factor : factor, depth - 1);
        if (n->op != OP_neg)
            sum_add(s, n->operands[1], n->op == OP_sub ? -factor : factor, depth - 1);
    }
}

/* ---- ranges ------------------------------------------------------------------------------------------------------- */
static IntRange range_of(const Env *env, const Node *n, int depth);

static IntRange sum_range(const Env *env, const Sum *s, int depth)
{
    IntRange r = { s->constant, s->constant, true };
    int varying = 0;
    for (int k = 0; k < s->count; k++) {
        if (s->factor[k] == 0)
            continue;
        IntRange t = range_of(env, s->term[k], depth);
        int64_t a = s->factor[k] * t.low, b = s->factor[k] * t.high;
        r = (IntRange){ r.low + (a < b ? a : b), r.high + (a < b ? b : a), r.is_exact && t.is_exact };
        varying++;
    }
    return s->known ? fitting(r.low, r.high, r.is_exact && varying <= 1) : anything;
}

static IntRange product_range(IntRange a, IntRange b)
{
    int64_t corners[4] = { a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high };
    IntRange r = { corners[0], corners[0], false };
    for (int k = 1; k < 4; k++) {
        r.low = corners[k] < r.low ? corners[k] : r.low;
        r.high = corners[k] > r.high ? corners[k] : r.high;
    }
    return fitting(r.low, r.high, false);
}

static int64_t floor_quotient(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static IntRange quotient_range(IntRange a, int64_t by)
{
    return (IntRange){ floor_quotient(a.low, by), floor_quotient(a.high, by), false };
}

static IntRange remainder_range(IntRange a, int64_t by)
{
    bool whole = a.low < 0 || a.high >= by;
    return whole ? (IntRange){ 0, by - 1, false } : a;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static IntRange operation_range(const Env *env, const Node *n, int depth)
{
    IntRange a = range_of(env, n->operands[0], depth), b = a;
    int64_t by;
    if (n->operand_count > 1)
        b = range_of(env, n->operands[1], depth);
    switch (n->op) {
    case OP_mul: return product_range(a, b);
    case OP_min: return (IntRange){ least(a.low, b.low), least(a.high, b.high), false };
    case OP_max: return (IntRange){ most(a.low, b.low), most(a.high, b.high), false };
    case OP_floordiv: return is_constant_integer(n->operands[1], &by) && by > 0 ? quotient_range(a, by) : anything;
    case OP_mod: return is_constant_integer(n->operands[1], &by) && by > 0 ? remainder_range(a, by) : anything;
    case OP_where: {
        IntRange c = range_of(env, n->operands[2], depth);
        return (IntRange){ least(b.low, c.low), most(b.high, c.high), false };
    }
    default: return anything;
    }
}

static IntRange range_of(const Env *env, const Node *n, int depth)
{
    int64_t value;
    if (is_constant_integer(n, &value))
        return fitting(value, value, true);
    if (n->type->elem != ELEM_INT || n->type->rank > 0 || depth == 0)
        return anything;
    if (n->op == OP_param) {
        const Known *known = env->ranges ? map_get(env->ranges, n) : NULL;
        return known ? known->range : anything;
    }
    if (n->op == OP_result && n->operands[0]->op == OP_while_loop
        && n->attr[0] == region_result_count(n->operands[0]) - 1)
        return (IntRange){ 0, n->operands[0]->attr[0], false };         /* the trips taken */
    bool is_multiple = n->op == OP_mul && (is_constant_integer(n->operands[0], &value)
                                           || is_constant_integer(n->operands[1], &value));
    if (n->op == OP_add || n->op == OP_sub || n->op == OP_neg || is_multiple) {
        Sum s = { .known = true };
        sum_add(&s, n, 1, DEPTH);
        return sum_range(env, &s, depth - 1);
    }
    return n->operand_count > 0 && op_info[n->op].class == CLASS_ELEMENTWISE ? operation_range(env, n, depth - 1) : anything;
}

IntRange int_range(const Env *env, const Node *n)
{
    return range_of(env, n, DEPTH);
}

static bool counts_never(const Env *env, const Node *n, int depth)
{
    const Known *known = n->op == OP_param && env->ranges ? map_get(env->ranges, n) : NULL;
    bool never = known && known->never;
    for (int k = 0; k < n->operand_count && depth > 0 && !never; k++)
        never = counts_never(env, n->operands[k], depth - 1);
    return never;
}

bool int_is_idle(const Env *env, const Node *n)
{
    return counts_never(env, n, DEPTH / 2);
}

IntRange difference_range(const Env *env, const Node *end, const Node *begin)
{
    Sum s = { .known = true };
    sum_add(&s, end, 1, DEPTH);
    sum_add(&s, begin, -1, DEPTH);
    return sum_range(env, &s, DEPTH);
}

void set_range(Env *env, const Node *param, const Trips *trips)
{
    Known *r = NEW(env->ctx->arena, Known);
    r->range = (IntRange){ 0, trips->most - 1, trips->count->op == OP_constant };
    r->never = trips->never;
    if (!env->ranges)
        env->ranges = map_new(env->ctx->arena);
    map_put(env->ranges, param, r);
}

/* ---- trips ---------------------------------------------------------------------------------------------------------- */
static Node *bound(Frame *frame, const Expr *e, const char *what)
{
    Context *ctx = frame->env->ctx;
    Node *n = elaborate_tensor(frame, e);
    if (!n)
        return NULL;
    if (n->type == type_scalar(ctx, ELEM_INT))
        return check_integers(frame, n, e->span) ? n : NULL;
    fail(frame, e->span, "%s must be an int, but this is %s", what, type_text(ctx, n->type));
    return NULL;
}

static bool read_limit(Frame *frame, const Expr *limit, int64_t *value)
{
    if (!value_integer(frame, elaborate(frame, limit), "max_trips", value))
        return false;
    if (*value > 0 && *value <= INT32_MAX)
        return true;
    fail(frame, limit->span, "max_trips must be between 1 and 2147483647");
    return false;
}

bool read_trips(Frame *frame, const Range *range, Trips *t)
{
    Context *ctx = frame->env->ctx;
    Node *end = NULL;
    int64_t most_trips = 0;
    t->begin = bound(frame, range->begin, "the begin of a range");
    end = bound(frame, range->end, "the end of a range");
    if ((range->limit && !read_limit(frame, range->limit, &most_trips)) || !t->begin || !end)
        return false;
    origin_at(frame, span_join(range->begin->span, range->end->span));
    IntRange r = difference_range(frame->env, end, t->begin);
    t->count = r.low == r.high ? node_int(ctx, r.low) : node_binary(ctx, OP_sub, end, t->begin);
    if (range->limit && r.high > most_trips)
        t->count = node_binary(ctx, OP_min, t->count, node_int(ctx, most_trips));
    if (!range->limit && r.high == INT32_MAX && r.low < r.high) {
        fail(frame, span_join(range->begin->span, range->end->span),
             "how often this runs is not known at compile time: a range is made of constants and outer loop indices, "
             "or has a limit: '%s in a..b max_trips 100'", range->index.text);
        return false;
    }
    t->never = r.high <= 0;
    t->most = range->limit ? most_trips : r.high > 0 ? r.high : 1;
    return true;
}
