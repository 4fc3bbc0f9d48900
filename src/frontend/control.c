/* control.c: for, while and if: what a mut is after them.
 *
 * A mut that the body of a loop assigns is carried: within the body its value is a param, after the loop it is the loop's
 * value.  After an if it is the value of the side that was taken.  Other names that are bound inside are local. */
#include "elaborate.h"

#include <string.h>

/* ---- which muts a body assigns ------------------------------------------------------------------------------------ */
static void find_assigned(const Block *block, Map *names);

static void find_in_statement(const Stmt *s, Map *names)
{
    switch (s->kind) {
    case STMT_BIND:
        for (int k = 0; k < s->bind.names.count && !s->bind.is_mut; k++)
            map_put(names, s->bind.names.at[k].text, names);
        break;
    case STMT_ASSIGN: map_put(names, s->assign.name.text, names); break;
    case STMT_FOR: find_assigned(&s->loop.body, names); break;
    case STMT_WHILE: find_assigned(&s->while_loop.body, names); break;
    case STMT_IF:
        find_assigned(&s->branch.yes, names);
        find_assigned(&s->branch.no, names);
        break;
    }
}

static void find_assigned(const Block *block, Map *names)
{
    for (int k = 0; k < block->stmts.count; k++)
        find_in_statement(block->stmts.at[k], names);
}

typedef Vec(int) Places;                                    /* in frame->bindings */

/* In the order in which they were bound. */
static Places assigned_muts(const Frame *frame, const Block *a, const Block *b)
{
    Places places = { 0 };
    Map *names = map_new(frame->env->ctx->arena);
    find_assigned(a, names);
    if (b)
        find_assigned(b, names);
    for (int k = 0; k < frame->bindings.count; k++)
        if (frame->bindings.at[k].kind == BINDING_MUT && map_get(names, frame->bindings.at[k].name))
            vec_push(frame->env->ctx->arena, &places, k);
    return places;
}

static Node *node_at(const Frame *frame, int place)
{
    Value v = frame->bindings.at[place].value;
    return v.kind == VALUE_TENSOR ? v.node : NULL;
}

/* ---- loops ---------------------------------------------------------------------------------------------------------- */
typedef struct {
    Frame *frame;
    Places muts;
    Node *index, **inits, **carries, **results, *condition;
    int scope;
    bool good;
} Loop;

/* Each level is worked on again for every level around it. */
enum { LOOPS_MOST = 32 };

static bool check_depth(Frame *frame, Span span)
{
    if (frame->loops < LOOPS_MOST)
        return true;
    if (frame->loops == LOOPS_MOST)
        fail(frame, span, "loops are nested more than %d deep", LOOPS_MOST);
    return false;
}

static Loop loop_begin(Frame *frame, const Block *body, Str index_name, Span span)
{
    Context *ctx = frame->env->ctx;
    Loop l = { .frame = frame, .muts = assigned_muts(frame, body, NULL), .good = check_depth(frame, span) };
    l.index = node_param(ctx, index_name, type_scalar(ctx, ELEM_INT), span);
    l.inits = NEW_ARRAY(ctx->arena, Node *, l.muts.count + 1);
    l.carries = NEW_ARRAY(ctx->arena, Node *, l.muts.count + 1);
    l.results = NEW_ARRAY(ctx->arena, Node *, l.muts.count + 1);
    for (int k = 0; k < l.muts.count; k++) {
        Binding *b = &frame->bindings.at[l.muts.at[k]];
        l.inits[k] = node_at(frame, l.muts.at[k]);
        l.good &= l.inits[k] != NULL;
        l.carries[k] = l.inits[k] ? node_param(ctx, b->name, l.inits[k]->type, b->span) : NULL;
        if (l.carries[k])
            node_mark_carried(l.carries[k]);
        b->value = value_of(l.carries[k], b->span);
    }
    l.scope = frame_open(frame);
    frame->loops++;
    return l;
}

static void loop_body(Loop *l, const Block *body)
{
    run_block(l->frame, body);
    frame_close(l->frame, l->scope);
    l->frame->loops--;
    for (int k = 0; k < l->muts.count; k++) {
        l->results[k] = node_at(l->frame, l->muts.at[k]);
        l->good &= l->results[k] != NULL;
    }
}

/* The muts take the values of the loop; after an error they have none. */
static void loop_end(Loop *l, LoopParts *p, Span span)
{
    Frame *frame = l->frame;
    Node **values = NEW_ARRAY(frame->env->ctx->arena, Node *, l->muts.count + 1);
    p->index = l->index;
    p->carry_count = p->result_count = l->muts.count;
    p->inits = l->inits;
    p->carries = l->carries;
    p->results = l->results;
    p->condition = l->condition;
    l->good = l->good && (!frame->differentiated || check_carried_derivatives(frame, p));
    origin_at(frame, span);
    if (l->good)
        node_loop(frame->env->ctx, p, values);
    for (int k = 0; k < l->muts.count; k++)
        mut_set(frame, &frame->bindings.at[l->muts.at[k]], l->good ? values[k] : NULL);
}

static bool read_checkpoint(Frame *frame, const Expr *e, int64_t *interval)
{
    *interval = 0;
    if (!e)
        return true;
    if (!value_integer(frame, elaborate(frame, e), "the interval of checkpoint", interval))
        return false;
    if (*interval > 0)
        return true;
    fail(frame, e->span, "the interval of checkpoint must be positive, not %lld", (long long)*interval);
    return false;
}

void run_for(Frame *frame, const Stmt *s)
{
    Context *ctx = frame->env->ctx;
    const Range *range = &s->loop.range;
    Span head = span_join(range->index.span, range->end->span);
    Trips trips = { 0 };
    int64_t checkpoint;
    bool good = read_trips(frame, range, &trips);
    good &= read_checkpoint(frame, s->loop.checkpoint, &checkpoint);
    Loop l = loop_begin(frame, &s->loop.body, range->index.text, range->index.span);
    l.good &= good;
    if (good)
        set_range(frame->env, l.index, &trips);
    origin_at(frame, range->index.span);
    Node *index = good ? node_binary(ctx, OP_add, trips.begin, l.index) : NULL;
    bind_index(frame, range->index, index);
    loop_body(&l, &s->loop.body);
    loop_end(&l, &(LoopParts){ .trips = trips.count, .max_trips = trips.most, .checkpoint = checkpoint }, head);
}

static bool read_most(Frame *frame, const Stmt *s, int64_t *value)
{
    const Expr *e = s->while_loop.max_trips;
    if (!value_integer(frame, elaborate(frame, e), "max_trips", value))
        return false;
    if (*value > 0 && *value <= INT32_MAX)
        return true;
    fail(frame, e->span, "max_trips must be between 1 and 2147483647");
    return false;
}

static Node *read_condition(Frame *frame, const Expr *e, const char *what)
{
    Context *ctx = frame->env->ctx;
    Node *n = elaborate_tensor(frame, e);
    if (!n || n->type == type_scalar(ctx, ELEM_BOOL))
        return n;
    fail(frame, e->span, "the condition of '%s' must be a scalar bool, but this is %s", what, type_text(ctx, n->type));
    return NULL;
}

void run_while(Frame *frame, const Stmt *s)
{
    Context *ctx = frame->env->ctx;
    int64_t most = 0;
    bool good = read_most(frame, s, &most);
    Loop l = loop_begin(frame, &s->while_loop.body, str_intern(ctx, "trip"), s->while_loop.condition->span);
    Trips trips = { .count = l.index, .most = most };
    if (good)
        set_range(frame->env, l.index, &trips);
    l.condition = read_condition(frame, s->while_loop.condition, "while");
    l.good &= good && l.condition;
    loop_body(&l, &s->while_loop.body);
    loop_end(&l, &(LoopParts){ .max_trips = most }, s->while_loop.condition->span);
}

/* ---- branches ------------------------------------------------------------------------------------------------------- */
/* What a side leaves: the values of the muts, and of the results that it sets. */
typedef struct {
    Value *muts, *results;
    Span *where;                                            /* per result; of source NULL: not set */
} Side;

static Side run_side(Frame *frame, const Block *block, const Places *muts)
{
    Context *ctx = frame->env->ctx;
    const ParamList *results = &frame->function->decl->fn.results;
    Side side = { NEW_ARRAY(ctx->arena, Value, muts->count + 1), NEW_ARRAY(ctx->arena, Value, results->count + 1),
                  NEW_ARRAY(ctx->arena, Span, results->count + 1) };
    int scope = frame_open(frame);
    for (int k = 0; k < muts->count; k++)
        side.muts[k] = frame->bindings.at[muts->at[k]].value;
    frame->guards++;
    run_block(frame, block);
    frame->guards--;
    for (int k = 0; k < muts->count; k++) {
        Value now = frame->bindings.at[muts->at[k]].value;
        frame->bindings.at[muts->at[k]].value = side.muts[k];
        side.muts[k] = now;
    }
    for (int k = scope; k < frame->bindings.count; k++)
        for (int r = 0; r < results->count; r++)
            if (results->at[r].name.text == frame->bindings.at[k].name && is_result(frame, frame->bindings.at[k].name)) {
                side.results[r] = frame->bindings.at[k].value;
                side.where[r] = frame->bindings.at[k].span;
            }
    frame_close(frame, scope);
    return side;
}

static bool sets_one_result(Frame *frame, const Stmt *s, const Side sides[2], int r)
{
    Str name = frame->function->decl->fn.results.at[r].name.text;
    bool by_yes = sides[0].where[r].source != NULL;
    if (by_yes == (sides[1].where[r].source != NULL))
        return by_yes;
    if (s->branch.has_no)
        fail(frame, by_yes ? s->branch.no.span : s->branch.yes.span, "this side of the 'if' leaves the result '%s' unset",
             name);
    else
        fail(frame, s->branch.condition->span, "the result '%s' is set only when this holds; an 'else' must set it, too",
             name);
    note(frame, sides[!by_yes].where[r], "it is set here");
    frame_bind(frame, name, BINDING_LOCAL, value_none(s->span), sides[!by_yes].where[r]);
    return false;
}

typedef Vec(Node *) Nodes;
typedef struct { Nodes yes, no; Vec(int) of; } Merge;       /* of: a mut's place k >= 0, a result -1 - r */

static void merge_muts(Frame *frame, const Side sides[2], const Places *muts, Merge *m)
{
    Arena *arena = frame->env->ctx->arena;
    for (int k = 0; k < muts->count; k++) {
        bool good = sides[0].muts[k].kind == VALUE_TENSOR && sides[1].muts[k].kind == VALUE_TENSOR;
        if (!good) {
            mut_set(frame, &frame->bindings.at[muts->at[k]], NULL);
            continue;
        }
        vec_push(arena, &m->yes, sides[0].muts[k].node);
        vec_push(arena, &m->no, sides[1].muts[k].node);
        vec_push(arena, &m->of, muts->at[k]);
    }
}

static void merge_results(Frame *frame, const Stmt *s, const Side sides[2], Merge *m)
{
    Context *ctx = frame->env->ctx;
    const ParamList *results = &frame->function->decl->fn.results;
    for (int r = 0; r < results->count; r++) {
        if (!sets_one_result(frame, s, sides, r))
            continue;
        const Type *type = type_of(frame, results->at[r].type);
        const char *what = str_format(ctx, "the result '%s'", results->at[r].name.text);
        Node *yes = type ? value_as(frame, sides[0].results[r], type, what) : NULL;
        Node *no = type ? value_as(frame, sides[1].results[r], type, what) : NULL;
        if (!yes || !no) {
            frame_bind(frame, results->at[r].name.text, BINDING_LOCAL, value_none(s->span), sides[0].where[r]);
            continue;
        }
        vec_push(ctx->arena, &m->yes, yes);
        vec_push(ctx->arena, &m->no, no);
        vec_push(ctx->arena, &m->of, -1 - r);
    }
}

static void take_merged(Frame *frame, const Merge *m, Node *const *values, const Side *side)
{
    const ParamList *results = &frame->function->decl->fn.results;
    for (int k = 0; k < m->of.count; k++) {
        int of = m->of.at[k];
        if (of >= 0) {
            mut_set(frame, &frame->bindings.at[of], values[k]);
            continue;
        }
        Str name = results->at[-1 - of].name.text;
        Node *n = values[k];
        if (is_differentiated(frame, name) && n->type->elem == ELEM_REAL)
            n = node_bind(frame->env->ctx, n, name);
        else
            node_set_name(n, name);
        frame_bind(frame, name, BINDING_LOCAL, value_of(n, side->where[-1 - of]), side->where[-1 - of]);
    }
}

/* In a generic function, and in the prelude, a condition known at compile time chooses what is looked at.  Results that the
 * side sets stay; its other names are local. */
static bool run_chosen(Frame *frame, const Stmt *s, const Node *condition)
{
    if ((!frame->function->is_generic && frame->kind != FRAME_PRELUDE) || condition->op != OP_constant)
        return false;
    Vec(Binding) kept = { 0 };
    int scope = frame_open(frame);
    run_block(frame, condition->data[0] != 0 ? &s->branch.yes : &s->branch.no);
    for (int k = scope; k < frame->bindings.count; k++)
        if (is_result(frame, frame->bindings.at[k].name))
            vec_push(frame->env->ctx->arena, &kept, frame->bindings.at[k]);
    frame_close(frame, scope);
    for (int k = 0; k < kept.count; k++)
        frame_bind(frame, kept.at[k].name, kept.at[k].kind, kept.at[k].value, kept.at[k].span);
    return true;
}

void run_if(Frame *frame, const Stmt *s)
{
    Context *ctx = frame->env->ctx;
    Node *condition = read_condition(frame, s->branch.condition, "if");
    if (condition && run_chosen(frame, s, condition))
        return;
    Places muts = assigned_muts(frame, &s->branch.yes, &s->branch.no);
    NodeSet inside = { .floor = NODE_SET_MEMBERS, .members = map_new(ctx->arena) };
    NodeSet *before = graph_record(ctx, &inside);
    Side sides[2];
    sides[0] = run_side(frame, &s->branch.yes, &muts);
    sides[1] = run_side(frame, &s->branch.no, &muts);
    graph_record(ctx, before);
    Merge m = { 0 };
    origin_at(frame, s->branch.condition->span);
    merge_muts(frame, sides, &muts, &m);
    merge_results(frame, s, sides, &m);
    Node **values = NEW_ARRAY(ctx->arena, Node *, m.of.count + 1);
    BranchParts p = { .condition = condition, .count = m.of.count, .yes = m.yes.at, .no = m.no.at, .inside = &inside };
    origin_at(frame, s->branch.condition->span);
    if (condition)
        node_branch(ctx, &p, values);
    else
        memcpy(values, m.yes.at, sizeof *values * (size_t)m.of.count);
    take_merged(frame, &m, values, &sides[0]);
}
