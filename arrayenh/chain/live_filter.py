"""Masks, beamformer and post-filter of a live chain, from frame to frame."""

from dataclasses import dataclass

import numpy as np

from arrayenh.chain.capture import RATE
from arrayenh.chain.live_beam import LiveBeam
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import Settings
from arrayenh.networks.runtime import Network
from arrayenh.postfilters.neural import real_gain
from arrayenh.postfilters.statistical import StatisticalGain
from arrayenh.statistics.power import squared
from arrayenh.stft import Stft


class LiveFilter:
    """Runs the networks around the beamformer, and the post-filter behind it.

    A network of masks hears each frame before the beamformer learns from it: the output, the
    noise in it, and the reference. One that is the post-filter, too, filters what it hears.

    Parameters
    ----------
    settings : Settings
    stft : Stft
    networks : Networks
    """

    def __init__(self, settings: Settings, stft: Stft, networks: Networks) -> None:
        self._masks = Hearing(networks.mask) if networks.mask else None
        self._postfilter = Hearing(networks.postfilter) if networks.postfilter else None
        if networks.joint:
            self._postfilter = self._masks
        self._gain = None
        if settings.postfiltering is not None:
            self._gain = StatisticalGain(
                settings.postfilter,
                stft.n_freqs,
                stft.hop / RATE,
                settings.least_gain_db,
                settings.noise_tracker,
            )

    def push(
        self, frame: np.ndarray, reference: np.ndarray, beam: LiveBeam | None, learns: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Process a frame.

        Parameters
        ----------
        frame : complex64 ndarray, shape (F, M, 1)
            Microphones in use.
        reference : complex64 ndarray, shape (F, C, 1)
            Those at which speech is estimated.
        beam : LiveBeam or None
            None: the reference passes.
        learns : bool
            Whether the beamformer learns from the frame, and the networks remember it.

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, C, 1)
        filtered : complex64 ndarray, shape (F, C, 1), or None
            Output of the post-filter, if there is one.
        """
        none = np.zeros((len(frame), 1), np.float32)
        heard, filtered = Heard(reference, reference, none, 1 - none), None
        if beam is not None and self._masks is not None:
            heard, filtered = self._steered(self._masks, frame, reference, beam, learns)
        elif beam is not None:
            out, mask = beam.without_network(frame, learns)
            heard = Heard(out, reference, none, mask)
        if self._gain is not None:
            filtered = self._gain.apply(heard.outputs)
        elif self._postfilter is None:
            filtered = None
        elif filtered is None:
            filtered = heard.filtered(self._postfilter.filter(heard))
        if not learns:
            for hearing in filter(None, (self._masks, self._postfilter)):
                hearing.forget_last()
        return heard.outputs, filtered

    def _steered(
        self,
        masks: "Hearing",
        frame: np.ndarray,
        reference: np.ndarray,
        beam: LiveBeam,
        learns: bool,
    ) -> tuple["Heard", np.ndarray | None]:
        """Beamform a frame with masks of a network; its output, too, if it is the post-filter."""
        looked, noise = beam.look(frame)
        before, filtered = Heard(looked, reference, noise, np.ones_like(noise)), None
        if masks is self._postfilter:
            mask, out = masks.both(before)
            filtered = before.filtered(out)
        else:
            mask = masks.mask(before, frame)
        made = beam.learn(frame, mask) if learns else None
        if made is None or (filtered is not None and beam.looks):
            made = looked
        elif filtered is not None:  # of another beamformer than the one that was heard
            filtered = made * before.gain(out)
        return Heard(made, reference, noise, mask), filtered


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a network hears of a frame.

    Attributes
    ----------
    outputs, reference : complex64 ndarray, shape (F, C, 1)
        Output of the beamformer, and its reference microphones.
    noise, mask : float32 ndarray, shape (F, 1)
        Magnitude of the noise in the output, and the mask that steers the beamformer.
    """

    outputs: np.ndarray
    reference: np.ndarray
    noise: np.ndarray
    mask: np.ndarray

    def signals(self, network: Network) -> np.ndarray:
        """Stack the signals in the network's order, (C, F, 1)."""
        reference = one_of(self.reference)
        return network.signals(one_of(self.outputs), reference, self.noise, self.mask * reference)

    def filtered(self, out: np.ndarray) -> np.ndarray:
        """Output of a network, (F, 1), for one ear or as a gain for both, (F, C, 1)."""
        return out[:, None] if self.outputs.shape[1] == 1 else self.outputs * self.gain(out)

    def gain(self, out: np.ndarray) -> np.ndarray:
        """Real gain from the heard output to `out`, (F, 1, 1)."""
        return real_gain(out, one_of(self.outputs))[:, None]


class Hearing:
    """A network, with its state from frame to frame."""

    def __init__(self, network: Network) -> None:
        self._network, self._stream = network, network.stream()
        self._n_mics = 0

    def forget_last(self) -> None:
        """Forget the last frame."""
        self._stream.forget_last()

    def both(self, heard: Heard) -> tuple[np.ndarray, np.ndarray]:
        """Mask and filtered output, (F, 1) each."""
        return self._stream.both(heard.signals(self._network))

    def mask(self, heard: Heard, frame: np.ndarray) -> np.ndarray:
        """Mask (F, 1), of the heard signals or as the mean over the microphones (F, M, 1)."""
        signature = self._network.signature
        if signature.inputs == ("microphone",):
            if frame.shape[1] != self._n_mics:
                self._stream.reset()
                self._n_mics = frame.shape[1]
            return self._stream.masks(frame)
        if signature.task == "both":
            return self.both(heard)[0]
        return self._stream.push(heard.signals(self._network))

    def filter(self, heard: Heard) -> np.ndarray:
        """Filtered output, (F, 1)."""
        if self._network.signature.task == "both":
            return self.both(heard)[1]
        return self._stream.push(heard.signals(self._network))


def one_of(spec: np.ndarray) -> np.ndarray:
    """Output (F, 1) of one ear, or the root of the mean power of both; (F, C, 1)."""
    if spec.shape[1] == 1:
        return spec[:, 0]
    return np.sqrt(squared(spec).mean(axis=1)).astype(np.complex64)
