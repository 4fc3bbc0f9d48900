/* source_text.c: what comments of the generated code say about the source.  Only base names of files, no comment ends,
 * one line each. */
#include "loop.h"

#include <ctype.h>
#include <string.h>

enum { STATEMENT_MAX = 80 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

Str source_place(Context *ctx, Span span)
{
    if (!span.source)
        return NULL;
    return str_format(ctx, "%s:%d", base_name(span.source->path), span_line(span));
}

static bool ends_statement(char c) { return c == ';' || c == '{' || c == '}'; }

/* Where a text begins that was cut in the middle of a line: behind the line, if it is a comment there. */
static int behind_comment(const char *text, int begin, int end)
{
    int line = begin;
    while (line > 0 && text[line - 1] != '\n')
        line--;
    if (!memchr(text + line, '#', (size_t)(begin - line)))
        return begin;
    while (begin < end && text[begin] != '\n')
        begin++;
    return begin;
}

/* The statement around the span: between the nearest ; { or }, without comments, on one line. */
static Str statement_text(Context *ctx, Span span)
{
    const char *text = span.source->text;
    int begin = span.begin, end = span.begin;
    while (begin > 0 && !ends_statement(text[begin - 1]) && span.begin - begin < 4 * STATEMENT_MAX)
        begin--;
    begin = behind_comment(text, begin, span.begin);
    while (end < span.source->length && !ends_statement(text[end]))
        end++;
    Text t = { .arena = ctx->arena };
    bool comment = false, gap = false;
    for (int k = begin; k < end && t.length < STATEMENT_MAX; k++) {
        unsigned char c = (unsigned char)text[k];
        comment = c == '#' || (comment && c != '\n');
        if (comment || isspace(c)) {
            gap = t.length > 0;
            continue;
        }
        if (gap)
            text_char(&t, ' ');
        gap = false;
        if (c == '/' && t.length && (t.text[t.length - 1] == '*' || t.text[t.length - 1] == '/'))
            text_char(&t, ' ');
        text_char(&t, c < 32 || c > 126 ? '?' : (char)c);
    }
    if (t.length >= STATEMENT_MAX)
        text_put(&t, " ..");
    return t.length ? str_intern(ctx, t.text) : NULL;
}

SourceComment source_comment(Context *ctx, const Node *n)
{
    const Node *of = n->origin.role == ROLE_PRIMAL ? n : n->origin.of;
    if (of && n->origin.role != ROLE_PRIMAL && of->origin.span.source) {
        const char *kind = n->origin.role == ROLE_ADJOINT ? "adjoint" : "tangent";
        return (SourceComment){ .text = str_format(ctx, "%s of %s", kind, source_place(ctx, of->origin.span)),
                                .name = n->origin.name };
    }
    if (!n->origin.span.source)
        return (SourceComment){ .text = n->origin.name };
    Str statement = statement_text(ctx, n->origin.span);
    return (SourceComment){ .text = statement ? statement : str_intern(ctx, ""),
                            .place = source_place(ctx, n->origin.span) };
}
