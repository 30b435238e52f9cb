//! What somebody may have meant.

/// The candidate that is written most like `name`, unless none is like it at all.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance = |candidate: &str| strsim::osa_distance(&lower, &candidate.to_lowercase());
    let (distance, candidate) = candidates.into_iter().map(|one| (distance(one), one)).min()?;
    // Half of the letters have to be right: `weigth` is `weight`, and `colour` is nothing.
    (distance * 2 <= name.chars().count().max(candidate.chars().count())).then_some(candidate)
}

/// `; did you mean …?` with the nearest of the candidates; nothing if none is near.
#[must_use]
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let fields = ["name", "weight", "bake", "deadline", "onFailure"];
        assert_eq!(nearest("weigth", fields), Some("weight"));
        assert_eq!(nearest("onfailure", fields), Some("onFailure"));
        assert_eq!(did_you_mean("bakes", fields), "; did you mean bake?");
    }

    #[test]
    fn a_word_that_is_like_none_is_not_guessed_at() {
        assert_eq!(nearest("colour", ["name", "weight", "bake"]), None);
        assert_eq!(did_you_mean("x", []), "");
    }
}
