"""An explicit training loop: a trainer, callbacks, one of them your own, and evaluations, with settings that you choose."""

import probrl as pr

# An agent joins a declaration (formulas) with an environment. Every hyper-parameter is an option; those that you leave
# out take values tuned for the environment, or the algorithm's own defaults with tuned=False.
agent = pr.PPO("CartPole-v1", seed=1, num_envs=8, num_steps=32, learning_rate=1e-3)

# A trainer plays in environments with the agent and runs the agent's program on every rollout; agent.learn creates one.
trainer = pr.OnPolicyTrainer("CartPole-v1", agent)


class Slowest:
    """A callback of your own: called with the trainer after every update; it adds a metric."""

    def __init__(self):
        self.slowest = 0.0
        self.clock = 0.0

    def __call__(self, trainer):
        seconds = trainer.metrics["seconds"] - self.clock
        self.clock, self.slowest = trainer.metrics["seconds"], max(self.slowest, seconds)
        trainer.metrics["seconds_per_update"] = seconds
        # returning False would stop training here


watch = Slowest()
evaluate = pr.callbacks.Evaluate(every=5_000, episodes=10, path="runs/explicit/best")  # keeps the best agent
stop = pr.callbacks.StopAt(475, evaluation=True)  # stops once an evaluation reaches 475
trainer.learn(50_000, callback=[watch, evaluate, stop])

# All metrics, one row per update.
row = agent.metrics.rows[-1]
print(f"{agent.timesteps} steps in {row['seconds']:.1f} s, the slowest update took {watch.slowest:.3f} s")
print({name: round(row[name], 4) for name in ("policy", "value", "entropy", "approx_kl", "explained_variance")})

# Evaluations: with the most likely actions, and with sampled ones as in training.
print("deterministic:", agent.evaluate(episodes=20))
print("stochastic:   ", agent.evaluate(episodes=20, deterministic=False))

# One step of the loop by hand: one rollout, and one run of the program on it.
metrics = trainer.step(progress=1.0)
print(f"{agent.iteration} rollouts so far, the last one gave a loss of {metrics['loss']:.4f}")

agent.save("runs/explicit/last")
