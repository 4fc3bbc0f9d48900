/* Calibrates a magnetometer from 40 readings, as after a few turns by hand: Gauss-Newton on the ten parameters. */
#include "board.h"
#include "magnetometer_model.h"
#include "solve.h"
#include <string.h>

enum { PARAMETERS = 10, PACKED = 55, SAMPLES = 40, ITERATIONS = 8 };

/* Normal equations, J'J before J'r; two of them, because a function's outputs must not be its inputs. */
typedef struct Normal {
    real sums[PACKED + PARAMETERS];
} Normal;

static real samples[SAMPLES][3];
static Normal normals[2];

/* Readings of a sensor with soft iron (a symmetric gain) and hard iron (an offset), in a field of strength 1/2. */
static void read_samples(void)
{
    uint32_t seed = 1;

    for (int k = 0; k < SAMPLES; k++) {
        real d[3], scale = 0;

        for (int i = 0; i < 3; i++) {
            d[i] = noise(&seed);
            scale += d[i] * d[i];
        }
        for (int i = 0; i < 6; i++) { /* normalise by Newton's iteration for 1 / sqrt; good enough for a simulation */
            const real step = i == 0 ? (real)1 : (real)1.5 - (real)0.5 * scale;
            for (int j = 0; j < 3; j++) d[j] *= step;
            scale *= step * step;
        }
        samples[k][0] = (real)0.55 * d[0] + (real)0.02 * d[1] + (real)0.10;
        samples[k][1] = (real)0.02 * d[0] + (real)0.47 * d[1] - (real)0.01 * d[2] - (real)0.05;
        samples[k][2] = (real)-0.01 * d[1] + (real)0.51 * d[2] + (real)0.20;
    }
}

/* One step; the damping also holds the common scale of S and R, which the readings do not determine. */
static void step(real *theta, const Normal *normal)
{
    const real *packed = normal->sums;
    real a[PARAMETERS * PARAMETERS], x[PARAMETERS];

    for (int i = 0; i < PARAMETERS; i++) {
        for (int j = i; j < PARAMETERS; j++) a[i * PARAMETERS + j] = *packed++;
        a[i * PARAMETERS + i] += (real)0.01;
        x[i] = normal->sums[PACKED + i];
    }
    solve_symmetric(a, x, PARAMETERS);
    for (int i = 0; i < PARAMETERS; i++) theta[i] -= x[i];
}

int main(void)
{
    real theta[PARAMETERS] = {0, 0, 0, 1, 1, 1, 0, 0, 0, (real)0.5};

    read_samples();
    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        Normal *normal = &normals[0], *next = &normals[1];
        real row[PARAMETERS], r;

        memset(normal, 0, sizeof *normal);
        for (int k = 0; k < SAMPLES; k++) {
            Normal *const filled = next;

            board_start();
            magnetometer_row(theta, samples[k], &r, row);
            board_stop("magnetometer_row");
            board_start();
            magnetometer_accumulate(normal->sums, row, r, next->sums);
            board_stop("magnetometer_accumulate");
            next = normal;
            normal = filled;
        }
        if (iteration == 0) {
            board_report("row", row, PARAMETERS);
            board_report("jtj", normal->sums, PACKED);
            board_report("jtr", normal->sums + PACKED, PARAMETERS);
        }
        step(theta, normal);
    }
    board_report("theta", theta, PARAMETERS);
    return 0;
}
