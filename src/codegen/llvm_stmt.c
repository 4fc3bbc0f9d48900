/* llvm_stmt.c: statements as LLVM basic blocks.  The builder stands at the end of an open block before and after each.
 *
 * What changes (accumulators) lives on the stack; LLVM's first pass makes values of it.  All of the stack is taken at
 * the entry of the function, so that no loop makes it grow. */
#include "llvm_build.h"

#include <string.h>

LLVMBasicBlockRef build_new_block(Build *b, const char *name)
{
    return LLVMAppendBasicBlockInContext(b->llvm, b->code, name);
}

void build_go(Build *b, LLVMBasicBlockRef next)
{
    LLVMBuildBr(b->builder, next);
    LLVMPositionBuilderAtEnd(b->builder, next);
}

LLVMValueRef build_local(Build *b, LLVMTypeRef type, const char *name)
{
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(b->code), here = LLVMGetInsertBlock(b->builder);
    LLVMValueRef at = LLVMGetFirstInstruction(entry);
    while (at && LLVMGetInstructionOpcode(at) == LLVMAlloca)
        at = LLVMGetNextInstruction(at);
    if (at)
        LLVMPositionBuilderBefore(b->builder, at);
    else
        LLVMPositionBuilderAtEnd(b->builder, entry);
    LLVMValueRef local = LLVMBuildAlloca(b->builder, type, name);
    LLVMPositionBuilderAtEnd(b->builder, here);
    return local;
}

/* ---- values and stores ------------------------------------------------------------------------------------------- */
static void name_value(LLVMValueRef value, Str name)
{
    size_t length;
    if (LLVMIsAInstruction(value) && !*LLVMGetValueName2(value, &length))
        LLVMSetValueName2(value, name, strlen(name));
}

static void build_let(Build *b, const Stmt *s)
{
    LLVMValueRef value = build_formula(b, s->value);
    name_value(value, s->scalar->name);
    map_put(b->places, s->scalar, value);
    debug_let(b, s, value);
}

static void build_declare(Build *b, const Stmt *s)
{
    if (!s->scalar->is_mutable) {
        build_let(b, s);
        return;
    }
    LLVMValueRef place = map_get(b->places, s->scalar);
    if (!place) {
        place = build_local(b, build_value_type(b, s->scalar->elem), s->scalar->name);
        debug_mutable(b, s->scalar, place);
    }
    map_put(b->places, s->scalar, place);
    if (s->value)
        LLVMBuildStore(b->builder, build_formula(b, s->value), place);
}

static void build_array(Build *b, const Stmt *s)
{
    LLVMTypeRef elem = build_memory_type(b, s->buffer->elem), type = LLVMArrayType(elem, (unsigned)s->buffer->size);
    LLVMValueRef place = map_get(b->places, s->buffer);
    if (!place)
        place = build_local(b, type, s->buffer->name);
    map_put(b->places, s->buffer, place);
    LLVMValueRef value = build_as_stored(b, s->buffer->elem, build_formula(b, s->value));
    for (int64_t k = 0; k < s->buffer->size; k++) {
        LLVMValueRef at = build_int(b, k);
        LLVMBuildStore(b->builder, value, k ? LLVMBuildInBoundsGEP2(b->builder, elem, place, &at, 1, "") : place);
    }
}

/* `v > m || isnan(v) ? v : m`: a NaN that is there stays. */
static LLVMValueRef build_extreme(Build *b, const Stmt *s, LLVMValueRef old, LLVMValueRef value)
{
    bool is_max = s->combine == COMBINE_MAX, real = s->value->elem == ELEM_REAL;
    LLVMValueRef better = real ? LLVMBuildFCmp(b->builder, is_max ? LLVMRealOGT : LLVMRealOLT, value, old, "")
                               : LLVMBuildICmp(b->builder, is_max ? LLVMIntSGT : LLVMIntSLT, value, old, "");
    if (real)
        better = LLVMBuildOr(b->builder, better, LLVMBuildFCmp(b->builder, LLVMRealUNO, value, value, ""), "");
    return LLVMBuildSelect(b->builder, better, value, old, "");
}

static LLVMValueRef build_sum(Build *b, Elem elem, LLVMValueRef x, LLVMValueRef w)
{
    return elem == ELEM_REAL ? LLVMBuildFAdd(b->builder, x, w, "") : LLVMBuildAdd(b->builder, x, w, "");
}

static LLVMValueRef build_combined(Build *b, const Stmt *s, LLVMValueRef address, const char *name)
{
    Elem elem = s->value->elem;
    bool minus =
        s->combine == COMBINE_ADD && elem == ELEM_REAL && s->value->kind == FORMULA_NEG && !b->bound[s->value->id];
    LLVMValueRef value = build_formula(b, minus ? s->value->arg[0] : s->value);
    if (s->combine == COMBINE_SET)
        return value;
    LLVMValueRef old = s->kind == STMT_STORE ? build_loaded(b, elem, address, name)
                                             : LLVMBuildLoad2(b->builder, build_value_type(b, elem), address, name);
    switch (s->combine) {
    case COMBINE_ADD: return minus ? LLVMBuildFSub(b->builder, old, value, "") : build_sum(b, elem, old, value);
    case COMBINE_MUL:
        return elem == ELEM_REAL ? LLVMBuildFMul(b->builder, old, value, "") : LLVMBuildMul(b->builder, old, value, "");
    default: return build_extreme(b, s, old, value);
    }
}

static void build_store(Build *b, const Stmt *s)
{
    LLVMValueRef address = build_address(b, s->buffer, s->index);
    LLVMBuildStore(b->builder, build_as_stored(b, s->buffer->elem, build_combined(b, s, address, "")), address);
}

static void build_assign(Build *b, const Stmt *s)
{
    LLVMValueRef place = map_get(b->places, scalar_storage(s->scalar));
    if (!place)
        internal_error(b->ctx, "scalar '%s' is assigned before it is declared", s->scalar->name);
    LLVMBuildStore(b->builder, build_combined(b, s, place, ""), place);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */
static void build_stmt(Build *b, const Stmt *);

static void build_before(Build *b, const Stmt *s)
{
    for (int k = 0; k < s->before.list.count; k++)
        build_stmt(b, s->before.list.at[k]);
}

static void build_loop(Build *b, const Stmt *s)
{
    build_before(b, s);
    LLVMValueRef *counter = &b->counters[s->loop->depth], around = *counter;
    LLVMBasicBlockRef leave = b->leave, from[2] = { LLVMGetInsertBlock(b->builder), NULL };
    LLVMValueRef values[2] = { s->from ? build_formula(b, s->from) : build_int(b, s->loop->begin), NULL };
    LLVMValueRef end = s->to ? build_formula(b, s->to) : build_int(b, s->loop->end);
    LLVMBasicBlockRef head = build_new_block(b, "loop"), body = build_new_block(b, "body");
    b->leave = build_new_block(b, "done");
    build_go(b, head);
    *counter = LLVMBuildPhi(b->builder, b->int32, s->loop->name);
    LLVMBuildCondBr(b->builder, LLVMBuildICmp(b->builder, LLVMIntSLT, *counter, end, ""), body, b->leave);
    LLVMPositionBuilderAtEnd(b->builder, body);
    build_block(b, &s->body);
    values[1] = LLVMBuildNSWAdd(b->builder, *counter, build_int(b, s->loop->step), "");
    from[1] = LLVMGetInsertBlock(b->builder);
    LLVMBuildBr(b->builder, head);
    LLVMAddIncoming(*counter, values, from, 2);
    LLVMMoveBasicBlockAfter(b->leave, from[1]);
    LLVMPositionBuilderAtEnd(b->builder, b->leave);
    b->leave = leave;
    *counter = around;
}

static void build_break(Build *b, const Stmt *s)
{
    LLVMBasicBlockRef on = build_new_block(b, "on");
    LLVMBuildCondBr(b->builder, build_formula(b, s->value), on, b->leave);
    LLVMPositionBuilderAtEnd(b->builder, on);
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */
/* A body has formulas and counters of its own: values of the lowering around are known to it as Scalars. */
static void build_body(Build *b, const Lowering *body)
{
    LLVMValueRef *bound = b->bound, counters[LOOP_DEPTH_MAX];
    memcpy(counters, b->counters, sizeof counters);
    b->bound = NEW_ARRAY(b->ctx->arena, LLVMValueRef, body->function->formula_count + 1);
    build_temps(b, body->function);
    build_block(b, &body->function->body);
    b->bound = bound;
    memcpy(b->counters, counters, sizeof counters);
}

/* The counter stays what it is when the loop is left: it may be a result. */
static void build_counted(Build *b, const Region *r)
{
    LLVMValueRef place = build_local(b, b->int32, r->counter->name), count;
    LLVMValueRef begin = r->last ? build_formula(b, r->last) : build_int(b, 0);
    LLVMValueRef end = r->last ? build_int(b, -1) : r->trips ? build_formula(b, r->trips) : build_int(b, r->most);
    LLVMBasicBlockRef leave = b->leave, head = build_new_block(b, "loop"), body = build_new_block(b, "body");
    b->leave = build_new_block(b, "done");
    map_put(b->places, r->counter, place);
    LLVMBuildStore(b->builder, begin, place);
    build_go(b, head);
    count = LLVMBuildLoad2(b->builder, b->int32, place, "");
    LLVMBuildCondBr(b->builder, LLVMBuildICmp(b->builder, r->last ? LLVMIntSGT : LLVMIntSLT, count, end, ""), body,
                    b->leave);
    LLVMPositionBuilderAtEnd(b->builder, body);
    build_body(b, r->body[0]);
    count = LLVMBuildLoad2(b->builder, b->int32, place, "");
    LLVMBuildStore(b->builder, LLVMBuildNSWAdd(b->builder, count, build_int(b, r->last ? -1 : 1), ""), place);
    LLVMMoveBasicBlockAfter(b->leave, LLVMGetInsertBlock(b->builder));
    LLVMBuildBr(b->builder, head);
    LLVMPositionBuilderAtEnd(b->builder, b->leave);
    b->leave = leave;
}

static void build_branch(Build *b, const Region *r)
{
    LLVMValueRef condition = build_formula(b, r->condition);
    LLVMBasicBlockRef yes = build_new_block(b, "then"), no = build_new_block(b, "else"),
                      after = build_new_block(b, "after");
    LLVMBuildCondBr(b->builder, condition, yes, no);
    LLVMPositionBuilderAtEnd(b->builder, yes);
    build_body(b, r->body[0]);
    LLVMMoveBasicBlockAfter(no, LLVMGetInsertBlock(b->builder));
    LLVMBuildBr(b->builder, after);
    LLVMPositionBuilderAtEnd(b->builder, no);
    if (r->body[1])
        build_body(b, r->body[1]);
    LLVMMoveBasicBlockAfter(after, LLVMGetInsertBlock(b->builder));
    build_go(b, after);
}

static void build_region(Build *b, const Stmt *s)
{
    build_before(b, s);
    if (s->region->counter)
        build_counted(b, s->region);
    else
        build_branch(b, s->region);
}

static void build_stmt(Build *b, const Stmt *s)
{
    debug_stmt(b, s);
    switch (s->kind) {
    case STMT_LOOP: build_loop(b, s); return;
    case STMT_LET: build_let(b, s); return;
    case STMT_DECLARE: build_declare(b, s); return;
    case STMT_ARRAY: build_array(b, s); return;
    case STMT_ASSIGN: build_assign(b, s); return;
    case STMT_STORE: build_store(b, s); return;
    case STMT_REGION: build_region(b, s); return;
    case STMT_BREAK: build_break(b, s); return;
    }
    internal_error(b->ctx, "a statement of kind %d has no spelling in LLVM", (int)s->kind);
}

void build_block(Build *b, const Block *block)
{
    for (int k = 0; k < block->list.count; k++) {
        const Stmt *s = block->list.at[k];
        build_stmt(b, s);
        if (s->kind == STMT_LET)
            b->bound[s->value->id] = map_get(b->places, s->scalar);
    }
    for (int k = 0; k < block->list.count; k++)
        if (block->list.at[k]->kind == STMT_LET)
            b->bound[block->list.at[k]->value->id] = NULL;
}
