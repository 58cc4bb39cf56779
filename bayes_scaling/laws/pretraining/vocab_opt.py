"""Compute-optimal vocabulary parameters from non-vocabulary parameters (Tao et al. 2024, approaches 1, 2)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import N0, log_power

#: Embedding width by non-vocabulary parameters: the largest size for which each width is used.
WIDTHS = {
    512: 5e7, 768: 2e8, 1024: 5e8, 1536: 1e9, 2048: 2e9, 3200: 5e9,
    4096: 1e10, 5120: 2e10, 6048: 5e10, 8192: 1e11, 12288: 2e11, 16384: 5e11,
}  # fmt: skip


def embedding_width(params_nonvocab: float) -> int:
    """Embedding width that the paper uses for a number of non-vocabulary parameters.

    Raises
    ------
    ValueError
        Beyond 5e11 parameters, where the paper gives no width.
    """
    for width, largest in WIDTHS.items():
        if params_nonvocab <= largest:
            return width
    raise ValueError(
        f"no embedding width for {params_nonvocab:g} non-vocabulary parameters: the table ends at 5e11; "
        "divide the vocabulary parameters by the width of your own model instead"
    )


def log_mean(params_nonvocab, *, V, gamma):
    """Natural log of the optimal vocabulary parameters; V is their number at N0."""
    return log_power(V, -gamma, params_nonvocab / N0)


def _power_law(inputs, values):
    return (
        inputs,
        values,
        {"x": inputs["params_nonvocab"] / N0},
        {"A": values["V"], "alpha": -values["gamma"]},
    )


def _at(params: float):
    return lambda V, gamma: V * (params / N0) ** gamma / embedding_width(params)


LAW = Law(
    name="vocab_opt",
    title="Compute-optimal vocabulary parameters",
    equation="V* d = V (N_nv/N0)^gamma,  N0 = 5e8",
    predictor=log_mean,
    predicts=positive("params_vocab", "parameter", centre="none"),
    inputs=(Input("params_nonvocab", "parameter", "non-vocabulary parameters", (1e7, 1e12)),),
    parameters=(
        Parameter("V", (1.5e7, 6.0e7), unit="parameter", meaning="optimal vocabulary parameters at N0"),
        Parameter(
            "gamma", (0.748, 0.912), "unit", "tight", meaning="growth with non-vocabulary parameters, below 1"
        ),
    ),
    monotone={"params_nonvocab": "increasing"},
    published={
        "tao2024_approach1": Published(
            # N_nv = .08337 F^0.5 and N_v = .20412 F^.4163623, with the compute F eliminated
            {"V": 0.20412 * (N0 / 0.08337) ** (2 * 0.4163623), "gamma": 2 * 0.4163623},
            "arXiv:2407.13623",
        ),
        "tao2024_approach2": Published(
            {"V": 3145728 * (N0 / 3.3e7) ** 0.8353974, "gamma": 0.8353974}, "arXiv:2407.13623"
        ),
    },
    golden=(
        Golden({"params_nonvocab": 2.87e9}, 37.9e3 * 3200, "tao2024_approach1", rtol=2e-3),
        Golden({"params_nonvocab": 7e9}, 62.3e3 * 4096, "tao2024_approach1", rtol=2e-3),
        Golden({"params_nonvocab": 7e10}, 211.9e3 * 8192, "tao2024_approach1", rtol=1e-3),
        Golden({"params_nonvocab": 2.87e9}, 41.0e3 * 3200, "tao2024_approach2", rtol=2e-3),
        Golden({"params_nonvocab": 7e9}, 67.5e3 * 4096, "tao2024_approach2", rtol=2e-3),
        Golden({"params_nonvocab": 7e10}, 230.9e3 * 8192, "tao2024_approach2", rtol=1e-3),
    ),
    limits=(Limit("always", "power_law", _power_law),),
    derived=(
        Derived("vocabulary_7B", _at(7e9), "entry", "optimal vocabulary at 7e9 parameters, width 4096"),
        Derived("vocabulary_70B", _at(7e10), "entry", "optimal vocabulary at 7e10 parameters, width 8192"),
    ),
    reference=Reference("Scaling Laws with Vocabulary", "Tao et al.", 2024, "2407.13623"),
    notes="Approach 3, which also takes the compute, is `optimal_vocab_params` of vocab_loss.",
)
