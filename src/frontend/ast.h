/* ast.h: a parsed source text: declarations, statements and expressions, and the calls that make them from text.
 *
 * The tree says what was written and nothing more: names are not resolved, constants not folded, `a = e;` is one node
 * whether it binds a new name or assigns a mut.  Nodes live in ctx->trees, are made once and never shared.  Every
 * node carries the span it was read from.
 *
 * Recursion over a tree is safe: an Expr is at most MAX_DEPTH deep and a Stmt at most MAX_NESTING (deeper input was
 * refused), because a chain such as `a + b - c + ...` of any length is one EXPR_BINARY with a list of steps. */
#ifndef ADC_AST_H
#define ADC_AST_H

#include "../adc.h"

enum {
    MAX_NESTING = 1000,                                     /* of brackets and blocks */
    MAX_DEPTH = 1000,                                       /* of an expression tree */
};

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Decl Decl;

/* ---- pieces ---------------------------------------------------------------------------------------------------- */
typedef struct { Str text; Span span; } Name;               /* text NULL: there is none */
typedef Vec(Name) NameList;
typedef Vec(Expr *) ExprList;

typedef struct { Name name; Expr *value; Span span; } Arg;  /* `value` (name.text is NULL), or `name: value` */
typedef Vec(Arg) ArgList;                                   /* the ones without a name come first */

/* `index in begin..end`, half open, at most `limit` values; limit NULL: none given */
typedef struct { Name index; Expr *begin, *end, *limit; } Range;
typedef Vec(Range) RangeList;

typedef struct {                                            /* one place between the brackets of x[...] */
    Span span;
    bool is_slice;
    Expr *at;                                               /* not a slice: the index */
    Expr *start, *stop, *step;                              /* a slice: each NULL when left out; `:` has none */
} Index;
typedef Vec(Index) IndexList;

typedef enum { BASE_REAL, BASE_INT, BASE_BOOL } BaseType;
typedef struct { Span span; BaseType base; ExprList dims; } TypeExpr;   /* a scalar has no dims */

/* X(enumerator, spelling, name of the op) */
#define BINARY_OPERATORS(X) \
    X(BINARY_ADD, "+", "add") X(BINARY_SUB, "-", "sub") X(BINARY_MUL, "*", "mul") X(BINARY_DIV, "/", "div") \
    X(BINARY_FLOOR_DIV, "//", "floor_div") X(BINARY_MOD, "%", "mod") X(BINARY_MATMUL, "@", "matmul") \
    X(BINARY_POW, "^", "pow") \
    X(BINARY_EQ, "==", "eq") X(BINARY_NE, "!=", "ne") X(BINARY_LT, "<", "lt") X(BINARY_LE, "<=", "le") \
    X(BINARY_GT, ">", "gt") X(BINARY_GE, ">=", "ge") X(BINARY_AND, "and", "and") X(BINARY_OR, "or", "or")
#define ENUMERATOR(enumerator, spelling, op) enumerator,
typedef enum { BINARY_OPERATORS(ENUMERATOR) BINARY_COUNT, BINARY_NONE = BINARY_COUNT } BinaryOperator;
#undef ENUMERATOR
typedef enum { UNARY_NEGATE, UNARY_PLUS, UNARY_NOT, UNARY_TRANSPOSE } UnaryOperator;

const char *binary_spelling(BinaryOperator);                /* "+" */
const char *binary_op_name(BinaryOperator);                 /* "add" */

typedef struct { BinaryOperator operator; Span span; Expr *operand; } Step;     /* span: of the operator sign alone */
typedef Vec(Step) StepList;

/* ---- expressions ----------------------------------------------------------------------------------------------- */
typedef enum {
    EXPR_NUMBER,                                            /* 64, 1.5e-3: never negative */
    EXPR_BOOL,                                              /* true, false */
    EXPR_STRING,                                            /* "ij,jk->ik" */
    EXPR_NAME,                                              /* also pi, inf, nan, and words such as `mean`, `all` */
    EXPR_TUPLE,                                             /* (), (a,), (a, b); a mere (a) leaves no node */
    EXPR_TENSOR,                                            /* [a, b]: at least one item */
    EXPR_UNARY,                                             /* -a, +a, not a, a' */
    EXPR_BINARY,                                            /* first op a op b ...: steps apply from left to right */
    EXPR_TERNARY,                                           /* c ? a : b */
    EXPR_INDEX,                                             /* x[i, a:b:s, :] */
    EXPR_CALL,                                              /* f(a, b, option: value); `real(x)` is a call of "real" */
    EXPR_COMPREHENSION,                                     /* [e for i in a..b, ...], or sum(e for i in a..b, ...) */
} ExprKind;

struct Expr {
    ExprKind kind;
    int depth;                                              /* 1 for a leaf */
    Span span;
    union {
        struct { Str text; bool is_integer; int64_t integer; double real; } number;     /* real: always set */
        bool truth;
        Str string;                                         /* without the quotes */
        Str name;
        ExprList items;                                     /* EXPR_TUPLE, EXPR_TENSOR */
        struct { UnaryOperator operator; Span span; Expr *operand; } unary;             /* span: of the sign alone */
        struct { Expr *first; StepList steps; } binary;     /* ((first op operand) op operand) ...; at least one step */
        struct { Expr *condition, *yes, *no; Span span; } ternary;                      /* span: of the `?` */
        struct { Expr *base; IndexList places; } index;
        struct { Name callee; ArgList args; } call;
        struct { Name reduction; Expr *body; RangeList ranges; } comprehension;         /* no name: an array */
    };
};

/* ---- statements ------------------------------------------------------------------------------------------------ */
typedef struct { Span span; int depth; Vec(Stmt *) stmts; } Block;                      /* span: with the braces */

typedef enum {
    STMT_BIND,                                              /* names = e;  name: type = e;  mut name = e; */
    STMT_ASSIGN,                                            /* name op= e;  name[places] = e;  name[places] op= e; */
    STMT_FOR, STMT_WHILE, STMT_IF,
} StmtKind;

struct Stmt {
    StmtKind kind;
    int depth;                                              /* 1 + the deepest block in it */
    Span span;
    union {
        /* one untyped name without `mut` may also assign to an existing mut; the name `_` ignores a result */
        struct { bool is_mut; NameList names; TypeExpr *type; Expr *value; } bind;      /* type NULL: none given */
        /* without places the operator is never BINARY_NONE */
        struct { Name name; IndexList places; BinaryOperator operator; Span operator_span; Expr *value; } assign;
        struct { Range range; Expr *checkpoint; Block body; } loop;                     /* checkpoint NULL: none */
        struct { Expr *condition, *max_trips; Block body; } while_loop;
        struct { Expr *condition; Block yes, no; bool has_no; } branch;                 /* `else if`: an if in no */
    };
};

/* ---- declarations ---------------------------------------------------------------------------------------------- */
typedef struct { Name name; bool is_param; TypeExpr *type; Span span; } ParamDecl;      /* type NULL: prelude only */
typedef Vec(ParamDecl) ParamList;

typedef enum {
    DECL_CONST, DECL_FN, DECL_EXTERN, DECL_IMPORT, DECL_DERIVATIVE, DECL_EXPORT, DECL_TEST,
} DeclKind;

struct Decl {
    DeclKind kind;
    Span span;
    Name name;                                              /* import: the path.  export: names.at[0] */
    union {
        struct { TypeExpr *type; Expr *value; } constant;   /* type NULL: none given */
        struct {                                            /* DECL_FN, DECL_EXTERN */
            NameList dims;                                  /* the dimension variables of a generic function */
            ParamList params;
            ArgList options;                                /* prelude only: `; axis: all, keepdim: false` */
            ParamList results;                              /* never empty; called `value` where no name was written */
            Expr *value;                                    /* short form; else NULL */
            Block body;                                     /* long form */
        } fn;
        struct { NameList args; ExprList partials; } derivative;
        /* transform: EXPR_NAME f, or EXPR_CALL of a transform whose one unnamed arg is a transform again */
        struct { NameList names; Expr *transform; NameList selection; bool has_selection; } export;
        /* results: all with names, or one without; within NULL: not given */
        struct { ArgList args, results; Expr *within; } test;
    };
};

typedef struct { const Source *source; Vec(Decl *) decls; } ParsedFile;         /* an import is a decl still */

/* ---- parse.c: text to tree ----------------------------------------------------------------------------------------
 * Each reports every error it finds.  The result may be partial, or NULL, when error_count grew.  `prelude` also
 * accepts parameters without a type, options of a function, and a function without a result type. */
ParsedFile *parse_program(Context *, const Source *, bool prelude);
Expr *parse_expression(Context *, const Source *);
Decl *parse_export(Context *, const Source *);              /* `g = grad(f, wrt: x)`: an export without word and `;` */

/* The double nearest to the decimal number that `text` is, in every locale. */
double real_of_text(const char *text);

#endif
