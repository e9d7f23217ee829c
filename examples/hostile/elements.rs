//! Where formats keep lengths: boxes of ISO media, elements of EBML, chunks of RIFF and AIFF.

use std::ops::Range;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Big,
    Little,
    /// Of EBML: the first byte's highest set bit tells how many bytes there are.
    Variable,
}

/// A part of a file that says how long it is.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) start: usize,
    /// Where its content begins, and where that ends.
    pub(crate) content: Range<usize>,
    /// Where its length is written, and how.
    pub(crate) length: Range<usize>,
    pub(crate) form: Form,
    /// What the length counts beside the content.
    pub(crate) extra: usize,
}

impl Element {
    /// Writes that the content has `count` bytes, as far as there is room for that number.
    pub(crate) fn set(&self, bytes: &mut [u8], count: usize) {
        put(&mut bytes[self.length.clone()], self.form, (count + self.extra) as u64);
    }

    /// Whether another lies in it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        self.content.start <= other.start && other.content.end <= self.content.end
    }
}

/// Writes a number into all of `field`, which cuts it.
pub(crate) fn put(field: &mut [u8], form: Form, value: u64) {
    let count = field.len();
    let mask = 0x80u8.checked_shr(count as u32 - 1).unwrap_or(0);
    for (n, byte) in field.iter_mut().enumerate() {
        let place = if form == Form::Little { n } else { count - 1 - n };
        *byte = value.checked_shr(8 * place as u32).unwrap_or(0) as u8;
    }
    if form == Form::Variable
        && let Some(first) = field.first_mut()
    {
        *first = *first & mask.wrapping_sub(1) | mask;
    }
}

/// A number as it is written in all of `field`.
pub(crate) fn get(field: &[u8], form: Form) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    match form {
        Form::Big => field.iter().fold(0, add),
        Form::Little => field.iter().rev().fold(0, add),
        Form::Variable => {
            let mask = 0x80u64.checked_shr(field.len() as u32 - 1).unwrap_or(0);
            let value = field.iter().fold(0, add);
            value & !(mask << (8 * (field.len() - 1)))
        }
    }
}

/// The elements of a file of a known kind; none of others.
pub(crate) fn of(bytes: &[u8]) -> Vec<Element> {
    let mut out = Vec::new();
    let whole = 0..bytes.len();
    match bytes {
        [0x1A, 0x45, 0xDF, 0xA3, ..] => ebml(bytes, whole, &mut out),
        [b'R', b'I' | b'F', b'F' | b'6', b'F' | b'4' | b'X', ..] => {
            chunks(bytes, whole, Form::Little, &mut out);
        }
        [b'F', b'O', b'R', b'M', ..] => chunks(bytes, whole, Form::Big, &mut out),
        _ if bytes.get(4..8).is_some_and(|name| TOP.contains(&name)) => boxes(bytes, whole, &mut out),
        _ => {}
    }
    out
}

const TOP: &[&[u8]] = &[b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"wide", b"skip", b"jP  "];

/// Boxes that hold boxes, and how many bytes of their own they have before those.
const PARENTS: &[(&[u8], usize)] = &[
    (b"moov", 0),
    (b"trak", 0),
    (b"mdia", 0),
    (b"minf", 0),
    (b"dinf", 0),
    (b"stbl", 0),
    (b"edts", 0),
    (b"udta", 0),
    (b"mvex", 0),
    (b"moof", 0),
    (b"traf", 0),
    (b"iprp", 0),
    (b"ipco", 0),
    (b"jp2h", 0),
    (b"meta", 4),
    (b"stsd", 8),
    (b"dref", 8),
    (b"iinf", 6),
    (b"mp4a", 28),
    (b"avc1", 78),
    (b"hvc1", 78),
    (b"av01", 78),
];

fn boxes(bytes: &[u8], within: Range<usize>, out: &mut Vec<Element>) {
    let mut at = within.start;
    while at + 8 <= within.end {
        let (mut length, mut head) = (at..at + 4, 8);
        let mut count = get(&bytes[length.clone()], Form::Big) as usize;
        if count == 1 && at + 16 <= within.end {
            (length, head) = (at + 8..at + 16, 16);
            count = get(&bytes[length.clone()], Form::Big) as usize;
        } else if count == 0 {
            count = within.end - at;
        }
        if count < head || count > within.end - at {
            return;
        }
        let content = at + head..at + count;
        let parent = PARENTS.iter().find(|(name, _)| *name == &bytes[at + 4..at + 8]);
        out.push(Element { start: at, content: content.clone(), length, form: Form::Big, extra: head });
        if let Some((_, own)) = parent
            && content.start + own <= content.end
        {
            boxes(bytes, content.start + own..content.end, out);
        }
        at += count;
    }
}

/// Segment, SeekHead, Info, Tracks, TrackEntry, Video, Audio, Cluster, BlockGroup, Cues, CuePoint, CueTrackPositions, Tags, Tag.
const MASTERS: &[u64] = &[
    0x1853_8067,
    0x114D_9B74,
    0x1549_A966,
    0x1654_AE6B,
    0xAE,
    0xE0,
    0xE1,
    0x1F43_B675,
    0xA0,
    0x1C53_BB6B,
    0xBB,
    0xB7,
    0x1254_C367,
    0x7373,
];

fn ebml(bytes: &[u8], within: Range<usize>, out: &mut Vec<Element>) {
    let mut at = within.start;
    while let Some(&first) = bytes[..within.end].get(at) {
        let name = first.leading_zeros() as usize + 1;
        let Some(&second) = bytes[..within.end].get(at + name) else { return };
        let length = at + name..at + name + second.leading_zeros() as usize + 1;
        if name > 4 || length.len() > 8 || length.end > within.end {
            return;
        }
        let count = get(&bytes[length.clone()], Form::Variable) as usize;
        let left = within.end - length.end;
        // All ones are an unknown length: up to the end.
        let unknown = count == (1 << (7 * length.len())) - 1;
        if count > left && !unknown {
            return;
        }
        let content = length.end..length.end + count.min(left);
        let id = get(&bytes[at..at + name], Form::Big);
        out.push(Element { start: at, content: content.clone(), length, form: Form::Variable, extra: 0 });
        if MASTERS.contains(&id) {
            ebml(bytes, content.clone(), out);
        }
        at = content.end;
    }
}

fn chunks(bytes: &[u8], within: Range<usize>, form: Form, out: &mut Vec<Element>) {
    let mut at = within.start;
    while at + 8 <= within.end {
        let length = at + 4..at + 8;
        let count = (get(&bytes[length.clone()], form) as usize).min(within.end - length.end);
        let content = length.end..length.end + count;
        out.push(Element { start: at, content: content.clone(), length, form, extra: 0 });
        if [&b"RIFF"[..], b"RF64", b"RIFX", b"LIST", b"FORM"].contains(&&bytes[at..at + 4]) && count >= 4 {
            chunks(bytes, content.start + 4..content.end, form, out);
        }
        at = content.end + count % 2;
    }
}
