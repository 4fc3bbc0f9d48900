/* elementwise.c: one op of the table on operands that are checked, converted and broadcast.
 *
 * Integers known at compile time are computed here in 64 bits, so that a dimension is exact and its overflow an error;
 * values of type int in the graph have 32. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

/* ---- operands ---------------------------------------------------------------------------------------------------- */
static bool all_reals(Frame *frame, int count, const Value *values, Node **out)
{
    for (int k = 0; k < count; k++) {
        out[k] = value_real(frame, values[k]);
        if (!out[k])
            return false;
    }
    return true;
}

static bool all_bools(Frame *frame, const char *name, int count, const Value *values, Node **out)
{
    for (int k = 0; k < count; k++) {
        out[k] = value_tensor(frame, values[k]);
        if (!out[k])
            return false;
        if (out[k]->type->elem != ELEM_BOOL) {
            fail(frame, values[k].span, "'%s' needs a bool here, such as 'x > 0', not %s", name,
                 type_text(frame->env->ctx, out[k]->type));
            return false;
        }
    }
    return true;
}

static bool all_numbers(Frame *frame, Span at, const char *name, int count, const Value *values, Node **out)
{
    for (int k = 0; k < count; k++)
        if (values[k].kind != VALUE_NONE && !value_number(frame, values[k]))
            return false;
    return values_agree(frame, at, name, count, values, out);
}

/* The operands as the op's signature wants them. */
static bool convert(Frame *frame, Span at, Op op, int count, const Value *values, Node **out)
{
    const OpInfo *info = &op_info[op];
    const char *name = str_format(frame->env->ctx, "'%s'", info->infix ? info->infix : info->name);
    switch (info->signature) {
    case SIG_REAL: case SIG_PREDICATE: return all_reals(frame, count, values, out);
    case SIG_NUMBER: return all_numbers(frame, at, name, count, values, out);
    case SIG_COMPARE: return values_agree(frame, at, name, count, values, out);
    case SIG_BOOL: return all_bools(frame, info->name, count, values, out);
    case SIG_SELECT:
        return all_bools(frame, info->name, 1, values, out) && values_agree(frame, at, name, 2, values + 1, out + 1);
    case SIG_INT: case SIG_TO_REAL:
        out[0] = value_tensor(frame, values[0]);
        return out[0] != NULL;
    case SIG_NONE: break;
    }
    internal_error(frame->env->ctx, "%s is no elementwise op", info->name);
}

/* ---- broadcasting ------------------------------------------------------------------------------------------------ */
const Type *common_shape(Frame *frame, Span at, int count, const Value *values, Node *const *operands)
{
    Context *ctx = frame->env->ctx;
    const Type *shape = operands[0]->type;
    for (int k = 1; k < count; k++) {
        const Type *wider = type_broadcast(ctx, shape, operands[k]->type);
        if (!wider) {
            fail(frame, at, "shapes %s and %s do not fit together", shape_text(ctx, shape),
                 shape_text(ctx, operands[k]->type));
            for (int i = 0; i <= k; i++)
                note(frame, values[i].span, "this is %s", type_text(ctx, operands[i]->type));
            return NULL;
        }
        shape = wider;
    }
    return check_size(frame, at, shape) ? shape : NULL;
}

/* ---- integers known at compile time ------------------------------------------------------------------------------ */
static int64_t floor_quotient(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static const int64_t integer_bound = (int64_t)1 << 53;     /* exact in the doubles that hold constants */

static bool is_in_bound(double value)
{
    return fabs(value) <= (double)integer_bound;
}

/* False when the result is beyond the bound, or does not exist. */
static bool compute_integer(Op op, int64_t a, int64_t b, int64_t *out)
{
    double x = (double)a, w = (double)b;
    switch (op) {
    case OP_neg: *out = -a; return true;
    case OP_add: *out = a + b; return is_in_bound(x + w);
    case OP_sub: *out = a - b; return is_in_bound(x - w);
    case OP_mul: *out = is_in_bound(x * w) ? a * b : 0; return is_in_bound(x * w);
    case OP_floordiv: *out = b ? floor_quotient(a, b) : 0; return b != 0;
    case OP_mod: *out = b ? a - b * floor_quotient(a, b) : 0; return b != 0;
    case OP_min: *out = a < b ? a : b; return true;
    case OP_max: *out = a > b ? a : b; return true;
    default: return false;
    }
}

/* Sets *out when all operands are integers known at compile time; it stays NULL after an error message. */
static bool fold_integers(Frame *frame, Span at, Op op, int count, Node *const *operands, Node **out)
{
    int64_t value[2] = { 0 }, result;
    if (op_info[op].signature != SIG_NUMBER)
        return false;
    for (int k = 0; k < count; k++)
        if (!is_constant_integer(operands[k], &value[k]))
            return false;
    *out = NULL;
    if (compute_integer(op, value[0], value[1], &result))
        *out = node_int(frame->env->ctx, result);
    else if ((op == OP_floordiv || op == OP_mod) && value[1] == 0)
        fail(frame, at, "integer division by zero");
    else
        fail(frame, at, "this integer constant is too large");
    return true;
}

static bool constants_fit(Frame *frame, int count, const Value *values, Node *const *operands)
{
    for (int k = 0; k < count; k++)
        if (!check_integers(frame, operands[k], values[k].span))
            return false;
    return true;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */
Node *build_elementwise(Frame *frame, Span at, Op op, int count, const Value *values)
{
    Context *ctx = frame->env->ctx;
    Node *operands[3], *folded;
    if (!convert(frame, at, op, count, values, operands))
        return NULL;
    if (op == OP_real)
        return node_to_real(ctx, operands[0]);
    if (fold_integers(frame, at, op, count, operands, &folded))
        return folded;
    const Type *shape = common_shape(frame, at, count, values, operands);
    if (!shape || !constants_fit(frame, count, values, operands))
        return NULL;
    for (int k = 0; k < count; k++)
        operands[k] = node_expand(ctx, operands[k], shape);
    return node_elementwise(ctx, op, operands);
}

/* An int to a constant power stays an int. */
static Node *integer_power(Frame *frame, Span at, Value base, int64_t exponent)
{
    Node *result = node_int(frame->env->ctx, 1);
    Value square = base;
    for (int64_t left = exponent; result && left > 0; left /= 2) {
        if (left % 2)
            result = build_elementwise(frame, at, OP_mul, 2, (Value[]){ value_of(result, base.span), square });
        if (left > 1)
            square = value_of(build_elementwise(frame, at, OP_mul, 2, (Value[]){ square, square }), base.span);
    }
    return result;
}

static Node *build_power(Frame *frame, Span at, Value x, Value w)
{
    int64_t exponent;
    bool is_integer = x.kind == VALUE_TENSOR && x.node->type->elem == ELEM_INT && w.kind == VALUE_TENSOR
                   && is_constant_integer(w.node, &exponent) && exponent >= 0;
    return is_integer ? integer_power(frame, at, x, exponent)
                      : build_elementwise(frame, at, OP_pow, 2, (Value[]){ x, w });
}

Node *build_operator(Frame *frame, Span at, BinaryOperator operator, Value x, Value w)
{
    static const Op ops[BINARY_COUNT] = {
        [BINARY_ADD] = OP_add, [BINARY_SUB] = OP_sub, [BINARY_MUL] = OP_mul, [BINARY_DIV] = OP_div,
        [BINARY_FLOOR_DIV] = OP_floordiv, [BINARY_MOD] = OP_mod, [BINARY_EQ] = OP_eq, [BINARY_NE] = OP_ne,
        [BINARY_LT] = OP_lt, [BINARY_LE] = OP_le, [BINARY_GT] = OP_gt, [BINARY_GE] = OP_ge,
        [BINARY_AND] = OP_and, [BINARY_OR] = OP_or,
    };
    if (operator == BINARY_MATMUL)
        return build_matmul(frame, at, x, w);
    if (operator == BINARY_POW)
        return build_power(frame, at, x, w);
    return build_elementwise(frame, at, ops[operator], 2, (Value[]){ x, w });
}
