"""Law 9: wrong programs are refused while they are composed, in words; the nearest right ones are accepted."""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode

from probrl.errors import ExpressionError
from probrl.expr.base import Expr
from tests.corpus.programs import CORPUS, Wrong, scene


class NoTensor(TorchFunctionMode):
    """Refuses whatever torch would compute: a formula is judged before any tensor exists."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        brought = function in BY_HAND or getattr(function, "__name__", "") == "__get__"  # by the wrong program itself
        if brought or any(issubclass(t, Expr) for t in types):
            return function(*args, **(kwargs or {}))
        raise AssertionError(f"torch.{function.__name__} was called while a formula was composed")


BY_HAND = (torch.ones, torch.zeros, torch.tensor)


def test_the_corpus_is_large():
    assert len(CORPUS) >= 30
    assert len({w.kind for w in CORPUS}) >= 10


def names(wrong: Wrong) -> str:
    return f"{CORPUS.index(wrong)}: {wrong.kind}"


@pytest.mark.parametrize("wrong", CORPUS, ids=names)
def test_a_wrong_program_is_refused_in_words(wrong):
    here = scene()
    with pytest.raises(ExpressionError) as caught, NoTensor():
        wrong.wrong(here)
    message = str(caught.value)
    assert [part for part in (*wrong.shows, *wrong.says) if part not in message] == [], message
    assert "\n" not in message and "(0x" not in message and "Symbol(" not in message, message


@pytest.mark.parametrize("wrong", CORPUS, ids=names)
def test_the_nearest_right_program_is_accepted(wrong):
    assert wrong.right(scene()) is not None
