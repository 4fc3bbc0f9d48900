/* statements.c: random statements: assignments, loops, branches, and derivatives within. */
#include "generate.h"

static void indent(int level) { printf("%*s", 4 * level, ""); }

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

/* The whole of another value, whichever of the two changes from here on; two values change places; a carried index moves on. */
static void move(int level)
{
    Kind kind = chance(60) ? VECTOR : chance(60) ? MATRIX : SCALAR;
    const Variable *to = find(kind, true), *from = find(kind, chance(60)), *index = find(INDEX, true);
    indent(level);
    if (index && chance(40)) {
        put_name(index);
        printf(" = (");
        put_name(index);
        if (chance(50))
            printf(" * 2 + %d) %% %d;\n", pick(3), N);
        else
            printf(" + idx[%d]) %% %d;\n", pick(N), N);
    } else if (chance(40) && variable_count < NAMES - 8) {
        int number = next_number++;
        bool is_mut = chance(60);
        printf("%s%c%d = ", is_mut ? "mut " : "", prefix[kind], number);
        put_name(from);
        printf(";\n");
        variables[variable_count++] = (Variable){ kind, number, is_mut, 0 };
    } else {
        int number = next_number++;
        printf("%c%d = ", prefix[kind], number);
        put_name(to);
        printf(";\n");
        indent(level);
        put_name(to);
        printf(" = ");
        put_name(from);
        printf(";\n");
        const Variable *other = from->is_mut ? from : find(kind, true);
        indent(level);
        put_name(other);
        printf(" = %c%d;\n", prefix[kind], number);
    }
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

void for_loop(int level)
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

/* The gradient of a derivative. */
static void derivative_of(int level, Kind by, const char *x, Kind kind, int slope)
{
    int y = next_number++, second = next_number++;
    char y_name[24];
    snprintf(y_name, sizeof y_name, "s%d", y);
    orders++;
    indent(level);
    printf(kind == SCALAR ? "%s = s%d^2 + " : kind == VECTOR ? "%s = sum(v%d^2) * " : "%s = sum(m%d^2) - ", y_name, slope);
    scalar(2);
    printf(";\n");
    indent(level);
    printf("%c%d = tanh(grad(%s, %s));\n", prefix[by], second, y_name, x);
    variables[variable_count++] = (Variable){ by, second, false, 0 };
}

void derivative(int level)
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
    if (orders < 3 && chance(25))
        derivative_of(level, by, x_name, result, slope);
}

void block(int level)
{
    int statements = 1 + pick(3);
    for (int k = 0; k < statements; k++) {
        int kind = level > 4 || budget <= 0 || variable_count > NAMES - 8 ? pick(6) : pick(13);
        budget--;
        if (kind <= 1)
            new_value(level);
        else if (kind <= 4)
            assign(level);
        else if (kind == 5)
            move(level);
        else if (kind <= 7)
            for_loop(level);
        else if (kind == 8)
            while_loop(level);
        else if (kind <= 10)
            branch(level);
        else
            derivative(level);
    }
}
