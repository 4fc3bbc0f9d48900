/* driver.h: the command line tool around the compiler, one section per file.
 *
 * Contents: options | pass | target | lanes | budget | output | arrays | values | compile | engine | the commands */
#ifndef ADC_DRIVER_H
#define ADC_DRIVER_H

#include "codegen/codegen.h"
#include "codegen/llvm.h"
#include "diff/diff.h"

/* ---- options.c: the command line --------------------------------------------------------------------------------- */
typedef enum {
    COMMAND_EMIT, COMMAND_RUN, COMMAND_TEST, COMMAND_CHECK, COMMAND_STATS, COMMAND_EXPLAIN,
    COMMAND_LIST_PASSES, COMMAND_LIST_OPS, COMMAND_CHECK_OPS, COMMAND_CHECK_MUTANTS, COMMAND_HELP, COMMAND_VERSION,
} CommandKind;
typedef enum { EMIT_C, EMIT_IR, EMIT_DOT, EMIT_LL, EMIT_BC, EMIT_ASM, EMIT_OBJ } EmitKind;     /* from LL on: by LLVM */
/* Bits of a set.  ENGINE_JIT: LLVM too, but it optimises only what takes long. */
typedef enum { ENGINE_EVAL = 1, ENGINE_C = 2, ENGINE_LLVM = 4, ENGINE_JIT = 8 } Engine;

typedef struct Command {
    CommandKind kind;
    EmitKind emit;
    Vec(Str) files;
    Str output, header;                                     /* NULL: not given */
    bool no_header;
    LlvmTarget machine;                                     /* --target, --cpu, --features, -g */
    unsigned engines;                                       /* --engine; 0: not given */
    Str target;                                             /* of --run and --explain */
    Vec(Define) arguments;                                  /* ARG=VALUE of --run */
    bool json;
    double within;                                          /* --within; negative: each test's own */
    uint64_t seed;                                          /* of --check and --check-ops */
} Command;

/* Fills ctx->options and the command; false after an error message: the command line was wrong. */
bool options_parse(Context *, int argc, char **argv, Command *);
void options_help(FILE *);
void options_copy(Context *to, const Context *from);        /* the same options for another file */

/* ---- pass.c: the pipeline (pass.h) and the named things it is applied to ----------------------------------------- */
/* The export of that name, or one made up for a function of that name; NULL after an error message. */
const ExportSpec *target_find(Context *, Module *, Str name);

/* ---- lanes.c: --lanes ---------------------------------------------------------------------------------------------- */
Fn *lanes_choose(Context *, Module *, Fn *);                /* long loops in lanes, as the options say or as it pays */
/* Which loops of a function are, a line for each with `before` in front; NULL: none. */
Str lanes_text(Context *, const Fn *, const char *before);

/* ---- budget.c: --ram-budget ---------------------------------------------------------------------------------------- */
bool budget_plan(Context *, Module *);                      /* sets the plans of all exports; false after an error message */
/* What was planned for the loops of an export, a line for each with `before` in front; NULL: nothing. */
Str budget_text(Context *, const ExportSpec *, const char *before);

/* ---- output.c: files appear whole or not at all ------------------------------------------------------------------ */
typedef struct { Str path; const Text *text; } OutputFile;
/* All of them or none; false after an error message.  `input`: the path of the program, which is never overwritten. */
bool output_write(Context *, const char *input, const OutputFile *files, int count);
bool output_is_stream(const char *path);                    /* `-`, a device, a pipe: no place for a second file */
bool output_flush(Context *);                               /* of standard output; false after an error message */

/* ---- values.c: tensors to and from text -------------------------------------------------------------------------- */
typedef enum { VALUE_OK, VALUE_WRONG, VALUE_UNREADABLE } ValueStatus;
/* ARG=VALUE, checked against the parameter; anything else than VALUE_OK comes after an error message. */
ValueStatus value_parse(Context *, const Param *, const char *text, Tensor *);
void value_print(Context *, Text *, const Tensor *, int indent, bool json);     /* indent: of continued rows */
void number_print(Context *, Text *, Elem, double, bool json);
void tensor_round(Context *, Tensor *);                     /* to the chosen real type */

/* ---- externs.c: the user's C functions, from the libraries that --extern names ----------------------------------- */
bool externs_load(Context *);                               /* after a module; false after an error message */
bool externs_ready(Context *, const Fn *);                  /* all that it calls is there; false after an error message */
bool externs_called(Context *, const Fn *);                 /* it calls some */

/* ---- compile.c: generated C through the system compiler ----------------------------------------------------------
 * CC names the compiler and CFLAGS its flags (both may hold several words).  The compiled program is a process of its
 * own, so that sanitizers work and a crash is a result like another.  `outputs` have room, and are filled when done. */
typedef struct { int fn; const Tensor *inputs; Tensor *outputs; bool done; } NativeCall;
typedef enum { NATIVE_DONE, NATIVE_NO_COMPILER, NATIVE_FAILED } NativeStatus;
/* Compiles the functions once and makes the calls in order; NATIVE_FAILED after an error message. */
NativeStatus native_run(Context *, const Source *, Fn **fns, int fn_count, NativeCall *, int call_count);
size_t element_size(const Context *, Elem);                 /* of native elements */
void element_put(const Context *, char *at, Elem, double);
double element_get(const Context *, const char *at, Elem);

/* ---- engine.c: the same by the engine that is wanted; by LLVM in this process ------------------------------------ */
unsigned engines_of(Context *, const Command *);            /* of --test and --check: what was asked for, or what is there */
Engine engine_to_run(Context *, const Command *, const Fn *reference);      /* of --run: or what is sooner ready */
const char *engine_name(Engine);                            /* for reports */
/* The functions, and those that fill a tape for one of them: to be compiled together. */
Fn **engine_functions(Context *, Fn **fns, int count, int *total);
int engine_forward(Fn *const *all, const Fn *);             /* where the one that fills its tape is among these */
NativeStatus engine_run(Context *, Engine, const Source *, Fn **fns, int fn_count, NativeCall *, int call_count);

typedef struct EngineCode EngineCode;                       /* functions by LLVM, in steps: */
EngineCode *engine_lower(Context *, const Source *, Fn **fns, int count);   /* to a loop program, whose cost is known */
double engine_time(const Context *, const EngineCode *, int calls);     /* nanoseconds to compile and call it, roughly */
/* To be called so many times; false after an error message. */
bool engine_load(Context *, EngineCode *, Engine, int calls);
size_t engine_work(const EngineCode *, int fn);             /* bytes of workspace */
void engine_call(Context *, const EngineCode *, NativeCall *, void *work);      /* work NULL: a new one full of NaN */
void engine_unload(EngineCode *);

/* ---- describe.c: values as a reader of the source knows them ----------------------------------------------------- */
/* The value's name, or a short expression over named values. */
const char *describe_node(Context *, const Node *);
/* What the value is computed from: `relu(x @ w1)`, even when it has a name. */
const char *describe_definition(Context *, const Node *);
/* An adjoint: the name of the value that it came out as, or what it is computed from. */
const char *describe_adjoint(Context *, const Node *);
/* The rule that sends an adjoint from `consumer` to its operand: the text of the op's row, or what a linear op does. */
const char *describe_rule(Context *, const Node *consumer, int operand);
const char *describe_place(Context *, Span);                /* "net.ad:7", or "" */

/* ---- the commands: each returns an exit status ------------------------------------------------------------------- */
int command_emit(Context *, Module *, const Command *);                         /* emit.c */
int command_run(Context *, Module *, const Command *);                          /* run.c */
int command_test(Context *, const Command *);                                   /* test.c */
int command_check(Context *, Module *, const Command *);                        /* check.c */
int command_stats(Context *, Module *, const Command *);                        /* stats.c */
int command_explain(Context *, Module *, const Command *);                      /* explain.c */
int command_list_ops(Context *);                                                /* listops.c */
void dot_print(Context *, const Fn *, Text *);                                  /* dot.c */

#endif
