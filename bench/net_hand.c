/* net_hand.c: loss and gradients of examples/net.ad, as a competent engineer writes them in plain C by hand.
 *
 * All products run in i-k-j order: the innermost loop goes along rows of both arrays, with one factor held, which every
 * compiler vectorises.  The gradient of relu is taken while h_bar is made; nothing is computed twice. */
#include "hand.h"

#include <string.h>

enum { N = 64, D_IN = 1000, H = 100, D_OUT = 10 };

void net_grad_hand(const REAL *restrict x, const REAL *restrict y, const REAL *restrict w1, const REAL *restrict w2,
                   REAL *restrict loss, REAL *restrict w1_grad, REAL *restrict w2_grad, REAL *restrict work)
{
    REAL *restrict h = work;                                /* [N, H] */
    REAL *restrict error = work + N * H;                    /* [N, D_OUT]: y_pred - y, then its adjoint */
    REAL *restrict h_bar = work + N * H + N * D_OUT;        /* [N, H] */
    REAL sum = 0;

    /* h = relu(x @ w1) */
    memset(h, 0, sizeof(REAL) * N * H);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < D_IN; k++) {
            const REAL factor = x[i * D_IN + k];
            for (int j = 0; j < H; j++)
                h[i * H + j] += factor * w1[k * H + j];
        }
        for (int j = 0; j < H; j++)
            h[i * H + j] = h[i * H + j] > 0 ? h[i * H + j] : 0;
    }

    /* loss = sum((h @ w2 - y)^2) */
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < D_OUT; j++)
            error[i * D_OUT + j] = -y[i * D_OUT + j];
        for (int k = 0; k < H; k++) {
            const REAL factor = h[i * H + k];
            for (int j = 0; j < D_OUT; j++)
                error[i * D_OUT + j] += factor * w2[k * D_OUT + j];
        }
        for (int j = 0; j < D_OUT; j++) {
            sum += error[i * D_OUT + j] * error[i * D_OUT + j];
            error[i * D_OUT + j] *= 2;
        }
    }
    *loss = sum;

    /* w2_grad = h' @ error, h_bar = error @ w2' where h > 0 */
    memset(w2_grad, 0, sizeof(REAL) * H * D_OUT);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < H; k++) {
            const REAL factor = h[i * H + k];
            REAL dot = 0;
            for (int j = 0; j < D_OUT; j++) {
                w2_grad[k * D_OUT + j] += factor * error[i * D_OUT + j];
                dot += error[i * D_OUT + j] * w2[k * D_OUT + j];
            }
            h_bar[i * H + k] = factor > 0 ? dot : 0;
        }
    }

    /* w1_grad = x' @ h_bar */
    memset(w1_grad, 0, sizeof(REAL) * D_IN * H);
    for (int k = 0; k < D_IN; k++) {
        for (int i = 0; i < N; i++) {
            const REAL factor = x[i * D_IN + k];
            for (int j = 0; j < H; j++)
                w1_grad[k * H + j] += factor * h_bar[i * H + j];
        }
    }
}
