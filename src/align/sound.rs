//! Search of a bank's soundtracks.

use super::{RefId, Segment};
use crate::sound::{Print, Probe};

/// The soundtracks of many references, searchable.
#[derive(Debug, Default)]
pub struct SoundSpace {}

impl SoundSpace {
    /// Adds a reference's sound; the number must be new.
    pub fn insert(&mut self, _reference: RefId, _print: &Print) {}

    /// Takes a reference out.
    pub fn remove(&mut self, _reference: RefId) {}

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, _probe: &Probe) -> Vec<Segment> {
        Vec::new()
    }
}
