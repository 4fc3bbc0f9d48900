/* scalars.c: small functions and bodies of loops written out in scalars: loops trip by trip, arrays element by element.
 *
 * What is constant then vanishes: the zeros of an identity that a Jacobian is seeded with, those of tables, sums that
 * have not begun.  It is done where this leaves half of the arithmetic or less, in a body two thirds, in a text that is
 * the longer the more is saved; expression graphs of scalars are how CasADi's SX works (Andersson et al., "CasADi: a
 * software framework for nonlinear optimization and optimal control", Mathematical Programming Computation 11, 2019).
 *
 * Where a function is too large or gains too little, the bodies of its loops and branches are tried, outer ones first.
 * In a body what is large or known only when it runs stays a node; its elements are read where scalars need them.
 *
 * The value of a node is an array of numbers of scalars, as doubles: so what only moves elements, at indices that are
 * known, is the evaluator's to do.  0 times anything is 0 in a derivative; elsewhere where the other factor is finite
 * for finite inputs, and else it is computed. */
#include "graph.h"

#include <math.h>
#include <string.h>

enum {
    LEAST = 64,                                             /* operations that are worth the trouble */
    GAIN = 4, GAIN_IN_BODY = 3,                             /* halves: so many times fewer operations */
    LENGTH = 100, LENGTH_IN_BODY = 200,                     /* operations of text for every time that they are fewer */
    TRIED = 32,                                             /* operations tried for one that is allowed */
    STEPS = 4,                                              /* steps for one operation that is tried */
    LARGEST = 64,                                           /* elements of an array of a body that is written out */
    FEW_TRIPS = 4                                           /* of a loop in a body that is written out */
};

/* The bodies of a function; each is done once, all with so many operations. */
typedef struct { Context *ctx; Map *known; int64_t limit, left; } Bodies;

/* The numbers of the elements; in a body the node, until they are asked for. */
typedef struct { double *numbers; Node *node; } Value;

typedef struct {
    Context *ctx;
    Bodies *bodies;                                         /* NULL: of a whole function */
    int64_t largest;                                        /* elements of an array that is written out */
    Vec(Node *) table;                                      /* number -> scalar; number 0 is the real 0 */
    Map *number;                                            /* scalar -> 1 + its number */
    Map *finite;                                            /* scalar -> whether it is finite for finite inputs */
    int64_t work, most;                                     /* operations without simplification */
    int64_t steps;                                          /* elements and trips, whatever they compute */
    bool fails;                                             /* something is not known before it runs, or there is too much */
} Writer;

static bool is_finite(Writer *, const Node *);
static const Fn *body_in_scalars(Bodies *, const Fn *body);

static double number_of(Writer *w, Node *n)
{
    intptr_t known = (intptr_t)map_get(w->number, n);
    if (known)
        return (double)(known - 1);
    vec_push(w->ctx->scratch, &w->table, n);
    map_put(w->number, n, (void *)(intptr_t)w->table.count);
    is_finite(w, n);                                        /* of operands first: no deep recursion later */
    return (double)(w->table.count - 1);
}

static Node *scalar_at(const Writer *w, double number) { return w->table.at[(int64_t)number]; }
static double *array_of(Writer *w, const Type *t) { return NEW_ARRAY(w->ctx->scratch, double, t->count + 1); }

static bool is_known(const Writer *w, double number, double *value)
{
    return node_is_fill(scalar_at(w, number), value);
}

/* The values of scalars that are all constants: indices, conditions, trips. */
static double *known_values(Writer *w, const Node *n, const double *numbers)
{
    double *values = array_of(w, n->type);
    for (int64_t i = 0; i < n->type->count; i++)
        if (!is_known(w, numbers[i], &values[i]))
            w->fails = true;
    return values;
}

/* ---- arithmetic -------------------------------------------------------------------------------------------------- */
static void count_work(Writer *w, const Node *n, int64_t count)
{
    w->work += n->type->elem == ELEM_REAL && n->op != OP_real ? count : 0;
    w->fails |= w->work > w->most;
}

static bool count_steps(Writer *w, int64_t count)
{
    w->steps += count;
    w->fails |= w->steps > STEPS * w->most;
    return !w->fails;
}

/* Made of finite inputs by what is bounded, and + - *: finite, but for what is near the largest number. */
static bool is_finite(Writer *w, const Node *n)
{
    enum { YES = 1, NO = 2 };
    intptr_t known = (intptr_t)map_get(w->finite, n);
    if (known)
        return known == YES;
    bool finite = n->op != OP_constant || isfinite(n->data[0]);
    switch (n->op) {
    case OP_constant: case OP_real: break;
    case OP_param: finite = !w->bodies; break;              /* of a body: whatever was computed before */
    case OP_sin: case OP_cos: case OP_tanh: case OP_sigmoid: case OP_atan:
    case OP_add: case OP_sub: case OP_mul: case OP_neg: case OP_square: case OP_slice: case OP_reshape:
        for (int k = 0; k < n->operand_count; k++)
            finite &= is_finite(w, n->operands[k]);
        break;
    default: finite = false;
    }
    map_put(w->finite, n, (void *)(intptr_t)(finite ? YES : NO));
    return finite;
}

static bool is_nothing(Writer *w, const Node *n, const Node *zero, const Node *other)
{
    return n->type->elem == ELEM_REAL && node_is_zero(zero) && (n->origin.role != ROLE_PRIMAL || is_finite(w, other));
}

static double product(Writer *w, const Node *n, double x, double y)
{
    Node *a = scalar_at(w, x), *b = scalar_at(w, y);
    return is_nothing(w, n, a, b) || is_nothing(w, n, b, a) ? 0 : number_of(w, node_binary(w->ctx, OP_mul, a, b));
}

static double total(Writer *w, double x, double y)
{
    return number_of(w, node_binary(w->ctx, OP_add, scalar_at(w, x), scalar_at(w, y)));
}

static double element(Writer *w, const Node *n, const double *const *operands, int64_t i)
{
    Node **xs = NEW_ARRAY(w->ctx->scratch, Node *, n->operand_count + 1);
    if (n->op == OP_mul)
        return product(w, n, operands[0][i], operands[1][i]);
    for (int k = 0; k < n->operand_count; k++)
        xs[k] = scalar_at(w, operands[k][i]);
    if (n->op == OP_div && n->origin.role != ROLE_PRIMAL && node_is_zero(xs[0]))
        return 0;
    return number_of(w, n->op == OP_call ? node_call(w->ctx, (int)n->attr[0], xs) : node_elementwise(w->ctx, n->op, xs));
}

static void write_elements(Writer *w, const Node *n, const double *const *operands, double *out)
{
    count_work(w, n, n->type->count);
    for (int64_t i = 0; i < n->type->count && !w->fails; i++)
        out[i] = element(w, n, operands, i);
}

/* A sum of products over labelled axes: every label is counted through, those that are summed fastest. */
typedef struct { int count; int64_t label[3 * RANK_MAX], size[3 * RANK_MAX], at[3 * RANK_MAX]; } Labels;

static void add_labels(Labels *all, const Type *t, const int64_t *labels)
{
    for (int k = 0; k < t->rank; k++) {
        int known = 0;
        while (known < all->count && all->label[known] != labels[k])
            known++;
        if (known == all->count)
            all->count++;
        all->label[known] = labels[k];
        all->size[known] = type_size(t, k);
    }
}

static int64_t place_in(const Labels *all, const Type *t, const int64_t *labels)
{
    int64_t place = 0;
    for (int k = 0; k < t->rank; k++) {
        int known = 0;
        while (all->label[known] != labels[k])
            known++;
        place = place * type_size(t, k) + all->at[known];
    }
    return place;
}

static bool count_on(Labels *all)
{
    for (int k = all->count - 1; k >= 0; k--) {
        if (++all->at[k] < all->size[k])
            return true;
        all->at[k] = 0;
    }
    return false;
}

static void write_products(Writer *w, const Node *n, const int64_t *labels, const double *const *operands, double *out)
{
    const Type *x = n->operands[0]->type, *y = n->operand_count > 1 ? n->operands[1]->type : NULL;
    const int64_t *second = labels + x->rank, *result = second + (y ? y->rank : 0);
    Labels all = { 0 };
    add_labels(&all, n->type, result);
    add_labels(&all, x, labels);
    if (y)
        add_labels(&all, y, second);
    double zero = n->type->elem == ELEM_REAL ? 0 : number_of(w, node_int(w->ctx, 0));
    for (int64_t i = 0; i < n->type->count; i++)
        out[i] = zero;
    do {
        int64_t at = place_in(&all, n->type, result);
        double term = operands[0][place_in(&all, x, labels)];
        if (y)
            term = product(w, n, term, operands[1][place_in(&all, y, second)]);
        out[at] = total(w, out[at], term);
        count_work(w, n, y ? 2 : 1);
    } while (count_steps(w, 1) && count_on(&all));
}

static void write_sum(Writer *w, const Node *n, const double *const *operands, double *out)
{
    const Type *x = n->operands[0]->type;
    int64_t labels[2 * RANK_MAX];
    int kept = 0;
    for (int k = 0; k < x->rank; k++)
        labels[k] = k;
    for (int k = 0; k < x->rank; k++) {
        bool is_summed = false;
        for (int a = 0; a < n->attr_count; a++)
            is_summed |= n->attr[a] + x->rank == k;
        if (!is_summed)
            labels[x->rank + kept++] = k;
    }
    write_products(w, n, labels, operands, out);
}

/* ---- movement ---------------------------------------------------------------------------------------------------- */
/* x, then indices (of a scatter: base, source, indices), which must be known. */
static void write_indexed(Writer *w, const Node *n, const double *const *operands, double *out)
{
    int first = n->op == OP_index ? 1 : 2;
    const double **values = arena_copy(w->ctx->scratch, operands, sizeof *operands * (size_t)n->operand_count);
    for (int k = first; k < n->operand_count; k++)
        values[k] = known_values(w, n->operands[k], operands[k]);
    if (w->fails)
        return;
    if (n->op != OP_index_add) {
        eval_node(w->ctx, n, values, out);
        return;
    }
    /* The places in the base that the elements of the source are added to. */
    Node **parts = arena_copy(w->ctx->scratch, n->operands, sizeof *n->operands * (size_t)n->operand_count);
    double *places = array_of(w, n->type), *to = array_of(w, n->operands[1]->type);
    for (int64_t i = 0; i < n->type->count; i++)
        places[i] = (double)i;
    parts[1] = n->operands[0];
    values[1] = places;
    Node read = { .op = OP_index, .type = type_with_elem(w->ctx, n->operands[1]->type, ELEM_INT),
                  .operand_count = n->operand_count - 1, .operands = parts + 1 };
    eval_node(w->ctx, &read, values + 1, to);
    memcpy(out, operands[0], sizeof *out * (size_t)n->type->count);
    for (int64_t i = 0; i < n->operands[1]->type->count; i++)
        out[(int64_t)to[i]] = total(w, out[(int64_t)to[i]], operands[1][i]);
    count_work(w, n, n->operands[1]->type->count);
}

static void write_leaf(Writer *w, const Node *n, double *out)
{
    for (int64_t i = 0; i < n->type->count; i++) {
        double value = n->op == OP_iota ? (double)i : n->data[i];
        out[i] = number_of(w, node_constant(w->ctx, type_scalar(w->ctx, n->type->elem), &value));
    }
}

static void write_node(Writer *w, const Node *n, const double *const *operands, double *out)
{
    graph_set_origin(w->ctx, (Origin){ .span = n->origin.span, .role = n->origin.role, .of = n->origin.of,
                                       .name = n->type->rank == 0 ? n->origin.name : NULL });
    if (n->op == OP_constant || n->op == OP_iota)
        write_leaf(w, n, out);
    else if (op_info[n->op].class == CLASS_ELEMENTWISE || n->op == OP_call)
        write_elements(w, n, operands, out);
    else if (n->op == OP_einsum)
        write_products(w, n, n->attr, operands, out);
    else if (n->op == OP_sum)
        write_sum(w, n, operands, out);
    else if (n->op == OP_index || n->op == OP_index_add || n->op == OP_index_set)
        write_indexed(w, n, operands, out);
    else if ((op_info[n->op].class == CLASS_LINEAR && (n->op != OP_pad || n->type->elem == ELEM_REAL))
             || n->op == OP_override || node_is_ruled(n))
        eval_node(w->ctx, n, operands, out);
    else
        w->fails = true;
}

/* ---- values of bodies -------------------------------------------------------------------------------------------- */
static Node *array_again(Writer *w, const Node *old, const double *numbers)
{
    Node **elements = NEW_ARRAY(w->ctx->scratch, Node *, old->type->count + 1);
    for (int64_t i = 0; i < old->type->count; i++)
        elements[i] = scalar_at(w, numbers[i]);
    graph_set_origin(w->ctx, old->origin);
    return old->type->rank == 0 ? elements[0]
        : node_reshape(w->ctx, node_stack(w->ctx, (int)old->type->count, elements), old->type);
}

/* The elements of an array. */
static double *read_array(Writer *w, Node *array)
{
    const Type *t = array->type;
    double *numbers = array_of(w, t);
    Node *flat = t->rank == 0 ? array : node_reshape(w->ctx, array, type_sized(w->ctx, t->elem, 1, &t->count));
    graph_set_origin(w->ctx, (Origin){ .span = array->origin.span, .role = array->origin.role, .of = array->origin.of });
    for (int64_t i = 0; i < t->count; i++) {
        int64_t one = 1;
        Node *x = t->rank == 0 ? flat : node_slice(w->ctx, flat, &i, &one, &one);
        numbers[i] = number_of(w, node_reshape(w->ctx, x, type_scalar(w->ctx, t->elem)));
    }
    return numbers;
}

/* NULL: it is too large. */
static double *numbers_of(Writer *w, Value *v)
{
    if (!v->numbers && v->node->type->count <= w->largest)
        v->numbers = read_array(w, v->node);
    return v->numbers;
}

static Node *node_of(Writer *w, const Node *old, Value *v)
{
    if (!v->node)
        v->node = array_again(w, old, v->numbers);
    return v->node;
}

static bool are_known(const Writer *w, const double *numbers, int64_t count)
{
    double value;
    bool known = true;
    for (int64_t i = 0; known && i < count; i++)
        known = is_known(w, numbers[i], &value);
    return known;
}

/* The operands that are indices are known beforehand. */
static bool is_fixed(Writer *w, const Node *n, Value *const *operands)
{
    bool fixed = true;
    for (int k = n->op == OP_index ? 1 : 2; fixed && k < n->operand_count; k++) {
        const double *numbers = numbers_of(w, operands[k]);
        fixed = numbers && are_known(w, numbers, n->operands[k]->type->count);
    }
    return fixed;
}

/* In a body, what is large and what is only known when it runs stays as it is. */
static bool is_writable(Writer *w, const Node *n, Value *const *operands)
{
    bool indexed = n->op == OP_index || n->op == OP_index_add || n->op == OP_index_set;
    bool known = op_info[n->op].class == CLASS_ELEMENTWISE || op_info[n->op].class == CLASS_LINEAR || n->op == OP_constant
        || n->op == OP_iota || n->op == OP_call;
    bool can = known && n->type->count <= w->largest && (n->op != OP_pad || n->type->elem == ELEM_REAL);
    for (int k = 0; can && k < n->operand_count; k++)
        can = operands[k]->numbers || operands[k]->node->type->count <= w->largest;
    return can && (!indexed || is_fixed(w, n, operands));
}

/* Elements of an array at indices that are known when it runs. */
static bool read_elements(Writer *w, const Node *n, Value *const *operands, Value *out)
{
    if (n->op != OP_index || n->type->count > w->largest)
        return false;
    int count = n->operand_count - 1, rank = n->operands[0]->type->rank;
    int64_t rest = 1, size = n->operands[1]->type->count;
    Node **indices = NEW_ARRAY(w->ctx->scratch, Node *, rank + 1);
    for (int k = 1; k <= count; k++)
        if (!numbers_of(w, operands[k]))
            return false;
    for (int k = count; k < rank; k++)
        rest *= type_size(n->operands[0]->type, k);
    Node *x = node_of(w, n->operands[0], operands[0]);
    out->numbers = array_of(w, n->type);
    graph_set_origin(w->ctx, (Origin){ .span = n->origin.span, .role = n->origin.role, .of = n->origin.of });
    for (int64_t i = 0; i < size * rest; i++) {
        int64_t place = i % rest;
        for (int k = rank - 1; k >= count; place /= type_size(x->type, k), k--)
            indices[k] = node_int(w->ctx, place % type_size(x->type, k));
        for (int k = 0; k < count; k++)
            indices[k] = scalar_at(w, operands[k + 1]->numbers[i / rest]);
        out->numbers[i] = number_of(w, node_index(w->ctx, x, rank, indices));
    }
    return true;
}

static void keep_node(Writer *w, const Node *n, Value *const *operands, Value *out)
{
    Node **again = NEW_ARRAY(w->ctx->scratch, Node *, n->operand_count + 1);
    for (int k = 0; k < n->operand_count; k++)
        again[k] = node_of(w, n->operands[k], operands[k]);
    graph_set_origin(w->ctx, n->origin);
    out->node = node_rebuild(w->ctx, n, again);
}

static void write_value(Writer *w, const Node *n, Value *const *operands, Value *out)
{
    const double **numbers = NEW_ARRAY(w->ctx->scratch, const double *, n->operand_count + 1);
    if (w->bodies && !is_writable(w, n, operands)) {
        if (!read_elements(w, n, operands, out))
            keep_node(w, n, operands, out);
        return;
    }
    for (int k = 0; k < n->operand_count; k++)
        numbers[k] = numbers_of(w, operands[k]);
    out->numbers = array_of(w, n->type);
    write_node(w, n, numbers, out->numbers);
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */
static void write_nodes(Writer *, const Fn *, const Value *arguments, Value *results);

/* Own params of the body, then what it captures. */
static Value *body_arguments(Writer *w, const Node *n, const Fn *body, Value *const *operands)
{
    int own = region_own_count(n), leading = region_leading_count(n);
    Value *arguments = NEW_ARRAY(w->ctx->scratch, Value, body->params.count + 1);
    for (int k = own; k < body->params.count; k++)
        arguments[k] = *operands[leading + k - own];
    return arguments;
}

static void write_loop(Writer *w, const Node *n, Value *const *operands, Value *values)
{
    const Fn *body = n->body[0];
    int carries = (int)n->attr[1];
    double trips = known_values(w, n->operands[0], numbers_of(w, operands[0]))[0];
    if (w->fails || trips < (double)n->attr[0]) {           /* rows of trips not taken are 0: left to the loop */
        w->fails = true;
        return;
    }
    Value *arguments = body_arguments(w, n, body, operands);
    Value *results = NEW_ARRAY(w->ctx->scratch, Value, body->results.count + 1);
    for (int k = 0; k < carries; k++)
        arguments[1 + k] = *operands[1 + k];
    for (int k = carries; k < body->results.count; k++)
        if (count_steps(w, node_result_type(w->ctx, n, k)->count))
            values[k].numbers = array_of(w, node_result_type(w->ctx, n, k));
    for (int64_t trip = 0; trip < n->attr[0] && count_steps(w, 1); trip++) {
        double index = number_of(w, node_int(w->ctx, trip));
        arguments[0] = (Value){ &index, NULL };
        write_nodes(w, body, arguments, results);
        for (int k = 0; k < body->results.count && !w->fails; k++) {
            int64_t count = body->results.at[k].node->type->count;
            if (k < carries)
                arguments[1 + k] = results[k];
            else
                memcpy(values[k].numbers + trip * count, numbers_of(w, &results[k]), sizeof(double) * (size_t)count);
        }
    }
    for (int k = 0; k < carries; k++)
        values[k] = arguments[1 + k];
}

/* In a body a loop of a few trips that leaves small rows is written out, and a branch whose side is known. */
static bool is_unrolled(Writer *w, const Node *n, Value *const *operands)
{
    const double *numbers = n->op == OP_while_loop ? NULL : numbers_of(w, operands[0]);
    bool known = numbers && are_known(w, numbers, 1);
    if (n->op == OP_branch || !known)
        return known;
    for (int k = (int)n->attr[1]; known && k < region_result_count(n); k++)
        known = node_result_type(w->ctx, n, k)->count <= w->largest;
    return known && n->attr[0] <= FEW_TRIPS && known_values(w, n->operands[0], numbers)[0] >= (double)n->attr[0];
}

static void keep_region(Writer *w, const Node *n, Value *const *operands, Value *values)
{
    const Fn *body[2] = { NULL, NULL };
    Node **again = NEW_ARRAY(w->ctx->scratch, Node *, n->operand_count + 1);
    Node **results = NEW_ARRAY(w->ctx->scratch, Node *, region_result_count(n) + 1);
    for (int k = 0; k < n->operand_count; k++)
        again[k] = node_of(w, n->operands[k], operands[k]);
    for (int b = 0; b < 2 && n->body[b]; b++)
        body[b] = body_in_scalars(w->bodies, n->body[b]);
    region_again(w->ctx, n, body, again, NULL, results);
    for (int k = 0; k < region_result_count(n); k++)
        values[k].node = results[k];
}

static void write_region(Writer *w, const Node *n, Value *const *operands, Value *values)
{
    if (w->bodies && !is_unrolled(w, n, operands)) {
        keep_region(w, n, operands, values);
    } else if (n->op == OP_loop) {
        write_loop(w, n, operands, values);
    } else if (n->op == OP_branch) {
        double condition = known_values(w, n->operands[0], numbers_of(w, operands[0]))[0];
        const Fn *body = n->body[condition == 0];
        if (!w->fails)
            write_nodes(w, body, body_arguments(w, n, body, operands), values);
    } else {
        w->fails = true;
    }
}

/* ---- functions --------------------------------------------------------------------------------------------------- */
static void write_nodes(Writer *w, const Fn *fn, const Value *arguments, Value *results)
{
    Context *ctx = w->ctx;
    NodeList nodes = { 0 };
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    Value *value = NEW_ARRAY(ctx->scratch, Value, nodes.count + 1), **of_region;
    of_region = NEW_ARRAY(ctx->scratch, Value *, nodes.count + 1);
    for (int k = 0; k < fn->params.count; k++) {
        int place = node_place(&nodes, fn->params.at[k].node);
        if (place >= 0)
            value[place] = arguments[k];
    }
    for (int k = 0; k < nodes.count && !w->fails; k++) {
        const Node *n = nodes.at[k];
        Value **operands = NEW_ARRAY(ctx->scratch, Value *, n->operand_count + 1);
        for (int i = 0; i < n->operand_count; i++)
            operands[i] = &value[node_place(&nodes, n->operands[i])];
        if (n->op == OP_result) {
            value[k] = of_region[node_place(&nodes, n->operands[0])][n->attr[0]];
        } else if (node_is_region(n)) {
            of_region[k] = NEW_ARRAY(ctx->scratch, Value, region_result_count(n) + 1);
            write_region(w, n, operands, of_region[k]);
        } else if (n->op != OP_param) {
            if (!count_steps(w, (w->bodies && n->type->count > w->largest ? 0 : n->type->count) + 1))
                return;
            write_value(w, n, operands, &value[k]);
        }
    }
    for (int k = 0; k < fn->results.count && !w->fails; k++)
        results[k] = value[node_place(&nodes, fn->results.at[k].node)];
}

static int64_t operations(Context *ctx, const Fn *fn)
{
    NodeList nodes = { 0 };
    int64_t count = 0;
    fn_nodes(ctx, fn, ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++) {
        const Node *n = nodes.at[k];
        bool counts = op_info[n->op].class == CLASS_ELEMENTWISE || n->op == OP_call;
        count += counts && n->type->elem == ELEM_REAL && n->type->rank == 0 && n->op != OP_real;
    }
    return count;
}

static Fn *written(Writer *w, const Fn *fn, Value *results)
{
    Fn *made = arena_copy(w->ctx->arena, fn, sizeof *fn);
    made->results.at = arena_copy(w->ctx->arena, fn->results.at, sizeof *fn->results.at * (size_t)fn->results.count);
    made->results.capacity = made->results.count;
    for (int k = 0; k < fn->results.count; k++)
        made->results.at[k].node = node_of(w, fn->results.at[k].node, &results[k]);
    memset(&made->adjoints, 0, sizeof made->adjoints);
    return made;
}

/* The function or body in scalars; NULL: it can not be. */
static const Fn *write_scalars(Writer *w, const Fn *fn, int64_t largest_param)
{
    Context *ctx = w->ctx;
    ArenaMark mark = arena_mark(ctx->scratch);
    Origin saved = graph_origin(ctx);
    Value *arguments = NEW_ARRAY(ctx->scratch, Value, fn->params.count + 1);
    Value *results = NEW_ARRAY(ctx->scratch, Value, fn->results.count + 1);
    w->number = map_new(ctx->scratch);
    w->finite = map_new(ctx->scratch);
    number_of(w, node_real(ctx, 0));
    for (int k = 0; k < fn->params.count; k++) {
        arguments[k].node = fn->params.at[k].node;
        w->fails |= !w->bodies && arguments[k].node->type->count > largest_param;
        if (!w->bodies && !w->fails)
            numbers_of(w, &arguments[k]);
    }
    if (!w->fails)
        write_nodes(w, fn, arguments, results);
    const Fn *made = w->fails ? NULL : written(w, fn, results);
    graph_set_origin(ctx, saved);
    arena_release(ctx->scratch, mark);
    return made;
}

/* Where it saves much; else NULL. */
static const Fn *try_scalars(Writer *w, const Fn *fn, int64_t limit)
{
    const Fn *scalars = write_scalars(w, fn, limit);
    int64_t count = scalars ? operations(w->ctx, scalars) : 0;
    int64_t gain = w->bodies ? GAIN_IN_BODY : GAIN, length = w->bodies ? LENGTH_IN_BODY : LENGTH;
    bool saves = count <= limit && count * gain <= 2 * w->work && count * count <= w->work * length;
    return scalars && w->work >= LEAST && saves ? scalars : NULL;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */
static void region_in_scalars(Context *ctx, const Node *old, Node *const *operands, void *user, Node **values)
{
    const Fn *body[2] = { NULL, NULL };
    for (int b = 0; b < 2 && old->body[b]; b++)
        body[b] = body_in_scalars(user, old->body[b]);
    region_again(ctx, old, body, operands, NULL, values);
}

/* As it is, but for the bodies in it. */
static const Fn *with_bodies(Bodies *b, const Fn *fn)
{
    NodeList nodes = { 0 };
    ArenaMark mark = arena_mark(b->ctx->scratch);
    bool changes = false;
    fn_nodes(b->ctx, fn, b->ctx->scratch, &nodes);
    for (int k = 0; k < nodes.count; k++)
        for (int i = 0; i < 2 && nodes.at[k]->body[i]; i++)
            changes |= body_in_scalars(b, nodes.at[k]->body[i]) != nodes.at[k]->body[i];
    arena_release(b->ctx->scratch, mark);
    return changes ? fn_rewrite_regions(b->ctx, fn, NULL, region_in_scalars, b) : fn;
}

/* In scalars, but for what is large. */
static const Fn *body_in_scalars(Bodies *b, const Fn *body)
{
    const Fn *made = map_get(b->known, body);
    if (made)
        return made;
    Writer w = { .ctx = b->ctx, .bodies = b, .largest = LARGEST, .most = b->limit * TRIED };
    if (w.most > b->left)
        w.most = b->left;
    made = try_scalars(&w, body, b->limit);
    b->left -= w.work + w.steps / STEPS;
    if (!made)
        made = with_bodies(b, body);
    map_put(b->known, body, (Fn *)(uintptr_t)made);
    return made;
}

const Fn *fn_scalars(Context *ctx, const Fn *fn, int64_t limit)
{
    Writer w = { .ctx = ctx, .largest = INT64_MAX, .most = limit * TRIED };
    const Fn *made = try_scalars(&w, fn, limit);
    Bodies b = { ctx, map_new(ctx->arena), limit, 4 * limit * TRIED };
    return made ? made : with_bodies(&b, fn);
}

const Fn *fn_element_scalars(Context *ctx, const Fn *fn, int64_t limit)
{
    Bodies b = { ctx, map_new(ctx->arena), limit, 4 * limit * TRIED };
    Writer w = { .ctx = ctx, .bodies = &b, .largest = LARGEST, .most = limit * TRIED };
    const Fn *made = write_scalars(&w, fn, INT64_MAX);
    return made && operations(ctx, made) <= limit ? made : NULL;
}
