/* read.c: one element of a node at given indices, as a Formula: what is inlined is computed on the spot, what is stored
 * is loaded.  Movement is arithmetic on the indices, so it costs nothing at run time where the index stays affine.
 *
 * Recursion is bounded by decide.c: a chain of inlined nodes is at most DEPTH_MAX deep. */
#include "loop.h"

/* ---- movement -------------------------------------------------------------------------------------------------- */
static const Formula *read_expand(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX];
    const Type *t = n->operands[0]->type;
    int extra = n->type->rank - t->rank;
    for (int k = 0; k < t->rank; k++)
        inner[k] = type_size(t, k) == 1 ? formula_int(lower, 0) : index[k + extra];
    return read_element(lower, n->operands[0], inner);
}

static const Formula *read_reshape(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX], *flat = index_flat(lower, n->type, index);
    const Node *x = n->operands[0];
    NodeInfo *info = info_of(lower, x);
    if (info->mode == MODE_BUFFER && info->buffer)
        return formula_load(lower, info->buffer, flat);
    index_unflat(lower, x->type, flat, inner);
    return read_element(lower, x, inner);
}

static const Formula *read_permute(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX];
    for (int k = 0; k < n->type->rank; k++)
        inner[n->attr[k] + n->type->rank] = index[k];
    return read_element(lower, n->operands[0], inner);
}

static const Formula *read_slice(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX];
    for (int k = 0; k < n->type->rank; k++)
        inner[k] = index_shift(lower, index_scale(lower, index[k], n->attr[n->type->rank + k]), n->attr[k]);
    return read_element(lower, n->operands[0], inner);
}

static const Formula *both(Lowering *lower, const Formula *a, const Formula *b)
{
    return formula_binary(lower, FORMULA_AND, a, b);
}

/* low <= index < high. */
static const Formula *within(Lowering *lower, const Formula *index, int64_t low, int64_t high)
{
    return both(lower, formula_nonnegative(lower, index_shift(lower, index, -low)),
                formula_nonnegative(lower, index_shift(lower, index_scale(lower, index, -1), high - 1)));
}

static const Formula *read_pad(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX], *inside = formula_bool(lower, true);
    const Type *t = n->operands[0]->type;
    for (int k = 0; k < t->rank; k++) {
        int64_t low = n->attr[k], step = n->attr[2 * t->rank + k] + 1, size = type_size(t, k);
        const Formula *shifted = index_shift(lower, index[k], -low);
        inside = both(lower, inside, within(lower, index[k], low, low + (size - 1) * step + 1));
        if (step > 1) {                                     /* only read where the index is not negative */
            const Formula *from_low = shifted->low < 0 ? index_shift(lower, shifted, step * (low / step + 1)) : shifted;
            int64_t moved = shifted->low < 0 ? low / step + 1 : 0;
            inside = both(lower, inside, formula_binary(lower, FORMULA_EQ, index_remainder(lower, from_low, step),
                                                        formula_int(lower, 0)));
            shifted = index_shift(lower, index_quotient(lower, from_low, step), -moved);
        }
        inner[k] = size == 1 ? formula_int(lower, 0) : shifted;
    }
    const Formula *zero = formula_number(lower, n->type->elem, 0);
    if (inside->kind == FORMULA_NUMBER && !inside->integer)
        return zero;
    return formula_select(lower, inside, read_element(lower, n->operands[0], inner), zero);
}

/* One of the pieces along an axis; the last needs no condition. */
static const Formula *read_concat(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX], *value = NULL;
    int axis = (int)n->attr[0] + n->type->rank;
    int64_t end = type_size(n->type, axis);
    for (int k = 0; k < n->type->rank; k++)
        inner[k] = index[k];
    for (int i = n->operand_count - 1; i >= 0; i--) {
        int64_t begin = end - type_size(n->operands[i]->type, axis);
        const Formula *here = within(lower, index[axis], begin, end);
        end = begin;
        if (here->kind == FORMULA_NUMBER && !here->integer)
            continue;
        inner[axis] = index_shift(lower, index[axis], -begin);
        const Formula *piece = read_element(lower, n->operands[i], inner);
        value = value ? formula_select(lower, here, piece, value) : piece;
    }
    return value;
}

static const Formula *read_stack(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *value = NULL;
    for (int i = n->operand_count - 1; i >= 0; i--) {
        const Formula *here = within(lower, index[0], i, i + 1);
        if (here->kind == FORMULA_NUMBER && !here->integer)
            continue;
        const Formula *piece = read_element(lower, n->operands[i], index + 1);
        value = value ? formula_select(lower, here, piece, value) : piece;
    }
    return value;
}

/* Indices that are known to be in range, such as iota's, stay affine. */
static const Formula *read_index(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *inner[RANK_MAX];
    const Node *x = n->operands[0];
    int count = n->operand_count - 1, shared = n->operands[1]->type->rank;
    bool outside = lower->knows;
    lower->knows |= info_of(lower, n)->is_window;           /* also what is stored for others is a number here */
    for (int k = 0; k < count; k++)
        inner[k] = formula_clamp(lower, read_element(lower, n->operands[k + 1], index), type_size(x->type, k) - 1);
    lower->knows = outside;
    for (int k = count; k < x->type->rank; k++)
        inner[k] = index[shared + k - count];
    return read_element(lower, x, inner);
}

/* ---- constants ------------------------------------------------------------------------------------------------- */
/* An int constant such as [0, 2, 4] is arithmetic on its indices, not a table. */
static const int64_t *find_progression(Lowering *lower, const Node *n)
{
    int64_t *p = NEW_ARRAY(lower->arena, int64_t, n->type->rank + 1), stride = n->type->count;
    p[n->type->rank] = (int64_t)n->data[0];
    for (int k = 0; k < n->type->rank; k++) {
        stride /= type_size(n->type, k);
        p[k] = type_size(n->type, k) > 1 ? (int64_t)n->data[stride] - (int64_t)n->data[0] : 0;
    }
    for (int64_t flat = 0; flat < n->type->count; flat++) {
        int64_t rest = flat, want = p[n->type->rank];
        for (int k = n->type->rank - 1; k >= 0; k--) {
            want += p[k] * (rest % type_size(n->type, k));
            rest /= type_size(n->type, k);
        }
        if ((double)want < n->data[flat] || (double)want > n->data[flat])
            return NULL;
    }
    return p;
}

static const Formula *read_progression(Lowering *lower, const Node *n, const int64_t *p, const Formula *const *index)
{
    const Formula *sum = formula_int(lower, p[n->type->rank]);
    for (int k = 0; k < n->type->rank; k++)
        sum = index_add(lower, sum, index_scale(lower, index[k], p[k]));
    return sum;
}

static Buffer *constant_buffer(Lowering *lower, const Node *n)
{
    Program *p = lower->program;
    if (!p->constant_of)
        p->constant_of = map_new(lower->arena);
    Buffer *found = map_get(p->constant_of, n);
    if (found)
        return found;
    Buffer *b = NEW(lower->arena, Buffer);
    *b = (Buffer){ .kind = BUFFER_CONSTANT, .elem = n->type->elem, .id = p->constants.count, .size = n->type->count,
                   .data = n->data, .node = n,
                   .name = str_format(lower->ctx, "adc_table%d", p->constants.count + 1) };
    map_put(p->constant_of, n, b);
    vec_push(lower->arena, &p->constants, b);
    return b;
}

static const Formula *read_constant(Lowering *lower, const Node *n, const Formula *const *index)
{
    NodeInfo *info = info_of(lower, n);
    const Formula *flat = index_flat(lower, n->type, index);
    if (flat->kind == FORMULA_NUMBER && flat->integer >= 0 && flat->integer < n->type->count)
        return formula_number(lower, n->type->elem, n->data[flat->integer]);
    if (!info->buffer && !info->progression && n->type->elem == ELEM_INT)
        info->progression = find_progression(lower, n);
    if (info->progression)
        return read_progression(lower, n, info->progression, index);
    if (!info->buffer)
        info->buffer = constant_buffer(lower, n);
    return formula_load(lower, info->buffer, flat);
}

/* ---- contractions without a sum, and small ones ---------------------------------------------------------------- */
static const Formula *read_labels(Lowering *lower, const Node *n, int operand, const Formula *const *label_index)
{
    const Formula *inner[RANK_MAX];
    const int64_t *labels = einsum_labels(n, operand);
    for (int k = 0; k < n->operands[operand]->type->rank; k++)
        inner[k] = label_index[labels[k]];
    return read_element(lower, n->operands[operand], inner);
}

static bool is_zero(const Formula *f)
{
    return f->kind == FORMULA_NUMBER && f->elem == ELEM_REAL && f->number <= 0 && f->number >= 0;
}

/* A product; NULL when a factor is a zero that is written in the program. */
static const Formula *product(Lowering *lower, const Node *n, const Formula *const *label_index)
{
    const Formula *p = NULL;
    bool zero = false;
    for (int i = 0; i < n->operand_count; i++) {
        const Formula *f = read_labels(lower, n, i, label_index);
        zero |= is_zero(f);
        p = p ? formula_binary(lower, FORMULA_MUL, p, f) : f;
    }
    return zero ? NULL : p;
}

static const Formula *sum_of(Lowering *lower, const Formula *sum, const Formula *term)
{
    return sum && term ? formula_binary(lower, FORMULA_ADD, sum, term) : sum ? sum : term;
}

static const Formula *read_einsum(Lowering *lower, const Node *n, const Formula *const *index)
{
    int64_t sizes[3 * RANK_MAX], trips = einsum_contracted(n);
    const Formula *at[3 * RANK_MAX] = { 0 }, *condition = formula_bool(lower, true), *sum = NULL;
    const int64_t *out = einsum_labels(n, n->operand_count);
    int labels = einsum_sizes(n, sizes);
    for (int k = 0; k < n->type->rank; k++) {
        if (at[out[k]])                                     /* a diagonal */
            condition = both(lower, condition, formula_binary(lower, FORMULA_EQ, at[out[k]], index[k]));
        else
            at[out[k]] = index[k];
    }
    bool contracted[3 * RANK_MAX];
    for (int label = 0; label < labels; label++)
        contracted[label] = !at[label];
    for (int64_t trip = 0; trip < trips; trip++) {
        int64_t rest = trip;
        for (int label = labels - 1; label >= 0; label--)
            if (contracted[label]) {
                at[label] = formula_int(lower, rest % sizes[label]);
                rest /= sizes[label];
            }
        sum = sum_of(lower, sum, product(lower, n, at));
    }
    const Formula *zero = formula_real(lower, 0);
    return formula_select(lower, condition, sum ? sum : zero, zero);
}

static FormulaKind reduction_kind(Op op) { return op == OP_prod ? FORMULA_MUL : FORMULA_ADD; }

static const Formula *larger_or_smaller(Lowering *lower, Op op, const Formula *x, const Formula *w)
{
    Node n = { .op = op == OP_min_reduce ? OP_min : OP_max, .type = type_scalar(lower->ctx, x->elem) };
    return kernel_apply(lower, &n, (const Formula *[]){ x, w });
}

/* A reduction of few elements, term by term. */
static const Formula *read_reduction(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Type *t = n->operands[0]->type;
    const Formula *inner[RANK_MAX], *value = NULL;
    bool reduced[RANK_MAX] = { false };
    int64_t trips = t->count / n->type->count;
    for (int k = 0; k < n->attr_count; k++)
        reduced[n->attr[k] + t->rank] = true;
    for (int64_t trip = 0; trip < trips; trip++) {
        int64_t rest = trip;
        int kept = n->type->rank;
        for (int k = t->rank - 1; k >= 0; k--) {
            if (!reduced[k]) {
                inner[k] = index[--kept];
                continue;
            }
            inner[k] = formula_int(lower, rest % type_size(t, k));
            rest /= type_size(t, k);
        }
        const Formula *x = read_element(lower, n->operands[0], inner);
        if (!value)
            value = x;
        else if (n->op == OP_sum || n->op == OP_prod)
            value = formula_binary(lower, reduction_kind(n->op), value, x);
        else
            value = larger_or_smaller(lower, n->op, value, x);
    }
    return value;
}

/* b + factor * last, or b where the factor is 0 and forgets. */
const Formula *recurrence_step(Lowering *lower, const Node *n, const Formula *b, const Formula *factor, const Formula *last)
{
    const Formula *sum = formula_binary(lower, FORMULA_ADD, b, formula_binary(lower, FORMULA_MUL, factor, last));
    if (!n->attr[1])
        return sum;
    const Formula *zero = formula_real(lower, 0), *below = formula_binary(lower, FORMULA_LE, factor, zero);
    const Formula *is_zero = formula_binary(lower, FORMULA_AND, below, formula_binary(lower, FORMULA_GE, factor, zero));
    return formula_select(lower, is_zero, b, sum);
}

static const Formula *read_recurrence(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *at[RANK_MAX], *y = NULL;
    int axis = (int)n->attr[0] + n->type->rank;
    for (int k = 0; k < n->type->rank; k++)
        at[k] = index[k];
    for (int64_t i = 0; i <= index[axis]->integer; i++) {
        at[axis] = formula_int(lower, i);
        const Formula *b = read_element(lower, n->operands[1], at);
        y = !y ? b : recurrence_step(lower, n, b, read_element(lower, n->operands[0], at), y);
    }
    return y;
}

/* ---- all ops --------------------------------------------------------------------------------------------------- */
/* The zeros of a seed or of a missing tangent, in a product of a derivative: structure, not values. */
static bool is_structural_zero(const Node *x, const Formula *element)
{
    double value;
    return is_zero(element) && !node_is_fill(x, &value);
}

static const Formula *compute_elementwise(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *args[3];
    for (int k = 0; k < n->operand_count; k++)
        args[k] = read_element(lower, decide_operand(lower, n, k), index);
    if (n->op == OP_mul && n->type->rank > 0 && n->origin.role != ROLE_PRIMAL
        && (is_structural_zero(n->operands[0], args[0]) || is_structural_zero(n->operands[1], args[1])))
        return formula_real(lower, 0);
    return kernel_apply(lower, n, args);
}

/* A C function of the user's. */
static const Formula *read_call(Lowering *lower, const Node *n, const Formula *const *index)
{
    const Formula *args[SCALAR_FN_ARGUMENTS];
    for (int k = 0; k < n->operand_count; k++)
        args[k] = read_element(lower, n->operands[k], index);
    return formula_extern(lower, scalar_fn(lower->ctx, (int)n->attr[0])->name, n->operand_count, args);
}

const Formula *compute_element(Lowering *lower, const Node *n, const Formula *const *index)
{
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return compute_elementwise(lower, n, index);
    switch (n->op) {
    case OP_constant: return read_constant(lower, n, index);
    case OP_iota: return index[0];
    case OP_call: return read_call(lower, n, index);
    case OP_bind: return read_element(lower, n->operands[0], index);
    case OP_expand: return read_expand(lower, n, index);
    case OP_reshape: return read_reshape(lower, n, index);
    case OP_permute: return read_permute(lower, n, index);
    case OP_slice: return read_slice(lower, n, index);
    case OP_pad: return read_pad(lower, n, index);
    case OP_concat: return read_concat(lower, n, index);
    case OP_stack: return read_stack(lower, n, index);
    case OP_index: return read_index(lower, n, index);
    case OP_einsum: return read_einsum(lower, n, index);
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce:
        return read_reduction(lower, n, index);
    case OP_recurrence: return read_recurrence(lower, n, index);
    default: internal_error(lower->ctx, "code generator: no element rule for %s", op_info[n->op].name);
    }
}

const Formula *read_element(Lowering *lower, const Node *n, const Formula *const *index)
{
    NodeInfo *info = info_of(lower, n);
    if (n->op == OP_constant)
        return read_constant(lower, n, index);
    if (info->mode == MODE_BUFFER && !(lower->knows && info->is_known && n->op != OP_param))
        return formula_load(lower, info->buffer, index_flat(lower, n->type, index));
    if (info->mode == MODE_ELEMENTS) {
        const Formula *flat = index_flat(lower, n->type, index);
        if (flat->kind != FORMULA_NUMBER)
            internal_error(lower->ctx, "code generator: %s was taken apart but is read in a loop", op_info[n->op].name);
        return info->elements[flat->integer];
    }
    return formula_named(lower, compute_element(lower, n, index), n);
}

const Formula *read_flat(Lowering *lower, const Node *n, int64_t flat)
{
    const Formula *index[RANK_MAX];
    index_unflat(lower, n->type, formula_int(lower, flat), index);
    return read_element(lower, n, index);
}
