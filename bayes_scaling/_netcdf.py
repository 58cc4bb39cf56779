"""A tree of arrays in one NetCDF file: written whole or not at all, read whole or refused."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bayes_scaling._files import cause_of, write_whole
from bayes_scaling._memory import MemoryRefused, require
from bayes_scaling._tables import no_such_file

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class StorageError(ValueError):
    """A posterior cannot be written, or a file is not a posterior that this version can read."""


def write(tree: xr.DataTree, path: Path) -> None:
    """Write a tree, or leave everything as it was.

    The file is made in memory, because HDF5 may crash the process on a full disk (h5py issue 914), then
    written under a temporary name in the same folder and renamed.

    Raises
    ------
    StorageError
        With the cause, and what became of an old file.
    """
    if path.is_dir():
        raise _unsaved(path, f"it is a folder; expected a file, such as {str(path / 'posterior.nc')!r}")
    if not path.parent.is_dir():
        raise _unsaved(path, f"there is no folder {str(path.parent)!r}; make it first")
    try:
        content = tree.to_netcdf(engine="h5netcdf")
    except (TypeError, ValueError) as error:  # text that no NetCDF file can hold, say
        raise _unsaved(path, str(error)) from error
    assert isinstance(content, memoryview)
    try:
        with content:  # a view that an error's traceback keeps alive would break its buffer's end
            write_whole(path, content)
    except OSError as error:
        raise _unsaved(path, cause_of(error)) from error


def _unsaved(path: Path, cause: str) -> StorageError:
    old = "the old file is untouched" if path.is_file() else "nothing was written"
    return StorageError(f"cannot save to {str(path)!r}: {cause}. The posterior is still in memory; {old}.")


def read(path: Path) -> xr.DataTree:
    """The whole file in memory.

    Raises
    ------
    StorageError
        If there is no such file, or it is not a NetCDF-4 file, or not all of one.
    MemoryRefused
        If its arrays, as it declares them, are more than there is memory for.
    """
    if not path.exists():
        raise StorageError(no_such_file(path))
    expected = "expected a file that bayes_scaling.save wrote"
    if path.is_dir():
        raise StorageError(f"{str(path)!r} is a folder; {expected}")
    try:
        with path.open("rb") as file:
            head = file.read(len(_SIGNATURE))
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if not head:
        raise StorageError(f"{str(path)!r} is empty; {expected}")
    if head != _SIGNATURE:
        why = " but of the older NetCDF-3 format" if head.startswith(b"CDF") else ""
        raise StorageError(f"{str(path)!r} is not a NetCDF-4 file{why}; {expected}")
    try:
        require({"arrays": _declared(path)}, f"reading {str(path)!r}", "read it where there is more")
        with xr.open_datatree(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as tree:
            return tree.load()
    except MemoryRefused:
        raise
    except Exception as error:  # a damaged file can fail anywhere in the libraries that read it
        if "truncated" in str(error):
            size = path.stat().st_size
            text = f"is truncated: its {size} bytes are not the whole file; copy it again or save it anew"
        else:
            text = f"is damaged: {first_line(error)}"
        raise StorageError(f"{str(path)!r} {text}") from error


def _declared(path: Path) -> float:
    """Bytes of all arrays of a file, which may be compressed, or not written at all."""
    import h5py

    sizes: list[float] = []
    with h5py.File(path) as file:
        file.visititems(lambda _, node: sizes.append(float(node.nbytes)) if hasattr(node, "nbytes") else None)
    return sum(sizes)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
