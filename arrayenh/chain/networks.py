"""Networks of the chain: those named in the settings, or the packaged defaults."""

from dataclasses import dataclass

from arrayenh.chain.settings import NEURAL, Settings, model_names
from arrayenh.errors import ConfigError
from arrayenh.networks import catalogue
from arrayenh.networks.runtime import Network

SETTINGS = {"mask": "masks", "postfilter": "postfilter"}
"""The setting of each task that is "neural" if a network does it."""

FRAMES = 2048, 512  # n_fft and hop of the beamformer without a mask network


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The network of each task, None where the chain uses none."""

    mask: Network | None = None
    postfilter: Network | None = None

    def frames(self, settings: Settings) -> tuple[int, int]:
        """Frame length and hop of the beamformer, samples."""
        if settings.n_fft is not None:
            return settings.n_fft, settings.hop or settings.n_fft // 4
        if self.mask is not None:
            return self.mask.signature.n_fft, self.mask.signature.hop
        return FRAMES

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each network's file, by task."""
        both = {"mask": self.mask, "postfilter": self.postfilter}
        return {task: network.digest for task, network in both.items() if network is not None}


def chosen(settings: Settings, sample_rate: int) -> Networks:
    """Load the networks of a chain that works at `sample_rate`, Hz.

    Raises
    ------
    ConfigError
        If a model cannot be read, is not used by the settings, does not fit, or is missing.
    """
    found = by_task(settings.model)
    for task, setting in SETTINGS.items():
        value = getattr(settings, setting)
        if task in found and value != NEURAL:
            raise ConfigError(
                f"model {found[task].source} is for {setting} neural, and {setting} is {value}"
            )
        if task == "mask" and not settings.learns:
            continue
        if value in catalogue.names(task):
            found[task] = Network.load(value)
        elif value == NEURAL and task not in found:
            found[task] = Network.load(catalogue.default(task, settings.online))
        if task in found:
            check_fit(found[task], settings, sample_rate)
    return Networks(**found)


def by_task(model: str | None) -> dict[str, Network]:
    """Load the networks of the setting `model`, by task.

    Raises
    ------
    ConfigError
        If two networks are for the same task.
    """
    found: dict[str, Network] = {}
    for name in () if model is None else model_names("model", model):
        network = Network.load(name)
        task = network.signature.task
        if task in found:
            raise ConfigError(f"model names two networks for {SETTINGS[task]}: {model}")
        found[task] = network
    return found


def check_fit(network: Network, settings: Settings, sample_rate: int) -> None:
    """Raise ConfigError if a network's inputs do not match the chain."""
    signature, where = network.signature, f"model {network.source}"
    if signature.sample_rate != sample_rate:
        raise ConfigError(
            f"{where} works at {signature.sample_rate} Hz, the chain at {sample_rate} Hz"
        )
    if settings.online:
        network.check_streaming()
        if network.needs("noise") or network.needs("masked"):
            raise ConfigError(
                f"{where} needs the residual noise as an input, which no online chain provides"
            )
    wanted, sizes = Networks().frames(settings), (signature.n_fft, signature.hop)
    if signature.task == "mask" and settings.n_fft is not None and sizes != wanted:
        raise ConfigError(
            f"{where} needs n_fft {sizes[0]} and hop {sizes[1]}, but the settings are "
            f"{wanted[0]} and {wanted[1]}: leave n_fft and hop out, or choose masks cacgmm"
        )
