/* index.c: x[...]: slices and constant indices become a slice, run-time indices a gather.
 *
 * The rules are NumPy's: bounds of a slice are cut to the size, negative ones count from the end, and the axes that a
 * gather makes stand where the indices stood when these are neighbours, else in front. */
#include "elaborate.h"

#include <string.h>

/* ---- slices ------------------------------------------------------------------------------------------------------ */
/* A bound as NumPy reads it: from the end when negative, then cut to [low, high]. */
static bool slice_bound(Frame *frame, const Expr *e, int64_t size, int64_t low, int64_t high, int64_t *bound)
{
    if (!e)
        return true;
    Value v = elaborate(frame, e);
    if (!value_integer(frame, v, "a bound of a slice", bound)) {
        if (v.kind == VALUE_TENSOR && v.node->type->elem == ELEM_INT && !v.node->type->rank)
            note_at(frame->env->ctx, frame_span(frame, e->span),
                    "a part that moves is read by its indices: 'x[i + iota(3)]' has three elements from x[i] on");
        return false;
    }
    if (*bound < 0)
        *bound += size;
    *bound = *bound < low ? low : *bound > high ? high : *bound;
    return true;
}

static bool place_slice(Frame *frame, const Index *i, int64_t size, Place *p)
{
    int64_t step = 1;
    if (i->step && !value_integer(frame, elaborate(frame, i->step), "the step of a slice", &step))
        return false;
    if (step == 0) {
        fail(frame, i->step->span, "the step of a slice must not be 0");
        return false;
    }
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    int64_t start = step > 0 ? 0 : size - 1, stop = step > 0 ? size : -1;
    if (!slice_bound(frame, i->start, size, low, high, &start) || !slice_bound(frame, i->stop, size, low, high, &stop))
        return false;
    if (step > size || step < -size)                        /* one element, and no overflow below */
        step = step > 0 ? size : -size;
    int64_t count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
    if (count <= 0) {
        fail(frame, i->span, "this slice of an axis of size %lld is empty", (long long)size);
        return false;
    }
    *p = (Place){ .kind = PLACE_SLICE, .span = i->span, .start = start, .step = step, .count = count };
    return true;
}

/* ---- indices ----------------------------------------------------------------------------------------------------- */
static bool index_in_range(Frame *frame, Span span, int64_t *index, int64_t size)
{
    if (*index >= -size && *index < size) {
        *index += *index < 0 ? size : 0;
        return true;
    }
    fail(frame, span, "index %lld is out of range for an axis of size %lld", (long long)*index, (long long)size);
    return false;
}

/* A gather by known indices: each is checked, and counted from the start. */
static Node *constant_indices(Frame *frame, Span span, Node *n, int64_t size)
{
    Context *ctx = frame->env->ctx;
    double fill;
    if (node_is_fill(n, &fill)) {
        int64_t index = (int64_t)fill;
        return index_in_range(frame, span, &index, size) ? node_fill(ctx, n->type, (double)index) : NULL;
    }
    if (n->op != OP_constant)
        return n;
    double *data = NEW_ARRAY(ctx->arena, double, n->type->count);
    for (int64_t k = 0; k < n->type->count; k++) {
        int64_t index = (int64_t)n->data[k];
        if (!index_in_range(frame, span, &index, size))
            return NULL;
        data[k] = (double)index;
    }
    return node_constant(ctx, n->type, data);
}

/* What a loop is sure to read must be there.  What may not run, or may not be chosen, is left to run time. */
static bool loop_index_in_range(Frame *frame, Span span, const Node *n, int64_t size)
{
    if (n->type->rank > 0)
        return true;
    IntRange r = int_range(frame->env, n);
    bool never = r.high < 0 || r.low >= size, sometimes = r.is_exact && (r.low < 0 || r.high >= size);
    if ((!never && (!sometimes || frame->guards)) || int_is_idle(frame->env, n))
        return true;
    fail(frame, span, "this index runs from %lld to %lld, which is out of range for an axis of size %lld",
         (long long)r.low, (long long)r.high, (long long)size);
    return false;
}

static bool place_index(Frame *frame, const Index *i, int64_t size, Place *p)
{
    Value v = elaborate(frame, i->at);
    Node *n = value_tensor(frame, v);
    if (!n)
        return false;
    if (n->type->elem != ELEM_INT) {
        fail(frame, i->span, "an index must be an int, not %s%s", type_text(frame->env->ctx, n->type),
             n->type->elem == ELEM_BOOL ? "; 'where(c, x, 0)' keeps the elements where c holds, as shapes are constant" : "");
        return false;
    }
    int64_t index;
    if (is_constant_integer(n, &index)) {
        *p = (Place){ .kind = PLACE_CONSTANT, .span = i->span, .start = index, .step = 1, .count = 1 };
        return index_in_range(frame, i->span, &p->start, size);
    }
    *p = (Place){ .kind = PLACE_RUNTIME, .span = i->span, .step = 1, .count = size };
    p->index = constant_indices(frame, i->span, n, size);
    return p->index != NULL && loop_index_in_range(frame, i->span, n, size);
}

/* ---- the parts, put together ------------------------------------------------------------------------------------- */
static Node *slice_places(Context *ctx, Node *x, const Place *places)
{
    int64_t start[RANK_MAX], step[RANK_MAX], count[RANK_MAX], sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0; k < x->type->rank; k++) {
        start[k] = places[k].start;
        step[k] = places[k].step;
        count[k] = places[k].count;
        if (places[k].kind != PLACE_CONSTANT)
            sizes[rank++] = count[k];
    }
    Elem elem = x->type->elem;
    return node_reshape(ctx, node_slice(ctx, x, start, step, count), type_sized(ctx, elem, rank, sizes));
}

/* The run-time indices, broadcast together. */
static int gather_indices(Frame *frame, Span span, const Place *places, int rank, Node **indices)
{
    Context *ctx = frame->env->ctx;
    const Type *shape = type_scalar(ctx, ELEM_INT);
    int count = 0;
    for (int k = 0; k < rank; k++) {
        if (places[k].kind != PLACE_RUNTIME)
            continue;
        const Type *wider = type_broadcast(ctx, shape, places[k].index->type);
        if (!wider) {
            fail(frame, places[k].span, "the indices do not fit together: %s and %s", shape_text(ctx, shape),
                 shape_text(ctx, places[k].index->type));
            return -1;
        }
        shape = wider;
        indices[count++] = places[k].index;
    }
    if (!check_size(frame, span, shape))
        return -1;
    for (int k = 0; k < count; k++)
        indices[k] = node_expand(ctx, indices[k], shape);
    return count;
}

/* Where the axes of the gather go: the number of kept axes in front of them. */
static int gather_position(const Place *places, int rank, bool is_tensor)
{
    int first = -1, last = -1, between = 0, front = 0;
    for (int k = 0; k < rank; k++) {
        if (places[k].kind == PLACE_SLICE || (places[k].kind == PLACE_CONSTANT && !is_tensor))
            continue;
        first = first < 0 ? k : first;
        last = k;
    }
    for (int k = 0; k < rank; k++) {
        bool kept = places[k].kind == PLACE_SLICE;
        front += kept && k < first;
        between += kept && k > first && k < last;
    }
    return between ? 0 : front;
}

/* Moves the axes with run-time indices to the front, in order. */
static Node *indexed_axes_first(Context *ctx, Node *x, const Place *places, int rank)
{
    int perm[RANK_MAX], indexed = 0, other = 0, axis = 0, count = 0;
    for (int k = 0; k < rank; k++)
        count += places[k].kind == PLACE_RUNTIME;
    for (int k = 0; k < rank; k++) {
        if (places[k].kind == PLACE_CONSTANT)
            continue;
        perm[places[k].kind == PLACE_RUNTIME ? indexed++ : count + other++] = axis++;
    }
    return node_permute(ctx, x, perm);
}

/* Moves the first `moved` axes behind the `front` axes after them. */
static Node *move_axes_back(Context *ctx, Node *x, int moved, int front)
{
    int perm[RANK_MAX];
    for (int k = 0; k < x->type->rank; k++)
        perm[k] = k < front ? moved + k : k < front + moved ? k - front : k;
    return node_permute(ctx, x, perm);
}

static bool gathered_size(Frame *frame, Span span, const Type *index, const Type *x, int count)
{
    int64_t sizes[2 * RANK_MAX];
    int rank = 0;
    for (int k = 0; k < index->rank; k++)
        sizes[rank++] = type_size(index, k);
    for (int k = count; k < x->rank; k++)
        sizes[rank++] = type_size(x, k);
    return make_type(frame, span, x->elem, rank, sizes) != NULL;
}

static Node *gather_places(Frame *frame, Span span, Node *x, const Place *places, int rank)
{
    Context *ctx = frame->env->ctx;
    Node *indices[RANK_MAX];
    int count = gather_indices(frame, span, places, rank, indices);
    if (count <= 0)
        return count < 0 ? NULL : x;
    int index_rank = indices[0]->type->rank, front = gather_position(places, rank, index_rank > 0);
    x = indexed_axes_first(ctx, x, places, rank);
    if (!gathered_size(frame, span, indices[0]->type, x->type, count))
        return NULL;
    return move_axes_back(ctx, node_index(ctx, x, count, indices), index_rank, front);
}

/* As NumPy and PyTorch make an axis of size 1. */
static bool is_new_axis(const Index *i)
{
    const Expr *e = i->is_slice ? NULL : i->at;
    return e && e->kind == EXPR_NAME && (strcmp(e->name, "None") == 0 || strcmp(e->name, "newaxis") == 0);
}

Place *index_places(Frame *frame, Span span, const IndexList *list, const Type *type)
{
    Place *places = NEW_ARRAY(frame->env->ctx->arena, Place, type->rank + 1);
    bool good = true;
    if (list->count > type->rank) {
        bool adds = false;
        for (int k = 0; k < list->count; k++)
            adds |= is_new_axis(&list->at[k]);
        fail(frame, span, "%d %s, but this is %s%s", list->count, list->count == 1 ? "index" : "indices",
             type_text(frame->env->ctx, type), adds ? "; an axis of size 1 is added by 'reshape(x, (3, 1))'" : "");
        return NULL;
    }
    for (int k = 0; k < type->rank; k++) {
        const Index *i = k < list->count ? &list->at[k] : NULL;
        int64_t size = type_size(type, k);
        if (!i)
            places[k] = (Place){ .kind = PLACE_SLICE, .span = span, .step = 1, .count = size };
        else if (i->is_slice)
            good &= place_slice(frame, i, size, &places[k]);
        else
            good &= place_index(frame, i, size, &places[k]);
    }
    return good ? places : NULL;
}

Node *index_read(Frame *frame, Span span, Node *x, const Place *places)
{
    return gather_places(frame, span, slice_places(frame->env->ctx, x, places), places, x->type->rank);
}

Node *elaborate_index(Frame *frame, const Expr *e)
{
    Node *x = elaborate_tensor(frame, e->index.base);
    const Place *places = x ? index_places(frame, e->span, &e->index.places, x->type) : NULL;
    origin_at(frame, e->span);
    return places ? index_read(frame, e->span, x, places) : NULL;
}
