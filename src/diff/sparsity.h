/* sparsity.h: which elements depend on which, and derivatives that are computed no denser than that.
 *
 * sets.c, sparsity.c, trips.c, terms.c, elements.c, compress.c in this order. */
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

enum { SPARSE_MOST = 4 * 1000 * 1000 };                     /* places of a block: they are tables in the generated file */

/* ---- sparsity.c -------------------------------------------------------------------------------------------------- */
/* For each y the places where its derivative by x, a param of fn, may differ from 0: flat places in y and in x, ascending by
 * row, then by column.  False: it would take too much work or memory. */
bool sparsity_patterns(Context *, const Fn *fn, const Node *x, int y_count, Node *const *ys, Pattern *patterns);

/* ---- trips.c ----------------------------------------------------------------------------------------------------- */
Node *sparse_table(Context *, int count, const int *values);   /* ints, for the program */
bool sparse_is_map(Node *y);                                /* what the trips of a loop leave, one behind the other */
/* The values of d y / d x at its pattern, where y is a map over slices of x; NULL: it is not, or so many colours are better. */
Node *sparse_trips(Context *, Node *y, const Node *x, const Pattern *, int colors);

Node *sparse_picked(Context *, Node *x, int count, const int *places);     /* x[places], flat; or x itself */
int64_t sparse_offset(const Node *n, const Node *x);        /* where n begins in x, as a part in one piece; else -1 */

/* ---- terms.c ----------------------------------------------------------------------------------------------------- */
/* What a derivative is taken by, and what depends on it. */
typedef struct Unknowns {
    Context *ctx;
    int count;
    Node *const *xs;
    Arena *arena;
    Map *known;
} Unknowns;
Unknowns unknowns_of(Context *, int count, Node *const *xs, Arena *);
bool unknowns_reach(const Unknowns *, Node *);
int unknown_with_part(const Unknowns *, const Node *n, int64_t *offset);   /* -1: n is no part of one in one piece */
/* The parts of unknowns that a value reads: as they are, or at scalar indices.  False: it depends on them in other ways, too. */
bool unknowns_read(const Unknowns *, Node *value, NodeList *reads);

/* A scalar is the sum of its terms, each over all trips of loops around it, and a rest. */
enum { TERM_DEPTH = 4 };
typedef struct Term {
    int depth, source;                                      /* source: what it is a part of */
    Span span;                                              /* of that */
    int64_t trips[TERM_DEPTH];
    Node *index[TERM_DEPTH];                                /* params */
    Node *value;                                            /* scalar, of indices and outer values */
} Term;
/* The sum of all terms with this source (NULL: it is part of another); bad: these terms are no good, and it belongs to the rest. */
typedef struct TermSource { Node *whole; bool bad; } TermSource;
typedef struct SparseTerms {
    Vec(Term) terms;
    Vec(TermSource) sources;
    Node *rest;                                             /* NULL: nothing is left */
    Node *apart;                                            /* what does not depend on x; NULL: nothing */
    bool lacks;                                             /* there was more of this: the terms are not y */
    struct Elements *elements;                              /* per term: of elements.c */
} SparseTerms;
void sparse_terms(Context *, Node *y, const Unknowns *, SparseTerms *);
Node *sparse_rest(Context *, const SparseTerms *);          /* with what is bad */
/* An index as at[0] + at[1] * index 0 + .., if it is that and always at least 0 and below size. */
bool term_affine(const Term *, const Node *, int64_t *at, int64_t size);

/* ---- elements.c -------------------------------------------------------------------------------------------------- */
/* Which terms are good: their second derivatives have a few places in each trip, which are known. */
void sparse_analyse(Context *, SparseTerms *, const Unknowns *);
/* The places of these, of the blocks i <= j, at i * count + j.  False: they are too many. */
bool sparse_places(Context *, SparseTerms *, const Unknowns *, Pattern *patterns);
/* Adds the second derivatives of those to the packed values of the blocks (NULL: zero), which the gradients, flat, and
 * the value of the scalar follow. */
void sparse_elements(SparseTerms *, const Unknowns *, const Pattern *patterns, Node **values);

/* ---- compress.c -------------------------------------------------------------------------------------------------- */
/* The values of the blocks d y_i / d x_j at their patterns: nodes of real[count].  A pattern without places gets one. */
typedef struct SparseBlock {
    Pattern *pattern;
    Node *values;
    Node *y;                                                /* y, which is a gradient and computed with the values; else NULL */
    Node *slope_of, *value;                                 /* the scalar that it is the gradient of, and that computed with it */
} SparseBlock;
bool sparse_jacobian(Context *, const Fn *, int y_count, Node *const *ys, int x_count, Node *const *xs, SparseBlock *blocks);
/* Of y, from its gradients by the xs: block i, j with i <= j only.  Where the blocks are computed with the gradients, or with
 * y, these are replaced. */
bool sparse_hessian(Context *, const Fn *, Node **y, int x_count, Node *const *xs, Node **gradients, SparseBlock *blocks);

#endif
