//! Many files on several threads, the results in order.

use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// Runs `work` on each of `items` on `jobs` threads and hands the results to `done` in the items' order, each as soon as
/// all before it are there. Once `done` breaks off, no other item is begun.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    progress: &ProgressBar,
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(&T, R) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    // Results that wait for a slow one before them are bounded, and so is the memory they hold.
    let door = Door::new(2 * jobs);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let _closing = door.closed_by_a_panic();
        for _ in 0..jobs.min(items.len()) {
            let (send, next, door, work) = (send.clone(), &next, &door, &work);
            scope.spawn(move || {
                let _closing = door.closed_by_a_panic();
                // Several files at once keep the cores busy: each is then searched on its own thread.
                let _alone = (items.len() > 1 || jobs == 1).then(one_thread);
                while let Some((n, item)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    items.get(n).filter(|_| door.lets_in(n)).map(|item| (n, item))
                } {
                    if send.send((n, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (n, result) in receive {
            early.insert(n, result);
            progress.inc(1);
            while let Some(result) = early.remove(&expected) {
                if items.get(expected).is_some_and(|item| done(item, result).is_break()) {
                    return door.close();
                }
                expected += 1;
            }
            door.open(expected);
        }
    });
}

/// Lets items in that are not too far ahead of the one expected next.
struct Door {
    ahead: usize,
    /// `None` once it is closed.
    expected: Mutex<Option<usize>>,
    moved: Condvar,
}

impl Door {
    fn new(ahead: usize) -> Self {
        Self { ahead, expected: Mutex::new(Some(0)), moved: Condvar::new() }
    }

    fn expected(&self) -> MutexGuard<'_, Option<usize>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until item `n` may begin; `false` if none may any more.
    fn lets_in(&self, n: usize) -> bool {
        let is_early =
            |expected: &mut Option<usize>| expected.is_some_and(|expected| n >= expected + self.ahead);
        let expected =
            self.moved.wait_while(self.expected(), is_early).unwrap_or_else(PoisonError::into_inner);
        expected.is_some()
    }

    /// Lets more in, unless it is closed.
    fn open(&self, next: usize) {
        if let Some(expected) = &mut *self.expected() {
            *expected = next;
        }
        self.moved.notify_all();
    }

    fn close(&self) {
        *self.expected() = None;
        self.moved.notify_all();
    }

    /// Closes it if the thread panics while this is kept: what others wait for will not come.
    fn closed_by_a_panic(&self) -> impl Drop + '_ {
        struct Closing<'a>(&'a Door);
        impl Drop for Closing<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.close();
                }
            }
        }
        Closing(self)
    }
}

/// Keeps parallel loops of this thread on this thread, which also makes its CPU time tell what they cost.
fn one_thread() -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok()
}

/// A progress bar on the error stream, drawn only on a terminal.
pub(super) fn bar(what: &'static str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:>12} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nobody_gets_far_ahead_of_a_slow_item() {
        let (begun, mut most, mut seen) = (AtomicUsize::new(0), 0, Vec::new());
        let work = |item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item.is_multiple_of(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
            *item
        };
        let items: Vec<usize> = (0..100).collect();
        in_order(&items, 3, &ProgressBar::hidden(), work, |item, result| {
            assert_eq!(*item, result);
            most = most.max(begun.load(Ordering::Relaxed) - seen.len());
            seen.push(result);
            if result == 80 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, Vec::from_iter(0..=80));
        assert!((2..=6).contains(&most), "{most}");
        assert!(begun.load(Ordering::Relaxed) < 100);
    }

    #[test]
    #[should_panic = "a scoped thread panicked"]
    fn a_panic_ends_the_others() {
        let items: Vec<usize> = (0..50).collect();
        let work = |item: &usize| {
            std::thread::sleep(Duration::from_millis(1));
            assert_ne!(*item, 3);
        };
        in_order(&items, 4, &ProgressBar::hidden(), work, |_, ()| ControlFlow::Continue(()));
    }
}
