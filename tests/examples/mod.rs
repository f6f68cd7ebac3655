//! The examples of two well-known schemas, run as their READMEs say, with a writer that does what such a shop does all day.

mod northwind;
mod opencart;
mod stories;

/// A file of an example.
fn file(example: &str, path: &str) -> String {
    std::fs::read_to_string(format!("{}/examples/{example}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
