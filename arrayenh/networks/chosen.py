"""Which networks a chain runs: those that its settings name, or else those that ship."""

from dataclasses import dataclass

from arrayenh.config import EnhanceConfig, model_names
from arrayenh.errors import ConfigError
from arrayenh.networks import catalogue
from arrayenh.networks.runtime import Network

SETTINGS = {"mask": "masks", "postfilter": "postfilter"}
"""The setting that is "neural" where a network does the task."""


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The network of each task, or None."""

    mask: Network | None = None
    postfilter: Network | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the file of each."""
        both = {"mask": self.mask, "postfilter": self.postfilter}
        return {task: network.digest for task, network in both.items() if network is not None}


def chosen(config: EnhanceConfig, sample_rate: int) -> Networks:
    """The networks of a chain that works at `sample_rate`, Hz.

    Raises
    ------
    ConfigError
        If a model cannot be read, is not used, does not fit the chain, or is missing.
    """
    found = by_task(config.model)
    for task, setting in SETTINGS.items():
        value = getattr(config, setting)
        if task in found and value != "neural":
            raise ConfigError(
                f"model {found[task].source} is for {setting} neural, and {setting} is {value}"
            )
    for task, setting in SETTINGS.items():
        if getattr(config, setting) == "neural":
            if task not in found:
                found[task] = shipped(task, config.online)
            check_fit(found[task], config, sample_rate)
    return Networks(**found)


def by_task(model: str | None) -> dict[str, Network]:
    """The networks of a setting `model` by their tasks.

    Raises
    ------
    ConfigError
        If two are for the same task.
    """
    found: dict[str, Network] = {}
    for name in model_names(model):
        network = Network.load(name)
        task = network.signature.task
        if task in found:
            raise ConfigError(f"model names two networks for {SETTINGS[task]}: {model}")
        found[task] = network
    return found


def shipped(task: str, causal: bool) -> Network:
    """The network that ships for a task.

    Raises
    ------
    ConfigError
        If none does.
    """
    name = catalogue.default(task, causal)
    if name is None:
        kind = "causal network" if causal else "network"
        raise ConfigError(
            f"{SETTINGS[task]} neural: no {kind} for it ships; give one, --model FILE.onnx"
        )
    return Network.load(name)


def check_fit(network: Network, config: EnhanceConfig, sample_rate: int) -> None:
    """Refuse a network that hears something else than the chain has."""
    signature, where = network.signature, f"model {network.source}"
    if signature.sample_rate != sample_rate:
        raise ConfigError(
            f"{where} hears {signature.sample_rate} Hz; the chain works at {sample_rate} Hz"
        )
    if config.online:
        network.check_streaming()
        if network.needs("noise"):
            raise ConfigError(f"{where} hears the noise left over, which is not told online")
    sizes = signature.n_fft, signature.hop
    if signature.task == "mask" and sizes != (config.n_fft, config.hop):
        raise ConfigError(
            f"{where} hears frames of {sizes[0]} samples every {sizes[1]}, the beamformer "
            f"{config.n_fft} every {config.hop}: set n_fft = {sizes[0]}, hop = {sizes[1]} in a "
            f"--profile file"
        )
