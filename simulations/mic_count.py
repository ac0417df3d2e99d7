"""Effect of the number and spacing of microphones. Run with: python -m simulations.mic_count."""

from arrayenh.scenes.render import Rendered
from simulations.beams import si_sdr_gains
from simulations.study import Condition, Scores, Study, main, scene_tree

ARRAYS = [(mics, mm) for mm in (20, 50) for mics in (2, 4, 8)]


def score(rendered: Rendered, label: str) -> Scores:
    """Gains of all beamformers."""
    return si_sdr_gains(rendered)


STUDY = Study(
    name="mic_count",
    question="How many microphones, how far apart?",
    x_label="linear array",
    y_label="SI-SDR gain against early speech (dB)",
    conditions=[
        Condition(
            f"{mics} × {mm} mm", k, scene_tree(array={"name": f"linear{mics}-{mm}mm"}), f"{mm}"
        )
        for k, (mics, mm) in enumerate(ARRAYS)
    ],
    score=score,
)

if __name__ == "__main__":
    main(STUDY)
