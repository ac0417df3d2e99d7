"""Recipes of trainings: which network, on what, towards what, for how long; TOML files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from arrayenh.checks import one_of, within
from arrayenh.errors import ConfigError
from arrayenh.validation import read_toml, validated

STRICT = ConfigDict(extra="forbid")
SCHEDULES = ("plateau", "step", "cosine", "constant")
PRECISIONS = ("none", "bfloat16", "float16")
TERMS = (
    "si_sdr",
    "spectral",
    "stft",
    "magnitude",
    "noise_db",
    "picture",
    "mask",
    "beam",
    "beam_bands",
)
MASK_MEASURES = ("mse", "bce")
MAY_CHANGE = ("steps", "epochs", "patience", "workers", "threads")
"""Of [run], between a training and its resumption."""

MOST = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """The network.

    Attributes
    ----------
    name : str
    settings : dict
        Of its `Config`.
    init : str, optional
        A checkpoint, or the folder of a training, with whose weights it begins.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    init: str | None = None

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRecipe:
    """What is made small: a sum of terms, by their weights; see `arrayenh.training.losses`.

    Attributes
    ----------
    si_sdr, spectral, stft, magnitude, noise_db, picture, mask, beam, beam_bands : float
        Weights: of the negative SI-SDR in dB, the compressed spectra, the magnitudes in several
        resolutions, their mean absolute distance, the noise as noisy less clean dB (Huber), the
        spectrogram as a picture (binary cross-entropy), the distance from the ideal mask, and
        the negative SI-SDR of the beamformer that the mask steers, of all frequencies and the
        mean over bands of hearing.
    compression : float
        Exponent of the magnitudes of `spectral`.
    complex_part : float
        Of `spectral`: how much phase counts, 0 to 1.
    resolutions : tuple of int
        Of `stft`: frame lengths, samples; each a quarter further.
    measure : {"mse", "bce"}
        Of `mask`.
    ratio_power : float
        Of the ideal mask: 1 of magnitudes, 2 of powers.
    mask_power : float
        What the mask is raised to before it is compared: 2 where the square of it is used.
    bin_power : float
        Of `mask`: bins count by their magnitude to this power.
    """

    si_sdr: float = 0.0
    spectral: float = 0.0
    stft: float = 0.0
    magnitude: float = 0.0
    noise_db: float = 0.0
    picture: float = 0.0
    mask: float = 0.0
    beam: float = 0.0
    beam_bands: float = 0.0
    compression: float = 0.3
    complex_part: float = 0.3
    resolutions: tuple[int, ...] = (256, 512, 1024, 2048)
    measure: str = "mse"
    ratio_power: float = 1.0
    mask_power: float = 1.0
    bin_power: float = 0.6

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for term, weight in self.weights.items():
            within(f"loss.{term}", weight, 0, MOST)
        if not any(self.weights.values()):
            raise ConfigError(f"loss needs a weight above 0; set {', '.join(self.weights)}")
        one_of("loss.measure", self.measure, MASK_MEASURES)
        within("loss.compression", self.compression, 0.05, 1)
        within("loss.complex_part", self.complex_part, 0, 1)
        within("loss.ratio_power", self.ratio_power, 0.1, 4)
        within("loss.mask_power", self.mask_power, 1, 4)
        within("loss.bin_power", self.bin_power, 0, 2)
        for size in self.resolutions:
            within("loss.resolutions", size, 32, 16384)
        if not self.resolutions:
            raise ConfigError("loss.resolutions needs a frame length at least")

    @property
    def weights(self) -> dict[str, float]:
        """Of every term."""
        return {term: getattr(self, term) for term in TERMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserRecipe:
    """AdamW, and the most that a gradient may be long.

    Attributes
    ----------
    lr, weight_decay : float
    betas : tuple of float
    clip : float
        Norm of all gradients together.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 5.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        within("optimiser.lr", self.lr, 1e-9, 10)
        within("optimiser.weight_decay", self.weight_decay, 0, 10)
        within("optimiser.clip", self.clip, 1e-9, MOST)
        for beta in self.betas:
            within("optimiser.betas", beta, 0, 0.999999)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecipe:
    """How the learning rate falls.

    Attributes
    ----------
    kind : {"plateau", "step", "cosine", "constant"}
    warmup : int
        Steps over which the rate first rises from 0, in a line.
    factor : float
        Of the rate, at each fall of "plateau" and "step".
    patience : int
        Of "plateau": measurements without progress that are waited for.
    every : int
        Of "step": steps from fall to fall.
    least : float
        Of "plateau" and "cosine": what is left of the rate at the end.
    """

    kind: str = "plateau"
    warmup: int = 0
    factor: float = 0.5
    patience: int = 3
    every: int = 10_000
    least: float = 0.01

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        one_of("schedule.kind", self.kind, SCHEDULES)
        within("schedule.warmup", self.warmup, 0, MOST)
        within("schedule.factor", self.factor, 0.001, 1)
        within("schedule.patience", self.patience, 0, MOST)
        within("schedule.every", self.every, 1, MOST)
        within("schedule.least", self.least, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecipe:
    """For how long, and how.

    Attributes
    ----------
    steps, epochs : int, optional
        One of the two; in an epoch everything to train on comes once.
    batch_size : int
        Of each process.
    seconds : float, optional
        Length of the examples, for the data.
    seed : int
        Of weights, data and dropout.
    dev_every : int
        Steps between measurements on data that is not trained on.
    dev_batches : int, optional
        How much of that; all, if not given.
    patience : int
        Measurements without progress after which training stops.
    ema : float
        Decay of the moving average of weights which is measured and kept; 0: none.
    threads : int, optional
        Of the processor.
    amp : {"none", "bfloat16", "float16"}
        Precision of the network, for a GPU; losses and weights stay float32.
    workers : int
        Processes that prepare batches; 0: a thread.
    rounds : int
        How often a network of masks that hears a beamformer hears a recording, as in the chain:
        from the second time on the beamformer that its own mask steered. In training the
        number is drawn, in measurements it is this.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 8
    seconds: float | None = None
    seed: int = 0
    dev_every: int = 500
    dev_batches: int | None = None
    patience: int = 8
    ema: float = 0.999
    threads: int | None = None
    amp: str = "none"
    workers: int = 0
    rounds: int = 2

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ConfigError("run needs either steps or epochs")
        one_of("run.amp", self.amp, PRECISIONS)
        for key in ("steps", "epochs", "batch_size", "dev_every", "dev_batches", "patience"):
            within(f"run.{key}", 1 if getattr(self, key) is None else getattr(self, key), 1, MOST)
        within("run.seconds", 1 if self.seconds is None else self.seconds, 0.1, 3600)
        within("run.seed", self.seed, 0, 2**31 - 1)
        within("run.ema", self.ema, 0, 0.999999)
        within("run.threads", self.threads or 1, 1, 1024)
        within("run.workers", self.workers, 0, 1024)
        within("run.rounds", self.rounds, 1, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """A training, as its file says it; `data` is for those who make the examples."""

    model: ModelRecipe
    loss: LossRecipe
    run: RunRecipe
    data: dict[str, Any] = field(default_factory=dict)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()

    __pydantic_config__ = STRICT


def names() -> list[str]:
    """Names of the recipes that ship: those of the networks that ship, and steps towards them."""
    entries = (resources.files("arrayenh") / "training" / "recipes").iterdir()
    return sorted(Path(entry.name).stem for entry in entries if entry.name.endswith(".toml"))


def find_recipe(name_or_path: Path) -> Path:
    """The file of a recipe: the one at that path, or one that ships, by its name.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    if str(name_or_path) in names() and not name_or_path.is_file():  # a folder of results may be
        folder = resources.files("arrayenh") / "training" / "recipes"
        return Path(str(folder / f"{name_or_path}.toml"))
    if name_or_path.exists():
        return name_or_path
    raise ConfigError(f"{name_or_path} does not exist, nor ships with {', '.join(names())}")


def load_recipe(path: Path) -> TrainRecipe:
    """A recipe from a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read, is not TOML, or says what is unknown or cannot be.
    """
    return as_recipe(read_toml(path), str(path))


def as_recipe(tree: Mapping[str, Any], source: str) -> TrainRecipe:
    """The checked values of a recipe; `source` is where they are from, for messages."""
    return validated(TrainRecipe, tree, source, strict=True)


def as_tree(recipe: TrainRecipe) -> dict[str, Any]:
    """The recipe as a tree that `as_recipe` reads back, for files."""
    return asdict(recipe)


def with_run(recipe: TrainRecipe, **changes: Any) -> TrainRecipe:
    """The recipe with other values in [run]; those that are None are left as they are."""
    given = {key: value for key, value in changes.items() if value is not None}
    if "steps" in given:
        given["epochs"] = None
    return replace(recipe, run=replace(recipe.run, **given)) if given else recipe


def check_same(recipe: TrainRecipe, before: TrainRecipe, source: str) -> None:
    """Refuse to go on with a training that was another one.

    Raises
    ------
    ConfigError
        If they differ in more than `MAY_CHANGE`; the message names the table.
    """
    for part in fields(recipe):
        now, then = getattr(recipe, part.name), getattr(before, part.name)
        if part.name == "run":
            then = replace(then, **{key: getattr(now, key) for key in MAY_CHANGE})
        if json.dumps(plain(now)) != json.dumps(plain(then)):
            raise ConfigError(
                f"{source} was trained with another [{part.name}]; give the same recipe, or "
                f"--overwrite to begin again"
            )


def plain(part: Any) -> Any:
    """A part of a recipe as JSON can say it."""
    return part if isinstance(part, dict) else asdict(part)


def as_toml(recipe: TrainRecipe) -> str:
    """The recipe as TOML, all of its defaults told."""
    lines: list[str] = []
    for name, table in as_tree(recipe).items():
        lines += [f"[{name}]", *(f"{json.dumps(k)} = {v}" for k, v in told(table)), ""]
    return "\n".join(lines)


def told(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys and values of a table as TOML writes them; tables in it on one line."""
    return [(key, toml_value(value)) for key, value in table.items() if value is not None]


def toml_value(value: Any) -> str:
    """A value in one line of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {v}" for k, v in told(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
