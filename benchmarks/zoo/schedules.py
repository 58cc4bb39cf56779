"""Learning-rate schedules of the public loss curves of Luo et al. 2025 (arXiv:2503.12811), step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cases import read

PEAK, WARMUP = 3e-4, 2160
#: Steps over which a slowly and a quickly falling rate is held constant, and pieces of the warm-up.
SLOW, QUICK, RAMP = 512, 128, 8
#: Step at which the two-stage schedules switch.
SWITCH = 8000


def curves() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The loss curves, and the learning rate at every step of each run, warm-up included."""
    table = read("multipowerlaw_curves").sort_values(["run", "step"])
    return table, {str(run): rates(part) for run, part in table.groupby("run")}


def rates(curve: pd.DataFrame) -> np.ndarray:
    """Learning rate at every step: one step at zero, a ramp of `RAMP` pieces, then the recorded rates."""
    last = int(curve.step.max()) + 1
    ramp = np.repeat(PEAK * (np.arange(RAMP) + 0.5) / RAMP, WARMUP // RAMP)
    ramp[0] = 0.0
    step = np.arange(WARMUP + 1, last + 1)
    schedule = str(curve.schedule.iloc[0])
    if schedule.startswith("wsdcon"):
        after = np.where(step <= SWITCH, PEAK, float(schedule.split("_")[1]) * 1e-5)
    else:
        piece = QUICK if schedule.startswith("wsd") else SLOW
        middle = (step - WARMUP - 1) // piece * piece + piece / 2 + WARMUP
        after = np.interp(middle, curve.step, curve.lr)
    return np.concatenate([ramp, after])


def thinned(table: pd.DataFrame, every: int) -> pd.DataFrame:
    """Every so many-th point of each curve, the first transient after the warm-up left out."""
    return table.groupby("run").nth(slice(4, None, every)).reset_index(drop=True)


def in_rows(name: str, step: np.ndarray, lr: np.ndarray) -> np.ndarray:
    """A schedule as rows of 32 steps and their rates, with the warm-up as 216 rows of 10 steps."""
    ramp = np.stack([np.full(216, 10.0), PEAK * (np.arange(216) + 0.5) / 216], 1)
    if name.startswith("wsdcon"):
        rest = np.array([[SWITCH - WARMUP, PEAK], [SWITCH, lr[-1]]])
    else:
        middle = np.arange(WARMUP, step.max(), 32.0)
        rest = np.stack([np.full(len(middle), 32.0), np.interp(middle + 16, step, lr)], 1)
    return np.concatenate([[[1.0, 0.0]], ramp, rest])
