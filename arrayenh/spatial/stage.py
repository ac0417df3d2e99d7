"""The beamformer as a stage of the chain: segments of samples in, one voice out."""

import numpy as np

from arrayenh.config import EnhanceConfig
from arrayenh.geometry import MicArray
from arrayenh.spatial import beamformers, statistics
from arrayenh.spatial.localise import localise
from arrayenh.spatial.masks import SppMasks
from arrayenh.spatial.steering import plane_wave
from arrayenh.stft import Analysis, Stft, Synthesis

STEERED_LOADING = 1e-2  # relative: geometry and direction never are exact


class SegmentFilter:
    """Applies the weights of each segment, with a crossfade from those before.

    Distortionless weights stay so in between: both keep the talker as the reference
    microphone hears it, and so does every mixture of them.

    Parameters
    ----------
    stft : Stft
    n_mics : int
    crossfade_frames : int
        Frames, at the start of a segment, in which the weights change.
    """

    def __init__(self, stft: Stft, n_mics: int, crossfade_frames: int) -> None:
        self._analysis, self._synthesis = Analysis(stft, n_mics), Synthesis(stft)
        self._crossfade_frames = crossfade_frames
        self._before: np.ndarray | None = None

    def analyse(self, segment: np.ndarray, last: bool) -> np.ndarray:
        """Spectrum of the next segment, shape (M, n) -> (F, M, T)."""
        return self._analysis.push(segment, last)

    def apply(self, weights: np.ndarray, spec: np.ndarray) -> np.ndarray:
        """Filter a spectrum; return the samples that are ready, shape (n',)."""
        beamformed = beamformers.apply(weights, spec)
        n = min(self._crossfade_frames, spec.shape[2])
        if self._before is not None and n:
            rise = ((np.arange(n) + 0.5) / n).astype(np.float32)
            old = beamformers.apply(self._before, np.ascontiguousarray(spec[:, :, :n]))
            beamformed[:, :n] = (1 - rise) * old + rise * beamformed[:, :n]
        self._before = weights
        return self._synthesis.push(beamformed)


class SpatialStage:
    """Estimates weights segment by segment and applies them.

    Parameters
    ----------
    config : EnhanceConfig
    stft : Stft
    sample_rate : int
        Hz.
    n_mics : int
    reference : int
        Index among the microphones.
    array : MicArray, optional
        Needed to steer.
    n_samples : int
        Length of the recording; less than a frame is too little to estimate from.

    Attributes
    ----------
    active : bool
        Whether there is anything to do: not with one microphone, nor beamformer "none", nor
        where the recording is too short.
    weights : list of complex128 ndarray, shape (F, M)
        Of each segment so far.
    """

    def __init__(
        self,
        config: EnhanceConfig,
        stft: Stft,
        sample_rate: int,
        n_mics: int,
        reference: int,
        array: MicArray | None,
        n_samples: int,
    ) -> None:
        self.config, self.reference, self.array = config, reference, array
        self._aside = why_aside(config, n_mics, n_samples, stft.n_fft)
        self.active = config.beamformer != "none" and self._aside is None
        self.weights: list[np.ndarray] = []
        self._freqs = stft.freqs(sample_rate)
        self._crossfade_frames = round(config.crossfade_seconds * sample_rate / stft.hop)
        self._stft, self._n_mics = stft, n_mics
        self._masks = SppMasks(stft.n_freqs, stft.hop / sample_rate)
        self._filter = self.new_filter()
        steered = config.doa is not None
        usual = STEERED_LOADING if steered else beamformers.LOADING
        self._loading = usual if config.loading is None else config.loading
        self._azimuths_deg: list[float] = []
        self._n_passed = self._n_bins = 0

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.config.beamformer

    def new_filter(self) -> SegmentFilter:
        """A filter of the same form, to apply `weights` to other signals (shadow filtering)."""
        return SegmentFilter(self._stft, self._n_mics, self._crossfade_frames)

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
        spec = self._filter.analyse(segment, last)
        self.weights.append(self._estimate(spec))
        return self._filter.apply(self.weights[-1], spec)

    def summary(self) -> list[str]:
        """What there is to say at the end."""
        lines = []
        if self.config.beamformer == "none":
            if self.config.doa is not None:
                lines.append("no beamformer: the direction (doa) is not used")
        elif self._aside:
            lines.append(f"{self._aside}: the spatial stages step aside")
        elif self.array and self.config.beamformer == "mvdr" and self.config.doa is None:
            lines.append("the array's geometry is not used: masks steer; a direction (doa) would")
        if self._azimuths_deg:
            found = ", ".join(f"{azimuth:.0f}" for azimuth in self._azimuths_deg)
            lines.append(f"direction of the talker: {found} degrees")
        if self._n_passed:
            lines.append(
                f"{self._n_passed} of {self._n_bins} bins hold no sound: "
                f"they pass the reference microphone"
            )
        return lines

    def _estimate(self, spec: np.ndarray) -> np.ndarray:
        config, there = self.config, statistics.sounding(spec)
        self._n_passed += int(np.sum(~there))
        self._n_bins += len(there)
        if config.beamformer == "mvdr" and config.doa is None:
            return self._blind(spec, self._mask(spec, there), there)
        auto = not isinstance(config.doa, int | float)
        mask = self._mask(spec, there) if auto or config.beamformer == "mvdr" else None
        steering = self._steering(spec, mask)
        if config.beamformer == "das":
            return beamformers.delay_and_sum(steering)
        assert mask is not None
        weights, _ = statistics.steered_mvdr(
            spec, mask, steering, self.reference, self._loading, there
        )
        return weights

    def _blind(self, spec: np.ndarray, mask: np.ndarray, there: np.ndarray) -> np.ndarray:
        loading = beamformers.LOADING if self.config.doa is not None else self._loading
        return statistics.blind_mvdr(spec, mask, self.reference, loading, there)[0]

    def _mask(self, spec: np.ndarray, there: np.ndarray) -> np.ndarray:
        return self._masks.estimate(
            spec, lambda mask: beamformers.apply(self._blind(spec, mask, there), spec)
        )

    def _steering(self, spec: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        assert self.array is not None  # Enhancer refuses to steer without one
        if isinstance(self.config.doa, int | float):
            azimuth = float(np.deg2rad(self.config.doa))
        else:
            azimuth = localise(spec, self.array.positions, self._freqs, mask)
            self._azimuths_deg.append(float(np.rad2deg(azimuth)))
        return plane_wave(self.array.positions, azimuth, self._freqs, reference=self.reference)


def why_aside(config: EnhanceConfig, n_mics: int, n_samples: int, n_fft: int) -> str | None:
    """Why no beamformer can help, or None."""
    if n_mics == 1:
        return "one microphone"
    blind = config.beamformer != "das" or not isinstance(config.doa, int | float)
    if blind and n_samples < n_fft:
        return f"less than one frame of {n_fft} samples"
    return None
