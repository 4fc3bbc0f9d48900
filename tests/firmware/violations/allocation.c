/* gate: symbols */
#include "clean.h"
#include <stdlib.h>

void clean(const float *x, float *y)
{
    float *copy = (float *)malloc(sizeof(float));

    if (copy != NULL) {
        copy[0] = x[0];
        y[0] = copy[0];
        free(copy);
    }
}
