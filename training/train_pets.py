"""Train the small cats-or-dogs network. One command, resumable after every epoch:

    python training/train_pets.py --zip PATH/pets_96px.zip --out training/runs/pets

Needs the extra ``training`` (torch). Stop it whenever you like; the same command goes on after the last whole epoch.
The plan may be changed between two runs (``--plan``, ``--decay-from``): a long training can be brought to an early end.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from pets_augment import augment, cut_and_mix, to_float
from pets_data import load_zip, split
from pets_net import mixed
from pets_pupil import Pupil
from pets_workers import Gang, run
from torch.nn import functional

from helpers.pets_network import STEM, WIDTHS

Plan = list[tuple[int, int]]  # (side of the pictures, last epoch trained with it)


def parse_plan(text: str) -> Plan:
    """``"64:50,80:64,96:76"`` -> [(64, 50), (80, 64), (96, 76)]: 50 epochs at 64 px, then to epoch 64 at 80 px, ..."""
    plan = [(int(side), int(last)) for side, last in (part.split(":") for part in text.split(","))]
    if any(side % 16 or side < 48 for side, _ in plan) or sorted(last for _, last in plan) != [e for _, e in plan]:
        raise argparse.ArgumentTypeError(f"{text}: sides are multiples of 16 from 48 on, epochs increase.")
    return plan


def rate(epoch: float, decay_from: int, epochs: int, warm_up: float = 2.0) -> float:
    """Learning rate as a share of the highest: warm-up, constant, then a straight line to 0 (the end may be moved)."""
    if epoch < warm_up:
        return (epoch + 0.02) / warm_up
    return 1.0 if epoch < decay_from else max(0.0, (epochs - epoch) / (epochs - decay_from))


@torch.no_grad()
def logits_of(net: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """Logits (n, 2) float32 of uint8 pictures (n, 96, 96, 3)."""
    net.eval()
    out = []
    for part in pictures.split(250):
        with mixed(device=part.device):
            out.append(net(to_float(part).contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(out)


def save(path: Path, state: dict) -> None:
    """Written beside, then renamed: a stopped machine leaves the old checkpoint or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def side_in(epoch: int, plan: Plan) -> int:
    """Side of the pictures in an epoch, counted from 0."""
    return next(side for side, last in plan if epoch < last)


def schedule(args: argparse.Namespace) -> tuple[int, int]:
    """Number of epochs, and the one from which the rate falls."""
    epochs = args.plan[-1][1]
    return epochs, round(0.4 * epochs) if args.decay_from is None else args.decay_from


def resume(pupil: Pupil, out: Path, device: str) -> tuple[int, float]:
    """Load the last checkpoint, if there is one; returns the epochs done and the seconds they took."""
    path = out / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True, map_location=device)
    for name, part in pupil.parts().items():
        part.load_state_dict(state[name])
    return state["epoch"], state["seconds"]


def cut_log(log: Path, done: int) -> None:
    """Drop the lines of epochs that were never stored."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("".join(line + "\n" for line in lines if json.loads(line)["epoch"] <= done))
    print(f"goes on after epoch {done}", flush=True)


def learn_epoch(
    epoch: int, pupil: Pupil, images: torch.Tensor, targets: torch.Tensor, training, rank: int, gang: Gang, args
) -> tuple[float, float]:
    """One epoch over the rows `training`; returns mean loss and share of right answers."""
    epochs, decay_from = schedule(args)
    side = side_in(epoch, args.plan)
    # The randomness of an epoch depends on seed and epoch only, so a resumed run sees what an unbroken one sees.
    seed = (args.seed * 1009 + epoch) * 64 + rank
    generator = torch.Generator(args.device).manual_seed(seed)
    torch.manual_seed(seed)
    order = np.random.default_rng((args.seed, epoch)).permutation(training)[rank :: gang.size]
    batches = torch.from_numpy(order).to(args.device).split(args.batch)
    steps = len(training) // (args.batch * gang.size)
    pupil.net.train()
    totals = torch.zeros(2, device=args.device)  # read once per epoch: asking sooner would stop a GPU
    for step in range(steps):
        x, wanted = augment(images[batches[step]], side, generator), targets[batches[step]]
        if args.mix:
            x, wanted = cut_and_mix(x, wanted, generator)
        share = rate(epoch + step / steps, decay_from, epochs)
        totals += pupil.step(x.contiguous(memory_format=torch.channels_last), wanted, share)
        last = step + 1 == steps
        if last or (step + 1) % args.meet == 0:
            # At the end of an epoch the momenta are averaged too: a checkpoint then holds all there is to know.
            gang.mean(rank, [*pupil.learnt(), *pupil.moments()] if last else pupil.learnt())
            seen = (epoch * steps + step + 1) * gang.size * args.batch
            pupil.average(min(args.ema ** (args.meet * gang.size * args.batch), seen / (seen + 2000)))
    loss, right = (totals / steps).tolist()
    return loss, right


def train(rank: int, gang: Gang, args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True
    pictures, labels, _ = load_zip(args.zip, args.out)
    training, held = split(labels)
    if args.limit:
        training = np.random.default_rng(args.seed).permutation(training)[: args.limit]
    images = torch.from_numpy(pictures).to(args.device)  # a GPU keeps all of them
    targets = functional.one_hot(torch.from_numpy(labels), 2).float().to(args.device)
    shown, truth = torch.from_numpy(held).to(args.device), targets[held]
    pupil = Pupil(args, pictures[training[:: max(1, len(training) // 1000)]])
    done, seconds = resume(pupil, args.out, args.device)
    log = args.out / "log.jsonl"
    if rank == 0 and done:
        cut_log(log, done)
    epochs, decay_from = schedule(args)
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    for epoch in range(done, epochs):
        began = clock()
        loss, right = learn_epoch(epoch, pupil, images, targets, training, rank, gang, args)
        spent = torch.tensor([loss, right, (clock() - began) * gang.size])
        gang.mean(rank, [spent])
        if rank:
            continue
        seconds += float(spent[2])
        logits = logits_of(pupil.ema, images[shown])
        entry = {
            "epoch": epoch + 1,
            "side": side_in(epoch, args.plan),
            "rate": round(rate(epoch + 1, decay_from, epochs), 4),
            "loss": round(float(spent[0]), 4),
            "accuracy": round(float(spent[1]), 4),
            "held_out": round(float((logits.argmax(1) == truth.argmax(1)).float().mean()), 4),
            "held_out_loss": round(float(functional.cross_entropy(logits, truth)), 4),
            "seconds": round(float(spent[2]), 1),
            "minutes_total": round(seconds / 60, 1),
        }
        with log.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
        if (epoch + 1) % args.every == 0 or epoch + 1 == epochs:
            state = {name: part.state_dict() for name, part in pupil.parts().items()}
            save(args.out / "checkpoint.pt", state | {"epoch": epoch + 1, "seconds": seconds, "widths": [*args.widths]})


def numbers_of(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, required=True, help="pets_96px.zip: folders cats and dogs")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, checkpoint and log")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda, with one worker")
    parser.add_argument("--widths", type=numbers_of, default=(STEM, *WIDTHS), help="channels of stem and blocks")
    parser.add_argument(
        "--teacher", type=Path, action="append", default=[], help="checkpoint of a network to learn from"
    )
    parser.add_argument("--mix", action="store_true", help="CutMix on every second picture")
    parser.add_argument("--start", type=Path, help="a weight file to begin with instead of random numbers")
    parser.add_argument("--plan", type=parse_plan, default=parse_plan("64:50,80:64,96:76"), help="side:last epoch,...")
    parser.add_argument("--decay-from", type=int, default=None, help="epoch from which the rate falls to 0 (60 %%)")
    parser.add_argument("--batch", type=int, default=128, help="pictures per step and worker")
    parser.add_argument("--rate", type=float, default=0.04, help="relative change of a filter bank per step")
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--ema", type=float, default=0.99999, help="how much the moving average keeps per picture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that average their weights now and then")
    parser.add_argument("--meet", type=int, default=8, help="steps between two averages")
    parser.add_argument("--threads", type=int, default=1, help="threads per worker")
    parser.add_argument("--every", type=int, default=1, help="epochs between two checkpoints")
    parser.add_argument("--limit", type=int, default=0, help="train on so many pictures only (for trying out)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    load_zip(args.zip, args.out)  # decoded once, before the workers start
    if args.device != "cpu":
        return train(0, Gang(1, 0), args)
    numbers = sum(value.numel() for value in Pupil(args).learnt())
    run(train, Gang(args.workers, 3 * numbers), args)  # room for weights and for what the optimisers remember


if __name__ == "__main__":
    main()
