"""Accuracy of a tree of voting agents (Liu, Kong, Pei 2026, arXiv:2601.17311)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes

#: Levels of a tree that the law follows, and reference of the compute of an agent, in tokens.
MOST_LEVELS = 8
X0 = 1e3
#: Gauss-Legendre nodes on (0, 1): the majority map of b agents is a polynomial of degree b, exact to b = 47.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def logit_mean(agents, fan_in, message_tokens, agent_tokens, *, rho, m0, kappa, beta):
    """Log odds of a right answer at the root, ``2 atanh(bias)``; a part of a level is interpolated."""
    levels = jnp.log(agents) / jnp.log(jnp.maximum(fan_in, 2.0))  # one agent is no vote: padded rows
    gamma = fidelity(message_tokens, m0=m0)
    bias = leaf_bias(agent_tokens, kappa=kappa, beta=beta)
    for level in range(MOST_LEVELS):
        step = layer(bias, fan_in, gamma=gamma, rho=rho) - bias
        bias = bias + jnp.clip(levels - level, 0.0, 1.0) * step
    return 2 * jnp.arctanh(bias * (1 - 1e-6))


def leaf_bias(agent_tokens: Any, *, kappa: Any, beta: Any) -> Any:
    """``2 accuracy - 1`` of one agent: ``kappa (x/X0)^beta`` while that is small, and below one always."""
    return jnp.tanh(kappa * (agent_tokens / X0) ** beta)


def fidelity(message_tokens: Any, *, m0: Any) -> Any:
    """Part of a bias that survives a message, ``1 - exp(-m/m0)``."""
    return -jnp.expm1(-message_tokens / m0)


def majority_slope(fan_in: Any) -> Any:
    """Gain of small biases by a majority of ``fan_in`` independent agents (odd)."""
    return jnp.exp(gammaln(fan_in + 1.0) - 2 * gammaln((fan_in + 1) / 2) - (fan_in - 1) * jnp.log(2.0))


def majority(bias: Any, fan_in: Any) -> Any:
    """Bias of the majority of ``fan_in`` independent agents of that bias; arguments broadcast."""
    bias, fan_in = jnp.asarray(bias)[..., None], jnp.asarray(fan_in)[..., None]
    integrand = (1 - (bias * _NODES) ** 2) ** ((fan_in - 1) / 2)
    return (majority_slope(fan_in) * bias)[..., 0] * (integrand * _WEIGHTS).sum(axis=-1)


def layer(bias: Any, fan_in: Any, *, gamma: Any, rho: Any) -> Any:
    """Bias one level up: messages of fidelity ``gamma``, errors shared with probability ``rho``."""
    return rho * gamma * bias + (1 - rho) * majority(gamma * bias, fan_in)


def amplification(fan_in: Any, *, gamma: Any, rho: Any) -> Any:
    """Gain of a small bias per level; above one a team amplifies it, below one it dies."""
    return gamma * (rho + (1 - rho) * majority_slope(fan_in))


def critical_fidelity(fan_in: Any, *, rho: Any) -> Any:
    """The phase boundary: messages must keep more than this part of a bias."""
    return 1 / amplification(fan_in, gamma=1.0, rho=rho)


def organisation_exponent(fan_in: Any, *, gamma: Any, rho: Any) -> Any:
    """Exponent s of ``bias of a team ~ agents^s`` while it grows; a team wins at equal budget if s > beta."""
    return jnp.log(amplification(fan_in, gamma=gamma, rho=rho)) / jnp.log(fan_in)


def fixed_point(fan_in: Any, *, gamma: Any, rho: Any, levels: int = 500) -> Any:
    """Bias to which deep trees tend; zero below the phase boundary."""
    start = jnp.ones(jnp.broadcast_shapes(*(jnp.shape(a) for a in (fan_in, gamma, rho))))
    return jax.lax.fori_loop(0, levels, lambda _, bias: layer(bias, fan_in, gamma=gamma, rho=rho), start)


def mixing_levels(leaf: Any, fan_in: Any, *, gamma: Any, rho: Any) -> Any:
    """Levels after which a growing bias saturates; infinite below the phase boundary."""
    gain = jnp.log(amplification(fan_in, gamma=gamma, rho=rho))
    reach = jnp.log(fixed_point(fan_in, gamma=gamma, rho=rho) / leaf)
    return jnp.where(gain > 0, jnp.maximum(reach, 0.0) / jnp.where(gain > 0, gain, 1.0), jnp.inf)


def clipped_bias(leaf: Any, agents: Any, fan_in: Any, *, gamma: Any, rho: Any) -> Any:
    """Bias at the root if it grows as ``agents^s`` up to the fixed point, the quick predictor."""
    exponent = organisation_exponent(fan_in, gamma=gamma, rho=rho)
    grown = leaf * agents**exponent
    return jnp.where(exponent > 0, jnp.minimum(grown, fixed_point(fan_in, gamma=gamma, rho=rho)), grown)


def budget_threshold(ceiling: Any, *, kappa: Any, beta: Any) -> Any:
    """Total tokens beyond which one agent beats every team whose bias saturates at ``ceiling``."""
    return X0 * (jnp.arctanh(ceiling) / kappa) ** (1 / beta)


def most_in_a_star(window: Any, message_tokens: Any) -> Any:
    """Agents whose messages fit into the context of one aggregator."""
    return jnp.floor(window / message_tokens)


def star_risk(risk: Any, agents: Any, message_variance: Any, *, rho: Any) -> Any:
    """Mean-square risk of the mean of ``agents`` estimates with pairwise error correlation ``rho``."""
    return risk * (rho + (1 - rho) / agents) + message_variance / agents


def tree_risk_floor(fan_in: Any, message_variance: Any, *, rho: Any) -> Any:
    """Mean-square risk to which deep trees of means tend: the fixed point of `star_risk` per level."""
    return message_variance / ((fan_in - 1) * (1 - rho))


def _same_errors(inputs, values):
    """Agents that share every error, and messages that lose nothing: the odds of one agent, a power law."""
    here = {**values, "rho": 1 - 1e-13, "m0": inputs["message_tokens"] / 60, "kappa": values["kappa"] * 1e-3}
    small = {**inputs, "agent_tokens": X0 * 1.0001}
    bias = 2 * float(leaf_bias(small["agent_tokens"], kappa=here["kappa"], beta=values["beta"]))
    return small, here, {"x": 1.0}, {"a": bias, "b": 0.0}


LAW = Law(
    name="multi_agent_phase",
    title="Accuracy of a tree of voting agents",
    equation="x_{l+1} = rho g x_l + (1 - rho) f_b(g x_l),  g = 1 - exp(-m/m0), "
    "x_0 = tanh(kappa (x/X0)^beta),  accuracy = (1 + x_L)/2,  L = ln N / ln b",
    predictor=logit_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    inputs=(
        Input("agents", "agent", "agents at the leaves N", (1.0, 243.0)),
        Input("fan_in", "agent", "agents that report to one, odd, b", (3.0, 31.0)),
        Input("message_tokens", "token", "length of a message m", (10.0, 1e4)),
        Input("agent_tokens", "token", "compute of one agent x", (100.0, 1e5)),
    ),
    parameters=(
        Parameter("rho", (0.19, 0.81), "unit", meaning="probability that agents share an error"),
        Parameter("m0", (19.0, 520.0), unit="token", meaning="message that keeps 63 % of a bias"),
        Parameter("kappa", (0.02, 0.8), meaning="bias of an agent with 1000 tokens"),
        Parameter("beta", (0.088, 0.455), pool="tight", meaning="exponent of an agent's tokens"),
    ),
    monotone={"message_tokens": "increasing", "agent_tokens": "increasing"},
    golden=(
        # one vote of three independent agents without loss: bias (3 x - x^3)/2, x = tanh(0.5)
        Golden(
            {"agents": 3.0, "fan_in": 3.0, "message_tokens": 1e6, "agent_tokens": X0},
            0.8219148,
            {"rho": 0.0, "m0": 100.0, "kappa": 0.5, "beta": 0.2},
            rtol=1e-5,
        ),
    ),
    limits=(Limit("errors all shared: teams gain nothing", "log_linear", _same_errors, atol=1e-7),),
    derived=(
        Derived(
            "exponent_3",
            lambda rho: organisation_exponent(3.0, gamma=1.0, rho=rho),
            meaning="organisation exponent of threes, long messages",
        ),
        Derived(
            "synergy_3",
            lambda rho, beta: organisation_exponent(3.0, gamma=1.0, rho=rho) - beta,
            meaning="above zero: teams of threes beat one agent at equal budget",
        ),
        Derived(
            "critical_message_3",
            lambda rho, m0: -m0 * jnp.log1p(-critical_fidelity(3.0, rho=rho)),
            "token",
            "message length below which trees of threes lose the signal",
        ),
    ),
    reference=Reference(
        "Phase Transition for Budgeted Multi-Agent Synergy", "Liu, Kong, Pei", 2026, "2601.17311"
    ),
    notes=(
        "Theory and simulation: the source fits no constants. Its leaf bias kappa x^beta is bounded by a "
        "tanh here. At equal total budget the bias of a team over one agent's is N^(s - beta) while small, "
        "so a team wins if s > beta, and s <= 1/2: nothing is gained for beta >= 1/2. A bias that a bit "
        "flips with probability f has fidelity 1 - 2 f: threes of independent agents need f < 1/6. Families "
        "are models; agents of one model share errors, which counts of joint failures show."
    ),
)
