"""Speed of sound and sound absorption of the air."""

import numpy as np

from arrayenh.errors import SceneError

BANDS_HZ = np.array([125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
"""Centre frequencies of the octave bands of wall and air absorption, Hz."""

REFERENCE_K, TRIPLE_POINT_K, REFERENCE_KPA = 293.15, 273.16, 101.325
DB_PER_NEPER = 20 / np.log(10)


def speed_of_sound(temperature_c: float) -> float:
    """Speed of sound in dry air, m/s.

        c = 331.3 sqrt(1 + T / 273.15)

    Humidity adds less than 0.4 % at room temperature.

    Parameters
    ----------
    temperature_c : float
        Degrees Celsius.

    Raises
    ------
    SceneError
        If the temperature is below absolute zero.
    """
    if not temperature_c > -273.15:
        raise SceneError(f"a temperature must be above -273.15 degrees; got {temperature_c}")
    return float(331.3 * np.sqrt(1 + temperature_c / 273.15))


def air_attenuation(
    temperature_c: float, humidity_percent: float, freqs: np.ndarray = BANDS_HZ
) -> np.ndarray:
    """Attenuation of sound pressure by the air at normal pressure, nepers per metre.

    Parameters
    ----------
    temperature_c : float
        Degrees Celsius.
    humidity_percent : float
        Relative humidity, 0 to 100.
    freqs : float array, shape (F,)
        Hz.

    Returns
    -------
    attenuation : float64 ndarray, shape (F,)
        The pressure of a plane wave decays as exp(-attenuation · distance in metres).

    Raises
    ------
    SceneError
        If the humidity is outside 0 to 100.

    References
    ----------
    ISO 9613-1, "Attenuation of sound during propagation outdoors", 1993, eqs. 3 to 5, B.1.
    """
    if not 0 <= humidity_percent <= 100:
        raise SceneError(f"humidity_percent must be 0 to 100; got {humidity_percent}")
    kelvin = temperature_c + 273.15
    ratio = kelvin / REFERENCE_K
    saturation = 10 ** (-6.8346 * (TRIPLE_POINT_K / kelvin) ** 1.261 + 4.6151)
    water = humidity_percent * saturation  # molar concentration, percent
    oxygen_hz = 24 + 4.04e4 * water * (0.02 + water) / (0.391 + water)
    nitrogen_hz = ratio**-0.5 * (9 + 280 * water * np.exp(-4.170 * (ratio ** (-1 / 3) - 1)))
    square = np.asarray(freqs, np.float64) ** 2
    relaxing = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen_hz + square / oxygen_hz)
    relaxing = relaxing + 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen_hz + square / nitrogen_hz)
    return square * (1.84e-11 * ratio**0.5 + ratio**-2.5 * relaxing)
