"""Training data as defined by the table `[data]` of a recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field

from arrayenh.errors import ConfigError, SceneError
from arrayenh.networks.signature import Signature
from arrayenh.scenes.chance import check_chance, extremes
from arrayenh.scenes.signals import COLOURS
from arrayenh.training.data.augmentation import Augmentation
from arrayenh.training.data.bank import RECIPE, make_bank
from arrayenh.training.data.beamformed import by_network, check_masks
from arrayenh.training.data.examples import RATE, Beam, Example, Finish, SceneExamples, Source
from arrayenh.training.data.folders import MixtureExamples, PairExamples, find_pairs
from arrayenh.training.data.mixing import Mixing
from arrayenh.training.data.splits import PARTS, Corpus, open_corpus, open_noise
from arrayenh.training.data.stored import open_bank
from arrayenh.validation import validated

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0.5, le=60)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
SNR_DB = {"uniform": [-8.0, 20.0]}
MOST_SNR_DB = 60.0
ORDER, EXAMPLE = 0, 1  # streams of random numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneData:
    """`kind = "scenes"`: rendered rooms, with one microphone or a beamformer's output as input.

    Attributes
    ----------
    root : str
        Corpus: a folder with a manifest.csv, or with the folders speech and noise.
    bank : str
        Folder of the rendered scenes.
    scenes, dev_scenes : int
        Number of training and of development scenes.
    bank_seed : int
    recipe : str
        Suite file that defines the scenes.
    seconds : float
        Duration of an example.
    context : float
        Duration of the beamformer's input in seconds, of which the example is a part.
    masks : str
        Masks that steer the beamformer: "oracle" (degraded at random), "spp", "cacgmm", or a
        network by its name or .onnx file. For a network of masks: masks before its first pass,
        which cannot be those of a network.
    passed : float, optional
        Probability that the beamformer passes its reference, as with one microphone. Default:
        0.05.
    snr_db, remix, clean, silent
        See `Mixing`.
    augment : Augmentation
    """

    kind: Literal["scenes"] = "scenes"
    root: str
    bank: str
    scenes: Positive = 1500
    dev_scenes: Positive = 100
    bank_seed: Annotated[int, Field(ge=0)] = 0
    recipe: str = str(RECIPE)
    seconds: Seconds = 4.0
    context: Seconds = 8.0
    masks: str = "oracle"
    passed: Share = 0.05
    snr_db: Any = field(default_factory=lambda: dict(SNR_DB))
    remix: Share = 0.5
    clean: Share = 0.05
    silent: Share = 0.03
    augment: Augmentation = field(default_factory=Augmentation)

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class PairData:
    """`kind = "pairs"`: folders noisy and clean below `root`, or noisy_* and clean_*."""

    kind: Literal["pairs"] = "pairs"
    root: str
    seconds: Seconds = 4.0
    augment: Augmentation = field(default_factory=Augmentation)

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureData:
    """`kind = "mixtures"`: speech and noise without rooms.

    Attributes
    ----------
    root : str
        Folder of the corpus.
    noise : str, optional
        Replaces the noise of the corpus: "white", "pink", "brown" or "speech-shaped", another
        corpus, or a folder of noise.
    seconds : float
    snr_db : float or table of a random value
    augment : Augmentation
    """

    kind: Literal["mixtures"] = "mixtures"
    root: str
    noise: str | None = None
    seconds: Seconds = 4.0
    snr_db: Any = field(default_factory=lambda: dict(SNR_DB))
    augment: Augmentation = field(default_factory=Augmentation)

    __pydantic_config__ = STRICT


Data = SceneData | PairData | MixtureData
KINDS: dict[str, type[Any]] = {"scenes": SceneData, "pairs": PairData, "mixtures": MixtureData}


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Batches of examples, independent of the process and order in which they are prepared.

    Attributes
    ----------
    source : Source
    batch_size, seed : int
    part : {"train", "dev"}
        Training batches are endless, in another order in each epoch. There are `len(examples)`
        development batches, the same for every seed.
    """

    source: Source
    batch_size: int
    seed: int
    part: str

    def __len__(self) -> int:
        """Number of batches in an epoch, at least one."""
        return max(len(self.source) // self.batch_size, 1)

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index`.

        Returns
        -------
        batch : dict
            Float32: "inputs" (B, C, N), the signals of the signature, or "microphones"
            (B, M, N), silent where an example has fewer, with "mask" (B, T, F); and
            "target" (B, N).

        Raises
        ------
        IndexError
            If the part has no such batch.
        """
        if index < 0 or (self.part == "dev" and index >= len(self)):
            raise IndexError(f"there is no batch {index}")
        first = index * self.batch_size
        made = [self.example(number) for number in range(first, first + self.batch_size)]
        return {key: stacked([example[key] for example in made]) for key in made[0]}

    def example(self, number: int) -> Example:
        """Example by its number, counted from 0 through all batches."""
        turn, place = divmod(number, len(self.source))
        if self.part == "dev":
            return self.source.example(place, np.random.default_rng([number, EXAMPLE]))
        k = int(order(self.seed, turn, len(self.source))[place])
        return self.source.example(k, np.random.default_rng([self.seed, number, EXAMPLE]))


def stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Stack arrays as float32; those with fewer rows are padded with zeros."""
    shape = np.max([array.shape for array in arrays], axis=0)
    batch = np.zeros((len(arrays), *shape), np.float32)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch


@lru_cache(maxsize=4)
def order(seed: int, turn: int, n: int) -> np.ndarray:
    """Random order of the data in one epoch, shape (n,)."""
    return np.random.default_rng([seed, turn, ORDER]).permutation(n)


def build_examples(
    data: Mapping[str, Any], signature: Signature, batch_size: int, seed: int, part: str
) -> Examples:
    """Build the training data of one part.

    Parameters
    ----------
    data : mapping
        Table `[data]`: `kind` = "scenes", "pairs" or "mixtures", and the keys of `SceneData`,
        `PairData` or `MixtureData`.
    signature : Signature
        Signature of the network, which defines the inputs.
    batch_size, seed : int
    part : {"train", "dev"}
        Training data, or development data without augmentation.

    Returns
    -------
    examples : Examples

    Raises
    ------
    ConfigError
        If a key is unknown, a value is invalid, the bank does not exist yet, or the data does
        not contain the inputs of the network.
    """
    if part not in PARTS:
        raise ConfigError(f"part must be one of {', '.join(PARTS)}; got {part!r}")
    if batch_size < 1 or seed < 0:
        raise ConfigError(f"batch_size must be 1 or more, seed 0 or more; got {batch_size}, {seed}")
    settings = checked(data)
    check_inputs(signature, settings.kind)
    finish = Finish(round(settings.seconds * RATE), settings.augment)
    finish = finish.plain() if part == "dev" else finish
    return Examples(source_of(settings, signature, finish, part), batch_size, seed, part)


def prepare(
    data: Mapping[str, Any], jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Prepare the data: render the missing scenes of the bank.

    Parameters
    ----------
    data : mapping
        See `build_examples`.
    jobs : int
        Number of processes.
    progress : callable, optional
        Called with the number of finished scenes and the number of all scenes.
    """
    settings = checked(data)
    if not isinstance(settings, SceneData):
        return
    total = settings.scenes + settings.dev_scenes
    make_bank(
        Path(settings.root),
        Path(settings.bank),
        settings.scenes,
        settings.bank_seed,
        jobs,
        lambda done: progress(done, total) if progress else None,
        dev_count=settings.dev_scenes,
        recipe=Path(settings.recipe),
    )


def checked(data: Mapping[str, Any]) -> Data:
    """Validate the table and fill in its defaults."""
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"data.kind must be one of {', '.join(KINDS)}; got {kind!r}")
    settings = validated(KINDS[kind], data, table="data")
    if not isinstance(settings, PairData):
        check_snr(settings.snr_db)
    if isinstance(settings, SceneData):
        check_masks(settings.masks)
    return settings


def check_snr(snr_db: Any) -> None:
    """Validate an SNR, fixed or random."""
    try:
        check_chance("data.snr_db", snr_db)
    except SceneError as error:
        raise ConfigError(str(error)) from error
    for value in extremes(snr_db):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) <= MOST_SNR_DB:
            raise ConfigError(
                f"data.snr_db must be -60 to 60, or {{ uniform = [low, high] }} or "
                f"{{ choice = [...] }} of such; got {snr_db!r}"
            )


def check_inputs(signature: Signature, kind: str) -> None:
    """Raise if the data does not contain the inputs of the network."""
    inputs = signature.inputs
    if signature.sample_rate != RATE:
        raise ConfigError(f"training data has {RATE} Hz; the network needs {signature.sample_rate}")
    if kind != "scenes" and len(inputs) > 1:
        raise ConfigError(
            f"data of kind {kind!r} has one channel, the network's inputs are "
            f"{', '.join(inputs)}; use kind = 'scenes'"
        )
    if "microphone" in inputs and len(inputs) > 1:
        raise ConfigError(f"input microphone excludes other inputs; got {', '.join(inputs)}")


def source_of(settings: Data, signature: Signature, finish: Finish, part: str) -> Source:
    """Source of the examples of a part."""
    if isinstance(settings, PairData):
        return PairExamples(find_pairs(Path(settings.root), part), finish)
    if isinstance(settings, MixtureData):
        corpus = open_corpus(Path(settings.root), part)
        speech = [corpus.root / sound.path for sound in corpus.speech]
        return MixtureExamples(speech, noise_of(settings, corpus, part), settings.snr_db, finish)
    count = settings.scenes if part == "train" else settings.dev_scenes
    mixing = Mixing(
        snr_db=settings.snr_db, remix=settings.remix, clean=settings.clean, silent=settings.silent
    )
    if part == "dev":
        mixing = replace(mixing, remix=0.0, clean=0.0, silent=0.0)
    scenes = open_bank(Path(settings.bank), part, count)
    beam = Beam(settings.masks, round(settings.context * RATE), settings.passed)
    if signature.task != "postfilter" and by_network(settings.masks):
        raise ConfigError("data.masks of a network of masks must be oracle, spp or cacgmm")
    return SceneExamples(scenes, signature, mixing, finish, beam)


def noise_of(settings: MixtureData, corpus: Corpus, part: str) -> Sequence[Path] | str:
    """Noise files of the corpus or of another one, or the colour of synthetic noise."""
    if settings.noise in COLOURS:
        return settings.noise
    if settings.noise is not None:
        return open_noise(Path(settings.noise), part)
    if not corpus.noise:
        raise ConfigError(
            f"{corpus.root} has no noise for the part {part!r}; give data.noise, a folder or "
            f"{', '.join(COLOURS)}"
        )
    return [corpus.root / sound.path for sound in corpus.noise]
