/* compile.c: runs generated C: text and a harness in a private folder, the system compiler, a process of its own.
 *
 * Invariant: what is compiled is the text a user would get, followed by a main function; inputs and outputs travel as
 * native elements in the order of the calls.  Workspace and outputs are full of NaN bytes on entry, as the C interface
 * allows. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CPU_SECONDS = 600, STATUS_NOT_FOUND = 127, MESSAGE_LIMIT = 4000 };

/* Keeps a model's `main` or `exit` apart from the harness. */
static const char harness_prefix[] = "run_";

/* ---- the harness's text ------------------------------------------------------------------------------------------ */
static const char *c_type(const Context *ctx, Elem elem)
{
    if (elem == ELEM_INT) return "int32_t";
    if (elem == ELEM_BOOL) return "bool";
    return ctx->options.is_float ? "float" : "double";
}

size_t element_size(const Context *ctx, Elem elem)
{
    if (elem == ELEM_INT) return sizeof(int32_t);
    if (elem == ELEM_BOOL) return sizeof(bool);
    return ctx->options.is_float ? sizeof(float) : sizeof(double);
}

static const char harness_helpers[] =
    "\n#include <stdbool.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n"
    "static void *room(size_t size, int fill)\n{\n"
    "    void *p = malloc(size);\n    if (!p) abort();\n    memset(p, fill, size);\n    return p;\n}\n\n"
    "static void *take(FILE *in, size_t size)\n{\n"
    "    void *p = malloc(size);\n    if (!p || fread(p, 1, size, in) != size) abort();\n    return p;\n}\n\n"
    "static void give(FILE *out, void *p, size_t size)\n{\n"
    "    if (fwrite(p, 1, size, out) != size) abort();\n    free(p);\n}\n";

/* The arguments are a[0..] and then those of `outputs`; the tape is the last of the outputs, or of the inputs. */
static void harness_call(Context *ctx, Text *text, const Fn *fn, const char *outputs, int first, const Costs *costs,
                         const char *work)
{
    int inputs = fn_input_count(fn), count = fn_output_count(fn);
    bool any = inputs > 0;
    text_printf(text, "    %s%s(", harness_prefix, fn->name);
    for (int k = 0; k < inputs; k++) {
        const Type *type = fn->params.at[k].node->type;
        text_put(text, k ? ", " : "");
        if (type->rank == 0) text_printf(text, "*(%s *)", c_type(ctx, type->elem));
        text_printf(text, "a[%d]", k);
    }
    if (costs->tape_elements && fn->forward) text_put(text, any ? ", tape" : "tape"), any = true;
    for (int k = 0; k < count; k++, any = true) text_printf(text, "%s%s[%d]", any ? ", " : "", outputs, first + k);
    if (costs->tape_elements && !fn->forward) text_put(text, any ? ", tape" : "tape"), any = true;
    if (costs->work_elements && !ctx->options.work_static) text_printf(text, "%s%s", any ? ", " : "", work);
    text_put(text, ");\n");
}

/* An output that is added into starts at 1, which is taken off again. */
static void harness_shift(const Context *ctx, Text *text, int argument, const Type *type, const char *how)
{
    text_printf(text, "    for (long i = 0; i < %" PRId64 "; i++) ((%s *)a[%d])[i] %s;\n", type->count,
                c_type(ctx, type->elem), argument, how);
}

static void harness_room(Context *ctx, Text *text, const char *what, int64_t count, Elem elem)
{
    text_printf(text, "    %s = room(%" PRId64 " * sizeof(%s), 255);\n", what, count, c_type(ctx, elem));
}

/* The first function of a split, which fills the tape for the second. */
static void harness_forward(Context *ctx, Text *text, const Fn *forward, const Costs *costs)
{
    int count = fn_output_count(forward);
    text_printf(text, "    void *b[%d];\n", count + 1);
    for (int k = 0; k < count; k++) {
        const Type *type = forward->results.at[k].node->type;
        harness_room(ctx, text, str_format(ctx, "b[%d]", k), type->count, type->elem);
    }
    if (costs->work_elements) harness_room(ctx, text, "void *before", costs->work_elements, ELEM_REAL);
    harness_call(ctx, text, forward, "b", 0, costs, "before");
    for (int k = 0; k < count; k++) text_printf(text, "    free(b[%d]);\n", k);
    text_put(text, costs->work_elements ? "    free(before);\n    (void)b;\n" : "    (void)b;\n");
}

/* One function that reads the inputs of one call, makes it and writes its outputs.  forward: its costs, if it needs a tape. */
static void harness_function(Context *ctx, Text *text, const Fn *fn, int index, const Costs *costs, const Costs *forward)
{
    int inputs = fn_input_count(fn), outputs = fn_output_count(fn);
    text_printf(text, "\nstatic void call_%d(FILE *in, FILE *out)\n{\n    void *a[%d];\n", index, inputs + outputs + 1);
    for (int k = 0; k < inputs; k++) {
        const Type *type = fn->params.at[k].node->type;
        text_printf(text, "    a[%d] = take(in, %" PRId64 " * sizeof(%s));\n", k, type->count, c_type(ctx, type->elem));
    }
    for (int k = 0; k < outputs; k++) {
        const Result *result = &fn->results.at[k];
        harness_room(ctx, text, str_format(ctx, "a[%d]", inputs + k), result->node->type->count, result->node->type->elem);
        if (result->accumulate) harness_shift(ctx, text, inputs + k, result->node->type, "= 1");
    }
    if (costs->tape_elements) harness_room(ctx, text, "void *tape", costs->tape_elements, ELEM_REAL);
    if (costs->work_elements) harness_room(ctx, text, "void *work", costs->work_elements, ELEM_REAL);
    if (forward) harness_forward(ctx, text, fn->forward, forward);
    harness_call(ctx, text, fn, "a", inputs, costs, "work");
    if (costs->tape_elements) text_put(text, "    free(tape);\n");
    if (costs->work_elements) text_put(text, "    free(work);\n");
    for (int k = 0; k < outputs; k++) {
        const Type *type = fn->results.at[k].node->type;
        if (fn->results.at[k].accumulate) harness_shift(ctx, text, inputs + k, type, "-= 1");
        text_printf(text, "    give(out, a[%d], %" PRId64 " * sizeof(%s));\n", inputs + k, type->count,
                    c_type(ctx, type->elem));
    }
    for (int k = 0; k < inputs; k++) text_printf(text, "    free(a[%d]);\n", k);
    text_put(text, "    (void)in;\n}\n");
}

static void harness_main(Text *text, int fn_count)
{
    text_put(
        text,
        "\nint main(int argc, char **argv)\n{\n"
        "    FILE *in = argc == 3 ? fopen(argv[1], \"rb\") : NULL, *out = argc == 3 ? fopen(argv[2], \"wb\") : NULL;\n"
        "    int32_t which;\n    if (!in || !out) return 1;\n"
        "    while (fread(&which, sizeof which, 1, in) == 1) {\n        switch (which) {\n");
    for (int k = 0; k < fn_count; k++) text_printf(text, "        case %d: call_%d(in, out); break;\n", k, k);
    text_put(text, "        default: abort();\n        }\n        if (fflush(out) != 0) return 1;\n    }\n"
                   "    fclose(in);\n    return fclose(out) != 0;\n}\n");
}

static void harness_text(Context *ctx, const Source *source, Fn **fns, int count, Text *text)
{
    Str prefix = ctx->options.prefix;
    ctx->options.prefix = str_intern(ctx, harness_prefix);
    int total;
    Fn **all = engine_functions(ctx, fns, count, &total);
    CodegenInput input = {all, total, source, NULL};
    Program *program = codegen_lower(ctx, &input);
    codegen_c(ctx, program, text, NULL);
    ctx->options.prefix = prefix;
    const Costs *costs;
    if (codegen_costs(program, &costs) != total) internal_error(ctx, "the generated code lost a function");
    text_put(text, harness_helpers);
    for (int k = 0; k < count; k++) {
        const Costs *forward = fns[k]->forward && costs[k].tape_elements ? &costs[engine_forward(all, fns[k])] : NULL;
        harness_function(ctx, text, fns[k], k, &costs[k], forward);
    }
    harness_main(text, count);
}

/* ---- the private folder ------------------------------------------------------------------------------------------ */
typedef struct { Str path, source, program, input, output, log; } Folder;

static bool folder_make(Context *ctx, Folder *folder)
{
    const char *parent = getenv("TMPDIR");
    char *path = arena_alloc(ctx->arena, strlen(parent && *parent ? parent : "/tmp") + sizeof "/adc-XXXXXX");
    strcpy(path, parent && *parent ? parent : "/tmp");
    strcat(path, "/adc-XXXXXX");
    if (!mkdtemp(path)) {
        error_plain(ctx, "cannot make a temporary folder '%s': %s", path, strerror(errno));
        return false;
    }
    *folder = (Folder){
        .path = str_intern(ctx, path),
        .source = str_format(ctx, "%s/model.c", path),
        .program = str_format(ctx, "%s/model", path),
        .input = str_format(ctx, "%s/in", path),
        .output = str_format(ctx, "%s/out", path),
        .log = str_format(ctx, "%s/log", path),
    };
    return true;
}

static void folder_remove(const Folder *folder)
{
    const char *files[] = {folder->source, folder->program, folder->input, folder->output, folder->log};
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) unlink(files[k]);
    rmdir(folder->path);
}

static bool write_file(Context *ctx, const char *path, const Text *text)
{
    FILE *out = fopen(path, "wb");
    bool good = out && fwrite(text->text, 1, text->length, out) == text->length;
    if (out && fclose(out) != 0) good = false;
    if (!good) error_plain(ctx, "cannot write '%s': %s", path, strerror(errno));
    return good;
}

/* ---- elements to bytes and back ---------------------------------------------------------------------------------- */
static void put_bytes(Text *text, const void *data, size_t size)
{
    for (size_t k = 0; k < size; k++) text_char(text, ((const char *)data)[k]);
}

void element_put(const Context *ctx, char *at, Elem elem, double value)
{
    int32_t whole = elem == ELEM_INT ? (int32_t)value : 0;
    bool truth = value != 0;
    float narrow = (float)value;
    const void *from = elem == ELEM_INT ? &whole : elem == ELEM_BOOL ? &truth : (const void *)&value;
    memcpy(at, elem == ELEM_REAL && ctx->options.is_float ? &narrow : from, element_size(ctx, elem));
}

static void put_element(const Context *ctx, Text *text, Elem elem, double value)
{
    char bytes[sizeof(double)];
    element_put(ctx, bytes, elem, value);
    put_bytes(text, bytes, element_size(ctx, elem));
}

double element_get(const Context *ctx, const char *at, Elem elem)
{
    if (elem == ELEM_INT) {
        int32_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    if (elem == ELEM_BOOL) return *at != 0;
    if (ctx->options.is_float) {
        float value;
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put_calls(const Context *ctx, Text *text, Fn **fns, const NativeCall *calls, int count)
{
    for (int k = 0; k < count; k++) {
        int32_t which = calls[k].fn;
        put_bytes(text, &which, sizeof which);
        for (int j = 0; j < fn_input_count(fns[which]); j++) {
            const Tensor *input = &calls[k].inputs[j];
            for (int64_t i = 0; i < input->type->count; i++) put_element(ctx, text, input->type->elem, input->data[i]);
        }
    }
}

/* False when the file ends before the outputs of this call: the program stopped in it. */
static bool get_call(Context *ctx, FILE *in, const Fn *fn, NativeCall *call)
{
    ArenaMark mark = arena_mark(ctx->scratch);
    bool good = true;
    for (int j = 0; j < fn_output_count(fn) && good; j++) {
        Tensor *output = &call->outputs[j];
        size_t size = element_size(ctx, output->type->elem), bytes = size * (size_t)output->type->count;
        char *raw = arena_alloc(ctx->scratch, bytes);
        good = fread(raw, 1, bytes, in) == bytes;
        for (int64_t i = 0; i < output->type->count; i++)
            output->data[i] = element_get(ctx, raw + (size_t)i * size, output->type->elem);
    }
    arena_release(ctx->scratch, mark);
    return call->done = good;
}

/* ---- processes --------------------------------------------------------------------------------------------------- */
/* Words of a variable such as CFLAGS, appended to the arguments. */
typedef Vec(char *) Arguments;

static void add_words(Context *ctx, Arguments *arguments, const char *words)
{
    while (*words) {
        size_t blank = strspn(words, " \t\n"), length = strcspn(words + blank, " \t\n");
        if (length) vec_push(ctx->arena, arguments, (char *)str_intern_n(ctx, words + blank, (int)length));
        words += blank + length;
    }
}

/* Runs to the end; -1 when it could not be started, else the status of waitpid.  log NULL: messages are ours. */
static int spawn(Context *ctx, Arguments *arguments, const char *log)
{
    vec_push(ctx->arena, arguments, NULL);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        struct rlimit limit = {CPU_SECONDS, CPU_SECONDS};
        setrlimit(RLIMIT_CPU, &limit);
        int handle = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
        if (handle >= 0) dup2(handle, STDERR_FILENO), dup2(handle, STDOUT_FILENO);
        execvp(arguments->at[0], arguments->at);
        _exit(STATUS_NOT_FOUND);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status;
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && value[strspn(value, " \t\n")] ? value : otherwise;
}

static void print_log(Context *ctx, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) return;
    char text[MESSAGE_LIMIT];
    size_t length = fread(text, 1, sizeof text, in);
    fwrite(text, 1, length, ctx->messages);
    fclose(in);
}

/* Is the first word of CC a program that the shell would find? */
static bool compiler_exists(Context *ctx)
{
    Arguments words = {0};
    add_words(ctx, &words, variable("CC", "cc"));
    const char *name = words.at[0], *path = strchr(name, '/') ? "" : variable("PATH", "");
    if (!*path) return access(name, X_OK) == 0;
    while (*path) {
        size_t length = strcspn(path, ":");
        if (access(str_format(ctx, "%.*s/%s", (int)length, path, name), X_OK) == 0) return true;
        path += length + (path[length] == ':');
    }
    return false;
}

/* The user's C functions are found again when the program runs. */
static void add_libraries(Context *ctx, Arguments *arguments)
{
    for (int k = 0; k < ctx->options.libraries.count; k++) {
        Str path = ctx->options.libraries.at[k];
        vec_push(ctx->arena, arguments, (char *)path);
        vec_push(ctx->arena, arguments, (char *)str_format(ctx, "-Wl,-rpath,%.*s", (int)(strrchr(path, '/') - path), path));
    }
    vec_push(ctx->arena, arguments, (char *)str_intern(ctx, "-lm"));
}

static bool compile(Context *ctx, const Folder *folder)
{
    const char *compiler = variable("CC", "cc");
    Arguments arguments = {0};
    add_words(ctx, &arguments, compiler);
    add_words(ctx, &arguments, "-std=c99 -ffp-contract=off");
    add_words(ctx, &arguments, variable("CFLAGS", "-O1"));
    Str rest[] = {str_intern(ctx, "-o"), folder->program, folder->source};
    for (size_t k = 0; k < sizeof rest / sizeof *rest; k++) vec_push(ctx->arena, &arguments, (char *)rest[k]);
    add_libraries(ctx, &arguments);
    int status = spawn(ctx, &arguments, folder->log);
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    error_plain(ctx, "'%s' does not compile the generated code", compiler);
    print_log(ctx, folder->log);
    return false;
}

static bool run(Context *ctx, const Folder *folder)
{
    Arguments arguments = {0};
    vec_push(ctx->arena, &arguments, (char *)folder->program);
    vec_push(ctx->arena, &arguments, (char *)folder->input);
    vec_push(ctx->arena, &arguments, (char *)folder->output);
    int status = spawn(ctx, &arguments, folder->log);
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (status >= 0 && WIFSIGNALED(status))
        error_plain(ctx, "the compiled program was stopped by signal %d", WTERMSIG(status));
    else error_plain(ctx, "the compiled program ended with status %d", status < 0 ? status : WEXITSTATUS(status));
    print_log(ctx, folder->log);
    return false;
}

static NativeStatus in_folder(Context *ctx, const Folder *folder, const Text *c, const Text *input, Fn **fns,
                              NativeCall *calls, int call_count)
{
    if (!write_file(ctx, folder->source, c) || !write_file(ctx, folder->input, input)) return NATIVE_FAILED;
    if (!compile(ctx, folder)) return NATIVE_FAILED;
    bool good = run(ctx, folder);
    FILE *in = fopen(folder->output, "rb");
    for (int k = 0; in && k < call_count; k++)
        if (!get_call(ctx, in, fns[calls[k].fn], &calls[k])) break;
    if (in) fclose(in);
    return good ? NATIVE_DONE : NATIVE_FAILED;
}

NativeStatus native_run(Context *ctx, const Source *source, Fn **fns, int fn_count, NativeCall *calls, int call_count)
{
    if (!call_count) return NATIVE_DONE;
    if (!compiler_exists(ctx)) return NATIVE_NO_COMPILER;
    Text c = {.arena = ctx->arena}, input = {.arena = ctx->arena};
    harness_text(ctx, source, fns, fn_count, &c);           /* before the folder is made: it may end adc */
    put_calls(ctx, &input, fns, calls, call_count);
    Folder folder;
    if (!folder_make(ctx, &folder)) return NATIVE_FAILED;
    NativeStatus status = in_folder(ctx, &folder, &c, &input, fns, calls, call_count);
    folder_remove(&folder);
    return status;
}
