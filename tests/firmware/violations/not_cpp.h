/* gate: header as c++11, g++ */
#ifndef CLEAN_H
#define CLEAN_H

void clean(const float *restrict x, float *restrict y);

#endif
