"""The shell: what it does, and that every mistake is one line and an exit code."""

import json
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass

import pytest

from probrl.cli import main
from probrl.cli.arguments import UsageError, flags_of, parse

QUICK = ["--num-envs", "2", "--num-steps", "8", "--update-epochs", "1", "--no-plot", "--eval-episodes", "0"]


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def trained(tmp_path, capsys):
    folder = tmp_path / "run"
    code, out, err = run(capsys, "train", "ppo", "--total-timesteps", "32", "--run", str(folder), *QUICK)
    assert (code, err) == (0, "") and out == f"32 steps, kept in {folder}\n"
    return folder


def test_a_run_folder_explains_itself(trained):
    names = {f.name for f in trained.iterdir()}
    assert {"manifest.json", "config.json", "equations.tex", "equations.txt", "metrics.jsonl", "metrics.csv"} <= names
    config = json.loads((trained / "config.json").read_text())
    assert (
        config["env"] == "CartPole-v1"
        and config["hyper_parameters"]["num_envs"] == 2
        and config["settings"]["seed"] == 1
    )
    assert len((trained / "metrics.jsonl").read_text().splitlines()) == 2
    assert r"\pi_\theta" in (trained / "equations.tex").read_text()


def test_a_run_is_evaluated(trained, capsys):
    code, out, _ = run(capsys, "eval", str(trained), "--episodes", "3")
    assert code == 0 and out.startswith("return ") and "3 episodes" in out and "deterministic" in out
    code, out, _ = run(capsys, "eval", str(trained), "--episodes", "2", "--stochastic", "--seed", "7")
    assert code == 0 and "stochastic" in out


def test_training_ends_with_an_evaluation(tmp_path, capsys):
    words = [*QUICK[:-1], "2", "--total-timesteps", "16", "--run", str(tmp_path / "run")]
    code, out, _ = run(capsys, "train", "ppo", *words)
    assert code == 0 and "2 episodes" in out


def test_runs_are_named_after_what_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "train", "ppo", "--seed", "5", "--total-timesteps", "16", *QUICK)[0] == 0
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("CartPole-v1__ppo__5__")


@pytest.mark.parametrize(
    ("form", "has"), [("latex", r"\pi_\theta"), ("text", "π"), ("code", "def "), ("metrics", "critic explains")]
)
def test_equations_are_shown(form, has, capsys, tmp_path):
    code, out, err = run(capsys, "show", "ppo", "--format", form)
    assert (code, err) == (0, "") and has in out
    file = tmp_path / "out.txt"
    assert run(capsys, "show", "ppo", "--format", form, "--output", str(file))[0] == 0
    assert has in file.read_text()
    assert run(capsys, "show", "ppo", "--output", str(file))[:2] == (1, "")


def test_equations_are_drawn(capsys, tmp_path):
    file = tmp_path / "ppo.png"
    code, out, _ = run(capsys, "show", "ppo", "--format", "png", "--output", str(file))
    assert code == 0 and out == f"written to {file}\n" and file.read_bytes().startswith(b"\x89PNG")


def test_what_there_is_is_listed(capsys):
    code, out, _ = run(capsys, "list")
    assert (
        code == 0
        and "  ppo " in out
        and " CartPole-v1" in out
        and "MultivariateNormal" in out
        and "ppo Pendulum" in out
    )


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["train", "ppo", "--help"], ["eval", "--help"], ["show", "ppo", "--help"]],
)
def test_help_is_help(words, capsys):
    try:
        assert main(words) == 0
    except SystemExit as stop:
        assert not stop.code
    assert "usage: probrl" in capsys.readouterr().out


def test_the_version(capsys):
    assert run(capsys, "--version")[0] == 0


MISTAKES = [
    (["trian"], 2, "no command is called 'trian': did you mean 'train'?"),
    (["train"], 2, "say which algorithm"),
    (["train", "pppo"], 2, "no algorithm is called 'pppo': did you mean 'ppo'?"),
    (["show", "qqq"], 2, "no algorithm is called 'qqq': known are"),
    (
        ["train", "ppo", "--env-id", "CartPole-v9"],
        1,
        "no environment is called 'CartPole-v9': did you mean 'CartPole-v1'?",
    ),
    (["train", "ppo", "--env-id", "Blackjack-v1"], 1, "observation space Tuple(Discrete(32)"),
    (["train", "ppo", "--seed", "one"], 2, "--seed"),
    (["train", "ppo", "--seed", "1.5"], 2, "--seed"),
    (["train", "ppo", "--seed", "-1"], 1, "seed must be at least 0"),
    (["train", "ppo", "--sed", "1"], 2, "did you mean --seed?"),
    (["train", "ppo", "--total-timesteps", "-5"], 1, "must be positive"),
    (["train", "ppo", "--total-timesteps", "0"], 1, "must be positive"),
    (["train", "ppo", "--num-envs", "0"], 1, "num_envs must be positive"),
    (["train", "ppo", "--num-steps", "-2"], 1, "num_steps must be positive"),
    (["train", "ppo", "--num-minibatches", "0"], 1, "num_minibatches must be positive"),
    (["train", "ppo", "--learning-rate", "fast"], 2, "--learning-rate"),
    (["train", "ppo", "--device", "gpu7"], 1, "is not a device"),
    (["train", "ppo", "--eval-episodes", "-1"], 1, "eval_episodes must be at least 0"),
    (["eval"], 2, "the folder of the run"),
    (["eval", "no/such/run"], 1, "there is no run at 'no/such/run'"),
    (["eval", "no/such/run", "--episodes", "0"], 1, "episodes must be positive"),
    (["show", "ppo", "--format", "pdf"], 2, "pdf"),
    (["train", "PPO"], 2, "no algorithm is called 'PPO': did you mean 'ppo'?"),
    (["train", "flow"], 2, "'flow' is a generative model: write probrl train-model flow"),
    (["train-model", "ppo"], 2, "'ppo' is an algorithm: write probrl train ppo"),
    (["train", "ppo", "--tensorboard", "yes"], 2, "a switch is written without"),
    (["train", "ppo", "--hidden", "a"], 2, "'a' cannot be read"),
    (["train", "ppo", "--hidden", "64", "a"], 2, "'64', 'a' cannot be read"),
    (["train", "ppo", "--env-id"], 2, "--env-id needs a value"),
    (["resume"], 2, "as in probrl resume runs/mine"),
    (["list", "everything"], 2, "no algorithm is called 'everything': known are"),
    (["list", "ppo", "a2c"], 2, "takes one algorithm, or nothing more"),
]


@pytest.mark.parametrize(("words", "code", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_line(words, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, "") and err.count("\n") == 1 and err.startswith("probrl: ") and message in err
    assert not list(tmp_path.iterdir())


def test_a_run_folder_is_not_used_twice(trained, capsys):
    before = {f.name: f.read_bytes() for f in trained.iterdir()}
    code, _, err = run(capsys, "train", "ppo", "--run", str(trained), *QUICK)
    assert code == 1 and "exists and is not empty" in err and err.count("\n") == 1
    assert {f.name: f.read_bytes() for f in trained.iterdir()} == before


@pytest.mark.parametrize("harm", ["truncated", "foreign"])
def test_a_damaged_run_is_refused(trained, harm, capsys):
    if harm == "truncated":
        [file] = trained.glob("weights-*")
        file.write_bytes(file.read_bytes()[:100])
    else:
        (trained / "manifest.json").write_text('{"policy_class": "MlpPolicy"}')
    code, out, err = run(capsys, "eval", str(trained))
    assert (code, out) == (1, "") and err.count("\n") == 1


def test_a_simulator_that_is_missing(capsys, monkeypatch, tmp_path):
    import gymnasium

    def absent(*args, **kwargs):
        raise gymnasium.error.DependencyNotInstalled("Box2D is not installed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gymnasium, "make", absent)
    code, _, err = run(capsys, "train", "ppo", "--env-id", "LunarLander-v3")
    assert code == 1 and err == "probrl: LunarLander-v3 needs a simulator that is missing: pip install 'probrl[envs]'\n"


def test_an_interrupted_run_is_kept(tmp_path, capsys, monkeypatch):
    from probrl.training import OnPolicyTrainer

    step = OnPolicyTrainer.step

    def interrupted(self, progress):
        if self.agent.iteration == 1:
            signal.raise_signal(signal.SIGINT)
        return step(self, progress)

    monkeypatch.setattr(OnPolicyTrainer, "step", interrupted)
    folder = tmp_path / "run"
    code, _, err = run(capsys, "train", "ppo", "--total-timesteps", "320", "--run", str(folder), *QUICK)
    assert (code, err) == (130, f"probrl: interrupted at step 32: probrl resume {folder} goes on\n")
    assert json.loads((folder / "manifest.json").read_text())["timesteps"] == 32
    monkeypatch.undo()
    assert run(capsys, "resume", str(folder)) == (0, f"320 of 320 steps, kept in {folder}\n", "")


PRESSED = """
import signal, sys
class Pressed:
    def find_spec(self, name, *more):
        if name == "torch":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Pressed())
{start}
"""
STARTS = {
    "script": ("sys.argv[0] = '/usr/bin/probrl'\nfrom probrl.cli import main", (130, "probrl: interrupted")),
    "module": (
        "import runpy\nsys.argv, sys.orig_argv = ['-m', 'list'], ['python', '-m', 'probrl', 'list']\n"
        "runpy.run_module('probrl', run_name='__main__', alter_sys=False)",
        (130, "probrl: interrupted"),
    ),
    "library": ("import probrl", (-signal.SIGINT, "KeyboardInterrupt")),  # a script's own affair
}


@pytest.mark.parametrize("name", STARTS)
def test_ctrl_c_while_it_is_imported(name):
    start, (code, last) = STARTS[name]
    done = subprocess.run([sys.executable, "-c", PRESSED.format(start=start)], capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (code, last)
    assert len(done.stderr.splitlines()) == 1 or name == "library"


def test_the_module_is_the_script():
    for words in (["--version"], ["trian"]):
        done = subprocess.run([sys.executable, "-m", "probrl", *words], capture_output=True, text=True)
        assert done.returncode == (0 if words == ["--version"] else 2)
        assert (done.stdout or done.stderr).startswith("probrl")


def test_formulas_are_left_to_python():
    @dataclass(frozen=True)
    class Algorithm:
        """An algorithm."""

        rate: "float | object" = 0.1
        kl: float | None = None
        sizes: tuple[int, ...] = (64, 64)
        schedule: object = None

    found = parse(flags_of(Algorithm), ["--rate", "0.5", "--kl", "0.02", "--sizes", "8", "8"], "x")
    assert (found.rate, found.kl, found.sizes) == (0.5, 0.02, (8, 8)) and not hasattr(found, "schedule")
    with pytest.raises(UsageError):
        parse(flags_of(Algorithm), ["--schedule", "1"], "x")


def test_a_warning_is_one_line_too(capsys, monkeypatch):
    monkeypatch.setattr("probrl.cli.listing.list_all", lambda words: warnings.warn("two\nlines", stacklevel=1))
    assert main(["list"]) == 0
    assert capsys.readouterr().err == "probrl: two lines\n"
