/* objectives.h: the hand-written gradients and Jacobians that adc's are measured against. Sizes come from the command line, as
 * adc has them: GMM_N, .. */
#ifndef OBJECTIVES_H
#define OBJECTIVES_H

#include <stdint.h>

void gmm_grad_hand(const double *restrict alpha, const double *restrict means, const double *restrict icf,
                   const double *restrict x, double gamma, int m, double *restrict f, double *restrict alpha_grad,
                   double *restrict means_grad, double *restrict icf_grad);

void lstm_grad_hand(const double *restrict main_params, const double *restrict extra, const double *restrict state,
                    const double *restrict sequence, double *restrict loss, double *restrict main_grad,
                    double *restrict extra_grad);

void ba_jacobian_hand(const double *restrict cameras, const double *restrict points, const double *restrict weights,
                      const int32_t *restrict camera, const int32_t *restrict point, const double *restrict seen,
                      double *restrict error, double *restrict weight_error, double *restrict blocks,
                      double *restrict weight_slopes);

void hand_simple_jacobian_hand(const double *restrict theta, const int32_t *restrict parent, const double *restrict relative,
                               const double *restrict inverse_rest, const double *restrict rest, const int32_t *restrict bone,
                               const double *restrict weight, const int32_t *restrict corner, const double *restrict point,
                               double *restrict error, double *restrict by_theta);

void hand_complicated_jacobian_hand(const double *restrict theta, const double *restrict us, const int32_t *restrict parent,
                                    const double *restrict relative, const double *restrict inverse_rest,
                                    const double *restrict rest, const int32_t *restrict bone, const double *restrict weight,
                                    const int32_t *restrict triangle, const int32_t *restrict face,
                                    const double *restrict point, double *restrict error, double *restrict by_us,
                                    double *restrict by_theta);

void pendulum_grad_hand(const double *restrict start, const double *restrict p, const double *restrict u,
                        double *restrict loss, double *restrict start_grad, double *restrict p_grad, double *restrict u_grad);

void cartpole_grad_hand(const double *restrict start, const double *restrict p, const double *restrict u,
                        double *restrict loss, double *restrict start_grad, double *restrict p_grad, double *restrict u_grad);

#endif
