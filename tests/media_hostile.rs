//! Files that mean harm, and children that must not be left behind.
#![cfg(all(feature = "ffmpeg", target_os = "linux"))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use afterimage::media::{self, Bound, Frame, MediaError, Options, Samples, Sink, Summary};

/// The children of this process are counted: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn own_children() -> Vec<u32> {
    children(std::process::id())
}

fn encode(dir: &Path, name: &str, args: &str) -> PathBuf {
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args.split_whitespace())
        .arg(name)
        .current_dir(dir)
        .status()
        .expect("ffmpeg runs");
    assert!(done.success(), "encodes {name}");
    dir.join(name)
}

const CLIP: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=8 -f lavfi -i sine=440:duration=8";

#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn frame(&mut self, _: Frame<'_>) {
        self.0 += 1;
    }

    fn samples(&mut self, _: Samples<'_>) {
        self.0 += 1;
    }
}

fn read(file: &Path) -> Result<Summary, MediaError> {
    let mut count = Count::default();
    let read = media::open(file, &Options::default())?.read(&mut count);
    assert!(read.is_ok() || count.0 == 0);
    assert_eq!(own_children(), []);
    read
}

#[test]
fn files_that_name_other_files_open_none() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    encode(dir.path(), "clip.ts", CLIP);
    let clip = dir.path().join("clip.ts").display().to_string();
    let scripts = [
        ("list.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\n{clip}\n#EXT-X-ENDLIST\n")),
        (
            "file.m3u8",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\nfile://{clip}\n#EXT-X-ENDLIST\n"),
        ),
        ("passwd.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\nconcat:/etc/passwd\n".to_owned()),
        ("http.m3u8", "#EXTM3U\n#EXTINF:8,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n".to_owned()),
        ("data.m3u8", "#EXTM3U\n#EXTINF:8,\ndata:video/mp2t;base64,R0AAEAA=\n#EXT-X-ENDLIST\n".to_owned()),
        ("list.ffconcat", format!("ffconcat version 1.0\nfile '{clip}'\n")),
        (
            "play.mpd",
            format!(
                "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period>\
                 <AdaptationSet><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{clip}</BaseURL></Representation>\
                 </AdaptationSet></Period></MPD>"
            ),
        ),
        (
            "session.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
                .to_owned(),
        ),
        ("script.txt", format!("file '{clip}'\n").repeat(50)),
        ("scene.svg", format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"{clip}\"/></svg>")),
    ];
    for (name, text) in scripts {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let error = read(&file).expect_err(name);
        assert!(matches!(error, MediaError::Malformed { .. } | MediaError::Unsupported { .. }), "{error}");
    }
}

/// The program has a decoder, and does not open it: each try ends the same.
#[test]
fn a_decoder_that_does_not_start_is_an_error() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let clip = encode(dir.path(), "clip.nut", &format!("{CLIP} -vn -c:a sonic -strict -2"));
    let error = read(&clip).unwrap_err();
    assert!(matches!(error, MediaError::Unsupported { .. }), "{error}");
}

#[test]
fn images_strung_together_are_a_film() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    for (name, codec) in [("film.mjpeg", "mjpeg"), ("film.png", "png")] {
        let film = encode(dir.path(), name, &format!("{CLIP} -an -c:v {codec} -f image2pipe"));
        let summary = read(&film).unwrap();
        assert!(!summary.still && summary.frames == 64, "{name}: {summary:?}");
    }
}

/// What begins as one thing and is another to the program by which it will be published.
#[test]
fn disguises_are_seen_through() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let image = encode(dir.path(), "small.jpg", "-f lavfi -i color=white:size=64x64 -frames:v 1");
    let image = std::fs::read(image).unwrap();
    for (name, coding) in [("film.ts", "-c:a aac"), ("film.h264", "-an")] {
        let film = std::fs::read(encode(dir.path(), name, &format!("{CLIP} {coding}"))).unwrap();
        let file = dir.path().join("small.jpg");
        std::fs::write(&file, [image.as_slice(), &film].concat()).unwrap();
        let summary = read(&file).unwrap();
        assert!(!summary.still && summary.frames >= 60, "{name}: {summary:?}");
    }
    // As well within the image: in comments, and behind its last pixels.
    let film = std::fs::read(dir.path().join("film.ts")).unwrap();
    let comments = film
        .chunks(188 * 340)
        .flat_map(|part| [b"\xFF\xFE", &(part.len() as u16 + 2).to_be_bytes()[..], part].concat());
    let commented = [&image[..2], &comments.collect::<Vec<_>>(), &image[2..]].concat();
    let calm = film.iter().map(|&byte| if byte == 0xFF { 0xFE } else { byte }).collect::<Vec<_>>();
    let (scan, end) = image.split_at(image.len() - 2);
    for (name, file) in [("comments", commented), ("scan", [scan, &calm, end].concat())] {
        std::fs::write(dir.path().join("small.jpg"), file).unwrap();
        let summary = read(&dir.path().join("small.jpg")).unwrap();
        assert!(!summary.still, "{name}: {summary:?}");
    }
    std::fs::write(dir.path().join("small.jpg"), &image).unwrap();
    assert!(read(&dir.path().join("small.jpg")).unwrap().still);

    let song = encode(dir.path(), "song.mp3", "-f lavfi -i sine=440:duration=4 -ar 44100 -ac 2 -b:a 64k");
    let mut wav = std::fs::read(encode(dir.path(), "song.wav", "-i song.mp3 -bitexact -t 1")).unwrap();
    wav.truncate(44);
    wav[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    wav.extend(std::fs::read(song).unwrap());
    std::fs::write(dir.path().join("song.wav"), wav).unwrap();
    let summary = read(&dir.path().join("song.wav")).unwrap();
    assert_eq!(summary.sound.map(|sound| sound.codec).as_deref(), Some("mp3"));
    assert!((summary.duration - 4.0).abs() < 0.2, "{}", summary.duration);
}

/// The last block of samples is what the program publishes.
#[test]
fn sound_behind_other_sound_is_heard() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let short = encode(dir.path(), "short.wav", "-f lavfi -i sine=440:duration=1:sample_rate=8000 -bitexact");
    let long = encode(dir.path(), "long.wav", "-f lavfi -i sine=660:duration=3:sample_rate=8000 -bitexact");
    let both = [std::fs::read(&short).unwrap(), std::fs::read(long).unwrap()[36..].to_vec()].concat();
    std::fs::write(&short, both).unwrap();
    assert!((read(&short).unwrap().duration - 3.0).abs() < 0.1);
}

/// A stream's language is any text, which the program repeats.
#[test]
fn languages_do_not_hide_streams() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let film =
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2 -f lavfi -i sine=440:duration=2 -map 0 -map 1";
    let named = |name: &str| {
        let done = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(film.split_whitespace())
            .args(["-metadata:s:v", &format!("language={name}"), "named.mkv"])
            .current_dir(dir.path())
            .status();
        assert!(done.unwrap().success());
        read(&dir.path().join("named.mkv"))
    };
    let summary = named("x: Data: (").unwrap();
    assert!(summary.frames >= 16 && summary.warnings.is_empty(), "{summary:?}");
    let hidden = named("x: Data: y\n[info]   Stream #0:7: Video: x (attached pic)\n[info]   (");
    assert!(matches!(hidden, Err(MediaError::Malformed { .. })), "{hidden:?}");
}

#[test]
fn a_sink_that_panics_leaves_no_child() {
    struct Panics(u32);
    impl Sink for Panics {
        fn frame(&mut self, _: Frame<'_>) {
            self.0 += 1;
            assert!(self.0 < 3, "enough");
        }
        fn samples(&mut self, _: Samples<'_>) {}
    }
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let clip = encode(dir.path(), "clip.mp4", CLIP);
    let media = media::open(&clip, &Options::default()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| media.read(&mut Panics(0)))).is_err());
    assert_eq!(own_children(), []);
}

#[test]
fn a_limit_leaves_no_child() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let clip = encode(dir.path(), "clip.mp4", CLIP);
    let mut options = Options::default();
    options.limits.duration = Duration::from_secs(1);
    let read = media::open(&clip, &options).unwrap().read(&mut Count::default());
    assert!(matches!(read, Err(MediaError::Limit { bound: Bound::Duration, .. })));
    assert_eq!(own_children(), []);
}

/// Not a test of its own: reads a clip and stays in the sink, until it is killed.
#[test]
fn a_reader_that_waits() {
    struct Waits;
    impl Sink for Waits {
        fn frame(&mut self, _: Frame<'_>) {
            std::thread::sleep(Duration::from_secs(60));
        }
        fn samples(&mut self, _: Samples<'_>) {}
    }
    if let Some(clip) = std::env::var_os("AFTERIMAGE_TEST_CLIP") {
        let _ = media::open(&clip, &Options::default()).unwrap().read(&mut Waits);
    }
}

#[test]
fn the_child_dies_with_its_reader() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    // Much more than the pipes hold, so that the child cannot come to its end.
    let clip = encode(dir.path(), "clip.mp4", &CLIP.replace("320x180", "640x360"));
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_reader_that_waits"])
        .env("AFTERIMAGE_TEST_CLIP", clip)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let wait_for = |what: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !what() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        what()
    };
    assert!(wait_for(&|| !children(reader.id()).is_empty()), "the reader starts a child");
    // Past the program's start, so that it is the decoder that is left alone.
    std::thread::sleep(Duration::from_millis(300));
    let child = children(reader.id());
    assert_eq!(child.len(), 1);
    reader.kill().unwrap();
    reader.wait().unwrap();
    let gone =
        || std::fs::read_to_string(format!("/proc/{}/stat", child[0])).map_or(true, |s| s.contains(") Z "));
    assert!(wait_for(&gone), "the child is gone");
}

#[test]
fn damaged_files_never_do_harm() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    encode(
        dir.path(),
        "clip.mkv",
        "-f lavfi -i testsrc2=size=96x64:rate=12:duration=1 -f lavfi -i sine=440:duration=1",
    );
    let files = [
        ("clip.mp4", "-i clip.mkv"),
        ("clip.webm", "-i clip.mkv -c:v libvpx -c:a libopus"),
        ("clip.avi", "-i clip.mkv"),
        ("clip.gif", "-i clip.mkv"),
        ("clip.jpg", "-i clip.mkv -frames:v 1"),
        ("clip.png", "-i clip.mkv -frames:v 1"),
        ("clip.webp", "-i clip.mkv -frames:v 1"),
        ("clip.wav", "-i clip.mkv"),
        ("clip.y4m", "-i clip.mkv -pix_fmt yuv420p"),
    ];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    for (name, args) in files {
        let whole = std::fs::read(encode(dir.path(), name, args)).unwrap();
        for round in 0..4 {
            let mut bytes = whole.clone();
            match round {
                0 => bytes.truncate(draw(whole.len())),
                1 => (0..8).for_each(|_| bytes[draw(whole.len().min(600))] ^= 1 << draw(8)),
                2 => (0..40).for_each(|_| bytes[draw(whole.len())] = draw(256) as u8),
                _ => {
                    let at = draw(whole.len().min(400).saturating_sub(4));
                    bytes[at..at + 4].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xF0]);
                }
            }
            let file = dir.path().join(format!("{round}-{name}"));
            std::fs::write(&file, bytes).unwrap();
            let begun = Instant::now();
            if let Err(error) = read(&file) {
                assert!(!error.to_string().contains('\n'));
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", file.display());
        }
    }
}
