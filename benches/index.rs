//! Searches in generated codes, each beside the scan that it is measured against.

#[path = "../examples/index_bench/generate.rs"]
#[allow(dead_code)]
mod generate;

use afterimage::index::{Batch, Index};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

const CODES: usize = 200_000;

fn search(criterion: &mut Criterion) {
    let codes = generate::clustered(CODES, 256, 1);
    let index = Index::<4>::default();
    index.extend(codes.iter().copied().zip(0..));
    index.merge();
    let snapshot = index.snapshot();
    let kinds = [
        ("strangers", generate::strangers(256, 500, 2)),
        ("members", generate::members(&codes, 256, 500, 3)),
        ("videos", generate::videos(256, 600, 4)),
    ];
    for (kind, queries) in &kinds {
        let mut group = criterion.benchmark_group(*kind);
        let mut hits = Vec::new();
        for radius in [31, 48] {
            let mut next = queries.iter().cycle();
            group.bench_function(format!("within {radius}"), |bencher| {
                bencher.iter(|| {
                    next.next()
                        .map(|code| black_box(snapshot.within_into(code, radius, usize::MAX, &mut hits)))
                });
            });
        }
        let mut next = queries.iter().cycle();
        group.bench_function("scan", |bencher| {
            bencher.iter(|| {
                next.next().map(|code| black_box(snapshot.scan_into(code, 31, usize::MAX, &mut hits)))
            });
        });
        let mut batch = Batch::default();
        let mut next = queries.chunks_exact(200).cycle();
        group.throughput(Throughput::Elements(200));
        group.bench_function("batch of 200 within 31", |bencher| {
            bencher.iter(|| {
                next.next().map(|codes| snapshot.within_batch_into(codes, 31, usize::MAX, &mut batch))
            });
        });
        group.finish();
    }
    let mut group = criterion.benchmark_group("worst");
    let mut hits = Vec::new();
    group.bench_function("within 31", |bencher| {
        bencher.iter(|| black_box(snapshot.within_into(&[0; 4], 31, usize::MAX, &mut hits)));
    });
    group.bench_function("scan", |bencher| {
        bencher.iter(|| black_box(snapshot.scan_into(&[0; 4], 31, usize::MAX, &mut hits)));
    });
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let codes = generate::clustered(CODES, 256, 1);
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Elements(CODES as u64));
    group.bench_function("in bulk", |bencher| {
        bencher.iter(|| {
            let index = Index::<4>::default();
            index.extend(codes.iter().copied().zip(0..));
            index
        });
    });
    group.finish();
}

/// Shorter than the default, as there are many measurements.
fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = quick(); targets = search, build);
criterion_main!(benches);
