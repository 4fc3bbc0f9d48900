/* index.c: integer arithmetic in normal form: constant + sum of factor * atom, quotients and remainders only where they
 * can not be resolved.  Equal indices are equal pointers, which is what fusion and forwarding test.
 *
 * Nothing here can overflow: a buffer has at most ELEMENTS_MAX elements, and run-time indices are limited before
 * use. */
#include "loop.h"

#include <stdlib.h>

enum { TERMS_MAX = 128 };

int index_terms(const Formula *f, Term *single, const Term **terms, int64_t *constant)
{
    if (f->kind == FORMULA_NUMBER) {
        *constant = f->integer;
        return 0;
    }
    if (f->kind == FORMULA_AFFINE) {
        *constant = f->integer;
        *terms = f->terms;
        return f->term_count;
    }
    *constant = 0;
    *single = (Term){ 1, f };
    *terms = single;
    return 1;
}

int64_t index_factor(const Formula *f, const Formula *atom)
{
    Term single;
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(f, &single, &terms, &constant);
    for (int k = 0; k < count; k++)
        if (terms[k].atom == atom)
            return terms[k].factor;
    return 0;
}

/* Counters by depth, then the others by age: the order in which a sum is written. */
static int term_order(const void *a, const void *b)
{
    const Formula *x = ((const Term *)a)->atom, *w = ((const Term *)b)->atom;
    int dx = x->kind == FORMULA_COUNTER ? x->loop->depth : LOOP_DEPTH_MAX;
    int dw = w->kind == FORMULA_COUNTER ? w->loop->depth : LOOP_DEPTH_MAX;
    return dx != dw ? (dx > dw) - (dx < dw) : (x->id > w->id) - (x->id < w->id);
}

static int merge_terms(Term *terms, int count)
{
    int n = 0;
    qsort(terms, (size_t)count, sizeof *terms, term_order);
    for (int k = 0; k < count; k++) {
        if (n && terms[n - 1].atom == terms[k].atom)
            terms[n - 1].factor += terms[k].factor;
        else
            terms[n++] = terms[k];
        if (n && terms[n - 1].factor == 0)
            n--;
    }
    return n;
}

/* c * d * (e / d) + c * (e % d) is c * e. */
static const Formula *recombine(Lowering *lower, int64_t constant, Term *terms, int count)
{
    for (int q = 0; q < count; q++) {
        const Formula *quotient = terms[q].atom;
        for (int r = 0; quotient->kind == FORMULA_QUOTIENT && r < count; r++) {
            const Formula *rest = terms[r].atom;
            if (rest->kind != FORMULA_REMAINDER || rest->arg[0] != quotient->arg[0]
                || rest->integer != quotient->integer || terms[q].factor != terms[r].factor * rest->integer)
                continue;
            int64_t factor = terms[r].factor;
            int n = 0;
            for (int k = 0; k < count; k++)
                if (k != q && k != r)
                    terms[n++] = terms[k];
            return index_add(lower, index_affine(lower, constant, terms, n), index_scale(lower, rest->arg[0], factor));
        }
    }
    return NULL;
}

const Formula *index_affine(Lowering *lower, int64_t constant, const Term *terms, int count)
{
    Term own[TERMS_MAX];
    if (count > TERMS_MAX)
        internal_error(lower->ctx, "index with more than %d terms", TERMS_MAX);
    for (int k = 0; k < count; k++)
        own[k] = terms[k];
    count = merge_terms(own, count);
    if (count == 0)
        return formula_int(lower, constant);
    const Formula *simple = recombine(lower, constant, own, count);
    if (simple)
        return simple;
    if (count == 1 && constant == 0 && own[0].factor == 1)
        return own[0].atom;
    return formula_intern(lower, &(Formula){ .kind = FORMULA_AFFINE, .elem = ELEM_INT, .integer = constant,
                                             .terms = own, .term_count = count });
}

const Formula *index_add(Lowering *lower, const Formula *x, const Formula *w)
{
    Term terms[TERMS_MAX], single;
    const Term *part = NULL;
    int64_t constant = 0, c;
    int count = 0;
    for (int side = 0; side < 2; side++) {
        int n = index_terms(side ? w : x, &single, &part, &c);
        constant += c;
        if (count + n > TERMS_MAX)
            internal_error(lower->ctx, "index with more than %d terms", TERMS_MAX);
        for (int k = 0; k < n; k++)
            terms[count++] = part[k];
    }
    return index_affine(lower, constant, terms, count);
}

const Formula *index_scale(Lowering *lower, const Formula *x, int64_t factor)
{
    Term terms[TERMS_MAX], single;
    const Term *part = NULL;
    int64_t constant;
    int count = index_terms(x, &single, &part, &constant);
    for (int k = 0; k < count; k++)
        terms[k] = (Term){ part[k].factor * factor, part[k].atom };
    return index_affine(lower, constant * factor, terms, factor ? count : 0);
}

const Formula *index_shift(Lowering *lower, const Formula *x, int64_t offset)
{
    return offset ? index_add(lower, x, formula_int(lower, offset)) : x;
}

int64_t index_gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

int64_t index_floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* x = divisor * whole + rest with rest as small as terms tell. */
static void split(Lowering *lower, const Formula *x, int64_t divisor, const Formula **whole, const Formula **rest)
{
    Term high[TERMS_MAX] = { 0 }, low[TERMS_MAX] = { 0 }, single;
    const Term *terms = NULL;
    int64_t constant, whole_constant;
    int count = index_terms(x, &single, &terms, &constant), high_count = 0, low_count = 0;
    for (int k = 0; k < count; k++) {
        if (terms[k].factor % divisor == 0)
            high[high_count++] = (Term){ terms[k].factor / divisor, terms[k].atom };
        else
            low[low_count++] = terms[k];
    }
    whole_constant = index_floor_div(constant, divisor);
    *whole = index_affine(lower, whole_constant, high, high_count);
    *rest = index_affine(lower, constant - whole_constant * divisor, low, low_count);
    int64_t turns = index_floor_div((*rest)->low, divisor);
    if (turns && turns == index_floor_div((*rest)->high, divisor)) {
        *whole = index_shift(lower, *whole, turns);
        *rest = index_shift(lower, *rest, -turns * divisor);
    }
}

/* What divides the divisor and every factor divides the whole: (6 i + 1) / 4 is (3 i) / 2. */
static int64_t common_factor(const Formula *x, int64_t divisor)
{
    Term single;
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(x, &single, &terms, &constant);
    for (int k = 0; k < count; k++)
        divisor = index_gcd(divisor, terms[k].factor);
    return divisor;
}

static const Formula *divide_exactly(Lowering *lower, const Formula *x, int64_t divisor)
{
    const Formula *whole, *rest;
    split(lower, x, divisor, &whole, &rest);
    return whole;
}

const Formula *index_quotient(Lowering *lower, const Formula *x, int64_t divisor)
{
    const Formula *whole, *rest;
    if (divisor == 1)
        return x;
    split(lower, x, divisor, &whole, &rest);
    if (rest->low >= 0 && rest->high < divisor)
        return whole;
    int64_t common = common_factor(rest, divisor);
    if (common > 1 && common < divisor && rest->low >= 0)
        return index_add(lower, whole, index_quotient(lower, divide_exactly(lower, rest, common), divisor / common));
    if (rest->low < 0) {                                    /* x itself is not negative: keep it whole */
        whole = formula_int(lower, 0);
        rest = x;
    }
    const Formula *part = formula_intern(lower, &(Formula){ .kind = FORMULA_QUOTIENT, .elem = ELEM_INT,
                                                            .integer = divisor, .arg_count = 1, .arg = { rest } });
    return index_add(lower, whole, part);
}

const Formula *index_remainder(Lowering *lower, const Formula *x, int64_t divisor)
{
    const Formula *whole, *rest;
    if (divisor == 1)
        return formula_int(lower, 0);
    split(lower, x, divisor, &whole, &rest);
    if (rest->low >= 0 && rest->high < divisor)
        return rest;
    int64_t common = common_factor(rest, divisor);
    if (common == divisor) {
        Term single;
        const Term *terms;
        int64_t constant;
        index_terms(rest, &single, &terms, &constant);
        return formula_int(lower, constant);
    }
    if (common > 1 && rest->low >= 0) {
        const Formula *inner = index_remainder(lower, divide_exactly(lower, rest, common), divisor / common);
        Term single;
        const Term *terms;
        int64_t constant;
        index_terms(rest, &single, &terms, &constant);
        return index_shift(lower, index_scale(lower, inner, common), constant % common);
    }
    if (rest->low < 0)
        rest = x;
    return formula_intern(lower, &(Formula){ .kind = FORMULA_REMAINDER, .elem = ELEM_INT, .integer = divisor,
                                             .arg_count = 1, .arg = { rest } });
}

const Formula *index_flat(Lowering *lower, const Type *type, const Formula *const *index)
{
    const Formula *flat = formula_int(lower, 0);
    int64_t stride = 1;
    for (int k = type->rank - 1; k >= 0; k--) {
        flat = index_add(lower, flat, index_scale(lower, index[k], stride));
        stride *= type_size(type, k);
    }
    return flat;
}

void index_unflat(Lowering *lower, const Type *type, const Formula *flat, const Formula **index)
{
    int64_t stride = type->count;
    for (int k = 0; k < type->rank; k++) {
        int64_t size = type_size(type, k);
        stride /= size;
        index[k] = size == 1 ? formula_int(lower, 0) : index_quotient(lower, flat, stride);
        if (k > 0)
            index[k] = index_remainder(lower, index[k], size);
    }
}
