"""Handling of faulty microphones: selection, and correction of gain, polarity and offset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.microphones.diagnostics import ChannelReport, faults_text, log_lines


@dataclass(frozen=True, slots=True, eq=False)
class Microphones:
    """The microphones in use.

    Attributes
    ----------
    rows : tuple of int
        Rows of the recording that are used.
    reference : int
        The reference microphone, an index into `rows`.
    gains : float32 ndarray, shape (len(rows),)
        Corrects polarity and level; 1 at the reference.
    offsets : float32 ndarray, shape (len(rows),)
        DC offset, subtracted before the gain.
    """

    rows: tuple[int, ...]
    reference: int
    gains: np.ndarray
    offsets: np.ndarray


def misgained(report: ChannelReport) -> bool:
    """Whether the level of a channel differs strongly from that of the others."""
    return any("dB low" in fault or "dB high" in fault for fault in report.faults)


def what_is_done(report: ChannelReport) -> list[str]:
    """One log line for each fault of a channel: `faults_text`, with what is corrected."""
    mended = [
        fault == "dc-offset" or fault.startswith("flipped") or fault.endswith(("dB low", "dB high"))
        for fault in report.faults
    ]
    lines = zip(mended, faults_text(report), strict=True)
    return [line.removesuffix("kept") + "corrected" if done else line for done, line in lines]


class Conditioning:
    """Applies the corrections of `Microphones` to blocks, shape (M, n) -> (len(rows), n)."""

    def __init__(self, microphones: Microphones) -> None:
        self.microphones = microphones
        self._identity = not microphones.offsets.any() and (microphones.gains == 1).all()

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Select the rows of a block and correct them."""
        rows = self.microphones.rows
        chosen = block if rows == tuple(range(len(block))) else block[list(rows)]
        if self._identity:
            return chosen
        return (chosen - self.microphones.offsets[:, None]) * self.microphones.gains[:, None]


def choose_microphones(
    reports: Sequence[ChannelReport], channels: Sequence[int], reference: int
) -> tuple[Microphones, list[str]]:
    """Leave out dead and duplicated microphones, and compute the corrections of the others.

    Parameters
    ----------
    reports : sequence of ChannelReport
        One for each row of the recording.
    channels : sequence of int
        Channel of the file for each row, for messages.
    reference : int
        Row of the reference microphone.

    Returns
    -------
    microphones : Microphones
        All microphones if the whole recording is silent.
    log : list of str
        One line for each action.
    """
    log = [line for report in reports for line in what_is_done(report)]
    if all(report.dead for report in reports):
        quiet = tuple(m for m, report in enumerate(reports) if report.level_dbfs > -np.inf)
        rows = quiet or tuple(range(len(reports)))
        log = list(log_lines(reports))
    else:
        rows = tuple(m for m, report in enumerate(reports) if report.usable)
    if reference not in rows:
        before, reference = reference, rows[0]
        log.append(
            f"microphone {channels[before]} cannot be the reference: "
            f"microphone {channels[reference]} is used instead"
        )
    gains = np.ones(len(rows))
    usual = [reports[m].level_dbfs for m in rows if not misgained(reports[m])]
    for k, m in enumerate(rows):
        if misgained(reports[m]):
            gains[k] = 10 ** ((np.median(usual) - reports[m].level_dbfs) / 20)
        if any(fault.startswith("flipped") for fault in reports[m].faults):
            gains[k] = -gains[k]
    offsets = np.array([reports[m].dc_offset * ("dc-offset" in reports[m].faults) for m in rows])
    chosen = rows.index(reference)
    return Microphones(
        rows,
        chosen,
        (gains / gains[chosen]).astype(np.float32),
        offsets.astype(np.float32),
    ), log
