//! A picture of how far the scores of true and of false matches lie apart.

use std::fmt::Write;

/// The best score of each pair of a query and a reference that came out at all.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Of pairs that the truth holds, each with the score of a match that lies where the copy does.
    pub(super) copies: Vec<f64>,
    /// Of pairs that it does not hold.
    pub(super) strangers: Vec<f64>,
}

/// Score of the first bar's left side, and of the last one's right, where all higher scores are counted.
const RANGE: (i32, i32) = (-6, 40);
/// Pixels of a point of score, of a row's height, and around the drawing.
const POINT: i32 = 16;
const ROW: i32 = 150;
const MARGIN: i32 = 40;

/// An SVG drawing: one row of bars for copies, one for strangers, each as high as the logarithm of its count.
pub(super) fn svg(scores: &Scores) -> String {
    let width = (RANGE.1 - RANGE.0) * POINT + 2 * MARGIN;
    let height = 2 * (ROW + MARGIN) + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let rows = [("copies", &scores.copies, "#2a6"), ("strangers", &scores.strangers, "#c33")];
    for (row, (name, scores, colour)) in (0..).zip(rows) {
        let floor = MARGIN + ROW + row * (ROW + MARGIN);
        let bins = counts(scores);
        let tallest = f64::from(bins.iter().copied().max().unwrap_or(0) + 1).ln().max(1.0);
        for (score, &count) in (RANGE.0..).zip(&bins) {
            let tall = (f64::from(ROW) * f64::from(count + 1).ln() / tallest).round() as i32;
            let (x, y) = (at(score), floor - tall);
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{tall}\" fill=\"{colour}\"><title>{count}</title></rect>",
                POINT - 1
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\" text-anchor=\"end\">{} {name}, best score of each</text>",
            at(RANGE.1),
            floor - ROW - 6,
            scores.len()
        );
        for score in (RANGE.0..=RANGE.1).filter(|score| score % 5 == 0) {
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{score}</text>",
                at(score),
                floor + 16
            );
        }
    }
    let _ = writeln!(
        out,
        "<path d=\"M{0} {1}V{2}\" stroke=\"#000\" stroke-dasharray=\"4\"/>",
        at(0),
        MARGIN / 2,
        height - MARGIN
    );
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\">matches act from here on</text>\n</svg>",
        at(0) + 4,
        MARGIN / 2 + 4
    );
    out
}

fn at(score: i32) -> i32 {
    MARGIN + (score - RANGE.0) * POINT
}

/// Pairs in each bar; scores beyond the range count in the first and the last.
fn counts(scores: &[f64]) -> Vec<u32> {
    let mut bins = vec![0; (RANGE.1 - RANGE.0) as usize];
    for score in scores.iter().filter(|score| !score.is_nan()) {
        let bin = (score.floor() - f64::from(RANGE.0)).clamp(0.0, bins.len() as f64 - 1.0) as usize;
        bins[bin] += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_in_a_bar() {
        let bins = counts(&[-99.0, -6.0, -5.1, 0.0, 0.9, 39.5, 1e9, f64::NAN]);
        assert_eq!(bins.iter().sum::<u32>(), 7);
        assert_eq!((bins[0], bins[6], bins[45]), (3, 2, 2));
    }

    #[test]
    fn both_rows_are_drawn() {
        let drawn = svg(&Scores { copies: vec![7.0, 12.0], strangers: vec![-3.0] });
        assert!(drawn.contains("2 copies") && drawn.contains("1 strangers") && drawn.ends_with("</svg>\n"));
    }
}
