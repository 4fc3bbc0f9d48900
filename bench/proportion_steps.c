/* The pendulum of examples/loops, for STEPS steps, timed as ADBench's problems are. */
#include "adbench.h"
#include "pendulum.h"

static const double start[2] = {0.5, 0}, parameters[2] = {9.81, 0.5};
static double torque[STEPS], torque_gradient[STEPS], cost, start_gradient[2], parameter_gradient[2];

static void function(void) { pendulum(start, parameters, torque, &cost); }
static void derivative(void)
{
    pendulum_grad(start, parameters, torque, &cost, start_gradient, parameter_gradient, torque_gradient);
}
static void load(FILE *data)
{
    (void)data;
    for (int t = 0; t < STEPS; t++) {
        torque[t] = t % 7 * 0.1 - 0.3;
    }
}

int main(int argc, char **argv)
{
    Problem problem = {.load = load, .function = function, .derivative = derivative, .objective = &cost};
    return adbench(&problem, argc, argv);
}
