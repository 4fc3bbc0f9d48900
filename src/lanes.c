/* lanes.c: --lanes, and when long loops run in lanes by themselves: where there is much to do and memory hardly grows.
 *
 * What an export costs with and without lanes is what the code generator says of both.  A function for a small processor has
 * neither the work nor the room, so it stays as it is written. */
#include "driver.h"

#include <inttypes.h>

enum {
    LEAST_TRIPS = 256,
    LEAST_WORK = 1000000,                                   /* operations of a call; below, vectors save no time that counts */
    LEAST_PER_TRIP = 1000,                                  /* what is read and written per trip is moved from and to lanes */
    LEAST_PER_ELEMENT = 32,                                 /* of arrays that get some elements in each trip */
    WORK_PER_BYTE = 64                                      /* of workspace that is added */
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
    int64_t work = operations(&before);
    if (work < LEAST_WORK) return false;
    for (int k = 0; k < in_lanes->in_lanes.count; k++) {
        const LanesNote *n = &in_lanes->in_lanes.at[k];
        if (work / n->trips < LEAST_PER_TRIP || work / n->trips < LEAST_PER_ELEMENT * n->row) return false;
    }
    Costs after = costs_of(ctx, module, in_lanes);
    int64_t growth = after.work_bytes + after.stack_bytes - before.work_bytes - before.stack_bytes;
    return growth <= argument_bytes(ctx, plain) || growth <= operations(&after) / WORK_PER_BYTE;
}

Fn *lanes_choose(Context *ctx, Module *module, Fn *fn)
{
    const Options *o = &ctx->options;
    bool chosen = o->lanes > 0;
    if (o->lanes == 1 || (!chosen && (o->level < 2 || o->ram_budget || !module))) return fn;
    Fn *made = fn_lanes(ctx, fn, o->lanes, chosen ? o->lanes : LEAST_TRIPS);
    if (!made->in_lanes.count) return fn;
    made = fn_tidy_regions(ctx, made);
    if (!chosen && !pays(ctx, module, fn, made)) return fn;
    if (!o->keep_adjoints) return made;
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
