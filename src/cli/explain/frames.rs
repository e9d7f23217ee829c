//! Single frames of a file.

use crate::cli::probe::Reading;
use afterimage::media::{self, Frame, MediaError, Options, Samples, Sink};
use image::GrayImage;
use std::path::Path;
use std::rc::Rc;

/// A frame, which may be shown at several times.
pub(super) type Shot = Rc<GrayImage>;

/// The frames shown at `times`, in seconds; `None` for times after the last frame.
pub(super) fn at(path: &Path, times: &[f64], reading: &Reading) -> Result<Vec<Option<Shot>>, MediaError> {
    let mut wanted: Vec<(f64, usize)> = times.iter().copied().zip(0..).collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut shots = Shots { wanted, found: vec![None; times.len()] };
    let options = Options { picture: true, sound: false, ..reading.options() };
    media::open(path, &options)?.read(&mut shots)?;
    Ok(shots.found)
}

struct Shots {
    /// Times and their places in the list, the next one last.
    wanted: Vec<(f64, usize)>,
    found: Vec<Option<Shot>>,
}

impl Sink for Shots {
    fn frame(&mut self, frame: Frame<'_>) {
        let mut shot = None;
        while let Some(&(time, place)) = self.wanted.last()
            && time <= frame.time
        {
            let luma = &frame.luma;
            let pixel = |x: u32, y: u32| image::Luma([luma.row(y as usize)[x as usize]]);
            let make = || Rc::new(GrayImage::from_fn(luma.width() as u32, luma.height() as u32, pixel));
            self.found[place] = Some(Rc::clone(shot.get_or_insert_with(make)));
            self.wanted.pop();
        }
    }

    fn samples(&mut self, _: Samples<'_>) {}
}
