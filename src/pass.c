/* pass.c: the pipeline table, and running it.
 *
 * Invariant: after every row that changes it the function is verified; rows before and including `derive` define the
 * meaning, rows after it keep it. */
#include "pass.h"

#include <string.h>

static const Transform *innermost(const ExportSpec *spec)
{
    const Transform *t = spec->transform;
    while (t->inner) t = t->inner;
    return t;
}

static Fn *elaborate(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)fn;
    const Transform *t = innermost(spec);
    return module_function(ctx, module, t->function, t->function_span);
}

static Fn *derive(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)fn;
    return diff_export(ctx, module, spec);
}

static Node *rebuild(Context *ctx, const Node *old, Node *const *operands, void *user)
{
    (void)user;
    return node_rebuild(ctx, old, operands);
}

/* A report on adjoints shows the ops that have them. */
static Fn *factor(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    return ctx->options.keep_adjoints ? fn : fn_factor(ctx, fn);
}

/* The constructors simplify what they see; binds that hid a pattern are gone now, so each node is constructed again. */
static Fn *simplify(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    return fn_rewrite(ctx, fn, rebuild, NULL);
}

static Fn *merge(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    return fn_tidy_regions(ctx, fn);
}

static Fn *gram(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    Fn *now = ctx->options.keep_adjoints ? fn : fn_gram(ctx, fn);
    return now == fn ? fn : fn_tidy_regions(ctx, now);
}

/* The tape of a split is made of arrays, a budget is kept by loops, and a report on adjoints shows these. */
static Fn *scalars(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module;
    bool stays = spec->pair || fn->is_split || ctx->options.ram_budget || ctx->options.keep_adjoints;
    return stays || !ctx->options.scalars ? fn : (Fn *)(uintptr_t)fn_scalars(ctx, fn, ctx->options.scalars);
}

static Fn *read_arrays(Context *ctx, Fn *fn)
{
    bool stays = ctx->options.keep_adjoints || !fn_has(ctx, fn, node_is_region);
    return stays ? fn : fn_reread(ctx, fn);
}

/* Early for what is on the tape of a split; again for what has become one loop since. */
static Fn *reread(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    return read_arrays(ctx, fn);
}

static Fn *scatter(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module, (void)spec;
    enum { ROUNDS = 8 };
    Fn *now = fn_scatter_sums(ctx, fn), *before = NULL;
    for (int k = 0; now != before && k < ROUNDS; k++) {
        before = fn_tidy_regions(ctx, now);
        now = read_arrays(ctx, before);
    }
    return before;
}

/* The functions of a pair are told apart once, whichever comes first: they must agree on the tape. */
static Fn *split(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)module;
    if (!spec->pair) return fn;
    if (!spec->pair->part[0]) diff_split(ctx, fn, spec->pair);
    return ctx->error_count ? NULL : spec->pair->part[spec->part];
}

static Fn *lanes(Context *ctx, Module *module, const ExportSpec *spec, Fn *fn)
{
    (void)spec;
    return lanes_choose(ctx, module, fn);
}

const Pass pass_table[] = {
    {"elaborate", 0, elaborate, "names, types and shapes: the function as written, derivatives still as expressions"},
    {"derive", 0, derive, "derivatives and the export's transform become ordinary nodes"},
    {"factor", 0, factor, "equations, inverses and determinants become factors, which all that is asked of one matrix shares"},
    {"simplify", 1, simplify, "every node is constructed again: local simplification and sharing across former names"},
    {"merge", 0, merge, "carries and stacks that nobody reads go; from -O1 on, loops over one index become one"},
    {"gram", 1, gram, "what is summed over the rows of a Jacobian, as in J' @ J, is summed row by row, without it"},
    {"scalars", 2, scalars, "small functions and bodies are written out in scalars where that saves much of their arithmetic"},
    {"reread", 1, reread, "what is on a tape and still in the array that it was read from is read there, and the tape goes"},
    {"split", 0, split, "the two functions of a split, and what is on the tape between them"},
    {"scatter", 1, scatter, "what is added to an array at a few places is added in place"},
    {"lanes", 1, lanes, "long loops with independent trips run in blocks of trips, where that pays"},
};
const int pass_count = (int)(sizeof pass_table / sizeof *pass_table);

const Pass *pass_find(const char *name)
{
    for (int k = 0; k < pass_count; k++)
        if (strcmp(pass_table[k].name, name) == 0) return &pass_table[k];
    return NULL;
}

void pass_list(FILE *out)
{
    for (int k = 0; k < pass_count; k++)
        fprintf(out, "%-10s  -O%d  %s\n", pass_table[k].name, pass_table[k].level, pass_table[k].doc);
}

static Fn *run_pass(Context *ctx, const Pass *pass, Module *module, const ExportSpec *spec, Fn *fn)
{
    if (ctx->options.level < pass->level) return fn;
    ctx->phase = pass->name;
    ctx->place = spec->name_span;
    Fn *result = pass->run(ctx, module, spec, fn);
    if (!result && !ctx->error_count) internal_error(ctx, "no function and no message for '%s'", spec->name);
    if (result && result != fn) fn_verify(ctx, result, pass->name);
    return result;
}

Fn *pass_run(Context *ctx, Module *module, const ExportSpec *spec, Fn **reference)
{
    Fn *fn = NULL;
    for (int k = 0; k < pass_count; k++) {
        fn = run_pass(ctx, &pass_table[k], module, spec, fn);
        if (!fn) return NULL;
        if (reference && pass_table[k].run == derive)
            *reference = spec->pair ? diff_split_reference(ctx, fn, spec) : fn;
    }
    if (!spec->pair || spec->part == 0) return fn;
    fn->forward = pass_run(ctx, module, spec->pair->spec[0], NULL);
    return fn->forward ? fn : NULL;
}

Fn *pass_finish(Context *ctx, const Fn *fn)
{
    const ExportSpec spec = {.name = fn->name, .name_span = fn->span};
    Fn *result = arena_copy(ctx->arena, fn, sizeof *fn);
    bool derived = false;
    for (int k = 0; k < pass_count; k++) {
        if (derived) result = run_pass(ctx, &pass_table[k], NULL, &spec, result);
        derived |= pass_table[k].run == derive;
    }
    return result;
}

static bool dump_requested(const Context *ctx, const Pass *pass)
{
    for (int k = 0; k < ctx->options.dumps.count; k++) {
        const char *name = ctx->options.dumps.at[k];
        if (strcmp(name, "all") == 0 || strcmp(name, pass->name) == 0) return true;
    }
    return false;
}

/* Several exports of one function share it after elaboration: it is printed once. */
static void dump(Context *ctx, const Pass *pass, Fn **fns, int count)
{
    Text text = {.arena = ctx->arena};
    text_printf(&text, "# after %s\n", pass->name);
    Map *seen = map_new(ctx->arena);
    print_declarations(ctx, fns, count, &text);
    for (int k = 0; k < count; k++) {
        if (map_get(seen, fns[k])) continue;
        map_put(seen, fns[k], fns[k]);
        print_fn(ctx, fns[k], &text);
    }
    fwrite(text.text, 1, text.length, stdout);
}

Fn **pass_run_module(Context *ctx, Module *module)
{
    int count = module->exports.count;
    Fn **fns = NEW_ARRAY(ctx->arena, Fn *, count + 1);
    for (int p = 0; p < pass_count; p++) {
        bool failed = false;
        for (int k = 0; k < count; k++) {
            fns[k] = run_pass(ctx, &pass_table[p], module, module->exports.at[k], fns[k]);
            if (!fns[k]) failed = true;
        }
        if (failed) return NULL;
        if (dump_requested(ctx, &pass_table[p])) dump(ctx, &pass_table[p], fns, count);
    }
    return fns;
}

static const ExportSpec *function_spec(Context *ctx, Str name)
{
    ExportSpec *spec = NEW(ctx->arena, ExportSpec);
    spec->transform = NEW(ctx->arena, Transform);
    spec->name = spec->transform->function = name;
    return spec;
}

const ExportSpec *target_find(Context *ctx, Module *module, Str name)
{
    Vec(Str) names = {0};
    for (int k = 0; k < module->exports.count; k++) {
        if (module->exports.at[k]->name == name) return module->exports.at[k];
        vec_push(ctx->arena, &names, module->exports.at[k]->name);
    }
    if (module_has_function(module, name)) return function_spec(ctx, name);
    Str near = nearest_name(name, names.at, names.count);
    if (near) error_plain(ctx, "there is no function or export '%s'; did you mean '%s'?", name, near);
    else error_plain(ctx, "there is no function or export '%s'", name);
    return NULL;
}
