"""Beamformers of the studies, and their gains on a rendered scene."""

import numpy as np

from arrayenh import beamformers
from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import plane_wave
from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.settings import Settings
from arrayenh.evaluation.scoring import shadow_snr, si_sdr
from arrayenh.scenes.render import Rendered
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.stft import Stft

STFT = Stft(2048, 512, "hann")
LOADING = 1e-2
STATISTICAL = Settings(masks="cacgmm", postfilter="mmse-lsa")


def fixed_weights(rendered: Rendered, loading: float = LOADING) -> dict[str, np.ndarray]:
    """Compute weights from the nominal geometry and the true direction, shape (F, M) each.

    MVDR uses the covariance of the true noise, the limit for any estimate.
    """
    scene = rendered.scene
    positions = np.array(scene.array.positions)
    azimuth_deg, elevation_deg, _ = scene.array.direction_of(np.array(scene.talkers[0].position))
    freqs = STFT.freqs(scene.sample_rate)
    steering = plane_wave(positions, np.deg2rad(azimuth_deg), freqs, np.deg2rad(elevation_deg))
    noise_cov = spatial_covariance(STFT.analyse(rendered.noise_image))
    coherence = diffuse_coherence(positions, freqs)
    return {
        "delay-and-sum": beamformers.delay_and_sum(steering),
        "superdirective": beamformers.superdirective(steering, coherence, loading),
        "MVDR, true noise": beamformers.mvdr(steering, noise_cov, loading),
    }


def filtered(weights: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Filter images (M, N) with weights, shape (N,)."""
    return STFT.synthesise(beamformers.apply(weights, STFT.analyse(images)), images.shape[1])


def snr_gains(rendered: Rendered, loading: float = LOADING) -> dict[str, float]:
    """SNR gains over microphone 0, reverberant target over all the rest, dB."""
    before = shadow_snr(rendered.target_image[0], rendered.noise_image[0])
    return {
        name: shadow_snr(
            filtered(weights, rendered.target_image), filtered(weights, rendered.noise_image)
        )
        - before
        for name, weights in fixed_weights(rendered, loading).items()
    }


def si_sdr_gains(rendered: Rendered) -> dict[str, float]:
    """SI-SDR gains over microphone 0 against the early target, dB, including the blind chain."""
    rate, early = rendered.sample_rate, rendered.early_image[0]
    before = si_sdr(early, rendered.mixture[0], rate)
    outputs = {
        name: filtered(weights, rendered.mixture)
        for name, weights in fixed_weights(rendered).items()
    }
    stages = Enhancer(STATISTICAL).enhance(Recording(rendered.mixture, rate)).stages
    outputs["MVDR, blind"] = stages["mvdr"]
    outputs["blind + MMSE-LSA"] = stages["mmse-lsa"]
    return {name: si_sdr(early, samples, rate) - before for name, samples in outputs.items()}
