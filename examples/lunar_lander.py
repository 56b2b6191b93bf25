"""LunarLander: tuned hyper-parameters, evaluations during training, learning curves, and the best agent kept."""

import sys

import probrl as pr
from probrl.errors import MissingExtraError

try:
    # Options left out take the values tuned for LunarLander: `probrl list ppo` shows them, config.json records them.
    agent = pr.PPO("LunarLander-v3", seed=1, run="runs/lunar_lander", eval_interval=100_000, eval_episodes=10)
except MissingExtraError as error:
    sys.exit(str(error))  # the message says what to install

print(agent.algorithm)
agent.learn(1_000_000, callback=pr.callbacks.StopAt(200, episodes=100))  # a mean return of 200 counts as solved

print("last:", agent.evaluate(episodes=20))
print("runs/lunar_lander contains the equations, the metrics, the learning curves, and the best agent in best/")
