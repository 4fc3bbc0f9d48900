/* Calls what adc made of graph.ad. */
#include "graph.h"

#include <stdio.h>

int main(void)
{
    double y, x_grad, w_grad;
    graph_grad(2.0, 1.0, &y, &x_grad, &w_grad);
    printf("y = %g, dy/dx = %g, dy/dw = %g\n", y, x_grad, w_grad);
    return 0;
}
