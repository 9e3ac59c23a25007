"""What a family file does not say, because axkit cuts layers alone: what stands before and after them, by family."""

from __future__ import annotations

from dataclasses import dataclass

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")


@dataclass(frozen=True)
class Form:
    """Where embeddings and heads are; paths of embeddings start at the base model, those of heads at the model.

    Attributes:
        word, positions, types, norm: of the embeddings; ``types`` is "" where there is no such table.
        project: from the embeddings' width to the hidden size; "" where there is none, and a checkpoint may lack it.
        activation: field of the config, of the neurons' activation.
        classifier: layers of the classifier of whole texts, each with the activation behind it.
    """

    classifier: tuple[tuple[str, str], ...]
    types: str = "embeddings.token_type_embeddings"
    word: str = "embeddings.word_embeddings"
    positions: str = "embeddings.position_embeddings"
    norm: str = "embeddings.LayerNorm"
    project: str = ""
    activation: str = "hidden_act"


_ROBERTA = Form(classifier=(("classifier.dense", "tanh"), ("classifier.out_proj", "")))

FORMS = {
    "albert": Form(
        classifier=(("albert.pooler", "tanh"), ("classifier", "")), project="encoder.embedding_hidden_mapping_in"
    ),
    "bert": Form(classifier=(("bert.pooler.dense", "tanh"), ("classifier", ""))),
    "camembert": _ROBERTA,
    "distilbert": Form(classifier=(("pre_classifier", "relu"), ("classifier", "")), types="", activation="activation"),
    "electra": Form(
        classifier=(("classifier.dense", "gelu"), ("classifier.out_proj", "")), project="embeddings_project"
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""Families whose graph is built: ``model_type`` -> form."""

OF_EACH_TOKEN = {
    "TokenClassification": ("classifier", ("logits",)),
    "QuestionAnswering": ("qa_outputs", ("start_logits", "end_logits")),
}
"""Heads that answer for each token: class name's end -> path, names of outputs."""
