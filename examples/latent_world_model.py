"""A latent world model: a recurrent state, discrete latents with straight-through gradients, KL balancing.

The toy world is a light on a ring of five places, which the action moves forwards or backwards; the reward is 1 while it
is at the first place. The model sees noisy observations of the ring.
"""

import torch

import probrl as pr

CLASSES, HIDDEN, PLACES, FEATURES = 8, 16, 5, 16

# --- symbols and distributions ---------------------------------------------------------------------------------
time = pr.Axis("time", mask="valid")  # rows with valid = 0 enter no mean and restart the recursion
o, a = pr.symbols("o a", rank=1, axes=time)
r, first = pr.symbols("r first", axes=time)

core = pr.Deterministic("h | h_prev, z_prev, a_prev", pr.mlp(HIDDEN + CLASSES + 1, 32, HIDDEN), rank=1, name="f")
encoder = pr.Deterministic("e | o", pr.mlp(PLACES, 32, FEATURES), rank=1, name="g")
q = pr.OneHot("z | h, e", pr.mlp(HIDDEN + FEATURES, 32, CLASSES), name=r"q_\phi")
p = pr.OneHot("z | h", pr.mlp(HIDDEN, 32, CLASSES), name=r"p_\theta")
decoder = pr.Normal("o | h, z", pr.mlp(HIDDEN + CLASSES, 32, 2 * PLACES), name="d")
reward = pr.Normal("r | h, z", pr.mlp(HIDDEN + CLASSES, 32, 2), rank=0, name=r"\rho")

# --- the model over time ---------------------------------------------------------------------------------------
e, keep = encoder(o), 1 - first


def body(h, z):
    h = core(keep * h, keep * z, keep * pr.prev(a, first=0))
    return h, q(h, e).draw(gradient="straight-through").to_event("class")


h, z = pr.recursion(body, init=(0, 0), over="time")

# --- the loss --------------------------------------------------------------------------------------------------
posterior, prior = q(h, e), p(h)
picture = (-decoder(h, z).log_prob(o)).named("picture")
gain = (-reward(h, z).log_prob(r)).named("gain")
kl = 0.5 * pr.maximum(1, pr.stop_gradient(posterior).kl(prior)) + 0.1 * pr.maximum(
    1, posterior.kl(pr.stop_gradient(prior))
)
loss = pr.mean(picture + gain + kl.named("kl"))
parts = [core, q, p, encoder, decoder, reward]
model = pr.Program(pr.Minimize(loss, wrt=parts, optimizer=pr.Adam(3e-3), max_grad_norm=100))
print(model)


# --- the toy world ---------------------------------------------------------------------------------------------
def sequences(rows: int, steps: int) -> dict[str, torch.Tensor]:
    action = torch.randint(0, 2, (rows, steps)) * 2 - 1
    start = torch.randint(0, PLACES, (rows, 1))
    moved = torch.cat(
        [torch.zeros(rows, 1, dtype=torch.long), action[:, :-1].cumsum(1)], 1
    )  # an action acts on the next row
    place = (start + moved) % PLACES
    light = torch.nn.functional.one_hot(place, PLACES).float()
    begins = torch.zeros(rows, steps, dtype=torch.bool)
    begins[:, 0] = True
    return {
        "o": light + 0.1 * torch.randn(light.shape),
        "a": action.float()[..., None],
        "r": (place == 0).float(),
        "first": begins,
        "valid": torch.rand(rows, 1) * steps * 2 > torch.arange(steps),  # sequences of several lengths
    }


# --- run it ----------------------------------------------------------------------------------------------------
torch.manual_seed(0)
model.check(sequences(4, 6))
update = model.compile(seed=0)
for i in range(150):
    metrics = update(sequences(16, 8))
    if i % 30 == 0:
        print(f"update {i:3d}: " + ", ".join(f"{k} {float(v):+.3f}" for k, v in metrics.items() if k != "finite"))
