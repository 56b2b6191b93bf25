"""Files of flags: TOML, JSON and the config.json of a run; below flags, above tuned values; every mistake one line."""

import json

import gymnasium
import pytest

from probrl.cli import main
from probrl.cli.choosing import choose, said
from probrl.cli.train import RUNNING, Train
from probrl.training import Settings

QUICK = ["--num-envs", "2", "--num-steps", "8", "--update-epochs", "1", "--no-plot", "--eval-episodes", "0"]


def chosen(*words):
    return choose(Train, list(words), "train", RUNNING)


def write(folder, name, content):
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


TOML = """
env_id = "Acrobot-v1"
total-timesteps = 1000
seed = 7
norm_adv = false

[settings]
eval_interval = 500

[ppo]
learning_rate = 1e-4
hidden = [8, 8]
target_kl = 0.02
"""


def test_a_file_says_what_flags_say(tmp_path):
    choice = chosen("ppo", "--config", write(tmp_path, "flags.toml", TOML))
    hyper, options = choice.algorithm, choice.options
    assert (options.env_id, options.total_timesteps) == ("Acrobot-v1", 1000)
    assert (choice.settings["seed"], choice.settings["eval_interval"]) == (7, 500)
    assert (hyper.learning_rate, hyper.hidden, hyper.target_kl, hyper.norm_adv) == (1e-4, (8, 8), 0.02, False)


def test_flags_override_a_file_and_a_file_the_tuned_values(tmp_path):
    file = write(tmp_path, "flags.toml", TOML)
    choice = chosen("ppo", "--config", file, "--learning-rate", "0.5", "--hidden", "3", "--norm-adv", "--seed", "1")
    assert (choice.algorithm.learning_rate, choice.algorithm.hidden, choice.algorithm.norm_adv) == (0.5, (3,), True)
    assert choice.settings["seed"] == 1
    assert choice.algorithm.gae_lambda == 0.94  # Acrobot's
    assert chosen("ppo", "--config", file, "--no-tuned").algorithm.gae_lambda == 0.8
    assert chosen("ppo", "--config", file, "--env-id", "CartPole-v1").algorithm.gae_lambda == 0.9
    assert chosen("ppo", "--env-id=Acrobot-v1", "--num-envs", "1").algorithm.num_minibatches == 4


def test_json_says_the_same(tmp_path):
    content = {"algorithm": "ppo", "seed": 7, "hyper_parameters": {"target_kl": None, "gamma": 1, "hidden": []}}
    choice = chosen("ppo", "--config", write(tmp_path, "flags.json", content))
    assert (choice.settings["seed"], choice.algorithm.gamma, choice.algorithm.hidden) == (7, 1, ())
    assert choice.algorithm.target_kl is None


def test_the_config_of_a_run_makes_such_a_run_again(tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["--seed", "3", "--gamma", "0.5", "--total-timesteps", "48", "--run", str(first)]
    assert main(["train", "ppo", *words, *QUICK]) == 0
    assert main(["train", "ppo", "--config", str(first / "config.json"), "--run", str(second), "--no-plot"]) == 0
    rows = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (first, second)]
    timed = ("seconds", "steps_per_second")
    kept = [[{k: v for k, v in row.items() if k not in timed} for row in part] for part in rows]
    assert kept[0] == kept[1] and len(kept[0]) == 3
    third = ["--config", str(first / "config.json"), "--seed", "4", "--run", str(tmp_path / "third"), "--no-plot"]
    assert main(["train", "ppo", *third]) == 0
    assert json.loads((tmp_path / "third" / "config.json").read_text())["settings"]["seed"] == 4


RUN = {
    "algorithm": {"name": "ppo"},
    "env": "CartPole-v1",
    "settings": {"seed": 1},
    "hyper_parameters": {},
    "digest": "",
}
MISTAKES = [
    ("a.toml", "learning_rat = 1", "a.toml: no flag is called 'learning_rat': did you mean 'learning_rate'?"),
    ("a.json", {"settings": {"sed": 1}}, "a.json: no flag is called 'sed': did you mean 'seed'?"),
    ("a.json", {"seed": 1, "settings": {"seed": 2}}, "a.json: 'seed' is set twice"),
    ("a.json", {"seed": "three"}, "a.json: seed cannot be 'three'"),
    ("a.json", {"seed": 1.5}, "--seed"),
    ("a.json", {"seed": None}, "--seed"),
    ("a.json", {"seed": [1, 2]}, "a.json: "),
    ("a.json", {"gamma": {"start": 1}}, "a.json: gamma cannot be {'start': 1}"),
    ("a.json", {"norm_adv": "yes"}, "a.json: norm_adv cannot be 'yes'"),
    ("a.json", {"norm_adv": 3}, "a.json: norm_adv cannot be 3"),
    ("a.json", {"config": "b.json"}, "a.json: no flag is called 'config'"),
    ("a.json", {"algorithm": "a2c"}, "a.json is for 'a2c', not for 'ppo'"),
    ("a.json", {"algorithm": "a2c", "num_layers": 1}, "a.json is for 'a2c', not for 'ppo'"),
    ("a.json", [1, 2], "a.json holds no flags"),
    ("a.json", "{", "a.json is damaged"),
    ("a.toml", "seed = ", "a.toml is damaged"),
    ("a.yaml", "seed: 1", "a.yaml: a file of flags ends in .toml or .json"),
    ("a.json", {**RUN, "algorithm": {"name": "a2c"}}, "a.json is for 'a2c', not for 'ppo'"),
    ("a.json", {**RUN, "parts": ["actor"]}, "a.json: that run had actor of its own, which only Python can hand over"),
    ("a.json", {**RUN, "settings": {"wrappers": ["mine"]}}, "that run had wrappers of its own"),
    ("a.json", {**RUN, "settings": 3}, "a.json is damaged: it does not say what its run was"),
    ("a.json", {**RUN, "hyper_parameters": {"learning_rate": "0.1 (1 - progress)"}}, "learning_rate cannot be"),
]


@pytest.mark.parametrize(("name", "content", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_in_a_file_is_one_line(name, content, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, name, content)
    code = main(["train", "ppo", "--config", name])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.startswith("probrl: ") and message in err
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_file_that_is_not_there(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "ppo", "--config", "no.toml"]) == 2
    assert "probrl: no.toml cannot be read: No such file" in capsys.readouterr().err


def test_the_last_of_a_flag_counts():
    assert said(["--seed", "1", "--seed=2", "--sed", "3"], "seed") == "2" and said(["--seed"], "seed") is None


def test_every_setting_that_a_shell_can_say_is_a_flag():
    choice = chosen("ppo", "--vectorization", "sync", "--stop-at", "475", "--tensorboard", "--eval-interval", "100")
    found = Settings(**choice.settings)
    assert (found.vectorization, found.stop_at, found.tensorboard, found.eval_interval) == ("sync", 475.0, True, 100)


def test_help_shows_what_suits_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        main(["train", "ppo", "--env-id", "Pendulum-v1", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert not stop.value.code
    assert "--gamma FLOAT discount factor. (default: 0.9)" in text and "{None}" not in text and "``" not in text
    assert "settings options" in text and "ppo options" in text


class Unbounded(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-float("inf"), float("inf"), (2,))


class Graphs(gymnasium.Env):
    observation_space = gymnasium.spaces.Graph(gymnasium.spaces.Discrete(2), None)
    action_space = gymnasium.spaces.Discrete(2)


@pytest.mark.parametrize(
    ("env", "message"),
    [(Unbounded, "action space Box(-inf, inf, (2,), float32) is unbounded"), (Graphs, "observation space Graph(")],
)
def test_spaces_that_nothing_can_be_learned_in(env, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"Refused{env.__name__}-v0"
    gymnasium.register(name, entry_point=env)
    try:
        code = main(["train", "ppo", "--env-id", name])
    finally:
        del gymnasium.registry[name]
    out, err = capsys.readouterr()
    assert (code, out) == (1, "") and err.count("\n") == 1 and message in err and not list(tmp_path.iterdir())


def test_the_equations_of_a_run_are_shown_by_its_config(tmp_path, capsys):
    folder = tmp_path / "run"
    small = ["--num-envs", "2", "--num-steps", "8", "--total-timesteps", "16", "--eval-episodes", "0", "--no-plot"]
    assert main(["train", "a2c", "--run", str(folder), *small, "--vf-coef", "0.125"]) == 0
    capsys.readouterr()
    assert main(["show", "a2c", "--config", str(folder / "config.json"), "--format", "text"]) == 0
    assert capsys.readouterr().out == (folder / "equations.txt").read_text()
    assert main(["show", "ppo", "--config", str(folder / "config.json")]) == 2
    assert "is for 'a2c', not for 'ppo'" in capsys.readouterr().err
