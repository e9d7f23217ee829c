//! Comma-separated values (RFC 4180), as far as names of files need it.

/// A field, in quotes where it needs them.
pub(super) fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The fields of a line.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields[last].push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::{field, split};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_can_be_read(fields in proptest::collection::vec("[ -~äß]{0,8}", 1..5)) {
            let line = fields.iter().map(|f| field(f)).collect::<Vec<_>>().join(",");
            prop_assert_eq!(split(&line), fields);
        }
    }
}
