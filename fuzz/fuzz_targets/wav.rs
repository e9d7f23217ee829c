//! Any bytes as a WAVE file.
#![no_main]

use std::time::Duration;

use afterimage::media::{Options, SampleSource, Wav};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut options = Options::default();
    options.limits.duration = Duration::from_secs(60);
    let Ok(mut sound) = Wav::new(bytes, &options) else { return };
    while let Ok(Some(samples)) = sound.next_samples() {
        assert!(samples.mono.iter().all(|s| s.is_finite()));
    }
});
