/* runge_kutta.h: steps of the classical Runge-Kutta method and their adjoint, by hand, over the slope and slope_back of whoever
 * includes it; states go to its tape. */
#ifndef RUNGE_KUTTA_H
#define RUNGE_KUTTA_H

static const double h = 0.01, pi = 3.141592653589793;

/* The stages of a step, and where they are: the state and three more. */
static void stages(const double *x, double u, const double *p, double (*at)[DIM], double (*k)[DIM])
{
    static const double ahead[4] = { 0, 0.5, 0.5, 1 };
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < DIM; i++)
            at[s][i] = s ? x[i] + ahead[s] * h * k[s - 1][i] : x[i];
        slope(at[s], u, p, k[s]);
    }
}

/* From start to x; returns the sum of the squared controls. */
static double integrate(const double *start, const double *p, const double *u, double *x)
{
    double at[4][DIM], k[4][DIM], cost = 0;
    for (int i = 0; i < DIM; i++)
        x[i] = start[i];
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < DIM; i++)
            tape[t][i] = x[i];
        stages(x, u[t], p, at, k);
        for (int i = 0; i < DIM; i++)
            x[i] += h / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
        cost += u[t] * u[t];
    }
    return cost;
}

/* x_bar goes from the end to the start. */
static void integrate_back(const double *p, const double *u, double *x_bar, double *p_bar, double *u_bar)
{
    static const double ahead[4] = { 0, 0.5, 0.5, 1 }, share[4] = { 1, 2, 2, 1 };
    double at[4][DIM], k[4][DIM];
    for (int t = STEPS - 1; t >= 0; t--) {
        double next[DIM], stage_bar[DIM];
        stages(tape[t], u[t], p, at, k);
        u_bar[t] = h * u[t];
        for (int i = 0; i < DIM; i++) {
            next[i] = x_bar[i];
            stage_bar[i] = 0;
        }
        for (int s = 3; s >= 0; s--) {
            double k_bar[DIM];
            for (int i = 0; i < DIM; i++) {
                k_bar[i] = h / 6 * share[s] * x_bar[i] + (s < 3 ? ahead[s + 1] * h * stage_bar[i] : 0);
                stage_bar[i] = 0;
            }
            slope_back(at[s], u[t], p, k_bar, stage_bar, &u_bar[t], p_bar);
            for (int i = 0; i < DIM; i++)
                next[i] += stage_bar[i];
        }
        for (int i = 0; i < DIM; i++)
            x_bar[i] = next[i];
    }
}

#endif
