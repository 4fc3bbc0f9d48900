/* walk.c: visits what a program does, operation by operation, as a back end would spell it: a formula that a LET has bound
 * is a name, any other is carried out again where it stands.
 *
 * bind.c keeps unbound formulas small, so recursion over them is bounded. */
#include "loop.h"

static void walk_formula(Walk *w, const Formula *f)
{
    if (!f || w->bound[f->id])
        return;
    w->on_formula(w, f);
    for (int k = 0; k < f->arg_count; k++)
        walk_formula(w, f->arg[k]);
    for (int k = 0; k < f->term_count; k++)
        walk_formula(w, f->terms[k].atom);
}

/* ---- how often ------------------------------------------------------------------------------------------------- */
static int64_t value_of(const Formula *f, const int64_t *counter)
{
    if (f->kind == FORMULA_COUNTER)
        return counter[f->loop->depth];
    int64_t sum = f->integer;
    for (int k = 0; k < f->term_count; k++)
        sum += f->terms[k].factor * counter[f->terms[k].atom->loop->depth];
    return sum;
}

/* Is the bound of some loop further in one of this loop's counter, or of one that moves with it? */
static bool is_asked_for(const Walk *w, int k)
{
    uint64_t asked = 0;
    for (int i = k + 1; i < w->open.count; i++)
        asked |= (w->open.at[i]->from ? w->open.at[i]->from->loops : 0) | (w->open.at[i]->to ? w->open.at[i]->to->loops : 0);
    return asked >> w->open.at[k]->loop->depth & 1;
}

/* The trips of the open loops from k on, when those before have the given counters: exact, and counted only where a bound
 * depends on a counter. */
static int64_t trips_from(const Walk *w, int k, int64_t *counter)
{
    if (k == w->open.count)
        return 1;
    const Stmt *s = w->open.at[k];
    int64_t begin = s->from ? value_of(s->from, counter) : s->loop->begin, end = s->to ? value_of(s->to, counter) : s->loop->end;
    int64_t trips = end > begin ? (end - begin + s->loop->step - 1) / s->loop->step : 0, sum = 0;
    if (!is_asked_for(w, k))
        return trips ? trips * trips_from(w, k + 1, counter) : 0;
    for (int64_t at = begin; at < end; at += s->loop->step) {
        counter[s->loop->depth] = at;
        sum += trips_from(w, k + 1, counter);
    }
    return sum;
}

static int64_t times_inside(const Walk *w, int last)
{
    int64_t counter[LOOP_DEPTH_MAX] = { 0 };
    const Stmt *s = w->open.at[last];
    return s->from || s->to ? trips_from(w, 0, counter) : w->times * loop_trips(s->loop);
}

/* ---- the walk -------------------------------------------------------------------------------------------------- */
static void walk_block(Walk *w, const Block *block, bool is_top)
{
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        int64_t times = w->times;
        w->top = is_top ? k : w->top;
        walk_block(w, &s->before, false);
        w->block = block;
        w->position = k;
        if (w->on_stmt)
            w->on_stmt(w, s);
        walk_formula(w, s->index);
        walk_formula(w, s->value);
        if (s->region) {
            walk_formula(w, s->region->trips);
            walk_formula(w, s->region->condition);
        }
        walk_formula(w, s->from);
        walk_formula(w, s->to);
        if (s->kind == STMT_LOOP) {
            vec_push(w->lower->ctx->scratch, &w->open, s);
            w->times = times_inside(w, w->open.count - 1);
            walk_block(w, &s->body, false);
            w->open.count--;
            w->times = times;
        }
        if (s->kind == STMT_LET)
            w->bound[s->value->id] = true;
    }
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LET)
            w->bound[block->list.at[k]->value->id] = false;
}

void walk_program(Walk *w)
{
    ArenaMark mark = arena_mark(w->lower->ctx->scratch);
    w->bound = NEW_ARRAY(w->lower->ctx->scratch, bool, w->lower->formula_count + 1);
    w->times = 1;
    walk_block(w, &w->lower->function->body, true);
    arena_release(w->lower->ctx->scratch, mark);
}
