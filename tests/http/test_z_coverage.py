"""Runs after all other HTTP tests: every operation and every answer that openapi.yaml describes was seen."""
import pytest

import contract
import answers


@pytest.fixture(scope="module")
def seen():
    """(METHOD, template, status) of every answer of the suite."""
    if not answers.folder():
        pytest.skip("GENSEG_COVERAGE does not name the folder of the other tests' answers")
    return answers.read()


def described():
    return {(method.upper(), template, status) for template, item in contract.DOCUMENT["paths"].items()
            for method, operation in item.items() if method in contract.METHODS
            for status in operation["responses"] if status != "default"}


def test_every_described_answer_was_seen(seen):
    missing = sorted(described() - seen)
    assert not missing, "never seen:\n" + "\n".join(" ".join(entry) for entry in missing)


def test_every_status_of_any_call_was_seen(seen):
    statuses = {status for _, _, status in seen}
    assert contract.ANY_CALL <= statuses, sorted(contract.ANY_CALL - statuses)
