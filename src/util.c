/* util.c: memory, strings, growing buffers, vectors, maps, hashes, and the Context that carries them. */
#include "adc.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- arenas -------------------------------------------------------------------------------------------------------
 * A list of blocks, newest first; only the newest is allocated from.  A block is at least as large as a quarter of what
 * the arena already holds, so that their number grows with the logarithm of the size.  A large piece is no part of a
 * block, so that it can be given back when it is replaced by a larger one. */
typedef struct Block {
    struct Block *older;
    size_t size, used;
    max_align_t data[];
} Block;

typedef struct Large {
    struct Large *older, *newer;
    uint64_t number;                                        /* of pieces that were asked for, in order */
    max_align_t data[];
} Large;

struct Arena {
    Block *newest;
    Block *spare;                                           /* the largest released block, to be used next */
    size_t total;
    Large *large;                                           /* newest first */
    uint64_t large_count;
};

enum { FIRST_BLOCK = 1 << 16, ALIGNMENT = 8 };
#ifndef LARGE_PIECE
#define LARGE_PIECE (1 << 18)                               /* bytes; a small one shows who keeps a pointer to what has grown */
#endif

static _Noreturn void out_of_memory(void)
{
    fputs("adc: error: out of memory\n", stderr);
    exit(EXIT_INPUT);
}

Arena *arena_new(void)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        out_of_memory();
    return arena;
}

static void drop_newest(Arena *arena)
{
    Block *block = arena->newest;
    arena->newest = block->older;
    arena->total -= block->size;
    if (!arena->spare || arena->spare->size < block->size) {
        Block *smaller = arena->spare;
        arena->spare = block;
        block = smaller;
    }
    free(block);
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    arena_release(arena, (ArenaMark){ 0 });
    free(arena->spare);
    free(arena);
}

static void add_block(Arena *arena, size_t need)
{
    size_t size = arena->total / 4 > FIRST_BLOCK ? arena->total / 4 : FIRST_BLOCK;
    if (size < need)
        size = need;
    Block *block = arena->spare;
    if (block && block->size >= need) {
        size = block->size;
        arena->spare = NULL;
    } else {
        block = malloc(sizeof *block + size);
    }
    if (!block)
        out_of_memory();
    *block = (Block){ .older = arena->newest, .size = size };
    arena->newest = block;
    arena->total += size;
}

static size_t aligned(size_t size)
{
    if (size > SIZE_MAX / 4)
        out_of_memory();
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Puts a piece that is new, or has moved, between its neighbours. */
static Large *link_large(Arena *arena, Large *piece)
{
    if (!piece)
        out_of_memory();
    *(piece->newer ? &piece->newer->older : &arena->large) = piece;
    if (piece->older)
        piece->older->newer = piece;
    return piece;
}

static Large *large_of(void *memory) { return (Large *)((char *)memory - offsetof(Large, data)); }

/* Memory may be used again after a release, so it is cleared when it is handed out. */
void *arena_alloc(Arena *arena, size_t size)
{
    size = aligned(size);
    if (size >= LARGE_PIECE) {
        Large *piece = calloc(1, sizeof *piece + size);
        if (piece)
            *piece = (Large){ .older = arena->large, .number = arena->large_count++ };
        return link_large(arena, piece)->data;
    }
    if (!arena->newest || arena->newest->size - arena->newest->used < size)
        add_block(arena, size);
    Block *block = arena->newest;
    void *memory = (char *)block->data + block->used;
    block->used += size;
    return memset(memory, 0, size);
}

void *arena_copy(Arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);
    return size ? memcpy(copy, data, size) : copy;
}

void arena_drop(Arena *arena, void *memory, size_t size)
{
    if (aligned(size) < LARGE_PIECE)
        return;
    Large *piece = large_of(memory);
    *(piece->newer ? &piece->newer->older : &arena->large) = piece->older;
    if (piece->older)
        piece->older->newer = piece->newer;
    free(piece);
}

/* A larger piece with the same beginning, and anything behind that: in place when `memory` was the last piece and its block
 * has room. */
static void *arena_grow(Arena *arena, void *memory, size_t old_size, size_t size)
{
    Block *block = arena->newest;
    size_t old_aligned = aligned(old_size), new_aligned = aligned(size);
    if (memory && old_aligned >= LARGE_PIECE)
        return link_large(arena, realloc(large_of(memory), sizeof(Large) + new_aligned))->data;
    if (memory && block && new_aligned < LARGE_PIECE && (char *)memory + old_aligned == (char *)block->data + block->used
        && block->size - block->used >= new_aligned - old_aligned) {
        block->used += new_aligned - old_aligned;
        return memory;
    }
    void *larger = arena_alloc(arena, size);
    return old_size ? memcpy(larger, memory, old_size) : larger;
}

ArenaMark arena_mark(Arena *arena)
{
    return (ArenaMark){ arena->newest, arena->newest ? arena->newest->used : 0, arena->large_count };
}

void arena_release(Arena *arena, ArenaMark mark)
{
    while (arena->newest != mark.block)
        drop_newest(arena);
    if (arena->newest)
        arena->newest->used = mark.used;
    while (arena->large && arena->large->number >= mark.large) {
        Large *piece = arena->large;
        arena->large = piece->older;
        if (piece->older)
            piece->older->newer = NULL;
        free(piece);
    }
}

/* ---- hashes ---------------------------------------------------------------------------------------------------- */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;              /* the finisher of splitmix64 */
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t h = seed ^ (size * 0x9e3779b97f4a7c15u), word = 0;
    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        memcpy(&word, at, sizeof word);
        h = mix(h ^ word);
    }
    word = 0;
    if (size)
        memcpy(&word, at, size);
    return mix(h ^ word);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */
typedef struct { Str text; uint32_t hash; int length; } Entry;

struct StrTable { Entry *slots; size_t size, count; };      /* open addressing; size is a power of two */

static Entry *find_entry(const StrTable *table, uint32_t hash, const char *text, int length)
{
    for (size_t k = hash;; k++) {
        Entry *e = &table->slots[k & (table->size - 1)];
        if (!e->text || (e->hash == hash && e->length == length && memcmp(e->text, text, (size_t)length) == 0))
            return e;
    }
}

static void grow_strings(Arena *arena, StrTable *table)
{
    StrTable larger = { .size = table->size ? 2 * table->size : 1024, .count = table->count };
    larger.slots = NEW_ARRAY(arena, Entry, larger.size);
    for (size_t k = 0; k < table->size; k++)
        if (table->slots[k].text)
            *find_entry(&larger, table->slots[k].hash, table->slots[k].text, table->slots[k].length) = table->slots[k];
    arena_drop(arena, table->slots, sizeof *table->slots * table->size);
    *table = larger;
}

Str str_intern_n(Context *ctx, const char *text, int length)
{
    StrTable *table = ctx->strings;
    if (2 * table->count >= table->size)
        grow_strings(ctx->arena, table);
    uint32_t hash = (uint32_t)hash_bytes(0, text, (size_t)length);
    Entry *entry = find_entry(table, hash, text, length);
    if (!entry->text) {
        char *copy = arena_alloc(ctx->arena, (size_t)length + 1);
        memcpy(copy, text, (size_t)length);
        *entry = (Entry){ copy, hash, length };
        table->count++;
    }
    return entry->text;
}

Str str_intern(Context *ctx, const char *text)
{
    return str_intern_n(ctx, text, (int)strlen(text));
}

Str str_format(Context *ctx, const char *format, ...)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Text text = { .arena = ctx->scratch };
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
    Str result = str_intern_n(ctx, text.text, (int)text.length);
    arena_release(ctx->scratch, mark);
    return result;
}

/* ---- text buffers ---------------------------------------------------------------------------------------------- */
/* Room for `more` characters and the NUL. */
static void text_reserve(Text *text, size_t more)
{
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return;
    size_t capacity = need < 64 ? 64 : need + need / 2;
    text->text = arena_grow(text->arena, text->text, text->capacity, capacity);
    text->capacity = capacity;
}

static void text_append(Text *text, const char *what, size_t length)
{
    text_reserve(text, length);
    memcpy(text->text + text->length, what, length);
    text->length += length;
    text->text[text->length] = '\0';
}

void text_char(Text *text, char c)
{
    text_append(text, &c, 1);
}

void text_put(Text *text, const char *what)
{
    text_append(text, what, strlen(what));
}

void text_vprintf(Text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    text_reserve(text, 0);
    int length = vsnprintf(text->text + text->length, text->capacity - text->length, format, again);
    va_end(again);
    if (length < 0)
        return;                                             /* never: no wide characters, no gigabytes */
    if ((size_t)length >= text->capacity - text->length) {
        text_reserve(text, (size_t)length);
        vsnprintf(text->text + text->length, (size_t)length + 1, format, arguments);
    }
    text->length += (size_t)length;
}

void text_printf(Text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(text, format, arguments);
    va_end(arguments);
}

/* The shortest "%.*g" of x that reads back.  Where x has all its bits, everything up to DIG digits is found by printing
 * DIG digits, since %g leaves out zeros at the end; a subnormal may need fewer. */
static void shortest_decimal(char *out, size_t size, double x, bool is_float)
{
    bool full = fabs(x) >= (is_float ? (double)FLT_MIN : DBL_MIN);
    int digits = !full ? 1 : is_float ? FLT_DIG : DBL_DIG, most = is_float ? 9 : 17;
    for (;; digits++) {
        snprintf(out, size, "%.*g", digits, x);
        if (digits >= most || (is_float ? (double)strtof(out, NULL) : strtod(out, NULL)) == x)
            return;
    }
}

void text_real(Text *text, double x, bool is_float)
{
    if (is_float)
        x = (double)(float)x;
    if (isnan(x) || isinf(x)) {
        text_put(text, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    char decimal[64];
    shortest_decimal(decimal, sizeof decimal, x, is_float);
    bool is_real = false;
    const char *point = localeconv()->decimal_point;
    for (const char *c = decimal; *c; c++) {
        bool is_point = *point && strncmp(c, point, strlen(point)) == 0;
        text_char(text, is_point ? '.' : *c);
        is_real = is_real || is_point || *c == 'e';
        if (is_point)
            c += strlen(point) - 1;
    }
    if (!is_real)
        text_put(text, ".0");
}

/* ---- vectors and maps ------------------------------------------------------------------------------------------ */
void vec_grow(Arena *arena, void **at, int *capacity, size_t element)
{
    if (*capacity > INT32_MAX / 2)
        out_of_memory();
    int larger = *capacity ? 2 * *capacity : 2;
    *at = arena_grow(arena, *at, (size_t)*capacity * element, (size_t)larger * element);
    *capacity = larger;
}

typedef struct { const void *key; void *value; } Pair;

struct Map {
    Arena *arena;
    Vec(Pair) pairs;                                        /* in the order of insertion */
    int *slots;                                             /* open addressing: 1 + number of a pair, 0 is free */
    size_t size;                                            /* a power of two */
};

Map *map_new(Arena *arena)
{
    Map *map = NEW(arena, Map);
    map->arena = arena;
    return map;
}

static int *find_slot(const Map *map, const void *key)
{
    for (size_t k = (size_t)mix((uintptr_t)key);; k++) {
        int *slot = &map->slots[k & (map->size - 1)];
        if (!*slot || map->pairs.at[*slot - 1].key == key)
            return slot;
    }
}

static void grow_map(Map *map)
{
    arena_drop(map->arena, map->slots, sizeof *map->slots * map->size);
    map->size = map->size ? 2 * map->size : 16;
    map->slots = NEW_ARRAY(map->arena, int, map->size);
    for (int k = 0; k < map->pairs.count; k++)
        *find_slot(map, map->pairs.at[k].key) = k + 1;
}

void *map_get(const Map *map, const void *key)
{
    int found = map->size ? *find_slot(map, key) : 0;
    return found ? map->pairs.at[found - 1].value : NULL;
}

void map_put(Map *map, const void *key, void *value)
{
    if (2 * (size_t)map->pairs.count >= map->size)
        grow_map(map);
    int *slot = find_slot(map, key);
    if (*slot) {
        map->pairs.at[*slot - 1].value = value;
        return;
    }
    vec_push(map->arena, &map->pairs, ((Pair){ key, value }));
    *slot = map->pairs.count;
}

int map_count(const Map *map)
{
    return map->pairs.count;
}

const void *map_key(const Map *map, int k)
{
    return map->pairs.at[k].key;
}

void *map_value(const Map *map, int k)
{
    return map->pairs.at[k].value;
}

/* ---- tables of interned things --------------------------------------------------------------------------------- */
enum { NEIGHBOURS = 8 };                                    /* places that are tried before those that the hash names */

TableSlot *table_find(const Table *table, uint32_t hash, uint32_t near, TableEqual *equal, const void *key)
{
    size_t mask = table->size - 1, at = 2 * (size_t)near;
    for (int k = 0;; k++) {
        TableSlot *slot = &table->slots[at++ & mask];
        if (!slot->thing || (slot->hash == hash && slot->near == near && equal(slot->thing, key)))
            return slot;
        if (k == NEIGHBOURS)
            at = hash;
    }
}

static bool never(const void *thing, const void *key)
{
    (void)thing, (void)key;
    return false;
}

void table_reserve(Arena *arena, Table *table, size_t count)
{
    if (2 * count < table->size)
        return;
    Table larger = { .size = table->size ? 2 * table->size : 2048 };
    larger.slots = NEW_ARRAY(arena, TableSlot, larger.size);
    for (size_t k = 0; k < table->size; k++)
        if (table->slots[k].thing)
            *table_find(&larger, table->slots[k].hash, table->slots[k].near, never, NULL) = table->slots[k];
    arena_drop(arena, table->slots, sizeof *table->slots * table->size);
    *table = larger;
}

/* ---- SHA-256 (FIPS 180-4) -------------------------------------------------------------------------------------- */
static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha_block(uint32_t state[8], const unsigned char *data)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 | (uint32_t)data[4 * i + 2] << 8
            | data[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3)
            + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25), choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t first = s[7] + e + choice + sha_constants[i] + w[i], second = a + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void sha256_hex(const void *data, size_t size, char hex[65])
{
    uint32_t state[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    const unsigned char *at = data;
    size_t left = size;
    for (; left >= 64; at += 64, left -= 64)
        sha_block(state, at);
    unsigned char last[128] = { 0 };                        /* the rest, a one bit, zeros, the length in bits */
    if (left)
        memcpy(last, at, left);
    last[left] = 0x80;
    size_t length = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        last[length - 1 - (size_t)i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t k = 0; k < length; k += 64)
        sha_block(state, last + k);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08lx", (unsigned long)state[i]);
}

/* ---- the context ----------------------------------------------------------------------------------------------- */
Context *context_new(void)
{
    Arena *arena = arena_new();
    Context *ctx = NEW(arena, Context);
    ctx->arena = arena;
    ctx->scratch = arena_new();
    ctx->trees = arena_new();
    ctx->strings = NEW(arena, StrTable);
    ctx->options.level = 2;
    ctx->options.scalars = 1000;
    ctx->options.stack_limit = 1024;
    ctx->options.prefix = str_intern(ctx, "");
    ctx->messages = stderr;
    return ctx;
}

void context_drop_trees(Context *ctx)
{
    arena_free(ctx->trees);
    ctx->trees = NULL;
}

void context_free(Context *ctx)
{
    if (!ctx)
        return;
    context_drop_trees(ctx);
    arena_free(ctx->scratch);
    arena_free(ctx->arena);                                 /* the context itself is in it */
}
