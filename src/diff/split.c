/* split.c: one function that computes values and derivatives becomes two, with a tape between them.
 *
 * The first has the results that are not gradients and fills the tape; the second has the seeds and the gradients and reads
 * it, as often as one likes.  What does not depend on a seed and is read by the second is read from the inputs, from the
 * tape, or computed again: saved.c decides. */
#include "saved.h"

#include <string.h>

typedef struct {
    Context *ctx;
    const Fn *joint;
    NodeList nodes;                                         /* of the gradients */
    bool *seeded;                                           /* by place: depends on a seed */
    Value *values;
    NodeList saved;
} Split;

static bool is_seed(const Fn *fn, const Node *n)
{
    for (int k = 0; k < fn->params.count; k++)
        if (fn->params.at[k].node == n)
            return fn->params.at[k].is_seed;
    return false;
}

static void find_seeded(Split *s)
{
    for (int k = 0; k < s->nodes.count; k++) {
        const Node *n = s->nodes.at[k];
        s->seeded[k] = n->op == OP_param && is_seed(s->joint, n);
        for (int i = 0; i < n->operand_count; i++)
            s->seeded[k] |= s->seeded[node_place(&s->nodes, n->operands[i])];
    }
}

/* A float does not hold every int. */
static bool fits_tape(const Split *s, const Node *n)
{
    if (node_is_region(n))
        return false;
    if (n->type->elem != ELEM_INT || !s->ctx->options.is_float)
        return true;
    const Node *region = n->op == OP_result ? n->operands[0] : NULL;
    return region && region->op == OP_while_loop && n->attr[0] == region_result_count(region) - 1
        && region->attr[0] <= 1 << 24;                      /* the trips of a while */
}

static void describe_values(Split *s, const Fn *forward)
{
    NodeList computed = { 0 };
    Map *is_forward = map_new(s->ctx->scratch);
    fn_nodes(s->ctx, forward, s->ctx->scratch, &computed);
    for (int k = 0; k < computed.count; k++)
        map_put(is_forward, computed.at[k], computed.at[k]);
    for (int k = 0; k < s->nodes.count; k++) {
        const Node *n = s->nodes.at[k];
        Value *v = &s->values[k];
        bool leaf = n->op == OP_param || n->op == OP_constant || n->op == OP_iota || n->closed;
        *v = (Value){ .size = n->type->count, .unsavable = !fits_tape(s, n) };
        if (leaf || s->seeded[k])
            continue;
        v->kind = n->op == OP_result || (value_is_costly(n) && map_get(is_forward, n)) ? VALUE_COSTLY : VALUE_CHEAP;
    }
}

static void find_needed(Split *s)
{
    for (int k = 0; k < s->nodes.count; k++)
        for (int i = 0; s->seeded[k] && i < s->nodes.at[k]->operand_count; i++)
            s->values[node_place(&s->nodes, s->nodes.at[k]->operands[i])].needed = true;
    for (int k = 0; k < s->joint->results.count; k++)
        if (s->joint->results.at[k].is_gradient)
            s->values[node_place(&s->nodes, s->joint->results.at[k].node)].needed = true;
}

static void choose(Split *s, const Fn *forward)
{
    describe_values(s, forward);
    find_needed(s);
    const Node *stuck = values_choose(s->ctx, &s->nodes, s->values);
    if (stuck)
        error_at(s->ctx, stuck->origin.span,
                 "in float, the tape of a split can not hold this int, which the second function needs");
    for (int k = 0; k < s->nodes.count; k++)
        if (s->values[k].saved)
            vec_push(s->ctx->arena, &s->saved, s->nodes.at[k]);
}

/* For --explain: what becomes of the values that have a name. */
static void note_values(Split *s, const Fn *forward)
{
    NodeList computed = { 0 };
    bool *again = NEW_ARRAY(s->ctx->scratch, bool, s->nodes.count + 1);
    for (int k = s->nodes.count - 1; k >= 0; k--) {
        again[k] |= s->values[k].needed;
        for (int i = 0; again[k] && !s->values[k].saved && i < s->nodes.at[k]->operand_count; i++)
            again[node_place(&s->nodes, s->nodes.at[k]->operands[i])] = true;
    }
    fn_nodes(s->ctx, forward, s->ctx->scratch, &computed);
    for (int k = 0; k < computed.count; k++) {
        const Node *n = computed.at[k];
        int place = node_place(&s->nodes, n);
        Keep how = place < 0 || !again[place] ? KEEP_DROPPED : s->values[place].saved ? KEEP_SAVED : KEEP_AGAIN;
        if (n->origin.name && n->op != OP_param)
            graph_note_kept(s->ctx, n, how, (Span){ 0 });
    }
}

/* ---- the two functions ------------------------------------------------------------------------------------------- */
static Fn *part_of(Context *ctx, const Fn *joint, int which)
{
    Fn *fn = arena_copy(ctx->arena, joint, sizeof *joint);
    memset(&fn->params, 0, sizeof fn->params);
    memset(&fn->results, 0, sizeof fn->results);
    for (int k = 0; k < joint->params.count; k++)
        if (which || !joint->params.at[k].is_seed)
            vec_push(ctx->arena, &fn->params, joint->params.at[k]);
    for (int k = 0; k < joint->results.count; k++)
        if (joint->results.at[k].is_gradient == which)
            vec_push(ctx->arena, &fn->results, joint->results.at[k]);
    return fn;
}

static bool is_taken(const Split *s, const Fn *const *parts, Str name)
{
    for (int p = 0; p < 2; p++) {
        for (int k = 0; k < parts[p]->params.count; k++)
            if (parts[p]->params.at[k].name == name)
                return true;
        for (int k = 0; k < parts[p]->results.count; k++)
            if (parts[p]->results.at[k].name == name)
                return true;
    }
    return name == str_intern(s->ctx, "tape");
}

static Str tape_name(const Split *s, const Fn *const *parts, const Node *n)
{
    Str stem = n->origin.name ? n->origin.name : "value", name = str_format(s->ctx, "%s_tape", stem);
    for (int k = 2; is_taken(s, parts, name); k++)
        name = str_format(s->ctx, "%s_tape%d", stem, k);
    return name;
}

/* What stands for the saved value in the second function.  A trip count has its limit, whatever is on the tape. */
static Node *from_tape(Context *ctx, const Node *n, Node *param)
{
    const Node *region = n->op == OP_result ? n->operands[0] : NULL;
    if (!region || region->op != OP_while_loop || n->attr[0] != region_result_count(region) - 1)
        return param;
    return node_binary(ctx, OP_min, param, node_int(ctx, region->attr[0]));
}

static void add_tape(Split *s, Fn *const *parts)
{
    Context *ctx = s->ctx;
    Map *replacement = map_new(ctx->arena);
    int count = parts[1]->results.count;
    Node **roots = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < s->saved.count; k++) {
        Node *n = s->saved.at[k];
        Str name = tape_name(s, (const Fn *const *)parts, n);
        Node *param = node_param(ctx, name, n->type, n->origin.span);
        map_put(replacement, n, from_tape(ctx, n, param));
        vec_push(ctx->arena, &parts[0]->results, ((Result){ .name = name, .node = n, .on_tape = true }));
        vec_push(ctx->arena, &parts[1]->params, ((Param){ .name = name, .node = param, .on_tape = true }));
    }
    for (int k = 0; k < count; k++)
        roots[k] = parts[1]->results.at[k].node;
    graph_substitute(ctx, roots, count, replacement, NULL, NULL);
    for (int k = 0; k < count; k++)
        parts[1]->results.at[k].node = roots[k];
}

Fn *diff_split_reference(Context *ctx, const Fn *joint, const ExportSpec *e)
{
    Fn *fn = part_of(ctx, joint, e->part);
    fn->name = e->name;
    return fn;
}

void diff_split(Context *ctx, const Fn *joint, SplitPair *pair)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Split s = { .ctx = ctx, .joint = joint };
    for (int k = 0; k < 2; k++) {
        pair->part[k] = part_of(ctx, joint, k);
        pair->part[k]->name = pair->spec[k]->name;
        pair->part[k]->doc = str_format(ctx, k ? "%s: the gradients, from the tape that %s has filled"
                                               : "%s: the values, and the tape that %s reads",
                                        joint->doc, pair->spec[1 - k]->name);
    }
    fn_nodes(ctx, pair->part[1], ctx->scratch, &s.nodes);
    s.seeded = NEW_ARRAY(ctx->scratch, bool, s.nodes.count + 1);
    s.values = NEW_ARRAY(ctx->scratch, Value, s.nodes.count + 1);
    find_seeded(&s);
    choose(&s, pair->part[0]);
    if (ctx->options.keep_adjoints) {
        note_values(&s, pair->part[0]);
        memset(&pair->part[0]->kept, 0, sizeof pair->part[0]->kept);    /* it is said once */
        memset(&pair->part[0]->inner, 0, sizeof pair->part[0]->inner);
        pair->part[1]->kept.capacity = 0;                   /* shared with the joint function so far */
        graph_take_notes(ctx, pair->part[1]);
    }
    add_tape(&s, pair->part);
    arena_release(ctx->scratch, mark);
}
