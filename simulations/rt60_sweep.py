"""Effect of reverberation on beamformers. Run with: python -m simulations.rt60_sweep."""

from arrayenh.scenes.render import Rendered
from simulations.beams import si_sdr_gains
from simulations.study import Condition, Scores, Study, main, scene_tree

TIMES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8)


def score(rendered: Rendered, label: str) -> Scores:
    """Gains of all beamformers."""
    return si_sdr_gains(rendered)


STUDY = Study(
    name="rt60_sweep",
    question="What does reverberation cost?",
    x_label="RT60 (s)",
    y_label="SI-SDR gain against early speech (dB)",
    conditions=[Condition(f"{rt60:g}", rt60, scene_tree(room={"rt60": rt60})) for rt60 in TIMES],
    score=score,
)

if __name__ == "__main__":
    main(STUDY)
