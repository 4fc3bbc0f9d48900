/* eval_elementwise.c: the scalar kernels of ops.h over arrays of doubles, one case per row.
 *
 * Ints and bools are held as doubles: ints wrap to 32 bits after each op, bools are 0 or 1. */
#include "eval.h"
#include "special.h"

#include <math.h>

#define adc_lgamma special_lgamma
#define adc_digamma special_digamma
#define adc_polygamma special_polygamma
#define adc_exp_square special_exp_square
#define adc_tanh_slope special_tanh_slope
#define adc_normal_cdf special_normal_cdf

static double wrap_int64(int64_t value)
{
    uint32_t low = (uint32_t)(uint64_t)value;
    return low > INT32_MAX ? (double)low - 4294967296.0 : (double)low;
}

double wrap_int(double value)
{
    return fabs(value) < 9e18 ? wrap_int64((int64_t)value) : 0;
}

double wrap_product(double x, double w)
{
    return wrap_int64((int64_t)x * (int64_t)w);
}

static void run_kernel(Context *ctx, Op op, int64_t count, const double *const *operands, double *out)
{
    int arity = op_info[op].arity;
    const double *a = operands[0], *b = arity > 1 ? operands[1] : a, *c = arity > 2 ? operands[2] : a;
    switch ((int)op) {
#define KERNEL(op_name, declarations, kernel) \
    case op_name: \
        for (int64_t i = 0; i < count; i++) { \
            declarations \
            out[i] = (kernel); \
        } \
        break;
#define X const double x = a[i];
#define W const double w = b[i];
#define V const double v = c[i];
#define E1(name, infix, signature, low, high, kernel, ...) KERNEL(OP_##name, X, kernel)
#define E2(name, infix, signature, low, high, kernel, ...) KERNEL(OP_##name, X W, kernel)
#define E3(name, infix, signature, low, high, kernel, ...) KERNEL(OP_##name, X W V, kernel)
#include "ops.h"
    default:
        internal_error(ctx, "%s is not elementwise", op_info[op].name);
    }
}

void eval_elementwise(Context *ctx, const Node *n, const double *const *operands, double *out)
{
    int64_t count = n->type->count;
    if (n->op == OP_mul && n->type->elem == ELEM_INT) {
        for (int64_t i = 0; i < count; i++)
            out[i] = wrap_product(operands[0][i], operands[1][i]);
        return;
    }
    run_kernel(ctx, n->op, count, operands, out);
    for (int64_t i = 0; n->type->elem == ELEM_INT && i < count; i++)
        out[i] = wrap_int(out[i]);
    for (int64_t i = 0; n->type->elem == ELEM_BOOL && i < count; i++)
        out[i] = out[i] != 0;
}
