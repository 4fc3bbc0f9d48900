/* describe.c: values as a reader of the source knows them.
 *
 * Invariant: a description is short whatever the graph is: a few levels of operators down to the next named values. */
#include "driver.h"

#include <inttypes.h>
#include <string.h>

enum { DEPTH_LIMIT = 6, LENGTH_LIMIT = 160, OPERAND_LIMIT = 6 };

/* nested: inside an infix operator, where another one needs parentheses */
static void put_value(Context *ctx, Text *text, const Node *node, int depth, bool nested);

static void put_constant(Context *ctx, Text *text, const Node *node)
{
    double value;
    if (node_is_fill(node, &value)) number_print(ctx, text, node->type->elem, value, false);
    else text_printf(text, "constant %s", type_text(ctx, node->type));
}

static void put_operands(Context *ctx, Text *text, const Node *node, int depth)
{
    text_char(text, '(');
    for (int k = 0; k < node->operand_count; k++) {
        if (k) text_put(text, ", ");
        if (k == OPERAND_LIMIT) {
            text_put(text, "...");
            break;
        }
        put_value(ctx, text, node->operands[k], depth + 1, false);
    }
    text_char(text, ')');
}

/* Of a product of two matrices or vectors: which factor comes first, and which of the two are transposed. */
typedef struct { int first; bool transposed[2]; } Product;

static bool has_label(const int64_t *labels, int rank, int64_t label)
{
    for (int k = 0; k < rank; k++)
        if (labels[k] == label) return true;
    return false;
}

/* The label that both factors have and the result has not, when there is exactly one; else -1. */
static int64_t contracted(const int64_t *a, int a_rank, const int64_t *b, int b_rank, const int64_t *out, int out_rank)
{
    int64_t found = -1;
    for (int k = 0; k < a_rank; k++) {
        if (!has_label(b, b_rank, a[k])) continue;
        if (found >= 0 || has_label(out, out_rank, a[k])) return -1;
        found = a[k];
    }
    return found;
}

/* Does the einsum read `x @ w`, with transposes where they are needed?  Its attributes are the labels of the operands'
 * axes, then of the result's. */
static bool as_product(const Node *node, Product *product)
{
    if (node->operand_count != 2) return false;
    int rank[2] = {node->operands[0]->type->rank, node->operands[1]->type->rank}, out_rank = node->type->rank;
    const int64_t *labels[2] = {node->attr, node->attr + rank[0]}, *out = node->attr + rank[0] + rank[1];
    for (int k = 0; k < 2; k++)
        if (rank[k] < 1 || rank[k] > 2 || (rank[k] == 2 && labels[k][0] == labels[k][1])) return false;
    int64_t shared = contracted(labels[0], rank[0], labels[1], rank[1], out, out_rank);
    if (shared < 0 || out_rank != rank[0] + rank[1] - 2) return false;
    product->first = out_rank == 2 && has_label(labels[1], rank[1], out[0]);
    const int left = product->first, right = !left;
    product->transposed[left] = rank[left] == 2 && labels[left][0] == shared;
    product->transposed[right] = rank[right] == 2 && labels[right][1] == shared;
    return true;
}

static void put_product(Context *ctx, Text *text, const Node *node, const Product *product, int depth, bool nested)
{
    text_put(text, nested ? "(" : "");
    for (int k = 0; k < 2; k++) {
        int factor = k ? !product->first : product->first;
        text_put(text, k ? " @ " : "");
        put_value(ctx, text, node->operands[factor], depth + 1, true);
        text_put(text, product->transposed[factor] ? "'" : "");
    }
    text_put(text, nested ? ")" : "");
}

static void put_einsum(Context *ctx, Text *text, const Node *node, int depth, bool nested)
{
    Product product;
    if (as_product(node, &product)) {
        put_product(ctx, text, node, &product, depth, nested);
        return;
    }
    int at = 0;
    text_put(text, "einsum(\"");
    for (int k = 0; k <= node->operand_count; k++) {
        bool last = k == node->operand_count;
        if (k) text_put(text, last ? "->" : ",");
        for (int axis = last ? node->type->rank : node->operands[k]->type->rank; axis > 0 && at < node->attr_count;
             axis--)
            text_char(text, (char)('i' + node->attr[at++] % 18));
    }
    text_put(text, "\"");
    for (int k = 0; k < node->operand_count; k++) {
        text_put(text, ", ");
        put_value(ctx, text, node->operands[k], depth + 1, false);
    }
    text_char(text, ')');
}

static void put_infix(Context *ctx, Text *text, const Node *node, int depth, bool nested)
{
    const char *sign = op_info[node->op].infix;
    text_put(text, nested ? "(" : "");
    if (node->operand_count == 2) {
        put_value(ctx, text, node->operands[0], depth + 1, true);
        text_char(text, ' ');
    }
    text_put(text, sign);
    if (node->operand_count == 2 || strlen(sign) > 1) text_char(text, ' ');
    put_value(ctx, text, node->operands[node->operand_count - 1], depth + 1, true);
    text_put(text, nested ? ")" : "");
}

static void put_definition(Context *ctx, Text *text, const Node *node, int depth, bool nested)
{
    const OpInfo *op = &op_info[node->op];
    double value;
    if (node->op == OP_constant || node_is_fill(node, &value)) put_constant(ctx, text, node);
    else if (node->op == OP_param) text_printf(text, "input %s", type_text(ctx, node->type));
    else if (depth > DEPTH_LIMIT || text->length > LENGTH_LIMIT) text_put(text, "...");
    else if (node->op == OP_expand || node->op == OP_bind) put_value(ctx, text, node->operands[0], depth, nested);
    else if (node->op == OP_einsum) put_einsum(ctx, text, node, depth, nested);
    else if (op->infix) put_infix(ctx, text, node, depth, nested);
    else {
        text_put(text, op->name);
        put_operands(ctx, text, node, depth);
    }
}

static void put_value(Context *ctx, Text *text, const Node *node, int depth, bool nested)
{
    if (node->origin.name) text_put(text, node->origin.name);
    else put_definition(ctx, text, node, depth, nested);
}

const char *describe_node(Context *ctx, const Node *node)
{
    Text text = {.arena = ctx->arena};
    put_value(ctx, &text, node, 0, false);
    return text.text;
}

const char *describe_adjoint(Context *ctx, const Node *node)
{
    return node->origin.role == ROLE_PRIMAL ? describe_node(ctx, node) : describe_definition(ctx, node);
}

const char *describe_definition(Context *ctx, const Node *node)
{
    Text text = {.arena = ctx->arena};
    put_definition(ctx, &text, node, 0, false);
    return text.text;
}

const char *describe_rule(Context *ctx, const Node *consumer, int operand)
{
    const OpInfo *op = &op_info[consumer->op];
    if (op->class == CLASS_LINEAR) return str_format(ctx, "transpose of %s, applied to g", op->name);
    if (op->class == CLASS_LEAF) return op->name;
    if (op->class == CLASS_RULED) operand = ruled_text(operand, false);
    const char *rule = op->adjoint[operand < 3 ? operand : 0];
    return rule ? rule : "none";
}

const char *describe_place(Context *ctx, Span span)
{
    if (!span.source) return "";
    const char *slash = strrchr(span.source->path, '/');
    return str_format(ctx, "%s:%d", slash ? slash + 1 : span.source->path, span_line(span));
}
