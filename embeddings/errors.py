"""Every error loanword raises on purpose.

LoanwordError
├── FileError (also ValueError)      about one file; its message starts with the file's path
│   ├── Unreadable                   not a regular file, no permission, too large, changed while being read
│   ├── NotAnEmbedding               understood, and something else: a LoRA, a web page, a Git LFS pointer, …
│   ├── UnrecognisedFormat           a sound container whose content no known program writes
│   ├── Damaged                      truncated, failing its checksum, contradicting itself
│   ├── UnsafePickle                 a pickle that asks for code to be run
│   ├── MalformedEmbedding           its format was recognised, but its content breaks that format's rules
│   └── SeveralEmbeddings            holds more than the one embedding that was asked for
├── CannotWrite (also ValueError)    a format or a program cannot hold this embedding, or the place is taken
├── CannotLoad (also ValueError)     a pipeline cannot take this embedding: another base model, a taken name, …
└── UnknownName (also ValueError)    no such format, program, dtype or text encoder
"""

from __future__ import annotations

from typing import ClassVar

LONGEST_MESSAGE = 400


class LoanwordError(Exception):
    """The base of all of loanword's errors; `code` is stable, the message is for people."""

    code: ClassVar[str] = "loanword"


class FileError(LoanwordError, ValueError):
    """A file cannot be used: one line, `<path>: <what was found>, <what was needed>; <what to do>`."""

    code: ClassVar[str] = "file"

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message, path)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        where = f"{one_line(self.path)}: " if self.path else ""
        return where + shortened(one_line(self.message))


class Unreadable(FileError):
    """The path is not a regular file, may not be read, or changed while it was read."""

    code: ClassVar[str] = "unreadable"


class NotAnEmbedding(FileError):
    """The file was understood, and it is something else."""

    code: ClassVar[str] = "not-an-embedding"


class UnrecognisedFormat(FileError):
    """The container is sound, but no known program writes this content."""

    code: ClassVar[str] = "unrecognised"


class Damaged(FileError):
    """The file is truncated, fails its checksum or contradicts itself."""

    code: ClassVar[str] = "damaged"


class UnsafePickle(FileError):
    """The file's pickle asks for code to be run; nothing of it was."""

    code: ClassVar[str] = "unsafe-pickle"


class MalformedEmbedding(FileError):
    """The format was recognised, but the content breaks that format's rules."""

    code: ClassVar[str] = "malformed"


class SeveralEmbeddings(FileError):
    """The file holds several embeddings where one was asked for."""

    code: ClassVar[str] = "several"


class CannotWrite(LoanwordError, ValueError):
    """A format or program cannot hold the embedding, or the place for the file is taken."""

    code: ClassVar[str] = "cannot-write"


class CannotLoad(LoanwordError, ValueError):
    """A pipeline cannot take the embedding; the pipeline is as it was."""

    code: ClassVar[str] = "cannot-load"


class UnknownName(LoanwordError, ValueError):
    """No format, program, dtype or text encoder has this name."""

    code: ClassVar[str] = "unknown-name"


def one_line(text: str) -> str:
    """`text` with everything escaped that could break out of a line of a terminal or a log."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def shortened(text: str, limit: int = LONGEST_MESSAGE) -> str:
    """`text`, cut in its middle where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]}…{text[-(limit // 3) :]}"
