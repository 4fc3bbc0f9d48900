/* Swings up a pole: a few gradient steps on the 20 forces of the horizon per control period, then the plan shifts. */
#include "board.h"
#include "cartpole_model.h"

enum { HORIZON = 20, PERIODS = 3, DESCENTS = 5 };

static real u[HORIZON];

int main(void)
{
    real x[4] = {0, (real)2.8, 0, 0}, cost, u_grad[HORIZON];
#if CARTPOLE_GRAD_WORK_SIZE > 0
    static real work[CARTPOLE_GRAD_WORK_SIZE];
#endif

    for (int period = 0; period < PERIODS; period++) {
        for (int descent = 0; descent < DESCENTS; descent++) {
            board_start();
#if CARTPOLE_GRAD_WORK_SIZE > 0
            cartpole_grad(x, u, &cost, u_grad, work);
#else
            cartpole_grad(x, u, &cost, u_grad);
#endif
            board_stop("cartpole_grad");
            if (descent == 0) {
                board_report("cost", &cost, 1);
                board_report("u_grad", u_grad, HORIZON);
            }
            for (int k = 0; k < HORIZON; k++) u[k] -= (real)0.01 * u_grad[k];
        }
        x[1] += (real)0.05; /* the plant would be measured here */
        for (int k = 0; k + 1 < HORIZON; k++) u[k] = u[k + 1];
    }
    board_report("u", u, HORIZON);
    return 0;
}
