//! Recognises re-uploads of banned videos, whatever was done to picture and sound.
//!
//! A [`Fingerprinter`] takes frames and samples as they are decoded and gives a [`Probe`]. The part of it that a [`Bank`]
//! keeps is its [`Fingerprint`]. A bank checks a probe and gives a [`Verdict`]: which reference, which seconds of both,
//! found by picture, by sound or by both, and a score with a stated meaning.
//!
//! ```
//! use afterimage::media::{Frame, Luma};
//! use afterimage::{Bank, Fingerprinter, Probe, Sink};
//! use std::time::SystemTime;
//!
//! /// Ten seconds of a film of moving tiles in shots of two seconds, beginning at the second `from`. A service pushes what it decodes.
//! fn watch(seed: u32, from: f64) -> Probe {
//!     let mut fingerprinter = Fingerprinter::new();
//!     for n in 0..80 {
//!         let time = f64::from(n) / 8.0;
//!         let (pan, shot) = ((20.0 * (from + time)) as u32, seed * 100 + (from + time) as u32 / 2);
//!         let tile = |x: u32, y: u32| {
//!             let mixed = (x * 7919 ^ y * 104_729 ^ shot * 40_503).wrapping_mul(0x9e37_79b1);
//!             ((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 24) as u8
//!         };
//!         let pixels: Vec<u8> = (0..320 * 180).map(|i| tile((i % 320 + pan) / 9, i / 320 / 9)).collect();
//!         let luma = Luma::new(320, 180, 320, &pixels).unwrap();
//!         fingerprinter.frame(Frame { luma, time });
//!     }
//!     fingerprinter.finish()
//! }
//!
//! let bank = Bank::in_memory(); // or Bank::open("folder"), which survives the loss of power
//! bank.add("banned.mp4", "terror", watch(1, 0.0).fingerprint())?;
//!
//! let verdict = bank.check(&watch(1, 3.0), SystemTime::now())?;
//! let copy = verdict.acting().next().expect("the upload begins at second 3 of the banned film");
//! assert_eq!(copy.reference, "banned.mp4");
//! assert!((copy.matched.start - copy.query.start - 3.0).abs() < 1.0);
//!
//! assert!(!bank.check(&watch(2, 0.0), SystemTime::now())?.is_match());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Files are read by [`media::open`], which pushes what they hold into the fingerprinter in one pass:
//!
//! ```no_run
//! # use afterimage::{Fingerprinter, media};
//! let mut fingerprinter = Fingerprinter::new();
//! let summary = media::open("upload.mp4", &media::Options::default())?.read(&mut fingerprinter)?;
//! for warning in &summary.warnings {
//!     eprintln!("upload.mp4 {warning}");
//! }
//! let probe = fingerprinter.finish();
//! # Ok::<(), media::MediaError>(())
//! ```
//!
//! # The rooms
//!
//! Data flows one way: [`media`] gives frames and samples, [`picture`] and [`sound`] make codes of them, [`fingerprint`]
//! keeps those together, [`index`] finds near codes, [`align`] makes segments of hits that agree in time, [`decide`] makes
//! one score of all evidence, and [`bank`] keeps the references.
//!
//! # Features
//!
//! None is on by default: Y4M, WAVE, PNG, JPEG, WebP and GIF are always read. `ffmpeg` reads everything else through the
//! `ffmpeg` program in a jail. `cli` is the `afterimage` command. `metrics` and `tracing` tell a service's own facades
//! of what its banks do.

pub mod align;
pub mod bank;
pub mod decide;
pub mod fingerprint;
pub mod index;
mod key;
pub mod media;
mod persistent;
pub mod picture;
mod plain;
mod rough;
mod shared;
#[cfg(target_arch = "x86_64")]
mod simd;
pub mod sound;

pub use bank::Bank;
pub use decide::{Action, Match, Policy, Verdict};
pub use fingerprint::{Fingerprint, Fingerprinter, Probe, Spec};
pub use key::{Key, KeyId};
pub use media::Sink;

// One film for the tests of all rooms.
#[cfg(test)]
#[path = "../testdata/synthetic.rs"]
mod synthetic;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
