/* bind.c: gives names to formulas: LETs for what is used twice, what has a name in the source, what does not change in
 * a loop that it is used in, and what would make a line too long.
 *
 * A formula's home is the body of the innermost loop that it depends on; its LET stands there, before the first
 * statement that needs it.  Blocks are settled from the outside in, so what is bound outside is a name inside. */
#include "loop.h"

#include <limits.h>

enum { WEIGHT_MAX = 12 };                                   /* operations in one expression */

typedef struct {
    int count, first, weight;
    bool hoisted;                                           /* used inside a loop that it does not depend on */
    bool demanded;                                          /* a name is needed, whatever it is */
    bool wanted;                                            /* a LET asks for it, or the use repeats it */
    bool stored;                                            /* some use is the whole value of a store */
    bool bound;
} Usage;

typedef struct { const Formula *formula; int next; } Frame;
typedef Vec(const Formula *) FormulaList;

typedef struct {
    Lowering *lower;
    Arena *scratch;
    Usage *usage;                                           /* by formula id */
    int *seen_here, *seen_deeper, epoch, deeper_epoch;      /* by formula id */
    Vec(Frame) stack;
    int depth, next_depth;                                  /* of this block's loop; of the one in it that holds the use */
    int position;                                           /* the statement of this block that is looked at */
    FormulaList order;                                      /* formulas at home here, arguments first */
    FormulaList asked;                                      /* by LETs: bound if something uses them */
} Binder;

/* ---- where a formula belongs ----------------------------------------------------------------------------------- */
static int innermost(uint64_t loops)
{
    int depth = -1;
    while (loops) {
        loops >>= 1;
        depth++;
    }
    return depth;
}

static bool is_leaf(const Formula *f)
{
    return f->kind == FORMULA_NUMBER || f->kind == FORMULA_SCALAR || f->kind == FORMULA_COUNTER;
}

/* ---- counting uses in one block -------------------------------------------------------------------------------- */
static void push(Binder *b, const Formula *f)
{
    vec_push(b->scratch, &b->stack, ((Frame){ f, 0 }));
}

/* One use of a formula; it is entered at its first. */
static void use(Binder *b, const Formula *f, bool inside, bool wanted, bool stored)
{
    Usage *u = &b->usage[f->id];
    int home = innermost(f->loops);
    if (is_leaf(f) || u->bound || home < b->depth)
        return;
    if (home >= b->next_depth) {
        if (b->seen_deeper[f->id] == b->deeper_epoch)
            return;
        b->seen_deeper[f->id] = b->deeper_epoch;
        push(b, f);
        return;
    }
    if (b->seen_here[f->id] != b->epoch) {
        b->seen_here[f->id] = b->epoch;
        *u = (Usage){ .first = b->position };
        push(b, f);
    }
    u->count++;
    u->hoisted |= inside;
    u->wanted |= wanted;
    u->stored |= stored;
}

static const Formula *argument(const Formula *f, int k)
{
    return k < f->arg_count ? f->arg[k] : k - f->arg_count < f->term_count ? f->terms[k - f->arg_count].atom : NULL;
}

static bool at_home(const Binder *b, const Formula *f) { return b->seen_here[f->id] == b->epoch; }

/* What is never bound is carried out where it is used, so that its arguments are used there too. */
static bool never_bound(const Formula *f)
{
    return f->guarded || f->kind == FORMULA_AFFINE || f->kind == FORMULA_NONNEGATIVE;
}

static void use_root(Binder *b, const Formula *root, bool wanted, bool stored)
{
    bool nested = b->next_depth != INT_MAX;
    if (!root)
        return;
    use(b, root, nested, wanted, stored);
    while (b->stack.count) {
        Frame *frame = &b->stack.at[b->stack.count - 1];
        const Formula *f = frame->formula, *x = argument(f, frame->next++);
        if (x) {
            use(b, x, nested && (!at_home(b, f) || never_bound(f)), false, false);
            continue;
        }
        b->stack.count--;
        if (at_home(b, f))
            vec_push(b->scratch, &b->order, f);
    }
}

static void demand(Binder *b, const Formula *f)
{
    use_root(b, f, true, false);
    if (!is_leaf(f) && at_home(b, f))
        b->usage[f->id].demanded = true;
}

/* What a body reads has a name; the trips are not counted anew in each trip. */
static void use_region(Binder *b, const Region *r)
{
    for (int k = 0; k < r->captures.count; k++)
        demand(b, r->captures.at[k].value);
    if (r->trips && r->trips->kind != FORMULA_AFFINE)
        demand(b, r->trips);
    for (int k = 0; r->trips && k < r->trips->term_count; k++)
        demand(b, r->trips->terms[k].atom);
    use_root(b, r->condition, false, false);
}

static void use_stmt(Binder *b, const Stmt *s)
{
    if (s->demanded)
        demand(b, s->value);
    if (s->region)
        use_region(b, s->region);
    bool repeats = s->combine == COMBINE_MAX || s->combine == COMBINE_MIN;
    if (s->kind == STMT_LET && !s->demanded)
        vec_push(b->scratch, &b->asked, s->value);
    else
        use_root(b, s->value, repeats, s->kind != STMT_LET);
    use_root(b, s->index, false, false);
    use_root(b, s->from, false, false);
    use_root(b, s->to, false, false);
    for (int k = 0; k < s->body.list.count; k++) {
        const Stmt *inner = s->body.list.at[k];
        for (int i = 0; i < inner->before.list.count; i++)
            use_stmt(b, inner->before.list.at[i]);
        use_stmt(b, inner);
    }
}

static void use_here(Binder *b, const Stmt *s)
{
    b->deeper_epoch++;
    b->next_depth = s->kind == STMT_LOOP ? s->loop->depth : INT_MAX;
    use_stmt(b, s);
}

static void use_block(Binder *b, const Block *block)
{
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        b->position = k;
        for (int i = 0; i < s->before.list.count; i++)
            use_here(b, s->before.list.at[i]);
        use_here(b, s);
    }
}

/* ---- deciding -------------------------------------------------------------------------------------------------- */
static bool has_source_name(const Formula *f) { return f->node && f->node->origin.name; }

static bool counts_only(const Formula *index)
{
    for (int k = 0; k < index->term_count; k++)
        if (index->terms[k].atom->kind != FORMULA_COUNTER)
            return false;
    return index->term_count || is_leaf(index);
}

static bool should_bind(const Binder *b, const Formula *f)
{
    const Usage *u = &b->usage[f->id];
    bool real_convert = f->kind == FORMULA_CONVERT && (is_leaf(f->arg[0]) || f->arg[0]->kind == FORMULA_AFFINE);
    if (never_bound(f))
        return false;
    if (u->demanded)
        return true;
    if (f->kind == FORMULA_LOAD)
        return u->hoisted || u->count > 2 || (u->count > 1 && f->buffer->kind == BUFFER_TEMP)
            || (u->wanted && !counts_only(f->arg[0]));
    if (real_convert)
        return u->count > 2;
    if (u->count > 1 || u->hoisted || u->wanted)
        return true;
    return !u->stored && (has_source_name(f) || u->weight > WEIGHT_MAX);
}

static int weigh(Binder *b, const Formula *f)
{
    int weight = f->kind != FORMULA_AFFINE;
    const Formula *x;
    for (int k = 0; (x = argument(f, k)) != NULL; k++)
        if (at_home(b, x) && !b->usage[x->id].bound)
            weight += b->usage[x->id].weight;
        else
            weight += !is_leaf(x) && !b->usage[x->id].bound;
    return weight;
}

/* ---- placing the LETs ------------------------------------------------------------------------------------------ */
static Stmt *let_of(Binder *b, const Formula *f)
{
    Stmt *s = NEW(b->lower->arena, Stmt);
    Scalar *known = b->lower->captured ? map_get(b->lower->captured, f) : NULL;
    *s = (Stmt){ .kind = STMT_LET, .value = f, .scalar = known ? known : lower_scalar(b->lower, f->elem, f->node, false) };
    return s;
}

/* Captured values that can not be bound are declared where they are captured first. */
static void declare_captures(Binder *b, Stmt *s)
{
    for (int k = 0; k < s->region->captures.count; k++) {
        const Capture *c = &s->region->captures.at[k];
        if (b->usage[c->value->id].bound || c->scalar->is_declared)
            continue;
        c->scalar->is_declared = true;
        block_push(b->lower, &s->before, lower_declare(b->lower, c->scalar, c->value));
    }
}

static Block insert_lets(Binder *b, const Block *block, const FormulaList *bound)
{
    Block out = { { 0 } };
    int next = 0;
    for (int k = 0; k < block->list.count; k++) {
        for (; next < bound->count && b->usage[bound->at[next]->id].first == k; next++)
            block_push(b->lower, &out, let_of(b, bound->at[next]));
        if (block->list.at[k]->kind != STMT_LET)
            block_push(b->lower, &out, block->list.at[k]);
    }
    return out;
}

/* An argument is seen no later than what uses it, so the list is in order of positions too. */
static void bind_block(Binder *b, Block *block, int depth)
{
    FormulaList bound = { 0 };
    b->depth = depth;
    b->epoch++;
    b->order.count = b->asked.count = 0;
    use_block(b, block);
    for (int k = 0; k < b->asked.count; k++)
        if (at_home(b, b->asked.at[k]))
            b->usage[b->asked.at[k]->id].wanted = true;
    for (int k = 0; k < b->order.count; k++) {
        const Formula *f = b->order.at[k];
        b->usage[f->id].weight = weigh(b, f);
        b->usage[f->id].bound = should_bind(b, f);
        if (b->usage[f->id].bound)
            vec_push(b->scratch, &bound, f);
    }
    *block = insert_lets(b, block, &bound);
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->region)
            declare_captures(b, block->list.at[k]);
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LOOP)
            bind_block(b, &block->list.at[k]->body, block->list.at[k]->loop->depth);
    for (int k = 0; k < bound.count; k++)
        b->usage[bound.at[k]->id].bound = false;
}

void bind_formulas(Lowering *lower)
{
    Arena *scratch = lower->ctx->scratch;
    ArenaMark mark = arena_mark(scratch);
    int count = lower->formula_count + 1;
    Binder b = { .lower = lower, .scratch = scratch, .usage = NEW_ARRAY(scratch, Usage, count),
                 .seen_here = NEW_ARRAY(scratch, int, count), .seen_deeper = NEW_ARRAY(scratch, int, count) };
    bind_block(&b, &lower->function->body, -1);
    arena_release(scratch, mark);
}
