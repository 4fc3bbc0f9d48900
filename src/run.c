/* run.c: --run: a function or export at given values, by one engine. */
#include "driver.h"
#include "pass.h"

#include <string.h>

static int parameter_find(const Fn *fn, Str name)
{
    for (int k = 0; k < fn_input_count(fn); k++)
        if (fn->params.at[k].name == name) return k;
    return -1;
}

static void unknown_argument(Context *ctx, const Fn *fn, Str name)
{
    Vec(Str) names = {0};
    for (int k = 0; k < fn_input_count(fn); k++) vec_push(ctx->arena, &names, fn->params.at[k].name);
    Str near = nearest_name(name, names.at, names.count);
    if (near) error_plain(ctx, "'%s' has no input '%s'; did you mean '%s'?", fn->name, name, near);
    else error_plain(ctx, "'%s' has no input '%s'", fn->name, name);
}

static int take_argument(Context *ctx, const Fn *fn, const Define *argument, Tensor *inputs)
{
    int k = parameter_find(fn, argument->name);
    if (k < 0) {
        unknown_argument(ctx, fn, argument->name);
        return EXIT_USAGE;
    }
    if (inputs[k].data) {
        error_plain(ctx, "'%s' is given twice", argument->name);
        return EXIT_USAGE;
    }
    switch (value_parse(ctx, &fn->params.at[k], argument->value, &inputs[k])) {
    case VALUE_UNREADABLE: return EXIT_FILE;
    case VALUE_WRONG: return EXIT_USAGE;
    case VALUE_OK: break;
    }
    return EXIT_DONE;
}

static int take_arguments(Context *ctx, const Fn *fn, const Command *command, Tensor *inputs)
{
    int status = EXIT_DONE;
    for (int k = 0; k < command->arguments.count; k++) {
        int each = take_argument(ctx, fn, &command->arguments.at[k], inputs);
        if (status == EXIT_DONE) status = each;
    }
    for (int k = 0; k < fn_input_count(fn) && status == EXIT_DONE; k++) {
        if (inputs[k].data) continue;
        const Param *missing = &fn->params.at[k];
        error_plain(ctx, "'%s' needs %s=VALUE, %s", fn->name, missing->name, type_text(ctx, missing->node->type));
        status = EXIT_USAGE;
    }
    return status;
}

/* Where the values of a sparse derivative belong: with the values, as the C text has it. */
static void print_pattern(Text *text, const Result *r, bool json)
{
    for (int i = 0; r->pattern && i < 2; i++) {
        const int32_t *at = i ? r->pattern->column : r->pattern->row;
        text_printf(text, json ? ", \"%s_%s\": [" : "%s_%s = [", r->name, i ? "column" : "row");
        for (int k = 0; k < r->pattern->count; k++) text_printf(text, "%s%d", k ? ", " : "", (int)at[k]);
        text_put(text, json ? "]" : "]\n");
    }
}

static void print_text(Context *ctx, const Fn *fn, const Tensor *results, Text *text)
{
    for (int k = 0; k < fn_output_count(fn); k++) {
        Str name = fn->results.at[k].name;
        text_printf(text, "%s = ", name);
        value_print(ctx, text, &results[k], (int)strlen(name) + 3, false);
        text_char(text, '\n');
        print_pattern(text, &fn->results.at[k], false);
    }
}

static void print_json(Context *ctx, const Fn *fn, const Tensor *results, Text *text)
{
    for (int k = 0; k < fn_output_count(fn); k++) {
        text_printf(text, "%s\"%s\": ", k ? ", " : "{", fn->results.at[k].name);
        value_print(ctx, text, &results[k], 0, true);
        print_pattern(text, &fn->results.at[k], true);
    }
    text_put(text, "}\n");
}

/* NULL after an error message. */
static Tensor *results_of(Context *ctx, Module *module, Engine engine, Fn *reference, Fn *fn, const Tensor *inputs)
{
    if (engine == ENGINE_EVAL) return fn_eval(ctx, reference, inputs, ctx->arena);
    Tensor *results = NEW_ARRAY(ctx->arena, Tensor, fn->results.count + 1);
    for (int k = 0; k < fn_output_count(fn); k++) {
        const Type *type = fn->results.at[k].node->type;
        results[k] = (Tensor){type, NEW_ARRAY(ctx->arena, double, type->count)};
    }
    NativeCall call = {0, inputs, results, false};
    NativeStatus status = engine_run(ctx, engine, module->source, &fn, 1, &call, 1);
    if (status == NATIVE_NO_COMPILER) error_plain(ctx, "no C compiler was found (CC names one)");
    return status == NATIVE_DONE ? results : NULL;
}

int command_run(Context *ctx, Module *module, const Command *command)
{
    const ExportSpec *spec = target_find(ctx, module, command->target);
    if (!spec) return EXIT_USAGE;
    Fn *reference = NULL, *fn = pass_run(ctx, module, spec, &reference);
    if (!fn || !externs_ready(ctx, reference)) return EXIT_INPUT;
    Tensor *inputs = NEW_ARRAY(ctx->arena, Tensor, fn->params.count + 1);
    int status = take_arguments(ctx, fn, command, inputs);
    if (status != EXIT_DONE) return status;
    Tensor *results = results_of(ctx, module, engine_to_run(ctx, command, reference), reference, fn, inputs);
    if (!results) return EXIT_INPUT;
    Text text = {.arena = ctx->arena};
    (command->json ? print_json : print_text)(ctx, fn, results, &text);
    fwrite(text.text, 1, text.length, stdout);
    return EXIT_DONE;
}
