"""All edge cases, by name: every module of the zoo adds its own to CASES."""

from tests.zoo import (
    collections,
    contradictions,
    damage,
    encodings,
    enhanced,
    geometry,
    kinds,
    padding,
    pixels,
    rescale,
    spacing,
    streams,
)
from tests.zoo.answer import CASES

QUESTIONS = (
    geometry,
    spacing,
    collections,
    rescale,
    pixels,
    encodings,
    enhanced,
    padding,
    damage,
    contradictions,
    streams,
    kinds,
)

__all__ = ["CASES", "QUESTIONS"]
