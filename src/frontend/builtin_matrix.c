/* builtin_matrix.c: linear algebra.
 *
 * The last two axes are matrices, axes in front of them a batch, which broadcasts.  Where the right-hand side alone has
 * axes in front, the matrix is factorised once for all of them. */
#include "elaborate.h"

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */
static Node *matrix_argument(Call *call, int k)
{
    Node *x = value_real(call->frame, call->args[k]);
    if (!x || x->type->rank >= 2)
        return x;
    fail(call->frame, call->args[k].span, "'%s' takes a matrix, or several behind leading axes, but this is %s",
         call->builtin->name, type_text(context_of(call), x->type));
    return NULL;
}

static Node *square_argument(Call *call, int k)
{
    Node *x = matrix_argument(call, k);
    if (!x || type_size(x->type, -1) == type_size(x->type, -2))
        return x;
    fail(call->frame, call->args[k].span, "'%s' takes a square matrix, but this is %s", call->builtin->name,
         type_text(context_of(call), x->type));
    return NULL;
}

static void misfit(Call *call, const Type *a, const Type *b, const char *what)
{
    fail(call->frame, call->span, "shapes %s and %s do not fit in '%s': %s", shape_text(context_of(call), a),
         shape_text(context_of(call), b), call->builtin->name, what);
}

/* `batch`, then the last two axes of t. */
static const Type *with_batch(Context *ctx, const Type *batch, const Type *t)
{
    return type_concat(ctx, ELEM_REAL, batch, type_make(ctx, ELEM_REAL, 2, t->dim + t->rank - 2));
}

static const Type *batch_of(Context *ctx, const Type *t)
{
    return type_make(ctx, ELEM_REAL, t->rank - 2, t->dim);
}

/* b gets the common batch, a as much of it as a has axes for: where b alone has axes, a serves all. */
static bool broadcast_batch(Call *call, Node **a, Node **b)
{
    Context *ctx = context_of(call);
    const Type *own = batch_of(ctx, (*a)->type), *batch = type_broadcast(ctx, own, batch_of(ctx, (*b)->type));
    if (!batch) {
        misfit(call, (*a)->type, (*b)->type, "the axes in front of the matrices differ");
        return false;
    }
    const Type *full = with_batch(ctx, batch, (*b)->type);
    if (!check_size(call->frame, call->span, full))
        return false;
    const Type *part = type_make(ctx, ELEM_REAL, own->rank, batch->dim + batch->rank - own->rank);
    *a = node_expand(ctx, *a, with_batch(ctx, part, (*a)->type));
    *b = node_expand(ctx, *b, full);
    return true;
}

/* ---- equations --------------------------------------------------------------------------------------------------- */
typedef Node *SolveColumns(Call *, Node *a, Node *b);

/* b is one vector per matrix if it has one axis less than a, or is a vector; else it is a matrix of columns. */
static Node *solve_with(Call *call, SolveColumns *solve)
{
    Context *ctx = context_of(call);
    Node *a = square_argument(call, 0), *b = value_real(call->frame, call->args[1]);
    if (!a || !b)
        return NULL;
    bool vector = b->type->rank == 1 || b->type->rank == a->type->rank - 1;
    if (b->type->rank == 0 || type_size(b->type, vector ? -1 : -2) != type_size(a->type, -1)) {
        misfit(call, a->type, b->type,
               vector ? "the right-hand side, which has one axis less, holds vectors of another length than the matrix"
                      : "the right-hand side does not have as many rows as the matrix");
        return NULL;
    }
    if (vector)
        b = node_reshape(ctx, b, type_concat(ctx, ELEM_REAL, b->type, type_sized(ctx, ELEM_REAL, 1, (int64_t[]){ 1 })));
    if (!broadcast_batch(call, &a, &b))
        return NULL;
    Node *y = solve(call, a, b);
    return y && vector ? node_reshape(ctx, y, type_make(ctx, ELEM_REAL, y->type->rank - 1, y->type->dim)) : y;
}

static Node *solve_columns(Call *call, Node *a, Node *b)
{
    return node_solve(context_of(call), a, b);
}

static Node *solve_triangle(Call *call, Node *a, Node *b)
{
    bool lower, transpose, unit;
    if (!call_truth(call, "lower", true, &lower) || !call_truth(call, "transpose", false, &transpose)
        || !call_truth(call, "unit", false, &unit))
        return NULL;
    return node_triangular_solve(context_of(call), a, b, lower, transpose, unit);
}

static Node *build_solve(Call *call) { return solve_with(call, solve_columns); }
static Node *build_triangular_solve(Call *call) { return solve_with(call, solve_triangle); }

/* ---- one matrix -------------------------------------------------------------------------------------------------- */
static Node *one_matrix(Call *call, Op op)
{
    Node *a = square_argument(call, 0);
    return a ? node_matrix(context_of(call), op, a) : NULL;
}

static Node *build_inverse(Call *call) { return one_matrix(call, OP_inverse); }
static Node *build_det(Call *call) { return one_matrix(call, OP_det); }
static Node *build_logdet(Call *call) { return one_matrix(call, OP_logdet); }
static Node *build_cholesky(Call *call) { return one_matrix(call, OP_cholesky); }

/* ---- products ---------------------------------------------------------------------------------------------------- */
/* A vector is a row, so that vectors give one row and the result loses that axis again. */
static Node *as_matrix(Call *call, int k)
{
    Node *x = value_real(call->frame, call->args[k]);
    if (x && x->type->rank == 0)
        fail(call->frame, call->args[k].span, "'kron' takes vectors or matrices, but this is a scalar");
    if (!x || x->type->rank == 0)
        return NULL;
    return x->type->rank > 1 ? x : node_reshape(context_of(call), x, type_sized(context_of(call), ELEM_REAL, 2,
                                                                              (int64_t[]){ 1, x->type->count }));
}

/* [.., n, m] with an axis of 1 behind each of the two (first) or in front of each. */
static Node *spread(Context *ctx, Node *x, bool first)
{
    int rank = x->type->rank;
    int64_t sizes[RANK_MAX], n = type_size(x->type, -2), m = type_size(x->type, -1);
    for (int k = 0; k < rank - 2; k++)
        sizes[k] = type_size(x->type, k);
    sizes[rank - 2] = first ? n : 1;
    sizes[rank - 1] = first ? 1 : n;
    sizes[rank] = first ? m : 1;
    sizes[rank + 1] = first ? 1 : m;
    return node_reshape(ctx, x, type_sized(ctx, ELEM_REAL, rank + 2, sizes));
}

static Node *build_kron(Call *call)
{
    Context *ctx = context_of(call);
    Node *a = as_matrix(call, 0), *b = as_matrix(call, 1);
    if (!a || !b)
        return NULL;
    bool vectors = call->args[0].node->type->rank == 1 && call->args[1].node->type->rank == 1;
    const Type *batch = type_broadcast(ctx, batch_of(ctx, a->type), batch_of(ctx, b->type));
    if (!batch) {
        misfit(call, a->type, b->type, "the axes in front of the matrices differ");
        return NULL;
    }
    int64_t sizes[RANK_MAX];
    int rank = batch->rank;
    for (int k = 0; k < rank; k++)
        sizes[k] = type_size(batch, k);
    for (int k = -2 + vectors; k < 0; k++)
        sizes[rank++] = type_size(a->type, k) * type_size(b->type, k);
    const Type *type = make_type(call->frame, call->span, ELEM_REAL, rank, sizes);
    return type ? node_reshape(ctx, node_binary(ctx, OP_mul, spread(ctx, a, true), spread(ctx, b, false)), type) : NULL;
}

/* The first of two values, as large as both together. */
static Node *build_beside(Call *call)
{
    Context *ctx = context_of(call);
    Node *x = value_number(call->frame, call->args[0]), *w = value_number(call->frame, call->args[1]);
    const Type *type = x && w ? type_broadcast(ctx, x->type, w->type) : NULL;
    if (x && w && !type)
        fail(call->frame, call->span, "shapes %s and %s do not fit together", shape_text(ctx, x->type),
             shape_text(ctx, w->type));
    return type && check_size(call->frame, call->span, type) ? node_expand(ctx, x, type) : NULL;
}

/* ---- what dumps show --------------------------------------------------------------------------------------------- */
static Node *build_det_cofactors(Call *call)
{
    Node **x = NEW_ARRAY(context_of(call)->arena, Node *, call->count);
    for (int k = 0; k < call->count; k++) {
        x[k] = square_argument(call, k);
        if (!x[k])
            return NULL;
        if (x[k]->type != x[0]->type) {
            misfit(call, x[0]->type, x[k]->type, "a direction has the shape of the matrix");
            return NULL;
        }
    }
    return node_det_cofactors(context_of(call), x[0], call->count - 1, x + 1);
}

static Node *build_lu_factor(Call *call)
{
    Node *a = square_argument(call, 0);
    bool complete;
    return a && call_truth(call, "complete", false, &complete) ? node_lu_factor(context_of(call), a, complete) : NULL;
}

static Node *build_lu_solve(Call *call)
{
    Node *factors = matrix_argument(call, 0), *b = matrix_argument(call, 1);
    bool upper, transpose;
    if (!factors || !b || !call_truth(call, "upper", false, &upper)
        || !call_truth(call, "transpose", false, &transpose))
        return NULL;
    int64_t n = type_size(factors->type, -1), exchanges = type_size(factors->type, -2) - n;
    if (exchanges < 1 || exchanges > 2 || type_size(b->type, -2) != n) {
        misfit(call, factors->type, b->type, "the first is what 'lu_factor' gives, the second has as many rows");
        return NULL;
    }
    return broadcast_batch(call, &factors, &b) ? node_lu_solve(context_of(call), factors, b, upper, transpose) : NULL;
}

const Builtin matrix_builtins[] = {
    { "solve", build_solve, 2, 2, "", false },
    { "triangular_solve", build_triangular_solve, 2, 2, "lower transpose unit", false },
    { "inverse", build_inverse, 1, 1, "", false },
    { "det", build_det, 1, 1, "", false },
    { "logdet", build_logdet, 1, 1, "", false },
    { "cholesky", build_cholesky, 1, 1, "", false },
    { "kron", build_kron, 2, 2, "", false },
    { "beside", build_beside, 2, 2, "", true },
    { "det_cofactors", build_det_cofactors, 1, -1, "", false },
    { "lu_factor", build_lu_factor, 1, 1, "complete", false },
    { "lu_solve", build_lu_solve, 2, 2, "upper transpose", false },
    { NULL, NULL, 0, 0, NULL, false },
};
