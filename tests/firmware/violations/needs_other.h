/* gate: header alone, gcc */
#ifndef CLEAN_H
#define CLEAN_H

#ifdef __cplusplus
extern "C" {
#endif

void clean(const float *x, float *y);
bool clean_is_right(const float *x);

#ifdef __cplusplus
}
#endif

#endif
