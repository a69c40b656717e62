"""What a loader met on its way: one word, one sentence and the files concerned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One irregularity of a series and what was done about it.

    kind: one word to test for, such as ``tilt``, ``missing_slice``, ``duplicate`` or ``no_rescale``.
    message: one or two sentences; never a patient's name, number or date.
    files: short names (relative to the folder that was read) of the files concerned; empty when it is all of them.
    """

    kind: str
    message: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


NO_HU = ("not_hu", "no_rescale")  # findings with which the values of a volume are no Hounsfield units


class DicomSeriesError(ValueError):
    """A series that cannot be read without guessing. ``findings`` tells what stood in the way, file by file."""

    def __init__(self, message: str, findings: Iterable[Finding] = ()):
        super().__init__(message)
        self.findings: list[Finding] = list(findings)

    def __reduce__(self):
        # Exceptions are rebuilt from their arguments when they cross a process; the findings must come along.
        return type(self), (str(self), self.findings)


def some(names: Sequence[str], most: int = 3) -> str:
    """A readable list of names: 'a, b, c and 4 more'."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(count: int, noun: str) -> str:
    """'1 slice', '3 slices', '2 series'."""
    return f"{count} {noun}" if count == 1 or noun.endswith("s") else f"{count} {noun}s"
