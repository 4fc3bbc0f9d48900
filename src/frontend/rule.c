/* rule.c: derivative rules of the op table: adc text, elaborated by the same checker as user code.
 *
 * A rule is parsed once.  In it x, w, v are the operands, y is the result, g its adjoint, which may have batch axes in
 * front; `axis` is what the op reduces over and keep(e) puts these axes back as 1.  The options of triangular_solve are
 * values of the same names.  Of a value that is ruled, x, w, v, u are the operands behind it. */
#include "elaborate.h"

#include <string.h>

static const char *const operand_names[4] = { "x", "w", "v", "u" };

static Expr *parse_rule(Context *ctx, Op op, int operand)
{
    Frontend *f = frontend_of(ctx);
    const char *text = op_info[op].adjoint[operand];
    Expr **rule = &f->rules[op][operand];
    if (!*rule) {
        const char *path = str_format(ctx, "src/ir/ops.h: %s", op_info[op].name);
        *rule = parse_expression(ctx, source_new(ctx, path, text, (int)strlen(text)));
    }
    return *rule;
}

/* The axes in the attribute, as the value of an `axis` option. */
static Value axes_value(Context *ctx, const Node *consumer)
{
    Value v = { .kind = VALUE_TUPLE, .count = consumer->attr_count };
    v.items = NEW_ARRAY(ctx->arena, Value, consumer->attr_count);
    for (int k = 0; k < consumer->attr_count; k++)
        v.items[k] = value_of(node_int(ctx, consumer->attr[k]), (Span){ 0 });
    return v;
}

static void bind_node(Frame *frame, const char *name, Node *n)
{
    Span nowhere = { 0 };
    if (n)
        frame_bind(frame, str_intern(frame->env->ctx, name), BINDING_ARGUMENT, value_of(n, nowhere), nowhere);
}

/* What the attribute means. */
static void bind_attributes(Frame *frame, const Node *consumer)
{
    static const char *const triangle[3] = { "lower", "transpose", "unit" };
    Context *ctx = frame->env->ctx;
    if (consumer->op != OP_triangular_solve) {
        frame_bind(frame, str_intern(ctx, "axis"), BINDING_ARGUMENT, axes_value(ctx, consumer), (Span){ 0 });
        return;
    }
    for (int k = 0; k < 3; k++)
        bind_node(frame, triangle[k], node_bool(ctx, consumer->attr[k] != 0));
}

Node *rule_apply(Context *ctx, Op op, int operand, const Node *consumer, Node *const *operands, Node *y, Node *g)
{
    const OpInfo *info = &op_info[op];
    int errors = ctx->error_count;
    if (!info->adjoint[operand])
        return NULL;
    const Expr *e = parse_rule(ctx, op, operand);
    Frame frame = frame_new(frontend_of(ctx)->env, FRAME_RULE);
    Binding room[8];                                        /* x, w, v, u, y, g and what the attribute means: rules are many */
    frame.bindings.at = room;
    frame.bindings.capacity = 8;
    frame.consumer = consumer;
    int first = info->class == CLASS_RULED ? RULED_X : 0;
    for (int k = 0; first + k < info->arity && k < 4; k++)
        bind_node(&frame, operand_names[k], operands[first + k]);
    bind_node(&frame, "y", y);
    bind_node(&frame, "g", g);
    if (info->class == CLASS_OTHER || info->class == CLASS_RULED)
        bind_attributes(&frame, consumer);
    Node *n = e ? elaborate_tensor(&frame, e) : NULL;
    if (!n || ctx->error_count > errors)
        internal_error(ctx, "ops.h:%d: the rule of %s for operand %d is wrong: %s", info->line, info->name, operand,
                       info->adjoint[operand]);
    return n;
}

Node *prelude_apply(Context *ctx, const char *text, int count, Node *const *operands)
{
    const Expr *e = parse_expression(ctx, source_new(ctx, "src/diff/samples.c", text, (int)strlen(text)));
    Frame frame = frame_new(frontend_of(ctx)->env, FRAME_RULE);
    for (int k = 0; k < count && k < 3; k++)
        bind_node(&frame, operand_names[k], operands[k]);
    Node *n = e ? elaborate_tensor(&frame, e) : NULL;
    if (!n)
        internal_error(ctx, "the self-test can not build %s", text);
    return n;
}
