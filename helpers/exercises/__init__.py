"""Answers to the exercises, kept out of the notebooks so that nobody reads them by accident."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from numbers import Number
from pkgutil import iter_modules

import numpy as np


@dataclass(frozen=True)
class Answer:
    """The right answer of one exercise.

    `value` is a number, a string, a bool, a sequence of these, or a function that says whether a given answer is
    right. `tolerance` is the largest absolute difference allowed for numbers. `example` is one right answer, needed
    when `value` is a function (the tests try it).
    """

    value: object
    hint: str
    tolerance: float = 0.0
    example: object = None

    def accepts(self, given: object) -> bool:
        """Whether `given` is right; anything that cannot be compared is wrong, never an error."""
        try:
            return bool(self.value(given)) if isinstance(self.value, Callable) else self._same(self.value, given)
        except Exception:
            return False

    def _same(self, wanted: object, given: object) -> bool:
        if isinstance(wanted, str):
            return isinstance(given, str) and given.strip().casefold() == wanted.casefold()
        if isinstance(wanted, bool):
            return isinstance(given, bool | np.bool_) and bool(given) is wanted
        if isinstance(wanted, Number):
            return abs(float(given) - float(wanted)) <= self.tolerance
        return len(given) == len(wanted) and all(self._same(w, g) for w, g in zip(wanted, given))


def all_answers() -> dict[str, Answer]:
    """Every exercise number of the course with its answer, from the modules beside this one."""
    answers: dict[str, Answer] = {}
    for module in iter_modules(__path__, prefix=f"{__name__}."):
        for number, answer in import_module(module.name).ANSWERS.items():
            if number in answers:
                raise ValueError(f"Exercise {number} is answered twice; see {module.name}.")
            answers[number] = answer
    return answers


def find_answer(exercise: str) -> Answer:
    """The answer of one exercise, by its number such as "2.4"."""
    answers = all_answers()
    if exercise not in answers:
        raise KeyError(f"There is no exercise {exercise}; known are {', '.join(sorted(answers))}.")
    return answers[exercise]
