/* formula.c: the interned constructors of Formulas.
 *
 * Equal formulas of one function are the same pointer.  What is folded here is exact but for the sign of a zero: numbers,
 * conditions that ranges decide, factors of one, terms of zero.  Every formula knows what it depends on (loops, ready, guarded) from the moment it is made. */
#include "loop.h"

#include <math.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------------------------- */
static uint32_t formula_hash(const Formula *f)
{
    uint64_t key[3] = { (uint64_t)f->kind * 8 + (uint64_t)f->elem, 0, (uint64_t)f->integer };
    if (f->elem == ELEM_REAL)
        memcpy(&key[1], &f->number, sizeof f->number);
    uint64_t h = hash_bytes(f->term_count ? 0 : (uint64_t)(uintptr_t)f->named, key, sizeof key);
    for (int k = 0; k < f->arg_count; k++)
        h = hash_bytes(h, &f->arg[k]->id, sizeof f->arg[k]->id);
    for (int k = 0; k < f->term_count; k++) {
        int64_t term[2] = { f->terms[k].factor, f->terms[k].atom->id };
        h = hash_bytes(h, term, sizeof term);
    }
    return (uint32_t)(h ^ h >> 32);
}

static bool formula_equal(const void *thing, const void *key)
{
    const Formula *a = thing, *b = key;
    if (a->kind != b->kind || a->elem != b->elem || a->arg_count != b->arg_count
        || a->term_count != b->term_count || a->integer != b->integer
        || (!a->term_count && a->named != b->named)
        || (a->elem == ELEM_REAL && memcmp(&a->number, &b->number, sizeof a->number) != 0))
        return false;
    for (int k = 0; k < a->arg_count; k++)
        if (a->arg[k] != b->arg[k])
            return false;
    for (int k = 0; k < a->term_count; k++)
        if (a->terms[k].factor != b->terms[k].factor || a->terms[k].atom != b->terms[k].atom)
            return false;
    return true;
}

/* ---- what a formula depends on --------------------------------------------------------------------------------- */
bool formula_guards(const Formula *f)
{
    if (f->kind == FORMULA_AND)
        return formula_guards(f->arg[0]) && formula_guards(f->arg[1]);
    return f->kind == FORMULA_NONNEGATIVE || (f->kind == FORMULA_EQ && f->arg[0]->kind == FORMULA_REMAINDER);
}

static void depend_on(Formula *f, const Formula *on)
{
    f->loops |= on->loops;
    f->guarded |= on->guarded;
    if (on->ready > f->ready)
        f->ready = on->ready;
}

static void depend_on_buffer(Formula *f)
{
    const Buffer *b = f->buffer;
    for (int k = 0; k < b->writes.count; k++)
        if (b->writes.at[k].path.at[0] > f->ready)
            f->ready = b->writes.at[k].path.at[0];
    if (f->arg[0]->low < 0 || f->arg[0]->high >= b->size)
        f->guarded = true;
    f->loops |= b->loops;
    if (!f->loops)
        ((Buffer *)(uintptr_t)b)->pinned = true;
}

/* A scalar of a lowering around this one was there before: only its own positions count. */
static void finish_dependence(const Lowering *lower, Formula *f)
{
    f->ready = -1;
    for (int k = 0; k < f->arg_count; k++)
        depend_on(f, f->arg[k]);
    for (int k = 0; k < f->term_count; k++)
        depend_on(f, f->terms[k].atom);
    if (f->kind == FORMULA_COUNTER)
        f->loops |= (uint64_t)1 << f->loop->depth;
    if (f->kind == FORMULA_SCALAR) {
        f->loops = f->scalar->loops;
        if (f->scalar->written && f->scalar->home == lower)
            f->ready = f->scalar->written - 1;
    }
    if (f->kind == FORMULA_LOAD)
        depend_on_buffer(f);
    if (f->kind == FORMULA_SELECT && formula_guards(f->arg[0]))
        f->guarded = false;
}

static void range_of_load(Formula *f)
{
    const Buffer *b = f->buffer;
    if (b->kind != BUFFER_CONSTANT)
        return;
    f->low = f->high = (int64_t)b->data[0];
    for (int64_t k = 1; k < b->size; k++) {
        f->low = b->data[k] < (double)f->low ? (int64_t)b->data[k] : f->low;
        f->high = b->data[k] > (double)f->high ? (int64_t)b->data[k] : f->high;
    }
}

/* The larger or the smaller of two. */
static bool range_of_choice(Formula *f)
{
    const Formula *c = f->arg[0], *x = f->arg[1], *w = f->arg[2];
    bool larger = c->kind == FORMULA_GT || c->kind == FORMULA_GE, smaller = c->kind == FORMULA_LT || c->kind == FORMULA_LE;
    if ((!larger && !smaller) || c->arg[0] != x || c->arg[1] != w)
        return false;
    f->low = (x->low > w->low) == larger ? x->low : w->low;
    f->high = (x->high > w->high) == larger ? x->high : w->high;
    return true;
}

/* What an int operation gives if it does not overflow; false: it may. */
bool formula_exact_range(const Formula *f, int64_t *low, int64_t *high)
{
    const Formula *x = f->arg[0], *w = f->arg[f->arg_count - 1];
    int64_t corner[4] = { x->low * w->low, x->low * w->high, x->high * w->low, x->high * w->high };
    switch (f->kind) {
    case FORMULA_ADD: *low = x->low + w->low; *high = x->high + w->high; break;
    case FORMULA_SUB: *low = x->low - w->high; *high = x->high - w->low; break;
    case FORMULA_NEG: *low = -x->high; *high = -x->low; break;
    default:
        *low = *high = corner[0];
        for (int k = 1; k < 4; k++) {
            *low = corner[k] < *low ? corner[k] : *low;
            *high = corner[k] > *high ? corner[k] : *high;
        }
    }
    return *low >= INT32_MIN && *high <= INT32_MAX;
}

static void range_of_operation(Formula *f)
{
    int64_t low, high;
    if (f->elem == ELEM_INT && formula_exact_range(f, &low, &high)) {
        f->low = low;
        f->high = high;
    }
}

static void finish_range(Formula *f)
{
    const Formula *x = f->arg_count ? f->arg[0] : NULL;
    f->low = INT32_MIN;
    f->high = INT32_MAX;
    switch (f->kind) {
    case FORMULA_NUMBER: f->low = f->high = f->integer; break;
    case FORMULA_COUNTER:
        f->low = f->loop->begin;
        f->high = f->loop->begin + (loop_trips(f->loop) - 1) * f->loop->step;
        break;
    case FORMULA_AFFINE:
        f->low = f->high = f->integer;
        for (int k = 0; k < f->term_count; k++) {
            int64_t a = f->terms[k].factor, low = f->terms[k].atom->low, high = f->terms[k].atom->high;
            f->low += a > 0 ? a * low : a * high;
            f->high += a > 0 ? a * high : a * low;
        }
        break;
    case FORMULA_QUOTIENT: f->low = x->low / f->integer; f->high = x->high / f->integer; break;
    case FORMULA_REMAINDER: f->low = 0; f->high = f->integer - 1; break;
    case FORMULA_CLAMP: case FORMULA_TRUST:
        f->low = x->low > 0 ? x->low : 0;
        f->high = x->high < f->integer ? x->high : f->integer;
        break;
    case FORMULA_SELECT:
        if (range_of_choice(f))
            break;
        f->low = f->arg[1]->low < f->arg[2]->low ? f->arg[1]->low : f->arg[2]->low;
        f->high = f->arg[1]->high > f->arg[2]->high ? f->arg[1]->high : f->arg[2]->high;
        break;
    case FORMULA_CONVERT:
        f->low = x->elem == ELEM_REAL ? INT32_MIN : x->low;
        f->high = x->elem == ELEM_REAL ? INT32_MAX : x->high;
        break;
    case FORMULA_LOAD: range_of_load(f); break;
    case FORMULA_ADD: case FORMULA_SUB: case FORMULA_MUL: case FORMULA_NEG: range_of_operation(f); break;
    case FORMULA_SCALAR:
        f->low = f->scalar->low;
        f->high = f->scalar->high;
        break;
    default: break;
    }
    if (f->elem == ELEM_BOOL && f->kind != FORMULA_NUMBER) {
        f->low = 0;
        f->high = 1;
    }
}

/* The sum with a counter at the end of its range that its limit tells: 4 - i + k where i < 5 - k is not negative. */
static const Formula *at_limit(Lowering *lower, const Formula *f, const Term *counter)
{
    Term rest[3 * RANK_MAX], single;
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(counter->atom->scalar->limit, &single, &terms, &constant), n = 0;
    if (f->term_count + count > 3 * RANK_MAX)
        return f;
    constant = f->integer + (constant - 1) * counter->factor;
    for (int k = 0; k < f->term_count; k++)
        if (f->terms[k].atom != counter->atom)
            rest[n++] = f->terms[k];
    for (int k = 0; k < count; k++)
        rest[n++] = (Term){ terms[k].factor * counter->factor, formula_scalar(lower, terms[k].atom->scalar) };
    return index_affine(lower, constant, rest, n);
}

/* Limits name counters of outer loops and what is computed there, so that this ends. */
static void narrow_range(Lowering *lower, Formula *f)
{
    for (int k = 0; k < f->term_count; k++) {
        const Term *t = &f->terms[k];
        if (t->atom->kind != FORMULA_SCALAR || !t->atom->scalar->limit)
            continue;
        const Formula *end = at_limit(lower, f, t);
        if (t->factor > 0 && end->high < f->high)
            f->high = end->high;
        if (t->factor < 0 && end->low > f->low)
            f->low = end->low;
    }
}

static uint32_t newest_part(const Formula *f)
{
    int newest = 0;
    for (int k = 0; k < f->arg_count; k++)
        newest = f->arg[k]->id > newest ? f->arg[k]->id : newest;
    for (int k = 0; k < f->term_count; k++)
        newest = f->terms[k].atom->id > newest ? f->terms[k].atom->id : newest;
    return (uint32_t)newest;
}

const Formula *formula_intern(Lowering *lower, const Formula *draft)
{
    Formula key = *draft;
    key.node = NULL;
    key.hinted = false;
    key.loops = 0;
    key.guarded = false;
    key.hash = formula_hash(&key);
    if (!lower->table.size && lower->formula_count)
        internal_error(lower->ctx, "a formula is made after the last one");
    table_reserve(lower->own, &lower->table, (size_t)lower->formula_count);
    uint32_t newest = newest_part(&key);
    TableSlot *slot = table_find(&lower->table, key.hash, newest, formula_equal, &key);
    if (slot->thing)
        return slot->thing;
    Formula *f = arena_copy(lower->arena, &key, offsetof(Formula, arg) + (size_t)key.arg_count * sizeof *key.arg);
    if (key.term_count)
        f->terms = arena_copy(lower->arena, key.terms, sizeof *key.terms * (size_t)key.term_count);
    f->id = lower->formula_count++;
    finish_dependence(lower, f);
    if (f->elem != ELEM_REAL)
        finish_range(f);
    *slot = (TableSlot){ f, f->hash, newest };
    if (f->kind == FORMULA_AFFINE)
        narrow_range(lower, f);
    return f;
}

void formula_seal(Lowering *lower)
{
    arena_drop(lower->own, lower->table.slots, sizeof *lower->table.slots * lower->table.size);
    arena_drop(lower->own, lower->mark, sizeof *lower->mark * (size_t)lower->mark_size);
    rewriter_drop(lower);
    lower->table = (Table){ 0 };
    lower->mark = NULL;
    lower->mark_size = 0;
}

void formula_epoch(Lowering *lower)
{
    if (lower->mark_size < lower->formula_count) {
        arena_drop(lower->own, lower->mark, sizeof *lower->mark * (size_t)lower->mark_size);
        lower->mark_size = 2 * lower->formula_count;
        lower->mark = NEW_ARRAY(lower->own, int, lower->mark_size);
        lower->epoch = 0;
    }
    lower->epoch++;
}

/* ---- leaves ---------------------------------------------------------------------------------------------------- */
const Formula *formula_real(Lowering *lower, double number)
{
    if (lower->ctx->options.is_float)
        number = (float)number;
    return formula_intern(lower, &(Formula){ .kind = FORMULA_NUMBER, .elem = ELEM_REAL, .number = number });
}

const Formula *formula_int(Lowering *lower, int64_t integer)
{
    return formula_intern(lower, &(Formula){ .kind = FORMULA_NUMBER, .elem = ELEM_INT, .integer = integer });
}

const Formula *formula_bool(Lowering *lower, bool truth)
{
    return formula_intern(lower, &(Formula){ .kind = FORMULA_NUMBER, .elem = ELEM_BOOL, .integer = truth });
}

const Formula *formula_number(Lowering *lower, Elem elem, double number)
{
    return elem == ELEM_REAL ? formula_real(lower, number)
         : elem == ELEM_INT ? formula_int(lower, (int64_t)number) : formula_bool(lower, number > 0 || number < 0);
}

const Formula *formula_scalar(Lowering *lower, const Scalar *scalar)
{
    if (scalar->elem == ELEM_INT && scalar->low == scalar->high && !scalar->is_mutable)
        return formula_int(lower, scalar->low);
    return formula_intern(lower, &(Formula){ .kind = FORMULA_SCALAR, .elem = scalar->elem, .scalar = scalar });
}

const Formula *formula_counter(Lowering *lower, const Loop *loop)
{
    if (loop_trips(loop) == 1)
        return formula_int(lower, loop->begin);
    return formula_intern(lower, &(Formula){ .kind = FORMULA_COUNTER, .elem = ELEM_INT, .loop = loop });
}

const Loop *loop_counted(Lowering *lower, int depth, int64_t begin, int64_t end, int64_t step)
{
    if (depth >= LOOP_DEPTH_MAX)
        internal_error(lower->ctx, "loops nested more than %d deep", LOOP_DEPTH_MAX);
    for (int k = 0; k < lower->loops[depth].count; k++) {
        Loop *l = lower->loops[depth].at[k];
        if (l->begin == begin && l->end == end && l->step == step)
            return l;
    }
    Loop *l = NEW(lower->arena, Loop);
    *l = (Loop){ .depth = depth, .begin = begin, .end = end, .step = step };
    vec_push(lower->arena, &lower->loops[depth], l);
    return l;
}

const Formula *formula_load(Lowering *lower, const Buffer *buffer, const Formula *index)
{
    if (buffer->kind == BUFFER_CONSTANT && index->kind == FORMULA_NUMBER && index->integer >= 0
        && index->integer < buffer->size)
        return formula_number(lower, buffer->elem, buffer->data[index->integer]);
    if (buffer->base)
        index = index_add(lower, buffer->base, index);
    const Formula *f = formula_load_at(lower, buffer, index);
    return buffer->holds_ints ? formula_convert(lower, f, ELEM_INT)
         : buffer->holds_bools ? formula_binary(lower, FORMULA_GT, f, formula_real(lower, 0.5)) : f;
}

static const Formula *load_again(Lowering *lower, const Buffer *buffer, const Formula *index, int64_t which)
{
    return formula_intern(lower, &(Formula){ .kind = FORMULA_LOAD, .elem = buffer->elem, .buffer = buffer, .arg_count = 1,
                                             .arg = { index }, .integer = which });
}

const Formula *formula_load_at(Lowering *lower, const Buffer *buffer, const Formula *index)
{
    return load_again(lower, buffer, index, 0);
}

const Formula *formula_load_now(Lowering *lower, const Buffer *buffer, const Formula *index)
{
    if (buffer->base)
        index = index_add(lower, buffer->base, index);
    return load_again(lower, buffer, index, ++lower->load_count);
}

/* ---- operations ------------------------------------------------------------------------------------------------ */
static bool is_number(const Formula *f) { return f->kind == FORMULA_NUMBER; }

static bool is_real(const Formula *f, double number)
{
    return is_number(f) && f->elem == ELEM_REAL && memcmp(&f->number, &number, sizeof number) == 0;
}

static bool is_zero(const Formula *f) { return is_real(f, 0.0) || is_real(f, -0.0); }

const Formula *formula_unary(Lowering *lower, FormulaKind kind, const Formula *x)
{
    if (kind == FORMULA_NOT && is_number(x))
        return formula_bool(lower, !x->integer);
    if (x->kind == kind)
        return x->arg[0];
    if (kind == FORMULA_NEG && is_number(x) && x->elem == ELEM_REAL)
        return formula_real(lower, -x->number);
    if (kind == FORMULA_NEG && x->elem == ELEM_INT && x->low > INT32_MIN)
        return index_scale(lower, x, -1);
    return formula_intern(lower, &(Formula){ .kind = kind, .elem = x->elem, .arg_count = 1, .arg = { x } });
}

static const Formula *fold_real(Lowering *lower, FormulaKind kind, double x, double w)
{
    switch (kind) {
    case FORMULA_ADD: return formula_real(lower, x + w);
    case FORMULA_SUB: return formula_real(lower, x - w);
    case FORMULA_MUL: return formula_real(lower, x * w);
    case FORMULA_DIV: return formula_real(lower, x / w);
    case FORMULA_LT: return formula_bool(lower, x < w);
    case FORMULA_LE: return formula_bool(lower, x <= w);
    case FORMULA_GT: return formula_bool(lower, x > w);
    case FORMULA_GE: return formula_bool(lower, x >= w);
    default: return NULL;
    }
}

enum { SUM_MOST = 48 };                                      /* terms of a sum that is kept in normal form */

static bool is_short(const Formula *x, const Formula *w)
{
    return (x->kind == FORMULA_AFFINE ? x->term_count : 1) + (w->kind == FORMULA_AFFINE ? w->term_count : 1) <= SUM_MOST;
}

/* Ints that can not overflow are indices, in normal form. */
static const Formula *fold_int(Lowering *lower, FormulaKind kind, const Formula *x, const Formula *w)
{
    const Formula *sum = NULL;
    switch (kind) {
    case FORMULA_ADD: sum = is_short(x, w) ? index_add(lower, x, w) : NULL; break;
    case FORMULA_SUB: sum = is_short(x, w) ? index_add(lower, x, index_scale(lower, w, -1)) : NULL; break;
    case FORMULA_MUL:
        sum = is_number(x) ? index_scale(lower, w, x->integer) : is_number(w) ? index_scale(lower, x, w->integer) : NULL;
        break;
    case FORMULA_LT: return x->high < w->low ? formula_bool(lower, true) : x->low >= w->high ? formula_bool(lower, false) : NULL;
    case FORMULA_LE: return x->high <= w->low ? formula_bool(lower, true) : x->low > w->high ? formula_bool(lower, false) : NULL;
    case FORMULA_GT: return fold_int(lower, FORMULA_LT, w, x);
    case FORMULA_GE: return fold_int(lower, FORMULA_LE, w, x);
    case FORMULA_EQ: case FORMULA_NE:
        if (x == w)
            return formula_bool(lower, kind == FORMULA_EQ);
        return x->high < w->low || x->low > w->high || (is_number(x) && is_number(w))
            ? formula_bool(lower, (kind == FORMULA_EQ) == (x->integer == w->integer && is_number(x) && is_number(w))) : NULL;
    default: return NULL;
    }
    return sum && sum->low >= INT32_MIN && sum->high <= INT32_MAX ? sum : NULL;
}

/* Is x one of the conditions that f joins? */
static bool joins(const Formula *f, FormulaKind kind, const Formula *x, int depth)
{
    return f == x || (depth && f->kind == kind
                      && (joins(f->arg[0], kind, x, depth - 1) || joins(f->arg[1], kind, x, depth - 1)));
}

static const Formula *fold_logic(Lowering *lower, FormulaKind kind, const Formula *x, const Formula *w)
{
    enum { DEPTH = 5 };
    bool absorbing = kind == FORMULA_OR;
    if (is_number(x))
        return (x->integer != 0) == absorbing ? formula_bool(lower, absorbing) : w;
    if (is_number(w))
        return (w->integer != 0) == absorbing ? formula_bool(lower, absorbing) : x;
    if (joins(w, kind, x, DEPTH))
        return w;
    if (joins(x, kind, w, DEPTH))
        return x;
    for (int k = 0; w->kind == kind && k < 2; k++)
        if (joins(x, kind, w->arg[k], DEPTH))
            return formula_binary(lower, kind, x, w->arg[1 - k]);
    int given_x = formula_known(w, x, !absorbing), given_w = formula_known(x, w, !absorbing);
    if (given_x == absorbing || given_w == absorbing)
        return formula_bool(lower, absorbing);
    return given_x == !absorbing ? x : given_w == !absorbing && !w->guarded ? w : NULL;
}

static const Formula *fold_binary(Lowering *lower, FormulaKind kind, const Formula *x, const Formula *w)
{
    if (kind == FORMULA_AND || kind == FORMULA_OR)
        return fold_logic(lower, kind, x, w);
    if (x->elem == ELEM_INT)
        return fold_int(lower, kind, x, w);
    if (x->elem != ELEM_REAL)
        return NULL;
    if (is_number(x) && is_number(w))
        return fold_real(lower, kind, x->number, w->number);
    if (kind == FORMULA_MUL && is_real(x, 1))
        return w;
    if ((kind == FORMULA_ADD || kind == FORMULA_SUB) && is_zero(w))
        return x;
    if ((kind == FORMULA_ADD || kind == FORMULA_SUB) && is_zero(x))
        return kind == FORMULA_ADD ? w : formula_unary(lower, FORMULA_NEG, w);
    if (kind == FORMULA_GT && x->kind == FORMULA_CONVERT && x->arg[0]->elem == ELEM_BOOL && is_real(w, 0.5))
        return x->arg[0];                                   /* a bool that was kept as a real */
    if ((kind == FORMULA_MUL || kind == FORMULA_DIV) && is_real(w, 1))
        return x;
    if (kind == FORMULA_ADD && w->kind == FORMULA_NEG)
        return formula_binary(lower, FORMULA_SUB, x, w->arg[0]);
    if (kind == FORMULA_ADD && x->kind == FORMULA_NEG)
        return formula_binary(lower, FORMULA_SUB, w, x->arg[0]);
    if (kind == FORMULA_SUB && w->kind == FORMULA_NEG)
        return formula_binary(lower, FORMULA_ADD, x, w->arg[0]);
    return NULL;
}

const Formula *formula_binary(Lowering *lower, FormulaKind kind, const Formula *x, const Formula *w)
{
    const Formula *simple = fold_binary(lower, kind, x, w);
    if (simple)
        return simple;
    if ((kind == FORMULA_EQ || kind == FORMULA_NE) && x->elem == ELEM_BOOL && is_number(w))
        return (kind == FORMULA_EQ) == (w->integer != 0) ? x : formula_unary(lower, FORMULA_NOT, x);
    Elem elem = kind >= FORMULA_LT ? ELEM_BOOL : x->elem;
    return formula_intern(lower, &(Formula){ .kind = kind, .elem = elem, .arg_count = 2, .arg = { x, w } });
}

const Formula *formula_select(Lowering *lower, const Formula *condition, const Formula *yes, const Formula *no)
{
    condition = formula_assumed(lower, condition);
    if (is_number(condition))
        return condition->integer ? yes : no;
    yes = formula_given(lower, yes, condition, true);
    no = formula_given(lower, no, condition, false);
    if (yes == no)
        return yes;
    const Formula *f = formula_intern(lower, &(Formula){ .kind = FORMULA_SELECT, .elem = yes->elem, .arg_count = 3,
                                                         .arg = { condition, yes, no } });
    return f->elem == ELEM_INT && f->low == f->high ? formula_int(lower, f->low) : f;
}

const Formula *formula_call(Lowering *lower, const char *callee, Elem elem, int count, const Formula *const *args)
{
    Formula f = { .kind = FORMULA_CALL, .elem = elem, .arg_count = count, .callee = str_intern(lower->ctx, callee) };
    for (int k = 0; k < count; k++)
        f.arg[k] = args[k];
    return formula_intern(lower, &f);
}

const Formula *formula_extern(Lowering *lower, Str callee, int count, const Formula *const *args)
{
    Formula f = { .kind = FORMULA_CALL, .elem = ELEM_REAL, .arg_count = count, .callee = callee, .integer = 1 };
    for (int k = 0; k < count; k++)
        f.arg[k] = args[k];
    return formula_intern(lower, &f);
}

const Formula *formula_convert(Lowering *lower, const Formula *x, Elem elem)
{
    if (x->elem == elem)
        return x;
    x = formula_assumed(lower, x);
    if (is_number(x) && x->elem != ELEM_REAL)
        return formula_number(lower, elem, (double)x->integer);
    if (x->kind == FORMULA_CONVERT && elem == ELEM_INT && x->arg[0]->elem == ELEM_INT)
        return x->arg[0];                                   /* an int that was kept as a real */
    return formula_intern(lower, &(Formula){ .kind = FORMULA_CONVERT, .elem = elem, .arg_count = 1, .arg = { x } });
}

const Formula *formula_clamp(Lowering *lower, const Formula *x, int64_t last)
{
    if (x->low >= 0 && x->high <= last)
        return x;
    if (is_number(x))
        return formula_int(lower, x->integer < 0 ? 0 : x->integer > last ? last : x->integer);
    const bool trusted = lower->ctx->options.unchecked || (lower->outer && formula_is_within(lower, x, last));
    FormulaKind kind = trusted ? FORMULA_TRUST : FORMULA_CLAMP;
    return formula_intern(lower, &(Formula){ .kind = kind, .elem = ELEM_INT, .integer = last, .arg_count = 1, .arg = { x } });
}

const Formula *formula_nonnegative(Lowering *lower, const Formula *x)
{
    if (x->low >= 0 || x->high < 0)
        return formula_bool(lower, x->low >= 0);
    return formula_intern(lower, &(Formula){ .kind = FORMULA_NONNEGATIVE, .elem = ELEM_BOOL, .arg_count = 1, .arg = { x } });
}

const Formula *formula_named(Lowering *lower, const Formula *f, const Node *node)
{
    (void)lower;
    bool nameless = !node || f->kind <= FORMULA_AFFINE || f->kind == FORMULA_LOAD;
    if (!nameless && (!f->node || (!f->node->origin.name && node->origin.name)))
        ((Formula *)(uintptr_t)f)->node = node;             /* not part of its identity */
    return f;
}

void formula_hint(Lowering *lower, const Formula *f, Str name)
{
    if (f->hinted)
        return;
    if (!lower->hints)
        lower->hints = map_new(lower->own);
    map_put(lower->hints, f, (void *)(uintptr_t)name);
    ((Formula *)(uintptr_t)f)->hinted = true;               /* not part of its identity */
}

const Formula *formula_rebuild(Lowering *lower, const Formula *f, const Formula *const *args)
{
    bool same = true;
    for (int k = 0; k < f->arg_count; k++)
        same &= args[k] == f->arg[k];
    for (int k = 0; k < f->term_count; k++)
        same &= args[k] == f->terms[k].atom;
    if (same)
        return f;
    if (f->term_count) {
        const Formula *sum = formula_int(lower, f->integer);
        for (int k = 0; k < f->term_count; k++)
            sum = index_add(lower, sum, index_scale(lower, args[k], f->terms[k].factor));
        return sum;
    }
    const Formula *g;
    switch (f->kind) {
    case FORMULA_LOAD: g = load_again(lower, f->buffer, args[0], f->integer); break;
    case FORMULA_QUOTIENT: g = index_quotient(lower, args[0], f->integer); break;
    case FORMULA_REMAINDER: g = index_remainder(lower, args[0], f->integer); break;
    case FORMULA_CLAMP: case FORMULA_TRUST: g = formula_clamp(lower, args[0], f->integer); break;
    case FORMULA_NEG: case FORMULA_NOT: g = formula_unary(lower, f->kind, args[0]); break;
    case FORMULA_SELECT: g = formula_select(lower, args[0], args[1], args[2]); break;
    case FORMULA_CALL:
        g = f->integer ? formula_extern(lower, f->callee, f->arg_count, args) : formula_call(lower, f->callee, f->elem, f->arg_count, args); break;
    case FORMULA_CONVERT: g = formula_convert(lower, args[0], f->elem); break;
    case FORMULA_NONNEGATIVE: g = formula_nonnegative(lower, args[0]); break;
    default: g = formula_binary(lower, f->kind, args[0], args[1]); break;
    }
    if (f->hinted)
        formula_hint(lower, g, map_get(lower->hints, f));
    return f->node ? formula_named(lower, g, f->node) : g;
}
