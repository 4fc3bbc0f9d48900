/* graph.h: inside the graph: the intern tables, and what node.c and fold.c share. */
#ifndef ADC_GRAPH_H
#define ADC_GRAPH_H

#include "ir.h"

struct Graph {
    Table table;
    Vec(Node *) nodes;                                      /* by id */
    int walks;
    const Type **types; int type_count, type_size;
    Vec(const Dim *) dims;
    Origin origin;
    Map *captures;                                          /* outer value -> the param that stands for it in bodies (region.c) */
    Map *bodies;                                            /* of regions, interned: hash -> BodyList */
    Map *reads;                                             /* body of a region -> what its values read (merge.c) */
    Vec(ScalarFn *) scalar_fns;                             /* declared functions of scalars (call.c) */
    Vec(AdjointRecord) inner; Vec(KeepNote) kept;           /* for --explain, of the function that is differentiated */
    NodeSet *record;                                        /* nodes made or met are members; NULL: of none */
};

Graph *graph_of(Context *);                                 /* made at first use */
/* The interned node of exactly this content; no simplification. */
Node *graph_intern(Context *, Op, const Type *, int count, Node *const *operands, int attr_count, const int64_t *attr,
                   const double *data);
Node *graph_intern_region(Context *, Op, const Type *, int count, Node *const *operands, int attr_count,
                          const int64_t *attr, const Fn *const *body);
/* The simpler equivalent of the node described, or NULL (fold.c). */
Node *fold(Context *, Op, const Type *, int count, Node *const *operands, int attr_count, const int64_t *attr);
/* fold, then intern: what every constructor ends with. */
Node *node_make(Context *, Op, const Type *, int count, Node *const *operands, int attr_count, const int64_t *attr);

/* fn.c: fn gets the records of old, in terms of what the nodes are now (NULL: gone). */
typedef Node *(*NodeNow)(const void *user, const Node *old);
void fn_rewrite_records(Context *, const Fn *old, Fn *fn, NodeNow, const void *user);

bool region_is_renamed(Context *, const Node *region, Node *const *operands);  /* region.c: node_rebuild does for region_again */
/* region.c: the region over other operands, with its bodies opened by `rewrite`: roots, what their params become, and the set that
 * what is made, or stays, belongs to. */
typedef void (*BodyRewrite)(Context *, Node **roots, int count, const Map *open, NodeSet *into, void *user);
void region_rewrite(Context *, const Node *region, Node *const *operands, BodyRewrite, void *user, Node **values);
void region_leave_out(Context *, Map *open, Node *param);   /* region.c: its param is 0 where a body is opened */

/* identity.c: for fold.c.  Of a sum over these axes, negative; NULL: not of an identity. */
Node *fold_sum_of_identity(Context *, Node *x, int axis_count, const int *axes);
bool fold_is_identity(const Node *);                        /* real or bool */

/* moved.c: for scatter.c. */
Node *scatter_moved(Context *, const Node *, bool dense);

/* region.c.  Branches on one condition as one branch; see region_again. */
void region_branches_again(Context *, int count, Node *const *branches, Node **const *operands, const bool *const *keep,
                           Node ***values);

/* region.c.  Closes bodies over the params `own`: what they read besides becomes captures, which follow the `leading` operands.
 * whole: the nodes of the set are inside even when they read no own param. */
typedef struct RegionParts {
    Op op;
    int own_count; Node *const *own;
    int leading_count; Node *const *leading;
    int attr_count; const int64_t *attr;
    int body_count; int result_count[2]; Node *const *results[2];
    const NodeSet *set;
    bool whole;
} RegionParts;
Node *region_close(Context *, const RegionParts *);
bool node_is_carried_view(const Node *);
/* node.c.  What is made around a body while its region is made; and its end, which puts that into the set that was recorded to
 * before, with what the roots reach of the body's own set. */
NodeSet *graph_record_around(Context *, NodeSet *around);
void graph_record_reached(Context *, const NodeSet *inner, const NodeSet *around, NodeSet *outer, Node *const *roots, int count);
/* walk.c: what roots reach, as far as the nodes of a set and views of carried arrays go and no key of `ends` is passed; the first
 * nodes beyond are there, too.  Ascending ids. */
typedef struct BodyWalk {
    NodeList nodes;
    Map *place;                                             /* node -> 1 + its place in the list */
} BodyWalk;
BodyWalk body_walk(Context *, Node *const *roots, int count, const NodeSet *from,
                   const Map *ends);                        /* NULL: none.  In the scratch arena */
static inline int walk_place(const BodyWalk *w, const Node *n) { return (int)(intptr_t)map_get(w->place, n) - 1; }
static inline bool set_has(const NodeSet *s, const Node *n)
{
    return !s || n->id >= s->floor || (s->members && map_get(s->members, n));
}

#define CHECK(ctx, condition) \
    ((condition) ? (void)0 : internal_error((ctx), "%s: operands do not fit (%s)", __func__, #condition))

#endif
