"""Make the picture of the README: the demo's recording before and after.

python docs/picture.py
"""

from pathlib import Path

from arrayenh import Enhancer, Recording
from arrayenh.reports.pictures import save_before_after
from arrayenh.scenes.demo import demo_scene


def main() -> None:
    """Render the demo scene, enhance it, save the two spectrograms."""
    rendered = demo_scene().rendered
    recording = Recording(rendered.mixture, rendered.sample_rate)
    save_before_after(
        Path(__file__).with_name("before-after.png"),
        recording.samples[0],
        Enhancer().enhance(recording).samples,
        rendered.sample_rate,
        labels=("one of the four microphones", "arrayenh"),
        overwrite=True,
    )


if __name__ == "__main__":
    main()
