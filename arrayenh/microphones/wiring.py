"""Selection of the channels of a recording that belong to the microphones of an array."""

from typing import Protocol, Self, TypeVar

from arrayenh.errors import GeometryError
from arrayenh.microphones.boards import BOARDS
from arrayenh.microphones.mic_array import MicArray


class Selectable(Protocol):
    """A recording from which channels can be selected."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def n_channels(self) -> int:
        """Number of channels of the file."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the file in use."""

    def select(self, channels: tuple[int, ...]) -> Self:
        """Return the recording with only these of its channels."""


Source = TypeVar("Source", bound=Selectable)


def microphones_of(source: Source, array: MicArray | None) -> tuple[Source, list[str]]:
    """Select the channels that the microphones of an array recorded.

    A board may send more channels than it has microphones. Of such a recording the microphones
    are selected; any other selection would pair a channel with the position of another.

    Parameters
    ----------
    source : Recording or RecordingFile
    array : MicArray or None

    Returns
    -------
    source : Recording or RecordingFile
    log : list of str
        Log line, if channels are left out.

    Raises
    ------
    GeometryError
        If the channels in use are not the microphones of the array.
    """
    if array is None:
        return source, []
    dump = array.dump
    if dump and source.n_channels == dump.n_channels and source.channels != dump.microphones:
        if len(source.channels) == source.n_channels:
            used = ", ".join(map(str, dump.microphones))
            note = f"channels {used} are the microphones of {array.name}; the others are left out"
            return source.select(dump.microphones), [note]
        raise GeometryError(
            f"channels {', '.join(map(str, source.channels))} of {source.name} are not the "
            f"microphones of {array.name}; use {dump.option}, or neither --mics nor --channels"
        )
    if array.n_mics != len(source.channels):
        raise GeometryError(
            f"array {array.name} has {array.n_mics} microphones but {source.name} gives "
            f"{len(source.channels)}; choose with --mics or --channels, or another array"
            f"{hint(source.n_channels, array)}"
        )
    return source, []


def hint(n_channels: int, array: MicArray) -> str:
    """Name the channels of the microphones if a known board may have recorded the file."""
    boards = [array] if array.dump else [board() for board in BOARDS.values()]
    options = {
        f"; {board.dump.option} for the {board.dump.n_channels} channels of {board.name}"
        for board in boards
        if board.dump
        and board.n_mics == array.n_mics
        and (board is array or board.dump.n_channels == n_channels)
    }
    return "".join(sorted(options))
