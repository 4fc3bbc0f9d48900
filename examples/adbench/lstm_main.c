/* LSTM on one of ADBench's data files. SIZES comes from the command line, as the model's did: l, c, b. */
#include "adbench.h"
#include "lstm.h"

static const int sizes[] = {SIZES};
static double *main_weights, *extra, *state, *sequence;
static double loss, *gradient, *extra_gradient;
static Problem problem;

static void function(void) { lstm(main_weights, extra, state, sequence, &loss); }
static void derivative(void) { lstm_grad(main_weights, extra, state, sequence, &loss, gradient, extra_gradient); }

static void load(FILE *data)
{
    const int64_t l = next_int(data), c = next_int(data), b = next_int(data);
    expect_size("l", sizes[0], l);
    expect_size("c", sizes[1], c);
    expect_size("b", sizes[2], b);
    main_weights = next_reals(data, 8 * l * b);
    extra = next_reals(data, 3 * b);
    state = next_reals(data, 2 * l * b);
    sequence = next_reals(data, c * b);
    gradient = reals(8 * l * b + 3 * b);
    extra_gradient = gradient + 8 * l * b;
    problem.sections[0] = (Section){"grad", gradient, 8 * l * b + 3 * b};
}

int main(int argc, char **argv)
{
    problem = (Problem){.load = load, .function = function, .derivative = derivative, .objective = &loss};
    return adbench(&problem, argc, argv);
}
