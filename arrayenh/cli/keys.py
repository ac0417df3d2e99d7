"""Single keys from the terminal, without waiting for the end of a line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def single_keys() -> Iterator[None]:
        """Context in which keys come one by one; nothing to do on Windows."""
        yield

    def pressed() -> str | None:
        """The next key that has been pressed, or None."""
        return msvcrt.getwch() if msvcrt.kbhit() else None

else:
    import select
    import termios
    import tty

    @contextmanager
    def single_keys() -> Iterator[None]:
        """Context in which the terminal gives keys one by one and does not show them."""
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        try:
            tty.setcbreak(number)
            yield
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)

    def pressed() -> str | None:
        """The next key that has been pressed, or None."""
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return sys.stdin.read(1) if ready else None
