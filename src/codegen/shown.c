/* shown.c: which rows of a stack anybody sees.
 *
 * A loop that takes fewer trips than it might leaves rows of its stacks unused; they are 0 where somebody sees them.  What a
 * derivative keeps of each trip is read by a loop that takes as many trips, row by row, and needs no zeros.  With loops in loops
 * such a stack is itself a row of a stack, and the trips may depend on which row it is: so the reader's trips are compared with
 * those of the loop, where the counters of the loops around it stand for the rows that the reader takes. */
#include "loop.h"

enum { LEVELS_MOST = 8, STEPS_MOST = 20000 };

typedef struct Scope { const Node *region; int side; const struct Scope *outer; } Scope;   /* region NULL: the function */
typedef struct { const Node *node; const Scope *scope; } Value;
/* A loop, and for those around it the row of their stack that is looked at. */
typedef struct { const Node *loop; const Scope *at, *inside; Value row; } Level;

typedef struct {
    Context *ctx;
    const Fn *fn;
    Level levels[LEVELS_MOST];                              /* the innermost is the one whose stack it is */
    int count;
    int64_t steps;                                          /* that are left */
} Shown;

static const Fn *scope_fn(const Shown *s, const Scope *scope)
{
    return scope->region ? scope->region->body[scope->side] : s->fn;
}

static bool same_scope(const Scope *a, const Scope *b)
{
    while (a != b && a && b && a->region == b->region && a->side == b->side) {
        a = a->outer;
        b = b->outer;
    }
    return a == b;
}

static int capture_of(const Scope *scope, const Node *n)
{
    const Fn *fn = scope->region->body[scope->side];
    int own = region_own_count(scope->region);
    for (int k = own; k < fn->params.count; k++)
        if (fn->params.at[k].node == n)
            return region_leading_count(scope->region) + k - own;
    return -1;
}

/* What a captured value is where it was made. */
static Value resolve(Value v)
{
    while (v.node->op == OP_param && v.scope->region) {
        int operand = capture_of(v.scope, v.node);
        if (operand < 0)
            break;
        v = (Value){ v.scope->region->operands[operand], v.scope->outer };
    }
    return v;
}

static bool is_same(Value a, Value b)
{
    a = resolve(a);
    b = resolve(b);
    return a.node == b.node && (a.node->closed || same_scope(a.scope, b.scope));
}

static bool is_index(const Scope *scope, const Node *n)
{
    return scope->region && scope->region->op != OP_branch && scope->region->body[0]->params.at[0].node == n;
}

/* ---- trips --------------------------------------------------------------------------------------------------------- */
/* n is what the loop yields as its trips, or the given node. */
static bool is_wanted(const Shown *s, const Node *wanted, const Node *n)
{
    const Node *loop = s->levels[0].loop;
    return wanted ? n == wanted
                  : n->op == OP_result && n->operands[0] == loop && n->attr[0] == region_result_count(loop) - 1;
}

/* Is b the row, of a stack of the loop at `level`, that keeps the wanted value? */
static bool is_kept(const Shown *s, int level, const Node *wanted, Value b)
{
    int top = level;
    for (; top < s->count; top++) {
        b = resolve(b);
        if (b.node->op != OP_index || b.node->operand_count != 2 || !s->levels[top].row.node
            || !is_same((Value){ b.node->operands[1], b.scope }, s->levels[top].row))
            break;
        b.node = b.node->operands[0];
    }
    b = resolve(b);
    const Node *n = b.node;
    if (top == level || !same_scope(b.scope, s->levels[top - 1].at))
        return false;
    for (int k = top - 1; k >= level; k--) {
        const Node *loop = s->levels[k].loop;
        if (n->op != OP_result || n->operands[0] != loop || n->attr[0] < loop->attr[1]
            || n->attr[0] + (loop->op == OP_while_loop) >= loop->body[0]->results.count)
            return false;
        n = loop->body[0]->results.at[n->attr[0] + (loop->op == OP_while_loop)].node;
    }
    return is_wanted(s, wanted, n);
}

/* Does the reader's b have the value that a has in the loops around? */
static bool matches(Shown *s, Value a, Value b)
{
    if (s->steps-- <= 0)
        return false;
    a = resolve(a);
    b = resolve(b);
    if (is_same(a, b))
        return true;
    for (int k = 1; k < s->count; k++) {
        if (!same_scope(a.scope, s->levels[k].inside))
            continue;
        if (is_index(a.scope, a.node))
            return s->levels[k].row.node && is_same(s->levels[k].row, b);
        if (is_kept(s, k, a.node, b))
            return true;
    }
    if (op_info[a.node->op].class != CLASS_ELEMENTWISE || a.node->op != b.node->op || a.node->type != b.node->type)
        return false;
    bool all = true;
    for (int k = 0; k < a.node->operand_count && all; k++)
        all = matches(s, (Value){ a.node->operands[k], a.scope }, (Value){ b.node->operands[k], b.scope });
    return all;
}

static bool are_trips(Shown *s, Value b)
{
    const Level *l = &s->levels[0];
    b = resolve(b);
    if (b.node->op == OP_min && b.node->operands[1]->op == OP_constant && b.node->operands[1]->data[0] >= (double)l->loop->attr[0])
        b = resolve((Value){ b.node->operands[0], b.scope });
    if (l->loop->op == OP_loop)
        return matches(s, (Value){ l->loop->operands[0], l->at }, b);
    if (is_wanted(s, NULL, b.node))
        return same_scope(b.scope, l->at);
    return s->count > 1 && is_kept(s, 1, NULL, b);
}

/* A number of a trip of a loop that takes as many, counted from the first or from the last. */
static bool is_row_taken(Shown *s, Value row)
{
    row = resolve(row);
    const Node *reader = row.scope->region, *n = row.node;
    if (!reader || reader->op != OP_loop || reader->attr[0] != s->levels[0].loop->attr[0]
        || !are_trips(s, (Value){ reader->operands[0], row.scope->outer }))
        return false;
    if (is_index(row.scope, n))
        return true;
    if (n->op != OP_sub || !is_index(row.scope, n->operands[1]))
        return false;
    Value last = resolve((Value){ n->operands[0], row.scope });
    return last.node->op == OP_sub && last.node->operands[1]->op == OP_constant && last.node->operands[1]->data[0] == 1
        && are_trips(s, (Value){ last.node->operands[0], last.scope });
}

/* ---- uses ---------------------------------------------------------------------------------------------------------- */
static bool is_read_by_rows(Shown *s, int level, const Node *v, const Scope *scope);

static bool use_is_good(Shown *s, int level, const Scope *scope, const Node *n, int operand)
{
    if (node_is_region(n)) {
        const Node *v = n->operands[operand];
        bool copied = v->op == OP_index && v->type->count <= SMALL_COUNT;       /* element by element, for the body */
        bool good = operand >= region_leading_count(n) && !copied;
        for (int side = 0; side < 2 && n->body[side] && good; side++) {
            Scope *inside = NEW(s->ctx->scratch, Scope);
            *inside = (Scope){ n, side, scope };
            int param = region_own_count(n) + operand - region_leading_count(n);
            good = is_read_by_rows(s, level, n->body[side]->params.at[param].node, inside);
        }
        return good;
    }
    if (n->op != OP_index || operand > 0 || n->operand_count != 2 || n->operands[1]->type->rank > 0)
        return false;
    if (level == 0)
        return is_row_taken(s, (Value){ n->operands[1], scope });
    s->levels[level].row = (Value){ n->operands[1], scope };
    bool good = is_read_by_rows(s, level - 1, n, scope);
    s->levels[level].row = (Value){ NULL, NULL };
    return good;
}

/* A result is the business of the caller, but for that of a reader. */
static bool uses_are_good(Shown *s, int level, const Node *v, const Scope *scope)
{
    NodeList nodes = { 0 };
    bool good = true;
    fn_nodes(s->ctx, scope_fn(s, scope), s->ctx->scratch, &nodes);
    s->steps -= nodes.count;
    for (int k = 0; k < nodes.count && good; k++)
        for (int i = 0; i < nodes.at[k]->operand_count && good; i++)
            if (nodes.at[k]->operands[i] == v)
                good = s->steps > 0 && use_is_good(s, level, scope, nodes.at[k], i);
    return good;
}

/* v is a row of the stack of the loop at `level` + 1, or a whole one. */
static bool is_read_by_rows(Shown *s, int level, const Node *v, const Scope *scope)
{
    const Fn *fn = scope_fn(s, scope);
    for (int k = 0; k < fn->results.count; k++)
        if (fn->results.at[k].node == v)
            return false;
    return uses_are_good(s, level, v, scope);
}

/* The value of the loop around whose rows v is; NULL: several, or not of a stack. */
static const Node *stack_of(Shown *s, const Node *v, const Scope *scope, bool *good)
{
    const Node *loop = scope->region, *found = NULL;
    int which = -1, first = loop && loop->op == OP_while_loop;
    const Fn *fn = scope_fn(s, scope);
    for (int k = 0; k < fn->results.count; k++)
        if (fn->results.at[k].node == v) {
            *good &= which < 0 && loop && loop->op != OP_branch && k - first >= loop->attr[1];
            which = k - first;
        }
    if (which < 0 || !*good)
        return NULL;
    NodeList nodes = { 0 };
    fn_nodes(s->ctx, scope_fn(s, scope->outer), s->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        if (nodes.at[k]->op == OP_result && nodes.at[k]->operands[0] == loop && nodes.at[k]->attr[0] == which)
            found = nodes.at[k];
    return found;
}

static const Scope *scope_of(Context *ctx, const Lowering *lower)
{
    Scope *scope = NEW(ctx->scratch, Scope);
    if (lower->outer) {
        const Node *region = lower->region->node;
        *scope = (Scope){ region, lower->region->body[1] == lower, scope_of(ctx, lower->outer) };
    }
    return scope;
}

bool shown_are_rows_taken(const Lowering *lower, const Node *loop, const Node *stack)
{
    Context *ctx = lower->ctx;
    ArenaMark mark = arena_mark(ctx->scratch);
    const Lowering *function = lower;
    while (function->outer)
        function = function->outer;
    const Scope *scope = scope_of(ctx, lower);
    Shown s = { .ctx = ctx, .fn = function->fn, .levels = { { .loop = loop, .at = scope } }, .count = 1, .steps = STEPS_MOST };
    bool good = true;
    for (const Node *v = stack; v && good; scope = scope->outer) {
        good = uses_are_good(&s, s.count - 1, v, scope);
        v = good ? stack_of(&s, v, scope, &good) : NULL;
        good &= !v || (s.count < LEVELS_MOST && stack->type->elem != ELEM_BOOL);    /* a bool that is copied must be one */
        if (v && good)
            s.levels[s.count++] = (Level){ .loop = scope->region, .at = scope->outer, .inside = scope };
    }
    arena_release(ctx->scratch, mark);
    return good;
}
