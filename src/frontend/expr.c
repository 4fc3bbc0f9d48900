/* expr.c: expressions to values.
 *
 * Operands are elaborated before the node that uses them is built, and all of them even when one is wrong, so that one
 * run reports as much as possible.  The recursion follows the syntax and is bounded by DEPTH_LIMIT over all bodies that
 * are open at the same time. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

enum { DEPTH_LIMIT = 6000 };

/* ---- names ------------------------------------------------------------------------------------------------------- */
static Node *builtin_constant(Context *ctx, Str name)
{
    const double pi = 3.14159265358979323846;
    if (strcmp(name, "pi") == 0)
        return node_real(ctx, round_real(ctx, pi));
    if (strcmp(name, "inf") == 0)
        return node_real(ctx, INFINITY);
    return strcmp(name, "nan") == 0 ? node_real(ctx, NAN) : NULL;
}

static Value unknown_name(Frame *frame, const Expr *e)
{
    Context *ctx = frame->env->ctx;
    if (strcmp(e->name, "_") == 0)
        fail(frame, e->span, "'_' ignores a result; it has no value");
    else if (map_get(frame->env->functions, e->name) || is_builtin(ctx, e->name))
        fail(frame, e->span, "'%s' is a function; as a value it must be called: '%s(...)'", e->name, e->name);
    else if (!refuse_out_of_scope(frame, e->name, e->span))
        fail(frame, e->span, "there is no value named '%s'%s", e->name, suggest_value(frame, e->name));
    return value_none(e->span);
}

static Value elaborate_name(Frame *frame, const Expr *e)
{
    const Binding *b = frame_find(frame, e->name);
    Constant *c = b ? NULL : map_get(frame->env->constants, e->name);
    Node *n = b || c ? NULL : builtin_constant(frame->env->ctx, e->name);
    if (!b && !c && !n)
        return unknown_name(frame, e);
    Value v = b ? b->value : c ? constant_value(frame, c, e->span) : value_of(n, e->span);
    v.is_literal = false;
    if (frame->kind != FRAME_PRELUDE)                       /* in the prelude: where the user wrote the argument */
        v.span = e->span;
    return v;
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */
static Value elaborate_tuple(Frame *frame, const Expr *e)
{
    Value v = { .kind = VALUE_TUPLE, .span = e->span, .count = e->items.count };
    v.items = NEW_ARRAY(frame->env->ctx->arena, Value, e->items.count);
    for (int k = 0; k < e->items.count; k++) {
        v.items[k] = elaborate(frame, e->items.at[k]);
        if (v.items[k].kind == VALUE_NONE)
            v.kind = VALUE_NONE;
    }
    return v;
}

static bool elements_match(Frame *frame, int count, const Value *items, Node *const *nodes)
{
    Context *ctx = frame->env->ctx;
    for (int k = 0; k < count; k++) {
        if (!type_same_shape(nodes[k]->type, nodes[0]->type)) {
            fail(frame, items[k].span, "this element is %s, but the first one is %s", shape_text(ctx, nodes[k]->type),
                 shape_text(ctx, nodes[0]->type));
            note(frame, items[0].span, "the first element");
            return false;
        }
        if (!check_integers(frame, nodes[k], items[k].span))
            return false;
    }
    return true;
}

static Node *stack_elements(Frame *frame, const Expr *e, const Value *items)
{
    Context *ctx = frame->env->ctx;
    int count = e->items.count;
    int64_t sizes[RANK_MAX + 1] = { count };
    Node **nodes = NEW_ARRAY(ctx->arena, Node *, count);
    if (!values_agree(frame, e->span, "this list", count, items, nodes) || !elements_match(frame, count, items, nodes))
        return NULL;
    for (int k = 0; k < nodes[0]->type->rank; k++)
        sizes[k + 1] = type_size(nodes[0]->type, k);
    if (!make_type(frame, e->span, nodes[0]->type->elem, nodes[0]->type->rank + 1, sizes))
        return NULL;
    origin_at(frame, e->span);
    return node_stack(ctx, count, nodes);
}

static Value elaborate_list(Frame *frame, const Expr *e)
{
    Node *n;
    origin_at(frame, e->span);
    if (literal_node(frame, e, &n))
        return value_of(n, e->span);
    Value *items = NEW_ARRAY(frame->env->ctx->arena, Value, e->items.count);
    for (int k = 0; k < e->items.count; k++)
        items[k] = elaborate(frame, e->items.at[k]);
    return value_of(stack_elements(frame, e, items), e->span);
}

/* ---- operators --------------------------------------------------------------------------------------------------- */
static Node *transpose_value(Frame *frame, const Expr *e, Value v)
{
    Node *n = value_tensor(frame, v);
    if (n && n->type->rank < 2) {
        fail(frame, e->unary.span, "the transpose exchanges the last two axes; this is %s",
             type_text(frame->env->ctx, n->type));
        return NULL;
    }
    return n ? node_transpose(frame->env->ctx, n, -2, -1) : NULL;
}

static Value elaborate_unary(Frame *frame, const Expr *e)
{
    Value v = elaborate(frame, e->unary.operand);
    Node *n = NULL;
    origin_at(frame, e->span);
    switch (e->unary.operator) {
    case UNARY_NEGATE: n = build_elementwise(frame, e->unary.span, OP_neg, 1, &v); break;
    case UNARY_PLUS: n = value_number(frame, v); break;
    case UNARY_NOT: n = build_elementwise(frame, e->unary.span, OP_not, 1, &v); break;
    case UNARY_TRANSPOSE: n = transpose_value(frame, e, v); break;
    }
    Value result = value_of(n, e->span);
    result.is_literal = v.is_literal && e->unary.operator <= UNARY_PLUS;
    return result;
}

static Value elaborate_chain(Frame *frame, const Expr *e)
{
    Value left = elaborate(frame, e->binary.first);
    for (int k = 0; k < e->binary.steps.count; k++) {
        const Step *s = &e->binary.steps.at[k];
        bool may_not_count = s->operator == BINARY_AND || s->operator == BINARY_OR;
        frame->guards += may_not_count;
        Value right = elaborate(frame, s->operand);
        frame->guards -= may_not_count;
        Span whole = span_join(e->span, s->operand->span);
        origin_at(frame, whole);
        left = value_of(build_operator(frame, s->span, s->operator, left, right), whole);
    }
    left.span = e->span;
    return left;
}

/* In the prelude a condition known at compile time chooses what is looked at: this is how options steer it. */
static Value elaborate_ternary(Frame *frame, const Expr *e)
{
    Value v[3] = { elaborate(frame, e->ternary.condition) };
    if (frame->kind == FRAME_PRELUDE && v[0].kind == VALUE_TENSOR && v[0].node->op == OP_constant
        && v[0].node->type->rank == 0)
        return elaborate(frame, v[0].node->data[0] != 0 ? e->ternary.yes : e->ternary.no);
    frame->guards++;
    v[1] = elaborate(frame, e->ternary.yes);
    v[2] = elaborate(frame, e->ternary.no);
    frame->guards--;
    origin_at(frame, e->span);
    return value_of(build_elementwise(frame, e->ternary.span, OP_where, 3, v), e->span);
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */
static Value elaborate_kind(Frame *frame, const Expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER: {
        Value v = value_of(number_node(frame, e), e->span);
        v.is_literal = true;
        return v;
    }
    case EXPR_BOOL: return value_of(node_bool(frame->env->ctx, e->truth), e->span);
    case EXPR_STRING: return (Value){ .kind = VALUE_STRING, .span = e->span, .text = e->string };
    case EXPR_NAME: return elaborate_name(frame, e);
    case EXPR_TUPLE: return elaborate_tuple(frame, e);
    case EXPR_TENSOR: return elaborate_list(frame, e);
    case EXPR_UNARY: return elaborate_unary(frame, e);
    case EXPR_BINARY: return elaborate_chain(frame, e);
    case EXPR_TERNARY: return elaborate_ternary(frame, e);
    case EXPR_INDEX: return value_of(elaborate_index(frame, e), e->span);
    case EXPR_CALL: return elaborate_call(frame, e);
    case EXPR_COMPREHENSION: return value_of(elaborate_comprehension(frame, e), e->span);
    }
    return value_none(e->span);
}

Value elaborate(Frame *frame, const Expr *e)
{
    if (frame->env->depth >= DEPTH_LIMIT) {
        fail(frame, e->span, "expressions and calls are nested too deeply here");
        return value_none(e->span);
    }
    if (frame->kind == FRAME_PRELUDE && frame->env->ctx->error_count > frame->errors)
        return value_none(e->span);                         /* one message for one call */
    frame->env->depth++;
    Value v = elaborate_kind(frame, e);
    frame->env->depth--;
    return v;
}

Node *elaborate_tensor(Frame *frame, const Expr *e)
{
    return value_tensor(frame, elaborate(frame, e));
}
