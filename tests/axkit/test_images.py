"""Image classification: reading, refusing, and the way through the whole house."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import write_images

from axkit.anatomy.family import family_of
from axkit.cli import app as cli
from axkit.finished import use as using
from axkit.ground.errors import CheckpointError, DataError, NotApplicable, RecipeError
from axkit.ground.quiet import quiet
from axkit.report import write_run
from axkit.run.engine import apply
from axkit.run.planning import plan
from axkit.run.recipe import load_source, read_source
from axkit.runtimes.limits import token_limit
from axkit.runtimes.torch.opening import open_subject
from axkit.tasks import image_reader as images
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import Task, TaskSpec, resolve
from axkit.tasks.split import Split
from axkit.testing import tiny_model, tiny_reader

SIZE = {"height": 12, "width": 12}
RECIPE = """\
axkit: 1
name: tiny
model: model
task:
  kind: image_classification
  files: {train: train, test: test.jsonl}
  image: image
  label: label
passes:
  - pass: finetune
    epochs: 8
    learning_rate: 3e-3
    batch_size: 16
  - pass: hard_attention
    k: 5
  - pass: axformer_prune
    tolerance: 0.3
  - pass: int8
"""


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    """A tiny ViT, a folder of images for each label, and a file of paths and labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    with quiet():
        tiny_model(family_of("vit")).base_model.save_pretrained(tmp_path / "model")
    tiny_reader(family_of("vit")).save_pretrained(tmp_path / "model")
    write_images(tmp_path / "train", 120, 1)
    write_images(tmp_path / "more", 40, 2)
    rows = [
        {"image": f"more/{path.parent.name}/{path.name}", "label": path.parent.name}
        for path in sorted((tmp_path / "more").rglob("*.png"))
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_images_through_the_whole_house(gallery):
    made = plan(read_source(RECIPE, "recipe"))
    run = apply(made, gallery / "runs")
    report = write_run(run, gallery / "out").to_json()
    summary = report["summary"]
    assert summary["label_names"] == ["dark", "light"]
    learned = summary["metric_majority"] + 20
    assert summary["metric_dense"] > learned, "premise: the tiny model has learned its task"
    assert summary["metric_result"] > learned
    assert summary["bytes_result"] < summary["bytes_dense"]
    assert using.evaluate(gallery / "out").score == pytest.approx(summary["metric_result"])
    assert using.bench(gallery / "out")["result"].throughput_b32_per_s > 0
    image = next((gallery / "more" / "light").iterdir())
    told = CliRunner().invoke(cli.cli, ["predict", str(gallery / "out"), str(image)]).output
    assert told.startswith("light\t0.")
    values = torch.linspace(-1, 1, 3 * 12 * 12).view(1, 3, 12, 12)
    assert report["probe"]["pixels_from_-1_to_1"] == [1, 3, 12, 12]
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    with quiet(), torch.inference_mode():
        again = AutoModelForImageClassification.from_pretrained(gallery / "out").eval()
        assert torch.allclose(again(values).logits, torch.tensor(report["probe"]["logits"]), atol=1e-5)
        processor = AutoImageProcessor.from_pretrained(gallery / "out")
    assert processor.size["height"] == 12
    with pytest.raises(DataError, match=r"axkit predict: image nowhere.png cannot be read"):
        using.predict(gallery / "out", "nowhere.png")
    with pytest.raises(DataError, match="one image at a time"):
        using.predict(gallery / "out", str(image), "another")


@pytest.mark.parametrize(
    "config",
    [
        {"size": SIZE},
        {"size": SIZE, "resample": 3, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]},
        {"size": {"shortest_edge": 14}, "do_center_crop": True, "crop_size": SIZE},
        {"size": SIZE, "do_normalize": False},
        {"size": SIZE, "resample": 0},
    ],
)
def test_the_reader_makes_what_transformers_makes(config):
    from PIL import Image
    from transformers import CLIPImageProcessor, ViTImageProcessor

    whole = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 2, "image_mean": [0.5] * 3,
             "image_std": [0.5] * 3} | config  # fmt: skip
    theirs = (CLIPImageProcessor if "crop_size" in config else ViTImageProcessor)(**whole)
    ours = ImageReader(whole)
    random = np.random.default_rng(0)
    for height, width in ((20, 31), (31, 20), (12, 12)):
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        expected = np.asarray(theirs(image, return_tensors="np")["pixel_values"])
        made = ours.values(ours.pixels(_png(image))[None])
        np.testing.assert_allclose(made, expected, atol=1e-5)


def _png(image):
    import io

    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"size": {"shortest_edge": 12}}, "leaves images in different sizes"),
        ({"size": SIZE, "do_pad": True}, "does not know the step 'do_pad'"),
        ({"size": {"longest_edge": 12}}, "is not known; give height and width"),
        ({"size": 8, "do_center_crop": True, "crop_size": 12}, "crops more than it leaves"),
        ({"size": 8, "image_mean": [0.5] * 4}, "images of 4 channels"),
    ],
)
def test_a_reader_that_is_not_understood_is_one_sentence(config, fault):
    with pytest.raises(CheckpointError, match=fault):
        ImageReader(config)


def task(**fields):
    spec = {"kind": "image_classification", "image": "image", "label": "label"} | fields
    return Task("t", TaskSpec(**spec))


def test_a_folder_a_file_and_a_data_set_read_alike(gallery):
    import datasets

    rows = [json.loads(line) for line in (gallery / "test.jsonl").read_text().splitlines()]
    data = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    (gallery / "far").mkdir()
    data.to_parquet(str(gallery / "far" / "test.parquet"))  # with the images' bytes
    read = {
        source: load_rows(task(files={"train": "train", "test": str(gallery / source)}), Samples()).splits["test"]
        for source in ("more", "test.jsonl", "far/test.parquet")
    }
    reader = tiny_reader(family_of("vit"))
    pixels = {}
    for source, split in read.items():
        made = Split(split, task().spec, KINDS["image_classification"], reader, 10)
        assert made.lengths.tolist() == [10] * 40, "as many tokens as the model makes, whatever max_length says"
        pixels[source] = made.batch(range(40)).inputs["pixel_values"]
    assert torch.equal(pixels["more"], pixels["test.jsonl"])
    assert torch.equal(pixels["more"], pixels["far/test.parquet"])
    assert {split.digest for split in read.values()} == {read["more"].digest}


def test_equal_files_count_as_doubles(gallery):
    (gallery / "train" / "dark" / "copy.png").write_bytes(next((gallery / "more" / "dark").iterdir()).read_bytes())
    assert load_rows(task(files={"train": "train", "test": "more"}), Samples()).overlap == 1


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([{"image": "nowhere.png", "label": 0}], r"row 1: image .*nowhere.png cannot be read \(No such file"),
        ([{"image": "good.png", "label": 0}, {"image": "cut.png", "label": 1}], "row 2 holds a damaged image"),
        ([{"image": "text.png", "label": 0}], "row 1 is no image that axkit reads"),
        ([{"image": "", "label": 0}], "row 1: 'image' is no path of an image"),
        ([{"image": 3, "label": 0}], "row 1: 'image' is no path of an image"),
        ([{"image": "good.png", "label": None}], "row 1: label None is no label"),
        ([{"image": "good.png", "label": 0}] * 3, "needs two labels or more"),
        ([{"picture": "good.png", "label": 0}], "no column 'image'"),
    ],
)
def test_wrong_images_are_one_sentence(gallery, rows, fault):
    good = next((gallery / "more" / "dark").iterdir()).read_bytes()
    (gallery / "good.png").write_bytes(good)
    (gallery / "cut.png").write_bytes(good[: len(good) // 2])
    (gallery / "text.png").write_text("no image")
    (gallery / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=fault) as caught:
        load_rows(task(files={"train": "rows.jsonl", "test": "rows.jsonl"}), Samples())
    assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused(monkeypatch):
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"row 3 holds a damaged image .*decompression bomb"):
        images.decoded(_png(Image.new("L", (15, 15))), "row 3")


def test_more_than_8_bits_are_refused():
    from PIL import Image

    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(DataError, match="row 3 holds an image of more than 8 bits a channel"):
        images.decoded(_png(deep), "row 3")


def test_without_pillow_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NotApplicable, match="pip install 'pillow"):
        images.decoded(b"", "row 1")


def test_an_image_beside_the_folders_is_refused(gallery):
    (gallery / "train" / "stray.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"stray.png stands in no folder of a label"):
        load_rows(task(files={"train": "train", "test": "more"}), Samples())


def test_text_and_images_do_not_mix(gallery, monkeypatch):
    (gallery / "recipe.yaml").write_text(RECIPE)
    for wrong, fault in (
        ("task={kind: image_classification, text: s, label: y, hub: x}", "needs 'image', the column of the image"),
        ("task={kind: classification, image: s, label: y, hub: x}", "needs 'text', the column of the text"),
        ("task={kind: classification, image: s, text: s, label: y, hub: x}", "takes 'text' and no 'image'"),
        ("task=embedded:tweets", "'model' reads images, and task 'embedded:tweets' (classification) is of text"),
    ):
        with pytest.raises(RecipeError) as caught:
            plan(load_source("recipe.yaml", [wrong]))
        assert fault in str(caught.value)
    with pytest.raises(RecipeError, match="needs 'text'"):
        resolve({"kind": "regression", "label": "y", "hub": "x"}, lambda _: "here")


def test_a_reader_that_does_not_fit_is_refused(gallery):
    vit, kind = family_of("vit"), KINDS["image_classification"]
    config = tiny_model(vit).config
    assert token_limit(tiny_reader(vit), config, vit) == 10
    with pytest.raises(CheckpointError, match=r"reads images of 3 x 12 x 12, its preprocessor_config.json makes 3 x 8"):
        token_limit(ImageReader({"size": 8}), config, vit)
    with quiet():
        tiny_model(vit).save_pretrained(gallery / "teacher")
    tiny_reader(vit).save_pretrained(gallery / "teacher")
    assert open_subject(str(gallery / "teacher"), tiny_reader(vit), kind).module.config.num_labels == 2
    with pytest.raises(CheckpointError, match="reads images in another way"):
        open_subject(str(gallery / "teacher"), ImageReader({"size": 12, "image_mean": [0.1] * 3}), kind)
    (gallery / "teacher" / images.CONFIG).write_text("[]")
    with pytest.raises(CheckpointError, match="not a JSON object"), warnings.catch_warnings():
        open_subject(str(gallery / "teacher"), tiny_reader(vit), kind)
    (gallery / "teacher" / images.CONFIG).unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config.json"):
        open_subject(str(gallery / "teacher"), tiny_reader(vit), kind)
