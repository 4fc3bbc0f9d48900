/* Attitude filter at 100 Hz: predict with the gyroscope, correct with the accelerometer, one axis after the other. */
#include "attitude_model.h"
#include "board.h"
#include "solve.h"
#include <string.h>

enum { STATES = 7, STEPS = 100 };

static real x[STATES] = {1, 0, 0, 0, 0, 0, 0};
static real cov[STATES * STATES], process_noise[STATES * STATES];

static void predict(const real *w, real dt)
{
    real x_next[STATES], cov_next[STATES * STATES];

    board_start();
    attitude_predict(x, cov, process_noise, w, dt, x_next, cov_next);
    board_stop("attitude_predict");
    memcpy(x, x_next, sizeof x);
    memcpy(cov, cov_next, sizeof cov);
}

/* A scalar measurement: k = P h / (h' P h + r), x += k y, P -= k (P h)'. */
static void correct(const real *row, real innovation, real variance)
{
    real ph[STATES], s = variance;

    for (int i = 0; i < STATES; i++) {
        ph[i] = 0;
        for (int j = 0; j < STATES; j++) ph[i] += cov[i * STATES + j] * row[j];
        s += ph[i] * row[i];
    }
    for (int i = 0; i < STATES; i++) {
        x[i] += ph[i] / s * innovation;
        for (int j = 0; j < STATES; j++) cov[i * STATES + j] -= ph[i] * ph[j] / s;
    }
}

static void observe(const real *acceleration)
{
    real h[3], h_jacobian[3 * STATES];

    for (int axis = 0; axis < 3; axis++) {
        board_start();
        attitude_observe(x, h, h_jacobian);
        board_stop("attitude_observe");
        correct(h_jacobian + axis * STATES, acceleration[axis] - h[axis], (real)0.25);
    }
}

static void normalise(void)
{
    const real square = x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3];

    for (int i = 0; i < 4; i++) x[i] *= (real)1.5 - (real)0.5 * square;
}

int main(void)
{
    const real gravity[3] = {(real)-1.7, (real)0.85, (real)9.6}; /* the device lies still, tilted */
    uint32_t seed = 3;

    for (int i = 0; i < STATES; i++) {
        cov[i * STATES + i] = i < 4 ? (real)0.1 : (real)0.01;
        process_noise[i * STATES + i] = i < 4 ? (real)1e-5 : (real)1e-8;
    }
    for (int k = 0; k < STEPS; k++) {
        const real w[3] = {(real)0.02 + (real)0.01 * noise(&seed), (real)-0.01, (real)0.005};
        real acceleration[3];

        predict(w, (real)0.01);
        if (k == 0) board_report("cov", cov, STATES * STATES);
        for (int i = 0; i < 3; i++) acceleration[i] = gravity[i] + (real)0.1 * noise(&seed);
        observe(acceleration);
        normalise();
    }
    board_report("state", x, STATES);
    board_report("cov", cov, STATES * STATES);
    return 0;
}
