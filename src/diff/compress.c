/* compress.c: sparse derivatives from few directions.
 *
 * Columns that share no row go in one direction (Curtis, Powell and Reid, J. Inst. Maths Applics 13, 1974); rows that share no
 * column in one adjoint sweep.  A block of a Hessian on the diagonal is symmetric: its columns are coloured so that
 * every element can be read off in its own place or in the one across (star colouring; Gebremedhin, Manne and
 * Pothen, SIAM Review 47, 2005).  Which direction an element comes from is known here and is a table of the program. */
#include "sparsity.h"

#include <string.h>

typedef struct { int *color; int count; } Coloring;         /* -1: nothing there, no direction */

/* Entries by row, or by column: those of k are at[first[k]] .. at[first[k + 1] - 1]. */
typedef struct { int *first, *at; } Lists;

static Lists lists_of(Arena *arena, int size, int count, const int32_t *key, const int32_t *value)
{
    Lists l = { NEW_ARRAY(arena, int, size + 2), NEW_ARRAY(arena, int, count + 1) };
    int *next = NEW_ARRAY(arena, int, size + 1);
    for (int k = 0; k < count; k++)
        l.first[key[k] + 1]++;
    for (int k = 0; k < size; k++)
        next[k] = l.first[k + 1] += l.first[k];
    for (int k = 0; k < size; k++)
        next[k] = l.first[k];
    for (int k = 0; k < count; k++)
        l.at[next[key[k]]++] = value[k];
    return l;
}

/* ---- columns that share no row ----------------------------------------------------------------------------------- */
enum { LONG_ROW = 256, WORD = 64 };                         /* elements of a row that keeps a set of its colours */

/* The colours that are taken in a row, a bit each; NULL: it is short. */
static uint64_t **taken_new(Arena *arena, const Lists *rows, int64_t count, int columns)
{
    uint64_t **taken = NEW_ARRAY(arena, uint64_t *, count + 1);
    for (int64_t r = 0; r < count; r++)
        if (rows->first[r + 1] - rows->first[r] > LONG_ROW)
            taken[r] = NEW_ARRAY(arena, uint64_t, columns / WORD + 1);
    return taken;
}

/* Of the columns in this row the colours that there are, up to `colors`, are not for a new one. */
static void forbid_row(const Lists *rows, const uint64_t *set, int row, const int *color, int colors, uint64_t *forbidden)
{
    for (int k = 0; set && k <= colors / WORD; k++)
        forbidden[k] |= set[k];
    for (int k = rows->first[row]; !set && k < rows->first[row + 1]; k++)
        if (color[rows->at[k]] >= 0)
            forbidden[color[rows->at[k]] / WORD] |= UINT64_C(1) << color[rows->at[k]] % WORD;
}

static int smallest_allowed(const uint64_t *forbidden)
{
    int color = 0;
    while (forbidden[color / WORD] == UINT64_MAX)
        color += WORD;
    while (forbidden[color / WORD] >> color % WORD & 1)
        color++;
    return color;
}

/* Several blocks one above the other, of one number of columns; or one beside the other with the roles exchanged. */
static Coloring color_apart(Context *ctx, int count, const Pattern *const *patterns, const int64_t *rows, int columns, bool across)
{
    Coloring c = { NEW_ARRAY(ctx->arena, int, columns + 1), 0 };
    Arena *arena = arena_new();
    Lists *by_column = NEW_ARRAY(arena, Lists, count + 1), *by_row = NEW_ARRAY(arena, Lists, count + 1);
    uint64_t ***taken = NEW_ARRAY(arena, uint64_t **, count + 1);   /* block, row */
    uint64_t *forbidden = NEW_ARRAY(arena, uint64_t, columns / WORD + 2);
    for (int b = 0; b < count; b++) {
        const Pattern *p = patterns[b];
        const int32_t *row = across ? p->column : p->row, *column = across ? p->row : p->column;
        by_column[b] = lists_of(arena, columns, p->count, column, row);
        by_row[b] = lists_of(arena, (int)rows[b], p->count, row, column);
        taken[b] = taken_new(arena, &by_row[b], rows[b], columns);
    }
    for (int v = 0; v < columns; v++)
        c.color[v] = -1;
    for (int v = 0; v < columns; v++) {
        bool any = false;
        memset(forbidden, 0, sizeof *forbidden * (size_t)(c.count / WORD + 1));
        for (int b = 0; b < count; b++)
            for (int i = by_column[b].first[v]; i < by_column[b].first[v + 1]; i++) {
                int row = by_column[b].at[i];
                forbid_row(&by_row[b], taken[b][row], row, c.color, c.count, forbidden);
                any = true;
            }
        if (!any)
            continue;
        int color = c.color[v] = smallest_allowed(forbidden);
        for (int b = 0; b < count; b++)
            for (int i = by_column[b].first[v]; i < by_column[b].first[v + 1]; i++) {
                uint64_t *set = taken[b][by_column[b].at[i]];
                if (set)
                    set[color / WORD] |= UINT64_C(1) << color % WORD;
            }
        c.count = color >= c.count ? color + 1 : c.count;
    }
    arena_free(arena);
    return c;
}

/* ---- symmetric blocks -------------------------------------------------------------------------------------------- */
static int smallest_free(const int *forbidden, int by)
{
    int color = 0;
    while (forbidden[color] == by + 1)
        color++;
    return color;
}

/* No path of four has two colours only. */
static Coloring color_paths(Context *ctx, const Lists *near, int size)
{
    Coloring c = { NEW_ARRAY(ctx->arena, int, size + 1), 0 };
    Arena *arena = arena_new();
    int *forbidden = NEW_ARRAY(arena, int, size + 2);
    for (int v = 0; v < size; v++)
        c.color[v] = -1;
    for (int v = 0; v < size; v++) {
        for (int i = near->first[v]; i < near->first[v + 1]; i++) {
            int w = near->at[i], colored = c.color[w] >= 0 && w != v;
            if (colored)
                forbidden[c.color[w]] = v + 1;
            for (int k = near->first[w]; w != v && k < near->first[w + 1]; k++) {
                int x = near->at[k];
                bool across = !colored;
                if (x == v || x == w || c.color[x] < 0)
                    continue;
                for (int j = near->first[x]; !across && j < near->first[x + 1]; j++)
                    across = near->at[j] != w && near->at[j] != x && c.color[near->at[j]] == c.color[w];
                if (across)
                    forbidden[c.color[x]] = v + 1;
            }
        }
        if (near->first[v] < near->first[v + 1])
            c.color[v] = smallest_free(forbidden, v);
        if (c.color[v] >= c.count)
            c.count = c.color[v] + 1;
    }
    arena_free(arena);
    return c;
}

/* How many paths of four color_paths can look at. */
static double paths_of(const Lists *near, int size)
{
    double sum = 0;
    for (int w = 0; w < size; w++) {
        double through = 0;
        for (int k = near->first[w]; k < near->first[w + 1]; k++)
            through += near->first[near->at[k] + 1] - near->first[near->at[k]];
        sum += through * (near->first[w + 1] - near->first[w]);
    }
    return sum;
}

/* Where the paths are too many, columns of one colour share no row at all, which is more than is needed. */
static Coloring color_star(Context *ctx, const Pattern *p, int size)
{
    static const double most = 2e9;
    Arena *arena = arena_new();
    Lists near = lists_of(arena, size, p->count, p->row, p->column);
    int64_t rows = size;
    Coloring c = paths_of(&near, size) < most ? color_paths(ctx, &near, size) : color_apart(ctx, 1, &p, &rows, size, false);
    arena_free(arena);
    return c;
}

/* ---- directions, and what they give ------------------------------------------------------------------------------ */
/* Every column by itself, as without colours. */
static bool is_each_its_own(const Coloring *c, int64_t count)
{
    bool own = c->count == count;
    for (int k = 0; own && k < count; k++)
        own = c->color[k] == k;
    return own;
}

/* real[colours, shape]: direction k is 1 at the elements of colour k. */
static Node *directions_of(Context *ctx, const Coloring *c, const Type *shape)
{
    if (is_each_its_own(c, shape->count))
        return jacobian_identity(ctx, shape);
    int64_t ones[RANK_MAX + 1] = { c->count };
    for (int k = 1; k <= shape->rank; k++)
        ones[k] = 1;
    Node *number = node_reshape(ctx, node_iota(ctx, c->count), type_sized(ctx, ELEM_INT, shape->rank + 1, ones));
    Node *color = node_reshape(ctx, sparse_table(ctx, (int)shape->count, c->color), shape);
    return node_to_real(ctx, node_binary(ctx, OP_eq, number, color));
}

/* All elements of real[rows, columns], row by row or column by column. */
static bool is_all(int64_t rows, int64_t columns, int count, const int *row, const int *column)
{
    bool all = count == rows * columns;
    for (int k = 0; all && k < count; k++)
        all = row[k] == k / columns && column[k] == k % columns;
    return all;
}

/* Elements (direction[k], place[k]) of what the directions gave. */
static Node *read_off(Context *ctx, Node *d, const Coloring *c, const Type *shape, int count, const int *direction, const int *place)
{
    int64_t size[2] = { c->count, shape->count };
    if (count == 0)
        return NULL;
    const Type *list = type_sized(ctx, ELEM_REAL, 1, (int64_t[]){ count });
    if (!d)
        return node_fill(ctx, list, 0);
    d = node_reshape(ctx, d, type_sized(ctx, ELEM_REAL, 2, size));
    if (is_all(size[0], size[1], count, direction, place))
        return node_reshape(ctx, d, list);
    if (is_all(size[1], size[0], count, place, direction))
        return node_reshape(ctx, node_permute(ctx, d, (int[]){ 1, 0 }), list);
    Node *at[2] = { sparse_table(ctx, count, direction), sparse_table(ctx, count, place) };
    return node_index(ctx, d, 2, at);
}

/* A block that is zero everywhere has one place all the same: arrays have elements. */
static SparseBlock block_with(Context *ctx, const Pattern *found, Node *values)
{
    static const int32_t corner[1] = { 0 };
    Pattern *p = NEW(ctx->arena, Pattern);
    *p = found->count ? *found : (Pattern){ 1, corner, corner };
    return (SparseBlock){ .pattern = p, .values = found->count ? values : node_fill(ctx, type_sized(ctx, ELEM_REAL, 1, (int64_t[]){ 1 }), 0) };
}

static Node *values_at(Context *ctx, const Pattern *p, Node *d, const Coloring *c, const Type *shape, bool across)
{
    int *direction = NEW_ARRAY(ctx->arena, int, p->count + 1), *place = NEW_ARRAY(ctx->arena, int, p->count + 1);
    for (int k = 0; k < p->count; k++) {
        direction[k] = c->color[across ? p->row[k] : p->column[k]];
        place[k] = across ? p->column[k] : p->row[k];
    }
    return read_off(ctx, d, c, shape, p->count, direction, place);
}

static Node *values_of_slope(Context *, const Fn *, Node *y, Node *x, const Pattern *, SparseBlock *replaced);

/* ---- Jacobians --------------------------------------------------------------------------------------------------- */
typedef struct {
    Context *ctx;
    int y_count, x_count;
    Node *const *ys, *const *xs;
    Pattern *patterns;                                      /* y by y, within it x by x */
    bool *forward;                                          /* per block: by columns */
    Node **values;                                          /* per block, at its pattern; NULL: not yet, or that is empty */
    SparseBlock *slopes;                                    /* per block: what is replaced */
} Jacobian;

static const Pattern **chosen(const Jacobian *j, bool forward, int which, int *count, int *of, int64_t *sizes)
{
    int most = forward ? j->y_count : j->x_count;
    const Pattern **patterns = NEW_ARRAY(j->ctx->arena, const Pattern *, most + 1);
    *count = 0;
    for (int k = 0; k < most; k++) {
        int block = forward ? k * j->x_count + which : which * j->x_count + k;
        if (j->values[block] || j->forward[block] != forward)
            continue;
        of[*count] = k;
        sizes[*count] = (forward ? j->ys[k] : j->xs[k])->type->count;
        patterns[(*count)++] = &j->patterns[block];
    }
    return patterns;
}

/* All blocks of one x that go by columns, or of one y that go by rows, from one sweep. */
static void sweep_blocks(Jacobian *j, bool forward, int which)
{
    Context *ctx = j->ctx;
    int most = j->x_count + j->y_count, count, *of = NEW_ARRAY(ctx->arena, int, most);
    int64_t *sizes = NEW_ARRAY(ctx->arena, int64_t, most);
    const Pattern **patterns = chosen(j, forward, which, &count, of, sizes);
    Node *own = forward ? j->xs[which] : j->ys[which], **others = NEW_ARRAY(ctx->arena, Node *, count + 1);
    Node **results = NEW_ARRAY(ctx->arena, Node *, count + 1);
    Coloring c = color_apart(ctx, count, patterns, sizes, (int)own->type->count, !forward);
    for (int k = 0; k < count; k++)
        others[k] = forward ? j->ys[of[k]] : j->xs[of[k]];
    if (c.count) {
        Node *directions = directions_of(ctx, &c, own->type);
        if (forward)
            diff_forward(ctx, 1, &own, &directions, 1, count, others, results);
        else
            diff_reverse(ctx, 1, &own, &directions, 1, count, others, results, NULL);
    }
    for (int k = 0; k < count; k++) {
        int block = forward ? of[k] * j->x_count + which : which * j->x_count + of[k];
        j->values[block] = values_at(ctx, patterns[k], results[k], &c, others[k]->type, !forward);
    }
}

static int colors_needed(Context *ctx, const Pattern *p, int64_t rows, int64_t columns, bool across)
{
    int64_t other = across ? columns : rows;
    return color_apart(ctx, 1, &p, &other, (int)(across ? rows : columns), across).count;
}

/* Patterns and values of all blocks; false: they are too hard to find. */
static bool find_blocks(Jacobian *j, const Fn *fn)
{
    Context *ctx = j->ctx;
    int all = j->y_count * j->x_count;
    Pattern *column = NEW_ARRAY(ctx->arena, Pattern, j->y_count + 1);
    j->patterns = NEW_ARRAY(ctx->arena, Pattern, all + 1);
    j->forward = NEW_ARRAY(ctx->arena, bool, all + 1);
    j->values = NEW_ARRAY(ctx->arena, Node *, all + 1);
    j->slopes = NEW_ARRAY(ctx->arena, SparseBlock, all + 1);
    for (int x = 0; x < j->x_count; x++) {
        if (!sparsity_patterns(ctx, fn, j->xs[x], j->y_count, j->ys, column))
            return false;
        for (int y = 0; y < j->y_count; y++)
            j->patterns[y * j->x_count + x] = column[y];
    }
    for (int k = 0; k < all; k++) {
        Node *y = j->ys[k / j->x_count], *x = j->xs[k % j->x_count];
        int by_columns = colors_needed(ctx, &j->patterns[k], y->type->count, x->type->count, false);
        int by_rows = colors_needed(ctx, &j->patterns[k], y->type->count, x->type->count, true);
        j->forward[k] = by_columns <= by_rows;
        j->values[k] = values_of_slope(ctx, fn, y, x, &j->patterns[k], &j->slopes[k]);
        if (!j->values[k])
            j->values[k] = sparse_trips(ctx, y, x, &j->patterns[k], j->forward[k] ? by_columns : by_rows);
    }
    for (int x = 0; x < j->x_count; x++)
        sweep_blocks(j, true, x);
    for (int y = 0; y < j->y_count; y++)
        sweep_blocks(j, false, y);
    return true;
}

/* What y is put together of, one behind the other, when some of it is a map: maps, and what is between them. */
static void split_value(Context *ctx, Node *y, NodeList *parts)
{
    Node *whole = y;
    while (whole->op == OP_bind || whole->op == OP_reshape)
        whole = whole->operands[0];
    int count = whole->op == OP_concat && whole->attr[0] == -whole->type->rank ? whole->operand_count : 0, maps = 0;
    for (int k = 0; k < count; k++)
        maps += sparse_is_map(whole->operands[k]);
    if (!maps)
        vec_push(ctx->arena, parts, y);
    for (int k = 0, end; maps && k < count; k = end) {
        for (end = k + 1; !sparse_is_map(whole->operands[k]) && end < count && !sparse_is_map(whole->operands[end]);)
            end++;
        vec_push(ctx->arena, parts, end == k + 1 ? whole->operands[k] : node_concat(ctx, end - k, whole->operands + k, 0));
    }
}

/* Blocks one above the other as one. */
static SparseBlock joined(const Jacobian *j, int first, int count, int x)
{
    Context *ctx = j->ctx;
    Vec(int32_t) row = { 0 }, column = { 0 };
    NodeList values = { 0 };
    int32_t above = 0;
    for (int y = first; y < first + count; y++) {
        const Pattern *p = &j->patterns[y * j->x_count + x];
        for (int k = 0; k < p->count; k++) {
            vec_push(ctx->arena, &row, above + p->row[k]);
            vec_push(ctx->arena, &column, p->column[k]);
        }
        if (p->count)
            vec_push(ctx->arena, &values, j->values[y * j->x_count + x]);
        above += (int32_t)j->ys[y]->type->count;
    }
    Pattern all = { row.count, row.at, column.at };
    return block_with(ctx, &all, values.count > 1 ? node_concat(ctx, values.count, values.at, 0) : values.count ? values.at[0] : NULL);
}

bool sparse_jacobian(Context *ctx, const Fn *fn, int y_count, Node *const *ys, int x_count, Node *const *xs, SparseBlock *blocks)
{
    NodeList parts = { 0 };
    int *first = NEW_ARRAY(ctx->arena, int, y_count + 1);
    for (int y = 0; y < y_count; y++) {
        split_value(ctx, ys[y], &parts);
        first[y + 1] = parts.count;
    }
    Jacobian j = { .ctx = ctx, .y_count = parts.count, .x_count = x_count, .ys = parts.at, .xs = xs };
    if (!find_blocks(&j, fn))
        return false;
    for (int k = 0; k < y_count * x_count; k++) {
        int y = k / x_count;
        blocks[k] = joined(&j, first[y], first[y + 1] - first[y], k % x_count);
        const SparseBlock *slope = &j.slopes[first[y] * x_count + k % x_count];
        blocks[k].y = slope->y;
        blocks[k].slope_of = slope->slope_of;
        blocks[k].value = slope->value;
    }
    return true;
}

/* ---- Hessians ---------------------------------------------------------------------------------------------------- */
/* An element is read in row r of its column's direction if no other column of the row has this colour, else across. */
static SparseBlock symmetric_block(Context *ctx, const Pattern *p, Node *x, Node *gradient)
{
    int size = (int)x->type->count;
    Coloring c = color_star(ctx, p, size);
    int *direction = NEW_ARRAY(ctx->arena, int, p->count + 1), *place = NEW_ARRAY(ctx->arena, int, p->count + 1);
    Lists rows = lists_of(ctx->arena, size, p->count, p->row, p->column);
    int *times = NEW_ARRAY(ctx->arena, int, c.count + 1);   /* a colour is there in the row */
    Node *d = NULL;
    for (int r = 0; r < size; r++) {
        for (int i = rows.first[r]; i < rows.first[r + 1]; i++)
            times[c.color[rows.at[i]]]++;
        for (int i = rows.first[r]; i < rows.first[r + 1]; i++) {
            bool alone = times[c.color[rows.at[i]]] == 1;   /* rows are ascending: entry i of the lists is that of the pattern */
            direction[i] = c.color[alone ? rows.at[i] : r];
            place[i] = alone ? r : rows.at[i];
        }
        for (int i = rows.first[r]; i < rows.first[r + 1]; i++)
            times[c.color[rows.at[i]]] = 0;
    }
    if (c.count) {
        Node *directions = directions_of(ctx, &c, x->type);
        diff_forward(ctx, 1, &x, &directions, 1, 1, &gradient, &d);
    }
    return block_with(ctx, p, read_off(ctx, d, &c, x->type, p->count, direction, place));
}

/* Both places of a pair, so that what symmetry promises is there. */
static Pattern symmetric(Context *ctx, const Pattern *p, int size)
{
    Vec(int32_t) row = { 0 }, column = { 0 };
    Arena *arena = arena_new();
    Lists by_row = lists_of(arena, size, p->count, p->row, p->column), by_column = lists_of(arena, size, p->count, p->column, p->row);
    for (int r = 0; r < size; r++) {
        int i = by_row.first[r], k = by_column.first[r];
        while (i < by_row.first[r + 1] || k < by_column.first[r + 1]) {
            int a = i < by_row.first[r + 1] ? by_row.at[i] : size, b = k < by_column.first[r + 1] ? by_column.at[k] : size;
            vec_push(ctx->arena, &row, r);
            vec_push(ctx->arena, &column, a < b ? a : b);
            i += a <= b;
            k += b <= a;
        }
    }
    arena_free(arena);
    return (Pattern){ row.count, row.at, column.at };
}

/* Block i, j by the directions of x_j, or by those of x_i if these are fewer. */
static SparseBlock mixed_block(Context *ctx, const Pattern *p, Node *const *xs, Node *const *gradients, int i, int j)
{
    int64_t rows = xs[i]->type->count, columns = xs[j]->type->count;
    bool across = colors_needed(ctx, p, rows, columns, true) < colors_needed(ctx, p, rows, columns, false);
    Node *x = xs[across ? i : j], *gradient = gradients[across ? j : i], *d = NULL;
    int64_t other = across ? columns : rows;
    Coloring c = color_apart(ctx, 1, &p, &other, (int)x->type->count, across);
    if (c.count && gradient) {
        Node *directions = directions_of(ctx, &c, x->type);
        diff_forward(ctx, 1, &x, &directions, 1, 1, &gradient, &d);
    }
    return block_with(ctx, p, values_at(ctx, p, d, &c, xs[across ? j : i]->type, across));
}

/* By colours: the values of all blocks at their patterns. */
static void hessian_by_colors(Context *ctx, int x_count, Node *const *xs, Node *const *gradients, const Pattern *patterns, SparseBlock *blocks)
{
    for (int i = 0; i < x_count; i++)
        for (int j = i; j < x_count; j++) {
            const Pattern *p = &patterns[i * x_count + j];
            blocks[i * x_count + j] = i == j ? symmetric_block(ctx, p, xs[i], gradients[i]) : mixed_block(ctx, p, xs, gradients, i, j);
        }
}

/* Patterns of the blocks i <= j; those on the diagonal have both places of a pair. */
static bool hessian_patterns(Context *ctx, const Fn *fn, int x_count, Node *const *xs, Node *const *gradients, Pattern *patterns)
{
    Node **some = NEW_ARRAY(ctx->arena, Node *, x_count + 1);
    int *of = NEW_ARRAY(ctx->arena, int, x_count + 1), count = 0;
    Pattern *column = NEW_ARRAY(ctx->arena, Pattern, x_count + 1);
    for (int k = 0; k < x_count; k++)
        if (gradients[k])
            some[count] = gradients[k], of[count++] = k;
    for (int j = 0; j < x_count; j++) {
        if (!sparsity_patterns(ctx, fn, xs[j], count, some, column))
            return false;
        for (int k = 0; k < count; k++)
            patterns[of[k] * x_count + j] = column[k];
    }
    for (int i = 0; i < x_count; i++)
        patterns[i * x_count + i] = symmetric(ctx, &patterns[i * x_count + i], (int)xs[i]->type->count);
    return true;
}

/* Where each place of a pattern is in a larger one; false: it is not. */
static bool places_within(const Pattern *part, const Pattern *whole, int *places)
{
    int at = 0;
    for (int k = 0; k < part->count; k++, at++) {
        while (at < whole->count && (whole->row[at] < part->row[k] || (whole->row[at] == part->row[k] && whole->column[at] < part->column[k])))
            at++;
        if (at == whole->count || whole->row[at] != part->row[k] || whole->column[at] != part->column[k])
            return false;
        places[k] = at;
    }
    return true;
}

/* What is left of a sum, by its own colours, at the places of the whole; false: it has other places, or none can be found. */
static bool values_of_rest(Context *ctx, const Fn *fn, Node *rest, int x_count, Node *const *xs, const Pattern *patterns, Node **values)
{
    int all = x_count * x_count;
    Node *one = node_real(ctx, 1), **gradients = NEW_ARRAY(ctx->arena, Node *, x_count + 1);
    Pattern *own = NEW_ARRAY(ctx->arena, Pattern, all + 1);
    SparseBlock *blocks = NEW_ARRAY(ctx->arena, SparseBlock, all + 1);
    diff_reverse(ctx, 1, &rest, &one, 0, x_count, xs, gradients, NULL);
    if (!hessian_patterns(ctx, fn, x_count, xs, gradients, own))
        return false;
    int **places = NEW_ARRAY(ctx->arena, int *, all + 1);
    for (int b = 0; b < all; b++) {
        places[b] = NEW_ARRAY(ctx->arena, int, own[b].count + 1);
        if (b / x_count <= b % x_count && !places_within(&own[b], &patterns[b], places[b]))
            return false;
    }
    hessian_by_colors(ctx, x_count, xs, gradients, own, blocks);
    for (int k = 0; k < x_count; k++) {
        int64_t size = xs[k]->type->count;
        values[all + k] = gradients[k] ? node_reshape(ctx, gradients[k], type_sized(ctx, ELEM_REAL, 1, &size)) : NULL;
    }
    for (int b = 0; b < all; b++) {
        int64_t size = patterns[b].count;
        if (b / x_count > b % x_count || own[b].count == 0)
            continue;
        Node *table = sparse_table(ctx, own[b].count, places[b]), *zero = node_fill(ctx, type_sized(ctx, ELEM_REAL, 1, &size), 0);
        values[b] = own[b].count == size ? blocks[b].values : node_index_add(ctx, zero, 1, &table, blocks[b].values);
    }
    return true;
}

static bool is_good(const SparseTerms *found)
{
    bool good = false;
    for (int k = 0; k < found->sources.count; k++)
        good |= found->sources.at[k].whole && !found->sources.at[k].bad;
    return good;
}

/* What the sums are now.  A report on adjoints shows them as they were. */
static void take_sums(Context *ctx, int x_count, Node *const *xs, const Pattern *patterns, const SparseTerms *found,
                      Node *const *values, Node **y, Node **gradients, SparseBlock *blocks)
{
    int all = x_count * x_count;
    for (int b = 0; b < all; b++) {
        int64_t size = patterns[b].count;
        if (b / x_count > b % x_count)
            continue;
        Node *zero = size ? node_fill(ctx, type_sized(ctx, ELEM_REAL, 1, &size), 0) : NULL;
        blocks[b] = block_with(ctx, &patterns[b], values[b] ? values[b] : zero);
    }
    if (ctx->options.keep_adjoints)
        return;
    for (int k = 0; k < x_count; k++)
        if (gradients[k] && values[all + k])
            gradients[k] = node_reshape(ctx, values[all + k], xs[k]->type);
    if (!found->lacks)
        *y = values[all + x_count];
}

/* As a sum of small functions, as far as y is one; false: it is none.  known: the patterns, or else they follow from that. */
static bool hessian_by_terms(Context *ctx, const Fn *fn, Node **y, int x_count, Node *const *xs, Node **gradients,
                             bool known, Pattern *patterns, SparseBlock *blocks)
{
    Arena *arena = arena_new();
    Unknowns u = unknowns_of(ctx, x_count, xs, arena);
    SparseTerms found;
    Node **values = NEW_ARRAY(ctx->arena, Node *, x_count * x_count + x_count + 2);
    sparse_terms(ctx, *y, &u, &found);
    sparse_analyse(ctx, &found, &u);
    bool good = is_good(&found);
    Node *rest = good ? sparse_rest(ctx, &found) : NULL;
    if (good && !known)
        good = !rest && sparse_places(ctx, &found, &u, patterns);
    if (good && rest)
        good = values_of_rest(ctx, fn, rest, x_count, xs, patterns, values);
    values[x_count * x_count + x_count] = node_plus(ctx, rest, found.apart);
    if (good) {
        sparse_elements(&found, &u, patterns, values);
        take_sums(ctx, x_count, xs, patterns, &found, values, y, gradients, blocks);
    }
    arena_free(arena);
    return good;
}

/* Of y, if it is the gradient by x of a sum of small functions; NULL: it is not.  replaced: what is computed with it. */
static Node *values_of_slope(Context *ctx, const Fn *fn, Node *y, Node *x, const Pattern *pattern, SparseBlock *replaced)
{
    const Result *r = NULL;
    for (int k = 0; k < fn->results.count && !r; k++)
        if (fn->results.at[k].node == y && fn->results.at[k].slope_of && fn->results.at[k].slope_by == x)
            r = &fn->results.at[k];
    Pattern own = *pattern;
    SparseBlock block;
    Node *value = r ? r->slope_of : NULL, *gradient = y;
    if (!r || pattern->count == 0 || !hessian_by_terms(ctx, fn, &value, 1, &x, &gradient, true, &own, &block))
        return NULL;
    *replaced = (SparseBlock){ .y = gradient, .slope_of = r->slope_of, .value = value };
    return block.values;
}

bool sparse_hessian(Context *ctx, const Fn *fn, Node **y, int x_count, Node *const *xs, Node **gradients, SparseBlock *blocks)
{
    Pattern *patterns = NEW_ARRAY(ctx->arena, Pattern, x_count * x_count + 1);
    bool known = hessian_patterns(ctx, fn, x_count, xs, gradients, patterns);
    if (hessian_by_terms(ctx, fn, y, x_count, xs, gradients, known, patterns, blocks))
        return true;
    if (known)
        hessian_by_colors(ctx, x_count, xs, gradients, patterns, blocks);
    return known;
}
