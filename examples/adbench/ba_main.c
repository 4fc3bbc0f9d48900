/* Bundle adjustment on one of ADBench's data files, which hold one camera, one point and one observation to be repeated, or
 * on a file that begins with ADCBA and holds them all. SIZES comes from the command line, as the model's did: n, m, p. */
#include "adbench.h"
#include "ba.h"

static const int sizes[] = {SIZES};
static double *cameras, *points, *weights, *seen;
static int32_t *camera, *point;
static double *errors, *jacobian;
static int64_t observations;
static Problem problem;

static void function(void)
{
    ba(cameras, points, weights, camera, point, seen, errors, errors + 2 * observations);
}
static void derivative(void)
{
    ba_jacobian(cameras, points, weights, camera, point, seen, errors, errors + 2 * observations, jacobian,
                jacobian + 30 * observations);
}

static double *repeated(FILE *data, int64_t width, int64_t count)
{
    double *x = reals(width * count);
    for (int64_t k = 0; k < width * count; k++) {
        x[k] = k < width ? next_number(data) : x[k - width];
    }
    return x;
}

static void load(FILE *data)
{
    int each = 0;
    if (fscanf(data, " ADCBA%n", &each) < 0) {
        fail("the file is empty");
    }
    const int64_t n = next_int(data), m = next_int(data), p = observations = next_int(data);
    expect_size("n", sizes[0], n);
    expect_size("m", sizes[1], m);
    expect_size("p", sizes[2], p);
    cameras = each ? next_reals(data, 11 * n) : repeated(data, 11, n);
    points = each ? next_reals(data, 3 * m) : repeated(data, 3, m);
    weights = each ? next_reals(data, p) : repeated(data, 1, p);
    seen = each ? reals(2 * p) : repeated(data, 2, p);
    camera = allocate(p, sizeof *camera);
    point = allocate(p, sizeof *point);
    for (int64_t k = 0; k < p; k++) {
        camera[k] = each ? next_int(data) : (int32_t)(k % n);
        point[k] = each ? next_int(data) : (int32_t)(k % m);
        for (int axis = 0; each && axis < 2; axis++) {
            seen[2 * k + axis] = next_number(data);
        }
    }
    errors = reals(3 * p);
    jacobian = reals(31 * p);
    problem.sections[0] = (Section){"out", errors, 3 * p};
    problem.sections[1] = (Section){"jac", jacobian, 31 * p};
}

int main(int argc, char **argv)
{
    problem = (Problem){.load = load, .function = function, .derivative = derivative};
    return adbench(&problem, argc, argv);
}
