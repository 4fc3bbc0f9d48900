/* gate: header as c99, gcc */
#ifndef CLEAN_H
#define CLEAN_H

_Noreturn void clean(const float *x, float *y);

#endif
