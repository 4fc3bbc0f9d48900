/* options.c: the command line.
 *
 * Invariant: the table below is the only place that knows an option: parsing, abbreviations, suggestions and --help
 * come from it.  What is refused is refused before any file is read. */
#define _DEFAULT_SOURCE
#include "driver.h"
#include "pass.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_COUNT_MAX = 64, FIRST_LONG = 256 };

typedef enum {
    OPTION_OUTPUT = FIRST_LONG, OPTION_HEADER, OPTION_NO_HEADER, OPTION_EMIT, OPTION_DEFINE, OPTION_EXPORT, OPTION_REAL,
    OPTION_LEVEL, OPTION_WORK, OPTION_STACK_LIMIT, OPTION_LANES, OPTION_SCALARS, OPTION_RAM_BUDGET, OPTION_PREFIX, OPTION_UNCHECKED, OPTION_TARGET,
    OPTION_CPU, OPTION_FEATURES, OPTION_DEBUG, OPTION_ENGINE, OPTION_RUN, OPTION_TEST, OPTION_WITHIN, OPTION_CHECK,
    OPTION_SEED, OPTION_EXTERN, OPTION_WARNING, OPTION_STATS, OPTION_JSON, OPTION_EXPLAIN, OPTION_DUMP,
    OPTION_LIST_PASSES, OPTION_LIST_OPS, OPTION_CHECK_OPS, OPTION_CHECK_MUTANTS, OPTION_HELP, OPTION_VERSION,
} OptionId;

typedef struct OptionRow {
    OptionId id;
    char letter;                                            /* 0: only the long form; without name: only this */
    const char *name, *argument;                            /* argument NULL: takes none */
    const char *doc;                                        /* NULL: not in --help */
} OptionRow;

static const OptionRow option_table[] = {
    {OPTION_OUTPUT, 'o', NULL, "FILE", "write to FILE, and a header beside it; `-`, the default, is standard output"},
    {OPTION_HEADER, 0, "header", "FILE", "the header's name; default: that of -o with .h"},
    {OPTION_NO_HEADER, 0, "no-header", NULL, "write no header: the C text stands alone"},
    {OPTION_EMIT, 0, "emit", "KIND", "what to write: c (default), ir (an adc program), dot (Graphviz);\n"
     "with LLVM: ll, bc, asm, obj"},
    {OPTION_DEFINE, 'D', NULL, "NAME=VALUE", "override a scalar constant"},
    {OPTION_EXPORT, 0, "export", "TEXT", "add an export such as 'g = grad(f, wrt: x)'; replaces the default exports"},
    {OPTION_REAL, 0, "real", "TYPE", "the type of real: double (default), float"},
    {OPTION_LEVEL, 'O', NULL, "LEVEL",
     "0: straight translation, easiest to read; 1; 2 (default): everything that pays"},
    {OPTION_WORK, 0, "work", "PLACE", "workspace: arg (default), a parameter; static, an array in the C file"},
    {OPTION_STACK_LIMIT, 0, "stack-limit", "BYTES", "temporaries up to this size live on the stack (default 1024)"},
    {OPTION_LANES, 0, "lanes", "N", "run N independent trips of a loop at once, for vector instructions; 1: none\n"
                               "(default: about 32 in functions of 100,000 operations)"},
    {OPTION_SCALARS, 0, "scalars", "N", "write a function, or bodies of its loops, out in scalars where that takes at\n"
                                        "most N operations, and saves a half or a third (default 1000; 0: never)"},
    {OPTION_RAM_BUDGET, 0, "ram-budget", "BYTES", "keep work, tape and stack of every function within so many bytes (64K, 1M):\n"
                                                  "what a backward loop needs is then computed again"},
    {OPTION_PREFIX, 0, "prefix", "TEXT", "put TEXT before every external symbol and macro"},
    {OPTION_UNCHECKED, 0, "unchecked", NULL, "trust run-time indices instead of clamping them"},
    {OPTION_TARGET, 0, "target", "TRIPLE", "of ll, bc, asm and obj: the machine, such as thumbv7em-none-eabihf"},
    {OPTION_CPU, 0, "cpu", "NAME", "of these: the processor, such as cortex-m4; native: the one of this machine"},
    {OPTION_FEATURES, 0, "features", "LIST", "of these: what the processor has, as LLVM names it: +d,-c"},
    {OPTION_DEBUG, 'g', NULL, NULL, "of these: with lines of the model, for a debugger"},
    {OPTION_RUN, 0, "run", "NAME",
     "evaluate a function or export: ARG=VALUE ...; a value is a number, a [..] list,\n"
     "@file.npy or @file.csv"},
    {OPTION_ENGINE, 0, "engine", "NAME",
     "of --run, --test and --check: eval, c, llvm, or for the last two several of them\n"
     "(eval,c); default: eval and llvm, or where there is no LLVM c; --run: llvm or eval"},
    {OPTION_TEST, 0, "test", NULL, "run the test statements of the files, evaluated and compiled"},
    {OPTION_WITHIN, 0, "within", "TOLERANCE", "with --test: instead of the tolerance of each test"},
    {OPTION_CHECK, 0, "check", NULL, "verify every exported derivative at random points"},
    {OPTION_SEED, 0, "seed", "NUMBER", "with --check: where the random points start (default 1)"},
    {OPTION_EXTERN, 0, "extern", "LIB", "with --run, --test, --check: a shared library with the extern functions"},
    {OPTION_WARNING, 'W', NULL, "no-singular", "do not warn of derivatives that are infinite at points the program reaches"},
    {OPTION_STATS, 0, "stats", NULL, "operations and memory of every export"},
    {OPTION_JSON, 0, "json", NULL, "with --run or --stats: for machines"},
    {OPTION_EXPLAIN, 0, "explain", "NAME", "why a value, or each of an export, is saved, computed again or dropped;\nwhich rules gave its adjoint"},
    {OPTION_DUMP, 0, "dump", "PASS", "print the graph after a pass (or all) as adc source"},
    {OPTION_LIST_PASSES, 0, "list-passes", NULL, "print the table of passes"},
    {OPTION_LIST_OPS, 0, "list-ops", NULL, "print the table of operations"},
    {OPTION_CHECK_OPS, 0, "check-ops", NULL, NULL},
    {OPTION_CHECK_MUTANTS, 0, "check-mutants", NULL, NULL},
    {OPTION_HELP, 'h', "help", NULL, "print this"},
    {OPTION_VERSION, 0, "version", NULL, "print the version"},
};
enum { OPTION_COUNT = sizeof option_table / sizeof *option_table };
_Static_assert((int)OPTION_COUNT < (int)OPTION_COUNT_MAX, "getopt's table has room for every option");

void options_help(FILE *out)
{
    fputs("usage: adc [OPTION...] FILE.ad [-o FILE.c]\n"
          "       adc FILE.ad --run NAME [ARG=VALUE...]\n"
          "       adc --test FILE.ad...\n"
          "Compiles models written in the adc language to C functions with their derivatives.\n\n",
          out);
    for (int k = 0; k < OPTION_COUNT; k++) {
        const OptionRow *row = &option_table[k];
        if (!row->doc) continue;
        char form[64];
        if (!row->name) snprintf(form, sizeof form, "-%c %s", row->letter, row->argument ? row->argument : "");
        else snprintf(form, sizeof form, "%s--%s%s%s", row->letter ? "-h, " : "", row->name, row->argument ? "=" : "",
                      row->argument ? row->argument : "");
        fprintf(out, "  %-22s ", form);
        for (const char *c = row->doc; *c; c++) {
            fputc(*c, out);
            if (*c == '\n') fprintf(out, "%25s", "");
        }
        fputc('\n', out);
    }
    fputs("\nExit status: 0 done, 1 the input or a check was wrong, 2 the command line was wrong,\n"
          "3 a file could not be read or written, 70 an internal error.\n",
          out);
}

/* ---- the values of options --------------------------------------------------------------------------------------- */
/* The place of `value` among the words, or -1 after an error message. */
static int choose(Context *ctx, const char *option, const char *value, const char *const *words, int count)
{
    for (int k = 0; k < count; k++)
        if (strcmp(words[k], value) == 0) return k;
    Text all = {.arena = ctx->arena};
    for (int k = 0; k < count; k++) text_printf(&all, "%s%s", k ? ", " : "", words[k]);
    error_plain(ctx, "%s cannot be '%s'; choose one of: %s", option, value, all.text);
    return -1;
}
#define CHOOSE(ctx, option, value, ...) \
    choose(ctx, option, value, (const char *const[]){__VA_ARGS__}, \
           (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static bool set_emit(Context *ctx, Command *command, const char *value)
{
    int kind = CHOOSE(ctx, "--emit", value, "c", "ir", "dot", "ll", "bc", "asm", "obj");
    if (kind < 0) return false;
    command->emit = (EmitKind)kind;
    return true;
}

/* One name, or several with commas between them. */
static bool set_engines(Context *ctx, Command *command, const char *value)
{
    static const Engine engines[] = {ENGINE_EVAL, ENGINE_C, ENGINE_LLVM};
    command->engines = 0;
    for (;;) {
        size_t length = strcspn(value, ",");
        int kind = CHOOSE(ctx, "--engine", str_intern_n(ctx, value, (int)length), "eval", "c", "llvm");
        if (kind < 0) return false;
        command->engines |= engines[kind];
        if (!value[length]) return true;
        value += length + 1;
    }
}

static bool set_choice(Context *ctx, const char *option, const char *value, const char *no, const char *yes, bool *out)
{
    int k = CHOOSE(ctx, option, value, no, yes);
    *out = k == 1;
    return k >= 0;
}

static bool set_integer(Context *ctx, const char *option, const char *value, int64_t *out)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < 0) {
        error_plain(ctx, "%s needs a number that is not negative, not '%s'", option, value);
        return false;
    }
    *out = number;
    return true;
}

/* 65536, 64K, 1M or 1G. */
static bool set_bytes(Context *ctx, const char *option, const char *value, int64_t *out)
{
    static const char units[] = "KMG";
    size_t length = strlen(value);
    const char *unit = length > 1 ? strchr(units, value[length - 1]) : NULL;
    Str digits = unit ? str_intern_n(ctx, value, (int)length - 1) : str_intern(ctx, value);
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    char *end;
    errno = 0;
    long long number = strtoll(digits, &end, 10);
    if (end == digits || *end || errno || number <= 0 || number > INT64_MAX >> shift) {
        error_plain(ctx, "%s needs a positive number of bytes, such as 4096, 64K or 1M, not '%s'", option, value);
        return false;
    }
    *out = number << shift;
    return true;
}

static bool set_tolerance(Context *ctx, Command *command, const char *value)
{
    char *end;
    command->within = strtod(value, &end);
    if (end != value && !*end && command->within >= 0) return true;
    error_plain(ctx, "--within needs a number that is not negative, not '%s'", value);
    return false;
}

static bool is_identifier(const char *text, size_t length)
{
    for (size_t k = 0; k < length; k++) {
        bool letter = text[k] == '_' || (text[k] >= 'a' && text[k] <= 'z') || (text[k] >= 'A' && text[k] <= 'Z');
        if (!letter && !(k && text[k] >= '0' && text[k] <= '9')) return false;
    }
    return length > 0;
}

static bool split_define(Context *ctx, const char *text, Define *out)
{
    const char *equals = strchr(text, '=');
    if (!equals || !is_identifier(text, (size_t)(equals - text))) return false;
    out->name = str_intern_n(ctx, text, (int)(equals - text));
    out->value = str_intern(ctx, equals + 1);
    return true;
}

static bool add_define(Context *ctx, const char *value)
{
    Define define;
    if (!split_define(ctx, value, &define)) {
        error_plain(ctx, "-D needs NAME=VALUE, not '%s'", value);
        return false;
    }
    vec_push(ctx->arena, &ctx->options.defines, define);
    return true;
}

static bool set_prefix(Context *ctx, const char *value)
{
    if (!is_identifier(value, strlen(value))) {
        error_plain(ctx, "--prefix needs letters, digits and underscores, not '%s'", value);
        return false;
    }
    ctx->options.prefix = str_intern(ctx, value);
    return true;
}

static bool add_dump(Context *ctx, const char *value)
{
    if (strcmp(value, "all") != 0 && !pass_find(value)) {
        Vec(Str) names = {0};
        for (int k = 0; k < pass_count; k++) vec_push(ctx->arena, &names, str_intern(ctx, pass_table[k].name));
        Str near = nearest_name(str_intern(ctx, value), names.at, names.count);
        error_plain(ctx, "there is no pass '%s'%s%s%s (--list-passes prints them)", value,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return false;
    }
    vec_push(ctx->arena, &ctx->options.dumps, str_intern(ctx, value));
    return true;
}

/* Two commands in one line contradict each other. */
static bool set_command(Context *ctx, Command *command, CommandKind kind, const char *target)
{
    if (command->kind != COMMAND_EMIT && command->kind != kind) {
        error_plain(ctx,
                    "only one of --run, --test, --check, --stats, --explain and the lists can be asked for at a time");
        return false;
    }
    command->kind = kind;
    if (target) command->target = str_intern(ctx, target);
    return true;
}

static bool refuse(Context *ctx, const char *option, const char *why)
{
    error_plain(ctx, "%s %s", option, why);
    return false;
}

static bool set_warning(Context *ctx, const char *value)
{
    ctx->options.no_singular = true;
    return CHOOSE(ctx, "-W", value, "no-singular") == 0;
}

static bool set_lanes(Context *ctx, const char *value)
{
    enum { LANES_MOST = 1024 };
    if (!set_integer(ctx, "--lanes", value, &ctx->options.lanes)) return false;
    return ctx->options.lanes <= LANES_MOST ? true : refuse(ctx, "--lanes", "is at most 1024");
}

static bool set_scalars(Context *ctx, const char *value)
{
    enum { SCALARS_MOST = 100000 };
    if (!set_integer(ctx, "--scalars", value, &ctx->options.scalars)) return false;
    return ctx->options.scalars <= SCALARS_MOST ? true : refuse(ctx, "--scalars", "is at most 100000");
}

static bool apply(Context *ctx, Command *command, OptionId id, const char *value)
{
    Options *o = &ctx->options;
    int64_t number = 0;
    switch (id) {
    case OPTION_OUTPUT: command->output = str_intern(ctx, value); return true;
    case OPTION_HEADER: command->header = str_intern(ctx, value); return true;
    case OPTION_NO_HEADER: return command->no_header = true;
    case OPTION_EMIT: return set_emit(ctx, command, value);
    case OPTION_DEFINE: return add_define(ctx, value);
    case OPTION_EXPORT: vec_push(ctx->arena, &o->exports, str_intern(ctx, value)); return true;
    case OPTION_REAL: return set_choice(ctx, "--real", value, "double", "float", &o->is_float);
    case OPTION_LEVEL: return (o->level = CHOOSE(ctx, "-O", value, "0", "1", "2")) >= 0;
    case OPTION_WORK: return set_choice(ctx, "--work", value, "arg", "static", &o->work_static);
    case OPTION_STACK_LIMIT: return set_integer(ctx, "--stack-limit", value, &o->stack_limit);
    case OPTION_SCALARS: return set_scalars(ctx, value);
    case OPTION_LANES: return set_lanes(ctx, value);
    case OPTION_RAM_BUDGET:
        return set_bytes(ctx, "--ram-budget", value, &o->ram_budget);
    case OPTION_PREFIX: return set_prefix(ctx, value);
    case OPTION_UNCHECKED: return o->unchecked = true;
    case OPTION_TARGET: command->machine.triple = str_intern(ctx, value); return true;
    case OPTION_CPU: command->machine.cpu = str_intern(ctx, value); return true;
    case OPTION_FEATURES: command->machine.features = str_intern(ctx, value); return true;
    case OPTION_DEBUG: return command->machine.debug = true;
    case OPTION_ENGINE: return set_engines(ctx, command, value);
    case OPTION_RUN: return set_command(ctx, command, COMMAND_RUN, value);
    case OPTION_TEST: return set_command(ctx, command, COMMAND_TEST, NULL);
    case OPTION_WITHIN: return set_tolerance(ctx, command, value);
    case OPTION_CHECK: return set_command(ctx, command, COMMAND_CHECK, NULL);
    case OPTION_SEED:
        if (!set_integer(ctx, "--seed", value, &number)) return false;
        command->seed = (uint64_t)number;
        return true;
    case OPTION_EXTERN: vec_push(ctx->arena, &o->libraries, str_intern(ctx, value)); return true;
    case OPTION_WARNING: return set_warning(ctx, value);
    case OPTION_STATS: return set_command(ctx, command, COMMAND_STATS, NULL);
    case OPTION_JSON: return command->json = true;
    case OPTION_EXPLAIN: return set_command(ctx, command, COMMAND_EXPLAIN, value);
    case OPTION_DUMP: return add_dump(ctx, value);
    case OPTION_LIST_PASSES: return set_command(ctx, command, COMMAND_LIST_PASSES, NULL);
    case OPTION_LIST_OPS: return set_command(ctx, command, COMMAND_LIST_OPS, NULL);
    case OPTION_CHECK_OPS: return set_command(ctx, command, COMMAND_CHECK_OPS, NULL);
    case OPTION_CHECK_MUTANTS: return set_command(ctx, command, COMMAND_CHECK_MUTANTS, NULL);
    case OPTION_HELP: command->kind = COMMAND_HELP; return true;
    case OPTION_VERSION: command->kind = COMMAND_VERSION; return true;
    }
    return false;
}

/* ---- getopt ------------------------------------------------------------------------------------------------------ */
static void getopt_tables(struct option *longs, char *letters)
{
    *letters++ = ':';                                       /* tells a missing argument from an unknown option */
    for (int k = 0; k < OPTION_COUNT; k++) {
        const OptionRow *row = &option_table[k];
        if (row->name)
            *longs++ = (struct option){row->name, row->argument ? required_argument : no_argument, NULL, (int)row->id};
        if (row->letter) {
            *letters++ = row->letter;
            if (row->argument) *letters++ = ':';
        }
    }
    *longs = (struct option){0};
    *letters = '\0';
}

static int id_of(int found)
{
    for (int k = 0; k < OPTION_COUNT; k++)
        if (found < FIRST_LONG && option_table[k].letter == found) return (int)option_table[k].id;
    return found;
}

static void unknown_option(Context *ctx, const char *text)
{
    Vec(Str) names = {0};
    for (int k = 0; k < OPTION_COUNT; k++)
        if (option_table[k].name) vec_push(ctx->arena, &names, str_format(ctx, "--%s", option_table[k].name));
    int length = (int)strcspn(text, "=");
    Str near = nearest_name(str_intern_n(ctx, text, length), names.at, names.count);
    if (near && strcmp(near, text) != 0) error_plain(ctx, "unknown option '%s'; did you mean '%s'?", text, near);
    else error_plain(ctx, "unknown option '%s'; --help lists the options", text);
}

static bool report_option(Context *ctx, char **argv, int found)
{
    const char *text = argv[optind - 1];
    if (found == ':') error_plain(ctx, "option '%s' needs an argument", text);
    else if (optopt >= FIRST_LONG) error_plain(ctx, "option '%.*s' takes no argument", (int)strcspn(text, "="), text);
    else if (optopt) error_plain(ctx, "unknown option '-%c'; --help lists the options", optopt);
    else unknown_option(ctx, text);
    return false;
}

static bool take_positionals(Context *ctx, int argc, char **argv, Command *command)
{
    for (int k = optind; k < argc; k++) {
        Define define;
        if (command->kind == COMMAND_RUN && split_define(ctx, argv[k], &define))
            vec_push(ctx->arena, &command->arguments, define);
        else vec_push(ctx->arena, &command->files, str_intern(ctx, argv[k]));
    }
    return true;
}

/* What LLVM is needed for, and what belongs only to that. */
static bool check_machine(Context *ctx, const Command *command)
{
    const LlvmTarget *machine = &command->machine;
    bool emits = command->kind == COMMAND_EMIT && command->emit >= EMIT_LL;
    if ((machine->triple || machine->cpu || machine->features || machine->debug) && !emits)
        return refuse(ctx, "--target, --cpu, --features and -g", "belong to --emit=ll, bc, asm or obj");
    if (command->engines && command->kind != COMMAND_RUN && command->kind != COMMAND_TEST && command->kind != COMMAND_CHECK)
        return refuse(ctx, "--engine", "belongs to --run, --test or --check");
    if (command->kind == COMMAND_RUN && (command->engines & (command->engines - 1)))
        return refuse(ctx, "--run", "takes one --engine");
    if (!emits && !(command->engines & ENGINE_LLVM)) return true;
    const LlvmBackend *backend = llvm_backend(ctx, false);
    return backend && (!emits || backend->check(ctx, machine));
}

static bool check_combination(Context *ctx, const Command *command)
{
    bool needs_file = command->kind <= COMMAND_EXPLAIN;
    if (!needs_file) return true;
    bool computes = command->kind == COMMAND_RUN || command->kind == COMMAND_TEST || command->kind == COMMAND_CHECK;
    if (ctx->options.libraries.count && !computes) return refuse(ctx, "--extern", "belongs to --run, --test and --check");
    if (command->within >= 0 && command->kind != COMMAND_TEST) return refuse(ctx, "--within", "belongs to --test");
    if (command->json && command->kind != COMMAND_RUN && command->kind != COMMAND_STATS)
        return refuse(ctx, "--json", "belongs to --run and --stats");
    if (command->files.count == 0) return refuse(ctx, "no input file;", "try 'adc --help'");
    if (command->kind != COMMAND_RUN && command->files.count > 1 && strchr(command->files.at[1], '='))
        return refuse(ctx, command->files.at[1], "is an input of a function, which belongs to --run NAME");
    if (command->files.count > 1 && command->kind != COMMAND_TEST)
        return refuse(ctx, "more than one input file:", command->kind == COMMAND_RUN
                      ? "inputs are given as NAME=VALUE" : "only --test takes several; use import to join files");
    if (command->output && command->kind != COMMAND_EMIT)
        return refuse(ctx, "-o", "belongs to --emit, not to a report");
    if (command->header && command->no_header) return refuse(ctx, "--header", "and --no-header contradict each other");
    if (command->header && (!command->output || strcmp(command->output, "-") == 0))
        return refuse(ctx, "--header", "needs -o FILE: what goes to standard output stands alone");
    if (command->output && strcmp(command->output, "-") == 0 && ctx->options.dumps.count)
        return refuse(ctx, "--dump", "writes to standard output; give -o another file");
    return check_machine(ctx, command);
}

bool options_parse(Context *ctx, int argc, char **argv, Command *command)
{
    struct option longs[OPTION_COUNT_MAX];
    char letters[2 * OPTION_COUNT_MAX];
    getopt_tables(longs, letters);
    *command = (Command){.within = -1, .seed = 1};
    opterr = 0;
    for (;;) {
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1) break;
        if (found == '?' || found == ':') return report_option(ctx, argv, found);
        if (!apply(ctx, command, (OptionId)id_of(found), optarg)) return false;
    }
    return take_positionals(ctx, argc, argv, command) && check_combination(ctx, command);
}

void options_copy(Context *to, const Context *from)
{
    const Options *source = &from->options;
    Options *copy = &to->options;
    *copy = *source;
    copy->prefix = str_intern(to, source->prefix);
    copy->defines.count = copy->exports.count = copy->dumps.count = copy->libraries.count = 0;
    copy->defines.capacity = copy->exports.capacity = copy->dumps.capacity = copy->libraries.capacity = 0;
    for (int k = 0; k < source->defines.count; k++) {
        Define define = {str_intern(to, source->defines.at[k].name), str_intern(to, source->defines.at[k].value)};
        vec_push(to->arena, &copy->defines, define);
    }
    for (int k = 0; k < source->libraries.count; k++)
        vec_push(to->arena, &copy->libraries, str_intern(to, source->libraries.at[k]));
    for (int k = 0; k < source->exports.count; k++)
        vec_push(to->arena, &copy->exports, str_intern(to, source->exports.at[k]));
    for (int k = 0; k < source->dumps.count; k++)
        vec_push(to->arena, &copy->dumps, str_intern(to, source->dumps.at[k]));
}
