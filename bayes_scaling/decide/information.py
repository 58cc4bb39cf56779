"""What the outcome of a run would tell about a target: the arithmetic, on joint draws of both.

Two ways. The linear-Gaussian one takes the joint covariance of target and candidates and conditions it,
which is exact if all of them are normal. The nested one simulates outcomes from draws of the posterior and
reweights all other draws by the Student-t density of that outcome (importance sampling); it knows no
normality, but it needs enough draws that could have given the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import chdtri, gammaln, ndtri

By = Literal["width", "variance", "entropy", "value"]

#: Part of the draws at either end that a covariance counts as the edge: one wild draw must not decide it.
EDGE = 0.005
#: Below this effective number of draws, or above this Pareto k, reweighted draws are not believed.
LEAST_ESS, MOST_PARETO_K = 40.0, 0.7
#: Values of what is left of a curve's spread at which bands and losses are computed; others lie between.
GRID = 13
#: Outcomes over which the Pareto k of a candidate is taken.
K_OUTCOMES = 8
LOW, HIGH = 0.05, 0.95


class Joint(NamedTuple):
    """Joint draws of t targets and m candidates on the link scale."""

    target: np.ndarray  # (S, t) curve of the targets, with the structural discrepancy
    luck: np.ndarray  # (S, t) noise around it that the question asks for, which no run can tell
    curve: np.ndarray  # (S, m) of the candidates, with the structural discrepancy
    shared: np.ndarray  # (S, m) sd of the misfit, which runs of one configuration share
    fresh: np.ndarray  # (S, m) sd of seed and evaluation, which every run has of its own
    df: np.ndarray  # (S,) degrees of freedom
    config: np.ndarray  # (m,) configuration of each candidate

    @property
    def outcome(self) -> np.ndarray:
        """What the targets turn out to be, shape (S, t)."""
        return self.target + self.luck


class Stake(NamedTuple):
    """A user's loss of a target on the link scale, and that of not running."""

    loss: Callable[[np.ndarray], np.ndarray]
    no_go: float


class Gaussian(NamedTuple):
    """Covariance of the targets' curves and of candidates, and the noise of all outcomes."""

    covariance: np.ndarray  # (t + m, t + m)
    luck: np.ndarray  # (t,) variance of the targets around their curves
    noise: np.ndarray  # (m,) variance of each candidate's outcome
    targets: int


def gaussian(joint: Joint) -> Gaussian:
    """Second moments of the joint draws, tails cut to their edge.

    Student-t noise counts by its Fisher information, ``scale^2 (df + 3) / (df + 1)``; a typical draw's scale
    is the geometric mean. Candidates of one configuration share its misfit.
    """
    t = joint.target.shape[1]
    draws = _clipped(np.concatenate([joint.target, joint.curve], axis=1))
    draws = draws - draws.mean(axis=0)
    covariance = draws.T @ draws / len(draws)
    factor = ((joint.df + 3) / (joint.df + 1))[:, None]
    shared, fresh = (_typical(scale**2 * factor) for scale in (joint.shared, joint.fresh))
    same = joint.config[:, None] == joint.config[None]
    covariance[t:, t:] += same * np.sqrt(shared[:, None] * shared[None])
    return Gaussian(covariance, _clipped(joint.luck).var(axis=0), fresh, t)


def condition(known: Gaussian, j: int) -> Gaussian:
    """The same after the outcome of candidate j, whatever it is."""
    at = known.targets + j
    column = known.covariance[:, at]
    left = known.covariance - np.outer(column, column) / (column[at] + known.noise[j])
    return known._replace(covariance=left)


def variances_after(known: Gaussian) -> np.ndarray:
    """Variance (t, m) of every target's curve after one more outcome of every candidate."""
    t = known.targets
    cross, own = known.covariance[:t, t:], np.diagonal(known.covariance)
    return np.maximum(own[:t, None] - cross**2 / (own[t:] + known.noise), 0.0)


def entropies_after(known: Gaussian) -> np.ndarray:
    """Joint entropy (m,) of the targets, as of normals, after one more outcome of every candidate; nats."""
    t = known.targets
    cross, own = known.covariance[:t, t:], np.diagonal(known.covariance)[t:] + known.noise
    now = known.covariance[:t, :t] + np.diag(known.luck)
    told = np.einsum("tm,tm->m", cross, np.linalg.solve(now, cross)) / own
    return _entropy(now) + 0.5 * np.log(np.maximum(1 - told, 1e-12))


def linear_after(joint: Joint, known: Gaussian, by: By, stake: Stake | None = None) -> np.ndarray:
    """Expected uncertainty (m,), or expected loss, after one more outcome of every candidate.

    The draws of a target's curve move together like their standard deviation, and its luck stays. The loss
    of a decision is averaged over the means that the outcome could lead to (moment matching; Heath,
    Manolopoulou, Baio 2018).
    """
    return entropies_after(known) if by == "entropy" else _level(joint, variances_after(known), by, stake)


def linear_now(joint: Joint, known: Gaussian, by: By, stake: Stake | None = None) -> float:
    """The same before that outcome, so that the two can be compared."""
    now = known.covariance[: known.targets, : known.targets]
    if by == "entropy":
        return _entropy(now + np.diag(known.luck))
    return float(_level(joint, np.diagonal(now)[:, None], by, stake)[0])


def _level(joint: Joint, after: np.ndarray, by: By, stake: Stake | None) -> np.ndarray:
    """Uncertainty (m,) with variances (t, m) of the targets' curves: read off a grid of what is left."""
    if by == "variance":
        return (after + _clipped(joint.luck).var(axis=0)[:, None]).mean(axis=0)
    now = np.maximum(_clipped(joint.target).var(axis=0), 1e-300)
    left = np.sqrt(np.minimum(after / now[:, None], 1.0))
    found = []
    for i in range(len(left)):
        curve, luck = joint.target[:, i] - joint.target[:, i].mean(), joint.luck[:, i]
        if by == "width":
            # One grid for all questions, so that a set of runs has one width however it is asked for; squared
            # widths of normal draws are linear in squared parts.
            grid = np.linspace(0.0, 1.0, GRID)
            level = np.array([band((part * curve + luck)[:, None])[0] for part in grid])
            found.append(np.sqrt(np.interp(left[i] ** 2, grid**2, level**2)))
            continue
        assert stake is not None  # a value grows like the spread of the means, the sine of this angle
        grid = np.linspace(0.0, np.arccos(left[i].min()), GRID)
        mean, sd = joint.target[:, i].mean(), np.sqrt(now[i])
        level = [_expected_loss(np.cos(x) * curve + luck, mean, np.sin(x) * sd, stake) for x in grid]
        found.append(np.interp(np.arccos(left[i]), grid, level))
    return np.mean(found, axis=0)


def width_with(joint: Joint, after: np.ndarray) -> np.ndarray:
    """Width (m,) of the band with variances (t, m) of the targets' curves."""
    return _level(joint, after, "width", None)


def _expected_loss(rest: np.ndarray, mean: float, sd: float, stake: Stake) -> float:
    """Of the better action once the mean is told, and `rest` (S,) is what stays around it."""
    rest = np.quantile(rest, (np.arange(200) + 0.5) / 200)
    means = mean + sd * ndtri((np.arange(40) + 0.5) / 40)
    expected = stake.loss((means[:, None] + rest).ravel()).reshape(40, 200).mean(axis=1)
    return float(np.minimum(expected, stake.no_go).mean())


def uncertainty(joint: Joint, by: By, stake: Stake | None = None) -> float:
    """What is not known now: width, variance, entropy; or the least expected loss of an action."""
    if by == "width":
        return float(band(joint.outcome).mean())
    if by == "variance":
        return float(_clipped(joint.outcome).var(axis=0).mean())
    if by == "entropy":
        return _entropy(np.atleast_2d(np.cov(_clipped(joint.outcome).T, bias=True)))
    assert stake is not None
    return min(float(stake.loss(joint.outcome[:, 0]).mean()), stake.no_go)


def band(draws: np.ndarray) -> np.ndarray:
    """Width of the central 90 % of draws (S, t)."""
    low, high = np.quantile(draws, (LOW, HIGH), axis=0)
    return high - low


class Futures(NamedTuple):
    """K simulated futures of a batch, and what each of them makes of the S draws."""

    truth: np.ndarray  # (K,) the draw that each future comes from
    log_weight: np.ndarray  # (K, S); minus infinity for that draw itself, which would flatter
    outcomes: tuple[tuple[int, np.ndarray], ...]  # candidate and its outcomes (K,), in order
    seed: int


class Told(NamedTuple):
    """Expected uncertainty after an outcome, and whether the reweighted draws can be believed."""

    after: float
    width: float
    ess: float  # median over outcomes of the effective number of draws
    pareto_k: float  # median over outcomes; nan where it was not asked for


def futures(joint: Joint, count: int, seed: int) -> Futures:
    """K futures in which nothing has been run yet, spread evenly over the first target's draws."""
    s = len(joint.target)
    count = min(count, s)
    order = np.argsort(joint.target[:, 0])
    truth = order[((np.arange(count) + 0.5) * s / count).astype(int)]
    log_weight = np.zeros((count, s))
    log_weight[np.arange(count), truth] = -np.inf
    return Futures(truth, log_weight, (), seed)


def observe(joint: Joint, before: Futures, j: int) -> Futures:
    """The same futures after candidate j was run once more: outcomes are drawn, and draws reweighted.

    Runs of one configuration share its misfit and its tail (a joint Student-t of the cluster). The luck of a
    step is the same for all candidates, so that their ranks are compared on common random numbers.
    """
    earlier = [y for i, y in before.outcomes if joint.config[i] == joint.config[j]]
    first = next((n for n, (i, _) in enumerate(before.outcomes) if joint.config[i] == joint.config[j]), None)
    step = len(before.outcomes)
    k = before.truth
    drawn = np.random.default_rng((before.seed, step if first is None else first))
    misfit = ndtri(_evenly(drawn, len(k)))
    tail = np.sqrt(joint.df[k] / chdtri(joint.df[k], _evenly(drawn, len(k))))
    luck = ndtri(_evenly(np.random.default_rng((before.seed, step, 1)), len(k)))
    y = joint.curve[k, j] + tail * (joint.shared[k, j] * misfit + joint.fresh[k, j] * luck)
    gain = _cluster(joint, j, [*earlier, y])
    if earlier:
        gain = gain - _cluster(joint, j, earlier)
    return before._replace(log_weight=before.log_weight + gain, outcomes=(*before.outcomes, (j, y)))


def _evenly(rng: np.random.Generator, count: int) -> np.ndarray:
    """One number from each of `count` equal parts of (0, 1), in random order.

    A Latin hypercube over the terms of an outcome: few futures have as many rare ones as they should.
    """
    return (rng.permutation(count) + rng.uniform(size=count)) / count


def told(joint: Joint, after: Futures, by: By, stake: Stake | None = None, *, pareto: bool = True) -> Told:
    """What the outcomes of some futures leave open, on average."""
    weight = np.exp(after.log_weight - after.log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    ess = 1 / (weight**2).sum(axis=1)
    width = float(np.mean([_weighted_band(draws, weight) for draws in joint.outcome.T]))
    return Told(
        after=width if by == "width" else _left(joint, weight, ess, by, stake),
        width=width,
        ess=float(np.median(ess)),
        pareto_k=_pareto_k(after) if pareto else float("nan"),
    )


def believable(one: Told) -> bool:
    """Whether enough draws carry the weight."""
    return one.ess >= LEAST_ESS and not one.pareto_k > MOST_PARETO_K


def _left(joint: Joint, weight: np.ndarray, ess: np.ndarray, by: By, stake: Stake | None) -> float:
    if by == "value":
        assert stake is not None
        loss = stake.loss(joint.outcome[:, 0])
        expected = weight @ loss
        # a mean of few draws scatters by itself, which the least of two actions would take for knowledge
        own = (np.maximum(weight @ loss**2 - expected**2, 0.0) / ess).mean()
        share = np.sqrt(max(0.0, 1 - own / max(expected.var(), 1e-300)))
        expected = loss.mean() + share * (expected - expected.mean())
        return float(np.minimum(expected, stake.no_go).mean())
    draws = _clipped(joint.outcome)
    draws = draws - draws.mean(axis=0)
    first = weight @ draws
    if by == "variance":
        return float((weight @ draws**2 - first**2).mean())
    second = np.einsum("ks,si,sj->kij", weight, draws, draws, optimize=True)
    return float(np.mean([_entropy(c - np.outer(m, m)) for c, m in zip(second, first, strict=True)]))


def _cluster(joint: Joint, j: int, outcomes: Sequence[np.ndarray]) -> np.ndarray:
    """Log density (K, S) of all outcomes (K,) of candidate j's configuration under every draw.

    A joint Student-t with covariance ``fresh^2 I + shared^2 1 1'``, up to a constant.
    """
    n, fresh, df = len(outcomes), np.maximum(joint.fresh[:, j], 1e-12), joint.df
    total = square = 0.0
    for y in outcomes:
        z = (y[:, None] - joint.curve[:, j]) / fresh
        total, square = total + z, square + z * z
    b2 = (joint.shared[:, j] / fresh) ** 2
    quadratic = square - total * total * (b2 / (1 + n * b2))
    constant = gammaln((df + n) / 2) - gammaln(df / 2) - n / 2 * np.log(df)
    constant = constant - n * np.log(fresh) - 0.5 * np.log1p(n * b2)
    return constant - (df + n) / 2 * np.log1p(quadratic / df)


def _weighted_band(draws: np.ndarray, weight: np.ndarray) -> float:
    """Mean over futures of the width of the central 90 % of draws (S,) with weights (K, S)."""
    order = np.argsort(draws)
    ordered, share = draws[order], weight[:, order]
    ends = (share[:, :1] + share[:, -1:]) / 2
    reached = (np.cumsum(share, axis=1) - (share + share[:, :1]) / 2) / (1 - ends)
    low, high = (_crossed(ordered, reached, q) for q in (LOW, HIGH))
    return float((high - low).mean())


def _crossed(ordered: np.ndarray, reached: np.ndarray, level: float) -> np.ndarray:
    """Where each row (K, S) of a distribution function reaches a level, between the ordered draws (S,)."""
    k = np.clip((reached < level).sum(axis=1), 1, len(ordered) - 1)
    before, after = (np.take_along_axis(reached, i[:, None], 1)[:, 0] for i in (k - 1, k))
    part = np.clip((level - before) / np.maximum(after - before, 1e-300), 0.0, 1.0)
    return ordered[k - 1] + part * (ordered[k] - ordered[k - 1])


def _pareto_k(after: Futures) -> float:
    """Median over some futures of the Pareto shape of the largest weights."""
    some = np.linspace(0, len(after.truth) - 1, min(K_OUTCOMES, len(after.truth))).astype(int)
    return float(np.median([pareto_shape(row[np.isfinite(row)]) for row in after.log_weight[some]]))


def pareto_shape(log_weight: np.ndarray) -> float:
    """Shape k of the generalised Pareto distribution of the largest weights, from their logs (S,).

    The estimate of Zhang and Stephens (2009) with the weak prior, and the length of the tail, of Vehtari et
    al. (2024, arXiv:1507.02646).
    """
    s = len(log_weight)
    count = int(np.ceil(min(0.2 * s, 3 * np.sqrt(s))))
    if count < 5:
        return float("inf")
    largest = np.sort(log_weight)[-count - 1 :]
    scaled = np.exp(largest - largest[-1])
    x = scaled[1:] - scaled[0]
    if not x[int(count / 4 + 0.5) - 1] > 0:  # no tail at all, or one of a few draws
        return float("inf") if x[-1] > 0 else float("-inf")
    m = 30 + int(np.sqrt(count))
    b = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * x[int(count / 4 + 0.5) - 1]) + 1 / x[-1]
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    fit = count * (np.log(-b / k) - k - 1)
    share = np.exp(fit - fit.max())
    k_mean = np.log1p(-(b @ share) / share.sum() * x).mean()
    return float((count * k_mean + 10 * 0.5) / (count + 10))


def _clipped(draws: np.ndarray) -> np.ndarray:
    return np.clip(draws, *np.quantile(draws, (EDGE, 1 - EDGE), axis=0))


def _entropy(covariance: np.ndarray) -> float:
    """Of a normal, in nats."""
    return 0.5 * (len(covariance) * np.log(2 * np.pi * np.e).item() + float(np.linalg.slogdet(covariance)[1]))


def _typical(values: np.ndarray) -> np.ndarray:
    return np.exp(np.log(np.maximum(values, 1e-24)).mean(axis=0))
