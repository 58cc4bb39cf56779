"""Structural discrepancy: its kernels, their low-rank basis, and what a borrowed scale refers to."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

import bayes_scaling as bs
from bayes_scaling.borrowed.model import structure_of
from bayes_scaling.layout import prepare, responding
from bayes_scaling.structure import Kind, features, kernel, landmarks, residual_factor
from tests._simulate import chinchilla_table, power_table

KINDS = get_args(Kind)


def points(seed: int, count: int = 12) -> np.ndarray:
    """Places (count, 2) around the centre, in e-folds."""
    return np.random.default_rng(seed).normal(0, 2, (count, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_is_a_covariance_with_unit_steps(kind) -> None:
    path, x = bs.Structure(kind=kind, level=0.0), points(0)
    covariance = kernel(x, x, path)
    assert covariance == pytest.approx(covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9 * np.trace(covariance)
    # one e-fold from the centre along one input it has moved by one standard deviation
    ends = np.array([[0.0, 0.0], [1.0, 0.0]])
    at = kernel(ends, ends, path)
    assert at[0, 0] + at[1, 1] - 2 * at[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_points_are_stacked_covariances(kind) -> None:
    path, a, b = bs.Structure(kind=kind), points(1), points(2, 5)
    stacked = kernel(np.stack([a, 2 * a]), np.stack([b, b]), path)
    assert stacked[0] == pytest.approx(kernel(a, b, path))
    assert stacked[1] == pytest.approx(kernel(2 * a, b, path))


@pytest.mark.parametrize("kind", KINDS)
def test_basis_and_remainder_make_up_the_kernel(kind) -> None:
    structure, x, new = bs.Structure(kind=kind), points(3, 40), points(4)
    marks = landmarks(structure, x)
    centred = new - marks.centre
    phi, left_out = features(marks, centred)
    root = residual_factor(marks, centred, phi)
    total = kernel(centred, centred, structure)
    assert phi @ phi.T + root @ root.T == pytest.approx(total, abs=1e-6 * np.trace(total))
    assert left_out == pytest.approx((root**2).sum(axis=1), abs=1e-6 * np.trace(total))


def test_increments_of_a_fractional_path_depend_on_the_distance_only() -> None:
    path, x = bs.Structure(kind="fractional", hurst=0.6, level=0.0), points(5)
    covariance = kernel(x, x, path)
    steps = np.diag(covariance)[:, None] + np.diag(covariance)[None] - 2 * covariance
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    assert steps == pytest.approx(apart**1.2, abs=1e-12)


def test_the_kind_follows_from_the_number_of_inputs() -> None:
    two, one = bs.read_runs(chinchilla_table()), bs.read_runs(power_table())
    for law, runs, kind in (("chinchilla", two, "stationary"), ("power_law", one, "fractional")):
        prepared = prepare(bs.law(law), runs, structure=bs.Structure())
        assert prepared.structure is not None
        assert prepared.marks is not None
        assert prepared.structure.kind == prepared.marks.path.kind == kind
        asked = prepare(bs.law(law), runs, structure=bs.Structure(kind="integrated"))
        assert asked.marks is not None
        assert asked.marks.path.kind == "integrated"


def test_a_stationary_path_goes_back_to_the_law() -> None:
    """Two plans far apart have nothing in common but the level, and each is as uncertain as the other."""
    path = bs.Structure(kind="stationary", length=2.0, level=0.0)
    covariance = kernel(np.array([[0.0, 0.0], [4.0, 0.0], [20.0, 0.0]]), np.array([[0.0, 0.0]]), path)[:, 0]
    assert covariance[1] / covariance[0] == pytest.approx(np.exp(-2.0))
    assert covariance[2] == pytest.approx(0.0, abs=1e-20)


def test_a_drift_of_the_exponents_is_linear() -> None:
    marks = landmarks(bs.Structure(kind="exponents"), points(6, 30))
    line = np.linspace(0, 5, 6)[:, None] * np.array([[1.0, -0.5]])
    phi, left_out = features(marks, line)
    assert np.diff(phi, n=2, axis=0) == pytest.approx(0, abs=1e-9)
    assert left_out == pytest.approx(0, abs=1e-9)


def test_the_scale_of_one_kind_says_nothing_of_another() -> None:
    runs = bs.read_runs(chinchilla_table())
    about = {
        kind: structure_of(prepare(bs.law("chinchilla"), runs, structure=bs.Structure(kind=kind)))
        for kind in KINDS
    }
    assert about["fractional"] == {"hurst": 0.75, "level": 1.0}
    assert about["stationary"] == {"length": bs.Structure().length, "level": 1.0}
    assert len({frozenset(found.items()) for found in about.values()}) == len(KINDS)


def test_a_posterior_keeps_its_kind(tmp_path) -> None:
    fitted = bs.fit(
        "power_law",
        bs.read_runs(power_table()),
        structure=bs.Structure(kind="integrated"),
        settings=bs.Settings(chains=2, warmup=100, draws=100, most_draws=100),
    )
    again = bs.load(bs.save(fitted, tmp_path / "integrated.nc"))
    assert again.prepared.marks is not None
    assert again.prepared.marks.path.kind == "integrated"
    before, after = (
        bs.forecast(posterior, {"x": 1e6}, allow_failed=True, seed=3) for posterior in (fitted, again)
    )
    assert after.draws == pytest.approx(before.draws)


def test_simulated_responses_keep_the_model_and_move_the_coordinates() -> None:
    """With its own responses a table is itself; with halved ones only what a discrepancy moves is less."""
    prepared = prepare(bs.law("chinchilla"), bs.read_runs(chinchilla_table()), structure=bs.Structure(rank=4))
    data = prepared.data
    for name, own, again in zip(data._fields, data, responding(prepared, data.response), strict=True):
        if name != "inputs":
            np.testing.assert_allclose(again, own, err_msg=name)
    half = responding(prepared, data.response - np.log(2.0))
    np.testing.assert_array_equal(half.base, data.base)
    np.testing.assert_array_equal(half.response[data.valid == 0], data.response[data.valid == 0])
    n = int(data.valid.sum())
    moved = 0.5 * np.exp(data.response[:n]) - np.exp(data.base)  # nearer to what no discrepancy moves
    assert (np.exp(half.target[:n]) < np.exp(data.target[:n])).all()
    inside = moved > 1e-2 * np.exp(data.base)
    np.testing.assert_allclose(np.exp(half.target[:n])[inside], moved[inside], rtol=1e-6)
