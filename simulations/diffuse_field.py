"""Coherence of simulated diffuse noise. Run with: python -m simulations.diffuse_field."""

import numpy as np
from scipy.signal import csd, welch

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.scenes.render import Rendered
from simulations.study import Condition, Scores, Study, main, scene_tree

BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)


def score(rendered: Rendered, label: str) -> Scores:
    """Coherence of two microphones 105 mm apart in the octave of the condition."""
    centre = float(label)
    x = rendered.noise_images[0]
    freqs, cross = csd(x[0], x[3], rendered.sample_rate, nperseg=1024)
    _, first = welch(x[0], rendered.sample_rate, nperseg=1024)
    _, last = welch(x[3], rendered.sample_rate, nperseg=1024)
    band = (freqs > centre / np.sqrt(2)) & (freqs < centre * np.sqrt(2))
    found = np.real(cross) / np.sqrt(first * last)
    positions = np.array(rendered.scene.array.positions)
    theory = {
        f"{field}, theory": diffuse_coherence(positions, freqs[band], field)[:, 0, 3].mean()
        for field in ("spherical", "cylindrical")
    }
    kind = rendered.scene.noises[0].kind
    return {f"measured ({kind})": float(found[band].mean()), **theory}


def tree(kind: str) -> dict:
    """Scene of a room with a diffuse field of white noise."""
    return scene_tree(
        seconds=8.0,
        room={"rt60": 0.4},
        array={"name": "linear4-35mm"},
        noises=[{"kind": kind, "signal": "white", "sources": 20}],
    )


STUDY = Study(
    name="diffuse_field",
    question="Is simulated diffuse noise diffuse?",
    x_label="octave (Hz)",
    y_label="coherence of two microphones 105 mm apart",
    conditions=[Condition(f"{centre:g}", k, tree("diffuse")) for k, centre in enumerate(BANDS_HZ)],
    score=score,
    n_scenes=4,
)

if __name__ == "__main__":
    main(STUDY)
