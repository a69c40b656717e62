"""Train the small cats-or-dogs network. One command, resumable after every epoch:

    python training/train_pets.py --zip PATH/pets_96px.zip --out training/runs/pets

Needs the extra ``training`` (torch). Stop it whenever you like; the same command goes on after the last whole epoch.
The plan may be changed between two runs (``--plan``, ``--decay-from``): a long training can be brought to an early end.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from pets_augment import augment, to_float
from pets_data import load_zip, split
from pets_muon import Muon
from pets_net import PetsNet, mixed
from pets_start import begin_with
from pets_workers import Gang, run
from torch.nn import functional

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


def average(ema: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    """Moving average of weights and of batch-norm statistics."""
    with torch.no_grad():
        for mean, new in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(new, 1 - keep)
            else:
                mean.copy_(new)


@torch.no_grad()
def logits_of(net: torch.nn.Module, pictures: np.ndarray, side: int, *, flip: bool = False) -> torch.Tensor:
    """Logits (n, 2) float32 of uint8 pictures; with ``flip`` the mean over the picture and its mirror image."""
    net.eval()
    out = []
    for start in range(0, len(pictures), 250):
        x = to_float(torch.from_numpy(np.ascontiguousarray(pictures[start : start + 250])))
        if side != x.shape[-1]:
            x = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        x = x.contiguous(memory_format=torch.channels_last)
        with mixed():
            y = net(x).float()
            out.append((y + net(x.flip(3)).float()) / 2 if flip else y)
    return torch.cat(out)


def moments(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    """What the optimiser remembers of past gradients."""
    return [value for state in optimiser.state.values() for value in state.values() if value.ndim]


def save(path: Path, state: dict) -> None:
    """Written beside, then renamed: a stopped machine leaves the old checkpoint or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def train(rank: int, gang: Gang, args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    pictures, labels, _ = load_zip(args.zip, args.out)
    training, held = split(labels)
    targets = torch.from_numpy(labels)
    if args.limit:
        training = np.random.default_rng(args.seed).permutation(training)[: args.limit]

    torch.manual_seed(args.seed)
    net = PetsNet().to(memory_format=torch.channels_last)
    if args.start:
        begin_with(net, args.start, pictures[training[:: max(1, len(training) // 1000)]])
    ema = copy.deepcopy(net).requires_grad_(False)
    muon = Muon([p for p in net.parameters() if p.ndim == 4], rate=args.rate)
    scales = [p for p in net.parameters() if p.ndim == 1]
    adam = torch.optim.AdamW(
        [{"params": scales, "weight_decay": 0.0}, {"params": [net.head.weight], "weight_decay": 0.05}], lr=2e-3
    )
    checkpoint, log, done, seconds = args.out / "checkpoint.pt", args.out / "log.jsonl", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        done, seconds = state["epoch"], state["seconds"]
    if rank == 0 and done:
        lines = log.read_text().splitlines() if log.exists() else []
        log.write_text("".join(line + "\n" for line in lines if json.loads(line)["epoch"] <= done))
        print(f"goes on after epoch {done}", flush=True)
    shared = [value for value in net.state_dict().values() if value.dtype.is_floating_point]

    epochs = args.plan[-1][1]
    decay_from = args.decay_from if args.decay_from is not None else round(0.4 * epochs)
    steps = len(training) // (args.batch * gang.size)
    for epoch in range(done, epochs):
        began, busy = time.time(), time.process_time()
        side = next(side for side, last in args.plan if epoch < last)
        # The randomness of an epoch depends on seed and epoch only, so a resumed run sees what an unbroken one sees.
        seed = (args.seed * 1009 + epoch) * 64 + rank
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        order = np.random.default_rng((args.seed, epoch)).permutation(training)[rank :: gang.size]
        net.train()
        total, right = 0.0, 0
        for step in range(steps):
            share = rate(epoch + step / steps, decay_from, epochs)
            muon.share = share
            for group in adam.param_groups:
                group["lr"] = 2e-3 * share
            chosen = np.sort(order[step * args.batch : (step + 1) * args.batch])
            x = augment(torch.from_numpy(pictures[chosen]), side, generator)
            x = x.contiguous(memory_format=torch.channels_last)
            with mixed():
                y = net(x)
            wanted = targets[chosen]
            loss = functional.cross_entropy(y.float(), wanted, label_smoothing=args.smoothing)
            loss.backward()
            muon.step()
            adam.step()
            net.zero_grad(set_to_none=True)
            total, right = total + float(loss.detach()), right + int((y.argmax(1) == wanted).sum())
            if (step + 1) % args.meet == 0 or step + 1 == steps:
                # At the end of an epoch the momenta are averaged too: a checkpoint then holds all there is to know.
                gang.mean(rank, [*shared, *moments(muon), *moments(adam)] if step + 1 == steps else shared)
                seen = (epoch * steps + step + 1) * gang.size * args.batch
                average(ema, net, min(args.ema ** (args.meet * gang.size * args.batch), seen / (seen + 2000)))
        spent = torch.tensor([(time.process_time() - busy) * gang.size, total / steps, right / (steps * args.batch)])
        gang.mean(rank, [spent])
        if rank:
            continue
        logits = logits_of(ema, pictures[held], 80)
        correct = logits.argmax(1) == targets[held]
        seconds += float(spent[0])
        entry = {
            "epoch": epoch + 1,
            "side": side,
            "rate": round(share, 4),
            "loss": round(float(spent[1]), 4),
            "accuracy": round(float(spent[2]), 4),
            "held_out": round(float(correct.float().mean()), 4),
            "held_out_loss": round(float(functional.cross_entropy(logits, targets[held])), 4),
            "cpu_s": round(float(spent[0])),
            "wall_s": round(time.time() - began),
            "cpu_min_total": round(seconds / 60, 1),
        }
        with log.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
        state = {"net": net.state_dict(), "ema": ema.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict()}
        save(checkpoint, state | {"epoch": epoch + 1, "side": side, "seconds": seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", type=Path, required=True, help="pets_96px.zip: folders cats and dogs")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, checkpoint and log")
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
    parser.add_argument("--limit", type=int, default=0, help="train on so many pictures only (for trying out)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    load_zip(args.zip, args.out)  # decoded once, before the workers start
    numbers = sum(value.numel() for value in PetsNet().state_dict().values() if value.dtype.is_floating_point)
    run(train, Gang(args.workers, 3 * numbers), args)  # room for weights and for what the optimisers remember


if __name__ == "__main__":
    main()
