"""416 models on 275 training sets (Li et al. 2024, arXiv:2406.11794)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Home

_TASKS = (
    "mmlu_zeroshot",
    "mmlu_fewshot",
    "hellaswag_zeroshot",
    "hellaswag",
    "jeopardy",
    "triviaqa_sm_sub",
    "arc_easy",
    "arc_challenge",
    "copa",
    "commonsense_qa",
    "piqa",
    "openbook_qa",
    "lambada_openai",
    "winograd",
    "winogrande",
    "bigbench_qa_wikidata",
    "bigbench_dyck_languages",
    "bigbench_operators",
    "bigbench_repeat_copy_logic",
    "bigbench_cs_algorithms",
    "bigbench_language_identification",
    "squad",
    "coqa",
    "boolq",
    "agi_eval_lsat_ar",
    "gsm8k",
    "siqa",
)

#: The settings in the name of a run, such as ``-warm=5000-lr=0p003-wd=0p033-``, where p is the decimal point.
_SETTINGS = {
    "lr": r"-lr=([\dpe-]*\d)",
    "weight_decay": r"-wd=([\dpe-]*\d)",
    "warmup": r"-warm=(\d+)",
    "batch_size": r"-bs=(\d+)",
}

DATA_SET = DataSet(
    name="dclm-models",
    title="DataComp-LM: 416 models of 0.4B to 7B parameters on 275 training sets",
    citation=(
        "Li, J. et al. (2024). DataComp-LM: In search of the next generation of training sets for language "
        "models. arXiv:2406.11794."
    ),
    columns={
        "study": Column("", "name of the study"),
        "family": Column("", "training set"),
        "run": Column("", "one training run, by its row in the source"),
        "arch": Column("", "architecture"),
        "tokenizer": Column("", "tokenizer"),
        "params": Column("parameter", "parameters"),
        "tokens": Column("token", "training tokens"),
        "compute": Column("FLOP", "6 x params x tokens"),
        "lr": Column("1", "peak learning rate, from the name of the run"),
        "weight_decay": Column("1", "weight decay, from the name of the run"),
        "warmup": Column("step", "warm-up, from the name of the run"),
        "batch_size": Column("1", "sequences in a batch, from the name of the run"),
        "seed": Column("", "random seed, from the name of the run"),
        "loss_val": Column("nat/token", "validation loss, which the source calls perplexity"),
        "core_centered": Column("1", "mean accuracy on the core tasks, with chance at 0"),
        "extended_centered": Column("1", "mean accuracy on all tasks, with chance at 0"),
        "accuracy_mean_all": Column("1", "mean accuracy on all tasks"),
        **{f"acc_{name}": Column("1", "accuracy") for name in _TASKS},
    },
    notes=(
        "18 training sets have runs at two or more sizes (0.41B, 1.4B, 6.9B), 11 at three.",
        "The validation loss is missing for 173 runs; it goes up to 10.17.",
        "Settings are read from the names of the runs; 32 names have none, ten more no seed.",
        "Some 100 columns of the source are left out: identifiers, other tasks, task perplexities.",
    ),
    licence="MIT",
    home=Home(
        repository="https://github.com/mlfoundations/dclm",
        commit="361714bdd60bb9b7f4b2d8354cebbf0dec0c329e",
        files={
            "assets/DCLM_model_database.csv": (
                "41ad7e91349a3d2b0caa0da3dd903d2d9f728bcabec17752fa1a10ae7e7c3e81"
            ),
        },
    ),
)


def tidy(database: Path) -> pd.DataFrame:
    """The table from the database of models, sorted by training set and size."""
    raw = pd.read_csv(database)
    name = raw["Model JSON"]
    settings = {
        column: pd.to_numeric(name.str.extract(pattern)[0].str.replace("p", "."))
        for column, pattern in _SETTINGS.items()
    }
    table = pd.DataFrame(
        {
            "study": "dclm",
            "family": raw["Dataset"],
            "run": [f"dclm{i:03d}" for i in range(len(raw))],
            "arch": raw["model"],
            "tokenizer": raw["tokenizer"],
            "params": raw["params"],
            "tokens": raw["tokens"],
            "compute": 6.0 * raw["params"] * raw["tokens"],
            **settings,
            "seed": name.str.extract(r"-seed=(\d+)")[0],
            "loss_val": raw["eval_metrics.perplexity"],
            "core_centered": raw["Core"],
            "extended_centered": raw["Extended"],
            "accuracy_mean_all": raw["aggregated_results"],
            **{f"acc_{task}": raw[task] for task in _TASKS},
        }
    )
    return table.sort_values(["family", "params", "tokens", "run"], ignore_index=True)
