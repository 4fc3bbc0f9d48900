/* gate: text as C++17, g++ */
#include "clean.h"

void clean(const float *x, float *y)
{
    float class = x[0];
    *y = class;
}
