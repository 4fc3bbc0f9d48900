/* print.h: inside the printer: what its files share. */
#ifndef ADC_PRINT_H
#define ADC_PRINT_H

#include "ir.h"

/* Names are unique in a whole function, bodies included: the language has no shadowing. */
typedef struct PrintNames {
    Map *taken;
    int number;
    Str stem;                                               /* the function's name */
    Text *helpers;                                          /* functions that the text needs, before it */
    int helper_count;
} PrintNames;

/* One function, or one body of a region.  One line is one node: its name, and an expression in names and scalar constants; a
 * region is a block of lines, and its values have the names of muts. */
typedef struct Printer {
    Context *ctx;
    const Fn *fn;
    Text *out;
    PrintNames *names;
    int indent;
    bool by_need;                                           /* lines stand in the order in which the results need them */
    bool *differentiated;                                   /* by id: a bind that a derivative is taken by */
    bool *has_line;                                         /* by id */
    bool *open;                                             /* by id: depends on a param or a bind */
    Str *name;                                              /* by id: of params, lines and values of regions */
    NodeList nodes, lines;                                  /* lines: in the order they are printed */
    Map *values;                                            /* region -> the names of its values */
} Printer;

/* print.c */
Printer print_scope(Context *, const Fn *, Text *out, PrintNames *, int indent);    /* the params have no names yet */
void print_prepare(Printer *);                              /* names all lines */
void print_lines(Printer *);
void print_function(Context *, const Fn *, Text *out, PrintNames *, bool by_need);
Str print_take_name(Printer *, Str wanted, const char *otherwise);  /* a free name like it */
Str print_name_stem(Context *, Str name);                    /* without a number at its end */
void print_indent(Printer *);

/* print_region.c */
void print_name_values(Printer *, const Node *region, bool by_number);
void print_region(Printer *, const Node *region);

/* print_expression.c */
const Node *print_shown(const Printer *, const Node *line); /* the node whose op stands on the line: a bind's operand */
/* What the text names for an operand: through binds that nothing is differentiated by, and through broadcasting. */
const Node *print_operand(const Printer *, const Node *shown, int k);
int print_first_operand(const Node *shown);                 /* those before it are not in the text */
bool print_needs_name(const Node *, int k);                 /* of or by: the text must name it, be it a constant */
bool print_is_inline(const Node *);                         /* a scalar constant: written where it is used */
const Node *print_resolve(const Printer *, const Node *);
void print_reference(Printer *, const Node *, bool in_infix);
void print_expression(Printer *, const Node *line);

#endif
