//! A page for the browser that a reviewer reads.

use crate::cli::is_unsafe;
use afterimage::align::Transform;
use afterimage::decide::Match;
use std::fmt::Write;

const HEAD: &str = "<!doctype html><meta charset=utf-8><title>afterimage</title>\
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:1500px}img{max-width:100%}\
td,th{padding:0 1em 0 0;text-align:left}h2{margin-top:2em}</style>\n";

/// A match and what it is shown by.
pub(super) struct Part<'a> {
    pub(super) found: &'a Match,
    /// The names of the picture files.
    pub(super) pictures: Vec<String>,
    /// An SVG drawing of how much the sound differs, where both have any.
    pub(super) strip: Option<String>,
}

/// The whole page, for the query of this name.
pub(super) fn page(query: &str, parts: &[Part<'_>]) -> String {
    let mut page = format!("{HEAD}<h1>{}</h1>\n", escaped(query));
    if parts.is_empty() {
        page.push_str("<p>No match.</p>\n");
    }
    for Part { found, pictures, strip } in parts {
        let rows = [
            ("Label", found.label.clone()),
            ("Collection", found.collection.clone()),
            ("Action", found.action.map_or("none".to_owned(), |action| format!("{action:?}").to_lowercase())),
            ("Score", format!("{:.1}", found.score)),
            ("Found by", format!("{:?}", found.kind).to_lowercase()),
            ("In the upload", format!("{:.2} to {:.2} s", found.query.start, found.query.end)),
            ("In the reference", format!("{:.2} to {:.2} s", found.matched.start, found.matched.end)),
            ("What was done", done(&found.transform)),
        ];
        let _ = write!(page, "<h2>{}</h2>\n<table>", escaped(&found.reference));
        for (key, value) in rows {
            let _ = write!(page, "<tr><th>{key}<td>{}", escaped(&value));
        }
        page.push_str("</table>\n");
        for picture in pictures {
            let _ = writeln!(page, "<p><img src=\"{}\">", escaped(picture));
        }
        if let Some(strip) = strip {
            let _ = writeln!(
                page,
                "<p>Bits of the sound that differ: green none, full height half of them, as by chance"
            );
            let _ = writeln!(page, "<p>{strip}");
        }
    }
    page
}

fn done(transform: &Transform) -> String {
    let mut said = vec![
        format!("speed {:.2}", transform.speed.abs()),
        format!("pitch {:+.1} semitones", transform.pitch),
    ];
    said.extend((transform.speed < 0.0).then(|| "backwards".to_owned()));
    said.extend(transform.mirrored.then(|| "mirrored".to_owned()));
    said.extend(transform.negative.then(|| "negative".to_owned()));
    said.extend(
        transform.placement.map(|p| format!("at {:.2} of the size, turned by {:.1}°", p.scale, p.angle)),
    );
    said.join(", ")
}

/// Text that cannot be taken for markup: names come from outside.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if is_unsafe(c) => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        let page = page("<script>\"a\"&b\n\u{202e}.mp4", &[]);
        assert!(page.contains("&lt;script&gt;&quot;a&quot;&amp;b  .mp4"));
    }
}
