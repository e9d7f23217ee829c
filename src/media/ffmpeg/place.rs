//! Puts sound where it belongs in time.
//!
//! Where the sample rate or the channels change half way, the program's filters begin anew, and forget how much there
//! was before. So each beginning says its time, in a third channel.

/// Values to a moment: two channels, and at a beginning its time.
pub(super) const VALUES: usize = 3;

/// A jump in time of more seconds is taken for a broken time stamp, and cut to so many. Jumps are filled, with
/// repeated pictures and with silence, which costs time and memory.
pub(super) const JUMP: u32 = 600;

/// What the program puts into the third channel as `t` seconds begin: the moment's number, and a half, so that it is
/// not the zero of all other moments.
pub(super) fn mark(rate: u32) -> String {
    format!("t*{rate}+0.5")
}

/// Samples of both channels that came so far.
#[derive(Debug)]
pub(super) struct Place {
    rate: i64,
    given: u64,
    /// By how much time stamps were cut.
    late: i64,
    /// What is still to be left out.
    drop: i64,
}

impl Place {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate), given: 0, late: 0, drop: 0 }
    }

    /// Moments so far, with the silence between them.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Takes the next moment: how much silence has to go before it, and whether it is to be heard.
    pub(super) fn take(&mut self, mark: f32) -> (u64, bool) {
        let mut silence = 0;
        if mark != 0.0 && mark.is_finite() {
            let most = i64::from(JUMP) * self.rate;
            // A beginning may be anywhere, of which the sum is still far from what fits.
            let time = (mark.floor() as i64).clamp(-(1 << 50), 1 << 50);
            let jump = time - self.late - i64::try_from(self.given).unwrap_or(i64::MAX);
            let gap = if jump < -most { 0 } else { jump.min(most) };
            self.late += jump - gap;
            // As the program's own filter, which lets a millisecond pass.
            let gap = if gap.abs() * 1000 > self.rate { gap } else { 0 };
            self.drop = (-gap).max(0);
            silence = gap.max(0).unsigned_abs();
        }
        let heard = self.drop == 0;
        self.drop -= i64::from(!heard);
        self.given += silence + u64::from(heard);
        (silence, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers what comes of moments with these marks, with zeros for silence.
    fn placed(marks: &[f32]) -> Vec<usize> {
        let mut place = Place::new(1000);
        let mut all = Vec::new();
        for (i, &mark) in marks.iter().enumerate() {
            let (silence, heard) = place.take(mark);
            all.extend((0..silence).map(|_| 0));
            all.extend(heard.then_some(i + 1));
        }
        assert_eq!(place.given(), all.len() as u64);
        all
    }

    #[test]
    fn beginnings_come_at_their_time() {
        assert_eq!(placed(&[0.5, 0.0, 0.0]), [1, 2, 3]);
        assert_eq!(placed(&[3.5, 0.0]), [0, 0, 0, 1, 2]);
        assert_eq!(placed(&[-1.5, 0.0, 0.0, 0.0]), [3, 4]);
        assert_eq!(placed(&[0.5, 0.0, 4.5, 0.0, 6.5]), [1, 2, 0, 0, 3, 4, 5]);
        assert_eq!(placed(&[0.5, 0.0, 0.0, 1.5, 0.0, 0.0]), [1, 2, 3, 6]);
        assert_eq!(placed(&[1.5, 0.0, 0.0]), [1, 2, 3], "a millisecond is nothing");
    }

    #[test]
    fn broken_times_are_cut() {
        let most = (JUMP * 1000) as usize;
        for mark in [f32::MAX, 1e9] {
            // What is cut once stays cut: the same time again is no other jump.
            assert_eq!(placed(&[mark, 0.0, mark]).len(), most + 2, "{mark}");
        }
        assert_eq!(placed(&[0.5, 0.0, f32::MIN, 0.0]), [1, 2, 3, 4]);
        assert_eq!(placed(&[f32::NAN, f32::INFINITY, 0.0]), [1, 2, 3]);
    }
}
