/* Follows a cell at 1 Hz and estimates its five parameters by least squares on the sensitivities, which are kept next
 * to the state in one struct that the user owns. */
#include "battery_model.h"
#include "board.h"
#include "solve.h"
#include <string.h>

enum { PARAMETERS = 5, STEPS = 400 };

typedef struct Cell {
    real state[3];          /* v1, v2, soc */
    real s[4];              /* dv1/dR1, dv1/dC1, dv2/dR2, dv2/dC2 */
    real u, row[PARAMETERS];
} Cell;

static void cell_step(Cell *cell, const real *theta, real current)
{
    real state_next[3], s_next[4];

    board_start();
    battery_step(theta, cell->state, cell->s, current, 1, state_next, s_next, &cell->u, cell->row);
    board_stop("battery_step");
    memcpy(cell->state, state_next, sizeof state_next);
    memcpy(cell->s, s_next, sizeof s_next);
}

/* A drive cycle: pulses of some amperes, with rests. */
static real current_at(int k) { return (real)((k / 20) % 3 == 2 ? 0 : (k / 60) % 4 + 1); }

int main(void)
{
    const real truth[PARAMETERS] = {(real)0.05, (real)0.03, 800, (real)0.02, 4000};
    const real scale[PARAMETERS] = {(real)0.05, (real)0.03, 1000, (real)0.02, 5000}; /* all unknowns about 1 */
    real theta[PARAMETERS] = {(real)0.04, (real)0.04, 1000, (real)0.015, 5000};

    for (int pass = 0; pass < 4; pass++) {
        Cell plant = {{0, 0, (real)0.9}, {0}, 0, {0}}, model = plant;
        real jtj[PARAMETERS * PARAMETERS] = {0}, jtr[PARAMETERS] = {0};

        for (int k = 0; k < STEPS; k++) {
            real row[PARAMETERS];

            cell_step(&plant, truth, current_at(k));
            cell_step(&model, theta, current_at(k));
            for (int i = 0; i < PARAMETERS; i++) row[i] = model.row[i] * scale[i] * 100;
            add_row(jtj, jtr, row, (model.u - plant.u) * 100, PARAMETERS);
        }
        if (pass == 0) {
            board_report("model", &model.state[0], 3);
            board_report("sensitivities", model.s, 4);
            board_report("row", model.row, PARAMETERS);
            board_report("jtj", jtj, PARAMETERS * PARAMETERS);
        }
        for (int i = 0; i < PARAMETERS; i++) jtj[i * PARAMETERS + i] *= (real)1.001;
        solve_symmetric(jtj, jtr, PARAMETERS);
        for (int i = 0; i < PARAMETERS; i++) theta[i] -= scale[i] * jtr[i];
    }
    for (int i = 0; i < PARAMETERS; i++) theta[i] /= truth[i];
    board_report("theta", theta, PARAMETERS);
    return 0;
}
