"""A conditional flow: one model for eight Gaussians, sampled one class at a time, trained for classifier-free guidance."""

import torch

import probrl as pr

data = pr.toys.toy("eight_gaussians").columns(20_000)  # x: points, c: which Gaussian, one-hot
classes = data["c"].shape[1]

network = pr.networks.TimeMLP(2, condition=classes, hidden=(128, 128))
v = pr.Flow("x | c", network, drop=0.1, name=r"v_\theta", solver=pr.solvers.Heun(steps=15))

x, c = pr.symbols("x c")
loss = pr.mean(v(c).matching(x))  # also the trainer's default
trainer = pr.GenerativeTrainer(v, loss, {"x": data["x"], "c": data["c"]}, optimizer=pr.Adam(2e-3 * (1 - pr.progress)))
print(trainer.text())
trainer.learn(3_000)
print(trainer.evaluate())

# One condition per class, 200 samples for each: row i gives the samples 200 i to 200 i + 199.
one_of_each = torch.eye(classes)
samples = trainer.sample({"c": one_of_each}, n=200)["x"].view(classes, 200, 2)
for i, centre in enumerate(samples.mean(1)):
    true = data["x"][data["c"].argmax(1) == i].mean(0)
    print(f"class {i}: the mean of the samples is {(centre - true).norm():.3f} away from that of the data")

# Conditions were dropped in training (drop=0.1), so the model can be guided: samples become more typical of their class.
guided = v.guided(2.0).sample({"c": one_of_each}, n=200)["x"].view(classes, 200, 2)
print(f"spread within a class: {samples.std(1).mean():.3f}, guided: {guided.std(1).mean():.3f}")
