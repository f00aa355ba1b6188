//! What starts a run: one of `cron`, `every`, `poll` and `http`.

use super::Loader;
use crate::flow::file::{FlowFile, HttpTriggerFile, StepFile, TriggerFile};
use crate::flow::problem;
use crate::flow::retry::duration;
use crate::flow::secret::{self, Part};
use crate::flow::trigger::{HttpTrigger, Schedule, Trigger};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;

/// What runs more often is no schedule but a loop, and would do little but look for files.
const SHORTEST: Duration = Duration::from_secs(1);

/// Characters of a token at least. A program makes them, so that a long one costs nobody anything.
const SHORTEST_TOKEN: usize = 16;

const CRON_FORM: &str = "write minute, hour, day of the month, month and day of the week, for example \
                         `*/5 8-18 * * MON-FRI`; a sixth field before them is the second";

impl Loader {
    /// The flow's triggers; those with problems are left out.
    pub(super) fn triggers(&mut self, flow: &FlowFile) -> Vec<Trigger> {
        let files = flow.triggers.iter().enumerate();
        files
            .filter_map(|(index, file)| self.trigger(&format!("/triggers/{index}"), file, flow.steps.first()))
            .collect()
    }

    fn trigger(&mut self, base: &str, file: &TriggerFile, first: Option<&StepFile>) -> Option<Trigger> {
        let kinds = [
            ("cron", file.cron.is_some()),
            ("every", file.every.is_some()),
            ("poll", file.poll.is_some()),
            ("http", file.http.is_some()),
        ];
        let named: Vec<&str> = kinds
            .iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| *name)
            .collect();
        if named.len() != 1 {
            let found = if named.is_empty() {
                "none of them".to_owned()
            } else {
                problem::list(named)
            };
            let message = format!(
                "a trigger has exactly one of `cron`, `every`, `poll` and `http`; this one has {found}"
            );
            self.problem(base, message);
            return None;
        }
        if file.zone.is_some() && file.cron.is_none() {
            self.problem(&format!("{base}/zone"), "`zone` goes with `cron` only");
        }
        if let Some(http) = &file.http {
            return self
                .http_trigger(&format!("{base}/http/token"), http)
                .map(Trigger::Http);
        }
        let schedule = if let Some(cron) = &file.cron {
            self.cron(base, cron, file.zone.as_deref())
        } else if let Some(every) = &file.every {
            self.interval(&format!("{base}/every"), every)
                .map(Schedule::Every)
        } else {
            self.poll(&format!("{base}/poll"), file.poll.as_deref()?, first)
        };
        schedule.map(Trigger::Schedule)
    }

    fn cron(&mut self, base: &str, cron: &str, zone: Option<&str>) -> Option<Schedule> {
        let zone = match zone.map(time_zone).transpose() {
            Ok(zone) => Some(zone.unwrap_or(TimeZone::UTC)),
            Err(message) => {
                self.problem(&format!("{base}/zone"), message);
                None
            }
        };
        let pattern = match pattern(cron) {
            Ok(pattern) => Some(Box::new(pattern)),
            Err(message) => {
                self.problem(&format!("{base}/cron"), message);
                None
            }
        };
        let (pattern, zone) = (pattern?, zone?);
        Some(Schedule::Cron { pattern, zone })
    }

    fn poll(&mut self, pointer: &str, poll: &str, first: Option<&StepFile>) -> Option<Schedule> {
        if first.is_some_and(|step| step.http.is_some()) {
            let message = "`poll` is for a flow whose first step looks for files; this one's is `http`, so that \
                           every run has something to tell: write `every`";
            self.problem(pointer, message);
            return None;
        }
        self.interval(pointer, poll).map(Schedule::Poll)
    }

    fn interval(&mut self, pointer: &str, text: &str) -> Option<Duration> {
        match duration(text) {
            Ok(interval) if interval >= SHORTEST => Some(interval),
            Ok(_) => {
                self.problem(pointer, "must be at least one second, for example `30s`");
                None
            }
            Err(error) => {
                self.problem(pointer, error.to_string());
                None
            }
        }
    }

    fn http_trigger(&mut self, pointer: &str, file: &HttpTriggerFile) -> Option<HttpTrigger> {
        let parts = match secret::fill(&file.token, &self.folder) {
            Ok(parts) => parts,
            Err(error) => {
                self.problem(pointer, error.to_string());
                return None;
            }
        };
        let [Part::Secret(token)] = parts.as_slice() else {
            let message = "a token must not stand in the flow: write `${env:NAME}` or `${file:PATH}`, and \
                           nothing beside it";
            self.problem(pointer, message);
            return None;
        };
        self.redactor.add(token.clone());
        if let Err(message) = check_token(token) {
            self.problem(pointer, message);
            return None;
        }
        Some(HttpTrigger::new(token.clone()))
    }
}

/// A pattern that comes true at some time.
fn pattern(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build();
    let pattern = parser
        .parse(text)
        .map_err(|error| format!("`{text}` is no cron pattern ({error}): {CRON_FORM}"))?;
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    match pattern.find_next_occurrence(&now, false) {
        Ok(_) => Ok(pattern),
        Err(_) => Err(format!("`{text}` never comes: there is no such day")),
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|known| known.to_string())
            .collect();
        let meant = problem::similar(name, known.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        format!("`{name}` is no time zone: write an IANA name, for example `Europe/Zurich`{meant}")
    })
}

/// A token that cannot be guessed and that can be sent.
fn check_token(token: &SecretString) -> Result<(), String> {
    let token = token.expose_secret();
    if token.len() < SHORTEST_TOKEN {
        return Err(format!(
            "the token has fewer than {SHORTEST_TOKEN} characters; make one with, for example, `openssl rand -hex 32`"
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "the token holds characters that an HTTP header does not carry: use letters, digits and signs of \
             ASCII, without spaces"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_five_fields_or_six() {
        for right in ["*/5 8-18 * * MON-FRI", "* * * * * *", "@daily", "0 3 L * *"] {
            assert!(pattern(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "* * * *",
            "* * * * * * 2027",
            "61 * * * *",
            "ü * * * *",
            "@sometimes",
            "a b c d e",
        ] {
            let message = pattern(wrong).expect_err(wrong);
            assert!(message.contains("`*/5 8-18 * * MON-FRI`"), "{message}");
        }
    }

    #[test]
    fn a_day_that_never_comes_is_told() {
        let message = pattern("0 0 30 2 *").expect_err("no such day");
        assert_eq!(message, "`0 0 30 2 *` never comes: there is no such day");
        assert!(pattern("0 0 29 2 *").is_ok(), "a leap year comes");
    }

    #[test]
    fn zones_are_those_of_the_database() {
        assert!(time_zone("Europe/Zurich").is_ok());
        let message = time_zone("Europe/Zürich").expect_err("no such zone");
        assert!(message.ends_with("did you mean `Europe/Zurich`?"), "{message}");
        assert!(time_zone("CEST").is_err());
    }

    #[test]
    fn tokens_are_long_and_can_be_sent() {
        let check = |token: &str| check_token(&token.into());
        assert!(check("0123456789abcdef").is_ok());
        assert!(check("0123456789abcde").is_err_and(|message| message.contains("16 characters")));
        assert!(check("0123456789 abcdef").is_err_and(|message| message.contains("HTTP header")));
    }
}
