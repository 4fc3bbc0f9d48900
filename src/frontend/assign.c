/* assign.c: assignment to a mut, whole or in part.
 *
 * A mut is a name for the latest of several values, all of one type; there is no store in the graph.  A part is put into a
 * small array by listing its elements anew, so that later reads of known elements see through; into a large one by
 * index_set, which the generated code does in place. */
#include "elaborate.h"

#include <string.h>

/* ---- the whole ---------------------------------------------------------------------------------------------------- */
void mut_set(Frame *frame, Binding *b, Node *n)
{
    Context *ctx = frame->env->ctx;
    if (n && is_differentiated(frame, b->name) && n->type->elem == ELEM_REAL)
        n = node_bind(ctx, n, b->name);
    else if (n && frame->kind == FRAME_USER)
        node_set_name(n, b->name);
    b->value = value_of(n, b->span);
}

static void refuse_type(Frame *frame, const Binding *b, const Node *n, Span span)
{
    Context *ctx = frame->env->ctx;
    const Type *type = b->value.node->type;
    fail(frame, span, "'%s' is %s, but this is %s; a mut keeps the type that it begins with", b->name, type_text(ctx, type),
         type_text(ctx, n->type));
    if (type->elem == ELEM_INT && n->type->elem == ELEM_REAL)
        note(frame, b->span, "it begins here; 'mut %s: %s = ...' makes it real", b->name,
             type_text(ctx, type_with_elem(ctx, type, ELEM_REAL)));
    else
        note(frame, b->span, "it begins here");
}

/* As the mut can hold it: an int becomes real, a scalar fills an array. */
static Node *mut_value(Frame *frame, const Binding *b, Value v)
{
    Context *ctx = frame->env->ctx;
    Node *n = value_tensor(frame, v);
    if (!n || b->value.kind == VALUE_NONE)
        return NULL;
    const Type *type = b->value.node->type;
    Node *fitted = type->elem == ELEM_REAL && n->type->elem == ELEM_INT ? node_to_real(ctx, n) : n;
    if (fitted->type->rank == 0)
        fitted = node_expand(ctx, fitted, type);
    if (fitted->type == type)
        return check_integers(frame, fitted, v.span) ? fitted : NULL;
    refuse_type(frame, b, n, v.span);
    return NULL;
}

void mut_assign(Frame *frame, Name name, Value v)
{
    Binding *b = frame_find(frame, name.text);
    origin_at(frame, v.span);
    Node *n = mut_value(frame, b, v);
    if (b->value.kind != VALUE_NONE)
        mut_set(frame, b, n);
}

/* ---- parts: the shape of m[places] -------------------------------------------------------------------------------- */
enum { SMALL = 64 };                                        /* elements of an array that is listed anew */

typedef struct {
    const Place *places;
    int rank, indexed;                                      /* axes; those up to the last that is not taken whole */
    const Type *shape;                                      /* of the indices: one axis per slice, then those of index tensors */
    int tensor_axis, tensor_rank;                           /* where the axes of index tensors stand in the shape */
    bool is_constant, is_whole;
} Part;

static bool is_whole_axis(const Place *p, int64_t size)
{
    return p->kind == PLACE_SLICE && p->start == 0 && p->step == 1 && p->count == size;
}

/* The index tensors' own axes stand where the first of them stands, or in front when slices come between them. */
static int tensor_axis(const Part *p)
{
    int axis = 0, first = -1, slices_after = 0;
    for (int k = 0; k < p->indexed; k++) {
        bool is_tensor = p->places[k].kind == PLACE_RUNTIME && p->places[k].index->type->rank > 0;
        if (is_tensor && first >= 0 && slices_after)
            return 0;
        if (is_tensor && first < 0)
            first = axis;
        if (p->places[k].kind == PLACE_SLICE) {
            axis++;
            slices_after += first >= 0;
        }
    }
    return first < 0 ? 0 : first;
}

/* The shape of the index tensors of a part, broadcast together; NULL after an error message. */
static const Type *tensor_shape(Frame *frame, const Part *p)
{
    Context *ctx = frame->env->ctx;
    const Type *shape = type_scalar(ctx, ELEM_INT), *wider;
    for (int k = 0; k < p->indexed; k++) {
        if (p->places[k].kind != PLACE_RUNTIME)
            continue;
        wider = type_broadcast(ctx, shape, p->places[k].index->type);
        if (!wider) {
            fail(frame, p->places[k].span, "the indices do not fit together: %s and %s", shape_text(ctx, shape),
                 shape_text(ctx, p->places[k].index->type));
            return NULL;
        }
        shape = wider;
    }
    return shape;
}

static bool part_of(Frame *frame, Span span, const Node *m, const Place *places, Part *p)
{
    int64_t sizes[RANK_MAX];
    int rank = 0, slices = 0;
    *p = (Part){ .places = places, .rank = m->type->rank, .is_constant = true };
    for (int k = 0; k < p->rank; k++)
        if (!is_whole_axis(&places[k], type_size(m->type, k)))
            p->indexed = k + 1;
    for (int k = 0; k < p->indexed; k++)
        p->is_constant &= places[k].kind != PLACE_RUNTIME;
    p->is_whole = p->indexed == 0;
    const Type *tensor = tensor_shape(frame, p);
    if (!tensor)
        return false;
    p->tensor_axis = tensor_axis(p);
    p->tensor_rank = tensor->rank;
    for (int k = 0; k <= p->indexed; k++) {
        if (slices == p->tensor_axis && rank == slices)
            for (int i = 0; i < tensor->rank; i++)
                sizes[rank++] = type_size(tensor, i);
        if (k < p->indexed && places[k].kind == PLACE_SLICE) {
            sizes[rank++] = places[k].count;
            slices++;
        }
    }
    p->shape = make_type(frame, span, ELEM_INT, rank, sizes);
    return p->shape != NULL;
}

static const Type *part_type(Context *ctx, const Node *m, const Part *p)
{
    return type_concat(ctx, m->type->elem, p->shape, type_make(ctx, m->type->elem, p->rank - p->indexed,
                                                               m->type->dim + p->indexed));
}

/* ---- parts of small arrays: rows listed anew ----------------------------------------------------------------------- */
static Node *row_of(Context *ctx, Node *x, int64_t k)
{
    int64_t start[RANK_MAX] = { 0 }, step[RANK_MAX], count[RANK_MAX];
    for (int i = 0; i < x->type->rank; i++) {
        step[i] = 1;
        count[i] = type_size(x->type, i);
    }
    start[0] = k;
    count[0] = 1;
    return node_reshape(ctx, node_slice(ctx, x, start, step, count),
                        type_make(ctx, x->type->elem, x->type->rank - 1, x->type->dim + 1));
}

/* The recursion is over axes. */
static Node *rows_with(Context *ctx, Node *x, const Place *places, int indexed, Node *v)
{
    if (indexed == 0)
        return v;
    int64_t size = type_size(x->type, 0);
    Node **rows = NEW_ARRAY(ctx->arena, Node *, size);
    for (int64_t k = 0; k < size; k++)
        rows[k] = row_of(ctx, x, k);
    for (int64_t k = 0; k < places->count; k++) {
        int64_t at = places->start + k * places->step;
        rows[at] = rows_with(ctx, rows[at], places + 1, indexed - 1, places->kind == PLACE_SLICE ? row_of(ctx, v, k) : v);
    }
    return node_stack(ctx, (int)size, rows);
}

/* ---- parts of any array: scattered --------------------------------------------------------------------------------- */
/* Along one axis of the shape the values of `line`, the same along the others. */
static Node *along_axis(Context *ctx, Node *line, const Type *shape, int axis)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < shape->rank; k++)
        sizes[k] = k == axis ? line->type->count : 1;
    return node_expand(ctx, node_reshape(ctx, line, type_sized(ctx, ELEM_INT, shape->rank, sizes)), shape);
}

static Node *tensor_index(Context *ctx, Node *index, const Part *p)
{
    int64_t sizes[RANK_MAX];
    int rank = index->type->rank, first = p->tensor_axis + p->tensor_rank - rank;
    for (int k = 0; k < p->shape->rank; k++)
        sizes[k] = k >= first && k < first + rank ? type_size(index->type, k - first) : 1;
    return node_expand(ctx, node_reshape(ctx, index, type_sized(ctx, ELEM_INT, p->shape->rank, sizes)), p->shape);
}

static Node *slice_index(Context *ctx, const Place *place, const Part *p, int axis)
{
    Node *line = node_binary(ctx, OP_mul, node_iota(ctx, place->count), node_int(ctx, place->step));
    return along_axis(ctx, node_binary(ctx, OP_add, line, node_int(ctx, place->start)), p->shape, axis);
}

static void part_indices(Context *ctx, const Part *p, Node **indices)
{
    int slices = 0;
    for (int k = 0; k < p->indexed; k++) {
        const Place *place = &p->places[k];
        if (place->kind == PLACE_RUNTIME) {
            indices[k] = tensor_index(ctx, place->index, p);
        } else if (place->kind == PLACE_CONSTANT) {
            indices[k] = node_fill(ctx, p->shape, (double)place->start);
        } else {
            indices[k] = slice_index(ctx, place, p, slices < p->tensor_axis ? slices : slices + p->tensor_rank);
            slices++;
        }
    }
}

static Node *put_part(Context *ctx, Node *m, const Part *p, Node *v)
{
    Node *indices[RANK_MAX];
    if (p->is_whole)
        return v;
    if (p->is_constant && m->type->count <= SMALL)
        return rows_with(ctx, m, p->places, p->indexed, v);
    part_indices(ctx, p, indices);
    return node_index_set(ctx, m, p->indexed, indices, v);
}

static Node *add_part(Context *ctx, Node *m, const Part *p, Node *v)
{
    Node *indices[RANK_MAX];
    part_indices(ctx, p, indices);
    return node_index_add(ctx, m, p->indexed, indices, v);
}

/* ---- the statement ------------------------------------------------------------------------------------------------- */
static Node *fit_part(Frame *frame, const Binding *b, const Type *type, Value v)
{
    Context *ctx = frame->env->ctx;
    Node *n = value_tensor(frame, v);
    if (!n)
        return NULL;
    Node *fitted = type->elem == ELEM_REAL && n->type->elem == ELEM_INT ? node_to_real(ctx, n) : n;
    const Type *whole = type_broadcast(ctx, type, fitted->type);
    if (fitted->type->elem == type->elem && whole && type_same_shape(whole, type))
        return check_integers(frame, fitted, v.span) ? node_expand(ctx, fitted, type) : NULL;
    fail(frame, v.span, "this part of '%s' is %s, but the value is %s", b->name, type_text(ctx, type),
         type_text(ctx, n->type));
    note(frame, b->span, "'%s' is %s", b->name, type_text(ctx, b->value.node->type));
    return NULL;
}

/* m[places] + v and - v add to what is there and need not read it. */
static bool adds_up(const Stmt *s, const Node *m, const Part *p)
{
    bool is_sum = s->assign.operator == BINARY_ADD || s->assign.operator == BINARY_SUB;
    return is_sum && !p->is_whole && m->type->elem != ELEM_BOOL && (!p->is_constant || m->type->count > SMALL);
}

static Node *assign_part(Frame *frame, const Stmt *s, const Binding *b, Value v)
{
    Context *ctx = frame->env->ctx;
    Node *m = b->value.node;
    Part p;
    const Place *places = index_places(frame, s->span, &s->assign.places, m->type);
    if (!places || !part_of(frame, s->span, m, places, &p))
        return NULL;
    const Type *type = part_type(ctx, m, &p);
    origin_at(frame, s->span);
    if (s->assign.operator != BINARY_NONE && !adds_up(s, m, &p)) {
        Node *now = index_read(frame, s->span, m, places);
        v = value_of(now ? build_operator(frame, s->assign.operator_span, s->assign.operator, value_of(now, s->span), v) : NULL,
                     s->assign.value->span);
    }
    Node *n = fit_part(frame, b, type, v);
    origin_at(frame, s->span);
    if (!n || s->assign.operator == BINARY_NONE || !adds_up(s, m, &p))
        return n ? put_part(ctx, m, &p, n) : NULL;
    return add_part(ctx, m, &p, s->assign.operator == BINARY_SUB ? node_unary(ctx, OP_neg, n) : n);
}

static bool check_assignable(Frame *frame, Name name)
{
    const Binding *b = frame_find(frame, name.text);
    if (!b && is_result(frame, name.text)) {
        fail(frame, name.span, "the result '%s' is not set yet, and is set once, with '='; what changes is a 'mut'", name.text);
        frame->refused_result = true;
        return false;
    }
    if (!b) {
        if (!refuse_out_of_scope(frame, name.text, name.span))
            fail(frame, name.span, "there is no value named '%s'%s", name.text, suggest_value(frame, name.text));
        return false;
    }
    if (b->kind == BINDING_MUT)
        return b->value.kind != VALUE_NONE;
    if (b->kind == BINDING_ARGUMENT)
        fail(frame, name.span, "'%s' is an argument, and arguments are never changed", name.text);
    else if (b->kind == BINDING_INDEX)
        fail(frame, name.span, "'%s' is the index of a loop around this, and is never assigned", name.text);
    else if (b->value.kind != VALUE_NONE)
        fail(frame, name.span, "'%s' was bound without 'mut', so it is never assigned again", name.text);
    else
        return false;
    note(frame, b->span, b->kind == BINDING_LOCAL ? "it is bound here" : "it is declared here");
    return false;
}

void run_assign(Frame *frame, const Stmt *s)
{
    Name name = s->assign.name;
    Value v = elaborate(frame, s->assign.value);
    if (!check_assignable(frame, name))
        return;
    const Binding *b = frame_find(frame, name.text);
    if (s->assign.places.count > 0) {
        Node *n = assign_part(frame, s, b, v);
        mut_set(frame, frame_find(frame, name.text), n);
        return;
    }
    Value now = b->value;
    now.span = name.span;
    origin_at(frame, s->span);
    v = value_of(build_operator(frame, s->assign.operator_span, s->assign.operator, now, v), s->span);
    mut_assign(frame, name, v);
}
