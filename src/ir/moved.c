/* moved.c: a small part of an array of zeros, whose axes are moved or padded, is a scatter into the larger array.
 *
 * The adjoint of a read like m[:, i] or u[i, 1:5] is a scatter that is then moved to where the read part was taken from.  As
 * a scatter it can be added to an array in place (scatter.c). */
#include "graph.h"

#include <string.h>

/* Where the elements of a part are along one axis: at an index that is a node, at one place, or at + step * k. */
typedef struct { Node *index; bool whole; int64_t at, step, count; } Axis;

typedef struct {
    int rank;
    Axis axis[RANK_MAX];
    const Type *places;                                     /* of the indices */
    Node *source;                                           /* axes: those of the places, then the whole ones in order */
} Part;

static void add_size(int64_t *sizes, int *rank, int64_t size) { sizes[(*rank)++] = size; }

/* Axes of size 1 are no axes of the source, but a place. */
static void drop_ones(Context *ctx, Part *p)
{
    int64_t sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0; k < p->places->rank; k++)
        add_size(sizes, &rank, type_size(p->places, k));
    for (int k = 0; k < p->rank; k++) {
        p->axis[k].whole &= p->axis[k].count != 1;
        if (p->axis[k].whole)
            add_size(sizes, &rank, p->axis[k].count);
    }
    p->source = node_reshape(ctx, p->source, type_sized(ctx, p->source->type->elem, rank, sizes));
}

/* Of one scatter, or of a dense value. */
static Part part_of(Context *ctx, Node *n, bool is_scatter)
{
    int count = is_scatter ? n->operand_count - 2 : 0;
    double place;
    Part p = { .rank = n->type->rank, .places = count ? n->operands[2]->type : type_scalar(ctx, ELEM_INT),
               .source = is_scatter ? n->operands[1] : n };
    for (int k = 0; k < p.rank; k++)
        if (k < count && node_is_fill(n->operands[2 + k], &place) && place >= 0 && place < (double)type_size(n->type, k))
            p.axis[k].at = (int64_t)place;
        else if (k < count)
            p.axis[k].index = n->operands[2 + k];
        else
            p.axis[k] = (Axis){ .whole = true, .step = 1, .count = type_size(n->type, k) };
    drop_ones(ctx, &p);
    return p;
}

/* ---- one move ------------------------------------------------------------------------------------------------------ */
static void permute_part(Context *ctx, Part *p, const Node *n)
{
    Axis old[RANK_MAX];
    int perm[RANK_MAX], from[RANK_MAX], rank = p->places->rank, at = rank;
    memcpy(old, p->axis, sizeof old);
    for (int k = 0; k < rank; k++)
        perm[k] = k;
    for (int k = 0; k < p->rank; k++)
        from[k] = old[k].whole ? at++ : -1;
    for (int k = 0; k < p->rank; k++) {
        int axis = (int)n->attr[k] + p->rank;
        p->axis[k] = old[axis];
        if (old[axis].whole)
            perm[rank++] = from[axis];
    }
    p->source = node_permute(ctx, p->source, perm);
}

/* An index that is out of range is held within the array that it was an index of: that array must not grow. */
static bool pad_part(Part *p, const Node *n)
{
    for (int k = 0; k < p->rank; k++) {
        int64_t low = n->attr[k], high = n->attr[p->rank + k], step = n->attr[2 * p->rank + k] + 1;
        if (p->axis[k].index && (low || high || step != 1))
            return false;
        p->axis[k].at = low + p->axis[k].at * step;
        p->axis[k].step *= step;
    }
    return true;
}

/* Axes of size 1 come and go. */
static bool reshape_part(Part *p, const Node *n)
{
    Axis old[RANK_MAX];
    const Type *from = n->operands[0]->type, *to = n->type;
    int i = 0, k = 0;
    memcpy(old, p->axis, sizeof old);
    while (i < from->rank || k < to->rank) {
        if (i < from->rank && k < to->rank && type_size(from, i) == type_size(to, k))
            p->axis[k++] = old[i++];
        else if (i < from->rank && type_size(from, i) == 1)
            i++;
        else if (k < to->rank && type_size(to, k) == 1)
            p->axis[k++] = (Axis){ .index = NULL };
        else
            return false;
    }
    p->rank = to->rank;
    return true;
}

static bool move_part(Context *ctx, Part *p, const Node *n)
{
    if (n->op == OP_pad)
        return pad_part(p, n);
    if (n->op == OP_reshape)
        return reshape_part(p, n);
    permute_part(ctx, p, n);
    return true;
}

/* ---- the scatter ----------------------------------------------------------------------------------------------------- */
/* How many leading axes have to be indexed. */
static int indexed_axes(const Part *p, const Type *t)
{
    int count = 0;
    for (int k = 0; k < p->rank; k++)
        if (!p->axis[k].whole || p->axis[k].at || p->axis[k].step != 1 || p->axis[k].count != type_size(t, k))
            count = k + 1;
    return count;
}

/* x, which has `rank` axes that are those of t from axis `first` on, in the shape of t. */
static Node *spread(Context *ctx, Node *x, const Type *t, int first)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < t->rank; k++)
        sizes[k] = k >= first && k < first + x->type->rank ? type_size(x->type, k - first) : 1;
    return node_expand(ctx, node_reshape(ctx, x, type_sized(ctx, ELEM_INT, t->rank, sizes)), t);
}

static Node *part_onto(Context *ctx, Node *base, const Part *p)
{
    int count = indexed_axes(p, base->type), rank = 0, at = p->places->rank;
    int64_t sizes[RANK_MAX];
    Node *indices[RANK_MAX];
    for (int k = 0; k < p->places->rank; k++)
        add_size(sizes, &rank, type_size(p->places, k));
    for (int k = 0; k < count; k++)
        if (p->axis[k].whole)
            add_size(sizes, &rank, p->axis[k].count);
    const Type *t = type_sized(ctx, ELEM_INT, rank, sizes);
    for (int k = 0; k < count; k++) {
        const Axis *a = &p->axis[k];
        Node *start = node_int(ctx, a->at);
        if (!a->whole) {
            indices[k] = spread(ctx, a->index ? a->index : start, t, 0);
            continue;
        }
        Node *steps = node_binary(ctx, OP_mul, node_iota(ctx, a->count), node_int(ctx, a->step));
        indices[k] = spread(ctx, node_binary(ctx, OP_add, steps, start), t, at++);
    }
    return count ? node_index_add(ctx, base, count, indices, p->source) : NULL;
}

/* The scatters into zeros that n moves, as scatters into larger zeros.  dense: of a pad, what it pads may be any value.
 * NULL: it is nothing of the kind. */
Node *scatter_moved(Context *ctx, const Node *n, bool dense)
{
    enum { SPARSE = 4, LONG = 64 };                         /* a long pad is better added by itself than element by element */
    Vec(Node *) links = { 0 };
    Node *moved = node_fill(ctx, n->type, 0);
    bool fits = n->op == OP_pad || n->op == OP_reshape || n->op == OP_permute;
    ArenaMark mark = arena_mark(ctx->scratch);
    Node *x = fits ? n->operands[0] : NULL;
    for (; x && x->op == OP_index_add; x = x->operands[0])
        vec_push(ctx->scratch, &links, x);
    dense &= !links.count && n->op == OP_pad;
    if (dense)
        vec_push(ctx->scratch, &links, x);
    fits &= links.count && (dense || node_is_zero(x));
    for (int k = links.count - 1; fits && k >= 0; k--) {
        Part p = part_of(ctx, links.at[k], !dense);
        bool worth = p.source->type->count * SPARSE <= n->type->count || (dense && n->type->count >= LONG);
        fits = worth && p.places->rank + p.rank + 1 < RANK_MAX
            && move_part(ctx, &p, n) && (moved = part_onto(ctx, moved, &p)) != NULL;
    }
    arena_release(ctx->scratch, mark);
    return fits ? moved : NULL;
}
