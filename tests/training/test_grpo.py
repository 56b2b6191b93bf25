"""Group relative policy optimisation: groups in place of a critic, and a reference that is taken anew."""

import pytest
import torch

import probrl as pr
from probrl.errors import DataError
from tests.algorithms import SMALL, agent, played


def advantages(made, batch):
    return made.program.settled(made.program.steps[0].columns["A"])(batch)


def unequal(batch):
    """The same steps with rewards of their own: in short rollouts of this environment all earn the same."""
    return {**batch, "r": torch.randn(batch["r"].shape, generator=torch.Generator().manual_seed(0))}


def test_a_critic_is_refused():
    V = pr.Deterministic("v | s", pr.mlp(4, 8, 1), name="V")
    with pytest.raises(DataError, match="GRPO has no critic"):
        pr.GRPO("CartPole-v1", critic=V)
    assert pr.GRPO("CartPole-v1").critic is None


def test_advantages_are_standardised_over_the_environments_that_are_in_a_step():
    made = agent("grpo", "CartPole-v1", **{**SMALL, "num_steps": 32})
    batch = played(made, 4)
    A, valid = advantages(made, batch), batch["valid"]
    assert not valid.all()
    for t in range(valid.shape[1]):
        group = A[valid[:, t], t]
        assert abs(float(group.mean())) < 1e-5
        assert float(group.std(unbiased=False)) == pytest.approx(1, abs=1e-2) or not group.any()


def test_where_all_earned_the_same_nobody_has_an_advantage():
    made = agent("grpo", "CartPole-v1", **SMALL)
    batch = played(made)
    batch["r"] = 0.1 * torch.ones_like(batch["r"])
    batch["ended"], batch["valid"] = torch.zeros_like(batch["ended"]), torch.ones_like(batch["valid"])
    assert float(advantages(made, batch).abs().max()) < 0.02


@pytest.mark.parametrize(
    ("interval", "role", "moves"), [(2, "old", [False, True, False, True]), (None, "reference", [False] * 4)]
)
def test_the_reference_is_taken_anew_after_so_many_rollouts(interval, role, moves):
    made = agent("grpo", "CartPole-v1", reference_interval=interval, **SMALL)
    batch = unequal(played(made))
    [net] = made.actor.networks
    found = []
    before = None
    for _ in moves:
        metrics = made.update(dict(batch))
        copy = torch.cat([x.flatten() for x in net.tensors(role).values()])
        live = torch.cat([x.detach().flatten() for x in net.tensors().values()])
        found.append(torch.equal(copy, live))
        if before is not None and not found[-1]:
            assert torch.equal(copy, before)
        before = copy.clone()
    assert found == moves and metrics["kl"] >= 0


def test_the_reference_holds_the_policy_back():
    far = []
    for kl_coef in (0.0, 10.0):
        made = agent("grpo", "CartPole-v1", kl_coef=kl_coef, reference_interval=None, **{**SMALL, "update_epochs": 10})
        batch = unequal(played(made))
        for _ in range(3):
            metrics = made.update(dict(batch))
        far.append(float(metrics["kl"]))
    assert far[1] < 0.5 * far[0]


def test_cartpole_is_learned():
    agent = pr.GRPO("CartPole-v1", seed=1, progress=False).learn(30_000)
    assert agent.evaluate(episodes=10).mean >= 200
