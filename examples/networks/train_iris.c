/* train_iris.c: trains the network of iris.ad on four flowers of five, and counts how many of the others it recognises.
 *
 *     adc iris.ad -o iris.c && cc -O2 train_iris.c iris.c -lm && ./a.out iris.csv */
#include "iris.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double                                         /* -DREAL=float for iris.ad with --real=float */
#endif

enum { FLOWERS = 150, LEARNED = 120, IN = 4, KINDS = 3, WEIGHTS = 83, STEPS = 300 };

#if IRIS_GRAD_WORK_SIZE > 0
static REAL work[IRIS_GRAD_WORK_SIZE];
#define WORK , work
#else
#define WORK
#endif

static REAL x[FLOWERS][IN], p[WEIGHTS], p_grad[WEIGHTS];
static int32_t kind[FLOWERS];

/* Every fifth flower goes to the end, for the test. */
static int read_flowers(const char *path)
{
    FILE *in = fopen(path, "r");
    if (!in)
        return 0;
    for (int k = 0; k < FLOWERS; k++) {
        const int at = k % 5 == 4 ? LEARNED + k / 5 : k - k / 5;
        double v[IN];
        int which;
        if (fscanf(in, "%lf,%lf,%lf,%lf,%d", &v[0], &v[1], &v[2], &v[3], &which) != IN + 1) {
            fclose(in);
            return 0;
        }
        for (int i = 0; i < IN; i++)
            x[at][i] = (REAL)v[i];
        kind[at] = which;
    }
    fclose(in);
    return 1;
}

/* Weights of about 1/2, gains of 1, shifts of 0. */
static void begin(void)
{
    for (int k = 0; k < WEIGHTS; k++)
        p[k] = k >= 40 && k < 48 ? (REAL)1 : k >= 48 && k < 56 ? (REAL)0 : (REAL)sin((double)k * k) / (REAL)2;
}

/* One step of Adam. */
static void step(int number)
{
    static REAL mean[WEIGHTS], square[WEIGHTS];
    const double rate = 0.02 * sqrt(1 - pow(0.999, number)) / (1 - pow(0.9, number));
    for (int k = 0; k < WEIGHTS; k++) {
        mean[k] += (p_grad[k] - mean[k]) * (REAL)0.1;
        square[k] += (p_grad[k] * p_grad[k] - square[k]) * (REAL)0.001;
        p[k] -= (REAL)(rate * (double)mean[k] / (sqrt((double)square[k]) + 1e-8));
    }
}

static int recognised(int from, int to)
{
    int right = 0;
    for (int k = from; k < to; k++) {
        REAL score[KINDS];
        int best = 0;
        recognise(x[k], p, score);
        for (int i = 1; i < KINDS; i++)
            best = score[i] > score[best] ? i : best;
        right += best == kind[k];
    }
    return right;
}

int main(int argc, char **argv)
{
    if (argc != 2 || !read_flowers(argv[1])) {
        fprintf(stderr, "usage: %s iris.csv\n", argc ? argv[0] : "train_iris");
        return EXIT_FAILURE;
    }
    begin();
    for (int number = 1; number <= STEPS; number++) {
        REAL loss;
        iris_grad(&x[0][0], kind, p, &loss, p_grad WORK);
        if (number == 1 || number % 100 == 0)
            printf("step %3d   loss %.4f   %3d of %d right\n", number, (double)loss, recognised(0, LEARNED), LEARNED);
        step(number);
    }
    const int right = recognised(LEARNED, FLOWERS);
    printf("of flowers it has not seen: %d of %d right\n", right, FLOWERS - LEARNED);
    return right >= 28 ? EXIT_SUCCESS : EXIT_FAILURE;
}
