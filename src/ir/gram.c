/* gram.c: J' @ J of a J that nobody else reads is a sum over its rows, in one loop that makes a row and forgets it.
 *
 * Normal equations are asked for as products of a Jacobian with itself and with residuals.  J is as long as there are
 * residuals, what comes out is not.  So all sums over that axis whose terms come from the same rows become carries of
 * one loop over it; what else is wanted of a row is stacked.  The row of a node is the node again without the axis, made
 * of rows of its operands; what has no row of its own is there before the loop, which reads it.
 *
 * Requires: binds are stripped, loops over one index are one.  A function comes back as it was where J would stay. */
#include "graph.h"

#include <string.h>

enum {
    ROWS_LEAST = 8,                                         /* fewer are no memory to speak of */
    SUMS_MOST = 4096,                                       /* elements that are added to in every trip */
    ROUNDS_MOST = 12,
    SUMS_COUNT = 16,
    HALF_MOST = 5                                           /* rows of a square matrix of which half is added up */
};
enum { SAME = -1 };                                         /* the axis of what does not vary */

/* axis: of its operands; label: of an einsum; only: all that anybody reads of it, or itself; half: a triangle of it is
 * enough. */
typedef struct { Node *node, *only; bool half; int label, axis[2]; } Sum;
typedef struct { Node *node; int axis; } Row;

typedef struct {
    Context *ctx;
    const Fn *fn;
    Node *base;                                             /* J */
    int64_t trips;
    Node *index, *host;                                     /* host: the loop that stacks rows, or NULL */
    NodeList nodes;
    int sum_count;
    Sum sums[SUMS_COUNT];
    int8_t (*wanted)[RANK_MAX];                             /* by place: the row without this axis is wanted */
    bool *outside;                                          /* by place: is there before the loop */
    bool *barred;                                           /* by place: no sum of this loop */
    bool *read;                                             /* by place: what is there before the loop is made of it */
    Node *(*rows)[RANK_MAX];                                /* by place and axis */
} Gram;

static int place_of(const Gram *g, const Node *n) { return node_place(&g->nodes, n); }

/* ---- what a row is made of --------------------------------------------------------------------------------------- */
static const int64_t *labels_of(const Node *n, int operand)
{
    const int64_t *labels = n->attr;
    for (int k = 0; k < operand; k++)
        labels += n->operands[k]->type->rank;
    return labels;
}

/* Where a label stands; -1: nowhere, -2: more than once. */
static int place_of_label(const int64_t *labels, int rank, int64_t label)
{
    int at = -1;
    for (int k = 0; k < rank; k++)
        if (labels[k] == label)
            at = at == -1 ? k : -2;
    return at;
}

static bool is_reduction(const Node *n)
{
    return n->op == OP_sum || n->op == OP_prod || n->op == OP_max_reduce || n->op == OP_min_reduce;
}

static bool is_reduced(const Node *n, int axis)
{
    for (int k = 0; k < n->attr_count; k++)
        if (n->attr[k] + n->operands[0]->type->rank == axis)
            return true;
    return false;
}

/* The operand's axis of what is the n's axis. */
static int axis_before_reduction(const Node *n, int axis)
{
    int at = 0;
    for (;; at++)
        if (!is_reduced(n, at) && axis-- == 0)
            return at;
}

/* An axis of the same size with as many elements behind it. */
static int axis_before_reshape(const Node *n, int axis)
{
    const Type *to = n->type, *from = n->operands[0]->type;
    int64_t behind = 1, here = 1;
    for (int k = to->rank - 1; k > axis; k--)
        behind *= type_size(to, k);
    for (int k = from->rank - 1; k >= 0; k--) {
        if (here == behind && type_size(from, k) == type_size(to, axis))
            return k;
        here *= type_size(from, k);
    }
    return SAME;
}

static bool is_whole(const Node *n, int axis)
{
    int rank = n->type->rank;
    if (type_size(n->type, axis) != type_size(n->operands[0]->type, axis))
        return false;
    return n->op == OP_slice ? n->attr[axis] == 0 && n->attr[rank + axis] == 1
                             : n->attr[axis] == 0 && n->attr[rank + axis] == 0 && n->attr[2 * rank + axis] == 0;
}

static bool row_of_einsum(const Node *n, int axis, int *axes)
{
    int64_t label = labels_of(n, n->operand_count)[axis];
    if (place_of_label(labels_of(n, n->operand_count), n->type->rank, label) < 0)
        return false;
    for (int i = 0; i < n->operand_count; i++) {
        axes[i] = place_of_label(labels_of(n, i), n->operands[i]->type->rank, label);
        if (axes[i] == -2)
            return false;
    }
    return true;
}

/* At most OPERANDS of them count; false: there are more, or the row is not made of rows. */
enum { OPERANDS = 64 };
static bool row_operands(const Node *n, int axis, int *axes)
{
    const Node *x = n->operand_count ? n->operands[0] : NULL;
    int rank = n->type->rank;
    if (n->operand_count > OPERANDS)
        return false;
    for (int i = 0; i < n->operand_count; i++)
        axes[i] = axis;
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return true;
    switch (n->op) {
    case OP_expand:
        axes[0] = axis - (rank - x->type->rank);
        if (axes[0] < 0 || type_size(x->type, axes[0]) != type_size(n->type, axis))
            axes[0] = SAME;
        return true;
    case OP_reshape: axes[0] = axis_before_reshape(n, axis); return axes[0] != SAME;
    case OP_permute: axes[0] = (int)n->attr[axis] + rank; return true;
    case OP_slice: case OP_pad: return is_whole(n, axis);
    case OP_concat: return n->attr[0] + rank != axis;
    case OP_stack:
        for (int i = 0; i < n->operand_count; i++)
            axes[i] = axis - 1;
        return axis > 0;
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_min_reduce:
        axes[0] = axis_before_reduction(n, axis);
        return true;
    case OP_einsum: return row_of_einsum(n, axis, axes);
    default: return false;
    }
}

/* Movement and what is known: having it twice costs nothing. */
static bool is_cheap(const Node *n)
{
    double value;
    return n->op == OP_param || n->op == OP_constant || n->op == OP_iota || node_is_fill(n, &value)
        || (n->op >= OP_expand && n->op <= OP_stack);
}

static bool is_leaf(const Gram *g, const Node *n, int axis)
{
    int axes[OPERANDS];
    return g->outside[place_of(g, n)] || !row_operands(n, axis, axes);
}

/* A value of the host, stacked. */
static bool is_hosted(const Gram *g, const Node *n, int axis)
{
    return g->host && axis == 0 && n->op == OP_result && n->operands[0] == g->host && n->attr[0] >= g->host->attr[1];
}

/* ---- what is in the loop, and what before it --------------------------------------------------------------------- */
static bool any_wanted(const Gram *g, int place)
{
    for (int k = 0; k < RANK_MAX; k++)
        if (g->wanted[place][k])
            return true;
    return false;
}

static void read_before(Gram *g, const Node *n)
{
    double value;
    if (!node_is_fill(n, &value))
        g->read[place_of(g, n)] = true;
}

/* From the sums downwards. */
static void find_wanted(Gram *g)
{
    memset(g->wanted, 0, sizeof *g->wanted * (size_t)g->nodes.count);
    memset(g->read, 0, sizeof *g->read * (size_t)g->nodes.count);
    for (int k = 0; k < g->sum_count; k++)
        for (int i = 0; i < g->sums[k].node->operand_count; i++)
            g->wanted[place_of(g, g->sums[k].node->operands[i])][g->sums[k].axis[i]] = true;
    for (int k = 0; g->host && k < g->host->operand_count; k++)
        read_before(g, g->host->operands[k]);
    for (int p = g->nodes.count - 1; p >= 0; p--) {
        Node *n = g->nodes.at[p];
        int axes[OPERANDS];
        double value;
        for (int axis = 0; axis < n->type->rank && !node_is_fill(n, &value); axis++) {
            if (!g->wanted[p][axis] || is_hosted(g, n, axis) || (n->op == OP_iota && !g->outside[p]))
                continue;
            if (is_leaf(g, n, axis)) {
                read_before(g, n);
                continue;
            }
            row_operands(n, axis, axes);
            for (int i = 0; i < n->operand_count; i++)
                if (axes[i] == SAME)
                    read_before(g, n->operands[i]);
                else
                    g->wanted[place_of(g, n->operands[i])][axes[i]] = true;
        }
        for (int i = 0; g->read[p] && i < n->operand_count; i++)
            g->read[place_of(g, n->operands[i])] = true;
    }
}

/* What is needed before the loop is not made in it; false: that is J, or its product. */
static bool settle_outside(Gram *g, bool *changed)
{
    int kept = 0;
    for (int p = 0; p < g->nodes.count; p++) {
        Node *n = g->nodes.at[p];
        bool made = any_wanted(g, p) && !is_cheap(n) && !g->outside[p];
        if (!g->read[p] || !made)
            continue;
        int axes[OPERANDS];
        bool rowed = false;
        for (int axis = 0; axis < n->type->rank; axis++)
            rowed |= g->wanted[p][axis] && (is_hosted(g, n, axis) || row_operands(n, axis, axes));
        if (!rowed)
            continue;
        if (n == g->base || (g->host && n->op == OP_result && n->operands[0] == g->host))
            return false;
        g->outside[p] = *changed = true;
    }
    for (int k = 0; k < g->sum_count; k++) {
        int p = place_of(g, g->sums[k].node);
        if (g->read[p] && k == 0)
            return false;
        if (g->read[p])
            g->barred[p] = *changed = true;
        else
            g->sums[kept++] = g->sums[k];
    }
    g->sum_count = kept;
    return true;
}

/* ---- the sums ---------------------------------------------------------------------------------------------------- */
/* Over the rows of an operand that are made anyway. */
static bool joins_as_einsum(const Gram *g, Node *n, Sum *s)
{
    const int64_t *out = labels_of(n, n->operand_count);
    for (int i = 0; i < n->operand_count; i++) {
        const Node *x = n->operands[i];
        for (int axis = 0; axis < x->type->rank; axis++) {
            int64_t label = labels_of(n, i)[axis];
            if (!g->wanted[place_of(g, x)][axis] || place_of_label(out, n->type->rank, label) != -1)
                continue;
            *s = (Sum){ .node = n, .label = (int)label };
            bool fits = true;
            for (int k = 0; k < n->operand_count; k++) {
                s->axis[k] = place_of_label(labels_of(n, k), n->operands[k]->type->rank, label);
                fits &= s->axis[k] >= 0;
            }
            if (fits)
                return true;
        }
    }
    return false;
}

static bool joins_as_sum(const Gram *g, Node *n, Sum *s)
{
    for (int axis = 0; axis < n->operands[0]->type->rank; axis++)
        if (is_reduced(n, axis) && g->wanted[place_of(g, n->operands[0])][axis]) {
            *s = (Sum){ .node = n, .axis = { axis } };
            return true;
        }
    return false;
}

static void join_sums(Gram *g, bool *changed)
{
    for (int p = 0; p < g->nodes.count; p++) {
        Node *n = g->nodes.at[p];
        Sum s;
        if (g->read[p] || g->barred[p] || n->type->count > SUMS_MOST || g->sum_count == SUMS_COUNT)
            continue;
        bool there = false;
        for (int k = 0; k < g->sum_count; k++)
            there |= g->sums[k].node == n;
        bool joins = n->op == OP_einsum ? joins_as_einsum(g, n, &s) : n->op == OP_sum && joins_as_sum(g, n, &s);
        if (!there && joins) {
            g->sums[g->sum_count++] = s;
            *changed = true;
        }
    }
}

/* The loop that stacks some of the rows, with all of its trips. */
static void find_host(Gram *g)
{
    for (int p = 0; p < g->nodes.count && !g->host; p++) {
        Node *loop = g->nodes.at[p]->op == OP_result ? g->nodes.at[p]->operands[0] : NULL;
        double taken;
        if (loop && g->wanted[p][0] && loop->op == OP_loop && g->nodes.at[p]->attr[0] >= loop->attr[1]
            && loop->attr[0] == g->trips && node_is_fill(loop->operands[0], &taken) && taken == (double)g->trips)
            g->host = loop;
    }
}

static bool settle(Gram *g)
{
    find_wanted(g);
    find_host(g);
    for (int round = 0; round < ROUNDS_MOST; round++) {
        bool changed = false;
        find_wanted(g);
        if (!settle_outside(g, &changed))
            return false;
        if (!changed)
            join_sums(g, &changed);
        if (!changed)
            return true;
    }
    return false;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */
static const Type *without_axis(Context *ctx, const Type *t, int axis)
{
    int64_t sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0; k < t->rank; k++)
        if (k != axis)
            sizes[rank++] = type_size(t, k);
    return type_sized(ctx, t->elem, rank, sizes);
}

/* One of the node as it is, at the index. */
static Node *read_row(const Gram *g, Node *n, int axis)
{
    int perm[RANK_MAX], rank = 0;
    perm[rank++] = axis;
    for (int k = 0; k < n->type->rank; k++)
        if (k != axis)
            perm[rank++] = k;
    return node_index(g->ctx, node_permute(g->ctx, n, perm), 1, (Node *[]){ g->index });
}

static Node *einsum_row(const Gram *g, const Node *n, int64_t label, Node *const *rows)
{
    int labels[3][RANK_MAX];
    const int *given[2] = { labels[0], labels[1] };
    Node *xs[2] = { rows[0], n->operand_count > 1 ? rows[1] : NULL };
    int out_rank = 0;
    for (int i = 0; i <= n->operand_count; i++) {
        int rank = 0, all = i == n->operand_count ? n->type->rank : n->operands[i]->type->rank;
        for (int k = 0; k < all; k++)
            if (labels_of(n, i)[k] != label)
                labels[i][rank++] = (int)labels_of(n, i)[k];
        out_rank = rank;
    }
    return node_einsum(g->ctx, n->operand_count, xs, given, out_rank, labels[n->operand_count]);
}

static Node *reduce_row(const Gram *g, const Node *n, int axis, Node *row)
{
    int axes[RANK_MAX], count = 0;
    for (int k = 0; k < n->operands[0]->type->rank; k++)
        if (k != axis && is_reduced(n, k))
            axes[count++] = k - (k > axis);
    return node_reduce(g->ctx, n->op, row, count, axes, false);
}

static Node *moved_row(const Gram *g, const Node *n, int axis, int from, Node *row)
{
    Context *ctx = g->ctx;
    const Type *type = without_axis(ctx, n->type, axis);
    int64_t a[RANK_MAX], b[RANK_MAX], c[RANK_MAX];
    int perm[RANK_MAX], rank = 0, old = n->type->rank;
    switch (n->op) {
    case OP_expand:
        return node_expand(ctx, from == SAME && row->type->rank > 0 && axis >= old - row->type->rank
            ? node_reshape(ctx, row, without_axis(ctx, row->type, axis - (old - row->type->rank))) : row, type);
    case OP_reshape: return node_reshape(ctx, row, type);
    case OP_permute:
        for (int k = 0; k < old; k++)
            if (k != axis)
                perm[rank++] = (int)n->attr[k] + old - (n->attr[k] + old > from);
        return node_permute(ctx, row, perm);
    default:
        for (int k = 0; k < old; k++)
            if (k != axis) {
                a[rank] = n->attr[k];
                b[rank] = n->attr[old + k];
                c[rank] = n->op == OP_slice ? type_size(n->type, k) : n->attr[2 * old + k];
                rank++;
            }
        return n->op == OP_slice ? node_slice(ctx, row, a, b, c) : node_pad(ctx, row, a, b, c);
    }
}

static Node *make_row(const Gram *g, Node *n, int axis)
{
    Context *ctx = g->ctx;
    Node *rows[OPERANDS];
    int axes[OPERANDS];
    double value;
    if (node_is_fill(n, &value))
        return node_fill(ctx, without_axis(ctx, n->type, axis), value);
    if (is_leaf(g, n, axis))
        return n->op == OP_iota ? g->index : read_row(g, n, axis);
    row_operands(n, axis, axes);
    for (int i = 0; i < n->operand_count; i++)
        rows[i] = axes[i] == SAME ? n->operands[i] : g->rows[place_of(g, n->operands[i])][axes[i]];
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return node_elementwise(ctx, n->op, rows);
    int along = n->op == OP_concat ? (int)n->attr[0] + n->type->rank : 0;
    if (n->op == OP_concat)
        return node_concat(ctx, n->operand_count, rows, along - (along > axis));
    if (n->op == OP_stack)
        return node_stack(ctx, n->operand_count, rows);
    if (n->op == OP_einsum)
        return einsum_row(g, n, labels_of(n, n->operand_count)[axis], rows);
    return is_reduction(n) ? reduce_row(g, n, axes[0], rows[0]) : moved_row(g, n, axis, axes[0], rows[0]);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */
typedef struct {
    NodeList carries, inits, results;                       /* the next carries first, then rows that are stacked */
    Vec(Row) stacked;                                       /* what these rows are of */
    NodeSet set;
} Making;

/* The host's body over what it captures: its next carries, and the rows that it stacks. */
static void open_host(Gram *g, Making *m)
{
    Context *ctx = g->ctx;
    const Fn *body = g->host->body[0];
    int own = region_own_count(g->host), leading = region_leading_count(g->host), count = body->results.count;
    Map *open = map_new(ctx->arena);
    Node **roots = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = own; k < body->params.count; k++)
        map_put(open, body->params.at[k].node, g->host->operands[leading + k - own]);
    for (int k = 0; k < count; k++)
        roots[k] = body->results.at[k].node;
    graph_substitute(ctx, roots, count, open, NULL, &m->set);
    for (int k = 0; k < g->host->attr[1]; k++) {
        vec_push(ctx->arena, &m->carries, body->params.at[1 + k].node);
        vec_push(ctx->arena, &m->inits, g->host->operands[1 + k]);
        vec_push(ctx->arena, &m->results, roots[k]);
    }
    for (int p = 0; p < g->nodes.count; p++)
        if (is_hosted(g, g->nodes.at[p], 0))
            g->rows[p][0] = roots[g->nodes.at[p]->attr[0]];
}

static void make_rows(Gram *g)
{
    for (int p = 0; p < g->nodes.count; p++)
        for (int axis = 0; axis < g->nodes.at[p]->type->rank; axis++)
            if (g->wanted[p][axis] && !g->rows[p][axis]) {
                Node *n = g->nodes.at[p];
                Origin from = n->origin;
                from.name = NULL;
                graph_set_origin(g->ctx, from);
                g->rows[p][axis] = make_row(g, n, axis);
                if (n->origin.name && !g->rows[p][axis]->origin.name)
                    node_set_name(g->rows[p][axis], n->origin.name);
            }
}

/* Of few elements, which are sums of their own in the end: of more, whole rows are faster. */
static bool is_symmetric(const Node *n)
{
    return n->op == OP_einsum && n->operand_count == 2 && n->operands[0] == n->operands[1]
        && n->operands[0]->type->rank == 2 && n->type->rank == 2 && type_size(n->type, 0) <= HALF_MOST;
}

/* Elements at known places, as of a packed triangle: then nothing else is added up. */
static void find_only(const Gram *g, Sum *s)
{
    int readers = 0;
    s->only = s->node;
    for (int p = 0; p < g->nodes.count; p++)
        for (int i = 0; i < g->nodes.at[p]->operand_count; i++)
            if (g->nodes.at[p]->operands[i] == s->node) {
                s->only = g->nodes.at[p];
                readers++;
            }
    for (int k = 0; k < g->fn->results.count; k++)
        readers += 2 * (g->fn->results.at[k].node == s->node);
    bool at_places = readers == 1 && s->only->op == OP_index && s->only->type->count < s->node->type->count;
    for (int i = 1; at_places && i < s->only->operand_count; i++)
        at_places = s->only->operands[i]->op == OP_constant;
    s->only = at_places ? s->only : s->node;
    s->half = !at_places && is_symmetric(s->node);
}

/* Element (i, j) of the triangle above and on the diagonal, packed by rows. */
static int packed(int n, int i, int j) { return i <= j ? i * n - i * (i - 1) / 2 + j - i : packed(n, j, i); }

static Node *ints(Context *ctx, int rank, const int64_t *sizes, const double *data)
{
    return node_constant(ctx, type_sized(ctx, ELEM_INT, rank, sizes), data);
}

static Node *upper_half(Context *ctx, Node *full)
{
    int n = (int)type_size(full->type, 0);
    int64_t count = n * (n + 1) / 2;
    double row[HALF_MOST * HALF_MOST], column[HALF_MOST * HALF_MOST];
    for (int i = 0; i < n; i++)
        for (int j = i; j < n; j++) {
            row[packed(n, i, j)] = i;
            column[packed(n, i, j)] = j;
        }
    return node_index(ctx, full, 2, (Node *[]){ ints(ctx, 1, &count, row), ints(ctx, 1, &count, column) });
}

static Node *both_halves(Context *ctx, Node *half, const Type *full)
{
    int n = (int)type_size(full, 0);
    double place[HALF_MOST * HALF_MOST];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            place[i * n + j] = packed(n, i, j);
    return node_index(ctx, half, 1, (Node *[]){ ints(ctx, 2, (int64_t[]){ n, n }, place) });
}

static Node *make_term(const Gram *g, const Sum *s)
{
    Node *rows[2];
    for (int i = 0; i < s->node->operand_count; i++)
        rows[i] = g->rows[place_of(g, s->node->operands[i])][s->axis[i]];
    Node *term = s->node->op == OP_einsum ? einsum_row(g, s->node, s->label, rows)
                                          : reduce_row(g, s->node, s->axis[0], rows[0]);
    if (s->half)
        return upper_half(g->ctx, term);
    return s->only == s->node ? term : node_index(g->ctx, term, s->only->operand_count - 1, s->only->operands + 1);
}

static void make_carries(Gram *g, Making *m)
{
    Context *ctx = g->ctx;
    for (int k = 0; k < g->sum_count; k++) {
        find_only(g, &g->sums[k]);
        Node *n = g->sums[k].only;
        graph_set_origin(ctx, n->origin);
        Node *term = make_term(g, &g->sums[k]), *carry = node_param(ctx, n->origin.name, term->type, n->origin.span);
        node_mark_carried(carry);
        vec_push(ctx->arena, &m->carries, carry);
        vec_push(ctx->arena, &m->inits, node_fill(ctx, term->type, 0));
        vec_push(ctx->arena, &m->results, node_binary(ctx, OP_add, carry, term));
    }
}

/* Is it read by what is not in the loop? */
static bool *find_read_after(const Gram *g)
{
    bool *after = NEW_ARRAY(g->ctx->scratch, bool, g->nodes.count + 1);
    for (int p = 0; p < g->nodes.count; p++) {
        bool in_loop = any_wanted(g, p) && !g->outside[p];
        for (int k = 0; k < g->sum_count; k++)
            in_loop |= g->sums[k].node == g->nodes.at[p];
        for (int i = 0; !in_loop && i < g->nodes.at[p]->operand_count; i++)
            after[place_of(g, g->nodes.at[p]->operands[i])] = true;
    }
    for (int k = 0; k < g->fn->results.count; k++)
        after[place_of(g, g->fn->results.at[k].node)] = true;
    for (int p = g->nodes.count - 1; p >= 0; p--) {         /* movement in the loop is made again behind it */
        bool again = after[p] && any_wanted(g, p) && is_cheap(g->nodes.at[p]);
        for (int i = 0; again && i < g->nodes.at[p]->operand_count; i++)
            after[place_of(g, g->nodes.at[p]->operands[i])] = true;
    }
    return after;
}

static void make_stacks(Gram *g, Making *m)
{
    const bool *after = find_read_after(g);
    for (int p = 0; p < g->nodes.count; p++) {
        Node *n = g->nodes.at[p];
        if (!after[p] || is_cheap(n) || g->outside[p])
            continue;
        for (int axis = 0; axis < n->type->rank; axis++)
            if (g->wanted[p][axis] && (is_hosted(g, n, axis) || !is_leaf(g, n, axis))) {
                vec_push(g->ctx->arena, &m->results, g->rows[p][axis]);
                vec_push(g->ctx->arena, &m->stacked, ((Row){ n, axis }));
                break;
            }
    }
}

static Node *axis_to_its_place(Context *ctx, Node *x, int axis)
{
    int perm[RANK_MAX];
    for (int k = 0; k < x->type->rank; k++)
        perm[k] = k == axis ? 0 : k + (k < axis);
    return node_permute(ctx, x, perm);
}

/* What becomes of old nodes. */
static Map *make_loop(Gram *g, Making *m)
{
    Context *ctx = g->ctx;
    Map *replaced = map_new(ctx->arena);
    Node **values = NEW_ARRAY(ctx->arena, Node *, m->results.count + 1);
    LoopParts parts = { .trips = node_int(ctx, g->trips), .max_trips = g->trips, .index = g->index,
                        .checkpoint = g->host ? g->host->attr[2] : 0, .carry_count = m->carries.count,
                        .inits = m->inits.at, .carries = m->carries.at, .result_count = m->results.count,
                        .results = m->results.at, .body = &m->set };
    int hosted = m->carries.count - g->sum_count;
    node_loop(ctx, &parts, values);
    for (int k = 0; k < hosted; k++)
        map_put(replaced, node_result(ctx, g->host, k), values[k]);
    for (int k = 0; k < g->sum_count; k++) {
        Node *sum = values[hosted + k];
        map_put(replaced, g->sums[k].only, g->sums[k].half ? both_halves(ctx, sum, g->sums[k].node->type) : sum);
    }
    for (int k = 0; k < m->stacked.count; k++)
        map_put(replaced, m->stacked.at[k].node,
                axis_to_its_place(ctx, values[m->carries.count + k], m->stacked.at[k].axis));
    return replaced;
}

/* All rows of the host are there when the new loop is. */
static void want_hosted(Gram *g)
{
    for (int p = 0; p < g->nodes.count; p++)
        if (is_hosted(g, g->nodes.at[p], 0))
            g->wanted[p][0] = true;
}

static Fn *with_loop(Gram *g)
{
    Context *ctx = g->ctx;
    Making m = { .set = { .floor = NODE_SET_MEMBERS, .members = map_new(ctx->arena) } };
    Fn *fn = arena_copy(ctx->arena, g->fn, sizeof *fn);
    NodeList left = { 0 };
    Origin saved = graph_origin(ctx);
    Span span = g->sums[0].node->origin.span;
    graph_set_origin(ctx, g->sums[0].node->origin);
    want_hosted(g);
    g->index = g->host ? g->host->body[0]->params.at[0].node
                       : node_param(ctx, str_intern(ctx, "i"), type_scalar(ctx, ELEM_INT), span);
    NodeSet *before = graph_record(ctx, &m.set);
    if (g->host)
        open_host(g, &m);
    make_rows(g);
    make_carries(g, &m);
    graph_record(ctx, before);
    make_stacks(g, &m);
    Map *replaced = make_loop(g, &m);
    Node **roots = NEW_ARRAY(ctx->arena, Node *, fn->results.count + 1);
    for (int k = 0; k < fn->results.count; k++)
        roots[k] = fn->results.at[k].node;
    graph_substitute(ctx, roots, fn->results.count, replaced, NULL, NULL);
    graph_set_origin(ctx, saved);
    nodes_reaching(ctx, roots, fn->results.count, ctx->scratch, &left);
    if (node_place(&left, g->base) >= 0)
        return NULL;
    fn->results.at = arena_copy(ctx->arena, fn->results.at, sizeof *fn->results.at * (size_t)fn->results.count);
    for (int k = 0; k < fn->results.count; k++)
        fn->results.at[k].node = roots[k];
    return fn;
}

/* ---- products of something with itself --------------------------------------------------------------------------- */
/* Without weights of rows, signs and movement. */
static Node *unweighted(Node *x, int64_t rows)
{
    for (;;) {
        Node *a = x->operand_count ? x->operands[0] : NULL, *b = x->operand_count > 1 ? x->operands[1] : NULL;
        if (x->op == OP_neg || x->op == OP_reshape || x->op == OP_permute)
            x = a;
        else if ((x->op == OP_mul || x->op == OP_div) && b->op == OP_expand && b->operands[0]->type->count <= rows)
            x = a;
        else if (x->op == OP_mul && a->op == OP_expand && a->operands[0]->type->count <= rows)
            x = b;
        else
            return x;
    }
}

static bool is_known(Node *n)
{
    while (n->op == OP_expand || n->op == OP_reshape || n->op == OP_permute || n->op == OP_slice || n->op == OP_index)
        n = n->operands[0];
    return n->op == OP_param || n->op == OP_constant || n->op == OP_iota;
}

/* X' W X of an X with more elements than that has. */
static Node *squared(Node *n, Sum *s)
{
    int count = 0;
    if (n->op != OP_einsum || n->operand_count != 2 || n->type->count > SUMS_MOST)
        return NULL;
    for (int k = 0; k < n->operands[0]->type->rank; k++) {
        int64_t label = labels_of(n, 0)[k];
        if (place_of_label(labels_of(n, 2), n->type->rank, label) != -1)
            continue;
        *s = (Sum){ .node = n, .label = (int)label, .axis = { k, 0 } };
        s->axis[1] = place_of_label(labels_of(n, 1), n->operands[1]->type->rank, label);
        count++;
    }
    if (count != 1 || s->axis[1] < 0)
        return NULL;
    int64_t rows = type_size(n->operands[0]->type, s->axis[0]);
    Node *x = unweighted(n->operands[0], rows);
    bool long_enough = rows >= ROWS_LEAST && x->type->count > rows && x->type->count >= n->type->count;
    return long_enough && x == unweighted(n->operands[1], rows) && !is_known(x) ? x : NULL;
}

static Fn *without_base(Context *ctx, const Fn *fn, const NodeList *nodes, Node *base, const Sum *s)
{
    size_t count = (size_t)nodes->count;
    Gram g = { .ctx = ctx, .fn = fn, .base = base, .trips = type_size(s->node->operands[0]->type, s->axis[0]),
               .nodes = *nodes, .sum_count = 1, .sums = { *s } };
    g.wanted = arena_alloc(ctx->scratch, sizeof *g.wanted * (count + 1));
    g.rows = arena_alloc(ctx->scratch, sizeof *g.rows * (count + 1));
    g.outside = NEW_ARRAY(ctx->scratch, bool, count + 1);
    g.barred = NEW_ARRAY(ctx->scratch, bool, count + 1);
    g.read = NEW_ARRAY(ctx->scratch, bool, count + 1);
    return settle(&g) ? with_loop(&g) : NULL;
}

static Fn *gram_level(Context *ctx, const Fn *fn)
{
    NodeList nodes = { 0 };
    Sum s;
    ArenaMark mark = arena_mark(ctx->scratch);
    Fn *made = NULL;
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count && !made; k++) {
        Node *base = squared(nodes.at[k], &s);
        made = base ? without_base(ctx, fn, &nodes, base, &s) : NULL;
    }
    arena_release(ctx->scratch, mark);
    return made;
}

static void gram_bodies(Context *ctx, const Node *old, Node *const *operands, void *user, Node **values)
{
    const Fn *body[2] = { NULL, NULL };
    for (int b = 0; b < 2 && old->body[b]; b++) {
        body[b] = fn_gram(ctx, old->body[b]);
        *(bool *)user |= body[b] != old->body[b];
    }
    region_again(ctx, old, body, operands, NULL, values);
}

Fn *fn_gram(Context *ctx, const Fn *fn)
{
    enum { LOOPS_MOST = 8 };
    bool changed = false;
    Fn *now = (Fn *)(uintptr_t)fn, *next;
    for (int k = 0; k < LOOPS_MOST && (next = gram_level(ctx, now)); k++)
        now = next;
    if (!fn_has(ctx, now, node_is_region))
        return now;
    next = fn_rewrite_regions(ctx, now, NULL, gram_bodies, &changed);
    return changed ? next : now;
}
