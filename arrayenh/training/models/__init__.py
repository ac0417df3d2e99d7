"""Network architectures, one per file; `build` creates one from its name and settings.

A new network needs a file with a frozen `Config` of its sizes and a class `Model` with a
`signature`, and an entry in `FILES`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arrayenh.errors import ConfigError
from arrayenh.networks.metadata import check_roles, check_sizes
from arrayenh.validation import validated

if TYPE_CHECKING:
    from arrayenh.training.models.model import Model

FILES = {
    "mask-gru": "mask_gru",
    "mask-blstm": "mask_blstm",
    "conv-tasnet": "conv_tasnet",
    "mask-cnn": "mask_cnn",
    "unet": "unet",
    "conv-autoencoder": "conv_autoencoder",
}


def build(name: str, settings: dict[str, Any]) -> "Model":
    """Build a network with random initial weights.

    Parameters
    ----------
    name : str
        One of `FILES`.
    settings : dict
        Values of its `Config` that differ from the defaults.

    Raises
    ------
    ConfigError
        If the network or a setting is unknown, or a value is invalid.
    """
    if name not in FILES:
        raise ConfigError(f"no network {name!r}; use one of {', '.join(FILES)}")
    module = import_module(f"arrayenh.training.models.{FILES[name]}")
    config = validated(module.Config, settings, f"network {name}")
    try:
        built: Model = module.Model(config)
    except RuntimeError as error:  # torch's, also when there is not enough memory
        words = " ".join(str(error).split())
        raise ConfigError(f"network {name} cannot be built with these sizes: {words}") from error
    check_sizes(built.signature)
    check_roles(built.signature)
    return built
