/* budget.c: --ram-budget: how the loops of an export are nested so that work, tape and stack stay within so many bytes.
 *
 * A plan says for each loop in how many levels of blocks it runs and whether the innermost loop keeps its state alone (nest.h).
 * Plans are tried out: passes and code generator say what each needs and how much it computes.  The search goes down from
 * what the source says, always by the step that frees most bytes per operation; of all plans on the way the one with the
 * fewest operations that fits is taken.  The way does not depend on the budget, so more memory never costs time. */
#include "pass.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diff/nest.h"

enum {
    LEVELS_MOST = 5,                                        /* of blocks: 6 runs forward instead of one */
    TRIALS_MOST = 120,                                      /* each compiles the export */
    TRIPS_LEAST = 8,                                        /* of a loop that is worth blocks */
    VAIN_MOST = 2                                           /* tries of a loop that freed nothing */
};

typedef struct Trial { LoopPlan *plans; int64_t bytes; double operations; } Trial;
typedef struct Need { bool known; int64_t bytes; double operations; } Need;

typedef struct Search {
    Context *ctx;
    Module *module;
    ExportSpec *spec;
    NodeList loops;
    int64_t budget;
    int *ratio, found;                                      /* per loop: see try_levels */
    int *vain, trials;                                      /* per loop; of all */
    Trial best, smallest;                                   /* the best has no plans while none fits */
} Search;

/* ---- trying a plan -------------------------------------------------------------------------------- */
static double operations(const Costs *c)
{
    return (double)(c->adds + c->muls + c->compares) + 4 * (double)c->divs + 10 * (double)c->calls;
}

static int64_t bytes(const Costs *c) { return c->work_bytes + c->tape_bytes + c->stack_bytes; }

static void set_plans(Search *s, const LoopPlan *plans)
{
    SplitPair *pair = s->spec->pair;
    s->spec->plans = plans;
    if (!pair) return;
    for (int k = 0; k < 2; k++) {
        pair->spec[k]->plans = plans;
        pair->part[k] = NULL;
    }
}

/* Fewer operations, by a fiftieth or so; or as many, and less memory, which is nearer in the cache. */
static bool is_quicker(const Trial *a, const Trial *b)
{
    double x = floor(log(fmax(1, a->operations)) * 50), w = floor(log(fmax(1, b->operations)) * 50);
    return x != w ? x < w : a->bytes < b->bytes;
}

/* Errors of exports before do not matter. */
static const Program *compile(Search *s, const LoopPlan *plans)
{
    Context *ctx = s->ctx;
    Fn *fns[2];
    int count = s->spec->pair ? 2 : 1, errors = ctx->error_count;
    bool good = true;
    set_plans(s, plans);
    ctx->error_count = 0;
    for (int k = 0; k < count && good; k++) {
        fns[k] = pass_run(ctx, s->module, count == 2 ? s->spec->pair->spec[k] : s->spec, NULL);
        good = fns[k] != NULL;
    }
    ctx->error_count += errors;
    CodegenInput input = {fns, count, s->module->source, NULL};
    return good ? codegen_lower(ctx, &input) : NULL;
}

/* Of a split the larger need of the two functions counts, and the work of both. */
static Need need_of(Search *s, const LoopPlan *plans)
{
    const Costs *costs;
    const Program *program = compile(s, plans);
    Need need = {.known = program != NULL};
    int count = program ? codegen_costs(program, &costs) : 0;
    for (int k = 0; k < count; k++) {
        if (bytes(&costs[k]) > need.bytes) need.bytes = bytes(&costs[k]);
        need.operations += operations(&costs[k]);
    }
    return need;
}

/* In a process of its own, which takes the memory of the trial with it; what it says is said again by whoever asks. */
static Need need_apart(Search *s, const LoopPlan *plans)
{
    Need need = {.known = false};
    int ends[2], status;
    if (pipe(ends)) return need;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        need = need_of(s, plans);
        _exit(write(ends[1], &need, sizeof need) != (ssize_t)sizeof need);
    }
    close(ends[1]);
    if (child > 0 && read(ends[0], &need, sizeof need) != (ssize_t)sizeof need) need.known = false;
    close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return need;
}

static bool measure(Search *s, Trial *trial)
{
    s->trials++;
    Need need = need_apart(s, trial->plans);
    if (!need.known) need = need_of(s, trial->plans);
    if (!need.known) return false;
    trial->bytes = need.bytes;
    trial->operations = need.operations;
    if (!s->smallest.plans || trial->bytes < s->smallest.bytes) s->smallest = *trial;
    if (trial->bytes <= s->budget && (!s->best.plans || is_quicker(trial, &s->best))) s->best = *trial;
    return true;
}

/* ---- the next plans of a loop ---------------------------------------------------------------------- */
/* A divisor of `whole` near `wanted`, so that all blocks are alike; `wanted` itself if there is none. */
static int64_t near_divisor(int64_t whole, int64_t wanted)
{
    for (int64_t off = 0; off <= wanted / 5; off++) {
        if (whole % (wanted + off) == 0) return wanted + off;
        if (wanted - off > 1 && whole % (wanted - off) == 0) return wanted - off;
    }
    return wanted;
}

/* `levels` levels of blocks; ratio: what a trip keeps in the innermost loop to what it keeps in the others.  False: too short. */
static bool spread(LoopPlan *plan, int64_t trips, int levels, double ratio, bool state_only)
{
    double each = pow((double)trips * (state_only ? 1 : ratio), 1.0 / (levels + 1));
    int64_t block = trips;
    *plan = (LoopPlan){.loop = plan->loop, .levels = levels, .state_only = state_only};
    for (int k = 0; k < levels; k++) {
        double inner = (double)block / each;
        int64_t next = near_divisor(block, inner < 2 ? 2 : (int64_t)(inner + 0.5));
        if (next >= block || next < 2) return false;
        plan->blocks[k] = block = next;
    }
    return true;
}

static LoopPlan *plans_copy(const Search *s, const LoopPlan *from)
{
    LoopPlan *plans = NEW_ARRAY(s->ctx->arena, LoopPlan, s->loops.count + 1);
    if (from) memcpy(plans, from, sizeof *plans * (size_t)s->loops.count);
    return plans;
}

/* Is this a better step down than the best so far? */
static bool improves(const Trial *now, const Trial *step, const Trial *best)
{
    if (step->bytes >= now->bytes) return false;
    if (!best->plans) return true;
    double more = fmax(1, step->operations - now->operations), most = fmax(1, best->operations - now->operations);
    return (double)(now->bytes - step->bytes) * most > (double)(now->bytes - best->bytes) * more;
}

static const double ratios[] = {1, 4, 0.25};
enum { RATIOS = sizeof ratios / sizeof *ratios };

static bool try_levels(Search *s, const Trial *now, int which, int levels, bool state_only, Trial *best)
{
    int64_t trips = s->loops.at[which]->attr[0];
    int *known = &s->ratio[which];                          /* 1 + the ratio that was the best for one level */
    Trial least = {.plans = NULL};
    for (int r = 0; r < (levels && !state_only && !*known ? RATIOS : 1); r++) {
        Trial step = {.plans = plans_copy(s, now->plans)};
        if (!spread(&step.plans[which], trips, levels, ratios[*known ? *known - 1 : r], state_only)) continue;
        if (!measure(s, &step)) return false;
        if (improves(now, &step, best)) *best = step;
        if (least.plans && least.bytes <= step.bytes) continue;
        least = step;
        s->found = r + 1;
    }
    if (levels && !state_only && !*known) *known = s->found;
    return true;
}

/* The state alone at this level; one more level; and only where that frees nothing, two more. */
static bool try_loop(Search *s, const Trial *now, int which, Trial *best)
{
    const LoopPlan *old = &now->plans[which];
    Trial here = {.plans = NULL};
    if (!old->state_only && !try_levels(s, now, which, old->levels, true, &here)) return false;
    int levels = s->loops.at[which]->attr[0] < TRIPS_LEAST ? 0 : LEVELS_MOST;
    for (int more = 1; more <= 2 && (more == 1 || !here.plans) && old->levels + more <= levels; more++)
        for (int state = 0; state < 2; state++)
            if (!try_levels(s, now, which, old->levels + more, state, &here)) return false;
    if (here.plans && improves(now, &here, best)) *best = here;
    if (!here.plans) s->vain[which]++;
    return true;
}

/* Goes down until nothing frees memory, or all that is left computes more than what fits already. */
static bool search(Search *s)
{
    Trial now = {.plans = plans_copy(s, NULL)};
    if (!measure(s, &now)) return false;
    while (!s->best.plans || is_quicker(&now, &s->best)) {
        Trial best = {.plans = NULL};
        for (int k = 0; k < s->loops.count && s->trials < TRIALS_MOST; k++)
            if (!s->loops.at[k]->attr[2] && s->vain[k] < VAIN_MOST && !try_loop(s, &now, k, &best)) return false;
        if (!best.plans) break;
        now = best;
    }
    return true;
}

/* ---- what is said of it ---------------------------------------------------------------------------- */
static void refuse(Search *s)
{
    Context *ctx = s->ctx;
    CodegenLarge large[3];
    const Costs *costs;
    const Program *program = compile(s, s->smallest.plans);
    if (!program) return;
    int count = codegen_costs(program, &costs), which = count > 1 && bytes(&costs[1]) > bytes(&costs[0]);
    Str other = count == 1 ? "" : str_format(ctx, " (and '%s' %" PRId64 ")", costs[!which].name, bytes(&costs[!which]));
    error_at(ctx, s->spec->name_span, "'%s' needs at least %" PRId64 " bytes of work, tape and stack%s, and the budget is %" PRId64,
             costs[which].name, s->smallest.bytes, other, s->budget);
    int found = codegen_largest(program, which, large, 3);
    for (int k = 0; k < found; k++)
        note_at(ctx, large[k].span, "%s takes %" PRId64 " bytes", large[k].name, large[k].bytes);
}

static void put_plan(Context *ctx, const LoopPlan *plan, Text *text)
{
    const char *place = describe_place(ctx, plan->loop->origin.span);
    Str index = plan->loop->body[0]->params.at[0].name;
    text_printf(text, "the loop over %s%s%s%s keeps its state", index ? index : "its index", *place ? " (" : "", place,
                *place ? ")" : "");
    for (int k = 0; k < plan->levels; k++)
        text_printf(text, "%s every %" PRId64 " trips", k ? ", and within these" : "", plan->blocks[k]);
    if (!plan->state_only) return;
    text_put(text, plan->levels ? ", and within these in every trip" : " in every trip");
    text_put(text, "; what else a trip needs is computed again");
}

Str budget_text(Context *ctx, const ExportSpec *spec, const char *before)
{
    Text text = {.arena = ctx->arena};
    for (const LoopPlan *plan = spec->plans; plan && plan->loop; plan++) {
        if (!plan->levels && !plan->state_only) continue;
        text_put(&text, before);
        put_plan(ctx, plan, &text);
        text_char(&text, '\n');
    }
    return text.text;
}

/* ---- all exports ----------------------------------------------------------------------------------- */
static bool plan_export(Context *ctx, Module *module, ExportSpec *spec)
{
    const Transform *t = spec->transform;
    while (t->inner) t = t->inner;
    const Fn *source = module_function(ctx, module, t->function, t->function_span);
    Search s = {.ctx = ctx, .module = module, .spec = spec, .budget = ctx->options.ram_budget};
    if (!source) return false;
    nest_loops(ctx, source, &s.loops);
    s.ratio = NEW_ARRAY(ctx->arena, int, s.loops.count + 1);
    s.vain = NEW_ARRAY(ctx->arena, int, s.loops.count + 1);
    if (!search(&s)) return false;
    if (!s.best.plans) {
        refuse(&s);
        return false;
    }
    for (int k = 0; k < s.loops.count; k++) s.best.plans[k].loop = s.loops.at[k];
    set_plans(&s, s.best.plans);
    return true;
}

bool budget_plan(Context *ctx, Module *module)
{
    bool good = true, quiet = ctx->options.quiet_warnings;
    Map *warned = ctx->warned;
    if (!ctx->options.ram_budget) return true;
    ctx->options.quiet_warnings = true;                     /* the real run will warn */
    ctx->warned = NULL;
    for (int k = 0; k < module->exports.count; k++)
        if (module->exports.at[k]->part == 0 && !plan_export(ctx, module, module->exports.at[k])) good = false;
    ctx->options.quiet_warnings = quiet;
    ctx->warned = warned;
    return good;
}
