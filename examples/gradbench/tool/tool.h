/* tool.h: a GradBench tool: answers the messages of its protocol with functions that adc makes.
 *
 * A message to evaluate becomes a Job: the arguments of a C function, and the sizes that the model is compiled for. */
#ifndef TOOL_H
#define TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_ARGUMENTS = 16, MAX_SIZES = 8, MAX_RANK = 3 };

typedef struct Options {
    const char *adc, *models, *cache, *cc, *cflags;
} Options;

/* A constant of a model, replaced on adc's command line. */
typedef struct Size { const char *name; long value; } Size;

/* A tensor: the shape is of the JSON value too, nested lists. */
typedef struct Tensor { double *data; int rank; long shape[MAX_RANK]; } Tensor;

typedef union Scalar { double real; int32_t integer; bool flag; } Scalar;

typedef struct Timing { const char *name; int64_t nanoseconds; } Timing;

typedef struct Job {
    Size sizes[MAX_SIZES];
    int size_count;
    void *arguments[MAX_ARGUMENTS];                         /* pointers to scalars, to inputs, then to outputs */
    Scalar scalars[MAX_ARGUMENTS];
    int argument_count;
    Tensor outputs[MAX_ARGUMENTS];                          /* as they are among the arguments */
    int output_count;
    void **blocks;                                          /* what is freed at the end */
    int block_count, block_capacity;
    Timing *timings;                                        /* of small functions there are millions */
    size_t timing_count, timing_capacity;
    char error[512];                                        /* empty: none */
} Job;

/* `parameters` has a letter for each parameter of the C function: r, i and b are a real, an int and a bool by value, p is
 * a pointer. */
typedef struct Function {
    const char *name;                                       /* as the protocol names it */
    const char *c_name;
    const char *parameters;
    void (*prepare)(Job *, const json_t *input);
    json_t *(*output)(const Job *, const json_t *input);    /* NULL: the one output as it is */
} Function;

/* All functions of a model, NAME.ad, are compiled together. */
typedef struct Model { const char *module, *name; const Function *functions; } Model;

/* ---- evals.c ----------------------------------------------------------------------------------------------------- */
/* NULL: no such eval.  An eval may have two models. */
const Model *find_model(const char *module, const json_t *input);
const Function *find_function(const Model *, const char *name);

/* ---- job.c: memory, and tensors out of JSON and back ------------------------------------------------------------- */
void job_fail(Job *, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool job_good(const Job *);
void *job_alloc(Job *, size_t count, size_t element);       /* zeroed; never NULL */
void job_free(Job *);
void add_size(Job *, const char *name, long value);
void add_real(Job *, double);
void add_int(Job *, long);
void add_bool(Job *, bool);
void add_input(Job *, void *);
void add_timing(Job *, const char *name, int64_t nanoseconds);
void add_output(Job *, int rank, long a, long b, long c);
long get_int(Job *, const json_t *object, const char *key);
double get_real(Job *, const json_t *object, const char *key);
/* Lists of lists to a depth of `rank`, rectangular. On failure the data are NULL. */
Tensor get_tensor(Job *, const json_t *object, const char *key, int rank);
/* The same, of ints in 0 .. limit - 1. */
int32_t *get_indices(Job *, const json_t *object, const char *key, int rank, long limit, long *count);
json_t *tensor_json(const Tensor *);                        /* NULL: it holds what JSON has no number for */

/* ---- object.c: compiled models ----------------------------------------------------------------------------------- */
typedef void Call(void *const *arguments, double *work);
typedef struct Object {
    char *path;
    void *handle;
    int64_t compile_nanoseconds;                            /* 0: it was there */
    struct Object *next;
} Object;

int64_t now_nanoseconds(void);
/* Compiles, or takes from the cache, what the job's sizes ask for; NULL with the job's error set. */
Object *object_get(const Options *, const Model *, Job *);
Call *object_call(const Object *, const Function *, size_t *work_size, Job *);

#endif
