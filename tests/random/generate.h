/* generate.h: inside the generator of random programs: what its files share. */
#ifndef GENERATE_H
#define GENERATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { NAMES = 64, DEPTH = 3 };
typedef enum { SCALAR, VECTOR, MATRIX, INDEX, KINDS } Kind;

typedef struct { Kind kind; int number; bool is_mut; int most; } Variable;     /* most: of an index */
extern Variable variables[NAMES];
extern int variable_count, next_number, budget;
extern int orders;                                          /* of the derivatives within this function, added up */
extern int N;                                               /* the size of vectors and matrices of this function */
extern const char prefix[];                                /* of names, by kind */
extern uint64_t state;                                      /* of what is drawn */

/* names.c */
int pick(int count);
bool chance(int percent);
void put_name(const Variable *);
Variable *declare(Kind, bool is_mut, int most);
Variable *find(Kind, bool is_mut);                          /* NULL: there is none */
/* expressions.c and statements.c */
void put_index(void);
int put_end(void);
void condition(int depth);
void part(void);
void form(const char *text, int depth);
void scalar(int depth);
void vector(int depth);
void for_loop(int level);
void derivative(int level);
void block(int level);

#endif
