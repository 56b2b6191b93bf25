"""Train PPO on CartPole, look at what is trained, save it and use it."""

import probrl as pr

agent = pr.PPO("CartPole-v1", seed=1)
agent.print_latex()  # every equation that will be trained
agent.learn(50_000)  # progress bar, live metrics; call again to continue
print(agent.evaluate(episodes=20))  # mean, std, IQM, interval, returns
agent.save("runs/cartpole")

# The same agent again, from the files alone.
again = pr.load("runs/cartpole")
print(again.evaluate(episodes=20))
