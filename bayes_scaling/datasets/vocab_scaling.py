"""Six sizes of models, ten vocabularies each, with checkpoints (Tao et al. 2024, arXiv:2407.13623)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Home

DATA_SET = DataSet(
    name="vocab-scaling",
    title="Six model sizes with ten sizes of vocabulary each, 20 checkpoints a run",
    citation=(
        "Tao, C. et al. (2024). Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies. "
        "arXiv:2407.13623."
    ),
    columns={
        "study": Column("", "name of the study"),
        "family": Column("", "models of one number of non-vocabulary parameters"),
        "run": Column("", "one training run"),
        "vocab_size": Column("1", "entries of the vocabulary"),
        "embed_dim": Column("1", "width of the embedding"),
        "params_nonvocab": Column("parameter", "parameters apart from the embeddings"),
        "params_vocab": Column("parameter", "vocab_size x embed_dim"),
        "characters": Column("1", "training characters seen"),
        "compute": Column("FLOP", "training compute"),
        "loss_u": Column("nat/token", "loss minus that of a unigram model: negative, lower is better"),
        "tokens": Column("token", "compute / (6 (params_nonvocab + params_vocab))"),
    },
    notes=(
        "loss_u is normalised by a unigram model so that vocabularies compare; it is negative, and no column "
        "holds the loss itself.",
        "The 20 checkpoints of a run depend on each other.",
        "The published fit leaves out points below 2.18e17 FLOP.",
    ),
    licence="none stated",
    home=Home(
        repository="https://github.com/sail-sg/scaling-with-vocab",
        commit="6701cc202af8b075a46eef8e9d263b3f2ebe012c",
        files={"exp_data.csv": "6571e877469a44cb50b2d05e1fa485587369ee1c47941a4b3b2bfef80496f1b2"},
    ),
)


def tidy(measured: Path) -> pd.DataFrame:
    """The table from the measurements."""
    raw = pd.read_csv(measured)
    others, embeddings = raw["Non_vocab_parameters"], raw["vocab_size"] * raw["embed_dim"]
    size = (others // 1e6).astype(int).astype(str) + "M"
    return pd.DataFrame(
        {
            "study": "vocab_scaling",
            "family": "nonvocab_" + size,
            "run": "nv" + size + "_v" + raw["vocab_size"].astype(int).astype(str),
            "vocab_size": raw["vocab_size"],
            "embed_dim": raw["embed_dim"],
            "params_nonvocab": others,
            "params_vocab": embeddings,
            "characters": raw["num_characters"],
            "compute": raw["FLOPs"],
            "loss_u": raw["Lossu"],
            "tokens": raw["FLOPs"] / (6 * (others + embeddings)),
        }
    )
