"""One slice of the phantom: the order in which organs are painted, from the table to the bronchi."""

from __future__ import annotations

import numpy as np

from helpers.phantom import anatomy as an
from helpers.phantom.anatomy import LEFT, RIGHT, Anatomy
from helpers.phantom.paint import Canvas, coverage

LABELS = {
    "air": 0, "right lung": 1, "left lung": 2, "airway": 3, "fat": 4, "muscle": 5, "blood": 6, "heart": 7,
    "liver": 8, "water": 9, "bone": 10, "vessel": 11, "nodule": 12, "table": 13, "organ": 14, "gas": 15,
}  # fmt: skip
TISSUES = {
    "air": -1000.0, "fat": -100.0, "water": 0.0, "muscle": 50.0, "skin": 20.0, "cord": 35.0, "cartilage": 110.0,
    "table shell": 90.0, "table foam": -920.0,
}  # fmt: skip


def faces(a: Anatomy, x: np.ndarray, y: np.ndarray, z: float) -> dict[str, np.ndarray]:
    """All large shapes at one height; neighbouring slices share the face between them, so each is computed once."""
    x, y, z = a.local(x, y, z)
    wall, middle = an.cavity(a, x, y, z), an.mediastinum(a, x, y, z)
    out = {"body": an.body(a, x, y, z), "wall": wall, "heart": an.heart(a, x, y, z)}
    for name, side in (("right", RIGHT), ("left", LEFT)):
        out[name] = an.lung_parts(a, side, x, y, z, middle, wall)
        out[f"dome {name}"] = an.diaphragm(a, side, x, y, z)
    v = np.mod(z - an.RIB_TOP + an.RIB_SLOPE * (y - 90.0) + an.RIB_STEP / 2, an.RIB_STEP) - an.RIB_STEP / 2
    out["rib"] = np.sqrt(((wall - 6.5) / 4.0) ** 2 + (v / 6.2) ** 2) * 4.0 - 4.0
    return out


def paint_slice(canvas: Canvas, a: Anatomy, z: float, low: dict, high: dict, texture, tubes: dict) -> list[np.ndarray]:
    """Paint everything at height z (mm); returns the fraction of each voxel in the right and in the left lung."""
    blood, wet = a.blood_hu, 50.0 + 0.3 * (a.blood_hu - 45.0)  # organs take up contrast medium too
    canvas.hu[:], canvas.labels[:] = TISSUES["fat"] + 0.8 * texture, LABELS["fat"]
    _muscles(canvas, a, z, texture)
    for inset, tissue, label in ((6.0, "fat", "fat"), (2.2, "skin", "muscle"), (0.0, "air", "air")):
        canvas.fill(-low["body"] - inset, -high["body"] - inset, TISSUES[tissue], LABELS[label])
    _table(canvas, a)
    canvas.fill(low["wall"] - 12.5, high["wall"] - 12.5, TISSUES["muscle"] + texture, LABELS["muscle"])
    _ribs(canvas, a, z, low, high)
    canvas.fill(low["wall"], high["wall"], TISSUES["fat"] + 12.0 + texture, LABELS["fat"])
    _abdomen(canvas, a, z, low, high, texture, wet)
    canvas.fill(low["heart"] + 2.5, high["heart"] + 2.5, wet + texture, LABELS["heart"])
    _chambers(canvas, a, z)
    _spine(canvas, a, z)
    _shoulders(canvas, a, z)
    _sternum(canvas, a, z)
    lungs = []
    for name, side_label in (("right", 1), ("left", 2)):
        cover = coverage(low[name], high[name], canvas.pixel)
        canvas.blend(cover, a.lung_hu + 0.35 * canvas.y + 1.6 * texture, side_label)
        lungs.append(cover)
    y = an.spine_y(z / a.height) * a.depth
    canvas.ellipsoid((7 * a.width, y - 30, z), (7, 5, 50), z, 42.0, LABELS["muscle"])  # the gullet
    for tube in tubes["great"]:
        _cut(lungs, canvas.tube(tube, z, blood, LABELS["blood"]))
    for tube in tubes["lung"]:
        canvas.tube(tube, z, blood - 10.0, LABELS["vessel"])
    for kind in ("airway", "bronchi"):
        for tube in tubes[kind]:
            wall = tube + np.array([0, 0, 0, 0, 0, 0, min(1.6, 0.35 * tube[6])])
            canvas.tube(wall, z, 30.0, None)
        for tube in tubes[kind]:
            done = canvas.tube(tube, z, -985.0, LABELS["airway"])
            if kind == "airway":
                _cut(lungs, done)
    return lungs


def _cut(lungs: list[np.ndarray], painted: tuple | None) -> None:
    if painted is not None:
        cover, where = painted
        for fraction in lungs:
            fraction[where] *= 1.0 - cover


def _table(c: Canvas, a: Anatomy) -> None:
    """A curved couch under the back: a thin shell around foam."""
    _, half_y, centre = an.wall_half_axes(a, -90.0)
    top = (centre + 5 + half_y + 19 + 0.75 * a.fat) * a.depth + 7.0
    depth = c.y - (top - (c.x / 40.0) ** 2)
    width = np.abs(c.x) - 205.0
    foam, shell = np.maximum(np.abs(depth - 5.0) - 5.0, width), np.maximum(np.abs(depth - 11.5) - 1.6, width)
    c.fill(foam, foam, TISSUES["table foam"], LABELS["table"])
    c.fill(shell, shell, TISSUES["table shell"], LABELS["table"])


def _muscles(c: Canvas, a: Anatomy, z: float, texture) -> None:
    half_x, half_y, centre = (v for v in an.wall_half_axes(a, z / a.height))
    hx, hy, cy = half_x * a.width, half_y * a.depth, centre * a.depth
    back, front, h = cy + hy + 13.0, cy - hy - 13.0, a.height
    m, value = LABELS["muscle"], TISSUES["muscle"] + 2.0
    for s in (RIGHT, LEFT):
        c.ellipsoid((s * 30, back + 6, 0), (30, 15, 900), z, value, m, s * 0.12)  # erector spinae
        c.ellipsoid((s * (hx + 9), cy + 42, -10 * h), (9, 46, 130 * h), z, value, m, s * 0.25)  # latissimus
        c.ellipsoid((s * (hx + 10), cy - 18, 0), (5, 40, 110 * h), z, value, m, -s * 0.2)  # serratus
        c.ellipsoid((s * 74, front + 9, 72 * h), (56, 11, 66 * h), z, value, m, s * 0.42)  # pectoralis
        c.ellipsoid((s * 58, back + 12, 70 * h), (62, 8, 90 * h), z, value, m, -s * 0.25)  # trapezius
        c.ellipsoid((s * (hx * 0.55 + 48), cy + hy * 0.75 + 8, 60 * h), (46, 19, 70 * h), z, value, m, -s * 0.85)
        c.ellipsoid((s * 140, cy - 4, 118 * h), (60, 46, 46 * h), z, value, m)  # the shoulder's muscles


def _ribs(c: Canvas, a: Anatomy, z: float, low: dict, high: dict) -> None:
    """Ribs are where tilted planes, one every 25 mm, cut the chest wall; their front ends are cartilage."""
    gap = np.where(np.abs(c.x) < 24.0, 50.0, 0.0)  # neither across the spine nor across the breastbone
    bone = np.clip((c.y + 52.0) / 8.0 + np.abs(c.x) / 40.0 - 1.0, 0.0, 1.0)
    outer = TISSUES["cartilage"] + bone * (a.cortex_hu - 90.0 - TISSUES["cartilage"])
    inner = TISSUES["cartilage"] - 15.0 + bone * (a.marrow_hu - 95.0)
    c.fill(low["rib"] + gap, high["rib"] + gap, outer, LABELS["bone"])
    c.fill(low["rib"] + gap + 1.7, high["rib"] + gap + 1.7, inner, LABELS["bone"])


def _abdomen(c: Canvas, a: Anatomy, z: float, low: dict, high: dict, texture, wet: float) -> None:
    """Diaphragm, liver, spleen and a stomach half full of water with a bubble of gas in front (the patient lies)."""
    if z > max(a.dome_right, a.dome_left) * a.height + 10:
        return
    middle = 30.0 * a.width - 0.35 * (c.y + 30)
    for name, value, shift, label in (("right", 55.0, 0.0, "muscle"), ("right", wet + 12.0, 3.0, "liver")):
        f = [np.maximum(np.maximum(q["wall"], -q[f"dome {name}"]), c.x - middle) + shift for q in (low, high)]
        c.fill(*f, value + texture, LABELS[label])
    f = [np.maximum(np.maximum(q["wall"], -q["dome left"]), middle - c.x) for q in (low, high)]
    c.fill(*f, 52.0 + texture, LABELS["muscle"])
    c.fill(f[0] + 3.5, f[1] + 3.5, -95.0 + texture, LABELS["fat"])
    w, d, h = a.width, a.depth, a.height
    top = a.dome_left * h
    c.ellipsoid((90 * w, 44 * d, top - 46), (30, 44, 40), z, wet + 25.0, LABELS["organ"], -0.6)  # spleen
    c.ellipsoid((58 * w, -26 * d, top - 52), (46, 50, 48), z, 45.0, LABELS["organ"], 0.4)  # stomach: wall,
    c.ellipsoid((58 * w, -26 * d, top - 52), (42, 46, 44), z, TISSUES["water"], LABELS["water"], 0.4)  # water,
    where = c.window(5 * w, 115 * w, -90 * d, -44 * d)
    inside = c.labels[where] == LABELS["water"]  # and gas above the level of the water
    c.hu[where][inside], c.labels[where][inside] = TISSUES["air"], LABELS["gas"]


def _chambers(c: Canvas, a: Anatomy, z: float) -> None:
    s, label = a.heart, LABELS["blood"]
    for centre, radii, turn in (
        ((34, -26, -42), (27, 17, 30), 0.55),  # left ventricle
        ((10, -46, -38), (30, 13, 27), 0.45),  # right ventricle
        ((-18, -22, -30), (16, 20, 25), 0.0),  # right atrium
        ((8, 4, -16), (28, 12, 18), 0.1),  # left atrium
    ):
        x, y, zz = a.patient(np.array(centre, dtype=float))
        c.ellipsoid((x, y, zz), tuple(np.array(radii) * s), z, a.blood_hu, label, turn)


def _spine(c: Canvas, a: Anatomy, z: float) -> None:
    """Vertebrae every 25 mm: body and disc, canal with cord, arch, transverse and spinous processes."""
    x0, y0, _ = a.patient(np.array([0.0, an.spine_y(z / a.height), z / a.height])).tolist()
    phase = np.mod(z, 25.0) - 12.5
    cortex, marrow, bone = a.cortex_hu - 150.0, a.marrow_hu, LABELS["bone"]
    disc = float(np.clip((abs(phase) + c.thickness / 2 - 10.0) / c.thickness, 0.0, 1.0))  # share of disc in this slice
    plate = float(np.clip((abs(phase) + c.thickness / 2 - 8.0) / c.thickness, 0.0, 1.0))  # disc and end plates
    label = LABELS["muscle"] if disc > 0.5 else bone
    c.ellipsoid((x0, y0, z), (17.5, 14.5, 50), z, disc * 95.0 + (1 - disc) * cortex, label)
    core = disc * 95.0 + (plate - disc) * (cortex - 100) + (1 - plate) * marrow
    c.ellipsoid((x0, y0, z), (16.0, 13.0, 50), z, core, label)
    arch = y0 + 22.0
    if phase < 6:
        for s in (RIGHT, LEFT):
            c.ellipsoid((x0 + s * 24, arch + 4, z), (17, 4.5, 50), z, cortex - 60, bone, s * 0.35)
            c.ellipsoid((x0 + s * 25, arch + 4, z), (14, 2.6, 50), z, marrow - 20, bone, s * 0.35)
    c.ellipsoid((x0, arch, z), (13.5, 12.5, 50), z, cortex, bone)
    c.ellipsoid((x0, y0 + 31 + 0.3 * phase + 5, z), (3.2, 14, 50), z, cortex - 80, bone)
    c.ellipsoid((x0, arch - 1.5, z), (9.0, 8.5, 50), z, -20.0, LABELS["fat"])
    c.ellipsoid((x0, arch - 1.5, z), (6.0, 5.5, 50), z, TISSUES["cord"], LABELS["organ"])


def _shoulders(c: Canvas, a: Anatomy, z: float) -> None:
    """Shoulder blades, heads of the upper arms and collar bones."""
    h, cortex, bone = a.height, a.cortex_hu, LABELS["bone"]
    half_x, half_y, centre = an.wall_half_axes(a, z / h)
    hx, hy, cy = half_x * a.width, half_y * a.depth, centre * a.depth
    for s in (RIGHT, LEFT):
        blade = (s * (hx * 0.55 + 48), cy + hy * 0.75 + 8, 62 * h)
        c.ellipsoid(blade, (40, 3.6, 62 * h), z, cortex - 120, bone, -s * 0.85)
        c.ellipsoid(blade, (36, 1.8, 58 * h), z, a.marrow_hu, bone, -s * 0.85)
        c.ellipsoid((s * 150, 6, 128 * h), (24, 24, 26), z, cortex - 100, bone)
        c.ellipsoid((s * 150, 6, 128 * h), (21, 21, 23), z, a.marrow_hu - 60, bone)
        collar = np.array([s * 20, -46 * a.depth, 84 * h, s * 125, -20 * a.depth, 124 * h, 6.5])
        c.tube(collar, z, cortex - 80, bone)
        c.tube(collar - np.array([0, 0, 0, 0, 0, 0, 1.8]), z, a.marrow_hu, bone)


def _sternum(c: Canvas, a: Anatomy, z: float) -> None:
    half_y, centre = an.wall_half_axes(a, z / a.height)[1:]
    y, bone = (centre - half_y - 5.0) * a.depth, LABELS["bone"]
    wide = 19.0 + 9.0 * np.clip((z / a.height - 40.0) / 20.0, 0, 1)
    c.ellipsoid((0, y, 15 * a.height), (wide, 6.5, 72 * a.height), z, a.cortex_hu - 200, bone)
    c.ellipsoid((0, y, 15 * a.height), (wide - 2, 4.7, 70 * a.height), z, a.marrow_hu - 60, bone)
