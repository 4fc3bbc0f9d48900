/* cartpole_hand.c: cartpole.ad in plain C by hand: the states are kept, the stages of a step are computed again. */
#include "objectives.h"

#include <math.h>

static const double gravity = 9.81;
static double tape[CARTPOLE_N][4];

static void slope(const double *x, double u, const double *p, double *k)
{
    const double s = sin(x[2]), c = cos(x[2]), mass = p[0] + p[1] * s * s, pull = p[2] * x[3] * x[3];
    k[0] = x[1];
    k[1] = (u + p[1] * s * (pull + gravity * c)) / mass;
    k[2] = x[3];
    k[3] = (-u * c - p[1] * pull * c * s - (p[0] + p[1]) * gravity * s) / (p[2] * mass);
}

/* Adds k_bar' dk/d(x, u, p). */
static void slope_back(const double *x, double u, const double *p, const double *k_bar, double *x_bar, double *u_bar,
                       double *p_bar)
{
    const double s = sin(x[2]), c = cos(x[2]), mass = p[0] + p[1] * s * s, pull = p[2] * x[3] * x[3];
    const double speed = (u + p[1] * s * (pull + gravity * c)) / mass;
    const double turn = (-u * c - p[1] * pull * c * s - (p[0] + p[1]) * gravity * s) / (p[2] * mass);
    const double a = k_bar[1] / mass, b = k_bar[3] / (p[2] * mass);     /* of the numerators */
    const double mass_bar = -a * speed - b * p[2] * turn;
    const double pull_bar = a * p[1] * s - b * p[1] * c * s;
    const double s_bar = a * p[1] * (pull + gravity * c) - b * (p[1] * pull * c + (p[0] + p[1]) * gravity)
                         + mass_bar * 2 * p[1] * s;
    const double c_bar = a * p[1] * s * gravity - b * (u + p[1] * pull * s);
    x_bar[1] += k_bar[0];
    x_bar[2] += s_bar * c - c_bar * s;
    x_bar[3] += k_bar[2] + pull_bar * 2 * p[2] * x[3];
    *u_bar += a - b * c;
    p_bar[0] += mass_bar - b * gravity * s;
    p_bar[1] += a * s * (pull + gravity * c) - b * (pull * c * s + gravity * s) + mass_bar * s * s;
    p_bar[2] += pull_bar * x[3] * x[3] - b * mass * turn;
}

enum { DIM = 4, STEPS = CARTPOLE_N };
#include "runge_kutta.h"

void cartpole_grad_hand(const double *restrict start, const double *restrict p, const double *restrict u,
                        double *restrict loss, double *restrict start_grad, double *restrict p_grad, double *restrict u_grad)
{
    const double goal[4] = { 0, 0, pi, 0 };
    double x[4], x_bar[4];
    *loss = 0.5 * h * integrate(start, p, u, x);
    for (int k = 0; k < 4; k++) {
        *loss += (x[k] - goal[k]) * (x[k] - goal[k]);
        x_bar[k] = 2 * (x[k] - goal[k]);
    }
    p_grad[0] = p_grad[1] = p_grad[2] = 0;
    integrate_back(p, u, x_bar, p_grad, u_grad);
    for (int k = 0; k < 4; k++)
        start_grad[k] = x_bar[k];
}
