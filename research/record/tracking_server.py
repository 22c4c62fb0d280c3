"""An MLflow tracking server, read and written over HTTP; what goes wrong is told in one line."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from research.design.errors import UserError
from research.record.any_store import ANOTHER
from research.record.system_errors import REACHED

if TYPE_CHECKING:
    import requests

SCHEMES = ("http", "https")
WRITTEN = "http://HOST:PORT"
USERNAME, PASSWORD, TOKEN = CREDENTIALS = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
)  # fmt: skip
GIVE_PASSWORD = f"set {USERNAME} and {PASSWORD}, or {TOKEN}"
API = "api/2.0/mlflow"
HISTORIES = "ajax-api/2.0/mlflow/metrics/get-history-bulk"  # what MLflow's own UI draws curves from
# What MLflow allows in one request.
MOST_METRICS, MOST_OTHERS, MOST_RUNS, MOST_POINTS = 1000, 100, 100, 25_000
MOST_OF_TAG, MOST_OF_NAME = 8000, 250  # characters: what a server has room for that keeps its record in PostgreSQL
PAGE = 500  # runs: a few megabytes
PATIENCE = (10, 60)  # seconds for a connection, and for an answer
RETRIES = 3  # within a few seconds: a server that is started again takes longer, and the command too
MISSING = "RESOURCE_DOES_NOT_EXIST"

Json = dict[str, Any]
Table = Sequence[Mapping[str, Any]]  # rows, by column


def checked_address(text: str) -> str:
    """The address of a tracking server without the slash at its end. Raises UserError for what is none."""
    try:
        parts = urlsplit(text)
        there = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise UserError(f"--store: no address of a server ({error}); it is written {WRITTEN}") from error
    if parts.username is not None or parts.password is not None:
        raise UserError(f"--store: a password has no place in the address, where others can read it; {GIVE_PASSWORD}")
    if not there or parts.query or parts.fragment or re.search(r"[\s%]", text):
        raise UserError(f"--store {text}: no address of a server; it is written {WRITTEN}")
    return text.rstrip("/")


@dataclass(frozen=True)
class Experiment:
    """An experiment with what MLflow's own has, whose import takes two seconds."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str]


@dataclass
class TrackingServer:
    """A server at an address. What it has is asked for anew each time; nothing is kept but the connection.

    `clock` is the server's own time of its last answer, in seconds since 1970. Whatever cannot be had raises UserError.
    """

    address: str
    clock: float = 0.0
    _session: requests.Session | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise UserError unless a server of the pinned MLflow answers, and lets us read."""
        found, ours = self._response("GET", "version").text.strip(), version("mlflow")
        if not re.fullmatch(r"\d+(\.\w+)+", found):
            raise UserError(f"store {self.address}: what answers there is no MLflow server; {ANOTHER}")
        if found != ours:
            raise UserError(f"store {self.address}: runs MLflow {found}, this one needs {ours}; {ANOTHER}")
        self._post("experiments/search", max_results=1)

    def experiments(self) -> Iterator[Experiment]:
        """Those that were not deleted."""
        for page in self._pages("experiments/search", max_results=PAGE):
            yield from map(_experiment, page.get("experiments", ()))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of a name, a deleted one too; None where there is none."""
        found = self._ask("GET", f"{API}/experiments/get-by-name", may_miss=True, params={"experiment_name": name})
        return _experiment(found["experiment"]) if found else None

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment of an id."""
        return _experiment(self._get("experiments/get", experiment_id=experiment_id)["experiment"])

    def create_experiment(self, name: str, artifact_location: str = "") -> str:
        """Make an experiment; its id. Where its files lie is for the server to say."""
        return str(self._post("experiments/create", name=name)["experiment_id"])

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""
        self._post("experiments/set-experiment-tag", experiment_id=experiment_id, key=key, value=value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment."""
        self._post("experiments/delete-experiment-tag", experiment_id=experiment_id, key=key)

    def runs(self, experiment_id: str, only: str = "", most: int = 0) -> Iterator[Json]:
        """The active runs of an experiment as the server tells them, those which a filter leaves, so many at most."""
        asked = {"experiment_ids": [experiment_id], "filter": only, "run_view_type": "ACTIVE_ONLY"}
        for page in self._pages("runs/search", **asked, max_results=most or PAGE):
            yield from page.get("runs", ())
            if most:
                return

    def run(self, run_id: str) -> Json:
        """A run as the server tells it."""
        found: Json = self._get("runs/get", run_id=run_id)["run"]
        return found

    def histories(self, name: str, run_ids: Sequence[str]) -> Iterator[Json]:
        """All values of a metric of some runs: run_id, value, step and timestamp of each."""
        for first in range(0, len(run_ids), MOST_RUNS):
            some = list(run_ids[first : first + MOST_RUNS])
            found = self._ask("GET", HISTORIES, params={"run_id": some, "metric_key": name})["metrics"]
            if len(found) < MOST_POINTS:
                yield from found
            elif len(some) > 1:  # it was cut off
                yield from self.histories(name, some[: len(some) // 2])
                yield from self.histories(name, some[len(some) // 2 :])
            else:
                history = self._get("metrics/get-history", run_id=some[0], metric_key=name)["metrics"]
                yield from ({**point, "run_id": some[0]} for point in history)

    def create_run(self, experiment_id: str, name: str, started: int, tags: Table) -> str:
        """Begin a run, which is RUNNING then; its id."""
        told = {"experiment_id": experiment_id, "start_time": started, "user_id": "unknown"}
        run = self._post("runs/create", **told, run_name=name[:MOST_OF_NAME], tags=in_parts(tags))["run"]
        return str(run["info"]["run_id"])

    def log(self, run_id: str, carried: Mapping[str, Table], data: Sequence[Json] = ()) -> None:
        """Add to a run what it carries: rows of `tags`, `params` and `metrics`, as tables have them, and its data."""
        numbers = [{**row, "value": "NaN" if row["is_nan"] else row["value"]} for row in carried["metrics"]]
        for kind, rows, most in (
            ("tags", in_parts(carried["tags"]), MOST_OTHERS),
            ("params", carried["params"], MOST_OTHERS),
            ("metrics", numbers, MOST_METRICS),
        ):
            columns = ("key", "value", "timestamp", "step")
            for first in range(0, len(rows), most):
                some = [{name: row[name] for name in columns if name in row} for row in rows[first : first + most]]
                self._post("runs/log-batch", run_id=run_id, **{kind: some})
        if data:
            self._post("runs/log-inputs", run_id=run_id, datasets=list(data))

    def update_run(self, run_id: str, status: str, name: str | None = None, ended: int | None = None) -> None:
        """Give a run a status, and where they are known a name and an end."""
        told: Json = {"run_id": run_id, "status": status, "end_time": ended}
        told["run_name"] = name and name[:MOST_OF_NAME]
        self._post("runs/update", **{key: value for key, value in told.items() if value is not None})

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        self._post("runs/set-tag", run_id=run_id, key=key, value=value)

    def delete_run(self, run_id: str) -> None:
        """Delete a run, which the server keeps until `mlflow gc`."""
        self._post("runs/delete", run_id=run_id)

    def close(self) -> None:
        """End the connection; another is made when it is needed."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _get(self, path: str, **asked: str) -> Json:
        return self._ask("GET", f"{API}/{path}", params=asked)

    def _post(self, path: str, **told: Any) -> Json:
        return self._ask("POST", f"{API}/{path}", json=told)

    def _pages(self, path: str, **asked: Any) -> Iterator[Json]:
        page = self._post(path, **asked)
        yield page
        while token := page.get("next_page_token"):
            page = self._post(path, **asked, page_token=token)
            yield page

    def _ask(self, method: str, path: str, may_miss: bool = False, **content: Any) -> Json:
        """What the server answers; nothing for what is not there and may miss."""
        response = self._response(method, path, may_miss, **content)
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UserError(f"store {self.address}: what answers there is no MLflow server; {ANOTHER}")
        return {} if found.get("error_code") == MISSING else found

    def _response(self, method: str, path: str, may_miss: bool = False, **content: Any) -> requests.Response:
        import requests

        where = f"store {self.address}"
        try:
            response = self._connected().request(
                method, f"{self.address}/{path}", timeout=PATIENCE, allow_redirects=False, **content
            )
        except requests.RequestException as error:
            raise UserError(f"{where}: cannot be reached ({_reason(error)}); {REACHED}") from error
        if date := response.headers.get("Date"):
            self.clock = parsedate_to_datetime(date).timestamp()
        status = response.status_code
        if status == 200:
            return response
        code, message = _refusal(response)
        if may_miss and code == MISSING:
            return response
        if status == 401:
            given = any(os.environ.get(name) for name in CREDENTIALS)
            raise UserError(f"{where}: {'refuses this password' if given else 'asks for a password'}; {GIVE_PASSWORD}")
        if status == 403:
            raise UserError(f"{where}: does not let you do this ({message}); {ANOTHER}")
        if 300 <= status < 400:
            raise UserError(f"{where}: sends elsewhere ({response.headers.get('Location', '?')}); name that address")
        if not code and status < 500:
            raise UserError(f"{where}: what answers there is no MLflow server ({status} {message}); {ANOTHER}")
        raise UserError(f"{where}: answers with an error ({code or status} {message}); {REACHED}")

    def _connected(self) -> requests.Session:
        if self._session is None:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util import Retry

            logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would tell of each retry
            self._session = requests.Session()
            # A request that is sent twice does no harm: a run that is begun twice is never ended, so it does not count.
            again = Retry(
                RETRIES, read=1, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=None,
                raise_on_status=False, redirect=False,
            )  # fmt: skip
            for scheme in SCHEMES:
                self._session.mount(f"{scheme}://", HTTPAdapter(max_retries=again))
            self._session.auth = _authorised  # else that of ~/.netrc
        return self._session


def _authorised(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """A request with the password or token that variables have, else with that of ~/.netrc."""
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_netrc_auth

    username, password, token = (os.environ.get(name, "") for name in CREDENTIALS)
    if username or password:
        HTTPBasicAuth(username.encode(), password.encode())(request)
    elif token:
        if not (token.isascii() and token.isprintable()):
            raise UserError(f"{TOKEN}: has characters that cannot be sent")
        request.headers["Authorization"] = f"Bearer {token}"
    elif found := get_netrc_auth(str(request.url)):
        HTTPBasicAuth(*found)(request)
    return request


def _reason(error: BaseException) -> str:
    """Why a server cannot be reached, in few words."""
    import requests

    if isinstance(error, requests.Timeout):
        return "it does not answer"
    found = re.findall(r"\[Errno -?\d+\] ([^'\")]+)|(certificate verify failed[^'\")]*)", str(error))
    last = re.sub(r"^.*: ", "", str(error).strip("()'\" "))
    return " ".join(found[-1]).strip() if found else last[:200] or type(error).__name__


def _refusal(response: requests.Response) -> tuple[str, str]:
    """MLflow's code of what it refuses, empty where another program answers, and the first line of what it says."""
    try:
        told = response.json()
        code, message = str(told["error_code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        plain = "html" not in response.headers.get("Content-Type", "")
        code, message = "", (response.text if plain else "") or response.reason
    return code, (message.splitlines() or [""])[0][:200]


def _experiment(told: Json) -> Experiment:
    tags = {tag["key"]: tag.get("value", "") for tag in told.get("tags", ())}
    return Experiment(told["experiment_id"], told["name"], told["artifact_location"], told["lifecycle_stage"], tags)


def in_parts(tags: Table) -> list[Json]:
    """Tags as a server has room for them: one that is longer is followed by `KEY.2` and so on."""
    return [
        {"key": tag["key"] + (f".{place // MOST_OF_TAG + 1}" if place else ""), "value": value[place:][:MOST_OF_TAG]}
        for tag in tags
        for value in [tag["value"]]
        for place in range(0, len(value) or 1, MOST_OF_TAG)
    ]


def whole_tags(parts: Iterable[Json]) -> dict[str, str]:
    """Tags that a server tells, as they were before `in_parts`."""
    found = {part["key"]: part.get("value", "") for part in parts}
    for key in [key for key, value in found.items() if len(value) == MOST_OF_TAG]:
        place = 2
        while key in found and f"{key}.{place}" in found:
            found[key] += found.pop(f"{key}.{place}")
            place += 1
    return found


def number(value: Any) -> tuple[float, bool]:
    """A metric's value as a server tells it, as tables have it: NaN is 0 there, and said to be NaN."""
    found = float(value)
    return (0.0, True) if math.isnan(found) else (found, False)
