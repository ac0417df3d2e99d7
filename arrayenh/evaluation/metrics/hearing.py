"""Binaural scores from hearing models, by `pyclarity`."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soxr

from arrayenh.errors import MetricError, MissingExtraError
from arrayenh.evaluation.metric import of_ears, of_listener
from arrayenh.evaluation.metrics.checks import both_ears
from arrayenh.hearing.audiograms import Audiogram

AUDIOGRAM_HZ = (250, 500, 1000, 2000, 4000, 6000)
"""Frequencies of the models' audiogram, Hz."""

LEVEL_DB = 65.0
"""Conversational level, dB SPL: the level of the clean speech at the louder ear."""

LEAST_SECONDS = 0.5
MODEL_RATE = 24000
"""Sample rate of the models of HASPI and HASQI, Hz."""


def haspi(
    reference_ears: np.ndarray,
    ears: np.ndarray,
    sample_rate: int,
    audiogram: Audiogram | None = None,
) -> float:
    """Hearing-aid speech perception index, HASPI version 2, of the better ear.

    Computed by `pyclarity`: a model of the ear for clean speech and normal hearing against
    one for the output and the listener's hearing. Both signals are scaled by one gain that
    sets the RMS of the clean speech, at the ear where it is louder, to 65 dB SPL, so the level
    of the output counts: the gain of a hearing aid raises the score of a listener with a hearing
    loss. The clean speech is that at the ears, without any amplification. The model's internal
    noise is the same in each call.

    Parameters
    ----------
    reference_ears : float ndarray, shape (2, N)
        Clean target, left and right.
    ears : float ndarray, shape (2, N)
        Output, left and right.
    sample_rate : int
        Hz; one that is not whole kHz is resampled to 24 kHz with soxr.
    audiogram : Audiogram, optional
        Hearing of the listener, each ear its own. Default: normal.

    Returns
    -------
    intelligibility : float
        Without unit, in [0, 1]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not float arrays of one shape (2, N).
    MetricError
        If a sample is NaN or infinite, an ear is silent, or the signals are shorter than
        0.5 s.
    MissingExtraError
        If `pyclarity` is not installed.

    References
    ----------
    J. Kates, K. Arehart, "The hearing-aid speech perception index (HASPI) version 2",
    Speech Communication 131, 2021.
    """
    _require_clarity()
    from clarity.evaluator.haspi import haspi_v2_be

    return _better_ear(haspi_v2_be, reference_ears, ears, sample_rate, audiogram)


HASPI = of_listener(
    haspi, "HASPI", (0.0, 1.0), "intelligibility, better ear, by audiogram (HASPI v2)", rank=260
)


def hasqi(
    reference_ears: np.ndarray,
    ears: np.ndarray,
    sample_rate: int,
    audiogram: Audiogram | None = None,
) -> float:
    """Hearing-aid speech quality index, HASQI version 2, of the better ear.

    Parameters, errors and levels are those of `haspi`. Both signals pass the model of the
    listener's ear, and `pyclarity` amplifies the clean speech by the NAL-R rule for the loss, as
    the output should have been; it must not be amplified before.

    References
    ----------
    J. Kates, K. Arehart, "The hearing-aid speech quality index (HASQI) version 2", J. Audio
    Eng. Soc. 62, 2014.
    """
    _require_clarity()
    from clarity.evaluator.hasqi import hasqi_v2_better_ear

    return _better_ear(hasqi_v2_better_ear, reference_ears, ears, sample_rate, audiogram)


HASQI = of_listener(
    hasqi, "HASQI", (0.0, 1.0), "quality, better ear, by audiogram (HASQI v2)", rank=270
)


def mbstoi(reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int) -> float:
    """Modified binaural STOI: intelligibility with two ears.

    STOI of the better ear or, if higher, of the difference of both ears after the delay and
    gain that maximise the speech-to-noise ratio (equalisation-cancellation). Computed by
    `pyclarity` at 10 kHz, which resamples other rates itself. The gain does not matter.

    Parameters
    ----------
    reference_ears, ears : float ndarray, shape (2, N)
        Clean target and output, left and right.
    sample_rate : int
        Hz.

    Returns
    -------
    intelligibility : float
        Without unit, in [-1, 1]; in practice 0 to 1; higher is better.

    Raises
    ------
    ShapeError
        If the two are not float arrays of one shape (2, N).
    MetricError
        If a sample is NaN or infinite, an ear is silent, the signals are shorter than 0.5 s,
        or fewer than 30 frames (0.4 s) are left without the pauses.
    MissingExtraError
        If `pyclarity` is not installed.

    References
    ----------
    A. H. Andersen, J. M. de Haan, Z.-H. Tan, J. Jensen, "Refinement and validation of the
    binaural short time objective intelligibility measure for spatially diverse conditions",
    Speech Communication 102, 2018.
    """
    _require_clarity()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "open_text is deprecated", DeprecationWarning)
        from clarity.evaluator.mbstoi import mbstoi as compute

    clean, output = both_ears(reference_ears, ears, sample_rate)
    _long_enough(clean, sample_rate)
    with _contained(), np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("error", "Mean of empty slice", RuntimeWarning)
        try:
            return float(compute(*clean, *output, sample_rate))
        except (
            RuntimeWarning,
            ValueError,
        ):
            # pyclarity fails on the mean of no frames, or on an array of negative length
            raise MetricError(
                "MBSTOI needs 30 frames (0.4 s) of speech after its pauses are removed; "
                f"got too few in {clean.shape[1] / sample_rate:.2f} s"
            ) from None


MBSTOI = of_ears(mbstoi, "MBSTOI", "", (-1.0, 1.0), "intelligibility with two ears", rank=280)


def _better_ear(
    compute: Any,
    reference_ears: np.ndarray,
    ears: np.ndarray,
    sample_rate: int,
    audiogram: Audiogram | None,
) -> float:
    """Compute HASPI or HASQI with the clean speech at 65 dB SPL."""
    from clarity.utils.audiogram import Audiogram as Levels
    from clarity.utils.audiogram import Listener

    loss = np.zeros((2, len(AUDIOGRAM_HZ))) if audiogram is None else audiogram.at(AUDIOGRAM_HZ)
    clean, output = both_ears(reference_ears, ears, sample_rate)
    _long_enough(clean, sample_rate)
    rms = np.sqrt(np.mean(clean**2, axis=1).max())
    signals = [*clean / rms, *output / rms]
    if sample_rate % 1000:  # the package would round it
        signals = [soxr.resample(signal, sample_rate, MODEL_RATE) for signal in signals]
        sample_rate = MODEL_RATE
    listener = Listener(*(Levels(one, np.array(AUDIOGRAM_HZ)) for one in loss))
    with _contained():
        return float(compute(*signals, sample_rate, listener, LEVEL_DB))


def _long_enough(clean: np.ndarray, sample_rate: int) -> None:
    """Raise an error if the signals are too short for the models."""
    seconds = clean.shape[1] / sample_rate
    if seconds < LEAST_SECONDS:
        raise MetricError(f"a hearing model needs {LEAST_SECONDS:g} s; got {seconds:.2f} s")


def _require_clarity() -> None:
    """Raise an error if `pyclarity` or PyYAML is not installed."""
    try:
        import clarity.evaluator  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "HASPI, HASQI and MBSTOI need pyclarity and PyYAML: pip install 'arrayenh[hearing]' "
            "(or, without the PyTorch that is not used here, pip install --no-deps pyclarity)"
        ) from error


@contextmanager
def _contained() -> Iterator[None]:
    """Undo the side effects of `pyclarity` on the process.

    It draws noise from NumPy's global generator, and logs to the root logger, which puts a
    handler there if there is none.
    """
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        np.random.set_state(state)  # noqa: NPY002
