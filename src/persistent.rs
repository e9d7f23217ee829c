//! A sorted map whose copies share what they have in common.

use std::borrow::Borrow;
use std::sync::Arc;

/// Entries of a chunk.
const MOST: usize = 256;

/// A sorted map that is cheap to clone: a change of one of the clones copies a chunk, the list of chunks, and nothing
/// else.
///
/// It is a B-tree of two levels. With a million entries the list has some thousands, which takes microseconds to copy.
#[derive(Clone, Debug)]
pub(crate) struct Map<K, V> {
    /// Each with its first key.
    chunks: Vec<(K, Chunk<K, V>)>,
    len: usize,
}

type Chunk<K, V> = Arc<Vec<(K, V)>>;

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, chunk) = self.chunks.get(self.place(key))?;
        let at = chunk.binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        chunk.get(at).map(|(_, value)| value)
    }

    /// Puts a value in the place of the one that the key had.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let place = self.place(&key);
        let Some((first, chunk)) = self.chunks.get_mut(place) else {
            self.chunks.push((key.clone(), Arc::new(vec![(key, value)])));
            self.len = 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        match chunk.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => chunk[at].1 = value,
            Err(at) => {
                if at == 0 {
                    first.clone_from(&key);
                }
                chunk.insert(at, (key, value));
                self.len += 1;
                // Chunks that grow at their end, as most do, are left full.
                let keep = if at == MOST { MOST } else { MOST / 2 };
                if chunk.len() > MOST {
                    let rest = chunk.split_off(keep);
                    self.chunks.insert(place + 1, (rest[0].0.clone(), Arc::new(rest)));
                }
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key);
        let (first, chunk) = self.chunks.get_mut(place)?;
        let at = chunk.binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        let chunk = Arc::make_mut(chunk);
        let (_, value) = chunk.remove(at);
        self.len -= 1;
        match chunk.first() {
            Some((key, _)) => first.clone_from(key),
            None => drop(self.chunks.remove(place)),
        }
        Some(value)
    }

    pub(crate) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// All entries in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|(_, chunk)| chunk.iter()).map(|(key, value)| (key, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The chunk that a key is in, if it is in any.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.chunks.partition_point(|(first, _)| first.borrow() <= key).saturating_sub(1)
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(map: &Map<u16, u16>, plain: &BTreeMap<u16, u16>) {
        assert!(map.iter().eq(plain.iter()));
        assert_eq!(map.len(), plain.len());
        assert!(map.chunks.iter().all(|(first, chunk)| chunk.len() <= MOST && chunk[0].0 == *first));
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_its_clones_stay_as_they_were(
            steps in prop::collection::vec((0..800u16, prop::option::of(any::<u16>())), 0..3000),
            rising in 0..1500u16,
        ) {
            let mut map: Map<u16, u16> = (0..rising).map(|key| (key, key)).collect();
            let mut plain: BTreeMap<u16, u16> = (0..rising).map(|key| (key, key)).collect();
            let mut kept = Vec::new();
            for (n, &(key, value)) in steps.iter().enumerate() {
                match value {
                    Some(value) => {
                        map.insert(key, value);
                        plain.insert(key, value);
                    }
                    None => prop_assert_eq!(map.remove(&key), plain.remove(&key)),
                }
                prop_assert_eq!(map.get(&key), plain.get(&key));
                prop_assert_eq!(map.contains(&(key + 1)), plain.contains_key(&(key + 1)));
                if n % 500 == 0 {
                    kept.push((map.clone(), plain.clone()));
                }
            }
            kept.push((map, plain));
            kept.iter().for_each(|(map, plain)| check(map, plain));
        }
    }

    #[test]
    fn a_change_copies_one_chunk() {
        let before: Map<u32, u32> = (0..10_000).map(|key| (key, key)).collect();
        let mut after = before.clone();
        after.insert(5000, 0);
        after.remove(&5001);
        let pairs = before.chunks.iter().zip(&after.chunks);
        assert_eq!(pairs.filter(|(a, b)| !Arc::ptr_eq(&a.1, &b.1)).count(), 1);
        assert_eq!(before.chunks.len(), 10_000usize.div_ceil(MOST));
    }
}
