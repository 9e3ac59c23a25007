"""What a run keeps when it is interrupted."""

from __future__ import annotations

import pytest

from axkit import registry
from axkit.engine import apply
from axkit.recipe import load_source


def test_what_a_pass_leaves_in_its_scratch_is_there_until_the_stage_is_finished(workplace, monkeypatch):
    finetune, seen = registry.get(registry.PASSES, "finetune"), []
    real = finetune.apply

    def interrupted(self, subject, config, tools):
        seen.append(sorted(path.name for path in tools.scratch.iterdir()))
        (tools.scratch / "half").write_text("done")
        if len(seen) == 1:
            raise KeyboardInterrupt
        return real(self, subject, config, tools)

    monkeypatch.setattr(finetune, "apply", interrupted)
    source = load_source("recipe.yaml", ["passes.0.epochs=0.1", "passes.1.k=4", "passes.2.groups=1"])
    with pytest.raises(KeyboardInterrupt):
        apply(source)
    apply(source)
    assert seen == [[], ["half"]]
    assert not list((workplace / "runs").rglob("*scratch*"))
    with pytest.raises(KeyboardInterrupt):
        seen.clear()
        apply(source, fresh=True)
    assert list((workplace / "runs").rglob("*scratch*"))
    seen.append([])
    apply(source, fresh=True)
    assert seen[-1] == [], "a fresh run finds nothing"
