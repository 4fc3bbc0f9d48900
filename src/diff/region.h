/* region.h: derivatives of loops and branches, called by the two sweeps, and what region.c and backward.c share. */
#ifndef ADC_DIFF_REGION_H
#define ADC_DIFF_REGION_H

#include "rules.h"

/* Adjoints of a region's operands, from those of its values (indexed as node_result; NULL: none).  Only operands with
 * wanted[k] are computed; the others and those that nothing flows to stay NULL.  Where conditions[k] is not NULL and does
 * not hold, the adjoint is zero because the operand was not read; it is a scalar, or has the operand's shape. */
void region_reverse(Context *, Node *region, Node *const *value_adjoints, int batch, const bool *wanted,
                    Node **operand_adjoints, Node **conditions);
/* Tangents of a region's values from those of its operands. */
void region_forward(Context *, Node *region, Node *const *operand_tangents, int batch, Node **value_tangents);

/* ---- a body that is being differentiated (region.c) -----------------------------------------------------------------
 * It reads nothing but params: its own, and one for each outer value, operand, tangent or adjoint alike.  So nothing that
 * an outer value is made of can be mistaken for a part of the body. */
typedef struct Body {
    Context *ctx;
    Node *region;
    int batch;
    int carries, stacks, captures;                          /* a branch has no carries and its values are stacks */
    int leading;                                            /* operand that is the first init */
    Node *index, **carry, **capture;                        /* params */
    Node *condition;                                        /* of a while */
    Node **values[2];                                       /* next carries, then stacked values; no side: of a branch */
    Map *outer;                                             /* param -> the outer value that it stands for */
    NodeSet set;                                            /* what body_open has made */
    Arena *own;                                             /* of the set */
} Body;

Body body_of(Context *, Node *region, int batch);
void body_end(Body *);
Node *body_stand_in(Body *, Node *outer);
Node *body_stand_in_seed(Body *, Node *outer);              /* for an adjoint or a tangent */
/* The roots in terms of outer values; `replacement` (NULL: none) goes before. */
void body_open(Body *, Node **roots, int count, const Map *replacement);
/* An adjoint or tangent of n: a param. */
Node *body_param_like(Body *, const Node *n, const Node *seed, const char *suffix);
const Type *body_batched(const Body *, const Node *seed, const Type *);
static inline int capture_operand(const Body *b, int k) { return b->leading + b->carries + k; }
/* Which carries get a tangent, given those that begin with one, and the captures that have one (foresee.c). */
void body_foresee(const Body *, bool *carries, const bool *captures);
/* The loop with these carries and results, which are in terms of outer values. */
void body_loop(const Body *, int carry_count, Node *const *inits, Node *const *carries, int result_count,
               Node *const *results, Node *condition, Node **values);
/* Does n come from what a loop stacked, with a slope that may be infinite shortly before? */
bool is_tape(const Node *n);
Node *first_present(Node *const *nodes, int count);
Node *or_zero(Context *, Node *x, const Type *);

/* ---- backward.c ---------------------------------------------------------------------------------------------------- */
void loop_reverse(Context *, Node *region, Node *const *value_adjoints, int batch, const bool *wanted,
                  Node **operand_adjoints, Node **conditions);

#endif
