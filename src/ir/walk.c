/* walk.c: walks and substitution within bodies under construction.
 *
 * A set bounds what is looked into, so that the work is that of the body and not of everything it reads. */
#include "graph.h"

#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
    int x = (*(Node *const *)a)->id, y = (*(Node *const *)b)->id;
    return (x > y) - (x < y);
}

BodyWalk body_walk(Context *ctx, Node *const *roots, int count, const NodeSet *from, const Map *ends)
{
    BodyWalk w = { .place = map_new(ctx->scratch) };
    NodeList stack = { 0 };
    for (int k = 0; k < count; k++)
        vec_push(ctx->scratch, &stack, roots[k]);
    while (stack.count) {
        Node *n = stack.at[--stack.count];
        if (map_get(w.place, n))
            continue;
        map_put(w.place, n, n);
        vec_push(ctx->scratch, &w.nodes, n);
        bool stays = set_has(from, n) || node_is_carried_view(n) || n->op == OP_expand;
        if (!stays || (ends && map_get(ends, n)))
            continue;
        for (int k = 0; k < n->operand_count; k++)
            if (!map_get(w.place, n->operands[k]))
                vec_push(ctx->scratch, &stack, n->operands[k]);
    }
    if (w.nodes.count)
        qsort(w.nodes.at, (size_t)w.nodes.count, sizeof *w.nodes.at, by_id);
    for (int k = 0; k < w.nodes.count; k++)
        map_put(w.place, w.nodes.at[k], (void *)(intptr_t)(k + 1));
    return w;
}

/* ---- substitution ------------------------------------------------------------------------------------------------ */
typedef struct {
    Context *ctx;
    BodyWalk walk;
    Node **new_of;                                          /* by place; NULL for regions that were made again */
    Node ***values;                                         /* by place: of regions that were made again */
} Substitution;

static Node *again(Substitution *s, Node *n, int place)
{
    Context *ctx = s->ctx;
    bool changed = false;
    Node **operands = NEW_ARRAY(ctx->scratch, Node *, n->operand_count);
    if (n->op == OP_result && s->values[walk_place(&s->walk, n->operands[0])])
        return s->values[walk_place(&s->walk, n->operands[0])][n->attr[0]];
    for (int k = 0; k < n->operand_count; k++) {
        operands[k] = s->new_of[walk_place(&s->walk, n->operands[k])];
        changed |= operands[k] != n->operands[k];
    }
    if (!changed)
        return n;
    if (n->op == OP_bind)
        return node_bind(ctx, operands[0], n->origin.name);
    if (!node_is_region(n) || region_is_renamed(ctx, n, operands))
        return node_rebuild(ctx, n, operands);
    s->values[place] = NEW_ARRAY(ctx->scratch, Node *, region_result_count(n));
    region_again(ctx, n, n->body, operands, NULL, s->values[place]);
    return NULL;
}

static void substitute_all(Substitution *s, const Map *replacement, const NodeSet *from, NodeSet *into)
{
    Context *ctx = s->ctx;
    for (int k = 0; k < s->walk.nodes.count; k++) {
        Node *n = s->walk.nodes.at[k], *to = map_get(replacement, n);
        if (to || !set_has(from, n)) {
            s->new_of[k] = to ? to : n;
            continue;
        }
        graph_set_origin(ctx, (Origin){ .span = n->origin.span, .role = n->origin.role, .of = n->origin.of });
        s->new_of[k] = again(s, n, k);
        if (s->new_of[k] == n && n->op != OP_param && into && into->members)
            map_put(into->members, n, n);
        else if (s->new_of[k] && n->origin.name)
            node_set_name(s->new_of[k], n->origin.name);
    }
}

void graph_substitute(Context *ctx, Node **roots, int count, const Map *replacement, const NodeSet *from, NodeSet *into)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Substitution s = { .ctx = ctx, .walk = body_walk(ctx, roots, count, from, replacement) };
    Origin saved = graph_origin(ctx);
    NodeSet *before = into ? graph_record(ctx, into) : NULL;
    s.new_of = NEW_ARRAY(ctx->scratch, Node *, s.walk.nodes.count + 1);
    s.values = NEW_ARRAY(ctx->scratch, Node **, s.walk.nodes.count + 1);
    substitute_all(&s, replacement, from, into);
    if (into)
        graph_record(ctx, before);
    for (int k = 0; k < count; k++)
        roots[k] = s.new_of[walk_place(&s.walk, roots[k])];
    graph_set_origin(ctx, saved);
    arena_release(ctx->scratch, mark);
}
