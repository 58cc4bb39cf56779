"""148 public base models on benchmarks and BIG-bench tasks (Ruan et al. 2024, arXiv:2405.10938)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Home

_BENCHMARKS = ("MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
_EMERGENT = {
    "parsinlu_qa_2_acc": "accuracy",
    "word_unscrambling_2_exact_match": "exact match",
    "ipa_transliterate_2_exact_match": "exact match",
    "ipa_transliterate_2_bleu": "BLEU, 0 to 100",
    "arithmetic_3ds_2_acc": "accuracy",
    "arithmetic_3da_2_acc": "accuracy",
    "arithmetic_2dm_2_acc": "accuracy",
    "arithmetic_2da_2_acc": "accuracy",
}


def _column(benchmark: str) -> str:
    return f"acc_{benchmark.lower().replace('-', '_')}"


DATA_SET = DataSet(
    name="obsscaling-base-llm",
    title="148 public base models of 47 families on eight benchmarks and BIG-bench tasks",
    citation=(
        "Ruan, Y., Maddison, C. J. and Hashimoto, T. (2024). Observational Scaling Laws and the "
        "Predictability of Language Model Performance. arXiv:2405.10938."
    ),
    columns={
        "study": Column("", "name of the study"),
        "family": Column("", "family of models"),
        "run": Column("", "name of the model"),
        "params": Column("parameter", "parameters, rounded"),
        "tokens": Column("token", "training tokens; empty where they are not public"),
        "compute": Column("FLOP", "6 x params x tokens"),
        **{_column(name): Column("1", f"accuracy on {name}") for name in _BENCHMARKS},
        **{f"emergent_{name}": Column("1", f"BIG-bench: {kind}") for name, kind in _EMERGENT.items()},
    },
    notes=(
        "There is no loss: families differ in data and tokenizer, and compare by their accuracies only.",
        "Training tokens, hence compute, of 25 models are not public; 64 models lack the BIG-bench tasks.",
        "Tokens and compute of BTLM-3b are corrected by 1/1000: the source has 627e12 tokens for 627e9.",
    ),
    licence="Apache-2.0",
    home=Home(
        repository="https://github.com/ryoungj/ObsScaling",
        commit="4d6e1e43fd2635d04654aa77d1df9d5266ea0382",
        files={
            "eval_results/base_llm_benchmark_eval.csv": (
                "511996815735a4c46251dc585dcc525e370d148201f86561e6f927f9df2d0db8"
            ),
            "eval_results/base_llm_emergent_capability_eval.csv": (
                "a156beee73c39b7833c3c53535c473939105512d85e90b0143be7325e516ef7c"
            ),
        },
    ),
)


def tidy(benchmarks: Path, emergent: Path) -> pd.DataFrame:
    """The table from the two files of evaluations."""
    raw = pd.read_csv(benchmarks).merge(pd.read_csv(emergent), on="Model", how="left", validate="1:1")
    params = raw["Model Size (B)"] * 1e9
    tokens = raw["Pretraining Data Size (T)"] * 1e12
    tokens = tokens.mask(raw["Model"] == "cerebras/btlm-3b-8k-base", tokens / 1000)
    return pd.DataFrame(
        {
            "study": "obsscaling",
            "family": raw["Model Family"],
            "run": raw["Model"],
            "params": params,
            "tokens": tokens,
            "compute": 6 * params * tokens,
            **{_column(name): raw[name] for name in _BENCHMARKS},
            **{f"emergent_{name}": raw[name] for name in _EMERGENT},
        }
    )
