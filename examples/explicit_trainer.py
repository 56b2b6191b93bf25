"""The loop in hand: a trainer, callbacks, one of your own, and an evaluation, on settings that you choose."""

import probrl as pr

# An agent is a declaration of formulas joined with an environment. Every hyper-parameter is an option; what is left out
# is what suits the environment, or with tuned=False the algorithm's own default.
agent = pr.PPO("CartPole-v1", seed=1, num_envs=8, num_steps=32, learning_rate=1e-3)

# A trainer plays environments with the agent and runs its program on every rollout: agent.learn makes one of its own.
trainer = pr.OnPolicyTrainer("CartPole-v1", agent)


class Slowest:
    """A callback of one's own: called with the trainer after every update; what it finds becomes a metric."""

    def __init__(self):
        self.slowest = 0.0
        self.clock = 0.0

    def __call__(self, trainer):
        seconds = trainer.metrics["seconds"] - self.clock
        self.clock, self.slowest = trainer.metrics["seconds"], max(self.slowest, seconds)
        trainer.metrics["seconds_per_update"] = seconds
        # returning False would end the learning here


watch = Slowest()
evaluate = pr.callbacks.Evaluate(every=5_000, episodes=10, path="runs/explicit/best")  # keeps the agent that did best
stop = pr.callbacks.StopAt(475, evaluation=True)  # as soon as an evaluation is that good
trainer.learn(50_000, callback=[watch, evaluate, stop])

# The rows of all metrics, one per update.
row = agent.metrics.rows[-1]
print(f"{agent.timesteps} steps in {row['seconds']:.1f} s, the slowest update took {watch.slowest:.3f} s")
print({name: round(row[name], 4) for name in ("policy", "value", "entropy", "approx_kl", "explained_variance")})

# How good it is: with the likeliest actions, and with drawn ones as it learned.
print("deterministic:", agent.evaluate(episodes=20))
print("stochastic:   ", agent.evaluate(episodes=20, deterministic=False))

# One step of the loop, by hand: one rollout, one run of the program on it.
metrics = trainer.step(progress=1.0)
print(f"{agent.iteration} rollouts so far, the last one gave a loss of {metrics['loss']:.4f}")

agent.save("runs/explicit/last")
