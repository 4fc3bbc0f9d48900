/* affine.c: sums of counters: adding them, and bounds.
 *
 * The least value of a sum is found counter by counter, the innermost first: it is 0 or the last one, by the sign of its
 * factor, and the last one may be a sum of counters around.  (Elimination as of Fourier and Motzkin, for bounds of this form.) */
#include "affine.h"

enum { BITS_MOST = 40 };                                    /* of any number here: products of two fit */

static bool is_small(int64_t x) { return x >> BITS_MOST == 0 || x >> BITS_MOST == -1; }

Affine affine_symbol(const Symbol *s)
{
    return (Affine){ .count = 1, .terms = { { s, 1 } } };
}

static bool add_term(Affine *to, const Symbol *s, int64_t factor)
{
    int k = 0;
    while (k < to->count && to->terms[k].symbol != s)
        k++;
    if (k == AFFINE_TERMS)
        return false;
    if (k == to->count) {
        to->count++;
        to->terms[k].symbol = s;
        to->terms[k].factor = 0;
    }
    to->terms[k].factor += factor;
    bool fits = is_small(to->terms[k].factor);
    if (to->terms[k].factor == 0)
        to->terms[k] = to->terms[--to->count];
    return fits;
}

bool affine_is_int(const Affine *x)
{
    bool fits = x->constant == (int32_t)x->constant;
    for (int k = 0; k < x->count; k++)
        fits &= x->terms[k].factor == (int32_t)x->terms[k].factor && x->terms[k].factor != INT32_MIN;
    return fits;
}

bool affine_add(Affine *to, const Affine *x, int64_t factor)
{
    bool fits = factor == (int32_t)factor && affine_is_int(x);
    for (int k = 0; fits && k < x->count; k++)
        fits = add_term(to, x->terms[k].symbol, factor * x->terms[k].factor);
    if (fits)
        to->constant += factor * x->constant;
    return fits && is_small(to->constant);
}

/* One counter less: the innermost; -1: there is none. */
static int innermost(const Affine *x)
{
    int found = -1;
    for (int k = 0; k < x->count; k++)
        if (x->terms[k].symbol->counts && (found < 0 || x->terms[k].symbol->order > x->terms[found].symbol->order))
            found = k;
    return found;
}

static bool is_at_least(Affine x, int64_t least, bool by_last)
{
    for (int k = innermost(&x); k >= 0; k = innermost(&x)) {
        const Symbol *s = x.terms[k].symbol;
        int64_t factor = x.terms[k].factor;
        Affine end = by_last && s->has_last ? s->last : affine_number(s->most);
        x.terms[k] = x.terms[--x.count];
        if (factor < 0 && !affine_add(&x, &end, factor))
            return false;
    }
    return x.count == 0 && x.constant >= least;
}

bool affine_at_least(const Affine *x, int64_t least)
{
    return is_at_least(*x, least, true) || is_at_least(*x, least, false);
}

/* count: it is none of them. */
static int place_of(const Symbol *s, const Symbol *const *symbols, int count)
{
    int k = 0;
    while (k < count && symbols[k] != s)
        k++;
    return k;
}

bool affine_put(Affine *x, const Symbol *const *symbols, const Affine *values, int count)
{
    Affine sum = affine_number(x->constant);
    for (int k = 0; k < x->count; k++) {
        int i = place_of(x->terms[k].symbol, symbols, count);
        Affine same = affine_symbol(x->terms[k].symbol);
        if (!affine_add(&sum, i < count ? &values[i] : &same, x->terms[k].factor))
            return false;
    }
    *x = sum;
    return true;
}

Node *affine_node(Context *ctx, const Affine *x, const Symbol *const *symbols, Node *const *nodes, int count)
{
    Node *sum = NULL;
    for (int k = 0; k < x->count; k++) {
        int64_t factor = x->terms[k].factor;
        int i = place_of(x->terms[k].symbol, symbols, count);
        Node *term = i < count ? nodes[i] : x->terms[k].symbol->node;
        if (factor != 1 && factor != -1)
            term = node_binary(ctx, OP_mul, node_int(ctx, factor < 0 && sum ? -factor : factor), term);
        else if (factor < 0 && !sum)
            term = node_unary(ctx, OP_neg, term);
        sum = !sum ? term : node_binary(ctx, factor < 0 ? OP_sub : OP_add, sum, term);
    }
    if (!sum)
        return node_int(ctx, x->constant);
    return x->constant ? node_binary(ctx, OP_add, sum, node_int(ctx, x->constant)) : sum;
}
