/* shrink.c: a temporary whose every use is within one trip of some loops needs no axes for these loops: it becomes a
 * row, or a scalar.  This is what makes fusion worth it.
 *
 * Requires: the nests are in their final places.  Leaves: loads of what became a scalar are replaced by the value
 * itself, and a LET stands where the store was. */
#include "loop.h"

/* ---- who uses what, where -------------------------------------------------------------------------------------- */
typedef struct Place_of { const struct Place_of *outer; const Stmt *loop; int depth; } Place_of;

typedef struct {
    Buffer *buffer;
    const Place_of *home;                                   /* the innermost loop around all uses */
    Vec(const Formula *) indices;
    int stores;
    bool combines;
    int levels;                                             /* loops whose axes are dropped */
    int64_t low;                                            /* of what is left of the index */
    bool forwarded;                                         /* a scalar now */
} Use;

typedef struct {
    Lowering *lower;
    Arena *scratch;
    Use *uses;                                              /* by buffer id */
    Vec(const Formula *) pending;
} Shrink;

static const Place_of *common(const Place_of *a, const Place_of *b)
{
    while (a && b && a->depth != b->depth) {
        if (a->depth > b->depth)
            a = a->outer;
        else
            b = b->outer;
    }
    while (a && b && a != b) {
        a = a->outer;
        b = b->outer;
    }
    return a && b ? a : NULL;
}

static Use *use_of(Shrink *s, const Buffer *b, const Place_of *here, const Formula *index)
{
    Use *use = &s->uses[b->id];
    use->home = use->buffer ? common(use->home, here) : here;
    use->buffer = (Buffer *)(uintptr_t)b;
    vec_push(s->scratch, &use->indices, index);
    return use;
}

static void visit(Shrink *s, const Formula *f)
{
    if (!f || !f->loops || s->lower->mark[f->id] == s->lower->epoch)
        return;
    s->lower->mark[f->id] = s->lower->epoch;
    vec_push(s->scratch, &s->pending, f);
}

static void find_loads(Shrink *s, const Stmt *stmt, const Place_of *here)
{
    formula_epoch(s->lower);
    visit(s, stmt->value);
    visit(s, stmt->index);
    while (s->pending.count) {
        const Formula *f = s->pending.at[--s->pending.count];
        if (f->kind == FORMULA_LOAD && f->buffer->kind == BUFFER_TEMP)
            use_of(s, f->buffer, here, f->arg[0]);
        for (int k = 0; k < f->arg_count; k++)
            visit(s, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            visit(s, f->terms[k].atom);
    }
}

static void find_uses(Shrink *s, const Block *block, const Place_of *here)
{
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *stmt = block->list.at[k];
        if (stmt->kind == STMT_LOOP) {
            Place_of *inner = NEW(s->scratch, Place_of);
            *inner = (Place_of){ here, stmt, here ? here->depth + 1 : 0 };
            find_uses(s, &stmt->before, here);
            find_uses(s, &stmt->body, inner);
            continue;
        }
        find_uses(s, &stmt->before, here);
        if (stmt->kind == STMT_STORE && stmt->buffer->kind == BUFFER_TEMP) {
            Use *use = use_of(s, stmt->buffer, here, stmt->index);
            use->stores++;
            use->combines |= stmt->combine != COMBINE_SET;
        }
        find_loads(s, stmt, here);
    }
}

/* ---- what can go ----------------------------------------------------------------------------------------------- */
/* Loops from the outside in; every index must keep the trips apart. */
static const Formula *without_outer(Lowering *lower, const Formula *index, int levels)
{
    Term single, kept[3 * RANK_MAX];
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(index, &single, &terms, &constant), n = 0;
    for (int k = 0; k < count; k++)
        if (terms[k].atom->kind != FORMULA_COUNTER || terms[k].atom->loop->depth >= levels)
            kept[n++] = terms[k];
    return index_affine(lower, constant, kept, n);
}

static bool level_is_aligned(Lowering *lower, const Use *use, int level)
{
    const Place_of *at = use->home;
    while (at->depth > level)
        at = at->outer;
    const Formula *counter = formula_counter(lower, at->loop->loop);
    for (int k = 0; k < use->indices.count; k++)
        if (at->loop->sealed || !fuse_aligned(use->indices.at[0], use->indices.at[k], counter))
            return false;
    return true;
}

static void decide(Lowering *lower, Use *use)
{
    if (!use->buffer || !use->home || use->buffer->pinned)
        return;
    while (use->levels <= use->home->depth && level_is_aligned(lower, use, use->levels))
        use->levels++;
    if (use->levels == 0)
        return;
    const Formula *rest = without_outer(lower, use->indices.at[0], use->levels);
    int64_t low = rest->low, high = rest->high;
    bool one_index = true;
    for (int k = 1; k < use->indices.count; k++) {
        one_index &= use->indices.at[k] == use->indices.at[0];
        rest = without_outer(lower, use->indices.at[k], use->levels);
        low = rest->low < low ? rest->low : low;
        high = rest->high > high ? rest->high : high;
    }
    use->low = low;
    use->buffer->size = high - low + 1;
    use->buffer->loops = ((uint64_t)1 << use->levels) - 1;
    use->forwarded = one_index && low == high && use->stores == 1 && !use->combines
        && use->levels == use->home->depth + 1;
}

/* ---- rewriting ------------------------------------------------------------------------------------------------- */
static const Formula *replace_load(Rewriter *r, const Formula *f, const Formula *const *args)
{
    const Use *uses = r->user;
    if (f->kind != FORMULA_LOAD || f->buffer->kind != BUFFER_TEMP || !uses[f->buffer->id].levels)
        return formula_rebuild(r->lower, f, args);
    const Use *use = &uses[f->buffer->id];
    if (use->forwarded)
        internal_error(r->lower->ctx, "code generator: a forwarded temporary is read before it is stored");
    const Formula *index = without_outer(r->lower, args[0], use->levels);
    return formula_load_at(r->lower, f->buffer, index_shift(r->lower, index, -use->low));
}

/* ---- forwarding ------------------------------------------------------------------------------------------------ */
typedef struct { const Formula *load, *value; int depth; } Known;

typedef struct {
    Rewriter rewriter;
    const Use *uses;
    Vec(Known) known;                                       /* what loads are worth, for the blocks that are open */
    int depth;                                              /* of these blocks */
} Forwarder;

static void know(Forwarder *f, const Formula *load, const Formula *value)
{
    vec_push(f->rewriter.lower->ctx->scratch, &f->known, ((Known){ load, value, f->depth }));
    rewrite_put(&f->rewriter, load, value);
}

/* Only the first `count` are left of what is known. */
static void keep(Forwarder *f, int count)
{
    if (f->known.count == count)
        return;
    f->known.count = count;
    rewriter_next(&f->rewriter);
    for (int k = 0; k < count; k++)
        rewrite_put(&f->rewriter, f->known.at[k].load, f->known.at[k].value);
}

/* What an inner block has stored is loaded again outside of it: there it may have another value. */
static void forget_inner(Forwarder *f)
{
    int n = 0;
    for (int k = 0; k < f->known.count; k++)
        if (f->known.at[k].depth <= f->depth)
            f->known.at[n++] = f->known.at[k];
    keep(f, n);
}

static bool never_meet(Lowering *lower, const Formula *a, const Formula *b)
{
    const Formula *distance = index_add(lower, a, index_scale(lower, b, -1));
    return distance->low > 0 || distance->high < 0;
}

/* A store changes what was stored before at the same place, or at one that may be the same. */
static void forget_place(Forwarder *f, const Buffer *b, const Formula *index)
{
    int n = 0;
    for (int k = 0; k < f->known.count; k++)
        if (f->known.at[k].load->buffer != b || never_meet(f->rewriter.lower, f->known.at[k].load->arg[0], index))
            f->known.at[n++] = f->known.at[k];
    keep(f, n);
}

static void rewrite_block(Forwarder *f, Block *block);

/* Later loads of the element in this block are the value itself.  Where the temporary is nothing else, a LET
 * remains. */
static void rewrite_store(Forwarder *f, Stmt *s)
{
    Lowering *lower = f->rewriter.lower;
    forget_place(f, s->buffer, s->index);
    const Use *use = s->buffer->kind == BUFFER_TEMP ? &f->uses[s->buffer->id] : NULL;
    const Formula *value = rewrite(&f->rewriter, s->value), *index = rewrite(&f->rewriter, s->index);
    bool adds = s->buffer->kind == BUFFER_OUTPUT && s->buffer->accumulates;
    bool set = s->combine == COMBINE_SET && index->loops && !adds;
    if (set && lower->ctx->options.level > 0)
        know(f, formula_load_at(lower, s->buffer, s->index), formula_named(lower, value, s->buffer->node));
    if (use && use->forwarded) {
        *s = (Stmt){ .kind = STMT_LET, .value = value };
        return;
    }
    s->value = value;
    s->index = use && use->levels ? index_shift(lower, without_outer(lower, index, use->levels), -use->low) : index;
}

static void rewrite_stmt(Forwarder *f, Stmt *s)
{
    rewrite_block(f, &s->before);
    rewrite_block(f, &s->body);
    if (s->kind == STMT_STORE) {
        rewrite_store(f, s);
        return;
    }
    s->index = rewrite(&f->rewriter, s->index);
    s->value = rewrite(&f->rewriter, s->value);
}

static void rewrite_block(Forwarder *f, Block *block)
{
    f->depth++;
    for (int k = 0; k < block->list.count; k++)
        rewrite_stmt(f, block->list.at[k]);
    f->depth--;
    forget_inner(f);
}

void shrink_temps(Lowering *lower)
{
    Arena *scratch = lower->ctx->scratch;
    ArenaMark mark = arena_mark(scratch);
    Shrink s = { .lower = lower, .scratch = scratch, .uses = NEW_ARRAY(scratch, Use, lower->buffer_count + 1) };
    find_uses(&s, &lower->function->body, NULL);
    for (int k = 0; k < lower->buffer_count; k++)
        decide(lower, &s.uses[k]);
    Forwarder f = { .rewriter = rewriter_new(lower, replace_load, s.uses), .uses = s.uses };
    for (int k = 0; k < lower->function->body.list.count; k++) {
        rewriter_next(&f.rewriter);
        f.known.count = 0;
        rewrite_stmt(&f, lower->function->body.list.at[k]);
    }
    arena_release(scratch, mark);
}
