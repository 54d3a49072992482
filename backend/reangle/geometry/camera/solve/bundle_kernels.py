# SPDX-License-Identifier: Apache-2.0
"""Loops of the bundle adjustment over observations, which are sorted by point.

Unknowns: for each camera a small rotation and a shift after its pose; the logarithm of the focal length, k1 and k2; and
each point. `lens` is focal, k1, k2 and the principal point; `weights` are symmetric, one for each point.
"""

from __future__ import annotations

import numba
import numpy as np

from reangle.kernels import KERNEL


@numba.njit(**KERNEL)
def robust_cost(R, t, xyz, lens, frame, track, uv, weights, scale):
    """Sum of log(1 + r^2 / scale^2) over the observations (Cauchy)."""
    focal, k1, k2, cx, cy = lens
    total = 0.0
    for m in range(frame.shape[0]):
        i, p = frame[m], track[m]
        x = R[i, 0, 0] * xyz[p, 0] + R[i, 0, 1] * xyz[p, 1] + R[i, 0, 2] * xyz[p, 2] + t[i, 0]
        y = R[i, 1, 0] * xyz[p, 0] + R[i, 1, 1] * xyz[p, 1] + R[i, 1, 2] * xyz[p, 2] + t[i, 1]
        z = R[i, 2, 0] * xyz[p, 0] + R[i, 2, 1] * xyz[p, 1] + R[i, 2, 2] * xyz[p, 2] + t[i, 2]
        if z <= 1e-9:
            total += np.log(1 + 1e6 / scale**2)
            continue
        x /= z
        y /= z
        square = x * x + y * y
        bend = 1 + k1 * square + k2 * square * square
        du = focal * bend * x + cx - uv[m, 0]
        dv = focal * bend * y + cy - uv[m, 1]
        rx = weights[p, 0, 0] * du + weights[p, 0, 1] * dv
        ry = weights[p, 1, 0] * du + weights[p, 1, 1] * dv
        total += np.log(1 + (rx * rx + ry * ry) / scale**2)
    return total


@numba.njit(**KERNEL, inline="always")
def _residual(x, y, depth, lens, u, v, s00, s01, s11, P):
    """The weighted residual of a point seen at x, y (of depth 1), then its factors of bending and the squared distance
    from the axis. P (2 x 3) is filled with the residual's derivatives by the point in the camera.

    u, v: where it was observed. s00, s01, s11: its weights.
    """
    focal, k1, k2, cx, cy = lens
    square = x * x + y * y
    bend = 1 + k1 * square + k2 * square * square
    slope = k1 + 2 * k2 * square
    du = focal * bend * x + cx - u
    dv = focal * bend * y + cy - v
    xx = focal * (bend + 2 * slope * x * x)
    xy = 2 * focal * slope * x * y
    yy = focal * (bend + 2 * slope * y * y)
    ux, uy, vx, vy = s00 * xx + s01 * xy, s00 * xy + s01 * yy, s01 * xx + s11 * xy, s01 * xy + s11 * yy
    P[0, 0], P[0, 1], P[0, 2] = ux / depth, uy / depth, -(ux * x + uy * y) / depth
    P[1, 0], P[1, 1], P[1, 2] = vx / depth, vy / depth, -(vx * x + vy * y) / depth
    return s00 * du + s01 * dv, s01 * du + s11 * dv, bend, square


@numba.njit(**KERNEL)
def accumulate(R, t, xyz, lens, frame, uv, weights, starts, scale, damping):
    """The reduced normal equations, and what `point_steps` needs.

    Returns H and g over cameras and lens; for each point the inverse of its damped block and its gradient; for each
    observation the blocks between its camera and its point (6 x 3); for each point that between lens and point (3 x 3).
    """
    cameras, points = R.shape[0], starts.shape[0] - 1
    size = 6 * cameras + 3
    L = 6 * cameras
    focal = lens[0]
    H = np.zeros((size, size))
    g = np.zeros(size)
    inverse = np.zeros((points, 3, 3))
    right = np.zeros((points, 3))
    W = np.zeros((frame.shape[0], 6, 3))
    WL = np.zeros((points, 3, 3))
    Jc, Jl, Jx = np.zeros((2, 6)), np.zeros((2, 3)), np.zeros((2, 3))
    P = np.zeros((2, 3))
    r = np.zeros(2)
    WV = np.zeros((6, 3))
    # A point's W as three rows over all cameras, so that rows of H are updated along their length.
    rows = np.zeros((3, 6 * cameras))
    for p in range(points):
        V = np.zeros((3, 3))
        first, last = starts[p], starts[p + 1]
        s00, s01, s11 = weights[p, 0, 0], weights[p, 0, 1], weights[p, 1, 1]
        for m in range(first, last):
            i = frame[m]
            X = R[i, 0, 0] * xyz[p, 0] + R[i, 0, 1] * xyz[p, 1] + R[i, 0, 2] * xyz[p, 2] + t[i, 0]
            Y = R[i, 1, 0] * xyz[p, 0] + R[i, 1, 1] * xyz[p, 1] + R[i, 1, 2] * xyz[p, 2] + t[i, 1]
            Z = R[i, 2, 0] * xyz[p, 0] + R[i, 2, 1] * xyz[p, 1] + R[i, 2, 2] * xyz[p, 2] + t[i, 2]
            if Z <= 1e-9:
                continue
            x, y = X / Z, Y / Z
            r[0], r[1], bend, square = _residual(x, y, Z, lens, uv[m, 0], uv[m, 1], s00, s01, s11, P)
            weight = 1 / (scale**2 + r[0] * r[0] + r[1] * r[1])
            for a in range(2):
                Jc[a, 0] = P[a, 2] * Y - P[a, 1] * Z
                Jc[a, 1] = P[a, 0] * Z - P[a, 2] * X
                Jc[a, 2] = P[a, 1] * X - P[a, 0] * Y
                for b in range(3):
                    Jc[a, 3 + b] = P[a, b]
                    Jx[a, b] = P[a, 0] * R[i, 0, b] + P[a, 1] * R[i, 1, b] + P[a, 2] * R[i, 2, b]
            wx, wy = focal * (s00 * x + s01 * y), focal * (s01 * x + s11 * y)
            Jl[0, 0], Jl[1, 0] = bend * wx, bend * wy
            Jl[0, 1], Jl[1, 1] = square * wx, square * wy
            Jl[0, 2], Jl[1, 2] = square * square * wx, square * square * wy
            for a in range(2):
                for b in range(6):
                    wb = weight * Jc[a, b]
                    g[6 * i + b] += wb * r[a]
                    for c in range(6):
                        H[6 * i + b, 6 * i + c] += wb * Jc[a, c]
                    for c in range(3):
                        H[6 * i + b, L + c] += wb * Jl[a, c]
                        W[m, b, c] += wb * Jx[a, c]
                for b in range(3):
                    wb = weight * Jl[a, b]
                    g[L + b] += wb * r[a]
                    for c in range(3):
                        H[L + b, L + c] += wb * Jl[a, c]
                        WL[p, b, c] += wb * Jx[a, c]
                    wj = weight * Jx[a, b]
                    right[p, b] += wj * r[a]
                    for c in range(3):
                        V[b, c] += wj * Jx[a, c]
        # A direction has no depth: the damping's share of the trace keeps its block regular.
        ridge = (damping + 1e-12) * (V[0, 0] + V[1, 1] + V[2, 2]) + 1e-30
        for b in range(3):
            V[b, b] += damping * V[b, b] + ridge
        inverse[p] = np.linalg.inv(V)
        Q = inverse[p]
        for m in range(first, last):
            for b in range(6):
                for c in range(3):
                    rows[c, 6 * frame[m] + b] = W[m, b, c]
        for m in range(first, last):
            i = frame[m]
            for b in range(6):
                for c in range(3):
                    WV[b, c] = W[m, b, 0] * Q[0, c] + W[m, b, 1] * Q[1, c] + W[m, b, 2] * Q[2, c]
                g[6 * i + b] -= WV[b, 0] * right[p, 0] + WV[b, 1] * right[p, 1] + WV[b, 2] * right[p, 2]
                for c in range(3):
                    H[6 * i + b, L + c] -= WV[b, 0] * WL[p, c, 0] + WV[b, 1] * WL[p, c, 1] + WV[b, 2] * WL[p, c, 2]
            start, end = 6 * i, 6 * frame[last - 1] + 6
            first_row, second_row, third_row = rows[0, start:end], rows[1, start:end], rows[2, start:end]
            for b in range(6):
                _subtract(H[start + b, start:end], WV[b, 0], first_row, WV[b, 1], second_row, WV[b, 2], third_row)
        for m in range(first, last):
            rows[:, 6 * frame[m] : 6 * frame[m] + 6] = 0
        for b in range(3):
            for c in range(3):
                WV[b, c] = WL[p, b, 0] * Q[0, c] + WL[p, b, 1] * Q[1, c] + WL[p, b, 2] * Q[2, c]
            g[L + b] -= WV[b, 0] * right[p, 0] + WV[b, 1] * right[p, 1] + WV[b, 2] * right[p, 2]
            for c in range(3):
                H[L + b, L + c] -= WV[b, 0] * WL[p, c, 0] + WV[b, 1] * WL[p, c, 1] + WV[b, 2] * WL[p, c, 2]
    # Observations of a point are sorted by frame, so only the upper triangle was filled between cameras.
    for a in range(size):
        for b in range(a):
            H[a, b] = H[b, a]
    return H, g, inverse, right, W, WL


@numba.njit(**KERNEL, fastmath={"contract"})
def _subtract(row, a, first, b, second, c, third):
    for k in range(len(first)):
        row[k] -= a * first[k] + b * second[k] + c * third[k]


@numba.njit(**KERNEL)
def point_steps(step, frame, starts, inverse, right, W, WL):
    """Steps of the points that follow from the cameras' and the lens's: N x 3."""
    points = starts.shape[0] - 1
    L = step.shape[0] - 3
    out = np.zeros((points, 3))
    for p in range(points):
        for c in range(3):
            total = right[p, c]
            for b in range(3):
                total += WL[p, b, c] * step[L + b]
            for m in range(starts[p], starts[p + 1]):
                for b in range(6):
                    total += W[m, b, c] * step[6 * frame[m] + b]
            for b in range(3):
                out[p, b] -= inverse[p, b, c] * total
    return out


@numba.njit(**KERNEL)
def settle_points(R, t, xyz, lens, frame, uv, weights, starts, scale, steps):
    """Each point moved to a lower robust cost by Levenberg-Marquardt steps of its own, with the cameras held: N x 3.

    Points with a single observation stay where they are.
    """
    settled = xyz.copy()
    V, best_V = np.zeros((3, 3)), np.zeros((3, 3))
    g, best_g = np.zeros(3), np.zeros(3)
    P, J = np.zeros((2, 3)), np.zeros((2, 3))
    X = np.zeros(3)
    for p in range(starts.shape[0] - 1):
        first, last = starts[p], starts[p + 1]
        if last - first < 2:
            continue
        s00, s01, s11 = weights[p, 0, 0], weights[p, 0, 1], weights[p, 1, 1]
        damping, least = 1e-4, np.inf
        trial = xyz[p].copy()
        for _ in range(steps + 1):
            V[:], g[:], cost = 0, 0, 0.0
            for m in range(first, last):
                i = frame[m]
                for a in range(3):
                    X[a] = R[i, a, 0] * trial[0] + R[i, a, 1] * trial[1] + R[i, a, 2] * trial[2] + t[i, a]
                if X[2] <= 1e-9:
                    cost += np.log(1 + 1e6 / scale**2)
                    continue
                x, y, Z = X[0] / X[2], X[1] / X[2], X[2]
                rx, ry, _, _ = _residual(x, y, Z, lens, uv[m, 0], uv[m, 1], s00, s01, s11, P)
                away = rx * rx + ry * ry
                cost += np.log(1 + away / scale**2)
                weight = 1 / (scale**2 + away)
                for a, r in ((0, rx), (1, ry)):
                    for c in range(3):
                        J[a, c] = P[a, 0] * R[i, 0, c] + P[a, 1] * R[i, 1, c] + P[a, 2] * R[i, 2, c]
                    for c in range(3):
                        g[c] += weight * J[a, c] * r
                        for d in range(3):
                            V[c, d] += weight * J[a, c] * J[a, d]
            if cost < least:
                least = cost
                settled[p], best_V[:], best_g[:] = trial, V, g
                damping /= 5
            else:
                damping *= 20
            V[:] = best_V
            ridge = 1e-3 * damping * (V[0, 0] + V[1, 1] + V[2, 2]) + 1e-30
            for a in range(3):
                V[a, a] += damping * V[a, a] + ridge
            trial = settled[p] - np.linalg.solve(V, best_g)
    return settled
