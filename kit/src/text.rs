//! Text that came from outside, on its way into a message.

/// The most characters of it that a message shows.
const LONGEST: usize = 300;

/// Text that came from outside, made fit for a message or a log line: trimmed, no control characters, bounded.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut clean = String::new();
    for (at, c) in text.trim().chars().enumerate() {
        if at == LONGEST {
            clean.push('…');
            break;
        }
        clean.push(if c.is_control() { ' ' } else { c });
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(printable(" a\u{1b}[31m\r\nb\n"), "a [31m  b");
        assert_eq!(printable(&"x".repeat(301)).chars().count(), LONGEST + 1);
        assert_eq!(printable(&"x".repeat(300)), "x".repeat(300));
    }
}
