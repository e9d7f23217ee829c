//! What a file is, by its content; its name says nothing.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::ImageFormat;

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Y4m,
    Wav,
    Image(ImageFormat),
    /// Whatever the external decoder knows.
    Other,
}

/// Looks at the first bytes of `file` and goes back to its start.
pub(super) fn kind(file: &mut File) -> io::Result<Kind> {
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(of(&head))
}

fn of(head: &[u8]) -> Kind {
    match head {
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', b'2', ..] => Kind::Y4m,
        [b'R', b'I' | b'F', b'F' | b'6', b'F' | b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Kind::Wav,
        [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Kind::Wav,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Image(ImageFormat::WebP),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Kind::Image(ImageFormat::Png),
        [0xFF, 0xD8, 0xFF, ..] => Kind::Image(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Image(ImageFormat::Gif),
        _ => Kind::Other,
    }
}
