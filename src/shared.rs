//! Bytes that many hold and nobody changes.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A stretch of bytes, in memory of their own or in a mapped file. Clones and parts share it.
#[derive(Clone)]
pub(crate) struct Bytes {
    whole: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// All bytes of their owner, which must always be the same.
    pub(crate) fn new(whole: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let range = 0..whole.as_ref().len();
        Self { whole: Arc::new(whole), range }
    }

    /// A part; `None` where it would go on beyond the end.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Self> {
        self.get(range.clone())?;
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Self { whole: Arc::clone(&self.whole), range })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.whole).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::new([])
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_inside() {
        let bytes = Bytes::new(vec![1, 2, 3, 4, 5]);
        let part = bytes.slice(1..4).unwrap();
        assert_eq!(*part, [2, 3, 4]);
        assert_eq!(*part.slice(1..3).unwrap(), [3, 4]);
        assert!(part.slice(1..4).is_none() && bytes.slice(6..6).is_none());
        assert!(part.slice(3..3).unwrap().is_empty());
    }
}
