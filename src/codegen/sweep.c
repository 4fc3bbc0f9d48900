/* sweep.c: leaves out variables and arrays that nothing reads, when a function and all bodies in it are lowered.
 *
 * A small tensor that is carried becomes a variable per element, of which a body may need only some; and where every load
 * of an array turned into the value that was stored, the array is left.  A variable is alive if a store, a condition or
 * another variable that is alive reads it; what only feeds itself is not. */
#include "loop.h"

typedef struct { Lowering *lower; Stmt **let; bool changed; } Sweep;    /* let: by formula id, the LETs in force */

static void live_block(Sweep *s, const Block *block);

static const Buffer *same_memory(const Buffer *b) { return b->version_of ? b->version_of : b->outer; }

static void live_load(Sweep *s, const Buffer *b)
{
    for (; b; b = same_memory(b)) {
        s->changed |= !b->is_read;
        ((Buffer *)(uintptr_t)b)->is_read = true;
    }
}

static void live_scalar(Sweep *s, const Scalar *scalar)
{
    s->changed |= !scalar->is_live;
    ((Scalar *)(uintptr_t)scalar)->is_live = true;
}

static void live_formula(Sweep *s, const Formula *f)
{
    if (!f)
        return;
    if (s->let[f->id]) {
        live_scalar(s, s->let[f->id]->scalar);
        return;
    }
    if (f->kind == FORMULA_SCALAR)
        live_scalar(s, f->scalar);
    if (f->kind == FORMULA_LOAD)
        live_load(s, f->buffer);
    for (int k = 0; k < f->arg_count; k++)
        live_formula(s, f->arg[k]);
    for (int k = 0; k < f->term_count; k++)
        live_formula(s, f->terms[k].atom);
}

static bool is_dead(const Stmt *s)
{
    bool sets = s->kind == STMT_LET || s->kind == STMT_DECLARE || s->kind == STMT_ASSIGN;
    if (s->kind == STMT_STORE && s->buffer->kind == BUFFER_TEMP && !s->buffer->on_tape && !same_memory(s->buffer))
        return !s->buffer->is_read;
    return (sets && !s->scalar->is_live) || (s->kind == STMT_LOOP && !s->before.list.count && !s->body.list.count);
}

/* The body's formulas are others than those around. */
static void live_body(Sweep *around, Lowering *body)
{
    ArenaMark mark = arena_mark(body->ctx->scratch);
    Sweep s = { body, NEW_ARRAY(body->ctx->scratch, Stmt *, body->formula_count + 1), false };
    live_block(&s, &body->function->body);
    around->changed |= s.changed;
    arena_release(body->ctx->scratch, mark);
}

static void live_stmt(Sweep *s, const Stmt *stmt)
{
    live_block(s, &stmt->before);
    if (is_dead(stmt))
        return;
    live_formula(s, stmt->index);
    live_formula(s, stmt->value);
    live_formula(s, stmt->from);
    live_formula(s, stmt->to);
    if (stmt->kind == STMT_STORE)
        live_load(s, same_memory(stmt->buffer));            /* who reads that is not looked for */
    live_block(s, &stmt->body);
    if (!stmt->region)
        return;
    live_formula(s, stmt->region->trips);
    live_formula(s, stmt->region->condition);
    for (int side = 0; side < 2 && stmt->region->body[side]; side++)
        live_body(s, stmt->region->body[side]);
}

/* Last statement first: what a variable is needed for comes after it, so that one round does for straight code. */
static void live_block(Sweep *s, const Block *block)
{
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LET)
            s->let[block->list.at[k]->value->id] = block->list.at[k];
    for (int k = block->list.count - 1; k >= 0; k--) {
        if (block->list.at[k]->kind == STMT_LET)
            s->let[block->list.at[k]->value->id] = NULL;    /* in force from here on */
        live_stmt(s, block->list.at[k]);
    }
}

static void drop_dead(Block *block)
{
    int n = 0;
    for (int k = 0; k < block->list.count; k++) {
        Stmt *s = block->list.at[k];
        drop_dead(&s->before);
        drop_dead(&s->body);
        for (int side = 0; s->region && side < 2 && s->region->body[side]; side++)
            drop_dead(&s->region->body[side]->function->body);
        if (!is_dead(s))
            block->list.at[n++] = s;
        else if (s->kind == STMT_STORE)
            s->buffer->place = PLACE_NONE;
    }
    block->list.count = n;
}

void sweep_dead(Lowering *lower)
{
    Sweep s = { .lower = lower, .changed = true };
    while (s.changed) {
        s.changed = false;
        live_body(&s, lower);
    }
    drop_dead(&lower->function->body);
    for (int k = 0; k < lower->function->params.count; k++) {
        Parameter *p = &lower->function->params.at[k];
        p->is_used = p->is_output || (p->scalar ? p->scalar->is_live : p->buffer->is_read);
    }
}
