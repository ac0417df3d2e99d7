"""Networks from ONNX files, run by onnxruntime, which lives here and nowhere else.

One thread of the processor, no access to anything but the file: chains that run side by side
do not fight for cores, and the output does not depend on how many there are.
"""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.errors import ConfigError, MissingExtraError, NumericalError, ShapeError
from arrayenh.networks import catalogue
from arrayenh.networks.metadata import read_metadata

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions

QUIET = 4  # severity of what onnxruntime logs: what is fatal
STATE, NEXT = "state_", "next_"  # how names of state begin, before and after some frames
MOST_WORDS = 160  # of what onnxruntime says, in an error message
SAME = 1e-4  # of the peak: as far apart may be what is the same but for rounding


class Network:
    """A network from an ONNX file, checked to be what its `Signature` says.

    Parameters
    ----------
    content : bytes
        Of the file.
    source : str
        Its name or path, for messages.

    Attributes
    ----------
    signature : Signature
    words : Words
        What else the file says.
    streaming : bool
        Whether frames can be given one by one: not to a network that looks ahead, nor to one
        that is causal but whose state the file does not give out.
    source : str
    n_bytes : int
    digest : str
        SHA-256 of the file.

    Raises
    ------
    ConfigError
        If the file is damaged, not a network of arrayenh, or not what it says.
    """

    def __init__(self, content: bytes, source: str) -> None:
        where = f"model {source}"
        self.source, self.n_bytes = source, len(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self._session, self._run_options = session(content, where), run_options()
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.signature, self.words = read_metadata(metadata, where)
        self._states = self._declared(where)
        self._try(where)
        self.streaming = self.signature.causal and (bool(self._states) or not self._remembers())

    @classmethod
    def load(cls, name_or_path: str) -> "Network":
        """A network that ships, by its name, or any other, by the path of its file."""
        return cls(catalogue.read(name_or_path), name_or_path)

    @property
    def latency_seconds(self) -> float | None:
        """From a sound to its place in the output, of one that is streaming: a frame."""
        signature = self.signature
        return signature.n_fft / signature.sample_rate if self.streaming else None

    def signals(
        self,
        beamformed: np.ndarray,
        reference: np.ndarray | None = None,
        noise: np.ndarray | None = None,
        masked: np.ndarray | None = None,
    ) -> np.ndarray:
        """What the network hears of a beamformer, in its order, (F, T) each -> (C, F, T).

        Raises
        ------
        ShapeError
            If it needs another signal than the beamformed one, and that is not there or of
            another shape.
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
        """Whether it hears a signal of that role, or one made of it."""
        inputs = self.signature.inputs
        return role in inputs or (role == "reference" and "rest" in inputs)

    def run(self, spec: np.ndarray) -> np.ndarray:
        """Mask or spectrum of a whole signal.

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
            If `spec` has not the C and F of the signature.
        NumericalError
            If the network gives what is not finite.
        """
        return Stream(self).push(spec)

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Masks of all microphones, each by itself, averaged; (F, M, T) -> (F, T).

        Microphones that are silent in a frame do not count there.

        Raises
        ------
        ShapeError, NumericalError
            As `run`.
        """
        return Stream(self).masks(spec)

    def stream(self) -> "Stream":
        """To run it block by block.

        Raises
        ------
        ConfigError
            If it looks ahead, or does not give out its state.
        """
        self.check_streaming()
        return Stream(self)

    def check_streaming(self) -> None:
        """Refuse to go frame by frame where it cannot; see `stream`."""
        if not self.signature.causal:
            raise ConfigError(f"model {self.source} looks ahead: it cannot go frame by frame")
        if not self.streaming:
            raise ConfigError(
                f"model {self.source} has no state: to go frame by frame, export it --streaming"
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
        """Run the graph as it is.

        Parameters
        ----------
        spec : complex64 ndarray, shape (B, C, T, F)
        state : dict of str to float32 ndarray

        Returns
        -------
        out : float32 ndarray, shape (B, T, F) or (B, T, F, 2)
        state : dict of str to float32 ndarray
            After these frames.
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
        """Shapes of the states, the batch as None; refuses any other inputs and outputs."""
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
        """Run it on a little noise: what it gives must have the shape that it says."""
        signature, before = self.signature, self.initial_state(2)
        out, after = self.evaluate(self._noise(), before)
        shape = (2, 3, signature.n_freqs, 2)[: 3 if signature.task == "mask" else 4]
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
        """Whether what it gives of a frame depends on those before."""
        spec = self._noise()
        out, alone = self.evaluate(spec, {})[0], self.evaluate(spec[:, :, 2:], {})[0]
        return bool(np.abs(out[:, 2:] - alone).max() > SAME * np.abs(out).max())

    def _noise(self) -> np.ndarray:
        """Two batches of three frames, (2, C, 3, F)."""
        shape = 2, len(self.signature.inputs), 3, self.signature.n_freqs, 2
        noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        return noise.view(np.complex64)[..., 0]


class Stream:
    """A network on its way through a recording: the state it has come to.

    Pushed in any blocks, a causal network gives what it gives of the whole.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.reset()

    def reset(self) -> None:
        """A new recording begins."""
        self._state: dict[str, np.ndarray] | None = None
        self._n_batch = 0

    def push(self, spec: np.ndarray) -> np.ndarray:
        """Mask or spectrum of the next frames, (C, F, t) -> (F, t); as `Network.run`."""
        signature = self.network.signature
        wanted = (len(signature.inputs), signature.n_freqs)
        if spec.ndim != 3 or spec.shape[:2] != wanted:
            raise ShapeError(f"spec must have shape {(*wanted, 't')}; got {spec.shape}")
        return self._advance(spec[None])[0]

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Mean mask of the next frames of all microphones; as `Network.masks`."""
        signature = self.network.signature
        if signature.inputs != ("microphone",):
            raise ConfigError(
                f"model {self.network.source} hears {', '.join(signature.inputs)}, "
                f"not any microphone by itself"
            )
        if spec.ndim != 3 or len(spec) != signature.n_freqs:
            raise ShapeError(f"spec must have shape ({signature.n_freqs}, M, t); got {spec.shape}")
        masks = self._advance(spec.swapaxes(0, 1)[:, None])  # (M, F, t)
        n_heard = np.count_nonzero(spec.any(axis=0), axis=0)
        return masks.sum(axis=0) / np.maximum(n_heard, 1).astype(np.float32)

    def _advance(self, spec: np.ndarray) -> np.ndarray:
        """Output of the next frames, (B, C, F, t) -> (B, F, t), silent frames silenced."""
        n_batch, _, n_freqs, n_frames = spec.shape
        masking = self.network.signature.task == "mask"
        if n_frames == 0:
            dtype = np.float32 if masking else np.complex64
            return np.zeros((n_batch, n_freqs, 0), dtype)
        if self._state is None:
            self._state, self._n_batch = self.network.initial_state(n_batch), n_batch
        if n_batch != self._n_batch:
            raise ShapeError(f"the stream began with {self._n_batch} signals; got {n_batch}")
        out, self._state = self.network.evaluate(spec.swapaxes(2, 3), self._state)
        if not np.isfinite(out).all():
            raise NumericalError(f"model {self.network.source} gives values that are not finite")
        if masking:
            found = np.clip(out, 0, 1)
        else:
            found = np.ascontiguousarray(out).view(np.complex64)[..., 0]
        heard = np.asarray(spec.any(axis=(1, 2)))  # (B, t)
        return np.ascontiguousarray(np.where(heard[:, None], found.swapaxes(1, 2), 0))


def session(content: bytes, where: str) -> "InferenceSession":
    """A graph ready to run on one thread.

    Raises
    ------
    ConfigError
        If the content is no ONNX graph that can be run.
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
    options.enable_mem_pattern = False  # plans for one length, and the next may be another
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except failures() as error:
        raise ConfigError(f"{where} is no ONNX network, or damaged: {words(error)}") from error


def run_options() -> "RunOptions":
    """What is said at each run: give back the memory of the last one."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def failures() -> tuple[type[BaseException], ...]:
    """All that onnxruntime raises: it has no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    return (RuntimeError, ValueError, *(kind for kind in own if issubclass(kind, Exception)))


def words(error: BaseException) -> str:
    """What onnxruntime says, without its codes, as a part of one line."""
    text = " ".join(str(error).rpartition("[ONNXRuntimeError] :")[2].split())
    text = text.split(" : ", 2)[-1]  # code, name of the code, message
    return text if len(text) <= MOST_WORDS else text[:MOST_WORDS] + "..."


def free(node: Any) -> tuple[int | None, ...]:
    """Shape of an input, what may be of any size as None."""
    return tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)


def check_input(node: Any, wanted: tuple[int | None, ...], where: str) -> None:
    """Refuse an input of another shape, or with another axis of fixed size."""
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
    """A shape, what may be of any size as *."""
    return f"({', '.join('*' if size is None else str(size) for size in shape)})"


def listed(names: Any) -> str:
    """Names in order, by commas."""
    return ", ".join(sorted(names)) or "none"
