"""Turn a checkpoint of `train_pets.py` into the shipped weight file: batch norm folded, calibrated, float16.

    python training/export_pets.py --zip PATH/pets_96px.zip --run training/runs/pets --to data/weights/pets.npz

Prints the file's sha256, which belongs into `helpers/pets_network.py`, and leaves `reference.npz` (the held-out
pictures' logits) in the run's folder, with which `evaluate_pets.py` compares the Keras network.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from pets_augment import to_float
from pets_data import load_zip, split
from pets_distil import read_net
from pets_net import Convolution, PetsNet, mixed
from train_pets import logits_of

from helpers.pets_neither import fit_reference

FITTED_ON = 4000  # training pictures that tell "neither" what cats and dogs look like


def folded(layer: Convolution) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (h, w, in, out) and bias of a convolution with the batch norm's running statistics folded in."""
    norm = layer.norm
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    kernel = layer.conv.weight * scale.view(-1, 1, 1, 1)
    return kernel.permute(2, 3, 1, 0).numpy(), (norm.bias - norm.running_mean * scale).numpy()


@torch.no_grad()
def keras_weights(net: PetsNet) -> dict[str, np.ndarray]:
    """Weights under the names of `helpers.pets_network.kernel_shapes`."""
    found = {}
    for name, layer in net.convolutions().items():
        found[f"{name}/kernel"], found[f"{name}/bias"] = folded(layer)
    return found | {"head/kernel": net.head.weight.T.numpy(), "head/bias": net.head.bias.numpy()}


@torch.no_grad()
def seen_by(net: PetsNet, pictures: np.ndarray, *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """Texture (n, 64) and features (n, 320), mean of picture and mirror image, in float32 or quicker in bfloat16."""
    out = []
    for start in range(0, len(pictures), 250):
        x = to_float(torch.from_numpy(pictures[start : start + 250])).contiguous(memory_format=torch.channels_last)
        with mixed(not exact):
            pair = [net.texture_and_features(side) for side in (x, x.flip(3))]
        out.append([(a + b).numpy() / 2 for a, b in zip(*pair, strict=True)])
    texture, features = (np.concatenate(column) for column in zip(*out, strict=True))
    return texture, features


def temperature_of(margin: np.ndarray, labels: np.ndarray) -> float:
    """The number by which the logit margin (dog - cat) is divided so that the log-loss is least (Guo et al. 2017)."""
    signed = np.where(labels == 1, margin, -margin)
    candidates = np.exp(np.linspace(np.log(0.2), np.log(5), 401))
    return float(min(candidates, key=lambda t: np.logaddexp(0, -signed / t).mean()))


def export(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    pictures, labels, _ = load_zip(args.zip, args.run)
    training, held = split(labels)
    checkpoint = torch.load(args.run / "checkpoint.pt", weights_only=True, map_location="cpu")
    net = read_net(args.run / "checkpoint.pt", "cpu")
    stored = {name: array.astype(np.float16) for name, array in keras_weights(net).items()}

    chosen = np.sort(np.random.default_rng(0).permutation(training)[:FITTED_ON])
    truth = labels[held]
    texture, seen = seen_by(net, pictures[held], exact=True)
    logits = (seen @ net.head.weight.detach().numpy().T) + net.head.bias.detach().numpy()
    margin = logits[:, 1] - logits[:, 0]
    stored["temperature"] = np.float32(temperature_of(margin, truth))
    reference = fit_reference(seen_by(net, pictures[chosen], exact=False), (texture, seen, logits))
    stored |= {name: np.asarray(part, np.float32) for name, part in reference._asdict().items()}
    stored["epochs"] = np.int32(checkpoint["epoch"])

    content = io.BytesIO()
    np.savez_compressed(content, **stored)
    partial = args.to.with_suffix(".partial")
    partial.write_bytes(content.getvalue())
    partial.replace(args.to)
    np.savez(args.run / "reference.npz", held=held, features=seen, logits=logits)
    right = np.mean((margin > 0) == (truth == 1))
    plain = logits_of(net, torch.from_numpy(pictures[held]))
    print(f"epoch {checkpoint['epoch']}, {checkpoint['seconds'] / 60:.0f} minutes of training")
    print(
        f"held-out {len(held)}: {right:.2%} with mirror image, {np.mean(plain.argmax(1).numpy() == truth):.2%} without"
    )
    print(f"temperature {stored['temperature']:.3f}, {len(content.getvalue()):,} bytes")
    print(f"sha256 {hashlib.sha256(content.getvalue()).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="the folder given to train_pets.py as --out")
    parser.add_argument("--to", type=Path, required=True, help="the weight file to write")
    parser.add_argument("--threads", type=int, default=2)
    export(parser.parse_args())


if __name__ == "__main__":
    main()
