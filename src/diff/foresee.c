/* foresee.c: which carries of a loop will have a tangent.
 *
 * A carry has one when its init has, or when one flows into it.  A sweep finds that out, but a sweep for every carry that is
 * found is too much where loops are nested: each level would double the work of those within.  So it is foreseen from
 * what depends on what.  Where a dependence carries no derivative after all, the sweeps have to find out. */
#include "region.h"

typedef struct {
    const Body *body;
    NodeList nodes;
    bool *active;
    Map *slopes;                                            /* value of a region -> per operand of that: a derivative may flow */
} Foresight;

/* ---- through regions --------------------------------------------------------------------------------------------- */
typedef struct { Foresight *f; Map *seen; NodeList stack; } Search;

static void look_at(Search *s, Node *n)
{
    if (n->type->elem != ELEM_REAL || map_get(s->seen, n))
        return;
    map_put(s->seen, n, n);
    vec_push(s->f->body->ctx->scratch, &s->stack, n);
}

static const bool *slopes_of(Foresight *f, const Node *result);

/* All that n has a derivative by; what a carry is computed from belongs to the carry. */
static void search(Search *s, const Node *region)
{
    int own = region_own_count(region), first = region->op == OP_while_loop;
    while (s->stack.count) {
        const Node *n = s->stack.at[--s->stack.count], *reader = n->op == OP_result ? n->operands[0] : n;
        const bool *slopes = n->op == OP_result ? slopes_of(s->f, n) : NULL;
        for (int i = 0; i < reader->operand_count; i++)
            if (slopes ? slopes[i] : operand_carries(n, i))
                look_at(s, reader->operands[i]);
        for (int k = 1; n->op == OP_param && k < own; k++)
            if (region->body[0]->params.at[k].node == n)
                look_at(s, region->body[0]->results.at[first + k - 1].node);
    }
}

static const bool *slopes_of(Foresight *f, const Node *result)
{
    const Node *region = result->operands[0];
    int own = region_own_count(region), leading = region_leading_count(region), value = (int)result->attr[0];
    bool *slopes = map_get(f->slopes, result);
    if (slopes)
        return slopes;
    Search s = { .f = f, .seen = map_new(f->body->ctx->scratch) };
    map_put(f->slopes, result, slopes = NEW_ARRAY(f->body->ctx->scratch, bool, region->operand_count + 1));
    for (int b = 0; b < 2 && region->body[b]; b++)
        look_at(&s, region->body[b]->results.at[(region->op == OP_while_loop) + value].node);
    search(&s, region);
    for (int k = 1; k < own; k++)
        slopes[leading - own + k] = value == k - 1 || map_get(s.seen, region->body[0]->params.at[k].node);
    for (int k = leading; k < region->operand_count; k++)
        for (int b = 0; b < 2 && region->body[b]; b++)
            slopes[k] |= map_get(s.seen, region->body[b]->params.at[own + k - leading].node) != NULL;
    return slopes;
}

/* ---- in the body ------------------------------------------------------------------------------------------------- */

static bool is_active(const Foresight *f, const Node *n) { return f->active[node_place(&f->nodes, n)]; }

static bool gets_tangent(Foresight *f, const Node *n)
{
    const Node *reader = n->op == OP_result ? n->operands[0] : n;
    const bool *slopes = n->op == OP_result && n->type->elem == ELEM_REAL ? slopes_of(f, n) : NULL;
    for (int i = 0; n->type->elem == ELEM_REAL && i < reader->operand_count; i++)
        if ((slopes ? slopes[i] : operand_carries(n, i)) && is_active(f, reader->operands[i]))
            return true;
    return false;
}

/* True: some carry has been found that has not been known to have one. */
static bool find_more(Foresight *f, bool *carries, const bool *captures)
{
    const Body *b = f->body;
    bool more = false;
    for (int i = 0; i < b->carries + b->captures; i++) {
        int place = node_place(&f->nodes, i < b->carries ? b->carry[i] : b->capture[i - b->carries]);
        if (place >= 0)
            f->active[place] = i < b->carries ? carries[i] : captures[i - b->carries];
    }
    for (int k = 0; k < f->nodes.count; k++)
        if (f->nodes.at[k]->op != OP_param)
            f->active[k] = gets_tangent(f, f->nodes.at[k]);
    for (int k = 0; k < b->carries; k++) {
        bool found = is_active(f, b->values[0][k]) && !carries[k];
        carries[k] |= found;
        more |= found;
    }
    return more;
}

void body_foresee(const Body *b, bool *carries, const bool *captures)
{
    Context *ctx = b->ctx;
    ArenaMark mark = arena_mark(ctx->scratch);
    Foresight f = { .body = b, .slopes = map_new(ctx->scratch) };
    nodes_reaching(ctx, b->values[0], b->carries, ctx->scratch, &f.nodes);
    f.active = NEW_ARRAY(ctx->scratch, bool, f.nodes.count + 1);
    while (find_more(&f, carries, captures))
        ;
    arena_release(ctx->scratch, mark);
}
