"""What holds for random streams: golden draws, and another for each seed, purpose and index."""

import pytest

from research.design.streams import stream


def test_streams_are_golden():
    assert stream(0, "split").integers(1000, size=4).tolist() == [780, 308, 327, 289]
    assert stream(7, "order", 3).integers(1000, size=4).tolist() == [203, 850, 441, 276]


def test_seed_purpose_and_each_index_make_another_stream():
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 0), (0, "a", 0, 1), (0, "a", 1, 0)]
    assert len({stream(*key).integers(2**63) for key in keys}) == len(keys)


def test_a_stream_needs_a_whole_seed_from_zero_up():
    with pytest.raises(ValueError, match="non-negative"):
        stream(-1, "split")
    for wrong in (None, 0.5, "0"):
        with pytest.raises(TypeError):
            stream(wrong, "split")
