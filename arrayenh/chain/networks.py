"""Networks of the chain: those named in the settings, or the packaged defaults."""

from dataclasses import dataclass

from arrayenh.chain.frames import LIVE
from arrayenh.chain.settings import NEURAL, Settings, model_names
from arrayenh.errors import ConfigError
from arrayenh.networks import catalogue
from arrayenh.networks.runtime import Network
from arrayenh.stft import Stft

SETTINGS = {"mask": "masks", "postfilter": "postfilter"}
"""The setting of each task that is "neural" if a network does it."""

FRAMES = 2048, 512  # n_fft and hop of the beamformer without a mask network


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The network of each task, None where the chain uses none."""

    mask: Network | None = None
    postfilter: Network | None = None

    @property
    def joint(self) -> bool:
        """Whether one network is for both tasks."""
        return self.mask is not None and self.mask is self.postfilter

    def stft(self, settings: Settings) -> Stft:
        """STFT of the beamformer, and of the whole of a live chain."""
        if settings.n_fft is not None:
            return Stft(settings.n_fft, settings.hop or settings.n_fft // 4, "hann")
        if self.mask is not None:
            return self.mask.signature.stft
        if settings.online and self.postfilter is not None:
            return self.postfilter.signature.stft
        return LIVE[settings.latency].stft if settings.online else Stft(*FRAMES, "hann")

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
    loaded: dict[str, Network] = {}
    for task, setting in SETTINGS.items():
        value = getattr(settings, setting)
        if task in found and value != NEURAL and not (found[task].signature.task == "both"):
            raise ConfigError(
                f"model {found[task].source} is for {setting} neural, and {setting} is {value}"
            )
        name = default(task, settings) if value == NEURAL else value
        if value != NEURAL:
            found.pop(task, None)
        if task == "mask" and not settings.learns:
            continue
        known = (*catalogue.names(task), *catalogue.names("both"))
        if task not in found and (value == NEURAL or name in known):
            found[task] = loaded[name] = loaded.get(name) or Network.load(name)
    for network in found.values():
        check_fit(network, settings, sample_rate)
    networks = Networks(**found)
    if settings.online and networks.mask is not None and networks.postfilter is not None:
        check_together(networks.mask, networks.postfilter)
    return networks


def default(task: str, settings: Settings) -> str:
    """Name of the packaged network for a task: of the frames of a live chain, or offline."""
    return LIVE[settings.latency].network if settings.online else catalogue.default(task)


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
        for one in SETTINGS if task == "both" else (task,):
            if one in found:
                raise ConfigError(f"model names two networks for {SETTINGS[one]}: {model}")
            found[one] = network
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
    elif signature.task == "both":
        raise ConfigError(f"{where} hears the beamformer frame by frame: it needs --online")
    beams = settings.online or signature.task == "mask"
    if beams and settings.n_fft is not None:
        wanted, stft = Networks().stft(settings), signature.stft
        if (stft.n_fft, stft.hop, stft.latency) != (wanted.n_fft, wanted.hop, wanted.latency):
            raise ConfigError(
                f"{where} needs n_fft {stft.n_fft} and hop {stft.hop}, but the settings are "
                f"{wanted.n_fft} and {wanted.hop}: leave n_fft and hop out, or choose masks cacgmm"
            )


def check_together(mask: Network, postfilter: Network) -> None:
    """Raise ConfigError if the networks of a live chain have different frames."""
    ours, theirs = (network.signature for network in (mask, postfilter))
    if (ours.n_fft, ours.hop, ours.synthesis) != (theirs.n_fft, theirs.hop, theirs.synthesis):
        raise ConfigError(
            f"a live chain has one STFT, but model {mask.source} needs n_fft {ours.n_fft}, hop "
            f"{ours.hop} and model {postfilter.source} n_fft {theirs.n_fft}, hop {theirs.hop}"
        )
