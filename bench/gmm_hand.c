/* gmm_hand.c: the log-likelihood of a Gaussian mixture and its gradient in closed form, as a competent engineer writes
 * them in plain C by hand.
 *
 * exp(q) is taken once per component, the factors stay packed column by column, so that the inner loops run along memory,
 * and sum_i w_i Q'y_i is Q' times a sum. Nothing is computed twice; what a point needs again stays in a few rows. */
#include "objectives.h"

#include <math.h>
#include <string.h>

enum { L = GMM_D * (GMM_D - 1) / 2, ICF = GMM_D + L };

static const double pi = 3.14159265359;                     /* with ADBench's digits */

/* y = Q e, and its square. */
static double factor_times(const double *restrict q, const double *restrict l, const double *restrict e, double *restrict y)
{
    double square = 0;
    for (int i = 0; i < GMM_D; i++)
        y[i] = q[i] * e[i];
    for (int j = 0; j < GMM_D; j++) {
        const double factor = e[j];
        for (int i = j + 1; i < GMM_D; i++)
            y[i] += l[i - j - 1] * factor;
        l += GMM_D - 1 - j;
    }
    for (int i = 0; i < GMM_D; i++)
        square += y[i] * y[i];
    return square;
}

/* Adds w y e' to the triangle. */
static void add_outer(double w, const double *restrict y, const double *restrict e, double *restrict l)
{
    for (int j = 0; j < GMM_D; j++) {
        const double factor = w * e[j];
        for (int i = j + 1; i < GMM_D; i++)
            l[i - j - 1] += y[i] * factor;
        l += GMM_D - 1 - j;
    }
}

static double softmax(int count, const double *restrict x, double *restrict w)
{
    double largest = x[0], sum = 0;
    for (int k = 1; k < count; k++)
        largest = x[k] > largest ? x[k] : largest;
    for (int k = 0; k < count; k++)
        sum += w[k] = exp(x[k] - largest);
    for (int k = 0; k < count; k++)
        w[k] /= sum;
    return largest + log(sum);
}

/* What the prior adds per component, whatever the parameters are. */
static double constant(double gamma, int m)
{
    const double freedom = GMM_D + m + 1;
    double sum = freedom * GMM_D * (log(gamma) - 0.5 * log(2)) - 0.25 * GMM_D * (GMM_D - 1) * log(pi);
    for (int j = 0; j < GMM_D; j++)
        sum -= lgamma(0.5 * (freedom - j));
    return sum;
}

void gmm_grad_hand(const double *restrict alpha, const double *restrict means, const double *restrict icf,
                   const double *restrict x, double gamma, int m, double *restrict f, double *restrict alpha_grad,
                   double *restrict means_grad, double *restrict icf_grad)
{
    static double q[GMM_K][GMM_D], main_term[GMM_K], base[GMM_K], w[GMM_K], e[GMM_K][GMM_D], y[GMM_K][GMM_D];
    static double wy[GMM_K][GMM_D], wey[GMM_K][GMM_D], wye[GMM_K][L];
    double total = 0;

    for (int k = 0; k < GMM_K; k++) {
        base[k] = alpha[k];
        for (int i = 0; i < GMM_D; i++) {
            q[k][i] = exp(icf[k * ICF + i]);
            base[k] += icf[k * ICF + i];
        }
        alpha_grad[k] = 0;
    }
    memset(wy, 0, sizeof wy);
    memset(wey, 0, sizeof wey);
    memset(wye, 0, sizeof wye);
    for (int n = 0; n < GMM_N; n++) {
        for (int k = 0; k < GMM_K; k++) {
            for (int i = 0; i < GMM_D; i++)
                e[k][i] = x[n * GMM_D + i] - means[k * GMM_D + i];
            main_term[k] = base[k] - 0.5 * factor_times(q[k], icf + k * ICF + GMM_D, e[k], y[k]);
        }
        total += softmax(GMM_K, main_term, w);
        for (int k = 0; k < GMM_K; k++) {
            alpha_grad[k] += w[k];
            for (int i = 0; i < GMM_D; i++) {
                wy[k][i] += w[k] * y[k][i];
                wey[k][i] += w[k] * y[k][i] * e[k][i];
            }
            add_outer(w[k], y[k], e[k], wye[k]);
        }
    }

    *f = total - GMM_N * (0.5 * GMM_D * log(2 * pi) + softmax(GMM_K, alpha, w)) - GMM_K * constant(gamma, m);
    for (int k = 0; k < GMM_K; k++) {
        const double *l = icf + k * ICF + GMM_D;
        for (int i = 0; i < GMM_D; i++) {
            *f += 0.5 * gamma * gamma * q[k][i] * q[k][i] - m * icf[k * ICF + i];
            icf_grad[k * ICF + i] = alpha_grad[k] - q[k][i] * wey[k][i] + gamma * gamma * q[k][i] * q[k][i] - m;
            means_grad[k * GMM_D + i] = q[k][i] * wy[k][i];
        }
        for (int j = 0, r = 0; j < GMM_D; j++)
            for (int i = j + 1; i < GMM_D; i++, r++) {
                *f += 0.5 * gamma * gamma * l[r] * l[r];
                icf_grad[k * ICF + GMM_D + r] = gamma * gamma * l[r] - wye[k][r];
                means_grad[k * GMM_D + j] += l[r] * wy[k][i];
            }
        alpha_grad[k] -= GMM_N * w[k];
    }
}
