/* value.c: what a value can be used as: a tensor, a real, an integer known at compile time, an option.
 *
 * Every check of a value's kind, element type or size is here, so that the constructors of the graph, which stop the
 * compiler at a misfit, are only reached with operands that fit. */
#include "elaborate.h"

#include <inttypes.h>

Value value_none(Span span)
{
    return (Value){ .kind = VALUE_NONE, .span = span };
}

Value value_of(Node *node, Span span)
{
    return node ? (Value){ .kind = VALUE_TENSOR, .span = span, .node = node } : value_none(span);
}

bool is_constant_integer(const Node *n, int64_t *value)
{
    if (n->op != OP_constant || n->type->rank != 0 || n->type->elem != ELEM_INT)
        return false;
    *value = (int64_t)n->data[0];
    return true;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */
static const char *kind_text(Context *ctx, Value v)
{
    switch (v.kind) {
    case VALUE_TENSOR: return type_text(ctx, v.node->type);
    case VALUE_TUPLE: return "a tuple";
    case VALUE_STRING: return "a string";
    case VALUE_WORD: return str_format(ctx, "the word '%s'", v.text);
    case VALUE_RESULTS: return str_format(ctx, "%d results", v.count);
    case VALUE_NONE: break;
    }
    return "nothing";
}

Node *value_tensor(Frame *frame, Value v)
{
    if (v.kind == VALUE_TENSOR)
        return v.node;
    if (v.kind == VALUE_RESULTS)
        fail(frame, v.span, "one value is needed here, but the call gives %d results; bind them first: 'a, b = ...;'",
             v.count);
    else if (v.kind != VALUE_NONE)
        fail(frame, v.span, "a value is needed here, not %s", kind_text(frame->env->ctx, v));
    return NULL;
}

Node *value_number(Frame *frame, Value v)
{
    Node *n = value_tensor(frame, v);
    if (n && n->type->elem == ELEM_BOOL) {
        fail(frame, v.span, "a number is needed here, not %s; 'real(c)' makes a bool 0 or 1",
             type_text(frame->env->ctx, n->type));
        return NULL;
    }
    return n;
}

Node *value_real(Frame *frame, Value v)
{
    Node *n = value_number(frame, v);
    return n ? node_to_real(frame->env->ctx, n) : NULL;
}

static const char *elem_text(Elem elem)
{
    return elem == ELEM_REAL ? "real" : elem == ELEM_INT ? "int" : "bool";
}

Node *value_as(Frame *frame, Value v, const Type *type, const char *what)
{
    Context *ctx = frame->env->ctx;
    Node *n = value_tensor(frame, v);
    if (!n)
        return NULL;
    if (type->elem == ELEM_REAL && n->type->elem == ELEM_INT)
        n = node_to_real(ctx, n);
    if (n->type == type)
        return type->elem == ELEM_INT && !check_integers(frame, n, v.span) ? NULL : n;
    if (!type_same_shape(n->type, type))
        fail(frame, v.span, "%s is %s, but this is %s", what, type_text(ctx, type), type_text(ctx, v.node->type));
    else
        fail(frame, v.span, "%s is %s, but this is %s; %s", what, type_text(ctx, type), type_text(ctx, v.node->type),
             type->elem == ELEM_REAL ? "'real(c)' makes a bool 0 or 1"
             : type->elem == ELEM_INT ? "nothing becomes an int by itself"
             : "a comparison such as 'x > 0' gives a bool");
    return NULL;
}

bool values_agree(Frame *frame, Span at, const char *what, int count, const Value *values, Node **out)
{
    Context *ctx = frame->env->ctx;
    bool some[3] = { false };
    for (int k = 0; k < count; k++) {
        out[k] = value_tensor(frame, values[k]);
        if (!out[k])
            return false;
        some[out[k]->type->elem] = true;
    }
    if (some[ELEM_BOOL] && (some[ELEM_REAL] || some[ELEM_INT])) {
        fail(frame, at, "%s mixes bool and %s", what, elem_text(some[ELEM_REAL] ? ELEM_REAL : ELEM_INT));
        return false;
    }
    for (int k = 0; k < count && some[ELEM_REAL]; k++)
        out[k] = node_to_real(ctx, out[k]);
    return true;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */
bool value_integer(Frame *frame, Value v, const char *what, int64_t *out)
{
    Context *ctx = frame->env->ctx;
    if (v.kind == VALUE_NONE)
        return false;
    if (v.kind == VALUE_TENSOR && is_constant_integer(v.node, out))
        return true;
    if (v.kind == VALUE_TENSOR && v.node->type->elem == ELEM_INT)
        fail(frame, v.span, "%s must be an integer known at compile time", what);
    else
        fail(frame, v.span, "%s must be an integer constant, not %s", what, kind_text(ctx, v));
    return false;
}

int value_integers(Frame *frame, Value v, const char *what, int64_t *out, int room)
{
    const Value *items = v.kind == VALUE_TUPLE ? v.items : &v;
    int count = v.kind == VALUE_TUPLE ? v.count : 1;
    if (count > room) {
        fail(frame, v.span, "%s has %d entries; at most %d are possible", what, count, room);
        return -1;
    }
    for (int k = 0; k < count; k++)
        if (!value_integer(frame, items[k], what, &out[k]))
            return -1;
    return count;
}

static bool is_constant_scalar(Value v)
{
    return v.kind == VALUE_TENSOR && v.node->op == OP_constant && v.node->type->rank == 0;
}

bool value_truth(Frame *frame, Value v, const char *what, bool *out)
{
    if (is_constant_scalar(v) && v.node->type->elem == ELEM_BOOL) {
        *out = v.node->data[0] != 0;
        return true;
    }
    if (v.kind != VALUE_NONE)
        fail(frame, v.span, "%s must be true or false", what);
    return false;
}

bool value_constant(Frame *frame, Value v, const char *what, double *out)
{
    if (is_constant_scalar(v) && v.node->type->elem != ELEM_BOOL) {
        *out = v.node->data[0];
        return true;
    }
    if (v.kind != VALUE_NONE)
        fail(frame, v.span, "%s must be a number known at compile time", what);
    return false;
}

bool check_integers(Frame *frame, Node *n, Span span)
{
    double fill;
    if (n->type->elem != ELEM_INT)
        return true;
    bool is_fill = node_is_fill(n, &fill);
    int64_t count = is_fill ? 1 : n->op == OP_constant ? n->type->count : 0;
    for (int64_t k = 0; k < count; k++) {
        double value = is_fill ? fill : n->data[k];
        if (value < INT32_MIN || value > INT32_MAX) {
            fail(frame, span, "%.0f does not fit an int, which has 32 bits", value);
            return false;
        }
    }
    return true;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */
static bool check_count(Frame *frame, Span span, int rank, const int64_t *sizes)
{
    int64_t count = 1;
    if (rank > RANK_USER && !frame->in_rule) {
        fail(frame, span, "this has %d axes; a value has at most %d", rank, RANK_USER);
        return false;
    }
    for (int k = 0; k < rank; k++) {
        if (sizes[k] > ELEMENTS_MAX / count) {
            fail(frame, span, "this value is too large: it has more than 2^30 elements");
            return false;
        }
        count *= sizes[k];
    }
    return true;
}

const Type *make_type(Frame *frame, Span span, Elem elem, int rank, const int64_t *sizes)
{
    return check_count(frame, span, rank, sizes) ? type_sized(frame->env->ctx, elem, rank, sizes) : NULL;
}

bool check_size(Frame *frame, Span span, const Type *type)
{
    int64_t sizes[RANK_MAX];
    for (int k = 0; k < type->rank; k++)
        sizes[k] = type_size(type, k);
    return check_count(frame, span, type->rank, sizes);
}
