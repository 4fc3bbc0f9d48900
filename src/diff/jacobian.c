/* jacobian.c: the columns or rows of a Jacobian.
 *
 * One sweep over the identity, which is a comparison of iotas: it fuses into what reads it and is never stored.  Or one
 * sweep for each direction, where the elements of a few are formulas of their own: over the identity most of what is
 * added up is zero then, and a single direction leaves it out.  What is less work and no more text is taken. */
#include "rules.h"

enum {
    SWEEPS_MAX = 16,                                        /* directions that may have a sweep each */
    NODES_MAX = 4096,                                       /* that one sweep may make, if others follow */
    ELEMENTS_OWN = 64,                                      /* of a Jacobian, which may each be a formula */
    STEPS_MAX = 2048                                        /* that looking for formulas may take */
};

/* ---- over the identity ----------------------------------------------------------------------------------------- */
Node *jacobian_identity(Context *ctx, const Type *shape)
{
    int64_t n = shape->count, ones[RANK_MAX + 1] = { n };
    for (int k = 1; k <= shape->rank; k++)
        ones[k] = 1;
    Node *row = node_reshape(ctx, node_iota(ctx, n), type_sized(ctx, ELEM_INT, shape->rank + 1, ones));
    Node *element = node_reshape(ctx, node_iota(ctx, n), shape);
    return node_to_real(ctx, node_binary(ctx, OP_eq, row, element));
}

/* The derivative with its batch axis (batch 1: the elements of `front` one after the other) given front's shape. */
static Node *with_front(Context *ctx, Node *d, int batch, const Type *front)
{
    const Type *back = type_make(ctx, ELEM_REAL, d->type->rank - batch, d->type->dim + batch);
    return node_reshape(ctx, d, type_concat(ctx, ELEM_REAL, front, back));
}

/* One axis of x.count directions in front; one direction needs no axis. */
static void columns_at_once(Context *ctx, int y_count, Node *const *ys, Node *x, Node **columns)
{
    int batch = x->type->count > 1;
    Node *directions = batch ? jacobian_identity(ctx, x->type) : node_fill(ctx, x->type, 1);
    diff_forward(ctx, 1, &x, &directions, batch, y_count, ys, columns);
    for (int k = 0; k < y_count; k++)
        columns[k] = columns[k] ? with_front(ctx, columns[k], batch, x->type) : NULL;
}

static void rows_at_once(Context *ctx, Node *y, int x_count, Node *const *xs, Node **rows)
{
    int batch = y->type->count > 1;
    Node *seeds = batch ? jacobian_identity(ctx, y->type) : node_fill(ctx, y->type, 1);
    diff_reverse(ctx, 1, &y, &seeds, batch, x_count, xs, rows, NULL);
    for (int k = 0; k < x_count; k++)
        rows[k] = rows[k] ? with_front(ctx, rows[k], batch, y->type) : NULL;
}

/* ---- one sweep for each direction ------------------------------------------------------------------------------ */
typedef struct { int64_t work, text; bool carries; } Effort;

static void add_effort(Context *ctx, Node *const *roots, int count, int first_new, int64_t times, Map *seen, Effort *e)
{
    NodeList nodes = { 0 };
    nodes_reaching(ctx, roots, count, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        int64_t elements = n->type->count;
        if (n->id < first_new || map_get(seen, n))
            continue;
        map_put(seen, n, seen);
        if (is_region(n)) {                                 /* bodies of maps are looked into, which are not deep */
            const Fn *body = n->op == OP_loop && n->attr[1] == 0 && times == 1 ? n->body[0] : NULL;
            e->carries |= !body;
            for (int i = 0; body && i < body->results.count; i++)
                add_effort(ctx, &body->results.at[i].node, 1, first_new, n->attr[0], seen, e);
            continue;
        }
        if (op_info[n->op].class == CLASS_LEAF || (n->op >= OP_expand && n->op <= OP_stack))
            continue;
        for (int i = 0; op_info[n->op].class != CLASS_ELEMENTWISE && i < n->operand_count; i++)
            elements += n->operands[i]->type->count;
        e->work += elements * times;
        e->text++;
    }
}

/* Of the nodes from first_new on that give the results. */
static Effort effort(Context *ctx, int count, Node *const *results, int first_new)
{
    Effort e = { 0 };
    ArenaMark mark = arena_mark(ctx->scratch);
    Map *seen = map_new(ctx->scratch);
    for (int k = 0; k < count; k++)
        if (results[k])
            add_effort(ctx, &results[k], 1, first_new, 1, seen, &e);
    arena_release(ctx->scratch, mark);
    return e;
}

static Node *unit(Context *ctx, const Type *shape, int64_t at)
{
    double data[SWEEPS_MAX] = { 0 };
    data[at] = 1;
    return node_constant(ctx, shape, data);
}

/* One element, as a formula of elements as far as there are elementwise ops, and steps left. */
static Node *element(Context *ctx, Node *x, const int64_t *start, int *steps)
{
    int64_t ones[RANK_MAX];
    Node *operands[3];
    for (int k = 0; k < x->type->rank; k++)
        ones[k] = 1;
    Node *one = x->type->rank ? node_slice(ctx, x, start, ones, ones) : x, *from = one;
    while (from->op == OP_reshape)
        from = from->operands[0];
    const int64_t *at = from->op == OP_slice ? from->attr : start;
    from = from->op == OP_slice ? from->operands[0] : from;
    if (op_info[from->op].class == CLASS_ELEMENTWISE && from->type->count > 1 && (*steps)-- > 0) {
        for (int k = 0; k < from->operand_count; k++)
            operands[k] = element(ctx, from->operands[k], at, steps);
        return node_elementwise(ctx, from->op, operands);
    }
    return node_reshape(ctx, one, type_scalar(ctx, x->type->elem));
}

static Node *by_elements(Context *ctx, Node *x)
{
    Node *elements[ELEMENTS_OWN];
    int steps = STEPS_MAX;
    for (int k = 0; k < x->type->count; k++) {
        int64_t start[RANK_MAX], left = k;
        for (int axis = x->type->rank - 1; axis >= 0; axis--) {
            start[axis] = left % type_size(x->type, axis);
            left /= type_size(x->type, axis);
        }
        elements[k] = element(ctx, x, start, &steps);
    }
    return node_reshape(ctx, node_stack(ctx, (int)x->type->count, elements), x->type);
}

/* From the seed at one value to all values at the other end. */
typedef void Sweep(Context *, Node *seed, Node *one, int count, Node *const *all, Node **results);

/* Replaces the results, whose shapes are that of `one` and then those of `all`, if it is better so. */
static void by_direction(Context *ctx, Sweep *sweep, Node *one, int count, Node *const *all, Node **results,
                         int first_new)
{
    int64_t n = one->type->count, stores = 0;
    if (n < 2 || n > SWEEPS_MAX || graph_node_count(ctx) - first_new > NODES_MAX || ctx->error_count)
        return;
    Effort at_once = effort(ctx, count, results, first_new);
    if (at_once.carries)
        return;
    ArenaMark mark = arena_mark(ctx->scratch);
    Node **single = NEW_ARRAY(ctx->scratch, Node *, (int)n * count), **stacked = NEW_ARRAY(ctx->scratch, Node *, count);
    for (int i = 0; i < n; i++)
        sweep(ctx, unit(ctx, one->type, i), one, count, all, single + i * count);
    for (int k = 0; k < count; k++) {
        Node *parts[SWEEPS_MAX];
        if (!results[k])
            continue;
        for (int i = 0; i < n; i++)
            parts[i] = single[i * count + k] ? single[i * count + k] : node_fill(ctx, all[k]->type, 0);
        stacked[k] = node_reshape(ctx, node_stack(ctx, (int)n, parts), results[k]->type);
        bool own = results[k]->type->count <= ELEMENTS_OWN;
        if (own)
            stacked[k] = by_elements(ctx, stacked[k]);
        stores += own ? all[k]->type->count : 1;
    }
    Effort each = effort(ctx, count, stacked, first_new);
    if (each.work < at_once.work && each.text + n * stores <= at_once.text + stores + 2 * n)
        for (int k = 0; k < count; k++)
            results[k] = stacked[k];
    arena_release(ctx->scratch, mark);
}

static void sweep_forward(Context *ctx, Node *seed, Node *x, int count, Node *const *ys, Node **results)
{
    diff_forward(ctx, 1, &x, &seed, 0, count, ys, results);
}

static void sweep_back(Context *ctx, Node *seed, Node *y, int count, Node *const *xs, Node **results)
{
    diff_reverse(ctx, 1, &y, &seed, 0, count, xs, results, NULL);
}

void jacobian_columns(Context *ctx, int y_count, Node *const *ys, Node *x, Node **columns)
{
    int first_new = graph_node_count(ctx);
    if (y_count == 0)
        return;
    columns_at_once(ctx, y_count, ys, x, columns);
    by_direction(ctx, sweep_forward, x, y_count, ys, columns, first_new);
    for (int k = 0; k < y_count; k++) {
        int perm[RANK_MAX], front = x->type->rank, back = ys[k]->type->rank;
        for (int a = 0; a < front + back; a++)
            perm[a] = a < back ? front + a : a - back;
        columns[k] = columns[k] ? node_permute(ctx, columns[k], perm) : NULL;
    }
}

void jacobian_rows(Context *ctx, Node *y, int x_count, Node *const *xs, Node **rows)
{
    int first_new = graph_node_count(ctx);
    if (x_count == 0)
        return;
    rows_at_once(ctx, y, x_count, xs, rows);
    by_direction(ctx, sweep_back, y, x_count, xs, rows, first_new);
}
