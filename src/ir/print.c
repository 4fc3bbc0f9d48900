/* print.c: a function as adc source in three-address form, which compiles back to the identical graph and prints again
 * to the same text.
 *
 * Lines are in ascending id; in a body of a region, whose ids depend on what was closed before, they are in the order in
 * which its results need them.  Nodes that depend on no param may be shared with other functions of the compilation, so
 * their ids and names say nothing of this one: they stand, numbered, right before the first line that needs them. */
#include "print.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { LINE_WIDTH = 112 };

/* ---- which nodes have a line ------------------------------------------------------------------------------------- */
static void find_differentiated(Printer *p)
{
    for (int k = 0; k < p->nodes.count; k++) {
        const Node *n = p->nodes.at[k];
        bool *by = NEW_ARRAY(p->ctx->scratch, bool, n->operand_count + 1);
        node_find_by(p->ctx, n, by);
        for (int i = 0; i < n->operand_count; i++)
            p->differentiated[n->operands[i]->id] |= by[i];
    }
}

static void find_open(Printer *p)
{
    for (int k = 0; k < p->nodes.count; k++) {
        const Node *n = p->nodes.at[k];
        p->open[n->id] = n->op == OP_param || n->op == OP_bind;
        for (int i = 0; i < n->operand_count; i++)
            p->open[n->id] |= p->open[n->operands[i]->id];
    }
}

/* The value of a region is named by the region's block. */
static const Node *line_of(const Node *n) { return n->op == OP_result ? n->operands[0] : n; }

static void want_line(Printer *p, const Node *n, bool even_constant)
{
    if (n->op != OP_param && (!print_is_inline(n) || even_constant))
        p->has_line[line_of(n)->id] = true;
}

/* Whatever a result or another line names has a line, unless it is a param or written in place. */
static void find_lines(Printer *p)
{
    for (int k = 0; k < p->fn->results.count; k++)
        want_line(p, print_resolve(p, p->fn->results.at[k].node), false);
    for (int k = p->nodes.count - 1; k >= 0; k--) {
        if (!p->has_line[p->nodes.at[k]->id])
            continue;
        const Node *shown = print_shown(p, p->nodes.at[k]);
        for (int i = print_first_operand(shown); i < shown->operand_count; i++)
            want_line(p, print_operand(p, shown, i), print_needs_name(shown, i));
    }
}

/* ---- their order ------------------------------------------------------------------------------------------------- */
typedef struct { const Node *node; int next; } Visit;
typedef struct { Vec(Visit) stack; bool *added; } Order;

/* The line, after the closed lines that it needs and that are not there yet. */
static void add_line(Printer *p, Order *o, const Node *line)
{
    if (o->added[line->id])
        return;
    vec_push(p->ctx->scratch, &o->stack, ((Visit){ line, 0 }));
    while (o->stack.count) {
        Visit *top = &o->stack.at[o->stack.count - 1];
        const Node *shown = print_shown(p, top->node);
        if (top->next == shown->operand_count) {
            o->added[top->node->id] = true;
            vec_push(p->ctx->scratch, &p->lines, (Node *)(uintptr_t)top->node);
            o->stack.count--;
            continue;
        }
        const Node *x = line_of(print_operand(p, shown, top->next++));
        if (p->has_line[x->id] && (p->by_need || !p->open[x->id]) && !o->added[x->id])
            vec_push(p->ctx->scratch, &o->stack, ((Visit){ x, 0 }));
    }
}

static void order_lines(Printer *p)
{
    Order o = { .added = NEW_ARRAY(p->ctx->scratch, bool, graph_node_count(p->ctx)) };
    for (int k = 0; !p->by_need && k < p->nodes.count; k++)
        if (p->has_line[p->nodes.at[k]->id] && p->open[p->nodes.at[k]->id])
            add_line(p, &o, p->nodes.at[k]);
    for (int k = 0; k < p->fn->results.count; k++) {
        const Node *n = line_of(print_resolve(p, p->fn->results.at[k].node));
        if (p->has_line[n->id])
            add_line(p, &o, n);
    }
}

/* ---- their names ------------------------------------------------------------------------------------------------- */
/* Taken names; the value is the number that the next name like it gets. */
static bool take_name(Map *taken, Str name)
{
    if (map_get(taken, name))
        return false;
    map_put(taken, name, (void *)(intptr_t)2);
    return true;
}

static bool is_identifier(Str name)
{
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_')
            return false;
    return !isdigit((unsigned char)name[0]) && name[0];
}

/* Without `_2` at its end: what was numbered in a dump is numbered alike when the dump is compiled. */
Str print_name_stem(Context *ctx, Str name)
{
    size_t length = strlen(name), end = length;
    while (end > 0 && isdigit((unsigned char)name[end - 1]))
        end--;
    return end < length && end > 1 && name[end - 1] == '_' ? str_intern_n(ctx, name, (int)end - 1) : name;
}

Str print_take_name(Printer *p, Str wanted, const char *otherwise)
{
    Map *taken = p->names->taken;
    wanted = wanted && is_identifier(wanted) ? wanted : str_intern(p->ctx, otherwise);
    if (take_name(taken, wanted))
        return wanted;
    Str stem = print_name_stem(p->ctx, wanted), name;
    take_name(taken, stem);
    intptr_t number = (intptr_t)map_get(taken, stem);
    do
        name = str_format(p->ctx, "%s_%d", stem, (int)number++);
    while (!take_name(taken, name));
    map_put(taken, stem, (void *)number);
    return name;
}

static Str next_number(Printer *p)
{
    Str name;
    do
        name = str_format(p->ctx, "n%d", ++p->names->number);
    while (!take_name(p->names->taken, name));
    return name;
}

static void take_reserved(Printer *p)
{
    static const char *const words[] = {
        "and", "bool", "const", "derivative", "else", "export", "extern", "false", "fn", "for", "if", "import", "in",
        "int", "max_trips", "mut", "not", "or", "param", "real", "test", "true", "while", "within", "pi", "inf", "nan",
        "_",
    };
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        take_name(p->names->taken, str_intern(p->ctx, words[k]));
    for (int k = 0; k < p->fn->params.count; k++) {
        p->name[p->fn->params.at[k].node->id] = p->fn->params.at[k].name;
        take_name(p->names->taken, p->fn->params.at[k].name);
    }
    for (int k = 0; k < p->fn->results.count; k++)
        take_name(p->names->taken, p->fn->results.at[k].name);
}

static bool is_number(Str name)
{
    size_t digits = strspn(name + 1, "0123456789");
    return name[0] == 'n' && digits > 0 && name[1 + digits] == 0;
}

/* The source's name, or NULL.  What a shared node is called says as little of this function as its id, and a number that
 * another print gave says nothing. */
static Str source_name(const Printer *p, const Node *n)
{
    Str name = p->open[n->id] ? n->origin.name : NULL;
    return name && is_identifier(name) && !is_number(name) ? name : NULL;
}

/* A result's line carries the result's name, unless the source had another for that value. */
static void name_results(Printer *p)
{
    for (int k = 0; k < p->fn->results.count; k++) {
        const Node *n = print_resolve(p, p->fn->results.at[k].node);
        Str name = p->fn->results.at[k].name, source = source_name(p, n);
        if (name && p->has_line[line_of(n)->id] && !p->name[n->id] && (!source || source == name))
            p->name[n->id] = name;
    }
}

static void name_lines(Printer *p)
{
    name_results(p);
    for (int k = 0; k < p->lines.count; k++) {
        const Node *n = p->lines.at[k];
        if (node_is_region(n))
            print_name_values(p, n, false);
        else if (!p->name[n->id] && source_name(p, n))
            p->name[n->id] = print_take_name(p, source_name(p, n), "n");
    }
    for (int k = 0; k < p->lines.count; k++) {
        const Node *n = p->lines.at[k];
        if (node_is_region(n))
            print_name_values(p, n, true);
        else if (!p->name[n->id])
            p->name[n->id] = next_number(p);
    }
}

/* ---- text -------------------------------------------------------------------------------------------------------- */
/* When all real inputs are `param`, the word says nothing. */
static bool all_real_are_param(const Fn *fn)
{
    for (int k = 0; k < fn->params.count; k++)
        if (!fn->params.at[k].is_param && fn->params.at[k].node->type->elem == ELEM_REAL)
            return false;
    return true;
}

/* `name: type` after a comma, on the line that begins at `start` or, when that is full, on the next. */
static void put_declaration(Printer *p, bool first, const char *word, Str name, const Node *n, size_t *start)
{
    const char *text = str_format(p->ctx, "%s%s: %s", word, name, type_text(p->ctx, n->type));
    text_put(p->out, first ? "" : ",");
    if (!first && p->out->length - *start + strlen(text) > LINE_WIDTH) {
        text_put(p->out, "\n        ");
        *start = p->out->length - 8;
        first = true;
    }
    text_printf(p->out, "%s%s", first ? "" : " ", text);
}

static void put_signature(Printer *p)
{
    const Fn *fn = p->fn;
    size_t start = p->out->length;
    bool plain = all_real_are_param(fn);
    text_printf(p->out, "fn %s(", fn->name);
    for (int k = 0; k < fn->params.count; k++)
        put_declaration(p, k == 0, fn->params.at[k].is_param && !plain ? "param " : "", fn->params.at[k].name,
                        fn->params.at[k].node, &start);
    text_put(p->out, ") -> (");
    for (int k = 0; k < fn->results.count; k++)
        put_declaration(p, k == 0, "", fn->results.at[k].name, fn->results.at[k].node, &start);
    text_put(p->out, ") {\n");
}

static bool result_accumulates(const Fn *fn, Str name)
{
    for (int k = 0; k < fn->results.count; k++)
        if (fn->results.at[k].name == name)
            return fn->results.at[k].accumulate;
    return false;
}

static void put_end_of_line(Printer *p, Str name)
{
    text_printf(p->out, ";%s\n", result_accumulates(p->fn, name) ? "  # added to what the array holds" : "");
}

/* hvp by several values gives as many; the others are ignored. */
static void put_line(Printer *p, const Node *n)
{
    const Node *shown = print_shown(p, n);
    int64_t count = shown->op == OP_hvp ? shown->attr[0] : 1, place = shown->op == OP_hvp ? shown->attr[1] : 0;
    print_indent(p);
    for (int64_t k = 0; k < count; k++)
        text_printf(p->out, "%s%s", k ? ", " : "", k == place ? p->name[n->id] : "_");
    text_put(p->out, " = ");
    print_expression(p, n);
    put_end_of_line(p, p->name[n->id]);
}

static void put_result(Printer *p, const Result *r)
{
    const Node *n = print_resolve(p, r->node);
    if (p->name[n->id] == r->name)
        return;
    text_printf(p->out, "    %s = ", r->name);
    print_reference(p, n, false);
    put_end_of_line(p, r->name);
}

void print_indent(Printer *p)
{
    text_printf(p->out, "%*s", p->indent, "");
}

/* ---- scopes and functions ---------------------------------------------------------------------------------------- */
Printer print_scope(Context *ctx, const Fn *fn, Text *out, PrintNames *names, int indent)
{
    int count = graph_node_count(ctx);
    Printer p = { .ctx = ctx, .fn = fn, .out = out, .names = names, .indent = indent,
                  .differentiated = NEW_ARRAY(ctx->scratch, bool, count),
                  .has_line = NEW_ARRAY(ctx->scratch, bool, count), .open = NEW_ARRAY(ctx->scratch, bool, count),
                  .name = NEW_ARRAY(ctx->scratch, Str, count), .values = map_new(ctx->scratch) };
    fn_nodes(ctx, fn, ctx->scratch, &p.nodes);
    return p;
}

void print_prepare(Printer *p)
{
    find_differentiated(p);
    find_open(p);
    find_lines(p);
    order_lines(p);
    name_lines(p);
}

void print_lines(Printer *p)
{
    for (int k = 0; k < p->lines.count; k++) {
        if (node_is_region(p->lines.at[k]))
            print_region(p, p->lines.at[k]);
        else
            put_line(p, p->lines.at[k]);
    }
}

void print_function(Context *ctx, const Fn *fn, Text *out, PrintNames *names, bool by_need)
{
    Printer p = print_scope(ctx, fn, out, names, 4);
    p.by_need = by_need;
    take_reserved(&p);
    print_prepare(&p);
    put_signature(&p);
    print_lines(&p);
    for (int k = 0; k < fn->results.count; k++)
        put_result(&p, &fn->results.at[k]);
    text_put(out, "}\n");
}

void print_fn(Context *ctx, const Fn *fn, Text *out)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Text body = { .arena = ctx->arena }, helpers = { .arena = ctx->arena };
    PrintNames names = { .taken = map_new(ctx->arena), .stem = fn->name, .helpers = &helpers };
    print_function(ctx, fn, &body, &names, false);
    text_printf(out, "%s%sexport %s;\n", helpers.text ? helpers.text : "", body.text, fn->name);
    arena_release(ctx->scratch, mark);
}
