"""Loops of arrayenh.microphones.watch.  Nothing is checked here."""

from arrayenh._kernels.compiler import njit


@njit(cache=True)
def measure(samples, before, near, least, out, coarse):
    """Measure each microphone, (M, n), once a step.

    out (5, M): whether samples are not finite, minimum, maximum, variance and share of the samples
    in flat tops: the middle ones of three equal samples beyond `near` times the larger of the
    extreme and the one `before` (M,), and beyond `least`. coarse (M, K): means of K parts.
    """
    n_mics, n = samples.shape
    n_parts = coarse.shape[1]
    size = n // n_parts
    for m in range(n_mics):
        bad, total, square = 0.0, 0.0, 0.0
        low = high = samples[m, 0] if abs(samples[m, 0]) < 1e30 else 0.0
        for k in range(n):
            x = samples[m, k]
            if not abs(x) < 1e30:  # so for NaN
                bad, x = 1.0, 0.0
                samples[m, k] = 0.0
            total += x
            low, high = min(low, x), max(high, x)
        mean = total / n
        for k in range(n):
            square += (samples[m, k] - mean) ** 2
        top = max(near * max(high, -low, before[m]), least)
        flat = 0
        for k in range(1, n - 1):
            x = samples[m, k]
            if abs(x) >= top and x == samples[m, k - 1] and x == samples[m, k + 1]:
                flat += 1
        out[0, m], out[1, m], out[2, m] = bad, low, high
        out[3, m], out[4, m] = square / n, flat / (n - 2)
        for p in range(n_parts):
            part = 0.0
            for k in range(p * size, (p + 1) * size):
                part += samples[m, k]
            coarse[m, p] = part / size
