//! Files on disk: reading one, and finding those that a pattern names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Project;
use crate::mapping::{Problem, SourceFile};

/// No file that a person writes is larger.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Reads a text file.
///
/// # Errors
/// A problem without a place in the text: the file is not there, too large or not UTF-8.
pub fn read(path: &Path) -> Result<Arc<SourceFile>, Box<Problem>> {
    let shown = path.display().to_string();
    let failed = |message: String| {
        let file = Arc::new(SourceFile { path: shown.clone(), text: String::new() });
        Box::new(Problem::new(&file, 0..0, message))
    };
    let length = std::fs::metadata(path).map_err(|error| failed(format!("this file cannot be read: {error}")))?.len();
    if length > FILE_BYTES_MAX {
        return Err(failed(format!("this file has {length} bytes; {FILE_BYTES_MAX} are allowed")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(format!("this file cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        failed(format!("this file is not UTF-8: byte {offset}")).with_boxed_help("save it as UTF-8")
    })?;
    Ok(Arc::new(SourceFile { path: shown, text }))
}

trait BoxedHelp {
    fn with_boxed_help(self, help: &str) -> Self;
}

impl BoxedHelp for Box<Problem> {
    fn with_boxed_help(self, help: &str) -> Self {
        Box::new((*self).with_help(help))
    }
}

/// Reads every mapping file of a project.
pub(super) fn mappings(project: &Project) -> Result<Vec<Arc<SourceFile>>, Vec<Problem>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut problems = Vec::new();
    for pattern in &project.mappings {
        let found = matching(&project.folder, &pattern.value);
        if found.is_empty() {
            let problem =
                Problem::new(&project.file, pattern.span.clone(), format!("no mapping file is named {}", pattern.value));
            problems.push(problem.with_help(format!("paths start from the folder of {}", project.file.path)));
        }
        paths.extend(found);
    }
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// The files that a pattern names; `*` and `?` stand for characters within one name.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let (root, relative) = match pattern.strip_prefix('/') {
        Some(relative) => (PathBuf::from("/"), relative),
        None => (folder.to_path_buf(), pattern),
    };
    let mut found = vec![root];
    for part in relative.split('/').filter(|part| !part.is_empty() && *part != ".") {
        found = found.into_iter().flat_map(|parent| children(&parent, part)).collect();
    }
    found.retain(|path| path.is_file());
    found
}

fn children(parent: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?']) {
        return vec![parent.join(part)];
    }
    let listed = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // A leading dot is hidden from patterns, as in a shell.
    names.filter(|name| !name.starts_with('.') && is_like(name, part)).map(|name| parent.join(name)).collect()
}

/// Whether a name is like a pattern.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for wanted in pattern {
        let mut next = vec![false; name.len() + 1];
        let mut any_before = false;
        for (index, here) in reached.iter().enumerate() {
            any_before |= *here;
            match wanted {
                '*' => set(&mut next, index, any_before),
                '?' => set(&mut next, index + 1, *here),
                wanted => set(&mut next, index + 1, *here && name.get(index) == Some(&wanted)),
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

fn set(cells: &mut [bool], index: usize, value: bool) {
    if let Some(cell) = cells.get_mut(index) {
        *cell = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (name, pattern, like) in [
            ("order.yaml", "*.yaml", true),
            ("order.yml", "*.yaml", false),
            ("주문.yaml", "??.yaml", true),
            ("", "*", true),
            ("a", "", false),
            ("abcabc", "a*c", true),
            ("abcab", "a*c", false),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }
}
