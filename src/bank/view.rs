//! A bank's content as it is after some change: what can be asked of it.

use super::catalogue::{Catalogue, Effect};
use super::log::Logged;
use super::watch;
use crate::align::{PictureSpace, Segment, SoundSpace};
use crate::decide::fuse;
use crate::fingerprint::Probe;
use std::ops::Deref;
use std::sync::OnceLock;

/// A catalogue that can be searched.
///
/// What is needed for that is made by the first search: to look after a bank takes none of it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    catalogue: Catalogue,
    spaces: OnceLock<Spaces>,
}

#[derive(Clone, Debug, Default)]
struct Spaces {
    picture: PictureSpace,
    sound: SoundSpace,
}

impl Spaces {
    fn of(catalogue: &Catalogue) -> Self {
        let mut spaces = Self::default();
        let Self { picture, sound } = &mut spaces;
        // On a thread of its own: those of a pool, all of which may wait for this, must have no part in it.
        let done = std::thread::scope(|scope| {
            let by_sound = scope.spawn(|| {
                let prints = catalogue.iter().filter_map(|(id, r)| Some((id, r.packed.sound().ok()?)));
                prints.for_each(|(id, print)| sound.insert(id, &print));
            });
            picture.extend(catalogue.iter().filter_map(|(id, r)| Some((id, r.packed.picture().ok()?))));
            by_sound.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        spaces
    }
}

impl Deref for View {
    type Target = Catalogue;

    fn deref(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl From<Catalogue> for View {
    fn from(catalogue: Catalogue) -> Self {
        Self { catalogue, spaces: OnceLock::new() }
    }
}

impl View {
    /// What it is after a change that was found to be possible; one that is not is passed over. All but what changes is
    /// shared with this one, which stays as it is.
    pub(super) fn after(&self, events: &[Logged]) -> Self {
        let mut next = self.clone();
        events.iter().for_each(|event| next.apply(event));
        next
    }

    fn apply(&mut self, event: &Logged) {
        let effect = self.catalogue.apply(event);
        let Some(spaces) = self.spaces.get_mut() else { return };
        match effect {
            Effect::Inserted(id) => {
                let packed = self.catalogue.reference(id).map(|reference| &reference.packed);
                spaces.picture.extend(packed.and_then(|packed| Some((id, packed.picture().ok()?))));
                if let Some(print) = packed.and_then(|packed| packed.sound().ok()) {
                    spaces.sound.insert(id, &print);
                }
            }
            Effect::Removed(id) => {
                spaces.picture.remove(id);
                spaces.sound.remove(id);
            }
            Effect::Nothing => {}
        }
    }

    /// What is searched, made where it is missing.
    fn spaces(&self) -> &Spaces {
        self.spaces.get_or_init(|| Spaces::of(self))
    }

    /// Gets ready to be searched at once.
    pub(super) fn prepare(&self) {
        self.spaces();
    }

    /// All segments that `probe` shares with references, picture and sound fused, the surest first.
    pub(super) fn search(&self, probe: &Probe) -> Vec<Segment> {
        let spaces = self.spaces();
        let mut segments = watch::stage("picture", || spaces.picture.search(&probe.picture));
        segments.extend(watch::stage("sound", || spaces.sound.search(&probe.sound)));
        fuse(segments)
    }
}
