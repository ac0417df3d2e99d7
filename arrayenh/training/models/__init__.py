"""Networks, one file each; `build` makes one from its name and its settings.

To add one: a file with a frozen `Config` of its sizes and a class `Model` with a `signature`,
and a line in `FILES`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arrayenh.errors import ConfigError
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
    """A network with fresh weights.

    Parameters
    ----------
    name : str
        One of `FILES`.
    settings : dict
        Values of its `Config` that are not the usual ones.

    Raises
    ------
    ConfigError
        If there is no such network, or a setting is unknown or cannot be.
    """
    if name not in FILES:
        raise ConfigError(f"no network {name!r}; there are {', '.join(FILES)}")
    module = import_module(f"arrayenh.training.models.{FILES[name]}")
    return module.Model(validated(module.Config, settings, f"network {name}"))
