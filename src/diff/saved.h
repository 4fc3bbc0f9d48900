/* saved.h: which values of a forward part are kept for a backward part. */
#ifndef ADC_DIFF_SAVED_H
#define ADC_DIFF_SAVED_H

#include "rules.h"

typedef enum {
    VALUE_FREE,                                             /* there in any case: inputs, constants */
    VALUE_CHEAP,                                            /* computed again from its operands, or saved */
    VALUE_COSTLY                                            /* saved if it is needed, or else what it is needed for is */
} ValueKind;

/* needed: the backward part reads it.  unsavable: it can only be computed again. */
typedef struct { ValueKind kind; bool needed, unsavable, saved; int64_t size; } Value;

/* An array of more elements that a loop around carries is better not read by a backward part, as it is saved for that, trip by
 * trip: what is read of it may be less. */
enum { HEAVY = 16 };
/* Worth a place on the tape rather than doing it again: library calls, contractions, regions. */
bool value_is_costly(const Node *);
/* Sets `saved` so that all that is needed can be had and no costly value is computed again, with the fewest elements on the tape.
 * values: by place in the list, whose operands that are not in it are free.  NULL, or a value that has to be saved and can not. */
const Node *values_choose(Context *, const NodeList *, Value *values);

#endif
