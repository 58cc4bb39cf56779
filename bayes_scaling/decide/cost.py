"""What a run costs, and which runs can be made at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np

from bayes_scaling.decide._draws import DecisionError, finite, positive
from bayes_scaling.law import Law
from bayes_scaling.laws.pretraining.data_constrained import worth

#: Tokens per parameter between which sizes are searched; inference shifts the lower end further.
RATIOS = (1e-2, 1e6)
#: Without tokens to serve, how far below the largest size the search goes at least.
LEAST_SPAN = 1e3
MOST_TOKENS = 1e25
#: Sizes that differ by less than this part are one.
SAME = 1e-6


@dataclass(frozen=True)
class Cost:
    """What a run of N parameters on D tokens costs: ``training(N, D) + inference_flop N inference_tokens``.

    Parameters
    ----------
    flop : float or callable
        Training FLOP per parameter and token (Kaplan et al. 2020), or a rule ``flop(params, tokens)`` on
        arrays that increases in tokens: for attention, experts or embeddings.
    inference_tokens : float
        Tokens served over the model's lifetime (Sardana et al. 2024, arXiv:2401.00448); the budget pays for
        them too.
    inference_flop : float
        FLOP per parameter and served token. Where serving uses the hardware less well than training, or is
        priced differently, multiply it by that factor.
    price_per_flop : float, optional
        Price of one FLOP. With it, budgets are in that currency and no longer in FLOP.
    memory_limit_params : float
        Largest model that fits.
    sizes : tuple of float
        The only sizes that can be trained; empty for all.
    unique_tokens : float, optional
        Different tokens that there are. Beyond them data repeat, and count as the law's own input ``unique``
        says where it has one, else as ``U + U R (1 - exp(-(D/U - 1) / R))`` tokens (Muennighoff et al. 2023,
        arXiv:2305.16264).
    repeat_decay : float
        R of that formula, in epochs.

    Raises
    ------
    DecisionError
        If a number is out of its range, or no size fits.
    """

    flop: float | Callable[[np.ndarray, np.ndarray], np.ndarray] = 6.0
    inference_tokens: float = 0.0
    inference_flop: float = 2.0
    price_per_flop: float | None = None
    memory_limit_params: float = math.inf
    sizes: tuple[float, ...] = ()
    unique_tokens: float | None = None
    repeat_decay: float = 15.39

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("inference_flop", "repeat_decay", "price_per_flop")}
        given |= {"unique_tokens": self.unique_tokens} | ({} if callable(self.flop) else {"flop": self.flop})
        for name, value in given.items():
            if value is not None:
                object.__setattr__(self, name, positive(name, value))
        sizes = tuple(positive(f"size {k}", size, "parameters") for k, size in enumerate(self.sizes, 1))
        object.__setattr__(self, "sizes", sizes)
        if not (0 <= self.inference_tokens < math.inf):
            raise DecisionError(f"inference_tokens is {self.inference_tokens:g}, expected 0 or more")
        if not self.memory_limit_params > 0:
            raise DecisionError(
                f"memory_limit_params is {self.memory_limit_params:g}, expected a positive number"
            )
        if self.sizes and min(self.sizes) > self.memory_limit_params:
            raise DecisionError(
                f"the smallest size, {min(self.sizes):g} parameters, is above the memory limit of "
                f"{self.memory_limit_params:g}; no size fits"
            )

    @property
    def unit(self) -> str:
        """Unit of a budget."""
        return "FLOP" if self.price_per_flop is None else "price"

    def training(self, params: Any, tokens: Any) -> np.ndarray:
        """FLOP of training."""
        params, tokens = np.asarray(params, float), np.asarray(tokens, float)
        return np.asarray(self.flop(params, tokens) if callable(self.flop) else self.flop * params * tokens)

    def spent(self, params: Any, tokens: Any) -> np.ndarray:
        """What training and serving cost, in the unit of a budget."""
        serving = self.inference_flop * np.asarray(params, float) * self.inference_tokens
        return (self.training(params, tokens) + serving) * (self.price_per_flop or 1.0)

    def tokens(self, params: Any, budget: float) -> np.ndarray:
        """Tokens that a budget leaves for training models of these sizes; NaN where it leaves none."""
        params = np.asarray(params, float)
        left = budget / (self.price_per_flop or 1.0) - self.inference_flop * params * self.inference_tokens
        if not callable(self.flop):
            return np.where(left > 0, left / (self.flop * params), np.nan)
        low, high = np.zeros_like(params), np.full_like(params, math.log(MOST_TOKENS))
        for _ in range(80):  # bisection in log tokens
            middle = (low + high) / 2
            dear = self.training(params, np.exp(middle)) > left
            low, high = np.where(dear, low, middle), np.where(dear, middle, high)
        return np.where(self.training(params, np.ones_like(params)) <= left, np.exp(low), np.nan)

    def effective(self, tokens: Any) -> np.ndarray:
        """Tokens that count, given how many are different."""
        tokens = np.asarray(tokens, float)
        if self.unique_tokens is None:
            return tokens
        with jax.enable_x64(True):
            return np.asarray(worth(tokens, float(self.unique_tokens), self.repeat_decay))

    def counted(self, law: Law, plans: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Plans as a law takes them: limited data enter by its own input ``unique``, or as tokens that count.

        Every forecast of a decision goes through here, so that a plan and its rivals are judged alike.
        """
        given, names = [dict(one) for one in plans], {i.name for i in law.inputs}
        if self.unique_tokens is None:
            return given
        if "unique" in names:
            return [{"unique": self.unique_tokens, **one} for one in given]
        if "tokens" not in names:
            return given
        tokens = self.effective([one["tokens"] for one in given])
        return [{**one, "tokens": float(d)} for one, d in zip(given, tokens, strict=True)]

    def check_size(self, params: float, what: str) -> None:
        """Refuse a run that cannot be trained.

        Raises
        ------
        DecisionError
            If its size is above the memory limit, or none of the fixed sizes.
        """
        most = self.memory_limit_params
        if params > most * (1 + SAME):
            raise DecisionError(f"{what} has {params:g} parameters, more than the memory limit of {most:g}")
        if self.sizes and all(abs(params / size - 1) > SAME for size in self.sizes):
            known = ", ".join(f"{size:g}" for size in self.sizes)
            raise DecisionError(
                f"{what} has {params:g} parameters, which is none of the sizes that can be trained: {known}"
            )

    def candidates(self, budget: float, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
        """Sizes that a budget can train, increasing, and their tokens, shape (m,) each.

        The fixed sizes, or up to `points` of them evenly spaced in their logarithm.

        Raises
        ------
        DecisionError
            If the budget trains none of them, or no model of one parameter.
        """
        flop = budget / (self.price_per_flop or 1.0)
        if self.sizes:
            params = np.unique([size for size in self.sizes if size <= self.memory_limit_params])
        else:
            top = min(math.sqrt(flop / (6 * RATIOS[0])), self.memory_limit_params)
            if self.inference_tokens:
                top = min(top, 0.999 * flop / (self.inference_flop * self.inference_tokens))
            if top < 1:
                cause = "no model can be trained"
                if self.inference_tokens:
                    cause = f"serving {self.inference_tokens:g} tokens leaves no budget for a model"
                raise DecisionError(f"{cause}: {budget:g} {self.unit} do not pay for one parameter")
            low = max(1.0, min(math.sqrt(flop / (6 * RATIOS[1])), top / LEAST_SPAN))
            params = np.geomspace(low, top, points)
        tokens = self.tokens(params, budget)
        good = np.nan_to_num(tokens) >= 1
        if not good.any():
            serving = " after serving" if self.inference_tokens else ""
            raise DecisionError(
                f"a budget of {budget:g} {self.unit} leaves no tokens{serving} for any size: the smallest, "
                f"{params[0]:g} parameters, costs {float(self.spent(params[0], 1.0)):g} to train on one"
            )
        return params[good], tokens[good]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        found = asdict(self) | {"memory_limit_params": finite(self.memory_limit_params), "unit": self.unit}
        return found | {"sizes": list(self.sizes), "flop": "own rule" if callable(self.flop) else self.flop}
