//! Faults of any kind, at any place.

use super::dice::Dice;

/// Changes some bytes.
pub fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(2) {
        if !bytes.is_empty() {
            once(bytes, dice);
        }
    }
}

fn once(bytes: &mut Vec<u8>, dice: &mut Dice) {
    // Faults in a head are more interesting than those in a body.
    let most = if dice.chance(50) { bytes.len().min(60) } else { bytes.len() };
    let place = dice.below(most);
    match dice.below(12) {
        0..3 => bytes[place] = dice.byte(),
        3..6 => bytes.insert(place, dice.byte()),
        6 | 7 => {
            bytes.remove(place);
        }
        8 => double_line(bytes, place),
        9 | 10 => other_line_end(bytes, place, dice),
        _ => bytes.truncate(place),
    }
}

/// The line feeds up to which lines reach.
fn line_of(bytes: &[u8], place: usize) -> (usize, usize) {
    let start = bytes[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[place..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| place + end + 1);
    (start, end)
}

fn double_line(bytes: &mut Vec<u8>, place: usize) {
    let (start, end) = line_of(bytes, place);
    let line = bytes[start..end].to_vec();
    bytes.splice(end..end, line);
}

fn other_line_end(bytes: &mut Vec<u8>, place: usize, dice: &mut Dice) {
    let (_, end) = line_of(bytes, place);
    let ends_well = bytes[..end].ends_with(b"\r\n");
    let start = end - if ends_well { 2 } else { usize::from(bytes[..end].ends_with(b"\n")) };
    let other = dice.pick::<[u8]>(&[b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b""]);
    bytes.splice(start..end, other.iter().copied());
}
