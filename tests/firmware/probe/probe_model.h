#ifndef PROBE_MODEL_H
#define PROBE_MODEL_H

#define PROBE_GRAD_WORK_SIZE 3

/* Stack: at most 128 bytes. */
void probe_grad(const float *x, float *y, float *x_grad, float *work);

#endif
