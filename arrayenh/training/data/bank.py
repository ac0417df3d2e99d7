"""Bank of rendered scenes on disk: rendered once, mixed at random for every example.

    BANK/train/bank.json         settings of the scenes
    BANK/train/sounds/*.csv      the sounds in them
    BANK/train/000123.npy        early speech, late speech and noise: int16 (3, M, N)
    BANK/train/000123.json       array, scales, powers; written last
    BANK/dev/...

A scene depends only on the recipe, the seed, the sounds and its index: a stopped run continues
with the missing scenes, and a larger bank starts with the scenes of a smaller one.
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
DEV_SHARE = 15  # default number of train scenes per dev scene
MANY = 5  # utterances of a speaker that counts as one with many
COMPONENTS = ("early", "late", "noise")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Settings that determine the scenes of one part."""

    suite: Suite
    seed: int
    sounds: str

    def said(self) -> str:
        """Text of bank.json: the settings on which a scene depends."""
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
    """Render the scenes of a bank that do not exist yet.

    Parameters
    ----------
    root : Path
        Folder of the corpus; see `splits`.
    folder : Path
        Folder of the bank; created if it does not exist.
    count : int
        Number of training scenes.
    seed : int
    jobs : int
        Number of processes.
    progress : callable
        Called with the number of finished scenes of both parts.
    dev_count : int, optional
        Number of development scenes; by default one per 15 training scenes.
    recipe : Path
        Suite file that defines the scenes.

    Raises
    ------
    ConfigError
        If the corpus has no speech, or the folder holds a bank of other scenes.
    SceneError, AudioError
        If a scene cannot be drawn, or a file cannot be read or written.
    """
    counts = {"train": count, "dev": -(-count // DEV_SHARE) if dev_count is None else dev_count}
    suite, done = load_suite(str(recipe)), 0
    for number, part in enumerate(PARTS):
        if counts[part] < 1:
            raise ConfigError(f"a bank needs at least one scene of {part}; got {counts[part]}")
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
    """Create the folder of a part, or check that it has the same plan; return the plan."""
    corpus = open_corpus(root, part)
    groups = chosen_sounds(suite, corpus)
    plan = Plan(suite, seed, sha256(json.dumps(groups).encode()).hexdigest())
    described = place / "bank.json"
    if described.exists() and described.read_bytes() != plan.said().encode():
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
    """Rows of the sounds of a corpus by the names in a suite, one or more lists per name.

    Names without sounds in the corpus are left out: the suite has its own sounds for them.
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
    """Manifest row of a sound."""
    return {"path": sound.path, "set": sound.set, "speaker": sound.source}


def by_utterances(rows: Iterable[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Split rows into speakers with few and with many utterances, to balance them."""
    rows = list(rows)
    count = Counter(row["speaker"] for row in rows)
    few = [row for row in rows if count[row["speaker"]] < MANY]
    return [few, [row for row in rows if count[row["speaker"]] >= MANY]]


@dataclass(frozen=True, slots=True)
class MakeScene:
    """Picklable task that draws, renders and writes one scene."""

    plan: Plan
    folder: Path

    def __call__(self, index: int) -> dict[str, Any]:
        """Draw, render and write scene `index`; return its description."""
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
    """File name of the description of a scene."""
    return f"{index:06d}.json"


def stored(rendered: Rendered) -> tuple[np.ndarray, dict[str, Any]]:
    """Components of a scene, int16 (3, M, N), each with its own scale, and their description."""
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
