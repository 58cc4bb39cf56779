"""Public studies with a scale axis, read from the folder that ``BAYES_SCALING_DATA`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd


def folder() -> Path:
    """The folder with the measurements."""
    named = os.environ.get("BAYES_SCALING_DATA")
    if not named or not Path(named).is_dir():
        raise SystemExit("set BAYES_SCALING_DATA to the folder with the public studies")
    return Path(named)


def _best(table: pd.DataFrame) -> pd.DataFrame:
    """Of runs that differ in hyper-parameters only, the best."""
    return table.sort_values("loss").groupby(["params", "tokens"], as_index=False).first()


def size_and_data() -> Iterator[tuple[str, pd.DataFrame]]:
    """Studies of the loss in parameters and tokens: name, table with params, tokens and loss."""
    at = folder()

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(at / f"{name}.csv")

    epoch = read("chinchilla_epoch")
    yield "chinchilla_epoch", epoch[epoch.epoch_excluded == 0]
    gadre = read("gadre_overtraining").assign(loss=lambda d: d.loss_c4_val)
    for family, table in gadre.groupby("family"):
        yield f"gadre {family}", table
    for family, table in read("marin_isoflop").groupby("family"):
        yield f"marin {family}", table
    repeated = read("datablations_upto4B")
    yield "datablations, one epoch", _best(repeated[repeated.epochs <= 1.01])
    gemstones = read("gemstones_loss")
    yield "gemstones, cooled down", gemstones[gemstones.schedule == "cooldown"]
    misfitting = read("misfitting")
    yield "misfitting, final", _best(misfitting[misfitting.final == 1])
    steps = read("steplaw_dense")
    yield "steplaw, best", _best(steps[steps.diverged == 0])
