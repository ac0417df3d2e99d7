"""Loss functions of waveforms, spectra and masks, and their weighted sum.

All losses are float32 means over the batch and have finite gradients for silence and zeros:
examples with an undefined value (a ratio to a silent target) are left out.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from arrayenh.errors import ConfigError
from arrayenh.networks.signature import Signature
from arrayenh.stft import Stft
from arrayenh.training.beam import beamform
from arrayenh.training.models.model import NOISE_DB, RANGE_DB, SQUEEZED_DB, loudness
from arrayenh.training.recipe import LossRecipe
from arrayenh.training.stft import TorchStft

BEST_DB = 60.0  # SI-SDR at which the loss saturates
FAINTEST_DB = -60.0  # level re the target below which an estimate counts as zero
NYQUIST = 8000.0  # Hz
TINY = float(torch.finfo(torch.float32).tiny)  # as a denominator it keeps 0 at 0
BEST_BEAM_DB = 30.0  # SI-SDR at which the loss of a beamformer saturates
BEAM = ("beam", "beam_bands")
PICTURES = ("magnitude", "noise_db", "picture")
N_BANDS = 24  # auditory bands of equal width on the ERB-rate scale
LEAST_BAND_DB = -15.0  # SI-SDR below which the loss of a band saturates
FLOOR_DB = -80.0  # power re the mean below which bins count as equal


def si_sdr_loss(
    estimate: Tensor,
    target: Tensor,
    best_db: float = BEST_DB,
    faintest_db: float = FAINTEST_DB,
) -> Tensor:
    """Negative scale-invariant signal-to-distortion ratio, dB.

        α = <y, s> / <s, s>,   τ = 10^(-best/10),   δ = 10^(faintest/10)
        L = 10 log10( (|y - α s|² + τ |α s|² + δ |s|²) / (|α s|² + δ |s|²) )

    τ limits the loss at `best_db` (Wisdom et al. 2020, eq. 1), so that easy examples do not
    dominate the batch; δ keeps it finite for an estimate of zero.

    Parameters
    ----------
    estimate, target : Tensor, shape (B, N)
        y and s.
    best_db, faintest_db : float

    Returns
    -------
    loss : Tensor, shape ()
        Mean over the examples whose target is not silent; 0 if all are.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?", ICASSP
    2019, equations (3) to (5); S. Wisdom et al., "Unsupervised sound separation using mixture
    invariant training", NeurIPS 2020, equation (1).
    """
    energy = target.square().sum(dim=-1)
    heard = energy > 0
    whole = torch.where(heard, energy, 1.0)
    projected = ((estimate * target).sum(dim=-1) / whole)[:, None] * target
    kept = projected.square().sum(dim=-1)
    lost = (estimate - projected).square().sum(dim=-1)
    least = 10 ** (faintest_db / 10) * whole
    ratio = (lost + 10 ** (-best_db / 10) * kept + least) / (kept + least)
    return mean_where(heard, 10 * torch.log10(ratio))


def hearing_bands(n_freqs: int, n_bands: int) -> Tensor:
    """Assign each frequency to one of `n_bands` equal intervals on the ERB-rate scale.

    Returns
    -------
    bands : Tensor of int64, shape (n_freqs,)
        Band index of frequencies from 0 to 8 kHz.

    References
    ----------
    B. Glasberg, B. Moore, "Derivation of auditory filter shapes from notched-noise data",
    Hearing Research 47, 1990, equation (4).
    """
    rate = torch.log10(1 + 0.00437 * torch.linspace(0, NYQUIST, n_freqs, dtype=torch.float64))
    return (rate / rate[-1] * n_bands).long().clamp(max=n_bands - 1)


def band_si_sdr_loss(
    estimate: Tensor,
    target: Tensor,
    bands: Tensor,
    best_db: float = BEST_BEAM_DB,
    least_db: float = LEAST_BAND_DB,
) -> Tensor:
    """Negative scale-invariant signal-to-distortion ratio, mean over frequency bands, dB.

        kept = Re<Y, S>² / <S, S>,   lost = <Y, Y> - kept
        L = 10 log10( (lost + τ kept) / (kept + δ lost) )

    with sums over the bins of a band. All bands have equal weight, as in measures of
    intelligibility, whereas the loudest band dominates a single ratio. τ = 10^(-best/10) and
    δ = 10^(least/10) bound the ratio.

    Parameters
    ----------
    estimate, target : Tensor, shape (B, T, F, 2)
        Y and S.
    bands : Tensor of int64, shape (F,)
        Band index of each frequency, such as from `hearing_bands`.
    best_db, least_db : float

    Returns
    -------
    loss : Tensor, shape ()
        Mean over the bands in which the target is not silent; 0 if there are none.
    """
    n_bands = int(bands.max()) + 1

    def banded(values: Tensor) -> Tensor:
        summed = values.new_zeros(len(values), n_bands)
        return summed.index_add(1, bands, values.sum(dim=1))

    product = banded((estimate * target).sum(dim=-1))
    energy, whole = banded(bin_powers(target)), banded(bin_powers(estimate))
    heard = (energy > 0) & (whole > 0)
    kept = product / positive(energy) * product
    lost = (whole - kept).clamp(min=0)
    ratio = (lost + 10 ** (-best_db / 10) * kept) / (kept + 10 ** (least_db / 10) * lost + TINY)
    return mean_where(heard, 10 * torch.log10(ratio + TINY))


def compressed_spectral_loss(
    estimate: Tensor,
    target: Tensor,
    level: Tensor,
    compression: float = 0.3,
    complex_part: float = 0.3,
    floor_db: float = FLOOR_DB,
) -> Tensor:
    """Distance between compressed spectra, with and without phase.

        L = (1 - β) mean (|S|^c - |Y|^c)² + β mean | |S|^c e^(jφ_S) - |Y|^c e^(jφ_Y) |²

    Parameters
    ----------
    estimate, target : Tensor, shape (B, T, F, 2)
        Y and S.
    level : Tensor, shape (B,)
        Both spectra are divided by it, unless it is 0.
    compression, complex_part : float
        c and β.
    floor_db : float
        Power exponents are applied to |Y|² + 10^(floor/10) instead of |Y|².

    Returns
    -------
    loss : Tensor, shape ()

    References
    ----------
    S. Braun, I. Tashev, "A consolidated view of loss functions for supervised deep
    learning-based speech enhancement", TSP 2021, equation (6).
    """
    floor = 10 ** (floor_db / 10)
    parts = []
    for spec in (estimate, target):
        spec = spec / positive(level)[:, None, None, None]
        power = bin_powers(spec) + floor
        gain = power ** ((compression - 1) / 2)
        parts.append((gain * power.sqrt(), gain[..., None] * spec))
    (y, y_complex), (s, s_complex) = parts
    magnitudes = (s - y).square().mean()
    phases = 2 * (s_complex - y_complex).square().mean()  # of real and imaginary parts
    return (1 - complex_part) * magnitudes + complex_part * phases


def multi_resolution_stft_loss(
    estimate: Tensor,
    target: Tensor,
    level: Tensor,
    stfts: Sequence[TorchStft],
    floor_db: float = FLOOR_DB,
) -> Tensor:
    """Distance between magnitude spectra in several time-frequency resolutions.

        L = mean_r ( ‖|S| - |Y|‖_F / ‖|S|‖_F + mean |log |S| - log |Y|| )

    Parameters
    ----------
    estimate, target : Tensor, shape (B, N)
    level : Tensor, shape (B,)
        Both spectra are divided by it, unless it is 0.
    stfts : sequence of TorchStft
    floor_db : float
        |Y| is computed as the root of |Y|² + 10^(floor/10) · Σ w², w the window.

    Returns
    -------
    loss : Tensor, shape ()
        The first term is left out if the target is silent.

    References
    ----------
    R. Yamamoto, E. Song, J.-M. Kim, "Parallel WaveGAN", ICASSP 2020, equations (4) to (6).
    """
    heard = target.square().sum(dim=-1) > 0
    level = positive(level)[:, None]
    total = estimate.new_zeros(())
    for stft in stfts:
        # white noise of power 1 has Σ w² in every bin
        floor = 10 ** (floor_db / 10) * float((stft.stft.analysis_window**2).sum())
        y, s = ((bin_powers(stft.analyse(x / level)) + floor).sqrt() for x in (estimate, target))
        distance = torch.linalg.vector_norm(s - y, dim=(1, 2))
        convergence = distance / torch.linalg.vector_norm(s, dim=(1, 2))
        total = total + mean_where(heard, convergence) + (s.log() - y.log()).abs().mean()
    return total / len(stfts)


def ideal_ratio_mask(noisy: Tensor, target: Tensor, power: float = 1.0) -> Tensor:
    """Ideal ratio mask |s|^p / (|s|^p + |x - s|^p), 0 if both are 0.

    Parameters
    ----------
    noisy, target : Tensor, shape (B, T, F, 2)
        x and s.
    power : float
        p: 1 for magnitudes, 2 for powers (the Wiener gain).

    Returns
    -------
    mask : Tensor, shape (B, T, F)
    """
    speech = bin_powers(target) ** (power / 2)
    both = speech + bin_powers(noisy - target) ** (power / 2)
    return speech / both.clamp(min=TINY)


def mask_loss(
    mask: Tensor,
    noisy: Tensor,
    target: Tensor,
    measure: str = "mse",
    ratio_power: float = 1.0,
    mask_power: float = 1.0,
    bin_power: float = 0.6,
) -> Tensor:
    """Distance of a mask from the ideal ratio mask, weighted by the noisy magnitude.

        L = Σ |x|^q d(γ^k, γ*) / Σ |x|^q,   d squared or binary cross-entropy

    Parameters
    ----------
    mask : Tensor, shape (B, T, F)
        γ, in [0, 1].
    noisy, target : Tensor, shape (B, T, F, 2)
        x and s.
    measure : {"mse", "bce"}
    ratio_power : float
        Exponent of the ideal mask γ*; see `ideal_ratio_mask`.
    mask_power : float
        k: 2 if statistics are weighted with the squared mask.
    bin_power : float
        q.

    Returns
    -------
    loss : Tensor, shape ()
        Mean over the examples; examples with a silent x are left out.
    """
    ideal = ideal_ratio_mask(noisy, target, ratio_power)
    powered = mask**mask_power if mask_power != 1 else mask
    if measure == "mse":
        distance = (powered - ideal).square()
    else:
        distance = functional.binary_cross_entropy(powered, ideal, reduction="none")
    power = bin_powers(noisy)
    weight = power ** (bin_power / 2) if bin_power else (power > 0).to(power)
    total = weight.sum(dim=(1, 2))
    return mean_where(total > 0, (weight * distance).sum(dim=(1, 2)) / positive(total))


class Loss:
    """Weighted sum of the loss terms of a recipe, for networks with one signature.

    Raises
    ------
    ConfigError
        If a term does not fit the task of the network.
    """

    def __init__(
        self, recipe: LossRecipe, signature: Signature, device: torch.device | str = "cpu"
    ) -> None:
        for term in ("mask", *BEAM):
            if recipe.weights[term] and signature.task == "postfilter":
                raise ConfigError(f"loss.{term} needs a mask; a post-filter returns a spectrum")
        self.recipe, self.signature = recipe, signature
        joint = signature.task == "both"
        self._masked = signature.inputs.index("reference") if joint else 0
        self.weights = {term: weight for term, weight in recipe.weights.items() if weight}
        self.stft = TorchStft(signature.stft, device)
        self._bands = hearing_bands(signature.n_freqs, N_BANDS).to(device)
        sizes = recipe.resolutions if recipe.stft else ()
        self._stfts = [TorchStft(Stft(size, size // 4, "hann"), device) for size in sizes]

    def estimate(self, out: Tensor, spec: Tensor) -> Tensor:
        """Estimated spectrum: masked input or network output, (B, T, F, 2)."""
        return spec[:, 0] * out[..., None] if self.signature.task == "mask" else out[..., -2:]

    def mask(self, out: Tensor) -> Tensor:
        """Mask in the output of a network that estimates one, (B, T, F)."""
        return out[..., 0] if self.signature.task == "both" else out

    def __call__(
        self, out: Tensor, spec: Tensor, target: Tensor, mics: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the weighted sum and the unweighted terms.

        Parameters
        ----------
        out : Tensor, shape (B, T, F), (B, T, F, 2) or (B, T, F, 3)
            Network output: a mask for the reference microphone or the first signal, a spectrum,
            or both.
        spec : Tensor, shape (B, C, T, F, 2)
            Network input.
        target : Tensor, shape (B, N)
        mics : Tensor, shape (B, M, T, F, 2), optional
            Spectra of all microphones, for the term `beam`.

        Returns
        -------
        total : Tensor, shape ()
        terms : dict of str to Tensor
            Terms in the order of `weights`.
        """
        recipe, noisy = self.recipe, spec[:, self._masked]
        wanted, clean = self.estimate(out, spec), self.stft.analyse(target)
        level = (2 * noisy.square().mean(dim=(1, 2, 3))).sqrt()
        terms = {}
        if "mask" in self.weights:
            terms["mask"] = mask_loss(
                self.mask(out), noisy, clean, recipe.measure, recipe.ratio_power, recipe.mask_power,
                recipe.bin_power,
            )  # fmt: skip
        if "spectral" in self.weights:
            terms["spectral"] = compressed_spectral_loss(
                wanted, clean, level, recipe.compression, recipe.complex_part
            )
        if self.weights.keys() & set(PICTURES):
            terms |= self._of_pictures(noisy, wanted, clean)
        if self.weights.keys() & {"si_sdr", "stft"}:
            terms |= self._of_waveforms(wanted, target, level)
        if self.weights.keys() & set(BEAM):
            terms |= self._of_the_beam(self.mask(out), mics, target, clean)
        terms = {term: terms[term] for term in self.weights}
        return sum_of(weight * terms[term] for term, weight in self.weights.items()), terms

    def _of_pictures(self, noisy: Tensor, wanted: Tensor, clean: Tensor) -> dict[str, Tensor]:
        mean = bin_powers(noisy).mean(dim=(1, 2))
        level = positive(mean)[:, None, None]
        powers = [bin_powers(spec) for spec in (wanted, clean)]
        terms = {}
        if "magnitude" in self.weights:
            found, right = ((power + TINY).sqrt() for power in powers)
            distance = (found - right).abs().mean(dim=(1, 2)) / positive(mean).sqrt()
            terms["magnitude"] = mean_where(mean > 0, distance)
        if "noise_db" in self.weights:
            heard = loudness(bin_powers(noisy), level)
            scale = RANGE_DB / 2 / NOISE_DB
            found, right = (
                ((heard - loudness(power, level)) * scale).clamp(-1, 1) for power in powers
            )
            distance = functional.huber_loss(found, right, reduction="none").mean(dim=(1, 2))
            terms["noise_db"] = mean_where(mean > 0, distance)
        if "picture" in self.weights:
            found, right = ((1 + loudness(power, level, SQUEEZED_DB)) / 2 for power in powers)
            distance = functional.binary_cross_entropy(found, right, reduction="none")
            terms["picture"] = mean_where(mean > 0, distance.mean(dim=(1, 2)))
        return terms

    def _of_the_beam(
        self, mask: Tensor, mics: Tensor | None, target: Tensor, clean: Tensor
    ) -> dict[str, Tensor]:
        if mics is None:
            term = next(term for term in BEAM if term in self.weights)
            raise ConfigError(f"loss.{term} needs several microphones: data of kind 'scenes'")
        steered = torch.view_as_real(beamform(mask, mics).beamformed.contiguous())
        terms = {}
        if "beam" in self.weights:
            samples = self.stft.synthesise(steered, target.shape[-1])
            terms["beam"] = si_sdr_loss(samples, target, BEST_BEAM_DB)
        if "beam_bands" in self.weights:
            terms["beam_bands"] = band_si_sdr_loss(steered, clean, self._bands)
        return terms

    def _of_waveforms(self, wanted: Tensor, target: Tensor, level: Tensor) -> dict[str, Tensor]:
        samples = self.stft.synthesise(wanted, target.shape[-1])
        terms = {}
        if "si_sdr" in self.weights:
            terms["si_sdr"] = si_sdr_loss(samples, target)
        if "stft" in self.weights:
            spread = float((self.stft.stft.analysis_window**2).sum()) ** 0.5
            terms["stft"] = multi_resolution_stft_loss(samples, target, level / spread, self._stfts)
        return terms


def build_loss(
    recipe: LossRecipe, signature: Signature, device: torch.device | str = "cpu"
) -> Loss:
    """Build the loss of a recipe; see `Loss`."""
    return Loss(recipe, signature, device)


def bin_powers(spec: Tensor) -> Tensor:
    """Power |x|², (..., 2) -> (...); four times as fast as a sum over the last axis."""
    re, im = spec.unbind(dim=-1)
    return re * re + im * im


def positive(values: Tensor) -> Tensor:
    """Replace zeros by 1, for denominators of values that are 0 there."""
    return torch.where(values > 0, values, 1.0)


def mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    """Mean of the chosen values; 0 if none is chosen."""
    return torch.where(chosen, values, 0.0).sum() / chosen.sum().clamp(min=1)


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """Sum of loss terms."""
    return torch.stack(list(terms)).sum()
