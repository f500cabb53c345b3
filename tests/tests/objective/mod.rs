//! Every loss of every device equals core's, value and gradient.

mod cases;
mod groups;
mod tokens;

use libtest_mimic::Trial;

pub(crate) use self::cases::Estimator;

pub(crate) fn tests() -> Vec<Trial> {
    [tokens::tests(), groups::tests()].into_iter().flatten().collect()
}
