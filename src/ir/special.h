/* special.h: lgamma and its derivatives, which C has not or not without a global.  See special.inc. */
#ifndef ADC_SPECIAL_H
#define ADC_SPECIAL_H

double special_lgamma(double x);
double special_digamma(double x);
double special_polygamma(double n, double x);               /* n an integer >= 0 */
double special_exp_square(double x, double w);
double special_tanh_slope(double x, double w);           /* w is tanh(x) */
double special_normal_cdf(double x);

extern const char special_text[];                           /* special.inc, embedded by the Makefile: for generated C */

#endif
