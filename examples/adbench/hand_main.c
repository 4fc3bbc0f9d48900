/* Hand tracking on one of ADBench's data files; the hand itself is in the folder MODEL. SIZES and COMPLICATED (0 or 1) come
 * from the command line, as the model's sizes did: V, F, N. */
#include "adbench.h"
#include "hand.h"

enum { BONES = 22, ANGLES = 26, WEIGHTS = 4 };

static const int sizes[] = {SIZES};
static double theta[ANGLES], *us, *rest, *weight, *point, relative[BONES][16], inverse_rest[BONES][16];
static int32_t parent[BONES], *bone, *triangle, *corner;
static double *errors, *jacobian;
static int64_t rows;
static Problem problem;

#if COMPLICATED
static void function(void)
{
    hand_complicated(theta, us, parent, *relative, *inverse_rest, rest, bone, weight, triangle, corner, point, errors);
}
static void derivative(void)
{
    hand_complicated_jacobian(theta, us, parent, *relative, *inverse_rest, rest, bone, weight, triangle, corner, point, errors,
                              jacobian, jacobian + 2 * rows);
}
#else
static void function(void)
{
    hand_simple(theta, parent, *relative, *inverse_rest, rest, bone, weight, corner, point, errors);
}
static void derivative(void)
{
    hand_simple_jacobian(theta, parent, *relative, *inverse_rest, rest, bone, weight, corner, point, errors, jacobian);
}
#endif

/* The number before the next `:` or line end, which is read as well. */
static double field(FILE *file)
{
    double x = 0;
    if (fscanf(file, "%lf", &x) != 1) {
        fail("a field is missing");
    }
    fgetc(file);
    return x;
}

static void load_bones(void)
{
    FILE *file = open_file(MODEL, "/bones.txt");
    for (int b = 0; b < BONES; b++) {
        for (int c = fgetc(file); c != ':' && c != EOF; ) {
            c = fgetc(file);
        }
        parent[b] = (int32_t)field(file);
        for (int k = 0; k < 16; k++) {
            relative[b][k] = field(file);
        }
        for (int k = 0; k < 16; k++) {
            inverse_rest[b][k] = field(file);
        }
    }
    fclose(file);
}

static void load_vertices(int64_t count)
{
    FILE *file = open_file(MODEL, "/vertices.txt");
    rest = reals(3 * count);
    weight = reals(WEIGHTS * count);
    bone = allocate(WEIGHTS * count, sizeof *bone);
    for (int64_t v = 0; v < count; v++) {
        for (int k = 0; k < 8; k++) {
            const double x = field(file);
            if (k < 3) {
                rest[3 * v + k] = x;
            }
        }
        const int pairs = (int)field(file);
        if (pairs > WEIGHTS) {
            fail("vertex %lld moves with %d bones", (long long)v, pairs);
        }
        for (int k = 0; k < pairs; k++) {
            bone[WEIGHTS * v + k] = (int32_t)field(file);
            weight[WEIGHTS * v + k] = field(file);
        }
    }
    fclose(file);
}

static void load_triangles(int64_t count)
{
    FILE *file = open_file(MODEL, "/triangles.txt");
    triangle = allocate(3 * count, sizeof *triangle);
    for (int64_t k = 0; k < 3 * count; k++) {
        triangle[k] = (int32_t)field(file);
    }
    fclose(file);
}

static void load(FILE *data)
{
    const int64_t n = next_int(data);
    expect_size("N", sizes[2], n);
    expect_size("theta", ANGLES, next_int(data));
    load_bones();
    load_vertices(sizes[0]);
    load_triangles(sizes[1]);
    corner = allocate(n, sizeof *corner);
    point = reals(3 * n);
    for (int64_t k = 0; k < n; k++) {
        corner[k] = next_int(data);
        for (int axis = 0; axis < 3; axis++) {
            point[3 * k + axis] = next_number(data);
        }
    }
    us = COMPLICATED ? next_reals(data, 2 * n) : NULL;
    for (int k = 0; k < ANGLES; k++) {
        theta[k] = next_number(data);
    }
    rows = 3 * n;
    errors = reals(rows);
    jacobian = reals((ANGLES + 2 * COMPLICATED) * rows);
    problem.sections[0] = (Section){"out", errors, rows};
    problem.sections[1] = (Section){"jac", jacobian, (ANGLES + 2 * COMPLICATED) * rows};
}

int main(int argc, char **argv)
{
    problem = (Problem){.load = load, .function = function, .derivative = derivative};
    return adbench(&problem, argc, argv);
}
