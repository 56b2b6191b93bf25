"""Runs and machines that cannot do what is asked: one line, an exit code that is not 0, and nothing written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from probrl.cli import main
from tests.pages import ROOT

QUICK = ["--num-envs", "2", "--num-steps", "8", "--update-epochs", "1", "--no-plot", "--eval-episodes", "0"]


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "run"
    assert main(["train", "ppo", "--total-timesteps", "32", "--run", str(folder), *QUICK]) == 0
    return folder


@pytest.fixture
def trained(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "run"))


def content(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


HARMS = {
    "another version": (lambda manifest: manifest.update(version=99), "has format version 99"),
    "another program": (lambda manifest: manifest.update(kind="other"), "was not written by this package"),
    "another algorithm": (lambda manifest: manifest["algorithm"].update(name="a2c"), ""),
    "an unknown algorithm": (lambda manifest: manifest["algorithm"].update(name="ppoo"), "did you mean 'ppo'?"),
    "other equations": (lambda manifest: manifest.update(digest="0" * 16), "was trained with other equations"),
    "an unknown field": (lambda manifest: manifest["algorithm"]["hyper"].update(gama=1), "did you mean 'gamma'?"),
    "no files": (lambda manifest: manifest.pop("files"), "is damaged"),
}


@pytest.mark.parametrize("command", ["eval", "resume"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_run_of_something_else_is_refused(trained, harm, command, capsys):
    change, message = HARMS[harm]
    manifest = json.loads((trained / "manifest.json").read_text())
    change(manifest)
    (trained / "manifest.json").write_text(json.dumps(manifest))
    before = content(trained)
    code, out, err = run(capsys, command, str(trained))
    assert (code, out) == (1, "") and err.count("\n") == 1 and err.startswith("probrl: ") and message in err
    assert content(trained) == before


@pytest.mark.parametrize("command", ["eval", "resume"])
@pytest.mark.parametrize("part", ["weights-*", "state-*", "manifest.json"])
def test_a_truncated_checkpoint_is_refused(trained, part, command, capsys):
    [file] = trained.glob(part)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = content(trained)
    code, out, err = run(capsys, command, str(trained))
    assert (code, out) == (1, "") and err.count("\n") == 1 and str(file.name) in err
    assert content(trained) == before


def test_pictures_are_not_written_over(trained, tmp_path, capsys):
    target = tmp_path / "curves.png"
    code, out, _ = run(capsys, "plot", str(trained), "--output", str(target))
    assert (code, out) == (0, f"written to {target}\n") and target.read_bytes().startswith(b"\x89PNG")
    code, _, err = run(capsys, "plot", str(trained), "--output", str(target))
    assert code == 1 and "exists: name another file" in err
    code, _, err = run(capsys, "plot", str(trained), "--metric", "retrun", "--output", str(tmp_path / "other.png"))
    assert code == 1 and "no numbers called 'retrun'" in err and not (tmp_path / "other.png").exists()


@pytest.mark.parametrize("words", [["plot"], ["plot", "no/such/run"], ["plot", "."], ["resume"], ["eval", "."]])
def test_what_is_no_run_is_said(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code in (1, 2) and out == "" and err.count("\n") == 1 and not list(tmp_path.iterdir())


EXTRAS = [
    ("tensorboard", "log", ["train", "ppo", "--tensorboard"]),
    ("moviepy", "video", ["eval", "{run}", "--video"]),
    ("matplotlib.figure", "plot", ["plot", "{run}"]),
    ("matplotlib.figure", "plot", ["show", "ppo", "--format", "png"]),
]


@pytest.mark.parametrize(("module", "extra", "words"), EXTRAS, ids=lambda value: str(value)[:30])
def test_a_missing_extra_is_named(module, extra, words, trained, tmp_path, capsys, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run(capsys, *(word.format(run=trained) for word in words))
    assert (code, out) == (1, "") and err.count("\n") == 1 and f"pip install 'probrl[{extra}]'" in err
    assert not list(here.iterdir())


def test_several_runs_are_evaluated_together(trained, capsys):
    code, out, _ = run(capsys, "eval", str(trained), str(trained), "--episodes", "2")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3 and lines[0].startswith(f"{trained}: return ")
    assert lines[2].startswith("together: return ") and "4 episodes" in lines[2]


def test_whoever_reads_no_further_hears_no_complaint():
    program = "import sys; from probrl.cli import main; sys.exit(main(['list']))"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "1.5"], "Error parsing --seed: this is no whole number: '1.5'"),
        (["--learning-rate", "high"], "Error parsing --learning-rate: this is no number: 'high'"),
        (["--target-kl", "high"], "Error parsing --target-kl: 'high' is no number"),
        (["--threads", "many"], "Error parsing --threads: 'many' is no whole number"),
        (["--anneal-lr", "False"], "Unrecognized options: False: a switch is written without, --x or --no-x"),
        (["--progress", "maybe"], "invalid choice 'maybe' for argument '--progress'"),
    ],
)
def test_values_that_are_none_are_named_plainly(words, message, capsys):
    code, out, err = run(capsys, "train", "ppo", *words)
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.startswith(f"probrl: {message}")


@pytest.mark.parametrize("switch", [["--no-progress"], ["--progress", "False"], ["--progress"]])
def test_a_switch_that_may_be_left_open_is_a_switch(switch, tmp_path, capsys):
    code, _, err = run(
        capsys, "train", "ppo", *switch, "--total-timesteps", "16", "--run", str(tmp_path / "run"), *QUICK
    )
    assert code == 0 and ("16/16 steps" in err) is (switch == ["--progress"])


def test_what_learned_elsewhere_is_evaluated_here(trained, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    manifest = json.loads((trained / "manifest.json").read_text())
    manifest["settings"]["device"] = "cuda"
    (trained / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = run(capsys, "eval", str(trained), "--episodes", "1")
    assert code == 1 and "write 'cpu'" in err
    code, out, _ = run(capsys, "eval", str(trained), "--episodes", "1", "--device", "cpu")
    assert code == 0 and out.startswith("return ")
