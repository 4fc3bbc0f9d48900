/* frontend.h: text to graph.  AST: ast.h.  This is what the later stages see of the front end.
 *
 * A module is one .ad file with its imports and the prelude.  Functions are elaborated on demand: names, types and shapes are
 * checked while the graph is built; calls are expanded in place.  A derivative in a body (`grad(y, x)` ..) becomes a node of
 * that op, which src/diff replaces.  Names that stand in the second place of such a derivative are bound with node_bind. */
#ifndef ADC_FRONTEND_H
#define ADC_FRONTEND_H

#include "../ir/ir.h"
#include "ast.h"

typedef enum { TRANSFORM_NONE, TRANSFORM_GRAD, TRANSFORM_VJP, TRANSFORM_JVP, TRANSFORM_JACOBIAN, TRANSFORM_HESSIAN,
               TRANSFORM_HVP, TRANSFORM_SPLIT } TransformKind;

/* `grad(f, wrt: (x, w), of: loss)`; nested transforms have `inner`, the innermost has `function`. */
typedef struct Transform {
    TransformKind kind;
    Span span;
    struct Transform *inner;
    Str function; Span function_span;
    Vec(Str) wrt; Span wrt_span;                            /* empty: the function's param inputs */
    Str of; Span of_span;                                   /* NULL: not given */
    bool accumulate, sparse;
} Transform;

/* The two functions of a split, as they are when they have been told apart. */
typedef struct SplitPair {
    struct ExportSpec *spec[2];
    Fn *part[2];                                            /* NULL: not yet */
} SplitPair;

typedef struct ExportSpec {
    Str name; Span name_span;                               /* the C function */
    SplitPair *pair; int part;                              /* of a split: which of its functions; else NULL */
    Transform *transform;                                   /* kind NONE: the function itself */
    Vec(Str) select; Vec(Span) select_spans;                /* `-> (w_grad, loss)`; empty: all */
    const struct LoopPlan *plans;                           /* how its loops are nested (diff/nest.h); NULL: as written */
    bool implied;                                           /* not written by the user: the file has no export */
} ExportSpec;

typedef struct { Str name; Span span; int position; const Type *type; double *data; } TestValue;  /* name NULL: by position */
typedef struct TestCase {
    Str target; Span span;                                  /* a function or an export */
    Vec(TestValue) arguments, expected;
    double within;
} TestCase;
typedef struct { Span span; Str why; } LeftOut;             /* a test that is for other sizes than those of -D */

typedef struct Module {
    Source *source;
    Vec(ExportSpec *) exports;                              /* in source order; --export replaces; defaults filled in */
    Vec(TestCase *) tests;
    Vec(LeftOut) left_out;
    struct Env *env;                                        /* elaborate.c's own */
} Module;

/* Parses, follows imports, checks every function that is not generic, resolves exports and tests.
 * NULL only when the file cannot be read; otherwise look at ctx->error_count. */
Module *module_load(Context *, const char *path);
Module *module_from_source(Context *, const Source *);      /* as above; imports relative to the source's path */
/* The elaborated function (memoised), or NULL with an error at `use`.  Derivative nodes are still in it. */
Fn *module_function(Context *, Module *, Str name, Span use);
bool module_has_function(Module *, Str name);
/* The `derivative` declarations, in the order of their functions. */
typedef struct DeclaredDerivative {
    Str name; Span span;
    const Fn *fn;                                           /* the function itself */
    const Fn *rule;                                         /* its arguments, then `value`, to one result per real argument */
    const ExprList *partials;                               /* as written */
} DeclaredDerivative;
const DeclaredDerivative *module_derivatives(Context *, Module *, int *count);
/* Derivative rules: `text` in x, w, v, y, g; `axis` is what the op reduces over.  Elaborated with the same checker; a mistake is an
 * internal error that names the row.  NULL when the row says that no derivative flows. */
Node *rule_apply(Context *, Op, int operand, const Node *consumer, Node *const *operands, Node *y, Node *g);
/* An expression in up to three operands x, w, v, which may call what is the prelude's own: for the self-test. */
Node *prelude_apply(Context *, const char *text, int count, Node *const *operands);
/* A literal on the command line ("[1, 2]", "3.5"), as a constant of the given type; NULL after an error message. */
double *literal_values(Context *, const Source *, const Type *);
/* Names of all builtins, for --list-ops and the manual. */
const Str *builtin_names(Context *, int *count);

#endif
