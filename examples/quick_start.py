"""Train PPO on CartPole, read its equations, evaluate, save and load it."""

import probrl as pr

agent = pr.PPO("CartPole-v1", seed=1)
agent.print_latex()  # every equation that will be trained
agent.learn(50_000)  # progress bar, live metrics; call again to continue
print(agent.evaluate(episodes=20))  # mean, std, IQM, interval, returns
agent.save("runs/cartpole")

# Load the same agent from its files.
again = pr.load("runs/cartpole")
print(again.evaluate(episodes=20))
