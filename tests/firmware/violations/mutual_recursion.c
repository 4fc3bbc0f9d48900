/* gate: recursion */
#include "clean.h"

static float odd(const float *x, uint32_t n);

__attribute__((noinline)) static float even(const float *x, uint32_t n)
{
    return (n == 0U) ? 0.0f : (x[n - 1U] * odd(x, n - 1U));
}

__attribute__((noinline)) static float odd(const float *x, uint32_t n)
{
    return (n == 0U) ? 1.0f : (x[n - 1U] - even(x, n - 1U));
}

void clean(const float *x, float *y)
{
    *y = even(x, (uint32_t)x[0]);
}
