/* frame.c: the names of one body, and where in the user's text its messages point.
 *
 * A name is bound once, and for as long as the scope is open that it is bound in.  The prelude is no place to send a reader to: messages from within it point at the user's
 * call. */
#include "elaborate.h"

enum { FEW_BINDINGS = 12 };                                 /* up to here a search from the end beats a map */

Frame frame_new(Env *env, FrameKind kind)
{
    return (Frame){ .env = env, .kind = kind, .in_rule = kind == FRAME_RULE };
}

Binding *frame_find(const Frame *frame, Str name)
{
    if (frame->index) {
        intptr_t place = (intptr_t)map_get(frame->index, name);
        return place ? &frame->bindings.at[place - 1] : NULL;
    }
    for (int k = frame->bindings.count - 1; k >= 0; k--)
        if (frame->bindings.at[k].name == name)
            return &frame->bindings.at[k];
    return NULL;
}

static void index_binding(Frame *frame, int k)
{
    map_put(frame->index, frame->bindings.at[k].name, (void *)(intptr_t)(k + 1));
}

void frame_bind(Frame *frame, Str name, BindingKind kind, Value value, Span span)
{
    Arena *arena = frame->env->ctx->trees;
    vec_push(arena, &frame->bindings, ((Binding){ name, kind, value, span }));
    if (frame->index) {
        index_binding(frame, frame->bindings.count - 1);
    } else if (frame->bindings.count > FEW_BINDINGS) {
        frame->index = map_new(arena);
        for (int k = 0; k < frame->bindings.count; k++)
            index_binding(frame, k);
    }
}

int frame_open(const Frame *frame)
{
    return frame->bindings.count;
}

void frame_close(Frame *frame, int scope)
{
    for (int k = scope; frame->index && k < frame->bindings.count; k++)
        map_put(frame->index, frame->bindings.at[k].name, NULL);
    frame->bindings.count = scope;
}

Span frame_span(const Frame *frame, Span span)
{
    return frame->kind == FRAME_PRELUDE && span.source == frontend_of(frame->env->ctx)->prelude ? frame->use : span;
}

void origin_at(Frame *frame, Span span)
{
    Context *ctx = frame->env->ctx;
    if (frame->in_rule)
        return;
    span = frame_span(frame, span);
    graph_set_origin(ctx, (Origin){ .span = span });
    ctx->place = span;
}

/* ---- suggestions ------------------------------------------------------------------------------------------------- */
const char *suggestion(Context *ctx, Str name, const Str *candidates, int count)
{
    Str near = nearest_name(name, candidates, count);
    return near ? str_format(ctx, "; did you mean '%s'?", near) : "";
}

typedef Vec(Str) StrList;

static void add_keys(Arena *arena, StrList *names, const Map *map)
{
    for (int k = 0; k < map_count(map); k++)
        vec_push(arena, names, (Str)map_key(map, k));
}

const char *suggest_value(const Frame *frame, Str name)
{
    Context *ctx = frame->env->ctx;
    static const char *const words[] = { "pi", "inf", "nan" };
    StrList names = { 0 };
    for (int k = 0; k < frame->bindings.count; k++)
        vec_push(ctx->arena, &names, frame->bindings.at[k].name);
    add_keys(ctx->arena, &names, frame->env->constants);
    for (int k = 0; k < 3; k++)
        vec_push(ctx->arena, &names, str_intern(ctx, words[k]));
    return suggestion(ctx, name, names.at, names.count);
}

const char *suggest_function(const Frame *frame, Str name)
{
    Context *ctx = frame->env->ctx;
    StrList names = { 0 };
    int count;
    const Str *builtins = builtin_names(ctx, &count);
    add_keys(ctx->arena, &names, frame->env->functions);
    for (int k = 0; k < count; k++)
        vec_push(ctx->arena, &names, builtins[k]);
    return suggestion(ctx, name, names.at, names.count);
}
