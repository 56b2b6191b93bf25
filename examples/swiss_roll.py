"""Fit a flow to the Swiss roll, measure its samples, look at them, and go on with the run."""

import probrl as pr

trainer = pr.GenerativeTrainer(
    pr.Recipe("flow", path="linear", hidden=(128, 128, 128), solver="heun", steps_of_solver=20),
    data="swiss_roll",
    optimizer=pr.Adam(2e-3 * (1 - pr.progress)),  # a schedule is a formula
    seed=1,
)
trainer.print_latex()  # every equation that is trained
trainer.learn(6_000)  # minibatches; call again to continue
print(trainer.evaluate())  # against rows that were held out
x = trainer.sample(n=1000)["x"]
print(x.shape, x.std(0))

trainer.save("runs/swiss_roll")
trainer.pictures("runs/swiss_roll")  # samples, trajectories, density, an animation of the flow

# The same model again, from the files alone.
again = pr.load("runs/swiss_roll")
print(again.evaluate())
