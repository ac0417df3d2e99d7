"""Geometries of common microphone boards, each with its source.

The coordinates are in the frame of the source. Microphone 0 is the first raw channel of the
board.
"""

from collections.abc import Callable, Sequence

import numpy as np

from arrayenh.microphones.mic_array import Dump, MicArray

ODAS = "introlab/odas, "


def _millimetres(rows: Sequence[tuple[float, float]]) -> np.ndarray:
    """Convert coordinates (x, y) on a board, in mm, to positions (M, 3) in metres."""
    return np.array([[x / 1000, y / 1000, 0.0] for x, y in rows])


def _respeaker_4mic() -> MicArray:
    return MicArray(
        _millimetres([(-40.5, 0), (0, 40.5), (40.5, 0), (0, -40.5)]),
        "respeaker-4mic",
        source=ODAS + "config/odaslive/respeaker_4_mic_array.cfg",
    )


def _respeaker_usb_4mic() -> MicArray:
    return MicArray(
        _millimetres([(-32, 0), (0, -32), (32, 0), (0, 32)]),
        "respeaker-usb-4mic",
        source=ODAS + "config/odaslive/respeaker_usb_4_mic_array.cfg; these are "
        "channels 1 to 4 of the six that the board sends",
        # channel 0 is processed by the board, channel 5 is the playback
        dump=Dump(6, (1, 2, 3, 4), "respeaker/usb_4_mic_array, README.md, 6_channels_firmware.bin"),
    )


def _respeaker_6mic() -> MicArray:
    left = [(-23.2, 40.1), (-46.3, 0.0), (-23.2, -40.1)]
    right = [(23.2, -40.1), (46.3, 0.0), (23.2, 40.1)]
    return MicArray(
        _millimetres(left + right),
        "respeaker-6mic",
        source=ODAS + "config/odaslive/respeaker_6_mic_array.cfg",
        # channels 6 and 7 are the playback
        dump=Dump(
            8,
            tuple(range(6)),
            "Seeed wiki, ReSpeaker 6-Mic Circular Array Kit for Raspberry Pi; ODAS maps the same",
        ),
    )


def _matrix_creator() -> MicArray:
    near, far = 20.091, 48.504
    below = [(near, -far), (-near, -far), (-far, -near), (-far, near)]
    above = [(-near, far), (near, far), (far, near), (far, -near)]
    return MicArray(
        _millimetres(below + above),
        "matrix-creator",
        source=ODAS + "config/odaslive/matrix_creator.cfg",
    )


def _matrix_voice() -> MicArray:
    centre = [(0.0, 0.0)]
    ring = [
        (-38.133, 3.576),
        (-20.980, 32.043),
        (11.971, 36.381),
        (35.908, 13.323),
        (32.805, -19.767),
        (4.999, -37.972),
        (-26.571, -27.584),
    ]
    return MicArray(
        _millimetres(centre + ring),
        "matrix-voice",
        source=ODAS + "config/odaslive/matrix_voice.cfg",
    )


def _uma8() -> MicArray:
    centre = [(0, 0)]
    ring = [(0, 43), (37, 21), (37, -21), (0, -43), (-37, -21), (-37, 21)]
    return MicArray(
        _millimetres(centre + ring),
        "uma-8",
        source=ODAS + "settings/config/minidsp/uma8.json (whole mm); these are the "
        "first 7 of the 8 channels that the board sends",
        dump=Dump(8, tuple(range(7)), ODAS + "settings/config/minidsp/uma8.json"),
    )


def _uma16() -> MicArray:
    rows = (-63, -21, 21, 63)
    right = [(x, y) for y in rows for x in (21, 63)]
    left = [(x, y) for y in reversed(rows) for x in (-63, -21)]
    return MicArray(
        _millimetres(right + left),
        "uma-16",
        source="acoular/acoular, acoular/xml/minidsp_uma-16.xml, as corrected after "
        "24.03 (issue 63): a camera's view, the scene on the +z side",
    )


def _kinect() -> MicArray:
    across = (-113, 36, 76, 113)
    return MicArray(
        _millimetres([(20, y) for y in across]),
        "kinect",
        source="Salvi, MS Kinect microphone array geometry, giampierosalvi.blogspot.com"
        ", 2013-12-18 (Xbox 360, model 1473), turned so that the camera looks along +x",
    )


BOARDS: dict[str, Callable[[], MicArray]] = {
    "respeaker-4mic": _respeaker_4mic,
    "respeaker-usb-4mic": _respeaker_usb_4mic,
    "respeaker-6mic": _respeaker_6mic,
    "matrix-creator": _matrix_creator,
    "matrix-voice": _matrix_voice,
    "uma-8": _uma8,
    "uma-16": _uma16,
    "kinect": _kinect,
}

BOARD_ALIASES = {
    "respeaker-4-mic-array": "respeaker-4mic",
    "respeaker-usb-4-mic-array": "respeaker-usb-4mic",
    "respeaker-usb-mic-array": "respeaker-usb-4mic",
    "respeaker-mic-array-v2.0": "respeaker-usb-4mic",
    "respeaker-6-mic-array": "respeaker-6mic",
    "respeaker-6-mic-circular-array-kit": "respeaker-6mic",
    "minidsp-uma-8": "uma-8",
    "uma8": "uma-8",
    "minidsp-uma-16": "uma-16",
    "uma16": "uma-16",
    "kinect-v1": "kinect",
    "kinect-xbox-360": "kinect",
}
