/* rewrite.c: formulas rebuilt bottom up, each once per item, with a stack of its own: what fusion has joined makes
 * formulas as deep as a nest is long. */
#include "loop.h"

enum { ARGS_MAX = 128 };

void rewriter_drop(Lowering *lower)
{
    arena_drop(lower->own, lower->replaced, sizeof *lower->replaced * (size_t)lower->replaced_size);
    arena_drop(lower->own, lower->replaced_in, sizeof *lower->replaced_in * (size_t)lower->replaced_size);
    lower->replaced_size = 0;
}

Rewriter rewriter_new(Lowering *lower, Finish *finish, void *user)
{
    if (lower->replaced_size < lower->formula_count) {
        rewriter_drop(lower);
        lower->replaced_size = 2 * lower->formula_count;
        lower->replaced = NEW_ARRAY(lower->own, const Formula *, lower->replaced_size);
        lower->replaced_in = NEW_ARRAY(lower->own, int, lower->replaced_size);
        lower->item = 0;
    }
    lower->item++;
    return (Rewriter){ .lower = lower, .finish = finish, .user = user, .count = lower->formula_count };
}

void rewriter_next(Rewriter *r) { r->lower->item++; }

/* The replacement, or NULL if there is none yet.  What depends on no loop is never replaced. */
static const Formula *done(const Rewriter *r, const Formula *f)
{
    if (!f->loops || f->id >= r->count)
        return f;
    return r->lower->replaced_in[f->id] == r->lower->item ? r->lower->replaced[f->id] : NULL;
}

void rewrite_put(Rewriter *r, const Formula *from, const Formula *to)
{
    if (from->id >= r->count)
        return;
    r->lower->replaced[from->id] = to;
    r->lower->replaced_in[from->id] = r->lower->item;
}

/* The arguments' replacements; what is missing goes on the stack. */
static bool arguments(Rewriter *r, const Formula *f, const Formula **args)
{
    int count = f->term_count ? f->term_count : f->arg_count;
    bool complete = true;
    if (count > ARGS_MAX)
        internal_error(r->lower->ctx, "formula with %d arguments", count);
    for (int k = 0; k < count; k++) {
        const Formula *x = f->term_count ? f->terms[k].atom : f->arg[k];
        args[k] = done(r, x);
        if (!args[k])
            vec_push(r->lower->ctx->scratch, &r->pending, x);
        complete &= args[k] != NULL;
    }
    return complete;
}

const Formula *rewrite(Rewriter *r, const Formula *root)
{
    const Formula *args[ARGS_MAX];
    if (!root || done(r, root))
        return root ? done(r, root) : NULL;
    vec_push(r->lower->ctx->scratch, &r->pending, root);
    while (r->pending.count) {
        const Formula *f = r->pending.at[r->pending.count - 1];
        if (!arguments(r, f, args))
            continue;
        r->pending.count--;
        rewrite_put(r, f, r->finish(r, f, args));
    }
    return done(r, root);
}
