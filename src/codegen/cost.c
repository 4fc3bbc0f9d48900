/* cost.c: what one call of a function costs, counted on the program that is printed: operations on reals times the
 * trips around them.  Both sides of a SELECT count: the numbers are exact but for branches, and an upper bound there. */
#include "loop.h"

#include <math.h>
#include <string.h>

enum {
    WORD = 8,                                               /* bytes of the widest register that is saved */
    REGISTERS = 26,                                         /* most that a function has to save on any target */
    UNROLLED = 22,                                          /* places for what several trips of a loop read */
    PADDING = 16,                                           /* alignment of the frame */
    HELPER_INT = 64, HELPER_REAL = 512                      /* own functions of a file, with what they call */
};

typedef struct { Lowering *lower; Costs *costs; int scalars; bool *constant_used; } Count;

bool cost_is_cheap_call(Str callee)
{
    return strcmp(callee, "fabs") == 0 || strcmp(callee, "isnan") == 0 || strcmp(callee, "isfinite") == 0
        || strncmp(callee, "adc_floor", 9) == 0;
}

/* What the file has to include or define. */
static void note_use(Program *p, const Formula *f)
{
    bool plain = f->kind == FORMULA_NUMBER || f->kind == FORMULA_COUNTER || f->kind == FORMULA_AFFINE
        || f->kind == FORMULA_QUOTIENT || f->kind == FORMULA_REMAINDER;
    p->uses_clamp |= f->kind == FORMULA_CLAMP;
    p->uses_int |= f->elem == ELEM_INT && !plain;
    p->uses_bool |= f->elem == ELEM_BOOL && (f->kind == FORMULA_LOAD || f->kind == FORMULA_NUMBER);
    p->uses_math |= f->kind == FORMULA_NUMBER && f->elem == ELEM_REAL && !isfinite(f->number);
    if (f->kind == FORMULA_CALL) {
        p->uses_math |= !f->integer;
        map_put(p->calls, f->callee, p);
    }
}

static void count_formula(Walk *w, const Formula *f)
{
    Costs *c = ((Count *)w->user)->costs;
    const Formula *x = f->arg_count ? f->arg[0] : NULL;
    note_use(((Count *)w->user)->lower->program, f);
    c->size++;
    switch (f->kind) {
    case FORMULA_ADD: case FORMULA_SUB: c->adds += f->elem == ELEM_REAL ? w->times : 0; break;
    case FORMULA_MUL: c->muls += f->elem == ELEM_REAL ? w->times : 0; break;
    case FORMULA_DIV: c->divs += w->times; break;
    case FORMULA_LT: case FORMULA_LE: case FORMULA_GT: case FORMULA_GE:
        c->compares += x->elem == ELEM_REAL ? w->times : 0;
        break;
    case FORMULA_CALL:
        c->calls += cost_is_cheap_call(f->callee) ? 0 : w->times;
        c->held += f->arg_count;
        break;
    case FORMULA_LOAD:
        c->held++;
        if (f->buffer->kind == BUFFER_CONSTANT)
            ((Count *)w->user)->constant_used[f->buffer->id] = true;
        break;
    default: break;
    }
}

static int64_t times_of(const Region *r)
{
    return !r->counter ? 1 : r->trips && r->trips->high < r->most ? r->trips->high : r->most;
}

/* The bodies of a region as often as they are run at most; of a branch, both. */
static void count_region(Count *count, const Region *r)
{
    Costs *c = count->costs;
    count->scalars += 2;
    c->has_loops |= r->counter != NULL;
    for (int side = 0; side < 2 && r->body[side]; side++) {
        count_costs(r->body[side]);
        const Costs *b = &r->body[side]->function->costs;
        int64_t times = times_of(r);
        c->adds += times * b->adds;
        c->muls += times * b->muls;
        c->divs += times * b->divs;
        c->calls += times * b->calls;
        c->compares += times * b->compares;
        c->stack_bytes += b->stack_bytes;
        c->held += b->held;
        c->has_loops |= b->has_loops;
        c->size += b->size;
        for (int k = 0; k < count->lower->program->constants.count; k++)
            count->constant_used[k] |= k < r->body[side]->constant_count && r->body[side]->constant_used[k];
    }
}

static void count_stmt(Walk *w, const Stmt *s)
{
    Count *count = w->user;
    count->costs->size++;
    if (s->region) {
        count_region(count, s->region);
        return;
    }
    if (s->kind == STMT_BREAK)
        return;
    count->costs->has_loops |= s->kind == STMT_LOOP;
    Elem elem = s->buffer ? s->buffer->elem : s->scalar ? s->scalar->elem : ELEM_INT;
    Program *p = count->lower->program;
    p->uses_int |= elem == ELEM_INT && s->kind != STMT_LOOP;
    p->uses_bool |= elem == ELEM_BOOL;
    p->uses_math |= elem == ELEM_REAL && (s->combine == COMBINE_MAX || s->combine == COMBINE_MIN);
    count->scalars += s->kind == STMT_LET || s->kind == STMT_DECLARE || s->kind == STMT_LOOP;
    count->costs->held += s->kind == STMT_STORE;
    if (elem != ELEM_REAL)
        return;
    switch (s->combine) {
    case COMBINE_SET: break;
    case COMBINE_ADD: count->costs->adds += w->times; break;
    case COMBINE_MUL: count->costs->muls += w->times; break;
    case COMBINE_MAX: case COMBINE_MIN: count->costs->compares += w->times; break;
    }
}

/* What a compiler saves for its own use: a register, or a place, for each value that it holds; and its helpers' frames. */
static int64_t overhead(const Lowering *lower)
{
    const Program *p = lower->program;
    int64_t held = lower->function->costs.held + lower->function->params.count + 2, helpers = 0;
    static const char *const real[] = { "adc_lgamma", "adc_digamma", "adc_polygamma" };
    for (size_t k = 0; k < sizeof real / sizeof *real; k++)
        helpers = map_get(p->calls, str_intern(lower->ctx, real[k])) ? HELPER_REAL : helpers;
    if (!helpers && (p->uses_clamp || p->uses_int))
        helpers = HELPER_INT;
    int64_t most = REGISTERS + (lower->function->costs.has_loops ? UNROLLED : 0);
    return WORD * (held < most ? held : most) + PADDING + helpers;
}

void count_costs(Lowering *lower)
{
    Program *p = lower->program;
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    Costs *c = &lower->function->costs;
    Count count = { lower, c, 0, NEW_ARRAY(lower->ctx->scratch, bool, p->constants.count + 1) };
    int real_bytes = lower->ctx->options.is_float ? 4 : 8;
    c->name = lower->function->name;
    walk_program(&(Walk){ .lower = lower, .user = &count, .on_formula = count_formula, .on_stmt = count_stmt });
    c->stack_bytes += (int64_t)count.scalars * real_bytes;  /* every local in memory, none shared */
    c->stack_bytes += lower->outer ? 0 : overhead(lower);
    for (int k = 0; k < p->constants.count; k++) {
        Buffer *b = p->constants.at[k];
        if (!count.constant_used[k])
            continue;
        b->pinned = true;                                   /* printed only if some function reads it */
        for (int64_t i = 0; i < b->size && b->elem == ELEM_REAL && !p->uses_math; i++)
            p->uses_math = !isfinite(b->data[i]);
        c->constant_bytes += b->size * (b->elem == ELEM_REAL ? real_bytes : b->elem == ELEM_INT ? 4 : 1);
    }
    for (int k = 0; k < lower->fn->results.count && !lower->outer; k++)
        if (lower->fn->results.at[k].pattern)
            c->constant_bytes += 2 * 4 * (int64_t)lower->fn->results.at[k].pattern->count;
    lower->constant_count = p->constants.count;
    lower->constant_used = arena_copy(lower->arena, count.constant_used, sizeof(bool) * (size_t)p->constants.count + 1);
    arena_release(lower->ctx->scratch, mark);
}
