"""How to reach Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter
from pydantic import Field, SecretStr, model_validator

from workers.settings.base import Settings
from workers.settings.groups import KAFKA


@Parameter(name="*", group=KAFKA)
class KafkaSettings(Settings):
    """How to reach Kafka, and the names of the topics."""

    bootstrap_servers: str = Field(
        "localhost:9092", min_length=1, description="Kafka brokers, host:port, separated by commas."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism, with a SASL_ security protocol."
    )
    sasl_username: str | None = Field(None, description="SASL user name.")
    sasl_password: SecretStr | None = Field(
        None, description="SASL password; better given by the environment than as a flag."
    )
    ssl_cafile: Path | None = Field(None, description="PEM file of the authorities to trust.")
    ssl_certfile: Path | None = Field(None, description="PEM file of the client's certificate.")
    ssl_keyfile: Path | None = Field(None, description="PEM file of the client's key.")
    ssl_password: SecretStr | None = Field(None, description="Password of the client's key.")
    client_id: str = Field(
        "rpbert", min_length=1, description="Client id shown in the brokers' logs and quotas."
    )
    input_topic: str = Field("posts.raw", min_length=1, description="Topic of the posts to tag.")
    output_topic: str = Field("posts.entities", min_length=1, description="Topic of the results.")
    dead_letter_topic: str = Field(
        "posts.dlq", min_length=1, description="Topic of the records that can't become a result."
    )
    release_topic: str = Field(
        "models.releases", min_length=1, description="Topic that says which release each channel serves."
    )
    annotation_topic: str = Field(
        "posts.annotations", min_length=1, description="Topic of the posts that people have annotated."
    )

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> KafkaSettings:
        sasl = self.security_protocol.startswith("SASL_")
        if sasl and None in (self.sasl_mechanism, self.sasl_username, self.sasl_password):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username "
                "and sasl_password"
            )
        if not sasl and self.sasl_mechanism is not None:
            raise ValueError(
                f"sasl_mechanism {self.sasl_mechanism} needs security_protocol SASL_SSL or SASL_PLAINTEXT, "
                f"not {self.security_protocol}"
            )
        return self

    @property
    def replay_topic(self) -> str:
        """Topic that tells which dead letters were replayed.

        It follows from the dead letters' topic and is no setting: two operators with two of them would
        replay everything twice.
        """
        return f"{self.dead_letter_topic}.replays"

    @property
    def names_brokers(self) -> bool:
        """Whether brokers were named, for commands that can do without Kafka."""
        return "bootstrap_servers" in self.model_fields_set

    def client(self) -> dict[str, Any]:
        """Keyword arguments that every kafka-python client takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options |= {
                "ssl_cafile": _text(self.ssl_cafile),
                "ssl_certfile": _text(self.ssl_certfile),
                "ssl_keyfile": _text(self.ssl_keyfile),
                "ssl_password": self.ssl_password and self.ssl_password.get_secret_value(),
            }
        if self.sasl_mechanism is not None and self.sasl_password is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return options


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
