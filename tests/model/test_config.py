import pytest
from pydantic import ValidationError

from model.config import BIO_TAGS, PRESETS, RpBertConfig
from tests.model.tiny import tiny_config, tiny_preset


def test_the_tags_are_bio_over_the_four_types() -> None:
    assert BIO_TAGS == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC")


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_a_preset_survives_its_json(config: RpBertConfig) -> None:
    assert RpBertConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 64}, "no position for the visual blocks, which take 1:"),
        ({"overlap": 23}, "more than half of window"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_config_that_can_not_work_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RpBertConfig.model_validate(tiny_config().model_dump() | change)


def test_running_positions_need_one_for_each_block() -> None:
    config = tiny_preset("authors2022")
    with pytest.raises(ValidationError, match="no position for the visual blocks, which take 49"):
        RpBertConfig.model_validate(config.model_dump() | {"window": config.window + 1})


def test_a_config_from_before_the_choices_of_2022_is_the_paper() -> None:
    """Releases written before there was a choice still load, as what they were."""
    older = PRESETS["paper"].model_dump(mode="json")
    del older["gate_place"], older["encoder"]["visual_positions"]
    del older["tagger"]["word_vector"], older["tagger"]["input_embedding"]
    assert RpBertConfig.model_validate(older) == PRESETS["paper"]
