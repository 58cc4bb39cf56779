"""What a scaling law is: plain frozen records, with no data and no sampling in them.

A law is a pure function of one run together with a table of what its symbols mean. Everything else
(hierarchy, priors, forecasts, pictures, documentation, contract tests) follows from that declaration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal, get_args

import jax.numpy as jnp

from bayes_scaling._declared import Centre as Centre
from bayes_scaling._declared import Kind, check_input, check_response, one_of, same_names
from bayes_scaling._declared import LawError as LawError
from bayes_scaling._declared import Link as Link
from bayes_scaling._declared import Noise as Noise
from bayes_scaling._declared import Pool as Pool
from bayes_scaling._declared import nearest as nearest
from bayes_scaling.supports import FROM_SUPPORT, SUPPORT_RANGE, TO_SUPPORT, Support

Values = Mapping[str, float]

#: Two-sided 90 % point of the unit normal: a prior interval spans ``2 * Z90`` standard deviations.
Z90 = NormalDist().inv_cdf(0.95)

#: Prior median of the spread between families: a share of the prior's own scale, or of one e-fold if less.
POOL_SCALE: Mapping[Pool, float] = MappingProxyType({"rigid": 0.01, "tight": 0.05, "partial": 0.15})


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a law, measured on every run.

    Parameters
    ----------
    name : str
        Column of the table of runs, and positional argument of the law's function.
    unit : str
        Unit in which the column is given, for example ``"token"``.
    meaning : str
        One short phrase.
    typical : tuple of float
        Range over which the law has been used; test inputs and warnings come from it.
    kind : {"positive", "schedule"}
        One positive number per run, or one array of values per optimiser step.
    centre : {"none", "data"}
        ``"data"`` hands the law ``x / x0`` with ``x0`` the geometric mean over the fitted runs, for laws
        of an arbitrary quantity that have no natural reference of their own.

    Raises
    ------
    LawError
        If a word is unknown or the range does not increase.
    """

    name: str
    unit: str
    meaning: str
    typical: tuple[float, float]
    kind: Kind = "positive"
    centre: Centre = "none"

    def __post_init__(self) -> None:
        check_input(self)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One unknown constant of a law, with a prior that people can read.

    Parameters
    ----------
    name : str
        Keyword argument of the law's function.
    interval : tuple of float
        Central 90 % prior interval in the parameter's own units. The prior is normal on the
        unconstrained scale of ``support`` (log, identity, inverse hyperbolic sine or logit).
    support : {"positive", "real", "heavy", "unit"}
        Values that the parameter may take; "heavy" is any real number with the tails of a Student-t.
    pool : {"shared", "rigid", "tight", "partial", "separate"}
        How families share it: one value for all; to 1, 5 or 15 % of the prior's scale; not at all.
    unit, meaning : str
        For tables and documentation.

    Raises
    ------
    LawError
        If a word is unknown, or the interval is not increasing or leaves the support.
    """

    name: str
    interval: tuple[float, float]
    support: Support = "positive"
    pool: Pool = "partial"
    unit: str = "1"
    meaning: str = ""

    def __post_init__(self) -> None:
        where = f"parameter {self.name!r}"
        one_of(f"{where}: support", self.support, get_args(Support))
        one_of(f"{where}: pool", self.pool, get_args(Pool))
        low, high = self.interval
        floor, ceiling = SUPPORT_RANGE[self.support]
        if not floor < low < high < ceiling:
            raise LawError(
                f"{where}: the 90 % prior interval {self.interval} must increase and lie "
                f"inside the {self.support} support ({floor:g}, {ceiling:g})"
            )

    @property
    def location(self) -> float:
        """Prior mean on the unconstrained scale."""
        return (self.unconstrain(self.interval[0]) + self.unconstrain(self.interval[1])) / 2

    @property
    def scale(self) -> float:
        """Prior standard deviation on the unconstrained scale."""
        return (self.unconstrain(self.interval[1]) - self.unconstrain(self.interval[0])) / (2 * Z90)

    def unconstrain(self, value: float) -> float:
        """Map a value inside the support to the real line."""
        return FROM_SUPPORT[self.support](value)

    def constrain(self, value: Any) -> Any:
        """Map a number or array on the real line into the support."""
        return TO_SUPPORT[self.support](value)


@dataclass(frozen=True, slots=True)
class Response:
    """What a law predicts, and how a measured value scatters around it.

    The law's function returns ``g(mean)`` with the link ``g``: ``log`` for positive quantities, ``identity``
    for real ones, ``logit`` for proportions, and ``loglog``, ``g(p) = log(-log p)``, for success rates.

    Parameters
    ----------
    name, unit : str
        Column of the table of runs, and its unit.
    link : {"log", "identity", "logit", "loglog"}
    noise : {"student", "beta_binomial", "negative_binomial"}
        Student-t on the link scale, counts of successes out of ``trials``, or counts of events.
    trials : str
        Column with the number of trials, for ``"beta_binomial"``.
    centre : {"none", "data"}
        ``"data"``: the law predicts relative to the data, ``g(y) = shift + stretch * law``, where shift is
        the mean of ``g(y)`` over the fitted runs and stretch its standard deviation (1 for the log link).
    reference : float
        Value of the mean at which the seed scale is stated (in the unit; 3 nats for losses).
    scatter : tuple of float
        90 % prior interval of the standard deviation of one run on the link scale at ``reference``.
    seed_share : tuple of float
        90 % prior interval of the seed's part of its square; the rest is the misfit of the configuration.
    seed_slope : tuple of float
        90 % prior interval of the seed's exponent: ``log sd = const + slope * (g(mean) - g(reference))``, the
        distance in units of the stretch.
    overdispersion : tuple of float, optional
        90 % prior interval of what makes counts vary more than luck does, the inverse concentration of the
        beta-binomial or that of the negative binomial. None: as for all counts of that kind.

    Raises
    ------
    LawError
        If a word is unknown, link and noise do not go together, or an interval is none.
    """

    name: str
    unit: str
    link: Link = "log"
    noise: Noise = "student"
    trials: str = ""
    centre: Centre = "none"
    reference: float = 1.0
    scatter: tuple[float, float] = (1.5e-3, 5e-2)
    seed_share: tuple[float, float] = (0.02, 0.8)
    seed_slope: tuple[float, float] = (-0.5, 0.5)
    overdispersion: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_response(self)


def loss(unit: str = "nat/token", name: str = "loss") -> Response:
    """Cross-entropy, log link; noise priors of laws/3, section 11c, for language-model losses."""
    return Response(
        name, unit, "log", reference=3.0, scatter=(1e-3, 2e-2), seed_share=(0.01, 0.7), seed_slope=(1.2, 3.8)
    )


def positive(name: str = "y", unit: str = "1", centre: Centre = "data") -> Response:
    """Any positive quantity (error rate, normalised loss, optimum, ...), log link."""
    return Response(name, unit, "log", centre=centre)


def real(name: str = "y", unit: str = "1", centre: Centre = "data") -> Response:
    """Any real quantity, identity link."""
    return Response(name, unit, "identity", centre=centre, scatter=(1e-2, 0.5))


def successes(name: str = "n_correct", trials: str = "n_samples", link: Link = "loglog") -> Response:
    """Number of successes out of a known number of trials, beta-binomial."""
    return Response(name, "count", link, noise="beta_binomial", trials=trials)


def events(name: str = "n_events", unit: str = "count") -> Response:
    """Number of events with an expected number that the law gives, negative binomial, log link."""
    return Response(name, unit, "log", noise="negative_binomial")


@dataclass(frozen=True, slots=True)
class Golden:
    """A published or recomputed number that the law must reproduce: ``mean(inputs; values)``."""

    inputs: Mapping[str, Any]
    value: float
    values: str | Values
    tag: Literal["paper", "paper*", "abstract", "computed"] = "computed"
    rtol: float = 1e-4


@dataclass(frozen=True, slots=True)
class Limit:
    """A law that this one becomes, as a testable statement.

    ``translate(inputs, values)`` takes a draw of this law and returns ``(inputs, values)`` of this law in the
    limit and ``(inputs, values)`` of the other law; their link-scale predictions agree within ``atol``.
    """

    when: str
    becomes: str
    translate: Callable[[dict[str, Any], dict[str, float]], tuple[dict, dict, dict, dict]]
    atol: float = 1e-6


@dataclass(frozen=True, slots=True)
class Derived:
    """A named function of one draw, reported with its own credible interval.

    ``function`` takes the law's parameters by keyword (those that it names) and must be vectorisable.
    """

    name: str
    function: Callable[..., Any]
    unit: str = "1"
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """Published coefficients, in this law's own coordinates: all parameters, or those that were printed."""

    values: Values
    source: str
    tag: Literal["paper", "paper*", "abstract", "computed", "recalled"] = "paper"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a law comes from."""

    title: str
    authors: str
    year: int
    arxiv: str = ""


@dataclass(frozen=True, slots=True)
class Law:
    """A scaling law: a function of one run and the meaning of its symbols.

    Parameters
    ----------
    name : str
        Same as the file name.
    title : str
        One line.
    equation : str
        The law as printed, in plain text.
    predictor : callable
        ``predictor(*inputs, **parameters) -> g(mean)`` for one run, differentiable by JAX.
    predicts : Response
    inputs : tuple of Input
    parameters : tuple of Parameter
    floor : str
        Name of the parameter that is the irreducible part of a log-link response; empty if there is none.
    monotone : mapping
        Input name -> ``"decreasing"`` or ``"increasing"``, over the whole prior.
    published, golden, limits, derived, reference
        See the records of those names.
    checked_on : tuple of str
        Public studies to which the law was fitted, as the page on the zoo shows.
    notes : str
        Corrections to the printed form, conventions, known defects.
    variant : int
        Which of the laws of that name, from 1: for those that come in several sizes.

    Raises
    ------
    LawError
        If names do not match the function's signature, or a declared name is unknown.
    """

    name: str
    title: str
    equation: str
    predictor: Callable[..., Any]
    predicts: Response
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...]
    reference: Reference
    floor: str = ""
    monotone: Mapping[str, Literal["decreasing", "increasing"]] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)
    golden: tuple[Golden, ...] = ()
    limits: tuple[Limit, ...] = ()
    derived: tuple[Derived, ...] = ()
    notes: str = ""
    checked_on: tuple[str, ...] = ()
    variant: int = 1

    @property
    def label(self) -> str:
        """``name``, or ``name:variant`` beyond the first: what `bayes_scaling.law` finds it by."""
        return self.name if self.variant == 1 else f"{self.name}:{self.variant}"

    def __post_init__(self) -> None:
        arguments = inspect.signature(self.predictor).parameters.values()
        positional = [a.name for a in arguments if a.kind is not inspect.Parameter.KEYWORD_ONLY]
        keywords = [a.name for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY]
        where = f"law {self.name!r}"
        same_names(f"{where}: inputs", [i.name for i in self.inputs], positional)
        same_names(f"{where}: parameters", [p.name for p in self.parameters], keywords)
        for label, names, known in (
            ("floor", [self.floor] if self.floor else [], keywords),
            ("monotone", list(self.monotone), positional),
            *((f"published {key!r}", list(one.values), keywords) for key, one in self.published.items()),
        ):
            for name in names:
                if name not in known:
                    raise LawError(f"{where}: {label} names {name!r}; {nearest(name, known)}")

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise LawError(
            f"law {self.name!r} has no parameter {name!r}; {nearest(name, [p.name for p in self.parameters])}"
        )


def mean(law: Law, inputs: Mapping[str, Any], values: Values) -> Any:
    """Expected response of one run, in the response's unit, with data-centred constants at one.

    Parameters
    ----------
    law : Law
    inputs : mapping of str to float or array
    values : mapping of str to float
        The law's parameters.
    """
    return unlink(law.predicts.link, law.predictor(*(inputs[i.name] for i in law.inputs), **values))


def unlink(name: Link, value: Any) -> Any:
    """Inverse link: from the scale on which laws add up to the response's own."""
    if name == "log":
        return jnp.exp(value)
    if name == "logit":
        return 1 / (1 + jnp.exp(-value))
    if name == "loglog":
        return jnp.exp(-jnp.exp(value))
    return value


def with_priors(law: Law, intervals: Mapping[str, tuple[float, float]]) -> Law:
    """The same law with other 90 % prior intervals for the named parameters.

    Raises
    ------
    LawError
        If a name is unknown or an interval does not fit the parameter's support.
    """
    for name in intervals:
        law.parameter(name)
    changed = tuple(
        replace(p, interval=tuple(map(float, intervals[p.name]))) if p.name in intervals else p
        for p in law.parameters
    )
    return replace(law, parameters=changed)
