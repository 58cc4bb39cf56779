"""Posteriors in files: nothing is lost on the way, and nothing that is not one gets in."""

from __future__ import annotations

import errno
import functools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_scaling as bs
from bayes_scaling._fingerprint import hash_of, unlike
from bayes_scaling.law import mean
from bayes_scaling.posterior import Posterior
from bayes_scaling.runs import assemble
from bayes_scaling.storage import StorageError, _release, _variant, load, save
from tests._simulate import chinchilla_fit

LAW = bs.law("chinchilla")
HERE = metadata.version("bayes_scaling")
PLANS = [{"params": "70B", "tokens": "1.4T"}, {"params": "1B", "tokens": "20B"}]


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """A small fit with all that a file must carry: mapped columns, priors, discrepancy, schedules, text."""
    rng = np.random.default_rng(0)
    params = 10 ** rng.uniform(7, 9.5, 20)
    tokens = 20 * params * np.exp(rng.normal(size=20))
    truth = next(iter(LAW.published.values())).values
    frame = pd.DataFrame(
        {
            "params": params,
            "seen": tokens,
            "heldout": mean(LAW, {"params": params, "tokens": tokens}, truth)
            * np.exp(3e-3 * rng.normal(size=20)),
            "accuracy": np.where(params > 1e9, 0.5, np.nan),
            "note": ["a", None, "", " ü "] * 5,
            "size/label %": ["7M", "1B"] * 10,
            "missing_4": 0.1 + np.arange(20),
            "flag": [True, False] * 10,
            "schedule": ["cosine", "flat"] * 10,
        }
    )
    return bs.fit(
        LAW,
        bs.read_runs(frame, schedules={"flat": [1e-3] * 5, "cosine": np.linspace(3e-4, 3e-5, 7)}),
        inputs={"tokens": "seen"},
        response="heldout",
        priors={"alpha": (0.2, 0.5)},
        structure=bs.Structure(rank=4),
        settings=bs.Settings(chains=2, warmup=200, draws=100, seed=3),
    )


@pytest.fixture(scope="module")
def saved(posterior, tmp_path_factory) -> Path:
    return save(posterior, tmp_path_factory.mktemp("storage") / "posterior.nc")


def draws(posterior: Posterior, target: str = "new_run", family: str = "all") -> np.ndarray:
    return bs.forecast(posterior, PLANS, family=family, target=target, seed=5, allow_failed=True).draws


def refused(path: Path, law: bs.Law | None = None) -> str:
    """The one line with which a file is refused, which names the file."""
    with pytest.raises(StorageError) as caught:
        load(path, law=law)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# --- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["all", "new"])
@pytest.mark.parametrize("target", ["mean", "new_run", "measurement"])
def test_a_loaded_posterior_forecasts_draw_for_draw(posterior, saved, target, family):
    np.testing.assert_array_equal(draws(load(saved), target, family), draws(posterior, target, family))


def test_nothing_is_lost(posterior, saved):
    loaded = load(saved)
    for name in ("law", "diagnostics", "identifiability", "settings"):
        assert getattr(loaded, name) == getattr(posterior, name)
    assert loaded.law.parameter("alpha").interval == (0.2, 0.5)
    pd.testing.assert_frame_equal(loaded.runs.table, posterior.runs.table)
    for name in ("units", "families", "hash", "warnings", "source"):
        assert getattr(loaded.runs, name) == getattr(posterior.runs, name)
    assert list(loaded.runs.schedules) == list(posterior.runs.schedules)
    jax.tree.map(np.testing.assert_array_equal, loaded.runs.schedules, posterior.runs.schedules)
    jax.tree.map(np.testing.assert_array_equal, loaded.prepared.data, posterior.prepared.data)
    for name in ("shape", "structure", "centres", "columns", "response"):
        assert getattr(loaded.prepared, name) == getattr(posterior.prepared, name)
    assert list(loaded.tree.children) == list(posterior.tree.children)
    for name, group in posterior.tree.children.items():
        xr.testing.assert_identical(loaded.tree[name].to_dataset(), group.to_dataset())
    pd.testing.assert_frame_equal(loaded.summary(), posterior.summary())


def test_runs_with_seeds_come_back_as_they_were(tmp_path):
    """Where seeds repeat a point, its arrays are shorter than those of the runs."""
    prepared = chinchilla_fit().prepared
    assert len(prepared.data.points) < len(prepared.data.point)
    loaded = load(save(chinchilla_fit(), tmp_path / "seeds.nc")).prepared
    assert loaded.shape == prepared.shape
    jax.tree.map(np.testing.assert_array_equal, loaded.data, prepared.data)


def test_saving_changes_nothing_in_memory_and_can_be_repeated(posterior, saved, tmp_path):
    assert "runs" not in posterior.tree
    assert "format" not in posterior.tree.attrs
    again = load(save(load(saved), tmp_path / "again.nc"))
    np.testing.assert_array_equal(draws(again), draws(posterior))


def test_the_landmarks_are_those_of_the_file(posterior, saved, edited):
    """Eigenvectors computed elsewhere may have other signs: those of the file belong to its draws."""

    def flip(tree: xr.DataTree) -> None:
        tree["discrepancy"]["basis"] *= -1
        tree["posterior"]["structure_weights"] *= -1
        tree.attrs["draws_hash"] = hash_of(tree["posterior"].to_dataset())

    other = load(edited(flip))
    np.testing.assert_array_equal(other.prepared.marks.basis, -posterior.prepared.marks.basis)
    np.testing.assert_allclose(draws(other), draws(posterior), rtol=1e-12)


def test_the_file_opens_with_xarray_and_arviz(posterior, saved):
    from arviz_stats import summary

    with xr.open_datatree(saved) as tree:  # arviz.from_netcdf is this function
        tree = tree.load()
    table = summary(tree, var_names=["E"], kind="stats", round_to="none")
    np.testing.assert_allclose(table["mean"], posterior.tree["posterior"]["E"].mean(), rtol=1e-12)
    assert tree["runs"]["params"].attrs == {"long_name": "params", "units": "parameter"}
    assert tree.attrs["law"] == "chinchilla"


def test_a_law_of_ones_own_is_given_again(posterior, tmp_path):
    own = replace(posterior.law, name="mine")
    path = save(replace(posterior, law=own, prepared=replace(posterior.prepared, law=own)), tmp_path / "p.nc")
    assert "was fitted with a law 'mine' that is not in the zoo: give it, load(path, law=...)" in refused(
        path
    )
    loaded = load(path, law=replace(LAW, name="mine"))
    assert loaded.law == own  # with the priors of the fit
    np.testing.assert_array_equal(draws(loaded), draws(posterior))
    assert "was fitted with the law 'mine', not with 'chinchilla'" in refused(path, LAW)
    first, *others = LAW.parameters
    changed = replace(LAW, name="mine", parameters=(replace(first, pool="separate"), *others))
    assert "was fitted with another 'mine' than this version has: its parameters were" in refused(
        path, changed
    )


def test_variants_are_told_apart():
    broken = bs.law("smoothly_broken_power_law", 2)
    assert [_variant(bs.law(broken.name, k)) for k in (1, 2, 3)] == [1, 2, 3]
    assert _variant(replace(broken, title="the same")) == 2
    assert _variant(bs.law("power_law")) == 1
    other = functools.wraps(broken.predictor)(lambda *inputs, **values: 0.0)
    assert _variant(replace(broken, predictor=other)) == 0
    assert _variant(replace(broken, name="mine")) == 0


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.fixture
def edited(saved, tmp_path) -> Callable[[Callable[[xr.DataTree], object]], Path]:
    """A copy of the file, changed by a function of its tree."""

    def edit(change: Callable[[xr.DataTree], object]) -> Path:
        with xr.open_datatree(saved) as tree:
            tree = tree.load()
        change(tree)
        tree.to_netcdf(tmp_path / "edited.nc", engine="h5netcdf")
        return tmp_path / "edited.nc"

    return edit


def test_a_missing_file_is_answered_with_the_nearest_name(saved):
    assert "there is no file" in refused(saved.with_name("posterir.nc"))
    assert f"did you mean {str(saved)!r}?" in refused(saved.with_name("posterir.nc"))
    assert "is a folder" in refused(saved.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a file that bayes_scaling.save wrote"),
        (b"params,tokens,loss\n1,2,3\n", "is not a NetCDF-4 file; expected"),
        (b"CDF\x02" + bytes(40), "is not a NetCDF-4 file but of the older NetCDF-3 format; expected"),
    ],
)
def test_other_files(tmp_path, content, message):
    (tmp_path / "other.nc").write_bytes(content)
    assert message in refused(tmp_path / "other.nc")


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_truncated_file(saved, tmp_path, share):
    content = saved.read_bytes()
    (tmp_path / "cut.nc").write_bytes(content[: int(share * len(content))])
    assert "is truncated: its" in refused(tmp_path / "cut.nc")


def test_a_netcdf_file_of_something_else(posterior, tmp_path):
    posterior.tree.to_netcdf(tmp_path / "arviz.nc", engine="h5netcdf")
    message = refused(tmp_path / "arviz.nc")
    assert "but not a posterior that bayes_scaling.save wrote" in message
    assert "'posterior', 'sample_stats'" in message


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        (
            "format_version",
            3,
            f"saved by a newer bayes_scaling ({HERE}, format 3) than this one ({HERE}, format 2)",
        ),
        (
            "package_version",
            "99.1",
            f"by a newer bayes_scaling (99.1, format 2) than this one ({HERE}, format 2)",
        ),
        ("format_version", 1, "when a structural discrepancy meant something else (format 1): fit its runs"),
        (
            "law",
            "chinchila",
            "a law that this version does not know: there is no law 'chinchila'; did you mean",
        ),
        ("law_variant", 7, "has no variant 7; known: [1]"),
        ("law_record", '{"floor": "F"}', "with another 'chinchilla' than this version has: its floor were F"),
        ("settings", "{", "is damaged: Expecting property name"),
        (
            "response",
            '"loss"',
            "cannot be rebuilt by this version: law 'chinchilla' on DataFrame: there is no",
        ),
    ],
)
def test_attributes_that_do_not_fit(edited, attribute, value, message):
    assert message in refused(edited(lambda tree: tree.attrs.update({attribute: value})))


def test_versions_are_compared_as_numbers():
    assert _release("0.10.2rc1") == (0, 10, 2) > _release("0.9.9")


def test_an_attribute_that_is_lost(edited):
    assert "is damaged: it lacks 'diagnostics'" in refused(edited(lambda tree: tree.attrs.pop("diagnostics")))


def _another_loss(tree: xr.DataTree) -> None:
    tree["runs"]["heldout"][3] *= 1 + 1e-12


def _another_name(tree: xr.DataTree) -> None:
    tree["runs"]["note"][0] = "b"


def _another_rate(tree: xr.DataTree) -> None:
    tree["schedules"]["rate"][-1] = 1.0


def _another_unit(tree: xr.DataTree) -> None:
    units = tree["runs"].attrs["units"]
    tree["runs"].attrs["units"] = units.replace("parameter", "token")


@pytest.mark.parametrize("change", [_another_loss, _another_name, _another_rate, _another_unit])
def test_edited_runs(edited, change):
    assert "has been edited: its runs (hash" in refused(edited(change))


def _another_draw(tree: xr.DataTree) -> None:
    tree["posterior"]["alpha"][1, -1] *= 1 + 1e-12


def _another_term(tree: xr.DataTree) -> None:
    tree["posterior"]["seed_sd"] = tree["posterior"]["seed_sd"] * 0.5


def _a_term_less(tree: xr.DataTree) -> None:
    tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().drop_vars("seed_slope"))


@pytest.mark.parametrize("change", [_another_draw, _another_term, _a_term_less])
def test_edited_draws(edited, change):
    assert "has been edited: its draws (hash" in refused(edited(change))


def test_order_and_groups_beside_the_draws_are_not_part_of_their_hash(posterior, edited):
    def turned(tree: xr.DataTree) -> None:
        draws = tree["posterior"].to_dataset()
        tree["posterior"] = xr.DataTree(draws[list(draws.data_vars)[::-1]])
        del tree["prior_predictive"]

    np.testing.assert_array_equal(draws(load(edited(turned))), draws(posterior))


def test_a_law_whose_formula_has_changed(posterior, saved):
    """Names, supports and inputs are the same, so that the record of the law tells nothing."""

    def other(params, tokens, *, E, A, alpha, B, beta):
        return LAW.predictor(params, tokens, E=E, A=A, alpha=alpha, B=B, beta=1.0001 * beta)

    message = refused(saved, replace(LAW, predictor=other))
    assert "was fitted with another 'chinchilla' than this version has: its formula gave" in message
    assert "now, on the link scale; fit again" in message

    def rounded(params, tokens, *, E, A, alpha, B, beta):
        return LAW.predictor(params, tokens, E=E, A=A, alpha=alpha, B=B, beta=beta) * (1 + 1e-12)

    loaded = load(saved, law=replace(LAW, predictor=rounded))
    np.testing.assert_allclose(draws(loaded), draws(posterior), rtol=1e-9)


def test_where_a_law_differs_most():
    nan, inf = np.nan, np.inf
    assert unlike([[1.0, nan, inf]], np.array([[1.0 + 1e-9, nan, inf]])) is None
    assert unlike([[1.0, 2.0], [3.0, 4.0]], np.array([[1.0, 2.1], [3.0, 4.2]])) == (1, 1)
    assert unlike([[inf, 1.0, 2.0]], np.array([[inf, 1.5, nan]])) == (0, 2)


def test_older_files_tell_neither_draws_nor_formula(posterior, edited):
    def older(tree: xr.DataTree) -> None:
        for name in ("draws_hash", "law_values"):
            del tree.attrs[name]

    np.testing.assert_array_equal(draws(load(edited(older))), draws(posterior))


def test_draws_of_other_families(edited):
    def rename(tree: xr.DataTree) -> None:
        tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().assign_coords(family=["other"]))

    assert "is damaged: its draws are of the families ('other',)" in refused(edited(rename))


# --- what cannot be written --------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path) -> Path:
    (tmp_path / "old.nc").write_bytes(b"an old file")
    return tmp_path / "old.nc"


def unsaved(posterior: Posterior, path: Path, cause: str, tail: str = "the old file is untouched") -> None:
    """Saving fails in one line that tells why, and leaves the folder as it was."""
    before = (
        {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()} if path.parent.exists() else {}
    )
    with pytest.raises(StorageError) as caught:
        save(posterior, path)
    expected = f"cannot save to {str(path)!r}: {cause}. The posterior is still in memory; {tail}."
    assert str(caught.value) == expected
    assert {p.name: p.read_bytes() for p in path.parent.glob("*") if p.is_file()} == before


def test_no_folder(posterior, tmp_path):
    folder = tmp_path / "nowhere"
    unsaved(
        posterior,
        folder / "p.nc",
        f"there is no folder {str(folder)!r}; make it first",
        "nothing was written",
    )
    assert not folder.exists()
    expected = f"it is a folder; expected a file, such as {str(tmp_path / 'posterior.nc')!r}"
    unsaved(posterior, tmp_path, expected, "nothing was written")


def test_a_disk_that_takes_no_more(posterior, old):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        unsaved(posterior, old, "the file would be larger than is allowed here")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "there is no permission to write there"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_disk_that_fails_at_the_end(posterior, old, monkeypatch, code, cause):
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    unsaved(posterior, old, cause)
    unsaved(posterior, old.with_name("new.nc"), cause, "nothing was written")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(posterior, old):
    old.chmod(0o444)
    unsaved(posterior, old, "there is no permission to write there")
    old.chmod(0o644)
    old.parent.chmod(0o555)
    try:
        unsaved(posterior, old, "there is no permission to write there")
    finally:
        old.parent.chmod(0o755)


def test_an_interrupt_leaves_nothing_behind(posterior, old, monkeypatch):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(posterior, old)
    assert [p.name for p in old.parent.iterdir()] == ["old.nc"]
    assert old.read_bytes() == b"an old file"


def test_text_that_no_file_can_hold(posterior, old):
    runs = posterior.runs
    table = runs.table.assign(note="a\0b")
    bad = replace(posterior, runs=assemble(table, runs.units, runs.schedules, (), ""))
    with pytest.raises(
        StorageError, match=r"cannot save to .*NULLs.*still in memory; the old file is untouched"
    ):
        save(bad, old)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links and modes of POSIX")
def test_an_old_file_is_replaced_where_it_lies(posterior, old, tmp_path):
    old.chmod(0o640)
    link = tmp_path / "link.nc"
    link.symlink_to(old)
    assert save(posterior, str(link)) == link
    assert link.is_symlink()
    assert old.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(draws(load(old)), draws(posterior))
    shutil.copy(old, tmp_path / "copy.nc")
    assert load(tmp_path / "copy.nc").runs.hash == posterior.runs.hash
