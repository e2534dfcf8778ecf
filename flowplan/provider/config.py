"""Where the key, address, project and region come from: the environment, then ~/.flow/config.yaml (provider.md 1.2).

That file is YAML of another tool, so this module reads it with the plain safe loader. It is the one place
outside `flowplan.lang` that imports yaml, and does so only when there is a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field

from flowplan.provider.http import is_loopback, plain_base_url
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostics, Span
from flowplan.values.value import Sensitive

PRODUCTION = "https://api.mithril.ai"
"""The address used where none is configured."""
DEFAULT_REGION = "us-central5-a"
"""The region used where none is configured."""
_FILE_KEYS = {
    "api_key": ("api_key",),
    "api_url": ("mithril", "api_url"),
    "project": ("mithril", "project"),
    "region": ("mithril", "region"),
}
_VARIABLES = {
    "api_key": "MITHRIL_API_KEY",
    "api_url": "MITHRIL_API_URL",
    "project": "MITHRIL_PROJECT",
    "region": "MITHRIL_REGION",
}


@frozen
class ApiSettings:
    """How to reach the provider. ``project`` None means the account's only one.

    ``sources`` tells, per setting, where it came from: a variable's name, a file's path, or ``default``.
    """

    api_key: Sensitive | None
    api_url: str = PRODUCTION
    project: str | None = None
    region: str = DEFAULT_REGION
    sources: Mapping[str, str] = field(factory=dict)


def read_config(
    environ: Mapping[str, str], read_file: Callable[[Path], str | None], home: Path
) -> tuple[ApiSettings, Diagnostics]:
    """The settings, and everything wrong with them. ``read_file`` gives None for a file that is not there.

    A variable that is set but empty is refused, as the provider's own tools do; so is the retired
    MITHRIL_PROJECT_ID. With errors among the diagnostics the settings must not be used.
    """
    found = Diagnostics()
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for setting, variable in _VARIABLES.items():
        if variable not in environ:
            continue
        if text := environ[variable].strip():
            values[setting], sources[setting] = text, variable
        else:
            found.error(
                f"{variable} is set but empty", suggestion=f"Give it a value, or remove it: unset {variable}"
            )
            sources[setting] = variable
    if "MITHRIL_PROJECT_ID" in environ:
        found.error(
            "MITHRIL_PROJECT_ID is no longer read",
            suggestion="Use MITHRIL_PROJECT, which takes a name or an id: "
            "export MITHRIL_PROJECT=$MITHRIL_PROJECT_ID; unset MITHRIL_PROJECT_ID",
        )
    if not set(_VARIABLES) <= set(sources):
        path = _file_path(environ, read_file, home, found)
        for setting, text in _from_file(
            path, read_file, found, explicit="FLOW_CONFIG_PATH" in environ
        ).items():
            if setting not in sources:
                values[setting], sources[setting] = text, str(path)
    for setting in _VARIABLES:
        sources.setdefault(setting, "default")
    _check(values, sources, found)
    key = values.get("api_key")
    settings = ApiSettings(
        api_key=None if key is None else Sensitive(key),
        api_url=plain_base_url(values.get("api_url", PRODUCTION)),
        project=values.get("project"),
        region=values.get("region", DEFAULT_REGION),
        sources=sources,
    )
    return settings, found


def _read(path: Path, read_file: Callable[[Path], str | None], found: Diagnostics) -> str | None:
    try:
        return read_file(path)
    except UnicodeDecodeError:
        found.error(f"{path} is not text in UTF-8", suggestion="Save it as UTF-8.")
    except OSError as error:
        found.error(f"{path} cannot be read: {error.strerror or type(error).__name__}")
    return None


def _file_path(
    environ: Mapping[str, str], read_file: Callable[[Path], str | None], home: Path, found: Diagnostics
) -> Path:
    for variable in ("FLOW_CONFIG_PATH", "FLOW_DIR"):
        if variable in environ and not environ[variable].strip():
            found.error(
                f"{variable} is set but empty", suggestion=f"Give it a value, or remove it: unset {variable}"
            )
    if given := environ.get("FLOW_CONFIG_PATH", "").strip():
        return _at_home(given, home)
    given = environ.get("FLOW_DIR", "").strip()
    folder = _at_home(given, home) if given else home / ".flow"
    current = (_read(folder / "current-environment", read_file, found) or "").strip()
    return folder / ("config-staging.yaml" if current == "staging" else "config.yaml")


def _at_home(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text)


def _from_file(
    path: Path, read_file: Callable[[Path], str | None], found: Diagnostics, explicit: bool
) -> dict[str, str]:
    problems = len(found)
    text = _read(path, read_file, found)
    if text is None:
        if explicit and len(found) == problems:
            found.error(
                f"{path} does not exist",
                suggestion="FLOW_CONFIG_PATH names it; correct it, or unset FLOW_CONFIG_PATH.",
            )
        return {}
    import yaml

    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Why: the parser's own words quote the file, and the key stands in it.
        mark = getattr(error, "problem_mark", None)
        span = Span(str(path), mark.line + 1, mark.column + 1) if mark is not None else Span(str(path))
        found.error(f"{path} is not valid YAML", suggestion="Correct it at the place shown.", span=span)
        return {}
    if document is None:
        return {}
    if not isinstance(document, dict):
        found.error(f"{path} should hold settings, one `name: value` a line", span=Span(str(path)))
        return {}
    values = {}
    for setting, keys in _FILE_KEYS.items():
        value: Any = document
        for depth, key in enumerate(keys):
            if not isinstance(value, dict):
                problem = f"{'.'.join(keys[:depth])} in {path} should be a mapping"
                found.error(problem, span=Span(str(path)))
                value = None
                break
            value = value.get(key)
            if value is None:
                break
        if value is None:
            continue
        name = ".".join(keys)
        if not isinstance(value, str):
            found.error(
                f"{name} in {path} should be a text",
                suggestion=f'Put it in quotes: {keys[-1]}: "…"',
                span=Span(str(path)),
            )
        elif not value.strip():
            found.error(
                f"{name} in {path} is empty",
                suggestion="Give it a value, or remove the line.",
                span=Span(str(path)),
            )
        else:
            values[setting] = value.strip()
    return values


def _check(values: dict[str, str], sources: Mapping[str, str], found: Diagnostics) -> None:
    key = values.get("api_key")
    if key is None:
        if sources["api_key"] == "default":
            found.error(
                "no API key is set",
                "The stack's provider section asks for the Mithril API, which wants a key.",
                suggestion="export MITHRIL_API_KEY=fkey_… (from the provider's console), "
                "or drop the provider section to use the sandbox.",
            )
    elif not key.isascii() or not key.isprintable() or " " in key:
        found.error(
            f"the API key in {sources['api_key']} has a character that no key has",
            suggestion="Copy it again: it is one word of letters and digits that begins with fkey_.",
        )
        del values["api_key"]
    url = values.get("api_url")
    if url is None:
        return
    advice = "Write it as https://api.mithril.ai or http://127.0.0.1:PORT."
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_address, parts = False, urlsplit("")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        found.error(
            f"the API address in {sources['api_url']} may hold no password, ? or #", suggestion=advice
        )
        del values["api_url"]
    elif not is_address:
        found.error(f"the API address in {sources['api_url']} is none: {url!r}", suggestion=advice)
        del values["api_url"]
    elif parts.scheme == "http" and not is_loopback(url):
        found.warning(
            f"the API key travels unencrypted to {parts.hostname}",
            suggestion=f"Write https:// in {sources['api_url']} if the server speaks it.",
        )
