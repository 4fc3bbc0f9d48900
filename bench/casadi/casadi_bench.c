/* The functions of models.ad against those of models.py: RACE_name chooses; prints the time of a call of each, of adc first. */
#define _POSIX_C_SOURCE 199309L
#include "casadi.h"
#include "median.h"
#include "models.h"

enum { ROOM = 4096, WORK = 1 << 20 };
static double in[3][ROOM], own[6][ROOM], other[3][ROOM], own_work[ROOM], work[WORK];
static casadi_int int_work[ROOM];
static const double *arguments[3] = { in[0], in[1], in[2] };

#ifdef RACE_shooting
#define CASADI ca_shooting
static void one(void) { shooting(in[0], in[1], own[0], own[1], own_work); }
#elif defined RACE_gaps
#define CASADI ca_gaps
static void one(void) { gaps(in[0], in[1], own[0], own[1], own[2]); }
#elif defined RACE_curvature
#define CASADI ca_curvature
static void one(void) { curvature(in[0], in[1], in[2], own[0], own[1], own[2], own[3], own[4], own[5]); }
#elif defined RACE_arm
#define CASADI ca_arm
static void one(void) { arm(in[0], own[0], own[1]); }
#else
#define CASADI ca_rosenbrock
static void one(void) { rosenbrock(in[0], own[0], own[1], own[2]); }
#endif

static void by_adc(int calls)
{
    for (int k = 0; k < calls; k++)
        one();
}

static void by_casadi(int calls)
{
    for (int k = 0; k < calls; k++) {
        double *results[3] = { other[0], other[1], other[2] };
        CASADI(arguments, results, int_work, work, 0);
    }
}

/* The first output of both is the value of the function. */
int main(void)
{
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < ROOM; i++)
            in[k][i] = (i * 7919 + k * 104729) % 1009 / 504.5 - 1;
    by_adc(1), by_casadi(1);
    const double gap = own[0][0] - other[0][0];
    if (gap * gap > 1e-20 * (1 + own[0][0] * own[0][0]))
        return fprintf(stderr, "adc's value is %.17g, and CasADi's %.17g\n", own[0][0], other[0][0]), EXIT_FAILURE;
    time_in_turns(by_adc, by_casadi, 2000);
    return EXIT_SUCCESS;
}
