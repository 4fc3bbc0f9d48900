/* matmul.c: a contraction of two arrays as blocked loops: C[.., m, n] += A[m, k] * B[k, n] with batch labels and any
 * order of the axes.
 *
 * The innermost loop runs along rows of C and B with unit stride; several rows of C take several terms at a time, so
 * that each element of B that is loaded serves many sums, and each element of C is loaded and stored once for several
 * terms.  The elements of A are scalars, whatever their order in memory; an operand B with a stride is copied first.
 *
 * Both sizes were measured with gcc and clang at -O2 and -O3 -march=native against plain i-k-j loops, other sizes, and tiles of
 * C in local arrays.  In a large product of floats all scalars of a block are to fit into 16 registers with what they meet. */
#include "loop.h"

typedef struct { int rows, depth; } Blocking;

static const Blocking blocks = { 4, 4 }, float_blocks = { 4, 3 };

enum { WORTH = 512, WORTH_FLOAT = 1 << 15, WIDTH_MIN = 4 };

typedef enum { KIND_BATCH, KIND_M, KIND_N, KIND_K, KIND_NONE } Kind;

typedef struct {
    const Lowering *lower;
    const Node *node, *into;
    int label_count, a, b;                                  /* which operand is broadcast, which is read along rows */
    int64_t size[3 * RANK_MAX];
    Kind kind[3 * RANK_MAX];
    int64_t place[RANK_MAX], base;                          /* where the result's elements are along each of its axes */
    int row, block, depth;                                  /* the labels that are blocked: along n, m, k; -1: none */
} Shape;

/* ---- which contractions fit ------------------------------------------------------------------------------------ */
static int occurrences(const int64_t *labels, int rank, int label)
{
    int n = 0;
    for (int k = 0; k < rank; k++)
        n += labels[k] == label;
    return n;
}

static int in_operand(const Node *n, int operand, int label)
{
    int rank = operand < n->operand_count ? n->operands[operand]->type->rank : n->type->rank;
    return occurrences(einsum_labels(n, operand), rank, label);
}

static Kind kind_of(const Node *n, int a, int b, int label)
{
    int in_a = in_operand(n, a, label), in_b = in_operand(n, b, label), in_c = in_operand(n, 2, label);
    if (in_a > 1 || in_b > 1 || in_c > 1)
        return KIND_NONE;
    if (in_c)
        return in_a && in_b ? KIND_BATCH : in_a ? KIND_M : KIND_N;
    return in_a && in_b ? KIND_K : KIND_NONE;
}

static void find_places(Shape *s)
{
    const Type *t = s->node->type;
    int64_t stride = 1;
    for (int k = t->rank - 1; k >= 0; k--) {
        s->place[k] = stride;
        stride *= type_size(t, k);
    }
    if (s->into)
        window_places(s->into, s->place, &s->base);
}

static int64_t distance(const Shape *s, int label)
{
    const int64_t *out = einsum_labels(s->node, 2);
    int64_t sum = 0;
    for (int k = 0; k < s->node->type->rank; k++)
        sum += out[k] == label ? s->place[k] : 0;
    return sum;
}

/* The longest of the axes along which neighbours are closest: the last one, unless the result is scattered. */
static int find_row(const Shape *s)
{
    const int64_t *out = einsum_labels(s->node, 2);
    int row = (int)out[s->node->type->rank - 1];
    for (int k = 0; k < s->node->type->rank && s->into; k++) {
        int label = (int)out[k];
        int64_t near = distance(s, label), best = distance(s, row);
        if (s->size[label] > 1 && (s->size[row] == 1 || near < best || (near == best && s->size[label] > s->size[row])))
            row = label;
    }
    return row;
}

/* Rows of a block must not meet: scattered ones may. */
static bool rows_apart(const Shape *s, int label)
{
    return !s->into || distance(s, label) > distance(s, s->row) * (s->size[s->row] - 1);
}

static bool find_shape(const Lowering *lower, const Node *n, const Node *into, Shape *s)
{
    if (n->operand_count != 2 || n->type->rank == 0)
        return false;
    *s = (Shape){ .lower = lower, .node = n, .into = into, .block = -1, .depth = -1 };
    s->label_count = einsum_sizes(n, s->size);
    find_places(s);
    s->row = find_row(s);
    s->b = in_operand(n, 1, s->row) ? 1 : 0;
    s->a = 1 - s->b;
    for (int label = 0; label < s->label_count; label++) {
        s->kind[label] = kind_of(n, s->a, s->b, label);
        if (s->kind[label] == KIND_NONE)
            return false;
        if (s->kind[label] == KIND_M && rows_apart(s, label) && (s->block < 0 || s->size[label] >= s->size[s->block]))
            s->block = label;
        if (s->kind[label] == KIND_K && (s->depth < 0 || s->size[label] >= s->size[s->depth]))
            s->depth = label;
    }
    return s->kind[s->row] == KIND_N && s->depth >= 0;
}

/* A window is never copied: that would be as large as all windows together. */
static bool needs_copy(const Shape *s)
{
    const Node *x = s->node->operands[s->b];
    while (node_is_movement(x))
        x = x->operands[0];
    return einsum_stride(s->node, s->b, s->row) != 1 && !node_is_window(s->lower, x);
}

bool matmul_fits(const Lowering *lower, const Node *n, const Node *into)
{
    Shape s;
    if (!find_shape(lower, n, into, &s) || s.size[s.row] < WIDTH_MIN || n->type->count * einsum_contracted(n) < WORTH)
        return false;
    return !needs_copy(&s) || (s.block >= 0 && s.size[s.block] >= blocks.rows);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */
typedef struct {
    Lowering *lower;
    const Shape *shape;
    Buffer *out, *copy;                                     /* copy of B, rows together; NULL: none */
    bool keep_old;
    const Formula *at[3 * RANK_MAX];                        /* index per label */
    int depth;                                              /* of loops */
    Blocking blocking;
} Kernel;

static const Formula *read_operand(Kernel *k, int operand)
{
    const Formula *index[RANK_MAX];
    const Node *n = k->shape->node, *x = n->operands[operand];
    const int64_t *labels = einsum_labels(n, operand);
    for (int axis = 0; axis < x->type->rank; axis++)
        index[axis] = k->at[labels[axis]];
    return read_element(k->lower, x, index);
}

/* In the copy the row is last and the others keep their order. */
static const Formula *copy_index(const Kernel *k)
{
    const Shape *s = k->shape;
    const int64_t *labels = einsum_labels(s->node, s->b);
    const Formula *index = k->at[s->row];
    int64_t stride = s->size[s->row];
    for (int axis = s->node->operands[s->b]->type->rank - 1; axis >= 0; axis--) {
        if (labels[axis] == s->row)
            continue;
        index = index_add(k->lower, index, index_scale(k->lower, k->at[labels[axis]], stride));
        stride *= s->size[labels[axis]];
    }
    return index;
}

static const Formula *read_b(Kernel *k)
{
    return k->copy ? formula_load(k->lower, k->copy, copy_index(k)) : read_operand(k, k->shape->b);
}

static const Formula *out_index(const Kernel *k)
{
    const Shape *s = k->shape;
    const int64_t *labels = einsum_labels(s->node, 2);
    const Formula *index = formula_int(k->lower, s->base);
    for (int axis = 0; axis < s->node->type->rank; axis++)
        index = index_add(k->lower, index, index_scale(k->lower, k->at[labels[axis]], s->place[axis]));
    return index;
}

/* ---- loops ----------------------------------------------------------------------------------------------------- */
typedef void Inside(Kernel *, Block *, int rows, int depth);

/* A loop over a label in blocks, then what is left: `inside` gets how many there are in a block.  One trip needs no
 * loop. */
static void over(Kernel *k, Block *block, int label, int step, int64_t begin, int64_t end, int rows, int depth,
                 bool blocks_rows, Inside *inside)
{
    int64_t whole = begin + (end - begin) / step * step;
    for (int part = 0; part < 2; part++) {
        int64_t low = part ? whole : begin, high = part ? end : whole;
        int count = part ? (int)(end - whole) : step;
        if (low == high)
            continue;
        int in_rows = blocks_rows ? count : rows, in_depth = blocks_rows ? depth : count;
        if (high - low == count) {
            k->at[label] = formula_int(k->lower, low);
            inside(k, block, in_rows, in_depth);
            continue;
        }
        Stmt *loop = lower_loop(k->lower, loop_counted(k->lower, k->depth++, low, high, count));
        k->at[label] = formula_counter(k->lower, loop->loop);
        inside(k, &loop->body, in_rows, in_depth);
        block_push(k->lower, block, loop);
        k->depth--;
    }
}

/* All labels of a kind but one, a loop each. */
static void over_kind(Kernel *k, Block *block, Kind kind, int except, int label, Inside *inside, int rows)
{
    while (label < k->shape->label_count && (k->shape->kind[label] != kind || label == except))
        label++;
    if (label == k->shape->label_count) {
        inside(k, block, rows, 1);
        return;
    }
    Stmt *loop = NULL;
    Block *body = block;
    if (k->shape->size[label] == 1) {
        k->at[label] = formula_int(k->lower, 0);
    } else {
        loop = lower_loop(k->lower, loop_counted(k->lower, k->depth++, 0, k->shape->size[label], 1));
        k->at[label] = formula_counter(k->lower, loop->loop);
        body = &loop->body;
    }
    over_kind(k, body, kind, except, label + 1, inside, rows);
    if (loop) {
        block_push(k->lower, block, loop);
        k->depth--;
    }
}

/* The elements of a block are called x_00, x_01, .., and w_0, w_1, .. */
static void hint(Kernel *k, const Formula *f, int row, int column)
{
    if (f->kind != FORMULA_LOAD)
        return;
    const Node *n = f->buffer->node;
    const char *name = f->buffer->name ? f->buffer->name : n && n->origin.name ? n->origin.name : "t";
    Context *ctx = k->lower->ctx;
    formula_hint(k->lower, f, column < 0 ? str_format(ctx, "%.20s_%d", name, row)
                                         : str_format(ctx, "%.20s_%d%d", name, row, column));
}

/* One statement for every row of the block. */
typedef Stmt *For_row(Kernel *, int row, int depth);

static void for_rows(Kernel *k, Block *block, int rows, int depth, For_row *one)
{
    const Shape *s = k->shape;
    const Formula *m = s->block >= 0 ? k->at[s->block] : NULL;
    for (int r = 0; r < rows; r++) {
        if (m)
            k->at[s->block] = index_shift(k->lower, m, r);
        block_push(k->lower, block, one(k, r, depth));
    }
    if (m)
        k->at[s->block] = m;
}

static Stmt *add_products(Kernel *k, int row, int depth)
{
    Lowering *lower = k->lower;
    const Shape *s = k->shape;
    const Formula *sum = NULL, *d = k->at[s->depth];
    for (int q = 0; q < depth; q++) {
        k->at[s->depth] = index_shift(lower, d, q);
        const Formula *a = read_operand(k, s->a), *b = read_b(k), *product = formula_binary(lower, FORMULA_MUL, a, b);
        hint(k, a, row, q);
        hint(k, b, q, -1);
        sum = sum ? formula_binary(lower, FORMULA_ADD, sum, product) : product;
    }
    k->at[s->depth] = d;
    return lower_store(lower, k->out, out_index(k), COMBINE_ADD, sum);
}

static Stmt *clear(Kernel *k, int row, int depth)
{
    (void)row, (void)depth;
    return lower_store(k->lower, k->out, out_index(k), COMBINE_SET, formula_real(k->lower, 0));
}

/* A loop along the row from one column to another. */
static void along(Kernel *k, Block *block, int64_t from, int64_t count, int rows, int depth, For_row *one)
{
    const Formula *begin = formula_int(k->lower, from);
    if (count == 1) {
        k->at[k->shape->row] = begin;
        for_rows(k, block, rows, depth, one);
        return;
    }
    Stmt *loop = lower_loop(k->lower, loop_counted(k->lower, k->depth++, 0, count, 1));
    k->at[k->shape->row] = index_add(k->lower, begin, formula_counter(k->lower, loop->loop));
    for_rows(k, &loop->body, rows, depth, one);
    block_push(k->lower, block, loop);
    k->depth--;
}

/* A row in two loops where its length is odd for vectors: compilers want whole ones. */
static void along_row(Kernel *k, Block *block, int rows, int depth, For_row *one)
{
    int64_t size = k->shape->size[k->shape->row], lanes = k->lower->ctx->options.is_float ? 4 : 2;
    int64_t whole = size < lanes ? size : size / lanes * lanes;
    along(k, block, 0, whole, rows, depth, one);
    if (whole < size)
        along(k, block, whole, size - whole, rows, depth, one);
}

static void update_rows(Kernel *k, Block *block, int rows, int depth)
{
    along_row(k, block, rows, depth, add_products);
}

static void contract(Kernel *k, Block *block, int rows, int depth)
{
    (void)depth;
    over(k, block, k->shape->depth, k->blocking.depth, 0, k->shape->size[k->shape->depth], rows, 1, false, update_rows);
}

static void block_of_rows(Kernel *k, Block *block, int rows, int depth)
{
    (void)depth;
    if (!k->keep_old)
        along_row(k, block, rows, 1, clear);
    over_kind(k, block, KIND_K, k->shape->depth, 0, contract, rows);
}

static void all_rows(Kernel *k, Block *block, int rows, int depth)
{
    (void)rows;
    (void)depth;
    if (k->shape->block < 0)
        block_of_rows(k, block, 1, 1);
    else
        over(k, block, k->shape->block, k->blocking.rows, 0, k->shape->size[k->shape->block], 1, 1, true,
             block_of_rows);
}

static void other_rows(Kernel *k, Block *block, int rows, int depth)
{
    (void)depth;
    over_kind(k, block, KIND_M, k->shape->block, 0, all_rows, rows);
}

static void other_columns(Kernel *k, Block *block, int rows, int depth)
{
    (void)depth;
    over_kind(k, block, KIND_N, k->shape->row, 0, other_rows, rows);
}

/* ---- the copy of B --------------------------------------------------------------------------------------------- */
static void copy_b(Kernel *k)
{
    const Shape *s = k->shape;
    const Node *x = s->node->operands[s->b];
    const int64_t *labels = einsum_labels(s->node, s->b);
    Buffer *copy = lower_temp(k->lower, ELEM_REAL, x->type->count, x);
    Stmt *top = NULL, *inner = NULL;
    int depth = 0;
    for (int axis = 0; axis < x->type->rank; axis++) {
        k->at[labels[axis]] = formula_int(k->lower, 0);
        if (type_size(x->type, axis) == 1)
            continue;
        Stmt *loop = lower_loop(k->lower, loop_counted(k->lower, depth++, 0, type_size(x->type, axis), 1));
        k->at[labels[axis]] = formula_counter(k->lower, loop->loop);
        if (inner)
            block_push(k->lower, &inner->body, loop);
        else
            top = loop;
        inner = loop;
    }
    block_push(k->lower, &inner->body, lower_store(k->lower, copy, copy_index(k), COMBINE_SET, read_operand(k, s->b)));
    fuse_place(k->lower, top, s->node);
    k->copy = copy;
}

static Blocking choose_blocking(const Lowering *lower, const Shape *s)
{
    bool large = s->node->type->count * einsum_contracted(s->node) >= WORTH_FLOAT;
    return large && lower->ctx->options.is_float ? float_blocks : blocks;
}

void matmul_lower(Lowering *lower, const Node *n, const Node *into, Buffer *out, bool keep_old)
{
    Shape s;
    Block block = { { 0 } };
    if (!find_shape(lower, n, into, &s))
        internal_error(lower->ctx, "code generator: not a matrix product");
    Kernel k = { .lower = lower, .shape = &s, .out = out, .keep_old = keep_old,
                 .blocking = choose_blocking(lower, &s) };
    if (needs_copy(&s))
        copy_b(&k);
    over_kind(&k, &block, KIND_BATCH, -1, 0, other_columns, 1);
    for (int i = 0; i < block.list.count; i++) {
        block.list.at[i]->sealed = true;
        fuse_place(lower, block.list.at[i], n);
    }
}
