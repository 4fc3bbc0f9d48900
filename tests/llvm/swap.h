/* swap.h: what the programs of swap.awk share: random inputs, and the comparison.  EXACT: outputs have the same bits. */
#ifndef SWAP_H
#define SWAP_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 4 };

static long compared, differing, apart;

/* The same name in the same round gives the same values: the halves of a split have the same inputs. */
static double swap_draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

static uint64_t swap_seed(const char *name, int round)
{
    uint64_t state = (uint64_t)round + 1;
    for (; *name; name++) state = state * 1099511628211u + (unsigned char)*name;
    return state;
}

#define SWAP_FILL(TYPE, DRAWN)                                                                  \
    static void swap_fill_##TYPE(TYPE *at, size_t count, const char *name, int round)           \
    {                                                                                           \
        static const double low[ROUNDS] = { -1, 0.5, 0.1, 1.5 }, high[ROUNDS] = { 1, 1.5, 0.9, 3 }; \
        uint64_t state = swap_seed(name, round);                                                \
        for (size_t k = 0; k < count; k++) {                                                    \
            const double drawn = swap_draw(&state), real = low[round] + (high[round] - low[round]) * drawn; \
            (void)real;                                                                         \
            at[k] = (TYPE)(DRAWN);                                                              \
        }                                                                                       \
    }
SWAP_FILL(double, real)
SWAP_FILL(float, real)
SWAP_FILL(int32_t, 4 * drawn)
SWAP_FILL(bool, drawn > 0.5)

static void swap_compare(double by_c, double by_llvm, const char *what, size_t k)
{
    compared++;
    if (memcmp(&by_c, &by_llvm, sizeof by_c) == 0 || (isnan(by_c) && isnan(by_llvm))) return;
    differing++;
    if (!(fabs(by_c - by_llvm) <= 1e-9 * fmax(1, fabs(by_c)))) apart++;
    if (differing < 4) printf("%s[%zu]: %.17g by C, %.17g by LLVM\n", what, k, by_c, by_llvm);
}

#define FILL(array, name)                                                           \
    _Generic(*(array), double: swap_fill_double, float: swap_fill_float, int32_t: swap_fill_int32_t, \
             bool: swap_fill_bool)(array, sizeof(array) / sizeof *(array), name, round)
#define COMPARE(by_c, by_llvm, what)                                                \
    do                                                                              \
        for (size_t k = 0; k < sizeof(by_c) / sizeof *(by_c); k++) swap_compare((double)by_c[k], (double)by_llvm[k], what, k); \
    while (0)

static int swap_end(void)
{
    printf("%ld compared, %ld differ\n", compared, differing);
#ifdef EXACT
    return !compared || differing;
#else
    return !compared || apart;
#endif
}

#endif
