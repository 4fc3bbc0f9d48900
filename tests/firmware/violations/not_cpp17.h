/* gate: header as c++17, g++ */
#ifndef CLEAN_H
#define CLEAN_H

#ifdef __cplusplus
extern "C" {
#endif
static inline int clean_size(register int n) { return n; }
void clean(const float *x, float *y);
#ifdef __cplusplus
}
#endif

#endif
