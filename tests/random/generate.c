/* generate.c: random programs with loops, branches, maps, indexed assignment, matrices and derivatives within.
 *
 *   generate SEED COUNT     writes COUNT functions, each made from its own seed, SEED, SEED + 1, ..., with exports
 *
 * A function depends on its seed alone, so a failing one is made again by `generate SEED 1`.  Values stay moderate (what is
 * carried goes through sin or tanh, or grows by a part), indices stay in range, and divisors stay away from 0: whatever
 * disagrees is a mistake of the compiler's. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES = 64, DEPTH = 3 };
typedef enum { SCALAR, VECTOR, MATRIX, INDEX, KINDS } Kind;

typedef struct { Kind kind; int number; bool is_mut; int most; } Variable;     /* most: of an index */
static Variable variables[NAMES];
static int variable_count, next_number, budget;
static int orders;                                          /* of the derivatives within this function, added up */
static int N = 3;                                           /* the size of vectors and matrices of this function */
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
    *v = (Variable){ kind, next_number++, is_mut, most };
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
static void matrix(int depth);

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
    printf(" for i%d in %s..%d)", number, N > 1 && chance(15) ? "1" : "0", N > 1 ? 2 + pick(N - 1) : 1);
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

static void comprehension(int depth, bool is_matrix)
{
    int count = variable_count;
    printf("[");
    int first = declare(INDEX, false, N - 1)->number, second = is_matrix ? declare(INDEX, false, N - 1)->number : 0;
    scalar(depth - 1);
    variable_count = count;
    printf(" for i%d in 0..%d", first, N);
    if (is_matrix)
        printf(", i%d in 0..%d", second, N);
    printf("]");
}

/* "[a, b, c]": N of something. */
static void literal(int depth, void (*element)(int depth))
{
    printf("[");
    for (int k = 0; k < N; k++) {
        if (k)
            printf(", ");
        element(depth - 1);
    }
    printf("]");
}

static void put_index_of(int depth)
{
    (void)depth;
    put_index();
}

/* A form with its parts put in: $s a scalar, $v a vector, $m a matrix, $c a condition, $i an index, $a an axis of two, $n the size,
 * $q its square, $R "(scalar for i in range)", $T the same over a triangle, $C and $D vectors and matrices element by element,
 * $L $J $S literals of scalars, of indices, of vectors. */
static void form(const char *text, int depth)
{
    for (; *text; text++) {
        if (*text != '$') {
            putchar(*text);
            continue;
        }
        switch (*++text) {
        case 's': scalar(depth - 1); break;
        case 'v': vector(depth - 1); break;
        case 'm': matrix(depth - 1); break;
        case 'c': condition(1); break;
        case 'i': put_index(); break;
        case 'a': printf("%d", pick(2)); break;
        case 'n': printf("%d", N); break;
        case 'q': printf("%d", N * N); break;
        case 'R': over_range("", depth); break;
        case 'T': triangular(depth); break;
        case 'C': comprehension(depth, false); break;
        case 'D': comprehension(depth, true); break;
        case 'L': literal(depth, scalar); break;
        case 'J': literal(depth, put_index_of); break;
        case 'S': literal(depth, vector); break;
        default: abort();
        }
    }
}

/* Half of the time one of the common forms, which come first. */
static void any_form(const char *const *forms, int count, int common, int depth)
{
    form(forms[pick(chance(50) ? common : count)], depth);
}

static void scalar(int depth)
{
    static const char *const forms[] = {
        "($s + $s)", "($s - $s)", "($s * $s)", "($s * $s)", "sin($s)", "cos($s)", "tanh($s)", "($s / (2.5 + sin($s)))",
        "sum$R", "$T", "helper4($s, $s)", "($v @ $v)", "($c ? $s : $s)",
        "sigmoid($s)", "atan($s)", "sqrt(2.0 + sin($s))", "exp(-square($s))", "prod$R", "mean$R", "logsumexp$R",
        "helper0($v, $s)", "helper1($v, $s)", "helper2($v, $s)", "helper3($s, $s)", "soft($s, $s)",
        "sum($m * $m)", "trace($m)", "sum(0.3 * $m @ $v)", "einsum(\"ij,i,j->\", $m, $v, $v)", "einsum(\"ij,ji->\", $m, $m)",
        "logsumexp($v)", "prod(1.0 + 0.3 * sin($v))", "sqrt(1.0 + sum($v^2))", "det(eye($n) + 0.1 * tanh($m))",
        "logdet(3.0 * eye($n) + 0.3 * tanh($m))", "real(($i * 7 - 5) % 3)", "real(($i - 2) // 2)", "log1p($s^2)",
        "expm1(sin($s))", "atan2($s, 2.5 + sin($s))", "hypot(1.5, $s)", "erf($s)", "softplus($s)", "gelu($s)", "silu($s)",
        "pow(1.5 + sigmoid($s), tanh($s))", "tanh($s)^3", "max(tanh($v) + 3.0 * iota($n))", "abs(tanh($s) + 1.5)",
        "relu(tanh($s) - 1.5 + 3.0 * real($i % 2))", "mean($m, axis: $a)[$i]", "lgamma(2.0 + sigmoid($s))",
        "var($v + iota($n))", "norm($v + iota($n) + 1.5)", "tanh($m)[$i, $i]", "interp(tanh($s), grid, heights)",
        "clamp(3.0 * tanh($s), -4.0, 4.0)", "sum(where(iota($n) % 2 == 0, $v, $v))", "min(tanh($v) - 3.0 * iota($n))",
    };
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
    any_form(forms, sizeof forms / sizeof *forms, 13, depth);
}

static void vector(int depth)
{
    static const char *const forms[] = {
        "($v + $v)", "($v * $s)", "sin($v)", "$C", "$C", "$m[$i]", "($m @ $v)", "$L",
        "$m[:, $i]", "($v @ $m)", "($m' @ $v)", "($v * $v)", "$v[::-1]", "roll($v, shift: 1, axis: 0)",
        "concat(($v[1:], $v[:1]), axis: 0)", "cumsum($v, axis: 0)", "softmax($v, axis: 0)", "log_softmax($v, axis: 0)",
        "sum($m, axis: $a)", "mean($m, axis: $a)", "diag($m)", "$v[$J]", "$v[idx]", "scatter_add($v, [$i, $i], [$s, $s])",
        "scatter_add($v, idx, $v)", "solve(3.0 * eye($n) + 0.3 * tanh($m), $v)",
        "triangular_solve(2.0 * eye($n) + 0.3 * tanh($m), $v)", "($c ? $v : $v)", "where(iota($n) % 2 == 1, $v, $v)",
        "einsum(\"ij,j->i\", $m, $v)", "einsum(\"ij,jk,k->i\", $m, tanh($m), $v)", "cumprod(0.6 + 0.3 * sin($v), axis: 0)",
        "pad($v[1:], ((1, 0),))", "reshape($m, $q)[:$n]", "reshape($m, $q)[::$n]", "flip($v, axis: 0)", "soft($v, $s)",
        "logsumexp($m, axis: $a)", "index_set($v, $s, $i)", "recurrence(0.5 * sin($v), $v)", "($C + helper0($v, $s))",
        "prod(1.0 + 0.2 * sin($m), axis: $a)", "(1.0 / (2.5 + cos($v)))", "layer_norm($v + iota($n))", "tanh($m[$J, $J])",
    };
    if (depth <= 0 || chance(30)) {
        put_name(find(VECTOR, false));
        return;
    }
    any_form(forms, sizeof forms / sizeof *forms, 8, depth);
}

static void matrix(int depth)
{
    static const char *const forms[] = {
        "($m + $m)", "($m * $s)", "sin($m)", "$m'", "outer($v, $v)", "(0.3 * ($m @ $m))", "$D",
        "$D", "tril($m)", "triu($m, k: 1)", "($m * $v)", "($m + reshape($v, ($n, 1)))", "inverse(3.0 * eye($n) + 0.3 * tanh($m))",
        "cumsum($m, axis: $a)", "softmax($m, axis: $a)", "$m[$J]", "$m[:, ::-1]", "diag($v)", "roll($m, shift: 1, axis: $a)",
        "$S", "permute($m, (1, 0))", "($c ? $m : $m)", "concat(($m[1:], $m[:1]), axis: 0)", "soft($m, $s)", "$m[idx]",
        "cholesky(3.0 * eye($n) + 0.1 * tanh($m) @ tanh($m)')", "einsum(\"ij,kj->ki\", $m, 0.3 * $m)", "flip($m, axis: $a)",
        "expand($v, ($n, $n))", "solve(3.0 * eye($n) + 0.3 * tanh($m), $m)", "reshape(permute($m, (1, 0)), ($n, $n))",
        "index_add($m, $v, $i)",
    };
    if (depth <= 0 || chance(30)) {
        put_name(find(MATRIX, false));
        return;
    }
    any_form(forms, sizeof forms / sizeof *forms, 8, depth);
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
    Kind kind = chance(50) ? SCALAR : chance(60) ? VECTOR : MATRIX;
    int number = next_number++;
    bool is_mut = chance(30);
    indent(level);
    printf("%s%c%d = ", is_mut ? "mut " : "", prefix[kind], number);
    if (kind == SCALAR)
        scalar(DEPTH);
    else
        form(kind == VECTOR ? "tanh($v)" : "tanh($m)", DEPTH + 1);
    printf(";\n");
    variables[variable_count++] = (Variable){ kind, number, is_mut, 0 };
}

static void assign(int level)
{
    const Variable *v = find(chance(40) ? SCALAR : chance(60) ? VECTOR : MATRIX, true);
    indent(level);
    put_name(v);
    if (v->kind == SCALAR) {
        bool grows = chance(20);                            /* by a part of itself: it is read and added to */
        printf(grows ? " += 0.3 * " : chance(30) ? " += " : " = ");
        if (grows) {
            put_name(v);
            printf(" * ");
        }
        calm_scalar();
    } else if (v->kind == VECTOR && chance(30)) {
        static const char *const forms[] = { " = tanh($v)", " = tanh($v)", " += sin($v)", "[1:] = sin($v[1:])", "[::-1] = tanh($v)",
                                             "[::2] += 0.5 * tanh($v)[::2]", "[idx] += tanh($v)" };
        form(forms[pick(7)], DEPTH + 1);
    } else if (v->kind == MATRIX && chance(25)) {
        static const char *const forms[] = { " = tanh($m)", " = tanh($m)", " -= 0.3 * sin($m)", "[:, 1:] = sin($m[:, 1:])",
                                             "[::-1, :] = tanh($m)", "[idx] += tanh($m)" };
        form(forms[pick(6)], DEPTH + 1);
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
    bool late = chance(10);
    printf("for i%d in %s", number, late ? "1.." : "0..");
    int most = put_end();
    if (late && most < 0)
        printf(" + 1");
    if (chance(30))
        printf(" checkpoint(%d)", 1 + pick(3));
    printf(" {\n");
    variables[variable_count++] = (Variable){ INDEX, number, false, most > 0 ? most : 0 };
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
    variables[variable_count++] = (Variable){ INDEX, number, false, 99 };    /* no range is known */
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

/* By a value that is bound right here, so that nothing carried depends on it; the differentiated value may go through a loop or a
 * branch.  A value of the shape of the derivative is left behind. */
static void put_filled(const char *text, const char *x, const char *y, int depth)
{
    char filled[160], *out = filled;
    for (const char *at = text; *at; at++)
        out += *at == 'X' ? snprintf(out, 24, "%s", x) : *at == 'Y' ? snprintf(out, 24, "%s", y) : snprintf(out, 2, "%c", *at);
    form(filled, depth);
}

static void derivative(int level)
{
    static const struct { Kind by, of, result; const char *text; } forms[] = {
        { SCALAR, SCALAR, SCALAR, "grad(Y, X)" }, { VECTOR, SCALAR, VECTOR, "grad(Y, X)" }, { MATRIX, SCALAR, MATRIX, "grad(Y, X)" },
        { SCALAR, SCALAR, SCALAR, "jvp(Y, X, $s)" }, { VECTOR, SCALAR, SCALAR, "jvp(Y, X, $v)" },
        { VECTOR, VECTOR, VECTOR, "jvp(Y, X, $v)" }, { MATRIX, VECTOR, VECTOR, "jvp(Y, X, $m)" },
        { SCALAR, VECTOR, VECTOR, "jvp(Y, X, $s)" }, { VECTOR, VECTOR, VECTOR, "grad(Y, X, seed: $v)" },
        { MATRIX, VECTOR, MATRIX, "grad(Y, X, seed: $v)" }, { SCALAR, VECTOR, VECTOR, "jacobian(Y, X)" },
        { VECTOR, SCALAR, VECTOR, "jacobian(Y, X)" }, { VECTOR, VECTOR, MATRIX, "jacobian(Y, X)" },
        { SCALAR, SCALAR, SCALAR, "hessian(Y, X)" }, { VECTOR, SCALAR, MATRIX, "hessian(Y, X)" },
        { VECTOR, SCALAR, VECTOR, "hvp(Y, X, $v)" }, { MATRIX, SCALAR, MATRIX, "hvp(Y, X, $m)" },
    };
    static const char *const values[] = { "sin($s)", "tanh($v)", "tanh($m)" };
    static const char *const uses[][2] = {                  /* by what, of what */
        { "$s * X^2", "$v + sin(X) * $v" }, { "$s * sum(X^2)", "$v * sin(X)" }, { "$s * sum(X^2)", "$v + sin(X) @ $v" }
    };
    int which = pick(orders > 2 ? 3 : sizeof forms / sizeof *forms), x = next_number++;
    orders += forms[which].text[0] == 'h' ? 2 : 1;
    Kind by = forms[which].by, of = forms[which].of, result = forms[which].result;
    indent(level);
    printf("%c%d = ", prefix[by], x);
    form(values[by], DEPTH + 1);
    printf(";\n");
    variables[variable_count++] = (Variable){ by, x, false, 0 };
    if (level < 4 && budget > 0 && variable_count < NAMES - 12 && chance(40)) {
        budget--;
        (chance(50) ? for_loop : chance(50) ? branch : while_loop)(level);
    }
    int y = next_number++, slope = next_number++;
    char x_name[24], y_name[24];
    snprintf(x_name, sizeof x_name, "%c%d", prefix[by], x);
    snprintf(y_name, sizeof y_name, "%c%d", prefix[of], y);
    indent(level);
    printf("%s = ", y_name);
    put_filled(uses[by][of], x_name, y_name, DEPTH);
    printf(";\n");
    variables[variable_count++] = (Variable){ of, y, false, 0 };
    indent(level);
    printf("%c%d = tanh(", prefix[result], slope);
    put_filled(forms[which].text, x_name, y_name, 1);
    printf(");\n");
    variables[variable_count++] = (Variable){ result, slope, false, 0 };
}

static void block(int level)
{
    int statements = 1 + pick(3);
    for (int k = 0; k < statements; k++) {
        int kind = level > 4 || budget <= 0 || variable_count > NAMES - 8 ? pick(5) : pick(12);
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
