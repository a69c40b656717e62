"""What the notebooks say to their reader: checks, answers to exercises, and which data a part used."""

from __future__ import annotations

from html import escape

from IPython.display import HTML, display

from helpers.exercises import Answer, find_answer

#: Kinds of data a part of a notebook may use, with the words shown to the reader.
DATA_KINDS = {
    "bundled": "bundled with an installed package or drawn by this course",
    "own": "your own data",
    "fetched": "a fetched data set",
    "simulated": "SIMULATED data",
}


class CheckFailed(AssertionError):
    """A statement of the course did not hold; the message is the statement."""


def check(claim: str, holds: object) -> None:
    """Print ``✓ claim`` when `holds` is true; otherwise raise `CheckFailed` with the claim.

    The claim's words are compared by the tests, so they must not contain numbers that differ between machines.
    """
    if not bool(holds):
        raise CheckFailed(f"not true here: {claim}")
    print(f"✓ {claim}")


def check_answer(exercise: str, given: object) -> None:
    """Say whether `given` answers the exercise; `None` means that the reader has not tried yet."""
    answer: Answer = find_answer(exercise)
    if given is None:
        print(f"Exercise {exercise}: replace None by your answer and run this cell again.")
    elif answer.accepts(given):
        print(f"Exercise {exercise}: right.")
    else:
        print(f"Exercise {exercise}: not yet. Hint: {answer.hint}")


def data_note(part: str, kind: str, what: str) -> None:
    """Show which data the part uses; simulated data get a box that cannot be missed.

    `kind` is one of `DATA_KINDS`. The note also goes into the output's metadata, where the table at the end of
    ``make notebooks`` finds it.
    """
    if kind not in DATA_KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(DATA_KINDS)}.")
    loud = kind == "simulated"
    border, ground = ("#D55E00", "#FFF1E6") if loud else ("#0072B2", "#EEF5FA")
    text = f"Data for {part}: {what} ({DATA_KINDS[kind]})."
    box = (
        f'<div style="border-left:6px solid {border};background:{ground};color:#111;padding:0.6em 1em;'
        f'margin:0.5em 0;{"font-size:115%;font-weight:bold;" if loud else ""}">{escape(text)}</div>'
    )
    display(HTML(box), metadata={"medimg": {"part": part, "kind": kind, "what": what}})
