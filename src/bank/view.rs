//! A bank's content as it is after some change: what can be asked of it.

use super::event::{Change, Event};
use crate::align::{PictureSpace, RefId, Segment, SoundSpace};
use crate::decide::fuse;
use crate::fingerprint::{Fingerprint, Probe};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// What a bank knows of a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Its name, which no other reference of the bank has.
    pub name: String,
    /// The label it was banked with.
    pub label: String,
    /// When it was banked.
    pub added: SystemTime,
    /// The number of the change that banked it.
    pub sequence: u64,
    /// What is kept of it.
    pub fingerprint: Arc<Fingerprint>,
}

/// All references after the change `sequence`, searchable.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) sequence: u64,
    next: RefId,
    ids: BTreeMap<String, RefId>,
    references: BTreeMap<RefId, Arc<Reference>>,
    picture: PictureSpace,
    sound: SoundSpace,
}

impl View {
    /// The same content with a search space of its own.
    pub(super) fn rebuilt(&self) -> Self {
        let mut new = Self { sequence: self.sequence, ..Self::default() };
        for reference in self.references.values() {
            new.insert(Arc::clone(reference));
        }
        new
    }

    /// Makes a change that was found to be possible; one that is not is passed over.
    pub(super) fn apply(&mut self, event: &Event) {
        self.sequence = event.sequence;
        match &event.change {
            Change::Add { name, label, fingerprint } => self.insert(Arc::new(Reference {
                name: name.clone(),
                label: label.clone(),
                added: event.time,
                sequence: event.sequence,
                fingerprint: Arc::clone(fingerprint),
            })),
            Change::Remove { name } => {
                if let Some(id) = self.ids.remove(name) {
                    self.references.remove(&id);
                    self.picture.remove(id);
                    self.sound.remove(id);
                }
            }
            Change::Relabel { name, label } => {
                if let Some(reference) = self.ids.get(name).and_then(|id| self.references.get_mut(id)) {
                    Arc::make_mut(reference).label.clone_from(label);
                }
            }
        }
    }

    fn insert(&mut self, reference: Arc<Reference>) {
        let id = self.next;
        self.next += 1;
        self.picture.insert(id, &reference.fingerprint.picture);
        self.sound.insert(id, &reference.fingerprint.sound);
        self.ids.insert(reference.name.clone(), id);
        self.references.insert(id, reference);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Reference>> {
        self.references.get(self.ids.get(name)?)
    }

    pub(super) fn reference(&self, id: RefId) -> Option<&Arc<Reference>> {
        self.references.get(&id)
    }

    /// All references by name.
    pub(super) fn list(&self) -> Vec<Arc<Reference>> {
        self.ids.values().filter_map(|id| self.references.get(id)).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// All segments that `probe` shares with references, picture and sound fused, the surest first.
    pub(super) fn search(&self, probe: &Probe) -> Vec<Segment> {
        let mut segments = self.picture.search(&probe.picture);
        segments.extend(self.sound.search(&probe.sound));
        fuse(segments)
    }
}
