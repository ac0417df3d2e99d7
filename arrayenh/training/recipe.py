"""Training recipes: TOML files with network, data, loss, optimiser and duration."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from arrayenh.checks import one_of, within
from arrayenh.errors import ConfigError
from arrayenh.formats import read_toml
from arrayenh.validation import validated

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
"""Keys of [run] that may change when a training is resumed."""

MOST = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """Network of a recipe.

    Attributes
    ----------
    name : str
    settings : dict
        Settings of its `Config`.
    init : str, optional
        Checkpoint or folder of a training with the initial weights.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    init: str | None = None

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRecipe:
    """Weighted sum of loss terms; see `arrayenh.training.losses`.

    Attributes
    ----------
    si_sdr, spectral, stft, magnitude, noise_db, picture, mask, beam, beam_bands : float
        Weights of: negative SI-SDR in dB; compressed spectra; magnitudes in several resolutions;
        mean absolute distance of magnitudes; noise as noisy minus clean dB (Huber); spectrogram
        as a picture (binary cross-entropy); distance from the ideal mask; negative SI-SDR of the
        beamformer that the mask steers, over all frequencies; its mean over auditory bands.
    compression : float
        Exponent of the magnitudes of `spectral`.
    complex_part : float
        Weight of the phase in `spectral`, 0 to 1.
    resolutions : tuple of int
        Frame lengths of `stft`, samples; the hop is a quarter of each.
    measure : {"mse", "bce"}
        Distance of `mask`.
    ratio_power : float
        Exponent of the ideal mask: 1 for magnitudes, 2 for powers.
    mask_power : float
        Exponent of the mask before the comparison: 2 if its square is used.
    bin_power : float
        Exponent of the noisy magnitude that weights the bins of `mask`.
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
            raise ConfigError("loss.resolutions needs at least one frame length")

    @property
    def weights(self) -> dict[str, float]:
        """Weights of all terms by name."""
        return {term: getattr(self, term) for term in TERMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserRecipe:
    """AdamW optimiser with gradient clipping.

    Attributes
    ----------
    lr, weight_decay : float
    betas : tuple of float
    clip : float
        Largest norm of all gradients together.
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
    """Schedule of the learning rate.

    Attributes
    ----------
    kind : {"plateau", "step", "cosine", "constant"}
    warmup : int
        Number of steps of the initial linear rise from 0.
    factor : float
        Factor of the rate at each reduction of "plateau" and "step".
    patience : int
        Evaluations without progress before a reduction of "plateau".
    every : int
        Number of steps between the reductions of "step".
    least : float
        Lowest factor of the rate for "plateau" and "cosine".
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
    """Duration and execution of a training.

    Attributes
    ----------
    steps, epochs : int, optional
        Exactly one of the two; an epoch uses all training data once.
    batch_size : int
        Examples per batch in each process.
    seconds : float, optional
        Duration of the training examples.
    seed : int
        Seed of weights, data and dropout.
    dev_every : int
        Steps between evaluations on the development data.
    dev_batches : int, optional
        Number of development batches; all by default.
    patience : int
        Evaluations without progress after which the training stops.
    ema : float
        Decay of the moving average of the weights, which is evaluated and saved; 0: no average.
    threads : int, optional
        Number of CPU threads.
    amp : {"none", "bfloat16", "float16"}
        Precision of the network on a GPU; losses and weights stay float32.
    workers : int
        Number of processes that prepare batches; 0 uses a thread.
    rounds : int
        Number of passes of a mask network with a beamformer's output as input, as in the chain:
        from the second pass on, its own mask steers the beamformer. The number is drawn at
        random up to this value in training and equals it in evaluation.
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
    """Training recipe; `data` is passed to the code that prepares the examples."""

    model: ModelRecipe
    loss: LossRecipe
    run: RunRecipe
    data: dict[str, Any] = field(default_factory=dict)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()

    __pydantic_config__ = STRICT


def names() -> list[str]:
    """Names of the packaged recipes: those of the packaged networks and their pre-trainings."""
    entries = (resources.files("arrayenh") / "training" / "recipes").iterdir()
    return sorted(Path(entry.name).stem for entry in entries if entry.name.endswith(".toml"))


def find_recipe(name_or_path: Path) -> Path:
    """Find the file of a recipe, by its path or the name of a packaged recipe.

    Raises
    ------
    ConfigError
        If neither exists.
    """
    if str(name_or_path) in names() and not name_or_path.is_file():  # may be a results folder
        folder = resources.files("arrayenh") / "training" / "recipes"
        return Path(str(folder / f"{name_or_path}.toml"))
    if name_or_path.exists():
        return name_or_path
    raise ConfigError(f"{name_or_path} does not exist and is not one of {', '.join(names())}")


def load_recipe(path: Path) -> TrainRecipe:
    """Load a recipe from a TOML file.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    return as_recipe(read_toml(path), str(path))


def as_recipe(tree: Mapping[str, Any], source: str) -> TrainRecipe:
    """Validate the values of a recipe; messages name their `source`."""
    return validated(TrainRecipe, tree, source, strict=True)


def as_tree(recipe: TrainRecipe) -> dict[str, Any]:
    """Recipe as a tree for files, the inverse of `as_recipe`."""
    return asdict(recipe)


def with_run(recipe: TrainRecipe, **changes: Any) -> TrainRecipe:
    """Replace values in [run] of a recipe; values of None are ignored."""
    given = {key: value for key, value in changes.items() if value is not None}
    if "steps" in given:
        given["epochs"] = None
    return replace(recipe, run=replace(recipe.run, **given)) if given else recipe


def check_same(recipe: TrainRecipe, before: TrainRecipe, source: str) -> None:
    """Check that a training is resumed with its own recipe.

    Raises
    ------
    ConfigError
        If the recipes differ in more than `MAY_CHANGE`; the message names the table.
    """
    for part in fields(recipe):
        now, then = getattr(recipe, part.name), getattr(before, part.name)
        if part.name == "run":
            then = replace(then, **{key: getattr(now, key) for key in MAY_CHANGE})
        if json.dumps(plain(now)) != json.dumps(plain(then)):
            raise ConfigError(
                f"{source} was trained with another [{part.name}]; give the same recipe, or "
                f"--overwrite to start again"
            )


def plain(part: Any) -> Any:
    """Part of a recipe in JSON types."""
    return part if isinstance(part, dict) else asdict(part)


def as_toml(recipe: TrainRecipe) -> str:
    """Recipe as TOML, including all defaults."""
    lines: list[str] = []
    for name, table in as_tree(recipe).items():
        lines += [f"[{name}]", *(f"{json.dumps(k)} = {v}" for k, v in told(table)), ""]
    return "\n".join(lines)


def told(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys and values of a table as TOML; nested tables are written on one line."""
    return [(key, toml_value(value)) for key, value in table.items() if value is not None]


def toml_value(value: Any) -> str:
    """Value as one line of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {v}" for k, v in told(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
