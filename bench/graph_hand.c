/* graph_hand.c: y = (x + w)(w + 1) and its gradient, by hand. */
#include "hand.h"

void graph_grad_hand(REAL x, REAL w, REAL *restrict y, REAL *restrict x_grad, REAL *restrict w_grad)
{
    const REAL a = x + w;
    const REAL b = w + 1;

    *y = a * b;
    *x_grad = b;
    *w_grad = a + b;
}
