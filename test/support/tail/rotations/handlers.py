"""Logs through a handler of the standard library, for the table of rotations.

    python3 handlers.py HANDLER PATH OPTIONS

Each line on stdin is a command as JSON: ["write", [line, ...]] or ["rotate"]. One byte on stdout answers it.
"""
import gzip
import json
import logging
import logging.handlers
import os
import shutil
import sys


class Rotating(logging.handlers.RotatingFileHandler):
    pass


class Compressing(logging.handlers.RotatingFileHandler):
    """Compresses by `namer` and `rotator`, as the cookbook of the documentation shows."""

    def __init__(self, path, **options):
        super().__init__(path, **options)
        self.namer = lambda name: name + '.gz'
        self.rotator = self.compress

    @staticmethod
    def compress(source, dest):
        with open(source, 'rb') as read, gzip.open(dest, 'wb') as written:
            shutil.copyfileobj(read, written)
        os.remove(source)


class Timed(logging.handlers.TimedRotatingFileHandler):
    """Moves its clock by an interval at each rotation, which would otherwise all get the name of one second.

    Rotates on request only, not whenever a second of the machine's clock is over.
    """

    rotations = 0

    def shouldRollover(self, record):
        return False

    def doRollover(self):
        type(self).rotations += 1
        self.rolloverAt += self.rotations * self.interval
        super().doRollover()


class NamedTimed(Timed):
    """Puts the date before the extension by `namer`, as is often done: app.log.2026-11-21 -> app.2026-11-21.log."""

    def __init__(self, path, **options):
        super().__init__(path, **options)
        stem, ending = os.path.splitext(path)
        self.namer = lambda name: stem + name[len(path):] + ending


class Watched(logging.handlers.WatchedFileHandler):
    """Is rotated by someone else; it opens the file again when its path leads elsewhere."""

    def doRollover(self):
        pass


name, path, options = sys.argv[1:4]
handler = globals()[name](path, **json.loads(options))
handler.setFormatter(logging.Formatter('%(message)s'))
log = logging.getLogger('table')
log.setLevel(logging.INFO)
log.addHandler(handler)
for text in sys.stdin:
    command = json.loads(text)
    if command[0] == 'write':
        for line in command[1]:
            log.info(line)
    else:
        handler.doRollover()
    os.write(1, b'.')
