"""A talker who walks around the array. Run with: python -m simulations.walking."""

from arrayenh import Enhancer, Recording, Settings
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.scenes.render import Rendered
from simulations.study import Condition, Scores, Study, main, scene_tree

SPEEDS = (0.0, 0.25, 0.5, 0.8)  # m/s
FIXED = (1.0, 2.0, 4.0, 20.0)  # seconds


def score(rendered: Rendered, label: str) -> Scores:
    """SI-SDR against early speech at the reference microphone."""
    rate, target = rendered.scene.sample_rate, rendered.early_images[0, 0]
    recording = Recording(rendered.mixture, rate)

    def of(settings: Settings) -> float:
        return si_sdr(target, Enhancer(settings).enhance(recording).samples, rate)

    fixed = {
        f"segments of {seconds:g} s": of(Settings(segment_seconds=seconds, still=True))
        for seconds in FIXED
    }
    return {
        "microphone": si_sdr(target, rendered.mixture[0], rate),
        "one microphone, post-filter": of(Settings(beamformer="none")),
        **fixed,
        "default": of(Settings()),
    }


def tree(speed: float) -> dict:
    """Scene with a talker who walks by the array, and a fan."""
    walk = {"azimuth_deg": -45.0, "distance": 1.8, "speed": speed}
    talker = {"azimuth_deg": 75.0, "distance": 1.8, "height": 1.6}
    return scene_tree(
        seconds=9.0,
        room={"size": [7.0, 6.0, 2.8]},
        array={"name": "circular6-46mm", "position": [3.5, 3.0, 0.9], "azimuth_deg": 0.0},
        talkers=[{**talker, "walk": walk} if speed else talker],
        noises=[
            {"signal": "fan", "azimuth_deg": -130.0, "distance": 2.0, "height": 1.2},
            {"kind": "diffuse", "signal": "pink"},
        ],
    )


STUDY = Study(
    name="walking",
    question="Does the beamformer follow a talker who walks?",
    x_label="speed (m/s)",
    y_label="SI-SDR against early speech (dB)",
    conditions=[Condition(f"{speed:g} m/s", speed, tree(speed)) for speed in SPEEDS],
    score=score,
    n_scenes=4,
)

if __name__ == "__main__":
    main(STUDY)
