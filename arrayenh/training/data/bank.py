"""A bank of rendered scenes on disk: made once, mixed anew for every example.

    BANK/train/bank.json         what the scenes are drawn from
    BANK/train/sounds/*.csv      the sounds in them
    BANK/train/000123.npy        early speech, late speech and noise: int16 (3, M, N)
    BANK/train/000123.json       array, scales, powers; there once the scene is whole
    BANK/dev/...

Scene `index` depends on the recipe, the seed and the sounds, and on nothing else: a run that was
stopped goes on with what is missing, and a larger bank begins with the smaller one.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.errors import AudioError, ConfigError, SceneError
from arrayenh.evaluation.corpus import selected, write_list
from arrayenh.evaluation.suite import Suite, load_suite
from arrayenh.files import replacing, write_whole
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.workers import in_processes, in_turn
from arrayenh.training.data.splits import PARTS, Corpus, Sound, open_corpus

RECIPE = Path(__file__).with_name("train-scenes.toml")
FORMAT = 1
FULL_SCALE = 32767
DEV_SHARE = 15  # train scenes for one of dev, unless said otherwise
MANY = 5  # utterances of somebody who has many
COMPONENTS = ("early", "late", "noise")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the scenes of one part are drawn from."""

    suite: Suite
    seed: int
    sounds: str

    def said(self) -> str:
        """What a scene depends on, as text."""
        drawn = {"scene": self.suite.scene, "turns": [asdict(turn) for turn in self.suite.turns]}
        told = {"format": FORMAT, "seed": self.seed, "sounds": self.sounds, **drawn}
        return json.dumps(told, indent=1, sort_keys=True) + "\n"


def make_bank(
    root: Path,
    folder: Path,
    count: int,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] = lambda done: None,
    *,
    dev_count: int | None = None,
    recipe: Path = RECIPE,
) -> None:
    """Make a bank, or what of it is missing.

    Parameters
    ----------
    root : Path
        The corpus: see `splits`.
    folder : Path
        Of the bank; made where there is none.
    count : int
        Scenes to train on.
    seed : int
    jobs : int
        Processes.
    progress : callable
        Told how many scenes are done, of both parts together.
    dev_count : int, optional
        Scenes to choose by; one for 15 of the others.
    recipe : Path
        A suite, whose scenes and turns are taken.

    Raises
    ------
    ConfigError
        If the corpus has no speech, or the folder holds a bank of other scenes.
    SceneError, AudioError
        If a scene cannot be drawn, or a file not be read or written.
    """
    counts = {"train": count, "dev": -(-count // DEV_SHARE) if dev_count is None else dev_count}
    suite, done = load_suite(str(recipe)), 0
    for number, part in enumerate(PARTS):
        if counts[part] < 1:
            raise ConfigError(f"a bank needs a scene of {part} at least; got {counts[part]}")
        place = folder / part
        plan = begun(suite, root, part, seed * len(PARTS) + number, place)
        missing = [index for index in range(counts[part]) if not (place / told(index)).exists()]
        done += counts[part] - len(missing)
        progress(done)
        mapped = in_turn if jobs == 1 else in_processes(jobs)
        for _ in mapped(MakeScene(plan, place.absolute()), missing):
            done += 1
            progress(done)


def begun(suite: Suite, root: Path, part: str, seed: int, place: Path) -> Plan:
    """The plan of a part, its folder made, or found to be of the same plan."""
    corpus = open_corpus(root, part)
    groups = chosen_sounds(suite, corpus)
    plan = Plan(suite, seed, sha256(json.dumps(groups).encode()).hexdigest())
    described = place / "bank.json"
    if described.exists() and described.read_text(encoding="utf-8") != plan.said():
        raise ConfigError(
            f"{place} holds scenes of another recipe, seed or corpus; give another folder"
        )
    try:
        (place / "sounds").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"{place} cannot be made: {error.strerror}") from error
    write_whole(described, plan.said())
    lists = {
        name: tuple(
            write_list(place / "sounds" / f"{name}-{k}.csv", corpus.root, rows)
            for k, rows in enumerate(many)
        )
        for name, many in groups.items()
    }
    return replace(plan, suite=replace(suite, material={**suite.material, **lists}))


def chosen_sounds(suite: Suite, corpus: Corpus) -> dict[str, list[list[dict[str, str]]]]:
    """Rows of the corpus's sounds for the names in a suite, one list or more for each.

    Names for which the corpus has nothing are left out: the suite has sounds of its own.
    """
    groups = {}
    for name, selection in suite.data.items():
        sounds = corpus.speech if selection.folder == "speech" else corpus.noise
        rows = [row_of(sound) for sound in sounds]
        chosen = [row for row in rows if selected(row, selection)]
        if not chosen and name == "ambiences":
            chosen = rows
        many = by_utterances(chosen) if name == "targets" else [chosen]
        if found := [rows for rows in many if rows]:
            groups[name] = found
    return groups


def row_of(sound: Sound) -> dict[str, str]:
    """A sound as a row of a manifest."""
    return {"path": sound.path, "set": sound.set, "speaker": sound.source}


def by_utterances(rows: Iterable[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Rows of speakers with few utterances, and with many: neither shall outnumber the other."""
    rows = list(rows)
    count = Counter(row["speaker"] for row in rows)
    few = [row for row in rows if count[row["speaker"]] < MANY]
    return [few, [row for row in rows if count[row["speaker"]] >= MANY]]


@dataclass(frozen=True, slots=True)
class MakeScene:
    """Draws, renders and writes one scene; sent to the processes that do it."""

    plan: Plan
    folder: Path

    def __call__(self, index: int) -> dict[str, Any]:
        """Return what is told of the scene."""
        try:
            rendered = render(draw_scene(self.plan.suite.recipe(index), index, self.plan.seed))
        except SceneError as error:
            raise SceneError(f"scene {index}: {error}") from error
        samples, facts = stored(rendered)
        with replacing(self.folder / f"{index:06d}.npy") as part, open(part, "xb") as file:
            np.save(file, samples)
        write_whole(self.folder / told(index), json.dumps(facts) + "\n")
        return facts


def told(index: int) -> str:
    """Name of the file that says what a scene is."""
    return f"{index:06d}.json"


def stored(rendered: Rendered) -> tuple[np.ndarray, dict[str, Any]]:
    """Components of a scene, int16 (3, M, N), each in its own scale, and what they are."""
    late = rendered.target_image - rendered.early_image
    parts = np.stack([rendered.early_image, late, rendered.noise_image])
    peaks = np.abs(parts).max(axis=(1, 2))
    scales = np.where(peaks > 0, peaks, 1) / FULL_SCALE
    samples = np.round(parts / scales[:, None, None]).astype(np.int16)
    scene = rendered.scene
    facts = {
        "array": scene.array.name,
        "speaker": scene.talkers[0].speaker,
        "rt60": getattr(scene.room, "rt60", None),
        "shape": list(samples.shape[1:]),
        "scales": scales.tolist(),
        "speech_power": mean_power(rendered.target_image),
        "noise_power": mean_power(rendered.noise_image),
    }
    return samples, facts


def mean_power(image: np.ndarray) -> list[float]:
    """Mean power at each microphone."""
    return np.mean(np.square(image, dtype=np.float64), axis=1).tolist()
