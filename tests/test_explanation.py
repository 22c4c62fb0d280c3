"""One sentence says which choices keep the verdicts of universes apart."""

import itertools

from research.design.study import Factor
from research.judging.explanation import across_sentence, joined_keys

START = {"label": "initialisation", "phrase": "under {} initialisation", "words": {"he": "He", "xavier": "Xavier"}}
INIT = Factor("init", ("default", "xavier", "he"), **START)
OPTIMIZER = Factor("optimizer", ("sgd", "adam"), phrase="with {}", words={"sgd": "SGD", "adam": "Adam"})
RATE = Factor("rate", ("customary", "tenth", "tuned"), phrase="at {} rate", in_text={"tuned": "a tuned"})
WIDTH = Factor("width", (128, 512))
CHOICES = (INIT, OPTIMIZER, RATE)
EQUAL = {"init": 0.3, "optimizer": 0.3, "rate": 0.3}
WORD = {True: "supported", False: "refuted"}


def universes(*choices):
    names = [choice.name for choice in choices]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*(c.levels for c in choices))]


def said(verdict, choices=CHOICES, importance=EQUAL, every=None):
    """The sentence about the crossed universes of the choices, of which each has the verdict that a function gives."""
    every = every or universes(*choices)
    return across_sentence(every, [verdict(**levels) for levels in every], choices, importance)


def test_one_verdict_in_all_universes_needs_no_choice():
    assert said(lambda **_: "supported") == "Holds in all 18 universes."
    assert said(lambda **_: "refuted") == "Fails in all 18 universes."
    assert said(lambda **_: "inconclusive") == "Stays open in all 18 universes."
    assert said(lambda **_: "supported", every=[{"init": "he", "optimizer": "sgd", "rate": "tuned"}]) == (
        "Holds in the only universe."
    )


def test_one_choice_is_named_with_its_levels():
    found = said(lambda init, **_: WORD[init != "default"])
    assert found == "Holds under Xavier or He initialisation; fails under default initialisation."


def test_of_choices_that_keep_verdicts_apart_alike_the_more_important_is_named():
    pair = [
        {"init": "default", "optimizer": "sgd", "rate": "customary"},
        {"init": "he", "optimizer": "adam", "rate": "customary"},
    ]
    for name, text in (("init", "Holds under He initialisation; fails under default initialisation."),
                       ("optimizer", "Holds with Adam; fails with SGD.")):  # fmt: skip
        found = said(lambda init, **_: WORD[init == "he"], importance={**EQUAL, name: 0.4}, every=pair)
        assert found == text


def test_two_choices_are_named_where_it_takes_both():
    choices = (Factor("init", ("default", "he"), **START), OPTIMIZER, WIDTH)
    found = said(lambda init, optimizer, **_: WORD[init == "he" or optimizer == "adam"], choices)
    assert found == (
        "Holds under either initialisation with Adam, and under He initialisation with SGD; "
        "fails under default initialisation with SGD."
    )


def test_what_takes_many_cases_to_list_is_the_rest():
    found = said(lambda init, optimizer, rate: WORD[(init, optimizer, rate) == ("he", "adam", "tuned")])
    assert found == "Holds under He initialisation with Adam at a tuned rate; fails in the 17 others."


def test_only_what_was_run_is_said():
    crossed = universes(Factor("init", ("default", "he")), Factor("width", (128,)))
    every = [*crossed, {"init": "default", "width": 512}]
    found = said(lambda init, width: WORD[init == "he" or width == 512], (INIT, WIDTH), every=every)
    assert "fails under default initialisation at width 128" in found
    assert "either" not in found


def test_levels_of_withheld_universes_alone_are_not_said_to_be_among_every_level():
    def verdict(init, optimizer, rate):
        if init == "he":
            return "withheld"
        return WORD[optimizer == "adam" or (init, rate) == ("default", "tenth")]

    found = said(verdict)
    assert "under default or Xavier initialisation with Adam at every rate" in found
    assert "either initialisation" not in found


def test_without_a_clean_cut_it_is_said_mostly():
    odd = ("xavier", "adam", "tuned", 128), ("he", "sgd", "tenth", 512), ("default", "sgd", "tuned", 128)
    found = said(
        lambda **levels: WORD[(levels["optimizer"] == "adam") != (tuple(levels.values()) in odd)], (*CHOICES, WIDTH)
    )
    assert found == "Mostly holds with Adam; mostly fails with SGD (33 of 36 universes are so)."


def test_a_group_that_is_clean_is_not_said_to_be_mostly_so():
    odd = ("xavier", "adam", "tuned", 128), ("he", "adam", "tenth", 512)
    found = said(
        lambda **levels: WORD[levels["optimizer"] == "adam" and tuple(levels.values()) not in odd], (*CHOICES, WIDTH)
    )
    assert found == "Mostly holds with Adam; fails with SGD (34 of 36 universes are so)."


def test_verdicts_that_no_choice_keeps_apart_are_counted():
    many = (INIT, OPTIMIZER, RATE, WIDTH, Factor("depth", (1, 2)))
    parity = {level: place for choice in many for place, level in enumerate(choice.levels)}
    found = said(lambda **levels: WORD[sum(parity[level] for level in levels.values()) % 2 == 0], many)
    assert found == "Holds in 36, fails in 36 of 72 universes: no choice keeps them apart."


def test_where_no_two_disagree_no_choice_is_named():
    assert said(lambda init, **_: "supported" if init == "he" else "inconclusive") == (
        "Holds in 6, stays open in 12 of 18 universes."
    )


def test_universes_without_a_verdict_decide_nothing_and_are_counted():
    def verdict(init, optimizer, rate):
        return "withheld" if init == "xavier" else "not judged" if rate == "tuned" else WORD[optimizer == "sgd"]

    assert said(verdict) == (
        "Holds with SGD; fails with Adam; in 6 of 18 universes a control is refuted; "
        "in 4 of 18 universes it was not judged."
    )
    assert said(lambda init, **_: "supported" if init == "he" else "withheld") == (
        "Holds in all 6 judged universes; in 12 of 18 universes a control is refuted."
    )
    assert said(lambda **_: "withheld") == ("Says nothing in any universe; in 18 of 18 universes a control is refuted.")


def test_keys_are_joined_to_as_few_products_as_the_best_order_gives():
    keys = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 2)]
    parts = joined_keys(keys)
    assert len(parts) == 2
    covered = [key for part in parts for key in itertools.product(*part)]
    assert sorted(covered) == sorted(keys)


def test_the_order_of_the_universes_changes_nothing():
    every = universes(*CHOICES)

    def verdict(init, optimizer, rate):
        return WORD[init == "he" or (optimizer, rate) == ("adam", "tuned")]

    assert said(verdict, every=every) == said(verdict, every=every[::-1]) == said(verdict, every=every[7:] + every[:7])
