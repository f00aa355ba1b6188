//! Medians, spreads and ratios.

use serde::Serialize;

use crate::stopwatch::Sample;

/// The middle of some values, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are not above it, half not below.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of values in any order; none of none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self {
            median: f64::midpoint(low, high),
            min,
            max,
        })
    }
}

/// What the runs of one program took.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Seconds from start to end.
    pub wall_s: Spread,
    /// Seconds of processor.
    pub cpu_s: Spread,
    /// The most memory, KiB.
    pub peak_kib: Spread,
}

impl Figures {
    /// Of some runs; none of none.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Option<Self> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact up to 2^52 KiB, more than any machine has"
        )]
        let peak = |sample: &Sample| sample.peak_kib as f64;
        Some(Self {
            wall_s: Spread::of(samples.iter().map(|sample| sample.wall_s))?,
            cpu_s: Spread::of(samples.iter().map(|sample| sample.cpu_s))?,
            peak_kib: Spread::of(samples.iter().map(peak))?,
        })
    }
}

/// Ours divided by the peer's: below 1, we take less.
#[derive(Debug, Clone, Serialize)]
pub struct Ratios {
    /// Wall time, of each pair of runs that were made one after the other. A machine that is slower for a while is
    /// slower for both, so this is the figure to trust.
    pub wall_of_pairs: Spread,
    /// Wall time, of the medians.
    pub wall_of_medians: f64,
    /// Processor time, of each pair.
    pub cpu_of_pairs: Spread,
    /// Memory, of the medians.
    pub peak_of_medians: f64,
}

impl Ratios {
    /// Of our runs and those of a peer, round by round; none without rounds.
    #[must_use]
    pub fn of(ours: &[Sample], peer: &[Sample]) -> Option<Self> {
        let pairs = || ours.iter().zip(peer);
        let (our, its) = (Figures::of(ours)?, Figures::of(peer)?);
        Some(Self {
            wall_of_pairs: Spread::of(pairs().map(|(ours, peer)| ours.wall_s / peer.wall_s))?,
            wall_of_medians: our.wall_s.median / its.wall_s.median,
            cpu_of_pairs: Spread::of(pairs().map(|(ours, peer)| ours.cpu_s / peer.cpu_s))?,
            peak_of_medians: our.peak_kib.median / its.peak_kib.median,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(walls: &[f64]) -> Vec<Sample> {
        walls
            .iter()
            .map(|&wall_s| Sample {
                wall_s,
                cpu_s: wall_s / 2.0,
                peak_kib: 1024,
            })
            .collect()
    }

    #[test]
    fn the_median_of_odd_and_of_even() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        let three = spread(&[3.0, 1.0, 2.5]).unwrap();
        assert_eq!((three.median, three.min, three.max), (2.5, 1.0, 3.0));
        let four = spread(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((four.median, four.min, four.max), (2.5, 1.0, 4.0));
    }

    #[test]
    fn a_machine_that_slows_down_leaves_the_ratio_of_pairs() {
        let ratios = Ratios::of(&samples(&[1.0, 1.0, 8.0]), &samples(&[2.0, 2.0, 16.0])).unwrap();
        assert_eq!(
            (ratios.wall_of_pairs.min, ratios.wall_of_pairs.max),
            (0.5, 0.5),
            "{ratios:?}"
        );
        let uneven = Ratios::of(&samples(&[1.0, 3.0, 2.0]), &samples(&[1.0, 1.0, 4.0])).unwrap();
        let pairs = Spread::of([1.0, 3.0, 0.5]).unwrap();
        assert_eq!(uneven.wall_of_pairs, pairs, "{uneven:?}");
        assert!((uneven.wall_of_medians - 2.0).abs() < 1e-9, "{uneven:?}");
    }
}
