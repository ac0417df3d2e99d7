"""Separate recorders as an array. Run with: python -m simulations.recorders."""

import numpy as np

from arrayenh import Enhancer, Recording, Settings
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.scenes.imperfections import drifting
from arrayenh.scenes.render import Rendered
from simulations.study import AROUND, Condition, Scores, Study, main, scene_tree

PPM = (60.0, 150.0, 300.0)
STARTS = (0.0, 0.3, 0.6, 0.9)  # seconds
ROUNDS = 3  # of the scene, for half a minute
CLOCKS = (0.0, 1.0, -0.5, 0.5)  # times the sampling-rate offset


def recorded(mixture: np.ndarray, sample_rate: int, ppm: float) -> np.ndarray:
    """The mixture as recorders with these starts and clocks record it, padded with zeros."""
    rows = []
    for row, start, clock in zip(mixture, STARTS, CLOCKS, strict=True):
        own = drifting(row[round(start * sample_rate) :], clock * ppm)
        rows.append(np.pad(own, (0, mixture.shape[1] - len(own))))
    return np.stack(rows)


def score(rendered: Rendered, label: str) -> Scores:
    """SI-SDR against early speech at the first recorder, until the first recording ends."""
    rate, ppm = rendered.scene.sample_rate, float(label.split()[0])
    mixture = np.tile(rendered.mixture, ROUNDS)
    target = np.tile(rendered.early_images[0, 0], ROUNDS)
    stop = len(target) - round(max(STARTS) * rate)
    apart = recorded(mixture, rate, ppm)

    def of(samples: np.ndarray, settings: Settings) -> float:
        enhanced = Enhancer(settings).enhance(Recording(samples, rate)).samples
        return si_sdr(target[:stop], enhanced[:stop], rate)

    return {
        "microphone": si_sdr(target[:stop], mixture[0, :stop], rate),
        "out of step": of(apart, Settings()),
        "out of step, --sync": of(apart, Settings(sync=True)),
        "in step": of(mixture, Settings()),
    }


TREE = scene_tree(
    seconds=8.0,
    array={"name": "square4-700mm", "height": 0.75, "clearance": 1.6},
    talkers=[{"azimuth_deg": AROUND, "distance": 1.4, "height": 1.2}],
    noises=[{"kind": "diffuse", "signal": "pink"}],
)
STUDY = Study(
    name="recorders",
    question="Are four phones on a table an array?",
    x_label="largest sampling-rate offset (ppm); starts 0.3 s apart",
    y_label="SI-SDR against early speech (dB)",
    conditions=[Condition(f"{ppm:g} ppm", ppm, TREE) for ppm in PPM],
    score=score,
    n_scenes=4,
)

if __name__ == "__main__":
    main(STUDY)
