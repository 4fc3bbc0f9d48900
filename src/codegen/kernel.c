/* kernel.c: elementwise ops applied to Formulas.
 *
 * The kernels of ops.h are read as C expressions, so the code generator knows no elementwise op: what is here are the
 * operators and calls of the kernel language, and the integer meaning of the few ops that have one. */
#include "loop.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct { Lowering *lower; const char *at; const Formula *const *args; } Kernel;

static const Formula *ternary(Kernel *);

static bool accept(Kernel *k, const char *token)
{
    while (*k->at == ' ')
        k->at++;
    size_t n = strlen(token);
    if (strncmp(k->at, token, n) != 0 || (n == 1 && strchr("<>", *token) && k->at[1] == '='))
        return false;
    k->at += n;
    return true;
}

static void expect(Kernel *k, const char *token)
{
    if (!accept(k, token))
        internal_error(k->lower->ctx, "kernel: expected '%s' before '%s'", token, k->at);
}

static const Formula *as_real(Kernel *k, const Formula *f) { return formula_convert(k->lower, f, ELEM_REAL); }

/* ---- primary expressions --------------------------------------------------------------------------------------- */
static const Formula *call(Kernel *k, const char *name, size_t length)
{
    char callee[32] = { 0 };
    const Formula *args[3];
    int count = 0;
    if (length >= sizeof callee)
        internal_error(k->lower->ctx, "kernel: long name '%s'", name);
    memcpy(callee, name, length);
    do
        args[count++] = as_real(k, ternary(k));
    while (count < 3 && accept(k, ","));
    expect(k, ")");
    bool predicate = strncmp(callee, "is", 2) == 0;         /* isnan, isfinite */
    return formula_call(k->lower, callee, predicate ? ELEM_BOOL : ELEM_REAL, count, args);
}

static const Formula *primary(Kernel *k)
{
    if (accept(k, "(")) {
        const Formula *f = ternary(k);
        expect(k, ")");
        return f;
    }
    if (isdigit((unsigned char)*k->at)) {
        char *end;
        double number = strtod(k->at, &end);                /* integers and plain decimals only: no locale matters */
        k->at = end;
        return formula_real(k->lower, number);
    }
    const char *name = k->at;
    while (isalnum((unsigned char)*k->at) || *k->at == '_')
        k->at++;
    size_t length = (size_t)(k->at - name);
    if (accept(k, "("))
        return call(k, name, length);
    const char *operands = "xwv", *which = length == 1 ? strchr(operands, *name) : NULL;
    if (!which)
        internal_error(k->lower->ctx, "kernel: unknown name at '%s'", name);
    return k->args[which - operands];
}

/* ---- operators, loosest last ----------------------------------------------------------------------------------- */
static const Formula *unary(Kernel *k)
{
    if (accept(k, "-"))
        return formula_unary(k->lower, FORMULA_NEG, unary(k));
    if (accept(k, "!"))
        return formula_unary(k->lower, FORMULA_NOT, unary(k));
    return primary(k);
}

/* Arithmetic of a truth value is arithmetic of 0 and 1. */
static const Formula *arithmetic(Kernel *k, FormulaKind kind, const Formula *x, const Formula *w)
{
    if (x->elem == ELEM_BOOL || x->elem != w->elem)
        return formula_binary(k->lower, kind, as_real(k, x), as_real(k, w));
    return formula_binary(k->lower, kind, x, w);
}

static const Formula *product(Kernel *k)
{
    const Formula *x = unary(k);
    for (;;) {
        if (accept(k, "*"))
            x = arithmetic(k, FORMULA_MUL, x, unary(k));
        else if (accept(k, "/"))
            x = arithmetic(k, FORMULA_DIV, x, unary(k));
        else
            return x;
    }
}

static const Formula *sum(Kernel *k)
{
    const Formula *x = product(k);
    for (;;) {
        if (accept(k, "+"))
            x = arithmetic(k, FORMULA_ADD, x, product(k));
        else if (accept(k, "-"))
            x = arithmetic(k, FORMULA_SUB, x, product(k));
        else
            return x;
    }
}

static const Formula *comparison(Kernel *k)
{
    static const struct { const char *token; FormulaKind kind; } operators[] = {
        { "<=", FORMULA_LE }, { ">=", FORMULA_GE }, { "<", FORMULA_LT }, { ">", FORMULA_GT } };
    const Formula *x = sum(k);
    for (int i = 0; i < 4; i++)
        if (accept(k, operators[i].token)) {
            const Formula *w = sum(k);
            if (x->elem == ELEM_BOOL)
                x = formula_convert(k->lower, x, ELEM_INT);
            x = formula_convert(k->lower, x, w->elem == ELEM_REAL ? ELEM_REAL : x->elem);
            return formula_binary(k->lower, operators[i].kind, x, formula_convert(k->lower, w, x->elem));
        }
    return x;
}

static const Formula *logic(Kernel *k)
{
    const Formula *x = comparison(k);
    for (;;) {
        if (accept(k, "&&"))
            x = formula_binary(k->lower, FORMULA_AND, x, comparison(k));
        else if (accept(k, "||"))
            x = formula_binary(k->lower, FORMULA_OR, x, comparison(k));
        else
            return x;
    }
}

static const Formula *ternary(Kernel *k)
{
    const Formula *condition = logic(k);
    if (!accept(k, "?"))
        return condition;
    const Formula *yes = ternary(k);
    expect(k, ":");
    const Formula *no = ternary(k);
    if (yes->elem != no->elem) {
        yes = as_real(k, yes);
        no = as_real(k, no);
    }
    return formula_select(k->lower, condition, yes, no);
}

/* ---- ints ------------------------------------------------------------------------------------------------------ */
static const Formula *int_kernel(Lowering *lower, Op op, const Formula *const *a)
{
    bool divides = op == OP_floordiv || op == OP_mod;
    if (divides && a[0]->low >= 0 && a[1]->kind == FORMULA_NUMBER && a[1]->integer > 0)
        return op == OP_mod ? index_remainder(lower, a[0], a[1]->integer) : index_quotient(lower, a[0], a[1]->integer);
    switch (op) {
    case OP_floordiv: return formula_call(lower, "adc_floor_div", ELEM_INT, 2, a);
    case OP_mod: return formula_call(lower, "adc_floor_mod", ELEM_INT, 2, a);
    case OP_min: return formula_select(lower, formula_binary(lower, FORMULA_LE, a[0], a[1]), a[0], a[1]);
    case OP_max: return formula_select(lower, formula_binary(lower, FORMULA_GE, a[0], a[1]), a[0], a[1]);
    case OP_eq: return formula_binary(lower, FORMULA_EQ, a[0], a[1]);
    case OP_ne: return formula_binary(lower, FORMULA_NE, a[0], a[1]);
    default: return NULL;
    }
}

/* ---- what the others see --------------------------------------------------------------------------------------- */
const Formula *kernel_apply(Lowering *lower, const Node *n, const Formula *const *args)
{
    const Formula *f = NULL;
    if (n->op == OP_where)
        return formula_select(lower, args[0], args[1], args[2]);
    if (args[0]->elem != ELEM_REAL)
        f = int_kernel(lower, n->op, args);
    if (!f) {
        Kernel k = { lower, op_info[n->op].kernel, args };
        f = ternary(&k);
    }
    return formula_convert(lower, f, n->type->elem);
}

int kernel_cost(Op op)
{
    int cost = 0;
    for (const char *s = op_info[op].kernel; *s; s++)
        if (isalpha((unsigned char)*s)) {
            const char *name = s;
            while (isalnum((unsigned char)s[1]) || s[1] == '_')
                s++;
            cost += s[1] != '(' ? 0 : strncmp(name, "is", 2) == 0 || strncmp(name, "fabs", 4) == 0 ? 1 : 10;
        } else if (strchr("+-*/<>?!", *s)) {
            cost++;
        }
    return cost;
}
