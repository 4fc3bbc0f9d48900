/* functions.c: the C functions of the programs in this folder, for double or (-DREAL=float) for float. */
#include <math.h>
#include <stdint.h>

#ifndef REAL
#define REAL double
#endif

REAL cube(REAL x);
REAL cube_slope(REAL x);
REAL table(int32_t n, REAL x);
REAL table_slope(int32_t n, REAL x);
REAL mix(REAL a, REAL b, REAL t);
REAL eight(REAL a, REAL b, REAL c, REAL d, REAL e, REAL f, REAL g, REAL h);

REAL cube(REAL x) { return x * x * x; }
REAL cube_slope(REAL x) { return 3 * x * x; }

/* Straight lines through the squares of integers, steeper by n. */
REAL table(int32_t n, REAL x)
{
    REAL left = (REAL)floor((double)x);
    return (REAL)n * (left * left + (2 * left + 1) * (x - left));
}
REAL table_slope(int32_t n, REAL x) { return (REAL)n * (2 * (REAL)floor((double)x) + 1); }

REAL mix(REAL a, REAL b, REAL t) { return a + (b - a) * t; }

REAL eight(REAL a, REAL b, REAL c, REAL d, REAL e, REAL f, REAL g, REAL h)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
