/* sequence.c: adjoint and tangent of the recurrence, of the product and of the running product.
 *
 * The adjoint of y_k = b_k + a_k y_{k-1} is a recurrence that runs backwards.  The product has a derivative that is
 * exact when elements are zero, at every order: each element meets the product of all others, which is a product of
 * what stands before it and of what stands behind it, and both are recurrences.  Nothing here ever divides, and what a
 * direction leaves out is not multiplied by its zero, because the rest may overflow. */
#include "rules.h"

/* x moved one place up along an axis counted from the end; zero comes in, the last element falls out. */
static Node *shift_up(Context *ctx, Node *x, int axis)
{
    int64_t n = type_size(x->type, axis);
    return n == 1 ? node_fill(ctx, x->type, 0) : axis_pad(ctx, axis_slice(ctx, x, axis, 0, 1, n - 1), axis, 1, 0);
}

/* ---- recurrence ------------------------------------------------------------------------------------------------ */
/* lambda_k = g_k + a_{k+1} lambda_{k+1}, which is the adjoint of b. */
static Node *backward_recurrence(Context *ctx, const Node *n, Node *g)
{
    int axis = (int)n->attr[0];
    Node *a = shift_up(ctx, axis_flip(ctx, n->operands[0], axis), axis);
    a = node_expand(ctx, a, g->type);
    return axis_flip(ctx, node_recurrence(ctx, a, axis_flip(ctx, g, axis), axis, n->attr[1]), axis);
}

/* p_k y_{k-1} for k > 0, and 0 for k = 0 whatever p_0 is: a_0 is not read. */
static Node *times_previous(Context *ctx, Node *y, Node *p, int axis)
{
    int64_t n = type_size(y->type, axis);
    Node *later = axis_slice(ctx, p, axis, 1, 1, n - 1), *earlier = axis_slice(ctx, y, axis, 0, 1, n - 1);
    return axis_pad(ctx, node_binary(ctx, OP_mul, later, earlier), axis, 1, 0);
}

Node *recurrence_adjoint(Context *ctx, Node *n, int operand, Node *g)
{
    int axis = (int)n->attr[0];
    if (operand == 0 && type_size(n->type, axis) == 1)
        return NULL;
    Node *lambda = backward_recurrence(ctx, n, g);
    return operand == 1 ? lambda : times_previous(ctx, n, lambda, axis);
}

Node *recurrence_tangent(Context *ctx, Node *n, Node *const *tangents)
{
    Node *da = tangents[0], *db = tangents[1];
    int axis = (int)n->attr[0];
    if (da && type_size(n->type, axis) > 1)
        db = node_plus(ctx, db, times_previous(ctx, n, da, axis));
    if (!db)
        return NULL;
    return node_recurrence(ctx, node_expand(ctx, n->operands[0], db->type), db, axis, n->attr[1]);
}

/* ---- product --------------------------------------------------------------------------------------------------- */
/* The derivative of a product in some directions and one more that is left open, for each element: the sum over all ways to
 * give each direction an element of its own, other than this one, of the directions there and the product of what is
 * left.  So the derivative by x is the same with a direction more, and that by a direction is with g in its place. */
typedef struct {
    Context *ctx;
    int count;
    Node *x, **directions;                                  /* the elements that are multiplied along the last axis */
    Node **before;                                          /* per set of directions: what they give before each element */
} Product;

/* The reduced axes moved behind the others: perm for the operand; how many others there are. */
static int reduced_last(int rank, int axis_count, const int64_t *axes, int *perm)
{
    int count = 0, last = rank - axis_count;
    for (int k = 0, r = 0; k < rank; k++) {
        if (r < axis_count && axes[r] + rank == k)
            perm[last + r++] = k;
        else
            perm[count++] = k;
    }
    return count;
}

static Node *permute_back(Context *ctx, Node *x, const int *perm)
{
    int inverse[RANK_MAX];
    for (int k = 0; k < x->type->rank; k++)
        inverse[perm[k]] = k;
    return node_permute(ctx, x, inverse);
}

/* The reduced axes as one, the last. */
static Node *as_line(Context *ctx, Node *x, int axis_count, const int64_t *axes)
{
    int perm[RANK_MAX], kept = reduced_last(x->type->rank, axis_count, axes, perm);
    Node *moved = node_permute(ctx, x, perm);
    const Type *rows = type_make(ctx, ELEM_REAL, kept, moved->type->dim);
    int64_t flat = 1;
    for (int k = 0; k < axis_count; k++)
        flat *= type_size(x->type, (int)axes[k]);
    return node_reshape(ctx, moved, type_concat(ctx, ELEM_REAL, rows, type_sized(ctx, ELEM_REAL, 1, &flat)));
}

static Node *from_line(Context *ctx, Node *line, const Type *shape, int axis_count, const int64_t *axes)
{
    int perm[RANK_MAX];
    const Dim *dims[RANK_MAX];
    reduced_last(shape->rank, axis_count, axes, perm);
    for (int k = 0; k < shape->rank; k++)
        dims[k] = shape->dim[perm[k]];
    return permute_back(ctx, node_reshape(ctx, line, type_make(ctx, ELEM_REAL, shape->rank, dims)), perm);
}

/* Without the batch axes that it was given for a direction: its products are the same for all of them. */
static Node *without_batch(Node *x)
{
    while (x->op == OP_expand) {
        const Type *own = x->operands[0]->type;
        for (int k = 1; k <= own->rank; k++)
            if (type_size(own, -k) != type_size(x->type, -k))
                return x;
        x = x->operands[0];
    }
    return x;
}

/* A direction that is zero at an element has no part in it, even where the product of the others overflows. */
static Node *unless_zero(Context *ctx, Node *factor, Node *product)
{
    Node *zero = node_real(ctx, 0);
    return node_where(ctx, node_binary(ctx, OP_eq, factor, zero), zero, product);
}

/* The sum over the directions k of a set of w_k times what `rest` has for the set without it; NULL for no direction. */
static Node *taken_here(Context *ctx, int count, Node *const *directions, int set, Node *const *rest)
{
    Node *sum = NULL;
    for (int k = 0; k < count; k++)
        if (set >> k & 1) {
            Node *w = directions[k];
            sum = node_plus(ctx, sum, unless_zero(ctx, w, node_binary(ctx, OP_mul, w, rest[set & ~(1 << k)])));
        }
    return sum;
}

/* Sets are numbers with a bit per direction, and their parts are smaller. */
static void find_before(Product *p)
{
    Context *ctx = p->ctx;
    int64_t n = type_size(p->x->type, -1);
    Node *one = node_fill(ctx, axis_slice(ctx, p->x, -1, 0, 1, 1)->type, 1), *factors = shift_up(ctx, p->x, -1);
    p->before = NEW_ARRAY(ctx->arena, Node *, (int64_t)1 << p->count);
    p->before[0] = node_recurrence(ctx, factors, axis_pad(ctx, one, -1, 0, n - 1), -1, p->count > 0);
    for (int set = 1; set < 1 << p->count; set++) {
        Node *sum = taken_here(ctx, p->count, p->directions, set, p->before);
        p->before[set] = node_recurrence(ctx, node_expand(ctx, factors, sum->type), shift_up(ctx, sum, -1), -1, true);
    }
}

static Node *product_of_others(Context *ctx, Node *x, int count, Node **directions)
{
    Product p = { ctx, count, x, directions, NULL }, flipped = p;
    flipped.x = axis_flip(ctx, x, -1);
    flipped.directions = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < count; k++)
        flipped.directions[k] = axis_flip(ctx, directions[k], -1);
    find_before(&p);
    find_before(&flipped);
    Node *sum = NULL;
    for (int set = 0, all = (1 << count) - 1; set <= all; set++) {
        Node *before = p.before[set], *behind = axis_flip(ctx, flipped.before[all & ~set], -1);
        Node *term = node_binary(ctx, OP_mul, before, behind);
        sum = node_plus(ctx, sum, all ? unless_zero(ctx, before, unless_zero(ctx, behind, term)) : term);
    }
    return sum;
}

/* A product of finite numbers is NaN only where it overflowed before it met a zero: it is 0. */
static Node *unless_overflown(Context *ctx, Node *line, Node *others)
{
    Node *zero = node_sum(ctx, node_binary(ctx, OP_sub, line, line), 1, (int[]){ line->type->rank - 1 }, true);
    return node_where(ctx, node_unary(ctx, OP_isnan, others), zero, others);
}

/* Everything gets the shape of the last direction, which has the most batch axes.  NULL: more directions than elements. */
static Node *product_slope(Context *ctx, Node *x, int count, Node *const *directions, int axis_count, const int64_t *axes)
{
    const Type *type = count ? directions[count - 1]->type : x->type;
    Node **operands = NEW_ARRAY(ctx->arena, Node *, count + 2), **lines = NEW_ARRAY(ctx->arena, Node *, count + 1);
    Node *narrow = without_batch(x), *line = as_line(ctx, narrow->type->rank < -axes[0] ? x : narrow, axis_count, axes);
    int own[RANK_MAX];
    if (count >= type_size(line->type, -1))
        return NULL;
    for (int k = 0; k < axis_count; k++)
        own[k] = (int)axes[k];
    operands[1] = node_expand(ctx, x, type);
    for (int k = 0; k < count; k++) {
        operands[2 + k] = node_expand(ctx, directions[k], type);
        lines[k] = as_line(ctx, operands[2 + k], axis_count, axes);
    }
    Node *others = product_of_others(ctx, line, count, lines);
    if (count == 0)
        others = unless_overflown(ctx, line, others);
    const Type *full = as_line(ctx, operands[1], axis_count, axes)->type;
    operands[0] = from_line(ctx, node_expand(ctx, others, full), type, axis_count, axes);
    return node_ruled(ctx, OP_product_slope, count + 2, operands, axis_count, own);
}

Node *product_slope_adjoint(Context *ctx, const Node *n, int operand, Node *g)
{
    Node **directions = NEW_ARRAY(ctx->arena, Node *, n->operand_count);
    int count = 0;
    for (int k = RULED_X + 1; k < n->operand_count; k++)
        if (k != operand)
            directions[count++] = n->operands[k];
    directions[count++] = g;
    return product_slope(ctx, n->operands[RULED_X], count, directions, n->attr_count, n->attr);
}

Node *product_adjoint(Context *ctx, const Node *n, Node *g, int batch)
{
    Node *others = product_slope(ctx, n->operands[0], 0, NULL, n->attr_count, n->attr);
    return node_binary(ctx, OP_mul, batch_keep(ctx, n, g, batch), others);
}

Node *product_tangent(Context *ctx, const Node *n, Node *dx)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes);
    Node *others = product_slope(ctx, n->operands[0], 0, NULL, n->attr_count, n->attr);
    return node_sum(ctx, node_binary(ctx, OP_mul, dx, others), count, axes, false);
}

Node *product_like_adjoint(Context *ctx, const Node *n, Node *g)
{
    return node_binary(ctx, OP_mul, g, product_slope(ctx, n->operands[RULED_X], 0, NULL, n->attr_count, n->attr));
}

Node *product_like_tangent(Context *ctx, const Node *n, Node *dx)
{
    int axes[RANK_MAX], count = reduced_axes(n, axes), rank = dx->type->rank;
    Node *others = product_slope(ctx, n->operands[RULED_X], 0, NULL, n->attr_count, n->attr);
    for (int k = 0; k < count; k++)
        axes[k] += rank;
    return node_sum(ctx, node_binary(ctx, OP_mul, dx, others), count, axes, true);
}

/* ---- running product --------------------------------------------------------------------------------------------- */
/* y_k is the product of x_0 .. x_k.  Its derivatives in directions are recurrences over its own: per set of directions
 * what has been taken up to k.  The adjoint meets what stands before an element with what comes back from behind it. */
typedef struct {
    Context *ctx;
    int axis, count;
    Node *x, *value, *const *directions;                    /* value: cumprod(x), or NULL */
} Running;

/* A factor 0 forgets what came before, even where that has overflown. */
static Node *recurrence_of(const Running *r, Node *a, Node *b)
{
    return node_recurrence(r->ctx, node_expand(r->ctx, a, b->type), b, r->axis, true);
}

/* Per set: up to each element, and strictly before it. */
static void run_forward(const Running *r, Node **upto, Node **before)
{
    Context *ctx = r->ctx;
    int64_t n = type_size(r->x->type, r->axis);
    Node *head = axis_slice(ctx, r->x, r->axis, 0, 1, 1), *one = node_fill(ctx, head->type, 1);
    upto[0] = r->value ? r->value : recurrence_of(r, r->x, axis_pad(ctx, head, r->axis, 0, n - 1));
    Node *parts[2] = { one, n == 1 ? NULL : axis_slice(ctx, upto[0], r->axis, 0, 1, n - 1) };
    before[0] = n == 1 ? one : node_concat(ctx, 2, parts, r->axis);
    for (int set = 1; set < 1 << r->count; set++) {
        upto[set] = recurrence_of(r, r->x, taken_here(ctx, r->count, r->directions, set, before));
        before[set] = shift_up(ctx, upto[set], r->axis);
    }
}

/* Per set: what the adjoint h brings back to each element. */
static void run_back(const Running *r, Node *h, Node **back)
{
    Context *ctx = r->ctx;
    Node *factors = shift_up(ctx, axis_flip(ctx, r->x, r->axis), r->axis);
    for (int set = 0; set < 1 << r->count; set++) {
        Node *in = axis_flip(ctx, set ? taken_here(ctx, r->count, r->directions, set, back) : h, r->axis);
        back[set] = axis_flip(ctx, recurrence_of(r, factors, set ? shift_up(ctx, in, r->axis) : in), r->axis);
    }
}

static Node *running_slope(const Running *r)
{
    Node **upto = NEW_ARRAY(r->ctx->arena, Node *, (int64_t)2 << r->count), **before = upto + (1 << r->count);
    run_forward(r, upto, before);
    return upto[(1 << r->count) - 1];
}

static Node *running_back(const Running *r, Node *h)
{
    Context *ctx = r->ctx;
    Node **upto = NEW_ARRAY(ctx->arena, Node *, (int64_t)3 << r->count), *sum = NULL;
    Node **before = upto + (1 << r->count), **back = before + (1 << r->count);
    run_forward(r, upto, before);
    run_back(r, h, back);
    for (int set = 0, all = (1 << r->count) - 1; set <= all; set++) {
        Node *left = before[set], *right = back[all & ~set], *term = node_binary(ctx, OP_mul, left, right);
        sum = node_plus(ctx, sum, unless_zero(ctx, left, unless_zero(ctx, right, term)));
    }
    return sum;
}

/* h (NULL: the slope itself) and directions; the one with most batch axes has the shape of the result. */
static Node *running(Context *ctx, const Node *n, Node *h, int count, Node *const *directions)
{
    int axis = (int)n->attr[0];
    Node *x = n->operands[RULED_X], *value = n->op == OP_cumprod_slope && n->operand_count == 2 ? n->operands[0] : NULL;
    const Type *type = h ? h->type : x->type;
    Node **operands = NEW_ARRAY(ctx->arena, Node *, count + 3), **spread = NEW_ARRAY(ctx->arena, Node *, count + 1);
    int at = 1;
    for (int k = 0; k < count; k++)
        type = directions[k]->type->rank > type->rank ? directions[k]->type : type;
    operands[at++] = node_expand(ctx, x, type);
    if (h)
        operands[at++] = h = node_expand(ctx, h, type);
    for (int k = 0; k < count; k++)
        operands[at++] = spread[k] = node_expand(ctx, directions[k], type);
    Running r = { ctx, axis, count, without_batch(x), value ? without_batch(value) : NULL, spread };
    if (r.x->type->rank < -axis)
        r.x = x;
    if (value && r.value->type != r.x->type)
        r.value = NULL;
    operands[0] = node_expand(ctx, h ? running_back(&r, h) : running_slope(&r), type);
    return node_ruled(ctx, h ? OP_cumprod_back : OP_cumprod_slope, at, operands, 1, &axis);
}

/* Its directions, with g in the place of one, or as one more when the operand is x; their count. */
static int directions_with(const Node *n, int operand, Node *g, Node **directions)
{
    int count = 0, first = n->op == OP_cumprod_back ? 3 : 2;
    for (int k = first; k < n->operand_count; k++)
        if (k != operand)
            directions[count++] = n->operands[k];
    if (g)
        directions[count++] = g;
    return count;
}

Node *cumprod_tangent(Context *ctx, const Node *n, int operand, Node *g)
{
    Node **directions = NEW_ARRAY(ctx->arena, Node *, n->operand_count);
    bool is_back = n->op == OP_cumprod_back, by_h = is_back && operand == 2;
    int count = directions_with(n, operand, by_h ? NULL : g, directions);
    return running(ctx, n, by_h ? g : is_back ? n->operands[2] : NULL, count, directions);
}

Node *cumprod_adjoint(Context *ctx, const Node *n, int operand, Node *g)
{
    Node **directions = NEW_ARRAY(ctx->arena, Node *, n->operand_count);
    if (n->op == OP_cumprod_back && operand != 2)
        return cumprod_tangent(ctx, n, operand, g);
    bool is_back = n->op == OP_cumprod_back;
    int count = directions_with(n, operand, is_back ? g : NULL, directions);
    return running(ctx, n, is_back ? NULL : g, count, directions);
}
