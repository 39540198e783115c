//! The house keeps its order: imports point down the list in `src/lib.rs`, and below the line nobody
//! knows what the rooms are for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from top to bottom; modules of one floor may use each other in one direction.
const FLOORS: [&[&str]; 13] = [
    &["cli"],
    &["app"],
    &["http", "admin"],
    &["pulse"],
    &["client"],
    &["bridge"],
    &["events"],
    &["store"],
    &["auth"],
    // the line
    &["transport"],
    &["rooms"],
    &["socket"],
    &["protocol"],
];

/// Under everybody.
const GROUND: [&str; 7] = ["config", "close", "ids", "clock", "metrics", "network", "vital"];

/// The floor of the first module below the line.
const LINE: usize = 9;

fn floor(module: &str) -> Option<usize> {
    let ground = || GROUND.contains(&module).then_some(FLOORS.len());
    FLOORS.iter().position(|floor| floor.contains(&module)).or_else(ground)
}

#[test]
fn imports_point_down_only() {
    let mut edges = BTreeSet::new();
    for (path, text) in sources() {
        let Some(from) = top_module(&path) else { continue };
        for to in used_modules(&text) {
            if to != from {
                edges.insert((from.clone(), to, path.clone()));
            }
        }
    }
    assert!(edges.len() > 5, "the sources were not read: {edges:?}");
    let mut wrong = Vec::new();
    for (from, to, path) in &edges {
        let (Some(above), Some(below)) = (floor(from), floor(to)) else {
            wrong.push(format!("{}: `{from}` or `{to}` has no floor in tests/house.rs", path.display()));
            continue;
        };
        let mutual = above == below && edges.iter().any(|(f, t, _)| f == to && t == from);
        if above > below || mutual {
            wrong.push(format!("{}: `{from}` uses `{to}`", path.display()));
        }
        if to == "config" && (LINE..FLOORS.len()).contains(&above) {
            wrong.push(format!("{}: below the line nobody knows the configuration", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_map_in_lib_rs_has_every_module_from_top_to_bottom() {
    let lib = fs::read_to_string(root().join("lib.rs")).unwrap();
    let expected: Vec<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).chain(GROUND).collect();
    // | [`http`], [`admin`] | what lives there |
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | ")?.split('|').next());
    let drawn: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(drawn, expected);
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, expected.into_iter().collect());
}

#[test]
fn nobody_reaches_another_module_by_climbing_up() {
    // `super::super::rooms` would be an import that the test above does not see
    for (path, text) in sources() {
        let depth = module_path(&path).len();
        let (code, tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for (part, allowed) in [(code, depth.saturating_sub(1)), (tests, depth)] {
            let climbs = climbs(part);
            assert!(climbs <= allowed, "{}: {climbs} times `super`: say `crate::` instead", path.display());
        }
    }
}

#[test]
fn below_the_line_nobody_has_heard_of_campaigns() {
    let mut heard = Vec::new();
    for (path, text) in sources() {
        let floor = top_module(&path).and_then(|module| floor(&module));
        if floor.is_some_and(|floor| (LINE..FLOORS.len()).contains(&floor)) {
            let lines = text.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains("campaign"));
            heard.extend(lines.map(|(n, line)| format!("{}:{}: {}", path.display(), n + 1, line.trim())));
        }
    }
    assert!(heard.is_empty(), "\n{}", heard.join("\n"));
}

/// What SECURITY.md names stands there in code spans; a name that ends with `…` stands for all that begin so.
#[test]
fn the_tests_and_files_that_security_names_are_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(repository.join("SECURITY.md")).unwrap();
    let spans: BTreeSet<&str> = document.split('`').skip(1).step_by(2).collect();
    let files = sources().into_iter().chain(rust_files(repository.join("tests")));
    let code: String = files.map(|(_, text)| text).collect();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_test = |name: &str| name.len() > 20 && name.bytes().all(letter);
    let tests: Vec<&&str> = spans.iter().filter(|span| is_test(span.trim_end_matches('…'))).collect();
    assert!(tests.len() > 25, "the document was not read: {tests:?}");
    for test in tests {
        let definition =
            test.strip_suffix('…').map_or_else(|| format!("fn {test}("), |start| format!("fn {start}"));
        assert!(code.contains(&definition), "there is no test {test}");
    }
    for path in spans.iter().filter(|span| span.ends_with(".rs") && !span.contains('{')) {
        assert!(root().join(path).exists() || repository.join(path).exists(), "there is no {path}");
    }
}

#[test]
fn the_reader_of_imports_sees_what_it_has_to() {
    let text = "
        //! [`crate::cli`] in a comment is no import
        use crate::rooms::Lane; // nor is crate::http here
        use crate::{clock, store::{self, Record}, config as settings};
        fn f() { crate::ids::Uid(1); other_crate::bridge(); }
        pub(crate) fn g() {}
    ";
    let seen: Vec<String> = used_modules(text).into_iter().collect();
    assert_eq!(seen, ["clock", "config", "ids", "rooms", "store"]);
    assert_eq!(climbs("use super::super::x; use super::y;"), 2);
    let path = root().join("rooms/lane/mod.rs");
    assert_eq!(module_path(&path), ["rooms", "lane"]);
    assert_eq!(module_path(&root().join("rooms/lane.rs")), ["rooms", "lane"]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file and its text.
fn sources() -> Vec<(PathBuf, String)> {
    rust_files(root())
}

fn rust_files(below: PathBuf) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![below];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// `src/rooms/lane.rs` → `rooms`, `lane`; empty for `lib.rs` and `main.rs`.
fn module_path(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(root()).unwrap().with_extension("");
    let parts = inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str())).collect()
}

fn top_module(path: &Path) -> Option<String> {
    module_path(path).into_iter().next()
}

/// The text without its line comments.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that a file names by `crate::`.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code = code_of(text);
    let starts = code.match_indices("crate::").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
    });
    starts.flat_map(|(at, found)| first_names(&code[at + found.len()..])).collect()
}

/// `a::b` → a; `{a, b::{c, d}, e as f}` → a, b, e.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[begin..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The longest chain of `super::`.
fn climbs(text: &str) -> usize {
    let code = code_of(text);
    let mut longest = 0;
    let mut rest = code.as_str();
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let mut chain = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            chain += 1;
            rest = after;
        }
        longest = longest.max(chain);
    }
    longest
}
