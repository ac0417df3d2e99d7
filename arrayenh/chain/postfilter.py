"""The post-filter as a stage: what it hears beside the voice, and one gain for two ears."""

import numpy as np

from arrayenh.chain.capture import RATE
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import Settings
from arrayenh.chain.signals import Signals
from arrayenh.postfilters.neural import NeuralPostFilter
from arrayenh.postfilters.statistical import StatisticalPostFilter


class PostFilterStage:
    """A post-filter behind the spatial stages, or behind a microphone alone."""

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
        """Nothing."""
        return []


def one_or_two(samples: np.ndarray) -> np.ndarray:
    """One channel (1, n) as (n,), two ears as they are."""
    return samples[0] if len(samples) == 1 else samples


def postfilter_stage(
    settings: Settings, networks: Networks, n_channels: int
) -> PostFilterStage | None:
    """The post-filter of the settings; None where there is none, or it is a spatial one."""
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
