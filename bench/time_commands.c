/* time_commands.c: time_commands ROUNDS COMMAND... [-- COMMAND...]
 *
 * Runs the commands in turns and prints, for each, the median of its processor times in seconds and the largest memory
 * it had resident in KiB.  What the commands print is dropped; one that fails ends the run. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000 };

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

static double run(char **command, long *peak)
{
    const pid_t child = fork();
    struct rusage usage;
    int status;
    if (child == 0) {
        const int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0 || status != 0) {
        fprintf(stderr, "%s failed\n", command[0]);
        exit(EXIT_FAILURE);
    }
    if (usage.ru_maxrss > *peak) *peak = usage.ru_maxrss;
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double times[2][ROUNDS_MAX];
    char **commands[2] = { argv + 2, NULL };
    long peak[2] = { 0, 0 };
    const int rounds = argc > 2 ? atoi(argv[1]) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) return EXIT_FAILURE;
    for (int k = 2; k < argc - 1 && !commands[1]; k++)
        if (strcmp(argv[k], "--") == 0) {
            argv[k] = NULL;
            commands[1] = argv + k + 1;
        }
    for (int round = 0; round < rounds; round++)
        for (int k = 0; k < 2 && commands[k]; k++)
            times[k][round] = run(commands[k], &peak[k]);
    for (int k = 0; k < 2 && commands[k]; k++) {
        qsort(times[k], (size_t)rounds, sizeof **times, compare_doubles);
        printf("%s%.9g %ld", k ? " " : "", times[k][rounds / 2], peak[k]);
    }
    printf("\n");
    return EXIT_SUCCESS;
}
