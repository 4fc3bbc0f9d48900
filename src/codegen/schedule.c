/* schedule.c: in which order the nodes of a body are lowered, and which of them change an array in place.
 *
 * A scatter, or a region that carries an array, may take over the memory of its operand if everything else that reads the
 * operand has done so before.  So these readers are put in front of it; where that would make a circle the operand is
 * copied instead.
 * Leaves: operands before their users, readers of an array before what takes it over. */
#include "loop.h"

typedef struct { int item, next; } Link;                    /* an item that comes before, in a list; next -1: the end */

typedef struct {
    Lowering *lower;
    Arena *scratch;
    int count;                                              /* nodes, then results, then the break */
    int *user_at, *users;                                   /* items that read a node */
    int *first;                                             /* per item: what else comes before it */
    Vec(Link) links;
    int *seen, epoch;
    Vec(int) stack, readers;
    bool late;                                              /* some reader reads at the very end */
    int searches;
} Schedule;

enum { SEARCHES_MAX = 1000 };                               /* each may see the whole body */

/* ---- what is changed in place ------------------------------------------------------------------------------------ */
static const Node *without_reshape(const Node *n)
{
    while (n->op == OP_reshape)
        n = n->operands[0];
    return n;
}

int schedule_param(const Fn *fn, int result)
{
    const Node *n = without_reshape(fn->results.at[result].node);
    while (n && n->op != OP_param)
        n = schedule_base(n);
    for (int k = 0; n && k < fn->params.count; k++)
        if (fn->params.at[k].node == n)
            return k;
    return -1;
}

const Node *schedule_base(const Node *n)
{
    if (n->op == OP_index_add || n->op == OP_index_set)
        return without_reshape(n->operands[0]);
    if (factor_in_place(n))
        return without_reshape(n->operands[1]);
    if (n->op != OP_result || n->type->rank == 0)
        return NULL;
    const Node *region = n->operands[0];
    int k = (int)n->attr[0];
    if (region->op != OP_branch)
        return k < region->attr[1] ? without_reshape(region->operands[(region->op == OP_loop) + k]) : NULL;
    int yes = schedule_param(region->body[0], k);
    return yes >= 0 && yes == schedule_param(region->body[1], k) ? without_reshape(region->operands[1 + yes]) : NULL;
}

/* ---- who reads what ---------------------------------------------------------------------------------------------- */
static const Node *result_root(const Schedule *s, int k) { return lower_result_root(s->lower->fn->results.at[k].node); }

/* The node that item `item` reads as its k-th, or NULL. */
static const Node *read_by(const Schedule *s, int item, int k)
{
    const Lowering *lower = s->lower;
    int result = item - lower->info_count;
    if (result >= 0)
        return k == 0 && result < lower->fn->results.count ? result_root(s, result) : NULL;
    const Node *n = lower->infos[item].node;
    return k < n->operand_count ? decide_operand(lower, n, k) : NULL;
}

static void find_users(Schedule *s)
{
    const Node *x;
    int n = s->lower->info_count, total = 0;
    s->user_at = NEW_ARRAY(s->scratch, int, n + 2);
    for (int item = 0; item < s->count; item++)
        for (int k = 0; (x = read_by(s, item, k)) != NULL; k++, total++)
            s->user_at[s->lower->slot[x->id] + 1]++;
    for (int k = 0; k < n; k++)
        s->user_at[k + 1] += s->user_at[k];
    s->users = NEW_ARRAY(s->scratch, int, total + 1);
    int *next = arena_copy(s->scratch, s->user_at, sizeof *next * (size_t)(n + 1));
    for (int item = 0; item < s->count; item++)
        for (int k = 0; (x = read_by(s, item, k)) != NULL; k++)
            s->users[next[s->lower->slot[x->id]]++] = item;
}

static bool see(Schedule *s, int item)
{
    bool first = s->seen[item] != s->epoch;
    s->seen[item] = s->epoch;
    return first;
}

/* Items that evaluate loads of the node: its users, and the users of those that are inlined. */
static void find_readers(Schedule *s, const Node *b)
{
    Lowering *lower = s->lower;
    s->epoch++;
    s->stack.count = s->readers.count = 0;
    s->late = false;
    vec_push(s->scratch, &s->stack, lower->slot[b->id]);
    while (s->stack.count) {
        int k = s->stack.at[--s->stack.count];
        for (int i = s->user_at[k]; i < s->user_at[k + 1]; i++) {
            int user = s->users[i];
            if (!see(s, user))
                continue;
            if (user >= lower->info_count)
                s->late |= lower->targets[user - lower->info_count].in_place != NULL;
            if (user < lower->info_count && lower->infos[user].mode == MODE_INLINE)
                vec_push(s->scratch, &s->stack, user);
            else
                vec_push(s->scratch, &s->readers, user);
        }
    }
}

/* ---- taking over ------------------------------------------------------------------------------------------------- */
static void push_before(Schedule *s, int item)
{
    const Node *x;
    for (int k = 0; (x = read_by(s, item, k)) != NULL; k++)
        if (see(s, s->lower->slot[x->id]))
            vec_push(s->scratch, &s->stack, s->lower->slot[x->id]);
    for (int l = s->first[item]; l >= 0; l = s->links.at[l].next)
        if (see(s, s->links.at[l].item))
            vec_push(s->scratch, &s->stack, s->links.at[l].item);
}

/* Does something in the list of readers come after `item`? */
static bool readers_need(Schedule *s, int item)
{
    s->epoch++;
    s->stack.count = 0;
    for (int k = 0; k < s->readers.count; k++)
        if (s->readers.at[k] != item && see(s, s->readers.at[k]))
            vec_push(s->scratch, &s->stack, s->readers.at[k]);
    while (s->stack.count) {
        int k = s->stack.at[--s->stack.count];
        if (k == item)
            return true;
        push_before(s, k);
    }
    return false;
}

static int times_used(const Schedule *s, const Node *b, int item)
{
    int k = s->lower->slot[b->id], times = 0;
    for (int i = s->user_at[k]; i < s->user_at[k + 1]; i++)
        times += s->users[i] == item;
    return times;
}

/* A param may only be taken on the way to its own next value. */
static bool leads_home(const Lowering *lower, const Node *param, const Node *user)
{
    for (int k = 0; k < lower->fn->results.count; k++) {
        const Node *n = without_reshape(lower->fn->results.at[k].node), *b = n;
        if (lower->targets[k].in_place != param)
            continue;
        while (n && n != param && (b = schedule_base(n)) != param)
            n = b;
        return n && b == param && (n == user || (n->op == OP_result && n->operands[0] == user));
    }
    return false;
}

/* A region that carries b reads it elsewhere as well, as a view of its memory. */
static bool views_it(const Lowering *lower, const Node *b, const Node *region)
{
    int views = 0;
    for (int k = region_leading_count(region); k < region->operand_count; k++) {
        const Node *x = region->operands[k];
        views += x->type->rank && decide_piece(lower, x).whole == b;
    }
    return views > (region->op == OP_branch);               /* a branch carries a capture */
}

/* Can all that reads b do so before `user`? */
static bool readers_first(Schedule *s, const Node *b, const Node *user)
{
    find_readers(s, b);
    if (s->readers.count > 1 && ++s->searches > SEARCHES_MAX)
        return false;
    return !s->late && !readers_need(s, s->lower->slot[user->id]);
}

/* Small parts of b that are read where they are used get a place of their own, which is filled before b changes: that costs
 * less than a copy of b.  Or they lose it again.  Were there any? */
static bool store_parts(Schedule *s, const Node *b, bool store)
{
    enum { PARTS = 4 };
    Lowering *lower = s->lower;
    bool any = false;
    s->epoch++;
    s->stack.count = 0;
    vec_push(s->scratch, &s->stack, lower->slot[b->id]);
    while (s->stack.count) {
        int k = s->stack.at[--s->stack.count];
        for (int i = s->user_at[k]; i < s->user_at[k + 1]; i++) {
            int user = s->users[i];
            if (user >= lower->info_count || !see(s, user))
                continue;
            NodeInfo *info = &lower->infos[user];
            bool part = PARTS * info->node->type->count <= b->type->count;
            if (info->mode == MODE_INLINE && !part) {
                vec_push(s->scratch, &s->stack, user);
            } else if (part && info->into == NULL && (store ? info->mode == MODE_INLINE : info->part_of == b)) {
                info->mode = store ? MODE_BUFFER : MODE_INLINE;
                info->part_of = store ? b : NULL;
                any = true;
            }
        }
    }
    return any;
}

static bool may_take(Schedule *s, const Node *b, const Node *user)
{
    const NodeInfo *info = info_of(s->lower, b);
    if (info->taken_by || info->mode != MODE_BUFFER || b->op == OP_constant)
        return false;
    if (times_used(s, b, s->lower->slot[user->id]) > 1 || (node_is_region(user) && views_it(s->lower, b, user)))
        return false;
    if (b->op == OP_param ? !info->owned || !leads_home(s->lower, b, user) : info->result != 0)
        return false;
    return readers_first(s, b, user) || (store_parts(s, b, true) && (readers_first(s, b, user) || !store_parts(s, b, false)));
}

static void consider(Schedule *s, const Node *b, const Node *user)
{
    int item = s->lower->slot[user->id];
    if (!b || !may_take(s, b, user))
        return;
    info_of(s->lower, b)->taken_by = user;
    s->lower->overwrites = true;
    for (int k = 0; k < s->readers.count; k++)
        if (s->readers.at[k] != item) {
            vec_push(s->scratch, &s->links, ((Link){ s->readers.at[k], s->first[item] }));
            s->first[item] = s->links.count - 1;
        }
}

static const Node *region_base(const Node *region, const NodeInfo *info, int k)
{
    if (region->op == OP_branch)
        return info->values[k] ? schedule_base(info->values[k]) : NULL;
    const Node *init = region->operands[(region->op == OP_loop) + k];
    return init->type->rank ? without_reshape(init) : NULL;
}

static bool has_candidates(const Lowering *lower)
{
    for (int k = 0; k < lower->info_count; k++) {
        Op op = lower->infos[k].node->op;
        if (factor_in_place(lower->infos[k].node))
            return true;
        if (op == OP_index_add || op == OP_index_set || op == OP_loop || op == OP_while_loop || op == OP_branch)
            return true;
    }
    return false;
}

static void take_over(Schedule *s)
{
    find_users(s);
    for (int k = 0; k < s->lower->info_count; k++) {
        const NodeInfo *info = &s->lower->infos[k];
        const Node *n = info->node;
        bool writes = n->op == OP_index_add || n->op == OP_index_set || factor_in_place(n);
        if (writes && info->mode == MODE_BUFFER)
            consider(s, schedule_base(n), n);
        int count = n->op == OP_branch ? n->body[0]->results.count : node_is_region(n) ? (int)n->attr[1] : 0;
        for (int i = 0; i < count; i++)
            consider(s, region_base(n, info, i), n);
    }
}

/* ---- the order --------------------------------------------------------------------------------------------------- */
static int before_at(const Schedule *s, int item, int *next, int *link)
{
    const Node *x = *next >= 0 ? read_by(s, item, *next) : NULL;
    if (x) {
        ++*next;
        return s->lower->slot[x->id];
    }
    if (*next >= 0) {
        *next = -1;
        *link = s->first[item];
    }
    if (*link < 0)
        return -1;
    int found = s->links.at[*link].item;
    *link = s->links.at[*link].next;
    return found;
}

static void put(Schedule *s, int root)
{
    typedef struct { int item, next, link; } Frame;
    Vec(Frame) frames = { 0 };
    if (!see(s, root))
        return;
    vec_push(s->scratch, &frames, ((Frame){ root, 0, -1 }));
    while (frames.count) {
        Frame *f = &frames.at[frames.count - 1];
        int before = before_at(s, f->item, &f->next, &f->link);
        if (before >= 0) {
            if (see(s, before))
                vec_push(s->scratch, &frames, ((Frame){ before, 0, -1 }));
            continue;
        }
        s->lower->order[s->lower->order_count++] = f->item;
        frames.count--;
    }
}

/* A scalar that a body keeps in a row of a stack is stored as soon as it is there: the variable may go on from then. */
static void put_rows(Schedule *s, const int *last_row, const int *next_row, int item)
{
    for (int k = last_row[item]; k > 0; k = next_row[k])
        put(s, s->lower->info_count + k - 1);
}

static void put_all(Schedule *s)
{
    const Lowering *lower = s->lower;
    int results = lower->fn->results.count;
    int *last_row = NEW_ARRAY(s->scratch, int, s->count + 1), *next_row = NEW_ARRAY(s->scratch, int, results + 1);
    for (int k = 0; lower->region && k < results; k++) {
        const Node *root = result_root(s, k);
        if (root->type->rank || !lower->targets[k].buffer || lower->targets[k].in_place)
            continue;
        next_row[k + 1] = last_row[lower->slot[root->id]];
        last_row[lower->slot[root->id]] = k + 1;
    }
    for (int k = 0; k < s->count; k++) {
        put(s, k);
        put_rows(s, last_row, next_row, k);
    }
}

void schedule_nodes(Lowering *lower)
{
    Arena *scratch = lower->ctx->scratch;
    ArenaMark mark = arena_mark(scratch);
    int results = lower->fn->results.count;
    bool is_while = lower->region && lower->region->node->op == OP_while_loop;
    Schedule s = { .lower = lower, .scratch = scratch, .count = lower->info_count + results };
    s.first = NEW_ARRAY(scratch, int, s.count + 1);
    s.seen = NEW_ARRAY(scratch, int, s.count + 1);
    for (int k = 0; k <= s.count; k++)
        s.first[k] = -1;
    if (has_candidates(lower))
        take_over(&s);
    lower->order = NEW_ARRAY(lower->brief, int, s.count + 1);
    s.epoch++;
    if (is_while) {
        put(&s, lower->slot[result_root(&s, 0)->id]);
        lower->order[lower->order_count++] = s.count;
    }
    put_all(&s);
    arena_release(scratch, mark);
}

/* ---- loads ahead of what changes the array ----------------------------------------------------------------------- */
static void keep(Lowering *lower, const Formula *f)
{
    Stmt *s = NEW(lower->arena, Stmt);
    *s = (Stmt){ .kind = STMT_LET, .value = f, .demanded = true };
    block_push(lower, &lower->function->body, s);
}

/* Finds loads that are not looked at yet; those that may be out of range are kept with what guards them. */
static void keep_loads(Lowering *lower, const Formula *root)
{
    Vec(const Formula *) stack = { 0 };
    vec_push(lower->ctx->scratch, &stack, root);
    while (stack.count) {
        const Formula *f = stack.at[--stack.count];
        if (f->kept)
            continue;
        ((Formula *)(uintptr_t)f)->kept = true;             /* not part of its identity */
        if (f->kind == FORMULA_LOAD && f->buffer->overwritten)
            keep(lower, f->guarded ? root : f);
        for (int k = 0; k < f->arg_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->terms[k].atom);
    }
}

void schedule_keep(Lowering *lower, NodeInfo *info)
{
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    for (int64_t k = 0; k < info->node->type->count; k++)
        keep_loads(lower, info->elements[k]);
    arena_release(lower->ctx->scratch, mark);
}

/* ---- reading what is being changed ------------------------------------------------------------------------------- */
/* The difference of two indices, each at any trip of the loops that it is in. */
static bool never_equal(const Formula *a, const Formula *b)
{
    const Formula *both[2] = { a, b };
    int64_t low = 0, high = 0, constant;
    for (int side = 0; side < 2; side++) {
        Term single;
        const Term *terms = NULL;
        int count = index_terms(both[side], &single, &terms, &constant), sign = side ? -1 : 1;
        low += sign * constant;
        high += sign * constant;
        for (int k = 0; k < count; k++) {
            const Formula *atom = terms[k].atom;
            int64_t factor = sign * terms[k].factor;
            if (!atom->loops) {
                int64_t other = index_factor(both[1 - side], atom);
                factor = side && other ? 0 : factor - (side ? 0 : other);
            }
            low += factor > 0 ? factor * atom->low : factor * atom->high;
            high += factor > 0 ? factor * atom->high : factor * atom->low;
        }
    }
    return low > 0 || high < 0;
}

/* May `value` be computed in the loops around buffer[at] = value?  Loads outside of loops are done before these.  at NULL:
 * may it be computed when the buffer has changed? */
bool schedule_is_safe(Lowering *lower, const Buffer *buffer, const Formula *at, bool injective, const Formula *value)
{
    Vec(const Formula *) stack = { 0 };
    bool safe = true;
    ArenaMark mark = arena_mark(lower->ctx->scratch);
    formula_epoch(lower);
    vec_push(lower->ctx->scratch, &stack, value);
    while (safe && stack.count) {
        const Formula *f = stack.at[--stack.count];
        if (lower->mark[f->id] == lower->epoch)
            continue;
        lower->mark[f->id] = lower->epoch;
        bool same = f->kind == FORMULA_LOAD && buffer_storage(f->buffer) == buffer_storage(buffer);
        if (same && (!at || f->loops || f->guarded))
            safe = at && ((injective && f->arg[0] == at) || never_equal(f->arg[0], at));
        for (int k = 0; k < f->arg_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->arg[k]);
        for (int k = 0; k < f->term_count; k++)
            vec_push(lower->ctx->scratch, &stack, f->terms[k].atom);
    }
    arena_release(lower->ctx->scratch, mark);
    return safe;
}
