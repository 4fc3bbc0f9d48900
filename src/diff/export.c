/* export.c: the export contract (language.md, section 7).
 *
 * A transform takes a function and gives a function: the same params and results first, then its own, in the order
 * and with the names that the contract states.  So transforms nest by being applied from the inside out.  What is
 * asked for must exist: unknown, ambiguous and colliding names are refused here, with a place. */
#include "nest.h"
#include "sparsity.h"

#include <string.h>

/* One transform being applied. */
typedef struct {
    Context *ctx;
    const Transform *t;
    bool quiet;                                             /* nobody asked for this export: no warnings */
    Fn *fn;                                                 /* grows: what the transform gives */
    int x_count; Node **xs; Str *x_names;                   /* wrt */
    int y_count; Node **ys; Str *y_names;                   /* the real outputs that are differentiated */
    bool failed;
} Work;

static const char *const kind_name[] = { "", "grad", "vjp", "jvp", "jacobian", "hessian", "hvp", "split" };

/* ---- names ----------------------------------------------------------------------------------------------------- */
static bool is_taken(const Work *w, Str name)
{
    for (int k = 0; k < w->fn->params.count; k++)
        if (w->fn->params.at[k].name == name)
            return true;
    for (int k = 0; k < w->fn->results.count; k++)          /* the gradients of a split are no outputs of its first function */
        if (w->fn->results.at[k].name == name && w->fn->results.at[k].is_gradient == (w->t->kind == TRANSFORM_SPLIT))
            return true;
    return false;
}

/* A name that a transform inside has made already gets a number: x_tangent, x_tangent2.  One that the function itself
 * has is refused, once for each transform: the names that follow collide for the same reason. */
static Str claim(Work *w, Str name, const char *made)
{
    Str wanted = name;
    for (int n = 2; w->t->inner && is_taken(w, name); n++)
        name = str_format(w->ctx, "%s%d", wanted, n);
    if (is_taken(w, name) && !w->failed) {
        error_at(w->ctx, w->t->span, "%s makes %s '%s', and the function has this name already", kind_name[w->t->kind],
                 made, name);
        w->failed = true;
    }
    return name;
}

static Node *add_param(Work *w, const Type *type, Str of, const char *suffix)
{
    Str contract = str_format(w->ctx, "%s%s", of, suffix), name = claim(w, contract, "an input");
    Param p = { .name = name, .contract = contract, .node = node_param(w->ctx, name, type, w->t->span),
                .is_seed = w->t->kind == TRANSFORM_SPLIT };
    vec_push(w->ctx->arena, &w->fn->params, p);
    return p.node;
}

static Result *add_result(Work *w, Str contract, Node *node, bool accumulate)
{
    Result r = { .name = claim(w, contract, "an output"), .contract = contract, .node = node,
                 .accumulate = accumulate, .is_gradient = w->t->kind == TRANSFORM_SPLIT };
    vec_push(w->ctx->arena, &w->fn->results, r);
    return &w->fn->results.at[w->fn->results.count - 1];
}

/* A derivative that nothing flows to is zero; the user hears of it once, for the first order. */
static Node *filled(Work *w, Node *d, const Type *type)
{
    return d ? d : node_fill(w->ctx, type, 0);
}

static void warn_independent(Work *w, Str what, Str x)
{
    if (!w->quiet && !w->failed && !w->ctx->error_count)
        warn_at(w->ctx, w->t->span, "'%s' does not depend on '%s': the derivative is zero", what, x);
}

static Str all_outputs(const Work *w)
{
    Text text = { .arena = w->ctx->arena };
    for (int k = 0; k < w->y_count; k++)
        text_printf(&text, "%s%s", k ? ", " : "", w->y_names[k]);
    return text.text ? text.text : "";
}

static void add_gradients(Work *w, Node *const *gradients)
{
    for (int k = 0; k < w->x_count; k++) {
        if (!gradients[k])
            warn_independent(w, all_outputs(w), w->x_names[k]);
        Result *r = add_result(w, str_format(w->ctx, "%s_grad", w->x_names[k]), filled(w, gradients[k], w->xs[k]->type),
                               w->t->accumulate);
        r->slope_of = w->t->kind == TRANSFORM_GRAD ? w->ys[0] : NULL;
        r->slope_by = w->xs[k];
    }
}

/* What is computed in another way now; NULL: it is not. */
static void replace_result(Work *w, const Node *old, Node *now)
{
    for (int k = 0; now && k < w->fn->results.count; k++)
        if (w->fn->results.at[k].node == old)
            w->fn->results.at[k].node = now;
}

/* ---- what is differentiated by what ---------------------------------------------------------------------------- */
static void take_x(Work *w, const Param *p)
{
    w->x_names[w->x_count] = p->name;
    w->xs[w->x_count++] = p->node;
}

static void unknown_name(Work *w, Span span, const char *what, Str name, const Str *known, int count)
{
    Str near = nearest_name(name, known, count);
    error_at(w->ctx, span, "'%s' is no %s of this function", name, what);
    if (near)
        note_at(w->ctx, span, "did you mean '%s'?", near);
    w->failed = true;
}

static void choose_named_x(Work *w, Str name)
{
    Str *known = NEW_ARRAY(w->ctx->arena, Str, w->fn->params.count);
    for (int k = 0; k < w->x_count; k++)
        if (w->x_names[k] == name) {
            error_at(w->ctx, w->t->wrt_span, "'%s' stands in wrt twice", name);
            w->failed = true;
            return;
        }
    for (int k = 0; k < w->fn->params.count; k++) {
        const Param *p = &w->fn->params.at[k];
        known[k] = p->name;
        if (p->name != name)
            continue;
        if (p->node->type->elem == ELEM_REAL) {
            take_x(w, p);
            return;
        }
        error_at(w->ctx, w->t->wrt_span, "'%s' is %s: derivatives are taken with respect to real inputs", name,
                 type_text(w->ctx, p->node->type));
        w->failed = true;
        return;
    }
    unknown_name(w, w->t->wrt_span, "input", name, known, w->fn->params.count);
}

static void choose_xs(Work *w)
{
    int room = w->fn->params.count > w->t->wrt.count ? w->fn->params.count : w->t->wrt.count;
    w->xs = NEW_ARRAY(w->ctx->arena, Node *, room);
    w->x_names = NEW_ARRAY(w->ctx->arena, Str, room);
    for (int k = 0; k < w->t->wrt.count; k++)
        choose_named_x(w, w->t->wrt.at[k]);
    for (int k = 0; w->t->wrt.count == 0 && k < w->fn->params.count; k++)
        if (w->fn->params.at[k].is_param && w->fn->params.at[k].node->type->elem == ELEM_REAL)
            take_x(w, &w->fn->params.at[k]);
    if (w->x_count == 0 && !w->failed) {
        error_at(w->ctx, w->t->span, "%s: the function has no real input to differentiate by", kind_name[w->t->kind]);
        w->failed = true;
    }
}

static void take_y(Work *w, const Result *r)
{
    w->y_names[w->y_count] = r->name;
    w->ys[w->y_count++] = r->node;
}

static void choose_named_y(Work *w, Str name)
{
    Str *known = NEW_ARRAY(w->ctx->arena, Str, w->fn->results.count);
    for (int k = 0; k < w->fn->results.count; k++) {
        const Result *r = &w->fn->results.at[k];
        known[k] = r->name;
        if (r->name != name)
            continue;
        take_y(w, r);
        if (r->node->type->elem == ELEM_REAL)
            return;
        error_at(w->ctx, w->t->of_span, "'%s' is %s: only a real output has a derivative", name,
                 type_text(w->ctx, r->node->type));
        w->failed = true;
        return;
    }
    unknown_name(w, w->t->of_span, "output", name, known, w->fn->results.count);
}

static void require_scalar(Work *w)
{
    const char *kind = kind_name[w->t->kind];
    if (w->y_count > 1)
        error_at(w->ctx, w->t->span, "%s needs one output, and there are several (%s): choose with 'of:'", kind,
                 all_outputs(w));
    else if (!node_is_scalar(w->ys[0]))
        error_at(w->ctx, w->t->span, "%s needs a scalar output, and '%s' is %s%s", kind, w->y_names[0],
                 type_text(w->ctx, w->ys[0]->type), w->t->kind == TRANSFORM_GRAD ? ": vjp takes a seed for it" : "");
    w->failed |= w->y_count > 1 || !node_is_scalar(w->ys[0]);
}

static void choose_ys(Work *w)
{
    w->ys = NEW_ARRAY(w->ctx->arena, Node *, w->fn->results.count);
    w->y_names = NEW_ARRAY(w->ctx->arena, Str, w->fn->results.count);
    if (w->t->of)
        choose_named_y(w, w->t->of);
    for (int k = 0; !w->t->of && k < w->fn->results.count; k++)
        if (w->fn->results.at[k].node->type->elem == ELEM_REAL)
            take_y(w, &w->fn->results.at[k]);
    if (w->y_count == 0 && !w->failed) {
        error_at(w->ctx, w->t->span, "%s: the function has no real output", kind_name[w->t->kind]);
        w->failed = true;
    }
    bool scalar = w->t->kind == TRANSFORM_GRAD || w->t->kind == TRANSFORM_HESSIAN || w->t->kind == TRANSFORM_HVP;
    if (scalar && !w->failed)
        require_scalar(w);
}

/* ---- the transforms -------------------------------------------------------------------------------------------- */
static Node **reverse(Work *w, Node *const *seeds)
{
    Node **gradients = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    AdjointRecords records = { 0 };
    diff_reverse(w->ctx, w->y_count, w->ys, seeds, 0, w->x_count, w->xs, gradients, &records);
    for (int k = 0; k < records.count; k++)
        vec_push(w->ctx->arena, &w->fn->adjoints, records.at[k]);
    return gradients;
}

static Node **gradients_of_scalar(Work *w)
{
    Node *one = node_real(w->ctx, 1), **gradients = reverse(w, &one);
    add_gradients(w, gradients);
    return gradients;
}

static void apply_vjp(Work *w)
{
    Node **seeds = NEW_ARRAY(w->ctx->arena, Node *, w->y_count);
    for (int k = 0; k < w->y_count; k++)
        seeds[k] = add_param(w, w->ys[k]->type, w->y_names[k], "_seed");
    add_gradients(w, reverse(w, seeds));
}

static Node **add_tangent_params(Work *w)
{
    Node **tangents = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    for (int k = 0; k < w->x_count; k++)
        tangents[k] = add_param(w, w->xs[k]->type, w->x_names[k], "_tangent");
    return tangents;
}

static void apply_jvp(Work *w)
{
    Node **tangents = add_tangent_params(w), **dys = NEW_ARRAY(w->ctx->arena, Node *, w->y_count);
    diff_forward(w->ctx, w->x_count, w->xs, tangents, 0, w->y_count, w->ys, dys);
    for (int k = 0; k < w->y_count; k++) {
        if (!dys[k])
            warn_independent(w, w->y_names[k], w->x_count == 1 ? w->x_names[0] : "the inputs in wrt");
        add_result(w, str_format(w->ctx, "%s_tangent", w->y_names[k]), filled(w, dys[k], w->ys[k]->type), false);
    }
}

static void apply_hvp(Work *w)
{
    Node **tangents = add_tangent_params(w), **gradients = gradients_of_scalar(w);
    Node **found = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    Node **products = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    int count = 0;
    for (int k = 0; k < w->x_count; k++)
        if (gradients[k])
            found[count++] = gradients[k];
    diff_forward(w->ctx, w->x_count, w->xs, tangents, 0, count, found, products);
    for (int k = 0, at = 0; k < w->x_count; k++) {
        Node *product = gradients[k] ? products[at++] : NULL;
        add_result(w, str_format(w->ctx, "%s_hvp", w->x_names[k]), filled(w, product, w->xs[k]->type), false);
    }
}

static bool too_large(Work *w, const Node *y, const Node *x)
{
    graph_set_origin(w->ctx, (Origin){ .span = w->t->span });
    w->failed |= jacobian_too_large(w->ctx, y->type, x->type);
    return w->failed;
}

/* Row i, column j of the blocks: each comes from the sweep with fewer directions, and sweeps are shared. */
static void jacobian_blocks(Work *w, Node **blocks)
{
    Node **some = NEW_ARRAY(w->ctx->arena, Node *, w->x_count + w->y_count);
    int *at = NEW_ARRAY(w->ctx->arena, int, w->x_count + w->y_count);
    for (int j = 0; j < w->x_count; j++) {
        Node **columns = NEW_ARRAY(w->ctx->arena, Node *, w->y_count);
        int count = 0;
        for (int i = 0; i < w->y_count; i++)
            if (w->xs[j]->type->count <= w->ys[i]->type->count)
                some[count] = w->ys[i], at[count++] = i;
        jacobian_columns(w->ctx, count, some, w->xs[j], columns);
        for (int k = 0; k < count; k++)
            blocks[at[k] * w->x_count + j] = columns[k];
    }
    for (int i = 0; i < w->y_count; i++) {
        Node **rows = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
        int count = 0;
        for (int j = 0; j < w->x_count; j++)
            if (w->xs[j]->type->count > w->ys[i]->type->count)
                some[count] = w->xs[j], at[count++] = j;
        jacobian_rows(w->ctx, w->ys[i], count, some, rows);
        for (int k = 0; k < count; k++)
            blocks[i * w->x_count + at[k]] = rows[k];
    }
}

static void add_sparse(Work *w, Str name, const SparseBlock *b)
{
    add_result(w, name, b->values, false)->pattern = b->pattern;
}

static void too_sparse(Work *w)
{
    error_at(w->ctx, w->t->span, "the places where this derivative is not zero are too many for a sparse form, or too hard to find");
    note_at(w->ctx, w->t->span, "without 'sparse: true' it is one array");
    w->failed = true;
}

static void apply_sparse_jacobian(Work *w)
{
    SparseBlock *blocks = NEW_ARRAY(w->ctx->arena, SparseBlock, w->x_count * w->y_count + 1);
    if (!sparse_jacobian(w->ctx, w->fn, w->y_count, w->ys, w->x_count, w->xs, blocks)) {
        too_sparse(w);
        return;
    }
    for (int k = 0; k < w->y_count * w->x_count; k++) {
        replace_result(w, w->ys[k / w->x_count], blocks[k].y);
        replace_result(w, blocks[k].slope_of, blocks[k].value);
    }
    for (int i = 0; i < w->y_count; i++)
        for (int j = 0; j < w->x_count; j++)
            add_sparse(w, str_format(w->ctx, "%s_%s_jacobian", w->y_names[i], w->x_names[j]), &blocks[i * w->x_count + j]);
}

static void apply_jacobian(Work *w)
{
    Node **blocks = NEW_ARRAY(w->ctx->arena, Node *, w->x_count * w->y_count);
    for (int i = 0; i < w->y_count; i++)
        for (int j = 0; j < w->x_count; j++)
            if (too_large(w, w->ys[i], w->xs[j]))
                return;
    jacobian_blocks(w, blocks);
    for (int i = 0; i < w->y_count; i++)
        for (int j = 0; j < w->x_count; j++) {
            Node *d = blocks[i * w->x_count + j];
            if (!d)
                warn_independent(w, w->y_names[i], w->x_names[j]);
            d = filled(w, d, type_concat(w->ctx, ELEM_REAL, w->ys[i]->type, w->xs[j]->type));
            add_result(w, str_format(w->ctx, "%s_%s_jacobian", w->y_names[i], w->x_names[j]), d, false);
        }
}

/* The block of gradient i by x j with the two groups of axes exchanged. */
static Node *transposed_block(Context *ctx, Node *d, int rows)
{
    int perm[RANK_MAX], rank = d->type->rank;
    for (int k = 0; k < rank; k++)
        perm[k] = k < rank - rows ? rows + k : k - (rank - rows);
    return node_permute(ctx, d, perm);
}

/* Second derivatives commute: of the blocks (i, j) and (j, i) only the one with fewer directions is computed. */
static bool is_column(const Work *w, int i, int j)
{
    int64_t a = w->xs[i]->type->count, b = w->xs[j]->type->count;
    return b < a || (b == a && j >= i);
}

static void hessian_blocks(Work *w, Node *const *gradients, Node **blocks)
{
    Node **some = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    Node **columns = NEW_ARRAY(w->ctx->arena, Node *, w->x_count);
    int *at = NEW_ARRAY(w->ctx->arena, int, w->x_count);
    for (int j = 0; j < w->x_count; j++) {
        int count = 0;
        for (int i = 0; i < w->x_count; i++)
            if (gradients[i] && is_column(w, i, j))
                some[count] = gradients[i], at[count++] = i;
        jacobian_columns(w->ctx, count, some, w->xs[j], columns);
        for (int k = 0; k < count; k++) {
            int i = at[k], rank = w->xs[i]->type->rank;
            bool upper = i <= j;
            blocks[upper ? i * w->x_count + j : j * w->x_count + i] =
                upper || !columns[k] ? columns[k] : transposed_block(w->ctx, columns[k], rank);
        }
    }
}

static Str hessian_name(const Work *w, int i, int j)
{
    return i == j ? str_format(w->ctx, "%s_hessian", w->x_names[i])
                  : str_format(w->ctx, "%s_%s_hessian", w->x_names[i], w->x_names[j]);
}

static void apply_sparse_hessian(Work *w)
{
    Node *one = node_real(w->ctx, 1), **gradients = reverse(w, &one), *y = w->ys[0];
    SparseBlock *blocks = NEW_ARRAY(w->ctx->arena, SparseBlock, w->x_count * w->x_count + 1);
    if (!sparse_hessian(w->ctx, w->fn, &y, w->x_count, w->xs, gradients, blocks)) {
        too_sparse(w);
        return;
    }
    replace_result(w, w->ys[0], y);
    add_gradients(w, gradients);
    for (int i = 0; i < w->x_count; i++)
        for (int j = i; j < w->x_count; j++)
            add_sparse(w, hessian_name(w, i, j), &blocks[i * w->x_count + j]);
}

static void apply_hessian(Work *w)
{
    Node **gradients = gradients_of_scalar(w), **blocks = NEW_ARRAY(w->ctx->arena, Node *, w->x_count * w->x_count);
    for (int i = 0; i < w->x_count; i++)
        for (int j = i; j < w->x_count; j++)
            if (too_large(w, w->xs[i], w->xs[j]))
                return;
    hessian_blocks(w, gradients, blocks);
    for (int i = 0; i < w->x_count; i++)
        for (int j = i; j < w->x_count; j++) {
            const Type *type = type_concat(w->ctx, ELEM_REAL, w->xs[i]->type, w->xs[j]->type);
            add_result(w, hessian_name(w, i, j), filled(w, blocks[i * w->x_count + j], type), false);
        }
}

/* ---- one transform, then all of them --------------------------------------------------------------------------- */
static void check_sparse(Work *w)
{
    if (!w->t->sparse || w->t->kind == TRANSFORM_JACOBIAN || w->t->kind == TRANSFORM_HESSIAN)
        return;
    error_at(w->ctx, w->t->span, "sparse belongs to jacobian and hessian, and this is %s", kind_name[w->t->kind]);
    w->failed = true;
}

/* Only gradients that leave the function can be added to what is there. */
static void check_accumulate(Work *w, bool outermost)
{
    TransformKind kind = w->t->kind;
    bool has_gradients = kind != TRANSFORM_JVP && kind != TRANSFORM_JACOBIAN;
    if (!w->t->accumulate || (has_gradients && outermost))
        return;
    error_at(w->ctx, w->t->span, has_gradients ? "accumulate belongs to the outermost transform"
                                               : "accumulate adds into gradients, and %s has none", kind_name[kind]);
    w->failed = true;
}

/* The transform's own copy of the lists, so that the function it is applied to stays what it is. */
static Fn *copy_fn(Context *ctx, const Fn *from)
{
    Fn *fn = arena_copy(ctx->arena, from, sizeof *from);
    memset(&fn->params, 0, sizeof fn->params);
    memset(&fn->results, 0, sizeof fn->results);
    memset(&fn->adjoints, 0, sizeof fn->adjoints);
    for (int k = 0; k < from->params.count; k++)
        vec_push(ctx->arena, &fn->params, from->params.at[k]);
    for (int k = 0; k < from->results.count; k++)
        vec_push(ctx->arena, &fn->results, from->results.at[k]);
    for (int k = 0; k < from->adjoints.count; k++)
        vec_push(ctx->arena, &fn->adjoints, from->adjoints.at[k]);
    return fn;
}

static Str describe(const Work *w, Str inner, bool nested)
{
    Text text = { .arena = w->ctx->arena };
    text_printf(&text, "%s of %s%s%s by", kind_name[w->t->kind], nested ? "(" : "", inner, nested ? ")" : "");
    for (int k = 0; k < w->x_count; k++)
        text_printf(&text, "%s%s", k ? ", " : " ", w->x_names[k]);
    return str_intern(w->ctx, text.text);
}

static void dispatch(Work *w)
{
    switch (w->t->kind) {
    case TRANSFORM_GRAD: gradients_of_scalar(w); break;
    case TRANSFORM_VJP:
    case TRANSFORM_SPLIT: apply_vjp(w); break;
    case TRANSFORM_JVP: apply_jvp(w); break;
    case TRANSFORM_JACOBIAN: (w->t->sparse ? apply_sparse_jacobian : apply_jacobian)(w); break;
    case TRANSFORM_HESSIAN: (w->t->sparse ? apply_sparse_hessian : apply_hessian)(w); break;
    case TRANSFORM_HVP: apply_hvp(w); break;
    case TRANSFORM_NONE: internal_error(w->ctx, "export: %s is no derivative", kind_name[w->t->kind]);
    }
}

/* doc: what the function is, in words; grows with every transform. */
static Fn *apply(Context *ctx, const ExportSpec *e, const Transform *t, const Fn *from, Str *doc)
{
    Work w = { .ctx = ctx, .t = t, .quiet = e->implied };
    w.fn = copy_fn(ctx, from);
    check_sparse(&w);
    check_accumulate(&w, t == e->transform);
    choose_xs(&w);
    choose_ys(&w);
    if (w.failed)
        return NULL;
    int errors = ctx->error_count;
    dispatch(&w);
    *doc = describe(&w, *doc, t->inner && t->inner->kind != TRANSFORM_NONE);
    return w.failed || ctx->error_count > errors ? NULL : w.fn;
}

/* ---- `-> (w_grad, loss)` --------------------------------------------------------------------------------------- */
static const Result *find_result(const Fn *fn, Str name)
{
    for (int k = 0; k < fn->results.count; k++)
        if (fn->results.at[k].name == name)
            return &fn->results.at[k];
    return NULL;
}

static void unknown_result(Context *ctx, const Fn *fn, Span span, Str name)
{
    Str *known = NEW_ARRAY(ctx->arena, Str, fn->results.count);
    for (int k = 0; k < fn->results.count; k++)
        known[k] = fn->results.at[k].name;
    Str near = nearest_name(name, known, fn->results.count);
    error_at(ctx, span, "this export has no output '%s'", name);
    if (near)
        note_at(ctx, span, "did you mean '%s'?", near);
}

static Fn *select_results(Context *ctx, const ExportSpec *e, Fn *fn)
{
    Fn *selected = copy_fn(ctx, fn);
    int errors = ctx->error_count;
    if (e->select.count == 0)
        return fn;
    selected->results.count = 0;
    for (int k = 0; k < e->select.count; k++) {
        const Result *r = find_result(fn, e->select.at[k]);
        if (!r)
            unknown_result(ctx, fn, e->select_spans.at[k], e->select.at[k]);
        else if (find_result(selected, r->name))
            error_at(ctx, e->select_spans.at[k], "output '%s' is selected twice", r->name);
        else
            vec_push(ctx->arena, &selected->results, *r);
    }
    return ctx->error_count > errors ? NULL : selected;
}

/* Both functions of a split in one: what the second gives is marked, and there must be some. */
static void check_gradients(Context *ctx, const ExportSpec *e, const Fn *fn)
{
    int gradients = 0;
    for (int k = 0; k < fn->results.count; k++)
        gradients += fn->results.at[k].is_gradient;
    if (!gradients && e->part == 0)
        error_at(ctx, e->select_spans.at[0], "no gradient is selected: '%s' would have no output", e->pair->spec[1]->name);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */
/* The transform that holds the name of the function: the innermost. */
static const Transform *innermost(const Transform *t, int *depth)
{
    for (*depth = 1; t->inner; t = t->inner)
        ++*depth;
    return t;
}

static Fn *apply_all(Context *ctx, const ExportSpec *e, Fn *fn, int depth, Str *doc)
{
    const Transform **chain = NEW_ARRAY(ctx->arena, const Transform *, depth);
    int count = 0;
    for (const Transform *t = e->transform; t; t = t->inner)
        chain[count++] = t;
    while (fn && count--)
        if (chain[count]->kind != TRANSFORM_NONE)
            fn = apply(ctx, e, chain[count], fn, doc);
    return fn;
}

/* Is there a reverse sweep in it?  Only that needs checkpoints. */
static bool goes_backwards(Context *ctx, const Transform *t, const Fn *fn)
{
    NodeList nodes = { 0 };
    bool found = false;
    for (; t; t = t->inner)
        found |= t->kind != TRANSFORM_NONE && t->kind != TRANSFORM_JVP;
    fn_nodes(ctx, fn, ctx->arena, &nodes);
    for (int k = 0; k < nodes.count; k++)
        found |= nodes.at[k]->op == OP_grad || nodes.at[k]->op == OP_hessian || nodes.at[k]->op == OP_hvp
              || nodes.at[k]->op == OP_jacobian;
    return found;
}

Fn *diff_export(Context *ctx, Module *module, const ExportSpec *e)
{
    int depth, errors = ctx->error_count;
    const Transform *inner = innermost(e->transform, &depth);
    const Fn *source = module_function(ctx, module, inner->function, inner->function_span);
    Str doc = inner->function;
    if (!source)
        return NULL;
    if (goes_backwards(ctx, e->transform, source))
        source = nest_fn(ctx, source, e->plans);
    Fn *fn = diff_expand(ctx, source);
    if (ctx->error_count == errors)
        fn = apply_all(ctx, e, fn, depth, &doc);
    if (!fn || ctx->error_count > errors)
        return NULL;
    fn = select_results(ctx, e, fn);
    if (!fn)
        return NULL;
    fn->is_split = e->transform->kind == TRANSFORM_SPLIT;
    if (fn->is_split && e->pair)
        check_gradients(ctx, e, fn);
    fn = fn_strip_binds(ctx, fn);
    graph_take_notes(ctx, fn);
    fn->name = e->name;
    fn->doc = e->transform->kind == TRANSFORM_NONE ? NULL : doc;
    return fn;
}
