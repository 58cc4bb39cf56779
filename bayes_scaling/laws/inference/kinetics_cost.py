"""Cost of test-time compute with memory traffic (Sadhukhan et al. 2025, arXiv:2506.05333)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import hill

#: FLOP that an accelerator does in the time of moving one byte; 4.5e15 FLOP/s over 8e12 byte/s.
INTENSITY = 562.5


class Model(NamedTuple):
    """What the cost of a model depends on; fields are numbers, or arrays over models."""

    params: Any
    kv_elements: Any
    query_groups: Any


#: Qwen3 models; the caches follow from their configurations and agree with the paper's 3.5 and 8 GB at 32k
#: tokens of the smallest and the largest.
QWEN3: Mapping[str, Model] = MappingProxyType(
    {
        "0.6B": Model(0.752e9, 57344.0, 2.0),
        "1.7B": Model(2.03e9, 57344.0, 2.0),
        "4B": Model(4.02e9, 73728.0, 4.0),
        "8B": Model(8.19e9, 73728.0, 4.0),
        "14B": Model(14.77e9, 81920.0, 5.0),
        "32B": Model(32.76e9, 131072.0, 8.0),
    }
)


def log_mean(params, prompt_tokens, output_tokens, trials, kv_elements, query_groups, *, intensity):
    """Natural log of the equivalent FLOP of one question."""
    return jnp.log(
        eflop(params, prompt_tokens, output_tokens, trials, kv_elements, query_groups, intensity=intensity)
    )


def _pieces(params: Any, prompt_tokens: Any, kv_elements: Any, query_groups: Any, intensity: Any) -> tuple:
    """``eflop = trials (linear L + quadratic L^2) + shared L`` with L output tokens."""
    linear = 2 * params + 2 * query_groups * kv_elements * prompt_tokens
    quadratic = (query_groups + intensity) * kv_elements
    return linear, quadratic, 2 * intensity * kv_elements * prompt_tokens


def eflop(
    params: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    trials: Any,
    kv_elements: Any,
    query_groups: Any,
    *,
    intensity: Any = INTENSITY,
) -> Any:
    """Equivalent FLOP of one question: FLOP, and bytes moved times ``intensity``; arguments broadcast.

    Parameters
    ----------
    params : float or array
        Active parameters.
    prompt_tokens, output_tokens : float or array
        Length of the question, which all trials share, and of one answer.
    trials : float or array
        Answers per question.
    kv_elements : float or array
        Numbers in the cache of one token, ``2 * KV heads * head size * layers``; two bytes each.
    query_groups : float or array
        Attention heads per KV head.
    intensity : float or array
        FLOP per byte of the accelerator.
    """
    linear, quadratic, shared = _pieces(params, prompt_tokens, kv_elements, query_groups, intensity)
    return output_tokens * (trials * (linear + quadratic * output_tokens) + shared)


def sparse_eflop(
    params: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    trials: Any,
    kv_elements: Any,
    query_groups: Any,
    kv_budget: Any,
    *,
    block: Any = jnp.inf,
    intensity: Any = INTENSITY,
) -> Any:
    """As `eflop`, if every token attends to the best ``kv_budget`` tokens; trials share no prompt.

    Parameters
    ----------
    kv_budget : float or array
        Tokens attended to; all while there are fewer.
    block : float or array
        Tokens per block of the cache whose summary is searched; infinite for a free search.
    """
    missing = jnp.maximum(kv_budget - prompt_tokens, 0.0)
    filling = jnp.minimum(missing, output_tokens)
    pairs = kv_budget * output_tokens - missing * filling + filling**2 / 2
    searched = (2 * prompt_tokens + output_tokens) * output_tokens / block * kv_elements / 2
    flop = 2 * params * output_tokens + query_groups * (2 * kv_elements * pairs + searched)
    return trials * (flop + intensity * (2 * kv_elements * pairs + searched))


def affordable_trials(
    budget: Any,
    params: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    kv_elements: Any,
    query_groups: Any,
    *,
    intensity: Any = INTENSITY,
) -> Any:
    """Trials, not rounded, of ``output_tokens`` each that cost ``budget`` equivalent FLOP; 0 if none do."""
    linear, quadratic, shared = _pieces(params, prompt_tokens, kv_elements, query_groups, intensity)
    left = budget / output_tokens - shared
    return jnp.maximum(left, 0.0) / (linear + quadratic * output_tokens)


def affordable_tokens(
    budget: Any,
    params: Any,
    prompt_tokens: Any,
    trials: Any,
    kv_elements: Any,
    query_groups: Any,
    *,
    intensity: Any = INTENSITY,
) -> Any:
    """Output tokens per trial that make ``trials`` of them cost ``budget`` equivalent FLOP."""
    linear, quadratic, shared = _pieces(params, prompt_tokens, kv_elements, query_groups, intensity)
    half = (trials * linear + shared) / 2
    return budget / (half + jnp.sqrt(half**2 + trials * quadratic * budget))


def answer_accuracy(output_tokens: Any, *, ceiling: Any, half: Any, steepness: Any) -> Any:
    """Accuracy of one answer against its length, saturating: half of ``ceiling`` at ``half`` tokens."""
    return ceiling * hill(output_tokens, half, steepness)


class Split(NamedTuple):
    """How a budget is split, and the success rate that it buys; all of the budget's shape."""

    choice: Any  # which candidate
    trials: Any
    output_tokens: Any
    success: Any


def optimal_split(
    budget: Any,
    success: Callable[[Any, Any], Any],
    output_tokens: Any,
    *,
    params: Any,
    prompt_tokens: Any,
    kv_elements: Any,
    query_groups: Any,
    kv_budget: Any = None,
    intensity: Any = INTENSITY,
) -> Split:
    """Trials and answer length, model and cache, that succeed most within ``budget`` equivalent FLOP.

    Parameters
    ----------
    budget : float or array
        Any shape, and so are the results.
    success : callable
        ``success(trials, output_tokens)``, each of shape (..., n), vectorised: coverage or accuracy of a vote
        of each candidate.
    output_tokens : array, shape (n,)
        Answer lengths of the candidates.
    params, prompt_tokens, kv_elements, query_groups, intensity
        As for `eflop`; numbers, or arrays of shape (n,) to compare models.
    kv_budget : float or array, shape (n,), optional
        With sparse attention, tokens attended to (`sparse_eflop`).

    Returns
    -------
    Split
        Where no candidate can afford one trial, no trials and no success.
    """
    lengths, budget = jnp.asarray(output_tokens, float), jnp.asarray(budget, float)[..., None]
    model = (kv_elements, query_groups)
    if kv_budget is None:
        trials = affordable_trials(budget, params, prompt_tokens, lengths, *model, intensity=intensity)
    else:
        one = sparse_eflop(params, prompt_tokens, lengths, 1.0, *model, kv_budget, intensity=intensity)
        trials = budget / one
    trials = jnp.floor(trials)
    value = jnp.where(trials >= 1, success(jnp.maximum(trials, 1.0), lengths), 0.0)
    best = jnp.argmax(value, axis=-1)

    def pick(table: Any) -> Any:
        return jnp.take_along_axis(table, best[..., None], axis=-1)[..., 0]

    return Split(best, pick(trials), lengths[best], pick(value))


def kv_exponent(per_doubling: Any) -> Any:
    """Exponent e of ``kv_elements ~ params^e`` from their growth per doubling of the parameters."""
    return jnp.log2(per_doubling)


def sparse_optimum(cost: Any) -> tuple[Any, Any]:
    """Output tokens and KV budget that suit ``cost`` equivalent FLOP (Qwen3-8B, best of n, top-k)."""
    tera = cost / 1e12
    return 91.68 * tera**0.80, 81.77 * tera**0.25 - 212


def _no_cache(inputs, values):
    there = {"A": 2 * inputs["params"] * inputs["trials"], "alpha": -1.0}
    return {**inputs, "kv_elements": 1e-25}, values, {"x": inputs["output_tokens"]}, there


def _alone(model: Model, output_tokens: float) -> dict[str, float]:
    """One answer without a prompt."""
    return {**model._asdict(), "prompt_tokens": 0.0, "output_tokens": output_tokens, "trials": 1.0}


def _long_answers(inputs, values):
    """Parameters and prompt do not count any more: ``(r + I) N D L^2``."""
    long = {**inputs, "output_tokens": 1e16 * inputs["output_tokens"]}
    A = inputs["trials"] * inputs["kv_elements"] * (inputs["query_groups"] + values["intensity"])
    return long, values, {"x": long["output_tokens"]}, {"A": A, "alpha": -2.0}


LAW = Law(
    name="kinetics_cost",
    title="Cost of test-time compute, with memory traffic",
    equation="eFLOP = 2 N P L + r N D (2 L_in + L) L + I D (2 L_in + N L) L",
    predictor=log_mean,
    predicts=positive("eflop", "FLOP", centre="none"),
    inputs=(
        Input("params", "parameter", "active parameters P", (1e8, 1e12)),
        Input("prompt_tokens", "token", "length of the question L_in", (10.0, 1e5)),
        Input("output_tokens", "token", "length of one answer L", (100.0, 1e5)),
        Input("trials", "answer", "answers per question N", (1.0, 1e3)),
        Input("kv_elements", "1", "numbers in the cache per token D", (1e4, 1e6)),
        Input("query_groups", "1", "attention heads per KV head r", (1.0, 16.0)),
    ),
    parameters=(
        Parameter(
            "intensity", (280.0, 1100.0), pool="separate", unit="FLOP/byte", meaning="of the accelerator, I"
        ),
    ),
    monotone={
        "params": "increasing",
        "prompt_tokens": "increasing",
        "output_tokens": "increasing",
        "trials": "increasing",
        "kv_elements": "increasing",
        "query_groups": "increasing",
    },
    published={"b200": Published({"intensity": INTENSITY}, "arXiv:2506.05333, B200")},
    golden=(
        Golden(_alone(QWEN3["14B"], 8192.0), 3362e12, "b200"),
        Golden(_alone(QWEN3["4B"], 9216.0), 3622e12, "b200", rtol=2e-4),
    ),
    limits=(
        Limit("no cache: 2 N P L", "power_law", _no_cache),
        Limit("long answers: (r + I) N D L^2", "power_law", _long_answers),
    ),
    derived=(
        Derived(
            "level_4B",
            lambda intensity: (
                2 * QWEN3["4B"].params / (QWEN3["4B"].kv_elements * (QWEN3["4B"].query_groups + intensity))
            ),
            "token",
            "answer length from which attention costs Qwen3-4B more than its parameters",
        ),
    ),
    reference=Reference(
        "Kinetics: Rethinking Test-Time Scaling Laws", "Sadhukhan et al.", 2025, "2506.05333"
    ),
    notes=(
        "The cost is exact given the lengths; the one unknown is the accelerator's intensity, which measured "
        "costs identify. Weight reads are amortised over a batch and left out. The authors' code has the "
        "budget term of sparse attention once with plus and once with minus: minus is right, and here it "
        "also holds for answers shorter than the budget. Up to some size a larger model is a better use of "
        "compute than more answers or longer ones: 14B for Qwen3, 7B for distilled R1 (paper). Lengths of "
        "answers scatter from question to question; average the cost over them."
    ),
)
