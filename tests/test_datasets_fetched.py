"""Data sets that are fetched: a real server on this machine, the real downloader, and files made up here."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bayes_scaling import _arguments as arguments
from bayes_scaling import datasets
from bayes_scaling.cli import app
from bayes_scaling.datasets import (
    DataSet,
    DataSetError,
    Home,
    _fetch,
    chinchilla_epoch,
    dclm_models,
    obsscaling_base_llm,
    routing_moe,
    vocab_scaling,
)

CONTENT = b"size,result\n1e9,3.5\n2e9,3.25\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Sends `content`, or as much of it as `sent`, once `wait` is over; counts the requests."""

    def __init__(self) -> None:
        self.content, self.sent, self.paths = CONTENT, len(CONTENT), []
        self.wait: Callable[[], object] = lambda: None
        self.asked = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                outer.asked.set()
                outer.wait()
                if not self.path.endswith(".csv"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content[: outer.sent])

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/owner/name"


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    one = Server()
    thread = threading.Thread(target=functools.partial(one.http.serve_forever, 0.05))
    thread.start()
    yield one
    one.http.shutdown()
    thread.join()
    one.http.server_close()


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """Where the files of `made_up` are kept."""
    monkeypatch.delenv("BAYES_SCALING_DATA", raising=False)
    monkeypatch.setenv("BAYES_SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets" / "made-up"


def made_up(url: str, path: str = "data/points.csv") -> DataSet:
    columns = {"run": datasets.Column("", "run"), "params": datasets.Column("parameter", "size")}
    columns["loss"] = datasets.Column("nat/token", "loss")
    home = Home(url, "0123abc", {path: SHA256})
    return DataSet("made-up", "Two runs", "nowhere", columns, licence="none", home=home)


def tidy(points: Path) -> pd.DataFrame:
    raw = pd.read_csv(points)
    return pd.DataFrame({"loss": raw["result"], "run": ["a", "b"], "params": raw["size"]})


def check(table: pd.DataFrame) -> None:
    assert table.to_dict("list") == {"run": ["a", "b"], "params": [1e9, 2e9], "loss": [3.5, 3.25]}
    assert list(table) == ["run", "params", "loss"]


def test_a_file_is_fetched_once(server, cache):
    for _ in range(2):
        check(_fetch.table(made_up(server.url), tidy))
    assert server.paths == ["/owner/name/raw/0123abc/data/points.csv"]
    assert [path.name for path in cache.iterdir()] == ["points.csv"]
    assert (cache / "points.csv").read_bytes() == CONTENT


def test_a_spoilt_file_in_the_cache_is_fetched_anew(server, cache):
    cache.mkdir(parents=True)
    (cache / "points.csv").write_bytes(CONTENT[:-4])
    check(_fetch.table(made_up(server.url), tidy))
    assert (cache / "points.csv").read_bytes() == CONTENT


def test_without_a_cache_nothing_is_kept(server, cache, monkeypatch):
    monkeypatch.setenv("BAYES_SCALING_CACHE", "off")
    for _ in range(2):
        check(_fetch.table(made_up(server.url), tidy))
    assert len(server.paths) == 2
    assert not cache.exists()


def test_another_content_is_refused_and_not_kept(server, cache):
    server.content = CONTENT.replace(b"3.5", b"3.6")
    with pytest.raises(DataSetError) as caught:
        _fetch.table(made_up(server.url), tidy)
    assert str(caught.value) == (
        f"data set 'made-up': what {server.url}/raw/0123abc/data/points.csv sent is not the file of record, "
        f"whose SHA-256 is {SHA256}; put that file at {str(cache / 'points.csv')!r}, or set "
        "BAYES_SCALING_DATA to a folder that holds made_up.csv"
    )
    assert not list(cache.iterdir())


def test_a_broken_download_leaves_nothing_behind(server, cache):
    server.sent = 10
    with pytest.raises(DataSetError, match=r"could not be fetched .* \(the connection broke off\); put that"):
        _fetch.table(made_up(server.url), tidy)
    assert not list(cache.iterdir())
    server.sent = len(CONTENT)
    check(_fetch.table(made_up(server.url), tidy))


def test_a_file_that_has_gone_is_said_to_be_gone(server, cache):
    with pytest.raises(DataSetError, match=r"could not be fetched from http://.*points.tsv \(status 404\)"):
        _fetch.table(made_up(server.url, "points.tsv"), tidy)


def test_without_a_network_one_line_says_what_to_do(cache, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataSetError) as caught:
        _fetch.table(made_up("http://127.0.0.1:1"), tidy)
    assert str(caught.value) == (
        "data set 'made-up' could not be fetched from http://127.0.0.1:1/raw/0123abc/data/points.csv (no "
        f"connection); put that file at {str(cache / 'points.csv')!r}, or set BAYES_SCALING_DATA to a folder "
        "that holds made_up.csv"
    )
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "points.csv").write_bytes(CONTENT)  # as the message says
    check(_fetch.table(made_up("http://127.0.0.1:1"), tidy))


def test_a_cache_that_cannot_be_written_is_named(server, cache):
    cache.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(DataSetError, match=r"could not be fetched from http.* \(Not a directory\)"):
        _fetch.table(made_up(server.url), tidy)


def test_two_processes_at_once(server, cache):
    """This one and another, which get their answers when both have asked."""
    server.wait = threading.Barrier(2, timeout=20).wait
    program = """
        import json, sys
        from bayes_scaling import datasets
        from bayes_scaling.datasets import _fetch
        import pandas as pd

        home = datasets.Home(sys.argv[1], "0123abc", {"data/points.csv": sys.argv[2]})
        columns = {"size": datasets.Column("parameter", ""), "result": datasets.Column("nat/token", "")}
        table = _fetch.table(datasets.DataSet("made-up", "", "", columns, home=home), pd.read_csv)
        print(json.dumps(table.to_dict("list")))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), server.url, SHA256]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as other:
        server.asked.wait(120)  # the other one takes a while to start
        check(_fetch.table(made_up(server.url), tidy))
        out, errors = other.communicate(timeout=120)
    assert other.returncode == 0, errors
    assert json.loads(out) == {"size": [1e9, 2e9], "result": [3.5, 3.25]}
    assert len(server.paths) == 2
    assert [path.name for path in cache.iterdir()] == ["points.csv"]


def test_an_own_folder_comes_first(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("BAYES_SCALING_DATA", str(tmp_path))
    record, path = made_up("http://127.0.0.1:1"), tmp_path / "made_up.csv"
    mend = r"; put the tidied table there, or unset BAYES_SCALING_DATA to fetch 'made-up'"
    with pytest.raises(DataSetError, match=rf"but there is no file '{path}'{mend}"):
        _fetch.table(record, tidy)
    path.write_text("note,params,loss,run\nx,1e9,3.5,07\ny,2e9,,08\n")
    table = _fetch.table(record, tidy)
    assert list(table) == ["run", "params", "loss"]
    assert table["run"].tolist() == ["07", "08"]
    assert table["loss"].isna().tolist() == [False, True]
    path.write_text("params,run\n1e9,a\n")
    with pytest.raises(
        DataSetError, match=rf"is not the table of 'made-up': it lacks the columns loss{mend}"
    ):
        _fetch.table(record, tidy)
    path.write_text("params,run,loss\n1e9,a,low\n")
    with pytest.raises(
        DataSetError, match=rf"is not the table of 'made-up': could not convert.*'low'.*{mend}"
    ):
        _fetch.table(record, tidy)


def test_load_goes_to_the_home_of_the_study(server, cache, monkeypatch):
    """By name: the address made of repository and commit, the checked bytes, the tidier, the order."""
    raw = b"x,color,Model Size,Training FLOP,loss\n" + b"".join(
        b"1.0,#fff,%de9,6e18,%d.5\n" % (i, i) for i in range(1, 8)
    )
    record = datasets.describe("chinchilla-epoch")
    home = replace(record.home, repository=server.url, files={"a.csv": hashlib.sha256(raw).hexdigest()})
    monkeypatch.setitem(datasets._DATA_SETS, record.name, replace(record, home=home))
    server.content, server.sent = raw, len(raw)
    table = datasets.load("chinchilla-epoch")
    assert server.paths == [f"/owner/name/raw/{home.commit}/a.csv"]
    assert list(table) == list(record.columns)
    assert table["tokens"].tolist() == [1e9 / i for i in range(1, 8)]
    assert table["epoch_excluded"].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert table["run"].tolist()[:2] == ["chin000", "chin001"]


@pytest.mark.parametrize("name", datasets.names(embedded=False))
def test_a_name_stands_where_a_path_would(name, study):
    path = study(datasets.describe(name).file_name)
    runs = arguments.table(name, None, None, None)
    assert runs.source == name
    assert len(runs) == len(pd.read_csv(path))


def test_the_command_line_says_what_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("BAYES_SCALING_DATA", str(tmp_path))
    done = CliRunner().invoke(app, ["forecast", "chinchilla-epoch", "--at", "params=7e9,tokens=1e12"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: BAYES_SCALING_DATA is set, but there is no file")
    assert done.stderr.count("\n") == 1


def write(path: Path, rows: list[dict]) -> Path:
    text = pd.DataFrame(rows).to_csv(index=False)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_routing_drops_the_start_and_marks_the_end(tmp_path):
    numbers = [source for name, source in routing_moe._RENAMED.items() if not name.startswith("loss")]
    numbers += ["loss_c4", "loss_lambada", "loss_wikitext103", "loss_pile", "loss_curation_corpus", "seed"]
    row = dict.fromkeys(numbers, 2) | {"router_type": "Hash", "model_size_label": "15M"}
    steps = [(0, 0, 9.0), (0, 10, 3.0), (0, 20, 2.5), (7, 10, None), (7, 15, 2.0)]
    rows = [row | {"hyper_id": i, "step": step, "loss_validation": loss} for i, step, loss in steps]
    table = routing_moe.tidy(write(tmp_path / "curves.csv.gz", rows))
    assert table["run"].tolist() == ["rt000", "rt000", "rt007"]
    assert table["loss"].tolist() == [3.0, 2.5, 2.0]
    assert table["final"].tolist() == [False, True, True]
    assert set(table) == set(routing_moe.DATA_SET.columns)


def test_obsscaling_joins_and_mends(tmp_path):
    scores = dict.fromkeys(obsscaling_base_llm._BENCHMARKS, 0.5)
    models = [("cerebras/btlm-3b-8k-base", 3.0, 627.0), ("own/closed", 7.0, None)]
    rows = [
        {"Model": name, "Model Family": "f", "Model Size (B)": size, "Pretraining Data Size (T)": data}
        | scores
        for name, size, data in models
    ]
    emergent = [{"Model": "own/closed"} | dict.fromkeys(obsscaling_base_llm._EMERGENT, 0.25)]
    table = obsscaling_base_llm.tidy(write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", emergent))
    assert table["run"].tolist() == ["cerebras/btlm-3b-8k-base", "own/closed"]
    assert table.loc[0, "tokens"] == pytest.approx(6.27e11)
    assert table.loc[0, "compute"] == pytest.approx(6 * 3e9 * 6.27e11)
    assert table["compute"].isna().tolist() == [False, True]
    assert table["emergent_arithmetic_3ds_2_acc"].isna().tolist() == [True, False]
    assert list(table) == list(obsscaling_base_llm.DATA_SET.columns)


def test_dclm_reads_the_settings_from_the_names(tmp_path):
    row = dict.fromkeys([*dclm_models._TASKS, "Core", "Extended", "aggregated_results"], 0.5)
    row |= {"model": "open_lm", "tokenizer": "t", "params": 10**9, "tokens": 2 * 10**10}
    row |= {"eval_metrics.perplexity": 2.5}
    names = ["e_x-lr=0p003-wd=3e-05-warm=5000-cd=3e-05-bs=256-mult=1-seed=124-tokens=1.json", "e_c4-1.0.json"]
    rows = [row | {"Model JSON": name, "Dataset": data} for name, data in zip(names, "zc", strict=True)]
    table = dclm_models.tidy(write(tmp_path / "database.csv", rows))
    assert table["run"].tolist() == ["dclm001", "dclm000"]  # sorted by training set
    assert table.loc[1, list(dclm_models._SETTINGS)].tolist() == [0.003, 3e-5, 5000, 256]
    assert table["seed"].tolist()[1] == "124"
    assert table.loc[0, [*dclm_models._SETTINGS, "seed"]].isna().all()
    assert table["compute"].tolist() == [1.2e20, 1.2e20]
    assert list(table) == list(dclm_models.DATA_SET.columns)


def test_vocab_names_the_runs(tmp_path):
    row = {"vocab_size": 4096.0, "embed_dim": 512.0, "num_characters": 1e9, "Lossu": -2.0}
    row |= {"Non_vocab_parameters": 84.97e6, "FLOPs": 6 * (84.97e6 + 4096 * 512) * 1e8}
    table = vocab_scaling.tidy(write(tmp_path / "exp.csv", [row]))
    assert table.loc[0, ["family", "run"]].tolist() == ["nonvocab_84M", "nv84M_v4096"]
    assert table.loc[0, "tokens"] == pytest.approx(1e8)
    assert list(table) == list(vocab_scaling.DATA_SET.columns)


def test_homes_are_pinned():
    for name in datasets.names(embedded=False):
        home = datasets.describe(name).home
        assert len(home.commit) == 40
        assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in home.files.values())
        assert all(home.url(path).startswith("https://github.com/") for path in home.files)
    assert chinchilla_epoch.DATA_SET.home.url("a/b.csv") == (
        "https://github.com/epoch-research/analyzing-chinchilla/raw/92258837425e1b5f2851d624287f0120583a3d0e/a/b.csv"
    )
