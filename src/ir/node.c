/* node.c: the interned constructors.  Every node of a compilation comes from here; equal content is the same pointer,
 * operands are older than their users. */
#include "graph.h"

#include <string.h>

/* ---- the intern table ------------------------------------------------------------------------------------------ */
Graph *graph_of(Context *ctx)
{
    if (!ctx->graph)
        ctx->graph = NEW(ctx->arena, Graph);
    return ctx->graph;
}

void graph_set_origin(Context *ctx, Origin origin) { graph_of(ctx)->origin = origin; }
Origin graph_origin(Context *ctx) { return graph_of(ctx)->origin; }
int graph_node_count(Context *ctx) { return graph_of(ctx)->nodes.count; }

void node_set_name(Node *n, Str name)
{
    if (!n->origin.name && n->op != OP_constant && n->op != OP_iota)
        n->origin.name = name;
}

static bool commutes(Op op)
{
    return op == OP_add || op == OP_mul || op == OP_eq || op == OP_ne || op == OP_and || op == OP_or;
}

static uint64_t node_hash(const Node *n)
{
    uint64_t h = hash_bytes((uint64_t)n->op, &n->type, sizeof n->type);
    if (commutes(n->op))
        h += (uintptr_t)n->operands[0] + (uintptr_t)n->operands[1];
    else
        h = hash_bytes(h, n->operands, sizeof *n->operands * (size_t)n->operand_count);
    h = hash_bytes(h, n->attr, sizeof *n->attr * (size_t)n->attr_count);
    if (n->body[0])
        h = hash_bytes(h, n->body, sizeof n->body);
    return n->data ? hash_bytes(h, n->data, sizeof *n->data * (size_t)n->type->count) : h;
}

static bool same_operands(const Node *a, const Node *b)
{
    return memcmp(a->operands, b->operands, sizeof *a->operands * (size_t)a->operand_count) == 0
        || (commutes(a->op) && a->operands[0] == b->operands[1] && a->operands[1] == b->operands[0]);
}

static bool node_equal(const void *thing, const void *key)
{
    const Node *a = thing, *b = key;
    return a->hash == b->hash && a->op == b->op && a->type == b->type && a->operand_count == b->operand_count
        && a->attr_count == b->attr_count && same_operands(a, b)
        && memcmp(a->attr, b->attr, sizeof *a->attr * (size_t)a->attr_count) == 0
        && a->body[0] == b->body[0] && a->body[1] == b->body[1]
        && (!a->data || memcmp(a->data, b->data, sizeof *a->data * (size_t)a->type->count) == 0);
}

static Node *node_keep(Context *ctx, const Node *key)
{
    Graph *g = graph_of(ctx);
    Node *n = arena_copy(ctx->arena, key, sizeof *key);
    if (n->operand_count)
        n->operands = arena_copy(ctx->arena, n->operands, sizeof *n->operands * (size_t)n->operand_count);
    if (n->attr_count)
        n->attr = arena_copy(ctx->arena, n->attr, sizeof *n->attr * (size_t)n->attr_count);
    if (n->data)
        n->data = arena_copy(ctx->arena, n->data, sizeof *n->data * (size_t)n->type->count);
    n->id = g->nodes.count;
    vec_push(ctx->arena, &g->nodes, n);
    n->origin = g->origin;
    n->closed = n->op != OP_param && n->op != OP_bind && n->op != OP_result && n->op != OP_call;
    for (int k = 0; k < n->operand_count; k++)
        n->closed &= n->operands[k]->closed;
    for (int k = 0; k < n->operand_count; k++)
        n->carried |= n->operands[k]->carried;
    return n;
}

NodeSet *graph_record(Context *ctx, NodeSet *set)
{
    Graph *g = graph_of(ctx);
    NodeSet *before = g->record;
    g->record = set;
    return before;
}

static void set_add(const NodeSet *set, Node *n)
{
    if (set && set->members)
        map_put(set->members, n, n);
}

NodeSet *graph_record_around(Context *ctx, NodeSet *around)
{
    NodeSet *before = graph_of(ctx)->record;
    if (before)
        *around = (NodeSet){ .floor = NODE_SET_MEMBERS, .members = map_new(ctx->arena) };
    return graph_record(ctx, before ? around : NULL);
}

void graph_record_reached(Context *ctx, const NodeSet *inner, const NodeSet *around, NodeSet *outer, Node *const *roots,
                          int count)
{
    graph_record(ctx, outer);
    if (!outer)
        return;
    ArenaMark mark = arena_mark(ctx->scratch);
    NodeList stack = { 0 };
    Map *seen = map_new(ctx->scratch);
    for (int k = 0; k < map_count(around->members); k++)
        set_add(outer, (Node *)(uintptr_t)map_key(around->members, k));
    for (int k = 0; k < count && inner->members; k++)
        vec_push(ctx->scratch, &stack, roots[k]);
    while (stack.count) {
        Node *n = stack.at[--stack.count];
        bool is_inner = map_get(inner->members, n) != NULL;
        if (map_get(seen, n) || (!is_inner && !map_get(around->members, n)))
            continue;
        map_put(seen, n, n);
        if (is_inner)
            set_add(outer, n);
        for (int k = 0; k < n->operand_count; k++)
            vec_push(ctx->scratch, &stack, n->operands[k]);
    }
    arena_release(ctx->scratch, mark);
}

static Node *recorded(Graph *g, Node *n)
{
    set_add(g->record, n);
    return n;
}

static Node *node_intern(Context *ctx, Node key)
{
    static Node *none[1];
    static const int64_t no_attr[1];
    Graph *g = graph_of(ctx);
    if (!key.operand_count)
        key.operands = none;
    if (!key.attr_count)
        key.attr = no_attr;
    key.hash = node_hash(&key);
    uint32_t newest = 0;
    for (int k = 0; k < key.operand_count; k++)
        newest = (uint32_t)key.operands[k]->id > newest ? (uint32_t)key.operands[k]->id : newest;
    table_reserve(ctx->arena, &g->table, (size_t)g->nodes.count);
    TableSlot *slot = table_find(&g->table, (uint32_t)key.hash, newest, node_equal, &key);
    if (!slot->thing)                                       /* of equal operands the order of the first writer stays */
        *slot = (TableSlot){ node_keep(ctx, &key), (uint32_t)key.hash, newest };
    return recorded(g, (Node *)(uintptr_t)slot->thing);
}

Node *graph_intern(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count,
                   const int64_t *attr, const double *data)
{
    return node_intern(ctx, (Node){ .op = op, .type = type, .operand_count = count, .operands = (Node **)(uintptr_t)operands,
                                    .attr_count = attr_count, .attr = attr, .data = data });
}

Node *graph_intern_region(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count,
                          const int64_t *attr, const Fn *const *body)
{
    return node_intern(ctx, (Node){ .op = op, .type = type, .operand_count = count, .operands = (Node **)(uintptr_t)operands,
                                    .attr_count = attr_count, .attr = attr, .body = { body[0], body[1] } });
}

Node *node_make(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count,
                const int64_t *attr)
{
    Node *simple = fold(ctx, op, type, count, operands, attr_count, attr);
    if (simple && simple->type != type)
        internal_error(ctx, "fold of %s changed the type %s to %s", op_info[op].name, type_text(ctx, type),
                       type_text(ctx, simple->type));
    return simple ? simple : graph_intern(ctx, op, type, count, operands, attr_count, attr, NULL);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------ */
/* Nodes that are never merged carry their own id as attribute. */
static Node *node_unique(Context *ctx, Op op, const Type *type, int count, Node *const *operands, Str name)
{
    int64_t id = graph_of(ctx)->nodes.count;
    Node *n = graph_intern(ctx, op, type, count, operands, 1, &id, NULL);
    n->origin.name = name;
    return n;
}

Node *node_param(Context *ctx, Str name, const Type *type, Span span)
{
    Node *n = node_unique(ctx, OP_param, type, 0, NULL, name);
    n->origin = (Origin){ .name = name, .span = span };
    return n;
}

Node *node_bind(Context *ctx, Node *x, Str name)
{
    return node_unique(ctx, OP_bind, x->type, 1, &x, name);
}

/* A constant whose elements are all the same bits is the scalar expanded, so that it takes no memory anywhere. */
Node *node_constant(Context *ctx, const Type *type, const double *data)
{
    int64_t k = 1;
    while (k < type->count && memcmp(&data[k], &data[0], sizeof *data) == 0)
        k++;
    if (type->rank == 0 || k < type->count)
        return graph_intern(ctx, OP_constant, type, 0, NULL, 0, NULL, data);
    return node_expand(ctx, node_constant(ctx, type_scalar(ctx, type->elem), data), type);
}

static Node *scalar_constant(Context *ctx, Elem elem, double value)
{
    return node_constant(ctx, type_scalar(ctx, elem), &value);
}

Node *node_real(Context *ctx, double value) { return scalar_constant(ctx, ELEM_REAL, value); }
Node *node_int(Context *ctx, int64_t value) { return scalar_constant(ctx, ELEM_INT, (double)value); }
Node *node_bool(Context *ctx, bool value) { return scalar_constant(ctx, ELEM_BOOL, value); }

Node *node_fill(Context *ctx, const Type *type, double value)
{
    return node_expand(ctx, scalar_constant(ctx, type->elem, value), type);
}

Node *node_iota(Context *ctx, int64_t n)
{
    if (n == 1)
        return node_fill(ctx, type_sized(ctx, ELEM_INT, 1, &n), 0);
    return graph_intern(ctx, OP_iota, type_sized(ctx, ELEM_INT, 1, &n), 0, NULL, 0, NULL, NULL);
}

Node *node_derivative(Context *ctx, Op op, const Type *type, int count, Node *const *operands, int attr_count,
                      const int64_t *attr)
{
    return graph_intern(ctx, op, type, count, operands, attr_count, attr, NULL);
}

bool node_is_by(const Node *n, int k)
{
    switch (n->op) {
    case OP_grad: return k == n->operand_count - 1;
    case OP_jvp: case OP_hvp: return k >= 1 && k <= n->attr[0];
    case OP_jacobian: case OP_hessian: return k == 1;
    default: return false;
    }
}

/* ---- elementwise --------------------------------------------------------------------------------------------------- */
static Elem result_elem(Context *ctx, Op op, Node *const *operands)
{
    Elem first = operands[0]->type->elem, last = operands[op_info[op].arity - 1]->type->elem;
    switch (op_info[op].signature) {
    case SIG_REAL: CHECK(ctx, first == ELEM_REAL && last == ELEM_REAL); return ELEM_REAL;
    case SIG_NUMBER: CHECK(ctx, first == last && first != ELEM_BOOL); return first;
    case SIG_COMPARE: CHECK(ctx, first == last); return ELEM_BOOL;
    case SIG_PREDICATE: CHECK(ctx, first == ELEM_REAL); return ELEM_BOOL;
    case SIG_BOOL: CHECK(ctx, first == ELEM_BOOL && last == ELEM_BOOL); return ELEM_BOOL;
    case SIG_INT: CHECK(ctx, first == ELEM_INT && last == ELEM_INT); return ELEM_INT;
    case SIG_SELECT: CHECK(ctx, first == ELEM_BOOL && operands[1]->type->elem == last); return last;
    case SIG_TO_REAL: CHECK(ctx, first != ELEM_REAL); return ELEM_REAL;
    case SIG_NONE: break;
    }
    internal_error(ctx, "%s is not elementwise", op_info[op].name);
}

Node *node_elementwise(Context *ctx, Op op, Node *const *operands)
{
    int arity = op_info[op].arity;
    const Type *shape = operands[0]->type;
    Node *full[3];
    for (int k = 1; k < arity; k++)
        if (operands[k]->type->rank > shape->rank)
            shape = operands[k]->type;
    const Type *type = type_with_elem(ctx, shape, result_elem(ctx, op, operands));
    for (int k = 0; k < arity; k++) {
        full[k] = operands[k]->type->rank == 0 ? node_expand(ctx, operands[k], shape) : operands[k];
        CHECK(ctx, type_same_shape(full[k]->type, shape));
    }
    return node_make(ctx, op, type, arity, full, 0, NULL);
}

Node *node_unary(Context *ctx, Op op, Node *x)
{
    return node_elementwise(ctx, op, &x);
}

Node *node_binary(Context *ctx, Op op, Node *x, Node *w)
{
    const Type *shape = type_broadcast(ctx, x->type, w->type);
    CHECK(ctx, shape != NULL);
    Node *operands[2] = { node_expand(ctx, x, shape), node_expand(ctx, w, shape) };
    return node_elementwise(ctx, op, operands);
}

Node *node_plus(Context *ctx, Node *sum, Node *term)
{
    return sum && term ? node_binary(ctx, OP_add, sum, term) : sum ? sum : term;
}

Node *node_where(Context *ctx, Node *c, Node *a, Node *b)
{
    const Type *shape = type_broadcast(ctx, a->type, b->type);
    CHECK(ctx, shape != NULL);
    shape = type_broadcast(ctx, shape, c->type);
    CHECK(ctx, shape != NULL);
    Node *operands[3] = { node_expand(ctx, c, shape), node_expand(ctx, a, shape), node_expand(ctx, b, shape) };
    return node_elementwise(ctx, OP_where, operands);
}

Node *node_to_real(Context *ctx, Node *x)
{
    return x->type->elem == ELEM_REAL ? x : node_unary(ctx, OP_real, x);
}

/* ---- movement ------------------------------------------------------------------------------------------------------ */
/* `shape` says the dimensions only; the element type is x's. */
Node *node_expand(Context *ctx, Node *x, const Type *shape)
{
    if (type_same_shape(x->type, shape))
        return x;
    const Type *type = type_with_elem(ctx, shape, x->type->elem);
    CHECK(ctx, x->type->rank <= type->rank);
    for (int k = 1; k <= x->type->rank; k++)
        CHECK(ctx, type_size(x->type, -k) == type_size(type, -k) || type_size(x->type, -k) == 1);
    return node_make(ctx, OP_expand, type, 1, &x, 0, NULL);
}

Node *node_reshape(Context *ctx, Node *x, const Type *shape)
{
    CHECK(ctx, x->type->count == shape->count);
    return node_make(ctx, OP_reshape, type_with_elem(ctx, shape, x->type->elem), 1, &x, 0, NULL);
}

Node *node_permute(Context *ctx, Node *x, const int *perm)
{
    int rank = x->type->rank;
    int64_t attr[RANK_MAX];
    const Dim *dims[RANK_MAX];
    bool seen[RANK_MAX] = { false };
    for (int k = 0; k < rank; k++) {
        int axis = perm[k] < 0 ? perm[k] + rank : perm[k];
        CHECK(ctx, axis >= 0 && axis < rank && !seen[axis]);
        seen[axis] = true;
        attr[k] = axis - rank;
        dims[k] = x->type->dim[axis];
    }
    return node_make(ctx, OP_permute, type_make(ctx, x->type->elem, rank, dims), 1, &x, rank, attr);
}

Node *node_transpose(Context *ctx, Node *x, int axis0, int axis1)
{
    int perm[RANK_MAX], rank = x->type->rank;
    axis0 += axis0 < 0 ? rank : 0;
    axis1 += axis1 < 0 ? rank : 0;
    for (int k = 0; k < rank; k++)
        perm[k] = k == axis0 ? axis1 : k == axis1 ? axis0 : k;
    return node_permute(ctx, x, perm);
}

Node *node_slice(Context *ctx, Node *x, const int64_t *start, const int64_t *step, const int64_t *count)
{
    int rank = x->type->rank;
    int64_t attr[2 * RANK_MAX];
    for (int k = 0; k < rank; k++) {
        int64_t last = start[k] + (count[k] - 1) * step[k], size = type_size(x->type, k);
        CHECK(ctx, count[k] > 0 && step[k] != 0 && start[k] >= 0 && start[k] < size && last >= 0 && last < size);
        attr[k] = start[k];
        attr[rank + k] = count[k] == 1 ? 1 : step[k];       /* the step of one element does not matter */
    }
    return node_make(ctx, OP_slice, type_sized(ctx, x->type->elem, rank, count), 1, &x, 2 * rank, attr);
}

Node *node_pad(Context *ctx, Node *x, const int64_t *low, const int64_t *high, const int64_t *interior)
{
    int rank = x->type->rank;
    int64_t attr[3 * RANK_MAX], sizes[RANK_MAX];
    for (int k = 0; k < rank; k++) {
        int64_t size = type_size(x->type, k);
        CHECK(ctx, low[k] >= 0 && high[k] >= 0 && interior[k] >= 0);
        attr[k] = low[k];
        attr[rank + k] = high[k];
        attr[2 * rank + k] = size == 1 ? 0 : interior[k];
        sizes[k] = low[k] + high[k] + size + (size - 1) * interior[k];
    }
    return node_make(ctx, OP_pad, type_sized(ctx, x->type->elem, rank, sizes), 1, &x, 3 * rank, attr);
}

Node *node_concat(Context *ctx, int count, Node *const *xs, int axis)
{
    int rank = xs[0]->type->rank;
    int64_t sizes[RANK_MAX], attr = axis < 0 ? axis : axis - rank;
    CHECK(ctx, count > 0 && attr >= -rank && attr < 0);
    for (int k = 0; k < rank; k++)
        sizes[k] = type_size(xs[0]->type, k);
    for (int i = 1; i < count; i++) {
        CHECK(ctx, xs[i]->type->rank == rank && xs[i]->type->elem == xs[0]->type->elem);
        for (int k = 0; k < rank; k++)
            CHECK(ctx, k == attr + rank || type_size(xs[i]->type, k) == sizes[k]);
        sizes[attr + rank] += type_size(xs[i]->type, (int)attr);
    }
    return node_make(ctx, OP_concat, type_sized(ctx, xs[0]->type->elem, rank, sizes), count, xs, 1, &attr);
}

Node *node_stack(Context *ctx, int count, Node *const *xs)
{
    int64_t n = count;
    CHECK(ctx, count > 0);
    for (int i = 1; i < count; i++)
        CHECK(ctx, xs[i]->type == xs[0]->type);
    const Type *front = type_sized(ctx, xs[0]->type->elem, 1, &n);
    return node_make(ctx, OP_stack, type_concat(ctx, xs[0]->type->elem, front, xs[0]->type), count, xs, 0, NULL);
}

/* ---- reductions and contractions ------------------------------------------------------------------------------------- */
/* Marks the reduced axes; returns the type with them removed, or kept as 1. */
static const Type *reduced_type(Context *ctx, const Type *t, const bool *reduced, bool keepdim)
{
    int64_t sizes[RANK_MAX];
    int rank = 0;
    for (int k = 0; k < t->rank; k++)
        if (!reduced[k] || keepdim)
            sizes[rank++] = reduced[k] ? 1 : type_size(t, k);
    return type_sized(ctx, t->elem, rank, sizes);
}

Node *node_reduce(Context *ctx, Op op, Node *x, int axis_count, const int *axes, bool keepdim)
{
    int rank = x->type->rank, count = 0;
    bool reduced[RANK_MAX] = { false };
    int64_t attr[RANK_MAX];
    for (int i = 0; i < axis_count; i++) {
        int axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        CHECK(ctx, axis >= 0 && axis < rank && !reduced[axis]);
        reduced[axis] = true;
    }
    for (int k = 0; k < rank; k++)
        if (reduced[k])
            attr[count++] = k - rank;
    Node *y = x;
    if (count)
        y = node_make(ctx, op, reduced_type(ctx, x->type, reduced, false), 1, &x, count, attr);
    return keepdim ? node_reshape(ctx, y, reduced_type(ctx, x->type, reduced, true)) : y;
}

Node *node_sum(Context *ctx, Node *x, int axis_count, const int *axes, bool keepdim)
{
    return node_reduce(ctx, OP_sum, x, axis_count, axes, keepdim);
}

Node *node_squeeze_to(Context *ctx, Node *x, const Type *shape)
{
    int axes[RANK_MAX], count = 0, extra = x->type->rank - shape->rank;
    for (int k = 0; k < x->type->rank; k++)
        if (k < extra || (type_size(shape, k - extra) == 1 && type_size(x->type, k) != 1))
            axes[count++] = k;
    return node_reshape(ctx, node_sum(ctx, x, count, axes, false), shape);
}

/* Labels are renumbered in the order in which they first occur, so that equal contractions are equal nodes. */
Node *node_einsum(Context *ctx, int count, Node *const *xs, const int *const *labels, int out_rank, const int *out_labels)
{
    int64_t attr[3 * RANK_MAX], sizes[RANK_MAX], size_of[3 * RANK_MAX];
    int seen[3 * RANK_MAX], seen_count = 0, total = 0;
    CHECK(ctx, count == 1 || count == 2);
    for (int i = 0; i < count; i++) {
        CHECK(ctx, xs[i]->type->elem == ELEM_REAL);
        for (int k = 0; k < xs[i]->type->rank; k++) {
            int at = 0;
            while (at < seen_count && seen[at] != labels[i][k])
                at++;
            if (at == seen_count) {
                seen[seen_count++] = labels[i][k];
                size_of[at] = type_size(xs[i]->type, k);
            }
            CHECK(ctx, size_of[at] == type_size(xs[i]->type, k));
            attr[total++] = at;
        }
    }
    for (int k = 0; k < out_rank; k++) {
        int at = 0;
        while (at < seen_count && seen[at] != out_labels[k])
            at++;
        CHECK(ctx, at < seen_count);
        sizes[k] = size_of[at];
        attr[total++] = at;
    }
    return node_make(ctx, OP_einsum, type_sized(ctx, ELEM_REAL, out_rank, sizes), count, xs, total, attr);
}

Node *node_matmul(Context *ctx, Node *a, Node *b)
{
    int la[RANK_MAX], lb[RANK_MAX], lo[RANK_MAX], out = 0, ra = a->type->rank, rb = b->type->rank;
    enum { ROW = 100, INNER, COLUMN };                      /* batch axes are labelled by their place from the end */
    CHECK(ctx, ra >= 1 && rb >= 1);
    int batch_a = ra > 2 ? ra - 2 : 0, batch_b = rb > 2 ? rb - 2 : 0, batch = batch_a > batch_b ? batch_a : batch_b;
    int64_t sizes_a[RANK_MAX], sizes_b[RANK_MAX];
    int na = 0, nb = 0;                                     /* size-1 batch axes that broadcast are dropped */
    for (int k = batch; k >= 1; k--) {
        int64_t sa = k <= batch_a ? type_size(a->type, batch_a - k) : 1, sb = k <= batch_b ? type_size(b->type, batch_b - k) : 1;
        CHECK(ctx, sa == sb || sa == 1 || sb == 1);
        if (k <= batch_a && (sa != 1 || sb == 1))
            la[na] = k, sizes_a[na++] = sa;
        if (k <= batch_b && (sb != 1 || (sa == 1 && k > batch_a)))
            lb[nb] = k, sizes_b[nb++] = sb;
        lo[out++] = k;
    }
    if (ra >= 2)
        la[na] = ROW, sizes_a[na++] = type_size(a->type, -2), lo[out++] = ROW;
    la[na] = INNER, sizes_a[na++] = type_size(a->type, -1);
    lb[nb] = INNER, sizes_b[nb++] = type_size(b->type, rb >= 2 ? -2 : -1);
    if (rb >= 2)
        lb[nb] = COLUMN, sizes_b[nb++] = type_size(b->type, -1), lo[out++] = COLUMN;
    Node *xs[2] = { node_reshape(ctx, a, type_sized(ctx, ELEM_REAL, na, sizes_a)),
                    node_reshape(ctx, b, type_sized(ctx, ELEM_REAL, nb, sizes_b)) };
    const int *labels[2] = { la, lb };
    return node_einsum(ctx, 2, xs, labels, out, lo);
}

/* ---- run-time indices -------------------------------------------------------------------------------------------------- */
static const Type *indexed_type(Context *ctx, const Type *x, int count, Node *const *indices)
{
    CHECK(ctx, count >= 1 && count <= x->rank);
    for (int i = 0; i < count; i++)
        CHECK(ctx, indices[i]->type == indices[0]->type && indices[i]->type->elem == ELEM_INT);
    return type_concat(ctx, x->elem, indices[0]->type, type_make(ctx, x->elem, x->rank - count, x->dim + count));
}

Node *node_index(Context *ctx, Node *x, int count, Node *const *indices)
{
    Node *operands[RANK_MAX + 1] = { x };
    const Type *type = indexed_type(ctx, x->type, count, indices);
    memcpy(operands + 1, indices, sizeof *indices * (size_t)count);
    return node_make(ctx, OP_index, type, count + 1, operands, 0, NULL);
}

static Node *node_scatter(Context *ctx, Op op, Node *base, int count, Node *const *indices, Node *source)
{
    Node *operands[RANK_MAX + 2] = { base, source };
    CHECK(ctx, indexed_type(ctx, base->type, count, indices) == source->type);
    memcpy(operands + 2, indices, sizeof *indices * (size_t)count);
    return node_make(ctx, op, base->type, count + 2, operands, 0, NULL);
}

Node *node_index_add(Context *ctx, Node *base, int count, Node *const *indices, Node *source)
{
    return node_scatter(ctx, OP_index_add, base, count, indices, source);
}

Node *node_index_set(Context *ctx, Node *base, int count, Node *const *indices, Node *source)
{
    return node_scatter(ctx, OP_index_set, base, count, indices, source);
}

Node *node_recurrence(Context *ctx, Node *a, Node *b, int axis, bool forget)
{
    int64_t attr[2] = { axis < 0 ? axis : axis - b->type->rank, forget };
    CHECK(ctx, a->type == b->type && a->type->elem == ELEM_REAL && attr[0] >= -b->type->rank && attr[0] < 0);
    Node *operands[2] = { a, b };
    return node_make(ctx, OP_recurrence, b->type, 2, operands, 2, attr);
}

/* ---- again with other operands ------------------------------------------------------------------------------------------- */
Node *node_rebuild(Context *ctx, const Node *n, Node *const *operands)
{
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return node_elementwise(ctx, n->op, operands);
    if (n->op == OP_call || n->op == OP_override)
        return (n->op == OP_call ? node_call : node_override)(ctx, (int)n->attr[0], operands);
    if (n->op == OP_expand)
        return node_expand(ctx, operands[0], n->type);
    if (n->op == OP_param || n->op == OP_bind)
        internal_error(ctx, "%s can not be rebuilt", op_info[n->op].name);
    if (n->operand_count == 0)
        return (Node *)(uintptr_t)n;
    for (int k = 0; k < n->operand_count; k++)
        CHECK(ctx, operands[k]->type == n->operands[k]->type);
    if (n->body[0])
        return graph_intern_region(ctx, n->op, n->type, n->operand_count, operands, n->attr_count, n->attr, n->body);
    return node_make(ctx, n->op, n->type, n->operand_count, operands, n->attr_count, n->attr);
}

Node *node_replaced(Context *ctx, const Node *n, Node *const *operands)
{
    int k = 0;
    while (k < n->operand_count && operands[k] == n->operands[k])
        k++;
    if (k == n->operand_count)
        return (Node *)(uintptr_t)n;
    return n->op == OP_bind ? node_bind(ctx, operands[0], n->origin.name) : node_rebuild(ctx, n, operands);
}
