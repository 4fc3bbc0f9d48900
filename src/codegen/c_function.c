/* c_function.c: one C function: documentation, signature, locals, body.  The order of the parameters is the contract:
 * inputs, outputs, work; the tape of a split is the last input or the last output. */
#include "loop.h"

#include <inttypes.h>
#include <string.h>

static void put_count(Text *out, int64_t count, const char *what, bool *any)
{
    if (!count)
        return;
    text_printf(out, "%s%" PRId64 " %s", *any ? ", " : "", count, what);
    *any = true;
}

/* The text of a comment, broken into lines of its own. */
static void put_wrapped(Text *out, const char *text, int column)
{
    enum { WIDTH = 110 };
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + (int)word > WIDTH) {
            text_put(out, "\n *");
            column = 2;
        }
        text_printf(out, " %.*s", (int)word, text);
        column += (int)word + 1;
        text += word + (text[word] == ' ');
    }
}

static bool accumulates(const Function *f)
{
    for (int k = 0; k < f->params.count; k++)
        if (f->params.at[k].accumulates)
            return true;
    return false;
}

void c_documentation(Printer *p, const Function *f)
{
    const Costs *c = &f->costs;
    Text text = { .arena = p->ctx->arena };
    bool any = false, is_static = p->ctx->options.work_static;
    text_put(p->out, "/*");
    put_wrapped(p->out, f->fn->doc ? f->fn->doc : f->name, 2);
    text_put(p->out, "\n *");
    text_put(&text, "Cost: ");
    put_count(&text, c->adds, "add", &any);
    put_count(&text, c->muls, "mul", &any);
    put_count(&text, c->divs, "div", &any);
    put_count(&text, c->compares, "compare", &any);
    put_count(&text, c->calls, "libm", &any);
    text_put(&text, any ? ". " : "nothing but moves. ");
    if (c->work_elements)
        text_printf(&text, "Workspace: %" PRId64 " elements, %" PRId64 " bytes%s. ", c->work_elements, c->work_bytes,
                    is_static ? ", static: the function is not reentrant" : "");
    else
        text_put(&text, "Workspace: none. ");
    if (c->tape_elements)
        text_printf(&text, "Tape: %" PRId64 " elements, %" PRId64 " bytes. ", c->tape_elements, c->tape_bytes);
    else if (f->tape_macro)
        text_put(&text, "Tape: none. ");
    text_printf(&text, "Stack: at most %" PRId64 " bytes.", c->stack_bytes);
    if (c->constant_bytes)
        text_printf(&text, " Constants: %" PRId64 " bytes.", c->constant_bytes);
    if (accumulates(f))
        text_put(&text, " Results marked += are added to what is there.");
    put_wrapped(p->out, text.text, 2);
    text_put(p->out, " */\n");
}

/* ---- signature ------------------------------------------------------------------------------------------------- */
static bool has_work(const Printer *p, const Function *f)
{
    return f->costs.work_elements && !p->ctx->options.work_static;
}

static bool has_arrays(const Printer *p, const Function *f)
{
    bool arrays = has_work(p, f);
    for (int k = 0; k < f->signature.count; k++)
        arrays |= f->signature.at[k].type->rank > 0;
    return arrays;
}

static Str restrict_name(const Printer *p)
{
    Str prefix = p->ctx->options.prefix;
    return str_format(p->ctx, "%sRESTRICT", name_macro(p->ctx, prefix[0] ? prefix : "ADC_"));
}

static Str parameter_text(const Printer *p, const Parameter *q, bool restricted)
{
    const char *type = c_type(p, q->type->elem);
    if (q->scalar)
        return str_format(p->ctx, "%s %s", type, q->name);
    const char *space = restricted ? " " : "";
    return str_format(p->ctx, "%s%s *%s%s%s", q->is_output ? "" : "const ", type, restricted ? restrict_name(p) : "",
                      space, q->name);
}

static Str parameter_comment(const Printer *p, const Parameter *q)
{
    Str shape = q->type->rank ? shape_text(p->ctx, q->type) : "";
    return str_format(p->ctx, "%s%s%s", q->accumulates ? "+=" : "", q->accumulates && *shape ? " " : "", shape);
}

/* All parameters and their comments; a scalar function stays on few lines. */
static void put_parameters(Printer *p, const Function *f, int column)
{
    int count = f->signature.count + has_work(p, f), width = 0;
    bool arrays = has_arrays(p, f);
    Str *texts = NEW_ARRAY(p->ctx->scratch, Str, count + 1), *comments = NEW_ARRAY(p->ctx->scratch, Str, count + 1);
    for (int k = 0; k < f->signature.count; k++) {
        const Parameter *q = &f->signature.at[k];
        texts[k] = parameter_text(p, q, arrays);
        comments[k] = q->is_tape ? str_format(p->ctx, "%s elements", f->tape_macro) : parameter_comment(p, q);
    }
    if (has_work(p, f)) {
        texts[count - 1] = str_format(p->ctx, "%s *%s %s", c_type(p, ELEM_REAL), restrict_name(p), f->work_name);
        comments[count - 1] = str_format(p->ctx, "%s elements", f->work_macro);
    }
    for (int k = 0; k < count; k++)
        width = (int)strlen(texts[k]) > width ? (int)strlen(texts[k]) : width;
    for (int k = 0, at = column; k < count; k++) {
        const char *end = k + 1 < count ? "," : ")";
        if (k && (arrays || at + (int)strlen(texts[k]) > 108)) {
            text_printf(p->out, "\n%*s", column, "");
            at = column;
        } else if (k) {
            text_char(p->out, ' ');
        }
        text_printf(p->out, "%s%s", texts[k], end);
        at += (int)strlen(texts[k]) + 2;
        if (arrays && *comments[k])
            text_printf(p->out, "%*s  /* %s */", width - (int)strlen(texts[k]), "", comments[k]);
    }
    if (!count)
        text_put(p->out, "void)");
}

void c_signature(Printer *p, const Function *f)
{
    ArenaMark mark = arena_mark(p->ctx->scratch);
    text_printf(p->out, "void %s(", f->name);
    put_parameters(p, f, (int)strlen(f->name) + 6);
    arena_release(p->ctx->scratch, mark);
}

/* ---- definition ------------------------------------------------------------------------------------------------ */
static void put_unused(Printer *p, const Function *f)
{
    for (int k = 0; k < f->signature.count; k++)
        if (!f->signature.at[k].is_output && !f->signature.at[k].is_used)
            text_printf(p->out, "    (void)%s;\n", f->signature.at[k].name);
}

void c_temps(Printer *p, const Function *f, int indent)
{
    bool any = false;
    for (int k = 0; k < f->temps.count; k++) {
        const Buffer *b = f->temps.at[k];
        bool whole = b->node && b->node->type->count == b->size && b->node->type->rank;
        Str shape = whole ? shape_text(p->ctx, b->node->type) : NULL;
        if (b->place == PLACE_NONE || b->is_partial || b->is_chunk)
            continue;
        any = true;
        if (b->place == PLACE_STACK) {
            text_printf(p->out, "%*s%s %s[%" PRId64 "];\n", indent, "", c_type(p, b->elem), b->name, b->size);
            continue;
        }
        text_printf(p->out, "%*s%s *const %s = %s%s", indent, "", c_type(p, b->elem), b->name, b->offset ? "&" : "",
                    p->function->work_name);
        if (b->offset)
            text_printf(p->out, "[%" PRId64 "]", b->offset);
        text_printf(p->out, shape ? ";    /* %s */\n" : ";\n", shape);
    }
    if (any && indent == p->margin)
        text_char(p->out, '\n');
}

void c_function(Printer *p, const Function *f)
{
    p->function = f;
    p->last_place = NULL;
    p->said_count = 0;
    p->margin = 4;
    p->bound = NEW_ARRAY(p->ctx->arena, Str, f->formula_count + 1);
    c_documentation(p, f);
    c_signature(p, f);
    text_put(p->out, "\n{\n");
    put_unused(p, f);
    if (f->costs.work_elements && p->ctx->options.work_static)
        text_printf(p->out, "    static %s %s[%s];\n", c_type(p, ELEM_REAL), f->work_name, f->work_macro);
    c_temps(p, f, 4);
    c_block(p, &f->body, 4);
    text_put(p->out, "}\n");
}
