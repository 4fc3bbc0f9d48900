/* fit_logistic.c: fits the model of logistic.ad to 200 points in the plane by gradient descent.
 *
 *     adc logistic.ad -o logistic.c && cc -O2 fit_logistic.c logistic.c -lm && ./a.out */
#include "logistic.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 200, STEPS = 2000 };

static double x[N][2], label[N];
#if LOGISTIC_GRAD_WORK_SIZE > 0
static double work[LOGISTIC_GRAD_WORK_SIZE];
#define WORK , work
#else
#define WORK
#endif

static double uniform(uint64_t *state)
{
    *state = UINT64_C(6364136223846793005) * *state + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

/* Points in the square [-1, 1]^2; above the line x0 + 2 x1 = 0.3 the label is 1, and one label in twenty is wrong. */
static void sample(void)
{
    uint64_t state = 1;
    for (int k = 0; k < N; k++) {
        x[k][0] = 2 * uniform(&state) - 1;
        x[k][1] = 2 * uniform(&state) - 1;
        const int above = x[k][0] + 2 * x[k][1] > 0.3;
        const int wrong = uniform(&state) < 0.05;
        label[k] = above != wrong;
    }
}

static int correct(const double w[2], double bias)
{
    int count = 0;
    for (int k = 0; k < N; k++) {
        double p;
        predict(x[k], w, bias, &p);
        count += (p > 0.5) == (label[k] > 0.5);
    }
    return count;
}

int main(void)
{
    double w[2] = { 0, 0 }, bias = 0, loss = 0, w_grad[2], bias_grad;

    sample();
    for (int step = 0; step <= STEPS; step++) {
        logistic_grad(&x[0][0], label, w, bias, &loss, w_grad, &bias_grad WORK);
        if (step % 400 == 0)
            printf("step %4d   loss %.6f   %d of %d right\n", step, loss, correct(w, bias), N);
        w[0] -= 0.5 * w_grad[0];
        w[1] -= 0.5 * w_grad[1];
        bias -= 0.5 * bias_grad;
    }
    printf("the line found: x0 + %.2f x1 = %.2f\n", w[1] / w[0], -bias / w[0]);
    return correct(w, bias) >= N * 9 / 10 ? EXIT_SUCCESS : EXIT_FAILURE;
}
