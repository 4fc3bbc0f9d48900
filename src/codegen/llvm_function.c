/* llvm_function.c: one function: the signature of the C text, places of buffers, body.  The order of the parameters is
 * the contract: inputs, outputs, work; the tape of a split is the last input or the last output. */
#include "llvm_build.h"

#include <string.h>

void build_attribute(const Build *b, LLVMValueRef function, int at, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    if (!kind && strcmp(name, "memory") == 0)               /* before LLVM 16 */
        kind = LLVMGetEnumAttributeKindForName("readnone", strlen("readnone"));
    if (kind)
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)at, LLVMCreateEnumAttribute(b->llvm, kind, value));
}

/* ---- signature --------------------------------------------------------------------------------------------------- */
static bool has_work(const Build *b, const Function *f)
{
    return f->costs.work_elements && !b->ctx->options.work_static;
}

/* As in C: where there are only scalars, nothing is promised about where the results go. */
static bool has_arrays(const Build *b, const Function *f)
{
    bool arrays = has_work(b, f);
    for (int k = 0; k < f->signature.count; k++)
        arrays |= f->signature.at[k].type->rank > 0;
    return arrays;
}

static uint64_t natural_alignment(const Build *b, Elem elem)
{
    return LLVMABIAlignmentOfType(LLVMGetModuleDataLayout(b->module), build_memory_type(b, elem));
}

static LLVMTypeRef signature_type(const Build *b, const Function *f)
{
    int count = f->signature.count;
    LLVMTypeRef *types = NEW_ARRAY(b->ctx->arena, LLVMTypeRef, count + 1);
    for (int k = 0; k < count; k++) {
        const Parameter *p = &f->signature.at[k];
        types[k] = p->scalar ? build_value_type(b, p->type->elem) : b->pointer;
    }
    types[count] = b->pointer;
    return LLVMFunctionType(LLVMVoidTypeInContext(b->llvm), types, (unsigned)(count + has_work(b, f)), false);
}

static void describe_pointer(const Build *b, int at, Elem elem, bool arrays, bool is_output)
{
    if (arrays)
        build_attribute(b, b->code, at, "noalias", 0);
    if (!is_output)
        build_attribute(b, b->code, at, "readonly", 0);
    build_attribute(b, b->code, at, "align", natural_alignment(b, elem));
}

static void place_tape(Build *b, const Function *f, LLVMValueRef tape)
{
    for (int k = 0; k < f->params.count; k++)
        if (f->params.at[k].on_tape)
            map_put(b->places, f->params.at[k].buffer, tape);
}

static void take_parameters(Build *b, const Function *f)
{
    bool arrays = has_arrays(b, f);
    for (int k = 0; k < f->signature.count; k++) {
        const Parameter *p = &f->signature.at[k];
        LLVMValueRef value = LLVMGetParam(b->code, (unsigned)k);
        LLVMSetValueName2(value, p->name, strlen(p->name));
        debug_parameter(b, k, value);
        if (p->scalar) {
            if (p->type->elem == ELEM_BOOL)
                build_attribute(b, b->code, k + 1, "zeroext", 0);
            map_put(b->places, p->scalar, value);
            continue;
        }
        describe_pointer(b, k + 1, p->type->elem, arrays, p->is_output);
        if (p->is_tape)
            place_tape(b, f, value);
        else
            map_put(b->places, p->buffer, value);
    }
    if (!has_work(b, f))
        return;
    LLVMValueRef work = LLVMGetParam(b->code, (unsigned)f->signature.count);
    LLVMSetValueName2(work, f->work_name, strlen(f->work_name));
    describe_pointer(b, f->signature.count + 1, ELEM_REAL, arrays, true);
}

/* ---- temporaries ------------------------------------------------------------------------------------------------- */
static LLVMValueRef static_work(Build *b, const Function *f)
{
    LLVMTypeRef type = LLVMArrayType(b->real, (unsigned)f->costs.work_elements);
    LLVMValueRef work = LLVMAddGlobal(b->module, type, str_format(b->ctx, "%s.%s", f->name, f->work_name));
    LLVMSetInitializer(work, LLVMConstNull(type));
    LLVMSetLinkage(work, LLVMInternalLinkage);
    return work;
}

static void open_work(Build *b, const Function *f)
{
    b->work = NULL;
    if (f->costs.work_elements)
        b->work = has_work(b, f) ? LLVMGetParam(b->code, (unsigned)f->signature.count) : static_work(b, f);
}

void build_temps(Build *b, const Function *f)
{
    for (int k = 0; k < f->temps.count; k++) {
        const Buffer *buffer = f->temps.at[k];
        LLVMTypeRef elem = build_memory_type(b, buffer->elem);
        if (buffer->place == PLACE_NONE || buffer->is_partial || buffer->is_chunk)
            continue;
        if (buffer->place == PLACE_STACK) {
            map_put(b->places, buffer, build_local(b, LLVMArrayType(elem, (unsigned)buffer->size), buffer->name));
            continue;
        }
        LLVMValueRef at = build_int(b, buffer->offset), place = b->work;
        if (buffer->offset)
            place = LLVMBuildInBoundsGEP2(b->builder, b->real, b->work, &at, 1, buffer->name);
        map_put(b->places, buffer, place);
    }
}

/* ---- definition -------------------------------------------------------------------------------------------------- */
void build_function(Build *b, const Function *f)
{
    b->function = f;
    b->code = LLVMAddFunction(b->module, f->name, signature_type(b, f));
    b->places = map_new(b->ctx->arena);
    b->bound = NEW_ARRAY(b->ctx->arena, LLVMValueRef, f->formula_count + 1);
    build_attribute(b, b->code, (int)LLVMAttributeFunctionIndex, "nounwind", 0);
    LLVMPositionBuilderAtEnd(b->builder, LLVMAppendBasicBlockInContext(b->llvm, b->code, "entry"));
    debug_function(b);
    take_parameters(b, f);
    open_work(b, f);
    build_temps(b, f);
    build_block(b, &f->body);
    LLVMBuildRetVoid(b->builder);
}

/* ---- for calls from this process --------------------------------------------------------------------------------- */
Str build_entry_name(Context *ctx, Str function) { return str_format(ctx, "adc_entry.%s", function); }

void build_entry(Build *b, const Function *f)
{
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(b->llvm), &b->pointer, 1, false);
    LLVMValueRef callee = LLVMGetNamedFunction(b->module, f->name);
    int count = f->signature.count + has_work(b, f);
    LLVMValueRef *args = NEW_ARRAY(b->ctx->arena, LLVMValueRef, count + 1);
    b->code = LLVMAddFunction(b->module, build_entry_name(b->ctx, f->name), type);
    LLVMPositionBuilderAtEnd(b->builder, LLVMAppendBasicBlockInContext(b->llvm, b->code, "entry"));
    for (int k = 0; k < count; k++) {
        LLVMValueRef at = build_int(b, k);
        LLVMValueRef slot = LLVMBuildInBoundsGEP2(b->builder, b->pointer, LLVMGetParam(b->code, 0), &at, 1, "");
        args[k] = LLVMBuildLoad2(b->builder, b->pointer, slot, "");
        if (k < f->signature.count && f->signature.at[k].scalar)
            args[k] = build_loaded(b, f->signature.at[k].type->elem, args[k], "");
    }
    LLVMValueRef call = LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(callee), callee, args, (unsigned)count, "");
    for (int k = 0; k < f->signature.count; k++) {
        unsigned kind = LLVMGetEnumAttributeKindForName("zeroext", strlen("zeroext"));
        if (f->signature.at[k].scalar && f->signature.at[k].type->elem == ELEM_BOOL)
            LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)(k + 1), LLVMCreateEnumAttribute(b->llvm, kind, 0));
    }
    LLVMBuildRetVoid(b->builder);
}
