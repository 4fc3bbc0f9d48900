/* print_region.c: loops and branches as statements over muts, which the front end makes the same regions of.
 *
 * A carry is a mut of the loop; a stack is a mut array of which row `index` is set; the value of a branch is a mut that both
 * sides set.  A while counts its trips in a mut of its own where something reads them. */
#include "print.h"

static bool is_while(const Node *n) { return n->op == OP_while_loop; }
static int carries_of(const Node *n) { return n->op == OP_branch ? 0 : (int)n->attr[1]; }

/* ---- names --------------------------------------------------------------------------------------------------------- */
static const Node *value_node(const Printer *p, const Node *region, int k)
{
    for (int i = 0; i < p->nodes.count; i++)
        if (p->nodes.at[i]->op == OP_result && p->nodes.at[i]->operands[0] == region && p->nodes.at[i]->attr[0] == k)
            return p->nodes.at[i];
    return NULL;
}

/* What the source called the value: as a carry, or as what came out. */
static Str wanted_name(const Node *region, int k, const Node *value)
{
    Str carry = k < carries_of(region) ? region->body[0]->params.at[1 + k].node->origin.name : NULL;
    return carry ? carry : value ? value->origin.name : NULL;
}

void print_name_values(Printer *p, const Node *region, bool by_number)
{
    int count = region_result_count(region);
    Str *names = map_get(p->values, region);
    if (!names)
        map_put(p->values, region, names = NEW_ARRAY(p->ctx->scratch, Str, count + 1));
    for (int k = 0; k < count; k++) {
        const Node *value = value_node(p, region, k);
        Str wanted = wanted_name(region, k, value);
        if (!names[k] && value && p->name[value->id])
            names[k] = p->name[value->id];                  /* that of the function's result */
        else if (!names[k] && wanted && !by_number)
            names[k] = print_take_name(p, wanted, "n");
        else if (!names[k] && by_number)
            names[k] = print_take_name(p, NULL, k < carries_of(region) ? "carried" : "value");
        if (value)
            p->name[value->id] = names[k];
    }
}

/* ---- pieces -------------------------------------------------------------------------------------------------------- */
static void put_start(Printer *p, Str name, const Type *type)
{
    print_indent(p);
    text_printf(p->out, "mut %s: %s = %s;\n", name, type_text(p->ctx, type),
                type->elem == ELEM_REAL ? "0.0" : type->elem == ELEM_INT ? "0" : "false");
}

static void put_set(Printer *p, const char *name, const Printer *scope, const Node *value)
{
    Printer at = *scope;
    at.out = p->out;
    print_indent(&at);
    text_printf(p->out, "%s = ", name);
    print_reference(&at, print_resolve(&at, value), false);
    text_put(p->out, ";\n");
}

/* How an operand of the region is written within its bodies. */
static Str operand_text(Printer *p, const Node *region, int k)
{
    Text text = { .arena = p->ctx->arena };
    Printer at = *p;
    at.out = &text;
    print_reference(&at, print_operand(p, region, k), true);
    return str_intern(p->ctx, text.text);
}

/* The scope of a body, with the names of the captures. */
static Printer body_scope(Printer *p, const Node *region, const Fn *body)
{
    Printer inner = print_scope(p->ctx, body, p->out, p->names, p->indent + 4);
    int own = region_own_count(region), leading = region_leading_count(region);
    inner.by_need = true;
    for (int k = own; k < body->params.count; k++)
        inner.name[body->params.at[k].node->id] = operand_text(p, region, leading + k - own);
    return inner;
}

static bool reads(const Printer *inner, const Node *param)
{
    for (int k = 0; k < inner->nodes.count; k++)
        if (inner->nodes.at[k] == param)
            return true;
    return false;
}

/* ---- loops ---------------------------------------------------------------------------------------------------------- */
/* The next carry is another carry, which is overwritten before it: its value is kept under a name. */
static bool is_overwritten(const Printer *inner, const Node *region, int k)
{
    const Fn *body = region->body[0];
    const Node *next = print_resolve(inner, body->results.at[is_while(region) + k].node);
    for (int j = 0; j < k; j++)
        if (body->params.at[1 + j].node == next)
            return true;
    return false;
}

static void put_next_values(Printer *p, Printer *inner, const Node *region, const Str *names, Str counter)
{
    const Fn *body = region->body[0];
    int carries = carries_of(region), first = is_while(region);
    Str *kept = NEW_ARRAY(p->ctx->scratch, Str, carries + 1);
    for (int k = carries; k < body->results.count - first; k++)
        put_set(p, str_format(p->ctx, "%s[%s]", names[k], counter), inner, body->results.at[first + k].node);
    for (int k = 0; k < carries; k++)
        if (is_overwritten(inner, region, k)) {
            kept[k] = print_take_name(p, NULL, "kept");
            put_set(p, kept[k], inner, body->results.at[first + k].node);
        }
    for (int k = 0; k < carries; k++) {
        if (kept[k]) {
            print_indent(inner);
            text_printf(p->out, "%s = %s;\n", names[k], kept[k]);
        } else {
            put_set(p, names[k], inner, body->results.at[first + k].node);
        }
    }
    if (first && counter) {
        print_indent(inner);
        text_printf(p->out, "%s = %s + 1;\n", counter, counter);
    }
}

static void put_loop_start(Printer *p, const Node *region, const Str *names)
{
    int carries = carries_of(region), leading = region_leading_count(region) - carries;
    for (int k = 0; k < carries; k++) {
        print_indent(p);
        text_printf(p->out, "mut %s = ", names[k]);
        print_reference(p, print_operand(p, region, leading + k), false);
        text_put(p->out, ";\n");
    }
    for (int k = carries; k < region->body[0]->results.count - is_while(region); k++)
        put_start(p, names[k], node_result_type(p->ctx, region, k));
}

static void put_for_head(Printer *p, const Node *region, Str index)
{
    const Node *trips = print_operand(p, region, 0);
    print_indent(p);
    text_printf(p->out, "for %s in 0..", index);
    print_reference(p, trips, false);
    if (trips->op != OP_constant || trips->data[0] != (double)region->attr[0])
        text_printf(p->out, " max_trips %lld", (long long)region->attr[0]);
    if (region->attr[2])
        text_printf(p->out, " checkpoint(%lld)", (long long)region->attr[2]);
    text_put(p->out, " {\n");
}

static void name_carries(Printer *inner, const Node *region, const Str *names)
{
    for (int k = 0; k < carries_of(region); k++)
        inner->name[region->body[0]->params.at[1 + k].node->id] = names[k];
}

static void print_for(Printer *p, const Node *region, const Str *names)
{
    Printer inner = body_scope(p, region, region->body[0]);
    const Node *index = region->body[0]->params.at[0].node;
    inner.name[index->id] = print_take_name(p, index->origin.name, "i");
    name_carries(&inner, region, names);
    print_prepare(&inner);
    put_loop_start(p, region, names);
    put_for_head(p, region, inner.name[index->id]);
    print_lines(&inner);
    put_next_values(p, &inner, region, names, inner.name[index->id]);
}

/* ---- while: its condition is one expression ------------------------------------------------------------------------- */
static bool is_one_expression(const Printer *inner, const Node *condition)
{
    if (condition->op == OP_param || print_is_inline(condition))
        return true;
    for (int k = 0; k < condition->operand_count; k++) {
        const Node *x = print_operand(inner, condition, k);
        if (x->op != OP_param && !print_is_inline(x))
            return false;
    }
    return !node_is_region(condition) && condition->op != OP_result;
}

/* A condition that takes several lines is a function of what it reads. */
static void put_condition_call(Printer *p, const Printer *inner, Node *condition, int carries)
{
    Context *ctx = p->ctx;
    Fn *fn = NEW(ctx->arena, Fn);
    NodeList nodes = { 0 };
    Map *read = map_new(ctx->scratch);
    PrintNames names = { .taken = map_new(ctx->arena), .helpers = p->names->helpers };
    Printer taker = { .ctx = ctx, .names = &names };
    fn->name = str_format(ctx, "%s_condition%d", p->names->stem, ++p->names->helper_count);
    names.stem = fn->name;
    nodes_reaching(ctx, &condition, 1, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        map_put(read, nodes.at[k], nodes.at[k]);
    text_printf(p->out, "%s(", fn->name);
    for (int k = 0; k < inner->fn->params.count; k++) {
        Node *n = inner->fn->params.at[k].node;
        if (!map_get(read, n))
            continue;
        text_printf(p->out, "%s%s", fn->params.count ? ", " : "", inner->name[n->id]);
        bool is_own = k <= carries;                         /* what a capture is called depends on who captured it first */
        Str stem = is_own && n->origin.name ? print_name_stem(ctx, n->origin.name) : NULL;
        vec_push(ctx->arena, &fn->params, ((Param){ .name = print_take_name(&taker, stem, "x"), .node = n }));
    }
    text_put(p->out, ")");
    vec_push(ctx->arena, &fn->results, ((Result){ .name = str_intern(ctx, "holds"), .node = condition }));
    Text text = { .arena = ctx->arena };
    names.taken = map_new(ctx->arena);
    fn = fn_tidy_regions(ctx, fn);                          /* what only the body reads of a loop that both need goes */
    print_function(ctx, fn, &text, &names, true);
    text_put(p->names->helpers, text.text);
}

static void put_while_head(Printer *p, Printer *inner, const Node *region)
{
    Node *condition = region->body[0]->results.at[0].node;
    Printer at = *inner;
    at.out = p->out;
    print_indent(p);
    text_put(p->out, "while ");
    if (!is_one_expression(inner, condition))
        put_condition_call(p, inner, condition, carries_of(region));
    else if (condition->op == OP_param || print_is_inline(condition))
        print_reference(&at, condition, false);
    else
        print_expression(&at, condition);
    text_printf(p->out, " max_trips %lld {\n", (long long)region->attr[0]);
}

static void print_while(Printer *p, const Node *region, const Str *names)
{
    const Node *index = region->body[0]->params.at[0].node;
    int carries = carries_of(region), stacks = region->body[0]->results.count - 1 - carries;
    Fn *next = arena_copy(p->ctx->arena, region->body[0], sizeof *next);
    next->results.at++;                                     /* the lines are those of the values; the condition has its own */
    next->results.count--;
    Printer inner = body_scope(p, region, next), whole = body_scope(p, region, region->body[0]);
    Str counter = NULL;
    if (reads(&whole, index) || stacks || value_node(p, region, carries + stacks))
        counter = names[carries + stacks];
    inner.name[index->id] = counter;
    name_carries(&inner, region, names);
    print_prepare(&inner);
    put_loop_start(p, region, names);
    if (counter) {
        print_indent(p);
        text_printf(p->out, "mut %s = 0;\n", counter);
    }
    put_while_head(p, &inner, region);
    print_lines(&inner);
    put_next_values(p, &inner, region, names, counter);
}

/* ---- branches -------------------------------------------------------------------------------------------------------- */
static void put_side(Printer *p, const Node *region, const Fn *body, const Str *names)
{
    Printer inner = body_scope(p, region, body);
    print_prepare(&inner);
    print_lines(&inner);
    for (int k = 0; k < body->results.count; k++)
        put_set(p, names[k], &inner, body->results.at[k].node);
}

static void print_branch(Printer *p, const Node *region, const Str *names)
{
    for (int k = 0; k < region->body[0]->results.count; k++)
        put_start(p, names[k], region->body[0]->results.at[k].node->type);
    print_indent(p);
    text_put(p->out, "if ");
    print_reference(p, print_operand(p, region, 0), false);
    text_put(p->out, " {\n");
    put_side(p, region, region->body[0], names);
    print_indent(p);
    text_put(p->out, "} else {\n");
    put_side(p, region, region->body[1], names);
}

void print_region(Printer *p, const Node *region)
{
    ArenaMark mark = arena_mark(p->ctx->scratch);
    const Str *names = map_get(p->values, region);
    if (region->op == OP_loop)
        print_for(p, region, names);
    else if (region->op == OP_while_loop)
        print_while(p, region, names);
    else
        print_branch(p, region, names);
    print_indent(p);
    text_put(p->out, "}\n");
    arena_release(p->ctx->scratch, mark);
}
