"""What a family file does not say, because axkit cuts layers alone: what stands before and after them, by family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from axkit import NotApplicable

ACTIVATIONS = {
    "": "",
    "gelu": "gelu",
    "gelu_10": "gelu_10",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python": "gelu",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "hardswish": "hardswish",
    "laplace": "laplace",
    "leaky_relu": "leaky_relu",
    "linear": "",
    "mish": "mish",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""transformers' name -> the function that it is, which bodies compute; "" is none."""
ROTATIONS = ("default", "linear", "llama3", "proportional", "yarn")  # those whose angles are the same at every length
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
        types_if_given: nothing is added where rows come without token types; else what the first of them adds.
        project: from the embeddings' width to the hidden size; "" where there is none, and a checkpoint may lack it.
        project_first: before the norm.
        last_norm: behind the last layer; "" where there is none.
        activation: field of the config, of the neurons' activation.
        beside: likewise, of the convolution beside the first layer; "" where there is none.
    """

    classifier: tuple[Part, ...]
    of_each: tuple[Part, ...] = ()
    reads: str = "first"
    types: str = "embeddings.token_type_embeddings"
    word: str = "embeddings.word_embeddings"
    positions: str = "embeddings.position_embeddings"
    norm: str = "embeddings.LayerNorm"
    types_if_given: bool = False
    project: str = ""
    project_first: bool = False
    last_norm: str = ""
    activation: str = "hidden_act"
    beside: str = ""

    @property
    def activated_by(self) -> tuple[str, ...]:
        """Fields of the config that name an activation."""
        heads = (part.activation for part in (*self.classifier, *self.of_each))
        named = (one.removeprefix(OF_CONFIG) for one in heads if one.startswith(OF_CONFIG))
        return tuple(filter(None, (self.activation, *named, self.beside)))


_LAST = Part("classifier")
_OUT = Part("classifier.out_proj")
_ROBERTA = Form((Part("classifier.dense", "tanh"), _OUT))
_MODERN = Part("head.dense", f"{OF_CONFIG}classifier_activation", "head.norm")

FORMS = {
    "albert": Form((Part("albert.pooler", "tanh"), _LAST), project="encoder.embedding_hidden_mapping_in"),
    "bert": Form((Part("bert.pooler.dense", "tanh"), _LAST)),
    "camembert": _ROBERTA,
    "deberta-v2": Form(
        (Part("pooler.dense", f"{OF_CONFIG}pooler_hidden_act"), _LAST),
        project="embeddings.embed_proj",
        project_first=True,
        beside="conv_act",
    ),
    "distilbert": Form((Part("pre_classifier", "relu"), _LAST), types="", activation="activation"),
    "electra": Form((Part("classifier.dense", "gelu"), _OUT), project="embeddings_project"),
    "gpt2": Form(
        (Part("score"),),
        reads="last",
        types="wte",
        types_if_given=True,
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


def check_config(model_type: str, config: Mapping[str, Any]) -> None:
    """Refuse what no weights are needed to see: the plan asks it of a checkpoint, the stage of the model that it has.

    Args:
        model_type: one of ``FORMS``.
        config: config.json; what it leaves out is as its class in transformers has it, which is known here.

    Raises:
        NotApplicable: an activation or a kind of rotation of which nothing is built.
    """
    for name in FORMS[model_type].activated_by:
        if str(config.get(name, "")) not in ACTIVATIONS:
            raise NotApplicable(
                f"its {name} is '{config[name]}', and graphs are built with {', '.join(filter(None, ACTIVATIONS))}; "
                f"leave the pass out"
            )
    for kind in _rotations(config):
        if kind not in ROTATIONS:
            raise NotApplicable(
                f"its rotations are of the type '{kind}', and graphs are built with {', '.join(ROTATIONS)}; leave the "
                f"pass out"
            )


def _rotations(config: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of rotations, as configs of any age name them: for all layers, or by kind of attention."""
    for name in ("rope_scaling", "rope_parameters"):
        said = config.get(name)
        for one in (said, *said.values()) if isinstance(said, Mapping) else ():
            if isinstance(one, Mapping):
                yield from (str(one[key]) for key in ("rope_type", "type") if key in one)
