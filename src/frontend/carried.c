/* carried.c: a derivative within the body of a loop, by a value from outside, sees one trip.
 *
 * What it is of must not reach that value through earlier trips, that is through a carried value: the derivative would be
 * a part of what the reader expects, silently. */
#include "elaborate.h"

typedef struct {
    Frame *frame;
    const LoopParts *loop;
    NodeList nodes;                                         /* what results, condition and inits reach */
    bool *depends;                                          /* by id: on the value that is looked at */
    bool *carried;                                          /* by id: on a carry that depends on it */
} Scan;

static bool is_before(const Scan *s, const Node *n) { return n->id < s->loop->index->id; }

/* ---- dependence ------------------------------------------------------------------------------------------------------ */
static void mark(Scan *s, bool *flags, const bool *from)
{
    for (int k = 0; k < s->nodes.count; k++) {
        const Node *n = s->nodes.at[k];
        for (int i = 0; i < n->operand_count; i++)
            flags[n->id] |= from[n->operands[i]->id] || flags[n->operands[i]->id];
    }
}

/* Which carries depend on x, over any number of trips; the name of one of them, or NULL. */
static void find_carried(Scan *s, const Node *x)
{
    Context *ctx = s->frame->env->ctx;
    const LoopParts *p = s->loop;
    int count = graph_node_count(ctx);
    s->depends = NEW_ARRAY(ctx->scratch, bool, count);
    s->carried = NEW_ARRAY(ctx->scratch, bool, count);
    s->depends[x->id] = true;
    for (bool grows = true; grows;) {
        grows = false;
        mark(s, s->depends, s->depends);
        for (int k = 0; k < p->carry_count; k++)
            if (!s->carried[p->carries[k]->id] && (s->depends[p->inits[k]->id] || s->depends[p->results[k]->id])) {
                s->carried[p->carries[k]->id] = s->depends[p->carries[k]->id] = grows = true;
            }
    }
    mark(s, s->carried, s->carried);
}

static const Node *guilty_carry(const Scan *s, Node *operand)
{
    Context *ctx = s->frame->env->ctx;
    NodeList nodes = { 0 };
    const Node *found = NULL;
    nodes_reaching(ctx, &operand, 1, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        for (int i = 0; i < s->loop->carry_count; i++)
            if (nodes.at[k] == s->loop->carries[i] && s->carried[nodes.at[k]->id])
                found = nodes.at[k];
    return found;
}

static const char *name_of(const Node *n)
{
    return n->origin.name ? n->origin.name : "the value";
}

static bool check_node(Scan *s, const Node *n, const bool *by)
{
    for (int k = 0; k < n->operand_count; k++) {
        if (!by[k] || !is_before(s, n->operands[k]))
            continue;
        find_carried(s, n->operands[k]);
        for (int i = 0; i < n->operand_count; i++) {
            if (!s->carried[n->operands[i]->id])
                continue;
            const Node *carry = guilty_carry(s, n->operands[i]);
            fail(s->frame, n->origin.span, "'%s' is carried from trip to trip and depends on '%s', so this derivative would "
                 "leave out what earlier trips contribute", name_of(carry), name_of(n->operands[k]));
            note(s->frame, carry->origin.span, "'%s' is declared here; differentiate after the loop, or by a name that is "
                 "bound within it", name_of(carry));
            return false;
        }
    }
    return true;
}

bool check_carried_derivatives(Frame *frame, const LoopParts *p)
{
    Context *ctx = frame->env->ctx;
    Scan s = { .frame = frame, .loop = p };
    bool good = true;
    Vec(Node *) roots = { 0 };
    ArenaMark arena = arena_mark(ctx->scratch);
    for (int k = 0; k < p->carry_count; k++) {
        vec_push(ctx->scratch, &roots, p->inits[k]);
        vec_push(ctx->scratch, &roots, p->results[k]);
    }
    if (p->condition)
        vec_push(ctx->scratch, &roots, p->condition);
    nodes_reaching(ctx, roots.at, roots.count, ctx->scratch, &s.nodes);
    for (int k = 0; good && k < s.nodes.count; k++) {
        const Node *n = s.nodes.at[k];
        bool *by = NEW_ARRAY(ctx->scratch, bool, n->operand_count + 1);
        if (!is_before(&s, n) && op_info[n->op].class == CLASS_LEAF && node_find_by(ctx, n, by))
            good = check_node(&s, n, by);
    }
    arena_release(ctx->scratch, arena);
    return good;
}
