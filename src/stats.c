/* stats.c: --stats: what each export costs, as the code generator counts it.
 *
 * The forward part of a derivative is what the plain function costs; what an export costs beyond it is its reverse (or
 * tangent) part. */
#include "driver.h"
#include "pass.h"

#include <inttypes.h>

typedef struct Row { Str name; Costs costs; int64_t operations, forward; } Row;

static int64_t operations(const Costs *c) { return c->adds + c->muls + c->divs + c->calls + c->compares; }

/* The function below all transforms, as an export of itself. */
static Fn *plain_function(Context *ctx, Module *module, const ExportSpec *spec)
{
    const Transform *t = spec->transform;
    while (t->inner) t = t->inner;
    ExportSpec *plain = NEW(ctx->arena, ExportSpec);
    plain->transform = NEW(ctx->arena, Transform);
    plain->name = plain->transform->function = t->function;
    plain->name_span = plain->transform->function_span = spec->name_span;
    return pass_run(ctx, module, plain, NULL);
}

static const Costs *costs_of(Context *ctx, Module *module, Fn **fns, int count)
{
    CodegenInput input = {fns, count, module->source, NULL};
    const Costs *costs;
    if (codegen_costs(codegen_lower(ctx, &input), &costs) != count)
        internal_error(ctx, "the generated code lost a function");
    return costs;
}

static Row *rows_of(Context *ctx, Module *module, Fn **fns)
{
    int count = module->exports.count;
    Row *rows = NEW_ARRAY(ctx->arena, Row, count + 1);
    const Costs *costs = costs_of(ctx, module, fns, count);
    for (int k = 0; k < count; k++) {
        Fn *plain = plain_function(ctx, module, module->exports.at[k]);
        if (!plain) return NULL;
        rows[k] = (Row){fns[k]->name, costs[k], operations(&costs[k]), operations(costs_of(ctx, module, &plain, 1))};
        if (rows[k].forward > rows[k].operations) rows[k].forward = rows[k].operations;
    }
    return rows;
}

static void print_table(const Row *rows, int count)
{
    printf("%-20s %10s %10s %10s %9s %9s %9s %9s %10s %10s %8s %10s\n", "export", "forward", "derivative", "add", "mul",
           "div", "call", "compare", "work", "tape", "stack", "constants");
    for (int k = 0; k < count; k++) {
        const Row *r = &rows[k];
        const Costs *c = &r->costs;
        printf("%-20s %10" PRId64 " %10" PRId64 " %10" PRId64 " %9" PRId64 " %9" PRId64 " %9" PRId64 " %9" PRId64,
               r->name, r->forward, r->operations - r->forward, c->adds, c->muls, c->divs, c->calls, c->compares);
        printf(" %10" PRId64 " %10" PRId64 " %8" PRId64 " %10" PRId64 "\n", c->work_bytes, c->tape_bytes, c->stack_bytes,
               c->constant_bytes);
    }
    puts("forward, derivative: operations per call; work, tape, stack, constants: bytes");
}

static void print_json(const Row *rows, int count)
{
    puts("[");
    for (int k = 0; k < count; k++) {
        const Costs *c = &rows[k].costs;
        printf("  {\"export\": \"%s\", \"forward\": %" PRId64 ", \"derivative\": %" PRId64 ", \"add\": %" PRId64
               ", \"mul\": %" PRId64,
               rows[k].name, rows[k].forward, rows[k].operations - rows[k].forward, c->adds, c->muls);
        printf(", \"div\": %" PRId64 ", \"call\": %" PRId64 ", \"compare\": %" PRId64 ", \"work_bytes\": %" PRId64,
               c->divs, c->calls, c->compares, c->work_bytes);
        printf(", \"stack_bytes\": %" PRId64 ", \"constant_bytes\": %" PRId64 ", \"tape_bytes\": %" PRId64 "}%s\n",
               c->stack_bytes, c->constant_bytes, c->tape_bytes, k + 1 < count ? "," : "");
    }
    puts("]");
}

static void print_plans(Context *ctx, const Module *module, Fn *const *fns)
{
    for (int k = 0; k < module->exports.count; k++) {
        Str text = lanes_text(ctx, fns[k], "  ");
        if (text) printf("%s, in lanes:\n%s", fns[k]->name, text);
        text = budget_text(ctx, module->exports.at[k], "  ");
        if (text) printf("%s, to stay within %" PRId64 " bytes:\n%s", module->exports.at[k]->name, ctx->options.ram_budget, text);
    }
}

int command_stats(Context *ctx, Module *module, const Command *command)
{
    Fn **fns = pass_run_module(ctx, module);
    Row *rows = fns ? rows_of(ctx, module, fns) : NULL;
    if (!rows) return EXIT_INPUT;
    if (command->json) print_json(rows, module->exports.count);
    else print_table(rows, module->exports.count), print_plans(ctx, module, fns);
    return EXIT_DONE;
}
