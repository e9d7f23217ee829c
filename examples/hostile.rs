//! Throws broken media at the command: `hostile COUNT FOLDER [SEED [AFTERIMAGE]]`.
//!
//! Small films in every container and codec that the `ffmpeg` here can write are broken in COUNT ways, which follow from
//! the seed, and each is looked up by `afterimage match` as an upload would be. None may make it panic, hang, hold
//! more memory than is granted, end in a way that is not documented, or leave a process behind: such files stay
//! in FOLDER, and the status is an error. The sources are made once in a folder.

#[cfg(target_os = "linux")]
#[path = "hostile/elements.rs"]
mod elements;
#[cfg(target_os = "linux")]
#[path = "hostile/mutate.rs"]
mod mutate;
#[cfg(target_os = "linux")]
#[path = "hostile/run.rs"]
mod run;
#[cfg(target_os = "linux")]
#[path = "hostile/sources.rs"]
mod sources;
#[cfg(target_os = "linux")]
#[path = "../testdata/synthetic.rs"]
mod synthetic;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the decoder's jail, and what counts its processes, is Linux's");
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    campaign::main()
}

#[cfg(target_os = "linux")]
mod campaign {
    use super::mutate::{Random, mutant};
    use super::run::{self, Ended, Fault};
    use super::sources::{self, Source};
    use std::collections::BTreeMap;
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::Duration;

    /// Files to each source.
    const EACH: usize = 8;

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [count, folder, rest @ ..] = arguments.as_slice() else {
            return Err("usage: hostile COUNT FOLDER [SEED [AFTERIMAGE]]".into());
        };
        let (count, folder) = (count.parse::<usize>()?, Path::new(folder));
        let seed: u64 = rest.first().map_or(Ok(1), |seed| seed.parse())?;
        let program = rest.get(1).map_or_else(built, |path| Ok(PathBuf::from(path)))?;
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let sources = sources::make(&folder.join("sources"), count.div_ceil(EACH), seed)?;
        let bank = bank(&program, &folder)?;
        run::adopt_orphans()?;
        let mut totals = Totals::default();
        for number in 0..count {
            let (name, bytes) = file(&sources, number, seed);
            let file = folder.join(&name);
            std::fs::write(&file, bytes)?;
            let ended = run::watched(Command::new(&program).arg("match").arg(&bank).arg(&file), &folder)?;
            let faults = ended.faults(&file);
            for fault in &faults {
                println!("{name}: {fault}");
            }
            if faults.is_empty() {
                std::fs::remove_file(&file)?;
            }
            totals.add(name, &ended, faults);
        }
        let of = |part: fn(&Source) -> &String| {
            sources.iter().map(part).collect::<std::collections::BTreeSet<_>>().len()
        };
        println!(
            "{count} files from {} sources in {} containers and {} codecs: {}",
            sources.len(),
            of(|source| &source.container),
            of(|source| &source.codec),
            totals.line()
        );
        if totals.faults > 0 {
            return Err(format!("{} faults", totals.faults).into());
        }
        Ok(())
    }

    /// The command that was built beside this example.
    fn built() -> Result<PathBuf, Box<dyn Error>> {
        let own = std::env::current_exe()?;
        let folder = own.parent().and_then(Path::parent).ok_or("this program lies in no folder")?;
        let program = folder.join("afterimage");
        if !program.exists() {
            return Err("build the command first: cargo build --all-features".into());
        }
        Ok(program)
    }

    /// A bank of the film that all sources show.
    fn bank(program: &Path, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let bank = folder.join("bank");
        if !bank.exists() {
            let film = folder.join("sources").join(sources::FILM);
            let added = Command::new(program).arg("add").arg(&bank).arg(film).output()?;
            if !added.status.success() {
                return Err(String::from_utf8_lossy(&added.stderr).into());
            }
        }
        Ok(bank)
    }

    /// The broken file of a number, and a name that tells what it is.
    fn file(sources: &[Source], number: usize, seed: u64) -> (String, Vec<u8>) {
        let mut random = Random(seed << 32 ^ number as u64);
        let source = &sources[number % sources.len()];
        let other = &sources[random.below(sources.len())];
        // Each round, and each seed, another way comes to each source.
        let way = number + number / sources.len() + seed as usize;
        let (kind, bytes) = mutant(&source.bytes, &other.bytes, way, &mut random);
        (format!("{number:05}-{kind}.{}.{}", source.codec, source.container), bytes)
    }

    /// What came of all files.
    #[derive(Default)]
    struct Totals {
        outcomes: BTreeMap<&'static str, usize>,
        faults: usize,
        slowest: (Duration, String),
        largest: (u64, String),
        all: Duration,
    }

    impl Totals {
        fn add(&mut self, name: String, ended: &Ended, faults: Vec<Fault>) {
            *self.outcomes.entry(ended.outcome()).or_default() += 1;
            self.faults += faults.len();
            self.all += ended.time;
            if ended.memory > self.largest.0 {
                self.largest = (ended.memory, name.clone());
            }
            if ended.time > self.slowest.0 {
                self.slowest = (ended.time, name);
            }
        }

        fn line(&self) -> String {
            let outcomes: Vec<String> =
                self.outcomes.iter().map(|(what, count)| format!("{count} {what}")).collect();
            format!(
                "{}; {} faults; slowest {:.1} s ({}), most memory {:.0} MB ({}), {:.0} s in all",
                outcomes.join(", "),
                self.faults,
                self.slowest.0.as_secs_f64(),
                self.slowest.1,
                self.largest.0 as f64 / 1e6,
                self.largest.1,
                self.all.as_secs_f64(),
            )
        }
    }
}
