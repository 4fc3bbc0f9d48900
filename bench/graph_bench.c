/* graph_bench.c: y = (x + w)(w + 1) with its gradient, by adc and by hand, in loops of calls into other translation
 * units. Prints the times of a call. */
#define _POSIX_C_SOURCE 200809L
#include "graph.h"
#include "hand.h"
#include "median.h"

typedef void function(REAL x, REAL w, REAL *restrict y, REAL *restrict x_grad, REAL *restrict w_grad);

static volatile REAL sink;

/* One loop serves both, through a pointer: the same machine code makes the calls, which it is only if it stays in one place. */
__attribute__((noinline)) static void call(function *f, int calls)
{
    REAL y = 0, x_grad = 0, w_grad = 0, sum = 0;
    for (int k = 0; k < calls; k++) {
        f((REAL)k, 1, &y, &x_grad, &w_grad);
        sum += y + x_grad + w_grad;
    }
    sink = sum;
}

static function *volatile adc_function = graph_grad, *volatile hand_function = graph_grad_hand;

static void by_adc(int calls)
{
    call(adc_function, calls);
}

static void by_hand(int calls)
{
    call(hand_function, calls);
}

int main(void)
{
    time_in_turns(by_adc, by_hand, 100000);
    return EXIT_SUCCESS;
}
