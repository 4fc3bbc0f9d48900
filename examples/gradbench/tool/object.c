/* object.c: compiled models. An object's name holds the model, the sizes, and a hash of all that made it: adc itself, the
 * text of the models, the C compiler's name and flags. It is made beside its place and renamed, so that it is whole or not
 * there. */
#include "tool.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 1024, MAX_WORDS = 64 };

int64_t now_nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */
static uint64_t hash_text(uint64_t h, const char *text, size_t length)
{
    for (size_t k = 0; k < length; k++)
        h = (h ^ (unsigned char)text[k]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t hash_file(Job *job, uint64_t h, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        job_fail(job, "%s: %s", path, strerror(errno));
        return h;
    }
    char block[1 << 16];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        h = hash_text(h, block, n);
    fclose(f);
    return h;
}

/* Of all that makes the objects of a session */
static uint64_t hash_tools(const Options *o, Job *job)
{
    char pattern[PATH_SIZE];
    glob_t found;
    uint64_t h = hash_file(job, UINT64_C(0xcbf29ce484222325), o->adc);
    h = hash_text(h, o->cc, strlen(o->cc) + 1);
    h = hash_text(h, o->cflags, strlen(o->cflags) + 1);
    snprintf(pattern, sizeof pattern, "%s/*.ad", o->models);
    if (!glob(pattern, 0, NULL, &found)) {
        for (size_t k = 0; k < found.gl_pathc; k++)
            h = hash_file(job, h, found.gl_pathv[k]);
        globfree(&found);
    }
    return h;
}

static void object_name(const Options *o, const Model *m, Job *job, char *name, size_t size)
{
    static uint64_t h;
    if (!h)
        h = hash_tools(o, job);
    int n = snprintf(name, size, "%s", m->name);
    for (int k = 0; k < job->size_count; k++)
        n += snprintf(name + n, size - (size_t)n, "-%s%ld", job->sizes[k].name, job->sizes[k].value);
    snprintf(name + n, size - (size_t)n, "-%016llx", (unsigned long long)h);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */
typedef struct Command { char *words[MAX_WORDS]; int count; char text[4096]; size_t used; } Command;

static void add_word(Command *c, const char *word)
{
    size_t length = strlen(word) + 1;
    if (c->count + 1 >= MAX_WORDS || c->used + length > sizeof c->text)
        abort();
    c->words[c->count++] = memcpy(c->text + c->used, word, length);
    c->used += length;
}

/* the words between blanks */
static void add_words(Command *c, const char *text)
{
    char copy[1024], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word; (word = strsep(&rest, " "));)
        if (*word)
            add_word(c, word);
}

static void fail_with_log(Job *job, const char *what, const char *log)
{
    char text[400] = "";
    FILE *f = fopen(log, "r");
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
    }
    job_fail(job, "%s failed: %s", what, text);
}

static bool run(Job *job, Command *c, const char *log)
{
    c->words[c->count] = NULL;
    pid_t child = fork();
    if (child == 0) {
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (out >= 0) {
            dup2(out, 1);
            dup2(out, 2);
        }
        execvp(c->words[0], c->words);
        dprintf(2, "%s: %s\n", c->words[0], strerror(errno));
        _exit(127);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
        fail_with_log(job, c->words[0], log);
    return status == 0;
}

/* ---- compilation ------------------------------------------------------------------------------------------------- */
static void put_upper(FILE *f, const char *name)
{
    for (; *name; name++)
        putc(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name, f);
}

/* A function that is called through an array of its arguments, and what work it needs. */
static void put_function(FILE *f, const Function *x)
{
    fprintf(f, "const size_t %s_work = ", x->c_name);
    put_upper(f, x->c_name);
    fprintf(f, "_WORK_SIZE;\nvoid %s_call(void *const *a, double *work)\n{\n    (void)work;\n", x->c_name);
    fprintf(f, "    %s(", x->c_name);
    for (int k = 0; x->parameters[k]; k++) {
        char kind = x->parameters[k];
        const char *type = kind == 'r' ? "*(double *)" : kind == 'i' ? "*(int32_t *)" : kind == 'b' ? "*(bool *)" : "";
        fprintf(f, "%s%sa[%d]", k ? ", " : "", type, k);
    }
    fputs("\n#if ", f);
    put_upper(f, x->c_name);
    fputs("_WORK_SIZE > 0\n        , work\n#endif\n    );\n}\n", f);
}

static bool put_calls(Job *job, const Model *m, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        job_fail(job, "%s: %s", path, strerror(errno));
        return false;
    }
    fputs("#include <stddef.h>\n#include \"model.h\"\n", f);
    for (const Function *x = m->functions; x->name; x++)
        put_function(f, x);
    return fclose(f) == 0;
}

static bool run_adc(const Options *o, Job *job, const char *source, const char *c, const char *log)
{
    Command adc = { .count = 0 };
    char text[64];
    add_word(&adc, o->adc);
    for (int k = 0; k < job->size_count; k++) {
        snprintf(text, sizeof text, "%s=%ld", job->sizes[k].name, job->sizes[k].value);
        add_word(&adc, "-D");
        add_word(&adc, text);
    }
    add_word(&adc, source);
    add_word(&adc, "-o");
    add_word(&adc, c);
    return run(job, &adc, log);
}

static bool run_cc(const Options *o, Job *job, const char *c, const char *calls, const char *object, const char *log)
{
    Command cc = { .count = 0 };
    add_words(&cc, o->cc);
    add_words(&cc, o->cflags);
    add_words(&cc, "-std=c99 -shared -fPIC -o");
    add_word(&cc, object);
    add_word(&cc, c);
    add_word(&cc, calls);
    add_word(&cc, "-lm");
    return run(job, &cc, log);
}

static bool compile(const Options *o, const Model *m, Job *job, const char *source, const char *path)
{
    static const char *const files[] = { "model.c", "model.h", "calls.c", "object", "log" };
    char folder[PATH_SIZE], at[5][PATH_SIZE + 16];
    snprintf(folder, sizeof folder, "%s/part.XXXXXX", o->cache);
    if (!mkdtemp(folder)) {
        job_fail(job, "%s: %s", folder, strerror(errno));
        return false;
    }
    for (int k = 0; k < 5; k++)
        snprintf(at[k], sizeof at[k], "%s/%s", folder, files[k]);
    bool made = run_adc(o, job, source, at[0], at[4]) && put_calls(job, m, at[2])
        && run_cc(o, job, at[0], at[2], at[3], at[4]);
    if (made && rename(at[3], path))
        job_fail(job, "%s: %s", path, strerror(errno));
    for (int k = 0; k < 5; k++)
        unlink(at[k]);
    rmdir(folder);
    return job_good(job);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */
static Object *object_load(Job *job, const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        job_fail(job, "%s", dlerror());
        return NULL;
    }
    Object *object = calloc(1, sizeof *object);
    if (object) {
        object->path = strdup(path);
        object->handle = handle;
    }
    return object;
}

Object *object_get(const Options *o, const Model *m, Job *job)
{
    static Object *objects;                                 /* loaded in this session */
    char source[PATH_SIZE], name[PATH_SIZE / 2], path[2 * PATH_SIZE];
    int64_t start = now_nanoseconds();
    snprintf(source, sizeof source, "%s/%s.ad", o->models, m->name);
    object_name(o, m, job, name, sizeof name);
    if (!job_good(job))
        return NULL;
    snprintf(path, sizeof path, "%s/%s.so", o->cache, name);
    for (Object *x = objects; x; x = x->next)
        if (!strcmp(x->path, path)) {
            x->compile_nanoseconds = 0;
            return x;
        }
    mkdir(o->cache, 0777);
    bool compiled = access(path, R_OK) != 0;
    if (compiled && !compile(o, m, job, source, path))
        return NULL;
    Object *object = object_load(job, path);
    if (!object)
        return NULL;
    object->compile_nanoseconds = compiled ? now_nanoseconds() - start : 0;
    object->next = objects;
    return objects = object;
}

Call *object_call(const Object *object, const Function *f, size_t *work_size, Job *job)
{
    char name[128];
    snprintf(name, sizeof name, "%s_work", f->c_name);
    const size_t *size = dlsym(object->handle, name);
    snprintf(name, sizeof name, "%s_call", f->c_name);
    void *call = dlsym(object->handle, name);
    if (!size || !call) {
        job_fail(job, "%s has no %s", object->path, f->c_name);
        return NULL;
    }
    *work_size = *size;
    Call *out;
    memcpy(&out, &call, sizeof out);                        /* ISO C has no cast between these */
    return out;
}
