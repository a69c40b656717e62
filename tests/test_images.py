"""Every kind of picture file becomes the same upright RGB array, or a sentence."""

import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.images import MAX_PIXELS, ImageError, ImageNote, describe_image, read_image, shrink

# Four pixels that tell every exchange of axes or channels: top row red, green; bottom row blue, white.
FOUR = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
BLOCKS = np.kron(FOUR, np.ones((16, 24, 1), np.uint8))  # the same, 32 x 48: large enough for lossy codings
GREYS = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50


@pytest.fixture
def quiet():
    """In these tests a remark that was not asked for is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def save(folder: Path, name: str, array, mode=None, **settings) -> Path:
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    if mode:
        picture = picture.convert(mode)
    picture.save(folder / name, **settings)
    return folder / name


def assert_form(rgb, shape):
    assert isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.shape == (*shape, 3)
    assert rgb.flags.writeable and rgb.flags.c_contiguous


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.ppm", "a.tif", "a.gif", "wrong_ending.jpg"])
def test_lossless_kinds_give_exactly_the_pixels(tmp_path, quiet, name):
    kind = "PNG" if name == "wrong_ending.jpg" else None
    rgb = read_image(save(tmp_path, name, FOUR, format=kind))
    assert_form(rgb, (2, 2))
    assert np.array_equal(rgb, FOUR)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.jp2", "a.avif"])
def test_lossy_kinds_give_nearly_the_pixels(tmp_path, quiet, name):
    rgb = read_image(save(tmp_path, name, BLOCKS, quality=95))
    assert_form(rgb, (32, 48))
    assert abs(rgb[8::16, 12::24].astype(int) - FOUR).max() < 12


@pytest.mark.parametrize("flag", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_camera_flag_turns_the_picture_upright(tmp_path, quiet, flag, kind):
    # What a camera stores for each flag (Exif 2.32, 4.6.4): the upright picture, turned the other way.
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = flag
    stored = np.ascontiguousarray(turns[flag](BLOCKS))
    rgb = read_image(save(tmp_path, f"a.{kind}", stored, exif=exif))
    assert_form(rgb, (32, 48))
    assert abs(rgb[8::16, 12::24].astype(int) - FOUR).max() < 30


def test_damaged_exif_does_not_cost_the_picture(tmp_path, quiet):
    path = save(tmp_path, "a.jpg", BLOCKS, exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert_form(read_image(path), (32, 48))


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "CMYK"])
def test_stored_modes_become_rgb(tmp_path, quiet, mode):
    name = "a.tif" if mode == "CMYK" else "a.png"
    source = np.kron(np.array([[0, 255], [255, 0]], np.uint8), np.ones((8, 8), np.uint8))
    picture = Image.fromarray(source).convert("RGB")
    rgb = read_image(save(tmp_path, name, picture.convert(mode)))
    assert_form(rgb, (16, 16))
    assert abs(rgb.astype(int) - source[..., None]).max() <= 1


def test_grey_is_repeated(tmp_path, quiet):
    rgb = read_image(save(tmp_path, "a.png", GREYS))
    assert np.array_equal(rgb, np.repeat(GREYS[..., None], 3, axis=2))


def test_print_colours_of_a_jpeg(tmp_path, quiet):
    rgb = read_image(save(tmp_path, "a.jpg", BLOCKS, "CMYK", quality=95))
    assert abs(rgb[8::16, 12::24].astype(int) - FOUR).max() < 12


def test_transparency_is_laid_on_white_and_said(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, [[255, 128], [0, 255]]
    with pytest.warns(ImageNote, match=r"a\.png: .*white"):
        rgb = read_image(save(tmp_path, "a.png", rgba))
    assert rgb[0, 0].tolist() == [200, 0, 0] and rgb[1, 0].tolist() == [255, 255, 255]
    assert abs(rgb[0, 1].astype(int) - [227, 127, 127]).max() <= 1
    grey = np.stack([np.full((2, 2), 100, np.uint8), np.array([[255, 0], [255, 255]], np.uint8)], axis=2)
    with pytest.warns(ImageNote, match="white"):
        assert read_image(save(tmp_path, "b.png", Image.fromarray(grey, "LA")))[..., 1].tolist() == [
            [100, 255],
            [100, 100],
        ]


def test_transparent_palette_is_laid_on_white(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([10, 20, 30, 40, 50, 60])
    with pytest.warns(ImageNote, match="white"):
        assert read_image(save(tmp_path, "a.png", picture, transparency=1)).tolist() == [
            [[10, 20, 30], [255, 255, 255]]
        ]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_keep_the_upper_eight_and_say_so(tmp_path, name):
    values = np.array([[0, 255, 256], [32768, 65279, 65535]], np.uint16)
    path = tmp_path / name
    if name == "a.pgm":
        path.write_bytes(b"P5 3 2 65535\n" + values.astype(">u2").tobytes())
    else:
        save(tmp_path, name, values)
    with pytest.warns(ImageNote, match="16 bits") as seen:
        rgb = read_image(path)
    assert rgb[..., 0].tolist() == [[0, 0, 1], [128, 254, 255]] and np.ptp(rgb, axis=2).max() == 0
    assert len(seen) == 1 and describe_image(path).bits == 16


def test_dark_sixteen_bits_are_named(tmp_path):
    path = save(tmp_path, "scan.png", np.array([[0, 4000]], np.uint16))
    assert "largest value is only 4000" in describe_image(path).notes[0]


def sixteen_bit_png(path: Path, values: np.ndarray) -> Path:
    """A PNG of 16 bits per channel, written by hand since Pillow cannot: values (h, w, 3) or (h, w, 2) uint16."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2}[channels], 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_sixteen_bit_colour_is_said(tmp_path):
    values = np.array([[[65535, 0, 32768], [256, 255, 512]]], np.uint16)
    with pytest.warns(ImageNote, match="16 bits"):
        assert read_image(sixteen_bit_png(tmp_path / "a.png", values)).tolist() == [[[255, 0, 128], [1, 0, 2]]]


def test_sixteen_bit_grey_with_alpha_is_said_twice(tmp_path):
    values = np.array([[[32768, 65535], [32768, 0]]], np.uint16)
    path = sixteen_bit_png(tmp_path / "a.png", values)
    assert [("16 bits" in note, "white" in note) for note in describe_image(path).notes] == [
        (True, False),
        (False, True),
    ]
    with pytest.warns(ImageNote):
        assert read_image(path)[0, :, 0].tolist() == [128, 255]


def test_floating_point_and_long_integers_are_rescaled_and_said(tmp_path):
    with pytest.warns(ImageNote, match=r"0\.\.1 was rescaled"):
        assert read_image(save(tmp_path, "a.tif", np.array([[0.2, 0.6]], np.float32)))[0, :, 0].tolist() == [51, 153]
    with pytest.warns(ImageNote, match=r"-100\.\.300 .*1 pixels without"):
        rgb = read_image(save(tmp_path, "b.tif", np.array([[-100, np.nan, 300]], np.float32)))
    assert rgb[0, :, 0].tolist() == [0, 0, 255]
    with pytest.warns(ImageNote, match=r"0\.\.100000"):
        assert read_image(save(tmp_path, "c.tif", np.array([[0, 50000, 100000]], np.int32)))[0, :, 2].tolist() == [
            0,
            128,
            255,
        ]
    with pytest.raises(ImageError, match="no finite"):
        read_image(save(tmp_path, "d.tif", np.full((2, 2), np.nan, np.float32)))


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_of_several_frames_is_taken_and_said(tmp_path, name):
    word = "pages" if name == "a.tif" else "animation"
    frames = [Image.new("RGB", (16, 8), colour) for colour in ("red", "blue", "lime")]
    settings = {} if name == "a.tif" else {"duration": 50}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **settings)
    with pytest.warns(ImageNote, match=f"3 .*{word}"):
        rgb = read_image(tmp_path / name)
    assert_form(rgb, (8, 16))
    assert abs(rgb.astype(int) - [255, 0, 0]).max() < 10


@pytest.mark.parametrize("name", ["Müller Übung.png", "写真.png", "фото 1.png", "a b'c.png"])
def test_any_name_and_folder(tmp_path, quiet, name):
    folder = tmp_path / "Ordner für Fotos"
    folder.mkdir()
    path = save(folder, name, FOUR)
    assert np.array_equal(read_image(path), FOUR) and np.array_equal(read_image(str(path)), FOUR)


def test_home_folder_is_understood(tmp_path, quiet, monkeypatch):
    save(tmp_path, "a.png", FOUR)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert np.array_equal(read_image("~/a.png"), FOUR)


def test_description(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    info = describe_image(save(tmp_path, "a.jpg", BLOCKS, exif=exif))
    assert (info.name, info.format, info.height, info.width) == ("a.jpg", "JPEG", 48, 32)
    assert (info.mode, info.bits, info.frames, info.orientation, info.notes) == ("RGB", 8, 1, 6, ())


def refused(path, *words: str) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a library's traceback would be shown"
    assert text[0] in "'TrT" and text.endswith(".") and len(text) < 260 and "\n" not in text
    for word in words:
        assert word in text
    with pytest.raises(ImageError):
        describe_image(path)
    return text


def test_missing_folder_empty_and_no_path(tmp_path):
    refused(tmp_path / "none.jpg", "none.jpg", "no file")
    refused(tmp_path, "folder", tmp_path.name)
    (tmp_path / "empty.jpg").touch()
    refused(tmp_path / "empty.jpg", "empty.jpg", "empty")
    refused(None, "NoneType")
    refused("https://example.org/a.jpg", "web")
    refused(str(tmp_path / "a\0b.jpg"))


@pytest.mark.parametrize(("name", "content", "word"), [
    ("a.jpg", b"Dear reader,\nthis is a letter and no picture.\n" * 20, "text file"),
    ("a.png", b"<!DOCTYPE html><html><body>404 not found</body></html>", "web page"),
    ("a.jpg", b"\0" * 128 + b"DICM" + b"\2\0\0\0" * 50, "notebook 02"),
    ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 300, "HEIC"),
    ("a.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0" + b"\0" * 300, "film"),
    ("a.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG"),
    ("a.pdf", b"%PDF-1.7\n" + bytes(range(256)), "PDF"),
    ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ("a.zip", b"PK\x03\x04" + bytes(range(256)), "zip"),
    ("a.nef", b"II*\0" + bytes(range(256)), "raw"),
    ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
    ("a.jpg", bytes(range(256)) * 8, "not a picture"),
    ("a.jpg", b"\xff\xd8", "a.jpg"),
])  # fmt: skip
def test_what_is_no_picture_is_named(tmp_path, name, content, word):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, name, word)


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "webp", "tif", "bmp", "jp2", "avif", "ppm"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = save(tmp_path, f"whole.{kind}", noise).read_bytes()
    path = tmp_path / f"part.{kind}"
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, path.name)


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_damaged_bytes_give_a_picture_or_a_sentence(tmp_path, kind):
    random = np.random.default_rng(5)
    whole = save(tmp_path, f"whole.{kind}", BLOCKS).read_bytes()
    path = tmp_path / f"hurt.{kind}"
    for _ in range(60):
        hurt = bytearray(whole)
        for place in random.integers(0, len(hurt), 4):
            hurt[place] = random.integers(256)
        path.write_bytes(hurt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                rgb = read_image(path)
            except ImageError:
                continue
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3


@pytest.mark.parametrize("pillows_limit", [Image.MAX_IMAGE_PIXELS, None])
@pytest.mark.parametrize("side", [13_500, 60_000, 2_000_000])
def test_absurd_size_is_refused_before_decoding(tmp_path, monkeypatch, side, pillows_limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows_limit)  # some programs switch Pillow's own limit off
    assert side**2 > MAX_PIXELS
    path = sixteen_bit_png(tmp_path / "bomb.png", np.zeros((2, 2, 3), np.uint16))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(content)
    refused(path, "million")


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_forbidden_file(tmp_path):
    path = save(tmp_path, "a.png", FOUR)
    path.chmod(0)
    refused(path, "permission")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    refused(tmp_path / "pipe.jpg", "ordinary")


def test_shrink_keeps_proportions_and_never_enlarges():
    wide = np.zeros((300, 3000, 3), np.uint8)
    wide[:, 1500:] = 200
    small = shrink(wide, 1000)
    assert small.shape == (100, 1000, 3) and small[50, 100].max() == 0 and small[50, 900].min() == 200
    assert shrink(FOUR) is FOUR and shrink(np.zeros((1, 9000), np.uint8), 10).shape == (1, 10)
