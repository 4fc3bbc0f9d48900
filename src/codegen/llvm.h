/* llvm.h: what the driver sees of the LLVM back end.  It spells the same loop program as the C printer, and decides as
 * little.
 *
 * It is a module of its own (backend.c finds it), which an adc that was built without LLVM does not have. */
#ifndef ADC_LLVM_H
#define ADC_LLVM_H

#include "codegen.h"

typedef enum { LLVM_TEXT, LLVM_BITCODE, LLVM_ASSEMBLY, LLVM_OBJECT } LlvmForm;

/* NULL: the machine that adc runs on, its plainest processor, no features beyond that.  The processor `native` is this
 * one. */
typedef struct LlvmTarget { Str triple, cpu, features; bool debug; } LlvmTarget;

/* Functions in this process.  An entry takes the addresses of all arguments, also of scalars, in the order of the C
 * signature. */
typedef struct LlvmCode LlvmCode;
typedef void LlvmEntry(void *const *arguments);

typedef struct LlvmBackend {
    const char *adc_version, *version;                      /* of LLVM: "15.0.6" */
    bool (*check)(Context *, const LlvmTarget *);           /* false after an error message: there is no such target */
    bool (*emit)(Context *, const Program *, const LlvmTarget *, LlvmForm,
                 Text *out);                                /* false after an error message */
    LlvmCode *(*load)(Context *, const Program *, int level);   /* LLVM's own; NULL after an error message */
    LlvmEntry *(*entry)(Context *, LlvmCode *, Str function);   /* the name with the prefix */
    void (*unload)(LlvmCode *);
} LlvmBackend;

const LlvmBackend *llvm_backend(Context *, bool quiet);     /* backend.c.  NULL after an error message, unless quiet */

#endif
