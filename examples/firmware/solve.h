/* The solver that the examples share: what a user of the gradients brings along. */
#ifndef SOLVE_H
#define SOLVE_H

#include "board.h"

/* Solves A x = b for a symmetric positive definite A[n, n], of which the upper triangle is read, by LDL' without square
 * roots.  Overwrites A; b becomes x. */
static inline void solve_symmetric(real *a, real *b, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) { /* eliminate downwards; row k of U stays in place */
        for (uint32_t i = k + 1u; i < n; i++) {
            const real factor = a[k * n + i] / a[k * n + k];

            for (uint32_t j = i; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
            b[i] -= factor * b[k];
        }
    }
    for (uint32_t k = n; k-- > 0u;) {
        for (uint32_t j = k + 1u; j < n; j++) b[k] -= a[k * n + j] * b[j];
        b[k] /= a[k * n + k];
    }
}

/* Adds a residual with its Jacobian row to the normal equations J'J and J'r. */
static inline void add_row(real *jtj, real *jtr, const real *row, real residual, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = i; j < n; j++) jtj[i * n + j] += row[i] * row[j];
        jtr[i] += row[i] * residual;
    }
}

/* Measurement noise and excitation that are the same everywhere: uniform in -1 .. 1. */
static inline real noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (real)(int32_t)(*state >> 16) / (real)32768 - (real)1;
}

#endif
