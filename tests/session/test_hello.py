"""HELLO: what each side says of itself, read back from any bytes or refused, and what two of them agree on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import HandshakeError
from mezha.session.frames import LONGEST_HELLO, Code
from mezha.session.hello import (
    CRITICAL,
    LONGEST_AGENT,
    MOST_CREDIT,
    SMALLEST_HEARTBEAT,
    SMALLEST_REQUEST_BYTES,
    SMALLEST_REQUESTS,
    SMALLEST_WINDOW,
    Hello,
    Type,
    agree_on_heartbeat,
    agree_on_version,
)

versions = st.sets(st.integers(1, 255), min_size=1).map(sorted).map(tuple)
u64 = st.integers(0, 2**64 - 1)
agents = st.text(st.characters(exclude_categories=["Cs"]), max_size=LONGEST_AGENT // 4)
hellos = st.builds(
    Hello,
    versions=versions,
    max_message=u64,
    window=st.integers(SMALLEST_WINDOW, MOST_CREDIT),
    heartbeat=st.just(0) | st.integers(SMALLEST_HEARTBEAT, 2**32 - 1),
    requests=st.integers(SMALLEST_REQUESTS, 2**32 - 1),
    request_bytes=st.integers(SMALLEST_REQUEST_BYTES, 2**64 - 1),
    features=u64,
    agent=agents,
)


def value(number: int, data: bytes) -> bytes:
    return number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


SPEAKS_1 = value(Type.VERSIONS, b"\1")
unknown_types = st.integers(0, CRITICAL - 1).filter(lambda number: number not in set(Type))
unknown_values = st.builds(value, unknown_types, st.binary(max_size=9))


def values_of(body: bytes) -> list[bytes]:
    values: list[bytes] = []
    while body:
        size = 4 + int.from_bytes(body[2:4], "big")
        values.append(body[:size])
        body = body[size:]
    return values


def refusal(body: bytes, code: Code = Code.PROTOCOL_ERROR) -> str:
    with pytest.raises(HandshakeError) as caught:
        Hello.decode(body)
    assert caught.value.code == code
    return str(caught.value)


# -- laws --------------------------------------------------------------------------------------------------------------


@given(hellos)
def test_what_is_written_is_read_back(hello: Hello) -> None:
    body = hello.encode()
    assert len(body) <= LONGEST_HELLO
    assert Hello.decode(body, speaks=hello.versions) == hello


@given(hellos, st.lists(unknown_values, max_size=3), st.randoms())
def test_neither_the_order_nor_what_is_unknown_matters(hello: Hello, unknown: list[bytes], random: object) -> None:
    values = values_of(hello.encode()) + unknown
    random.shuffle(values)  # type: ignore[attr-defined]
    assert Hello.decode(b"".join(values), speaks=hello.versions) == hello


@given(hellos, st.sets(st.sampled_from(Type)))
def test_what_is_known_may_be_critical(hello: Hello, critical: set[Type]) -> None:
    marked = [
        bytes([each[0] | 0x80]) + each[1:] if int.from_bytes(each[:2], "big") in critical else each
        for each in values_of(hello.encode())
    ]
    assert Hello.decode(b"".join(marked), speaks=hello.versions) == hello


@given(
    st.lists(st.builds(value, st.sampled_from(Type) | st.integers(0, 2**16 - 1), st.binary(max_size=12)), max_size=4)
)
def test_any_values_are_a_hello_or_an_error(values: list[bytes]) -> None:
    any_body(SPEAKS_1 + b"".join(values))


@given(st.binary(max_size=20))
def test_any_bytes_are_a_hello_or_an_error(body: bytes) -> None:
    any_body(body)


def any_body(body: bytes) -> None:
    try:
        hello = Hello.decode(body)
    except HandshakeError:
        return
    assert Hello.decode(hello.encode()) == hello


@given(hellos, hellos)
def test_both_sides_agree_on_the_same(one: Hello, other: Hello) -> None:
    assert agree_on_heartbeat(one, other) == agree_on_heartbeat(other, one)
    if common := set(one.versions) & set(other.versions):
        assert agree_on_version(one.versions, other.versions) == max(common)
        assert agree_on_version(other.versions, one.versions) == max(common)
    else:
        for ours, theirs in ((one, other), (other, one)):
            with pytest.raises(HandshakeError) as caught:
                Hello.decode(theirs.encode(), speaks=ours.versions)
            assert caught.value.code == Code.VERSION


# -- examples ----------------------------------------------------------------------------------------------------------


def test_the_least_that_can_be_said() -> None:
    assert Hello().encode() == SPEAKS_1
    assert Hello.decode(SPEAKS_1) == Hello(
        versions=(1,), max_message=1_048_576, window=131_072, heartbeat=0, requests=16, request_bytes=65_536
    )


def test_all_that_can_be_said() -> None:
    hello = Hello(
        versions=(1, 2),
        max_message=4096,
        window=262_144,
        heartbeat=20_000,
        requests=100,
        request_bytes=1 << 20,
        features=1,
        agent="mezha 1.0",
    )
    assert hello.encode().hex(" ", 4) == (
        bytes.fromhex(
            "0001 0002 0102"
            "0002 0008 0000000000001000"
            "0003 0008 0000000000040000"
            "0004 0004 00004e20"
            "0005 000c 00000064 0000000000100000"
            "0006 0008 0000000000000001"
            "0007 0009 6d657a686120312e30"
        ).hex(" ", 4)
    )


@pytest.mark.parametrize(
    ("number", "data", "text"),
    [
        (1, b"\0\1", "the peer's HELLO is malformed: a version must be 1 to 255, not 0"),
        (1, b"\2\1", "the peer's HELLO is malformed: versions must be one or more, ascending, not 2, 1"),
        (1, b"\1\1", "the peer's HELLO is malformed: versions must be one or more, ascending, not 1, 1"),
        (2, b"1234567", "the peer's HELLO is malformed: max_message must be 8 bytes, not 7"),
        (
            3,
            (131_071).to_bytes(8, "big"),
            "the peer's HELLO is malformed: window must be 131072 to 9223372036854775807, not 131071",
        ),
        (
            3,
            b"\x80" + bytes(7),
            "the peer's HELLO is malformed: window must be 131072 to 9223372036854775807, not 9223372036854775808",
        ),
        (
            4,
            (999).to_bytes(4, "big"),
            "the peer's HELLO is malformed: heartbeat must be 1000 to 4294967295, not 999",
        ),
        (
            5,
            (15).to_bytes(4, "big") + (1 << 20).to_bytes(8, "big"),
            "the peer's HELLO is malformed: requests must be 16 to 4294967295, not 15",
        ),
        (
            5,
            (16).to_bytes(4, "big") + (65_535).to_bytes(8, "big"),
            "the peer's HELLO is malformed: request_bytes must be 65536 to 18446744073709551615, not 65535",
        ),
        (7, b"a" * 65, "the peer's HELLO is malformed: agent must be 64 bytes of UTF-8 or less, not 65"),
        (
            7,
            b"\xff",
            "the peer's HELLO is malformed: agent must be UTF-8",
        ),
    ],
)
def test_a_value_that_cannot_be(number: int, data: bytes, text: str) -> None:
    before = b"" if number == Type.VERSIONS else SPEAKS_1
    assert refusal(before + value(number, data)) == text


def test_without_versions_it_is_none() -> None:
    for body in (b"", value(Type.MAX_MESSAGE, bytes(8))):
        assert refusal(body) == "the peer's HELLO names no VERSIONS (type 1)"


def test_what_is_said_twice() -> None:
    twice = "the peer's HELLO says VERSIONS (type 1) twice"
    assert refusal(SPEAKS_1 + SPEAKS_1) == twice
    assert refusal(SPEAKS_1 + value(CRITICAL | Type.VERSIONS, b"\1")) == twice
    unknown = value(0x0123, b"skipped")
    assert Hello.decode(unknown + SPEAKS_1 + unknown) == Hello()


def test_it_may_not_end_inside_a_value() -> None:
    assert refusal(SPEAKS_1 + b"\0\2\0") == "the peer's HELLO ends inside the head of a value, at byte 5 of 8"
    assert (
        refusal(SPEAKS_1 + b"\0\2\0\x081234")
        == "the peer's HELLO ends inside a value: type 0x0002 has 8 bytes, and 4 are left"
    )


def test_what_is_critical_must_be_known() -> None:
    body = value(0x8010, b"key") + SPEAKS_1 + value(0x0020, b"") + value(0xFFFF, b"")
    assert refusal(body, Code.UNSUPPORTED) == (
        "the peer insists on something that this side does not know: "
        "its HELLO has values of type 0x8010, 0xffff, marked critical"
    )


def test_what_is_critical_is_named_briefly() -> None:
    body = SPEAKS_1 + b"".join(value(number, b"") for number in range(0x8010, 0x8200))
    assert refusal(body, Code.UNSUPPORTED).endswith("type 0x8010, 0x8011, 0x8012 …, marked critical")


def test_no_version_in_common_names_both_whatever_else_is_said() -> None:
    for more in (b"", value(0x8010, b"key"), value(Type.WINDOW, b"something new")):
        with pytest.raises(HandshakeError) as caught:
            Hello.decode(value(Type.VERSIONS, b"\3\4") + more, speaks=(1, 2))
        assert (
            str(caught.value) == "no version of the mezha protocol in common: the peer speaks 3, 4, and this side 1, 2"
        )
        assert caught.value.code == Code.VERSION
    with pytest.raises(HandshakeError, match=r"the peer speaks none, and this side 1$"):
        Hello.decode(value(Type.VERSIONS, b""))


@pytest.mark.parametrize(("ours", "theirs", "both"), [(0, 0, 0), (0, 5000, 5000), (5000, 0, 5000), (9000, 5000, 5000)])
def test_the_shorter_heartbeat_is_the_connections(ours: int, theirs: int, both: int) -> None:
    assert agree_on_heartbeat(Hello(heartbeat=ours), Hello(heartbeat=theirs)) == both


def test_what_cannot_be_said_cannot_be_made() -> None:
    wrong: list[dict[str, Any]] = [
        {"versions": ()},
        {"versions": (256,)},
        {"window": 0},
        {"heartbeat": 1},
        {"agent": "ї" * 33},
    ]
    for values in wrong:
        with pytest.raises(ValueError, match="must be"):
            Hello(**values)
