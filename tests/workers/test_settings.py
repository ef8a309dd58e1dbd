from ipaddress import ip_network

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from pydantic import ValidationError

from workers.settings import KafkaSettings, PictureSettings, ViewerSettings, WorkerSettings


def test_private_networks_are_closed_by_default() -> None:
    assert PictureSettings().allow_network == ()


def test_networks_are_read_as_cidr() -> None:
    settings = PictureSettings.model_validate({"allow_network": ["10.0.0.0/8", "fd00::/8"]})
    assert settings.allow_network == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_sasl_goes_to_the_clients_and_its_password_into_no_text() -> None:
    settings = KafkaSettings.model_validate(
        {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "tagger",
            "sasl_password": "between us",
            "ssl_cafile": "ca.pem",
        }
    )
    options = settings.client()
    assert "between us" in options.values()
    assert options["ssl_cafile"] == "ca.pem"
    assert "between us" not in repr(settings)
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        assert set(options) <= set(client.DEFAULT_CONFIG)


def test_plain_clients_get_no_security_options() -> None:
    assert set(KafkaSettings().client()) == {"bootstrap_servers", "client_id", "security_protocol"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"security_protocol": "SASL_SSL"}, "sasl_mechanism, sasl_username and sasl_password"),
        ({"sasl_mechanism": "PLAIN"}, "SASL_SSL or SASL_PLAINTEXT, not PLAINTEXT"),
    ],
)
def test_half_a_sasl_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        KafkaSettings.model_validate(given)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="grup_id"):
        WorkerSettings.model_validate({"grup_id": "x"})


def test_a_drain_is_shorter_than_the_session() -> None:
    with pytest.raises(ValidationError, match="drain_timeout"):
        WorkerSettings.model_validate({"drain_timeout": 60})


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "fd00::1", "http://cdn", "cdn:80", "*.cdn", "a..b", "", "cdn.", "b\xfccher", "0x7f.1"],
)
def test_an_allowed_host_is_a_plain_name(host: str) -> None:
    with pytest.raises(ValidationError):
        PictureSettings(allow_host=(host,))


def test_an_allowed_host_is_read_as_dns_reads_it() -> None:
    assert PictureSettings(allow_host=("CDN.Internal", "minio")).allow_host == ("cdn.internal", "minio")


@pytest.mark.parametrize("text", ["", " ", "a\r\nX: y", "a\tb", "caf\xe9", "a" * 300])
def test_what_picture_hosts_are_told_can_not_break_a_header(text: str) -> None:
    with pytest.raises(ValidationError):
        PictureSettings(fetch_user_agent=text)
    with pytest.raises(ValidationError):
        PictureSettings(fetch_contact=text)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"viewer_host": "viewer.example", "allow_corrections": True}, "RPBERT_VIEWER_TOKEN"),
        ({"viewer_token": "gehö rt"}, "ASCII"),
        ({"viewer_token": ""}, "not empty"),
        ({"attention": True, "hide_pictures": True}, "drop one"),
    ],
)
def test_a_viewer_that_is_set_up_wrong_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ViewerSettings.model_validate(given)
