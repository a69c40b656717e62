"""Train the lung U-Net that ships with the course: python -m training.train_unet

Data: chests drawn by `helpers.phantom` (no patient anywhere), 64 training patients, 12 for validation, 12 for the test,
told apart by their seed. Stops and goes on: after every epoch the state lies in training/runs/unet, named after the
file to write. About thirteen CPU-minutes; `--epochs 2 --patients 6 --to training/runs/trial.npz` takes one and leaves
the shipped file alone. `--ablation --epochs 6` trains three thinner networks on plainer and richer drawings (four
CPU-minutes). `--measure` prints the Dice on the test patients of what is there; with the real series under MEDIMG_DATA
also on that, and data/weights/unet.json gets the new numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np

from helpers.unet import (
    WEIGHTS,
    build_unet,
    dice_per_slice,
    load_unet,
    predict_canvas,
    save_weights,
    segment_slices,
    segment_volume,
)
from helpers.unet_training import Slices, phantom_slices, train
from training.measure_unet import measure_all

RUNS = Path(__file__).parent / "runs" / "unet"
TRAIN, VALIDATION, TEST = range(1000, 1064), range(2000, 2012), range(3000, 3012)
THIN = (8, 16, 32)
# name -> (variation of shape, dose or None for any, grey levels and geometry varied in every epoch)
ABLATION = {
    "textbook": (0.0, 1.0, False),
    "other patients": (1.0, None, False),
    "other patients and scanners": (1.0, None, True),
}


def dice(model, data: Slices) -> float:
    """Mean Dice per slice; a slice without lung in which some is seen counts as 0."""
    found = predict_canvas(model, data.pictures)[..., 0] >= 0.5
    return float(np.nanmean(dice_per_slice(found, data.masks[..., 0] >= 0.5)))


def run(name: str, model, data: Slices, validation: Slices, epochs: int, out: Path, **options) -> None:
    """Train with a log and a state per epoch; a second start goes on where the first was stopped."""
    state, log = RUNS / f"{name}.npz", RUNS / f"{name}.log"
    start = 0
    if state.is_file() and log.is_file():
        model.set_weights(load_unet(state).get_weights())
        start = len(log.read_text(encoding="utf-8").splitlines())
    began = time.process_time()

    def after_epoch(epoch: int, loss: float) -> None:
        save_weights(model, state)
        line = f"{name}, epoch {epoch}: loss {loss:.3f}, Dice on validation patients {dice(model, validation):.4f}, "
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}{time.process_time() - began:.0f} CPU-s\n")

    train(model, data, epochs, start=start, after_epoch=after_epoch, **options)
    save_weights(model, out)


def train_shipped(epochs: int, patients: int, bubbles: bool, out: Path) -> None:
    """The network of data/weights/unet.npz, or a trial of it."""
    data, validation = phantom_slices(TRAIN[:patients], matrix=192), phantom_slices(VALIDATION, matrix=192)
    bubbles_from = epochs * 4 // 5 if bubbles else None
    run(out.stem, build_unet(seed=1), data, validation, epochs, out, bubbles_from=bubbles_from)


def train_ablation(epochs: int) -> None:
    """The same thin network on three kinds of drawings: what does variation buy on a real chest?"""
    validation = phantom_slices(VALIDATION)
    for name, (variation, dose, varied) in ABLATION.items():
        data = phantom_slices(TRAIN[:30], variation, dose=dose)
        run(name, build_unet(THIN, seed=1), data, validation, epochs, RUNS / f"{name} final.npz", varied=varied)


def measure() -> None:
    """Print the Dice of every network that is there; with the real chest too, renew its entry in unet.json."""
    thin = {name: RUNS / f"{name} final.npz" for name in ABLATION}
    models = {name: load_unet(path) for name, path in thin.items() if path.is_file()} | {"shipped": load_unet()}
    methods = {name: partial(segment_slices, model) for name, model in models.items()}
    methods["shipped, large pieces"] = partial(segment_volume, models["shipped"])
    measured, card = measure_all(methods, TEST), WEIGHTS.with_suffix(".json")
    print(json.dumps(measured, indent=1))
    if any(entry["real"] is None for entry in measured.values()):
        print(f"The real series is not under MEDIMG_DATA: {card.name} stays as it is.")
        return
    everything = json.loads(card.read_text(encoding="utf-8")) | measured
    card.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--bubbles", action="store_true", help="gas in the drawings of the last fifth (see the card)")
    parser.add_argument("--patients", type=int, default=len(TRAIN), help="fewer for a quick trial")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="where the weights go, if not to the shipped file")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    if options.ablation:
        train_ablation(options.epochs)
    elif options.measure:
        measure()
    else:
        train_shipped(options.epochs, options.patients, options.bubbles, options.to)


if __name__ == "__main__":
    main()
