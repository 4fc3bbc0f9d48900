/* llvm_special.c: the functions of ir/special.inc as LLVM functions: the very text that generated C carries, read as
 * the small part of C that it keeps to.
 *
 * That part: static functions of doubles and ints to double; declarations, static const tables, assignments, if and for
 * with braces, return; casts, and operators on operands of one type.  `double` is the chosen real type. */
#include "../ir/special.h"
#include "llvm_build.h"

#include <ctype.h>
#include <string.h>

typedef enum { KIND_REAL, KIND_INT, KIND_BIT } Kind;
typedef struct { LLVMValueRef value; Kind kind; } Operand;
typedef struct { const char *name; size_t length; Kind kind; bool is_table; LLVMValueRef place; } Variable;
typedef struct { Build *build; const char *at; Vec(Variable) variables; } Reader;

static void put_statements(Reader *);
static Operand ternary(Reader *);

/* ---- words ------------------------------------------------------------------------------------------------------- */
static void skip(Reader *r)
{
    for (;;) {
        while (isspace((unsigned char)*r->at))
            r->at++;
        if (strncmp(r->at, "/*", 2) != 0)
            return;
        r->at = strstr(r->at, "*/") + 2;
    }
}

static size_t word_length(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n;
}

/* A word is taken whole; `<` is not the first half of `<=`. */
static bool accept(Reader *r, const char *token)
{
    size_t n = strlen(token);
    skip(r);
    if (strncmp(r->at, token, n) != 0 || (isalpha((unsigned char)*token) && word_length(r->at) != n)
        || (n == 1 && strchr("<>+-*/=!", *token) && r->at[1] == '='))
        return false;
    r->at += n;
    return true;
}

static void expect(Reader *r, const char *token)
{
    if (!accept(r, token))
        internal_error(r->build->ctx, "special.inc: expected '%s' before '%.20s'", token, r->at);
}

static Variable *find(Reader *r, const char *name, size_t length)
{
    for (int k = r->variables.count - 1; k >= 0; k--)
        if (r->variables.at[k].length == length && strncmp(r->variables.at[k].name, name, length) == 0)
            return &r->variables.at[k];
    internal_error(r->build->ctx, "special.inc: unknown name at '%.20s'", name);
}

static LLVMTypeRef type_of(const Reader *r, Kind kind)
{
    return kind == KIND_INT ? r->build->int32 : kind == KIND_BIT ? r->build->bit : r->build->real;
}

/* ---- operands ---------------------------------------------------------------------------------------------------- */
static Operand number(Reader *r)
{
    const char *begin = r->at;
    bool real = false;
    while (isalnum((unsigned char)*r->at) || *r->at == '.' || ((*r->at == '-' || *r->at == '+') && r->at[-1] == 'e')) {
        real |= *r->at == '.' || *r->at == 'e';
        r->at++;
    }
    unsigned length = (unsigned)(r->at - begin);
    if (real)
        return (Operand){ LLVMConstRealOfStringAndSize(r->build->real, begin, length), KIND_REAL };
    return (Operand){ LLVMConstIntOfStringAndSize(r->build->int32, begin, length, 10), KIND_INT };
}

static Operand convert(Reader *r, Operand x, Kind kind)
{
    LLVMBuilderRef at = r->build->builder;
    if (x.kind == kind)
        return x;
    if (kind == KIND_REAL)
        return (Operand){ LLVMBuildSIToFP(at, x.value, r->build->real, ""), kind };
    return (Operand){ LLVMBuildFPToSI(at, x.value, r->build->int32, ""), kind };
}

static Operand call(Reader *r, const char *name, size_t length)
{
    Build *b = r->build;
    LLVMValueRef args[3] = { NULL };
    unsigned count = 0;
    Str callee = str_intern_n(b->ctx, name, (int)length);
    do
        args[count++] = ternary(r).value;
    while (count < 3 && accept(r, ","));
    expect(r, ")");
    if (strncmp(callee, "adc_", 4) != 0)
        return (Operand){ build_libm(b, callee, (int)count, args), KIND_REAL };
    LLVMValueRef own = build_special(b, callee);
    return (Operand){ LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(own), own, args, count, ""), KIND_REAL };
}

static Operand element(Reader *r, const Variable *table)
{
    Build *b = r->build;
    LLVMValueRef index = ternary(r).value;
    expect(r, "]");
    LLVMValueRef place = LLVMBuildInBoundsGEP2(b->builder, b->real, table->place, &index, 1, "");
    return (Operand){ LLVMBuildLoad2(b->builder, b->real, place, ""), KIND_REAL };
}

static Operand primary(Reader *r)
{
    LLVMTypeRef real = r->build->real;
    if (accept(r, "(")) {
        bool to_real = accept(r, "double"), to_int = !to_real && accept(r, "int");
        if (to_real || to_int) {
            expect(r, ")");
            return convert(r, primary(r), to_real ? KIND_REAL : KIND_INT);
        }
        Operand x = ternary(r);
        expect(r, ")");
        return x;
    }
    if (isdigit((unsigned char)*r->at))
        return number(r);
    if (accept(r, "INFINITY"))
        return (Operand){ LLVMConstReal(real, 1.0 / 0.0), KIND_REAL };
    if (accept(r, "NAN"))
        return (Operand){ LLVMConstRealOfString(real, "nan"), KIND_REAL };
    const char *name = r->at;
    size_t length = word_length(name);
    r->at += length;
    if (accept(r, "("))
        return call(r, name, length);
    const Variable *v = find(r, name, length);
    if (v->is_table) {
        expect(r, "[");
        return element(r, v);
    }
    return (Operand){ LLVMBuildLoad2(r->build->builder, type_of(r, v->kind), v->place, ""), v->kind };
}

/* ---- operators, loosest last ------------------------------------------------------------------------------------- */
static Operand unary(Reader *r)
{
    LLVMBuilderRef at = r->build->builder;
    if (accept(r, "!"))
        return (Operand){ LLVMBuildNot(at, unary(r).value, ""), KIND_BIT };
    if (!accept(r, "-"))
        return primary(r);
    Operand x = unary(r);
    x.value =
        x.kind == KIND_REAL ? LLVMBuildFNeg(at, x.value, "") : LLVMBuildNSWSub(at, build_int(r->build, 0), x.value, "");
    return x;
}

static Operand arithmetic(Reader *r, char sign, Operand x, Operand w)
{
    LLVMBuilderRef at = r->build->builder;
    bool real = x.kind == KIND_REAL;
    if (x.kind != w.kind)
        internal_error(r->build->ctx, "special.inc: operands of two types before '%.20s'", r->at);
    switch (sign) {
    case '+':
        x.value = real ? LLVMBuildFAdd(at, x.value, w.value, "") : LLVMBuildNSWAdd(at, x.value, w.value, "");
        break;
    case '-':
        x.value = real ? LLVMBuildFSub(at, x.value, w.value, "") : LLVMBuildNSWSub(at, x.value, w.value, "");
        break;
    case '*':
        x.value = real ? LLVMBuildFMul(at, x.value, w.value, "") : LLVMBuildNSWMul(at, x.value, w.value, "");
        break;
    case '/': x.value = real ? LLVMBuildFDiv(at, x.value, w.value, "") : LLVMBuildSDiv(at, x.value, w.value, ""); break;
    default: x.value = LLVMBuildSRem(at, x.value, w.value, ""); break;
    }
    return x;
}

static Operand product(Reader *r)
{
    Operand x = unary(r);
    for (;;) {
        const char *signs = "*/%", *sign = NULL;
        for (int k = 0; k < 3 && !sign; k++)
            sign = accept(r, (const char[]){ signs[k], '\0' }) ? &signs[k] : NULL;
        if (!sign)
            return x;
        x = arithmetic(r, *sign, x, unary(r));
    }
}

static Operand sum(Reader *r)
{
    Operand x = product(r);
    for (;;) {
        if (accept(r, "+"))
            x = arithmetic(r, '+', x, product(r));
        else if (accept(r, "-"))
            x = arithmetic(r, '-', x, product(r));
        else
            return x;
    }
}

static Operand equality(Reader *r)
{
    static const struct { const char *token; LLVMRealPredicate real; LLVMIntPredicate integer; } operators[] = {
        { "<=", LLVMRealOLE, LLVMIntSLE }, { ">=", LLVMRealOGE, LLVMIntSGE }, { "==", LLVMRealOEQ, LLVMIntEQ },
        { "!=", LLVMRealUNE, LLVMIntNE }, { "<", LLVMRealOLT, LLVMIntSLT }, { ">", LLVMRealOGT, LLVMIntSGT } };
    LLVMBuilderRef at = r->build->builder;
    Operand x = sum(r);
    for (size_t k = 0; k < sizeof operators / sizeof *operators; k++) {
        if (!accept(r, operators[k].token))
            continue;
        LLVMValueRef w = sum(r).value;
        return (Operand){ x.kind == KIND_REAL ? LLVMBuildFCmp(at, operators[k].real, x.value, w, "")
                                              : LLVMBuildICmp(at, operators[k].integer, x.value, w, ""), KIND_BIT };
    }
    return x;
}

static Operand conjunction(Reader *r)
{
    Operand x = equality(r);
    while (accept(r, "&&"))
        x.value = LLVMBuildAnd(r->build->builder, x.value, equality(r).value, "");
    return x;
}

static Operand disjunction(Reader *r)
{
    Operand x = conjunction(r);
    while (accept(r, "||"))
        x.value = LLVMBuildOr(r->build->builder, x.value, conjunction(r).value, "");
    return x;
}

/* Both sides are computed: no side has an effect, and what is not chosen may be anything. */
static Operand ternary(Reader *r)
{
    Operand x = disjunction(r);
    if (!accept(r, "?"))
        return x;
    Operand yes = ternary(r);
    expect(r, ":");
    Operand no = ternary(r);
    return (Operand){ LLVMBuildSelect(r->build->builder, x.value, yes.value, no.value, ""), yes.kind };
}

/* ---- statements -------------------------------------------------------------------------------------------------- */
static LLVMValueRef declare(Reader *r, Kind kind)
{
    skip(r);
    Variable v = { .name = r->at, .length = word_length(r->at), .kind = kind };
    v.place = build_local(r->build, type_of(r, kind), str_intern_n(r->build->ctx, v.name, (int)v.length));
    r->at += v.length;
    vec_push(r->build->ctx->scratch, &r->variables, v);
    return v.place;
}

static void declaration(Reader *r, Kind kind)
{
    do {
        LLVMValueRef place = declare(r, kind);
        if (accept(r, "="))
            LLVMBuildStore(r->build->builder, ternary(r).value, place);
    } while (accept(r, ","));
    expect(r, ";");
}

static void table(Reader *r)
{
    Build *b = r->build;
    Vec(LLVMValueRef) values = { 0 };
    expect(r, "const");
    expect(r, "double");
    skip(r);
    Variable v = { .name = r->at, .length = word_length(r->at), .is_table = true };
    r->at = strchr(r->at, '{') + 1;
    do {
        bool negative = accept(r, "-");
        skip(r);
        LLVMValueRef value = number(r).value;
        vec_push(b->ctx->scratch, &values,
                 negative ? LLVMConstReal(b->real, -LLVMConstRealGetDouble(value, &(LLVMBool){ 0 })) : value);
    } while (accept(r, ","));
    expect(r, "}");
    expect(r, ";");
    v.place = LLVMAddGlobal(b->module, LLVMArrayType(b->real, (unsigned)values.count), "adc_special");
    LLVMSetInitializer(v.place, LLVMConstArray(b->real, values.at, (unsigned)values.count));
    LLVMSetLinkage(v.place, LLVMInternalLinkage);
    LLVMSetGlobalConstant(v.place, true);
    vec_push(b->ctx->scratch, &r->variables, v);
}

static void braces(Reader *r)
{
    int variables = r->variables.count;
    expect(r, "{");
    put_statements(r);
    expect(r, "}");
    r->variables.count = variables;
}

static bool is_open(Reader *r) { return !LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(r->build->builder)); }

static void go(Reader *r, LLVMBasicBlockRef next)
{
    if (is_open(r))
        LLVMBuildBr(r->build->builder, next);
    LLVMPositionBuilderAtEnd(r->build->builder, next);
}

static void if_statement(Reader *r)
{
    LLVMBasicBlockRef yes = build_new_block(r->build, "yes"), after = build_new_block(r->build, "after");
    expect(r, "(");
    LLVMValueRef condition = ternary(r).value;
    expect(r, ")");
    LLVMBuildCondBr(r->build->builder, condition, yes, after);
    LLVMPositionBuilderAtEnd(r->build->builder, yes);
    braces(r);
    go(r, after);
}

/* for (int k = ..; condition; k++), or k-- */
static void for_statement(Reader *r)
{
    Build *b = r->build;
    LLVMBasicBlockRef head = build_new_block(b, "head"), body = build_new_block(b, "body"),
                      after = build_new_block(b, "after");
    int variables = r->variables.count;
    expect(r, "(");
    expect(r, "int");
    LLVMValueRef place = declare(r, KIND_INT);
    expect(r, "=");
    LLVMBuildStore(b->builder, ternary(r).value, place);
    expect(r, ";");
    go(r, head);
    LLVMBuildCondBr(b->builder, ternary(r).value, body, after);
    expect(r, ";");
    skip(r);
    r->at += word_length(r->at);
    int step = accept(r, "++") ? 1 : -1;
    if (step < 0)
        expect(r, "--");
    expect(r, ")");
    LLVMPositionBuilderAtEnd(b->builder, body);
    braces(r);
    LLVMValueRef count = LLVMBuildLoad2(b->builder, b->int32, place, "");
    LLVMBuildStore(b->builder, LLVMBuildNSWAdd(b->builder, count, build_int(b, step), ""), place);
    go(r, head);
    LLVMPositionBuilderAtEnd(b->builder, after);
    r->variables.count = variables;
}

static void assignment(Reader *r)
{
    skip(r);
    size_t length = word_length(r->at);
    Variable v = *find(r, r->at, length);
    r->at += length;
    skip(r);
    char sign = *r->at;
    r->at += sign == '=' ? 1 : 2;
    Operand x = ternary(r);
    if (sign != '=') {
        Operand old = { LLVMBuildLoad2(r->build->builder, type_of(r, v.kind), v.place, ""), v.kind };
        x = arithmetic(r, sign, old, x);
    }
    LLVMBuildStore(r->build->builder, x.value, v.place);
    expect(r, ";");
}

static void put_statements(Reader *r)
{
    for (skip(r); *r->at != '}'; skip(r)) {
        if (accept(r, "static"))
            table(r);
        else if (accept(r, "double"))
            declaration(r, KIND_REAL);
        else if (accept(r, "int"))
            declaration(r, KIND_INT);
        else if (accept(r, "if"))
            if_statement(r);
        else if (accept(r, "for"))
            for_statement(r);
        else if (accept(r, "return")) {
            LLVMBuildRet(r->build->builder, ternary(r).value);
            expect(r, ";");
        } else
            assignment(r);
    }
}

/* ---- functions --------------------------------------------------------------------------------------------------- */
enum { PARAMETERS_MAX = 3 };

static LLVMValueRef open_function(Reader *r, Str name)
{
    Build *b = r->build;
    LLVMTypeRef types[PARAMETERS_MAX];
    Variable names[PARAMETERS_MAX];
    unsigned count = 0;
    do {
        Kind kind = accept(r, "int") ? KIND_INT : KIND_REAL;
        if (kind == KIND_REAL)
            expect(r, "double");
        skip(r);
        names[count] = (Variable){ .name = r->at, .length = word_length(r->at), .kind = kind };
        types[count] = type_of(r, kind);
        r->at += names[count++].length;
    } while (accept(r, ",") && count < PARAMETERS_MAX);
    expect(r, ")");
    LLVMValueRef function = LLVMAddFunction(b->module, name, LLVMFunctionType(b->real, types, count, false));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    build_attribute(b, function, (int)LLVMAttributeFunctionIndex, "nounwind", 0);
    b->code = function;
    LLVMPositionBuilderAtEnd(b->builder, LLVMAppendBasicBlockInContext(b->llvm, function, "entry"));
    for (unsigned k = 0; k < count; k++) {
        const char *at = r->at;
        r->at = names[k].name;
        LLVMValueRef place = declare(r, names[k].kind);
        LLVMBuildStore(b->builder, LLVMGetParam(function, k), place);
        r->at = at;
    }
    return function;
}

LLVMValueRef build_special(Build *b, Str name)
{
    LLVMValueRef function = map_get(b->callees, name), around = b->code;
    if (function)
        return function;
    const char *begin = strstr(special_text, str_format(b->ctx, "\nstatic double %s(", name));
    if (!begin)
        internal_error(b->ctx, "special.inc has no '%s'", name);
    ArenaMark mark = arena_mark(b->ctx->scratch);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b->builder);
    LLVMMetadataRef place = LLVMGetCurrentDebugLocation2(b->builder);
    LLVMSetCurrentDebugLocation2(b->builder, NULL);
    Reader r = { .build = b, .at = strchr(begin, '(') + 1 };
    function = open_function(&r, name);
    map_put(b->callees, name, function);
    braces(&r);
    if (is_open(&r))
        LLVMBuildUnreachable(b->builder);
    b->code = around;
    LLVMPositionBuilderAtEnd(b->builder, here);
    LLVMSetCurrentDebugLocation2(b->builder, place);
    arena_release(b->ctx->scratch, mark);
    return function;
}
