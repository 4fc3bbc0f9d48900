/* decide.c: how each node is computed: inlined where it is read, stored in a buffer, or taken apart into elements.
 *
 * A node is stored when it is a result, a reduction, or read more than once and dear; a small one whose readers all ask
 * for single elements becomes that many scalars.  Readers are decided before what they read (descending id), costs
 * are known before (ascending id). */
#include "loop.h"

enum {
    CHEAP = 4,                                              /* flops that may be computed again rather than stored */
    CHEAP_PLACE = 12,                                       /* the same for ints known beforehand: no tables of indices */
    DEPTH_MAX = 40,                                         /* of inlined nodes: bounds recursion and the length of a line */
    SMALL_SIZE = 4,                                         /* per axis of what may be taken apart */
    SMALL_CONTRACTION = 32, IRREGULAR_CONTRACTION = 64,     /* products in an unrolled contraction */
    CALL_COST = 50,                                         /* of a C function of the user's, which we do not know */
    MANY = 1000
};

/* ---- questions about a node ------------------------------------------------------------------------------------ */
bool node_is_movement(const Node *n)
{
    return n->op == OP_expand || n->op == OP_reshape || n->op == OP_permute || n->op == OP_slice;
}

const int64_t *einsum_labels(const Node *n, int operand)
{
    const int64_t *labels = n->attr;
    for (int k = 0; k < operand; k++)
        labels += n->operands[k]->type->rank;
    return labels;
}

int einsum_sizes(const Node *n, int64_t *sizes)
{
    int count = 0;
    for (int i = 0; i < n->operand_count; i++) {
        const int64_t *labels = einsum_labels(n, i);
        for (int k = 0; k < n->operands[i]->type->rank; k++) {
            sizes[labels[k]] = type_size(n->operands[i]->type, k);
            count = labels[k] >= count ? (int)labels[k] + 1 : count;
        }
    }
    return count;
}

int64_t einsum_contracted(const Node *n)
{
    int64_t sizes[3 * RANK_MAX], product = 1;
    int count = einsum_sizes(n, sizes);
    const int64_t *out = einsum_labels(n, n->operand_count);
    for (int label = 0; label < count; label++) {
        bool kept = false;
        for (int k = 0; k < n->type->rank; k++)
            kept |= out[k] == label;
        product *= kept ? 1 : sizes[label];
    }
    return product;
}

/* How far apart neighbours along a label are in an operand; 0: it does not have the label. */
int64_t einsum_stride(const Node *n, int operand, int label)
{
    const int64_t *labels = einsum_labels(n, operand);
    int64_t stride[RANK_MAX], sum = 0;
    view_strides(n->operands[operand], stride);
    for (int k = 0; k < n->operands[operand]->type->rank; k++)
        sum += labels[k] == label ? stride[k] : 0;
    return sum;
}

bool node_is_reduction(const Node *n)
{
    return n->op == OP_sum || n->op == OP_prod || n->op == OP_max_reduce || n->op == OP_max_first
        || n->op == OP_min_reduce;
}

/* Can be computed one element at a time without a loop. */
bool decide_is_pointwise(const Node *n)
{
    return node_is_pointwise(n) || node_is_movement(n) || n->op == OP_pad || n->op == OP_index
        || n->op == OP_iota || (n->op == OP_einsum && einsum_contracted(n) == 1);
}

static bool is_leaf(const Node *n) { return n->op == OP_param || n->op == OP_constant; }

static int own_cost(const NodeInfo *info)
{
    const Node *n = info->node;
    if (info->is_window)
        return 0;
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return kernel_cost(n->op);
    if (n->op == OP_call)
        return CALL_COST;
    return n->op == OP_pad || n->op == OP_index ? 2 : n->op == OP_einsum ? 1 : 0;
}

/* x <= 0 where relu(x) is <= 0: so that x itself need not be kept. */
const Node *decide_operand(const Lowering *lower, const Node *n, int k)
{
    const Node *x = n->operands[k], *relu = info_of(lower, x)->instead;
    return n->op == OP_le && k == 0 && relu && relu->id < n->id && node_is_zero(n->operands[1]) ? relu : x;
}

/* ---- costs, upwards -------------------------------------------------------------------------------------------- */
static void measure(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node;
    info->is_known = window_is_known(lower, n);
    info->is_window = node_is_window(lower, n);
    int cost = own_cost(info), depth = 1;
    info->irregular = n->type->count <= SMALL_COUNT && (n->type->rank < 2 || type_size(n->type, 0) <= SMALL_SIZE)
        && (n->op == OP_stack || n->op == OP_concat || n->op == OP_pad || (n->op == OP_constant && n->type->rank > 0));
    if (n->op == OP_relu && lower->ctx->options.level > 0)
        info_of(lower, n->operands[0])->instead = n;
    for (int k = 0; k < n->operand_count; k++) {
        NodeInfo *x = info_of(lower, decide_operand(lower, n, k));
        bool scalar = node_is_scalar(x->node) || (info->is_window && k > 0);    /* computed once, outside; or no cost */
        cost += scalar ? 0 : x->cost;
        depth = !scalar && x->depth >= depth ? x->depth + 1 : depth;
        info->irregular |= x->irregular && n->type->count <= SMALL_COUNT && (decide_is_pointwise(n) || n->op == OP_einsum);
        x->consumers++;
    }
    bool transparent = n->op == OP_expand || n->op == OP_reshape;       /* never stored, and never two in a row */
    depth -= transparent && depth > 1;
    info->wants_buffer = depth > DEPTH_MAX;
    bool stored = !decide_is_pointwise(n) || info->wants_buffer || info->result;
    info->cost = stored ? 0 : cost < MANY ? cost : MANY;
    info->depth = stored ? 0 : depth;
}

/* ---- small values ---------------------------------------------------------------------------------------------- */
static bool has_small_axes(const Type *t)
{
    bool small = t->count <= SMALL_COUNT;
    for (int k = 0; k < t->rank; k++)
        small &= type_size(t, k) <= SMALL_SIZE;
    return small;
}

/* Whether a reduction may be written out term by term. */
bool decide_unrolls(const NodeInfo *info)
{
    const Node *n = info->node;
    if (decide_is_pointwise(n) || n->op == OP_stack || n->op == OP_concat || is_leaf(n))
        return true;
    if (node_is_reduction(n))
        return n->operands[0]->type->count <= SMALL_COUNT
            && (info->irregular || has_small_axes(n->operands[0]->type));
    if (n->op == OP_einsum)
        return n->type->count * einsum_contracted(n) <= (info->irregular ? IRREGULAR_CONTRACTION : SMALL_CONTRACTION)
            && einsum_contracted(n) <= SMALL_COUNT;
    return n->op == OP_recurrence && n->type->count <= SMALL_SIZE;
}

static bool may_take_apart(const Lowering *lower, const NodeInfo *info)
{
    const Node *n = info->node;
    if (n->type->rank == 0)
        return decide_unrolls(info);
    if (lower->ctx->options.level == 0 || !decide_unrolls(info) || !info->only_elements || n->type->count > SMALL_COUNT)
        return false;
    if (info->irregular)
        return true;
    if (own_cost(info) >= 10 && n->type->count > SMALL_SIZE)
        return false;
    return has_small_axes(n->type) && (n->type->count <= SMALL_SIZE || info->consumers > 0);
}

/* ---- modes, downwards ------------------------------------------------------------------------------------------ */
/* The operands of a contraction are read many times each: what is not a plain read is stored first. */
static void want_plain(Lowering *lower, const Node *x)
{
    while ((node_is_movement(x) && x->op != OP_reshape) || info_of(lower, x)->is_window)
        x = x->operands[0];
    if (x->op == OP_reshape)
        x = x->operands[0];
    info_of(lower, x)->wants_buffer = true;
}

/* A row of an array that is chosen when the program runs. */
static bool is_row(const Node *n)
{
    bool row = n->op == OP_index && n->type->count > SMALL_COUNT;
    for (int k = 1; row && k < n->operand_count; k++)
        row = n->operands[k]->type->rank == 0;
    return row;
}

/* Is a slice one piece, in memory, of what it is of?  *first: where that begins. */
static bool is_piece(const Node *n, int64_t *first)
{
    const Type *t = n->operands[0]->type;
    int64_t stride = 1;
    bool whole = true;                                      /* all axes from here on */
    *first = 0;
    for (int k = t->rank - 1; k >= 0; k--) {
        int64_t count = type_size(n->type, k);
        if (count > 1 && (n->attr[t->rank + k] != 1 || !whole))
            return false;
        whole &= count == type_size(t, k);
        *first += n->attr[k] * stride;
        stride *= type_size(t, k);
    }
    return true;
}

Piece decide_piece(const Lowering *lower, const Node *n)
{
    Piece p = { n, NULL, 0 };
    for (;;) {
        int64_t first = 0;
        n = p.whole;
        bool row = !p.row && is_row(n), piece = row || n->op == OP_reshape || (n->op == OP_slice && is_piece(n, &first));
        if (!piece || info_of(lower, n)->mode != MODE_INLINE)
            return p;
        p.row = row ? n : p.row;
        p.offset += first;
        p.whole = n->operands[0];
    }
}

/* The body puts something into what it carries at an index that is found there. */
static bool is_written_at(const Node *loop, int carry)
{
    const Fn *body = loop->body[0];
    if (loop->op == OP_branch || carry < 0)
        return false;
    const Node *n = body->results.at[(loop->op == OP_while_loop) + carry].node;
    for (; n->op == OP_index_add || n->op == OP_index_set; n = n->operands[0])
        for (int k = 2; k < n->operand_count; k++)
            if (n->operands[k]->op != OP_constant)
                return true;
    return false;
}

/* Small tensors may go into a body element by element; others are read there at any index. */
static void decide_region(Lowering *lower, const Node *n)
{
    const int first = n->op == OP_branch ? 0 : region_leading_count(n) - (int)n->attr[1];
    for (int k = 0; k < n->operand_count; k++) {
        NodeInfo *x = info_of(lower, n->operands[k]);
        x->evaluations = x->evaluations + 1 < MANY ? x->evaluations + 1 : MANY;
        if (x->node->type->count <= SMALL_COUNT && !(k < region_leading_count(n) && is_written_at(n, k - first)))
            continue;
        x->only_elements = false;
        NodeInfo *whole = info_of(lower, decide_piece(lower, x->node).whole);
        if (k >= region_leading_count(n))
            whole->wants_buffer = true;
        whole->only_elements &= whole == x;
    }
}

static bool has_constant_indices(const Node *n)
{
    for (int k = 1; k < n->operand_count; k++)
        if (n->operands[k]->op != OP_constant)
            return false;
    return true;
}

/* A contraction that is only added to places of an array needs no place of its own: its terms are added there. */
static void decide_scatter(Lowering *lower, const Node *n)
{
    int64_t stride[RANK_MAX], base;
    NodeInfo *source = info_of(lower, n->operands[1]);
    const Node *x = source->node;
    bool sums = x->op == OP_einsum && x->operand_count == 2 && einsum_contracted(x) > 1;
    bool alone = source->consumers == 1 && !source->result && node_is_zero(n->operands[0]);
    if (sums && alone && lower->ctx->options.level > 0 && window_places(n, stride, &base))
        source->into = n;
}

static void decide_operands(Lowering *lower, NodeInfo *info)
{
    const Node *n = info->node;
    if (node_is_region(n)) {
        decide_region(lower, n);
        return;
    }
    bool elements = info->mode == MODE_ELEMENTS && (n->type->rank > 0 || decide_unrolls(info));
    int evaluations = info->mode == MODE_INLINE ? info->evaluations : 1;
    for (int k = 0; k < n->operand_count; k++) {
        NodeInfo *x = info_of(lower, decide_operand(lower, n, k));
        bool grows = n->op == OP_expand || (n->op == OP_index && k == 0);
        int times = evaluations * (grows && n->type->count > x->node->type->count ? 2 : 1);
        if (k > 0 && n->operands[k] == n->operands[k - 1])
            continue;
        x->evaluations = x->evaluations + times < MANY ? x->evaluations + times : MANY;
        x->only_elements &= elements && (n->op != OP_index || k > 0 || info->is_window || has_constant_indices(n));
    }
    if (n->op == OP_triangular_solve || n->op == OP_cholesky)
        want_plain(lower, n->operands[0]);
    if (n->op == OP_index_add)
        decide_scatter(lower, n);
    if (n->op == OP_einsum && !elements && einsum_contracted(n) > 1) {
        info->is_kernel = matmul_fits(lower, n, info->into);
        for (int k = 0; k < n->operand_count; k++)
            if (info->is_kernel || n->type->count * einsum_contracted(n) > n->operands[k]->type->count)
                want_plain(lower, n->operands[k]);
    }
}

static Mode choose_mode(const Lowering *lower, const NodeInfo *info)
{
    const Node *n = info->node;
    if (node_is_region(n))
        return MODE_REGION;
    if (n->type->rank == 0)
        return MODE_ELEMENTS;
    if (is_leaf(n))
        return MODE_BUFFER;
    if (info->into)
        return MODE_INLINE;
    if (n->op == OP_result)
        return n->type->count <= SMALL_COUNT && info->only_elements && !info->result ? MODE_ELEMENTS : MODE_BUFFER;
    if (may_take_apart(lower, info))
        return MODE_ELEMENTS;
    if (info->result || !decide_is_pointwise(n))
        return MODE_BUFFER;
    if (n->op == OP_iota || n->op == OP_expand || n->op == OP_reshape)
        return MODE_INLINE;
    if (info->wants_buffer)
        return MODE_BUFFER;
    if (info->is_window || (info->is_known && info->cost <= CHEAP_PLACE && n->type->elem != ELEM_REAL))
        return MODE_INLINE;
    if (lower->ctx->options.level == 0)
        return node_is_movement(n) ? MODE_INLINE : MODE_BUFFER;
    if (info->only_elements)
        return MODE_INLINE;
    return info->evaluations > 1 && info->cost > CHEAP ? MODE_BUFFER : MODE_INLINE;
}

void decide_modes(Lowering *lower)
{
    for (int k = 0; k < lower->info_count; k++)
        measure(lower, &lower->infos[k]);
    for (int k = lower->info_count - 1; k >= 0; k--) {
        NodeInfo *info = &lower->infos[k];
        info->mode = choose_mode(lower, info);
        decide_operands(lower, info);
    }
}
