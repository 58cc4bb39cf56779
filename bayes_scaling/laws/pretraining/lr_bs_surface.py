"""Loss around the optimal learning rate and batch (quadratic in their logs, Step Law's runs)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws.pretraining import chinchilla, step_law, step_law_batch


def log_mean(
    params, tokens, learning_rate, batch_tokens,
    *, E, A, alpha, B, beta, lr, p, q, batch, r, h_lr, h_batch, coupling,
):  # fmt: skip
    """Natural log of the expected loss of a run that may be badly tuned."""
    best = chinchilla.log_mean(params, tokens, E=E, A=A, alpha=alpha, B=B, beta=beta)
    off_lr = jnp.log(learning_rate) - step_law.log_mean(params, tokens, lr=lr, p=p, q=q)
    off_batch = jnp.log(batch_tokens) - step_law_batch.log_mean(tokens, batch=batch, r=r)
    cross = (2 * coupling - 1) * jnp.sqrt(h_lr * h_batch)
    return best + (h_lr * off_lr**2 + h_batch * off_batch**2 + 2 * cross * off_lr * off_batch) / 2


def _tuned(inputs, values):
    """At the optimum of both hyper-parameters only the loss law is left."""
    params, tokens = inputs["params"], inputs["tokens"]
    tuned = {
        "learning_rate": jnp.exp(
            step_law.log_mean(params, tokens, **{k: values[k] for k in ("lr", "p", "q")})
        ),
        "batch_tokens": jnp.exp(step_law_batch.log_mean(tokens, batch=values["batch"], r=values["r"])),
    }
    plan = {"params": params, "tokens": tokens}
    return {**plan, **tuned}, values, plan, {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}


_H_LR, _H_BATCH, _H_CROSS = 0.0127, 0.0122, -0.0050

_MEDIAN = {
    **chinchilla.LAW.published["besiroglu2024"].values,
    **step_law.LAW.published["li2025"].values,
    **step_law_batch.LAW.published["li2025"].values,
    "h_lr": _H_LR,
    "h_batch": _H_BATCH,
    "coupling": (1 + _H_CROSS / (_H_LR * _H_BATCH) ** 0.5) / 2,
}

LAW = Law(
    name="lr_bs_surface",
    title="Loss of runs away from the optimal learning rate and batch",
    equation=(
        "log L = log L*(N, D) + (h_lr p^2 + h_batch b^2 + 2 h_x p b)/2,  p = log(eta/eta*(N, D)),  "
        "b = log(B/B*(D)),  h_x = (2 coupling - 1) sqrt(h_lr h_batch),  L* chinchilla, eta* and B* step_law"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "non-vocabulary parameters", (1e8, 1e10)),
        Input("tokens", "token", "training tokens", (1e9, 1e12)),
        Input("learning_rate", "1", "peak learning rate", (5e-4, 8e-3)),
        Input("batch_tokens", "token", "batch", (1e5, 2e6)),
    ),
    parameters=(
        *chinchilla.LAW.parameters,
        *step_law.LAW.parameters,
        *step_law_batch.LAW.parameters,
        Parameter("h_lr", (0.0076, 0.0205), meaning="curvature in log learning rate", pool="tight"),
        Parameter("h_batch", (0.0076, 0.0205), meaning="curvature in log batch", pool="tight"),
        Parameter("coupling", (0.125, 0.575), "unit", "tight", meaning="(1 + correlation of the two)/2"),
    ),
    floor="",
    published={
        "median_cell": Published(
            _MEDIAN,
            "curvatures: medians of surfaces refitted to each of the 17 cells of arXiv:2503.04715; the rest: "
            "chinchilla and step_law as published",
            "computed",
        )
    },
    golden=(
        # twice the optimal learning rate of (1e9, 2e10) at its optimal batch costs exp(h_lr log(2)^2 / 2)
        Golden(
            {"params": 1e9, "tokens": 2e10, "learning_rate": 9.9523e-4 * 2, "batch_tokens": 4.4209e5},
            2.5301 * 1.00306,
            "median_cell",
        ),
    ),
    limits=(Limit("learning rate and batch at their optimum", "chinchilla", _tuned),),
    derived=(
        Derived(
            "cost_of_factor_2",
            lambda h_lr: jnp.expm1(h_lr * jnp.log(2.0) ** 2 / 2),
            meaning=("relative loss of a learning rate off by a factor of 2, at the best batch"),
        ),
        Derived(
            "cost_of_factor_4",
            lambda h_lr: jnp.expm1(h_lr * jnp.log(4.0) ** 2 / 2),
            meaning=("relative loss of a learning rate off by a factor of 4, at the best batch"),
        ),
        Derived(
            "lr_follows_batch",
            lambda h_lr, h_batch, coupling: -(2 * coupling - 1) * jnp.sqrt(h_batch / h_lr),
            meaning="d log(best learning rate) / d log(batch) off the optimal batch",
        ),
    ),
    reference=Reference("Predictable Scale: Part I, Step Law", "Li et al.", 2025, "2503.04715"),
    checked_on=("steplaw_dense",),
    notes=(
        "Valid while the excess stays below 2 %: the true basin is flatter below the optimum and steeper "
        "above, and the quadratic optimum lies 20 % below the published learning rate and 10 % below the "
        "batch. Use it to marginalise over mis-tuning in chinchilla fits. h_lr and the coupling fall with "
        "the ratio of tokens to parameters (.018 to .009, .38 to .17)."
    ),
)
