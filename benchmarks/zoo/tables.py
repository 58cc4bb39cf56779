"""Tables of chapter 1 that take some preparation: which runs are kept, and what is made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cases import read


def optima() -> pd.DataFrame:
    """Best learning rate and batch of each cell of parameters and tokens, by a quadratic near it."""
    rows = []
    for (params, tokens), cell in read("steplaw_dense").query("diverged == 0").groupby(["params", "tokens"]):
        near = cell[cell.loss < cell.loss.min() * 1.015]
        x, y = np.log(near.lr), np.log(near.batch_size * 2048)
        design = np.column_stack([np.ones(len(near)), x, y, x * x, x * y, y * y])
        c = np.linalg.lstsq(design, near.loss, rcond=None)[0]
        curvature = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
        top = -np.linalg.solve(curvature, c[1:3])
        bowl = (
            np.linalg.eigvalsh(curvature)[0] > 0
            and x.min() <= top[0] <= x.max()
            and y.min() <= top[1] <= y.max()
        )
        if len(near) >= 12 and bowl:
            lr, batch = np.exp(top)
            rows.append({"params": params, "tokens": tokens, "learning_rate": lr, "batch_tokens": batch})
    return pd.DataFrame(rows)


def gemstones() -> dict[str, pd.DataFrame]:
    frame = read("gemstones_loss").sort_values(["run", "tokens"])
    constant = frame[frame.schedule == "constant"]
    late = constant[constant.tokens > 0.99e11]
    return {
        "constant, to 100B tokens": constant[constant.tokens < 1.01e11],
        "constant, from 100B tokens": late.groupby("run").nth(slice(None, None, 3)),
        "cooldown": frame[frame.schedule == "cooldown"],
        "half the learning rate": frame[frame.schedule == "constant_lower_lr"],
    }


def datablations(epochs: float) -> pd.DataFrame:
    """Fresh and repeated data up to a number of epochs, without runs whose loss rises with further ones."""
    table = read("datablations_upto4B")
    best = table.groupby(["params", "unique_tokens"]).loss.transform("idxmin")
    falling = table.tokens <= table.tokens.loc[best].to_numpy()
    kept = table[falling & (table.epochs <= epochs) & (table.tokens >= 1e9)]
    return kept[["run", "params", "tokens", "unique_tokens", "loss"]]
