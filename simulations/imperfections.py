"""Robustness of beamformers to microphone errors. Run with: python -m simulations.imperfections."""

from arrayenh.scenes.render import Rendered
from simulations.beams import snr_gains
from simulations.study import Condition, Scores, Study, main, scene_tree

GAINS_DB = (0.0, 0.5, 1.0, 2.0)
POSITIONS_MM = (1.0, 2.0, 4.0)
CAREFUL, BOLD = 1e-2, 1e-5  # diagonal loading, relative


def score(rendered: Rendered, label: str) -> Scores:
    """SNR gains by shadow filtering; steering uses the nominal geometry only."""
    found = snr_gains(rendered, BOLD)
    careful = snr_gains(rendered, CAREFUL)
    return {
        "delay-and-sum": found["delay-and-sum"],
        f"superdirective, loading {CAREFUL:g}": careful["superdirective"],
        f"superdirective, loading {BOLD:g}": found["superdirective"],
        f"MVDR, true noise, loading {CAREFUL:g}": careful["MVDR, true noise"],
        f"MVDR, true noise, loading {BOLD:g}": found["MVDR, true noise"],
    }


def tree(gain_db: float, position_mm: float) -> dict:
    """Scene of a dry room with diffuse noise and an array with errors."""
    faults = {"gain_db": gain_db, "position_mm": position_mm}
    return scene_tree(
        room={"rt60": 0.15},
        array={"name": "linear4-35mm", "imperfections": faults},
        noises=[{"kind": "diffuse", "signal": "pink"}],
        sensor_noise_db=50.0,
    )


FAULTS = [(gain, 0.0) for gain in GAINS_DB] + [(0.0, error) for error in POSITIONS_MM]
STUDY = Study(
    name="imperfections",
    question="Which beamformer forgives real microphones?",
    x_label="error of gain (± dB), or of position (mm, standard deviation)",
    y_label="SNR gain by shadow filtering (dB)",
    conditions=[
        Condition(
            f"{error:g} mm" if error else f"± {gain:g} dB",
            k,
            tree(gain, error),
            "mm" if error else "dB",
        )
        for k, (gain, error) in enumerate(FAULTS)
    ],
    score=score,
)

if __name__ == "__main__":
    main(STUDY)
