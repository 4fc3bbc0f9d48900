/* ba_hand.c: residuals and the non-zero blocks of the Jacobian of bundle adjustment, in plain C by hand.
 *
 * What depends on a camera alone, its rotation matrix and the derivatives of that, is computed once per camera; an
 * observation is then a few products with 3 x 3 matrices. */
#include "objectives.h"

#include <math.h>

static double rotation[BA_N][3][3], slopes[BA_N][3][3][3];  /* slopes[c][k]: by element k of the rotation vector */

/* Rodrigues: R = cos I + sin [a] + (1 - cos) a a' for the axis a and the angle of r. */
static void rotate_camera(const double *r, double R[3][3], double dR[3][3][3])
{
    const double square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
    const double angle = sqrt(square), c = square > 0 ? cos(angle) : 1, s = square > 0 ? sin(angle) / angle : 1;
    const double v = square > 0 ? (1 - c) / square : 0;     /* R = c I + s [r] + v r r' */
    const double dc = -s, ds = square > 0 ? (c - s) / square : 0, dv = square > 0 ? (s - 2 * v) / square : 0;
    const double cross[3][3] = { { 0, -r[2], r[1] }, { r[2], 0, -r[0] }, { -r[1], r[0], 0 } };
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            R[i][j] = (i == j ? c : 0) + s * cross[i][j] + v * r[i] * r[j];
    for (int k = 0; k < 3; k++) {
        const double unit[3] = { k == 0, k == 1, k == 2 };
        const double turn[3][3] = { { 0, -unit[2], unit[1] }, { unit[2], 0, -unit[0] }, { -unit[1], unit[0], 0 } };
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                dR[k][i][j] = square > 0 ? (i == j ? dc * r[k] : 0) + ds * r[k] * cross[i][j] + s * turn[i][j]
                                               + dv * r[k] * r[i] * r[j] + v * (unit[i] * r[j] + r[i] * unit[j])
                                         : turn[i][j];
    }
}

static void times(const double A[3][3], const double *v, double *y)
{
    for (int i = 0; i < 3; i++)
        y[i] = A[i][0] * v[0] + A[i][1] * v[1] + A[i][2] * v[2];
}

void ba_jacobian_hand(const double *restrict cameras, const double *restrict points, const double *restrict weights,
                      const int32_t *restrict camera, const int32_t *restrict point, const double *restrict seen,
                      double *restrict error, double *restrict weight_error, double *restrict blocks,
                      double *restrict weight_slopes)
{
    for (int k = 0; k < BA_N; k++)
        rotate_camera(cameras + 11 * k, rotation[k], slopes[k]);
    for (int n = 0; n < BA_P; n++) {
        const double *c = cameras + 11 * camera[n], *x = points + 3 * point[n], w = weights[n];
        const double v[3] = { x[0] - c[3], x[1] - c[4], x[2] - c[5] }, f = c[6];
        double y[3], *block = blocks + 30 * n;
        times(rotation[camera[n]], v, y);
        const double p0 = y[0] / y[2], p1 = y[1] / y[2], square = p0 * p0 + p1 * p1;
        const double bend = 1 + c[9] * square + c[10] * square * square, slope = c[9] + 2 * c[10] * square;
        const double e0 = p0 * bend * f + c[7] - seen[2 * n], e1 = p1 * bend * f + c[8] - seen[2 * n + 1];
        error[2 * n] = w * e0;
        error[2 * n + 1] = w * e1;
        weight_error[n] = 1 - w * w;
        weight_slopes[n] = -2 * w;

        /* by y: d bend = slope * 2 (p0 dp0 + p1 dp1), dp = (dy - p dy2) / y2 */
        const double scale = w * f / y[2];
        const double a00 = scale * (bend + 2 * slope * p0 * p0), a01 = scale * (2 * slope * p0 * p1);
        const double a11 = scale * (bend + 2 * slope * p1 * p1);
        const double by_y[2][3] = { { a00, a01, -(a00 * p0 + a01 * p1) }, { a01, a11, -(a01 * p0 + a11 * p1) } };
        for (int k = 0; k < 3; k++) {
            double d[3];
            times(slopes[camera[n]][k], v, d);
            for (int i = 0; i < 2; i++)
                block[15 * i + k] = by_y[i][0] * d[0] + by_y[i][1] * d[1] + by_y[i][2] * d[2];
        }
        for (int i = 0; i < 2; i++) {
            const double p = i ? p1 : p0;
            for (int k = 0; k < 3; k++) {
                const double (*R)[3] = rotation[camera[n]];
                const double by_x = by_y[i][0] * R[0][k] + by_y[i][1] * R[1][k] + by_y[i][2] * R[2][k];
                block[15 * i + 11 + k] = by_x;
                block[15 * i + 3 + k] = -by_x;
            }
            block[15 * i + 6] = w * p * bend;
            block[15 * i + 7] = i ? 0 : w;
            block[15 * i + 8] = i ? w : 0;
            block[15 * i + 9] = w * f * p * square;
            block[15 * i + 10] = w * f * p * square * square;
            block[15 * i + 14] = i ? e1 : e0;
        }
    }
}
