//! Line ends in `ascii` transfers: CR LF on the way (RFC 959 section 3.1.1.1), LF in payloads.

/// From the wire: CR LF becomes LF. A CR alone stays.
#[derive(Debug, Default)]
pub struct ToLocal {
    /// The last piece ended in a CR, which may belong to a LF.
    carriage_return: bool,
}

impl ToLocal {
    /// The next piece.
    pub fn convert(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            if std::mem::take(&mut self.carriage_return) && *byte != b'\n' {
                text.push(b'\r');
            }
            if *byte == b'\r' {
                self.carriage_return = true;
            } else {
                text.push(*byte);
            }
        }
        text
    }

    /// What the end still holds.
    pub fn end(&mut self) -> &'static [u8] {
        if std::mem::take(&mut self.carriage_return) {
            b"\r"
        } else {
            b""
        }
    }
}

/// To the wire: LF becomes CR LF. A CR LF stays as it is.
#[derive(Debug, Default)]
pub struct ToWire {
    carriage_return: bool,
}

impl ToWire {
    /// The next piece.
    pub fn convert(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for byte in bytes {
            if *byte == b'\n' && !self.carriage_return {
                text.push(b'\r');
            }
            self.carriage_return = *byte == b'\r';
            text.push(*byte);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same whatever the pieces are.
    fn in_pieces(text: &[u8], convert: impl FnMut(&[u8]) -> Vec<u8>, size: usize) -> Vec<u8> {
        text.chunks(size).flat_map(convert).collect()
    }

    #[test]
    fn line_ends() {
        for size in 1..5 {
            let mut local = ToLocal::default();
            let mut text = in_pieces(b"a\r\nb\rc\r\r\nd\n\r", |piece| local.convert(piece), size);
            text.extend(local.end());
            assert_eq!(text, b"a\nb\rc\r\nd\n\r");
            let mut wire = ToWire::default();
            let text = in_pieces(b"a\nb\r\nc\n\nd\r", |piece| wire.convert(piece), size);
            assert_eq!(text, b"a\r\nb\r\nc\r\n\r\nd\r");
        }
    }
}
