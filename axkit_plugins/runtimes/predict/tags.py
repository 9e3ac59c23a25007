"""Ask the model in this folder: python predict.py TEXT"""

import re
import sys

from axkit_plugins.runtimes.predict.tokens import CONFIG, SIDE, TOKENIZER, outputs_of

NAMES = [CONFIG["id2label"][str(number)] for number in range(len(CONFIG["id2label"]))]
OUTSIDE = "O" if "O" in NAMES else NAMES[0]


def said(texts: list[str]) -> list[str]:
    """A tag for each word, which is its first piece's; outside where none of it was read."""
    words = re.findall(r"[^ \t\r\n]+", texts[0])
    text = " ".join(words)
    row, tags = TOKENIZER.encode(text), dict[int, str]()
    cut_before = SIDE == "left" and bool(row.overflowing)  # the first word may be without its beginning
    for (start, end), best in zip(row.offsets, outputs_of(row)["logits"].argmax(-1), strict=True):
        while start < end and text[start] == " ":  # some tokenizers count it as part of the piece
            start += 1
        begins = text[start - 1 : start].strip() == ""
        if start < end and (begins or tags or not cut_before):
            tags.setdefault(text.count(" ", 0, start), NAMES[best])
    return [f"{word}\t{tags.get(number, OUTSIDE)}" for number, word in enumerate(words)]


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
