/* budget_steps.c: the gradient of the cart and pole of examples/loops over STEPS steps, which carry four numbers: under a budget
 * against with the full tape. Checks that both are the same numbers, then prints the times of a call. */
#define _POSIX_C_SOURCE 200809L
#include "median.h"

#include "full.h"
#include "small.h"

#include <math.h>

typedef struct { double cost, start[4], parameters[3], force[STEPS]; } Gradient;

static const double start[4] = {0.1, 0.2, -0.1, 0.05}, parameters[3] = {1.1, 0.2, 0.6};
static double force[STEPS];
static Gradient full, small;

static void by_full(int calls)
{
    while (calls--) full_cartpole_grad(start, parameters, force, &full.cost, full.start, full.parameters, full.force);
}
static void by_small(int calls)
{
    while (calls--) small_cartpole_grad(start, parameters, force, &small.cost, small.start, small.parameters, small.force);
}

int main(void)
{
    for (int t = 0; t < STEPS; t++)
        force[t] = t % 7 * 0.1 - 0.3;
    by_full(1), by_small(1);
    for (int t = 0; t < STEPS; t++)
        if (!(fabs(full.force[t] - small.force[t]) <= 1e-9 * fmax(1, fabs(full.force[t])))) {
            fprintf(stderr, "the gradient by force %d is %.17g, and %.17g under the budget\n", t, full.force[t], small.force[t]);
            return EXIT_FAILURE;
        }
    time_in_turns(by_small, by_full, 1);
    return EXIT_SUCCESS;
}
