"""Pages that are made from classes and files: each member has one, each curve is drawn, the exact networks are exact."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import exact
import members
import model_page
import model_pictures
import numpy as np
import path_page
import path_pictures
import pytest
import returns
import sections
import torch
import toys

import probrl as pr
from probrl import algorithms, generative
from probrl.distributions import Distribution
from probrl.training.generating import paths
from tests.pages import ROOT

DOCS = ROOT / "docs"
KINDS = {kind: dict(known) for kind, known in members.members().items()}
EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, known in KINDS.items() for name in known]
CURVES = sorted((DOCS / "curves").glob("**/*.json"))


def test_every_shipped_path_and_model_has_a_page():
    assert set(KINDS["path"].values()) == set(paths().values())
    exported = [getattr(generative, name) for name in generative.__all__]
    models = {c for c in exported if inspect.isclass(c) and issubclass(c, Distribution)} - {generative.Model}
    assert models == set(KINDS["model"].values())
    made = members.pages()
    for kind, known in KINDS.items():
        for name, cls in known.items():
            assert made[f"{kind}s/{name}"] == f"# {cls.__name__}\n\n```{{{kind}}} {name}\n```\n"
        assert f"```{{members}} {kind}\n```" in (DOCS / f"{kind}s.md").read_text(encoding="utf-8")


def test_pages_are_written_once_and_those_of_what_is_gone_are_taken_away(tmp_path):
    class App:
        srcdir = tmp_path

    members.write(App)
    page, gone = tmp_path / "paths" / "linear.md", tmp_path / "paths" / "nothing.md"
    gone.write_text("# Nothing\n")
    before = page.stat().st_mtime_ns
    members.write(App)
    assert page.stat().st_mtime_ns == before and not gone.exists()
    assert {p.stem for p in (tmp_path / "models").glob("*.md")} == set(KINDS["model"])


def test_formulas_of_the_docstrings_compile(katex_errors):
    said = [sections.read_docstring(cls).body for known in KINDS.values() for cls in known.values()]
    formulas = [formula for body in said for formula in re.findall(r"```\{math\}\n(.*?)\n```", body, re.DOTALL)]
    assert len(formulas) > 7 and katex_errors(formulas) == []


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_what_a_class_says_is_read_whole(kind, name):
    cls = KINDS[kind][name]
    said = sections.read_docstring(cls)
    assert said.summary and "Example" in said.parts and members.sentence(kind, cls)
    text = said.summary + said.body
    assert (
        ":class:" not in text and ".. math" not in text and not re.search(r"(?m)^(Args|Source|Example|Errors):", text)
    )
    if kind == "model":
        rows = {row[0] for row in model_page.options(cls, said.fields)}
        own = {p.name for p in model_page.signature(cls) if p.kind is not p.VAR_KEYWORD} - {"self"}
        assert own <= rows, f"arguments without a word: {own - rows}"
        compile(model_page.example(said.parts["Example"]), name, "exec")
    else:
        assert eval(path_page.made_by(cls).removeprefix("path = "), {"pr": pr}) == cls()


@pytest.mark.parametrize("name", KINDS["model"])
def test_a_model_says_what_it_answers(name):
    rows = dict(model_page.answers(KINDS["model"][name].example()))
    assert list(rows) == list(model_page.ANSWERS)
    assert not rows["draw"].startswith("no")
    assert all("(" not in text.split(":")[0] for text in rows.values() if text.startswith("no: "))


def test_every_model_has_pictures():
    assert set(model_pictures.PICTURES) >= set(KINDS["model"]), (
        "without a function it is fitted for a moment: say so here"
    )


@pytest.mark.parametrize("file", CURVES, ids=lambda f: str(f.relative_to(DOCS / "curves")))
def test_every_curve_is_drawn_on_the_page_of_its_algorithm(file, tmp_path):
    name = returns.FIRST if file.parent == DOCS / "curves" else file.parent.name
    assert name in algorithms.names() and file in returns.files(DOCS / "curves", name)
    one = returns.read(file)
    kept = json.loads(file.read_text())
    assert sum(map(len, one.runs.values())) == sum(len(kept.get(side, {})) for side in returns.SIDES) > 0
    for (side, (label, _)), row in zip(((k, returns.SIDES[k]) for k in one.runs), returns.rows([one]), strict=True):
        last = [run["returns"][-1] for run in kept[side].values()]
        assert row[:4] == (one.env, f"{one.steps:,}", label, str(len(last)))
        assert row[4] == f"{np.mean(last):.1f} ± {np.std(last):.1f}"
    assert returns.draw([one], tmp_path / "new" / "curve.png").stat().st_size > 5_000


@pytest.mark.parametrize("name", ["linear", "linear_vp", "ve"])
def test_the_exact_network_is_the_slope_of_the_density(name):
    torch.manual_seed(0)
    path, points, width = paths()[name](), torch.randn(5, 2, dtype=torch.float64), 0.3
    network = exact.ExactData(path, points, width).double()
    x, t = torch.randn(20, 2, dtype=torch.float64, requires_grad=True), torch.rand(20, dtype=torch.float64) * 0.8 + 0.1
    a, s = path.alpha(t)[:, None], path.sigma(t)[:, None]
    variance = (a * width) ** 2 + s**2
    log_p = torch.logsumexp(-((x[:, None] - a[:, :, None] * points) ** 2).sum(2) / (2 * variance), 1)
    [slope] = torch.autograd.grad(log_p.sum(), x)
    found = path.convert(network(x, t), x, t, source="data", target="score")
    torch.testing.assert_close(found, slope, rtol=1e-8, atol=1e-8)


def test_jumps_and_averages_end_where_the_flow_ends():
    torch.manual_seed(0)
    path = pr.paths.Linear()
    data = exact.ExactData(path, torch.randn(4, 2), 0.4)
    flow = exact.ExactFlow(data, steps=30)
    mu = pr.Flow("x", data, path=path, predicts="data", event_shape=(2,))
    start = torch.randn(16, 2)
    end = mu.sample(start=start, solver=pr.solvers.RK4(60))["x"]
    u = pr.MeanFlow("x", exact.Average(flow), event_shape=(2,))
    torch.testing.assert_close(u.sample(start=start, steps=1)["x"], end, rtol=0, atol=5e-3)
    f = pr.ConsistencyModel("x", pr.networks.TimeMLP(2), path=path)
    f = pr.ConsistencyModel("x", exact.Jump(f, flow), path=path, event_shape=(2,))
    torch.testing.assert_close(f.sample(start=start)["x"], end, rtol=0, atol=5e-3)


def test_a_path_is_drawn(tmp_path):
    assert set(path_page.PICTURES) == {path_pictures.functions, path_pictures.rivers, path_pictures.clouds}
    for draw in (path_pictures.functions, path_pictures.rivers):
        assert Path(draw(pr.paths.Linear(), tmp_path / f"{draw.__name__}.png")).stat().st_size > 10_000


def test_the_table_of_the_toys_says_what_the_file_holds():
    kept = json.loads(toys.FILE.read_text(encoding="utf-8"))
    lines = toys.table(kept).splitlines()
    models = {row["model"] for row in kept["rows"]}
    assert len(lines) == 3 + len(models) and len({line.count("|") for line in lines}) == 1
    largest = max(row["ratio"] for row in kept["rows"])
    assert f"({largest:.2f})" in toys.table(
        kept
    ) and f"{len({row['seed'] for row in kept['rows']})} seeds" in toys.said(kept)
    assert "```{toys}" in (DOCS / "generative.md").read_text(encoding="utf-8")
