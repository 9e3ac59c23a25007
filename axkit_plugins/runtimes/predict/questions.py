"""Ask the model in this folder: python predict.py QUESTION CONTEXT"""

import sys

import tokenizers

from axkit_plugins.runtimes.predict.tokens import LENGTHS, SIDE, TOKENIZER, outputs_of

LONGEST, BEST = 64, 20  # tokens of a question; starts and ends that are looked at


def windows(question: str, context: str) -> list[tokenizers.Encoding]:
    """As many tokens as the model reads, and so on to the end of the context; a longer question is cut."""
    most, stride, question = LENGTHS["max_length"], LENGTHS["stride"], question.lstrip()
    room = min(LONGEST, most - stride - TOKENIZER.num_special_tokens_to_add(True) - 8)
    TOKENIZER.no_truncation()
    ends = [end for _, end in TOKENIZER.encode(question, add_special_tokens=False).offsets]
    TOKENIZER.enable_truncation(most, stride=stride, strategy="only_second", direction=SIDE)
    first = TOKENIZER.encode(question if len(ends) <= room else question[: ends[room - 1]], context)
    return [first, *first.overflowing]


def said(texts: list[str]) -> list[str]:
    """The answer to a question; an empty line where the context has none, if there may be such questions."""
    question, context = texts
    answer, score, nothing = "", float("-inf"), float("inf")
    for window in windows(question, context):
        outputs = outputs_of(window)
        start, end = outputs["start_logits"], outputs["end_logits"]
        nothing = min(nothing, start[0] + end[0])  # the first token stands for no answer
        inside = [place for place, part in enumerate(window.sequence_ids) if part == 1]
        starts, ends = (sorted(inside, key=lambda place: -of[place])[:BEST] for of in (start, end))
        for i, j in ((i, j) for i in starts for j in ends if i <= j < i + LENGTHS["max_answer_tokens"]):
            if start[i] + end[j] > score:
                score = start[i] + end[j]
                answer = context[window.offsets[i][0] : window.offsets[j][1]].strip()
    threshold = LENGTHS["no_answer_threshold"]
    return ["" if threshold is not None and nothing - score > threshold else answer]


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
