"""SavedModels and TFLite files inside published packages."""

from __future__ import annotations

from pathlib import Path

from tests.models.fetch import PackagedFile

_PITCH = "basic_pitch/saved_models/icassp_2022/nmp"
_GUESS = "guesslang/data/model"


def _saved_model(package: str, version: str, folder: str, digests: dict[str, str]) -> tuple[PackagedFile, ...]:
    return tuple(PackagedFile("pypi", package, version, f"{folder}/{name}", digest) for name, digest in digests.items())


_PITCH_SAVED = _saved_model(
    "basic-pitch",
    "0.4.0",
    _PITCH,
    {
        "saved_model.pb": "eaa25c91c431c91100c416a2c018663f4c635f28fa19529c4ff5e14c18aa29c9",
        "variables/variables.index": "356aa1a00095cf2dba17386144e8b289cb04195ae090aa7f324312b08220115e",
        "variables/variables.data-00000-of-00001": "f5d12cd7245fecea0c956c963751f3519c263615ea954b5948d5e8c9c3376f9b",
    },
)
_GUESS_SAVED = _saved_model(
    "guesslang",
    "2.2.1",
    _GUESS,
    {
        "saved_model.pb": "b580961cb2c37ffb2b4d4e654540471b5359fb513f8cab51325730cc824de8f3",
        "variables/variables.index": "c4edd3b91cb779f0a1e9f43c5bc3e3b8f9035fa61dd0f50ffc0819b459f89864",
        "variables/variables.data-00000-of-00001": "b81000b7e033c2ea814b2737a9967f1b7ab58d4316f6e97b0ce01bdb38acd5a5",
    },
)
_PITCH_LITE = PackagedFile(
    "pypi",
    "basic-pitch",
    "0.4.0",
    f"{_PITCH}.tflite",
    "3db297d54af8e01c6e5618245c956b1d71b6a2b978cb2dedb527173186552676",
)


def pitch_saved_model() -> Path:
    """The folder of basic-pitch's SavedModel. Raises FetchError, as the others do."""
    return _folder(_PITCH_SAVED)


def pitch_lite() -> Path:
    """basic-pitch's TFLite file."""
    return _PITCH_LITE.fetch()


def guesslang() -> Path:
    """The folder of guesslang's SavedModel."""
    return _folder(_GUESS_SAVED)


def _folder(files: tuple[PackagedFile, ...]) -> Path:
    paths = [file.fetch() for file in files]
    return paths[0].parent
