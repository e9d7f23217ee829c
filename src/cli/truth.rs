//! A report against the truth: recall for each attack, localisation, false matches.
//!
//! A pair of a query and a reference counts as found where one of its rows touches a true pair of intervals on both axes.
//! Every row of a pair that the truth does not hold is a false match.

use super::csv;
use super::plot::Scores;
use super::probe::Sense;
use afterimage::align::Span;
use afterimage::decide::Match;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::Path;

/// A point on the line of a match counts as right within this many seconds.
const NEAR: f64 = 0.5;
const STEP: f64 = 0.25;

type Pair = (String, String);

/// What a set of variants really holds.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pairs: BTreeMap<Pair, Copied>,
    queries: BTreeSet<String>,
}

/// What a query holds of a reference.
#[derive(Debug, Default)]
struct Copied {
    attack: String,
    path: String,
    lines: Vec<Line>,
}

/// An interval of the query, and the seconds of the reference where it begins and where it ends.
type Line = (Span, [f64; 2]);

/// Counts of one attack.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    pairs: usize,
    shipped: usize,
    above_false: usize,
    localisation: f64,
}

impl Truth {
    /// Reads a file with the columns query, attack, path, ref, q_start, q_end, r_start and r_end.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string(path)?)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    fn parse(text: &str) -> Result<Self, String> {
        // Spreadsheets begin their files with a mark of the byte order.
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let header = csv::split(lines.next().unwrap_or_default());
        let column = |name: &str| {
            header.iter().position(|h| h == name).ok_or_else(|| format!("there is no column {name:?}"))
        };
        let texts = [column("query")?, column("attack")?, column("path")?, column("ref")?];
        let numbers = [column("q_start")?, column("q_end")?, column("r_start")?, column("r_end")?];
        let mut truth = Self::default();
        for (n, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let fields = csv::split(line);
            let field = |at: usize| fields.get(at).map_or("", String::as_str);
            let [query, attack, path, reference] = texts.map(|at| field(at).to_owned());
            truth.queries.insert(query.clone());
            if reference.is_empty() {
                continue;
            }
            let mut seconds = [0.0; 4];
            for (second, at) in seconds.iter_mut().zip(numbers) {
                *second = field(at)
                    .parse()
                    .ok()
                    .filter(|s: &f64| s.is_finite())
                    .ok_or_else(|| format!("line {}: {:?} is no number of seconds", n + 2, field(at)))?;
            }
            let [q0, q1, r0, r1] = seconds;
            let copied = truth.pairs.entry((query, reference)).or_default();
            copied.attack = attack;
            copied.path = path;
            copied.lines.push((Span { start: q0, end: q1 }, [r0, r1]));
        }
        Ok(truth)
    }

    /// The recall table of a run, and the false matches that act.
    pub(super) fn table(&self, results: &[(String, Vec<Match>)], only: Option<Sense>) -> String {
        let found = by_pair(results);
        let false_pairs: Vec<(&Pair, f64)> = found
            .iter()
            .filter(|(pair, _)| !self.pairs.contains_key(*pair))
            .map(|(pair, rows)| (pair, best(rows)))
            .collect();
        let ceiling = false_pairs.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);

        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        let mut all = Tally::default();
        for (pair, copied) in self.pairs.iter().filter(|(_, copied)| copied.shows_to(only)) {
            let rows = found.get(pair).map_or(&[][..], Vec::as_slice);
            let tally = copied.tally(rows, ceiling);
            tallies.entry(&copied.attack).or_default().add(tally);
            all.add(tally);
        }
        let shipped: Vec<_> = false_pairs.iter().filter(|(_, score)| *score >= 0.0).collect();
        render(&tallies, all, ceiling, &shipped, results.len(), self.unknown(results))
    }

    /// The best score of each pair that came out.
    pub(super) fn scores(&self, results: &[(String, Vec<Match>)], only: Option<Sense>) -> Scores {
        let mut scores = Scores::default();
        for (pair, rows) in by_pair(results) {
            match self.pairs.get(&pair) {
                None => scores.strangers.push(best(&rows)),
                Some(copied) if copied.shows_to(only) => {
                    let there: Vec<&Match> = rows.into_iter().filter(|m| copied.touches(m)).collect();
                    scores.copies.extend((!there.is_empty()).then(|| best(&there)));
                }
                Some(_) => {}
            }
        }
        scores
    }

    fn unknown(&self, results: &[(String, Vec<Match>)]) -> usize {
        results.iter().filter(|(query, _)| !self.queries.contains(query)).count()
    }
}

/// What came out, by query and reference.
fn by_pair(results: &[(String, Vec<Match>)]) -> BTreeMap<Pair, Vec<&Match>> {
    let mut found: BTreeMap<Pair, Vec<&Match>> = BTreeMap::new();
    for (query, matches) in results {
        for m in matches {
            found.entry((query.clone(), m.reference.clone())).or_default().push(m);
        }
    }
    found
}

fn best(rows: &[&Match]) -> f64 {
    rows.iter().map(|m| m.score).fold(f64::NEG_INFINITY, f64::max)
}

impl Copied {
    /// Whether a match lies where something was copied, on both axes.
    fn touches(&self, m: &Match) -> bool {
        let touches = |&(query, [first, last]): &Line| {
            touch(m.query, query) && touch(m.matched, Span::between(first, last))
        };
        self.lines.iter().any(touches)
    }

    /// Whether the evidence survives in what was looked at.
    fn shows_to(&self, only: Option<Sense>) -> bool {
        match only {
            None => true,
            Some(Sense::Picture) => self.path != "audio",
            Some(Sense::Sound) => self.path != "video",
        }
    }

    fn tally(&self, rows: &[&Match], ceiling: f64) -> Tally {
        let shipped = rows.iter().any(|m| m.score >= 0.0 && self.touches(m));
        let lines: Vec<Line> = rows.iter().filter(|m| m.score >= 0.0).map(line).collect();
        Tally {
            pairs: 1,
            shipped: shipped.into(),
            above_false: rows.iter().any(|m| m.score > ceiling && self.touches(m)).into(),
            localisation: if shipped { line_f1(&lines, &self.lines) } else { 0.0 },
        }
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.shipped += other.shipped;
        self.above_false += other.above_false;
        self.localisation += other.localisation;
    }
}

fn touch(a: Span, b: Span) -> bool {
    a.start < b.end && b.start < a.end
}

/// How well the reported lines cover the true ones on the time line, between 0 and 1.
fn line_f1(got: &[Line], truth: &[Line]) -> f64 {
    let share = |of: &[Line], on: &[Line]| {
        let points: Vec<_> = of.iter().flat_map(points).collect();
        points.iter().filter(|p| on.iter().any(|line| lies_on(**p, line))).count() as f64
            / points.len().max(1) as f64
    };
    let (precision, recall) = (share(got, truth), share(truth, got));
    2.0 * precision * recall / (precision + recall).max(1e-9)
}

fn line(found: &&Match) -> Line {
    (found.query, found.transform.ends(found.matched))
}

fn points(&(query, [first, last]): &Line) -> impl Iterator<Item = (f64, f64)> {
    let count = ((query.end - query.start) / STEP).round().max(1.0);
    (0..count as u32).map(move |n| {
        let share = (f64::from(n) + 0.5) / count;
        (query.start + (query.end - query.start) * share, first + (last - first) * share)
    })
}

fn lies_on((q, r): (f64, f64), &(query, [first, last]): &Line) -> bool {
    let share = (q - query.start) / (query.end - query.start).max(1e-6);
    let there = first + (last - first) * share;
    query.start - NEAR <= q && q <= query.end + NEAR && (there - r).abs() <= NEAR
}

fn render(
    tallies: &BTreeMap<&str, Tally>,
    all: Tally,
    ceiling: f64,
    false_matches: &[&(&Pair, f64)],
    queries: usize,
    unknown: usize,
) -> String {
    let mut out = format!("{:28}{:>6}{:>9}{:>9}{:>8}\n", "", "pairs", "shipped", "zero-FP", "local.");
    for (name, t) in tallies.iter().map(|(name, t)| (*name, t)).chain([("ALL", &all)]) {
        let share = |n: usize| 100.0 * n as f64 / t.pairs.max(1) as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name:28}{:6}{:8.1}%{:8.1}%{:8.2}",
            t.pairs,
            share(t.shipped),
            share(t.above_false),
            t.localisation / t.shipped.max(1) as f64
        );
    }
    let ceiling = if ceiling.is_finite() { format!("{ceiling:.2}") } else { "none".to_owned() };
    let _ =
        writeln!(out, "{queries} queries, {} false matches, best false score {ceiling}", false_matches.len());
    if unknown > 0 {
        let _ = writeln!(out, "{unknown} queries are not in the truth; all their matches count as false");
    }
    for ((query, reference), score) in false_matches {
        let _ = writeln!(out, "false: {query} as {reference}, score {score:.2}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage::align::{Kind, Segment, Transform};

    const TRUTH: &str = "query,attack,path,ref,q_start,q_end,r_start,r_end,speed,pitch,mirror\n\
        a.mp4,crop,video,x.mp4,0,10,5,15,1,0,0\n\
        b.mp4,crop,video,x.mp4,0,10,0,10,1,0,0\n\
        c.mp4,mp3,audio,y.mp4,0,10,0,10,1,0,0\n\
        d.mp4,none,both,,,,,,,,\n";

    fn row(reference: &str, score: f64, query: (f64, f64), matched: (f64, f64)) -> Match {
        let segment = Segment {
            reference: 0,
            query: Span { start: query.0, end: query.1 },
            matched: Span { start: matched.0, end: matched.1 },
            kind: Kind::Picture,
            surprise: score,
            transform: Transform {
                speed: 1.0,
                pitch: 0.0,
                mirrored: false,
                negative: false,
                placement: None,
            },
        };
        Match { score, ..Match::new(reference, &segment) }
    }

    fn results() -> Vec<(String, Vec<Match>)> {
        vec![
            ("a.mp4".to_owned(), vec![row("x.mp4", 3.0, (0.0, 10.0), (5.0, 15.0))]),
            // The right reference at a second that was not copied.
            ("b.mp4".to_owned(), vec![row("x.mp4", 9.0, (0.0, 10.0), (20.0, 30.0))]),
            ("c.mp4".to_owned(), vec![row("y.mp4", -0.5, (0.0, 10.0), (0.0, 10.0))]),
            ("d.mp4".to_owned(), vec![row("x.mp4", -1.0, (0.0, 10.0), (0.0, 10.0))]),
        ]
    }

    #[test]
    fn recall_is_counted_by_attack_and_by_sense() {
        let truth = Truth::parse(TRUTH).unwrap();
        let table = truth.table(&results(), None);
        let line = |table: &str, name: &str| {
            let found = table.lines().find(|l| l.starts_with(name)).unwrap();
            found.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line(&table, "crop"), ["2", "50.0%", "50.0%", "1.00"]);
        assert_eq!(line(&table, "mp3"), ["1", "0.0%", "100.0%", "0.00"]);
        assert!(table.contains("4 queries, 0 false matches, best false score -1.00"), "{table}");
        assert!(!truth.table(&results(), Some(Sense::Picture)).contains("mp3"));
    }

    #[test]
    fn a_match_that_the_truth_does_not_hold_is_false() {
        let truth = Truth::parse(TRUTH).unwrap();
        let mut results = results();
        results[3].1[0].score = 4.0;
        results.push(("stranger.mp4".to_owned(), vec![row("y.mp4", 0.0, (0.0, 1.0), (0.0, 1.0))]));
        let table = truth.table(&results, None);
        assert!(table.contains("2 false matches, best false score 4.00"), "{table}");
        assert!(table.contains("false: d.mp4 as x.mp4, score 4.00"));
        assert!(table.contains("1 queries are not in the truth"));
    }

    #[test]
    fn seconds_reported_wrong_and_seconds_not_reported_cost() {
        let line = |a: f64, b: f64, c: f64, d: f64| (Span { start: a, end: b }, [c, d]);
        let truth = [line(0.0, 10.0, 5.0, 15.0)];
        assert!((line_f1(&truth, &truth) - 1.0).abs() < 1e-9);
        assert_eq!(line_f1(&[line(0.0, 10.0, 7.0, 17.0)], &truth), 0.0);
        let half = line_f1(&[line(0.0, 5.0, 5.0, 10.0)], &truth);
        assert!((0.6..0.75).contains(&half), "{half}");
        let backwards = [line(0.0, 10.0, 15.0, 5.0)];
        assert!((line_f1(&backwards, &backwards) - 1.0).abs() < 1e-9);
        assert!(line_f1(&backwards, &truth) < 0.2);
    }
}
