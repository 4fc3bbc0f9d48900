/* ast.c: the constructors that the grammar calls, one for each form of the language.
 *
 * Here also is refused what is easier to read when the grammar accepts it: forms of the prelude in a user's program,
 * a `while` without a bound, trees too deep to walk. */
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPELLING(enumerator, spelling, op) spelling,
#define OP_NAME(enumerator, spelling, op) op,

const char *binary_spelling(BinaryOperator operator)
{
    static const char *const spellings[] = { BINARY_OPERATORS(SPELLING) };
    return spellings[operator];
}

const char *binary_op_name(BinaryOperator operator)
{
    static const char *const names[] = { BINARY_OPERATORS(OP_NAME) };
    return names[operator];
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */
#define DEFINE_ADD(function, List, T) \
    List function(Parser *parser, List list, T item) \
    { \
        vec_push(parser->ctx->trees, &list, item); \
        return list; \
    }

DEFINE_ADD(add_expr, ExprList, Expr *)
DEFINE_ADD(add_name, NameList, Name)
DEFINE_ADD(add_range, RangeList, Range)
DEFINE_ADD(add_index, IndexList, Index)
DEFINE_ADD(add_param, ParamList, ParamDecl)
static DEFINE_ADD(push_arg, ArgList, Arg)

ArgList add_arg(Parser *parser, ArgList list, Arg item)
{
    if (!item.name.text && list.count && list.at[list.count - 1].name.text)
        error_at(parser->ctx, item.span, "an argument without a name stands in front of those with a name");
    return push_arg(parser, list, item);
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */
/* A node that is one deeper than its deepest child, which is `below` deep. */
static Expr *new_expr(Parser *parser, ExprKind kind, Span span, int below)
{
    Expr *expr = NEW(parser->ctx->trees, Expr);
    expr->kind = kind;
    expr->span = span;
    expr->depth = below + 1;
    if (expr->depth > MAX_DEPTH)
        nested_too_deeply(parser, span);
    return expr;
}

static int deeper(int depth, const Expr *expr)
{
    return expr && expr->depth > depth ? expr->depth : depth;
}

static int deepest(const ExprList *list)
{
    int depth = 0;
    for (int k = 0; k < list->count; k++)
        depth = deeper(depth, list->at[k]);
    return depth;
}

Expr *expr_number(Parser *parser, Name digits)
{
    Expr *expr = new_expr(parser, EXPR_NUMBER, digits.span, 0);
    expr->number.text = digits.text;
    expr->number.real = real_of_text(digits.text);
    expr->number.is_integer = !strpbrk(digits.text, ".eE");
    bool is_float = parser->ctx->options.is_float;
    errno = 0;
    if (expr->number.is_integer)
        expr->number.integer = strtoll(digits.text, NULL, 10);
    if (errno == ERANGE)
        error_at(parser->ctx, digits.span, "this integer does not fit into 64 bits");
    else if (isinf(is_float ? (double)(float)expr->number.real : expr->number.real))
        error_at(parser->ctx, digits.span, "this constant overflows a %s", is_float ? "float" : "double");
    return expr;
}

Expr *expr_bool(Parser *parser, Span span, bool truth)
{
    Expr *expr = new_expr(parser, EXPR_BOOL, span, 0);
    expr->truth = truth;
    return expr;
}

Expr *expr_string(Parser *parser, Name string)
{
    Expr *expr = new_expr(parser, EXPR_STRING, string.span, 0);
    expr->string = string.text;
    return expr;
}

Expr *expr_name(Parser *parser, Name name)
{
    Expr *expr = new_expr(parser, EXPR_NAME, name.span, 0);
    expr->name = name.text;
    return expr;
}

Expr *expr_items(Parser *parser, Span span, ExprKind kind, ExprList items)
{
    Expr *expr = new_expr(parser, kind, span, deepest(&items));
    expr->items = items;
    return expr;
}

Expr *expr_parentheses(Parser *parser, Span span, ExprList items)
{
    return items.count == 1 ? items.at[0] : expr_items(parser, span, EXPR_TUPLE, items);
}

Expr *expr_unary(Parser *parser, Span span, UnaryOperator operator, Span sign, Expr *operand)
{
    Expr *expr = new_expr(parser, EXPR_UNARY, span, operand->depth);
    expr->unary.operator = operator;
    expr->unary.span = sign;
    expr->unary.operand = operand;
    return expr;
}

/* When the left operand is itself a chain, the chain grows: (a + b) - c is what a + b - c means. */
Expr *expr_binary(Parser *parser, Span span, Expr *left, BinaryOperator operator, Span sign, Expr *right)
{
    Expr *chain = left;
    if (left->kind != EXPR_BINARY) {
        chain = new_expr(parser, EXPR_BINARY, span, left->depth);
        chain->binary.first = left;
    }
    chain->span = span;
    vec_push(parser->ctx->trees, &chain->binary.steps, ((Step){ operator, sign, right }));
    if (right->depth >= chain->depth)
        chain->depth = right->depth + 1;
    if (chain->depth > MAX_DEPTH)
        nested_too_deeply(parser, span);
    return chain;
}

Expr *expr_ternary(Parser *parser, Span span, Expr *condition, Span sign, Expr *yes, Expr *no)
{
    Expr *expr = new_expr(parser, EXPR_TERNARY, span, deeper(deeper(condition->depth, yes), no));
    expr->ternary.condition = condition;
    expr->ternary.yes = yes;
    expr->ternary.no = no;
    expr->ternary.span = sign;
    return expr;
}

Expr *expr_index(Parser *parser, Span span, Expr *base, IndexList places)
{
    int depth = base->depth;
    for (int k = 0; k < places.count; k++) {
        const Index *i = &places.at[k];
        depth = deeper(deeper(deeper(deeper(depth, i->at), i->start), i->stop), i->step);
    }
    Expr *expr = new_expr(parser, EXPR_INDEX, span, depth);
    expr->index.base = base;
    expr->index.places = places;
    return expr;
}

Expr *expr_call(Parser *parser, Span span, Name callee, ArgList args)
{
    int depth = 0;
    for (int k = 0; k < args.count; k++)
        depth = deeper(depth, args.at[k].value);
    Expr *expr = new_expr(parser, EXPR_CALL, span, depth);
    expr->call.callee = callee;
    expr->call.args = args;
    return expr;
}

Expr *expr_comprehension(Parser *parser, Span span, Name reduction, Expr *body, RangeList ranges)
{
    int depth = body->depth;
    for (int k = 0; k < ranges.count; k++)
        depth = deeper(deeper(depth, ranges.at[k].begin), ranges.at[k].end);
    Expr *expr = new_expr(parser, EXPR_COMPREHENSION, span, depth);
    expr->comprehension.reduction = reduction;
    expr->comprehension.body = body;
    expr->comprehension.ranges = ranges;
    return expr;
}

Arg arg(Span span, Expr *value)
{
    return (Arg){ .value = value, .span = span };
}

/* An empty start leaves `whole` beginning at the end of the token before, that is perhaps at a blank. */
Index index_slice(Span whole, Span colon, Expr *start, Expr *stop, Expr *step)
{
    if (!start)
        whole.begin = colon.begin;
    return (Index){ .span = whole, .is_slice = true, .start = start, .stop = stop, .step = step };
}

Name base_name(Parser *parser, Span span, BaseType base)
{
    const char *text = base == BASE_REAL ? "real" : base == BASE_INT ? "int" : "bool";
    return (Name){ str_intern(parser->ctx, text), span };
}

TypeExpr *type_expr(Parser *parser, Span span, BaseType base, ExprList dims)
{
    TypeExpr *type = NEW(parser->ctx->trees, TypeExpr);
    *type = (TypeExpr){ span, base, dims };
    return type;
}

/* ---- statements ------------------------------------------------------------------------------------------------ */
static Stmt *new_stmt(Parser *parser, StmtKind kind, Span span, const Block *body, const Block *other)
{
    Stmt *stmt = NEW(parser->ctx->trees, Stmt);
    int below = body ? body->depth : 0;
    if (other && other->depth > below)
        below = other->depth;
    stmt->kind = kind;
    stmt->span = span;
    stmt->depth = below + 1;
    if (stmt->depth > MAX_NESTING)                          /* brackets were counted earlier: this is `else if` */
        nested_too_deeply(parser, span);
    return stmt;
}

Stmt *stmt_bind(Parser *parser, Span span, NameList names, TypeExpr *type, Expr *value)
{
    Stmt *stmt = new_stmt(parser, STMT_BIND, span, NULL, NULL);
    stmt->bind.names = names;
    stmt->bind.type = type;
    stmt->bind.value = value;
    return stmt;
}

Stmt *stmt_bind_one(Parser *parser, Span span, bool is_mut, Name name, TypeExpr *type, Expr *value)
{
    Stmt *stmt = stmt_bind(parser, span, add_name(parser, (NameList){ 0 }, name), type, value);
    stmt->bind.is_mut = is_mut;
    return stmt;
}

Stmt *stmt_assign(Parser *parser, Span span, Name name, const IndexList *places, BinaryOperator operator, Span sign,
                  Expr *value)
{
    Stmt *stmt = new_stmt(parser, STMT_ASSIGN, span, NULL, NULL);
    stmt->assign.name = name;
    if (places)
        stmt->assign.places = *places;
    stmt->assign.operator = operator;
    stmt->assign.operator_span = sign;
    stmt->assign.value = value;
    return stmt;
}

Stmt *stmt_for(Parser *parser, Span span, Range range, Expr *checkpoint, Block *body)
{
    Stmt *stmt = new_stmt(parser, STMT_FOR, span, body, NULL);
    stmt->loop.range = range;
    stmt->loop.checkpoint = checkpoint;
    stmt->loop.body = *body;
    return stmt;
}

Stmt *stmt_while(Parser *parser, Span span, Expr *condition, Expr *max_trips, Block *body)
{
    if (!max_trips) {
        error_at(parser->ctx, span, "this 'while' has no bound: write 'max_trips N' after the condition");
        return NULL;
    }
    Stmt *stmt = new_stmt(parser, STMT_WHILE, span, body, NULL);
    stmt->while_loop.condition = condition;
    stmt->while_loop.max_trips = max_trips;
    stmt->while_loop.body = *body;
    return stmt;
}

Stmt *stmt_if(Parser *parser, Span span, Expr *condition, Block *yes, Block *no)
{
    Stmt *stmt = new_stmt(parser, STMT_IF, span, yes, no);
    stmt->branch.condition = condition;
    stmt->branch.yes = *yes;
    stmt->branch.has_no = no != NULL;
    if (no)
        stmt->branch.no = *no;
    return stmt;
}

/* `checkpoint` is a name, not a keyword: a value may be called so. */
Expr *checkpoint_interval(Parser *parser, Name word, Expr *interval)
{
    if (strcmp(word.text, "checkpoint") != 0)
        error_at(parser->ctx, word.span, "expected 'checkpoint' or '{', found '%s'", word.text);
    return interval;
}

Block *block_add(Parser *parser, Block *block, Stmt *stmt)
{
    if (!block)
        block = NEW(parser->ctx->trees, Block);
    if (!stmt)
        return block;
    vec_push(parser->ctx->trees, &block->stmts, stmt);
    if (stmt->depth > block->depth)
        block->depth = stmt->depth;
    return block;
}

Block *block_close(Parser *parser, Span span, Block *block)
{
    block = block_add(parser, block, NULL);
    block->span = span;
    return block;
}

/* ---- declarations ---------------------------------------------------------------------------------------------- */
static Decl *new_decl(Parser *parser, DeclKind kind, Span span, Name name)
{
    Decl *decl = NEW(parser->ctx->trees, Decl);
    decl->kind = kind;
    decl->span = span;
    decl->name = name;
    return decl;
}

static Decl *with_span(Decl *decl, Span span)
{
    decl->span = span;
    return decl;
}

ParamDecl param(Parser *parser, Span span, bool is_param, Name name, TypeExpr *type)
{
    if (!type && !parser->prelude)
        error_at(parser->ctx, name.span, "'%s' needs a type, as in '%s: real'", name.text, name.text);
    return (ParamDecl){ name, is_param, type, span };
}

Decl *decl_const(Parser *parser, Span span, Name name, TypeExpr *type, Expr *value)
{
    Decl *decl = new_decl(parser, DECL_CONST, span, name);
    decl->constant.type = type;
    decl->constant.value = value;
    return decl;
}

Decl *decl_fn(Parser *parser, Span span, Name name, NameList dims, ParamList params)
{
    Decl *decl = new_decl(parser, DECL_FN, span, name);
    decl->fn.dims = dims;
    decl->fn.params = params;
    return decl;
}

void fn_options(Parser *parser, Span span, Decl *decl, ArgList options)
{
    if (!parser->prelude)
        error_at(parser->ctx, span, "a function has no options: make them parameters, with a type");
    decl->fn.options = options;
}

Decl *fn_result(Parser *parser, Span span, Decl *decl, TypeExpr *type)
{
    if (!type && !parser->prelude)
        error_at(parser->ctx, span, "the result of '%s' needs a type, as in '-> real = ...' or '-> (y: real) { ... }'",
                 decl->name.text);
    ParamDecl result = { .name = { str_intern(parser->ctx, "value"), span }, .type = type, .span = span };
    decl->fn.results = add_param(parser, (ParamList){ 0 }, result);
    return decl;
}

Decl *fn_results(Parser *parser, Decl *decl, ParamList results)
{
    if (!results.count)
        error_at(parser->ctx, decl->name.span, "'%s' has no result", decl->name.text);
    for (int k = 0; k < results.count; k++)
        if (results.at[k].is_param)
            error_at(parser->ctx, results.at[k].span, "a result is not a 'param'");
    decl->fn.results = results;
    return decl;
}

Decl *fn_value(Parser *parser, Span span, Decl *decl, Expr *value)
{
    if (decl->fn.results.count > 1)
        error_at(parser->ctx, decl->name.span, "'%s' has several results: they are assigned in a body '{ ... }'",
                 decl->name.text);
    decl->fn.value = value;
    return with_span(decl, span);
}

Decl *fn_body(Span span, Decl *decl, Block *body)
{
    decl->fn.body = *body;
    return with_span(decl, span);
}

Decl *fn_extern(Parser *parser, Span span, Decl *decl)
{
    if (decl->fn.results.count > 1)
        error_at(parser->ctx, decl->name.span, "'%s' has several results: an extern function has one", decl->name.text);
    decl->kind = DECL_EXTERN;
    return with_span(decl, span);
}

Decl *decl_import(Parser *parser, Span span, Name path)
{
    return new_decl(parser, DECL_IMPORT, span, path);
}

Decl *decl_derivative(Parser *parser, Span span, Name name, NameList args, Expr *partials)
{
    Decl *decl = new_decl(parser, DECL_DERIVATIVE, span, name);
    decl->derivative.args = args;
    if (partials->kind == EXPR_TUPLE)
        decl->derivative.partials = partials->items;
    else
        decl->derivative.partials = add_expr(parser, (ExprList){ 0 }, partials);
    return decl;
}

Decl *decl_export(Parser *parser, Span span, Name name, const NameList *names, Expr *transform)
{
    Decl *decl = new_decl(parser, DECL_EXPORT, span, name);
    decl->export.names = names ? *names : add_name(parser, (NameList){ 0 }, name);
    decl->export.transform = transform ? transform : expr_name(parser, name);
    return decl;
}

Decl *export_selection(Span span, Decl *decl, NameList selection)
{
    decl->export.selection = selection;
    decl->export.has_selection = true;
    return with_span(decl, span);
}

Decl *decl_test(Parser *parser, Span span, Name name, ArgList args, ArgList results, Expr *within)
{
    Decl *decl = new_decl(parser, DECL_TEST, span, name);
    decl->test.args = args;
    decl->test.results = results;
    decl->test.within = within;
    return decl;
}

void add_decl(Parser *parser, Decl *decl)
{
    if (decl)
        vec_push(parser->ctx->trees, &parser->program->decls, decl);
}
