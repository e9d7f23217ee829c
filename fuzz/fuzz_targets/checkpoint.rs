//! Damages the files that are kept beside a bank's log. What is found with them is a match or nothing, and the log says
//! which: never a panic, and never something that is not there.
#![no_main]

use afterimage::media::{Frame, Luma, Samples};
use afterimage::{Bank, Fingerprinter, Probe, Sink};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::SystemTime;

#[path = "../../testdata/synthetic.rs"]
mod synthetic;

/// A film and the files of a bank that holds it.
struct Scene {
    film: Probe,
    files: Vec<(PathBuf, Vec<u8>)>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let film = film();
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    for name in ["one", "two"] {
        bank.add(name, "", film.fingerprint()).unwrap();
    }
    bank.remove("two").unwrap();
    bank.checkpoint().unwrap();
    drop(bank);
    let mut files: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().into(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    Scene { film, files }
});

fuzz_target!(|edits: Vec<(u8, u32, u8)>| {
    let Scene { film, files } = &*SCENE;
    let mut files = files.clone();
    let kept = |path: &PathBuf| !["changes.log", "lock"].contains(&path.to_str().unwrap_or_default());
    let mut beside: Vec<&mut Vec<u8>> =
        files.iter_mut().filter(|(path, _)| kept(path)).map(|(_, bytes)| bytes).collect();
    for &(file, at, change) in &edits {
        let which = usize::from(file) % beside.len();
        let bytes = &mut *beside[which];
        if let Some(byte) = at.checked_rem(bytes.len() as u32).and_then(|at| bytes.get_mut(at as usize)) {
            *byte ^= change;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &mut files {
        if path.ends_with("checkpoint")
            && let Some((content, sum)) = bytes.split_last_chunk_mut::<4>()
        {
            // A checksum that fits, so that what is behind it is reached.
            *sum = crc32fast::hash(content).to_le_bytes();
        }
        std::fs::write(folder.path().join(path), bytes).unwrap();
    }
    let Ok(bank) = Bank::open_read_only(folder.path()) else { return };
    if let Ok(verdict) = bank.check(film, SystemTime::UNIX_EPOCH) {
        assert!(edits.iter().any(|(_, _, change)| *change != 0) || verdict.is_match());
    }
});

fn film() -> Probe {
    let film = synthetic::Film::new(3, 6.0);
    let mut fingerprinter = Fingerprinter::new();
    for n in 0..48 {
        let pixels = film.luma(f64::from(n) / 8.0, 96, 54);
        let luma = Luma::new(96, 54, 96, &pixels).unwrap();
        fingerprinter.frame(Frame { luma, time: f64::from(n) / 8.0 });
    }
    fingerprinter.samples(Samples { mono: &film.sound(0, 48_000, 8000), rate: 8000 });
    fingerprinter.finish().glance()
}
