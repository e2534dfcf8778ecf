"""Settings, projects and people (spec/models.md, 1.9)."""

from __future__ import annotations

from attrs import field

from flowplan.models.model import Model, fact
from flowplan.models.scalars import secret_text_hook
from flowplan.values.classes import define, frozen


@frozen(kw_only=True)
class FlowConfig(Model):
    """How to reach the provider. The key is never shown."""

    api_key: str = field(
        repr=lambda _: "'…'", metadata=fact("Key of the API.", hook=secret_text_hook, secret=True)
    )
    project: str = field(metadata=fact("Project to work in."))
    region: str = field(default="us-central1-b", metadata=fact("Region used where none is named."))
    api_url: str = field(default="https://api.mithril.ai", metadata=fact("Base URL of the API."))


@define(kw_only=True)
class Project(Model):
    """A project of the provider."""

    name: str = field(metadata=fact("Name of the project."))
    region: str = field(metadata=fact("Its main region."))


@define(kw_only=True)
class ValidationResult(Model):
    """Whether settings work, and what they give access to."""

    is_valid: bool = field(metadata=fact("Whether they work."))
    projects: list[Project] = field(factory=list, metadata=fact("The projects they give access to."))
    error_message: str | None = field(default=None, metadata=fact("Why they do not work."))


@define(kw_only=True)
class User(Model):
    """Someone known to the provider."""

    user_id: str = field(metadata=fact("Id of the user."))
    username: str = field(metadata=fact("Name for display."))
    email: str = field(metadata=fact("E-mail address."))
