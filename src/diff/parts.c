/* parts.c: the adjoints of slices of one value, put together.
 *
 * Each slice sends back an array of the whole size that is zero but for its part.  n elements picked one by one
 * would cost n additions of n elements; parts that do not overlap are laid side by side instead, which costs
 * nothing. */
#include "rules.h"

#include <stdlib.h>

/* One term: `content` at `low` of the whole, zero elsewhere. */
typedef struct {
    int64_t low[RANK_MAX];
    Node *content;
    Flow flow;
    int order;                                              /* among the terms */
    int axis;                                               /* the axis that is worked on, for sorting */
} Part;

static bool is_part(const Node *n)
{
    int rank = n->type->rank;
    if (n->op != OP_pad)
        return false;
    for (int k = 0; k < rank; k++)
        if (n->attr[2 * rank + k])
            return false;
    return true;
}

static int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }

/* Parts that differ along the axis alone compare equal. */
static int compare_line(const Part *a, const Part *b)
{
    int order = order_of(a->flow.mask ? a->flow.mask->id : -1, b->flow.mask ? b->flow.mask->id : -1);
    if (!order)
        order = a->flow.clean - b->flow.clean;
    for (int k = 0; !order && k < a->content->type->rank; k++) {
        if (k == a->axis)
            continue;
        order = order_of(a->low[k], b->low[k]);
        if (!order)
            order = order_of(type_size(a->content->type, k), type_size(b->content->type, k));
    }
    return order;
}

static int compare(const void *x, const void *y)
{
    const Part *a = x, *b = y;
    int order = compare_line(a, b);
    if (!order)
        order = order_of(a->low[a->axis], b->low[b->axis]);
    return order ? order : a->order - b->order;
}

static int64_t end_of(const Part *p)
{
    return p->low[p->axis] + type_size(p->content->type, p->axis);
}

static bool follows(const Part *last, const Part *next)
{
    return compare_line(last, next) == 0 && next->low[next->axis] >= end_of(last);
}

static Node *gap(Context *ctx, const Type *like, int axis, int64_t size)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < like->rank; k++)
        sizes[k] = k == axis ? size : type_size(like, k);
    return node_fill(ctx, type_sized(ctx, like->elem, like->rank, sizes), 0);
}

/* One part of several that follow each other. */
static Part join(Context *ctx, const Part *parts, int count)
{
    Part whole = parts[0];
    if (count == 1)
        return whole;
    Node **pieces = NEW_ARRAY(ctx->scratch, Node *, 2 * count);
    int piece_count = 0, axis = whole.axis;
    for (int k = 0; k < count; k++) {
        int64_t missing = k ? parts[k].low[axis] - end_of(&parts[k - 1]) : 0;
        if (missing)
            pieces[piece_count++] = gap(ctx, whole.content->type, axis, missing);
        pieces[piece_count++] = parts[k].content;
    }
    whole.content = node_concat(ctx, piece_count, pieces, axis);
    return whole;
}

static int join_along(Context *ctx, Part *parts, int count, int axis)
{
    int joined = 0;
    for (int k = 0; k < count; k++)
        parts[k].axis = axis;
    qsort(parts, (size_t)count, sizeof *parts, compare);
    for (int first = 0, next; first < count; first = next) {
        for (next = first + 1; next < count && follows(&parts[next - 1], &parts[next]);)
            next++;
        parts[joined++] = join(ctx, parts + first, next - first);
    }
    return joined;
}

static Flow flow_of_part(Context *ctx, const Part *p)
{
    int64_t high[RANK_MAX], none[RANK_MAX] = { 0 };
    const Type *whole = p->flow.value->type;
    for (int k = 0; k < whole->rank; k++)
        high[k] = type_size(whole, k) - type_size(p->content->type, k) - p->low[k];
    return flow_of(node_pad(ctx, p->content, p->low, high, none), p->flow.mask, p->flow.clean, p->flow.near);
}

int parts_join(Context *ctx, Flow *flows, int count)
{
    int others = 0, part_count = 0, rank = flows[0].value->type->rank;
    ArenaMark mark = arena_mark(ctx->scratch);
    Part *parts = NEW_ARRAY(ctx->scratch, Part, count);
    for (int k = 0; k < count; k++) {
        const Node *n = flows[k].value;
        if (!is_part(n)) {
            flows[others++] = flows[k];
            continue;
        }
        Part p = { .content = n->operands[0], .flow = flows[k], .order = k };
        for (int a = 0; a < rank; a++)
            p.low[a] = n->attr[a];
        parts[part_count++] = p;
    }
    for (int axis = rank - 1; axis >= 0 && part_count > 1; axis--)
        part_count = join_along(ctx, parts, part_count, axis);
    for (int k = 0; k < part_count; k++)
        flows[others++] = flow_of_part(ctx, &parts[k]);
    arena_release(ctx->scratch, mark);
    return others;
}
