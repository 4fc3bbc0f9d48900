/* factor.c: solve, inverse, det, logdet and det_cofactors in terms of factors.
 *
 * Requires: derivatives have been formed.  Leaves: of the ops on matrices only lu_factor, lu_solve, triangular_solve
 * and cholesky.  The factors of a matrix are nodes like any other, so value, gradient and Hessian share them, and so do
 * the equations with the transposed matrix.  Matrices of up to SMALL rows become formulas of their elements: there the
 * pivot is chosen by selection, which costs less than a loop and leaves the batch, if there is one, as the inner loop.
 *
 * det is the exception to pivots: with up to SMALL rows it is the polynomial, exact for integers.  Larger ones are
 * factorised with the largest pivot of all that is left, because then zeros among the pivots mean what they should:
 * what is left is zero, and the derivatives are products of the other pivots, as they are for a diagonal matrix. */
#include "graph.h"

#include <math.h>
#include <string.h>

enum { SMALL = 3, DIRECTIONS_MAX = 12 };

/* The matrix that is factorised: without a transposition, and without leading axes along which it does not vary. */
typedef struct { Node *node; bool transposed; int64_t n; } Matrix;

/* ---- shapes ------------------------------------------------------------------------------------------------------ */
static Node *add(Context *ctx, Node *a, Node *b) { return node_binary(ctx, OP_add, a, b); }
static Node *sub(Context *ctx, Node *a, Node *b) { return node_binary(ctx, OP_sub, a, b); }
static Node *mul(Context *ctx, Node *a, Node *b) { return node_binary(ctx, OP_mul, a, b); }
static Node *transpose(Context *ctx, Node *a) { return node_transpose(ctx, a, -1, -2); }

/* `count` rows (axis -2) or columns (axis -1) from `start` on. */
static Node *part(Context *ctx, Node *x, int axis, int64_t start, int64_t step, int64_t count)
{
    int64_t starts[RANK_MAX] = { 0 }, steps[RANK_MAX], counts[RANK_MAX];
    int rank = x->type->rank;
    for (int k = 0; k < rank; k++) {
        steps[k] = 1;
        counts[k] = type_size(x->type, k);
    }
    starts[axis + rank] = start;
    steps[axis + rank] = step;
    counts[axis + rank] = count;
    return node_slice(ctx, x, starts, steps, counts);
}

/* The shape of x with another size of its last two axes; rows or columns 0: without them. */
static const Type *sized(Context *ctx, const Type *t, int64_t rows, int64_t columns)
{
    int64_t sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0; k < t->rank - 2; k++)
        sizes[rank++] = type_size(t, k);
    if (rows)
        sizes[rank++] = rows;
    if (columns)
        sizes[rank++] = columns;
    return type_sized(ctx, ELEM_REAL, rank, sizes);
}

static Node *element(Context *ctx, Node *x, int64_t i, int64_t j)
{
    Node *one = part(ctx, part(ctx, x, -2, i, 1, 1), -1, j, 1, 1);
    return node_reshape(ctx, one, sized(ctx, x->type, 0, 0));
}

/* A number for each matrix beside columns or rows of it. */
static Node *beside(Context *ctx, Node *x, int axes)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < x->type->rank + axes; k++)
        sizes[k] = k < x->type->rank ? type_size(x->type, k) : 1;
    return node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, x->type->rank + axes, sizes));
}

/* [.., n, n] to [.., n], and back with zeros around. */
static Node *diagonal(Context *ctx, Node *x, bool back)
{
    int labels[RANK_MAX], rank = x->type->rank + back;
    for (int k = 0; k < rank; k++)
        labels[k] = k < rank - 1 ? k : rank - 2;
    const int *of_x = labels;
    return node_einsum(ctx, 1, &x, &of_x, back ? rank : rank - 1, labels);
}

static Node *equal_places(Context *ctx, int64_t n)
{
    Node *row = node_iota(ctx, n), *column = node_reshape(ctx, row, type_sized(ctx, ELEM_INT, 2, (int64_t[]){ n, 1 }));
    return node_binary(ctx, OP_eq, column, row);
}

static Node *identity(Context *ctx, const Type *like)
{
    Node *one = node_to_real(ctx, equal_places(ctx, type_size(like, -1)));
    return node_expand(ctx, one, like);
}

static Node *product_of(Context *ctx, Node *x)
{
    return node_reduce(ctx, OP_prod, x, 1, (int[]){ -1 }, false);
}

/* ---- the matrix -------------------------------------------------------------------------------------------------- */
static bool swaps_last_axes(const Node *n)
{
    int rank = n->type->rank;
    if (n->op != OP_permute || n->attr[rank - 1] != -2 || n->attr[rank - 2] != -1)
        return false;
    for (int k = 0; k < rank - 2; k++)
        if (n->attr[k] != k - rank)
            return false;
    return true;
}

static bool repeats_matrices(const Node *n)
{
    const Type *x = n->op == OP_expand ? n->operands[0]->type : NULL;
    if (!x || x->rank < 2)
        return false;
    for (int k = 1; k <= x->rank; k++)
        if (type_size(x, -k) != type_size(n->type, -k))
            return false;
    return true;
}

static Matrix matrix_of(Node *a)
{
    Matrix m = { a, false, type_size(a->type, -1) };
    for (;;) {
        if (swaps_last_axes(m.node))
            m.transposed = !m.transposed;
        else if (!repeats_matrices(m.node))
            return m;
        m.node = m.node->operands[0];
    }
}

/* ---- elimination of small matrices ------------------------------------------------------------------------------- */
typedef struct { int n; Node *at[SMALL][SMALL]; } Elements;
typedef struct { int k, i; Node *condition; } Exchange;     /* of rows k and i, where the condition holds */

typedef struct {
    Elements lu;                                            /* U, and below it the factors that L has there */
    int exchange_count;
    Exchange exchanges[SMALL * (SMALL - 1) / 2];
} Elimination;

static Elements elements_of(Context *ctx, Node *a)
{
    Elements e = { .n = (int)type_size(a->type, -1) };
    for (int i = 0; i < e.n; i++)
        for (int j = 0; j < e.n; j++)
            e.at[i][j] = element(ctx, a, i, j);
    return e;
}

static void exchange(Context *ctx, Node *condition, Node **a, Node **b)
{
    Node *x = *a;
    *a = node_where(ctx, condition, *b, x);
    *b = node_where(ctx, condition, x, *b);
}

static void choose_pivot(Context *ctx, Elimination *e, int k)
{
    Elements *lu = &e->lu;
    for (int i = k + 1; i < lu->n; i++) {
        Node *size[2] = { node_unary(ctx, OP_abs, lu->at[k][k]), node_unary(ctx, OP_abs, lu->at[i][k]) };
        Node *larger = node_binary(ctx, OP_gt, size[1], size[0]);
        for (int j = 0; j < lu->n; j++)
            exchange(ctx, larger, &lu->at[k][j], &lu->at[i][j]);
        e->exchanges[e->exchange_count++] = (Exchange){ k, i, larger };
    }
}

/* A column of zeros needs no pivot. */
static void eliminate_below(Context *ctx, Elements *lu, int k)
{
    Node *zero = node_real(ctx, 0), *pivot = lu->at[k][k], *usable = node_binary(ctx, OP_ne, pivot, zero);
    for (int i = k + 1; i < lu->n; i++) {
        Node *factor = node_where(ctx, usable, node_binary(ctx, OP_div, lu->at[i][k], pivot), zero);
        for (int j = k + 1; j < lu->n; j++)
            lu->at[i][j] = sub(ctx, lu->at[i][j], mul(ctx, factor, lu->at[k][j]));
        lu->at[i][k] = factor;
    }
}

static Elimination eliminate(Context *ctx, const Matrix *m)
{
    Elimination e = { .lu = elements_of(ctx, m->node) };
    for (int k = 0; k + 1 < e.lu.n; k++) {
        choose_pivot(ctx, &e, k);
        eliminate_below(ctx, &e.lu, k);
    }
    return e;
}

/* The rows of y of t y = rows, in their place; t is a triangle of the elements, which may be transposed. */
static void substitute(Context *ctx, const Elements *t, bool lower, bool transposed, bool unit, Node **rows)
{
    bool forwards = lower != transposed;
    for (int step = 0; step < t->n; step++) {
        int i = forwards ? step : t->n - 1 - step;
        for (int k = forwards ? 0 : i + 1; k < (forwards ? i : t->n); k++) {
            Node *factor = beside(ctx, transposed ? t->at[k][i] : t->at[i][k], 1);
            rows[i] = sub(ctx, rows[i], mul(ctx, factor, rows[k]));
        }
        if (!unit)
            rows[i] = node_binary(ctx, OP_div, rows[i], beside(ctx, t->at[i][i], 1));
    }
}

static void take_rows(Context *ctx, Node *b, Node **rows)
{
    for (int i = 0; i < type_size(b->type, -2); i++)
        rows[i] = node_reshape(ctx, part(ctx, b, -2, i, 1, 1), sized(ctx, b->type, 0, type_size(b->type, -1)));
}

static Node *join_rows(Context *ctx, Node **rows, const Type *type)
{
    int n = (int)type_size(type, -2);
    for (int i = 0; i < n; i++)
        rows[i] = node_reshape(ctx, rows[i], sized(ctx, type, 1, type_size(type, -1)));
    return node_concat(ctx, n, rows, -2);
}

static void exchange_rows(Context *ctx, const Elimination *e, bool backwards, Node **rows)
{
    for (int step = 0; step < e->exchange_count; step++) {
        const Exchange *x = &e->exchanges[backwards ? e->exchange_count - 1 - step : step];
        exchange(ctx, beside(ctx, x->condition, 1), &rows[x->k], &rows[x->i]);
    }
}

static Node *solve_small(Context *ctx, const Matrix *m, Node *b)
{
    Elimination e = eliminate(ctx, m);
    Node *rows[SMALL];
    take_rows(ctx, b, rows);
    if (m->transposed) {                                    /* U' L' P y = b */
        substitute(ctx, &e.lu, false, true, false, rows);
        substitute(ctx, &e.lu, true, true, true, rows);
        exchange_rows(ctx, &e, true, rows);
    } else {
        exchange_rows(ctx, &e, false, rows);
        substitute(ctx, &e.lu, true, false, true, rows);
        substitute(ctx, &e.lu, false, false, false, rows);
    }
    return join_rows(ctx, rows, b->type);
}

/* ---- factors of larger ones -------------------------------------------------------------------------------------- */
static Node *factors_of(Context *ctx, Node *a, bool complete)
{
    Node *factors = node_lu_factor(ctx, a, complete);
    if (a->origin.name)
        node_set_name(factors, str_format(ctx, "%s_lu", a->origin.name));
    return factors;
}

static Node *square_of(Context *ctx, Node *factors)
{
    return part(ctx, factors, -2, 0, 1, type_size(factors->type, -1));
}

static Node *solve_large(Context *ctx, const Matrix *m, Node *b)
{
    Node *factors = factors_of(ctx, m->node, false);
    b = node_lu_solve(ctx, factors, b, m->transposed, m->transposed);
    return node_lu_solve(ctx, factors, b, !m->transposed, m->transposed);
}

/* -1 for every row that was exchanged with another; which: the row of exchanges. */
static Node *parity(Context *ctx, Node *factors, int which)
{
    int64_t n = type_size(factors->type, -1);
    Node *pivots = part(ctx, factors, -2, n + which, 1, 1);
    pivots = node_reshape(ctx, pivots, sized(ctx, factors->type, 0, n));
    Node *stays = node_binary(ctx, OP_eq, pivots, node_to_real(ctx, node_iota(ctx, n)));
    return product_of(ctx, node_where(ctx, stays, node_real(ctx, 1), node_real(ctx, -1)));
}

/* ---- solve, inverse, logdet -------------------------------------------------------------------------------------- */
static Node *solve(Context *ctx, const Matrix *m, Node *b)
{
    return m->n <= SMALL ? solve_small(ctx, m, b) : solve_large(ctx, m, b);
}

static Node *inverse(Context *ctx, const Matrix *m)
{
    Matrix upright = { m->node, false, m->n };
    Node *y = solve(ctx, &upright, identity(ctx, m->node->type));
    return m->transposed ? transpose(ctx, y) : y;
}

/* The pivots on an axis, and the sign of the exchanges. */
static Node *pivots_of(Context *ctx, const Matrix *m, Node **sign)
{
    if (m->n > SMALL) {
        Node *factors = factors_of(ctx, m->node, false);
        *sign = parity(ctx, factors, 0);
        return diagonal(ctx, square_of(ctx, factors), false);
    }
    Elimination e = eliminate(ctx, m);
    Node *pivots[SMALL];
    *sign = node_fill(ctx, sized(ctx, m->node->type, 0, 0), 1);
    for (int k = 0; k < e.exchange_count; k++)
        *sign = node_where(ctx, e.exchanges[k].condition, node_unary(ctx, OP_neg, *sign), *sign);
    for (int k = 0; k < e.lu.n; k++)
        pivots[k] = beside(ctx, e.lu.at[k][k], 1);
    return node_concat(ctx, e.lu.n, pivots, -1);
}

/* Logarithms are added: the determinant itself may be out of range.  -inf where it is 0, NaN where it is negative. */
static Node *logdet(Context *ctx, const Matrix *m)
{
    Node *sign, *pivots = pivots_of(ctx, m, &sign), *zero = node_real(ctx, 0);
    sign = mul(ctx, sign, product_of(ctx, node_unary(ctx, OP_sign, pivots)));
    Node *logs = node_unary(ctx, OP_log, node_unary(ctx, OP_abs, pivots));
    Node *sum = node_sum(ctx, logs, 1, (int[]){ -1 }, false);
    return node_where(ctx, node_binary(ctx, OP_lt, sign, zero), node_real(ctx, NAN), sum);
}

/* ---- triangles --------------------------------------------------------------------------------------------------- */
static Node *triangular_solve_small(Context *ctx, const Node *n, Node *a, Node *b)
{
    Elements t = elements_of(ctx, a);
    Node *rows[SMALL];
    take_rows(ctx, b, rows);
    substitute(ctx, &t, n->attr[0], n->attr[1], n->attr[2], rows);
    return join_rows(ctx, rows, b->type);
}

static Node *join_elements(Context *ctx, const Elements *e, const Type *type)
{
    Node *all[SMALL * SMALL];
    for (int k = 0; k < e->n * e->n; k++)
        all[k] = beside(ctx, e->at[k / e->n][k % e->n], 1);
    return node_reshape(ctx, node_concat(ctx, e->n * e->n, all, -1), type);
}

static Node *cholesky_small(Context *ctx, Node *a)
{
    Elements e = elements_of(ctx, a), l = { .n = e.n };
    for (int i = 0; i < e.n; i++)
        for (int j = 0; j < e.n; j++)
            l.at[i][j] = node_fill(ctx, sized(ctx, a->type, 0, 0), 0);
    for (int i = 0; i < e.n; i++)
        for (int j = 0; j <= i; j++) {
            Node *sum = i == j ? e.at[i][i] : mul(ctx, node_real(ctx, 0.5), add(ctx, e.at[i][j], e.at[j][i]));
            for (int k = 0; k < j; k++)
                sum = sub(ctx, sum, mul(ctx, l.at[i][k], l.at[j][k]));
            l.at[i][j] = i == j ? node_unary(ctx, OP_sqrt, sum) : node_binary(ctx, OP_div, sum, l.at[j][j]);
        }
    return join_elements(ctx, &l, a->type);
}

/* ---- determinants of small matrices ------------------------------------------------------------------------------ */
/* x with its last two axes rolled: element [i, j] is x[i + down, j + right], around the edges. */
static Node *rolled(Context *ctx, Node *x, int64_t down, int64_t right)
{
    for (int axis = -2; axis < 0; axis++) {
        int64_t n = type_size(x->type, axis), by = axis == -2 ? down : right;
        if (by % n == 0)
            continue;
        Node *parts[2] = { part(ctx, x, axis, by, 1, n - by), part(ctx, x, axis, 0, 1, by) };
        x = node_concat(ctx, 2, parts, axis);
    }
    return x;
}

/* The cofactors of 3 rows are products of two elements each: bilinear when the two come from two matrices. */
static Node *cofactor_products(Context *ctx, Node *a, Node *b)
{
    return sub(ctx, mul(ctx, rolled(ctx, a, 1, 1), rolled(ctx, b, 2, 2)),
               mul(ctx, rolled(ctx, a, 1, 2), rolled(ctx, b, 2, 1)));
}

/* x: the matrix, then directions.  Of these the polynomial takes as many as it has degrees, the last ones. */
static Node *cofactors_small(Context *ctx, int64_t n, int count, Node *const *x)
{
    static const double alternating[4] = { 1, -1, -1, 1 };
    Node *last = x[count - 1];
    if (n == 1)
        return node_fill(ctx, last->type, 1);
    if (n == 2) {
        const Type *type = type_sized(ctx, ELEM_REAL, 2, (int64_t[]){ 2, 2 });
        return mul(ctx, rolled(ctx, last, 1, 1), node_constant(ctx, type, alternating));
    }
    if (count == 1)
        return cofactor_products(ctx, last, last);
    return add(ctx, cofactor_products(ctx, x[count - 2], last), cofactor_products(ctx, last, x[count - 2]));
}

static Node *det_small(Context *ctx, Node *a)
{
    Elements e = elements_of(ctx, a);
    if (e.n == 1)
        return e.at[0][0];
    if (e.n == 2)
        return sub(ctx, mul(ctx, e.at[0][0], e.at[1][1]), mul(ctx, e.at[0][1], e.at[1][0]));
    Node *sum = NULL;
    for (int j = 0; j < 3; j++) {
        Node **next = e.at[1], **last = e.at[2];
        int k = (j + 1) % 3, l = (j + 2) % 3;
        Node *cofactor = sub(ctx, mul(ctx, next[k], last[l]), mul(ctx, next[l], last[k]));
        Node *term = mul(ctx, e.at[0][j], cofactor);
        sum = sum ? add(ctx, sum, term) : term;
    }
    return sum;
}

/* ---- determinants of larger ones --------------------------------------------------------------------------------- */
/* Rows and columns of a are exchanged so that it is L D U, with ones on the diagonals of L and U. */
typedef struct { Node *factors, *pivots, *sign; int64_t n; } Complete;

static Complete complete_factors(Context *ctx, Node *a)
{
    Complete c = { .factors = factors_of(ctx, a, true), .n = type_size(a->type, -1) };
    c.pivots = diagonal(ctx, square_of(ctx, c.factors), false);
    c.sign = mul(ctx, parity(ctx, c.factors, 0), parity(ctx, c.factors, 1));
    return c;
}

/* Along the last axis: the product of all elements before each. */
static Node *product_before(Context *ctx, Node *x)
{
    int64_t n = type_size(x->type, -1), low[RANK_MAX] = { 0 }, none[RANK_MAX] = { 0 };
    low[x->type->rank - 1] = 1;
    Node *earlier = node_pad(ctx, part(ctx, x, -1, 0, 1, n - 1), low, none, none);
    Node *first = node_binary(ctx, OP_eq, node_iota(ctx, n), node_int(ctx, 0));
    return node_recurrence(ctx, earlier, node_expand(ctx, node_to_real(ctx, first), x->type), -1, false);
}

/* The product of all other elements, right also where elements are zero. */
static Node *product_of_others(Context *ctx, Node *x)
{
    int64_t n = type_size(x->type, -1);
    Node *behind = product_before(ctx, part(ctx, x, -1, n - 1, -1, n));
    return mul(ctx, product_before(ctx, x), part(ctx, behind, -1, n - 1, -1, n));
}

/* [i, j]: the product of all pivots but i and j; 0 for i = j. */
static Node *products_of_others_but_two(Context *ctx, const Complete *c)
{
    const Type *type = sized(ctx, c->factors->type, c->n, c->n);
    Node *same = node_expand(ctx, equal_places(ctx, c->n), type);
    Node *row = node_reshape(ctx, c->pivots, sized(ctx, type, 1, c->n));
    Node *without_i = node_where(ctx, same, node_real(ctx, 1), node_expand(ctx, row, type));
    return node_where(ctx, same, node_real(ctx, 0), product_of_others(ctx, without_i));
}

/* For batches of [n, n, n]: x with its axes named by letters out of "pqk"; an axis of size 1 for each that is not. */
static Node *placed(Context *ctx, Node *x, const char *letters)
{
    int64_t sizes[RANK_MAX], n = type_size(x->type, -1);
    int named = (int)strlen(letters), front = x->type->rank - named, rank = 0;
    while (rank < front) {
        sizes[rank] = type_size(x->type, rank);
        rank++;
    }
    for (const char *l = "pqk"; *l; l++)
        sizes[rank++] = strchr(letters, *l) ? n : 1;
    return node_reshape(ctx, x, type_sized(ctx, x->type->elem, rank, sizes));
}

/* [p, q, k]: the product of all pivots but p, q and k; 0 where two of them are the same. */
static Node *products_of_others_but_three(Context *ctx, const Complete *c)
{
    Node *same = equal_places(ctx, c->n), *pq = placed(ctx, same, "pq"), *pk = placed(ctx, same, "pk");
    Node *qk = placed(ctx, same, "qk"), *taken = node_binary(ctx, OP_or, pk, qk);
    Node *left = node_where(ctx, taken, node_real(ctx, 1), placed(ctx, c->pivots, "k"));
    return node_where(ctx, node_binary(ctx, OP_or, taken, pq), node_real(ctx, 0), product_of_others(ctx, left));
}

static Node *sum_last(Context *ctx, Node *x, int count)
{
    return node_sum(ctx, x, count, count == 1 ? (int[]){ -1 } : (int[]){ -2, -1 }, false);
}

/* The derivative of the cofactors of D in two directions.  A cofactor [p, q] goes from q to p by f, g or both, and what
 * is not on the way goes back to where it comes from. */
static Node *cofactors_in_two_directions(Context *ctx, const Complete *c, Node *f, Node *g)
{
    Node *others = products_of_others_but_three(ctx, c), *back = transpose(ctx, f), *on[2] = { f, g }, *sum = NULL;
    for (int k = 0; k < 2; k++) {
        Node *rest = sum_last(ctx, mul(ctx, others, placed(ctx, diagonal(ctx, on[1 - k], false), "k")), 1);
        Node *ways = mul(ctx, placed(ctx, on[k], "qk"), placed(ctx, transpose(ctx, on[1 - k]), "pk"));
        Node *term = sub(ctx, sum_last(ctx, mul(ctx, others, ways), 1), mul(ctx, transpose(ctx, on[k]), rest));
        sum = sum ? add(ctx, sum, term) : term;
    }
    Node *row = beside(ctx, diagonal(ctx, f, false), 1), *column = diagonal(ctx, g, false);
    column = node_reshape(ctx, column, sized(ctx, g->type, 1, c->n));
    Node *pairs = sub(ctx, mul(ctx, row, column), mul(ctx, back, g));
    return add(ctx, sum, diagonal(ctx, sum_last(ctx, mul(ctx, others, placed(ctx, pairs, "qk")), 2), true));
}

/* The cofactors of D, and of D their derivative in the direction f. */
static Node *cofactors_of_diagonal(Context *ctx, const Complete *c, int count, Node *const *directions)
{
    Node *f = directions[0];
    if (count == 0)
        return diagonal(ctx, product_of_others(ctx, c->pivots), true);
    if (count == 2)
        return cofactors_in_two_directions(ctx, c, f, directions[1]);
    Node *others = products_of_others_but_two(ctx, c);
    Node *row = node_reshape(ctx, diagonal(ctx, f, false), sized(ctx, f->type, 1, c->n));
    Node *on = node_reshape(ctx, node_matmul(ctx, row, others), sized(ctx, f->type, 0, c->n));
    return sub(ctx, diagonal(ctx, on, true), mul(ctx, transpose(ctx, f), others));
}

/* With a = P' L D U Q', a direction e is f = L^-1 P e Q U^-1 for D, and cofactors c of D are P' L'^-1 c U'^-1 Q'
 * for a. */
static Node *cofactors_by_factors(Context *ctx, Node *a, int count, Node *const *directions)
{
    Complete c = complete_factors(ctx, a);
    Node *f[2] = { NULL, NULL };
    for (int k = 0; k < count; k++) {
        Node *rows = node_lu_solve(ctx, c.factors, directions[k], false, false);
        f[k] = transpose(ctx, node_lu_solve(ctx, c.factors, transpose(ctx, rows), true, true));
    }
    Node *y = cofactors_of_diagonal(ctx, &c, count, f);
    y = transpose(ctx, node_lu_solve(ctx, c.factors, transpose(ctx, y), true, false));
    y = node_lu_solve(ctx, c.factors, y, false, true);
    return mul(ctx, beside(ctx, c.sign, 2), y);
}

static Node *det(Context *ctx, const Matrix *m)
{
    if (m->n <= SMALL)
        return det_small(ctx, m->node);
    Complete c = complete_factors(ctx, m->node);
    return mul(ctx, c.sign, product_of(ctx, c.pivots));
}

/* Where a matrix is nearly singular, what its inverse gives is no number to be trusted. */
static Node *unless_singular(Context *ctx, const Complete *c, Node *y)
{
    Node *sizes = node_unary(ctx, OP_abs, c->pivots), *least = node_real(ctx, ctx->options.is_float ? 1e-3 : 1e-8);
    Node *smallest = node_reduce(ctx, OP_min_reduce, sizes, 1, (int[]){ -1 }, false);
    Node *largest = node_reduce(ctx, OP_max_reduce, sizes, 1, (int[]){ -1 }, false);
    Node *good = node_binary(ctx, OP_gt, smallest, mul(ctx, least, largest));
    return node_where(ctx, beside(ctx, good, 2), y, node_real(ctx, NAN));
}

/* Fourth derivatives and beyond.  adj(1 + sum of t_k z_k), its part that is linear in t_k for k in a set: what det has
 * there, which is a trace, less the parts with one z fewer times that z. */
static Node *cofactors_by_inverse(Context *ctx, const Matrix *m, int count, Node *const *directions)
{
    Node *y = inverse(ctx, m), *z[DIRECTIONS_MAX];
    Node **parts = NEW_ARRAY(ctx->arena, Node *, (size_t)1 << count);
    CHECK(ctx, count <= DIRECTIONS_MAX);
    for (int k = 0; k < count; k++)
        z[k] = node_matmul(ctx, y, directions[k]);
    for (unsigned which = 1; which >> count == 0; which++) {
        Node *trace = NULL, *sum = NULL;
        for (int k = 0; k < count; k++) {
            if (!(which >> k & 1))
                continue;
            unsigned rest = which & ~(1u << k);
            Node *product = rest ? node_matmul(ctx, parts[rest], z[k]) : z[k];
            if (!trace)
                trace = node_sum(ctx, diagonal(ctx, product, false), 1, (int[]){ -1 }, false);
            sum = sum ? add(ctx, sum, product) : product;
        }
        parts[which] = sub(ctx, mul(ctx, beside(ctx, trace, 2), identity(ctx, sum->type)), sum);
    }
    Node *adjugate = node_matmul(ctx, parts[(1u << count) - 1], y);
    Complete c = complete_factors(ctx, m->node);
    Node *size = beside(ctx, mul(ctx, c.sign, product_of(ctx, c.pivots)), 2);
    return unless_singular(ctx, &c, mul(ctx, size, transpose(ctx, adjugate)));
}

static Node *det_cofactors(Context *ctx, int count, Node *const *operands)
{
    Matrix m = matrix_of(operands[0]);
    Node **x = NEW_ARRAY(ctx->arena, Node *, count);
    if (m.n <= SMALL)
        return cofactors_small(ctx, m.n, count, operands);
    x[0] = m.node;
    for (int k = 1; k < count; k++)                         /* cofactors of a transposed matrix are transposed */
        x[k] = m.transposed ? transpose(ctx, operands[k]) : operands[k];
    Matrix upright = { m.node, false, m.n };
    Node *y = count > 3 ? cofactors_by_inverse(ctx, &upright, count - 1, x + 1)
                        : cofactors_by_factors(ctx, m.node, count - 1, x + 1);
    return m.transposed ? transpose(ctx, y) : y;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */
static Node *triangular_solve(Context *ctx, const Node *n, Node *const *operands)
{
    Matrix m = matrix_of(operands[0]);
    if (m.n <= SMALL)
        return triangular_solve_small(ctx, n, operands[0], operands[1]);
    bool lower = n->attr[0] != 0, transposed = n->attr[1] != 0;
    return node_triangular_solve(ctx, m.node, operands[1], lower != m.transposed, transposed != m.transposed,
                                 n->attr[2]);
}

static Node *in_factors(Context *ctx, const Node *n, Node *const *operands)
{
    Matrix m = matrix_of(operands[0]);
    switch (n->op) {
    case OP_solve: return solve(ctx, &m, operands[1]);
    case OP_inverse: return inverse(ctx, &m);
    case OP_logdet: return logdet(ctx, &m);
    case OP_det: return det(ctx, &m);
    case OP_det_cofactors: return det_cofactors(ctx, n->operand_count, operands);
    case OP_triangular_solve: return triangular_solve(ctx, n, operands);
    case OP_cholesky: return m.n <= SMALL ? cholesky_small(ctx, operands[0]) : node_rebuild(ctx, n, operands);
    default: return NULL;
    }
}

/* What stands between keeps the place and the role of the op, but not its name. */
static Node *replace(Context *ctx, const Node *n, Node *const *operands, void *user)
{
    (void)user;
    if (n->operand_count == 0 || op_info[n->op].class != CLASS_OTHER || n->operands[0]->type->rank == 0)
        return node_rebuild(ctx, n, operands);
    graph_set_origin(ctx, (Origin){ .span = n->origin.span, .role = n->origin.role, .of = n->origin.of });
    Node *y = in_factors(ctx, n, operands);
    return y ? node_expand(ctx, y, n->type) : node_rebuild(ctx, n, operands);
}

static bool is_rewritten(const Node *n)
{
    switch (n->op) {
    case OP_solve: case OP_inverse: case OP_logdet: case OP_det: case OP_det_cofactors: case OP_triangular_solve:
    case OP_cholesky: return true;
    default: return false;
    }
}

/* In the function itself, or in what it repeats or chooses. */
static bool has_work(Context *ctx, const Fn *fn)
{
    NodeList nodes = { 0 };
    bool found = false;
    ArenaMark mark = arena_mark(ctx->scratch);
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; !found && k < nodes.count; k++) {
        found = is_rewritten(nodes.at[k]);
        for (int b = 0; !found && b < 2 && nodes.at[k]->body[b]; b++)
            found = has_work(ctx, nodes.at[k]->body[b]);
    }
    arena_release(ctx->scratch, mark);
    return found;
}

/* Closing the body again moves out what does not change in it, such as the factors of a matrix from around. */
static void replace_in_bodies(Context *ctx, const Node *region, Node *const *operands, void *user, Node **values)
{
    const Fn *body[2] = { NULL, NULL };
    (void)user;
    for (int b = 0; b < 2 && region->body[b]; b++)
        body[b] = fn_factor(ctx, region->body[b]);
    region_again(ctx, region, body, operands, NULL, values);
}

Fn *fn_factor(Context *ctx, const Fn *fn)
{
    if (!has_work(ctx, fn))
        return (Fn *)(uintptr_t)fn;
    return fn_rewrite_regions(ctx, fn, replace, replace_in_bodies, NULL);
}
