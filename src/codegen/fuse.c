/* fuse.c: puts every new nest into the function: into a loop that is there already where that is legal and pays, else
 * at the end.
 *
 * Invariant: a statement comes after every statement that writes what it reads, and is inside a loop with one of them
 * only if both touch, in each trip, elements that no other trip touches.  Buffers are written before they are read and
 * never again, so only this kind of dependence exists.  Positions only grow at the end, which makes them times. */
#include <string.h>

#include "loop.h"

enum {
    LOOK_BACK = 16,                                         /* loops that are tried for a nest that depends on none */
    STORES_MAX = 64, STORES_SHARED = 8                      /* in one fused nest; in one without a dependence */
};

/* ---- what a nest reads ----------------------------------------------------------------------------------------- */
typedef struct { Buffer *buffer; const Formula *index; } Access;

typedef struct {
    Lowering *lower;
    const Node *node;
    Vec(Access) reads;
    Vec(const Formula *) pending;                           /* of the walk */
    int ready;                                              /* must come after this top-level statement */
    Path at;                                                /* where the list that is looked at is: LOOP_DEPTH_MAX long */
} Placing;

static void add_read(Placing *p, const Buffer *buffer, const Formula *index)
{
    vec_push(p->lower->ctx->scratch, &p->reads, ((Access){ (Buffer *)(uintptr_t)buffer, index }));
}

static void visit(Placing *p, const Formula *f)
{
    if (p->lower->mark[f->id] == p->lower->epoch)
        return;
    p->lower->mark[f->id] = p->lower->epoch;
    vec_push(p->lower->ctx->scratch, &p->pending, f);
}

/* What has no counters was complete when it was made: `ready` tells; the others are searched for loads. */
static void read_formula(Placing *p, const Formula *root)
{
    if (!root)
        return;
    visit(p, root);
    while (p->pending.count) {
        const Formula *f = p->pending.at[--p->pending.count];
        if (!f->loops) {
            p->ready = f->ready > p->ready ? f->ready : p->ready;
            continue;
        }
        if (f->kind == FORMULA_LOAD)
            add_read(p, f->buffer, f->arg[0]);
        for (int k = 0; k < f->arg_count; k++)
            visit(p, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            visit(p, f->terms[k].atom);
    }
}

/* Nests are as deep as a type has axes, so this may recurse. */
static void read_stmt(Placing *p, const Stmt *s)
{
    read_formula(p, s->value);
    read_formula(p, s->index);
    read_formula(p, s->from);
    read_formula(p, s->to);
    if (s->kind == STMT_STORE)                              /* combining reads; and stores stay in order */
        add_read(p, s->buffer, s->index);
    for (int k = 0; k < s->body.list.count; k++)
        read_stmt(p, s->body.list.at[k]);
}

/* ---- whether one trip is enough -------------------------------------------------------------------------------- */
typedef struct { int64_t low, high, step; } Span_of;        /* what an index adds to the parts that are shared */

/* The index without the counters of the loops down to `depth`; false if the two disagree about those. */
static bool same_outside(const Formula *a, const Formula *b, int depth, Span_of *span)
{
    const Formula *both[2] = { a, b };
    int64_t constants[2];
    for (int side = 0; side < 2; side++) {
        Term single;
        const Term *terms = NULL;
        int count = index_terms(both[side], &single, &terms, &constants[side]);
        int64_t low = constants[side], high = constants[side];
        for (int k = 0; k < count; k++) {
            const Formula *atom = terms[k].atom;
            int64_t factor = terms[k].factor;
            if (!atom->loops) {                             /* the same in all trips */
                if (index_factor(both[1 - side], atom) != factor)
                    return false;
                continue;
            }
            if (atom->kind == FORMULA_COUNTER && atom->loop->depth <= depth) {
                if (index_factor(both[1 - side], atom) != factor)
                    return false;
                continue;
            }
            low += factor > 0 ? factor * atom->low : factor * atom->high;
            high += factor > 0 ? factor * atom->high : factor * atom->low;
            span->step = index_gcd(span->step, factor);
        }
        span->low = low < span->low ? low : span->low;
        span->high = high > span->high ? high : span->high;
    }
    span->step = index_gcd(span->step, constants[0] - constants[1]);
    return true;
}

bool fuse_aligned(const Formula *write, const Formula *read, const Formula *counter)
{
    Span_of span = { INT64_MAX, INT64_MIN, 0 };
    int64_t factor = index_factor(write, counter);
    if (factor < 0)
        factor = -factor;
    if (factor == 0 || !same_outside(write, read, counter->loop->depth, &span))
        return false;
    return span.high - span.low < factor                    /* trips touch blocks one after the other */
        || (span.step && factor * counter->high < span.step);   /* or elements of every block in turn */
}

/* ---- positions ------------------------------------------------------------------------------------------------- */
static bool inside(const Path *list, const Path *write)
{
    if (write->count <= list->count)
        return false;
    for (int k = 0; k < list->count; k++)
        if (write->at[k] != list->at[k])
            return false;
    return true;
}

/* The last statement of this list that writes what the nest reads; -1: none. */
static int last_writer(const Placing *p)
{
    int last = p->at.count == 0 ? p->ready : -1;
    for (int r = 0; r < p->reads.count; r++) {
        const Buffer *b = p->reads.at[r].buffer;
        for (int k = 0; k < b->writes.count; k++) {
            const Path *w = &b->writes.at[k].path;
            if (inside(&p->at, w) && w->at[p->at.count] > last)
                last = w->at[p->at.count];
        }
    }
    return last;
}

static bool all_aligned(const Placing *p, int position, const Formula *counter)
{
    if (p->at.count == 0 && position <= p->ready)
        return false;
    for (int r = 0; r < p->reads.count; r++) {
        const Access *read = &p->reads.at[r];
        for (int k = 0; k < read->buffer->writes.count; k++) {
            const Write *w = &read->buffer->writes.at[k];
            if (inside(&p->at, &w->path) && w->path.at[p->at.count] == position
                && !fuse_aligned(w->index, read->index, counter))
                return false;
        }
    }
    return true;
}

/* ---- which loops go together ----------------------------------------------------------------------------------- */
static const Stmt *only_loop_inside(const Stmt *s)
{
    return s->body.list.count == 1 && s->body.list.at[0]->kind == STMT_LOOP ? s->body.list.at[0] : NULL;
}

/* Without a dependence, fusing pays only if all loops are shared. */
static bool same_shape(const Stmt *a, const Stmt *b)
{
    while (a && b && a->loop == b->loop) {
        const Stmt *inner_a = NULL, *inner_b = only_loop_inside(b);
        for (int k = 0; k < a->body.list.count; k++)
            if (a->body.list.at[k]->kind == STMT_LOOP)
                inner_a = a->body.list.at[k];
        if (!inner_a && !inner_b)
            return true;
        a = inner_a;
        b = inner_b;
    }
    return false;
}

static int choose_loop(const Placing *p, const Block *list, const Stmt *s, int last)
{
    const Formula *counter = formula_counter(p->lower, s->loop);
    if (p->lower->ctx->options.level == 0 || s->sealed)
        return -1;
    if (last >= 0 && last < list->list.count) {
        const Stmt *at = list->list.at[last];
        if (at->kind == STMT_LOOP && at->loop == s->loop && !at->sealed && at->stores < STORES_MAX
            && all_aligned(p, last, counter))
            return last;
    }
    for (int k = list->list.count - 1; k > last && k >= list->list.count - LOOK_BACK; k--) {
        const Stmt *at = list->list.at[k];
        if (at->kind == STMT_LOOP && at->loop == s->loop && !at->sealed && at->stores < STORES_SHARED
            && same_shape(at, s))
            return k;
    }
    return -1;
}

/* ---- placing --------------------------------------------------------------------------------------------------- */
static void add_write(Lowering *lower, Buffer *b, const Path *at, const Formula *index)
{
    Path path = { at->count, NEW_ARRAY(lower->arena, int, at->count) };
    memcpy(path.at, at->at, (size_t)at->count * sizeof *path.at);
    vec_push(lower->arena, &b->writes, ((Write){ path, index }));
}

static void record_writes(Placing *p, const Stmt *s)
{
    Path *at = &p->at;
    if (s->kind == STMT_STORE) {
        Buffer *b = s->buffer;
        Write *last = b->writes.count ? &b->writes.at[b->writes.count - 1] : NULL;
        if (last && last->path.count == 1 && at->count == 1)
            last->path.at[0] = at->at[0];                   /* alone at top level: only the time matters */
        else
            add_write(p->lower, b, at, s->index);
    }
    if (s->kind == STMT_ASSIGN)
        s->scalar->written = at->at[0] + 1;
    at->count++;
    for (int k = 0; k < s->body.list.count; k++) {
        at->at[at->count - 1] = k;
        record_writes(p, s->body.list.at[k]);
    }
    at->count--;
}

static void remember_node(Placing *p, Stmt *loop)
{
    for (int k = 0; p->node && k < loop->nodes.count; k++)
        if (loop->nodes.at[k] == p->node)
            return;
    if (p->node)
        vec_push(p->lower->arena, &loop->nodes, p->node);
}

static void place(Placing *p, Block *list, Stmt *s)
{
    Path *at = &p->at;
    int last = last_writer(p), into = s->kind == STMT_LOOP ? choose_loop(p, list, s, last) : -1;
    at->at[at->count++] = into >= 0 ? into : list->list.count;
    if (into < 0) {
        block_push(p->lower, list, s);
        record_writes(p, s);
    } else {
        Stmt *loop = list->list.at[into];
        for (int k = 0; k < s->before.list.count; k++)
            block_push(p->lower, &loop->before, s->before.list.at[k]);
        for (int k = 0; k < s->body.list.count; k++)
            place(p, &loop->body, s->body.list.at[k]);
        loop->stores++;
        s = loop;
    }
    at->count--;
    if (at->count == 0 && p->node)
        remember_node(p, s);
}

/* A region changes its buffers and scalars at its end: what reads them comes after it. */
void fuse_written(Lowering *lower, Buffer *b)
{
    int last = lower->function->body.list.count - 1;
    add_write(lower, b, &(Path){ 1, &last }, formula_int(lower, 0));
}

void fuse_region(Lowering *lower, Stmt *s)
{
    block_push(lower, &lower->function->body, s);
    int written = lower->function->body.list.count;
    for (int k = 0; k < s->region->writes.count; k++)
        fuse_written(lower, s->region->writes.at[k]);
    for (int k = 0; k < s->region->assigned.count; k++)
        s->region->assigned.at[k]->written = written;
    if (s->region->counter)
        s->region->counter->written = written;
}

void fuse_place(Lowering *lower, Stmt *s, const Node *node)
{
    int positions[LOOP_DEPTH_MAX];
    Placing p = { .lower = lower, .node = node, .ready = lower->barrier - 1, .at = { 0, positions } };
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    formula_epoch(lower);
    read_stmt(&p, s);
    place(&p, &lower->function->body, s);
    arena_release(lower->ctx->scratch, mark);
}
