"""What every law of the zoo promises: the same tests over every file and variant."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import get_args

import _laws
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_scaling._declared import CENTRES, LINKS
from bayes_scaling.law import (
    POOL_SCALE,
    Z90,
    Centre,
    Input,
    Law,
    LawError,
    Link,
    Noise,
    Parameter,
    Pool,
    Published,
    Reference,
    Response,
    events,
    loss,
    mean,
    positive,
    successes,
    unlink,
    with_priors,
)
from bayes_scaling.laws import folder, law, laws
from bayes_scaling.laws._terms import logit_of_log
from bayes_scaling.supports import SUPPORT_RANGE, Support

CASES = _laws.cases()
DRAWS = 1000

every_law = pytest.mark.parametrize(("name", "variant"), CASES, ids=[f"{n}-{v}" for n, v in CASES])


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def number(text: str) -> int:
    """A seed that belongs to a law and never changes."""
    return sum(ord(c) * 31**i for i, c in enumerate(text)) % 2**32


@every_law
def test_the_file_is_named_like_its_law_and_says_what_it_is(name, variant):
    one = law(name, variant)
    assert one.name == name == _laws.module(name).__name__.rsplit(".", 1)[-1]
    assert _laws.module(name).__doc__
    assert all((one.title, one.equation, one.reference.title, one.reference.authors))
    assert 1900 < one.reference.year < 2100
    assert all(symbol.meaning for symbol in (*one.inputs, *one.parameters))
    assert one.golden or one.limits, "a law needs a number or a limit by which it can be checked"


@every_law
def test_golden_numbers(name, variant):
    one = law(name, variant)
    for golden in one.golden:
        values = golden.values
        if isinstance(values, str):
            assert one.published[values].tag != "recalled", "recalled coefficients prove nothing"
            values = one.published[values].values
        found = float(mean(one, golden.inputs, values))
        assert found == pytest.approx(golden.value, rel=golden.rtol), golden


@every_law
def test_limits(name, variant):
    one, rng = law(name, variant), np.random.default_rng(number(name))
    inputs = _laws.random_inputs(one, rng, 50)
    values = _laws.constrained(one, _laws.random_values(one, rng, 50))
    for limit in one.limits:
        for i in range(50):
            moved = limit.translate(_laws.row(inputs, i), _laws.row(values, i))
            here = _laws.predict(name, variant)(*moved[:2])
            there = _laws.predict(limit.becomes, 1)(*moved[2:])
            assert here == pytest.approx(there, abs=limit.atol), (limit.when, moved)


@every_law
def test_value_and_gradient_are_finite_and_predictions_inside_the_support(name, variant):
    one, rng = law(name, variant), np.random.default_rng(number(name))
    inputs = _laws.random_inputs(one, rng, DRAWS)
    drawn = _laws.random_values(one, rng, DRAWS)

    def predicted(unconstrained, x):
        return one.predictor(*(x[i.name] for i in one.inputs), **_laws.constrained(one, unconstrained))

    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(predicted)))(drawn, inputs)
    for what, found in {"value": value, **gradient}.items():
        bad = np.flatnonzero(~np.isfinite(found))
        assert not len(bad), (what, _laws.row(inputs, bad[0]), _laws.row(drawn, bad[0]))
    response = np.asarray(unlink(one.predicts.link, value))
    ceiling = 1.0 if one.predicts.link in {"logit", "loglog"} else np.inf
    floor = -np.inf if one.predicts.link == "identity" else 0.0
    inside = (response > floor) & (response < ceiling)
    assert inside.mean() >= 0.99, response[~inside][:5]
    if one.floor:
        lowest = np.asarray(_laws.constrained(one, drawn)[one.floor])
        assert (response >= lowest * (1 - 1e-12)).all(), "the declared floor is crossed"


@pytest.mark.parametrize(
    ("name", "variant", "moved"), [(n, v, m) for n, v in CASES for m in law(n, v).monotone], ids=str
)
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_declared_monotonicity(name, variant, moved, data):
    one = law(name, variant)
    part = st.floats(0.0, 1.0)
    inputs = {}
    for i in one.inputs:
        low, high = np.log(_laws.spread(i))
        inputs[i.name] = float(np.exp(low + (high - low) * data.draw(part, label=i.name)))
    values = {}
    for p in one.parameters:
        z = data.draw(st.floats(-3.0, 3.0), label=p.name)
        values[p.name] = float(p.constrain(p.location + p.scale * z))
    larger = inputs | {moved: inputs[moved] * float(np.exp(data.draw(st.floats(0.0, 3.0), label="step")))}
    rise = _laws.predict(name, variant)(larger, values) - _laws.predict(name, variant)(inputs, values)
    sign = 1 if one.monotone[moved] == "increasing" else -1
    if one.predicts.link == "loglog":  # the one link that falls
        sign = -sign
    assert sign * rise >= -1e-12


@every_law
def test_prior_round_trip(name, variant):
    for p in law(name, variant).parameters:
        low, high = p.interval
        assert float(p.constrain(p.unconstrain(low))) == pytest.approx(low, rel=1e-12, abs=1e-14)
        assert float(p.constrain(p.location - Z90 * p.scale)) == pytest.approx(low, rel=1e-10, abs=1e-14)
        assert float(p.constrain(p.location + Z90 * p.scale)) == pytest.approx(high, rel=1e-10, abs=1e-14)


@every_law
def test_published_values_lie_inside_the_support(name, variant):
    one = law(name, variant)
    for key, published in one.published.items():
        assert published.source, key
        assert published.values, key
        for name, value in published.values.items():
            p = one.parameter(name)
            assert float(p.constrain(p.unconstrain(value))) == pytest.approx(value, rel=1e-9), (key, p.name)


@every_law
def test_derived_quantities_name_parameters_and_follow_the_draws(name, variant):
    one, rng = law(name, variant), np.random.default_rng(number(name))
    values = _laws.constrained(one, _laws.random_values(one, rng, 20))
    for derived in one.derived:
        wanted = inspect.signature(derived.function).parameters
        assert set(wanted) <= set(values), derived.name
        found = np.asarray(derived.function(**{key: values[key] for key in wanted}))
        assert found.shape == (20,), derived.name
        # A quantity that a draw does not have (two curves that never cross) may be NaN or infinite.
        assert np.isfinite(found).mean() >= 0.5, (derived.name, found)


def _declared(**changes) -> Law:
    return Law(
        **{
            "name": "toy",
            "title": "toy",
            "equation": "y = A x^-alpha",
            "predictor": lambda x, *, A, alpha: jnp.log(A) - alpha * jnp.log(x),
            "predicts": loss(),
            "inputs": law("power_law").inputs,
            "parameters": (Parameter("A", (0.1, 1.0)), Parameter("alpha", (0.1, 1.0))),
            "reference": Reference("toy", "nobody", 2000),
            **changes,
        }
    )


def test_a_law_with_other_names_than_its_function_says_which():
    with pytest.raises(
        LawError,
        match=r"declared but not in the function \['alpa'\].*not declared \['alpha'\].*mean 'alpha'\?",
    ):
        _declared(parameters=(Parameter("A", (0.1, 1.0)), Parameter("alpa", (0.1, 1.0))))
    with pytest.raises(LawError, match=r"published 'someone' names 'alpa'; did you mean 'alpha'"):
        _declared(published={"someone": Published({"A": 1.0, "alpa": 0.3}, "nowhere")})
    assert _declared(published={"someone": Published({"A": 1.0}, "a part was printed")}).published
    with pytest.raises(LawError, match=r"monotone names 'z'; .*known: x"):
        _declared(monotone={"z": "decreasing"})
    with pytest.raises(LawError, match="floor names 'alphas'; did you mean 'alpha'"):
        _declared(floor="alphas")


@pytest.mark.parametrize(
    ("interval", "support"), [((-1.0, 2.0), "positive"), ((0.5, 1.5), "unit"), ((2.0, 1.0), "real")]
)
def test_a_prior_outside_its_support_is_refused(interval, support):
    with pytest.raises(LawError, match=f"parameter 'p'.*must increase and lie inside the {support} support"):
        Parameter("p", interval, support)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Parameter("p", (1, 2), "posiitve"), "'p': support is 'posiitve'; did you mean 'positive'"),
        (lambda: Parameter("p", (1, 2), pool="tigth"), "'p': pool is 'tigth'; did you mean 'tight'"),
        (lambda: Input("x", "1", "", (1, 2), kind="schedules"), "'x': kind is 'schedules'; did you mean"),
        (lambda: Input("x", "1", "", (1, 2), centre="none "), "'x': centre is 'none '; did you mean 'none'"),
        (lambda: Input("x", "1", "", (2, 1)), r"typical range is \(2, 1\), expected two positive numbers"),
        (lambda: Response("y", "1", "logg"), "'y': link of student noise is 'logg'; did you mean 'log'"),
        (lambda: Response("y", "1", noise="normal"), "'y': noise is 'normal'; .*known: student, beta_bin"),
        (lambda: replace(events(), link="logit"), "link of negative_binomial noise is 'logit'"),
        (lambda: successes(link="log"), "link of beta_binomial noise is 'log'; .*known: logit, loglog"),
        (lambda: successes(trials=""), "beta_binomial noise needs the column of its trials"),
        (lambda: replace(positive(), trials="n"), "trials is 'n', but student noise has no trials"),
        (lambda: replace(positive(), centre="mean"), "centre is 'mean'"),
        (lambda: replace(positive(), reference=0.0), "reference is 0.0, expected a positive number"),
        (lambda: replace(positive(), scatter=(0.1, 0.1)), r"scatter is \(0.1, 0.1\), expected two numbers"),
        (lambda: replace(positive(), seed_share=(0.1, 1.0)), r"increase inside \(0, 1\)"),
        (lambda: replace(positive(), seed_slope=0.5), "seed_slope is 0.5, expected two numbers"),
        (lambda: replace(events(), overdispersion=(-1, 1)), r"overdispersion is \(-1, 1\)"),
    ],
)
def test_a_misspelt_declaration_is_refused(made, message):
    """A word that nobody knows would else be taken for a default."""
    with pytest.raises(LawError, match=message):
        made()


def test_log_odds_of_what_is_certain_are_finite():
    """Far tails of a prior round a probability to one; a slope that is no number would end a chain."""
    with jax.enable_x64(True):
        values, slopes = zip(*map(jax.value_and_grad(logit_of_log), (-1e-3, -1e-20, 0.0)), strict=True)
    np.testing.assert_allclose(values, [np.log(1e3), 20 * np.log(10), 30 * np.log(10)], rtol=1e-3)
    assert np.isfinite(slopes).all()


def test_words_of_a_declaration_are_those_of_its_types():
    assert get_args(Noise) == tuple(LINKS)
    assert set(get_args(Link)) == {link for links in LINKS.values() for link in links}
    assert get_args(Centre) == CENTRES
    assert set(POOL_SCALE) | {"shared", "separate"} == set(get_args(Pool))
    assert set(get_args(Support)) == set(SUPPORT_RANGE)


def test_priors_can_be_replaced_by_name():
    changed = with_priors(law("power_law"), {"alpha": (0.5, 0.7)})
    assert changed.parameter("alpha").interval == (0.5, 0.7)
    assert changed.parameter("A") == law("power_law").parameter("A")
    with pytest.raises(LawError, match="has no parameter 'alpa'; did you mean 'alpha'"):
        with_priors(law("power_law"), {"alpa": (0.5, 0.7)})


def test_an_unknown_law_is_answered_with_the_nearest_name():
    with pytest.raises(LawError, match="there is no law 'chinchila'; did you mean 'chinchilla'"):
        law("chinchila")
    with pytest.raises(LawError, match="there is no law 'chinchila'; did you mean 'chinchilla'"):
        folder("chinchila")
    with pytest.raises(LawError, match=r"'smoothly_broken_power_law' has no variant 4; known: \[1, 2, 3\]"):
        law("smoothly_broken_power_law", 4)


def test_importing_every_law_starts_no_backend():
    program = """
        import importlib
        import bayes_scaling.law
        from bayes_scaling.laws import folder, laws
        for name in laws():
            importlib.import_module(f"bayes_scaling.laws.{folder(name)}.{name}")
        from jax._src import xla_bridge
        assert len(laws()) >= 8, laws()
        assert not xla_bridge._backends, xla_bridge._backends
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_registry_is_the_folder_tree():
    assert len(set(laws())) == len(laws())
    assert {"chinchilla", "power_law", "coverage_exp_power"} <= set(laws())
    assert folder("coverage_exp_power") == "inference"
