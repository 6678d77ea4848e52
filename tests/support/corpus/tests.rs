//! The corpus is made of all kinds, and always the same.

use super::{AnswerEntry, RequestEntry, SIZE};
use crate::support::{
    expected::Expected,
    strict::{self, End, Side},
};

#[test]
fn an_entry_is_made_from_its_number_alone() {
    for number in [0, 1, 4711, SIZE - 1] {
        assert_eq!(RequestEntry::of(number).bytes, RequestEntry::of(number).bytes);
        assert_ne!(RequestEntry::of(number).bytes, RequestEntry::of(number + 1).bytes);
        assert_ne!(AnswerEntry::of(number).bytes, AnswerEntry::of(number + 1).bytes);
    }
}

#[test]
fn there_are_requests_of_all_kinds() {
    let (mut sure, mut doubtful, mut missing, mut faulty_heads, mut faulty_bodies) = (0, 0, 0, 0, 0);
    for number in 0..SIZE {
        for request in strict::requests(&RequestEntry::of(number).bytes, Side::Client) {
            match (request.end, &request.head) {
                (End::Whole | End::Closing, _) if request.is_doubtful => doubtful += 1,
                (End::Whole | End::Closing, _) => sure += 1,
                (End::Missing, _) => missing += 1,
                (End::Fault(_), None) => faulty_heads += 1,
                (End::Fault(_), Some(_)) => faulty_bodies += 1,
            }
        }
    }
    let counts = [sure, doubtful, missing, faulty_heads, faulty_bodies];
    assert!(sure > 4000 && counts.iter().all(|count| *count > 150), "{counts:?}");
}

#[test]
fn there_are_answers_of_all_kinds() {
    let mut counts = [0; 4];
    for number in 0..SIZE {
        counts[match Expected::of(&AnswerEntry::of(number)) {
            Expected::Same(_) => 0,
            Expected::Mended(_) => 1,
            Expected::Broken(_) => 2,
            Expected::Refused => 3,
        }] += 1;
    }
    assert!(counts[0] > 2000 && counts.iter().all(|count| *count > 300), "{counts:?}");
}
