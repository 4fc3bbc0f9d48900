/* generate.c: random programs with loops, branches, maps, indexed assignment, matrices and derivatives within.
 *
 *   generate SEED COUNT     writes COUNT functions, each made from its own seed, SEED, SEED + 1, ..., with exports
 *
 * A function depends on its seed alone, so a failing one is made again by `generate SEED 1`.  Values stay moderate (what is
 * carried goes through sin or tanh, or grows by a part), indices stay in range, and divisors stay away from 0: whatever
 * disagrees is a mistake of the compiler's. */
#include "generate.h"

#include <stdlib.h>
#include <string.h>

static void function(uint64_t seed)
{
    static const int sizes[] = { 2, 3, 3, 4, 4, 5, 7 };     /* up to 16 elements are kept apart, more in a loop */
    state = seed * 0x2545F4914F6CDD1Du + 1;
    N = sizes[pick(sizeof sizes / sizeof *sizes)];
    if (seed % 64 == 63)
        N = 19;                                             /* matrices beyond all limits of what is written out */
    variable_count = next_number = 0;
    budget = 6;
    orders = 0;
    printf("fn f%llu(v0: real[%d], s1: real, m2: real[%d, %d], idx: int[%d]) -> (y: real, w: real[%d]) {\n",
           (unsigned long long)seed, N, N, N, N, N);
    declare(VECTOR, false, 0);
    declare(SCALAR, false, 0);
    declare(MATRIX, false, 0);
    printf("    mut s3 = s1;\n    mut v4 = v0;\n    mut m5 = m2;\n    mut v6: real[%d] = 0;\n    mut m7: real[%d, %d] = 0.5;\n"
           "    mut i8 = 0;\n", N, N, N);
    declare(SCALAR, true, 0);
    declare(VECTOR, true, 0);
    declare(MATRIX, true, 0);
    declare(VECTOR, true, 0);
    declare(MATRIX, true, 0);
    declare(INDEX, true, N - 1);
    block(1);
    for_loop(1);
    block(1);
    printf("    y = s3 + sum(v4 * (0.3 + 0.4 * iota(%d))) + sum(v6) + 0.5 * sum(m5 * m5) + sum(m7 * m5);\n"
           "    w = v4 * s3 + v6 - m7[1];\n}\n", N);
}

static void put_exports(uint64_t seed)
{
    static const char *const forms[] = {
        "f# = grad(f, of: y)", "f# = jvp(f)", "f# = vjp(f)", "f# = jacobian(f)", "f# = grad(f, of: y, wrt: m2)", "f# = jacobian(f, wrt: m2)",
        "f#, f#_back = split(f)", "f# = jacobian(f, sparse: true)", "f# = vjp(f, accumulate: true) -> (m2_grad, v0_grad)",
        "f# = hvp(f, of: y)", "f# = jvp(grad(f, of: y))", "f# = hessian(f, of: y, wrt: (v0, s1))", "f# = jvp(jvp(f), wrt: v0)",
        "f# = vjp(grad(f, of: y, wrt: v0), wrt: (s1, m2))", "f# = vjp(jvp(f, wrt: s1), wrt: (v0, m2))",
        "f# = jacobian(grad(f, of: y, wrt: v0), wrt: (v0, s1))", "f# = hessian(f, of: y, wrt: (v0, s1), sparse: true)",
        "f#, f#_back = split(grad(f, of: y, wrt: v0), wrt: (m2, v0))",
        "f# = jvp(hessian(f, of: y, wrt: s1))", "f# = vjp(hvp(f, of: y, wrt: v0), wrt: s1)",
        "f# = jvp(jvp(jvp(f, wrt: s1), wrt: v0), wrt: s1)",
    };
    int count = orders > 2 ? 9 : orders > 0 ? 18 : 21;      /* each order makes a function several times as long */
    state = seed;
    printf("export f%llu; export ", (unsigned long long)seed);
    const char *form = forms[pick(count)];
    while (N > 16 && strstr(form, "sparse"))                /* places that are too hard to find are refused */
        form = forms[pick(count)];
    for (const char *at = form; *at; at++) {
        bool is_name = *at == 'f' && (at[1] == '#' || at[1] == ',' || at[1] == ')');
        if (is_name)
            printf("f%llu%s", (unsigned long long)seed, at[1] == '#' ? "_t" : "");
        else if (*at != '#')
            putchar(*at);
    }
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
    "fn helper3(s: real, t: real) -> (r: real) {\n    u = sin(s);\n    mut q = u;\n    for i in 0..3 { q = 0.5 * sin(q * tanh(t)) + 0.3 * u; }\n"
    "    z = q * q + t;\n    g = grad(z, u);\n    r = tanh(g + q);\n}\n"
    "fn helper4(s: real, t: real) -> (r: real) {\n    mut q = t;\n    mut sum_so_far = 0.0;\n"
    "    for i in 0..3 { q += 0.3 * q * tanh(s); sum_so_far += tanh(q); }\n    r = sum_so_far;\n}\n"
    "fn helper5[p, q](m: real[p, q], v: real[q]) -> (r: real) {\n    w = m @ v;\n"
    "    r = helper0(w, sum(v)) + sum(tanh(w[i] * m[i, j]) for i in 0..p, j in 0..q);\n}\n"
    "fn helper6[p, q](m: real[p, q], v: real[q]) -> (r: real[p]) {\n    mut c: real[p] = 0.1;\n    mut k = 0;\n"
    "    while k < 2 * p max_trips 7 {\n        old = c;\n        for j in 0..q { c[k % p] += 0.3 * tanh(m[k % p, j] * old[(k + j) % p] + v[j]); }\n"
    "        k += j_step(k);\n    }\n    r = c;\n}\n"
    "fn j_step(k: int) -> int = k % 3 == 0 ? 2 : 1;\n"
    "fn helper7[n](v: real[n], s: real) -> (r: real[n, n]) {\n    x = sin(v);\n    mut t = x * s;\n"
    "    for i in 1..n { t[i] += 0.5 * tanh(t[i - 1] * x[i]); }\n    y = t;\n    r = tanh(jacobian(y, x));\n}\n"
    "fn newton(a: real) -> (x: real) {\n    mut t = 0.5 * (a + 1);\n"
    "    while abs(t * t - a) > 1e-14 * a max_trips 60 { t = 0.5 * (t + a / t); }\n    x = t;\n}\n"
    "derivative newton(a) = (0.5 / value);\n"
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
