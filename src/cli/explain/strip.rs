//! The bit-error strip of a match: how much the sound of both differs, moment by moment.

use afterimage::align::{BitErrors, Span};
use std::fmt::Write;

/// Bars of a strip.
const BARS: usize = 240;
/// Units of a bar's width, and of the height of an error rate of a half.
const BAR: usize = 4;
const HEIGHT: f64 = 120.0;
/// Error rate at which two sounds have nothing in common.
const CHANCE: f64 = 0.5;

/// An SVG drawing of a match along the query, from `span.start` to `span.end`: a bar for each short while, as high as its
/// mean bit-error rate, green where both sound the same and red towards a half. Nothing is drawn where either is silent.
pub(super) fn svg(errors: &[BitErrors], span: &Span) -> String {
    let (width, height) = (BARS * BAR, HEIGHT as usize + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"{HEIGHT}\" fill=\"#eee\"/>\n"
    );
    for (bar, rate) in means(errors, span).into_iter().enumerate() {
        let Some(rate) = rate else { continue };
        let share = (rate / CHANCE).min(1.0);
        let tall = (share * HEIGHT).max(1.0);
        // From green by way of yellow to red. Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"{BAR}\" height=\"{tall:.1}\" fill=\"hsl({:.0} 75% 42%)\"/>",
            bar * BAR,
            HEIGHT - tall,
            120.0 * (1.0 - share)
        );
    }
    let ends = [(0, "start", span.start), (width, "end", span.end)];
    for (x, anchor, time) in ends {
        let _ =
            writeln!(out, "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{time:.2} s</text>", height - 4);
    }
    out.push_str("</svg>\n");
    out
}

/// The mean error rate of each bar's time.
fn means(errors: &[BitErrors], span: &Span) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u32); BARS];
    let length = (span.end - span.start).max(f64::MIN_POSITIVE);
    for error in errors {
        let bar = ((error.query - span.start) / length * BARS as f64).max(0.0) as usize;
        let (sum, count) = &mut sums[bar.min(BARS - 1)];
        *sum += error.rate;
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_is_in_a_bar() {
        let error = |query: f64, rate: f64| BitErrors { query, matched: 0.0, rate };
        let span = Span { start: 10.0, end: 20.0 };
        let errors = [error(9.9, 0.25), error(10.0, 0.75), error(15.0, 0.1), error(20.5, 0.2)];
        let means = means(&errors, &span);
        assert_eq!((means[0], means[BARS / 2], means[BARS - 1]), (Some(0.5), Some(0.1), Some(0.2)));
        assert_eq!(means.iter().flatten().count(), 3);
        let drawn = svg(&errors, &span);
        assert_eq!(drawn.matches("hsl(").count(), 3);
        assert!(drawn.contains("10.00 s") && drawn.contains("20.00 s"));
    }

    #[test]
    fn a_moment_long_or_silent_match_is_drawn_empty() {
        let span = Span { start: 3.0, end: 3.0 };
        assert!(!svg(&[], &span).contains("hsl("));
    }
}
