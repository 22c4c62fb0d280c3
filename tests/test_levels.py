"""A factor has levels that keys, names and tables can tell apart."""

import math

import pytest

from research.design.errors import UserError
from research.design.levels import Factor, is_level, level_word


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), r"factor 'f': levels must be one or more, each once, not \(\)"),
        ((1, 1), r"factor 'f': levels must be one or more, each once, not \(1, 1\)"),
        ((1, 2, 1.0), r"factor 'f': levels must be one or more, each once, not \(1, 2, 1.0\)"),
        (("a/b",), "factor 'f': 'a/b' must be made of letters, digits and _ . \\+ -"),
        (("a=b",), "factor 'f': 'a=b' must be made of letters"),
        (("a b",), "factor 'f': 'a b' must be made of letters"),
        (("a,b",), "factor 'f': 'a,b' must be made of letters"),
        (("",), "factor 'f': '' must be made of letters"),
        (("\N{GREEK SMALL LETTER ALPHA}",), "factor 'f': '.' must be made of letters"),
        (("a\n",), "must be made of letters"),
        (("_", "a"), "factor 'f': '_' must be made of letters, digits and _ . \\+ -, not of signs alone"),
        ((True, False), r"factor 'f': True must be a word or a number \(str, int or float\)"),
        (((1,),), r"factor 'f': \(1,\) must be a word or a number"),
        ((None,), "factor 'f': None must be a word or a number"),
        ((math.nan,), "factor 'f': nan must be finite"),
        ((0.1, math.inf), "factor 'f': inf must be finite"),
        ((1, "1"), "factor 'f': levels 1 and '1' read alike in a table; call one of them otherwise"),
        (("01", "1"), "factor 'f': levels '01' and '1' read alike"),
        (("1e3", "x", 1000.0), "factor 'f': levels '1e3' and 1000.0 read alike"),
        ((0, "-0"), "factor 'f': levels 0 and '-0' read alike"),
        (("nan", "NaN"), "factor 'f': levels 'nan' and 'NaN' read alike"),
        ((2**53, 2**53 + 1), "read alike"),
    ],
)
def test_levels_that_could_not_be_told_apart_are_refused(levels, message):
    with pytest.raises(UserError, match=message):
        Factor("f", levels)


@pytest.mark.parametrize("levels", [("01",), ("he", "He"), (1, "x", 0.5), ("true", "NA", "nan"), (-1, 1e-5, 1e16)])
def test_levels_that_can_are_accepted(levels):
    assert Factor("f", levels).levels == levels


@pytest.mark.parametrize("name", ["", "_", "1a", "a-b", "a b", "a=b", "a+b", "a.b", "a\n"])
def test_a_factor_is_named_as_an_argument_is(name):
    with pytest.raises(UserError, match="must be named by letters, digits and _, as an argument of configure"):
        Factor(name, (1,))


def test_a_level_reads_the_same_as_number_and_as_text():
    assert level_word(1) == level_word(1.0) == level_word("1") == level_word("01") == "1.0"
    assert level_word("-0") == level_word(0) == level_word(-0.0) == "0.0"
    assert (level_word("he"), level_word(True), level_word(0.1)) == ("he", "True", "0.1")


def test_a_level_is_one_of_others_where_their_keys_would_say_the_same():
    assert is_level(1, (0, 1))
    assert is_level("a", ("b", "a"))
    assert not any(is_level(level, (0, 1)) for level in (1.0, True, "1", 2, -0.0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"label": "two\nlines"}, r"factor 'a': 'two\\nlines' must be one line of text"),
        ({"words": {"x": "a\tb"}}, r"factor 'a': 'a\\tb' must be one line of text"),
        ({"phrase": "under it"}, r"factor 'a': phrase='under it' must have one place for levels: \{\}"),
        ({"phrase": 3}, "factor 'a': phrase=3 must be str"),
    ],
)
def test_what_a_factor_is_called_is_one_line_and_a_phrase_has_a_place_for_its_levels(words, message):
    with pytest.raises(UserError, match=message):
        Factor("a", ("x", "y"), **words)
