//! Also with a small server, since the order of commands is what matters here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;
use crate::error::{Effect, Op};
use crate::path::jail;
use crate::settings::Connection;
use crate::transport::Host;

const CALM: Host = Host::CALM;

/// What a server has, and what it was told.
#[derive(Debug, Default)]
struct Server {
    files: BTreeMap<String, &'static str>,
    folders: HashSet<String>,
    commands: Vec<String>,
    from: String,
}

impl Server {
    /// An honest answer. `RNTO` onto a file that is there is refused, as on many servers.
    fn answer(&mut self, word: &str, path: &str) -> &'static str {
        match word {
            "USER" => "230 in",
            "PWD" => "257 \"/\"",
            "TYPE" | "NOOP" => "200 fine",
            "SIZE" if self.files.contains_key(path) => "213 1",
            "CWD" if path == "/" || self.folders.contains(path) => "250 there",
            "MKD" => {
                self.folders.insert(path.to_owned());
                "257 made"
            }
            "RNFR" if self.files.contains_key(path) => {
                path.clone_into(&mut self.from);
                "350 and?"
            }
            "RNTO" if !self.files.contains_key(path) && !self.folders.contains(path) => {
                let content = self.files.remove(&self.from).unwrap();
                self.files.insert(path.to_owned(), content);
                "250 renamed"
            }
            "DELE" if self.files.remove(path).is_some() => "250 gone",
            "SIZE" | "CWD" | "RNFR" | "RNTO" | "DELE" => "550 no",
            _ => "502 what?",
        }
    }

    fn count(&self, word: &str) -> usize {
        self.commands.iter().filter(|line| line.starts_with(word)).count()
    }

    /// How often each command came that changes something.
    fn changes(&self) -> [usize; 3] {
        ["RNFR", "RNTO", "DELE"].map(|word| self.count(word))
    }
}

/// A client with a server that has these files, one letter each. `twist` may answer in the server's place; an
/// empty answer hangs up.
fn with(
    files: &[(&str, &'static str)],
    mut twist: impl FnMut(&mut Server, &str, &str) -> Option<&'static str> + Send + 'static,
) -> (Client, Arc<Mutex<Server>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Arc::new(Mutex::new(Server {
        files: files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), *content))
            .collect(),
        ..Server::default()
    }));
    let shared = Arc::clone(&server);
    std::thread::spawn(move || {
        // One session after another, until the test is over.
        for mut control in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(control.try_clone().unwrap()).lines();
            let _ = control.write_all(b"220 ready\r\n");
            for line in lines.map_while(Result::ok) {
                let (word, path) = line.split_once(' ').unwrap_or((&line, ""));
                let mut server = shared.lock().unwrap();
                server.commands.push(line.clone());
                let answer = match twist(&mut server, word, path) {
                    Some(answer) => answer,
                    None => server.answer(word, path),
                };
                drop(server);
                if answer.is_empty() || control.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    let settings = format!(r#"{{"host":"127.0.0.1","port":{port},"timeout":5}}"#);
    (Client::new(Connection::parse(&settings).unwrap(), CALM), server)
}

fn path(text: &str) -> RemotePath {
    jail(text, "").unwrap().path
}

#[test]
fn what_is_there_is_removed_only_when_it_is_in_the_way() {
    let (mut client, server) = with(&[("/new", "n"), ("/next", "x"), ("/old", "o")], |_, _, _| None);
    move_onto(&mut client, &path("new"), &path("free"), true).unwrap();
    assert_eq!(server.lock().unwrap().changes(), [1, 1, 0]);
    move_onto(&mut client, &path("free"), &path("old"), true).unwrap();
    assert_eq!(server.lock().unwrap().changes(), [3, 3, 1]);
    assert_eq!(client.session().unwrap().renames_over, Some(false));
    // Now it is known, so it goes at once.
    move_onto(&mut client, &path("next"), &path("old"), true).unwrap();
    let server = server.lock().unwrap();
    assert_eq!(server.changes(), [4, 4, 2]);
    assert_eq!(server.files, BTreeMap::from([("/old".to_owned(), "x")]));
}

#[test]
fn what_is_there_stays() {
    let (mut client, server) = with(&[("/new", "n"), ("/old", "o")], |_, _, _| None);
    // Because the options say so.
    let error = move_onto(&mut client, &path("new"), &path("old"), false).unwrap_err();
    assert_eq!((error.kind, error.effect), (Kind::Conflict, Effect::None));
    // Because there is nothing to put in its place, whatever is known of the server.
    move_onto(&mut client, &path("nothing"), &path("old"), true).unwrap_err();
    client.session().unwrap().renames_over = Some(false);
    move_onto(&mut client, &path("nothing"), &path("old"), true).unwrap_err();
    // Because to a server that takes no notice of case it may be the file itself.
    let (mut careless, other) = with(&[("/a", "a"), ("/A", "a")], |_, _, _| None);
    move_onto(&mut careless, &path("a"), &path("A"), true).unwrap_err();
    for server in [server, other] {
        let server = server.lock().unwrap();
        assert_eq!((server.count("DELE"), server.files.len()), (0, 2));
    }
}

#[test]
fn a_rename_that_may_not_be_done_removes_nothing() {
    let refuse = |_: &mut Server, word: &str, _: &str| (word == "RNFR").then_some("550 not you");
    let (mut client, server) = with(&[("/new", "n"), ("/old", "o")], refuse);
    let error = move_onto(&mut client, &path("new"), &path("old"), true).unwrap_err();
    assert_eq!(error.kind, Kind::Permission);
    assert_eq!(server.lock().unwrap().count("DELE"), 0);
}

#[test]
fn it_is_told_when_the_old_file_is_gone() {
    let refuse = |server: &mut Server, word: &str, _: &str| {
        (word == "RNTO" && server.count("RNTO") > 1).then_some("550 no more")
    };
    let (mut client, _server) = with(&[("/new", "n"), ("/old", "o")], refuse);
    let error = move_onto(&mut client, &path("new"), &path("old"), true).unwrap_err();
    assert_eq!(error.effect, Effect::Partial);
    assert!(error.message.contains("The old `old` was removed"), "{error}");
}

#[test]
fn a_lost_reply_is_looked_after() {
    // Done, not done, and not to be known.
    let done = |server: &mut Server, word: &str, path: &str| {
        (word == "RNTO" && server.count("RNTO") == 1).then(|| {
            server.answer(word, path);
            ""
        })
    };
    let (mut client, server) = with(&[("/a", "a")], done);
    move_onto(&mut client, &path("a"), &path("b"), true).unwrap();
    assert_eq!(server.lock().unwrap().changes(), [1, 1, 0]);
    let not_done = |server: &mut Server, word: &str, _: &str| {
        (word == "RNTO" && server.count("RNTO") == 1).then_some("")
    };
    let (mut client, server) = with(&[("/a", "a")], not_done);
    move_onto(&mut client, &path("a"), &path("b"), true).unwrap();
    assert_eq!(server.lock().unwrap().changes(), [2, 2, 0]);
    let vanished = |server: &mut Server, word: &str, _: &str| {
        (word == "RNTO").then(|| {
            server.files.clear();
            ""
        })
    };
    let (mut client, server) = with(&[("/a", "a")], vanished);
    let error = move_onto(&mut client, &path("a"), &path("b"), true).unwrap_err();
    assert_eq!(error.effect, Effect::Unknown);
    assert_eq!(server.lock().unwrap().changes(), [1, 1, 0]);
}

#[test]
fn a_lost_reply_to_a_delete_is_looked_after() {
    let done = |server: &mut Server, word: &str, path: &str| {
        (word == "DELE").then(|| {
            server.answer(word, path);
            ""
        })
    };
    let (mut client, server) = with(&[("/a", "a")], done);
    crate::manage::delete_one(&mut client, &path("a")).unwrap();
    assert_eq!(server.lock().unwrap().count("DELE"), 1);
}

#[test]
fn a_folder_that_has_gone_is_made_again() {
    let (mut client, server) = with(&[("/a", "a"), ("/b", "b")], |server, word, path| {
        let inside = path.starts_with("/in/deep/") && !server.folders.contains("/in/deep");
        (word == "RNTO" && inside).then_some("550 no such folder")
    });
    move_onto(&mut client, &path("a"), &path("in/deep/a"), true).unwrap();
    server.lock().unwrap().folders.clear();
    move_onto(&mut client, &path("b"), &path("in/deep/b"), true).unwrap();
    let server = server.lock().unwrap();
    assert_eq!(server.count("MKD"), 4, "{:?}", server.commands);
    assert!(server.files.contains_key("/in/deep/b"));
}

#[test]
fn if_exists() {
    let (mut client, server) = with(&[("/a.csv", "a"), ("/a-1.csv", "b"), ("/b-1", "")], |_, _, _| {
        None
    });
    server.lock().unwrap().folders.insert("/folder".to_owned());
    let mut choose =
        |target: &str, if_exists| client.attempt(|session| choose(session, &path(target), if_exists));
    for if_exists in [IfExists::Skip, IfExists::Fail, IfExists::Rename, IfExists::Append] {
        assert_eq!(choose("free.csv", if_exists).unwrap(), Choice::Here);
    }
    assert_eq!(choose("a.csv", IfExists::Overwrite).unwrap(), Choice::Here);
    assert_eq!(choose("a.csv", IfExists::Skip).unwrap(), Choice::Skip);
    assert_eq!(choose("a.csv", IfExists::Append).unwrap(), Choice::Append);
    assert_eq!(
        choose("a.csv", IfExists::Rename).unwrap(),
        Choice::Instead(path("a-2.csv"))
    );
    let error = choose("a.csv", IfExists::Fail).unwrap_err();
    assert!(
        error.kind == Kind::Conflict && error.message.contains("`if_exists` is `fail`"),
        "{error}"
    );
    assert_eq!(
        choose("folder", IfExists::Rename).unwrap(),
        Choice::Instead(path("folder-1"))
    );
    for if_exists in [IfExists::Skip, IfExists::Fail, IfExists::Append] {
        assert_eq!(choose("folder", if_exists).unwrap_err().kind, Kind::Conflict);
    }
}

#[test]
fn numbers_go_before_the_extension() {
    let numbered = |text: &str, number| {
        let path = jail(text, "").unwrap().path;
        numbered(&path, number).as_str().to_owned()
    };
    assert_eq!(numbered("in/order.csv", 1), "in/order-1.csv");
    assert_eq!(numbered("order.tar.gz", 12), "order.tar-12.gz");
    assert_eq!(numbered("in/.hidden", 2), "in/.hidden-2");
    assert_eq!(numbered("Makefile", 999), "Makefile-999");
    assert_eq!(numbered("odd.", 1), "odd-1");
    let long = numbered(&format!("{}.csv", "é".repeat(125)), 10);
    assert!(long.len() <= LONGEST_NAME && long.ends_with("é-10.csv"), "{long}");
    let longest = numbered(&format!("a.{}", "x".repeat(253)), 1);
    assert!(longest.starts_with("a-1."), "{longest}");
}

#[test]
fn cuts_keep_characters_whole() {
    assert_eq!(cut("aéb", 2), "a");
    assert_eq!(cut("aéb", 3), "aé");
    assert_eq!(cut("a", 200), "a");
}

#[test]
fn what_servers_say_of_taken_names() {
    let refused = |op, code| Error::reply(op, "a", code, "");
    assert!(may_be_taken(&refused(Op::RenameTo, 550)));
    assert!(may_be_taken(&refused(Op::RenameTo, 553)));
    assert!(!may_be_taken(&refused(Op::RenameTo, 502)));
    assert!(!may_be_taken(&refused(Op::RenameFrom, 550)));
    assert!(!may_be_taken(&refused(Op::RenameTo, 421)));
}
