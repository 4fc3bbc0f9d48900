/* accuracy.c: the largest errors of generated C, in units in the last place, against MPFR.
 *
 *   accuracy [OPERATION...]     one line per operation: its name, the error of the value, that of the derivatives
 *
 * Compiled once for double and once for float, with OPS naming the generated file.  Half of the samples are drawn evenly over
 * the bit patterns of the domain, which visits every binade, half evenly over its part near 0.  Where a function crosses zero at
 * no special point, its error is measured in units of the larger of it and x times its slope: what one unit in the argument
 * does to it.  Results that overflow must do so, with their sign; those next to the smallest normal number are left out,
 * because there one of two factors may be below it. */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include OPS
#include "reference.h"

#ifdef ACCURACY_FLOAT
typedef float Real;
typedef uint32_t Bits;
#define PICK(of_double, of_float) of_float
#else
typedef double Real;
typedef uint64_t Bits;
#define PICK(of_double, of_float) of_double
#endif
#define LEAST PICK(DBL_MIN, FLT_MIN)
#define TINY PICK(0x1p-1074, 0x1p-149)
#define MOST PICK(DBL_MAX, FLT_MAX)
#define DIGITS PICK(DBL_MANT_DIG, FLT_MANT_DIG)

#ifndef SHARE
#define SHARE 1                                             /* of the points: one in so many */
#endif
enum { BATCH = 64, VALUE_BY_SLOPE = 1, DERIVATIVE_BY_SLOPE = 2 };

/* ---- samples ------------------------------------------------------------------------------------------------------ */
static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;             /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double between(uint64_t *state, double low, double high)
{
    return low + (high - low) * ((double)(random_bits(state) >> 11) * 0x1p-53);
}

/* The order of bit patterns of numbers that are not negative is that of the numbers. */
static Real by_pattern(uint64_t *state, double low, double high)
{
    Real ends[2] = { (Real)low, (Real)high }, x;
    Bits bits[2];
    memcpy(bits, ends, sizeof bits);
    bits[0] += (Bits)(random_bits(state) % (bits[1] - bits[0] + 1));
    memcpy(&x, bits, sizeof x);
    return x;
}

static Real sample(uint64_t *state, double low, double high)
{
    const double near = 20;
    if (random_bits(state) % 2)
        return (Real)between(state, low > -near ? low : -near, high < near ? high : near);
    if (low >= 0)
        return by_pattern(state, low > TINY ? low : TINY, high);
    if (high <= 0 || random_bits(state) % 2)
        return -by_pattern(state, high < -TINY ? -high : TINY, -low);
    return by_pattern(state, TINY, high);
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */
/* The worst so far; the unit is that of the larger of `want` and `also`, if there is one. */
static void note_error(double *worst, Real got, mpfr_t want, mpfr_t also)
{
    static mpfr_t difference;
    static bool is_made;
    if (!is_made)
        mpfr_init(difference);
    is_made = true;
    if (!mpfr_number_p(want))
        return;
    if (mpfr_cmp_d(want, -MOST) < 0 || mpfr_cmp_d(want, MOST) > 0) {
        if (!((mpfr_sgn(want) < 0 ? -got : got) >= (Real)(0.999 * MOST)))
            *worst = HUGE_VAL;
        return;
    }
    if (mpfr_cmp_d(want, -1024 * LEAST) > 0 && mpfr_cmp_d(want, 1024 * LEAST) < 0)
        return;
    mpfr_exp_t exponent = mpfr_get_exp(want);
    if (also && mpfr_regular_p(also) && mpfr_get_exp(also) > exponent)
        exponent = mpfr_get_exp(also);
    mpfr_sub_d(difference, want, (double)got, RND);
    mpfr_mul_2si(difference, difference, DIGITS - exponent, RND);
    double error = fabs(mpfr_get_d(difference, RND));
    if (!(error <= *worst))
        *worst = isnan(error) ? HUGE_VAL : error;
}

static const char *only[100];
static int only_count;

static bool is_asked(const char *name)
{
    for (int k = 0; k < only_count; k++)
        if (strcmp(only[k], name) == 0)
            return true;
    return only_count == 0;
}

typedef void Unary(const Real *x, Real *y, Real *d);
typedef void UnaryReference(mpfr_t y, mpfr_t d, mpfr_t s, const mpfr_t x);

static void measure(const char *name, Unary *run, UnaryReference *reference, double low, double high, int batches, int flags)
{
    Real x[BATCH], y[BATCH], d[BATCH];
    double worst[2] = { 0, 0 };
    uint64_t state = 1;
    mpfr_t exact, want, slope, second;
    if (!is_asked(name))
        return;
    mpfr_inits(exact, want, slope, second, (mpfr_ptr)0);
    for (int k = 0; k < batches / SHARE; k++) {
        for (int i = 0; i < BATCH; i++)
            x[i] = sample(&state, low, high);
        run(x, y, d);
        for (int i = 0; i < BATCH; i++) {
            mpfr_set_d(exact, (double)x[i], RND);
            reference(want, slope, second, exact);
            if (flags & DERIVATIVE_BY_SLOPE)
                mpfr_mul(second, second, exact, RND);
            note_error(&worst[1], d[i], slope, flags & DERIVATIVE_BY_SLOPE ? second : NULL);
            mpfr_mul(slope, slope, exact, RND);
            note_error(&worst[0], y[i], want, flags & VALUE_BY_SLOPE ? slope : NULL);
        }
    }
    printf("%s %.2f %.2f\n", name, worst[0], worst[1]);
    mpfr_clears(exact, want, slope, second, (mpfr_ptr)0);
}

typedef void Binary(const Real *x, const Real *w, Real *y, Real *d, Real *e);
typedef void BinaryReference(mpfr_t y, mpfr_t dx, mpfr_t dw, const mpfr_t x, const mpfr_t w);

/* Arguments of like size, of any size, or for a power such that it is in range. */
static void sample_pair(uint64_t *state, bool is_power, Real *x, Real *w)
{
    double range = PICK(1000, 120), root = sqrt(MOST);
    *x = sample(state, is_power ? LEAST : -root, is_power ? MOST : root);
    if (is_power)
        *w = (Real)(between(state, -range, range) / log2((double)*x));
    else if (random_bits(state) % 2)
        *w = (Real)((double)*x * between(state, -4, 4));
    else
        *w = sample(state, -root, root);
}

static void measure_pair(const char *name, Binary *run, BinaryReference *reference, bool is_power, int batches)
{
    Real x[BATCH], w[BATCH], y[BATCH], d[BATCH], e[BATCH];
    double worst[2] = { 0, 0 };
    uint64_t state = 1;
    mpfr_t a, b, want, dx, dw;
    if (!is_asked(name))
        return;
    mpfr_inits(a, b, want, dx, dw, (mpfr_ptr)0);
    for (int k = 0; k < batches / SHARE; k++) {
        for (int i = 0; i < BATCH; i++)
            sample_pair(&state, is_power, &x[i], &w[i]);
        run(x, w, y, d, e);
        for (int i = 0; i < BATCH; i++) {
            mpfr_set_d(a, (double)x[i], RND);
            mpfr_set_d(b, (double)w[i], RND);
            reference(want, dx, dw, a, b);
            note_error(&worst[0], y[i], want, NULL);
            note_error(&worst[1], d[i], dx, NULL);
            note_error(&worst[1], e[i], dw, NULL);
        }
    }
    printf("%s %.2f %.2f\n", name, worst[0], worst[1]);
    mpfr_clears(a, b, want, dx, dw, (mpfr_ptr)0);
}

int main(int argc, char **argv)
{
    for (int k = 1; k < argc && k <= 100; k++)
        only[only_count++] = argv[k];
    reference_start();
#define ONE(name, low, high, flags) measure(#name, a_##name, ref_##name, low, high, 40, flags)
#define FEW(label, name, low, high, flags) measure(label, a_##name, ref_##name, low, high, 12, flags)
    const double most = MOST, exponent = PICK(709.7, 88.7), tail = PICK(745, 103);
    ONE(sqrt, 0, most, 0);
    ONE(rsqrt, 0, most, 0);
    ONE(cbrt, -most, most, 0);
    ONE(reciprocal, -most, most, 0);
    ONE(square, -most, most, 0);
    ONE(exp, -tail, exponent, 0);
    ONE(expm1, -tail, exponent, 0);
    ONE(log, 0, most, 0);
    ONE(log1p, -1, most, 0);
    ONE(log2, 0, most, 0);
    ONE(log10, 0, most, 0);
    ONE(sin, -most, most, 0);
    ONE(cos, -most, most, 0);
    ONE(tan, -most, most, 0);
    ONE(asin, -1, 1, 0);
    ONE(acos, -1, 1, 0);
    ONE(atan, -most, most, 0);
    ONE(sinh, -exponent, exponent, 0);
    ONE(cosh, -exponent, exponent, 0);
    ONE(tanh, -tail, tail, 0);
    ONE(asinh, -most, most, 0);
    ONE(acosh, 1, most, 0);
    ONE(atanh, -1, 1, 0);
    ONE(erf, -PICK(27, 10), PICK(27, 10), 0);
    ONE(erfc, -PICK(27, 10), PICK(27, 10), 0);
    ONE(sigmoid, -tail, tail, 0);
    ONE(tanh_slope, -tail / 2, tail / 2, 0);
    ONE(sigmoid_slope, -tail, tail, 0);
    ONE(softplus, -tail, most, 0);
    ONE(logsigmoid, -most, tail, 0);
    ONE(silu, -tail, most, DERIVATIVE_BY_SLOPE);
    ONE(gelu, -PICK(39, 15), PICK(39, 15), DERIVATIVE_BY_SLOPE);
    ONE(gelu_tanh, -PICK(20, 10), PICK(20, 10), VALUE_BY_SLOPE | DERIVATIVE_BY_SLOPE);
    ONE(elu, -tail, most, 0);
    ONE(exp_square, -PICK(27, 10), PICK(27, 10), 0);
    ONE(normal_cdf, -PICK(39, 15), PICK(39, 15), 0);
    ONE(one_minus_square, -PICK(1e150, 1e18), PICK(1e150, 1e18), 0);
    FEW("lgamma", lgamma, 0, most, DERIVATIVE_BY_SLOPE);
    FEW("lgamma_below_0", lgamma, -PICK(1e6, 1e3), 0, VALUE_BY_SLOPE | DERIVATIVE_BY_SLOPE);
    FEW("digamma", digamma, 0, most, VALUE_BY_SLOPE);
    FEW("digamma_below_0", digamma, -50, 0, VALUE_BY_SLOPE | DERIVATIVE_BY_SLOPE);
    FEW("polygamma1", polygamma1, 0, most, 0);
    FEW("polygamma2", polygamma2, 0, most, 0);
    FEW("polygamma5", polygamma5, 0, most, 0);
    FEW("polygamma1_below_0", polygamma1, -50, 0, VALUE_BY_SLOPE | DERIVATIVE_BY_SLOPE);
    FEW("polygamma2_below_0", polygamma2, -50, 0, VALUE_BY_SLOPE | DERIVATIVE_BY_SLOPE);
#define TWO(name, is_power) measure_pair(#name, a_##name, ref_##name, is_power, 40)
    TWO(div, false);
    TWO(pow, true);
    TWO(hypot, false);
    TWO(atan2, false);
    TWO(direction, false);
    return 0;
}
