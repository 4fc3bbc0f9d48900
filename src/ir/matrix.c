/* matrix.c: constructors of the ops on matrices.
 *
 * In a node the axes in front of the matrices are the same in all operands.  A right-hand side with more of them is
 * brought there: the extra axes become columns, so that one matrix meets all its right-hand sides at once, and batched
 * seeds and tangents need no rule of their own. */
#include "graph.h"

#include <stdlib.h>

static bool is_square(const Type *t)
{
    return t->elem == ELEM_REAL && t->rank >= 2 && type_size(t, -1) == type_size(t, -2);
}

/* ---- right-hand sides -------------------------------------------------------------------------------------------- */
/* [extra.., batch.., n, m] as [batch.., n, extra * m]. */
static Node *extra_to_columns(Context *ctx, Node *b, int extra)
{
    int perm[RANK_MAX], rank = b->type->rank, kept = rank - extra;
    int64_t sizes[RANK_MAX], columns = type_size(b->type, -1);
    for (int k = 0; k < rank; k++)
        perm[k] = k < kept - 1 ? extra + k : k < rank - 1 ? k - kept + 1 : k;
    for (int k = 0; k < extra; k++)
        columns *= type_size(b->type, k);
    for (int k = 0; k < kept; k++)
        sizes[k] = k < kept - 1 ? type_size(b->type, extra + k) : columns;
    return node_reshape(ctx, node_permute(ctx, b, perm), type_sized(ctx, ELEM_REAL, kept, sizes));
}

/* [batch.., n, extra * m] in the shape of b, which is [extra.., batch.., n, m]. */
static Node *columns_to_extra(Context *ctx, Node *y, int extra, const Type *b)
{
    int perm[RANK_MAX], rank = b->rank, kept = rank - extra;
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < rank; k++) {
        sizes[k] = type_size(b, k < kept - 1 ? extra + k : k < rank - 1 ? k - kept + 1 : k);
        perm[k] = k < extra ? kept - 1 + k : k < rank - 1 ? k - extra : k;
    }
    return node_permute(ctx, node_reshape(ctx, y, type_sized(ctx, ELEM_REAL, rank, sizes)), perm);
}

/* The op on a and the columns of b. */
static Node *column_op(Context *ctx, Op op, Node *a, Node *b, int attr_count, const int64_t *attr)
{
    int extra = b->type->rank - a->type->rank;
    CHECK(ctx, extra >= 0 && b->type->elem == ELEM_REAL);
    Node *operands[2] = { a, extra ? extra_to_columns(ctx, b, extra) : b };
    for (int k = 0; k < a->type->rank - 2; k++)
        CHECK(ctx, a->type->dim[k] == operands[1]->type->dim[k]);
    Node *y = node_make(ctx, op, operands[1]->type, 2, operands, attr_count, attr);
    return extra ? columns_to_extra(ctx, y, extra, b->type) : y;
}

Node *node_solve(Context *ctx, Node *a, Node *b)
{
    CHECK(ctx, is_square(a->type) && b->type->rank >= 2 && type_size(b->type, -2) == type_size(a->type, -1));
    return column_op(ctx, OP_solve, a, b, 0, NULL);
}

Node *node_triangular_solve(Context *ctx, Node *a, Node *b, bool lower, bool transpose, bool unit)
{
    int64_t attr[3] = { lower, transpose, unit };
    CHECK(ctx, is_square(a->type) && b->type->rank >= 2 && type_size(b->type, -2) == type_size(a->type, -1));
    return column_op(ctx, OP_triangular_solve, a, b, 3, attr);
}

/* ---- one matrix -------------------------------------------------------------------------------------------------- */
Node *node_matrix(Context *ctx, Op op, Node *a)
{
    static const int64_t axes[2] = { -2, -1 };
    CHECK(ctx, is_square(a->type));
    bool scalar = op == OP_det || op == OP_logdet;
    CHECK(ctx, scalar || op == OP_inverse || op == OP_cholesky);
    const Type *type = scalar ? type_make(ctx, ELEM_REAL, a->type->rank - 2, a->type->dim) : a->type;
    return node_make(ctx, op, type, 1, &a, scalar ? 2 : 0, axes);
}

static int by_age(const void *x, const void *w)
{
    int a = (*(Node *const *)x)->id, b = (*(Node *const *)w)->id;
    return (a > b) - (a < b);
}

/* The order of the directions does not matter, so they are sorted.  det is a polynomial of degree n. */
Node *node_det_cofactors(Context *ctx, Node *a, int count, Node *const *directions)
{
    CHECK(ctx, is_square(a->type));
    for (int k = 0; k < count; k++)
        CHECK(ctx, directions[k]->type == a->type);
    if (count >= type_size(a->type, -1))
        return node_fill(ctx, a->type, 0);
    Node **operands = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < count; k++)
        operands[1 + k] = directions[k];
    qsort(operands + 1, (size_t)count, sizeof *operands, by_age);
    operands[0] = a;
    return node_make(ctx, OP_det_cofactors, a->type, count + 1, operands, 0, NULL);
}

/* ---- factors ----------------------------------------------------------------------------------------------------- */
Node *node_lu_factor(Context *ctx, Node *a, bool complete)
{
    int rank = a->type->rank;
    int64_t attr = complete, sizes[RANK_MAX];
    CHECK(ctx, is_square(a->type));
    for (int k = 0; k < rank; k++)
        sizes[k] = type_size(a->type, k);
    sizes[rank - 2] += 1 + complete;
    return node_make(ctx, OP_lu_factor, type_sized(ctx, ELEM_REAL, rank, sizes), 1, &a, 1, &attr);
}

Node *node_lu_solve(Context *ctx, Node *factors, Node *b, bool upper, bool transpose)
{
    int64_t attr[2] = { upper, transpose }, exchanges = type_size(factors->type, -2) - type_size(factors->type, -1);
    CHECK(ctx, (exchanges == 1 || exchanges == 2) && b->type->rank >= 2);
    CHECK(ctx, type_size(b->type, -2) == type_size(factors->type, -1));
    return column_op(ctx, OP_lu_solve, factors, b, 2, attr);
}
