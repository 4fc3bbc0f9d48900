/* job.c: the arguments of a call: memory, tensors out of JSON and back. The first error is kept. */
#include "tool.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void job_fail(Job *job, const char *format, ...)
{
    if (job->error[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(job->error, sizeof job->error, format, args);
    va_end(args);
}

bool job_good(const Job *job) { return !job->error[0]; }

/* ---- memory ------------------------------------------------------------------------------------------------------ */
static void *checked(void *p)
{
    if (!p) {
        fputs("gradbench: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *job_alloc(Job *job, size_t count, size_t element)
{
    if (job->block_count == job->block_capacity) {
        job->block_capacity = 2 * job->block_capacity + 16;
        job->blocks = checked(realloc(job->blocks, (size_t)job->block_capacity * sizeof *job->blocks));
    }
    return job->blocks[job->block_count++] = checked(calloc(count ? count : 1, element));
}

void job_free(Job *job)
{
    for (int k = 0; k < job->block_count; k++)
        free(job->blocks[k]);
    free(job->blocks);
    free(job->timings);
}

void add_timing(Job *job, const char *name, int64_t nanoseconds)
{
    if (job->timing_count == job->timing_capacity) {
        job->timing_capacity = 2 * job->timing_capacity + 64;
        job->timings = checked(realloc(job->timings, job->timing_capacity * sizeof *job->timings));
    }
    job->timings[job->timing_count++] = (Timing){ name, nanoseconds };
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */
void add_size(Job *job, const char *name, long value)
{
    if (value < 1)
        job_fail(job, "%s is %ld, and a size is at least 1", name, value);
    job->sizes[job->size_count++] = (Size){ name, value };
}

static Scalar *add_scalar(Job *job)
{
    Scalar *s = &job->scalars[job->argument_count];
    add_input(job, s);
    return s;
}

void add_real(Job *job, double value) { add_scalar(job)->real = value; }
void add_int(Job *job, long value) { add_scalar(job)->integer = (int32_t)value; }
void add_bool(Job *job, bool value) { add_scalar(job)->flag = value; }
void add_input(Job *job, void *data) { job->arguments[job->argument_count++] = data; }

void add_output(Job *job, int rank, long a, long b, long c)
{
    Tensor *t = &job->outputs[job->output_count++];
    *t = (Tensor){ .rank = rank, .shape = { a, b, c } };
    size_t count = 1;
    for (int k = 0; k < rank && job_good(job); k++)
        count *= (size_t)t->shape[k];
    t->data = job_alloc(job, count, sizeof(double));
    memset(t->data, 255, count * sizeof(double));           /* the system gives pages now, not while time is taken */
    add_input(job, t->data);
}

/* ---- out of JSON ------------------------------------------------------------------------------------------------- */
static const json_t *get(Job *job, const json_t *object, const char *key)
{
    const json_t *v = key ? json_object_get(object, key) : object;
    if (!v)
        job_fail(job, "the input has no '%s'", key);
    return v;
}

static long int_of(Job *job, const json_t *v, const char *key)
{
    double real = json_number_value(v);
    if (!json_is_number(v) || !(real >= INT32_MIN && real <= INT32_MAX) || real != (double)(long)real) {
        job_fail(job, "'%s' needs whole numbers", key);
        return 0;
    }
    return (long)real;
}

long get_int(Job *job, const json_t *object, const char *key)
{
    const json_t *v = get(job, object, key);
    return v ? int_of(job, v, key) : 0;
}

static double real_of(Job *job, const json_t *v, const char *key)
{
    if (!json_is_number(v))
        job_fail(job, "'%s' needs numbers", key ? key : "input");
    return json_number_value(v);
}

double get_real(Job *job, const json_t *object, const char *key)
{
    const json_t *v = get(job, object, key);
    return v ? real_of(job, v, key) : 0;
}

/* The first element at every depth says how long the lists are. */
static size_t read_shape(Job *job, const json_t *v, const char *key, Tensor *t)
{
    size_t count = 1;
    for (int k = 0; k < t->rank; k++) {
        if (!json_is_array(v)) {
            job_fail(job, "'%s' needs lists to a depth of %d", key, t->rank);
            return 0;
        }
        t->shape[k] = (long)json_array_size(v);
        count *= (size_t)t->shape[k];
        v = json_array_get(v, 0);
        if (!v)
            return 0;
    }
    return count;
}

static void read_data(Job *job, const json_t *v, const char *key, const Tensor *t, int depth, double **to)
{
    if (depth == t->rank) {
        *(*to)++ = real_of(job, v, key);
        return;
    }
    if (!json_is_array(v) || (long)json_array_size(v) != t->shape[depth]) {
        job_fail(job, "'%s' needs lists of equal length", key);
        return;
    }
    for (long k = 0; k < t->shape[depth] && job_good(job); k++)
        read_data(job, json_array_get(v, (size_t)k), key, t, depth + 1, to);
}

Tensor get_tensor(Job *job, const json_t *object, const char *key, int rank)
{
    Tensor t = { .rank = rank };
    const json_t *v = get(job, object, key);
    size_t count = v ? read_shape(job, v, key, &t) : 0;
    double *to = t.data = job_alloc(job, count, sizeof(double));
    if (count && job_good(job))
        read_data(job, v, key, &t, 0, &to);
    return t;
}

int32_t *get_indices(Job *job, const json_t *object, const char *key, int rank, long limit, long *count)
{
    Tensor t = get_tensor(job, object, key, rank);
    *count = 1;
    for (int k = 0; k < rank; k++)
        *count *= t.shape[k];
    int32_t *out = job_alloc(job, (size_t)*count, sizeof *out);
    for (long k = 0; k < *count && job_good(job); k++) {
        if (!(t.data[k] >= 0 && t.data[k] < (double)limit && t.data[k] == (double)(long)t.data[k]))
            job_fail(job, "'%s' has %g, and its indices go from 0 to %ld", key, t.data[k], limit - 1);
        else
            out[k] = (int32_t)t.data[k];
    }
    return out;
}

/* ---- back to JSON ------------------------------------------------------------------------------------------------ */
static json_t *part_json(const Tensor *t, int depth, const double **from)
{
    if (depth == t->rank)
        return json_real(*(*from)++);
    json_t *list = json_array();
    for (long k = 0; k < t->shape[depth]; k++)
        if (json_array_append_new(list, part_json(t, depth + 1, from))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *tensor_json(const Tensor *t)
{
    const double *from = t->data;
    return part_json(t, 0, &from);
}
