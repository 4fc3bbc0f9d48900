/* affine.h: ints as sums of counters and of values that nothing is known of. */
#ifndef ADC_AFFINE_H
#define ADC_AFFINE_H

#include "ir.h"

enum { AFFINE_TERMS = 12 };

typedef struct Symbol Symbol;
typedef struct { int count; int64_t constant; struct { const Symbol *symbol; int64_t factor; } terms[AFFINE_TERMS]; } Affine;

/* A counter runs from 0 to `last`, which may depend on older ones, and never beyond `most`. */
struct Symbol {
    int order;                                              /* larger than that of those it depends on */
    bool counts, has_last;
    int64_t most;
    Affine last;
    Node *node;                                             /* NULL: of no value that a graph can name */
};

static inline Affine affine_number(int64_t constant) { return (Affine){ .constant = constant }; }
Affine affine_symbol(const Symbol *);
/* to + factor * x.  False: too many terms, or too large. */
bool affine_add(Affine *to, const Affine *x, int64_t factor);
/* Is it, for all values of its counters? */
bool affine_at_least(const Affine *, int64_t least);
/* With values in the place of some symbols.  False: as for affine_add. */
bool affine_put(Affine *, const Symbol *const *symbols, const Affine *values, int count);
/* Are all of its numbers ints of the language? */
bool affine_is_int(const Affine *);
/* As a sum of nodes, some of which are given. */
Node *affine_node(Context *, const Affine *, const Symbol *const *symbols, Node *const *nodes, int count);

#endif
