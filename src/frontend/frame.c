/* frame.c: the names of one body, and where in the user's text its messages point.
 *
 * A name is bound once, and for as long as the scope is open that it is bound in.  The prelude is no place to send a reader to: messages from within it point at the user's
 * call. */
#include "elaborate.h"

#include <string.h>

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
    static const char *const words[] = { "pi", "inf", "nan", "true", "false" };
    StrList names = { 0 };
    for (int k = 0; k < frame->bindings.count; k++)
        vec_push(ctx->arena, &names, frame->bindings.at[k].name);
    add_keys(ctx->arena, &names, frame->env->constants);
    for (int k = 0; k < 5; k++)
        vec_push(ctx->arena, &names, str_intern(ctx, words[k]));
    return suggestion(ctx, name, names.at, names.count);
}

/* What NumPy, PyTorch and JAX call something that has another name here, or is spelt as an operator. */
static const char *foreign_name(const char *name)
{
    static const struct { const char *names, *here; } table[] = {
        { " matmul mm mv bmm tensordot ", "a matrix product is written 'a @ b', others with 'einsum'" },
        { " maximum fmax amax ", "the larger of two is 'max(a, b)', the largest over axes 'max(x, axis: k)'" },
        { " minimum fmin amin ", "the smaller of two is 'min(a, b)', the smallest over axes 'min(x, axis: k)'" },
        { " clip clamp_min clamp_max hardtanh relu6 ", "this is 'clamp(x, lo, hi)'" },
        { " cat concatenate hstack vstack ", "this is 'concat((a, b), axis: k)'" },
        { " unsqueeze expand_dims squeeze view flatten ravel ", "this is 'reshape(x, (2, 3))'" },
        { " broadcast_to expand_as full full_like ", "this is 'expand(x, (2, 3))'" },
        { " zeros_like ones_like ", "write the shape: 'zeros((2, 3))', 'ones((2, 3))'" },
        { " arange range linspace ", "'iota(n)' are the ints 0 .. n-1, and a loop counts in 'a..b'" },
        { " repeat repeat_interleave ", "this is 'tile(x, (2, 1))'" },
        { " inv pinv linalg_inv ", "this is 'inverse(A)'" },
        { " slogdet log_det ", "this is 'logdet(A)', or 'log(abs(det(A)))' for any sign" },
        { " lstsq ", "this is 'solve(A' @ A, A' @ b)'" },
        { " swapaxes movedim moveaxis ", "this is 'transpose(x, 0, 1)' or 'permute(x, (1, 0))'" },
        { " detach no_grad ", "this is 'stop_gradient(e)'" },
        { " float double float32 float64 ", "an int or a bool becomes real by 'real(x)'" },
        { " int long int32 int64 ", "a real never becomes an int; ints are counted, as 'sum(x > t[i] ? 1 : 0 for i in 0..n)'" },
        { " power ", "a power is written 'x^p'" },
        { " exp2 ", "this is '2^x'" },
        { " absolute fabs ", "this is 'abs(x)'" },
        { " arcsin arccos arctan arctan2 arcsinh arccosh arctanh ", "it begins with 'a' alone, as 'asin(x)'" },
        { " true_divide divide multiply subtract add ", "this is an operator: '/ * - +'" },
        { " logaddexp log_sum_exp ", "this is 'logsumexp(x)', of two 'logsumexp([a, b])'" },
        { " log_sigmoid ", "this is 'logsigmoid(x)'" },
        { " ndtr ", "this is 'normal_cdf(x)'" },
        { " mse_loss l1_loss huber_loss smooth_l1_loss ", "this is 'mse(a, b)', 'l1(a, b)' or 'huber(a, b, delta: 1)'" },
        { " nll_loss ", "of logits this is 'cross_entropy(logits, labels)'" },
        { " binary_cross_entropy_with_logits ", "this is 'bce_with_logits(z, y)'" },
        { " argmax argmin sort argsort topk ", "the places of elements are not values here: 'max_first(x)' has the largest" },
        { " masked_fill ", "this is 'where(c, value, x)'" },
        { " index_select take ", "this is 'x[idx]'" },
        { " print ", "'adc --run' prints the outputs of a function" },
    };
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        for (const char *at = strstr(table[k].names, name); at; at = strstr(at + 1, name))
            if (at[-1] == ' ' && at[strlen(name)] == ' ')
                return table[k].here;
    return NULL;
}

const char *suggest_function(const Frame *frame, Str name)
{
    Context *ctx = frame->env->ctx;
    const char *here = foreign_name(name);
    if (here)
        return str_format(ctx, "; %s", here);
    StrList names = { 0 };
    int count;
    const Str *builtins = builtin_names(ctx, &count);
    add_keys(ctx->arena, &names, frame->env->functions);
    for (int k = 0; k < count; k++)
        vec_push(ctx->arena, &names, builtins[k]);
    return suggestion(ctx, name, names.at, names.count);
}
