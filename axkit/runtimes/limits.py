"""How much of a row a model takes, and how much of it is read where it is asked. Imports no torch of its own."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family
from axkit.contract.body import Body
from axkit.contract.subject import Subject
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.tasks.about import About
from axkit.tasks.asking import asked
from axkit.tasks.spec import LengthSettings


def token_limit(reader: Any, config: Any, family: Family) -> int:
    """Tokens that a model can take: the tokenizer's word where it has one, and no more than it has positions for.

    Of images, those that it makes of one.

    Raises:
        CheckpointError: the reader makes images of a size that the model does not take, or there is room for no text.
    """
    if family.inputs == "pixels":
        wanted = (int(config.num_channels), *family.image_extent(config))
        if reader.shape != wanted:
            raise CheckpointError(
                f"the model reads images of {' x '.join(map(str, wanted))}, its preprocessor_config.json makes "
                f"{' x '.join(map(str, reader.shape))} (channels, height, width); mend the file"
            )
        return family.image_tokens(config)
    said = int(reader.model_max_length)
    most = family.tokens_at_most(config)
    limit = said if said < 10**6 else int(getattr(config, "max_position_embeddings", 0) or 512)
    limit = limit if most is None else min(most, limit if said < 10**6 else most)
    needed = reader.num_special_tokens_to_add(pair=True) + 2
    if limit < needed:
        raise CheckpointError(
            f"the model takes {limit} tokens at most, and its tokenizer's special tokens leave none for a pair of "
            f"texts; mend max_position_embeddings or model_max_length"
        )
    return limit


def config_of(body: Body) -> Any:
    """The config of a body's model as an object of transformers, which knows a field by each of its names."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if hasattr(body, "module"):
        return body.module.config
    return CONFIG_MAPPING[str(body.config["model_type"])].from_dict(dict(body.config))


def lengths_of(subject: Subject, reader: Any, about: About, folder: Path) -> LengthSettings:
    """How much is read of what a model is asked, as ``axkit predict`` reads it: by its task, and by what it takes.

    Args:
        subject: with the model.
        reader: of its inputs.
        about: its task.
        folder: for messages.

    Returns:
        As a task has them; the defaults of images, and where nobody knows how to ask the model.
    """
    with suppress(AxkitError):
        if subject.family.inputs == "tokens":
            limit = token_limit(reader, config_of(subject.body), subject.family)
            how = asked(folder, subject.body.config, about)
            spec = how.spec_for(limit)
            settings = {name: getattr(spec, name) for name in LengthSettings.model_fields}
            return LengthSettings.model_construct(**settings | {"max_length": how.kind.feed.limit(spec, limit)})
    return LengthSettings()
