"""Generative models are fitted to data on the engine that agents learn on, and as nothing is lost there, nothing is here."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

import probrl as pr
from probrl.cli import main
from probrl.data.toys import EightGaussians
from probrl.errors import CheckpointError, DataError, NonFiniteError, ProbrlError
from probrl.networks import TimeMLP
from probrl.training import gallery
from probrl.training.batches import Batches
from probrl.training.generating import models, networks, paths, solvers
from probrl.training.measured import Measure
from probrl.training.minibatches import MinibatchTrainer
from tests.training.interrupted import Stopped, cut_at
from tests.training.test_resume import assert_same_run, differing, going_on, weights

SMALL = {"batch_size": 32, "log_interval": 5, "progress": False, "checkpoint_interval": 10, "plot": False}
RECIPE = pr.Recipe(hidden=(16,))


def small(model=RECIPE, data="two_moons", **options):
    return pr.GenerativeTrainer(model, data=data, **{**SMALL, **options})


def points(n=200, d=2, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


# --- learning ----------------------------------------------------------------------------------------------------
def test_eight_gaussians_are_learned_roughly():
    trainer = pr.GenerativeTrainer(
        pr.Recipe(hidden=(64, 64), path="linear"), data="eight_gaussians", optimizer=pr.Adam(3e-3 * (1 - pr.progress)),
        batch_size=256, ema=None, progress=False,
    )  # fmt: skip
    before = trainer.evaluate(1000)
    after = trainer.learn(1000).evaluate(1000)
    assert after.held_out and after.sliced_wasserstein < 0.25 < before.sliced_wasserstein
    assert after.coverage > 0.7 > before.coverage


def test_the_loss_is_that_of_the_model_by_default():
    v = pr.Flow("a | s", TimeMLP(2, condition=3, hidden=(8,)))
    trainer = small(v, {"a": points(), "s": points(d=3)})
    s, a = pr.symbols("s a")
    assert str(trainer.objective) == str(pr.mean(v(s).matching(a)))
    assert r"\mathrm{ema}" in trainer.latex() and "minibatches of 32 rows" in trainer.text()
    trainer.learn(5)
    assert trainer.timesteps == 5 and trainer.evaluate(20).points == 20
    assert trainer.sample({"s": points(3, 3)}, n=2)["a"].shape == (6, 2)


def test_the_objective_is_any_expression_of_the_columns():
    mu, (s, a, A) = pr.Diffusion("a | s", TimeMLP(2, condition=3, hidden=(8,))), pr.symbols("s a A")
    data = {"a": points(), "s": points(d=3), "A": points(d=1)[:, 0]}
    by_function = small(mu, data, objective=lambda m: pr.mean(pr.exp(A) * m(s).matching(a)))
    assert set(by_function.program.columns) == {"a", "s", "A"}
    by_function.learn(5)
    with pytest.raises(DataError, match="the objective is an expression"):
        small(mu, data, objective=3)
    with pytest.raises(DataError, match="the objective reads 'A', and the data set has 'a', 's'"):
        small(mu, {k: data[k] for k in "as"}, objective=pr.mean(pr.exp(A) * mu(s).matching(a)))


def test_every_row_comes_once_before_any_comes_again():
    batches = Batches({"x": torch.arange(7)}, seed=0)
    seen = torch.cat([batches.take(5)["x"] for _ in range(7)]).view(5, 7)
    assert all(sorted(row) == list(range(7)) for row in seen.tolist()) and len({tuple(r) for r in seen.tolist()}) > 1


def test_held_out_rows_are_never_learned_from():
    x = torch.arange(100.0).unsqueeze(-1)
    parted = small(pr.Flow("x", TimeMLP(1, hidden=(8,))), x, held_out=0.2).divided
    assert len(parted.held["x"]) == 20 and parted.apart
    assert not set(parted.train["x"][:, 0].tolist()) & set(parted.held["x"][:, 0].tolist())
    assert not small(pr.Flow("x", TimeMLP(1, hidden=(8,))), x, held_out=0.0).divided.apart


def test_samples_are_drawn_from_the_average_once_it_has_forgotten():
    trainer = small(ema=0.8)
    assert trainer.averaged is trainer.model
    trainer.learn(25)
    assert trainer.averaged is not trainer.model
    noise = points(4)
    first, second = (m.sample(n=4, start=noise)["x"] for m in (trainer.averaged, trainer.model))
    assert not torch.equal(first, second)


def test_the_seed_decides_everything():
    first, second, other = (small(seed=seed).learn(10) for seed in (1, 1, 2))
    assert differing(weights(first), weights(second)) == [] and differing(weights(first), weights(other))
    state = torch.get_rng_state()
    small().learn(5).evaluate(10)
    assert torch.equal(state, torch.get_rng_state())


def test_measurements_are_made_as_often_as_asked_for_and_disturb_nothing(tmp_path):
    plain = small().learn(20)
    watched = small(eval_interval=10, run=str(tmp_path / "run")).learn(20)
    assert differing(weights(plain), weights(watched)) == []
    found = [row for row in watched.metrics.rows if "eval_sliced_wasserstein" in row]
    assert [row["timesteps"] for row in found] == [10, 20]
    best = pr.GenerativeTrainer.load(tmp_path / "run" / "best")
    assert best.timesteps in (10, 20)
    assert isinstance(watched.evaluating(), Measure) and isinstance(watched._loop, MinibatchTrainer)


# --- nothing is lost ---------------------------------------------------------------------------------------------
CASES = {
    "flow": RECIPE,
    "diffusion": pr.Recipe("diffusion", hidden=(16,), path="gvp", predicts="velocity"),
    "conditional": pr.Recipe(hidden=(16,), conditional=True, drop=0.1),
    "optimal transport": pr.Recipe(hidden=(16,), coupling="ot"),
}


@pytest.mark.parametrize("recipe", CASES.values(), ids=CASES)
def test_a_resumed_run_is_the_uninterrupted_one(recipe, tmp_path):
    whole = small(recipe, run=str(tmp_path / "whole")).learn(38)
    with pytest.raises(Stopped):
        small(recipe, run=str(tmp_path / "cut")).learn(38, callback=cut_at(25))
    assert pr.load(tmp_path / "cut").timesteps == 20
    resumed = pr.resume(tmp_path / "cut", progress=False)
    assert_same_run(whole, resumed, tmp_path / "whole", tmp_path / "cut")
    torch.testing.assert_close(whole.sample(n=3)["x"] if not recipe.conditional else 0,
                               resumed.sample(n=3)["x"] if not recipe.conditional else 0, rtol=0, atol=0)  # fmt: skip


def test_what_was_handed_over_in_python_is_handed_over_again(tmp_path):
    def model():
        torch.manual_seed(0)
        return pr.Flow("x", TimeMLP(2, hidden=(8,)))

    data = {"x": points()}
    whole = small(model(), data, run=str(tmp_path / "whole")).learn(30)
    with pytest.raises(Stopped):
        small(model(), data, run=str(tmp_path / "cut")).learn(30, callback=cut_at(15))
    with pytest.raises(CheckpointError, match=r"your own model: hand it over, as in load\(path, model="):
        pr.load(tmp_path / "cut")
    loaded = pr.load(tmp_path / "cut", model=model())
    assert loaded.sample(n=2)["x"].shape == (2, 2)
    with pytest.raises(DataError, match="no data: hand them over"):
        loaded.learn(1)
    with pytest.raises(DataError, match="other numbers than those that were learned from"):
        pr.resume(tmp_path / "cut", model=model(), data={"x": points(seed=1)})
    again = pr.resume(tmp_path / "cut", model=model(), data=data, progress=False)
    assert_same_run(whole, again, tmp_path / "whole", tmp_path / "cut")
    with pytest.raises(CheckpointError, match="no environment"):
        pr.load(tmp_path / "cut", env="CartPole-v1", model=model())


def test_learning_in_two_parts_is_learning_in_one():
    one, two = small().learn(20), small().learn(10).learn(10)
    assert differing(weights(one), weights(two)) == []
    assert differing({**going_on(one), "update": 0}, {**going_on(two), "update": 0}) == []


def test_a_broken_loss_is_refused_and_the_weights_stay(tmp_path):
    A = pr.symbols("A")
    v, x = pr.Flow("x", TimeMLP(2, hidden=(8,))), pr.symbols("x")
    trainer = small(v, {"x": points(), "A": torch.full((200,), 1000.0)}, objective=pr.mean(pr.exp(A) * v.matching(x)))
    before = {k: t.clone() for k, t in weights(trainer).items()}
    with pytest.raises(NonFiniteError, match="loss"):
        trainer.learn(5)
    assert differing(before, weights(trainer)) == []


# --- data --------------------------------------------------------------------------------------------------------
class Two(torch.utils.data.Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return torch.tensor([float(i), 1.0])


def test_data_come_in_every_form(tmp_path):
    x = points(60)
    np.savez(tmp_path / "one.npz", anything=x.numpy())
    np.save(tmp_path / "bare.npy", x.numpy())
    torch.save({"x": x, "y": x}, tmp_path / "two.pt")
    every = [EightGaussians(), "eight_gaussians", x, {"x": x}, Two(), *map(str, tmp_path.iterdir())]
    for data in every:
        assert small(data=data).divided.train["x"].shape[1:] == (2,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "a model learns from data"),
        ("swiss_rol", "did you mean 'swiss_roll'"),
        ("no/such.npz", "there is no file"),
        (torch.tensor([[0.0, float("nan")]] * 3), r"column 'x' has NaN or infinity in 3 of 3 rows"),
        (torch.zeros(0, 2), "the data set is empty"),
        ({}, "no array"),
        ({"x": torch.zeros(5, 2), "c": torch.zeros(4)}, "one row per point"),
        ({"y": torch.zeros(5, 2), "c": torch.zeros(5)}, "no column 'x', only 'y', 'c'"),
    ],
)
def test_bad_data_are_refused_by_name(data, message):
    with pytest.raises(DataError, match=message):
        small(data=data)


def test_images_on_a_condition():
    rows = {"x": torch.randn(40, 1, 8, 8), "c": torch.eye(4).repeat(10, 1)}
    trainer = small(pr.Recipe("diffusion", network="unet2d", width=4, blocks=1, conditional=True), rows, held_out=0.2)
    trainer.learn(2)
    assert trainer.sample({"c": torch.eye(4)})["x"].shape == (4, 1, 8, 8) and trainer.evaluate(8).points == 8


def test_bad_models_are_refused_by_name():
    class Wrong(nn.Linear):
        def forward(self, x, t, condition):
            return super().forward(x)

    with pytest.raises(ProbrlError, match=r"the network Wrong gave \(2, 3\) for x_t of shape \(2, 2\)"):
        small(pr.Flow("x", Wrong(2, 3), event_shape=(2,)))
    with pytest.raises(DataError, match=r"'x' has rows of shape \(3,\), and v is declared with \(2,\)"):
        small(pr.Flow("x", TimeMLP(2, hidden=(8,))), points(d=3))
    with pytest.raises(DataError, match="the objective reads 's'"):
        small(pr.Flow("x | s", TimeMLP(2, condition=1, hidden=(8,))), {"x": points()})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bach_size": 3}, "no option 'bach_size'"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"ema": 1.0}, "ema is None or a share"),
        ({"held_out": -0.1}, "held_out is a share"),
        ({"log_interval": 0}, "log_interval must be positive"),
        ({"optimizer": 0.1}, "the optimizer is one of probrl's"),
        ({"stop_at": 3.0}, "no option 'stop_at'"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(DataError, match=message):
        small(**options)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_are_a_positive_whole_number(steps):
    with pytest.raises(DataError, match="steps must be"):
        small().learn(steps)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "flwo"}, "did you mean 'flow'"),
        ({"path": "gpv"}, "did you mean 'gvp'"),
        ({"network": "time_mpl"}, "did you mean 'time_mlp'"),
        ({"solver": "hein"}, "did you mean 'heun'"),
        ({"predicts": "noize"}, "a network predicts"),
        ({"model": "diffusion", "coupling": "ot"}, "diffusion has no coupling"),
        ({"width": 3}, "time_mlp has no width"),
    ],
)
def test_bad_recipes_are_refused_by_name(fields, message):
    with pytest.raises(ProbrlError, match=message):
        small(pr.Recipe(**fields))


def test_what_there_is_is_found_by_walking():
    assert {"diffusion", "flow"} <= set(models()) and {"linear_vp", "gvp", "edm"} <= set(paths())
    assert {"time_mlp", "mlp_resnet", "unet2d"} <= set(networks()) and {"dpm", "heun", "ddim"} <= set(solvers())


# --- the shell ---------------------------------------------------------------------------------------------------
QUICK = ["--steps", "10", "--hidden", "8", "--batch-size", "16", "--log-interval", "5", "--no-plot"]


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_model_is_trained_resumed_and_measured_from_a_shell(tmp_path, capsys):
    folder = str(tmp_path / "run")
    words = ["train-model", "flow", "--data", "two_moons", "--path", "gvp", "--predicts", "noise", *QUICK]
    code, out, err = run(capsys, *words, "--seed", "3", "--run", folder)
    assert (code, err) == (0, "") and out.startswith(f"10 steps, kept in {folder}\nsliced Wasserstein ")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["hyper_parameters"]["path"] == "gvp" and config["settings"]["seed"] == 3
    assert "probrl resume" in (tmp_path / "run" / "README.md").read_text()
    code, out, _ = run(capsys, "resume", folder, "--total-timesteps", "15", "--progress", "False")
    assert code == 0 and out.startswith("15 steps")
    code, out, _ = run(capsys, "eval", folder)
    assert code == 0 and "held-out data" in out
    code, out, err = run(capsys, *words, "--run", folder)
    assert code == 1 and "exists and is not empty" in err
    code, out, _ = run(capsys, "show", "diffusion", "--format", "text")
    assert code == 0 and "noise matching" in out
    code, out, _ = run(capsys, "list")
    assert all(word in out for word in ("generative models", "swiss_roll", "linear_vp", "dpm"))


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["flwo"], "no generative model is called 'flwo': did you mean 'flow'?", 2),
        ([], "say which model", 2),
        (["flow", "--data", "swiss_rol"], "did you mean 'swiss_roll'?", 1),
        (["flow", "--steps", "0"], "steps must be positive", 1),
        (["flow", "--hiden", "8"], "did you mean --hidden?", 2),
        (["flow", "--data", "points.txt"], "no file of arrays", 1),
    ],
)
def test_mistakes_are_one_line(words, message, code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, _, err = run(capsys, "train-model", *words)
    assert found == code and message in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="pictures need matplotlib")
def test_pictures_are_drawn_into_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "FRAMES", 3)
    trainer = small(pr.Recipe(hidden=(8,), conditional=True), run=str(tmp_path / "run")).learn(5)
    names = [path.name for path in trainer.pictures()]
    assert names == ["samples.png", "trajectories.png", "flow.gif"]
    assert all((tmp_path / "run" / name).stat().st_size > 1000 for name in names)
    with pytest.raises(DataError, match="where the pictures"):
        small().pictures()


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="pictures need matplotlib")
def test_the_density_of_every_model_that_has_one_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "FRAMES", 3)
    monkeypatch.setattr(gallery, "RESOLUTION", 8)
    two = [pr.networks.TimeMLP(2, hidden=(8,)) for _ in range(2)]
    for model in (pr.Bridge("x", *two), pr.Diffusion("x", two[0], path=pr.paths.EDM()), pr.Flow("x", two[0])):
        trainer = small(model, run=str(tmp_path / type(model).__name__)).learn(2)
        assert "density.png" in [path.name for path in trainer.pictures()]
