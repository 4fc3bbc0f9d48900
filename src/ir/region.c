/* region.c: closing and opening the bodies of loops and branches.
 *
 * A region's body is a closed function: it reads only its own params and constants; whatever else it needs is captured,
 * which makes it an operand of the region.  So a walk over operands sees every dependence, differentiating a region is
 * differentiating a function, and what does not depend on a loop's own params is computed outside: closing hoists it.
 *
 * Every outer value has one capture param, whichever region captures it, and that stands for itself in the regions within.
 * So the bodies within a body stay what they are when it is opened and closed.  Two loops over one index param are the
 * same iteration, so a loop and its adjoint share the nodes of their bodies. */
#include "graph.h"

#include <string.h>

/* ---- what is inside ---------------------------------------------------------------------------------------------- */
typedef struct {
    Context *ctx;
    const RegionParts *parts;
    BodyWalk walk;
    bool *reads, *inside;                                   /* by place: depends on an own param; belongs to the body */
    Node **rows;                                            /* by place: what an index reads from, with fewer indices; or NULL */
    NodeList captures, params;                              /* outer values, and what stands for them */
    Map *taken;                                             /* these params */
} Closing;

static bool has_flag(const Closing *c, const bool *flags, const Node *n)
{
    int place = walk_place(&c->walk, n);
    return place >= 0 && flags[place];
}

static bool is_own(const RegionParts *p, const Node *n)
{
    for (int k = 0; k < p->own_count; k++)
        if (p->own[k] == n)
            return true;
    return false;
}

/* The values that derivative nodes within the body are taken by, when these are outside: what depends on them must be seen. */
typedef Vec(const Node *) Anchors;

static bool anchors_have(const Anchors *a, const Node *n)
{
    for (int k = 0; k < a->count; k++)
        if (a->at[k] == n)
            return true;
    return false;
}

static void mark_node(Closing *c, int k, const Anchors *anchors)
{
    const Node *n = c->walk.nodes.at[k];
    if (n->op == OP_param) {
        c->reads[k] = c->inside[k] = is_own(c->parts, n);
        return;
    }
    for (int i = 0; i < n->operand_count; i++)
        c->reads[k] |= has_flag(c, c->reads, n->operands[i]) || anchors_have(anchors, n->operands[i]);
    c->inside[k] = c->reads[k] || (c->parts->whole && set_has(c->parts->set, n));
}

static void mark_inside(Closing *c, Node *const *roots, int root_count, const Anchors *anchors)
{
    c->walk = body_walk(c->ctx, roots, root_count, anchors->count ? NULL : c->parts->set, NULL);
    c->reads = NEW_ARRAY(c->ctx->scratch, bool, c->walk.nodes.count + 1);
    c->inside = NEW_ARRAY(c->ctx->scratch, bool, c->walk.nodes.count + 1);
    for (int k = 0; k < c->walk.nodes.count; k++)
        mark_node(c, k, anchors);
    for (int k = c->walk.nodes.count - 1; k >= 0; k--)     /* a region is never captured, only its values are */
        if (c->inside[k] && c->walk.nodes.at[k]->op == OP_result)
            c->inside[walk_place(&c->walk, c->walk.nodes.at[k]->operands[0])] = true;
}

static bool add_anchors(Closing *c, Anchors *anchors)
{
    int before = anchors->count;
    for (int k = 0; k < c->walk.nodes.count; k++) {
        const Node *n = c->walk.nodes.at[k];
        for (int i = 0; c->inside[k] && i < n->operand_count; i++)
            if (node_is_by(n, i) && !has_flag(c, c->inside, n->operands[i]) && !anchors_have(anchors, n->operands[i]))
                vec_push(c->ctx->scratch, anchors, n->operands[i]);
    }
    return anchors->count > before;
}

/* ---- parts of carried arrays ------------------------------------------------------------------------------------- */
enum { ROW_ALWAYS = 16 };                                   /* elements that are captured whatever the region reads of them */

void node_mark_carried(Node *param) { param->carried = true; }

static bool is_carried_array(const Node *x)
{
    while (x->op == OP_index_set || x->op == OP_index_add)
        x = x->operands[0];
    return x->op == OP_param && x->carried;
}

/* A reshape that only adds or drops axes of size 1. */
static bool is_squeeze(const Node *n)
{
    const Type *a = n->type, *b = n->operands[0]->type;
    int i = 0, k = 0;
    for (;;) {
        while (i < a->rank && type_size(a, i) == 1)
            i++;
        while (k < b->rank && type_size(b, k) == 1)
            k++;
        if (i == a->rank || k == b->rank)
            return i == a->rank && k == b->rank;
        if (type_size(a, i++) != type_size(b, k++))
            return false;
    }
}

static bool is_view(const Node *n)
{
    return n->op == OP_slice || n->op == OP_permute || (n->op == OP_reshape && is_squeeze(n));
}

/* A column or the like of an array that a loop carries. */
bool node_is_carried_view(const Node *n)
{
    if (!n->carried || n->type->count <= ROW_ALWAYS || !is_view(n))
        return false;
    while (is_view(n))
        n = n->operands[0];
    return n->op == OP_param || n->op == OP_index_set || n->op == OP_index_add || n->op == OP_result;
}

/* A view of which a region reads elements belongs to it, and the array is captured: so the view is not copied before it begins.
 * The same goes for what is stretched and then taken element by element. */
static void take_views(Closing *c, Node *const *roots, int root_count)
{
    enum { READ = 1, POINTWISE = 2, WHOLE = 4 };
    const NodeList *nodes = &c->walk.nodes;
    int *uses = NEW_ARRAY(c->ctx->scratch, int, nodes->count + 1);
    for (int k = 0; k < root_count; k++)
        uses[walk_place(&c->walk, roots[k])] |= WHOLE;
    for (int k = nodes->count - 1; k >= 0; k--) {
        const Node *n = nodes->at[k];
        bool view = uses[k] == READ && node_is_carried_view(n);
        bool stretched = uses[k] && uses[k] < WHOLE && n->op == OP_expand && walk_place(&c->walk, n->operands[0]) >= 0;
        bool taken = !c->inside[k] && (view || stretched);
        c->inside[k] |= taken;
        for (int i = 0; c->inside[k] && i < n->operand_count; i++)
            uses[walk_place(&c->walk, n->operands[i])] |= (n->op == OP_index && i == 0) || (taken && view) ? READ
                : op_info[n->op].class == CLASS_ELEMENTWISE ? POINTWISE : WHOLE;
    }
}

/* How many leading indices of an array that an outer loop carries are the same all the time. */
static int fixed_indices(const Closing *c, const Node *n, const Anchors *anchors)
{
    const Node *x = n->op == OP_index ? n->operands[0] : NULL;
    if (!x || has_flag(c, c->inside, x) || anchors_have(anchors, x) || !is_carried_array(x))
        return 0;
    int64_t elements = x->type->count, most = c->parts->op == OP_branch ? ROW_ALWAYS : c->parts->attr[0];
    int count = 0;
    while (count + 1 < n->operand_count && node_is_scalar(n->operands[count + 1])
           && !has_flag(c, c->inside, n->operands[count + 1]))
        elements /= type_size(x->type, count++);
    return elements <= (most > ROW_ALWAYS ? most : ROW_ALWAYS) ? count : 0;
}

/* A region captures the row that it reads of a carried array and not the array, which would be kept for every trip of the loop
 * that carries it when this is differentiated. */
static void find_rows(Closing *c, const Anchors *anchors, NodeSet *recording)
{
    NodeSet *none = graph_record(c->ctx, recording);
    c->rows = NEW_ARRAY(c->ctx->scratch, Node *, c->walk.nodes.count + 1);
    for (int k = 0; k < c->walk.nodes.count; k++) {
        Node *n = c->walk.nodes.at[k];
        int count = c->inside[k] ? fixed_indices(c, n, anchors) : 0;
        if (count && count + 1 == n->operand_count)
            c->inside[k] = false;
        else if (count)
            c->rows[k] = node_index(c->ctx, n->operands[0], count, n->operands + 1);
    }
    graph_record(c->ctx, none);
}

/* The operands that a node has inside. */
static Node *row_of(const Closing *c, const Node *n) { return c->rows[walk_place(&c->walk, n)]; }
static int fixed_count(const Closing *c, const Node *n)
{
    return row_of(c, n) ? n->operands[0]->type->rank - row_of(c, n)->type->rank : 0;
}
static int inner_count(const Closing *c, const Node *n) { return n->operand_count - fixed_count(c, n); }
static Node *inner_operand(const Closing *c, const Node *n, int k)
{
    return k == 0 && row_of(c, n) ? row_of(c, n) : n->operands[k + (k ? fixed_count(c, n) : 0)];
}

/* ---- captures ---------------------------------------------------------------------------------------------------- */
/* NULL: it has none yet. */
static Node *param_of(Context *ctx, Node *outer)
{
    Graph *g = graph_of(ctx);
    if (!g->captures)
        g->captures = map_new(ctx->arena);
    return outer->captured ? outer : map_get(g->captures, outer);
}

static Node *capture_param(Closing *c, Node *outer)
{
    Node *param = param_of(c->ctx, outer);
    if (param && !is_own(c->parts, param) && !map_get(c->taken, param)) {
        map_put(c->taken, param, outer);
        return param;
    }
    bool is_first = !param || is_own(c->parts, param);
    param = node_param(c->ctx, outer->origin.name, outer->type, outer->origin.span);
    param->captured = true;
    if (is_first)
        map_put(graph_of(c->ctx)->captures, outer, param);
    map_put(c->taken, param, outer);
    return param;
}

static void capture(Closing *c, Map *seen, Node *n)
{
    if (n->closed || has_flag(c, c->inside, n) || map_get(seen, n))
        return;
    map_put(seen, n, n);
    vec_push(c->ctx->arena, &c->captures, n);
    vec_push(c->ctx->arena, &c->params, capture_param(c, n));
}

typedef struct { const Node *node; int next; } Visit;

/* In the order in which the results need them, whatever the ids are: a dump that is compiled has the same order. */
static void find_captures(Closing *c, Node *const *roots, int root_count)
{
    Arena *scratch = c->ctx->scratch;
    Map *seen = map_new(scratch), *visited = map_new(scratch);
    Vec(Visit) stack = { 0 };
    c->taken = map_new(scratch);
    for (int k = 0; k < root_count; k++) {
        capture(c, seen, roots[k]);
        if (has_flag(c, c->inside, roots[k]) && !map_get(visited, roots[k]))
            vec_push(scratch, &stack, ((Visit){ roots[k], 0 }));
        while (stack.count) {
            Visit *top = &stack.at[stack.count - 1];
            map_put(visited, top->node, c);
            if (top->next == inner_count(c, top->node)) {
                stack.count--;
                continue;
            }
            Node *x = inner_operand(c, top->node, top->next++);
            capture(c, seen, x);
            if (has_flag(c, c->inside, x) && !map_get(visited, x))
                vec_push(scratch, &stack, ((Visit){ x, 0 }));
        }
    }
}

/* ---- the bodies -------------------------------------------------------------------------------------------------- */
static Node *closed_node(Closing *c, Node *n, const Map *params, Node **new_of)
{
    int count = inner_count(c, n);
    Node **operands = NEW_ARRAY(c->ctx->scratch, Node *, count + 1), *row = row_of(c, n);
    bool changed = row != NULL;
    for (int i = 0; i < count; i++) {
        Node *x = inner_operand(c, n, i), *param = map_get(params, x);
        int place = walk_place(&c->walk, x);
        operands[i] = param ? param : place < 0 ? x : new_of[place];
        changed |= operands[i] != n->operands[i];
    }
    if (!changed)
        return n;
    graph_set_origin(c->ctx, (Origin){ .span = n->origin.span, .role = n->origin.role, .of = n->origin.of });
    Node *made = row ? node_index(c->ctx, operands[0], count - 1, operands + 1)
               : node_replaced(c->ctx, n, operands);
    if (n->origin.name)
        node_set_name(made, n->origin.name);
    return made;
}

/* The roots in terms of own params and captures. */
static void close_roots(Closing *c, Node **roots, int root_count)
{
    Context *ctx = c->ctx;
    Origin saved = graph_origin(ctx);
    Node **new_of = NEW_ARRAY(ctx->scratch, Node *, c->walk.nodes.count + 1);
    Map *params = map_new(ctx->scratch);
    for (int k = 0; k < c->captures.count; k++)
        map_put(params, c->captures.at[k], c->params.at[k]);
    for (int k = 0; k < c->walk.nodes.count; k++) {
        Node *n = c->walk.nodes.at[k], *param = map_get(params, n);
        new_of[k] = param ? param : c->inside[k] ? closed_node(c, n, params, new_of) : n;
    }
    for (int k = 0; k < root_count; k++)
        roots[k] = new_of[walk_place(&c->walk, roots[k])];
    graph_set_origin(ctx, saved);
}

static bool body_equal(const Fn *a, const Fn *b)
{
    bool equal = a->params.count == b->params.count && a->results.count == b->results.count;
    for (int k = 0; equal && k < a->params.count; k++)
        equal = a->params.at[k].node == b->params.at[k].node;
    for (int k = 0; equal && k < a->results.count; k++)
        equal = a->results.at[k].node == b->results.at[k].node;
    return equal;
}

typedef Vec(Fn *) BodyList;

/* Equal bodies are one pointer, so that the intern table can compare regions by content. */
static Fn *body_intern(Context *ctx, Fn *fn)
{
    Graph *g = graph_of(ctx);
    uint64_t hash = (uint64_t)fn->params.count;
    for (int k = 0; k < fn->params.count; k++)
        hash = hash_bytes(hash, &fn->params.at[k].node, sizeof(Node *));
    for (int k = 0; k < fn->results.count; k++)
        hash = hash_bytes(hash, &fn->results.at[k].node, sizeof(Node *));
    const void *key = (const void *)(uintptr_t)(hash | 1);
    if (!g->bodies)
        g->bodies = map_new(ctx->arena);
    BodyList *list = map_get(g->bodies, key);
    if (!list)
        map_put(g->bodies, key, list = NEW(ctx->arena, BodyList));
    for (int k = 0; k < list->count; k++)
        if (body_equal(list->at[k], fn))
            return list->at[k];
    vec_push(ctx->arena, list, fn);
    return fn;
}

static Fn *body_of(Closing *c, int count, Node *const *results)
{
    Context *ctx = c->ctx;
    Fn *fn = NEW(ctx->arena, Fn);
    for (int k = 0; k < c->parts->own_count; k++)
        vec_push(ctx->arena, &fn->params, ((Param){ .name = c->parts->own[k]->origin.name, .node = c->parts->own[k] }));
    for (int k = 0; k < c->params.count; k++)
        vec_push(ctx->arena, &fn->params, ((Param){ .name = c->params.at[k]->origin.name, .node = c->params.at[k] }));
    for (int k = 0; k < count; k++)
        vec_push(ctx->arena, &fn->results, ((Result){ .node = results[k] }));
    return body_intern(ctx, fn);
}

Node *region_close(Context *ctx, const RegionParts *p)
{
    Closing c = { .ctx = ctx, .parts = p };
    Anchors anchors = { 0 };
    int root_count = p->result_count[0] + p->result_count[1], operand_count;
    NodeSet *recording = graph_record(ctx, NULL);
    Node **roots = NEW_ARRAY(ctx->arena, Node *, root_count + 1);
    const Fn *body[2] = { NULL, NULL };
    memcpy(roots, p->results[0], sizeof *roots * (size_t)p->result_count[0]);
    if (p->body_count > 1)
        memcpy(roots + p->result_count[0], p->results[1], sizeof *roots * (size_t)p->result_count[1]);
    ArenaMark mark = arena_mark(ctx->scratch);
    do
        mark_inside(&c, roots, root_count, &anchors);
    while (add_anchors(&c, &anchors));
    take_views(&c, roots, root_count);
    find_rows(&c, &anchors, recording);
    find_captures(&c, roots, root_count);
    close_roots(&c, roots, root_count);
    arena_release(ctx->scratch, mark);
    for (int b = 0; b < p->body_count; b++)
        body[b] = body_of(&c, p->result_count[b], roots + (b ? p->result_count[0] : 0));
    operand_count = p->leading_count + c.captures.count;
    Node **operands = NEW_ARRAY(ctx->arena, Node *, operand_count + 1);
    memcpy(operands, p->leading, sizeof *operands * (size_t)p->leading_count);
    if (c.captures.count)
        memcpy(operands + p->leading_count, c.captures.at, sizeof *operands * (size_t)c.captures.count);
    graph_record(ctx, recording);
    return graph_intern_region(ctx, p->op, type_scalar(ctx, ELEM_INT), operand_count, operands, p->attr_count, p->attr, body);
}

/* ---- the values of a region -------------------------------------------------------------------------------------- */
int region_own_count(const Node *region)
{
    return region->op == OP_branch ? 0 : 1 + (int)region->attr[1];
}

int region_leading_count(const Node *region)
{
    return region->op == OP_branch ? 1 : (region->op == OP_loop) + (int)region->attr[1];
}

int region_result_count(const Node *region)
{
    return region->body[0]->results.count;                  /* a while has its condition less and its trip count more */
}

const Type *node_result_type(Context *ctx, const Node *region, int k)
{
    int count = region_result_count(region), first = region->op == OP_while_loop;
    CHECK(ctx, k >= 0 && k < count);
    if (first && k == count - 1)
        return type_scalar(ctx, ELEM_INT);
    const Type *t = region->body[0]->results.at[first + k].node->type;
    bool stacked = region->op != OP_branch && k >= region->attr[1];
    return stacked ? type_concat(ctx, t->elem, type_sized(ctx, t->elem, 1, &region->attr[0]), t) : t;
}

Node *node_result(Context *ctx, Node *region, int k)
{
    int64_t attr = k;
    return graph_intern(ctx, OP_result, node_result_type(ctx, region, k), 1, &region, 1, &attr, NULL);
}

static int param_operand(const Node *region, const Fn *body, const Node *param)
{
    for (int k = region_own_count(region); k < body->params.count; k++)
        if (body->params.at[k].node == param)
            return region_leading_count(region) + k - region_own_count(region);
    return -1;
}

static bool find_by_in_body(Context *ctx, const Node *n, const Fn *body, bool *by)
{
    NodeList nodes = { 0 };
    bool any = false;
    fn_nodes(ctx, body, ctx->scratch, &nodes);
    for (int j = 0; j < nodes.count; j++) {
        const Node *inner = nodes.at[j];
        bool *inner_by = NEW_ARRAY(ctx->scratch, bool, inner->operand_count + 1);
        bool found = node_find_by(ctx, inner, inner_by);
        for (int k = 0; found && k < inner->operand_count; k++) {
            int place = inner_by[k] ? param_operand(n, body, inner->operands[k]) : -1;
            if (place >= 0)
                by[place] = any = true;
        }
    }
    return any;
}

/* The recursion is over nested bodies. */
bool node_find_by(Context *ctx, const Node *n, bool *by)
{
    bool any = false;
    ArenaMark mark = arena_mark(ctx->scratch);
    for (int k = 0; k < n->operand_count; k++) {
        by[k] = node_is_by(n, k);
        any |= by[k];
    }
    for (int b = 0; b < 2 && n->body[b]; b++)
        any |= find_by_in_body(ctx, n, n->body[b], by);
    arena_release(ctx->scratch, mark);
    return any;
}

/* What has no param yet gets the one that the body has for it. */
static void keep_params(Context *ctx, const Node *region, const Fn *body, Node *const *operands)
{
    int own = region_own_count(region), leading = region_leading_count(region);
    for (int k = own; k < body->params.count; k++) {
        Node *now = operands[leading + k - own], *param = body->params.at[k].node;
        if (now && param->captured && !param_of(ctx, now))
            map_put(graph_of(ctx)->captures, now, param);
    }
}

/* Would the region be made again with the same bodies over these operands?  Then nothing that a body knows of them has changed. */
bool region_is_renamed(Context *ctx, const Node *region, Node *const *operands)
{
    int own = region_own_count(region), leading = region_leading_count(region);
    for (int k = 0; k < region->operand_count; k++) {
        Node *now = operands[k], *old = region->operands[k], *param = k < leading ? NULL : param_of(ctx, now);
        if (k >= leading && (now->closed || (now->carried != old->carried && now->type->rank)
                             || (param ? param != region->body[0]->params.at[own + k - leading].node : now->op != old->op)))
            return false;
        if (k < leading && now != old && (now->closed || now->op == OP_not))
            return false;
        for (int i = 0; k < leading && i < k; i++)
            if (now == operands[i] && old != region->operands[i])
                return false;
    }
    keep_params(ctx, region, region->body[0], operands);
    return true;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */
static void loop_again(Context *ctx, const Node *region, const Fn *body, Node *const *operands, const bool *keep,
                       Node **roots, const NodeSet *set, Node **values)
{
    int is_while = region->op == OP_while_loop, carries = (int)region->attr[1], count = body->results.count - is_while;
    Node **parts[3];
    int *place = NEW_ARRAY(ctx->arena, int, count + 1), kept = 0, kept_carries = 0;
    for (int k = 0; k < 3; k++)
        parts[k] = NEW_ARRAY(ctx->arena, Node *, count + 1);
    for (int k = 0; k < count; k++) {
        if (keep && !keep[k])
            continue;
        if (k < carries) {
            parts[0][kept] = operands[!is_while + k];
            parts[1][kept] = body->params.at[1 + k].node;
            kept_carries++;
        }
        place[kept] = k;
        parts[2][kept++] = roots[is_while + k];
    }
    LoopParts p = { .trips = is_while ? NULL : operands[0], .condition = is_while ? roots[0] : NULL,
                    .max_trips = region->attr[0], .checkpoint = region->attr[2], .index = body->params.at[0].node,
                    .carry_count = kept_carries, .inits = parts[0], .carries = parts[1], .result_count = kept,
                    .results = parts[2], .body = set };
    Node **made = NEW_ARRAY(ctx->arena, Node *, kept + 1);
    node_loop(ctx, &p, made);
    for (int k = 0; k < kept; k++)
        values[place[k]] = made[k];
    if (is_while)
        values[count] = made[kept];
}

static void branch_again(Context *ctx, Node *condition, int count, Node *const *roots, const bool *keep,
                         const NodeSet *set, Node **values)
{
    Node **sides[2] = { NEW_ARRAY(ctx->arena, Node *, count + 1), NEW_ARRAY(ctx->arena, Node *, count + 1) };
    Node **made = NEW_ARRAY(ctx->arena, Node *, count + 1);
    int kept = 0;
    for (int k = 0; k < count; k++) {
        if (keep && !keep[k])
            continue;
        sides[0][kept] = roots[k];
        sides[1][kept++] = roots[count + k];
    }
    BranchParts p = { .condition = condition, .count = kept, .yes = sides[0], .no = sides[1], .inside = set };
    node_branch(ctx, &p, made);
    for (int k = 0, at = 0; k < count; k++)
        if (!keep || keep[k])
            values[k] = made[at++];
}

/* What no kept value depends on may still be given to regions inside, which are narrowed later: there it is 0. */
void region_leave_out(Context *ctx, Map *open, Node *param)
{
    map_put(open, param, node_fill(ctx, param->type, 0));
}

/* The bodies' results over the region's operands; those that are not kept stay as they are. */
static void open_roots(Context *ctx, const Node *region, const Fn *const *body, Node *const *operands, const bool *keep,
                       BodyRewrite rewrite, void *user, Node **roots, NodeSet *set)
{
    int own = region_own_count(region), leading = region_leading_count(region), first = region->op == OP_while_loop;
    int count = 0, kept = 0, most = body[0]->results.count + (body[1] ? body[1]->results.count : 0);
    Map *open = map_new(ctx->arena);
    Node **asked = NEW_ARRAY(ctx->arena, Node *, most + 1);
    int *place = NEW_ARRAY(ctx->arena, int, most + 1);
    for (int b = 0; b < 2 && body[b]; b++) {
        for (int k = 1; keep && k < own; k++)
            if (!keep[k - 1])
                region_leave_out(ctx, open, body[b]->params.at[k].node);
        for (int k = own; k < body[b]->params.count; k++)
            if (operands[leading + k - own])
                map_put(open, body[b]->params.at[k].node, operands[leading + k - own]);
            else
                region_leave_out(ctx, open, body[b]->params.at[k].node);
        for (int k = 0; k < body[b]->results.count; k++) {
            roots[count] = body[b]->results.at[k].node;
            if (k < first || !keep || keep[k - first]) {
                place[kept] = count;
                asked[kept++] = roots[count];
            }
            count++;
        }
    }
    if (rewrite)
        rewrite(ctx, asked, kept, open, set, user);
    else
        graph_substitute(ctx, asked, kept, open, NULL, set);
    for (int k = 0; k < kept; k++)
        roots[place[k]] = asked[k];
}

static void make_again(Context *ctx, const Node *region, const Fn *const *body, Node *const *operands, const bool *keep,
                       BodyRewrite rewrite, void *user, Node **values)
{
    int count = body[0]->results.count;
    Arena *own = arena_new();
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(own) };
    Node **roots = NEW_ARRAY(ctx->arena, Node *, 2 * count + 1);
    keep_params(ctx, region, body[0], operands);
    open_roots(ctx, region, body, operands, keep, rewrite, user, roots, &set);
    if (region->op == OP_branch)
        branch_again(ctx, operands[0], count, roots, keep, &set, values);
    else
        loop_again(ctx, region, body[0], operands, keep, roots, &set, values);
    arena_free(own);
}

void region_again(Context *ctx, const Node *region, const Fn *const *body, Node *const *operands, const bool *keep,
                  Node **values)
{
    make_again(ctx, region, body, operands, keep, NULL, NULL, values);
}

void region_rewrite(Context *ctx, const Node *region, Node *const *operands, BodyRewrite rewrite, void *user, Node **values)
{
    make_again(ctx, region, region->body, operands, NULL, rewrite, user, values);
}

void region_branches_again(Context *ctx, int count, Node *const *branches, Node **const *operands, const bool *const *keep,
                           Node ***values)
{
    Arena *own = arena_new();
    NodeSet set = { .floor = NODE_SET_MEMBERS, .members = map_new(own) };
    int all = 0, at = 0;
    for (int k = 0; k < count; k++)
        all += region_result_count(branches[k]);
    Node **sides[2] = { NEW_ARRAY(ctx->arena, Node *, all + 1), NEW_ARRAY(ctx->arena, Node *, all + 1) };
    Node **made = NEW_ARRAY(ctx->arena, Node *, all + 1);
    for (int k = 0; k < count; k++) {
        int results = region_result_count(branches[k]);
        Node **roots = NEW_ARRAY(ctx->arena, Node *, 2 * results + 1);
        open_roots(ctx, branches[k], branches[k]->body, operands[k], keep[k], NULL, NULL, roots, &set);
        for (int i = 0; i < results; i++) {
            if (!keep[k][i])
                continue;
            sides[0][at] = roots[i];
            sides[1][at++] = roots[results + i];
        }
    }
    BranchParts p = { .condition = operands[0][0], .count = at, .yes = sides[0], .no = sides[1], .inside = &set };
    node_branch(ctx, &p, made);
    at = 0;
    for (int k = 0; k < count; k++)
        for (int i = 0; i < region_result_count(branches[k]); i++)
            if (keep[k][i])
                values[k][i] = made[at++];
    arena_free(own);
}
