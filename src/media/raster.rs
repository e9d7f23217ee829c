//! What is done to whole pictures.

/// How far a picture has to be turned clockwise to stand upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    /// The turn nearest to `degrees` clockwise.
    pub(super) fn from_degrees(degrees: f64) -> Self {
        match (degrees / 90.0).round().rem_euclid(4.0) {
            1.0 => Self::Quarter,
            2.0 => Self::Half,
            3.0 => Self::ThreeQuarters,
            _ => Self::None,
        }
    }

    /// Turns `src`, rows of `width` bytes without padding, into `dst`; returns the new width.
    pub(super) fn apply(self, src: &[u8], width: usize, dst: &mut Vec<u8>) -> usize {
        let height = src.len() / width.max(1);
        dst.clear();
        match self {
            Self::None => dst.extend_from_slice(src),
            Self::Half => dst.extend(src.iter().rev()),
            Self::Quarter => {
                for x in 0..width {
                    dst.extend((0..height).rev().map(|y| src[y * width + x]));
                }
            }
            Self::ThreeQuarters => {
                for x in (0..width).rev() {
                    dst.extend((0..height).map(|y| src[y * width + x]));
                }
            }
        }
        match self {
            Self::None | Self::Half => width,
            Self::Quarter | Self::ThreeQuarters => height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns() {
        // 1 2 3
        // 4 5 6
        let src = [1, 2, 3, 4, 5, 6];
        let mut dst = Vec::new();
        assert_eq!(Turn::Quarter.apply(&src, 3, &mut dst), 2);
        assert_eq!(dst, [4, 1, 5, 2, 6, 3]);
        assert_eq!(Turn::Half.apply(&src, 3, &mut dst), 3);
        assert_eq!(dst, [6, 5, 4, 3, 2, 1]);
        assert_eq!(Turn::ThreeQuarters.apply(&src, 3, &mut dst), 2);
        assert_eq!(dst, [3, 6, 2, 5, 1, 4]);
        assert_eq!(Turn::None.apply(&src, 3, &mut dst), 3);
        assert_eq!(dst, src);
    }

    #[test]
    fn degrees() {
        assert_eq!(Turn::from_degrees(-90.0), Turn::ThreeQuarters);
        assert_eq!(Turn::from_degrees(270.0), Turn::ThreeQuarters);
        assert_eq!(Turn::from_degrees(180.1), Turn::Half);
        assert_eq!(Turn::from_degrees(f64::NAN), Turn::None);
    }
}
