/* median.h: two functions timed in turns, so that what disturbs the machine disturbs both, and the medians of their
 * times.  It is processor time: others may use the machine. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 101, ROUNDS_LEAST = 5 };
static const double seconds_most = 1.5;                     /* after that, no more rounds */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* Prints the time of a call of each in seconds; a round makes `calls` calls. */
static void time_in_turns(void (*first)(int calls), void (*second)(int calls), int calls)
{
    double first_times[ROUNDS], second_times[ROUNDS];
    int rounds = 0;
    first(calls), second(calls);
    for (const double begin = seconds(); rounds < ROUNDS; rounds++) {
        const double start = seconds();
        if (rounds >= ROUNDS_LEAST && start - begin > seconds_most) break;
        first(calls);
        const double between = seconds();
        second(calls);
        first_times[rounds] = between - start;
        second_times[rounds] = seconds() - between;
    }
    printf("%.9g %.9g\n", median(first_times, rounds) / calls, median(second_times, rounds) / calls);
}

#endif
