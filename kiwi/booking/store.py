"""Keep the bookings of one partition in immutable documents on a file system that all machines share.

    STATE/                                 kiwi:kiwi 0700, e.g. /var/lib/kiwi/state/lab
      generations/000000000007.json        0600, one document; never changed
      CURRENT -> generations/…7.json       a hint where to begin looking; replaced by rename
      tmp/WRITER.RANDOM                    a document or report before it is linked or renamed
      nodes/NODE.json  beats/NODE          kiwi.booking.heartbeats
      leaving.json                         kiwi.booking.leaving
      journal/MONTH/WRITER.jsonl           kiwi.booking.journal

What is in a document is in kiwi.booking.codec. A reader knows this version and the one before; in a newer one it
refuses to read or write. The first document of a new version is written when all agents know it
(kiwi.booking.heartbeats).

The newest generation counts. A writer makes the next one in tmp/ and `link()`s
it into generations/: the link succeeds for one writer only, so it is the
compare-and-swap. If the answer is an error, the temporary file's link count
shows what happened (open(2), O_EXCL, has this rule for NFS): a server whose
reply was lost has linked it all the same.

Old generations are removed, and with them their numbers become free. That a
stale writer wins no free number is held by four things, each of which is enough
in most cases, and the last in all of them:

- A writer that took longer than a minute from reading to linking gives up.
- A document stays until LEAST seconds after the next one replaced it, so the number
  after one that was the newest a minute ago is taken. That holds however many there are.
- A draft older than LEAST is removed first: a writer that stood still between its
  last look at the clock and its link has nothing to link.
- The oldest go first, so what is left has no hole: where number n + 1 has become free, n is gone.
  A writer that linked n + 1 and finds n gone and newer documents there takes
  its own back before it or anybody else has believed it: readers begin at CURRENT, which it
  has not moved, or at the highest number.

Beyond LEAST they are kept for KEEP seconds while there are no more than MOST, and
in any case until the journal has their changes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import time
from pathlib import Path
from typing import Callable

from kiwi.booking import codec
from kiwi.booking.document import Document
from kiwi.common import files
from kiwi.common.errors import BusyError, KiwiError, UnreachableError

TOO_OLD = 60.0  # seconds from reading to linking
LEAST = 300.0  # seconds that a replaced document and a draft are kept in any case: several times TOO_OLD
KEEP, MOST = 86400.0, 100  # so long (s) replaced documents are kept for people to look at, and that many of them
BATCH = 200  # documents that one `prune` removes at most: it is done within the deadline of a call
LATE = "writing the booking state took over a minute: given up"
TRIES = 200
NAME = re.compile(r"[0-9]{12}\.json", re.ASCII)
FOLDERS = ("generations", "tmp", "nodes", "beats", "journal")


class Store:
    """Read and write the documents below `root`; `writer` is the name of this machine.

    `monotonic` is a clock in seconds. `step` is called with the name of each
    step of a write ("written", "linked", "hinted"): tests stop or kill a writer
    there. All methods raise OSError if the share fails.
    """

    def __init__(
        self,
        root: Path,
        writer: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.root = root
        self.writer = writer
        self._monotonic = monotonic
        self._step = step
        self._known = Document(-1, {})

    def create(self) -> None:
        """Make the folders and generation 0 if they are missing. `root` itself must be there."""
        for name in FOLDERS:
            with contextlib.suppress(FileExistsError):
                (self.root / name).mkdir(mode=0o700)
        if self._newest_listed() < 0:
            with self.temporary(codec.dump(Document(0, {}), self.writer)) as path, contextlib.suppress(FileExistsError):
                os.link(path, self._path(0))

    def latest(self) -> Document:
        """Return the newest document.

        Raise UnreachableError if there is none (the share is not mounted, or
        not yet created), KiwiError if it is damaged and NewerError if a newer release wrote it.
        """
        number = max(self._hint(), self._known.generation)
        if number < 0 or not self._path(number).exists():
            number = self._newest_listed()
        while self._path(number + 1).exists():
            number += 1
        if number < 0:
            raise UnreachableError(f"{self.root} holds no booking state", hint="is the share mounted?")
        if number != self._known.generation:
            self._known = _load(self._path(number), number)
        return self._known

    def update(self, change: Callable[[Document], Document]) -> Document:
        """Replace the newest document by `change` of it and return what was written.

        Call `change` again for each newer document that another writer got in
        first; what it raises ends the update. Raise BusyError after TRIES such
        losses and UnreachableError if it takes over TOO_OLD seconds.
        """
        for attempt in range(TRIES):
            began = self._monotonic()
            wanted = change(self.latest())
            if self._commit(wanted, began):
                self._known = wanted
                return wanted
            time.sleep(random.uniform(0, 0.002 * min(attempt + 1, 20)))
        raise BusyError("too many others are writing the booking state", hint="try again")

    def _commit(self, wanted: Document, began: float) -> bool:
        """Link `wanted` into place and return True; False if another writer was first."""
        with self.temporary(codec.dump(wanted, self.writer)) as path:
            self._step("written")
            if self._monotonic() - began > TOO_OLD:
                raise UnreachableError(LATE, hint="try again")
            try:
                os.link(path, self._path(wanted.generation))
            except OSError:
                if os.stat(path).st_nlink < 2:
                    if self._path(wanted.generation).exists():
                        return False
                    raise
            files.sync_folder(self.root / "generations")
            self._step("linked")
            self._take_back_if_stale(wanted.generation)
            self._point(wanted.generation)
        self._step("hinted")
        return True

    def _take_back_if_stale(self, number: int) -> None:
        """Remove what was just linked, and raise UnreachableError, if its number was one that `prune` had freed."""
        if not self._path(number - 1).exists() and number < self._newest_listed():
            self._path(number).unlink(missing_ok=True)
            raise UnreachableError(LATE, hint="try again")

    def temporary(self, content: bytes) -> contextlib.AbstractContextManager[Path]:
        """Write `content` to a new file in tmp/, synced; that name is gone at the end of the block.

        The name is never used twice: a writer killed after its link leaves a
        second name of a document here, which must not be written through.
        """
        return files.draft(self._fresh(), content, 0o600)

    def _fresh(self) -> Path:
        return self.root / "tmp" / f"{self.writer}.{os.urandom(8).hex()}"

    def load(self, number: int) -> Document:
        """Return one generation. Raise FileNotFoundError if it was removed, else as `latest`."""
        return _load(self._path(number), number)

    def prune(self, now: float, noted: int) -> int:
        """Remove left drafts, then old generations, the oldest first; return how many.

        Never the newest, none after `noted`, which is the last one whose changes the
        journal has, no name that is not ours, and BATCH generations at most. `now` is
        the file server's time in UTC seconds. The module's text says why this order and these ages.
        """
        count = 0
        for path in (self.root / "tmp").iterdir():
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # gone, or a stray one
                if now - path.lstat().st_ctime > LEAST:
                    path.unlink()
                    count += 1
        numbers = self.numbers()
        for left, (number, following) in zip(range(len(numbers), len(numbers) - BATCH, -1), zip(numbers, numbers[1:])):
            if number > noted or now - self.since(following) <= (LEAST if left > MOST else KEEP):
                break
            self._path(number).unlink(missing_ok=True)
            count += 1
        return count

    def since(self, number: int) -> float:
        """Return when a document got its name, in UTC seconds of the file server: linking sets st_ctime (link(2))."""
        try:
            return self._path(number).stat().st_ctime
        except FileNotFoundError:  # another one prunes, too
            return 0.0

    def newest(self) -> Path:
        """Return the path of the newest document, as the folder lists it."""
        return self._path(self._newest_listed())

    def _path(self, number: int) -> Path:
        return self.root / "generations" / f"{number:012d}.json"

    def _hint(self) -> int:
        try:
            name = Path(os.readlink(self.root / "CURRENT")).name
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.EINVAL):  # nothing there, or no link
                return -1
            raise
        return int(name[:12]) if NAME.fullmatch(name) else -1

    def _point(self, number: int) -> None:
        """Let CURRENT name this generation. Only a hint: a failure changes nothing that counts."""
        path = self._fresh()
        with contextlib.suppress(OSError):
            path.symlink_to(Path("generations") / self._path(number).name)
            path.rename(self.root / "CURRENT")

    def _newest_listed(self) -> int:
        return max(self.numbers(), default=-1)

    def numbers(self) -> list[int]:
        """Return the numbers of all documents, sorted; other names in the folder count for nothing."""
        try:
            return sorted(int(n[:12]) for n in os.listdir(self.root / "generations") if NAME.fullmatch(n))
        except FileNotFoundError:
            return []


def _load(path: Path, number: int) -> Document:
    """Return one document. Raise KiwiError unless it is whole, of a version that we know and of this number."""
    try:
        return codec.load(path.read_bytes(), number)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise KiwiError(f"{path} is damaged: {exc}", hint="an administrator must look; nothing was changed") from exc
