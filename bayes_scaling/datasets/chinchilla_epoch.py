"""245 points of the Chinchilla figure, read off by Besiroglu et al. 2024 (arXiv:2404.10102)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Home

DATA_SET = DataSet(
    name="chinchilla-epoch",
    title="Chinchilla: 245 points of Figure 4 of Hoffmann et al. 2022, as read off by Epoch",
    citation=(
        "Besiroglu, T., Erdil, E., Barnett, M. and You, J. (2024). Chinchilla Scaling: A replication "
        "attempt. arXiv:2404.10102. Read off Figure 4 of Hoffmann, J. et al. (2022). arXiv:2203.15556."
    ),
    columns={
        "study": Column("", "name of the study"),
        "family": Column("", "chinchilla"),
        "run": Column("", "one point of the figure"),
        "params": Column("parameter", "parameters, as plotted"),
        "tokens": Column("token", "compute / (6 params)"),
        "compute": Column("FLOP", "training compute, as plotted"),
        "loss": Column("nat/token", "training loss, from the colour of the point"),
        "epoch_excluded": Column("1", "1 for the five points that Epoch leaves out of its fit, else 0"),
    },
    notes=(
        "Losses are read off a colour scale, so they are good to about 0.01.",
        "epoch_excluded marks the five points of highest loss, which Epoch leaves out of its fit of 240.",
        "245 of the more than 400 runs of the original study.",
        "Published fit of the 240: A = 482.01, B = 2085.43, E = 1.81686, alpha = 0.34781, beta = 0.36585.",
    ),
    licence="none stated",
    home=Home(
        repository="https://github.com/epoch-research/analyzing-chinchilla",
        commit="92258837425e1b5f2851d624287f0120583a3d0e",
        files={
            "data/svg_extracted_data.csv": "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30"
        },
    ),
)

EXCLUDED = 5


def tidy(points: Path) -> pd.DataFrame:
    """The table from the points of the figure."""
    raw = pd.read_csv(points)
    params, compute = raw["Model Size"], raw["Training FLOP"]
    return pd.DataFrame(
        {
            "study": "chinchilla_epoch",
            "family": "chinchilla",
            "run": [f"chin{i:03d}" for i in range(len(raw))],
            "params": params,
            "tokens": compute / (6 * params),
            "compute": compute,
            "loss": raw["loss"],
            "epoch_excluded": raw["loss"].rank(ascending=False) <= EXCLUDED,
        }
    )
