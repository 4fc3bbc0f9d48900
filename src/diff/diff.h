/* diff.h: derivatives, graph to graph.
 *
 * The sweeps know nothing of broadcasting (it is explicit in the graph) and never make a zero: a missing adjoint or tangent is NULL.
 * Seeds and tangents may carry extra leading batch axes: a Jacobian is one sweep over the identity. */
#ifndef ADC_DIFF_H
#define ADC_DIFF_H

#include "../frontend/frontend.h"

/* reverse.c: adjoints of `wrt` for the sum over k of <seed_k, y_k>.  batch: how many leading axes the seeds have beyond y's.
 * result[i] is NULL when nothing flows to wrt[i].  Appends to `records` when it is not NULL. */
typedef Vec(AdjointRecord) AdjointRecords;
void diff_reverse(Context *, int y_count, Node *const *ys, Node *const *seeds, int batch,
                  int wrt_count, Node *const *wrt, Node **result, AdjointRecords *records);
/* The same; masks[i]: where anything that was chosen flows to wrt[i], if that is known, for params that stand for a tape. */
void diff_reverse_masked(Context *, int y_count, Node *const *ys, Node *const *seeds, int batch,
                         int wrt_count, Node *const *wrt, Node **result, Node **masks, AdjointRecords *records);
/* forward.c: tangents of ys for tangents v of xs (NULL: none flows).  result[k] is NULL when nothing flows. */
void diff_forward(Context *, int x_count, Node *const *xs, Node *const *tangents, int batch,
                  int y_count, Node *const *ys, Node **result);
/* deriv.c */
Node *diff_jacobian(Context *, Node *y, Node *x);           /* shape of y, then of x; the cheaper mode by shape; never NULL */
Node *diff_hessian(Context *, Node *y, Node *x);
Fn *diff_expand(Context *, const Fn *);                     /* replaces the derivative nodes of a body, inner ones first */
/* export.c: a transform of the export contract applied to a function; NULL after an error message. */
Fn *diff_export(Context *, Module *, const ExportSpec *);   /* ready for the passes: expanded, transformed, selected, binds stripped */

/* split.c: the two functions of a split, from the one that diff_export gives for it, as it is now; there may be error messages. */
void diff_split(Context *, const Fn *joint, SplitPair *);
/* What one of the two computes, without a tape: for the evaluator. */
Fn *diff_split_reference(Context *, const Fn *joint, const ExportSpec *);

/* selftest.c: --check-ops: every row against differences, forward against reverse, to third order, random seeds. */
bool diff_check_ops(Context *, uint64_t seed, FILE *out, int *passed, int *failed);
bool diff_ops_fail(Context *, uint64_t seed, Op first, FILE *out);    /* does some op? until one is found, beginning with `first` */
/* mutants.c: --check-mutants: the self-test against a table with one wrong rule, for every rule. */
void diff_check_mutants(uint64_t seed, FILE *out, int *passed, int *failed);

#endif
