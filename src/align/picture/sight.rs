//! A closer look at a query in which a reference may be seen.

use super::blocks::Block;
use super::cover;
use super::evidence::{Evidence, Placing};
use super::geometry::{self, Cluster};
use super::guided::{self, STAYS, Tolerance, WANDERS};
use super::lines::{Line, Matrix};
use super::map::Map;
use super::pace::{OTHERS, USUAL};
use super::pieces::together;
use super::track;
use super::votes::{Look, Vote};
use super::{MOST, all};
use crate::align::{Kind, RefId, Segment, Span, Transform};
use crate::picture::motion::RATE;
use crate::picture::{Print, Probe};
use std::ops::Range;
use std::sync::Arc;

/// Different places that must agree on another map than the first one before it is looked at.
const FEWEST_MORE_SEEDS: usize = 3;
/// Different places that must follow any map along which features were compared.
const FEWEST_PLACES: usize = 5;
/// Maps looked at for one reference.
const MOST_MAPS: usize = 4;
/// Lines looked at of one map.
const MOST_LINES: usize = 24;
/// Segments taken from one map.
const MOST_SEGMENTS: usize = 12;
/// Ticks around the votes that are compared as well.
const AROUND: usize = 40;
/// Ticks of the query that are compared at the most: a block has more only where its key frames lie far apart.
const MOST_ROWS: usize = 4_096;
/// Pairs of moments compared for one map.
const MOST_PAIRS: usize = 4_000_000;
/// Decades of a line below which it is not reported.
pub(super) const LEAST: f32 = 2.0;
/// Decades that the features of a segment count for at most: a scene may be seen again at another time.
const ALL_FEATURES: f32 = 6.0;
/// Decades that need no second look.
pub(super) const PLAIN: f32 = 15.0;
/// Places that a map needs to be worth taking the shake out.
const WORTH_STEADYING: usize = 6;
/// Places that a map needs to tell where something else covers the picture.
const WORTH_COVERING: usize = 16;
/// Places that a map needs to be worth looking at other paces than the usual one.
const WORTH_ANOTHER_PACE: usize = 8;
/// Ticks from a line within which a vote lies on it.
const NEAR_LINE: f64 = 3.0;
/// What counts against a segment of the evidence for another moment of the same reference: a conveyor belt looks
/// like itself at any time.
const ELSEWHERE: f32 = 0.8;
/// Decades for each place that a still picture follows, beyond the first ones.
const STILL_PLACE: f64 = 0.5;
/// Places that unrelated pictures may share.
const STILL_FREE: f64 = 6.0;

/// The map that the votes found along one agree on.
fn follow(votes: &[Vote], map: Map, mirrored: bool) -> Option<Cluster> {
    let pairs: Vec<_> = votes.iter().map(|vote| vote.pair).collect();
    let cluster = geometry::follow(&pairs, &all(votes), map, mirrored);
    (cluster.places >= FEWEST_PLACES).then_some(cluster)
}

/// The map that most of `live` votes agree on.
pub(super) fn seed(votes: &[Vote], live: &[usize], look: Look, fewest: usize) -> Option<Cluster> {
    let pairs: Vec<_> = votes.iter().map(|vote| vote.pair).collect();
    geometry::best(&pairs, live, look.mirrored, fewest)
}

/// Parts of a query and of a reference, that may be seen there in one look.
pub(super) struct Sight<'a> {
    pub(super) probe: &'a Probe,
    pub(super) id: RefId,
    /// The reference's.
    pub(super) print: Arc<Print>,
    pub(super) look: Look,
    pub(super) block: Block,
}

/// The moments of either side that are compared.
pub(super) struct Window {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Sight<'_> {
    /// The segments that the votes lead to, their surprise not yet lessened by the number of trials, to which they
    /// add their own.
    pub(super) fn segments(&self, seeds: &[Vote], first: Cluster, trials: &mut f64) -> Vec<Segment> {
        if self.is_the_same() {
            *trials += 1.0;
            let whole = Span { start: 0.0, end: self.probe.rasters.len() as f64 / RATE };
            return vec![self.segment(whole, whole, 1.0, MOST, Some(first.map))];
        }
        let mut found = Vec::new();
        let mut plain = 0.0f32;
        let clusters = self.clusters(seeds, first);
        for (cluster, followers) in &clusters {
            if self.is_still() || self.probe.rasters.len() <= 1 {
                *trials += 1.0;
                found.extend(self.still(cluster, followers));
                continue;
            }
            let window = self.window(followers);
            let evidence = self.along_map(cluster, followers, &window, plain >= PLAIN);
            *trials += evidence.all.trials();
            plain = plain.max(evidence.decades());
            found.extend(self.pieces(evidence, &window));
        }
        // A frame that zooms, pans and turns over the reference has a map for each moment.
        if let Some((cluster, _)) = clusters.first().filter(|_| plain < PLAIN && !self.is_still()) {
            let votes = &self.votes_along(&cluster.map, WANDERS);
            let window = self.window(votes);
            for evidence in self.along_ways(cluster.map, votes, &window) {
                *trials += evidence.all.trials();
                found.extend(self.pieces(evidence, &window));
            }
        }
        found
    }

    /// Whether both are one film, bit for bit. For a second of film there is no other evidence as sure.
    fn is_the_same(&self) -> bool {
        let Look { mirrored, negative, unsqueezed } = self.look;
        let is_whole =
            self.block.query.len() == self.probe.keys.len() && !mirrored && !negative && !unsqueezed;
        is_whole && self.print.is_kept_of(&self.probe.print)
    }

    fn is_still(&self) -> bool {
        self.print.motion.len() <= 1
    }

    /// The maps that votes agree on, `first` among them, each with all pairs of features that follow it.
    fn clusters(&self, seeds: &[Vote], first: Cluster) -> Vec<(Cluster, Vec<Vote>)> {
        let mut live = all(seeds);
        let mut found = Vec::new();
        let mut next = Some(first);
        for _ in 0..MOST_MAPS {
            let Some(lead) = next else { break };
            live.retain(|i| lead.pairs.binary_search(i).is_err());
            next = seed(seeds, &live, self.look, FEWEST_MORE_SEEDS);
            let votes = self.votes_along(&lead.map, STAYS);
            if let Some(cluster) = follow(&votes, lead.map, self.look.mirrored) {
                let followers = cluster.pairs.iter().map(|&i| votes[i]).collect();
                found.push((cluster, followers));
            }
        }
        found
    }

    /// All pairs of features that follow a map.
    fn votes_along(&self, map: &Map, tolerance: Tolerance) -> Vec<Vote> {
        guided::votes(self.probe, &self.print, &self.block, map, self.look, tolerance)
    }

    /// The best evidence that a map that stays can give; `sure` that the reference is there by another one.
    fn along_map(&self, cluster: &Cluster, votes: &[Vote], window: &Window, sure: bool) -> Evidence {
        let stays = |map: Map| Placing::new(vec![Some(map); window.rows.len()]);
        let features = &self.features(votes, window);
        let mut evidence = self.evidence(stays(cluster.map), features, window);
        // Votes from other moments blur the map: those at the moments that it found make a sharper one.
        let sharper = evidence.line.and_then(|line| self.map_along(&line, votes, window));
        if let Some(map) = sharper {
            evidence = evidence.or_better(self.evidence(stays(map), features, window));
        }
        let best = stays(sharper.unwrap_or(cluster.map));
        if !sure && evidence.decades() < PLAIN && cluster.places >= WORTH_STEADYING {
            let steadied = Placing { steadied: true, ..best.clone() };
            evidence = evidence.or_better(self.evidence(steadied, features, window));
        }
        if !sure && evidence.decades() < PLAIN && cluster.places >= WORTH_COVERING {
            let covered = Placing { only: Some(cover::near(votes, self.print.size)), ..best };
            evidence = evidence.or_better(self.evidence(covered, features, window));
        }
        let is_plain =
            evidence.decades() >= PLAIN && evidence.line.is_some_and(|line| !USUAL.is_outermost(line.slope));
        if !sure && !is_plain && cluster.places >= WORTH_ANOTHER_PACE {
            let other = self.at_other_paces(stays, cluster.map, votes, features, window);
            evidence = other.into_iter().fold(evidence, Evidence::or_better);
        }
        if sure { evidence } else { self.or_otherwise(evidence, features, window) }
    }

    /// The best evidence that a map that stays can give if the copy does not run as most do.
    fn at_other_paces(
        &self,
        stays: impl Fn(Map) -> Placing,
        map: Map,
        votes: &[Vote],
        features: &Matrix,
        window: &Window,
    ) -> Option<Evidence> {
        let evidence = self.at_paces(stays(map), &OTHERS, features, window)?;
        let sharper = evidence.line.and_then(|line| self.map_along(&line, votes, window));
        let paces = std::slice::from_ref(evidence.pace());
        let again = sharper.and_then(|map| self.at_paces(stays(map), paces, features, window));
        Some(again.into_iter().fold(evidence, Evidence::or_better))
    }

    /// The evidence that a map for each moment can give: where the frame zooms and turns, and where that is not
    /// plain, as of one that floats; by all votes, by those on the line that was found with them, and steadied.
    fn along_ways(&self, map: Map, votes: &[Vote], window: &Window) -> Vec<Evidence> {
        let features = &self.features(votes, window);
        let tick = |vote: &Vote| self.query_tick(vote).saturating_sub(window.rows.start);
        let (ticks, mirrored) = (window.rows.len(), self.look.mirrored);
        let mut found = Vec::new();
        for floats in [false, true] {
            if found.iter().any(|evidence: &Evidence| evidence.decades() >= PLAIN) {
                break;
            }
            let along = |on: &[Vote]| {
                let way = if floats {
                    track::floating(on, ticks, map, mirrored, tick)
                } else {
                    track::track(on, ticks, mirrored, tick)
                };
                Some(self.evidence(Placing::new(way?), features, window))
            };
            let first = along(votes);
            let line = first.as_ref().and_then(|evidence| evidence.line);
            let sharper = line.and_then(|line| along(&self.on_line(&line, votes, window)));
            let mut ways: Vec<_> = first.into_iter().chain(sharper).collect();
            ways.sort_by(|a, b| a.decades().total_cmp(&b.decades()));
            if let Some(best) = ways.pop() {
                let steadied = best.is_vague().then(|| {
                    let placing = Placing { steadied: true, ..best.placing.clone() };
                    self.or_otherwise(self.evidence(placing, features, window), features, window)
                });
                found.extend(steadied);
                found.push(self.or_otherwise(best, features, window));
            }
            found.extend(ways);
        }
        found
    }

    /// The lines through the evidence, as segments.
    fn pieces(&self, evidence: Evidence, window: &Window) -> Vec<Segment> {
        let Evidence { motion, mut all, line: mut next, placing, late } = evidence;
        let pace = all.pace;
        let mut found = Vec::new();
        for _ in 0..MOST_LINES {
            let wanted = |line: &Line| line.decades >= LEAST && found.len() < MOST_SEGMENTS;
            let Some(mut line) = next.filter(wanted) else { break };
            let moved = motion.along(&line);
            let elsewhere = all.runner_up(&line).max(motion.runner_up(&line)).max(0.0);
            let features = (line.decades - moved).min(ALL_FEATURES);
            line.decades = moved + features - ELSEWHERE * elsewhere - pace.price;
            all.strike(&line);
            next = all.best();
            if line.decades >= LEAST {
                let (mut query, matched) = spans(&line, window, pace.lag);
                query.start += late;
                query.end += late;
                let map = placing.maps[(line.from + line.to) / 2];
                let segment = self.segment(query, matched, line.slope, f64::from(line.decades), map);
                found.push((segment, f64::from(features.max(0.0))));
            }
        }
        together(found, f64::from(ALL_FEATURES))
    }

    /// The map that the votes at the moments of a line agree on.
    fn map_along(&self, line: &Line, votes: &[Vote], window: &Window) -> Option<Map> {
        let votes = self.on_line(line, votes, window);
        Some(seed(&votes, &all(&votes), self.look, FEWEST_PLACES)?.map)
    }

    /// The votes at the moments of a line.
    fn on_line(&self, line: &Line, votes: &[Vote], window: &Window) -> Vec<Vote> {
        let on = |vote: &&Vote| {
            let row = self.query_tick(vote) as f64 - window.rows.start as f64;
            let column = self.reference_tick(vote) as f64 - window.columns.start as f64;
            (line.from as f64 - NEAR_LINE..=line.to as f64 + NEAR_LINE).contains(&row)
                && (line.slope * row + line.start - column).abs() <= NEAR_LINE
        };
        votes.iter().filter(on).copied().collect()
    }

    fn segment(&self, query: Span, matched: Span, speed: f64, decades: f64, map: Option<Map>) -> Segment {
        let placement = map.map(|map| self.as_it_is(map).placement(self.print.size));
        Segment {
            reference: self.id,
            query,
            matched,
            kind: Kind::Picture,
            surprise: decades,
            transform: Transform {
                speed,
                pitch: 0.0,
                mirrored: self.look.mirrored,
                negative: self.look.negative,
                placement,
            },
        }
    }

    /// A single picture has no motion: places that follow the map are all there is to go by.
    fn still(&self, cluster: &Cluster, votes: &[Vote]) -> Option<Segment> {
        let decades = (cluster.places as f64 - STILL_FREE) * STILL_PLACE;
        let query = votes.iter().map(|vote| self.query_tick(vote));
        let reference = votes.iter().map(|vote| self.reference_tick(vote));
        let query = Span { start: query.clone().min()? as f64 / RATE, end: query.max()? as f64 / RATE };
        let matched =
            Span { start: reference.clone().min()? as f64 / RATE, end: reference.max()? as f64 / RATE };
        (decades > 0.0).then(|| self.segment(query, matched, 1.0, decades, Some(cluster.map)))
    }

    fn query_tick(&self, vote: &Vote) -> usize {
        (f64::from(self.probe.keys[vote.query.0 as usize].time) * RATE / 1000.0) as usize
    }

    fn reference_tick(&self, vote: &Vote) -> usize {
        (f64::from(self.print.keys[vote.key as usize].time) * RATE / 1000.0) as usize
    }

    /// The moments of either side that are compared.
    fn window(&self, votes: &[Vote]) -> Window {
        let around = |ticks: &mut dyn Iterator<Item = usize>, end: usize| {
            let (low, high) = ticks.fold((usize::MAX, 0), |(low, high), t| (low.min(t), high.max(t)));
            low.saturating_sub(AROUND).min(end)..(high + AROUND).min(end)
        };
        let rows = around(&mut votes.iter().map(|v| self.query_tick(v)), self.probe.rasters.len());
        let columns = around(&mut votes.iter().map(|v| self.reference_tick(v)), self.print.motion.len());
        let rows = rows.start..rows.end.min(rows.start + MOST_ROWS);
        let most = MOST_PAIRS / rows.len().max(1);
        let end = columns.end.min(columns.start + most);
        Window { rows, columns: columns.start..end }
    }
}

/// Seconds of a line: motion at a tick has been going on since the lag before it, or goes on to the lag behind it.
fn spans(line: &Line, window: &Window, lag: isize) -> (Span, Span) {
    let start = line.from.saturating_sub(lag.max(0) as usize) as f64;
    let end = (line.to as f64 + 1.0 + (-lag).max(0) as f64).min(window.rows.len() as f64);
    let row = window.rows.start as f64;
    let column = |row: f64| ((line.slope * row + line.start + window.columns.start as f64) / RATE).max(0.0);
    let query = Span { start: (start + row) / RATE, end: (end + row) / RATE };
    (query, Span::between(column(start), column(end)))
}
