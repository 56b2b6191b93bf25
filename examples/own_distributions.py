"""Your own distributions instead of the default ones: a beta policy, and one written as a pixyz class."""

import gymnasium
import numpy as np
import pixyz.distributions
import torch
from gymnasium.wrappers import RescaleAction

import probrl as pr


# --- a beta policy: its actions lie in (0, 1), so the environment is wrapped to accept that interval --------------
def pendulum():
    return RescaleAction(gymnasium.make("Pendulum-v1"), np.float32(0), np.float32(1))


pi = pr.Beta("a | s", pr.mlp(3, 64, 64, 2), name=r"\beta_\theta")
V = pr.Deterministic("v | s", pr.mlp(3, 64, 64, 1), name=r"V_\phi")
hyper = {"num_envs": 4, "num_steps": 1024, "num_minibatches": 64, "update_epochs": 10, "gamma": 0.9, "gae_lambda": 0.95}
agent = pr.PPO(pendulum, actor=pi, critic=V, seed=1, norm_reward=True, **hyper)
print(agent.text())  # the equations name the beta distribution; loss and diagnostics are the same formulas as ever
agent.learn(60_000)
print(agent.evaluate(episodes=10))


# --- any pixyz distribution, unchanged ---------------------------------------------------------------------------
class Actor(pixyz.distributions.Normal):
    """p(a|s) with a free scale; it knows nothing about probrl."""

    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.loc = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
        self.log_scale = torch.nn.Parameter(torch.zeros(1))

    def forward(self, s):
        loc = self.loc(s)
        return {"loc": loc, "scale": self.log_scale.exp().expand_as(loc)}


actor = Actor()
agent = pr.PPO("Pendulum-v1", actor=actor, seed=1, norm_obs=True, **hyper)
agent.learn(20_000)
print(agent.evaluate(episodes=10))

# Training moved the actor's own parameters, so pixyz samples from the trained policy.
observation = torch.zeros(1, 3)
print("p(a|s):", actor.sample({"s": observation})["a"])
print("predicted:", agent.predict(observation[0]))
