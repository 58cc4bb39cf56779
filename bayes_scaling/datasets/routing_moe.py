"""223 routed and dense language models with checkpoints (Clark et al. 2022, arXiv:2202.01169)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Home

_LOSSES = {  # our name -> the source's, and what it is measured on
    "loss": ("loss_validation", "the validation set"),
    "loss_c4": ("loss_c4", "C4"),
    "loss_lambada": ("loss_lambada", "LAMBADA"),
    "loss_wikitext103": ("loss_wikitext103", "WikiText-103"),
    "loss_pile_europarl": ("loss_pile", "the EuroParl part of the Pile"),
    "loss_curation": ("loss_curation_corpus", "the Curation Corpus"),
}

_RENAMED = {
    "family": "router_type",
    "num_experts": "num_experts",
    "experts_per_token": "k",
    "routing_frequency": "routing_frequency",
    "flop_increase": "flop_increase",
    "size_label": "model_size_label",
    "d_model": "d_model",
    "num_blocks": "num_blocks",
    "params_total": "total_parameter_count",
    "params_dense": "dense_parameter_count",
    "flops_forward_step": "flops_per_step",
    "step": "step",
    **{name: source for name, (source, _) in _LOSSES.items()},
}

DATA_SET = DataSet(
    name="routing-moe",
    title="Routed language models (S-Base, RL-R, Hash) and dense ones, with checkpoints",
    citation=(
        "Clark, A. et al. (2022). Unified Scaling Laws for Routed Language Models. arXiv:2202.01169. "
        "(c) 2022 DeepMind."
    ),
    columns={
        "study": Column("", "name of the study"),
        "family": Column("", "router: Dense, Hash, S-Base or RL-R"),
        "run": Column("", "one training run"),
        "seed": Column("", "random seed: 42, and 1 to 3 for one dense 130M configuration"),
        "step": Column("step", "optimiser step of the checkpoint"),
        "final": Column("1", "1 for the last checkpoint of the run, else 0"),
        "num_experts": Column("1", "experts per routed layer"),
        "experts_per_token": Column("1", "experts that see a token"),
        "routing_frequency": Column("1", "fraction of layers that are routed"),
        "flop_increase": Column("1", "compute per token, relative to the dense model"),
        "size_label": Column("", "size as the dense model is named"),
        "d_model": Column("1", "width"),
        "num_blocks": Column("1", "layers"),
        "params_total": Column("parameter", "all parameters"),
        "params_dense": Column("parameter", "parameters that a token meets"),
        "flops_forward_step": Column("FLOP", "compute of the forward pass of one step"),
        **{name: Column("nat/token", f"cross-entropy on {where}") for name, (_, where) in _LOSSES.items()},
    },
    notes=(
        "Checkpoints of one run depend on each other: take final = 1 for laws in model size.",
        "Every run sees 130e9 tokens at step 249000. There is no column of tokens.",
        "Initial models (step 0) and checkpoints without a validation loss are left out.",
        "The published laws are fitted on routing_frequency 0.5, one expert per token and seed 42.",
        "Final losses of the three other seeds: 2.6555, 2.6560, 2.6568.",
    ),
    licence="CC-BY 4.0 (the data; the code of the repository is Apache-2.0)",
    home=Home(
        repository="https://github.com/google-deepmind/scaling_laws_for_routing",
        commit="42da0c392b127df2c01fa7b705f72396050d05e5",
        files={"data/curves.csv.gz": "c03e7531add85e594f368d33bac4a0220280be858a7ed12d147cf73af6a3819f"},
    ),
)


def tidy(curves: Path) -> pd.DataFrame:
    """The table from the learning curves."""
    raw = pd.read_csv(curves)
    raw = raw[(raw["step"] > 0) & raw["loss_validation"].notna()].reset_index(drop=True)
    return pd.DataFrame(
        {
            "study": "routing",
            "run": "rt" + raw["hyper_id"].astype(str).str.zfill(3),
            "seed": raw["seed"].astype(str),
            "final": raw["step"] == raw.groupby("hyper_id")["step"].transform("max"),
            **{name: raw[source] for name, source in _RENAMED.items()},
        }
    )
