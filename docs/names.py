"""Generate docs/names.md, the page of all records that are chosen by name.

python -m docs.names            prints docs/names.md
python -m docs.names --write    writes it
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from arrayenh.beamformers.beamformer import BEAMFORMERS
from arrayenh.cli.options import as_markdown
from arrayenh.dereverberation.dereverberator import DEREVERBERATORS
from arrayenh.evaluation.scoring import METRICS
from arrayenh.evaluation.systems.bounds import BOUNDS
from arrayenh.evaluation.systems.peer import PEERS
from arrayenh.masks.source import MASKS
from arrayenh.networks import catalogue
from arrayenh.postfilters.postfilter import NOISE_TRACKERS, POSTFILTERS

PAGE = Path(__file__).with_name("names.md")
STEERING = {"blind": "never", "optional": "where a direction is given", "required": "always"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def beamformers() -> str:
    """Table of the beamformers and their requirements."""
    return table(
        ("name", "beamformer", "what it is", "steered by geometry", "`--online`"),
        (
            (
                f"`{one.name}`",
                one.label,
                one.summary,
                STEERING[one.steering],
                "yes" if one.recursive else "",
            )
            for one in BEAMFORMERS.values()
        ),
    )


def page() -> str:
    """Text of the whole page."""
    parts = ["# Names", "Generated from the records by `python -m docs.names --write`."]
    parts += [
        "## Settings",
        "Settings of `arrayenh enhance`, of profiles and of `arrayenh.Settings`.",
    ]
    parts += [as_markdown().rstrip(), "## Beamformers", beamformers()]
    for title, registry in (
        ("Masks", MASKS),
        ("Dereverberation", DEREVERBERATORS),
        ("Post-filters", POSTFILTERS),
        ("Noise trackers", NOISE_TRACKERS),
    ):
        rows = ((f"`{one.name}`", one.label, one.summary) for one in registry.values())
        parts += [f"## {title}", table(("name", "label", "what it is"), rows)]
    networks = ((f"`{name}`", catalogue.describe(name)) for name in catalogue.names())
    parts += ["## Networks", table(("name", "what it is"), networks)]
    scores = (
        (
            f"`{one.name}`",
            one.label,
            one.unit,
            "higher" if one.higher_is_better else "lower",
            one.describe,
        )
        for one in METRICS.values()
    )
    parts += ["## Metrics", table(("name", "label", "unit", "better", "what it is"), scores)]
    others = ((f"`{one.name}`", one.describe) for one in (*BOUNDS.values(), *PEERS.values()))
    parts += ["## Bounds and peers of benchmarks", table(("name", "what it is"), others)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
