"""What is installed: cheap imports, the public names, and every data file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("halo_py", "odla", "frontends/halo_frontends", "backends/halo_backends")
_HEAVY = ("numpy", "onnx", "onnxruntime", "networkx", "lark", "ml_dtypes", "rich", "click", "scipy")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_halo_py_imports_nothing_heavy() -> None:
    assert _python(f"import sys, halo_py; print([name for name in {_HEAVY} if name in sys.modules])") == "[]"


def test_compile_is_the_function_whatever_was_imported_before() -> None:
    code = "import halo_py.compile, halo_py; print(callable(halo_py.compile), type(halo_py.compile).__name__)"

    assert _python(code) == "True function"


def test_unknown_names_are_refused() -> None:
    import halo_py

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = halo_py.nonsense  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def _copy_of_sources(target: Path) -> Path:
    """The checkout without what earlier builds left in it."""
    leave_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "node_modules")
    return shutil.copytree(_ROOT, target, ignore=leave_out)


@pytest.mark.slow
def test_wheel_holds_every_module_and_data_file_and_nothing_else(tmp_path: Path) -> None:
    source = _copy_of_sources(tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    expected: set[str] = set()
    for package in _PACKAGES:
        folder = _ROOT / package
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        expected |= {str(path.relative_to(folder.parent)) for path in files}

    assert held == expected
