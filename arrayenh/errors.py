"""Every exception that arrayenh raises on purpose.

The command line turns any of them into one line and exit code 2; a caller in Python may
catch `ArrayenhError`, or the built-in class that each one also is.
"""


class ArrayenhError(Exception):
    """Base of all errors raised on purpose; its message says what to do.

    Examples
    --------
    >>> import arrayenh
    >>> try:
    ...     arrayenh.Settings(strength=2)
    ... except arrayenh.ArrayenhError as error:
    ...     print(error)
    strength must be 0 to 1; got 2
    """


class ShapeError(ArrayenhError, ValueError):
    """An array does not have the shape, or the dtype, that the function needs."""


class NumericalError(ArrayenhError, ArithmeticError):
    """The numbers given have no answer: an empty mask, a singular covariance."""


class AudioError(ArrayenhError, OSError):
    """A recording cannot be read or is not usable, or a file cannot be written."""


class DeviceLostError(AudioError):
    """A sound device is gone, or gives no sound any more."""


class GeometryError(ArrayenhError, ValueError):
    """A microphone array is unknown, malformed, or does not fit the recording."""


class ConfigError(ArrayenhError, ValueError):
    """An option or a configuration key is unknown or out of range."""


class SceneError(ArrayenhError, ValueError):
    """A simulated scene is impossible: a source outside the room, no speech, ..."""


class MetricError(ArrayenhError, ValueError):
    """A score has no value for these signals: silence, too short, wrong rate."""


class TrialError(ArrayenhError, ValueError):
    """A system cannot work on this recording: no array, no clean speech, too few channels."""


class MissingExtraError(ArrayenhError, ImportError):
    """An optional package is not installed; the message names the extra."""
