//! Moments in which both sides of a comparison suffer from the same.
//!
//! How much two versions differ is learned from all other moments: pods are scraped one after another, so where an incident of
//! both begins and ends, the one shows it in a block in which the other does not yet, and they seem to differ in large crowds.
//! What is bet on such a moment reckons with the crowds that history has by itself, as if nothing were compared.

use super::{boundary::Boundary, dispersion::Compared, proportion::Proportion};

/// What is far outside of what stable was like: five times as bad, and one request in a hundred beyond that.
pub(super) const FAR: Boundary = Boundary { ratio: 5.0, margin: 0.01 };

/// Beyond what part of bad requests a version is far outside of what is `typical`.
pub(super) fn far_from(typical: f64) -> f64 {
    FAR.limit(typical)
}

/// Tells calm blocks, those beside which there is no incident of both, from all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calm {
    /// Beyond this part of bad requests there is an incident; nothing where nobody knows what is usual.
    far: Option<f64>,
    /// The last block, which is calm if the next one is.
    last: Option<Compared>,
    was_incident: bool,
}

impl Calm {
    /// Of services of whose stable version that part is bad typically.
    pub(super) fn new(typical: Option<f64>) -> Self {
        Self { far: typical.map(far_from), last: None, was_incident: false }
    }

    /// Whether so many bad requests are far more than usual.
    pub(super) fn is_far(&self, share: Proportion) -> bool {
        self.far.is_some_and(|far| share.bad > far * share.total)
    }

    /// The block before the `next` one, if it was calm.
    pub(super) fn before(&mut self, next: Compared) -> Option<Compared> {
        let is_incident = self.is_far(next.0) && self.is_far(next.1);
        let was_incident = std::mem::replace(&mut self.was_incident, is_incident);
        let may_be_calm = !is_incident && !was_incident;
        std::mem::replace(&mut self.last, may_be_calm.then_some(next)).filter(|_| !is_incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block([one, other]: [f64; 2]) -> Compared {
        let proportion = |bad| Proportion { bad, total: 100.0 };
        Compared(proportion(one * 100.0), proportion(other * 100.0))
    }

    fn calm(blocks: &[[f64; 2]]) -> Vec<usize> {
        let mut calm = Calm::new(Some(0.001));
        let next = blocks.iter().copied().map(block).enumerate();
        next.filter_map(|(place, next)| calm.before(next).map(|_| place - 1)).collect()
    }

    #[test]
    fn an_incident_of_both_is_left_out_with_the_blocks_beside_it() {
        let [well, ill, of_one] = [[0.0, 0.0], [0.1, 0.1], [0.1, 0.0]];
        assert_eq!(calm(&[well, well, of_one, ill, ill, of_one, well, well]), [0, 1, 6]);
    }

    #[test]
    fn what_befalls_one_of_both_is_not() {
        let [well, of_one, of_other] = [[0.0, 0.0], [0.3, 0.0], [0.0, 0.3]];
        assert_eq!(calm(&[well, of_one, of_other, well, well]), [0, 1, 2, 3]);
    }

    #[test]
    fn without_history_nothing_is() {
        let mut calm = Calm::new(None);
        assert_eq!(calm.before(block([0.9, 0.9])), None);
        assert_eq!(calm.before(block([0.0, 0.0])), Some(block([0.9, 0.9])));
    }
}
