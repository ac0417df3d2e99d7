"""Loops of arrayenh.scenes.image_source and reverberation.  Nothing is checked here."""

import math

from arrayenh._kernels.compiler import njit

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN


@njit(cache=True, fastmath=SUM)
def add_images(x, y, z, radius, rate, max_order, pattern, axis, grid):
    """Add every image within a radius as an impulse on a finely sampled grid.

    `x`, `y`, `z` have shape (n, 3): offset from the microphone, gain, order of the
    reflections of each axis, nearest first.  `rate` is grid samples per metre; `grid[1]` is
    time 0.  Between grid samples an impulse is spread by cubic Lagrange interpolation.
    """
    square = radius * radius
    for i in range(x.shape[0]):
        left_x = square - x[i, 0] * x[i, 0]
        if left_x < 0:
            break
        for j in range(y.shape[0]):
            left_y = left_x - y[j, 0] * y[j, 0]
            if left_y < 0:
                break
            order = x[i, 2] + y[j, 2]
            gain = x[i, 1] * y[j, 1]
            if order > max_order or gain == 0:
                continue
            across = square - left_y
            for k in range(z.shape[0]):
                rise = z[k, 0]
                if rise * rise > left_y:
                    break
                if order + z[k, 2] > max_order:
                    continue
                distance = math.sqrt(across + rise * rise)
                amplitude = gain * z[k, 1] / distance
                if pattern < 1.0:
                    along = x[i, 0] * axis[0] + y[j, 0] * axis[1] + rise * axis[2]
                    amplitude *= pattern + (1.0 - pattern) * along / distance
                time = distance * rate
                n = int(time)
                u = time - n
                grid[n] -= amplitude * u * (u - 1.0) * (u - 2.0) * (1.0 / 6.0)
                grid[n + 1] += amplitude * (u + 1.0) * (u - 1.0) * (u - 2.0) * 0.5
                grid[n + 2] -= amplitude * (u + 1.0) * u * (u - 2.0) * 0.5
                grid[n + 3] += amplitude * (u + 1.0) * u * (u - 1.0) * (1.0 / 6.0)


@njit(cache=True, fastmath=SUM)
def count_energy(x, y, z, radius, rate, energy):
    """Energy 1/d² of every image within a radius, by time and order: `energy` (T, O)."""
    square = radius * radius
    last = energy.shape[1] - 1
    for i in range(x.shape[0]):
        left_x = square - x[i, 0] * x[i, 0]
        if left_x < 0:
            break
        for j in range(y.shape[0]):
            left_y = left_x - y[j, 0] * y[j, 0]
            if left_y < 0:
                break
            order = x[i, 2] + y[j, 2]
            across = square - left_y
            for k in range(z.shape[0]):
                rise = z[k, 0]
                if rise * rise > left_y:
                    break
                distance = across + rise * rise
                n = min(int(order + z[k, 2]), last)
                energy[int(math.sqrt(distance) * rate), n] += 1.0 / distance


@njit(cache=True, fastmath=SUM)
def sort_images(x, y, z, radius, rate, max_order, directions, grids):
    """`add_images` with one grid for each direction (K, 3); each image goes to the nearest.

    The image of order 0, the direct path, is left out.
    """
    square = radius * radius
    for i in range(x.shape[0]):
        left_x = square - x[i, 0] * x[i, 0]
        if left_x < 0:
            break
        for j in range(y.shape[0]):
            left_y = left_x - y[j, 0] * y[j, 0]
            if left_y < 0:
                break
            order = x[i, 2] + y[j, 2]
            gain = x[i, 1] * y[j, 1]
            if order > max_order or gain == 0:
                continue
            across = square - left_y
            for k in range(z.shape[0]):
                rise = z[k, 0]
                if rise * rise > left_y:
                    break
                if order + z[k, 2] > max_order or order + z[k, 2] == 0:
                    continue
                nearest, most = 0, -math.inf
                for d in range(directions.shape[0]):
                    along = (
                        x[i, 0] * directions[d, 0]
                        + y[j, 0] * directions[d, 1]
                        + rise * directions[d, 2]
                    )
                    if along > most:
                        nearest, most = d, along
                distance = math.sqrt(across + rise * rise)
                amplitude = gain * z[k, 1] / distance
                time = distance * rate
                n = int(time)
                u = time - n
                grid = grids[nearest]
                grid[n] -= amplitude * u * (u - 1.0) * (u - 2.0) * (1.0 / 6.0)
                grid[n + 1] += amplitude * (u + 1.0) * (u - 1.0) * (u - 2.0) * 0.5
                grid[n + 2] -= amplitude * (u + 1.0) * u * (u - 2.0) * 0.5
                grid[n + 3] += amplitude * (u + 1.0) * u * (u - 1.0) * (1.0 / 6.0)
