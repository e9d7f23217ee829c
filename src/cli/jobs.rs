//! Many files on several threads, the results in order.

use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

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
    let (send, receive) = mpsc::sync_channel(2 * jobs);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let (send, next, work) = (send.clone(), &next, &work);
            scope.spawn(move || {
                // Several files at once keep the cores busy: each is then searched on its own thread.
                let _alone = (items.len() > 1 || jobs == 1).then(one_thread);
                while let Some((n, item)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    items.get(n).map(|item| (n, item))
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
                    // Nobody receives any more, so that the threads end.
                    return;
                }
                expected += 1;
            }
        }
    });
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
