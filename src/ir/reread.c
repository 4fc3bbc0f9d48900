/* reread.c: what a loop saves of an array that it carries is read from the array itself, where nothing writes there later.
 *
 * Reverse mode puts elements on the tape as they are read or written, trip by trip.  In a factorization or along a trajectory
 * they are still in their places when the loop ends, since every trip writes elsewhere: then the array after the loop is the
 * tape.  (Adjoint compilers call it to-be-recorded analysis, after Hascoet, Naumann, Pascual, "TBR analysis in reverse-mode
 * automatic differentiation", 2005; here it goes by elements.)
 *
 * A saved element is looked for in the chain of versions of the array, from the loop's next carry back to its param.  What is
 * written behind it in this trip, and everything that later trips write, must differ from it in some index, which affine.c
 * shows.  Indices out of range are limited to the array, so the two must be shown to be in it. */
#include "affine.h"
#include "graph.h"

#include <string.h>

enum {
    LEVELS = 8,                                             /* of loops one within the other */
    SUM_DEPTH = 24,                                         /* of additions in an index */
    STEPS = 1000 * 1000                                     /* in all */
};

/* A body that is looked into: params are what the region around gives them. */
typedef struct Frame {
    const struct Frame *outer;                              /* NULL: what is around is open, in terms of the function's nodes */
    const Node *region;
    int side;
    Affine index;                                           /* of a loop */
    const Symbol *counter;                                  /* whose trip it is */
} Frame;

/* Where the elements of a loop nest's tape are in an array after the outermost loop. */
typedef struct {
    Node *array;                                            /* NULL: nowhere */
    int levels, index_count;
    const Symbol *counter[LEVELS];
    Affine index[RANK_MAX];
} View;

/* A tape of which some axes are indexed. */
typedef struct { const View *view; int count; Affine at[LEVELS]; Node *node[LEVELS]; } Part;

typedef struct {
    Context *ctx;
    Map *symbols;                                           /* node -> Symbol, outside of frames */
    Map *views;                                             /* tape -> View */
    Map *taped;                                             /* array -> elements of all tapes that are in it, as far as known */
    Map *parts;                                             /* node -> Part */
    int orders, steps;
    bool found;                                             /* anything that is read again */
} Reread;

/* ---- ints ---------------------------------------------------------------------------------------------------------- */
static Symbol *symbol_new(Reread *r, Node *node)
{
    Symbol *s = NEW(r->ctx->arena, Symbol);
    *s = (Symbol){ .order = ++r->orders, .node = node };
    return s;
}

static Affine free_value(Reread *r, Node *n)
{
    Symbol *s = map_get(r->symbols, n);
    if (!s)
        map_put(r->symbols, n, s = symbol_new(r, n));
    return affine_symbol(s);
}

static int place_of_param(const Frame *f, const Node *n)
{
    const Fn *body = f->region->body[f->side];
    for (int k = 0; k < body->params.count; k++)
        if (body->params.at[k].node == n)
            return k;
    return -1;
}

/* What a capture is in the frame around; NULL: it is the body's own. */
static Node *captured(const Frame *f, const Node *param)
{
    int place = place_of_param(f, param), own = region_own_count(f->region);
    return place < own ? NULL : f->region->operands[region_leading_count(f->region) + place - own];
}

static bool affine_of(Reread *, const Frame *, Node *, int depth, Affine *out);

static bool affine_of_param(Reread *r, const Frame *f, Node *n, int depth, Affine *out)
{
    Node *around = captured(f, n);
    if (around)
        return affine_of(r, f->outer, around, depth, out);
    *out = f->index;
    return f->region->op != OP_branch && place_of_param(f, n) == 0;
}

static bool affine_of_sum(Reread *r, const Frame *f, Node *n, int depth, Affine *out)
{
    Affine x, w = affine_number(0);
    if (!affine_of(r, f, n->operands[0], depth - 1, &x) || (n->operand_count > 1 && !affine_of(r, f, n->operands[1], depth - 1, &w)))
        return false;
    *out = affine_number(0);
    switch (n->op) {
    case OP_add: return affine_add(out, &x, 1) && affine_add(out, &w, 1);
    case OP_sub: return affine_add(out, &x, 1) && affine_add(out, &w, -1);
    case OP_neg: return affine_add(out, &x, -1);
    default:
        return x.count == 0 ? affine_add(out, &w, x.constant) : w.count == 0 && affine_add(out, &x, w.constant);
    }
}

/* n within the frame, for all of its elements. */
static bool affine_of(Reread *r, const Frame *f, Node *n, int depth, Affine *out)
{
    double value;
    if (depth == 0 || r->steps-- < 0)
        return false;
    if (node_is_fill(n, &value)) {
        *out = affine_number((int64_t)value);
        return true;
    }
    if (n->op == OP_expand)
        return affine_of(r, f, n->operands[0], depth, out);
    if (n->op == OP_param && f)
        return affine_of_param(r, f, n, depth, out);
    if (n->op == OP_add || n->op == OP_sub || n->op == OP_neg || n->op == OP_mul)
        return affine_of_sum(r, f, n, depth, out);
    if (f || !node_is_scalar(n))
        return false;
    *out = free_value(r, n);
    return true;
}

/* The counter of a loop over these operands, which are in the frame. */
static Symbol *counter_of(Reread *r, const Frame *around, const Node *loop, Node *const *operands)
{
    Affine trips, last = affine_number(-1);
    Symbol *s = symbol_new(r, NULL);
    s->counts = true;
    s->most = loop->attr[0] - 1;
    s->has_last = loop->op == OP_loop && affine_of(r, around, operands[0], SUM_DEPTH, &trips) && affine_add(&last, &trips, 1);
    s->last = last;
    return s;
}

static Frame frame_of(Reread *r, const Frame *outer, const Node *region, int side)
{
    Frame f = { .outer = outer, .region = region, .side = side };
    if (region->op != OP_branch) {
        f.counter = counter_of(r, outer, region, region->operands);
        f.index = affine_symbol(f.counter);
    }
    return f;
}

/* Any later trip of the same loop. */
static bool later(Reread *r, const Frame *f, Frame *out)
{
    Symbol *more = symbol_new(r, NULL);
    Affine one = affine_number(1), step = affine_symbol(more);
    more->counts = true;
    more->most = f->counter->most - 1;
    more->last = affine_number(-1);
    more->has_last = f->counter->has_last && affine_add(&more->last, &f->counter->last, 1) && affine_add(&more->last, &f->index, -1);
    *out = *f;
    return affine_add(&out->index, &one, 1) && affine_add(&out->index, &step, 1);
}

/* ---- what is written ----------------------------------------------------------------------------------------------- */
typedef struct {
    Reread *r;
    const Frame *frame;                                     /* of the saved element's indices */
    Node *const *index;
    int count;
} Element;

/* x is larger than w, and both are in an axis of this size. */
static bool is_larger(const Affine *x, const Affine *w, int64_t size)
{
    Affine above = *x, room = affine_number(size - 1);
    return affine_add(&above, w, -1) && affine_at_least(&above, 1) && affine_at_least(w, 0)
        && affine_add(&room, x, -1) && affine_at_least(&room, 0);
}

static bool is_elsewhere(const Element *e, const Frame *f, const Node *write)
{
    for (int k = 0; k < e->count && k + 2 < write->operand_count; k++) {
        Affine read, written;
        int64_t size = type_size(write->type, k);
        if (affine_of(e->r, e->frame, e->index[k], SUM_DEPTH, &read) && affine_of(e->r, f, write->operands[k + 2], SUM_DEPTH, &written)
            && (is_larger(&read, &written, size) || is_larger(&written, &read, size)))
            return true;
    }
    return false;
}

static Node *walk(const Element *, const Frame *, Node *n, const Node *until, bool *met);

/* The version before a region that changes the array; NULL: it does more than that, or writes to the element. */
static Node *walk_region(const Element *e, const Frame *f, const Node *result)
{
    const Node *region = result->operands[0];
    int k = (int)result->attr[0], first = region->op == OP_while_loop;
    Node *before = NULL;
    if (region->op != OP_branch) {
        Frame inner = frame_of(e->r, f, region, 0);
        bool is_carry = k < region->attr[1];
        Node *param = is_carry ? walk(e, &inner, region->body[0]->results.at[first + k].node, NULL, NULL) : NULL;
        return param && place_of_param(&inner, param) == 1 + k ? region->operands[!first + k] : NULL;
    }
    for (int side = 0; side < 2; side++) {
        Frame inner = frame_of(e->r, f, region, side);
        Node *param = walk(e, &inner, region->body[side]->results.at[k].node, NULL, NULL);
        Node *around = param ? captured(&inner, param) : NULL;
        if (!around || (before && around != before))
            return NULL;
        before = around;
    }
    return before;
}

/* From a version of an array back to the param it is made of; NULL: something on the way writes to the element, or is no
 * write.  until: what has been written before this version does not matter; met: it is on the way. */
static Node *walk(const Element *e, const Frame *f, Node *n, const Node *until, bool *met)
{
    bool matters = true;
    while (n && n->op != OP_param) {
        if (e->r->steps-- < 0)
            return NULL;
        if (n == until)
            matters = false;
        Element none = { .r = e->r };
        if (n->op == OP_result)
            n = walk_region(matters ? e : &none, f, n);
        else if ((n->op == OP_index_set || n->op == OP_index_add) && (!matters || !e->frame || is_elsewhere(e, f, n)))
            n = n->operands[0];
        else
            n = NULL;
    }
    if (met)
        *met = !matters || n == until;
    return n;
}

/* ---- views --------------------------------------------------------------------------------------------------------- */
static Node *result_of(Context *ctx, const Node *region, int k)
{
    NodeSet *set = graph_record(ctx, NULL);                 /* it belongs to where the region is */
    Node *result = node_result(ctx, (Node *)(uintptr_t)region, k);
    graph_record(ctx, set);
    return result;
}

static Node *next_carry(const Frame *f, int k)
{
    return f->region->body[0]->results.at[(f->region->op == OP_while_loop) + k].node;
}

/* The carry of the frame's loop that `version` is a version of, if the element stays what it is from there to the end of the
 * loop; else -1. */
static int find_carry(const Element *e, const Frame *f, Node *version)
{
    Element none = { .r = e->r };
    Node *param = walk(&none, f, version, NULL, NULL);
    int k = param ? place_of_param(f, param) - 1 : -1;
    bool met = false;
    Frame trips;
    bool stays = k >= 0 && k < f->region->attr[1] && later(e->r, f, &trips)
        && walk(e, &trips, next_carry(f, k), NULL, NULL) == param
        && walk(e, f, next_carry(f, k), version, &met) == param && met;
    return stays ? k : -1;
}

static bool are_scalars(Node *const *index, int count)
{
    for (int k = 0; k < count; k++)
        if (!node_is_scalar(index[k]))
            return false;
    return count > 0;
}

/* NULL: it is the first, or from elsewhere. */
static Node *version_before(const Node *n)
{
    const Node *loop = n->op == OP_result && n->operands[0]->op != OP_branch ? n->operands[0] : NULL;
    if (loop && n->attr[0] < loop->attr[1])
        return loop->operands[(loop->op == OP_loop) + n->attr[0]];
    return n->op == OP_index_set || n->op == OP_index_add ? n->operands[0] : NULL;
}

/* The write that puts `value` into an array that the loop carries. */
static Node *find_write(Reread *r, const Frame *f, const Node *value)
{
    for (int k = 0; k < f->region->attr[1]; k++)
        for (Node *n = next_carry(f, k); n && r->steps-- > 0; n = version_before(n))
            if (n->op == OP_index_set && n->operands[1] == value && are_scalars(n->operands + 2, n->operand_count - 2))
                return n;
    return NULL;
}

/* frames: the loops from the outside in; value: what the innermost saves of a trip. */
static bool find_array(Reread *r, const Frame *frames, int levels, Node *value, View *v)
{
    bool is_read = value->op == OP_index && are_scalars(value->operands + 1, value->operand_count - 1);
    const Frame *f = &frames[levels - 1];
    Node *array = is_read ? value->operands[0] : find_write(r, f, value), *around;
    if (!array)
        return false;
    Element e = { r, f, is_read ? value->operands + 1 : array->operands + 2, is_read ? value->operand_count - 1 : array->operand_count - 2 };
    for (int k = 0; k < e.count; k++)
        if (!affine_of(r, f, e.index[k], SUM_DEPTH, &v->index[k]) || !affine_is_int(&v->index[k]))
            return false;
    v->index_count = e.count;
    for (int level = levels - 1; level >= 0; level--) {
        f = &frames[level];
        if (level > 0 && array->op == OP_param && (around = captured(f, array))) {
            array = around;
            continue;
        }
        int carry = find_carry(&e, f, array);
        if (carry < 0)
            return false;
        array = result_of(r->ctx, f->region, carry);
    }
    v->array = array;
    return true;
}

static bool is_stack(const Node *n)
{
    return n->op == OP_result && n->operands[0]->op == OP_loop && n->attr[0] >= n->operands[0]->attr[1];
}

static const View *find_view(Reread *r, Node *tape)
{
    View *v = map_get(r->views, tape);
    if (v)
        return v;
    map_put(r->views, tape, v = NEW(r->ctx->arena, View));
    Frame frames[LEVELS];
    Node *value = tape;
    for (; is_stack(value) && v->levels < LEVELS; v->levels++) {
        const Node *loop = value->operands[0];
        Frame *f = &frames[v->levels];
        *f = frame_of(r, v->levels ? f - 1 : NULL, loop, 0);
        v->counter[v->levels] = f->counter;
        value = loop->body[0]->results.at[value->attr[0]].node;
    }
    if (is_stack(value) || !find_array(r, frames, v->levels, value, v))
        return v;
    int64_t *taped = map_get(r->taped, v->array);
    if (!taped)
        map_put(r->taped, v->array, taped = NEW(r->ctx->arena, int64_t));
    *taped += tape->type->count;
    return v;
}

/* Else the array is the larger of the two. */
static bool is_worth_it(Reread *r, const View *v)
{
    return v->array && 5 * *(int64_t *)map_get(r->taped, v->array) >= 4 * v->array->type->count;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */
/* Is it a trip that was taken? */
static bool is_taken(const Part *p, int level, const Affine *at)
{
    const Symbol *s = p->view->counter[level];
    Affine left = s->last, room = affine_number(s->most);
    return s->has_last && affine_put(&left, p->view->counter, p->at, level) && affine_add(&left, at, -1) && affine_add(&room, at, -1)
        && affine_at_least(at, 0) && affine_at_least(&left, 0) && affine_at_least(&room, 0);
}

/* What x is of a tape that is in an array. */
static bool find_part(Reread *r, Node *x, Part *p)
{
    const Part *part = map_get(r->parts, x);
    *p = part ? *part : (Part){ .view = is_stack(x) ? find_view(r, x) : NULL };
    return p->view && is_worth_it(r, p->view);
}

/* The element of the array, as all axes of the tape are indexed; what follows are indices of a row. */
static Node *read_array(Context *ctx, const Part *p, Node *const *rest, int rest_count)
{
    Node *index[RANK_MAX];
    const View *v = p->view;
    for (int k = 0; k < v->index_count; k++)
        index[k] = affine_node(ctx, &v->index[k], v->counter, p->node, v->levels);
    if (rest_count)
        memcpy(index + v->index_count, rest, sizeof *rest * (size_t)rest_count);
    return node_index(ctx, v->array, v->index_count + rest_count, index);
}

static Node *read_again(Context *ctx, const Node *old, Node *const *operands, void *user)
{
    Reread *r = user;
    Node *n = node_replaced(ctx, old, operands);
    Part p;
    int used = 1;
    if (old->op != OP_index || !are_scalars(operands + 1, old->operand_count - 1) || !find_part(r, operands[0], &p))
        return n;
    for (; used < old->operand_count && p.count < p.view->levels; used++, p.count++) {
        p.node[p.count] = operands[used];
        if (!affine_of(r, NULL, operands[used], SUM_DEPTH, &p.at[p.count]) || !is_taken(&p, p.count, &p.at[p.count]))
            return n;
    }
    if (p.count == p.view->levels) {
        r->found = true;
        return read_array(ctx, &p, operands + used, old->operand_count - used);
    }
    map_put(r->parts, n, arena_copy(ctx->arena, &p, sizeof p));
    return n;
}

static void enter(Context *ctx, const Node *region, Node *const *operands, void *user)
{
    Reread *r = user;
    (void)ctx;
    for (int k = 0; k < region->operand_count; k++)
        if (is_stack(operands[k]))
            find_view(r, operands[k]);                      /* all of them, before it is asked which are worth it */
    if (region->op == OP_branch)
        return;
    Node *index = region->body[0]->params.at[0].node;
    Symbol *s = counter_of(r, NULL, region, operands);
    s->node = index;
    map_put(r->symbols, index, s);
}

Fn *fn_reread(Context *ctx, Fn *fn)
{
    Reread r = { .ctx = ctx, .symbols = map_new(ctx->arena), .views = map_new(ctx->arena), .parts = map_new(ctx->arena),
                 .taped = map_new(ctx->arena), .steps = STEPS };
    Fn *now = fn_rewrite_entering(ctx, fn, read_again, enter, &r);
    return r.found ? now : fn;
}
