"""Data sets that lie elsewhere: fetched once, checked against a pinned SHA-256, kept in the user's cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pandas as pd
import platformdirs

from bayes_scaling.datasets._record import DataSet, DataSetError, Home

#: What the exceptions of the downloader mean, by their names.
_CAUSES = {
    "ConnectionError": "no connection",
    "ConnectTimeout": "no answer in time",
    "ReadTimeout": "no answer in time",
    "ChunkedEncodingError": "the connection broke off",
}


def table(data_set: DataSet, tidy: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """The tidied table of a data set that is not part of this package.

    Parameters
    ----------
    data_set : DataSet
        One with a home.
    tidy : callable
        Makes the table from the paths of the home's files, in their order.

    Raises
    ------
    DataSetError
        If the table cannot be had, in one line that says what to do.
    """
    own = os.environ.get("BAYES_SCALING_DATA")
    if own:
        return _own(Path(own).expanduser() / data_set.file_name, data_set)
    home = data_set.home
    assert home is not None
    with _cache(data_set.name) as (folder, kept):
        files = [_fetched(data_set, home, path, folder, kept) for path in home.files]
        return _typed(tidy(*files), data_set)


def read(path: Path, data_set: DataSet) -> pd.DataFrame:
    """A tidied table as CSV: the columns of the description, labels as text, all else as floats."""
    labels = [name for name in data_set.columns if name not in data_set.units]
    frame = pd.read_csv(path, dtype=dict.fromkeys(labels, str))
    missing = [name for name in data_set.columns if name not in frame]
    if missing:
        raise ValueError(f"it lacks the columns {', '.join(missing)}")
    return _typed(frame, data_set)


def _typed(frame: pd.DataFrame, data_set: DataSet) -> pd.DataFrame:
    return frame[list(data_set.columns)].astype(dict.fromkeys(data_set.units, float))


def _own(path: Path, data_set: DataSet) -> pd.DataFrame:
    """The table in the user's own folder."""
    mend = f"put the tidied table there, or unset BAYES_SCALING_DATA to fetch {data_set.name!r}"
    if not path.is_file():
        raise DataSetError(f"BAYES_SCALING_DATA is set, but there is no file {str(path)!r}; {mend}")
    try:
        return read(path, data_set)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataSetError(f"{str(path)!r} is not the table of {data_set.name!r}: {reason}; {mend}") from None


@contextmanager
def _cache(name: str) -> Iterator[tuple[Path, bool]]:
    """Folder for the files of a data set, and whether they stay there."""
    wanted = os.environ.get("BAYES_SCALING_CACHE", "")
    if wanted.lower() == "off":
        with tempfile.TemporaryDirectory(prefix="bayes-scaling-") as folder:
            yield Path(folder), False
    else:
        base = Path(wanted or platformdirs.user_cache_dir("bayes_scaling")).expanduser().absolute()
        yield base / "datasets" / name, True


def _fetched(data_set: DataSet, home: Home, path: str, folder: Path, kept: bool) -> Path:
    """The path of one file: that in the folder if its content is right, otherwise fetched anew."""
    import pooch  # brings the network along, which most sessions never need

    url, sha256, file = home.url(path), home.files[path], folder / PurePosixPath(path).name
    by_hand = f"put that file at {str(file)!r}, or " if kept else ""
    mend = f"{by_hand}set BAYES_SCALING_DATA to a folder that holds {data_set.file_name}"
    try:
        pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=file.name, path=folder)
    except OSError as error:
        raise DataSetError(
            f"data set {data_set.name!r} could not be fetched from {url} ({_cause(error)}); {mend}"
        ) from None
    except ValueError:  # of pooch: another hash
        raise DataSetError(
            f"data set {data_set.name!r}: what {url} sent is not the file of record, whose SHA-256 is "
            f"{sha256}; {mend}"
        ) from None
    return file


def _cause(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    name = type(error).__name__
    return error.strerror or _CAUSES.get(name, name)
