"""Choice of the mask estimator by name."""

from arrayenh.errors import ConfigError
from arrayenh.masks.cacgmm import CacgmmMasks
from arrayenh.masks.neural import GUIDED_ROUNDS, NeuralMasks, hears_a_guide
from arrayenh.masks.source import MASKS, MaskSource
from arrayenh.networks.runtime import Network


def mask_source(
    name: str,
    n_freqs: int,
    hop_seconds: float,
    network: Network | None = None,
    reference: int = 0,
    guide: MaskSource | None = None,
) -> MaskSource:
    """Make the mask estimator of a name, or of a network.

    Parameters
    ----------
    name : str
        A name in `MASKS`, or "neural" for a network.
    n_freqs : int
    hop_seconds : float
    network : Network, optional
    reference : int
        Reference microphone.
    guide : MaskSource, optional
        Initial masks that select the talker, for a network that `hears_a_guide`.

    Raises
    ------
    ConfigError
        If the name is unknown, or "neural" without a network.
    """
    if network is not None and guide is not None and hears_a_guide(network):
        return NeuralMasks(network, reference, GUIDED_ROUNDS, guide)
    if network is not None:
        first = CacgmmMasks(n_freqs, hop_seconds) if network.needs("noise") else None
        return NeuralMasks(network, reference, first=first)
    if name == "neural":
        raise ConfigError("masks neural needs a network")
    return MASKS.get_known(name).source(n_freqs, hop_seconds)
