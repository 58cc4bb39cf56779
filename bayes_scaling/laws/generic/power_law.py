"""Pure power law of one quantity (Hestness et al. 2017; Kaplan et al. 2020; and many more)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power


def log_mean(x, *, A, alpha):
    """Natural log of ``A x^-alpha``."""
    return log_power(A, alpha, x)


def critical(x_c: float, alpha: float) -> dict[str, float]:
    """Published ``(x_c / x)^alpha`` in this law's coordinates."""
    return {"A": x_c**alpha, "alpha": alpha}


LAW = Law(
    name="power_law",
    title="Power law",
    equation="y = y0 A (x/x0)^-alpha",
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("A", (0.3, 3.0), unit="y0", meaning="level at x0, relative to the typical response"),
        Parameter(
            "alpha",
            (-0.2, 0.9),
            support="real",
            pool="tight",
            meaning="exponent; negative where the response grows with x",
        ),
    ),
    published={
        "hestness2017_word_lm": Published({"A": 11.9, "alpha": 0.066}, "arXiv:1712.00409", "paper*"),
        "hestness2017_translation": Published({"A": 3.87, "alpha": 0.128}, "arXiv:1712.00409", "paper*"),
        "kaplan2020_params": Published(critical(8.8e13, 0.076), "arXiv:2001.08361", "paper*"),
        "kaplan2020_tokens": Published(critical(5.4e13, 0.095), "arXiv:2001.08361", "paper*"),
        "kaplan2020_compute_pf_days": Published(critical(3.1e8, 0.050), "arXiv:2001.08361", "paper*"),
        "kaplan2020_critical_batch_of_loss": Published(
            {"A": 2e8, "alpha": 4.76}, "arXiv:2001.08361", "paper*"
        ),
        "kaplan2020_params_of_compute_pf_days": Published(
            {"A": 1.3e9, "alpha": -0.73}, "arXiv:2001.08361", "paper*"
        ),
        "llama3_2024_tokens_of_compute": Published(
            {"A": 0.299, "alpha": -0.537}, "Llama 3, arXiv:2407.21783", "paper*"
        ),
        "deepseek2024_scale_of_compute": Published(
            {"A": 0.1715, "alpha": -0.5243}, "DeepSeek LLM, arXiv:2401.02954", "paper*"
        ),
        "deepseek2024_learning_rate_of_compute": Published(
            {"A": 0.3118, "alpha": 0.1250}, "DeepSeek LLM, arXiv:2401.02954", "paper*"
        ),
        "deepseek2024_batch_of_compute": Published(
            {"A": 0.2920, "alpha": -0.3271}, "DeepSeek LLM, arXiv:2401.02954", "paper*"
        ),
        "videau2026_batch_of_flop_per_token": Published(
            {"A": 896.07, "alpha": -0.231}, "arXiv:2608.07222", "paper*"
        ),
        "clark2022_dense": Published(critical(3.568e13, 0.078), "arXiv:2202.01169", "paper*"),
        "clark2022_dense_refit": Published(
            critical(3.69e13, 0.0785), "refit of the released dense runs of arXiv:2202.01169", "computed"
        ),
    },
    golden=(
        Golden({"x": 1e7}, 4.107, "hestness2017_word_lm"),
        Golden({"x": 1e8}, 3.528, "hestness2017_word_lm"),
        Golden({"x": 1e7}, 0.4917, "hestness2017_translation"),
        Golden({"x": 2.5}, 2.55e6, "kaplan2020_critical_batch_of_loss", rtol=2e-3),
        Golden({"x": 2.0}, 0.949, {"A": 1.0, "alpha": 0.076}, rtol=5e-4),
        # where the paper's laws contradict each other, printed with one or two digits
        Golden({"x": 1e4}, 1.7, "kaplan2020_compute_pf_days", "paper*", rtol=0.02),
        Golden({"x": 1e4}, 1e12, "kaplan2020_params_of_compute_pf_days", "paper*", rtol=0.1),
    ),
    derived=(Derived("doubling", lambda alpha: 2.0**-alpha, meaning="factor on y when x doubles"),),
    reference=Reference(
        "Deep Learning Scaling is Predictable, Empirically", "Hestness et al.", 2017, "1712.00409"
    ),
    notes=(
        "Families share the exponent and differ in the level: architecture moves A, hardly alpha (Hestness "
        "et al.). Exponents of losses are 0.04 to 0.1 for language and up to 0.5 elsewhere; those of optima "
        "in compute are -0.45 to -0.9, reached with a wider interval for alpha."
    ),
)
