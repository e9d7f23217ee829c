//! Makes codes like those of video frames, and codes without any structure.

use std::collections::HashMap;

/// A code of up to 256 bits.
pub(crate) type Words = [u64; 4];

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn code(&mut self) -> Words {
        std::array::from_fn(|_| self.next())
    }

    /// Flips so many bits, perhaps some of them twice.
    pub(crate) fn flip(&mut self, code: &mut Words, bits: usize, count: u64) {
        for _ in 0..count {
            let bit = self.below(bits as u64) as usize;
            code[bit / 64] ^= 1 << (bit % 64);
        }
    }
}

/// A logo or a frame around the picture: words where it shows, and what it makes of them.
struct Overlay {
    mask: Words,
    value: Words,
}

impl Overlay {
    fn apply(&self, code: &mut Words) {
        for ((word, mask), value) in code.iter_mut().zip(self.mask).zip(self.value) {
            *word = *word & !mask | value & mask;
        }
    }
}

/// Codes without structure.
pub(crate) fn uniform(count: usize, seed: u64) -> Vec<Words> {
    let mut random = Random(seed);
    (0..count).map(|_| random.code()).collect()
}

/// Codes like those of the frames of many videos, one frame a second: scenes whose frames differ little or not at all,
/// black frames, logos, and videos that are copies of others.
///
/// The overlays are the same for every seed, as logos are for strangers too.
pub(crate) fn clustered(count: usize, bits: usize, seed: u64) -> Vec<Words> {
    let overlays = overlays(bits);
    let mut random = Random(seed);
    let mut codes: Vec<Words> = Vec::with_capacity(count);
    let mut videos = Vec::new();
    while codes.len() < count {
        let start = codes.len();
        if random.chance(350) && !videos.is_empty() {
            copy(&mut codes, &videos, bits, &mut random);
        } else {
            let frames = 30 + random.below(570);
            record(&mut codes, &overlays, bits, frames, &mut random);
        }
        videos.push(start..codes.len());
    }
    codes.truncate(count);
    codes
}

/// What is seen on many videos.
fn overlays(bits: usize) -> Vec<Overlay> {
    let mut fixed = Random(0x6c6f_676f);
    // Each hides one to three stretches of 16 bits.
    let mut overlays: Vec<Overlay> = (0..24)
        .map(|_| {
            let mut mask = [0; 4];
            for _ in 0..=fixed.below(3) {
                let field = fixed.below(bits as u64 / 16);
                mask[field as usize / 4] |= 0xffff << (field % 4 * 16);
            }
            Overlay { mask, value: fixed.code() }
        })
        .collect();
    // A black frame around the picture.
    overlays[0].value = [0; 4];
    overlays
}

/// A video that is a copy of an earlier one, exact here and there.
fn copy(codes: &mut Vec<Words>, videos: &[std::ops::Range<usize>], bits: usize, random: &mut Random) {
    let video = videos[random.below(videos.len() as u64) as usize].clone();
    let noise = random.below(12);
    for place in video {
        let mut code = codes[place];
        if code[0] != 0 && !random.chance(250) {
            let flips = random.below(noise + 1);
            random.flip(&mut code, bits, flips);
        }
        codes.push(code);
    }
}

/// A new video of so many frames.
fn record(codes: &mut Vec<Words>, overlays: &[Overlay], bits: usize, frames: u64, random: &mut Random) {
    // The first overlay is seen most.
    let overlay = match random.below(1000) {
        0..8 => Some(0),
        8..120 => Some(random.below(overlays.len() as u64) as usize),
        _ => None,
    };
    let still = random.below(360);
    let mut left = frames;
    while left > 0 {
        let scene = (2 + random.below(28)).min(left);
        left -= scene;
        let mut code = random.code();
        let black = random.chance(23);
        for _ in 0..scene {
            if !random.chance(still) {
                let flips = 1 + random.below(7);
                random.flip(&mut code, bits, flips);
            }
            let mut shown = if black { [0; 4] } else { code };
            if let (Some(overlay), false) = (overlay, black) {
                overlays[overlay].apply(&mut shown);
            }
            codes.push(shown);
        }
    }
}

/// Codes that are stored, with 0 to 16 bits flipped. Black frames are left out: they are a case of their own.
pub(crate) fn members(codes: &[Words], bits: usize, count: usize, seed: u64) -> Vec<Words> {
    let mut random = Random(seed);
    let mut out = Vec::new();
    while out.len() < count {
        let mut code = codes[random.below(codes.len() as u64) as usize];
        if code != [0; 4] {
            let flips = random.below(17);
            random.flip(&mut code, bits, flips);
            out.push(code);
        }
    }
    out
}

/// Frames of videos that are not stored, one of every so many, without black ones.
pub(crate) fn strangers(bits: usize, count: usize, seed: u64) -> Vec<Words> {
    let mut codes = clustered(count * 40, bits, !seed);
    codes.retain(|code| *code != [0; 4]);
    codes.into_iter().step_by(37).take(count).collect()
}

/// Frames of videos that are not stored, 200 of each in turn, without black ones.
pub(crate) fn videos(bits: usize, count: usize, seed: u64) -> Vec<Words> {
    let overlays = overlays(bits);
    let mut random = Random(!seed);
    let mut codes = Vec::new();
    while codes.len() < count {
        let mut video = Vec::new();
        record(&mut video, &overlays, bits, 600, &mut random);
        codes.extend(video.into_iter().filter(|code| *code != [0; 4]).take(200));
    }
    codes.truncate(count);
    codes
}

/// How uneven the codes are.
pub(crate) struct Skew {
    /// Share of the codes that are equal to an earlier one.
    pub(crate) duplicates: f64,
    /// Share of the codes without a bit set.
    pub(crate) zeros: f64,
    /// Share of the codes that have the most frequent value of any aligned 16 bits.
    pub(crate) hottest: f64,
}

pub(crate) fn skew(codes: &[Words], bits: usize) -> Skew {
    let mut counts = HashMap::new();
    let mut fields = vec![0u32; (bits / 16) << 16];
    for code in codes {
        *counts.entry(*code).or_insert(0u32) += 1;
        for field in 0..bits / 16 {
            let value = code[field / 4] >> (field % 4 * 16) & 0xffff;
            fields[field << 16 | value as usize] += 1;
        }
    }
    let share = |count: usize| count as f64 / codes.len().max(1) as f64;
    Skew {
        duplicates: share(codes.len() - counts.len()),
        zeros: share(codes.iter().filter(|code| code[..bits / 64].iter().all(|&word| word == 0)).count()),
        hottest: share(fields.iter().copied().max().unwrap_or(0) as usize),
    }
}
