/* The port layer: what board.c needs from a core.  A port owns reset, faults, the console, the exit status and the
 * instruction counter, and nothing else; everything that is the same on every core is in board.c. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

/* The status of an image that faulted; a check that failed ends with 1, a run without complaint with 0. */
enum { PORT_FAULT = 99 };

void port_write(const char *text);
_Noreturn void port_exit(int status);

/* What a port starts once memory is set up: main, after the cost of measuring has been measured. */
int port_main(void);

/* Counts up, port_counts_per_1000 to 1000 instructions; exact because QEMU runs with -icount. */
void port_counter_start(void);
uint32_t port_counter(void);
extern const uint32_t port_counts_per_1000;

#endif
