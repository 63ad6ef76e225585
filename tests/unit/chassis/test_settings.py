"""Settings: a wrong option is found at the start, and the sentence says what to do."""

from __future__ import annotations

import pytest

from chassis.settings import ServiceSettings, SettingsError, load_or_exit, load_settings

FINE = {"PAPERPLANE_LISTEN": "unix:/run/pp/m", "PAPERPLANE_DATABASE": "sqlite:////data/m.db"}


def problem(**options: str) -> str:
    given = {**FINE, **{f"PAPERPLANE_{name}": value for name, value in options.items()}}
    with pytest.raises(SettingsError) as refused:
        load_settings(ServiceSettings, given)
    return str(refused.value)


def test_options_are_read_and_others_programs_variables_are_not() -> None:
    settings = load_settings(
        ServiceSettings, {**FINE, "PAPERPLANE_DRAIN_SECONDS": "1.5", "LISTEN": "x", "HOME": "/"}
    )
    assert settings.listen == "unix:/run/pp/m"
    assert settings.drain_seconds == 1.5
    assert settings.log_level == "INFO"


def test_unknown_option_is_refused_with_a_suggestion() -> None:
    text = problem(DRAIN_SECOND="1")
    assert text.startswith("PAPERPLANE_DRAIN_SECOND: there is no such option.")
    assert "Did you mean PAPERPLANE_DRAIN_SECONDS?" in text
    assert "\n" not in text


def test_unknown_option_like_no_other_is_refused_with_a_list() -> None:
    text = problem(XYZZY="1")
    assert "Known are: " in text
    assert "PAPERPLANE_LISTEN" in text


def test_option_in_the_wrong_case_is_refused() -> None:
    """The environment tells cases apart: it would have been overlooked."""
    with pytest.raises(SettingsError, match="paperplane_log_level: there is no such option"):
        load_settings(ServiceSettings, {**FINE, "paperplane_log_level": "INFO"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRAIN_SECONDS", "soon"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "61"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", ""),
        ("LOG_LEVEL", "LOUD"),
        ("PARENT_PIPE", "3.5"),
        ("TRUSTED_NETWORK", "perhaps"),
        ("LISTEN", ":1"),
        ("LISTEN", "127.0.0.1"),
        ("LISTEN", "127.0.0.1:99999"),
        ("LISTEN", "127.0.0.1:abc"),
        ("LISTEN", "http://127.0.0.1:50062"),
        ("DATABASE", "mysql://localhost/x"),
        ("DATABASE", "sqlite:///"),
        ("DATABASE", "sqlite:////data/m.db?mode=ro"),
        ("DATABASE", "postgresql://user:word@host:abc/x"),
        ("DATABASE", "postgresql://user:word@host"),
        ("NATS", "localhost:4222"),
        ("NATS", "nats://:4222"),
        ("NATS", "nats://nats:99999"),
        ("NATS", "nats://nats:4222, nats://other:4222"),
    ],
)
def test_wrong_value_is_refused_by_the_options_name(name: str, value: str) -> None:
    assert problem(**{name: value}).startswith(f"PAPERPLANE_{name}: ")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(ServiceSettings, {"PAPERPLANE_LISTN": "x", "PAPERPLANE_LOG_LEVEL": "LOUD"})
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "PAPERPLANE_LISTN",
        "PAPERPLANE_LOG_LEVEL",
        "PAPERPLANE_LISTEN",
        "PAPERPLANE_DATABASE",
    ]


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:1", "[::]:1", "messaging:1", "10.0.0.5:1", "127.0.0.1.example.org:1"]
)
def test_address_that_others_can_reach_wants_a_trusted_network(listen: str) -> None:
    assert "PAPERPLANE_TRUSTED_NETWORK=true" in problem(LISTEN=listen)
    told = {**FINE, "PAPERPLANE_LISTEN": listen, "PAPERPLANE_TRUSTED_NETWORK": "true"}
    assert load_settings(ServiceSettings, told).listen == listen


@pytest.mark.parametrize("listen", ["unix:/x/y", "localhost:0", "127.0.0.1:0", "[::1]:5"])
def test_address_of_this_machine_wants_no_more(listen: str) -> None:
    assert load_settings(ServiceSettings, {**FINE, "PAPERPLANE_LISTEN": listen}).listen == listen


def test_process_with_a_wrong_option_ends_with_the_reasons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**FINE, "PAPERPLANE_LISTN": "x"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load_or_exit(ServiceSettings)
    assert ended.value.code == 2
    assert "Did you mean PAPERPLANE_LISTEN?" in capsys.readouterr().err


@pytest.mark.parametrize("password", ["hunter@2", "hunter@2/3#4", "hunter:2@"])
def test_a_password_that_was_not_encoded_is_refused_and_not_shown(password: str) -> None:
    text = problem(DATABASE=f"postgresql://user:{password}@db.example.org/messaging")
    assert "%40" in text
    assert "hunter" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "[::1]:0"),
        ("LISTEN", "localhost:50061"),
        ("DATABASE", "postgresql://user:p%40ss@db-1.example.org:5432/messaging?sslmode=require"),
        ("DATABASE", "postgresql://user:word@/messaging?host=one:5432&host=other:5432"),
        ("NATS", "nats://user:word@one:4222,tls://other:4222"),
    ],
)
def test_what_is_in_use_is_taken(name: str, value: str) -> None:
    settings = load_settings(ServiceSettings, {**FINE, f"PAPERPLANE_{name}": value})
    assert getattr(settings, name.lower()) == value
