//! How fast a copy may run, and which way.
//!
//! Motion codes compare moments half a second apart. Where a copy runs at half the speed that is a second of the query, and
//! where it runs backwards the earlier moment of the reference comes later. So each pace has a lag of its own, at which the
//! query is read, beside the lines that are looked for.

use crate::picture::motion::LAG;

/// Speeds that are near enough to each other for one lag.
#[derive(Debug)]
pub(super) struct Pace {
    /// Ticks of the query from the moment that shows the earlier one of the reference to the one that shows the later.
    pub(super) lag: isize,
    /// Reference seconds a query second, tried in turn: of equally good ones the first wins.
    pub(super) slopes: &'static [f64],
    /// Decades that this pace has to be better than the usual one: few copies have it, and each pace is one more way to
    /// be misled.
    pub(super) price: f32,
}

/// As most copies run: at the same speed or a little off.
pub(super) const USUAL: Pace = Pace { lag: LAG as isize, slopes: &SLOPES, price: 0.0 };

/// Nearest to 1 first.
const SLOPES: [f64; 21] = [
    1.0, 0.98, 1.02, 0.96, 1.04, 0.94, 1.06, 0.92, 1.08, 0.90, 1.10, 0.88, 1.12, 0.86, 1.14, 0.84, 1.17,
    0.82, 1.20, 0.80, 1.25,
];

/// Much slower, much faster, and backwards.
pub(super) const OTHERS: [Pace; 5] = [
    Pace { lag: 3, slopes: &steps::<19>(0.78, 0.985), price: PRICE },
    Pace { lag: 4, slopes: &steps::<25>(0.59, 0.985), price: PRICE },
    Pace { lag: 6, slopes: &steps::<28>(0.405, 0.985), price: PRICE },
    Pace { lag: 1, slopes: &steps::<46>(1.26, 1.02), price: PRICE },
    Pace { lag: -(LAG as isize), slopes: &backwards(), price: PRICE },
];

const PRICE: f32 = 3.0;

/// Decades by which a line at another speed has to be better than one at the same.
const CHANGED: f32 = 0.5;

impl Pace {
    /// What a moment of the query counts: in slow motion several show one of the reference, and tell no more than that.
    pub(super) fn weight(&self) -> f32 {
        (LAG as f32 / self.lag.unsigned_abs() as f32).min(1.0)
    }

    /// Whether a slope is the least or the greatest: then the next pace may have a better one.
    pub(super) fn is_outermost(&self, slope: f64) -> bool {
        let others = self.slopes;
        others.iter().all(|&other| other <= slope) || others.iter().all(|&other| other >= slope)
    }

    /// Decades by which a line of a slope has to be better than one at the same speed.
    pub(super) fn handicap(&self, slope: f64) -> f32 {
        self.price + if slope == 1.0 { 0.0 } else { CHANGED }
    }
}

const fn backwards() -> [f64; SLOPES.len()] {
    let mut all = SLOPES;
    let mut n = 0;
    while n < all.len() {
        all[n] = -all[n];
        n += 1;
    }
    all
}

const fn steps<const N: usize>(first: f64, step: f64) -> [f64; N] {
    let mut all = [first; N];
    let mut n = 1;
    while n < N {
        all[n] = all[n - 1] * step;
        n += 1;
    }
    all
}
