"""blocks16: the blocks of weights that are not all zero, for cores with MVE: the 4 or 6 rows of a
block of units, two or four columns of a vector of 8-bit elements.  Segments with vectors of 16-bit
elements are dense, as in rows16.

The stream of a block of units is a head of bytes, filled up to words: how many more there are; for
each segment with 8-bit elements how many blocks are stored, and their places.  Then, for each
segment: the first values of the sums that begin there; four rows of each stored block; the other
two if there are six, or the chunks of a dense segment; the multipliers of the sums that end there.
After the last block there is room to read what one turn of a loop does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn2c.ir.graph import IntArray
from rnn2c.packing import rows16
from rnn2c.packing.blocks import Content, Segments, Unpacking, blocked
from rnn2c.packing.rows16 import CALL, CHUNK, WORD, Layout

FOUR = 4
"""Rows that are loaded together."""

TURN_BYTES = 16
"""Columns of one turn of a loop."""

MOST = 255
"""What a byte holds."""

FRAME, SEGMENT, TURN = 6, 8, 14
"""Instructions of a kernel beyond those of rows16; beside the stored blocks of a segment; of a turn
with four rows.
"""

KERNEL_BYTES, SEGMENT_BYTES, STACK_BYTES = 60, 110, 16
"""Beyond those of rows16: of code, for a kernel and for each segment; of stack."""


def layout(results: int, segments: Segments, types: tuple[str, ...]) -> Layout | None:
    """As that of rows16; None if no vector has 8-bit elements, or one that has goes with other
    numbers of rows.
    """
    form = rows16.layout(results, segments, types)
    if form is None:
        return None
    stored = [len(form.of(s)) for s in range(len(segments)) if is_stored(form, s)]
    is_fit = stored and set(stored) <= {FOUR, FOUR + 2}
    return replace(form, room=FOUR * TURN_BYTES // WORD) if is_fit else None


def is_stored(form: Layout, segment: int) -> bool:
    """Whether a segment has stored blocks."""
    return form.chunk[segment] == CHUNK["i8"]


def fits(form: Layout, of: Content, columns: int) -> bool:
    """Whether every place and head goes into bytes."""
    listed = [1 + -(-m.shape[2] // columns) for m in of.matrices]
    return bool(sum(n for s, n in enumerate(listed) if is_stored(form, s)) + WORD <= MOST)


def cost(form: Layout, of: Content, columns: int) -> int:
    """About the instructions that all blocks take; compare rows16.cost."""
    count = -(-len(of.bias) // form.units)
    total = (CALL + FRAME) * count
    for s, matrix in enumerate(of.matrices):
        rows = len(form.of(s))
        if is_stored(form, s):
            stored = np.any(_blocks(form, of, s, columns), axis=(2, 3)).sum(axis=1)
            turns = -(-stored * columns // TURN_BYTES)
            total += int(turns.sum()) * (TURN + 2 * (rows - FOUR)) + SEGMENT * count
        else:
            total += count * -(-matrix.shape[2] // form.chunk[s]) * (1 + 2 * rows)
    return total


def code_bytes(segments: int) -> int:
    """A bound on the code of a kernel with so many segments beyond that of rows16."""
    return KERNEL_BYTES + segments * SEGMENT_BYTES


def pack(form: Layout, of: Content, columns: int) -> IntArray:
    """The stream of words, u32."""
    first, scales = of.first(form.units)[..., 0], of.scales(form.units)
    parts: list[IntArray] = []
    segments = [_blocks(form, of, s, columns) for s in range(len(of.matrices))]
    for k in range(len(first)):
        stored = [np.any(blocks[k], axis=(1, 2)) for blocks in segments]
        places = [np.flatnonzero(there) for there in stored]
        parts.append(_head([p for s, p in enumerate(places) if is_stored(form, s)]))
        for s, blocks in enumerate(segments):
            parts.append(np.asarray([first[(k, *b.row)] for b in form.beginning(s)], np.int64))
            if is_stored(form, s):
                rows = blocks[k, stored[s]]
                parts += [_words(rows[:, :FOUR]), _words(rows[:, FOUR:])]
            else:
                of_block = [row[k : k + 1] for row in _rows(form, of, s)]
                parts += [chunk[0] for chunk in rows16.chunks(of_block, form.chunk[s])]
            ending = [scales[r][k, u, 0] for u, r in (b.row for b in form.ending(s)) if r in scales]
            parts.append(np.asarray(ending, np.int64))
    parts.append(np.zeros(form.room, np.int64))
    return np.concatenate(parts) & 0xFFFFFFFF


def unpack(form: Layout, to: Unpacking, columns: int) -> None:
    """The inverse of pack."""
    dense: list[IntArray] = []
    rest = to.stream

    def take(count: int) -> IntArray:
        nonlocal rest
        taken, rest = rest[:count], rest[count:]
        return taken

    for _ in range(to.blocks):
        head = _octets(take((int(rest[0] & 0xFF) + 1) // WORD))[1:]
        for s, size in enumerate(to.sizes):
            rows = len(form.of(s))
            dense.append(take(len(form.beginning(s))))
            if is_stored(form, s):
                places, head = head[1 : 1 + head[0]], head[1 + head[0] :]
                blocks = np.zeros((-(-size // columns), rows, columns), np.int64)
                for some in (slice(0, FOUR), slice(FOUR, rows)):
                    shape = (len(places), len(range(rows)[some]), columns)
                    blocks[places, some] = _octets(
                        take(shape[0] * shape[1] * columns // WORD)
                    ).reshape(shape)
                of_rows = blocks.transpose(1, 0, 2).reshape(rows, 1, -1)[..., :size]
                dense += [chunk[0] for chunk in rows16.chunks(list(of_rows), form.chunk[s])]
            else:
                chunks = rows16.chunks([np.zeros((1, size), np.int64)] * rows, form.chunk[s])
                dense.append(take(sum(chunk.size for chunk in chunks)))
            dense.append(take(sum(b.row[1] in to.scales for b in form.ending(s))))
    to.stream = np.concatenate([*dense, np.zeros(form.room, np.int64)])
    rows16.unpack(form, to)


def _rows(form: Layout, of: Content, segment: int) -> list[IntArray]:
    return rows16.rows_of(form, of.matrices[segment], of.segments[segment], segment)


def _blocks(form: Layout, of: Content, segment: int, columns: int) -> IntArray:
    """All blocks of a segment: [blocks of units, place, row, column], filled up with zeros."""
    rows = np.stack([blocked(row, 1, columns)[:, 0] for row in _rows(form, of, segment)], axis=1)
    split = rows.reshape(*rows.shape[:2], -1, columns)
    return split.transpose(0, 2, 1, 3)


def _words(octets: IntArray) -> IntArray:
    made: IntArray = rows16.words(octets.reshape(1, -1))[0]
    return made


def _octets(words: IntArray) -> IntArray:
    return (words[:, None] >> np.arange(0, 32, 8) & 0xFF).ravel()


def _head(places: list[IntArray]) -> IntArray:
    listed = [n for of_segment in places for n in (len(of_segment), *of_segment)]
    data = np.zeros(-(-(1 + len(listed)) // WORD) * WORD, np.int64)
    data[: 1 + len(listed)] = [data.size - 1, *listed]
    return _words(data)
