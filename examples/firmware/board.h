/* What the examples ask of a board: report values, and say what a call costs.
 *
 *   board_start();
 *   network_grad(...);
 *   board_stop("network_grad");
 *
 * reports the instructions and the stack of the call between the two.  Real firmware reads its cycle counter there, or
 * leaves all of this out.  tests/firmware/port/ implements it for emulated cores and for the host. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* float as on the target; the host's reference run is built with -DREAL=double */
#ifndef REAL
#define REAL float
#endif
typedef REAL real;

void board_start(void);
void board_stop(const char *name);

/* Sends an array to whoever listens; tests/firmware compares it with the same array of the host's double run. */
void board_report(const char *name, const real *values, uint32_t count);

#endif
