/* diag.c: positions in sources, and messages about them.
 *
 * What the user wrote may hold any bytes; what is printed is one line per line, without control characters. */
#include "adc.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINE_WIDTH = 160,                                       /* bytes; a longer line is shown in part */
    TAB_WIDTH = 4,
    NAME_MAX_LENGTH = 64,                                   /* longer names get no suggestion */
};

/* ---- positions ------------------------------------------------------------------------------------------------- */
Source *source_new(Context *ctx, const char *path, const char *text, int length)
{
    Source *source = NEW(ctx->arena, Source);
    char *copy = arena_alloc(ctx->arena, (size_t)length + 1);
    memcpy(copy, text, (size_t)length);
    *source = (Source){ .path = str_intern(ctx, path), .text = copy, .length = length, .line_count = 1 };
    for (int i = 0; i < length; i++)
        source->line_count += text[i] == '\n';
    source->line_start = NEW_ARRAY(ctx->arena, int, source->line_count);
    for (int i = 0, line = 1; i < length; i++)
        if (text[i] == '\n')
            source->line_start[line++] = i + 1;
    return source;
}

int span_line(Span span)
{
    if (!span.source)
        return 0;
    int low = 0, high = span.source->line_count;            /* the line is in [low, high) */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (span.source->line_start[middle] <= span.begin)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

static bool continues_char(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

int span_column(Span span)
{
    if (!span.source)
        return 0;
    int column = 1;
    for (int i = span.source->line_start[span_line(span) - 1]; i < span.begin; i++)
        column += !continues_char(span.source->text[i]);
    return column;
}

Span span_join(Span a, Span b)
{
    if (!a.source)
        return b;
    if (a.source == b.source && b.end > a.begin)
        a.end = b.end;
    return a;
}

/* ---- printing what users wrote --------------------------------------------------------------------------------- */
/* The bytes of the UTF-8 character at `s`, of which there are n > 0; 0 where there is none that is safe to print. */
static int printable(const char *s, int n)
{
    unsigned char first = (unsigned char)s[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > n)
        return 0;
    unsigned code = first & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if (!continues_char(s[i]))
            return 0;
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    }
    bool overlong = code < (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u);
    bool control = code < 0xa0, surrogate = code >= 0xd800 && code < 0xe000;
    bool reorders = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return overlong || control || surrogate || reorders || code > 0x10ffff ? 0 : length;
}

static void put_clean(FILE *out, const char *text)
{
    for (int left = (int)strlen(text); left > 0;) {
        int length = printable(text, left);
        if (length)
            fwrite(text, 1, (size_t)length, out);
        else
            fputc('?', out);
        text += length ? length : 1;
        left -= length ? length : 1;
    }
}

/* The part of the line around `at` that is shown: all of it when it is not too long. */
static Span visible_line(const Source *source, int line, int at)
{
    int begin = source->line_start[line - 1];
    int end = line < source->line_count ? source->line_start[line] - 1 : source->length;
    if (end > begin && source->text[end - 1] == '\r')
        end--;
    Span shown = { source, begin, end };
    if (end - begin > LINE_WIDTH) {
        if (at - begin > LINE_WIDTH / 2)
            shown.begin = at - LINE_WIDTH / 2;
        if (shown.begin > end - LINE_WIDTH)
            shown.begin = end - LINE_WIDTH;
        shown.end = shown.begin + LINE_WIDTH;
        while (shown.begin > begin && continues_char(source->text[shown.begin]))
            shown.begin--;
        while (shown.end < end && continues_char(source->text[shown.end]))
            shown.end++;
    }
    return shown;
}

/* The line that `span` begins on, and below it a caret and tildes under what of the span is on that line. */
static void show_line(Context *ctx, Span span)
{
    const Source *source = span.source;
    Span shown = visible_line(source, span_line(span), span.begin);
    int line_begin = source->line_start[span_line(span) - 1];
    int begin = span.begin < shown.end ? span.begin : shown.end, end = span.end > begin ? span.end : begin + 1;
    ArenaMark mark = arena_mark(ctx->scratch);
    Text text = { .arena = ctx->scratch }, carets = { .arena = ctx->scratch };
    if (shown.begin > line_begin) {
        text_put(&text, "...");
        text_put(&carets, "   ");
    }
    int column = 0;
    for (int i = shown.begin, length; i < shown.end; i += length) {
        bool tab = source->text[i] == '\t';
        length = printable(source->text + i, shown.end - i);
        int width = tab ? TAB_WIDTH - column % TAB_WIDTH : 1;
        column += width;
        for (int k = 0; k < width; k++) {
            text_printf(&text, "%.*s", length ? length : 1, length ? source->text + i : tab ? " " : "?");
            if (i < end)
                text_char(&carets, i < begin ? ' ' : i == begin && k == 0 ? '^' : '~');
        }
        length = length ? length : 1;
    }
    if (begin >= shown.end)
        text_char(&carets, '^');
    if (shown.end < source->length && source->text[shown.end] != '\n' && source->text[shown.end] != '\r')
        text_put(&text, "...");
    fprintf(ctx->messages, "%s\n%s\n", text.text ? text.text : "", carets.text);
    arena_release(ctx->scratch, mark);
}

static void message(Context *ctx, Span span, const char *kind, const char *format, va_list arguments)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Text text = { .arena = ctx->scratch };
    if (span.source)
        text_printf(&text, "%s:%d:%d: %s: ", span.source->path, span_line(span), span_column(span), kind);
    else
        text_printf(&text, "adc: %s: ", kind);
    text_vprintf(&text, format, arguments);
    put_clean(ctx->messages, text.text);
    fputc('\n', ctx->messages);
    arena_release(ctx->scratch, mark);
    if (span.source)
        show_line(ctx, span);
}

/* ---- messages -------------------------------------------------------------------------------------------------- */
static void error_message(Context *ctx, Span span, const char *format, va_list arguments)
{
    ctx->error_count++;
    ctx->last_hidden = ctx->error_count > ERROR_LIMIT;
    if (!ctx->last_hidden)
        message(ctx, span, "error", format, arguments);
    else if (ctx->error_count == ERROR_LIMIT + 1)
        fprintf(ctx->messages, "adc: more than %d errors: the others are not shown\n", ERROR_LIMIT);
}

void error_at(Context *ctx, Span span, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_message(ctx, span, format, arguments);
    va_end(arguments);
}

void error_plain(Context *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_message(ctx, (Span){ 0 }, format, arguments);
    va_end(arguments);
}

/* A value that several exports share is warned of once. */
static bool is_warned_of(Context *ctx, Span span, const char *format, va_list arguments)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Text text = { .arena = ctx->scratch };
    text_printf(&text, "%p:%d:%d:", (const void *)span.source, span.begin, span.end);
    text_vprintf(&text, format, arguments);
    Str warning = str_intern(ctx, text.text);
    arena_release(ctx->scratch, mark);
    if (!ctx->warned)
        ctx->warned = map_new(ctx->arena);
    bool seen = map_get(ctx->warned, warning) != NULL;
    map_put(ctx->warned, warning, (void *)(uintptr_t)warning);
    return seen;
}

void warn_at(Context *ctx, Span span, const char *format, ...)
{
    va_list arguments;
    ctx->warning_count++;
    va_start(arguments, format);
    ctx->last_hidden = ctx->options.quiet_warnings || ctx->error_count > ERROR_LIMIT
        || is_warned_of(ctx, span, format, arguments);
    va_end(arguments);
    if (ctx->last_hidden)
        return;
    va_start(arguments, format);
    message(ctx, span, "warning", format, arguments);
    va_end(arguments);
}

void note_at(Context *ctx, Span span, const char *format, ...)
{
    if (ctx->last_hidden)
        return;
    va_list arguments;
    va_start(arguments, format);
    message(ctx, span, "note", format, arguments);
    va_end(arguments);
}

_Noreturn void internal_error(Context *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message(ctx, ctx->place, "internal error", format, arguments);
    va_end(arguments);
    fprintf(ctx->messages, "adc %s: a mistake in adc itself, in '%s': please report it with the program\n", ADC_VERSION,
            ctx->phase ? ctx->phase : "start");
    exit(EXIT_INTERNAL);
}

/* ---- suggestions ----------------------------------------------------------------------------------------------- */
/* Edits (insert, delete, replace, swap of neighbours) from a to b; both are at most NAME_MAX_LENGTH long. */
static int edit_distance(const char *a, const char *b)
{
    int row[3][NAME_MAX_LENGTH + 1];                        /* row[i % 3][j]: from i letters of a to j of b */
    int m = (int)strlen(a), n = (int)strlen(b);
    for (int i = 0; i <= m; i++) {
        int *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
        for (int j = 0; j <= n; j++) {
            if (i == 0 || j == 0) {
                now[j] = i + j;
                continue;
            }
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = two_above[j - 2] + 1 < best ? two_above[j - 2] + 1 : best;
            now[j] = best;
        }
    }
    return row[m % 3][n];
}

Str nearest_name(Str name, const Str *candidates, int count)
{
    int length = (int)strlen(name), limit = length / 3 > 1 ? length / 3 : 1;
    Str nearest = NULL;
    if (limit >= length || length > NAME_MAX_LENGTH)        /* every one-letter name is near every other */
        return NULL;
    for (int k = 0; k < count; k++) {
        int other = (int)strlen(candidates[k]);
        if (other > NAME_MAX_LENGTH || abs(other - length) > limit)
            continue;
        int distance = edit_distance(name, candidates[k]);
        if (distance > 0 && distance <= limit && distance < other) {
            nearest = candidates[k];
            limit = distance - 1;                           /* only a nearer one is better */
        }
    }
    return nearest;
}
