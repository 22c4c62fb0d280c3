"""The words for configurations are of fields and values that there are."""

from dataclasses import fields

from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.data import DATA
from research.training.display_words import PHRASES, WORDS


def test_words_are_of_fields_and_of_their_values():
    names = {field.name for field in fields(TrainConfig)}
    values = {*DATA, *(value for choices in CHOICES.values() for value in choices)}
    assert set(WORDS) <= names | values
    assert set(PHRASES) <= names
    assert not names & values & set(WORDS)  # one word stands for one thing
