//! Images, which no other process reads.

use std::io::Cursor;
use std::path::Path;

use afterimage::media::{
    self, Bound, Frame, FrameSource, Image, ImageFormat, MediaError, Options, Samples, Sink,
};
use image::{Delay, DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

#[derive(Default)]
struct Seen(Vec<(usize, usize, f64, Vec<u8>)>);

impl Sink for Seen {
    fn frame(&mut self, frame: Frame<'_>) {
        let (width, height) = (frame.luma.width(), frame.luma.height());
        let pixels = (0..height).flat_map(|y| frame.luma.row(y).to_vec()).collect();
        self.0.push((width, height, frame.time, pixels));
    }

    fn samples(&mut self, _: Samples<'_>) {
        panic!("images are silent");
    }
}

/// Without the program, so that nothing but the readers of this crate can help.
fn alone() -> Options {
    Options { ffmpeg: "no-such-decoder".into(), ..Options::default() }
}

fn read(name: &str, bytes: &[u8]) -> Result<(media::Summary, Seen), MediaError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    let mut seen = Seen::default();
    let summary = media::open(&file, &alone())?.read(&mut seen)?;
    Ok((summary, seen))
}

fn encoded(image: impl Into<DynamicImage>, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gradient(width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| Luma([((x * 200 / width) + (y * 50 / height)) as u8]))
}

#[test]
fn stills_are_one_picture_under_any_name() {
    let grey = gradient(60, 40);
    let rgb = DynamicImage::from(grey.clone()).into_rgb8();
    let deep = DynamicImage::from(grey.clone()).into_rgb16();
    let files = [
        encoded(grey.clone(), image::ImageFormat::Png),
        encoded(rgb.clone(), image::ImageFormat::Png),
        encoded(deep, image::ImageFormat::Png),
        encoded(grey.clone(), image::ImageFormat::Jpeg),
        encoded(rgb.clone(), image::ImageFormat::WebP),
    ];
    for (i, bytes) in files.iter().enumerate() {
        let (summary, seen) = read("film.mp4", bytes).unwrap();
        assert!(summary.still && summary.duration == 0.0 && summary.warnings.is_empty(), "{summary:?}");
        let [(width, height, time, pixels)] = &seen.0[..] else { panic!("one picture") };
        assert_eq!((*width, *height, *time), (60, 40, 0.0));
        let apart = pixels.iter().zip(grey.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(apart <= if i == 3 { 6 } else { 1 }, "{i}: {apart}");
    }
}

#[test]
fn what_is_transparent_is_white() {
    let clear = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 0]));
    let (_, seen) = read("a.png", &encoded(clear, image::ImageFormat::Png)).unwrap();
    assert!(seen.0[0].3.iter().all(|&v| v == 255));
}

#[test]
fn large_images_are_shrunk() {
    let (_, seen) = read("a.png", &encoded(gradient(2000, 1000), image::ImageFormat::Png)).unwrap();
    assert_eq!((seen.0[0].0, seen.0[0].1), (960, 480));
}

#[test]
fn photos_are_turned_as_they_say() {
    let photo = encoded(gradient(64, 32), image::ImageFormat::Jpeg);
    let flat = read("a.jpg", &photo).unwrap().1.0.remove(0).3;
    let at = |pixels: &[u8], width: usize, x: usize, y: usize| pixels[y * width + x];
    for orientation in 1..=8u8 {
        // An EXIF block with one entry, the orientation.
        let mut exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let turned = [&photo[..2], &exif, &photo[2..]].concat();
        let (width, height, _, pixels) = read("a.jpg", &turned).unwrap().1.0.remove(0);
        assert_eq!((width, height), if orientation > 4 { (32, 64) } else { (64, 32) });
        for (x, y) in [(3, 5), (40, 20), (63, 31)] {
            // Where a pixel of the coded picture is to be seen (EXIF 2.3, section 4.6.4).
            let (x2, y2) = match orientation {
                1 => (x, y),
                2 => (63 - x, y),
                3 => (63 - x, 31 - y),
                4 => (x, 31 - y),
                5 => (y, x),
                6 => (31 - y, x),
                7 => (31 - y, 63 - x),
                _ => (y, 63 - x),
            };
            assert_eq!(at(&pixels, width, x2, y2), at(&flat, 64, x, y), "{orientation}");
        }
    }
}

fn gif(delays: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for (i, &delay) in delays.iter().enumerate() {
        let picture = RgbaImage::from_pixel(16, 16, Rgba([40 * i as u8, 40 * i as u8, 40 * i as u8, 255]));
        let delay = Delay::from_numer_denom_ms(delay, 1);
        encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn animations_are_films() {
    // 0 ms stand for 100 ms. At 8 a second: ticks at 0, 125, 250, 375, 500, 625 ms.
    let (summary, seen) = read("a.gif", &gif(&[300, 0, 200, 50])).unwrap();
    assert!(!summary.still);
    assert_eq!(summary.duration, 0.75);
    let shown: Vec<_> = seen.0.iter().map(|(_, _, time, pixels)| (*time, pixels[0] / 39)).collect();
    assert_eq!(shown, [(0.0, 0), (0.125, 0), (0.25, 0), (0.375, 1), (0.5, 2), (0.625, 3)]);
    let (summary, seen) = read("a.gif", &gif(&[300])).unwrap();
    assert!(summary.still && summary.duration == 0.0);
    assert_eq!(seen.0.len(), 1);
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [
        (b"IHDR", [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat()),
        (b"IDAT", vec![0x78, 0x9C, 0, 0]),
    ] {
        bytes.extend((body.len() as u32).to_be_bytes());
        let chunk = [&kind[..], &body].concat();
        bytes.extend(&chunk);
        bytes.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    bytes
}

#[test]
fn enormous_images_are_refused_unread() {
    for side in [100_000, 30_000, u32::MAX >> 1] {
        let error = read("a.png", &png_header(side, side)).err().unwrap();
        assert!(matches!(error, MediaError::Limit { bound: Bound::Pixels, .. }), "{error}");
    }
}

#[test]
fn damaged_images_are_errors_or_warnings() {
    let rgb = RgbImage::from_fn(200, 200, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
    for format in
        [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP, image::ImageFormat::Gif]
    {
        let bytes = encoded(rgb.clone(), format);
        for length in (0..bytes.len()).step_by(bytes.len() / 40) {
            if let Err(error) = read("a", &bytes[..length]) {
                assert!(!matches!(error, MediaError::Io { .. }), "{error}");
            }
        }
    }
    let png = encoded(rgb, image::ImageFormat::Png);
    let (summary, _) = read("a.png", &png[..png.len() / 2]).unwrap();
    assert!(!summary.warnings.is_empty());
}

#[test]
fn pictures_can_be_asked_for_one_at_a_time() {
    let bytes = gif(&[250, 250]);
    let mut source = Image::new(Cursor::new(bytes), ImageFormat::Gif, &Options::default()).unwrap();
    let mut times = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        times.push(frame.time);
    }
    assert_eq!(times, [0.0, 0.125, 0.25, 0.375]);
}

#[test]
fn other_formats_need_the_program() {
    let error = read("a.mkv", b"\x1A\x45\xDF\xA3 and so on").err().unwrap();
    assert!(matches!(&error, MediaError::DecoderMissing { .. }), "{error}");
    assert!(matches!(media::open(Path::new("none.png"), &alone()), Err(MediaError::NotFound { .. })));
}
