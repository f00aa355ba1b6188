"""Works on files in every way that the faults below a program know: FOLDER WORK"""

import os
import socket
import sqlite3
import sys

folder, work = sys.argv[1:3]
os.chdir(folder)


def ledger(synchronous):
    """A table that grows by a row a transaction. A folder says that a row is promised: making one needs no sync."""
    os.mkdir("promised")
    base = sqlite3.connect("base", isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute(f"PRAGMA synchronous = {synchronous}")
    base.execute("PRAGMA wal_autocheckpoint = 8")
    base.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB)")
    for number in range(60):
        base.execute("INSERT INTO rows VALUES (?, ?)", (number, bytes([number]) * 700))
        os.mkdir(f"promised/{number}")
    # Not closed: its log stays.
    os._exit(0)


def everything():
    """Every call that changes a file or a name."""
    os.mkdir("a")
    with open("a/plain", "wb", buffering=0) as file:
        file.write(b"one two three")
        file.seek(4)
        file.write(b"TWO")
        os.fsync(file.fileno())
    one = os.open("a/pieces", os.O_RDWR | os.O_CREAT)
    os.writev(one, [b"first ", b"second ", b"third"])
    os.pwrite(one, b"SECOND", 6)
    os.pwritev(one, [b"at ", b"forty"], 40)
    os.ftruncate(one, 60)
    os.posix_fallocate(one, 0, 100)
    os.fdatasync(one)
    with open("a/appended", "ab", buffering=0) as file:
        file.write(b"begin ")
        again = os.dup(file.fileno())
        os.write(again, b"and go on")
    os.truncate("a/appended", 8)
    with open("a/appended", "wb", buffering=0) as file:
        file.write(b"new")
    source = os.open("a/pieces", os.O_RDONLY)
    copy = os.open("a/copied", os.O_WRONLY | os.O_CREAT)
    os.copy_file_range(source, copy, 30)
    os.sendfile(copy, source, 10, 20)
    nameless = os.open("a", os.O_TMPFILE | os.O_RDWR)
    os.write(nameless, b"it has no name yet")
    inner = os.open("a", os.O_RDONLY | os.O_DIRECTORY)
    os.link(f"/proc/self/fd/{nameless}", "named", src_dir_fd=inner, dst_dir_fd=inner, follow_symlinks=True)
    os.rename("a/plain", "a/renamed")
    os.link("a/renamed", "a/linked")
    os.unlink("a/renamed")
    os.mkdir("b", dir_fd=inner)
    by_folder = os.open("b/deep", os.O_WRONLY | os.O_CREAT, dir_fd=inner)
    os.write(by_folder, b"deep")
    os.rename("b/deep", "deep", src_dir_fd=inner, dst_dir_fd=inner)
    os.rmdir("b", dir_fd=inner)
    os.fsync(inner)
    gone = os.open("gone", os.O_WRONLY | os.O_CREAT)
    os.write(gone, b"not for long")
    os.unlink("gone", dir_fd=os.open(".", os.O_RDONLY))
    os.close(gone)
    # Its number on the disk may be that of the file that is gone.
    with open("after", "wb", buffering=0) as file:
        file.write(b"after")
    with open(os.path.join(os.path.dirname(folder), "outside"), "wb", buffering=0) as file:
        file.write(b"outside")
    base = sqlite3.connect("base")
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("CREATE TABLE t (x)")
    base.execute("INSERT INTO t VALUES (1)")
    base.commit()
    # A connection that speaks, and one that does not.
    here, there = socket.socketpair()
    here.send(b"DELE a.txt\r\n")
    there.send(b"250 Done\r\n")
    here.recv(100)
    quiet, other = socket.socketpair()
    quiet.send(b"\x00\x01 content")
    os._exit(0)


def fill():
    """Writes until the disk is full, then says how much there was room for, and goes on when there is more."""
    file = os.open("large", os.O_WRONLY | os.O_CREAT)
    written = 0
    try:
        while True:
            written += os.write(file, bytes(1000))
    except OSError as error:
        print(written, error.strerror)
    try:
        os.posix_fallocate(file, 0, 10000)
    except OSError as error:
        print(error.strerror)
    open(os.path.join(os.path.dirname(folder), "freed"), "w").close()
    print(os.write(file, bytes(1000)))


def look():
    """Reads the ledgers in the folders of a folder, and prints how many rows each has, or what is wrong with it."""
    for name in sorted(os.listdir("."), key=int):
        try:
            base = sqlite3.connect(f"{name}/base")
            base.execute("PRAGMA synchronous = OFF")
            if base.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise ValueError("it is not whole")
            there = base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'").fetchone()[0]
            rows = base.execute("SELECT number, body FROM rows ORDER BY number").fetchall() if there else []
            if rows != [(number, bytes([number]) * 700) for number in range(len(rows))]:
                raise ValueError("rows are missing or have other bytes")
            print(len(rows))
        except (sqlite3.Error, ValueError) as error:
            print(error)


WORK = {"everything": everything, "fill": fill, "look": look}
WORK |= {"full": lambda: ledger("FULL"), "off": lambda: ledger("OFF")}
WORK[work]()
