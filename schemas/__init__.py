"""What crosses a process boundary: one topic a module, and nothing of the project imported."""

from schemas.annotated_post import AnnotatedPost, GoldEntity
from schemas.dead_letter import DeadLetter, DeadLetterReason, Stage
from schemas.headers import Header
from schemas.post import MAX_IMAGES, MAX_TEXT_CHARACTERS, Post
from schemas.release import ModelRelease, ReleaseMark
from schemas.replay import Replay
from schemas.tagged_post import (
    Entity,
    EntityType,
    ImageRelation,
    ImageStatus,
    ReleaseName,
    Source,
    TaggedPost,
)

__all__ = [
    "MAX_IMAGES",
    "MAX_TEXT_CHARACTERS",
    "AnnotatedPost",
    "DeadLetter",
    "DeadLetterReason",
    "Entity",
    "EntityType",
    "GoldEntity",
    "Header",
    "ImageRelation",
    "ImageStatus",
    "ModelRelease",
    "Post",
    "ReleaseMark",
    "ReleaseName",
    "Replay",
    "Source",
    "Stage",
    "TaggedPost",
]
