/* Identifies a motor from its own control loop: in every period one prediction error and its Jacobian go into the
 * normal equations, and every 100 periods the parameters take a step.  Only + - * / : the same bits on every core. */
#include "board.h"
#include "motor_model.h"
#include "solve.h"

enum { PARAMETERS = 4, PERIODS = 100, STEPS = 5 };

static const real dt = (real)1e-4;

/* The motor itself, with square waves on both axes, so that all four parameters show. */
static void motor_step(int k, real *i, real *v, real w)
{
    v[0] = (real)(k % 20 < 10 ? 4 : -4);
    v[1] = (real)(k % 14 < 7 ? 9 : 3);
    const real did = (v[0] - (real)0.5 * i[0] + w * (real)0.002 * i[1]) / (real)0.0015;
    const real diq = (v[1] - (real)0.5 * i[1] - w * ((real)0.0015 * i[0] + (real)0.02)) / (real)0.002;
    i[0] += dt * did;
    i[1] += dt * diq;
}

int main(void)
{
    /* scaled so that every unknown is about 1 */
    const real scale[PARAMETERS] = {1, (real)0.002, (real)0.002, (real)0.02};
    real theta[PARAMETERS] = {(real)0.4, (real)0.0018, (real)0.0018, (real)0.018};
    real i[2] = {0, 0}, v[2], r[2], jacobian[2 * PARAMETERS];

    for (int step = 0; step < STEPS; step++) {
        real jtj[PARAMETERS * PARAMETERS] = {0}, jtr[PARAMETERS] = {0}, loss, loss_grad[PARAMETERS] = {0};

        for (int k = 0; k < PERIODS; k++) {
            const real before[2] = {i[0], i[1]}, w = (real)(200 + k);

            motor_step(k, i, v, w);
            board_start();
            motor_row(theta, before, v, w, dt, i, r, jacobian);
            board_stop("motor_row");
            board_start();
            motor_accumulate(theta, before, v, w, dt, i, &loss, loss_grad);
            board_stop("motor_accumulate");
            for (int axis = 0; axis < 2; axis++) {
                real row[PARAMETERS];

                for (int p = 0; p < PARAMETERS; p++) row[p] = jacobian[axis * PARAMETERS + p] * scale[p];
                add_row(jtj, jtr, row, r[axis], PARAMETERS);
            }
        }
        board_report("jacobian", jacobian, 2 * PARAMETERS);
        board_report("loss_grad", loss_grad, PARAMETERS); /* J'r once more */
        solve_symmetric(jtj, jtr, PARAMETERS);
        for (int p = 0; p < PARAMETERS; p++) theta[p] -= scale[p] * jtr[p];
        board_report("theta", theta, PARAMETERS);
    }
    return 0;
}
