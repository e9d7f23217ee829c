//! Linear scans.

use super::{Code, distance};

/// Calls `found` with the place and distance of every code within `radius`, in order.
pub(super) fn within<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    mut found: impl FnMut(usize, u32),
) {
    for (place, stored) in codes.iter().enumerate() {
        let distance = distance(stored, code);
        if distance <= radius {
            found(place, distance);
        }
    }
}
