"""A posterior of the task law where every draw has inputs of its own: the loss of a planned run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_scaling.layout import Shape, bucket
from bayes_scaling.model import displaced, predict_rows
from bayes_scaling.observe import bounded, slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import Curves, family_draws, noise_at
from bayes_scaling.structure import Landmarks, features, kernel
from bayes_scaling.verdict import Items, own_scatter

#: Plans for which the part of a discrepancy that its basis leaves out is drawn jointly.
MOST_JOINT = 16
#: Variance that is added to it for the sake of a Cholesky factorisation.
JITTER = 1e-7


@dataclass(frozen=True)
class TaskDraws:
    """One group of a task posterior, ready to be evaluated again and again with the same draws.

    Parameters
    ----------
    posterior : Posterior
        With S draws.
    theta : array, shape (S, P)
    weights : array, shape (S, R)
    loose : array, shape (S, m)
        Unit normals of what the discrepancy's basis leaves out.
    """

    posterior: Posterior
    theta: np.ndarray
    weights: np.ndarray
    loose: np.ndarray


def task_draws(posterior: Posterior, label: str, plans: int, rng: np.random.Generator) -> TaskDraws:
    """The draws of one group; ``"new"`` is a group around the population."""
    draws = posterior.tree["posterior"].to_dataset()
    own = family_draws(posterior, draws, label, rng)
    return TaskDraws(posterior, own.theta, own.weights, rng.standard_normal((len(own.theta), plans)))


def curves_at(task: TaskDraws, inputs: Mapping[str, np.ndarray]) -> Curves:
    """The task's curve at inputs (S, m) of its own for every draw, on the link scale, shape (S, m) each."""
    prepared = task.posterior.prepared
    columns = [inputs[i.name] for i in prepared.law.inputs]
    size, m = columns[0].shape
    delta = np.zeros((size, m))
    if prepared.marks is not None:
        at = np.stack([np.log(x) for x in columns], axis=-1) - prepared.marks.centre
        scale = task.posterior.tree["posterior"].to_dataset()["structure_scale"].values.ravel()
        delta = _discrepancy(prepared.marks, at, task.weights, scale, task.loose)
        delta = delta * float(prepared.data.stretch)
    extra = bucket(m) - m
    padded = tuple(
        np.concatenate([x, np.repeat(x[:, -1:], extra, axis=1)], axis=1) / prepared.centres[i.name]
        for i, x in zip(prepared.law.inputs, columns, strict=True)
    )
    delta = np.concatenate([delta, np.zeros((size, extra))], axis=1)
    data = prepared.data
    with jax.enable_x64(True):
        found = _program(prepared.shape)(padded, task.theta, delta, data.shift, data.stretch, data.base)
    return Curves(np.asarray(found[0])[:, :m], np.asarray(found[1])[:, :m])


def _discrepancy(
    marks: Landmarks, at: np.ndarray, weights: np.ndarray, scale: np.ndarray, loose: np.ndarray
) -> np.ndarray:
    """Discrepancy (S, m) at centred coordinates (S, m, q), with what the basis leaves out.

    That is drawn jointly for `MOST_JOINT` plans at a time.
    """
    size, m, q = at.shape
    phi = features(marks, at.reshape(-1, q))[0].reshape(size, m, -1)
    rest = np.zeros((size, m))
    for start in range(0, m, MOST_JOINT):
        few = slice(start, start + MOST_JOINT)
        x, f = at[:, few], phi[:, few]
        left = kernel(x, x, marks.path) - f @ f.transpose(0, 2, 1)
        rest[:, few] = np.einsum("sij,sj->si", _root(left), loose[:, few])
    return np.einsum("smr,sr->sm", phi, weights) + scale[:, None] * rest


def _root(covariance: np.ndarray) -> np.ndarray:
    """Square roots (S, m, m) of covariances that may be singular to rounding."""
    m = covariance.shape[-1]
    try:
        return np.linalg.cholesky(covariance + JITTER * np.eye(m))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))[:, None]


@lru_cache(maxsize=32)
def _program(shape: Shape) -> Any:
    def one(inputs: Any, theta: Any, delta: Any, shift: Any, stretch: Any, base: Any) -> tuple[Any, Any]:
        bare = shift + stretch * predict_rows(shape, inputs, jnp.arange(len(delta)), list(theta))
        return bounded(bare, shift), bounded(displaced(bare, delta, base), shift)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None, None)))


@dataclass(frozen=True)
class RunLuck:
    """Unit normals (S, m) of a run's own scatter around the task's curve, its tail, and of its items."""

    run: np.ndarray
    tail: np.ndarray
    items: np.ndarray


def scores(task: TaskDraws, eta: np.ndarray, luck: RunLuck | None, items: Items, sampled: bool) -> np.ndarray:
    """Accuracies (S, m) from the curve on the link scale.

    Parameters
    ----------
    luck : RunLuck or None
        ``None``: the curve itself.
    items : Items
    sampled : bool
        Whether the sampling of the items is part of the score.
    """
    posterior, link = task.posterior, task.posterior.prepared.shape.link
    if luck is not None and posterior.prepared.shape.noise == "student":
        eta = eta + luck.run * luck.tail * own_scatter(posterior, eta, items)
    p = unlink_numpy(link, eta)
    if luck is not None and posterior.prepared.shape.noise == "beta_binomial":
        over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.reshape(-1, 1)
        p = p + luck.run * np.sqrt(p * (1 - p) * over / (1 + over))
    if luck is not None and sampled and items.count > 0:
        p = p + luck.items * items.share * np.sqrt(np.clip(p * (1 - p), 0, None) / items.count)
    p = np.clip(p, 0.0, 1.0)
    return 1 - p if posterior.law.predicts.name == "error" else p


def run_luck(task: TaskDraws, shared: np.ndarray, correlation: float, rng: np.random.Generator) -> RunLuck:
    """Luck of one task, correlated with that of the others through what they share (S, m)."""
    own = rng.standard_normal(shared.shape)
    run = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    tail = np.ones((len(shared), 1))
    if task.posterior.prepared.shape.noise == "student":
        df = task.posterior.tree["posterior"].to_dataset()["degrees_of_freedom"].values.reshape(-1, 1)
        tail = np.sqrt(df / rng.chisquare(np.broadcast_to(df, shared.shape)))
    return RunLuck(run, tail, rng.standard_normal(shared.shape))


def seed_share(task: TaskDraws, eta: np.ndarray) -> np.ndarray:
    """Part (m,) of the variance of a run's own scatter that comes from the seed; the rest is misfit."""
    if task.posterior.prepared.shape.noise != "student":
        return np.ones(eta.shape[1])
    noise = noise_at(task.posterior, Curves(eta, eta), [{}] * eta.shape[1], 0.0)
    link = task.posterior.prepared.shape.link
    slope = slope_numpy(link, unlink_numpy(link, eta)) ** 2
    seed = (slope * noise.seed**2).mean(axis=0)
    both = seed + (slope * noise.misfit**2).mean(axis=0)
    return seed / np.maximum(both, 1e-300)
