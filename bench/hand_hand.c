/* hand_hand.c: hand tracking and its Jacobian in plain C by hand: forward with the sparsity of the skeleton.
 *
 * A bone's matrix depends on the global rotation and on the angles of its own finger only, so each bone keeps four derivative
 * matrices; a vertex adds the derivatives of its bones into the columns of their fingers. */
#include "objectives.h"

#include <math.h>
#include <string.h>

enum { BONES = 22, COLUMNS = 26 };

typedef double Move[3][4];

static Move local[BONES], slopes[BONES][4], whole[BONES], whole_slopes[BONES][4];
static double turn[3][3], turn_slopes[3][3][3];

static void compose(const Move a, const double *restrict b, Move out)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            out[i][j] = a[i][0] * b[j] + a[i][1] * b[4 + j] + a[i][2] * b[8 + j] + a[i][3] * b[12 + j];
}

/* Rz(z) Rx(x) with its derivatives, as 4 x 4. */
static void joint(double x, double z, double *r, double *by_x, double *by_z)
{
    const double cx = cos(x), sx = sin(x), cz = cos(z), sz = sin(z);
    const double value[16] = { cz, -sz * cx, sz * sx, 0, sz, cz * cx, -cz * sx, 0, 0, sx, cx, 0, 0, 0, 0, 1 };
    const double dx[16] = { 0, sz * sx, sz * cx, 0, 0, -cz * sx, -cz * cx, 0, 0, cx, -sx, 0, 0, 0, 0, 0 };
    const double dz[16] = { -sz, -cz * cx, cz * sx, 0, cz, -sz * cx, sz * sx, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    memcpy(r, value, sizeof value);
    memcpy(by_x, dx, sizeof dx);
    memcpy(by_z, dz, sizeof dz);
}

static void global_rotation(const double *r)
{
    const double square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2], angle = sqrt(square);
    memset(turn_slopes, 0, sizeof turn_slopes);
    if (angle < 1e-4) {
        const double unit[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
        memcpy(turn, unit, sizeof turn);
        return;
    }
    const double c = cos(angle), s = sin(angle) / angle, v = (1 - c) / square;
    const double ds = (c - s) / square, dv = (s - 2 * v) / square;
    const double cross[3][3] = { { 0, -r[2], r[1] }, { r[2], 0, -r[0] }, { -r[1], r[0], 0 } };
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            turn[i][j] = (i == j ? c : 0) + s * cross[i][j] + v * r[i] * r[j];
            for (int k = 0; k < 3; k++)
                turn_slopes[k][i][j] = (i == j ? -s * r[k] : 0) + ds * r[k] * cross[i][j] + dv * r[k] * r[i] * r[j]
                                       + v * ((i == k) * r[j] + (j == k) * r[i]);
        }
    for (int k = 0; k < 3; k++) {
        turn_slopes[k][(k + 2) % 3][(k + 1) % 3] += s;
        turn_slopes[k][(k + 1) % 3][(k + 2) % 3] -= s;
    }
}

static void pose(const double *theta, const int32_t *parent, const double *relative, const double *inverse_rest)
{
    global_rotation(theta);
    for (int b = 0; b < BONES; b++) {
        const int place = (b - 1) % 4, finger = 6 + (b - 1) / 4 * 4;
        const int bends = b >= 1 && b <= 20 && place >= 1;
        Move start, placed, before;
        double r[16], by_x[16], by_z[16];
        if (parent[b] < 0)
            memcpy(start, relative + 16 * b, sizeof start);
        else
            compose(local[parent[b]], relative + 16 * b, start);
        memset(slopes[b], 0, sizeof slopes[b]);
        if (!bends) {
            memcpy(local[b], start, sizeof start);
        } else {
            const int x = place == 1 ? 0 : place;
            joint(theta[finger + x], place == 1 ? theta[finger + 1] : 0, r, by_x, by_z);
            compose(start, r, local[b]);
            for (int k = 0; k < x && parent[b] >= 0; k++) {
                compose(slopes[parent[b]][k], relative + 16 * b, before);
                compose(before, r, slopes[b][k]);
            }
            compose(start, by_x, slopes[b][x]);
            if (place == 1)
                compose(start, by_z, slopes[b][1]);
        }
        for (int k = -1; k < (bends ? 4 : 0); k++) {
            compose(k < 0 ? local[b] : slopes[b][k], inverse_rest + 16 * b, placed);
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < 4; j++)
                    (k < 0 ? whole[b] : whole_slopes[b][k])[i][j] =
                        k < 0 ? placed[i][j]
                              : turn[i][0] * placed[0][j] + turn[i][1] * placed[1][j] + turn[i][2] * placed[2][j];
        }
    }
}

static void apply(const Move a, const double *p, double w, double *v)
{
    for (int i = 0; i < 3; i++)
        v[i] += w * (a[i][0] * p[0] + a[i][1] * p[1] + a[i][2] * p[2] + a[i][3]);
}

/* Adds the vertex, before the global rotation, to v, and its derivatives by the fingers' angles, behind it, to d. */
static void add_vertex(const double *rest, const int32_t *bone, const double *weight, double share, double *restrict v,
                       double (*restrict d)[3])
{
    for (int k = 0; k < 4; k++) {
        const double w = share * weight[k];
        const int b = bone[k];
        if (w == 0)
            continue;
        apply(whole[b], rest, w, v);
        if (b >= 1 && b <= 20 && (b - 1) % 4 >= 1)
            for (int angle = 0; angle < 4; angle++)
                apply(whole_slopes[b][angle], rest, w, d[(b - 1) / 4 * 4 + angle]);
    }
}

static void rotated(const double A[3][3], const double *v, double *y)
{
    for (int i = 0; i < 3; i++)
        y[i] = A[i][0] * v[0] + A[i][1] * v[1] + A[i][2] * v[2];
}

/* Row i of everything: the error, and the columns of theta. */
static void finish(int i, const double *theta, const double *point, const double *v, double (*d)[3], double *error,
                   double *by_theta)
{
    double y[3];
    rotated(turn, v, y);
    for (int a = 0; a < 3; a++)
        error[3 * i + a] = point[3 * i + a] - y[a] - theta[3 + a];
    for (int k = 0; k < 3; k++) {
        rotated(turn_slopes[k], v, y);
        for (int a = 0; a < 3; a++) {
            by_theta[3 * HAND_N * k + 3 * i + a] = -y[a];
            by_theta[3 * HAND_N * (3 + k) + 3 * i + a] = a == k ? -1 : 0;
        }
    }
    for (int k = 0; k < 20; k++)
        for (int a = 0; a < 3; a++)
            by_theta[3 * HAND_N * (6 + k) + 3 * i + a] = -d[k][a];
}

void hand_simple_jacobian_hand(const double *restrict theta, const int32_t *restrict parent, const double *restrict relative,
                               const double *restrict inverse_rest, const double *restrict rest, const int32_t *restrict bone,
                               const double *restrict weight, const int32_t *restrict corner, const double *restrict point,
                               double *restrict error, double *restrict by_theta)
{
    pose(theta, parent, relative, inverse_rest);
    for (int i = 0; i < HAND_N; i++) {
        const int c = corner[i];
        double v[3] = { 0 }, d[20][3] = { { 0 } };
        add_vertex(rest + 3 * c, bone + 4 * c, weight + 4 * c, 1, v, d);
        finish(i, theta, point, v, d, error, by_theta);
    }
}

void hand_complicated_jacobian_hand(const double *restrict theta, const double *restrict us, const int32_t *restrict parent,
                                    const double *restrict relative, const double *restrict inverse_rest,
                                    const double *restrict rest, const int32_t *restrict bone, const double *restrict weight,
                                    const int32_t *restrict triangle, const int32_t *restrict face,
                                    const double *restrict point, double *restrict error, double *restrict by_us,
                                    double *restrict by_theta)
{
    pose(theta, parent, relative, inverse_rest);
    for (int i = 0; i < HAND_N; i++) {
        const int32_t *t = triangle + 3 * face[i];
        const double u[3] = { us[2 * i], us[2 * i + 1], 1 - us[2 * i] - us[2 * i + 1] };
        double corner[3][3] = { { 0 } }, v[3], d[20][3] = { { 0 } }, y[3];
        for (int k = 0; k < 3; k++) {
            double shared[3] = { 0 };
            add_vertex(rest + 3 * t[k], bone + 4 * t[k], weight + 4 * t[k], u[k], shared, d);
            memset(corner[k], 0, sizeof corner[k]);
            for (int q = 0; q < 4; q++)
                if (weight[4 * t[k] + q] != 0)
                    apply(whole[bone[4 * t[k] + q]], rest + 3 * t[k], weight[4 * t[k] + q], corner[k]);
        }
        for (int a = 0; a < 3; a++)
            v[a] = u[0] * corner[0][a] + u[1] * corner[1][a] + u[2] * corner[2][a];
        finish(i, theta, point, v, d, error, by_theta);
        for (int k = 0; k < 2; k++) {
            const double apart[3] = { corner[k][0] - corner[2][0], corner[k][1] - corner[2][1], corner[k][2] - corner[2][2] };
            rotated(turn, apart, y);
            for (int a = 0; a < 3; a++)
                by_us[3 * HAND_N * k + 3 * i + a] = -y[a];
        }
    }
}
