/* adc.h: what every stage shares: memory, strings, vectors, maps, source positions, messages and the options.
 *
 * There is no global mutable state: a Context travels.  Memory comes from arenas and is never freed by the code that uses
 * it: `arena` lives as long as the compilation, `scratch` is rolled back with mark and release. */
#ifndef ADC_H
#define ADC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ADC_VERSION "0.1.0"

/* exit statuses (command line contract) */
enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_FILE = 3, EXIT_INTERNAL = 70 };

/* ---- util.c: arenas ------------------------------------------------------------------------------------------- */
typedef struct Arena Arena;
typedef struct { void *block; size_t used; uint64_t large; } ArenaMark;

Arena *arena_new(void);
void arena_free(Arena *);
void *arena_alloc(Arena *, size_t size);                    /* zeroed, aligned for pointers, int64_t and double; never NULL */
void *arena_copy(Arena *, const void *data, size_t size);
ArenaMark arena_mark(Arena *);
void arena_release(Arena *, ArenaMark);
void arena_drop(Arena *, void *memory, size_t size);        /* nobody needs it any more: given back at once if it is large */
#define NEW(arena, T)           ((T *)arena_alloc((arena), sizeof(T)))
#define NEW_ARRAY(arena, T, n)  ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* ---- util.c: strings -------------------------------------------------------------------------------------------- */
typedef const char *Str;                                    /* interned, NUL-terminated: equal text is equal pointer */
typedef struct StrTable StrTable;

/* A growing text buffer; `text` is always NUL-terminated once something was put. */
typedef struct { Arena *arena; char *text; size_t length, capacity; } Text;
void text_char(Text *, char);
void text_put(Text *, const char *);
void text_printf(Text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(Text *, const char *format, va_list);
void text_real(Text *, double, bool is_float);              /* shortest decimal that reads back to the same bits, with a
                                                               '.' or an 'e'; inf, -inf, nan as words; locale-proof */

/* ---- util.c: vectors and maps ----------------------------------------------------------------------------------- */
#define Vec(T) struct { T *at; int count, capacity; }
#define vec_push(arena, v, x) \
    (*((v)->count == (v)->capacity ? vec_grow((arena), (void **)&(v)->at, &(v)->capacity, sizeof *(v)->at) : (void)0, \
       &(v)->at[(v)->count++]) = (x))
void vec_grow(Arena *, void **at, int *capacity, size_t element);

typedef struct Map Map;                                     /* pointer -> pointer; iteration order is insertion order */
Map *map_new(Arena *);
void *map_get(const Map *, const void *key);                /* NULL when absent */
void map_put(Map *, const void *key, void *value);
int map_count(const Map *);
const void *map_key(const Map *, int k);
void *map_value(const Map *, int k);

/* A table of interned things, by a hash and a number that grows as things are made: what is made at one time is looked up at one
 * time, so it stands together and large tables stay in the cache. */
typedef struct { const void *thing; uint32_t hash, near; } TableSlot;
typedef struct { TableSlot *slots; size_t size; } Table;     /* size: a power of two */
typedef bool TableEqual(const void *thing, const void *key); /* of one hash */
void table_reserve(Arena *, Table *, size_t count);     /* for one more */
TableSlot *table_find(const Table *, uint32_t hash, uint32_t near, TableEqual *, const void *key);   /* thing NULL: it belongs here */

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);
void sha256_hex(const void *data, size_t size, char hex[65]);

/* ---- diag.c: source positions and messages ---------------------------------------------------------------------- */
typedef struct Source {
    Str path;                                               /* as messages name it: relative, as the user gave it */
    const char *text;                                       /* NUL-terminated; length excludes the NUL */
    int length;
    int *line_start; int line_count;                        /* filled by source_new */
} Source;

typedef struct { const Source *source; int begin, end; } Span;   /* bytes [begin, end); source NULL: nowhere */

typedef struct Context Context;

Source *source_new(Context *, const char *path, const char *text, int length);
int span_line(Span);                                        /* 1-based; 0 for nowhere */
int span_column(Span);                                      /* 1-based, in UTF-8 characters */
Span span_join(Span a, Span b);                             /* from the start of a to the end of b */

/* One lower-case clause each: what was expected, what was found.  Prints `file:line:col: error: message`, the source
 * line and a caret run under the span.  After ERROR_LIMIT errors printing stops and one closing line says so. */
enum { ERROR_LIMIT = 20 };
void error_at(Context *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void warn_at(Context *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void note_at(Context *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));   /* belongs to the last error or warning */
void error_plain(Context *, const char *format, ...) __attribute__((format(printf, 2, 3)));     /* `adc: error: ...`, no location */
/* A compiler's mistake: says where, what to report, exits with EXIT_INTERNAL. */
_Noreturn void internal_error(Context *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The candidate nearest to `name` by edit distance, or NULL when none is near enough to suggest. */
Str nearest_name(Str name, const Str *candidates, int count);

/* ---- options and context ------------------------------------------------------------------------------------------ */
typedef struct { Str name, value; } Define;                 /* -D NAME=VALUE */

typedef struct Options {
    bool is_float;                                          /* --real=float */
    int level;                                              /* -O0 .. -O2 */
    bool work_static;                                       /* --work=static */
    int64_t stack_limit;                                    /* --stack-limit, bytes */
    int64_t lanes;                                          /* --lanes: trips of a loop that run at once; 0: as it pays */
    int64_t scalars;                                        /* --scalars: operations of a function written out; 0: none is */
    int64_t ram_budget;                                     /* --ram-budget, bytes; 0: none */
    Str prefix;                                             /* --prefix, never NULL */
    bool unchecked;                                         /* --unchecked */
    Vec(Define) defines;
    Vec(Str) exports;                                       /* --export texts */
    Vec(Str) dumps;                                         /* --dump PASS; "all" is every pass */
    Vec(Str) libraries;                                     /* --extern: where the evaluator finds the user's C functions */
    bool no_singular;                                       /* -Wno-singular */
    bool quiet_warnings;
    bool keep_adjoints;                                     /* records of sweeps are wanted: --explain, --emit=dot */
    int wrong_op, wrong_operand;                            /* mutants.c: op + 1 whose rule is made wrong; 0: none */
} Options;

typedef struct Graph Graph;

struct Context {
    Arena *arena, *scratch;
    Arena *trees;                                           /* what was parsed, and the names in it; gone when code is generated */
    StrTable *strings;
    Options options;
    Graph *graph;                                           /* every node of the compilation (ir/ir.h) */
    struct Frontend *frontend;                              /* the prelude and the parsed derivative rules (frontend/), made once */
    FILE *messages;                                         /* standard error, or a buffer in tests */
    int error_count, warning_count;
    Map *warned;                                            /* what was warned of, and where; NULL: nothing */
    bool last_hidden;                                       /* the last error or warning was not printed: no notes either */
    const char *phase;                                      /* the pass that runs, for internal_error */
    Span place;                                             /* the user's line that is worked on, for internal_error */
};

Context *context_new(void);
void context_free(Context *);
void context_drop_trees(Context *);                         /* all functions are elaborated */
Str str_intern(Context *, const char *text);
Str str_intern_n(Context *, const char *text, int length);
Str str_format(Context *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
