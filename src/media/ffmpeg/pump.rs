//! Carries bytes from the child's pipes to the sink, within the limits.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::process::Signal;

use super::args::Want;
use super::child::{self, Running};
use super::log::Log;
use super::place::{Place, VALUES};
use crate::media::downmix::Downmix;
use crate::media::raster::{Turn, expand};
use crate::media::tone;
use crate::media::y4m::Header;
use crate::media::{Bound, Frame, Luma, MediaError, Options, Samples, Sink};

/// How long a child may live on after it has closed its pipes.
const LINGER: Duration = Duration::from_secs(5);

/// How often it is asked what CPU time a child has taken.
const LOOK: Duration = Duration::from_secs(1);

/// What came of one child.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) frames: u64,
    pub(super) samples: u64,
    pub(super) log: Log,
    pub(super) cpu: f64,
    pub(super) jailed: bool,
    /// The child did not end well.
    pub(super) failed: bool,
    /// Nothing was pushed, since only this should be wanted.
    pub(super) better: Option<Want>,
}

/// Runs one child on `file` to its end.
pub(super) fn run(
    path: &Path,
    file: &File,
    options: &Options,
    want: Want,
    sink: &mut impl Sink,
) -> Result<Outcome, MediaError> {
    // Nobody who made the file can know it.
    let mark = format!(",#{:016x}#", RandomState::new().build_hasher().finish());
    let mut child = child::start(path, file, options, want, &mark)?;
    let mut pump = Pump::new(options, mark);
    let bytes = file.metadata().map_err(|source| MediaError::io(path, source))?.len();
    let better = match pump.run(&mut child, bytes, want, sink) {
        Ok(()) => None,
        Err(Stop::Better(want)) => {
            child.kill();
            Some(want)
        }
        Err(Stop::Bound(bound)) => return Err(MediaError::limit(path, bound)),
        Err(Stop::Io(source)) => return Err(MediaError::io(path, source)),
        Err(Stop::Malformed(cause)) => return Err(MediaError::malformed(path, cause)),
    };
    let lingers = Instant::now() + LINGER;
    while !child.ended() {
        if Instant::now() > lingers {
            child.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (status, cpu) = child.reap().map_err(|source| MediaError::io(path, source))?;
    if ended_by(status, Signal::XCPU) {
        return Err(MediaError::limit(path, Bound::CpuTime));
    }
    if ended_by(status, Signal::SYS) {
        // What came before it is not to be believed either.
        return Err(MediaError::malformed(path, "it made the decoder do what no decoder does"));
    }
    let failed = status.is_some_and(|status| !status.success());
    let Pump { log, frames, samples, .. } = pump;
    Ok(Outcome { frames, samples, log, cpu, jailed: child.jailed, failed, better })
}

fn ended_by(status: Option<ExitStatus>, signal: Signal) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.and_then(|status| status.signal()) == Some(signal.as_raw())
}

enum Stop {
    /// Less should be read.
    Better(Want),
    Bound(Bound),
    Io(io::Error),
    Malformed(String),
}

struct Pump<'a> {
    options: &'a Options,
    planes: Planes,
    turned: Vec<u8>,
    /// What high dynamic range is brought down by, once it is needed.
    tone: Option<Box<[u8; 256]>>,
    /// Bytes of a sample frame that is not complete yet.
    odd: Vec<u8>,
    place: Place,
    downmix: Downmix,
    log: Log,
    frames: u64,
    samples: u64,
}

impl<'a> Pump<'a> {
    fn new(options: &'a Options, mark: String) -> Self {
        Self {
            options,
            planes: Planes { most: options.side() as usize, ..Planes::default() },
            turned: Vec::new(),
            tone: None,
            odd: Vec::new(),
            place: Place::new(options.hertz()),
            downmix: Downmix::new(options.hertz()),
            log: Log::new(mark),
            frames: 0,
            samples: 0,
        }
    }

    fn run(&mut self, child: &mut Running, bytes: u64, want: Want, sink: &mut impl Sink) -> Result<(), Stop> {
        let limits = &self.options.limits;
        let begun = Instant::now();
        let mut look = Instant::now() + LOOK;
        // Waiting is counted only while it is the child that is waited for.
        let mut waited = Duration::ZERO;
        let mut buffer = vec![0; 1 << 16];
        let (mut pictures, mut samples, mut messages) = (true, true, true);
        while pictures || samples || messages {
            let now = Instant::now();
            if now - begun > limits.wall {
                return Err(Stop::Bound(Bound::WallClock));
            }
            if waited > limits.stall {
                return Err(Stop::Bound(Bound::Stalled));
            }
            if now > look {
                look = now + LOOK;
                if child.cpu() > child::cpu_allowed(limits, bytes, self.seconds()) {
                    return Err(Stop::Bound(Bound::CpuTime));
                }
            }
            let ready = ready(child, [messages, pictures, samples])?;
            waited += now.elapsed();
            // What the child says comes first: before it sends any picture it says which stream that is of, and how it
            // is to be turned.
            if ready[0] {
                let n = read(&mut child.messages, &mut buffer)?;
                messages = n > 0;
                self.log.push(&buffer[..n]);
                if self.log.forged() {
                    return Err(Stop::Malformed("names in it pretend to be the decoder's words".to_owned()));
                }
                if !self.log.began() && messages {
                    continue;
                }
            }
            if (ready[1] || ready[2])
                && self.frames + self.samples == 0
                && let Some(better) = self.log.better(want)
            {
                return Err(Stop::Better(better));
            }
            if ready[1] {
                pictures = self.planes.read(&mut child.pictures)?;
                waited = Duration::ZERO;
                self.take_picture(sink)?;
            }
            if ready[2] {
                let n = read(&mut child.samples, &mut buffer)?;
                samples = n > 0;
                waited = Duration::ZERO;
                self.take_samples(&buffer[..n], sink)?;
            }
        }
        let Self { downmix, samples, options, .. } = self;
        downmix.finish(|mono| emit(mono, samples, options, sink));
        Ok(())
    }

    /// Seconds of media that there were so far.
    fn seconds(&self) -> f64 {
        let of = |units: u64, rate: u32| units as f64 / f64::from(rate);
        of(self.frames, self.options.ticks()).max(of(self.samples, self.options.hertz()))
    }

    fn take_picture(&mut self, sink: &mut impl Sink) -> Result<(), Stop> {
        let Some((width, plane)) = self.planes.take()? else { return Ok(()) };
        if self.frames >= self.options.limits.units(self.options.ticks()) {
            return Err(Stop::Bound(Bound::Duration));
        }
        let time = self.frames as f64 / f64::from(self.options.ticks());
        self.frames += 1;
        if self.log.limited() {
            expand(plane);
        }
        if self.log.pq() {
            let codes = self.tone.get_or_insert_with(|| Box::new(tone::from_pq()));
            plane.iter_mut().for_each(|v| *v = codes[usize::from(*v)]);
        }
        let (width, plane) = match self.log.turn() {
            Turn::None => (width, &*plane),
            turn => (turn.apply(plane, width, &mut self.turned), self.turned.as_slice()),
        };
        if let Some(luma) = Luma::new(width, plane.len() / width.max(1), width, plane) {
            sink.frame(Frame { luma, time });
        }
        Ok(())
    }

    fn take_samples(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Stop> {
        let most = self.options.limits.units(self.options.hertz());
        self.odd.extend_from_slice(bytes);
        let Self { place, downmix, samples, odd, options, log, .. } = self;
        // The child gives a single channel as two that are 3 dB weaker.
        let gain = if log.mono() { std::f32::consts::SQRT_2 } else { 1.0 };
        let mut moments = odd.chunks_exact(4 * VALUES);
        for moment in &mut moments {
            let value = |i: usize| f32::from_le_bytes(std::array::from_fn(|byte| moment[4 * i + byte]));
            let (silence, heard) = place.take(value(2));
            let both = if heard { 2 } else { 0 };
            let silence = (0..2 * silence).map(|_| 0.0);
            let floats = silence.chain((0..both).map(|channel| gain * value(channel)));
            downmix.push(floats, |mono| emit(mono, samples, options, sink));
            if place.given() > most {
                return Err(Stop::Bound(Bound::Duration));
            }
        }
        *odd = moments.remainder().to_vec();
        Ok(())
    }
}

/// Hands on what is wanted of a block.
fn emit(mono: &[f32], samples: &mut u64, options: &Options, sink: &mut impl Sink) {
    let left = options.units(options.hertz()).saturating_sub(*samples);
    let mono = &mono[..mono.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
    if !mono.is_empty() {
        *samples += mono.len() as u64;
        sink.samples(Samples { mono, rate: options.hertz() });
    }
}

/// Which of messages, pictures and samples, as far as they are open, have something to say.
fn ready(child: &Running, open: [bool; 3]) -> Result<[bool; 3], Stop> {
    let pipes = [child.messages.as_fd(), child.pictures.as_fd(), child.samples.as_fd()];
    let mut asked = Vec::with_capacity(3);
    for i in (0..3).filter(|&i| open[i]) {
        asked.push((i, PollFd::from_borrowed_fd(pipes[i], PollFlags::IN)));
    }
    let mut fds: Vec<_> = asked.iter().map(|(_, fd)| fd.clone()).collect();
    let tick = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
    match poll(&mut fds, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(Stop::Io(e.into())),
    }
    let mut ready = [false; 3];
    for ((i, _), fd) in asked.iter().zip(&fds) {
        ready[*i] = !fd.revents().is_empty();
    }
    Ok(ready)
}

fn read(pipe: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Stop> {
    loop {
        match pipe.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(Stop::Io),
        }
    }
}

/// The child's stream of pictures: Y4M in grey, so each picture is a line `FRAME` and one plane.
#[derive(Debug, Default)]
struct Planes {
    /// Pixels of a picture's longer side that were asked for.
    most: usize,
    line: Vec<u8>,
    /// Width and height, once the header has been seen.
    size: Option<(usize, usize)>,
    /// A picture with its line, as far as it is there.
    record: Vec<u8>,
    filled: usize,
}

const FRAME: &[u8] = b"FRAME\n";

impl Planes {
    /// Reads once from the pipe: a byte of the header, or as much as there is of a picture. `false` at the end.
    fn read(&mut self, pipe: &mut impl Read) -> Result<bool, Stop> {
        if self.size.is_some() {
            let n = read(pipe, &mut self.record[self.filled..])?;
            self.filled += n;
            return Ok(n > 0);
        }
        let mut byte = [0];
        if read(pipe, &mut byte)? == 0 {
            return Ok(false);
        }
        match byte {
            [b'\n'] => {
                let header = Header::parse(&self.line).map_err(|e| Stop::Malformed(e.to_string()))?;
                if header.width.max(header.height) > self.most {
                    // A decoder that was taken over may send anything.
                    return Err(Stop::Malformed(
                        "the decoder sent a larger picture than it was to".to_owned(),
                    ));
                }
                self.size = Some((header.width, header.height));
                self.record = vec![0; FRAME.len() + header.width * header.height];
            }
            _ if self.line.len() > 1024 => {
                return Err(Stop::Malformed("the decoder sent no picture".to_owned()));
            }
            [byte] => self.line.push(byte),
        }
        Ok(true)
    }

    /// The picture, if it is complete: its width and its pixels.
    fn take(&mut self) -> Result<Option<(usize, &mut [u8])>, Stop> {
        let Some((width, _)) = self.size.filter(|_| self.filled == self.record.len()) else {
            return Ok(None);
        };
        self.filled = 0;
        match self.record.split_at_mut(FRAME.len()) {
            (line, plane) if line == FRAME => Ok(Some((width, plane))),
            _ => Err(Stop::Malformed("the decoder sent half a picture".to_owned())),
        }
    }
}
