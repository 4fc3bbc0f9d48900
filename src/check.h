/* check.h: what the parts of --check share.
 *
 * Contents: findings | random points and evaluation (check.c) | the two checks of derivatives */
#ifndef ADC_CHECK_H
#define ADC_CHECK_H

#include "driver.h"

#include <math.h>

enum { CHECK_POINTS = 3, CHECK_ATTEMPTS = 24 };
static const double check_double_tolerance = 1e-9;
/* Where two computations of one number differ by more, they may differ as much as the number moves when its inputs do in
 * their last bits, but never by as much as a wrong rule makes. */
enum { CHECK_TREMORS = 4 };
static inline double check_tolerance(double tremor) { return fmin(1e-6, fmax(check_double_tolerance, 10 * tremor)); }
/* The two modes are one number in the same arithmetic. */
static const double check_mode_tolerance = 1e-12;
static inline double check_mode_bound(double tremor) { return fmin(1e-6, fmax(check_mode_tolerance, 10 * tremor)); }

typedef enum { UNDECIDED, PASSED, FAILED } Verdict;         /* undecided: no point could be used */
typedef struct { double worst; int points; Verdict verdict; } Finding;   /* worst: relative error */

typedef struct { const Fn *fn; EngineCode *code; } Compiled;     /* fn: after all passes */

typedef struct { const Fn *base; Finding finding; } ModesFound;

typedef struct Check {
    Context *ctx;
    Module *module;
    unsigned engines;
    uint64_t state;                                         /* of the random numbers */
    Map *helpers;                                           /* check_evaluate.c: Fn -> its code */
    Vec(Compiled) compiled;
    Arena *work_arena;                                      /* check_evaluate.c: of the workspace */
    void *work; size_t work_size;
    Vec(ModesFound) modes;                                  /* check_modes.c: so far */
    Vec(Node *) directions;                                 /* check_modes.c: inputs to use again, so that functions are the same */
} Check;

void finding_note(Finding *, double error, double tolerance);

/* ---- check.c ----------------------------------------------------------------------------------------------------- */
Tensor check_zeros(Check *, const Type *);
/* Reals within the range; ints are small, because most are indices; bools either way. */
Tensor check_random(Check *, const Type *, double low, double high);
/* Functions have domains that we do not know: a range to try. */
void check_domain(int attempt, double *low, double *high);
double check_dot(const Tensor *, const Tensor *);
Tensor *check_tremble(Check *, int count, const Tensor *);  /* reals moved by some units in the last place */
static inline bool is_real(const Type *type) { return type->elem == ELEM_REAL; }

/* ---- check_evaluate.c: functions that only the check needs ------------------------------------------------------- */
/* In double, whatever the chosen type; by LLVM, if that is wanted and saves time over so many calls. */
Tensor *check_evaluate(Check *, const Fn *, int calls, const Tensor *inputs, Arena *);
const EngineCode *check_compiled(const Check *, const Fn *);    /* code that was made of the same function; NULL: none */
bool check_same_function(const Fn *, const Fn *);           /* of the same nodes, whatever their names */
void check_forget(Check *);                                 /* all code that was made */

bool check_row(const char *name, const char *against, const Finding *);     /* prints it; false when it failed */

/* A point: inputs of a function, a direction for them, and weights for its results. */
typedef struct Point { Tensor *x, *v, *u; } Point;
/* d/de of <u, base(x + e v)> at 0 by differences; of several estimates the one that moved least.  *moved: how far. */
double check_difference(Check *, const Fn *base, const Point *, double *moved);

/* ---- check_differences.c: the derivative against differences -----------------------------------------------------
 * Gives the function that was differentiated (for second derivatives: its gradient); NULL after an error message. */
const Fn *check_differences(Check *, const ExportSpec *, const Transform *, Finding *);
/* ---- check_modes.c: forward mode against reverse mode of one function -------------------------------------------- */
Finding check_modes(Check *, const Fn *base);
/* ---- check_declared.c: `derivative` declarations against differences: a row per argument; false when one failed -- */
bool check_declared(Check *);

#endif
