/* net_bench.c: a step of examples/net.ad (loss and both gradients), by adc and by hand. Prints the times of a step. */
#define _POSIX_C_SOURCE 200809L
#include "hand.h"
#include "median.h"
#include "net.h"

#include <math.h>
#include <stdint.h>

enum { N = 64, D_IN = 1000, H = 100, D_OUT = 10 };

static REAL x[N * D_IN], y[N * D_OUT], w1[D_IN * H], w2[H * D_OUT];
static REAL loss, w1_grad[D_IN * H], w2_grad[H * D_OUT], work[NET_GRAD_WORK_SIZE];
static REAL hand_loss, hand_w1_grad[D_IN * H], hand_w2_grad[H * D_OUT], hand_work[NET_GRAD_HAND_WORK_SIZE];

static void by_adc(int calls)
{
    while (calls--) net_grad(x, y, w1, w2, &loss, w1_grad, w2_grad, work);
}

static void by_hand(int calls)
{
    while (calls--) net_grad_hand(x, y, w1, w2, &hand_loss, hand_w1_grad, hand_w2_grad, hand_work);
}

static void fill(REAL *values, int count, uint64_t state)
{
    for (int k = 0; k < count; k++) {
        state = UINT64_C(6364136223846793005) * state + UINT64_C(1442695040888963407);
        values[k] = (REAL)((double)(state >> 11) * 0x1p-52 - 1);
    }
}

/* Only equal results may be compared in speed. */
static void check_equal(const REAL *a, const REAL *b, int count)
{
    double largest = 0, error = 0;
    for (int k = 0; k < count; k++) {
        largest = fmax(largest, fabs((double)b[k]));
        error = fmax(error, fabs((double)a[k] - (double)b[k]));
    }
    if (error <= 1e-4 * largest) return;
    fprintf(stderr, "the results by adc and by hand differ\n");
    exit(EXIT_FAILURE);
}

int main(void)
{
    fill(x, N * D_IN, 1);
    fill(y, N * D_OUT, 2);
    fill(w1, D_IN * H, 3);
    fill(w2, H * D_OUT, 4);
    time_in_turns(by_adc, by_hand, 1);
    check_equal(&loss, &hand_loss, 1);
    check_equal(w1_grad, hand_w1_grad, D_IN * H);
    check_equal(w2_grad, hand_w2_grad, H * D_OUT);
    return EXIT_SUCCESS;
}
