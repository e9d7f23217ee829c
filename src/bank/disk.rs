//! What a bank asks of the file system: little enough that tests can put one in its place that fails and loses power.

use crate::shared::Bytes;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
#[cfg(not(unix))]
use std::io::Read;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is locked until this is dropped.
pub(super) type Lock = Box<dyn Debug + Send + Sync>;

/// A folder.
pub(super) trait Disk: Debug + Send + Sync {
    /// The names in the folder; [`io::ErrorKind::NotFound`] where there is no folder.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes the folder where it is missing, durably.
    fn make(&self) -> io::Result<()>;
    /// Opens a file of the folder, to write where `write`.
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file, in the place of one that has the name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in the place of one that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file's name away. Who has it open or mapped keeps it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
    /// Locks a file of the folder until the lock is dropped; `None` where somebody else holds it.
    fn lock(&self, name: &str) -> io::Result<Option<Lock>>;
}

/// A file of a folder.
pub(super) trait DiskFile: Debug + Send + Sync {
    /// Bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `into` from the byte `offset` on.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` from the byte `offset` on. After an error any part of it may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file off.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
    /// The first `length` bytes, which nobody changes any more. Where they can be mapped, they are not read.
    fn map(&self, length: u64) -> io::Result<Bytes>;
}

/// A folder of the operating system. What is made in it is for its owner alone.
#[derive(Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    fn options(write: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(write);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
    }
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Each folder's name is kept in the folder above it. Of those that are there, this one may have been made just now.
        let missing = self.0.ancestors().take_while(|path| !path.exists()).count();
        builder.create(&self.0)?;
        for (n, above) in self.0.ancestors().skip(1).take(missing.max(1)).enumerate() {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            match sync_folder(above) {
                // A folder of somebody else's, who made this one in it.
                Err(error) if n >= missing && error.kind() == io::ErrorKind::PermissionDenied => {}
                done => done?,
            }
        }
        Ok(())
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self::options(write).open(self.0.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self::options(true).create(true).truncate(true).open(self.0.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.0)
    }

    fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let file = Self::options(true).create(true).truncate(false).open(self.0.join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Windows keeps names durable by itself and cannot open folders as files.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(self, into, offset);
        #[cfg(not(unix))]
        {
            let mut file = self;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(into)
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn map(&self, length: u64) -> io::Result<Bytes> {
        mapped::map(self, usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?)
    }
}

mod mapped {
    use super::{Bytes, File, io};
    use memmap2::MmapOptions;

    /// Maps the first bytes of a file for reading.
    #[allow(unsafe_code)]
    pub(super) fn map(file: &File, length: usize) -> io::Result<Bytes> {
        if length == 0 {
            return Ok(Bytes::default());
        }
        // SAFETY: what is mapped was acknowledged, or is a file that is written once: this crate neither changes nor cuts
        // off either. Who does so from outside breaks the contract that the documentation of `Bank::open` states.
        let mapped = unsafe { MmapOptions::new().len(length).map(file)? };
        Ok(Bytes::new(mapped))
    }
}

/// A file that is only read and lies in memory.
#[derive(Debug)]
pub(super) struct InMemory(pub(super) Bytes);

impl DiskFile for InMemory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, length: u64) -> io::Result<Bytes> {
        let part = usize::try_from(length).ok().and_then(|length| self.0.slice(0..length));
        part.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
