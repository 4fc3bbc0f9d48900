/* drive.c: the other side of GradBench's protocol, for the tests: starts a tool, asks it for each function of each case
 * file and compares what it answers.
 *   drive CASE.json... -- TOOL [ARG...]
 * Prints what is wrong, the number of answers for which a model was compiled, and `N passed, N failed`. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Tool { FILE *to, *from; json_int_t id; char *line; size_t capacity; } Tool;

static int passed, failed, compiled;

static void verdict(int good, const char *module, const char *what, const char *why)
{
    passed += good;
    failed += !good;
    if (!good)
        printf("%s %s: %s\n", module, what, why);
}

static void start_tool(Tool *t, char **command)
{
    int in[2], out[2];
    if (pipe(in) || pipe(out))
        exit(1);
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *t = (Tool){ .to = fdopen(in[1], "w"), .from = fdopen(out[0], "r") };
}

static json_t *answer_to(Tool *t, const char *line)
{
    fprintf(t->to, "%s\n", line);
    fflush(t->to);
    ssize_t length = getline(&t->line, &t->capacity, t->from);
    return length > 0 ? json_loadb(t->line, (size_t)length, 0, NULL) : NULL;
}

/* The answer, which has the message's id; takes the message over. */
static json_t *ask(Tool *t, json_t *message)
{
    json_object_set_new(message, "id", json_integer(t->id));
    char *text = json_dumps(message, JSON_COMPACT);
    json_t *answer = answer_to(t, text);
    free(text);
    json_decref(message);
    verdict(answer && json_integer_value(json_object_get(answer, "id")) == t->id, "message", "id", "no answer with it");
    t->id++;
    if (!answer)
        exit(1);
    return answer;
}

/* Of all numbers: the largest that is expected, and the largest difference; infinite where the forms differ. */
static void compare(const json_t *want, const json_t *got, double *size, double *difference)
{
    if (json_is_number(want) && json_is_number(got)) {
        *size = fmax(*size, fabs(json_number_value(want)));
        *difference = fmax(*difference, fabs(json_number_value(want) - json_number_value(got)));
    } else if (json_is_array(want) && json_is_array(got) && json_array_size(want) == json_array_size(got)) {
        for (size_t k = 0; k < json_array_size(want); k++)
            compare(json_array_get(want, k), json_array_get(got, k), size, difference);
    } else if (json_is_object(want) && json_is_object(got) && json_object_size(want) == json_object_size(got)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)want, key, value)
            compare(value, json_object_get(got, key), size, difference);
    } else {
        *difference = INFINITY;
    }
}

static json_t *evaluate(Tool *t, const char *module, const char *function, json_t *input)
{
    return ask(t, json_pack("{s:s, s:s, s:s, s:O}", "kind", "evaluate", "module", module, "function", function,
                            "input", input));
}

static int count_timings(const json_t *answer, const char *name)
{
    int count = 0;
    size_t k;
    json_t *timing;
    json_array_foreach(json_object_get(answer, "timings"), k, timing) {
        count += !strcmp(json_string_value(json_object_get(timing, "name")), name)
            && json_is_integer(json_object_get(timing, "nanoseconds"));
    }
    return count;
}

static void check_function(Tool *t, const char *module, const char *function, json_t *input, const json_t *want)
{
    enum { RUNS = 3 };
    char why[200];
    double size = 0, difference = 0;
    if (json_is_object(input))
        json_object_update_new(input, json_pack("{s:i, s:f}", "min_runs", RUNS, "min_seconds", 0.0));
    json_t *answer = evaluate(t, module, function, input);
    const char *error = json_string_value(json_object_get(answer, "error"));
    verdict(json_is_true(json_object_get(answer, "success")), module, function, error ? error : "no success");
    compare(want, json_object_get(answer, "output"), &size, &difference);
    snprintf(why, sizeof why, "differs by %g of %g", difference, size);
    verdict(difference <= 1e-9 * (size > 0 ? size : 1), module, function, why);
    int runs = json_is_object(input) ? RUNS : 1;
    verdict(count_timings(answer, "evaluate") == runs, module, function, "number of timings");
    compiled += count_timings(answer, "compile");
    json_decref(answer);
}

static void check_case(Tool *t, const char *path)
{
    json_t *c = json_load_file(path, 0, NULL), *want;
    const char *module = json_string_value(json_object_get(c, "module")), *function;
    json_t *answer = ask(t, json_pack("{s:s, s:s}", "kind", "define", "module", module));
    verdict(json_is_true(json_object_get(answer, "success")), module, "define", "no success");
    json_decref(answer);
    json_object_foreach(json_object_get(c, "expected"), function, want) {
        check_function(t, module, function, json_object_get(c, "input"), want);
    }
    json_decref(c);
}

/* What cannot be answered is refused, and the session goes on. */
static void check_refusals(Tool *t)
{
    static const char *const inputs[] = {
        "{\"x\": [1, \"2\"]}", "{\"x\": []}", "{}", "{\"x\": [[1]]}", "{\"x\": [1e308, -1e308, 1e308], \"n\": 5}",
    };
    static const char *const functions[][2] = {
        { "lse", "primal" }, { "lse", "gradient" }, { "lse", "primal" }, { "lse", "primal" }, { "llsq", "primal" },
    };
    json_t *answer = ask(t, json_pack("{s:s, s:s}", "kind", "define", "module", "no such"));
    verdict(json_is_false(json_object_get(answer, "success")), "unknown", "define", "it succeeds");
    json_decref(answer);
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
        json_t *input = json_loads(inputs[k], 0, NULL);
        answer = evaluate(t, functions[k][0], functions[k][1], input);
        const char *error = json_string_value(json_object_get(answer, "error"));
        verdict(error && json_is_false(json_object_get(answer, "success")), "refusal", inputs[k], "it succeeds");
        json_decref(answer);
        json_decref(input);
    }
    answer = answer_to(t, "{ this is no JSON");
    verdict(json_is_object(answer) && json_is_null(json_object_get(answer, "id")), "refusal", "no JSON", "no answer");
    json_decref(answer);
    json_decref(ask(t, json_pack("{s:s, s:i, s:b}", "kind", "analysis", "of", 0, "valid", 1)));
}

int main(int argc, char **argv)
{
    int cut = 1;
    Tool t;
    while (cut < argc && strcmp(argv[cut], "--"))
        cut++;
    if (cut + 1 >= argc)
        return 2;
    start_tool(&t, argv + cut + 1);
    json_decref(ask(&t, json_pack("{s:s}", "kind", "start")));
    for (int k = 1; k < cut; k++)
        check_case(&t, argv[k]);
    check_refusals(&t);
    fclose(t.to);
    verdict(getline(&t.line, &t.capacity, t.from) < 0, "tool", "end", "it says more than it was asked for");
    free(t.line);
    printf("compiled: %d\n%d passed, %d failed\n", compiled, passed, failed);
    return failed > 0;
}
