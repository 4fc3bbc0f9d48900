/* generate.c: random programs with loops, branches, maps and indexed assignment.
 *
 *   generate SEED COUNT     writes COUNT functions, each made from its own seed, SEED, SEED + 1, ..., with exports
 *
 * A function depends on its seed alone, so a failing one is made again by `generate SEED 1`.  Values stay moderate (what is
 * carried goes through sin or tanh), indices stay in range, and divisors stay away from 0: whatever disagrees is a mistake of
 * the compiler's. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 3, NAMES = 64, DEPTH = 3 };
typedef enum { SCALAR, VECTOR, MATRIX, INDEX, KINDS } Kind;

typedef struct { Kind kind; int number; bool is_mut, is_bindable; int most; } Variable;     /* most: of an index */
static Variable variables[NAMES];
static int variable_count, next_number, budget;
static uint64_t state;

/* ---- chance -------------------------------------------------------------------------------------------------------- */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int pick(int count) { return (int)(draw() % (uint64_t)count); }
static bool chance(int percent) { return pick(100) < percent; }

/* ---- names --------------------------------------------------------------------------------------------------------- */
static const char prefix[] = "svmi";
static void put_name(const Variable *v) { printf("%c%d", prefix[v->kind], v->number); }

static Variable *declare(Kind kind, bool is_mut, int most)
{
    Variable *v = &variables[variable_count++];
    *v = (Variable){ kind, next_number++, is_mut, false, most };
    return v;
}

static Variable *find(Kind kind, bool is_mut)
{
    int from = pick(variable_count);
    for (int k = 0; k < variable_count; k++) {
        Variable *v = &variables[(from + k) % variable_count];
        if (v->kind == kind && (!is_mut || v->is_mut))
            return v;
    }
    return NULL;
}

/* ---- expressions ----------------------------------------------------------------------------------------------------- */
static void scalar(int depth);
static void vector(int depth);

/* An int in 0 .. N-1. */
static void put_index(void)
{
    const Variable *v = find(INDEX, false);
    if (!v || chance(20)) {
        printf("%d", pick(N));
    } else if (v->most < N && chance(60)) {
        put_name(v);
    } else {
        printf("(");
        put_name(v);
        printf(" + %d) %% %d", pick(N), N);
    }
}

/* The end of a range from 0, which may be empty; the largest value below it. */
static int put_end(void)
{
    const Variable *v = find(INDEX, false);
    if (!v || v->most > 9 || chance(60)) {
        int end = chance(8) ? 0 : 1 + pick(N);
        printf("%d", end);
        return end - 1;
    }
    int extra = pick(2);
    put_name(v);
    printf(" + %d", extra);
    return v->most + extra - 1;
}

static void constant(void)
{
    static const char *const values[] = { "0.5", "-0.3", "1.2", "0.7", "-0.9", "2.0", "1.0", "0.0" };
    printf("%s", values[pick(8)]);
}

static void condition(int depth)
{
    const Variable *v = find(INDEX, false);
    if (v && chance(50)) {
        put_name(v);
        printf(" %% 2 == %d", pick(2));
    } else {
        scalar(depth);
        printf(chance(50) ? " > " : " < ");
        scalar(depth);
    }
}

static void over_range(const char *reduction, int depth)
{
    printf("%s(", reduction);
    int count = variable_count;
    int number = declare(INDEX, false, N - 1)->number;
    scalar(depth - 1);
    variable_count = count;
    printf(" for i%d in 0..%d)", number, 1 + pick(N));
}

static void triangular(int depth)
{
    const Variable *outer = find(INDEX, false);
    if (!outer || outer->most >= N) {
        over_range("sum", depth);
        return;
    }
    int count = variable_count, number = outer->number, most = outer->most;
    printf("sum(");
    int own = declare(INDEX, false, most)->number;
    scalar(depth - 1);
    variable_count = count;
    printf(" for i%d in 0..i%d + %d)", own, number, pick(2));
}

static void part(void)
{
    const Variable *v = find(chance(70) ? VECTOR : MATRIX, false);
    put_name(v);
    printf("[");
    put_index();
    if (v->kind == MATRIX) {
        printf(", ");
        put_index();
    }
    printf("]");
}

static void unary(const char *name, int depth)
{
    printf("%s(", name);
    scalar(depth - 1);
    printf(")");
}

static void scalar(int depth)
{
    static const char *const functions[] = { "sin", "cos", "tanh", "sigmoid", "atan" };
    const Variable *v;
    if (depth <= 0 || chance(15)) {
        v = find(SCALAR, false);
        if (chance(15))
            constant();
        else if (v && chance(60))
            put_name(v);
        else
            part();
        return;
    }
    switch (pick(14)) {
    case 0: case 1: printf("("); scalar(depth - 1); printf(chance(50) ? " + " : " - "); scalar(depth - 1); printf(")"); break;
    case 2: case 3: printf("("); scalar(depth - 1); printf(" * "); scalar(depth - 1); printf(")"); break;
    case 4: case 5: unary(functions[pick(5)], depth); break;
    case 6: printf("("); scalar(depth - 1); printf(" / (2.5 + "); unary("sin", depth); printf("))"); break;
    case 7: printf("sqrt(2.0 + "); unary("sin", depth); printf(")"); break;
    case 8: printf("exp(-"); unary("square", depth); printf(")"); break;
    case 9: over_range(chance(60) ? "sum" : chance(50) ? "prod" : "mean", depth); break;
    case 10: triangular(depth); break;
    case 11: printf("("); vector(depth - 1); printf(" @ "); vector(depth - 1); printf(")"); break;
    case 12: printf("("); condition(1); printf(" ? "); scalar(depth - 1); printf(" : "); scalar(depth - 1); printf(")"); break;
    default: printf("helper%d(", pick(3)); vector(depth - 1); printf(", "); scalar(depth - 1); printf(")"); break;
    }
}

static void comprehension(int depth)
{
    int count = variable_count;
    printf("[");
    int number = declare(INDEX, false, N - 1)->number;
    scalar(depth - 1);
    variable_count = count;
    printf(" for i%d in 0..%d]", number, N);
}

static void vector(int depth)
{
    const Variable *v = find(VECTOR, false);
    if (depth <= 0 || chance(30)) {
        put_name(v);
        return;
    }
    switch (pick(8)) {
    case 0: printf("("); vector(depth - 1); printf(" + "); vector(depth - 1); printf(")"); break;
    case 1: printf("("); vector(depth - 1); printf(" * "); scalar(depth - 1); printf(")"); break;
    case 2: printf("sin("); vector(depth - 1); printf(")"); break;
    case 3: case 4: comprehension(depth); break;
    case 5: put_name(find(MATRIX, false)); printf("["); put_index(); printf("]"); break;
    case 6: printf("("); put_name(find(MATRIX, false)); printf(" @ "); vector(depth - 1); printf(")"); break;
    default: printf("["); scalar(depth - 1); printf(", "); scalar(depth - 1); printf(", "); scalar(depth - 1); printf("]"); break;
    }
}

/* ---- statements ------------------------------------------------------------------------------------------------------- */
static void indent(int level) { printf("%*s", 4 * level, ""); }
static void block(int level);

static void calm_scalar(void)
{
    printf(chance(50) ? "sin(" : "tanh(");
    scalar(DEPTH);
    printf(")");
}

static void new_value(int level)
{
    Kind kind = chance(60) ? SCALAR : VECTOR;
    int number = next_number;
    indent(level);
    printf("%c%d = ", prefix[kind], number);
    next_number++;
    if (kind == SCALAR) {
        scalar(DEPTH);
    } else {
        printf("tanh(");
        vector(DEPTH);
        printf(")");
    }
    printf(";\n");
    variables[variable_count++] = (Variable){ kind, number, false, true, 0 };
}

static void assign(int level)
{
    const Variable *v = find(chance(40) ? SCALAR : chance(60) ? VECTOR : MATRIX, true);
    indent(level);
    put_name(v);
    if (v->kind == SCALAR) {
        printf(" = ");
        calm_scalar();
    } else if (v->kind == VECTOR && chance(30)) {
        printf(" = tanh(");
        vector(DEPTH);
        printf(")");
    } else if (v->kind == VECTOR) {
        printf("[");
        put_index();
        printf(chance(40) ? "] += " : chance(20) ? "] *= " : "] = ");
        calm_scalar();
    } else if (chance(50)) {
        printf("[");
        put_index();
        printf(", ");
        put_index();
        printf(chance(50) ? "] = " : "] += ");
        calm_scalar();
    } else {
        bool row = chance(50);
        printf(row ? "[" : "[:, ");
        put_index();
        printf(chance(50) ? "%s] = sin(" : "%s] -= sin(", row ? ", :" : "");
        vector(DEPTH - 1);
        printf(")");
    }
    printf(";\n");
}

static void for_loop(int level)
{
    int count = variable_count, number = next_number++;
    indent(level);
    printf("for i%d in 0..", number);
    int most = put_end();
    if (chance(30))
        printf(" checkpoint(%d)", 1 + pick(3));
    printf(" {\n");
    variables[variable_count++] = (Variable){ INDEX, number, false, false, most > 0 ? most : 0 };
    block(level + 1);
    variable_count = count;
    indent(level);
    printf("}\n");
}

static void while_loop(int level)
{
    int number = next_number++, count = variable_count;
    indent(level);
    printf("mut i%d = 0;\n", number);
    indent(level);
    printf("while i%d < %d", number, 1 + pick(3));
    if (chance(50)) {
        printf(" and ");
        scalar(1);
        printf(" < 0.8");
    }
    printf(" max_trips %d {\n", 1 + pick(4));
    variables[variable_count++] = (Variable){ INDEX, number, false, false, 99 };    /* no range is known */
    block(level + 1);
    variable_count = count;
    indent(level + 1);
    printf("i%d += 1;\n", number);
    indent(level);
    printf("}\n");
}

static void branch(int level)
{
    int count = variable_count;
    indent(level);
    printf("if ");
    condition(1);
    printf(" {\n");
    block(level + 1);
    variable_count = count;
    indent(level);
    if (chance(60)) {
        printf("} else {\n");
        block(level + 1);
        variable_count = count;
        indent(level);
    }
    printf("}\n");
}

/* By a value that is bound right here, so that nothing carried depends on it. */
static void derivative(int level)
{
    Kind kind = chance(60) ? SCALAR : VECTOR;
    int number = next_number, of = number + 1, slope = number + 2;
    next_number += 3;
    indent(level);
    printf("%c%d = ", prefix[kind], number);
    if (kind == SCALAR)
        calm_scalar();
    else
        comprehension(DEPTH);
    printf(";\n");
    variables[variable_count++] = (Variable){ kind, number, false, true, 0 };
    indent(level);
    printf("s%d = ", of);
    scalar(DEPTH);
    if (kind == SCALAR)
        printf(" * s%d^2;\n", number);
    else
        printf(" * sum(v%d^2);\n", number);
    variables[variable_count++] = (Variable){ SCALAR, of, false, false, 0 };
    indent(level);
    printf("%c%d = tanh(grad(s%d, %c%d));\n", prefix[kind], slope, of, prefix[kind], number);
    variables[variable_count++] = (Variable){ kind, slope, false, false, 0 };
}

static void block(int level)
{
    int statements = 1 + pick(3);
    for (int k = 0; k < statements; k++) {
        int kind = level > 4 || budget <= 0 || variable_count > NAMES - 8 ? pick(5) : pick(11);
        budget--;
        if (kind <= 1)
            new_value(level);
        else if (kind <= 4)
            assign(level);
        else if (kind <= 6)
            for_loop(level);
        else if (kind == 7)
            while_loop(level);
        else if (kind <= 9)
            branch(level);
        else
            derivative(level);
    }
}

static void function(uint64_t seed)
{
    state = seed * 0x2545F4914F6CDD1Du + 1;
    variable_count = next_number = 0;
    budget = 6;
    printf("fn f%llu(v0: real[%d], s1: real, m2: real[%d, %d]) -> (y: real, w: real[%d]) {\n", (unsigned long long)seed, N, N, N, N);
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
    printf("    y = s3 + sum(v4 * [0.3, 0.7, -0.4]) + sum(v6) + 0.5 * sum(m5 * m5) + sum(m7 * m5);\n"
           "    w = v4 * s3 + v6 - m7[1];\n}\n");
}

static void put_exports(uint64_t seed)
{
    static const char *const forms[] = {
        "grad(f%llu, of: y)", "hvp(f%llu, of: y)", "jvp(grad(f%llu, of: y))", "hessian(f%llu, of: y)", "jvp(f%llu)",
        "jacobian(f%llu)", "vjp(f%llu)", "vjp(grad(f%llu, of: y, wrt: v0), wrt: (s1, m2))", "jvp(hessian(f%llu, of: y, wrt: s1))",
    };
    enum { FORMS = sizeof forms / sizeof *forms };
    state = seed;
    printf("export f%llu; export f%llu_t = ", (unsigned long long)seed, (unsigned long long)seed);
    printf(forms[pick(FORMS)], (unsigned long long)seed);
    printf(";\n");
    if (chance(30))
        printf("export f%llu_a, f%llu_b = split(f%llu);\n", (unsigned long long)seed, (unsigned long long)seed,
               (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: generate SEED COUNT\n"), 2;
    uint64_t seed = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    printf("fn helper0(v: real[%d], s: real) -> (r: real) {\n    mut t = s;\n"
           "    for i in 0..%d { t = sin(t + v[i]) + 0.1 * t * v[i]; }\n    r = t;\n}\n", N, N);
    printf("fn helper1(v: real[%d], s: real) -> (r: real) {\n"
           "    if s > 0.1 { r = sum(v) * s; } else { r = s * s - v[0]; }\n}\n", N);
    printf("fn helper2[n](v: real[n], s: real) -> (r: real) {\n    w = [v[i] * s + sum(v[j] for j in 0..i) for i in 0..n];\n"
           "    r = tanh(w @ v);\n}\n");
    for (uint64_t k = 0; k < count; k++)
        function(seed + k);
    for (uint64_t k = 0; k < count; k++)
        put_exports(seed + k);
    return 0;
}
