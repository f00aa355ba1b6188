//! What a web server answers, and what it means for the payload.

use crate::contract::{Effect, Error, ErrorKind, Retry};
use jiff::{Timestamp, Zoned};
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};

/// As much of an answer is read so that its connection can be used again.
const MOST_READ: usize = 64 * 1024;
/// As much of a refusal is shown.
const MOST_SHOWN: usize = 200;

/// Gives the status of a good answer (2xx).
pub(super) async fn judge(place: &str, mut response: Response) -> Result<u16, Error> {
    let status = response.status();
    let mut text = Vec::new();
    while text.len() < MOST_READ {
        // What breaks after the status does not change the verdict.
        let Ok(Some(chunk)) = response.chunk().await else {
            break;
        };
        text.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(status.as_u16());
    }
    Err(refusal(place, status, response.headers(), &excerpt(&text)))
}

fn refusal(place: &str, status: StatusCode, headers: &HeaderMap, excerpt: &str) -> Error {
    let message = if status.is_redirection() {
        let target = headers
            .get(LOCATION)
            .and_then(|target| target.to_str().ok())
            .unwrap_or("nowhere");
        // Without the query, which may hold a secret.
        let target = target.split(['?', '#']).next().unwrap_or_default();
        format!("{place}: {status}: redirects to {target}; put the final address into `url`")
    } else {
        format!("{place}: {status}{excerpt}")
    };
    let retry = if is_passing(status) {
        retry_after(headers, Timestamp::now()).map_or(Retry::Backoff, Retry::AfterMs)
    } else {
        Retry::Never
    };
    let effect = if status.is_server_error() {
        Effect::Unknown
    } else {
        Effect::None
    };
    Error {
        code: Some(status.as_str().to_owned()),
        retry,
        effect,
        ..Error::new(kind(status), message)
    }
}

/// Whether the same request may be answered better later.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

fn kind(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 407 => ErrorKind::Authentication,
        403 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        400 | 413 | 415 | 422 => ErrorKind::Data,
        429 | 503 => ErrorKind::Busy,
        405 | 501 => ErrorKind::Unsupported,
        _ => ErrorKind::Protocol,
    }
}

/// Milliseconds of a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let date: Zoned = jiff::fmt::rfc2822::parse(value).ok()?;
    let pause = date.timestamp().as_millisecond() - now.as_millisecond();
    Some(u64::try_from(pause).unwrap_or(0))
}

/// The beginning of an answer's text, on one line.
fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST_SHOWN * 4)]);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let shown: String = words.join(" ").chars().take(MOST_SHOWN).collect();
    if shown.is_empty() {
        shown
    } else {
        format!(": {shown}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(name: reqwest::header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let pause = |value| retry_after(&headers(RETRY_AFTER, value), now);
        assert_eq!(pause("7"), Some(7000));
        assert_eq!(pause("Thu, 01 Jan 2026 00:00:05 GMT"), Some(5000));
        assert_eq!(pause("Wed, 31 Dec 2025 00:00:00 GMT"), Some(0));
        assert_eq!(pause("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
        let retry = |code: u16| {
            let status = StatusCode::from_u16(code).expect("a status");
            refusal("POST http://h/", status, &HeaderMap::new(), "").retry
        };
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(retry(code), Retry::Backoff), "{code}");
        }
        for code in [301, 307, 400, 401, 403, 404, 409, 413, 422] {
            assert!(matches!(retry(code), Retry::Never), "{code}");
        }
    }

    #[test]
    fn a_redirect_says_where_to_without_its_query() {
        let moved = headers(LOCATION, "https://new.example/orders?token=abc");
        let error = refusal("POST http://h/", StatusCode::MOVED_PERMANENTLY, &moved, "");
        assert!(
            error
                .message
                .ends_with("redirects to https://new.example/orders; put the final address into `url`")
        );
    }

    #[test]
    fn refusals_show_the_beginning_of_the_answer_on_one_line() {
        assert_eq!(excerpt(b"no\r\n  such\torder\x07"), ": no such order");
        assert_eq!(excerpt(b"\n"), "");
        assert_eq!(excerpt(&[b'x'; 9000]).len(), MOST_SHOWN + 2);
    }
}
