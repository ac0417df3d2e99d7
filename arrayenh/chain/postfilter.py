"""The post-filter as a stage of the chain; its gain is common to both ears."""

import numpy as np

from arrayenh.chain.capture import RATE
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import Settings
from arrayenh.chain.signals import Signals
from arrayenh.postfilters.neural import NeuralPostFilter
from arrayenh.postfilters.statistical import StatisticalPostFilter


class PostFilterStage:
    """A post-filter after the spatial stages, or after a single microphone."""

    def __init__(self, name: str, postfilter: StatisticalPostFilter | NeuralPostFilter) -> None:
        self._name, self._postfilter = name, postfilter

    def push(self, signals: Signals, last: bool) -> Signals:
        """Process the next samples; see `Stage`."""
        voice, reference = one_or_two(signals.voice), one_or_two(signals.reference)
        if isinstance(self._postfilter, StatisticalPostFilter):
            out = self._postfilter.push(voice, last)
        else:
            none = np.zeros(voice.shape[-1], np.float32)
            told = {
                "noise": none if signals.noise is None else signals.noise,
                "masked": voice if signals.masked is None else signals.masked,
            }
            out = self._postfilter.push(voice, last, reference, told)
        return signals.then(self._name, np.atleast_2d(out))

    def summary(self) -> list[str]:
        """Return no log lines."""
        return []


def one_or_two(samples: np.ndarray) -> np.ndarray:
    """Drop the channel axis of one channel, (1, n) -> (n,); two ears keep it."""
    return samples[0] if len(samples) == 1 else samples


def postfilter_stage(
    settings: Settings, networks: Networks, n_channels: int
) -> PostFilterStage | None:
    """Build the post-filter of the settings; None if there is none or it is multichannel."""
    record = settings.postfiltering
    if record is not None and record.gain is not None:
        return PostFilterStage(
            settings.postfilter,
            StatisticalPostFilter(
                settings.postfilter,
                RATE,
                settings.least_gain_db,
                settings.noise_tracker,
                n_channels,
            ),
        )
    if networks.postfilter is not None:
        return PostFilterStage(
            settings.postfilter, NeuralPostFilter(networks.postfilter, n_channels)
        )
    return None
