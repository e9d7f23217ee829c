//! Clocks and gauges.

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread in seconds.
pub(crate) fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// CPU time of all threads in seconds.
pub(crate) fn process_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Bytes of this process in memory, without those that were freed.
pub(crate) fn resident_bytes() -> f64 {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: gives back what the allocator keeps of freed memory, and touches nothing else.
    unsafe {
        libc::malloc_trim(0);
    }
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    resident.unwrap_or(f64::NAN) * rustix::param::page_size() as f64
}

/// Memory that is read to find out how fast that goes.
pub(crate) struct Memory(memmap2::MmapMut);

impl Memory {
    pub(crate) fn new(bytes: usize) -> std::io::Result<Self> {
        let mut memory = memmap2::MmapMut::map_anon(bytes.next_multiple_of(4096))?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        memory.fill(1);
        Ok(Self(memory))
    }

    /// Seconds that it takes to read all of it once, byte for byte.
    pub(crate) fn seconds(&self) -> f64 {
        let start = thread_seconds();
        std::hint::black_box(read(&self.0));
        thread_seconds() - start
    }
}

fn read(memory: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        #[allow(unsafe_code)]
        // SAFETY: the processor has the instructions.
        return unsafe { read_wide(memory) };
    }
    sum(memory)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn read_wide(memory: &[u8]) -> u64 {
    sum(memory)
}

/// Reads every byte once.
#[inline(always)]
fn sum(memory: &[u8]) -> u64 {
    let mut sums = [0u64; 32];
    for chunk in memory.as_chunks::<256>().0 {
        #[cfg(target_arch = "x86_64")]
        for line in 0..4 {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            #[allow(unsafe_code, unused_unsafe)]
            // SAFETY: a prefetch never faults.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(chunk.as_ptr().wrapping_add(4096 + 64 * line).cast())
            };
        }
        for (sum, word) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *sum ^= u64::from_le_bytes(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}
