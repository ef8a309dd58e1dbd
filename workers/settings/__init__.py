"""Every setting of every process, typed, in one place.

A field is a flag (`--bootstrap-servers`) and an environment variable (`RPBERT_BOOTSTRAP_SERVERS`); the flag
wins. Names are those of the Kafka and Redis clients where they have one.
"""

from workers.settings.kafka import KafkaSettings
from workers.settings.pictures import HostName, OwnPictureSettings, PictureSettings
from workers.settings.releases import CandidateSettings, ModelSettings, RefreshSettings, StoreSettings
from workers.settings.trainer import RuleSettings, TrainerSettings
from workers.settings.viewer import ViewerSettings
from workers.settings.worker import BatchSettings, Delivery, WorkerSettings

__all__ = [
    "BatchSettings",
    "CandidateSettings",
    "Delivery",
    "HostName",
    "KafkaSettings",
    "ModelSettings",
    "OwnPictureSettings",
    "PictureSettings",
    "RefreshSettings",
    "RuleSettings",
    "StoreSettings",
    "TrainerSettings",
    "ViewerSettings",
    "WorkerSettings",
]
