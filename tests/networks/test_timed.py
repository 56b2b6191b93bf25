"""Networks of (x_t, t, condition): laws of the whole family, which is found by walking the package."""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil

import pytest
import torch
from torch.func import functional_call, grad, jacrev, jvp, vmap

import probrl.networks
from probrl.errors import DataError
from probrl.networks.time_encoders import TimeEncoder
from probrl.networks.time_mlp import TimeMLP
from probrl.networks.timed import TimedNetwork
from probrl.networks.unet import UNet2d


def family(base: type) -> list[type]:
    """Every class below the base that can be made, in the files of the package."""
    modules = [
        importlib.import_module(m.name) for m in pkgutil.iter_modules(probrl.networks.__path__, "probrl.networks.")
    ]
    found = {c for m in modules for c in vars(m).values() if inspect.isclass(c) and issubclass(c, base)}
    return sorted((c for c in found - {base} if not inspect.isabstract(c)), key=lambda c: c.__name__)


ENCODERS = family(TimeEncoder)
SHAPES = {None: [(), (3,), (2, 4)], 2: [(3, 8)], 3: [(2, 4, 6)]}
SMALL = {"hidden": (16, 16), "width": 16, "blocks": 1, "embedding": 8}
CASES = [(c, shape) for c in family(TimedNetwork) for shape in SHAPES[c.dimensions]]
CONDITIONS = {
    "none": (0, lambda rows: None),
    "vector": (5, lambda rows: torch.randn(rows, 5)),
    "numbers": (1, lambda rows: torch.randn(rows)),
    "dict": (7, lambda rows: {"goal": torch.randn(rows, 2), "state": {"map": torch.randn(rows, 2, 2), "phase": torch.randn(rows)}}),
}  # fmt: skip
each_case = pytest.mark.parametrize(("cls", "shape"), CASES, ids=lambda v: getattr(v, "__name__", str(v)))


def make(cls, shape, condition=0, **more):
    """A small network whose layers that start at zero are moved from there, so that everything acts."""
    torch.manual_seed(0)
    known = inspect.signature(cls).parameters
    net = cls(shape, condition, **{k: v for k, v in SMALL.items() if k in known}, **more)
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.3)
    return net


def inputs(shape, condition="none", rows=3, dtype=torch.float32):
    return torch.randn(rows, *shape, dtype=dtype), torch.rand(rows, dtype=dtype), CONDITIONS[condition][1](rows)


def test_the_family_is_found():
    names = {c.__name__ for c in family(TimedNetwork)}
    assert {"TimeMLP", "TemporalSpatialResidualNet", "MLPResNet", "UNet1d", "UNet2d", "DiT1d", "DiT2d"} <= names
    assert {"SinusoidalTime", "FourierTime", "LearnedTime"} <= {c.__name__ for c in ENCODERS}


@each_case
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_has_the_shape_of_the_point_whatever_the_condition(cls, shape, condition, encoder):
    net = make(cls, shape, CONDITIONS[condition][0], time=encoder(8))
    for rows in (3, 1):
        x, t, c = inputs(shape, condition, rows)
        assert net(x, t, c).shape == x.shape
        torch.testing.assert_close(net(x, t[0], c), net(x, t[0].expand(rows), c))


@each_case
@pytest.mark.parametrize("condition", ["none", "dict"])
def test_gradient_reaches_every_parameter(cls, shape, condition):
    net = make(cls, shape, CONDITIONS[condition][0])
    net(*inputs(shape, condition, rows=16)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@each_case
def test_time_condition_and_every_number_of_the_point_matter(cls, shape):
    net = make(cls, shape, 5)
    x, t, c = inputs(shape, "vector")
    out = net(x, t, c)
    assert not torch.allclose(out, net(x, t + 0.1, c)) and not torch.allclose(out, net(x, t, c + 0.1))
    moved = (
        torch.autograd.grad(out.square().sum(), x.requires_grad_(), allow_unused=True)[0] if out.requires_grad else 0
    )
    x = x.detach().requires_grad_()
    [moved] = torch.autograd.grad(net(x, t, c).square().sum(), x)
    assert (moved != 0).all()


@each_case
def test_rows_do_not_see_each_other(cls, shape):
    net = make(cls, shape, 5).double()
    x, t, c = inputs(shape, "vector", dtype=torch.float64)
    torch.testing.assert_close(net(x, t, c)[1:2], net(x[1:2], t[1:2], c[1:2]))


@pytest.mark.parametrize("cls", family(TimedNetwork), ids=lambda c: c.__name__)
def test_traces_as_one_graph(cls):
    torch.compiler.reset()  # the networks share one forward, and torch keeps eight compilations of a function
    net = make(cls, SHAPES[cls.dimensions][-1], CONDITIONS["dict"][0])
    traced = torch.compile(net, backend="aot_eager", fullgraph=True)
    x, t, c = inputs(net.event_shape, "dict")
    with torch.no_grad():  # tracing the U-Nets' backward pass too takes twice as long
        torch.testing.assert_close(traced(x, t, c), net(x, t, c))


def test_a_training_step_traces_as_one_graph():
    torch.compiler.reset()
    net = make(TimeMLP, (2,), 5)
    x, t, c = inputs((2,), "vector")

    def gradient(params):
        return grad(lambda p: (functional_call(net, p, (x, t, c)) - x).square().mean())(params)

    params = {name: p.detach() for name, p in net.named_parameters()}
    traced = torch.compile(gradient, backend="aot_eager", fullgraph=True)(params)
    for name, expected in gradient(params).items():
        torch.testing.assert_close(traced[name], expected)


@each_case
def test_double_precision_stays(cls, shape):
    net = make(cls, shape, 5).double()
    x, t, c = inputs(shape, "vector", dtype=torch.float64)
    out = net(x, t, c)  # the condition is single
    assert out.dtype is torch.float64 and net(x.float(), t.float(), c).dtype is torch.float64


@each_case
def test_derivatives_forwards_backwards_and_per_row(cls, shape):
    net = make(cls, shape, 5).double().eval()
    x, t, c = inputs(shape, "vector", dtype=torch.float64)
    v, step = torch.randn_like(x), 1e-6
    _, tangent = jvp(lambda x, t: net(x, t, c), (x, t), (v, torch.ones_like(t)))
    by_differences = (net(x + step * v, t + step, c) - net(x - step * v, t - step, c)) / (2 * step)
    torch.testing.assert_close(tangent, by_differences, rtol=1e-4, atol=1e-5)
    # The same Jacobian row by row, as an exact divergence takes it.
    per_row = vmap(jacrev(lambda x, t, c: net(x[None], t[None], c[None])[0]))(x, t, c.double())
    d = x[0].numel()
    product = per_row.reshape(3, d, d) @ v.reshape(3, d, 1)
    _, along_x = jvp(lambda x: net(x, t, c), (x,), (v,))
    torch.testing.assert_close(product.view_as(x), along_x)
    # A loss of a derivative has a gradient, as MeanFlow's and an entropy's have.
    params = dict(net.named_parameters())
    energy = grad(lambda p: jvp(lambda x: functional_call(net, p, (x, t, c)), (x,), (v,))[1].square().sum())(params)
    assert all(g.isfinite().all() for g in energy.values())


@each_case
def test_state_goes_round(cls, shape):
    for encoder in ENCODERS:
        net, other = make(cls, shape, 5, time=encoder(8)), cls_like(cls, shape, encoder)
        x, t, c = inputs(shape, "vector")
        assert not torch.allclose(net(x, t, c), other(x, t, c))
        other.load_state_dict(net.state_dict())
        assert torch.equal(net(x, t, c), other(x, t, c))
        assert torch.equal(net(x, t, c), copy.deepcopy(net)(x, t, c))


def cls_like(cls, shape, encoder):
    known = inspect.signature(cls).parameters
    return cls(shape, 5, time=encoder(8), **{k: v for k, v in SMALL.items() if k in known})


@each_case
def test_what_does_not_fit_is_refused_by_name(cls, shape):
    net = make(cls, shape, 5)
    x, t, c = inputs(shape, "vector")
    with pytest.raises(DataError, match="built for points of shape"):
        net(x.unsqueeze(-1), t, c)
    with pytest.raises(DataError, match="one time per row"):
        net(x, t[:2], c)
    with pytest.raises(DataError, match="takes a condition of 5 numbers per row, and got none"):
        net(x, t)
    with pytest.raises(DataError, match=r"condition=5 and got 4 .*condition \(3, 4\)"):
        net(x, t, c[:, :4])
    with pytest.raises(DataError, match=r"goal has shape .* 3 rows"):
        net(x, t, {"goal": c[:2]})
    with pytest.raises(DataError, match="condition=0"):
        make(cls, shape)(x, t, c)
    with pytest.raises(DataError, match="positive whole numbers"):
        cls((0, *shape[1:]))


@pytest.mark.parametrize("cls", [c for c in family(TimedNetwork) if c.dimensions], ids=lambda c: c.__name__)
def test_events_of_other_dimensions_are_refused(cls):
    with pytest.raises(DataError, match="channels first"):
        cls((3,))


def test_a_user_s_time_encoder_needs_no_registration():
    class Own(torch.nn.Module):
        size = 1

        def forward(self, t):
            return t.unsqueeze(-1)

    net = make(family(TimedNetwork)[0], SHAPES[family(TimedNetwork)[0].dimensions][0], time=Own())
    x, t, _ = inputs(net.event_shape)
    assert net(x, t).shape == x.shape
    with pytest.raises(DataError, match="set its attribute 'size'"):
        UNet2d((1, 4, 4), time=torch.nn.Identity())


@pytest.mark.parametrize("side", [1, 2, 3, 5, 7, 8])
def test_a_u_net_takes_every_size(side):
    net = UNet2d((1, side, 2 * side), width=8, levels=(1, 2, 2), blocks=2)
    x, t, _ = inputs(net.event_shape, rows=1)
    assert net(x, t).shape == x.shape


@pytest.mark.parametrize("cls", [c for c in family(TimedNetwork) if c.dimensions], ids=lambda c: c.__name__)
def test_starts_at_zero_where_the_field_does(cls):
    shape = SHAPES[cls.dimensions][0]
    x, t, _ = inputs(shape)
    known = inspect.signature(cls).parameters
    assert not cls(shape, **{k: v for k, v in SMALL.items() if k in known})(x, t).any()


def test_dropout_acts_while_training_only():
    for cls in family(TimedNetwork):
        if "dropout" in inspect.signature(cls).parameters:
            net = make(cls, SHAPES[cls.dimensions][-1], dropout=0.5)
            x, t, _ = inputs(net.event_shape)
            assert not torch.equal(net(x, t), net(x, t))
            net.eval()
            assert torch.equal(net(x, t), net(x, t))
            with pytest.raises(DataError, match="share"):
                make(cls, SHAPES[cls.dimensions][-1], dropout=1.0)


def test_sinusoids_are_those_of_the_formula():
    from probrl.networks.time_encoders import SinusoidalTime

    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    found = SinusoidalTime(6, scale=100.0, period=10_000.0).double()(t)
    angles = t[:, None] * torch.tensor([100.0, 1.0, 0.01], dtype=torch.float64)
    torch.testing.assert_close(found, torch.cat([angles.cos(), angles.sin()], 1), atol=1e-6, rtol=0)


def test_random_frequencies_follow_their_generator():
    from probrl.networks.time_encoders import FourierTime

    first, second = (FourierTime(8, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.frequencies, second.frequencies)
    with pytest.raises(DataError, match="positive even"):
        FourierTime(7)


def test_patches_hold_neighbours_and_go_back():
    from probrl.networks.dit import DiT2d

    net = DiT2d((2, 4, 6), patch=2, width=8, blocks=1, heads=2)
    x = torch.arange(48.0).view(1, 2, 4, 6)
    patches = net._patches(x)
    assert patches.shape == (1, 6, 8)
    assert torch.equal(patches[0, 4].view(2, 2, 2), x[0, :, 2:4, 2:4])  # second row, second column
    assert torch.equal(net._events(patches), x)
    with pytest.raises(DataError, match="do not divide"):
        DiT2d((1, 4, 5))
    with pytest.raises(DataError, match="heads do not divide"):
        DiT2d((1, 4, 4), width=6)


def test_the_perceptron_hears_point_time_and_condition_alike():
    """Drawn as one matrix, the weights of two coordinates are lost beside those of the time."""
    first = TimeMLP(2, condition=50, hidden=(512,)).layers[0]
    point, time, condition = first.weight.split([2, 64, 50], 1)
    for part in (point, time, condition):
        assert part.square().sum(1).mean().item() == pytest.approx(2, rel=0.15)
