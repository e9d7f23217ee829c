//! High dynamic range down to standard, so that both versions of a film look alike.

/// Luminance of diffuse white in cd/m² (ITU-R BT.2408).
const WHITE: f64 = 203.0;
/// Above this share of white, what is brighter is squeezed into the rest.
const KNEE: f64 = 0.8;

/// For each full-range 8-bit code of the perceptual quantiser (SMPTE ST 2084), the code of a standard display of gamma
/// 2.4 (ITU-R BT.1886) that is as bright, with highlights rolled off.
pub(super) fn from_pq() -> [u8; 256] {
    std::array::from_fn(|code| {
        let standard = (luminance(code as f64 / 255.0) / WHITE).powf(1.0 / 2.4);
        let over = (standard - KNEE).max(0.0) / (1.0 - KNEE);
        let shown = standard.min(KNEE) + (1.0 - KNEE) * (1.0 - (-over).exp());
        (shown * 255.0).round() as u8
    })
}

/// The electro-optical transfer function of SMPTE ST 2084, in cd/m².
fn luminance(signal: f64) -> f64 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 4096.0 * 32.0, 2392.0 / 4096.0 * 32.0);
    let root = signal.powf(1.0 / m2);
    10_000.0 * ((root - c1).max(0.0) / (c2 - c3 * root)).powf(1.0 / m1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luminances_of_the_standard() {
        // ITU-R BT.2408, table 1: signal in per cent, luminance.
        for (signal, want) in [(0.0, 0.0), (0.58, 203.0), (0.75, 983.0), (1.0, 10_000.0)] {
            let got = luminance(signal);
            assert!((got - want).abs() <= 0.02 * want, "{signal}: {got}");
        }
    }

    #[test]
    fn codes_rise_from_black_to_white() {
        let codes = from_pq();
        assert!(codes.is_sorted());
        assert_eq!((codes[0], codes[255]), (0, 255));
        // Diffuse white stays bright, and leaves room for highlights.
        assert!((225..250).contains(&codes[148]), "{}", codes[148]);
    }
}
