/* lstm_hand.c: ADBench's element-wise LSTM and its gradient, back through time, in plain C by hand.
 *
 * The forward sweep keeps the gates and the states that the backward sweep reads; each gate of a layer is one loop over the
 * units, and what is added up over time stays in rows. */
#include "objectives.h"

#include <math.h>
#include <string.h>

enum { L = LSTM_L, C = LSTM_C, B = LSTM_B };

typedef struct {
    double y[B], h[B], s[B];                                /* what comes in: input, hidden state, cell */
    double forget[B], in[B], out[B], change[B], squashed[B];
} Step;

static Step tape[C - 1][L];
static double last[C - 1][B], softmax[C - 1][B];

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* One layer: h and s are replaced; y is the new h. */
static void forward(Step *restrict t, const double *restrict w, const double *restrict b, double *restrict y, double *restrict h,
                    double *restrict s)
{
    for (int i = 0; i < B; i++) {
        t->y[i] = y[i];
        t->h[i] = h[i];
        t->s[i] = s[i];
        t->forget[i] = sigmoid(y[i] * w[i] + b[i]);
        t->in[i] = sigmoid(h[i] * w[B + i] + b[B + i]);
        t->out[i] = sigmoid(y[i] * w[2 * B + i] + b[2 * B + i]);
        t->change[i] = tanh(h[i] * w[3 * B + i] + b[3 * B + i]);
        s[i] = s[i] * t->forget[i] + t->in[i] * t->change[i];
        t->squashed[i] = tanh(s[i]);
        h[i] = y[i] = t->out[i] * t->squashed[i];
    }
}

/* From the adjoints of what comes out (y and h are one value) to those of what comes in. */
static void backward(const Step *restrict t, const double *restrict w, double *restrict y_bar, double *restrict h_bar,
                     double *restrict s_bar, double *restrict w_grad, double *restrict b_grad)
{
    for (int i = 0; i < B; i++) {
        const double bar = y_bar[i] + h_bar[i];
        const double out = bar * t->squashed[i] * t->out[i] * (1 - t->out[i]);
        const double s = s_bar[i] + bar * t->out[i] * (1 - t->squashed[i] * t->squashed[i]);
        const double forget = s * t->s[i] * t->forget[i] * (1 - t->forget[i]);
        const double in = s * t->change[i] * t->in[i] * (1 - t->in[i]);
        const double change = s * t->in[i] * (1 - t->change[i] * t->change[i]);
        s_bar[i] = s * t->forget[i];
        y_bar[i] = forget * w[i] + out * w[2 * B + i];
        h_bar[i] = in * w[B + i] + change * w[3 * B + i];
        w_grad[i] += forget * t->y[i];
        w_grad[B + i] += in * t->h[i];
        w_grad[2 * B + i] += out * t->y[i];
        w_grad[3 * B + i] += change * t->h[i];
        b_grad[i] += forget;
        b_grad[B + i] += in;
        b_grad[2 * B + i] += out;
        b_grad[3 * B + i] += change;
    }
}

void lstm_grad_hand(const double *restrict main_params, const double *restrict extra, const double *restrict state,
                    const double *restrict sequence, double *restrict loss, double *restrict main_grad,
                    double *restrict extra_grad)
{
    double h[L][B], s[L][B], y[B], total = 0;
    const double scale = -1.0 / ((C - 1) * B);
    for (int k = 0; k < L; k++) {
        memcpy(h[k], state + 2 * k * B, sizeof h[k]);
        memcpy(s[k], state + (2 * k + 1) * B, sizeof s[k]);
    }
    for (int t = 0; t < C - 1; t++) {
        double sum = 2;
        for (int i = 0; i < B; i++)
            y[i] = sequence[t * B + i] * extra[i];
        for (int k = 0; k < L; k++)
            forward(&tape[t][k], main_params + 8 * k * B, main_params + (8 * k + 4) * B, y, h[k], s[k]);
        for (int i = 0; i < B; i++) {
            last[t][i] = y[i];
            y[i] = y[i] * extra[B + i] + extra[2 * B + i];
            sum += softmax[t][i] = exp(y[i]);
        }
        const double z = log(sum);
        for (int i = 0; i < B; i++) {
            softmax[t][i] /= sum;
            total += sequence[(t + 1) * B + i] * (y[i] - z);
        }
    }
    *loss = scale * total;

    double h_bar[L][B] = { { 0 } }, s_bar[L][B] = { { 0 } };
    memset(main_grad, 0, sizeof(double) * 8 * L * B);
    memset(extra_grad, 0, sizeof(double) * 3 * B);
    for (int t = C - 2; t >= 0; t--) {
        double wanted = 0;
        for (int i = 0; i < B; i++)
            wanted += sequence[(t + 1) * B + i];
        for (int i = 0; i < B; i++) {
            const double o_bar = scale * (sequence[(t + 1) * B + i] - wanted * softmax[t][i]);
            extra_grad[B + i] += o_bar * last[t][i];
            extra_grad[2 * B + i] += o_bar;
            y[i] = o_bar * extra[B + i];
        }
        for (int k = L - 1; k >= 0; k--)
            backward(&tape[t][k], main_params + 8 * k * B, y, h_bar[k], s_bar[k], main_grad + 8 * k * B,
                     main_grad + (8 * k + 4) * B);
        for (int i = 0; i < B; i++)
            extra_grad[i] += y[i] * sequence[t * B + i];
    }
}
