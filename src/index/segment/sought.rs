//! What the codes of a batch look for in the buckets that they share.

use crate::index::kernel::{Member, Needle};
use std::ops::Range;

/// Bits of a fingerprint in which codes may differ and yet be looked for by one comparison. Of more too much would pass
/// that none of them looks for.
const LOOSE: u32 = 2;

/// For each group of codes the needles that it looks for. Its buffers are used again from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Sought {
    /// Without limits, group by group.
    needles: Vec<Needle>,
    /// The whole fingerprints of each needle.
    pub(super) members: Vec<Member>,
    /// The codes that look for each fingerprint.
    pub(super) queries: Vec<u32>,
}

impl Sought {
    pub(super) fn clear(&mut self) {
        self.needles.clear();
        self.members.clear();
        self.queries.clear();
    }

    /// Adds a group of codes, given by their fingerprints and numbers. Fingerprints whose lower halves are the same, or
    /// nearly, should follow each other. Returns which needles are those of the group.
    pub(super) fn add(&mut self, codes: impl Iterator<Item = (u32, u32)>) -> Range<usize> {
        let first = self.needles.len();
        for (print, query) in codes {
            self.add_code(print, query, first);
        }
        first..self.needles.len()
    }

    /// Adds a code to a group whose first needle is `first`.
    fn add_code(&mut self, print: u32, query: u32, first: usize) {
        self.queries.push(query);
        let end = self.queries.len() as u32;
        let needle = self.needles[first..].last_mut();
        // The last of all members is then one of the group.
        if let (Some(_), Some(member)) = (&needle, self.members.last_mut())
            && member.print == print
        {
            member.queries.end = end;
            return;
        }
        let member = self.members.len() as u32;
        self.members.push(Member { print, queries: end - 1..end });
        if let Some(needle) = needle {
            let firm = needle.firm & !(needle.fingerprint ^ print as u16);
            if firm.count_zeros() <= LOOSE {
                needle.firm = firm;
                needle.members.end = member + 1;
                return;
            }
        }
        let members = member..member + 1;
        self.needles.push(Needle { fingerprint: print as u16, firm: u16::MAX, near: 0, limit: 0, members });
    }

    pub(super) fn needles(&self, group: Range<usize>) -> &[Needle] {
        &self.needles[group]
    }

    /// The codes for which a needle stands.
    pub(super) fn queries_of(&self, needle: &Needle) -> impl Iterator<Item = u32> {
        let members = &self.members[needle.members.start as usize..needle.members.end as usize];
        members.iter().flat_map(|member| {
            self.queries[member.queries.start as usize..member.queries.end as usize].iter().copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_code_is_looked_for_once_by_bits_that_it_has(
            groups in prop::collection::vec(prop::collection::vec(
                prop_oneof![any::<u32>(), 0..8u32, (0..32u32).prop_map(|bit| 1 << bit)], 1..20), 1..5),
        ) {
            let mut sought = Sought::default();
            for prints in &groups {
                let codes = prints.iter().copied().zip(0..);
                let group = sought.add(codes);
                let mut seen = Vec::new();
                for needle in sought.needles(group) {
                    prop_assert!(needle.firm.count_zeros() <= LOOSE);
                    for query in sought.queries_of(needle) {
                        let apart = prints[query as usize] as u16 ^ needle.fingerprint;
                        prop_assert_eq!(apart & needle.firm, 0);
                        seen.push(query);
                    }
                    for member in &sought.members[needle.members.start as usize..needle.members.end as usize] {
                        for place in member.queries.clone() {
                            prop_assert_eq!(prints[sought.queries[place as usize] as usize], member.print);
                        }
                    }
                }
                prop_assert_eq!(seen, (0..prints.len() as u32).collect::<Vec<_>>());
            }
        }
    }
}
