"""An agent from disk learns on as the one that went on would have, whatever it plays and however that steps."""

from functools import partial

import gymnasium
import pytest
import torch
from gymnasium.wrappers import NormalizeObservation

import probrl as pr
from tests.envs.kept import InAttributes, InSimulator, Shared, Telling

SMALL = {"num_envs": 2, "num_steps": 16, "num_minibatches": 2, "update_epochs": 1, "progress": False, "seed": 3}
SHORT = partial(gymnasium.make, "CartPole-v1", max_episode_steps=9)
CASES = {
    "native, with arguments": ("CartPole-v1", {"env_kwargs": {"sutton_barto_reward": True}}),
    "wrapped": (SHORT, {"wrappers": [NormalizeObservation]}),
    "in processes": (InSimulator, {"vectorization": "async"}),
    "in attributes": (InAttributes, {}),
    "told": (Telling, {}),
    "from shared generators": (Shared, {}),
}


def weights(agent):
    return torch.cat([p.detach().flatten() for network in agent.networks().values() for p in network.parameters()])


@pytest.mark.parametrize("case", CASES)
def test_a_loaded_agent_learns_on_bit_for_bit(case, tmp_path):
    env, options = CASES[case]
    with pr.PPO(env, **SMALL, **options) as agent:
        agent.learn(64).save(tmp_path / "run")
        handed = {"wrappers": options["wrappers"]} if "wrappers" in options else {}
        with pr.load(tmp_path / "run", env=None if isinstance(env, str) else env, **handed) as loaded:
            agent.learn(64)
            loaded.learn(64)
            assert torch.equal(weights(agent), weights(loaded))
            assert list(agent.environments.episodes.returns) == list(loaded.environments.episodes.returns)
