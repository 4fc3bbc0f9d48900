/* plan.c: where temporaries live: small ones on the stack, the others in one work array, at offsets that are shared by
 * those that are not alive at the same time.
 *
 * A temporary is alive from the first to the last top-level statement that touches it.  One may take the place of
 * another in the statement where the other ends, if every element is read before it is overwritten, in the same
 * trip. */
#include "loop.h"

#include <stdlib.h>

typedef struct {
    const Block *block;
    int position;
    const Formula *index;
    Combine combine;
    int times;
    bool several;                                           /* at different places or indices */
    int64_t trips;                                          /* of all loops around: how often it is carried out */
} Site;

typedef struct {
    Buffer *buffer;
    int first, last, last_store;                            /* top-level statements; -1: never used */
    Site store;                                             /* the only store, if there is one */
    Site load;                                              /* the only index it is loaded at in the last statement */
} Life;

typedef struct { Lowering *lower; Life *lives; int64_t array_bytes, array_most; int array_top; } Plan;

/* ---- lives ----------------------------------------------------------------------------------------------------- */
static void touch(Life *life, int top)
{
    if (life->first < 0)
        life->first = top;
    life->last = top;
}

static void note_site(Site *site, const Walk *w, const Formula *index, Combine combine)
{
    bool same = site->times && site->block == w->block && site->index == index;
    site->several |= site->times && !same;
    site->position = same && site->position > w->position ? site->position : w->position;
    site->block = w->block;
    site->index = index;
    site->combine = combine;
    site->trips = w->times;
    site->times++;
}

/* The life of the memory behind a buffer; NULL: no temporary. */
static Life *life_of(const Walk *w, const Buffer *b)
{
    b = buffer_storage(b);
    return b->kind == BUFFER_TEMP ? &((Plan *)w->user)->lives[b->id] : NULL;
}

/* A region may touch any element in any order. */
static void touch_region(const Walk *w, const Region *r)
{
    for (int k = 0; k < r->reads.count; k++) {
        Life *life = life_of(w, r->reads.at[k]);
        if (!life)
            continue;
        touch(life, w->top);
        life->load = (Site){ .times = 1, .several = true };
    }
    for (int k = 0; k < r->writes.count; k++) {
        Life *life = life_of(w, r->writes.at[k]);
        if (!life)
            continue;
        life->last_store = w->top;
        life->store.several = true;
        life->store.times = 2;
    }
}

static void on_load(Walk *w, const Formula *f)
{
    Life *life = f->kind == FORMULA_LOAD ? life_of(w, f->buffer) : NULL;
    if (!life)
        return;
    if (life->last != w->top)
        life->load = (Site){ 0 };
    touch(life, w->top);
    note_site(&life->load, w, f->arg[0], COMBINE_SET);
}

static int64_t buffer_bytes(const Lowering *lower, const Buffer *b);

static void on_store(Walk *w, const Stmt *s)
{
    Plan *plan = w->user;
    if (s->kind == STMT_ARRAY) {                            /* of this top-level statement alone */
        plan->array_bytes = (plan->array_top == w->top ? plan->array_bytes : 0) + buffer_bytes(w->lower, s->buffer);
        plan->array_top = w->top;
        plan->array_most = plan->array_bytes > plan->array_most ? plan->array_bytes : plan->array_most;
    }
    if (s->region)
        touch_region(w, s->region);
    Life *life = s->kind == STMT_STORE ? life_of(w, s->buffer) : NULL;
    if (!life)
        return;
    if (life->last != w->top)
        life->load = (Site){ 0 };
    touch(life, w->top);
    life->last_store = w->top;
    note_site(&life->store, w, s->index, s->combine);
}

/* ---- the stack ------------------------------------------------------------------------------------------------- */
static int64_t element_bytes(const Lowering *lower, Elem elem)
{
    return elem == ELEM_INT ? 4 : elem == ELEM_BOOL ? 1 : lower->ctx->options.is_float ? 4 : 8;
}

static int64_t buffer_bytes(const Lowering *lower, const Buffer *b) { return b->size * element_bytes(lower, b->elem); }

static int by_size(const void *a, const void *b)
{
    const Buffer *x = (*(Life *const *)a)->buffer, *w = (*(Life *const *)b)->buffer;
    return x->size != w->size ? (x->size > w->size) - (x->size < w->size) : (x->id > w->id) - (x->id < w->id);
}

static int by_first(const void *a, const void *b)
{
    const Life *x = *(Life *const *)a, *w = *(Life *const *)b;
    return x->first != w->first ? (x->first > w->first) - (x->first < w->first)
                                : (x->buffer->id > w->buffer->id) - (x->buffer->id < w->buffer->id);
}

/* Smallest first.  The work array holds reals only, so tables of ints and bools always stay here.  The limit is for a function
 * with all bodies in it; these are planned first. */
static void place_on_stack(Lowering *lower, Life **lives, int count)
{
    Lowering *whole = lower;
    while (whole->outer)
        whole = whole->outer;
    int64_t left = lower->ctx->options.stack_limit - whole->stack_used;
    qsort(lives, (size_t)count, sizeof *lives, by_size);
    for (int k = 0; k < count; k++) {
        Buffer *b = lives[k]->buffer;
        int64_t bytes = buffer_bytes(lower, b);
        bool fits = bytes <= left && !b->is_chunk;
        b->place = fits || b->elem != ELEM_REAL ? PLACE_STACK : PLACE_WORK;
        left -= fits ? bytes : 0;
        whole->stack_used += fits ? bytes : 0;
    }
}

/* ---- the work array -------------------------------------------------------------------------------------------- */
/* `new` may begin where `old` ends: one store and loads of the same element, before it in the same block; and as many stores
 * as elements, so that no later trip of a loop around reads what is overwritten. */
static bool may_replace(const Life *new, const Life *old)
{
    return new->first == old->last && old->last_store < old->last && new->buffer->size == old->buffer->size
        && new->store.times == 1 && new->store.combine == COMBINE_SET && old->load.times > 0 && !old->load.several
        && old->load.index == new->store.index && old->load.block == new->store.block
        && old->load.position <= new->store.position && new->store.trips == new->buffer->size;
}

/* The lowest gap among those that are alive, which are in order of offsets. */
static int64_t find_gap(Life **alive, int count, int64_t size, int *at)
{
    int64_t offset = 0;
    for (*at = 0; *at < count; ++*at) {
        if (alive[*at]->buffer->offset - offset >= size)
            break;
        int64_t end = alive[*at]->buffer->offset + alive[*at]->buffer->size;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static int forget_the_dead(Life **alive, int count, int now)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        if (alive[i]->last >= now)
            alive[n++] = alive[i];
    return n;
}

static int find_replaced(const Life *life, Life **alive, int count)
{
    for (int i = 0; i < count; i++)
        if (may_replace(life, alive[i]))
            return i;
    return -1;
}

static int64_t place_in_work(Life **lives, int count, Life **alive)
{
    int64_t size = 0;
    int alive_count = 0;
    qsort(lives, (size_t)count, sizeof *lives, by_first);
    for (int k = 0; k < count; k++) {
        Life *life = lives[k];
        if (life->buffer->place != PLACE_WORK)
            continue;
        alive_count = forget_the_dead(alive, alive_count, life->first);
        int at = find_replaced(life, alive, alive_count);
        if (at >= 0) {
            life->buffer->offset = alive[at]->buffer->offset;
        } else {
            life->buffer->offset = find_gap(alive, alive_count, life->buffer->size, &at);
            for (int i = alive_count++; i > at; i--)
                alive[i] = alive[i - 1];
        }
        alive[at] = life;
        if (life->buffer->offset + life->buffer->size > size)
            size = life->buffer->offset + life->buffer->size;
    }
    return size;
}

void plan_memory(Lowering *lower)
{
    Function *f = lower->function;
    Arena *scratch = lower->ctx->scratch;
    ArenaMark mark = arena_mark(scratch);
    Plan plan = { .lower = lower, .lives = NEW_ARRAY(scratch, Life, lower->buffer_count + 1) };
    Life **free_lives = NEW_ARRAY(scratch, Life *, f->temps.count + 1);
    Life **alive = NEW_ARRAY(scratch, Life *, f->temps.count + 1);
    int count = 0;
    for (int k = 0; k < lower->buffer_count; k++)
        plan.lives[k].first = plan.lives[k].last = -1;
    for (int k = 0; k < f->temps.count; k++)
        plan.lives[f->temps.at[k]->id].buffer = f->temps.at[k];
    walk_program(&(Walk){ .lower = lower, .user = &plan, .on_formula = on_load, .on_stmt = on_store });
    for (int k = 0; k < f->temps.count; k++) {
        Life *life = &plan.lives[f->temps.at[k]->id];
        if (life->first < 0)
            life->buffer->place = PLACE_NONE;
        else if (life->buffer->place == PLACE_NONE)
            free_lives[count++] = life;
    }
    place_on_stack(lower, free_lives, count);
    f->costs.work_elements = place_in_work(free_lives, count, alive);
    f->costs.work_bytes = f->costs.work_elements * element_bytes(lower, ELEM_REAL);
    f->costs.stack_bytes = plan.array_most;
    for (int k = 0; k < f->temps.count; k++)
        if (f->temps.at[k]->place == PLACE_STACK && !f->temps.at[k]->is_partial)
            f->costs.stack_bytes += buffer_bytes(lower, f->temps.at[k]);
    arena_release(scratch, mark);
}

void plan_settle(Lowering *lower, int64_t base)
{
    const Block *body = &lower->function->body;
    for (int k = 0; k < lower->function->temps.count; k++)
        lower->function->temps.at[k]->offset += base;
    for (int k = 0; k < body->list.count; k++) {
        const Region *r = body->list.at[k]->region;
        for (int side = 0; r && side < 2; side++)
            if (r->body[side])
                plan_settle(r->body[side], r->chunk ? r->chunk->offset : 0);
    }
}

/* ---- what takes most ------------------------------------------------------------------------------------------- */
typedef struct { int real_bytes; CodegenLarge *list; int count, most; } Largest;

static void note_large(Largest *l, const Buffer *b, int64_t elements)
{
    int64_t size = b->elem == ELEM_INT ? 4 : b->elem == ELEM_BOOL ? 1 : l->real_bytes;
    CodegenLarge large = { .name = b->node && b->node->origin.name ? b->node->origin.name : b->name,
                           .bytes = elements * size };
    large.span = b->node ? b->node->origin.span : (Span){ 0 };
    int at = l->count;
    while (at > 0 && l->list[at - 1].bytes < large.bytes)
        at--;
    if (at == l->most || b->is_chunk || b->is_partial)
        return;
    l->count += l->count < l->most;
    for (int k = l->count - 1; k > at; k--)
        l->list[k] = l->list[k - 1];
    l->list[at] = large;
}

static void find_large(Largest *l, const Function *f)
{
    for (int k = 0; k < f->temps.count; k++)
        if (f->temps.at[k]->place != PLACE_NONE)
            note_large(l, f->temps.at[k], f->temps.at[k]->size);
    for (int k = 0; k < f->body.list.count; k++) {
        const Region *r = f->body.list.at[k]->region;
        for (int side = 0; r && side < 2; side++)
            if (r->body[side])
                find_large(l, r->body[side]->function);
    }
}

int codegen_largest(const Program *p, int which, CodegenLarge *list, int most)
{
    const Function *f = p->functions.at[which];
    Largest l = { .real_bytes = p->ctx->options.is_float ? 4 : 8, .list = list, .most = most };
    for (int k = 0; k < f->params.count; k++) {
        const Parameter *q = &f->params.at[k];
        Buffer part = { .elem = ELEM_REAL, .name = q->name };
        if (q->on_tape) {
            Node named = { .origin = { .name = q->name, .span = f->fn->span } };
            const Node *node = k < f->fn->params.count ? f->fn->params.at[k].node
                                                       : f->fn->results.at[k - f->fn->params.count].node;
            named.origin.span = node->origin.span;
            part.node = &named;
            note_large(&l, &part, q->type->count);
        }
    }
    find_large(&l, f);
    return l.count;
}
