/* sparsity.h: which elements depend on which, and derivatives that are computed no denser than that.
 *
 * sets.c, sparsity.c, trips.c, compress.c in this order. */
#ifndef ADC_SPARSITY_H
#define ADC_SPARSITY_H

#include "rules.h"

/* ---- sets.c ------------------------------------------------------------------------------------------------------ */
typedef struct Sets Sets;
Sets *sets_new(Arena *, int size);                          /* of elements 0 .. size-1 */
int set_union(Sets *, int a, int b);
int set_union_of(Sets *, const int *ids, int count);
int set_members(const Sets *, int id, const int **members); /* ascending; returns how many */
bool sets_full(const Sets *);                               /* there was no room: what was made since is not right */

/* ---- sparsity.c -------------------------------------------------------------------------------------------------- */
/* For each y the places where its derivative by x, a param of fn, may differ from 0: flat places in y and in x, ascending by
 * row, then by column.  False: it would take too much work or memory. */
bool sparsity_patterns(Context *, const Fn *fn, const Node *x, int y_count, Node *const *ys, Pattern *patterns);

/* ---- trips.c ----------------------------------------------------------------------------------------------------- */
Node *sparse_table(Context *, int count, const int *values);   /* ints, for the program */
bool sparse_is_map(Node *y);                                /* what the trips of a loop leave, one behind the other */
/* The values of d y / d x at its pattern, where y is a map over slices of x; NULL: it is not, or so many colours are better. */
Node *sparse_trips(Context *, Node *y, const Node *x, const Pattern *, int colors);

/* ---- compress.c -------------------------------------------------------------------------------------------------- */
/* The values of the blocks d y_i / d x_j at their patterns: nodes of real[count].  A pattern without places gets one. */
typedef struct SparseBlock { Pattern *pattern; Node *values; } SparseBlock;
bool sparse_jacobian(Context *, const Fn *, int y_count, Node *const *ys, int x_count, Node *const *xs, SparseBlock *blocks);
/* Of gradients by the xs: block i, j with i <= j only. */
bool sparse_hessian(Context *, const Fn *, int x_count, Node *const *xs, Node *const *gradients, SparseBlock *blocks);

#endif
