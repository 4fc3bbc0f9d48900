/* strip.c: the shape of loops, when it is settled what is in them.
 *
 * Two perfectly nested loops that run over memory in order become one.  A sum over a long loop is kept in several
 * partial sums, combined in a fixed order: plain C can then overlap or vectorise it, and every compiler gives the same
 * bits.  Where that saves no time, beside calls and in what is a small part of all work, a sum stays one loop: the text is
 * short, and as long for many trips as for few. */
#include "loop.h"

enum {
    LANES_FROM = 4,
    CALL = 10,                                              /* operations that one of libm is worth */
    SHARE = 16                                              /* a nest that does less of the work than this part stays as it is */
};

/* ---- formulas of a block --------------------------------------------------------------------------------------- */
typedef struct {
    Lowering *lower;
    const Formula *outer, *inner, *flat;                    /* counters */
    int64_t size;                                           /* of the inner loop */
    bool fits;
    Vec(const Formula *) pending;
} Collapse;

static void substitute_block(Rewriter *r, Block *block)
{
    for (int k = 0; k < block->list.count; k++) {
        Stmt *s = block->list.at[k];
        s->index = rewrite(r, s->index);
        s->value = rewrite(r, s->value);
        s->from = rewrite(r, s->from);
        s->to = rewrite(r, s->to);
        substitute_block(r, &s->before);
        substitute_block(r, &s->body);
    }
}

/* ---- two loops become one -------------------------------------------------------------------------------------- */
static void check(Collapse *c, const Formula *f)
{
    uint64_t both = (uint64_t)1 << c->outer->loop->depth | (uint64_t)1 << c->inner->loop->depth;
    if (!f || !(f->loops & both) || c->lower->mark[f->id] == c->lower->epoch)
        return;
    c->lower->mark[f->id] = c->lower->epoch;
    if (f == c->outer || f == c->inner)
        c->fits = false;                                    /* reached other than through an index of both */
    vec_push(c->lower->ctx->scratch, &c->pending, f);
}

static void check_formula(Collapse *c, const Formula *root)
{
    check(c, root);
    while (c->fits && c->pending.count) {
        const Formula *f = c->pending.at[--c->pending.count];
        for (int k = 0; k < f->arg_count; k++)
            check(c, f->arg[k]);
        if (f->term_count && index_factor(f, c->outer) != c->size * index_factor(f, c->inner))
            c->fits = false;
        for (int k = 0; k < f->term_count; k++)
            if (f->terms[k].atom != c->outer && f->terms[k].atom != c->inner)
                check(c, f->terms[k].atom);
    }
}

static void check_block(Collapse *c, const Block *block)
{
    for (int k = 0; c->fits && k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        check_formula(c, s->index);
        check_formula(c, s->value);
        check_block(c, &s->before);
        check_block(c, &s->body);
    }
}

static const Formula *flatten(Rewriter *r, const Formula *f, const Formula *const *args)
{
    const Collapse *c = r->user;
    int64_t factor = f->term_count ? index_factor(f, c->inner) : 0;
    if (!factor)
        return formula_rebuild(r->lower, f, args);
    const Formula *sum = formula_int(r->lower, f->integer);
    for (int k = 0; k < f->term_count; k++) {
        const Formula *atom = f->terms[k].atom == c->inner ? c->flat : args[k];
        if (f->terms[k].atom != c->outer)
            sum = index_add(r->lower, sum, index_scale(r->lower, atom, f->terms[k].factor));
    }
    return sum;
}

static bool is_plain(const Stmt *s) { return s->loop->begin == 0 && s->loop->step == 1 && !s->from && !s->to; }

static void collapse(Lowering *lower, Stmt *s)
{
    for (int k = 0; k < s->body.list.count; k++)
        if (s->body.list.at[k]->kind == STMT_LOOP)
            collapse(lower, s->body.list.at[k]);
    Stmt *inner = s->body.list.count == 1 ? s->body.list.at[0] : NULL;
    if (s->sealed || !inner || inner->kind != STMT_LOOP || inner->before.list.count || !is_plain(s) || !is_plain(inner))
        return;
    int64_t size = inner->loop->end;
    Collapse c = { .lower = lower, .outer = formula_counter(lower, s->loop),
                   .inner = formula_counter(lower, inner->loop), .size = size, .fits = true };
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    formula_epoch(lower);
    check_block(&c, &inner->body);
    if (c.fits) {
        s->loop = loop_counted(lower, s->loop->depth, 0, s->loop->end * size, 1);
        s->body = inner->body;
        c.flat = formula_counter(lower, s->loop);
        Rewriter r = rewriter_new(lower, flatten, &c);
        substitute_block(&r, &s->body);
    }
    arena_release(lower->ctx->scratch, mark);
}

/* ---- how much is done ------------------------------------------------------------------------------------------ */
typedef Vec(const Formula *) Formulas;

static void meet(Lowering *lower, Formulas *pending, const Formula *f)
{
    if (!f || lower->mark[f->id] == lower->epoch)
        return;
    lower->mark[f->id] = lower->epoch;
    vec_push(lower->ctx->scratch, pending, f);
}

static bool is_costly_call(const Formula *f) { return f->kind == FORMULA_CALL && !cost_is_cheap_call(f->callee); }

/* Of what was not met yet. */
static double formula_work(Lowering *lower, const Formula *root, bool calls_alone)
{
    Formulas pending = { 0 };
    double work = 0;
    meet(lower, &pending, root);
    while (pending.count) {
        const Formula *f = pending.at[--pending.count];
        work += is_costly_call(f) ? CALL : f->elem == ELEM_INT || !f->arg_count || calls_alone ? 0 : 1;
        for (int k = 0; k < f->arg_count; k++)
            meet(lower, &pending, f->arg[k]);
    }
    return work;
}

static double block_work(Lowering *lower, const Block *block)
{
    double work = 0;
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        double times = s->kind == STMT_LOOP ? (double)loop_trips(s->loop) : 1;
        work += formula_work(lower, s->value, false) + (s->combine != COMBINE_SET);
        work += times * block_work(lower, &s->body);
        for (int b = 0; s->region && b < 2 && s->region->body[b]; b++)
            work += (double)s->region->most * s->region->body[b]->work;
    }
    return work;
}

/* Calls take longer than a chain of additions, which runs beside them. */
static bool block_calls(Lowering *lower, const Block *block)
{
    for (int k = 0; k < block->list.count; k++)
        if (formula_work(lower, block->list.at[k]->value, true))
            return true;
    return false;
}

/* ---- partial sums ---------------------------------------------------------------------------------------------- */
/* The loop without inner loops that assigns the scalar, and the assignment. */
static Stmt *find_assignment(Stmt *loop, const Scalar *scalar, Stmt **assign)
{
    for (int k = 0; k < loop->body.list.count; k++) {
        Stmt *s = loop->body.list.at[k];
        if (s->kind == STMT_ASSIGN && s->scalar == scalar) {
            *assign = s;
            return loop;
        }
        Stmt *found = s->kind == STMT_LOOP ? find_assignment(s, scalar, assign) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static bool has_loop(const Stmt *s)
{
    for (int k = 0; k < s->body.list.count; k++)
        if (s->body.list.at[k]->kind == STMT_LOOP)
            return true;
    return false;
}

/* Long loops are cut into lanes; short ones inside of others have a sum per trip. */
static int64_t lanes_for(Lowering *lower, const Stmt *holder, const Stmt *loop)
{
    int64_t trips = loop_trips(loop->loop);
    if (loop->loop->step != 1 || loop->sealed || loop->from || loop->to || has_loop(loop))
        return 0;
    formula_epoch(lower);
    if (block_calls(lower, &loop->body))
        return 0;
    formula_epoch(lower);
    if (SHARE * loop_trips(holder->loop) * block_work(lower, &holder->body) < lower->work)
        return 0;
    return trips >= LONG ? LANES : loop != holder && trips >= LANES_FROM && loop->loop->begin == 0 ? trips : 0;
}

/* ((p0 + p4) + (p2 + p6)) + ((p1 + p5) + (p3 + p7)): halves first. */
static const Formula *combine_lanes(Lowering *lower, const Buffer *lanes, FormulaKind kind, int64_t from, int64_t step)
{
    if (from + step >= lanes->size)
        return formula_load(lower, lanes, formula_int(lower, from));
    return formula_binary(lower, kind, combine_lanes(lower, lanes, kind, from, 2 * step),
                          combine_lanes(lower, lanes, kind, from + step, 2 * step));
}

/* The final value, after the loops: a scalar of the old name. */
static void declare_total(Lowering *lower, Block *after, const Buffer *lanes, Scalar *scalar, Combine combine,
                          int depth)
{
    if (combine == COMBINE_ADD || combine == COMBINE_MUL) {
        scalar->is_mutable = false;
        FormulaKind kind = combine == COMBINE_ADD ? FORMULA_ADD : FORMULA_MUL;
        block_push(lower, after, lower_declare(lower, scalar, combine_lanes(lower, lanes, kind, 0, 1)));
        return;
    }
    Stmt *loop = lower_loop(lower, loop_counted(lower, depth, 1, lanes->size, 1));
    const Formula *lane = formula_load(lower, lanes, formula_counter(lower, loop->loop));
    block_push(lower, &loop->before, lower_declare(lower, scalar, formula_load(lower, lanes, formula_int(lower, 0))));
    block_push(lower, &loop->body, lower_assign(lower, scalar, combine, lane));
    block_push(lower, after, loop);
}

/* The scalar of a DECLARE before `holder` becomes lanes. */
static bool to_lanes(Lowering *lower, Stmt *holder, Stmt **declare, Block *after)
{
    Stmt *assign = NULL, *start = *declare, *loop = find_assignment(holder, start->scalar, &assign);
    int64_t count = loop ? lanes_for(lower, holder, loop) : 0;
    if (!count)
        return false;
    int depth = holder->loop->depth;
    Buffer *lanes = lower_temp(lower, start->scalar->elem, count, start->scalar->node);
    lanes->place = PLACE_STACK;
    lanes->is_partial = true;
    lanes->loops = start->scalar->loops;
    *declare = NEW(lower->arena, Stmt);
    **declare = (Stmt){ .kind = STMT_ARRAY, .buffer = lanes, .value = start->value };
    *assign = *lower_store(lower, lanes, formula_counter(lower, loop->loop), assign->combine, assign->value);
    assign->lanes = true;
    loop->lanes = count == LANES && loop_trips(loop->loop) >= LONG;
    declare_total(lower, after, lanes, start->scalar, assign->combine, depth);
    return true;
}

/* ---- cutting a loop into lanes --------------------------------------------------------------------------------- */
/* Whole groups of LANES trips, then what is left; lane k sums trips k, k + LANES, .. */
static void cut_loop(Lowering *lower, Stmt *s, Block *out)
{
    const Loop *l = s->loop;
    int64_t whole = l->begin + loop_trips(l) / LANES * LANES;
    const Formula *counter = formula_counter(lower, l);
    Stmt *main = lower_loop(lower, loop_counted(lower, l->depth, l->begin, whole, LANES));
    Stmt *lane = lower_loop(lower, loop_counted(lower, l->depth + 1, 0, LANES, 1));
    const Formula *in_lane = formula_counter(lower, lane->loop);
    main->before = s->before;
    main->nodes = s->nodes;
    copy_trip(lower, &s->body, counter, index_add(lower, formula_counter(lower, main->loop), in_lane), in_lane, &lane->body);
    block_push(lower, &main->body, lane);
    block_push(lower, out, main);
    if (whole == l->end)
        return;
    Stmt *tail = lower_loop(lower, loop_counted(lower, l->depth, whole, l->end, 1));
    const Formula *at = formula_counter(lower, tail->loop);
    copy_trip(lower, &s->body, counter, at, index_shift(lower, at, -whole), l->end - whole == 1 ? out : &tail->body);
    if (l->end - whole > 1)
        block_push(lower, out, tail);
}

static void push_loop(Lowering *lower, Stmt *s, Block *out)
{
    Block ranges = { { 0 } };
    cut_ranges(lower, s, &ranges);
    for (int k = 0; k < ranges.list.count; k++)
        if (ranges.list.at[k]->lanes && ranges.list.at[k]->kind == STMT_LOOP)
            cut_loop(lower, ranges.list.at[k], out);
        else
            block_push(lower, out, ranges.list.at[k]);
}

static void strip_block(Lowering *lower, Block *block)
{
    Block out = { { 0 } };
    for (int k = 0; k < block->list.count; k++) {
        Stmt *s = block->list.at[k];
        Block after = { { 0 } };
        for (int i = 0; s->kind == STMT_LOOP && i < s->before.list.count; i++)
            if (s->before.list.at[i]->kind == STMT_DECLARE)
                to_lanes(lower, s, &s->before.list.at[i], &after);
        strip_block(lower, &s->body);
        if (s->kind == STMT_LOOP)
            push_loop(lower, s, &out);
        else
            block_push(lower, &out, s);
        for (int i = 0; i < after.list.count; i++)
            block_push(lower, &out, after.list.at[i]);
    }
    *block = out;
}

void strip_loops(Lowering *lower)
{
    Block *body = &lower->function->body;
    if (lower->ctx->options.level == 0)
        return;
    for (int k = 0; k < body->list.count; k++)
        if (body->list.at[k]->kind == STMT_LOOP)
            collapse(lower, body->list.at[k]);
    formula_epoch(lower);
    lower->work = block_work(lower, body);
    strip_block(lower, body);
}
