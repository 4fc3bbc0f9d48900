/* pendulum_hand.c: pendulum.ad in plain C by hand: the states are kept, the stages of a step are computed again. */
#include "objectives.h"

#include <math.h>

static double tape[PENDULUM_N][2];

static void slope(const double *x, double u, const double *p, double *k)
{
    k[0] = x[1];
    k[1] = u - p[0] * sin(x[0]) - p[1] * x[1];
}

/* Adds k_bar' dk/d(x, u, p). */
static void slope_back(const double *x, double u, const double *p, const double *k_bar, double *x_bar, double *u_bar,
                       double *p_bar)
{
    (void)u;
    x_bar[0] += -k_bar[1] * p[0] * cos(x[0]);
    x_bar[1] += k_bar[0] - k_bar[1] * p[1];
    *u_bar += k_bar[1];
    p_bar[0] -= k_bar[1] * sin(x[0]);
    p_bar[1] -= k_bar[1] * x[1];
}

enum { DIM = 2, STEPS = PENDULUM_N };
#include "runge_kutta.h"

void pendulum_grad_hand(const double *restrict start, const double *restrict p, const double *restrict u,
                        double *restrict loss, double *restrict start_grad, double *restrict p_grad, double *restrict u_grad)
{
    double x[2], cost = integrate(start, p, u, x);
    *loss = (x[0] - pi) * (x[0] - pi) + x[1] * x[1] + 0.5 * h * cost;
    double x_bar[2] = { 2 * (x[0] - pi), 2 * x[1] };
    p_grad[0] = p_grad[1] = 0;
    integrate_back(p, u, x_bar, p_grad, u_grad);
    start_grad[0] = x_bar[0];
    start_grad[1] = x_bar[1];
}
