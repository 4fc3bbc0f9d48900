/* sets.c: interned sets of elements of x: equal sets are one number, the empty set is 0, {e} is e + 1.
 *
 * What a value depends on is written as such a number per element, so that ops that only move elements move the numbers. */
#include "sparsity.h"

#include <stdlib.h>
#include <string.h>

enum { SETS_MOST = 1 << 24, MEMBERS_MOST = 1 << 26 };       /* a set's number is exact as a float; memory */

typedef struct { const int *at; int count; uint64_t hash; } Set;
typedef struct { uint64_t key; int set; } Union;

struct Sets {
    Arena *arena;
    int size;                                               /* elements of x */
    Vec(Set) sets;
    int *table; size_t table_size;                          /* sets by hash; 0: free */
    Union *unions; size_t union_size, union_count;          /* of pairs, by key; key 0: free */
    int64_t members;
    bool *has; int *list;                                   /* of a union of many */
    bool full;
};

static void set_insert(Sets *s, int id)
{
    size_t at = s->sets.at[id].hash & (s->table_size - 1);
    while (s->table[at])
        at = (at + 1) & (s->table_size - 1);
    s->table[at] = id;
}

static void sets_grow(Sets *s)
{
    s->table_size = s->table_size ? 2 * s->table_size : 1024;
    s->table = NEW_ARRAY(s->arena, int, s->table_size);
    for (int k = 1; k < s->sets.count; k++)
        set_insert(s, k);
}

/* Ascending members. */
static int set_intern(Sets *s, const int *members, int count)
{
    uint64_t hash = hash_bytes(1, members, sizeof *members * (size_t)count);
    if (count == 0)
        return 0;
    for (size_t at = hash & (s->table_size - 1); s->table[at]; at = (at + 1) & (s->table_size - 1)) {
        const Set *x = &s->sets.at[s->table[at]];
        if (x->hash == hash && x->count == count && memcmp(x->at, members, sizeof *members * (size_t)count) == 0)
            return s->table[at];
    }
    s->members += count;
    if (s->sets.count >= SETS_MOST || s->members > MEMBERS_MOST) {
        s->full = true;
        return 0;
    }
    Set set = { arena_copy(s->arena, members, sizeof *members * (size_t)count), count, hash };
    vec_push(s->arena, &s->sets, set);
    if (2 * (size_t)s->sets.count > s->table_size)
        sets_grow(s);
    else
        set_insert(s, s->sets.count - 1);
    return s->sets.count - 1;
}

Sets *sets_new(Arena *arena, int size)
{
    Sets *s = NEW(arena, Sets);
    *s = (Sets){ .arena = arena, .size = size, .has = NEW_ARRAY(arena, bool, size + 1),
                 .list = NEW_ARRAY(arena, int, size + 1) };
    vec_push(arena, &s->sets, ((Set){ NULL, 0, 0 }));
    sets_grow(s);
    for (int k = 0; k < size; k++)
        set_intern(s, &k, 1);
    return s;
}

bool sets_full(const Sets *s) { return s->full; }

int set_members(const Sets *s, int id, const int **members)
{
    *members = s->sets.at[id].at;
    return s->sets.at[id].count;
}

static Union *union_place(const Sets *s, uint64_t key)
{
    size_t at = hash_bytes(2, &key, sizeof key) & (s->union_size - 1);
    while (s->unions[at].key && s->unions[at].key != key)
        at = (at + 1) & (s->union_size - 1);
    return &s->unions[at];
}

static void unions_grow(Sets *s)
{
    const Union *old = s->unions;
    size_t count = s->union_size;
    s->union_size = count ? 2 * count : 1024;
    s->unions = NEW_ARRAY(s->arena, Union, s->union_size);
    for (size_t k = 0; k < count; k++)
        if (old[k].key)
            *union_place(s, old[k].key) = old[k];
}

int set_union(Sets *s, int a, int b)
{
    if (a == b || !b)
        return a;
    if (!a)
        return b;
    uint64_t low = (uint64_t)(a < b ? a : b), key = low << 32 | (uint64_t)(a < b ? b : a);
    if (2 * s->union_count >= s->union_size)
        unions_grow(s);
    Union *known = union_place(s, key);
    if (!known->key) {
        int pair[2] = { a, b };
        *known = (Union){ key, set_union_of(s, pair, 2) };
        s->union_count++;
    }
    return known->set;
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int set_union_of(Sets *s, const int *ids, int count)
{
    int n = 0, last = 0;
    bool sorted = true;
    for (int k = 0; k < count; k++) {
        const Set *x = &s->sets.at[ids[k]];
        for (int i = 0; (k == 0 || ids[k] != last) && i < x->count; i++)
            if (!s->has[x->at[i]]) {
                s->has[x->at[i]] = true;
                sorted &= n == 0 || s->list[n - 1] < x->at[i];
                s->list[n++] = x->at[i];
            }
        last = ids[k];
    }
    if (!sorted)
        qsort(s->list, (size_t)n, sizeof *s->list, ascending);
    for (int k = 0; k < n; k++)
        s->has[s->list[k]] = false;
    return set_intern(s, s->list, n);
}
