"""Program 6 of the design: a pixyz distribution of the user's own is trained as it is."""

from __future__ import annotations

import copy

import pixyz.distributions
import pytest
import torch

import probrl as pr
from tests.programs.running import agree, distance, run, single, tensors


class Actor(pixyz.distributions.Categorical):
    """One-hot actions, in pixyz's way."""

    def __init__(self):
        super().__init__(var=["a"], cond_var=["o"], name="p")
        self.net = torch.nn.Linear(4, 2)

    def forward(self, o):
        return {"probs": torch.softmax(self.net(o), -1)}


def program():
    actor, o, A = Actor(), pr.symbols("o"), pr.symbols("A")
    a = pr.symbols("a", rank=1)
    step = pr.Minimize(pr.mean(-pr.given(actor, o).log_prob(a) * A), wrt=actor, optimizer=pr.Adam(1e-2))
    batch = {
        "o": torch.randn(16, 4),
        "a": torch.nn.functional.one_hot(torch.randint(0, 2, (16,)), 2).float(),
        "A": torch.randn(16),
    }
    return single(pr.Program(step), batch, actor=actor)


def test_builds_prints_and_checks(katex_errors):
    declared = program()
    assert "p(a | o)" in declared.program.text()
    assert katex_errors([declared.program.latex()]) == []
    declared.program.check(declared.batch)


def test_eager_equals_traced():
    agree(program, 5)


def test_is_the_loss_by_hand():
    torch.manual_seed(0)
    declared = program()
    actor = declared.modules["actor"]
    twin = copy.deepcopy(actor.net)
    optimizer = torch.optim.Adam(twin.parameters(), 1e-2)
    update = declared.program.compile(backend="eager")
    for _ in range(20):
        log_p = torch.log_softmax(twin(declared.batch["o"]), -1)
        loss = -((log_p * declared.batch["a"]).sum(-1) * declared.batch["A"]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found = update(declared.batch)
        assert float(found["loss"]) == pytest.approx(float(loss.detach()), abs=1e-5)
    assert distance(tensors({"n": actor.net}), tensors({"n": twin})) <= 1e-5


def test_pixyz_sees_what_was_learned():
    torch.manual_seed(0)
    declared, _, _ = run(program, "eager", 1)
    actor, batch = declared.modules["actor"], declared.batch
    before = actor.get_params({"o": batch["o"]})["probs"].detach().clone()
    declared.program.compile(backend="eager")(batch)
    assert not torch.equal(before, torch.softmax(actor.net(batch["o"]), -1))
    assert set(actor.sample({"o": batch["o"]})) == {"o", "a"}


def test_act_is_read_with_the_program():
    torch.manual_seed(0)
    s, y = pr.symbols("s y")
    pi = pr.Categorical("a | s", pr.mlp(3, 4, 2), name=r"\pi")
    Q = pr.Deterministic("q[a] | s", pr.mlp(3, 4, 2), name="Q")
    whole = pr.Program(pr.Minimize(pr.mean((Q(s).max("a") - y) ** 2), wrt=Q), act=Q(s).argmax("a"))
    assert "act by" in whole.text() and "argmax" in whole.text()
    rows = {"s": torch.randn(5, 3)}
    assert torch.equal(whole.act(rows), Q.net(rows["s"]).argmax(-1))
    drawn = pr.Program(pr.Minimize(pr.mean(-pi(s).log_prob(Q(s).argmax("a")) + 0 * y), wrt=pi), act=pi(s).draw())
    assert drawn.act(rows).shape == (5,)
