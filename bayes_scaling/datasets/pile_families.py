"""Seven families of models on one Pile test set and seven tasks (Dey et al. 2023, arXiv:2304.03208)."""

from __future__ import annotations

from bayes_scaling.datasets._record import Column, DataSet, Task

TASKS = {
    "hellaswag": Task(items=10042, options=4),
    "piqa": Task(items=1838, options=2),
    "winogrande": Task(items=1267, options=2),
    "lambada": Task(items=5153, options=None),
    "arc_easy": Task(items=2376, options=4),
    "arc_challenge": Task(items=1172, options=4),
    "openbookqa": Task(items=500, options=4),
}

DATA_SET = DataSet(
    name="pile-families",
    title="Cerebras-GPT, Pythia, GPT-NeoX, GPT-J and OPT on the Pile and seven zero-shot tasks",
    citation=(
        "Dey, N. et al. (2023). Cerebras-GPT: Open Compute-Optimal Language Models Trained on the Cerebras "
        "Wafer-Scale Cluster. arXiv:2304.03208. Zero-shot evaluation table of the paper and the model card."
    ),
    columns={
        "family": Column("", "line of models: one data recipe, tokenizer and architecture"),
        "size": Column("", "size as the model is named"),
        "params": Column("parameter", "total parameters"),
        "tokens": Column("token", "training tokens seen"),
        "compute": Column("FLOP", "training compute as printed, attention included: not 6ND"),
        "loss": Column("nat/token", "cross-entropy on the Pile test set, as printed; empty for OPT"),
        **{name: Column("1", "zero-shot accuracy") for name in TASKS},
    },
    tasks=TASKS,
    notes=(
        "Parameters of Cerebras-GPT are its training tokens divided by 20; those of Pythia, GPT-J and "
        "GPT-NeoX are the published counts.",
        "[recalled] Tokens of Pythia, GPT-J, GPT-NeoX and OPT are the published budgets, not figures of the "
        "table.",
        "pythia-deduped 1.4B is printed with a loss of 1.889, above that of its 1B sibling: a real outlier, "
        "left in on purpose.",
        "An earlier printing of the model card has other losses for the four smallest Cerebras-GPT models "
        "(2.566, 2.299, 2.184, 1.996) and 1.575 for the 13B model.",
        "Tokenizers differ between families, so the irreducible loss belongs to the family. One seed each.",
        "OPT was neither trained nor scored on the Pile: its six losses are missing.",
        "[recalled] Published fit to compare with: L = (C / 5.984e22)^-0.0737 + 0.5066 for Cerebras-GPT.",
    ),
    licence="figures of a published table, typed in",
)
