//! Nearest: the known name that a misspelt one most likely means.

/// The candidate within a few edits of `name`, if there is one.
#[must_use]
pub fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = 1 + name.chars().count() / 4;
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// How many insertions, deletions and replacements lie between two names, without regard to case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, left_char) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row;
        let mut current = vec![row + 1];
        for (right_char, above) in right.iter().zip(previous.iter().skip(1)) {
            let beside = current.last().copied().unwrap_or(row);
            current.push((diagonal + usize::from(left_char != *right_char)).min(above + 1).min(beside + 1));
            diagonal = *above;
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_another_word_is_not() {
        assert_eq!(nearest("polices", ["policies", "facts"].into_iter()), Some("policies"));
        assert_eq!(nearest("colour", ["policies", "facts"].into_iter()), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
