"""Who may use which letter on a page: no two things print alike."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from probrl.printing.names import Name, Spelled


class Letters:
    """Who may use which letter: the second to claim one gets a subscript, and :attr:`renamed` says so."""

    def __init__(self) -> None:
        self._given: dict[Hashable, Name] = {}
        self._taken: set[str] = set()
        self.renamed: dict[Name, str] = {}

    def claim(self, key: Hashable, name: Name, what: str = "", indices: Iterable[Spelled] = ()) -> Name:
        """The name of a thing on this page.

        Args:
            key: the identity of the thing; the same key always gets the same name.
            name: the name that it would like.
            what: what it is, in words, should another thing have that name already.
            indices: what will stand below it besides; the name is unique with and without them.
        """
        if key in self._given:
            return self._given[key]
        below, count, candidate = tuple(indices), 2, name
        while not self._taken.isdisjoint(_spellings(candidate, below)):
            candidate = name.below(Spelled(str(count), str(count)))
            count += 1
        if count > 2 and what:
            self.renamed[candidate] = what
        self._given[key] = candidate
        self._taken.update(_spellings(candidate, below))
        return candidate

    def give(self, key: Hashable, name: Name) -> None:
        """Gives a thing a name that another thing has already, because they are equal."""
        self._given.setdefault(key, name)


def _spellings(name: Name, below: tuple[Spelled, ...]) -> set[str]:
    full = name.below(*below)
    return {name.latex, full.latex, "text:" + name.text, "text:" + full.text}
