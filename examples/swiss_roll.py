"""Train a flow on the Swiss roll, evaluate its samples, draw them, save the model and load it."""

import probrl as pr

trainer = pr.GenerativeTrainer(
    pr.Recipe("flow", path="linear", hidden=(128, 128, 128), solver="heun", steps_of_solver=20),
    data="swiss_roll",
    optimizer=pr.Adam(2e-3 * (1 - pr.progress)),  # a schedule is a formula
    seed=1,
)
trainer.print_latex()  # every equation that is trained
trainer.learn(6_000)  # steps of one minibatch each; call again to continue
print(trainer.evaluate())  # samples against held-out rows
x = trainer.sample(n=1000)["x"]
print(x.shape, x.std(0))

trainer.save("runs/swiss_roll")
trainer.pictures("runs/swiss_roll")  # samples, trajectories, density, an animation of the flow

# Load the same model from its files.
again = pr.load("runs/swiss_roll")
print(again.evaluate())
