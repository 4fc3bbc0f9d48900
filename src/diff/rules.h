/* rules.h: inside diff/: what the two sweeps share.
 *
 * Every rule here works under `batch` extra leading axes on the adjoint or the tangent, and never on the operands.
 * A rule that returns NULL says that nothing flows. */
#ifndef ADC_RULES_H
#define ADC_RULES_H

#include "diff.h"

/* ---- axes.c ---------------------------------------------------------------------------------------------------- */
/* The first `batch` axes of `like`, then the axes of `shape`; like's element type. */
const Type *batch_type(Context *, const Node *like, int batch, const Type *shape);
/* x's axes behind the batch are broadcast to `shape`. */
Node *batch_expand(Context *, Node *x, int batch, const Type *shape);
/* For a reduction n: the axes that it reduced put back into g as 1, and with the operand's size. */
Node *batch_keep(Context *, const Node *n, Node *g, int batch);
Node *batch_spread(Context *, const Node *n, Node *g, int batch);
int reduced_axes(const Node *n, int *axes);                 /* the attribute as constructors want it; the count */
const Type *shape_widened(Context *, const Type *, int rank);   /* with leading axes of size 1 */
/* Along one axis, which may be counted from the end. */
Node *axis_slice(Context *, Node *x, int axis, int64_t start, int64_t step, int64_t count);
Node *axis_flip(Context *, Node *x, int axis);
Node *axis_pad(Context *, Node *x, int axis, int64_t low, int64_t high);

/* ---- linear.c: ops of class LINEAR ----------------------------------------------------------------------------- */
/* The adjoint of n's operand.  An op that only moves elements also takes a bool for g. */
Node *linear_adjoint(Context *, const Node *n, int operand, Node *g, int batch);
/* Tangents per operand, NULL where none flows; at least one is not. */
Node *linear_tangent(Context *, const Node *n, Node *const *tangents, int batch);

/* ---- sequence.c: recurrence, and the product, which is made of recurrences ------------------------------------- */
Node *recurrence_adjoint(Context *, Node *n, int operand, Node *g);
Node *recurrence_tangent(Context *, Node *n, Node *const *tangents);
Node *product_adjoint(Context *, const Node *n, Node *g, int batch);
Node *product_tangent(Context *, const Node *n, Node *dx);
Node *product_like_adjoint(Context *, const Node *n, Node *g);
Node *product_like_tangent(Context *, const Node *n, Node *dx);
/* With g in the place of a direction, or for x as one more; also the tangent.  NULL: it is zero. */
Node *product_slope_adjoint(Context *, const Node *n, int operand, Node *g);
Node *cumprod_adjoint(Context *, const Node *n, int operand, Node *g);
Node *cumprod_tangent(Context *, const Node *n, int operand, Node *g);
bool is_built(const Node *n);                               /* ruled, but not by a text */

/* ---- matrix.c -------------------------------------------------------------------------------------------------- */
Node *matrix_tangent(Context *, Node *n, Node *const *tangents);
Node *cofactors_adjoint(Context *, const Node *n, int operand, Node *g);

/* ---- flows ----------------------------------------------------------------------------------------------------- */
/* An adjoint on its way back: zero wherever `mask` is false, whatever `value` holds there.  The mask (NULL: all true)
 * has the primal's shape, without batch axes.  clean: value is zero there already, nothing has to be selected.
 * near: the mask is that of a rule which selects (max, clamp, relu); it goes as far as elements only move.
 * pattern: beside it, with batch axes, where there is a derivative at all (NULL: everywhere).  bare: value has yet to be
 * selected by the pattern, or else it is zero elsewhere. */
typedef struct { Node *value, *mask; bool clean, near; Node *pattern; bool bare; } Flow;

static inline Flow flow_of(Node *value, Node *mask, bool clean, bool near)
{
    return (Flow){ .value = value, .mask = mask, .clean = clean, .near = near };
}

/* ---- pattern.c ------------------------------------------------------------------------------------------------- */
Flow pattern_of_seed(Context *, Node *seed, int batch);
Flow pattern_settle(Context *, Flow);                       /* no more bare */
Node *pattern_join(Context *, Node *a, Node *b);            /* where either is */
bool pattern_is_empty(Flow);                                /* zero for certain */
/* What the rule of n, which is pointwise, made of what arrived: value was made of from.value. */
Flow pattern_through(const Node *n, int operand, Flow from, Node *value);

/* The elements that slice n takes, where that matters: of `value`, which arrives at its operand.  NULL: all. */
Node *pattern_of_slice(Context *, const Node *n, const Node *value);
bool zeros_matter(const Node *n);                           /* is a slope that may be infinite shortly before n? */
/* What is left after the sum n, where that is simple; NULL: everywhere. */
Node *pattern_any(Context *, const Node *n, Node *pattern);

/* ---- mask.c ---------------------------------------------------------------------------------------------------- */
Node *flow_value(Context *, Flow);                          /* the adjoint itself: selected where there is a mask */
Flow flow_add(Context *, Flow, Flow);
/* What stands for g in the rule of n: the bare value where the selection can wait, else the adjoint itself. */
Node *flow_seed(Context *, const Node *n, Flow);
/* What arrives at n's operand, given what arrived at n and the value that n's rule made of flow_seed. */
Flow flow_through(Context *, const Node *n, int operand, Flow arrived, Node *value, int batch);
/* What arrived, as the rule of n can take it. */
Flow flow_arrived(Context *, const Node *n, Flow arrived);
/* Of an index n into what a loop saved: the mask of its operand. */
Node *mask_before_index(Context *, const Node *n, Node *mask);
/* How often each element of the operand was chosen, of such masks; with the type of a real. */
Node *mask_count(Context *, Node *mask);
/* The one element that decides for the whole mask, if there is one; and the mask of that shape. */
Node *mask_condition(Node *mask);
Node *mask_of_condition(Context *, Node *condition, const Type *shape);

/* ---- parts.c --------------------------------------------------------------------------------------------------- */
/* Of the terms of one sum, those that come from slices are joined; the new count. */
int parts_join(Context *, Flow *flows, int count);

/* ---- declared.c: derivatives that the user declares: OP_call, OP_override ---------------------------------------- */
/* NULL after an error message. */
Node *declared_adjoint(Context *, Node *n, int operand, Node *g, int batch);
Node *declared_tangent(Context *, Node *n, Node *const *tangents, int batch);

/* ---- singular.c -------------------------------------------------------------------------------------------------- */
/* A derivative flows through n to this operand, and no where() can leave a point out: warns if it is one that is attained. */
void warn_singular(Context *, const Node *n, int operand);

/* ---- reverse.c ------------------------------------------------------------------------------------------------- */
bool is_region(const Node *);                               /* yields several values, which result nodes take */
bool operand_carries(const Node *n, int operand);           /* can a derivative flow between n and this operand? */
/* Constants with elements of their own, such as a single direction: then what is known to be zero is no term. */
bool seeds_are_sparse(int count, Node *const *seeds);
/* The op's row applied to g, with g's batch axes and the operand's shape. */
Node *row_apply(Context *, Node *n, int operand, Node *g, int batch);
Node *no_rule(Context *, const Node *n);                    /* says so at the user's line; NULL */
void origin_from(Context *, const Node *n, Role);           /* what is made now comes from n's rule */
/* `h_bar`, `h_dot`: after a primal that has a name; only nodes that the sweep made, those from id first_new on. */
void name_after(Context *, const Node *primal, const char *suffix, Node *derivative, int first_new);

/* ---- jacobian.c ------------------------------------------------------------------------------------------------ */
/* d y_k / d x for all ys from one forward sweep, d y / d x_k for all xs from one reverse sweep; shape of y, then of x;
 * NULL where nothing flows. */
void jacobian_columns(Context *, int y_count, Node *const *ys, Node *x, Node **columns);
void jacobian_rows(Context *, Node *y, int x_count, Node *const *xs, Node **rows);
/* real[n, shape]: row k is 1 at element k of the shape, in row-major order. */
Node *jacobian_identity(Context *, const Type *shape);
/* Refuses, at the current origin, a derivative that is too large to be a value; says whether it did. */
bool jacobian_too_large(Context *, const Type *y, const Type *x);

#endif
