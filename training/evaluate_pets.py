"""What the shipped network does, measured through `helpers.pets` as every user would:

    python training/evaluate_pets.py --zip PATH/pets_96px.zip --run training/runs/pets   # held-out; Keras = torch?
    python training/evaluate_pets.py --folder PATH/pets/validation --others PATH/no_pets

`--folder` holds one folder of cats and one of dogs; `--others` any pictures that show neither.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from pets_data import load_zip

from helpers.evaluation import wilson
from helpers.pets import ask, ask_folder
from helpers.pets_network import shipped


def calibration_error(dog: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): |accuracy - confidence| averaged over equal bins of confidence."""
    confidence, right = np.maximum(dog, 1 - dog), (dog > 0.5) == (labels == 1)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(sum(abs(right[place == b].sum() - confidence[place == b].sum()) for b in range(bins)) / len(dog))


def report(title: str, dog: np.ndarray, labels: np.ndarray, refused: np.ndarray) -> None:
    """Print accuracy with its 95 % interval, calibration error, log-loss and the share called neither."""
    right = (dog > 0.5) == (labels == 1)
    low, high = wilson(right.sum(), len(right))
    loss = -np.mean(np.log(np.clip(np.where(labels == 1, dog, 1 - dog), 1e-12, 1)))
    print(
        f"{title}: {right.sum()} of {len(right)} right = {right.mean():.2%} (95 % interval {low:.2%} to {high:.2%}); "
        f"cats {right[labels == 0].mean():.2%}, dogs {right[labels == 1].mean():.2%}; calibration error "
        f"{calibration_error(dog, labels):.4f}; log-loss {loss:.4f}; called neither {refused.mean():.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--folder", type=Path, action="append", default=[])
    parser.add_argument("--others", type=Path, action="append", default=[])
    args = parser.parse_args()
    if args.zip:
        pictures, labels, _ = load_zip(args.zip, args.run)
        reference = np.load(args.run / "reference.npz")
        held = pictures[reference["held"]]
        ask(held[:64])  # the first call compiles
        began = time.process_time()
        answer = ask(held)
        spent = time.process_time() - began
        margin = reference["logits"] @ [-1, 1]
        probability = 1 / (1 + np.exp(-margin / shipped().temperature))
        print(f"largest difference from torch in float32: {np.abs(answer.dog - probability).max():.5f} in probability")
        print(f"{len(held) / spent:.0f} pictures per CPU-second, mirror image included")
        report("held-out", answer.dog, labels[reference["held"]], answer.strangeness > 1)
    for folder in args.folder:
        seen = ask_folder(folder)
        report(folder.name, seen.dog, seen.labels, seen.neither)
        print(f"  {seen}")
    for folder in args.others:
        seen = ask_folder(folder, labelled=False)
        print(f"{folder.name}: {seen.neither.sum()} of {len(seen.dog)} pictures called neither")


if __name__ == "__main__":
    main()
