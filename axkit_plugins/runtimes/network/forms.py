"""What a family file does not say, because axkit cuts layers alone: what stands before and after them, by family."""

from __future__ import annotations

from dataclasses import dataclass

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")
OF_CONFIG = "config:"  # before the name of a field that says it


@dataclass(frozen=True)
class Part:
    """A linear layer of a head.

    Attributes:
        path: from the model.
        activation: behind it; "" for none.
        norm: path of the norm behind that; "" for none.
    """

    path: str
    activation: str = ""
    norm: str = ""


@dataclass(frozen=True)
class Form:
    """Where embeddings and heads are; paths of embeddings start at the base model.

    Attributes:
        classifier: the head of whole texts.
        of_each: what stands before the last layer of a head for tokens.
        reads: which tokens the classifier reads: "first", "last", "mean", or a field that says "cls" or "mean".
        word, positions, types, norm: of the embeddings; "" where there is no such table or norm.
        project: from the embeddings' width to the hidden size; "" where there is none, and a checkpoint may lack it.
        last_norm: behind the last layer; "" where there is none.
        activation: field of the config, of the neurons' activation.
    """

    classifier: tuple[Part, ...]
    of_each: tuple[Part, ...] = ()
    reads: str = "first"
    types: str = "embeddings.token_type_embeddings"
    word: str = "embeddings.word_embeddings"
    positions: str = "embeddings.position_embeddings"
    norm: str = "embeddings.LayerNorm"
    project: str = ""
    last_norm: str = ""
    activation: str = "hidden_act"


_LAST = Part("classifier")
_OUT = Part("classifier.out_proj")
_ROBERTA = Form((Part("classifier.dense", "tanh"), _OUT))
_MODERN = Part("head.dense", f"{OF_CONFIG}classifier_activation", "head.norm")

FORMS = {
    "albert": Form((Part("albert.pooler", "tanh"), _LAST), project="encoder.embedding_hidden_mapping_in"),
    "bert": Form((Part("bert.pooler.dense", "tanh"), _LAST)),
    "camembert": _ROBERTA,
    "deberta-v2": Form((Part("pooler.dense", f"{OF_CONFIG}pooler_hidden_act"), _LAST)),
    "distilbert": Form((Part("pre_classifier", "relu"), _LAST), types="", activation="activation"),
    "electra": Form((Part("classifier.dense", "gelu"), _OUT), project="embeddings_project"),
    "gpt2": Form(
        (Part("score"),),
        reads="last",
        types="",
        word="wte",
        positions="wpe",
        norm="",
        last_norm="ln_f",
        activation="activation_function",
    ),
    "modernbert": Form(
        (_MODERN, _LAST),
        of_each=(_MODERN,),
        reads=f"{OF_CONFIG}classifier_pooling",
        types="",
        word="embeddings.tok_embeddings",
        positions="",
        norm="embeddings.norm",
        last_norm="final_norm",
        activation="hidden_activation",
    ),
    "mpnet": Form((Part("classifier.dense", "tanh"), _OUT), types=""),
    "roberta": _ROBERTA,
    "vit": Form((_LAST,), types="", word="", positions="", norm="", last_norm="layernorm"),
    "xlm-roberta": _ROBERTA,
}
"""Families whose graph is built: ``model_type`` -> form."""

OF_EACH_TOKEN = {
    "TokenClassification": ("classifier", ("logits",)),
    "QuestionAnswering": ("qa_outputs", ("start_logits", "end_logits")),
}
"""Heads that answer for each token: class name's end -> path of the last layer, names of outputs."""
