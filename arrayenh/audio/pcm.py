"""Encodings of samples in raw PCM and in WAV streams."""

import re
from dataclasses import dataclass

import numpy as np

from arrayenh.errors import ConfigError

NAME = re.compile(r"(?:(u)(8)|(s)(16|24|24_32|32)(le|be)|(f)(32|64)(le|be))")
KINDS = ("s16", "s24", "s24_32", "s32", "f32", "f64")
NAMES = ("u8", *(f"{kind}{order}" for order in ("le", "be") for kind in KINDS))


@dataclass(frozen=True, slots=True)
class Encoding:
    """Encoding of one sample.

    Attributes
    ----------
    kind : str
        "u": unsigned, "s": signed, "f": floating point.
    bits : int
        Significant bits.
    width : int
        Bytes; the significant bits are at the low end.
    order : str
        "<": little-endian, ">": big-endian.
    """

    kind: str
    bits: int
    width: int
    order: str = "<"

    @classmethod
    def named(cls, name: str) -> "Encoding":
        """Encoding by a name such as "s16le", as ffmpeg calls it.

        "s24_32le" is 24 bits at the low end of 32, which ALSA calls S24_LE.

        Raises
        ------
        ConfigError
            If there is no such encoding.

        Examples
        --------
        >>> Encoding.named("s24le").width
        3
        """
        found = NAME.fullmatch(name.lower())
        if found is None:
            raise ConfigError(f"unknown sample format {name!r}; use {', '.join(NAMES)}")
        kind, bits, *order = (part for part in found.groups() if part)
        digits = [int(part) for part in bits.split("_")]
        return cls(kind, digits[0], digits[-1] // 8, ">" if order == ["be"] else "<")

    @property
    def name(self) -> str:
        """Name, such as "s16le"."""
        if self.width == 1:
            return "u8"
        wide = f"_{8 * self.width}" if 8 * self.width > self.bits else ""
        return f"{self.kind}{self.bits}{wide}{'be' if self.order == '>' else 'le'}"

    @property
    def full_scale(self) -> float:
        """Value that stands for 1.0."""
        return 1.0 if self.kind == "f" else 2.0 ** (self.bits - 1)

    def decode(self, data: bytes, n_channels: int) -> np.ndarray:
        """Samples of interleaved channels, full scale 1.0.

        Parameters
        ----------
        data : bytes
            Whole frames.
        n_channels : int

        Returns
        -------
        samples : float32 ndarray, shape (n_channels, n)
        """
        values = self._widened(data) if self.width == 3 else np.frombuffer(data, self._dtype)
        if 8 * self.width > self.bits:  # programs may leave zeros above a negative number
            values = values << (8 * self.width - self.bits) >> (8 * self.width - self.bits)
        samples = values.astype(np.float64)
        if self.kind == "u":
            samples -= self.full_scale
        with np.errstate(over="ignore"):  # a 64-bit float beyond the range of 32 bits: infinite
            samples = (samples / self.full_scale).astype(np.float32)
        return np.ascontiguousarray(samples.reshape(-1, n_channels).T)

    def encode(self, samples: np.ndarray) -> bytes:
        """Interleaved bytes of samples, (C, n); integers are rounded, and clipped at full scale."""
        values = samples.T.astype(np.float64) * self.full_scale
        if self.kind == "f":
            return values.astype(self._dtype).tobytes()
        values = np.clip(np.rint(values), -self.full_scale, self.full_scale - 1)
        if self.kind == "u":
            values += self.full_scale
        if self.width != 3:
            return values.astype(self._dtype).tobytes()
        words = values.astype(f"{self.order}i4").reshape(-1, 1).view(np.uint8)
        return words[:, :3].tobytes() if self.order == "<" else words[:, 1:].tobytes()

    def clipped(self, samples: np.ndarray) -> int:
        """Number of samples that `encode` clips."""
        if self.kind == "f":
            return 0
        return int(np.count_nonzero((samples > 1 - 0.5 / self.full_scale) | (samples < -1)))

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(f"{self.order}{'i' if self.kind == 's' else self.kind}{self.width}")

    def _widened(self, data: bytes) -> np.ndarray:
        """Words of 32 bits from samples of three bytes, with their signs."""
        words = np.zeros((len(data) // 3, 4), np.uint8)
        top = slice(1, 4) if self.order == "<" else slice(0, 3)
        words[:, top] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return words.view(f"{self.order}i4")[:, 0] >> 8
