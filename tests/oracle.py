"""The mask-only reference: its own paths, its own attention, no helper of axkit's."""

from __future__ import annotations

import copy

import torch
import transformers
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

_BERT = {
    "layers": "encoder.layer",
    "core": "attention.self",
    "attention_out": "attention.output.dense",
    "ffn_out": "output.dense",
}
PATHS = {
    "albert": {
        "layers": "encoder.albert_layer_groups.0.albert_layers",  # one: a mask on it is a mask on all
        "core": "attention",
        "attention_out": "attention.dense",
        "ffn_out": "ffn_output",
    },
    "bert": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "deberta-v2": _BERT,
    "gpt2": {"layers": "h", "core": "attn", "attention_out": "attn.c_proj", "ffn_out": "mlp.c_proj"},
    "mpnet": _BERT | {"core": "attention.attn", "attention_out": "attention.attn.o"},
    "modernbert": {"layers": "layers", "core": "attn", "attention_out": "attn.Wo", "ffn_out": "mlp.Wo"},
    "vit": {"layers": "layers", "core": "attention", "attention_out": "attention.o_proj", "ffn_out": "mlp.fc2"},
    "distilbert": {
        "layers": "transformer.layer",
        "core": "attention",
        "attention_out": "attention.out_lin",
        "ffn_out": "ffn.lin2",
    },
}
if tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 9):
    PATHS["vit"] = {
        "layers": "encoder.layer",
        "core": "attention.attention",
        "attention_out": "attention.output.dense",
        "ffn_out": "output.dense",
    }


def _kept(p, k):
    """The k largest of each row; a float is that share of the keys that the row can see."""
    if k is None or k >= p.shape[-1]:
        return p
    place = torch.full(p.shape[:-1], k) if isinstance(k, int) else ((p > 0).sum(-1) * k).ceil().long()
    bar = p.sort(-1, descending=True).values.gather(-1, place.unsqueeze(-1) - 1)
    return p * (p >= bar)


def _attention(module, query, key, value, mask, scaling=None, dropout=0.0, **_):
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)  # GPT-2 names none before 5.4
    if mask is not None:
        scores = scores + mask
    p = _kept(scores.softmax(-1), getattr(module, "oracle_k", None))
    p = torch.nn.functional.dropout(p, dropout, module.training)
    return (p @ value).transpose(1, 2).contiguous(), p


AttentionInterface.register("oracle", _attention)
AttentionMaskInterface.register("oracle", eager_mask)


class _Probabilities(torch.nn.Module):
    """For a model with attention of its own: its dropout on the probabilities, made to keep the largest."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout, self.oracle_k = dropout, None

    def forward(self, p):
        return self.dropout(_kept(p, self.oracle_k))


CLEAR = 2e-6  # of a loss: what float32 may err, and some


class Masks:
    """Masks on one model; all open until something is set."""

    def __init__(self, model, model_type, heads, width):
        self.model, paths = model, PATHS[model_type]
        layers = model.base_model.get_submodule(paths["layers"])
        hidden = model.config.hidden_size if model_type != "distilbert" else model.config.dim
        self.size, self.n = hidden // heads, len(layers)
        self.cores = [layer.get_submodule(paths["core"]) for layer in layers]
        if model_type in ("deberta-v2", "mpnet"):
            for core in self.cores:
                core.dropout = _Probabilities(core.dropout)
            self.cores = [core.dropout for core in self.cores]
        else:
            model.set_attn_implementation("oracle")
        self.head = torch.ones(self.n, heads)
        self.neuron = torch.ones(self.n, width)
        self.block = torch.ones(self.n, 2)  # attention, feed-forward
        for i, layer in enumerate(layers):
            out, ffn = layer.get_submodule(paths["attention_out"]), layer.get_submodule(paths["ffn_out"])
            out.register_forward_pre_hook(lambda m, a, i=i: (a[0] * self.head[i].repeat_interleave(self.size),))
            ffn.register_forward_pre_hook(lambda m, a, i=i: (a[0] * self.neuron[i],))
            out.register_forward_hook(lambda m, a, o, i=i: o * self.block[i, 0])
            ffn.register_forward_hook(lambda m, a, o, i=i: o * self.block[i, 1])

    def hard(self, layer, k):
        self.cores[layer].oracle_k = k


def masked_copy(model, model_type, structure):
    """A dense copy with everything masked that the structure has lost."""
    model = copy.deepcopy(model)
    masks = Masks(model, model_type, structure.n_heads, structure.ffn_width)
    for i, layer in enumerate(structure.layers):
        masks.head[i] = torch.tensor([float(h in layer.heads) for h in range(structure.n_heads)])
        masks.neuron[i] = torch.tensor([float(x in layer.neurons) for x in range(structure.ffn_width)])
        masks.block[i] = torch.tensor([float(layer.attention), float(layer.ffn)])
        if layer.hard_k is not None:
            masks.hard(i, layer.hard_k)
    return model


def search(model, model_type, heads, width, batches, k=None, vote=0.5, tolerance=0.0, groups=12, hard=()):
    """AxFormer as a plain loop over whole-model passes: [(element, accepted)], best loss.

    batches: [(inputs, labels)]; of one unpadded row each, or padded. k None: pruning only, with ``hard`` = {layer: k}.
    No decision may hang by the last bits, which are other ones on another processor: that is a premise of whoever
    compares with it, and asserted.
    """
    model = copy.deepcopy(model).eval()
    masks = Masks(model, model_type, heads, width)

    @torch.inference_mode()
    def losses():
        parts = [
            torch.nn.functional.cross_entropy(model(**inputs).logits.float(), labels, reduction="none")
            for inputs, labels in batches
        ]
        return torch.cat(parts).double()

    base = losses()
    for layer, already in dict(hard).items():
        masks.hard(layer, already)
    best, allowed, needed = losses().mean(), tolerance * base.mean(), int(vote * len(base) // 1)
    decisions = []

    def clear(element, new, *lines):
        for line in lines:
            assert abs(new.mean() - line) > CLEAR * line, f"premise: {element} is close to its bound; take another seed"
        doubtful = int(((new - base).abs() < CLEAR * (new + base)).sum() - (new == base).sum())
        assert new.mean() > lines[0] or abs((new <= base).sum() - needed - 0.5) > doubtful, (
            f"premise: {element} is close to its votes; take another seed"
        )

    def judge(element):
        nonlocal best
        new = losses()
        is_block = element.count("/") == 1 and k is None
        clear(element, new, best + allowed, *([max(1.1 * best, best + allowed)] if is_block else []))
        ok = bool(new.mean() < best + allowed and (new <= base).sum() > needed)
        near = bool(new.mean() < max(1.1 * best, best + allowed))
        if ok:
            best = min(best, new.mean())
        decisions.append((element, ok))
        return ok, near

    if k is not None:
        for i in range(masks.n):
            masks.hard(i, k)
            if not judge(f"hard/{i}")[0]:
                masks.hard(i, None)
        return decisions, float(best)
    for i in reversed(range(masks.n)):
        for kind, column, count in (("ffn", 1, groups), ("attention", 0, heads)):
            masks.block[i, column] = 0
            ok, near = judge(f"{kind}/{i}")
            if ok:
                continue
            masks.block[i, column] = 1
            if not near:
                continue
            mask, each = (masks.neuron, width // groups) if kind == "ffn" else (masks.head, 1)
            for part in range(count):
                span = slice(part * each, (part + 1) * each)
                mask[i, span] = 0
                if not judge(f"{kind}/{i}/{'group' if kind == 'ffn' else 'head'}/{part}")[0]:
                    mask[i, span] = 1
    return decisions, float(best)
