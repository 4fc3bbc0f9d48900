/* parse.c: from text to tree: what stands between scanner and parser, and the wording of syntax errors.
 *
 * The scanner's tokens pass through adc_lex, which remembers the last three and the open brackets.  With these a
 * message can say what was probably meant.  Every path ends: nesting is bounded, and after `abandoned` nothing more
 * is read. */
#define _POSIX_C_SOURCE 200809L
#include "parse.h"

#include "adc.tab.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

int scan_lex(ADC_STYPE *, Span *, void *scanner);           /* grammar/adc.l */
int adc_lex(ADC_STYPE *, Span *, Parser *);                 /* for grammar/adc.y */

double real_of_text(const char *text)
{
    locale_t standard = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t users = uselocale(standard);
    double x = strtod(text, NULL);
    uselocale(users);
    freelocale(standard);
    return x;
}

/* ---- for the scanner ------------------------------------------------------------------------------------------- */
int scan_name(Parser *parser, Name *name, int token, const char *text, int length)
{
    *name = (Name){ str_intern_n(parser->ctx, text, length), parser->place };
    return token;
}

int scan_mistake(Parser *parser, Name *name, int token, const char *message)
{
    error_at(parser->ctx, parser->place, "%s", message);
    parser->mistake = parser->place;
    return scan_name(parser, name, token, "1", 1);          /* as good as any, where a number was meant */
}

void scan_abandon(Parser *parser, const char *why)
{
    error_at(parser->ctx, parser->place, "%s", why);
    parser->abandoned = true;
}

void nested_too_deeply(Parser *parser, Span span)
{
    if (!parser->depth_reported)
        error_at(parser->ctx, span, "nested too deeply");
    parser->depth_reported = parser->abandoned = true;
}

/* Does a statement or a declaration begin behind `token`? */
static bool begins(int token)
{
    return token == TOKEN_START_PROGRAM || token == ';' || token == '{' || token == '}';
}

/* A `//` cannot divide where a statement begins; a slash-star is never right. */
bool foreign_comment(Parser *parser)
{
    parser->floor_division = parser->place;
    if (!begins(parser->last_kind) && parser->source->text[parser->place.begin + 1] == '/')
        return false;
    if (!parser->comment_reported)
        error_at(parser->ctx, parser->place, "a comment begins with '#' and goes to the end of the line");
    parser->comment_reported = true;
    return true;
}

/* ---- between scanner and parser -------------------------------------------------------------------------------- */
static void open_bracket(Parser *parser)
{
    if (parser->open_count == MAX_NESTING) {
        nested_too_deeply(parser, parser->place);
        return;
    }
    parser->open[parser->open_count].kind = parser->kind;
    parser->open[parser->open_count++].place = parser->place;
}

/* Closes the innermost bracket of its kind, and those in it that were left open. */
static void close_bracket(Parser *parser)
{
    int opening = parser->kind == ')' ? '(' : parser->kind == ']' ? '[' : '{';
    for (int k = parser->open_count; k > 0; k--)
        if (parser->open[k - 1].kind == opening) {
            parser->open_count = k - 1;
            return;
        }
}

int adc_lex(ADC_STYPE *value, Span *place, Parser *parser)
{
    parser->before_last_kind = parser->last_kind;
    parser->last_kind = parser->kind;
    parser->last_place = parser->place;
    if (parser->start_token) {
        *place = (Span){ parser->source, parser->offset, parser->offset };
        parser->kind = parser->start_token;
        parser->start_token = 0;
    } else {
        parser->kind = parser->abandoned ? TOKEN_END : scan_lex(value, place, parser->scanner);
    }
    if (parser->kind == TOKEN_END)                          /* right behind the last token: the line to look at */
        *place = (Span){ parser->source, parser->last_place.end, parser->last_place.end };
    parser->place = *place;
    if (parser->kind == '(' || parser->kind == '[' || parser->kind == '{')
        open_bracket(parser);
    else if (parser->kind == ')' || parser->kind == ']' || parser->kind == '}')
        close_bracket(parser);
    return parser->abandoned ? TOKEN_END : parser->kind;
}

/* ---- syntax errors: what was expected -----------------------------------------------------------------------------
 * The parser knows every token that may follow.  A list of twenty operators helps nobody, so sets of them are replaced
 * by what they begin, and what merely could go on is left out where something has to come. */
enum { MOST_EXPECTED = 5 };

typedef struct { Str at[128]; int count; } Expected;        /* spellings, without quotes */

static const char *const operators[] = { "?", "or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//",
    "%", "@", "^", "'", "[", "(", NULL };
static const char *const expression[] = { "a name", "a number", "a string", "true", "false", "not", "+", "-", "(", "[",
    "real", "int", "bool", NULL };
static const char *const statement[] = { "a name", "mut", "for", "while", "if", "else", NULL };
static const char *const declaration[] = { "const", "fn", "extern", "import", "derivative", "export", "test",
    "end of file", NULL };
static const char *const updates[] = { "+=", "-=", "*=", "/=", "//=", "%=", "@=", "^=", ":", ",", "[", NULL };

static bool is_in(const char *const *set, const char *what)
{
    for (; *set; set++)
        if (strcmp(*set, what) == 0)
            return true;
    return false;
}

static bool expects(const Expected *expected, const char *what)
{
    for (int k = 0; k < expected->count; k++)
        if (strcmp(expected->at[k], what) == 0)
            return true;
    return false;
}

static void replace(Expected *expected, const char *const *set, const char *by)
{
    Expected before = *expected;
    expected->count = 0;
    if (by)
        expected->at[expected->count++] = by;
    for (int k = 0; k < before.count; k++)
        if (!is_in(set, before.at[k]))
            expected->at[expected->count++] = before.at[k];
}

static void drop(Expected *expected, const char *what)
{
    replace(expected, (const char *const[]){ what, NULL }, NULL);
}

static bool behind_expression(const Expected *expected)
{
    return expects(expected, "*");
}

static void simplify(Parser *parser, Expected *expected)
{
    if (expects(expected, "while"))
        replace(expected, statement, "a statement");
    else if (expects(expected, "derivative"))
        replace(expected, declaration, "a declaration");
    else if (expects(expected, "+="))
        replace(expected, updates, NULL);
    else if (expects(expected, "a number"))
        replace(expected, expression, "an expression");
    if (behind_expression(expected)) {
        replace(expected, operators, NULL);
        if (expects(expected, ",")) {                       /* inside of brackets */
            drop(expected, ":");
            drop(expected, "for");
        }
        if (expects(expected, "{"))
            drop(expected, "a name");                       /* checkpoint(k) */
        if (expects(expected, "max_trips"))
            drop(expected, "{");
    } else if (expects(expected, ":") && expects(expected, ")") && !parser->prelude) {
        replace(expected, (const char *const[]){ ",", ")", ";", NULL }, NULL);   /* a parameter without its type */
    }
    if (expects(expected, ")") && !parser->prelude)
        drop(expected, ";");                                /* options of a function */
}

/* ---- syntax errors: what was meant ----------------------------------------------------------------------------- */
static const struct { const char *word, *hint; } foreign_words[] = {
    { "return", "there is no return: a result is assigned to its name" },
    { "let", "a name is bound by 'name = ...;'" },
    { "var", "a name is bound by 'name = ...;', one that changes by 'mut name = ...;'" },
    { "def", "a function begins with 'fn'" },
    { "function", "a function begins with 'fn'" },
    { "func", "a function begins with 'fn'" },
    { "double", "a type stands behind its name: 'x: real'" },
    { "float", "a type stands behind its name: 'x: real'" },
    { "elif", "write 'else if'" },
    { "elsif", "write 'else if'" },
};

static Str token_text(const Parser *parser, Span place)
{
    return str_intern_n(parser->ctx, place.source->text + place.begin, place.end - place.begin);
}

/* Of the word that begins the statement, when that is the unexpected token or the one before it. */
static const char *hint_for_word(const Parser *parser)
{
    Str word = begins(parser->last_kind) ? token_text(parser, parser->place)
        : begins(parser->before_last_kind) ? token_text(parser, parser->last_place) : "";
    for (size_t k = 0; k < sizeof foreign_words / sizeof *foreign_words; k++)
        if (strcmp(word, foreign_words[k].word) == 0)
            return foreign_words[k].hint;
    return NULL;
}

static bool is_keyword(int token)
{
    return token >= TOKEN_AND && token <= TOKEN_WITHIN;
}

static bool compares(int token)
{
    return token == TOKEN_EQ || token == TOKEN_NE || token == TOKEN_LE || token == TOKEN_GE
        || token == '<' || token == '>';
}

/* Of what is expected, whatever is there instead. */
static const char *hint_for_place(const Parser *parser, const Expected *all, bool behind)
{
    if (parser->kind == TOKEN_NAME && expects(all, "real") && !expects(all, "a name"))
        return "numbers are 'real', which --real makes double or float";
    if (expects(all, "..") && !expects(all, "]") && parser->kind != TOKEN_END)
        return "a range is written '0..n'";
    if (parser->kind == TOKEN_IF && (behind || expects(all, "a number")))
        return "a choice is written 'c ? a : b'";
    return NULL;
}

static const char *hint(const Parser *parser, const Expected *all)
{
    bool behind = behind_expression(all);
    bool in_brackets = parser->before_last_kind == '(' || parser->before_last_kind == ',';
    switch (parser->kind) {
    case '=':
        return !behind ? NULL : in_brackets && parser->last_kind == TOKEN_NAME && expects(all, ":")
            ? "an option is written 'name: value'" : "'==' compares";
    case TOKEN_EQ:
        if (expects(all, "="))
            return "a name is bound with '='";
        break;
    case TOKEN_TRANSPOSE:
        return expects(all, "a string") ? "a string stands in double quotes" : NULL;
    case '(':
        if (expects(all, "->") && expects(all, ";"))
            return "an export has a name: 'export g = grad(f);'";
        return expects(all, "+=") ? "the result of a call is bound to a name, as in 'y = f(x);'" : NULL;
    case '[':
        return parser->last_kind == ']' && expects(all, "=") ? "several indices are written 'x[i, j]'" : NULL;
    case TOKEN_DOTS:
        return expects(all, "]") ? "a slice is written 'x[a:b]'" : NULL;
    case TOKEN_REAL:
    case TOKEN_INT:
    case TOKEN_BOOL:
        return expects(all, "a name") ? "a type stands behind its name: 'x: real'" : NULL;
    }
    if (compares(parser->kind) && behind)
        return "comparisons do not chain: join them with 'and'";
    const char *word = hint_for_word(parser);
    return word ? word : hint_for_place(parser, all, behind);
}

/* ---- syntax errors: the message -------------------------------------------------------------------------------- */
static void put_token(Text *text, const char *token)
{
    bool is_class = strchr(token, ' ') != NULL;
    text_printf(text, is_class ? "%s" : "'%s'", token);
}

static void put_expected(Text *text, const Expected *expected)
{
    if (expected->count == 0 || expected->count > MOST_EXPECTED)
        return;
    text_put(text, "expected ");
    for (int k = 0; k < expected->count; k++) {
        put_token(text, expected->at[k]);
        text_put(text, k + 1 == expected->count ? "" : k + 2 == expected->count ? " or " : ", ");
    }
}

static void put_found(Text *text, const Parser *parser, const Expected *all)
{
    enum { LONGEST = 40 };
    Span place = parser->place;
    if (parser->kind == TOKEN_END) {
        text_put(text, "end of file");
        return;
    }
    int length = place.end - place.begin;
    text_printf(text, length > LONGEST ? "'%.*s...'" : "'%.*s'", length > LONGEST ? LONGEST : length,
                place.source->text + place.begin);
    if (is_keyword(parser->kind) && expects(all, "a name") && !expects(all, "a number"))
        text_put(text, ", which is a keyword");
}

/* A note at the innermost open bracket when it is not in sight and its end was expected; at a block only when what
 * was found cannot stand in one. */
static void note_open_bracket(Parser *parser, const Expected *expected)
{
    if (!parser->open_count)
        return;
    int kind = parser->open[parser->open_count - 1].kind;
    Span place = parser->open[parser->open_count - 1].place;
    const char *closing = kind == '(' ? ")" : kind == '[' ? "]" : "}";
    bool outside = parser->kind == TOKEN_END || is_in(declaration, token_text(parser, parser->place));
    if (expects(expected, closing) && span_line(place) != span_line(parser->place) && parser->kind != kind
        && (kind != '{' || outside))
        note_at(parser->ctx, place, "this '%c' is not closed", kind);
}

void syntax_error(Parser *parser, const char *const *names, int count)
{
    bool told = parser->mistake.source && parser->mistake.begin >= parser->last_place.end;
    if (parser->abandoned || told)                          /* told: a mistake right in front, or this is it */
        return;
    Expected all = { .count = 0 };
    for (int k = 0; k < count; k++) {                       /* the parser says "';'" for ';' */
        bool quoted = names[k][0] == '\'' && strlen(names[k]) == 3;
        all.at[all.count++] = quoted ? str_intern_n(parser->ctx, names[k] + 1, 1) : names[k];
    }
    Expected expected = all;
    simplify(parser, &expected);
    bool missing_end = expected.count == 1 && expects(&expected, ";")
        && span_line(parser->place) != span_line(parser->last_place);
    ArenaMark mark = arena_mark(parser->ctx->scratch);
    Text text = { .arena = parser->ctx->scratch };
    put_expected(&text, &expected);
    text_put(&text, !text.length ? "unexpected " : missing_end ? " before " : ", found ");
    put_found(&text, parser, &all);
    const char *meant = hint(parser, &all);
    Span behind = { parser->source, parser->last_place.end, parser->last_place.end };
    error_at(parser->ctx, missing_end ? behind : parser->place, meant ? "%s; %s" : "%s", text.text, meant);
    if (parser->floor_division.source && span_line(parser->floor_division) == span_line(parser->place))
        note_at(parser->ctx, parser->floor_division, "'//' divides integers; a comment begins with '#'");
    arena_release(parser->ctx->scratch, mark);
    note_open_bracket(parser, &expected);
}

/* ---- the three kinds of text ----------------------------------------------------------------------------------- */
static void parse(Parser *parser, const Source *source)
{
    parser->source = parser->place.source = source;
    scan_begin(parser);
    adc_parse(parser);
    scan_end(parser);
}

ParsedFile *parse_program(Context *ctx, const Source *source, bool prelude)
{
    Parser parser = { .ctx = ctx, .start_token = TOKEN_START_PROGRAM, .prelude = prelude };
    parser.program = NEW(ctx->trees, ParsedFile);
    parser.program->source = source;
    parse(&parser, source);
    return parser.program;
}

Expr *parse_expression(Context *ctx, const Source *source)
{
    Parser parser = { .ctx = ctx, .start_token = TOKEN_START_EXPRESSION };
    parse(&parser, source);
    return parser.expr;
}

Decl *parse_export(Context *ctx, const Source *source)
{
    Parser parser = { .ctx = ctx, .start_token = TOKEN_START_EXPORT };
    parse(&parser, source);
    return parser.decl;
}
