/* region.c: loops and branches.  A body is lowered like a function, by a lowering of its own; what connects it with the
 * one around it are shared Scalars (the counter, carried scalars) and views: buffers that are buffers outside.
 *
 * Requires: the region's operands are lowered.  Leaves: one statement, and its values in the infos of their nodes. */
#include "loop.h"

#include <string.h>

/* ---- views and versions of buffers ------------------------------------------------------------------------------- */
static Buffer *same_memory(Lowering *lower, const Buffer *b)
{
    Buffer *v = NEW(lower->arena, Buffer);
    *v = (Buffer){ .kind = BUFFER_INPUT, .elem = b->elem, .id = lower->buffer_count++, .size = b->size, .node = b->node,
                   .holds_ints = b->holds_ints, .holds_bools = b->holds_bools };
    vec_push(lower->arena, &lower->function->views, v);
    return v;
}

Buffer *lower_view(Lowering *lower, Buffer *outer, const Formula *base)
{
    Buffer *v = same_memory(lower, outer);
    v->outer = outer;
    v->base = base;
    if (outer->base) {
        const Formula *first = region_import(lower, outer->base);
        v->base = base ? index_add(lower, first, base) : first;
    }
    outer->pinned = true;
    return v;
}

Buffer *lower_version(Lowering *lower, Buffer *b, bool overwritten)
{
    Buffer *v = same_memory(lower, b);
    v->version_of = b;
    v->base = b->base;
    v->overwritten = overwritten;
    b->overwritten = true;
    buffer_storage(b)->pinned = true;
    return v;
}

Buffer *buffer_storage(const Buffer *b)
{
    while (b->version_of)
        b = b->version_of;
    return (Buffer *)(uintptr_t)b;
}

/* ---- formulas of the lowering around ----------------------------------------------------------------------------- */
static bool is_affine_in_scalars(const Formula *f)
{
    for (int k = 0; k < f->term_count; k++)
        if (f->terms[k].atom->kind != FORMULA_SCALAR)
            return false;
    return f->kind == FORMULA_AFFINE;
}

/* One Scalar for a formula that can have a name; bind.c declares it. */
static const Formula *import_value(Lowering *inner, const Formula *f)
{
    Lowering *outer = inner->outer;
    if (!outer->captured)
        outer->captured = map_new(outer->arena);
    Scalar *s = map_get(outer->captured, f);
    if (!s) {
        s = lower_scalar(outer, f->elem, f->node, false);
        s->low = f->low;
        s->high = f->high;
        s->stands_for = f;
        map_put(outer->captured, f, s);
    }
    vec_push(outer->arena, &inner->region->captures, ((Capture){ s, f }));
    return formula_scalar(inner, s);
}

const Formula *region_import(Lowering *inner, const Formula *f)
{
    f = formula_assumed(inner->outer, f);
    if (f->kind == FORMULA_NUMBER && f->elem == ELEM_REAL)
        return formula_real(inner, f->number);
    if (f->kind == FORMULA_NUMBER)
        return f->elem == ELEM_INT ? formula_int(inner, f->integer) : formula_bool(inner, f->integer != 0);
    if (f->kind == FORMULA_SCALAR)
        return formula_scalar(inner, f->scalar);
    if (!is_affine_in_scalars(f))
        return import_value(inner, f);
    const Formula *sum = formula_int(inner, f->integer);
    for (int k = 0; k < f->term_count; k++) {
        const Formula *atom = formula_scalar(inner, f->terms[k].atom->scalar);
        sum = index_add(inner, sum, index_scale(inner, atom, f->terms[k].factor));
    }
    return sum;
}

/* ---- a body ------------------------------------------------------------------------------------------------------ */
typedef struct {
    Lowering *lower;
    const Fn *fn;
    NodeInfo **params, **roots;                             /* NULL: a param that is not read */
} Body;

/* Which results are asked for; the others are left out of the body. */
static Body body_new(Lowering *outer, Region *region, int side, const bool *wanted)
{
    Context *ctx = outer->ctx;
    const Fn *whole = region->node->body[side];
    Fn *fn = NEW(ctx->arena, Fn);
    Lowering *lower = NEW(ctx->arena, Lowering);
    *fn = *whole;
    memset(&fn->results, 0, sizeof fn->results);
    for (int k = 0; k < whole->results.count; k++)
        if (wanted[k])
            vec_push(ctx->arena, &fn->results, whole->results.at[k]);
    *lower = (Lowering){ .ctx = ctx, .arena = ctx->arena, .own = outer->own, .brief = outer->brief,
                         .program = outer->program, .fn = fn, .slot = outer->slot, .outer = outer, .region = region,
                         .function = NEW(ctx->arena, Function) };
    lower->function->fn = fn;
    lower->function->name = outer->function->name;
    lower->targets = NEW_ARRAY(ctx->arena, Target, fn->results.count + 1);
    region->body[side] = lower;
    Body b = { lower, fn, NEW_ARRAY(ctx->arena, NodeInfo *, fn->params.count + 1),
               NEW_ARRAY(ctx->arena, NodeInfo *, fn->results.count + 1) };
    lower_begin(lower);
    for (int k = 0; k < fn->params.count; k++)
        if (lower->slot[fn->params.at[k].node->id] >= 0)
            b.params[k] = info_of(lower, fn->params.at[k].node);
    for (int k = 0; k < fn->results.count; k++)
        b.roots[k] = info_of(lower, lower_result_root(fn->results.at[k].node));
    lower_swap_slots(lower);
    return b;
}

static void set_scalars(Body *b, int param, Scalar *const *scalars)
{
    NodeInfo *info = b->params[param];
    if (!info)
        return;
    info->mode = MODE_ELEMENTS;
    info->elements = NEW_ARRAY(b->lower->brief, const Formula *, info->node->type->count);
    for (int64_t k = 0; k < info->node->type->count; k++)
        info->elements[k] = formula_scalar(b->lower, scalars[k]);
}

static bool fits_scalars(const Body *b, int param, int result)
{
    const Type *t = b->fn->results.at[result].node->type;   /* the root may have axes of size 1 */
    bool read_apart = param < 0 || !b->params[param] || b->params[param]->only_elements || t->rank == 0;
    return t->rank == 0 || (t->count <= SMALL_COUNT && b->roots[result]->mode == MODE_ELEMENTS && read_apart);
}

/* ---- what goes in ------------------------------------------------------------------------------------------------ */
static void touch(Lowering *outer, Region *region, Buffer *b, bool writes)
{
    vec_push(outer->arena, &region->reads, b);
    if (writes)
        vec_push(outer->arena, &region->writes, b);
}

/* Where a piece of an array begins. */
static const Formula *begin_of(Lowering *outer, const Piece *p)
{
    const Formula *index[RANK_MAX], *begin = formula_int(outer, p->offset);
    if (!p->row)
        return p->offset ? begin : NULL;
    const Type *t = p->row->operands[0]->type;
    for (int k = 0; k < t->rank; k++)
        index[k] = k + 1 < p->row->operand_count
                 ? formula_clamp(outer, read_flat(outer, p->row->operands[k + 1], 0), type_size(t, k) - 1) : formula_int(outer, 0);
    return index_add(outer, index_flat(outer, t, index), begin);
}

/* The buffer that holds a tensor of the lowering around, from *begin on (NULL: 0); made if need be. */
static Buffer *buffer_of(Lowering *outer, const Node *x, const Formula **begin)
{
    Piece p = decide_piece(outer, x);
    NodeInfo *info = info_of(outer, x), *all = info_of(outer, p.whole);
    *begin = NULL;
    if (info->mode == MODE_INLINE && all->mode == MODE_BUFFER && all->buffer && p.whole->op != OP_constant) {
        *begin = begin_of(outer, &p);
        return all->buffer;
    }
    if (x->op == OP_result && info->buffer)                 /* also when it is read element by element */
        return info->buffer;
    if (info->mode != MODE_BUFFER || x->op == OP_constant) {
        Buffer *b = lower_temp(outer, x->type->elem, x->type->count, x);
        lower_copy(outer, x, b);
        info->mode = MODE_BUFFER;
        info->buffer = b;
    }
    return info->buffer;
}

/* Captures are prepared outside (`elements`, `buffers` by param), then bound inside. */
typedef struct { const Formula **elements; Buffer *buffer; const Formula *begin; } Outside;

static Outside prepare_capture(Lowering *outer, Region *region, const NodeInfo *param, const Node *x)
{
    Outside o = { NULL, NULL, NULL };
    NodeInfo *info = info_of(outer, x);
    if (x->type->rank == 0 || (info->mode == MODE_ELEMENTS && param->only_elements)) {
        o.elements = info->elements;
        return o;
    }
    o.buffer = buffer_of(outer, x, &o.begin);
    touch(outer, region, o.buffer, false);
    return o;
}

static void bind_capture(Body *b, int param, Outside o)
{
    NodeInfo *info = b->params[param];
    if (o.buffer) {
        info->mode = MODE_BUFFER;
        info->buffer = lower_view(b->lower, o.buffer, o.begin ? region_import(b->lower, o.begin) : NULL);
        return;
    }
    info->mode = MODE_ELEMENTS;
    info->elements = NEW_ARRAY(b->lower->brief, const Formula *, info->node->type->count);
    for (int64_t k = 0; k < info->node->type->count; k++)
        info->elements[k] = region_import(b->lower, o.elements[k]);
}

static Outside *prepare_captures(Lowering *outer, Region *region, const Body *b)
{
    int own = region_own_count(region->node), leading = region_leading_count(region->node);
    Outside *o = NEW_ARRAY(outer->arena, Outside, b->fn->params.count + 1);
    for (int k = own; k < b->fn->params.count; k++)
        if (b->params[k])
            o[k] = prepare_capture(outer, region, b->params[k], region->node->operands[leading + k - own]);
    return o;
}

static void bind_captures(Body *b, int own, const Outside *o)
{
    for (int k = own; k < b->fn->params.count; k++)
        if (b->params[k] && (o[k].buffer || o[k].elements))
            bind_capture(b, k, o[k]);
}

/* Mutable variables, one per element: x_0, x_1, ..; init NULL: not set yet. */
static Scalar **declare_scalars(Lowering *outer, Stmt *s, const Node *named, const Node *init, const Type *t)
{
    Scalar **scalars = NEW_ARRAY(outer->arena, Scalar *, t->count);
    for (int64_t k = 0; k < t->count; k++) {
        scalars[k] = lower_scalar(outer, t->elem, named, true);
        if (t->rank && named->origin.name)
            scalars[k]->hint = str_format(outer->ctx, "%.20s_%d", named->origin.name, (int)k);
        block_push(outer, &s->before, lower_declare(outer, scalars[k], init ? read_flat(outer, init, k) : NULL));
        vec_push(outer->arena, &s->region->assigned, scalars[k]);
    }
    return scalars;
}

/* ---- what comes out ---------------------------------------------------------------------------------------------- */
/* The memory of a value of a region, as it is before. */
static Buffer *result_buffer(Lowering *outer, const Node *result, const Type *t, const Node *named)
{
    Buffer *b = result ? lower_buffer(outer, info_of(outer, result)) : NULL;
    if (!b)
        b = lower_temp(outer, t->elem, t->count, named);
    return b;
}

static void publish_scalars(Lowering *outer, const Node *result, Scalar *const *scalars)
{
    NodeInfo *info = info_of(outer, result);
    info->elements = NEW_ARRAY(outer->brief, const Formula *, result->type->count);
    for (int64_t k = 0; k < result->type->count; k++)
        info->elements[k] = formula_scalar(outer, scalars[k]);
    if (info->mode != MODE_BUFFER)
        return;
    Buffer *b = lower_buffer(outer, info);
    info->mode = MODE_ELEMENTS;
    lower_copy(outer, result, b);
    info->mode = MODE_BUFFER;
    info->buffer = b;
}

static void publish_buffer(Lowering *outer, const Node *result, Buffer *b)
{
    NodeInfo *info = info_of(outer, result);
    info->buffer = b;
    b->overwritten |= info->taken_by != NULL;
    if (info->mode != MODE_ELEMENTS)
        return;
    info->elements = NEW_ARRAY(outer->brief, const Formula *, result->type->count);
    for (int64_t k = 0; k < result->type->count; k++)
        info->elements[k] = formula_load(outer, b, formula_int(outer, k));
}

/* A carried array after the region: loads of it are other formulas than those before. */
static Buffer *changed(Lowering *outer, Buffer *b)
{
    Buffer *v = lower_version(outer, b, false);
    fuse_written(outer, v);
    return v;
}

static void publish(Lowering *outer, const Node *result, Scalar *const *scalars, Buffer *b)
{
    if (!result)
        return;
    if (scalars)
        publish_scalars(outer, result, scalars);
    else
        publish_buffer(outer, result, b);
    if (outer->overwrites && info_of(outer, result)->mode == MODE_ELEMENTS)
        schedule_keep(outer, info_of(outer, result));
}

/* With the slots of the body in force. */
static void body_finish(Body *b)
{
    lower_statements(b->lower);
    commit_results(b->lower);
    lower_finish(b->lower);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */
typedef struct {
    Lowering *outer;
    Region *region;
    Stmt *stmt;
    const Node *node;
    Body body;
    int first, carries;                                     /* first: 1 after a while's condition */
    int leading;                                            /* operand of the first init */
    int count;                                              /* values that are asked for, carries first */
    int *value;                                             /* which value of the node each is */
    Scalar ***scalars;                                      /* per value */
    Buffer **buffers;                                       /* of the lowering around */
} LoopLowering;

static const Node *value_node(const LoopLowering *l, int k) { return info_of(l->outer, l->node)->values[l->value[k]]; }

static void loop_trips_of(LoopLowering *l)
{
    Lowering *outer = l->outer;
    Region *r = l->region;
    r->most = l->node->attr[0];
    r->counter = lower_scalar(outer, ELEM_INT, l->node->body[0]->params.at[0].node, false);
    r->counter->low = 0;
    r->counter->high = r->most - 1;
    if (l->first) {
        r->counts = info_of(outer, l->node)->values[region_result_count(l->node) - 1] != NULL;
        return;
    }
    r->trips = read_flat(outer, l->node->operands[0], 0);
    if (r->trips->kind == FORMULA_SCALAR || is_affine_in_scalars(r->trips)) {
        r->counter->limit = r->trips;
        r->runs = formula_binary(outer, FORMULA_GT, r->trips, formula_int(outer, 0));
    }
    if (r->trips->high > r->most)
        r->trips = formula_select(outer, formula_binary(outer, FORMULA_LT, r->trips, formula_int(outer, r->most)),
                                  r->trips, formula_int(outer, r->most));
    if (r->trips->high <= r->counter->high)
        r->counter->high = r->trips->high > 0 ? r->trips->high - 1 : 0;
}

/* The body reads the index only as what is left of something, as an adjoint does that runs from the last trip to the first. */
static const Node *reads_backwards(const LoopLowering *l)
{
    const Lowering *body = l->body.lower;
    const Node *index = l->node->body[0]->params.at[0].node, *left = NULL;
    for (int k = 0; k < body->fn->results.count; k++)
        if (body->fn->results.at[k].node == index)
            return NULL;
    for (int k = 0; k < body->info_count; k++) {
        const Node *n = body->infos[k].node;
        for (int i = 0; i < n->operand_count; i++) {
            if (n->operands[i] != index)
                continue;
            if (n->op != OP_sub || i == 0)
                return NULL;
            left = n;
        }
    }
    return left;
}

/* The counter may count down where the trips are known before, and be what the body reads. */
static void choose_direction(LoopLowering *l)
{
    Region *r = l->region;
    const Node *left = r->trips ? reads_backwards(l) : NULL;
    if (!left || !(r->trips->kind == FORMULA_NUMBER || r->counter->limit))
        return;
    r->last = index_shift(l->outer, r->trips, -1);
    if (left->origin.name)
        r->counter->node = left;
}

/* The number of a trip, for the body. */
static const Formula *trip_number(const LoopLowering *l)
{
    const Formula *counter = formula_scalar(l->body.lower, l->region->counter);
    if (!l->region->last)
        return counter;
    return index_add(l->body.lower, region_import(l->body.lower, l->region->last), index_scale(l->body.lower, counter, -1));
}

/* All trips are taken: every row of a stack is stored. */
static bool takes_all_trips(const LoopLowering *l)
{
    return l->region->trips && l->region->trips->kind == FORMULA_NUMBER && l->region->trips->integer == l->region->most;
}

static Buffer *carry_buffer(LoopLowering *l, int k)
{
    Lowering *outer = l->outer;
    const Node *init = l->node->operands[l->leading + k], *root = init, *result = value_node(l, k);
    while (root->op == OP_reshape)
        root = root->operands[0];
    Buffer *b;
    if (info_of(outer, root)->taken_by == l->node) {
        b = info_of(outer, root)->buffer;
    } else {
        b = result_buffer(outer, result, init->type, l->node->body[0]->params.at[1 + k].node);
        lower_copy(outer, init, b);
    }
    touch(outer, l->region, b, true);
    return b;
}

/* Rows of a value that the body knows by a name. */
static Str name_of_rows(const LoopLowering *l, int k)
{
    const Node *n = l->body.fn->results.at[l->first + k].node;
    bool call = op_info[n->op].class == CLASS_ELEMENTWISE && !op_info[n->op].infix;
    return n->origin.name ? str_format(l->outer->ctx, "%.18s_at", n->origin.name)
         : call ? str_format(l->outer->ctx, "%s_at", op_info[n->op].name) : str_intern(l->outer->ctx, "tape");
}

static void prepare_value(LoopLowering *l, int k)
{
    Lowering *outer = l->outer;
    const Fn *fn = l->body.fn;
    const Type *row = fn->results.at[l->first + k].node->type;
    if (k >= l->carries) {
        const Node *result = value_node(l, k);
        l->buffers[k] = result_buffer(outer, result, result->type, result);
        if (!result->origin.name)
            l->buffers[k]->hint = name_of_rows(l, k);
        if (!takes_all_trips(l) && !shown_are_rows_taken(outer, l->node, result))
            lower_zero(outer, result, l->buffers[k]);
        touch(outer, l->region, l->buffers[k], true);
    } else if (fits_scalars(&l->body, 1 + k, l->first + k)) {
        const Node *init = l->node->operands[l->leading + k];
        l->scalars[k] = declare_scalars(outer, l->stmt, fn->params.at[1 + k].node, init, row);
    } else {
        l->buffers[k] = carry_buffer(l, k);
    }
}

static void bind_value(LoopLowering *l, int k)
{
    Body *b = &l->body;
    Target *t = &b->lower->targets[l->first + k];
    int64_t row = b->fn->results.at[l->first + k].node->type->count;
    if (k >= l->carries) {
        t->buffer = lower_view(b->lower, l->buffers[k], index_scale(b->lower, trip_number(l), row));
    } else if (l->scalars[k]) {
        t->scalars = l->scalars[k];
        set_scalars(b, 1 + k, l->scalars[k]);
    } else {
        t->buffer = lower_view(b->lower, l->buffers[k], NULL);
        t->buffer->overwritten = true;
        t->in_place = b->fn->params.at[1 + k].node;
        if (b->params[1 + k]) {
            b->params[1 + k]->buffer = t->buffer;
            b->params[1 + k]->owned = true;
        }
        b->lower->overwrites = true;
    }
}

/* A next value that only its carry reads, element by element, needs no array of its own. */
static void inline_next(LoopLowering *l)
{
    for (int k = 0; k < l->carries; k++) {
        NodeInfo *root = l->body.roots[l->first + k];
        bool other = root->consumers > 0;
        for (int i = 0; i < l->count; i++)
            other |= i != k && l->body.roots[l->first + i] == root;
        if (!other && l->buffers[k] && root->mode == MODE_BUFFER && decide_is_pointwise(root->node))
            root->mode = MODE_INLINE;
    }
}

static LoopLowering loop_new(Lowering *outer, const Node *n, Stmt *s)
{
    LoopLowering l = { .outer = outer, .region = s->region, .stmt = s, .node = n, .first = n->op == OP_while_loop,
                       .carries = (int)n->attr[1], .leading = n->op == OP_loop };
    const NodeInfo *info = info_of(outer, n);
    int all = n->body[0]->results.count;
    bool *wanted = NEW_ARRAY(outer->arena, bool, all + 1);
    l.value = NEW_ARRAY(outer->arena, int, all + 1);
    l.scalars = NEW_ARRAY(outer->arena, Scalar **, all + 1);
    l.buffers = NEW_ARRAY(outer->arena, Buffer *, all + 1);
    for (int k = 0; k < all; k++) {
        wanted[k] = k < l.first + l.carries || info->values[k - l.first];
        if (k >= l.first && wanted[k])
            l.value[l.count++] = k - l.first;
    }
    l.body = body_new(outer, s->region, 0, wanted);
    return l;
}

static void lower_loop_region(Lowering *outer, const Node *n, Stmt *s)
{
    LoopLowering l = loop_new(outer, n, s);
    Region *r = s->region;
    Body *b = &l.body;
    loop_trips_of(&l);
    for (int k = 0; k < l.count; k++)
        prepare_value(&l, k);
    Outside *outside = prepare_captures(outer, r, b);
    choose_direction(&l);
    lower_swap_slots(b->lower);
    set_scalars(b, 0, &r->counter);
    if (b->params[0])
        b->params[0]->elements[0] = trip_number(&l);
    for (int k = 0; k < l.count; k++)
        bind_value(&l, k);
    bind_captures(b, region_own_count(n), outside);
    inline_next(&l);
    body_finish(b);
    lower_swap_slots(b->lower);
    fuse_region(outer, s);
    for (int k = 0; k < l.count; k++)
        publish(outer, value_node(&l, k), l.scalars[k],
                l.buffers[k] && k < l.carries ? changed(outer, l.buffers[k]) : l.buffers[k]);
    r->counter->high = r->most;
    if (r->counts) {
        publish(outer, info_of(outer, n)->values[region_result_count(n) - 1], &r->counter, NULL);
    }
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */
typedef struct {
    Body side[2];
    Outside *outside[2];
    int count, *value;
    Scalar ***scalars;
    Buffer **buffers;
    const Node **in_place;                                  /* outer node whose memory is taken over; NULL: none */
} BranchLowering;

static void prepare_side_value(Lowering *outer, const Node *n, Stmt *s, BranchLowering *l, int k)
{
    const Node *result = info_of(outer, n)->values[l->value[k]], *base = schedule_base(result);
    if (fits_scalars(&l->side[0], -1, k) && fits_scalars(&l->side[1], -1, k)) {
        l->scalars[k] = declare_scalars(outer, s, result, NULL, result->type);
        return;
    }
    if (base && info_of(outer, base)->taken_by == n) {
        l->in_place[k] = base;
        l->buffers[k] = info_of(outer, base)->buffer;
    } else {
        l->buffers[k] = result_buffer(outer, result, result->type, result);
    }
    touch(outer, s->region, l->buffers[k], true);
}

static void bind_side_value(const Node *n, BranchLowering *l, int side, int k)
{
    Body *b = &l->side[side];
    Target *t = &b->lower->targets[k];
    t->scalars = l->scalars[k];
    if (t->scalars)
        return;
    t->buffer = lower_view(b->lower, l->buffers[k], NULL);
    if (!l->in_place[k])
        return;
    int param = schedule_param(b->fn, k);
    t->in_place = b->fn->params.at[param].node;
    t->buffer->overwritten = b->lower->overwrites = true;
    b->params[param]->buffer = t->buffer;
    b->params[param]->mode = MODE_BUFFER;
    b->params[param]->owned = true;
    (void)n;
}

static void lower_side(const Node *n, BranchLowering *l, int side)
{
    Body *b = &l->side[side];
    lower_swap_slots(b->lower);
    bind_captures(b, 0, l->outside[side]);
    for (int k = 0; k < l->count; k++)
        bind_side_value(n, l, side, k);
    body_finish(b);
    lower_swap_slots(b->lower);
}

static void lower_branch_region(Lowering *outer, const Node *n, Stmt *s)
{
    BranchLowering l = { .count = 0 };
    const NodeInfo *info = info_of(outer, n);
    int all = n->body[0]->results.count;
    bool *wanted = NEW_ARRAY(outer->arena, bool, all + 1);
    l.value = NEW_ARRAY(outer->arena, int, all + 1);
    l.scalars = NEW_ARRAY(outer->arena, Scalar **, all + 1);
    l.buffers = NEW_ARRAY(outer->arena, Buffer *, all + 1);
    l.in_place = NEW_ARRAY(outer->arena, const Node *, all + 1);
    for (int k = 0; k < all; k++)
        if ((wanted[k] = info->values[k] != NULL))
            l.value[l.count++] = k;
    s->region->condition = read_flat(outer, n->operands[0], 0);
    for (int side = 0; side < 2; side++)
        l.side[side] = body_new(outer, s->region, side, wanted);
    for (int k = 0; k < l.count; k++)
        prepare_side_value(outer, n, s, &l, k);
    for (int side = 0; side < 2; side++)
        l.outside[side] = prepare_captures(outer, s->region, &l.side[side]);
    for (int side = 0; side < 2; side++)
        lower_side(n, &l, side);
    fuse_region(outer, s);
    for (int k = 0; k < l.count; k++)
        publish(outer, info->values[l.value[k]], l.scalars[k],
                l.in_place[k] ? changed(outer, l.buffers[k]) : l.buffers[k]);
}

/* ---- both -------------------------------------------------------------------------------------------------------- */
/* The work of the bodies is a part of the work around that is in use in this statement alone. */
static void add_chunk(Lowering *outer, Region *r)
{
    int64_t size = 0;
    for (int side = 0; side < 2; side++)
        if (r->body[side] && r->body[side]->function->costs.work_elements > size)
            size = r->body[side]->function->costs.work_elements;
    if (!size)
        return;
    r->chunk = lower_temp(outer, ELEM_REAL, size, NULL);
    r->chunk->is_chunk = r->chunk->pinned = true;
    touch(outer, r, r->chunk, true);
}

void region_lower(Lowering *lower, const Node *n)
{
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_REGION, .region = NEW(lower->arena, Region) };
    s->region->node = n;
    vec_push(lower->arena, &s->nodes, n);
    if (n->op == OP_branch)
        lower_branch_region(lower, n, s);
    else
        lower_loop_region(lower, n, s);
    add_chunk(lower, s->region);
}
