/* adbench.h: what the four drivers share: data files, reference values, times.
 *
 *   gmm_main DATA                 the objective
 *   gmm_main DATA REFERENCE       how far objective and derivatives are from the reference; fails above 1e-11
 *   gmm_main DATA --time          seconds for the function and for the derivative
 *
 * A driver reads numbers with next_number() and fills in a Problem. */
#ifndef ADBENCH_H
#define ADBENCH_H

#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { const char *name; const double *values; int64_t count; } Section;

typedef struct Problem {
    void (*load)(FILE *data);
    void (*function)(void);
    void (*derivative)(void);
    Section sections[2];                                    /* as the reference files call them; set by load */
    const double *objective;                                /* or NULL */
} Problem;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static void *allocate(int64_t count, size_t size)
{
    void *memory = calloc((size_t)(count > 0 ? count : 1), size);
    if (!memory) {
        fail("no memory");
    }
    return memory;
}
static double *reals(int64_t count) { return allocate(count, sizeof(double)); }

static double next_number(FILE *file)
{
    double x;
    if (fscanf(file, "%lf", &x) != 1) {
        fail("a number is missing");
    }
    return x;
}
static int32_t next_int(FILE *file) { return (int32_t)next_number(file); }

static double *next_reals(FILE *file, int64_t count)
{
    double *x = reals(count);
    for (int64_t k = 0; k < count; k++) {
        x[k] = next_number(file);
    }
    return x;
}

static FILE *open_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail("%s: cannot be read", path);
    }
    return file;
}

/* The model was compiled for these sizes; the file must have the same. */
static void expect_size(const char *name, int64_t compiled, int64_t found)
{
    if (compiled != found) {
        fail("%s is %lld in the file, and the model was compiled for %lld", name, (long long)found, (long long)compiled);
    }
}

/* ---- reference values --------------------------------------------------------------------------------------------- */
static double largest_of(const Section *s)
{
    double largest = 0;
    for (int64_t k = 0; k < s->count; k++) {
        largest = fmax(largest, fabs(s->values[k]));
    }
    return largest;
}

static double largest_deviation;

/* A deviation that is not a number is infinite. */
static void deviate(double deviation)
{
    if (!(deviation <= largest_deviation)) {
        largest_deviation = deviation >= 0 ? deviation : HUGE_VAL;
    }
}

/* Compensated: millions of equal terms would lose digits. */
typedef struct { double sum, rest; } Total;
static void add(Total *total, double x)
{
    const double y = x - total->rest, sum = total->sum + y;
    total->rest = (sum - total->sum) - y;
    total->sum = sum;
}

/* `S.what value` against the same of the section; `S[k] value`. */
static void compare_line(const Section *s, const char *what, double expected)
{
    Total squares = {0, 0}, sum = {0, 0}, weighted = {0, 0};
    for (int64_t k = 0; k < s->count; k++) {
        add(&squares, s->values[k] * s->values[k]);
        add(&sum, s->values[k]);
        add(&weighted, s->values[k] * (double)(7919 * k % 1009 - 504) / 1009);
    }
    const double norm = sqrt(squares.sum);
    if (strcmp(what, ".n") == 0) {
        deviate((double)s->count == expected ? 0 : HUGE_VAL);
    } else if (strcmp(what, ".norm2") == 0) {
        deviate(fabs(norm - expected) / expected);
    } else if (strcmp(what, ".sum") == 0) {
        deviate(fabs(sum.sum - expected) / (norm * sqrt((double)s->count)));
    } else if (strcmp(what, ".wsum") == 0) {
        deviate(fabs(weighted.sum - expected) / (norm * sqrt((double)s->count)));
    } else if (strcmp(what, ".maxabs") == 0) {
        deviate(fabs(largest_of(s) - expected) / expected);
    }
}

/* The largest deviation of a section, relative to its largest value; -1: the file does not have it. */
static double compare_section(FILE *reference, const Section *s)
{
    const size_t length = strlen(s->name);
    const double largest = largest_of(s);
    char line[256];
    int seen = 0;
    largest_deviation = 0;
    rewind(reference);
    while (fgets(line, sizeof line, reference)) {
        char what[64];
        double expected;
        if (strncmp(line, s->name, length) != 0 || sscanf(line + length, "%63s %lf", what, &expected) != 2) {
            continue;
        }
        if (what[0] == '[') {
            const int64_t k = strtoll(what + 1, NULL, 10);
            deviate(k < s->count ? fabs(s->values[k] - expected) / largest : HUGE_VAL);
            seen++;
        } else {
            compare_line(s, what, expected);
        }
    }
    return seen > 0 ? largest_deviation : -1;
}

static double compare_objective(FILE *reference, double objective)
{
    char line[256];
    double expected;
    rewind(reference);
    while (fgets(line, sizeof line, reference)) {
        if (sscanf(line, "objective %lf", &expected) == 1) {
            const double deviation = fabs(objective - expected) / fabs(expected);
            return deviation >= 0 ? deviation : HUGE_VAL;
        }
    }
    return -1;
}

static int compare(const Problem *problem, const char *path)
{
    FILE *reference = open_file("", path);
    double objective = problem->objective ? compare_objective(reference, *problem->objective) : 0;
    double worst = objective < 0 ? HUGE_VAL : objective;
    if (problem->objective) {
        printf("objective off by %.1e  ", objective);
    }
    for (int k = 0; k < 2 && problem->sections[k].name; k++) {
        const double deviation = compare_section(reference, &problem->sections[k]);
        printf("%s off by %.1e  ", problem->sections[k].name, deviation);
        worst = fmax(worst, deviation < 0 ? HUGE_VAL : deviation);
    }
    fclose(reference);
    printf("%s\n", worst <= 1e-11 ? "agrees" : "DISAGREES");
    return worst <= 1e-11 ? 0 : 1;
}

/* ---- times -------------------------------------------------------------------------------------------------------- */
static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds_of(void (*run)(void), int calls)
{
    const double start = processor_seconds();
    for (int k = 0; k < calls; k++) {
        run();
    }
    return (processor_seconds() - start) / calls;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The two in turns, so that what disturbs one disturbs the other; the medians. */
static void print_times(const Problem *problem)
{
    enum { ROUNDS = 15 };
    double function[ROUNDS], derivative[ROUNDS];
    const double once = seconds_of(problem->function, 1) + seconds_of(problem->derivative, 1);
    const int calls = once > 0.02 ? 1 : (int)fmin(0.02 / fmax(once, 1e-9), 1e6) + 1;
    for (int k = 0; k < ROUNDS; k++) {
        function[k] = seconds_of(problem->function, calls);
        derivative[k] = seconds_of(problem->derivative, calls);
    }
    qsort(function, ROUNDS, sizeof *function, ascending);
    qsort(derivative, ROUNDS, sizeof *derivative, ascending);
    printf("%.4g %.4g\n", function[ROUNDS / 2], derivative[ROUNDS / 2]);
}

static int adbench(Problem *problem, int argc, char **argv)
{
    if (argc < 2) {
        fail("usage: %s DATA [REFERENCE | --time]", argv[0]);
    }
    FILE *data = open_file("", argv[1]);
    problem->load(data);
    fclose(data);
    if (argc > 2 && strcmp(argv[2], "--time") == 0) {
        print_times(problem);
        return 0;
    }
    problem->function();
    if (problem->objective) {
        printf("%.17g\n", *problem->objective);
    }
    if (argc < 3) {
        return 0;
    }
    const double alone = problem->objective ? *problem->objective : 0;
    problem->derivative();
    if (problem->objective && fabs(*problem->objective - alone) > 1e-12 * fabs(alone)) {
        fail("the derivative's own objective is another: %.17g", *problem->objective);
    }
    return compare(problem, argv[2]);
}

#endif
