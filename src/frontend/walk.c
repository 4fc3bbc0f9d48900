/* walk.c: visits every expression below a piece of syntax, outer ones first, in the order of the text.
 *
 * The recursion is as deep as the syntax, which the parser bounds. */
#include "elaborate.h"

static void places_walk(const IndexList *places, ExprVisit visit, void *user)
{
    for (int k = 0; k < places->count; k++) {
        const Index *i = &places->at[k];
        expr_walk(i->at, visit, user);
        expr_walk(i->start, visit, user);
        expr_walk(i->stop, visit, user);
        expr_walk(i->step, visit, user);
    }
}

static void range_walk(const Range *r, ExprVisit visit, void *user)
{
    expr_walk(r->begin, visit, user);
    expr_walk(r->end, visit, user);
    expr_walk(r->limit, visit, user);
}

static void list_walk(const ExprList *list, ExprVisit visit, void *user)
{
    for (int k = 0; k < list->count; k++)
        expr_walk(list->at[k], visit, user);
}

static void steps_walk(const Expr *e, ExprVisit visit, void *user)
{
    expr_walk(e->binary.first, visit, user);
    for (int k = 0; k < e->binary.steps.count; k++)
        expr_walk(e->binary.steps.at[k].operand, visit, user);
}

void expr_walk(const Expr *e, ExprVisit visit, void *user)
{
    if (!e)
        return;
    visit(user, e);
    switch (e->kind) {
    case EXPR_NUMBER: case EXPR_BOOL: case EXPR_STRING: case EXPR_NAME:
        break;
    case EXPR_TUPLE: case EXPR_TENSOR:
        list_walk(&e->items, visit, user);
        break;
    case EXPR_UNARY:
        expr_walk(e->unary.operand, visit, user);
        break;
    case EXPR_BINARY:
        steps_walk(e, visit, user);
        break;
    case EXPR_TERNARY:
        expr_walk(e->ternary.condition, visit, user);
        expr_walk(e->ternary.yes, visit, user);
        expr_walk(e->ternary.no, visit, user);
        break;
    case EXPR_INDEX:
        expr_walk(e->index.base, visit, user);
        places_walk(&e->index.places, visit, user);
        break;
    case EXPR_CALL:
        for (int k = 0; k < e->call.args.count; k++)
            expr_walk(e->call.args.at[k].value, visit, user);
        break;
    case EXPR_COMPREHENSION:
        for (int k = 0; k < e->comprehension.ranges.count; k++)
            range_walk(&e->comprehension.ranges.at[k], visit, user);
        expr_walk(e->comprehension.body, visit, user);
        break;
    }
}

static void block_walk(const Block *, ExprVisit, void *user);

static void stmt_walk(const Stmt *s, ExprVisit visit, void *user)
{
    switch (s->kind) {
    case STMT_BIND:
        expr_walk(s->bind.value, visit, user);
        break;
    case STMT_ASSIGN:
        places_walk(&s->assign.places, visit, user);
        expr_walk(s->assign.value, visit, user);
        break;
    case STMT_FOR:
        range_walk(&s->loop.range, visit, user);
        expr_walk(s->loop.checkpoint, visit, user);
        block_walk(&s->loop.body, visit, user);
        break;
    case STMT_WHILE:
        expr_walk(s->while_loop.condition, visit, user);
        expr_walk(s->while_loop.max_trips, visit, user);
        block_walk(&s->while_loop.body, visit, user);
        break;
    case STMT_IF:
        expr_walk(s->branch.condition, visit, user);
        block_walk(&s->branch.yes, visit, user);
        block_walk(&s->branch.no, visit, user);
        break;
    }
}

static void block_walk(const Block *block, ExprVisit visit, void *user)
{
    for (int k = 0; k < block->stmts.count; k++)
        stmt_walk(block->stmts.at[k], visit, user);
}

void function_walk(const Decl *d, ExprVisit visit, void *user)
{
    for (int k = 0; k < d->fn.options.count; k++)
        expr_walk(d->fn.options.at[k].value, visit, user);
    expr_walk(d->fn.value, visit, user);
    block_walk(&d->fn.body, visit, user);
}
