"""Data sets as columns: every form they come in gives the same tensors, and what is wrong is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

from probrl.data.columns import columns
from probrl.errors import DataError

X = torch.arange(12.0).view(6, 2)
C = torch.tensor([0, 1, 0, 1, 1, 0])


class Rows(Dataset):
    """A data set of the user's own."""

    def __init__(self, item, n=6):
        self.item, self.n = item, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.item(i)


class Stream(IterableDataset):
    def __iter__(self):
        yield X[0]


def saved(kind, folder):
    path = folder / f"data.{kind}"
    if kind == "npz":
        np.savez(path, x=X.double().numpy(), c=C.numpy())
    elif kind == "safetensors":
        save_file({"x": X, "c": C}, path)
    else:
        torch.save({"x": X, "c": C}, path)
    return path


FORMS = {
    "dict": lambda d: {"x": X, "c": C},
    "numpy": lambda d: {"x": X.numpy(), "c": C.numpy()},
    "doubles": lambda d: {"x": X.double(), "c": C},
    "big-endian": lambda d: {"x": X.numpy().astype(">f8"), "c": C.numpy()[::-1][::-1]},
    "lists": lambda d: {"x": X.tolist(), "c": C.tolist()},
    "tuple": lambda d: (X, C),
    "tensors": lambda d: TensorDataset(X, C),
    "own, tuples": lambda d: Rows(lambda i: (X[i], int(C[i]))),
    "own, dicts": lambda d: Rows(lambda i: {"x": X[i].numpy(), "c": C[i]}),
    "parts": lambda d: ConcatDataset([Subset(TensorDataset(X, C), [0, 1]), Subset(TensorDataset(X, C), [2, 3, 4, 5])]),
    "npz": lambda d: saved("npz", d),
    "pt": lambda d: str(saved("pt", d)),
    "pth": lambda d: saved("pth", d),
    "safetensors": lambda d: saved("safetensors", d),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_columns(form, tmp_path):
    found = columns(FORMS[form](tmp_path))
    assert sorted(found) == ["c", "x"]
    assert torch.equal(found["x"], X) and found["x"].dtype is torch.float32
    assert torch.equal(found["c"], C) and not found["c"].is_floating_point()


def test_arrays_without_names_get_them(tmp_path):
    np.save(tmp_path / "a.npy", X.numpy())
    torch.save((X, C, X), tmp_path / "a.pt")
    assert list(columns(X)) == list(columns(tmp_path / "a.npy")) == list(columns(X.numpy())) == ["x"]
    assert list(columns(TensorDataset(X, C), names=("a", "s"))) == ["a", "s"]
    assert list(columns(tmp_path / "a.pt", names=("a", "s", "g"))) == ["a", "s", "g"]
    with pytest.raises(DataError, match="3 arrays, and 2 names for them"):
        columns(tmp_path / "a.pt")


def test_names_choose_among_columns():
    assert list(columns({"x": X, "c": C, "meta": "text"}, names=["c"])) == ["c"]
    with pytest.raises(DataError, match="no column 'y', only 'x', 'c'"):
        columns({"x": X, "c": C}, names=["y"])


def test_nested_columns_stay_nested():
    found = columns({"x": X, "c": {"goal": X.double(), "map": {"left": C}}})
    assert torch.equal(found["c"]["goal"], X) and torch.equal(found["c"]["map"]["left"], C)
    with pytest.raises(DataError, match=r"'x' 6, 'c.map.left' 5"):
        columns({"x": X, "c": {"map": {"left": C[:5]}}})


def test_dtype_and_gradients():
    assert columns(X.double(), dtype=None)["x"].dtype is torch.float64
    assert columns(X.half())["x"].dtype is torch.float32
    assert not columns(X.clone().requires_grad_())["x"].requires_grad


WRONG = {
    "no array": ({}, "has no array"),
    "nothing nested": ({"x": {}}, "has no array"),
    "no rows": ({"x": X[:0]}, r"is empty: column 'x' has shape \(0, 2\)"),
    "no numbers": ({"x": X[:, :0]}, "is empty: column 'x'"),
    "empty data set": (Rows(lambda i: X[i], 0), "is empty"),
    "lengths": ({"x": X, "c": C[:4]}, "their rows are: 'x' 6, 'c' 4"),
    "NaN": ({"x": X, "c": torch.tensor([1, 2, 3, float("nan"), 5, float("inf")])}, "column 'c' has NaN .* 2 of 6 .* row 3"),
    "too large": ({"x": X.double() * 1e300}, "NaN or infinity"),
    "a number": ({"x": torch.tensor(1.0)}, "single number"),
    "text": ({"x": "hello"}, "'x' is a str"),
    "words": ({"x": np.array(["a", "b"])}, "holds <U1 and not numbers"),
    "objects": ({"x": np.array([{}, None], dtype=object)}, "holds object"),
    "complex": ({"x": torch.zeros(3, dtype=torch.complex64)}, "complex64"),
    "sparse": ({"x": torch.eye(3).to_sparse()}, "densely"),
    "a stream": (Stream(), "no length"),
    "no length": (type("D", (Dataset,), {"__getitem__": lambda s, i: X[i]})(), "no length"),
    "ragged": (Rows(lambda i: X[: i + 1]), "do not stack"),
    "other keys": (Rows(lambda i: {"x" if i < 3 else "y": X[i]}), "one lacks the key 'x'"),
    "a number of its own": (3, "'x' is a int"),
    "ragged lists": ({"x": [[1.0], [2.0, 3.0]]}, "column 'x' is no array"),
    "none": (None, "'x' is a NoneType"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name(case):
    source, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        columns(source)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*missing\.npz"):
        columns(tmp_path / "missing.npz")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(DataError, match=r"a\.csv is no file of arrays .*\.npz, \.npy, \.pt"):
        columns(tmp_path / "a.csv")
    for kind in ("npz", "npy", "pt", "safetensors"):
        (tmp_path / f"broken.{kind}").write_bytes(b"not this")
        with pytest.raises(DataError, match=f"broken.{kind}"):
            columns(tmp_path / f"broken.{kind}")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(DataError, match=r"empty\.npz: the data set has no array"):
        columns(tmp_path / "empty.npz")
    np.savez(tmp_path / "nan.npz", x=np.array([1.0, np.nan]))
    with pytest.raises(DataError, match=r"nan\.npz: column 'x' has NaN"):
        columns(tmp_path / "nan.npz")


class Loaded:
    """What must not be made while a file is read."""

    def __reduce__(self):
        return (pytest.fail, ("a file ran code",))


@pytest.mark.parametrize("kind", ["npz", "npy", "pt"])
def test_a_file_cannot_run_code(kind, tmp_path):
    path = tmp_path / f"evil.{kind}"
    if kind == "npz":
        np.savez(path, x=np.array([Loaded()], dtype=object))
    elif kind == "npy":
        np.save(path, np.array([Loaded()], dtype=object), allow_pickle=True)
    else:
        torch.save({"x": Loaded()}, path)
    with pytest.raises(DataError, match=f"evil.{kind}"):
        columns(path)


def test_lists_of_numbers_are_one_array():
    rows = [[0.0, 1.0]] * 50
    assert columns(rows)["x"].shape == (50, 2) and columns({"x": rows})["x"].shape == (50, 2)
    assert columns([np.zeros((3, 2)), np.zeros(3)])["c"].shape == (3,)
    for wrong, said in (([], "empty"), ([[0.0], [1.0, 2.0]], "'x' is no array"), ([["a"]], "not numbers")):
        with pytest.raises(DataError, match=said):
            columns(wrong)
