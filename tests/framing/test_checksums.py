"""The checksums that have a name: the value that everybody gives for the same nine digits."""

import pytest

from mezha.framing.checksums import CHECKSUMS

#: Of b"123456789", as the catalogue of parametrised CRC algorithms lists it, and RFC 1950's sum.
CHECK = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc16-arc": "bb3d",
    "crc16-modbus": "4b37",
    "crc16-x25": "906e",
    "crc16-kermit": "2189",
    "crc16-xmodem": "31c3",
    "crc16-ccitt": "29b1",
    "adler32": "091e01de",
    "sum8": "dd",
    "xor8": "31",
}


@pytest.mark.parametrize("name", CHECK)
def test_the_value_that_everybody_gives(name: str) -> None:
    checksum = CHECKSUMS[name]
    assert checksum(b"123456789").hex() == CHECK[name]
    assert checksum.name == name
    assert checksum.width == len(checksum(b"")) == len(CHECK[name]) // 2


@pytest.mark.parametrize("name", [name for name, value in CHECK.items() if len(value) > 2])
def test_the_lowest_byte_first(name: str) -> None:
    checksum = CHECKSUMS[f"{name}-le"]
    assert checksum(b"123456789") == bytes.fromhex(CHECK[name])[::-1]
    assert (checksum.name, checksum.width) == (f"{name}-le", CHECKSUMS[name].width)


def test_there_are_no_others() -> None:
    assert {name.removesuffix("-le") for name in CHECKSUMS} == set(CHECK)
    assert "sum8-le" not in CHECKSUMS


def test_nothing_and_all_values() -> None:
    assert CHECKSUMS["crc16-modbus"](b"") == b"\xff\xff"
    assert CHECKSUMS["sum8"](bytes(range(256)) * 3) == bytes([sum(range(256)) * 3 % 256])
    assert CHECKSUMS["xor8"](b"\xff\x0f\xff") == b"\x0f"
    assert len({CHECKSUMS["crc32c"](bytes([value])) for value in range(256)}) == 256
