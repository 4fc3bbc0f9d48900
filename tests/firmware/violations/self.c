/* gate: warnings of clang */
#include "clean.h"

void clean(const float *x, float *y)
{
    float sum = x[0];

    sum = sum;
    *y = sum;
}
