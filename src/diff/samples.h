/* samples.h: for the self-test, at least one use of every op that is not elementwise. */
#ifndef ADC_SAMPLES_H
#define ADC_SAMPLES_H

#include "rules.h"

enum { SAMPLE_OPERANDS = 3 };

typedef struct {
    Op op;
    int operand_count;
    struct { int rank; int64_t size[4]; } shape[SAMPLE_OPERANDS];
    int attr_count;
    int64_t attr[12];                                       /* what the constructor takes, see sample_build */
    const char *equation;                                   /* of einsum, or an expression in x, w, v */
} Sample;

extern const Sample samples[];
extern const int sample_count;

Node *sample_build(Context *, const Sample *, Node *const *xs);
Str sample_text(Context *, const Sample *);                 /* "slice [5] (1 2 2)" */

#endif
