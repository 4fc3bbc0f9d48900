/* swap.c: calls a function of two objects, one by the C compiler and one by LLVM, with the header of the first. */
#include "c_swap.h"
#include "l_swap.h"

#include <stdio.h>
#include <string.h>

enum { N = 6 };

int main(void)
{
    static const double x[N] = { 0.1, 0.7, -0.3, 1.9, 2.3, -4.1 };
    double c_y[N], l_y[N], c_s, l_s, c_work[C_SWAP_WORK_SIZE + 1], l_work[L_SWAP_WORK_SIZE + 1];
    bool c_flag[N], l_flag[N];
    int32_t c_k, l_k;
    for (int n = 0; n < 12; n++) {
        bool up = n % 2;
        c_swap(x, 0.25 * n, n, up, c_y, &c_s, c_flag, &c_k, c_work);
        l_swap(x, 0.25 * n, n, up, l_y, &l_s, l_flag, &l_k, l_work);
        if (memcmp(c_y, l_y, sizeof c_y) || memcmp(&c_s, &l_s, sizeof c_s) || memcmp(c_flag, l_flag, sizeof c_flag)
            || c_k != l_k) {
            printf("differs for n = %d: %d and %d, %.17g and %.17g\n", n, (int)c_k, (int)l_k, c_s, l_s);
            return 1;
        }
    }
    puts("equal");
    return 0;
}
