//! Pictures that show where a reference lies in a query.

use super::frames::Shot;
use afterimage::align::{Placement, Transform};
use image::imageops::{self, FilterType};
use image::{GrayImage, Luma, Rgb, RgbImage};

/// Longer side of a pane in pixels.
const PANE: u32 = 480;
/// Pixels between panes.
const GAP: u32 = 6;
/// The colour of the region that matched.
const REGION: Rgb<u8> = Rgb([255, 64, 32]);
/// What is behind the panes.
const GROUND: Rgb<u8> = Rgb([24, 24, 24]);

/// One moment of a match.
pub(super) struct Moment {
    pub(super) query: Shot,
    pub(super) reference: Option<Shot>,
}

/// A row of panes for a moment: the query with the region that matched, that region as the reference would show it,
/// and the reference if there is a picture of it.
pub(super) fn row(moment: &Moment, transform: &Transform) -> RgbImage {
    let mut panes = Vec::new();
    let (query, zoom) = pane(&moment.query);
    let mut query = imageops::colorops::grayscale_with_type::<Rgb<u8>, _>(&colour(&query));
    if let Some(placement) = &transform.placement {
        let longer = moment.query.width().max(moment.query.height()) as f32 * zoom;
        outline(&mut query, placement, longer);
        panes.push(query);
        // Where there is no picture of the reference, it is taken not to have been squeezed.
        let own = |picture: &GrayImage| [picture.width() as f32, picture.height() as f32];
        let shape = moment.reference.as_deref().map_or_else(|| shape(placement), own);
        panes.push(colour(&pane(&rectified(&moment.query, placement, shape, transform.negative)).0));
    } else {
        panes.push(query);
    }
    panes.extend(moment.reference.as_ref().map(|reference| colour(&pane(reference).0)));
    beside(&panes)
}

/// Pictures below one another.
pub(super) fn stack(rows: &[RgbImage]) -> RgbImage {
    let width = rows.iter().map(RgbImage::width).max().unwrap_or(1);
    let height: u32 = rows.iter().map(|row| row.height() + GAP).sum();
    let mut sheet = RgbImage::from_pixel(width, height.max(1), GROUND);
    let mut y = 0;
    for row in rows {
        imageops::replace(&mut sheet, row, 0, y);
        y += i64::from(row.height() + GAP);
    }
    sheet
}

fn beside(panes: &[RgbImage]) -> RgbImage {
    let width: u32 = panes.iter().map(|pane| pane.width() + GAP).sum();
    let height = panes.iter().map(RgbImage::height).max().unwrap_or(1);
    let mut sheet = RgbImage::from_pixel(width.max(1), height, GROUND);
    let mut x = 0;
    for pane in panes {
        imageops::replace(&mut sheet, pane, x, 0);
        x += i64::from(pane.width() + GAP);
    }
    sheet
}

/// A picture at the size of a pane, and how much larger it became.
fn pane(picture: &GrayImage) -> (GrayImage, f32) {
    let longer = picture.width().max(picture.height()).max(1);
    let zoom = PANE as f32 / longer as f32;
    let side = |side: u32| ((side as f32 * zoom).round() as u32).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    (imageops::resize(picture, width, height, FilterType::Triangle), zoom)
}

fn colour(picture: &GrayImage) -> RgbImage {
    image::DynamicImage::from(picture.clone()).into_rgb8()
}

/// Draws the outline of the reference's picture, its top side twice as thick, in a picture whose longer side has so
/// many pixels.
fn outline(picture: &mut RgbImage, placement: &Placement, longer: f32) {
    let corners = placement.corners.map(|corner| corner.map(|v| v * longer));
    for side in 0..4 {
        let (from, to) = (corners[side], corners[(side + 1) % 4]);
        line(picture, from, to, if side == 0 { 4 } else { 2 });
    }
}

fn line(picture: &mut RgbImage, from: [f32; 2], to: [f32; 2], thick: i32) {
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    // No placement is so far out that its outline would take longer than the picture is worth.
    let steps = dx.abs().max(dy.abs()).ceil().clamp(1.0, 16.0 * PANE as f32) as i32;
    for step in 0..=steps {
        let share = step as f32 / steps as f32;
        let (x, y) = ((from[0] + share * dx) as i32, (from[1] + share * dy) as i32);
        for (u, v) in (0..thick * thick).map(|k| (x + k % thick - thick / 2, y + k / thick - thick / 2)) {
            if let (Ok(u), Ok(v)) = (u32::try_from(u), u32::try_from(v))
                && u < picture.width()
                && v < picture.height()
            {
                picture.put_pixel(u, v, REGION);
            }
        }
    }
}

/// The lengths of the top and of the left side of the region that the reference covers, in longer sides of the query.
fn shape(placement: &Placement) -> [f32; 2] {
    let [origin, right, _, down] = placement.corners;
    [right, down].map(|corner| (corner[0] - origin[0]).hypot(corner[1] - origin[1]))
}

/// The region of the query that the reference, which has this shape, covers, laid out as the reference is; black outside
/// the query.
fn rectified(query: &GrayImage, placement: &Placement, shape: [f32; 2], negative: bool) -> GrayImage {
    let longer = query.width().max(query.height()) as f32;
    let corners = placement.corners.map(|corner| corner.map(|v| v * longer));
    let zoom = PANE as f32 / shape[0].max(shape[1]).max(f32::MIN_POSITIVE);
    let [width, height] = shape.map(|side| ((side * zoom) as u32).clamp(1, PANE));
    GrayImage::from_fn(width, height, |x, y| {
        let (u, v) = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
        // Bilinear between all four: a screen that was filmed at an angle has sides of different lengths.
        let shares = [(1.0 - u) * (1.0 - v), u * (1.0 - v), u * v, (1.0 - u) * v];
        let at = |k: usize| shares.iter().zip(&corners).map(|(s, corner)| s * corner[k]).sum::<f32>().floor();
        let (x, y) = (at(0), at(1));
        if x < 0.0 || y < 0.0 || x >= query.width() as f32 || y >= query.height() as f32 {
            return Luma([0]);
        }
        let Luma([value]) = *query.get_pixel(x as u32, y as u32);
        Luma([if negative { 255 - value } else { value }])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upright(corners: [[f32; 2]; 4]) -> Placement {
        Placement { corners, scale: 0.5, angle: 0.0 }
    }

    /// A query of 200 × 100, black but for a window that is dark left and bright right.
    fn query() -> GrayImage {
        GrayImage::from_fn(200, 100, |x, y| {
            Luma([if !(50..150).contains(&x) || !(25..75).contains(&y) {
                0
            } else if x < 100 {
                80
            } else {
                200
            }])
        })
    }

    const WINDOW: [[f32; 2]; 4] = [[0.25, 0.125], [0.75, 0.125], [0.75, 0.375], [0.25, 0.375]];

    #[test]
    fn a_window_is_cut_out() {
        let cut = rectified(&query(), &upright(WINDOW), shape(&upright(WINDOW)), false);
        assert_eq!(cut.dimensions(), (480, 240));
        assert_eq!((cut.get_pixel(10, 10).0, cut.get_pixel(470, 230).0), ([80], [200]));
    }

    #[test]
    fn a_squeezed_window_gets_the_shape_of_its_reference() {
        let cut = rectified(&query(), &upright(WINDOW), [9.0, 18.0], false);
        assert_eq!(cut.dimensions(), (240, 480));
        assert_eq!((cut.get_pixel(10, 10).0, cut.get_pixel(230, 470).0), ([80], [200]));
    }

    #[test]
    fn a_mirrored_negative_is_turned_back() {
        let [a, b, c, d] = WINDOW;
        let cut = rectified(&query(), &upright([b, a, d, c]), [2.0, 1.0], true);
        assert_eq!((cut.get_pixel(10, 10).0, cut.get_pixel(470, 230).0), ([55], [175]));
    }

    #[test]
    fn a_window_seen_from_aside_is_straightened() {
        // Bright on a line from the middle of the upper side to the middle of the lower one.
        let query = GrayImage::from_fn(200, 100, |x, _| Luma([if x < 100 { 80 } else { 200 }]));
        let tilted = upright([[0.25, 0.1], [0.75, 0.1], [0.65, 0.4], [0.35, 0.4]]);
        let cut = rectified(&query, &tilted, [2.0, 1.0], false);
        for y in [5, 120, 235] {
            assert_eq!((cut.get_pixel(230, y).0, cut.get_pixel(250, y).0), ([80], [200]), "{y}");
        }
    }

    #[test]
    fn the_outline_is_drawn_and_stays_inside() {
        let mut picture = colour(&query());
        outline(&mut picture, &upright([[0.25, 0.125], [9.0, 0.125], [9.0, 9.0], [0.25, 9.0]]), 200.0);
        assert_eq!(*picture.get_pixel(60, 25), REGION);
        assert_eq!(*picture.get_pixel(50, 90), REGION);
        assert_eq!(*picture.get_pixel(120, 60), Rgb([200; 3]));
    }
}
