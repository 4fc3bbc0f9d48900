/* builtin.c: which builtins there are, and calling them with checked arguments and options.
 *
 * A builtin is a row of a table here, a function of the prelude, or an elementwise op of the op table; a name is
 * looked up in this order and is in only one of them. */
#include "elaborate.h"

#include <math.h>
#include <string.h>

/* ---- the tables -------------------------------------------------------------------------------------------------- */
static const Builtin *const tables[] = {
    shape_builtins, part_builtins, reduce_builtins, index_builtins, product_builtins, window_builtins, grid_builtins, matrix_builtins,
    load_builtins,
};

/* Transforms of functions that have no form for values. */
static const char *const export_only[] = { "split", "vjp" };

static const Builtin *find_builtin(Str name)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const Builtin *b = tables[t]; b->name; b++)
            if (strcmp(b->name, name) == 0)
                return b;
    return NULL;
}

/* An elementwise op that is written as a call, or -1. */
static int find_op(Str name)
{
    int op = op_find(name);
    return op >= 0 && op_info[op].class == CLASS_ELEMENTWISE && (!op_info[op].infix || op == OP_pow) ? op : -1;
}

static bool is_export_only(Str name)
{
    for (size_t k = 0; k < sizeof export_only / sizeof *export_only; k++)
        if (strcmp(export_only[k], name) == 0)
            return true;
    return false;
}

/* A function of the prelude; names that begin with `_` are its own. */
static Function *find_prelude(Context *ctx, Str name, bool inside)
{
    return name[0] == '_' && !inside ? NULL : map_get(frontend_of(ctx)->env->functions, name);
}

bool is_builtin(Context *ctx, Str name)
{
    const Builtin *b = find_builtin(name);
    return (b && !b->is_internal) || is_derivative_form(name) || find_op(name) >= 0 || is_export_only(name)
        || find_prelude(ctx, name, false);
}

static void add_names(Context *ctx, Frontend *f)
{
    const Map *prelude = f->env->functions;
    for (int op = 0; op < OP_COUNT; op++)
        if (find_op(op_info[op].name) == op && !find_builtin(op_info[op].name))
            vec_push(ctx->arena, &f->names, str_intern(ctx, op_info[op].name));
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const Builtin *b = tables[t]; b->name; b++)
            if (!b->is_internal)
                vec_push(ctx->arena, &f->names, str_intern(ctx, b->name));
    for (int k = 0; k < map_count(prelude); k++)
        if (*(Str)map_key(prelude, k) != '_')
            vec_push(ctx->arena, &f->names, (Str)map_key(prelude, k));
    for (int k = 0; k < 5; k++)
        vec_push(ctx->arena, &f->names, str_intern(ctx, derivative_forms[k]));
}

const Str *builtin_names(Context *ctx, int *count)
{
    Frontend *f = frontend_of(ctx);
    if (f->names.count == 0)
        add_names(ctx, f);
    *count = f->names.count;
    return f->names.at;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */
/* The words that an option takes, besides or instead of constants. */
typedef struct { const char *option, *words; bool only; } OptionWords;
static const OptionWords option_words[] = {
    { "axis", "all", false }, { "mode", "constant reflect replicate", true }, { "reduction", "mean sum none", true },
    { "b", "none", false }, { "stride", "none", false },
};

/* The place of a word in a list of words with spaces between, or -1. */
static int word_place(const char *list, const char *word)
{
    size_t length = strlen(word);
    int place = 0;
    for (const char *at = list; at && *at; place++) {
        if (strncmp(at, word, length) == 0 && (at[length] == ' ' || at[length] == 0))
            return place;
        at = strchr(at, ' ');
        at += at != NULL;
    }
    return -1;
}

/* NULL: the option takes no words. */
static const OptionWords *words_of(Str option)
{
    for (size_t k = 0; k < sizeof option_words / sizeof *option_words; k++)
        if (strcmp(option_words[k].option, option) == 0)
            return &option_words[k];
    return NULL;
}

Value option_value(Frame *frame, const Arg *a)
{
    const Expr *e = a->value;
    const OptionWords *words = words_of(a->name.text);
    if (words && e->kind == EXPR_NAME && word_place(words->words, e->name) >= 0)
        return (Value){ .kind = VALUE_WORD, .span = e->span, .text = e->name };
    if (!words || !words->only || frame->kind == FRAME_PRELUDE)
        return elaborate(frame, e);
    fail(frame, e->span, "'%s' is one of the words: %s", a->name.text, words->words);
    return value_none(e->span);
}

const Value *call_option(const Call *call, const char *name)
{
    int place = word_place(call->builtin->options, name);
    return place < 0 || call->options[place].kind == VALUE_NONE ? NULL : &call->options[place];
}

bool call_integer(Call *call, const char *option, int64_t otherwise, int64_t *out)
{
    const Value *v = call_option(call, option);
    *out = otherwise;
    return !v || value_integer(call->frame, *v, str_format(call->frame->env->ctx, "'%s'", option), out);
}

bool call_truth(Call *call, const char *option, bool otherwise, bool *out)
{
    const Value *v = call_option(call, option);
    *out = otherwise;
    return !v || value_truth(call->frame, *v, str_format(call->frame->env->ctx, "'%s'", option), out);
}

bool call_axis(Call *call, const Value *v, int rank, int *axis)
{
    int64_t n;
    if (!value_integer(call->frame, *v, "an axis", &n))
        return false;
    if (n < -rank || n >= rank) {
        fail(call->frame, v->span, "axis %lld is out of range for %d ax%ss", (long long)n, rank, rank == 1 ? "i" : "e");
        return false;
    }
    *axis = (int)(n < 0 ? n + rank : n);
    return true;
}

/* A scalar counts as one axis of size 1 in what works along axes, as in NumPy and PyTorch. */
bool call_axis_of_scalar(Call *call, const Value *v)
{
    int axis;
    return !v || call_axis(call, v, 1, &axis);
}

int call_axes(Call *call, int rank, int *axes)
{
    const Value *v = call_option(call, "axis");
    bool chosen[RANK_MAX] = { false };
    int count = 0;
    if (!v || (v->kind == VALUE_WORD && strcmp(v->text, "all") == 0)) {
        for (int k = 0; k < rank; k++)
            axes[k] = k;
        return rank;
    }
    for (int k = 0; k < (v->kind == VALUE_TUPLE ? v->count : 1); k++) {
        const Value *item = v->kind == VALUE_TUPLE ? &v->items[k] : v;
        int axis;
        if (!call_axis(call, item, rank > 0 ? rank : 1, &axis))
            return -1;
        if (chosen[axis]) {
            fail(call->frame, item->span, "axis %d is given twice", axis);
            return -1;
        }
        chosen[axis] = true;
    }
    for (int k = 0; k < rank; k++)
        if (chosen[k])
            axes[count++] = k;
    return count;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */
static int given_count(const Expr *e)
{
    int count = 0;
    while (count < e->call.args.count && !e->call.args.at[count].name.text)
        count++;
    return count;
}

static Value *elaborate_arguments(Frame *frame, const Expr *e, int count)
{
    Value *args = NEW_ARRAY(frame->env->ctx->arena, Value, count);
    for (int k = 0; k < count; k++)
        args[k] = elaborate(frame, e->call.args.at[k].value);
    return args;
}

static bool any_none(int count, const Value *values)
{
    for (int k = 0; k < count; k++)
        if (values[k].kind == VALUE_NONE)
            return true;
    return false;
}

/* What is meant by an argument too many. */
static const char *hint_for_excess(Context *ctx, Str name, const char *options)
{
    static const char *const shapes[] = { "reshape", "expand", "tile", "permute", "zeros", "ones" };
    static const char *const joins[] = { "concat", "stack" };
    int first = (int)strcspn(options, " ");
    for (size_t k = 0; k < sizeof joins / sizeof *joins; k++)
        if (strcmp(name, joins[k]) == 0)
            return "; what is joined is a tuple: '(a, b)'";
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        if (strcmp(name, shapes[k]) == 0)
            return "; several sizes or axes are a tuple: '(2, 3)'";
    if (strncmp(options, "axis", 4) == 0)
        return "; an axis is an option: 'axis: 1'";
    return first ? str_format(ctx, "; options have names: '%.*s: ...'", first, options) : "";
}

static bool check_count(Frame *frame, const Expr *e, int count, int least, int most, const char *options)
{
    Context *ctx = frame->env->ctx;
    if (count >= least && (most < 0 || count <= most))
        return true;
    const char *wanted = most < 0 ? str_format(ctx, "at least %d", least)
                       : least == most ? str_format(ctx, "%d", least) : str_format(ctx, "%d to %d", least, most);
    fail(frame, e->span, "'%s' takes %s argument%s, not %d%s", e->call.callee.text, wanted,
         least == 1 && most <= 1 ? "" : "s", count,
         most >= 0 && count > most ? hint_for_excess(ctx, e->call.callee.text, options) : "");
    return false;
}

static bool refuse_options(Frame *frame, const Expr *e, int from)
{
    if (from == e->call.args.count)
        return true;
    fail(frame, e->call.args.at[from].name.span, "'%s' has no options", e->call.callee.text);
    return false;
}

static void unknown_option(Frame *frame, const Expr *e, const Arg *a, const char *options)
{
    Context *ctx = frame->env->ctx;
    Vec(Str) names = { 0 };
    for (const char *at = options; *at; at += strspn(at, " ")) {
        int length = (int)strcspn(at, " ");
        vec_push(ctx->arena, &names, str_intern_n(ctx, at, length));
        at += length;
    }
    const char *near = suggestion(ctx, a->name.text, names.at, names.count);
    if (names.count == 0)
        fail(frame, a->name.span, "'%s' has no options", e->call.callee.text);
    else
        fail(frame, a->name.span, "'%s' has no option '%s'%s", e->call.callee.text, a->name.text,
             *near ? near : str_format(ctx, "; it has: %s", options));
}

/* The options after the arguments, each at its place in the list of names. */
static bool read_options(Frame *frame, const Expr *e, int from, const char *options, Value *out)
{
    for (int k = from; k < e->call.args.count; k++) {
        const Arg *a = &e->call.args.at[k];
        int place = word_place(options, a->name.text);
        if (place < 0) {
            unknown_option(frame, e, a, options);
            return false;
        }
        if (out[place].kind != VALUE_NONE) {
            fail(frame, a->name.span, "the option '%s' is given twice", a->name.text);
            return false;
        }
        out[place] = option_value(frame, a);
        if (out[place].kind == VALUE_NONE)
            return false;
    }
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */
static Node *call_builtin(Frame *frame, const Expr *e, const Builtin *b, int count, Value *args)
{
    Call call = { .frame = frame, .builtin = b, .span = e->span, .count = count, .args = args };
    if (!check_count(frame, e, count, b->least, b->most, b->options) || !read_options(frame, e, count, b->options, call.options)
        || any_none(count, args))
        return NULL;
    origin_at(frame, e->span);
    return b->build(&call);
}

/* The order of polygamma is a constant, though the graph holds it as an operand. */
static bool check_order(Frame *frame, Op op, Value v)
{
    double order;
    if (op != OP_polygamma || v.kind != VALUE_TENSOR
        || (node_is_fill(v.node, &order) && order >= 0 && order == floor(order)))
        return true;
    fail(frame, v.span, "the order of 'polygamma' must be a constant integer that is not negative");
    return false;
}

static Node *call_op(Frame *frame, const Expr *e, Op op, int count, const Value *args)
{
    if (!check_count(frame, e, count, op_info[op].arity, op_info[op].arity, "") || !refuse_options(frame, e, count)
        || any_none(count, args) || !check_order(frame, op, args[0]))
        return NULL;
    origin_at(frame, e->span);
    return build_elementwise(frame, e->call.callee.span, op, count, args);
}

static const char *prelude_options(Context *ctx, const Decl *d)
{
    Text text = { .arena = ctx->arena };
    text_put(&text, "");
    for (int k = 0; k < d->fn.options.count; k++)
        text_printf(&text, "%s%s", k ? " " : "", d->fn.options.at[k].name.text);
    return text.text;
}

/* Options that are `none` unless given may stand behind the arguments, without their names. */
static int optional_arguments(const Decl *d)
{
    int count = 0;
    while (count < d->fn.options.count && d->fn.options.at[count].value->kind == EXPR_NAME
           && strcmp(d->fn.options.at[count].value->name, "none") == 0)
        count++;
    return count;
}

static Value call_prelude_function(Frame *frame, const Expr *e, Function *f, int count, const Value *args)
{
    int wanted = f->decl->fn.params.count;
    Value options[OPTION_LIMIT] = { 0 };
    for (int k = wanted; k < count && k < wanted + OPTION_LIMIT; k++)
        options[k - wanted] = args[k];
    const char *names = prelude_options(frame->env->ctx, f->decl), *behind = names;
    for (int k = 0; k < optional_arguments(f->decl); k++)
        behind += strcspn(behind, " ") + (strchr(behind, ' ') != NULL);
    if (!check_count(frame, e, count, wanted, wanted + optional_arguments(f->decl), behind)
        || !read_options(frame, e, count, names, options) || any_none(count, args))
        return value_none(e->span);
    return call_prelude(frame, f, e, args, options);
}

static Value unknown_function(Frame *frame, const Expr *e)
{
    const Name *callee = &e->call.callee;
    if (is_export_only(callee->text))
        fail(frame, callee->span, "'%s' is a transform of functions: it stands in an export", callee->text);
    else if (frame_find(frame, callee->text) || map_get(frame->env->constants, callee->text))
        fail(frame, callee->span, "'%s' is a value, not a function%s", callee->text,
             suggest_function(frame, callee->text));
    else
        fail(frame, callee->span, "there is no function named '%s'%s", callee->text,
             suggest_function(frame, callee->text));
    return value_none(e->span);
}

Value elaborate_call(Frame *frame, const Expr *e)
{
    Str name = e->call.callee.text;
    bool inside = frame->kind == FRAME_PRELUDE || frame->kind == FRAME_RULE;
    if (is_derivative_form(name))
        return elaborate_derivative(frame, e);
    int count = given_count(e), op;
    Value *args = elaborate_arguments(frame, e, count);
    const Builtin *b = find_builtin(name);
    Function *f;
    if (b && (inside || !b->is_internal))
        return value_of(call_builtin(frame, e, b, count, args), e->span);
    if ((f = find_prelude(frame->env->ctx, name, inside)) != NULL)
        return call_prelude_function(frame, e, f, count, args);
    if ((op = find_op(name)) >= 0)
        return value_of(call_op(frame, e, (Op)op, count, args), e->span);
    if ((f = map_get(frame->env->functions, name)) == NULL)
        return unknown_function(frame, e);
    if (!refuse_options(frame, e, count) || any_none(count, args))
        return value_none(e->span);
    return call_function(frame, f, e, count, args);
}
