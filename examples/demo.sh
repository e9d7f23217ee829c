#!/usr/bin/env bash
# Bans a clip, makes copies of it in which almost nothing is left as it was, and catches them.
#
#   examples/demo.sh [CLIP]     by default a clip that is generated
#
# Installs ffmpeg where it is missing, and builds the command. Leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "$0")/.."
clip=${1:-}
[[ -z $clip || -r $clip ]] || { echo "cannot read $clip" >&2; exit 2; }

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

if ! command -v ffmpeg >/dev/null; then
    say "Installing ffmpeg"
    as_root=$([[ $(id -u) == 0 ]] || echo sudo)
    $as_root apt-get update -q >&2
    $as_root apt-get install -qy --no-install-recommends ffmpeg >&2
fi

say "Building"
cargo build --release --quiet --features cli --bin afterimage --example synthetic
target=${CARGO_TARGET_DIR:-target}
afterimage=$target/release/afterimage
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/uploads"

quiet() { ffmpeg -v error -nostdin -y "$@"; }
encode=(-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -b:a 96k)

# A synthetic film of $2 seconds from the seed $1, as $3.
film() {
    "$target/release/examples/synthetic" "$1" "$2" "$work/film.y4m" "$work/film.wav"
    quiet -i "$work/film.y4m" -i "$work/film.wav" "${encode[@]}" -crf 20 "$3"
    rm "$work/film.y4m" "$work/film.wav"
}

say "Preparing the clip to ban and a stranger to hide it in"
banned=$work/banned.mp4
film 7 24 "$work/other.mp4"
fit='scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:(ow-iw)/2:(oh-ih)/2,setsar=1,fps=25,format=yuv420p'
if [[ -z $clip ]]; then
    film 1 24 "$banned"
else
    # The first half minute, at the size of the stranger, and silent where it has no sound.
    sound=(-map 0:a:0) more=()
    if [[ -z $(ffprobe -v error -select_streams a -show_entries stream=index -of csv=p=0 "$clip") ]]; then
        sound=(-map 1:a:0 -shortest) more=(-f lavfi -i anullsrc=r=16000:cl=mono)
    fi
    quiet -i "$clip" "${more[@]}" -map 0:v:0 "${sound[@]}" -t 30 -vf "$fit" -ac 1 -ar 16000 "${encode[@]}" -crf 20 "$banned"
fi
length=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$banned")
of_length() { awk -v d="$length" "BEGIN { printf \"%.3f\", $1 }"; }
cut_from=$(of_length 'd / 4') cut_for=$(of_length 'd / 2 < 8 ? d / 2 : 8')

# What each upload is, and where the copy lies in it: seconds of the upload, seconds of the clip.
names=() about=() truth=()
upload() {
    names+=("$1.mp4") about+=("$2") truth+=("$3")
    local out=$work/uploads/$1.mp4
    shift 3
    bar "${names[-1]}"
    quiet "$@" "${encode[@]}" "$out"
}
bar() {
    [[ -t 2 ]] || return 0
    local done=${#names[@]} all=14
    printf '\r[%-*s] %d/%d %-28s' $all "$(printf '#%.0s' $(seq "$done"))" "$done" $all "$1" >&2
}
whole="0 $length 0 $length"
other=(-i "$work/other.mp4") own=(-i "$banned")
# The stranger's soundtrack under the clip's picture, so that only the picture can tell.
mute=("${own[@]}" "${other[@]}" -map 1:a -shortest)

say "Making uploads of it"
upload small "re-encoded small" "$whole" "${mute[@]}" -map 0:v -vf scale=256:144 -crf 38
upload cropped "cropped to three quarters" "$whole" "${mute[@]}" -map 0:v -vf 'crop=iw*0.75:ih*0.75:iw*0.15:ih*0.1,scale=640:360' -crf 28
upload mirrored "mirrored" "$whole" "${mute[@]}" -map 0:v -vf hflip -crf 28
upload letterboxed "letterboxed on all sides" "$whole" "${mute[@]}" -map 0:v -vf 'scale=448:252,pad=640:360:96:54:0x203040' -crf 28
bars='drawbox=0:290:640:70:0x102a80:fill,drawbox=20:16:96:40:white:fill,drawbox=40:306:380:14:white:fill,drawbox=40:332:280:12:yellow:fill'
upload captioned "captions and a logo" "$whole" "${mute[@]}" -map 0:v -vf "$bars" -crf 28
angle='pad=760:428:60:34:0x181818,perspective=x0=40:y0=10:x1=700:y1=-20:x2=-10:y2=440:x3=745:y3=400:sense=source,scale=640:360,gblur=0.8,eq=contrast=0.85:brightness=0.06:gamma=1.2,noise=alls=10:allf=t'
upload filmed "filmed off a screen at an angle" "$whole" "${mute[@]}" -map 0:v -vf "$angle" -crf 30
desk='drawbox=0:0:640:24:0xd0d0d0:fill,drawbox=0:24:120:336:0xf4f4f4:fill,drawbox=10:40:90:8:0x808080:fill,drawbox=10:60:70:8:0x808080:fill,drawbox=10:80:84:8:0x808080:fill,drawbox=8:6:200:12:white:fill'
upload screen "inside a screen recording" "$whole" "${mute[@]}" -filter_complex \
    "color=0x5a7a9a:s=640x360:r=25,$desk[desk];[0:v]scale=400:225[film];[desk][film]overlay=160:70:shortest=1[v]" -map '[v]' -crf 28
upload fast "sped up by 12 %" "0 $(of_length 'd / 1.12') 0 $length" "${own[@]}" -vf setpts=PTS/1.12,fps=25 -af atempo=1.12 -crf 28
upload excerpt "an excerpt inside another clip" "8 $(of_length "8 + $cut_for") $cut_from $(of_length "$cut_from + $cut_for")" \
    "${other[@]}" -ss "$cut_from" -t "$cut_for" "${own[@]}" -filter_complex \
    "[0:v]split[a][b];[0:a]asplit[s][t];[a]trim=0:8,$fit,setpts=PTS-STARTPTS[v0];[b]trim=8:14,$fit,setpts=PTS-STARTPTS[v2];[1:v]$fit,setpts=PTS-STARTPTS[v1];
     [s]atrim=0:8,aresample=16000,asetpts=PTS-STARTPTS[a0];[t]atrim=8:14,aresample=16000,asetpts=PTS-STARTPTS[a2];[1:a]aresample=16000,asetpts=PTS-STARTPTS[a1];
     [v0][a0][v1][a1][v2][a2]concat=n=3:v=1:a=1[v][s3]" -map '[v]' -map '[s3]' -crf 28
upload sound-only "its sound under another picture" "$whole" "${other[@]}" "${own[@]}" -map 0:v -map 1:a -shortest -crf 28 -b:a 32k
upload grey "grey, pale, blurred and noisy" "$whole" "${mute[@]}" -map 0:v -vf 'hue=s=0,eq=contrast=0.6:brightness=0.08,gblur=2,noise=alls=14:allf=t' -crf 32
upload turned "turned by 8 degrees" "$whole" "${mute[@]}" -map 0:v -vf 'rotate=8*PI/180,crop=iw*0.8:ih*0.8,scale=640:360' -crf 28
upload reaction "in the corner of a reaction video" "$whole" "${mute[@]}" -filter_complex \
    '[0:v]scale=300:168[film];[1:v]scale=640:360[face];[face][film]overlay=320:20:shortest=1[v]' -map '[v]' -crf 28
upload stranger "another clip, which is no copy" "" "${other[@]}" -crf 28
[[ ! -t 2 ]] || printf '\r%80s\r' '' >&2

say "Banning it"
"$afterimage" add "$work/bank" "$banned" --label demo

say "Matching the uploads"
uploads=("${names[@]/#/$work/uploads/}")
status=0
"$afterimage" match "$work/bank" "${uploads[@]}" --format csv >"$work/found.csv" || status=$?
((status < 2)) || { echo "matching failed" >&2; exit 2; }

# For each upload its best row against the truth. The seconds printed are where the copy was found, in the upload and in the clip.
for n in "${!names[@]}"; do
    printf '%s\t%s\t%s\n' "${names[n]}" "${about[n]}" "${truth[n]}"
done | awk -F '\t' '
    FNR == NR { if (split($0, f, ",") && (!(f[1] in score) || f[3] + 0 > score[f[1]])) { score[f[1]] = f[3] + 0; row[f[1]] = $0 } next }
    FNR == 1 { printf "%-34s %-8s %6s  %-15s %-15s %-8s %s\n", "upload", "", "score", "seconds here", "of the clip", "by", "off by" }
    {
        found = $1 in row
        if ($3 == "") {
            if (found) { wrong++ }
            printf "%-34s %s\n", $2, found ? "WRONGLY MATCHED, score " score[$1] : "let through, as it should be"
            next
        }
        copies++
        if (!found) { printf "%-34s MISSED\n", $2; missed = missed (missed == "" ? "" : ", ") $2; next }
        split(row[$1], f, ","); split($3, t, " ")
        speed = (t[4] - t[3]) / (t[2] - t[1])
        a = f[6] - (t[3] + (f[4] - t[1]) * speed); b = f[7] - (t[3] + (f[5] - t[1]) * speed)
        off = (a < 0 ? -a : a); if ((b < 0 ? -b : b) > off) off = (b < 0 ? -b : b)
        here = sprintf("%.1f to %.1f", f[4], f[5]); there = sprintf("%.1f to %.1f", f[6], f[7])
        printf "%-34s caught   %6.1f  %-15s %-15s %-8s %.2f s\n", $2, f[3], here, there, f[8], off
        caught++
    }
    END {
        printf "\nCaught %d of %d copies.", caught, copies
        if (missed != "") printf " Missed: %s.", missed
        printf wrong ? " A clip that is no copy was matched.\n" : " Matched nothing that is no copy.\n"
        exit wrong > 0
    }' <(tail -n +2 "$work/found.csv" | grep . || echo ',,,,,,,,') -
