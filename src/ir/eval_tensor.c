/* eval_tensor.c: movement, reductions, contractions and run-time indices, all of them naive.
 *
 * Nearly everything is a walk: an odometer over sizes that keeps an offset into each of up to three arrays. */
#include "eval.h"

#include <math.h>
#include <string.h>

enum { WALK_MAX = 3 * RANK_MAX };                           /* an einsum has at most that many labels */

typedef struct {
    int rank;
    int64_t count, size[WALK_MAX], index[WALK_MAX];
    int64_t stride[3][WALK_MAX], at[3];
} Walk;

static void walk_axis(Walk *w, int64_t size, int64_t stride0, int64_t stride1, int64_t stride2)
{
    w->count = (w->rank ? w->count : 1) * size;
    w->size[w->rank] = size;
    w->stride[0][w->rank] = stride0;
    w->stride[1][w->rank] = stride1;
    w->stride[2][w->rank++] = stride2;
}

static int64_t walk_count(const Walk *w) { return w->rank ? w->count : 1; }

static void walk_next(Walk *w)
{
    for (int axis = w->rank - 1; axis >= 0; axis--) {
        bool carry = ++w->index[axis] == w->size[axis];
        for (int k = 0; k < 3; k++)
            w->at[k] += w->stride[k][axis] * (carry ? 1 - w->size[axis] : 1);
        if (!carry)
            return;
        w->index[axis] = 0;
    }
}

static void copy_walk(Walk *w, const double *in, double *out)
{
    for (int64_t i = walk_count(w); i > 0; i--, walk_next(w))
        out[w->at[1]] = in[w->at[0]];
}

static void strides_of(const Type *t, int64_t *stride)
{
    int64_t step = 1;
    for (int k = t->rank - 1; k >= 0; k--) {
        stride[k] = step;
        step *= type_size(t, k);
    }
}

static void fill(double *out, int64_t count, double value)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = value;
}

static void copy(double *out, const double *in, int64_t count)
{
    memcpy(out, in, sizeof *out * (size_t)count);
}

/* ---- movement ---------------------------------------------------------------------------------------------------- */
static void eval_expand(const Node *n, const double *x, double *out)
{
    const Type *from = n->operands[0]->type;
    int64_t stride[RANK_MAX], own[RANK_MAX];
    int extra = n->type->rank - from->rank;
    Walk w = { 0 };
    strides_of(from, stride);
    strides_of(n->type, own);
    for (int k = 0; k < n->type->rank; k++) {
        bool repeats = k < extra || type_size(from, k - extra) == 1;
        walk_axis(&w, type_size(n->type, k), repeats ? 0 : stride[k - extra], own[k], 0);
    }
    copy_walk(&w, x, out);
}

static void eval_permute(const Node *n, const double *x, double *out)
{
    int64_t stride[RANK_MAX], own[RANK_MAX];
    Walk w = { 0 };
    strides_of(n->operands[0]->type, stride);
    strides_of(n->type, own);
    for (int k = 0; k < n->type->rank; k++)
        walk_axis(&w, type_size(n->type, k), stride[n->attr[k] + n->type->rank], own[k], 0);
    copy_walk(&w, x, out);
}

static void eval_slice(const Node *n, const double *x, double *out)
{
    const int64_t *start = n->attr, *step = n->attr + n->type->rank;
    int64_t stride[RANK_MAX], own[RANK_MAX];
    Walk w = { 0 };
    strides_of(n->operands[0]->type, stride);
    strides_of(n->type, own);
    for (int k = 0; k < n->type->rank; k++) {
        w.at[0] += start[k] * stride[k];
        walk_axis(&w, type_size(n->type, k), step[k] * stride[k], own[k], 0);
    }
    copy_walk(&w, x, out);
}

static void eval_pad(const Node *n, const double *x, double *out)
{
    const Type *from = n->operands[0]->type;
    const int64_t *low = n->attr, *interior = n->attr + 2 * from->rank;
    int64_t stride[RANK_MAX], own[RANK_MAX];
    Walk w = { 0 };
    strides_of(from, stride);
    strides_of(n->type, own);
    for (int k = 0; k < from->rank; k++) {
        w.at[1] += low[k] * own[k];
        walk_axis(&w, type_size(from, k), stride[k], (interior[k] + 1) * own[k], 0);
    }
    fill(out, n->type->count, 0);
    copy_walk(&w, x, out);
}

static void eval_concat(const Node *n, const double *const *xs, double *out)
{
    int axis = (int)n->attr[0] + n->type->rank;
    int64_t own[RANK_MAX], stride[RANK_MAX], offset = 0;
    strides_of(n->type, own);
    for (int i = 0; i < n->operand_count; i++) {
        const Type *from = n->operands[i]->type;
        Walk w = { .at = { 0, offset * own[axis] } };
        strides_of(from, stride);
        for (int k = 0; k < from->rank; k++)
            walk_axis(&w, type_size(from, k), stride[k], own[k], 0);
        copy_walk(&w, xs[i], out);
        offset += type_size(from, axis);
    }
}

static void eval_stack(const Node *n, const double *const *xs, double *out)
{
    int64_t size = n->operands[0]->type->count;
    for (int i = 0; i < n->operand_count; i++)
        copy(out + i * size, xs[i], size);
}

/* ---- reductions -------------------------------------------------------------------------------------------------- */
static double reduce_step(Op op, bool is_int, double so_far, double x)
{
    switch (op) {
    case OP_sum: return is_int ? wrap_int(so_far + x) : so_far + x;
    case OP_prod: return is_int ? wrap_product(so_far, x) : so_far * x;
    case OP_max_reduce: case OP_max_first: return x > so_far || isnan(x) ? x : so_far;
    default: return x < so_far || isnan(x) ? x : so_far;
    }
}

static double reduce_start(Op op)
{
    return op == OP_sum ? 0 : op == OP_prod ? 1 : op == OP_min_reduce ? HUGE_VAL : -HUGE_VAL;
}

static void eval_reduce(const Node *n, const double *x, double *out)
{
    const Type *from = n->operands[0]->type;
    bool reduced[RANK_MAX] = { false };
    int64_t stride[RANK_MAX], own[RANK_MAX];
    int kept = 0;
    Walk w = { 0 };
    strides_of(from, stride);
    strides_of(n->type, own);
    for (int k = 0; k < n->attr_count; k++)
        reduced[n->attr[k] + from->rank] = true;
    for (int k = 0; k < from->rank; k++)
        walk_axis(&w, type_size(from, k), stride[k], reduced[k] ? 0 : own[kept++], 0);
    fill(out, n->type->count, reduce_start(n->op));
    for (int64_t i = walk_count(&w); i > 0; i--, walk_next(&w))
        out[w.at[1]] = reduce_step(n->op, n->type->elem == ELEM_INT, out[w.at[1]], x[w.at[0]]);
}

/* y_k = b_k + a_k y_{k-1}, or b_k where a_k is 0 and forgets; a_0 is not read. */
static void eval_recurrence(const Node *n, const double *a, const double *b, double *out)
{
    int64_t own[RANK_MAX], length = type_size(n->type, (int)n->attr[0]);
    strides_of(n->type, own);
    int64_t step = own[n->attr[0] + n->type->rank];
    for (int64_t i = 0; i < n->type->count; i++)
        out[i] = i / step % length == 0 || (n->attr[1] && a[i] == 0) ? b[i] : b[i] + a[i] * out[i - step];
}

/* ---- contraction ------------------------------------------------------------------------------------------------- */
/* A label's stride in an array is the sum of those of its axes: that is what a diagonal is. */
static int64_t label_stride(const Type *t, const int64_t *labels, int64_t label)
{
    int64_t stride[RANK_MAX], sum = 0;
    strides_of(t, stride);
    for (int k = 0; k < t->rank; k++)
        sum += labels[k] == label ? stride[k] : 0;
    return sum;
}

static bool has_label(const int64_t *labels, int count, int64_t label)
{
    for (int k = 0; k < count; k++)
        if (labels[k] == label)
            return true;
    return false;
}

/* One product after another is added to each of the values, so that the bits do not depend on who adds. */
enum { ROWS = 4, COLUMNS = 4 };
static void add_rows(const double *factor, const double *row, int64_t step, int64_t length, double *restrict out)
{
    const double *row1 = row + step, *row2 = row1 + step, *row3 = row2 + step;
    int64_t k = 0;
    for (; k + COLUMNS <= length; k += COLUMNS) {
        double sum[COLUMNS];
        for (int i = 0; i < COLUMNS; i++)
            sum[i] = out[k + i] + factor[0] * row[k + i];
        for (int i = 0; i < COLUMNS; i++)
            sum[i] += factor[1] * row1[k + i];
        for (int i = 0; i < COLUMNS; i++)
            sum[i] += factor[2] * row2[k + i];
        for (int i = 0; i < COLUMNS; i++)
            out[k + i] = sum[i] + factor[3] * row3[k + i];
    }
    for (; k < length; k++)
        out[k] = out[k] + factor[0] * row[k] + factor[1] * row1[k] + factor[2] * row2[k] + factor[3] * row3[k];
}

/* A walk over one more axis than is walked: a vector of products per place. */
typedef struct { int64_t length, step[3]; } Axis;

static Axis take_axis(Walk *w, int axis)
{
    Axis taken = { w->size[axis], { w->stride[0][axis], w->stride[1][axis], w->stride[2][axis] } };
    w->rank--;
    for (int k = axis; k < w->rank; k++) {
        w->size[k] = w->size[k + 1];
        for (int i = 0; i < 3; i++)
            w->stride[i][k] = w->stride[i][k + 1];
    }
    w->count /= taken.length;
    return taken;
}

static void add_vector(const Axis *a, const double *x, const double *w, double *out)
{
    double sum = *out;
    if (a->step[2]) {
        for (int64_t k = 0; k < a->length; k++)
            out[k * a->step[2]] += x[k * a->step[0]] * w[k * a->step[1]];
        return;
    }
    for (int64_t k = 0; k < a->length; k++)
        sum += x[k * a->step[0]] * w[k * a->step[1]];
    *out = sum;
}

/* The products x[i] w[i, j] or x[i, j] w[i] for all i and j, to out[j], where the j lie side by side. */
static void add_matrix(const Axis *i, const Axis *j, const double *const *xs, double *out)
{
    int row = j->step[0] ? 0 : 1;
    int64_t k = 0, step = i->step[row], other = i->step[!row];
    const double *rows = xs[row], *factors = xs[!row];
    for (; k + ROWS <= i->length; k += ROWS) {
        double factor[ROWS];
        for (int r = 0; r < ROWS; r++)
            factor[r] = factors[(k + r) * other];
        add_rows(factor, rows + k * step, step, j->length, out);
    }
    for (; k < i->length; k++)
        for (int64_t c = 0; c < j->length; c++)
            out[c] += factors[k * other] * rows[k * step + c];
}

/* An axis of the result that lies side by side there and in one operand, and is none of the other's; -1: none that is
 * worth it. */
static int axis_of_rows(const Walk *w, int kept)
{
    for (int k = 0; k < kept; k++)
        if (w->stride[2][k] == 1 && w->stride[0][k] + w->stride[1][k] == 1 && w->size[k] >= COLUMNS)
            return k;
    return -1;
}

/* All products of a walk, added up where they belong; `kept` of its axes, the first ones, are those of the result.  These
 * loops are the evaluator's time. */
static void add_products(Walk *walk, int kept, const double *x, const double *w, double *out)
{
    int row = walk->rank > kept ? axis_of_rows(walk, kept) : -1;
    Axis i = { 1, { 0 } }, j = { 1, { 0 } };
    if (walk->rank)
        i = take_axis(walk, walk->rank - 1);
    if (row >= 0)
        j = take_axis(walk, row);
    for (int64_t k = walk_count(walk); k > 0; k--, walk_next(walk)) {
        const double *xs[] = { x + walk->at[0], w + walk->at[1] };
        if (row >= 0)
            add_matrix(&i, &j, xs, out + walk->at[2]);
        else
            add_vector(&i, xs[0], xs[1], out + walk->at[2]);
    }
}

static void eval_einsum(const Node *n, const double *const *xs, double *out)
{
    static const double one = 1;
    const Type *a = n->operands[0]->type, *b = n->operand_count > 1 ? n->operands[1]->type : NULL;
    int ranks = a->rank + (b ? b->rank : 0), kept = 0;
    const int64_t *labels = n->attr, *result = labels + ranks;
    Walk walk = { 0 };
    for (int summed = 0; summed < 2; summed++)              /* axes of the result outside, the summed ones inside */
        for (int k = 0; k < ranks; k++)
            if (!has_label(labels, k, labels[k]) && has_label(result, n->type->rank, labels[k]) == !summed) {
                walk_axis(&walk, type_size(k < a->rank ? a : b, k < a->rank ? k : k - a->rank),
                          label_stride(a, labels, labels[k]), b ? label_stride(b, labels + a->rank, labels[k]) : 0,
                          label_stride(n->type, result, labels[k]));
                kept += !summed;
            }
    fill(out, n->type->count, 0);
    add_products(&walk, kept, xs[0], b ? xs[1] : &one, out);
}

/* ---- run-time indices -------------------------------------------------------------------------------------------- */
/* Where the part of x that the i-th index tuple names begins; out of range is clamped per axis. */
static int64_t part_offset(const Type *x, int count, const double *const *indices, int64_t i)
{
    int64_t offset = 0;
    for (int k = 0; k < count; k++) {
        int64_t at = (int64_t)indices[k][i], size = type_size(x, k);
        offset = offset * size + (at < 0 ? 0 : at >= size ? size - 1 : at);
    }
    return offset;
}

static int64_t part_size(const Type *x, int count)
{
    int64_t size = 1;
    for (int k = count; k < x->rank; k++)
        size *= type_size(x, k);
    return size;
}

static void eval_index(const Node *n, const double *const *operands, double *out)
{
    const Type *x = n->operands[0]->type;
    int count = n->operand_count - 1;
    int64_t size = part_size(x, count);
    for (int64_t i = 0; i < n->operands[1]->type->count; i++)
        copy(out + i * size, operands[0] + part_offset(x, count, operands + 1, i) * size, size);
}

static void eval_scatter(const Node *n, const double *const *operands, double *out)
{
    int count = n->operand_count - 2;
    int64_t size = part_size(n->type, count);
    if (out != operands[0])                                 /* the evaluator may write where the base was */
        copy(out, operands[0], n->type->count);
    for (int64_t i = 0; i < n->operands[2]->type->count; i++) {
        double *to = out + part_offset(n->type, count, operands + 2, i) * size;
        const double *from = operands[1] + i * size;
        for (int64_t k = 0; k < size; k++)
            to[k] = n->op == OP_index_set ? from[k] : to[k] + from[k];
    }
}

void eval_tensor(Context *ctx, const Node *n, const double *const *operands, double *out)
{
    switch (n->op) {
    case OP_expand: eval_expand(n, operands[0], out); break;
    case OP_reshape: copy(out, operands[0], n->type->count); break;
    case OP_permute: eval_permute(n, operands[0], out); break;
    case OP_slice: eval_slice(n, operands[0], out); break;
    case OP_pad: eval_pad(n, operands[0], out); break;
    case OP_concat: eval_concat(n, operands, out); break;
    case OP_stack: eval_stack(n, operands, out); break;
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce:
        eval_reduce(n, operands[0], out); break;
    case OP_einsum: eval_einsum(n, operands, out); break;
    case OP_index: eval_index(n, operands, out); break;
    case OP_index_add: case OP_index_set: eval_scatter(n, operands, out); break;
    case OP_recurrence: eval_recurrence(n, operands[0], operands[1], out); break;
    case OP_call: eval_call(ctx, n, operands, out); break;
    case OP_override: copy(out, operands[0], n->type->count); break;
    default:
        if (node_is_ruled(n))
            copy(out, operands[0], n->type->count);
        else
            eval_matrix(ctx, n, operands, out);
        break;
    }
}
