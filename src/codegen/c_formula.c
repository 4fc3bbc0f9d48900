/* c_formula.c: formulas as C expressions.  Only spelling: what is computed has been decided.  A formula that a LET has
 * bound is its name.  Nobody has to know C's precedence: where infixes of two levels meet, there are brackets. */
#include "loop.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *c_type(const Printer *p, Elem elem)
{
    return elem == ELEM_INT ? "int32_t" : elem == ELEM_BOOL ? "bool" : p->ctx->options.is_float ? "float" : "double";
}

void c_integer(Printer *p, int64_t n)
{
    if (n == INT32_MIN)
        text_put(p->out, "(-2147483647 - 1)");
    else
        text_printf(p->out, "%" PRId64, n);
}

static void c_real(Printer *p, double number)
{
    bool is_float = p->ctx->options.is_float;
    if (isnan(number)) {
        text_put(p->out, is_float ? "NAN" : "(double)NAN");
    } else if (isinf(number)) {
        text_printf(p->out, "%sHUGE_VAL%s", number < 0 ? "-" : "", is_float ? "F" : "");
    } else {
        text_real(p->out, number, is_float);
        if (is_float)
            text_char(p->out, 'f');
    }
}

void c_element(Printer *p, Elem elem, double number)
{
    if (elem == ELEM_REAL)
        c_real(p, number);
    else if (elem == ELEM_INT)
        c_integer(p, (int64_t)number);
    else
        text_put(p->out, number > 0 || number < 0 ? "true" : "false");
}

static void c_number(Printer *p, const Formula *f, Binds binds)
{
    bool negative = f->elem == ELEM_REAL ? signbit(f->number) && !isnan(f->number) : f->integer < 0;
    if (negative && binds > BINDS_SUM)
        text_char(p->out, '(');
    if (f->elem == ELEM_REAL)
        c_real(p, f->number);
    else if (f->elem == ELEM_INT)
        c_integer(p, f->integer);
    else
        text_put(p->out, f->integer ? "true" : "false");
    if (negative && binds > BINDS_SUM)
        text_char(p->out, ')');
}

static bool in_brackets(Binds binds, Binds around) { return around != BINDS_ALL && around != binds; }

static void c_term(Printer *p, int64_t factor, const Formula *atom, bool brackets)
{
    if (factor == 1) {
        c_formula(p, atom, BINDS_SUM);
        return;
    }
    text_printf(p->out, "%s%" PRId64 " * ", brackets ? "(" : "", factor);
    c_formula(p, atom, BINDS_UNARY);
    text_put(p->out, brackets ? ")" : "");
}

/* Positive parts first, so that no sum begins with a minus where it can be helped. */
static void c_affine(Printer *p, const Formula *f, Binds around)
{
    bool first = true, leading_constant = f->integer > 0, alone = f->term_count == 1 && !f->integer;
    bool brackets = in_brackets(alone && f->terms[0].factor > 0 ? BINDS_PRODUCT : BINDS_SUM, around);
    for (int k = 0; k < f->term_count; k++)
        leading_constant &= f->terms[k].factor < 0;
    if (brackets)
        text_char(p->out, '(');
    if (leading_constant) {
        c_integer(p, f->integer);
        first = false;
    }
    for (int sign = 0; sign < 2; sign++)
        for (int k = 0; k < f->term_count; k++) {
            int64_t factor = f->terms[k].factor;
            if ((factor < 0) != (sign == 1))
                continue;
            text_put(p->out, factor < 0 ? first ? "-" : " - " : first ? "" : " + ");
            c_term(p, factor < 0 ? -factor : factor, f->terms[k].atom, !alone || factor < 0);
            first = false;
        }
    if (!leading_constant && f->integer)
        text_printf(p->out, " %c %" PRId64, f->integer < 0 ? '-' : '+', f->integer < 0 ? -f->integer : f->integer);
    if (brackets)
        text_char(p->out, ')');
}

/* i + c >= 0 is i >= -c. */
static void c_nonnegative(Printer *p, const Formula *x, Binds around)
{
    bool brackets = in_brackets(BINDS_COMPARE, around);
    text_put(p->out, brackets ? "(" : "");
    int64_t factor = x->term_count == 1 ? x->terms[0].factor : 0;
    if (factor == 1 || factor == -1) {
        c_formula(p, x->terms[0].atom, BINDS_COMPARE);
        text_printf(p->out, " %s %" PRId64, factor > 0 ? ">=" : "<=", factor > 0 ? -x->integer : x->integer);
    } else {
        c_formula(p, x, BINDS_COMPARE);
        text_put(p->out, " >= 0");
    }
    text_put(p->out, brackets ? ")" : "");
}

static void c_infix(Printer *p, const Formula *f, const char *sign, Binds binds, Binds around)
{
    bool logic = f->kind == FORMULA_AND || f->kind == FORMULA_OR, brackets = in_brackets(binds, around);
    if (brackets)
        text_char(p->out, '(');
    c_formula(p, f->arg[0], f->kind == FORMULA_DIV && f->arg[0]->kind == FORMULA_MUL ? BINDS_UNARY : binds);
    text_printf(p->out, " %s ", sign);
    c_formula(p, f->arg[1], logic ? binds : binds < BINDS_OPERAND ? BINDS_OPERAND : BINDS_UNARY);
    if (brackets)
        text_char(p->out, ')');
}

/* Signed overflow is undefined, unsigned is not. */
static void c_wrapping(Printer *p, const Formula *f, const char *sign)
{
    text_put(p->out, "(int32_t)(");
    if (f->arg_count == 1)
        text_put(p->out, "0u");
    for (int k = 0; k < f->arg_count; k++) {
        if (k || f->arg_count == 1)
            text_printf(p->out, " %s ", sign);
        text_put(p->out, "(uint32_t)");
        c_formula(p, f->arg[k], BINDS_POSTFIX);
    }
    text_char(p->out, ')');
}

static void c_arithmetic(Printer *p, const Formula *f, const char *sign, Binds binds, Binds around)
{
    int64_t low, high;
    if (f->elem == ELEM_INT && !formula_exact_range(f, &low, &high))
        c_wrapping(p, f, sign);
    else
        c_infix(p, f, sign, binds, around);
}

static void c_prefix(Printer *p, const char *sign, const Formula *x, Binds around)
{
    if (around > BINDS_UNARY)
        text_char(p->out, '(');
    text_put(p->out, sign);
    c_formula(p, x, BINDS_POSTFIX);
    if (around > BINDS_UNARY)
        text_char(p->out, ')');
}

static void c_select(Printer *p, const Formula *f, Binds around)
{
    if (around > BINDS_ALL)
        text_char(p->out, '(');
    c_formula(p, f->arg[0], BINDS_OPERAND);
    text_put(p->out, " ? ");
    c_formula(p, f->arg[1], BINDS_OPERAND);
    text_put(p->out, " : ");
    c_formula(p, f->arg[2], BINDS_OPERAND);
    if (around > BINDS_ALL)
        text_char(p->out, ')');
}

static void c_call(Printer *p, const Formula *f)
{
    bool own = f->integer || strncmp(f->callee, "adc_", 4) == 0, predicate = f->elem == ELEM_BOOL;
    text_printf(p->out, "%s%s(", f->callee, p->ctx->options.is_float && !own && !predicate ? "f" : "");
    for (int k = 0; k < f->arg_count; k++) {
        text_put(p->out, k ? ", " : "");
        c_formula(p, f->arg[k], BINDS_ALL);
    }
    text_char(p->out, ')');
}

/* A bool as a number; C's conversion would do, but is no arithmetic to all. */
static void c_converted(Printer *p, const Formula *f, Binds around)
{
    if (f->arg[0]->elem != ELEM_BOOL) {
        text_printf(p->out, "(%s)", c_type(p, f->elem));
        c_formula(p, f->arg[0], BINDS_POSTFIX);
        return;
    }
    text_put(p->out, around > BINDS_ALL ? "(" : "");
    c_formula(p, f->arg[0], BINDS_OPERAND);
    text_put(p->out, " ? ");
    c_element(p, f->elem, 1);
    text_put(p->out, " : ");
    c_element(p, f->elem, 0);
    text_put(p->out, around > BINDS_ALL ? ")" : "");
}

static void c_divided(Printer *p, const Formula *f, char sign, Binds around)
{
    bool brackets = in_brackets(BINDS_PRODUCT, around);
    if (brackets)
        text_char(p->out, '(');
    c_formula(p, f->arg[0], BINDS_UNARY);
    text_printf(p->out, " %c %" PRId64, sign, f->integer);
    if (brackets)
        text_char(p->out, ')');
}

void c_formula(Printer *p, const Formula *f, Binds around)
{
    if (p->bound[f->id]) {
        text_put(p->out, p->bound[f->id]);
        return;
    }
    switch (f->kind) {
    case FORMULA_NUMBER: c_number(p, f, around); break;
    case FORMULA_SCALAR: text_put(p->out, scalar_storage(f->scalar)->name); break;
    case FORMULA_COUNTER: text_put(p->out, f->loop->name); break;
    case FORMULA_AFFINE: c_affine(p, f, around); break;
    case FORMULA_QUOTIENT: c_divided(p, f, '/', around); break;
    case FORMULA_REMAINDER: c_divided(p, f, '%', around); break;
    case FORMULA_CLAMP:
        text_put(p->out, "adc_clamp_index(");
        c_formula(p, f->arg[0], BINDS_ALL);
        text_printf(p->out, ", %" PRId64 ")", f->integer);
        break;
    case FORMULA_TRUST: c_formula(p, f->arg[0], around); break;
    case FORMULA_LOAD:
        text_printf(p->out, "%s[", f->buffer->name);
        c_formula(p, f->arg[0], BINDS_ALL);
        text_char(p->out, ']');
        break;
    case FORMULA_NEG:
        if (f->elem == ELEM_INT)
            c_wrapping(p, f, "-");
        else
            c_prefix(p, "-", f->arg[0], around);
        break;
    case FORMULA_NOT: c_prefix(p, "!", f->arg[0], around); break;
    case FORMULA_ADD: c_arithmetic(p, f, "+", BINDS_SUM, around); break;
    case FORMULA_SUB: c_arithmetic(p, f, "-", BINDS_SUM, around); break;
    case FORMULA_MUL: c_arithmetic(p, f, "*", BINDS_PRODUCT, around); break;
    case FORMULA_DIV: c_infix(p, f, "/", BINDS_PRODUCT, around); break;
    case FORMULA_LT: c_infix(p, f, "<", BINDS_COMPARE, around); break;
    case FORMULA_LE: c_infix(p, f, "<=", BINDS_COMPARE, around); break;
    case FORMULA_GT: c_infix(p, f, ">", BINDS_COMPARE, around); break;
    case FORMULA_GE: c_infix(p, f, ">=", BINDS_COMPARE, around); break;
    case FORMULA_EQ: c_infix(p, f, "==", BINDS_EQUAL, around); break;
    case FORMULA_NE: c_infix(p, f, "!=", BINDS_EQUAL, around); break;
    case FORMULA_AND: c_infix(p, f, "&&", BINDS_AND, around); break;
    case FORMULA_OR: c_infix(p, f, "||", BINDS_OR, around); break;
    case FORMULA_SELECT: c_select(p, f, around); break;
    case FORMULA_CALL: c_call(p, f); break;
    case FORMULA_CONVERT: c_converted(p, f, around); break;
    case FORMULA_NONNEGATIVE: c_nonnegative(p, f->arg[0], around); break;
    }
}
