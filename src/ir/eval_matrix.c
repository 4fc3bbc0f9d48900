/* eval_matrix.c: the ops on matrices, one matrix of the batch at a time, by the methods of the textbook.
 *
 * Determinants of minors are formed one by one, so cofactors are right at singular matrices; only where that would take
 * too long do they go through the inverse. */
#include "eval.h"

#include <math.h>
#include <string.h>

enum { MINORS_MAX = 100000000 };                            /* operations that minors may take */

static double *copy_of(Context *ctx, const double *x, int64_t count)
{
    return arena_copy(ctx->scratch, x, sizeof *x * (size_t)count);
}

static void swap_rows(double *a, int64_t columns, int64_t i, int64_t j)
{
    for (int64_t k = 0; k < columns; k++) {
        double held = a[i * columns + k];
        a[i * columns + k] = a[j * columns + k];
        a[j * columns + k] = held;
    }
}

/* ---- elimination ------------------------------------------------------------------------------------------------- */
static int64_t largest_below(const double *a, int64_t n, int64_t k)
{
    int64_t at = k;
    for (int64_t i = k + 1; i < n; i++)
        if (fabs(a[i * n + k]) > fabs(a[at * n + k]))
            at = i;
    return at;
}

/* a [n, n] becomes upper triangular, b [n, m] follows; the sign of the row exchanges. */
static double eliminate(double *a, int64_t n, double *b, int64_t m)
{
    double sign = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t at = largest_below(a, n, k);
        swap_rows(a, n, k, at);
        swap_rows(b, m, k, at);
        sign = at == k ? sign : -sign;
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[k * n + k] != 0 ? a[i * n + k] / a[k * n + k] : 0;
            for (int64_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
            for (int64_t j = 0; j < m; j++)
                b[i * m + j] -= factor * b[k * m + j];
        }
    }
    return sign;
}

static void solve(Context *ctx, const double *matrix, int64_t n, const double *right, int64_t m, double *x)
{
    double *a = copy_of(ctx, matrix, n * n);
    memmove(x, right, sizeof *x * (size_t)(n * m));
    eliminate(a, n, x, m);
    for (int64_t i = n - 1; i >= 0; i--)
        for (int64_t j = 0; j < m; j++) {
            for (int64_t k = i + 1; k < n; k++)
                x[i * m + j] -= a[i * n + k] * x[k * m + j];
            x[i * m + j] /= a[i * n + i];
        }
}

static void inverse(Context *ctx, const double *a, int64_t n, double *out)
{
    double *identity = NEW_ARRAY(ctx->scratch, double, n * n);
    for (int64_t i = 0; i < n; i++)
        identity[i * n + i] = 1;
    solve(ctx, a, n, identity, n, out);
}

static double determinant(Context *ctx, const double *matrix, int64_t n)
{
    double *a = copy_of(ctx, matrix, n * n), det = eliminate(a, n, NULL, 0);
    for (int64_t k = 0; k < n; k++)
        det *= a[k * n + k];
    return det;
}

static double log_determinant(Context *ctx, const double *matrix, int64_t n)
{
    double *a = copy_of(ctx, matrix, n * n), sign = eliminate(a, n, NULL, 0), sum = 0;
    for (int64_t k = 0; k < n; k++) {
        sign = a[k * n + k] < 0 ? -sign : sign;
        sum += log(fabs(a[k * n + k]));
    }
    return sign < 0 && sum > -HUGE_VAL ? NAN : sum;
}

/* ---- triangles --------------------------------------------------------------------------------------------------- */
/* Of the symmetric part. */
static void cholesky(const double *a, int64_t n, double *l)
{
    memset(l, 0, sizeof *l * (size_t)(n * n));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0.5 * (a[i * n + j] + a[j * n + i]);
            for (int64_t k = 0; k < j; k++)
                sum -= l[i * n + k] * l[j * n + k];
            l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
        }
}

typedef struct { bool lower, transpose, unit; } Triangle;

static void triangular_solve(Triangle t, const double *a, int64_t n, int64_t m, double *x)
{
    bool forwards = t.lower != t.transpose;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = forwards ? step : n - 1 - step;
        for (int64_t j = 0; j < m; j++) {
            for (int64_t k = forwards ? 0 : i + 1; k < (forwards ? i : n); k++)
                x[i * m + j] -= (t.transpose ? a[k * n + i] : a[i * n + k]) * x[k * m + j];
            if (!t.unit)
                x[i * m + j] /= a[i * n + i];
        }
    }
}

/* ---- factors as a pass makes them -------------------------------------------------------------------------------- */
static void swap_columns(double *a, int64_t n, int64_t i, int64_t j)
{
    for (int64_t k = 0; k < n; k++) {
        double held = a[k * n + i];
        a[k * n + i] = a[k * n + j];
        a[k * n + j] = held;
    }
}

/* The place of the largest of what is left; the first one of equals. */
static int64_t largest_left(const double *a, int64_t n, int64_t k)
{
    int64_t at = k * n + k;
    for (int64_t i = k; i < n; i++)
        for (int64_t j = k; j < n; j++)
            if (fabs(a[i * n + j]) > fabs(a[at]))
                at = i * n + j;
    return at;
}

/* Rows of U are divided by the pivot when the factorisation is complete: the pivots stand alone on the diagonal. */
static void lu_factor(const double *a, int64_t n, bool complete, double *out)
{
    memcpy(out, a, sizeof *a * (size_t)(n * n));
    for (int64_t k = 0; k < n; k++) {
        int64_t at = complete ? largest_left(out, n, k) : largest_below(out, n, k) * n + k;
        out[n * n + k] = (double)(at / n);
        swap_rows(out, n, k, at / n);
        if (complete) {
            out[n * n + n + k] = (double)(at % n);
            swap_columns(out, n, k, at % n);
        }
        double pivot = out[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            out[i * n + k] = pivot != 0 ? out[i * n + k] / pivot : 0;
            for (int64_t j = k + 1; j < n; j++)
                out[i * n + j] -= out[i * n + k] * out[k * n + j];
        }
        for (int64_t j = k + 1; complete && j < n; j++)
            out[k * n + j] = pivot != 0 ? out[k * n + j] / pivot : 0;
    }
}

static void exchange_again(const double *exchanges, int64_t n, int64_t m, bool backwards, double *x)
{
    for (int64_t step = 0; step < n; step++) {
        int64_t k = backwards ? n - 1 - step : step, at = (int64_t)exchanges[k];
        swap_rows(x, m, k, at < 0 ? 0 : at < n ? at : n - 1);
    }
}

/* Rows were exchanged for L, columns for U if at all; in a transposed equation the other way round. */
static void lu_solve(const Node *node, const double *factors, int64_t n, int64_t m, double *x)
{
    bool upper = node->attr[0], transpose = node->attr[1], complete = type_size(node->operands[0]->type, -2) == n + 2;
    const double *exchanges = !upper ? factors + n * n : complete ? factors + n * n + n : NULL;
    if (exchanges && upper == transpose)
        exchange_again(exchanges, n, m, false, x);
    triangular_solve((Triangle){ !upper, transpose, !upper || complete }, factors, n, m, x);
    if (exchanges && upper != transpose)
        exchange_again(exchanges, n, m, true, x);
}

/* ---- cofactors --------------------------------------------------------------------------------------------------- */
typedef struct {
    Context *ctx;
    int64_t n;
    int count;                                              /* directions */
    const double *const *operands;                          /* the matrix, then the directions */
    int64_t offset;                                         /* of this matrix in each of them */
    int64_t row, column;                                    /* that the minor leaves out */
    double *minor;                                          /* [n - 1, n - 1] */
    bool *taken;                                            /* rows that come from a direction */
} Cofactors;

static void minor_row(Cofactors *c, int64_t i, int which)
{
    const double *from = c->operands[which] + c->offset + i * c->n;
    double *to = c->minor + (i < c->row ? i : i - 1) * (c->n - 1);
    for (int64_t j = 0; j < c->n; j++)
        if (j != c->column)
            *to++ = from[j];
}

/* The sum over all ways to give each direction from `which` on a row of its own. */
static double minors(Cofactors *c, int which)
{
    double sum = 0;
    if (which > c->count)
        return determinant(c->ctx, c->minor, c->n - 1);
    for (int64_t i = 0; i < c->n; i++) {
        if (i == c->row || c->taken[i])
            continue;
        c->taken[i] = true;
        minor_row(c, i, which);
        sum += minors(c, which + 1);
        minor_row(c, i, 0);
        c->taken[i] = false;
    }
    return sum;
}

static void cofactors_by_minors(Cofactors *c, double *out)
{
    for (c->row = 0; c->row < c->n; c->row++)
        for (c->column = 0; c->column < c->n; c->column++) {
            ArenaMark mark = arena_mark(c->ctx->scratch);
            for (int64_t i = 0; i < c->n; i++)
                if (i != c->row)
                    minor_row(c, i, 0);
            double sum = minors(c, 1);
            out[c->row * c->n + c->column] = (c->row + c->column) % 2 ? -sum : sum;
            arena_release(c->ctx->scratch, mark);
        }
}

static void multiply(const double *a, const double *b, int64_t n, double *out)
{
    memset(out, 0, sizeof *out * (size_t)(n * n));
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++)
            for (int64_t j = 0; j < n; j++)
                out[i * n + j] += a[i * n + k] * b[k * n + j];
}

/* Of adj(1 + sum of t_i z_i) the part that is linear in t_i for i in the set `which`: the trace of what det has there,
 * less what is multiplied by one z more. */
static void adjugate_part(const Cofactors *c, double *const *z, unsigned which, double *const *parts)
{
    int64_t n = c->n;
    double *part = parts[which], *product = NEW_ARRAY(c->ctx->scratch, double, n * n), trace = 0;
    bool first = true;
    for (int k = 0; k < c->count; k++) {
        if (!(which >> k & 1))
            continue;
        multiply(parts[which & ~(1u << k)], z[k], n, product);
        for (int64_t i = 0; first && i < n; i++)
            trace += product[i * n + i];
        first = false;
        for (int64_t i = 0; i < n * n; i++)
            part[i] -= product[i];
    }
    for (int64_t i = 0; i < n; i++)
        part[i * n + i] += which ? trace : 1;
}

static void cofactors_by_inverse(Cofactors *c, double *out)
{
    Context *ctx = c->ctx;
    int64_t n = c->n;
    unsigned all = (1u << c->count) - 1;
    const double *a = c->operands[0] + c->offset;
    double *y = NEW_ARRAY(ctx->scratch, double, n * n), *product = NEW_ARRAY(ctx->scratch, double, n * n);
    double **z = NEW_ARRAY(ctx->scratch, double *, c->count + 1), **parts = NEW_ARRAY(ctx->scratch, double *, all + 1);
    double det = determinant(ctx, a, n);
    inverse(ctx, a, n, y);
    for (int k = 0; k < c->count; k++) {
        z[k] = NEW_ARRAY(ctx->scratch, double, n * n);
        multiply(y, c->operands[1 + k] + c->offset, n, z[k]);
    }
    for (unsigned which = 0; which <= all; which++) {
        parts[which] = NEW_ARRAY(ctx->scratch, double, n * n);
        adjugate_part(c, z, which, parts);
    }
    multiply(parts[all], y, n, product);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            out[i * n + j] = det * product[j * n + i];
}

static void cofactors(Context *ctx, const Node *node, const double *const *operands, int64_t n, int64_t offset,
                      double *out)
{
    Cofactors c = { .ctx = ctx, .n = n, .count = node->operand_count - 1, .operands = operands, .offset = offset };
    double work = (double)(n * n) * (double)(n * n) * (double)n;
    for (int k = 0; k < c.count; k++)
        work *= (double)(n - 1 - k);
    if (work > MINORS_MAX && c.count < 16) {
        cofactors_by_inverse(&c, out);
        return;
    }
    c.minor = NEW_ARRAY(ctx->scratch, double, (n - 1) * (n - 1));
    c.taken = NEW_ARRAY(ctx->scratch, bool, n);
    cofactors_by_minors(&c, out);
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */
static void eval_one(Context *ctx, const Node *node, const double *const *operands, int64_t which, double *out)
{
    const Type *t = node->operands[0]->type;
    int64_t n = type_size(t, -1), m = node->operand_count > 1 ? type_size(node->operands[1]->type, -1) : 0;
    const double *a = operands[0] + which * n * type_size(t, -2), *b = m ? operands[1] + which * n * m : NULL;
    double *x = out + which * n * m;
    size_t size = sizeof *x * (size_t)(n * m);
    Triangle triangle = { 0 };
    if (node->op == OP_triangular_solve)
        triangle = (Triangle){ node->attr[0], node->attr[1], node->attr[2] };
    switch (node->op) {
    case OP_solve: solve(ctx, a, n, b, m, x); break;
    case OP_triangular_solve: triangular_solve(triangle, a, n, m, memcpy(x, b, size)); break;
    case OP_lu_solve: lu_solve(node, a, n, m, memcpy(x, b, size)); break;
    case OP_inverse: inverse(ctx, a, n, out + which * n * n); break;
    case OP_det: out[which] = determinant(ctx, a, n); break;
    case OP_logdet: out[which] = log_determinant(ctx, a, n); break;
    case OP_cholesky: cholesky(a, n, out + which * n * n); break;
    case OP_lu_factor: lu_factor(a, n, node->attr[0], out + which * n * type_size(node->type, -2)); break;
    case OP_det_cofactors: cofactors(ctx, node, operands, n, which * n * n, out + which * n * n); break;
    default: internal_error(ctx, "the evaluator does not know %s", op_info[node->op].name);
    }
}

void eval_matrix(Context *ctx, const Node *node, const double *const *operands, double *out)
{
    const Type *x = node->operands[0]->type;
    int64_t count = 1;
    for (int k = 0; k < x->rank - 2; k++)
        count *= type_size(x, k);
    for (int64_t which = 0; which < count; which++) {
        ArenaMark mark = arena_mark(ctx->scratch);
        eval_one(ctx, node, operands, which, out);
        arena_release(ctx->scratch, mark);
    }
}
