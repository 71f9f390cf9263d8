//! Documentation that is generated: the file must say what the code says.

use std::path::Path;

/// Compares a file of the project with its generated text. With `AERAKI_UPDATE_DOCS=1` it writes the file instead.
pub(crate) fn check(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file);
    if std::env::var_os("AERAKI_UPDATE_DOCS").is_some() {
        let directory = path.parent().expect("the file lies in the project");
        std::fs::create_dir_all(directory).expect("the documentation can be written");
        std::fs::write(&path, generated).expect("the documentation can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "{file} is not what the code says; run the tests once with AERAKI_UPDATE_DOCS=1"
    );
}
