//! What a bank holds after some change, apart from what is needed to search it.

use super::error::ChangeError;
use super::event::{About, Change};
use super::log::Logged;
use crate::align::RefId;
use crate::decide::{InForce, Policies};
use crate::fingerprint::{Fingerprint, FingerprintError, Packed, Spec};
use crate::key::KeyId;
use crate::persistent::Map;
use std::sync::Arc;
use std::time::SystemTime;

/// The longest name or label in bytes.
const TEXT_LIMIT: usize = 4096;

/// What a bank knows of a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Its name, which no other reference of the bank has.
    pub name: String,
    /// What is said of it.
    pub about: About,
    /// When it was banked.
    pub added: SystemTime,
    /// The number of the change that banked it.
    pub sequence: u64,
    /// Seconds, 0 for a still.
    pub duration: f64,
    /// A single picture without sound.
    pub still: bool,
    /// Where in the log its fingerprint is; 0 in a bank that has none.
    pub(super) place: u64,
    /// What is kept of it.
    pub(super) packed: Packed,
}

impl Reference {
    /// What is kept of it, read from the bank's log.
    ///
    /// # Errors
    /// If the log was changed since it was opened.
    pub fn fingerprint(&self) -> Result<Fingerprint, FingerprintError> {
        self.packed.unpack()
    }

    /// Bytes of its fingerprint.
    pub fn bytes(&self) -> usize {
        self.packed.bytes().len()
    }
}

/// All references and policies after the change `sequence`. Clones share what they have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue {
    /// The key that all fingerprints depend on; 0 for none.
    pub(super) key: KeyId,
    pub(super) sequence: u64,
    pub(super) policies: Policies,
    next: RefId,
    ids: Map<Arc<str>, RefId>,
    references: Map<RefId, Arc<Reference>>,
}

/// What a change means to those who search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Inserted(RefId),
    Removed(RefId),
    /// Nothing that is searched.
    Nothing,
}

impl PartialEq for Catalogue {
    fn eq(&self, other: &Self) -> bool {
        (self.sequence, self.next, &self.policies) == (other.sequence, other.next, &other.policies)
            && self.iter().eq(other.iter())
    }
}

impl Catalogue {
    /// What a checkpoint holds.
    pub(super) fn resumed(
        sequence: u64,
        policies: Policies,
        next: RefId,
        references: Vec<(RefId, Reference)>,
    ) -> Self {
        let references: Map<RefId, Arc<Reference>> =
            references.into_iter().map(|(id, reference)| (id, Arc::new(reference))).collect();
        let ids = references.iter().map(|(id, reference)| (reference.name.as_str().into(), *id)).collect();
        Self { sequence, policies, next, ids, references, ..Self::default() }
    }

    /// The number that the next reference gets.
    pub(super) fn next(&self) -> RefId {
        self.next
    }

    /// Whether a change can be made.
    pub(super) fn permits(&self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::Add { name, about, fingerprint } => {
                check_name("the name", name)?;
                check_about(about)?;
                fingerprint.spec.check_against(Spec::keyed(self.key))?;
                // What could be written and not be read again would be the end of the bank.
                fingerprint.check()?;
                match self.get(name) {
                    Some(_) => Err(ChangeError::NameTaken { name: name.clone() }),
                    None => Ok(()),
                }
            }
            Change::Remove { name } => self.check_not_held(self.known(name)?),
            Change::Edit { name, about } => {
                check_about(about)?;
                let reference = self.known(name)?;
                if reference.about.collection == about.collection {
                    return Ok(());
                }
                self.check_not_held(reference)
            }
            Change::Policy { collection, policy } => {
                check_name("the collection", collection)?;
                let problem = policy.and_then(|policy| policy.problem());
                problem.map_or(Ok(()), |cause| Err(ChangeError::Policy { cause }))
            }
        }
    }

    fn known(&self, name: &str) -> Result<&Reference, ChangeError> {
        self.get(name).map(|arc| &**arc).ok_or_else(|| ChangeError::Unknown { name: name.to_owned() })
    }

    fn check_not_held(&self, reference: &Reference) -> Result<(), ChangeError> {
        let collection = &reference.about.collection;
        if self.policies.of(collection).policy.legal_hold {
            let (name, collection) = (reference.name.clone(), collection.clone());
            return Err(ChangeError::Held { name, collection });
        }
        Ok(())
    }

    /// Makes a change that was found to be possible; one that is not is passed over.
    pub(super) fn apply(&mut self, Logged { event, end, packed }: &Logged) -> Effect {
        self.sequence = event.sequence;
        match &event.change {
            Change::Add { name, .. } if self.ids.contains(&**name) => {}
            Change::Add { name, about, fingerprint } => {
                let id = self.next;
                self.next += 1;
                let packed = packed.clone().unwrap_or_else(|| Packed::from(&**fingerprint));
                let reference = Reference {
                    name: name.clone(),
                    about: about.clone(),
                    added: event.time,
                    sequence: event.sequence,
                    duration: fingerprint.duration,
                    still: fingerprint.still,
                    place: end.saturating_sub(packed.bytes().len() as u64),
                    packed,
                };
                self.ids.insert(name.as_str().into(), id);
                self.references.insert(id, Arc::new(reference));
                return Effect::Inserted(id);
            }
            Change::Remove { name } => {
                if let Some(id) = self.ids.remove(&**name) {
                    self.references.remove(&id);
                    return Effect::Removed(id);
                }
            }
            Change::Edit { name, about } => {
                if let Some((id, known)) = self.find(name) {
                    let reference = Reference { about: about.clone(), ..Reference::clone(known) };
                    self.references.insert(id, Arc::new(reference));
                }
            }
            Change::Policy { collection, policy } => {
                let in_force = policy.map(|policy| InForce { version: event.sequence, policy });
                self.policies.set(collection, in_force);
            }
        }
        Effect::Nothing
    }

    /// The same with some of the references only.
    pub(super) fn only(&self, wanted: impl Fn(&Reference) -> bool) -> Self {
        let mut some = self.clone();
        some.references = self.iter().filter(|(_, r)| wanted(r)).map(|(id, r)| (id, Arc::clone(r))).collect();
        some.ids = some.iter().map(|(id, reference)| (reference.name.as_str().into(), id)).collect();
        some
    }

    fn find(&self, name: &str) -> Option<(RefId, &Arc<Reference>)> {
        let id = *self.ids.get(name)?;
        Some((id, self.references.get(&id)?))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Reference>> {
        self.find(name).map(|(_, reference)| reference)
    }

    pub(super) fn reference(&self, id: RefId) -> Option<&Arc<Reference>> {
        self.references.get(&id)
    }

    /// All references by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RefId, &Arc<Reference>)> {
        self.references.iter().map(|(id, reference)| (*id, reference))
    }

    /// All references by name.
    pub(super) fn list(&self) -> Vec<Arc<Reference>> {
        self.ids.iter().filter_map(|(_, id)| self.references.get(id)).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

fn check_about(about: &About) -> Result<(), ChangeError> {
    check_text("the label", &about.label)?;
    check_name("the collection", &about.collection)
}

fn check_name(what: &'static str, text: &str) -> Result<(), ChangeError> {
    if text.is_empty() {
        return Err(ChangeError::Text { what, text: String::new(), cause: "it is empty" });
    }
    check_text(what, text)
}

pub(super) fn check_text(what: &'static str, text: &str) -> Result<(), ChangeError> {
    let cause = if text.len() > TEXT_LIMIT {
        "it is too long"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(ChangeError::Text { what, text: text.chars().take(80).collect(), cause })
}
