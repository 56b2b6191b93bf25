"""A flow on a condition: one model for eight Gaussians, asked for each by its number, with guidance by dropped conditions."""

import torch

import probrl as pr

data = pr.toys.toy("eight_gaussians").columns(20_000)  # x: points, c: which Gaussian, one-hot
classes = data["c"].shape[1]

network = pr.networks.TimeMLP(2, condition=classes, hidden=(128, 128))
v = pr.Flow("x | c", network, drop=0.1, name=r"v_\theta", solver=pr.solvers.Heun(steps=15))

x, c = pr.symbols("x c")
loss = pr.mean(v(c).matching(x))  # what the trainer would take by itself
trainer = pr.GenerativeTrainer(v, loss, {"x": data["x"], "c": data["c"]}, optimizer=pr.Adam(2e-3 * (1 - pr.progress)))
print(trainer.text())
trainer.learn(3_000)
print(trainer.evaluate())

# One condition each, 200 samples of every one: row i owns the samples 200 i to 200 i + 199.
one_of_each = torch.eye(classes)
samples = trainer.sample({"c": one_of_each}, n=200)["x"].view(classes, 200, 2)
for i, centre in enumerate(samples.mean(1)):
    true = data["x"][data["c"].argmax(1) == i].mean(0)
    print(f"class {i}: the mean of samples is {(centre - true).norm():.3f} from that of the data")
