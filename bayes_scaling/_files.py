"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from pathlib import Path

_PREFIX, _SUFFIX = ".bayes-scaling-", ".tmp"
#: Seconds after which a temporary file belongs to a process that was killed, and is removed.
ABANDONED = 24 * 3600.0

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    getattr(errno, "EDQUOT", -1): "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EACCES: "there is no permission to write there",
    errno.EPERM: "there is no permission to write there",
    errno.EROFS: "the file system is read-only",
}


def cause_of(error: OSError) -> str:
    """Why a file cannot be written, in words."""
    return _CAUSES.get(error.errno or 0, error.strerror or str(error))


def obstacle(path: Path) -> str:
    """Why nothing can be written there, as far as it shows before the work; empty if nothing shows."""
    path = path.expanduser().absolute()
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r} to write {path.name!r} to; make it first"
    if path.is_dir():
        return f"{str(path)!r} is a folder; expected the name of a file"
    if not all(os.access(one, os.W_OK) for one in (path.parent, path) if one.exists()):
        return f"{str(path)!r} cannot be written: {_CAUSES[errno.EACCES]}"
    return ""


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that is there."""
    one, other = one.expanduser(), other.expanduser()
    return one.exists() and other.exists() and one.samefile(other)


def write_whole(path: Path, content: bytes | memoryview, *, replace: bool = True) -> None:
    """Write under a temporary name in the same folder, then rename: a crash leaves the old file or the new.

    Parameters
    ----------
    path : Path
        A link is followed where its file may be replaced; an old file's permissions are kept.
    content : bytes or memoryview
    replace : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    FileExistsError
        If there is such a file, or another process just made it, and `replace` is false.
    OSError
        If it cannot be written; nothing is left behind.
    """
    path = path.resolve() if replace else path
    if replace and path.exists() and not os.access(path, os.W_OK):  # a rename would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    _sweep(path.parent)
    temporary = path.with_name(f"{_PREFIX}{secrets.token_hex(4)}{_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not replace:
            _link(temporary, path)
            return
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind; what is younger than a day may still be written."""
    for old in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # someone else was faster, or it is not ours
            if time.time() - old.stat().st_mtime > ABANDONED:
                old.unlink()


def _link(temporary: Path, path: Path) -> None:
    """A rename that refuses to replace."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.replace(temporary, path)
