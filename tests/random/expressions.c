/* expressions.c: random expressions: scalars, vectors and matrices. */
#include "generate.h"

#include <stdarg.h>
#include <stdlib.h>

static void matrix(int depth);

/* An int in 0 .. N-1. */
void put_index(void)
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
int put_end(void)
{
    const Variable *v = find(INDEX, false);
    if (!v || v->is_mut || v->most > 9 || chance(60)) {
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

void condition(int depth)
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
    if (!outer || outer->is_mut || outer->most >= N) {
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

void part(void)
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

static void comprehension(int depth, bool is_matrix, void (*element)(int depth))
{
    int count = variable_count;
    printf("[");
    int first = declare(INDEX, false, N - 1)->number, second = is_matrix ? declare(INDEX, false, N - 1)->number : 0;
    element(depth - 1);
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
 * $q its square, $R "(scalar for i in range)", $T the same over a triangle, $C and $D vectors and matrices element by element, $V row by row,
 * $L $J $S literals of scalars, of indices, of vectors. */
void form(const char *text, int depth)
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
        case 'C': comprehension(depth, false, scalar); break;
        case 'D': comprehension(depth, true, scalar); break;
        case 'V': comprehension(depth, false, vector); break;
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

void scalar(int depth)
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
        "helper5($m, $v)", "newton(1.5 + sin($s))", "sum(newton(1.5 + sin($v)))", "sum(helper7($v, $s) * $m)", "stop_gradient($s)",
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

void vector(int depth)
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
        "helper6($m, $v)", "helper6($m', $v)[::-1]", "$m[idx, $J]", "gather($v, idx)", "newton(1.5 + sin($v))", "helper7($v, $s)[$i]",
        "reshape(conv1d(reshape($v, (1, 1, $n)), reshape(sin($v)[:2], (1, 1, 2)), padding: 1), $n + 1)[1:]",
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
        "index_add($m, $v, $i)", "$V", "$V", "helper7($v, $s)", "(gather($m, reshape(idx, ($n, 1)), axis: $a) * $v)", "$m[:, idx]",
        "newton(1.5 + sin($m))",
    };
    if (depth <= 0 || chance(30)) {
        put_name(find(MATRIX, false));
        return;
    }
    any_form(forms, sizeof forms / sizeof *forms, 8, depth);
}
