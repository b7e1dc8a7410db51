//! Replays what fuzzing has found worth keeping: `corpus` holds small inputs of each target.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a target that finds something fails"
)]
#![expect(unreachable_pub, reason = "the fuzzer's programs take the targets as a library")]

mod targets;

use std::{fs, path::Path};

#[test]
fn every_input_of_the_corpus_holds_what_its_target_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::ALL {
        let files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() > 5, "{name} has hardly a corpus");
        for file in files {
            let input = fs::read(&file).unwrap();
            let holds = std::panic::catch_unwind(|| target(&input)).is_ok();
            assert!(holds, "{} fails: {}", file.display(), input.escape_ascii());
        }
    }
}
