/* matrix.c: tangents of the ops on matrices, and both derivatives of det_cofactors.
 *
 * The rows of ops.h have the formulas; here are only sums over operands.  A solve gets the sum of its right-hand sides,
 * so that there is one solve more, whatever depends on a direction.  det_cofactors(x, w..) is what remains of the
 * derivative of det in the directions w.. and one more that is left open; so it is linear in each w, symmetric in all
 * of them and the open one, and its derivative by x is the same with a direction more. */
#include "rules.h"

/* ---- tangents ---------------------------------------------------------------------------------------------------- */
static Node *tangent_by_x(Context *ctx, Node *n, Node *dx)
{
    return rule_apply(ctx, n->op, 2, n, n->operands, n, dx);
}

static Node *tangent_of_solve(Context *ctx, Node *n, Node *const *tangents)
{
    Node *right = tangents[1], *x = n->operands[0];
    if (tangents[0])
        right = node_plus(ctx, right, tangent_by_x(ctx, n, tangents[0]));
    return n->op == OP_solve ? node_solve(ctx, x, right)
                             : node_triangular_solve(ctx, x, right, n->attr[0], n->attr[1], n->attr[2]);
}

/* ---- cofactors --------------------------------------------------------------------------------------------------- */
/* With g as a further direction, or in the place of the direction `operand`; everything gets g's batch axes. */
static Node *with_direction(Context *ctx, const Node *n, int operand, Node *g)
{
    Node **directions = NEW_ARRAY(ctx->arena, Node *, n->operand_count);
    int count = 0;
    for (int k = 1; k < n->operand_count; k++)
        if (k != operand)
            directions[count++] = node_expand(ctx, n->operands[k], g->type);
    directions[count++] = g;
    return node_det_cofactors(ctx, node_expand(ctx, n->operands[0], g->type), count, directions);
}

/* NULL beyond the degree of the polynomial. */
Node *cofactors_adjoint(Context *ctx, const Node *n, int operand, Node *g)
{
    return operand == 0 && n->operand_count >= type_size(n->type, -1) ? NULL : with_direction(ctx, n, operand, g);
}

static Node *cofactors_tangent(Context *ctx, const Node *n, Node *const *tangents)
{
    Node *sum = NULL;
    for (int k = 0; k < n->operand_count; k++) {
        Node *term = tangents[k] ? cofactors_adjoint(ctx, n, k, tangents[k]) : NULL;
        sum = node_plus(ctx, sum, term);
    }
    return sum;
}

Node *matrix_tangent(Context *ctx, Node *n, Node *const *tangents)
{
    if (n->op == OP_solve || n->op == OP_triangular_solve)
        return tangent_of_solve(ctx, n, tangents);
    if (n->op == OP_det_cofactors)
        return cofactors_tangent(ctx, n, tangents);
    return op_info[n->op].adjoint[2] ? tangent_by_x(ctx, n, tangents[0]) : no_rule(ctx, n);
}
