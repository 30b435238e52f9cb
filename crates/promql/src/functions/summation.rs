//! Sums that lose no digits on the way.

/// A sum with Neumaier's compensation. <https://en.wikipedia.org/wiki/Kahan_summation_algorithm#Further_enhancements>
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    /// The sum before compensation.
    pub(super) fn raw(self) -> f64 {
        self.sum
    }

    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}
