/* Calibrates a thermistor at five known temperatures, on a core without hardware divide, FPU or much memory. */
#include "board.h"
#include "solve.h"
#include "thermistor_model.h"

enum { PARAMETERS = 3, POINTS = 5, ITERATIONS = 10 };

int main(void)
{
    static const real code[POINTS] = {3156, 2677, 2086, 1516, 1058};
    static const real kelvin[POINTS] = {(real)273.15, (real)285.15, (real)298.15, (real)311.15, (real)323.15};
    real p[PARAMETERS] = {1, 2, 1}, r, row[PARAMETERS];

    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
        real jtj[PARAMETERS * PARAMETERS] = {0}, jtr[PARAMETERS] = {0};

        for (int k = 0; k < POINTS; k++) {
            board_start();
            thermistor_row(p, code[k], kelvin[k], &r, row);
            board_stop("thermistor_row");
            if (iteration == 0) board_report("row", row, PARAMETERS);
            add_row(jtj, jtr, row, r, PARAMETERS);
        }
        for (int i = 0; i < PARAMETERS; i++) jtj[i * PARAMETERS + i] *= (real)1.0001;
        solve_symmetric(jtj, jtr, PARAMETERS);
        for (int i = 0; i < PARAMETERS; i++) p[i] -= jtr[i];
    }
    board_report("residual", &r, 1);
    return 0;
}
