"""Progress bars on standard error, for those who watch a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bayes_scaling.engine import Settings


@contextmanager
def bar(words: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar that ``advance(done, total, words)`` moves; None if standard error is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(words, total=None)

        def advance(done: int, total: int, words: str) -> None:
            progress.update(task, completed=done, total=total, description=words)

        yield advance


@contextmanager
def fits(names: Sequence[str], settings: Settings) -> Iterator[Callable[[int, int, int], None] | None]:
    """A bar for fits of these laws, one after the other, as `bayes_scaling.fit` reports its progress."""
    with bar(f"{', '.join(names)}: preparing") as show:
        if show is None:
            yield None
            return
        law, before = 0, -1

        def advance(done: int, total: int, divergences: int) -> None:
            nonlocal law, before
            law, before = min(law + (done < before), len(names) - 1), done  # a count that falls: the next law
            trouble = f", {divergences} divergences" if divergences else ""
            show(done, total, f"{names[law]}: {settings.chains} chains{trouble}")

        yield advance
