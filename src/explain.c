/* explain.c: --explain: the adjoints of a value or of a whole export, term by term, with the rule of each.
 *
 * Everything comes from the records that the reverse sweep left; this file only says it in words. */
#include "driver.h"
#include "pass.h"

#include <string.h>

typedef struct Explain {
    Context *ctx;
    const Fn *fn;
    NodeList *readers;                                      /* by node id: the adjoints that read the value */
    int *latest;                                            /* by node id: its latest record so far + 1, 0 for none */
    Text out;
} Explain;

static bool is_result(const Fn *fn, const Node *node)
{
    for (int k = 0; k < fn->results.count; k++)
        if (fn->results.at[k].node == node) return true;
    return false;
}

static void find_readers(Explain *e)
{
    NodeList nodes = {0};
    fn_nodes(e->ctx, e->fn, e->ctx->arena, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        Node *node = nodes.at[k];
        if (node->origin.role != ROLE_ADJOINT) continue;
        for (int j = 0; j < node->operand_count; j++) {
            NodeList *readers = &e->readers[node->operands[j]->id];
            if (!readers->count || readers->at[readers->count - 1] != node) vec_push(e->ctx->arena, readers, node);
        }
    }
}

/* Which adjoints read the primal value: it must be there when they are computed. */
static void put_readers(Explain *e, const Node *primal)
{
    const NodeList *readers = &e->readers[primal->id];
    if (readers->count) {
        text_put(&e->out, "  needed for the reverse part: read by ");
        for (int k = 0; k < readers->count; k++)
            text_printf(&e->out, "%s%s", k ? ", " : "", describe_node(e->ctx, readers->at[k]));
        text_char(&e->out, '\n');
    } else if (primal->op == OP_param) text_put(&e->out, "  an input; no adjoint reads it\n");
    else if (is_result(e->fn, primal)) text_put(&e->out, "  a result; no adjoint reads it\n");
    else text_put(&e->out, "  dropped after its last use in the forward part: no adjoint reads it\n");
}

/* `x is a, w is b` for the letters of the rule. */
static void put_letters(Explain *e, const Node *consumer)
{
    Context *ctx = e->ctx;
    if (op_info[consumer->op].class != CLASS_LINEAR)
        for (int k = 0; k < consumer->operand_count && k < 3; k++)
            text_printf(&e->out, "%c is %s, ", "xwv"[k], describe_node(ctx, consumer->operands[k]));
    int record = e->latest[consumer->id];
    if (record) text_printf(&e->out, "g is %s", describe_node(ctx, e->fn->adjoints.at[record - 1].adjoint));
    else text_printf(&e->out, "g is the adjoint of %s", describe_node(ctx, consumer));
}

static void put_term(Explain *e, const AdjointTerm *term)
{
    Context *ctx = e->ctx;
    const Node *consumer = term->consumer;
    if (!consumer) {
        text_printf(&e->out, "    the seed %s\n", describe_node(ctx, term->term));
        return;
    }
    const char *place = describe_place(ctx, consumer->origin.span);
    text_printf(&e->out, "    %s through %s", describe_node(ctx, term->term),
                consumer->origin.name ? consumer->origin.name : "");
    text_printf(&e->out, "%s%s%s%s%s\n", consumer->origin.name ? " = " : "", describe_definition(ctx, consumer),
                *place ? " (" : "", place, *place ? ")" : "");
    text_printf(&e->out, "      rule of %s for operand %d: %s; ", op_info[consumer->op].name, term->operand + 1,
                describe_rule(ctx, consumer, term->operand));
    put_letters(e, consumer);
    text_char(&e->out, '\n');
}

static void put_record(Explain *e, int index)
{
    const AdjointRecord *record = &e->fn->adjoints.at[index];
    const Node *primal = record->primal;
    const char *place = describe_place(e->ctx, primal->origin.span);
    if (primal->origin.name) text_printf(&e->out, "%s = ", primal->origin.name);
    text_printf(&e->out, "%s%s%s\n", describe_definition(e->ctx, primal), *place ? "    " : "", place);
    put_readers(e, primal);
    text_printf(&e->out, "  adjoint: %s", describe_adjoint(e->ctx, record->adjoint));
    text_printf(&e->out, record->terms.count > 1 ? ", the sum of %d terms\n" : "\n", record->terms.count);
    for (int k = 0; k < record->terms.count; k++) put_term(e, &record->terms.at[k]);
}

/* ---- in loops ------------------------------------------------------------------------------------------------------ */
static void put_kept(Explain *e, const KeepNote *note)
{
    static const char *const in_loop[] = {
        "dropped: the backward loop does not read it", "computed again in each trip of the backward loop",
        "saved in every trip for the backward loop"};
    static const char *const in_split[] = {
        "dropped: the second function does not read it", "computed again by the second function, from its inputs and the tape",
        "saved on the tape for the second function"};
    const char *place = describe_place(e->ctx, note->loop);
    if (*place) text_printf(&e->out, "  in the loop of %s: %s", place, in_loop[note->how]);
    else text_printf(&e->out, "  %s", in_split[note->how]);
    if (note->how == KEEP_SAVED)
        text_printf(&e->out, ", %lld element%s", (long long)note->node->type->count,
                    note->node->type->count == 1 ? "" : "s");
    text_char(&e->out, '\n');
}

static void put_inner(Explain *e, const AdjointRecord *record)
{
    text_printf(&e->out, "  its adjoint there: %s", describe_adjoint(e->ctx, record->adjoint));
    text_printf(&e->out, record->terms.count > 1 ? ", the sum of %d terms\n" : "\n", record->terms.count);
    for (int k = 0; k < record->terms.count; k++) put_term(e, &record->terms.at[k]);
}

/* The values with names in the bodies of loops, and of a split: what is kept of them, and their adjoints. */
static bool explain_kept(Explain *e, Str only)
{
    const Fn *fn = e->fn;
    bool found = false;
    for (int k = 0; k < fn->kept.count; k++) {
        const KeepNote *note = &fn->kept.at[k];
        const char *place = describe_place(e->ctx, note->node->origin.span);
        if (only && note->node->origin.name != only) continue;
        if (!found && !e->out.length) text_printf(&e->out, "%s: %s\n", fn->name, fn->doc ? fn->doc : "");
        bool carried = note->node->op == OP_param;
        text_printf(&e->out, "\n%s%s%s%s%s\n", note->node->origin.name, carried ? ", carried" : " = ",
                    carried ? "" : describe_definition(e->ctx, note->node), *place ? "    " : "", place);
        put_kept(e, note);
        for (int i = 0; i < fn->inner.count; i++)
            if (fn->inner.at[i].primal == note->node) put_inner(e, &fn->inner.at[i]);
        found = true;
    }
    return found;
}

/* `only`: the name of one value, or NULL for all.  False when nothing was said. */
static bool explain_fn(Context *ctx, const Fn *fn, Str only)
{
    Explain e = {.ctx = ctx, .fn = fn, .out = {.arena = ctx->arena}};
    bool found = false;
    e.readers = NEW_ARRAY(ctx->arena, NodeList, graph_node_count(ctx));
    find_readers(&e);
    e.latest = NEW_ARRAY(ctx->arena, int, graph_node_count(ctx));
    for (int k = 0; k < fn->adjoints.count; k++) {
        const Node *primal = fn->adjoints.at[k].primal;
        if (only && primal->origin.name != only) {
            e.latest[primal->id] = k + 1;
            continue;
        }
        if (!found) text_printf(&e.out, "%s: %s\n\n", fn->name, fn->doc ? fn->doc : "");
        else text_char(&e.out, '\n');
        put_record(&e, k);
        e.latest[primal->id] = k + 1;
        found = true;
    }
    if (explain_kept(&e, only)) found = true;
    if (!found && !only)
        text_printf(&e.out, "%s takes no derivative in reverse mode: there are no adjoints\n", fn->name);
    if (e.out.length) fwrite(e.out.text, 1, e.out.length, stdout);
    return found || !only;
}

static bool is_about(const ExportSpec *spec, Str name)
{
    const Transform *t = spec->transform;
    while (t->inner) t = t->inner;
    return spec->name == name || t->function == name;
}

int command_explain(Context *ctx, Module *module, const Command *command)
{
    Fn **fns = pass_run_module(ctx, module);
    if (!fns) return EXIT_INPUT;
    bool whole = false, found = false;
    for (int k = 0; k < module->exports.count; k++)
        if (is_about(module->exports.at[k], command->target)) whole = true;
    for (int k = 0; k < module->exports.count; k++) {
        if (whole && !is_about(module->exports.at[k], command->target)) continue;
        if (found && whole) putchar('\n');
        if (explain_fn(ctx, fns[k], whole ? NULL : command->target)) found = true;
        Str plan = budget_text(ctx, module->exports.at[k], "  ");
        if (plan && whole) printf("\nto stay within the budget of memory:\n%s", plan);
        plan = lanes_text(ctx, fns[k], "  ");
        if (plan && whole) printf("\nin lanes:\n%s", plan);
    }
    if (found) return EXIT_DONE;
    error_plain(ctx, "no export or function is called '%s', and no value of that name has an adjoint", command->target);
    return EXIT_USAGE;
}
