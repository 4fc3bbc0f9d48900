/* lanes.c: --lanes, and when long loops run in lanes by themselves: where there is much to do and memory hardly grows.
 *
 * What an export costs with and without lanes is what the code generator says of both.  A function for a small processor has
 * neither the work nor the room, so it stays as it is written. */
#include "driver.h"

#include <inttypes.h>

enum {
    LEAST_TRIPS = 256,
    FEW = 8,                                                /* lanes: one or a few vectors */
    LEAST_WORK = 100000,                                    /* operations of a call; below, vectors save no time that counts */
    WORK_PER_BYTE = 24                                      /* of workspace that is added */
};

static int64_t operations(const Costs *c) { return c->adds + c->muls + c->divs + c->calls + c->compares; }

static Costs costs_of(Context *ctx, const Module *module, Fn *fn)
{
    CodegenInput input = {&fn, 1, module->source, NULL};
    const Costs *costs;
    codegen_costs(codegen_lower(ctx, &input), &costs);
    return *costs;
}

static int64_t argument_bytes(const Context *ctx, const Fn *fn)
{
    int64_t bytes = 0;
    for (int k = 0; k < fn->params.count; k++) {
        const Type *t = fn->params.at[k].node->type;
        bytes += t->count * (int64_t)element_size(ctx, t->elem);
    }
    for (int k = 0; k < fn->results.count; k++) {
        const Type *t = fn->results.at[k].node->type;
        bytes += t->count * (int64_t)element_size(ctx, t->elem);
    }
    return bytes;
}

/* The caller has room for the arguments, so as much again for the workspace is no surprise; nor is what is little beside the work. */
static bool pays(Context *ctx, const Module *module, Fn *plain, Fn *in_lanes)
{
    Costs before = costs_of(ctx, module, plain);
    if (operations(&before) < LEAST_WORK) return false;
    Costs after = costs_of(ctx, module, in_lanes);
    int64_t growth = after.work_bytes + after.stack_bytes - before.work_bytes - before.stack_bytes;
    return growth <= argument_bytes(ctx, plain) || growth <= operations(&after) / WORK_PER_BYTE;
}

/* The function with long loops in lanes; itself where there is none. */
static Fn *with_lanes(Context *ctx, Fn *fn, int64_t lanes, int64_t least, bool large)
{
    Fn *made = fn_lanes(ctx, fn, lanes, least, large);
    return made->in_lanes.count ? fn_tidy_regions(ctx, made) : fn;
}

/* As many lanes as suit; few where these take too much memory. */
static Fn *as_it_pays(Context *ctx, const Module *module, Fn *fn)
{
    static const int64_t counts[] = {0, FEW};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        Fn *made = with_lanes(ctx, fn, counts[k], LEAST_TRIPS, true);
        if (made == fn || pays(ctx, module, fn, made)) return made;
    }
    return fn;
}

Fn *lanes_choose(Context *ctx, Module *module, Fn *fn)
{
    const Options *o = &ctx->options;
    bool chosen = o->lanes > 0;
    if (o->lanes == 1 || (!chosen && (o->level < 2 || o->ram_budget || !module))) return fn;
    Fn *made = chosen ? with_lanes(ctx, fn, o->lanes, o->lanes, false) : as_it_pays(ctx, module, fn);
    if (made == fn || !o->keep_adjoints) return made;
    Fn *noted = arena_copy(ctx->arena, fn, sizeof *fn);     /* a report on adjoints shows those that the sweep made */
    noted->in_lanes = made->in_lanes;
    return noted;
}

Str lanes_text(Context *ctx, const Fn *fn, const char *before)
{
    Text text = {.arena = ctx->arena};
    for (int k = 0; k < fn->in_lanes.count; k++) {
        const LanesNote *n = &fn->in_lanes.at[k];
        text_printf(&text, "%sthe loop of %s: %" PRId64 " of its %" PRId64 " trips at a time\n", before,
                    describe_place(ctx, n->loop), n->lanes, n->trips);
    }
    return text.length ? text.text : NULL;
}
