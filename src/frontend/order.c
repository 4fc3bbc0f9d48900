/* order.c: who calls whom: callees first, recursion refused with its circle.
 *
 * The walk keeps its own stack: a chain of calls may be as long as the program. */
#include "elaborate.h"

enum { ORDER_NEW, ORDER_OPEN, ORDER_DONE };

/* ---- calls of one function --------------------------------------------------------------------------------------- */
typedef struct { Env *env; Function *caller; } CallScan;

static void add_callee(void *user, const Expr *e)
{
    CallScan *scan = user;
    Function *callee = e->kind == EXPR_CALL ? map_get(scan->env->functions, e->call.callee.text) : NULL;
    if (!callee)
        return;
    callee->is_called |= callee != scan->caller;
    vec_push(scan->env->ctx->arena, &scan->caller->callees, ((Callee){ callee, e->call.callee.span }));
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */
typedef struct { Function *function; int next; } Open;
typedef struct { Env *env; Vec(Open) stack; FunctionList *out; } Walk;

static void open_function(Walk *w, Function *f)
{
    f->order_state = ORDER_OPEN;
    vec_push(w->env->ctx->scratch, &w->stack, ((Open){ f, 0 }));
}

/* The last call closes a circle with the functions that are open from the callee on. */
static void refuse_recursion(Walk *w, const Callee *call)
{
    Context *ctx = w->env->ctx;
    Text chain = { .arena = ctx->arena };
    int first = w->stack.count - 1;
    while (w->stack.at[first].function != call->function)
        first--;
    for (int k = first; k < w->stack.count; k++) {
        w->stack.at[k].function->failed = true;
        text_printf(&chain, "%s%s", k > first ? " calls " : "", w->stack.at[k].function->name);
    }
    error_at(ctx, call->span, "recursion: %s calls %s", chain.text, call->function->name);
    note_at(ctx, call->function->decl->name.span, "'%s' is declared here", call->function->name);
}

static void advance(Walk *w)
{
    Open *top = &w->stack.at[w->stack.count - 1];
    if (top->next == top->function->callees.count) {
        top->function->order_state = ORDER_DONE;
        vec_push(w->env->ctx->arena, w->out, top->function);
        w->stack.count--;
        return;
    }
    const Callee *call = &top->function->callees.at[top->next++];
    if (call->function->order_state == ORDER_NEW)
        open_function(w, call->function);
    else if (call->function->order_state == ORDER_OPEN)
        refuse_recursion(w, call);
}

void functions_order(Env *env, FunctionList *out)
{
    Walk w = { .env = env, .out = out };
    ArenaMark mark = arena_mark(env->ctx->scratch);
    for (int k = 0; k < map_count(env->functions); k++) {
        CallScan scan = { env, map_value(env->functions, k) };
        function_walk(scan.caller->decl, add_callee, &scan);
    }
    for (int k = 0; k < map_count(env->functions); k++) {
        Function *f = map_value(env->functions, k);
        if (f->order_state == ORDER_NEW)
            open_function(&w, f);
        while (w.stack.count)
            advance(&w);
    }
    arena_release(env->ctx->scratch, mark);
}
