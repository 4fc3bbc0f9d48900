/* adc.y: the grammar of adc.  An action calls one constructor of src/frontend/ast.c; all memory is in
 * arenas, so nothing is to be destroyed when an error discards values.
 *
 * Three kinds of text are parsed; the first token, which the scanner makes up, tells which. */
%require "3.8"
%define api.pure full
%define api.prefix {adc_}
%define api.token.prefix {TOKEN_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {Parser *parser}

%code requires {
#include "frontend/parse.h"
}

%code {
/* Deep enough for MAX_NESTING brackets with an operator of every precedence in each of them. */
#define YYMAXDEPTH 100000

#define YYLLOC_DEFAULT(result, rhs, n)                                                                          \
    ((result) = (n) ? (Span){ parser->source, YYRHSLOC(rhs, 1).begin, YYRHSLOC(rhs, n).end }                    \
                    : (Span){ parser->source, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end })

int adc_lex(ADC_STYPE *, Span *, Parser *);
static void adc_error(Span *, Parser *, const char *);
}

%union {
    Name name; Arg arg; Range range; Index index; ParamDecl param; BaseType base; BinaryOperator operator;
    NameList names; ArgList args; RangeList ranges; IndexList indices; ParamList params; ExprList exprs;
    Expr *expr; TypeExpr *type; Block *block; Stmt *stmt; Decl *decl;
}

/* An alias is what messages call the token; one that begins with a letter and a space stands for a class of texts. */
%token START_PROGRAM START_EXPRESSION START_EXPORT
%token END 0 "end of file"
%token <name> NAME "a name" NUMBER "a number" STRING "a string"
%token AND "and" BOOL "bool" CONST "const" DERIVATIVE "derivative" ELSE "else" EXPORT "export" EXTERN "extern"
       FALSE "false" FN "fn" FOR "for" IF "if" IMPORT "import" IN "in" INT "int" MAX_TRIPS "max_trips" MUT "mut"
       NOT "not" OR "or" PARAM "param" REAL "real" TEST "test" TRUE "true" WHILE "while" WITHIN "within"
%token ARROW "->" DOTS ".." EQ "==" NE "!=" LE "<=" GE ">=" FLOOR_DIV "//" TRANSPOSE "'"
%token ADD_TO "+=" SUB_FROM "-=" MUL_BY "*=" DIV_BY "/=" FLOOR_DIV_BY "//=" MOD_BY "%=" MATMUL_BY "@=" POW_BY "^="

/* Loosest to tightest; postfix forms bind tighter than all of them. */
%right '?' ':'
%left "or"
%left "and"
%precedence "not"
%nonassoc "==" "!=" '<' "<=" '>' ">="
%left '+' '-'
%left '*' '/' "//" '%' '@'
%precedence SIGN
%right '^'

%type <decl> decl fn fn_head export exported test
%type <stmt> stmt if
%type <block> block stmts else
%type <expr> expr primary transform checkpoint opt_expr within limit
%type <exprs> exprs
%type <arg> arg option
%type <args> args arg_list options results transform_args
%type <range> range
%type <ranges> ranges
%type <index> place
%type <indices> places
%type <param> param
%type <params> params param_list
%type <name> callee
%type <names> names dims
%type <type> type opt_type
%type <base> base
%type <operator> assign update

%%

input: START_PROGRAM decls
    | START_EXPRESSION expr                       { parser->expr = $expr; }
    | START_EXPORT export                         { parser->decl = $export; }
    ;

/* ---- declarations ---------------------------------------------------------------------------------------------- */

decls: %empty | decls decl                        { add_decl(parser, $decl); };

decl: "const" NAME opt_type '=' expr ';'          { $$ = decl_const(parser, @$, $NAME, $opt_type, $expr); }
    | fn '=' expr ';'                             { $$ = fn_value(parser, @$, $fn, $expr); }
    | fn block                                    { $$ = fn_body(@$, $fn, $block); }
    | "extern" fn ';'                             { $$ = fn_extern(parser, @$, $fn); }
    | "import" STRING ';'                         { $$ = decl_import(parser, @$, $STRING); }
    | "derivative" NAME '(' names ')' '=' expr ';' { $$ = decl_derivative(parser, @$, $NAME, $names, $expr); }
    | "export" export ';'                         { $$ = $export; }
    | test ';'
    | error ';'                                   { $$ = NULL; yyerrok; }
    | error '}'                                   { $$ = NULL; yyerrok; }
    | error block                                 { $$ = NULL; yyerrok; }
    ;

fn: fn_head ')'                                   { $$ = fn_result(parser, @2, $1, NULL); }
    | fn_head ')' "->" type                       { $$ = fn_result(parser, @type, $1, $type); }
    | fn_head ')' "->" '(' params ')'             { $$ = fn_results(parser, $1, $params); }
    ;
fn_head: "fn" NAME dims '(' params                { $$ = decl_fn(parser, @$, $NAME, $dims, $params); }
    | "fn" NAME dims '(' params ';' options comma { $$ = decl_fn(parser, @$, $NAME, $dims, $params);
                                                    fn_options(parser, @options, $$, $options); }
    ;
dims: %empty                                      { $$ = (NameList){ 0 }; }
    | '[' names comma ']'                         { $$ = $names; }
    ;
params: %empty                                    { $$ = (ParamList){ 0 }; }
    | param_list comma
    ;
param_list: param                                 { $$ = add_param(parser, (ParamList){ 0 }, $param); }
    | param_list ',' param                        { $$ = add_param(parser, $1, $param); }
    ;
param: NAME opt_type                              { $$ = param(parser, @$, false, $NAME, $opt_type); }
    | "param" NAME opt_type                       { $$ = param(parser, @$, true, $NAME, $opt_type); }
    ;

export: exported
    | exported "->" '(' names comma ')'           { $$ = export_selection(@$, $1, $names); }
    ;
exported: NAME                                    { $$ = decl_export(parser, @$, $NAME, NULL, NULL); }
    | names '=' transform                         { $$ = decl_export(parser, @$, $names.at[0], &$names, $transform); }
    ;
transform: NAME                                   { $$ = expr_name(parser, $NAME); }
    | NAME '(' transform_args comma ')'           { $$ = expr_call(parser, @$, $NAME, $transform_args); }
    ;
transform_args: transform                         { $$ = add_arg(parser, (ArgList){ 0 }, arg(@$, $transform)); }
    | transform_args ',' option                   { $$ = add_arg(parser, $1, $option); }
    ;

test: "test" NAME '(' args ')' '=' results within { $$ = decl_test(parser, @$, $NAME, $args, $results, $within); };
results: expr                                     { $$ = add_arg(parser, (ArgList){ 0 }, arg(@$, $expr)); }
    | '(' options comma ')'                       { $$ = $options; }
    ;
within: %empty                                    { $$ = NULL; }
    | "within" expr                               { $$ = $expr; }
    ;

/* ---- types and names ------------------------------------------------------------------------------------------- */

opt_type: %empty                                  { $$ = NULL; }
    | ':' type                                    { $$ = $type; }
    ;
type: base                                        { $$ = type_expr(parser, @$, $base, (ExprList){ 0 }); }
    | base '[' exprs comma ']'                    { $$ = type_expr(parser, @$, $base, $exprs); }
    ;
base: "real" { $$ = BASE_REAL; } | "int" { $$ = BASE_INT; } | "bool" { $$ = BASE_BOOL; };

names: NAME                                       { $$ = add_name(parser, (NameList){ 0 }, $NAME); }
    | names ',' NAME                              { $$ = add_name(parser, $1, $NAME); }
    ;
comma: %empty | ',';

/* ---- statements ------------------------------------------------------------------------------------------------ */

block: '{' stmts '}'                              { $$ = block_close(parser, @$, $stmts); }
    | '{' stmts error '}'                         { $$ = block_close(parser, @$, $stmts); yyerrok; }
    ;
stmts: %empty                                     { $$ = NULL; }
    | stmts stmt                                  { $$ = block_add(parser, $1, $stmt); }
    ;
stmt: names '=' expr ';'                          { $$ = stmt_bind(parser, @$, $names, NULL, $expr); }
    | NAME ':' type '=' expr ';'                  { $$ = stmt_bind_one(parser, @$, false, $NAME, $type, $expr); }
    | "mut" NAME opt_type '=' expr ';'            { $$ = stmt_bind_one(parser, @$, true, $NAME, $opt_type, $expr); }
    | NAME update expr ';'                        { $$ = stmt_assign(parser, @$, $NAME, NULL, $update, @2, $expr); }
    | NAME '[' places ']' assign expr ';'         { $$ = stmt_assign(parser, @$, $NAME, &$places, $assign, @5, $expr); }
    | "for" range checkpoint block                { $$ = stmt_for(parser, @$, $range, $checkpoint, $block); }
    | "while" expr "max_trips" expr block         { $$ = stmt_while(parser, @$, $2, $4, $block); }
    | "while" expr block                          { $$ = stmt_while(parser, @expr, $expr, NULL, $block); }
    | if
    | error ';'                                   { $$ = NULL; yyerrok; }
    | error block else                            { $$ = NULL; yyerrok; }
    ;
if: "if" expr block else                          { $$ = stmt_if(parser, @$, $expr, $block, $else); };
else: %empty                                      { $$ = NULL; }
    | "else" block                                { $$ = $block; }
    | "else" if                                   { $$ = block_close(parser, @if, block_add(parser, NULL, $if)); }
    ;
checkpoint: %empty                                { $$ = NULL; }
    | NAME '(' expr ')'                           { $$ = checkpoint_interval(parser, $NAME, $expr); }
    ;
assign: '=' { $$ = BINARY_NONE; } | update;
update: "+=" { $$ = BINARY_ADD; } | "-=" { $$ = BINARY_SUB; } | "*=" { $$ = BINARY_MUL; } | "/=" { $$ = BINARY_DIV; }
    | "//=" { $$ = BINARY_FLOOR_DIV; } | "%=" { $$ = BINARY_MOD; } | "@=" { $$ = BINARY_MATMUL; }
    | "^=" { $$ = BINARY_POW; }
    ;

/* ---- expressions ----------------------------------------------------------------------------------------------- */

expr: primary
    | expr '?' expr ':' expr                      { $$ = expr_ternary(parser, @$, $1, @2, $3, $5); }
    | expr "or" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_OR, @2, $3); }
    | expr "and" expr                             { $$ = expr_binary(parser, @$, $1, BINARY_AND, @2, $3); }
    | "not" expr                                  { $$ = expr_unary(parser, @$, UNARY_NOT, @1, $2); }
    | expr "==" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_EQ, @2, $3); }
    | expr "!=" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_NE, @2, $3); }
    | expr '<' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_LT, @2, $3); }
    | expr "<=" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_LE, @2, $3); }
    | expr '>' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_GT, @2, $3); }
    | expr ">=" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_GE, @2, $3); }
    | expr '+' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_ADD, @2, $3); }
    | expr '-' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_SUB, @2, $3); }
    | expr '*' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_MUL, @2, $3); }
    | expr '/' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_DIV, @2, $3); }
    | expr "//" expr                              { $$ = expr_binary(parser, @$, $1, BINARY_FLOOR_DIV, @2, $3); }
    | expr '%' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_MOD, @2, $3); }
    | expr '@' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_MATMUL, @2, $3); }
    | '-' expr %prec SIGN                         { $$ = expr_unary(parser, @$, UNARY_NEGATE, @1, $2); }
    | '+' expr %prec SIGN                         { $$ = expr_unary(parser, @$, UNARY_PLUS, @1, $2); }
    | expr '^' expr                               { $$ = expr_binary(parser, @$, $1, BINARY_POW, @2, $3); }
    ;
primary: NUMBER                                   { $$ = expr_number(parser, $NUMBER); }
    | STRING                                      { $$ = expr_string(parser, $STRING); }
    | "true"                                      { $$ = expr_bool(parser, @$, true); }
    | "false"                                     { $$ = expr_bool(parser, @$, false); }
    | NAME                                        { $$ = expr_name(parser, $NAME); }
    | '(' ')'                                     { $$ = expr_items(parser, @$, EXPR_TUPLE, (ExprList){ 0 }); }
    | '(' exprs ')'                               { $$ = expr_parentheses(parser, @$, $exprs); }
    | '(' exprs ',' ')'                           { $$ = expr_items(parser, @$, EXPR_TUPLE, $exprs); }
    | '[' exprs comma ']'                         { $$ = expr_items(parser, @$, EXPR_TENSOR, $exprs); }
    | '[' expr "for" ranges ']'                   { $$ = expr_comprehension(parser, @$, (Name){ 0 }, $expr, $ranges); }
    | primary "'"                                 { $$ = expr_unary(parser, @$, UNARY_TRANSPOSE, @2, $1); }
    | primary '[' places ']'                      { $$ = expr_index(parser, @$, $1, $places); }
    | callee '(' args ')'                         { $$ = expr_call(parser, @$, $callee, $args); }
    | callee '(' expr "for" ranges ')'            { $$ = expr_comprehension(parser, @$, $callee, $expr, $ranges); }
    ;
callee: NAME | base                               { $$ = base_name(parser, @$, $base); };

exprs: expr                                       { $$ = add_expr(parser, (ExprList){ 0 }, $expr); }
    | exprs ',' expr                              { $$ = add_expr(parser, $1, $expr); }
    ;
args: %empty                                      { $$ = (ArgList){ 0 }; }
    | arg_list comma
    ;
arg_list: arg                                     { $$ = add_arg(parser, (ArgList){ 0 }, $arg); }
    | arg_list ',' arg                            { $$ = add_arg(parser, $1, $arg); }
    ;
arg: expr                                         { $$ = arg(@$, $expr); } | option;
option: NAME ':' expr                             { $$ = (Arg){ $NAME, $expr, @$ }; };
options: option                                   { $$ = add_arg(parser, (ArgList){ 0 }, $option); }
    | options ',' option                          { $$ = add_arg(parser, $1, $option); }
    ;
range: NAME "in" expr ".." expr limit             { $$ = (Range){ $NAME, $3, $5, $limit }; };
limit: %empty                                     { $$ = NULL; }
    | "max_trips" expr                            { $$ = $expr; }
    ;
ranges: range                                     { $$ = add_range(parser, (RangeList){ 0 }, $range); }
    | ranges ',' range                            { $$ = add_range(parser, $1, $range); }
    ;
places: place                                     { $$ = add_index(parser, (IndexList){ 0 }, $place); }
    | places ',' place                            { $$ = add_index(parser, $1, $place); }
    ;
place: expr                                       { $$ = (Index){ .span = @$, .at = $expr }; }
    | opt_expr ':' opt_expr                       { $$ = index_slice(@$, @2, $1, $3, NULL); }
    | opt_expr ':' opt_expr ':' opt_expr          { $$ = index_slice(@$, @2, $1, $3, $5); }
    ;
opt_expr: %empty { $$ = NULL; } | expr;

%%

/* Gathers what would have been right here; src/frontend/parse.c words the message. */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    if (count < 0)
        return count;
    for (int k = 0; k < count; k++)
        names[k] = yysymbol_name(kinds[k]);
    syntax_error(parser, names, count);
    return 0;
}

/* Only called when the parser's stack is full. */
static void adc_error(Span *place, Parser *parser, const char *message)
{
    (void)message;
    (void)place;
    nested_too_deeply(parser, parser->place);
}
