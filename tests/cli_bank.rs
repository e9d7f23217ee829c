//! The command's way with banks: history, policies, reports, and what was uploaded before.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Six seconds of a film, as a file.
fn film(dir: &Path, name: &str, seed: u64) -> PathBuf {
    let film = synthetic::Film::new(seed, 6.0);
    let path = dir.join(name);
    let mut out = fs::File::create(&path).unwrap();
    out.write_all(b"YUV4MPEG2 W160 H90 F8:1 Ip A1:1 Cmono\n").unwrap();
    for n in 0..48 {
        out.write_all(b"FRAME\n").unwrap();
        out.write_all(&film.luma(f64::from(n) / 8.0, 160, 90)).unwrap();
    }
    path
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// A folder with a bank that has the film `a.y4m`.
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for (name, seed) in [("a.y4m", 1), ("b.y4m", 2)] {
            film(scene.folder.path(), name, seed);
        }
        assert_eq!(scene.run("add bank a.y4m --label x --collection terror --reason order").0, 0);
        scene
    }

    /// Exit status, output and errors of the command.
    fn run(&self, line: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .current_dir(self.folder.path())
            .env("USER", "ann")
            .args(line.split(' '))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// The same with an output that takes nothing.
    #[cfg(target_os = "linux")]
    fn run_full(&self, line: &str, is_stdout: bool) -> (i32, String) {
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterimage"));
        command.current_dir(self.folder.path()).args(line.split(' '));
        if is_stdout {
            command.stdout(full())
        } else {
            command.stderr(full())
        };
        let Output { status, stdout, .. } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap())
    }

    fn lines(&self, line: &str) -> Vec<Value> {
        let (_, out, _) = self.run(line);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn history_is_told_undone_and_gone_back_to() {
    let scene = Scene::new();
    assert_eq!(scene.run("remove bank a.y4m --reason mistake").0, 0);
    assert_eq!(scene.run("match bank a.y4m").0, 0);
    assert_eq!(scene.run("match bank a.y4m --at 1").0, 1);
    assert_eq!(scene.run("match bank a.y4m --at 9").0, 2);
    assert!(scene.run("list bank --at 1").1.contains("a.y4m"));
    assert_eq!(scene.run("undo bank 2 --reason sorry").0, 0);
    assert_eq!(scene.run("match bank a.y4m").0, 1);
    assert_eq!(scene.run("undo bank 2").0, 2);

    let events = scene.lines("log bank --json");
    let column = |key: &str| events.iter().map(|e| e[key].clone()).collect::<Vec<_>>();
    assert_eq!(column("change"), ["add", "remove", "add"]);
    assert_eq!(column("reason"), ["order", "mistake", "sorry"]);
    assert_eq!(column("actor"), ["ann", "ann", "ann"]);
    assert_eq!((column("undoes")[1].clone(), column("undoes")[2].clone()), (Value::Null, 2.into()));
    let (_, text, _) = scene.run("log bank --since 2");
    assert!(text.contains("add a.y4m [x] in terror, 6.0 s, which undoes 2  (sorry)"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn names_that_turn_the_order_of_text_are_shown_harmless_and_told_to_programs_as_they_are() {
    let scene = Scene::new();
    let name = "gpj\u{202e}\u{200f}.y4m";
    assert_eq!(scene.run(&format!("add bank b.y4m --name {name} --collection {name}")).0, 0);
    assert_eq!(scene.run(&format!("policy bank {name} --action review")).0, 0);
    for line in ["list bank", "log bank", "policy bank", &format!("policy bank {name}")] {
        let (status, text, _) = scene.run(line);
        assert!(status == 0 && text.contains("gpj  .y4m") && !text.contains('\u{202e}'), "{line}: {text}");
    }
    assert_eq!(scene.lines("list bank --format jsonl")[1]["name"], name);
    let events = scene.lines("log bank --json");
    assert_eq!((&events[1]["name"], &events[2]["collection"]), (&name.into(), &name.into()));
}

#[test]
fn policies_decide_what_follows() {
    let scene = Scene::new();
    let action = |args: &str| {
        let line = &scene.lines(&format!("match bank a.y4m --format jsonl{args}"))[0];
        (line["match"].as_bool().unwrap(), line["action"].clone())
    };
    assert_eq!(action(""), (true, "block".into()));
    assert_eq!(scene.run("policy bank terror --action review --reason calmer").0, 0);
    assert_eq!(action(""), (true, "review".into()));
    assert_eq!(scene.run("policy bank terror --shadow").0, 0);
    assert_eq!(action(""), (false, Value::Null));
    assert!(scene.run("match bank a.y4m").1.contains("nothing instead of review, the policy is in shadow"));
    assert_eq!(scene.run("policy bank terror --shadow=false --legal-hold").0, 0);
    assert_eq!(scene.run("remove bank a.y4m").0, 2);
    assert_eq!(scene.run("policy bank terror --reset").0, 0);
    assert_eq!(action(""), (true, "block".into()));
    assert_eq!(scene.run("suspend bank a.y4m").0, 0);
    assert_eq!(action(""), (false, Value::Null));
    assert_eq!(scene.run("resume bank a.y4m").0, 0);
    assert_eq!(scene.run("policy bank ours --allow").0, 0);
    assert_eq!(scene.run("add bank a.y4m --name licence --collection ours").0, 0);
    assert_eq!(action(""), (false, "allow".into()));
    let (_, text, _) = scene.run("policy bank");
    assert!(text.starts_with("ours: allow at 1e-6 false matches a query"), "{text}");
    assert!(text.contains("(set by change 8)"), "{text}");
    for wrong in
        ["policy bank terror --action burn", "policy bank --shadow", "policy bank terror --rollout 2"]
    {
        assert_eq!(scene.run(wrong).0, 2, "{wrong}");
    }
}

#[test]
fn recorded_verdicts_are_judged_again() {
    let scene = Scene::new();
    assert_eq!(scene.run("match bank a.y4m b.y4m --report out.jsonl").0, 1);
    let report = scene.folder.path().join("out.jsonl");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (status, said, _) = scene.run("replay bank out.jsonl a.y4m b.y4m");
    assert_eq!((status, said.matches("the same verdict").count()), (0, 2), "{said}");
    assert_eq!(scene.run("match bank a.y4m --glance --report glances.jsonl").0, 1);
    let (status, said, _) = scene.run("replay bank glances.jsonl a.y4m");
    assert_eq!((status, said.matches("the same verdict").count()), (0, 1), "{said}");
    // Though the bank has changed since.
    assert_eq!(scene.run("remove bank a.y4m").0, 0);
    assert_eq!(scene.run("replay bank out.jsonl a.y4m").0, 0);
    // A forged report, and another file.
    let text = fs::read_to_string(&report).unwrap();
    fs::write(&report, text.replace("\"action\":\"block\"", "\"action\":\"log\"")).unwrap();
    let (status, said, _) = scene.run("replay bank out.jsonl a.y4m");
    assert!(status == 1 && said.contains("ANOTHER verdict: log, now block"), "{said}");
    fs::write(&report, text).unwrap();
    film(scene.folder.path(), "a.y4m", 3);
    let (status, said, _) = scene.run("replay bank out.jsonl a.y4m");
    assert!(status == 1 && said.contains("the fingerprint is another one"), "{said}");

    let (_, said, counts) = scene.run("dry-run bank out.jsonl --false-matches 1e-300");
    assert!(said.starts_with("a.y4m: block → nothing  (a.y4m, score "), "{said}");
    assert_eq!(counts, "1 uploads: nothing, as now\n1 uploads: block → nothing\n");
    let (_, said, _) = scene.run("dry-run bank out.jsonl --collection other --false-matches 1e-300");
    assert_eq!(said, "");
    let (status, _, counts) = scene.run("dry-run bank out.jsonl --collection default --action review");
    assert!(status == 0 && counts.contains("1 uploads: block → review"), "{counts}");
    assert_eq!(scene.run("policy bank terror --action log").0, 0);
    let (_, said, _) =
        scene.run("dry-run bank out.jsonl --collection default --action review --min-seconds 1");
    assert!(said.starts_with("a.y4m: block → log"), "{said}");
    for wrong in ["--false-matches nan", "--expires 1970-01-01", "--expires 0s"] {
        assert_eq!(scene.run(&format!("dry-run bank out.jsonl {wrong}")).0, 2, "{wrong}");
    }
    // Of two files of one name the one that it is.
    fs::create_dir(scene.folder.path().join("x")).unwrap();
    film(&scene.folder.path().join("x"), "a.y4m", 4);
    assert_eq!(scene.run("match bank x/a.y4m --report out.jsonl").0, 0);
    let line = &scene.lines("match bank x/a.y4m --format jsonl")[0];
    assert_eq!(
        (&line["match"], &line["query"], &line["path"]),
        (&false.into(), &"a.y4m".into(), &"x/a.y4m".into())
    );
    let (status, said, _) = scene.run("replay bank out.jsonl x/a.y4m");
    assert_eq!((status, said.lines().count()), (0, 1), "{said}");
    let judged = scene.run("dry-run bank out.jsonl --action review --json").1;
    assert!(judged.lines().next().unwrap().contains("\"action\":\"review\""), "{judged}");
}

#[test]
fn earlier_uploads_are_found() {
    let scene = Scene::new();
    assert_eq!(scene.run("match bank a.y4m b.y4m --keep store").0, 1);
    assert_eq!(scene.run("add bank b.y4m").0, 0);
    let (status, said, counts) = scene.run("sweep bank store --since 1");
    assert!(status == 1 && said.starts_with("b.y4m, of 20") && said.lines().count() == 1, "{said}");
    assert!(said.contains("Z: copy of b.y4m"), "{said}");
    assert_eq!(counts, "2 uploads looked through against 1 references\n");
    let (_, said, _) = scene.run("sweep bank store --format csv");
    assert_eq!(said.lines().count(), 3);
    assert_eq!(scene.run("sweep bank missing").0, 2);
    // What is allowed overrules what is new.
    assert_eq!(scene.run("policy bank ours --allow").0, 0);
    assert_eq!(scene.run("add bank b.y4m --name licence --collection ours").0, 0);
    assert_eq!(scene.run("add bank a.y4m --name again").0, 0);
    assert_eq!(scene.run("remove bank b.y4m").0, 0);
    assert_eq!(scene.run("add bank b.y4m --name late").0, 0);
    let (status, said, counts) = scene.run("sweep bank store --since 6");
    assert!(status == 0 && said.is_empty(), "{said}");
    assert_eq!(counts, "2 uploads looked through against 1 references\n");
    // Uploads to a bank with a key may be kept beside.
    fs::write(scene.folder.path().join("secret"), [7; 32]).unwrap();
    assert_eq!(scene.run("add keyed b.y4m --key secret").0, 0);
    assert_eq!(scene.run("match keyed b.y4m --key secret --keep store").0, 1);
    let (status, _, counts) = scene.run("sweep bank store --since 6");
    assert_eq!(status, 0);
    assert!(
        counts.starts_with("2 uploads looked through") && counts.contains("1 uploads of the store"),
        "{counts}"
    );
    // What cannot be kept is checked all the same.
    let (status, said, errors) = scene.run("match bank a.y4m --keep b.y4m");
    assert!(status == 2 && said.starts_with("a.y4m: copy of"), "{said}{errors}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_takes_nothing_stops_nothing_else() {
    let scene = Scene::new();
    assert_eq!(scene.run_full("add bank b.y4m a.y4m", false).0, 0);
    let (status, said) = scene.run_full("match bank a.y4m missing.y4m b.y4m", false);
    assert!(status == 2 && said.lines().count() == 2, "{said}");
    assert_eq!(scene.run_full("match bank a.y4m b.y4m --report out.jsonl", true).0, 2);
    assert_eq!(fs::read_to_string(scene.folder.path().join("out.jsonl")).unwrap().lines().count(), 2);
    assert_eq!(scene.run_full("match bank a.y4m b.y4m --report /dev/full", false).1.lines().count(), 2);
}

#[test]
fn a_line_that_was_cut_off_is_passed_over() {
    let scene = Scene::new();
    let report = scene.folder.path().join("out.jsonl");
    assert_eq!(scene.run("match bank a.y4m --report out.jsonl").0, 1);
    let mut text = fs::read_to_string(&report).unwrap();
    text.insert(0, '\n');
    text.push_str("{\"query\":\"a.y");
    fs::write(&report, text).unwrap();
    assert_eq!(scene.run("match bank b.y4m --report out.jsonl").0, 0);
    let (status, _, said) = scene.run("dry-run bank out.jsonl");
    assert!(
        status == 2 && said.contains("line 3, column ") && said.contains("1 uploads: block, as now"),
        "{said}"
    );
    let (status, said, _) = scene.run("replay bank out.jsonl a.y4m b.y4m");
    assert_eq!((status, said.matches("the same verdict").count()), (2, 2), "{said}");
}

#[test]
fn a_change_that_the_bank_does_not_have_stops_no_other_from_being_judged_again() {
    let scene = Scene::new();
    let report = scene.folder.path().join("out.jsonl");
    assert_eq!(scene.run("match bank a.y4m b.y4m --report out.jsonl").0, 1);
    let text = fs::read_to_string(&report).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let gone = first.replace("\"sequence\":1,", "\"sequence\":99,");
    assert_ne!(gone, first);
    fs::write(&report, [&gone, first, rest].join("\n")).unwrap();
    let (status, said, errors) = scene.run("replay bank out.jsonl a.y4m b.y4m");
    assert_eq!((status, said.matches("the same verdict").count()), (2, 2), "{said}{errors}");
    assert!(errors.contains("afterimage: a.y4m: at change 99: "), "{errors}");
}

#[test]
fn each_match_is_shown_beside_its_own_reference() {
    let scene = Scene::new();
    let path = |name: &str| scene.folder.path().join(name);
    fs::create_dir(path("refs")).unwrap();
    fs::copy(path("a.y4m"), path("refs/z.y4m")).unwrap();
    fs::copy(path("b.y4m"), path("refs/a.y4m")).unwrap();
    assert_eq!(scene.run("add bank a.y4m --name z.y4m").0, 0);
    assert_eq!(scene.run("explain bank a.y4m --out page --references refs").0, 1);
    let page = fs::read_to_string(path("page/index.html")).unwrap();
    let places = ["<h2>a.y4m", "01-picture.png", "<h2>z.y4m", "02-picture.png"];
    let places = places.map(|text| page.find(text));
    assert!(places[0].is_some() && places.is_sorted(), "{page}");
    // The rightmost pane is the reference's: of one the upload itself, of the other another film.
    let [other, same] = ["page/01-picture.png", "page/02-picture.png"].map(|name| {
        let sheet = image::open(path(name)).unwrap().into_luma8();
        assert_eq!(sheet.width(), 3 * 486);
        let differs =
            |x: u32| sheet.get_pixel(x, 100).0[0].abs_diff(sheet.get_pixel(x + 2 * 486, 100).0[0]) > 20;
        (40..440).filter(|&x| differs(x)).count()
    });
    assert!(same < 40 && other > 100, "{same} {other}");
}

#[test]
fn who_changes_a_bank_just_now_is_waited_for() {
    let scene = Scene::new();
    let path = scene.folder.path().join("bank");
    let bank = afterimage::Bank::open(&path).unwrap();
    std::thread::scope(|scope| {
        let added = scope.spawn(|| scene.run("add bank b.y4m"));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!added.is_finished());
        drop(bank);
        assert_eq!(added.join().unwrap().0, 0);
    });
    assert_eq!(scene.run("list bank").1.lines().count(), 2);
}

#[test]
fn what_is_not_said_again_stays() {
    let scene = Scene::new();
    assert!(scene.run("add bank a.y4m").2.ends_with("a.y4m: was there\n"));
    assert_eq!(scene.run("add bank a.y4m --label y").0, 0);
    let listed = &scene.lines("list bank --format jsonl")[0];
    assert_eq!((&listed["label"], &listed["collection"]), (&"y".into(), &"terror".into()));
}

#[test]
fn what_cannot_be_recognised_is_not_added_and_what_is_short_is_found_whole() {
    let scene = Scene::new();
    let path = |name: &str| scene.folder.path().join(name);
    let head = "YUV4MPEG2 W160 H90 F8:1 Ip A1:1 Cmono\n".as_bytes();
    fs::write(
        path("black.y4m"),
        [head, &[b"FRAME\n".as_slice(), &[16; 160 * 90]].concat().repeat(40)].concat(),
    )
    .unwrap();
    let (status, _, said) = scene.run("add bank black.y4m");
    assert!(status == 2 && said.contains("nothing in it to be recognised by"), "{said}");
    let bytes = fs::read(path("b.y4m")).unwrap();
    fs::write(path("short.y4m"), &bytes[..head.len() + 12 * (160 * 90 + 6)]).unwrap();
    let (status, _, said) = scene.run("add bank short.y4m");
    assert!(status == 0 && said.contains("shorter than 3 s"), "{said}");
    let (status, said, _) = scene.run("match bank short.y4m");
    assert!(status == 1 && said.contains("0:00.0–0:01.5 is 0:00.0–0:01.5 of it"), "{said}");
}

#[test]
fn a_reference_that_matches_too_much_is_told() {
    let scene = Scene::new();
    // Different files with the same content in the end.
    for n in 0..3u8 {
        let mut bytes = fs::read(scene.folder.path().join("a.y4m")).unwrap();
        let frame = 160 * 90 + 6;
        bytes.truncate(bytes.len() - frame * usize::from(n));
        fs::write(scene.folder.path().join(format!("{n}.y4m")), bytes).unwrap();
    }
    let (_, out, errors) = scene.run("match bank 0.y4m 1.y4m 2.y4m --breaker 2/1h --jobs 1");
    assert!(
        out.contains("2.y4m") && out.contains("review instead of block, the reference matches too much"),
        "{out}"
    );
    assert!(errors.contains("a.y4m matches too much"), "{errors}");
    // What it has tripped stays so, whatever the policies are.
    scene.run("match bank 0.y4m 1.y4m 2.y4m --breaker 2/1h --jobs 1 --report out.jsonl");
    let (_, said, counts) = scene.run("dry-run bank out.jsonl");
    assert!(said.is_empty() && counts.contains("1 uploads: review, as now"), "{said}{counts}");
}
