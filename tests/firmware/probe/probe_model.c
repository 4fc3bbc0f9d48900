/* Stands in for generated code: y = sum of sin(x^2) and its gradient, right or with one of the defects that the harness
 * has to see. */
#include "probe_model.h"
#include <math.h>

#ifdef PROBE_RECURSION
__attribute__((noipa)) static float sum(const float *work, int n)
{
    return n == 0 ? 0.0f : sum(work, n - 1) + work[n - 1] * 0.5f;
}
#endif

void probe_grad(const float *x, float *y, float *x_grad, float *work)
{
    float sum_of_sines = 0.0f;

    for (int i = 0; i < 3; i++) {
        work[i] = x[i] * x[i];
        sum_of_sines += sinf(work[i]);
        x_grad[i] = 2.0f * x[i] * cosf(work[i]);
    }
    *y = sum_of_sines;
#if defined PROBE_WRONG
    x_grad[2] *= 1.001f;
#elif defined PROBE_NAN
    x_grad[1] = NAN;
#elif defined PROBE_FAULT
    __builtin_trap();
#elif defined PROBE_HANG
    for (volatile int forever = 1; forever;) {
    }
#elif defined PROBE_DOUBLE
    *y = (float)((double)*y + 1e-30 * (double)work[0]);
#elif defined PROBE_RECURSION
    *y += 0.0f * sum(work, 3);
#endif
}
