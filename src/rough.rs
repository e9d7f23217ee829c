//! Sorting by the first bits of a number alone, which is enough where it is memory that is to be near.

/// Puts items of the same place together, in the order of the places, of which there are so many: a counting sort of one
/// round. `into` holds at least as many items. Returns where those of each place end.
#[inline]
pub(crate) fn sort<T: Copy>(
    items: &[T],
    places: usize,
    place: impl Fn(&T) -> usize,
    into: &mut [T],
) -> Vec<u32> {
    let mut next = vec![0u32; places + 1];
    items.iter().for_each(|item| next[place(item) + 1] += 1);
    (1..next.len()).for_each(|at| next[at] += next[at - 1]);
    for item in items {
        let at = &mut next[place(item)];
        into[*at as usize] = *item;
        *at += 1;
    }
    next.truncate(places);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_are_sorted_by_their_place_and_stay_in_order_there(items in prop::collection::vec((0usize..20, any::<u16>()), 0..300)) {
            let mut sorted = vec![(0, 0); items.len()];
            let ends = sort(&items, 20, |&(place, _)| place, &mut sorted);
            let mut expected = items;
            expected.sort_by_key(|&(place, _)| place);
            let end = |place: usize| expected.partition_point(|&(of, _)| of <= place) as u32;
            prop_assert_eq!(ends, Vec::from_iter((0..20).map(end)));
            prop_assert_eq!(sorted, expected);
        }
    }
}
