from __future__ import annotations

import time

import pytest

from target_service.feedback import TokenError, Tokens

KEY = b"a key of the tests"


def test_a_token_brings_back_the_score_and_segment_that_it_was_issued_for(tokens: Tokens) -> None:
    truths = tokens.redeem([tokens.issue(0.25, 3), tokens.issue(0.75, 0)], [0, 1])

    assert truths.scores.tolist() == [0.25, 0.75]
    assert truths.segments.tolist() == [3, 0]
    assert truths.outcomes.tolist() == [0, 1]
    assert truths.duplicates == 0


def test_two_predictions_of_one_score_have_different_tokens(tokens: Tokens) -> None:
    assert tokens.issue(0.5, 0) != tokens.issue(0.5, 0)


def test_a_token_told_again_is_a_duplicate_even_within_one_request(tokens: Tokens) -> None:
    token = tokens.issue(0.5, 0)
    first = tokens.redeem([token, token], [1, 0])
    second = tokens.redeem([token], [1])

    assert (first.outcomes.tolist(), first.duplicates) == ([1], 1)
    assert (second.outcomes.tolist(), second.duplicates) == ([], 1)


def test_a_token_of_another_key_is_refused(tokens: Tokens) -> None:
    other = Tokens(b"another key", "credit", "1.0.0")

    with pytest.raises(TokenError, match="not issued by this service"):
        tokens.redeem([other.issue(0.5, 0)], [1])


@pytest.mark.parametrize(("model", "version"), [("flights", "1.0.0"), ("credit", "1.0.1")])
def test_a_token_of_another_model_or_version_is_refused(
    tokens: Tokens, model: str, version: str
) -> None:
    other = Tokens(KEY, model, version)

    with pytest.raises(TokenError, match="issued for another model or version"):
        tokens.redeem([other.issue(0.5, 0)], [1])


@pytest.mark.parametrize("at", range(0, 90, 7))
def test_a_token_with_any_character_changed_is_refused(tokens: Tokens, at: int) -> None:
    token = tokens.issue(0.5, 0)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]

    with pytest.raises(TokenError, match="not issued by this service"):
        tokens.redeem([changed], [1])


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "\x00", "ä.ö.ü", "." * 500])
def test_text_that_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(TokenError, match="not issued by this service"):
        tokens.redeem([text], [1])


def test_a_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(KEY, "credit", "1.0.0", time_to_live=60)
    token, now = tokens.issue(0.5, 0), time.time()

    monkeypatch.setattr(time, "time", lambda: now + 50)
    assert len(tokens.redeem([token], [1]).scores) == 1
    monkeypatch.setattr(time, "time", lambda: now + 70)
    with pytest.raises(TokenError, match="expired"):
        tokens.redeem([token], [1])


def test_one_bad_token_refuses_all_and_is_named_by_its_index(tokens: Tokens) -> None:
    good = [tokens.issue(0.5, 0), tokens.issue(0.6, 0)]

    with pytest.raises(TokenError) as refused:
        tokens.redeem([*good, "forged"], [1, 1, 1])

    assert refused.value.index == 2
    assert tokens.redeem(good, [1, 1]).duplicates == 0


def test_exactly_the_last_accepted_tokens_are_remembered() -> None:
    tokens = Tokens(KEY, "credit", "1.0.0", remembered=3)
    told = [tokens.issue(0.5, 0) for _ in range(4)]
    tokens.redeem(told, [1] * 4)

    assert tokens.redeem(told[1:], [1] * 3).duplicates == 3
    assert tokens.redeem(told[:1], [1]).duplicates == 0


def test_tokens_of_an_earlier_start_with_the_same_key_are_honoured(tokens: Tokens) -> None:
    restarted = Tokens(KEY, "credit", "1.0.0")

    assert len(restarted.redeem([tokens.issue(0.5, 0)], [1]).scores) == 1
