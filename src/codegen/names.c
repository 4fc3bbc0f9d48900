/* names.c: C identifiers for what has none yet.
 *
 * Values keep their names of the source; an adjoint is called after what it belongs to.  A local never has the name of
 * a parameter, of a function or macro that is visible, of a C or C++ keyword, or of a local around it.  Names depend on
 * the program alone, and are different within their first 31 characters. */
#include "loop.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 24 };                              /* room for a suffix within 31 */

static const char *const reserved[] = {
    /* C and C++ */
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const",
    "const_cast", "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
    "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or",
    "or_eq", "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict", "return",
    "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union",
    "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "linux", "unix", "main",
    /* what the generated code or its headers may use */
    "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "size_t", "memset",
    "memcpy", "isnan", "isinf", "isfinite", "isnormal", "signbit", "fpclassify", "isgreater", "isless", "NAN",
    "INFINITY", "HUGE_VAL", "HUGE_VALF", "NULL", "EOF", "float_t", "double_t", "math_errhandling", "signgam",
    /* what <math.h>, <stdint.h> and <string.h> define beside that, some of it only for GNU C and for C++ */
    "M_E", "M_LOG2E", "M_LOG10E", "M_LN2", "M_LN10", "M_PI", "M_PI_2", "M_PI_4", "M_1_PI", "M_2_PI", "M_2_SQRTPI",
    "M_SQRT2", "M_SQRT1_2", "MAXFLOAT", "HUGE", "HUGE_VALL", "SNAN", "DOMAIN", "SING", "OVERFLOW", "UNDERFLOW", "PLOSS",
    "TLOSS", "FP_NAN", "FP_INFINITE", "FP_ZERO", "FP_SUBNORMAL", "FP_NORMAL", "FP_FAST_FMA", "FP_ILOGB0",
    "FP_ILOGBNAN", "MATH_ERRNO", "MATH_ERREXCEPT", "INT32_MIN", "INT32_MAX", "INT32_C", "SIZE_MAX", "errno", "assert",
};

static const char *const math[] = {                         /* also with f and l at the end */
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "erf",
    "erfc", "exp", "exp2", "expm1", "fabs", "fdim", "floor", "fma", "fmax", "fmin", "fmod", "frexp", "hypot", "ilogb",
    "ldexp", "lgamma", "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint", "lround", "modf", "nan",
    "nearbyint", "nextafter", "nexttoward", "pow", "remainder", "remquo", "rint", "round", "scalbln", "scalbn", "sin",
    "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "abs", "gamma",
};

static void take(Context *ctx, Map *map, const char *name) { map_put(map, str_intern(ctx, name), map); }

/* Words of the languages and of the headers; names that begin like ours or the implementation's. */
static bool is_reserved(const Program *p, Str name)
{
    return map_get(p->words, name) || strncmp(name, "adc_", 4) == 0 || strncmp(name, "ADC_", 4) == 0
        || strncmp(name, "__", 2) == 0
        || (name[0] == '_' && isupper((unsigned char)name[1]));
}

Str name_parameter(const Program *p, Str name)
{
    if (!is_reserved(p, name))
        return name;
    return str_format(p->ctx, "%s_", name[0] == '_' ? name + 1 + (name[1] == '_') : name);
}

Str name_macro(Context *ctx, const char *text)
{
    Text t = { .arena = ctx->arena };
    if (isdigit((unsigned char)*text))
        text_char(&t, '_');
    for (; *text; text++) {
        char c = *text;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        text_char(&t, !letter ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    return str_intern(ctx, t.text ? t.text : "");
}

static void take_words(Program *p)
{
    p->words = map_new(p->ctx->arena);
    for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
        take(p->ctx, p->words, reserved[k]);
    for (size_t k = 0; k < sizeof math / sizeof *math; k++) {
        take(p->ctx, p->words, math[k]);
        take(p->ctx, p->words, str_format(p->ctx, "%sf", math[k]));
        take(p->ctx, p->words, str_format(p->ctx, "%sl", math[k]));
    }
}

Str name_guard(Context *ctx, const char *header)
{
    return str_format(ctx, "%s%s", name_macro(ctx, ctx->options.prefix), name_macro(ctx, header));
}

void name_file(Program *p)
{
    take_words(p);
    if (p->input->header_name)
        take(p->ctx, p->words, name_guard(p->ctx, p->input->header_name));
    p->taken = map_new(p->ctx->arena);
    for (int k = 0; k < p->input->count; k++) {
        Str name = str_format(p->ctx, "%s%s", p->ctx->options.prefix, p->input->fns[k]->name);
        take(p->ctx, p->taken, name);
        take(p->ctx, p->words, str_format(p->ctx, "%s_WORK_SIZE", name_macro(p->ctx, name)));
        take(p->ctx, p->words, str_format(p->ctx, "%s_TAPE_SIZE", name_macro(p->ctx, name)));
    }
    for (int k = 0; k < scalar_fn_count(p->ctx); k++)
        if (scalar_fn(p->ctx, k)->is_extern)
            take(p->ctx, p->taken, scalar_fn(p->ctx, k)->name);
}

void name_take_macro(Program *p, Str name) { map_put(p->words, name, p->words); }
void name_take(Program *p, Str name) { map_put(p->taken, name, p->taken); }

/* ---- one function ---------------------------------------------------------------------------------------------- */
typedef struct {
    Lowering *lower;                                        /* the one that is named, of a function or a body */
    Context *ctx;
    Map *active;                                            /* name -> anything: in scope */
    Map *suffix;                                            /* base -> the suffix tried last */
    Map *outputs;                                           /* names of results */
    Vec(Str) declared;                                      /* in the order of declaration, for leaving scopes */
    Str loop[LOOP_DEPTH_MAX];
    const char *plain;                                      /* for what has no name at all */
} Namer;

static bool is_free(Namer *n, Str name)
{
    const Program *p = n->lower->program;
    return !map_get(n->active, name) && !map_get(p->taken, name) && !is_reserved(p, name);
}

static Str declare(Namer *n, const char *text)
{
    bool ours = strncmp(text, "adc_", 4) == 0 || strncmp(text, "ADC_", 4) == 0;
    const char *front = text[0] == '_' || ours ? "v" : "";    /* reserved whatever follows */
    Str base = str_format(n->ctx, "%s%.*s", front, NAME_MAX_LENGTH, text), name = base;
    if (!is_free(n, name) && map_get(n->outputs, base))
        name = base = str_format(n->ctx, "%s_value", base);
    if (!is_free(n, name)) {
        uintptr_t k = (uintptr_t)map_get(n->suffix, base);
        size_t length = strlen(base);
        const char *gap = length && isdigit((unsigned char)base[length - 1]) ? "_" : "";
        k = k < 2 ? 2 : k;
        do
            name = str_format(n->ctx, "%s%s%d", base, gap, (int)k++);
        while (!is_free(n, name));
        map_put(n->suffix, base, (void *)k);
    }
    map_put(n->active, name, n);
    vec_push(n->ctx->scratch, &n->declared, name);
    return name;
}

static void leave_scope(Namer *n, int declared)
{
    while (n->declared.count > declared)
        map_put(n->active, n->declared.at[--n->declared.count], NULL);
}

static const char *name_of_op(const Namer *n, Op op)
{
    switch (op) {
    case OP_sum: case OP_einsum: return "sum";
    case OP_prod: return "product";
    case OP_max_reduce: case OP_max_first: return "largest";
    case OP_min_reduce: return "smallest";
    default: return n->plain;
    }
}

static const char *name_of_node(const Namer *n, const Node *node)
{
    if (!node)
        return n->plain;
    if (node->origin.name)
        return node->origin.name;
    return name_of_op(n, node->op);
}

/* x[i] is x_i, and x[3] is x_3. */
static const char *name_of_load(Namer *n, const Formula *f)
{
    Term single;
    const Term *terms = NULL;
    int64_t constant;
    int count = index_terms(f->arg[0], &single, &terms, &constant);
    Text t = { .arena = n->ctx->arena };
    const char *of = f->buffer->name ? f->buffer->name : "t";
    text_printf(&t, "%.16s_", strncmp(of, "adc_", 4) == 0 ? of + 4 : of);    /* no local may begin with adc_ */
    for (int k = 0; k < count; k++)
        if (terms[k].atom->kind == FORMULA_COUNTER)
            text_put(&t, n->loop[terms[k].atom->loop->depth]);
        else if (terms[k].atom->kind == FORMULA_SCALAR)
            text_printf(&t, "%.6s", scalar_storage(terms[k].atom->scalar)->name);
    if (!count)
        text_printf(&t, "%d", (int)constant);
    else if (t.text[t.length - 1] == '_')
        text_put(&t, "at");
    return t.text;
}

static const char *name_of_let(Namer *n, const Formula *f)
{
    if (f->hinted)
        return map_get(n->lower->hints, f);
    if (f->node)
        return name_of_node(n, f->node);
    if (f->kind == FORMULA_LOAD)
        return name_of_load(n, f);
    return f->elem == ELEM_INT ? "at" : f->elem == ELEM_BOOL ? "is" : n->plain;
}

static const char *name_of_scalar(Namer *n, const Scalar *s)
{
    return s->hint ? s->hint : name_of_node(n, s->node);
}

static void name_block(Namer *n, Block *block);

static void name_buffers(Namer *n, Function *f)
{
    for (int k = 0; k < f->temps.count; k++) {
        Buffer *b = f->temps.at[k];
        const char *name = b->hint ? b->hint : name_of_node(n, b->node);
        if (b->place != PLACE_NONE && !b->is_chunk)
            b->name = declare(n, b->is_partial ? str_format(n->ctx, "%.18s_part", name) : name);
    }
    for (int k = 0; k < f->views.count; k++) {
        Buffer *b = f->views.at[k];
        b->name = b->outer ? b->outer->name : b->version_of->name;
    }
}

static void name_counters(Namer *n, Lowering *lower)
{
    for (int depth = 0; depth < LOOP_DEPTH_MAX; depth++)
        for (int k = 0; k < lower->loops[depth].count; k++)
            lower->loops[depth].at[k]->name = n->loop[depth];
}

/* A counter that is a result is declared outside. */
static void name_region(Namer *n, Region *r)
{
    int declared = n->declared.count;
    if (r->counter) {
        const Node *node = r->counter->node;
        r->counter->name = declare(n, node && node->origin.name ? node->origin.name : "trip");
        declared += r->counts;
    }
    for (int side = 0; side < 2 && r->body[side]; side++) {
        int before = n->declared.count;
        Lowering *outer = n->lower;
        n->lower = r->body[side];
        name_counters(n, n->lower);
        name_buffers(n, n->lower->function);
        name_block(n, &n->lower->function->body);
        n->lower = outer;
        leave_scope(n, before);
    }
    leave_scope(n, declared);
}

static void name_block(Namer *n, Block *block)
{
    int declared = n->declared.count;
    for (int k = 0; k < block->list.count; k++) {
        Stmt *s = block->list.at[k];
        for (int i = 0; i < s->before.list.count; i++) {
            Stmt *start = s->before.list.at[i];
            if (start->kind == STMT_DECLARE && !start->scalar->name)
                start->scalar->name = declare(n, name_of_scalar(n, start->scalar));
        }
        if (s->kind == STMT_LET)
            s->scalar->name = declare(n, name_of_let(n, s->value));
        if (s->kind == STMT_DECLARE && !s->scalar->name)
            s->scalar->name = declare(n, name_of_scalar(n, s->scalar));
        if (s->kind == STMT_LOOP)
            name_block(n, &s->body);
        if (s->region)
            name_region(n, s->region);
    }
    leave_scope(n, declared);
}

static void use_names(Namer *n, const Lowering *lower, Map *used)
{
    const Block *body = &lower->function->body;
    NodeList nodes = { 0 };
    fn_nodes(n->ctx, lower->fn, n->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        if (nodes.at[k]->origin.name)
            take(n->ctx, used, nodes.at[k]->origin.name);
    for (int k = 0; k < body->list.count; k++) {
        const Region *r = body->list.at[k]->region;
        if (r && r->counter && r->counter->node->origin.name)
            take(n->ctx, used, r->counter->node->origin.name);
        for (int side = 0; r && side < 2 && r->body[side]; side++)
            use_names(n, r->body[side], used);
    }
}

/* i, j, k ... by depth, but never a letter that means something in the source. */
static void name_loops(Namer *n)
{
    const char *letters = "ijklmnpqrsuvabcdefgh", *next = letters;
    Map *used = map_new(n->ctx->scratch);
    use_names(n, n->lower, used);
    n->plain = map_get(used, str_intern(n->ctx, "t")) ? "tmp" : "t";
    for (int depth = 0; depth < LOOP_DEPTH_MAX; depth++) {
        Str name = NULL;
        while (*next && !name) {
            name = str_intern_n(n->ctx, next++, 1);
            if (map_get(used, name) || !is_free(n, name))
                name = NULL;
        }
        for (int k = depth; !name; k++) {
            name = str_format(n->ctx, "i%d", k);
            if (map_get(used, name) || !is_free(n, name))
                name = NULL;
        }
        map_put(n->active, name, n);
        n->loop[depth] = name;
    }
}

static void name_parameters(Namer *n)
{
    Function *f = n->lower->function;
    Str tape = NULL;
    for (int k = 0; k < f->signature.count; k++) {
        Parameter *p = &f->signature.at[k];
        p->name = name_parameter(n->lower->program, p->name);
        while (map_get(n->active, p->name) || map_get(n->lower->program->taken, p->name))
            p->name = str_format(n->ctx, "%s_", p->name);
        if (p->buffer)
            p->buffer->name = p->name;
        if (p->scalar)
            p->scalar->name = p->name;
        map_put(n->active, p->name, n);
        if (p->is_output)
            map_put(n->outputs, p->name, n);
        tape = p->is_tape ? p->name : tape;
    }
    for (int k = 0; k < f->params.count; k++)
        if (f->params.at[k].on_tape)
            f->params.at[k].buffer->name = tape;
}

void name_everything(Lowering *lower)
{
    Context *ctx = lower->ctx;
    Function *f = lower->function;
    ArenaMark mark = arena_mark(ctx->scratch);
    Namer n = { .lower = lower, .ctx = ctx, .active = map_new(ctx->scratch), .suffix = map_new(ctx->scratch),
                .outputs = map_new(ctx->scratch) };
    name_parameters(&n);
    f->work_name = declare(&n, "work");
    f->tape_macro = f->fn->is_split ? str_format(ctx, "%s_TAPE_SIZE", name_macro(ctx, f->name)) : NULL;
    f->work_macro = str_format(ctx, "%s_WORK_SIZE", name_macro(ctx, f->name));
    name_loops(&n);
    name_counters(&n, lower);
    name_buffers(&n, f);
    name_block(&n, &f->body);
    arena_release(ctx->scratch, mark);
}
