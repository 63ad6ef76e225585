"""Which tokens are accepted, and for how long they are remembered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from chassis.refusals import CallerUnknown, Refusal
from gateway.errors import TokenExpired, TokenInvalid
from gateway.identity import TokenVerifier
from gateway.keys import FixedKeys, KeysUnreadable, RotatingKeys, parse_key_set
from tests.support.gateway import Issuer, new_key

ISSUER = Issuer({name: new_key(name) for name in ("RS256", "ES256", "EdDSA")})


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> TokenVerifier:
    keys = FixedKeys(parse_key_set(ISSUER.key_set()))
    return TokenVerifier(keys, ISSUER.issuer, ISSUER.audience, now=clock)


async def refusal_of(verifier: TokenVerifier, authorization: str) -> type[Refusal]:
    with pytest.raises(Refusal) as caught:
        await verifier.identify(authorization)
    return caught.type


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_good_token_names_its_person(verifier: TokenVerifier, algorithm: str) -> None:
    for _ in range(2):
        identity = await verifier.identify(f"Bearer {ISSUER.token(algorithm)}")
        assert identity.person_id == "alice"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_written_as_one_likes(verifier: TokenVerifier, scheme: str) -> None:
    assert (await verifier.identify(f"{scheme} {ISSUER.token()}")).person_id == "alice"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YTpi", "token"])
async def test_without_a_bearer_token_the_caller_is_unknown(
    verifier: TokenVerifier, authorization: str
) -> None:
    assert await refusal_of(verifier, authorization) is CallerUnknown


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "....", "e30.e30.", "\x00", "ü.ü.ü", "[" * 5000, "a" * 9000, "a." * 4000],
)
async def test_garbage_is_invalid(verifier: TokenVerifier, token: str) -> None:
    assert await refusal_of(verifier, f"Bearer {token}") is TokenInvalid


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"iss": [ISSUER.issuer]},
        {"aud": "other"},
        {"aud": None},
        {"aud": []},
        {"aud": ["other", ISSUER.audience + "x"]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": {}},
        {"nbf": int(time.time()) + 600},
        {"nbf": "later"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "two words"},
        {"sub": "tab\t"},
        {"sub": "line\n"},
        {"sub": "Zoë"},
        {"sub": "x" * 256},
    ],
)
async def test_claims_that_are_missing_or_wrong_are_invalid(
    verifier: TokenVerifier, changed: dict[str, Any]
) -> None:
    # Written by hand, since the library would not sign all of these.
    assert await refusal_of(verifier, f"Bearer {_signed(ISSUER.claims(**changed))}") is TokenInvalid


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["other", ISSUER.audience]},
        {"sub": "x" * 255},
        {"sub": "!~"},
        {"exp": "99999999999"},
        {"nbf": int(time.time()) - 5},
        {"iat": int(time.time()) + 5},
    ],
)
async def test_unusual_claims_that_are_right_are_accepted(
    verifier: TokenVerifier, changed: dict[str, Any]
) -> None:
    assert (await verifier.identify(f"Bearer {_signed(ISSUER.claims(**changed))}")).person_id


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _signed(claims: dict[str, Any], **header: Any) -> str:
    head = {"alg": "EdDSA", "typ": "JWT", "kid": "EdDSA", **header}
    body = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
    key: Any = ISSUER.keys["EdDSA"]
    return f"{body}.{_encoded(key.sign(body.encode()))}"


@pytest.mark.parametrize("alg", ["none", "None", "", None, "HS256", "RS256", "PS256", "EdDSA "])
async def test_another_algorithm_than_the_keys_is_invalid(
    verifier: TokenVerifier, alg: str | None
) -> None:
    assert await refusal_of(verifier, f"Bearer {_signed(ISSUER.claims(), alg=alg)}") is TokenInvalid


async def test_an_unsigned_token_is_invalid(verifier: TokenVerifier) -> None:
    for kid in ("EdDSA", "RS256"):
        token = jwt.encode(ISSUER.claims(), "", algorithm="none", headers={"kid": kid})
        assert await refusal_of(verifier, f"Bearer {token}") is TokenInvalid


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_public_key_is_no_shared_secret(verifier: TokenVerifier, algorithm: str) -> None:
    public: Any = ISSUER.keys[algorithm].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = _encoded(json.dumps({"alg": "HS256", "kid": algorithm}).encode())
    body = f"{head}.{_encoded(json.dumps(ISSUER.claims()).encode())}"
    for secret in (pem, pem.strip(), json.dumps(ISSUER.entry(algorithm)).encode()):
        tag = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        assert await refusal_of(verifier, f"Bearer {body}.{_encoded(tag)}") is TokenInvalid


async def test_someone_elses_signature_is_invalid(verifier: TokenVerifier) -> None:
    stranger = Issuer()

    assert await refusal_of(verifier, f"Bearer {stranger.token('ES256')}") is TokenInvalid
    assert await refusal_of(verifier, f"Bearer {stranger.token('EdDSA')}") is TokenInvalid


async def test_a_changed_token_is_invalid_though_the_real_one_is_remembered(
    verifier: TokenVerifier,
) -> None:
    token = ISSUER.token()
    await verifier.identify(f"Bearer {token}")
    head, _, signature = token.split(".")
    forged = _encoded(json.dumps(ISSUER.claims(sub="eve")).encode())

    assert await refusal_of(verifier, f"Bearer {head}.{forged}.{signature}") is TokenInvalid


@pytest.mark.parametrize("kid", ["unknown", "", "RS256", "ES256"])
async def test_the_wrong_key_id_is_invalid(verifier: TokenVerifier, kid: str) -> None:
    assert await refusal_of(verifier, f"Bearer {_signed(ISSUER.claims(), kid=kid)}") is TokenInvalid


@pytest.mark.parametrize("kid", [7, ["EdDSA"], {"a": 1}])
async def test_a_key_id_that_is_no_text_is_invalid(verifier: TokenVerifier, kid: Any) -> None:
    assert await refusal_of(verifier, f"Bearer {_signed(ISSUER.claims(), kid=kid)}") is TokenInvalid


async def test_a_key_in_the_token_is_not_trusted(verifier: TokenVerifier) -> None:
    stranger = Issuer()
    header = {"kid": "stranger", "jwk": stranger.entry("EdDSA"), "jku": "http://192.0.2.1/"}
    key: Any = stranger.keys["EdDSA"]
    token = jwt.encode(stranger.claims(), key, algorithm="EdDSA", headers=header)

    assert await refusal_of(verifier, f"Bearer {token}") is TokenInvalid


async def test_without_a_key_id_the_only_key_of_the_algorithm_is_meant(
    verifier: TokenVerifier,
) -> None:
    key: Any = ISSUER.keys["ES256"]
    token = jwt.encode(ISSUER.claims(), key, algorithm="ES256")

    assert (await verifier.identify(f"Bearer {token}")).person_id == "alice"


async def test_an_expired_token_says_so_and_a_forged_one_does_not(
    verifier: TokenVerifier,
) -> None:
    past = int(time.time()) - 1

    assert await refusal_of(verifier, f"Bearer {ISSUER.token(exp=past)}") is TokenExpired
    forged = Issuer().token(exp=past)
    assert await refusal_of(verifier, f"Bearer {forged}") is TokenInvalid


async def test_a_remembered_token_expires_all_the_same(
    verifier: TokenVerifier, clock: Clock
) -> None:
    authorization = f"Bearer {ISSUER.token(exp=int(clock.time) + 60)}"
    await verifier.identify(authorization)

    clock.time += 61

    assert await refusal_of(verifier, authorization) is TokenExpired


async def test_leeway_prolongs_a_token(clock: Clock) -> None:
    keys = FixedKeys(parse_key_set(ISSUER.key_set()))
    verifier = TokenVerifier(keys, ISSUER.issuer, ISSUER.audience, leeway=30, now=clock)
    authorization = f"Bearer {ISSUER.token(exp=int(clock.time) - 10)}"

    assert (await verifier.identify(authorization)).person_id
    clock.time += 25

    assert await refusal_of(verifier, authorization) is TokenExpired


async def test_only_so_many_tokens_are_remembered() -> None:
    keys = CountingKeys()
    verifier = TokenVerifier(keys, ISSUER.issuer, ISSUER.audience, remembered=2)
    first, second, third = (f"Bearer {ISSUER.token(sub=name)}" for name in ("a", "b", "c"))
    for authorization in (first, second, first, third, first):
        await verifier.identify(authorization)
    assert keys.asked == 3

    # It was used least recently, and had to go.
    await verifier.identify(second)
    assert keys.asked == 4


class CountingKeys(FixedKeys):
    """Keys that count how often a token is verified with them."""

    def __init__(self) -> None:
        super().__init__(parse_key_set(ISSUER.key_set()))
        self.asked = 0

    async def find(self, kid: str | None, algorithm: str) -> Any:
        self.asked += 1
        return await super().find(kid, algorithm)


class Shelf:
    """A source of keys that the test fills."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.readings = 0

    async def read(self) -> bytes:
        self.readings += 1
        if self.content is None:
            raise KeysUnreadable("gone")
        return self.content


def key_set(*issuers: tuple[Issuer, str]) -> bytes:
    return json.dumps({"keys": [issuer.entry("EdDSA", kid) for issuer, kid in issuers]}).encode()


OLD, NEW = Issuer(), Issuer()


async def rotating(shelf: Shelf, pause: float) -> tuple[RotatingKeys, TokenVerifier]:
    keys = RotatingKeys(shelf, refresh_seconds=3600, pause_seconds=pause)
    await keys.load()
    return keys, TokenVerifier(keys, OLD.issuer, OLD.audience)


async def test_a_new_key_is_found_when_its_id_first_shows_up() -> None:
    shelf = Shelf(key_set((OLD, "old")))
    _, verifier = await rotating(shelf, pause=0)
    shelf.content = key_set((OLD, "old"), (NEW, "new"))

    assert (await verifier.identify(f"Bearer {NEW.token(kid='new')}")).person_id
    assert (await verifier.identify(f"Bearer {OLD.token(kid='old')}")).person_id


async def test_made_up_key_ids_do_not_storm_the_issuer() -> None:
    shelf = Shelf(key_set((OLD, "old")))
    _, verifier = await rotating(shelf, pause=3600)

    for number in range(20):
        assert await refusal_of(verifier, f"Bearer {OLD.token(kid=str(number))}") is TokenInvalid

    assert shelf.readings == 1


async def test_a_withdrawn_key_takes_its_remembered_tokens_with_it() -> None:
    shelf = Shelf(key_set((OLD, "old"), (NEW, "new")))
    keys, verifier = await rotating(shelf, pause=3600)
    old, new = f"Bearer {OLD.token(kid='old')}", f"Bearer {NEW.token(kid='new')}"
    await verifier.identify(old)
    shelf.content = key_set((NEW, "new"))

    await keys.load()

    assert await refusal_of(verifier, old) is TokenInvalid
    assert (await verifier.identify(new)).person_id


async def test_a_key_that_is_replaced_under_its_id_is_withdrawn() -> None:
    shelf = Shelf(key_set((OLD, "key")))
    keys, verifier = await rotating(shelf, pause=3600)
    old = f"Bearer {OLD.token(kid='key')}"
    await verifier.identify(old)
    shelf.content = key_set((NEW, "key"))

    await keys.load()

    assert await refusal_of(verifier, old) is TokenInvalid
    assert (await verifier.identify(f"Bearer {NEW.token(kid='key')}")).person_id


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"keys":[]}', b"<html>"])
async def test_a_failed_reading_keeps_the_old_keys(content: bytes | None) -> None:
    shelf = Shelf(key_set((OLD, "old")))
    keys, verifier = await rotating(shelf, pause=0)
    shelf.content = content

    with pytest.raises(KeysUnreadable):
        await keys.load()
    assert await refusal_of(verifier, f"Bearer {NEW.token(kid='new')}") is TokenInvalid

    assert (await verifier.identify(f"Bearer {OLD.token(kid='old')}")).person_id


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "x"},
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "x", "alg": "RS256"},
        {**ISSUER.entry("RS256"), "alg": "PS256"},
        {**ISSUER.entry("RS256"), "alg": "RS384"},
        {**ISSUER.entry("EdDSA"), "use": "enc"},
        {**ISSUER.entry("EdDSA"), "key_ops": ["sign"]},
        {**ISSUER.entry("EdDSA"), "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "new"},
        {},
    ],
)
def test_keys_that_cannot_verify_tokens_are_passed_over(entry: dict[str, Any]) -> None:
    good = {**ISSUER.entry("ES256"), "kid": "good"}

    keys = parse_key_set(json.dumps({"keys": [entry, good]}).encode())

    assert list(keys) == ["good"]
    with pytest.raises(KeysUnreadable):
        parse_key_set(json.dumps({"keys": [entry]}).encode())


@pytest.mark.parametrize(
    "document", [b"", b"null", b"[]", b'{"keys":{}}', b'{"keys":[1]}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_key_set_is_unreadable(document: bytes) -> None:
    with pytest.raises(KeysUnreadable):
        parse_key_set(document)
