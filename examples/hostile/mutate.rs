//! Ways to break a file.

use crate::elements::{self, Element, Form, get, put};
pub(crate) use crate::synthetic::Random;
use std::ops::Range;

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).cloned()
    }

    /// A range of at most `most` bytes within `0..end`.
    fn range(&mut self, end: usize, most: usize) -> Range<usize> {
        let start = self.below(end);
        let length = 1 + self.below(most.min(end - start.min(end)));
        start..(start + length).min(end)
    }
}

/// Where headers are.
const HEAD: usize = 600;
/// No file grows beyond this.
const MOST: usize = 4 << 20;

type Way = fn(&mut Vec<u8>, &[u8], &mut Random);

const WAYS: &[(&str, Way)] = &[
    ("head-bits", |bytes, _, random| bits(bytes, HEAD, 16, random)),
    ("length-lied", |bytes, _, random| lied(bytes, random)),
    ("bits", |bytes, _, random| bits(bytes, usize::MAX, 60, random)),
    ("resized", resized),
    ("truncated", |bytes, _, random| bytes.truncate(random.below(bytes.len()))),
    ("huge", |bytes, _, random| huge(bytes, random)),
    ("spliced", spliced),
    ("nested", nested),
    ("doubled", doubled),
    ("zeroed", |bytes, _, random| {
        let range = random.range(bytes.len(), 4096);
        bytes[range].fill(0);
    }),
    ("noise", |bytes, _, random| {
        let range = random.range(bytes.len(), 512);
        bytes[range].iter_mut().for_each(|byte| *byte = random.next() as u8);
    }),
];

/// A broken copy of `source`, and in which way. Some are broken in another way, too.
pub(crate) fn mutant(
    source: &[u8],
    other: &[u8],
    way: usize,
    random: &mut Random,
) -> (&'static str, Vec<u8>) {
    let (name, first) = WAYS[way % WAYS.len()];
    let mut bytes = source.to_vec();
    first(&mut bytes, other, random);
    if random.below(3) == 0 {
        let (_, second) = WAYS[random.below(WAYS.len())];
        second(&mut bytes, other, random);
    }
    bytes.truncate(MOST);
    (name, bytes)
}

fn bits(bytes: &mut [u8], within: usize, most: usize, random: &mut Random) {
    for _ in 0..1 + random.below(most) {
        let at = random.below(within.min(bytes.len()));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

/// Numbers at which things go wrong.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    9,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x00FF_FFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFF0,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// A length that is not true.
fn lied(bytes: &mut [u8], random: &mut Random) {
    let field = match random.pick(&elements::of(bytes)) {
        Some(element) => Some((element.length, element.form)),
        None => guessed(bytes, random),
    };
    let Some((field, form)) = field else { return bits(bytes, HEAD, 8, random) };
    let old = get(&bytes[field.clone()], form);
    let rest = (bytes.len() - field.end) as u64;
    let near = [old.wrapping_add(1), old.wrapping_sub(1), old.wrapping_mul(2), old / 2, rest, rest + 1];
    let value = if random.below(2) == 0 { random.pick(&near) } else { random.pick(EDGES) };
    put(&mut bytes[field], form, value.unwrap_or(0));
}

/// A number of some bytes that could be a length: what it counts would end within the file.
fn guessed(bytes: &[u8], random: &mut Random) -> Option<(Range<usize>, Form)> {
    (0..400).find_map(|_| {
        let start = random.below(bytes.len());
        let field = start..start + 2 + random.below(3);
        let form = if random.below(2) == 0 { Form::Big } else { Form::Little };
        let value = get(bytes.get(field.clone())?, form) as usize;
        (4..=bytes.len() - field.end).contains(&value).then_some((field, form))
    })
}

/// An element with more or less in it. Those that hold it know, or not.
fn resized(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let all = elements::of(bytes);
    let Some(element) = random.pick(&all) else { return doubled(bytes, other, random) };
    let content = element.content.clone();
    let at = content.start + random.below(content.len());
    if random.below(2) == 0 {
        let end = at + random.below(content.end - at + 1);
        element.set(bytes, content.len() - (end - at));
        grow(bytes, &all, &element, -((end - at) as i64), random);
        bytes.drain(at..end);
    } else {
        let count = 1 + random.below(2000);
        element.set(bytes, content.len() + count);
        grow(bytes, &all, &element, count as i64, random);
        bytes.splice(at..at, std::iter::repeat_n(random.next() as u8, count));
    }
}

/// Tells those around an element, half of the time, that it has grown.
fn grow(bytes: &mut [u8], all: &[Element], element: &Element, by: i64, random: &mut Random) {
    if random.below(2) == 0 {
        for around in all.iter().filter(|around| around.holds(element)) {
            around.set(bytes, around.content.len().saturating_add_signed(by as isize));
        }
    }
}

/// Two files in one.
fn spliced(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(3) {
        0 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len())..]);
        }
        1 => drop(bytes.splice(at..at, other.iter().copied())),
        _ => {
            let range = random.range(other.len(), 5000);
            let end = (at + range.len()).min(bytes.len());
            bytes.splice(at..end, other[range].iter().copied());
        }
    }
}

/// An element that holds another file, or itself, many times over.
fn nested(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let Some(element) = random.pick(&elements::of(bytes)) else { return spliced(bytes, other, random) };
    let head = bytes[element.start..element.content.start].to_vec();
    let local = Element {
        start: 0,
        length: element.length.start - element.start..element.length.end - element.start,
        content: 0..0,
        ..element
    };
    let deep = if random.below(2) == 0 { 1 } else { 1 << random.below(13) };
    let inner = match random.below(2) {
        0 => other.to_vec(),
        _ => bytes[element.start..element.content.end].to_vec(),
    };
    let mut wrapped = Vec::with_capacity(inner.len() + deep * head.len());
    for left in (0..deep).rev() {
        let mut head = head.clone();
        let count = left * head.len() + inner.len();
        local.set(&mut head, count);
        wrapped.extend(head);
    }
    wrapped.extend(inner);
    bytes.splice(element.start..element.start, wrapped);
}

/// A stretch that comes twice, or many times.
fn doubled(bytes: &mut Vec<u8>, _: &[u8], random: &mut Random) {
    let range = random.range(bytes.len(), 5000);
    let at = random.below(bytes.len());
    let stretch = bytes[range].repeat(1 << random.below(6));
    bytes.splice(at..at, stretch);
}

/// What the sources declare: sides, rates, durations, and what they come to in units of time.
const DECLARED: &[u64] =
    &[176, 144, 720, 576, 8, 25, 8000, 44_100, 48_000, 22_050, 90_000, 1000, 2000, 4000, 16_000, 125, 3000];
const HUGE: &[u64] =
    &[0, 1, 8191, 8192, 16_384, 65_535, 100_000, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX >> 1, u64::MAX];

/// Sides, rates or durations out of all proportion.
fn huge(bytes: &mut [u8], random: &mut Random) {
    let mut fields = Vec::new();
    for start in 0..bytes.len().min(8 * HEAD) {
        for (count, form) in
            [(2, Form::Big), (2, Form::Little), (4, Form::Big), (4, Form::Little), (8, Form::Big)]
        {
            let Some(field) = bytes.get(start..start + count) else { continue };
            let value = get(field, form);
            let float = || (f64::from_bits(value), f64::from(f32::from_bits(value as u32)));
            let round = |float: f64| DECLARED.iter().any(|&n| n > 100 && n as f64 == float);
            if DECLARED.contains(&value) || count == 8 && round(float().0) || count == 4 && round(float().1) {
                fields.push((start..start + count, form));
            }
        }
    }
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len().saturating_sub(4).min(HEAD));
        let (field, form) = random.pick(&fields).unwrap_or((at..at + 4, Form::Big));
        let value = match random.below(4) {
            0 => 1e12f64.to_bits() >> (64 - 8 * field.len().min(8)),
            _ => random.pick(HUGE).unwrap_or(0),
        };
        if let Some(field) = bytes.get_mut(field) {
            put(field, form, value);
        }
    }
}
