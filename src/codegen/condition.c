/* condition.c: formulas where a condition is known to hold, or not to hold.
 *
 * A comparison is the set of outcomes that it holds for, and unordered is one of them: what is concluded holds for NaN
 * too.  That x >= 0 does not hold says that x > 0 does not, and nothing of x < 0. */
#include "loop.h"

enum { UNKNOWN = -1, LOOK = 6 };

/* Where a value is, seen from two numbers of which the first is not larger. */
enum {
    BELOW = 1, AT_FIRST = 2, BETWEEN = 4, AT_SECOND = 8, ABOVE = 16, UNORDERED = 32,
    ORDERED = BELOW | AT_FIRST | BETWEEN | AT_SECOND | ABOVE
};

static bool is_comparison(const Formula *f) { return f->kind >= FORMULA_LT && f->kind <= FORMULA_NE; }

/* A comparison as `value KIND other`, the number being the other. */
typedef struct { FormulaKind kind; const Formula *value, *other; } Comparison;

static Comparison mirrored(Comparison c)
{
    FormulaKind kind = c.kind == FORMULA_LT ? FORMULA_GT : c.kind == FORMULA_GT ? FORMULA_LT
                     : c.kind == FORMULA_LE ? FORMULA_GE : c.kind == FORMULA_GE ? FORMULA_LE : c.kind;
    return (Comparison){ kind, c.other, c.value };
}

static Comparison comparison_of(const Formula *f)
{
    Comparison c = { f->kind, f->arg[0], f->arg[1] };
    return c.value->kind == FORMULA_NUMBER ? mirrored(c) : c;
}

static unsigned outcomes(Comparison c, unsigned at, bool truth)
{
    unsigned below = at - 1, above = ORDERED & ~(below | at), holds;
    switch (c.kind) {
    case FORMULA_LT: holds = below; break;
    case FORMULA_LE: holds = below | at; break;
    case FORMULA_GT: holds = above; break;
    case FORMULA_GE: holds = above | at; break;
    case FORMULA_EQ: holds = at; break;
    default: holds = below | above; break;
    }
    unsigned all = c.value->elem == ELEM_REAL ? ORDERED | UNORDERED : ORDERED;
    return truth ? holds : all & ~holds;
}

static double number_of(const Formula *f) { return f->elem == ELEM_REAL ? f->number : (double)f->integer; }

/* Also of formulas of two lowerings, one of which is in the other. */
static bool same_value(const Formula *a, const Formula *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->elem != b->elem)
        return false;
    if (a->kind == FORMULA_SCALAR)
        return a->scalar == b->scalar && !a->scalar->is_mutable;
    return a->kind == FORMULA_NUMBER && number_of(a) == number_of(b);
}

/* What a comparison is worth where another one has the truth that is told. */
static int compared(const Formula *f, const Formula *condition, bool truth)
{
    Comparison asked = comparison_of(f), told = comparison_of(condition);
    unsigned asked_at = AT_FIRST, told_at = AT_FIRST, impossible = 0;
    if (same_value(asked.value, told.other) && same_value(asked.other, told.value))
        told = mirrored(told);
    if (!same_value(asked.value, told.value))
        return UNKNOWN;
    if (!same_value(asked.other, told.other)) {
        if (asked.other->kind != FORMULA_NUMBER || told.other->kind != FORMULA_NUMBER)
            return UNKNOWN;
        double a = number_of(asked.other), t = number_of(told.other);
        if (a < t)
            told_at = AT_SECOND;
        else if (a > t)
            asked_at = AT_SECOND;
        else if (a != t)
            return UNKNOWN;                                 /* one of them is no number */
        if (asked.value->elem == ELEM_INT && a - t <= 1 && t - a <= 1)
            impossible = BETWEEN;
    }
    unsigned possible = outcomes(told, told_at, truth) & ~impossible;
    if (!(possible & ~outcomes(asked, asked_at, true)))
        return true;
    return possible & outcomes(asked, asked_at, true) ? UNKNOWN : false;
}

/* ---- ints: what an inequality says of another one ------------------------------------------------------------------ */
/* large - small + rest >= 0 */
typedef struct { const Formula *large, *small; int64_t rest; } Fact;

enum { SUM_MOST = 16 };

typedef struct { Term terms[SUM_MOST]; int count; int64_t constant; bool fits; } Sum;

/* Terms may be of two lowerings, one of which is in the other. */
static void add_to_sum(Sum *s, const Formula *f, int64_t factor)
{
    Term single;
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(f, &single, &terms, &constant);
    s->constant += factor * constant;
    for (int k = 0; k < count && s->fits; k++) {
        int i = 0;
        while (i < s->count && !same_value(s->terms[i].atom, terms[k].atom))
            i++;
        s->fits = i < SUM_MOST;
        if (s->fits && i == s->count)
            s->terms[s->count++] = (Term){ 0, terms[k].atom };
        if (s->fits)
            s->terms[i].factor += factor * terms[k].factor;
    }
}

static bool follows(const Fact *asked, const Fact *told)
{
    Sum s = { .constant = asked->rest - told->rest, .fits = true };
    add_to_sum(&s, asked->large, 1);
    add_to_sum(&s, asked->small, -1);
    add_to_sum(&s, told->large, -1);
    add_to_sum(&s, told->small, 1);
    for (int k = 0; k < s.count; k++)
        s.fits &= s.terms[k].factor == 0;
    return s.fits && s.constant >= 0;
}

/* All of them are what the comparison says; 0: nothing of the kind. */
static int find_facts(const Formula *f, bool truth, Fact *facts)
{
    const Formula *a = f->arg[0], *b = f->arg[1];
    switch (f->kind) {
    case FORMULA_LT: facts[0] = truth ? (Fact){ b, a, -1 } : (Fact){ a, b, 0 }; return 1;
    case FORMULA_LE: facts[0] = truth ? (Fact){ b, a, 0 } : (Fact){ a, b, -1 }; return 1;
    case FORMULA_GT: facts[0] = truth ? (Fact){ a, b, -1 } : (Fact){ b, a, 0 }; return 1;
    case FORMULA_GE: facts[0] = truth ? (Fact){ a, b, 0 } : (Fact){ b, a, -1 }; return 1;
    default:
        facts[0] = (Fact){ a, b, 0 };
        facts[1] = (Fact){ b, a, 0 };
        return truth == (f->kind == FORMULA_EQ) ? 2 : 0;
    }
}

static int implied(const Formula *f, const Formula *condition, bool truth)
{
    Fact asked[2], told[2];
    int told_count = find_facts(condition, truth, told);
    for (int value = 0; value < 2; value++) {
        int count = find_facts(f, value, asked), follow = 0;
        for (int k = 0; k < count; k++)
            follow += follows(&asked[k], &told[0]) || (told_count > 1 && follows(&asked[k], &told[1]));
        if (told_count && count && follow == count)
            return value;
    }
    return UNKNOWN;
}

static const Formula *definition(const Formula *f)
{
    return f->kind == FORMULA_SCALAR && f->scalar->stands_for ? f->scalar->stands_for : f;
}

static int known(const Formula *f, const Formula *condition, bool truth, int depth)
{
    if (same_value(f, condition))
        return truth;
    if (depth == 0)
        return UNKNOWN;
    f = definition(f);
    condition = definition(condition);
    if (f->kind == FORMULA_NOT) {
        int part = known(f->arg[0], condition, truth, depth - 1);
        return part == UNKNOWN ? UNKNOWN : !part;
    }
    if (f->kind == FORMULA_AND || f->kind == FORMULA_OR) {
        int absorbing = f->kind == FORMULA_OR;
        int x = known(f->arg[0], condition, truth, depth - 1), w = known(f->arg[1], condition, truth, depth - 1);
        return x == absorbing || w == absorbing ? absorbing : x == w ? x : UNKNOWN;
    }
    if (condition->kind == FORMULA_NOT)
        return known(f, condition->arg[0], !truth, depth - 1);
    if (condition->kind == (truth ? FORMULA_AND : FORMULA_OR)) {
        int from_first = known(f, condition->arg[0], truth, depth - 1);
        return from_first != UNKNOWN ? from_first : known(f, condition->arg[1], truth, depth - 1);
    }
    if (!is_comparison(f) || !is_comparison(condition))
        return UNKNOWN;
    int value = compared(f, condition, truth);
    bool are_ints = f->arg[0]->elem == ELEM_INT && condition->arg[0]->elem == ELEM_INT;
    return value == UNKNOWN && are_ints ? implied(f, condition, truth) : value;
}

int formula_known(const Formula *f, const Formula *condition, bool truth)
{
    bool comparable = f->elem == ELEM_BOOL && condition->kind != FORMULA_NUMBER
        && !formula_guards(f) && !formula_guards(condition);
    return comparable ? known(f, condition, truth, LOOK) : UNKNOWN;
}

static int assumed(const Lowering *lower, const Formula *f)
{
    for (const Lowering *l = lower; l->outer; l = l->outer) {
        const Region *r = l->region;
        const Formula *holds = r->condition ? r->condition : r->runs;
        int value = holds ? formula_known(f, holds, l == r->body[0]) : UNKNOWN;
        if (value != UNKNOWN)
            return value;
    }
    return UNKNOWN;
}

const Formula *formula_assumed(Lowering *lower, const Formula *condition)
{
    int truth = lower->outer ? assumed(lower, condition) : UNKNOWN;
    return truth == UNKNOWN ? condition : formula_bool(lower, truth);
}

bool formula_is_within(Lowering *lower, const Formula *x, int64_t last)
{
    const Formula *low = formula_binary(lower, FORMULA_GE, x, formula_int(lower, 0));
    const Formula *high = formula_binary(lower, FORMULA_LE, x, formula_int(lower, last));
    return (x->low >= 0 || assumed(lower, low) == true) && (x->high <= last || assumed(lower, high) == true);
}

/* Whether f is the condition, or says the opposite. */
static int same(const Formula *f, const Formula *condition, bool truth)
{
    if (f == condition)
        return truth;
    return (f->kind == FORMULA_NOT && f->arg[0] == condition) || (condition->kind == FORMULA_NOT && condition->arg[0] == f)
        ? !truth : UNKNOWN;
}

/* Arithmetic only, and where the condition itself is asked again: what is made anew is shared with nothing. */
static const Formula *given(Lowering *lower, const Formula *f, const Formula *condition, bool truth, int depth)
{
    if (depth == 0)
        return f;
    const bool asks = f->kind == FORMULA_SELECT || f->kind == FORMULA_CONVERT;
    const int value = asks ? same(f->arg[0], condition, truth) : UNKNOWN;
    switch (f->kind) {
    case FORMULA_SELECT:
        return value == UNKNOWN ? f : given(lower, f->arg[value ? 1 : 2], condition, truth, depth - 1);
    case FORMULA_CONVERT:
        return value == UNKNOWN ? f : formula_convert(lower, formula_bool(lower, value), f->elem);
    case FORMULA_NEG: case FORMULA_ADD: case FORMULA_SUB: case FORMULA_MUL: case FORMULA_DIV:
        break;
    default:
        return f;
    }
    const Formula *args[2];
    for (int k = 0; k < f->arg_count; k++)
        args[k] = given(lower, f->arg[k], condition, truth, depth - 1);
    return formula_rebuild(lower, f, args);
}

const Formula *formula_given(Lowering *lower, const Formula *f, const Formula *condition, bool truth)
{
    return formula_guards(condition) ? f : given(lower, f, condition, truth, LOOK);
}
