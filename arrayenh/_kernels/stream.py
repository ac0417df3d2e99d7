"""Loops of arrayenh.chain.stream.  Nothing is checked here."""

from arrayenh._kernels.compiler import njit


@njit(cache=True)
def high_pass(samples, keep, state):
    """y(n) = x(n) - x(n - 1) + keep · y(n - 1), in place; state (2, M): last x and y.

    Digital silence stays digital silence, which nothing is learnt from.
    """
    for m in range(samples.shape[0]):
        before, out = state[0, m], state[1, m]
        for k in range(samples.shape[1]):
            x = samples[m, k]
            out = 0.0 if x == before == 0 else x - before + keep * out
            before = x
            samples[m, k] = out
        state[0, m], state[1, m] = before, out
