"""The shipped algorithms as the functions that make their agents."""

from probrl.algorithms.ppo import PPO as _PPO
from probrl.training.assembly import agent_of

PPO = agent_of(_PPO)
