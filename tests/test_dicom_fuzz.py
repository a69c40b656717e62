"""A short, seeded run of the fuzzer (`make fuzz` runs the long one), and wholly random inputs by hypothesis."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.dicom import DicomSeriesError, read_series, scan_folder
from tests.fuzz.fuzz_dicom import run


def test_damaged_files_end_in_a_volume_a_finding_or_a_refusal():
    outcomes = run(count=700, seed=1)
    assert sum(outcomes.values()) == 700
    # Most seeds are single slices, which is a finding; the others show that damage does not always end the reading.
    assert outcomes["volume"] >= 1 and outcomes["finding"] > 50 and outcomes["refused"] > 50


@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400), start=st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS\x0a\x00"]))
def test_random_bytes_are_no_series(body, start, tmp_path):
    path = tmp_path / "random.dcm"
    path.write_bytes(start + body)
    scan_folder(path)
    try:
        read_series(path)
    except DicomSeriesError as error:
        assert "random.dcm" in str(error)
