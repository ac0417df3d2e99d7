"""Validation of the settings against the microphone geometry."""

from arrayenh.chain.settings import Settings
from arrayenh.checks import numbers
from arrayenh.errors import ConfigError
from arrayenh.microphones.geometry import MicArray


def check_geometry(settings: Settings, array: MicArray | None) -> None:
    """Raise ConfigError if the settings need microphone geometry that is missing.

    Raises
    ------
    ConfigError
        If an array or a direction is missing, or the array has too few microphones.
    """
    beamforming, postfiltering = settings.beamforming, settings.postfiltering
    needs = None
    if beamforming is not None and beamforming.steering == "required":
        needs = f"beamformer {settings.beamformer}"
    elif settings.doa is not None:
        needs = "a direction (doa)"
    elif postfiltering is not None and postfiltering.needs_array:
        needs = f"postfilter {settings.postfilter}"
    elif beamforming is not None and beamforming.two_ears and settings.ears is None:
        needs = f"beamformer {settings.beamformer} without ears (--ears LEFT,RIGHT)"
    if array is None and needs:
        raise ConfigError(f"{needs} needs the array's geometry: give --array NAME or FILE")
    if beamforming is not None and beamforming.steering == "required" and not beamforming.fixed:
        if settings.doa is None:
            raise ConfigError(
                f"beamformer {settings.beamformer} needs a direction: give --doa DEG or --doa auto"
            )
    if array is not None and settings.nulls is not None:
        n_nulls = len(numbers("nulls", settings.nulls))
        if n_nulls >= array.n_mics:
            raise ConfigError(
                f"{array.n_mics} microphones keep one direction and at most "
                f"{array.n_mics - 1} nulls; got {n_nulls}"
            )
