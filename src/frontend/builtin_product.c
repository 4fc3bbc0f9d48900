/* builtin_product.c: dot, outer, matrix products and einsum.
 *
 * An einsum of many operands is contracted two at a time, from left to right.  The graph wants every label to have
 * one size: an axis of size 1 that is broadcast loses its label first. */
#include "elaborate.h"

#include <ctype.h>
#include <string.h>

static Context *context_of(const Call *call)
{
    return call->frame->env->ctx;
}

/* ---- dot, outer -------------------------------------------------------------------------------------------------- */
static bool two_vectors(Call *call, Node **x)
{
    for (int k = 0; k < 2; k++) {
        x[k] = value_real(call->frame, call->args[k]);
        if (!x[k])
            return false;
        if (x[k]->type->rank != 1) {
            fail(call->frame, call->args[k].span, "'%s' takes two vectors, but this is %s", call->builtin->name,
                 type_text(context_of(call), x[k]->type));
            return false;
        }
    }
    return true;
}

static Node *build_dot(Call *call)
{
    static const int same[1] = { 0 }, *const labels[2] = { same, same };
    Node *x[2];
    if (!two_vectors(call, x))
        return NULL;
    if (!type_same_shape(x[0]->type, x[1]->type)) {
        fail(call->frame, call->span, "'dot' takes two vectors of one length, not %s and %s",
             type_text(context_of(call), x[0]->type), type_text(context_of(call), x[1]->type));
        return NULL;
    }
    return node_einsum(context_of(call), 2, x, labels, 0, NULL);
}

static Node *build_outer(Call *call)
{
    static const int first[1] = { 0 }, second[1] = { 1 }, both[2] = { 0, 1 }, *const labels[2] = { first, second };
    Node *x[2];
    if (!two_vectors(call, x))
        return NULL;
    int64_t sizes[2] = { type_size(x[0]->type, 0), type_size(x[1]->type, 0) };
    return make_type(call->frame, call->span, ELEM_REAL, 2, sizes)
        ? node_einsum(context_of(call), 2, x, labels, 2, both) : NULL;
}

/* ---- the matrix product ------------------------------------------------------------------------------------------ */
static void misfit(Frame *frame, Span at, const Value *values, Node *const *x)
{
    Context *ctx = frame->env->ctx;
    fail(frame, at, "shapes %s and %s do not fit a matrix product", shape_text(ctx, x[0]->type),
         shape_text(ctx, x[1]->type));
    for (int k = 0; k < 2; k++)
        note(frame, values[k].span, "this is %s", type_text(ctx, x[k]->type));
}

static const Type *without_last(Context *ctx, const Type *t, int count)
{
    return type_make(ctx, t->elem, t->rank < count ? 0 : t->rank - count, t->dim);
}

static bool product_fits(Frame *frame, Span at, const Value *values, Node *const *x)
{
    Context *ctx = frame->env->ctx;
    const Type *a = x[0]->type, *b = x[1]->type;
    for (int k = 0; k < 2; k++)
        if (x[k]->type->rank == 0) {
            fail(frame, at, "'@' is the matrix product, and this operand is a scalar; '*' multiplies by a scalar");
            note(frame, values[k].span, "this is %s", type_text(ctx, x[k]->type));
            return false;
        }
    const Type *batch = type_broadcast(ctx, without_last(ctx, a, 2), without_last(ctx, b, 2));
    if (!batch || type_size(a, -1) != type_size(b, b->rank > 1 ? -2 : -1)) {
        misfit(frame, at, values, x);
        return false;
    }
    int64_t sizes[RANK_MAX + 2];
    int rank = batch->rank;
    for (int k = 0; k < rank; k++)
        sizes[k] = type_size(batch, k);
    if (a->rank > 1)
        sizes[rank++] = type_size(a, -2);
    if (b->rank > 1)
        sizes[rank++] = type_size(b, -1);
    return make_type(frame, at, ELEM_REAL, rank, sizes) != NULL;
}

Node *build_matmul(Frame *frame, Span at, Value a, Value b)
{
    Value values[2] = { a, b };
    Node *x[2] = { value_real(frame, a), value_real(frame, b) };
    if (!x[0] || !x[1] || !product_fits(frame, at, values, x))
        return NULL;
    return node_matmul(frame->env->ctx, x[0], x[1]);
}

/* ---- einsum: the text -------------------------------------------------------------------------------------------- */
/* Labels: letters, then the axes of `...` from the last one. */
enum { FIRST_ELLIPSIS = 2 * 26, LABEL_LIMIT = FIRST_ELLIPSIS + RANK_MAX };

typedef struct Subscript { int count, labels[RANK_MAX]; } Subscript;

typedef struct Einsum {
    Call *call;
    Span span;                                              /* of the string */
    int count;                                              /* operands */
    Node **nodes;
    Subscript *inputs, output;
    int64_t sizes[LABEL_LIMIT];                             /* 0: not seen */
    int ellipsis_rank;
} Einsum;

static int letter_label(char c)
{
    return islower((unsigned char)c) ? c - 'a' : 26 + c - 'A';
}

static bool add_label(Einsum *e, Subscript *s, int label)
{
    if (s->count == RANK_MAX) {
        fail(e->call->frame, e->span, "a subscript has too many labels");
        return false;
    }
    s->labels[s->count++] = label;
    return true;
}

/* One subscript, up to a comma, an arrow or the end.  ellipsis: how many axes `...` stands for here. */
static bool read_subscript(Einsum *e, const char **at, int ellipsis, Subscript *s)
{
    bool had_ellipsis = false;
    for (; **at && **at != ',' && strncmp(*at, "->", 2) != 0; ++*at) {
        bool good = true;
        if (isalpha((unsigned char)**at)) {
            good = add_label(e, s, letter_label(**at));
        } else if (strncmp(*at, "...", 3) == 0 && !had_ellipsis) {
            had_ellipsis = true;
            for (int k = ellipsis; k > 0 && good; k--)
                good = add_label(e, s, FIRST_ELLIPSIS + k - 1);
            *at += 2;
        } else if (**at != ' ') {
            fail(e->call->frame, e->span, "'%.1s' does not belong into an einsum; it is written like \"ij,jk->ik\"",
                 *at);
            return false;
        }
        if (!good)
            return false;
    }
    return true;
}

/* The axes that `...` stands for in the subscript that begins at `at`, of an operand of this rank. */
static int ellipsis_axes(const char *at, int rank)
{
    int letters = 0;
    for (; *at && *at != ',' && strncmp(at, "->", 2) != 0; at++)
        letters += isalpha((unsigned char)*at) != 0;
    return rank > letters ? rank - letters : 0;
}

static bool read_operand(Einsum *e, int k, const char **at)
{
    const Type *t = e->nodes[k]->type;
    int ellipsis = ellipsis_axes(*at, t->rank);
    Subscript *s = &e->inputs[k];
    if (!read_subscript(e, at, ellipsis, s))
        return false;
    if (s->count != t->rank) {
        fail(e->call->frame, e->call->args[k + 1].span, "this is %s, but subscript %d has %d label%s",
             type_text(context_of(e->call), t), k + 1, s->count, s->count == 1 ? "" : "s");
        return false;
    }
    for (int i = 0; i < s->count; i++)
        if (s->labels[i] - FIRST_ELLIPSIS >= e->ellipsis_rank)
            e->ellipsis_rank = s->labels[i] - FIRST_ELLIPSIS + 1;
    return true;
}

/* Without an arrow: the labels that occur once, in the order of the alphabet, after the axes of `...`. */
static void implied_output(Einsum *e)
{
    int seen[LABEL_LIMIT] = { 0 };
    for (int k = 0; k < e->count; k++)
        for (int i = 0; i < e->inputs[k].count; i++)
            seen[e->inputs[k].labels[i]]++;
    for (int k = e->ellipsis_rank; k > 0; k--)
        e->output.labels[e->output.count++] = FIRST_ELLIPSIS + k - 1;
    for (int upper = 1; upper >= 0; upper--)
        for (int k = 0; k < 26; k++)
            if (seen[26 * upper + k] == 1 && e->output.count < RANK_MAX)
                e->output.labels[e->output.count++] = 26 * upper + k;
}

static bool read_text(Einsum *e, const char *text)
{
    const char *at = text;
    for (int k = 0; k < e->count; k++) {
        if (!read_operand(e, k, &at))
            return false;
        bool more = *at == ',';
        if (more != (k + 1 < e->count)) {
            int subscripts = 1;
            for (const char *c = text; *c && strncmp(c, "->", 2) != 0; c++)
                subscripts += *c == ',';
            fail(e->call->frame, e->span, "%d subscript%s for %d operand%s", subscripts,
                 subscripts == 1 ? "" : "s", e->count, e->count == 1 ? "" : "s");
            return false;
        }
        at += more;
    }
    if (*at == 0) {
        implied_output(e);
        return true;
    }
    at += 2;
    if (!read_subscript(e, &at, e->ellipsis_rank, &e->output))
        return false;
    if (*at)
        fail(e->call->frame, e->span, "an einsum has one result: there is text after it");
    return *at == 0;
}

/* ---- einsum: sizes ----------------------------------------------------------------------------------------------- */
static const char *label_text(Context *ctx, int label)
{
    if (label >= FIRST_ELLIPSIS)
        return "...";
    return str_format(ctx, "%c", label < 26 ? 'a' + label : 'A' + label - 26);
}

static bool find_sizes(Einsum *e)
{
    Context *ctx = context_of(e->call);
    for (int k = 0; k < e->count; k++)
        for (int i = 0; i < e->inputs[k].count; i++) {
            int label = e->inputs[k].labels[i];
            int64_t size = type_size(e->nodes[k]->type, i), *known = &e->sizes[label];
            if (*known > 1 && size > 1 && *known != size) {
                fail(e->call->frame, e->call->args[k + 1].span, "the label '%s' is %lld here, but %lld before",
                     label_text(ctx, label), (long long)size, (long long)*known);
                return false;
            }
            *known = size > *known ? size : *known;
        }
    int64_t sizes[RANK_MAX];
    for (int i = 0; i < e->output.count; i++) {
        sizes[i] = e->sizes[e->output.labels[i]];
        if (sizes[i] == 0) {
            fail(e->call->frame, e->span, "the label '%s' of the result is in no operand",
                 label_text(ctx, e->output.labels[i]));
            return false;
        }
    }
    return make_type(e->call->frame, e->call->span, ELEM_REAL, e->output.count, sizes) != NULL;
}

/* ---- einsum: the graph ------------------------------------------------------------------------------------------- */
/* Axes of size 1 whose label is larger elsewhere vanish. */
static void squeeze_operand(Einsum *e, int k)
{
    Context *ctx = context_of(e->call);
    Subscript *s = &e->inputs[k];
    int64_t sizes[RANK_MAX];
    int kept = 0;
    for (int i = 0; i < s->count; i++) {
        int64_t size = type_size(e->nodes[k]->type, i);
        if (size == 1 && e->sizes[s->labels[i]] > 1)
            continue;
        s->labels[kept] = s->labels[i];
        sizes[kept++] = size;
    }
    s->count = kept;
    e->nodes[k] = node_reshape(ctx, e->nodes[k], type_sized(ctx, ELEM_REAL, kept, sizes));
}

static bool has_label(const Subscript *s, int label)
{
    for (int i = 0; i < s->count; i++)
        if (s->labels[i] == label)
            return true;
    return false;
}

/* A repeated label takes the diagonal first, so that products have distinct labels per operand. */
static void take_diagonals(Einsum *e, int k)
{
    Context *ctx = context_of(e->call);
    Subscript *s = &e->inputs[k], once = { 0 };
    for (int i = 0; i < s->count; i++)
        if (!has_label(&once, s->labels[i]))
            once.labels[once.count++] = s->labels[i];
    if (once.count == s->count)
        return;
    const int *labels[1] = { s->labels };
    e->nodes[k] = node_einsum(ctx, 1, &e->nodes[k], labels, once.count, once.labels);
    *s = once;
}

/* Labels of two operands that are needed later: by an operand behind them or by the result. */
static Subscript needed_later(const Einsum *e, const Subscript *a, const Subscript *b, int next)
{
    Subscript out = { 0 };
    for (int part = 0; part < 2; part++) {
        const Subscript *s = part ? b : a;
        for (int i = 0; i < s->count; i++) {
            bool needed = has_label(&e->output, s->labels[i]);
            for (int k = next; k < e->count; k++)
                needed |= has_label(&e->inputs[k], s->labels[i]);
            if (needed && !has_label(&out, s->labels[i]) && out.count < RANK_MAX)
                out.labels[out.count++] = s->labels[i];
        }
    }
    return out;
}

static bool intermediate_fits(const Einsum *e, const Subscript *s)
{
    int64_t sizes[RANK_MAX];
    for (int i = 0; i < s->count; i++)
        sizes[i] = e->sizes[s->labels[i]];
    Frame frame = *e->call->frame;
    frame.in_rule = true;                                   /* more axes than a user's value may have */
    return make_type(&frame, e->call->span, ELEM_REAL, s->count, sizes) != NULL;
}

static Node *contract(Einsum *e)
{
    Context *ctx = context_of(e->call);
    Node *product = e->nodes[0];
    Subscript labels = e->inputs[0];
    for (int k = 1; k + 1 < e->count; k++) {
        Subscript out = needed_later(e, &labels, &e->inputs[k], k + 1);
        Node *pair[2] = { product, e->nodes[k] };
        const int *pair_labels[2] = { labels.labels, e->inputs[k].labels };
        if (!intermediate_fits(e, &out))
            return NULL;
        product = node_einsum(ctx, 2, pair, pair_labels, out.count, out.labels);
        labels = out;
    }
    Node *last[2] = { product, e->nodes[e->count - 1] };
    const int *last_labels[2] = { labels.labels, e->inputs[e->count - 1].labels };
    return node_einsum(ctx, e->count == 1 ? 1 : 2, last, last_labels, e->output.count, e->output.labels);
}

static Node *build_einsum(Call *call)
{
    Context *ctx = context_of(call);
    Einsum e = { .call = call, .span = call->args[0].span, .count = call->count - 1 };
    if (call->args[0].kind != VALUE_STRING) {
        fail(call->frame, call->args[0].span, "'einsum' begins with its subscripts, such as \"ij,jk->ik\"");
        return NULL;
    }
    e.nodes = NEW_ARRAY(ctx->arena, Node *, e.count);
    e.inputs = NEW_ARRAY(ctx->arena, Subscript, e.count);
    for (int k = 0; k < e.count; k++) {
        e.nodes[k] = value_real(call->frame, call->args[k + 1]);
        if (!e.nodes[k])
            return NULL;
    }
    if (!read_text(&e, call->args[0].text) || !find_sizes(&e))
        return NULL;
    for (int k = 0; k < e.count; k++) {
        squeeze_operand(&e, k);
        if (e.count > 1)
            take_diagonals(&e, k);
    }
    return contract(&e);
}

const Builtin product_builtins[] = {
    { "dot", build_dot, 2, 2, "", false },
    { "outer", build_outer, 2, 2, "", false },
    { "einsum", build_einsum, 2, -1, "", false },
    { NULL, NULL, 0, 0, NULL, false },
};
