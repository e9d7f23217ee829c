//! PDQ against what its reference makes of the same rasters (`testdata/pdq.py` asks it).

use afterimage::picture::Spectrum;

#[test]
fn hashes_and_qualities_are_those_of_the_reference() {
    let expected = include_str!("../testdata/pdq.csv");
    assert_eq!(expected.lines().count(), 9);
    for line in expected.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |k: usize| fields[k].parse::<usize>().expect("a number");
        let (width, height, seed) = (number(0), number(1), number(2));
        let value = |k: usize| {
            let (c, x, y) = (k % 3, k / 3 % width, k / 3 / width);
            ((x * (x + seed) * 640 / width + 3 * y * y * (seed + 1) + c * x * y) / 97 % 256) as u8
        };
        let rgb: Vec<u8> = (0..3 * width * height).map(value).collect();
        let spectrum = Spectrum::of_rgb(&rgb, width, height).expect("three bytes a pixel");
        assert_eq!(usize::from(spectrum.quality()), number(3), "{line}");
        for (hash, expected) in spectrum.dihedral().iter().zip(&fields[4..]) {
            assert_eq!(hash.to_string(), **expected, "{width} × {height}");
        }
    }
}
