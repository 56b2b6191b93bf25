"""Agents on disk: the same agent comes back, damaged and foreign files are refused, and nothing is overwritten."""

import csv
import hashlib
import json
import os
import pickle

import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import CheckpointError, DataError
from probrl.training import agent_of, load, storage
from probrl.training.run import Metrics, new_folder, read_metrics, write_atomic
from tests.training.twin import CategoricalActor, TwinPPO

PPO = agent_of(TwinPPO)
SMALL = {"num_envs": 2, "num_steps": 8, "minibatch": 8, "epochs": 2, "progress": False}
TWIN = TwinPPO(**{k: v for k, v in SMALL.items() if k != "progress"})


@pytest.fixture
def saved(tmp_path):
    agent = PPO("CartPole-v1", **SMALL).learn(32)
    agent.save(tmp_path / "run")
    return agent, tmp_path / "run"


def table_of(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def content(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir()}


def test_the_same_agent_comes_back(saved):
    agent, folder = saved
    back = load(folder, algorithm=TWIN)
    seen = np.random.default_rng(0).normal(size=(50, 4))
    assert np.array_equal(agent.predict(seen), back.predict(seen))
    assert (back.timesteps, back.iteration, back.settings.seed) == (32, 2, 1)
    assert str(back.metrics.rows) == str(agent.metrics.rows)
    assert back.evaluate(3) == agent.evaluate(3)


def test_it_learns_on_with_its_optimiser(saved):
    agent, folder = saved
    back = load(folder, algorithm=TWIN)
    moments = lambda a: a.update.state_dict()["optimizer"]["state"][0]["exp_avg"]  # noqa: E731
    assert torch.equal(moments(agent), moments(back))
    back.learn(16)
    assert back.timesteps == 48


def test_a_loaded_agent_needs_no_simulator_to_predict(saved, monkeypatch):
    import gymnasium

    monkeypatch.setattr(gymnasium, "spec", None)
    monkeypatch.setattr(gymnasium, "make_vec", None)
    assert load(saved[1], algorithm=TWIN).predict(np.zeros(4)) in (0, 1)


def test_a_folder_explains_itself(saved):
    names = set(content(saved[1]))
    assert {"manifest.json", "config.json", "equations.tex", "equations.txt", "metrics.jsonl", "metrics.csv"} < names
    config = json.loads((saved[1] / "config.json").read_text())
    assert config["env"] == "CartPole-v1" and config["hyper_parameters"]["gamma"] == 0.98
    assert config["versions"]["torch"] == torch.__version__ and config["digest"] == saved[0].digest


def test_saving_again_replaces_and_leaves_nothing_behind(saved):
    agent, folder = saved
    before = set(content(folder))
    agent.learn(16).save(folder)
    after = set(content(folder))
    assert len(before) == len(after) and before != after
    assert load(folder, algorithm=TWIN).timesteps == 48


def test_a_kill_between_the_files_leaves_the_old_checkpoint(saved, monkeypatch):
    agent, folder = saved
    agent.learn(16)
    replace = os.replace

    def killed(source, target):
        if str(target).endswith(storage.MANIFEST):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        agent.save(folder)
    monkeypatch.undo()
    assert load(folder, algorithm=TWIN).timesteps == 32


@pytest.mark.parametrize("role", ["weights", "state"])
@pytest.mark.parametrize("harm", ["truncate", "change", "remove"])
def test_damaged_files_are_refused_in_one_line(saved, role, harm):
    folder = saved[1]
    [file] = folder.glob(f"{role}-*")
    data = file.read_bytes()
    if harm == "remove":
        file.unlink()
    else:
        file.write_bytes(data[: len(data) // 2] if harm == "truncate" else b"x" + data[1:])
    with pytest.raises(CheckpointError, match="cannot be read" if harm == "remove" else "cut off or changed") as caught:
        load(folder, algorithm=TWIN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["weights", "state"])
def test_files_that_hold_something_else_are_refused_whatever_their_checksum(saved, role):
    folder = saved[1]
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["files"][role]
    foreign = pickle.dumps(os.getcwd)  # what would have to be run to be read
    (folder / entry["file"]).write_bytes(foreign)
    entry["sha256"] = hashlib.sha256(foreign).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=rf"{role}-.*' holds no {role} that this package wrote$"):
        load(folder, algorithm=TWIN)


MANIFESTS = {
    "": "is damaged: it is not JSON",
    '{"kind": "probrl ag': "is damaged: it is not JSON",
    "[1, 2]": "was not written by this package",
    '{"format": "other"}': "was not written by this package",
    '{"kind": "probrl agent", "version": 99}': "has format version 99, this release reads 1",
    '{"kind": "probrl agent", "version": 1}': "is damaged: it does not name its weights",
}


@pytest.mark.parametrize("text", MANIFESTS)
def test_foreign_manifests_are_refused_and_not_overwritten(saved, text):
    agent, folder = saved
    (folder / storage.MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match=MANIFESTS[text]):
        load(folder, algorithm=TWIN)
    if "does not name" not in MANIFESTS[text]:
        before = content(folder)
        with pytest.raises(CheckpointError, match="nothing was written"):
            agent.save(folder)
        assert content(folder) == before


@pytest.mark.parametrize("key", ["spaces", "settings", "timesteps", "parts"])
def test_a_manifest_without_an_entry_is_damaged(saved, key):
    file = saved[1] / storage.MANIFEST
    manifest = json.loads(file.read_text())
    del manifest[key]
    file.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=f"is damaged: KeyError '{key}'"):
        load(saved[1], algorithm=TWIN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": -3}, "is damaged: timesteps must be at least 0, got -3"),
        ({"rows": 1.5}, r"is damaged: rows must be a whole number, got 1\.5"),
        ({"goal": "far"}, "is damaged: goal must be a whole number, got 'far'"),
        ({"settings": {"seed": "one"}}, "does not go here: seed must be a whole number, got 'one'"),
    ],
)
def test_a_manifest_with_a_wrong_number_is_named(saved, change, message):
    file = saved[1] / storage.MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError, match=rf"manifest\.json' {message}"):
        load(saved[1], algorithm=TWIN)


def test_other_equations_are_refused(saved):
    other = TwinPPO(**{k: v for k, v in SMALL.items() if k != "progress"}, clip=0.3)
    with pytest.raises(CheckpointError, match="trained with other equations"):
        load(saved[1], algorithm=other)


def test_an_algorithm_of_ones_own_must_be_handed_over(saved):
    with pytest.raises(CheckpointError, match=r"'twinppo' is no algorithm of this package: .*algorithm=\.\.\."):
        load(saved[1])


def test_parts_of_ones_own_must_be_handed_over(tmp_path):
    agent = PPO("CartPole-v1", actor=CategoricalActor(4, 2), **SMALL)
    agent.save(tmp_path / "run")
    back = load(tmp_path / "run", algorithm=TWIN, actor=CategoricalActor(4, 2))
    assert torch.equal(back.actor.net[0].weight, agent.actor.net[0].weight)
    with pytest.raises(CheckpointError, match="your own actor: hand it over, as in load"):
        load(tmp_path / "run", algorithm=TWIN)
    with pytest.raises(CheckpointError, match="not made with a 'critic' of your own"):
        load(tmp_path / "run", algorithm=TWIN, actor=CategoricalActor(4, 2), critic=CategoricalActor(4, 1))


def test_there_is_nothing_there(tmp_path):
    with pytest.raises(CheckpointError, match="there is no run at"):
        load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds no manifest\.json"):
        load(tmp_path)


def test_someone_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    agent = PPO("CartPole-v1", **SMALL)
    with pytest.raises(CheckpointError, match=r"nothing was written: .* holds 'thesis.tex'"):
        agent.save(tmp_path)
    assert content(tmp_path) == {"thesis.tex": b"mine"}


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(CheckpointError, match="cannot be made"):
        PPO("CartPole-v1", **SMALL).save(tmp_path / "run")
    with pytest.raises(DataError, match="cannot be made"):
        new_folder(tmp_path / "run")


def test_a_run_folder_is_new(tmp_path):
    PPO("CartPole-v1", run=str(tmp_path / "run"), **SMALL)
    with pytest.raises(DataError, match="exists and is not empty"):
        PPO("CartPole-v1", run=str(tmp_path / "run"), **SMALL)


def test_metrics_are_written_as_they_come_and_after_a_save(tmp_path):
    agent = PPO("CartPole-v1", run=str(tmp_path / "run"), **SMALL).learn(48)
    rows = read_metrics(tmp_path / "run")
    table = table_of(tmp_path / "run")
    assert [r["timesteps"] for r in rows] == [16, 32, 48] == [int(r["timesteps"]) for r in table]
    agent.save(tmp_path / "run")
    agent.learn(16)
    assert len(read_metrics(tmp_path / "run")) == 4


def test_a_metric_that_appears_later_gets_a_column(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.add({"a": 1.0})
    metrics.add({"a": 2.0, "b": float("nan")})
    metrics.add({"a": 3.0})
    table = table_of(tmp_path)
    assert [r["a"] for r in table] == ["1.0", "2.0", "3.0"] and [r["b"] for r in table] == ["", "nan", ""]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines][1] == {"a": 2.0, "b": None}
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"a": 4.')
    assert len(read_metrics(tmp_path)) == 3


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    write_atomic(file, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, "new")
    assert content(tmp_path) == {"x.json": b"old"}


def test_rows_of_metrics_that_are_lost_are_told(tmp_path):
    folder = tmp_path / "run"
    agent = pr.PPO("CartPole-v1", num_envs=2, num_steps=8, num_minibatches=1, update_epochs=1, progress=False).learn(64)
    agent.save(folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:2]))
    with pytest.warns(UserWarning, match="has 2 of 4 rows"):
        assert len(pr.load(folder).metrics.rows) == 2
