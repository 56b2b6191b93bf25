"""The few operations of a graph that torch has no single function for: each runs on plain tensors, on its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map


def widened(x):
    """The value in double precision."""
    return x.double()


def narrowed(x, *likes):
    """The value in the type of the floating numbers that it was computed from."""
    kinds = [y.dtype for y in likes if y.is_floating_point()]
    return x.to(kinds[0] if kinds else torch.get_default_dtype())


def network(net, axes, lead, rank, held, *args):
    """Calls a module on arguments with ``axes`` leading dimensions each, flattened into the one that modules expect.

    The result has ``lead`` dimensions that the module adds in front, the leading dimensions, then ``rank`` event
    dimensions; a trailing dimension of size 1 is dropped when the event has none. ``held`` records no gradient.
    """
    if held:
        with torch.no_grad():
            return network(net, axes, lead, rank, False, *args)
    if axes == 1 and alike(args):  # nothing to expand or to make one of
        out = net(*args)
        return shaped(out, net, lead + 1, rank)
    if not args:
        return shaped(net(), net, lead, rank)
    shape = common_shape([a.shape[:axes] for a in tree_leaves(args) if isinstance(a, Tensor)]) if axes else ()
    out = net(*(flattened(a, axes, shape, args) for a in args))
    out = shaped(out, net, lead + 1, rank)

    def restore(y):
        return y.reshape(*y.shape[:lead], *shape, *y.shape[lead + 1 :])

    return restore(out) if isinstance(out, Tensor) else tuple(restore(y) for y in out)


def alike(args):
    """Whether all arguments are tensors, or nested dicts of tensors, of as many rows."""
    rows = [*rows_of(args)]
    return all(r is not None and r == rows[0] for r in rows)


def rows_of(args):
    """The first dimension of every tensor, those in nested dicts too; None for what is no tensor."""
    for a in args:
        if isinstance(a, Tensor):
            yield a.shape[:1]
        elif isinstance(a, dict):
            yield from rows_of(a.values())
        else:
            yield None


def common_shape(shapes):
    """What shapes broadcast to; torch's own function costs more than a small layer."""
    first, *others = shapes
    return first if all(s == first for s in others) else torch.broadcast_shapes(first, *others)


def flattened(x, axes, shape, others):
    """One argument with its leading dimensions expanded to ``shape`` and made one."""
    rows = 1
    for size in shape:
        rows *= size
    if isinstance(x, (int, float)):
        like = next((o for o in others if isinstance(o, Tensor) and o.is_floating_point()), None)
        return torch.full((rows,), float(x)) if like is None else like.new_full((rows,), float(x))
    return tree_map(lambda t: t.expand(*shape, *t.shape[axes:]).reshape(rows, *t.shape[axes:]), x)


def shaped(out, net, leading, rank):
    """The module's output(s), checked against what the declaration says of them."""
    if isinstance(rank, tuple):
        parts = tuple(out.values()) if isinstance(out, dict) else tuple(out)
        if len(parts) != len(rank):
            raise ValueError(f"{label(net)} returns {len(parts)} outputs and its declaration says {len(rank)}")
        return tuple(shaped(y, net, leading, r) for y, r in zip(parts, rank, strict=True))
    if not isinstance(out, Tensor):
        raise ValueError(f"{label(net)} returns a {type(out).__name__} and its declaration says one tensor")
    extra = out.dim() - leading - rank
    if extra == 0:
        return out
    if extra == 1 and out.shape[-1] == 1:
        return out.squeeze(-1)
    raise ValueError(
        f"{label(net)} gives the shape {tuple(out.shape)} where {leading} leading and {rank} event dimensions are declared: "
        "declare rank=1 for a vector, or an index axis as in 'q[a] | s'"
    )


def label(net):
    """What a network is called in a message."""
    return getattr(net, "label", None) or type(net).__name__


def gather(x, index, dim, event):
    """The entries of x at an integer index along ``dim``; the other leading dimensions of both are aligned.

    ``index`` lacks the dimension ``dim`` and the ``event`` trailing ones.
    """
    index = index.long()
    if not event and index.shape == x.shape[:dim] + x.shape[dim + 1 :]:
        return torch.gather(x, dim, index.unsqueeze(dim)).squeeze(dim)
    index = index.unsqueeze(dim)
    for _ in range(event):
        index = index.unsqueeze(-1)
    shape = torch.broadcast_shapes((*x.shape[:dim], 1, *x.shape[dim + 1 :]), index.shape)
    x = x.expand(*shape[:dim], x.shape[dim], *shape[dim + 1 :])
    return torch.gather(x, dim, index.expand(shape)).squeeze(dim)


def masked_mean(x, mask, rows, dims):
    """The mean over the rows that count; ``rows`` is how many they are."""
    return torch.where(mask, x, 0.0).sum(dims) / rows


def counted(mask, dims, like):
    """How many rows count, at least 1: the mean of no row is 0. ``like`` has the dimensions that the mask lacks."""
    return (mask if like is None else mask.expand(like.shape)).sum(dims).clamp(min=1)


def linear_recursion(a, b, init, dim, reverse):
    """h_t = a_t h_{t-1} + b_t along a dimension; where it is long by doubling, log2(T) steps instead of T."""
    shape = common_shape([x.shape for x in (a, b) if isinstance(x, Tensor)])
    a = (a if isinstance(a, Tensor) else b.new_full((), a)).expand(shape)
    b = (b if isinstance(b, Tensor) else a.new_full((), b)).expand(shape)
    if shape[dim] <= 24:  # for so few, one operation each costs less than the dozen of every doubling
        return one_by_one(a, b, init, dim, reverse)
    if reverse:
        a, b = a.flip(dim), b.flip(dim)
    length = shape[dim]
    if isinstance(init, Tensor) or init != 0:
        first = b.narrow(dim, 0, 1) + a.narrow(dim, 0, 1) * (init.unsqueeze(dim) if isinstance(init, Tensor) else init)
        b = torch.cat([first, b.narrow(dim, 1, length - 1)], dim)
    step = 1
    while step < length:
        rest = length - step
        later = a.narrow(dim, step, rest)
        reached = torch.addcmul(b.narrow(dim, step, rest), later, b.narrow(dim, 0, rest))
        b = torch.cat([b.narrow(dim, 0, step), reached], dim)
        if 2 * step < length:
            a = torch.cat([a.narrow(dim, 0, step), later * a.narrow(dim, 0, rest)], dim)
        step *= 2
    return b.flip(dim) if reverse else b


def one_by_one(a, b, init, dim, reverse):
    """h_t = a_t h_{t-1} + b_t along a dimension, an operation for each index."""
    rows = list(zip(a.unbind(dim), b.unbind(dim), strict=True))
    h, found = init, []
    for factor, term in reversed(rows) if reverse else rows:
        first = not isinstance(h, Tensor)
        h = (term if h == 0 else term + factor * h) if first else torch.addcmul(term, factor, h)
        found.append(h)
    return torch.stack(found[::-1] if reverse else found, dim)


def scan(body, states, rows, held, dims, mask, mask_dim, reverse):
    """States that follow from those before, one index at a time; what is kept of each index, stacked in front.

    ``body(**states, **rows at an index, **held)`` returns (new states, outputs); ``dims`` says where the index is in
    each of ``rows``. Where ``mask`` is false the states start again from where they started.
    """
    length = rows[next(iter(dims))].shape[dims[next(iter(dims))]]
    starts = list(states.values())
    names = list(states)
    current = starts
    kept: list = [None] * length
    for t in range(length - 1, -1, -1) if reverse else range(length):
        cut = {name: row.select(dims[name], t) for name, row in rows.items()}
        current, outputs = body(**dict(zip(names, current, strict=True)), **cut, **held)
        if mask is not None:
            live = mask.select(mask_dim, t)
            restarted = [torch.where(broadcast(live, c), c, s) for c, s in zip(current, starts, strict=True)]
            outputs = [next((r for c, r in zip(current, restarted, strict=True) if c is o), o) for o in outputs]
            current = restarted
        kept[t] = outputs
    return tuple(torch.stack([k[i] for k in kept], 0) for i in range(len(kept[0])))


def broadcast(mask, x):
    """A mask with as many dimensions as x."""
    return mask.reshape(*mask.shape, *([1] * (x.dim() - mask.dim())))


def shift(x, dim, offset, first, mask):
    """x at the following (offset 1) or preceding (-1) index; ``first`` fills in at a start, after a row that is not valid."""
    length = x.shape[dim]
    if offset > 0:
        return torch.cat([x.narrow(dim, 1, length - 1), x.narrow(dim, length - 1, 1)], dim)
    first = first if isinstance(first, Tensor) else torch.full_like(x.narrow(dim, 0, 1), first)
    first = first.to(x.dtype).expand(x.shape) if first.dim() == x.dim() else first
    head = first.narrow(dim, 0, 1) if first.shape[dim] != 1 else first
    out = torch.cat([head, x.narrow(dim, 0, length - 1)], dim)
    if mask is None:
        return out
    before = torch.cat([torch.ones_like(mask.narrow(dim, 0, 1)), mask.narrow(dim, 0, length - 1)], dim)
    return torch.where(broadcast(before, out), out, first)


def gradient(function, name, x, captured):
    """The gradient by x, row by row, of a scalar per row."""
    return torch.func.grad(lambda value: function(**{name: value}, **captured).sum())(x)


def directional(function, primals, tangents, extra, captured):
    """The derivative along tangents; the ``extra`` leading dimensions of the tangents are that many directions at once."""
    names = tuple(primals)

    def value(*xs):
        return function(**dict(zip(names, xs, strict=True)), **captured)

    def along(*vs):
        return torch.func.jvp(value, tuple(primals.values()), vs)[1]

    def along_traced(*vs):
        # The derivative of a pull-back by what it pulls: torch 2.13 cannot trace the gradient of a forward-mode one.
        y, pull = torch.func.vjp(value, *primals.values())  # type: ignore[misc]
        return torch.func.vjp(pull, torch.zeros_like(y))[1](vs)[0]

    if torch.compiler.is_compiling():
        along = along_traced
    for _ in range(extra):
        along = torch.func.vmap(along)
    return along(*tangents)


def tangent(v, x, extra):
    """A tangent in the shape of its primal, with ``extra`` dimensions in front."""
    if not isinstance(v, Tensor):
        v = torch.full_like(x, v)
    return v.to(x.dtype).expand(*v.shape[:extra], *x.shape).contiguous()


def started(x, like, dims):
    """The start of a recursion in the shape of its states: ``like`` without the dimensions ``dims``."""
    shape = [size for i, size in enumerate(like.shape) if i not in dims]
    return x.expand(shape) if isinstance(x, Tensor) else like.new_full(shape, x)


def repeated(x, sizes):
    """x with further leading dimensions, along which it does not vary."""
    return x.expand(*sizes, *x.shape).contiguous()


def insert(x, position):
    """A dimension of size 1, in every tensor of a nested value."""
    return tree_map(lambda t: t.unsqueeze(position), x)
