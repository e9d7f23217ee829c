//! `afterimage explain`: matches as pictures, for those who decide on them.

mod draw;
mod frames;
mod page;
mod strip;

use super::banks::{At, at};
use super::probe::{Probed, Reading, name};
use super::{Failure, Status, warn};
use afterimage::Probe;
use afterimage::align::bit_errors;
use afterimage::bank::Reference;
use afterimage::decide::Match;
use clap::Args;
use draw::Moment;
use frames::Shot;
use image::RgbImage;
use page::Part;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the name of a file with the pictures of a match ends with, behind the match's number.
const PICTURE: &str = "-picture.png";

/// Moments of a match that are shown.
const MOMENTS: usize = 4;

/// Matches of which frames are held together, in a few hundred megabytes at the most: a file is decoded once for them all.
const TOGETHER: usize = 64;

/// Write a page that shows why a file matches: paired frames, with the matched region drawn, and how much the sound differs
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The bank's folder
    bank: PathBuf,
    /// The file
    query: PathBuf,
    /// The folder that the page and its pictures are written to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder with the reference files: a bank holds no pictures of its own
    #[arg(long, value_name = "DIR")]
    references: Option<PathBuf>,
    /// Show matches that are too weak to act, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    reading: Reading,
}

impl Explain {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = at(&self.bank, self.at.at)?;
        self.reading.check_key(&bank, &self.bank)?;
        let Probed { probe, warnings, .. } = self.reading.probe(&self.query)?;
        warn(&self.query, &warnings);
        let verdict = bank.check(&probe, SystemTime::now()).map_err(|e| Failure::file(&self.query, e))?;
        // Pictures of what is banned are nobody else's business.
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(&self.out).map_err(|e| Failure::file(&self.out, e))?;
        let shown: Vec<&Match> = verdict.matches.iter().filter(|m| self.all || m.is_sure()).collect();
        let (mut parts, mut drawn) = (Vec::new(), Vec::new());
        for (number, found) in shown.iter().enumerate() {
            let mut pictures = Vec::new();
            if found.transform.placement.is_some() {
                let file = format!("{:02}{PICTURE}", number + 1);
                drawn.push((*found, self.out.join(&file)));
                pictures.push(file);
            }
            let strip = match bank.get(&found.reference) {
                Some(reference) => self.strip(found, &probe, &reference)?,
                None => None,
            };
            parts.push(Part { found, pictures, strip });
        }
        self.pictures(drawn)?;
        let page = self.out.join("index.html");
        let earlier = fs::read_to_string(&page).unwrap_or_default();
        fs::write(&page, page::page(&name(&self.query), &parts)).map_err(|e| Failure::file(&page, e))?;
        self.remove_others(&earlier, &parts);
        Ok(if verdict.is_match() { Status::Match } else { Status::NoMatch })
    }

    /// Removes the pictures of an earlier page, which this one does not show. One that stays does no harm.
    fn remove_others(&self, earlier: &str, parts: &[Part]) {
        let is_picture = |name: &&str| {
            let number = name.strip_suffix(PICTURE).unwrap_or_default();
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        };
        let is_shown = |name: &str| parts.iter().any(|part| part.pictures.iter().any(|shown| shown == name));
        for name in earlier.split('"').filter(is_picture).filter(|name| !is_shown(name)) {
            let _ = fs::remove_file(self.out.join(name));
        }
    }

    /// How much the sound of both differs, where both have any.
    fn strip(&self, found: &Match, probe: &Probe, reference: &Reference) -> Result<Option<String>, Failure> {
        let fingerprint = reference.fingerprint().map_err(|e| Failure::file(&self.bank, e))?;
        let Match { query, matched, transform, .. } = found;
        let errors = bit_errors(&probe.sound, &fingerprint.sound, *query, *matched, transform);
        Ok((!errors.is_empty()).then(|| strip::svg(&errors, query)))
    }

    /// Writes paired frames of each match to its file.
    fn pictures(&self, mut matches: Vec<(&Match, PathBuf)>) -> Result<(), Failure> {
        matches.sort_by(|(a, _), (b, _)| a.reference.cmp(&b.reference));
        for some in matches.chunks(TOGETHER) {
            let times = some.iter().flat_map(|(found, _)| moments([found.query.start, found.query.end]));
            let shots = frames::at(&self.query, &times.collect::<Vec<_>>(), &self.reading)?;
            let mut shots = shots.chunks(MOMENTS);
            for alike in some.chunk_by(|(a, _), (b, _)| a.reference == b.reference) {
                let times = alike.iter().flat_map(|(found, _)| moments(found.transform.ends(found.matched)));
                let times: Vec<f64> = times.collect();
                let references = match self.reference(&alike[0].0.reference) {
                    Some(path) => frames::at(&path, &times, &self.reading)?,
                    None => vec![None; times.len()],
                };
                for (((found, to), query), reference) in
                    alike.iter().zip(&mut shots).zip(references.chunks(MOMENTS))
                {
                    picture(found, query, reference).save(to).map_err(|e| Failure::file(to, e))?;
                }
            }
        }
        Ok(())
    }

    /// The file of a reference, if it is at hand under the reference's name.
    fn reference(&self, name: &str) -> Option<PathBuf> {
        // A name from the bank must not lead out of the folder.
        let file = Path::new(name).file_name()?;
        Some(self.references.as_ref()?.join(file)).filter(|path| path.is_file())
    }
}

/// The moments between two times that are shown.
fn moments([first, last]: [f64; 2]) -> impl Iterator<Item = f64> {
    (0..MOMENTS).map(move |k| first + (k as f64 + 0.5) / MOMENTS as f64 * (last - first))
}

/// Paired frames of a match.
fn picture(found: &Match, query: &[Option<Shot>], reference: &[Option<Shot>]) -> RgbImage {
    let rows: Vec<_> = query
        .iter()
        .zip(reference)
        .filter_map(|(query, reference)| Some(Moment { query: query.clone()?, reference: reference.clone() }))
        .map(|moment| draw::row(&moment, &found.transform))
        .collect();
    draw::stack(&rows)
}
