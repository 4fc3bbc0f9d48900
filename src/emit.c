/* emit.c: the main job: every export through the passes, and out as C, as an adc program, or as a picture. */
#include "driver.h"
#include "pass.h"

#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* model_grad.c -> model_grad.h; any other name gets .h behind it. */
static Str header_path(Context *ctx, Str output)
{
    static const char *const endings[] = {".c", ".o", ".s", ".ll", ".bc"};
    size_t length = strlen(output), own = 0;
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
        size_t n = strlen(endings[k]);
        if (length > n && strcmp(output + length - n, endings[k]) == 0) own = n;
    }
    length -= own;
    return str_format(ctx, "%.*s.h", (int)length, output);
}

static int emit_c(Context *ctx, Module *module, const Command *command, Fn **fns, Str output)
{
    Str header = command->header;
    if (!header && !command->no_header && !output_is_stream(output)) header = header_path(ctx, output);
    CodegenInput input = {fns, module->exports.count, module->source, header ? base_name(header) : NULL};
    Program *program = codegen_lower(ctx, &input);
    Text c = {.arena = ctx->arena}, h = {.arena = ctx->arena};
    codegen_c(ctx, program, &c, header ? &h : NULL);
    OutputFile files[] = {{output, &c}, {header, &h}};
    return output_write(ctx, module->source->path, files, header ? 2 : 1) ? EXIT_DONE : EXIT_FILE;
}

static int emit_text(Context *ctx, Module *module, Fn **fns, Str output, void (*print)(Context *, const Fn *, Text *))
{
    Text text = {.arena = ctx->arena};
    if (print == print_fn) print_declarations(ctx, fns, module->exports.count, &text);
    for (int k = 0; k < module->exports.count; k++) print(ctx, fns[k], &text);
    OutputFile file = {output, &text};
    return output_write(ctx, module->source->path, &file, 1) ? EXIT_DONE : EXIT_FILE;
}

static int emit_llvm(Context *ctx, Module *module, const Command *command, Fn **fns, Str output)
{
    const LlvmForm form = (LlvmForm)(command->emit - EMIT_LL);
    const LlvmBackend *backend = llvm_backend(ctx, false);
    if (!backend) return EXIT_USAGE;
    Str header = command->header;
    if (!header && !command->no_header && !output_is_stream(output)) header = header_path(ctx, output);
    CodegenInput input = {fns, module->exports.count, module->source, header ? base_name(header) : NULL};
    Program *program = codegen_lower(ctx, &input);
    Text c = {.arena = ctx->arena}, h = {.arena = ctx->arena}, text = {.arena = ctx->arena};
    if (header) codegen_c(ctx, program, &c, &h);
    if (!backend->emit(ctx, program, &command->machine, form, &text)) return EXIT_INPUT;
    OutputFile files[] = {{output, &text}, {header, &h}};
    return output_write(ctx, module->source->path, files, header ? 2 : 1) ? EXIT_DONE : EXIT_FILE;
}

int command_emit(Context *ctx, Module *module, const Command *command)
{
    Fn **fns = pass_run_module(ctx, module);
    if (!fns) return EXIT_INPUT;
    context_drop_trees(ctx);
    if (!command->output && ctx->options.dumps.count) return EXIT_DONE;     /* the dump is what was asked for */
    if (!module->exports.count) {
        error_plain(ctx, "'%s' has nothing to write: no function, or only generic ones, whose sizes a call must give",
                    module->source->path);
        return EXIT_INPUT;
    }
    Str output = command->output ? command->output : str_intern(ctx, "-");
    switch (command->emit) {
    case EMIT_IR: return emit_text(ctx, module, fns, output, print_fn);
    case EMIT_DOT: return emit_text(ctx, module, fns, output, dot_print);
    case EMIT_C: break;
    default: return emit_llvm(ctx, module, command, fns, output);
    }
    return emit_c(ctx, module, command, fns, output);
}
