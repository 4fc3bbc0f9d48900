/* reference.h: the elementwise operations in MPFR: value, first derivatives, and the second derivative where a zero of the
 * first is not at a special point.  Included by accuracy.c alone. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <mpfr.h>

enum { BITS = 200, BERNOULLI = 60 };
#define RND MPFR_RNDN

static mpfr_t t1, t2, t3, t4, t5, one, pi;                  /* temporaries; nothing here calls itself */
static mpfr_t bernoulli[BERNOULLI + 1];                     /* B(2k) / (2k)! */

static void reference_start(void)
{
    mpfr_set_default_prec(BITS);
    mpfr_inits(t1, t2, t3, t4, t5, one, pi, (mpfr_ptr)0);
    mpfr_set_ui(one, 1, RND);
    mpfr_const_pi(pi, RND);
    for (unsigned k = 1; k <= BERNOULLI; k++) {             /* 2 zeta(2k) / (2 pi)^2k, signs alternating */
        mpfr_init(bernoulli[k]);
        mpfr_zeta_ui(bernoulli[k], 2 * k, RND);
        mpfr_mul_2ui(t1, pi, 1, RND);
        mpfr_pow_ui(t1, t1, 2 * k, RND);
        mpfr_div(bernoulli[k], bernoulli[k], t1, RND);
        mpfr_mul_si(bernoulli[k], bernoulli[k], k % 2 ? 2 : -2, RND);
    }
}

/* 1 / (1 + e^-x), exact also far below 0 */
static void sigmoid(mpfr_t y, const mpfr_t x)
{
    mpfr_neg(y, x, RND);
    mpfr_exp(y, y, RND);
    mpfr_add_ui(y, y, 1, RND);
    mpfr_ui_div(y, 1, y, RND);
}

/* sigmoid(x) sigmoid(-x) */
static void sigmoid_slope(mpfr_t y, const mpfr_t x)
{
    sigmoid(y, x);
    mpfr_neg(t5, x, RND);
    sigmoid(t5, t5);
    mpfr_mul(y, y, t5, RND);
}

/* e^(-x^2/2) / sqrt(2 pi) */
static void normal_density(mpfr_t y, const mpfr_t x)
{
    mpfr_sqr(y, x, RND);
    mpfr_div_si(y, y, -2, RND);
    mpfr_exp(y, y, RND);
    mpfr_mul_2ui(t5, pi, 1, RND);
    mpfr_sqrt(t5, t5, RND);
    mpfr_div(y, y, t5, RND);
}

static void normal_cdf(mpfr_t y, const mpfr_t x)
{
    mpfr_sqrt_ui(y, 2, RND);
    mpfr_div(y, x, y, RND);
    mpfr_neg(y, y, RND);
    mpfr_erfc(y, y, RND);
    mpfr_div_2ui(y, y, 1, RND);
}

/* The derivative of order n >= 1 of digamma, by Euler and Maclaurin's formula behind y = x + k >= 60. */
static void polygamma(mpfr_t y, unsigned n, const mpfr_t x)
{
    mpfr_set_zero(y, 1);
    mpfr_set(t1, x, RND);
    while (mpfr_cmp_ui(t1, 60) < 0) {
        mpfr_pow_si(t2, t1, -(long)n - 1, RND);
        mpfr_add(y, y, t2, RND);
        mpfr_add_ui(t1, t1, 1, RND);
    }
    mpfr_pow_si(t2, t1, -(long)n, RND);                     /* the integral, half a term, the corrections */
    mpfr_div_ui(t3, t2, n, RND);
    mpfr_add(y, y, t3, RND);
    mpfr_div(t2, t2, t1, RND);
    mpfr_div_2ui(t3, t2, 1, RND);
    mpfr_add(y, y, t3, RND);
    mpfr_mul_ui(t2, t2, n + 1, RND);
    for (unsigned k = 1; k <= BERNOULLI; k++) {
        mpfr_div(t2, t2, t1, RND);
        mpfr_mul(t3, t2, bernoulli[k], RND);
        mpfr_add(y, y, t3, RND);
        mpfr_mul_ui(t2, t2, n + 2 * k, RND);
        mpfr_mul_ui(t2, t2, n + 2 * k + 1, RND);
        mpfr_div(t2, t2, t1, RND);
    }
    for (unsigned k = 2; k <= n; k++)
        mpfr_mul_ui(y, y, k, RND);
    if (n % 2 == 0)
        mpfr_neg(y, y, RND);
}

/* ---- one argument: y, d = dy/dx, s = dd/dx (only where it is asked for) -------------------------------------------- */
#define DEFINE(name) static void ref_##name(mpfr_t y, mpfr_t d, mpfr_t s, const mpfr_t x)
#define UNUSED (void)s

DEFINE(sqrt) { UNUSED; mpfr_sqrt(y, x, RND); mpfr_mul_2ui(d, y, 1, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(rsqrt) { UNUSED; mpfr_rec_sqrt(y, x, RND); mpfr_div(d, y, x, RND); mpfr_div_si(d, d, -2, RND); }
DEFINE(cbrt) { UNUSED; mpfr_cbrt(y, x, RND); mpfr_sqr(d, y, RND); mpfr_mul_ui(d, d, 3, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(reciprocal) { UNUSED; mpfr_ui_div(y, 1, x, RND); mpfr_sqr(d, y, RND); mpfr_neg(d, d, RND); }
DEFINE(square) { UNUSED; mpfr_sqr(y, x, RND); mpfr_mul_2ui(d, x, 1, RND); }
DEFINE(exp) { UNUSED; mpfr_exp(y, x, RND); mpfr_set(d, y, RND); }
DEFINE(expm1) { UNUSED; mpfr_expm1(y, x, RND); mpfr_exp(d, x, RND); }
DEFINE(log) { UNUSED; mpfr_log(y, x, RND); mpfr_ui_div(d, 1, x, RND); }
DEFINE(log1p) { UNUSED; mpfr_log1p(y, x, RND); mpfr_add_ui(d, x, 1, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(log2) { UNUSED; mpfr_log2(y, x, RND); mpfr_const_log2(d, RND); mpfr_mul(d, d, x, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(log10) { UNUSED; mpfr_log10(y, x, RND); mpfr_log_ui(d, 10, RND); mpfr_mul(d, d, x, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(sin) { UNUSED; mpfr_sin(y, x, RND); mpfr_cos(d, x, RND); }
DEFINE(cos) { UNUSED; mpfr_cos(y, x, RND); mpfr_sin(d, x, RND); mpfr_neg(d, d, RND); }
DEFINE(tan) { UNUSED; mpfr_tan(y, x, RND); mpfr_sqr(d, y, RND); mpfr_add_ui(d, d, 1, RND); }
static void one_minus_square(mpfr_t y, const mpfr_t x)
{
    mpfr_ui_sub(y, 1, x, RND);
    mpfr_add_ui(t5, x, 1, RND);
    mpfr_mul(y, y, t5, RND);
}
DEFINE(asin) { UNUSED; mpfr_asin(y, x, RND); one_minus_square(d, x); mpfr_rec_sqrt(d, d, RND); }
DEFINE(acos) { UNUSED; mpfr_acos(y, x, RND); one_minus_square(d, x); mpfr_rec_sqrt(d, d, RND); mpfr_neg(d, d, RND); }
DEFINE(atan) { UNUSED; mpfr_atan(y, x, RND); mpfr_sqr(d, x, RND); mpfr_add_ui(d, d, 1, RND); mpfr_ui_div(d, 1, d, RND); }
DEFINE(sinh) { UNUSED; mpfr_sinh(y, x, RND); mpfr_cosh(d, x, RND); }
DEFINE(cosh) { UNUSED; mpfr_cosh(y, x, RND); mpfr_sinh(d, x, RND); }
DEFINE(tanh) { UNUSED; mpfr_tanh(y, x, RND); mpfr_sech(d, x, RND); mpfr_sqr(d, d, RND); }
DEFINE(asinh) { UNUSED; mpfr_asinh(y, x, RND); mpfr_sqr(d, x, RND); mpfr_add_ui(d, d, 1, RND); mpfr_rec_sqrt(d, d, RND); }
DEFINE(acosh) { UNUSED; mpfr_acosh(y, x, RND); one_minus_square(d, x); mpfr_neg(d, d, RND); mpfr_rec_sqrt(d, d, RND); }
DEFINE(atanh) { UNUSED; mpfr_atanh(y, x, RND); one_minus_square(d, x); mpfr_ui_div(d, 1, d, RND); }
static void erf_slope(mpfr_t d, const mpfr_t x)
{
    mpfr_sqr(d, x, RND);
    mpfr_neg(d, d, RND);
    mpfr_exp(d, d, RND);
    mpfr_sqrt(t5, pi, RND);
    mpfr_div(d, d, t5, RND);
    mpfr_mul_2ui(d, d, 1, RND);
}
DEFINE(erf) { UNUSED; mpfr_erf(y, x, RND); erf_slope(d, x); }
DEFINE(erfc) { UNUSED; mpfr_erfc(y, x, RND); erf_slope(d, x); mpfr_neg(d, d, RND); }
DEFINE(normal_cdf) { UNUSED; normal_cdf(y, x); normal_density(d, x); }
DEFINE(lgamma) { int sign; mpfr_lgamma(y, &sign, x, RND); mpfr_digamma(d, x, RND); polygamma(s, 1, x); }
DEFINE(digamma) { mpfr_digamma(y, x, RND); polygamma(d, 1, x); polygamma(s, 2, x); }
DEFINE(polygamma1) { polygamma(y, 1, x); polygamma(d, 2, x); polygamma(s, 3, x); }
DEFINE(polygamma2) { polygamma(y, 2, x); polygamma(d, 3, x); polygamma(s, 4, x); }
DEFINE(polygamma5) { polygamma(y, 5, x); polygamma(d, 6, x); polygamma(s, 7, x); }
DEFINE(sigmoid) { UNUSED; sigmoid(y, x); sigmoid_slope(d, x); }
DEFINE(sigmoid_slope)
{
    UNUSED;
    sigmoid_slope(y, x);
    mpfr_div_2ui(t1, x, 1, RND);
    mpfr_tanh(d, t1, RND);
    mpfr_mul(d, d, y, RND);
    mpfr_neg(d, d, RND);
}
DEFINE(tanh_slope)
{
    UNUSED;
    mpfr_sech(y, x, RND);
    mpfr_sqr(y, y, RND);
    mpfr_tanh(d, x, RND);
    mpfr_mul(d, d, y, RND);
    mpfr_mul_si(d, d, -2, RND);
}
DEFINE(softplus) { UNUSED; mpfr_exp(y, x, RND); mpfr_log1p(y, y, RND); sigmoid(d, x); }
DEFINE(logsigmoid)
{
    UNUSED;
    mpfr_neg(t1, x, RND);
    mpfr_exp(y, t1, RND);
    mpfr_log1p(y, y, RND);
    mpfr_neg(y, y, RND);
    sigmoid(d, t1);
}
DEFINE(silu)                                                /* s = slope * (2 - x tanh(x / 2)) */
{
    sigmoid(y, x);
    sigmoid_slope(t1, x);
    mpfr_mul(d, t1, x, RND);
    mpfr_add(d, d, y, RND);
    mpfr_mul(y, y, x, RND);
    mpfr_div_2ui(t2, x, 1, RND);
    mpfr_tanh(t2, t2, RND);
    mpfr_mul(t2, t2, x, RND);
    mpfr_ui_sub(t2, 2, t2, RND);
    mpfr_mul(s, t1, t2, RND);
}
DEFINE(gelu)                                                /* s = density * (2 - x^2) */
{
    normal_cdf(y, x);
    normal_density(t1, x);
    mpfr_mul(d, t1, x, RND);
    mpfr_add(d, d, y, RND);
    mpfr_mul(y, y, x, RND);
    mpfr_sqr(t2, x, RND);
    mpfr_ui_sub(t2, 2, t2, RND);
    mpfr_mul(s, t1, t2, RND);
}
DEFINE(gelu_tanh)                                           /* x sigmoid(u); s: what x u' does to the first derivative */
{
    mpfr_mul_2ui(t1, pi, 1, RND);                           /* 2 sqrt(2 / pi) = 4 / sqrt(2 pi) */
    mpfr_rec_sqrt(t1, t1, RND);
    mpfr_mul_2ui(t1, t1, 2, RND);
    mpfr_sqr(t2, x, RND);
    mpfr_set_str(t3, "0.044715", 10, RND);
    mpfr_mul(t2, t2, t3, RND);
    mpfr_mul_ui(t3, t2, 3, RND);
    mpfr_add_ui(t2, t2, 1, RND);
    mpfr_mul(t2, t2, x, RND);
    mpfr_mul(t2, t2, t1, RND);                              /* u */
    mpfr_add_ui(t3, t3, 1, RND);
    mpfr_mul(t3, t3, t1, RND);                              /* u' */
    sigmoid(y, t2);
    sigmoid_slope(d, t2);
    mpfr_mul(d, d, t3, RND);
    mpfr_mul(d, d, x, RND);
    mpfr_mul(s, d, t2, RND);
    mpfr_div(s, s, x, RND);
    mpfr_mul_ui(s, s, 3, RND);
    mpfr_add(d, d, y, RND);
    mpfr_mul(y, y, x, RND);
}
DEFINE(elu)                                                 /* alpha 0.5 */
{
    UNUSED;
    bool above = mpfr_sgn(x) > 0;
    mpfr_expm1(y, x, RND);
    mpfr_exp(d, x, RND);
    mpfr_div_2ui(y, y, 1, RND);
    mpfr_div_2ui(d, d, 1, RND);
    mpfr_set(y, above ? x : y, RND);
    mpfr_set(d, above ? one : d, RND);
}
DEFINE(exp_square) { UNUSED; mpfr_sqr(y, x, RND); mpfr_neg(y, y, RND); mpfr_exp(y, y, RND); mpfr_mul(d, x, y, RND); mpfr_mul_si(d, d, -2, RND); }
DEFINE(one_minus_square) { UNUSED; one_minus_square(y, x); mpfr_mul_si(d, x, -2, RND); }

/* ---- two arguments: y, dx, dw -------------------------------------------------------------------------------------- */
#define DEFINE2(name) static void ref_##name(mpfr_t y, mpfr_t dx, mpfr_t dw, const mpfr_t x, const mpfr_t w)

DEFINE2(div)
{
    mpfr_div(y, x, w, RND);
    mpfr_ui_div(dx, 1, w, RND);
    mpfr_div(dw, y, w, RND);
    mpfr_neg(dw, dw, RND);
}
DEFINE2(pow)
{
    mpfr_pow(y, x, w, RND);
    mpfr_div(dx, y, x, RND);
    mpfr_mul(dx, dx, w, RND);
    mpfr_log(dw, x, RND);
    mpfr_mul(dw, dw, y, RND);
}
DEFINE2(hypot)
{
    mpfr_hypot(y, x, w, RND);
    mpfr_div(dx, x, y, RND);
    mpfr_div(dw, w, y, RND);
}
DEFINE2(direction)                                          /* w^2 / h^3, -x w / h^3 */
{
    mpfr_hypot(t1, x, w, RND);
    mpfr_div(y, x, t1, RND);
    mpfr_div(t2, w, t1, RND);
    mpfr_div(dx, t2, t1, RND);
    mpfr_mul(dw, dx, y, RND);
    mpfr_neg(dw, dw, RND);
    mpfr_mul(dx, dx, t2, RND);
}
DEFINE2(atan2)
{
    mpfr_atan2(y, x, w, RND);
    mpfr_sqr(t1, x, RND);
    mpfr_sqr(t2, w, RND);
    mpfr_add(t1, t1, t2, RND);
    mpfr_div(dx, w, t1, RND);
    mpfr_div(dw, x, t1, RND);
    mpfr_neg(dw, dw, RND);
}

#endif
