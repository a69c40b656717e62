"""Multi-frame objects: the place of every frame from the functional groups (PS3.3 C.7.6.16)."""

from helpers.dicom.frames import Broken, Frame
from helpers.dicom.header import Header


def multiframe(header: Header) -> list[Frame]:
    """All frames of an enhanced object."""
    raise Broken("a multi-frame object, which is not read yet")
