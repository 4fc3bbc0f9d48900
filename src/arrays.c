/* arrays.c: reads .npy and .csv files.
 *
 * Invariant: a file that is not wholly understood is refused with what was found; nothing is guessed, and nothing that a
 * header claims is believed before it was compared with the size of the file. */
#include "arrays.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };                              /* bytes */

typedef struct { const char *text; size_t length; } Bytes;  /* NUL-terminated beyond its length */

static const char *read_bytes(Context *ctx, const char *path, Bytes *out)
{
    FILE *in = fopen(path, "rb");
    size_t capacity = 1 << 16, length = 0, n = 0;
    char *text = arena_alloc(ctx->arena, capacity);
    if (!in)
        return strerror(errno);
    while ((n = fread(text + length, 1, capacity - length - 1, in)) > 0 && length < FILE_LIMIT) {
        length += n;
        if (length + 1 < capacity)
            continue;
        char *larger = arena_alloc(ctx->arena, capacity *= 2);
        memcpy(larger, text, length);
        text = larger;
    }
    int reason = ferror(in) ? errno : length >= FILE_LIMIT ? EFBIG : 0;
    fclose(in);
    *out = (Bytes){ text, length };
    return reason ? strerror(reason) : NULL;
}

/* ---- .npy: magic, version, length of a Python dictionary, the dictionary, the elements --------------------------- */
typedef struct {
    char order, kind;
    int size;
    bool fortran;
    bool seen[3];                                           /* the keys, in the order of npy_keys */
} NpyHeader;

static const char *const npy_keys[] = { "descr", "fortran_order", "shape" };

typedef struct { const char *at, *end; } Cursor;

static bool is_one_of(char c, const char *set) { return c && strchr(set, c); }

static void skip_blanks(Cursor *c)
{
    while (c->at < c->end && is_one_of(*c->at, " \t\r\n"))
        c->at++;
}

static bool accept(Cursor *c, char wanted)
{
    skip_blanks(c);
    bool found = c->at < c->end && *c->at == wanted;
    c->at += found;
    return found;
}

static bool accept_word(Cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(c);
    bool found = (size_t)(c->end - c->at) >= length && strncmp(c->at, word, length) == 0;
    c->at += found ? length : 0;
    return found;
}

/* A string without escapes; false when there is none. */
static bool read_string(Cursor *c, const char **text, size_t *length)
{
    char quote = accept(c, '\'') ? '\'' : accept(c, '"') ? '"' : 0;
    const char *end = quote ? memchr(c->at, quote, (size_t)(c->end - c->at)) : NULL;
    if (!end)
        return false;
    *text = c->at;
    *length = (size_t)(end - c->at);
    c->at = end + 1;
    return !memchr(*text, '\\', *length);
}

/* '<f8': the order of bytes, the kind, the size. */
static const char *read_descr(Cursor *c, NpyHeader *h)
{
    static const char *const known[] = { "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1" };
    const char *text, *refused = "its elements are not float32, float64, whole numbers or bools";
    size_t length;
    if (!read_string(c, &text, &length) || length != 3 || !is_one_of(text[0], "<>|="))
        return refused;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strncmp(text + 1, known[k], 2) == 0) {
            h->order = text[0];
            h->kind = text[1];
            h->size = text[2] - '0';
            return h->order == '=' || (h->order == '|' && h->size > 1) ? "its order of bytes is not stated" : NULL;
        }
    return refused;
}

static const char *read_shape(Cursor *c, ArrayFile *out)
{
    const char *refused = "its shape is not understood";
    out->count = 1;
    if (!accept(c, '('))
        return refused;
    while (!accept(c, ')')) {
        int64_t size = 0;
        const char *begin = c->at;
        for (; c->at < c->end && *c->at >= '0' && *c->at <= '9' && size <= ELEMENTS_MAX; c->at++)
            size = 10 * size + (*c->at - '0');
        if (c->at == begin)
            return refused;
        if (size == 0)
            return "it has no elements: a size of its shape is 0";
        if (out->rank == RANK_USER)
            return "it has more than 8 dimensions";
        if (size > ELEMENTS_MAX || out->count > ELEMENTS_MAX / size)
            return "it has too many elements";
        out->size[out->rank++] = size;
        out->count *= size;
        if (!accept(c, ',') && (c->at == c->end || *c->at != ')'))
            return refused;
    }
    return NULL;
}

static const char *read_entry(Cursor *c, NpyHeader *h, ArrayFile *out)
{
    const char *key;
    size_t length;
    int which = 0;
    if (!read_string(c, &key, &length) || !accept(c, ':'))
        return "its header is not understood";
    while (which < 3 && (strlen(npy_keys[which]) != length || strncmp(npy_keys[which], key, length) != 0))
        which++;
    if (which == 3 || h->seen[which])
        return "its header has a key that is not understood";
    h->seen[which] = true;
    if (which == 0)
        return read_descr(c, h);
    if (which == 2)
        return read_shape(c, out);
    h->fortran = accept_word(c, "True");
    return h->fortran || accept_word(c, "False") ? NULL : "its header is not understood";
}

static const char *read_dictionary(Cursor *c, NpyHeader *h, ArrayFile *out)
{
    const char *wrong = accept(c, '{') ? NULL : "its header is not understood";
    while (!wrong && !accept(c, '}')) {
        wrong = read_entry(c, h, out);
        if (!wrong && !accept(c, ',') && (c->at == c->end || *c->at != '}'))
            wrong = "its header is not understood";
    }
    skip_blanks(c);
    if (!wrong && (c->at < c->end || !h->seen[0] || !h->seen[1] || !h->seen[2]))
        wrong = "its header is not complete";
    return wrong;
}

/* Version 1 has two bytes for the length of the header, versions 2 and 3 have four. */
static const char *npy_header(const Bytes *file, NpyHeader *h, ArrayFile *out, size_t *begin)
{
    const unsigned char *bytes = (const unsigned char *)file->text;
    if (file->length < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return "it is not a .npy file";
    if (bytes[6] < 1 || bytes[6] > 3)
        return "its version is not 1, 2 or 3";
    size_t start = bytes[6] > 1 ? 12 : 10, length = bytes[8] + 256u * bytes[9];
    if (start == 12)
        length += 65536u * bytes[10] + ((size_t)bytes[11] << 24);
    if (length > file->length - start)
        return "it ends within its header";
    Cursor c = { file->text + start, file->text + start + length };
    *begin = start + length;
    return read_dictionary(&c, h, out);
}

static double npy_integer(uint64_t bits, int size, bool is_signed)
{
    if (is_signed && size < 8 && (bits >> (8 * size - 1) & 1))
        bits |= ~(uint64_t)0 << (8 * size);
    return is_signed && bits >> 63 ? -(double)(~bits + 1) : (double)bits;
}

static double npy_element(const unsigned char *at, const NpyHeader *h)
{
    uint64_t bits = 0;
    for (int k = 0; k < h->size; k++)
        bits = bits << 8 | at[h->order == '>' ? k : h->size - 1 - k];
    if (h->kind != 'f')
        return h->kind == 'b' ? bits != 0 : npy_integer(bits, h->size, h->kind == 'i');
    if (h->size == 4) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Where element k of the row-major result stands in the file. */
static int64_t npy_place(const ArrayFile *array, int64_t k, bool fortran)
{
    if (!fortran)
        return k;
    int64_t place = 0, stride = array->count;
    for (int axis = array->rank - 1; axis >= 0; axis--) {
        stride /= array->size[axis];
        place += k % array->size[axis] * stride;
        k /= array->size[axis];
    }
    return place;
}

static const char *npy_read(Context *ctx, const Bytes *file, ArrayFile *out)
{
    NpyHeader h = { 0 };
    size_t begin;
    const char *wrong = npy_header(file, &h, out, &begin);
    if (wrong)
        return wrong;
    if ((file->length - begin) / (size_t)h.size < (size_t)out->count)
        return "it ends before its last element";
    if (file->length - begin != (size_t)out->count * (size_t)h.size)
        return "there is more in it behind its last element";
    out->elem = h.kind == 'f' ? ELEM_REAL : h.kind == 'b' ? ELEM_BOOL : ELEM_INT;
    out->data = NEW_ARRAY(ctx->arena, double, out->count);
    for (int64_t k = 0; k < out->count; k++) {
        size_t place = (size_t)npy_place(out, k, h.fortran) * (size_t)h.size;
        out->data[k] = npy_element((const unsigned char *)file->text + begin + place, &h);
    }
    return NULL;
}

/* ---- .csv: one row per line, `#` starts a comment; between numbers one comma or semicolon, or blanks alone ------- */
typedef struct {
    Context *ctx;
    const char *at;
    int line;
    bool has_real;                                          /* some number is not a whole one as written */
    Vec(double) numbers;
} Csv;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
static bool is_end(char c) { return c == '\0' || c == '\n' || c == '#'; }

static void skip_cell_blanks(Csv *csv)
{
    while (is_blank(*csv->at))
        csv->at++;
}

/* Decimal numbers, and nan and inf by these names; strtod knows more. */
static bool is_number(const char *word)
{
    const char *digits = word + (*word == '-' || *word == '+');
    return strcmp(digits, "nan") == 0 || strcmp(digits, "inf") == 0
        || (*digits && strspn(digits, "0123456789.eE+-") == strlen(digits));
}

static const char *csv_number(Csv *csv)
{
    size_t length = 0;
    while (!is_end(csv->at[length]) && !is_blank(csv->at[length])
           && !is_one_of(csv->at[length], ",;"))
        length++;
    if (length == 0)
        return str_format(csv->ctx, "line %d has an empty place", csv->line);
    const char *word = str_intern_n(csv->ctx, csv->at, (int)(length < 80 ? length : 80));
    char *end;
    double value = is_number(word) ? strtod(word, &end) : 0;
    if (!is_number(word) || *end || length > 80)
        return str_format(csv->ctx, "line %d: '%s' is not a number", csv->line, word);
    if (isinf(value) && strspn(word, "0123456789.eE+-") == length)
        return str_format(csv->ctx, "line %d: '%s' is too large for a double", csv->line, word);
    csv->has_real |= strspn(word, "0123456789+-") != length;
    vec_push(csv->ctx->arena, &csv->numbers, value);
    csv->at += length;
    return NULL;
}

static const char *csv_line(Csv *csv, int *added)
{
    int before = csv->numbers.count;
    const char *wrong = NULL;
    skip_cell_blanks(csv);
    while (!wrong && !is_end(*csv->at)) {
        wrong = csv_number(csv);
        skip_cell_blanks(csv);
        if (!wrong && is_one_of(*csv->at, ",;")) {
            csv->at++;
            skip_cell_blanks(csv);
            if (is_end(*csv->at))
                wrong = str_format(csv->ctx, "line %d has an empty place", csv->line);
        }
    }
    csv->at += strcspn(csv->at, "\n");
    csv->at += *csv->at == '\n';
    *added = csv->numbers.count - before;
    return wrong;
}

static const char *csv_read(Context *ctx, const Bytes *file, ArrayFile *out)
{
    bool has_mark = file->length >= 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0;
    Csv csv = { .ctx = ctx, .at = file->text + (has_mark ? 3 : 0) };
    int rows = 0, columns = 0, added;
    if (memchr(file->text, '\0', file->length))
        return "it is not a text";
    while (*csv.at) {
        csv.line++;
        const char *wrong = csv_line(&csv, &added);
        if (wrong)
            return wrong;
        if (rows && added && added != columns)
            return str_format(ctx, "line %d has %d numbers, the lines before it %d", csv.line, added, columns);
        columns = added ? added : columns;
        rows += added > 0;
    }
    if (!rows)
        return "there are no numbers in it";
    *out = (ArrayFile){ .elem = csv.has_real ? ELEM_REAL : ELEM_INT, .rank = 2, .size = { rows, columns },
                        .count = csv.numbers.count, .data = csv.numbers.at, .is_table = true };
    return NULL;
}

/* ---- either ------------------------------------------------------------------------------------------------------ */
const char *array_read(Context *ctx, const char *path, ArrayFile *out)
{
    *out = (ArrayFile){ 0 };
    Bytes file = { "", 0 };
    const char *dot = strrchr(path, '.');
    bool npy = dot && strcmp(dot, ".npy") == 0, csv = dot && strcmp(dot, ".csv") == 0;
    if (!npy && !csv)
        return "the name of an array file ends in .npy or .csv";
    const char *wrong = read_bytes(ctx, path, &file);
    return wrong ? wrong : npy ? npy_read(ctx, &file, out) : csv_read(ctx, &file, out);
}

/* A table of one row or column may stand for a vector, and one of a single number for a scalar. */
bool array_has_shape(const ArrayFile *array, const Type *type)
{
    if (array->count != type->count)
        return false;
    if (array->is_table && type->rank < 2)
        return type->rank == 0 || array->size[0] == 1 || array->size[1] == 1;
    if (array->rank != type->rank)
        return false;
    for (int axis = 0; axis < type->rank; axis++)
        if (array->size[axis] != type_size(type, axis))
            return false;
    return true;
}
