"""The daemon as a process: what the command line and systemd start, and signals stop."""

import faulthandler
import gc
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from streamrnn.config.schema import Config, load
from streamrnn.config.validate import naming
from streamrnn.errors import EXIT_ERROR, EXIT_OK, StreamrnnError
from streamrnn.service.operations import logs
from streamrnn.service.storage.store import directory, lock_of

if TYPE_CHECKING:
    from streamrnn.service.recovery.backfill import History

_log = structlog.get_logger("streamrnn")


def run(path: Path, history: "Callable[[Config], History] | None" = None, accept_loss: bool = False) -> int:
    """Run the daemon of a configuration file until SIGTERM or SIGINT; SIGHUP reads the file again.

    `history` opens what is to be learned first; `accept_loss`: a changed model may lose what was learned. Returns the
    exit code: 0, or 1, 65 or 78 by whose fault the end was.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    faulthandler.enable()  # SIGABRT, which a watchdog sends, shows where it hung
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logs.configure("info")
    try:
        config = load(path)
        logs.configure(config.log.level)
        lock = lock_of(directory(config))  # before the engine is imported and compiled: another daemon is told at once
        from streamrnn.service.daemon import Daemon
        from streamrnn.service.startup import start

        with naming(path):
            daemon = Daemon(start(config, path, lock, history(config) if history else None, accept_loss))
        signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
        signal.signal(signal.SIGINT, lambda *_: daemon.stop())
        signal.signal(signal.SIGHUP, lambda *_: daemon.ask_reload())
        gc.collect()
        gc.freeze()  # what is there now stays: looking through all of Numba held a turn for 55 ms, time and again
        daemon.announce()
        daemon.run()
        for told_again in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(told_again, signal.SIG_IGN)  # the interpreter gives the others back while it ends: -15, not 0
    except StreamrnnError as error:
        _log.critical("cannot go on", error=error.args[0], hint=error.hint)
        return error.exit_code
    except Exception:
        _log.critical("a fault of ours; what was received is in the journal and is replayed", exc_info=True)
        return EXIT_ERROR
    return EXIT_OK
