/* verify.c: what must hold of a function after any pass.  The type of every node is derived again from its operands and
 * attributes, apart from the constructors.  A failure is an internal error that names pass, node and user's line. */
#include "graph.h"

#include <math.h>

typedef struct {
    Context *ctx;
    const char *pass;
    const Fn *fn;
    const Node *node;                                       /* that is looked at; NULL: the function itself */
} Verifier;

_Noreturn static void verify_fail(Verifier *v, const char *condition)
{
    const Node *n = v->node;
    v->ctx->phase = v->pass;
    v->ctx->place = n ? n->origin.span : v->fn->span;
    const char *name = v->fn->name ? v->fn->name : "a body";
    if (!n)
        internal_error(v->ctx, "after %s: %s does not verify: %s", v->pass, name, condition);
    internal_error(v->ctx, "after %s: node %d of %s, %s%s%s: %s, does not verify: %s", v->pass, n->id, name,
                   n->origin.name ? n->origin.name : "", n->origin.name ? " = " : "", op_info[n->op].name,
                   type_text(v->ctx, n->type), condition);
}

#define HOLDS(v, condition) ((condition) ? (void)0 : verify_fail((v), #condition))

static const Type *operand_type(const Node *n, int k) { return n->operands[k]->type; }

/* ---- elementwise ------------------------------------------------------------------------------------------------- */
static Elem signature_result(Verifier *v, const Node *n)
{
    Elem first = operand_type(n, 0)->elem, last = operand_type(n, n->operand_count - 1)->elem;
    switch (op_info[n->op].signature) {
    case SIG_REAL: HOLDS(v, first == ELEM_REAL && last == ELEM_REAL); return ELEM_REAL;
    case SIG_NUMBER: HOLDS(v, first == last && first != ELEM_BOOL); return first;
    case SIG_COMPARE: HOLDS(v, first == last); return ELEM_BOOL;
    case SIG_PREDICATE: HOLDS(v, first == ELEM_REAL); return ELEM_BOOL;
    case SIG_BOOL: HOLDS(v, first == ELEM_BOOL && last == ELEM_BOOL); return ELEM_BOOL;
    case SIG_INT: HOLDS(v, first == ELEM_INT && last == ELEM_INT); return ELEM_INT;
    case SIG_SELECT: HOLDS(v, first == ELEM_BOOL && operand_type(n, 1)->elem == last); return last;
    case SIG_TO_REAL: HOLDS(v, first != ELEM_REAL); return ELEM_REAL;
    case SIG_NONE: break;
    }
    HOLDS(v, !"a signature");
    return ELEM_REAL;
}

static const Type *elementwise_type(Verifier *v, const Node *n)
{
    for (int k = 0; k < n->operand_count; k++)
        HOLDS(v, type_same_shape(operand_type(n, k), n->type));
    if (n->op != OP_clamp && n->operand_count == 3)
        HOLDS(v, n->op == OP_where);
    if (n->op == OP_clamp)
        HOLDS(v, operand_type(n, 1)->elem == ELEM_REAL);
    return type_with_elem(v->ctx, n->type, signature_result(v, n));
}

/* ---- movement ---------------------------------------------------------------------------------------------------- */
static const Type *expand_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    HOLDS(v, x->rank <= n->type->rank);
    for (int k = 1; k <= x->rank; k++)
        HOLDS(v, type_size(x, -k) == type_size(n->type, -k) || type_size(x, -k) == 1);
    return type_with_elem(v->ctx, n->type, x->elem);
}

static const Type *permute_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    const Dim *dims[RANK_MAX];
    bool seen[RANK_MAX] = { false };
    HOLDS(v, n->attr_count == x->rank);
    for (int k = 0; k < x->rank; k++) {
        HOLDS(v, n->attr[k] >= -x->rank && n->attr[k] < 0 && !seen[n->attr[k] + x->rank]);
        seen[n->attr[k] + x->rank] = true;
        dims[k] = x->dim[n->attr[k] + x->rank];
    }
    return type_make(v->ctx, x->elem, x->rank, dims);
}

static const Type *slice_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    HOLDS(v, n->type->rank == x->rank && n->attr_count == 2 * x->rank);
    for (int k = 0; k < x->rank; k++) {
        int64_t start = n->attr[k], step = n->attr[x->rank + k], last = start + (type_size(n->type, k) - 1) * step;
        HOLDS(v, step != 0 && start >= 0 && start < type_size(x, k) && last >= 0 && last < type_size(x, k));
    }
    return type_with_elem(v->ctx, n->type, x->elem);
}

static const Type *pad_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    int64_t sizes[RANK_MAX];
    HOLDS(v, n->attr_count == 3 * x->rank);
    for (int k = 0; k < x->rank; k++) {
        int64_t low = n->attr[k], high = n->attr[x->rank + k], interior = n->attr[2 * x->rank + k];
        HOLDS(v, low >= 0 && high >= 0 && interior >= 0);
        sizes[k] = low + high + type_size(x, k) + (type_size(x, k) - 1) * interior;
    }
    return type_sized(v->ctx, x->elem, x->rank, sizes);
}

static const Type *concat_type(Verifier *v, const Node *n)
{
    const Type *first = operand_type(n, 0);
    int64_t sizes[RANK_MAX], total = 0;
    HOLDS(v, n->attr_count == 1 && n->attr[0] >= -first->rank && n->attr[0] < 0);
    int axis = (int)n->attr[0] + first->rank;
    for (int i = 0; i < n->operand_count; i++) {
        const Type *x = operand_type(n, i);
        HOLDS(v, x->rank == first->rank && x->elem == first->elem);
        for (int k = 0; k < x->rank; k++)
            HOLDS(v, k == axis || x->dim[k] == first->dim[k]);
        total += type_size(x, axis);
    }
    for (int k = 0; k < first->rank; k++)
        sizes[k] = k == axis ? total : type_size(first, k);
    return type_sized(v->ctx, first->elem, first->rank, sizes);
}

static const Type *stack_type(Verifier *v, const Node *n)
{
    int64_t count = n->operand_count;
    for (int i = 1; i < n->operand_count; i++)
        HOLDS(v, operand_type(n, i) == operand_type(n, 0));
    return type_concat(v->ctx, operand_type(n, 0)->elem, type_sized(v->ctx, ELEM_INT, 1, &count), operand_type(n, 0));
}

/* ---- reductions, contractions, indices --------------------------------------------------------------------------- */
static const Type *reduce_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    const Dim *dims[RANK_MAX];
    int rank = 0, next = 0;
    HOLDS(v, x->elem != ELEM_BOOL && n->attr_count > 0);
    for (int k = 0; k < x->rank; k++) {
        if (next < n->attr_count && n->attr[next] == k - x->rank)
            next++;
        else
            dims[rank++] = x->dim[k];
    }
    HOLDS(v, next == n->attr_count);                        /* ascending and in range, or some were not met */
    return type_make(v->ctx, x->elem, rank, dims);
}

static const Type *einsum_type(Verifier *v, const Node *n)
{
    const Dim *dim_of[3 * RANK_MAX] = { NULL }, *dims[RANK_MAX];
    int at = 0;
    HOLDS(v, n->operand_count == 1 || n->operand_count == 2);
    for (int i = 0; i < n->operand_count; i++)
        for (int k = 0; k < operand_type(n, i)->rank; k++, at++) {
            HOLDS(v, at < n->attr_count && n->attr[at] >= 0 && n->attr[at] < 3 * RANK_MAX);
            const Dim **dim = &dim_of[n->attr[at]];
            HOLDS(v, operand_type(n, i)->elem == ELEM_REAL && (!*dim || *dim == operand_type(n, i)->dim[k]));
            *dim = operand_type(n, i)->dim[k];
        }
    HOLDS(v, n->attr_count == at + n->type->rank);
    for (int k = 0; k < n->type->rank; k++) {
        int64_t label = n->attr[at + k];
        HOLDS(v, label >= 0 && label < 3 * RANK_MAX && dim_of[label]);
        dims[k] = dim_of[label];
    }
    return type_make(v->ctx, ELEM_REAL, n->type->rank, dims);
}

/* What the index operands from `first` on select of x. */
static const Type *part_type(Verifier *v, const Node *n, int first)
{
    const Type *x = operand_type(n, 0), *index = operand_type(n, first);
    int count = n->operand_count - first;
    HOLDS(v, count <= x->rank);
    for (int i = first; i < n->operand_count; i++)
        HOLDS(v, operand_type(n, i) == index && index->elem == ELEM_INT);
    return type_concat(v->ctx, x->elem, index, type_make(v->ctx, x->elem, x->rank - count, x->dim + count));
}

static const Type *scatter_type(Verifier *v, const Node *n)
{
    HOLDS(v, n->operand_count >= 3);
    HOLDS(v, part_type(v, n, 2) == operand_type(n, 1));
    return operand_type(n, 0);
}

static const Type *recurrence_type(Verifier *v, const Node *n)
{
    const Type *x = operand_type(n, 0);
    HOLDS(v, operand_type(n, 1) == x && x->elem == ELEM_REAL);
    HOLDS(v, n->attr_count == 2 && n->attr[0] >= -x->rank && n->attr[0] < 0);
    return x;
}

static const Type *scalar_fn_type(Verifier *v, const Node *n)
{
    HOLDS(v, n->attr_count == 1 && n->attr[0] >= 0 && n->attr[0] < scalar_fn_count(v->ctx));
    const ScalarFn *f = scalar_fn(v->ctx, (int)n->attr[0]);
    int first = n->op == OP_override;
    HOLDS(v, n->operand_count == first + f->arity && f->is_extern == (n->op == OP_call));
    HOLDS(v, !first || operand_type(n, 0)->elem == ELEM_REAL);
    for (int k = 0; k < n->operand_count; k++) {
        HOLDS(v, type_same_shape(operand_type(n, k), operand_type(n, 0)));
        HOLDS(v, k < first || operand_type(n, k)->elem == f->elems[k - first]);
    }
    return type_with_elem(v->ctx, operand_type(n, 0), ELEM_REAL);
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */
static void verify_square(Verifier *v, const Type *t)
{
    HOLDS(v, t->elem == ELEM_REAL && t->rank >= 2 && type_size(t, -1) == type_size(t, -2));
}

/* Two operands with one batch, the second with as many rows as the first has columns. */
static const Type *columns_type(Verifier *v, const Node *n)
{
    const Type *a = operand_type(n, 0), *b = operand_type(n, 1);
    HOLDS(v, a->elem == ELEM_REAL && b->elem == ELEM_REAL && a->rank >= 2 && a->rank == b->rank);
    HOLDS(v, type_size(b, -2) == type_size(a, -1));
    for (int k = 0; k < a->rank - 2; k++)
        HOLDS(v, a->dim[k] == b->dim[k]);
    return b;
}

static const Type *factors_type(Verifier *v, const Node *n)
{
    int64_t sizes[RANK_MAX];
    const Type *a = operand_type(n, 0);
    verify_square(v, a);
    HOLDS(v, n->attr_count == 1 && (n->attr[0] == 0 || n->attr[0] == 1));
    for (int k = 0; k < a->rank; k++)
        sizes[k] = type_size(a, k) + (k == a->rank - 2 ? 1 + n->attr[0] : 0);
    return type_sized(v->ctx, ELEM_REAL, a->rank, sizes);
}

static const Type *matrix_type(Verifier *v, const Node *n)
{
    const Type *a = operand_type(n, 0);
    switch (n->op) {
    case OP_lu_factor: return factors_type(v, n);
    case OP_lu_solve:
        HOLDS(v, n->attr_count == 2 && type_size(a, -2) > type_size(a, -1) && type_size(a, -2) <= type_size(a, -1) + 2);
        return columns_type(v, n);
    case OP_solve: verify_square(v, a); return columns_type(v, n);
    case OP_triangular_solve: verify_square(v, a); HOLDS(v, n->attr_count == 3); return columns_type(v, n);
    case OP_det: case OP_logdet:
        verify_square(v, a);
        HOLDS(v, n->attr_count == 2 && n->attr[0] == -2 && n->attr[1] == -1);
        return type_make(v->ctx, ELEM_REAL, a->rank - 2, a->dim);
    default:
        verify_square(v, a);
        for (int k = 1; k < n->operand_count; k++)
            HOLDS(v, operand_type(n, k) == a);
        return a;
    }
}

/* ---- derivatives of values --------------------------------------------------------------------------------------- */
static const Type *derivative_type(Verifier *v, const Node *n)
{
    int count = n->attr_count ? (int)n->attr[0] : 0;
    const Type *y = operand_type(n, 0), *last = operand_type(n, n->operand_count - 1);
    switch (n->op) {
    case OP_grad:
        HOLDS(v, count > 0 && n->operand_count == 2 * count + 1);
        for (int k = 0; k < count; k++)
            HOLDS(v, operand_type(n, k) == operand_type(n, count + k));
        return last;
    case OP_jvp: case OP_hvp:
        HOLDS(v, count > 0 && n->operand_count == 2 * count + 1);
        for (int k = 1; k <= count; k++)
            HOLDS(v, operand_type(n, k) == operand_type(n, count + k));
        HOLDS(v, n->op == OP_jvp || (n->attr_count == 2 && n->attr[1] >= 0 && n->attr[1] < count));
        return n->op == OP_jvp ? y : operand_type(n, 1 + (int)n->attr[1]);
    case OP_jacobian:
        return type_concat(v->ctx, ELEM_REAL, y, last);
    default:
        HOLDS(v, n->op == OP_hessian && y->rank == 0);
        return type_concat(v->ctx, ELEM_REAL, last, last);
    }
}

/* ---- leaves and regions ------------------------------------------------------------------------------------------ */
static void verify_constant(Verifier *v, const Node *n)
{
    HOLDS(v, n->data);
    for (int64_t i = 0; n->type->elem == ELEM_INT && i < n->type->count; i++)
        HOLDS(v, n->data[i] >= INT32_MIN && n->data[i] <= INT32_MAX && n->data[i] <= floor(n->data[i]));
    for (int64_t i = 0; n->type->elem == ELEM_BOOL && i < n->type->count; i++)
        HOLDS(v, n->data[i] == 0 || n->data[i] == 1);
}

/* The captures are the last params of every body and the last operands of the region. */
static void verify_captures(Verifier *v, const Node *n, const Fn *body)
{
    int own = region_own_count(n), leading = region_leading_count(n);
    HOLDS(v, body->params.count - own == n->operand_count - leading);
    for (int k = own; k < body->params.count; k++)
        HOLDS(v, body->params.at[k].node->type == operand_type(n, leading + k - own));
}

static void verify_loop(Verifier *v, const Node *n)
{
    const Fn *body = n->body[0];
    bool is_while = n->op == OP_while_loop;
    HOLDS(v, n->attr_count == 3 && !n->body[1]);
    HOLDS(v, n->attr[0] > 0 && n->attr[0] <= INT32_MAX && n->attr[1] >= 0 && n->attr[2] >= 0);
    int carries = (int)n->attr[1], first = is_while, leading = !is_while;
    HOLDS(v, body->params.count > carries && body->results.count >= carries + first && body->results.count > 0);
    HOLDS(v, n->operand_count >= carries + leading);
    HOLDS(v, body->params.at[0].node->type == type_scalar(v->ctx, ELEM_INT));
    HOLDS(v, (is_while ? body->results.at[0].node->type : operand_type(n, 0))
             == type_scalar(v->ctx, is_while ? ELEM_BOOL : ELEM_INT));
    for (int k = 0; k < carries; k++) {
        HOLDS(v, body->params.at[1 + k].node->type == operand_type(n, leading + k));
        HOLDS(v, body->results.at[first + k].node->type == operand_type(n, leading + k));
    }
    verify_captures(v, n, body);
}

static void verify_branch(Verifier *v, const Node *n)
{
    HOLDS(v, n->body[0] && n->body[1] && n->body[0]->results.count == n->body[1]->results.count);
    HOLDS(v, n->body[0]->results.count > 0 && operand_type(n, 0) == type_scalar(v->ctx, ELEM_BOOL));
    for (int k = 0; k < n->body[0]->results.count; k++)
        HOLDS(v, n->body[0]->results.at[k].node->type == n->body[1]->results.at[k].node->type);
    verify_captures(v, n, n->body[0]);
    verify_captures(v, n, n->body[1]);
}

static const Type *region_type(Verifier *v, const Node *n)
{
    HOLDS(v, n->body[0]);
    if (n->op == OP_branch)
        verify_branch(v, n);
    else
        verify_loop(v, n);
    return type_scalar(v->ctx, ELEM_INT);
}

static const Type *derived_type(Verifier *v, const Node *n)
{
    if (op_info[n->op].class == CLASS_ELEMENTWISE)
        return elementwise_type(v, n);
    if (node_is_ruled(n))
        return operand_type(n, 0);
    switch (n->op) {
    case OP_constant: verify_constant(v, n); return n->type;
    case OP_param: return n->type;
    case OP_iota: HOLDS(v, n->type->elem == ELEM_INT && n->type->rank == 1); return n->type;
    case OP_bind: return operand_type(n, 0);
    case OP_grad: case OP_jvp: case OP_hvp: case OP_jacobian: case OP_hessian: return derivative_type(v, n);
    case OP_loop: case OP_while_loop: case OP_branch: return region_type(v, n);
    case OP_result: HOLDS(v, n->operands[0]->body[0]); return node_result_type(v->ctx, n->operands[0], (int)n->attr[0]);
    case OP_expand: return expand_type(v, n);
    case OP_reshape: HOLDS(v, n->type->count == operand_type(n, 0)->count);
        return type_with_elem(v->ctx, n->type, operand_type(n, 0)->elem);
    case OP_permute: return permute_type(v, n);
    case OP_slice: return slice_type(v, n);
    case OP_pad: return pad_type(v, n);
    case OP_concat: return concat_type(v, n);
    case OP_stack: return stack_type(v, n);
    case OP_sum: case OP_prod: case OP_max_reduce: case OP_max_first: case OP_min_reduce: return reduce_type(v, n);
    case OP_einsum: return einsum_type(v, n);
    case OP_index: HOLDS(v, n->operand_count >= 2); return part_type(v, n, 1);
    case OP_index_add: case OP_index_set: return scatter_type(v, n);
    case OP_recurrence: return recurrence_type(v, n);
    case OP_call: case OP_override: return scalar_fn_type(v, n);
    case OP_solve: case OP_triangular_solve: case OP_inverse: case OP_det: case OP_logdet: case OP_cholesky:
    case OP_det_cofactors: case OP_lu_factor: case OP_lu_solve: return matrix_type(v, n);
    default: HOLDS(v, !"an op that is known"); return NULL;
    }
}

/* ---- nodes and functions ----------------------------------------------------------------------------------------- */
static void verify_node(Verifier *v, const Node *n)
{
    int arity = op_info[n->op].arity;
    v->node = n;
    HOLDS(v, n->id >= 0 && n->id < graph_node_count(v->ctx));
    HOLDS(v, arity < 0 ? n->operand_count > 0 || node_is_region(n) : n->operand_count == arity);
    for (int k = 0; k < n->operand_count; k++)
        HOLDS(v, n->operands[k] && n->operands[k]->id < n->id);
    HOLDS(v, (n->op == OP_constant) == (n->data != NULL));
    HOLDS(v, derived_type(v, n) == n->type);
}

/* Every param is there once, and only the function's own are read. */
static void verify_params(Verifier *v, const Fn *fn, const NodeList *nodes)
{
    Map *own = map_new(v->ctx->scratch);
    for (int k = 0; k < fn->params.count; k++) {
        const Node *p = fn->params.at[k].node;
        HOLDS(v, p && p->op == OP_param && !map_get(own, p));
        map_put(own, p, own);
    }
    for (int k = 0; k < nodes->count; k++) {
        v->node = nodes->at[k];
        HOLDS(v, v->node->op != OP_param || map_get(own, v->node));
    }
    v->node = NULL;
}

/* The C function has one argument per name. */
static void verify_names(Verifier *v, const Fn *fn)
{
    Map *seen = map_new(v->ctx->scratch), *taken[2] = { map_new(v->ctx->scratch), map_new(v->ctx->scratch) };
    for (int k = 0; k < fn->params.count; k++) {
        HOLDS(v, fn->params.at[k].name && !map_get(seen, fn->params.at[k].name));
        map_put(seen, fn->params.at[k].name, v);
    }
    for (int part = 0; part < 2; part++)                    /* of a split: the gradients are the second function's */
        for (int k = 0; k < fn->results.count; k++) {
            Str name = fn->results.at[k].name;
            if (fn->results.at[k].is_gradient != part)
                continue;
            HOLDS(v, name && !map_get(taken[part], name));
            map_put(taken[part], name, v);
        }
}

typedef Vec(const Fn *) Bodies;

/* Each body once, however many regions share it. */
static void add_bodies(Verifier *v, const Node *n, Map *seen, Bodies *bodies)
{
    for (int b = 0; b < 2 && n->body[b]; b++)
        if (!map_get(seen, n->body[b])) {
            map_put(seen, n->body[b], seen);
            vec_push(v->ctx->scratch, bodies, n->body[b]);
        }
}

void fn_verify(Context *ctx, const Fn *fn, const char *pass)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    Verifier v = { .ctx = ctx, .pass = pass, .fn = fn };
    Map *seen = map_new(ctx->scratch);
    Bodies bodies = { 0 };
    HOLDS(&v, fn->results.count > 0);
    verify_names(&v, fn);
    vec_push(ctx->scratch, &bodies, fn);
    for (int b = 0; b < bodies.count; b++) {
        NodeList nodes = { 0 };
        v.fn = bodies.at[b];
        v.node = NULL;
        for (int k = 0; k < v.fn->results.count; k++)
            HOLDS(&v, v.fn->results.at[k].node);
        fn_nodes(ctx, v.fn, ctx->scratch, &nodes);
        verify_params(&v, v.fn, &nodes);
        for (int k = 0; k < nodes.count; k++) {
            verify_node(&v, nodes.at[k]);
            add_bodies(&v, nodes.at[k], seen, &bodies);
        }
    }
    arena_release(ctx->scratch, mark);
}
