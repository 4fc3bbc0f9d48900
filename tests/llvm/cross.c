/* cross.c: what is needed to link a model's object for a machine without anything. */
#include "cross.h"

int main(void)
{
    static const float x[6] = { 1, 2, 3, 4, 5, 6 };
    static float y[6], s;
    static bool flag[6];
    static int32_t k;
    swap(x, 2, 3, true, y, &s, flag, &k);
    return k;
}
