/* GMM on one of ADBench's data files. SIZES comes from the command line, as the model's did: d, K, n. */
#include "adbench.h"
#include "gmm.h"

static const int sizes[] = {SIZES};
static double *alpha, *means, *icf, *x, gamma_;
static int32_t m;
static double loss, *gradient, *means_gradient, *icf_gradient;
static Problem problem;

static void function(void) { gmm(alpha, means, icf, x, gamma_, m, &loss); }
static void derivative(void)
{
    gmm_grad(alpha, means, icf, x, gamma_, m, &loss, gradient, means_gradient, icf_gradient);
}

static void load(FILE *data)
{
    const int64_t d = next_int(data), K = next_int(data), n = next_int(data), packed = d * (d + 1) / 2;
    expect_size("d", sizes[0], d);
    expect_size("K", sizes[1], K);
    expect_size("n", sizes[2], n);
    alpha = next_reals(data, K);
    means = next_reals(data, K * d);
    icf = next_reals(data, K * packed);
    x = next_reals(data, n * d);
    gamma_ = next_number(data);
    m = next_int(data);
    gradient = reals(K * (1 + d + packed));
    means_gradient = gradient + K;
    icf_gradient = means_gradient + K * d;
    problem.sections[0] = (Section){"grad", gradient, K * (1 + d + packed)};
}

int main(int argc, char **argv)
{
    problem = (Problem){.load = load, .function = function, .derivative = derivative, .objective = &loss};
    return adbench(&problem, argc, argv);
}
