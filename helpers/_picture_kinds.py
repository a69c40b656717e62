"""What a file is that was given as a picture and is none: the first bytes tell, the ending of the name does not."""

from pathlib import PurePath

PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000", "AVIF")
"""Pillow's readers that are used. A closed list: some of the others start outside programs (EPS) or guess by size."""

_CAMERA_RAW = {".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef"}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def what_is_it(head: bytes, name: str) -> str:
    """End of a sentence that begins with "'name' is ", or an empty string when nothing is known against the file.

    `head` is the beginning of the file (512 bytes are enough), `name` its short name.
    """
    if head[128:132] == b"DICM":
        return "a DICOM file (a medical image), not a photograph; notebook 02 and helpers.dicom.read_series read it."
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "a HEIC picture, the usual kind of an iPhone, which is not read here; export it as JPEG first."
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        return "a film, not a picture; save one frame of it as PNG or JPEG."
    if PurePath(name).suffix.lower() in _CAMERA_RAW:
        return "a camera's raw file, of which only a small preview could be read; export it as JPEG or TIFF first."
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return "a NIfTI volume, not a photograph; notebook 02 shows how such files are read."
    for start, sentence in _OTHER_STARTS.items():
        if head.startswith(start):
            return sentence
    return _text(head)


_OTHER_STARTS = {
    b"%PDF": "a PDF document; export the page as PNG first.",
    b"%!PS": "a PostScript drawing; export it as PNG first.",
    b"8BPS": "a Photoshop document; export it as PNG or JPEG first.",
    b"PK\x03\x04": "a zip archive; unpack it and give the path of one picture.",
    b"\x1f\x8b": "a gzip archive; unpack it first.",
    b"version https://git-lfs": "a Git LFS pointer, not the picture itself; fetch it with git lfs pull.",
}


def _text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps the error page of a download, not a picture; download the picture again."
    if start.startswith(b"<svg") or b"<svg" in start[:400]:
        return "an SVG drawing; export it as PNG first."
    if start[:2] in (b"p1", b"p2", b"p3") and start[2:3].isspace():
        return ""  # plain PNM: a picture written as text
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    if head and printable >= 0.97 * len(head) and not head.startswith((b"GIF8", b"BM", b"P")):
        return "a text file, not a picture, whatever its name says; check which file you meant."
    return ""
