/* load.c: `load("w.npy")`: an array file becomes a constant.
 *
 * Where a type is declared the file must hold exactly that; elsewhere the file says it.  A path is seen from the file
 * whose text has the call. */
#include "elaborate.h"

#include "arrays.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct { Frame *frame; Span span; Str path; ArrayFile array; } Loading;

static bool read_array(Loading *l, Str path)
{
    Context *ctx = l->frame->env->ctx;
    l->path = path_beside(ctx, l->span.source ? l->span.source->path : "", path);
    const char *wrong = array_read(ctx, l->path, &l->array);
    if (wrong)
        fail(l->frame, l->span, "cannot read '%s': %s", l->path, wrong);
    return !wrong;
}

/* What the elements are called in messages. */
static const char *element_words(Elem elem)
{
    return elem == ELEM_REAL ? "reals" : elem == ELEM_INT ? "ints" : "bools";
}

/* A real never becomes an int, nor a number a bool; an int may be read as a real. */
static bool elem_fits(const Loading *l, Elem wanted)
{
    Elem held = l->array.elem;
    if (held == wanted || (held == ELEM_INT && wanted == ELEM_REAL))
        return true;
    fail(l->frame, l->span, "'%s' holds %s, but %s are declared", l->path, element_words(held), element_words(wanted));
    return false;
}

/* Which element of a file that is wrong, as its indices. */
static const char *element_place(const Loading *l, int64_t k)
{
    Context *ctx = l->frame->env->ctx;
    Text text = { .arena = ctx->arena };
    int64_t place[RANK_USER];
    for (int axis = l->array.rank - 1; axis >= 0; axis--) {
        place[axis] = k % l->array.size[axis];
        k /= l->array.size[axis];
    }
    text_put(&text, "element [");
    for (int axis = 0; axis < l->array.rank; axis++)
        text_printf(&text, "%s%" PRId64, axis ? ", " : "", place[axis]);
    text_put(&text, "]");
    return text.text;
}

static bool values_fit(Loading *l, Elem elem)
{
    const Context *ctx = l->frame->env->ctx;
    for (int64_t k = 0; k < l->array.count; k++) {
        double value = l->array.data[k], rounded = round_real(ctx, value);
        bool overflows = elem == ELEM_REAL && isfinite(value) && !isfinite(rounded);
        if (overflows || (elem == ELEM_INT && (value < INT32_MIN || value > INT32_MAX))) {
            fail(l->frame, l->span, "%s of '%s' is %.15g, which does not fit %s", element_place(l, k), l->path, value,
                 elem == ELEM_INT ? "an int: it has 32 bits" : "a float");
            return false;
        }
        l->array.data[k] = elem == ELEM_REAL ? rounded : value;
    }
    return true;
}

/* The type that the file itself has. */
static const Type *type_of_file(Loading *l)
{
    return make_type(l->frame, l->span, l->array.elem, l->array.rank, l->array.size);
}

static Node *constant_of_file(Frame *frame, Value path, const Type *type)
{
    Loading l = { .frame = frame, .span = path.span };
    Context *ctx = frame->env->ctx;
    if (path.kind != VALUE_STRING) {
        if (path.kind != VALUE_NONE)
            fail(frame, path.span, "'load' takes the name of a file: load(\"w.npy\")");
        return NULL;
    }
    if (!read_array(&l, path.text))
        return NULL;
    if (type && !array_has_shape(&l.array, type)) {
        const Type *held = type_of_file(&l);
        if (held)
            fail(frame, path.span, "'%s' holds %s, but %s is declared", l.path, type_text(ctx, held),
                 type_text(ctx, type));
        return NULL;
    }
    if (!type)
        type = type_of_file(&l);
    return type && elem_fits(&l, type->elem) && values_fit(&l, type->elem) ? node_constant(ctx, type, l.array.data) : NULL;
}

bool is_load(const Expr *e)
{
    return e->kind == EXPR_CALL && strcmp(e->call.callee.text, "load") == 0 && e->call.args.count == 1
        && !e->call.args.at[0].name.text;
}

Node *load_as(Frame *frame, const Expr *call, const Type *type)
{
    return constant_of_file(frame, elaborate(frame, call->call.args.at[0].value), type);
}

static Node *build_load(Call *call)
{
    return constant_of_file(call->frame, call->args[0], NULL);
}

const Builtin load_builtins[] = {
    { "load", build_load, 1, 1, "", false },
    { NULL, NULL, 0, 0, NULL, false },
};
