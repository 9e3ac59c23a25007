"""Fail unless a run folder reloads, in fresh processes, to the logits it was saved with."""

import json
import subprocess
import sys

CODE = """
import json, sys
import axkit, transformers
folder, how, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = axkit.load(folder) if how == "axkit" else (
    transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval())
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
print(json.dumps(model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.tolist()))
"""


def logits(folder, how, texts):
    command = [sys.executable, "-c", CODE, folder, how, json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{how} cannot load {folder}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    folder = sys.argv[1]
    with open(f"{folder}/report.json", encoding="utf-8") as file:
        probe = json.load(file)["probe"]
    for how in ("axkit", "transformers"):
        found = logits(folder, how, probe["texts"])
        pairs = zip(found, probe["logits"], strict=True)
        gap = max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))
        if gap > 1e-5:
            sys.exit(f"{folder}, loaded by {how}: logits differ by {gap:.1e} from those it was saved with")
        print(f"{folder}, loaded by {how}: logits within {gap:.1e} of those it was saved with")


if __name__ == "__main__":
    main()
