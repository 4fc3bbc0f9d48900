/* board.h for a counting run: `operations NAME ADD MUL DIV COMPARE LIBM` for each call between start and stop. */
#include "board.h"
#include <stdio.h>

Counts counts;
static Counts before;

void board_start(void) { before = counts; }

void board_stop(const char *name)
{
    printf("operations %s %ld %ld %ld %ld %ld\n", name, counts.add - before.add, counts.mul - before.mul,
           counts.div - before.div, counts.compare - before.compare, counts.libm - before.libm);
}

void board_report(const char *, const Counted *, uint32_t) {}
