/* coalesce.c: two variables, one of which is copied to the other, become one where nothing can tell them apart.
 *
 * A body hands over its results by copies: r = r2 at the end of a branch in a branch, s2 = s before an inner loop and s = s2
 * after it.  Who writes such code by hand has one variable, and so has the program after this: the copy goes, and the
 * inner variable is another name for the outer one (Scalar.version_of, as buffers have it).
 *
 * Everything is looked at as a row of events: reads and writes of variables, numbered in the order of the text, each in
 * its frame: the body of the function, of a loop, or one side of a branch.  Copies are tried one after the other; what
 * has become one has the events of both. */
#include "loop.h"

enum {
    EVENTS_MOST = 1000,                                     /* of both; more: they stay two */
    RETRIED_MOST = 1000                                     /* copies of a function */
};

typedef struct Frame {
    const struct Frame *around;
    const Stmt *stmt;                                       /* whose body it is, in the frame around */
    int depth;
    bool repeats;                                           /* a loop's */
    Vec(int) breaks;                                        /* events at which it may be left */
} Frame;

typedef struct { int at; const Frame *frame; } Event;

typedef struct {                                            /* of a variable, and of all that have become one with it */
    Stmt *declared;
    const Frame *home;
    int begin, end;                                         /* the events of its declaration, and the last one */
    bool is_split;                                          /* declared in two places */
    Vec(Event) reads, writes;
} Life;

typedef struct { Stmt *stmt; const Frame *frame; int at; } Copy;

typedef struct {
    Context *ctx;
    Map *lives;                                             /* Scalar -> Life */
    Vec(Copy) copies;
    int now;
    bool *bound;                                            /* by formula id of the lowering at hand: a LET is in force */
} Coalesce;

Scalar *scalar_storage(const Scalar *s)
{
    while (s->version_of)
        s = s->version_of;
    return (Scalar *)(uintptr_t)s;
}

static Life *life_of(const Coalesce *c, const Scalar *s) { return map_get(c->lives, s); }

/* ---- events ------------------------------------------------------------------------------------------------------ */
static void note_read(Coalesce *c, const Frame *frame, Life *life)
{
    life->end = c->now;
    vec_push(c->ctx->scratch, &life->reads, ((Event){ c->now, frame }));
}

static void note_formula(Coalesce *c, const Frame *frame, const Formula *f)
{
    if (!f || c->bound[f->id])
        return;
    if (f->kind == FORMULA_SCALAR && life_of(c, f->scalar))
        note_read(c, frame, life_of(c, f->scalar));
    for (int k = 0; k < f->arg_count; k++)
        note_formula(c, frame, f->arg[k]);
    for (int k = 0; k < f->term_count; k++)
        note_formula(c, frame, f->terms[k].atom);
}

/* The variable whose value it sets another to, as it is; NULL: none. */
static Scalar *copied(const Coalesce *c, const Stmt *s)
{
    bool sets = s->kind == STMT_DECLARE || (s->kind == STMT_ASSIGN && s->combine == COMBINE_SET);
    bool plain = sets && s->value && s->value->kind == FORMULA_SCALAR && life_of(c, s->value->scalar);
    return plain ? (Scalar *)(uintptr_t)s->value->scalar : NULL;
}

static void note_declaration(Coalesce *c, const Frame *frame, Stmt *s)
{
    Life *life = life_of(c, s->scalar);
    if (life) {
        life->is_split = true;
        return;
    }
    life = NEW(c->ctx->scratch, Life);
    *life = (Life){ .declared = s, .home = frame, .begin = c->now + 1, .end = c->now + 1 };
    map_put(c->lives, s->scalar, life);
}

static void note_variable(Coalesce *c, const Frame *frame, Stmt *s)
{
    if (s->kind == STMT_DECLARE && s->scalar->is_mutable)
        note_declaration(c, frame, s);
    Life *life = life_of(c, s->scalar);
    if (!life || !s->value)
        return;
    if (copied(c, s))
        vec_push(c->ctx->scratch, &c->copies, ((Copy){ s, frame, c->now }));
    if (s->kind == STMT_ASSIGN && s->combine != COMBINE_SET)
        note_read(c, frame, life);
    life->end = c->now + 1;
    vec_push(c->ctx->scratch, &life->writes, ((Event){ life->end, frame }));
}

static void note_block(Coalesce *c, Frame *frame, const Block *block);

static Frame *frame_new(Coalesce *c, const Frame *around, const Stmt *s, bool repeats)
{
    Frame *frame = NEW(c->ctx->scratch, Frame);
    *frame = (Frame){ .around = around, .stmt = s, .depth = around ? around->depth + 1 : 0, .repeats = repeats };
    return frame;
}

/* The body's formulas are others than those around. */
static void note_body(Coalesce *c, Frame *frame, const Lowering *body)
{
    bool *bound = c->bound;
    c->bound = NEW_ARRAY(c->ctx->scratch, bool, body->formula_count + 1);
    note_block(c, frame, &body->function->body);
    c->bound = bound;
}

static void note_stmt(Coalesce *c, Frame *frame, Stmt *s)
{
    for (int k = 0; k < s->before.list.count; k++)
        note_stmt(c, frame, s->before.list.at[k]);
    const Formula *const seen[] = { s->index, s->value, s->from, s->to, s->region ? s->region->trips : NULL,
                                    s->region ? s->region->condition : NULL };
    c->now += 2;
    for (size_t k = 0; k < sizeof seen / sizeof *seen; k++)
        note_formula(c, frame, seen[k]);
    if (s->scalar)
        note_variable(c, frame, s);
    if (s->kind == STMT_BREAK)
        vec_push(c->ctx->scratch, &frame->breaks, c->now);
    if (s->kind == STMT_LOOP)
        note_block(c, frame_new(c, frame, s, true), &s->body);
    for (int side = 0; s->region && side < 2 && s->region->body[side]; side++)
        note_body(c, frame_new(c, frame, s, s->region->counter != NULL), s->region->body[side]);
}

static void note_block(Coalesce *c, Frame *frame, const Block *block)
{
    for (int k = 0; k < block->list.count; k++) {
        note_stmt(c, frame, block->list.at[k]);
        if (block->list.at[k]->kind == STMT_LET)
            c->bound[block->list.at[k]->value->id] = true;
    }
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LET)
            c->bound[block->list.at[k]->value->id] = false;
}

/* ---- may they be one? -------------------------------------------------------------------------------------------- */
/* Within one run of `home`, which is around both: may this write happen before that read? */
static bool may_precede(const Event *write, const Event *read, const Frame *home)
{
    const Frame *w = write->frame, *r = read->frame;
    bool apart = false;                                     /* on the two sides of a branch */
    while (w != r) {
        const Frame *inner_w = w, *inner_r = r;
        if (inner_w->depth >= inner_r->depth)
            w = w->around;
        if (inner_r->depth >= inner_w->depth)
            r = r->around;
        apart = w == r && inner_w->depth == inner_r->depth && inner_w->stmt == inner_r->stmt;
    }
    for (const Frame *f = w; f != home; f = f->around)
        if (f->repeats)
            return true;
    return write->at < read->at && !apart;
}

static bool leaves_between(const Frame *frame, int begin, int end)
{
    for (int k = 0; k < frame->breaks.count; k++)
        if (frame->breaks.at[k] > begin && frame->breaks.at[k] < end)
            return true;
    return false;
}

/* From y's declaration to `end` nothing changes x, and nothing asks for it when y may have another value. */
static bool is_done_with(const Life *x, const Life *y, int end, bool begins_equal)
{
    for (int k = 0; k < x->writes.count; k++)
        if (x->writes.at[k].at > y->begin && x->writes.at[k].at < end)
            return false;
    for (int k = 0; k < x->reads.count; k++) {
        const Event *read = &x->reads.at[k];
        if (read->at < y->begin || read->at > end)
            continue;
        for (int i = 0; i < y->writes.count; i++)
            if (!(begins_equal && y->writes.at[i].at == y->begin) && may_precede(&y->writes.at[i], read, y->home))
                return false;
    }
    return true;
}

static void join(Coalesce *c, Scalar *x, Scalar *y)
{
    Life *of_x = life_of(c, x), *of_y = life_of(c, y);
    y->version_of = x;
    of_x->end = of_y->end > of_x->end ? of_y->end : of_x->end;
    for (int k = 0; k < of_y->reads.count; k++)
        vec_push(c->ctx->scratch, &of_x->reads, of_y->reads.at[k]);
    for (int k = 0; k < of_y->writes.count; k++)
        vec_push(c->ctx->scratch, &of_x->writes, of_y->writes.at[k]);
}

/* The first variable of a copy goes on as the second where it is over; or the second ends as the first, declared around it. */
static bool try_copy(Coalesce *c, const Copy *copy)
{
    Scalar *to = scalar_storage(copy->stmt->scalar), *from = scalar_storage(copied(c, copy->stmt));
    const Life *of_to = life_of(c, to), *of_from = life_of(c, from);
    int events = of_to->reads.count + of_to->writes.count + of_from->reads.count + of_from->writes.count;
    if (to == from || to->elem != from->elem || of_to->is_split || of_from->is_split || events > EVENTS_MOST)
        return false;
    if (of_from->home == of_to->home && of_from->begin < of_to->begin
        && is_done_with(of_from, of_to, c->now + 2, copy->at + 1 == of_to->begin)) {
        join(c, from, to);
        return true;
    }
    const Scalar *first = copied(c, of_from->declared);
    bool ends = of_from->home == copy->frame && of_to->begin < of_from->begin && of_from->end <= copy->at
        && !leaves_between(copy->frame, of_from->begin, copy->at)
        && is_done_with(of_to, of_from, copy->at, first && scalar_storage(first) == to);
    if (ends)
        join(c, to, from);
    return ends;
}

/* In the order of the text, so that inner variables become one before outer ones; what has become one is tried again with
 * the copies before. */
static void try_copies(Coalesce *c)
{
    for (int k = 0; k < c->copies.count; k++) {
        if (!try_copy(c, &c->copies.at[k]) || c->copies.count > RETRIED_MOST)
            continue;
        const Scalar *one = scalar_storage(c->copies.at[k].stmt->scalar);
        for (int i = 0; i < k; i++) {
            const Stmt *s = c->copies.at[i].stmt;
            bool concerns = scalar_storage(s->scalar) == one || scalar_storage(copied(c, s)) == one;
            if (concerns && try_copy(c, &c->copies.at[i]))
                i = -1;
        }
    }
}

/* ---- what is left ------------------------------------------------------------------------------------------------ */
static bool copies_itself(const Stmt *s)
{
    bool sets = s->kind == STMT_DECLARE || (s->kind == STMT_ASSIGN && s->combine == COMBINE_SET);
    return sets && s->value && s->value->kind == FORMULA_SCALAR
        && scalar_storage(s->value->scalar) == scalar_storage(s->scalar);
}

static bool is_empty_branch(const Stmt *s)
{
    return s->region && !s->region->counter && !s->region->body[0]->function->body.list.count
        && !s->region->body[1]->function->body.list.count;
}

static void drop_copies(Block *block)
{
    int n = 0;
    for (int k = 0; k < block->list.count; k++) {
        Stmt *s = block->list.at[k];
        drop_copies(&s->before);
        drop_copies(&s->body);
        for (int side = 0; s->region && side < 2 && s->region->body[side]; side++)
            drop_copies(&s->region->body[side]->function->body);
        bool is_version = s->kind == STMT_DECLARE && s->scalar->version_of;
        if (copies_itself(s) || (is_version && !s->value) || (is_empty_branch(s) && !s->before.list.count))
            continue;
        if (is_version)
            s->kind = STMT_ASSIGN;
        block->list.at[n++] = s;
    }
    block->list.count = n;
}

void coalesce_scalars(Lowering *lower)
{
    Context *ctx = lower->ctx;
    ArenaMark mark = arena_mark(ctx->scratch);
    Coalesce c = { .ctx = ctx, .lives = map_new(ctx->scratch) };
    note_body(&c, frame_new(&c, NULL, NULL, false), lower);
    try_copies(&c);
    if (c.copies.count)
        drop_copies(&lower->function->body);
    arena_release(ctx->scratch, mark);
}
