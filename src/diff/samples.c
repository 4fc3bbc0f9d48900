/* samples.c: the uses of ops that the self-test differentiates: ranks 0 to 3, axes of size 1, repeats.  Elementwise ops
 * need one only where an operand belongs to another. */
#include "samples.h"

#define SCALAR { 0, { 0 } }
#define SHAPE1(a) { 1, { a } }
#define SHAPE2(a, b) { 2, { a, b } }
#define SHAPE3(a, b, c) { 3, { a, b, c } }
#define ONE(x) 1, { x }
#define TWO(x, w) 2, { x, w }
#define ATTR(count, ...) count, { __VA_ARGS__ }, NULL
#define NO_ATTR 0, { 0 }, NULL
#define EINSUM(text) 0, { 0 }, text
#define TEXT(text) 0, { 0 }, text

const Sample samples[] = {
    /* the new shape */
    { OP_expand, ONE(SCALAR), ATTR(1, 3) },
    { OP_expand, ONE(SCALAR), ATTR(2, 1, 1) },
    { OP_expand, ONE(SHAPE1(3)), ATTR(2, 2, 3) },
    { OP_expand, ONE(SHAPE2(2, 1)), ATTR(3, 3, 2, 2) },
    { OP_expand, ONE(SHAPE3(1, 3, 1)), ATTR(3, 2, 3, 2) },
    { OP_reshape, ONE(SHAPE2(2, 3)), ATTR(2, 3, 2) },
    { OP_reshape, ONE(SHAPE1(1)), ATTR(0, 0) },
    { OP_reshape, ONE(SCALAR), ATTR(2, 1, 1) },
    { OP_reshape, ONE(SHAPE3(2, 1, 3)), ATTR(1, 6) },
    /* the permutation */
    { OP_permute, ONE(SHAPE2(2, 3)), ATTR(2, 1, 0) },
    { OP_permute, ONE(SHAPE3(2, 3, 2)), ATTR(3, 1, 2, 0) },
    { OP_permute, ONE(SHAPE3(2, 1, 3)), ATTR(3, 2, 0, 1) },
    /* start, step and count per axis */
    { OP_slice, ONE(SHAPE1(5)), ATTR(3, 1, 2, 2) },
    { OP_slice, ONE(SHAPE1(5)), ATTR(3, 4, -2, 2) },
    { OP_slice, ONE(SHAPE1(4)), ATTR(3, 3, -1, 4) },
    { OP_slice, ONE(SHAPE2(4, 3)), ATTR(6, 3, 1, -1, 1, 3, 2) },
    { OP_slice, ONE(SHAPE3(2, 1, 3)), ATTR(9, 1, 0, 2, 1, 1, -1, 1, 1, 2) },
    /* low, high and interior per axis */
    { OP_pad, ONE(SHAPE1(3)), ATTR(3, 1, 2, 0) },
    { OP_pad, ONE(SHAPE1(3)), ATTR(3, 0, 1, 2) },
    { OP_pad, ONE(SHAPE2(2, 3)), ATTR(6, 1, 0, 0, 2, 1, 1) },
    { OP_pad, ONE(SHAPE2(1, 2)), ATTR(6, 2, 0, 0, 0, 0, 3) },
    /* the axis */
    { OP_concat, TWO(SHAPE1(2), SHAPE1(3)), ATTR(1, 0) },
    { OP_concat, TWO(SHAPE2(2, 1), SHAPE2(2, 3)), ATTR(1, -1) },
    { OP_concat, 3, { SHAPE2(1, 2), SHAPE2(2, 2), SHAPE2(1, 2) }, ATTR(1, -2) },
    { OP_stack, TWO(SCALAR, SCALAR), NO_ATTR },
    { OP_stack, 3, { SHAPE2(2, 3), SHAPE2(2, 3), SHAPE2(2, 3) }, NO_ATTR },
    /* the axes */
    { OP_sum, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_sum, ONE(SHAPE2(2, 3)), ATTR(1, 0) },
    { OP_sum, ONE(SHAPE3(2, 3, 2)), ATTR(2, 0, 2) },
    { OP_sum, ONE(SHAPE3(2, 1, 3)), ATTR(2, 1, 2) },
    { OP_einsum, TWO(SHAPE2(2, 3), SHAPE2(3, 2)), EINSUM("ij,jk->ik") },
    { OP_einsum, TWO(SHAPE1(3), SHAPE1(3)), EINSUM("i,i->") },
    { OP_einsum, TWO(SHAPE1(2), SHAPE1(3)), EINSUM("i,j->ji") },
    { OP_einsum, TWO(SHAPE2(2, 3), SHAPE1(3)), EINSUM("ij,j->") },
    { OP_einsum, TWO(SHAPE2(2, 3), SHAPE2(2, 3)), EINSUM("ij,ij->j") },
    { OP_einsum, TWO(SHAPE3(2, 2, 3), SHAPE3(2, 3, 1)), EINSUM("bij,bjk->bik") },
    { OP_einsum, TWO(SHAPE3(2, 2, 3), SHAPE1(3)), EINSUM("iij,j->i") },
    { OP_einsum, TWO(SHAPE2(2, 3), SHAPE1(4)), EINSUM("ij,k->i") },
    { OP_einsum, TWO(SCALAR, SHAPE2(2, 2)), EINSUM(",ii->i") },
    { OP_einsum, ONE(SHAPE2(3, 3)), EINSUM("ii->i") },
    { OP_einsum, ONE(SHAPE2(3, 3)), EINSUM("ii->") },
    { OP_einsum, ONE(SHAPE1(3)), EINSUM("i->ii") },
    { OP_einsum, ONE(SHAPE3(2, 3, 2)), EINSUM("iji->ij") },
    { OP_einsum, TWO(SHAPE1(3), SHAPE1(3)), EINSUM("i,i->ii") },
    /* how many axes are indexed, then that many lists of three indices, some of them twice */
    { OP_index, ONE(SHAPE1(4)), ATTR(4, 1, 2, 0, 2) },
    { OP_index, ONE(SHAPE2(3, 2)), ATTR(4, 1, 1, 1, 0) },
    { OP_index, ONE(SHAPE3(2, 3, 2)), ATTR(7, 2, 1, 0, 1, 2, 0, 2) },
    { OP_index_add, TWO(SHAPE1(4), SHAPE1(3)), ATTR(4, 1, 2, 0, 2) },
    { OP_index_add, TWO(SHAPE3(2, 3, 2), SHAPE2(3, 2)), ATTR(7, 2, 1, 0, 1, 2, 0, 2) },
    { OP_index_set, TWO(SHAPE1(4), SHAPE1(3)), ATTR(4, 1, 2, 0, 2) },
    { OP_index_set, TWO(SHAPE2(3, 2), SHAPE2(3, 2)), ATTR(4, 1, 1, 1, 0) },
    { OP_index_set, TWO(SHAPE3(2, 3, 2), SHAPE2(3, 2)), ATTR(7, 2, 1, 0, 1, 2, 0, 2) },
    /* the axis */
    { OP_recurrence, TWO(SHAPE1(4), SHAPE1(4)), ATTR(2, 0, 0) },
    { OP_recurrence, TWO(SHAPE1(1), SHAPE1(1)), ATTR(2, 0, 0) },
    { OP_recurrence, TWO(SHAPE2(3, 2), SHAPE2(3, 2)), ATTR(2, 0, 1) },
    { OP_recurrence, TWO(SHAPE3(2, 3, 2), SHAPE3(2, 3, 2)), ATTR(2, 1, 0) },
    /* the axes */
    { OP_prod, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_prod, ONE(SHAPE2(2, 3)), ATTR(1, 0) },
    { OP_prod, ONE(SHAPE2(2, 3)), ATTR(2, 0, 1) },
    { OP_prod, ONE(SHAPE3(2, 1, 3)), ATTR(2, 0, 1) },
    { OP_prod, ONE(SHAPE3(2, 3, 2)), ATTR(1, 0) },
    { OP_max_reduce, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_max_reduce, ONE(SHAPE2(2, 3)), ATTR(1, 1) },
    { OP_max_reduce, ONE(SHAPE3(2, 2, 2)), ATTR(2, 0, 2) },
    { OP_max_first, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_max_first, ONE(SHAPE3(2, 2, 2)), ATTR(2, 0, 2) },
    { OP_min_reduce, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_min_reduce, ONE(SHAPE2(2, 3)), ATTR(1, 0) },
    { OP_min_reduce, ONE(SHAPE3(2, 2, 2)), ATTR(2, 1, 2) },
    /* matrices.  The first operand has 3 added along its diagonal, or the other one where rows are exchanged */
    { OP_solve, TWO(SHAPE2(3, 3), SHAPE2(3, 2)), NO_ATTR },
    { OP_solve, TWO(SHAPE2(1, 1), SHAPE2(1, 2)), NO_ATTR },
    { OP_solve, TWO(SHAPE3(2, 2, 2), SHAPE3(2, 2, 1)), NO_ATTR },
    { OP_solve, TWO(SHAPE2(2, 2), SHAPE3(2, 2, 2)), NO_ATTR },
    { OP_inverse, ONE(SHAPE2(3, 3)), NO_ATTR },
    { OP_inverse, ONE(SHAPE3(2, 2, 2)), NO_ATTR },
    { OP_det, ONE(SHAPE2(1, 1)), NO_ATTR },
    { OP_det, ONE(SHAPE2(3, 3)), NO_ATTR },
    { OP_det, ONE(SHAPE3(2, 2, 2)), NO_ATTR },
    { OP_logdet, ONE(SHAPE2(3, 3)), NO_ATTR },
    { OP_logdet, ONE(SHAPE3(2, 2, 2)), NO_ATTR },
    { OP_cholesky, ONE(SHAPE2(3, 3)), NO_ATTR },
    { OP_cholesky, ONE(SHAPE3(2, 2, 2)), NO_ATTR },
    { OP_det_cofactors, ONE(SHAPE2(3, 3)), NO_ATTR },
    { OP_det_cofactors, TWO(SHAPE2(4, 4), SHAPE2(4, 4)), NO_ATTR },
    { OP_det_cofactors, TWO(SHAPE3(2, 2, 2), SHAPE3(2, 2, 2)), NO_ATTR },
    /* lower, transpose, unit */
    { OP_triangular_solve, TWO(SHAPE2(3, 3), SHAPE2(3, 2)), ATTR(3, 1, 0, 0) },
    { OP_triangular_solve, TWO(SHAPE2(3, 3), SHAPE2(3, 1)), ATTR(3, 1, 1, 1) },
    { OP_triangular_solve, TWO(SHAPE2(3, 3), SHAPE2(3, 1)), ATTR(3, 0, 0, 1) },
    { OP_triangular_solve, TWO(SHAPE3(2, 2, 2), SHAPE3(2, 2, 2)), ATTR(3, 0, 1, 0) },
    { OP_product_slope, ONE(SHAPE1(4)), ATTR(1, 0) },
    { OP_product_slope, ONE(SHAPE3(2, 2, 3)), ATTR(2, 0, 2) },
    { OP_product_slope, ONE(SHAPE2(1, 2)), ATTR(2, 0, 1) },
    { OP_cumprod_slope, ONE(SHAPE1(4)), TEXT("cumprod(x)") },
    { OP_cumprod_slope, ONE(SHAPE2(3, 2)), TEXT("cumprod(x, axis: 0)") },
    { OP_cumprod_slope, ONE(SHAPE1(1)), TEXT("cumprod(x)") },
    { OP_cumprod_back, TWO(SHAPE1(4), SHAPE1(4)), ATTR(1, -1) },
    { OP_cumprod_back, TWO(SHAPE2(3, 2), SHAPE2(3, 2)), ATTR(1, -2) },
    /* over the last axis, with a text of the prelude */
    { OP_tanh_slope, ONE(SHAPE1(4)), TEXT("tanh_slope(2 * x, tanh(2 * x))") },
    { OP_with_slope, ONE(SHAPE1(4)), TEXT("logsumexp(x, axis: -1)") },
    { OP_with_slope, ONE(SHAPE2(2, 3)), TEXT("logsumexp(x, axis: 0)") },
    { OP_with_slope, ONE(SHAPE2(2, 3)), TEXT("cross_entropy(x, [2, 0], reduction: sum)") },
    { OP_product_like, ONE(SHAPE1(4)), TEXT("prod(x)") },
    { OP_product_like, ONE(SHAPE3(2, 1, 3)), TEXT("prod(x, axis: (0, 2))") },
    { OP_centred_like, ONE(SHAPE1(3)), TEXT("var(x)") },
    { OP_centred_like, ONE(SHAPE2(2, 3)), TEXT("layer_norm(x, axis: 0)") },
    { OP_centred_like, ONE(SHAPE3(2, 1, 3)), TEXT("std(x, axis: (0, 2))") },
    { OP_softmax_like, ONE(SHAPE1(3)), TEXT("softmax(x)") },
    { OP_softmax_like, ONE(SHAPE2(2, 3)), TEXT("softmax(5 * x, axis: 0)") },
    { OP_log_softmax_like, ONE(SHAPE1(3)), TEXT("log_softmax(x)") },
    { OP_log_softmax_like, ONE(SHAPE2(2, 3)), TEXT("log_softmax(5 * x, axis: 0)") },
    { OP_softmax_slope, TWO(SHAPE1(3), SHAPE1(3)), TEXT("_softmax_slope(x, softmax(x), w)") },
    { OP_softmax_slope, TWO(SHAPE1(3), SHAPE2(2, 3)), TEXT("_softmax_slope(5 * x, softmax(5 * x), w)") },
    { OP_softmax_centred, TWO(SHAPE1(3), SHAPE1(3)), TEXT("_softmax_centred(x, softmax(x), w)") },
    { OP_softmax_centred, TWO(SHAPE1(3), SHAPE2(2, 3)), TEXT("_softmax_centred(5 * x, softmax(5 * x), w)") },
    { OP_softmax_uncentred, TWO(SHAPE1(3), SHAPE1(3)), TEXT("_softmax_uncentred(x, softmax(x), w)") },
    { OP_softmax_uncentred, TWO(SHAPE1(3), SHAPE2(2, 3)), TEXT("_softmax_uncentred(5 * x, softmax(5 * x), w)") },
    { OP_with_slope, ONE(SHAPE1(3)), TEXT("norm(x + 1)") },
    { OP_direction_like, ONE(SHAPE1(3)), TEXT("_direction(x + 1)") },
    { OP_direction_like, ONE(SHAPE2(3, 2)), TEXT("_direction([[5.0], [1.5], [1.5]] + x, axis: 0)") },
    { OP_power_direction_like, ONE(SHAPE1(3)), TEXT("norm(x + 2, p: 3)") },
    { OP_power_direction_like, ONE(SHAPE2(2, 3)), TEXT("norm(x + [5, 1.5, -1.5], p: 2.5, axis: 1)") },
    { OP_norm_curvature, TWO(SHAPE1(3), SHAPE1(3)),
      TEXT("_norm_curvature(x + 1, _direction(x + 1), norm(x + 1, keepdim: true), w)") },
    { OP_norm_curvature, TWO(SHAPE1(3), SHAPE2(2, 3)),
      TEXT("_norm_curvature(x + [5, 1, 1], _direction(x + [5, 1, 1]), norm(x + [5, 1, 1], keepdim: true), w, axis: -1)") },
};

const int sample_count = (int)(sizeof samples / sizeof *samples);

/* ---- building -------------------------------------------------------------------------------------------------- */
static Node *build_einsum(Context *ctx, const Sample *s, Node *const *xs)
{
    int labels[3][RANK_MAX], counts[3] = { 0 }, part = 0;
    for (const char *c = s->equation; *c; c++) {
        if (*c == ',' || *c == '-')
            part++;
        else if (*c != '>')
            labels[part][counts[part]++] = *c;
    }
    const int *operands[2] = { labels[0], labels[1] };
    return node_einsum(ctx, s->operand_count, xs, operands, counts[part], labels[part]);
}

static Node *build_indexed(Context *ctx, const Sample *s, Node *const *xs)
{
    enum { PLACES = 3 };
    Node *indices[RANK_MAX];
    int64_t places = PLACES;
    const Type *type = type_sized(ctx, ELEM_INT, 1, &places);
    int count = (int)s->attr[0];
    for (int k = 0; k < count; k++) {
        double at[PLACES];
        for (int i = 0; i < PLACES; i++)
            at[i] = (double)s->attr[1 + PLACES * k + i];
        indices[k] = node_constant(ctx, type, at);
    }
    if (s->op == OP_index)
        return node_index(ctx, xs[0], count, indices);
    return s->op == OP_index_add ? node_index_add(ctx, xs[0], count, indices, xs[1])
                                 : node_index_set(ctx, xs[0], count, indices, xs[1]);
}

/* Far from singular: 3 along the diagonal from the upper left, or from the upper right so that rows are exchanged. */
static Node *away_from_singular(Context *ctx, const Sample *s, Node *x)
{
    bool other = s->op == OP_solve || s->op == OP_inverse || s->op == OP_det;
    int64_t n = type_size(x->type, -1);
    ArenaMark mark = arena_mark(ctx->scratch);
    double *shift = NEW_ARRAY(ctx->scratch, double, n * n);
    for (int64_t k = 0; k < n; k++)
        shift[k * n + (other ? n - 1 - k : k)] = 3;
    Node *diagonal = node_constant(ctx, type_sized(ctx, ELEM_REAL, 2, (int64_t[]){ n, n }), shift);
    arena_release(ctx->scratch, mark);
    return node_binary(ctx, OP_add, x, diagonal);
}

static Node *build_matrix(Context *ctx, const Sample *s, Node *const *xs)
{
    Node *a = away_from_singular(ctx, s, xs[0]);
    if (s->op == OP_solve)
        return node_solve(ctx, a, xs[1]);
    if (s->op == OP_triangular_solve)
        return node_triangular_solve(ctx, a, xs[1], s->attr[0], s->attr[1], s->attr[2]);
    if (s->op == OP_det_cofactors)
        return node_det_cofactors(ctx, a, s->operand_count - 1, xs + 1);
    return node_matrix(ctx, s->op, a);
}

static Node *build_product_slope(Context *ctx, const Sample *s, Node *x)
{
    int axes[RANK_MAX];
    for (int k = 0; k < s->attr_count; k++)
        axes[k] = (int)s->attr[k];
    Node *product = node_reduce(ctx, OP_prod, x, s->attr_count, axes, false);
    return product_adjoint(ctx, product, node_fill(ctx, product->type, 1), 0);
}

Node *sample_build(Context *ctx, const Sample *s, Node *const *xs)
{
    const int64_t *attr = s->attr;
    int rank = xs[0]->type->rank, axes[RANK_MAX];
    for (int k = 0; k < s->attr_count; k++)
        axes[k] = (int)attr[k];
    switch (s->op) {
    case OP_expand: return node_expand(ctx, xs[0], type_sized(ctx, ELEM_REAL, s->attr_count, attr));
    case OP_reshape: return node_reshape(ctx, xs[0], type_sized(ctx, ELEM_REAL, s->attr_count, attr));
    case OP_permute: return node_permute(ctx, xs[0], axes);
    case OP_slice: return node_slice(ctx, xs[0], attr, attr + rank, attr + 2 * rank);
    case OP_pad: return node_pad(ctx, xs[0], attr, attr + rank, attr + 2 * rank);
    case OP_concat: return node_concat(ctx, s->operand_count, xs, axes[0]);
    case OP_stack: return node_stack(ctx, s->operand_count, xs);
    case OP_einsum: return build_einsum(ctx, s, xs);
    case OP_index: case OP_index_add: case OP_index_set: return build_indexed(ctx, s, xs);
    case OP_recurrence: return node_recurrence(ctx, xs[0], xs[1], axes[0], axes[1]);
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce:
        return node_reduce(ctx, s->op, xs[0], s->attr_count, axes, false);
    case OP_solve: case OP_inverse: case OP_det: case OP_logdet: case OP_cholesky: case OP_triangular_solve:
    case OP_det_cofactors: return build_matrix(ctx, s, xs);
    case OP_product_slope: return build_product_slope(ctx, s, xs[0]);
    case OP_cumprod_back:
        return cumprod_adjoint(ctx, prelude_apply(ctx, str_format(ctx, "cumprod(x, axis: %d)", axes[0]), 1, xs), RULED_X,
                               xs[1]);
    default: break;
    }
    if (op_info[s->op].class == CLASS_RULED || op_info[s->op].class == CLASS_ELEMENTWISE)
        return prelude_apply(ctx, s->equation, s->operand_count, xs);
    internal_error(ctx, "self-test: no sample of %s can be built", op_info[s->op].name);
}

Str sample_text(Context *ctx, const Sample *s)
{
    Text text = { .arena = ctx->arena };
    for (int k = 0; k < s->operand_count; k++) {
        text_put(&text, k ? ", [" : " [");
        for (int a = 0; a < s->shape[k].rank; a++)
            text_printf(&text, "%s%lld", a ? ", " : "", (long long)s->shape[k].size[a]);
        text_put(&text, "]");
    }
    if (s->equation)
        text_printf(&text, " %s", s->equation);
    for (int k = 0; k < s->attr_count; k++)
        text_printf(&text, "%s%lld", k ? " " : " (", (long long)s->attr[k]);
    text_put(&text, s->attr_count ? ")" : "");
    return str_intern(ctx, text.text);
}
