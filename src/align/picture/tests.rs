//! Small films drawn here: what is a copy is found, and what only looks like one is not.

use super::PictureSpace;
use crate::align::Segment;
use crate::media::{Frame, Luma};
use crate::picture::{Extractor, Probe};
use std::sync::LazyLock;

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
/// Surprise from which a match counts here.
const SURE: f64 = 6.0;

/// A brightness for each pixel and second.
trait Scene: Fn(f32, f32, f32) -> f32 {}

impl<F: Fn(f32, f32, f32) -> f32> Scene for F {}

fn noise(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1)
        ^ (y as u32).wrapping_mul(0x85eb_ca77)
        ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}

/// Value noise with details from 48 pixels down to 6.
fn texture(x: f32, y: f32, seed: u32) -> f32 {
    [48.0, 24.0, 12.0, 6.0]
        .iter()
        .zip([0.4, 0.3, 0.2, 0.1])
        .map(|(cell, weight)| {
            let (u, v) = (x / cell, y / cell);
            let (i, j) = (u.floor(), v.floor());
            let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
            let (s, t) = (smooth(u - i), smooth(v - j));
            let at = |dx: i32, dy: i32| noise(i as i32 + dx, j as i32 + dy, seed + *cell as u32);
            let top = at(0, 0) + s * (at(1, 0) - at(0, 0));
            let bottom = at(0, 1) + s * (at(1, 1) - at(0, 1));
            weight * (top + t * (bottom - top))
        })
        .sum::<f32>()
        * 255.0
}

/// A still room in which eight lamps wander; `paths` chooses their ways.
fn room(seed: u32, paths: u32) -> impl Scene {
    move |x: f32, y: f32, t: f32| {
        let lamps: f32 = (0..8)
            .map(|k| {
                let way = |j: u32| {
                    0.5 + 0.4
                        * (t * (0.8 + 1.6 * noise(k, 7, paths + j)) + 6.3 * noise(k, 9, paths + j)).sin()
                };
                let (dx, dy) = (x - way(1) * WIDTH as f32, y - way(2) * HEIGHT as f32);
                90.0 * (-(dx * dx + dy * dy) / 300.0).exp()
            })
            .sum();
        0.75 * texture(x, y, seed) + lamps
    }
}

fn film(scene: impl Scene, from: f32, seconds: f32) -> Probe {
    film_of([WIDTH, HEIGHT], 4.0, scene, from, seconds)
}

fn film_of([width, height]: [usize; 2], rate: f32, scene: impl Scene, from: f32, seconds: f32) -> Probe {
    let mut extractor = Extractor::default();
    for i in 0..(seconds * rate) as usize {
        let t = i as f32 / rate;
        let pixels: Vec<u8> = (0..width * height)
            .map(|k| scene((k % width) as f32, (k / width) as f32, from + t).clamp(0.0, 255.0) as u8)
            .collect();
        let luma = Luma::new(width, height, width, &pixels).expect("a whole plane");
        extractor.push(Frame { luma, time: f64::from(t) });
    }
    extractor.finish()
}

fn bank() -> PictureSpace {
    static BANK: LazyLock<PictureSpace> = LazyLock::new(|| {
        let mut space = PictureSpace::default();
        space.insert(7, film(room(1, 1), 0.0, 12.0).print());
        space.insert(8, film(room(2, 2), 0.0, 12.0).print());
        space
    });
    BANK.clone()
}

fn search(query: impl Scene, from: f32, seconds: f32) -> Vec<Segment> {
    let mut found = bank().search(&film(query, from, seconds));
    found.retain(|segment| segment.surprise >= SURE);
    found
}

/// `seen` is expected to be found as all of `from..from + seconds` of reference 7.
#[track_caller]
fn is_found(seen: &[Segment], from: f64, seconds: f64) {
    assert!(!seen.is_empty(), "nothing found");
    assert!(seen.iter().all(|s| s.reference == 7), "{seen:?}");
    let best = &seen[0];
    assert!((best.matched.start - best.query.start - from).abs() <= 0.26, "{best:?}");
    assert!(best.query.end - best.query.start >= 0.7 * seconds, "{best:?}");
}

#[test]
fn a_plain_copy_is_found() {
    is_found(&search(room(1, 1), 0.0, 12.0), 0.0, 12.0);
}

#[test]
fn an_excerpt_is_found_where_it_was() {
    is_found(&search(room(1, 1), 4.0, 6.0), 4.0, 6.0);
}

#[test]
fn an_excerpt_that_begins_between_ticks_is_found_by_what_lies_between_them() {
    let slow = |x: f32, y: f32, t: f32| room(1, 1)(x, y, t / 2.0);
    let at_eight = |from, seconds| film_of([WIDTH, HEIGHT], 8.0, slow, from, seconds);
    let mut space = PictureSpace::default();
    space.insert(7, at_eight(0.0, 12.0).print());
    let mut probe = at_eight(3.125, 4.0);
    let best = space.search(&probe).remove(0);
    assert!((best.matched.start - best.query.start - 3.125).abs() < 0.01, "{best:?}");
    probe.between.clear();
    let without = space.search(&probe).first().map_or(0.0, |best| best.surprise);
    assert!(best.surprise > without + 1.0, "{} {without}", best.surprise);
}

#[test]
fn a_film_of_which_hundreds_of_variants_are_banked_is_found() {
    let mut space = bank();
    let variant = film(room(1, 1), 0.0, 12.0);
    (100..500).for_each(|id| space.insert(id, variant.print()));
    let found = space.search(&film(room(1, 1), 0.0, 6.0));
    assert!(found.iter().any(|segment| segment.surprise >= SURE), "{found:?}");
    assert!(found.iter().all(|segment| segment.reference != 8));
}

#[test]
fn an_excerpt_of_a_long_film_of_one_place_is_found_where_it_was() {
    let mut space = PictureSpace::default();
    space.insert(7, film_of([160, 90], 2.0, small_room, 0.0, 120.0).print());
    let found = space.search(&film_of([160, 90], 2.0, small_room, 40.0, 70.0));
    is_found(&found, 40.0, 70.0);
}

/// The room, by half as many pixels.
fn small_room(x: f32, y: f32, t: f32) -> f32 {
    room(1, 1)(2.0 * x, 2.0 * y, t)
}

#[test]
fn frames_that_never_begin_a_second_are_key_frames() {
    let scene = room(1, 1);
    let pixels: Vec<u8> =
        (0..WIDTH * HEIGHT).map(|k| scene((k % WIDTH) as f32, (k / WIDTH) as f32, 0.0) as u8).collect();
    let mut extractor = Extractor::default();
    for n in 0..20 {
        let luma = Luma::new(WIDTH, HEIGHT, WIDTH, &pixels).expect("a whole plane");
        extractor.push(Frame { luma, time: f64::from(n) * 1.001 + 0.3 });
    }
    let probe = extractor.finish();
    assert_eq!(probe.keys.len(), 20);
    assert!(probe.keys.iter().all(|key| !key.features.is_empty() && key.time % 1000 == 250));
}

#[test]
fn a_crop_is_found() {
    let whole = room(1, 1);
    is_found(&search(move |x, y, t| whole(50.0 + 0.7 * x, 25.0 + 0.7 * y, t), 0.0, 12.0), 0.0, 12.0);
}

#[test]
fn a_mirror_image_is_found_and_called_one() {
    let whole = room(1, 1);
    let seen = search(move |x, y, t| whole(WIDTH as f32 - 1.0 - x, y, t), 0.0, 12.0);
    is_found(&seen, 0.0, 12.0);
    assert!(seen[0].transform.mirrored);
}

#[test]
fn a_negative_is_found_and_called_one() {
    let whole = room(1, 1);
    let seen = search(move |x, y, t| 255.0 - whole(x, y, t), 0.0, 12.0);
    is_found(&seen, 0.0, 12.0);
    assert!(seen[0].transform.negative && !seen[0].transform.mirrored);
}

#[test]
fn a_copy_that_is_zoomed_and_panned_over_is_found() {
    let whole = room(1, 1);
    let seen = search(
        move |x, y, t| {
            let zoom = 0.75 + 0.2 * (0.7 * t).sin();
            let (left, top) = (
                WIDTH as f32 * (1.0 - zoom) * 0.5,
                HEIGHT as f32 * (1.0 - zoom) * (0.5 + 0.4 * (0.4 * t).cos()),
            );
            whole(left + zoom * x, top + zoom * y, t)
        },
        0.0,
        12.0,
    );
    is_found(&seen, 0.0, 12.0);
}

#[test]
fn a_copy_that_turns_is_found() {
    let whole = room(1, 1);
    let (x0, y0) = (WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);
    let seen = search(
        move |x, y, t| {
            let (sin, cos) = (0.2 * t).sin_cos();
            let (u, v) = (cos * (x - x0) - sin * (y - y0) + x0, sin * (x - x0) + cos * (y - y0) + y0);
            let inside = (0.0..WIDTH as f32).contains(&u) && (0.0..HEIGHT as f32).contains(&v);
            if inside { whole(u, v, t) } else { 0.0 }
        },
        0.0,
        12.0,
    );
    is_found(&seen, 0.0, 12.0);
}

#[test]
fn a_small_copy_that_floats_over_another_film_is_found() {
    let (whole, other) = (room(1, 1), room(77, 3));
    let seen = search(
        move |x, y, t| {
            let (left, top) = (107.0 + 90.0 * t.sin(), 60.0 + 45.0 * (0.7 * t).cos());
            let (u, v) = (3.0 * (x - left), 3.0 * (y - top));
            let inside = (0.0..WIDTH as f32).contains(&u) && (0.0..HEIGHT as f32).contains(&v);
            if inside { whole(u, v, t) } else { other(x, y, t) }
        },
        0.0,
        12.0,
    );
    is_found(&seen, 0.0, 12.0);
}

#[test]
fn a_copy_squeezed_into_another_shape_is_found_in_its_place() {
    let (bank, whole) = (bank(), room(1, 1));
    for size in [[100, 180], [180, 180], [320, 80]] {
        let [across, down] = [WIDTH as f32 / size[0] as f32, HEIGHT as f32 / size[1] as f32];
        let query = film_of(size, 4.0, |x, y, t| whole(x * across, y * down, t), 0.0, 12.0);
        let mut found = bank.search(&query);
        found.retain(|segment| segment.surprise >= SURE);
        is_found(&found, 0.0, 12.0);
        let [_, _, [x, y], _] = found[0].transform.placement.expect("a picture has a place").corners;
        let [width, height] = query.print().size;
        assert!((x - width).abs() < 0.03 && (y - height).abs() < 0.03, "{size:?}: {found:?}");
    }
}

#[test]
fn frames_that_change_their_shape_keep_their_key_frames_in_step() {
    for sizes in [[[100, 180], [320, 180]], [[320, 180], [100, 180]]] {
        let mut extractor = Extractor::default();
        for (second, [width, height]) in (0u8..).zip(sizes) {
            let pixels = vec![second; width * height];
            let luma = Luma::new(width, height, width, &pixels).expect("a whole plane");
            extractor.push(Frame { luma, time: second.into() });
        }
        let probe = extractor.finish();
        let unsqueezed = probe.seen(true);
        assert!(unsqueezed.is_empty() || unsqueezed.len() == probe.seen(false).len(), "{sizes:?}");
    }
}

#[test]
fn a_tilted_copy_in_a_still_frame_is_found() {
    let whole = room(1, 1);
    let seen = search(
        move |x, y, t| {
            let (u, v) = ((x - 170.0) / 0.6, (y - 80.0) / 0.6);
            let (u, v) = (0.98 * u + 0.2 * v + 160.0, -0.2 * u + 0.98 * v + 90.0);
            let inside = (0.0..WIDTH as f32).contains(&u) && (0.0..HEIGHT as f32).contains(&v);
            if inside { 0.6 * whole(u, v, t) + 40.0 } else { texture(x, y, 99) }
        },
        0.0,
        12.0,
    );
    is_found(&seen, 0.0, 12.0);
    assert!(!seen[0].transform.mirrored);
    let placement = seen[0].transform.placement.expect("a picture has a place");
    assert!((placement.scale - 0.6).abs() < 0.02, "{placement:?}");
    assert!((placement.angle - 11.5).abs() < 2.0, "{placement:?}");
    let [x, y] = placement.corners[0];
    assert!((x - 86.7 / 320.0).abs() < 0.03 && (y - 7.9 / 320.0).abs() < 0.03, "{placement:?}");
}

#[test]
fn a_faster_copy_is_found_with_its_speed() {
    let whole = room(1, 1);
    let seen = search(move |x, y, t| whole(x, y, 1.2 * t), 0.0, 9.0);
    assert!(!seen.is_empty());
    assert!((seen[0].transform.speed - 1.2).abs() < 0.04, "{:?}", seen[0]);
}

#[test]
fn slow_motion_and_time_lapse_are_found_with_their_speed() {
    for speed in [0.5, 0.7, 1.4, 2.0] {
        let whole = room(1, 1);
        let seen = search(move |x, y, t| whole(x, y, speed * t), 0.0, 10.0 / speed);
        let best = seen.first().expect("something found");
        assert!((best.transform.speed / f64::from(speed) - 1.0).abs() < 0.03, "{best:?}");
        assert!(best.matched.end - best.matched.start > 8.0 && best.matched.start < 1.0, "{best:?}");
        assert!(best.query.end - best.query.start > 8.0 / f64::from(speed), "{best:?}");
    }
}

#[test]
fn what_plays_backwards_is_found_and_called_so() {
    let whole = room(1, 1);
    let seen = search(move |x, y, t| whole(x, y, 10.0 - t), 0.0, 8.0);
    let best = seen.first().expect("something found");
    assert!((best.transform.speed + 1.0).abs() < 0.03, "{best:?}");
    assert!((best.matched.start - 2.0).abs() < 0.6 && (best.matched.end - 10.0).abs() < 0.6, "{best:?}");
    assert!((best.beside(3.0) - 7.0).abs() < 0.3, "{best:?}");
}

#[test]
fn the_same_room_at_another_time_is_not_a_copy() {
    let space = bank();
    for (paths, speed) in [(50, 1.0), (60, 1.0), (70, 1.0), (80, 1.0), (90, 0.5), (100, 2.0), (110, -1.0)] {
        let other = room(1, paths);
        let found = space.search(&film(|x, y, t| other(x, y, speed * t), 0.0, 12.0));
        assert!(found.iter().all(|s| s.surprise < SURE), "{found:?}");
    }
}

#[test]
fn still_films_match_nothing() {
    let empty = |x: f32, y: f32, _: f32| 0.75 * texture(x, y, 1);
    assert_eq!(search(empty, 0.0, 8.0), []);
    let mut space = PictureSpace::default();
    for (id, level) in [(1, 0.0), (2, 16.0), (3, 128.0)] {
        space.insert(id, film(move |_, _, _| level, 0.0, 8.0).print());
    }
    space.insert(4, film(empty, 0.0, 8.0).print());
    assert_eq!(space.search(&film(|_, _, _| 0.0, 0.0, 8.0)), []);
    let found = space.search(&film(empty, 0.0, 8.0));
    assert!(found.iter().all(|s| s.surprise < SURE), "{found:?}");
}

#[test]
fn a_removed_reference_is_found_no_more() {
    let mut space = bank();
    let query = film(room(1, 1), 0.0, 6.0);
    assert!(!space.search(&query).is_empty());
    space.remove(7);
    assert!(space.search(&query).iter().all(|s| s.reference != 7));
}

#[test]
fn a_still_is_found_in_a_film_and_a_film_by_a_still() {
    let (still, moving) = (film(room(1, 1), 3.0, 0.25), film(room(1, 1), 0.0, 6.0));
    assert_eq!(still.print().motion.len(), 1);
    for (banked, asked) in [(&still, &moving), (&moving, &still), (&still, &still)] {
        let mut space = PictureSpace::default();
        space.insert(7, banked.print());
        space.insert(8, film(room(2, 2), 0.0, 0.25).print());
        let found = space.search(asked);
        assert!(found.first().is_some_and(|s| s.reference == 7 && s.surprise >= SURE), "{found:?}");
        assert!(found.iter().all(|s| s.reference == 7), "{found:?}");
    }
}
