/* The host as a port: reports go to standard output, and calls cost nothing. */
#include "board.h"
#include "port.h"
#include <stdio.h>
#include <stdlib.h>

void port_write(const char *text) { fputs(text, stdout); }

_Noreturn void port_exit(int status) { exit(status); }

void board_start(void) {}

void board_stop(const char *name) { (void)name; }
