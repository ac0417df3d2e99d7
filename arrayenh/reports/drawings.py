"""Inline SVG drawings of a report: waveforms, and the array from above.

They use the colour of the page's text (`currentColor`), so they are legible in light mode, in
dark mode and in print.
"""

import numpy as np
from markupsafe import Markup

from arrayenh.microphones.mic_array import MicArray

WAVE_COLUMNS = 700
ARRAY_WIDTH = 100.0
"""Drawing units along the longer side of the array."""

MIC_RADIUS = 3.0
MARGIN = 8.0
LABEL_ABOVE = 5.5
PIXELS_PER_UNIT = 1.8
MOST_NUMBERED = 16
"""Most microphones with numbers; larger arrays show that of the reference only."""


def waveform_svg(samples: np.ndarray, peak: float) -> Markup:
    """Draw the outline of a waveform, one segment per column; ±`peak` fills the height.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    peak : float
        Above 0; use one value for waveforms that are compared.
    """
    n_columns = min(WAVE_COLUMNS, samples.size)
    starts = np.arange(n_columns) * samples.size // n_columns
    high = np.maximum.reduceat(samples, starts) / peak
    low = np.minimum.reduceat(samples, starts) / peak
    upper = [f"{x},{-100 * y:.0f}" for x, y in enumerate(high)]
    lower = [f"{x},{-100 * y:.0f}" for x, y in enumerate(low)]
    return Markup(
        f'<svg class="wave" viewBox="0 -102 {max(n_columns - 1, 1)} 204" '
        'preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M{" ".join([*upper, *reversed(lower)])}Z"/></svg>'
    )


def array_svg(array: MicArray) -> Markup:
    """Draw the microphones from above: +x to the right, +y up; the reference is filled."""
    points = array.positions[:, :2] - array.positions[:, :2].min(axis=0)
    span = points.max(axis=0)
    scale = ARRAY_WIDTH / span.max() if span.max() > 0 else 1.0
    across, up = span * scale
    points = np.column_stack([points[:, 0] * scale, up - points[:, 1] * scale])
    room = _spacing(points) >= 4 * MIC_RADIUS and array.n_mics <= MOST_NUMBERED
    marks = []
    for mic, (x, y) in reversed(list(enumerate(points))):
        kind = ' class="reference"' if mic == 0 else ""
        marks.append(f'<circle{kind} cx="{x:.1f}" cy="{y:.1f}" r="{MIC_RADIUS}"/>')
        if room or mic == 0:
            marks.append(f'<text x="{x:.1f}" y="{y - LABEL_ABOVE:.1f}">{mic}</text>')
    box = (-MARGIN, -MARGIN - 6, across + 2 * MARGIN, up + 2 * MARGIN + 6)
    return Markup(
        f'<svg class="array" viewBox="{" ".join(f"{v:.1f}" for v in box)}" role="img" '
        f'style="max-width: {box[2] * PIXELS_PER_UNIT:.0f}px" '
        f'aria-label="Positions of {array.n_mics} microphones from above">'
        f"{''.join(marks)}</svg>"
    )


def _spacing(points: np.ndarray) -> float:
    """Least distance between two points, shape (M, 2)."""
    if len(points) < 2:
        return np.inf
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    return float(distances[~np.eye(len(points), dtype=bool)].min())
