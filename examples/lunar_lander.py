"""Land on the moon: hyper-parameters that suit the environment, evaluations as it learns, curves, the best agent kept."""

import sys

import probrl as pr
from probrl.errors import MissingExtraError

try:
    # What is not chosen here is what suits LunarLander: `probrl list ppo` shows it, and config.json keeps it.
    agent = pr.PPO("LunarLander-v3", seed=1, run="runs/lunar_lander", eval_interval=100_000, eval_episodes=10)
except MissingExtraError as error:
    sys.exit(str(error))  # says what to install

print(agent.algorithm)
agent.learn(1_000_000, callback=pr.callbacks.StopAt(200, episodes=100))  # 200 is what counts as solved

print("last:", agent.evaluate(episodes=20))
print("runs/lunar_lander holds the equations, the metrics, curves as a picture, and the best agent in best")
