/* print_expression.c: the text of one node over names.  The front end builds the same node from it: broadcasting is
 * left out exactly where the front end puts it back, and every other operand is as it stands in the graph. */
#include "print.h"

#include <math.h>

/* ---- operands ---------------------------------------------------------------------------------------------------- */
const Node *print_resolve(const Printer *p, const Node *n)
{
    while ((n->op == OP_bind && !p->differentiated[n->id]) || node_is_ruled(n))
        n = n->operands[0];
    return n;
}

/* `a = x + w;` makes a new binding, `a = n1;` would not.  So a bind shows its operand's op, and a bare name as `+x`. */
const Node *print_shown(const Printer *p, const Node *line)
{
    if (line->op != OP_bind)
        return line;
    const Node *x = print_resolve(p, line->operands[0]);
    return x->op == OP_param || x->op == OP_bind ? line : x;
}

/* A call stands for the value that it was expanded to. */
int print_first_operand(const Node *shown) { return shown->op == OP_override; }

bool print_is_inline(const Node *n)
{
    return n->op == OP_constant && n->type->rank == 0;
}

bool print_needs_name(const Node *n, int k)
{
    bool is_matrix = n->op == OP_jacobian || n->op == OP_hessian;
    bool is_of = n->op == OP_grad ? k < n->attr[0] : (n->op == OP_jvp || n->op == OP_hvp || is_matrix) && k == 0;
    return is_of || node_is_by(n, k);
}

/* Axis k, counted from 1 at the end, is as long in some operand as in the result. */
static bool axis_is_covered(const Type *result, int count, const Type *const *shapes, int k)
{
    for (int i = 0; i < count; i++)
        if (k <= shapes[i]->rank && type_size(shapes[i], -k) == type_size(result, -k))
            return true;
    return false;
}

static bool broadcast_is_whole(const Type *result, int count, const Type *const *shapes)
{
    for (int k = 1; k <= result->rank; k++)
        if (!axis_is_covered(result, count, shapes, k))
            return false;
    return true;
}

/* Operands are taken from under their expand, from left to right, as long as broadcasting gives the whole shape. */
static void find_broadcasts(const Printer *p, const Node *shown, const Node **operands)
{
    const Type *shapes[3];
    for (int k = 0; k < shown->operand_count; k++) {
        operands[k] = print_resolve(p, shown->operands[k]);
        shapes[k] = operands[k]->type;
    }
    for (int k = 0; k < shown->operand_count; k++) {
        if (operands[k]->op != OP_expand)
            continue;
        const Node *inner = print_resolve(p, operands[k]->operands[0]);
        shapes[k] = inner->type;
        if (broadcast_is_whole(shown->type, shown->operand_count, shapes))
            operands[k] = inner;
        else
            shapes[k] = operands[k]->type;
    }
}

const Node *print_operand(const Printer *p, const Node *shown, int k)
{
    const Node *operands[3];
    if (op_info[shown->op].class != CLASS_ELEMENTWISE)
        return print_resolve(p, shown->operands[k]);
    find_broadcasts(p, shown, operands);
    return operands[k];
}

/* ---- constants --------------------------------------------------------------------------------------------------- */
static void put_number(Printer *p, Elem elem, double value)
{
    if (elem == ELEM_BOOL)
        text_put(p->out, value != 0 ? "true" : "false");
    else if (elem == ELEM_INT)
        text_printf(p->out, "%.0f", value);
    else if (isnan(value))
        text_put(p->out, "nan");
    else
        text_real(p->out, value, p->ctx->options.is_float);
}

/* Nested lists: a bracket opens before, and closes after, every whole row of every rank. */
static void put_tensor(Printer *p, const Node *n)
{
    const Type *t = n->type;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t row = 1;
        text_put(p->out, i ? ", " : "");
        for (int k = 1; k <= t->rank; k++)
            if (i % (row *= type_size(t, -k)) == 0)
                text_char(p->out, '[');
        put_number(p, t->elem, n->data[i]);
        row = 1;
        for (int k = 1; k <= t->rank; k++)
            if ((i + 1) % (row *= type_size(t, -k)) == 0)
                text_char(p->out, ']');
    }
}

void print_reference(Printer *p, const Node *n, bool in_infix)
{
    bool is_negative = print_is_inline(n) && signbit(n->data[0]) && !isnan(n->data[0]);
    if (p->name[n->id])
        text_put(p->out, p->name[n->id]);
    else if (!print_is_inline(n))
        internal_error(p->ctx, "the printer has no name for node %d, %s", n->id, op_info[n->op].name);
    else {
        text_put(p->out, is_negative && in_infix ? "(" : "");
        put_number(p, n->type->elem, n->data[0]);
        text_put(p->out, is_negative && in_infix ? ")" : "");
    }
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */
static void put_operand(Printer *p, const Node *shown, int k)
{
    print_reference(p, print_operand(p, shown, k), false);
}

/* Operands first .. last-1, with commas between. */
static void put_operands(Printer *p, const Node *shown, int first, int last)
{
    for (int k = first; k < last; k++) {
        text_put(p->out, k > first ? ", " : "");
        put_operand(p, shown, k);
    }
}

/* One value, or a tuple of several. */
static void put_group(Printer *p, const Node *shown, int first, int last)
{
    text_put(p->out, last - first > 1 ? "(" : "");
    put_operands(p, shown, first, last);
    text_put(p->out, last - first > 1 ? ")" : "");
}

static void put_integers(Printer *p, int count, const int64_t *values)
{
    text_char(p->out, '(');
    for (int k = 0; k < count; k++)
        text_printf(p->out, "%s%lld", k ? ", " : "", (long long)values[k]);
    text_put(p->out, count == 1 ? ",)" : ")");
}

static void put_shape(Printer *p, const Type *t)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < t->rank; k++)
        sizes[k] = type_size(t, k);
    put_integers(p, t->rank, sizes);
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */
/* max and min of a number as written are a clamp; of a computed constant they are the elementwise op. */
static void put_choice(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", op_info[n->op].name);
    for (int k = 0; k < 2; k++) {
        bool is_number = print_is_inline(print_operand(p, n, k)) && n->type->elem == ELEM_REAL;
        text_put(p->out, k ? ", " : "");
        text_put(p->out, is_number ? "real(" : "");
        put_operand(p, n, k);
        text_put(p->out, is_number ? ")" : "");
    }
    text_char(p->out, ')');
}

static void put_elementwise(Printer *p, const Node *n)
{
    const char *infix = op_info[n->op].infix;
    const Node *operands[3];
    find_broadcasts(p, n, operands);
    if (infix && n->operand_count == 2) {
        print_reference(p, operands[0], true);
        text_printf(p->out, " %s ", infix);
        print_reference(p, operands[1], true);
    } else if (infix) {
        text_printf(p->out, "%s%s", infix, n->op == OP_not ? " " : "");
        print_reference(p, operands[0], true);
    } else if (n->op == OP_max || n->op == OP_min) {
        put_choice(p, n);
    } else {
        text_printf(p->out, "%s(", op_info[n->op].name);
        put_operands(p, n, 0, n->operand_count);
        text_char(p->out, ')');
    }
}

static bool swaps_last_axes(const Node *n)
{
    int rank = n->type->rank;
    for (int k = 0; k < rank; k++)
        if (n->attr[k] + rank != (k == rank - 1 ? rank - 2 : k == rank - 2 ? rank - 1 : k))
            return false;
    return rank >= 2;
}

static void put_permute(Printer *p, const Node *n)
{
    int64_t perm[RANK_MAX];
    for (int k = 0; k < n->type->rank; k++)
        perm[k] = n->attr[k] + n->type->rank;
    if (swaps_last_axes(n)) {
        put_operand(p, n, 0);
        text_char(p->out, '\'');
        return;
    }
    text_put(p->out, "permute(");
    put_operand(p, n, 0);
    text_put(p->out, ", ");
    put_integers(p, n->type->rank, perm);
    text_char(p->out, ')');
}

static void put_shaped(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", op_info[n->op].name);
    put_operand(p, n, 0);
    text_put(p->out, ", ");
    put_shape(p, n->type);
    text_char(p->out, ')');
}

static void put_slice(Printer *p, const Node *n)
{
    int rank = n->type->rank;
    text_put(p->out, "slice(");
    put_operand(p, n, 0);
    text_put(p->out, ", start: ");
    put_integers(p, rank, n->attr);
    text_put(p->out, ", step: ");
    put_integers(p, rank, n->attr + rank);
    text_put(p->out, ", count: ");
    put_shape(p, n->type);
    text_char(p->out, ')');
}

static void put_pad(Printer *p, const Node *n)
{
    int rank = n->type->rank;
    text_put(p->out, "pad(");
    put_operand(p, n, 0);
    text_put(p->out, ", low: ");
    put_integers(p, rank, n->attr);
    text_put(p->out, ", high: ");
    put_integers(p, rank, n->attr + rank);
    text_put(p->out, ", interior: ");
    put_integers(p, rank, n->attr + 2 * rank);
    text_char(p->out, ')');
}

static void put_join(Printer *p, const Node *n)
{
    text_printf(p->out, "%s((", op_info[n->op].name);
    put_operands(p, n, 0, n->operand_count);
    text_put(p->out, n->operand_count == 1 ? ",)" : ")");
    text_printf(p->out, ", axis: %lld)", n->op == OP_stack ? 0 : (long long)n->attr[0]);
}

static const char *reduction_name(Op op)
{
    switch (op) {
    case OP_max_reduce: return "max";
    case OP_min_reduce: return "min";
    case OP_prod: return "plain_prod";                      /* prod is more than the op */
    default: return op_info[op].name;
    }
}

static void put_reduction(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", reduction_name(n->op));
    put_operand(p, n, 0);
    if (n->attr_count == 1 && n->type->rank > 0)
        text_printf(p->out, ", axis: %lld", (long long)n->attr[0]);
    else if (n->type->rank > 0) {
        text_put(p->out, ", axis: ");
        put_integers(p, n->attr_count, n->attr);
    }
    text_char(p->out, ')');
}

/* `a @ b` makes the labels of n, and looks at no axis of size 1 that would broadcast. */
static bool is_matmul(const Node *n)
{
    if (n->operand_count != 2 || n->operands[0]->type->rank == 0 || n->operands[1]->type->rank == 0)
        return false;
    const Type *a = n->operands[0]->type, *b = n->operands[1]->type;
    int batch_a = a->rank > 2 ? a->rank - 2 : 0, batch_b = b->rank > 2 ? b->rank - 2 : 0;
    int batch = batch_a > batch_b ? batch_a : batch_b, out = n->type->rank;
    const int64_t *la = n->attr, *lb = la + a->rank, *lo = lb + b->rank, inner = la[a->rank - 1];
    if (out != batch + (a->rank > 1) + (b->rank > 1) || lb[b->rank > 1 ? b->rank - 2 : 0] != inner)
        return false;
    for (int k = 1; k <= batch; k++) {
        int64_t label = lo[batch - k];
        bool in_a = k <= batch_a, in_b = k <= batch_b;
        if ((in_a && la[batch_a - k] != label) || (in_b && lb[batch_b - k] != label))
            return false;
        if (in_a && in_b && type_size(a, batch_a - k) == 1)
            return false;
    }
    if (a->rank > 1 && lo[batch] != la[a->rank - 2])
        return false;
    return b->rank == 1 || lo[out - 1] == lb[b->rank - 1];
}

/* No label but those of `@` is shared: "bij,bjj->bi" and the like have the right places and yet are no product. */
static bool labels_are_distinct(const Node *n)
{
    int first = 0;
    for (int i = 0; i < n->operand_count; i++) {
        int rank = n->operands[i]->type->rank;
        for (int k = 1; k < rank; k++)
            for (int j = 0; j < k; j++)
                if (n->attr[first + k] == n->attr[first + j])
                    return false;
        first += rank;
    }
    return true;
}

static bool row_meets_column(const Node *n)
{
    int ra = n->operands[0]->type->rank, rb = n->operands[1]->type->rank;
    return ra > 1 && rb > 1 && n->attr[ra - 2] == n->attr[ra + rb - 1];
}

static void put_labels(Printer *p, int count, const int64_t *labels)
{
    static const char letters[] = "ijklmnopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH";
    for (int k = 0; k < count; k++) {
        if (labels[k] >= (int64_t)sizeof letters - 1)
            internal_error(p->ctx, "an einsum with more than %d labels", (int)sizeof letters - 1);
        text_char(p->out, letters[labels[k]]);
    }
}

static void put_einsum(Printer *p, const Node *n)
{
    int at = 0;
    if (is_matmul(n) && labels_are_distinct(n) && !row_meets_column(n)) {
        put_operand(p, n, 0);
        text_put(p->out, " @ ");
        put_operand(p, n, 1);
        return;
    }
    text_put(p->out, "einsum(\"");
    for (int i = 0; i < n->operand_count; i++) {
        text_put(p->out, i ? "," : "");
        put_labels(p, n->operands[i]->type->rank, n->attr + at);
        at += n->operands[i]->type->rank;
    }
    text_put(p->out, "->");
    put_labels(p, n->type->rank, n->attr + at);
    text_put(p->out, "\", ");
    put_operands(p, n, 0, n->operand_count);
    text_char(p->out, ')');
}

static void put_call(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", op_info[n->op].name);
    put_operands(p, n, 0, n->operand_count);
    if (n->op == OP_recurrence)
        text_printf(p->out, ", axis: %lld%s", (long long)n->attr[0], n->attr[1] ? ", forget: true" : "");
    text_char(p->out, ')');
}

/* ---- matrices ------------------------------------------------------------------------------------------------------ */
static void put_flag(Printer *p, const char *option, int64_t value)
{
    text_printf(p->out, ", %s: %s", option, value ? "true" : "false");
}

static void put_matrix(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", op_info[n->op].name);
    put_operands(p, n, 0, n->operand_count);
    if (n->op == OP_triangular_solve) {
        put_flag(p, "lower", n->attr[0]);
        put_flag(p, "transpose", n->attr[1]);
        put_flag(p, "unit", n->attr[2]);
    } else if (n->op == OP_lu_factor) {
        put_flag(p, "complete", n->attr[0]);
    } else if (n->op == OP_lu_solve) {
        put_flag(p, "upper", n->attr[0]);
        put_flag(p, "transpose", n->attr[1]);
    }
    text_char(p->out, ')');
}

static void put_declared(Printer *p, const Node *n)
{
    text_printf(p->out, "%s(", scalar_fn(p->ctx, (int)n->attr[0])->name);
    put_operands(p, n, print_first_operand(n), n->operand_count);
    text_char(p->out, ')');
}

/* ---- derivatives of values --------------------------------------------------------------------------------------- */
/* All seeds are the 1 that `grad(y, x)` means for scalars. */
static bool seeds_are_implied(const Node *n)
{
    int count = (int)n->attr[0];
    for (int k = count; k < 2 * count; k++)
        if (!print_is_inline(n->operands[k]) || n->operands[k]->data[0] < 1 || n->operands[k]->data[0] > 1)
            return false;
    return true;
}

static void put_derivative(Printer *p, const Node *n)
{
    int count = n->attr_count ? (int)n->attr[0] : 1;
    text_printf(p->out, "%s(", op_info[n->op].name);
    if (n->op == OP_grad) {
        put_group(p, n, 0, count);
        text_put(p->out, ", ");
        put_operand(p, n, 2 * count);
        if (!seeds_are_implied(n)) {
            text_put(p->out, ", seed: ");
            put_group(p, n, count, 2 * count);
        }
    } else {
        put_operand(p, n, 0);
        text_put(p->out, ", ");
        put_group(p, n, 1, count + 1);
        if (n->op == OP_jvp || n->op == OP_hvp) {
            text_put(p->out, ", ");
            put_group(p, n, count + 1, 2 * count + 1);
        }
    }
    text_char(p->out, ')');
}

void print_expression(Printer *p, const Node *line)
{
    const Node *n = print_shown(p, line);
    if (op_info[n->op].class == CLASS_ELEMENTWISE) {
        put_elementwise(p, n);
        return;
    }
    switch (n->op) {
    case OP_constant: put_tensor(p, n); break;
    case OP_iota: text_printf(p->out, "iota(%lld)", (long long)n->type->count); break;
    case OP_bind: text_char(p->out, '+'); put_operand(p, n, 0); break;
    case OP_grad: case OP_jvp: case OP_jacobian: case OP_hessian: case OP_hvp: put_derivative(p, n); break;
    case OP_expand: case OP_reshape: put_shaped(p, n); break;
    case OP_permute: put_permute(p, n); break;
    case OP_slice: put_slice(p, n); break;
    case OP_pad: put_pad(p, n); break;
    case OP_concat: case OP_stack: put_join(p, n); break;
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce: put_reduction(p, n); break;
    case OP_einsum: put_einsum(p, n); break;
    case OP_call: case OP_override: put_declared(p, n); break;
    case OP_index: case OP_index_add: case OP_index_set: case OP_recurrence: put_call(p, n); break;
    case OP_solve: case OP_triangular_solve: case OP_inverse: case OP_det: case OP_logdet: case OP_cholesky:
    case OP_det_cofactors: case OP_lu_factor: case OP_lu_solve: put_matrix(p, n); break;
    default: internal_error(p->ctx, "the printer does not know %s", op_info[n->op].name);
    }
}
