/* gate: cppcheck and MISRA */
#include "clean.h"

void clean(const float *x, float *y)
{
    int32_t i, n = 4;

    *y = 0.0f;
    for (i = 0; i < n; i++) *y += x[4 * i + n];
}
