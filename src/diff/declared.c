/* declared.c: derivatives that the user declares, of C functions and of functions of his own.
 *
 * A declaration is a function of the arguments and the value; it is applied like a row of the table, so it can be
 * differentiated again.  A derivative that is needed and not declared is an error at the call, never a zero. */
#include "rules.h"

/* The rule without derivatives of its own; NULL after an error message. */
static const Fn *expanded_rule(Context *ctx, ScalarFn *f)
{
    if (f->is_expanded)
        return f->rule;
    if (f->is_expanding) {
        error_at(ctx, f->span, "the declared derivative of '%s' needs itself", f->name);
        return NULL;
    }
    f->is_expanding = true;
    const Fn *expanded = diff_expand(ctx, f->rule);
    f->is_expanding = false;
    f->rule = expanded;
    f->is_expanded = true;
    return expanded;
}

static Node *not_declared(Context *ctx, const Node *n, const ScalarFn *f)
{
    error_at(ctx, n->origin.span, "the derivative of '%s' is needed here, and none is declared", f->name);
    note_at(ctx, f->span, "'derivative %s(..) = (..);' declares it, with one partial derivative per real argument",
            f->name);
    return NULL;
}

/* The partial derivatives at n, one per real argument; false after an error message. */
static bool partials_of(Context *ctx, Node *n, Node **partials)
{
    ScalarFn *f = scalar_fn(ctx, (int)n->attr[0]);
    Node *arguments[SCALAR_FN_ARGUMENTS + 1];
    int first = n->op == OP_override;
    if (!f->rule)
        return not_declared(ctx, n, f) != NULL;
    const Fn *rule = expanded_rule(ctx, f);
    if (!rule)
        return false;
    for (int k = 0; k < f->arity; k++)
        arguments[k] = n->operands[first + k];
    arguments[f->arity] = n;
    fn_apply(ctx, rule, arguments, partials);
    return true;
}

/* Which partial belongs to an operand. */
static int partial_of(const ScalarFn *f, int argument)
{
    int which = 0;
    for (int k = 0; k < argument; k++)
        which += f->elems[k] == ELEM_REAL;
    return which;
}

static Node *term(Context *ctx, Node *n, Node *partial, Node *g, int batch)
{
    return node_expand(ctx, node_binary(ctx, OP_mul, g, partial), batch_type(ctx, g, batch, n->type));
}

Node *declared_adjoint(Context *ctx, Node *n, int operand, Node *g, int batch)
{
    Node *partials[SCALAR_FN_ARGUMENTS];
    const ScalarFn *f = scalar_fn(ctx, (int)n->attr[0]);
    int argument = operand - (n->op == OP_override);
    return partials_of(ctx, n, partials) ? term(ctx, n, partials[partial_of(f, argument)], g, batch) : NULL;
}

Node *declared_tangent(Context *ctx, Node *n, Node *const *tangents, int batch)
{
    Node *partials[SCALAR_FN_ARGUMENTS], *sum = NULL;
    const ScalarFn *f = scalar_fn(ctx, (int)n->attr[0]);
    int first = n->op == OP_override;
    if (!partials_of(ctx, n, partials))
        return NULL;
    for (int k = 0; k < f->arity; k++) {
        if (!tangents[first + k])
            continue;
        Node *each = term(ctx, n, partials[partial_of(f, k)], tangents[first + k], batch);
        sum = node_plus(ctx, sum, each);
    }
    return sum;
}
