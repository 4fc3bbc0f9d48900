/* factor.c: factorisations and triangular equations as loops, in place in the result.
 *
 * The right-hand side, or the matrix, is copied into the result first; then each matrix of the batch is worked on where
 * it is.  The loops are sealed: they read what they overwrite, so every load is one of its own (formula_load_now), and
 * what is used twice is a named scalar.  Inner loops run along rows, with unit stride. */
#include "loop.h"

enum { OPEN_MAX = RANK_MAX + 4 };

typedef struct {
    Lowering *lower;
    const Node *node;
    Buffer *out;
    int64_t n, rows, columns;                               /* of the matrix; of the result */
    const Formula *index[RANK_MAX];                         /* the batch's axes, then two more for operands */
    const Formula *base;                                    /* where this matrix of the result begins */
    bool sealed;
    int depth;
    uint64_t loops;                                         /* that are open */
    Stmt *open[OPEN_MAX];                                   /* NULL: an axis of size 1, which needs no loop */
    int open_count;
} Kernel;

bool factor_fits(const Node *n)
{
    return n->op == OP_lu_factor || n->op == OP_lu_solve || n->op == OP_triangular_solve || n->op == OP_cholesky;
}

static const Node *moved(const Node *n)
{
    while (node_is_movement(n))
        n = n->operands[0];
    return n;
}

/* What is solved for takes the place of the right-hand side, unless that is the matrix as well. */
bool factor_in_place(const Node *n)
{
    return (n->op == OP_lu_solve || n->op == OP_triangular_solve) && moved(n->operands[0]) != moved(n->operands[1]);
}

/* ---- statements and loops ---------------------------------------------------------------------------------------- */
static Stmt *innermost(const Kernel *k)
{
    int at = k->open_count;
    while (at > 0 && !k->open[at - 1])
        at--;
    return at ? k->open[at - 1] : NULL;
}

static void put(Kernel *k, Stmt *s)
{
    Stmt *around = innermost(k);
    s->sealed = k->sealed;
    if (around)
        block_push(k->lower, &around->body, s);
    else if (s->kind != STMT_LOOP)
        fuse_place(k->lower, s, k->node);
}

/* A loop over begin .. end, or the part of it from `from` to `to`. */
static const Formula *begin_part(Kernel *k, int64_t begin, int64_t end, const Formula *from, const Formula *to)
{
    const Loop *loop = loop_counted(k->lower, k->depth, begin, end, 1);
    Stmt *s = lower_loop(k->lower, loop);
    s->from = from;
    s->to = to;
    put(k, s);
    k->open[k->open_count++] = s;
    k->depth++;
    k->loops |= (uint64_t)1 << loop->depth;
    return formula_counter(k->lower, loop);
}

static const Formula *begin(Kernel *k, int64_t count)
{
    if (count > 1)
        return begin_part(k, 0, count, NULL, NULL);
    k->open[k->open_count++] = NULL;
    return formula_int(k->lower, 0);
}

/* A nest at top level is placed when it is complete. */
static void end(Kernel *k)
{
    Stmt *s = k->open[--k->open_count];
    if (!s)
        return;
    k->loops &= ~((uint64_t)1 << s->loop->depth);
    k->depth--;
    if (!innermost(k))
        fuse_place(k->lower, s, k->node);
}

/* ---- scalars ----------------------------------------------------------------------------------------------------- */
static Scalar *declare(Kernel *k, const char *name, const Formula *value, bool is_mutable)
{
    Scalar *s = lower_scalar(k->lower, value->elem, k->node, is_mutable);
    s->hint = str_intern(k->lower->ctx, name);
    s->loops = k->loops;
    if (value->elem == ELEM_INT) {                          /* a row or a column */
        s->low = 0;
        s->high = k->n - 1;
    }
    put(k, lower_declare(k->lower, s, value));
    return s;
}

static const Formula *named(Kernel *k, const char *name, const Formula *value)
{
    return formula_scalar(k->lower, declare(k, name, value, false));
}

static void choose(Kernel *k, Scalar *s, const Formula *condition, const Formula *value)
{
    const Formula *chosen = formula_select(k->lower, condition, value, formula_scalar(k->lower, s));
    put(k, lower_assign(k->lower, s, COMBINE_SET, chosen));
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */
static const Formula *place(const Kernel *k, const Formula *i, const Formula *j)
{
    return index_add(k->lower, k->base, index_add(k->lower, index_scale(k->lower, i, k->columns), j));
}

static const Formula *get(const Kernel *k, const Formula *i, const Formula *j)
{
    return formula_load_now(k->lower, k->out, place(k, i, j));
}

static void set(Kernel *k, const Formula *i, const Formula *j, const Formula *value)
{
    put(k, lower_store(k->lower, k->out, place(k, i, j), COMBINE_SET, value));
}

static void subtract_product(Kernel *k, const Formula *i, const Formula *j, const Formula *a, const Formula *b)
{
    const Formula *product = formula_binary(k->lower, FORMULA_MUL, a, b);
    put(k, lower_store(k->lower, k->out, place(k, i, j), COMBINE_ADD, formula_unary(k->lower, FORMULA_NEG, product)));
}

static const Formula *operand(Kernel *k, int which, const Formula *i, const Formula *j)
{
    const Node *x = k->node->operands[which];
    k->index[x->type->rank - 2] = i;
    k->index[x->type->rank - 1] = j;
    return read_element(k->lower, x, k->index);
}

static const Formula *absolute(Kernel *k, const Formula *x)
{
    return formula_call(k->lower, "fabs", ELEM_REAL, 1, &x);
}

static const Formula *divided(Kernel *k, const Formula *x, const Formula *by)
{
    return formula_binary(k->lower, FORMULA_DIV, x, by);
}

static const Formula *is_not_zero(Kernel *k, const Formula *x)
{
    Node ne = { .op = OP_ne, .type = type_scalar(k->lower->ctx, ELEM_BOOL) };
    return kernel_apply(k->lower, &ne, (const Formula *[]){ x, formula_real(k->lower, 0) });
}

static void exchange(Kernel *k, const Formula *i, const Formula *j, const Formula *i2, const Formula *j2)
{
    const Formula *held = named(k, "held", get(k, i, j));
    set(k, i, j, get(k, i2, j2));
    set(k, i2, j2, held);
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */
static void begin_batch(Kernel *k)
{
    const Type *t = k->node->type;
    k->base = formula_int(k->lower, 0);
    for (int axis = 0; axis < t->rank - 2; axis++) {
        k->index[axis] = begin(k, type_size(t, axis));
        k->base = index_add(k->lower, index_scale(k->lower, k->base, type_size(t, axis)), k->index[axis]);
    }
    k->base = index_scale(k->lower, k->base, k->rows * k->columns);
}

static void end_batch(Kernel *k)
{
    while (k->open_count)
        end(k);
}

/* What is worked on, to where it is worked on; this may be fused with what computes it. */
static void copy_operand(Kernel *k, int which)
{
    begin_batch(k);
    const Formula *i = begin(k, k->n), *j = begin(k, k->columns);
    set(k, i, j, operand(k, which, i, j));
    end_batch(k);
}

/* ---- L and U ----------------------------------------------------------------------------------------------------- */
typedef struct { Scalar *row, *column; } Pivot;

/* The largest element of the column below, or of all that is left; the first of equals. */
static Pivot find_pivot(Kernel *k, const Formula *at, bool complete)
{
    Scalar *largest = declare(k, "largest", absolute(k, get(k, at, at)), true);
    Pivot p = { declare(k, "row", at, true), complete ? declare(k, "column", at, true) : NULL };
    const Formula *next = complete ? at : index_shift(k->lower, at, 1);
    const Formula *i = begin_part(k, complete ? 0 : 1, k->n, next, NULL);
    const Formula *j = complete ? begin_part(k, 0, k->n, at, NULL) : at;
    const Formula *size = named(k, "size", absolute(k, get(k, i, j)));
    const Formula *is_larger = formula_binary(k->lower, FORMULA_GT, size, formula_scalar(k->lower, largest));
    const Formula *larger = named(k, "larger", is_larger);
    choose(k, largest, larger, size);
    choose(k, p.row, larger, i);
    if (complete) {
        choose(k, p.column, larger, j);
        end(k);
    }
    end(k);
    return p;
}

static void apply_pivot(Kernel *k, const Formula *at, const Pivot *p)
{
    Lowering *lower = k->lower;
    set(k, formula_int(lower, k->n), at, formula_convert(lower, formula_scalar(lower, p->row), ELEM_REAL));
    if (p->column)
        set(k, formula_int(lower, k->n + 1), at, formula_convert(lower, formula_scalar(lower, p->column), ELEM_REAL));
    const Formula *j = begin(k, k->n);
    exchange(k, at, j, formula_scalar(k->lower, p->row), j);
    end(k);
    if (!p->column)
        return;
    const Formula *i = begin(k, k->n);
    exchange(k, i, at, i, formula_scalar(k->lower, p->column));
    end(k);
}

/* A column of zeros needs no pivot. */
static void eliminate_below(Kernel *k, const Formula *at, bool complete)
{
    const Formula *zero = formula_real(k->lower, 0), *next = index_shift(k->lower, at, 1);
    const Formula *pivot = named(k, "pivot", get(k, at, at));
    const Formula *usable = named(k, "usable", is_not_zero(k, pivot));
    const Formula *i = begin_part(k, 1, k->n, next, NULL);
    const Formula *ratio = divided(k, get(k, i, at), pivot);
    const Formula *factor = named(k, "factor", formula_select(k->lower, usable, ratio, zero));
    set(k, i, at, factor);
    const Formula *j = begin_part(k, 1, k->n, next, NULL);
    subtract_product(k, i, j, factor, get(k, at, j));
    end(k);
    end(k);
    if (!complete)
        return;
    j = begin_part(k, 1, k->n, next, NULL);
    set(k, at, j, formula_select(k->lower, usable, divided(k, get(k, at, j), pivot), zero));
    end(k);
}

static void lower_lu(Kernel *k)
{
    bool complete = k->node->attr[0] != 0;
    const Formula *at = begin(k, k->n);
    Pivot p = { NULL, NULL };
    if (k->n > 1) {
        p = find_pivot(k, at, complete);
        apply_pivot(k, at, &p);
        eliminate_below(k, at, complete);
    }
    for (int64_t row = k->n; k->n == 1 && row < k->rows; row++)
        set(k, formula_int(k->lower, row), at, formula_real(k->lower, 0));
    end(k);
}

/* ---- triangles --------------------------------------------------------------------------------------------------- */
typedef struct { bool forwards, transpose, unit; } Triangle;

static const Formula *triangle_element(Kernel *k, const Triangle *t, const Formula *i, const Formula *j)
{
    return t->transpose ? operand(k, 0, j, i) : operand(k, 0, i, j);
}

/* A loop over the rows before row i, or over those behind it. */
static const Formula *begin_rows(Kernel *k, const Formula *i, bool before)
{
    return before ? begin_part(k, 0, k->n - 1, NULL, i) : begin_part(k, 1, k->n, index_shift(k->lower, i, 1), NULL);
}

/* One column: row by row, each less a sum of products along a row of the matrix. */
static void solve_by_rows(Kernel *k, const Triangle *t, const Formula *i)
{
    const Formula *first = formula_int(k->lower, 0);
    Scalar *sum = declare(k, "sum", get(k, i, first), true);
    if (k->n > 1) {
        const Formula *j = begin_rows(k, i, t->forwards);
        const Formula *product = formula_binary(k->lower, FORMULA_MUL, triangle_element(k, t, i, j), get(k, j, first));
        put(k, lower_assign(k->lower, sum, COMBINE_ADD, formula_unary(k->lower, FORMULA_NEG, product)));
        end(k);
    }
    const Formula *value = formula_scalar(k->lower, sum);
    set(k, i, first, t->unit ? value : divided(k, value, triangle_element(k, t, i, i)));
}

/* Many columns, or one whose matrix is read along columns: a row that is solved is taken from those that are left. */
static void solve_by_columns(Kernel *k, const Triangle *t, const Formula *i)
{
    if (!t->unit) {
        const Formula *pivot = named(k, "pivot", triangle_element(k, t, i, i));
        const Formula *c = begin(k, k->columns);
        set(k, i, c, divided(k, get(k, i, c), pivot));
        end(k);
    }
    if (k->n == 1)
        return;
    const Formula *left = begin_rows(k, i, !t->forwards);
    const Formula *factor = named(k, "factor", triangle_element(k, t, left, i));
    const Formula *c = begin(k, k->columns);
    subtract_product(k, left, c, factor, get(k, i, c));
    end(k);
    end(k);
}

/* From the first row on, or from the last. */
static const Formula *begin_steps(Kernel *k, bool forwards)
{
    const Formula *step = begin(k, k->n);
    return forwards ? step : index_shift(k->lower, index_scale(k->lower, step, -1), k->n - 1);
}

static void solve_triangle(Kernel *k, const Triangle *t)
{
    const Formula *i = begin_steps(k, t->forwards);
    if (k->columns == 1 && !t->transpose)
        solve_by_rows(k, t, i);
    else
        solve_by_columns(k, t, i);
    end(k);
}

/* As the factorisation did, told by a row of the factors; or back. */
static void exchange_rows(Kernel *k, int64_t told, bool backwards)
{
    const Formula *i = begin_steps(k, !backwards);
    const Formula *with = formula_convert(k->lower, operand(k, 0, formula_int(k->lower, told), i), ELEM_INT);
    const Formula *row = named(k, "row", formula_clamp(k->lower, with, k->n - 1));
    const Formula *j = begin(k, k->columns);
    exchange(k, i, j, row, j);
    end(k);
    end(k);
}

/* Rows were exchanged for L, columns for U if at all; in a transposed equation the other way round. */
static void lower_solve(Kernel *k)
{
    bool upper = k->node->attr[0] != 0, transpose = k->node->attr[1] != 0;
    bool complete = type_size(k->node->operands[0]->type, -2) == k->n + 2, exchanges = !upper || complete;
    Triangle t = { .forwards = upper == transpose, .transpose = transpose, .unit = !upper || complete };
    if (exchanges && upper == transpose)
        exchange_rows(k, k->n + upper, false);
    solve_triangle(k, &t);
    if (exchanges && upper != transpose)
        exchange_rows(k, k->n + upper, true);
}

static void lower_triangle(Kernel *k)
{
    const int64_t *attr = k->node->attr;
    Triangle t = { .forwards = (attr[0] != 0) != (attr[1] != 0), .transpose = attr[1] != 0, .unit = attr[2] != 0 };
    solve_triangle(k, &t);
}

/* ---- Cholesky ---------------------------------------------------------------------------------------------------- */
/* The upper half of the result holds what is worked on, along its rows: the transposed factor. */
static void copy_symmetric_part(Kernel *k)
{
    begin_batch(k);
    const Formula *i = begin(k, k->n), *j = begin_part(k, 0, k->n, i, NULL);
    const Formula *sum = formula_binary(k->lower, FORMULA_ADD, operand(k, 0, i, j), operand(k, 0, j, i));
    set(k, i, j, formula_binary(k->lower, FORMULA_MUL, formula_real(k->lower, 0.5), sum));
    end_batch(k);
}

static void move_below(Kernel *k)
{
    const Formula *i = begin_part(k, 1, k->n, NULL, NULL), *j = begin_part(k, 0, k->n - 1, NULL, i);
    set(k, i, j, get(k, j, i));
    set(k, j, i, formula_real(k->lower, 0));
    end(k);
    end(k);
}

static void lower_cholesky(Kernel *k)
{
    const Formula *at = begin(k, k->n), *square = get(k, at, at), *next = index_shift(k->lower, at, 1);
    const Formula *root = named(k, "root", formula_call(k->lower, "sqrt", ELEM_REAL, 1, &square));
    set(k, at, at, root);
    if (k->n > 1) {
        const Formula *j = begin_part(k, 1, k->n, next, NULL);
        set(k, at, j, divided(k, get(k, at, j), root));
        end(k);
        const Formula *i = begin_part(k, 1, k->n, next, NULL);
        const Formula *factor = named(k, "factor", get(k, at, i));
        j = begin_part(k, 1, k->n, i, NULL);
        subtract_product(k, i, j, factor, get(k, at, j));
        end(k);
        end(k);
    }
    end(k);
    if (k->n > 1)
        move_below(k);
}

/* ---- what the others see ----------------------------------------------------------------------------------------- */
void factor_lower(Lowering *lower, const Node *n, Buffer *out)
{
    Kernel k = { .lower = lower, .node = n, .out = out, .n = type_size(n->operands[0]->type, -1),
                 .rows = type_size(n->type, -2), .columns = type_size(n->type, -1) };
    k.sealed = n->op == OP_cholesky;
    if (n->op == OP_cholesky)
        copy_symmetric_part(&k);
    else if (!factor_in_place(n) || info_of(lower, schedule_base(n))->taken_by != n)
        copy_operand(&k, n->operand_count - 1);
    k.sealed = true;
    begin_batch(&k);
    switch (n->op) {
    case OP_lu_factor: lower_lu(&k); break;
    case OP_lu_solve: lower_solve(&k); break;
    case OP_triangular_solve: lower_triangle(&k); break;
    default: lower_cholesky(&k); break;
    }
    end_batch(&k);
}
