/* ranges.c: long loops are cut where something changes that their counter decides.
 *
 * The ends of a slice, a pad or a stencil are conditions of the counter, `i <= 98 ? x[i + 1] : 0.0`, and with such a branch
 * in each trip no compiler makes much of a loop.  Here it becomes a loop for each range in which all of them are known, and
 * a range of one trip becomes plain statements.  The text grows with the number of ranges: they must be few, and short. */
#include "loop.h"

enum { RANGES_MOST = 5, WORK_MOST = 256 };                  /* operations in all of them */

typedef struct {
    Lowering *lower;
    const Formula *counter;
    const Loop *loop;
    int64_t begin[RANGES_MOST + 1];                         /* of each range, and the end of the last */
    int count, work;
    bool fits;
    Vec(const Formula *) pending;
} Ranges;

/* ---- where the ranges begin ------------------------------------------------------------------------------------ */
static void add_begin(Ranges *r, int64_t at)
{
    int k = 0;
    while (k <= r->count && r->begin[k] < at)
        k++;
    if (k == 0 || k > r->count || r->begin[k] == at)
        return;
    if (r->count == RANGES_MOST) {
        r->fits = false;
        return;
    }
    for (int i = ++r->count; i > k; i--)
        r->begin[i] = r->begin[i - 1];
    r->begin[k] = at;
}

/* x as factor * counter + constant; false: it is nothing of the kind. */
static bool is_linear(const Ranges *r, const Formula *x, int64_t *factor, int64_t *constant)
{
    Term single;
    const Term *terms = NULL;
    int count = index_terms(x, &single, &terms, constant);
    *factor = count ? terms[0].factor : 0;
    return count == 0 || (count == 1 && terms[0].atom == r->counter);
}

/* Where factor * counter + constant >= 0 changes. */
static void add_change(Ranges *r, int64_t factor, int64_t constant)
{
    if (factor)
        add_begin(r, factor > 0 ? -index_floor_div(constant, factor) : index_floor_div(constant, -factor) + 1);
}

static void add_condition(Ranges *r, const Formula *f)
{
    int64_t factor[2] = { 0 }, constant[2] = { 0 };
    const bool compares = f->kind >= FORMULA_LT && f->kind <= FORMULA_NE && f->arg[0]->elem == ELEM_INT;
    for (int k = 0; k < f->arg_count && (compares || f->kind == FORMULA_NONNEGATIVE); k++)
        if (!is_linear(r, f->arg[k], &factor[k], &constant[k]))
            return;
    const int64_t rises = factor[0] - factor[1], at = constant[0] - constant[1];
    if (f->kind != FORMULA_LE && f->kind != FORMULA_GT)     /* they hold, or not, on both sides of equal */
        add_change(r, rises, at);
    if (compares && f->kind != FORMULA_LT && f->kind != FORMULA_GE)
        add_change(r, rises, at - 1);
}

static void meet(Ranges *r, const Formula *f)
{
    if (!f || !(f->loops >> r->loop->depth & 1) || r->lower->mark[f->id] == r->lower->epoch)
        return;
    r->lower->mark[f->id] = r->lower->epoch;
    vec_push(r->lower->ctx->scratch, &r->pending, f);
}

static void look_at(Ranges *r, const Formula *root)
{
    meet(r, root);
    while (r->fits && r->pending.count) {
        const Formula *f = r->pending.at[--r->pending.count];
        r->work += f->arg_count > 0;
        add_condition(r, f);
        for (int k = 0; k < f->arg_count; k++)
            meet(r, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            meet(r, f->terms[k].atom);
    }
}

static bool is_whole(const Stmt *s) { return !s->sealed && !s->from && !s->to; }

/* Only what may be written twice: nothing is declared in it. */
static void look_at_block(Ranges *r, const Block *block)
{
    for (int k = 0; r->fits && k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        const bool is_loop = s->kind == STMT_LOOP && is_whole(s) && !s->lanes && !s->before.list.count;
        r->fits = is_loop || s->kind == STMT_STORE || s->kind == STMT_ASSIGN || s->kind == STMT_LET;
        r->work++;
        look_at(r, s->index);
        look_at(r, s->value);
        look_at_block(r, &s->body);
    }
}

/* ---- one range ------------------------------------------------------------------------------------------------- */
static const Formula *put_counter(Rewriter *rewriter, const Formula *f, const Formula *const *args)
{
    const Formula *const *put = rewriter->user;
    return f == put[0] ? put[1] : formula_rebuild(rewriter->lower, f, args);
}

static void copy_block(Rewriter *rewriter, const Block *from, const Formula *lane, Block *to)
{
    Lowering *lower = rewriter->lower;
    for (int k = 0; k < from->list.count; k++) {
        Stmt *s = arena_copy(lower->arena, from->list.at[k], sizeof *s);
        s->index = s->lanes && lane ? lane : rewrite(rewriter, s->index);
        s->value = rewrite(rewriter, s->value);
        s->body = (Block){ { 0 } };
        copy_block(rewriter, &from->list.at[k]->body, lane, &s->body);
        if (s->kind != STMT_LET || s->value->arg_count)
            block_push(lower, to, s);
    }
}

void copy_trip(Lowering *lower, const Block *from, const Formula *counter, const Formula *at, const Formula *lane, Block *to)
{
    const Formula *put[2] = { counter, at };
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    Rewriter rewriter = rewriter_new(lower, put_counter, put);
    copy_block(&rewriter, from, lane, to);
    arena_release(lower->ctx->scratch, mark);
}

static void push_range(Ranges *r, const Stmt *s, int k, Block *out)
{
    Lowering *lower = r->lower;
    const int64_t begin = r->begin[k], trips = r->begin[k + 1] - begin;
    Stmt *loop = lower_loop(lower, loop_counted(lower, r->loop->depth, begin, begin + trips, 1));
    const Formula *at = trips == 1 ? formula_int(lower, begin) : formula_counter(lower, loop->loop);
    loop->lanes = s->lanes && trips >= LANES;
    copy_trip(lower, &s->body, r->counter, at, s->lanes && !loop->lanes ? index_shift(lower, at, -begin) : NULL, &loop->body);
    if (k == 0)
        loop->before = s->before;
    if (k <= 1)
        loop->nodes = s->nodes;                             /* a single trip has no comment */
    if (trips > 1) {
        block_push(lower, out, loop);
        return;
    }
    for (int i = 0; i < loop->before.list.count; i++)
        block_push(lower, out, loop->before.list.at[i]);
    for (int i = 0; i < loop->body.list.count; i++)
        block_push(lower, out, loop->body.list.at[i]);
}

void cut_ranges(Lowering *lower, Stmt *s, Block *out)
{
    const Loop *l = s->loop;
    Ranges r = { .lower = lower, .counter = formula_counter(lower, l), .loop = l, .begin = { l->begin, l->end },
                 .count = 1, .fits = is_whole(s) && l->step == 1 && loop_trips(l) >= LONG };
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    formula_epoch(lower);
    look_at_block(&r, &s->body);
    if (!r.fits || r.count * r.work > WORK_MOST)
        r.count = 1;
    for (int k = 0; r.count > 1 && k < r.count; k++)
        push_range(&r, s, k, out);
    if (r.count == 1)
        block_push(lower, out, s);
    arena_release(lower->ctx->scratch, mark);
}
