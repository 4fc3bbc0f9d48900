/* llvm_build.h: what the files of the LLVM back end share: a module under construction.
 *
 * Contents: the module | formulas | statements | functions | special functions | debug | target | guard, by file */
#ifndef ADC_LLVM_BUILD_H
#define ADC_LLVM_BUILD_H

#include "llvm.h"
#include "loop.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct Debug Debug;

/* Values of an Elem: real, int32, bit.  In memory a bool is a byte. */
typedef struct Build {
    Context *ctx;
    const Program *program;
    LLVMContextRef llvm;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef real, int32, bit, byte, pointer;
    Map *tables;                                            /* constant Buffer -> global */
    Map *callees;                                           /* name -> function that is called */
    Debug *debug;                                           /* NULL: no -g */

    const Function *function;                               /* that is built */
    LLVMValueRef code, work;                                /* work NULL: none */
    Map *places; /* Buffer -> address; Scalar -> address on the stack, or value */
    LLVMValueRef *bound;                                    /* by formula id: the value of the LET in force */
    LLVMValueRef counters[LOOP_DEPTH_MAX];
    LLVMBasicBlockRef leave;                                /* where a BREAK goes */
} Build;

/* ---- llvm_formula.c ---------------------------------------------------------------------------------------------- */
LLVMValueRef build_formula(Build *, const Formula *);
LLVMValueRef build_int(const Build *, int64_t);
LLVMValueRef build_element(const Build *, Elem, double);    /* of a table, as in memory */
LLVMTypeRef build_value_type(const Build *, Elem);
LLVMTypeRef build_memory_type(const Build *, Elem);
LLVMValueRef build_address(Build *, const Buffer *, const Formula *index);
LLVMValueRef build_loaded(Build *, Elem, LLVMValueRef address, const char *name);
LLVMValueRef build_as_stored(Build *, Elem, LLVMValueRef value);
LLVMValueRef build_libm(Build *, const char *name, int count, LLVMValueRef *args);      /* the name for double */

/* ---- llvm_stmt.c ------------------------------------------------------------------------------------------------- */
void build_block(Build *, const Block *);
LLVMBasicBlockRef build_new_block(Build *, const char *name);
void build_go(Build *, LLVMBasicBlockRef next);             /* and continues there */
LLVMValueRef build_local(Build *, LLVMTypeRef, const char *name);       /* on the stack, made once per call */

/* ---- llvm_function.c --------------------------------------------------------------------------------------------- */
void build_function(Build *, const Function *);
void build_temps(Build *, const Function *);                /* of a function, or of a region's body */
void build_entry(Build *, const Function *);                /* see LlvmEntry */
Str build_entry_name(Context *, Str function);
void build_attribute(const Build *, LLVMValueRef function, int at, const char *name, uint64_t value);

/* ---- llvm_special.c: the functions of ir/special.inc ------------------------------------------------------------- */
LLVMValueRef build_special(Build *, Str name);

/* ---- llvm_debug.c ------------------------------------------------------------------------------------------------ */
Debug *debug_new(Build *);
void debug_function(Build *);                               /* before its first statement */
void debug_stmt(Build *, const Stmt *);                     /* what follows comes from there */
void debug_parameter(Build *, int k, LLVMValueRef);         /* both: what a name stands for */
void debug_let(Build *, const Stmt *, LLVMValueRef);
void debug_mutable(Build *, const Scalar *, LLVMValueRef place);
void debug_finish(Build *);

/* ---- llvm_target.c ----------------------------------------------------------------------------------------------- */
LLVMTargetMachineRef target_machine(Context *, const LlvmTarget *, int level);         /* NULL after an error message */
bool target_exists(Context *, const LlvmTarget *);
void target_apply(Build *, LLVMTargetMachineRef, const LlvmTarget *);
void target_optimise(Build *, LLVMTargetMachineRef, int level);

/* ---- llvm_guard.c ------------------------------------------------------------------------------------------------ */
typedef bool Work(void *user, Text *out);                   /* false after an error message */
bool guarded(Context *, Work *, void *user, Text *out);     /* the same when LLVM ends the process */

/* ---- llvm.c: the module ------------------------------------------------------------------------------------------ */
/* With entries; NULL after an error message. */
LLVMMemoryBufferRef module_object(Context *, const Program *, const LlvmTarget *, int level);

/* ---- llvm_jit.c -------------------------------------------------------------------------------------------------- */
LlvmCode *jit_load(Context *, const Program *, int level);
LlvmEntry *jit_entry(Context *, LlvmCode *, Str function);
void jit_unload(LlvmCode *);

#endif
