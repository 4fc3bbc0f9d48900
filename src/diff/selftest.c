/* selftest.c: every row of ops.h against the numbers (--check-ops).
 *
 * An op y of operands x, weighed by a random s, gives a function L = sum(s * y) of z = (x, s).  Its derivatives in a
 * random direction d are formed up to the third by every way of nesting the sweeps, and through batched Jacobians.
 * All forms of one order must agree to rounding, and each order must be what differences of the order below say.  So
 * a rule that is wrong, forgets its g, or is right only the first time can not pass.  Everything follows from the
 * printed seed. */
#include "samples.h"

#include <math.h>
#include <string.h>

enum {
    ORDERS = 3,
    FORMS = 8,                                              /* per order, at most */
    DRAWS = 3,                                              /* points per case that have to pass */
    ATTEMPTS = 40,                                          /* points tried until then: some are too near to a kink */
    PARAMS = 2 * (SAMPLE_OPERANDS + 1),
};

static const double STEP = 0.01, SMOOTH = 1e-6, DIFFERENCES = 2e-8, ROUNDING = 1e-10;

typedef struct {
    Context *ctx;
    uint64_t state;
    FILE *out;
    int *passed, *failed;
} Test;

typedef struct {
    Op op;
    Str text;                                               /* the sample, for messages */
    double low, high;                                       /* where operands are drawn from */
    bool optional;                                          /* the op may be undefined there */
    int operand_count;
    Node *operands[SAMPLE_OPERANDS];
    bool fixed[SAMPLE_OPERANDS];                            /* not differentiated by: a condition, or constant */
    int z_count;
    Node *z[SAMPLE_OPERANDS + 1], *direction[SAMPLE_OPERANDS + 1];
    int form_count[ORDERS + 1];
    Node *form[ORDERS + 1][FORMS];                          /* per order; [0][0] is L */
    Fn *all, *lower;                                        /* every form; the first of each order but the last */
} Case;

/* ---- random numbers (splitmix64) ------------------------------------------------------------------------------- */
static double draw(Test *t, double low, double high)
{
    uint64_t x = t->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return low + (high - low) * (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

/* ---- the forms ------------------------------------------------------------------------------------------------- */
static Node *inner_product(Context *ctx, Node *a, Node *b)
{
    Node *product = node_binary(ctx, OP_mul, a, b);
    return node_squeeze_to(ctx, product, type_scalar(ctx, ELEM_REAL));
}

static Node *by_reverse(Context *ctx, const Case *c, Node *y)
{
    Node *one = node_real(ctx, 1), *adjoints[SAMPLE_OPERANDS + 1], *sum = NULL;
    diff_reverse(ctx, 1, &y, &one, 0, c->z_count, c->z, adjoints, NULL);
    for (int k = 0; k < c->z_count; k++)
        if (adjoints[k])
            sum = node_plus(ctx, sum, inner_product(ctx, adjoints[k], c->direction[k]));
    return sum ? sum : node_real(ctx, 0);
}

static Node *by_forward(Context *ctx, const Case *c, Node *y)
{
    Node *tangent;
    diff_forward(ctx, c->z_count, c->z, c->direction, 0, 1, &y, &tangent);
    return tangent ? tangent : node_real(ctx, 0);
}

/* sum over x of s' J d, and y' times the direction of s, with the Jacobian from one batched sweep. */
static Node *by_jacobian(Context *ctx, const Case *c, Node *y, bool rows)
{
    int last = c->z_count - 1;
    Node *s = c->z[last], *sum = inner_product(ctx, y, c->direction[last]);
    for (int k = 0; k < last; k++) {
        Node *x = c->z[k], *d;
        int64_t sizes[RANK_MAX];
        if (rows)
            jacobian_rows(ctx, y, 1, &x, &d);
        else
            jacobian_columns(ctx, 1, &y, x, &d);
        if (!d)
            continue;
        for (int a = 0; a < d->type->rank; a++)
            sizes[a] = a < y->type->rank ? type_size(y->type, a) : 1;
        Node *weight = node_reshape(ctx, s, type_sized(ctx, ELEM_REAL, d->type->rank, sizes));
        sum = node_plus(ctx, sum, inner_product(ctx, node_binary(ctx, OP_mul, weight, d), c->direction[k]));
    }
    return sum;
}

static void add_form(Case *c, int order, Node *form)
{
    c->form[order][c->form_count[order]++] = form;
}

static void make_forms(Context *ctx, Case *c, Node *y)
{
    add_form(c, 0, inner_product(ctx, y, c->z[c->z_count - 1]));
    for (int order = 1; order <= ORDERS; order++)
        for (int k = 0; k < c->form_count[order - 1] && k < FORMS / 2; k++) {
            add_form(c, order, by_reverse(ctx, c, c->form[order - 1][k]));
            add_form(c, order, by_forward(ctx, c, c->form[order - 1][k]));
            if (order == 1) {
                add_form(c, order, by_jacobian(ctx, c, y, true));
                add_form(c, order, by_jacobian(ctx, c, y, false));
            }
        }
}

/* ---- the functions that are evaluated -------------------------------------------------------------------------- */
static Node *new_param(Context *ctx, Case *c, const char *name, const Type *type)
{
    Param p = { .name = str_intern(ctx, name), .is_param = true };
    p.node = node_param(ctx, p.name, type, (Span){ 0 });
    vec_push(ctx->arena, &c->all->params, p);
    return p.node;
}

static void add_direction(Context *ctx, Case *c, Node *z)
{
    c->z[c->z_count] = z;
    c->direction[c->z_count++] = new_param(ctx, c, "d", z->type);
}

static void add_result(Context *ctx, Fn *fn, Node *node)
{
    Result r = { .name = str_intern(ctx, "r"), .node = node };
    vec_push(ctx->arena, &fn->results, r);
}

static void new_operands(Context *ctx, Case *c, const Type *const *types)
{
    c->all = NEW(ctx->arena, Fn);
    c->lower = NEW(ctx->arena, Fn);
    for (int k = 0; k < c->operand_count; k++) {
        bool constant = c->fixed[k] && types[k]->elem == ELEM_REAL;     /* the order of polygamma */
        c->operands[k] = constant ? node_fill(ctx, types[k], 1) : new_param(ctx, c, "x", types[k]);
    }
}

/* Everything after y is known.  Params: operands, s, directions. */
static void finish_case(Context *ctx, Case *c, Node *y)
{
    Node *s = new_param(ctx, c, "s", y->type);
    for (int k = 0; k < c->operand_count; k++)
        if (!c->fixed[k])
            add_direction(ctx, c, c->operands[k]);
    add_direction(ctx, c, s);
    make_forms(ctx, c, y);
    for (int order = 0; order <= ORDERS; order++)
        for (int k = 0; k < c->form_count[order]; k++)
            add_result(ctx, c->all, c->form[order][k]);
    c->lower->params.at = c->all->params.at;
    c->lower->params.count = c->all->params.count;
    for (int order = 0; order < ORDERS; order++)
        add_result(ctx, c->lower, c->form[order][0]);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */
static bool differentiated(const Case *c, const Node *param, int *which)
{
    for (*which = 0; *which < c->z_count; ++*which)
        if (c->z[*which] == param)
            return true;
    return false;
}

static bool is_operand(const Case *c, const Node *param)
{
    for (int k = 0; k < c->operand_count; k++)
        if (c->operands[k] == param)
            return true;
    return false;
}

static void draw_point(Test *t, const Case *c, Tensor *point)
{
    for (int k = 0; k < c->all->params.count; k++) {
        const Node *param = c->all->params.at[k].node;
        const Type *type = param->type;
        bool operand = is_operand(c, param);
        point[k] = (Tensor){ type, NEW_ARRAY(t->ctx->scratch, double, type->count) };
        for (int64_t i = 0; i < type->count; i++)
            point[k].data[i] = type->elem == ELEM_BOOL ? draw(t, 0, 1) < 0.5
                : operand ? draw(t, c->low, c->high) : draw(t, -1, 1);
    }
}

static int param_of(const Case *c, const Node *node)
{
    int k = 0;
    while (c->all->params.at[k].node != node)
        k++;
    return k;
}

/* The lower orders at z + step * direction. */
static void evaluate_at(Test *t, const Case *c, const Tensor *point, double step, double values[ORDERS])
{
    Tensor moved[PARAMS + SAMPLE_OPERANDS];
    int which;
    for (int k = 0; k < c->all->params.count; k++) {
        moved[k] = point[k];
        if (!differentiated(c, c->all->params.at[k].node, &which))
            continue;
        const double *along = point[param_of(c, c->direction[which])].data;
        moved[k].data = NEW_ARRAY(t->ctx->scratch, double, point[k].type->count);
        for (int64_t i = 0; i < point[k].type->count; i++)
            moved[k].data[i] = point[k].data[i] + step * along[i];
    }
    Tensor *results = fn_eval(t->ctx, c->lower, moved, t->ctx->scratch);
    for (int order = 0; order < ORDERS; order++)
        values[order] = results[order].data[0];
}

/* Central differences of sixth order. */
static void differences(Test *t, const Case *c, const Tensor *point, double step, double slope[ORDERS])
{
    static const double weight[3] = { 45.0 / 60, -9.0 / 60, 1.0 / 60 };
    double above[ORDERS], below[ORDERS];
    memset(slope, 0, sizeof *slope * ORDERS);
    for (int k = 1; k <= 3; k++) {
        evaluate_at(t, c, point, k * step, above);
        evaluate_at(t, c, point, -k * step, below);
        for (int order = 0; order < ORDERS; order++)
            slope[order] += weight[k - 1] * (above[order] - below[order]) / step;
    }
}

static bool near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

/* ---- verdicts -------------------------------------------------------------------------------------------------- */
static const char *const order_name[] = { "value", "first derivative", "second derivative", "third derivative" };

static void fail(Test *t, const Case *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(t->out, "ops.h:%d: %s%s: ", op_info[c->op].line, op_info[c->op].name, c->text);
    vfprintf(t->out, format, args);
    fprintf(t->out, "\n");
    va_end(args);
}

/* Of one order: the first form against differences, the other forms against the first. */
static bool order_holds(Test *t, const Case *c, int order, const Tensor *forms, double slope)
{
    double first = forms[0].data[0];
    if (!near(first, slope, DIFFERENCES)) {
        fail(t, c, "%s is %.12g, differences say %.12g", order_name[order], first, slope);
        return false;
    }
    for (int k = 1; k < c->form_count[order]; k++)
        if (!near(first, forms[k].data[0], ROUNDING)) {
            fail(t, c, "%s is %.17g by reverse mode, %.17g by form %d", order_name[order], first, forms[k].data[0], k);
            return false;
        }
    return true;
}

typedef enum { POINT_HOLDS, POINT_FAILS, POINT_UNSUITABLE } Verdict;

static Verdict try_point(Test *t, const Case *c)
{
    Tensor point[PARAMS + SAMPLE_OPERANDS];
    double coarse[ORDERS], fine[ORDERS];
    draw_point(t, c, point);
    differences(t, c, point, STEP, coarse);
    differences(t, c, point, STEP / 2, fine);
    for (int order = 0; order < ORDERS; order++)
        if (!isfinite(fine[order]) || !near(coarse[order], fine[order], SMOOTH))
            return POINT_UNSUITABLE;
    const Tensor *forms = fn_eval(t->ctx, c->all, point, t->ctx->scratch) + 1;
    for (int order = 1; order <= ORDERS; order++) {
        if (!order_holds(t, c, order, forms, fine[order - 1]))
            return POINT_FAILS;
        forms += c->form_count[order];
    }
    return POINT_HOLDS;
}

static bool case_holds(Test *t, const Case *c)
{
    int held = 0;
    for (int k = 0; k < ATTEMPTS && held < DRAWS; k++) {
        ArenaMark mark = arena_mark(t->ctx->scratch);
        Verdict verdict = try_point(t, c);
        arena_release(t->ctx->scratch, mark);
        if (verdict == POINT_FAILS)
            return false;
        held += verdict == POINT_HOLDS;
    }
    if (held || c->optional)
        return true;
    fail(t, c, "no point in [%g, %g] where differences settle", c->low, c->high);
    return false;
}

static void count(Test *t, bool holds)
{
    ++*(holds ? t->passed : t->failed);
}

/* ---- the rows -------------------------------------------------------------------------------------------------- */
static bool has_rule(const OpInfo *info)
{
    return info->adjoint[0] || info->adjoint[1] || info->adjoint[2];
}

/* Rows without reals on both sides have nothing to differentiate, and must not claim to. */
static bool is_differentiable(Op op)
{
    Signature s = op_info[op].signature;
    return s == SIG_REAL || s == SIG_NUMBER || s == SIG_SELECT;
}

/* An operand without a rule beside one with a rule is a condition or a constant of the op. */
static Case elementwise_case(Test *t, Op op, bool mirrored)
{
    const OpInfo *info = &op_info[op];
    int64_t points = 4;
    const Type *type = type_sized(t->ctx, ELEM_REAL, 1, &points), *types[SAMPLE_OPERANDS];
    Case c = { .op = op, .text = mirrored ? " (mirrored)" : "", .operand_count = info->arity, .optional = mirrored };
    c.low = mirrored ? -info->high : info->low;
    c.high = mirrored ? -info->low : info->high;
    for (int k = 0; k < info->arity; k++) {
        bool condition = info->signature == SIG_SELECT && k == 0;
        types[k] = condition ? type_with_elem(t->ctx, type, ELEM_BOOL) : type;
        c.fixed[k] = has_rule(info) && !info->adjoint[k];
    }
    new_operands(t->ctx, &c, types);
    finish_case(t->ctx, &c, node_elementwise(t->ctx, op, c.operands));
    return c;
}

/* Nothing passes in either direction. */
static void check_stop(Test *t, Op op)
{
    Node *x = node_param(t->ctx, str_intern(t->ctx, "x"), type_scalar(t->ctx, ELEM_REAL), (Span){ 0 });
    Node *y = node_unary(t->ctx, op, x), *one = node_real(t->ctx, 1), *adjoint, *tangent;
    Case c = { .op = op, .text = "" };
    diff_reverse(t->ctx, 1, &y, &one, 0, 1, &x, &adjoint, NULL);
    diff_forward(t->ctx, 1, &x, &one, 0, 1, &y, &tangent);
    if (adjoint || tangent)
        fail(t, &c, "a derivative passes");
    count(t, !adjoint && !tangent);
}

/* The sweeps treat where by its mask alone, so that nothing unchosen passes; the row has to say the same. */
static void check_where(Test *t)
{
    Case c = elementwise_case(t, OP_where, false);
    Node *y = node_elementwise(t->ctx, OP_where, c.operands), *g = c.z[c.z_count - 1];
    bool same = true;
    for (int k = 1; k <= 2; k++) {
        Flow f = flow_through(t->ctx, y, k, (Flow){ .value = g }, g, 0);
        same &= flow_value(t->ctx, f) == row_apply(t->ctx, y, k, g, 0);
    }
    if (!same)
        fail(t, &c, "the row and the mask of the sweep differ");
    count(t, same);
}

static void check_elementwise(Test *t, Op op)
{
    Case c = { .op = op, .text = "" };
    if (!is_differentiable(op)) {
        if (has_rule(&op_info[op]))
            fail(t, &c, "a rule, and nothing real to differentiate");
        count(t, !has_rule(&op_info[op]));
        return;
    }
    for (int mirrored = 0; mirrored < 2; mirrored++) {
        c = elementwise_case(t, op, mirrored);
        count(t, case_holds(t, &c));
    }
}

static void check_sample(Test *t, const Sample *s)
{
    const Type *types[SAMPLE_OPERANDS];
    Case c = { .op = s->op, .text = sample_text(t->ctx, s), .low = -1, .high = 1, .operand_count = s->operand_count };
    for (int k = 0; k < s->operand_count; k++)
        types[k] = type_sized(t->ctx, ELEM_REAL, s->shape[k].rank, s->shape[k].size);
    new_operands(t->ctx, &c, types);
    finish_case(t->ctx, &c, sample_build(t->ctx, s, c.operands));
    count(t, case_holds(t, &c));
}

static int check_samples(Test *t, Op op)
{
    int found = 0;
    for (int k = 0; k < sample_count; k++)
        if (samples[k].op == op) {
            check_sample(t, &samples[k]);
            found++;
        }
    return found;
}

static void check_others(Test *t, Op op)
{
    int found = check_samples(t, op);
    if (!found)
        fail(t, &(Case){ .op = op, .text = "" }, "no sample in src/diff/samples.c");
    count(t, found > 0);
}

/* Each op draws numbers of its own, so that the order does not matter. */
static void check_op(Test *t, Op op, uint64_t seed)
{
    t->state = hash_bytes(seed, op_info[op].name, strlen(op_info[op].name));
    if (op == OP_where)
        check_where(t);
    if (op == OP_stop_gradient || op == OP_neutral)
        check_stop(t, op);
    else if (op_info[op].class == CLASS_ELEMENTWISE) {
        if (!check_samples(t, op))
            check_elementwise(t, op);
    }
    else if (op_info[op].class == CLASS_LINEAR || op_info[op].class == CLASS_RULED
             || (op_info[op].class == CLASS_OTHER && op_info[op].adjoint[0]))
        check_others(t, op);                                /* what passes make has no rule */
}

/* Differences need more digits than a float has: whatever the compilation is for, the rows are tested in double. */
bool diff_check_ops(Context *ctx, uint64_t seed, FILE *out, int *passed, int *failed)
{
    Test t = { .ctx = ctx, .out = out, .passed = passed, .failed = failed };
    bool is_float = ctx->options.is_float;
    ctx->options.is_float = false;
    *passed = *failed = 0;
    fprintf(out, "seed %llu\n", (unsigned long long)seed);
    for (int op = 0; op < OP_COUNT; op++)
        check_op(&t, (Op)op, seed);
    ctx->options.is_float = is_float;
    return *failed == 0;
}

bool diff_ops_fail(Context *ctx, uint64_t seed, Op first, FILE *out)
{
    int passed = 0, failed = 0;
    Test t = { .ctx = ctx, .out = out, .passed = &passed, .failed = &failed };
    for (int op = 0; op <= OP_COUNT && !failed; op++)
        check_op(&t, op == 0 ? first : (Op)(op - 1), seed);
    return failed > 0;
}
