/* gate: call through a pointer */
#include "clean.h"
#include <math.h>

typedef float (*Function)(float value);

void clean(const float *x, float *y)
{
    static float (*const functions[2])(float value) = {sinf, cosf};
    const Function function = functions[(uint32_t)x[1] & 1U];

    *y = function(x[0]);
}
