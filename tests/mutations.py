"""Break the course's code on purpose: every change must make a test fail.

    python -m tests.mutations [WORD ...]        all, or those with one of the words in their names; `make mutants`

The loader's mutations stand here, those of notebook 03's modules in `tests.mutations_networks`. Each is one exact text
of one file and what takes its place. A copy of the project is changed, never the project itself, and only the tests
named beside it run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ZOO, VOLUME, WINDOWS = "tests/test_dicom_zoo.py", "tests/test_volume.py", "tests/test_hounsfield.py"


class Mutation(NamedTuple):
    """What is changed, where, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation("swap dy and dx", "dicom/stack.py", "(between_rows, between_columns) = frame.geometry.orientation",
             "(between_columns, between_rows) = frame.geometry.orientation",
             (f"{ZOO}::test_case[anisotropic_pixels]",)),
    Mutation("swap row and column direction", "dicom/stack.py", "np.array(orientation[3:]) * between_rows",
             "np.array(orientation[:3]) * between_rows", (f"{ZOO}::test_case[oblique]",)),
    Mutation("drop the intercept", "dicom/rescale.py", "0.0 if frame.intercept is None else frame.intercept",
             "0.0", (f"{ZOO}::test_case[clean]",)),
    Mutation("drop the slope", "dicom/rescale.py", "return 1.0 if frame.slope is None else frame.slope,",
             "return 1.0,", (f"{ZOO}::test_case[fractional_slope]", f"{ZOO}::test_case[negative_slope]")),
    Mutation("slope of the first slice for all", "dicom/load.py", "keys = [(slot - k, scale_of(frame), ",
             "keys = [(slot - k, ",
             (f"{ZOO}::test_case[intercept_differs_by_slice]",)),
    Mutation("sort by file name", "dicom/stack.py", 'order = np.argsort(along, kind="stable")',
             "order = np.array(sorted(range(len(frames)), key=lambda i: frames[i].name))",
             (f"{ZOO}::test_case[clean]",)),
    Mutation("sort by z instead of along the normal", "dicom/stack.py",
             "along = positions @ normal_of(frames[0].geometry.orientation)",
             "along = positions[:, 2]", (f"{ZOO}::test_case[sagittal]",)),
    Mutation("ignore the tilt", "dicom/stack.py", "    affine[:3, 0] = step\n",
             "    normal = normal_of(orientation)\n    affine[:3, 0] = normal * (step @ normal)\n",
             (f"{ZOO}::test_case[gantry_tilt]",)),
    Mutation("slice distance from SliceThickness", "dicom/stack.py",
             "(positions[-1] - positions[0]) / len(steps))",
             "normal_of(first.geometry.orientation) * _thickness(first))",
             (f"{ZOO}::test_case[overlapping_slices]",)),
    Mutation("overlook missing slices", "dicom/stack.py", "gap = (times > 1) & (off <= _tolerance(base, 0.05))",
             "gap = (times > 999)", (f"{ZOO}::test_case[missing_slice_filled]",)),
    Mutation("drop duplicates unseen", "dicom/load.py",
             "return first.shape == second.shape and bool(np.array_equal(first, second))", "return True",
             (f"{ZOO}::test_case[same_place_other_pixels]",)),
    Mutation("keep bits above BitsStored", "dicom/fast.py",
             "if high - low == (1 << bits) - 1 or _within(values, low, high):", "if True:",
             (f"{ZOO}::test_case[garbage_above_twelve_bits]",)),
    Mutation("do not spread the sign", "dicom/fast.py", 'kind = "i" if low else "u"', 'kind = "u"',
             (f"{ZOO}::test_case[twelve_bits_signed_without_spread_sign]",)),
    Mutation("format of the first slice for its neighbours", "dicom/load.py",
             "scale_of(frame), stored_range(frame.header))", "scale_of(frame))",
             ("tests/test_dicom_workers.py::test_neighbours_of_other_formats_are_read_by_their_own",)),
    Mutation("trust BitsStored with the ends of int16", "dicom/rescale.py",
             "low, high = ends or ", "low, high = (0, 0) or ",
             (f"{ZOO}::test_case[unsigned_above_32767]",)),
    Mutation("do not ask JPEG 2000 for its sign", "dicom/rescale.py",
             "if header.syntax in ASKED", "if False",
             (f"{ZOO}::test_case[jpeg_2000_of_another_sign_in_two_slices]",)),
    Mutation("read by the header of yesterday", "dicom/sources.py",
             "if self.stamp not in (None, _stamp(handle)):", "if False:",
             ("tests/test_dicom_sources.py::test_files_that_changed_after_the_scan_are_not_read_by_the_old_header",)),
    Mutation("forget broken slices of a chosen series", "dicom/series.py",
             "for skip in source.broken]", "for skip in ()]",
             ("tests/test_dicom_sources.py::test_a_broken_slice_is_not_lost_on_any_way_of_asking",)),
    Mutation("guess the sign", "dicom/frames.py", "if stored is None or sign is None:", "if stored is None:",
             (f"{ZOO}::test_case[sign_absent]",)),
    Mutation("mix filler into tissue", "resampling.py", "**options) > 1e-3", "**options) > 0.5",
             ("tests/test_volume.py::test_resampled_values_inside_hold_no_share_of_the_outside",)),
    Mutation("leave files open", "dicom/sources.py",
             "                while self.files:\n", "                while False:\n",
             ("tests/test_dicom_sources.py::test_files_are_opened_once_and_closed_in_the_end",)),
    Mutation("let int16 wrap", "dicom/rescale.py", "        raise Overflow\n", "        pass\n",
             (f"{ZOO}::test_case[unsigned_above_32767]",)),
    Mutation("believe Rows that leave pixels over", "dicom/frames.py", "if header.excess > 0 and any(",
             "if False and any(", (f"{ZOO}::test_case[fewer_rows_than_pixels]",)),
    Mutation("mix times", "dicom/groups.py", "        for part in _times_of(one)\n",
             "        for part in [one]\n", (f"{ZOO}::test_case[two_times_in_one_series]",)),
    Mutation("mix patients", "dicom/groups.py", "    for tag, word in APART.items():", "    for tag, word in ():",
             (f"{ZOO}::test_case[two_patients_whose_slices_interleave]",)),
    Mutation("lose the error of another thread", "dicom/load.py", "                other.result()\n",
             "                pass\n",
             ("tests/test_dicom_workers.py::test_a_file_that_went_away_is_named_whichever_thread_meets_it",)),
    Mutation("stack localizers", "dicom/frames.py", "if words & LOCALIZER_WORDS and", "if False and",
             (f"{ZOO}::test_case[localizer_of_equal_matrix]",)),
    Mutation("frames in the order of the file", "dicom/multiframe.py", "tags.POSITION), 3)",
             "tags.POSITION), 3) and None",
             (f"{ZOO}::test_case[enhanced_in_scrambled_order]",)),
    Mutation("templates that do not look", "dicom/fast.py", "if not data.startswith(expected, position):", "if False:",
             (f"{ZOO}::test_case[one_slice_of_another_kernel]",)),
    Mutation("templates that do not look at their end", "dicom/fast.py",
             "if not data.startswith(self.tail, position):", "if False:",
             (f"{ZOO}::test_case[intercept_of_one_slice_differs]",)),
    Mutation("the syntax of the first file is that of all", "dicom/fast.py",
             "self.odd |= tags.TRANSFER_SYNTAX in self.shared.changing", "pass",
             (f"{ZOO}::test_case[an_unknown_syntax_behind_two_known_ones]",)),
    Mutation("believe the meta about the form of elements", "dicom/walk.py",
             "return EXPLICIT_LE if data[body + 4 : body + 6] in SHORT | LONG else IMPLICIT_LE", "return syntax",
             (f"{ZOO}::test_case[explicit_under_implicit_meta]",)),
    Mutation("planes askew without a word", "dicom/stack.py", "limit = 0.1 * min(_spacing(first))",
             "limit = 9 * min(_spacing(first))", (f"{ZOO}::test_case[planes_a_little_askew]",)),
    Mutation("dates in texts", "dicom/tags.py", 'shown = pattern.sub("...", shown)', "pass",
             ("tests/test_dicom_sources.py::test_dates_in_texts_are_not_shown",)),
    Mutation("RLE may hold more than the picture", "dicom/pixels.py", "if any(_surplus(text) > 1 for text in said):",
             "if False:", (f"{ZOO}::test_case[rle_wider_than_columns]",)),
    Mutation("decoded bits above BitsStored stay", "dicom/decoding.py",
             "values, dirty = tidy(stored[None], *stored_range(frame.header))", "values, dirty = stored[None], []",
             (f"{ZOO}::test_case[bits_above_in_jpeg_ls]",)),
    Mutation("two pictures may be one frame", "dicom/codestream.py", "if len(found) != count:", "if False:",
             (f"{ZOO}::test_case[two_pictures_in_a_file_of_one]",)),
    Mutation("archives are unpacked as far as needed", "dicom/sources.py", "while to_end and file.read(1 << 20):",
             "while False:", (f"{ZOO}::test_case[a_bit_flipped_within_an_archive]",)),
    Mutation("positions are never rounded", "dicom/stack.py",
             "return max(share * base, min(2 * share * base, 0.1))", "return share * base",
             (f"{ZOO}::test_case[positions_with_one_decimal]",
              f"{ZOO}::test_case[positions_with_one_decimal_and_a_gap]")),
    Mutation("the largest, whatever it is", "dicom/scan.py", '(info.modality == "CT", math.prod(info.shape))',
             "math.prod(info.shape)", ("tests/test_dicom_sources.py::test_the_largest_of_several",)),
    Mutation("a rejection is what pynetdicom noticed of it", "pacs/archive.py",
             "if isinstance(answer, A_ASSOCIATE_RJ):", "if False:",
             ("tests/test_pacs.py::test_a_rejection_that_hangs_up_at_once",)),
    Mutation("the header of JPEG may say anything", "dicom/codestream.py",
             "if frame in HUFFMAN and body[2] >> 4 not in tables:",
             "if False:", (f"{ZOO}::test_case[jpeg_lossless_with_the_number_of_no_table]",)),
    Mutation("tiles may be missing", "dicom/codestream.py", "if len(found) != wanted or", "if",
             (f"{ZOO}::test_case[jpeg_2000_without_its_last_tile]", f"{ZOO}::test_case[jpeg_2000_of_tiny_tiles]")),
    Mutation("an end in the middle", "dicom/codestream.py", "if end.start() < len(stream) - 16:", "if False:",
             (f"{ZOO}::test_case[jpeg_lossless_that_ends_in_the_middle]",)),
    Mutation("padding tells series apart", "dicom/groups.py",
             "texts, sizes = (tags.text(raw(tag)) for tag in SAME_TEXTS)",
             "texts, sizes = (raw(tag) for tag in SAME_TEXTS)", (f"{ZOO}::test_case[padding_is_no_difference]",)),
    Mutation("gaps are filled whatever it costs", "dicom/series.py", "MOST_FILLED = 4 ", "MOST_FILLED = 400 ",
             (f"{ZOO}::test_case[far_more_to_fill_than_there_is]",)),
    Mutation("archives never change", "dicom/sources.py", "if stamp != _stamp(path):", "if False:",
             ("tests/test_dicom_sources.py::test_an_archive_that_changed_since_the_scan",)),
    Mutation("bent directions without a word", "dicom/stack.py", "        if off > limit:", "        if False:",
             (f"{ZOO}::test_case[column_direction_half_a_degree_off]",)),
    Mutation("kernels of frames do not matter", "dicom/multiframe.py",
             "tags.KERNEL: (CT_RECONSTRUCTION, tags.KERNEL)", "tags.KERNEL: (CT_X_RAY, tags.KERNEL)",
             (f"{ZOO}::test_case[enhanced_kernel_of_its_own_per_frame]",)),
    Mutation("acquisitions may take turns", "dicom/groups.py", ">= len(counts):", ">= 99:",
             (f"{ZOO}::test_case[acquisitions_take_turns]",)),
    Mutation("any acquisitions take turns", "dicom/groups.py", ">= len(counts):", ">= 1:",
             (f"{ZOO}::test_case[acquisitions_one_after_the_other]",)),
    Mutation("the first frame speaks for all", "dicom/pixels.py",
             "in frame_spans(header)]", "in frame_spans(header)[:1]]",
             (f"{ZOO}::test_case[only_the_first_frame_is_lossless]",)),
    Mutation("the last of two elements counts", "dicom/header.py", "if _twice(content, body, syntax):", "if False:",
             (f"{ZOO}::test_case[intercept_twice]", f"{ZOO}::test_case[intercept_twice_in_a_big_endian_file]")),
    Mutation("anything may stand behind the pixels", "dicom/frames.py", "header.behind = not",
             "header.behind = False and", (f"{ZOO}::test_case[bytes_behind_the_pixels]",)),
    Mutation("parts of a concatenation are counted by files", "dicom/multiframe.py",
             "if promised <= len(numbers):", "if promised <= len(parts):",
             (f"{ZOO}::test_case[concatenation_whose_first_part_came_twice]",)),
    Mutation("a cut lossless JPEG is made up", "dicom/pixels.py", "if header.syntax in LOSSLESS:", "if False:",
             (f"{ZOO}::test_case[jpeg_lossless_cut_and_closed]", f"{ZOO}::test_case[jpeg_lossless_with_bytes_put_in]")),
    Mutation("fill bytes are data", "dicom/jpeg_lossless.py", '.rstrip(b"\\xff")', '.rstrip(b"") + bytes(5)',
             (f"{ZOO}::test_case[jpeg_lossless_with_fill_bytes_before_its_end]",)),
    Mutation("all predictors are the first", "dicom/jpeg_lossless.py", "formulas[predictor]()", "formulas[1]()",
             ("tests/test_dicom_codestream.py",)),
    Mutation("point transforms lose nothing", "dicom/codestream.py", "return bool(body[-1] & 15 or", "return bool(",
             (f"{ZOO}::test_case[jpeg_lossless_with_a_point_transform]",)),
    Mutation("cosines lose nothing", "dicom/codestream.py", "in FRAME_MARKERS - LOSSLESS_FRAMES", "in ()",
             (f"{ZOO}::test_case[lossy_jpeg_under_the_name_of_a_lossless_one]",)),
    Mutation("tiles name no wavelet", "dicom/codestream.py", "and marker != SOD:",
             "and marker[1:] not in b'\\x93\\x90':",
             (f"{ZOO}::test_case[jpeg_2000_whose_first_tile_rounds]",)),
    Mutation("holes are data", "dicom/codestream.py", "and re.search(", "and False and re.search(",
             (f"{ZOO}::test_case[jpeg_2000_with_a_hole]",)),
    Mutation("classes by the beginning of their number", "dicom/frames.py", 'uid.startswith(f"{one}.")',
             "uid.startswith(one)", (f"{ZOO}::test_case[a_protocol_in_the_same_series]",)),
    Mutation("projections are slices", "dicom/rescale.py", "(raw(tags.IMAGE_TYPE)).isdisjoint(DERIVED_WORDS)",
             "(None).isdisjoint(DERIVED_WORDS)", (f"{ZOO}::test_case[maximum_projections]",)),
    Mutation("localizers by frame type are slices", "dicom/multiframe.py", "& LOCALIZER_WORDS", "& frozenset()",
             (f"{ZOO}::test_case[enhanced_localizers_by_frame_type]",)),
    Mutation("runs that take turns are one", "dicom/groups.py", "return one_way == [False, True, True] and",
             "return False and",
             (f"{ZOO}::test_case[two_scans_half_a_step_apart]",)),
    Mutation("the header's distance is not compared", "dicom/stack.py", "> max(0.05 * stack.step, 0.05):", "> 1e9:",
             (f"{ZOO}::test_case[spacing_in_the_header_of_half_the_distance]",)),
    Mutation("a hundredth of a millimetre is nothing", "dicom/stack.py", "min(0.01, 0.05 * base)", "0.01",
             (f"{ZOO}::test_case[one_longer_step_in_a_stack_of_ten_micrometres]",)),
    Mutation("numbers that are skipped", "dicom/groups.py", "if 1 <= skipped <= most", "if False",
             (f"{ZOO}::test_case[every_second_slice_left_out]",)),
    Mutation("codes are counts", "dicom/groups.py", "if 1 <= skipped <= most", "if 1 <= skipped",
             (f"{ZOO}::test_case[instance_numbers_that_are_codes]",)),
    Mutation("fewer images than promised", "dicom/groups.py", "if len(frames) < said <= most", "if False",
             (f"{ZOO}::test_case[the_last_slices_left_out]",)),
    Mutation("dimensions tell nothing", "dicom/groups.py", "if tag < 0}", "if False}",
             (f"{ZOO}::test_case[enhanced_with_two_energies_by_dimension]",)),
    Mutation("the first slice names the patient", "dicom/header.py", "map(_identity, headers)))[:MOST_PATIENTS]",
             "map(_identity, headers)))[:1]",
             ("tests/test_dicom_sources.py::test_other_names_numbers_and_days_of_any_slice_are_not_shown",)),
    Mutation("whatever unpacks is meant", "dicom/header.py", "if len(content) > most:", "if False:",
             ("tests/test_dicom_sources.py::test_a_deflated_bomb_stops_at_the_limit",)),
    Mutation("contradicting groups are silent", "dicom/multiframe.py", "header.contested = _contested(",
             "_ = _contested(", (f"{ZOO}::test_case[enhanced_scale_outside_the_groups_too]",)),
    Mutation("equal numbers contradict", "dicom/multiframe.py", "{_floats(_value(item, element)) for item",
             "{str(_value(item, element)) for item",
             (f"{ZOO}::test_case[enhanced_same_spacing_for_all_and_for_a_frame]",)),
    Mutation("filled slices are silent", "dicom/series.py", 'findings = [*findings, Finding("filled", text)]', "pass",
             (f"{ZOO}::test_case[missing_slice_filled]",)),
    Mutation("candidates in the order of the array", "figures/ct.py", "ax.imshow(grey(plane.image, \"lung\"), extent",
             "ax.imshow(grey(_around(volume, spot.index, half_mm).hu[0], \"lung\"), extent",
             ("tests/test_ct_figures.py::test_candidates_of_a_patient_who_lies_on_the_belly_look_as_any_other",)),
    Mutation("progress may keep slices", "dicom/load.py", "if count != len(frames):", "if False:",
             ("tests/test_dicom_sources.py::test_progress_must_give_everything_back",)),
    Mutation("cut lungs are lost", "lungs.py", "if len(pieces) == 1 and cut.any():", "if False:",
             ("tests/test_lungs.py::test_a_lung_cut_by_the_border_is_found",)),
    Mutation("a lung alone by the middle of the picture", "lungs.py", "> _spine(masks[0], hu, spacing, middle)",
             "> middle", ("tests/test_lungs.py::test_half_a_body_shows_the_lung_of_its_own_side",)),
    Mutation("show swallowed names", "dicom/tags.py", "return found if found.isprintable() and", "return found if",
             ("tests/test_dicom_sources.py::test_a_value_that_swallowed_the_name_is_not_shown",)),
    Mutation("RAS is LPS", "volume.py", "np.diag([-1.0, -1.0, 1.0, 1.0])", "np.eye(4)",
             (f"{VOLUME}::test_nifti_keeps_every_position",)),
    Mutation("planes upside down", "volume.py", '1 if name == "axial" else -1', "1",
             (f"{VOLUME}::test_planes_look_as_radiologists_expect",)),
    Mutation("a window one value too wide", "hounsfield.py", "/ (width - 1) + 0.5", "/ width + 0.5",
             (f"{WINDOWS}::test_window_is_pydicoms",)),
    Mutation("padding by the tag only", "dicom/padding.py", "fillers = [None if known else value",
             "fillers = [None if True else value", (f"{ZOO}::test_case[padding_without_tag]",)),
)  # fmt: skip


def copy_project(target: Path) -> None:
    """What the tests need, in a folder of its own."""
    for name in ("helpers", "tests", "data"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.keras"))
    shutil.copy(ROOT / "pyproject.toml", target)


def survives(mutation: Mutation, project: Path) -> str | None:
    """None when a test noticed; else why the mutation is still alive."""
    path = project / "helpers" / mutation.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) < 1:
        return "the text to change is not there any more"
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("MEDIMG_DATA", None)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.tests]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    finally:
        path.write_text(text, encoding="utf-8")
    # 1: tests ran and failed. Anything else (0: all passed, 2-5: none ran) proves nothing.
    return None if done.returncode == 1 else f"pytest ended with {done.returncode}"


def main() -> int:
    from tests.mutations_networks import MUTATIONS as NETWORKS

    alive = 0
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        copy_project(project)
        words = sys.argv[1:] or [""]
        chosen = [m for m in (*MUTATIONS, *NETWORKS) if any(word in m.name for word in words)]
        for mutation in chosen:
            why = survives(mutation, project)
            alive += why is not None
            print(f"{'noticed' if why is None else 'ALIVE (' + why + ')':12s} {mutation.name}", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} mutations were noticed.")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
