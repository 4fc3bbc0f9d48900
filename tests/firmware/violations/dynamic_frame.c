/* gate: frame of unknown size */
#include "clean.h"

void clean(const float *x, float *y)
{
    float *copy = (float *)__builtin_alloca((uint32_t)x[0] * sizeof(float));

    copy[0] = x[1];
    *y = copy[(uint32_t)x[2]];
}
