"""From a scene and its signals to what the microphones hear.

The room is an image-source model (Allen & Berkley 1979) that pyroomacoustics computes;
this is the only module that imports it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import oaconvolve

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.scene import SPEED_OF_SOUND, Room, Scene

SPEECH_LEVEL_DB = -26.0  # dB full scale, of the reverberant speech at microphone 0
PEAK = 0.9  # the mixture is turned down to this where it would be louder
DIFFUSE_ORDER = 12  # about 0.1 s of reflections: they fill in between the wall sources


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """What the microphones hear, and all that it was made of.

    Signals are float32, N samples long, in one scale.  `mixture` is exactly
    `target_image` + `noise_image`; `noise_image` is `directional_image` +
    `diffuse_image` + sensor noise.

    Attributes
    ----------
    mixture : ndarray, shape (M, N)
    target_image : ndarray, shape (M, N)
        The reverberant speech, `dry` through `rirs`.  Nothing is shifted: the direct
        path comes distance / c after the same sample of `dry`.
    early_image : ndarray, shape (M, N)
        The same through the responses cut `early_ms` after the direct path.
    noise_image, directional_image, diffuse_image : ndarray, shape (M, N)
    dry : ndarray, shape (N,)
    rirs : ndarray, shape (M, L)
        From the target to each microphone; the direct path has gain 1 / distance.
    scene : Scene
    """

    mixture: np.ndarray
    target_image: np.ndarray
    early_image: np.ndarray
    noise_image: np.ndarray
    directional_image: np.ndarray
    diffuse_image: np.ndarray
    dry: np.ndarray
    rirs: np.ndarray
    scene: Scene

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.scene.sample_rate


def render(
    scene: Scene,
    target: np.ndarray,
    directional: np.ndarray | None = None,
    diffuse: np.ndarray | None = None,
) -> Rendered:
    """Microphone signals of a scene.

    Each directional image is brought to its level at microphone 0, so the level of its
    signal does not count; diffuse signals keep theirs against one another.  The
    reflections of diffuse sources end at order 12.

    Parameters
    ----------
    scene : Scene
    target : float array, shape (N,)
    directional : float array, shape (K, N), optional
    diffuse : float array, shape (D, N), optional

    Returns
    -------
    Rendered
        The reverberant speech at microphone 0 has -26 dB full scale (mean power), less
        where the mixture would pass 0.9.

    Raises
    ------
    ShapeError
        If there is not one signal of N samples for every source.
    SceneError
        If the target, a directional source or all diffuse noise is silent or not
        finite.
    """
    target = np.asarray(target, np.float64)
    if target.ndim != 1 or not target.size:
        raise ShapeError(f"target must have shape (N,), N > 0; got {target.shape}")
    directional = _signals("directional", directional, scene.directional, target)
    diffuse = _signals("diffuse", diffuse, scene.diffuse, target)

    rirs = room_impulse_responses(
        scene.room, scene.target_position, scene.mic_positions, scene.sample_rate
    )
    target = target / _rms(_convolve(target, rirs), "target")
    speech = _convolve(target, rirs)  # power 1 at microphone 0
    early = _convolve(target, early_responses(rirs, scene))
    points, field = _at_snr(
        scene, _directional_image(scene, directional), _diffuse_image(scene, diffuse)
    )
    noise = points + field + _sensor_noise(scene, target.size)

    scale = min(10 ** (SPEECH_LEVEL_DB / 20), PEAK / np.abs(speech + noise).max())
    target_image, noise_image = _float32(scale * speech), _float32(scale * noise)
    return Rendered(
        mixture=target_image + noise_image,
        target_image=target_image,
        early_image=_float32(scale * early),
        noise_image=noise_image,
        directional_image=_float32(scale * points),
        diffuse_image=_float32(scale * field),
        dry=_float32(scale * target),
        rirs=_float32(rirs),
        scene=scene,
    )


def room_impulse_responses(
    room: Room,
    source: np.ndarray,
    mics: np.ndarray,
    sample_rate: int,
    max_order: int | None = None,
) -> np.ndarray:
    """Responses from one source to every microphone, by the image-source method.

    Images farther than c RT60 are left out; the direct path always counts.  The 10 Hz
    zero-phase high-pass of pyroomacoustics takes away the offset that images, all
    positive, would add up to.

    Parameters
    ----------
    room : Room
    source : float array, shape (3,)
    mics : float array, shape (M, 3)
    sample_rate : int
    max_order : int, optional
        Reflections of a higher order are left out; all by default.

    Returns
    -------
    rirs : float64 ndarray, shape (M, L)
        Time 0 is when the source sounds; an image at distance d has gain 1/d.

    References
    ----------
    J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room
    acoustics", J. Acoust. Soc. Am. 65, 1979, eq. 10.
    """
    import pyroomacoustics as pra

    order = room.image_order if max_order is None else min(max_order, room.image_order)
    shoebox = pra.ShoeBox(
        room.size,
        fs=sample_rate,
        materials=pra.Material(room.absorption),
        max_order=order,
    )
    shoebox.set_sound_speed(SPEED_OF_SOUND)
    shoebox.add_source(source)
    shoebox.add_microphone_array(mics.T)
    with _one_thread(pra.constants):
        shoebox.image_source_model()
        _hide_far_images(shoebox, SPEED_OF_SOUND * room.rt60)
        shoebox.compute_rir()
    lead = pra.constants.get("frac_delay_length") // 2  # delay of its fractional delays
    responses = [mic_rirs[0][lead:] for mic_rirs in shoebox.rir]
    rirs = np.zeros((len(mics), max(map(len, responses))))
    for rir, response in zip(rirs, responses, strict=True):
        rir[: len(response)] = response
    return rirs


def early_responses(rirs: np.ndarray, scene: Scene) -> np.ndarray:
    """Responses of the target cut `early_ms` after the direct path of each microphone.

    The direct path arrives distance / c after time 0, from the geometry, not from the
    peak of the response.

    Parameters
    ----------
    rirs : float array, shape (M, L)
        As from `room_impulse_responses` for the target of `scene`.
    scene : Scene

    Returns
    -------
    early : ndarray, shape (M, L)
    """
    distances = np.linalg.norm(scene.mic_positions - scene.target_position, axis=1)
    end = distances / SPEED_OF_SOUND + scene.early_ms / 1000
    times = np.arange(rirs.shape[1]) / scene.sample_rate
    return np.where(times < end[:, None], rirs, 0.0)


@contextmanager
def _one_thread(constants: Any) -> Iterator[None]:
    """One thread in pyroomacoustics: its sums depend on the number of threads."""
    before = constants.get("num_threads")
    constants.set("num_threads", 1)
    try:
        yield
    finally:
        constants.set("num_threads", before)


def _hide_far_images(shoebox: Any, radius: float) -> None:
    images, orders = shoebox.sources[0].images, shoebox.sources[0].orders
    for visible, mic in zip(shoebox.visibility[0], shoebox.mic_array.R.T, strict=True):
        distances = np.linalg.norm(images - mic[:, None], axis=0)
        visible &= (distances < radius) | (orders == 0)


def _directional_image(scene: Scene, signals: np.ndarray) -> np.ndarray:
    image = np.zeros((len(scene.mic_positions), signals.shape[1]))
    for k, (signal, gain_db) in enumerate(zip(signals, scene.directional_gains_db, strict=True)):
        rirs = room_impulse_responses(
            scene.room, scene.directional[k], scene.mic_positions, scene.sample_rate
        )
        heard = _convolve(signal, rirs)
        image += 10 ** (gain_db / 20) / _rms(heard, f"directional source {k}") * heard
    return image


def _diffuse_image(scene: Scene, signals: np.ndarray) -> np.ndarray:
    image = np.zeros((len(scene.mic_positions), signals.shape[1]))
    for position, signal in zip(scene.diffuse, signals, strict=True):
        rirs = room_impulse_responses(
            scene.room, position, scene.mic_positions, scene.sample_rate, DIFFUSE_ORDER
        )
        image += _convolve(signal, rirs)
    return image


def _at_snr(scene: Scene, points: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directional and diffuse images at their levels under speech of power 1."""
    if len(scene.directional):
        points = points / _rms(points, "directional noise")
    if len(scene.diffuse):
        ratio = 10 ** (scene.diffuse_to_directional_db / 20)
        field = field * ratio / _rms(field, "diffuse noise")
    if not (len(scene.directional) or len(scene.diffuse)):
        return points, field
    gain = 10 ** (-scene.snr_db / 20) / _rms(points + field, "noise")
    return gain * points, gain * field


def _sensor_noise(scene: Scene, n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(scene.seed)
    white = rng.standard_normal((len(scene.mic_positions), n_samples))
    return 10 ** (-scene.sensor_noise_db / 20) * white


def _convolve(signal: np.ndarray, rirs: np.ndarray) -> np.ndarray:
    """Signal (N,) through responses (M, L), the first N samples: (M, N)."""
    return oaconvolve(signal[None, :], rirs, axes=1)[:, : signal.size]


def _rms(image: np.ndarray, who: str) -> float:
    rms = float(np.sqrt(np.mean(image[0] ** 2)))
    if not 0 < rms < np.inf:
        raise SceneError(f"{who} is silent or not finite at microphone 0")
    return rms


def _signals(
    name: str, signals: np.ndarray | None, positions: np.ndarray, target: np.ndarray
) -> np.ndarray:
    shape = (len(positions), target.size)
    array = np.zeros((0, target.size)) if signals is None else np.asarray(signals)
    if array.shape != shape:
        raise ShapeError(
            f"{name} signals must have shape {shape}, one for each source and as long "
            f"as the target; got {array.shape}"
        )
    return array.astype(np.float64)


def _float32(signal: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(signal, np.float32)
