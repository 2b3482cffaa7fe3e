"""Long texts in messages end where a sentence or a word does."""

import pytest

from qflock.core.errors import in_short


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("all\n of  it", 20, "all of it"),
        ("The node is lost. It was node 7.", 20, "The node is lost."),
        ("See file_1.log for more. Then more and more.", 30, "See file_1.log for more."),
        ("no sentence ends here at all", 20, "no sentence ends..."),
        ("x" * 30, 20, "x" * 17 + "..."),
    ],
)
def test_a_text_is_shortened_to_whole_sentences_or_words(text: str, most: int, kept: str) -> None:
    assert in_short(text, most) == kept
    assert len(in_short(text, most)) <= most
