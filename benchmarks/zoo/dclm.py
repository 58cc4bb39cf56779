"""DCLM: CORE from the loss, with data sets as families, and from compute; the ranks of data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from cases import Outcome, Table, counted, fit, forecasts, number, quantity, read

#: Tokens per parameter of the runs that are compared over sizes.
RATIO = 20
SIZES = {"0.4B": 4.2e8, "1.4B": 1.5e9, "6.9B": 7e9}


def with_loss() -> pd.DataFrame:
    """Models with a validation loss and CORE, of one tokenizer."""
    frame = read("dclm_models").dropna(subset=["loss_val", "core_centered"])
    neox = frame.tokenizer.fillna("").str.contains("neox")
    frame = frame[neox & (frame.loss_val < 4)]
    return frame.assign(loss=lambda t: t.loss_val, error=lambda t: 1 - t.core_centered)


def standard() -> pd.DataFrame:
    """CORE of each data set and size at 20 tokens per parameter: the median over runs."""
    frame = read("dclm_models").dropna(subset=["core_centered"])
    frame = frame[np.abs(frame.tokens / frame.params / RATIO - 1) < 0.05]
    groups = frame.groupby(["family", "params"])
    return groups.agg(
        capability=("core_centered", "median"), compute=("compute", "median"), runs=("run", "size")
    ).reset_index()


def correlation_table(frame: pd.DataFrame) -> Table:
    """Loss against CORE over data sets, size by size."""
    rows = []
    for name, upper in SIZES.items():
        part = frame[(frame.params < upper) & (frame.params > upper / 2)]
        r = np.corrcoef(part.loss, part.core_centered)[0, 1]
        rows.append([name, len(part), f"{part.loss.min():.2f} to {part.loss.max():.2f}", f"{r:+.2f}"])
    columns = ["size", "models", "losses", "correlation of loss and CORE"]
    return Table("Validation loss and CORE over data sets (a useful loss would be near -1)", columns, rows)


def rank_table() -> Table:
    """Rank correlation of data sets between sizes, all at 20 tokens per parameter."""
    wide = standard().pivot(index="family", columns="params", values="capability")
    wide.columns = list(SIZES)
    rng, rows = np.random.default_rng(0), []
    for small, large in (("0.4B", "1.4B"), ("0.4B", "6.9B"), ("1.4B", "6.9B")):
        both = wide[[small, large]].dropna()
        draws = [
            both.iloc[rng.integers(0, len(both), len(both))].corr("spearman").iloc[0, 1] for _ in range(2000)
        ]
        low, high = np.nanquantile(draws, (0.05, 0.95))
        best = both[small].idxmax() == both[large].idxmax()
        rows.append(
            [
                f"{small} to {large}",
                len(both),
                f"{both.corr('spearman').iloc[0, 1]:.2f} [{low:.2f}, {high:.2f}]",
                f"{both.corr('pearson').iloc[0, 1]:.2f}",
                "yes" if best else "no",
            ]
        )
    columns = ["sizes", "data sets", "rank correlation, 90 % bootstrap interval", "linear", "same best set"]
    return Table("Do data sets keep their ranks of CORE, at 20 tokens per parameter", columns, rows)


def fall_table(frame: pd.DataFrame) -> Table:
    """What 0.4B and 1.4B models of one data set say of loss and CORE."""
    part = frame[frame.params < 5e9].groupby(["family", "params"])[["loss", "core_centered"]].median()
    wide = part.unstack()
    wide = wide.dropna()
    loss = wide["loss"].iloc[:, 0] - wide["loss"].iloc[:, 1]
    core = wide["core_centered"].iloc[:, 1] - wide["core_centered"].iloc[:, 0]
    rows = [
        [name, number(a), number(b), f"{down:.3f}", f"{up:.3f}"]
        for name, a, b, down, up in zip(
            short(wide.index), wide["loss"].iloc[:, 0], wide["loss"].iloc[:, 1], loss, core, strict=True
        )
    ]
    columns = ["data set", "loss at 0.4B", "loss at 1.4B", "fall of the loss", "rise of CORE"]
    return Table("The same data set at two sizes", columns, rows)


def from_loss(frame: pd.DataFrame, small: pd.Series, data: str, families: bool) -> Outcome:
    columns = ["family", "loss", "error"] if families else ["loss", "error"]
    posterior, found = fit("error_vs_loss_exp", frame.loc[small, columns], data)
    tail = "_population" if families else ""
    found.quantities = [quantity(posterior, f"{n}{tail}") for n in ("eps", "ratio", "gamma")]
    hidden = frame[~small].sort_values("loss")
    if families:
        hidden = hidden[hidden.family.isin(posterior.families)]
    table = forecasts(
        posterior, hidden, hidden.error,
        [f"{name}, loss {loss:.3f}" for name, loss in zip(short(hidden.family), hidden.loss, strict=True)],
        title=f"1 - CORE of 6.9B models at their loss, {'by data set' if families else 'one curve'}",
        families=list(hidden.family) if families else None,
    )  # fmt: skip
    found.tables = [counted(table)]
    return found


#: Parts of the names of data sets that tell none apart.
COMMON = r"_vs_rw_v2_bigram|rw_v2_cc_v3_f0\.15_|resilipara?se_|_train|tri-hero-run1_|rw_v2_bff_?|_200k"


def short(names: Iterable[str]) -> list[str]:
    """Names of data sets that fit into a table."""
    return [re.sub(COMMON, "", str(name))[:48] for name in names]


def case() -> Iterator[Outcome]:
    frame = with_loss()
    small = frame.params < 5e9
    found = from_loss(frame, small, "dclm_models, CORE of 0.4B and 1.4B models, one tokenizer", False)
    found.tables += [correlation_table(frame), fall_table(frame)]
    yield found
    several = frame[small].groupby("family").params.nunique()
    part = frame[frame.family.isin(several[several > 1].index)]
    yield from_loss(
        part, part.params < 5e9, "dclm_models, data sets with a loss at 0.4B and at 1.4B, as families", True
    )
    table = standard()
    table = table[table.groupby("family").params.transform("nunique") > 1]
    small = table.params < 5e9
    posterior, found = fit(
        "capability_compute",
        table.loc[small, ["family", "compute", "capability"]],
        "dclm_models, CORE of 0.4B and 1.4B at 20 tokens per parameter, data sets of two sizes or more",
    )
    found.quantities = [quantity(posterior, "slope_population")]
    hidden = table[~small & table.family.isin(posterior.families)]
    forecast = forecasts(
        posterior, hidden, hidden.capability, short(hidden.family), title="CORE of 6.9B models from compute",
        families=list(hidden.family),
    )  # fmt: skip
    titled = counted(forecast)
    medians = pd.Series([float(row[2]) for row in forecast.rows])
    last = table[table.params.between(1e9, 2e9)].set_index("family").capability.reindex(hidden.family)
    last, truth = last.reset_index(drop=True), hidden.capability.reset_index(drop=True)
    off = medians - truth
    rows = [
        [
            "forecast",
            f"{medians.corr(truth, 'spearman'):.2f}",
            f"{off.mean():+.3f}",
            f"{off.abs().mean():.3f}",
        ],
        ["CORE at 1.4B", f"{last.corr(truth, 'spearman'):.2f}", "", ""],
    ]
    columns = ["ranked by", "rank correlation with CORE at 6.9B", "mean error", "mean absolute error"]
    found.tables = [titled, Table("The same data sets, ranked", columns, rows), rank_table()]
    yield found
