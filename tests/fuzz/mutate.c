/* mutate.c: prints a program that is nearly right.
 *
 *   mutate SEED FILE...      one of the files with a few changes: words dropped, doubled, exchanged, taken from another file;
 *                            numbers that are extreme; brackets by the thousand; an end that is missing; bytes that are no text
 *
 * The output depends on the seed and on the files alone. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 20000, ROOM = 1 << 20 };
typedef struct { const char *at; size_t length; } Word;
typedef struct { Word words[WORDS]; int count; } Words;

static uint64_t state;

static uint64_t draw(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int pick(int count) { return (int)(draw() % (uint64_t)count); }

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(ROOM + 1);
    if (!file || !text) {
        fprintf(stderr, "mutate: cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    *length = fread(text, 1, ROOM, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

/* Names, numbers, runs of blanks, comments and single marks. */
static void split(const char *text, Words *words)
{
    words->count = 0;
    while (*text && words->count < WORDS) {
        const char *end = text + 1;
        if (isalnum((unsigned char)*text) || *text == '_')
            while (isalnum((unsigned char)*end) || *end == '_' || *end == '.')
                end++;
        else if (isspace((unsigned char)*text))
            while (isspace((unsigned char)*end))
                end++;
        else if (*text == '#')
            end = text + strcspn(text, "\n");
        words->words[words->count++] = (Word){ text, (size_t)(end - text) };
        text = end;
    }
}

static Word word_of(const char *text) { return (Word){ text, strlen(text) }; }

static Word repeated(const char *text, int times)
{
    size_t length = strlen(text);
    char *all = malloc(length * (size_t)times + 1);
    if (!all)
        exit(EXIT_FAILURE);
    for (int k = 0; k < times; k++)
        memcpy(all + length * (size_t)k, text, length);
    return (Word){ all, length * (size_t)times };
}

static Word strange(void)
{
    static const char *const words[] = {
        "0", "-1", "1", "2", "7", "65536", "2147483647", "2147483648", "-2147483648", "4294967296", "9223372036854775807",
        "9223372036854775808", "99999999999999999999999", "1e308", "1e309", "1e-320", "1e99999999", "0.0", "nan", "inf",
        "1000000", "1048576", "1099511627776", "()", "(,)", "[]", "[[]]", "[1, [2]]", "x", "y", "_", "a", "real", "int", "bool",
        "for", "while", "if", "else", "mut", "fn", "export", "test", "derivative", "extern", "const", "import", "load", "param",
        "grad", "jvp", "hessian", "jacobian", "hvp", "vjp", "split", "sparse", "accumulate: true", "wrt: x", "of: y", "seed: 1",
        "axis: 0", "axis: 9", "axis: -9", "keepdim: true", "max_trips 3", "checkpoint(2)", "within 0", "->", "..", "0..0", "5..1",
        "0..2147483647", "'", "''''", "^", "^-1", "^0.5", "//", "// 0", "% 0", "@", ":", "::0", "::-1", "1:", ";", "{", "}", "(", ")",
        "[", "]", ",", "==", "<", "and", "not", "?", "x ? y : 0", "= ", "+=", "\"", "\"a.ad\"", "\xef\xbb\xbf", "\r\n", "\xff\xfe",
        "\xc3\xa9", "einsum(\"ij,jk->ik\", x, x)", "einsum(\"\", x)", "solve(x, x)", "zeros((1000000, 1000000))", "iota(0)",
        "reshape(x, (0,))", "x[0]", "x[-1]", "x[99]", "x[:, :]", "sum(x)", "[i for i in 0..3]", "sum(i for i in 0..0)",
    };
    enum { COUNT = sizeof words / sizeof *words };
    switch (pick(40)) {
    case 0: return repeated("(", 1 << pick(17));
    case 1: return repeated("[", 1 << pick(13));
    case 2: return repeated("-", 1 << pick(13));
    case 3: return repeated("sin(", 1 << pick(12));
    case 4: return repeated("x^", 1 << pick(12));
    case 5: return repeated("name", 1 << pick(14));
    case 6: return repeated("if x > 0 {", 1 << pick(10));
    case 7: return repeated("+x", 1 << pick(13));
    default: return word_of(words[pick(COUNT)]);
    }
}

static Word byte(void)
{
    char *text = malloc(1);
    if (!text)
        exit(EXIT_FAILURE);
    *text = (char)(1 + pick(255));
    return (Word){ text, 1 };
}

static void put(Word w) { fwrite(w.at, 1, w.length, stdout); }

int main(int argc, char **argv)
{
    static Words own, other;
    size_t length;
    if (argc < 3)
        return fprintf(stderr, "usage: mutate SEED FILE...\n"), 2;
    state = strtoull(argv[1], NULL, 10) * 0x2545F4914F6CDD1Du + 1;
    char *text = read_file(argv[2 + pick(argc - 2)], &length);
    split(text, &own);
    split(read_file(argv[2 + pick(argc - 2)], &length), &other);
    int changes = 1 + pick(pick(4) ? 3 : 12), end = pick(20) ? own.count : pick(own.count + 1);
    for (int k = 0; k < changes && own.count > 1 && other.count > 1; k++) {
        Word *w = &own.words[pick(own.count)];
        switch (pick(9)) {
        case 0: *w = word_of(""); break;
        case 1: own.words[pick(own.count)] = *w; break;
        case 2: { Word *v = &own.words[pick(own.count)], swap = *v; *v = *w; *w = swap; break; }
        case 3: *w = other.words[pick(other.count)]; break;
        case 4: for (int i = 0; w + i < own.words + own.count && i < 1 + pick(8); i++) w[i] = word_of(""); break;
        case 5: *w = byte(); break;
        default: *w = strange(); break;
        }
    }
    for (int k = 0; k < end; k++)
        put(own.words[k]);
    if (pick(200) == 0)
        putchar('\0');
    return 0;
}
