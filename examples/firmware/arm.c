/* Moves an arm to a goal pose: damped least squares, q -= (J'J + l^2 I)^-1 J'e, as in a control loop at some 100 Hz. */
#include "arm_model.h"
#include "board.h"
#include "solve.h"

enum { JOINTS = 6, ITERATIONS = 20 };

int main(void)
{
    const real p_goal[3] = {(real)-0.35, (real)-0.25, (real)0.45};
    const real r_goal[9] = {0, 0, -1, -1, 0, 0, 0, 1, 0};
    real q[JOINTS] = {(real)0.3, (real)-1.2, (real)1.4, (real)-0.6, (real)1.1, (real)0.4};

    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        real e[JOINTS], j[JOINTS * JOINTS], jtj[JOINTS * JOINTS] = {0}, jte[JOINTS] = {0};

        board_start();
        arm_jacobian(q, p_goal, r_goal, e, j);
        board_stop("arm_jacobian");
        if (iteration == 0) {
            board_report("e", e, JOINTS);
            board_report("j", j, JOINTS * JOINTS);
        }
        for (int i = 0; i < JOINTS; i++) {
            add_row(jtj, jte, j + i * JOINTS, e[i], JOINTS);
            jtj[i * JOINTS + i] += (real)1e-3;
        }
        solve_symmetric(jtj, jte, JOINTS);
        for (int i = 0; i < JOINTS; i++) q[i] -= jte[i];
    }
    board_report("q", q, JOINTS);
    return 0;
}
