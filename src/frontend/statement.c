/* statement.c: the statements of a body.
 *
 * A name is bound once, unless it is a mut; what derivatives are taken by is bound to a node of its own. */
#include "elaborate.h"

#include <string.h>

bool is_differentiated(const Frame *frame, Str name)
{
    return frame->differentiated && map_get(frame->differentiated, name) != NULL;
}

bool is_result(const Frame *frame, Str name)
{
    const Decl *d = frame->function ? frame->function->decl : NULL;
    for (int k = 0; d && frame->kind == FRAME_USER && k < d->fn.results.count; k++)
        if (d->fn.results.at[k].name.text == name)
            return true;
    return false;
}

/* The statement that binds the name, in any block; NULL: there is none. */
static const Stmt *binding_in(const Block *block, Str name);

static const Stmt *binding_in_statement(const Stmt *s, Str name)
{
    const Stmt *found = NULL;
    switch (s->kind) {
    case STMT_BIND:
        for (int k = 0; k < s->bind.names.count; k++)
            if (s->bind.names.at[k].text == name)
                return s;
        return NULL;
    case STMT_FOR: return s->loop.range.index.text == name ? s : binding_in(&s->loop.body, name);
    case STMT_WHILE: return binding_in(&s->while_loop.body, name);
    case STMT_IF:
        found = binding_in(&s->branch.yes, name);
        return found ? found : binding_in(&s->branch.no, name);
    case STMT_ASSIGN: break;
    }
    return NULL;
}

static const Stmt *binding_in(const Block *block, Str name)
{
    const Stmt *found = NULL;
    for (int k = 0; k < block->stmts.count && !found; k++)
        found = binding_in_statement(block->stmts.at[k], name);
    return found;
}

bool refuse_out_of_scope(Frame *frame, Str name, Span use)
{
    const Stmt *s = frame->function && frame->kind == FRAME_USER ? binding_in(&frame->function->decl->fn.body, name) : NULL;
    if (!s)
        return false;
    if (s->kind == STMT_FOR) {
        fail(frame, use, "'%s' is the index of a loop, and is known only within it", name);
        note(frame, s->loop.range.index.span, "the loop");
        return true;
    }
    if (s->span.end > use.begin)
        fail(frame, use, "'%s' is read before it is set", name);
    else
        fail(frame, use, "'%s' is bound inside a loop or branch and is local to it; what is to be kept is bound before, with "
             "'mut %s = ...;'", name, name);
    note(frame, s->span, "it is set here");
    return true;
}

static bool check_new_name(Frame *frame, Name name)
{
    const Binding *b = frame_find(frame, name.text);
    if (!b && frame->loops && is_result(frame, name.text)) {
        frame->refused_result = true;
        fail(frame, name.span, "the result '%s' is assigned within a loop, but a result is assigned exactly once; "
             "carry a 'mut' through the loop and assign it afterwards", name.text);
        return false;
    }
    if (!b)
        return true;
    if (b->kind == BINDING_LOCAL && (frame->loops || frame->guards)) {
        fail(frame, name.span, "'%s' was bound without 'mut', so it is never assigned again", name.text);
        note(frame, b->span, "it is bound here");
        return false;
    }
    switch (b->kind) {
    case BINDING_ARGUMENT:
        fail(frame, name.span, "'%s' is an argument, and arguments are never changed", name.text);
        break;
    case BINDING_DIM: fail(frame, name.span, "'%s' is a dimension variable of this function", name.text); break;
    case BINDING_INDEX: fail(frame, name.span, "'%s' is the index of a loop around this", name.text); break;
    default: fail(frame, name.span, "'%s' is already bound, and a name is bound only once", name.text); break;
    }
    note(frame, b->span, b->kind == BINDING_LOCAL || b->kind == BINDING_MUT ? "the first binding" : "it is declared here");
    return false;
}

void bind_index(Frame *frame, Name name, Node *index)
{
    if (strcmp(name.text, "_") != 0 && check_new_name(frame, name))
        frame_bind(frame, name.text, BINDING_INDEX, value_of(index, name.span), name.span);
}

static bool is_mut(const Frame *frame, Str name)
{
    const Binding *b = frame_find(frame, name);
    return b && b->kind == BINDING_MUT;
}

/* Gives the value a name.  What derivatives are taken by becomes a node of its own, unless it only renames another. */
static void bind_value(Frame *frame, Name name, Value v, bool is_renaming)
{
    Context *ctx = frame->env->ctx;
    if (strcmp(name.text, "_") == 0)
        return;
    if (is_mut(frame, name.text)) {
        mut_assign(frame, name, v);
        return;
    }
    if (!check_new_name(frame, name))
        return;
    if (v.kind == VALUE_TENSOR) {
        if (is_differentiated(frame, name.text) && !is_renaming && v.node->type->elem == ELEM_REAL) {
            origin_at(frame, name.span);
            v.node = node_bind(ctx, v.node, name.text);
        } else if (frame->kind == FRAME_USER) {
            node_set_name(v.node, name.text);
        }
    } else if (v.kind != VALUE_NONE && frame->kind != FRAME_PRELUDE) {
        value_tensor(frame, v);                             /* words what is wrong with it */
        v = value_none(v.span);
    }
    frame_bind(frame, name.text, BINDING_LOCAL, v, name.span);
}

static void bind_one(Frame *frame, const Stmt *s)
{
    Name name = s->bind.names.at[0];
    bool is_renaming = s->bind.value->kind == EXPR_NAME && frame_find(frame, s->bind.value->name);
    const Type *type = s->bind.type ? type_of(frame, s->bind.type) : NULL;
    Value v = elaborate(frame, s->bind.value);
    if (s->bind.type && is_mut(frame, name.text)) {
        check_new_name(frame, name);
        return;
    }
    if (s->bind.type) {
        Node *n = type ? value_as(frame, v, type, str_format(frame->env->ctx, "'%s'", name.text)) : NULL;
        is_renaming &= v.kind == VALUE_TENSOR && n == v.node;
        v = value_of(n, v.span);
    }
    bind_value(frame, name, v, is_renaming);
}

static void bind_several(Frame *frame, const Stmt *s)
{
    int count = s->bind.names.count;
    Value v = elaborate(frame, s->bind.value);
    if (v.kind != VALUE_NONE && (v.kind != VALUE_RESULTS || v.count != count)) {
        int given = v.kind == VALUE_RESULTS ? v.count : 1;
        fail(frame, s->bind.value->span, "%d names are bound, but this gives %d value%s", count, given,
             given == 1 ? "" : "s");
        v = value_none(v.span);
    }
    for (int k = 0; k < count; k++)
        bind_value(frame, s->bind.names.at[k], v.kind == VALUE_RESULTS ? v.items[k] : value_none(v.span), false);
}

/* A scalar fills a mut of a declared shape. */
static Node *mut_start(Frame *frame, const Stmt *s)
{
    Context *ctx = frame->env->ctx;
    const Type *type = s->bind.type ? type_of(frame, s->bind.type) : NULL;
    Value v = elaborate(frame, s->bind.value);
    if (!s->bind.type)
        return value_tensor(frame, v);
    if (type && v.kind == VALUE_TENSOR && node_is_scalar(v.node)) {
        Node *n = value_as(frame, v, type_scalar(ctx, type->elem), str_format(ctx, "'%s'", s->bind.names.at[0].text));
        return n ? node_expand(ctx, n, type) : NULL;
    }
    return type ? value_as(frame, v, type, str_format(ctx, "'%s'", s->bind.names.at[0].text)) : NULL;
}

static void bind_mut(Frame *frame, const Stmt *s)
{
    Name name = s->bind.names.at[0];
    Node *n = mut_start(frame, s);
    if (strcmp(name.text, "_") == 0)
        fail(frame, name.span, "'_' ignores a value; it can not be a mut");
    else if (check_new_name(frame, name)) {
        frame_bind(frame, name.text, BINDING_MUT, value_none(name.span), name.span);
        mut_set(frame, frame_find(frame, name.text), n);
    }
}

static void run_bind(Frame *frame, const Stmt *s)
{
    if (s->bind.is_mut)
        bind_mut(frame, s);
    else if (s->bind.names.count == 1)
        bind_one(frame, s);
    else
        bind_several(frame, s);
}

void run_block(Frame *frame, const Block *block)
{
    for (int k = 0; k < block->stmts.count; k++)
        run_statement(frame, block->stmts.at[k]);
}

void run_statement(Frame *frame, const Stmt *s)
{
    switch (s->kind) {
    case STMT_BIND: run_bind(frame, s); break;
    case STMT_ASSIGN: run_assign(frame, s); break;
    case STMT_FOR: run_for(frame, s); break;
    case STMT_WHILE: run_while(frame, s); break;
    case STMT_IF: run_if(frame, s); break;
    }
}
