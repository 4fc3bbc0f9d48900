/* hand.h: the hand-written counterparts of examples/net.ad and examples/graph.ad.  REAL comes from the command line. */
#ifndef HAND_H
#define HAND_H

#ifndef REAL
#define REAL double
#endif

enum { NET_GRAD_HAND_WORK_SIZE = 2 * 64 * 100 + 64 * 10 };

void net_grad_hand(const REAL *restrict x, const REAL *restrict y, const REAL *restrict w1, const REAL *restrict w2,
                   REAL *restrict loss, REAL *restrict w1_grad, REAL *restrict w2_grad, REAL *restrict work);

void graph_grad_hand(REAL x, REAL w, REAL *restrict y, REAL *restrict x_grad, REAL *restrict w_grad);

#endif
