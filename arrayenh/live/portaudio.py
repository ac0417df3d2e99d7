"""Sound devices of the computer by PortAudio; the only import of sounddevice."""

from difflib import get_close_matches
from types import ModuleType
from typing import Any

from arrayenh.errors import AudioError, MissingExtraError
from arrayenh.live.device import Device

IN, OUT = "input", "output"


def portaudio() -> ModuleType:
    """Import sounddevice.

    Raises
    ------
    MissingExtraError
        If it, or the PortAudio library, is not installed.
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "sound devices need sounddevice: python -m pip install 'arrayenh[live]'"
        ) from error
    except OSError as error:
        raise MissingExtraError(
            "sound devices need the PortAudio library: apt-get install libportaudio2, or "
            "brew install portaudio"
        ) from error
    return sounddevice


def refresh() -> None:
    """List the devices anew: PortAudio lists them once. No stream may be open."""
    sound = portaudio()
    sound._terminate()  # sounddevice has no public name for this
    sound._initialize()


def devices() -> list[Device]:
    """Sound devices, in the order of PortAudio.

    Raises
    ------
    MissingExtraError
        If sounddevice or PortAudio is not installed.
    AudioError
        If PortAudio fails.
    """
    sound = portaudio()
    try:
        apis = sound.query_hostapis()
        found = sound.query_devices()
        chosen = tuple(sound.default.device)
    except sound.PortAudioError as error:
        raise AudioError(f"the sound devices cannot be listed: {words(error)}") from error
    return [
        Device(
            one["index"],
            one["name"],
            apis[one["hostapi"]]["name"],
            one["max_input_channels"],
            one["max_output_channels"],
            round(one["default_samplerate"]),
            1000 * one["default_low_input_latency"] if one["max_input_channels"] else None,
            1000 * one["default_low_output_latency"] if one["max_output_channels"] else None,
            one["index"] == chosen[0],
            one["index"] == chosen[1],
        )
        for one in found
    ]


def find(wanted: str | None, way: str) -> Device:
    """Device by its number, its name, or a part of it that no other device has.

    Parameters
    ----------
    wanted : str, optional
        Default: the default device.
    way : {"input", "output"}

    Raises
    ------
    AudioError
        If there is no such device, or there are several.
    """
    usable = [one for one in devices() if one.channels(way)]
    if not usable:
        raise AudioError(f"this computer has no sound device for {way}")
    if wanted is None:
        return next((one for one in usable if one.is_default(way)), usable[0])
    if wanted.isdecimal():
        found = [one for one in usable if one.index == int(wanted)]
    else:
        low = wanted.lower()
        found = [one for one in usable if low in (one.name.lower(), one.full_name.lower())] or [
            one for one in usable if low in one.full_name.lower()
        ]
    if not found:
        raise AudioError(
            f"there is no {way} device {wanted!r}{meant(wanted, usable)}; see 'arrayenh devices'"
        )
    if len(found) > 1:
        several = ", ".join(f"{one.index} ({one.full_name})" for one in found)
        raise AudioError(f"{wanted!r} is part of several names: give the number, {several}")
    return found[0]


def found_again(device: Device, way: str) -> Device:
    """The same device after the list has changed; raises AudioError if it is not there."""
    refresh()
    same = [one for one in devices() if one.full_name == device.full_name and one.channels(way)]
    if not same:
        raise AudioError(f"{device.name} is not there")
    return next((one for one in same if one.index == device.index), same[0])


def meant(wanted: str, usable: list[Device]) -> str:
    """Suggest the names that are close to the wanted one."""
    names = {one.name.lower(): one for one in usable}
    close = [names[name].name for name in get_close_matches(wanted.lower(), names, 2, 0.5)]
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def words(error: Any) -> str:
    """Reason of a failure of PortAudio, in its words."""
    text = str(error.args[0]) if error.args else "unknown error"
    host = error.args[2][2] if len(error.args) > 2 else ""
    return f"{text} ({host})" if host and host not in text else text
