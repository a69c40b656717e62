"""Where are the faces? An RGB picture becomes boxes, by one of three detectors that need no training of your own.

    "haar"    Viola-Jones cascade with Haar features, OpenCV's haarcascade_frontalface_default.xml (Viola and Jones,
              CVPR 2001; Lienhart and Maydt, ICIP 2002; the file is by Rainer Lienhart). Needs OpenCV below 5.
    "lbp"     the same idea with local binary patterns, scikit-image's bundled file (Liao et al., ICB 2007).
    "yunet"   a small convolutional network (Wu, Peng and Yu, Machine Intelligence Research 2023), a file of 232,589
              bytes that is fetched once with `make data SET=yunet`.

All three return the box that the detector itself draws, rounded to pixels and cut at the edge of the picture. The
cascades draw squares from the eyebrows to the chin, YuNet draws the outline of the face. They find faces; they neither
know nor say whose.
"""

import threading
from pathlib import Path

import cv2
import numpy as np

from helpers.boxes import BoxScore, overlap, score_boxes, score_pictures

__all__ = [
    "DETECTORS",
    "BoxScore",
    "FaceError",
    "candidate_windows",
    "detect_eyes",
    "detect_faces",
    "group_windows",
    "haar_is_available",
    "overlap",
    "score_boxes",
    "score_pictures",
    "yunet_file",
]

DETECTORS = ("haar", "lbp", "yunet")
_HAAR_FACE, _HAAR_EYE = "haarcascade_frontalface_default.xml", "haarcascade_eye.xml"
_GROUP_EPS = 0.2  # OpenCV's own tolerance in detectMultiScale: windows whose edges differ by less belong together

# Loaded detectors, one set per thread: OpenCV's objects keep the picture they work on, so threads must not share them.
_loaded = threading.local()


class FaceError(ValueError):
    """A picture, detector or setting that face detection cannot use; the message names it and the remedy."""


def detect_faces(rgb: np.ndarray, detector: str = "haar", **settings) -> np.ndarray:
    """Boxes of the faces in a picture, as int (n, 4) rows x, y, w, h, the largest first; (0, 4) when there is none.

    `rgb` is `uint8`, (h, w, 3) in the order red, green, blue as `helpers.images.read_image` returns it, or grey (h, w).
    Settings and their defaults:

    haar   scale=1.1 (ratio between one window size and the next), neighbours=5 (windows that must agree beyond the
           first), min_size=0 (pixels), cascade=None (another cascade XML in OpenCV's format instead of the bundled one)
    lbp    scale=1.2, step=1, min_size=24, max_size=None (pixels; the picture's size), neighbours=6
    yunet  score=0.7 (smallest confidence, 0..1), model=None (another ONNX file)

    Raises `FaceError` for an unknown detector or setting, for an array of another kind, and for a missing model.
    """
    if detector not in _DETECT:
        raise FaceError(f"There is no detector {detector!r}; choose {', '.join(map(repr, DETECTORS))}.")
    _check_picture(rgb)
    detect, allowed = _DETECT[detector]
    unknown = sorted(set(settings) - set(allowed))
    if unknown:
        raise FaceError(f"The detector '{detector}' has no setting {unknown[0]!r}; it has {', '.join(allowed)}.")
    for name, value in settings.items():
        _check_setting(name, value)
    return _tidy(detect(rgb, **settings), rgb.shape)


def detect_eyes(rgb: np.ndarray, face: np.ndarray, scale: float = 1.1, neighbours: int = 5) -> np.ndarray:
    """Boxes of eyes inside one face box (x, y, w, h): int (n, 4) in the picture's own coordinates."""
    _check_picture(rgb)
    x, y, w, h = (int(value) for value in face)
    inside = np.ascontiguousarray(rgb[y : y + h, x : x + w])
    if inside.size == 0:
        raise FaceError(f"The face box ({x}, {y}, {w}, {h}) lies outside the picture.")
    eyes = _tidy(_haar(inside, scale=scale, neighbours=neighbours, cascade=_bundled(_HAAR_EYE)), inside.shape)
    return np.add(eyes, [x, y, 0, 0])


def candidate_windows(rgb: np.ndarray, scale: float = 1.1) -> np.ndarray:
    """Every window that passes the whole Haar cascade, before grouping: int (n, 4), largest first; many per face."""
    _check_picture(rgb)
    _check_setting("scale", scale)
    found = _cascade(_bundled(_HAAR_FACE)).detectMultiScale(_grey(rgb), scaleFactor=scale, minNeighbors=0)
    return _by_size(np.asarray(found, dtype=int).reshape(-1, 4))


def group_windows(windows: np.ndarray, neighbours: int = 5) -> np.ndarray:
    """Windows that agree become one box, groups of `neighbours` or fewer are dropped; as `detect_faces` does it.

    So one search with `candidate_windows` gives the result for every value of `neighbours`. Returns int (n, 4).
    """
    if neighbours == 0 or len(windows) == 0:
        return np.asarray(windows, dtype=int).reshape(-1, 4)
    boxes, _ = cv2.groupRectangles(np.asarray(windows).astype(int).tolist(), neighbours, _GROUP_EPS)
    return _by_size(np.asarray(boxes, dtype=int).reshape(-1, 4))


def haar_is_available() -> bool:
    """Whether this OpenCV has cascades: version 5 moved them out of the main package and ships no cascade file."""
    return hasattr(cv2, "CascadeClassifier") and _bundled(_HAAR_FACE).is_file()


def yunet_file() -> Path | None:
    """Path of the YuNet model when it is in the folder named by MEDIMG_DATA or was fetched; else None."""
    from helpers.datasets import find

    return find("yunet")


def _haar(rgb, scale=1.1, neighbours=5, min_size=0, cascade=None):
    path = Path(cascade).expanduser() if cascade is not None else _bundled(_HAAR_FACE)
    return _cascade(path).detectMultiScale(
        _grey(rgb), scaleFactor=scale, minNeighbors=int(neighbours), minSize=(int(min_size), int(min_size))
    )


def _lbp(rgb, scale=1.2, step=1, min_size=24, max_size=None, neighbours=6):
    if not hasattr(_loaded, "lbp"):
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade

        _loaded.lbp = Cascade(lbp_frontal_face_cascade_filename())
    largest = int(max_size) if max_size is not None else max(rgb.shape[:2])
    if min(rgb.shape[:2]) < max(24, min_size) or largest < min_size:
        return np.zeros((0, 4))  # the window of 24 pixels does not fit
    sizes = {"min_size": (int(min_size),) * 2, "max_size": (largest,) * 2}
    found = _loaded.lbp.detect_multi_scale(
        rgb, scale_factor=scale, step_ratio=step, min_neighbor_number=int(neighbours), **sizes
    )
    return [(box["c"], box["r"], box["width"], box["height"]) for box in found]


#: Pixels; the cascades look through windows of 24 x 24, and YuNet is given no smaller picture either.
SMALLEST_SIDE = 24


def _yunet(rgb, score=0.7, model=None):
    network = _network(Path(model).expanduser()) if model is not None else _usual_network()
    if min(rgb.shape[:2]) < SMALLEST_SIDE:  # there OpenCV reads memory of its own and invents boxes, now and then
        return np.zeros((0, 4))
    bgr = cv2.cvtColor(rgb, cv2.COLOR_GRAY2BGR if rgb.ndim == 2 else cv2.COLOR_RGB2BGR)
    network.setInputSize((bgr.shape[1], bgr.shape[0]))
    network.setScoreThreshold(float(score))
    found = network.detect(bgr)[1]
    return np.zeros((0, 4)) if found is None else found[np.isfinite(found).all(axis=1), :4]


_DETECT = {
    "haar": (_haar, ("scale", "neighbours", "min_size", "cascade")),
    "lbp": (_lbp, ("scale", "step", "min_size", "max_size", "neighbours")),
    "yunet": (_yunet, ("score", "model")),
}


def _bundled(name: str) -> Path:
    return Path(cv2.data.haarcascades) / name if hasattr(cv2, "data") else Path(name)


def _cascade(path: Path):
    cascades = _loaded.__dict__.setdefault("cascades", {})
    if path not in cascades:
        cascades[path] = _load_cascade(path)
    return cascades[path]


def _load_cascade(path: Path):
    """OpenCV cannot open every path on Windows and keeps silent then; so the file is read here and handed over."""
    if not hasattr(cv2, "CascadeClassifier"):
        raise FaceError(
            f"OpenCV {cv2.__version__} has no cascades any more; "
            "install 'opencv-python-headless<5' or use detector='lbp'."
        )
    text = _bytes(path, "cascade").decode("utf-8", errors="replace")
    cascade = cv2.CascadeClassifier()
    try:
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        loaded = cascade.read(storage.getFirstTopLevelNode()) and not cascade.empty()
    except (cv2.error, SystemError):
        loaded = False
    if not loaded:
        raise FaceError(
            f"'{path.name}' holds no cascade that OpenCV can use; take one of those in cv2.data.haarcascades."
        )
    return cascade


def _usual_network():
    """The fetched YuNet. Once loaded it is kept: looking for the file each time would cost a hundredth of a search."""
    if not hasattr(_loaded, "yunet"):
        path = yunet_file()
        if path is None:
            raise FaceError("The YuNet model is not here; fetch it once with 'make data SET=yunet' (232,589 bytes).")
        _loaded.yunet = _network(path)
    return _loaded.yunet


def _network(path: Path):
    networks = _loaded.__dict__.setdefault("networks", {})
    if path not in networks:
        model = np.frombuffer(_bytes(path, "model"), np.uint8)
        try:
            networks[path] = cv2.FaceDetectorYN.create("onnx", model, np.zeros(0, np.uint8), (320, 320))
        except cv2.error:
            raise FaceError(f"'{path.name}' is no YuNet model; fetch it again with 'make data SET=yunet'.") from None
    return networks[path]


def _bytes(path: Path, kind: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FaceError(f"The {kind} '{path.name}' cannot be read ({error.strerror}); check its path.") from None
    if not content:
        raise FaceError(f"The {kind} '{path.name}' is empty; copy or download it again.")
    return content


def _grey(rgb: np.ndarray) -> np.ndarray:
    return rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _check_picture(rgb: np.ndarray) -> None:
    wanted = "uint8 of shape (height, width, 3), as read_image returns it"
    if not isinstance(rgb, np.ndarray):
        raise FaceError(
            f"A picture is an array, {wanted}, not {type(rgb).__name__}; read the file with read_image first."
        )
    if rgb.ndim not in (2, 3) or (rgb.ndim == 3 and rgb.shape[2] != 3) or rgb.size == 0:
        raise FaceError(f"This array has shape {rgb.shape}; a picture is {wanted}.")
    if rgb.dtype != np.uint8:
        raise FaceError(
            f"This picture is {rgb.dtype}; it must be {wanted}. Rescale it to 0..255 first, then use .astype('uint8')."
        )


def _check_setting(name: str, value) -> None:
    """Settings that OpenCV or scikit-image would take without a word, or answer with an endless search."""
    if name in ("cascade", "model") or (name == "max_size" and value is None):
        return
    rules = {"scale": (1.01, 10.0), "neighbours": (0, 10_000), "score": (0.0, 1.0), "step": (0.1, 100.0)}
    low, high = rules.get(name, (0, 1_000_000))
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise FaceError(f"{name} is {value!r}; it must be a number from {low} to {high}.")


def _tidy(boxes, shape: tuple[int, ...]) -> np.ndarray:
    """Whole pixels, inside the picture, the largest box first."""
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]  # YuNet answers tiny pictures with infinite boxes
    corners = np.rint(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])).astype(int)
    corners = np.clip(corners, 0, [shape[1], shape[0]] * 2)
    boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    return _by_size(boxes[(boxes[:, 2:] > 0).all(axis=1)])


def _by_size(boxes: np.ndarray) -> np.ndarray:
    return boxes[np.lexsort((boxes[:, 1], boxes[:, 0], -boxes[:, 2] * boxes[:, 3]))]
