/* c_stmt.c: blocks of statements as C, one statement per line, long lines broken after operators. */
#include "loop.h"

#include <inttypes.h>
#include <string.h>

enum { INDENT = 4, LINE_MAX_LENGTH = 110, LINE_MIN_LENGTH = 30 };

static void indent_by(Text *out, int columns)
{
    for (int k = 0; k < columns; k++)
        text_char(out, ' ');
}

/* Puts one statement, breaking it at spaces; deep inside lines are as long as they must. */
static void put_line(Printer *p, const char *text, int indent)
{
    int length = (int)strlen(text), column = indent;
    indent_by(p->out, indent);
    for (;;) {
        int at = LINE_MAX_LENGTH - column > LINE_MIN_LENGTH ? LINE_MAX_LENGTH - column : LINE_MIN_LENGTH;
        if (length <= at)
            break;
        while (at > 0 && text[at] != ' ')
            at--;
        if (at == 0)
            break;
        text_printf(p->out, "%.*s\n", at, text);
        column = indent + 2 * INDENT;
        indent_by(p->out, column);
        text += at + 1;
        length -= at + 1;
    }
    text_put(p->out, text);
}

/* Statements are built in a text of their own, so that their length is known. */
static Text *begin_line(Printer *p, Text *line)
{
    Text *out = p->out;
    *line = (Text){ .arena = p->ctx->scratch };
    p->out = line;
    return out;
}

static void end_line(Printer *p, Text *out, Text *line, int indent)
{
    p->out = out;
    put_line(p, line->text, indent);
}

/* `((v > m) || isnan(v)) ? v : m`: a NaN that is there stays. */
static void c_extreme(Printer *p, const Stmt *s, const char *target)
{
    bool real = s->value->elem == ELEM_REAL;
    text_printf(p->out, "%s = %s", target, real ? "((" : "(");
    c_formula(p, s->value, BINDS_OPERAND);
    text_printf(p->out, " %c %s)", s->combine == COMBINE_MAX ? '>' : '<', target);
    if (real) {
        text_put(p->out, " || isnan(");
        c_formula(p, s->value, BINDS_ALL);
        text_put(p->out, "))");
    }
    text_put(p->out, " ? ");
    c_formula(p, s->value, BINDS_OPERAND);
    text_printf(p->out, " : %s;", target);
}

/* x = x - e as x -= e. */
static bool c_own_update(Printer *p, const Stmt *s, const char *target)
{
    static const char sign[] = { [FORMULA_ADD] = '+', [FORMULA_SUB] = '-', [FORMULA_MUL] = '*', [FORMULA_DIV] = '/' };
    const Formula *f = s->value;
    bool fits = s->kind == STMT_ASSIGN && f->elem == ELEM_REAL && !p->bound[f->id] && f->kind < sizeof sign && sign[f->kind];
    for (int k = 0; fits && k < (f->kind == FORMULA_ADD || f->kind == FORMULA_MUL ? 2 : 1); k++) {
        if (f->arg[k]->kind != FORMULA_SCALAR || scalar_storage(f->arg[k]->scalar) != scalar_storage(s->scalar))
            continue;
        text_printf(p->out, "%s %c= ", target, sign[f->kind]);
        c_formula(p, f->arg[!k], BINDS_ALL);
        text_put(p->out, ";");
        return true;
    }
    return false;
}

static void c_update(Printer *p, const Stmt *s, const char *target)
{
    bool wraps = s->value->elem == ELEM_INT && (s->combine == COMBINE_ADD || s->combine == COMBINE_MUL);
    if (s->combine == COMBINE_MAX || s->combine == COMBINE_MIN) {
        c_extreme(p, s, target);
        return;
    }
    if (wraps) {
        text_printf(p->out, "%s = (int32_t)((uint32_t)%s %c (uint32_t)", target, target, s->combine == COMBINE_ADD ? '+' : '*');
        c_formula(p, s->value, BINDS_POSTFIX);
        text_put(p->out, ");");
        return;
    }
    if (s->combine == COMBINE_SET && c_own_update(p, s, target))
        return;
    if (s->combine == COMBINE_ADD && s->value->kind == FORMULA_NEG && !p->bound[s->value->id]) {
        text_printf(p->out, "%s -= ", target);
        c_formula(p, s->value->arg[0], BINDS_ALL);
    } else {
        text_printf(p->out, "%s %s ", target, s->combine == COMBINE_ADD ? "+=" : s->combine == COMBINE_MUL ? "*=" : "=");
        c_formula(p, s->value, BINDS_ALL);
    }
    text_put(p->out, ";");
}

static void c_target(Printer *p, const Stmt *s)
{
    bool one = s->buffer->kind == BUFFER_OUTPUT && !s->buffer->on_tape && s->buffer->size == 1 && s->index->kind == FORMULA_NUMBER;
    if (one) {
        text_printf(p->out, "*%s", s->buffer->name);
        return;
    }
    text_printf(p->out, "%s[", s->buffer->name);
    c_formula(p, s->index, BINDS_ALL);
    text_put(p->out, "]");
}

static void c_array(Printer *p, const Stmt *s)
{
    bool zero = s->value->elem == ELEM_REAL ? s->value->number <= 0 && s->value->number >= 0 : s->value->integer == 0;
    text_printf(p->out, "%s %s[%" PRId64 "] = {", c_type(p, s->buffer->elem), s->buffer->name, s->buffer->size);
    if (zero)
        text_char(p->out, '0');
    for (int64_t k = 0; k < s->buffer->size && !zero; k++) {
        text_put(p->out, k ? ", " : "");
        c_formula(p, s->value, BINDS_ALL);
    }
    text_put(p->out, "};");
}

static void c_simple(Printer *p, const Stmt *s)
{
    Text target = { .arena = p->ctx->scratch }, *out = p->out;
    switch (s->kind) {
    case STMT_LET: case STMT_DECLARE:
        if (!s->value) {
            text_printf(p->out, "%s %s;", c_type(p, s->scalar->elem), s->scalar->name);
            break;
        }
        text_printf(p->out, "%s%s %s = ", s->scalar->is_mutable ? "" : "const ", c_type(p, s->scalar->elem), s->scalar->name);
        c_formula(p, s->value, BINDS_ALL);
        text_put(p->out, ";");
        break;
    case STMT_ARRAY: c_array(p, s); break;
    case STMT_ASSIGN: c_update(p, s, scalar_storage(s->scalar)->name); break;
    default:
        p->out = &target;
        c_target(p, s);
        p->out = out;
        c_update(p, s, target.text);
        break;
    }
}

/* The line of the source after what comes from it, where it changes. */
static void trailing_place(Printer *p, const Stmt *s, size_t column)
{
    const Node *n = s->kind == STMT_LET ? s->value->node : NULL;
    if (!n || n->origin.role != ROLE_PRIMAL)
        return;
    Str place = source_place(p->ctx, n->origin.span);
    if (!place || place == p->last_place)
        return;
    p->last_place = place;
    indent_by(p->out, column < 36 ? 40 - (int)column : 4);
    text_printf(p->out, "/* %s */", place);
}

static void c_line(Printer *p, const Stmt *s, int indent)
{
    ArenaMark mark = arena_mark(p->ctx->scratch);
    Text line, *out = begin_line(p, &line);
    c_simple(p, s);
    end_line(p, out, &line, indent);
    if (indent == p->margin)
        trailing_place(p, s, line.length + (size_t)indent);
    text_char(p->out, '\n');
    arena_release(p->ctx->scratch, mark);
}

/* The comment of a nest, with the names of all adjoints that one line of the source has there. */
static void collect_comment(Printer *p, SourceComment c, int first)
{
    bool full = p->said_count == SAID_MOST || p->said_count - first == COMMENTS_MOST;
    for (int i = 0; i < p->said_count; i++) {
        SourceComment *said = &p->said[i];
        if (said->text != c.text || said->place != c.place)
            continue;
        if (i >= first && c.name)
            said->name = said->name ? str_format(p->ctx, "%s, %s", said->name, c.name) : c.name;
        if (i >= first || !c.name)
            return;
    }
    if (c.text && !full)
        p->said[p->said_count++] = c;
}

/* What a nest computes: each line of the source once, and the text of a statement only where no nest around has it. */
static void c_loop_comment(Printer *p, const Stmt *s, int indent)
{
    int first = p->said_count;
    for (int k = 0; k < s->nodes.count; k++)
        collect_comment(p, source_comment(p->ctx, s->nodes.at[k]), first);
    for (int k = first; k < p->said_count; k++) {
        const SourceComment *c = &p->said[k];
        bool known = false;
        for (int i = 0; i < k && c->place; i++)
            known |= p->said[i].text == c->text;
        indent_by(p->out, indent);
        text_printf(p->out, "/* %s", known ? "" : c->text);
        text_printf(p->out, "%s%s", known || !c->place ? "" : "    ", c->place ? c->place : "");
        text_printf(p->out, "%s%s */\n", c->name ? ": " : "", c->name ? c->name : "");
    }
}

static void c_bound(Printer *p, const Formula *bound, int64_t otherwise, Binds around)
{
    if (bound)
        c_formula(p, bound, around);
    else
        c_integer(p, otherwise);
}

static void c_before(Printer *p, const Stmt *s, int indent);

static void c_loop(Printer *p, const Stmt *s, int indent)
{
    const char *name = s->loop->name;
    c_before(p, s, indent);
    indent_by(p->out, indent);
    text_printf(p->out, "for (int %s = ", name);
    c_bound(p, s->from, s->loop->begin, BINDS_ALL);
    text_printf(p->out, "; %s < ", name);
    c_bound(p, s->to, s->loop->end, BINDS_OPERAND);
    text_put(p->out, "; ");
    if (s->loop->step == 1)
        text_printf(p->out, "++%s) {\n", name);
    else
        text_printf(p->out, "%s += %" PRId64 ") {\n", name, s->loop->step);
    c_block(p, &s->body, indent + INDENT);
    indent_by(p->out, indent);
    text_put(p->out, "}\n");
}

static void c_before(Printer *p, const Stmt *s, int indent)
{
    for (int k = 0; k < s->before.list.count; k++)
        if (s->before.list.at[k]->kind == STMT_LOOP)
            c_loop(p, s->before.list.at[k], indent);
        else
            c_line(p, s->before.list.at[k], indent);
}

/* A body has formulas of its own: names of the lowering around are known to it as Scalars. */
static void c_body(Printer *p, const Lowering *body, int indent)
{
    Str *bound = p->bound;
    int margin = p->margin;
    p->bound = NEW_ARRAY(p->ctx->arena, Str, body->function->formula_count + 1);
    p->margin = indent;
    c_temps(p, body->function, indent);
    c_block(p, &body->function->body, indent);
    p->bound = bound;
    p->margin = margin;
}

static void c_header(Printer *p, const Region *r, int indent)
{
    const char *name = r->counter->name;
    if (r->counts) {
        indent_by(p->out, indent);
        text_printf(p->out, "int %s;\n", name);
    }
    indent_by(p->out, indent);
    if (r->last) {
        text_printf(p->out, "for (int %s = ", name);
        c_formula(p, r->last, BINDS_ALL);
        text_printf(p->out, "; %s >= 0; --%s) {\n", name, name);
        return;
    }
    text_printf(p->out, "for (%s%s = 0; %s < ", r->counts ? "" : "int ", name, name);
    if (r->trips)
        c_formula(p, r->trips, BINDS_OPERAND);
    else
        text_printf(p->out, "%" PRId64, r->most);
    text_printf(p->out, "; ++%s) {\n", name);
}

static bool is_empty(const Lowering *body) { return body->function->body.list.count == 0; }

/* The branch that is all there is on the other side; NULL: none. */
static const Stmt *else_if(const Region *r)
{
    const Block *block = &r->body[1]->function->body;
    const Stmt *s = block->list.count == 1 ? block->list.at[0] : NULL;
    return s && s->region && !s->region->counter && !s->before.list.count ? s : NULL;
}

/* `if (..) {`, the side or sides that do something, and as many `} else if (..) {` as follow, then with an `else` in any
 * case; the brace is left open. */
static void c_branch(Printer *p, const Stmt *s, int indent, bool goes_on)
{
    const Region *r = s->region;
    bool swapped = is_empty(r->body[0]);
    text_put(p->out, swapped ? "if (!" : "if (");
    c_formula(p, r->condition, swapped ? BINDS_POSTFIX : BINDS_ALL);
    text_put(p->out, ") {\n");
    c_body(p, r->body[swapped], indent + INDENT);
    indent_by(p->out, indent);
    if (!goes_on && (swapped || is_empty(r->body[1])))
        return;
    text_put(p->out, "} else ");
    const Stmt *next = swapped ? NULL : else_if(r);
    if (next) {
        Str *bound = p->bound;
        p->bound = NEW_ARRAY(p->ctx->arena, Str, r->body[1]->function->formula_count + 1);
        c_branch(p, next, indent, true);
        p->bound = bound;
        return;
    }
    text_put(p->out, "{\n");
    if (swapped || is_empty(r->body[1])) {
        indent_by(p->out, indent + INDENT);
        text_put(p->out, "/* nothing changes */\n");
    } else {
        c_body(p, r->body[1], indent + INDENT);
    }
    indent_by(p->out, indent);
}

static void c_region(Printer *p, const Stmt *s, int indent)
{
    c_before(p, s, indent);
    if (s->region->counter) {
        c_header(p, s->region, indent);
        c_body(p, s->region->body[0], indent + INDENT);
        indent_by(p->out, indent);
    } else {
        indent_by(p->out, indent);
        c_branch(p, s, indent, false);
    }
    text_put(p->out, "}\n");
}

static void c_break(Printer *p, const Stmt *s, int indent)
{
    indent_by(p->out, indent);
    text_put(p->out, "if (!");
    c_formula(p, s->value, BINDS_POSTFIX);
    text_put(p->out, ") {\n");
    indent_by(p->out, indent + INDENT);
    text_put(p->out, "break;\n");
    indent_by(p->out, indent);
    text_put(p->out, "}\n");
}

/* Declarations and the statements after them are set apart by an empty line, as are nests at top level. */
static bool wants_gap(const Block *block, int k, int indent)
{
    if (k == 0 || indent > INDENT)
        return false;
    const Stmt *before = block->list.at[k - 1], *s = block->list.at[k];
    bool declares = s->kind == STMT_LET || s->kind == STMT_DECLARE || s->kind == STMT_ARRAY;
    bool declared = before->kind == STMT_LET || before->kind == STMT_DECLARE;
    return (s->kind == STMT_LOOP && s->nodes.count) || (declared && !declares) || (before->kind == STMT_LOOP && s->kind == STMT_STORE);
}

void c_block(Printer *p, const Block *block, int indent)
{
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        if (wants_gap(block, k, indent))
            text_char(p->out, '\n');
        if (s->kind == STMT_LOOP || s->region) {
            int said = p->said_count;
            c_loop_comment(p, s, indent);
            (s->region ? c_region : c_loop)(p, s, indent);
            p->said_count = said;
            continue;
        }
        if (s->kind == STMT_BREAK) {
            c_break(p, s, indent);
            continue;
        }
        c_line(p, s, indent);
        if (s->kind == STMT_LET)
            p->bound[s->value->id] = s->scalar->name;
    }
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LET)
            p->bound[block->list.at[k]->value->id] = NULL;
}
