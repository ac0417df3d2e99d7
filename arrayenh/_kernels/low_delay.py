"""Loops of arrayenh.audio.low_delay.  Nothing is checked here."""

from arrayenh._kernels.compiler import njit


@njit(cache=True)
def polyphase(samples, taps, first, step, out):
    """Output k is the product of the taps of its phase and the samples up to its position.

    `samples` (M, n) begin with the len(taps[0]) - 1 samples before the first new one. In units of
    1 / len(taps) samples, output k lies at first + k·step after the first new sample. The sum runs
    in one order for every output, so its bits do not depend on the blocks.
    """
    n_phases, n_taps = taps.shape
    for c in range(len(samples)):
        for k in range(out.shape[1]):
            at = first + k * step
            position, phase = at // n_phases, at % n_phases
            total = 0.0
            for i in range(n_taps):
                total += taps[phase, i] * samples[c, position + i]
            out[c, k] = total
