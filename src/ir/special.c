/* special.c: the evaluator computes lgamma and its derivatives with the very text that generated C carries. */
#include "special.h"

#include <math.h>

#include "special.inc"

double special_lgamma(double x) { return adc_lgamma(x); }
double special_digamma(double x) { return adc_digamma(x); }
double special_polygamma(double n, double x) { return adc_polygamma(n, x); }
double special_exp_square(double x, double w) { return adc_exp_square(x, w); }
double special_tanh_slope(double x, double w) { return adc_tanh_slope(x, w); }
double special_normal_cdf(double x) { return adc_normal_cdf(x); }
