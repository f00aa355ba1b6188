"""Moves files with Python's ftplib, as its documentation shows it.

    peer.py PORT USER AUTHORITY get FOLDER NAME TARGET
    peer.py PORT USER AUTHORITY put NAME FOLDER
    peer.py PORT USER AUTHORITY get-all FOLDER TARGET

AUTHORITY is a file with the certificate to trust; without one (an empty argument), no TLS is spoken. The password is
in the environment variable FTP_PASSWORD.
"""

import ftplib
import os
import ssl
import sys


class ResumingFTP(ftplib.FTP_TLS):
    """FTPS whose data connections resume the session of the control connection, which ftplib has no option for."""

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        connection = self.context.wrap_socket(
            connection, server_hostname=self.host, session=self.sock.session
        )
        return connection, size


def sign_in(port, user, authority):
    if authority:
        context = ssl.create_default_context(cafile=authority)
        ftp = ResumingFTP(context=context)
    else:
        ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", int(port))
    ftp.login(user, os.environ["FTP_PASSWORD"])
    if authority:
        ftp.prot_p()
    return ftp


def fetch(ftp, name, target):
    with open(os.path.join(target, name), "wb") as file:
        ftp.retrbinary("RETR " + name, file.write)


def main(port, user, authority, job, *rest):
    with sign_in(port, user, authority) as ftp:
        if job == "get":
            folder, name, target = rest
            ftp.cwd(folder)
            fetch(ftp, name, target)
        elif job == "put":
            name, folder = rest
            ftp.cwd(folder)
            with open(name, "rb") as file:
                ftp.storbinary("STOR " + name, file)
        elif job == "get-all":
            folder, target = rest
            ftp.cwd(folder)
            for name in ftp.nlst():
                fetch(ftp, name, target)
        else:
            sys.exit("unknown job: " + job)


main(*sys.argv[1:])
