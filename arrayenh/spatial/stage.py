"""The beamformer as a stage of the chain: segments of samples in, one voice out."""

import numpy as np

from arrayenh.config import EnhanceConfig
from arrayenh.geometry import MicArray
from arrayenh.spatial import beamformers, statistics
from arrayenh.spatial.localise import localise
from arrayenh.spatial.masks import SppMasks
from arrayenh.spatial.steering import plane_wave
from arrayenh.stft import Analysis, Stft, Synthesis

RATE = 16_000  # Hz


class SpatialStage:
    """Beamforms segment by segment; weights change by a crossfade of equal gains.

    Distortionless weights stay so in between: both keep the talker as the reference
    microphone hears it, and so does every mixture of them.

    Parameters
    ----------
    config : EnhanceConfig
    stft : Stft
    n_mics : int
    reference : int
        Index among the microphones.
    array : MicArray, optional

    Attributes
    ----------
    active : bool
        Whether there is anything to do: not with one microphone, nor beamformer "none".
    notes : list of str
        For the user.
    """

    def __init__(
        self,
        config: EnhanceConfig,
        stft: Stft,
        n_mics: int,
        reference: int,
        array: MicArray | None = None,
    ) -> None:
        self.config, self.stft, self.reference, self.array = (
            config,
            stft,
            reference,
            array,
        )
        self.active = n_mics > 1 and config.beamformer != "none"
        self.notes = (
            ["one microphone: the spatial stages step aside"]
            if n_mics == 1 and config.beamformer != "none"
            else []
        )
        self.azimuths_deg: list[float] = []
        self._n_passed = self._n_bins = 0
        self._analysis, self._synthesis = Analysis(stft, n_mics), Synthesis(stft)
        self._masks = SppMasks(stft.n_freqs, stft.hop / RATE)
        self._before: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.config.beamformer

    def push(self, segment: np.ndarray, last: bool) -> np.ndarray:
        """Beamform the next segment.

        Parameters
        ----------
        segment : float32 ndarray, shape (M, n)
        last : bool
            The recording ends here.

        Returns
        -------
        beamformed : float32 ndarray, shape (n',)
            What is ready, in time with the reference microphone.
        """
        spec = self._analysis.push(segment, last)
        weights = self._weights(spec)
        beamformed = beamformers.apply(weights, spec)
        if self._before is not None:
            self._crossfade(self._before, spec, beamformed)
        self._before = weights
        return self._synthesis.push(beamformed)

    def summary(self) -> list[str]:
        """What there is to say at the end."""
        lines = []
        if self.azimuths_deg:
            found = ", ".join(f"{azimuth:.0f}" for azimuth in self.azimuths_deg)
            lines.append(f"direction of the talker: {found} degrees")
        if self._n_passed:
            lines.append(
                f"{self._n_passed} of {self._n_bins} bins hold no sound: "
                f"they pass the reference microphone"
            )
        return lines

    def _weights(self, spec: np.ndarray) -> np.ndarray:
        config = self.config
        steered = config.beamformer == "das" or config.doa is not None
        steering = self._steering(spec) if steered else None
        if steering is not None and config.beamformer == "das":
            return beamformers.delay_and_sum(steering)
        mask = self._mask(spec)
        if steering is None:
            weights, n_passed = statistics.blind_mvdr(
                spec, mask, self.reference, config.loading
            )
        else:
            weights, n_passed = statistics.steered_mvdr(
                spec, mask, steering, self.reference, config.loading
            )
        self._n_passed += n_passed
        self._n_bins += len(spec)
        return weights

    def _mask(self, spec: np.ndarray) -> np.ndarray:
        def beamform(mask: np.ndarray) -> np.ndarray:
            weights, _ = statistics.blind_mvdr(
                spec, mask, self.reference, self.config.loading
            )
            return beamformers.apply(weights, spec)

        return self._masks.estimate(spec, beamform)

    def _steering(self, spec: np.ndarray) -> np.ndarray:
        assert self.array is not None  # Enhancer refuses to steer without one
        positions, freqs = self.array.positions, self.stft.freqs(RATE)
        if isinstance(self.config.doa, int | float):
            azimuth = float(np.deg2rad(self.config.doa))
        else:
            azimuth = localise(spec, positions, freqs, self._mask(spec))
            self.azimuths_deg.append(float(np.rad2deg(azimuth)))
        return plane_wave(positions, azimuth, freqs, reference=self.reference)

    def _crossfade(
        self, before: np.ndarray, spec: np.ndarray, beamformed: np.ndarray
    ) -> None:
        n = min(
            round(self.config.crossfade_seconds * RATE / self.stft.hop), spec.shape[2]
        )
        rise = ((np.arange(n) + 0.5) / max(n, 1)).astype(np.float32)
        start = np.ascontiguousarray(spec[:, :, :n])
        beamformed[:, :n] = (1 - rise) * beamformers.apply(
            before, start
        ) + rise * beamformed[:, :n]
