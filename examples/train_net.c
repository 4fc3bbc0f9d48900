/* train_net.c: trains the network of net.ad for 500 steps with the gradient that adc wrote.
 *
 * Prints the loss as it falls and the time of a step; compares loss and gradients with those of PyTorch (net_trace.h).
 *
 *     adc net.ad -o net.c && cc -O2 train_net.c net.c -lm -o train_net && ./train_net */
#include "net.h"
#include "net_trace.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N = 64, D_IN = 1000, H = 100, D_OUT = 10, STEPS = 500 };

static double x[N * D_IN], y[N * D_OUT];
static double w1[D_IN * H], w2[H * D_OUT];
static double w1_grad[D_IN * H], w2_grad[H * D_OUT];
static double work[NET_GRAD_WORK_SIZE];

/* Numbers close to a standard normal distribution: sums of 12 uniform ones, the same on every machine. */
static void fill(double *values, int count, uint64_t seed)
{
    uint64_t state = seed;
    for (int k = 0; k < count; k++) {
        double sum = 0;
        for (int draw = 0; draw < 12; draw++) {
            state = UINT64_C(6364136223846793005) * state + UINT64_C(1442695040888963407);
            sum += (double)(state >> 11) * 0x1p-53;
        }
        values[k] = sum - 6;
    }
}

static void descend(double *values, const double *gradient, int count, double rate)
{
    for (int k = 0; k < count; k++)
        values[k] -= rate * gradient[k];
}

/* How far a gradient is from PyTorch's, relative to its norm: in the norm itself and in the elements of the trace. */
static double gradient_error(const double *gradient, int count, double norm, const int *index, const double *expected)
{
    double sum = 0, error;
    for (int k = 0; k < count; k++)
        sum += gradient[k] * gradient[k];
    error = fabs(sqrt(sum) - norm);
    for (int k = 0; k < TRACE_SAMPLES; k++)
        error = fmax(error, fabs(gradient[index[k]] - expected[k]));
    return error / norm;
}

/* All errors are relative, so that they also say something about the last, very small, losses. */
static double trace_error(const struct trace_row *row, double loss)
{
    const double loss_error = fabs(loss - row->loss) / row->loss;
    const double w1_error = gradient_error(w1_grad, D_IN * H, row->w1_norm, trace_w1_index, row->w1);
    const double w2_error = gradient_error(w2_grad, H * D_OUT, row->w2_norm, trace_w2_index, row->w2);
    return fmax(loss_error, fmax(w1_error, w2_error));
}

int main(void)
{
    const double rate = 1e-6;
    double loss = 0, worst = 0;
    clock_t spent = 0;
    const struct trace_row *row = trace, *end = trace + TRACE_ROWS;

    fill(x, N * D_IN, 1);
    fill(y, N * D_OUT, 2);
    fill(w1, D_IN * H, 3);
    fill(w2, H * D_OUT, 4);
    for (int step = 0; step < STEPS; step++) {
        const clock_t start = clock();
        net_grad(x, y, w1, w2, &loss, w1_grad, w2_grad, work);
        spent += clock() - start;
        if (row < end && row->step == step) {
            const double error = trace_error(row++, loss);
            worst = fmax(worst, error);
            printf("step %3d   loss %12.6g   differs from PyTorch by %.1e\n", step, loss, error);
        }
        descend(w1, w1_grad, D_IN * H, rate);
        descend(w2, w2_grad, H * D_OUT, rate);
    }
    printf("%.3f ms per step (loss and both gradients)\n", 1e3 * (double)spent / CLOCKS_PER_SEC / STEPS);
    if (row == end && worst <= 1e-7)
        return EXIT_SUCCESS;
    printf("the trace of PyTorch was not followed to 1e-7\n");
    return EXIT_FAILURE;
}
