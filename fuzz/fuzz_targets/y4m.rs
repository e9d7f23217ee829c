//! Any bytes as a Y4M stream.
#![no_main]

use std::time::Duration;

use afterimage::media::{FrameSource, Options, Y4m};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut options = Options::default();
    options.limits.duration = Duration::from_secs(10);
    options.limits.pixels = 1 << 20;
    let Ok(mut film) = Y4m::new(bytes, &options) else { return };
    while let Ok(Some(frame)) = film.next_frame() {
        assert!(frame.luma.width().max(frame.luma.height()) <= options.max_side as usize);
    }
});
