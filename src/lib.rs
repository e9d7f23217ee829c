//! Recognises re-uploads of banned videos, whatever was done to picture and sound.

pub mod align;
pub mod bank;
pub mod decide;
pub mod fingerprint;
pub mod index;
pub mod media;
pub mod picture;
pub mod sound;
