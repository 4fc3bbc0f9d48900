/* dot.c: --emit=dot: a function as a picture for Graphviz.
 *
 * Three parts, each a cluster: the values as written, the tangents, and the adjoints.  An adjoint is one box, labelled
 * with what it came out as, and the edge from the adjoint it was made of carries the rule; so the picture reads like
 * the chain rule even where folding left nothing to compute. */
#include "driver.h"

#include <string.h>

typedef struct Dot {
    Context *ctx;
    const Fn *fn;
    Text *out;
    NodeList nodes;                                         /* what is drawn as a value of its own, ascending */
    bool *drawn;                                            /* by node id */
    int *record_of;                                         /* by id of the adjoint: its latest record + 1 */
} Dot;

static void put_quoted(Text *out, const char *text)
{
    text_char(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n') text_char(out, '\\');
        text_char(out, *text == '\n' ? 'n' : *text);
    }
    text_char(out, '"');
}

/* Adjoints with a record are drawn as such, and what is only a part of one is in its label. */
static bool is_value(const Dot *dot, const Node *node)
{
    return node->origin.role != ROLE_ADJOINT || dot->fn->adjoints.count == 0;
}

/* A number that only adjoints use is in their labels. */
static void hide_unused_constants(Dot *dot, const NodeList *all)
{
    bool *used = NEW_ARRAY(dot->ctx->arena, bool, graph_node_count(dot->ctx));
    for (int k = 0; k < dot->fn->results.count; k++) used[dot->fn->results.at[k].node->id] = true;
    for (int k = all->count - 1; k >= 0; k--) {
        const Node *node = all->at[k];
        bool leaf = op_info[node->op].class == CLASS_LEAF && node->op != OP_param;
        double value;
        if ((leaf || node_is_fill(node, &value)) && !used[node->id]) dot->drawn[node->id] = false;
        for (int j = 0; j < node->operand_count && dot->drawn[node->id]; j++) used[node->operands[j]->id] = true;
    }
}

static void collect(Dot *dot)
{
    Context *ctx = dot->ctx;
    NodeList roots = {0}, all = {0};
    for (int k = 0; k < dot->fn->results.count; k++) vec_push(ctx->arena, &roots, dot->fn->results.at[k].node);
    for (int k = 0; k < dot->fn->adjoints.count; k++)
        vec_push(ctx->arena, &roots, (Node *)dot->fn->adjoints.at[k].primal);
    for (int k = 0; k < dot->fn->params.count; k++) vec_push(ctx->arena, &roots, dot->fn->params.at[k].node);
    nodes_reaching(ctx, roots.at, roots.count, ctx->arena, &all);
    int ids = graph_node_count(ctx);
    dot->drawn = NEW_ARRAY(ctx->arena, bool, ids);
    dot->record_of = NEW_ARRAY(ctx->arena, int, ids);
    for (int k = 0; k < dot->fn->adjoints.count; k++) {
        const AdjointRecord *record = &dot->fn->adjoints.at[k];
        dot->drawn[record->primal->id] = true;              /* a later sweep differentiates adjoints */
        dot->record_of[record->adjoint->id] = k + 1;
    }
    for (int k = 0; k < all.count; k++)
        if (is_value(dot, all.at[k])) dot->drawn[all.at[k]->id] = true;
    hide_unused_constants(dot, &all);
    for (int k = 0; k < all.count; k++)
        if (dot->drawn[all.at[k]->id]) vec_push(ctx->arena, &dot->nodes, all.at[k]);
}

static void put_value(Dot *dot, const Node *node)
{
    bool leaf = op_info[node->op].class == CLASS_LEAF;
    const char *text = node->op == OP_param || !node->origin.name ? describe_node(dot->ctx, node)
                       : str_format(dot->ctx, "%s = %s", node->origin.name, describe_definition(dot->ctx, node));
    if (node->type->rank) text = str_format(dot->ctx, "%s\n%s", text, type_text(dot->ctx, node->type));
    text_printf(dot->out, "    n%d [shape=%s, label=", node->id, leaf ? "box" : "ellipse");
    put_quoted(dot->out, text);
    text_put(dot->out, "];\n");
}

static void put_cluster(Dot *dot, Role role, const char *name, const char *label)
{
    bool open = false;
    for (int k = 0; k < dot->nodes.count; k++) {
        if (dot->nodes.at[k]->origin.role != role) continue;
        if (!open) text_printf(dot->out, "  subgraph cluster_%s {\n    label=\"%s\";\n", name, label);
        open = true;
        put_value(dot, dot->nodes.at[k]);
    }
    if (open) text_put(dot->out, "  }\n");
}

static void put_records(Dot *dot)
{
    if (!dot->fn->adjoints.count) return;
    text_put(dot->out, "  subgraph cluster_reverse {\n    label=\"adjoints\";\n");
    for (int k = 0; k < dot->fn->adjoints.count; k++) {
        const AdjointRecord *record = &dot->fn->adjoints.at[k];
        const char *of = describe_node(dot->ctx, record->primal);
        text_printf(dot->out, "    r%d [shape=box, style=rounded, label=", k);
        put_quoted(dot->out,
                   str_format(dot->ctx, "adjoint of %s\n%s", of, describe_adjoint(dot->ctx, record->adjoint)));
        text_put(dot->out, "];\n");
    }
    text_put(dot->out, "  }\n");
}

static void put_value_edges(Dot *dot)
{
    for (int k = 0; k < dot->nodes.count; k++)
        for (int j = 0; j < dot->nodes.at[k]->operand_count; j++) {
            const Node *operand = dot->nodes.at[k]->operands[j];
            if (dot->drawn[operand->id]) text_printf(dot->out, "  n%d -> n%d;\n", operand->id, dot->nodes.at[k]->id);
        }
}

/* Records come in the order of the sweeps: the latest one of a consumer is that of the same sweep. */
static void put_rule_edges(Dot *dot)
{
    int *latest = NEW_ARRAY(dot->ctx->arena, int, graph_node_count(dot->ctx));    /* by node id: record + 1 */
    for (int k = 0; k < dot->fn->adjoints.count; k++) {
        const AdjointRecord *record = &dot->fn->adjoints.at[k];
        for (int j = 0; j < record->terms.count; j++) {
            const AdjointTerm *term = &record->terms.at[j];
            int from = term->consumer ? latest[term->consumer->id] : 0;
            if (!from) continue;
            text_printf(dot->out, "  r%d -> r%d [label=", from - 1, k);
            put_quoted(dot->out, str_format(dot->ctx, "%s: %s", op_info[term->consumer->op].name,
                                            describe_rule(dot->ctx, term->consumer, term->operand)));
            text_put(dot->out, "];\n");
        }
        text_printf(dot->out, "  n%d -> r%d [style=dotted, dir=none, constraint=false];\n", record->primal->id, k);
        latest[record->primal->id] = k + 1;
    }
}

static void put_results(Dot *dot)
{
    for (int k = 0; k < dot->fn->results.count; k++) {
        const Node *node = dot->fn->results.at[k].node;
        text_printf(dot->out, "  out%d [shape=box, peripheries=2, label=", k);
        put_quoted(dot->out, dot->fn->results.at[k].name);
        text_put(dot->out, "];\n");
        bool adjoint = dot->record_of[node->id] && node->origin.role == ROLE_ADJOINT;
        if (adjoint) text_printf(dot->out, "  r%d -> out%d;\n", dot->record_of[node->id] - 1, k);
        else if (dot->drawn[node->id]) text_printf(dot->out, "  n%d -> out%d;\n", node->id, k);
        else if (dot->record_of[node->id]) text_printf(dot->out, "  r%d -> out%d;\n", dot->record_of[node->id] - 1, k);
    }
}

void dot_print(Context *ctx, const Fn *fn, Text *out)
{
    Dot dot = {.ctx = ctx, .fn = fn, .out = out};
    collect(&dot);
    text_printf(out, "digraph %s {\n  rankdir=LR;\n", fn->name);
    put_cluster(&dot, ROLE_PRIMAL, "primal", "values");
    put_cluster(&dot, ROLE_TANGENT, "tangent", "tangents");
    put_cluster(&dot, ROLE_ADJOINT, "adjoint", "adjoints as values");
    put_records(&dot);
    put_value_edges(&dot);
    put_rule_edges(&dot);
    put_results(&dot);
    text_put(out, "}\n");
}
