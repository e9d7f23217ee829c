//! The secret of a keyed bank.
//!
//! Whoever can read this crate can try a copy against it at home until the bits that matter have flipped. With a secret
//! that only the operator has, codes are signs of other directions in the same space: each pair of neighbouring
//! coefficients of a description is turned by a secret angle before its signs are taken. Turning changes neither lengths
//! nor what is independent, so that a copy is found as well as without; but which change flips a bit is not known.
//! Choosing or permuting finished bits would not do: a permutation leaves every Hamming distance as it is.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::f32::consts::TAU;
use std::fmt;

/// A secret chosen by the operator. Keep it as a password: it is never written to a bank or to a fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// Tells keys apart without giving them away. 0 stands for no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(pub u32);

impl Key {
    /// The key of a secret, which should have as many random bytes as a good password: 16 or more.
    pub fn new(secret: &[u8]) -> Self {
        Self(Sha256::new().chain_update(b"afterimage key").chain_update(secret).finalize().into())
    }

    /// Its name, the same for the same secret, and 0 for none.
    pub fn id(&self) -> KeyId {
        let [a, b, c, d, ..] = self.block("id", 0);
        KeyId(u32::from_le_bytes([a, b, c, d]).max(1))
    }

    /// Pseudo-random bytes, others for each purpose and number.
    fn block(&self, purpose: &str, number: u32) -> [u8; 32] {
        let keyed = Sha256::new().chain_update(self.0).chain_update(number.to_le_bytes());
        keyed.chain_update(purpose).finalize().into()
    }

    /// Turns for pairs of values, in this order.
    pub(crate) fn turns(&self, purpose: &str, pairs: impl IntoIterator<Item = (usize, usize)>) -> Turns {
        let blocks = (0..).flat_map(|number| self.block(purpose, number));
        let angles = blocks.map(|byte| f32::from(byte) / 256.0 * TAU);
        let turn = |((a, b), angle): ((usize, usize), f32)| {
            let (sin, cos) = angle.sin_cos();
            Turn { a, b, sin, cos }
        };
        Turns(pairs.into_iter().zip(angles).map(turn).collect())
    }
}

impl fmt::Debug for Key {
    /// The name only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id().0)
    }
}

/// Secret turns of pairs of values, one after another.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Vec<Turn>);

#[derive(Clone, Copy, Debug)]
struct Turn {
    a: usize,
    b: usize,
    sin: f32,
    cos: f32,
}

impl Turns {
    /// Turns `values` in place. Pairs beyond their end stay.
    pub(crate) fn apply(&self, values: &mut [f32]) {
        for Turn { a, b, sin, cos } in &self.0 {
            let (Some(&x), Some(&y)) = (values.get(*a), values.get(*b)) else { continue };
            values[*a] = cos * x + sin * y;
            values[*b] = cos * y - sin * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(values: &[f32]) -> f32 {
        values.iter().map(|v| v * v).sum()
    }

    #[test]
    fn turns_keep_lengths_and_depend_on_secret_and_purpose() {
        let pairs = || (0..99).map(|i| (i, i + 1));
        let turned = |secret: &[u8], purpose: &str| {
            let mut values: Vec<f32> = (0..100).map(|i| (i * 37 % 19) as f32 - 9.0).collect();
            let before = length(&values);
            Key::new(secret).turns(purpose, pairs()).apply(&mut values);
            assert!((length(&values) / before - 1.0).abs() < 1e-4);
            values
        };
        let one = turned(b"one", "picture");
        assert_eq!(one, turned(b"one", "picture"));
        assert_ne!(one, turned(b"two", "picture"));
        assert_ne!(one, turned(b"one", "sound"));
    }

    #[test]
    fn a_key_shows_nothing_of_its_secret() {
        let key = Key::new(b"a long secret");
        assert_eq!(format!("{key:?}"), format!("Key({})", key.id().0));
        assert_ne!(key.id(), Key::new(b"another secret").id());
        assert_ne!(key.id(), KeyId::default());
    }
}
