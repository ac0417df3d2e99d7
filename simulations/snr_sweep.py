"""Benefit of each stage over the SNR. Run with: python -m simulations.snr_sweep."""

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.evaluation.scoring import stoi
from arrayenh.scenes.levels import SNR_LADDER_DB
from arrayenh.scenes.render import Rendered
from simulations.beams import STATISTICAL, filtered, fixed_weights
from simulations.study import Condition, Scores, Study, main, scene_tree


def score(rendered: Rendered, label: str) -> Scores:
    """STOI of the microphone and of the output of each stage."""
    rate, early = rendered.sample_rate, rendered.early_image[0]
    outputs = {"microphone 0": rendered.mixture[0]}
    outputs["delay-and-sum"] = filtered(fixed_weights(rendered)["delay-and-sum"], rendered.mixture)
    stages = Enhancer(STATISTICAL).enhance(Recording(rendered.mixture, rate)).stages
    outputs["MVDR, blind"] = stages["mvdr"]
    outputs["blind + MMSE-LSA"] = stages["mmse-lsa"]
    return {name: stoi(early, samples, rate) for name, samples in outputs.items()}


STUDY = Study(
    name="snr_sweep",
    question="Which stage helps at which SNR?",
    x_label="SNR (dB)",
    y_label="STOI against early speech",
    conditions=[
        Condition(f"{snr_db:g}", snr_db, scene_tree(snr_db=snr_db, snr_over="file"))
        for snr_db in SNR_LADDER_DB
    ],
    score=score,
)

if __name__ == "__main__":
    main(STUDY)
