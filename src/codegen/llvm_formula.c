/* llvm_formula.c: formulas as LLVM values.  Only spelling: what is computed has been decided.  A formula that a LET has
 * bound is that value.  No flag allows more than C does: no fast-math, and no wrap only where C's int may not overflow
 * either. */
#include "llvm_build.h"

#include <string.h>

LLVMTypeRef build_value_type(const Build *b, Elem elem)
{
    return elem == ELEM_INT ? b->int32 : elem == ELEM_BOOL ? b->bit : b->real;
}

LLVMTypeRef build_memory_type(const Build *b, Elem elem)
{
    return elem == ELEM_BOOL ? b->byte : build_value_type(b, elem);
}

LLVMValueRef build_int(const Build *b, int64_t n) { return LLVMConstInt(b->int32, (unsigned long long)n, true); }

static LLVMValueRef build_bit(const Build *b, bool truth) { return LLVMConstInt(b->bit, truth, false); }

LLVMValueRef build_element(const Build *b, Elem elem, double number)
{
    if (elem == ELEM_REAL)
        return LLVMConstReal(b->real, number);
    if (elem == ELEM_INT)
        return build_int(b, (int64_t)number);
    return LLVMConstInt(b->byte, number > 0 || number < 0, false);
}

static LLVMValueRef build_number(const Build *b, const Formula *f)
{
    if (f->elem == ELEM_REAL)
        return LLVMConstReal(b->real, f->number);
    return f->elem == ELEM_INT ? build_int(b, f->integer) : build_bit(b, f->integer != 0);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */
LLVMValueRef build_loaded(Build *b, Elem elem, LLVMValueRef address, const char *name)
{
    LLVMValueRef value = LLVMBuildLoad2(b->builder, build_memory_type(b, elem), address, name);
    return elem == ELEM_BOOL ? LLVMBuildICmp(b->builder, LLVMIntNE, value, LLVMConstInt(b->byte, 0, false), name)
                             : value;
}

LLVMValueRef build_as_stored(Build *b, Elem elem, LLVMValueRef value)
{
    return elem == ELEM_BOOL ? LLVMBuildZExt(b->builder, value, b->byte, "") : value;
}

static LLVMValueRef table_of(Build *b, const Buffer *buffer)
{
    LLVMValueRef global = map_get(b->tables, buffer);
    if (global)
        return global;
    LLVMTypeRef elem = build_memory_type(b, buffer->elem), type = LLVMArrayType(elem, (unsigned)buffer->size);
    ArenaMark mark = arena_mark(b->ctx->scratch);
    LLVMValueRef *values = NEW_ARRAY(b->ctx->scratch, LLVMValueRef, buffer->size);
    for (int64_t k = 0; k < buffer->size; k++)
        values[k] = build_element(b, buffer->elem, buffer->data[k]);
    global = LLVMAddGlobal(b->module, type, buffer->name);
    LLVMSetInitializer(global, LLVMConstArray(elem, values, (unsigned)buffer->size));
    LLVMSetLinkage(global, LLVMInternalLinkage);
    LLVMSetGlobalConstant(global, true);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    arena_release(b->ctx->scratch, mark);
    map_put(b->tables, buffer, global);
    return global;
}

/* Versions, and views from within a region, are the same memory. */
static LLVMValueRef place_of(Build *b, const Buffer *buffer)
{
    for (const Buffer *at = buffer; at; at = at->outer ? at->outer : at->version_of) {
        LLVMValueRef place = at->kind == BUFFER_CONSTANT && !at->outer ? table_of(b, at) : map_get(b->places, at);
        if (place)
            return place;
    }
    internal_error(b->ctx, "buffer '%s' has no place", buffer->name ? buffer->name : "?");
}

LLVMValueRef build_address(Build *b, const Buffer *buffer, const Formula *index)
{
    LLVMValueRef base = place_of(b, buffer);
    if (index->kind == FORMULA_NUMBER && index->integer == 0)
        return base;
    LLVMValueRef at = build_formula(b, index);
    return LLVMBuildInBoundsGEP2(b->builder, build_memory_type(b, buffer->elem), base, &at, 1, "");
}

static LLVMValueRef build_load(Build *b, const Formula *f)
{
    return build_loaded(b, f->elem, build_address(b, f->buffer, f->arg[0]), "");
}

static LLVMValueRef build_scalar(Build *b, const Formula *f)
{
    LLVMValueRef place = map_get(b->places, scalar_storage(f->scalar));
    if (!place)
        internal_error(b->ctx, "scalar '%s' has no value", f->scalar->name ? f->scalar->name : "?");
    return LLVMIsAAllocaInst(place) ? LLVMBuildLoad2(b->builder, build_value_type(b, f->elem), place, "") : place;
}

/* ---- ints -------------------------------------------------------------------------------------------------------- */
static LLVMValueRef build_term(Build *b, int64_t factor, const Formula *atom)
{
    LLVMValueRef value = build_formula(b, atom);
    return factor == 1 ? value : LLVMBuildNSWMul(b->builder, value, build_int(b, factor), "");
}

/* In the order of C's text, which keeps the parts within the range that was promised. */
static LLVMValueRef build_affine(Build *b, const Formula *f)
{
    bool leading_constant = f->integer > 0;
    for (int k = 0; k < f->term_count; k++)
        leading_constant &= f->terms[k].factor < 0;
    LLVMValueRef sum = leading_constant ? build_int(b, f->integer) : NULL;
    for (int sign = 0; sign < 2; sign++)
        for (int k = 0; k < f->term_count; k++) {
            int64_t factor = f->terms[k].factor;
            if ((factor < 0) != (sign == 1))
                continue;
            LLVMValueRef term = build_term(b, factor < 0 ? -factor : factor, f->terms[k].atom);
            if (factor < 0)
                sum = LLVMBuildNSWSub(b->builder, sum ? sum : build_int(b, 0), term, "");
            else
                sum = sum ? LLVMBuildNSWAdd(b->builder, sum, term, "") : term;
        }
    if (!leading_constant && f->integer)
        sum = sum ? LLVMBuildNSWAdd(b->builder, sum, build_int(b, f->integer), "") : build_int(b, f->integer);
    return sum ? sum : build_int(b, 0);
}

static LLVMValueRef build_clamp(Build *b, const Formula *f)
{
    LLVMValueRef x = build_formula(b, f->arg[0]), zero = build_int(b, 0), last = build_int(b, f->integer);
    x = LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, LLVMIntSLT, x, zero, ""), zero, x, "");
    return LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, LLVMIntSGT, x, last, ""), last, x, "");
}

/* Rounded down; by 0 it is 0, and the one quotient that overflows wraps around. */
static LLVMValueRef build_floor_div(Build *b, LLVMValueRef x, LLVMValueRef w)
{
    LLVMBuilderRef at = b->builder;
    LLVMValueRef zero = build_int(b, 0), is_zero = LLVMBuildICmp(at, LLVMIntEQ, w, zero, "");
    LLVMValueRef is_minus = LLVMBuildICmp(at, LLVMIntEQ, w, build_int(b, -1), "");
    LLVMValueRef special = LLVMBuildOr(at, is_zero, is_minus, "");
    LLVMValueRef safe = LLVMBuildSelect(at, special, build_int(b, 1), w, "");
    LLVMValueRef quotient = LLVMBuildSDiv(at, x, safe, ""), rest = LLVMBuildSRem(at, x, safe, "");
    LLVMValueRef differs = LLVMBuildICmp(at, LLVMIntSLT, LLVMBuildXor(at, rest, safe, ""), zero, "");
    LLVMValueRef down = LLVMBuildAnd(at, differs, LLVMBuildICmp(at, LLVMIntNE, rest, zero, ""), "");
    quotient = LLVMBuildSub(at, quotient, LLVMBuildZExt(at, down, b->int32, ""), "");
    LLVMValueRef instead = LLVMBuildSelect(at, is_zero, zero, LLVMBuildNeg(at, x, ""), "");
    return LLVMBuildSelect(at, special, instead, quotient, "");
}

/* What is left; by 0 it is 0. */
static LLVMValueRef build_floor_mod(Build *b, LLVMValueRef x, LLVMValueRef w)
{
    LLVMValueRef whole = LLVMBuildMul(b->builder, w, build_floor_div(b, x, w), ""), zero = build_int(b, 0);
    LLVMValueRef rest = LLVMBuildSub(b->builder, x, whole, "");
    return LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, LLVMIntEQ, w, zero, ""), zero, rest, "");
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */
/* What targets have instructions for; where they do not, LLVM calls the function of libm. */
static bool is_intrinsic(const char *name)
{
    static const char *const names[] = { "fabs", "sqrt", "floor", "ceil", "trunc", "nearbyint", "copysign" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strcmp(names[k], name) == 0)
            return true;
    return false;
}

static LLVMValueRef declare_function(Build *b, Str symbol, int count, LLVMTypeRef *types)
{
    LLVMValueRef function =
        LLVMAddFunction(b->module, symbol, LLVMFunctionType(b->real, types, (unsigned)count, false));
    build_attribute(b, function, LLVMAttributeFunctionIndex, "nounwind", 0);
    build_attribute(b, function, LLVMAttributeFunctionIndex, "willreturn", 0);
    map_put(b->callees, symbol, function);
    return function;
}

static LLVMValueRef libm_function(Build *b, const char *name, int count)
{
    bool is_float = b->ctx->options.is_float, intrinsic = is_intrinsic(name);
    Str symbol = intrinsic ? str_format(b->ctx, "llvm.%s.%s", name, is_float ? "f32" : "f64")
                           : str_format(b->ctx, "%s%s", name, is_float ? "f" : "");
    LLVMValueRef function = map_get(b->callees, symbol);
    LLVMTypeRef types[3] = { b->real, b->real, b->real };
    if (function)
        return function;
    function = declare_function(b, symbol, count, types);
    if (!intrinsic)                                         /* nobody asks errno */
        build_attribute(b, function, LLVMAttributeFunctionIndex, "memory", 0);
    return function;
}

/* A C function of the user's. */
static LLVMValueRef user_function(Build *b, const Formula *f)
{
    LLVMValueRef function = map_get(b->callees, f->callee);
    LLVMTypeRef types[SCALAR_FN_ARGUMENTS];
    if (function)
        return function;
    for (int k = 0; k < f->arg_count; k++)
        types[k] = build_value_type(b, f->arg[k]->elem);
    function = declare_function(b, f->callee, f->arg_count, types);
    for (int k = 0; k < f->arg_count; k++)
        if (f->arg[k]->elem != ELEM_REAL)                   /* where registers are wider, the caller fills them */
            build_attribute(b, function, k + 1, f->arg[k]->elem == ELEM_BOOL ? "zeroext" : "signext", 0);
    return function;
}

LLVMValueRef build_libm(Build *b, const char *name, int count, LLVMValueRef *args)
{
    LLVMValueRef function = libm_function(b, name, count);
    return LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(function), function, args, (unsigned)count, "");
}

static LLVMValueRef build_isfinite(Build *b, LLVMValueRef x)
{
    LLVMValueRef infinity = LLVMConstReal(b->real, 1.0 / 0.0);
    return LLVMBuildFCmp(b->builder, LLVMRealOLT, build_libm(b, "fabs", 1, &x), infinity, "");
}

static LLVMValueRef call_function(Build *b, LLVMValueRef function, int count, LLVMValueRef *args)
{
    return LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(function), function, args, (unsigned)count, "");
}

static LLVMValueRef build_call(Build *b, const Formula *f)
{
    LLVMValueRef args[SCALAR_FN_ARGUMENTS] = { NULL };
    for (int k = 0; k < f->arg_count; k++)
        args[k] = build_formula(b, f->arg[k]);
    if (f->integer)
        return call_function(b, user_function(b, f), f->arg_count, args);
    if (strcmp(f->callee, "isnan") == 0)
        return LLVMBuildFCmp(b->builder, LLVMRealUNO, args[0], args[0], "");
    if (strcmp(f->callee, "isfinite") == 0)
        return build_isfinite(b, args[0]);
    if (strcmp(f->callee, "adc_floor_div") == 0)
        return build_floor_div(b, args[0], args[1]);
    if (strcmp(f->callee, "adc_floor_mod") == 0)
        return build_floor_mod(b, args[0], args[1]);
    if (strncmp(f->callee, "adc_", 4) != 0)
        return build_libm(b, f->callee, f->arg_count, args);
    return call_function(b, build_special(b, f->callee), f->arg_count, args);
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */
static bool is_name(const Build *b, const Formula *f)
{
    bool leaf = f->kind == FORMULA_NUMBER || f->kind == FORMULA_COUNTER
                || (f->kind == FORMULA_SCALAR && !f->scalar->is_mutable);
    return leaf || b->bound[f->id];
}

/* One side is carried out, as in C: what the other reads may not be there. */
static LLVMValueRef build_branches(Build *b, LLVMValueRef condition, const Formula *yes, const Formula *no,
                                   LLVMTypeRef type)
{
    LLVMBasicBlockRef block[2] = { build_new_block(b, "yes"), build_new_block(b, "no") },
                      join = build_new_block(b, "chosen");
    LLVMValueRef values[2], phi;
    LLVMBuildCondBr(b->builder, condition, block[0], block[1]);
    for (int k = 0; k < 2; k++) {
        LLVMPositionBuilderAtEnd(b->builder, block[k]);
        values[k] = build_formula(b, k ? no : yes);
        block[k] = LLVMGetInsertBlock(b->builder);
        LLVMBuildBr(b->builder, join);
    }
    LLVMMoveBasicBlockAfter(join, block[1]);
    LLVMPositionBuilderAtEnd(b->builder, join);
    phi = LLVMBuildPhi(b->builder, type, "");
    LLVMAddIncoming(phi, values, block, 2);
    return phi;
}

static LLVMValueRef build_select(Build *b, const Formula *f)
{
    LLVMValueRef condition = build_formula(b, f->arg[0]);
    if (!is_name(b, f->arg[1]) || !is_name(b, f->arg[2]))
        return build_branches(b, condition, f->arg[1], f->arg[2], build_value_type(b, f->elem));
    LLVMValueRef yes = build_formula(b, f->arg[1]);
    return LLVMBuildSelect(b->builder, condition, yes, build_formula(b, f->arg[2]), "");
}

/* The right side is asked only when the left one leaves it open. */
static LLVMValueRef build_logic(Build *b, const Formula *f)
{
    bool is_and = f->kind == FORMULA_AND;
    LLVMValueRef left = build_formula(b, f->arg[0]), phi;
    if (!f->arg[1]->guarded) {
        LLVMValueRef right = build_formula(b, f->arg[1]);
        return is_and ? LLVMBuildAnd(b->builder, left, right, "") : LLVMBuildOr(b->builder, left, right, "");
    }
    LLVMBasicBlockRef from[2] = { LLVMGetInsertBlock(b->builder), build_new_block(b, "asked") },
                      join = build_new_block(b, "known");
    LLVMBuildCondBr(b->builder, left, is_and ? from[1] : join, is_and ? join : from[1]);
    LLVMPositionBuilderAtEnd(b->builder, from[1]);
    LLVMValueRef values[2] = { build_bit(b, !is_and), build_formula(b, f->arg[1]) };
    from[1] = LLVMGetInsertBlock(b->builder);
    LLVMMoveBasicBlockAfter(join, from[1]);
    build_go(b, join);
    phi = LLVMBuildPhi(b->builder, b->bit, "");
    LLVMAddIncoming(phi, values, from, 2);
    return phi;
}

/* ---- operators --------------------------------------------------------------------------------------------------- */
static LLVMValueRef build_arithmetic(Build *b, const Formula *f)
{
    bool real = f->elem == ELEM_REAL;
    LLVMValueRef x = build_formula(b, f->arg[0]), w = build_formula(b, f->arg[1]);
    switch (f->kind) {
    case FORMULA_ADD: return real ? LLVMBuildFAdd(b->builder, x, w, "") : LLVMBuildAdd(b->builder, x, w, "");
    case FORMULA_SUB: return real ? LLVMBuildFSub(b->builder, x, w, "") : LLVMBuildSub(b->builder, x, w, "");
    case FORMULA_MUL: return real ? LLVMBuildFMul(b->builder, x, w, "") : LLVMBuildMul(b->builder, x, w, "");
    default: return LLVMBuildFDiv(b->builder, x, w, "");
    }
}

static LLVMValueRef build_comparison(Build *b, const Formula *f)
{
    static const struct { LLVMRealPredicate real; LLVMIntPredicate integer; } predicates[] = {
        [FORMULA_LT] = { LLVMRealOLT, LLVMIntSLT }, [FORMULA_LE] = { LLVMRealOLE, LLVMIntSLE },
        [FORMULA_GT] = { LLVMRealOGT, LLVMIntSGT }, [FORMULA_GE] = { LLVMRealOGE, LLVMIntSGE },
        [FORMULA_EQ] = { LLVMRealOEQ, LLVMIntEQ }, [FORMULA_NE] = { LLVMRealUNE, LLVMIntNE } };
    LLVMValueRef x = build_formula(b, f->arg[0]), w = build_formula(b, f->arg[1]);
    if (f->arg[0]->elem == ELEM_REAL)
        return LLVMBuildFCmp(b->builder, predicates[f->kind].real, x, w, "");
    return LLVMBuildICmp(b->builder, predicates[f->kind].integer, x, w, "");
}

static LLVMValueRef build_negative(Build *b, const Formula *f)
{
    LLVMValueRef x = build_formula(b, f->arg[0]);
    return f->elem == ELEM_REAL ? LLVMBuildFNeg(b->builder, x, "") : LLVMBuildNeg(b->builder, x, "");
}

static LLVMValueRef build_convert(Build *b, const Formula *f)
{
    Elem from = f->arg[0]->elem;
    LLVMValueRef x = build_formula(b, f->arg[0]);
    if (from == f->elem)
        return x;
    if (f->elem == ELEM_REAL)
        return from == ELEM_INT ? LLVMBuildSIToFP(b->builder, x, b->real, "")
                                : LLVMBuildUIToFP(b->builder, x, b->real, "");
    if (f->elem == ELEM_INT)
        return from == ELEM_BOOL ? LLVMBuildZExt(b->builder, x, b->int32, "")
                                 : LLVMBuildFPToSI(b->builder, x, b->int32, "");
    return from == ELEM_INT ? LLVMBuildICmp(b->builder, LLVMIntNE, x, build_int(b, 0), "")
                            : LLVMBuildFCmp(b->builder, LLVMRealUNE, x, LLVMConstReal(b->real, 0), "");
}

LLVMValueRef build_formula(Build *b, const Formula *f)
{
    if (b->bound[f->id])
        return b->bound[f->id];
    switch (f->kind) {
    case FORMULA_NUMBER: return build_number(b, f);
    case FORMULA_SCALAR: return build_scalar(b, f);
    case FORMULA_COUNTER: return b->counters[f->loop->depth];
    case FORMULA_AFFINE: return build_affine(b, f);
    case FORMULA_QUOTIENT: return LLVMBuildUDiv(b->builder, build_formula(b, f->arg[0]), build_int(b, f->integer), "");
    case FORMULA_REMAINDER: return LLVMBuildURem(b->builder, build_formula(b, f->arg[0]), build_int(b, f->integer), "");
    case FORMULA_CLAMP: return build_clamp(b, f);
    case FORMULA_TRUST: return build_formula(b, f->arg[0]);
    case FORMULA_LOAD: return build_load(b, f);
    case FORMULA_NEG: return build_negative(b, f);
    case FORMULA_NOT: return LLVMBuildNot(b->builder, build_formula(b, f->arg[0]), "");
    case FORMULA_ADD: case FORMULA_SUB: case FORMULA_MUL: case FORMULA_DIV: return build_arithmetic(b, f);
    case FORMULA_LT: case FORMULA_LE: case FORMULA_GT: case FORMULA_GE: case FORMULA_EQ: case FORMULA_NE:
        return build_comparison(b, f);
    case FORMULA_AND: case FORMULA_OR: return build_logic(b, f);
    case FORMULA_SELECT: return build_select(b, f);
    case FORMULA_CALL: return build_call(b, f);
    case FORMULA_CONVERT: return build_convert(b, f);
    case FORMULA_NONNEGATIVE:
        return LLVMBuildICmp(b->builder, LLVMIntSGE, build_formula(b, f->arg[0]), build_int(b, 0), "");
    }
    internal_error(b->ctx, "a formula of kind %d has no spelling in LLVM", (int)f->kind);
}
