//! The command line of the child.

use super::place::{self, JUMP};
use crate::media::Options;
use crate::media::raster::ODD;

/// What is wanted of a file; where that is nothing, the program says what it takes the file for, and ends.
///
/// Of several streams of a kind the program chooses, as it does for whoever publishes the file by it: what nobody has
/// read must not be what everybody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) picture: bool,
    pub(super) sound: bool,
    /// Of the sound its first two channels, where the program does not know how to mix them all.
    pub(super) two: bool,
}

impl Want {
    pub(super) const NOTHING: Self = Self { picture: false, sound: false, two: false };
}

/// The child's descriptor that takes samples. Pictures go to its standard output.
pub(super) const SOUND_FD: i32 = 3;

/// The media come as the child's standard input, opened anew from there so that it can seek, and under a name that
/// says nothing: formats are told by content alone.
const INPUT: &str = if cfg!(target_os = "linux") { "file:/proc/self/fd/0" } else { "file:/dev/fd/0" };

/// Containers that may be opened. Missing are those that fetch something else (playlists, session descriptions,
/// image sequences, devices), render text, or guess at headerless data.
const FORMATS: &str = "\
    3gp,amv,asf,asf_o,av1,avi,cavsvideo,dirac,dnxhd,dv,evc,f4v,flv,gxf,h261,h263,h264,hevc,ismv,ivf,\
    ivr,kux,live_flv,m4v,matroska,mjpeg,mjpeg_2000,mov,mpeg,mpegts,mpegvideo,mxf,nsv,nut,nuv,obu,ogg,\
    rm,roq,smjpeg,swf,ty,vc1,vc1test,vivo,vvc,wtv,yuv4mpegpipe,aa,aac,aax,ac3,ac4,adts,aiff,amr,amrnb,\
    amrwb,ape,au,caf,dsf,dts,dtshd,eac3,flac,gsm,iff,laf,lc3,loas,mlp,mp3,mpc,mpc8,oga,oma,opus,osq,\
    rso,sox,spdif,tak,truehd,tta,voc,w64,wav,wsd,wv,xwma,apng,bmp_pipe,flic,gif,gif_pipe,jpeg_pipe,\
    jpegxl_anim,jpegxl_pipe,png_pipe,ppm_pipe,pgm_pipe,qoi_pipe,tiff_pipe,webp_pipe,j2k_pipe";

/// All arguments of the child, which is to put `mark` between what it says of a stream.
pub(super) fn arguments(options: &Options, want: Want, mark: &str) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    let mut add = |words: &str| args.extend(words.split(' ').map(str::to_owned));
    add("-nostdin -hide_banner -nostats -loglevel level+info");
    add("-protocol_whitelist file,pipe -format_whitelist");
    add(FORMATS);
    add(&format!("-dump_separator {mark} -max_pixels {}", options.limits.pixels));
    // Where the size of pictures changes half way, filters that began anew would forget what time it is: pictures after
    // the change would be taken for earlier ones, and dropped. The one that scales takes pictures of any size.
    add("-reinit_filter:v 0");
    // Turning full pictures would cost more than turning the small ones here.
    add(&format!("-threads {} -filter_threads 1 -noautorotate -i", options.threads.max(1)));
    add(INPUT);
    let end = options.first.map(|first| format!("-t {:.6}", first.as_secs_f64()));
    if want.picture {
        add("-an -sn -dn -map_metadata -1 -vf");
        add(&picture_filter(options));
        end.iter().for_each(|end| add(end));
        add("-f yuv4mpegpipe -strict -1 pipe:1");
    }
    if want.sound {
        add("-vn -sn -dn -map_metadata -1 -af");
        add(&sound_filter(options, want.two));
        end.iter().for_each(|end| add(end));
        add(&format!("-c:a pcm_f32le -f f32le pipe:{SOUND_FD}"));
    }
    args
}

/// Seconds of silence that all jumps of a sound track together may bring, beyond the first few of each. The program
/// keeps them in memory where the pictures end before the sound does.
const SILENCE: u32 = 3600;
const FEW: u32 = 10;

/// Time stamps without longer jumps, and with no jumps once they come to `total` seconds. `PTS` and its like are the
/// program's names, in units of `TB`; `st` and `ld` keep the sum and the present jump from one frame to the next. `first`
/// is the time of the first.
fn steady(first: &str, total: u32) -> String {
    format!(
        "'if(isnan(PREV_INPTS)+isnan(PREV_OUTPTS),{first},\
         st(1,clip((PTS-PREV_INPTS)*TB,-{JUMP},{JUMP}));st(0,ld(0)+max(0,ld(1)-{FEW}));\
         PREV_OUTPTS+if(gt(ld(0),{total}),min(ld(1),1),ld(1))/TB)'"
    )
}

/// Seconds that a picture has to be shown for, so that it is seen. Screens show 60 or 120 a second.
const SEEN: f64 = 0.0075;
/// Seconds of pictures that are too short which are passed over at once: in a film of 240 a second all are short.
const SHORT: f64 = 0.05;

/// Time stamps in which a picture that is gone too soon to be seen takes no time: the next one begins where it did. Otherwise
/// someone could put pictures of a millisecond just where pictures are taken, and nobody would see them.
fn seen() -> String {
    format!(
        "'if(isnan(PREV_INPTS)+gte(PTS-PREV_INPTS,{SEEN}/TB)+gt(PTS-PREV_OUTPTS,{SHORT}/TB),PTS,PREV_OUTPTS)'"
    )
}

/// Drops frames first, then scales what is left: square pixels by shrinking the longer way, never by stretching, then
/// the longer side to the limit. `round=up` takes the picture that is on the screen at each tick. Luma is taken as it
/// is, as if its range were full: bringing it there costs the program a tenth of all its time, and very little here.
fn picture_filter(options: &Options) -> String {
    let (rate, side) = (options.ticks(), options.side());
    // As `fit` does here.
    let aspect = format!("if(between(sar,{},{ODD}),sar,1)", 1.0 / ODD);
    let (w, h) = (format!("(iw*min(1,{aspect}))"), format!("(ih/max(1,{aspect}))"));
    let fit = format!("min(1,{side}/max({w},{h}))");
    format!(
        "setpts={},setpts={},fps={rate}:start_time=0:round=up,\
         scale=w='max(1,round({w}*{fit}))':h='max(1,round({h}*{fit}))':flags=area:in_range=full,format=gray",
        steady(&format!("min(PTS,{JUMP}/TB)"), u32::MAX),
        seen()
    )
}

/// Two channels, so that those that cancel can be told here. Gaps are filled last, where a second costs the least. The
/// third channel, made of the first sample alone as that costs the least, tells when these filters began.
fn sound_filter(options: &Options, two: bool) -> String {
    let rate = options.hertz();
    let pan = if two { "pan=stereo|c0=c0|c1=c1," } else { "" };
    let format = format!("aformat=sample_fmts=flt:sample_rates={rate}:channel_layouts=stereo");
    let begin =
        format!("atrim=end_sample=1,aeval='{}':c=mono,apad,aformat=channel_layouts=mono", place::mark(rate));
    format!(
        "asetpts={},{pan}{format},aresample=async=1,asplit[s],{begin}[m];\
         [s][m]join=inputs=2:channel_layout=3.0:map=0.0-FL|0.1-FR|1.0-FC",
        steady("PTS", SILENCE)
    )
}
