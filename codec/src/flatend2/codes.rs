//! The codes of RESET and GOODBYE on the wire. One that is not known means the least that it can.

use crate::event::{GoodbyeCode, ResetCode};

/// The codes of RESET on the wire.
pub(crate) const fn wire_code(code: ResetCode) -> u8 {
    match code {
        ResetCode::Refused => 0,
        ResetCode::Done => 1,
        ResetCode::Cancel => 2,
        ResetCode::Deadline => 3,
        ResetCode::Limit => 4,
        ResetCode::Internal => 5,
        ResetCode::Protocol => 6,
        ResetCode::Unavailable => 7,
    }
}

pub(crate) const fn reset_code(byte: u8) -> ResetCode {
    match byte {
        0 => ResetCode::Refused,
        1 => ResetCode::Done,
        2 => ResetCode::Cancel,
        3 => ResetCode::Deadline,
        4 => ResetCode::Limit,
        6 => ResetCode::Protocol,
        7 => ResetCode::Unavailable,
        // One that is not known means no more than that it failed.
        _ => ResetCode::Internal,
    }
}

/// The codes of GOODBYE on the wire.
pub(crate) const fn wire_goodbye(code: GoodbyeCode) -> u8 {
    match code {
        GoodbyeCode::Drain => 0,
        GoodbyeCode::Restart => 1,
        GoodbyeCode::Protocol => 2,
        GoodbyeCode::Key => 3,
    }
}

pub(crate) const fn goodbye_code(byte: u8) -> GoodbyeCode {
    match byte {
        1 => GoodbyeCode::Restart,
        2 => GoodbyeCode::Protocol,
        3 => GoodbyeCode::Key,
        // What is not known asks no more than the least.
        _ => GoodbyeCode::Drain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_and_unknown_ones_are_the_mildest() {
        for byte in 0..8 {
            assert_eq!(wire_code(reset_code(byte)), byte);
        }
        for byte in 0..4 {
            assert_eq!(wire_goodbye(goodbye_code(byte)), byte);
        }
        assert_eq!(reset_code(99), ResetCode::Internal);
        assert_eq!(goodbye_code(99), GoodbyeCode::Drain);
    }
}
