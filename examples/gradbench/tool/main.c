/* main.c: the protocol: a JSON message on each line of standard input, and an answer to each on standard output. */
#include "tool.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- evaluation -------------------------------------------------------------------------------------------------- */
static double *work_of(Job *job, size_t count)
{
    if (!count)
        return NULL;
    void *work;
    if (count > SIZE_MAX / sizeof(double) || posix_memalign(&work, 64, count * sizeof(double))) {
        job_fail(job, "there is no memory for a workspace of %zu numbers", count);
        return NULL;
    }
    memset(work, 255, count * sizeof(double));              /* as for outputs */
    return work;
}

static void measure(Job *job, Call *call, double *work, const json_t *input)
{
    json_int_t min_runs = json_integer_value(json_object_get(input, "min_runs"));
    double min_seconds = json_number_value(json_object_get(input, "min_seconds"));
    int64_t total = 0;
    json_int_t runs = 0;
    do {
        int64_t start = now_nanoseconds();
        call(job->arguments, work);
        int64_t spent = now_nanoseconds() - start;
        add_timing(job, "evaluate", spent);
        total += spent;
        runs++;
    } while (runs < min_runs || (double)total < min_seconds * 1e9);
}

/* The output; NULL with the job's error set. */
static json_t *evaluate(const Options *o, const Model *m, const Function *f, Job *job, const json_t *input)
{
    int64_t start = now_nanoseconds();
    f->prepare(job, input);
    if (!job_good(job))
        return NULL;
    add_timing(job, "prepare", now_nanoseconds() - start);
    size_t work_size;
    Object *object = object_get(o, m, job);
    Call *call = object ? object_call(object, f, &work_size, job) : NULL;
    double *work = call ? work_of(job, work_size) : NULL;
    if (!job_good(job))
        return NULL;
    if (object->compile_nanoseconds)
        add_timing(job, "compile", object->compile_nanoseconds);
    measure(job, call, work, input);
    free(work);
    json_t *output = f->output ? f->output(job, input) : tensor_json(&job->outputs[0]);
    if (!output)
        job_fail(job, "the result is infinite or not a number");
    return output;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */
static const char *text_of(const json_t *message, const char *key)
{
    const char *text = json_string_value(json_object_get(message, key));
    return text ? text : "";
}

static void answer_evaluate(const Options *o, const json_t *message, Job *job, json_t *answer)
{
    json_t *output = NULL;
    const json_t *input = json_object_get(message, "input");
    const Model *m = find_model(text_of(message, "module"), input);
    const Function *f = m ? find_function(m, text_of(message, "function")) : NULL;
    if (f)
        output = evaluate(o, m, f, job, input);
    else
        job_fail(job, "there is no function '%s' of '%s'", text_of(message, "function"), text_of(message, "module"));
    json_object_set_new(answer, "success", json_boolean(output != NULL));
    if (output)
        json_object_set_new(answer, "output", output);
    else
        json_object_set_new(answer, "error", json_string(job->error));
}

static void answer_message(const Options *o, const json_t *message, Job *job, json_t *answer)
{
    const char *kind = text_of(message, "kind");
    json_t *id = json_object_get(message, "id");
    json_object_set(answer, "id", id ? id : json_null());
    if (!strcmp(kind, "start"))
        json_object_set_new(answer, "tool", json_string("adc"));
    else if (!strcmp(kind, "define"))
        json_object_set_new(answer, "success", json_boolean(find_model(text_of(message, "module"), NULL) != NULL));
    else if (!strcmp(kind, "evaluate"))
        answer_evaluate(o, message, job, answer);
}

/* The members of the answer, then the timings, one by one: as JSON values all of them would take gigabytes. */
static void write_answer(const json_t *answer, const Job *job)
{
    enum { FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(17) };
    putchar('{');
    json_dumpf(answer, stdout, FLAGS | JSON_EMBED);
    json_t *entry = json_pack("{s:s, s:i}", "name", "", "nanoseconds", 0);
    json_t *name = json_object_get(entry, "name"), *nanoseconds = json_object_get(entry, "nanoseconds");
    char text[128];
    for (size_t k = 0; k < job->timing_count; k++) {
        json_string_set(name, job->timings[k].name);
        json_integer_set(nanoseconds, job->timings[k].nanoseconds);
        fputs(k ? "," : ",\"timings\":[", stdout);
        fwrite(text, 1, json_dumpb(entry, text, sizeof text, FLAGS), stdout);
    }
    json_decref(entry);
    fputs(job->timing_count ? "]}\n" : "}\n", stdout);
    fflush(stdout);
}

static void answer_line(const Options *o, const char *line, size_t length)
{
    json_error_t error;
    Job job = { .size_count = 0 };
    json_t *message = json_loadb(line, length, 0, &error);
    json_t *answer = json_object();
    if (message)
        answer_message(o, message, &job, answer);
    else
        json_object_update_new(answer, json_pack("{s:n, s:b, s:s}", "id", "success", 0, "error", error.text));
    write_answer(answer, &job);
    json_decref(answer);
    json_decref(message);
    job_free(&job);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */
static const char help[] =
    "usage: gradbench [--adc=FILE] [--models=DIR] [--cache=DIR] [--cc=COMMAND] [--cflags=FLAGS]\n"
    "Answers GradBench's messages on standard input with functions that adc makes.\n"
    "\n"
    "  --adc=FILE       the compiler; default: adc in the directory above that of this program\n"
    "  --models=DIR     where the .ad files are; default: where they were when this program was built\n"
    "  --cache=DIR      where compiled models are kept; default: `cache` beside this program\n"
    "  --cc=COMMAND     the C compiler; default: CC, or cc\n"
    "  --cflags=FLAGS   its flags; default: -O3 -march=native\n";

static bool read_option(Options *o, const char *argument)
{
    const struct { const char *name, **to; } known[] = {
        { "--adc=", &o->adc }, { "--models=", &o->models }, { "--cache=", &o->cache }, { "--cc=", &o->cc },
        { "--cflags=", &o->cflags },
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (!strncmp(argument, known[k].name, strlen(known[k].name))) {
            *known[k].to = argument + strlen(known[k].name);
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    static char self[PATH_MAX], adc[PATH_MAX + 16], cache[PATH_MAX + 16];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        snprintf(self, sizeof self, "%s", argv[0]);
    const char *folder = dirname(self);
    snprintf(adc, sizeof adc, "%s/../adc", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    const char *cc = getenv("CC");
    Options o = { adc, MODELS, cache, cc ? cc : "cc", "-O3 -march=native" };
    for (int k = 1; k < argc; k++)
        if (!read_option(&o, argv[k])) {
            bool asked = !strcmp(argv[k], "--help");
            fputs(help, asked ? stdout : stderr);
            return asked ? 0 : 2;
        }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, stdin)) > 0;)
        answer_line(&o, line, (size_t)length);
    free(line);
    return 0;
}
