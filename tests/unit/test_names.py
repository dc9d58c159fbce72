"""Names of a model are untrusted: what reaches C is an identifier or harmless prose."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.ir.names import C_WORDS, LONGEST, Names, identifier, prose

HOSTILE = [
    "", " ", "_", "__", "42", "9lives", "int", "While", "main", "INT", "a.b/c::d", "ümlaut",
    "名前", "\u2028", "\x00", "*/ int x; /*", "//", "??/", "??)", "a\\", "a\\\n#define x",
    '"; system("x"); "', "{{ 7 * 7 }}", "{% raw %}", "%n%s", "../../etc/passwd", "x" * 70_000,
    "_" * 70_000, "\u202eevil", "\x1b[31mred", "errno", "class", "NULL", "j", "k",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: repr(t[:12]))
def test_identifiers_are_plain_short_and_free(text: str):
    name = identifier(text)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert len(name) <= LONGEST + 2
    assert name not in C_WORDS
    assert "__" not in name


@given(text=st.text())
def test_any_text_gives_an_identifier(text: str):
    name = identifier(text, "layer")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert name not in C_WORDS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lstm", "lstm"),
        ("Encoder.LSTM_1", "encoder_lstm_1"),
        ("/model/fc/Gemm", "model_fc_gemm"),
        ("for", "layer_for"),
        ("1st", "layer_1st"),
        ("名前", "layer"),
    ],
)
def test_an_identifier_resembles_its_text(text: str, name: str):
    assert identifier(text, "layer") == name


def test_names_hands_out_each_name_once():
    names = Names()
    texts = ["a.b", "a/b", "A B", "a_b_2", "a_b"]
    assert [names.take(t) for t in texts] == ["a_b", "a_b_2", "a_b_3", "a_b_2_2", "a_b_4"]


@given(texts=st.lists(st.sampled_from([*HOSTILE, "a", "a_2", "v"]), max_size=30))
def test_names_never_repeat(texts: list[str]):
    names = Names()
    taken = [names.take(t) for t in texts]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("text", [*HOSTILE, "*/*/", "**//", "/*/", "*\\/", "???/"],
                         ids=lambda t: repr(t[:12]))  # fmt: skip
def test_prose_cannot_end_a_comment_or_a_line(text: str):
    plain = prose(text)
    assert re.fullmatch(r"[ -~]*", plain)
    assert len(plain) <= 80
    for bad in ("*/", "/*", "\\", "??"):
        assert bad not in plain


@given(text=st.text(alphabet="*/\\? a"))
def test_prose_of_any_mixture_of_delimiters_is_harmless(text: str):
    plain = prose(text)
    assert not any(bad in plain for bad in ("*/", "/*", "\\", "??"))


def test_prose_keeps_what_is_harmless():
    assert prose("encoder.lstm 1 (h)") == "encoder.lstm 1 (h)"
