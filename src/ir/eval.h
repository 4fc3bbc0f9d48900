/* eval.h: inside the evaluator: what its files share.  Each writes n->type->count values to out. */
#ifndef ADC_EVAL_H
#define ADC_EVAL_H

#include "graph.h"

double wrap_int(double);                                    /* to the range of int32_t, modulo 2^32; 0 when not finite */
double wrap_product(double x, double w);                    /* the same of an exact product of two ints */
void eval_elementwise(Context *, const Node *, const double *const *operands, double *out);
void eval_call(Context *, const Node *, const double *const *operands, double *out);     /* call.c */
void eval_tensor(Context *, const Node *, const double *const *operands, double *out);   /* CLASS_LINEAR, CLASS_OTHER */
void eval_matrix(Context *, const Node *, const double *const *operands, double *out);   /* those of CLASS_OTHER on matrices */

/* eval.c.  A plan is made once per function or body, a run once for many evaluations of it. */
typedef struct Plan {
    const Fn *fn;
    NodeList nodes;
    int *operand_at;                                        /* places of all operands, node after node */
    int *last_user;                                         /* by place; INT_MAX: a result */
    int *param_at, *result_at;                              /* -1: a param that is not read */
    int most_operands;
} Plan;

typedef struct Machine {
    Context *ctx;
    Arena *plans;
    Map *plan_of;                                           /* Fn -> Plan */
} Machine;

typedef struct Buffer { double *data; struct Buffer *next; } Buffer;
typedef struct Run {
    Machine *machine;
    const Plan *plan;
    const double **value;                                   /* by place; NULL for regions */
    Tensor **region_values;
    const double **operands;                                /* of the node that is evaluated */
    double **own;                                           /* a repeated run: every node has a buffer of its own */
    bool *may_overwrite;                                    /* by place: params whose memory the run may write; NULL: none */
    Map *dead;                                              /* else: element count -> buffers */
    Buffer *spare;                                          /* list cells without data */
} Run;

const Plan *eval_plan(Machine *, const Fn *);
Run *eval_run_new(Machine *, const Plan *, bool repeated);  /* in the scratch arena */
void eval_run(Run *, const double *const *inputs);
static inline const double *eval_result(const Run *r, int k) { return r->value[r->plan->result_at[k]]; }

/* eval_region.c: the values of a region, in the scratch arena. */
Tensor *eval_region(Machine *, const Node *, const double *const *operands);

#endif
