"""Level of speech after noise, online. Run with: python -m simulations.online_level."""

import numpy as np

from arrayenh import Enhancer, Recording, Settings
from arrayenh.scenes.render import Rendered
from simulations.study import Condition, Scores, Study, main, scene_tree

SNRS = (0.0, 5.0, 10.0, 25.0)  # dB
LEAD_IN = 3.0  # seconds of noise
STRETCHES = {"first 0.1 s": (0.0, 0.1), "first second": (0.0, 1.0), "from 4 s on": (4.0, np.inf)}
ACTIVE = 0.01  # of the loudest 0.1 s of speech: power from which speech is taken to begin


def begin(speech: np.ndarray, sample_rate: int) -> int:
    """First sample of active speech, to 0.1 s."""
    size = sample_rate // 10
    power = np.mean(speech[: len(speech) // size * size].reshape(-1, size) ** 2, axis=1)
    return int(np.flatnonzero(power > ACTIVE * power.max())[0]) * size


def score(rendered: Rendered, label: str) -> Scores:
    """Gain of the early speech in the output of the beamformer, dB."""
    rate, target = rendered.scene.sample_rate, rendered.early_images[0, 0]
    settings = Settings(online=True, postfilter="none")
    output = Enhancer(settings).enhance(Recording(rendered.mixture, rate)).samples
    first = begin(target, rate)

    def gain_db(start: float, stop: float) -> float:
        low = first + round(start * rate)
        part = slice(low, len(target) if np.isinf(stop) else first + round(stop * rate))
        gain = np.vdot(target[part], output[part]) / np.vdot(target[part], target[part])
        return float(20 * np.log10(max(abs(gain), 1e-3)))

    return {name: gain_db(*stretch) for name, stretch in STRETCHES.items()}


STUDY = Study(
    name="online_level",
    question="Is speech as loud as at the microphone from its first syllable on?",
    x_label="SNR (dB)",
    y_label="gain of the early speech (dB)",
    conditions=[
        Condition(f"{snr:g} dB", snr, scene_tree(seconds=12.0, lead_in=LEAD_IN, snr_db=snr))
        for snr in SNRS
    ],
    score=score,
)

if __name__ == "__main__":
    main(STUDY)
