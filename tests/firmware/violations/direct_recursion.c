/* gate: recursion */
#include "clean.h"

static float sum(const float *x, uint32_t n) { return (n == 0U) ? 0.0f : (x[n - 1U] + (0.5f * sum(x, n - 1U))); }

void clean(const float *x, float *y)
{
    *y = sum(x, (uint32_t)x[0]);
}
