//! Search of a bank's pictures.

use super::{RefId, Segment};
use crate::picture::{Print, Probe};

/// The pictures of many references, searchable.
#[derive(Debug, Default)]
pub struct PictureSpace {}

impl PictureSpace {
    /// Adds a reference's picture; the number must be new.
    pub fn insert(&mut self, _reference: RefId, _print: &Print) {}

    /// Takes a reference out.
    pub fn remove(&mut self, _reference: RefId) {}

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, _probe: &Probe) -> Vec<Segment> {
        Vec::new()
    }
}
