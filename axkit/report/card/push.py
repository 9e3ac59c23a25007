"""A model folder to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axkit.ground.errors import AxkitError, CheckpointError, shown
from axkit.report.card.card import CARD
from axkit.report.page.use import placed
from axkit.run.engine import Run
from axkit.runtimes.folder import load_subject

WITH_ROWS = ("report.html", "report.json")  # texts of test rows stand in them
JOURNAL = "journal.jsonl"


def push_to_hub(
    model: str | Path | Run,
    repo: str,
    *,
    private: bool | None = None,
    rows: bool = False,
    token: str | None = None,
) -> str:
    """Upload a model folder with its card, as one commit.

    Args:
        model: a run folder, or any folder that axkit reads; of a finished run a folder is written for it.
        repo: ``"user/name"``, or ``"name"`` of your own; it is made where it is not there.
        private: whether the repository is, where it is made; None: as your account has it.
        rows: send ``report.html`` and ``report.json`` too, which hold texts of test rows.
        token: of the hub; None: what ``hf auth login`` or ``HF_TOKEN`` left.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: the folder is damaged, or none.
        AxkitError: one sentence: no token, no network, no right to write there, or a name that is none.
    """
    if isinstance(model, Run):
        return _push_run(model, repo, private=private, rows=rows, token=token)
    folder = Path(model)
    load_subject(folder)  # what nobody can load is not sent
    if not (folder / CARD).is_file():
        raise CheckpointError(
            f"{folder} has no {CARD}; push a run folder or what axkit export made of one, or write that file there"
        )
    from huggingface_hub import CommitOperationAdd, HfApi

    api, left = HfApi(token=token), {JOURNAL, CARD, *(() if rows else WITH_ROWS)}
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in left]
    files = [path for path in files if not path.name.startswith(".")]
    with _told(repo):
        name = api.create_repo(repo, private=private, exist_ok=True).repo_id
        card = (folder / CARD).read_text(encoding="utf-8").replace(placed(folder.name), name)
        sent = [CommitOperationAdd(CARD, card.encode()), *(CommitOperationAdd(path.name, path) for path in files)]
        found: Any = api.create_commit(name, sent, commit_message=f"Upload {folder.name} by axkit")
    return str(found.commit_url)


def _push_run(run: Run, repo: str, **settings: Any) -> str:
    from tempfile import TemporaryDirectory

    from axkit.report.run_folder import write_run

    with TemporaryDirectory(prefix="axkit-push-") as place:
        target = Path(place) / run.plan.recipe.name
        write_run(run, target)
        return push_to_hub(target, repo, **settings)


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """The hub client's errors as one sentence each; a fence to what is not ours."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as error:
        raise AxkitError(f"'{repo}' is no name of a repository ({shown(error, 200)}); give USER/NAME") from error
    except errors.LocalTokenNotFoundError as error:
        raise AxkitError("there is no token of the hub here; run 'hf auth login', or set HF_TOKEN") from error
    except errors.OfflineModeIsEnabled as error:
        raise AxkitError("the hub cannot be reached: HF_HUB_OFFLINE is set; unset it") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        raise AxkitError(f"the hub refused '{repo}' ({status or type(error).__name__}); {_way_out(status)}") from error
    except Exception as error:  # its transport's errors: each means that it was not reached
        raise AxkitError(
            f"the hub cannot be reached ({type(error).__name__}); check the network, then try again"
        ) from error


def _way_out(status: int | None) -> str:
    if status == 401:
        return "run 'hf auth login' with a token that may write"
    if status == 403:
        return "take a token that may write there, or another name"
    return "try again later"
