//! The greeting, and signing in: USER, PASS, ACCT.

use crate::control::Reply;
use crate::error::{Error, Kind, Op, Retry};
use crate::session::Session;
use crate::settings::{Auth, Connection, Secret, Tls};

/// What anonymous sign-in gives as its password: an address of nobody.
const NOBODY: &str = "anonymous@";

impl Session {
    /// Waits for the greeting.
    pub(crate) fn greet(&mut self, settings: &Connection) -> Result<(), Error> {
        let server = self.server.clone();
        let mut greeting = self
            .reply(Op::Connect, &server)
            .map_err(|error| silent(error, settings).ending_call())?;
        if greeting.code == 120 {
            // "Ready in some minutes": the greeting proper follows.
            greeting = self.reply(Op::Connect, &server).map_err(Error::ending_call)?;
        }
        match greeting.code {
            220 => Ok(()),
            _ => Err(refused(Op::Connect, &server, &greeting, settings)),
        }
    }

    /// Signs in: USER, and what the server asks for after it. Each is said once.
    pub fn sign_in(&mut self, settings: &Connection) -> Result<(), Error> {
        let (user, mut password) = match &settings.auth {
            Auth::Anonymous => ("anonymous", Some(NOBODY)),
            Auth::Account {
                username,
                password,
                account,
            } => {
                self.control.trace.hide(password.expose());
                if let Some(account) = account {
                    self.control.trace.hide(account.expose());
                }
                self.account.clone_from(account);
                (username.as_str(), Some(password.expose()))
            }
        };
        let mut reply = self.say(&format!("USER {user}"))?;
        loop {
            reply = match reply.code {
                // 202: the server does not care for what was said.
                202 | 230 | 232 => return Ok(()),
                331 if let Some(password) = password.take() => self.say(&format!("PASS {password}"))?,
                332 if let Some(account) = self.account.take() => {
                    self.say(&format!("ACCT {}", account.expose()))?
                }
                332 => return Err(no_account(&self.server, &reply, settings)),
                _ => return Err(refused(Op::SignIn, &self.server, &reply, settings)),
            };
        }
    }

    /// ACCT in the middle of a session, when the server asks for it before it stores a file.
    pub(crate) fn send_account(&mut self, account: &Secret) -> Result<(), Error> {
        let server = self.server.clone();
        let line = format!("ACCT {}", account.expose());
        self.expect(Op::SignIn, &server, &line, &[200, 202, 230])
            .map(|_| ())
    }

    fn say(&mut self, line: &str) -> Result<Reply, Error> {
        let server = self.server.clone();
        self.command(Op::SignIn, &server, line)
            .map_err(|error| error.losing_session().ending_call())
    }
}

/// A server that does not say a word waits for us: for TLS, usually.
fn silent(error: Error, settings: &Connection) -> Error {
    if error.kind != Kind::Timeout || settings.tls == Tls::Implicit {
        return error;
    }
    Error {
        message: format!(
            "{} A server that waits for TLS from the first byte wants `tls: implicit`.",
            error.message
        ),
        ..error
    }
}

/// A server that lets nobody in, or not us. Some say "too many users" with the code for a wrong password; the
/// setting `busy_pattern` tells the two apart.
fn refused(op: Op, server: &str, reply: &Reply, settings: &Connection) -> Error {
    let error = Error::reply(op, server, reply.code, &reply.text)
        .losing_session()
        .ending_call();
    if settings.tls == Tls::None && wants_encryption(&reply.text) {
        return Error {
            kind: Kind::Tls,
            retry: Retry::Never,
            field: Some("/connection/tls".to_owned()),
            message: format!("{} It wants encryption: set `tls: explicit`.", error.message),
            ..error
        };
    }
    let says_busy = || settings.busy().is_ok_and(|busy| busy.is_match(&reply.text));
    match error.kind {
        Kind::Authentication if reply.code == 530 && says_busy() => {
            let busy = Error::reply(op, server, 421, &reply.text);
            Error {
                kind: busy.kind,
                retry: busy.retry,
                message: format!(
                    "`{server}` has no room for us now: {}, \"{}\". It may have a limit on connections: run less at \
                     the same time. The text fits the setting `busy_pattern`; change that if it means something \
                     else.",
                    reply.code,
                    crate::error::printable(&reply.text)
                ),
                ..error
            }
        }
        Kind::Authentication => Error {
            field: Some("/connection/auth".to_owned()),
            ..error
        },
        _ => error,
    }
}

/// Whether a refusal is about plain FTP. There is no code for it: servers say it with 421, 522, 530, 534 and 550.
fn wants_encryption(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["tls", "ssl", "encrypt", "cleartext"]
        .iter()
        .any(|word| text.contains(word))
}

/// The server asks for an account, and none is set, or it was not enough.
fn no_account(server: &str, reply: &Reply, settings: &Connection) -> Error {
    let set = matches!(&settings.auth, Auth::Account { account: Some(_), .. });
    let advice = if set {
        "It was given the one in the setting `auth.account`, and asks again."
    } else {
        "Set `auth.account`."
    };
    let error = Error::reply(Op::SignIn, server, reply.code, &reply.text);
    Error {
        message: format!("`{server}` asks for an account beside user name and password (332). {advice}"),
        field: Some("/connection/auth/account".to_owned()),
        ..error
    }
    .losing_session()
    .ending_call()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply {
            code,
            text: text.to_owned(),
            exact: text.to_owned(),
        }
    }

    fn settings(more: &str) -> Connection {
        let json = format!(r#"{{"host":"h","auth":{{"username":"u","password":"p"{more}}}}}"#);
        Connection::parse(&json).unwrap()
    }

    #[test]
    fn a_busy_server_is_told_from_a_wrong_password() {
        for (code, text, kind, retry) in [
            (530, "Login incorrect.", Kind::Authentication, Retry::Never),
            (530, "Too many users, come again", Kind::Busy, Retry::Backoff),
            (
                530,
                "Sorry, the maximum number of clients (3) are already connected.",
                Kind::Busy,
                Retry::Backoff,
            ),
            (421, "Good bye", Kind::Busy, Retry::Backoff),
            (430, "too many of you", Kind::Authentication, Retry::Never),
        ] {
            for op in [Op::Connect, Op::SignIn] {
                let error = refused(op, "h:21", &reply(code, text), &settings(""));
                assert_eq!((error.kind, error.retry), (kind, retry), "{code} {text}");
                assert_eq!(error.code, Some(code));
                assert!(error.session_lost && error.ends_call);
                if kind == Kind::Busy {
                    assert!(error.message.contains("limit on connections"), "{error}");
                } else {
                    assert_eq!(error.field.as_deref(), Some("/connection/auth"));
                }
            }
        }
    }

    #[test]
    fn a_silent_server_may_wait_for_tls() {
        let quiet = Error::new(Kind::Timeout, "no answer.");
        assert!(
            silent(quiet.clone(), &settings(""))
                .message
                .ends_with("`tls: implicit`.")
        );
        let json = r#"{"host":"h","tls":"implicit"}"#;
        let implicit = Connection::parse(json).unwrap();
        assert_eq!(silent(quiet, &implicit).message, "no answer.");
    }

    #[test]
    fn an_account_that_is_missing_is_named() {
        let missing = no_account("h:21", &reply(332, "Need account"), &settings(""));
        assert_eq!(missing.kind, Kind::Authentication);
        assert_eq!(missing.field.as_deref(), Some("/connection/auth/account"));
        assert!(missing.message.contains("Set `auth.account`"), "{missing}");
        let given = settings(r#","account":"a""#);
        let error = no_account("h:21", &reply(332, ""), &given);
        assert!(error.message.contains("asks again"), "{error}");
    }
}
