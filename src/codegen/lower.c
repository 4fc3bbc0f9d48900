/* lower.c: from the nodes of a function to statements, in the order of the graph.
 *
 * Every node that is stored becomes one nest of loops, which fuse.c puts where it belongs.  Counters are named by depth, so a
 * nest over axes of some sizes uses the same counters as every other nest over axes of these sizes. */
#include "loop.h"

#include <math.h>

/* ---- pieces ---------------------------------------------------------------------------------------------------- */
Buffer *lower_temp(Lowering *lower, Elem elem, int64_t size, const Node *n)
{
    Buffer *b = NEW(lower->arena, Buffer);
    *b = (Buffer){ .kind = BUFFER_TEMP, .elem = elem, .id = lower->buffer_count++, .size = size, .node = n };
    if (size > SMALL_COUNT && (elem == ELEM_BOOL || (elem == ELEM_INT && !lower->ctx->options.is_float))) {
        b->holds_ints = elem == ELEM_INT;                   /* a float does not hold every int */
        b->holds_bools = elem == ELEM_BOOL;
        b->elem = ELEM_REAL;
    }
    vec_push(lower->arena, &lower->function->temps, b);
    return b;
}

Scalar *lower_scalar(Lowering *lower, Elem elem, const Node *n, bool is_mutable)
{
    Scalar *s = NEW(lower->arena, Scalar);
    *s = (Scalar){ .elem = elem, .id = lower->scalar_count++, .node = n, .is_mutable = is_mutable, .home = lower,
                   .low = INT32_MIN, .high = INT32_MAX };
    return s;
}

void block_push(Lowering *lower, Block *block, Stmt *stmt) { vec_push(lower->arena, &block->list, stmt); }

Stmt *lower_loop(Lowering *lower, const Loop *loop)
{
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_LOOP, .loop = loop };
    return s;
}

Stmt *lower_store(Lowering *lower, Buffer *buffer, const Formula *index, Combine combine, const Formula *value)
{
    Stmt *s = NEW(lower->arena, Stmt);
    if (buffer->base)
        index = index_add(lower, buffer->base, index);
    value = formula_convert(lower, value, buffer->elem);
    *s = (Stmt){ .kind = STMT_STORE, .buffer = buffer, .index = index, .combine = combine, .value = value };
    return s;
}

Stmt *lower_assign(Lowering *lower, Scalar *scalar, Combine combine, const Formula *value)
{
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_ASSIGN, .scalar = scalar, .combine = combine, .value = value };
    return s;
}

Stmt *lower_declare(Lowering *lower, Scalar *scalar, const Formula *value)
{
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_DECLARE, .scalar = scalar, .value = value };
    return s;
}

/* ---- nests ----------------------------------------------------------------------------------------------------- */
/* A nest under construction: loops are opened from the outside in.  `pending` goes before the next loop. */
typedef struct { Lowering *lower; const Node *node; Stmt *top, *inner; Block pending; int depth; uint64_t loops; } Nest;

static Nest nest_new(Lowering *lower, const Node *n) { return (Nest){ .lower = lower, .node = n }; }

/* Opens a loop and returns its counter; a loop of one trip is none. */
static const Formula *nest_open(Nest *nest, int64_t begin, int64_t end)
{
    Lowering *lower = nest->lower;
    if (end - begin == 1)
        return formula_int(lower, begin);
    const Loop *loop = loop_counted(lower, nest->depth++, begin, end, 1);
    Stmt *stmt = lower_loop(lower, loop);
    stmt->before = nest->pending;
    nest->pending = (Block){ { 0 } };
    if (nest->inner)
        block_push(lower, &nest->inner->body, stmt);
    else
        nest->top = stmt;
    nest->inner = stmt;
    nest->loops |= (uint64_t)1 << loop->depth;
    return formula_counter(lower, loop);
}

/* Puts a statement into the innermost loop, or alone at top level. */
static void nest_add(Nest *nest, Stmt *stmt)
{
    if (nest->inner)
        block_push(nest->lower, &nest->inner->body, stmt);
    else
        fuse_place(nest->lower, stmt, nest->node);
}

static void nest_close(Nest *nest)
{
    if (nest->top)
        fuse_place(nest->lower, nest->top, nest->node);
}

/* buffer[offset + flat index] combine= an element, for all elements of a type. */
static void store_all(Lowering *lower, const Node *n, const Type *t, Buffer *buffer, ElementOf *value, ElementOf *place,
                      Combine combine)
{
    const Formula *index[RANK_MAX];
    Nest nest = nest_new(lower, n);
    for (int k = 0; k < t->rank; k++)
        index[k] = nest_open(&nest, 0, type_size(t, k));
    const Formula *at = place ? place(lower, n, index) : index_flat(lower, t, index);
    nest_add(&nest, lower_store(lower, buffer, at, combine, value(lower, n, index)));
    nest_close(&nest);
}

/* ---- reductions ------------------------------------------------------------------------------------------------ */
static Combine combine_of(const Node *n)
{
    switch (n->op) {
    case OP_prod: return COMBINE_MUL;
    case OP_max_reduce: case OP_max_first: return COMBINE_MAX;
    case OP_min_reduce: return COMBINE_MIN;
    default: return COMBINE_ADD;
    }
}

static const Formula *identity_of(Lowering *lower, Combine combine, Elem elem)
{
    bool real = elem == ELEM_REAL;
    switch (combine) {
    case COMBINE_MUL: return formula_number(lower, elem, 1);
    case COMBINE_MAX: return real ? formula_real(lower, -HUGE_VAL) : formula_int(lower, INT32_MIN);
    case COMBINE_MIN: return real ? formula_real(lower, HUGE_VAL) : formula_int(lower, INT32_MAX);
    default: return formula_number(lower, elem, 0);
    }
}

/* One loop of a reduction, over an axis of the result or over one that is reduced. */
typedef struct { int64_t size, stride; bool reduced; int label; } Axis;

typedef struct {
    Lowering *lower;
    const Node *node;
    ElementOf *term;                                        /* what is combined, given an index per label */
    Buffer *out;                                            /* NULL: the result is a scalar */
    Combine combine;
    bool keep_old;                                          /* combine with what the result holds already */
    int count;
    int64_t base;                                           /* where the first element of the result is */
    Axis axis[3 * RANK_MAX];                                /* from the outermost loop in; stride: in the result */
} Reduction;

static bool only_reduced_from(const Reduction *r, int k)
{
    for (; k < r->count; k++)
        if (!r->axis[k].reduced && r->axis[k].size > 1)
            return false;
    return true;
}

/* The part of the result that the loops from here on combine into starts from the identity. */
static void fill_below(Reduction *r, Nest *nest, int from, const Formula *index)
{
    Nest fill = { .lower = r->lower, .depth = nest->depth };
    for (int k = from; k < r->count; k++)
        if (!r->axis[k].reduced)
            index = index_add(r->lower, index, index_scale(r->lower, nest_open(&fill, 0, r->axis[k].size), r->axis[k].stride));
    Stmt *store = lower_store(r->lower, r->out, index, COMBINE_SET, identity_of(r->lower, r->combine, r->node->type->elem));
    if (fill.inner)
        block_push(r->lower, &fill.inner->body, store);
    block_push(r->lower, &nest->pending, fill.top ? fill.top : store);
}

/* Returns the value if the result is a scalar.  Reduced loops at the end run over a scalar of their own; where a loop over
 * the result is inside a reduced one, the result is combined in place. */
static const Formula *lower_reduction(Reduction *r)
{
    Lowering *lower = r->lower;
    Nest nest = nest_new(lower, r->node);
    Elem elem = r->node->type->elem;
    const Formula *at[3 * RANK_MAX], *index = formula_int(lower, r->base);
    Scalar *sum = NULL;
    Stmt *holder = NULL;                                    /* the loop that the scalar lives in */
    bool in_place = false;
    for (int k = 0; k < r->count; k++) {
        Axis *axis = &r->axis[k];
        if (!sum && axis->size > 1 && only_reduced_from(r, k)) {
            sum = lower_scalar(lower, elem, r->node, true);
            sum->loops = nest.loops;
            holder = nest.inner;
            block_push(lower, &nest.pending, lower_declare(lower, sum, identity_of(lower, r->combine, elem)));
        } else if (!sum && !in_place && axis->size > 1 && axis->reduced) {
            in_place = true;
            if (!r->keep_old)
                fill_below(r, &nest, k, index);
        }
        at[axis->label] = nest_open(&nest, 0, axis->size);
        if (!axis->reduced)
            index = index_add(lower, index, index_scale(lower, at[axis->label], axis->stride));
    }
    Combine last = in_place || r->keep_old ? r->combine : COMBINE_SET;
    const Formula *value = r->term(lower, r->node, at);
    if (sum)
        block_push(lower, &nest.inner->body, lower_assign(lower, sum, r->combine, value));
    else if (r->out)
        nest_add(&nest, lower_store(lower, r->out, index, last, value));
    if (sum && holder)
        block_push(lower, &holder->body, lower_store(lower, r->out, index, last, formula_scalar(lower, sum)));
    nest_close(&nest);
    if (sum && !holder) {
        value = formula_scalar(lower, sum);
        if (r->out)
            fuse_place(lower, lower_store(lower, r->out, index, last, value), r->node);
    }
    return value;
}

static const Formula *operand_element(Lowering *lower, const Node *n, const Formula *const *index)
{
    return read_element(lower, n->operands[0], index);
}

/* Loops in the order of the operand's axes: unit stride innermost. */
static const Formula *lower_reduce(Lowering *lower, const Node *n, Buffer *out, bool keep_old)
{
    Reduction r = { .lower = lower, .node = n, .term = operand_element, .out = out, .combine = combine_of(n),
                    .keep_old = keep_old };
    const Type *t = n->operands[0]->type;
    int64_t stride = 1;
    r.count = t->rank;
    for (int k = 0; k < t->rank; k++)
        r.axis[k] = (Axis){ .size = type_size(t, k), .label = k };
    for (int k = 0; k < n->attr_count; k++)
        r.axis[n->attr[k] + t->rank].reduced = true;
    for (int k = t->rank - 1; k >= 0; k--)
        if (!r.axis[k].reduced) {
            r.axis[k].stride = stride;
            stride *= r.axis[k].size;
        }
    return lower_reduction(&r);
}

/* ---- contractions ---------------------------------------------------------------------------------------------- */
static const Formula *einsum_term(Lowering *lower, const Node *n, const Formula *const *label_index)
{
    const Formula *product = NULL;
    for (int i = 0; i < n->operand_count; i++) {
        const Formula *inner[RANK_MAX];
        const int64_t *labels = einsum_labels(n, i);
        for (int k = 0; k < n->operands[i]->type->rank; k++)
            inner[k] = label_index[labels[k]];
        const Formula *f = read_element(lower, n->operands[i], inner);
        product = product ? formula_binary(lower, FORMULA_MUL, product, f) : f;
    }
    return product;
}

static bool runs_along(const Node *n, int label)
{
    for (int i = 0; i < n->operand_count; i++)
        if (einsum_stride(n, i, label) > 1)
            return false;
    return true;
}

/* The axis of the result that rows are accumulated along, if that is better than to sum innermost: neighbours are close
 * together in the result and in every operand that has it. */
static int row_axis(const Reduction *r, int kept, int last_sum)
{
    int row = -1;
    if (kept == 0 || runs_along(r->node, last_sum))
        return -1;
    for (int k = 0; k < kept; k++)
        if (r->axis[k].stride == 1 && runs_along(r->node, r->axis[k].label)
            && (row < 0 || r->axis[k].size >= r->axis[row].size))
            row = k;
    return row;
}

/* Sums innermost, or accumulates rows.  into: the result is scattered by this index_add. */
static const Formula *lower_einsum(Lowering *lower, const Node *n, const Node *into, Buffer *out, bool keep_old)
{
    Reduction r = { .lower = lower, .node = n, .term = einsum_term, .out = out, .combine = COMBINE_ADD,
                    .keep_old = keep_old };
    int64_t sizes[3 * RANK_MAX], stride = 1;
    int labels = einsum_sizes(n, sizes), kept = n->type->rank, last_sum = -1;
    const int64_t *result = einsum_labels(n, n->operand_count);
    bool is_kept[3 * RANK_MAX] = { false };
    for (int k = 0; k < kept; k++)
        is_kept[result[k]] = true;
    for (int k = 0; k < kept; k++)
        r.axis[k] = (Axis){ .size = sizes[result[k]], .label = (int)result[k] };
    for (int k = kept - 1; k >= 0; k--) {
        r.axis[k].stride = stride;
        stride *= r.axis[k].size;
    }
    if (into) {
        int64_t places[RANK_MAX];
        window_places(into, places, &r.base);
        for (int k = 0; k < kept; k++)
            r.axis[k].stride = places[k];
    }
    r.count = kept;
    for (int label = 0; label < labels; label++)
        if (!is_kept[label]) {
            r.axis[r.count++] = (Axis){ .size = sizes[label], .label = label, .reduced = true };
            last_sum = label;
        }
    int row = row_axis(&r, kept, last_sum);
    if (row >= 0) {
        Axis inner = r.axis[row];
        for (int k = row + 1; k < r.count; k++)
            r.axis[k - 1] = r.axis[k];
        r.axis[r.count - 1] = inner;
    }
    return lower_reduction(&r);
}

/* ---- run-time indices and recurrences -------------------------------------------------------------------------- */
static const Formula *scatter_place(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *at[RANK_MAX];
    int count = n->operand_count - 2, shared = n->operands[2]->type->rank;
    for (int k = 0; k < count; k++)
        at[k] = formula_clamp(lower, read_element(lower, n->operands[k + 2], index), type_size(n->type, k) - 1);
    for (int k = count; k < n->type->rank; k++)
        at[k] = index[shared + k - count];
    return index_flat(lower, n->type, at);
}

static const Formula *scatter_value(Lowering *lower, const Node *n, const Formula *const *index)
{
    return read_element(lower, n->operands[1], index);
}

/* Different along this axis, whatever the other axes are: 0, 1, .. */
static bool counts_along(const Node *x, int axis)
{
    int behind = x->type->rank - axis;
    while (x->op == OP_expand) {
        const Type *t = x->operands[0]->type;
        if (behind > t->rank || type_size(t, -behind) != type_size(x->type, -behind))
            return false;
        x = x->operands[0];
    }
    if (x->op == OP_reshape && x->type->count == type_size(x->type, -behind))
        x = x->operands[0];
    else if (behind != 1)
        return false;
    return x->op == OP_iota && x->type->rank == 1;
}

/* No place is written twice. */
static bool scatter_is_injective(const Node *n)
{
    const Type *t = n->operands[2]->type;
    for (int axis = 0; axis < t->rank; axis++) {
        bool counts = type_size(t, axis) == 1;
        for (int k = 2; k < n->operand_count && !counts; k++)
            counts = counts_along(n->operands[k], axis);
        if (!counts)
            return false;
    }
    return true;
}

/* The scatter itself, into what holds the base.  Where it could read what it has changed before, what it reads is stored
 * first. */
static void scatter_onto(Lowering *lower, const Node *n, Buffer *out, Combine combine)
{
    const Formula *index[RANK_MAX];
    const Type *t = n->operands[1]->type;
    bool injective = scatter_is_injective(n), safe = false;
    for (int attempt = 0; !safe; attempt++) {
        Nest nest = nest_new(lower, n);
        for (int k = 0; k < t->rank; k++)
            index[k] = nest_open(&nest, 0, type_size(t, k));
        const Formula *at = scatter_place(lower, n, index), *value = scatter_value(lower, n, index);
        Stmt *store = lower_store(lower, out, at, combine, value);
        bool safe_value = schedule_is_safe(lower, out, store->index, injective, value);
        bool safe_place = schedule_is_safe(lower, out, store->index, injective, store->index);
        safe = safe_value && safe_place;
        if (!safe && attempt)
            internal_error(lower->ctx, "code generator: a scatter reads what it writes");
        for (int i = 1; !safe && i < n->operand_count; i++)
            if (i == 1 ? !safe_value : !safe_place)
                lower_materialise(lower, n->operands[i]);
        if (!safe)
            continue;
        int barrier = lower->barrier;
        lower->barrier = lower->function->body.list.count;
        nest_add(&nest, store);
        nest_close(&nest);
        lower->barrier = barrier;
    }
}

static void lower_scatter(Lowering *lower, const Node *n, Buffer *out, bool keep_old)
{
    const Node *source = n->operands[1];
    NodeInfo *base = info_of(lower, schedule_base(n));
    Combine combine = n->op == OP_index_add ? COMBINE_ADD : COMBINE_SET;
    if (base->taken_by == n) {
        scatter_onto(lower, n, out, combine);
        return;
    }
    if (!keep_old)
        store_all(lower, n, n->type, out, operand_element, NULL, COMBINE_SET);
    else if (!node_is_zero(n->operands[0]))
        store_all(lower, n, n->type, out, operand_element, NULL, COMBINE_ADD);
    if (info_of(lower, source)->into == n && info_of(lower, source)->is_kernel)
        matmul_lower(lower, source, n, out, true);
    else if (info_of(lower, source)->into == n)
        lower_einsum(lower, source, n, out, true);
    else
        store_all(lower, n, n->operands[1]->type, out, scatter_value, scatter_place, combine);
}

/* y_0 = b_0, then y_k = b_k + a_k y_{k-1}, which reads what the trip before has stored. */
static void lower_recurrence(Lowering *lower, const Node *n, Buffer *out)
{
    const Formula *index[RANK_MAX], *before[RANK_MAX];
    int axis = (int)n->attr[0] + n->type->rank;
    for (int part = 0; part < 2; part++) {
        Nest nest = nest_new(lower, n);
        if (part == 1 && type_size(n->type, axis) == 1)
            return;
        for (int k = 0; k < n->type->rank; k++) {
            bool along = k == axis;
            index[k] = nest_open(&nest, along && part, along && !part ? 1 : type_size(n->type, k));
            before[k] = along ? index_shift(lower, index[k], -1) : index[k];
        }
        const Formula *value = read_element(lower, n->operands[1], index);
        if (part) {
            const Formula *last = formula_load(lower, out, index_flat(lower, n->type, before));
            value = recurrence_step(lower, n, value, read_element(lower, n->operands[0], index), last);
        }
        nest_add(&nest, lower_store(lower, out, index_flat(lower, n->type, index), COMBINE_SET, value));
        nest_close(&nest);
    }
}

/* ---- pieces that are stored one after the other ---------------------------------------------------------------- */
static void lower_piece(Lowering *lower, const Node *n, const Node *piece, Buffer *out, int axis, int64_t offset, Combine combine)
{
    const Formula *index[RANK_MAX], *at[RANK_MAX];
    Nest nest = nest_new(lower, n);
    int extra = n->type->rank - piece->type->rank;          /* 1 for stack */
    at[0] = formula_int(lower, offset);
    for (int k = 0; k < piece->type->rank; k++) {
        index[k] = nest_open(&nest, 0, type_size(piece->type, k));
        at[k + extra] = k + extra == axis ? index_shift(lower, index[k], offset) : index[k];
    }
    nest_add(&nest, lower_store(lower, out, index_flat(lower, n->type, at), combine, read_element(lower, piece, index)));
    nest_close(&nest);
}

static void lower_pieces(Lowering *lower, const Node *n, Buffer *out, Combine combine)
{
    int64_t offset = 0;
    int axis = n->op == OP_stack ? 0 : (int)n->attr[0] + n->type->rank;
    for (int i = 0; i < n->operand_count; i++) {
        lower_piece(lower, n, n->operands[i], out, axis, offset, combine);
        offset += n->op == OP_stack ? 1 : type_size(n->operands[i]->type, axis);
    }
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */
/* Adding straight into the caller's array needs an op whose stores are sums, and no other reader. */
static bool accumulates_directly(const Lowering *lower, const NodeInfo *info)
{
    Op op = info->node->op;
    for (int k = 0; k < lower->fn->results.count; k++)
        if (k != info->result - 1 && lower_result_root(lower->fn->results.at[k].node) == info->node)
            return false;
    bool sums = !node_is_reduction(info->node) || op == OP_sum;
    return info->consumers == 0 && op != OP_result && sums && op != OP_index_set && op != OP_recurrence
        && !factor_fits(info->node);
}

/* The value that takes over the memory of this one, if it is one of a region. */
static const NodeInfo *taken_over(const Lowering *lower, const NodeInfo *info)
{
    const Node *by = info->taken_by;
    if (!by || !node_is_region(by))
        return by ? info_of(lower, by) : NULL;
    for (int k = 0; k < region_result_count(by); k++) {
        const Node *value = info_of(lower, by)->values[k];
        bool carried = by->op != OP_branch && k < by->attr[1];
        const Node *from = !value ? NULL : carried ? by->operands[region_leading_count(by) - by->attr[1] + k] : schedule_base(value);
        while (from && from->op == OP_reshape)
            from = from->operands[0];
        if (from == info->node)
            return info_of(lower, value);
    }
    return NULL;
}

/* Where what becomes of this value is asked for; NULL: nowhere in particular. */
static Buffer *final_buffer(const Lowering *lower, const NodeInfo *info)
{
    const NodeInfo *last = info;
    for (const NodeInfo *next = taken_over(lower, last); next; next = taken_over(lower, next))
        last = next;
    const Target *t = last != info && last->result ? &lower->targets[last->result - 1] : NULL;
    return t && t->buffer && !t->in_place && !t->accumulate ? t->buffer : NULL;
}

Buffer *lower_buffer(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node, *base = schedule_base(n);
    if (base && info_of(lower, base)->taken_by == n && n->op != OP_result)
        return lower_version(lower, info_of(lower, base)->buffer, info->taken_by != NULL);
    for (int k = info->result ? info->result - 1 : lower->fn->results.count; k < lower->fn->results.count; k++) {
        Target *t = &lower->targets[k];
        if (!t->buffer || t->in_place || lower_result_root(lower->fn->results.at[k].node) != n)
            continue;
        t->buffer->node = n;
        if (!t->accumulate || accumulates_directly(lower, info))
            return t->buffer;
    }
    Buffer *final = final_buffer(lower, info), *b = final ? final : lower_temp(lower, n->type->elem, n->type->count, n);
    b->overwritten |= info->taken_by != NULL;
    return b;
}

static void lower_stored(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node;
    Buffer *out = info->buffer = lower_buffer(lower, info);
    bool add = out->accumulates;
    switch (n->op) {
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce:
        lower_reduce(lower, n, out, add); break;
    case OP_einsum:
        if (info->is_kernel)
            matmul_lower(lower, n, NULL, out, add);
        else if (einsum_contracted(n) > 1)
            lower_einsum(lower, n, NULL, out, add);
        else
            store_all(lower, n, n->type, out, compute_element, NULL, add ? COMBINE_ADD : COMBINE_SET);
        break;
    case OP_index_add: case OP_index_set: lower_scatter(lower, n, out, add); break;
    case OP_recurrence: lower_recurrence(lower, n, out); break;
    case OP_lu_factor: case OP_lu_solve: case OP_triangular_solve: case OP_cholesky: factor_lower(lower, n, out); break;
    case OP_stack: case OP_concat: lower_pieces(lower, n, out, add ? COMBINE_ADD : COMBINE_SET); break;
    default: store_all(lower, n, n->type, out, compute_element, NULL, add ? COMBINE_ADD : COMBINE_SET); break;
    }
}

static void lower_elements(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node;
    const Formula *index[RANK_MAX];
    info->elements = NEW_ARRAY(lower->brief, const Formula *, n->type->count);
    if (n->op == OP_param)
        return;
    if (n->type->rank == 0 && node_is_reduction(n) && !decide_unrolls(info)) {
        info->elements[0] = lower_reduce(lower, n, NULL, false);
        return;
    }
    if (n->type->rank == 0 && n->op == OP_einsum && !decide_unrolls(info)) {
        info->elements[0] = lower_einsum(lower, n, NULL, NULL, false);
        return;
    }
    for (int64_t flat = 0; flat < n->type->count; flat++) {
        index_unflat(lower, n->type, formula_int(lower, flat), index);
        info->elements[flat] = formula_named(lower, compute_element(lower, n, index), n);
    }
}

/* ---- inputs and results ---------------------------------------------------------------------------------------- */
const Node *lower_result_root(const Node *n)
{
    while (n->op == OP_reshape && n->operands[0]->op != OP_param && n->operands[0]->op != OP_constant)
        n = n->operands[0];
    return n;
}

static Buffer *outer_buffer(Lowering *lower, BufferKind kind, Str name, const Type *t)
{
    Buffer *b = NEW(lower->arena, Buffer);
    *b = (Buffer){ .kind = kind, .elem = t->elem, .id = lower->buffer_count++, .size = t->count, .name = name };
    return b;
}

/* A part of the tape, which is an array of reals. */
static Buffer *tape_buffer(Lowering *lower, BufferKind kind, const Type *t)
{
    Costs *costs = &lower->function->costs;
    Buffer *b = outer_buffer(lower, kind, NULL, t);
    b->on_tape = true;
    b->elem = ELEM_REAL;
    b->holds_ints = t->elem == ELEM_INT;
    b->holds_bools = t->elem == ELEM_BOOL;
    b->base = costs->tape_elements ? formula_int(lower, costs->tape_elements) : NULL;
    costs->tape_elements += t->count;
    b->size = costs->tape_elements;                         /* indices have the base in them */
    costs->tape_bytes += t->count * (lower->ctx->options.is_float ? 4 : 8);
    return b;
}

static void lower_input(Lowering *lower, const Param *p)
{
    Parameter parameter = { .name = p->name, .type = p->node->type, .on_tape = p->on_tape };
    if (p->on_tape) {
        parameter.buffer = tape_buffer(lower, BUFFER_INPUT, p->node->type);
    } else if (p->node->type->rank == 0) {
        parameter.scalar = lower_scalar(lower, p->node->type->elem, NULL, false);
        parameter.scalar->is_input = true;
        parameter.scalar->name = p->name;
    } else {
        parameter.buffer = outer_buffer(lower, BUFFER_INPUT, p->name, p->node->type);
    }
    vec_push(lower->arena, &lower->function->params, parameter);
}

static void lower_output(Lowering *lower, const Result *r)
{
    Parameter parameter = { .name = r->name, .type = r->node->type, .is_output = true, .accumulates = r->accumulate,
                            .on_tape = r->on_tape };
    parameter.buffer = r->on_tape ? tape_buffer(lower, BUFFER_OUTPUT, r->node->type)
                                  : outer_buffer(lower, BUFFER_OUTPUT, r->name, r->node->type);
    parameter.buffer->accumulates = r->accumulate;
    vec_push(lower->arena, &lower->function->params, parameter);
}

/* Params that the results reach; the others have no info and no use. */
static void bind_inputs(Lowering *lower)
{
    for (int k = 0; k < lower->fn->params.count; k++) {
        const Node *n = lower->fn->params.at[k].node;
        Parameter *p = &lower->function->params.at[k];
        if (lower->slot[n->id] < 0)
            continue;
        NodeInfo *info = info_of(lower, n);
        if (p->type->rank == 0) {
            info->elements = NEW_ARRAY(lower->brief, const Formula *, 1);
            info->elements[0] = p->scalar ? formula_scalar(lower, p->scalar)
                                          : formula_load(lower, p->buffer, formula_int(lower, 0));
        } else {
            info->buffer = p->buffer;
            info->mode = MODE_BUFFER;
        }
    }
}

static const Formula *zero_element(Lowering *lower, const Node *n, const Formula *const *index)
{
    (void)index;
    return formula_number(lower, n->type->elem, 0);
}

void lower_zero(Lowering *lower, const Node *n, Buffer *out)
{
    store_all(lower, n, n->type, out, zero_element, NULL, COMBINE_SET);
}

/* The store that copies a tensor, in no loop yet: to see what it reads. */
Stmt *lower_nest(Lowering *lower, const Node *n, Buffer *out)
{
    const Formula *index[RANK_MAX];
    Nest nest = nest_new(lower, n);
    for (int k = 0; k < n->type->rank; k++)
        index[k] = nest_open(&nest, 0, type_size(n->type, k));
    return lower_store(lower, out, index_flat(lower, n->type, index), COMBINE_SET, read_element(lower, n, index));
}

/* A tensor into a buffer. */
void lower_copy(Lowering *lower, const Node *n, Buffer *out)
{
    const Formula *index[RANK_MAX];
    NodeInfo *info = info_of(lower, n);
    if (info->mode != MODE_ELEMENTS || info->buffer) {      /* a value of a region may be both */
        Mode mode = info->mode;
        info->mode = info->buffer ? MODE_BUFFER : mode;
        store_all(lower, n, n->type, out, read_element, NULL, COMBINE_SET);
        info->mode = mode;
        return;
    }
    for (int64_t k = 0; k < n->type->count; k++) {
        index_unflat(lower, n->type, formula_int(lower, k), index);
        fuse_place(lower, lower_store(lower, out, formula_int(lower, k), COMBINE_SET, read_element(lower, n, index)), n);
    }
}

void lower_materialise(Lowering *lower, const Node *n)
{
    NodeInfo *info = info_of(lower, n);
    if (n->type->rank == 0 || (info->mode == MODE_BUFFER && !info->owned && !info->taken_by))
        return;
    Buffer *b = lower_temp(lower, n->type->elem, n->type->count, n);
    lower_copy(lower, n, b);
    info->buffer = b;
    info->mode = MODE_BUFFER;
}

static void store_result(Lowering *lower, int position)
{
    const Node *n = lower_result_root(lower->fn->results.at[position].node);
    const Target *target = &lower->targets[position];
    NodeInfo *info = info_of(lower, n);
    Combine combine = target->accumulate ? COMBINE_ADD : COMBINE_SET;
    if (!target->buffer || target->in_place)
        return;
    if (info->mode == MODE_ELEMENTS) {
        const Formula *index[RANK_MAX];
        for (int64_t k = 0; k < n->type->count; k++) {
            index_unflat(lower, n->type, formula_int(lower, k), index);
            fuse_place(lower, lower_store(lower, target->buffer, formula_int(lower, k), combine, read_element(lower, n, index)), n);
        }
    } else if (!info->buffer || buffer_storage(info->buffer) != target->buffer) {
        store_all(lower, n, n->type, target->buffer, read_element, NULL, combine);
    }
}

static void collect_nodes(Lowering *lower)
{
    for (int k = 0; k < lower->info_count; k++) {
        const Node *n = lower->infos[k].node;
        if (node_is_region(n))
            lower->infos[k].values = NEW_ARRAY(lower->brief, const Node *, region_result_count(n) + 1);
        if (n->op == OP_result)
            info_of(lower, n->operands[0])->values[n->attr[0]] = n;
    }
    for (int k = lower->fn->results.count - 1; k >= 0; k--)
        info_of(lower, lower_result_root(lower->fn->results.at[k].node))->result = k + 1;
}

static void swap_slot(Lowering *lower, const Node *n, int k)
{
    int here = lower->slot[n->id];
    lower->slot[n->id] = lower->other_slots[k];
    lower->other_slots[k] = here;
}

/* There and back in opposite orders: a param is also a node. */
void lower_swap_slots(Lowering *lower)
{
    int nodes = lower->info_count;
    bool enter = lower->swapped;
    lower->swapped = !enter;
    for (int k = 0; enter && k < lower->fn->params.count; k++)
        swap_slot(lower, lower->fn->params.at[k].node, nodes + k);
    for (int k = 0; k < nodes; k++)
        swap_slot(lower, lower->infos[k].node, k);
    for (int k = lower->fn->params.count - 1; !enter && k >= 0; k--)
        swap_slot(lower, lower->fn->params.at[k].node, nodes + k);
}

void lower_begin(Lowering *lower)
{
    NodeList nodes = { 0 };
    fn_nodes(lower->ctx, lower->fn, lower->brief, &nodes);
    lower->info_count = nodes.count;
    lower->infos = NEW_ARRAY(lower->brief, NodeInfo, nodes.count + 1);
    lower->other_slots = NEW_ARRAY(lower->brief, int, nodes.count + lower->fn->params.count + 1);
    for (int k = 0; k < nodes.count; k++) {
        lower->infos[k] = (NodeInfo){ .node = nodes.at[k], .only_elements = true };
        lower->other_slots[k] = k;
    }
    for (int k = 0; k < lower->fn->params.count; k++)
        lower->other_slots[nodes.count + k] = -1;
    lower->swapped = true;
    lower_swap_slots(lower);
    collect_nodes(lower);
    decide_modes(lower);
}

static void lower_node(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node;
    lower->ctx->place = n->origin.span;
    if (n->op == OP_param || n->op == OP_constant || n->op == OP_result)
        return;
    if (info->mode == MODE_REGION)
        region_lower(lower, n);
    else if (info->mode == MODE_ELEMENTS)
        lower_elements(lower, info);
    else if (info->mode == MODE_BUFFER)
        lower_stored(lower, info);
    if (lower->overwrites && info->mode == MODE_ELEMENTS)
        schedule_keep(lower, info);
}

void lower_statements(Lowering *lower)
{
    schedule_nodes(lower);
    for (int k = 0; k < lower->order_count; k++)
        if (lower->order[k] < lower->info_count)
            lower_node(lower, &lower->infos[lower->order[k]]);
        else if (lower->order[k] < lower->info_count + lower->fn->results.count)
            store_result(lower, lower->order[k] - lower->info_count);
        else
            region_break(lower);
}

void lower_finish(Lowering *lower)
{
    shrink_temps(lower);
    strip_loops(lower);
    formula_seal(lower);
    bind_formulas(lower);
    plan_memory(lower);
    lower->function->formula_count = lower->formula_count;
}

/* The parts of the tape are one parameter, in the place of the first. */
static void make_signature(Lowering *lower)
{
    Function *f = lower->function;
    int64_t size = f->costs.tape_elements;
    Parameter tape = { .name = str_intern(lower->ctx, "tape"), .is_tape = true };
    for (int k = 0; k < f->params.count; k++)
        tape.is_used |= f->params.at[k].on_tape && f->params.at[k].is_used;
    for (int k = 0; k < f->params.count; k++) {
        const Parameter *p = &f->params.at[k];
        if (p->on_tape && !tape.type) {
            tape.type = type_sized(lower->ctx, ELEM_REAL, 1, &size);
            tape.is_output = p->is_output;
            vec_push(lower->arena, &f->signature, tape);
        } else if (!p->on_tape) {
            vec_push(lower->arena, &f->signature, *p);
        }
    }
}

Function *lower_function(Program *program, const Fn *fn, int *slot)
{
    Context *ctx = program->ctx;
    Lowering *lower = NEW(ctx->arena, Lowering);
    *lower = (Lowering){ .ctx = ctx, .arena = ctx->arena, .own = arena_new(), .brief = arena_new(),
                          .program = program, .fn = fn, .slot = slot };
    lower->function = NEW(ctx->arena, Function);
    lower->function->fn = fn;
    lower->function->name = str_format(ctx, "%s%s", ctx->options.prefix, fn->name);
    lower->targets = NEW_ARRAY(ctx->arena, Target, fn->results.count + 1);
    lower_begin(lower);
    for (int k = 0; k < fn->params.count; k++)
        lower_input(lower, &fn->params.at[k]);
    for (int k = 0; k < fn->results.count; k++) {
        lower_output(lower, &fn->results.at[k]);
        lower->targets[k] = (Target){ .buffer = lower->function->params.at[fn->params.count + k].buffer,
                                      .accumulate = fn->results.at[k].accumulate };
    }
    bind_inputs(lower);
    lower_statements(lower);
    arena_free(lower->brief);
    lower_finish(lower);
    sweep_dead(lower);
    coalesce_scalars(lower);
    make_signature(lower);
    count_costs(lower);
    plan_settle(lower, 0);
    name_everything(lower);
    arena_free(lower->own);
    return lower->function;
}
