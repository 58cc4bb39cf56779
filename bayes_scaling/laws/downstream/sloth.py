"""Benchmark scores of model families by latent skills (Maia Polo et al. 2024, arXiv:2412.06540)."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import logit_with_floor

#: Parameters and tokens of a family's level; the product of their logs gives these units a meaning.
PARAMS0, TOKENS0 = 1e9, 1e12

#: Accuracy by chance, from the authors' code; give a small number such as 1e-4 where it is zero. BBH and MuSR
#: are sets of tasks: the mean of their chances, weighted by items.
CHANCE = {
    "mmlu": 0.25,
    "hellaswag": 0.25,
    "arc": 0.25,
    "gpqa": 0.25,
    "winogrande": 0.5,
    "truthfulqa": 0.31,
    "mmlu_pro": 0.1,
    "gsm8k": 0.0,
    "ifeval": 0.0,
    "math": 0.0,
}


def skill(params: Any, tokens: Any, *, level: Any, beta_N: Any, beta_D: Any, beta_ND: Any) -> Any:
    """Skill of a model: level of the family, and a common production function of size and data."""
    s, t = jnp.log(params / PARAMS0), jnp.log(tokens / TOKENS0)
    return level + beta_N * s + beta_D * t + beta_ND * s * t


def logit_1(params, tokens, chance, *, level, beta_N, beta_D, beta_ND):
    """Logit of the accuracy on one benchmark."""
    theta = skill(params, tokens, level=level, beta_N=beta_N, beta_D=beta_D, beta_ND=beta_ND)
    return logit_with_floor(theta, chance)


def logit_2(params, tokens, chance, benchmark, *, level, beta_N, beta_D, beta_ND, load_2, shift_2):
    """Logit of the accuracy on benchmark 1 or 2, of one skill."""
    theta = skill(params, tokens, level=level, beta_N=beta_N, beta_D=beta_D, beta_ND=beta_ND)
    return logit_with_floor(jnp.where(benchmark < 1.5, theta, load_2 * theta + shift_2), chance)


def logit_3(
    params, tokens, chance, benchmark, *, level, beta_N, beta_D, beta_ND, load_2, shift_2, load_3, shift_3
):
    """Logit of the accuracy on benchmark 1, 2 or 3, of one skill."""
    theta = skill(params, tokens, level=level, beta_N=beta_N, beta_D=beta_D, beta_ND=beta_ND)
    second = jnp.where(benchmark < 2.5, load_2 * theta + shift_2, load_3 * theta + shift_3)
    return logit_with_floor(jnp.where(benchmark < 1.5, theta, second), chance)


def benchmark_scores(
    params: Any, tokens: Any, levels: Any, slopes: Any, loadings: Any, shifts: Any, chance: Any
) -> Any:
    """Expected scores of n models on J benchmarks by d skills.

    Parameters
    ----------
    params, tokens : array, shape (..., n)
    levels : array, shape (..., n, d)
        Level of each model's family in each skill.
    slopes : array, shape (..., d, 3)
        Slopes in the logs of params / 1e9 and of tokens / 1e12, and in their product.
    loadings : array, shape (..., J, d)
    shifts, chance : array, shape (..., J)
        Easiness of a benchmark on the logit, and its score by chance.

    Returns
    -------
    array, shape (..., n, J)
        Leading axes, such as the draws of a posterior, broadcast.
    """
    s, t = jnp.log(jnp.asarray(params) / PARAMS0), jnp.log(jnp.asarray(tokens) / TOKENS0)
    gain = jnp.stack([s, t, s * t], axis=-1) @ jnp.swapaxes(jnp.asarray(slopes), -1, -2)
    theta = jnp.asarray(levels) + gain
    score = theta @ jnp.swapaxes(jnp.asarray(loadings), -1, -2) + jnp.asarray(shifts)[..., None, :]
    g = jnp.asarray(chance)[..., None, :]
    return g + (1 - g) / (1 + jnp.exp(-score))


def best_params(compute: Any, *, beta_N: Any, beta_D: Any, beta_ND: Any) -> Any:
    """Parameters of the highest skill at ``compute = 6 N D`` FLOP.

    Returns
    -------
    array
        The interior optimum, which needs a positive interaction ``beta_ND``; ``nan`` without one, where the
        smallest or the largest model at hand is best.
    """
    budget = jnp.log(compute / 6) - jnp.log(PARAMS0 * TOKENS0)
    inside = PARAMS0 * jnp.exp((beta_N - beta_D + beta_ND * budget) / (2 * beta_ND))
    return jnp.where(beta_ND > 0, inside, jnp.nan)


def elasticity(tokens: Any, *, beta_N: Any, beta_ND: Any) -> Any:
    """Gain of skill per e-fold of parameters at a number of tokens."""
    return beta_N + beta_ND * jnp.log(tokens / TOKENS0)


def _flop_sigmoid(inputs, values):
    inputs = {**inputs, "chance": 1e-40}
    here = {**values, "beta_D": values["beta_N"], "beta_ND": 0.0}
    x = inputs["params"] / PARAMS0 * (inputs["tokens"] / TOKENS0)
    return inputs, here, {"x": x}, {"a": values["level"], "b": values["beta_N"]}


def _given_skill(inputs, values):
    names = ("level", "beta_N", "beta_D", "beta_ND")
    theta = skill(inputs["params"], inputs["tokens"], **{name: values[name] for name in names})
    there = {"floor": inputs["chance"], "w0": 0.0, "w1": 1.0}
    return inputs, values, {"capability_1": float(jnp.exp(theta))}, there


def _first_benchmark(inputs, values):
    names = ("level", "beta_N", "beta_D", "beta_ND")
    return {**inputs, "benchmark": 1.0}, values, inputs, {name: values[name] for name in names}


def _inputs(benchmarks: int) -> tuple[Input, ...]:
    one = (
        Input("params", "parameter", "parameters", (1e8, 1e12)),
        Input("tokens", "token", "training tokens", (1e11, 2e13)),
        Input("chance", "1", "score by chance, above zero", (1e-4, 0.5)),
    )
    which = Input(
        "benchmark", "1", f"1 to {benchmarks}: which benchmark a row is of", (1.0, float(benchmarks))
    )
    return one if benchmarks == 1 else (*one, which)


def _parameters(benchmarks: int) -> tuple[Parameter, ...]:
    return (
        Parameter("level", (-5.0, 3.0), "real", "partial", meaning="skill of the family at 1e9 and 1e12"),
        Parameter("beta_N", (0.063, 1.96), pool="shared", meaning="skill per e-fold of parameters"),
        Parameter("beta_D", (0.063, 1.96), pool="shared", meaning="skill per e-fold of tokens"),
        Parameter("beta_ND", (-0.49, 0.49), "real", "shared", meaning="interaction of the two logs"),
        *(
            parameter
            for j in range(2, benchmarks + 1)
            for parameter in (
                Parameter(f"load_{j}", (0.3, 3.0), pool="shared", meaning=f"loading of benchmark {j}"),
                Parameter(f"shift_{j}", (-3.3, 3.3), "real", "shared", meaning=f"easiness of benchmark {j}"),
            )
        ),
    )


_law = partial(
    Law,
    name="sloth",
    predicts=successes("n_correct", "n_samples", link="logit"),
    derived=(
        Derived(
            "elasticity_10T",
            lambda beta_N, beta_ND: elasticity(1e13, beta_N=beta_N, beta_ND=beta_ND),
            meaning="gain of skill per e-fold of parameters at 1e13 tokens",
        ),
    ),
    reference=Reference(
        "Sloth: scaling laws for LLM skills to predict multi-benchmark performance across families",
        "Maia Polo et al.",
        2024,
        "2412.06540",
    ),
)
_SKILL = "theta_f + beta_N s + beta_D t + beta_ND s t,  s = log(N/1e9), t = log(D/1e12)"
_JOINT = (
    "One skill; the first benchmark fixes its scale and origin. A family of which one model took one "
    "benchmark is forecast on the others. More skills: benchmark_scores evaluates them, but a fit of many "
    "skills needs loadings by benchmark and levels by family at once, more than one level of groups."
)
_VALUES = {"level": 0.5, "beta_N": 0.3, "beta_D": 0.4, "beta_ND": 0.0}

VARIANTS = {
    1: _law(
        checked_on=("obsscaling_base_llm",),
        title="Score of one benchmark from parameters and tokens, levels by family",
        equation=f"Y = c + (1 - c) sigmoid({_SKILL})",
        predictor=logit_1,
        inputs=_inputs(1),
        parameters=_parameters(1),
        golden=(
            # s = t = 0, so .25 + .75 sigmoid(.5)
            Golden({"params": 1e9, "tokens": 1e12, "chance": 0.25}, 0.71684, _VALUES, rtol=1e-5),
        ),
        limits=(
            Limit("equal slopes, no interaction, no floor: a sigmoid in FLOP", "log_linear", _flop_sigmoid),
            Limit("the skill is given", "obs_scaling", _given_skill),
        ),
        notes=(
            "Exact for any number of skills of one benchmark: a loading times a skill is again "
            "a level and the same slopes. Slopes are shared by all families; instruction-tuned models are "
            "families of their own. Chance by benchmark is in CHANCE."
        ),
    ),
    2: _law(
        title="Scores of two benchmarks of one skill, levels by family",
        equation=f"Y_j = c_j + (1 - c_j) sigmoid(load_j theta + shift_j),  theta = {_SKILL}",
        predictor=logit_2,
        inputs=_inputs(2),
        parameters=_parameters(2),
        limits=(Limit("the first benchmark", "sloth", _first_benchmark),),
        notes=_JOINT,
    ),
    3: _law(
        title="Scores of three benchmarks of one skill, levels by family",
        equation=f"Y_j = c_j + (1 - c_j) sigmoid(load_j theta + shift_j),  theta = {_SKILL}",
        predictor=logit_3,
        inputs=_inputs(3),
        parameters=_parameters(3),
        limits=(Limit("the first benchmark", "sloth", _first_benchmark),),
        notes=_JOINT,
    ),
}
LAW = VARIANTS[1]
