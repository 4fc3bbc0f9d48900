/* type.c: interned dimensions and types.  Equal types are the same pointer. */
#include "graph.h"

#include <string.h>

const Dim *dim_constant(Context *ctx, int64_t size)
{
    Graph *g = graph_of(ctx);
    for (int k = g->dims.count - 1; k >= 0; k--)            /* few distinct sizes in a model, recent ones last */
        if (g->dims.at[k]->size == size)
            return g->dims.at[k];
    Dim *d = NEW(ctx->arena, Dim);
    d->size = size;
    vec_push(ctx->arena, &g->dims, d);
    return d;
}

static uint64_t type_hash(Elem elem, int rank, const int64_t *sizes)
{
    return hash_bytes((uint64_t)elem * 31 + (uint64_t)rank, sizes, (size_t)rank * sizeof *sizes);
}

static void type_table_grow(Context *ctx, Graph *g)
{
    const Type **old = g->types;
    int old_size = g->type_size;
    g->type_size = old_size ? old_size * 2 : 256;
    g->types = NEW_ARRAY(ctx->arena, const Type *, g->type_size);
    for (int k = 0; k < old_size; k++) {
        if (!old[k])
            continue;
        int64_t sizes[RANK_MAX];
        for (int a = 0; a < old[k]->rank; a++)
            sizes[a] = dim_size(old[k]->dim[a]);
        uint64_t at = type_hash(old[k]->elem, old[k]->rank, sizes);
        while (g->types[at & (uint64_t)(g->type_size - 1)])
            at++;
        g->types[at & (uint64_t)(g->type_size - 1)] = old[k];
    }
}

static bool type_is(const Type *t, Elem elem, int rank, const int64_t *sizes)
{
    if (t->elem != elem || t->rank != rank)
        return false;
    for (int a = 0; a < rank; a++)
        if (dim_size(t->dim[a]) != sizes[a])
            return false;
    return true;
}

const Type *type_sized(Context *ctx, Elem elem, int rank, const int64_t *sizes)
{
    Graph *g = graph_of(ctx);
    CHECK(ctx, rank >= 0 && rank <= RANK_MAX);
    if (2 * g->type_count >= g->type_size)
        type_table_grow(ctx, g);
    uint64_t mask = (uint64_t)(g->type_size - 1), at = type_hash(elem, rank, sizes) & mask;
    for (; g->types[at]; at = (at + 1) & mask)
        if (type_is(g->types[at], elem, rank, sizes))
            return g->types[at];
    Type *t = NEW(ctx->arena, Type);
    t->elem = elem;
    t->rank = rank;
    t->count = 1;
    for (int a = 0; a < rank; a++) {
        CHECK(ctx, sizes[a] > 0 && sizes[a] <= INT64_MAX / t->count);
        t->dim[a] = dim_constant(ctx, sizes[a]);
        t->count *= sizes[a];
    }
    g->types[at] = t;
    g->type_count++;
    return t;
}

const Type *type_make(Context *ctx, Elem elem, int rank, const Dim *const *dims)
{
    int64_t sizes[RANK_MAX];
    CHECK(ctx, rank >= 0 && rank <= RANK_MAX);
    for (int a = 0; a < rank; a++)
        sizes[a] = dim_size(dims[a]);
    return type_sized(ctx, elem, rank, sizes);
}

const Type *type_scalar(Context *ctx, Elem elem)
{
    return type_sized(ctx, elem, 0, NULL);
}

const Type *type_with_elem(Context *ctx, const Type *t, Elem elem)
{
    return t->elem == elem ? t : type_make(ctx, elem, t->rank, t->dim);
}

const Type *type_concat(Context *ctx, Elem elem, const Type *front, const Type *back)
{
    const Dim *dims[2 * RANK_MAX];
    CHECK(ctx, front->rank + back->rank <= RANK_MAX);
    memcpy(dims, front->dim, sizeof *dims * (size_t)front->rank);
    memcpy(dims + front->rank, back->dim, sizeof *dims * (size_t)back->rank);
    return type_make(ctx, elem, front->rank + back->rank, dims);
}

bool type_same_shape(const Type *a, const Type *b)
{
    return a == b || (a->rank == b->rank && memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0);
}

const Type *type_broadcast(Context *ctx, const Type *a, const Type *b)
{
    const Dim *dims[RANK_MAX];
    int rank = a->rank > b->rank ? a->rank : b->rank;
    for (int k = 1; k <= rank; k++) {
        const Dim *p = k <= a->rank ? a->dim[a->rank - k] : NULL, *q = k <= b->rank ? b->dim[b->rank - k] : NULL;
        if (p && q && p != q && dim_size(p) != 1 && dim_size(q) != 1)
            return NULL;
        dims[rank - k] = !q || (p && dim_size(p) != 1) ? p : q;
    }
    return type_make(ctx, a->elem, rank, dims);
}

static const char *const elem_name[] = { "real", "int", "bool" };

static const char *dims_text(Context *ctx, const Type *t, const char *front)
{
    Text text = { .arena = ctx->arena };
    text_printf(&text, "%s", front);
    for (int a = 0; a < t->rank; a++)
        text_printf(&text, "%s%lld", a ? ", " : "[", (long long)dim_size(t->dim[a]));
    text_put(&text, t->rank ? "]" : "");
    return text.text;
}

const char *type_text(Context *ctx, const Type *t)
{
    return dims_text(ctx, t, elem_name[t->elem]);
}

const char *shape_text(Context *ctx, const Type *t)
{
    return t->rank ? dims_text(ctx, t, "") : "a scalar";
}
