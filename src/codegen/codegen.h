/* codegen.h: from functions to a loop program, and from the loop program to text. */
#ifndef ADC_CODEGEN_H
#define ADC_CODEGEN_H

#include "../ir/ir.h"

typedef struct Program Program;                             /* loop.h */

/* Published costs of one exported function. */
typedef struct Costs {
    Str name;
    int64_t work_elements, work_bytes, stack_bytes, constant_bytes, tape_elements, tape_bytes;
    int64_t adds, muls, divs, calls, compares;              /* per call of the function; calls: libm */
    int64_t size;                                           /* formulas and statements that are spelt */
    int64_t held;                                           /* addresses and arguments that a compiler may keep beside the variables */
    bool has_loops;
} Costs;

typedef struct CodegenInput {
    Fn **fns; int count;
    const Source *source;                                   /* for the hash and the comments' file name (base name only) */
    const char *header_name;                                /* for #include; NULL: self-contained text */
} CodegenInput;

Program *codegen_lower(Context *, const CodegenInput *);    /* fuse, schedule, place buffers */
void codegen_c(Context *, const Program *, Text *c, Text *header);   /* header may be NULL */
int codegen_costs(const Program *, const Costs **);         /* count */
/* What takes most memory in one function, the largest first: at most so many; returns how many. */
typedef struct CodegenLarge { Str name; Span span; int64_t bytes; } CodegenLarge;
int codegen_largest(const Program *, int which, CodegenLarge *, int most);

#endif
