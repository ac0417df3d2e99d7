"""Loops of arrayenh.hearing.hearing_aid.  Nothing is checked here.

Sums run in one order for each sample, so that no bit depends on the blocks.
"""

import math

from arrayenh._kernels.compiler import njit


@njit(cache=True)
def symmetric_filters(samples, taps, out):
    """Output of symmetric filters, of which `taps` (2, C, D + 1) are the upper halves.

    `samples` (2, n + 2 D) begin with the 2 D before the first new one; `out` (2, C, n).
    """
    n_ears, n_channels, n = out.shape
    delay = taps.shape[2] - 1
    for e in range(n_ears):
        for c in range(n_channels):
            for i in range(n):
                out[e, c, i] = taps[e, c, 0] * samples[e, i + delay]
            for k in range(1, delay + 1):
                tap = taps[e, c, k]
                for i in range(n):
                    out[e, c, i] += tap * (samples[e, i + delay - k] + samples[e, i + delay + k])


@njit(cache=True)
def compress(bands, detected, slope, boost, reference, knee, steps, linked, power, level, out):
    """Sum of the channels, each with the gain of its level.

    The power of each detector is averaged; its level, at least `knee`, rises and falls with two
    time constants. `steps` are those of the average, the rise and the fall; `slope` and `boost`
    (2, C) the fall of the gain for each dB of input and its largest rise, dB; `power` (2, C) and
    `level` (2, C), dB, are the state. Linked ears have the level of the louder one.
    """
    n_ears, n_channels, n = bands.shape
    least = 10 ** (knee / 10)
    for i in range(n):
        for e in range(n_ears):
            out[e, i] = 0.0
        for c in range(n_channels):
            loudest = 0.0
            for e in range(n_ears):
                power[e, c] += steps[0] * (detected[e, c, i] ** 2 - power[e, c])
                loudest = max(loudest, power[e, c])
            for e in range(n_ears):
                if e > 0 and linked:
                    level[e, c] = level[0, c]
                else:
                    heard = loudest if linked else power[e, c]
                    rise = 10 * math.log10(max(heard, least)) - level[e, c]
                    level[e, c] += steps[1 if rise > 0 else 2] * rise
                gain_db = min(slope[e, c] * (reference - level[e, c]), boost[e, c])
                out[e, i] += 10 ** (gain_db / 20) * bands[e, c, i]


@njit(cache=True)
def limit(samples, ceiling, fall, linked, peak):
    """Scale samples, in place, so that none exceeds the `ceiling` (2,) of its ear.

    `peak` (2,) is the state: the excess over the ceiling, which rises at once, falls by the factor
    `fall` each sample and is at least 1.
    """
    n_ears, n = samples.shape
    for i in range(n):
        for e in range(n_ears):
            peak[e] = max(abs(samples[e, i]) / ceiling[e], peak[e] * fall, 1.0)
        if linked:
            peak[:] = max(peak[0], peak[1])
        for e in range(n_ears):
            samples[e, i] /= peak[e]
