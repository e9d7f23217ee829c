//! A bank's content as it is after some change: what can be asked of it.

use super::catalogue::{Catalogue, Effect};
use super::log::Logged;
use super::watch;
use crate::align::{PictureSpace, RefId, Segment, SoundSpace};
use crate::decide::fuse;
use crate::fingerprint::Probe;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A catalogue that can be searched.
///
/// What is needed for that is made by the first search: to look after a bank takes none of it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    catalogue: Catalogue,
    /// Where to begin from to make `spaces`: what a checkpoint held, or another view of the same bank has made. Views
    /// share an index, so that no two of them may begin to add the same references to it.
    base: Arc<Mutex<Option<Base>>>,
    spaces: OnceLock<Spaces>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    pub(super) picture: PictureSpace,
    pub(super) sound: SoundSpace,
}

/// What was searched after an earlier change.
#[derive(Debug)]
struct Base {
    spaces: Spaces,
    /// The number of that change.
    sequence: u64,
    /// The number of the first reference after it.
    next: RefId,
}

impl Spaces {
    fn of(catalogue: &Catalogue, base: Option<&Base>) -> Self {
        let (mut spaces, next) = base.map_or_else(Default::default, |base| (base.spaces.clone(), base.next));
        let before = base.into_iter().flat_map(|base| base.spaces.picture.prints());
        for (id, _) in before.filter(|(id, _)| catalogue.reference(*id).is_none()) {
            spaces.remove(id);
        }
        let new = || catalogue.iter().filter(|(id, _)| *id >= next);
        let Self { picture, sound } = &mut spaces;
        // On a thread of its own: those of a pool, all of which may wait for this, must have no part in it.
        let done = std::thread::scope(|scope| {
            let by_sound = scope.spawn(|| {
                let prints = new().filter_map(|(id, r)| Some((id, r.packed.sound().ok()?)));
                prints.for_each(|(id, print)| sound.insert(id, &print));
            });
            picture.extend(new().filter_map(|(id, r)| Some((id, r.packed.picture().ok()?))));
            by_sound.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        spaces
    }

    fn remove(&mut self, id: RefId) {
        self.picture.remove(id);
        self.sound.remove(id);
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
        Self { catalogue, ..Self::default() }
    }
}

impl View {
    /// A catalogue that is searched by `spaces`, to be changed before it is searched.
    pub(super) fn resumed(catalogue: Catalogue, spaces: Spaces) -> Self {
        let base = Base { spaces, sequence: catalogue.sequence, next: catalogue.next() };
        Self { catalogue, base: Arc::new(Mutex::new(Some(base))), spaces: OnceLock::new() }
    }

    /// The same with another catalogue.
    pub(super) fn with(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// What it is after a change that was found to be possible; one that is not is passed over. All but what changes is
    /// shared with this one, which stays as it is.
    pub(super) fn after(&self, events: &[Logged]) -> Self {
        let mut next = self.clone();
        events.iter().for_each(|event| next.apply(event));
        if let (Some(_), Ok(mut base)) = (next.spaces.get(), self.base.try_lock()) {
            // Nobody begins from there any more, and it would keep what is removed.
            *base = None;
        }
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
                spaces.remove(id);
            }
            Effect::Nothing => {}
        }
    }

    /// What is searched, made where it is missing.
    pub(super) fn spaces(&self) -> &Spaces {
        self.spaces.get_or_init(|| {
            let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
            let sequence = self.catalogue.sequence;
            let is_later = base.as_ref().is_some_and(|base| base.sequence > sequence);
            // Taken out: whoever tries again after a panic must not add to an index that was left half way.
            let earlier = if is_later { None } else { base.take() };
            let spaces = Spaces::of(self, earlier.as_ref());
            if !is_later {
                *base = Some(Base { spaces: spaces.clone(), sequence, next: self.catalogue.next() });
            }
            spaces
        })
    }

    /// The same, searched by what the log tells and by nothing that was kept.
    pub(super) fn anew(&self) -> Self {
        let view = Self::from(self.catalogue.clone());
        view.prepare();
        view
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
