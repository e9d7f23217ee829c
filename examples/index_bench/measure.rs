//! Builds, searches and reports.

use crate::clock::{Memory, process_seconds, resident_bytes, thread_seconds};
use crate::{Options, Outcome};
use afterimage::index::{Batch, Hit, Index, Segment, Snapshot};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often all is searched. The first time fills the buffers; without batches the last is timed query by query. Also how
/// often a reader searches beside insertions.
const ROUNDS: usize = 3;

/// Packed codes of a file.
pub(crate) fn read<const W: usize>(file: &Path) -> Outcome<Vec<[u64; W]>> {
    let bytes = std::fs::read(file)?;
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let mut codes = vec![[0; W]; bytes.len() / (8 * W)];
    codes.as_flattened_mut().iter_mut().zip(words).for_each(|(to, from)| *to = from);
    if !rest.is_empty() || bytes.len() % (8 * W) != 0 {
        return Err(format!("{} is not a whole number of codes", file.display()).into());
    }
    Ok(codes)
}

pub(crate) fn run<const W: usize>(options: &Options) -> Outcome<()> {
    if let Some(file) = &options.live {
        let queries = read::<W>(options.queries.as_deref().ok_or("--live needs --queries")?)?;
        let codes = read(file)?;
        // The first round has to have its memory found by the system, the others go on with it.
        (1..=ROUNDS).for_each(|round| live(&codes, &queries, options.radius, round));
        return Ok(());
    }
    let codes = options.codes.as_deref().ok_or("which --codes?")?;
    if let Some(file) = &options.open {
        return open(&read::<W>(codes)?, file);
    }
    let queries = read::<W>(options.queries.as_deref().ok_or("which --queries?")?)?;
    search(codes, &queries, options)
}

fn search<const W: usize>(codes: &Path, queries: &[[u64; W]], options: &Options) -> Outcome<()> {
    let before = resident_bytes();
    let codes = read::<W>(codes)?;
    let count = codes.len();
    let start = thread_seconds();
    let index = build(&codes, options.compact);
    let build_s = thread_seconds() - start;
    drop(codes);
    let bytes_per_code = (resident_bytes() - before) / count.max(1) as f64;
    let snapshot = index.snapshot();
    let Options { radius, batch, .. } = *options;

    let each: Vec<Times> = std::thread::scope(|scope| {
        let threads = options.threads.max(1);
        let shares = queries.chunks(queries.len().div_ceil(threads).max(1));
        let work: Vec<_> =
            shares.map(|share| scope.spawn(|| time_searches(&snapshot, share, radius, batch))).collect();
        work.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut times: Vec<f64> = each.iter().flat_map(|times| times.each.iter().copied()).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times.get((share * (times.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0) * 1e6
    };
    let mean = |seconds: f64| seconds / queries.len().max(1) as f64 * 1e6;
    let total = each.iter().map(|times| times.total).sum();
    let one_by_one: Option<f64> = each.iter().map(|times| times.one_by_one).sum();
    let hits: usize = each.iter().map(|times| times.hits).sum();

    let scans = &queries[..queries.len().min((400_000_000 / count.max(1)).clamp(5, 1000))];
    // By turns, as others may use the memory too.
    let memory = Memory::new((snapshot.distinct() * 8 * W).max(1))?;
    let (mut buffer, mut scan, mut reading) = (Vec::new(), 0.0, 0.0);
    for query in scans {
        let start = thread_seconds();
        let _complete = snapshot.scan_into(query, radius, usize::MAX, &mut buffer);
        scan += thread_seconds() - start;
        reading += memory.seconds();
    }
    let share = reading / scan;
    scan /= scans.len().max(1) as f64;

    if let Some(file) = &options.ids {
        write_ids(file, &snapshot, queries, options)?;
    }
    let mut line = serde_json::json!({
        "codes": count,
        "build_s": build_s,
        "bytes_per_code": bytes_per_code,
        "us_mean": mean(total),
        "us_median": at(0.5),
        "us_p99": at(0.99),
        "us_max": at(1.0),
        "queries_per_s": each.iter().map(|times| times.per_second).sum::<f64>(),
        "hits": hits,
        "scan_us_mean": scan * 1e6,
        "scan_bandwidth_share": share,
    });
    if let Some(seconds) = one_by_one {
        line["one_by_one_us_mean"] = mean(seconds).into();
    }
    println!("{line}");
    Ok(())
}

fn build<const W: usize>(codes: &[[u64; W]], compact: bool) -> Index<W> {
    let index = if compact { Index::compact() } else { Index::default() };
    index.extend(codes.iter().copied().zip(0..));
    index.merge();
    index
}

/// What searches took, in seconds.
#[derive(Default)]
struct Times {
    /// Of each.
    each: Vec<f64>,
    /// Of all.
    total: f64,
    /// Of all one by one, if they were made in batches.
    one_by_one: Option<f64>,
    /// Searches in a second, by the clock on the wall.
    per_second: f64,
    hits: usize,
}

fn time_searches<const W: usize>(
    snapshot: &Snapshot<W>,
    queries: &[[u64; W]],
    radius: u32,
    batch: usize,
) -> Times {
    let mut out = Vec::new();
    let mut one_by_one = |times: &mut Times| {
        times.hits = 0;
        let start = thread_seconds();
        for query in queries {
            let _complete = snapshot.within_into(query, radius, usize::MAX, &mut out);
            times.hits += out.len();
        }
        thread_seconds() - start
    };
    let mut times = Times::default();
    // The first round fills the buffers.
    for _ in 0..ROUNDS - 1 {
        let wall = Instant::now();
        times.total = one_by_one(&mut times);
        times.per_second = queries.len() as f64 / wall.elapsed().as_secs_f64();
    }
    if batch == 0 {
        for query in queries {
            let start = thread_seconds();
            let _complete = snapshot.within_into(query, radius, usize::MAX, &mut out);
            times.each.push(thread_seconds() - start);
        }
        return times;
    }
    // By turns, as memory is not as fast at all times.
    let (mut out, mut alone, mut walls) = (Batch::default(), 0.0, 0.0);
    times.total = 0.0;
    for round in 0..=ROUNDS {
        let seconds = one_by_one(&mut times);
        (times.each, times.hits) = (Vec::new(), 0);
        let (start, wall) = (thread_seconds(), Instant::now());
        for chunk in queries.chunks(batch) {
            let start = thread_seconds();
            snapshot.within_batch_into(chunk, radius, usize::MAX, &mut out);
            let each = (thread_seconds() - start) / chunk.len() as f64;
            times.each.extend(std::iter::repeat_n(each, chunk.len()));
            times.hits += out.iter().map(<[Hit]>::len).sum::<usize>();
        }
        if round > 0 {
            alone += seconds / ROUNDS as f64;
            times.total += (thread_seconds() - start) / ROUNDS as f64;
            walls += wall.elapsed().as_secs_f64();
        }
    }
    times.one_by_one = Some(alone);
    times.per_second = (ROUNDS * queries.len()) as f64 / walls;
    times
}

/// For each query the number of its ids and the ids in ascending order, as 64-bit numbers.
fn write_ids<const W: usize>(
    file: &Path,
    snapshot: &Snapshot<W>,
    queries: &[[u64; W]],
    options: &Options,
) -> Outcome<()> {
    let mut bytes = Vec::new();
    for chunk in queries.chunks(options.batch.max(1)) {
        for hits in snapshot.within_batch(chunk, options.radius).iter() {
            let mut ids: Vec<u64> = hits.iter().map(|hit| hit.id).collect();
            ids.sort_unstable();
            bytes.extend_from_slice(&(ids.len() as u64).to_le_bytes());
            ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
        }
    }
    Ok(std::fs::write(file, bytes)?)
}

/// Codes that are inserted in a second.
const RATE: f64 = 600_000.0;

/// A reader searches while the second half of the codes is inserted, upload by upload.
fn live<const W: usize>(codes: &[[u64; W]], queries: &[[u64; W]], radius: u32, round: usize) {
    let half = codes.len() / 2;
    let index = Index::<W>::default();
    index.extend(codes[..half].iter().copied().zip(0..));
    index.merge();
    let merged = time_searches(&index.snapshot(), queries, radius, 0).total / queries.len() as f64;
    let done = AtomicBool::new(false);
    let before = process_seconds();
    let (seconds, reading, reads) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut count, mut out) = (0, Vec::new());
            let start = thread_seconds();
            // The queries in turn, as those of the merged index: some cost more than others.
            for query in queries.iter().cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                let _complete = index.snapshot().within_into(query, radius, usize::MAX, &mut out);
                count += 1;
            }
            let seconds = thread_seconds() - start;
            (seconds, seconds / f64::from(count))
        });
        let start = Instant::now();
        for (upload, chunk) in codes[half..].chunks(200).enumerate() {
            // No faster than asked for: the question is what the reader sees of it.
            let due = Duration::from_secs_f64((200 * upload) as f64 / RATE);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            index.extend(chunk.iter().copied().zip((half + 200 * upload) as u64..));
        }
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let (reading, reads) = reader.join().unwrap_or((f64::NAN, f64::NAN));
        (seconds, reading, reads)
    });
    let inserting = process_seconds() - before - reading;
    // Twice as many codes now: what they cost at rest.
    index.merge();
    let after = time_searches(&index.snapshot(), queries, radius, 0).total / queries.len() as f64;
    let line = serde_json::json!({
        "round": round,
        "inserted": codes.len() - half,
        "inserts_per_s": (codes.len() - half) as f64 / seconds,
        "insert_cpu_us": inserting / (codes.len() - half) as f64 * 1e6,
        "read_us_merged": merged * 1e6,
        "read_us_merged_after": after * 1e6,
        "read_us_while_inserting": reads * 1e6,
        "ratio": reads / merged,
        "ratio_after": reads / after,
    });
    println!("{line}");
}

fn open<const W: usize>(codes: &[[u64; W]], file: &Path) -> Outcome<()> {
    let ids: Vec<u64> = (0..codes.len() as u64).collect();
    let built = Segment::build(codes, &ids)?;
    let start = Instant::now();
    built.write(file)?;
    let write = start.elapsed().as_secs_f64();
    drop(built);
    let start = Instant::now();
    let segment = Segment::<W>::open(file)?;
    let open = start.elapsed().as_secs_f64();
    let start = Instant::now();
    segment.verify()?;
    let verify = start.elapsed().as_secs_f64();
    let line = serde_json::json!({
        "codes": segment.len(), "file_bytes": segment.bytes(),
        "write_s": write, "open_ms": open * 1e3, "verify_s": verify,
    });
    println!("{line}");
    Ok(())
}
