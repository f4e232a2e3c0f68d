"""Errors, by whose fault they are. Each says what to do; anything else that is raised is our bug."""

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_DATA = 65  # sysexits EX_DATAERR: the state or the input file is damaged
EXIT_CONFIG = 78  # sysexits EX_CONFIG: the configuration is wrong


class StreamrnnError(Exception):
    """Base of what we raise on purpose: a message, and a hint that says what to do about it."""

    exit_code = EXIT_ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class ConfigError(StreamrnnError):
    """The operator's: refuse to start, exit 78."""

    exit_code = EXIT_CONFIG


class WireError(StreamrnnError):
    """The sender's: refuse that message, count it by `reason`, go on."""

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


class StorageError(StreamrnnError):
    """The disk's: the journal or a checkpoint could not be written or read."""


class FullError(StorageError):
    """The disk is full: what was being written may be written when there is room again."""


class SnapshotError(StreamrnnError):
    """The stored state cannot be used: exit 65 and leave the files untouched."""

    exit_code = EXIT_DATA
