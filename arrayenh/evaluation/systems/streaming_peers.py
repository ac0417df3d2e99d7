"""Single-channel peers for calls, which process short frames with a short delay."""

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from arrayenh.evaluation.systems.peer import Peer, fitted, resampled
from arrayenh.evaluation.systems.system import Output, Trial

Denoise = Callable[[np.ndarray], np.ndarray]

# Delay of each in samples: the peak of the cross-correlation of input and output speech above
# 1 kHz, where the high-pass filters of WebRTC and RNNoise do not change the phase.
WEBRTC_RATE, WEBRTC_FRAME = 16_000, 160
WEBRTC_DELAY = 96  # its window of 256 samples less a frame
RNNOISE_RATE, RNNOISE_FRAME = 48_000, 480
RNNOISE_DELAY = 960  # a frame of overlap and a frame of look-ahead
SPEEX_FRAME = 256  # as in its examples
SPEEX_DELAY = 256  # half its window


def webrtc(trial: Trial, level: int) -> Output:
    """Noise suppression of WebRTC, without its gain control."""
    from webrtc_noise_gain import AudioProcessor

    processor = AudioProcessor(0, level)

    def denoise(frame: np.ndarray) -> np.ndarray:
        return from_pcm(processor.Process10ms(to_pcm(frame)).audio)

    return streamed(trial, WEBRTC_RATE, WEBRTC_FRAME, WEBRTC_DELAY, denoise)


def speex(trial: Trial, frame: int) -> Output:
    """Noise suppression of Speex' preprocessor."""
    from speexdsp_ns import NoiseSuppression

    processor = NoiseSuppression.create(frame, trial.sample_rate)

    def denoise(samples: np.ndarray) -> np.ndarray:
        return from_pcm(processor.process(to_pcm(samples)))

    return streamed(trial, trial.sample_rate, frame, SPEEX_DELAY, denoise)


def rnnoise(trial: Trial) -> Output:
    """RNNoise at 48 kHz, with floating-point samples."""
    module = rnnoise_library()
    state = module.create()

    def denoise(frame: np.ndarray) -> np.ndarray:
        samples = np.ascontiguousarray(frame * 32768, np.float32)  # full scale of 16 bit
        pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        module.lib.rnnoise_process_frame(state, pointer, pointer)
        return samples / 32768

    try:
        return streamed(trial, RNNOISE_RATE, RNNOISE_FRAME, RNNOISE_DELAY, denoise)
    finally:
        module.destroy(state)


def rnnoise_library() -> ModuleType:
    """Import only the module of pyrnnoise that wraps the library.

    The package as a whole imports audiolab, and with it FFmpeg, to read files.
    """
    package = importlib.util.find_spec("pyrnnoise")
    if package is None or not package.submodule_search_locations:
        raise ImportError("pyrnnoise")
    path = Path(package.submodule_search_locations[0]) / "rnnoise.py"
    spec = importlib.util.spec_from_file_location("pyrnnoise_library", path)
    if spec is None or spec.loader is None:
        raise ImportError("pyrnnoise")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def streamed(trial: Trial, rate: int, frame: int, delay: int, denoise: Denoise) -> Output:
    """Process the reference microphone frame by frame at another rate, and realign the output."""
    n_samples = trial.mixture.shape[1]
    samples = resampled(trial.mixture[0], trial.sample_rate, rate)
    n_frames = -(-(len(samples) + delay) // frame)
    frames = fitted(samples, n_frames * frame).reshape(n_frames, frame)
    late = np.concatenate([denoise(one) for one in frames])
    out = resampled(late[delay : delay + len(samples)], rate, trial.sample_rate)
    return Output(fitted(out, n_samples))


def to_pcm(samples: np.ndarray) -> bytes:
    """Convert to 16-bit samples, clipped at full scale."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()


def from_pcm(pcm: bytes) -> np.ndarray:
    """Convert 16-bit samples to floating point, full scale 1."""
    return np.frombuffer(pcm, "<i2") / np.float32(32768)


RECORDS = (
    Peer(
        "webrtc-ns",
        "WebRTC's noise suppression, level 2 of 4",
        "webrtc-noise-gain",
        webrtc,
        {"level": 2},
        (WEBRTC_FRAME + WEBRTC_DELAY) / WEBRTC_RATE,
    ),
    Peer(
        "rnnoise",
        "RNNoise, a small recurrent network",
        "pyrnnoise",
        rnnoise,
        {},
        (RNNOISE_FRAME + RNNOISE_DELAY) / RNNOISE_RATE,
    ),
    Peer(
        "speex-ns",
        "Speex' noise suppression",
        "speexdsp-ns",
        speex,
        {"frame": SPEEX_FRAME},
        (SPEEX_FRAME + SPEEX_DELAY) / 16_000,
    ),
)
