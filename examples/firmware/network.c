/* Trains the network on the device with plain stochastic gradient descent: which of three gestures is this?  Nothing is
 * allocated, the parameters are one struct that can be written to flash as it is. */
#include "board.h"
#include "network_model.h"
#include "solve.h"

enum { STEPS = 150 };

static struct Network {
    real w1[8 * 4], b1[8], w2[3 * 8], b2[3];
} net, gradient;

/* Three clusters in four dimensions. */
static int read_sample(real x[4], uint32_t *seed)
{
    static const real centre[3][4] = {{1, 0, -1, 0}, {-1, 1, 0, 0}, {0, -1, 1, 1}};
    const int label = (int)((*seed >> 20) % 3u);

    for (int i = 0; i < 4; i++) x[i] = centre[label][i] + (real)0.3 * noise(seed);
    return label;
}

static void descend(real *parameters, const real *direction, int count)
{
    for (int i = 0; i < count; i++) parameters[i] -= (real)0.2 * direction[i];
}

int main(void)
{
    uint32_t seed = 7;
    real loss, mean = 0;

    for (int i = 0; i < 32; i++) net.w1[i] = (real)0.5 * noise(&seed);
    for (int i = 0; i < 24; i++) net.w2[i] = (real)0.5 * noise(&seed);
    for (int step = 0; step < STEPS; step++) {
        real x[4], target[3] = {0, 0, 0};

        target[read_sample(x, &seed)] = 1;
        board_start();
        network_grad(x, target, net.w1, net.b1, net.w2, net.b2, &loss, gradient.w1, gradient.b1, gradient.w2,
                     gradient.b2);
        board_stop("network_grad");
        if (step == 0) {
            board_report("loss", &loss, 1);
            board_report("w1_grad", gradient.w1, 32);
            board_report("b1_grad", gradient.b1, 8);
            board_report("w2_grad", gradient.w2, 24);
            board_report("b2_grad", gradient.b2, 3);
        }
        descend(net.w1, gradient.w1, 32);
        descend(net.b1, gradient.b1, 8);
        descend(net.w2, gradient.w2, 24);
        descend(net.b2, gradient.b2, 3);
        if (step >= STEPS - 30) mean += loss / 30;
    }
    board_report("w2", net.w2, 24);
    board_report("mean_loss", &mean, 1);
    return mean < (real)0.2 ? 0 : 1; /* it has learned */
}
