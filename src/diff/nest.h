/* nest.h: long loops as loops of shorter ones, so that a backward loop has less to save. */
#ifndef ADC_DIFF_NEST_H
#define ADC_DIFF_NEST_H

#include "rules.h"

enum { NEST_LEVELS = 8 };

/* What is done to one loop: `blocks` trips of it are one trip of a loop around, the longest first.  state_only: of the
 * innermost loop, too, only the state is kept, and the rest of a trip computed again. */
typedef struct LoopPlan {
    const Node *loop;                                       /* NULL: any */
    int levels;
    int64_t blocks[NEST_LEVELS];
    bool state_only;
} LoopPlan;

/* The function with its loops nested: as `checkpoint` in the source says, or else by the plans, one per loop in the order of
 * nest_loops (NULL: by the source alone).  The function itself when there is nothing to do. */
const Fn *nest_fn(Context *, const Fn *, const LoopPlan *plans);
/* The loops of a function and of its bodies that carry something from trip to trip, in a fixed order. */
void nest_loops(Context *, const Fn *, NodeList *out);

#endif
