/* sequence.c: adjoint and tangent of the recurrence, and of the product.
 *
 * The adjoint of y_k = b_k + a_k y_{k-1} is a recurrence that runs backwards.  The product has a derivative that is
 * exact when elements are zero, at every order: each element meets the product of all others, which is a product of
 * what stands before it and of what stands behind it, and both are recurrences.  Nothing here ever divides. */
#include "rules.h"

/* x moved one place up along an axis counted from the end; zero comes in, the last element falls out. */
static Node *shift_up(Context *ctx, Node *x, int axis)
{
    int64_t n = type_size(x->type, axis);
    return n == 1 ? node_fill(ctx, x->type, 0) : axis_pad(ctx, axis_slice(ctx, x, axis, 0, 1, n - 1), axis, 1, 0);
}

/* ---- recurrence ------------------------------------------------------------------------------------------------ */
/* lambda_k = g_k + a_{k+1} lambda_{k+1}, which is the adjoint of b. */
static Node *backward_recurrence(Context *ctx, const Node *n, Node *g)
{
    int axis = (int)n->attr[0];
    Node *a = shift_up(ctx, axis_flip(ctx, n->operands[0], axis), axis);
    a = node_expand(ctx, a, g->type);
    return axis_flip(ctx, node_recurrence(ctx, a, axis_flip(ctx, g, axis), axis), axis);
}

/* p_k y_{k-1} for k > 0, and 0 for k = 0 whatever p_0 is: a_0 is not read. */
static Node *times_previous(Context *ctx, Node *y, Node *p, int axis)
{
    int64_t n = type_size(y->type, axis);
    Node *later = axis_slice(ctx, p, axis, 1, 1, n - 1), *earlier = axis_slice(ctx, y, axis, 0, 1, n - 1);
    return axis_pad(ctx, node_binary(ctx, OP_mul, later, earlier), axis, 1, 0);
}

Node *recurrence_adjoint(Context *ctx, Node *n, int operand, Node *g)
{
    int axis = (int)n->attr[0];
    if (operand == 0 && type_size(n->type, axis) == 1)
        return NULL;
    Node *lambda = backward_recurrence(ctx, n, g);
    return operand == 1 ? lambda : times_previous(ctx, n, lambda, axis);
}

Node *recurrence_tangent(Context *ctx, Node *n, Node *const *tangents)
{
    Node *da = tangents[0], *db = tangents[1];
    int axis = (int)n->attr[0];
    if (da && type_size(n->type, axis) > 1) {
        Node *term = times_previous(ctx, n, da, axis);
        db = db ? node_binary(ctx, OP_add, db, term) : term;
    }
    if (!db)
        return NULL;
    return node_recurrence(ctx, node_expand(ctx, n->operands[0], db->type), db, axis);
}

/* ---- product --------------------------------------------------------------------------------------------------- */
/* The reduced axes of n moved behind the others: perm for the operand. */
static int reduced_last(const Node *n, int *perm)
{
    int rank = n->operands[0]->type->rank, count = 0, last = rank - n->attr_count;
    for (int k = 0, r = 0; k < rank; k++) {
        if (r < n->attr_count && n->attr[r] + rank == k)
            perm[last + r++] = k;
        else
            perm[count++] = k;
    }
    return count;
}

static Node *permute_back(Context *ctx, Node *x, const int *perm)
{
    int inverse[RANK_MAX];
    for (int k = 0; k < x->type->rank; k++)
        inverse[perm[k]] = k;
    return node_permute(ctx, x, inverse);
}

/* The product of all elements before each one along the last axis; 1 for the first. */
static Node *product_before(Context *ctx, Node *x)
{
    int64_t n = type_size(x->type, -1);
    Node *one = node_fill(ctx, axis_slice(ctx, x, -1, 0, 1, 1)->type, 1);
    return node_recurrence(ctx, shift_up(ctx, x, -1), axis_pad(ctx, one, -1, 0, n - 1), -1);
}

/* For each element of the operand, the product of the others that are reduced with it. */
static Node *product_of_others(Context *ctx, const Node *n)
{
    Node *x = n->operands[0];
    int perm[RANK_MAX], kept = reduced_last(n, perm);
    Node *moved = node_permute(ctx, x, perm);
    int64_t flat = x->type->count / n->type->count;
    const Type *rows = type_make(ctx, ELEM_REAL, kept, moved->type->dim);
    Node *line = node_reshape(ctx, moved, type_concat(ctx, ELEM_REAL, rows, type_sized(ctx, ELEM_REAL, 1, &flat)));
    Node *behind = axis_flip(ctx, product_before(ctx, axis_flip(ctx, line, -1)), -1);
    Node *others = node_binary(ctx, OP_mul, product_before(ctx, line), behind);
    return permute_back(ctx, node_reshape(ctx, others, moved->type), perm);
}

Node *product_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    return node_binary(ctx, OP_mul, batch_keep(ctx, n, g, batch), product_of_others(ctx, n));
}

Node *product_tangent(Context *ctx, const Node *n, Node *dx)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    return node_sum(ctx, node_binary(ctx, OP_mul, dx, product_of_others(ctx, n)), count, axes, false);
}
