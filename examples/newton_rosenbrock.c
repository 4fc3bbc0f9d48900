/* newton_rosenbrock.c: finds the minimum of rosenbrock.ad by Newton's method, with the Hessian that adc wrote.
 *
 *     adc rosenbrock.ad -o rosenbrock.c && cc -O2 newton_rosenbrock.c rosenbrock.c -lm && ./a.out */
#include "rosenbrock.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10, MAX_STEPS = 100 };

/* Solves a s = b by Cholesky's factor, written over the lower triangle of a; false when a is not positive definite. */
static bool solve(double a[N][N], const double b[N], double s[N])
{
    for (int j = 0; j < N; j++)
        for (int i = j; i < N; i++) {
            double sum = a[i][j];
            for (int k = 0; k < j; k++)
                sum -= a[i][k] * a[j][k];
            if (i > j)
                a[i][j] = sum / a[j][j];
            else if (sum > 0)
                a[j][j] = sqrt(sum);
            else
                return false;
        }
    for (int i = 0; i < N; i++) {
        s[i] = b[i];
        for (int k = 0; k < i; k++)
            s[i] -= a[i][k] * s[k];
        s[i] /= a[i][i];
    }
    for (int i = N - 1; i >= 0; i--) {
        for (int k = i + 1; k < N; k++)
            s[i] -= a[k][i] * s[k];
        s[i] /= a[i][i];
    }
    return true;
}

/* Newton's direction.  Where the function is not convex, a growing multiple of the identity is added until it is. */
static void direction(double hessian[N][N], const double gradient[N], double s[N])
{
    double a[N][N];
    double shift = 0;
    do {
        memcpy(a, hessian, sizeof a);
        for (int i = 0; i < N; i++)
            a[i][i] += shift;
        shift = shift > 0 ? 2 * shift : 1;
    } while (!solve(a, gradient, s));
}

/* Goes along -s, half as far each time the function would not fall. */
static void move(double x[N], const double s[N], double f)
{
    double next[N], f_next, length = 1;
    do {
        for (int i = 0; i < N; i++)
            next[i] = x[i] - length * s[i];
        rosenbrock(next, &f_next);
        length /= 2;
    } while (f_next >= f && length > 1e-10);
    memcpy(x, next, sizeof next);
}

static double norm(const double v[N])
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

/* The Hessian times v in two ways: with the matrix, and by the function that never forms it. */
static double product_difference(const double x[N], double hessian[N][N], const double v[N])
{
    double product[N], difference[N];
    rosenbrock_hvp(x, v, product);
    for (int i = 0; i < N; i++) {
        difference[i] = product[i];
        for (int j = 0; j < N; j++)
            difference[i] -= hessian[i][j] * v[j];
    }
    return norm(difference) / norm(product);
}

int main(void)
{
    double x[N], s[N], f, gradient[N], hessian[N][N], worst = 0;

    for (int i = 0; i < N; i++)
        x[i] = 0;
    for (int step = 0; step < MAX_STEPS; step++) {
        rosenbrock_hessian(x, &f, gradient, &hessian[0][0]);
        printf("step %2d   f %12.6g   |gradient| %.3e\n", step, f, norm(gradient));
        if (norm(gradient) < 1e-10)
            break;
        direction(hessian, gradient, s);
        worst = fmax(worst, product_difference(x, hessian, s));
        move(x, s, f);
    }
    printf("H times s, with the matrix and without: differ by at most %.1e\n", worst);
    return f < 1e-20 && worst < 1e-12 ? EXIT_SUCCESS : EXIT_FAILURE;
}
