"""How good and how fast `detect_faces` is on marked photographs: `python -m bench.bench_faces`.

Precision and recall at IoU 0.4, and the time per picture as a ratio to the bare library call with the same settings.
Both run on every picture, in turns and in changing order; the ratio is that of the sums over all pictures, of each
picture the fastest of several rounds. The pictures are those of the set `faces` (or of the folder given as argument).
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

from helpers.datasets import find, resolve
from helpers.faces import DETECTORS, detect_faces, score_pictures, yunet_file
from helpers.scenes import compose_scenes, read_annotated

ROUNDS = {"haar": 3, "lbp": 1, "yunet": 7}


def bare_calls() -> dict:
    """The same searches written straight against OpenCV and scikit-image, everything loaded beforehand."""
    haar = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"))
    lbp = Cascade(lbp_frontal_face_cascade_filename())
    calls = {
        "haar": lambda rgb: haar.detectMultiScale(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 1.1, 5),
        "lbp": lambda rgb: lbp.detect_multi_scale(rgb, 1.2, 1, (24, 24), (max(rgb.shape),) * 2, min_neighbor_number=6),
    }
    if yunet_file():
        yunet = cv2.FaceDetectorYN.create(str(yunet_file()), "", (320, 320), 0.7)
        calls["yunet"] = lambda rgb: _bare_yunet(yunet, rgb)
    return calls


def _bare_yunet(yunet, rgb: np.ndarray):
    yunet.setInputSize(rgb.shape[1::-1])
    return yunet.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]


def measure(detector: str, bare, pictures: list[np.ndarray]) -> tuple[float, float]:
    """(milliseconds per picture of detect_faces, its ratio to the bare call)."""
    best = {"ours": [np.inf] * len(pictures), "bare": [np.inf] * len(pictures)}
    jobs = {"ours": lambda rgb: detect_faces(rgb, detector), "bare": bare}
    for job in jobs.values():
        job(pictures[0])  # loads what is loaded once
    for turn in range(ROUNDS[detector]):
        for number, rgb in enumerate(pictures):
            for name in ("ours", "bare") if (turn + number) % 2 else ("bare", "ours"):
                begin = time.perf_counter()
                jobs[name](rgb)
                best[name][number] = min(best[name][number], time.perf_counter() - begin)
    return 1000 * float(np.mean(best["ours"])), float(np.sum(best["ours"]) / np.sum(best["bare"]))


def main(arguments: list[str] | None = None) -> None:
    folder = resolve(arguments[0], expects="faces") if arguments else find("faces")
    scenes = read_annotated(folder) if folder else compose_scenes()
    pictures, truths = [scene.rgb for scene in scenes], [scene.boxes for scene in scenes]
    kind = "photographs" if folder else "COMPOSED scenes (no marked photographs here)"
    print(f"{len(scenes)} {kind}, {sum(map(len, truths))} faces, IoU 0.4, default settings")
    print(f"{'detector':<10}{'precision':>10}{'recall':>8}{'ms/picture':>12}{'times bare call':>17}")
    for detector, bare in bare_calls().items():
        precision, recall = score_pictures(truths, [detect_faces(rgb, detector) for rgb in pictures])
        milliseconds, ratio = measure(detector, bare, pictures)
        print(f"{detector:<10}{precision:>10.3f}{recall:>8.3f}{milliseconds:>12.1f}{ratio:>17.3f}", flush=True)
    for missing in set(DETECTORS) - set(bare_calls()):
        print(f"{missing}: not measured, its model is not here (make data SET={missing})")


if __name__ == "__main__":
    main(sys.argv[1:])
