"""The vault: whatever was altered, moved, left out or cut off does not open."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamap.encryption import Unreadable
from requests.package import vault
from requests.package.vault import HEADER, TAG, Altered, Writer

FRAME = 16
KEY = bytes(range(32))
texts = st.binary(max_size=5 * FRAME)
whole_frames = st.integers(2, 5).map(lambda n: bytes(range(n * FRAME)))


def sealed(text: bytes, *, key: bytes = KEY, frame: int = FRAME) -> bytes:
    """The file that a text makes."""
    target = io.BytesIO()
    with Writer(target, key, frame=frame) as writer:
        writer.write(text)
    return target.getvalue()


def opened(file: bytes, *, key: bytes = KEY) -> bytes:
    """The text of a file."""
    return b"".join(vault.read(io.BytesIO(file), key))


def frames(file: bytes) -> tuple[bytes, list[bytes]]:
    """Header and frames of a file."""
    step = FRAME + TAG
    body = file[HEADER.size :]
    return file[: HEADER.size], [body[at : at + step] for at in range(0, len(body), step)]


@given(parts=st.lists(st.binary(max_size=3 * FRAME), max_size=6))
def test_round_trip_of_any_bytes_in_any_parts(parts: list[bytes]) -> None:
    target = io.BytesIO()
    with Writer(target, KEY, frame=FRAME) as writer:
        for part in parts:
            writer.write(part)
    text = b"".join(parts)
    assert opened(target.getvalue()) == text
    assert (writer.size, writer.stored) == (len(text), len(target.getvalue()))


@given(text=texts, data=st.data())
def test_any_flipped_bit_is_refused(text: bytes, data: st.DataObject) -> None:
    file = bytearray(sealed(text))
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Altered):
        opened(bytes(file))


@given(text=texts, data=st.data())
def test_any_truncation_is_refused(text: bytes, data: st.DataObject) -> None:
    file = sealed(text)
    with pytest.raises(Altered):
        opened(file[: data.draw(st.integers(0, len(file) - 1))])


@given(text=texts, more=st.binary(min_size=1, max_size=3 * FRAME))
def test_anything_appended_is_refused(text: bytes, more: bytes) -> None:
    with pytest.raises(Altered):
        opened(sealed(text) + more)


@given(text=whole_frames, data=st.data())
def test_a_dropped_frame_is_refused(text: bytes, data: st.DataObject) -> None:
    header, parts = frames(sealed(text))
    del parts[data.draw(st.integers(0, len(parts) - 1))]
    with pytest.raises(Altered):
        opened(header + b"".join(parts))


@given(text=whole_frames, data=st.data())
def test_swapped_frames_are_refused(text: bytes, data: st.DataObject) -> None:
    header, parts = frames(sealed(text))
    first = data.draw(st.integers(0, len(parts) - 2))
    second = data.draw(st.integers(first + 1, len(parts) - 1))
    parts[first], parts[second] = parts[second], parts[first]
    with pytest.raises(Altered):
        opened(header + b"".join(parts))


@given(text=whole_frames, data=st.data())
def test_a_repeated_frame_is_refused(text: bytes, data: st.DataObject) -> None:
    header, parts = frames(sealed(text))
    at = data.draw(st.integers(0, len(parts) - 1))
    parts.insert(at, parts[at])
    with pytest.raises(Altered):
        opened(header + b"".join(parts))


@given(text=whole_frames, data=st.data())
def test_a_frame_of_another_file_under_the_same_key_is_refused(
    text: bytes, data: st.DataObject
) -> None:
    header, parts = frames(sealed(text))
    _header, others = frames(sealed(text))
    at = data.draw(st.integers(0, len(parts) - 1))
    parts[at] = others[at]
    with pytest.raises(Altered):
        opened(header + b"".join(parts))


def test_another_key_is_refused() -> None:
    with pytest.raises(Altered):
        opened(sealed(b"text"), key=vault.new_key())


def test_nothing_unproved_is_handed_out() -> None:
    header, parts = frames(sealed(bytes(3 * FRAME)))
    parts[1] = bytes(len(parts[1]))
    reading = vault.read(io.BytesIO(header + b"".join(parts)), KEY)
    assert next(reading) == bytes(FRAME)
    with pytest.raises(Altered) as caught:
        next(reading)
    assert caught.value.position == 1


def test_a_header_that_asks_for_much_memory_is_refused() -> None:
    header = HEADER.pack(vault.MAGIC, 2**32 - 1, bytes(7))
    with pytest.raises(Altered):
        opened(header + bytes(100))


def test_an_exception_leaves_a_file_that_does_not_open() -> None:
    def write_and_fail() -> None:
        with Writer(target, KEY, frame=FRAME) as writer:
            writer.write(bytes(3 * FRAME))
            raise RuntimeError

    target = io.BytesIO()
    with pytest.raises(RuntimeError):
        write_and_fail()
    with pytest.raises(Altered):
        opened(target.getvalue())


def test_a_closed_file_takes_no_more() -> None:
    writer = Writer(io.BytesIO(), KEY)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"more")


def test_nothing_written_twice_looks_the_same() -> None:
    assert sealed(b"the same text") != sealed(b"the same text")
    assert all(left != right for left, right in pairwise(frames(sealed(bytes(5 * FRAME)))[1]))


def test_writing_and_reading_keep_no_more_than_two_frames() -> None:
    class Counting:
        """A sink and an origin that note the largest piece they see."""

        def __init__(self) -> None:
            self.largest = 0
            self.held = io.BytesIO()

        def write(self, data: bytes) -> int:
            self.largest = max(self.largest, len(data))
            return self.held.write(data)

    target = Counting()
    with Writer(target, KEY) as writer:
        for _piece in range(64):
            writer.write(bytes(100_000))
    assert target.largest == vault.FRAME + TAG
    target.held.seek(0)
    assert max(map(len, vault.read(target.held, KEY))) == vault.FRAME


def test_an_origin_may_hand_out_fewer_bytes_than_asked_for() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 7))

    assert b"".join(vault.read(Slow(sealed(bytes(50))), KEY)) == bytes(50)


def test_a_wrapped_key_opens_only_with_our_keys() -> None:
    key = vault.new_key()
    wrapped = vault.wrap(key)
    assert vault.unwrap(wrapped) == key
    assert key not in wrapped
    with pytest.raises(Unreadable):
        vault.unwrap(wrapped[:-4] + b"AAA=")
