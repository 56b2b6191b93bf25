"""``probrl resume``: what it does, and what it refuses in one line."""

import json

import pytest

from probrl.cli import main
from probrl.training import load
from probrl.training.lock import FolderLock

QUICK = ["--num-envs", "2", "--num-steps", "8", "--update-epochs", "1", "--no-plot", "--eval-episodes", "0"]


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def folder(tmp_path, capsys):
    made = tmp_path / "run"
    assert run(capsys, "train", "ppo", "--total-timesteps", "32", "--run", str(made), *QUICK)[0] == 0
    return made


def test_a_run_that_is_over_stays_as_it_is_unless_it_gets_another_goal(folder, capsys):
    before = (folder / "manifest.json").read_bytes()
    assert run(capsys, "resume", str(folder)) == (0, f"32 of 32 steps, kept in {folder}\n", "")
    assert (folder / "manifest.json").read_bytes() == before
    code, out, err = run(capsys, "resume", str(folder), "--total-timesteps", "60")
    assert (code, out, err) == (0, f"64 of 60 steps, kept in {folder}\n", "") and load(folder).timesteps == 64


def test_what_is_another_is_said_in_one_line(folder, capsys):
    code, _, err = run(capsys, "resume", str(folder), "--total-timesteps", "64", "--threads", "2")
    assert (code, err) == (0, "probrl: the run goes on, but not bit for bit as it would have: threads 1 -> 2\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [([], 2, "the folder of the run"), (["{}", "--total-timesteps", "16"], 1, "has 32 steps already"),
     (["{}", "--total-timesteps", "0"], 1, "total_timesteps must be positive"),
     (["{}", "--total-timestep", "64"], 2, "did you mean --total-timesteps?"),
     (["nowhere"], 1, "there is no run at 'nowhere'"), (["{}/.."], 1, "holds no manifest.json"),
     (["{}", "--backend", "tpu", "--total-timesteps", "64"], 2, "tpu")],
)  # fmt: skip
def test_a_mistake_is_one_line(words, code, message, folder, capsys):
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    got, out, err = run(capsys, "resume", *(word.format(folder) for word in words))
    assert (got, out) == (code, "") and err.count("\n") == 1 and message in err
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("digest", "0123", "was trained with other equations"), ("version", 99, "has format version 99"),
     ("kind", "another", "was not written by this package"),
     ("algorithm", {"name": "q_learning", "ours": True, "hyper": {}}, "no algorithm is called 'q_learning'"),
     ("goal", "far", "goal must be a whole number"), ("parts", ["loss"], "your own loss: hand it over")],
)  # fmt: skip
def test_a_run_of_something_else_is_refused(key, value, message, folder, capsys):
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    code, out, err = run(capsys, "resume", str(folder))
    assert (code, out) == (1, "") and err.count("\n") == 1 and message in err


@pytest.mark.parametrize("key", ["goal", "rows", "threads", "backend", "iteration"])
def test_a_manifest_that_lacks_something_is_damaged(key, folder, capsys):
    file = folder / "manifest.json"
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != key}))
    code, out, err = run(capsys, "resume", str(folder))
    assert (code, out) == (1, "") and err.count("\n") == 1 and f"is damaged: KeyError '{key}'" in err


def test_a_run_that_somebody_learns_in_is_refused(folder, capsys):
    with FolderLock(folder):
        code, out, err = run(capsys, "resume", str(folder), "--total-timesteps", "64")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "is learning in" in err
