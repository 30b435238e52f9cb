//! What was answered lately: for a while, and not more than so many answers.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Answers that are remembered.
pub struct Bounded<K, V> {
    most: usize,
    answers: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Bounded<K, V> {
    /// No more than `most`.
    pub fn new(most: usize) -> Self {
        Self { most, answers: Mutex::default() }
    }

    /// What was answered, if that is not too long ago.
    pub fn get(&self, key: &K) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(_, until)| *until > Instant::now()).map(|(answer, _)| answer.clone())
    }

    /// Remembers an answer `lasting` so long; when there are too many, the one that would be forgotten first goes.
    pub fn put(&self, key: K, answer: V, lasting: Duration) {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= self.most && !answers.contains_key(&key) {
            answers.retain(|_, (_, until)| *until > now);
            if answers.len() >= self.most
                && let Some(first) = answers.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone())
            {
                answers.remove(&first);
            }
        }
        answers.insert(key, (answer, now + lasting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_forgotten_in_time_and_never_more_than_so_many_are_kept() {
        let known = Bounded::new(2);
        known.put("a", 1, Duration::from_secs(5));
        known.put("b", 2, Duration::from_secs(10));
        known.put("c", 3, Duration::from_secs(10));
        assert_eq!((known.get(&"a"), known.get(&"b"), known.get(&"c")), (None, Some(2), Some(3)));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(known.get(&"b"), None);
    }
}
