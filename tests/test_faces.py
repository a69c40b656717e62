"""Detectors against known boxes, the cascade in NumPy against OpenCV, and the counting of right boxes."""

import csv
import threading

import cv2
import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from skimage import data

from helpers import faces
from helpers.cascade import ask_stage, box_sum, frontal_face_file, integral_image, read_cascade, run_cascade
from helpers.faces import (
    FaceError,
    candidate_windows,
    detect_eyes,
    detect_faces,
    group_windows,
    overlap,
    score_boxes,
    score_pictures,
)
from helpers.images import read_image
from helpers.scenes import compose_scenes, read_annotated

FACE = [177, 66, 95, 95]


@pytest.fixture(scope="module")
def astronaut():
    return data.astronaut()


@pytest.fixture(scope="module")
def plan():
    return read_cascade(frontal_face_file())


def test_haar_finds_the_known_box(astronaut):
    for neighbours in (3, 5, 20, 39):
        found = detect_faces(astronaut, neighbours=neighbours)
        assert found.dtype.kind == "i" and found.tolist() == [FACE]
    assert detect_faces(astronaut, neighbours=40).shape == (0, 4)


def test_channel_order_is_red_first(astronaut):
    exchanged = np.ascontiguousarray(astronaut[..., ::-1])
    assert candidate_windows(exchanged).tolist() != candidate_windows(astronaut).tolist()
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    assert candidate_windows(grey).tolist() == candidate_windows(astronaut).tolist()


def test_lbp_finds_the_face(astronaut):
    # Which box exactly depends on the processor: scikit-image's window sizes and sums have single precision.
    boxes = detect_faces(astronaut, "lbp", min_size=60, max_size=123)
    assert len(boxes) == 1 and overlap([FACE], boxes).max() > 0.8
    assert overlap([FACE], detect_faces(astronaut, "lbp")).max() > 0.75


def test_eyes_lie_in_the_face(astronaut):
    eyes = detect_eyes(astronaut, FACE)
    assert sorted(eyes.tolist()) == [[187, 86, 29, 29], [232, 89, 29, 29]]


def test_another_portrait_of_another_size():
    rgb = read_image(get_sample_data("grace_hopper.jpg", asfileobj=False))
    for detector in ("haar", "lbp"):
        assert overlap([[155, 105, 222, 222]], detect_faces(rgb, detector)).max() > 0.8


def test_boxes_are_sorted_whole_and_inside():
    found = detect_faces(data.coins(), neighbours=0)
    area = found[:, 2] * found[:, 3]
    assert (np.diff(area) <= 0).all() and (found[:, :2] >= 0).all()
    assert (found[:, 0] + found[:, 2] <= 384).all() and (found[:, 1] + found[:, 3] <= 303).all()


def test_looks_alike_and_turned(astronaut):
    assert [len(detect_faces(data.coins(), neighbours=n)) for n in (3, 5)] == [7, 6]
    for name in ("camera", "moon", "page", "brick", "grass"):
        assert len(detect_faces(getattr(data, name)())) == 0
    assert detect_faces(np.ascontiguousarray(np.rot90(astronaut, 2))).tolist() == [[122, 254, 90, 90]]


def test_grouping_equals_opencv(astronaut):
    windows = candidate_windows(astronaut)
    for neighbours in (0, 1, 2, 3, 5, 10, 39, 40):
        grouped = group_windows(windows, neighbours)
        assert sorted(grouped.tolist()) == sorted(detect_faces(astronaut, neighbours=neighbours).tolist())


def test_min_size_and_scale_are_used(astronaut):
    assert len(detect_faces(astronaut, min_size=120)) == 0
    assert len(candidate_windows(astronaut, 1.05)) > len(candidate_windows(astronaut, 1.3))


@pytest.mark.parametrize("shape", [(1, 1, 3), (23, 23, 3), (24, 24, 3), (5, 700, 3), (700, 5), (2, 2)])
@pytest.mark.parametrize("detector", ["haar", "lbp"])
def test_small_and_thin_pictures_have_no_face(shape, detector):
    assert detect_faces(np.zeros(shape, np.uint8), detector).shape == (0, 4)


@pytest.mark.parametrize(("picture", "word"), [
    ("photo.jpg", "read_image"),
    (None, "array"),
    (np.zeros((9, 9, 3)), "float64"),
    (np.zeros((9, 9, 3), np.uint16), "uint16"),
    (np.zeros((9, 9, 3), np.int16), "int16"),
    (np.zeros((9, 9), bool), "bool"),
    (np.zeros((9, 9, 4), np.uint8), "(9, 9, 4)"),
    (np.zeros((3, 9, 9), np.uint8), "(3, 9, 9)"),
    (np.zeros((2, 9, 9, 3), np.uint8), "(2, 9, 9, 3)"),
    (np.zeros((0, 9, 3), np.uint8), "(0, 9, 3)"),
    (np.zeros(9, np.uint8), "(9,)"),
])  # fmt: skip
def test_other_arrays_are_refused(picture, word):
    for call in (detect_faces, candidate_windows):
        with pytest.raises(FaceError) as caught:
            call(picture)
        assert word in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(("settings", "word"), [
    ({"detector": "dlib"}, "haar"),
    ({"detector": "Haar"}, "haar"),
    ({"score": 0.5}, "score"),
    ({"minNeighbors": 3}, "neighbours"),
    ({"scale": 1.0}, "scale"),
    ({"scale": "big"}, "scale"),
    ({"neighbours": -1}, "neighbours"),
    ({"detector": "yunet", "score": 1.5}, "score"),
    ({"cascade": "no/such/cascade.xml"}, "cascade.xml"),
    ({"detector": "yunet", "model": "no/such/model.onnx"}, "model.onnx"),
])  # fmt: skip
def test_wrong_settings_are_refused(astronaut, settings, word):
    with pytest.raises(FaceError, match=word):
        detect_faces(astronaut, **settings)


def test_wrong_files_are_refused(astronaut, tmp_path):
    for content in (b"", b"no cascade", b"<?xml version='1.0'?>\n<opencv_storage><a>1</a></opencv_storage>"):
        path = tmp_path / "mine.xml"
        path.write_bytes(content)
        with pytest.raises(FaceError, match=r"mine\.xml"):
            detect_faces(astronaut, cascade=path)
        with pytest.raises(FaceError, match=r"mine\.xml"):
            detect_faces(astronaut, "yunet", model=path)


def test_own_cascade_from_a_folder_with_accents(astronaut, tmp_path):
    folder = tmp_path / "Kaskade für Gesichter"
    folder.mkdir()
    copy = folder / "eigene.xml"
    copy.write_bytes(frontal_face_file().read_bytes())
    assert detect_faces(astronaut, cascade=copy).tolist() == [FACE]


def test_missing_yunet_says_how_to_get_it(astronaut, monkeypatch):
    monkeypatch.setattr(faces, "yunet_file", lambda: None)
    monkeypatch.setattr(faces, "_loaded", threading.local())
    with pytest.raises(FaceError, match="make data SET=yunet"):
        detect_faces(astronaut, "yunet")


def test_without_cascades_a_sentence_names_the_way_out(astronaut, monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    monkeypatch.setattr(faces, "_loaded", threading.local())
    assert not faces.haar_is_available()
    with pytest.raises(FaceError, match="detector='lbp'"):
        detect_faces(astronaut)
    assert len(detect_faces(astronaut, "lbp", min_size=60, max_size=123)) == 1


def test_threads_do_not_disturb_each_other(astronaut):
    results = []
    turned = np.ascontiguousarray(astronaut[:, ::-1])

    def search(picture):
        results.append((picture is astronaut, detect_faces(picture).tolist()))

    jobs = [threading.Thread(target=search, args=(picture,)) for picture in (astronaut, turned) * 3]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(results) == 6
    for upright, found in results:
        assert (found == [FACE]) if upright else (len(found) == 2)


# --- boxes against boxes ---------------------------------------------------------------------------------------------


def test_overlap_by_hand():
    # 10 x 10 boxes shifted by 5: 50 shared of 150; one inside the other: 25 of 100; apart and touching: 0
    result = overlap([[0, 0, 10, 10]], [[5, 0, 10, 10], [0, 0, 5, 5], [50, 50, 3, 3], [10, 0, 10, 10], [0, 0, 10, 10]])
    assert np.allclose(result, [[1 / 3, 0.25, 0, 0, 1]])
    assert np.allclose(overlap([[0, 0, 2, 6]], [[0, 0, 6, 2]]), 4 / 20)


def test_score_counts_each_box_once():
    one = [[0, 0, 10, 10]]
    assert score_boxes(one, one) == (1.0, 1.0, [(0, 0, 1.0)])
    assert score_boxes(one, one * 2)[:2] == (0.5, 1.0)
    assert score_boxes(one * 2, one)[:2] == (1.0, 0.5)
    score = score_boxes([[0, 0, 10, 10], [100, 0, 10, 10]], [[101, 0, 10, 10], [50, 50, 9, 9], [60, 60, 9, 9]])
    assert score.precision == 1 / 3 and score.recall == 0.5 and score.matches[0][:2] == (1, 0)


def test_score_pairs_as_many_as_possible():
    # The middle box fits the left face best, but only pairing it with the right one leaves a partner for both.
    # (IoU 0.905 for the best single pair, 0.429 + 0.429 for the two.)
    truth = [[0, 0, 10, 10], [4.5, 0, 10, 10]]
    found = [[0.5, 0, 10, 10], [-4, 0, 10, 10]]
    score = score_boxes(truth, found)
    assert sorted(pair[:2] for pair in score.matches) == [(0, 1), (1, 0)]


def test_score_does_not_depend_on_order():
    random = np.random.default_rng(4)
    truth = np.hstack([random.integers(0, 60, (9, 2)), random.integers(10, 30, (9, 2))])
    found = truth + random.integers(-4, 5, truth.shape)
    first = score_boxes(truth, found)
    again = score_boxes(truth[::-1], found[random.permutation(9)])
    assert first[:2] == again[:2]


def test_iou_at_the_limit_counts():
    truth, found = [[0, 0, 10, 10]], [[0, 0, 10, 4]]
    assert score_boxes(truth, found, iou=0.4).precision == 1
    assert score_boxes(truth, found, iou=0.41).precision == 0


def test_nothing_found_and_nothing_there():
    none, one = np.zeros((0, 4), int), [[0, 0, 9, 9]]
    assert score_boxes(one, none) == (1.0, 0.0, [])
    assert score_boxes([], one) == (0.0, 1.0, [])
    assert score_boxes(none, []) == (1.0, 1.0, [])


def test_pictures_are_counted_together():
    one, two = [[0, 0, 9, 9]], [[0, 0, 9, 9], [50, 0, 9, 9]]
    assert score_pictures([one, two], [two, one]) == (2 / 3, 2 / 3)
    assert score_pictures(iter([one]), iter([[]])) == (1.0, 0.0)
    with pytest.raises(ValueError, match="2 pictures"):
        score_pictures([one, two], [one])


@pytest.mark.parametrize("boxes", [[[1, 2, 3]], [[0, 0, 0, 5]], [[0, 0, 5, -1]], [[0, 0, np.nan, 5]], [1, 2, 3, 4]])
def test_wrong_boxes_are_refused(boxes):
    with pytest.raises(ValueError, match="boxes"):
        score_boxes(boxes, [[0, 0, 1, 1]])


@pytest.mark.parametrize("iou", [0, -1, 1.1, float("nan")])
def test_wrong_iou_is_refused(iou):
    with pytest.raises(ValueError, match="iou"):
        score_boxes([[0, 0, 1, 1]], [[0, 0, 1, 1]], iou)


# --- the cascade in NumPy --------------------------------------------------------------------------------------------


def test_sum_table(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    table = integral_image(grey)
    assert table.shape == (513, 513) and np.array_equal(table, cv2.integral(grey))
    assert box_sum(table, *FACE) == 1_404_099 == int(grey[66:161, 177:272].sum())
    assert box_sum(table, 0, 0, 512, 512) == int(grey.sum()) and box_sum(table, 7, 9, 1, 1) == grey[9, 7]


def test_plan_of_the_shipped_file(plan):
    stumps = [len(stage.feature) for stage in plan.stages]
    assert plan.window == 24 and len(stumps) == 25 and stumps[:3] == [9, 16, 27] and sum(stumps) == 2913
    assert plan.features.shape == (2913, 3, 5)
    boxes = plan.features[..., :4]
    assert (boxes[..., 0] + boxes[..., 2]).max() <= 24 and (boxes[..., 1] + boxes[..., 3]).max() <= 24
    # the weights are chosen so that a plain wall gives zero
    assert np.allclose((boxes[..., 2] * boxes[..., 3] * plan.features[..., 4]).sum(axis=1), 0)


@pytest.mark.parametrize("name", ["astronaut", "coins"])
def test_numpy_cascade_accepts_what_opencv_accepts(plan, name):
    picture = getattr(data, name)()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    funnel = run_cascade(grey, plan)
    theirs, ours = {*map(tuple, candidate_windows(grey).tolist())}, {*map(tuple, funnel.survivors.tolist())}
    assert theirs and theirs <= ours and len(ours) <= 1.1 * len(theirs)
    assert len(funnel.left) == 27 and all(a >= b for a, b in zip(funnel.left, funnel.left[1:]))
    if name == "astronaut":
        assert ours == theirs and funnel.left[0] == 486_854 and funnel.left[-1] == 47


def test_numpy_cascade_of_a_tiny_or_plain_picture(plan):
    assert run_cascade(np.zeros((10, 10), np.uint8), plan).left == (0,) * 27
    plain = run_cascade(np.full((60, 40), 90, np.uint8), plan)
    assert plain.left[0] > 0 and plain.left[1] == 0 and len(plain.survivors) == 0


def test_first_stage_tells_face_from_wall(astronaut, plan):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    face = cv2.resize(grey[66:161, 177:272], (24, 24), interpolation=cv2.INTER_AREA)
    values, votes = ask_stage(face, plan)
    assert values.shape == votes.shape == (9,)
    assert votes.sum() > plan.stages[0].threshold > ask_stage(data.brick()[100:124, 100:124], plan)[1].sum()
    # neither brightness nor contrast matters
    assert np.allclose(ask_stage((face // 2 + 60).astype(np.uint8), plan)[0], values, atol=0.01)
    with pytest.raises(ValueError, match="24 x 24"):
        ask_stage(grey, plan)


def test_cascades_of_trees_are_refused():
    with pytest.raises(ValueError, match="trees"):
        read_cascade(frontal_face_file().with_name("haarcascade_frontalface_alt2.xml"))


# --- scenes and own pictures -----------------------------------------------------------------------------------------


def test_composed_scenes_are_the_same_each_time_and_measurable():
    scenes, again = compose_scenes(), compose_scenes(2)
    assert all(np.array_equal(a.rgb, b.rgb) and np.array_equal(a.boxes, b.boxes) for a, b in zip(scenes, again))
    assert sum(len(scene.boxes) for scene in scenes) == 72
    for scene in scenes:
        assert scene.rgb.shape == (360, 480, 3) and scene.rgb.dtype == np.uint8
        inner = overlap(scene.boxes, scene.boxes) - np.eye(9)
        assert inner.max() == 0, "faces lie apart"
    precision, recall = score_pictures([s.boxes for s in scenes], [detect_faces(s.rgb) for s in scenes])
    assert 0.9 < precision < 1 and 0.7 < recall < 0.95


def test_own_marked_pictures(tmp_path, astronaut):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "b.png"), astronaut[..., ::-1])
    cv2.imwrite(str(tmp_path / "images" / "a.png"), data.moon())
    table = tmp_path / "annotations.csv"
    table.write_text("image,x,y,w,h\nb.png,177,66.4,95,95\n", "utf-8-sig")  # as Excel writes it
    empty, portrait = read_annotated(tmp_path)
    assert empty.boxes.shape == (0, 4) and portrait.boxes.tolist() == [FACE]
    assert np.array_equal(portrait.rgb, astronaut)
    for text, word in (
        ("image,x,y,w\nb.png,1,2,3\n", "no column 'h'"),
        ("image,x,y,w,h\nc.png,1,2,3,4\n", "line 2: there is no picture 'c.png'"),
        ("image,x,y,w,h\nb.png,1,2,3,four\n", "line 2"),
        ("image,x,y,w,h\nb.png,1,2,3\n", "line 2"),
        ("image,x,y,w,h\nb.png,1,2,0,4\n", "above 0"),
    ):
        table.write_text(text, "utf-8")
        with pytest.raises(FaceError, match=word):
            read_annotated(tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize(("detector", "precision", "recall"), [
    ("haar", 0.95, 0.85),
    ("yunet", 0.94, 0.92),
    pytest.param("lbp", 0.93, 0.72, marks=pytest.mark.slow),
])  # fmt: skip
def test_precision_and_recall_on_photographs(medimg_data, detector, precision, recall):
    scenes = read_annotated(medimg_data / "faces")
    with (medimg_data / "faces" / "annotations.csv").open() as table:
        assert len(scenes) == 65 and sum(len(s.boxes) for s in scenes) == len(list(csv.reader(table))) - 1 == 234
    score = score_pictures([s.boxes for s in scenes], [detect_faces(s.rgb, detector) for s in scenes])
    assert score[0] >= precision and score[1] >= recall


@pytest.mark.real_data
def test_yunet_on_portraits_and_tiny_pictures(medimg_data, astronaut):
    assert overlap([[178, 63, 90, 113]], detect_faces(astronaut, "yunet")).max() > 0.9
    for shape in ((1, 1, 3), (23, 23, 3), (5, 700, 3), (2, 2)):
        found = detect_faces(np.zeros(shape, np.uint8), "yunet")
        assert found.shape == (0, 4) and found.dtype.kind == "i"
