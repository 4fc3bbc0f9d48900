/* main.c: one command line, one exit status. */
#include "driver.h"
#include "pass.h"

#include <stdlib.h>

static int check_ops(Context *ctx, const Command *command)
{
    int passed = 0, failed = 0;
    uint64_t seed = command->files.count ? strtoull(command->files.at[0], NULL, 10) : command->seed;
    if (command->kind == COMMAND_CHECK_MUTANTS)
        diff_check_mutants(seed, stdout, &passed, &failed);
    else
        diff_check_ops(ctx, seed, stdout, &passed, &failed);
    printf("%d passed, %d failed\n", passed, failed);
    return failed || ctx->error_count ? EXIT_INPUT : EXIT_DONE;
}

static int with_module(Context *ctx, const Command *command)
{
    ctx->options.keep_adjoints = command->kind == COMMAND_EXPLAIN || command->emit == EMIT_DOT;
    Module *module = module_load(ctx, command->files.at[0]);
    if (!module) return EXIT_FILE;
    if (ctx->error_count) return EXIT_INPUT;
    if (!externs_load(ctx)) return EXIT_FILE;
    if (!budget_plan(ctx, module)) return EXIT_INPUT;
    switch (command->kind) {
    case COMMAND_RUN: return command_run(ctx, module, command);
    case COMMAND_CHECK: return command_check(ctx, module, command);
    case COMMAND_STATS: return command_stats(ctx, module, command);
    case COMMAND_EXPLAIN: return command_explain(ctx, module, command);
    default: return command_emit(ctx, module, command);
    }
}

static int print_version(Context *ctx)
{
    const LlvmBackend *backend = llvm_backend(ctx, true);
    printf("adc " ADC_VERSION "\n%s%s\n", backend ? "with LLVM " : "without LLVM", backend ? backend->version : "");
    return EXIT_DONE;
}

static int dispatch(Context *ctx, const Command *command)
{
    switch (command->kind) {
    case COMMAND_HELP: options_help(stdout); return EXIT_DONE;
    case COMMAND_VERSION: return print_version(ctx);
    case COMMAND_LIST_PASSES: pass_list(stdout); return EXIT_DONE;
    case COMMAND_LIST_OPS: return command_list_ops(ctx);
    case COMMAND_CHECK_MUTANTS:
    case COMMAND_CHECK_OPS: return check_ops(ctx, command);
    case COMMAND_TEST: return command_test(ctx, command);
    default: return with_module(ctx, command);
    }
}

int main(int argc, char **argv)
{
    Context *ctx = context_new();
    Command command;
    int status = options_parse(ctx, argc, argv, &command) ? dispatch(ctx, &command) : EXIT_USAGE;
    if (!output_flush(ctx) && status == EXIT_DONE) status = EXIT_FILE;
    context_free(ctx);
    return status;
}
