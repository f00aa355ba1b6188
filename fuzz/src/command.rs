//! What a flow's author states, with what payloads bring filled in: commands, paths, options, settings.

use ftp_connector::fuzzing::{self, Refusal};
use serde_json::Value;

use crate::{assert_message, assert_segment};

/// The password in seeds and dictionary. Nothing that an error may say of itself has this word in it.
const SECRET: &str = "hunter2";

/// Reads the input as each of them.
///
/// # Panics
/// Unless every path that is accepted stays below the root and makes one command, and every refusal can be shown.
pub fn command(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let sent = fuzzing::sent(text);
    if text.contains(['\r', '\n', '\0']) {
        assert!(sent.is_empty(), "{text:?} reached the wire");
    } else {
        assert_eq!(sent, format!("{text}\r\n").as_bytes(), "{text:?} was changed");
    }

    refused_or(fuzzing::path(text), |path| {
        assert_jailed(&path);
        assert_eq!(
            fuzzing::path(&path),
            Ok(path),
            "it reads differently the second time"
        );
    });
    refused_or(fuzzing::command(text), |path| {
        if let Some(path) = path {
            assert_jailed(&path);
        }
    });
    let stated = fuzzing::stated(text);
    let options = fuzzing::options(text, "a/b.csv");
    // `\u007b` is a brace, too.
    if !text.contains("{{") && !text.contains("\\u") {
        assert_eq!(
            stated,
            options.clone().map(|_| ()),
            "a check before the run says something else than the run"
        );
    }
    refused_or(stated, |()| {});
    refused_or(options, |paths| paths.iter().for_each(|path| assert_jailed(path)));

    let connection = fuzzing::connection(text);
    if let Err(Refusal { message, field }) = &connection {
        assert!(
            !has_secret(text) || !(message.contains(SECRET) || field.as_deref().is_some_and(has_password)),
            "a password in {message:?} of {field:?}"
        );
    }
    refused_or(connection, |folders| {
        for folder in folders {
            let path = fuzzing::path(&folder).expect("the folder of a connection is a path");
            assert_jailed(&path);
            // The root is sent as it was written.
            assert_eq!(
                fuzzing::sent(&format!("CWD {folder}")).last(),
                Some(&b'\n'),
                "{folder:?} cannot be sent"
            );
        }
    });
}

fn refused_or<T>(result: Result<T, Refusal>, accepted: impl FnOnce(T)) {
    match result {
        Ok(value) => accepted(value),
        Err(refusal) => {
            assert_message(&refusal.message);
            let field = refusal.field.expect("a wrong setting names its field");
            assert!(field.starts_with('/'), "{field:?} is no JSON Pointer");
        }
    }
}

/// Panics when a path leads out of `/root`, or its command is not exactly one line.
fn assert_jailed(path: &str) {
    if !path.is_empty() {
        path.split('/').for_each(assert_segment);
    }
    let line = format!("RETR /root/{path}");
    assert_eq!(
        fuzzing::sent(&line),
        format!("{line}\r\n").as_bytes(),
        "not one command"
    );
}

/// Whether the settings have the secret where a password belongs, and nowhere else.
fn has_secret(text: &str) -> bool {
    let Ok(settings) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let password = settings.pointer("/auth/password").or(settings.pointer("/auth"));
    text.matches(SECRET).count() == 1 && password.and_then(Value::as_str).is_some_and(has_password)
}

fn has_password(text: &str) -> bool {
    text.contains(SECRET)
}
