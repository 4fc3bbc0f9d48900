/* The user's side of the probe. */
#include "board.h"
#include "probe_model.h"

int main(void)
{
    const float x[3] = {0.5f, -1.25f, 2.0f};
    float y, x_grad[3], work[PROBE_GRAD_WORK_SIZE];

    board_start();
    probe_grad(x, &y, x_grad, work);
    board_stop("probe_grad");
    board_report("y", &y, 1);
    board_report("x_grad", x_grad, 3);
    return 0;
}
