"""Best-fit model size against training-set size (Hestness et al. 2017, arXiv:1712.00409)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power

#: Published exponents by domain; the paper gives two values for character models.
_PUBLISHED = {
    "word_lm": 0.69,
    "word_lm_4_layer_lstm": 0.78,
    "character_lm_lower": 0.78,
    "character_lm_upper": 0.92,
    "imagenet": 0.573,
}
#: The same as 90 % prior intervals for ``with_priors``: 5 % to either side, as the paper says of the first.
EXPONENTS = {key: (0.95 * beta, 1.05 * beta) for key, beta in _PUBLISHED.items()}


def log_mean(samples, *, A, beta):
    """Natural log of ``A m^beta``."""
    return log_power(A, -beta, samples)


LAW = Law(
    name="hestness_model_size",
    title="Model size that fits a data set best",
    equation="s = y0 A (m/m0)^beta",
    predictor=log_mean,
    predicts=positive("params", "parameter"),
    inputs=(Input("samples", "sample", "size of the training set", (1e4, 1e11), centre="data"),),
    parameters=(
        Parameter("A", (0.3, 3.0), unit="y0", pool="separate", meaning="best size at m0"),
        Parameter("beta", (0.503, 0.893), "unit", "tight", meaning="exponent, beta_p: sublinear"),
    ),
    monotone={"samples": "increasing"},
    published={
        key: Published({"beta": beta}, "arXiv:1712.00409", "paper*") for key, beta in _PUBLISHED.items()
    },
    golden=(Golden({"samples": 2.0}, 1.6133, {"A": 1.0, "beta": 0.69}),),
    limits=(
        Limit(
            "always",
            "power_law",
            lambda inputs, v: (inputs, v, {"x": inputs["samples"]}, {"A": v["A"], "alpha": -v["beta"]}),
        ),
    ),
    derived=(
        Derived("doubling", lambda beta: 2.0**beta, meaning="factor on the best size when data double"),
    ),
    reference=Reference(
        "Deep Learning Scaling is Predictable, Empirically", "Hestness et al.", 2017, "1712.00409"
    ),
    notes=(
        "Of the exponents that were published only the first has an error, 5 %; `EXPONENTS` gives all as "
        "priors of that width. The paper's bound 0.5 <= beta < 1 is a prior here, not a truncation."
    ),
)
