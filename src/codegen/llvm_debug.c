/* llvm_debug.c: -g: every instruction has a line of the model's source, so that a debugger steps through it.
 *
 * Paths are those that the user gave, relative ones relative to where the debugger runs: nothing about this machine is
 * written. */
#include "llvm_build.h"

#include <llvm-c/DebugInfo.h>
#include <llvm/Config/llvm-config.h>

#include <string.h>

struct Debug {
    LLVMDIBuilderRef builder;
    Map *files;                                             /* Source -> DIFile */
    Map *scopes;                                            /* Source -> scope of the function that is built */
    LLVMMetadataRef unit, function, types[3];
    int line;                                               /* that the function begins at */
};

static LLVMMetadataRef file_of(Build *b, const Source *source)
{
    LLVMMetadataRef file = map_get(b->debug->files, source);
    if (!file)
        file = LLVMDIBuilderCreateFile(b->debug->builder, source->path, strlen(source->path), ".", 1);
    map_put(b->debug->files, source, file);
    return file;
}

static void add_flag(Build *b, const char *name, unsigned value)
{
    LLVMAddModuleFlag(b->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(build_int(b, value)));
}

Debug *debug_new(Build *b)
{
    enum { BOOLEAN = 2, FLOATING = 4, SIGNED = 5 };         /* DW_ATE_ */
    const char *producer = "adc " ADC_VERSION, *real = b->ctx->options.is_float ? "float" : "double";
    Debug *debug = b->debug = NEW(b->ctx->arena, Debug);
    *debug = (Debug){ .builder = LLVMCreateDIBuilder(b->module), .files = map_new(b->ctx->arena) };
    debug->unit = LLVMDIBuilderCreateCompileUnit(
        debug->builder, LLVMDWARFSourceLanguageC99, file_of(b, b->program->input->source), producer, strlen(producer),
        b->ctx->options.level > 0, "", 0, 0, "", 0, LLVMDWARFEmissionFull, 0, false, false, "", 0, "", 0);
    debug->types[ELEM_REAL] = LLVMDIBuilderCreateBasicType(
        debug->builder, real, strlen(real), b->ctx->options.is_float ? 32 : 64, FLOATING, LLVMDIFlagZero);
    debug->types[ELEM_INT] = LLVMDIBuilderCreateBasicType(debug->builder, "int", 3, 32, SIGNED, LLVMDIFlagZero);
    debug->types[ELEM_BOOL] = LLVMDIBuilderCreateBasicType(debug->builder, "bool", 4, 8, BOOLEAN, LLVMDIFlagZero);
    add_flag(b, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(b, "Dwarf Version", 4);
    return debug;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */
static Span span_of(const Node *n)
{
    const Node *of = n->origin.role == ROLE_PRIMAL || !n->origin.of ? n : n->origin.of;
    return of->origin.span;
}

static LLVMMetadataRef scope_of(Build *b, const Source *source)
{
    LLVMMetadataRef scope = map_get(b->debug->scopes, source);
    if (!scope)
        scope = LLVMDIBuilderCreateLexicalBlockFile(b->debug->builder, b->debug->function, file_of(b, source), 0);
    map_put(b->debug->scopes, source, scope);
    return scope;
}

static void set_place(Build *b, LLVMMetadataRef scope, int line)
{
    LLVMMetadataRef place = LLVMDIBuilderCreateDebugLocation(b->llvm, (unsigned)line, 0, scope, NULL);
    LLVMSetCurrentDebugLocation2(b->builder, place);
}

static const Node *node_of(const Stmt *s)
{
    if (s->region)
        return s->region->node;
    if (s->nodes.count)
        return s->nodes.at[0];
    if (s->value && s->value->node)
        return s->value->node;
    if (s->kind == STMT_STORE || s->kind == STMT_ARRAY)
        return s->buffer->node;
    return s->scalar ? s->scalar->node : NULL;
}

void debug_stmt(Build *b, const Stmt *s)
{
    const Node *n = b->debug ? node_of(s) : NULL;
    if (n && span_of(n).source && span_of(n).source->path[0] != '<')
        set_place(b, scope_of(b, span_of(n).source), span_line(span_of(n)));
}

/* ---- functions --------------------------------------------------------------------------------------------------- */
static LLVMMetadataRef parameter_type(Build *b, const Parameter *p)
{
    Debug *debug = b->debug;
    LLVMMetadataRef elem = debug->types[p->type->elem];
    unsigned bits = 8 * LLVMPointerSize(LLVMGetModuleDataLayout(b->module));
    return p->scalar ? elem : LLVMDIBuilderCreatePointerType(debug->builder, elem, bits, 0, 0, "", 0);
}

/* Where the function stands in the source. */
static int first_line(const Build *b)
{
    Span span = b->function->fn->span;
    return span.source == b->program->input->source ? span_line(span) : 1;
}

void debug_function(Build *b)
{
    Debug *debug = b->debug;
    const Function *f = b->function;
    if (!debug)
        return;
    LLVMMetadataRef file = file_of(b, b->program->input->source),
                    *types = NEW_ARRAY(b->ctx->arena, LLVMMetadataRef, f->signature.count + 1);
    for (int k = 0; k < f->signature.count; k++)
        types[k + 1] = parameter_type(b, &f->signature.at[k]);
    LLVMMetadataRef type =
        LLVMDIBuilderCreateSubroutineType(debug->builder, file, types, (unsigned)f->signature.count + 1, LLVMDIFlagZero);
    debug->line = first_line(b);
    debug->function = LLVMDIBuilderCreateFunction(
        debug->builder, file, f->name, strlen(f->name), f->name, strlen(f->name), file, (unsigned)debug->line, type,
        false, true, (unsigned)debug->line, LLVMDIFlagPrototyped, b->ctx->options.level > 0);
    LLVMSetSubprogram(b->code, debug->function);
    debug->scopes = map_new(b->ctx->arena);
    map_put(debug->scopes, b->program->input->source, debug->function);
    set_place(b, debug->function, debug->line);
}

/* ---- variables ------------------------------------------------------------------------------------------------- */
static void show(Build *b, LLVMMetadataRef variable, LLVMMetadataRef scope, int line, LLVMValueRef value)
{
    LLVMMetadataRef nothing = LLVMDIBuilderCreateExpression(b->debug->builder, NULL, 0);
    LLVMMetadataRef place = LLVMDIBuilderCreateDebugLocation(b->llvm, (unsigned)line, 0, scope, NULL);
    LLVMBasicBlockRef block = LLVMGetInsertBlock(b->builder);
#if LLVM_VERSION_MAJOR >= 19
    LLVMDIBuilderInsertDbgValueRecordAtEnd(b->debug->builder, value, variable, nothing, place, block);
#else
    LLVMDIBuilderInsertDbgValueAtEnd(b->debug->builder, value, variable, nothing, place, block);
#endif
}

void debug_parameter(Build *b, int k, LLVMValueRef value)
{
    Debug *debug = b->debug;
    if (!debug)
        return;
    const Parameter *p = &b->function->signature.at[k];
    LLVMMetadataRef variable = LLVMDIBuilderCreateParameterVariable(
        debug->builder, debug->function, p->name, strlen(p->name), (unsigned)k + 1,
        file_of(b, b->program->input->source), (unsigned)debug->line, parameter_type(b, p), true, LLVMDIFlagZero);
    show(b, variable, debug->function, debug->line, value);
}

/* NULL: it has no name in the source. */
static LLVMMetadataRef variable_of(Build *b, const Node *n, const Scalar *scalar, LLVMMetadataRef *scope)
{
    Span span = b->debug && n ? span_of(n) : (Span){ 0 };
    if (!span.source || span.source->path[0] == '<' || !n->origin.name)
        return NULL;
    *scope = scope_of(b, span.source);
    return LLVMDIBuilderCreateAutoVariable(
        b->debug->builder, *scope, scalar->name, strlen(scalar->name), file_of(b, span.source),
        (unsigned)span_line(span), b->debug->types[scalar->elem], true, LLVMDIFlagZero, 0);
}

void debug_let(Build *b, const Stmt *s, LLVMValueRef value)
{
    LLVMMetadataRef scope, variable = variable_of(b, s->value->node, s->scalar, &scope);
    if (variable)
        show(b, variable, scope, span_line(span_of(s->value->node)), value);
}

void debug_mutable(Build *b, const Scalar *scalar, LLVMValueRef place)
{
    LLVMMetadataRef scope, variable = variable_of(b, scalar->node, scalar, &scope);
    if (!variable)
        return;
    LLVMMetadataRef nothing = LLVMDIBuilderCreateExpression(b->debug->builder, NULL, 0);
    unsigned line = (unsigned)span_line(span_of(scalar->node));
    LLVMMetadataRef at = LLVMDIBuilderCreateDebugLocation(b->llvm, line, 0, scope, NULL);
    LLVMBasicBlockRef block = LLVMGetInsertBlock(b->builder);
#if LLVM_VERSION_MAJOR >= 19
    LLVMDIBuilderInsertDeclareRecordAtEnd(b->debug->builder, place, variable, nothing, at, block);
#else
    LLVMDIBuilderInsertDeclareAtEnd(b->debug->builder, place, variable, nothing, at, block);
#endif
}

void debug_finish(Build *b)
{
    if (!b->debug)
        return;
    LLVMDIBuilderFinalize(b->debug->builder);
    LLVMDisposeDIBuilder(b->debug->builder);
}
