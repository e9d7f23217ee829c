//! Cost of sound: extraction beside the bare transform it needs, and the two ways to search beside each other.

use afterimage::align::{SoundPlan, SoundSpace};
use afterimage::media::Samples;
use afterimage::sound::{Extractor, Probe};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use std::hint::black_box;

/// Notes over noise, different for each seed.
fn sound(seed: u32, seconds: u32, rate: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut phase = 0.0f32;
    let mut step = 0.0;
    (0..seconds * rate)
        .map(|n| {
            if n % (rate / 4) == 0 {
                step = (300.0 + (random() % 2_000) as f32) / rate as f32;
            }
            phase = (phase + step).fract();
            0.3 * (phase * std::f32::consts::TAU).sin() + (random() >> 8) as f32 / (1 << 28) as f32
        })
        .collect()
}

fn extract(mono: &[f32], rate: u32) -> Probe {
    let mut extractor = Extractor::default();
    extractor.push(Samples { mono, rate });
    extractor.finish()
}

fn extraction(c: &mut Criterion) {
    const SECONDS: u32 = 20;
    let mut group = c.benchmark_group("sound of 20 s");
    group.throughput(Throughput::Elements(u64::from(SECONDS)));
    for rate in [8_000, 44_100, 48_000] {
        let samples = sound(1, SECONDS, rate);
        group.bench_function(format!("extract at {rate} Hz"), |b| {
            b.iter(|| extract(black_box(&samples), rate))
        });
    }
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(2_048);
    let (mut input, mut output) = (fft.make_input_vec(), fft.make_output_vec());
    group.bench_function("baseline: the transforms alone", |b| {
        b.iter(|| {
            (0..SECONDS * 8_000 / 256).try_for_each(|_| fft.process(black_box(&mut input), &mut output))
        })
    });
    group.finish();
}

fn search(c: &mut Criterion) {
    let mut space = SoundSpace::default();
    for seed in 0..60 {
        space.insert(seed, extract(&sound(seed + 1, 60, 8_000), 8_000).print());
    }
    let query = extract(&sound(7, 24, 8_000), 8_000);
    let mut group = c.benchmark_group("24 s against an hour");
    group.sample_size(10);
    for plan in [SoundPlan::Exhaustive, SoundPlan::Lookup] {
        group.bench_function(format!("{plan:?}"), |b| b.iter(|| space.search_by(black_box(&query), plan)));
    }
    group.finish();
}

criterion_group!(benches, extraction, search);
criterion_main!(benches);
