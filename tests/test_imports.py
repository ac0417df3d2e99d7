import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "arrayenh": {"torch", "onnxruntime", "numba", "typer", "pyroomacoustics", "scipy.signal"},
    "arrayenh.errors": {"numpy", "soundfile"},
    "arrayenh.cli.main": {"torch", "onnxruntime", "numba", "pyroomacoustics"},
    "arrayenh.chain.enhancer": {"torch", "pyroomacoustics", "scipy.signal"},  # 35 MB, 0.1 s
}


@pytest.mark.parametrize("module", FORBIDDEN)
def test_import_stays_light(module):
    code = f"import sys, {module}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert FORBIDDEN[module].isdisjoint(out.stdout.decode().split())


def test_every_public_name_is_there():
    import arrayenh

    for name in arrayenh.__all__:
        assert getattr(arrayenh, name).__doc__ or name == "__version__"
    assert set(arrayenh.HOMES) | {"__version__"} == set(arrayenh.__all__)
    with pytest.raises(AttributeError, match="no attribute 'enhnace'"):
        _ = arrayenh.enhnace
