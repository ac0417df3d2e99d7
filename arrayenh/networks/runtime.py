"""Networks from ONNX files, run by onnxruntime (the only module that imports it).

Networks run on one thread, so that parallel chains do not compete for cores and the output does
not depend on the number of cores. They access nothing but their file.
"""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.errors import ConfigError, MissingExtraError, NumericalError, ShapeError
from arrayenh.networks import catalogue
from arrayenh.networks.metadata import read_metadata

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

QUIET = 4  # onnxruntime's log level: fatal errors only
STATE, NEXT = "state_", "next_"  # prefixes of state inputs and outputs
MOST_WORDS = 160  # characters shown of onnxruntime's error messages
SAME = 1e-4  # relative to the peak, tolerance of rounding


class Network:
    """A network from an ONNX file, validated against its `Signature`.

    Parameters
    ----------
    content : bytes
        Content of the file.
    source : str
        Name or path, for messages.

    Attributes
    ----------
    signature : Signature
    words : Words
        Optional metadata.
    streaming : bool
        Whether it can run frame by frame: it has no look-ahead, and its state, if any, is an
        input and output of the graph.
    source : str
    n_bytes : int
    digest : str
        SHA-256 of the file.

    Raises
    ------
    ConfigError
        If the file is damaged, not a network for arrayenh, or contradicts its signature.
    """

    def __init__(self, content: bytes, source: str) -> None:
        where = f"model {source}"
        self.source, self.n_bytes = source, len(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self._session = session(content, where)
        metadata = metadata_of(self._session, where)
        self.signature, self.words = read_metadata(metadata, where)
        self._states = self._declared(where)
        self._try(where)
        self.streaming = self.signature.causal and (bool(self._states) or not self._remembers())

    @classmethod
    def load(cls, name_or_path: str) -> "Network":
        """Load a packaged network by its name, or any other by the path of its file."""
        return cls(catalogue.read(name_or_path), name_or_path)

    @property
    def latency_seconds(self) -> float | None:
        """Latency of a streaming network, its synthesis window, s; None for others."""
        signature = self.signature
        return signature.stft.latency / signature.sample_rate if self.streaming else None

    def signals(
        self,
        beamformed: np.ndarray,
        reference: np.ndarray | None = None,
        noise: np.ndarray | None = None,
        masked: np.ndarray | None = None,
    ) -> np.ndarray:
        """Stack the network's input signals in its order, (F, T) each -> (C, F, T).

        Raises
        ------
        ShapeError
            If a signal that the network needs is missing or has another shape.
        """
        roles = {
            "beamformed": beamformed, "reference": reference, "noise": noise, "masked": masked
        }  # fmt: skip
        for role, signal in roles.items():
            if self.needs(role) and (signal is None or signal.shape != beamformed.shape):
                raise ShapeError(
                    f"model {self.source} needs the {role} of shape {beamformed.shape}; "
                    f"got {None if signal is None else signal.shape}"
                )
        if reference is not None:
            roles["rest"] = reference - beamformed
        return np.stack([roles[role] for role in self.signature.inputs]).astype(  # type: ignore
            np.complex64, copy=False
        )

    def needs(self, role: str) -> bool:
        """Whether the network's inputs include a role, or one derived from it."""
        inputs = self.signature.inputs
        return role in inputs or (role == "reference" and "rest" in inputs)

    def run(self, spec: np.ndarray) -> np.ndarray:
        """Run the network on a whole signal.

        Parameters
        ----------
        spec : complex64 ndarray, shape (C, F, T)
            Signals in the order of `signature.inputs`.

        Returns
        -------
        out : float32 or complex64 ndarray, shape (F, T)
            A mask, in [0, 1], or a spectrum; zero in frames where all signals are zero.

        Raises
        ------
        ShapeError
            If `spec` does not have the C and F of the signature.
        NumericalError
            If the output is not finite.
        """
        return Stream(self).push(spec)

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Mean of the masks of all microphones, each processed separately; (F, M, T) -> (F, T).

        Microphones that are silent in a frame are left out of its mean.

        Raises
        ------
        ShapeError, NumericalError
            See `run`.
        """
        return Stream(self).masks(spec)

    def stream(self) -> "Stream":
        """Start a stream, to run the network block by block.

        Raises
        ------
        ConfigError
            If the network looks ahead, or its graph does not output its state.
        """
        self.check_streaming()
        return Stream(self)

    def check_streaming(self) -> None:
        """Raise ConfigError if the network cannot run frame by frame; see `stream`."""
        if not self.signature.causal:
            raise ConfigError(f"model {self.source} looks ahead: it cannot run frame by frame")
        if not self.streaming:
            raise ConfigError(
                f"model {self.source} has no state: to run it frame by frame, export it --streaming"
            )

    def initial_state(self, n_batch: int) -> dict[str, np.ndarray]:
        """State at the start of a recording: zeros."""
        return {
            name: np.zeros([n_batch if size is None else size for size in shape], np.float32)
            for name, shape in self._states.items()
        }

    def evaluate(
        self, spec: np.ndarray, state: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Run the graph.

        Parameters
        ----------
        spec : complex64 ndarray, shape (B, C, T, F)
        state : dict of str to float32 ndarray

        Returns
        -------
        out : float32 ndarray, shape (B, T, F) or (B, T, F, 2)
        state : dict of str to float32 ndarray
            State after these frames.
        """
        parts = np.ascontiguousarray(spec, np.complex64).view(np.float32)
        feeds = {"spec": parts.reshape(*spec.shape, 2)}  # (B, C, T, 2F) -> (B, C, T, F, 2)
        feeds |= {STATE + name: value for name, value in state.items()}
        try:
            out, *after = self._session.run(["out", *(NEXT + name for name in state)], feeds)
        except failures() as error:
            raise ConfigError(f"model {self.source} does not run: {words(error)}") from error
        return out, dict(zip(state, after, strict=True))

    def _declared(self, where: str) -> dict[str, tuple[int | None, ...]]:
        """Shapes of the states, the batch as None; raises ConfigError for unexpected tensors."""
        nodes = {node.name: node for node in self._session.get_inputs()}
        states = [name.removeprefix(STATE) for name in nodes if name.startswith(STATE)]
        outputs = {node.name for node in self._session.get_outputs()}
        wanted = {"spec", *(STATE + s for s in states)}, {"out", *(NEXT + s for s in states)}
        if (set(nodes), outputs) != wanted:
            raise ConfigError(
                f"{where} has inputs {listed(nodes)} and outputs {listed(outputs)}; "
                f"wanted are {listed(wanted[0])} and {listed(wanted[1])}"
            )
        if states and not self.signature.causal:
            raise ConfigError(f"{where} has state but says that it is not causal")
        signature = self.signature
        sizes = (None, len(signature.inputs), None, signature.n_freqs, 2)
        check_input(nodes["spec"], sizes, where)
        shapes = {name: free(nodes[STATE + name]) for name in states}
        for name, shape in shapes.items():
            if shape.count(None) != 1 or nodes[STATE + name].type != "tensor(float)":
                raise ConfigError(
                    f"{where}: {STATE}{name} should be float32 with one free axis, the batch"
                )
        return shapes

    def _try(self, where: str) -> None:
        """Run the network on a little noise, and check the shapes of its outputs."""
        signature, before = self.signature, self.initial_state(2)
        out, after = self.evaluate(self._noise(), before)
        parts = {"mask": (), "postfilter": (2,), "both": (3,)}[signature.task]
        shape = (2, 3, signature.n_freqs, *parts)
        for name, found, wanted in [
            ("out", out, shape),
            *((NEXT + name, after[name], before[name].shape) for name in before),
        ]:
            if found.shape != wanted or found.dtype != np.float32:
                raise ConfigError(
                    f"{where}: {name} of 2 signals, 3 frames should be float32 {wanted}; "
                    f"got {found.dtype} {found.shape}"
                )
            if not np.isfinite(found).all():
                raise ConfigError(f"{where} is damaged: {name} of plain noise is not finite")

    def _remembers(self) -> bool:
        """Whether the output of a frame depends on earlier frames."""
        spec = self._noise()
        out, alone = self.evaluate(spec, {})[0], self.evaluate(spec[:, :, 2:], {})[0]
        return bool(np.abs(out[:, 2:] - alone).max() > SAME * np.abs(out).max())

    def _noise(self) -> np.ndarray:
        """White noise: a batch of two signals of three frames, (2, C, 3, F)."""
        shape = 2, len(self.signature.inputs), 3, self.signature.n_freqs, 2
        noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        return noise.view(np.complex64)[..., 0]


class Stream:
    """A network running on a recording block by block, with its state.

    The output of a causal network does not depend on how the frames are split into blocks.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.reset()

    def reset(self) -> None:
        """Reset the state, for a new recording."""
        self._state: dict[str, np.ndarray] | None = None
        self._before: dict[str, np.ndarray] | None = None
        self._n_batch = 0

    def forget_last(self) -> None:
        """Take the state back to where it was before the last frames."""
        self._state = self._before

    def push(self, spec: np.ndarray) -> np.ndarray:
        """Mask or spectrum of the next frames, (C, F, t) -> (F, t); see `Network.run`."""
        self._check(spec)
        return self._advance(spec[None])[0]

    def _check(self, spec: np.ndarray) -> None:
        signature = self.network.signature
        wanted = (len(signature.inputs), signature.n_freqs)
        if spec.ndim != 3 or spec.shape[:2] != wanted:
            raise ShapeError(f"spec must have shape {(*wanted, 't')}; got {spec.shape}")

    def both(self, spec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mask and spectrum of the next frames, (C, F, t) -> (F, t) each, of a network for both."""
        self._check(spec)
        mask, filtered = self._advance_both(spec[None])
        return mask[0], filtered[0]

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Mean mask of the next frames over all microphones; see `Network.masks`."""
        signature = self.network.signature
        if signature.inputs != ("microphone",):
            raise ConfigError(
                f"model {self.network.source} has the inputs {', '.join(signature.inputs)}, "
                f"not a single microphone"
            )
        if spec.ndim != 3 or len(spec) != signature.n_freqs:
            raise ShapeError(f"spec must have shape ({signature.n_freqs}, M, t); got {spec.shape}")
        masks = self._advance(spec.swapaxes(0, 1)[:, None])  # (M, F, t)
        n_heard = np.count_nonzero(spec.any(axis=0), axis=0)
        return masks.sum(axis=0) / np.maximum(n_heard, 1).astype(np.float32)

    def _advance(self, spec: np.ndarray) -> np.ndarray:
        """Mask or spectrum of the next frames, (B, C, F, t) -> (B, F, t); zero in silent frames."""
        masking = self.network.signature.task == "mask"
        if spec.shape[3] == 0:
            dtype = np.float32 if masking else np.complex64
            return np.zeros((len(spec), spec.shape[2], 0), dtype)
        out = self._run(spec)
        return heard_only(np.clip(out, 0, 1) if masking else as_complex(out), spec)

    def _advance_both(self, spec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mask and spectrum of the next frames, at least one; see `_advance`."""
        out = self._run(spec)
        mask, filtered = np.clip(out[..., 0], 0, 1), as_complex(out[..., 1:])
        return heard_only(mask, spec), heard_only(filtered, spec)

    def _run(self, spec: np.ndarray) -> np.ndarray:
        """Output of the graph for the next frames, and the next state."""
        if self._state is None:
            self._state, self._n_batch = self.network.initial_state(len(spec)), len(spec)
        if len(spec) != self._n_batch:
            raise ShapeError(f"the stream began with {self._n_batch} signals; got {len(spec)}")
        self._before = self._state
        out, self._state = self.network.evaluate(spec.swapaxes(2, 3), self._state)
        if not np.isfinite(out).all():
            raise NumericalError(f"model {self.network.source} gives values that are not finite")
        return out


def as_complex(parts: np.ndarray) -> np.ndarray:
    """Join real and imaginary parts, (..., 2) -> (...), complex64."""
    return np.ascontiguousarray(parts).view(np.complex64)[..., 0]


def heard_only(out: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Output (B, t, F) with zeros where the input (B, C, F, t) is silent, (B, F, t)."""
    heard = np.asarray(spec.any(axis=(1, 2)))  # (B, t)
    return np.ascontiguousarray(np.where(heard[:, None], out.swapaxes(1, 2), 0))


def session(content: bytes, where: str) -> "InferenceSession":
    """Load a graph, to run on one thread.

    Raises
    ------
    ConfigError
        If the content is not an ONNX graph that can run.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "networks are run by onnxruntime: pip install onnxruntime"
        ) from error
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    options.enable_mem_pattern = False  # it plans for one length, but lengths vary
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except failures() as error:
        raise ConfigError(f"{where} is no ONNX network, or damaged: {words(error)}") from error


def metadata_of(loaded: "InferenceSession", where: str) -> dict[str, str]:
    """Metadata of a loaded graph; raises ConfigError if it is not text."""
    try:
        return dict(loaded.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is damaged: its metadata is not UTF-8 text") from error


def failures() -> tuple[type[BaseException], ...]:
    """Exceptions raised by onnxruntime, which have no common base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    return (RuntimeError, ValueError, *(kind for kind in own if issubclass(kind, Exception)))


def words(error: BaseException) -> str:
    """Shorten an error message of onnxruntime to one line without codes."""
    text = " ".join(str(error).rpartition("[ONNXRuntimeError] :")[2].split())
    text = text.split(" : ", 2)[-1]  # code, name of the code, message
    return text if len(text) <= MOST_WORDS else text[:MOST_WORDS] + "..."


def free(node: Any) -> tuple[int | None, ...]:
    """Shape of an input, with None for a free axis."""
    return tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)


def check_input(node: Any, wanted: tuple[int | None, ...], where: str) -> None:
    """Raise ConfigError if an input has another shape, or a fixed axis that must be free."""
    found = free(node)
    fits = len(found) == len(wanted) and all(
        a == b or (a is None and b is not None) for a, b in zip(found, wanted, strict=True)
    )
    if not fits or node.type != "tensor(float)":
        raise ConfigError(
            f"{where}: {node.name} should be tensor(float) {shown(wanted)}; "
            f"got {node.type} {shown(found)}"
        )


def shown(shape: tuple[int | None, ...]) -> str:
    """Format a shape, with * for a free axis."""
    return f"({', '.join('*' if size is None else str(size) for size in shape)})"


def listed(names: Any) -> str:
    """Sort names and join them by commas."""
    return ", ".join(sorted(names)) or "none"
