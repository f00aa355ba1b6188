//! What no connector should do.

use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use crate::script::WrongStep;

/// Does a step. None of them returns.
///
/// # Errors
/// When it comes to its end.
///
/// # Panics
/// When it is told to.
pub fn perform(step: &WrongStep) -> Result<(), String> {
    match step {
        WrongStep::Panic {} => panic!("as the script says"),
        WrongStep::Compute {} => {
            let mut round = 0_u64;
            while black_box(round) < u64::MAX {
                round += 1;
            }
        }
        WrongStep::WaitForEver {} => sleep(Duration::from_hours(24)),
    }
    Err("that came to an end".to_owned())
}
