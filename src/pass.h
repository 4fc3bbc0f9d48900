/* pass.h: the pipeline from a parsed module to the function that is lowered: a table, and no more of a pass manager.
 *
 * A pass takes a function and gives a function of the same meaning.  The driver runs the rows in order, verifies the
 * graph after each and prints it when `--dump` asks for it; `--list-passes` prints the table. */
#ifndef ADC_PASS_H
#define ADC_PASS_H

#include "driver.h"

typedef struct Pass {
    const char *name;
    int level;                                              /* the lowest -O at which it runs */
    Fn *(*run)(Context *, Module *, const ExportSpec *, Fn *);   /* NULL after an error message */
    const char *doc;
} Pass;

extern const Pass pass_table[];
extern const int pass_count;

const Pass *pass_find(const char *name);
void pass_list(FILE *);
/* One export through all passes.  `reference`, when not NULL, gets the function before anything was optimised: what
 * the evaluator runs.  NULL after an error message. */
Fn *pass_run(Context *, Module *, const ExportSpec *, Fn **reference);
/* The rows after `derive`, for a function that is derived otherwise. */
Fn *pass_finish(Context *, const Fn *);
/* All exports, pass by pass, with the requested dumps on standard output; NULL after an error message. */
Fn **pass_run_module(Context *, Module *);

#endif
