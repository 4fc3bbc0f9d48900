/* c_special.c: the functions of ir/special.inc that a program calls, as static functions of the generated file, for
 * double or float.  The conventions of that text are stated at its head. */
#include "../ir/special.h"
#include "loop.h"

#include <ctype.h>
#include <string.h>

enum { CHUNKS_MAX = 64 };

typedef struct { const char *begin, *end; char name[32]; bool wanted; } Chunk;

/* From the comment above the definition to the line that is `}`. */
static int cut_chunks(Chunk *chunks)
{
    const char *mark = "\nstatic double adc_", *at = special_text;
    int count = 0;
    while ((at = strstr(at, mark)) != NULL && count < CHUNKS_MAX) {
        Chunk *c = &chunks[count++];
        const char *name = at + strlen("\nstatic double "), *end = strstr(name, "\n}\n");
        size_t length = strcspn(name, "(");
        *c = (Chunk){ .begin = at + 1, .end = end ? end + 3 : name + strlen(name) };
        memcpy(c->name, name, length < sizeof c->name ? length : sizeof c->name - 1);
        while (c->begin > special_text && strncmp(c->begin, "/*", 2) != 0)
            c->begin--;
        at = c->end - 1;
    }
    return count;
}

static bool mentions(const Chunk *c, const char *name)
{
    size_t length = strlen(name);
    for (const char *s = c->begin; (s = strstr(s, name)) != NULL && s < c->end; s += length)
        if (s[length] == '(')
            return true;
    return false;
}

/* The same text over float: types, literals and calls of libm. */
static void put_float(Text *out, const char *s, const char *end)
{
    bool comment = false;
    while (s < end) {
        const char *word = s;
        if (strncmp(s, "/*", 2) == 0 || strncmp(s, "*/", 2) == 0) {
            comment = *s == '/';
            text_printf(out, "%.2s", s);
            s += 2;
        } else if (isdigit((unsigned char)*s)) {
            bool real = false;
            while (isalnum((unsigned char)*s) || *s == '.' || ((*s == '-' || *s == '+') && s[-1] == 'e')) {
                real |= *s == '.' || *s == 'e';
                s++;
            }
            text_printf(out, "%.*s%s", (int)(s - word), word, real && !comment ? "f" : "");
        } else if (isalpha((unsigned char)*s) || *s == '_') {
            while (isalnum((unsigned char)*s) || *s == '_')
                s++;
            int length = (int)(s - word);
            bool type = length == 6 && strncmp(word, "double", 6) == 0 && !comment;
            bool own = strncmp(word, "adc_", 4) == 0 || strncmp(word, "for", 3) == 0 || strncmp(word, "if", 2) == 0
                || strncmp(word, "is", 2) == 0 || strncmp(word, "while", 5) == 0 || strncmp(word, "sizeof", 6) == 0;
            text_printf(out, "%.*s%s", type ? 5 : length, type ? "float" : word,
                        *s == '(' && !own && !comment ? "f" : "");
        } else {
            text_char(out, *s++);
        }
    }
}

void c_specials(Context *ctx, const Program *p, Text *out)
{
    Chunk chunks[CHUNKS_MAX];
    int count = cut_chunks(chunks);
    for (int k = count - 1; k >= 0; k--) {
        chunks[k].wanted |= map_get(p->calls, str_intern(ctx, chunks[k].name)) != NULL;
        for (int i = 0; chunks[k].wanted && i < k; i++)
            chunks[i].wanted |= mentions(&chunks[k], chunks[i].name);
    }
    for (int k = 0; k < count; k++) {
        if (!chunks[k].wanted)
            continue;
        if (ctx->options.is_float)
            put_float(out, chunks[k].begin, chunks[k].end);
        else
            text_printf(out, "%.*s", (int)(chunks[k].end - chunks[k].begin), chunks[k].begin);
        text_char(out, '\n');
    }
}
