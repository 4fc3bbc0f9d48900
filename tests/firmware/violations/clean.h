/* The interface that every file of this folder implements. */
#ifndef CLEAN_H
#define CLEAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void clean(const float *x, float *y);

#ifdef __cplusplus
}
#endif

#endif
