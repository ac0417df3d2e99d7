"""Damage to files: bytes as a power cut or a bad disk leaves them, values as people type them."""

import re

NUMBERS = (
    "0", "-1", "1", "2", "-0.0", "1e300", "-1e300", "1e-300", "nan", "inf", "-inf", "NaN",
    "Infinity", "1e999", "0.5", "2147483648", "9223372036854775807", "9223372036854775808",
    "1" + "0" * 400, "9" * 5000, "0x" + "f" * 5000, "²", "٣", "1_000", "07", "1,5", "",
)  # fmt: skip
VALUES = (
    '""', '"x"', "[]", "{}", "true", "null", "[[1]]", "[1, 2]", '"\\u0000"', '"../../etc/passwd"',
    "{ uniform = [1, 0] }", "{ choice = [] }", '{"a": 1}', "1979-05-27", '"$noises"', "'", '"',
    "'\\ud800'", '"\\ud800"',
)  # fmt: skip
SNIPPETS = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\x1b[31m", b"\r", b"\n", b",", b";", b"\t", b'"', b"'",
    b"[" * 200, b"[" * 20_000, b'{"a":' * 5000, b"{}", b"<!DOCTYPE a>", b'encoding="klingon"',
    b"=HYPERLINK(1)", "é".encode("latin-1"), "ä".encode("utf-16"), b"#", b"..", b"\xe2\x80\xae",
)  # fmt: skip
WORDS = ((0, 1, 2, 3, 16, 0xFF), (0, 1, 0x7FFF, 0x8000, 0xFFFF), (0, 1, 36, 0x7FFFFFFF, 0xFFFFFFFF))
NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
VALUE = re.compile(rb'"[^"\n]*"|\[[^\]\n]*\]|-?\d[\d.eE+-]*|true|false')
WORD = re.compile(rb"[A-Za-z_]\w+")


def place(content, rng):
    """Random position; half of them in the first 200 bytes, where headers are."""
    most = len(content) + 1
    return int(rng.integers(min(most, 200) if rng.random() < 0.5 else most))


def run_of(content, rng):
    """Random stretch of a file: its start and its end."""
    start = place(content, rng)
    return start, start + int(rng.integers(1, 2 ** int(rng.integers(1, 12))))


def flip(content, rng):
    found = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if found:
            found[min(place(content, rng), len(found) - 1)] ^= 1 << int(rng.integers(8))
    return bytes(found)


def truncate(content, rng):
    return content[: place(content, rng)]


def delete(content, rng):
    start, stop = run_of(content, rng)
    return content[:start] + content[stop:]


def duplicate(content, rng):
    start, stop = run_of(content, rng)
    return content[:stop] + content[start:]


def zeros(content, rng):
    start, stop = run_of(content, rng)
    stop = min(stop, len(content))
    return content[:start] + bytes(max(stop - start, 0)) + content[stop:]


def insert(content, rng):
    start = place(content, rng)
    return content[:start] + pick(SNIPPETS, rng) + content[start:]


def header_field(content, rng):
    """An integer of 8, 16 or 32 bits replaced by a value at the edge of its range."""
    n_log = int(rng.integers(3))
    start, size = place(content, rng), 2**n_log
    value = pick(WORDS[n_log], rng).to_bytes(size, pick(("little", "big"), rng))
    return content[:start] + value + content[start + size :]


def number(content, rng):
    return replaced(NUMBER, content, pick(NUMBERS, rng).encode(), rng)


def value(content, rng):
    return replaced(VALUE, content, pick(VALUES + NUMBERS, rng).encode(), rng)


def word(content, rng):
    """A word replaced by another of the same file, or by a key that no file has."""
    words = [found[0] for found in WORD.finditer(content)] or [b"x"]
    return replaced(WORD, content, pick([*words, b"colour"], rng), rng)


def lines(content, rng):
    """Lines swapped, doubled or left out."""
    found = content.splitlines(keepends=True)
    if found:
        k, j = (int(rng.integers(len(found))) for _ in range(2))
        found[k : k + 1] = pick(([], [found[k]] * 2, [found[j]]), rng)
    return b"".join(found)


def encoding(content, rng):
    """The text in the encodings of spreadsheets."""
    text = content.decode("utf-8", "replace")
    return text.encode(pick(("utf-16", "utf-8-sig", "utf-16-le", "cp037"), rng), "replace")


BYTES = (flip, truncate, delete, duplicate, zeros, insert, header_field)
TEXT = (*BYTES, *[number] * 6, *[value] * 6, word, word, lines, encoding)


def pick(among, rng):
    return among[int(rng.integers(len(among)))]


def replaced(pattern, content, by, rng):
    """One of the matches of a pattern replaced."""
    found = list(pattern.finditer(content))
    if not found:
        return content
    start, stop = pick(found, rng).span()
    return content[:start] + by + content[stop:]


def damaged(content, rng, text):
    """Content with one fault, or a few."""
    for _ in range(int(rng.geometric(0.6))):
        content = pick(TEXT if text else BYTES, rng)(content, rng)
    return content
