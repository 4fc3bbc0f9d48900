/* print_declared.c: the declarations that printed functions need: C functions of the user, and functions whose derivative is
 * declared, with these derivatives. */
#include "print.h"

typedef Vec(const Fn *) FnList;
typedef struct { Context *ctx; bool *used; FnList seen; } Search;   /* used: by number of ScalarFn */

static void use(Search *s, int which)
{
    const ScalarFn *f = scalar_fn(s->ctx, which);
    if (s->used[which])
        return;
    s->used[which] = true;
    if (!f->is_extern)
        vec_push(s->ctx->scratch, &s->seen, f->fn);
    if (f->rule)
        vec_push(s->ctx->scratch, &s->seen, f->rule);
}

/* Bodies and rules are searched when their turn comes. */
static void search(Search *s, const Fn *fn)
{
    NodeList nodes = { 0 };
    fn_nodes(s->ctx, fn, s->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        for (int b = 0; b < 2 && n->body[b]; b++)
            vec_push(s->ctx->scratch, &s->seen, n->body[b]);
        if (n->op == OP_call || n->op == OP_override)
            use(s, (int)n->attr[0]);
    }
}

/* ---- text -------------------------------------------------------------------------------------------------------- */
static void put_function(Context *ctx, const Fn *fn, Text *out)
{
    Text body = { .arena = ctx->arena }, helpers = { .arena = ctx->arena };
    PrintNames names = { .taken = map_new(ctx->arena), .stem = fn->name, .helpers = &helpers };
    print_function(ctx, fn, &body, &names, false);
    text_printf(out, "%s%s", helpers.text ? helpers.text : "", body.text);
}

/* An ordinary function: its body as it was before the declaration. */
static void put_body(Context *ctx, const ScalarFn *f, Text *out)
{
    Result result = { .name = f->fn->results.at[0].name, .node = f->fn->results.at[0].node->operands[0] };
    Fn plain = *f->fn;
    plain.results.at = &result;
    put_function(ctx, &plain, out);
}

static void put_extern(Context *ctx, const ScalarFn *f, Text *out)
{
    text_printf(out, "extern fn %s(", f->name);
    for (int k = 0; k < f->arity; k++)
        text_printf(out, "%s%s: %s", k ? ", " : "", f->names[k], type_text(ctx, type_scalar(ctx, f->elems[k])));
    text_put(out, ") -> real;\n");
}

static bool is_param_name(const Fn *fn, Str name)
{
    for (int k = 0; k < fn->params.count; k++)
        if (fn->params.at[k].name == name)
            return true;
    return false;
}

/* A function per partial derivative: the rule may be more than an expression can say. */
static void put_partial(Context *ctx, const ScalarFn *f, const Result *partial, Text *out)
{
    Str name = str_intern(ctx, "partial");
    while (is_param_name(f->rule, name))
        name = str_format(ctx, "%s_", name);
    Result result = { .name = name, .node = partial->node };
    Fn plain = *f->rule;
    plain.name = str_format(ctx, "%s_by_%s", f->name, partial->name);
    plain.results.at = &result;
    plain.results.count = 1;
    put_function(ctx, &plain, out);
}

static void put_names(const Fn *rule, int count, Text *out)
{
    for (int k = 0; k < count; k++)
        text_printf(out, "%s%s", k ? ", " : "", rule->params.at[k].name);
}

static void put_rule(Context *ctx, const ScalarFn *f, Text *out)
{
    const Fn *rule = f->rule;
    for (int k = 0; k < rule->results.count; k++)
        put_partial(ctx, f, &rule->results.at[k], out);
    text_printf(out, "derivative %s(", f->name);
    put_names(rule, f->arity, out);
    text_put(out, ") = (");
    for (int k = 0; k < rule->results.count; k++) {
        text_printf(out, "%s%s_by_%s(", k ? ", " : "", f->name, rule->results.at[k].name);
        put_names(rule, rule->params.count, out);
        text_put(out, ")");
    }
    text_put(out, ");\n");
}

void print_declarations(Context *ctx, Fn *const *fns, int count, Text *out)
{
    int declared = scalar_fn_count(ctx);
    ArenaMark mark = arena_mark(ctx->scratch);
    Search s = { .ctx = ctx, .used = NEW_ARRAY(ctx->scratch, bool, declared + 1) };
    for (int k = 0; k < count && declared; k++)
        vec_push(ctx->scratch, &s.seen, fns[k]);
    for (int k = 0; k < s.seen.count; k++)
        search(&s, s.seen.at[k]);
    for (int k = 0; k < declared; k++) {
        const ScalarFn *f = scalar_fn(ctx, k);
        if (s.used[k])
            (f->is_extern ? put_extern : put_body)(ctx, f, out);
        if (s.used[k] && f->rule)
            put_rule(ctx, f, out);
    }
    arena_release(ctx->scratch, mark);
}
