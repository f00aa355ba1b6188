//! Text that somebody else wrote, for a message.

/// The text on one line and without control characters, which a terminal would obey; of a longer one the first `most`
/// characters.
pub(crate) fn on_one_line(text: &str, most: usize) -> String {
    let mut line: String = text
        .chars()
        .take(most)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}
