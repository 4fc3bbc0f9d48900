/* commit.c: the end of a body: its results become what is carried, or what a branch yields.
 *
 * Invariant: all that is carried has its next value before any of it changes; carried arrays are changed in place. */
#include "loop.h"

/* ---- arrays -------------------------------------------------------------------------------------------- */
static bool is_in_place(const Target *t, const NodeInfo *root)
{
    return root->mode == MODE_BUFFER && root->buffer && t->in_place
        && buffer_storage(root->buffer) == buffer_storage(t->buffer);
}

static const Node *root_of(const Lowering *lower, int k) { return lower_result_root(lower->fn->results.at[k].node); }

/* Would the copy of result k read what another copy, or itself, has changed? */
static bool reads_changed(Lowering *lower, int k)
{
    const Stmt *s = lower_nest(lower, root_of(lower, k), lower->targets[k].buffer);
    bool safe = schedule_is_safe(lower, s->buffer, s->index, true, s->value);
    for (int i = 0; i < lower->fn->results.count; i++)
        if (i != k && lower->targets[i].in_place && !is_in_place(&lower->targets[i], info_of(lower, root_of(lower, i))))
            safe &= schedule_is_safe(lower, lower->targets[i].buffer, NULL, false, s->value);
    return !safe;
}

/* Next values of carried arrays that are not there yet. */
static void commit_arrays(Lowering *lower)
{
    int count = lower->fn->results.count;
    bool *copy = NEW_ARRAY(lower->arena, bool, count + 1);
    for (int k = 0; k < count; k++) {
        NodeInfo *info = info_of(lower, root_of(lower, k));
        copy[k] = lower->targets[k].in_place && !is_in_place(&lower->targets[k], info);
        if (copy[k] && info->mode != MODE_ELEMENTS && reads_changed(lower, k))
            lower_materialise(lower, info->node);
    }
    int barrier = lower->barrier;
    lower->barrier = lower->function->body.list.count;
    for (int k = 0; k < count; k++)
        if (copy[k])
            lower_copy(lower, root_of(lower, k), lower->targets[k].buffer);
    lower->barrier = barrier;
}

/* ---- scalars -------------------------------------------------------------------------------------------- */
typedef struct { Scalar *scalar; const Formula *value; Combine combine; bool negative; } Update;
typedef Vec(Update) Updates;

static bool depends_on(Lowering *lower, const Formula *root, const Updates *updates, int count)
{
    Vec(const Formula *) stack = { 0 };
    bool found = false;
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    formula_epoch(lower);
    vec_push(lower->ctx->scratch, &stack, root);
    while (!found && stack.count) {
        const Formula *f = stack.at[--stack.count];
        if (lower->mark[f->id] == lower->epoch)
            continue;
        lower->mark[f->id] = lower->epoch;
        for (int k = 0; f->kind == FORMULA_SCALAR && k < count; k++)
            found |= updates->at[k].scalar == f->scalar;
        for (int k = 0; k < f->arg_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->terms[k].atom);
    }
    arena_release(lower->ctx->scratch, mark);
    return found;
}

/* A value before anything changes, as a name. */
static const Formula *value_before(Lowering *lower, const Update *u)
{
    const Node *n = u->scalar->node;
    if (u->value->kind != FORMULA_SCALAR && u->value->kind != FORMULA_AFFINE && !u->value->guarded) {
        Stmt *s = NEW(lower->arena, Stmt);
        *s = (Stmt){ .kind = STMT_LET, .value = u->value, .demanded = true };
        if (u->combine == COMBINE_SET)
            formula_hint(lower, u->value, str_format(lower->ctx, "%.18s_next", n && n->origin.name ? n->origin.name : "t"));
        block_push(lower, &lower->function->body, s);
        return u->value;
    }
    Scalar *s = lower_scalar(lower, u->value->elem, n, false);
    block_push(lower, &lower->function->body, lower_declare(lower, s, u->value));
    return formula_scalar(lower, s);
}

/* x + e as x += e. */
static Update update_of(Lowering *lower, Scalar *scalar, const Formula *f)
{
    const Formula *self = formula_scalar(lower, scalar);
    if (f->elem == ELEM_REAL && f->kind == FORMULA_ADD && (f->arg[0] == self || f->arg[1] == self))
        return (Update){ scalar, f->arg[f->arg[0] == self], COMBINE_ADD, false };
    if (f->elem == ELEM_REAL && f->kind == FORMULA_SUB && f->arg[0] == self)
        return (Update){ scalar, f->arg[1], COMBINE_ADD, true };
    return (Update){ scalar, f, COMBINE_SET, false };
}

static void assign(Lowering *lower, const Update *u)
{
    const Formula *f = u->negative ? formula_unary(lower, FORMULA_NEG, u->value) : u->value;
    block_push(lower, &lower->function->body, lower_assign(lower, u->scalar, u->combine, f));
}

static void commit_scalars(Lowering *lower)
{
    enum { SEARCHED = 64 };
    Updates updates = { 0 };
    for (int k = 0; k < lower->fn->results.count; k++) {
        const Node *n = root_of(lower, k);
        for (int64_t i = 0; lower->targets[k].scalars && i < n->type->count; i++) {
            Scalar *scalar = lower->targets[k].scalars[i];
            const Formula *f = read_flat(lower, n, i);
            if (f != formula_scalar(lower, scalar))
                vec_push(lower->arena, &updates, update_of(lower, scalar, f));
        }
    }
    for (int k = 1; k < updates.count; k++)
        if (updates.at[k].value->kind != FORMULA_NUMBER
            && (updates.count > SEARCHED || depends_on(lower, updates.at[k].value, &updates, k)))
            updates.at[k].value = value_before(lower, &updates.at[k]);
    for (int k = 0; k < updates.count; k++)
        assign(lower, &updates.at[k]);
}

/* A loop around is left where the condition does not hold, and nothing changes it. */
static bool holds_anyway(const Lowering *lower, const Formula *condition)
{
    if (condition->kind != FORMULA_SCALAR || condition->scalar->is_mutable)
        return false;
    for (const Lowering *l = lower->outer; l; l = l->outer)
        for (int k = 0; k < l->function->body.list.count; k++) {
            const Stmt *s = l->function->body.list.at[k];
            if (s->kind == STMT_BREAK && s->value->kind == FORMULA_SCALAR && s->value->scalar == condition->scalar)
                return true;
        }
    return false;
}

void region_break(Lowering *lower)
{
    const Formula *condition = read_flat(lower, root_of(lower, 0), 0);
    if (holds_anyway(lower, condition))
        return;
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_BREAK, .value = condition };
    block_push(lower, &lower->function->body, s);
    lower->barrier = lower->function->body.list.count;
}

void commit_results(Lowering *lower)
{
    commit_arrays(lower);
    commit_scalars(lower);
}
