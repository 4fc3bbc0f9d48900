/* window.c: parts of an array whose places are known when the program is written: an index whose operands are made of
 * iotas is a view like a slice, and an index_add with such operands adds in place.  Where the places are affine in
 * their position there are strides.  Convolutions and pools are written with them.
 *
 * Nothing here changes what is computed: it tells where the elements are, for the choice of loops. */
#include "loop.h"

enum { LOOK_THROUGH = 12 };                                 /* nodes from a place to its iota, from a view to its array */

/* constant + sum of step[k] * (position along axis k), over the axes of an int node. */
typedef struct { int64_t constant, step[RANK_MAX]; } Progression;

/* ---- ints as progressions ---------------------------------------------------------------------------------------- */
static bool progression_of(const Node *n, int depth, Progression *p);

static bool of_expand(const Node *n, int depth, Progression *p)
{
    const Type *t = n->operands[0]->type;
    Progression inner;
    int extra = n->type->rank - t->rank;
    if (!progression_of(n->operands[0], depth, &inner))
        return false;
    *p = (Progression){ .constant = inner.constant };
    for (int k = 0; k < t->rank; k++)
        p->step[k + extra] = type_size(t, k) == 1 ? 0 : inner.step[k];
    return true;
}

/* Only axes of size 1 may come and go. */
static bool same_but_for_ones(const Type *from, const Type *to, const int64_t *step, int64_t *out)
{
    int at = 0;
    for (int k = 0; k < to->rank; k++) {
        out[k] = 0;
        if (type_size(to, k) == 1)
            continue;
        while (at < from->rank && type_size(from, at) == 1)
            at++;
        if (at == from->rank || type_size(from, at) != type_size(to, k))
            return false;
        out[k] = step[at++];
    }
    return true;
}

static bool of_reshape(const Node *n, int depth, Progression *p)
{
    Progression inner;
    if (!progression_of(n->operands[0], depth, &inner))
        return false;
    p->constant = inner.constant;
    return same_but_for_ones(n->operands[0]->type, n->type, inner.step, p->step);
}

static bool of_slice(const Node *n, int depth, Progression *p)
{
    if (!progression_of(n->operands[0], depth, p))
        return false;
    for (int k = 0; k < n->type->rank; k++) {
        p->constant += p->step[k] * n->attr[k];
        p->step[k] *= n->attr[n->type->rank + k];
    }
    return true;
}

static bool of_permute(const Node *n, int depth, Progression *p)
{
    Progression inner;
    if (!progression_of(n->operands[0], depth, &inner))
        return false;
    p->constant = inner.constant;
    for (int k = 0; k < n->type->rank; k++)
        p->step[k] = inner.step[n->attr[k] + n->type->rank];
    return true;
}

static void scale(Progression *p, int rank, int64_t factor)
{
    p->constant *= factor;
    for (int k = 0; k < rank; k++)
        p->step[k] *= factor;
}

static bool of_sum(const Node *n, int depth, Progression *p)
{
    Progression w;
    if (!progression_of(n->operands[0], depth, p) || !progression_of(n->operands[1], depth, &w))
        return false;
    scale(&w, n->type->rank, n->op == OP_sub ? -1 : 1);
    p->constant += w.constant;
    for (int k = 0; k < n->type->rank; k++)
        p->step[k] += w.step[k];
    return true;
}

static bool of_product(const Node *n, int depth, Progression *p)
{
    double factor;
    int side = node_is_fill(n->operands[0], &factor) ? 0 : 1;
    if (side == 1 && !node_is_fill(n->operands[1], &factor))
        return false;
    if (!progression_of(n->operands[1 - side], depth, p))
        return false;
    scale(p, n->type->rank, (int64_t)factor);
    return true;
}

static bool progression_of(const Node *n, int depth, Progression *p)
{
    double fill;
    *p = (Progression){ 0 };
    if (node_is_fill(n, &fill)) {
        p->constant = (int64_t)fill;
        return true;
    }
    if (depth == 0)
        return false;
    switch (n->op) {
    case OP_iota: p->step[0] = 1; return true;
    case OP_expand: return of_expand(n, depth - 1, p);
    case OP_reshape: return of_reshape(n, depth - 1, p);
    case OP_slice: return of_slice(n, depth - 1, p);
    case OP_permute: return of_permute(n, depth - 1, p);
    case OP_add: case OP_sub: return of_sum(n, depth - 1, p);
    case OP_mul: return of_product(n, depth - 1, p);
    default: return false;
    }
}

/* ---- places ------------------------------------------------------------------------------------------------------ */
static bool within(const Progression *p, const Type *t, int64_t size)
{
    int64_t low = p->constant, high = p->constant;
    for (int k = 0; k < t->rank; k++) {
        int64_t reach = p->step[k] * (type_size(t, k) - 1);
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    return low >= 0 && high < size;
}

/* The array's strides carried over to the axes of the part that the indices choose; false: not known, or not in
 * range. */
static bool part_strides(const Type *array, int count, Node *const *indices, const int64_t *stride, int64_t *out,
                         int64_t *base)
{
    const Type *shared = indices[0]->type;
    for (int k = 0; k < shared->rank; k++)
        out[k] = 0;
    *base = 0;
    for (int i = 0; i < count; i++) {
        Progression p;
        if (!progression_of(indices[i], LOOK_THROUGH, &p) || !within(&p, shared, type_size(array, i)))
            return false;
        *base += p.constant * stride[i];
        for (int k = 0; k < shared->rank; k++)
            out[k] += p.step[k] * stride[i];
    }
    for (int k = count; k < array->rank; k++)
        out[shared->rank + k - count] = stride[k];
    return true;
}

static void row_major(const Type *t, int64_t *stride)
{
    int64_t product = 1;
    for (int k = t->rank - 1; k >= 0; k--) {
        stride[k] = product;
        product *= type_size(t, k);
    }
}

bool window_is_known(const Lowering *lower, const Node *n)
{
    bool known = op_info[n->op].class == CLASS_ELEMENTWISE || node_is_movement(n);
    if (n->op == OP_iota || n->op == OP_constant)
        return true;
    for (int k = 0; known && k < n->operand_count; k++)
        known = info_of(lower, n->operands[k])->is_known;
    return known;
}

bool node_is_window(const Lowering *lower, const Node *n)
{
    bool known = n->op == OP_index;
    for (int k = 1; known && k < n->operand_count; k++)
        known = info_of(lower, n->operands[k])->is_known;
    return known;
}

bool window_places(const Node *n, int64_t *stride, int64_t *base)
{
    int64_t array[RANK_MAX];
    if (n->op != OP_index_add)
        return false;
    row_major(n->type, array);
    return part_strides(n->type, n->operand_count - 2, n->operands + 2, array, stride, base);
}

/* ---- views ------------------------------------------------------------------------------------------------------- */
static bool through(const Node *n, const int64_t *inner, int64_t *stride)
{
    const Type *t = n->operands[0]->type;
    int rank = n->type->rank;
    int64_t base;
    switch (n->op) {
    case OP_permute:
        for (int k = 0; k < rank; k++)
            stride[k] = inner[n->attr[k] + rank];
        return true;
    case OP_slice:
        for (int k = 0; k < rank; k++)
            stride[k] = inner[k] * n->attr[rank + k];
        return true;
    case OP_expand:
        for (int k = 0; k < rank; k++) {
            int from = k - rank + t->rank;
            stride[k] = from < 0 || type_size(t, from) == 1 ? 0 : inner[from];
        }
        return true;
    case OP_reshape: return same_but_for_ones(t, n->type, inner, stride);
    default: return part_strides(t, n->operand_count - 1, n->operands + 1, inner, stride, &base);
    }
}

/* From the array upwards, so that nothing has to be undone where a view ends. */
void view_strides(const Node *n, int64_t *stride)
{
    const Node *chain[LOOK_THROUGH];
    int64_t inner[RANK_MAX];
    int count = 0;
    while (count < LOOK_THROUGH && (node_is_movement(n) || n->op == OP_index)) {
        chain[count++] = n;
        n = n->operands[0];
    }
    row_major(n->type, stride);
    while (count--) {
        for (int k = 0; k < chain[count]->operands[0]->type->rank; k++)
            inner[k] = stride[k];
        if (!through(chain[count], inner, stride))
            row_major(chain[count]->type, stride);
    }
}
