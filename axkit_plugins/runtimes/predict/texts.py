"""Ask the model in this folder: python predict.py TEXT [SECOND TEXT]"""

import sys

from axkit_plugins.runtimes.predict.labels import told
from axkit_plugins.runtimes.predict.tokens import CONFIG, TOKENIZER, outputs_of


def said(texts: list[str]) -> list[str]:
    """Labels with their shares, the likeliest first, or scores, of one text or a pair."""
    row = TOKENIZER.encode(texts[0], texts[1] if len(texts) > 1 else None)
    return told(outputs_of(row)["logits"], CONFIG)


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
