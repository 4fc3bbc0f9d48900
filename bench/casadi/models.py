"""What models.ad has, for CasADi: python3 models.py FOLDER writes casadi.c and casadi.h there."""
import math
import os
import sys

import casadi as ca

N, M, n, h, r = 20, 8, 100, 0.05, 0.01
mc, mp, l, g = 1.0, 0.2, 0.5, 9.81
goal = ca.DM([0, math.pi, 0, 0])
weight = ca.DM([10, 50, 1, 1])


def cart(x, u):
    s, c = ca.sin(x[1]), ca.cos(x[1])
    k = 1 / (mc + mp * s * s)
    return ca.vertcat(x[2], x[3], k * (u + mp * s * (l * x[3] ** 2 + g * c)),
                      -k / l * (u * c + mp * l * x[3] ** 2 * c * s + (mc + mp) * g * s))


def rk4(x, u):
    k1 = cart(x, u)
    k2 = cart(x + h / 2 * k1, u)
    k3 = cart(x + h / 2 * k2, u)
    k4 = cart(x + h * k3, u)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def shooting():
    x0, u = ca.SX.sym("x0", 4), ca.SX.sym("u", N)
    x, cost = x0, 0
    for k in range(N):
        x = rk4(x, u[k])
        cost += r * u[k] ** 2
    cost += ca.sum1(weight * (x - goal) ** 2)
    return ca.Function("ca_shooting", [x0, u], [cost, ca.gradient(cost, u)])


def multiple():
    x, u, multiplier = ca.SX.sym("x", 4, M + 1), ca.SX.sym("u", M), ca.SX.sym("m", 4, M)
    gaps = [x[:, k + 1] - rk4(x[:, k], u[k]) for k in range(M)]
    y = r * ca.sum1(u ** 2) + ca.sum1(weight * (x[:, M] - goal) ** 2)
    for k in range(M):
        y += ca.dot(multiplier[:, k], gaps[k])
    z, e = ca.vertcat(ca.vec(x), u), ca.vertcat(*gaps)
    hessian, gradient = ca.hessian(y, z)
    return [ca.Function("ca_gaps", [x, u], [e, ca.jacobian(e, z)]),
            ca.Function("ca_curvature", [x, u, multiplier], [y, gradient, ca.triu(hessian)])]


def arm():
    d = [0.089159, 0, 0, 0.10915, 0.09465, 0.0823]
    a = [0, -0.425, -0.39225, 0, 0, 0]
    sa = [1, 0, 0, 1, -1, 0]
    cosa = [0, 1, 1, 0, 0, 1]
    q, frame = ca.SX.sym("q", 6), ca.SX.eye(4)
    for i in range(6):
        c, s, t = ca.cos(q[i]), ca.sin(q[i]), ca.SX(4, 4)
        t[0, 0], t[1, 0], t[3, 3] = c, s, 1
        if cosa[i]:
            t[0, 1], t[1, 1], t[2, 2] = -s * cosa[i], c * cosa[i], cosa[i]
        if sa[i]:
            t[0, 2], t[1, 2], t[2, 1] = s * sa[i], -c * sa[i], sa[i]
        if a[i]:
            t[0, 3], t[1, 3] = a[i] * c, a[i] * s
        if d[i]:
            t[2, 3] = d[i]
        frame = frame @ t
    pose = ca.vec(frame[:3, :].T)
    return ca.Function("ca_arm", [q], [ca.densify(pose), ca.densify(ca.jacobian(pose, q).T)])


def rosenbrock():
    x = ca.SX.sym("x", n)
    y = ca.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    hessian, gradient = ca.hessian(y, x)
    return ca.Function("ca_rosenbrock", [x], [y, gradient, ca.triu(hessian)])


os.chdir(sys.argv[1])
generator = ca.CodeGenerator("casadi.c", {"with_header": True})
for function in [shooting(), *multiple(), arm(), rosenbrock()]:
    generator.add(function)
generator.generate()
