/* generate.c: random programs with loops, branches, maps, indexed assignment, matrices and derivatives within.
 *
 *   generate SEED COUNT     writes COUNT functions, each made from its own seed, SEED, SEED + 1, ..., with exports
 *
 * A function depends on its seed alone, so a failing one is made again by `generate SEED 1`.  Values stay moderate (what is
 * carried goes through sin or tanh, or grows by a part), indices stay in range, and divisors stay away from 0: whatever
 * disagrees is a mistake of the compiler's. */
#include "generate.h"

#include <stdlib.h>

static void function(uint64_t seed)
{
    static const int sizes[] = { 2, 3, 3, 4, 4, 5, 7 };     /* up to 16 elements are kept apart, more in a loop */
    state = seed * 0x2545F4914F6CDD1Du + 1;
    N = sizes[pick(sizeof sizes / sizeof *sizes)];
    variable_count = next_number = 0;
    budget = 6;
    orders = 0;
    printf("fn f%llu(v0: real[%d], s1: real, m2: real[%d, %d], idx: int[%d]) -> (y: real, w: real[%d]) {\n",
           (unsigned long long)seed, N, N, N, N, N);
    declare(VECTOR, false, 0);
    declare(SCALAR, false, 0);
    declare(MATRIX, false, 0);
    printf("    mut s3 = s1;\n    mut v4 = v0;\n    mut m5 = m2;\n    mut v6: real[%d] = 0;\n    mut m7: real[%d, %d] = 0.5;\n",
           N, N, N);
    declare(SCALAR, true, 0);
    declare(VECTOR, true, 0);
    declare(MATRIX, true, 0);
    declare(VECTOR, true, 0);
    declare(MATRIX, true, 0);
    block(1);
    for_loop(1);
    block(1);
    printf("    y = s3 + sum(v4 * (0.3 + 0.4 * iota(%d))) + sum(v6) + 0.5 * sum(m5 * m5) + sum(m7 * m5);\n"
           "    w = v4 * s3 + v6 - m7[1];\n}\n", N);
}

static void put_exports(uint64_t seed)
{
    static const char *const forms[] = {
        "grad(f%llu, of: y)", "jvp(f%llu)", "vjp(f%llu)", "jacobian(f%llu)", "grad(f%llu, of: y, wrt: m2)", "jacobian(f%llu, wrt: m2)",
        "hvp(f%llu, of: y)", "jvp(grad(f%llu, of: y))", "hessian(f%llu, of: y, wrt: (v0, s1))", "jvp(jvp(f%llu), wrt: v0)",
        "vjp(grad(f%llu, of: y, wrt: v0), wrt: (s1, m2))", "vjp(jvp(f%llu, wrt: s1), wrt: (v0, m2))",
        "jacobian(grad(f%llu, of: y, wrt: v0), wrt: (v0, s1))",
        "jvp(hessian(f%llu, of: y, wrt: s1))", "vjp(hvp(f%llu, of: y, wrt: v0), wrt: s1)",
        "jvp(jvp(jvp(f%llu, wrt: s1), wrt: v0), wrt: s1)",
    };
    int count = orders > 2 ? 6 : orders > 0 ? 13 : 16;      /* each order makes a function several times as long */
    state = seed;
    printf("export f%llu; export f%llu_t = ", (unsigned long long)seed, (unsigned long long)seed);
    printf(forms[pick(count)], (unsigned long long)seed);
    printf(";\n");
}

/* What the functions call; soft is elementwise, with a derivative that is declared. */
static const char library[] =
    "const grid: real[4] = [-1.5, -0.4, 0.3, 1.7];  const heights: real[4] = [0.2, -0.6, 0.9, 0.1];\n"
    "fn helper0[n](v: real[n], s: real) -> (r: real) {\n    mut t = s;\n"
    "    for i in 0..n { t = sin(t + v[i]) + 0.1 * t * v[i]; }\n    r = t;\n}\n"
    "fn helper1[n](v: real[n], s: real) -> (r: real) {\n"
    "    if s > 0.1 { r = sum(v) * s; } else { r = s * s - v[0]; }\n}\n"
    "fn helper2[n](v: real[n], s: real) -> (r: real) {\n    w = [v[i] * s + sum(v[j] for j in 0..i) for i in 0..n];\n"
    "    r = tanh(w @ v);\n}\n"
    "fn helper3(s: real, t: real) -> (r: real) {\n    u = sin(s);\n    mut q = u;\n    for i in 0..3 { q = 0.5 * sin(q * t) + 0.3 * u; }\n"
    "    z = q * q + t;\n    g = grad(z, u);\n    r = tanh(g + q);\n}\n"
    "fn helper4(s: real, t: real) -> (r: real) {\n    mut q = t;\n    mut sum_so_far = 0.0;\n"
    "    for i in 0..3 { q += 0.3 * q * tanh(s); sum_so_far += tanh(q); }\n    r = sum_so_far;\n}\n"
    "fn soft(a: real, b: real) -> real = sqrt(1.0 + a * a) + sin(a * b);\n"
    "derivative soft(a, b) = (a / sqrt(1.0 + a * a) + b * cos(a * b), a * cos(a * b));\n";

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: generate SEED COUNT\n"), 2;
    uint64_t seed = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    fputs(library, stdout);
    for (uint64_t k = 0; k < count; k++) {
        function(seed + k);
        put_exports(seed + k);
    }
    return 0;
}
