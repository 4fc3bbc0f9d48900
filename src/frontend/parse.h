/* parse.h: what the scanner (grammar/adc.l), the parser (grammar/adc.y), parse.c and ast.c share, and nobody else. */
#ifndef ADC_PARSE_H
#define ADC_PARSE_H

#include "ast.h"

/* The state of one parse.  The scanner hands out tokens through adc_lex in parse.c, which keeps the history. */
typedef struct Parser {
    Context *ctx;
    const Source *source;
    bool prelude;
    void *scanner;
    int start_token;                                        /* what is parsed: handed out first, 0 from then on */
    int offset;                                             /* of the next byte the scanner reads */

    int kind, last_kind, before_last_kind;                  /* tokens: the lookahead, and the two in front of it */
    Span place, last_place;
    Span floor_division;                                    /* the latest `//`: perhaps meant as a comment */
    Span mistake;                                           /* the latest text that was no token */
    struct { int kind; Span place; } open[MAX_NESTING];     /* brackets that are not closed yet */
    int open_count;

    bool abandoned;                                         /* an error makes the rest meaningless: read nothing more */
    bool depth_reported, comment_reported;

    ParsedFile *program;                                       /* the results, one for each start token */
    Expr *expr;
    Decl *decl;
} Parser;

/* ---- grammar/adc.l --------------------------------------------------------------------------------------------- */
void scan_begin(Parser *);
void scan_end(Parser *);

/* ---- parse.c: the scanner's words, and messages ---------------------------------------------------------------- */
int scan_name(Parser *, Name *, int token, const char *text, int length);   /* sets the Name, returns the token */
int scan_mistake(Parser *, Name *, int token, const char *message);         /* no token, but `token` was meant */
void scan_abandon(Parser *, const char *why);
bool foreign_comment(Parser *);                             /* is this `//` or slash-star meant as a comment? */
void syntax_error(Parser *, const char *const *expected, int count);    /* tokens, as adc.y names them */
void nested_too_deeply(Parser *, Span);

/* ---- ast.c: constructors, one for each form in the grammar ----------------------------------------------------- */
ExprList add_expr(Parser *, ExprList, Expr *);
NameList add_name(Parser *, NameList, Name);
ArgList add_arg(Parser *, ArgList, Arg);
RangeList add_range(Parser *, RangeList, Range);
IndexList add_index(Parser *, IndexList, Index);
ParamList add_param(Parser *, ParamList, ParamDecl);

Expr *expr_number(Parser *, Name digits);
Expr *expr_bool(Parser *, Span, bool);
Expr *expr_string(Parser *, Name);
Expr *expr_name(Parser *, Name);
Expr *expr_items(Parser *, Span, ExprKind, ExprList);
Expr *expr_parentheses(Parser *, Span, ExprList);           /* (a) is a, (a, b) a tuple */
Expr *expr_unary(Parser *, Span, UnaryOperator, Span sign, Expr *);
Expr *expr_binary(Parser *, Span, Expr *, BinaryOperator, Span sign, Expr *);
Expr *expr_ternary(Parser *, Span, Expr *, Span sign, Expr *, Expr *);
Expr *expr_index(Parser *, Span, Expr *, IndexList);
Expr *expr_call(Parser *, Span, Name callee, ArgList);
Expr *expr_comprehension(Parser *, Span, Name reduction, Expr *body, RangeList);
Arg arg(Span, Expr *);
Index index_slice(Span whole, Span colon, Expr *start, Expr *stop, Expr *step);
Name base_name(Parser *, Span, BaseType);
TypeExpr *type_expr(Parser *, Span, BaseType, ExprList dims);

/* A pointer to a list is NULL where the form has none. */
Stmt *stmt_bind(Parser *, Span, NameList, TypeExpr *, Expr *);
Stmt *stmt_bind_one(Parser *, Span, bool is_mut, Name, TypeExpr *, Expr *);
Stmt *stmt_assign(Parser *, Span, Name, const IndexList *, BinaryOperator, Span sign, Expr *);
Stmt *stmt_for(Parser *, Span, Range, Expr *checkpoint, Block *);
Stmt *stmt_while(Parser *, Span, Expr *condition, Expr *max_trips, Block *);
Stmt *stmt_if(Parser *, Span, Expr *condition, Block *yes, Block *no);
Expr *checkpoint_interval(Parser *, Name word, Expr *);
Block *block_add(Parser *, Block *, Stmt *);                /* no block yet, or no statement after an error: NULL */
Block *block_close(Parser *, Span, Block *);

ParamDecl param(Parser *, Span, bool is_param, Name, TypeExpr *);
Decl *decl_const(Parser *, Span, Name, TypeExpr *, Expr *);
Decl *decl_fn(Parser *, Span, Name, NameList dims, ParamList);
void fn_options(Parser *, Span, Decl *, ArgList);
Decl *fn_result(Parser *, Span, Decl *, TypeExpr *);        /* the one called `value`; type NULL: prelude only */
Decl *fn_results(Parser *, Decl *, ParamList);
Decl *fn_value(Parser *, Span, Decl *, Expr *);
Decl *fn_body(Span, Decl *, Block *);
Decl *fn_extern(Parser *, Span, Decl *);
Decl *decl_import(Parser *, Span, Name path);
Decl *decl_derivative(Parser *, Span, Name, NameList, Expr *);
Decl *decl_export(Parser *, Span, Name, const NameList *, Expr *transform);
Decl *export_selection(Span, Decl *, NameList);
Decl *decl_test(Parser *, Span, Name, ArgList args, ArgList results, Expr *within);
void add_decl(Parser *, Decl *);                            /* NULL, left by an error, is not added */

#endif
